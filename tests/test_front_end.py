"""The front end reaches for nothing outside the book.

`make lint` runs a linter over the modules. Here its settings are tried on planted faults, and what
it cannot see is looked for.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

WIDGETS = ROOT / "cnnlib" / "widgets"
FOLDERS = [WIDGETS, ROOT / "book" / "_static"]
OWN = [path for folder in FOLDERS for path in folder.rglob("*") if "katex" not in path.parts]
FILES = sorted(path for path in OWN if path.suffix in (".js", ".css"))

FORBIDDEN = {
    "an address outside the book": r"""https?:(?!//www\.w3\.org/)|["'`]//""",
    "a style sheet or font from elsewhere": r"@import|url\((?!\s*[\"']?(?:data:|#))",
    "a tab or a space at a line's end": r"\t|[ ]+$",
}


def faults(text: str) -> list[str]:
    """What a front-end file does that it must not: ``line: what``."""
    return [
        f"{number}: {what}: {line.strip()[:80]}"
        for number, line in enumerate(text.splitlines(), start=1)
        for what, pattern in FORBIDDEN.items()
        if re.search(pattern, line)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_front_end_keeps_to_the_book(path):
    text = path.read_text(encoding="utf-8")
    assert faults(text) == []
    assert text.endswith("\n") and not text.endswith("\n\n")


@pytest.mark.parametrize(
    "line",
    [
        'import x from "https://cdn.example/x.js";',
        'const s = "//cdn.example/x.js";',
        "@import url(font.css);",
        ".a { background: url('picture.png'); }",
        "const a = 1; ",
        "\tconst a = 1;",
    ],
)
def test_fault_is_found(line):
    assert faults(line)


@pytest.mark.parametrize("path", sorted(WIDGETS.glob("*.py")), ids=lambda path: path.name)
def test_widget_has_its_module_and_its_style_beside_it(path):
    if re.search(r'^class .*\bstem="', path.read_text(encoding="utf-8"), re.MULTILINE):
        assert path.with_suffix(".js").exists() and path.with_suffix(".css").exists()


# --- The linter ---------------------------------------------------------------------------------

PLANTED = {
    "export const a = fetch('data.json');": "no-undef",
    "export const a = new XMLHttpRequest();": "no-undef",
    "console.log(1);": "no-undef",
    "alert(1);": "no-undef",
    "importScripts('x.js');": "no-undef",
    "export const a = naem;": "no-undef",
    "window.fetch('data.json');": "no-restricted-properties",
    "navigator.sendBeacon('data.json');": "no-restricted-properties",
    "export function f(el, title) { el.innerHTML = title; }": "no-restricted-properties",
    "document.body.insertAdjacentHTML('beforeend', '<b>');": "no-restricted-properties",
    "document.write('<b>');": "no-restricted-properties",
    "eval('1');": "no-eval",
    "export const f = new Function('return 1');": "no-new-func",
    "setTimeout('f()', 1);": "no-implied-eval",
    "location.href = 'javascript:f()';": "no-script-url",
    "debugger;": "no-debugger",
    "export const f = (a) => { var b = a; return b; };": "no-var",
    "export const f = (a) => { let b = a; return b; };": "prefer-const",
    "export const f = (a) => a == 1;": "eqeqeq",
    "const unused = 1;": "no-unused-vars",
    'import { b } from "./other.js"; export const c = b;': "named",
    'import { a } from "./other.js"; import { d } from "./other.js"; export const c = a + d;': (
        "no-duplicates"
    ),
    'import { a } from "./back.js"; export const e = a;': "no-cycle",
    "export let a = 1;": "no-mutable-exports",
    "export function f() {" + "\n  document.title += 1;" * 150 + "\n}": "max-lines-per-function",
}


def rules_broken(path: Path) -> set[str]:
    """The rules that the linter finds broken in a module."""
    linter = Path(sys.executable).parent / "oxlint"
    settings = ["--config", ROOT / "tests" / "oxlint.jsonc", "--format", "unix"]
    run = subprocess.run([linter, *settings, path], capture_output=True, text=True)
    assert run.stderr == ""
    return set(re.findall(r"\[Error/[\w-]+\(([\w-]+)\)\]", run.stdout))


@pytest.mark.parametrize(("text", "rule"), PLANTED.items(), ids=PLANTED.values())
def test_the_linter_finds(tmp_path, text, rule):
    (tmp_path / "other.js").write_text("export const a = 1;\nexport const d = 2;\n")
    (tmp_path / "back.js").write_text('export { e as a } from "./planted.js";\n')
    (tmp_path / "planted.js").write_text(f"{text}\n")
    assert rule in rules_broken(tmp_path / "planted.js")


def test_the_linter_leaves_a_plain_module_alone(tmp_path):
    path = tmp_path / "plain.js"
    path.write_text("export const half = (a) => [...a].sort().map((b) => b / 2);\n")
    assert rules_broken(path) == set()
