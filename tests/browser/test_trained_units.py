"""Inside a trained network as a reader meets it: pointer, keys, touch, words, loading."""

import base64
import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from cnnlib.trace import seen_by
from cnnlib.widgets.pixels import palette
from tests.browser.model import choose, chosen, settle
from tests.browser.test_feature_maps import (
    corners,
    expected_frames,
    frames,
    half_a_step,
    over,
    pixels,
    words,
)
from tests.test_widgets_trained_units import SHOWN, decoded, make, outputs, pixels_of, traced


def choice(page: Page) -> dict:
    return chosen(page, "photograph", "layer", "channel", "unit")


def settled(page: Page) -> Page:
    """The page, once the maps that were asked for are there."""
    settle(page)
    page.wait_for_selector(".cnn-maps > div:not([aria-busy])")
    return page


def strongest(row: int, channel: int, photograph: int) -> list[int]:
    values = outputs()[row][photograph, channel]
    return [int(i) for i in np.unravel_index(values.argmax(), values.shape)]


def test_the_frame_is_what_seen_by_finds_on_every_layer(show):
    page = settled(show(make()))
    for row in SHOWN:
        units = corners(traced()[row].out_shape[2:])
        assert frames(page, row, units) == expected_frames(traced(), row, units)


@pytest.mark.parametrize("row", [1, 4])
def test_every_map_is_painted_pixel_by_pixel_with_its_levels(show, row):
    given = make(photograph=1, layer=row)
    page = settled(show(given))
    entry = next(entry for entry in given.fixed["layers"] if entry["row"] == row)
    levels = pixels_of(entry["sheets"][1]).reshape(entry["shape"])
    colours = palette(entry["signed"])
    assert page.locator(".cnn-grid-maps canvas").count() == len(SHOWN[row])
    for place, level in enumerate(levels):
        assert (pixels(page, ".cnn-grid-maps canvas", place) == colours[level]).all()
    labels = page.locator(".cnn-grid-maps .cnn-cell span").all_text_contents()
    assert labels == [str(channel) for channel in SHOWN[row]]


@pytest.mark.parametrize(("row", "channel", "unit"), [(1, 2, (7, 4)), (4, 5, (2, 1))])
def test_hovering_tells_the_value_and_the_window_and_chooses_nothing(show, row, channel, unit):
    given = make(photograph=1, layer=row)
    page = settled(show(given))
    before = choice(page), words(page)
    place = SHOWN[row].index(channel)
    page.locator(".cnn-grid-maps canvas").nth(place).hover(position=over(page, place, unit))
    entry = next(entry for entry in given.fixed["layers"] if entry["row"] == row)
    value = decoded(entry, 1)[place][unit]
    rows, columns = seen_by(traced(), row, unit)[-1]
    said, window = words(page)[:2]
    start = f"row{row}, channel {channel}, row {unit[0]}, column {unit[1]}: "
    assert said.startswith(start)
    number = float(re.match(r"−?[\d.]*\d", said.removeprefix(start))[0].replace("−", "-"))
    assert number == pytest.approx(value, abs=half_a_step(entry["scales"][place]))
    assert window == (
        f"It saw {len(rows)} × {len(columns)} pixels of the image: rows {rows[0]} to {rows[-1]}, "
        f"columns {columns[0]} to {columns[-1]}."
    )
    assert choice(page) == before[0]
    page.mouse.move(2, 2)
    assert words(page)[:2] == before[1][:2]


def test_the_strongest_unit_is_marked_until_another_is_chosen(show):
    page = settled(show(make(layer=4, channel=5)))
    y, x = strongest(4, 5, 0)
    assert words(page)[0].startswith(f"row4, channel 5, row {y}, column {x}: ")
    assert words(page)[0].endswith(", the largest here.")
    page.locator(".cnn-grid-maps canvas").first.click(position=over(page, 0, (1, 2)))
    page.mouse.move(2, 2)
    assert choice(page) == {"photograph": 0, "layer": 4, "channel": 5, "unit": [1, 2]}
    assert words(page)[0].startswith("row4, channel 5, row 1, column 2: ")
    page.get_by_role("button", name="Go to the unit that answers most").click()
    assert choice(page)["unit"] == []
    assert words(page)[0].startswith(f"row4, channel 5, row {y}, column {x}: ")


