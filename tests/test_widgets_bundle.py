"""A widget's modules as one text: each once, in order, and what cannot be joined is refused."""

import re
from pathlib import Path

import pytest

from cnnlib.widgets.bundle import bundle_module, bundle_script, widgets_in
from cnnlib.widgets.es_module import tokens
from tests.conftest import ROOT

WIDGETS = ROOT / "cnnlib" / "widgets"
STEMS = widgets_in(WIDGETS)
HEADING = re.compile(r"// -{12} (\S+)$", re.MULTILINE)


def write(folder: Path, modules: dict[str, str]) -> Path:
    for name, text in modules.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "entry.js"


def order(text: str) -> list[str]:
    """The modules of a bundle, as they stand in it."""
    return HEADING.findall(text)


def test_a_module_with_a_default_export_is_a_widget(tmp_path):
    modules = {"b.js": "export default 1;", "a.js": "const a = 1;\nexport { a as default };"}
    write(tmp_path, {**modules, "c.js": "export const b = 'export default';", "kit/d.js": ""})
    assert widgets_in(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("stem", STEMS)
def test_a_widgets_bundle_holds_each_module_once_and_little_more(stem):
    text = bundle_module(WIDGETS / f"{stem}.js")
    names = order(text)
    assert names[-1] == f"{stem}.js" and len(set(names)) == len(names)
    sources = sum(len((WIDGETS / name).read_text(encoding="utf-8")) for name in names)
    assert sources < len(text) < sources + 1000 * len(names)
    words = [token for token in tokens(stem, text) if token.kind == "word"]
    assert "import" not in [word.text for word in words]


def test_all_widgets_in_one_script_hold_each_module_once():
    names = order(bundle_script(WIDGETS, STEMS, "cnnWidgets"))
    assert len(set(names)) == len(names)
    assert {f"{stem}.js" for stem in STEMS} <= set(names)


def test_the_length_grows_by_the_modules_and_not_by_the_ways_to_them(tmp_path):
    """Every module imports the two below it: there are thousands of ways down to the first."""
    lengths = []
    for count in (10, 20, 40):
        modules = {"part0.js": "export const v = 0;", "part1.js": "export const v = 1;"}
        for i in range(2, count):
            modules[f"part{i}.js"] = (
                f'import {{ v as a }} from "./part{i - 1}.js";\n'
                f'import {{ v as b }} from "./part{i - 2}.js";\nexport const v = a + b;\n'
            )
        modules["entry.js"] = f'export {{ v as default }} from "./part{count - 1}.js";'
        text = bundle_module(write(tmp_path, modules))
        assert len(order(text)) == count + 1
        lengths.append(len(text))
    first, second, third = lengths
    assert third - second == pytest.approx(2 * (second - first), rel=0.1)


def test_modules_stand_in_the_order_in_which_a_browser_runs_them(tmp_path):
    entry = write(
        tmp_path,
        {
            "entry.js": 'import "./kit/b.js";\nimport "./a.js";\nexport default 1;',
            "a.js": 'import "./c.js"; import "./kit/../d.js";',
            "c.js": "",
            "d.js": "",
            "kit/b.js": 'export * from "../d.js";\nimport "./deep/e.js";',
            "kit/deep/e.js": "",
        },
    )
    expected = ["d.js", "kit/deep/e.js", "kit/b.js", "c.js", "a.js", "entry.js"]
    assert order(bundle_module(entry)) == expected


def test_modules_whose_names_are_alike_do_not_meet(tmp_path):
    names = ["kit/a.js", "kit_a.js", "kit-a.js", "9a.js"]
    imports = "".join(f'import "./{name}";\n' for name in names)
    modules = {name: f'export const kit_a_js = "{name}";' for name in names}
    text = bundle_module(write(tmp_path, {"entry.js": f"{imports}export default 1;", **modules}))
    constants = re.findall(r"^const (\w+) = \(\(\) => \{ // -", text, re.MULTILINE)
    assert constants == ["_kit_a_js", "__kit_a_js", "___kit_a_js", "_9a_js", "entry_js"]


def test_a_modules_lines_and_columns_stay_as_they_are(tmp_path):
    source = (
        'import {\n  a,\n} from "./a.js";\n\nexport function f() { return a; }\nexport default f;\n'
    )
    entry = write(tmp_path, {"entry.js": source, "a.js": "\n\n  export const a = 1; // here\n"})
    lines = bundle_module(entry).split("\n")
    for name, text in {"a.js": "const a = 1; // here", "entry.js": "function f() {"}.items():
        heading = next(i for i, line in enumerate(lines) if line.endswith(f"--- {name}"))
        found = next(i for i, line in enumerate(lines) if text in line)
        written = (tmp_path / name).read_text().split("\n")
        asked = next(i for i, line in enumerate(written) if text in line)
        assert found - heading - 2 == asked
        assert lines[found].index(text) == written[asked].index(text)


@pytest.mark.parametrize(
    ("modules", "error", "message"),
    [
        (
            {"entry.js": '\nimport { a } from "./kit/a.js";', "kit/a.js": 'import "./none.js";'},
            FileNotFoundError,
            "kit/a.js:1 imports kit/none.js: there is no ",
        ),
        ({}, FileNotFoundError, "the bundle imports entry.js: there is no "),
        (
            {"entry.js": 'import "./a.js";', "a.js": 'import "./b.js";', "b.js": 'import "./a.js"'},
            ValueError,
            "modules import each other in a circle: a.js → b.js → a.js",
        ),
        (
            {"entry.js": 'export * from "./entry.js";'},
            ValueError,
            "modules import each other in a circle: entry.js → entry.js",
        ),
        (
            {"entry.js": '\n\nimport "../a.js";'},
            ValueError,
            "entry.js:3 imports ../a.js: expected a file below ",
        ),
        (
            {"entry.js": 'import d3 from "d3";'},
            ValueError,
            "entry.js:1 imports 'd3': expected a path that begins with ./ or ../",
        ),
        (
            {"entry.js": 'import d3 from "https://cdn.example/d3.js";'},
            ValueError,
            "entry.js:1 imports 'https://cdn.example/d3.js': expected a path",
        ),
        (
            {"entry.js": 'import { b } from "./a.js";', "a.js": "export const a = 1;"},
            ValueError,
            "entry.js:1 imports 'b' from a.js, which exports a",
        ),
        (
            {"entry.js": 'import a from "./a.js";', "a.js": 'export * from "./b.js";'}
            | {"b.js": "export default 1;"},
            ValueError,
            "entry.js:1 imports 'default' from a.js, which exports nothing",
        ),
        (
            {"entry.js": 'export * from "./a.js";\nexport * from "./b.js";'}
            | {"a.js": "export const x = 1;", "b.js": "export const x = 2;"},
            ValueError,
            "entry.js exports 'x' twice, from two modules",
        ),
        ({"entry.js": "export const a = 1;"}, ValueError, "entry.js has no default export"),
    ],
)
def test_what_cannot_be_joined_is_refused_by_name(tmp_path, modules, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        bundle_module(write(tmp_path, modules))


@pytest.mark.parametrize("source", ["while (n\n  --> 0) n;", "if (a<!--b) n;"])
def test_what_a_classic_script_reads_otherwise_is_refused(tmp_path, source):
    write(tmp_path, {"entry.js": f"let n = 1, a = 2, b = 3;\n{source}\nexport default a;"})
    with pytest.raises(ValueError, match="^entry.js:[23]: '.*' begins a comment"):
        bundle_script(tmp_path, ["entry"], "widgets")
    assert bundle_module(tmp_path / "entry.js")
