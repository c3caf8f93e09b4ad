"""What becomes of each page: it loads what it uses, and nothing else.

The styles of the widgets that it has, KaTeX where there are formulas. Large pictures of
widgets become files of their own. The state that ipywidgets stores for its own CDN loader is left
out. Small typography: a number and its per cent sign stay on one line.
"""

import base64
import hashlib
import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx


def drop_widget_state(app: Sphinx, doctree: nodes.document) -> None:
    """Leave out the kernel's widget state, which only a CDN's html-manager could read.

    MyST-NB keeps it among the page's scripts, and it holds every trait a second time.
    """
    scripts = app.env.nb_metadata.get(app.env.docname, {}).get("js_files", {})
    scripts.pop("ipywidgets_state", None)


def keep_numbers_with_their_signs(app: Sphinx, doctree: nodes.document) -> None:
    """Put a no-break space between a number and its per cent sign, in prose only."""
    for text in list(doctree.findall(nodes.Text)):
        joined = re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text.astext())
        if joined != text.astext() and not isinstance(text.parent, nodes.literal_block):
            text.parent.replace(text, nodes.Text(joined))


def load_what_the_page_uses(
    app: Sphinx, pagename: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Add the host, and the styles of the page's widgets; leave KaTeX out without formulas."""
    body = context.get("body", "")
    styles = " ".join(re.findall(r'data-cnn-styles="([^"]*)"', body)).split()
    for name in dict.fromkeys(styles):
        app.add_css_file(f"widgets/{name}.css")
    app.add_js_file("host.js", loading_method="defer")  # for the contents on every page, too
    if doctree is None or not any(doctree.findall(_is_formula)):
        for files in ("script_files", "css_files"):
            context[files][:] = [asset for asset in context[files] if not _is_katex(asset)]


LARGE_PICTURE = re.compile(r'"data:image/(png|webp);base64,([A-Za-z0-9+/=]{4000,})"')


def move_pictures_to_files(
    app: Sphinx, pagename: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Put large pictures of the widgets into files: those among their traits, which load when they
    are looked at, and those in the still pictures."""
    folder = Path(app.outdir) / "_static" / "pictures"

    def moved(found: re.Match) -> str:
        picture = base64.b64decode(found[2])
        name = f"{hashlib.sha256(picture).hexdigest()[:16]}.{found[1]}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture)
        return json.dumps(context["pathto"](f"_static/pictures/{name}", resource=True))

    if "body" in context:
        body = re.sub(
            r'(?<=<script type="application/json">).*?(?=</script>)',
            lambda state: LARGE_PICTURE.sub(moved, state[0]),
            context["body"],
            flags=re.DOTALL,
        )
        context["body"] = re.sub(f"(?<= href=){LARGE_PICTURE.pattern}", moved, body)


def name_bibliography_entries(
    app: Sphinx, pagename: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Give the entries the role that their list asks for; docutils' own has been withdrawn."""
    if "body" in context:
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def _is_formula(node: nodes.Node) -> bool:
    return isinstance(node, nodes.math | nodes.math_block)


def _is_katex(asset) -> bool:
    name = str(asset.filename)
    return "katex" in name or "auto-render" in name


def setup(app: Sphinx) -> dict:
    app.connect("doctree-read", drop_widget_state)
    app.connect("doctree-read", keep_numbers_with_their_signs)
    app.connect("html-page-context", load_what_the_page_uses)
    app.connect("html-page-context", move_pictures_to_files)
    app.connect("html-page-context", name_bibliography_entries)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
