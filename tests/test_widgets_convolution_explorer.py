"""The convolution explorer's Python side: its numbers against torch, its rules, its three forms."""

import itertools
import json
import re

import numpy
import pytest
import torch
import torch.nn.functional as F
from traitlets import TraitError

from cnnlib.geometry import output_size
from cnnlib.widgets.convolution_explorer import FIRST, FIXED, ConvolutionExplorer
from cnnlib.widgets.convolution_explorer_sums import (
    LIMITS,
    PRESETS,
    SETTINGS,
    WIDEST,
    fault,
    preset_of,
    resized,
    window_of,
)

# Dumoulin & Visin 2016: figure, input, kernel, stride, padding, dilation, output padding -> output.
GUIDE = {
    "no_padding_no_strides": ("2.1", 4, 3, 1, 0, 1, 0, 2),
    "arbitrary_padding_no_strides": ("2.2", 5, 4, 1, 2, 1, 0, 6),
    "same_padding_no_strides": ("2.3", 5, 3, 1, 1, 1, 0, 5),
    "full_padding_no_strides": ("2.4", 5, 3, 1, 2, 1, 0, 7),
    "no_padding_strides": ("2.5", 5, 3, 2, 0, 1, 0, 2),
    "padding_strides": ("2.6", 5, 3, 2, 1, 1, 0, 3),
    "padding_strides_odd": ("2.7", 6, 3, 2, 1, 1, 0, 3),
    "dilation": ("5.1", 7, 3, 1, 0, 2, 0, 3),
    "no_padding_no_strides_transposed": ("4.1", 2, 3, 1, 0, 1, 0, 4),
    "arbitrary_padding_no_strides_transposed": ("4.2", 6, 4, 1, 2, 1, 0, 5),
    "same_padding_no_strides_transposed": ("4.3", 5, 3, 1, 1, 1, 0, 5),
    "full_padding_no_strides_transposed": ("4.4", 7, 3, 1, 2, 1, 0, 5),
    "no_padding_strides_transposed": ("4.5", 2, 3, 2, 0, 1, 0, 5),
    "padding_strides_transposed": ("4.6", 3, 3, 2, 1, 1, 0, 5),
    "padding_strides_odd_transposed": ("4.7", 3, 3, 2, 1, 1, 1, 6),
}


def small_settings(dimensions: int, sizes, kernels, strides, paddings, dilations) -> list[dict]:
    """Every combination in both modes, legal or not."""
    names = ("input_size", "kernel_size", "stride", "padding", "dilation")
    cases = []
    for values in itertools.product(sizes, kernels, strides, paddings, dilations):
        shape = dict(zip(names, values, strict=True), dimensions=dimensions)
        cases.append({**shape, "mode": "forward", "output_padding": 0})
        cases += [{**shape, "mode": "transposed", "output_padding": more} for more in range(3)]
    return cases


def torchs_answer(settings: dict, image, kernel):
    """torch's output as a nested list, or None where torch refuses the settings."""
    name = "conv_transpose" if settings["mode"] == "transposed" else "conv"
    function = getattr(F, f"{name}{settings['dimensions']}d")
    options = {key: settings[key] for key in ("stride", "padding", "dilation")}
    if settings["mode"] == "transposed":
        options["output_padding"] = settings["output_padding"]
    elif settings["output_padding"]:
        return None
    try:
        output = function(image[None, None], kernel[None, None], **options)[0, 0]
    except RuntimeError:
        return None
    return output.tolist() if output.numel() else None


