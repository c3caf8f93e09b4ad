"""What every page of the book owes its reader, over the table of contents.

A page is loaded once on a wide screen and once on a phone, for all tests that look at it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import axe_finds
from tests.browser.conftest import SharedPage, load, watched_page
from tests.browser.contract import checks
from tests.test_book import CHAPTERS, PAGES

ADDRESSES = [*(f"{page}.html" for page in PAGES), "genindex.html", "search.html"]
WIDE, PHONE = (1280, "light"), (390, "dark")
on_every_address = pytest.mark.parametrize("shared", ADDRESSES, indirect=True)
on_every_chapter = pytest.mark.parametrize(
    "shared", [f"{chapter}.html" for chapter in CHAPTERS], indirect=True
)

# axe looks at what is ours: the text with its widgets, not the theme's frame around it.
OURS = ".bd-article, .bd-search-container"


class Shared(NamedTuple):
    """A page as several tests look at it."""

    wide: SharedPage
    phone: SharedPage
    measured: set[str]  # kinds of text whose contrast has been measured, in either theme


@pytest.fixture(scope="module")
def shared(request, browser, serve, site) -> Iterator[Shared]:
    def opening(width: int, theme: str) -> SharedPage:
        def open_page() -> Page:
            viewport = {"width": width, "height": 900}
            page = watched_page(browser, viewport=viewport, color_scheme=theme)
            load(page, f"{serve(site)}/{request.param}")
            return checks.ready(page)

        return SharedPage(open_page)

    pages = Shared(opening(*WIDE), opening(*PHONE), set())
    yield pages
    pages.wide.close()
    pages.phone.close()


@pytest.fixture
def wide(shared, request) -> Iterator[Page]:
    """The page on a wide screen, in the light theme."""
    with shared.wide.lent(request.node) as page:
        yield page


@pytest.fixture
def phone(shared, request) -> Iterator[Page]:
    """The page on a phone, in the dark theme."""
    with shared.phone.lent(request.node) as page:
        yield page


# --- Tests that leave the page as it was --------------------------------------------------------


@on_every_address
def test_it_fits_and_can_be_read_by_everyone(wide, shared):
    assert_fits_and_can_be_read(wide, *WIDE, shared.measured)


@on_every_address
def test_it_fits_and_can_be_read_on_a_phone(phone, shared):
    assert_fits_and_can_be_read(phone, *PHONE, shared.measured)
    for widget in phone.locator(".cnn-widget").all():
        assert checks.small_targets(widget) == []
        assert checks.cut_off(widget) == []


def assert_fits_and_can_be_read(page: Page, width: int, theme: str, measured: set[str]) -> None:
    """In the theme that it was loaded in, and in the other, which it turns to as it stands."""
    html = page.locator("html")
    expect(html).to_have_attribute("data-theme", theme)
    assert checks.sideways(page, width) == []
    assert axe_finds(page, OURS, measured=measured) == []
    other = {"light": "dark", "dark": "light"}[theme]
    page.emulate_media(color_scheme=other)
    expect(html).to_have_attribute("data-theme", other)
    assert checks.sideways(page, width) == []
    assert axe_finds(page, OURS, contrast_only=True, measured=measured) == []
    page.emulate_media(color_scheme=theme)
    expect(html).to_have_attribute("data-theme", theme)


@on_every_address
def test_every_formula_is_set(wide):
    assert unset_formulas(wide) == []


def unset_formulas(page: Page) -> list[str]:
    return page.evaluate(
        """() => [...document.querySelectorAll(".math, .katex-error")]
            .filter((node) => node.matches(".katex-error") || !node.querySelector(".katex"))
            .map((node) => node.textContent)"""
    )


@on_every_chapter
def test_still_pictures_are_printed(wide):
    assert checks.printed_wrong(wide) == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_still_pictures_stand_in_where_scripts_are_off(visit, chapter):
    page = visit(f"{chapter}.html", java_script_enabled=False)
    assert page.locator("article h1").is_visible()
    for still in page.locator(".cnn-still").all():
        box = still.bounding_box()
        assert still.is_visible() and box["width"] > 100 and box["height"] > 20
        assert len(still.get_attribute("aria-label").split()) > 3


# --- Tests that move the widgets: each holds from wherever the one before has left them ---------


@on_every_chapter
def test_tab_reaches_every_control_shows_where_it_is_and_leaves(wide):
    for widget in wide.locator(".cnn-widget").all():
        assert checks.tab_faults(wide, widget) == []


@on_every_chapter
def test_every_slider_moves_its_widget_by_keyboard(wide):
    for widget in wide.locator(".cnn-widget").all():
        for slider in widget.locator("input[type=range]").all():
            if not slider.is_enabled() or not slider.is_visible():
                continue  # an earlier slider left it nowhere to go
            before, value = drawn(widget), slider.input_value()
            slider.press("ArrowRight")
            if slider.input_value() == value:
                slider.press("ArrowLeft")
            assert slider.input_value() != value
            assert drawn(widget) != before


@on_every_chapter
def test_widgets_answer_to_the_pointer(wide):
    for widget in wide.locator(".cnn-widget").all():
        before = drawn(widget)
        targets = widget.locator(
            "button:enabled, input:is([type=radio], [type=checkbox]):enabled, [role=button]"
        )
        for target in targets.all():
            if not target.is_visible() or not target.is_enabled():
                continue  # of another tab, or one with nothing to do here
            target.click()
            if drawn(widget) != before:
                break
        assert drawn(widget) != before


def drawn(widget: Locator) -> str:
    """What the widget has drawn and written, and what is entered in its controls."""
    return widget.evaluate("(root) => reader.frames().then(() => reader.drawn(root))")
