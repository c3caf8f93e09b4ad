"""The occlusion widget as a reader meets it: pointer, keys, touch, screen reader, phone."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from cnnlib.widgets.maps import palette
from cnnlib.widgets.occlusion import LABELS, Occlusion
from tests.browser.axe import axe_finds
from tests.browser.model import choose, chosen
from tests.test_widgets_occlusion import (
    CATEGORIES,
    GRIDS,
    IMAGE,
    make,
    photographs,
    read_back,
    respond,
    said,
    scan,
    unpacked,
)

TOPS, LEFTS = map(list, GRIDS[8, 6])


def words(page: Page) -> str:
    return page.locator(".cnn-words").text_content()


def choice(page: Page) -> dict:
    return chosen(page, "photograph", "occluder", "shown", "place")


def at(page: Page, y: float, x: float, stage: str = ".cnn-photograph") -> tuple[float, float]:
    """Where on the page a point of the network's input lies."""
    page.locator(stage).scroll_into_view_if_needed()
    box = page.locator(stage).bounding_box()
    return box["x"] + x / IMAGE[1] * box["width"], box["y"] + y / IMAGE[0] * box["height"]


def bars(page: Page, which: int) -> list[tuple[str, str]]:
    """(class, per cent) of each line of a list in sight: 0 covered, 1 clean."""
    return (
        page.locator(".cnn-bars")
        .nth(which)
        .evaluate(
            """(list) => [...list.children].filter((li) => li.style.visibility !== "hidden")
        .map((li) => [...li.querySelectorAll("span")].map((span) => span.textContent))"""
        )
    )


def colours(page: Page, points: list[tuple[float, float]]) -> np.ndarray:
    """The map canvas' red, green, blue and opacity at points of the network's input."""
    flat, height, width = page.locator(".cnn-stage canvas").evaluate(
        """(c) => [[...c.getContext("2d").getImageData(0, 0, c.width, c.height).data],
        c.height, c.width]"""
    )
    pixels = np.array(flat, np.uint8).reshape(height, width, 4)
    return np.array(
        [pixels[int(y / IMAGE[0] * height), int(x / IMAGE[1] * width)] for y, x in points]
    )


MAP = ".cnn-stage:has(canvas)"


def test_every_place_says_what_the_map_holds_there(show):
    own = scan((8, 6), 4)
    given = make()
    page = show(given)
    entry = given.photographs[0]["scans"][0]
    shares, labels = read_back(entry["probability"]), unpacked(entry["labels"])
    for i, j in np.ndindex(5, 7):
        top, left = TOPS[i], LEFTS[j]
        choose(page, place=[top, left])
        assert words(page) == (
            f"Cover over rows {top} to {top + 7}, columns {left} to {left + 5}: the network says "
            f"{entry['names'][labels[i, j]]}; class 4 {said(shares[i, j])}, "
            f"uncovered {said(own.clean_probability)}."
        )
        order = np.argsort(-own.probabilities[i, j])[:4]
        expected = [
            [f"{CATEGORIES[k]}{' (true)' if k == 4 else ''}", said(own.probabilities[i, j, k])]
            for k in order
        ]
        if 4 not in order:
            expected.append(["class 4 (true)", said(own.probability[i, j])])
        assert bars(page, 0) == expected


def test_the_clean_pictures_classes_stand_beside(show):
    page = show(make())
    own = scan((8, 6), 4)
    order = np.argsort(-own.clean_probabilities)[:4]
    found = [name.removesuffix(" (true)") for name, _ in bars(page, 1)]
    assert found[:4] == [CATEGORIES[k] for k in order]
    assert "class 4" in found
    lengths = (
        page.locator(".cnn-bars")
        .nth(1)
        .locator(".cnn-bar")
        .evaluate_all(
            "(bars) => bars.map((b) => b.getBoundingClientRect().width / b.parentNode.clientWidth)"
        )
    )
    assert lengths[:4] == pytest.approx(own.clean_probabilities[order], abs=0.01)


def test_the_cover_lies_where_the_place_is(show):
    page = show(make(place=[12, 20]))
    photo = page.locator(".cnn-photograph").bounding_box()
    cover = page.locator(".cnn-cover").bounding_box()
    scale = photo["width"] / IMAGE[1]
    assert photo["height"] == pytest.approx(scale * IMAGE[0], abs=1)
    found = [cover["y"] - photo["y"], cover["x"] - photo["x"], cover["height"], cover["width"]]
    assert found == pytest.approx([scale * n for n in (12, 20, 8, 6)], abs=1)