def test_another_photograph_shows_where_the_channel_answers_most_there(show):
    page = settled(show(make(layer=1, channel=0, unit=[3, 3])))
    page.get_by_role("radio", name="two").click()
    settled(page)
    assert choice(page) == {"photograph": 1, "layer": 1, "channel": 0, "unit": []}
    y, x = strongest(1, 0, 1)
    assert f"row {y}, column {x}: " in words(page)[0]
    assert pixels(page, ".cnn-input canvas", 1).std() > 20  # what it saw
    choose(page, photograph=2)  # the black one
    expect(page.locator(".cnn-input figcaption").first).to_have_text("Input: black")
    assert pixels(page, ".cnn-input canvas", 0).max() < 20


def test_a_channel_that_answers_nowhere_says_so(show):
    page = settled(show(make(layer=4, channel=1)))
    assert words(page)[0].endswith(": 0, as everywhere on this photograph.")


def test_a_tap_chooses_the_unit(show):
    page = settled(show(make(layer=4), width=390, has_touch=True, is_mobile=True))
    canvas = page.locator(".cnn-grid-maps canvas").nth(1)
    canvas.scroll_into_view_if_needed()
    canvas.tap(position=over(page, 1, (0, 2)))
    assert choice(page) == {"photograph": 0, "layer": 4, "channel": 1, "unit": [0, 2]}


def test_arrow_keys_walk_a_map_and_with_shift_from_map_to_map(show):
    page = settled(show(make(layer=1, channel=4, unit=[20, 1])))
    page.locator(".cnn-grid-maps").focus()
    page.keyboard.press("ArrowDown")
    assert choice(page)["unit"] == [21, 1]
    page.keyboard.press("Shift+ArrowRight")
    assert (choice(page)["channel"], choice(page)["unit"]) == (0, [21, 1])
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")  # over the border
    assert (choice(page)["channel"], choice(page)["unit"]) == (2, [21, 0])


def test_photographs_layers_maps_button_and_patches_are_one_tab_stop_each(show):
    page = settled(show(make()))
    stops = []
    for _ in range(5):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.getAttribute('role') ?? 'button'"))
    assert stops == ["radio", "tab", "application", "button", "radio"]


def test_another_layer_takes_the_channel_at_the_same_place_of_its_list(show):
    page = settled(show(make(layer=1, channel=0, unit=[21, 23])))
    page.get_by_role("tab", name="row4").click()
    assert choice(page) == {"photograph": 0, "layer": 4, "channel": 1, "unit": []}
    page.keyboard.press("ArrowRight")
    assert choice(page)["channel"] == 0
    expect(page.get_by_role("tab", name="row6")).to_have_attribute("aria-selected", "true")
    settled(page)
    assert words(page)[0].startswith("row6, channel 0: ")  # a vector has no places
    assert words(page)[1] == "It saw the whole image, 22 × 28 pixels."


def test_a_change_from_python_is_drawn(show):
    page = settled(show(make()))
    choose(page, unit=[2, 3], channel=1, layer=4, photograph=1)  # in the order that fits least
    settled(page)
    assert words(page)[0].startswith("row4, channel 1, row 2, column 3: ")
    expect(page.get_by_role("radio", name="two")).to_be_checked()


def test_what_was_chosen_is_spoken_once_its_value_has_come(show):
    page = settled(show(make()))
    page.get_by_role("tab", name="row4").click()
    said = " ".join(words(settled(page))[:2])
    assert re.search(r"column \d+: \d", said)
    expect(page.locator("div.cnn-spoken")).to_have_text(said)


