"""The receptive field explorer as a reader meets it: pointer, keys, screen reader, phone."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from torch import nn

from cnnlib.trace import seen_by, trace
from cnnlib.widgets.receptive_field_explorer import ReceptiveFieldExplorer
from tests.browser.model import settle
from tests.test_widgets_receptive_field_explorer import NETWORKS, traced, words

IN_JS = """
async (states) => {
  const { makeWords } = await import("./widgets/kit/words.js");
  const { expand, seen, seenThrough } =
    await import("./widgets/receptive_field_explorer_sums.js");
  const { growth, sentence, borderSentence } =
    await import("./widgets/receptive_field_explorer_words.js");
  const plain = (windows, row) => (
    Array.from({ length: row + 1 }, (_, i) => windows.get(i - 1) ?? null));
  return JSON.stringify(states.map(({ fixed: { rows }, texts }) => {
    const say = makeWords(texts);
    const network = expand(rows, say("input"));
    return rows.map((_, row) => {
      const answers = [];
      const { grid, inputs } = network.at(row);
      for (let y = 0; y < grid[0]; y += 1) for (let x = 0; x < grid[1]; x += 1) {
        const clipped = seen(network, row, [y, x]);
        const whole = seen(network, row, [y, x], false);
        answers.push({
          clipped: plain(clipped, row),
          whole: plain(whole, row),
          through: inputs.map((_, which) => seenThrough(network, row, [y, x], which)),
          says: sentence(say, network, row, [y, x], clipped.get(-1)),
          border: borderSentence(say, whole.get(-1), clipped.get(-1), network.at(-1).grid),
        });
      }
      return { answers, growth: growth(say, network, row).map((line) => line.text ?? line.sum) };
    });
  }));
}
"""


class RandomNet(nn.Module):
    """Layers, branches and joins drawn by lot; what does not fit is drawn again."""

    def __init__(self, seed: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.lot = np.random.default_rng(seed)
        self.steps = nn.ModuleList()
        self.plan: list[tuple[str, list[int]]] = []
        maps = [torch.zeros(1, 2, *size)]
        while len(self.plan) < 6:
            kind = self.lot.choice(["layer", "layer", "cat", "add"])
            reads = [int(self.lot.integers(len(maps)))]
            if kind == "layer":
                step = self.layer()
            else:
                step = nn.Identity()
                reads += [i for i, m in enumerate(maps) if m.shape[2:] == maps[reads[0]].shape[2:]]
                reads = sorted(set(reads))[-3:]
                if len(reads) < 2:
                    continue
            try:
                out = self.run(kind, step, [maps[i] for i in reads])
            except (RuntimeError, ValueError):  # the window is larger than the map
                continue
            if not 2 <= min(out.shape[2:]) <= max(out.shape[2:]) <= 10:
                continue
            self.steps.append(step)
            self.plan.append((kind, reads))
            maps.append(out)

    def layer(self) -> nn.Module:
        pick = lambda low, high: tuple(int(i) for i in self.lot.integers(low, high, 2))  # noqa: E731
        match self.lot.integers(6):
            case 0 | 1:
                return nn.Conv2d(2, 2, pick(1, 5), pick(1, 3), pick(0, 3), pick(1, 3))
            case 2:
                return nn.MaxPool2d((3, 2), pick(1, 3), (1, 0), ceil_mode=True)
            case 3:
                return nn.ConvTranspose2d(
                    2, 2, pick(1, 4), pick(1, 4), pick(0, 1), dilation=pick(1, 3)
                )
            case 4:
                return nn.Upsample(scale_factor=2, mode="bilinear")
        return nn.ReflectionPad2d(1)

    @staticmethod
    def run(kind: str, step: nn.Module, maps: list[torch.Tensor]) -> torch.Tensor:
        if kind == "layer":
            return step(maps[0])
        return torch.cat(maps, 1)[:, :2] if kind == "cat" else sum(maps[1:], maps[0])

    def forward(self, x):
        maps = [x]
        for (kind, reads), step in zip(self.plan, self.steps, strict=True):
            maps.append(self.run(kind, step, [maps[i] for i in reads]))
        return maps[-1]


def random_networks() -> list[list]:
    return [trace(RandomNet(seed, (5, 7)), (1, 2, 5, 7)) for seed in range(30)]


def hulls(rows, row, unit, clip) -> list:
    """Python's answer as the page's: for the input and each row below, [first, last] an axis."""
    seen = seen_by(rows, row, unit, clip)
    return [
        [[r[0], r[-1]] for r in seen[number]] if all(seen.get(number, [()])) else None
        for number in range(-1, row)
    ]


def none_where_empty(windows) -> list:
    return [w if w and None not in w else None for w in windows]


@pytest.fixture
def in_js(show):
    """in_js(networks) -> what the page's sums say of every unit of every row of each."""
    page = show(ReceptiveFieldExplorer(traced("chain")))
    return lambda networks: json.loads(
        page.evaluate(IN_JS, [ReceptiveFieldExplorer(rows).page_state() for rows in networks])
    )


