"""Inception v4 and Inception-ResNet v2: Szegedy, Ioffe, Vanhoucke & Alemi 2017, "Inception-v4,
Inception-ResNet and the impact of residual connections on learning".

Two new ideas. Inception v4 (``InceptionV4``) takes Inception apart into three kinds of module and
two reductions, each repeated as a whole, without the special cases that earlier memory limits
forced. Inception-ResNet v2 (``InceptionResNetV2``) makes each module a residual branch, scaled down
before it is added (section 3.3), or wide nets die early in training.

Where the paper leaves a choice, or prints something else:

- Inception v4 is the paper's Figs. 3 to 9. Inception-ResNet v2 is the authors' release, as
  everybody runs it: it keeps Inception v3's stem and a first module much like that network's
  ("mixed 5b"), and its widths differ a little from Figs. 16 to 19 (which print trunks of 384, 1152
  and 2144 channels; the release has 320, 1088 and 2080). Its blocks stand 10, 20 and 10 times,
  those of Fig. 15 5, 10 and 5 times.
- The residual scales are the release's: 0.17, 0.10 and 0.20.
- Mean pools count real cells only. Normalisation has epsilon 1e-3. Weights start from He et al.
  2015.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from cnnlib.layers import he_normal_
from cnnlib.models.inception_v3 import Conv, chain


class Branches(nn.Module):
    """Branches side by side, concatenated; every module of this paper but the residual ones."""

    def __init__(self, **branches: nn.Module) -> None:
        super().__init__()
        self.names = list(branches)
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([getattr(self, name)(x) for name in self.names], dim=1)


def row(in_channels: int, out_channels: int, size: int = 7) -> Conv:
    """A 1 x ``size`` kernel."""
    return Conv(in_channels, out_channels, (1, size), padding=(0, size // 2))


def column(in_channels: int, out_channels: int, size: int = 7) -> Conv:
    """A ``size`` x 1 kernel."""
    return Conv(in_channels, out_channels, (size, 1), padding=(size // 2, 0))


def mean_pool() -> nn.AvgPool2d:
    return nn.AvgPool2d(kernel_size=3, stride=1, padding=1, count_include_pad=False)


def halve() -> nn.MaxPool2d:
    return nn.MaxPool2d(kernel_size=3, stride=2)


def stem_v4() -> nn.Sequential:
    """Fig. 3: 299x299 to (384, 35, 35)."""
    return chain(
        conv1=Conv(3, 32, 3, stride=2),
        conv2=Conv(32, 32, 3),
        conv3=Conv(32, 64, 3, padding=1),
        mixed1=Branches(pool=halve(), conv=Conv(64, 96, 3, stride=2)),
        mixed2=Branches(
            short=chain(reduce=Conv(160, 64, 1), conv=Conv(64, 96, 3)),
            long=chain(
                reduce=Conv(160, 64, 1),
                row=row(64, 64),
                column=column(64, 64),
                conv=Conv(64, 96, 3),
            ),
        ),
        mixed3=Branches(conv=Conv(192, 192, 3, stride=2), pool=halve()),
    )


def inception_a(channels: int = 384) -> Branches:
    """Fig. 4, for 35x35."""
    return Branches(
        branch1=Conv(channels, 96, 1),
        branch3=chain(reduce=Conv(channels, 64, 1), conv=Conv(64, 96, 3, padding=1)),
        branch3x3=chain(
            reduce=Conv(channels, 64, 1),
            conv1=Conv(64, 96, 3, padding=1),
            conv2=Conv(96, 96, 3, padding=1),
        ),
        branch_pool=chain(pool=mean_pool(), proj=Conv(channels, 96, 1)),
    )


def reduction_a(channels: int, k: int, l: int, m: int, n: int) -> Branches:  # noqa: E741
    """Fig. 7, from 35x35 to 17x17, with Table 1's k, l, m, n."""
    return Branches(
        branch3=Conv(channels, n, 3, stride=2),
        branch3x3=chain(
            reduce=Conv(channels, k, 1),
            conv1=Conv(k, l, 3, padding=1),
            conv2=Conv(l, m, 3, stride=2),
        ),
        pool=halve(),
    )


