"""The normalisation widget as a reader meets it: its sums, its sets, its lines and its words."""

import json

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from cnnlib.widgets import normalisation_sums as sums
from cnnlib.widgets.normalisation import Normalisation
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_normalisation import DRAWN, make, settings

TWINS = """async ([states, drawn, table]) => {
  const s = await import("./widgets/normalisation_sums.js");
  const w = await import("./widgets/normalisation.js");
  const { makeWords } = await import("./widgets/kit/words.js");
  const say = makeWords(table);
  return JSON.stringify(states.map((state) => {
    const told = w.tellAll(state, drawn);
    return [told.before, told.after, told.kept, told.by, told.scale, s.board(state, told.after),
      s.placeAt(state, s.cellOf(state, state.place)), w.lookedInWords(say, state, told),
      w.warningInWords(say, state, told), w.storedInWords(say, state, told)];
  }));
}"""


def test_both_languages_sum_and_speak_alike_over_many_states(show):
    page, widget = show(make()), make()
    states = settings(300, seed=8)
    theirs = json.loads(page.evaluate(TWINS, [states, DRAWN, widget.words.table]))
    for state, found in zip(states, theirs, strict=True):
        before, after, kept, by, scale, board, place, looked, warning, stored = found
        widget.choose(**state)
        assert before == widget.batch(), state
        np.testing.assert_allclose(after, widget.output(), atol=1e-12)
        channel = state["place"][1]
        for one, other in zip(kept, sums.kept(state, DRAWN, channel), strict=True):
            assert one == pytest.approx(other, abs=1e-12)
        assert by == pytest.approx(sums.used(state, DRAWN, *state["place"][:2]), abs=1e-12)
        assert scale == pytest.approx(sums.affine(state, DRAWN, channel), abs=1e-12)
        np.testing.assert_allclose(board, sums.board(state, widget.output()), atol=1e-12)
        assert place == state["place"]
        assert (looked, warning, stored) == (widget.looked(), widget.warning(), widget.stored())


def rings(page: Page, board: str) -> list[list[int]]:
    """The cells [row, column] with a ring on one of the boards."""
    found = page.locator(f".no-{board} .cnn-cells-ring").evaluate_all(
        "(rings) => rings.map((one) => [one.cy.baseVal.value, one.cx.baseVal.value])"
    )
    return sorted([int(row // 20), int(column // 20)] for row, column in found)


@pytest.mark.parametrize(
    ("norm", "rows", "columns"),
    [("batch", range(6), (2, 3)), ("layer", (2, 3), range(8)), ("instance", (2, 3), (2, 3))]
    + [("group", (2, 3), range(4))],
)
def test_the_set_of_the_marked_number_lights_up_on_both_boards(show, norm, rows, columns):
    page = show(Normalisation(batch_size=3, place=[1, 1, 0]))
    page.get_by_role("radio", name=norm, exact=True).check(force=True)
    settle(page)
    expected = [[row, column] for row in rows for column in columns]
    assert rings(page, "before") == rings(page, "after") == expected
    full = page.locator(".no-dot-before:not(.no-pale)")
    expect(full).to_have_count(len(expected))
    page.get_by_role("radio", name="test", exact=True).check(force=True)
    settle(page)
    assert rings(page, "before") == ([] if norm == "batch" else expected)


def test_a_click_and_the_arrow_keys_mark_a_number_on_either_board(show):
    page = show(Normalisation(batch_size=3, place=[0, 0, 0]))
    for board in ("before", "after"):
        box = page.locator(f".no-{board} .cnn-cells").bounding_box()
        page.mouse.click(box["x"] + box["width"] * 0.94, box["y"] + box["height"] * 0.92)
        settle(page)
        assert chosen(page, "place") == {"place": [2, 3, 3]}
        choose(page, place=[0, 0, 0])
        settle(page)
    field = page.get_by_role("application")
    field.focus()
    for key, place in (("ArrowRight", [0, 0, 1]), ("ArrowRight", [0, 1, 0]),
                       ("ArrowDown", [0, 1, 2]),
                       ("ArrowDown", [1, 1, 0]), ("End", [1, 3, 1])):  # fmt: skip
        page.keyboard.press(key)
        settle(page)
        assert chosen(page, "place") == {"place": place}
    expect(page.locator(".cnn-spoken")).to_contain_text("in channel 3 of image 1")


def test_two_images_of_one_number_are_warned_of_and_one_is_refused(show):
    page = show(Normalisation(positions=1, batch_size=3, place=[0, 0, 0]))
    assert page.locator(".no-warning").is_hidden()
    slider = page.get_by_role("slider", name="Images in the batch")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    settle(page)
    expect(page.locator(".no-warning")).to_contain_text("One becomes −1 and the other +1")
    page.keyboard.press("ArrowLeft")
    settle(page)
    expect(page.locator(".no-warning")).to_contain_text("torch refuses")
    shown = page.locator(".no-after .cnn-cells text").all_text_contents()
    assert shown == ["0"] * 4


def test_own_deviation_and_mean_bring_the_numbers_back_and_hold_the_sliders(show):
    page = show(Normalisation())
    before = page.locator(".no-before .cnn-cells text").all_text_contents()
    assert page.locator(".no-after .cnn-cells text").all_text_contents() != before
    page.get_by_label("γ = σ and β = μ").check()
    settle(page)
    assert page.locator(".no-after .cnn-cells text").all_text_contents() == before
    expect(page.locator(".no-warning")).to_contain_text("come back as they were")
    for name in ("γ", "β"):
        assert page.get_by_role("slider", name=name).is_disabled()


def test_the_stored_values_are_drawn_batch_by_batch(show):
    widget = Normalisation(momentum=0.3, place=[0, 3, 0], seen=5)
    page = show(widget)
    stored = [one["mean"] for one in sums.kept(widget.chosen(), DRAWN, 3)]
    points = page.locator(".no-kept").first.get_attribute("points").split()
    heights = np.array([float(point.split(",")[1]) for point in points])
    slope, start = np.polyfit(stored, heights, 1)
    assert slope < 0
    np.testing.assert_allclose(heights, slope * np.array(stored) + start, atol=0.1)
    here = float(page.locator(".no-here").first.get_attribute("cy"))
    assert here == pytest.approx(heights[5], abs=0.1)
    page.get_by_role("button", name="Next").click()
    settle(page)
    assert chosen(page, "seen") == {"seen": 6}
    expect(page.locator(".cnn-spoken")).to_contain_text("after 6 batches")
    page.get_by_role("radio", name="layer", exact=True).check(force=True)
    settle(page)
    assert page.locator(".no-plots").is_hidden()


@pytest.mark.parametrize("width", [1000, 390])
def test_every_size_stays_inside(show, width):
    page = show(Normalisation(batch_size=6), width=width)
    for changes in ({}, {"positions": 1}, {"gamma": 4, "beta": -4}, {"seen": 0, "mode": "test"}):
        choose(page, **changes)
        settle(page)
        markup = page.locator(".no-body").inner_html()
        assert "NaN" not in markup and "Infinity" not in markup
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
