"""The page's windows are Python's, over random settings, and are drawn where they lie."""

import pytest

from cnnlib.widgets.window_fit import WindowFit, fits
from tests.browser.conftest import write_page_of
from tests.browser.model import chosen, settle
from tests.test_widgets_window_fit import make, settings

NAMES = ("size", "kernel_size", "stride", "padding")


def test_fits_and_sentences_are_pythons_over_random_settings(new_page, serve, tmp_path):
    write_page_of(tmp_path / "site")
    page = new_page()
    page.goto(f"{serve(tmp_path / 'site')}/")
    cases = settings(1500, seed=8)
    widget = make()
    theirs = page.evaluate(
        """async ([cases, table]) => {
          const { fits } = await import("./widgets/window_fit_sums.js");
          const { tell } = await import("./widgets/window_fit.js");
          const { makeWords } = await import("./widgets/kit/words.js");
          const say = makeWords(table);
          return cases.map((state) => fits(state).map((fit) => [fit, tell(say, state, fit)]));
        }""",
        [cases, widget.words.table],
    )
    said = set()
    for case, answer in zip(cases, theirs, strict=True):
        widget.choose(**case)
        ours = [[fit._asdict(), widget.tell(fit)] for fit in fits(**case)]
        assert answer == ours, case
        said |= {sentence for _, told in ours for sentence in told.split(". ")[1:]}
    assert len(said) > 100


def drawn(page, row: int, name: str) -> list[list[float]]:
    """[x, width] of a row's marks on the whole axis, in columns."""
    settle(page)
    return page.evaluate(
        """([row, name]) => {
          const svg = document.querySelectorAll(".wf-whole")[row];
          return [...svg.querySelectorAll(name)].map((mark) =>
            [Number(mark.getAttribute("x")), Number(mark.getAttribute("width"))]);
        }""",
        [row, name],
    )


@pytest.mark.parametrize("width", [1280, 390])
def test_windows_stand_where_they_read_and_the_unread_pixel_is_marked(show, width):
    page = show(make(), width=width)
    [[left, pixels]] = drawn(page, 1, ".wf-pixels")
    scale = (pixels + 0.6) / 224
    windows = drawn(page, 0, ".wf-window")
    assert len(windows) == 55 and len(drawn(page, 1, ".wf-window")) == 54
    for number, (x, wide) in enumerate(windows):
        assert x == pytest.approx(left + 4 * number * scale, abs=0.01)
        assert wide == pytest.approx(11 * scale - 0.6, abs=0.01)
    assert len(drawn(page, 0, ".wf-over")) == 1 and drawn(page, 1, ".wf-over") == []
    [[x, _]] = drawn(page, 0, ".wf-outside")
    assert x == pytest.approx(left + 224 * scale, abs=0.01)
    [[x, _]] = drawn(page, 1, ".wf-unread")
    assert x == pytest.approx(left + 223 * scale, abs=0.01)
    assert drawn(page, 0, ".wf-unread") == drawn(page, 2, ".wf-unread") == []


def test_a_preset_sets_all_four_and_shows_that_it_is_there(show):
    page = show(make())
    button = page.get_by_role("button", name="224, padding 2, kernel 11, stride 4")
    button.click()
    assert chosen(page, *NAMES) == {"size": 224, "kernel_size": 11, "stride": 4, "padding": 2}
    settle(page)
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator(".wf-sum").all_text_contents() == [
        "1 + ⌈(228 − 11) / 4⌉ = 56",
        "1 + ⌊(228 − 11) / 4⌋ = 55",
        "1 + ⌈(228 − 11) / 4⌉ = 56",
    ]
    page.get_by_role("slider", name="Stride").press("ArrowRight")
    assert chosen(page, "stride") == {"stride": 5}
    settle(page)
    assert button.get_attribute("aria-pressed") == "false"


def test_at_the_ends_of_the_sliders_no_window_is_drawn_and_the_reason_is_said(show):
    page = show(make(size=1, kernel_size=16, stride=1))
    for row in range(3):
        assert drawn(page, row, ".wf-window") == []
    told = page.locator(".wf-told").all_text_contents()
    assert all(text.startswith("No window: the kernel of 16 is larger") for text in told)
    assert page.locator(".wf-sum").all_text_contents() == ["no window"] * 3


@pytest.mark.parametrize(
    "chosen_",
    [
        {"size": 256, "kernel_size": 1, "stride": 1, "padding": 8},
        {"size": 256, "kernel_size": 16, "stride": 1, "padding": 8},
        {"size": 256, "kernel_size": 1, "stride": 16, "padding": 0},
        {"size": 1, "kernel_size": 1, "stride": 16, "padding": 8},
    ],
)
def test_every_window_is_drawn_at_the_ends_of_the_sliders(show, chosen_):
    page = show(WindowFit(**chosen_), width=390)
    for row, fit in enumerate(fits(**chosen_)):
        assert len(drawn(page, row, ".wf-window")) == fit.count
        assert len(drawn(page, row, ".wf-unread")) == len(fit.unread)
        assert all(wide >= 0.8 for _, wide in drawn(page, row, ".wf-window"))


def test_a_short_axis_needs_no_enlargement_and_a_long_one_has_it(show):
    page = show(make(size=20, kernel_size=3, stride=2))
    assert page.locator(".wf-enlarged").first.is_hidden()
    page = show(make())
    assert page.locator(".wf-enlarged").first.is_visible()
    numbers = page.locator(".wf-zoom").first.locator(".wf-number").all_text_contents()
    assert numbers[-1] == "55"
