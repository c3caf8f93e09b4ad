"""The built site in a real browser, with every host but its own out of reach.

What every page owes stands in contract/test_pages.py. A page that the fixture ``new_page`` opens
fails its test by a request to another host, a failed load, an uncaught exception, or an error or
warning on the console.
"""

import html
import re

import pytest
from fontTools.ttLib import TTFont
from playwright.sync_api import expect

from cnnlib.widgets.bundle import widgets_in
from tests.browser.conftest import load
from tests.conftest import ROOT
from tests.test_book import CHAPTERS, PAGES

every_chapter = pytest.mark.parametrize("chapter", CHAPTERS)


def test_the_sites_address_leads_to_the_first_page(visit):
    page = visit("")
    page.wait_for_url("**/book/index.html")


@pytest.mark.parametrize("chapter", PAGES)
def test_launch_button_opens_its_own_chapter_as_a_notebook(site, chapter):
    text = (site / f"{chapter}.html").read_text(encoding="utf-8")
    launched = f"?urlpath=lab/tree/{chapter}.md" in text
    assert launched == (chapter in CHAPTERS)
    notebook = f"/blob/notebooks/{chapter.removeprefix('book/')}.ipynb"  # on Colab
    assert (notebook in text) == launched
    assert (ROOT / f"{chapter}.md").exists()


def test_search_finds_the_chapters_that_hold_a_word(visit):
    page = visit("search.html?q=stride")
    # The results come one after the other.
    expect(page.locator("#search-results ul.search li a[href*=arithmetic]").first).to_be_visible()


def test_search_opens_by_keyboard_from_a_chapter(visit):
    page = visit(f"{CHAPTERS[-1]}.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("kernel")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=kernel")
    page.locator("#search-results ul.search li a").first.wait_for()


def test_the_contents_know_every_question_of_the_book(visit, site):
    page = visit("book/index.html")
    page.get_by_role("button", name="Your progress").wait_for()
    counted = page.evaluate("Object.keys(globalThis.cnnContents.pages)")
    asking = 'class="cnn-place" data-cnn-widget="quiz"'
    pages = {chapter: (site / f"{chapter}.html").read_text(encoding="utf-8") for chapter in PAGES}
    assert sorted(counted) == sorted(name for name, text in pages.items() if asking in text)
    assert len(counted) > 10
    linked = page.locator("nav.bd-links a:has(.cnn-progress-mark)")
    assert linked.count() == len(counted)


# --- Widgets, where they stand in the book ------------------------------------------------------


def test_the_book_shows_every_widget(site):
    shown = "".join((site / f"{page}.html").read_text(encoding="utf-8") for page in PAGES)
    stems = widgets_in(ROOT / "cnnlib" / "widgets")
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
    for still in re.findall(r'<image [^>]*href="([^"]*)"', text):
        assert len(still) < 4100
        if not still.startswith("data:"):
            assert (site / chapter).parent.joinpath(still).stat().st_size >= 3000


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


# Of each icon that a page holds: its character, and the family and weight of its font.
ICONS = """() => [...document.querySelectorAll("[class*=fa-]")].map((node) => {
    const style = getComputedStyle(node, "::before");
    return [style.content.replaceAll('"', ""), style.fontFamily, style.fontWeight];
}).filter(([icon]) => icon.length === 1)"""


@pytest.mark.parametrize("chapter", [CHAPTERS[0], CHAPTERS[-1]])
def test_every_icon_of_a_page_has_a_glyph_and_the_fonts_hold_few_others(visit, site, chapter):
    folder = site / "_static" / "vendor" / "fontawesome" / "webfonts"
    glyphs = {file.stem: set(TTFont(file).getBestCmap()) for file in folder.glob("*.woff2")}
    assert sum(file.stat().st_size for file in folder.iterdir()) < 30_000
    found = visit(f"{chapter}.html").evaluate(ICONS)
    assert len(found) > 5
    for icon, family, weight in found:
        name = (
            "brands-400" if "Brands" in family else {"900": "solid-900"}.get(weight, "regular-400")
        )
        assert ord(icon) in glyphs[f"fa-{name}"], (icon, family, weight)


STATE_LINK = re.compile(r'href="([^"#]+\.html)(#cnn=[^"]+)"')


def test_links_that_set_a_widget_are_taken_whole(visit, site):
    """Each link into a widget's state finds the widget, and nothing of the state is refused."""
    found = 0
    for page in sorted(site.glob("book/**/*.html")):
        for address, state in STATE_LINK.findall(page.read_text("utf-8")):
            found += 1
            target = (page.parent / address).resolve().relative_to(site.resolve())
            shown = visit(f"{target.as_posix()}{html.unescape(state)}")
            name = re.search(r"widget=(\w+)\.(\d+)", state)
            place = shown.locator(f'[data-cnn-widget="{name[1]}"]').nth(int(name[2]))
            expect(place.locator(".cnn-tools")).to_be_visible()
            assert place.locator(".cnn-notice").text_content() == "", f"{page.name}: {state}"
    assert found


def test_an_exercises_table_keeps_its_columns_on_a_phone(new_page, serve, site):
    """The theme lays tables of outputs out by their contents; this one has widths of its own."""
    page = new_page(viewport={"width": 390, "height": 900})
    load(page, f"{serve(site)}/book/foundations/pooling.html")
    table = page.locator(".ce-cases").first
    expect(table).to_be_visible()
    widths = table.locator("th").evaluate_all("(all) => all.map((one) => one.clientWidth)")
    assert len(widths) == 3 and min(widths) > 0.2 * sum(widths)
