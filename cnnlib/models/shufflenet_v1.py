"""ShuffleNet v1: Zhang, Zhou, Lin & Sun 2018, "ShuffleNet: an extremely efficient convolutional
neural network for mobile devices".

The one new idea: once 3x3 kernels are depthwise, almost all the work is in the 1x1 layers, so group
these too; and shuffle the channels between groups, or no group would ever learn of another.

Where the paper leaves a choice:

- The first 1x1 of stage 2 is not grouped, since its input has only 24 channels (Table 1, note).
- The bottleneck has a quarter of the unit's output channels (section 3.3).
- ``scale`` multiplies all channels, the stem's 24 included, as in "ShuffleNet 0.5x" (section 3.3).
  Where the groups then do not divide a number of channels, the nearest that they do divide is
  taken, so that every cell of Table 2 can be built. The paper does not say; with 8 groups at 0.5x
  it gives the authors' released 16, 192, 384, 768.
- ``shuffle=False`` leaves the shuffle out, for the paper's comparison in Table 3.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from cnnlib.layers import ChannelShuffle, he_normal_

# Table 1: output channels of stage 2 for each number of groups; each stage doubles them.
STAGE_2 = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}


class ShuffleUnit(nn.Module):
    """Grouped 1x1, shuffle, depthwise 3x3, grouped 1x1 (Fig. 2b); with stride 2 (Fig. 2c) the
    shortcut is an average pooling and the two are laid side by side."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        groups: int,
        *,
        first_groups: int | None = None,
        shuffle: bool = True,
    ) -> None:
        super().__init__()
        narrow = multiple_of(groups, out_channels / 4)
        branch_channels = out_channels - in_channels if stride == 2 else out_channels
        first_groups = groups if first_groups is None else first_groups
        self.gconv1 = nn.Conv2d(in_channels, narrow, kernel_size=1, groups=first_groups, bias=False)
        self.bn1 = nn.BatchNorm2d(narrow)
        self.relu1 = nn.ReLU()
        self.shuffle = ChannelShuffle(groups) if shuffle and groups > 1 else nn.Identity()
        self.depthwise = nn.Conv2d(
            narrow, narrow, kernel_size=3, stride=stride, padding=1, groups=narrow, bias=False
        )
        self.bn2 = nn.BatchNorm2d(narrow)
        self.gconv3 = nn.Conv2d(narrow, branch_channels, kernel_size=1, groups=groups, bias=False)
        self.bn3 = nn.BatchNorm2d(branch_channels)
        self.pool = nn.AvgPool2d(kernel_size=3, stride=2, padding=1) if stride == 2 else None
        self.relu3 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out = self.shuffle(self.relu1(self.bn1(self.gconv1(x))))
        out = self.bn3(self.gconv3(self.bn2(self.depthwise(out))))
        if self.pool is not None:
            return self.relu3(torch.cat([self.pool(x), out], dim=1))  # (N, out, H / 2, W / 2)
        return self.relu3(x + out)


class ShuffleNetV1(nn.Module):
    """Table 1 for ``groups`` 1, 2, 3, 4 or 8, times ``scale``.

    Input (N, 3, H, W), 224x224 in the paper; returns logits (N, num_classes). Raises
    ``ValueError`` for another number of groups, or a scale of 0 or less.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        groups: int = 3,
        scale: float = 1.0,
        depths: tuple[int, ...] = (4, 8, 4),
        first_stride: int = 2,
        shuffle: bool = True,
    ) -> None:
        super().__init__()
        if groups not in STAGE_2:
            raise ValueError(f"groups={groups}: expected one of {', '.join(map(str, STAGE_2))}")
        if scale <= 0:
            raise ValueError(f"scale={scale}: expected more than 0")
        out_channels = multiple_of(groups, STAGE_2[groups] * scale)
        channels = multiple_of(groups, 24 * scale)
        self.conv1 = nn.Conv2d(
            3, channels, kernel_size=3, stride=first_stride, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        stages = OrderedDict()
        for stage, depth in enumerate(depths, start=2):
            units = OrderedDict()
            for number in range(depth):
                units[f"unit{stage}_{number + 1}"] = ShuffleUnit(
                    channels,
                    out_channels,
                    stride=2 if number == 0 else 1,
                    groups=groups,
                    first_groups=1 if stage == 2 and number == 0 else None,
                    shuffle=shuffle,
                )
                channels = out_channels
            stages[f"stage{stage}"] = nn.Sequential(units)
            out_channels *= 2
        self.stages = nn.Sequential(stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes)
        he_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.relu1(self.bn1(self.conv1(x))))  # (N, 24, 56, 56)
        x = self.stages(x)  # (N, 960, 7, 7) for three groups
        return self.fc(self.flatten(self.pool(x)))  # (N, num_classes)


def multiple_of(groups: int, channels: float) -> int:
    """The multiple of ``groups`` nearest to ``channels``, the larger of two, and never 0."""
    return max(1, int(channels / groups + 0.5)) * groups


def shufflenet_v1(num_classes: int = 1000, **options) -> ShuffleNetV1:
    return ShuffleNetV1(num_classes, **options)


def small_shufflenet_v1(num_classes: int = 40, **options) -> ShuffleNetV1:
    """ShuffleNet v1 for 64x64: the first layer keeps the size; half the channels and units."""
    options = {"scale": 0.5, "depths": (2, 4, 2), "first_stride": 1, **options}
    return ShuffleNetV1(num_classes, **options)
