"""Inception v3: Szegedy, Vanhoucke, Ioffe, Shlens & Wojna 2016, "Rethinking the Inception
architecture for computer vision".

The one new idea: factorise. A 5x5 becomes two 3x3, an n x n becomes n x 1 behind 1 x n, and the
maps shrink through two paths at once, so that no layer is a bottleneck. Three kinds of module work
on maps of 35, 17 and 8 (Figs. 5, 6 and 7).

Where the paper leaves a choice, or prints something else:

- The published table (Table 1) and the authors' released network differ; this is the release, as
  everybody runs it. Its first 35x35 modules keep a 5x5 branch, and the pooling branch of each
  module has 32, 64, 64 channels at 35 and 192 later.
- Every convolution has normalisation with epsilon 1e-3 behind it, and no bias.
- Mean pools count the padding as zeros, as torchvision's do. The release counts real cells only.
- ``aux=True`` adds the auxiliary classifier on the last 17x17 map. In training the network then
  returns :class:`Outputs`; section 4 finds that the classifier regularises rather than helps early
  on.
- Weights start from He et al. 2015 in place of the release's truncated normal.
"""

from collections import OrderedDict
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cnnlib.layers import he_normal_


class Outputs(NamedTuple):
    """What a training pass returns with ``aux=True``."""

    logits: Tensor
    aux: Tensor


class Conv(nn.Sequential):
    """Convolution, normalisation, ReLU. ``kernel_size`` and ``padding`` as torch has them."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__(
            OrderedDict(
                conv=nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False),
                bn=nn.BatchNorm2d(out_channels, eps=1e-3),
                relu=nn.ReLU(),
            )
        )


def chain(**parts: nn.Module) -> nn.Sequential:
    """A branch: its parts by name, one after the other."""
    return nn.Sequential(OrderedDict(parts))


def averaged(in_channels: int, out_channels: int) -> nn.Sequential:
    """The pooling branch: a 3x3 mean and a 1x1."""
    return chain(
        pool=nn.AvgPool2d(kernel_size=3, stride=1, padding=1),
        proj=Conv(in_channels, out_channels, 1),
    )


class InceptionA(nn.Module):
    """For 35x35: 1x1, 5x5, two 3x3, and a pooling (Fig. 5; the release keeps the 5x5)."""

    def __init__(self, in_channels: int, pool: int, scale: float = 1.0) -> None:
        super().__init__()
        c48, c64, c96 = (int(scale * count) for count in (48, 64, 96))
        self.branch1 = Conv(in_channels, c64, 1)
        self.branch5 = chain(reduce=Conv(in_channels, c48, 1), conv=Conv(c48, c64, 5, padding=2))
        self.branch3 = chain(
            reduce=Conv(in_channels, c64, 1),
            conv1=Conv(c64, c96, 3, padding=1),
            conv2=Conv(c96, c96, 3, padding=1),
        )
        self.branch_pool = averaged(in_channels, pool)
        self.out_channels = 2 * c64 + c96 + pool

    def forward(self, x: Tensor) -> Tensor:
        branches = [self.branch1(x), self.branch5(x), self.branch3(x), self.branch_pool(x)]
        return torch.cat(branches, dim=1)


class ReductionA(nn.Module):
    """From 35x35 to 17x17: a strided 3x3, two 3x3 with the stride last, and a pooling (Fig. 10)."""

    def __init__(self, in_channels: int, scale: float = 1.0, padding: int = 0) -> None:
        super().__init__()
        c64, c96, c384 = (int(scale * count) for count in (64, 96, 384))
        shrink = {"stride": 2, "padding": padding}
        self.branch3 = Conv(in_channels, c384, 3, **shrink)
        self.branch3x3 = chain(
            reduce=Conv(in_channels, c64, 1),
            conv1=Conv(c64, c96, 3, padding=1),
            conv2=Conv(c96, c96, 3, **shrink),
        )
        self.pool = nn.MaxPool2d(kernel_size=3, **shrink)
        self.out_channels = c384 + c96 + in_channels

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch3(x), self.branch3x3(x), self.pool(x)], dim=1)


class InceptionB(nn.Module):
    """For 17x17: kernels of 1x7 and 7x1 in place of 7x7 (Fig. 6). ``width`` is their channels."""

    def __init__(self, in_channels: int, width: int, out: int = 192) -> None:
        super().__init__()
        row = {"kernel_size": (1, 7), "padding": (0, 3)}
        column = {"kernel_size": (7, 1), "padding": (3, 0)}
        self.branch1 = Conv(in_channels, out, 1)
        self.branch7 = chain(
            reduce=Conv(in_channels, width, 1),
            conv1=Conv(width, width, **row),
            conv2=Conv(width, out, **column),
        )
        self.branch7x7 = chain(
            reduce=Conv(in_channels, width, 1),
            conv1=Conv(width, width, **column),
            conv2=Conv(width, width, **row),
            conv3=Conv(width, width, **column),
            conv4=Conv(width, out, **row),
        )
        self.branch_pool = averaged(in_channels, out)
        self.out_channels = 4 * out

    def forward(self, x: Tensor) -> Tensor:
        branches = [self.branch1(x), self.branch7(x), self.branch7x7(x), self.branch_pool(x)]
        return torch.cat(branches, dim=1)


class ReductionB(nn.Module):
    """From 17x17 to 8x8: a strided 3x3, a factorised 7x7 before a strided 3x3, and a pooling."""

    def __init__(self, in_channels: int, out: int = 192, padding: int = 0) -> None:
        super().__init__()
        c320 = out * 5 // 3
        shrink = {"stride": 2, "padding": padding}
        self.branch3 = chain(reduce=Conv(in_channels, out, 1), conv=Conv(out, c320, 3, **shrink))
        self.branch7x7x3 = chain(
            reduce=Conv(in_channels, out, 1),
            conv1=Conv(out, out, (1, 7), padding=(0, 3)),
            conv2=Conv(out, out, (7, 1), padding=(3, 0)),
            conv3=Conv(out, out, 3, **shrink),
        )
        self.pool = nn.MaxPool2d(kernel_size=3, **shrink)
        self.out_channels = c320 + out + in_channels

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch3(x), self.branch7x7x3(x), self.pool(x)], dim=1)


class Fork(nn.Module):
    """A branch within a branch: 1x3 and 3x1 side by side (Fig. 7)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.row = Conv(channels, channels, (1, 3), padding=(0, 1))
        self.column = Conv(channels, channels, (3, 1), padding=(1, 0))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.row(x), self.column(x)], dim=1)


