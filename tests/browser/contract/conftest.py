"""A widget on a page, as several tests of the contract look at it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

import cnnlib.widgets.widget
from cnnlib.widgets.widget import TeachingWidget
from tests.browser.conftest import SharedPage, watched_page, write_page_of
from tests.browser.contract import checks
from tests.browser.contract.choices import Chooser
from tests.browser.contract.language import made_up_words
from tests.browser.contract.registry import sample
from tests.sample_widgets import SAMPLES

AROUND = '<p style="height: 2000px">Far from the widget.</p>'


class Views:
    """One widget in a made-up language on a wide screen, and in English on a phone.

    Each page is opened when a test asks for it first. Less movement is asked for on the wide one.
    """

    def __init__(self, stem: str, browser: Browser, share, folder: Path) -> None:
        self.widget = sample(stem)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cnnlib.widgets.widget, "read_words", made_up_words)
            self.foreign = SAMPLES[stem]()
        chooser = Chooser(self.widget.settled, self.widget.chosen(), self.widget.fixed, seed=3)
        self.states = chooser.states(50)

        def opening(name: str, widget: TeachingWidget, width: int, theme: str, **options):
            write_page_of(folder / name, widget, theme=theme, around=AROUND)

            def open_page() -> Page:
                page = watched_page(browser, viewport={"width": width, "height": 900}, **options)
                page.clock.install()
                page.goto(f"{share(folder / name)}/")
                return checks.ready(page)

            return SharedPage(open_page)

        self.phone = opening("phone", self.widget, 390, "dark", has_touch=True)
        self.wide = opening(
            "wide", self.foreign, 1280, "light", reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
        )  # fmt: skip
        self.moved: checks.Moved | None = None  # once a test has moved everything


@pytest.fixture(scope="module")
def views(stem, browser, serve, tmp_path_factory) -> Iterator[Views]:
    made = Views(stem, browser, serve, tmp_path_factory.mktemp(stem))
    yield made
    made.wide.close()
    made.phone.close()


@pytest.fixture
def wide(views, request) -> Iterator[Page]:
    with views.wide.lent(request.node) as page:
        yield page


@pytest.fixture
def phone(views, request) -> Iterator[Page]:
    with views.phone.lent(request.node) as page:
        yield page


def widget_on(page: Page) -> Locator:
    return page.locator(".cnn-widget").first
