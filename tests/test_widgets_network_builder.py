"""The network builder against trace: every preset and random builds, row by row; and torch."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import nn

from cnnlib.models.googlenet import GoogLeNet
from cnnlib.rows import LayerTrace
from cnnlib.trace import trace
from cnnlib.widgets.memory_bill_sums import lines_of
from cnnlib.widgets.network_builder import NetworkBuilder, write_bytes
from cnnlib.widgets.network_builder_code import write_code
from cnnlib.widgets.network_builder_plan import (
    BLOCKS,
    KINDS,
    MOST_LAYERS,
    layers_of,
    nearest_path,
    nearest_plan,
)
from cnnlib.widgets.network_builder_presets import PRESETS
from cnnlib.widgets.network_builder_sums import build, kept_bytes, seen_from
from cnnlib.widgets.widget import ChoiceError
from tests.network_plans import random_plans
from tests.test_widgets_memory_bill import put_aside

every_preset = pytest.mark.parametrize("preset", PRESETS)


def make(**chosen) -> NetworkBuilder:
    """A convolution, a residual block and a pool: a network with every kind of place in it."""
    first = {
        "plan": [["conv", 4, 3, 1, 1], ["add", [["conv", 4, [3, 1], 1, [1, 0]], ["norm"]], []],
                 ["max"], ["flatten"], ["linear", 5]],
        "input": [1, 12, 10],
        "selected": [0],
    }  # fmt: skip
    return NetworkBuilder(**{**first, **chosen})


def module_of(code: str) -> nn.Module:
    """The module that a text makes when it is run on its own."""
    scope: dict = {}
    exec(code, scope)
    return scope["net"]


def past_dropout(rows: Sequence[LayerTrace]) -> list[LayerTrace]:
    """The rows as if dropout were read through.

    At test torch hands dropout's input on as it is. Beside a branch that begins with dropout, trace
    cannot tell whether the others read that input or dropout's output, which are one tensor.
    """
    source = {-1: -1}
    for number, row in enumerate(rows):
        source[number] = source[row.inputs[0]] if row.kind == "Dropout" else number
    return [replace(r, inputs=tuple(dict.fromkeys(source[i] for i in r.inputs))) for r in rows]


# --- Rows, against trace --------------------------------------------------------------------------


@every_preset
def test_a_presets_rows_are_those_of_trace(preset):
    builder = NetworkBuilder(preset)
    assert builder.built().fault is None
    assert trace(module_of(builder.code()), (1, *builder.input)) == builder.rows()


def test_the_rows_of_random_builds_are_those_of_trace():
    """Names, kinds, shapes, parameters, multiply-adds, fields, windows, inputs: the whole row."""
    kinds, misaligned, uneven = Counter(), 0, 0
    for shape, plan in random_plans(400, seed=1):
        built = build(plan, shape)
        if built.fault or not built.rows:
            continue
        rows = trace(module_of(write_code(plan, built)), (1, *shape))
        assert past_dropout(rows) == past_dropout(built.rows), (shape, plan)
        kinds.update(layer[0] for _, layer in layers_of(plan))
        misaligned += sum(not row.aligned for row in rows)
        uneven += sum(not isinstance(row.field[0].stride, int) for row in rows)
        kinds["tried"] += 1
    assert kinds["tried"] > 300 and misaligned > 50 and uneven > 50
    assert all(kinds[kind] > 30 for kind in [*KINDS, *BLOCKS]), kinds


def test_inception_3a_has_the_parameters_of_googlenets():
    rows = NetworkBuilder("inception").rows()
    theirs = GoogLeNet().inception3a
    assert sum(row.parameters for row in rows) == sum(p.numel() for p in theirs.parameters())
    assert rows[-1].out_shape == (1, 256, 28, 28)


def test_pools_that_round_up_are_googlenets_and_squeezenets():
    """Torch's own sizes: 112 becomes 56, not 55; a last window that begins in the padding goes."""
    for kernel, stride, padding, size in product((2, 3, 5), (1, 2, 3, 6), (0, 1), range(1, 15)):
        plan = [["max", kernel, stride, padding, 1]]
        pool = nn.MaxPool2d(kernel, stride, padding, ceil_mode=True)
        built = build(plan, [1, size, 14])
        try:
            expected = tuple(pool(torch.zeros(1, 1, size, 14)).shape)
        except RuntimeError:
            assert built.fault.fault.key in ("fault.kernel", "fault.pool_padding")
        else:
            assert built.rows[0].out_shape == expected, plan
    assert build([["max", 3, 2, 0, 1]], [64, 112, 112]).rows[0].out_shape == (1, 64, 56, 56)


