"""What there is to answer on each page, so that the contents can show a reader's progress.

A widget's place names its questions (``TeachingWidget.questions``). The build reads the pages that
it has written, all of them, also those that did not change, and writes ``questions.js``: a script,
because a page that is opened from disk can load no other file. ``host.js`` loads it.
"""

import html
import json
import re
from pathlib import Path

from sphinx.application import Sphinx

from cnnlib.widgets.words import read_words

QUESTIONS = re.compile(r'<div class="cnn-place"[^>]* data-cnn-questions="([^"]*)"')


def questions_on(page: str) -> list[str]:
    """The names of the questions on a page, from its HTML, each once."""
    names = " ".join(html.unescape(found) for found in QUESTIONS.findall(page)).split()
    return list(dict.fromkeys(names))


def questions_of(site: Path) -> dict[str, list[str]]:
    """Page's name (its path without ``.html``) -> its questions, for pages that have some."""
    found = {}
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).with_suffix("").as_posix()
        names = questions_on(path.read_text(encoding="utf-8"))
        if names and not name.startswith("_"):
            found[name] = names
    return found


def write_questions(site: Path, static: Path, language: str = "en") -> None:
    """Write ``questions.js``: it sets ``cnnContents`` to what kit/contents.js takes."""
    texts = read_words(["contents"], language).table
    data = json.dumps({"pages": questions_of(site), "texts": texts}, ensure_ascii=False)
    script = f"globalThis.cnnContents = {data};\n"
    (static / "questions.js").write_text(script, encoding="utf-8")


def write_script(app: Sphinx, exception: Exception | None) -> None:
    site = Path(app.outdir)
    write_questions(site, site / "_static")


def setup(app: Sphinx) -> dict:
    app.connect("build-finished", write_script, priority=200)  # pages without a source are gone
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
