"""Your code runs a ResNet: convolution, normalisation, ReLU, shortcut, block, and the scores."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlib.exercises.chain import Dice, Part, Parts, PhotographChain
from cnnlib.models.resnet import BasicBlock, make_shortcut


class _Gives(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.forward = function


# --- The library's parts, by its own layers -------------------------------------------------------


def _normalised(
    x: Tensor, mean: Tensor, variance: Tensor, gamma: Tensor, beta: Tensor, eps: float
) -> Tensor:
    return F.batch_norm(x, mean, variance, gamma, beta, training=False, eps=eps)


def _shortcut(x: Tensor, kernels: Tensor | None, norm: tuple | None, stride: int) -> Tensor:
    if kernels is None:
        return make_shortcut("B", x.shape[1], x.shape[1], stride)(x)
    layers = make_shortcut("C", kernels.shape[1], kernels.shape[0], stride).eval()
    mean, variance, gamma, beta, layers[1].eps = norm
    names = ("0.weight", "1.running_mean", "1.running_var", "1.weight", "1.bias")
    given = zip(names, (kernels, mean, variance, gamma, beta), strict=True)
    layers.load_state_dict(dict(given), strict=False)
    return layers(x)


def _block(x: Tensor, branch: Callable, beside: Callable) -> Tensor:
    block = BasicBlock(1, 1, 1, _Gives(beside), "1x1")
    block.conv1 = _Gives(branch)  # all of the branch
    block.bn1 = block.relu1 = block.conv2 = block.bn2 = nn.Identity()
    return block(x)


_dice = Dice(8)
_numbers = _dice.numbers


def _norm(channels: int) -> tuple:
    """Mean, variance, gamma, beta, eps, as a trained normalisation holds them."""
    mean, variance, gamma, beta = (_numbers(channels) for _ in range(4))
    return mean, variance.abs(), gamma, beta, 1e-5


PARTS = {
    "convolve": Part(
        lambda x, kernels, stride, padding: F.conv2d(x, kernels, stride=stride, padding=padding),
        "(N, C, H, W), (K, C, h, w), stride, padding -> (N, K, rows, columns)",
        [
            (torch.arange(6.0).view(1, 1, 2, 3), torch.ones(1, 1, 2, 2), 1, 0),
            (torch.arange(6.0).view(1, 1, 2, 3), torch.ones(1, 1, 3, 3), 1, 1),
            (_numbers(2, 3, 6, 8), _numbers(4, 3, 3, 3), 2, 1),
            (_numbers(2, 3, 7, 5), _numbers(5, 3, 1, 1), 2, 0),
            (torch.arange(24.0).view(1, 2, 4, 3), torch.arange(6.0).view(1, 2, 1, 3), 1, 0),
        ],
    ),
    "normalise": Part(
        _normalised,
        "(N, C, H, W), mean, variance, gamma, beta: (C,) each, eps -> (N, C, H, W)",
        [
            (
                torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3),
                *(torch.tensor([value]) for value in (2.0, 4.0, 1.0, 0.0)),
                1e-5,
            ),
            (_numbers(2, 3, 4, 5), *_norm(3)),
            (
                torch.tensor([0.0, 0.001]).view(1, 2, 1, 1),
                torch.zeros(2),
                torch.tensor([0.0, 1e-6]),  # a channel that hardly ever changes
                torch.ones(2),
                torch.tensor([0.5, -0.5]),
                1e-3,  # not the eps of the others: it is given, not fixed
            ),
        ],
    ),
    "rectify": Part(
        F.relu,
        "any shape -> the same: what is negative becomes 0",
        [(torch.tensor([-1.0, 0.0, 2.0]),), (_numbers(2, 3, 4, 5),)],
    ),
    "shortcut": Part(
        _shortcut,
        "(N, C, H, W), kernels (K, C, 1, 1) or None, norm or None, stride -> what is added",
        [
            (torch.tensor([-1.0, 2.0]).view(1, 1, 1, 2), None, None, 1),
            (_numbers(2, 3, 4, 5), None, None, 1),
            (_numbers(2, 3, 4, 6), _numbers(5, 3, 1, 1), _norm(5), 2),
            (_numbers(1, 3, 5, 3), _numbers(4, 3, 1, 1), _norm(4), 1),
        ],
    ),
    "block": Part(
        _block,
        "(N, C, H, W), branch and beside: functions of it -> (N, K, rows, columns)",
        [
            (torch.tensor([1.0, 2.0]).view(1, 2, 1, 1), lambda x: -2 * x + 3, lambda x: 2 * x),
            (_numbers(2, 3, 4, 5), lambda x: x.roll(1, dims=1), lambda x: x),
            (_numbers(2, 3, 4, 6), lambda x: x[..., ::2, 1::2] - 1, lambda x: -x[..., 1::2, ::2]),
        ],
    ),
    "scores": Part(
        lambda x, weight, bias: F.linear(F.adaptive_avg_pool2d(x, 1).flatten(1), weight, bias),
        "(N, C, H, W), (K, C), (K,) -> (N, K): the mean of each map, then a linear layer",
        [
            (
                torch.arange(8.0).view(1, 2, 2, 2),
                torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, -1.0]]),
                torch.tensor([0.0, 0.0, 1.0]),
            ),
            (_numbers(3, 4, 2, 5), _numbers(6, 4), _numbers(6)),
        ],
    ),
}


class ResNetChain(PhotographChain):
    """The book's small ResNet-18 with its trained weights, and six parts that wait for yours."""

    parts: ClassVar = PARTS
    key = "small_resnet18"
    network_name = "ResNet-18"

    def scores(self, x: Tensor, parts: Parts) -> Tensor:
        return forward(self.network, x, parts)


def forward(network: Any, x: Tensor, parts: Parts) -> Tensor:
    """The scores (N, K) of a ResNet of basic blocks, computed by ``parts`` alone."""
    x = parts.rectify(_convolved(x, network.conv1, network.bn1, parts))
    for stage in network.stages:
        for block in network.get_submodule(stage):
            branch = partial(_branch, block=block, parts=parts)
            x = parts.block(x, branch, _beside(block.shortcut, parts))
    return parts.scores(x, network.fc.weight, network.fc.bias)


def _branch(x: Tensor, block: Any, parts: Parts) -> Tensor:
    x = parts.rectify(_convolved(x, block.conv1, block.bn1, parts))
    return _convolved(x, block.conv2, block.bn2, parts)


def _beside(shortcut: nn.Module, parts: Parts) -> Callable[[Tensor], Tensor]:
    if isinstance(shortcut, nn.Identity):
        return lambda x: parts.shortcut(x, None, None, 1)
    conv, bn = shortcut
    return lambda x: parts.shortcut(x, conv.weight, _norm_of(bn), conv.stride[0])


def _convolved(x: Tensor, conv: nn.Conv2d, bn: nn.BatchNorm2d, parts: Parts) -> Tensor:
    x = parts.convolve(x, conv.weight, conv.stride[0], conv.padding[0])
    return parts.normalise(x, *_norm_of(bn))


def _norm_of(bn: nn.BatchNorm2d) -> tuple:
    return bn.running_mean, bn.running_var, bn.weight, bn.bias, bn.eps