def test_lenets_chain_by_hand():
    """28 with padding 2 stays 28, pools to 14, 10 without padding, pools to 5: 400 values."""
    rows = NetworkBuilder("lenet").rows()
    shapes = [row.out_shape[1:] for row in rows]
    assert shapes[:7] == [
        *[(6, 28, 28)] * 2, (6, 14, 14), *[(16, 10, 10)] * 2, (16, 5, 5), (400,)
    ]  # fmt: skip
    assert [row.parameters for row in rows if row.parameters] == [156, 2416, 48120, 10164, 850]
    assert [row.field[0].size for row in rows[:6]] == [5, 5, 6, 14, 14, 16]


# --- Faults, against torch ------------------------------------------------------------------------


def test_a_plan_has_a_fault_where_torch_refuses_it_and_nowhere_else():
    """The builder's own limits are other faults, and what stands behind branches is its own law."""
    seen = Counter()
    for shape, plan in random_plans(400, seed=3, works=False):
        fault = build(plan, shape).fault
        seen[fault.fault.key if fault else "works"] += 1
        if fault is None and plan:
            net = module_of(write_code(plan, build(plan, shape)))
            net.eval()(torch.zeros(1, *shape))
    assert seen["works"] > 20
    refused = {
        "kernel": (nn.Conv2d(2, 3, (5, 3)), [["conv", 3, [5, 3]]], (2, 4, 9)),
        "groups.in": (None, [["conv", 4, 3, 1, 1, 1, 4]], (2, 4, 9)),
        "groups.out": (None, [["conv", 3, 3, 1, 1, 1, 2]], (2, 4, 9)),
        "pool_padding": (nn.MaxPool2d(3, 3, 2), [["max", 3, 3, 2]], (2, 9, 9)),
        "cropped": (nn.ConvTranspose2d(2, 3, 2, 1, 3), [["transposed", 3, 2, 1, 3]], (2, 4, 4)),
    }
    for key, (module, plan, shape) in refused.items():
        assert build(plan, shape).fault.fault.key == f"fault.{key}"
        if module:
            with pytest.raises(RuntimeError):
                module(torch.zeros(1, *shape))
    for groups, channels in [(4, (2, 4)), (2, (2, 3))]:
        with pytest.raises(ValueError, match="divisible by groups"):
            nn.Conv2d(*channels, 3, groups=groups)


@pytest.mark.parametrize(
    ("plan", "path", "said"),
    [
        (
            [["add", [["conv", 2, 3, 2, 1]], []]],
            (0,),
            "Branch 2 gives 2×28×28, branch 1 2×14×14: they cannot be added.",
        ),
        (
            [["relu"], ["cat", [], [["max"]], [["relu"]]]],
            (1,),
            "Branch 2 gives maps of 14×14, branch 1 of 28×28: they cannot be concatenated.",
        ),
        ([["linear", 5]], (0,), "It reads a vector, and maps of 2×28×28 come in: put Flatten"),
        ([["flatten"], ["conv"]], (1,), "It reads maps, and a vector comes in"),
        ([["cat", [["flatten"]], []]], (0, 0, 0), "Branches hold maps"),
        ([["conv", 4, 11, 1, 0, 3]], (0,), "The kernel spans 31×31, the map with its padding has"),
        ([["shuffle", 3]], (0,), "3 groups do not divide the 2 channels that come in."),
        ([["transposed", 2, 8, 8], *[["transposed", 2, 8, 8]] * 2], (1,), "Maps of 1792×1792"),
        ([["cat", [], []]] * 12, (11,), "8192 channels: this page counts up to 4096."),
        ([["max", 1, 8]] * 8, (6,), "more than a million pixels"),
    ],
)
def test_what_does_not_fit_says_why_at_its_layer(plan, path, said):
    builder = NetworkBuilder(plan=plan, input=[2, 28, 28])
    fault = builder.built().fault
    assert fault.path == path
    assert said in builder.text_alternative()
    with pytest.raises(ValueError, match=r"\[.*\]: "):
        builder.code()
    assert said in builder.still_picture()


