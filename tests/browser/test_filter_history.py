"""Filters through training as a reader meets them: the layer, one filter, the curve."""

import itertools

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.model import choose, chosen, settle
from tests.test_widgets_filter_history import COUNT, EPOCHS, HEIGHT, WIDTH, filters, make

COLUMNS = 8
LAYER, STRIP = 0, 1  # the two canvases


@pytest.fixture
def page(show) -> Page:
    page = show(make())
    page.wait_for_function("!document.querySelector('[aria-busy=true]')")
    return page


def pictures(page: Page, which: int, count: int, columns: int) -> np.ndarray:
    """The filters that a canvas shows: (count, H, W, 3), from 0 to 255."""
    settle(page)
    canvas = page.locator("canvas").nth(which)
    high, wide, data = canvas.evaluate(
        """(c) => {
            const copy = new OffscreenCanvas(c.width, c.height).getContext("2d");
            copy.drawImage(c, 0, 0);
            return [c.height, c.width, [...copy.getImageData(0, 0, c.width, c.height).data]];
        }"""
    )
    pixels = np.array(data).reshape(high, wide, 4)[..., :3]
    places = [divmod(number, columns) for number in range(count)]
    return np.stack(
        [
            pixels[row * (HEIGHT + 1) :, column * (WIDTH + 1) :][:HEIGHT, :WIDTH]
            for row, column in places
        ]
    )


def colours(weights: np.ndarray, limit: float) -> np.ndarray:
    return 128 + 127 * weights.transpose(1, 2, 0) / limit


@pytest.mark.parametrize("common", [False, True])
def test_every_filter_has_the_colours_of_its_weights(page, common):
    choose(page, common=common)
    given = filters()
    most = {n: max(np.abs(given[e][n]).max() for e in EPOCHS) for n in range(COUNT)}
    for step, epoch in enumerate(EPOCHS):
        choose(page, step=step)
        for number, found in enumerate(pictures(page, LAYER, COUNT, COLUMNS)):
            weights = given[epoch][number]
            limit = most[number] if common else np.abs(weights).max()
            assert np.abs(found - colours(weights, limit)).max() < 2


def test_the_strip_shows_the_chosen_filter_at_every_epoch(page):
    choose(page, common=False)
    for number in (0, 10):
        choose(page, filter=number)
        found = pictures(page, STRIP, len(EPOCHS), 2)
        for one, epoch in zip(found, EPOCHS, strict=True):
            weights = filters()[epoch][number]
            assert np.abs(one - colours(weights, np.abs(weights).max())).max() < 2


def test_pressing_chooses_a_filter_and_an_epoch_and_the_gap_after_the_last_none(page):
    box = page.locator("canvas").nth(LAYER).bounding_box()
    across, down = box["width"] / COLUMNS, box["height"] / 2
    for number in (3, 10, 0):
        row, column = divmod(number, COLUMNS)
        page.mouse.click(box["x"] + (column + 0.4) * across, box["y"] + (row + 0.4) * down)
        assert chosen(page, "filter") == {"filter": number}
    page.mouse.click(box["x"] + 6.5 * across, box["y"] + 1.5 * down)
    assert chosen(page, "filter") == {"filter": 0}
    box = page.locator("canvas").nth(STRIP).bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.75 * box["height"])
    assert chosen(page, "step") == {"step": 3}


def test_arrow_keys_walk_over_the_filters(page):
    choose(page, filter=9)
    page.get_by_role("application").focus()
    for key, number in (("ArrowLeft", 8), ("ArrowUp", 0), ("End", 7), ("ArrowDown", 10)):
        page.keyboard.press(key)  # the second row ends with filter 10
        assert chosen(page, "filter") == {"filter": number}


def test_the_words_are_those_of_the_still_picture(page):
    for step, number in itertools.product((0, 2), (1, 9)):
        choose(page, step=step, filter=number)
        settle(page)
        widget = make()
        widget.choose(step=step, filter=number)
        said = page.locator(".fh-words span").all_text_contents()
        assert said[0] == f"After epoch {EPOCHS[step]} of 10."
        assert " ".join(said[-2:]) in widget.text_alternative()
        assert ("% of the test images" in " ".join(said)) == (step == 0)  # step 2 has no figure


def test_the_curve_goes_through_the_likeness_at_every_epoch(page):
    choose(page, filter=4, step=2)
    settle(page)
    points = page.locator("polyline.fh-own").get_attribute("points").split()
    x, y = np.array([[float(value) for value in point.split(",")] for point in points]).T
    likeness = [line[4] for line in make().fixed["likeness"]]
    assert np.corrcoef(x, EPOCHS)[0, 1] > 1 - 1e-9
    assert np.corrcoef(y, likeness)[0, 1] < -1 + 1e-9
    dot = page.locator(".fh-dot")
    assert float(dot.get_attribute("cx")) == pytest.approx(x[2])
    assert float(dot.get_attribute("cy")) == pytest.approx(y[2])
    said = page.locator(".fh-plot").get_attribute("aria-label")
    assert f"{likeness[2]:.2f}".rstrip("0") in said


def test_a_picture_that_cannot_be_had_leaves_the_rest(show):
    widget = make()
    widget.fixed = {**widget.fixed, "sheet": "data:image/png;base64,AAAA"}
    page = show(widget)
    page.wait_for_function("!document.querySelector('[aria-busy=true]')")
    expect(page.locator(".fh-words")).to_contain_text("After epoch 1 of 10.")


@pytest.mark.parametrize("width", [340, 700, 1000])
def test_pictures_stay_in_their_place(show, width):
    """Inside the widget's padding, that is; the page itself does not scroll either way."""
    page = show(make(), width=width)
    page.wait_for_function("!document.querySelector('[aria-busy=true]')")
    settle(page)
    panel = page.locator(".fh-panel").bounding_box()
    for part in page.locator("canvas, .fh-plot").all():
        box = part.bounding_box()
        assert box["x"] >= panel["x"]
        assert box["x"] + box["width"] <= panel["x"] + panel["width"] + 0.5
    tops = [part.bounding_box()["y"] for part in page.locator(".fh-layer, .fh-one").all()]
    assert (tops[0] == tops[1]) == (width >= 700)  # side by side where there is room
