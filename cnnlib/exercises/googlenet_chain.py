"""Your code runs GoogLeNet's modules: four branches and what joins them."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlib.exercises.chain import Dice, Part, Parts, PhotographChain
from cnnlib.models.googlenet import Inception, conv

Layer = tuple[Tensor, Tensor]  # a convolution's kernels (K, C, h, w) and biases (K,)


# --- The library's parts, by its own layers -------------------------------------------------------


def _convolved(x: Tensor, *layers: Layer) -> Tensor:
    for kernels, biases in layers:
        out_channels, in_channels, size, _ = kernels.shape
        layer = conv(in_channels, out_channels, size, batch_norm=False, padding=size // 2)
        layer.load_state_dict({"conv.weight": kernels, "conv.bias": biases})
        x = layer(x)
    return x


def _joined(branches: Sequence[Tensor]) -> Tensor:
    module = Inception(1, 1, 1, 1, 1, 1, 1)
    for number, values in enumerate(branches, start=1):
        module.add_module(f"branch{number}", _Gives(values))
    return module(torch.zeros(1, 1, 1, 1))


class _Gives(nn.Module):
    """A module that gives these values, whatever it reads."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.forward = lambda _: values


_dice = Dice(14)
_numbers = _dice.numbers
_small = torch.arange(-3.0, 3.0).view(1, 1, 2, 3)


def _layer(out_channels: int, in_channels: int, size: int) -> Layer:
    return _numbers(out_channels, in_channels, size, size), _numbers(out_channels)


def _one(size: int, weight: float = 1.0, bias: float = 0.0) -> Layer:
    return torch.full((1, 1, size, size), weight), torch.tensor([bias])


PARTS = {
    "branch1": Part(
        _convolved,
        "x, (kernels 1x1, biases) -> (N, K, H, W)",
        [(_small, _one(1, 2.0, 1.0)), (_numbers(2, 3, 4, 5), _layer(4, 3, 1))],
    ),
    "branch2": Part(
        _convolved,
        "x, reduction (kernels 1x1, biases), (kernels 3x3, biases) -> (N, K, H, W)",
        [
            (_small, _one(1), _one(3)),
            (_numbers(2, 4, 4, 5), _layer(2, 4, 1), _layer(5, 2, 3)),
            (_numbers(1, 3, 1, 4), _layer(3, 3, 1), _layer(2, 3, 3)),
        ],
    ),
    "branch3": Part(
        _convolved,
        "x, reduction (kernels 1x1, biases), (kernels 5x5, biases) -> (N, K, H, W)",
        [
            (_small, _one(1), _one(5)),
            (_numbers(2, 4, 6, 5), _layer(2, 4, 1), _layer(5, 2, 5)),
            (_numbers(1, 3, 2, 3), _layer(3, 3, 1), _layer(2, 3, 5)),
        ],
    ),
    "branch4": Part(
        lambda x, behind: _convolved(F.max_pool2d(x, 3, stride=1, padding=1), behind),
        "x, (kernels 1x1, biases) behind a 3x3 max pool with stride 1 -> (N, K, H, W)",
        [
            (_small, _one(1)),
            (-_small - 4, _one(1, -1.0)),  # all below 0: a border of zeros would win
            (_numbers(2, 3, 5, 4), _layer(4, 3, 1)),
        ],
    ),
    "concatenate": Part(
        _joined,
        "a list of four (N, Ki, H, W) -> (N, K1 + K2 + K3 + K4, H, W)",
        [
            ([torch.full((1, 1, 1, 2), value) for value in (3.0, 1.0, 4.0, 2.0)],),
            ([_numbers(2, channels, 3, 4) for channels in (2, 4, 1, 3)],),
        ],
    ),
}


class GoogLeNetChain(PhotographChain):
    """The book's small GoogLeNet with its trained weights: the five parts of its six modules wait
    for yours. The stem, the pools between the modules and the end stay the library's."""

    parts: ClassVar = PARTS
    key = "small_googlenet"
    network_name = "GoogLeNet"

    def scores(self, x: Tensor, parts: Parts) -> Tensor:
        return forward(self.network, x, parts)


def forward(network: Any, x: Tensor, parts: Parts) -> Tensor:
    """The scores (N, K) of a GoogLeNet, its modules computed by ``parts`` alone."""
    x = network.stem(x)
    for name in network.order:
        module = network.get_submodule(name)
        x = inception(module, x, parts) if isinstance(module, Inception) else module(x)
    return network.fc(network.flatten(network.pool(x)))


def inception(module: Inception, x: Tensor, parts: Parts) -> Tensor:
    branches = [
        parts.branch1(x, *_layers((module.branch1,))),
        parts.branch2(x, *_layers(module.branch2)),
        parts.branch3(x, *_layers(module.branch3)),
        parts.branch4(x, *_layers(module.branch4[1:])),  # behind its pool
    ]
    return parts.concatenate(branches)


def _layers(convolutions: Sequence[nn.Sequential]) -> list[Layer]:
    return [(one.conv.weight, one.conv.bias) for one in convolutions]
