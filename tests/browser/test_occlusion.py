"""The occlusion widget as a reader meets it: pointer, keys, touch, screen reader, phone."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from cnnlib.widgets.occlusion import LABELS, OTHERS, Occlusion
from cnnlib.widgets.pictures import unpack
from cnnlib.widgets.pixels import palette
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_occlusion import (
    CATEGORIES,
    GRIDS,
    IMAGE,
    entries,
    make,
    photographs,
    read_back,
    respond,
    said,
    scan,
)

TOPS, LEFTS = map(list, GRIDS[8, 6])


def words(page: Page) -> str:
    settle(page)
    return page.locator(".oc-words").text_content()


def choice(page: Page) -> dict:
    return chosen(page, "photograph", "occluder", "shown", "place")


def at(page: Page, y: float, x: float, stage: str = ".oc-photograph") -> tuple[float, float]:
    """Where on the page a point of the network's input lies."""
    page.locator(stage).scroll_into_view_if_needed()
    box = page.locator(stage).bounding_box()
    return box["x"] + x / IMAGE[1] * box["width"], box["y"] + y / IMAGE[0] * box["height"]


def bars(page: Page, which: int) -> list[tuple[str, str]]:
    """(class, per cent) of each line of a list in sight: 0 covered, 1 clean."""
    settle(page)
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
    flat, height, width = page.locator(".oc-stage canvas").evaluate(
        """(c) => [[...c.getContext("2d").getImageData(0, 0, c.width, c.height).data],
        c.height, c.width]"""
    )
    pixels = np.array(flat, np.uint8).reshape(height, width, 4)
    return np.array(
        [pixels[int(y / IMAGE[0] * height), int(x / IMAGE[1] * width)] for y, x in points]
    )


MAP = ".oc-stage:has(canvas)"


def test_every_place_says_what_the_map_holds_there(show):
    own = scan((8, 6), 4)
    given = make()
    page = show(given)
    entry = entries(given)[0]["scans"][0]
    shares, labels = read_back(entry["probability"]), unpack(entry["labels"])
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
    photo = page.locator(".oc-photograph").bounding_box()
    cover = page.locator(".oc-cover").bounding_box()
    scale = photo["width"] / IMAGE[1]
    assert photo["height"] == pytest.approx(scale * IMAGE[0], abs=1)
    found = [cover["y"] - photo["y"], cover["x"] - photo["x"], cover["height"], cover["width"]]
    assert found == pytest.approx([scale * n for n in (12, 20, 8, 6)], abs=1)


def test_the_heat_map_has_each_places_colour_where_the_middle_of_its_cover_is(show):
    given = make()
    page = show(given)
    levels = unpack(entries(given)[0]["scans"][0]["probability"]["levels"])
    inside = [
        (top + y, left + x)
        for top in TOPS
        for left in LEFTS
        for y, x in ((2.2, 0.8), (4, 3), (5.8, 5.2))  # a cell has 4 rows and 5 columns
    ]
    outside = [(1, 1), (23, 20)]  # no cover has its middle there
    *found, first, second = colours(page, [*inside, *outside])
    assert not first.any() and not second.any()
    expected = palette(False)[levels.ravel().repeat(3)].astype(int)
    assert np.abs(np.array(found)[:, :3] - expected).max() <= 1


def test_the_label_map_names_its_classes_in_colour_and_letter_and_counts_them(show):
    own = scan((8, 6), 4)
    page = show(make(shown="labels"))
    lines = page.locator(".oc-names li").all_text_contents()
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
        expected = LABELS[rank] if rank < len(LABELS) else OTHERS
        assert "#" + "".join(f"{c:02x}" for c in colour) == expected


def test_the_legend_marks_the_class_that_wins_at_the_place(show):
    own = scan((8, 6), 4)
    page = show(make(shown="labels"))
    for i, j in ((0, 0), (2, 3), (4, 6)):
        choose(page, place=[TOPS[i], LEFTS[j]])
        settle(page)
        marked = page.locator(".oc-names .oc-chosen").all_text_contents()
        assert len(marked) == 1 and f" {CATEGORIES[own.labels[i, j]]} " in marked[0]


