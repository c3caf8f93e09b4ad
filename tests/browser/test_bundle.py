"""Bundles in Chromium: they do what the browser does with the modules, and every widget runs."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from cnnlib.widgets.bundle import bundle_module, bundle_script
from tests.sample_widgets import SAMPLES
from tests.test_widgets_bundle import STEMS, write

# A page may import from blob: addresses, and from nowhere else: no data:, no server.
ONLY_BLOBS = "script-src 'unsafe-inline' blob:; connect-src 'none'; worker-src 'none'"


@pytest.fixture
def open_page(new_page, serve, tmp_path) -> Callable[..., Page]:
    """open_page(body, policy) -> a page of this HTML in tmp_path, under a content policy."""

    def open_html(body: str = "", policy: str = "") -> Page:
        rules = f'<meta http-equiv="Content-Security-Policy" content="{policy}">' if policy else ""
        (tmp_path / "index.html").write_text(
            f'<!doctype html><html lang="en"><head><meta charset="utf-8">{rules}<title>-</title>'
            f'<link rel="icon" href="data:,"></head><body>{body}</body></html>',
            encoding="utf-8",
        )
        page = new_page()
        page.goto(f"{serve(tmp_path)}/")
        return page

    return open_html


# --- The browser's own modules are the oracle ---------------------------------------------------

# Imports `text` as a notebook's front end does: JSON of the default export, or the error's name.
IMPORT_TEXT = """async (text) => {
  const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  return JSON.stringify((await import(address)).default);
}"""

PLANTED = {
    "forms": {
        "entry.js": """
            import first, { second as zwei, λ, $ } from "./kit/a.js";
            import * as all from './kit/a.js'
            import {
              default as again, // } from "./nowhere.js"
              as, from, of as as2,
            } from "./kit/a.js"
            import "./effects.js";
            import * as passed from "./passed.js";
            export { default as unused } from "./kit/a.js";
            const entry_js = "entry", kit_a_js = "a", default_export = "d";
            export default [first(), zwei, λ, $, again === first, as, from, as2, passed.own(),
              Object.keys(all).sort(), Object.keys(passed).sort(), passed.kit.second, passed.zwei,
              passed.$, globalThis.effects, entry_js, kit_a_js, default_export, typeof _entry_js];
        """,
        "effects.js": "globalThis.effects = [...(globalThis.effects ?? []), 'ran'];",
        "passed.js": """
            export * from "./kit/a.js"; export * as kit from "./kit/a.js";
            export { second as zwei, default as eins } from "./kit/a.js"
            import { second } from "./kit/a.js"
            export const $ = "its own";
            export const own = () => second + 1; export { own as default };
        """,
        "kit/a.js": """
            import { deep } from "../kit/./deep/b.js"
            export default function () { return deep + 1; }
            export const second = deep * 2; const one = 1, as = "as";
            export { one as λ, as }
            export function $() {} export const from = `from ${"}"} import "./x.js"`
            export class of { static toJSON() { return "of"; } }
        """,
        "kit/deep/b.js": "const x = 5; export { x as deep }",
    },
    "hostile texts": {
        "entry.js": r"""
            import { a } from "./a.js"; // import { b } from "./b.js"
            /* import c from "./c.js" */ const parts = [];
            parts.push('import d from "./d.js"; \' export', "import e from './e.js'; \" \\");
            parts.push(`import f from "./f.js"; ${`${a}import`} \` \${ ${{ a }.a} ${"}`"} export`);
            parts.push(/import ["'`] [/`'"] \/ export/.source, 4 / 2 / 1, [8][0] / 4, (6) / 3);
            if (a) /'/.exec(a); else /"/.exec(a)
            for (const x of [1]) /`/.exec(x)
            const o = { import: 1, export: { default: 2 }, if: (x) => x, return: 12 };
            parts.push(o.import, o.export.default / 2 / 1, o.if(8) / 4 / 1, o.return / 3 / 2);
            let i = 4; parts.push(i++ / 2, 1e-3 / 2, 0xe+2 / 1, .5 / 2, 5..toString())
            parts.push(typeof /import/, !/'/.test("'"), [..."a'b"].map((x) => /'/.test(x)))
            label: for (;;) { break label }
            parts.push(function () { return typeof this }(), typeof this, (() => typeof this)())
            export
              default
                parts
        """,
        "a.js": "export const a = 3 // import '",
    },
    "declared where it stands": {
        "entry.js": """
            const before = [late(), typeof Kept];
            import { list } from "./list.js";
            function late() { return list.length; }
            list.push("entry"); var Kept;
            export default class { static toJSON() { return [before, list]; } }
            [list.push("behind the class")]
        """,
        "list.js": "export const list = ['list']\nlist.push('run once')",
    },
    "a default without a name": {
        "entry.js": "import f from './f.js'; import g from './g.js'; export default [f(1), g(2)];",
        "f.js": "export default function (x) { return x + 1 }\n(globalThis.called = 1)",
        "g.js": "const default_export = 9\nexport default (x) => x + default_export",
    },
}


@pytest.mark.parametrize("modules", PLANTED.values(), ids=PLANTED)
def test_a_bundle_exports_what_the_browsers_own_modules_export(open_page, tmp_path, modules):
    entry = write(tmp_path, modules)
    own = """async () => JSON.stringify((await import("./entry.js")).default)"""
    expected = open_page().evaluate(own)
    assert len(expected) > 5
    assert open_page(policy=ONLY_BLOBS).evaluate(IMPORT_TEXT, bundle_module(entry)) == expected
    (tmp_path / "bundle.js").write_text(bundle_script(tmp_path, ["entry"], "made"))
    page = open_page('<script src="bundle.js"></script>')
    assert page.evaluate("JSON.stringify(globalThis.made.entry)") == expected


def test_an_error_names_its_module_and_the_bundle(open_page, tmp_path):
    entry = write(
        tmp_path,
        {
            "entry.js": 'import { fail } from "./kit/fail.js";\nexport default fail();',
            "kit/fail.js": "export function fail() {\n  return Error().stack.split('\\n')[1];\n}",
        },
    )
    text = bundle_module(entry)
    place = json.loads(open_page().evaluate(IMPORT_TEXT, text))
    assert "at fail (cnnlib/widgets/entry.bundle.js:" in place
    line = int(place.split(":")[-2])
    heading = text.split("\n")[:line][::-1]
    assert next(above for above in heading if "-----" in above).endswith(" kit/fail.js")


# --- The widgets --------------------------------------------------------------------------------

# Shows a widget as a notebook's front end does, each time from an import of its own.
SHOW = """async ([text, styles, states]) => {
  document.head.append(Object.assign(document.createElement("style"), { textContent: styles }));
  for (const state of states) {
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    const { default: widget } = await import(address);
    URL.revokeObjectURL(address);
    const el = document.createElement("div");
    el.className = "cnn-widget";
    document.body.append(el);
    const model = {
      get: (name) => state[name], set: (name, value) => { state[name] = value; },
      on() {}, off() {}, save_changes() {},
    };
    await widget.render({ model, el });
  }
}"""


def test_every_widget_has_a_sample():
    assert sorted(SAMPLES) == STEMS


@pytest.mark.parametrize("stem", STEMS)
def test_a_widget_runs_from_one_text(open_page, stem):
    """Twice on one page, as it may stand in a notebook: they share no id and no group."""
    widget = SAMPLES[stem]()
    page = open_page(policy=ONLY_BLOBS)
    page.evaluate(SHOW, [widget._esm, widget._css, [widget.page_state(), widget.page_state()]])
    shown = page.locator(".cnn-widget")
    assert shown.count() == 2
    for one in shown.all():
        box = one.bounding_box()
        assert box["height"] > 100 and box["width"] > 100
        assert one.locator("button, input, select, [tabindex]").count() > 0
    first, second = page.evaluate(
        """() => [...document.querySelectorAll(".cnn-widget")].map((widget) =>
          [...widget.querySelectorAll("[id], input[name]")].flatMap((node) =>
            [node.id, node.name].filter((name) => name)))"""
    )
    assert first and not set(first) & set(second)
