"""A browser without a network: only the served folder can be reached, and nothing may go wrong."""

import functools
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.browser.chromium import FLAGS, find_chromium

ROOT = Path(__file__).parents[2]


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the folder on loopback -> its address."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """serve(folder) -> its address on loopback."""
    with ExitStack() as servers:
        yield lambda folder: servers.enter_context(serving(folder))


@pytest.fixture(scope="session")
def browser():
    path = find_chromium()
    if path is None:
        pytest.fail("no Chromium found: run `make test`, or see tests/browser/chromium.py")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser) -> Iterator[Callable[..., Page]]:
    """new_page(**context options) -> a page whose every fault fails the test when it ends.

    Faults: a request to another host than loopback (they are all refused), a failed load, an
    uncaught exception, a console error or warning. ``page.faults`` holds them while it runs.
    """
    contexts, faults = [], []

    def open_page(**options) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)

        def guard(route) -> None:
            address = route.request.url
            if address.startswith(("http://127.0.0.1:", "data:", "blob:")):
                route.continue_()
            else:
                faults.append(f"request to another host: {address}")
                route.abort()

        context.route("**/*", guard)
        page = context.new_page()
        page.on("console", lambda m: m.type in ("error", "warning") and faults.append(m.text))
        page.on("pageerror", lambda error: faults.append(f"uncaught: {error}"))
        page.on("response", lambda r: r.status >= 400 and faults.append(f"{r.status} {r.url}"))
        page.on("requestfailed", lambda r: faults.append(f"failed: {r.url} {r.failure}"))
        page.set_default_timeout(10_000)
        page.faults = faults
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not faults, faults


@pytest.fixture
def show(new_page, serve, tmp_path) -> Callable[..., Page]:
    """show(widget, ..., theme="light", width=1280, **context options) -> page with it running."""

    def open_widgets(*widgets, theme: str = "light", width: int = 1280, **options) -> Page:
        folder = tmp_path / "site"
        shutil.copytree(ROOT / "cnnlib" / "widgets", folder / "widgets", dirs_exist_ok=True)
        shutil.copy(ROOT / "book" / "_static" / "host.js", folder)
        styles = "".join(
            f'<link rel="stylesheet" href="widgets/{name}.css">'
            for name in ["page", *sorted({widget.stem for widget in widgets})]
        )
        places = "".join(widget.page_form() for widget in widgets)
        (folder / "index.html").write_text(
            f'<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<title>Widgets</title><link rel="icon" href="data:,">{styles}</head>'
            f"<body><main><h1>Widgets</h1>{places}</main>"
            '<script type="module" src="host.js"></script></body></html>',
            encoding="utf-8",
        )
        page = new_page(viewport={"width": width, "height": 900}, **options)
        page.goto(serve(folder))
        for place in page.locator("[data-cnn-widget]").all():
            place.locator(":scope > .cnn-widget").wait_for()
        page.wait_for_function(
            "[...document.querySelectorAll('[data-cnn-widget]')].every(p => p.dataset.cnnReady)"
        )
        return page

    return open_widgets