def inception_b(channels: int = 1024) -> Branches:
    """Fig. 5, for 17x17."""
    return Branches(
        branch1=Conv(channels, 384, 1),
        branch7=chain(reduce=Conv(channels, 192, 1), row=row(192, 224), column=column(224, 256)),
        branch7x7=chain(
            reduce=Conv(channels, 192, 1),
            column1=column(192, 192),
            row1=row(192, 224),
            column2=column(224, 224),
            row2=row(224, 256),
        ),
        branch_pool=chain(pool=mean_pool(), proj=Conv(channels, 128, 1)),
    )


def reduction_b(channels: int = 1024) -> Branches:
    """Fig. 8, from 17x17 to 8x8."""
    return Branches(
        branch3=chain(reduce=Conv(channels, 192, 1), conv=Conv(192, 192, 3, stride=2)),
        branch7x7x3=chain(
            reduce=Conv(channels, 256, 1),
            row=row(256, 256),
            column=column(256, 320),
            conv=Conv(320, 320, 3, stride=2),
        ),
        pool=halve(),
    )


def inception_c(channels: int = 1536) -> Branches:
    """Fig. 6, for 8x8: branches within branches."""
    return Branches(
        branch1=Conv(channels, 256, 1),
        branch3=chain(
            reduce=Conv(channels, 384, 1),
            fork=Branches(row=row(384, 256, 3), column=column(384, 256, 3)),
        ),
        branch3x3=chain(
            reduce=Conv(channels, 384, 1),
            column=column(384, 448, 3),
            row=row(448, 512, 3),
            fork=Branches(row=row(512, 256, 3), column=column(512, 256, 3)),
        ),
        branch_pool=chain(pool=mean_pool(), proj=Conv(channels, 256, 1)),
    )


