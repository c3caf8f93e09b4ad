"""Pages that are opened from disk, by a double-click: every widget runs there, too.

A browser lets such a page import no module and request nothing.
"""

import base64
import hashlib
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import WIDGETS_RUN, wait_for_widgets, write_page_of
from tests.browser.contract.test_pages import unset_formulas
from tests.conftest import book_part
from tests.sample_widgets import SAMPLES
from tests.test_book import CHAPTERS

# Stricter than any browser: scripts from files only, no requests. (The test's own waits need eval.)
RULES = "script-src file: 'unsafe-eval'; connect-src 'none'; worker-src 'none'; object-src 'none'"
PICTURE = re.compile(r'"data:image/(png|webp);base64,([^"]*)"')


@pytest.fixture(scope="module")
def from_disk():
    """The part of the book's build that writes what pages from disk load."""
    return book_part("from_disk")


class WithFiles:
    """A widget whose pictures are files of the site, as the book's build makes them."""

    def __init__(self, widget, site: Path) -> None:
        self.widget, self.stem, self.site = widget, widget.stem, site
        (site / "pictures").mkdir(parents=True, exist_ok=True)

    def page_form(self) -> str:
        state, rest = self.widget.page_form().split("</script>", 1)
        return f"{PICTURE.sub(self.moved, state)}</script>{rest}"

    def moved(self, found: re.Match) -> str:
        picture = base64.b64decode(found[2])
        name = f"{hashlib.sha256(picture).hexdigest()[:16]}.{found[1]}"
        (self.site / "pictures" / name).write_bytes(picture)
        return f'"./pictures/{name}"'


@pytest.fixture(scope="module")
def folder(tmp_path_factory, from_disk) -> Path:
    """A page of all widgets, the same under RULES, and what the build writes beside them."""
    folder = tmp_path_factory.mktemp("site")
    write_page_of(folder, *(WithFiles(sample(), folder) for sample in SAMPLES.values()))
    from_disk.write_widgets(folder)
    from_disk.write_pictures(folder)
    page = (folder / "index.html").read_text(encoding="utf-8")
    policy = f'<meta http-equiv="Content-Security-Policy" content="{RULES}">'
    (folder / "strict.html").write_text(page.replace("<head>", f"<head>{policy}"))
    return folder


def settled(page: Page) -> Page:
    """The page, once its widgets run and the pictures that they read are there."""
    wait_for_widgets(page)
    page.wait_for_function("!document.querySelector('[aria-busy]')")
    return page


def texts(page: Page) -> dict[str, str]:
    """What each widget says."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll(".cnn-place")].map((place) =>
          [place.dataset.cnnWidget, place.querySelector(":scope > .cnn-widget").innerText]))"""
    )


def test_a_page_from_disk_may_import_nothing(browser, folder):
    page = browser.new_page()
    page.goto((folder / "index.html").as_uri())
    for asked in ("import", "fetch"):
        answer = page.evaluate(f"{asked}('./widgets/quiz.js').then(() => 'had', () => 'refused')")
        assert answer == "refused"
    page.close()


def test_every_widget_says_from_disk_what_it_says_on_the_web(new_page, serve, folder):
    addresses = [f"{serve(folder)}/index.html"]
    addresses += [(folder / name).as_uri() for name in ("index.html", "strict.html")]
    web, plain, strict = [new_page() for _ in addresses]
    for page, address in zip([web, plain, strict], addresses, strict=True):
        page.goto(address)
        settled(page)
    expected = texts(web)
    assert set(expected) == set(SAMPLES)
    assert texts(plain) == texts(strict) == expected
    assert list((folder / "pictures").glob("*.webp"))
    read = "Object.keys(globalThis.cnnPictures ?? {}).sort()"
    pictures = sorted(
        f"pictures/{path.name}" for path in folder.glob("pictures/*") if path.suffix != ".js"
    )
    assert [page.evaluate(read) for page in (web, plain)] == [[], pictures] and pictures
    words = plain.locator("[data-cnn-widget=trained_units] .cnn-words").first
    expect(words).to_contain_text(re.compile(r": −?\d+\.\d+"))  # the number came out of a picture


def test_a_widget_that_cannot_be_had_says_so_under_its_picture(browser, folder, tmp_path):
    for name in ("index.html", "host.js", "widgets"):
        (tmp_path / name).symlink_to(folder / name)
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    notes = page.locator(".cnn-place > .cnn-failed")
    expect(notes).to_have_count(len(SAMPLES))
    for note in notes.all_text_contents():
        assert re.fullmatch(
            r"This widget could not start \(.* could not be loaded\)\. "
            r"The picture shows its first state\.",
            note,
        )
    assert page.locator(".cnn-still:visible").count() == len(SAMPLES)
    assert page.locator(".cnn-place > .cnn-widget").count() == 0
    page.close()


# --- The built site -----------------------------------------------------------------------------


def test_the_built_site_runs_from_disk(new_page, site):
    """Its first page, and the two whose widgets have the most pictures in files."""

    def pictures(path: Path) -> int:
        return path.read_text(encoding="utf-8").count("_static/pictures/")

    chapters = sorted((site / f"{chapter}.html" for chapter in CHAPTERS), key=pictures)
    for path in [site / "index.html", *chapters[-2:]]:
        page = new_page()
        page.set_default_timeout(60_000)
        page.goto(path.as_uri())
        page.wait_for_url("**/book/**")
        page.wait_for_function(WIDGETS_RUN)
        page.wait_for_function("!document.querySelector('[aria-busy]')")
        assert page.locator("[data-cnn-widget]").count() > 0 or path.name == "index.html"
        assert unset_formulas(page) == []


def test_search_finds_chapters_from_disk(browser, site):
    """(The search page asks for each result's first words, too, which no browser gives it here.)"""
    page = browser.new_page()
    page.goto(f"{(site / 'search.html').as_uri()}?q=stride")
    results = page.locator("#search-results ul.search li a")
    results.first.wait_for(timeout=60_000)
    assert results.count() > 0
    page.close()