@pytest.mark.parametrize(
    "cases",
    [
        small_settings(1, range(1, 6), range(1, 4), range(1, 4), range(4), (1, 2, 3)),
        small_settings(2, (1, 4), (1, 2, 3), (1, 2), (0, 1, 2), (1, 2)),
    ],
    ids=["1-D", "2-D"],
)
def test_output_equals_torch_and_whatever_torch_refuses_is_refused(cases):
    generator = torch.Generator().manual_seed(3)
    explorer = ConvolutionExplorer()
    shown = refused = 0
    for settings in cases:
        image, kernel = (
            torch.randint(-9, 10, (settings[size],) * settings["dimensions"], generator=generator)
            for size in ("input_size", "kernel_size")
        )
        expected = torchs_answer(settings, image.double(), kernel.double())
        values = dict(input_values=image.tolist(), kernel_values=kernel.tolist())
        if expected is None:
            with pytest.raises(ValueError):
                explorer.choose(**settings, **values)
            refused += 1
            continue
        explorer.choose(**settings, **values)
        assert explorer.output() == expected, settings
        assert explorer.output_size() == len(expected)
        shown += 1
    assert shown > 100 and refused > 10


def test_every_preset_has_the_sizes_of_the_guides_figure():
    assert set(GUIDE) == set(PRESETS)
    for key, (figure, *sizes, output) in GUIDE.items():
        explorer = ConvolutionExplorer(preset=key)
        names = ("input_size", "kernel_size", "stride", "padding", "dilation", "output_padding")
        assert [getattr(explorer, name) for name in names] == sizes, key
        assert explorer.output_size() == len(explorer.output()) == output, key
        assert explorer.mode == ("transposed" if figure.startswith("4") else "forward")
        assert explorer.preset == key
        assert PRESETS[key]["figure"] == figure
        assert explorer.words(f"question.{key}").endswith("?")
        assert explorer.words(f"preset.{key}").startswith("Transposed: ") == (figure[0] == "4")


def test_each_transposed_preset_leads_back_to_the_size_its_forward_case_started_from():
    for key in PRESETS:
        if f"{key}_transposed" in PRESETS:
            forward = ConvolutionExplorer(preset=key)
            back = ConvolutionExplorer(preset=f"{key}_transposed")
            assert (back.input_size, back.output_size()) == (
                forward.output_size(),
                forward.input_size,
            )


def test_the_default_numbers_are_the_guides_figures_1_1_and_1_2():
    explorer = ConvolutionExplorer()
    assert explorer.output() == [[12, 12, 17], [10, 17, 19], [9, 6, 14]]
    explorer.choose(stride=2, padding=1)
    assert explorer.output() == [[6, 17, 3], [8, 17, 13], [6, 4, 4]]


def test_a_preset_works_along_one_axis_too():
    explorer = ConvolutionExplorer(preset="padding_strides_odd", dimensions=1)
    assert explorer.preset == "padding_strides_odd"
    assert len(explorer.output()) == 3
    assert len(explorer.input_values) == 6


def test_settings_of_ones_own_name_no_preset():
    explorer = ConvolutionExplorer(dimensions=1, input_size=7, kernel_size=3, stride=2)
    assert explorer.preset == ""
    assert explorer.output_size() == 3
    assert ConvolutionExplorer(input_size=4, kernel_size=3).preset == "no_padding_no_strides"


def test_setting_the_preset_sets_its_settings_and_leaving_them_clears_it():
    explorer = ConvolutionExplorer(step=5)
    explorer.preset = "padding_strides_odd_transposed"
    assert (explorer.mode, explorer.input_size, explorer.output_padding) == ("transposed", 3, 1)
    assert explorer.step == 0
    explorer.output_padding = 0
    assert explorer.preset == "padding_strides_transposed"
    explorer.kernel_size = 4
    assert explorer.preset == ""


def test_step_given_with_a_preset_is_kept():
    assert ConvolutionExplorer(preset="padding_strides", step=4).step == 4


def test_sizes_may_be_left_to_the_values():
    explorer = ConvolutionExplorer(input_values=[1, 2, 3, 4], kernel_values=(1, 0, -1))
    assert (explorer.dimensions, explorer.input_size, explorer.kernel_size) == (1, 4, 3)
    assert explorer.output() == [-2, -2]
    explorer = ConvolutionExplorer(input_values=numpy.eye(4), kernel_values=torch.ones(2, 2))
    assert explorer.output() == [[2, 1, 0], [1, 2, 1], [0, 1, 2]]


