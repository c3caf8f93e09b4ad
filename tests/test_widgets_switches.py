"""The switches widget: its sums against torch, what it refuses, what the page gets."""

import json
import re
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from traitlets import TraitError

from cnnlib.inside import RELU_RULES, deconvnet
from cnnlib.widgets.switches import (
    FIXED,
    KERNELS,
    METHODS,
    POOLS,
    SECONDS,
    SIDES,
    UNPOOLS,
    Switches,
    run_back,
    run_forward,
)


class CornerPool(nn.MaxPool2d):
    """Forwards a max pool; its gradient goes to the window's first place."""

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        first = x[:, :, :: self.stride, :: self.stride][:, :, : out.shape[2], : out.shape[3]]
        return out.detach() + first - first.detach()


def layers(case: dict) -> list[nn.Module]:
    """The case's net in torch, a module for each stage above the picture."""

    def convolution(kernel) -> nn.Conv2d:
        layer = nn.Conv2d(1, 1, len(kernel), bias=False)
        layer.weight.data = torch.tensor(kernel, dtype=torch.float32)[None, None]
        return layer

    pool = CornerPool if case["unpool"] == "corner" else nn.MaxPool2d
    found = [convolution(case["kernel"]), nn.ReLU(), pool(*case["pool"])]
    return found + ([convolution(case["second"]), nn.ReLU()] if case["second"] else [])