def test_the_heat_map_has_each_places_colour_where_the_middle_of_its_cover_is(show):
    given = make()
    page = show(given)
    levels = unpacked(given.photographs[0]["scans"][0]["probability"]["levels"])
    middles = [(top + 4, left + 3) for top in TOPS for left in LEFTS]
    outside = [(1, 1), (23, 20)]  # no cover has its middle there
    *found, first, second = colours(page, [*middles, *outside])
    assert not first.any() and not second.any()
    expected = palette(False)[levels.ravel()].astype(int)
    assert np.abs(np.array(found)[:, :3] - expected).max() <= 1


def test_the_label_map_names_its_classes_in_colour_and_letter_and_counts_them(show):
    own = scan((8, 6), 4)
    page = show(make(shown="labels"))
    lines = page.locator(".cnn-names li").all_text_contents()
    counts = {CATEGORIES[k]: int((own.labels == k).sum()) for k in range(9)}
    names = ["class 4"] + sorted(
        (n for n in counts if n != "class 4" and counts[n]), key=lambda n: (-counts[n], n)
    )
    assert [line.split("class")[0].strip() for line in lines] == list("ABCDEFGHI"[: len(names)])
    for line, name in zip(lines, names, strict=True):
        assert f"{name} {counts[name]} of 35" in line
    assert "true class" in lines[0]
    corners = [(top + 2.3, left + 0.9) for top in TOPS for left in LEFTS]  # beside the letters
    for colour, label in zip(colours(page, corners)[:, :3], own.labels.flat, strict=True):
        rank = names.index(CATEGORIES[label])
        expected = LABELS[rank] if rank < len(LABELS) else "#c8ccd1"
        assert "#" + "".join(f"{c:02x}" for c in colour) == expected


def test_the_legend_marks_the_class_that_wins_at_the_place(show):
    own = scan((8, 6), 4)
    page = show(make(shown="labels"))
    for i, j in ((0, 0), (2, 3), (4, 6)):
        choose(page, place=[TOPS[i], LEFTS[j]])
        marked = page.locator(".cnn-names .cnn-chosen").all_text_contents()
        assert len(marked) == 1 and f" {CATEGORIES[own.labels[i, j]]} " in marked[0]


def test_each_region_of_the_label_map_has_one_letter_inside_it(show):
    page = show(make())
    grid = np.array([[0, 0, 1, 1], [0, 1, 1, 0], [2, 2, 1, 0]])
    found = page.evaluate(
        """async ([bytes, rows, columns]) => {
          const { regions } = await import("./widgets/occlusion.js");
          return regions(bytes, rows, columns);
        }""",
        [grid.ravel().tolist(), *grid.shape],
    )
    assert sorted((r["label"], r["size"]) for r in found) == [(0, 2), (0, 3), (1, 5), (2, 2)]
    for region in found:
        assert grid[region["row"], region["column"]] == region["label"]


@pytest.mark.parametrize("level", [0, 1, 2, 17, 128, 254, 255])
def test_a_byte_means_the_same_in_both_languages(show, level):
    page = show(make())
    found = page.evaluate(
        """async (level) => {
          const { valueOf } = await import("./widgets/occlusion.js");
          return valueOf({ range: [-20, 700] }, level);
        }""",
        level,
    )
    assert found == pytest.approx(-20 + level / 255 * 720)


def test_per_cents_are_said_alike_in_both_languages(show):
    page = show(make())
    shares = [k / 255 for k in range(256)] + [0.005, 0.995, 0.125]
    found = page.evaluate(
        """async (shares) => {
          const { perCent } = await import("./widgets/occlusion.js");
          return shares.map(perCent);
        }""",
        shares,
    )
    assert found[:256] == [said(share) for share in shares[:256]]
    assert found[256:] == ["1 %", "over 99 %", "13 %"]


