"""What a teacher hands out or keeps: plain notebooks, and the answer book."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from cnnlib.classroom.answers import answer_book, write_pdf
from cnnlib.classroom.chapters import chapters_in
from cnnlib.classroom.notebooks import (
    INSTALL,
    REPOSITORY,
    Place,
    address_of,
    labels_in,
    notebook_of,
    part_of,
    plain_text,
    quote_admonitions,
    write_notebooks,
)
from tests.conftest import ROOT, book_part
from tests.test_exercises_source import ALL, CHAIN, EXPERIMENT, WHOLE, secrets

BOOK = Path(__file__).parents[1] / "book"

CHAPTER = """---
jupytext:
  text_representation:
    format_name: myst
kernelspec:
  name: python3
  display_name: Python 3
---

# A chapter

See {ref}`the end <the-end>`, {ref}`the-end`, {term}`kernel <kernel · 核>` {cite}`lecun1998` and
[it](other.md).

:::{admonition} Predict
:class: tip
How many?

```{code-cell} python
:tags: [hide-input]
1 + 1
```

Two.
:::

(the-end)=
## The end

<!-- exercise: twice -->
<!-- end of exercise -->

<!-- exercise: sizes -->
<!-- end of exercise -->
"""


@pytest.fixture
def book(tmp_path) -> Path:
    folder = tmp_path / "book" / "part"
    folder.mkdir(parents=True)
    (folder / "chapter.md").write_text(CHAPTER)
    (folder / "chapter.exercises.md").write_text(WHOLE + EXPERIMENT)
    (tmp_path / "book" / "words.md").write_text("# No code\n")
    return tmp_path / "book"


def test_a_chapter_becomes_a_plain_notebook(book):
    notebook = notebook_of(book / "part" / "chapter.md", book, labels_in(book), "https://here")
    nbformat.validate(notebook)
    assert notebook.cells[1].source.endswith('%pip install --quiet "cnnlib @ git+https://here"\n')
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert "[the end](../part/chapter.ipynb), [The end](../part/chapter.ipynb), kernel" in text
    assert "[lecun1998] and\n[it](other.ipynb)." in text
    assert "> **Predict**\n>\n> How many?" in text and "> Two." in text
    assert not re.search(r":::|\{\w+\}`|\)=|<!--|:class:", text)


def test_notebooks_of_all_chapters_with_code_and_a_zip_of_them(book, tmp_path):
    [written] = write_notebooks(book, tmp_path / "notebooks", "https://here")
    assert written == tmp_path / "notebooks" / "part" / "chapter.ipynb"
    with zipfile.ZipFile(tmp_path / "notebooks.zip") as archive:
        assert archive.namelist() == ["notebooks/part/chapter.ipynb"]
    text = written.read_text()
    assert "__mul__" not in text and "It was seven" not in text


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory) -> list[Path]:
    """Those of this book, as the branch has them, in a folder ``notebooks``."""
    folder = tmp_path_factory.mktemp("made") / "notebooks"
    command = [sys.executable, "-m", "cnnlib.classroom", "notebooks", BOOK, folder]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"with cnnlib of {address_of(BOOK)}" in said.stdout
    return sorted(folder.rglob("*.ipynb"))


def test_the_first_cell_of_code_installs_cnnlib_at_the_books_commit(notebooks):
    head = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    address = f"{REPOSITORY}@{head.stdout.strip()}".rstrip("@")
    for path in notebooks:
        first = next(c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code")
        assert f'"cnnlib @ git+{address}"' in first.source


def test_a_book_without_a_repository_installs_what_is_newest(tmp_path):
    assert address_of(tmp_path) == REPOSITORY


@pytest.mark.parametrize("there", [True, False])
def test_where_the_library_is_nothing_is_installed(there, monkeypatch, capsys):
    program = INSTALL.format(address="https://here@abc").replace("%pip install --quiet", "asked =")
    monkeypatch.setitem(sys.modules, "cnnlib", sys.modules["cnnlib"] if there else None)
    space = {}
    exec(program, space)
    assert space.get("asked") == (None if there else "cnnlib @ git+https://here@abc")
    assert ("Installing cnnlib" in capsys.readouterr().out) is not there


def test_no_answer_stands_in_a_notebook(notebooks):
    texts = [
        re.sub(r"\s+", " ", "\n".join(cell.source for cell in nbformat.read(path, 4).cells))
        for path in notebooks
    ]
    assert len(texts) > 40 and len(ALL) > 80
    for source in ALL:
        for secret in secrets(source):
            assert not any(re.sub(r"\s+", " ", secret) in text for text in texts), source.key


def test_colab_opens_each_chapters_own_notebook(notebooks):
    """The theme gives a page's source; the branch has a notebook for each page with code."""
    launch = book_part("launch")
    folder = next(path for path in notebooks[0].parents if path.name == "notebooks")
    there = {path.relative_to(folder).as_posix() for path in notebooks}
    theirs = "https://colab.research.google.com/github/org/repo/blob/main/book/{}.md"
    opened = set()
    for path in BOOK.rglob("*.md"):
        if re.search(r"^kernelspec:", path.read_text("utf-8"), re.MULTILINE):
            page = path.relative_to(BOOK).with_suffix("").as_posix()
            address = launch.notebook_address(theirs.format(page))
            start, _, name = address.partition("/blob/notebooks/")
            assert start == "https://colab.research.google.com/github/org/repo"
            opened.add(name)
    assert opened == there