def torchs_answer(case: dict) -> tuple[list, list, list]:
    """Every stage's map, who won each window, and the signal on every stage's map."""
    modules, maps = layers(case), [torch.tensor(case["picture"], dtype=torch.float32)[None, None]]
    for module in modules:
        maps.append(module(maps[-1]).detach())
    _, winners = F.max_pool2d(maps[2], *case["pool"], return_indices=True)
    width = maps[2].shape[3]
    signals = [
        deconvnet(
            nn.Sequential(*modules[stage:]),
            maps[stage],
            "",
            channel=0,
            position=tuple(case["unit"]),
            rule=case["method"],
            switches=case["unpool"] != "spread",
        )
        for stage in range(len(modules))
    ]
    start = torch.zeros_like(maps[-1])
    place = (0, 0, *case["unit"])
    start[place] = maps[-1][place] if case["method"] == "deconvnet" else 1
    plain = [[m[0, 0].tolist() for m in found] for found in (maps, [*signals, start])]
    places = torch.stack([winners // width, winners % width], dim=-1)[0, 0].tolist()
    return plain[0], places, plain[1]


def small_cases() -> list[dict]:
    """Pictures of every size, with ties and without; every kernel, pool, rule and way back."""
    dice = np.random.default_rng(7)
    cases = []
    for kernel in KERNELS.values():
        for second in SECONDS.values():
            for pool in POOLS.values():
                for method in METHODS:
                    for unpool in UNPOOLS:
                        rows, columns = dice.integers(SIDES[0], SIDES[1] + 1, 2)
                        brightest = dice.choice([1, 2, 9])  # the fewer values, the more ties
                        picture = dice.integers(0, brightest + 1, (rows, columns)).tolist()
                        case = {"picture": picture, "kernel": kernel, "second": second}
                        case |= {"pool": pool, "method": method, "unpool": unpool}
                        case["unit"] = [0, 0]
                        size = np.shape(run_forward(picture, kernel, pool, second)["values"][-1])
                        case["unit"] = [int(dice.integers(n)) for n in size]
                        cases.append(case)
    return cases


@cache
def answered_cases() -> list[tuple[dict, tuple]]:
    return [(case, torchs_answer(case)) for case in small_cases()]


def test_the_cases_hold_ties_overlaps_and_negative_signals():
    tied = overlapping = negative = stopped = 0
    for case, (maps, _, signals) in answered_cases():
        windows = F.unfold(torch.tensor(maps[2])[None, None], case["pool"][0], stride=2)[0]
        tied += bool(((windows == windows.amax(0)).sum(0) > 1).any())
        overlapping += case["pool"] == [3, 2]
        negative += bool((np.array(signals[3]) < 0).any())
        arrived, left = np.array(signals[2]), np.array(signals[1])
        stopped += bool(((arrived != 0) & (left == 0)).any())
    assert min(tied, overlapping, negative, stopped) > 30


def test_python_runs_the_net_as_torch_does():
    for case, (maps, winners, signals) in answered_cases():
        net = run_forward(*(case[name] for name in ("picture", "kernel", "pool", "second")))
        assert [m.tolist() for m in net["values"]] == maps
        assert net["winners"].tolist() == winners
        found = run_back(net, case["unit"], case["method"], case["unpool"])
        for ours, theirs in zip(found, signals, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_the_table_of_rules_is_that_of_the_library():
    assert list(METHODS) == list(RELU_RULES)
    r, x = (torch.tensor(v) for v in ([-2.0, -2, 3, 3], [-1.0, 1, -1, 1]))
    said = {"r where x > 0": x > 0, "r where r > 0": r > 0, "r where both": (x > 0) & (r > 0)}
    for name, rule in RELU_RULES.items():
        assert rule(r, x > 0).tolist() == (r * said[METHODS[name]]).tolist()


def test_the_first_picture_tells_the_three_methods_and_the_unpoolings_apart():
    shown = {method: Switches().signals(method)[0] for method in METHODS}
    value = Switches().maps()["values"][-1][tuple(Switches().unit)]
    assert value > 0
    same_start = [shown["gradient"], shown["deconvnet"] / value, shown["guided"]]
    for i in range(3):
        assert not np.array_equal(same_start[i], same_start[i - 1])
    ways = [Switches(unpool=unpool).signals()[0].tolist() for unpool in UNPOOLS]
    assert ways[0] != ways[1] != ways[2] != ways[0]


@pytest.mark.parametrize("picture", FIXED["pictures"])
@pytest.mark.parametrize("second", SECONDS)
@pytest.mark.parametrize("pool", POOLS)
def test_every_setting_can_be_shown(picture, second, pool):
    widget = Switches(picture, second=second, pool=pool)
    top = widget.maps()["values"][-1]
    assert top[tuple(widget.unit)] == top.max()
    assert widget.step == len(widget.maps()["values"]) - 1
    assert f"column {widget.unit[1]} of the top map" in widget.text_alternative()
    assert widget.still_picture().count("<rect") > 100


@pytest.mark.parametrize(
    ("name", "value"),
    [("picture", [[0] * 8] * 6), ("picture", [[0] * 10] * 8), ("picture", [[0] * 7, [0] * 8] * 4)]
    + [("picture", [[10] * 8] * 8), ("picture", [[-1] * 8] * 8), ("picture", [])]
    + [("unit", [2, 0]), ("unit", [0, -1]), ("unit", [1]), ("step", 6), ("step", -1)]
    + [("kernel", "sharp"), ("pool", "4×4"), ("second", "both"), ("unpool", "x"), ("method", "y")],
)
def test_what_does_not_exist_is_refused_and_nothing_changes(name, value):
    widget = Switches()
    before = widget.page_state()
    with pytest.raises(TraitError):
        setattr(widget, name, value)
    assert widget.page_state() == before


def test_an_unknown_picture_is_refused_by_name():
    with pytest.raises(ValueError, match="picture='a dog'.*'a ring'"):
        Switches("a dog")


def test_a_smaller_top_takes_the_nearest_unit_and_step():
    widget = Switches("a step", second="none", unit=[2, 2])
    widget.pool = "3×3, stride 2"
    assert widget.unit == [2, 2]
    widget.picture = [[0] * 7] * 8
    assert widget.unit == [1, 1]
    widget.second = "all four"
    assert (widget.unit, widget.step) == ([0, 0], 5)  # it was at the pixels, and stays there
    widget.step = 4
    widget.second = "none"
    assert widget.step == 3
    widget.step = 2
    widget.second = "all four"
    assert widget.step == 2


def test_the_page_form_is_json_and_holds_the_choice():
    form = Switches("a step", pool="3×3, stride 2", method="guided", step=2).page_form()
    text = re.search(r'<script type="application/json">(.*?)</script>', form)[1]
    state = json.loads(text)
    assert [state[name] for name in ("pool", "method", "step")] == ["3×3, stride 2", "guided", 2]
    assert state["fixed"]["kernels"] == KERNELS
    assert len(form) < 120_000


def test_the_still_picture_rings_who_won_and_shows_all_three_methods():
    widget = Switches()
    picture = widget.still_picture()
    assert picture.count("<circle") == widget.maps()["winners"].size // 2 + 1
    for method in METHODS:
        assert f"back: {method.capitalize()}" in picture


def test_the_words_name_the_strongest_pixel():
    widget = Switches(method="gradient", unpool="corner")
    pixels = widget.signals()[0]
    row, column = map(int, re.findall(r"most strongly row (\d+), column (\d+)",
                                      widget.text_alternative())[0])  # fmt: skip
    assert abs(pixels[row, column]) == np.abs(pixels).max()
    silent = Switches([[0] * 8] * 8)
    assert silent.text_alternative().endswith("reaches no pixel.")
