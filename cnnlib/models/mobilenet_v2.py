"""MobileNet v2: Sandler, Howard, Zhu, Zhmoginov & Chen 2018, "MobileNetV2: inverted residuals and
linear bottlenecks".

The one new idea: turn the bottleneck inside out. The shortcut joins the *thin* layers, the
depthwise 3x3 works on a map made six times wider in between, and the thin layers have no ReLU,
which would throw away what little they hold.

Where we differ from the paper: nothing in the layers. Channel counts are rounded to multiples of 8
for other widths, as in the authors' release. The multiplier does not thin the last 1x1 layer
(1280 channels) below width 1, as section 6.1 says.
"""

from collections import OrderedDict

from torch import Tensor, nn

from cnnlib.layers import he_normal_

# Table 2: (expansion t, channels c, repeats n, stride s).
TABLE_2 = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
    (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip


class InvertedResidual(nn.Module):
    """1x1 wider, depthwise 3x3, 1x1 narrower without ReLU; a shortcut where the shape stays."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = in_channels * expansion
        parts = OrderedDict()
        if expansion != 1:
            parts["expand"] = nn.Conv2d(in_channels, wide, kernel_size=1, bias=False)
            parts["bn1"] = nn.BatchNorm2d(wide)
            parts["relu1"] = nn.ReLU6()
        parts["depthwise"] = nn.Conv2d(
            wide, wide, kernel_size=3, stride=stride, padding=1, groups=wide, bias=False
        )
        parts["bn2"] = nn.BatchNorm2d(wide)
        parts["relu2"] = nn.ReLU6()
        parts["project"] = nn.Conv2d(wide, out_channels, kernel_size=1, bias=False)
        parts["bn3"] = nn.BatchNorm2d(out_channels)
        self.branch = nn.Sequential(parts)
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        out = self.branch(x)
        return x + out if self.has_shortcut else out


class MobileNetV2(nn.Module):
    """``table`` has the columns of Table 2, ``width`` multiplies all channels.

    Input (N, 3, H, W), 224x224 in the paper; returns logits (N, num_classes).
    Raises ``ValueError`` for a width of 0 or less.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        width: float = 1.0,
        first: tuple[int, int] = (32, 2),
        table: tuple[tuple[int, int, int, int], ...] = TABLE_2,
        last: int = 1280,
    ) -> None:
        super().__init__()
        if width <= 0:
            raise ValueError(f"width={width}: expected more than 0")
        full, stride = first
        channels = multiple_of_8(full * width)
        self.conv1 = nn.Conv2d(3, channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU6()
        blocks = OrderedDict()
        for stage, (expansion, wanted, repeats, stride) in enumerate(table, start=1):
            out_channels = multiple_of_8(wanted * width)
            for number in range(repeats):
                blocks[f"bottleneck{stage}_{number + 1}"] = InvertedResidual(
                    channels, out_channels, stride if number == 0 else 1, expansion
                )
                channels = out_channels
        self.blocks = nn.Sequential(blocks)
        last = multiple_of_8(last * max(1.0, width))
        self.conv2 = nn.Conv2d(channels, last, kernel_size=1, bias=False)
        self.bn2 = nn.BatchNorm2d(last)
        self.relu2 = nn.ReLU6()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(last, num_classes)
        he_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.bn1(self.conv1(x)))  # (N, 32, 112, 112)
        x = self.blocks(x)  # (N, 320, 7, 7)
        x = self.relu2(self.bn2(self.conv2(x)))  # (N, 1280, 7, 7)
        return self.fc(self.drop(self.flatten(self.pool(x))))  # (N, num_classes)


def multiple_of_8(channels: float) -> int:
    """The nearest multiple of 8, at least 8 and never 10 % below ``channels``."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def mobilenet_v2(num_classes: int = 1000, **options) -> MobileNetV2:
    return MobileNetV2(num_classes, **options)


def small_mobilenet_v2(num_classes: int = 40) -> MobileNetV2:
    """MobileNet v2 for 64x64: one stride and three blocks fewer, and 512 channels at the end."""
    table = (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 3, 2), (6, 96, 2, 1), (6, 128, 1, 1),
    )  # fmt: skip
    return MobileNetV2(num_classes, table=table, last=512)
