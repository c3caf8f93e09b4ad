"""Checkerboards: counts and sums against torch, even pairs, and what reaches an output."""

import random
from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cnnlib.widgets.checkerboard import Checkerboard
from cnnlib.widgets.checkerboard_sums import (
    WAYS,
    WEIGHTS,
    inside,
    kernels_of,
    output,
    output_shape,
    products,
    reaching,
    strides_of,
)
from cnnlib.widgets.widget import ChoiceError

DRAWN = Checkerboard().fixed["drawn"]
PAIRS = list(product(range(1, 7), range(1, 5)))


def make() -> Checkerboard:
    return Checkerboard(dimensions=2, layers=2, weights="positive", place=[7, 9])


def settings(count: int, seed: int = 3) -> list[dict]:
    """Random states, every place that there is among them."""
    dice = random.Random(seed)
    found = []
    for _ in range(count):
        dimensions = dice.choice([1, 2])
        state = {
            "dimensions": dimensions,
            "kernel_size": dice.randint(1, 6),
            "stride": dice.randint(1, 4 if dimensions == 1 else 3),
            "layers": dice.randint(1, 3 if dimensions == 1 else 2),
            "weights": dice.choice(WEIGHTS),
            "seed": dice.randint(1, 8),
            "way": dice.choice(WAYS),
        }
        found.append({**state, "place": [dice.randrange(n) for n in output_shape(state)]})
    return found


def by_torch(state: dict, x: torch.Tensor) -> torch.Tensor:
    """The stack over ``x``, (1, 1, rows, columns), with torch's own layers."""
    for kernel in kernels_of(state, DRAWN):
        weight = torch.tensor(kernel, dtype=x.dtype)[None, None]
        if state["way"] == "transposed":
            x = F.conv_transpose2d(x, weight, stride=strides_of(state))
        else:
            x = F.interpolate(x, scale_factor=strides_of(state), mode="nearest")
            x = F.conv2d(x, weight, padding=[n - 1 for n in kernel.shape])
    return x


def ones_for(state: dict, cells: int | None = None) -> torch.Tensor:
    across = cells or (5 if state["dimensions"] == 1 else 4)
    return torch.ones(1, 1, across if state["dimensions"] == 2 else 1, across, dtype=torch.double)


@pytest.mark.parametrize(("kernel", "stride"), PAIRS)
def test_counts_of_every_pair_are_a_transposed_convolution_of_ones(kernel, stride):
    for layers in (1, 2, 3):
        widget = Checkerboard(kernel_size=kernel, stride=stride, layers=layers, place=[0, 0])
        x = torch.ones(1, 1, 5)
        for _ in range(layers):
            x = F.conv_transpose1d(x, torch.ones(1, 1, kernel), stride=stride)
        assert widget.output().tolist() == x[0].int().tolist()
    flat = Checkerboard(dimensions=2, kernel_size=kernel, stride=stride, place=[0, 0])
    picture = F.conv_transpose2d(
        torch.ones(1, 1, 4, 4), torch.ones(1, 1, kernel, kernel), stride=stride
    )
    assert flat.output().tolist() == picture[0, 0].int().tolist()


def test_outputs_of_both_ways_are_torchs_over_random_states():
    for state in settings(250):
        ours = output(state, DRAWN)
        assert list(ours.shape) == output_shape(state)
        assert ours.tolist() == by_torch(state, ones_for(state))[0, 0].long().tolist(), state