ILLEGAL = {
    "kernel larger than the input": (dict(kernel_size=6), "6"),
    "dilated kernel larger than the input": (dict(dilation=3), "7"),
    "output padding of a forward convolution": (dict(output_padding=1), "output_padding=1"),
    "output padding not below the stride": (
        dict(mode="transposed", output_padding=1),
        "output_padding=1",
    ),
    "nothing left after cropping": (
        dict(mode="transposed", input_size=1, padding=2),
        "padding=2: cropping 2 cells on each side would leave no output",
    ),
    "a stride of none": (dict(stride=0), "stride=0"),
    "a stride beyond the bounds": (dict(stride=7), "stride=7"),
    "a negative padding": (dict(padding=-1), "padding=-1"),
    "half a cell": (dict(padding=0.5), "padding=0.5"),
    "True for a number": (dict(padding=True), "padding=True"),
    "three axes": (dict(dimensions=3), "dimensions=3"),
    "a mode that is none": (dict(mode="sideways"), "mode='sideways'"),
    "a view that is none": (dict(view="sideways"), "view='sideways'"),
    "a preset that is none": (dict(preset="fig. 2.7"), "preset='fig. 2.7'"),
    "a preset that the other settings are not": (dict(preset="dilation", stride=2), "dilation"),
    "a grid too wide": (dict(input_size=17), "17 cells"),
    "a step behind the last": (dict(step=9), "step=9"),
    "values that are no square": (dict(input_values=[[1, 2, 3]], kernel_size=1), "5 rows of 5"),
    "too few values": (dict(kernel_values=[[1, 2], [3]]), "3 rows of 3"),
    "values that are no list": (dict(kernel_values=3), "kernel_values=3"),
    "no values": (dict(kernel_values=[]), "kernel_values=[]"),
    "a word among the values": (dict(kernel_values=[[1, "a"], [1, 1]]), "'a'"),
    "a number that is none": (dict(kernel_values=[[float("nan")]]), "nan"),
    "a number too large": (dict(kernel_values=[[10_000]]), "10000"),
    "a setting that is none": (dict(strides=2), "strides"),
}


@pytest.mark.parametrize(("settings", "named"), ILLEGAL.values(), ids=ILLEGAL)
def test_an_illegal_setting_is_refused_by_name_and_changes_nothing(settings, named):
    explorer = ConvolutionExplorer()
    before = explorer.page_state()
    with pytest.raises(ValueError, match=re.escape(named)):
        explorer.choose(**settings)
    assert explorer.page_state() == before
    with pytest.raises(ValueError, match=re.escape(named)):
        ConvolutionExplorer(**settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [("kernel_size", 6), ("dilation", 3), ("output_padding", 1), ("stride", 7), ("padding", -1)]
    + [("dimensions", 3), ("mode", "sideways"), ("view", "sideways"), ("step", 9)]
    + [("input_size", 17), ("input_values", [1, 2]), ("kernel_values", [[1, 2], [3]])]
    + [("preset", "fig. 2.7")],
)
def test_a_trait_set_alone_refuses_what_is_illegal_and_keeps_the_old(name, value):
    explorer = ConvolutionExplorer()
    before = explorer.page_state()
    with pytest.raises(TraitError, match=name):
        setattr(explorer, name, value)
    assert explorer.page_state() == before


@pytest.mark.parametrize("mode", ["forward", "transposed"])
@pytest.mark.parametrize("name", LIMITS)
def test_a_setting_asked_for_alone_goes_as_far_as_the_others_let_it(name, mode):
    present = {**FIRST, "mode": mode, "stride": 2}
    assert fault(present, FIXED) is None
    least, most = LIMITS[name]
    for wanted in range(least - 2, most + 3):
        state, said = ConvolutionExplorer.settled({name: wanted}, present, FIXED)
        found = state[name]
        step = 1 if wanted > found else -1
        assert fault(state, FIXED) is None
        assert all(fault({**state, name: v}, FIXED) for v in range(found + step, wanted, step))
        assert set(said) == ({name} if found != wanted else set())
        assert all(state[other] == present[other] for other in SETTINGS if other != name)


