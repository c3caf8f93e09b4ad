"""The groups widget as a reader meets it: its twin, its strands, its keys, what is said."""

import json

import pytest
from playwright.sync_api import Page, expect

from cnnlib.widgets import groups_sums as sums
from cnnlib.widgets.groups import Groups
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_groups import some_states

TWINS = """async (states) => {
  const s = await import("./widgets/groups_sums.js");
  return JSON.stringify(states.map((state) => {
    const layers = s.steps(state);
    const groups = s.columnGroups(layers);
    const counts = [layers[0][0], ...layers.map((step) => step[1])];
    const dots = counts.map((count, i) => s.bundles(count, groups[i]));
    const lit = s.reached(layers, state.output);
    return [layers, s.rivals(state), layers.map(s.weights), groups, dots, lit,
      layers.map((step, i) => s.threads(step, dots[i], dots[i + 1])),
      layers.map((step, i) => s.threads(step, dots[i], dots[i + 1], lit[i + 1])),
      s.divisors(state.in_channels, state.out_channels), s.runs(lit[0])];
  }));
}"""


def ours(state: dict) -> list:
    layers = sums.steps(state)
    groups = sums.column_groups(layers)
    counts = [layers[0].in_channels, *(step.out_channels for step in layers)]
    dots = [sums.bundles(*pair) for pair in zip(counts, groups, strict=True)]
    lit = sums.reached(layers, state["output"])
    between = [
        [sums.threads(step, dots[i], dots[i + 1], only[i + 1]) for i, step in enumerate(layers)]
        for only in ([None] * len(dots), lit)
    ]
    return [
        layers,
        sums.rivals(state),
        [sums.weights(step) for step in layers],
        groups,
        dots,
        lit,
        *between,
        sums.divisors(state["in_channels"], state["out_channels"]),
        sums.runs(lit[0]),
    ]


def test_both_languages_sum_alike_over_many_states(show):
    page = show(Groups())
    states = some_states(60) + some_states(12, most=300, seed=9)
    theirs = json.loads(page.evaluate(TWINS, states))
    for state, found in zip(states, theirs, strict=True):
        assert found == json.loads(json.dumps(ours(state))), state


def said(page: Page) -> str:
    return page.locator(".gr-reach").inner_text()


def lit(page: Page, column: str) -> int:
    return page.locator(f".gr-{column}.gr-on").count()


@pytest.mark.parametrize("width", [1000, 390])
def test_every_kind_says_in_the_page_what_python_says(show, width):
    page = show(Groups(), width=width)
    for state in some_states(14, most=80, seed=7):
        choose(page, **state)
        choose(page, output=state["output"], groups=state["groups"])
        settle(page)
        told = Groups(**chosen(page, *state)).text_alternative()
        for part in (".gr-told", ".gr-cost"):
            assert page.locator(part).inner_text().replace("\u00a0", " ") in told.replace(
                "\u00a0", " "
            )
        assert said(page).split(" Each of ")[0] in told
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert "NaN" not in page.locator(".gr-body").inner_html()


def test_the_arrow_keys_walk_the_outputs_and_their_inputs_light_up(show):
    page = show(Groups())
    scene = page.get_by_role("application")
    scene.focus()
    assert said(page).startswith("Output 0: 16 of 32 inputs reach it, channels 0 to 15.")
    assert (lit(page, "input"), lit(page, "output")) == (16, 1)
    page.keyboard.press("End")
    settle(page)
    assert chosen(page, "output") == {"output": 47}
    assert said(page).startswith("Output 47: 16 of 32 inputs reach it, channels 16 to 31.")
    expect(page.locator(".cnn-spoken")).to_contain_text("channels 16 to 31")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    assert chosen(page, "output") == {"output": 45}
    page.keyboard.press("ArrowDown")
    assert chosen(page, "output") == {"output": 46}
    page.keyboard.press("Home")
    assert chosen(page, "output") == {"output": 0}


def test_a_pointer_lights_up_what_reaches_an_output_and_a_press_keeps_it(show):
    page = show(Groups(kind="twice", in_channels=12, out_channels=12, groups=3, kernel_size=1))
    dot = page.locator(".gr-output").nth(9).bounding_box()
    middle = dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2
    page.mouse.move(*middle)
    settle(page)
    assert said(page).startswith("Output 9: 4 of 12 inputs reach it, channels 8 to 11.")
    assert chosen(page, "output") == {"output": 0}
    page.mouse.down()
    page.mouse.up()
    settle(page)
    assert chosen(page, "output") == {"output": 9}
    page.mouse.move(5, 5)
    settle(page)
    assert said(page).startswith("Output 9") and lit(page, "input") == 4


def test_the_shuffle_lets_all_inputs_reach_an_output(show):
    page = show(Groups(kind="twice", in_channels=12, out_channels=12, groups=3, kernel_size=1))
    assert (lit(page, "input"), lit(page, "middle"), lit(page, "output")) == (4, 4, 1)
    page.get_by_role("radio", name="with a shuffle").check()
    settle(page)
    assert (
        said(page) == "Output 0: all 12 inputs reach it. Each of the 12 outputs is reached by 12."
    )
    assert (lit(page, "input"), lit(page, "middle"), lit(page, "output")) == (12, 8, 1)


def test_a_preset_is_a_press_away_and_the_bars_follow(show):
    page = show(Groups())
    page.get_by_role("button", name="a pair of MobileNet").click()
    settle(page)
    bars = page.locator(".gr-side .cnn-bars:visible .cnn-bar-text").all_inner_texts()
    assert bars == [
        "2,359,296",
        "266,752",
        "462,422,016",
        "52,283,392",
        "1.7\u00a0%",
        "98.3\u00a0%",
    ]
    widths = page.locator(".gr-side .cnn-bar:visible").evaluate_all(
        "(bars) => bars.map((bar) => bar.clientWidth / bar.parentNode.clientWidth)"
    )
    assert widths[1] == pytest.approx(266_752 / 2_359_296, abs=0.01)
    assert page.locator(".gr-input").count() == 64
    expect(page.locator(".gr-note").first).to_contain_text("up to 8 of them")
    page.get_by_role("button", name="32 → 48 in 2 groups").click()
    settle(page)
    assert page.locator(".gr-input").count() == 32 and page.locator(".gr-output").count() == 48
    assert page.locator(".gr-note").first.is_hidden()


def test_the_sliders_of_channels_stop_where_the_groups_divide(show):
    page = show(Groups(groups=8))
    slider = page.get_by_role("slider", name="Input channels")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert chosen(page, "in_channels", "groups") == {"in_channels": 40, "groups": 8}
    page.keyboard.press("End")
    assert chosen(page, "in_channels") == {"in_channels": 512}
    choose(page, kind="dense", in_channels=131)  # between two stops
    settle(page)
    assert slider.get_attribute("aria-valuetext") == "131"
    choose(page, kind="depthwise")
    settle(page)
    assert page.get_by_role("slider", name="Output channels").count() == 0
    expect(page.get_by_label("Groups", exact=True)).to_be_hidden()
