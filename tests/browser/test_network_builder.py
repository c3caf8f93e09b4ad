"""The page's builder is Python's, over random plans; and what a reader does with it."""

import random
import re

import pytest
from playwright.sync_api import Page, expect

from cnnlib.widgets import network_builder_plan
from cnnlib.widgets.network_builder import NetworkBuilder, describe, write_bytes
from cnnlib.widgets.network_builder_code import write_code
from cnnlib.widgets.network_builder_plan import KINDS, layers_of, nearest_path
from cnnlib.widgets.network_builder_presets import PRESETS
from cnnlib.widgets.network_builder_sums import build, kept_bytes, seen_from
from tests.browser.conftest import write_page_of
from tests.browser.model import choose, chosen, settle
from tests.network_plans import random_plans
from tests.test_widgets_network_builder import make


@pytest.fixture(scope="module")
def modules(serve, browser, tmp_path_factory):
    """A page that can import the widget's modules."""
    folder = tmp_path_factory.mktemp("modules")
    write_page_of(folder)
    page = browser.new_page()
    page.goto(f"{serve(folder)}/")
    yield page
    page.close()


def cases() -> list[tuple[list[int], list]]:
    presets = [(preset.input, preset.plan) for preset in PRESETS.values()]
    return [*presets, *random_plans(500, seed=11), *random_plans(1500, seed=12, works=False)]


# --- Twins ----------------------------------------------------------------------------------------


def test_the_kinds_and_the_limits_are_pythons(modules):
    theirs = modules.evaluate(
        """async () => {
          const { KINDS, BLOCKS, BRANCHES, ...numbers } =
            await import("./widgets/network_builder_plan.js");
          const names = ["MOST_LAYERS", "MOST_DEPTH", "MOST_INPUT", "MOST_BATCH"];
          return [KINDS, BLOCKS, BRANCHES, ...names.map((name) => numbers[name])];
        }"""
    )
    p = network_builder_plan
    assert theirs == [
        {kind: [one._asdict() for one in settings] for kind, settings in KINDS.items()},
        list(p.BLOCKS), list(p.BRANCHES),
        p.MOST_LAYERS, p.MOST_DEPTH, list(p.MOST_INPUT), p.MOST_BATCH,
    ]  # fmt: skip


def test_rows_entries_texts_and_sums_are_pythons_over_random_plans(modules):
    asked = cases()
    looked = random.Random(3).sample(range(len(asked)), 250)
    theirs = modules.evaluate(
        """async ([cases, looked]) => {
          const { build, keptBytes, seenFrom } =
            await import("./widgets/network_builder_sums.js");
          const { writeCode } = await import("./widgets/network_builder_code.js");
          return JSON.parse(JSON.stringify(cases.map(([shape, plan], number) => {
            const { rows, entries, fault } = build(plan, shape);
            return {
              rows, kept: keptBytes(rows, shape, 7),
              code: fault ? null : writeCode(plan, { entries }),
              entries: entries.map((e) => [e.path, e.shape, e.row, e.first, e.end, e.fault]),
              seen: looked.includes(number) ? seenFrom(rows, rows.length - 1, shape) : null,
            };
          })));
        }""",
        [asked, looked],
    )
    works = 0
    for number, ((shape, plan), answer) in enumerate(zip(asked, theirs, strict=True)):
        built = build(plan, shape)
        assert answer["rows"] == [row.to_json() for row in built.rows], (shape, plan)
        assert answer["entries"] == [
            [
                list(entry.path),
                entry.shape and list(entry.shape),
                *(entry.row, entry.first, entry.end),
                entry.fault and list(entry.fault),
            ]
            for entry in built.entries
        ], (shape, plan)
        assert answer["kept"] == kept_bytes(built.rows, shape, 7)
        assert answer["code"] == (None if built.fault else write_code(plan, built))
        works += built.fault is None
        if number in looked:
            seen = seen_from(built.rows, len(built.rows) - 1, shape)
            assert answer["seen"] == (seen and seen._asdict()), (shape, plan)
    assert 500 < works < len(asked) - 500


def test_layers_are_described_as_python_does(modules):
    layers = [
        layer for _, plan in random_plans(300, 13, works=False) for _, layer in layers_of(plan)
    ]
    say = make().words
    theirs = modules.evaluate(
        """async ([layers, table]) => {
          const { describe } = await import("./widgets/network_builder_words.js");
          const { makeWords } = await import("./widgets/kit/words.js");
          return layers.map((layer) => describe(makeWords(table), layer));
        }""",
        [layers, say.table],
    )
    assert theirs == [describe(say, layer) for layer in layers]
    assert len(set(theirs)) > 200


