"""A browser without a network: only this machine can be reached, and nothing may go wrong."""

import http.server
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from cnnlib.live.site import write_site
from tests.browser.chromium import FLAGS, find_chromium
from tests.conftest import book_part

ROOT = Path(__file__).parents[2]

write_python = book_part("page_python").write_python


# --- One server ---------------------------------------------------------------------------------


class Handler(http.server.SimpleHTTPRequestHandler):
    def translate_path(self, path: str) -> str:
        number, _, rest = path.partition("?")[0].lstrip("/").partition("/")
        self.directory = self.server.folders.get(number, "/nowhere")
        return super().translate_path(f"/{rest}")

    def log_message(self, *args) -> None:
        pass


@contextmanager
def serving() -> Iterator[Callable[[Path], str]]:
    """One server on loopback -> share(folder) -> the folder's address, each under its number."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.folders = {}

        def share(folder: Path) -> str:
            numbers = {shared: number for number, shared in server.folders.items()}
            number = numbers.get(str(folder), str(len(server.folders)))
            server.folders[number] = str(folder)
            return f"http://127.0.0.1:{server.server_port}/{number}"

        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield share
        server.shutdown()


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """serve(folder) -> its address on loopback."""
    with serving() as share:
        yield share


# --- One browser, and pages whose faults count --------------------------------------------------


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.fail("no Chromium found: run `make test`, or see tests/browser/chromium.py")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def watched_page(browser: Browser, **options) -> Page:
    """A page in a context of its own, whose ``faults`` are kept.

    Faults: a request to another host than this machine (the browser finds none of them, by its
    flags), a failed load, an uncaught exception, a console error or warning.
    """
    context = browser.new_context(**options)
    page = context.new_page()
    page.faults = []

    def fault(text: str) -> None:
        page.faults.append(text)

    def requested(request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:", "file:")):
            fault(f"request to another host: {request.url}")

    def failed(request) -> None:
        # A worker that is ended before it has begun no longer needs its text, nor its network.
        ended = request.failure == "net::ERR_ABORTED"
        if not (ended and (request.url.startswith("blob:") or "/live/" in request.url)):
            fault(f"failed: {request.url} {request.failure}")

    context.on("request", requested)
    page.on("console", lambda m: m.type in ("error", "warning") and fault(m.text))
    page.on("pageerror", lambda error: fault(f"uncaught: {error}"))
    page.on("response", lambda r: r.status >= 400 and fault(f"{r.status} {r.url}"))
    page.on("requestfailed", failed)
    page.set_default_timeout(10_000)
    return page


@pytest.fixture
def new_page(browser) -> Iterator[Callable[..., Page]]:
    """new_page(**context options) -> a page whose every fault fails the test when it ends."""
    pages = []

    def open_page(**options) -> Page:
        pages.append(watched_page(browser, **options))
        return pages[-1]

    yield open_page
    for page in pages:
        page.context.close()
    faults = [fault for page in pages for fault in page.faults]
    assert not faults, faults


WIDGETS_RUN = """[...document.querySelectorAll("[data-cnn-widget]")]
    .every((place) => place.dataset.cnnReady)"""


def write_page_of(folder: Path, *widgets, theme: str = "light", around: str = "") -> None:
    """The page of these widgets in a folder, as the published site has it, with what it needs.

    ``around``: HTML that stands above the widgets and below them.
    """
    folder.mkdir(exist_ok=True)
    for name, target in (("widgets", "cnnlib/widgets"), ("host.js", "book/_static/host.js")):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / target)
    networks = {key for widget in widgets for key in getattr(widget, "networks", ())}
    if networks and not (folder / "live").exists():
        write_site(folder / "live", sorted(networks))
    places = "".join(widget.page_form() for widget in widgets)
    if 'data-cnn-widget="code_exercise"' in places:
        write_python(folder)
    named = " ".join(re.findall(r'data-cnn-styles="([^"]*)"', places)).split()
    styles = "".join(
        f'<link rel="stylesheet" href="widgets/{name}.css">' for name in dict.fromkeys(named)
    )
    (folder / "index.html").write_text(
        f'<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>Widgets</title><link rel="icon" href="data:,">{styles}</head>'
        f"<body><main><h1>Widgets</h1>{around}{places}{around}</main>"
        '<script defer src="host.js"></script></body></html>',
        encoding="utf-8",
    )


def wait_for_widgets(page: Page) -> Page:
    for place in page.locator("[data-cnn-widget]").all():
        place.locator(":scope > .cnn-widget").wait_for()
    page.wait_for_function(WIDGETS_RUN)
    return page


@pytest.fixture
def show(new_page, serve, tmp_path) -> Callable[..., Page]:
    """show(widget, ..., theme="light", width=1280, **context options) -> page with it running."""

    def open_widgets(*widgets, theme: str = "light", width: int = 1280, **options) -> Page:
        write_page_of(tmp_path / "site", *widgets, theme=theme)
        page = new_page(viewport={"width": width, "height": 900}, **options)
        page.goto(f"{serve(tmp_path / 'site')}/")
        return wait_for_widgets(page)

    return open_widgets


# --- Pages of the book ----------------------------------------------------------------------------


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


# --- Pages that several tests look at -----------------------------------------------------------

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


class SharedPage:
    """A page that is opened when a test asks for it, and again after a test has failed on it."""

    def __init__(self, open_page: Callable[[], Page]) -> None:
        self.open_page = open_page
        self.page = None

    @contextmanager
    def lent(self, test: pytest.Item) -> Iterator[Page]:
        self.page = self.page or self.open_page()
        yield self.page
        faults = list(self.page.faults)
        self.page.faults.clear()
        if test.stash.get(FAILED, False):
            self.close()
        assert not faults, faults

    def close(self) -> None:
        if self.page:
            self.page.context.close()
        self.page = None


def let_pass(page: Page, milliseconds: int) -> None:
    """Let time pass for what must *not* happen in it; what must happen is waited for instead."""
    page.evaluate("(time) => new Promise((done) => setTimeout(done, time))", milliseconds)