def test_a_codespace_sets_itself_up_with_the_books_own_words():
    settings = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    version = re.search(r"python:(\d\.\d+)$", settings["image"])[1]
    matrix = (ROOT / ".github" / "workflows" / "test.yml").read_text()
    oldest, newest = re.search(r'python: \["([\d.]+)", "([\d.]+)"\]', matrix).groups()
    assert int(oldest[2:]) <= int(version[2:]) <= int(newest[2:])
    word, target = settings["postCreateCommand"].split()
    assert (
        word == "make"
        and f"$(VENV)/{target.removeprefix('.venv/')}:" in (ROOT / "Makefile").read_text()
    )


def test_no_sign_of_myst_is_left_in_any_chapter_of_the_book(notebooks):
    for path in notebooks:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                found = re.search(r"\{\w+\}`|^:::|^```\{|\.md\)|^\([\w-]+\)=", cell.source, re.M)
                assert found is None, (path.name, found)


def test_an_admonition_goes_on_behind_a_cell():
    first, within = quote_admonitions("a\n:::{note}\nb", False)
    assert (first, within) == ("a\n> **Note**\n>\n> b", True)
    assert quote_admonitions("c\n:::\nd", True) == ("> c\nd", False)


def test_included_source_is_the_part_that_is_named(tmp_path):
    (tmp_path / "code.py").write_text("x = 1\n\n\nclass A:\n    y = 2\n\n\nz = 3\n")
    text = "```{literalinclude} code.py\n:language: python\n:pyobject: A\n```"
    said = plain_text(text, tmp_path / "chapter.md", "chapter", {})
    assert said == "```python\nclass A:\n    y = 2\n```"
    with pytest.raises(ValueError, match="'B': no such class"):
        part_of("x = 1", "B")


def test_links_lead_up_from_a_chapters_folder():
    labels = {"far": Place("other/page", "Far away")}
    said = plain_text("{ref}`far`", Path("x.md"), "part/chapter", labels)
    assert said == "[Far away](../other/page.ipynb)"


def test_the_answer_book_holds_all_that_students_do_not_see(book, tmp_path):
    page = answer_book(list(chapters_in(book)))
    for text in ("return 2 * x", "(2).__mul__", "twice(7)", "14", "You square it", "It was seven"):
        assert text in page
    assert "1 chapters, 7 points" in page and "The chain" not in page
    (tmp_path / "answers.html").write_text(page)
    if write_pdf(tmp_path / "answers.html", tmp_path / "answers.pdf"):
        assert (tmp_path / "answers.pdf").read_bytes().startswith(b"%PDF")


def test_the_answer_book_holds_the_programs_of_a_chain(book):
    source = next(book.rglob("*.exercises.md"))
    source.write_text(WHOLE + EXPERIMENT + CHAIN)
    page = answer_book(list(chapters_in(book)))
    assert "The chain" in page and "def squash(x): return x" in page and "squash = abs" in page


def test_without_a_browser_there_is_no_pdf_and_no_error(tmp_path, monkeypatch):
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    assert not write_pdf(tmp_path / "answers.html", tmp_path / "answers.pdf")
