"""The rocket's line for Colab opens the page's plain notebook.

The theme leads to the page's source, which is Markdown, and Colab opens none. The notebooks stand
on a branch of their own, which the publishing workflow writes by ``python -m cnnlib.classroom
notebooks``.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx

BRANCH = "notebooks"
SOURCE = re.compile(r"/blob/[^/]+/book/(.+)\.md$")


def notebook_address(address: str) -> str:
    """Where Colab finds the notebook of a chapter, from the address that the theme gives it."""
    return SOURCE.sub(rf"/blob/{BRANCH}/\1.ipynb", address)


def open_notebooks_in_colab(
    app: Sphinx, pagename: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if button.get("text") == "Colab":
                button["url"] = notebook_address(button["url"])


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", open_notebooks_in_colab, priority=502)  # the theme's has 501
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