def test_branches_are_counted_though_the_layer_behind_them_is_not():
    plan = [["add", [["conv", 3]], [["conv", 3, 1]]], ["relu"]]
    built = build(plan, [2, 9, 9])
    entries = {entry.path: entry for entry in built.entries}
    assert [row.kind for row in built.rows] == ["Conv2d", "Conv2d"]
    assert entries[0, 0].shape == (3, 7, 7) and entries[0, 1].shape == (3, 9, 9)
    assert entries[0,].shape is None and entries[1,].shape is None and entries[1,].fault is None


# --- Memory, against torch ------------------------------------------------------------------------


def test_what_is_kept_is_what_torch_puts_aside():
    tried = 0
    for shape, plan in [
        *((list(p.input), p.plan) for p in PRESETS.values() if max(p.input[1:]) < 40),
        *random_plans(120, seed=4),
    ]:
        built = build(plan, shape)
        if built.fault or sum(row.macs for row in built.rows) > 2e7:
            continue
        batch = 3
        kept = kept_bytes(built.rows, shape, batch)
        assert len(kept) == len(built.rows) + 1
        net = module_of(write_code(plan, built))
        if not any(True for _ in net.parameters()):
            continue
        images = torch.randn(batch, *shape).requires_grad_()
        found = sum(put_aside(net, images).values())
        first = images.numel() * 4
        ours = sum(kept)
        assert found in (ours, ours - first), (shape, plan, found, ours)
        tried += 1
    assert tried > 60


def test_it_is_the_memory_bills_sum():
    for preset in ("lenet", "vgg", "inception", "resnet", "densenet"):
        builder = NetworkBuilder(preset)
        lines = lines_of(builder.rows())
        bill = sum(7 * (4 * line.kept + line.marks) + line.fixed for line in lines)
        assert bill == sum(kept_bytes(builder.rows(), builder.input, 7))


# --- What is seen ---------------------------------------------------------------------------------


def test_what_the_middle_unit_sees_is_where_torchs_gradient_is():
    aside, above = ["conv", 1, [1, 5], 1, [0, 2]], ["conv", 1, [3, 1], 1, [1, 0]]
    plan = [["conv", 2, 3, 2], ["cat", [aside], [above]], ["transposed", 2, 3, 2, 1]]
    builder = NetworkBuilder(plan=plan, input=[1, 20, 26])
    net = module_of(builder.code())
    for parameter in net.parameters():
        nn.init.uniform_(parameter, 0.5, 1.0)
    rows = builder.rows()
    image = torch.rand(1, 1, 20, 26, requires_grad=True)
    seen = seen_from(rows, len(rows) - 1, builder.input)
    out = net(image)
    assert seen.unit == [size // 2 for size in out.shape[2:]]
    out[0, :, seen.unit[0], seen.unit[1]].sum().backward()
    places = image.grad[0, 0].nonzero()
    low, high = places.min(dim=0).values.tolist(), places.max(dim=0).values.tolist()
    assert seen.seen == [[low[0], high[0]], [low[1], high[1]]]
    pixels = (high[0] - low[0] + 1) * (high[1] - low[1] + 1)
    assert seen.share == 1000 * pixels // (20 * 26)


# --- Plans ----------------------------------------------------------------------------------------


def test_presets_are_legal_as_they_stand_and_have_words():
    for key, preset in PRESETS.items():
        assert nearest_plan(preset.plan) == preset.plan
        assert make().words(f"preset.{key}")


def test_settings_go_to_the_nearest_and_strangers_are_left_out():
    wanted = [
        ["conv", 9999, [99, "x"], 0, 3],
        7,
        "conv",
        ["__proto__"],
        [["relu"]],
        ["relu", 1],
        ["add"],
        ["cat", [["tanh"]], 3, [], [], [], []],
        ["max", 2, 9],
        ["linear", True],
    ]
    assert nearest_plan(wanted) == [
        ["conv", 1024, [11, 3], 1, 3], ["relu"], ["add", [], []],
        ["cat", [["tanh"]], [], [], []], ["max", 2, 8], ["linear", 10],
    ]  # fmt: skip
    deep = ["add", [["add", [["add", [], []], ["relu"]], []]], []]
    assert nearest_plan([deep]) == [["add", [["add", [["relu"]], []]], []]]
    assert (
        len(list(layers_of(nearest_plan([["cat", [["relu"]] * 30, [["relu"]] * 30]]))))
        == MOST_LAYERS
    )


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ([], []),
        ([9], [4]),
        ([1, 7], [1, 1]),
        ([1, 0, 5], [1, 0, 1]),
        ([1, 1, 0], [1, 1]),
        ([0, 0, 0], [0]),
        ("no", []),
        ([1, -2, "x"], [1, 0]),
    ],
)
def test_a_path_leads_as_far_as_the_plan_does(wanted, found):
    assert nearest_path(make().plan, wanted) == found


