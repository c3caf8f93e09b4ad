"""Four ways to convolve, and the error carried back by hand, against torch over random calls."""

import random
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cnnlib.layers import (
    conv2d_backward,
    conv2d_fft,
    conv2d_im2col,
    conv2d_loops,
    conv2d_toeplitz,
    im2col,
    toeplitz_matrix,
)

FAST = [conv2d_toeplitz, conv2d_im2col, conv2d_fft]
WAYS = [conv2d_loops, *FAST]


class Call(NamedTuple):
    """One random convolution: its tensors, and torch's other arguments."""

    x: Tensor
    weight: Tensor
    bias: Tensor | None
    settings: dict


def random_call(seed: int, most: int) -> Call:
    """No axis like the other, sizes up to ``most`` more than the kernel needs."""
    dice = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)

    def pair(least, largest):
        """Two numbers, or one that stands for both."""
        return (
            dice.randint(least, largest)
            if dice.random() < 0.4
            else (dice.randint(least, largest), dice.randint(least, largest))
        )

    def both(value):
        return value if isinstance(value, tuple) else (value, value)

    groups = dice.choice([1, 1, 2, 3])
    kernel = dice.randint(1, 4), dice.randint(1, 4)
    settings = {
        "stride": pair(1, 3), "padding": pair(0, 3), "dilation": pair(1, 3), "groups": groups
    }  # fmt: skip
    size = [
        max(1, d * (k - 1) + 1 - 2 * p) + dice.randint(0, most)
        for k, p, d in zip(
            kernel, both(settings["padding"]), both(settings["dilation"]), strict=True
        )
    ]
    inputs, outputs = dice.randint(1, 3), dice.randint(1, 3)

    def values(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    x = values(dice.randint(1, 3), groups * inputs, *size)
    weight = values(groups * outputs, inputs, *kernel)
    bias = values(groups * outputs) if dice.random() < 0.7 else None
    return Call(x, weight, bias, settings)


def small_call(seed: int) -> Call:
    """A call of few enough products for loops: some 500 at most."""
    while True:
        call = random_call(seed, most=1)
        outputs = F.conv2d(*call[:3], **call.settings).numel()
        if outputs * call.weight[0].numel() <= 500:
            return call
        seed += 10_000


def with_gradients(way, call: Call) -> list[Tensor]:
    """The output, and the gradients of a weighted sum of it by input, kernel and bias."""
    tensors = [t.clone().requires_grad_() for t in call[:3] if t is not None]
    bias = tensors[2] if call.bias is not None else None
    y = way(tensors[0], tensors[1], bias, **call.settings)
    weights = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(0))
    return [y, *torch.autograd.grad((y * weights).sum(), tensors)]


