"""The groups widget: its counts against torch and trace, its reach against gradients."""

import json
import random
import re

import pytest
import torch
from torch import nn

from cnnlib.layers import ChannelShuffle
from cnnlib.trace import trace
from cnnlib.widgets.groups import Groups
from cnnlib.widgets.groups_sums import (
    DOTS,
    GROUPED,
    KINDS,
    SIZES,
    Step,
    bundles,
    column_groups,
    divisors,
    reached,
    reads,
    rivals,
    runs,
    steps,
    threads,
    weights,
)
from cnnlib.widgets.widget import ChoiceError


def make() -> Groups:
    return Groups(kind="shuffled", in_channels=12, out_channels=24, groups=3, kernel_size=1)


def some_states(count: int, most: int = 40, seed: int = 0) -> list[dict]:
    """Random legal states of all kinds."""
    dice = random.Random(seed)
    found = []
    for _ in range(count):
        kind = dice.choice(KINDS)
        groups = dice.choice([1, 2, 3, 4, 6, 8]) if kind in GROUPED else 1
        ins, outs = (groups * dice.randint(1, max(1, most // groups)) for _ in range(2))
        state = {"kind": kind, "in_channels": ins, "out_channels": outs, "groups": groups}
        state |= {"kernel_size": dice.choice(SIZES[:4]), "map_size": dice.randint(1, 12)}
        last = steps(state)[-1].out_channels
        found.append({**state, "output": dice.randrange(last)})
    return found


def by_torch(state: dict) -> nn.Sequential:
    """The layers that a state's kind names, written down from torch's own."""
    ins, outs, groups = state["in_channels"], state["out_channels"], state["groups"]
    size = state["kernel_size"]

    def conv(a: int, b: int, size: int = size, groups: int = 1) -> nn.Conv2d:
        return nn.Conv2d(a, b, size, padding=(size - 1) // 2, groups=groups, bias=False)

    pair = [conv(ins, outs, groups=groups), conv(outs, outs, groups=groups)]
    parts = {
        "dense": [conv(ins, outs)],
        "grouped": [conv(ins, outs, groups=groups)],
        "depthwise": [conv(ins, ins, groups=ins)],
        "pointwise": [conv(ins, outs, 1)],
        "separable": [conv(ins, ins, groups=ins), conv(ins, outs, 1)],
        "twice": pair,
        "shuffled": [pair[0], ChannelShuffle(groups), pair[1]],
    }
    return nn.Sequential(*parts[state["kind"]])


def counted(module: nn.Module, channels: int, size: int) -> tuple[int, int]:
    rows = trace(module, (1, channels, size, size))
    return sum(p.numel() for p in module.parameters()), sum(row.macs for row in rows)


def test_parameters_and_multiply_adds_are_those_of_torchs_modules_and_of_the_trace():
    met = set()
    for state in some_states(150):
        told, size = Groups(**state).report(), state["map_size"]
        assert (told["weights"], told["macs"]) == counted(
            by_torch(state), state["in_channels"], size
        ), state
        met.add(state["kind"])
    assert met == set(KINDS)


def test_the_dense_layers_beside_them_are_those_of_torch():
    for state in some_states(100, seed=1):
        two = state["kind"] in ("twice", "shuffled")
        outs = state["in_channels"] if state["kind"] == "depthwise" else state["out_channels"]
        dense = {**state, "kind": "twice" if two else "dense", "groups": 1, "out_channels": outs}
        told = Groups(**state).report()
        theirs = counted(by_torch(dense), state["in_channels"], state["map_size"])
        assert (told["dense_weights"], told["dense_macs"]) == theirs, state


def test_the_share_in_words_is_the_share_that_the_modules_have():
    for state in some_states(150, seed=2):
        told = Groups(**state).report()
        groups, area = state["groups"], state["kernel_size"] ** 2
        said = {"dense": 1, "depthwise": 1 / state["in_channels"], "pointwise": 1 / area}
        said["separable"] = 1 / state["out_channels"] + 1 / area
        share = said.get(state["kind"], 1 / groups)
        assert told["weights"] / told["dense_weights"] == pytest.approx(share, rel=1e-12), state


def test_what_reaches_an_output_is_what_has_a_gradient_in_torch():
    torch.manual_seed(0)
    for state in some_states(120, most=24, seed=3):
        module = by_torch(state).double()
        for parameter in module.parameters():  # above 0, so that no two paths cancel
            parameter.data.uniform_(0.5, 1)
        x = torch.rand(1, state["in_channels"], 5, 6, dtype=torch.float64, requires_grad=True)
        module(x)[0, state["output"]].sum().backward()
        met = x.grad[0].abs().amax(dim=(1, 2)).nonzero().flatten().tolist()
        assert Groups(**state).report()["reached"] == met, state


def test_all_outputs_of_a_layer_are_reached_by_as_many_inputs():
    for state in some_states(200, seed=4):
        layers = steps(state)
        counts = {len(reached(layers, output)[0]) for output in range(layers[-1].out_channels)}
        assert len(counts) == 1, state


def test_a_shuffle_mixes_all_groups_once_a_group_has_as_many_channels_as_there_are_groups():
    for groups in (2, 3, 4, 8):
        for each in range(1, 12):
            n = groups * each
            state = {"kind": "shuffled", "in_channels": n, "out_channels": n, "groups": groups}
            layers = steps({**state, "kernel_size": 1})
            assert len(reached(layers, 0)[0]) == n * min(each, groups) // groups


def test_the_shuffle_reads_what_the_books_layer_deals_out():
    for channels, groups in [(12, 3), (36, 4), (10, 5), (7, 1), (7, 7)]:
        dealt = ChannelShuffle(groups)(torch.arange(channels).view(1, -1, 1, 1)).flatten().tolist()
        step = Step(channels, channels, groups, 0)
        assert [reads(step, channel)[0] for channel in range(channels)] == dealt


def test_the_preset_is_two_convolutions_from_16_to_24():
    widget = Groups()
    told = widget.report()
    half = nn.Conv2d(16, 24, 3, bias=False).weight.numel()
    assert told["weights"] == 2 * half == 6_912 and told["dense_weights"] == 13_824
    assert told["reached"] == list(range(16))
    widget.output = 24
    assert widget.report()["reached"] == list(range(16, 32))
    assert "2 convolutions of 16 → 24 channels" in widget.text_alternative()


def test_no_column_has_more_than_64_dots_and_they_hold_every_channel_once():
    for channels in range(1, 513):
        for groups in divisors(channels, channels):
            dots = bundles(channels, groups)
            held = [c for first, last in dots for c in range(first, last + 1)]
            assert len(dots) <= DOTS and held == list(range(channels))
            if channels <= DOTS:
                assert len(dots) == channels
            size = channels // groups
            if groups <= DOTS:  # no dot straddles two groups, and all groups have as many dots
                assert all(first // size == last // size for first, last in dots)
                assert len(dots) % groups == 0
            else:
                assert all(first % size == 0 for first, _ in dots)


def test_a_strand_is_drawn_where_a_channel_of_the_one_dot_reads_one_of_the_other():
    for state in some_states(40, most=90, seed=5):
        layers = steps(state)
        counts = [layers[0].in_channels, *(step.out_channels for step in layers)]
        groups = column_groups(layers)
        dots = [bundles(*pair) for pair in zip(counts, groups, strict=True)]
        lit = reached(layers, state["output"])
        for i, step in enumerate(layers):
            for only in (None, lit[i + 1]):
                by_hand = set()
                for b, (first, last) in enumerate(dots[i + 1]):
                    for channel in range(first, last + 1):
                        if only is not None and channel not in only:
                            continue
                        low, high = reads(step, channel)
                        for source in range(low, high + 1):
                            a = next(k for k, (f, t) in enumerate(dots[i]) if f <= source <= t)
                            by_hand.add((a, b))
                assert set(threads(step, dots[i], dots[i + 1], only)) == by_hand


def test_runs_are_the_channels_again():
    assert runs([]) == [] and runs([4]) == [[4, 4]] and runs([0, 1, 2, 5, 7, 8]) == [
        [0, 2], [5, 5], [7, 8]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [("kind", "sparse"), ("in_channels", 0), ("in_channels", 513), ("out_channels", 2.5)]
    + [("groups", 0), ("groups", 5), ("kernel_size", 4), ("kernel_size", 13), ("map_size", 257)]
    + [("output", 48), ("output", -1)],
)
def test_what_does_not_exist_is_refused_by_name_and_nothing_changes(name, value):
    widget = Groups()
    before = widget.page_state()
    with pytest.raises(ChoiceError, match=f"{name}={re.escape(repr(value))}: expected"):
        setattr(widget, name, value)
    assert widget.page_state() == before


def test_groups_that_do_not_divide_are_refused_with_those_that_do():
    with pytest.raises(ChoiceError, match="divides 32 and 48: 1, 2, 4, 8, 16"):
        Groups(groups=3)
    widget = Groups(kind="dense", groups=3)  # a dense layer has no use for them
    widget.choose(kind="grouped")
    assert widget.groups == 2


def test_a_depthwise_layer_has_as_many_outputs_as_inputs():
    widget = Groups(output=40)
    widget.kind = "depthwise"
    assert widget.output == 31 and widget.report()["weights"] == 32 * 9
    assert rivals(widget.chosen()) == [Step(32, 32, 1, 3)]
    assert [weights(step) for step in steps(widget.chosen())] == [288]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("ins", "outs"), [(1, 1), (12, 24), (512, 512), (127, 254)])
def test_every_kind_can_be_told_and_drawn(kind, ins, outs):
    groups = 4 if kind in GROUPED and ins % 4 == 0 else 1
    widget = Groups(kind=kind, in_channels=ins, out_channels=outs, groups=groups)
    assert f"from {ins} to {steps(widget.chosen())[-1].out_channels} channels" in (
        widget.text_alternative()
    )
    picture = widget.still_picture()
    assert 2 <= picture.count("<circle") <= 4 * DOTS and "nan" not in picture
    assert ("a dot stands for up to" in picture) == (ins > DOTS)
    assert len(picture) < 600_000


def test_the_page_form_is_json_and_holds_the_choice():
    form = make().page_form()
    state = json.loads(re.search(r'<script type="application/json">(.*?)</script>', form)[1])
    assert (state["kind"], state["in_channels"], state["groups"]) == ("shuffled", 12, 3)
    assert len(form) < 40_000
