"""The backward widget as a reader meets it: its sums, keys, pointer, words."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from cnnlib.widgets.backward import Backward
from cnnlib.widgets.backward_sums import MODES, PRESETS
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_backward import autograd, random_states

PANELS = ["input", "delta", "kernel", "flipped", "stuffed", "gradient"]


def panel(page: Page, name: str):
    return page.locator(".bk-panel").nth(PANELS.index(name))


def numbers(page: Page, name: str) -> list[list[float | None]]:
    """What a panel shows, as rows."""
    box = panel(page, name)
    columns = int(box.evaluate("(node) => node.style.getPropertyValue('--bk-columns')"))
    texts = [t.replace("−", "-") for t in box.locator(".bk-number").all_text_contents()]
    values = [float(t) if t else None for t in texts]
    return [values[i : i + columns] for i in range(0, len(values), columns)]


def spoken(page: Page):
    return page.locator(".cnn-spoken[role=status]")


def test_every_step_of_every_mode_is_autograds(show):
    page = show(Backward())
    found = page.evaluate(
        """async (states) => {
          const { gradientAfter, stepsOf } = await import("./widgets/backward_sums.js");
          return states.map((s) => gradientAfter(s, stepsOf(s) - 1));
        }""",
        random_states(),
    )
    for ours, state in zip(found, random_states(), strict=True):
        np.testing.assert_allclose(ours, autograd(state), atol=1e-12)


def test_the_flipped_kernel_over_the_stuffed_delta_gives_the_same(show):
    """The two pictures of the input's gradient are one number, in the page's own grids."""
    page = show(Backward())
    states = [s for s in random_states() if s["mode"] == "input"]
    found = page.evaluate(
        """async (states) => {
          const { flipped, stuffedDelta } = await import("./widgets/backward_sums.js");
          return states.map((s) => [flipped(s.kernel),
            stuffedDelta(s).map((row) => row.map(({ value }) => value))]);
        }""",
        states,
    )
    for (kernel, delta), state in zip(found, states, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(np.array(delta), np.shape(kernel))
        np.testing.assert_allclose((windows * kernel).sum(axis=(2, 3)), autograd(state))


def test_every_written_sum_is_right(show):
    """Each step's line of arithmetic, computed again, is the number that the gradient shows."""
    page = show(Backward())
    lines = page.evaluate(
        """async (states) => {
          const { placeOf, stepsOf } = await import("./widgets/backward_sums.js");
          const { stepInWords, sumsOf } = await import("./widgets/backward.js");
          const say = (key, values) => values?.sum ?? key;
          return states.flatMap((s) => Array.from({ length: stepsOf(s) }, (_, step) => {
            const state = { ...s, step };
            stepInWords(say, state);
            return { sums: sumsOf(say, state), mode: s.mode, place: placeOf(state, step),
              number: states.indexOf(s) };
          }));
        }""",
        random_states(),
    )
    read = 0
    for line in lines:
        answer = autograd(random_states()[line["number"]])
        for text in line["sums"]:
            left, right = text.replace("−", "-").replace("·", "*").split(" = ")
            assert eval(left) == pytest.approx(float(right), abs=0.0051)
            read += 1
        if line["mode"] in ("weight", "input"):
            total = float(line["sums"][0].split(" = ")[1].replace("−", "-")) if line["sums"] else 0
            assert total == answer[tuple(line["place"])]
    assert read > 500


@pytest.mark.parametrize(("preset", "mode"), [(p, m) for p in PRESETS for m in PRESETS[p]["modes"]])
def test_the_last_step_shows_the_whole_gradient(show, preset, mode):
    widget = Backward(preset=preset, mode=mode)
    steps = {"weight": widget.size**2, "input": widget.rows * widget.columns}
    widget.step = steps.get(mode, int(np.size(widget.delta))) - 1
    page = show(widget)
    shown = np.array(numbers(page, "gradient"))
    assert np.abs(shown - widget.gradient()).max() <= 0.005
    assert np.abs(shown - autograd(widget.chosen())).max() <= 0.005