def test_the_activity_is_said_and_its_scale_has_numbers(show):
    own = scan((8, 6), 4)
    given = make(shown="activity")
    page = show(given)
    entry = given.photographs[0]["scans"][0]["activity"]
    i, j = TOPS.index(choice(page)["place"][0]), LEFTS.index(choice(page)["place"][1])
    here, clean = page.locator(".cnn-words").text_content().split("Activity ")[1].split(", ")
    assert float(here.replace("−", "-")) == pytest.approx(own.activity[i, j], abs=4)
    assert clean == "uncovered 281."
    low, high = entry["range"]
    ticks = [
        float(t.replace("−", "-")) for t in page.locator(".cnn-ticks span").all_text_contents()
    ]
    assert ticks == pytest.approx([low, (low + high) / 2, high], abs=0.6)
    strip = page.locator(".cnn-strip").bounding_box()
    for name, value in (("cnn-clean", 280.5), ("cnn-here", read_back(entry)[i, j])):
        mark = page.locator(f".cnn-scale .{name}").bounding_box()
        along = (mark["x"] + mark["width"] / 2 - strip["x"]) / strip["width"]
        assert along == pytest.approx((value - low) / (high - low), abs=0.02)
    expect(page.locator("figcaption").nth(1)).to_have_text("Activity of conv3’s strongest map")


# ---- Moving the cover.


def test_a_click_on_the_photograph_brings_the_covers_middle_there(show):
    page = show(make(place=[0, 0]))
    page.mouse.click(*at(page, 19.5, 27.5))  # the nearest corner to (15.5, 24.5)
    assert choice(page)["place"] == [16, 25]


def test_dragging_keeps_the_point_of_the_cover_that_was_grabbed(show):
    page = show(make(place=[4, 5]))
    page.mouse.move(*at(page, 4.5, 5.5))  # near its upper left corner
    page.mouse.down()
    assert choice(page)["place"] == [4, 5]
    page.mouse.move(*at(page, 12.5, 20.5))
    assert choice(page)["place"] == [12, 20]
    page.mouse.move(*at(page, 100, 100))
    assert choice(page)["place"] == [16, 30]
    page.mouse.up()
    page.mouse.move(*at(page, 1, 1))
    assert choice(page)["place"] == [16, 30]


def test_the_map_moves_the_cover_too(show):
    page = show(make(place=[0, 0]))
    page.mouse.move(*at(page, 12, 18, MAP))
    page.mouse.down()
    page.mouse.move(*at(page, 20, 33, MAP))
    page.mouse.up()
    assert choice(page)["place"] == [16, 30]


def test_the_mark_lies_on_the_places_cell(show):
    page = show(make(place=[12, 20]))
    stage = page.locator(MAP).bounding_box()
    mark = page.locator(".cnn-mark").bounding_box()
    scale = stage["width"] / IMAGE[1]
    found = [mark["y"] - stage["y"], mark["x"] - stage["x"], mark["height"], mark["width"]]
    assert found == pytest.approx([scale * n for n in (14, 20.5, 4, 5)], abs=1)


def test_arrow_keys_go_from_place_to_place_and_stop_at_the_border(show):
    page = show(make(place=[12, 25]))
    page.locator(".cnn-photograph").focus()
    for key, place in [
        ("ArrowRight", [12, 30]),
        ("ArrowRight", [12, 30]),
        ("ArrowDown", [16, 30]),
        ("ArrowDown", [16, 30]),
        ("ArrowLeft", [16, 25]),
        ("ArrowUp", [12, 25]),
        ("Shift+ArrowUp", [8, 25]),
        ("Home", [8, 0]),
        ("End", [8, 30]),
    ]:
        page.keyboard.press(key)
        assert choice(page)["place"] == place, key


def test_a_tap_brings_the_cover_and_a_finger_drags_it(show):
    page = show(make(place=[0, 0]), width=390, has_touch=True, is_mobile=True)
    page.touchscreen.tap(*at(page, 19.5, 27.5))
    assert choice(page)["place"] == [16, 25]
    moved = page.evaluate(
        """([[x0, y0], [x1, y1]]) => {
          const cover = document.querySelector(".cnn-cover");
          const at = (type, x, y) => cover.dispatchEvent(new PointerEvent(type, { bubbles: true,
            pointerType: "touch", pointerId: 1, button: 0, clientX: x, clientY: y }));
          const stage = document.querySelector(".cnn-photograph");
          stage.setPointerCapture = () => {}; // there is no real finger
          at("pointerdown", x0, y0);
          at("pointermove", x1, y1);
          at("pointerup", x1, y1);
          return document.querySelector("[data-cnn-widget]").cnnModel.get("place");
        }""",
        [at(page, 19.5, 27.5), at(page, 7.5, 12.5)],
    )
    assert moved == [4, 10]