# --- The sums -----------------------------------------------------------------------------------


def test_every_window_of_every_unit_equals_trace_seen_by(in_js):
    networks = [traced(name) for name in NETWORKS] + random_networks()
    count = 0
    for rows, answers in zip(networks, in_js(networks), strict=True):
        for row, answer in enumerate(answers):
            units = list(np.ndindex(rows[row].grid))
            assert len(units) == len(answer["answers"])
            for unit, js in zip(units, answer["answers"], strict=True):
                unit = tuple(int(i) for i in unit)
                assert none_where_empty(js["clipped"]) == hulls(rows, row, unit, True)
                assert none_where_empty(js["whole"]) == hulls(rows, row, unit, False)
                count += 1
    assert count > 9_000


def test_every_branchs_own_window_equals_seen_by_with_that_branch_alone(in_js):
    names = ["branches", "residual", "misaligned", "unet", "gate"]
    joins = 0
    for rows, answers in zip(map(traced, names), in_js(map(traced, names)), strict=True):
        for number, row in enumerate(rows):
            for which, source in enumerate(row.inputs):
                alone = [*rows[:number], replace(row, inputs=(source,))]
                units = [tuple(map(int, unit)) for unit in np.ndindex(row.grid)]
                expected = [hulls(alone, number, unit, True)[0] for unit in units]
                found = [answer["through"][which] for answer in answers[number]["answers"]]
                assert none_where_empty(found) == expected
            joins += len(row.inputs) > 1
    assert joins == 6


def test_the_page_and_python_say_the_same_of_every_unit(in_js):
    for name in ["chain", "branches", "unet", "gate", "gaps"]:
        rows = traced(name)
        explorer = ReceptiveFieldExplorer(rows)
        for row, answer in enumerate(in_js([rows])[0]):
            for unit, js in zip(np.ndindex(rows[row].grid), answer["answers"], strict=True):
                explorer.choose(layer=row, unit=unit)
                assert explorer.text_alternative().endswith(f". {js['says']}")


def test_border_words_count_what_lies_in_the_padding(in_js):
    clipped = 0
    for name in ["chain", "branches", "residual", "unet", "only padding"]:
        rows = traced(name)
        size = rows[0].in_shape[2:]
        for row, answer in enumerate(in_js([rows])[0]):
            for unit, js in zip(np.ndindex(rows[row].grid), answer["answers"], strict=True):
                unit = tuple(int(i) for i in unit)
                whole = seen_by(rows, row, unit, clip=False)[-1]
                real = seen_by(rows, row, unit)[-1]
                if not all(real):
                    assert js["border"] == ""
                    continue
                expected = {}
                for noun, seen, count, before, after in zip(
                    ("row", "column"), whole, size, ("above", "left of"), ("below", "right of"),
                    strict=True,
                ):  # fmt: skip
                    expected[noun, before] = sum(i < 0 for i in seen)
                    expected[noun, after] = sum(i >= count for i in seen)
                found = dict.fromkeys(expected, 0)
                for count, noun, side in re.findall(
                    r"(\d+) (row|column)s? (above|below|left of|right of)", js["border"]
                ):
                    found[noun, side] = int(count)
                assert found == expected
                assert (js["border"] == "The border clips nothing.") == (whole == real)
                clipped += whole != real
    assert clipped > 200


