"""Chapters as plain notebooks, for Colab, a course's own hub, or a machine without the book.

A chapter is MyST Markdown, which JupyterLab opens by jupytext. Elsewhere its directives and roles
are no Markdown: here they become quotes, code and words, and links lead from notebook to notebook.
"""

import ast
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from cnnlib.classroom.chapters import KERNEL, title_of
from cnnlib.classroom.roles import plain_roles

REPOSITORY = "https://github.com/cnn-taken-apart/book"
INSTALL = """# Installs the book's library on Colab and the like. Where it is, nothing happens.
try:
    import cnnlib
except ImportError:
    print("Installing cnnlib, the book's library: a minute or two.")
    %pip install --quiet "cnnlib @ git+{address}"
"""
README = """# The chapters as plain notebooks

Written by `python -m cnnlib.classroom notebooks` from {address}. Do not change them here.
"""
LABEL = re.compile(r"^\(([\w-]+)\)=\s*\n+#+ (.+)$", re.MULTILINE)
OPENING = re.compile(r":::\{(\w+)\} *(.*)$")
INCLUDE = re.compile(r"^```\{literalinclude\} (\S+)\n((?::.*\n)*)```$", re.MULTILINE)
OWN_LINK = re.compile(r"\]\(((?:\.\./)*[\w/-]+)\.md(#[\w-]+)?\)")


def address_of(book: Path) -> str:
    """The public repository, for pip, at the commit that this book stands at; at its newest where
    the book stands in no repository."""
    said = subprocess.run(
        ["git", "-C", book, "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return REPOSITORY if said.returncode else f"{REPOSITORY}@{said.stdout.strip()}"


class Place(NamedTuple):
    """Where a label stands: its chapter's path in the book, without an ending, and its title."""

    page: str
    title: str


def labels_in(book: Path) -> dict[str, Place]:
    """All labels of the book's headings."""
    return {
        match[1]: Place(path.relative_to(book).with_suffix("").as_posix(), match[2].strip())
        for path in sorted(book.rglob("*.md"))
        for match in LABEL.finditer(path.read_text("utf-8"))
    }


def notebook_of(path: Path, book: Path, labels: dict[str, Place], address: str) -> NotebookNode:
    """A chapter as a notebook; its first cell of code installs cnnlib from a git ``address``."""
    text = path.read_text("utf-8")
    notebook = jupytext.reads(text, fmt="md:myst")
    page = path.relative_to(book).with_suffix("").as_posix()
    within = False  # an admonition may go on behind a cell of code
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            quoted, within = quote_admonitions(cell.source, within)
            cell.source = plain_text(quoted, path, page, labels)
        cell.metadata.pop("mystnb", None)
    head = f"*From the book* Convolutional Networks, Taken Apart. *The chapter* {title_of(text)}."
    install = new_code_cell(INSTALL.format(address=address))
    notebook.cells = [new_markdown_cell(head), install, *notebook.cells]
    for place, cell in enumerate(notebook.cells):
        cell.id = f"cell-{place:03d}"
    notebook.metadata = {"kernelspec": KERNEL}
    return notebook


def plain_text(text: str, path: Path, page: str, labels: dict[str, Place]) -> str:
    """Markdown that any notebook shows, of MyST Markdown in the chapter at ``path``."""
    up = "../" * page.count("/")

    def link(label: str, words: str | None) -> str | None:
        place = labels.get(label)
        return place and f"[{words or place.title}]({up}{place.page}.ipynb)"

    def include(match: re.Match) -> str:
        options = dict(re.findall(r"^:([\w-]+):\s*(.*)$", match[2], re.MULTILINE))
        source = (path.parent / match[1]).read_text("utf-8")
        return f"```python\n{part_of(source, options.get('pyobject'))}\n```"

    text = INCLUDE.sub(include, text)
    text = re.sub(r"^\([\w-]+\)=\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^<!--.*-->\n?", "", text, flags=re.MULTILINE)
    text = plain_roles(text, link)
    return OWN_LINK.sub(r"](\1.ipynb)", text)


def quote_admonitions(text: str, within: bool) -> tuple[str, bool]:
    """Admonitions as quotes with a bold title. ``within``: whether one is open before the text;
    given back is whether one is open behind it."""
    lines = []
    head = False  # lines of options may follow
    for line in text.splitlines():
        if opening := OPENING.match(line):
            kind, title = opening.groups()
            lines += [f"> **{title or kind.capitalize()}**", ">"]
            within = head = True
        elif within and line.rstrip() == ":::":
            within = False
        elif not (head and re.match(r":\w+:", line)):
            head = False
            lines.append(f"> {line}".rstrip() if within else line)
    return "\n".join(lines), within


def part_of(source: str, name: str | None) -> str:
    """A class or function of a module's source, or all of it."""
    if not name:
        return source.rstrip()
    for node in ast.walk(ast.parse(source)):
        if getattr(node, "name", None) == name.split(".")[-1]:
            return "\n".join(source.splitlines()[node.lineno - 1 : node.end_lineno])
    raise ValueError(f"{name!r}: no such class or function in the file that is included")


def notebooks_of(book: Path, address: str) -> Iterator[tuple[str, NotebookNode]]:
    """(path within the book, notebook) of every chapter that has code."""
    labels = labels_in(book)
    for path in sorted(book.rglob("*.md")):
        if path.name.endswith(".exercises.md") or "```{code-cell}" not in path.read_text("utf-8"):
            continue
        page = path.relative_to(book).with_suffix("").as_posix()
        yield page, notebook_of(path, book, labels, address)


def write_notebooks(book: Path, folder: Path, address: str) -> list[Path]:
    """Write the notebooks under ``folder`` and, beside it, a zip of them all."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(README.format(address=address), "utf-8")
    written = []
    for page, notebook in notebooks_of(book, address):
        path = folder / f"{page}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        written.append(path)
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        for path in written:
            archive.write(path, path.relative_to(folder.parent))
    return written
