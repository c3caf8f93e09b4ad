"""The front end's modules and styles reach for nothing outside the book, and say nothing aloud."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

MODULES = [*(ROOT / "cnnlib" / "widgets").glob("*.js"), *(ROOT / "book" / "_static").glob("*.js")]
STYLES = [*(ROOT / "cnnlib" / "widgets").glob("*.css"), *(ROOT / "book" / "_static").glob("*.css")]

FORBIDDEN = {
    "an address outside the book": r"""https?:(?!//www\.w3\.org/)|["'`]//""",
    "a request": r"\bfetch\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts",
    "text taken for HTML": r"innerHTML|outerHTML|insertAdjacentHTML|document\.write",
    "text taken for code": r"\beval\(|new Function\(|setTimeout\(\s*[\"'`]",
    "a word left on the console": r"\bconsole\.|\bdebugger\b|\balert\(",
    "an undeclared kind of variable": r"(?<![\w.])var\s+\w",
    "a style sheet or font from elsewhere": r"@import|url\((?!\s*[\"']?(?:data:|#))",
    "a tab or a space at a line's end": r"\t|[ ]+$",
}
IMPORT = re.compile(
    r"""^\s*(?:import|export)\b[^;]*?\bfrom\s*["']([^"']+)["']|^\s*import\s*["']([^"']+)["']""",
    re.M,
)


def faults(text: str) -> list[str]:
    """What a front-end file does that it must not: ``line: what``."""
    return [
        f"{number}: {what}: {line.strip()[:80]}"
        for number, line in enumerate(text.splitlines(), start=1)
        for what, pattern in FORBIDDEN.items()
        if re.search(pattern, line)
    ]


def imports(text: str) -> set[str]:
    return {source or bare for source, bare in IMPORT.findall(text)}


def name(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", MODULES + STYLES, ids=name)
def test_front_end_keeps_to_the_book(path):
    text = path.read_text(encoding="utf-8")
    assert faults(text) == []
    assert text.endswith("\n") and not text.endswith("\n\n")


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_module_imports_only_what_both_homes_can_give_it(path):
    shared = {"./page.js", "./geometry.js", "./maps.js"}
    assert imports(path.read_text(encoding="utf-8")) <= shared - {f"./{path.name}"}


@pytest.mark.parametrize("path", sorted((ROOT / "cnnlib" / "widgets").glob("*.py")), ids=name)
def test_widget_has_its_module_and_its_style_beside_it(path):
    if "stem=" in path.read_text(encoding="utf-8") and path.stem != "base":
        assert path.with_suffix(".js").exists() and path.with_suffix(".css").exists()


@pytest.mark.parametrize(
    "line",
    [
        'import x from "https://cdn.example/x.js";',
        'const s = "//cdn.example/x.js";',
        'fetch("data.json")',
        "el.innerHTML = title;",
        "console.log(1);",
        "@import url(font.css);",
        ".a { background: url('picture.png'); }",
        "const a = 1; ",
    ],
)
def test_fault_is_found(line):
    assert faults(line)


def test_imports_are_read_in_every_form():
    text = (
        'import { a,\n  b } from "./page.js";\nimport "x";\nexport { c } from \'./geometry.js\';\n'
    )
    assert imports(text) == {"./page.js", "x", "./geometry.js"}
