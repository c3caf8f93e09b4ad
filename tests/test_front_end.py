"""The front end reaches for nothing outside the book.

`make lint` runs a linter over the modules, and TypeScript over some. Here their settings are tried
on planted faults, and what the linter cannot see is looked for.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.types import check

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
    "export const a = [2, 1].toSorted();": "no-restricted-properties",
    "export const a = [2, 1].with(0, 3);": "no-restricted-properties",
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


# --- The types ----------------------------------------------------------------------------------

WRONG_TYPES = {
    'import { span } from "WIDGETS/geometry.js"; export const a = span({ stride: 2 });': (
        "Property 'kernel_size' is missing"
    ),
    'import { outputSize } from "WIDGETS/geometry.js"; export const a = outputSize("9", null);': (
        "Argument of type 'string' is not assignable to parameter of type 'number'"
    ),
    'import { element } from "WIDGETS/kit/dom.js"; element("input").valeuAsNumber = 1;': (
        "Property 'valeuAsNumber' does not exist on type 'HTMLInputElement'"
    ),
    'import { upTo } from "WIDGETS/kit/dom.js"; export const a = upTo(3, 4);': (
        "Expected 1 arguments, but got 2"
    ),
    "export const a = [1, 2].toSorted();": "Property 'toSorted' does not exist",
}


def type_faults(folder: Path, text: str) -> str:
    """What the type check says of a module with this text, under the front end's own settings."""
    own = ROOT / "tests" / "types"
    module = text.replace("WIDGETS", WIDGETS.as_posix())
    (folder / "planted.js").write_text(module, encoding="utf-8")
    settings = {
        "extends": (own / "tsconfig.json").as_posix(),
        "include": ["planted.js", (own / "page.d.ts").as_posix()],
    }
    (folder / "tsconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    return "\n".join(check.faults(folder / "tsconfig.json"))


with_typescript = pytest.mark.skipif(
    not check.is_installed(), reason="TypeScript is not here yet; make lint brings it"
)


@with_typescript
@pytest.mark.parametrize(("text", "fault"), WRONG_TYPES.items(), ids=WRONG_TYPES.values())
def test_the_type_check_finds(tmp_path, text, fault):
    found = type_faults(tmp_path, text)
    assert "planted.js(1," in found and fault in found


@with_typescript
def test_the_type_check_leaves_a_plain_module_alone(tmp_path):
    text = 'import { span } from "WIDGETS/geometry.js"; export const a = span({ kernel_size: 3 });'
    assert type_faults(tmp_path, text) == ""


@with_typescript
def test_the_front_ends_types_fit():
    assert check.faults() == []


def test_with_no_npm_registry_the_type_check_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "typescript", lambda: tmp_path / "typescript")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with pytest.raises(SystemExit, match="TypeScript could not be installed.*registry: is that re"):
        check.install(registry="http://127.0.0.1:9")
    assert not check.is_installed()
    assert not (tmp_path / "typescript").exists()