def test_the_sheet_of_the_chosen_channel_is_shown_left_and_right(show):
    given = make(layer=1)
    page = settled(show(given))
    sources = "[...document.querySelectorAll('.cnn-half img')].map((img) => img.src)"
    for channel, patches in zip(SHOWN[1], given.fixed["layers"][0]["patches"], strict=True):
        choose(page, channel=channel)
        settle(page)
        assert page.evaluate(sources) == [patches["sheet"]] * 2
        expect(page.locator(".cnn-strongest .cnn-below-title")).to_have_text(
            f"What channel {channel} of row1 answers to most, in 18 pictures"
        )
    left, right = (page.locator(".cnn-half").nth(i).bounding_box() for i in (0, 1))
    images = [page.locator(".cnn-half img").nth(i).bounding_box() for i in (0, 1)]
    assert images[0]["x"] == pytest.approx(left["x"], abs=0.5)
    assert images[1]["x"] == pytest.approx(right["x"] - right["width"], abs=0.5)
    assert images[0]["width"] == pytest.approx(2 * left["width"], abs=0.5)


def test_each_patch_says_its_strength_and_its_picture(show):
    page = settled(show(make(layer=1)))
    patches = page.get_by_role("radiogroup", name="Strongest patches of channel 4 of row1, from 5")
    expect(patches.get_by_role("radio")).to_have_count(9)
    note = page.locator(".cnn-patch-words")
    expect(note).to_have_text("1st: 9.877, in “picture 0”.")

    def framed() -> list[list[float]]:
        return page.locator(".cnn-sheet .cnn-frame-line").evaluate_all(
            "(lines) => lines.map((line) => ['y', 'x'].map((n) => Number(line.getAttribute(n))))"
        )

    patches.get_by_role("radio").nth(5).hover()
    expect(note).to_have_text("6th: 4.877, in “picture 2”.")
    assert framed() == [[1, 2], [1, 2]]
    page.mouse.move(2, 2)
    expect(note).to_have_text("1st: 9.877, in “picture 0”.")
    patches.get_by_role("radio").first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    here = patches.get_by_role("radio", name="8th: 2.877, in “picture 3”.")
    expect(here).to_be_focused()
    expect(here).to_be_checked()
    assert framed() == [[2, 1], [2, 1]]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(here).to_be_focused()


def test_pictures_load_when_they_are_looked_at(show, tmp_path):
    """As the book's build does, each picture is put into a file."""
    given = make(layer=1)
    names = {}

    def moved(found: re.Match) -> str:
        name = names.setdefault(found[0].strip('"'), f"{len(names)}.{found[1]}")
        (tmp_path / "site").mkdir(exist_ok=True)
        (tmp_path / "site" / name).write_bytes(base64.b64decode(found[2]))
        return f'"{name}"'

    class Built:
        stem = given.stem

        def page_form(self) -> str:
            state, rest = given.page_form().split("</script>", 1)
            return re.sub(r'"data:image/(\w+);base64,([^"]*)"', moved, state) + "</script>" + rest

    page = settled(show(Built()))

    def loaded() -> set[str]:
        return set(
            page.evaluate(
                """performance.getEntriesByType("resource").map((e) => e.name.split("/").pop())
                .filter((name) => /^\\d+\\.(png|webp)$/.test(name))"""
            )
        )

    def files(row: int, channel: int, photograph: int) -> set[str]:
        entry = next(entry for entry in given.fixed["layers"] if entry["row"] == row)
        patches = entry["patches"][SHOWN[row].index(channel)]["sheet"]
        return {names[entry["sheets"][photograph]], names[patches]}

    expected = {names[address] for address in given.fixed["photographs"]} | files(1, 4, 0)
    page.wait_for_load_state("networkidle")
    assert loaded() == expected < set(names.values())
    choose(page, photograph=1)
    page.get_by_role("tab", name="row4").click()
    settled(page)
    page.wait_for_load_state("networkidle")
    assert loaded() == expected | files(1, 4, 1) | files(4, 5, 1)
    assert re.search(r": \d", words(page)[0])  # the values came out of the file


def test_maps_that_cannot_be_had_are_missed_aloud(show):
    given = make(layer=1)
    broken = "data:image/png;base64,AAAA"
    layers = [{**entry, "sheets": [broken] * 3} for entry in given.fixed["layers"]]
    given.fixed = {**given.fixed, "layers": layers}
    page = settled(show(given))
    assert words(page)[0].endswith(": its map could not be loaded.")
    assert words(page)[1].startswith("It saw ")
