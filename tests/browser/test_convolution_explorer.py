"""The convolution explorer in a browser: its sums, and what pointer, keyboard and eyes find."""

import contextlib
import io
import itertools
import random
import re

import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import expect

from cnnlib.widgets.convolution_explorer import FIXED, ConvolutionExplorer
from cnnlib.widgets.convolution_explorer_sums import (
    LIMITS,
    PRESETS,
    SETTINGS,
    preset_of,
)
from tests.browser.axe import axe_finds
from tests.browser.model import choose, settle

MODULE = "./widgets/convolution_explorer_sums.js"
SCENE = "./widgets/convolution_explorer_scene.js"


def state_of(page) -> dict:
    """The traits as the page's model has them now."""
    return page.evaluate("document.querySelector('[data-cnn-widget]').cnnModel.state")


def settings_of(page) -> dict:
    return {name: state_of(page)[name] for name in SETTINGS}


def cell(page, kind: str, row: int, column: int):
    """A cell by its place in the drawn grid, counted from 0."""
    rows = page.locator(f".cx-panel.cx-{kind} [role=row]")
    return rows.nth(row).locator("[role=gridcell]").nth(column)


def drawn(page, kind: str) -> list[list[dict]]:
    """Every cell of a grid: text, corner note, label and classes."""
    settle(page)
    return page.evaluate(
        """(kind) => [...document.querySelectorAll(`.cx-panel.cx-${kind} [role=row]`)].map((row) =>
          [...row.querySelectorAll("[role=gridcell]")].map((node) => ({
            text: node.textContent,
            note: node.dataset.note ?? "",
            label: node.getAttribute("aria-label"),
            looks: [...node.classList].map((name) => name.replace("cx-", "")) })))""",
        kind,
    )


def places(page, kind: str, *looks: str) -> set[tuple[int, int]]:
    """Drawn places of the cells that have one of the classes."""
    return {
        (y, x)
        for y, row in enumerate(drawn(page, kind))
        for x, one in enumerate(row)
        if set(looks) & set(one["looks"])
    }


def shown_numbers(page, kind: str) -> list[list[float]]:
    return [
        [float(one["text"].replace("−", "-")) for one in row if one["text"] != ""]
        for row in drawn(page, kind)
    ]


def sentence(page) -> str:
    settle(page)
    return page.locator(".cx-meeting .cx-sentence").inner_text()


def arithmetic(page) -> str:
    settle(page)
    return re.sub(r"\s+", " ", page.locator(".cx-meeting .cx-terms").inner_text()).strip()


def shown(page, name: str) -> str:
    """The text of an element of the widget, once it has been drawn."""
    settle(page)
    return page.locator(f".cx-{name}").inner_text()


def slider(page, label: str):
    return page.get_by_role("slider", name=label, exact=True)


# -- the sums, held to Python's


def small_cases() -> list[dict]:
    """Small settings in every mode and view, 1-D and 2-D, legal or not, with numbers."""
    dice = random.Random(5)
    ranges = {
        1: [(1, 2, 5), (1, 2, 3), (1, 2, 3), (0, 1, 3), (1, 2)],
        2: [(1, 4), (1, 3), (1, 2), (0, 2), (1, 2)],
    }
    cases = []
    for dimensions, choices in ranges.items():
        for size, kernel, stride, padding, dilation in itertools.product(*choices):
            for mode, more in [("forward", 0), ("forward", 1)] + [
                ("transposed", more) for more in range(3)
            ]:
                image, weights = (
                    [[dice.randint(-9, 9) / 2 for _ in range(n)] for _ in range(n)]
                    for n in (size, kernel)
                )
                cases.append(
                    dict(dimensions=dimensions, mode=mode, input_size=size, kernel_size=kernel)
                    | dict(stride=stride, padding=padding, dilation=dilation, output_padding=more)
                    | dict(input_values=image if dimensions == 2 else image[0])
                    | dict(kernel_values=weights if dimensions == 2 else weights[0])
                )
    return cases


def test_convolve_equals_pythons_output_in_every_view_and_fault_is_pythons_refusal(show):
    cases = small_cases()
    page = show(ConvolutionExplorer())
    found = page.evaluate(
        f"""async ([cases, constants]) => {{
          const {{ convolve, fault, steps }} = await import("{MODULE}");
          const seen = (s) => [convolve(s, s.input_values, s.kernel_values), steps(s)];
          return cases.map((s) => fault(s, constants) ? null
            : ["scatter", "stuffed"].map((view) => seen({{ ...s, view }})));
        }}""",
        [cases, FIXED],
    )
    explorer, legal = ConvolutionExplorer(), 0
    for case, answer in zip(cases, found, strict=True):
        try:
            explorer.choose(**case)
        except ValueError:
            assert answer is None, case
            continue
        legal += 1
        outputs = explorer.output_size() ** case["dimensions"]
        stamps = case["input_size"] ** case["dimensions"]
        scatter_steps = stamps if case["mode"] == "transposed" else outputs
        assert answer == [[explorer.output(), scatter_steps], [explorer.output(), outputs]], case
    assert legal > 300 and len(cases) - legal > 100


def test_numbers_typed_are_read_as_a_person_means_them(show):
    page = show(ConvolutionExplorer())
    texts = ["2", " -1 ", "0.5", ".5", "0,5", "−3", "+4", "1e3", "", "-", "abc", "1.2.3", "NaN"]
    found = page.evaluate(
        f"async (texts) => texts.map((await import('{SCENE}')).parseNumber)",
        texts,
    )
    assert found == [2, -1, 0.5, 0.5, 0.5, -3, 4, None, None, None, None, None, None]