def test_every_edit_gives_a_legal_state_and_leaves_the_one_before_alone(modules):
    dice = random.Random(7)
    states = []
    for shape, plan in [*random_plans(600, 14), *random_plans(300, 15, works=False)]:
        path = [dice.randint(0, 4) for _ in range(dice.randint(0, 6))]
        states.append({"plan": plan, "input": shape, "selected": nearest_path(plan, path)})
    made, faults = modules.evaluate(
        """async (states) => {
          const edits = await import("./widgets/network_builder_edits.js");
          const { nearestPlan, nearestPath } = await import("./widgets/network_builder_plan.js");
          const { add, move, duplicate, remove, shape, separate, joinBy, addBranch, project, change,
            kernelChange, NEW } = edits;
          const all = {
            up: (s) => move(s, -1), down: (s) => move(s, 1), duplicate, remove, separate, addBranch,
            project, cat: (s) => joinBy(s, "cat"), stride: (s) => change(s, { stride: 3 }),
            row: (s) => kernelChange(s, { form: "row", kernel: 7, padding: 3 }),
          };
          for (const kind of NEW) all[`add ${kind}`] = (s) => add(s, kind);
          for (const name of ["same", "point", "depthwise"]) all[name] = (s) => shape(s, name);
          const made = {};
          const faults = [];
          for (const state of states) {
            for (const [name, edit] of Object.entries(all)) {
              const before = JSON.stringify(state);
              const changes = edit(state);
              if (JSON.stringify(state) !== before) faults.push([name, before]);
              if (!changes) continue;
              made[name] = (made[name] ?? 0) + 1;
              const next = { ...state, ...changes };
              const legal = [nearestPlan(next.plan), nearestPath(next.plan, next.selected)];
              if (JSON.stringify(legal) !== JSON.stringify([next.plan, next.selected])) {
                faults.push([name, before, next]);
              }
            }
          }
          return [made, faults];
        }""",
        states,
    )
    assert faults == []
    assert len(made) == 13 + len(KINDS) + 2 and min(made.values()) > 5, made


# --- A reader's moves -----------------------------------------------------------------------------


def card(page: Page, name: str):
    return page.locator(".nb-card", has_text=name).first


def layer_list(page: Page):
    return page.get_by_role("listbox", name="Layers, from the input down")


def test_the_sums_of_all_are_shown_and_the_text_is_the_modules(show):
    builder = NetworkBuilder("resnet")
    page = show(builder)
    rows = builder.rows()
    kept = kept_bytes(rows, builder.input, 32)
    expect(page.locator(".nb-all-parameters")).to_have_text(f"{sum(r.parameters for r in rows):,}")
    expect(page.locator(".nb-all-macs")).to_have_text(f"{sum(row.macs for row in rows):,}")
    expect(page.locator(".nb-all-memory")).to_have_text(write_bytes(builder.words, sum(kept)))
    expect(page.locator(".nb-all-field")).to_have_text("53×53")
    assert page.locator(".nb-text code").text_content() == builder.code()
    assert page.locator(".nb-card").count() == len(builder.built().entries)


@pytest.mark.parametrize("width", [1280, 390])
def test_a_network_is_built_from_nothing_by_keys(show, width):
    page = show(make(), width=width)
    page.get_by_label("Start from").select_option("empty")
    assert chosen(page, "plan", "selected") == {"plan": [], "selected": []}
    menu, put = page.get_by_label("New layer"), page.get_by_role("button", name="Add behind the")
    for kind in ("conv", "relu", "residual", "max", "flatten", "linear"):
        menu.select_option(kind)
        put.press("Enter")
    plan = chosen(page, "plan")["plan"]
    assert [layer[0] for layer in plan] == ["conv", "relu", "add", "max", "flatten", "linear"]
    assert build(plan, [1, 12, 10]).fault is None
    layer_list(page).focus()
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    assert chosen(page, "selected") == {"selected": [2, 1]}
    page.keyboard.press("ArrowLeft")
    assert chosen(page, "selected") == {"selected": [2, 0]}
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Alt+ArrowDown")
    assert [layer[0] for layer in chosen(page, "plan")["plan"]][:2] == ["relu", "conv"]
    page.keyboard.press("Delete")
    assert [layer[0] for layer in chosen(page, "plan")["plan"]][:2] == ["relu", "add"]
    expect(layer_list(page)).to_be_focused()


