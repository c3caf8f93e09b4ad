"""Xception: Chollet 2017, "Xception: deep learning with depthwise separable convolutions".

The one new idea: Inception taken to its end. If a 1x1 first and a few separate 3x3 paths behind it
work well, take one path a channel: a depthwise separable convolution. Stack these with shortcuts.

An "extreme Inception" module mixes channels first and filters after, with ReLU between. A separable
convolution, as everyone builds it and so does this network, filters first, mixes after, with
nothing between (section 1.2; section 4.7 finds that nothing is better).

Where the paper leaves a choice: paddings follow the author's release (keras.applications), whose
first two convolutions have none. Elsewhere maps are padded by one on each side, where the release
pads as TensorFlow does ("SAME"). Normalisation has keras's epsilon, 1e-3. Initialisation is He et
al. 2015's.
"""

from collections import OrderedDict

from torch import Tensor, nn

from cnnlib.layers import he_normal_


class SeparableConv2d(nn.Sequential):
    """Depthwise 3x3, then pointwise 1x1, and nothing between; ``depthwise_first=False`` turns the
    two around, as in an extreme Inception module."""

    def __init__(
        self, in_channels: int, out_channels: int, *, depthwise_first: bool = True
    ) -> None:
        filtered = in_channels if depthwise_first else out_channels
        depthwise = nn.Conv2d(
            filtered, filtered, kernel_size=3, padding=1, groups=filtered, bias=False
        )
        pointwise = nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)
        parts = [("depthwise", depthwise), ("pointwise", pointwise)]
        super().__init__(OrderedDict(parts if depthwise_first else parts[::-1]))


class Block(nn.Module):
    """Separable convolutions, each with ReLU before and normalisation behind, beside a shortcut.

    ``channels`` are the outputs of each. With ``stride`` 2 a max pooling ends the branch and the
    shortcut is a 1x1 convolution. ``starts_with_relu`` is False for the network's first block.
    """

    def __init__(
        self,
        in_channels: int,
        channels: tuple[int, ...],
        stride: int,
        *,
        starts_with_relu: bool = True,
    ) -> None:
        super().__init__()
        parts = OrderedDict()
        before = in_channels
        for number, out_channels in enumerate(channels, start=1):
            if number > 1 or starts_with_relu:
                parts[f"relu{number}"] = nn.ReLU()
            parts[f"sepconv{number}"] = SeparableConv2d(before, out_channels)
            parts[f"bn{number}"] = nn.BatchNorm2d(out_channels, eps=1e-3)
            before = out_channels
        if stride == 2:
            parts["pool"] = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.branch = nn.Sequential(parts)
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != before:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, before, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(before, eps=1e-3),
            )

    def forward(self, x: Tensor) -> Tensor:
        return self.branch(x) + self.shortcut(x)  # (N, channels[-1], H / stride, W / stride)


class Xception(nn.Module):
    """Entry flow, ``middle`` equal blocks, exit flow (Fig. 5).

    ``entry`` are the channels of the two first convolutions and of the three blocks behind them;
    ``exit_channels`` those of the last block and of the two last separable convolutions. Input (N,
    3, H, W), 299x299 in the paper; returns logits (N, num_classes).
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        entry: tuple[int, ...] = (32, 64, 128, 256, 728),
        middle: int = 8,
        exit_channels: tuple[int, int, int] = (1024, 1536, 2048),
        first_stride: int = 2,
    ) -> None:
        super().__init__()
        one, two, *widths = entry
        self.conv1 = nn.Conv2d(3, one, kernel_size=3, stride=first_stride, bias=False)
        self.bn1 = nn.BatchNorm2d(one, eps=1e-3)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(one, two, kernel_size=3, bias=False)
        self.bn2 = nn.BatchNorm2d(two, eps=1e-3)
        self.relu2 = nn.ReLU()
        blocks = OrderedDict()
        channels = two
        for width in widths:
            name = f"block{len(blocks) + 2}"
            blocks[name] = Block(channels, (width, width), 2, starts_with_relu=bool(blocks))
            channels = width
        for _ in range(middle):
            blocks[f"block{len(blocks) + 2}"] = Block(channels, 3 * (channels,), 1)
        last, three, four = exit_channels
        blocks[f"block{len(blocks) + 2}"] = Block(channels, (channels, last), 2)
        self.blocks = nn.Sequential(blocks)
        self.conv3 = SeparableConv2d(last, three)
        self.bn3 = nn.BatchNorm2d(three, eps=1e-3)
        self.relu3 = nn.ReLU()
        self.conv4 = SeparableConv2d(three, four)
        self.bn4 = nn.BatchNorm2d(four, eps=1e-3)
        self.relu4 = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(four, num_classes)
        he_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.bn1(self.conv1(x)))  # (N, 32, 149, 149)
        x = self.relu2(self.bn2(self.conv2(x)))  # (N, 64, 147, 147)
        x = self.blocks(x)  # (N, 1024, 10, 10)
        x = self.relu3(self.bn3(self.conv3(x)))  # (N, 1536, 10, 10)
        x = self.relu4(self.bn4(self.conv4(x)))  # (N, 2048, 10, 10)
        return self.fc(self.flatten(self.pool(x)))  # (N, num_classes)


def xception(num_classes: int = 1000) -> Xception:
    return Xception(num_classes)


def small_xception(num_classes: int = 40) -> Xception:
    """Xception for 64x64: three middle blocks, a quarter as wide."""
    return Xception(
        num_classes, entry=(32, 48, 64, 128, 192), middle=3, exit_channels=(256, 320, 448)
    )  # fmt: skip
