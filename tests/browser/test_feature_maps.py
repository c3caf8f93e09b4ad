"""The feature maps as a reader meets them: pointer, keys, touch, words, phone."""

import base64
import itertools

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from torch import nn

from cnnlib.trace import seen_by, trace
from cnnlib.widgets.feature_maps import FeatureMaps
from cnnlib.widgets.pixels import palette
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_feature_maps import KEPT, SHAPE, decoded, make, network, pictures

NAMES = {1: "tanh", 2: "pool", 4: "relu", 5: "out"}
READS = {2: "own", 4: [[0, 3], [1], [2], [3], [0, 1, 2, 3], [2]], 5: "all"}
SCORES = np.array(
    [[0.5, -2.0, 3.0, 0.0, 1.0], [9.0, 8.0, 7.0, 6.0, 5.0], [-1.0, -3.0, -2.0, -4, -5]]
)


def widget(**options) -> FeatureMaps:
    given = {"names": NAMES, "reads": READS, "scores": SCORES, "categories": list("abcde")}
    return make(**{**given, **options})


def entry_of(given: FeatureMaps, row: int) -> dict:
    return next(entry for entry in given.fixed["maps"] if entry["row"] == row)


def half_a_step(scale: dict) -> float:
    return scale["high"] / (254 if scale["signed"] else 510)


def words(page: Page) -> list[str]:
    settle(page)
    return page.locator(".cnn-words span").all_text_contents()


def choice(page: Page) -> dict:
    return chosen(page, "image", "layer", "channel", "unit")


def over(page: Page, channel: int, unit: tuple[int, int]) -> dict:
    """Where the middle of a unit is on its map, for the mouse, once the map is drawn."""
    settle(page)
    per_pixel = (
        page.locator(".cnn-grid-maps canvas")
        .nth(channel)
        .evaluate("(c) => c.getBoundingClientRect().width / c.width")
    )
    y, x = unit
    return {"x": (x + 0.5) * per_pixel, "y": (y + 0.5) * per_pixel}


def hover(page: Page, channel: int, unit: tuple[int, int]) -> None:
    canvas = page.locator(".cnn-grid-maps canvas").nth(channel)
    canvas.scroll_into_view_if_needed()
    canvas.hover(position=over(page, channel, unit))


def pixels(page: Page, canvas: str, number: int = 0) -> np.ndarray:
    """The canvas' own pixels, (H, W, 3)."""
    settle(page)
    flat, height, width = (
        page.locator(canvas)
        .nth(number)
        .evaluate(
            """(c) => [[...c.getContext("2d").getImageData(0, 0, c.width, c.height).data],
        c.height, c.width]"""
        )
    )
    return np.array(flat, np.uint8).reshape(height, width, 4)[:, :, :3]