def test_the_period_is_what_a_large_output_repeats_in_its_middle():
    for state in settings(60, seed=4):
        state = {**state, "layers": min(state["layers"], 2)}
        ours = inside(state, DRAWN)
        cells = 25
        large = by_torch(state, ones_for(state, cells))[0, 0].long().numpy()
        repeats = [n ** state["layers"] for n in strides_of(state)]
        starts = [n // 2 // r * r for n, r in zip(large.shape, repeats, strict=True)]
        middle = large[starts[0] : starts[0] + repeats[0], starts[1] : starts[1] + repeats[1]]
        assert (middle == ours).all(), state
        assert (ours.size == 1) == bool((middle == middle.flat[0]).all())


@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_pair_is_even_where_the_kernel_is_divisible_by_the_stride_and_nowhere_else(dimensions):
    for (kernel, stride), layers in product(PAIRS, (1, 2, 3)):
        state = {"dimensions": dimensions, "kernel_size": kernel, "stride": stride,
                 "layers": layers, "weights": "ones", "seed": 1, "way": "transposed"}  # fmt: skip
        values = inside(state, DRAWN)
        assert (values.size == 1) == (kernel % stride == 0)
        assert (values == 0).any() == (kernel < stride)


def test_resizing_first_keeps_a_constant_for_any_weights_and_divisible_pairs_do_not():
    uneven = 0
    for state in settings(300, seed=5):
        assert inside({**state, "way": "resize"}, DRAWN).size == 1
        divisible = state["kernel_size"] % state["stride"] == 0 and state["stride"] > 1
        if divisible and state["weights"] != "ones":
            uneven += inside({**state, "way": "transposed"}, DRAWN).size > 1
    assert uneven > 30


def test_what_reaches_an_output_is_its_gradient():
    for state in settings(200, seed=6):
        amount, ways, taps = reaching(state, DRAWN)
        row, column = state["place"]
        for weights, ours in ((state["weights"], amount), ("ones", ways)):
            x = ones_for(state).requires_grad_()
            by_torch({**state, "weights": weights}, x)[0, 0, row, column].backward()
            assert ours.tolist() == x.grad[0, 0].long().tolist(), state
        assert amount.sum() == output(state, DRAWN)[row, column]
        one = {**state, "layers": 1, "weights": "ones"}
        if state["layers"] == 1:
            assert len(taps) == output(one, DRAWN)[row, column]


def test_the_taps_of_the_last_layer_are_those_whose_weight_has_a_gradient():
    for state in settings(120, seed=7):
        *_, taps = reaching(state, DRAWN)
        plain = {**state, "weights": "ones"}
        below = by_torch({**plain, "layers": state["layers"] - 1}, ones_for(state))
        below = torch.ones_like(below)  # whatever holes there are: what stands under the kernel
        kernel = kernels_of(plain, DRAWN)[-1]
        weight = torch.ones(1, 1, *kernel.shape, dtype=torch.double, requires_grad=True)
        if state["way"] == "transposed":
            y = F.conv_transpose2d(below, weight, stride=strides_of(state))
        else:
            large = F.interpolate(below, scale_factor=strides_of(state), mode="nearest")
            y = F.conv2d(large, weight, padding=[n - 1 for n in kernel.shape])
        y[0, 0, state["place"][0], state["place"][1]].backward()
        assert taps == weight.grad[0, 0].nonzero().tolist(), state


def test_multiplications_are_counted_one_by_one():
    for state in settings(60, seed=8):
        done, x = 0, np.ones(ones_for(state).shape[2:], int)
        for kernel in kernels_of({**state, "weights": "ones"}, DRAWN):
            if state["way"] == "resize":
                x = x.repeat(strides_of(state)[0], 0).repeat(strides_of(state)[1], 1)
            done += sum(kernel.size for _ in x.flat)
            shape = by_torch({**state, "layers": 1}, torch.ones(1, 1, *x.shape)).shape[2:]
            if state["way"] == "resize":
                shape = [n + k - 1 for n, k in zip(x.shape, kernel.shape, strict=True)]
            x = np.ones(shape, int)
        assert products(state) == done, state


def test_what_is_said_of_the_first_state_and_of_its_neighbours():
    widget = Checkerboard()
    assert widget.reason() == (
        "The counts are uneven: 3 is not divisible by 2. Along an axis, 1 of every 2 outputs meets "
        "2 of a kernel’s taps, the other one 1."
    )
    assert "gives values from 1 to 2; the pattern repeats every 2" in widget.verdict("transposed")
    assert widget.verdict("resize") == "Inside, the constant input gives 3 everywhere."
    assert widget.looked() == (
        "Output 4 is 2. 2 inputs reach it in 2 ways; 2 of the last kernel’s 3 weights take part."
    )
    widget.choose(kernel_size=4)
    assert widget.reason().startswith("The counts are even: 4 is divisible by 2.")
    widget.choose(weights="positive")
    assert widget.verdict("transposed").endswith("but not the same ones.")
    widget.choose(kernel_size=2, stride=4)
    assert "2 of every 4 outputs meet no tap" in widget.reason()


@pytest.mark.parametrize("state", settings(12, seed=9))
def test_the_still_picture_shows_both_outputs(state):
    widget = Checkerboard(**state)
    pictures = widget.still_picture().split("<svg")[1:]
    for way, picture in zip(WAYS, pictures, strict=True):
        rows, columns = output_shape({**state, "way": way})
        assert picture.count("<rect") == (columns if state["dimensions"] == 1 else 1)
        assert picture.count("<image") == (state["dimensions"] == 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [("kernel_size", 0), ("kernel_size", 7), ("stride", 5), ("layers", 4), ("weights", "zeros")]
    + [("seed", 9), ("way", "up"), ("dimensions", 3), ("place", [1, 0]), ("place", [0, 11])],
)
def test_what_does_not_exist_is_refused_by_name(name, value):
    with pytest.raises(ChoiceError, match=f"{name}="):
        Checkerboard(**{name: value})