def test_the_sum_of_a_step_is_the_traced_field(in_js):
    sums = 0
    for name in NETWORKS:
        rows = traced(name)
        for layer, answer in zip(rows, in_js([rows])[0], strict=True):
            lines = [line for line in answer["growth"] if " · " in line and line[-1].isdigit()]
            for line in lines:
                size, step = (int(number) for number in re.findall(r"= (\d+)", line))
                axes = {"rows": [0], "columns": [1]}.get(line.split(":")[0], [0, 1])
                assert {(layer.field[a].size, layer.field[a].stride) for a in axes} == {
                    (size, step)
                }
                sums += 1
    assert sums > 15


def test_a_sum_by_hand(in_js):
    """3x5, stride 2x1, then a 2x2 pool, then 3x3 with dilation 2: 3, 5, 13 rows and 5, 6, 14."""
    growth = [answer["growth"] for answer in in_js([traced("chain")])[0]]
    assert growth[0][-2:] == [
        "rows: size 1 + (3 − 1) · 1 = 3; step 1 · 2 = 2",
        "columns: size 1 + (5 − 1) · 1 = 5; step 1 · 1 = 1",
    ]
    assert growth[1] == ["1 reads one unit of 0, at the same place: the window stays as it is."]
    assert growth[3][0] == "3 reads 3×3 units of 2, 2 apart: they span 5×5."
    assert growth[3][-2:] == [
        "rows: size 5 + (5 − 1) · 4 = 21; step 4 · 1 = 4",
        "columns: size 6 + (5 − 1) · 2 = 14; step 2 · 1 = 2",
    ]


def test_the_graph_beside_the_list_has_every_link_and_no_two_lanes_cross(show):
    rows = traced("branches")
    page = show(ReceptiveFieldExplorer(rows))
    state = ReceptiveFieldExplorer(rows).page_state()
    lines = page.evaluate(
        """async ({ fixed: { rows } }) => {
          const { expand, lanes } = await import("./widgets/receptive_field_explorer_sums.js");
          return lanes(expand(rows, ""), [-1, ...rows.keys()]);
        }""",
        state,
    )
    links = {(line["from"] - 1, line["to"] - 1) for line in lines}
    assert links == {(source, row) for row, x in enumerate(rows) for source in x.inputs}
    for one in lines:
        assert (one["lane"] == 0) == (one["to"] == one["from"] + 1)
        for other in lines:
            if one["lane"] == other["lane"] > 0 and one["from"] < other["from"]:
                assert one["to"] <= other["from"]


# --- What the reader does -----------------------------------------------------------------------


def state(page, name: str):
    return page.evaluate("name => document.querySelector('.cnn-place').cnnModel.get(name)", name)


def says(page, text: str) -> None:
    expect(page.locator(".cnn-rf-summary")).to_contain_text(text)


def box_on(page, part: str, surface: str) -> list[float]:
    """[left, top, right, bottom] of one drawn rectangle as parts of another."""
    return page.evaluate(
        """([part, surface]) => {
          const [a, b] = [part, surface].map((name) => document.querySelector(name).getBBox());
          return [(a.x - b.x) / b.width, (a.y - b.y) / b.height,
                  (a.x + a.width - b.x) / b.width, (a.y + a.height - b.y) / b.height];
        }""",
        [part, surface],
    )


UNITS, UNIT = ".cnn-rf-units .cnn-rf-map", ".cnn-rf-units .cnn-rf-unit"
INPUT, WINDOW = ".cnn-rf-picture .cnn-rf-input", ".cnn-rf-window"


def press_at(page, surface: str, down: float, across: float) -> None:
    page.locator(surface).scroll_into_view_if_needed()
    box = page.locator(surface).bounding_box()
    page.mouse.click(box["x"] + across * box["width"], box["y"] + down * box["height"])


def branched() -> list:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
            self.near = nn.Conv2d(4, 2, 1)
            self.far = nn.Conv2d(4, 2, 5, padding=2)

        def forward(self, x):
            x = self.conv(x)
            return torch.cat([self.near(x), self.far(x)], 1)

    return trace(Net(), (1, 3, 24, 32))  # conv, near, far: (12, 16) units; cat


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_press_on_the_units_picks_one_and_frames_what_it_sees(show, theme, width):
    rows = branched()
    page = show(ReceptiveFieldExplorer(rows, layer=2), theme=theme, width=width)
    press_at(page, UNITS, 3.5 / 12, 14.5 / 16)
    # far reads conv rows 1-5 and columns 12-16, of which 16 is not there: pixels 1-11 and 23-31
    says(
        page, "Unit (3, 14) of far sees rows 1–11, columns 23–31 of the input: 11×9 pixels; step 2."
    )
    assert state(page, "unit") == [3, 14]
    left, top, right, bottom = box_on(page, WINDOW, INPUT)
    assert [left * 32, right * 32, top * 24, bottom * 24] == pytest.approx([23, 32, 1, 12], abs=0.3)
    left, top, right, bottom = box_on(page, UNIT, UNITS)
    assert [left * 16, right * 16, top * 12, bottom * 12] == pytest.approx([14, 15, 3, 4], abs=0.3)