def test_a_finger_beside_the_cover_does_not_drag_so_that_the_page_scrolls(show):
    page = show(make(place=[0, 0]), width=390, has_touch=True, is_mobile=True)
    place = page.evaluate(
        """([x, y]) => {
          const stage = document.querySelector(".cnn-photograph");
          stage.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true,
            pointerType: "touch", pointerId: 1, button: 0, clientX: x, clientY: y }));
          return document.querySelector("[data-cnn-widget]").cnnModel.get("place");
        }""",
        at(page, 20, 30),
    )
    assert place == [0, 0]
    actions = "(e) => getComputedStyle(e).touchAction"
    assert page.locator(".cnn-cover").evaluate(actions) == "none"
    assert page.locator(".cnn-photograph").evaluate(actions) == "manipulation"


def test_a_small_cover_can_be_held_with_a_finger(show):
    page = show(make(place=[8, 15]), width=390)
    size = page.locator(".cnn-cover").evaluate(
        "(e) => ['width', 'height'].map((n) => parseFloat(getComputedStyle(e, '::after')[n]))"
    )
    assert min(size) >= 43.9


# ---- Choosing.


def test_photograph_and_cover_are_chosen_and_what_there_is_not_cannot_be(show):
    page = show(make(shown="activity", occluder=1, place=[18, 27]))
    page.get_by_label("Photograph", exact=True).select_option("Spots")
    assert choice(page) == {
        "photograph": 1,
        "occluder": 0,
        "shown": "probability",
        "place": [18, 27],
    }
    expect(page.get_by_role("button", name="Strongest map")).to_be_disabled()
    assert page.locator(".cnn-photograph img").get_attribute("alt") == "Spots"
    assert bars(page, 0)[0][0] == "class 0 (true)" and len(bars(page, 0)) == 1
    page.get_by_label("Photograph", exact=True).select_option("Dots")
    assert page.locator(".cnn-photograph img").get_attribute("alt") == "Many dots"
    expect(page.locator(".cnn-help", has_text="N. N.")).to_be_visible()
    page.get_by_role("button", name="Strongest map").click()
    assert choice(page)["shown"] == "activity"


def test_another_cover_stays_over_the_same_part_and_the_focus_where_it_was(show):
    page = show(make(place=[8, 15]))  # its middle is (12, 18)
    select = page.get_by_label("Cover", exact=True)
    select.focus()
    select.select_option(label="12 × 12 pixels, 17 %")
    assert choice(page)["occluder"] == 1 and choice(page)["place"] == [6, 9]
    expect(select).to_be_focused()
    expect(select).to_have_value("1")


def test_only_the_photograph_that_is_shown_is_loaded(show):
    given = make()
    page = show(given)
    shown = "[...document.querySelectorAll('.cnn-widget img')].map((i) => i.getAttribute('src'))"
    assert page.evaluate(shown) == [given.photographs[0]["address"]] * 2
    choose(page, photograph=1, occluder=0, place=[0, 0])
    assert page.evaluate(shown) == [given.photographs[1]["address"]] * 2
    size = page.locator(".cnn-photograph img").evaluate(
        "async (i) => { await i.decode(); return [i.naturalHeight, i.naturalWidth]; }"
    )
    assert size == [2 * IMAGE[0], 2 * IMAGE[1]]


def test_a_change_from_python_is_drawn_in_whatever_order_it_comes(show):
    page = show(make(place=[16, 30]))
    choose(page, occluder=1)
    assert words(page).startswith("Cover over rows 18 to 23, columns 27 to 35:")
    choose(page, photograph=1)
    choose(page, place=[0, 9])
    assert words(page).startswith("Cover over rows 0 to 11, columns 9 to 20:")
    choose(page, shown="activity")  # this photograph has none
    expect(page.get_by_role("button", name="True class")).to_have_attribute("aria-pressed", "true")


# ---- With a kernel, played by the test.


def live(page: Page) -> None:
    choose(page, live=True)
    choose(page, photograph=1)
    choose(page, photograph=0)  # drawn anew, as a live widget is from the start


def test_with_a_kernel_the_cover_stands_on_any_pixel_and_waits_for_the_answer(show):
    page = show(make(place=[8, 15]))
    live(page)
    page.mouse.click(*at(page, 20, 28))
    assert choice(page)["place"] == [16, 25]
    page.mouse.click(*at(page, 14, 22))
    assert choice(page)["place"] == [10, 19]
    assert words(page).startswith(
        "Cover over rows 10 to 17, columns 19 to 24 (at the nearest place measured):"
    )
    real = make(respond=respond)
    real.place = [10, 19]
    choose(page, answer=real.answer)
    assert words(page).startswith(
        "Cover over rows 10 to 17, columns 19 to 24: the network says class 4; class 4 19 %,"
    )
    assert bars(page, 0)[:2] == [["class 4 (true)", "19 %"], ["class 3", "10 %"]]
    page.locator(".cnn-photograph").focus()
    page.keyboard.press("Shift+ArrowLeft")
    assert choice(page)["place"] == [10, 18]
    assert "nearest place" in words(page)
    page.mouse.click(*at(page, 23.5, 35.5))
    assert choice(page)["place"] == [16, 30]


