"""The gated convolution is the paper's formula, and its gates do what they are for."""

import pytest
import torch
from torch.nn import functional as F

from cnnlib.layers import GatedConv2d
from cnnlib.trace import trace


def random(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "settings",
    [{}, {"stride": 2, "padding": 1}, {"dilation": (1, 2), "groups": 2}, {"bias": False}],
)
def test_it_is_equation_1(settings):
    layer = GatedConv2d(4, 6, (3, 2), **settings).double()
    x = random(2, 4, 8, 9)
    rest = {name: value for name, value in settings.items() if name != "bias"}
    values = F.conv2d(x, layer.values.weight, layer.values.bias, **rest)
    gates = 1 / (1 + torch.exp(-F.conv2d(x, layer.gate.weight, layer.gate.bias, **rest)))
    torch.testing.assert_close(layer(x), values * gates)
    torch.testing.assert_close(layer.gates(x), gates)


def test_the_two_halves_are_torchs_gated_linear_unit():
    layer = GatedConv2d(3, 5, 3).double()
    x = random(2, 3, 7, 8)
    torch.testing.assert_close(layer(x), F.glu(torch.cat([layer.values(x), layer.gate(x)], 1), 1))


def test_an_open_gate_passes_the_convolution_and_a_shut_one_nothing():
    layer = GatedConv2d(3, 2, 3).double()
    torch.nn.init.zeros_(layer.gate.weight)
    layer.gate.bias.data = torch.tensor([100.0, -100.0]).double()
    x = random(1, 3, 6, 7)
    y = layer(x)
    torch.testing.assert_close(y[:, 0], layer.values(x)[:, 0])
    torch.testing.assert_close(y[:, 1], torch.zeros(1, 4, 5).double())


def test_gradients_equal_finite_differences():
    layer = GatedConv2d(2, 3, 2).double()
    assert torch.autograd.gradcheck(layer, random(1, 2, 4, 5).requires_grad_())


def test_it_costs_two_convolutions():
    layer = GatedConv2d(4, 6, 3)
    assert sum(p.numel() for p in layer.parameters()) == 2 * (4 * 6 * 9 + 6)
    rows = trace(layer, (1, 4, 8, 9))
    assert sum(row.macs for row in rows) == 2 * 6 * 4 * 9 * 6 * 7


def test_what_torch_refuses_is_refused():
    with pytest.raises(ValueError, match="divisible by groups"):
        GatedConv2d(3, 4, 3, groups=2)