def test_steps_are_shown_one_by_one_and_said(show):
    page = show(Backward(preset="notes", mode="max"))
    story = page.locator(".bk-story")
    assert numbers(page, "gradient") == [[2, 0, 0, 0]] + [[0] * 4] * 3
    assert "largest is 7, at row 0, column 0. All of delta, 2, goes there." in story.inner_text()
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".bk-sums")).to_have_text("row 1, column 3: 0 + 8 = 8")
    expect(spoken(page)).to_contain_text("row 1, column 3: 0 + 8 = 8")
    assert numbers(page, "gradient")[1] == [0, 0, 0, 8]
    page.get_by_role("slider", name="Step").press("End")
    expect(page.locator(".bk-sums")).to_have_text("row 3, column 2: 0 + 6 = 6")


def test_a_weight_tells_which_numbers_meet(show):
    page = show(Backward(preset="small", mode="weight", step=1))
    expect(page.locator(".bk-sums")).to_have_text("0·1 + 2·(−2) + 1·0 + 0·3 = −4")
    assert numbers(page, "gradient") == [[4, -4], [None, None]]
    notes = panel(page, "input").locator(".bk-note").all_text_contents()
    assert notes == ["", "×1", "×−2", "", "×0", "×3", "", "", ""]
    assert panel(page, "input").locator(".bk-lit").count() == 4
    panel(page, "gradient").locator(".bk-cell").nth(3).click()
    expect(page.locator(".bk-sums")).to_contain_text("= 4")
    assert chosen(page, "step") == {"step": 3}


def test_an_input_that_no_output_read_says_so(show):
    page = show(Backward(preset="left_over", mode="input", step=4))
    expect(page.locator(".bk-story")).to_have_text(
        "The input at row 0, column 4 was read by no output. Its gradient is 0."
    )


def test_numbers_are_changed_by_keys_by_tap_and_by_the_slider(show):
    page = show(Backward(preset="small", mode="weight"))
    box = panel(page, "input").get_by_role("application")
    box.focus()
    for key in ("ArrowRight", "7", "ArrowDown", "-", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    settle(page)
    assert numbers(page, "input") == [[1, 7, 2], [3, -1, 1], [2, 4, 1]]
    panel(page, "delta").locator(".bk-cell").nth(3).click()
    expect(page.get_by_text("Delta, row 1, column 1")).to_be_visible()
    page.get_by_role("slider", name="Number in the chosen cell").fill("-5")
    settle(page)
    state = chosen(page, "delta", "input", "preset")
    assert state["delta"] == [[1, -2], [0, -5]]
    assert state["preset"] == ""
    expect(page.get_by_label("Case").locator("option:checked")).to_have_text("your own numbers")
    page.get_by_role("button", name="Undo").click()
    settle(page)
    assert chosen(page, "delta")["delta"] == [[1, -2], [0, 3]]


def test_a_change_from_python_is_drawn_in_whatever_order_it_comes(show):
    page = show(Backward())
    widget = Backward(preset="overlap", mode="mean", step=3)
    names = ["step", "delta", "input", "kernel", "stride", "size", "rows", "columns", "mode"]
    choose(page, **{name: getattr(widget, name) for name in names})
    settle(page)
    assert np.abs(np.array(numbers(page, "gradient")) - widget.gradient()).max() <= 0.005


@pytest.mark.parametrize("mode", MODES)
def test_it_fits_every_width(show, mode):
    page = show(Backward(mode=mode, rows=6, columns=6, size=3))
    if mode in ("weight", "input"):
        page.get_by_role("slider", name="Padding").fill("2")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(f"innerWidth === {width}")
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        inside = page.locator(".cnn-widget").bounding_box()
        for shown in page.locator(".bk-panel:visible").all():
            box = shown.bounding_box()
            assert box["x"] + box["width"] <= inside["x"] + inside["width"]
        cell = page.locator(".bk-panel:visible .bk-cell").first.bounding_box()
        assert min(cell["width"], cell["height"]) >= 24  # a finger's target