def test_dragging_moves_the_unit_along(show):
    page = show(ReceptiveFieldExplorer(branched(), layer=0))
    box = page.locator(UNITS).bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 2, box["y"] + box["height"] / 2 + 2, steps=4)
    says(page, "Unit (6, 8) of conv")
    page.mouse.move(box["x"] + 3 * box["width"], box["y"] - 50, steps=4)
    says(page, "Unit (0, 15) of conv")
    page.mouse.up()
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] - 2)
    settle(page)
    assert state(page, "unit") == [0, 15]


@pytest.mark.parametrize("pointer", ["touch", "pen"])
@pytest.mark.parametrize("surface", ["units", "input"])
def test_a_finger_and_a_pen_drag_the_unit_along(show, pointer, surface):
    surface = {"units": UNITS, "input": INPUT}[surface]
    page = show(ReceptiveFieldExplorer(branched(), layer=2), width=390, has_touch=True)
    page.locator(surface).scroll_into_view_if_needed()
    box = page.locator(surface).bounding_box()
    device = page.context.new_cdp_session(page)
    for step in range(9):
        kind = min(step, 1) if step < 8 else 2  # press, move ..., lift
        x = box["x"] + box["width"] * (0.1 + 0.8 * min(step, 7) / 7)
        y = box["y"] + box["height"] * 0.3
        if pointer == "touch":
            points = [{"x": x, "y": y}] if kind < 2 else []
            send = {"type": ("touchStart", "touchMove", "touchEnd")[kind], "touchPoints": points}
            device.send("Input.dispatchTouchEvent", send)
        else:
            kind = ("mousePressed", "mouseMoved", "mouseReleased")[kind]
            rest = {"button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"}
            device.send("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **rest})
    says(page, "Unit (3, 14) of far")
    page.get_by_role("button", name="Undo").click()
    says(page, "Unit (6, 8) of far")  # the drag was one move


def test_a_finger_that_scrolls_over_the_image_picks_nothing(show):
    page = show(ReceptiveFieldExplorer(branched(), layer=2), width=390, has_touch=True)
    page.locator(INPUT).scroll_into_view_if_needed()
    box = page.locator(INPUT).bounding_box()
    before = page.evaluate("scrollY")
    device = page.context.new_cdp_session(page)
    for step in range(9):
        y = box["y"] + box["height"] * (0.9 - 0.1 * step)
        points = [{"x": box["x"] + 20, "y": y}] if step < 8 else []
        kind = "touchStart" if step == 0 else "touchMove" if step < 8 else "touchEnd"
        device.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.wait_for_function("(before) => scrollY > before", arg=before)
    assert state(page, "unit") == [6, 8]


def test_a_press_on_the_image_picks_the_unit_over_it(show):
    page = show(ReceptiveFieldExplorer(branched(), layer=2))
    press_at(page, INPUT, 20.5 / 24, 9.5 / 32)
    says(page, "Unit (10, 4) of far")


def test_a_tap_picks_a_unit_on_a_phone(show):
    page = show(ReceptiveFieldExplorer(branched(), layer=2), width=390, has_touch=True)
    page.locator(UNITS).scroll_into_view_if_needed()
    box = page.locator(UNITS).bounding_box()
    page.touchscreen.tap(box["x"] + 0.5 / 16 * box["width"], box["y"] + 11.5 / 12 * box["height"])
    says(page, "Unit (11, 0) of far")


def test_arrow_keys_move_the_unit_and_stop_at_the_edge(show):
    page = show(ReceptiveFieldExplorer(branched(), layer=2, unit=[0, 3]))
    page.locator(".cnn-rf-units").focus()
    for key, unit in [
        ("ArrowDown", (1, 3)), ("ArrowRight", (1, 4)), ("ArrowUp", (0, 4)), ("ArrowUp", (0, 4)),
        ("End", (0, 15)), ("ArrowRight", (0, 15)), ("Home", (0, 0)), ("ArrowLeft", (0, 0)),
    ]:  # fmt: skip
        page.keyboard.press(key)
        says(page, f"Unit {unit} of far")
    expect(page.locator(".cnn-spoken")).to_contain_text("Unit (0, 0) of far sees rows 0–5")


def test_sliders_choose_layer_and_unit(show):
    page = show(ReceptiveFieldExplorer(branched(), layer=2, unit=[5, 7]))
    page.get_by_label("Unit: row").fill("11")
    says(page, "Unit (11, 7) of far")
    page.get_by_label("Unit: column").fill("0")
    says(page, "Unit (11, 0) of far")
    slider = page.get_by_label("Layer", exact=True)
    expect(slider).to_have_attribute("aria-valuetext", "far")
    slider.fill("1")
    says(
        page, "Unit (11, 0) of conv sees rows 21–23, columns 0–1 of the input: 3×2 pixels; step 2."
    )
    slider.fill("0")
    says(page, "Pixel (23, 1) of the input sees itself: 1×1 pixel.")
    assert state(page, "layer") == -1


def test_sliding_through_layers_grows_the_window_about_one_place(show):
    rows = trace(nn.Sequential(*(nn.Conv2d(1, 1, 3, stride=2) for _ in range(4))), (1, 1, 63, 95))
    page = show(ReceptiveFieldExplorer(rows, layer=-1, unit=[31, 47]))
    sizes = []
    for at in range(5):
        page.get_by_label("Layer", exact=True).fill(str(at))
        expect(page.locator(".cnn-rf-stage")).to_contain_text(f"window {2 ** (at + 1) - 1}×")
        left, top, right, bottom = box_on(page, WINDOW, INPUT)
        sizes.append((bottom - top) * 63)
        assert top <= 31.5 / 63 <= bottom
        assert left <= 47.5 / 95 <= right
    assert sizes == sorted(sizes)
    for at in range(4, -1, -1):
        page.get_by_label("Layer", exact=True).fill(str(at))
    says(page, "Pixel (31, 47) of the input")


def test_the_list_shows_the_units_window_in_every_layer_below(show):
    rows = traced("branches")
    names = [row.name for row in rows]
    chosen, unit = names.index("cat"), (2, 5)
    page = show(ReceptiveFieldExplorer(rows, layer=chosen, unit=unit))
    seen = seen_by(rows, chosen, unit)
    entries = page.get_by_role("option")
    assert entries.count() == len(rows) + 1
    for number, ranges in seen.items():
        entry = entries.nth(len(rows) - 1 - number)
        if number == chosen:
            expect(entry).to_contain_text("unit (2, 5)")
        elif all(ranges):
            head, size = re.fullmatch(
                r"sees (.*) of the input: (\S+) pixels?", words(ranges)
            ).groups()
            expect(entry).to_contain_text(f"{size}: {head}")
    for number in range(chosen + 1, len(rows)):
        assert "row" not in entries.nth(len(rows) - 1 - number).inner_text()


def test_the_list_chooses_a_layer_by_press_and_by_key(show):
    page = show(ReceptiveFieldExplorer(branched(), layer=0, unit=[5, 7]))
    page.get_by_role("option", name="far").click()
    says(page, "Unit (5, 7) of far")
    expect(page.get_by_role("option", selected=True)).to_contain_text("far")
    page.get_by_role("listbox").focus()
    for key, name in [
        ("ArrowUp", "cat"), ("ArrowUp", "cat"), ("ArrowDown", "far"), ("End", "the input"),
        ("Home", "cat"),
    ]:  # fmt: skip
        page.keyboard.press(key)
        says(page, f"of {name}")
    chosen = page.get_by_role("option", selected=True)
    assert page.get_by_role("listbox").get_attribute(
        "aria-activedescendant"
    ) == chosen.get_attribute("id")


def test_a_join_lists_its_branches_and_leads_to_them(show):
    page = show(ReceptiveFieldExplorer(branched(), layer=3, unit=[0, 8]))
    branches = page.locator(".cnn-rf-branches li")
    expect(branches.nth(0)).to_have_text("near sees rows 0–1, columns 15–17: 2×3; step 2")
    expect(branches.nth(1)).to_have_text("far sees rows 0–5, columns 11–21: 6×11; step 2")
    assert page.locator(".cnn-rf-branch[width]").count() == 2
    expect(page.locator(".cnn-rf-branches")).to_contain_text("Aligned")
    page.get_by_role("button", name="far").press("Enter")
    says(page, "of far")
    expect(page.locator(".cnn-rf-branches")).to_be_hidden()
    expect(page.get_by_role("listbox")).to_be_focused()


def test_a_join_out_of_line_is_flagged(show):
    rows = traced("misaligned")
    assert not rows[-1].aligned
    page = show(ReceptiveFieldExplorer(rows))
    expect(page.locator(".cnn-rf-branches")).to_contain_text("≠ Not aligned")
    expect(page.get_by_role("option", selected=True)).to_contain_text("≠ not aligned")


def test_the_border_is_told_in_words_and_hatched(show):
    rows = trace(
        nn.Sequential(nn.Conv2d(1, 1, 5, padding=2), nn.Conv2d(1, 1, 3, padding=1)), (1, 1, 20, 30)
    )
    page = show(ReceptiveFieldExplorer(rows, unit=[1, 29]))
    expect(page.locator(".cnn-rf-says")).to_contain_text(
        "The whole window is 7×7, of which 2 rows above and 3 columns right of the image "
        "lie in the padding."
    )
    expect(page.locator(".cnn-rf-stage")).to_contain_text("hatched: padding")
    page.locator(".cnn-rf-units").press("ArrowDown")
    page.locator(".cnn-rf-units").press("ArrowDown")
    for _ in range(3):
        page.locator(".cnn-rf-units").press("ArrowLeft")
    expect(page.locator(".cnn-rf-says")).to_contain_text("The border clips nothing.")
    expect(page.locator(".cnn-rf-stage")).not_to_contain_text("hatched")


def test_a_unit_that_sees_nothing_says_so(show):
    rows = traced("gaps")
    page = show(ReceptiveFieldExplorer(rows, layer=0, unit=[3, 3]))
    says(page, "Unit (3, 3) of 0 sees row 1, column 1 of the input: 1×1 pixel")
    expect(page.locator(WINDOW)).to_be_visible()
    page.locator(".cnn-rf-units").press("ArrowUp")
    says(page, "Unit (2, 3) of 0 sees nothing of the input.")
    expect(page.locator(WINDOW)).to_be_hidden()
    page.locator(".cnn-rf-units").press("ArrowDown")
    says(page, "Unit (3, 3) of 0 sees row 1")
    expect(page.locator(WINDOW)).to_be_visible()


def test_a_vector_sees_everything_and_has_no_place(show):
    page = show(ReceptiveFieldExplorer(traced("chain"), layer=5))
    says(page, "Every unit of 5 sees rows 0–10, columns 0–8 of the input: 11×9 pixels.")
    expect(page.locator(".cnn-rf-stage")).to_contain_text("5 units, no places")
    expect(page.get_by_label("Unit: row")).to_be_disabled()
    press_at(page, UNITS, 0.5, 0.9)
    assert state(page, "unit") == [0, 0]


def test_python_can_move_layer_and_unit(show):
    page = show(ReceptiveFieldExplorer(branched(), layer=0))
    page.evaluate(
        """() => { const model = document.querySelector('.cnn-place').cnnModel;
                   model.set('layer', 2); model.set('unit', [11, 15]); }"""
    )
    says(page, "Unit (11, 15) of far")
    expect(page.get_by_label("Unit: column")).to_have_value("15")


def test_the_image_lies_under_the_window_with_its_words(show):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    page = show(ReceptiveFieldExplorer(branched(), pixels, image_alt="coloured noise", layer=2))
    image = page.get_by_role("img", name="coloured noise")
    expect(image).to_have_attribute("href", re.compile("^data:image/png"))
    assert box_on(page, ".cnn-rf-picture image", INPUT) == pytest.approx([0, 0, 1, 1])
    shown = page.evaluate(
        """async (href) => {
          const picture = await createImageBitmap(await (await fetch(href)).blob());
          const canvas = new OffscreenCanvas(picture.width, picture.height);
          const context = canvas.getContext("2d");
          context.drawImage(picture, 0, 0);
          return [...context.getImageData(0, 0, picture.width, picture.height).data];
        }""",
        image.get_attribute("href"),
    )
    np.testing.assert_array_equal(np.reshape(shown, (24, 32, 4))[..., :3], pixels)


def test_predicting_hides_the_answer_until_it_is_asked_for(show):
    page = show(ReceptiveFieldExplorer(branched(), layer=2, unit=[5, 7], predict=True))
    says(page, "Predict: which part of the input is seen by unit (5, 7) of far?")
    hidden = [WINDOW, ".cnn-rf-funnel", ".cnn-rf-says p >> nth=1", "text=field 11×11 >> nth=0"]
    for part in hidden:
        expect(page.locator(part)).to_be_hidden()
    page.get_by_role("button", name="Show the window").press("Enter")
    says(page, "Unit (5, 7) of far sees rows 5–15, columns 9–19")
    for part in hidden:
        expect(page.locator(part)).to_be_visible()
    page.locator(".cnn-rf-units").press("ArrowDown")
    says(page, "Unit (6, 7) of far sees")
    page.get_by_role("button", name="Hide the window").press("Enter")
    says(page, "Predict: which part of the input is seen by unit (6, 7) of far?")
    for part in hidden:
        expect(page.locator(part)).to_be_hidden()


def test_a_link_may_ask_for_a_guess(show):
    page = show(ReceptiveFieldExplorer(branched(), layer=2, unit=[5, 7]))
    expect(page.get_by_role("button", name="the window")).to_be_hidden()
    page.evaluate("location.hash = '#cnn=1&widget=receptive_field_explorer.0&shown=false'")
    says(page, "Predict: which part of the input is seen by unit (5, 7) of far?")
    expect(page.locator(WINDOW)).to_be_hidden()
    reveal = page.get_by_role("button", name="Show the window")
    reveal.press("Enter")
    says(page, "Unit (5, 7) of far sees rows 5–15, columns 9–19")
    expect(page.get_by_role("button", name="Hide the window")).to_be_focused()


def deep() -> list:
    """As deep as ResNet-152: 50 blocks of three convolutions with shortcuts, and its strides."""

    class Block(nn.Module):
        def __init__(self, stride: int) -> None:
            super().__init__()
            self.conv1, self.bn1, self.relu1 = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.ReLU()
            self.conv2, self.bn2 = nn.Conv2d(2, 2, 3, stride, 1), nn.BatchNorm2d(2)
            self.relu2 = nn.ReLU()
            self.conv3, self.bn3, self.relu3 = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.ReLU()
            self.down = nn.Conv2d(2, 2, 1, stride) if stride > 1 else nn.Identity()

        def forward(self, x):
            y = self.relu1(self.bn1(self.conv1(x)))
            y = self.bn3(self.conv3(self.relu2(self.bn2(self.conv2(y)))))
            return self.relu3(y + self.down(x))

    strides = [1 + (block in (3, 11, 47)) for block in range(50)]
    stem = [nn.Conv2d(3, 2, 7, 2, 3), nn.MaxPool2d(3, 2, 1)]
    return trace(nn.Sequential(*stem, *map(Block, strides)), (1, 3, 299, 299))


def test_a_network_of_five_hundred_rows_scrolls_and_hides(show):
    rows = deep()
    assert len(rows) > 450
    page = show(ReceptiveFieldExplorer(rows, layer=300))
    box = page.get_by_role("checkbox", name=re.compile("Leave out"))
    expect(box).to_be_checked()
    assert page.get_by_role("option").count() < 200
    chosen = page.get_by_role("option", selected=True)
    expect(chosen).to_be_in_viewport()
    box.uncheck()
    expect(page.get_by_role("option")).to_have_count(len(rows) + 1)
    expect(page.get_by_role("option", selected=True)).to_be_in_viewport()


def test_the_focus_can_be_seen_on_the_units(show):
    page = show(ReceptiveFieldExplorer(branched(), layer=2))
    ring = page.locator(".cnn-rf-ring")
    stroke = "node => getComputedStyle(node).stroke"
    assert ring.evaluate(stroke) == "none"
    page.get_by_label("Unit: column").focus()
    page.keyboard.press("Tab")
    expect(page.locator(".cnn-rf-units")).to_be_focused()
    assert ring.evaluate(stroke) != "none"