class InceptionC(nn.Module):
    """For 8x8: the widest module, whose branches fork again (Fig. 7)."""

    def __init__(self, in_channels: int, scale: float = 1.0) -> None:
        super().__init__()
        c192, c320, c384, c448 = (int(scale * count) for count in (192, 320, 384, 448))
        self.branch1 = Conv(in_channels, c320, 1)
        self.branch3 = chain(reduce=Conv(in_channels, c384, 1), fork=Fork(c384))
        self.branch3x3 = chain(
            reduce=Conv(in_channels, c448, 1),
            conv=Conv(c448, c384, 3, padding=1),
            fork=Fork(c384),
        )
        self.branch_pool = averaged(in_channels, c192)
        self.out_channels = c320 + 4 * c384 + c192

    def forward(self, x: Tensor) -> Tensor:
        branches = [self.branch1(x), self.branch3(x), self.branch3x3(x), self.branch_pool(x)]
        return torch.cat(branches, dim=1)


class InceptionV3(nn.Module):
    """Input (N, 3, H, W), 299x299 in the paper; returns logits (N, num_classes), or, while training
    with ``aux``, :class:`Outputs`."""

    def __init__(self, num_classes: int = 1000, *, aux: bool = False) -> None:
        super().__init__()
        self.stem = chain(
            conv1=Conv(3, 32, 3, stride=2),
            conv2=Conv(32, 32, 3),
            conv3=Conv(32, 64, 3, padding=1),
            pool1=nn.MaxPool2d(kernel_size=3, stride=2),
            conv4=Conv(64, 80, 1),
            conv5=Conv(80, 192, 3),
            pool2=nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.inception5b = InceptionA(192, pool=32)
        self.inception5c = InceptionA(256, pool=64)
        self.inception5d = InceptionA(288, pool=64)
        self.inception6a = ReductionA(288)
        self.inception6b = InceptionB(768, width=128)
        self.inception6c = InceptionB(768, width=160)
        self.inception6d = InceptionB(768, width=160)
        self.inception6e = InceptionB(768, width=192)
        self.aux = None
        if aux:
            self.aux = chain(
                pool=nn.AvgPool2d(kernel_size=5, stride=3),
                conv1=Conv(768, 128, 1),
                conv2=Conv(128, 768, 5),
                mean=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                fc=nn.Linear(768, num_classes),
            )
        self.inception7a = ReductionB(768)
        self.inception7b = InceptionC(1280)
        self.inception7c = InceptionC(2048)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.5)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(2048, num_classes)
        he_normal_(self)

    def forward(self, x: Tensor) -> Tensor | Outputs:
        x = self.stem(x)  # (N, 192, 35, 35)
        x = self.inception5d(self.inception5c(self.inception5b(x)))  # (N, 288, 35, 35)
        x = self.inception6a(x)  # (N, 768, 17, 17)
        x = self.inception6e(self.inception6d(self.inception6c(self.inception6b(x))))
        aux = self.aux(x) if self.aux is not None and self.training else None
        x = self.inception7c(self.inception7b(self.inception7a(x)))  # (N, 2048, 8, 8)
        logits = self.fc(self.flatten(self.drop(self.pool(x))))  # (N, num_classes)
        return logits if aux is None else Outputs(logits, aux)


class SmallInceptionV3(nn.Module):
    """One module of each kind behind a 3x3 stem, on maps of 16, 8 and 4."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.stem = chain(
            conv1=Conv(3, 32, 3, stride=2, padding=1),
            conv2=Conv(32, 64, 3, padding=1),
            pool1=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        self.inception5b = InceptionA(64, pool=16, scale=0.5)
        self.inception6a = ReductionA(self.inception5b.out_channels, scale=0.33, padding=1)
        self.inception6b = InceptionB(self.inception6a.out_channels, width=48, out=72)
        self.inception7a = ReductionB(self.inception6b.out_channels, out=72, padding=1)
        self.inception7b = InceptionC(self.inception7a.out_channels, scale=0.25)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(self.inception7b.out_channels, num_classes)
        he_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.inception5b(self.stem(x))  # (N, 128, 16, 16)
        x = self.inception6b(self.inception6a(x))  # (N, 288, 8, 8)
        x = self.inception7b(self.inception7a(x))  # (N, 512, 4, 4)
        return self.fc(self.flatten(self.pool(x)))


def inception_v3(num_classes: int = 1000, **options) -> InceptionV3:
    return InceptionV3(num_classes, **options)


def small_inception_v3(num_classes: int = 40) -> SmallInceptionV3:
    """Inception v3's three modules for 64x64, one of each."""
    return SmallInceptionV3(num_classes)
