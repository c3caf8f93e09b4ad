"""The transposed convolution, two ways, against torch over random calls and by hand."""

import random

import pytest
import torch
from torch.nn import functional as F

from cnnlib.layers import conv_transpose2d_matrix, conv_transpose2d_stuffed, toeplitz_matrix

WAYS = [conv_transpose2d_matrix, conv_transpose2d_stuffed]
SEEDS = range(200)


def random_call(seed: int):
    """Random tensors and settings that torch accepts, no axis like the other."""
    dice = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)

    def pair(least, largest):
        return dice.randint(least, largest), dice.randint(least, largest)

    kernel, stride, dilation, padding = pair(1, 4), pair(1, 3), pair(1, 3), pair(0, 3)
    output_padding = tuple(
        dice.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation, strict=True)
    )
    if dice.random() < 0.3:
        stride, dilation, padding = stride[0], dilation[0], padding[0]
        output_padding = max(stride, dilation) - 1
    groups = dice.choice([1, 1, 2, 3])
    settings = {"stride": stride, "padding": padding, "output_padding": output_padding,
                "groups": groups, "dilation": dilation}  # fmt: skip
    inputs, outputs = dice.randint(1, 3), dice.randint(1, 3)

    def values(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    weight = values(groups * inputs, outputs, *kernel)
    bias = values(groups * outputs) if dice.random() < 0.7 else None
    # A map large enough that the padding leaves something of it.
    x = values(dice.randint(1, 3), groups * inputs, 6 + dice.randint(1, 2), 6 + dice.randint(1, 3))
    return x, weight, bias, settings


def with_gradients(way, x, weight, bias, settings):
    tensors = [t.clone().requires_grad_() for t in (x, weight, bias) if t is not None]
    y = way(*tensors, **settings)
    error = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(0))
    return [y, *torch.autograd.grad(y, tensors, error)]


@pytest.mark.parametrize("way", WAYS)
def test_value_and_gradients_are_torchs(way):
    for seed in SEEDS:
        call = random_call(seed)
        found, expected = with_gradients(way, *call), with_gradients(F.conv_transpose2d, *call)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_the_random_calls_reach_what_they_are_for():
    settings = [random_call(seed)[3] for seed in SEEDS]
    assert {s["groups"] for s in settings} == {1, 2, 3}
    # Output padding that is as large as the stride, which torch allows where the dilation is larger
    assert any(
        isinstance(s["stride"], tuple) and s["output_padding"][0] >= s["stride"][0]
        for s in settings
    )
    assert any(isinstance(s["stride"], int) for s in settings)


@pytest.mark.parametrize("way", WAYS)
def test_by_hand(way):
    """1 and 2 side by side, stride 2: each paints the kernel 1 2 3, and the middle column adds."""
    x = torch.tensor([[[[1.0, 2.0]]]])
    weight = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    assert way(x, weight, stride=(1, 2)).tolist() == [[[[1, 2, 3 + 2, 4, 6]]]]
    assert way(x, weight, stride=(1, 2), padding=(0, 1)).tolist() == [[[[2, 5, 4]]]]
    longer = way(x, weight, torch.tensor([10.0]), stride=(1, 2), output_padding=(0, 1))
    assert longer.tolist() == [[[[11, 12, 15, 14, 16, 10]]]]


def test_it_is_the_matrix_of_the_convolution_turned_over():
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(4, 3, 3, 2, generator=generator, dtype=torch.float64)
    matrix = toeplitz_matrix(weight, (7, 8), stride=(2, 3), padding=1)  # 4 maps from 3
    x = torch.randn(1, 4, 4, 3, generator=generator, dtype=torch.float64)
    expected = (matrix.T @ x.flatten()).view(1, 3, 7, 8)
    for way in WAYS:
        y = way(x, weight, stride=(2, 3), padding=1, output_padding=(0, 2))
        torch.testing.assert_close(y, expected)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "words, x, weight, settings",
    [
        (r"x of shape \(2, 4, 5\)", (2, 4, 5), (2, 3, 2, 2), {}),
        (r"weight of shape \(3, 2, 2, 2\): expected .* 2 input", (1, 2, 4, 5), (3, 2, 2, 2), {}),
        ("groups=2 does not divide 3 input channels", (1, 3, 4, 5), (3, 2, 2, 2), {"groups": 2}),
        ("groups=0: expected 1", (1, 3, 4, 5), (3, 2, 2, 2), {"groups": 0}),
        ("output_padding=2: must be smaller", (1, 2, 4, 5), (2, 3, 2, 2),
         {"stride": 2, "output_padding": 2}),
        ("padding=-1: expected 0 or more", (1, 2, 4, 5), (2, 3, 2, 2), {"padding": -1}),
        ("size=4: nothing is left", (1, 2, 4, 5), (2, 3, 2, 2), {"padding": 3}),
        ("stride=0: expected 1 or more", (1, 2, 4, 5), (2, 3, 2, 2), {"stride": 0}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(way, words, x, weight, settings):
    with pytest.raises(ValueError, match=words):
        way(torch.zeros(x), torch.zeros(weight), **settings)


@pytest.mark.parametrize("way", WAYS)
def test_a_bias_of_another_length_is_refused(way):
    with pytest.raises(ValueError, match=r"bias of shape \(2,\): expected \(6,\)"):
        way(torch.zeros(1, 2, 4, 5), torch.zeros(2, 3, 2, 2), torch.zeros(2), groups=2)