class InceptionV4(nn.Module):
    """Fig. 9: input (N, 3, H, W), 299x299 in the paper; returns logits (N, num_classes)."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        parts = OrderedDict(stem=stem_v4())
        for number in range(1, 5):
            parts[f"inception_a{number}"] = inception_a()
        parts["reduction_a"] = reduction_a(384, 192, 224, 256, 384)
        for number in range(1, 8):
            parts[f"inception_b{number}"] = inception_b()
        parts["reduction_b"] = reduction_b()
        for number in range(1, 4):
            parts[f"inception_c{number}"] = inception_c()
        self.features = nn.Sequential(parts)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(1536, num_classes)
        he_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 1536, 8, 8)
        return self.fc(self.drop(self.flatten(self.pool(x))))  # (N, num_classes)


class ResidualInception(nn.Module):
    """An Inception module as a residual branch: scaled, added, and ReLU where ``active``.

    A 1x1 convolution without ReLU brings the branches to the trunk's channels (section 3.2).
    """

    def __init__(
        self, channels: int, branches: Branches, width: int, scale: float, active: bool = True
    ) -> None:
        super().__init__()
        self.branches = branches
        self.up = nn.Conv2d(width, channels, kernel_size=1)
        self.scale = scale
        self.relu = nn.ReLU() if active else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(x + self.scale * self.up(self.branches(x)))


def block35(channels: int, scale: float = 0.17) -> ResidualInception:
    """Inception-ResNet-A (Fig. 16)."""
    branches = Branches(
        branch1=Conv(channels, 32, 1),
        branch3=chain(reduce=Conv(channels, 32, 1), conv=Conv(32, 32, 3, padding=1)),
        branch3x3=chain(
            reduce=Conv(channels, 32, 1),
            conv1=Conv(32, 48, 3, padding=1),
            conv2=Conv(48, 64, 3, padding=1),
        ),
    )
    return ResidualInception(channels, branches, 128, scale)


def block17(channels: int, scale: float = 0.10, unit: int = 32) -> ResidualInception:
    """Inception-ResNet-B (Fig. 17); its channels are 4, 5 and 6 times ``unit``."""
    four, five, six = (times * unit for times in (4, 5, 6))
    branches = Branches(
        branch1=Conv(channels, six, 1),
        branch7=chain(
            reduce=Conv(channels, four, 1), row=row(four, five), column=column(five, six)
        ),
    )
    return ResidualInception(channels, branches, 2 * six, scale)


def block8(
    channels: int, scale: float = 0.20, active: bool = True, unit: int = 32
) -> ResidualInception:
    """Inception-ResNet-C (Fig. 19); its channels are 6, 7 and 8 times ``unit``."""
    six, seven, eight = (times * unit for times in (6, 7, 8))
    branches = Branches(
        branch1=Conv(channels, six, 1),
        branch3=chain(
            reduce=Conv(channels, six, 1), row=row(six, seven, 3), column=column(seven, eight, 3)
        ),
    )
    return ResidualInception(channels, branches, six + eight, scale, active)


class InceptionResNetV2(nn.Module):
    """The released network: ``repeats`` of the three blocks, 10, 20 and 9 (and one C without ReLU).

    Input (N, 3, H, W), 299x299 in the paper; returns logits (N, num_classes).
    """

    def __init__(
        self, num_classes: int = 1000, *, repeats: tuple[int, int, int] = (10, 20, 9)
    ) -> None:
        super().__init__()
        of_a, of_b, of_c = repeats
        parts = OrderedDict(
            stem=chain(
                conv1=Conv(3, 32, 3, stride=2),
                conv2=Conv(32, 32, 3),
                conv3=Conv(32, 64, 3, padding=1),
                pool1=halve(),
                conv4=Conv(64, 80, 1),
                conv5=Conv(80, 192, 3),
                pool2=halve(),
            ),
            mixed5b=Branches(
                branch1=Conv(192, 96, 1),
                branch5=chain(reduce=Conv(192, 48, 1), conv=Conv(48, 64, 5, padding=2)),
                branch3x3=chain(
                    reduce=Conv(192, 64, 1),
                    conv1=Conv(64, 96, 3, padding=1),
                    conv2=Conv(96, 96, 3, padding=1),
                ),
                branch_pool=chain(pool=mean_pool(), proj=Conv(192, 64, 1)),
            ),
        )
        for number in range(1, of_a + 1):
            parts[f"block35_{number}"] = block35(320)
        parts["mixed6a"] = reduction_a(320, 256, 256, 384, 384)
        for number in range(1, of_b + 1):
            parts[f"block17_{number}"] = block17(1088)
        parts["mixed7a"] = Branches(
            branch3=chain(reduce=Conv(1088, 256, 1), conv=Conv(256, 384, 3, stride=2)),
            branch3b=chain(reduce=Conv(1088, 256, 1), conv=Conv(256, 288, 3, stride=2)),
            branch3x3=chain(
                reduce=Conv(1088, 256, 1),
                conv1=Conv(256, 288, 3, padding=1),
                conv2=Conv(288, 320, 3, stride=2),
            ),
            pool=halve(),
        )
        for number in range(1, of_c + 1):
            parts[f"block8_{number}"] = block8(2080)
        parts[f"block8_{of_c + 1}"] = block8(2080, scale=1.0, active=False)
        parts["conv7b"] = Conv(2080, 1536, 1)
        self.features = nn.Sequential(parts)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(1536, num_classes)
        he_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 1536, 8, 8)
        return self.fc(self.drop(self.flatten(self.pool(x))))  # (N, num_classes)


class SmallInceptionResNet(nn.Module):
    """Blocks of the three kinds behind a 3x3 stem, on maps of 16, 7 and 3."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.features = chain(
            stem=chain(
                conv1=Conv(3, 32, 3, stride=2, padding=1),
                conv2=Conv(32, 64, 3, padding=1),
                pool1=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
            ),
            block35_1=block35(64),
            block35_2=block35(64),
            mixed6a=reduction_a(64, 32, 48, 64, 96),
            block17_1=block17(224, unit=16),
            block17_2=block17(224, unit=16),
            mixed7a=reduction_a(224, 64, 64, 96, 128),
            block8_1=block8(448, unit=16),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(448, num_classes)
        he_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 448, 3, 3)
        return self.fc(self.flatten(self.pool(x)))  # (N, num_classes)


def inception_v4(num_classes: int = 1000) -> InceptionV4:
    return InceptionV4(num_classes)


def inception_resnet_v2(num_classes: int = 1000) -> InceptionResNetV2:
    return InceptionResNetV2(num_classes)


def small_inception_resnet(num_classes: int = 40) -> SmallInceptionResNet:
    """Inception-ResNet v2's blocks for 64x64: two, two, one; the last three half as wide."""
    return SmallInceptionResNet(num_classes)