def corners(size: tuple[int, int]) -> list[list[int]]:
    """The first, a middle and the last unit along each axis."""
    return [list(unit) for unit in itertools.product(*({0, n // 2, n - 1} for n in size))]


def frames(page: Page, row: int, units: list[list[int]]) -> list[list[float]]:
    """For each unit of a layer the frame on the picture: [top, left, height, width]."""
    return page.evaluate(
        """async ([row, units]) => {
          const m = document.querySelector("[data-cnn-widget]").cnnModel;
          const drawn = () => new Promise((done) => requestAnimationFrame(() =>
            requestAnimationFrame(done)));
          m.set("layer", row);
          const found = [];
          for (const unit of units) {
            m.set("unit", unit);
            await drawn();
            const line = document.querySelector(".cnn-input .cnn-frame-line");
            found.push(["y", "x", "height", "width"].map((n) => Number(line.getAttribute(n))));
          }
          return found;
        }""",
        [row, units],
    )


def expected_frames(rows: list, row: int, units: list[list[int]]) -> list[list[int]]:
    """The same by ``seen_by``."""
    seen = [seen_by(rows, row, unit)[-1] for unit in units]
    return [[down[0], across[0], len(down), len(across)] for down, across in seen]


def test_the_frame_is_what_seen_by_finds_on_every_layer(show):
    page = show(widget())
    rows = trace(network(), (1, *SHAPE[1:]))
    for row in KEPT:
        units = corners(rows[row].out_shape[2:])
        assert frames(page, row, units) == expected_frames(rows, row, units)


@pytest.mark.parametrize(("row", "channel", "unit"), [(1, 3, (7, 4)), (4, 5, (2, 1))])
def test_hovering_tells_the_value_and_the_window_and_pins_nothing(show, row, channel, unit):
    given = widget(image=1, layer=row)
    page = show(given)
    before = choice(page), words(page)
    hover(page, channel, unit)
    entry = entry_of(given, row)
    value = decoded(entry)[1, channel, *unit]
    rows, columns = seen_by(trace(network(), (1, *SHAPE[1:])), row, unit)[-1]
    place = f"{NAMES[row]}, map {channel}, row {unit[0]}, column {unit[1]}: "
    value_said, window_said, *rest = words(page)
    assert value_said.startswith(place)
    said = float(value_said.removeprefix(place).removesuffix(".").replace("−", "-"))
    assert said == pytest.approx(value, abs=half_a_step(entry["scale"]))
    assert window_said == (
        f"It saw {len(rows)} × {len(columns)} pixels of the image: rows {rows[0]} to {rows[-1]}, "
        f"columns {columns[0]} to {columns[-1]}."
    )
    assert rest == (["In pool it reads map 2, rows 2 to 4, columns 1 to 3."] if row == 4 else [])
    assert choice(page) == before[0]
    page.mouse.move(2, 2)
    assert words(page) == before[1]


def test_what_is_looked_at_is_left_with_its_layer(show):
    page = show(widget(layer=1, channel=1))
    hover(page, 3, (7, 4))
    assert words(page)[0].startswith("tanh, map 3, row 7, column 4:")
    at_once = page.evaluate(
        """async () => {
          document.querySelector("[data-cnn-widget]").cnnModel.set("layer", 5);
          await new Promise((drawn) => requestAnimationFrame(drawn));
          return document.querySelector(".cnn-words").textContent;
        }"""
    )
    assert at_once.startswith("out, unit 1:")


def test_a_click_pins_the_unit(show):
    page = show(widget(layer=1))
    canvas = page.locator(".cnn-grid-maps canvas").nth(3)
    canvas.click(position=over(page, 3, (7, 9)))
    page.mouse.move(2, 2)
    assert choice(page) == {"image": 0, "layer": 1, "channel": 3, "unit": [7, 9]}
    assert words(page)[0].startswith("tanh, map 3, row 7, column 9:")


def test_a_tap_pins_the_unit_and_one_between_two_maps_the_nearer_units(show):
    page = show(widget(layer=4), width=390, has_touch=True, is_mobile=True)
    canvas = page.locator(".cnn-grid-maps canvas").nth(4)
    canvas.scroll_into_view_if_needed()
    canvas.tap(position=over(page, 4, (0, 2)))
    assert choice(page) == {"image": 0, "layer": 4, "channel": 4, "unit": [0, 2]}
    box = canvas.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.touchscreen.tap(box["x"] + box["width"] + 1, middle)
    assert choice(page)["channel"] == 4 and choice(page)["unit"] == [1, 2]
    page.touchscreen.tap(box["x"] + box["width"] + 4, middle)
    assert choice(page)["channel"] == 5 and choice(page)["unit"] == [1, 0]


@pytest.mark.parametrize("row", [1, 4])
def test_every_map_is_painted_pixel_by_pixel_with_its_levels(show, row):
    given = widget(image=2, layer=row)
    page = show(given)
    entry = entry_of(given, row)
    levels = np.frombuffer(base64.b64decode(entry["levels"]["base64"]), np.uint8)
    levels = levels.reshape(entry["levels"]["shape"])[2]
    colours = palette(entry["scale"]["signed"])
    assert page.locator(".cnn-grid-maps canvas").count() == len(levels)
    for channel, level in enumerate(levels):
        assert (pixels(page, ".cnn-grid-maps canvas", channel) == colours[level]).all()


def test_the_enlargement_is_the_part_of_the_image_that_the_unit_saw(show):
    page = show(widget(image=1, layer=4, unit=[1, 2]))
    rows, columns = seen_by(trace(network(), (1, *SHAPE[1:])), 4, (1, 2))[-1]
    part = pixels(page, ".cnn-input canvas", 1)
    seen = pictures()[1][rows.start : rows.stop, columns.start : columns.stop]
    assert part.shape[:2] == seen.shape
    assert (part == seen[:, :, None]).all()


def test_colour_images_are_shown_in_colour(show):
    net = nn.Conv2d(3, 2, 3)
    colours = np.random.default_rng(0).integers(0, 256, (3, 9, 7, 3), dtype=np.uint8)
    rows = trace(nn.Sequential(net), (1, 3, 9, 7))
    given = make(rows=rows, images=colours, maps={0: np.ones((3, 2, 7, 5))}, image=2)
    page = show(given)
    assert (pixels(page, ".cnn-input canvas", 0) == colours[2]).all()


def test_arrow_keys_walk_a_map_and_over_its_border_into_the_next(show):
    page = show(widget(layer=4, channel=0, unit=[1, 1]))
    page.locator(".cnn-grid-maps").focus()

    def press(key: str) -> tuple[int, list[int]]:
        page.keyboard.press(key)
        now = choice(page)
        return now["channel"], now["unit"]

    assert press("ArrowRight") == (0, [1, 2])
    assert press("ArrowRight") == (1, [1, 0])
    assert press("ArrowLeft") == (0, [1, 2])
    assert press("ArrowDown") == (0, [2, 2])
    assert press("ArrowUp") == (0, [1, 2])
    assert press("Home") == (0, [1, 0])
    assert press("End") == (0, [1, 2])
    assert press("Shift+ArrowRight") == (1, [1, 2])
    assert press("Shift+ArrowLeft") == (0, [1, 2])
    assert press("Shift+ArrowLeft") == (0, [1, 2])  # there is none before the first
    press("ArrowUp")
    assert press("ArrowUp") == (0, [0, 2])  # nor above the first row of maps


def test_down_from_the_last_row_of_a_map_leads_to_the_map_below_it(show):
    page = show(widget(layer=4, channel=1, unit=[2, 1]), width=390)
    columns = page.evaluate(
        """() => { const cells = [...document.querySelectorAll(".cnn-grid-maps .cnn-cell")];
        return cells.filter((cell) => cell.offsetTop === cells[0].offsetTop).length; }"""
    )
    assert 1 < columns < 5
    page.locator(".cnn-grid-maps").focus()
    page.keyboard.press("ArrowDown")
    assert choice(page)["channel"] == 1 + columns
    assert choice(page)["unit"] == [0, 1]


def test_in_a_vector_the_arrow_keys_go_from_unit_to_unit(show):
    page = show(widget(layer=5, channel=1))
    page.locator(".cnn-grid-maps").focus()
    page.keyboard.press("ArrowRight")
    assert choice(page)["channel"] == 2
    assert words(page)[0].startswith("out, unit 2:")
    assert words(page)[1] == "It saw the whole image, 11 × 14 pixels."
    assert words(page)[2] == "In relu it reads all 6 maps, rows 0 to 2, columns 0 to 2."


def test_images_layers_maps_and_button_are_one_tab_stop_each(show):
    page = show(widget())
    stops = []
    for _ in range(4):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.getAttribute('role') ?? 'button'"))
    assert stops == ["radio", "tab", "application", "button"]


def test_arrow_keys_choose_image_and_layer(show):
    page = show(widget())
    page.get_by_role("radio", name="one").focus()
    page.keyboard.press("ArrowRight")
    assert choice(page)["image"] == 1
    expect(page.get_by_role("radio", name="two")).to_be_focused()
    expect(page.get_by_role("radio", name="two")).to_be_checked()
    page.get_by_role("tab", name="tanh").focus()
    page.keyboard.press("End")
    assert choice(page)["layer"] == 5
    expect(page.get_by_role("tab", name="out")).to_have_attribute("aria-selected", "true")
    assert page.get_by_role("tabpanel").get_attribute("aria-labelledby") == (
        page.get_by_role("tab", name="out").get_attribute("id")
    )


def test_another_layer_stays_over_the_same_place_of_the_image(show):
    page = show(widget(layer=1, channel=3, unit=[10, 0]))
    page.get_by_role("tab", name="relu").click()
    assert choice(page) == {"image": 0, "layer": 4, "channel": 3, "unit": [2, 0]}
    page.get_by_role("tab", name="tanh").click()
    assert choice(page)["unit"] == [9, 1]


def test_what_was_chosen_is_spoken(show):
    page = show(widget(layer=4))
    page.locator(".cnn-grid-maps").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("div.cnn-spoken")).to_have_text(" ".join(words(page)))


@pytest.mark.parametrize("layer", [1, 5])
def test_the_button_goes_to_the_largest_value(show, layer):
    given = widget(layer=layer, image=2, channel=1)
    page = show(given)
    page.get_by_role("button", name="Go to the largest value").click()
    entry = entry_of(given, layer)
    values = decoded(entry)[2] if layer == 5 else decoded(entry)[2, 1:2]
    chosen = choice(page)
    shown = decoded(entry)[2, chosen["channel"], chosen["unit"][0], chosen["unit"][1]]
    assert shown == values.max()
    assert layer == 5 or chosen["channel"] == 1


def test_only_the_maps_that_the_channel_reads_are_marked_below(show):
    page = show(widget(layer=4, channel=0))
    cells = page.locator(".cnn-below .cnn-cell")
    assert cells.count() == 4
    every = "[...document.querySelectorAll('.cnn-below {}')].map((x) => {})"
    unread = every.format(".cnn-cell", "x.matches('.cnn-unread')")
    frames = every.format(".cnn-frame", "x.style.display !== 'none'")
    assert page.evaluate(unread) == [False, True, True, False]
    assert page.evaluate(frames) == [True, False, False, True]
    assert words(page)[2].startswith("In pool it reads maps 0 and 3, ")
    hover(page, 5, (0, 0))
    settle(page)
    assert page.evaluate(frames) == [False, False, True, False]


def test_nothing_is_said_about_channels_where_python_said_nothing(show):
    page = show(widget(layer=4, reads=None))
    assert len(words(page)) == 2
    expect(page.locator(".cnn-below")).to_be_hidden()


def test_the_winner_is_named_and_has_the_longest_bar(show):
    page = show(widget())
    for image, winner in enumerate("caa"):
        choose(page, image=image)
        expect(page.locator(".cnn-verdict")).to_have_text(f"The network’s answer: {winner}")
        lengths = page.locator(".cnn-bar").evaluate_all("(bars) => bars.map(b => b.offsetWidth)")
        assert np.argmax(lengths) == "abcde".index(winner) == np.argmax(SCORES[image])
        assert page.locator(".cnn-best th").all_text_contents() == [winner]
    floors = [min(0, scores.min()) for scores in SCORES]
    choose(page, image=1)
    settle(page)
    lengths = page.locator(".cnn-bar").evaluate_all(
        "(bars) => bars.map(b => b.getBoundingClientRect().width)"
    )
    expected = (SCORES[1] - floors[1]) / (SCORES[1].max() - floors[1])
    assert np.array(lengths) / max(lengths) == pytest.approx(expected, abs=0.01)


def test_of_many_classes_the_best_are_shown_in_order(show):
    scores = np.random.default_rng(1).normal(size=(3, 40))
    page = show(widget(scores=scores, categories=[f"class {i}" for i in range(40)]))
    names = page.locator(".cnn-answer tbody th").all_text_contents()
    assert names == [f"class {i}" for i in np.argsort(-scores[0])[:12]]


def test_a_change_from_python_is_drawn(show):
    page = show(widget())
    choose(page, unit=[0, 1], channel=4, layer=4, image=1)  # in the order that fits least
    assert words(page)[0].startswith("relu, map 4, row 0, column 1:")
    expect(page.get_by_role("radio", name="two")).to_be_checked()
    assert page.locator(".cnn-grid-maps canvas").count() == 6
    choose(page, layer=1)
    choose(page, unit=[10, 9])
    choose(page, layer=2)
    assert words(page)[0].startswith("pool, map 3, row 4, column 4:")


def test_the_mark_lies_on_its_unit_after_the_page_has_changed_its_width(show):
    page = show(widget(layer=2, channel=3, unit=[4, 1]), width=1280)
    page.set_viewport_size({"width": 400, "height": 900})
    page.wait_for_function("innerWidth === 400")
    settle(page)
    mark = page.locator(".cnn-unit").bounding_box()
    canvas = page.locator(".cnn-grid-maps canvas").nth(3).bounding_box()
    assert mark["width"] == pytest.approx(canvas["width"] / 5, abs=0.1)
    assert mark["x"] == pytest.approx(canvas["x"] + canvas["width"] / 5, abs=1)
    assert mark["y"] == pytest.approx(canvas["y"] + canvas["height"] * 4 / 5, abs=1)


def test_a_wide_row_of_units_scrolls_in_its_own_box(show):
    net = nn.Sequential(nn.Conv2d(1, 60, (11, 14)))
    rows = trace(net, (1, *SHAPE[1:]))
    given = make(rows=rows, maps={0: np.ones((3, 60, 1, 1))}, columns={0: 30})
    page = show(given, width=390)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    tops = page.locator(".cnn-grid-maps .cnn-cell").evaluate_all("(c) => c.map(x => x.offsetTop)")
    assert len(set(tops)) == 2
