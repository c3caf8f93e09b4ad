"""DenseNet: Huang, Liu, van der Maaten & Weinberger 2017, "Densely connected convolutional
networks".

The one new idea: every layer reads all layers before it, laid side by side, not their sum. So a
layer need not repeat what is known already, and can be narrow: it adds only ``growth_rate`` maps.

What Table 1 builds is DenseNet-BC: a 1x1 bottleneck of ``4 * growth_rate`` channels before each
3x3, and transitions that keep ``compression`` (a half) of the channels.

Where we differ from the paper: nothing in the layers. Initialisation is He et al. 2015's; linear
biases start at zero, as section 4.2 and the authors' release have it.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from cnnlib.layers import Stem, halving_stem, he_normal_, large_stem


class DenseLayer(nn.Module):
    """BN, ReLU, 1x1, BN, ReLU, 3x3: ``growth_rate`` new maps from all that came before."""

    def __init__(self, in_channels: int, growth_rate: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(in_channels, 4 * growth_rate, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth_rate)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(4 * growth_rate, growth_rate, kernel_size=3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        new = self.conv1(self.relu1(self.norm1(x)))
        new = self.conv2(self.relu2(self.norm2(new)))  # (N, growth_rate, H, W)
        return torch.cat([x, new], dim=1)  # (N, C + growth_rate, H, W)


class Transition(nn.Sequential):
    """Between two dense blocks: fewer channels, half the size (section 3)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            OrderedDict(
                norm=nn.BatchNorm2d(in_channels),
                relu=nn.ReLU(),
                conv=nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False),
                pool=nn.AvgPool2d(kernel_size=2),
            )
        )


class DenseNet(nn.Module):
    """``depths`` says how many dense layers each block has (Table 1).

    Input (N, 3, H, W), 224x224 in the paper; returns logits (N, num_classes). ``stem`` is for
    that, or for smaller images :func:`small_stem` or :func:`halving_stem`. Raises ``ValueError``
    for a compression outside (0, 1].
    """

    def __init__(
        self,
        depths: Sequence[int],
        growth_rate: int = 32,
        num_classes: int = 1000,
        *,
        compression: float = 0.5,
        stem: Callable[[int], Stem] = large_stem,
    ) -> None:
        super().__init__()
        if not 0 < compression <= 1:
            raise ValueError(f"compression={compression}: expected more than 0 and at most 1")
        channels = 2 * growth_rate
        parts = OrderedDict()
        parts["conv0"], pool = stem(channels)
        if pool is not None:
            parts["norm0"] = nn.BatchNorm2d(channels)
            parts["relu0"] = nn.ReLU()
            parts["pool0"] = pool
        for number, depth in enumerate(depths, start=1):
            block = OrderedDict()
            for layer in range(1, depth + 1):
                block[f"layer{layer}"] = DenseLayer(channels, growth_rate)
                channels += growth_rate
            parts[f"block{number}"] = nn.Sequential(block)
            if number < len(depths):
                fewer = int(channels * compression)
                parts[f"transition{number}"] = Transition(channels, fewer)
                channels = fewer
        parts["norm5"] = nn.BatchNorm2d(channels)
        parts["relu5"] = nn.ReLU()
        self.features = nn.Sequential(parts)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, num_classes)
        he_normal_(self)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, C, 7, 7)
        return self.classifier(self.flatten(self.pool(x)))  # (N, num_classes)


def densenet121(num_classes: int = 1000) -> DenseNet:
    return DenseNet((6, 12, 24, 16), 32, num_classes)


def densenet169(num_classes: int = 1000) -> DenseNet:
    return DenseNet((6, 12, 32, 32), 32, num_classes)


def densenet201(num_classes: int = 1000) -> DenseNet:
    return DenseNet((6, 12, 48, 32), 32, num_classes)


def densenet161(num_classes: int = 1000) -> DenseNet:
    """The wide one: growth rate 48."""
    return DenseNet((6, 12, 36, 24), 48, num_classes)


def small_densenet(num_classes: int = 40) -> DenseNet:
    """DenseNet-BC for 64x64: four blocks of four layers, growth rate 16, a 3x3/2 stem."""
    return DenseNet((4, 4, 4, 4), 16, num_classes, stem=halving_stem)
