"""ShuffleNet v2: Ma, Zhang, Zheng & Sun 2018, "ShuffleNet V2: practical guidelines for efficient
CNN architecture design".

The one new idea: measure time, not multiply-adds. Four guidelines (section 2) say what costs time:
unequal channels, many groups, many branches, element-wise work. The unit that follows them splits
the channels, works on one half, lays both side by side again and shuffles.

Where we differ from the paper: nothing. Sizes are Table 5's, for the scales 0.5, 1, 1.5 and 2.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from cnnlib.layers import ChannelShuffle, he_normal_

# Table 5: channels of stages 2 to 4 and of conv5.
SCALES = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}


def working_branch(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """1x1, depthwise 3x3, 1x1 (Fig. 3c and d, right)."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(in_channels, channels, kernel_size=1, bias=False),
            bn1=nn.BatchNorm2d(channels),
            relu1=nn.ReLU(),
            depthwise=nn.Conv2d(
                channels, channels, kernel_size=3, stride=stride, padding=1, groups=channels,
                bias=False,
            ),
            bn2=nn.BatchNorm2d(channels),
            conv3=nn.Conv2d(channels, channels, kernel_size=1, bias=False),
            bn3=nn.BatchNorm2d(channels),
            relu3=nn.ReLU(),
        )
    )  # fmt: skip


class SplitUnit(nn.Module):
    """One half of the channels passes, the other is worked on (Fig. 3c)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = working_branch(channels // 2, channels // 2, stride=1)
        self.shuffle = ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        passing, worked = x.chunk(2, dim=1)
        return self.shuffle(torch.cat([passing, self.branch(worked)], dim=1))


class DownUnit(nn.Module):
    """Half the size: both branches read all channels (Fig. 3d)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.shortcut = nn.Sequential(
            OrderedDict(
                depthwise=nn.Conv2d(
                    in_channels, in_channels, kernel_size=3, stride=2, padding=1,
                    groups=in_channels, bias=False,
                ),
                bn1=nn.BatchNorm2d(in_channels),
                conv2=nn.Conv2d(in_channels, half, kernel_size=1, bias=False),
                bn2=nn.BatchNorm2d(half),
                relu2=nn.ReLU(),
            )
        )  # fmt: skip
        self.branch = working_branch(in_channels, half, stride=2)
        self.shuffle = ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.shuffle(torch.cat([self.shortcut(x), self.branch(x)], dim=1))


class ShuffleNetV2(nn.Module):
    """``channels`` are those of stages 2, 3, 4 and of conv5.

    Input (N, 3, H, W), 224x224 in the paper; returns logits (N, num_classes).
    Raises ``ValueError`` for channels that are not four even numbers.
    """

    def __init__(
        self,
        channels: tuple[int, int, int, int] = SCALES[1.0],
        num_classes: int = 1000,
        *,
        depths: tuple[int, int, int] = (4, 8, 4),
        first_stride: int = 2,
    ) -> None:
        super().__init__()
        if len(channels) != 4 or any(count % 2 for count in channels):
            raise ValueError(f"channels={channels}: expected four even numbers")
        self.conv1 = nn.Conv2d(3, 24, kernel_size=3, stride=first_stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(24)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        *widths, last = channels
        before = 24
        stages = OrderedDict()
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True), start=2):
            units = OrderedDict([(f"unit{stage}_1", DownUnit(before, width))])
            for number in range(2, depth + 1):
                units[f"unit{stage}_{number}"] = SplitUnit(width)
            stages[f"stage{stage}"] = nn.Sequential(units)
            before = width
        self.stages = nn.Sequential(stages)
        self.conv5 = nn.Conv2d(before, last, kernel_size=1, bias=False)
        self.bn5 = nn.BatchNorm2d(last)
        self.relu5 = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(last, num_classes)
        he_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.relu1(self.bn1(self.conv1(x))))  # (N, 24, 56, 56)
        x = self.stages(x)  # (N, 464, 7, 7)
        x = self.relu5(self.bn5(self.conv5(x)))  # (N, 1024, 7, 7)
        return self.fc(self.flatten(self.pool(x)))  # (N, num_classes)


def shufflenet_v2(num_classes: int = 1000, scale: float = 1.0) -> ShuffleNetV2:
    if scale not in SCALES:
        raise ValueError(f"scale={scale}: expected one of {', '.join(map(str, SCALES))}")
    return ShuffleNetV2(SCALES[scale], num_classes)


def small_shufflenet_v2(num_classes: int = 40) -> ShuffleNetV2:
    """ShuffleNet v2 for 64x64: no stride in the first layer, half the units, 448 at the end."""
    return ShuffleNetV2((96, 192, 384, 448), num_classes, depths=(2, 4, 2), first_stride=1)
