"""The aliasing widget as a reader meets it: its sums, its controls, what is drawn and said."""

import json

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from cnnlib.widgets import aliasing_sums as sums
from cnnlib.widgets.aliasing import Aliasing
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_aliasing import some_settings

TWINS = """async (settings) => {
  const s = await import("./widgets/aliasing_sums.js");
  return JSON.stringify(settings.map(([period, size, stride, phase]) => [
    s.report(period, size, stride),
    s.answers(s.matchedFilter(period, size), [0, stride, 5 * stride, 0.25], period, phase),
    s.distance(7 * stride, period, phase),
    s.stripes(7, period, phase),
  ]));
}"""


def test_both_languages_sum_alike_over_many_settings(show):
    page = show(Aliasing())
    settings = some_settings(400)
    settings += [(2, 3, 1, 24), (2, 15, 8, 6), (24, 3, 8, 0), (24, 15, 1, 24), (16, 11, 8, 3)]
    settings += [(2.5, 3, 5, 1)]
    theirs = json.loads(page.evaluate(TWINS, settings))
    for (period, size, stride, phase), (told, answers, distance, light) in zip(
        settings, theirs, strict=True
    ):
        ours = sums.report(period, size, stride)
        assert told.keys() == ours.keys()
        assert [told[n] for n in ("kind", "phases")] == [ours[n] for n in ("kind", "phases")]
        assert told["ghost"] == ours["ghost"]
        for name in ("filters", "strongest", "means", "kept"):
            for one, other in zip(told[name], ours[name], strict=True):
                assert (one is None) == (other is None)
                if one is not None:
                    np.testing.assert_allclose(one, other, atol=1e-12)
        places = np.array([0, stride, 5 * stride, 0.25])
        weights = sums.matched_filter(period, size)
        np.testing.assert_allclose(
            answers, sums.answers(weights, places, period, phase), atol=1e-12
        )
        assert distance == sums.distance(7 * stride, period, phase)
        assert light == pytest.approx(sums.stripes(np.array(7), period, phase), abs=1e-12)


def fact(page: Page, name: str) -> str:
    row = page.locator(".al-facts tr").filter(has=page.get_by_role("rowheader", name=name))
    return row.locator("td").inner_text()


def test_the_two_networks_are_a_press_away_and_their_limits_are_told(show):
    page = show(Aliasing(period=5, kernel_size=3, stride=1))
    page.get_by_role("button", name="AlexNet: 11×11, stride 4").click()
    settle(page)
    assert chosen(page, "kernel_size", "stride", "period") == {
        "kernel_size": 11,
        "stride": 4,
        "period": 5,
    }
    assert fact(page, "Nyquist") == "8 pixels a period, 0.125 periods a pixel"
    assert fact(page, "The signed answers look like") == "20 pixels a period, 0.05 periods a pixel"
    page.get_by_role("button", name="ZFNet: 7×7, stride 2").click()
    settle(page)
    assert chosen(page, "kernel_size", "stride") == {"kernel_size": 7, "stride": 2}
    assert fact(page, "Nyquist") == "4 pixels a period, 0.25 periods a pixel"
    assert fact(page, "The signed answers look like") == fact(page, "The stripes")


@pytest.mark.parametrize(
    ("period", "stride", "said", "looks"),
    [
        (9, 4, "Below the limit: the answers look like stripes of 9 pixels", "9 pixels a period"),
        (8, 4, "At the limit", "8 pixels a period"),
        (5.5, 4, "Aliasing: the stripes have 5.5 pixels a period, the answers look like stripes of "
         "14.7 pixels", "14.7 pixels a period"),
        (4, 4, "Aliasing: every window meets the same phase", "no stripes: all answers are equal"),
        (2, 1, "At the limit", "2 pixels a period"),
        (2, 8, "Aliasing: every window meets the same phase", "no stripes: all answers are equal"),
    ],
)  # fmt: skip
def test_each_kind_of_answer_is_told(show, period, stride, said, looks):
    page = show(Aliasing(period=period, stride=stride))
    assert page.locator(".al-verdict").inner_text().startswith(said)
    assert fact(page, "The signed answers look like").startswith(looks)
    assert page.locator(".al-edge").is_visible() == (period == 2)


def test_the_twin_answers_where_the_filter_is_silent_and_at_two_pixels_there_is_none(show):
    page = show(Aliasing(period=8))
    assert fact(page, "one filter") == "0 % of the strongest"
    assert page.get_by_role("rowheader", name="with its twin").count() == 0
    page.get_by_label("add the sine twin").check()
    settle(page)
    assert fact(page, "with its twin") == "71 % of the strongest"
    assert page.locator(".al-everywhere").count() == 2
    expect(page.locator(".cnn-spoken")).to_contain_text("71 % of the strongest")
    choose(page, period=2)
    settle(page)
    assert fact(page, "with its twin").startswith("The pair’s figure is undefined")
    assert page.locator(".al-everywhere").count() == 1
    assert "twin" not in page.locator(".al-window").inner_text()


