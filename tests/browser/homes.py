"""A widget in its other homes than a site on the web: a page from disk, and a notebook."""

import base64
from pathlib import Path

from playwright.sync_api import Page

from cnnlib.widgets.live_widget import LiveWidget
from tests.browser.conftest import wait_for_widgets, write_page_of
from tests.browser.contract import checks
from tests.browser.contract.test_notebooks import MODEL
from tests.conftest import book_part

EMPTY = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>-</title>'
    '<link rel="icon" href="data:,"></head><body><main></main></body></html>'
)


def page_from_disk(
    page: Page, folder: Path, widget: LiveWidget, without: tuple[str, ...] = ()
) -> Page:
    """The widget on a page opened by its path. The site lacks the files `without`."""
    write_page_of(folder, widget)
    for name in without:
        (folder / name).unlink()
    disk = book_part("from_disk")
    disk.write_widgets(folder)
    disk.write_pictures(folder)
    page.goto((folder / "index.html").as_uri())
    return wait_for_widgets(page)


def page_in_notebook(page: Page, folder: Path, serve, widget: LiveWidget) -> list[str]:
    """The widget as a notebook shows it. The list gets the name of each file that is sent."""
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text(EMPTY, encoding="utf-8")
    page.goto(f"{serve(folder)}/")
    page.evaluate(checks.READER)
    page.add_script_tag(content=MODEL)
    given = [widget._esm, widget._css, list(widget.chosen()), widget.page_state()]
    page.evaluate("(given) => openNotebook(given)", given)
    wanted = []

    def send(key: str) -> dict:
        wanted.append(key)
        widget.wanted = key
        return {"sent": widget.sent, "file": base64.b64encode(widget.sent_file).decode("ascii")}

    page.expose_function("kernelSends", send)
    return wanted
