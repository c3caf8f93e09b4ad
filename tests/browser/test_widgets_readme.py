"""The README of the widgets: what it shows is a whole widget, and keeps the contract."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.browser.chromium import find_chromium
from tests.browser.conftest import ROOT

WIDGETS = ROOT / "cnnlib" / "widgets"
README = (WIDGETS / "README.md").read_text(encoding="utf-8")


def blocks() -> dict[str, str]:
    """The README's code blocks by the file that is named before each."""
    named = re.split(r"^```\w*\n", README, flags=re.MULTILINE)
    files = [re.findall(r"`([\w/.]+\.\w+)`", text)[-1] for text in named[0:-1:2]]
    return dict(zip(files, named[1::2], strict=True))


@pytest.fixture
def copy(tmp_path):
    """A copy of the project with the README's widget in it."""
    (tmp_path / "cnnlib").mkdir()
    for path in (ROOT / "cnnlib").iterdir():
        if path.name not in ("widgets", "__pycache__"):
            (tmp_path / "cnnlib" / path.name).symlink_to(path)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(WIDGETS, tmp_path / "cnnlib" / "widgets", ignore=ignored)
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=ignored)
    for name in ("pyproject.toml", "_toc.yml", "book"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name, text in blocks().items():
        if name == "tests/sample_widgets.py":
            table = (tmp_path / name).read_text(encoding="utf-8")
            head, brace, rest = table.partition(" = {\n")
            text = head + brace + text + rest
        folder = tmp_path if name.startswith("tests/") else tmp_path / "cnnlib" / "widgets"
        (folder / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_readme_shows_a_small_widget():
    lines = {name: text.count("\n") for name, text in blocks().items()}
    assert {"windows.py", "windows.js", "words/en/windows.json", "windows.css"} < set(lines)
    assert sum(lines.values()) < 110


def test_its_widget_keeps_the_contract(browser, copy):
    """``browser``: so that it counts as a test that needs one."""
    command = re.search(r"-m pytest (.*)$", README, re.MULTILINE)[1].split()
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *command],
        cwd=copy,
        env={**os.environ, "CHROMIUM": find_chromium()},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert int(re.search(r"(\d+) passed", run.stdout)[1]) > 25


def test_what_the_readme_says_of_its_widget_is_so(copy):
    program = (
        "from cnnlib.widgets.windows import Windows\n"
        "widget = Windows(length=9, stride=2)\n"
        "print(widget.text_alternative())\n"
        "widget.stride = 9"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=copy, capture_output=True, text=True)
    assert run.stdout == "4 windows of size 3 fit at stride 2.\n"
    assert run.stderr.rstrip().endswith("stride=9: expected a whole number from 1 to 6")


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"`((?:kit/)?\w+\.(?:js|py|css))`", README)))
)
def test_the_files_that_the_readme_names_are_there(name):
    assert name in blocks() or (WIDGETS / name).exists() or (ROOT / "cnnlib" / name).exists()


def test_the_readme_names_every_file_of_the_kit():
    kit = {f"kit/{path.name}" for path in (WIDGETS / "kit").iterdir()}
    assert kit - set(re.findall(r"`(kit/[\w.]+)`", README)) == set()