def test_each_region_of_the_label_map_has_one_letter_inside_it(show):
    page = show(make())
    grid = np.array([[0, 0, 1, 1], [0, 1, 1, 0], [2, 2, 1, 0]])
    found = page.evaluate(
        """async ([bytes, rows, columns]) => {
          const { regions } = await import("./widgets/occlusion_sums.js");
          return regions(bytes, rows, columns);
        }""",
        [grid.ravel().tolist(), *grid.shape],
    )
    assert [(r["label"], r["size"], r["row"], r["column"]) for r in found] == [
        (0, 3, 0, 0),
        (1, 5, 1, 2),
        (0, 2, 1, 3),
        (2, 2, 2, 0),
    ]


def test_per_cents_are_said_alike_in_both_languages(show):
    page = show(make())
    shares = [k / 255 for k in range(256)] + [0.005, 0.995, 0.125]
    found = page.evaluate(
        """async (shares) => {
          const { perCent } = await import("./widgets/occlusion_map.js");
          const { makeWords } = await import("./widgets/kit/words.js");
          const model = document.querySelector("[data-cnn-widget]").cnnModel;
          return shares.map((share) => perCent(makeWords(model.get("texts")), share));
        }""",
        shares,
    )
    assert found[:256] == [said(share) for share in shares[:256]]
    assert found[256:] == ["1 %", "over 99 %", "13 %"]


def test_the_activity_is_said_and_its_scale_has_numbers(show):
    own = scan((8, 6), 4)
    given = make(shown="activity")
    page = show(given)
    entry = entries(given)[0]["scans"][0]["activity"]
    i, j = TOPS.index(choice(page)["place"][0]), LEFTS.index(choice(page)["place"][1])
    here, clean = page.locator(".oc-words").text_content().split("Activity ")[1].split(", ")
    assert float(here.replace("−", "-")) == pytest.approx(own.activity[i, j], abs=4)
    assert clean == "uncovered 281."
    low, high, _ = entry["scale"].values()
    ticks = [
        float(t.replace("−", "-")) for t in page.locator(".cnn-ticks span").all_text_contents()
    ]
    assert ticks == pytest.approx([low, (low + high) / 2, high], abs=0.6)
    strip = page.locator(".cnn-strip").bounding_box()
    for name, value in (("cnn-tip-below", 280.5), ("cnn-tip-above", read_back(entry)[i, j])):
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
    mark = page.locator(".oc-mark").bounding_box()
    scale = stage["width"] / IMAGE[1]
    found = [mark["y"] - stage["y"], mark["x"] - stage["x"], mark["height"], mark["width"]]
    assert found == pytest.approx([scale * n for n in (14, 20.5, 4, 5)], abs=1)


