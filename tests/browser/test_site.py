"""The built site in a real browser, with every host but its own out of reach.

Every page that the fixture ``new_page`` opens fails its test by a request to another host, a failed
load, an uncaught exception, or an error or warning on the console.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import axe_finds
from tests.browser.conftest import WIDGETS_RUN, SharedPage, watched_page
from tests.conftest import ROOT
from tests.test_book import CHAPTERS, PAGES

ADDRESSES = [*(f"{page}.html" for page in PAGES), "genindex.html", "search.html"]
every_chapter = pytest.mark.parametrize("chapter", CHAPTERS)

# Both views of a page are loaded once, for all tests that look at the same address.
WIDE, PHONE = (1280, "light"), (390, "dark")
on_every_address = pytest.mark.parametrize("shared", ADDRESSES, indirect=True)
on_every_chapter = pytest.mark.parametrize(
    "shared", [f"{chapter}.html" for chapter in CHAPTERS], indirect=True
)

# axe looks at what is ours: the text with its widgets, not the theme's frame around it.
OURS = ".bd-article, .bd-search-container"


def load(page: Page, address: str, scripts: bool = True) -> Page:
    """Go to an address of the site, and wait until its widgets run."""
    page.set_default_timeout(60_000)
    page.goto(address, wait_until="load")
    if scripts:
        page.wait_for_function(WIDGETS_RUN)
    return page


@pytest.fixture
def visit(new_page, serve, site) -> Callable[..., Page]:
    """visit(address, **context options) -> a wide page, its widgets running, for one test."""

    def open_page(address: str, **options) -> Page:
        page = new_page(viewport={"width": 1280, "height": 900}, color_scheme="light", **options)
        return load(page, f"{serve(site)}/{address}", options.get("java_script_enabled", True))

    return open_page


class Views(NamedTuple):
    """An address as several tests look at it, each view opened when the first asks for it."""

    wide: SharedPage
    phone: SharedPage
    measured: set[str]  # kinds of text whose contrast has been measured, in either theme


@pytest.fixture(scope="module")
def shared(request, browser, serve, site) -> Iterator[Views]:
    def opening(width: int, theme: str) -> SharedPage:
        def open_page() -> Page:
            viewport = {"width": width, "height": 900}
            page = watched_page(browser, viewport=viewport, color_scheme=theme)
            return load(page, f"{serve(site)}/{request.param}")

        return SharedPage(open_page)

    views = Views(opening(*WIDE), opening(*PHONE), set())
    yield views
    views.wide.close()
    views.phone.close()


@pytest.fixture
def wide(shared, request) -> Iterator[Page]:
    """The address on a wide screen, in the light theme."""
    with shared.wide.lent(request.node) as page:
        yield page


@pytest.fixture
def phone(shared, request) -> Iterator[Page]:
    """The address on a phone, in the dark theme."""
    with shared.phone.lent(request.node) as page:
        yield page


# --- Every page, by tests that leave it as it was -----------------------------------------------


@on_every_address
def test_page_fits_and_can_be_read_by_everyone(wide, shared):
    assert_fits_and_can_be_read(wide, *WIDE, shared.measured)


@on_every_address
def test_page_fits_and_can_be_read_on_a_phone(phone, shared):
    assert_fits_and_can_be_read(phone, *PHONE, shared.measured)


def assert_fits_and_can_be_read(page: Page, width: int, theme: str, measured: set[str]) -> None:
    """In the theme that it was loaded in, and in the other, which it turns to as it stands."""
    assert page.locator("html").get_attribute("data-theme") == theme
    assert_fits(page, width)
    assert axe_finds(page, OURS, measured=measured) == []
    other = {"light": "dark", "dark": "light"}[theme]
    page.emulate_media(color_scheme=other)
    expect(page.locator("html")).to_have_attribute("data-theme", other)
    assert_fits(page, width)
    assert axe_finds(page, OURS, contrast_only=True, measured=measured) == []
    page.emulate_media(color_scheme=theme)
    expect(page.locator("html")).to_have_attribute("data-theme", theme)


def assert_fits(page: Page, width: int) -> None:
    widest = page.evaluate("document.documentElement.scrollWidth")
    assert widest <= width, sticking_out(page)


def sticking_out(page: Page) -> list[str]:
    return page.evaluate(
        """() => [...document.querySelectorAll("body *")]
            .filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
            .map((node) => `${node.tagName}.${node.getAttribute("class")}`)"""
    )


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
    wide.emulate_media(media="print")
    try:
        for place in wide.locator(".cnn-place").all():
            assert place.locator(":scope > .cnn-still").is_visible()
            assert not place.locator(":scope > .cnn-widget").is_visible()
    finally:
        wide.emulate_media(media="screen")


def test_the_sites_address_leads_to_the_first_page(visit):
    page = visit("")
    page.wait_for_url("**/book/index.html")


@pytest.mark.parametrize("chapter", PAGES)
def test_launch_button_opens_its_own_chapter_as_a_notebook(site, chapter):
    text = (site / f"{chapter}.html").read_text(encoding="utf-8")
    launched = f"?urlpath=lab/tree/{chapter}.md" in text
    assert launched == (chapter in CHAPTERS)
    assert (ROOT / f"{chapter}.md").exists()


def test_search_finds_the_chapters_that_hold_a_word(visit):
    page = visit("search.html?q=stride")
    results = page.locator("#search-results ul.search li a")
    results.first.wait_for()
    found = {
        Path(link.get_attribute("href").split("?")[0].split("#")[0]).stem for link in results.all()
    }
    assert "arithmetic" in found


def test_search_opens_by_keyboard_from_a_chapter(visit):
    page = visit(f"{CHAPTERS[-1]}.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("kernel")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=kernel")
    page.locator("#search-results ul.search li a").first.wait_for()


# --- Widgets, where they stand in the book ------------------------------------------------------


def test_the_book_shows_every_widget(site):
    shown = "".join((site / f"{page}.html").read_text(encoding="utf-8") for page in PAGES)
    stems = {path.stem for path in (ROOT / "cnnlib" / "widgets").glob("*.css")} - {"page"}
    assert {stem for stem in stems if f'data-cnn-widget="{stem}"' not in shown} == set()


@every_chapter
def test_page_holds_each_widget_once_and_its_large_pictures_as_files(site, chapter):
    text = (site / f"{chapter}.html").read_text(encoding="utf-8")
    assert "vnd.jupyter.widget-state" not in text
    states = re.findall(r'<script type="application/json">(.*?)</script>', text, flags=re.DOTALL)
    for state in states:
        assert not re.search(r'"data:image/[a-z]+;base64,[^"]{4000}', state)
        for name in re.findall(r'"([^"]*_static/pictures/[^"]*)"', state):
            assert (site / chapter).parent.joinpath(name).stat().st_size >= 3000


@every_chapter
def test_still_pictures_stand_in_where_scripts_are_off(visit, chapter):
    page = visit(f"{chapter}.html", java_script_enabled=False)
    assert page.locator("article h1").is_visible()
    for still in page.locator(".cnn-still").all():
        box = still.bounding_box()
        assert still.is_visible() and box["width"] > 100 and box["height"] > 20
        assert len(still.get_attribute("aria-label").split()) > 3


def test_theme_button_turns_page_and_widgets_and_is_remembered(visit):
    page = visit(f"{CHAPTERS[0]}.html")
    widget = page.locator(".cnn-widget").first
    paper = "node => getComputedStyle(node).backgroundColor"
    light = widget.evaluate(paper)
    button = page.locator(".theme-switch-button:visible").first
    for _ in range(3):
        if page.locator("html").get_attribute("data-theme") == "dark":
            break
        button.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert widget.evaluate(paper) != light
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


TABBABLE = (
    "button:enabled, input:enabled, select:enabled, textarea:enabled, a[href], summary, [tabindex]"
)


# The tests that follow move the widgets; each holds from wherever the one before has left them.


@on_every_chapter
def test_tab_reaches_every_control_and_shows_where_it_is(wide):
    for widget in wide.locator(".cnn-widget").all():
        expected = stops(widget)
        widget.locator(TABBABLE).first.evaluate(
            """(node) => {
                const before = document.createElement("button");
                before.textContent = "before";
                before.id = "before";
                node.closest(".cnn-widget").before(before);
                before.focus();
            }"""
        )
        reached = set()
        for _ in range(len(expected) + 1):
            wide.keyboard.press("Tab")
            stop = wide.evaluate(
                """() => {
                    const node = document.activeElement;
                    const { outlineStyle, outlineWidth } = getComputedStyle(node);
                    const visible = outlineStyle !== "none" && parseFloat(outlineWidth) > 0;
                    return [node.dataset.stop ?? null, visible, node.outerHTML.slice(0, 120)];
                }"""
            )
            if stop[0] is None:
                break
            assert stop[1], f"no visible focus: {stop[2]}"
            reached.add(stop[0])
        wide.locator("#before").evaluate("(node) => node.remove()")
        assert reached == expected


def stops(widget: Locator) -> set[str]:
    """Number the widget's tab stops; a group of radio buttons is one."""
    return set(
        widget.evaluate(
            """(root, tabbable) => {
                const numbers = new Map();
                for (const node of root.querySelectorAll(tabbable)) {
                    const seen = node.checkVisibility({ visibilityProperty: true });
                    if (node.tabIndex < 0 || !seen) continue;
                    const key = node.type === "radio" && node.name ? node.name : node;
                    if (!numbers.has(key)) numbers.set(key, String(numbers.size));
                    node.dataset.stop = numbers.get(key);
                }
                return [...numbers.values()];
            }""",
            TABBABLE,
        )
    )


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
        before = shown(widget)
        targets = widget.locator(
            "button:enabled, input:is([type=radio], [type=checkbox]):enabled, [role=button]"
        )
        for target in targets.all():
            if "Copy" in (target.text_content() or "") or not target.is_visible():
                continue
            target.click()
            if shown(widget) != before:
                break
        assert shown(widget) != before


def drawn(widget: Locator) -> str:
    """What the widget has drawn and written, apart from where the focus is."""
    return widget.evaluate('(root) => root.innerHTML.replaceAll(/ data-[a-z-]+="[^"]*"/g, \'\')')


def shown(widget: Locator) -> str:
    """The same, and what is entered in its controls."""
    values = """(root) => [...root.querySelectorAll("input, select")]
        .map((control) => `${control.value} ${control.checked}`).join()"""
    return drawn(widget) + widget.evaluate(values)