def assert_same(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("way", FAST)
def test_value_and_gradients_are_torchs(way):
    for seed in range(150):
        call = random_call(seed, most=6)
        assert_same(with_gradients(way, call), with_gradients(F.conv2d, call))


def test_loops_have_torchs_value_and_gradients():
    for seed in range(60):
        call = small_call(seed)
        assert_same(with_gradients(conv2d_loops, call), with_gradients(F.conv2d, call))


def test_the_random_calls_reach_what_they_are_for():
    calls = [random_call(seed, most=6) for seed in range(150)]
    for name in ("stride", "padding", "dilation"):
        values = [call.settings[name] for call in calls]
        assert any(isinstance(value, int) for value in values)
        assert any(isinstance(value, tuple) and value[0] != value[1] for value in values)
    assert {call.settings["groups"] for call in calls} == {1, 2, 3}
    assert any(call.weight.shape[1] == 1 and call.settings["groups"] > 1 for call in calls)
    assert sum(call.bias is None for call in calls) > 10
    assert sum(call.x.shape[2] != call.x.shape[3] for call in calls) > 75


@pytest.mark.parametrize("way", FAST)
def test_single_precision_is_near(way):
    call = random_call(7, most=6)
    found = way(call.x.float(), call.weight.float(), **call.settings)
    assert found.dtype == torch.float32
    expected = F.conv2d(call.x, call.weight, **call.settings).float()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


# --- A case by hand -----------------------------------------------------------------------------

# Three channels of 3x3: 1 to 9, ones, and a cross. Two kernels of 2x2 over the three.
X = torch.tensor([
    [[1, 2, 3], [4, 5, 6], [7, 8, 9]],
    [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
    [[0, 1, 0], [1, 1, 1], [0, 1, 0]],
]).double()[None]  # fmt: skip
KERNELS = torch.tensor([
    [[[1, 0], [0, 1]], [[1, 1], [1, 1]], [[1, 0], [0, 0]]],
    [[[0, 1], [0, 0]], [[0, 0], [0, -1]], [[0, 0], [1, 2]]],
]).double()  # fmt: skip
# First kernel: the diagonal's sum, 6 8 12 14; four ones, 4; the upper left of the cross, 0 1 1 1.
# Second: the upper right, 2 3 5 6; minus one; lower left + 2 lower right, 3 3 2 1.
OUTPUT = [[[10, 13], [17, 19]], [[4, 5], [6, 6]]]


@pytest.mark.parametrize("way", WAYS)
def test_the_case_by_hand(way):
    assert way(X, KERNELS).round(decimals=9).tolist() == [OUTPUT]


def test_the_matrix_by_hand():
    matrix = toeplitz_matrix(KERNELS, (3, 3))
    assert matrix.shape == (8, 27)
    # First output of the first kernel: places 0 and 4 of channel 0, the corner of channels 1 and 2.
    assert matrix[0].reshape(3, 3, 3).int().tolist() == [
        [[1, 0, 0], [0, 1, 0], [0, 0, 0]],
        [[1, 1, 0], [1, 1, 0], [0, 0, 0]],
        [[1, 0, 0], [0, 0, 0], [0, 0, 0]],
    ]
    # Last output of the second kernel: the same kernel, one place down and one to the right.
    assert matrix[7].reshape(3, 3, 3).int().tolist() == [
        [[0, 0, 0], [0, 0, 1], [0, 0, 0]],
        [[0, 0, 0], [0, 0, 0], [0, 0, -1]],
        [[0, 0, 0], [0, 0, 0], [0, 1, 2]],
    ]


def test_every_row_of_the_matrix_is_one_outputs_reading():
    for seed in range(40):
        call = random_call(seed, most=4)
        matrix = toeplitz_matrix(call.weight, call.x.shape[2:], **call.settings)
        image = call.x[:1].clone().requires_grad_()
        y = F.conv2d(image, call.weight, **call.settings).flatten()
        assert matrix.shape == (len(y), image.numel())
        for row, output in zip(matrix, y, strict=True):
            (reading,) = torch.autograd.grad(output, image, retain_graph=True)
            assert torch.equal(row, reading.flatten())


def test_patches_stand_as_torch_unfolds_them():
    for seed in range(60):
        call = random_call(seed, most=6)
        settings = {name: call.settings[name] for name in ("stride", "padding", "dilation")}
        kernel_size = tuple(call.weight.shape[2:])
        expected = F.unfold(call.x, kernel_size, **settings)
        assert torch.equal(im2col(call.x, kernel_size, **settings), expected)
    assert torch.equal(im2col(X, 2), F.unfold(X, 2))


# --- Backward -----------------------------------------------------------------------------------


def test_backward_by_hand_equals_autograd():
    for seed in range(200):
        call = random_call(seed, most=6)
        y = F.conv2d(call.x, call.weight, **call.settings)
        delta = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(seed))
        tensors = [
            call.x.clone().requires_grad_(),
            call.weight.clone().requires_grad_(),
            torch.zeros(len(call.weight), dtype=y.dtype, requires_grad=True),
        ]
        expected = torch.autograd.grad(F.conv2d(*tensors, **call.settings), tensors, delta)
        with torch.no_grad():
            found = conv2d_backward(call.x, call.weight, delta, **call.settings)
        assert_same(list(found), list(expected))


def test_backward_of_one_delta_by_hand():
    """Only the second map's lower right output has an error, 1: it read the lower right window."""
    delta = torch.zeros(1, 2, 2, 2).double()
    delta[0, 1, 1, 1] = 1
    grad_x, grad_weight, grad_bias = conv2d_backward(X, KERNELS, delta)
    assert grad_bias.tolist() == [0, 1]
    assert torch.equal(grad_weight[0], torch.zeros(3, 2, 2).double())
    assert torch.equal(grad_weight[1], X[0, :, 1:, 1:])
    expected = torch.zeros(3, 3, 3).double()
    expected[:, 1:, 1:] = KERNELS[1]
    assert torch.equal(grad_x[0], expected)


# --- What is refused ----------------------------------------------------------------------------

REFUSED = [
    ("x of shape (3, 5, 6): expected (N, C, H, W)", (3, 5, 6), (2, 3, 2, 2), {}),
    ("weight of shape (2, 3, 2): expected", (1, 3, 5, 6), (2, 3, 2), {}),
    ("expected 3, for x has 3", (1, 3, 5, 6), (2, 4, 2, 2), {}),
    ("groups=2 does not divide 3 input channels", (1, 3, 5, 6), (2, 1, 2, 2), {"groups": 2}),
    ("groups=2 does not divide 3 output channels", (1, 4, 5, 6), (3, 2, 2, 2), {"groups": 2}),
    ("groups=0: expected 1 or more", (1, 3, 5, 6), (2, 3, 2, 2), {"groups": 0}),
    ("groups=1.0: expected a whole number", (1, 3, 5, 6), (2, 3, 2, 2), {"groups": 1.0}),
    ("size=5: with padding 0+0 it is smaller", (1, 3, 5, 6), (2, 3, 6, 2), {}),
    ("span of 7", (1, 3, 5, 6), (2, 3, 2, 3), {"dilation": (1, 3)}),
    ("padding=-1: expected 0 or more", (1, 3, 5, 6), (2, 3, 2, 2), {"padding": -1}),
    ("stride=0: expected 1 or more", (1, 3, 5, 6), (2, 3, 2, 2), {"stride": (1, 0)}),
    ("dilation=0: expected 1 or more", (1, 3, 5, 6), (2, 3, 2, 2), {"dilation": 0}),
    ("stride=(1, 2, 3): expected one", (1, 3, 5, 6), (2, 3, 2, 2), {"stride": (1, 2, 3)}),
]  # fmt: skip


@pytest.mark.parametrize("words, x, weight, settings", REFUSED)
@pytest.mark.parametrize("way", WAYS)
def test_what_does_not_fit_is_refused_by_name(way, words, x, weight, settings):
    with pytest.raises(ValueError) as error:
        way(torch.zeros(x), torch.zeros(weight), **settings)
    assert words in str(error.value)


@pytest.mark.parametrize("way", WAYS)
def test_a_bias_of_another_length_is_refused(way):
    with pytest.raises(ValueError, match=r"bias of shape \(3,\): expected \(2,\)"):
        way(X, KERNELS, torch.zeros(3))


def test_backward_refuses_an_error_of_another_shape():
    with pytest.raises(ValueError, match=r"\(1, 2, 3, 3\): expected \(1, 2, 2, 2\)"):
        conv2d_backward(X, KERNELS, torch.zeros(1, 2, 3, 3))


def test_the_parts_refuse_too():
    with pytest.raises(ValueError, match=r"x of shape \(3, 3\)"):
        im2col(X[0, 0], 2)
    with pytest.raises(ValueError, match="size=1: with padding"):
        toeplitz_matrix(KERNELS, (1, 3))
    with pytest.raises(ValueError, match="groups=3 does not divide 2 output channels"):
        toeplitz_matrix(KERNELS, (3, 3), groups=3)
