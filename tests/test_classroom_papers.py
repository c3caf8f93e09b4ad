"""What a teacher hands out or keeps: plain notebooks, and the answer book."""

import re
import zipfile
from pathlib import Path

import nbformat
import pytest

from cnnlib.classroom.answers import answer_book, write_pdf
from cnnlib.classroom.chapters import chapters_in
from cnnlib.classroom.notebooks import (
    Place,
    labels_in,
    notebook_of,
    part_of,
    plain_text,
    quote_admonitions,
    write_notebooks,
)
from tests.test_exercises_source import CHAIN, EXPERIMENT, WHOLE

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


def test_no_sign_of_myst_is_left_in_any_chapter_of_the_book(tmp_path):
    for path in write_notebooks(BOOK, tmp_path / "notebooks", "https://here"):
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