@pytest.mark.parametrize(
    ("asked", "found", "why"),
    [
        ({"input_size": 24, "padding": 10}, {"input_size": 16, "padding": 0}, {"fault.wide"}),
        ({"output_padding": 1, "mode": "transposed", "stride": 2}, {"output_padding": 1}, set()),
        ({"mode": "transposed", "padding": 3}, {"padding": 3, "mode": "transposed"}, set()),
        ({"mode": "transposed", "padding": 4}, {"padding": 3}, {"fault.crop"}),
        (
            {"preset": "dilation", "kernel_size": 11},
            {"kernel_size": 4, "dilation": 2, "preset": ""},
            {"fault.span", "kit.gives_way"},
        ),
        ({"preset": ["dilation"], "stride": None}, {"preset": "", "stride": 1}, {"kit.one_of"}),
        ({"input_values": [1, 2], "dimensions": 2}, {"input_size": 5}, {"values.2"}),
        (
            {"kernel_values": "abc", "hide_ahead": 1},
            {"hide_ahead": False},
            {"values.2", "kit.flag"},
        ),
    ],
)
def test_what_cannot_be_shown_becomes_the_nearest_that_can_and_says_why(asked, found, why):
    state, said = ConvolutionExplorer.settled(asked, FIRST, FIXED)
    assert state == {**state, **found}
    assert {one.key for one in said.values()} - {"kit.whole"} == why
    assert fault(state, FIXED) is None
    assert ConvolutionExplorer.settled({}, state, FIXED) == (state, {})


def test_nothing_of_a_choice_stays_when_a_part_is_illegal():
    explorer = ConvolutionExplorer()
    with pytest.raises(ValueError, match="kernel_size=99"):
        explorer.choose(stride=2, padding=1, kernel_size=99)
    assert (explorer.stride, explorer.padding, explorer.kernel_size) == (1, 0, 3)


def test_settings_that_are_legal_only_together_are_taken_together():
    explorer = ConvolutionExplorer()
    explorer.choose(input_size=2, kernel_size=5, mode="transposed", stride=3, output_padding=2)
    assert explorer.output_size() == 10
    explorer.choose(mode="forward", output_padding=0, input_size=7)
    assert explorer.output_size() == 1


def test_the_front_ends_message_is_taken_as_one():
    explorer = ConvolutionExplorer()
    explorer.set_state(
        {"mode": "transposed", "input_size": 2, "stride": 2, "output_padding": 1, "step": 3}
        | {"input_values": [[1, 2], [3, 4]], "preset": ""}
    )
    assert explorer.output_size() == 6
    assert (explorer.step, explorer.input_values) == (3, [[1, 2], [3, 4]])
    explorer.set_state({"preset": "dilation"})
    assert (explorer.mode, explorer.dilation, explorer.step) == ("forward", 2, 0)


def test_a_smaller_picture_takes_the_step_along():
    explorer = ConvolutionExplorer(step=8)
    explorer.stride = 2
    assert explorer.step == 3
    explorer.choose(mode="transposed", input_size=2)
    explorer.step = 3
    explorer.view = "stuffed"
    explorer.step = 24
    explorer.view = "scatter"
    assert explorer.step == 3


def test_numbers_of_ones_own_keep_their_places_when_sizes_change():
    explorer = ConvolutionExplorer(input_values=[[1, 2], [3, 4]], kernel_values=[[7]])
    explorer.choose(input_size=3, kernel_size=3)
    assert [row[:2] for row in explorer.input_values[:2]] == [[1, 2], [3, 4]]
    assert explorer.kernel_values[1][1] == 7
    explorer.choose(kernel_size=1, input_size=2)
    assert (explorer.input_values, explorer.kernel_values) == ([[1, 2], [3, 4]], [[7]])
    explorer.dimensions = 1
    assert (explorer.input_values, explorer.kernel_values) == ([1, 2], [7])


def test_resizing_does_not_change_the_values_it_is_given():
    values = [[1.0, 5.0], [2.0, 3.0]]
    resized("input_values", values, "forward", 2, 3)
    assert values == [[1.0, 5.0], [2.0, 3.0]]


