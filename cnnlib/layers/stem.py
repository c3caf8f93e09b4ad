"""How a network of photographs begins: one convolution, and behind it a pooling or none."""

from typing import NamedTuple

from torch import nn


class Stem(NamedTuple):
    """The first layers. What stands between them, norm and ReLU, is the network's own."""

    conv: nn.Conv2d
    pool: nn.MaxPool2d | None


def large_stem(channels: int) -> Stem:
    """For 224x224: a 7x7 with stride 2, and a pooling by 2 (He et al. 2015, Table 1)."""
    conv = nn.Conv2d(3, channels, kernel_size=7, stride=2, padding=3, bias=False)
    return Stem(conv, nn.MaxPool2d(kernel_size=3, stride=2, padding=1))


def small_stem(channels: int) -> Stem:
    """For 32x32: a 3x3 that keeps the size (He et al. 2015, section 4.2)."""
    return Stem(nn.Conv2d(3, channels, kernel_size=3, padding=1, bias=False), None)


def halving_stem(channels: int) -> Stem:
    """For 64x64: the small one with stride 2."""
    return Stem(nn.Conv2d(3, channels, kernel_size=3, stride=2, padding=1, bias=False), None)