def test_random_plans_settle_once():
    dice = random.Random(5)
    for _, plan in random_plans(200, seed=6, works=False):
        assert nearest_plan(plan) == plan
        path = [dice.randint(0, 5) for _ in range(dice.randint(0, 7))]
        assert nearest_path(plan, nearest_path(plan, path)) == nearest_path(plan, path)


@pytest.mark.parametrize(
    ("field", "strides", "dilations"),
    [
        (7, (), (1, 1, 1)),
        (31, (), (8, 7)),
        (63, (), (8, 8, 8, 7)),
        (101, (1, 2), (8, 8, 8)),
        (127, (2,), (8, 8, 8, 7)),
    ],
)
def test_the_fields_that_the_page_asks_for_can_be_reached_within_its_limits(
    field, strides, dilations
):
    plan = [["conv", 1, 3, stride] for stride in strides]
    plan += [["conv", 1, 3, 1, 0, dilation] for dilation in dilations]
    assert len(plan) <= 7
    assert build(plan, [1, 256, 256]).rows[-1].field[0].size == field


@pytest.mark.parametrize(
    ("channels", "growth", "layers"), [(16, 12, 1), (16, 12, 4), (3, 5, 2), (24, 32, 6)]
)
def test_a_dense_block_has_the_parameters_of_its_layers(channels, growth, layers):
    """Two for each channel of a batch norm, and nine for each channel read and each made."""
    read = range(channels, channels + growth * layers, growth)
    rows = build([["dense", growth, layers]], [channels, 8, 8]).rows
    assert sum(row.parameters for row in rows) == sum(2 * c + 9 * c * growth for c in read)


# --- The widget -----------------------------------------------------------------------------------


def test_the_still_picture_has_a_line_for_every_place_and_the_sums():
    builder = make()
    picture = builder.still_picture()
    assert picture.count("<tr>") == len(builder.built().entries) + 2
    for text in ("Convolution, 4 channels, 3×1, padding 1×0", "4×12×10", "Branch 2"):
        assert text in picture
    assert f"{sum(row.parameters for row in builder.rows()):,}" in picture
    total = sum(kept_bytes(builder.rows(), builder.input, builder.batch))
    assert write_bytes(builder.words, total) in picture


def test_what_cannot_be_chosen_is_refused_by_name():
    with pytest.raises(ValueError, match="preset='none': expected one of lenet, "):
        NetworkBuilder("none")
    with pytest.raises(ChoiceError, match="plan=5: expected a list of layers"):
        make(plan=5)
    with pytest.raises(ChoiceError, match="plan=.*nearest that can"):
        make(plan=[["conv", 0]])
    with pytest.raises(ChoiceError, match="input=.*channels .1 to 1024."):
        make(input=[0, 3, 3])
    with pytest.raises(ChoiceError, match="batch=0"):
        make(batch=0)