# -- what lights up, held to the support of torch's gradients

CASES = {
    "padded, strided": dict(input_size=5, kernel_size=2, stride=2, padding=1),
    "dilated": dict(input_size=6, kernel_size=2, dilation=3, padding=1),
    "cut off": dict(preset="padding_strides_odd"),
    "1-D": dict(dimensions=1, input_size=7, kernel_size=3, stride=2, padding=1),
    "scatter": dict(preset="padding_strides_odd_transposed"),
    "scatter, dilated": dict(mode="transposed", input_size=3, kernel_size=2, stride=2, dilation=3),
    "scatter, 1-D": dict(
        dimensions=1, mode="transposed", input_size=4, kernel_size=3, stride=2, padding=1
    ),
}


def jacobian(explorer: ConvolutionExplorer) -> torch.Tensor:
    """Who feeds whom: True at [output place..., input place...], all places as drawn."""
    d = explorer.dimensions
    options = dict(stride=explorer.stride, dilation=explorer.dilation)
    kernel = torch.ones((1, 1, *[explorer.kernel_size] * d))
    size = explorer.input_size
    if explorer.mode == "forward":
        size += 2 * explorer.padding
    inputs = torch.zeros(*[size] * d, requires_grad=True)
    if explorer.mode == "forward":
        outputs = getattr(F, f"conv{d}d")(inputs[None, None], kernel, **options)[0, 0]
    else:
        options["output_padding"] = max(0, explorer.output_padding - explorer.padding)
        function = getattr(F, f"conv_transpose{d}d")
        outputs = function(inputs[None, None], kernel, **options)[0, 0]
    support = torch.zeros(*outputs.shape, *inputs.shape, dtype=torch.bool)
    for place in itertools.product(*map(range, outputs.shape)):
        (gradient,) = torch.autograd.grad(outputs[place], inputs, retain_graph=True)
        support[place] = gradient != 0
    return support if d == 2 else support[None, :, None, :]


def true_places(mask: torch.Tensor) -> set[tuple[int, int]]:
    return {tuple(place) for place in mask.nonzero().tolist()}


