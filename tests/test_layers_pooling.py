"""Pooling and its way back against torch, over random windows, and by hand."""

import random

import pytest
import torch
from torch.nn import functional as F

from cnnlib.layers import (
    avg_pool2d,
    avg_pool2d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)

SEEDS = range(150)


def random_pool(seed: int, ties: bool = False):
    """Maps and a window's arguments; with ``ties``, maps of a few whole numbers."""
    dice = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)
    kernel = dice.randint(1, 4), dice.randint(1, 4)
    padding = tuple(dice.randint(0, k // 2) for k in kernel)
    stride = dice.choice([None, dice.randint(1, 4), (dice.randint(1, 4), dice.randint(1, 3))])
    size = [max(1, k - 2 * p) + dice.randint(0, 6) for k, p in zip(kernel, padding, strict=True)]
    shape = dice.randint(1, 3), dice.randint(1, 3), *size
    if ties:
        x = torch.randint(-2, 2, shape, generator=generator).double()
    else:
        x = torch.randn(*shape, generator=generator, dtype=torch.float64)
    if kernel[0] == kernel[1] and padding[0] == padding[1]:
        kernel, padding = kernel[0], padding[0]
    return x, {"kernel_size": kernel, "stride": stride, "padding": padding}


def random_error(y, seed):
    return torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(seed + 999))


def assert_same(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("ties", [False, True], ids=["all different", "with ties"])
def test_max_pooling_and_its_switches_are_torchs(ties):
    for seed in SEEDS:
        x, arguments = random_pool(seed, ties)
        x.requires_grad_()
        expected, places = F.max_pool2d(x, **arguments, return_indices=True)
        output, switches = max_pool2d(x, **arguments)
        assert torch.equal(output, expected) and torch.equal(switches, places)
        delta = random_error(output, seed)
        (grad,) = torch.autograd.grad(expected, x, delta)
        assert_same(torch.autograd.grad(output, x, delta)[0], grad)
        assert_same(max_pool2d_backward(delta, switches, tuple(x.shape)), grad)


def test_mean_pooling_is_torchs():
    for seed in SEEDS:
        x, arguments = random_pool(seed)
        x.requires_grad_()
        expected, output = F.avg_pool2d(x, **arguments), avg_pool2d(x, **arguments)
        assert_same(output, expected)
        delta = random_error(output, seed)
        (grad,) = torch.autograd.grad(expected, x, delta)
        assert_same(torch.autograd.grad(output, x, delta)[0], grad)
        assert_same(avg_pool2d_backward(delta, tuple(x.shape), **arguments), grad)


def test_global_pooling_is_torchs():
    for seed in SEEDS:
        x, _ = random_pool(seed)
        x.requires_grad_()
        expected = F.adaptive_avg_pool2d(x, 1)
        assert_same(global_avg_pool2d(x), expected)
        delta = random_error(expected, seed)
        (grad,) = torch.autograd.grad(expected, x, delta)
        assert_same(global_avg_pool2d_backward(delta, tuple(x.shape)), grad)


def test_the_random_pools_overlap_tile_and_leave_gaps():
    kinds, padded = set(), 0
    for seed in SEEDS:
        _, arguments = random_pool(seed)
        kernel, stride = arguments["kernel_size"], arguments["stride"]
        if isinstance(kernel, int) and isinstance(stride, int):
            kinds.add((stride > kernel) - (stride < kernel))
        kinds.add(type(stride))
        padded += arguments["padding"] not in (0, (0, 0))
    assert kinds == {-1, 0, 1, type(None), int, tuple}
    assert padded > 50


# --- By hand ------------------------------------------------------------------------------------

MAP = torch.tensor([[1, 5, 0, 2], [3, 4, 9, 1], [7, 0, 2, 2], [1, 6, 2, 8]]).double()[None, None]
DELTA = torch.tensor([[2, 8], [4, 6]]).double()[None, None]


def test_max_pooling_by_hand():
    output, switches = max_pool2d(MAP, 2)
    assert output.tolist() == [[[[5, 9], [7, 8]]]]
    assert switches.tolist() == [[[[1, 6], [8, 15]]]]
    grad = max_pool2d_backward(DELTA, switches, (1, 1, 4, 4))
    assert grad.tolist() == [[[[0, 2, 0, 0], [0, 0, 8, 0], [4, 0, 0, 0], [0, 0, 0, 6]]]]


def test_mean_pooling_by_hand():
    assert avg_pool2d(MAP, 2).tolist() == [[[[3.25, 3], [3.5, 3.5]]]]
    grad = avg_pool2d_backward(DELTA, (1, 1, 4, 4), 2)
    assert grad.tolist() == [
        [[[0.5, 0.5, 2, 2], [0.5, 0.5, 2, 2], [1, 1, 1.5, 1.5], [1, 1, 1.5, 1.5]]]
    ]


def test_overlapping_windows_share_a_winner_and_its_errors_add_up():
    """3x3 with stride 1: the 9 lies in all four windows and wins them all."""
    output, switches = max_pool2d(MAP, 3, stride=1)
    assert output.tolist() == [[[[9, 9], [9, 9]]]]
    grad = max_pool2d_backward(DELTA, switches, (1, 1, 4, 4))
    assert grad[0, 0, 1, 2] == 2 + 8 + 4 + 6 and grad.count_nonzero() == 1


def test_overlapping_means_add_up_by_hand():
    """3x3 with stride 1: a corner lies in one window, the middle in all four."""
    grad = avg_pool2d_backward(9 * DELTA, (1, 1, 4, 4), 3, stride=1)
    assert grad[0, 0].tolist() == [
        [2, 10, 10, 8], [6, 20, 20, 14], [6, 20, 20, 14], [4, 10, 10, 6],
    ]  # fmt: skip


def test_of_equal_values_the_first_in_reading_order_wins():
    _, switches = max_pool2d(torch.zeros(1, 1, 4, 6), 2, stride=2)
    assert switches.tolist() == [[[[0, 2, 4], [12, 14, 16]]]]


@pytest.mark.parametrize("value", [-torch.inf, torch.nan])
def test_what_no_number_beats_is_treated_as_torch_treats_it(value):
    x = torch.randn(1, 2, 5, 7, generator=torch.Generator().manual_seed(1))
    x[:, 0, :3, :4] = value
    output, switches = max_pool2d(x, 3, 2, 1)
    expected, places = F.max_pool2d(x, 3, 2, 1, return_indices=True)
    torch.testing.assert_close(output, expected, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(switches, places)


# --- What is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("pool", [max_pool2d, avg_pool2d])
@pytest.mark.parametrize(
    "words, shape, arguments",
    [
        (r"x of shape \(4, 4\): expected \(N, C, H, W\)", (4, 4), {"kernel_size": 2}),
        ("size=4: with padding 0", (1, 1, 6, 4), {"kernel_size": 5}),
        ("padding=2: expected at most half of kernel_size=3", (1, 1, 4, 4),
         {"kernel_size": 3, "padding": 2}),
        ("padding=-1: expected 0 or more", (1, 1, 4, 4), {"kernel_size": 3, "padding": -1}),
        ("stride=0: expected 1 or more", (1, 1, 4, 4), {"kernel_size": 2, "stride": 0}),
        (r"kernel_size=\(2, 2, 2\): expected one number", (1, 1, 4, 4),
         {"kernel_size": (2, 2, 2)}),
    ],
)  # fmt: skip
def test_windows_that_do_not_fit_are_refused_by_name(pool, words, shape, arguments):
    with pytest.raises(ValueError, match=words):
        pool(torch.zeros(shape), **arguments)


def test_errors_of_another_shape_are_refused():
    _, switches = max_pool2d(MAP, 2)
    error = torch.zeros(1, 1, 3, 3)
    with pytest.raises(ValueError, match=r"\(1, 1, 3, 3\): expected \(1, 1, 2, 2\)"):
        max_pool2d_backward(error, switches, (1, 1, 4, 4))
    with pytest.raises(ValueError, match=r"\(1, 1, 3, 3\): expected \(1, 1, 2, 2\)"):
        avg_pool2d_backward(error, (1, 1, 4, 4), 2)
    with pytest.raises(ValueError, match=r"\(1, 1, 3, 3\): expected \(1, 1, 1, 1\)"):
        global_avg_pool2d_backward(error, (1, 1, 4, 4))
    with pytest.raises(ValueError, match="switches from 1 to 15: expected 0 to 8 for maps of 3x3"):
        max_pool2d_backward(DELTA, switches, (1, 1, 3, 3))
    with pytest.raises(ValueError, match="for an input of"):
        max_pool2d_backward(DELTA, switches, (1, 2, 4, 4))