def test_arrow_keys_go_from_place_to_place_and_stop_at_the_border(show):
    page = show(make(place=[12, 25]))
    page.locator(".oc-photograph").focus()
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
          const cover = document.querySelector(".oc-cover");
          const at = (type, x, y) => cover.dispatchEvent(new PointerEvent(type, { bubbles: true,
            pointerType: "touch", pointerId: 1, button: 0, clientX: x, clientY: y }));
          const stage = document.querySelector(".oc-photograph");
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
          const stage = document.querySelector(".oc-photograph");
          stage.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true,
            pointerType: "touch", pointerId: 1, button: 0, clientX: x, clientY: y }));
          return document.querySelector("[data-cnn-widget]").cnnModel.get("place");
        }""",
        at(page, 20, 30),
    )
    assert place == [0, 0]
    actions = "(e) => getComputedStyle(e).touchAction"
    assert page.locator(".oc-cover").evaluate(actions) == "none"
    assert page.locator(".oc-photograph").evaluate(actions) == "manipulation"


def test_a_small_cover_can_be_held_with_a_finger(show):
    page = show(make(place=[8, 15]), width=390)
    size = page.locator(".oc-cover").evaluate(
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
    assert page.locator(".oc-photograph img").get_attribute("alt") == "Spots"
    covers = page.get_by_label("Cover", exact=True).locator("option")
    assert covers.all_text_contents() == ["12 × 12 pixels, 17 %"]
    assert bars(page, 0)[0][0] == "class 0 (true)" and len(bars(page, 0)) == 1
    page.get_by_label("Photograph", exact=True).select_option("Dots")
    expect(page.locator(".oc-photograph img")).to_have_attribute("alt", "Many dots")
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
    assert select.evaluate("(node) => node.selectedIndex") == 1


def test_only_the_photograph_that_is_shown_is_loaded(show):
    given = make()
    page = show(given)
    shown = "[...document.querySelectorAll('.cnn-widget img')].map((i) => i.getAttribute('src'))"
    assert page.evaluate(shown) == [entries(given)[0]["address"]] * 2
    choose(page, photograph=1, occluder=0, place=[0, 0])
    settle(page)
    assert page.evaluate(shown) == [entries(given)[1]["address"]] * 2
    size = page.locator(".oc-photograph img").evaluate(
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
    page.evaluate(
        """() => { const m = document.querySelector("[data-cnn-widget]").cnnModel;
        m.set("fixed", { ...m.get("fixed"), live: true }); }"""
    )


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
    page.locator(".oc-photograph").focus()
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
    choose(page, place=[9, 16], answer=real.answer)
    page.locator(".oc-photograph").press("Shift+ArrowRight")
    status = page.get_by_role("status")
    expect(status).to_have_text(words(page))
    assert "columns 17 to 22 (at the nearest place measured)" in words(page)
    real.place = [9, 17]
    choose(page, answer=real.answer)
    expect(status).to_have_text(words(page))
    assert "columns 17 to 22: the network says" in words(page)
    told = words(page)
    page.clock.install()
    real.place = [3, 3]
    choose(page, answer=real.answer)  # too late: the cover is elsewhere
    choose(page, answer={**real.answer, "place": [9, 17]})  # another one: nobody waits for it
    page.clock.run_for(5000)
    assert words(page) != told == status.text_content()


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
    choose(page, place=[13, 29])
    assert words(page).startswith("Cover over rows 13 to 20, columns 29 to 34 (at the nearest")
    stage = page.locator(".oc-photograph").bounding_box()
    cover = page.locator(".oc-cover").bounding_box()
    corner = [cover["y"] - stage["y"], cover["x"] - stage["x"]]
    scale = stage["width"] / IMAGE[1]
    assert corner == pytest.approx([13 * scale, 29 * scale], abs=1)


def test_a_widget_that_is_gone_hears_no_answer(show):
    page = show(make())
    heard = page.evaluate(
        """async () => {
          const { default: view } = await import("./widgets/occlusion.js");
          const { cnnModel: model } = document.querySelector("[data-cnn-widget]");
          const heard = () => model.listeners.get("change:answer").size;
          const before = heard();
          const undo = view.render({ model, el: document.createElement("div") });
          const during = heard();
          undo();
          return [during - before, heard() - before];
        }"""
    )
    assert heard == [1, 0]


# ---- For everyone.


def test_what_is_at_the_place_is_spoken(show):
    page = show(make())
    page.locator(".oc-photograph").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("status")).to_have_text(words(page))


@pytest.mark.parametrize("shown", ["probability", "activity", "labels"])
def test_the_map_has_a_text_alternative(show, shown):
    given = make(shown=shown)
    page = show(given)
    label = page.locator(".oc-stage canvas").get_attribute("aria-label")
    assert label == given.map_in_words()


def test_two_widgets_of_other_photographs_stand_on_one_page(show):
    page = show(make(), Occlusion(photographs()[1:], CATEGORIES))
    labels = page.locator("[role=application]").evaluate_all(
        "(all) => all.map((e) => e.getAttribute('aria-label'))"
    )
    assert labels == ["Dots, with a cover to move", "Spots, with a cover to move"]
