"""The leaderboard in Chromium: its sums, the table, the plot, and how the two are linked."""

import random
import re

import pytest
from playwright.sync_api import Page, expect

from cnnlib.widgets.leaderboard import Column, Entry, Leaderboard, front_of, order_of
from cnnlib.widgets.plots import LINE, place_labels
from tests.browser.model import settle
from tests.test_widgets_leaderboard import make

MODULE = "./widgets/leaderboard_sums.js"


def many(count: int = 30) -> Leaderboard:
    """Networks in clusters and alone, some with several runs, some without a figure."""
    dice = random.Random(6)
    columns = [
        Column("score", "top-1", "%", ".1f", higher_is_better=True),
        Column("parameters", "parameters", "M", ",.2f", log=True, higher_is_better=False),
        Column("macs", "multiply-adds", "M", ",.0f", log=True, higher_is_better=False),
        *(Column(f"other{i}", f"another figure {i}", "ms", ".1f") for i in range(5)),
    ]
    entries = []
    for number in range(count):
        score = dice.choice([40, 52, 55]) + dice.gauss(0, 3)
        figures = {
            "score": [score + dice.gauss(0, 0.5) for _ in range(3)] if number % 3 else score,
            "parameters": 10 ** dice.uniform(-1, 0.5),
            "macs": None if number == 4 else 10 ** dice.uniform(0.5, 2.5),
            **{f"other{i}": dice.uniform(0, 9) for i in range(5)},
        }
        entries.append(Entry(f"Network v{number}", figures, f"family {dice.randrange(4)}"))
    return Leaderboard(entries, columns, x="parameters")


def model(page: Page, name: str):
    settle(page)
    return page.evaluate(
        "(name) => document.querySelector('[data-cnn-widget]').cnnModel.get(name)", name
    )


def names(page: Page) -> list[str]:
    """The table's first column, from top to bottom."""
    settle(page)
    return page.locator(".lb-table tbody th button").all_text_contents()


def heading(page: Page, text: str):
    return page.locator(".lb-table thead th").filter(has_text=text)


def details(page: Page) -> str:
    settle(page)
    return page.locator(".lb-details").inner_text()


def lit(page: Page) -> tuple[list[str], list[str]]:
    """Names of the rows that are lit, and of the labels."""
    settle(page)
    return (
        page.locator(".lb-table tr.lb-lit th button").all_text_contents(),
        page.locator(".lb-labels text.lb-lit").all_text_contents(),
    )


def dot(page: Page, name: str):
    return page.locator(f".lb-dot[aria-label^='{name},']")


# -- the sums, held to Python's


def test_order_and_front_equal_pythons_on_random_cases(show):
    dice = random.Random(1)
    columns, clouds = [], []
    for _ in range(300):
        numbers = [dice.choice([None, dice.randrange(5), dice.random()]) for _ in range(9)]
        columns.append(numbers)
        columns.append([None if n is None else f"n{n}" for n in numbers])
        cloud = [
            dice.choice([None, [dice.randrange(5), dice.randrange(5)]])
            if dice.random() < 0.3
            else [dice.randrange(5), dice.randrange(5)]
            for _ in range(dice.randrange(9))
        ]
        clouds.append([cloud, [dice.choice([-1, 1]), dice.choice([-1, 1])]])
    page = show(make())
    orders, fronts = page.evaluate(
        f"""async ([columns, clouds]) => {{
          const {{ orderOf, frontOf }} = await import("{MODULE}");
          return [columns.flatMap((c) => [orderOf(c, false), orderOf(c, true)]),
            clouds.map(([points, better]) => frontOf(points, better))];
        }}""",
        [columns, clouds],
    )
    assert orders == [order_of(c, way) for c in columns for way in (False, True)]
    assert fronts == [front_of(*cloud) for cloud in clouds]
    assert sum(map(len, fronts)) > 300