@pytest.mark.parametrize("way", ["pointer", "keyboard"])
@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_input_and_output_cells_light_up_all_that_they_touch(show, settings, way):
    explorer = ConvolutionExplorer(**settings)
    feeds = jacobian(explorer)
    page = show(explorer)
    height, width = feeds.shape[2:]
    tall, broad = feeds.shape[:2]
    assert (len(drawn(page, "input")), len(drawn(page, "input")[0])) == (height, width)
    assert (len(drawn(page, "output")), len(drawn(page, "output")[0])) == (tall, broad)

    def look_at(kind, row, column) -> None:
        if way == "pointer":
            cell(page, kind, row, column).hover()
        else:
            cell(page, kind, row, column).focus()
        settle(page)

    for y, x in [(0, 0), (height // 2, width // 2), (height - 1, width - 1), (0, width - 2)]:
        look_at("input", y, x)
        assert places(page, "output", "is-lit") == true_places(feeds[:, :, y, x]), (y, x)
        assert places(page, "input", "is-self") == {(y, x)}
        taps = places(page, "kernel", "is-lit")
        assert len(taps) == int(feeds[:, :, y, x].sum())
    for y, x in [(0, 0), (tall // 2, broad // 2), (tall - 1, broad - 1)]:
        look_at("output", y, x)
        assert places(page, "input", "is-lit") == true_places(feeds[y, x]), (y, x)
        assert places(page, "output", "is-self") == {(y, x)}


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_a_kernel_cell_lights_up_every_input_it_meets_and_the_pair_of_the_step(show, settings):
    explorer = ConvolutionExplorer(**settings)
    page = show(explorer)
    one_way = explorer.dimensions == 1
    v, u = (0, 1) if one_way else (1, 0)
    cell(page, "kernel", v, u).hover()
    settle(page)
    s, d, p = explorer.stride, explorer.dilation, explorer.padding
    if explorer.mode == "forward":
        outputs = range(explorer.output_size())

        def meets(tap: int) -> list[int]:
            return [index * s + tap * d for index in outputs]  # drawn from the padding on

        rows = [0] if one_way else meets(v)
        assert places(page, "input", "is-met", "is-lit") == set(itertools.product(rows, meets(u)))
        assert places(page, "input", "is-lit") == {(rows[0], meets(u)[0])}
        assert places(page, "output", "is-self") == {(0, 0)}
    else:
        inputs = range(explorer.input_size)
        places_ = [0] if one_way else [i * s + v * d for i in inputs]
        arrives = set(itertools.product(places_, [i * s + u * d for i in inputs]))
        assert places(page, "output", "is-met", "is-lit") == arrives
        assert places(page, "output", "is-lit") == {(0 if one_way else v * d, u * d)}
        assert places(page, "input", "is-self") == {(0, 0)}
    assert places(page, "kernel", "is-self") == {(v, u)}
    assert "is used" in sentence(page)
    assert p or "cropped" not in arithmetic(page)


def test_stuffed_view_reads_the_inputs_that_scatter_stamps_with(show):
    explorer = ConvolutionExplorer(preset="padding_strides_odd_transposed", view="stuffed")
    feeds = jacobian(explorer)[1:, 1:]  # the scatter picture without its cropped first row
    page = show(explorer)
    cells = drawn(page, "input")
    real = [
        (y, x) for y, row in enumerate(cells) for x, one in enumerate(row) if "real" in one["looks"]
    ]
    assert len(real) == 9 and len(cells) == 8
    assert sum("stuffed" in one["looks"] for row in cells for one in row) == 25 - 9
    for y, x in [(0, 0), (2, 3), (5, 5)]:
        cell(page, "output", y, x).hover()
        settle(page)
        lit = places(page, "input", "is-lit")
        assert len(lit) == 9
        assert {divmod(real.index(place), 3) for place in lit & set(real)} == true_places(
            feeds[y, x]
        )


def test_stuffed_view_lays_the_kernel_flipped(show):
    explorer = ConvolutionExplorer(
        mode="transposed", input_size=2, kernel_values=[[1, 2], [3, 4]], view="stuffed"
    )
    page = show(explorer)
    assert shown_numbers(page, "kernel") == [[4, 3], [2, 1]]
    page.get_by_role("radio", name="Scatter-add").check(force=True)
    assert shown_numbers(page, "kernel") == [[1, 2], [3, 4]]


def test_moving_away_shows_the_current_step_again(show):
    page = show(ConvolutionExplorer(step=4))
    cell(page, "output", 0, 0).hover()
    assert places(page, "output", "is-self") == {(0, 0)}
    page.mouse.move(2, 2)
    assert places(page, "output", "is-self") == {(1, 1)}
    assert sentence(page).startswith("Step 5 of 9. Output (1, 1)")


# -- the words


def test_arithmetic_of_the_current_cell_is_written_out(show):
    page = show(
        ConvolutionExplorer(
            input_values=[1, 2, -4, 3], kernel_values=[0.5, 1, -2], padding=1, step=1
        )
    )
    assert sentence(page) == "Step 2 of 4. Output [1] reads 3 cells:"
    assert arithmetic(page) == "1×0.5 + 2×1 + (−4)×(−2) = 10.5"
    page.get_by_role("button", name="Back").click()
    assert sentence(page) == "Step 1 of 4. Output [0] reads 3 cells, 1 of them padding:"
    assert arithmetic(page) == "0×0.5 + 1×1 + 2×(−2) = −3"


def test_a_rounded_sum_says_so(show):
    page = show(ConvolutionExplorer(input_values=[1 / 3], kernel_values=[1 / 7]))
    assert arithmetic(page) == "0.3333×0.1429 ≈ 0.0476"


def test_input_and_kernel_cells_say_where_they_go(show):
    page = show(ConvolutionExplorer(preset="padding_strides"))
    cell(page, "input", 3, 4).hover()
    assert sentence(page) == "Input (2, 3) = 2 feeds 2 outputs, each through another weight:"
    assert arithmetic(page) == "2×0 → (1, 1) 2×2 → (1, 2)"
    cell(page, "input", 0, 0).hover()
    assert sentence(page) == "This zero of the padding feeds 1 output:"
    cell(page, "kernel", 0, 1).hover()
    assert sentence(page) == "Weight (0, 1) = 1 is used 9 times, once for each output. At step 1:"
    assert arithmetic(page) == "0×1 → (0, 0)"


def test_scatter_says_what_each_stamp_adds_and_how_far_the_sums_are(show):
    page = show(
        ConvolutionExplorer(
            dimensions=1, mode="transposed", input_values=[2, 5], kernel_values=[1, 3], padding=1
        )
    )
    assert sentence(page) == "Step 1 of 2. Input [0] = 2 stamps 2 × kernel onto the output:"
    assert arithmetic(page) == "2×1 → cropped 2×3 → [0]"
    assert [one["text"] for one in drawn(page, "output")[0]] == ["", "6", ""]
    assert drawn(page, "output")[0][1]["label"] == "position 0: 6 so far"
    page.get_by_role("button", name="Next").click()
    assert [one["text"] for one in drawn(page, "output")[0]] == ["", "11", ""]
    assert drawn(page, "output")[0][1]["label"] == "position 0: 11"
    cell(page, "output", 0, 1).hover()
    assert sentence(page).startswith("Output [0] is the sum of 2 stamps")
    assert arithmetic(page) == "2×3 + 5×1 = 11"


def test_every_kind_of_cell_is_told_by_its_label(show):
    page = show(ConvolutionExplorer(preset="padding_strides_odd"))
    labels = [[one["label"] for one in row] for row in drawn(page, "input")]
    assert labels[0][0] == "row −1, column −1: 0, padding"
    assert labels[1][1] == "row 0, column 0: 3"
    assert labels[7][3] == "row 6, column 2: 0, padding, never read"
    assert page.locator(".cx-panel.cx-input .cx-legend").inner_text().split("\n") == [
        "padding, 0",
        "never read",
    ]
    page.get_by_label("Case").select_option("padding_strides_odd_transposed")
    labels = [[one["label"] for one in row] for row in drawn(page, "output")]
    assert labels[0][3] == "row −1, column 2: cropped by the padding"
    assert labels[1][6] == "row 0, column 5, added by output padding: 0, nothing added yet"
    page.get_by_role("radio", name="Zeros stuffed").check(force=True)
    labels = [[one["label"] for one in row] for row in drawn(page, "input")]
    assert labels[1][2] == "drawn row 0, column 1: 0, stuffed zero"
    assert labels[3][1] == "row 1, column 0: 4"
    assert page.get_by_role("grid", name="Kernel, flipped").count() == 1


@pytest.mark.parametrize(
    ("settings", "numbers", "rest"),
    [
        (
            dict(preset="padding_strides_odd"),
            "o = ⌊(6 + 2 · 1 − 1 · (3 − 1) − 1) / 2⌋ + 1 = ⌊5 / 2⌋ + 1 = 3",
            "the last row and column of the padded input are cut off",
        ),
        (
            dict(dimensions=1, input_size=9, kernel_size=2, stride=5),
            "o = ⌊(9 + 2 · 0 − 1 · (2 − 1) − 1) / 5⌋ + 1 = ⌊7 / 5⌋ + 1 = 2",
            "the last 2 positions of the input are cut off",
        ),
        (
            dict(preset="dilation"),
            "o = ⌊(7 + 2 · 0 − 2 · (3 − 1) − 1) / 1⌋ + 1 = ⌊2 / 1⌋ + 1 = 3",
            "nothing is cut off",
        ),
        (
            dict(preset="padding_strides_odd_transposed"),
            "o = (3 − 1) · 2 − 2 · 1 + 1 · (3 − 1) + 1 + 1 = 6",
            "a output padding",
        ),
    ],
)
def test_size_formula_is_filled_in_with_todays_numbers(show, settings, numbers, rest):
    page = show(ConvolutionExplorer(**settings))
    assert page.locator(".cx-formula").nth(1).inner_text() == numbers
    assert rest in page.locator(".cx-block").first.inner_text()


# -- presets, settings, modes


def test_every_preset_shows_the_guides_sizes_and_its_own_question(show):
    page = show(ConvolutionExplorer())
    for key in PRESETS:
        page.get_by_label("Case").select_option(key)
        explorer = ConvolutionExplorer(preset=key)
        i, k, o = explorer.input_size, explorer.kernel_size, explorer.output_size()
        assert shown(page, "sizes") == f"input {i}×{i} · kernel {k}×{k} · output {o}×{o}"
        assert shown(page, "question") == explorer.words(f"question.{key}")
        assert state_of(page)["preset"] == key
        page.get_by_role("slider", name="Step").press("End")
        texts = [
            [float(one["text"].replace("−", "-")) for one in row if "cropped" not in one["looks"]]
            for row in drawn(page, "output")
        ]
        numbers = {name: state_of(page)[name] for name in ("input_values", "kernel_values")}
        expected = ConvolutionExplorer(preset=key, **numbers).output()
        assert [row for row in texts if row] == expected, key


def test_leaving_a_presets_settings_names_them_ones_own(show):
    page = show(ConvolutionExplorer(preset="dilation"))
    slider(page, "Stride").press("ArrowRight")
    case = page.get_by_label("Case").locator("option:checked")
    expect(case).to_have_text("Your own settings")
    assert state_of(page)["preset"] == ""
    slider(page, "Stride").press("ArrowLeft")
    expect(case).to_have_text("5.1 Dilation")


NAMES = {
    "input_size": "Input size",
    "kernel_size": "Kernel size",
    "stride": "Stride",
    "padding": "Padding",
    "dilation": "Dilation",
    "output_padding": "Output padding",
}


@pytest.mark.parametrize("seed", range(3))
def test_illegal_settings_cannot_be_reached(show, seed):
    """A random walk over all sliders, modes and axes meets no state that Python refuses."""
    dice = random.Random(seed)
    page = show(ConvolutionExplorer(dimensions=1 + seed % 2))
    explorer, visited = ConvolutionExplorer(), set()
    for _ in range(25):
        kind = dice.random()
        if kind < 0.1:
            name = "Forward" if state_of(page)["mode"] == "transposed" else "Transposed"
            page.get_by_role("radio", name=name).check(force=True)
        elif kind < 0.2:
            name = "1-D" if state_of(page)["dimensions"] == 2 else "2-D"
            page.get_by_role("radio", name=name).check(force=True)
        else:
            control = slider(page, NAMES[dice.choice(list(NAMES))])
            if control.is_enabled():
                control.press(dice.choice(["Home", "End", "ArrowLeft", "ArrowRight"]))
        state = state_of(page)
        given = {name: state[name] for name in (*SETTINGS, "view", "step")}
        explorer.choose(
            **given, input_values=state["input_values"], kernel_values=state["kernel_values"]
        )
        assert state["preset"] == preset_of(state)
        settle(page)
        visited.add(tuple(settings_of(page).values()))
    assert len(visited) > 10


def test_every_bound_of_a_slider_is_the_last_legal_value_and_its_rule_is_said(show):
    page = show(ConvolutionExplorer(preset="padding_strides_odd_transposed"))
    rules = {
        "Kernel size": "Not 8: a grid would need 18 cells a side, 16 fit.",
        "Padding": "Not 4: cropping 4 cells on each side would leave no output.",
        "Output padding": "Not 2: output padding must be smaller than the stride (2) "
        "or the dilation (1).",
    }
    for label, rule in rules.items():
        control = slider(page, label)
        before = control.input_value()
        control.press("End")
        note = page.locator(f"#{control.get_attribute('aria-describedby')}")
        expect(note).to_contain_text(rule)
        name = next(name for name, text in NAMES.items() if text == label)
        above = {**settings_of(page), name: int(control.input_value()) + 1}
        with pytest.raises(ValueError):
            ConvolutionExplorer(**above)
        control.fill(before)
    page.get_by_label("Case").select_option("dilation")
    control = slider(page, "Kernel size")
    control.press("End")
    note = page.locator(f"#{control.get_attribute('aria-describedby')}")
    rule = "Not 5: the kernel would span 9 cells, the padded input has 7."
    expect(note).to_contain_text(rule)
    assert slider(page, "Output padding").is_disabled()
    assert page.get_by_text("Fixed at 0: only a transposed convolution").is_visible()


def test_switching_the_mode_leads_back_to_the_size_and_says_so(show):
    page = show(ConvolutionExplorer(preset="padding_strides_odd"))
    page.get_by_role("radio", name="Transposed").check(force=True)
    assert settings_of(page) == {
        **settings_of(page),
        **PRESETS["padding_strides_odd_transposed"]["settings"],
    }
    assert shown(page, "notice").endswith("from 3×3 to 6×6.")
    page.get_by_role("radio", name="Forward").check(force=True)
    assert state_of(page)["preset"] == "padding_strides_odd"


def test_a_way_back_that_does_not_fit_is_lowered_and_says_so(show):
    page = show(ConvolutionExplorer(input_size=10, padding=3, kernel_size=11))
    page.get_by_role("radio", name="Transposed").check(force=True)
    assert ConvolutionExplorer(**settings_of(page)).mode == "transposed"
    assert "does not fit here. Instead: from 2×2 to 6×6." in shown(page, "notice")


def test_a_picture_too_wide_for_two_axes_is_lowered_and_says_why(show):
    page = show(ConvolutionExplorer(dimensions=1, input_size=24, padding=2))
    page.get_by_role("radio", name="2-D").check(force=True)
    assert (state_of(page)["input_size"], state_of(page)["padding"]) == (12, 2)
    assert "Input size is now 12: a grid would need 28 cells" in shown(page, "notice")


def test_a_link_that_asks_too_much_gives_the_nearest_settings_and_says_why(show):
    page = show(ConvolutionExplorer())
    page.evaluate("location.hash = '#cnn=1&widget=convolution_explorer.0&kernel_size=9&padding=10'")
    notice = page.locator(".cnn-notice")
    expect(notice).to_contain_text("Padding: a grid would need 25 cells a side, 16 fit.")
    assert "Kernel size" not in notice.inner_text()
    assert shown(page, "sizes") == "input 5×5 · kernel 9×9 · output 7×7"


# -- the torch call


def run_program(text: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(text, {})
    return printed.getvalue()


@pytest.mark.parametrize(
    "settings",
    [
        dict(preset="padding_strides_odd"),
        dict(preset="padding_strides_odd_transposed"),
        dict(dimensions=1, input_size=7, kernel_size=3, dilation=2, padding=1),
        dict(dimensions=1, mode="transposed", input_size=3, stride=3, output_padding=2),
    ],
    ids=["2-D", "2-D transposed", "1-D", "1-D transposed"],
)
def test_copied_torch_call_and_program_give_the_numbers_on_show(show, settings):
    explorer = ConvolutionExplorer(**settings)
    page = show(explorer, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the call").press("Enter")
    page.get_by_text("Copied.").wait_for()
    call = page.evaluate("navigator.clipboard.readText()")
    assert call == page.locator("pre").inner_text()
    layer = eval(call, {"torch": torch})
    values = torch.tensor(explorer.input_values, dtype=torch.float32)[None, None]
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(explorer.kernel_values))
        assert layer(values)[0, 0].tolist() == explorer.output()
    page.get_by_role("button", name="Copy a program").click()
    page.wait_for_function("navigator.clipboard.readText().then((text) => text.includes('import'))")
    printed = run_program(page.evaluate("navigator.clipboard.readText()"))
    assert eval(printed, {"tensor": torch.tensor})[0, 0].tolist() == explorer.output()


def test_copying_works_where_the_page_may_not_use_the_clipboard(show):
    page = show(ConvolutionExplorer())
    page.evaluate(
        """Object.defineProperty(navigator, "clipboard",
          { value: { writeText: () => Promise.reject() } })"""
    )
    button = page.get_by_role("button", name="Copy the call")
    button.focus()
    button.press("Space")
    page.get_by_text("Copied.").wait_for()
    assert button.evaluate("(node) => node === document.activeElement")
    page.evaluate("document.execCommand = () => false")
    button.press("Space")
    page.get_by_text("The browser forbids copying").wait_for()


# -- steps


def test_back_next_and_the_slider_go_through_the_steps(show):
    page = show(ConvolutionExplorer(preset="padding_strides"))
    step = page.get_by_role("slider", name="Step")
    page.get_by_role("button", name="Back").press("Enter")
    assert state_of(page)["step"] == 0
    assert page.get_by_role("button", name="Back").get_attribute("aria-disabled") == "true"
    page.get_by_role("button", name="Next").press("Space")
    assert state_of(page)["step"] == 1
    assert places(page, "output", "is-self") == {(0, 1)}
    step.press("End")
    assert state_of(page)["step"] == 8
    assert places(page, "output", "is-self") == {(2, 2)}
    assert step.get_attribute("aria-valuetext") == "step 9 of 9, output row 2, column 2"
    page.get_by_role("button", name="Next").press("Enter")
    assert state_of(page)["step"] == 8


def test_play_goes_on_by_itself_pauses_and_stops_at_the_end(show):
    page = show(ConvolutionExplorer(preset="no_padding_no_strides"))
    page.clock.install()
    page.get_by_role("button", name="Play").press("Space")
    page.clock.run_for(1700)
    assert state_of(page)["step"] == 2
    page.get_by_role("button", name="Pause").press("Space")
    page.clock.run_for(3000)
    assert state_of(page)["step"] == 2
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(900)
    assert state_of(page)["step"] == 3
    page.get_by_role("button", name="Replay").click()
    assert state_of(page)["step"] == 0
    page.clock.run_for(900)
    assert state_of(page)["step"] == 1
    page.get_by_label("Case").select_option("dilation")
    page.clock.run_for(3000)
    assert state_of(page)["step"] == 0


def test_play_can_go_faster(show):
    page = show(ConvolutionExplorer())
    page.clock.install()
    page.get_by_role("button", name="Speed").press("Enter")
    expect(page.get_by_role("button", name="Speed")).to_have_text("2×")
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(900)
    assert state_of(page)["step"] == 2


def test_movement_stops_when_less_of_it_is_asked_for_meanwhile(show):
    page = show(ConvolutionExplorer())
    page.clock.install()
    page.get_by_role("button", name="Play").click()
    page.emulate_media(reduced_motion="reduce")
    page.get_by_text("Your system asks for less movement").wait_for()
    page.clock.run_for(3000)
    assert state_of(page)["step"] == 0


def test_outputs_ahead_can_be_hidden_to_predict_them(show):
    page = show(ConvolutionExplorer(preset="no_padding_no_strides", step=1))
    assert "?" not in [one["text"] for row in drawn(page, "output") for one in row]
    page.get_by_label("Hide the outputs ahead").check()
    texts = [one["text"] for row in drawn(page, "output") for one in row]
    assert [text == "?" for text in texts] == [False, False, True, True]
    assert drawn(page, "output")[1][0]["label"] == "row 1, column 0: hidden"
    cell(page, "output", 1, 0).hover()
    assert arithmetic(page).endswith("= ?")
    assert state_of(page)["hide_ahead"] is True


# -- editing


def test_each_grid_is_one_tab_stop_and_the_arrow_keys_move_in_it(show):
    page = show(ConvolutionExplorer(preset="padding_strides"))
    assert [
        page.locator(f".cx-panel.cx-{kind} [tabindex='0']").count()
        for kind in ("kernel", "input", "output")
    ] == [1, 1, 1]
    page.locator(".cx-panel.cx-kernel [tabindex='0']").focus()
    page.keyboard.press("Tab")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused) == "row 0, column 0: 3"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "row 1, column 1: 0"
    page.keyboard.press("Home")
    assert page.evaluate(focused) == "row 1, column −1: 0, padding"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "row 0, column 0: 6"
    assert places(page, "output", "is-self") == {(0, 0)}
    page.keyboard.press("Shift+Tab")
    assert page.evaluate(focused) == "row 1, column −1: 0, padding"
    assert (
        page.evaluate(
            "getComputedStyle(document.activeElement).outlineStyle + "
            "getComputedStyle(document.activeElement).outlineWidth"
        )
        == "solid3px"
    )


def test_what_a_focused_cell_touches_is_spoken(show):
    page = show(ConvolutionExplorer())
    cell(page, "output", 0, 0).focus()
    spoken = page.locator(".cnn-spoken[role=status]")
    page.wait_for_function(
        "document.querySelector('.cnn-spoken[role=status]').textContent.includes('Output (0, 0)')"
    )
    assert re.sub(r"\s+", " ", spoken.text_content()).endswith("+ 2×2= 12")


def test_a_number_is_edited_by_keyboard_and_everything_follows(show):
    page = show(ConvolutionExplorer())
    cell(page, "input", 1, 1).focus()
    page.keyboard.press("Enter")
    field = page.get_by_role("textbox", name="input row 1, column 1")
    assert field.input_value() == "0"
    field.fill("-2.5")
    page.keyboard.press("Enter")
    assert state_of(page)["input_values"][1][1] == -2.5
    assert (
        page.evaluate("document.activeElement.getAttribute('aria-label')")
        == "row 1, column 1: −2.5"
    )
    values = state_of(page)["input_values"]
    assert shown_numbers(page, "output") == ConvolutionExplorer(input_values=values).output()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("7")
    page.keyboard.press("Enter")
    assert state_of(page)["input_values"][1][2] == 7
    page.keyboard.press("F2")
    page.keyboard.press("9")
    page.keyboard.press("Escape")
    assert state_of(page)["input_values"][1][2] == 7
    assert page.get_by_role("textbox").count() == 0


def test_a_number_is_edited_by_pressing_its_cell_twice(show):
    page = show(ConvolutionExplorer())
    target = cell(page, "kernel", 0, 0)
    target.click()
    settle(page)
    assert page.get_by_role("textbox").count() == 0
    target.click()
    page.keyboard.type("4")
    page.mouse.click(2, 2)
    assert state_of(page)["kernel_values"][0][0] == 4
    cell(page, "input", 0, 0).dblclick()
    page.keyboard.type("6")
    page.keyboard.press("Tab")
    assert state_of(page)["input_values"][0][0] == 6


def test_a_number_is_edited_by_touch(show):
    page = show(ConvolutionExplorer(), width=390, has_touch=True, is_mobile=True)
    target = cell(page, "input", 2, 0)
    target.tap()
    assert "Input (2, 0) = 3" in sentence(page)
    target.tap()
    page.get_by_role("textbox").fill("5")
    cell(page, "output", 0, 0).tap()
    assert state_of(page)["input_values"][2][0] == 5
    assert "Output (0, 0)" in sentence(page)


def test_what_is_no_number_is_refused_with_a_word(show):
    page = show(ConvolutionExplorer())
    before = state_of(page)["kernel_values"]
    cell(page, "kernel", 1, 1).focus()
    page.keyboard.press("Enter")
    field = page.get_by_role("textbox")
    for text, word in [
        ("two", "“two” is not a number"),
        ("", "is not a number"),
        ("123456", "too large"),
    ]:
        field.fill(text)
        page.keyboard.press("Enter")
        assert word in page.get_by_role("alert").inner_text()
        assert field.get_attribute("aria-invalid") == "true"
        assert state_of(page)["kernel_values"] == before
    field.fill("two")
    page.keyboard.press("Tab")
    assert "It stays 2." in page.get_by_role("alert").inner_text()
    assert state_of(page)["kernel_values"] == before


def test_outputs_and_padding_cannot_be_edited_and_say_why(show):
    page = show(ConvolutionExplorer(preset="padding_strides"))
    cell(page, "output", 0, 0).focus()
    page.keyboard.press("Enter")
    assert "Outputs are computed" in page.get_by_role("alert").inner_text()
    cell(page, "input", 0, 0).focus()
    page.keyboard.press("5")
    assert "not part of the input" in page.get_by_role("alert").inner_text()
    assert page.get_by_role("textbox").count() == 0


def test_stuffed_view_edits_the_input_and_the_kernel_behind_it(show):
    page = show(ConvolutionExplorer(preset="no_padding_strides_transposed", view="stuffed"))
    cell(page, "input", 4, 4).focus()  # drawn (2, 2) after a border of 2: input (1, 1)
    page.keyboard.press("8")
    page.keyboard.press("Enter")
    assert state_of(page)["input_values"][1][1] == 8
    cell(page, "kernel", 0, 0).focus()
    page.keyboard.press("9")
    page.keyboard.press("Enter")
    assert state_of(page)["kernel_values"][2][2] == 9


def test_numbers_can_be_reset(show):
    page = show(ConvolutionExplorer(input_values=[[9.0] * 5] * 5))
    page.get_by_role("button", name="Reset the numbers").click()
    assert state_of(page)["input_values"] == ConvolutionExplorer().input_values


# -- the model, the live form


def test_a_change_from_outside_is_drawn(show):
    page = show(ConvolutionExplorer())
    choose(page, padding=1)
    assert shown(page, "sizes").endswith("output 5×5")
    choose(page, step=7)
    assert sentence(page).startswith("Step 8 of 25")
    explorer = ConvolutionExplorer(preset="dilation", step=4)
    choose(page, **explorer.chosen())
    assert shown(page, "sizes") == "input 7×7 · kernel 3×3 · output 3×3"
    assert shown_numbers(page, "output") == explorer.output()
    assert shown(page, "notice") == ""


LIVE = """
async ([code, state]) => {
  const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const { default: widget } = await import(address);
  const saved = [];
  const listeners = {};
  const model = {
    get: (name) => state[name],
    set: (name, value) => { state[name] = value; },
    save_changes: () => saved.push({ ...state }),
    on: (event, callback) => { (listeners[event] ??= new Set()).add(callback); },
    off: (event, callback) => listeners[event].delete(callback),
  };
  const el = document.createElement("div");
  document.querySelector("main").append(el);
  const undo = widget.render({ model, el });
  el.querySelectorAll(".cnn-transport button")[2].click();
  el.querySelectorAll(".cnn-transport button")[1].click();
  undo();
  window.live = { saved, listeners, el };
}
"""

LEFT = """() => {
  const { saved, listeners } = window.live;
  const left = Object.values(listeners).reduce((sum, set) => sum + set.size, 0);
  return [saved.map(({ step }) => step), left];
}"""


def test_live_form_saves_its_changes_and_its_undo_stops_everything(show):
    explorer = ConvolutionExplorer()
    page = show(explorer)
    page.clock.install()
    page.evaluate(LIVE, [explorer._esm, explorer.page_state()])
    page.clock.run_for(5000)
    assert page.evaluate(LEFT) == [[1], 0]


# -- pages


WIDEST_CASES = [
    dict(preset="padding_strides_odd"),
    dict(preset="arbitrary_padding_no_strides_transposed", view="stuffed"),
    dict(input_size=6, kernel_size=6, padding=5, step=70),
    dict(dimensions=1, input_size=24, padding=4, step=20),
    dict(mode="transposed", input_size=4, kernel_size=4, stride=3),
    dict(input_values=[[-9999.5 / 2] * 3] * 3, kernel_values=[[-1234.5] * 3] * 3),
]


@pytest.mark.parametrize("settings", WIDEST_CASES)
def test_phone_shows_it_without_sideways_scrolling_of_the_page(show, settings):
    page = show(ConvolutionExplorer(**settings), width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    widths = page.locator("[role=gridcell]").evaluate_all(
        "(nodes) => nodes.map((node) => node.getBoundingClientRect().width)"
    )
    assert min(widths) >= 24
    overflowing = page.evaluate(
        """() => [...document.querySelectorAll(".cnn-widget *")].filter((node) =>
          !node.closest(".cx-box, .cnn-spoken") && !node.closest("svg")
          && node.getBoundingClientRect().right > innerWidth).map((node) => node.className)"""
    )
    assert overflowing == []


def test_the_current_step_is_scrolled_into_sight_where_the_grid_is_too_wide(show):
    page = show(ConvolutionExplorer(dimensions=1, input_size=24, padding=4), width=390)
    for press in ("End", "Home"):
        page.get_by_role("slider", name="Step").press(press)
        settle(page)
        for kind, look in (("input", "is-lit"), ("output", "is-self")):
            inside = page.locator(f".cx-panel.cx-{kind} .cx-{look}").first.evaluate(
                """(node) => { const box = node.closest(".cx-box").getBoundingClientRect();
                  const own = node.getBoundingClientRect();
                  return own.left >= box.left - 1 && own.right <= box.right + 1; }"""
            )
            assert inside, (press, kind)


@pytest.mark.parametrize(
    "settings",
    [
        dict(preset="padding_strides_odd_transposed", step=4),
        dict(dimensions=1, input_size=24, padding=4, hide_ahead=True),
    ],
    ids=["scatter", "1-D"],
)
def test_axe_finds_nothing_while_a_number_is_edited(show, settings):
    page = show(ConvolutionExplorer(**settings))
    page.locator(".cx-panel.cx-kernel [tabindex='0']").press("1")
    settle(page)
    assert axe_finds(page) == []


CONTRASTS = r"""() => {
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const light = (colour) => parse(colour).slice(0, 3)
    .map((part) => part / 255)
    .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    const colour = getComputedStyle(node).backgroundColor;
    return (parse(colour)[3] ?? 1) === 1 ? colour : ground(node.parentElement);
  };
  const ratio = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const texts = [...document.querySelectorAll(".cx-cell")]
    .filter((node) => node.textContent)
    .map((node) => [node, getComputedStyle(node).color, ground(node)]);
  const notes = [...document.querySelectorAll("[data-note]")]
    .map((node) => [node, getComputedStyle(node, "::after").color, ground(node)]);
  const indices = [...document.querySelectorAll(".cx-row, [data-column]")].map((node) =>
    [node, getComputedStyle(node, "::before").color, ground(node.closest(".cx-grid"))]);
  return [...texts, ...notes, ...indices].map(([node, ink, paper]) =>
    [ratio(ink, paper), node.className, node.dataset.note ? "noted" : ""]);
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_number_in_a_cell_stands_out(show, theme):
    """axe passes over the cells' text, for it is their label that is read out."""
    seen = set()
    for settings in (
        dict(preset="padding_strides_odd", step=2),
        dict(preset="padding_strides_odd_transposed", step=4),
        dict(preset="padding_strides_odd_transposed", view="stuffed", step=4),
    ):
        page = show(ConvolutionExplorer(**settings), theme=theme)
        for kind, row, column in [("output", 2, 2), ("input", 2, 2), ("kernel", 1, 1)]:
            cell(page, kind, row, column).hover()
            settle(page)
            found = page.evaluate(CONTRASTS)
            assert [one for one in found if one[0] < 4.5] == []
            seen |= {name for _, *names in found for text in names for name in text.split()}
    assert {"cx-is-self", "cx-is-lit", "cx-is-met", "cx-ahead", "cx-partial", "noted"} <= seen


def test_neither_pointing_nor_stepping_rebuilds_a_grid(show):
    page = show(ConvolutionExplorer(preset="full_padding_no_strides"))
    page.evaluate(
        """() => { window.built = 0;
          const watch = new MutationObserver((changes) => { window.built += changes.filter(
            ({ addedNodes }) => [...addedNodes].some((node) => node.nodeType === 1)).length; });
          for (const box of document.querySelectorAll(".cx-box")) {
            watch.observe(box, { childList: true, subtree: true }); } }"""
    )
    for row, column in [(0, 0), (4, 4), (8, 2)]:
        cell(page, "input", row, column).hover()
        settle(page)
    page.get_by_role("button", name="Next").click()
    settle(page)
    assert state_of(page)["step"] == 1
    assert page.evaluate("window.built") == 0
    slider(page, "Padding").press("ArrowRight")
    settle(page)
    assert page.evaluate("window.built") > 0


def test_cells_that_were_drawn_once_are_used_again(show):
    page = show(ConvolutionExplorer(preset="full_padding_no_strides"))
    control = slider(page, "Padding")
    for key in ("End", "Home"):
        control.press(key)
        settle(page)
    page.evaluate("window.cells = [...document.querySelectorAll('.cx-cell')]")
    for key in ("End", "Home"):
        control.press(key)
        settle(page)
    assert page.evaluate(
        """() => { const now = [...document.querySelectorAll(".cx-cell")];
          return now.length === cells.length && now.every((cell, i) => cell === cells[i]); }"""
    )


def test_limits_are_the_sliders_own_bounds(show):
    page = show(ConvolutionExplorer(dimensions=1, input_size=12, kernel_size=1))
    for name, label in NAMES.items():
        least, most = LIMITS[name]
        control = slider(page, label)
        assert int(control.get_attribute("min")) >= least
        assert int(control.get_attribute("max")) <= most
