"""What this book adds to Jupyter Book: a cache that notices cnnlib, widgets on the page, a report.

- The execution cache's folder carries a hash of everything a chapter runs on (cnnlib, the pinned
  versions, Python), because jupyter-cache itself compares only the chapter's cells.
- The front-end modules and styles of ``cnnlib.widgets`` are copied to ``_static/widgets``, where
  ``host.js`` finds them. The state that ipywidgets stores for its own CDN loader is left out.
- After the build: where the book is, how long each chapter took, and the traceback of a failed cell.
"""

import hashlib
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)
LIBRARY = Path(find_spec("cnnlib").origin).parent


def name_the_cache(app: Sphinx, config) -> None:
    """Point the execution cache at a folder named by a hash, and drop the folders of other hashes."""
    caches = Path(app.outdir).parent / ".execution_cache"
    current = caches / _hash_of_what_runs(Path(app.srcdir))
    for other in caches.glob("*"):
        if other != current:
            shutil.rmtree(other)
    config.nb_execution_cache_path = str(current)


def _hash_of_what_runs(root: Path) -> str:
    digest = hashlib.sha256(sys.version.encode())
    sources = [p for p in LIBRARY.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    for path in [root / "requirements.txt", *sorted(sources)]:
        digest.update(str(path.relative_to(path.parents[1])).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def copy_widgets(app: Sphinx, exception: Exception | None) -> None:
    """Put the widgets' modules and styles where the host script looks for them."""
    if exception is not None:
        return
    target = Path(app.outdir) / "_static" / "widgets"
    target.mkdir(parents=True, exist_ok=True)
    for path in (LIBRARY / "widgets").iterdir():
        if path.suffix in (".js", ".css"):
            shutil.copy(path, target)


def link_widgets(app: Sphinx, pagename: str, template: str, context: dict, doctree) -> None:
    """Load the host and the styles of the widgets that stand on this page, and nothing else."""
    if doctree is None:
        return
    body = context.get("body", "")
    stems = [
        path.stem
        for path in sorted((LIBRARY / "widgets").glob("*.css"))
        if f'data-cnn-widget="{path.stem}"' in body
    ]
    if stems:
        for stem in ["page", *stems]:
            app.add_css_file(f"widgets/{stem}.css")
        app.add_js_file("host.js", type="module")


def drop_widget_state(app: Sphinx, doctree: nodes.document) -> None:
    """Remove the kernel's widget state, which only a CDN's html-manager could read."""
    for node in list(doctree.findall(nodes.raw)):
        if "application/vnd.jupyter.widget-state+json" in node.rawsource + node.astext():
            node.parent.remove(node)


def report(app: Sphinx, exception: Exception | None) -> None:
    """Say how long each chapter took, what failed, and where the book is."""
    ran = [
        (document, data.get("exec_data"))
        for document, data in getattr(app.env, "nb_metadata", {}).items()
        if data.get("exec_data")
    ]
    if ran:
        print("\nChapter execution times (a cached chapter shows the time of the run it keeps):")
    for document, data in sorted(ran):
        seconds = f"{data['runtime']:6.1f} s" if data.get("runtime") is not None else "     ? s"
        print(f"  {seconds}  {document}" + ("" if data["succeeded"] else "   FAILED"))
    for document, data in sorted(ran):
        if not data["succeeded"]:
            print(f"\n{document} failed:\n{data['traceback']}")
    if exception is None:
        print(f"\nThe book: {Path(app.outdir) / 'index.html'}\n")


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", name_the_cache, priority=100)
    app.connect("doctree-read", drop_widget_state)
    app.connect("html-page-context", link_widgets)
    app.connect("build-finished", copy_widgets)
    app.connect("build-finished", report, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
