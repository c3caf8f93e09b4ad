"""The chapters keep the house's rules, and `make book` builds, caches and fails as it should."""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from types import ModuleType, SimpleNamespace

import jupytext
import pytest
import yaml
from bs4 import BeautifulSoup

from cnnlib.models import MODELS
from tests.conftest import ROOT

FORBIDDEN = re.compile(
    r"^\s*!|^\s*%{1,2}(pip|conda|bash|sh|script)\b|\bpip install\b"
    r"|urlopen|urlretrieve|\brequests\.|download=True|hub\.load|load_state_dict_from_url",
    re.MULTILINE,
)


def pages_of_the_book() -> list[str]:
    """Document names in reading order, as _toc.yml has them."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())

    def files(entry) -> list[str]:
        if isinstance(entry, list):
            return [name for item in entry for name in files(item)]
        own = [entry["file"]] if "file" in entry else []
        return own + files(entry.get("chapters", [])) + files(entry.get("sections", []))

    return [toc["root"], *files(toc.get("parts", [])), *files(toc)]


def notebook(page: str):
    return jupytext.read(ROOT / f"{page}.md")


def has_code(page: str) -> bool:
    return "```{code-cell}" in (ROOT / f"{page}.md").read_text(encoding="utf-8")


PAGES = pages_of_the_book()
CHAPTERS = [page for page in PAGES if has_code(page)]
every_page = pytest.mark.parametrize("page", PAGES)
every_chapter = pytest.mark.parametrize("page", CHAPTERS)


# --- The chapters -------------------------------------------------------------------------------


def test_every_text_of_the_book_stands_in_the_table_of_contents():
    texts = {
        path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.glob("book/**/*.md")
    }
    pages = {text for text in texts if not text.endswith(("/README", ".exercises"))}
    assert pages == set(PAGES)


@every_page
def test_page_begins_with_a_label_and_a_title(page):
    text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
    body = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL).lstrip()
    assert re.match(r"\([a-z0-9-]+\)=\n# \S", body), body[:60]


@every_chapter
def test_chapter_says_which_kernel_runs_it(page):
    front = notebook(page).metadata
    assert front["kernelspec"]["name"] == "python3"
    assert front["jupytext"]["text_representation"]["format_name"] == "myst"


@every_chapter
def test_code_cells_in_sight_are_short_enough_to_read(page):
    folded = {"hide-input", "remove-input", "remove-cell"}
    cells = [
        cell.source
        for cell in notebook(page).cells
        if cell.cell_type == "code" and not folded & set(cell.metadata.get("tags", []))
    ]
    long = [cell for cell in cells if len(cell.splitlines()) > 15]
    assert not long, long


@every_chapter
def test_chapter_installs_and_downloads_nothing(page):
    cells = [cell.source for cell in notebook(page).cells if cell.cell_type == "code"]
    assert [cell for cell in cells if FORBIDDEN.search(cell)] == []


@every_chapter
def test_chapter_ran_without_error_in_a_gigabyte(site, page):
    ran = json.loads((site.parent / "chapters.json").read_text())[page]
    assert ran["succeeded"]
    assert ran["peak_mb"] < 1000


@every_page
def test_every_picture_has_a_text_alternative(site, page):
    article = article_of(site, page)
    for picture in article.find_all("img"):
        words = picture.get("alt", "")
        assert " " in words.strip(), f"{picture}: its cell's metadata has no mystnb: image: alt"
    for still in article.select(".cnn-still"):
        assert still["role"] == "img"
        assert " " in still["aria-label"]


@every_chapter
def test_no_result_is_an_error_or_a_bare_object(site, page):
    text = article_of(site, page).get_text()
    assert "Traceback (most recent call last)" not in text
    assert re.findall(r"<\S[^>\n]* at 0x[0-9a-f]+>", text) == []


@every_page
def test_no_table_stands_as_text(site, page):
    texts = [part.get_text() for part in article_of(site, page).find_all("p")]
    assert [text for text in texts if text.lstrip().startswith("|")] == []


def article_of(site: Path, page: str) -> BeautifulSoup:
    html = (site / f"{page}.html").read_text(encoding="utf-8")
    return BeautifulSoup(html, "html.parser").find("article")


# --- Adding a network: a model file, a line in MODELS, a row of numbers, a chapter ----------------
# (tests/test_networks.py asks for the row of numbers.)


def model_file(key: str) -> str:
    return MODELS[key].__module__.removeprefix("cnnlib.models.")


def test_every_model_file_gives_a_network():
    files = {path.stem for path in (ROOT / "cnnlib" / "models").glob("[!_]*.py")}
    assert {model_file(key) for key in MODELS} == files


def networks_in(page: str) -> set[str]:
    """The model files whose networks a page builds, imports from, or shows the code of."""
    text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
    built = {model_file(key) for key in MODELS if f'"{key}"' in text}
    files = set(map(model_file, MODELS))
    return built | {file for file in files if re.search(rf"models[./]{file}\b", text)}


def test_every_model_file_has_a_chapter_that_builds_it():
    chapters = [page for page in PAGES if page.startswith("book/architectures/")]
    files = {model_file(key) for key in MODELS}
    others = ("family-tree", "leaderboard", "build-your-own")
    chapters = [page for page in chapters if Path(page).name not in others]
    assert {Path(page).name for page in chapters} <= files | set(MODELS)
    told = {page: networks_in(page) for page in chapters}
    assert set().union(*told.values()) == files
    assert all(told.values())


# --- The Makefile -------------------------------------------------------------------------------


def test_make_help_lists_every_word():
    phony = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    said = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    listed = {line.split()[0] for line in said.stdout.splitlines()[1:]}
    assert listed == set(phony.split()) - {"built"}


def test_make_test_builds_the_book_first():
    said = subprocess.run(
        ["make", "--dry-run", "test"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    built, tested = said.stdout.index("jupyter-book build"), said.stdout.index("-m pytest")
    assert built < tested


# --- The build's parts --------------------------------------------------------------------------


def load_extension(name: str) -> ModuleType:
    """A part of the book's own extension, as Sphinx imports it."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "book" / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cache_name(tmp_path, monkeypatch):
    """() -> the folder that a build of the book in tmp_path keeps its results in."""
    running = load_extension("running")
    for name in ("cnnlib/rows.py", "cnnlib/widgets/a.js", "book/_ext/ours.py", "requirements.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("as it was")
    monkeypatch.setattr(running, "LIBRARY", tmp_path / "cnnlib")

    def named() -> str:
        app = SimpleNamespace(srcdir=tmp_path, outdir=tmp_path / "_build" / "html")
        config = SimpleNamespace()
        running.name_the_cache(app, config)
        return config.nb_execution_cache_path

    return named


@pytest.mark.parametrize("name", ["cnnlib/rows.py", "cnnlib/widgets/a.js", "requirements.txt"])
def test_a_change_of_what_chapters_run_on_names_another_cache(cache_name, tmp_path, name):
    names = [cache_name()]
    (tmp_path / name).write_text("changed")
    names.append(cache_name())
    assert len(set(names)) == 2
    (tmp_path / name).write_text("as it was")
    assert cache_name() == names[0]


def test_a_new_a_moved_and_a_lost_module_name_other_caches(cache_name, tmp_path):
    names = [cache_name()]
    (tmp_path / "cnnlib" / "new.py").write_text("")
    names.append(cache_name())
    (tmp_path / "cnnlib" / "new.py").rename(tmp_path / "cnnlib" / "moved.py")
    names.append(cache_name())
    (tmp_path / "cnnlib" / "rows.py").unlink()
    names.append(cache_name())
    assert len(set(names)) == 4


@pytest.mark.parametrize("name", ["cnnlib/__pycache__/rows.pyc", "book/_ext/ours.py", "README.md"])
def test_what_no_chapter_runs_on_leaves_the_cache_its_name(cache_name, tmp_path, name):
    before = cache_name()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("changed")
    assert cache_name() == before


def test_caches_of_other_names_are_dropped(cache_name, tmp_path):
    first = Path(cache_name())
    first.mkdir(parents=True)
    assert cache_name() == str(first) and first.exists()
    (tmp_path / "requirements.txt").write_text("changed")
    assert cache_name() != str(first) and not first.exists()


def test_the_times_of_chapters_are_added_up_and_a_slow_one_says_why():
    report = load_extension("report")
    seconds = {"a": 29.94, "b": 31.0, "c": 45.5}
    reasons = {"a": "never said", "b": None, "c": "It trains three networks."}
    assert report.list_times(seconds, reasons) == [
        "    29.9 s  a",
        "    31.0 s  b: over 30 s, and no `slow:` in its front matter says why",
        "    45.5 s  c: It trains three networks.",
        "   106.4 s  in all; at most 640 s on two quiet cores",
    ]
    *_, all_of_them = report.list_times({"a": 640.1}, {"a": "so"})
    assert all_of_them.endswith("(TOO LONG, if this machine was quiet)")


# --- The build, on a book of one page -----------------------------------------------------------

FRONT_MATTER = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
slow: It counts to a very large number.
---

(tiny)=
# A tiny chapter

"""
COUNTING_CELL = """```{code-cell} python
with open("runs", "a") as runs:
    _ = runs.write("x")
```
"""


class TinyBook:
    """This book's settings, extension and library, with one page of our own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("_ext", "_static", "_templates"):
            shutil.copytree(ROOT / "book" / name, folder / "book" / name)
        shutil.copytree(ROOT / "cnnlib" / "widgets", folder / "cnnlib" / "widgets")
        for name in (
            "_config.yml",
            "requirements.txt",
            "book/references.bib",
            "cnnlib/__init__.py",
            "cnnlib/exercises/plain.py",
        ):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        (folder / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")

    def write(self, text: str) -> None:
        (self.folder / "book" / "index.md").write_text(FRONT_MATTER + text)

    def change(self, name: str) -> None:
        with open(self.folder / name, "a") as file:
            file.write("# changed\n")

    def build(self) -> tuple[bool, str]:
        """Build as `make book` does -> whether it succeeded, and what it said."""
        said = subprocess.run(
            ["make", "--no-print-directory", "--dry-run", "book"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        program, *options = shlex.split(said.stdout.splitlines()[-1])
        built = subprocess.run(
            [ROOT / program, *options],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return built.returncode == 0, built.stdout

    @property
    def runs(self) -> int:
        return len((self.folder / "book" / "runs").read_text())

    def page(self, name: str) -> Path:
        return self.folder / "_build" / "html" / "book" / f"{name}.html"


several_builds = pytest.mark.timeout(900)  # where the machine is busy, each takes half a minute


@pytest.fixture
def tiny_book(tmp_path) -> TinyBook:
    return TinyBook(tmp_path)


@several_builds
def test_a_build_runs_again_only_what_has_changed(tiny_book):
    """(What counts as a change of the library or the versions: the tests of the cache's name.)"""
    extension = tiny_book.folder / "book" / "_ext" / "report.py"
    limit = "ENOUGH_FOR_A_CHAPTER = "
    extension.write_text(re.sub(rf"^{limit}.*", f"{limit}0", extension.read_text(), flags=re.M))
    tiny_book.write(COUNTING_CELL)
    succeeded, said = tiny_book.build()
    assert succeeded, said
    assert "_build/html/index.html" in said
    assert re.search(r"\d+\.\d s +book/index: It counts to a very large number\.", said)
    assert re.search(r"\d+\.\d s +in all", said)
    assert tiny_book.runs == 1

    tiny_book.write(COUNTING_CELL + "\nMore words.\n")
    tiny_book.build()
    assert tiny_book.runs == 1
    assert "More words." in tiny_book.page("index").read_text()

    tiny_book.change("cnnlib/__init__.py")
    tiny_book.build()
    assert tiny_book.runs == 2

    tiny_book.write(COUNTING_CELL.replace('"x"', '"xx"'))
    tiny_book.build()
    assert tiny_book.runs == 4


@several_builds
def test_a_failing_cell_fails_every_build_until_it_is_mended(tiny_book):
    failing = "```{code-cell} python\nkernels = 0\n12 / kernels\n```\n"
    tiny_book.write(failing)
    for _ in range(2):
        succeeded, said = tiny_book.build()
        assert not succeeded
        assert "book/index FAILED" in said
        assert re.search(r"ZeroDivisionError.*division by zero", said)
        assert "12 / kernels" in re.sub(r"\x1b\[[\d;]*m", "", said)
    tiny_book.write(failing.replace("= 0", "= 3"))
    succeeded, said = tiny_book.build()
    assert succeeded, said


@several_builds
def test_a_warning_fails_every_build(tiny_book):
    tiny_book.write("See {ref}`nowhere`.\n\n" + COUNTING_CELL)
    for _ in range(2):
        succeeded, said = tiny_book.build()
        assert not succeeded
        assert "undefined label: 'nowhere'" in said
    assert tiny_book.runs == 1


@several_builds
def test_words_on_stderr_fail_the_build_and_a_page_that_left_the_book_leaves_the_site(tiny_book):
    tiny_book.write("```{code-cell} python\nimport sys\n_ = sys.stderr.write('oh')\n```\n")
    (tiny_book.folder / "book" / "second.md").write_text("# Second\n")
    contents = tiny_book.folder / "_toc.yml"
    alone = contents.read_text()
    contents.write_text(alone + "chapters: [{file: book/second}]\n")
    succeeded, said = tiny_book.build()
    assert not succeeded
    assert "stderr was found" in said
    assert tiny_book.page("second").exists()

    tiny_book.write("Silent.")
    contents.write_text(alone)
    succeeded, said = tiny_book.build()
    assert succeeded, said
    assert not tiny_book.page("second").exists()
