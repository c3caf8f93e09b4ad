"""The signal and gradient widget as a reader meets it: twin sums, the charts, what is said."""

import json
import math

import pytest
from playwright.sync_api import Page, expect

from cnnlib.widgets import signal_gradient_sums as sums
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_signal_gradient import make, some_states

TWINS = """async (states) => {
  const s = await import("./widgets/signal_gradient_sums.js");
  return JSON.stringify(states.map((state) => {
    const layers = s.run(state);
    return [layers, s.report(state, layers)];
  }));
}"""


def alike(ours, theirs) -> bool:
    """Both None, or equal within a millionth of the size."""
    if ours is None or theirs is None:
        return ours is theirs
    if isinstance(ours, str):
        return ours == theirs
    return ours == pytest.approx(theirs, rel=1e-6, abs=0)


def test_both_languages_sum_and_judge_alike(show):
    page = show(make())
    states = some_states(160, seed=10)
    kinds = set()
    for state, (layers, told) in zip(states, json.loads(page.evaluate(TWINS, states)), strict=True):
        ours = sums.run(state)
        for name, values in ours._asdict().items():
            assert len(layers[name]) == len(values)
            pairs = zip(values, layers[name], strict=True)
            assert all(alike(one, other) for one, other in pairs), (name, state)
        judged = sums.report(state, ours)._asdict()
        assert told.keys() == judged.keys()
        assert all(alike(judged[name], told[name]) for name in judged), state
        kinds |= {("signal", told["signal"]), ("gradient", told["gradient"])}
    assert len(kinds) == 10


def test_both_languages_throw_and_write_alike(show):
    page = show(make())
    values = [0, 1, 0.707, 0.00123, 12.6, 1234.4, 1e-4, 9.96e-9, 4.14e12, 2e-120]
    theirs = page.evaluate(
        """async (values) => {
          const s = await import("./widgets/signal_gradient_sums.js");
          return [values.map(s.written), [...s.nearlyNormal(4, 3, 50)]];
        }""",
        values,
    )
    assert theirs[0] == [sums.written(value) for value in values]
    assert theirs[1] == sums.nearly_normal(4, 3, (1, 50))[0].tolist()


def heights(page: Page, series: str, mark: str) -> list[float]:
    """The marks' middles, in pixels from above."""
    return page.locator(f".sg-{series} {mark}").evaluate_all(
        """(nodes) => nodes.map((node) => node.cy ? node.cy.baseVal.value
          : node.y.baseVal.value + node.height.baseVal.value / 2)"""
    )


@pytest.mark.parametrize("width", [1000, 390])
def test_marks_stand_at_the_logarithms_of_their_sizes(show, width):
    widget = make(variance=0.5, depth=12)
    page = show(widget, width=width)
    settle(page)
    layers = widget.layers()
    for series, mark, values in (
        ("sizes", "circle", layers.sizes),
        ("between", "circle", layers.between),
        ("gradients", "rect", layers.gradients),
    ):
        drawn = heights(page, series, mark)
        assert len(drawn) == len(values) == 13
        logs = [math.log10(value) for value in values]
        slope = (drawn[-1] - drawn[0]) / (logs[-1] - logs[0])
        assert slope < 0
        for pixel, log in zip(drawn, logs, strict=True):
            assert pixel == pytest.approx(drawn[0] + slope * (log - logs[0]), abs=0.1)
    assert page.locator(".sg-formula polyline").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator(".sg-picture").bounding_box()["width"] > 300


def test_bars_are_as_high_as_their_shares(show):
    widget = make(activation="tanh", variance=9, depth=8)
    page = show(widget)
    settle(page)
    tall = 56
    for name in ("flat", "dead"):
        drawn = page.locator(f"rect.sg-{name}").evaluate_all(
            "(nodes) => nodes.map((node) => node.height.baseVal.value)"
        )
        assert drawn == pytest.approx([tall * share for share in getattr(widget.layers(), name)])


@pytest.mark.parametrize("state", some_states(12, seed=13))
def test_the_page_says_what_python_says(show, state):
    widget = make(**state)
    page = show(widget)
    sentences = widget.sentences()
    expect(page.locator(".sg-verdict")).to_have_text(" ".join(sentences[:2]))
    expect(page.locator(".sg-rest")).to_have_text(" ".join(sentences[2:]))
    markup = page.locator(".sg-body").inner_html()
    assert "NaN" not in markup and "Infinity" not in markup


def test_the_marks_of_the_slider_are_a_press_away(show):
    page = show(make(start="fixed"))
    he = page.get_by_role("button", name="He: v = 2")
    expect(he).to_have_attribute("aria-pressed", "false")
    he.click()
    settle(page)
    assert chosen(page, "start", "variance") == {"start": "fan_in", "variance": 2}
    expect(he).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="LeCun, Glorot: v = 1").click()
    settle(page)
    assert chosen(page, "variance") == {"variance": 1}
    page.get_by_role("slider", name="v", exact=True).press("ArrowRight")
    settle(page)
    assert chosen(page, "variance") == {"variance": 1.1}


def test_a_layer_is_told_by_slider_and_by_pointer(show):
    widget = make(depth=10, layer=3)
    page = show(widget)
    told = page.locator(".sg-at")
    expect(told).to_contain_text("Layer 3: activations")
    page.get_by_role("slider", name="Look at layer").press("ArrowRight")
    expect(told).to_contain_text("Layer 4: activations")
    expect(page.locator(".cnn-spoken")).to_contain_text("Layer 4: activations")
    box = page.locator(".sg-picture").bounding_box()
    page.mouse.click(box["x"] + 44 + 0.71 * (box["width"] - 56), box["y"] + 80)
    expect(told).to_contain_text("Layer 7: activations")
    choose(page, layer=0)
    expect(told).to_contain_text("The input: size")


def test_what_rounding_hides_is_not_drawn_and_it_is_said(show):
    widget = make(activation="sigmoid", variance=1, depth=20, width=32, layer=20)
    page = show(widget)
    expect(page.locator(".sg-at")).to_contain_text("less than rounding can tell")
    lost = widget.report().lost
    assert page.locator(".sg-between circle").count() == lost
    expect(page.locator(".sg-verdict")).to_contain_text(f"from layer {lost} on")
