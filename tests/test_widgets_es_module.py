"""JavaScript's tokens are told apart, and a module's imports and exports are read and cut out."""

import re

import pytest

from cnnlib.widgets.es_module import read_module, tokens


def texts(source: str, *kinds: str) -> list[str]:
    return [token.text for token in tokens("m.js", source) if token.kind in kinds]


def reads(source: str, path: str) -> list[tuple[str, str]]:
    (wanted,) = (found for found in read_module("m.js", source).imports if found.source == path)
    return wanted.names


# --- Tokens -------------------------------------------------------------------------------------

HIDDEN = 'import { a } from "./a.js";'  # no import, wherever it stands below


@pytest.mark.parametrize(
    "source",
    [
        f"// {HIDDEN}\n",
        f"/* {HIDDEN}\n{HIDDEN} */",
        f"const s = '{HIDDEN}';",
        "const s = \"it's \\\" import './a.js'\";",
        "const s = 'a \\\n import \"./a.js\"';",
        f"const s = `{HIDDEN}\n{HIDDEN}`;",
        f"const s = `\\`{HIDDEN}\\${{`;",
        "const s = `$ $$ ${'}'} import './a.js' ${`${`}`} import './a.js'`}`;",
        "const s = `${{ a: { b: 1 } }.a.b} import './a.js'`;",
        "const r = /import '.\\/a.js'/;",
        "const r = /['\"`]import '.\\/a.js'/g;",
        "const r = /[/'\"\\]`]import '.\\/a.js'/v;",
        "if (a) /'/.test(a); // import './a.js'",
        "for (const x of y) /`/.exec(x); // import './a.js'",
        "async () => { for await (const x of y) /'/.exec(x); }",
        'return /"import /;',
        "x = a ? /'import / : /\"export /;",
        "x = [/'import /, /`export /];",
        "x = a => /'import /;",
        "x = !/'import /.test(y) && /`export/.test(y);",
        "x = `${/`import '/.source}`;",
        "case /'export /: break;",
        "const o = { import: 1, export: 2, default: 3 };",
        "o.import = o.export / o.default / 2;",
        "o?.import(1);",
    ],
)
def test_what_only_looks_like_an_import_is_none(source):
    module = read_module("m.js", source)
    assert (module.imports, module.own, module.passed_on) == ([], {}, [])
    assert module.body == source


@pytest.mark.parametrize(
    "source",
    [
        "x = a / 2; import './a.js'; y = b / 2;",
        "x = (a + b) / 2; import './a.js'; y = b / 2;",
        "x = a[0] / 2; import './a.js'; y = b / 2;",
        "x = a++ / 2; import './a.js'; y = b / 2;",
        "x = 3 / 2 / 1e-3 / 0x1f / .5; import './a.js'; y = b / 2;",
        "x = `a` / 2; import './a.js'; y = b / 2;",
        "x = 'a' / 2; import './a.js'; y = b / 2;",
        "x = this / 2; import './a.js'; y = b / 2;",
        "x = a.return / 2; import './a.js'; y = b / 2;",
        "x = a.if(b) / 2; import './a.js'; y = b / 2;",
        "x = /a/g / 2; import './a.js'; y = b / 2;",
        "x /= 2; import './a.js'; y /= 2;",
        "of / 2; import './a.js'; of / 2;",
        "π$_ / 2; import './a.js'; π$_ / 2;",
        "x = 0xe+/'/.exec(y); import './a.js'; y = /'/;",
        "class A { #x = 1; y = this.#x / 2; }\nimport './a.js'; y = b / 2;",
        "x\u2028// '\u2028import './a.js'; // '",
        "\ufeffimport './a.js';",
        "x = a // '\nimport './a.js' // '",
        "/* ' */ import /* ' */ './a.js' /* ' */",
    ],
)
def test_a_division_hides_no_import(source):
    assert [wanted.source for wanted in read_module("m.js", source).imports] == ["./a.js"]


def test_regular_expressions_are_whole():
    source = "x = /[/\\]'\"]+\\/`/gi.exec(y); z = a / b / c;"
    assert texts(source, "regex") == ["/[/\\]'\"]+\\/`/gi"]


def test_a_template_is_its_pieces_of_text():
    source = "`a${ b + `c${ {} }d` }e${''}`"
    assert texts(source, "template") == ["`a${", "`c${", "}d`", "}e${", "}`"]


@pytest.mark.parametrize(
    ("source", "line", "why"),
    [
        ("\nconst s = 'never closed;\n", 2, "cannot read \"'never closed;"),
        ("\n\n`never closed ${1}", 3, "cannot read '}'"),
        ("/* never closed", 1, "cannot read '/* never closed'"),
        ("\n{ (", 2, "a bracket that is never closed"),
        ("a\n)", 2, "a ) that closes nothing"),
        ("(\n]", 2, "a ] that closes nothing"),
        ("\n{} /a/", 2, "a slash behind a brace"),
    ],
)
def test_what_cannot_be_read_is_refused_by_line(source, line, why):
    with pytest.raises(ValueError, match=f"^m.js:{line}: {re.escape(why)}"):
        read_module("m.js", source)


