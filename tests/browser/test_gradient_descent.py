"""The gradient descent widget as a reader meets it: twin sums, map, curve and words."""

import json

import pytest
from playwright.sync_api import Page, expect

from cnnlib.widgets import gradient_descent_sums as sums
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_gradient_descent import make, some_heights, some_states

TWINS = """async ([states, heights]) => {
  const s = await import("./widgets/gradient_descent_sums.js");
  return JSON.stringify(states.map((state) => {
    const path = s.follow(state, heights);
    return [path, s.report(path, state, heights)];
  }));
}"""


def test_both_languages_walk_and_judge_alike(show):
    page = show(make())
    states = some_states(300, seed=9)
    theirs = json.loads(page.evaluate(TWINS, [states, some_heights()]))
    kinds = set()
    for state, (path, told) in zip(states, theirs, strict=True):
        ours = sums.follow(state, some_heights())
        assert path["end"] == ours.end
        assert path["points"] == [pytest.approx(point, rel=1e-9, abs=1e-9) for point in ours.points]
        assert path["losses"] == pytest.approx(ours.losses, rel=1e-9, abs=1e-9)
        judged = sums.report(ours, state, some_heights())._asdict()
        assert told.pop("left") == pytest.approx(judged.pop("left"), rel=1e-6, abs=1e-9)
        assert told == judged
        kinds.add(told["kind"])
    assert len(kinds) >= 6


def ruler(page: Page) -> dict:
    """The map's frame: its left, top, and width in the drawing's units."""
    return page.locator(".gd-plate").evaluate(
        """(plate) => Object.fromEntries(["x", "y", "width"].map(
          (name) => [name, Number(plate.getAttribute(name))]))"""
    )


@pytest.mark.parametrize("width", [1000, 390])
def test_the_path_is_drawn_where_its_weights_are(show, width):
    widget = make(surface="ravine", rate=0.05, momentum=0.9, step=30)
    page = show(widget, width=width)
    settle(page)
    frame = ruler(page)
    drawn = page.locator(".gd-path").get_attribute("points")
    points = [[float(n) for n in point.split(",")] for point in drawn.split()]
    expected = [
        [frame["x"] + (a + 2) / 4 * frame["width"], frame["y"] + (2 - b) / 4 * frame["width"]]
        for a, b in widget.path().points[:31]
    ]
    assert points == [pytest.approx(point, abs=0.06) for point in expected]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    map_, curve = (page.locator(name).bounding_box() for name in (".gd-map", ".gd-curve"))
    assert map_["width"] == pytest.approx(frame["width"] + 48, abs=1) and map_["width"] > 300
    assert curve["width"] > 300 and (curve["x"] > map_["x"] + map_["width"]) == (width > 500)


def test_the_contours_are_circles_on_the_bowl(show):
    page = show(make(surface="bowl"))
    settle(page)
    frame = ruler(page)
    lines = page.locator(".gd-line")
    assert lines.count() == 11
    top = 4.0  # the bowl's height in a corner
    for number in (3, 6):
        radius = (2 * top * ((number + 1) / 12) ** 3) ** 0.5
        numbers = lines.nth(number).get_attribute("d").replace("M", " ").replace("L", " ").split()
        for x, y in zip(map(float, numbers[::2]), map(float, numbers[1::2]), strict=True):
            first = (x - frame["x"]) / frame["width"] * 4 - 2
            second = 2 - (y - frame["y"]) / frame["width"] * 4
            assert (first**2 + second**2) ** 0.5 == pytest.approx(radius, abs=0.012)


def test_a_click_and_the_arrow_keys_move_the_start(show):
    page = show(make(surface="bowl", start=[20, 20]))
    settle(page)
    plate = page.locator(".gd-plate").bounding_box()
    page.mouse.click(plate["x"] + plate["width"] * 0.25, plate["y"] + plate["height"] * 0.9)
    settle(page)
    [row, column] = chosen(page, "start")["start"]
    assert abs(column - 10) <= 1 and abs(row - 36) <= 1
    page.get_by_role("application").press("ArrowUp")
    assert chosen(page, "start") == {"start": [row - 1, column]}


def test_a_surface_brings_its_start_and_what_happens_there_is_told(show):
    page = show(make(rate=0.1))
    verdict = page.locator(".gd-verdict")
    expect(verdict).to_contain_text("It arrives: from step 22 on")
    page.get_by_role("radio", name="saddle").click()
    expect(verdict).to_contain_text("It rests at a level place that is not the lowest")
    assert chosen(page, "start") == {"start": sums.STARTS["saddle"]}
    page.get_by_role("radio", name="narrow valley").click()
    page.get_by_role("slider", name="Rate").press("ArrowRight")
    page.get_by_role("slider", name="Rate").press("ArrowRight")
    assert chosen(page, "rate") == {"rate": 0.19}
    expect(verdict).to_contain_text("It zigzags: 22 of its 22 changes of direction")
    page.get_by_role("slider", name="Rate").press("ArrowRight")
    expect(verdict).to_contain_text(
        "It bursts: at step 27"  # 0.8 times 1.1 to the 27th is above 10
    )
    expect(page.locator(".gd-at")).to_contain_text("The path ends after step 27.")
    page.get_by_role("radio", name="slice of a real net").click()
    expect(page.locator(".gd-about")).to_contain_text("A made-up net. The heights on 9×9 places")


@pytest.mark.parametrize("state", some_states(12, seed=11))
def test_the_page_says_what_python_says(show, state):
    widget = make(**state)
    page = show(widget)
    expect(page.locator(".gd-verdict")).to_have_text(widget.verdict())
    markup = page.locator(".gd-body").inner_html()
    assert "NaN" not in markup and "Infinity" not in markup


def test_a_step_shows_one_point_more_and_says_where_it_is(show):
    page = show(make(surface="bowl", start=[12, 4], rate=0.5, step=0))
    expect(page.locator(".gd-at")).to_have_text(
        "After 0 steps: weights −1.6 and 0.8, loss 1.6, slopes −1.6 and 0.8."
    )
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".gd-at")).to_have_text(
        "After 1 step: weights −0.8 and 0.4, loss 0.4, slopes −0.8 and 0.4."
    )
    assert len(page.locator(".gd-path").get_attribute("points").split()) == 2
    expect(page.locator(".cnn-spoken")).to_contain_text("After 1 step: weights −0.8 and 0.4")


def test_losses_beyond_the_plot_are_cut_off_and_it_is_said(show):
    page = show(make(surface="valley", rate=0.21))
    expect(page.get_by_text("lie outside of the plot")).to_be_visible()
    choose(page, rate=0.1)
    expect(page.get_by_text("lie outside of the plot")).to_have_count(0)
