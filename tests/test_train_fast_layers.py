"""The fast layers give what torch's own layers give, forwards and backwards."""

import copy

import pytest
import torch
from torch import nn

from cnnlib.train.fast_layers import use_fast_layers

LAYERS = {
    "depthwise": nn.Conv2d(6, 6, 3, stride=2, padding=1, groups=6, bias=False),
    "two filters a channel": nn.Conv2d(6, 12, 3, stride=2, groups=6),
    "oblong": nn.Conv2d(6, 6, (3, 5), stride=(2, 3), padding=(0, 2), dilation=(2, 1), groups=6),
    "same": nn.Conv2d(6, 6, 3, stride=1, padding="same", groups=6),
    "mirrored border": nn.Conv2d(6, 6, 3, stride=2, padding=1, groups=6, padding_mode="reflect"),
    "dense": nn.Conv2d(6, 4, 3, stride=2),
    "alexnet": nn.LocalResponseNorm(5, alpha=0.9, beta=0.75, k=2.0),
    "even": nn.LocalResponseNorm(4, alpha=0.9, beta=0.5, k=1.0),
    "wider than the channels": nn.LocalResponseNorm(9, alpha=0.9),
}


@pytest.mark.parametrize("size", [(12, 13), (11, 16)])
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_outputs_and_gradients_are_those_of_torchs_layer(layer, size):
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(3, 6, *size, generator=generator, dtype=torch.float64)
    results = []
    for fast in (False, True):
        network = nn.Sequential(copy.deepcopy(layer)).double()
        if fast:
            use_fast_layers(network)
        x = inputs.clone().requires_grad_()
        outputs = network(x)
        outputs.square().sum().backward()
        results.append([outputs, x.grad, *(p.grad for p in network.parameters())])
    for plain, quick in zip(*results, strict=True):
        torch.testing.assert_close(quick, plain)


def test_a_changed_network_can_be_copied_and_keeps_its_names():
    network = nn.Sequential(nn.Conv2d(2, 2, 3, stride=2, groups=2))
    names = list(network.state_dict())
    use_fast_layers(network)
    assert list(network.state_dict()) == names
    double = copy.deepcopy(network)
    with torch.no_grad():
        double[0].weight.zero_()
        double[0].bias.zero_()
    inputs = torch.ones(1, 2, 5, 5)
    assert double(inputs).abs().max() == 0  # the copy reads its own weights
    assert network(inputs).abs().max() > 0
