"""NiN: Lin, Chen & Yan 2014, "Network in network".

Two new ideas. A 1x1 convolution behind each convolution makes the linear filter a small network
that slides ("mlpconv", section 3.1); and in place of fully connected layers the last maps, one a
class, are averaged: global average pooling (section 3.2). Later networks took both.

Where the paper leaves a choice: it prints no layer's numbers. They are those of the authors'
released models: ``nin_cifar`` for CIFAR-10, ``nin`` for ImageNet, whose input is 224x224. Two
things in those files differ from the text, and here the text holds: pooling takes the maximum
(section 4.1; the CIFAR-10 file's second takes the mean), and dropout follows all blocks but the
last (section 4.1; the ImageNet file has it before the last block only). Weights start from He et
al. 2015.
"""

from collections import OrderedDict

from torch import Tensor, nn


class MLPConv(nn.Sequential):
    """A convolution and two 1x1 convolutions, each with ReLU (Fig. 1b)."""

    def __init__(
        self, in_channels: int, channels: tuple[int, int, int], kernel_size: int, **options: int
    ) -> None:
        one, two, three = channels
        super().__init__(
            OrderedDict(
                conv=nn.Conv2d(in_channels, one, kernel_size, **options),
                relu1=nn.ReLU(),
                cccp1=nn.Conv2d(one, two, kernel_size=1),
                relu2=nn.ReLU(),
                cccp2=nn.Conv2d(two, three, kernel_size=1),
                relu3=nn.ReLU(),
            )
        )


class NiN(nn.Module):
    """``blocks`` are (channels of the three layers, kernel size, stride, padding).

    A 3x3 max pooling with stride 2, rounding up, and dropout stand between blocks. The last block's
    last layer has a map a class, whatever number stands there. Input (N, 3, H, W), returns logits
    (N, num_classes). Raises ``ValueError`` for fewer than two blocks.
    """

    def __init__(
        self,
        blocks: tuple[tuple[tuple[int, ...], int, int, int], ...],
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        if len(blocks) < 2:
            raise ValueError(f"blocks: expected two or more, found {len(blocks)}")
        parts = OrderedDict()
        channels = 3
        for number, (widths, kernel_size, stride, padding) in enumerate(blocks, start=1):
            last = number == len(blocks)
            if last:
                widths = (*widths[:2], num_classes)
            parts[f"mlpconv{number}"] = MLPConv(
                channels, widths, kernel_size, stride=stride, padding=padding
            )
            channels = widths[2]
            if not last:
                parts[f"pool{number}"] = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
                parts[f"drop{number}"] = nn.Dropout(0.5)
        self.features = nn.Sequential(parts)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, num_classes, 6, 6)
        return self.flatten(self.pool(x))  # (N, num_classes)


def nin(num_classes: int = 1000) -> NiN:
    """The released ImageNet model: 7.6 million parameters."""
    blocks = (
        ((96, 96, 96), 11, 4, 0),
        ((256, 256, 256), 5, 1, 2),
        ((384, 384, 384), 3, 1, 1),
        ((1024, 1024, 0), 3, 1, 1),
    )
    return NiN(blocks, num_classes)


def nin_cifar(num_classes: int = 10) -> NiN:
    """The released CIFAR-10 model, for 32x32 images."""
    blocks = (
        ((192, 160, 96), 5, 1, 2),
        ((192, 192, 192), 5, 1, 2),
        ((192, 192, 0), 3, 1, 1),
    )
    return NiN(blocks, num_classes)


def small_nin(num_classes: int = 40) -> NiN:
    """NiN for 64x64: the CIFAR model with one block more at the front."""
    blocks = (
        ((64, 64, 64), 5, 2, 2),
        ((128, 128, 128), 5, 1, 2),
        ((192, 192, 192), 3, 1, 1),
        ((192, 192, 0), 3, 1, 1),
    )
    return NiN(blocks, num_classes)
