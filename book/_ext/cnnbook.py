"""What this book adds to Jupyter Book, one thing a file.

- ``running`` runs the chapters, and keeps the results of those that have not changed.
- ``pages`` sees to it that each page loads what it uses.
- ``launch`` leads from each page to its notebook on Colab.
- ``site_files`` puts the widgets' files and the front page into the site.
- ``questions`` counts what there is to answer on each page.
- ``from_disk`` writes what pages need that are opened by a double-click.
- ``page_python`` writes what a page needs to run a reader's program.
- ``icons`` cuts the theme's icon fonts down to what the site uses.
- ``report`` says what the build took, what failed and where the book is.
"""

from sphinx.application import Sphinx

PARTS = (
    "running",
    "pages",
    "launch",
    "site_files",
    "questions",
    "from_disk",
    "page_python",
    "icons",
    "report",
)


def setup(app: Sphinx) -> dict:
    for part in PARTS:
        app.setup_extension(part)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