def test_labels_are_placed_as_python_places_them(show):
    dice = random.Random(3)
    cases = []
    for _ in range(60):
        count = dice.randrange(1, 40)
        points = [[dice.uniform(50, 340), dice.uniform(20, 280)] for _ in range(count)]
        widths = [dice.uniform(20, 120) for _ in points]
        cases.append([points, widths, [40, 10, 350, 290], dice.sample(range(count), count // 3)])
    page = show(make())
    found = page.evaluate(
        f"""async (cases) => {{
          const {{ placeLabels }} = await import("{MODULE}");
          return cases.map((given) => placeLabels(...given));
        }}""",
        cases,
    )
    dropped = 0
    for case, labels in zip(cases, found, strict=True):
        for theirs, ours, width in zip(labels, place_labels(*case), case[1], strict=True):
            assert (theirs is None) == (ours is None)
            dropped += ours is None
            if ours:
                x, y = theirs.pop("end")
                assert theirs == pytest.approx(ours._asdict())
                assert x - ours.left == pytest.approx(
                    width * round(2 * (x - ours.left) / width) / 2
                )
                assert ours.upper - 1e-6 <= y <= ours.upper + LINE + 1e-6
    assert dropped > 20


# -- the table


def test_a_heading_sorts_best_first_and_again_turns_the_order_round(show):
    page = show(make())
    assert names(page) == ["bee", "Elk", "Cow", "Ant", "Dog & <cat>"]
    assert heading(page, "score").get_attribute("aria-sort") == "descending"
    heading(page, "weight").get_by_role("button").click()
    assert names(page) == ["Ant", "bee", "Dog & <cat>", "Elk", "Cow"]
    assert heading(page, "weight").get_attribute("aria-sort") == "ascending"
    assert heading(page, "score").get_attribute("aria-sort") is None
    heading(page, "weight").get_by_role("button").click()
    assert names(page) == ["Cow", "Elk", "Dog & <cat>", "bee", "Ant"]
    assert heading(page, "weight").get_attribute("aria-sort") == "descending"


def test_every_heading_sorts_by_keyboard_and_what_is_missing_comes_last(show):
    given = make()
    page = show(given)
    for number, column in enumerate(given.fixed["columns"]):
        values = [entry["cells"][number]["value"] for entry in given.fixed["entries"]]
        for _ in range(2):
            heading(page, column["label"]).get_by_role("button").press("Enter")
            order = order_of(values, model(page, "descending"))
            assert names(page) == [given.fixed["entries"][n]["name"] for n in order]
            assert values[order[-1]] is None or None not in values
    heading(page, "network").get_by_role("button").press("Space")
    assert names(page) == ["Ant", "bee", "Cow", "Dog & <cat>", "Elk"]
    heading(page, "family").get_by_role("button").press("Space")
    assert names(page) == ["Cow", "Elk", "Ant", "bee", "Dog & <cat>"]
    assert page.locator(".lb-table thead th[aria-sort]").count() == 1


def test_cells_hold_the_mean_the_span_and_a_dash_for_what_is_missing(show):
    page = show(make())
    rows = [row.locator("td").all_inner_texts() for row in page.locator(".lb-table tbody tr").all()]
    assert [text.strip() for text in rows[0]] == ["30.0", "4.00 (2.00 to 6.00)", "2012", "small"]
    assert [text.strip() for text in rows[3]][0] == "12.0 (10.0 to 14.0)"
    assert [text.strip() for text in rows[4]] == ["–", "30.00", "–", "–"]


def test_arrows_walk_through_the_rows_and_enter_pins_one(show):
    page = show(make())
    page.locator(".lb-table tbody th button[tabindex='0']").focus()
    assert lit(page) == (["bee"], ["bee"])
    for key, name in (("ArrowDown", "Elk"), ("End", "Dog & <cat>"), ("ArrowUp", "Ant")):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.textContent") == name
        assert details(page).startswith(name)
    page.keyboard.press("Enter")
    assert model(page, "network") == 0
    page.keyboard.press("Tab")
    assert lit(page) == (["Ant"], ["Ant"])
    assert page.locator(".lb-table tbody th button[tabindex='0']").all_text_contents() == ["Ant"]
    page.locator(".lb-table tbody th button[tabindex='0']").press("Escape")
    assert model(page, "network") == -1


# -- the plot


def test_markers_stand_where_the_axes_say(show):
    given = many()
    page = show(given)
    ticks = page.locator(".cnn-axes text:not(.cnn-axis-title)")
    texts = ticks.all_text_contents()
    places = ticks.evaluate_all(
        "(t) => t.map((n) => [Number(n.getAttribute('x')), Number(n.getAttribute('y')) - 4])"
    )
    across = sorted((x, float(t)) for t, (x, y) in zip(texts, places, strict=True) if y > 390)
    up = sorted((y, float(t)) for t, (_, y) in zip(texts, places, strict=True) if y < 390)
    assert len(across) >= 3 and len(up) >= 3

    def read(axis, pixel, log):
        """The value at a pixel, by the axis' own tick labels."""
        (a, low), (b, high) = axis[0], axis[-1]
        share = (pixel - a) / (b - a)
        return low * (high / low) ** share if log else low + (high - low) * share

    dots = page.locator(".lb-dot").evaluate_all(
        "(d) => d.map((n) => n.getAttribute('transform').match(/[-\\d.]+/g).map(Number))"
    )
    for (x, y), entry in zip(dots, given.fixed["entries"], strict=True):
        assert read(across, x, True) == pytest.approx(entry["cells"][1]["value"], rel=0.01)
        assert read(up, y, False) == pytest.approx(entry["cells"][0]["value"], abs=0.1)


def test_runs_are_drawn_from_the_least_to_the_most(show):
    given = make()
    page = show(given)
    marks = page.locator(".lb-runs path").evaluate_all("(p) => p.map((n) => n.getAttribute('d'))")
    assert [mark.count("M") if mark else 0 for mark in marks] == [1 + 3, 1 + 2, 0, 0, 0]
    line = re.match(r"M[\d.]+,([\d.]+)V([\d.]+)", marks[0])
    spans = page.locator(".lb-dot").evaluate_all(
        "(d) => d.map((n) => n.style.display === 'none' ? null"
        " : Number(n.getAttribute('transform').match(/[-\\d.]+/g)[1]))"
    )
    per_cent = (spans[0] - spans[2]) / (20.0 - 12.0)  # pixels, from Ant to Cow
    ends = sorted(map(float, line.groups()))
    assert ends == pytest.approx([spans[0] - 2.0 * per_cent, spans[0] + 2.0 * per_cent])


def test_the_front_goes_through_whom_python_finds_and_can_be_hidden(show):
    given = many()
    page = show(given)
    cells = [entry["cells"] for entry in given.fixed["entries"]]
    expected = front_of([(c[1]["value"], c[0]["value"]) for c in cells])
    dots = page.locator(".lb-dot").evaluate_all(
        "(d) => d.map((n) => n.getAttribute('transform').match(/[-\\d.]+/g).map(Number))"
    )
    line = page.locator(".lb-front").get_attribute("points").split()
    assert [[float(v) for v in point.split(",")] for point in line] == [dots[n] for n in expected]
    button = page.get_by_role("button", name="Show the front")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    expect(page.locator(".lb-front")).to_have_attribute("points", "")
    expect(button).to_have_attribute("aria-pressed", "false")


def test_axes_are_chosen_and_change_places_where_they_would_meet(show):
    page = show(make())
    page.get_by_label("Across").select_option("born")
    assert (model(page, "x"), model(page, "y")) == ("born", "score")
    assert page.get_by_role("button", name="Show the front").is_disabled()
    assert "no better end" in page.locator(".lb-note").inner_text()
    assert page.locator(".lb-dot:visible").count() == 4
    assert page.locator(".cnn-axes").text_content().endswith("bornscore (%)")
    page.get_by_label("Up").select_option("born")
    assert (model(page, "x"), model(page, "y")) == ("score", "born")
    assert page.get_by_label("Across").input_value() == "score"
    assert page.locator(".cnn-axes").text_content().endswith("score (%)born")


def test_whoever_lacks_a_figure_is_named_and_not_drawn(show):
    page = show(make())
    assert page.locator(".lb-dot:visible").count() == 4
    assert "a figure is missing: Dog & <cat>." in page.locator(".lb-note").inner_text()


def test_where_nobody_has_both_figures_the_plot_is_empty_and_nothing_breaks(show):
    columns = [Column("a", "a", log=True, higher_is_better=True), Column("b", "b")]
    page = show(Leaderboard([Entry("one", {"a": 1}), Entry("two", {"b": 1})], columns))
    assert page.locator(".lb-dot:visible").count() == 0
    page.locator(".lb-table tbody tr").first.hover()
    assert details(page) == "one: a 1; b missing."


# -- both


def test_hovering_a_row_lights_its_marker_and_hovering_a_marker_its_row(show):
    page = show(make())
    assert lit(page) == ([], [])
    page.locator(".lb-table tbody tr").filter(has_text="Cow").hover()
    assert lit(page) == (["Cow"], ["Cow"])
    assert details(page) == "Cow (large): score 20.0 %; weight 1,234.50 kg; born 2014."
    page.locator(".lb-plot").scroll_into_view_if_needed()
    dot(page, "Ant").hover()
    assert lit(page) == (["Ant"], ["Ant"])
    assert details(page) == (
        "Ant (small): score 12.0 %, 3 runs (10.0 to 14.0); weight 0.50 kg; born 1998. "
        "It is on the front."
    )
    page.mouse.move(1, 1)
    assert lit(page) == ([], [])
    assert model(page, "network") == -1


def test_the_pointer_means_the_nearest_marker(show):
    page = show(make())
    box = dot(page, "Cow").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2 - 14, box["y"] + box["height"] / 2 + 12)
    assert lit(page) == (["Cow"], ["Cow"])
    page.mouse.move(box["x"] - 60, box["y"] + 60)
    assert lit(page) == ([], [])


def test_a_click_pins_and_another_takes_it_back(show):
    page = show(make())
    dot(page, "Cow").click()
    page.mouse.move(1, 1)
    assert model(page, "network") == 2
    assert dot(page, "Cow").get_attribute("aria-pressed") == "true"
    pressed = page.locator(".lb-table tbody button[aria-pressed='true']")
    assert pressed.all_text_contents() == ["Cow"]
    pressed.click()
    assert model(page, "network") == -1


def test_a_screen_reader_pins_with_a_click_that_has_no_pointer(show):
    page = show(make())
    dot(page, "Cow").evaluate("(node) => node.dispatchEvent(new MouseEvent('click'))")
    assert model(page, "network") == 2


def test_a_tap_on_a_row_or_a_marker_pins_it(show):
    page = show(make(), width=390, has_touch=True, is_mobile=True)
    page.locator(".lb-table tbody tr").filter(has_text="Elk").tap(position={"x": 150, "y": 12})
    assert model(page, "network") == 4
    dot(page, "Ant").tap()
    assert model(page, "network") == 0
    assert details(page).startswith("Ant")


def test_arrows_walk_through_the_markers_from_left_to_right(show):
    page = show(make())
    page.locator(".lb-dot[tabindex='0']").focus()
    seen = [details(page).split(" (")[0]]
    for _ in range(4):
        page.keyboard.press("ArrowRight")
        seen.append(details(page).split(" (")[0])
    assert seen == ["Ant", "bee", "Elk", "Cow", "Cow"]
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    assert model(page, "network") == 0
    assert dot(page, "Ant").get_attribute("aria-label") == (
        "Ant, weight 0.50 kg, score 12.0 %, 3 runs (10.0 to 14.0)"
    )


def test_a_lit_marker_brings_its_row_into_sight_without_moving_the_page(show):
    given = many()
    page = show(given)
    last = names(page)[-1]
    page.locator(".lb-plot").scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    dot(page, last).hover(force=True)
    shown = page.evaluate(
        """() => {
          const box = document.querySelector(".lb-table").getBoundingClientRect();
          const row = document.querySelector(".lb-table tr.lb-lit").getBoundingClientRect();
          return [row.top >= box.top, row.bottom <= box.bottom + 1];
        }"""
    )
    assert shown == [True, True]
    assert page.evaluate("scrollY") == before


def test_python_and_page_agree_on_what_is_chosen(show):
    page = show(make(network=1, sort="born", x="born"))
    assert lit(page) == (["bee"], ["bee"])
    page.evaluate(
        """() => { const m = document.querySelector("[data-cnn-widget]").cnnModel;
        for (const [name, value] of Object.entries(
          { sort: "name", descending: true, x: "weight", network: 2 })) m.set(name, value); }"""
    )
    assert lit(page) == (["Cow"], ["Cow"])
    assert names(page)[0] == "Elk"
    assert page.get_by_label("Across").input_value() == "weight"


# -- eyes


@pytest.mark.parametrize("width", [1280, 390])
def test_drawn_labels_overlap_nothing_and_lie_inside_the_plot(show, width):
    page = show(many(), width=width)
    boxes = page.evaluate(
        """() => {
          const seen = (n) => getComputedStyle(n).visibility === "visible"
            && n.style.display !== "none";
          const box = (n) => { const b = n.getBoundingClientRect();
            return [b.left, b.top, b.right, b.bottom]; };
          return [[...document.querySelectorAll(".lb-labels text")].filter(seen).map(box),
            [...document.querySelectorAll(".lb-dot path")].map(box),
            box(document.querySelector(".lb-plot"))];
        }"""
    )
    labels, dots, plot = boxes
    assert len(labels) >= (28 if width == 1280 else 15)
    for n, (left, top, right, bottom) in enumerate(labels):
        assert plot[0] <= left and right <= plot[2]
        for other in [*labels[n + 1 :], *dots]:
            wide = min(right, other[2]) - max(left, other[0])
            high = min(bottom, other[3]) - max(top, other[1])
            assert wide <= 1 or high <= 4  # the font's own leading


@pytest.mark.parametrize("width", [1280, 390])
def test_only_the_table_scrolls_sideways(show, width):
    page = show(many(), width=width)
    plot = page.locator(".lb-plot").bounding_box()
    assert plot["x"] >= 0 and plot["x"] + plot["width"] <= width
    table = page.locator(".lb-table")
    assert table.get_attribute("tabindex") == "0"
    assert table.evaluate("(box) => box.scrollWidth > box.clientWidth")


def test_the_plot_follows_the_width(show):
    page = show(make())
    wide = page.locator(".lb-plot").bounding_box()["width"]
    page.set_viewport_size({"width": 500, "height": 900})
    page.wait_for_function("document.querySelector('.lb-plot').getAttribute('width') < 500")
    assert page.locator(".lb-plot").bounding_box()["width"] < 500 < wide
