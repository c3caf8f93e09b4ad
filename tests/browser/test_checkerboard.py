"""The page's outputs are Python's, both are drawn, and pairs, maps and weights choose."""

import pytest
from playwright.sync_api import expect

from cnnlib.widgets import checkerboard_sums as sums
from cnnlib.widgets.checkerboard import Checkerboard
from tests.browser.conftest import write_page_of
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_checkerboard import DRAWN, make, settings


def test_sums_and_sentences_are_pythons_over_random_states(new_page, serve, tmp_path):
    write_page_of(tmp_path / "site")
    page = new_page()
    page.goto(f"{serve(tmp_path / 'site')}/")
    cases, widget = settings(150, seed=11), make()
    theirs = page.evaluate(
        """async ([cases, fixed, table]) => {
          const s = await import("./widgets/checkerboard_sums.js");
          const w = await import("./widgets/checkerboard.js");
          const { makeWords } = await import("./widgets/kit/words.js");
          const say = makeWords(table);
          return cases.map((state) => {
            const values = s.output(state, fixed);
            const inside = s.inside(state, fixed.drawn);
            const reach = s.reaching(state, fixed);
            return [values, inside, s.products(state, fixed.inputs),
              [reach.amount, reach.ways, reach.taps], w.reasonInWords(say, state),
              w.verdict(say, state, inside), w.lookedInWords(say, state, values, reach)];
          });
        }""",
        [cases, widget.fixed, widget.words.table],
    )
    for case, (values, inside, products, reach, reason, verdict, looked) in zip(
        cases, theirs, strict=True
    ):
        widget.choose(**case)
        assert values == widget.output().tolist(), case
        assert inside == widget.inside().tolist(), case
        assert products == sums.products(case), case
        amount, ways, taps = sums.reaching(case, DRAWN)
        assert reach == [amount.tolist(), ways.tolist(), taps], case
        assert (reason, looked) == (widget.reason(), widget.looked()), case
        assert verdict == widget.verdict(case["way"]), case


def heights(page, panel: int) -> list[float]:
    """Of a panel's bars, the tallest being 1."""
    found = (
        page.locator(".ch-way")
        .nth(panel)
        .locator(".cnn-counts-bar")
        .evaluate_all("(bars) => bars.map((bar) => Number(bar.getAttribute('height')))")
    )
    return [one / max(found) for one in found]


def test_the_bars_are_as_high_as_the_counts(show):
    page = show(Checkerboard(kernel_size=5, stride=3))
    for panel, way in enumerate(sums.WAYS):
        widget = Checkerboard(kernel_size=5, stride=3, way=way)
        counts = widget.output()[0]
        assert heights(page, panel) == pytest.approx((counts / counts.max()).tolist())
    assert page.locator(".ch-facts td").nth(1).text_content() == "17"


def test_the_table_of_pairs_chooses_a_pair_and_marks_those_that_are_even(show):
    page = show(Checkerboard())
    pairs = page.locator(".ch-pair")
    even = {
        (kernel, stride)
        for kernel in range(1, 7)
        for stride in range(1, 5)
        if Checkerboard(kernel_size=kernel, stride=stride, place=[0, 0]).inside().size == 1
    }
    for stride in range(1, 5):
        for kernel in range(1, 7):
            text = pairs.nth(6 * (stride - 1) + kernel - 1).text_content()
            assert (text == "even") == ((kernel, stride) in even)
    pairs.nth(6 * 2 + 5).click()
    settle(page)
    assert chosen(page, "kernel_size", "stride") == {"kernel_size": 6, "stride": 3}
    page.locator(".ch-field").press("ArrowLeft")
    settle(page)
    assert chosen(page, "kernel_size", "stride") == {"kernel_size": 5, "stride": 3}
    expect(page.locator(".cnn-spoken")).to_contain_text("5 is not divisible by 3")


@pytest.mark.parametrize("panel", [0, 1])
def test_a_click_on_an_output_rings_the_inputs_that_reach_it(show, panel):
    page = show(Checkerboard(dimensions=2, place=[0, 0]))
    size = (9, 10)[panel]
    page.locator(".cnn-counts").nth(panel).scroll_into_view_if_needed()
    box = page.locator(".cnn-counts-over").nth(panel).bounding_box()
    cell = box["width"] / size
    page.mouse.click(box["x"] + 4.5 * cell, box["y"] + 3.5 * cell)
    settle(page)
    way = sums.WAYS[panel]
    assert chosen(page, "way", "place") == {"way": way, "place": [3, 4]}
    widget = Checkerboard(dimensions=2, way=way, place=[3, 4])
    _, ways, taps = sums.reaching(widget.chosen(), DRAWN)
    rings = page.locator(".ch-looked figure")
    assert rings.nth(0).locator(".cnn-cells-ring").count() == (ways > 0).sum()
    assert rings.nth(1).locator(".cnn-cells-ring").count() == len(taps)
    expect(page.locator(".cnn-spoken")).to_have_text(widget.looked())


def test_with_all_weights_one_there_is_no_draw_to_choose(show):
    page = show(Checkerboard(seed=4))
    seed = page.get_by_role("slider", name="Draw of the weights")
    expect(seed).to_be_disabled()
    choose(page, weights="positive")
    settle(page)
    expect(seed).to_be_enabled()
    assert seed.input_value() == "4"


@pytest.mark.parametrize("width", [1000, 390])
def test_the_largest_stacks_stay_inside(show, width):
    page = show(
        Checkerboard(kernel_size=6, stride=4, layers=3, weights="random", place=[0, 0]), width=width
    )
    for dimensions in (1, 2):
        choose(page, dimensions=dimensions)
        settle(page)
        assert "NaN" not in page.locator(".ch-body").inner_html()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
