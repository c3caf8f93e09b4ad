"""The page's paths are Python's, holes are marked, and presets, sliders and the map choose."""

import pytest
from playwright.sync_api import expect

from cnnlib.widgets.gridding import Gridding
from tests.browser.conftest import write_page_of
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_gridding import make, settings


def test_paths_and_sentences_are_pythons_over_random_states(new_page, serve, tmp_path):
    write_page_of(tmp_path / "site")
    page = new_page()
    page.goto(f"{serve(tmp_path / 'site')}/")
    cases, widget = settings(120, seed=7), make()
    theirs = page.evaluate(
        """async ([cases, table]) => {
          const { paths, reached } = await import("./widgets/gridding_sums.js");
          const { lookedInWords, verdictInWords } = await import("./widgets/gridding.js");
          const { makeWords } = await import("./widgets/kit/words.js");
          const say = makeWords(table);
          return cases.map((state) => {
            const axis = paths(state);
            const counts = state.dimensions === 1 ? [axis]
              : axis.map((one) => axis.map((other) => one * other));
            return [axis, reached(state)[0], verdictInWords(say, state, counts),
              lookedInWords(say, state, counts)];
          });
        }""",
        [cases, widget.words.table],
    )
    for case, (axis, reached, verdict, looked) in zip(cases, theirs, strict=True):
        widget.choose(**case)
        counts = Gridding(**{**case, "dimensions": 1, "place": [0, 0]}).paths()[0]
        assert axis == counts.tolist()
        assert reached == counts.nonzero()[0].tolist()
        assert (verdict, looked) == (widget.verdict(), widget.looked()), case


@pytest.mark.parametrize("width", [1000, 390])
def test_holes_have_a_cross_and_the_bars_stand_under_their_inputs(show, width):
    page = show(Gridding(), width=width)
    assert page.locator(".gr-hole").count() == 6
    assert page.locator(".gr-input").count() == 7
    middles = page.evaluate(
        """() => [".cnn-counts-bar", ".gr-input"].map((name) =>
          [...document.querySelectorAll(name)].map((node) => node.getBoundingClientRect())
            .filter(({ height }) => height > 0).map(({ left, width }) => left + width / 2))"""
    )
    assert middles[0] == pytest.approx(middles[1], abs=1)


def test_a_preset_chooses_dilations_and_kernel_and_a_slider_changes_one_layer(show):
    page = show(Gridding(kernel_size=5))
    page.get_by_role("button", name="1, 2, 5", exact=True).click()
    settle(page)
    assert chosen(page, "kernel_size", "dilations") == {"kernel_size": 3, "dilations": [1, 2, 5]}
    expect(page.locator(".gr-verdict")).to_contain_text("No holes")
    page.get_by_role("slider", name="Dilation of layer 1").press("ArrowRight")
    settle(page)
    assert chosen(page, "dilations") == {"dilations": [2, 2, 5]}
    expect(page.locator(".gr-verdict")).to_contain_text("Dilation 2 is too large")
    layers = page.get_by_role("slider", name="Layers")
    layers.press("End")
    settle(page)
    assert chosen(page, "dilations") == {"dilations": [2, 2, 5, 5, 5]}
    layers.press("Home")
    settle(page)
    assert chosen(page, "dilations") == {"dilations": [2]}
    assert page.get_by_role("slider", name="Dilation of layer 2").count() == 0


@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_click_on_the_map_looks_at_that_input(show, dimensions):
    page = show(Gridding(dilations=[1, 2, 3], dimensions=dimensions, place=[0, 0]), width=700)
    size = 13
    page.locator(".cnn-counts").scroll_into_view_if_needed()
    box = page.locator(".cnn-counts-over").bounding_box()
    side = 2 if dimensions == 1 else 0  # the room beside the bars
    across = box["x"] + side + (4 + 0.5) * (box["width"] - 2 * side) / size
    page.mouse.click(across, box["y"] + (6.5 / size if dimensions == 2 else 0.4) * box["height"])
    settle(page)
    row = 6 if dimensions == 2 else 0
    assert chosen(page, "place") == {"place": [row, 4]}
    counts = Gridding(dilations=[1, 2, 3], dimensions=dimensions, place=[row, 4]).paths()
    expect(page.locator(".cnn-spoken")).to_contain_text(f"in {counts[row, 4]} way")


@pytest.mark.parametrize("width", [1000, 390])
def test_the_largest_stack_stays_inside(show, width):
    page = show(Gridding(kernel_size=5, dilations=[8] * 5, place=[0, 160]), width=width)
    for dimensions in (1, 2):
        choose(page, dimensions=dimensions)
        settle(page)
        assert "NaN" not in page.locator(".gr-body").inner_html()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert page.locator(".gr-hole").count() == 140