@pytest.mark.parametrize("size", range(1, LIMITS["kernel_size"][1] + 1))
@pytest.mark.parametrize("dimensions", [1, 2])
def test_no_kernel_to_start_from_is_all_zeros(dimensions, size):
    explorer = ConvolutionExplorer(dimensions=dimensions, input_size=16, kernel_size=size)
    assert numpy.any(explorer.kernel_values)
    assert explorer.output() != numpy.flip(explorer.output()).tolist()


def test_every_grid_of_a_legal_setting_fits():
    """WIDEST is kept: what Python accepts needs no wider grid than a phone can scroll through."""
    explorer = ConvolutionExplorer(input_size=16)
    with pytest.raises(ValueError, match="18 cells"):
        explorer.padding = 1
    explorer = ConvolutionExplorer(dimensions=1, input_size=24, padding=4)
    assert explorer.input_size + 2 * explorer.padding == WIDEST[1]
    with pytest.raises(ValueError, match="34 cells"):
        explorer.padding = 5


def test_page_form_holds_every_trait_the_front_end_reads_as_json():
    page = ConvolutionExplorer(preset="dilation", hide_ahead=True).page_form()
    state = json.loads(re.search(r"<script[^>]*>(.*?)</script>", page, re.DOTALL).group(1))
    expected = {*SETTINGS, "view", "step", "preset", "hide_ahead", "fixed"}
    assert set(state) == expected | {"input_values", "kernel_values", "texts", "hidden"}
    assert state["hide_ahead"] is True


def numbers_in(svg: str, kind: str) -> list[str]:
    """The texts of cells drawn in the colour of ``kind``, in drawing order."""
    cell = rf"<rect [^>]*fill:var\(--cnn-{kind}-soft[^>]*/><text [^>]*>([^<]*)</text>"
    return re.findall(cell, svg)


def test_still_picture_shows_all_three_grids_and_the_padding():
    explorer = ConvolutionExplorer(
        input_values=[[1, 2.5], [-3, 4]], kernel_values=[[1, 0], [0, 2]], padding=1
    )
    picture = explorer.still_picture()
    assert numbers_in(picture, "input") == ["1", "2.5", "−3", "4"]
    assert numbers_in(picture, "kernel") == ["1", "0", "0", "2"]
    assert numbers_in(picture, "output") == ["2", "5", "0", "−6", "9", "2.5", "0", "−3", "4"]
    assert picture.count("padding-soft") == 16 - 4
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize(
    ("settings", "inputs", "outputs"),
    [
        (dict(preset="padding_strides_odd", step=4), 9, 1),
        (dict(preset="no_padding_strides_transposed", step=3), 1, 9),
        (dict(preset="no_padding_strides_transposed", view="stuffed", step=12), 4, 1),
        (dict(dimensions=1, input_size=7, kernel_size=3, stride=2, step=1), 3, 1),
    ],
)
def test_still_picture_outlines_what_meets_at_the_step(settings, inputs, outputs):
    picture = ConvolutionExplorer(**settings).still_picture()
    assert len(re.findall(r"stroke:var\(--cnn-input,[^)]*\);stroke-width:4", picture)) == inputs
    assert len(re.findall(r"stroke:var\(--cnn-output,[^)]*\);stroke-width:4", picture)) == outputs


def test_text_alternative_states_the_sizes():
    text = ConvolutionExplorer(preset="padding_strides_odd_transposed").text_alternative()
    for part in ("Transposed", "input 3×3", "kernel 3×3", "stride 2", "output 6×6"):
        assert part in text
    assert "output padding 1" in text
    assert "input 7," in ConvolutionExplorer(dimensions=1, input_size=7).text_alternative()


def test_preset_of_and_window_of_agree_with_the_explorer():
    for key, preset in PRESETS.items():
        assert preset_of(preset["settings"]) == key
        size = output_size(preset["settings"]["input_size"], window_of(preset["settings"]))
        assert size == GUIDE[key][-1]