def marks(page: Page, mark: str) -> list[list[float]]:
    """Where the plot's marks stand: the pixel, and the height, the strongest answer being 1."""
    return page.evaluate(
        """(mark) => {
          const number = (node, name) => Number(node.getAttribute(name));
          const svg = document.querySelector(".al-scene");
          const zero = Math.max(...[...svg.querySelectorAll(".al-zero")]
            .map((line) => number(line, "y1"))); // the others are the filters'
          const cell = (number(svg, "width") - 40) / 87;
          const scaled = (x, y) => [(x - 36) / cell - 7.5, (zero - y) / 68];
          const places = (node) => (node.tagName === "polyline"
            ? node.getAttribute("points").split(" ").map((point) => scaled(...point.split(",")))
            : [node.hasAttribute("cy") ? scaled(number(node, "cx"), number(node, "cy"))
              : scaled(number(node, "x") + 3.5, number(node, "y") + 3.5)]);
          return [...svg.querySelectorAll(mark)].flatMap(places);
        }""",
        mark,
    )


@pytest.mark.parametrize("stage", sums.STAGES)
def test_the_dots_are_what_the_layer_reports_and_the_line_runs_through_them(show, stage):
    widget = Aliasing(period=5.5, phase=7, kernel_size=9, stride=3, stage=stage, twin=True)
    page = show(widget)
    told = widget.report()
    most = max(told["strongest"])
    drawn = [("circle.al-met", ":not(.al-twin)"), ("rect.al-met", ".al-twin")]
    for weights, (mark, kind) in zip(told["filters"], drawn, strict=True):
        places = np.arange(0, 73, 3)
        values = sums.answers(weights, places, 5.5, 7)
        values = values if stage == "signed" else np.maximum(values, 0)
        if stage == "pool":  # in the middle of the three windows
            places, values = places[1:-1:2], sums.pooled(values)
        found = np.array(marks(page, mark))
        np.testing.assert_allclose(found, np.stack([places, values / most], axis=1), atol=1e-6)
        line = np.array(marks(page, f".al-seen{kind}"))
        on_the_line = np.interp(places, *line.T)
        np.testing.assert_allclose(on_the_line, values / most, atol=0.01)
        everywhere = np.array(marks(page, f".al-everywhere{kind}"))
        true = sums.answers(weights, everywhere[:, 0], 5.5, 7) / most
        np.testing.assert_allclose(everywhere[:, 1], true, atol=0.02)


def test_a_click_on_the_picture_looks_at_the_nearest_window_and_says_what_it_meets(show):
    page = show(Aliasing(period=5))
    box = page.locator(".al-scene").bounding_box()
    cell = (box["width"] - 40) / 87
    page.mouse.click(box["x"] + 36 + (8.6 + 7.5) * cell, box["y"] + 40)
    settle(page)
    assert chosen(page, "place") == {"place": 2}
    words = page.locator(".al-window").inner_text()
    assert "Window 2 has its middle on pixel 8, 3 pixels past" in words
    answer = sums.answers(sums.matched_filter(5, 11), np.array([8]), 5, 0)[0]
    assert words.endswith(f"answers {answer:.2f}.".replace("-", "−"))
    expect(page.locator(".cnn-spoken")).to_have_text(words)
    page.mouse.click(box["x"] + box["width"] - 3, box["y"] + 40)
    assert chosen(page, "place") == {"place": 18}
    choose(page, stride=6, place=1, phase=24)
    settle(page)
    assert "pixel 6, 1 pixel past the middle" in page.locator(".al-window").inner_text()


def test_a_whole_period_of_phase_draws_what_none_draws(show):
    page = show(Aliasing(period=7, phase=0))
    scene = "document.querySelector('.al-scene').outerHTML"
    before = page.evaluate(scene)
    choose(page, phase=24)
    settle(page)
    assert page.evaluate(scene) == before
    choose(page, phase=12)
    settle(page)
    assert page.evaluate(scene) != before


@pytest.mark.parametrize("width", [1000, 390])
def test_the_ends_of_every_slider_are_drawn_and_stay_inside(show, width):
    page = show(Aliasing(twin=True, stage="pool"), width=width)
    for name in ("Period", "Phase", "Kernel size", "Stride", "Look at window"):
        slider = page.get_by_role("slider", name=name)
        for key in ("Home", "End"):
            slider.focus()
            page.keyboard.press(key)
            settle(page)
            markup = page.locator(".al-body").inner_html()
            assert "NaN" not in markup and "Infinity" not in markup
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert chosen(page, "period", "phase", "kernel_size", "stride", "place") == {
        "period": 24,
        "phase": 24,
        "kernel_size": 15,
        "stride": 8,
        "place": 9,
    }