# --- Imports ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import './a.js';", []),
        ("import {} from './a.js'", []),
        ("import one from './a.js';", [("default", "one")]),
        ("import from from './a.js';", [("default", "from")]),
        ("import * as all from './a.js';", [("*", "all")]),
        ("import{a}from'./a.js';", [("a", "a")]),
        (
            "import {\n  a, // the first }\n  b as c,\n  as, as as d,\n} from\n  './a.js';",
            [("a", "a"), ("b", "c"), ("as", "as"), ("as", "d")],
        ),
        ("import one, { default as two } from './a.js';", [("default", "one"), ("default", "two")]),
        ("import one, * as all from './a.js';", [("default", "one"), ("*", "all")]),
    ],
)
def test_an_import_is_read_in_every_form(source, names):
    assert reads(f"const x = 1;\n{source}\nx;", "./a.js") == names
    body = read_module("m.js", f"const x = 1;\n{source}\nx;").body
    assert body.split() == ["const", "x", "=", "1;", "x;"]
    assert body.count("\n") == source.count("\n") + 2


@pytest.mark.parametrize(
    "source",
    [
        "import('./a.js');",
        "f(() => import('./a.js'));",
        "x = import.meta.url;",
        "import data from './a.json' with { type: 'json' };",
        "import a b from './a.js';",
        "import a, from './a.js';",
        "import { 'a b' as c } from './a.js';",
        "import { a } from a;",
        "import './\\u0061.js';",
        "import",
    ],
)
def test_an_import_of_another_kind_is_refused(source):
    with pytest.raises(ValueError, match="^m.js:2: "):
        read_module("m.js", f"\n{source}")


# --- Exports ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "own", "body"),
    [
        ("export const a = (b, c) => [b, c], d;", None, None),
        ("export const a = (b, c) => [b, c];", {"a": "a"}, "const a = (b, c) => [b, c];"),
        (
            "export const a = 1;\nlet b = 2, c = 3;",
            {"a": "a"},
            "const a = 1; let b = 2, c = 3;",
        ),
        ("export function a() {}", {"a": "a"}, "function a() {}"),
        ("export async function* a() {}", {"a": "a"}, "async function* a() {}"),
        ("export class A { b = 1 }", {"A": "A"}, "class A { b = 1 }"),
        ("export { a, b as c, d as default };", {"a": "a", "c": "b", "default": "d"}, ""),
        ("export {};", {}, ""),
        ("export default function a() {}", {"default": "a"}, "function a() {}"),
        ("export default async function a() {}", {"default": "a"}, "async function a() {}"),
        ("export default class A {}", {"default": "A"}, "class A {}"),
        (
            "export default function () {}",
            {"default": "default_export"},
            "function default_export () {}",
        ),
        (
            "export default class extends A {}",
            {"default": "default_export"},
            "class default_export extends A {}",
        ),
        ("export default { a };", {"default": "default_export"}, "const default_export = { a };"),
        ("export default a;", {"default": "default_export"}, "const default_export = a;"),
        (
            "export default async () => {};",
            {"default": "default_export"},
            "const default_export = async () => {};",
        ),
        (
            "default_export; export default /'/;",
            {"default": "_default_export"},
            "default_export; const _default_export = /'/;",
        ),
    ],
)
def test_an_export_is_read_in_every_form(source, own, body):
    if own is None:
        with pytest.raises(ValueError, match="^m.js:1: several names"):
            read_module("m.js", source)
        return
    module = read_module("m.js", source)
    assert module.own == own
    assert module.body.split() == body.split()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("export { a, b as c, default as d } from './a.js';", [*"aa", *"bc", "default", "d"]),
        ("export * from './a.js'", ["*", "*"]),
        ("export * as all from './a.js';", ["*", "all"]),
    ],
)
def test_what_is_passed_on_is_read(source, names):
    module = read_module("m.js", source)
    (wanted,) = module.passed_on
    assert [name for pair in wanted.names for name in pair] == names
    assert (module.body.strip(), module.own, wanted.source) == ("", {}, "./a.js")


@pytest.mark.parametrize(
    "source",
    [
        "export let a = 1;",
        "export var a = 1;",
        "export const { a } = b;",
        "export const [a] = b;",
        "let a = f(b, c), d;\nexport { a };",
        "let b = f(x, y), a;\nexport { a };",
        "let { b, c: [a] } = f(x, y);\nexport { a as b };",
        "var a\nexport { a };",
        "const x = 1; await x;",
    ],
)
def test_what_a_function_cannot_hand_over_is_refused(source):
    with pytest.raises(ValueError, match="^m.js"):
        read_module("m.js", source)


def test_what_only_stands_beside_a_variable_can_be_exported():
    source = "const a = 1;\nlet b = f(1, a), c = { a };\nfor (let a of b) c(a);\nexport { a };"
    assert read_module("m.js", source).own == {"a": "a"}
