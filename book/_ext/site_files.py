"""The site's files beside its pages: the widgets' modules and styles, and the front page."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx

from cnnlib.live.site import write_site

LIBRARY = Path(find_spec("cnnlib").origin).parent
FRONT_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><link rel="icon" href="data:,">
<meta http-equiv="refresh" content="0; url={address}"></head>
<body><p><a href="{address}">{title}</a></p></body></html>
"""


def copy_widgets(app: Sphinx, exception: Exception | None) -> None:
    """Put the widgets' modules and styles where the host script looks for them."""
    target = Path(app.outdir) / "_static" / "widgets"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in (LIBRARY / "widgets").rglob("*"):
        if path.suffix in (".js", ".css"):
            copy = target / path.relative_to(LIBRARY / "widgets")
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(path, copy)


def write_networks(app: Sphinx, exception: Exception | None) -> None:
    """Put the engine and the networks that run in a page where its address is expected."""
    write_site(Path(app.outdir) / "_static" / "live")


def write_front_page(app: Sphinx, exception: Exception | None) -> None:
    """Lead from the site's address to the first chapter."""
    page = FRONT_PAGE.format(title=app.config.html_title, address=f"{app.config.root_doc}.html")
    (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def drop_pages_without_a_source(app: Sphinx, exception: Exception | None) -> None:
    """Remove the pages of chapters that are no more; Sphinx leaves them on the site."""
    kept = {"index", "genindex", "search", *app.env.found_docs}
    for page in Path(app.outdir).rglob("*.html"):
        document = page.relative_to(app.outdir).with_suffix("").as_posix()
        if document not in kept and not document.startswith("_static/"):
            page.unlink()


def setup(app: Sphinx) -> dict:
    for step in (copy_widgets, write_networks, write_front_page, drop_pages_without_a_source):
        app.connect("build-finished", step, priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