def test_a_broken_sum_says_why_and_a_projection_mends_it(show):
    builder = make(selected=[1, 0, 0])
    page = show(builder)
    stride = page.get_by_role("slider", name="Stride")
    stride.press("ArrowRight")
    why = card(page, "Branches, added").locator(".nb-fault")
    expect(why).to_have_text("Branch 2 gives 4×12×10, branch 1 4×6×5: they cannot be added.")
    expect(page.locator(".nb-faults")).to_contain_text("1 layer does not fit")
    expect(page.locator(".nb-text")).to_be_hidden()
    expect(card(page, "Max pooling")).to_contain_text("waits for the layers before it")
    card(page, "Branches, added").click()
    page.get_by_role("button", name="Project by 1×1").click()
    expect(page.locator(".nb-fault").first).to_be_hidden()
    plan = chosen(page, "plan")["plan"]
    assert plan[1][2] == [["conv", 4, 1, 2]]
    assert page.locator(".nb-text code").text_content() == write_code(
        plan, build(plan, [1, 12, 10])
    )
    page.get_by_role("button", name="Undo").click()
    expect(why).to_be_visible()


def test_the_buttons_of_a_convolution_set_it(show):
    page = show(make(plan=[["conv", 6], ["conv", 12, 5]], selected=[1]))
    press = {
        "Depthwise": [["conv", 6], ["conv", 6, 5, 1, 0, 1, 6]],
        "Separable": [["conv", 6], ["conv", 6, 5, 1, 0, 1, 6, 0], ["conv", 12, 1]],
        "1×1": [["conv", 6], ["conv", 12, 1]],
        "Keep the size": [["conv", 6], ["conv", 12, 5, 1, 2]],
    }
    for name, plan in press.items():
        page.get_by_role("button", name=name, exact=True).click()
        assert chosen(page, "plan") == {"plan": plan}
        page.get_by_role("button", name="Undo").click()
    page.get_by_label("Kernel’s form").select_option("row")
    assert chosen(page, "plan")["plan"][1] == ["conv", 12, [1, 5]]
    page.get_by_role("slider", name="Padding").press("ArrowRight")
    assert chosen(page, "plan")["plan"][1] == ["conv", 12, [1, 5], 1, [0, 1]]
    page.get_by_label("Output channels").fill("5000")
    page.get_by_label("Output channels").press("Enter")
    expect(page.get_by_text("A whole number from 1 to 1024")).to_be_visible()
    assert chosen(page, "plan")["plan"][1][1] == 12


def test_a_pool_rounds_up_where_its_box_is_ticked(show):
    page = show(make(plan=[["max", 3, 2]], selected=[0]))  # 12 x 10 pixels
    box = page.get_by_label("Round sizes up")
    expect(card(page, "Max pooling")).to_contain_text("1×5×4")
    box.check()
    assert chosen(page, "plan")["plan"] == [["max", 3, 2, 0, 1]]
    expect(card(page, "Max pooling")).to_contain_text("1×6×5")
    expect(page.locator(".nb-text code")).to_contain_text("stride=2, ceil_mode=True)")
    page.get_by_role("button", name="Undo").click()
    expect(box).not_to_be_checked()


def test_what_the_middle_unit_sees_is_drawn_where_it_lies(show):
    builder = NetworkBuilder("resnet", selected=[5])
    page = show(builder)
    built = builder.built()
    for path in ([0], [9], [5]):
        choose(page, selected=path)
        settle(page)
        row = next(entry.row for entry in built.entries if list(entry.path) == path)
        seen = seen_from(built.rows, row, builder.input)
        for name, ranges in ((".nb-seen", seen.seen), (".nb-whole", seen.whole)):
            drawn = page.locator(name).evaluate(
                """(rect) => ["y", "height", "x", "width"]
                    .map((name) => Number(rect.getAttribute(name)))"""
            )
            [[top, bottom], [left, right]] = ranges
            assert drawn == [top, bottom - top + 1, left, right - left + 1]
    expect(page.locator(".nb-sees")).to_contain_text(f"{seen.share / 10:g}\u00a0%")


def test_a_link_with_a_whole_network_is_short(show):
    page = show(NetworkBuilder("lenet"))
    page.get_by_label("Start from").select_option("mobilenet")
    page.locator(".cnn-share summary").click()
    address = re.compile(r"#cnn=1&widget=network_builder\.0&plan=")
    expect(page.locator(".cnn-link")).to_have_value(address)
    assert len(page.locator(".cnn-link").input_value()) < 1500


def test_the_copy_button_copies_the_text(show):
    builder = make()
    page = show(builder)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator(".nb-told")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == builder.code()