def test_with_a_kernel_its_answer_is_spoken_once_it_has_come(show):
    page = show(make(place=[8, 15]))
    live(page)
    real = make(respond=respond)
    real.place = [9, 16]
    choose(page, place=[9, 16], answer=real.answer)  # by Python: nobody asked to be told
    page.locator(".cnn-photograph").press("Shift+ArrowRight")
    status = page.get_by_role("status")
    expect(status).to_have_text(words(page))
    assert "columns 17 to 22 (at the nearest place measured)" in words(page)
    real.place = [9, 17]
    choose(page, answer=real.answer)
    expect(status).to_have_text(words(page))
    assert "columns 17 to 22: the network says" in words(page)
    real.place = [3, 3]
    page.clock.install()
    choose(page, place=[3, 3], answer=real.answer)
    page.clock.run_for(5000)
    assert "columns 17 to 22: the network says" in status.text_content()


def test_where_the_network_cannot_answer_the_page_says_why(show):
    page = show(make(place=[8, 15]))
    live(page)
    where = {"photograph": 0, "occluder": 0, "place": [9, 16]}
    choose(page, place=[9, 16], answer={**where, "error": "ValueError: it is <b>away</b>"})
    alert = page.get_by_role("alert")
    expect(alert).to_have_text(
        "No answer from respond for this place. ValueError: it is <b>away</b>"
    )
    assert "(at the nearest place measured)" in words(page)
    nearest = bars(page, 0)
    choose(page, place=[8, 15])
    expect(alert).to_have_count(0)
    assert bars(page, 0) == nearest


def test_with_a_kernel_the_cover_is_drawn_where_python_puts_it(show):
    page = show(make(place=[8, 15]))
    live(page)
    choose(page, place=[22, 33])  # further than the grid reaches
    assert words(page).startswith("Cover over rows 22 to 23, columns 33 to 35 (at the nearest")
    stage = page.locator(".cnn-photograph").bounding_box()
    cover = page.locator(".cnn-cover").bounding_box()
    corner = [cover["y"] - stage["y"], cover["x"] - stage["x"]]
    scale = stage["width"] / IMAGE[1]
    assert corner == pytest.approx([22 * scale, 33 * scale], abs=1)


# ---- For everyone.


def test_what_is_at_the_place_is_spoken(show):
    page = show(make())
    page.locator(".cnn-photograph").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("status")).to_have_text(words(page))


@pytest.mark.parametrize("shown", ["probability", "activity", "labels"])
def test_the_map_has_a_text_alternative(show, shown):
    given = make(shown=shown)
    page = show(given)
    label = page.locator(".cnn-stage canvas").get_attribute("aria-label")
    assert label == given.photographs[0]["scans"][0]["words"][shown]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("shown", ["activity", "labels"])
def test_axe_finds_nothing_and_the_page_does_not_scroll_sideways(show, theme, width, shown):
    page = show(make(shown=shown), theme=theme, width=width)
    assert axe_finds(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_after_the_undo_the_widget_hears_nothing(show):
    page = show(make())
    before, after = page.evaluate(
        """async () => {
          const { default: view } = await import("./widgets/occlusion.js");
          const place = document.querySelector("[data-cnn-widget]");
          const el = document.body.appendChild(document.createElement("div"));
          const undo = view.render({ model: place.cnnModel, el });
          const text = () => el.querySelector(".cnn-words").textContent;
          const before = text();
          undo();
          place.cnnModel.set("place", [0, 0]);
          return [before, text()];
        }"""
    )
    assert before == after
    assert choice(page)["place"] == [0, 0]
    expect(page.locator(".cnn-words").first).to_contain_text("rows 0 to 7, columns 0 to 5:")


def test_two_widgets_of_other_photographs_stand_on_one_page(show):
    page = show(make(), Occlusion(photographs()[1:], CATEGORIES))
    labels = page.locator("[role=application]").evaluate_all(
        "(all) => all.map((e) => e.getAttribute('aria-label'))"
    )
    assert labels == ["Dots, with a cover to move", "Spots, with a cover to move"]
