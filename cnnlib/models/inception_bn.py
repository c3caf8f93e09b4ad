"""Inception v2, or BN-Inception: Ioffe & Szegedy 2015, "Batch normalization: accelerating deep
network training by reducing internal covariate shift".

The one new idea: normalise each channel over the batch, inside the network, so that a layer need
not keep following the drift of the layers before it. The Inception network it is shown on also
takes two 3x3 kernels for each 5x5, drops the response normalisation, and pools with means in most
modules (appendix, Fig. 5).

Where the paper leaves a choice, or does not add up:

- Fig. 5 prints 128 channels behind the pooling of inception4c and 4d. Their branches then give 608
  channels, and the same figure prints 576. Here it is 96, which gives 576, as in the authors' later
  code.
- The first layer is a plain 7x7 convolution; in the authors' code it is depthwise separable, with
  8 filters a colour, as the paper's appendix says in passing.
- No auxiliary classifiers are built. Convolutions have no bias, since normalisation subtracts it.
  Mean pools count the padding as zeros. Weights start from He et al. 2015.
"""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn

from cnnlib.layers import he_normal_


class Conv(nn.Sequential):
    """Convolution, normalisation, ReLU; padded so that stride 1 keeps the size."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1):
        super().__init__(
            OrderedDict(
                conv=nn.Conv2d(
                    in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False
                ),
                bn=nn.BatchNorm2d(out_channels),
                relu=nn.ReLU(),
            )
        )


class InceptionBN(nn.Module):
    """A module of Fig. 5: the figure's columns, and how it pools.

    ``one`` is 0 where there is no 1x1 branch. ``pool`` is ``("avg", n)`` or ``("max", n)``, with n
    channels behind the pooling. With n = 0 the map is passed through pooled, and all branches have
    stride 2. Raises ``ValueError`` for another pooling, or a 1x1 branch where n is 0.
    """

    def __init__(
        self,
        in_channels: int,
        one: int,
        three: tuple[int, int],
        double: tuple[int, int],
        pool: tuple[str, int],
    ) -> None:
        super().__init__()
        kind, project = pool
        if kind not in ("avg", "max"):
            raise ValueError(f"pool={pool}: expected 'avg' or 'max' and a number of channels")
        if one and not project:
            raise ValueError(f"one={one}: expected 0 where the pooling has no channels of its own")
        stride = 1 if project else 2
        reduce3, out3 = three
        reduce_double, out_double = double
        self.branch1 = Conv(in_channels, one, 1) if one else None
        self.branch3 = nn.Sequential(
            OrderedDict(reduce=Conv(in_channels, reduce3, 1), conv=Conv(reduce3, out3, 3, stride))
        )
        self.branch3x3 = nn.Sequential(
            OrderedDict(
                reduce=Conv(in_channels, reduce_double, 1),
                conv1=Conv(reduce_double, out_double, 3),
                conv2=Conv(out_double, out_double, 3, stride),
            )
        )
        pooling = nn.AvgPool2d if kind == "avg" else nn.MaxPool2d
        branch_pool = OrderedDict(pool=pooling(kernel_size=3, stride=stride, padding=1))
        if project:
            branch_pool["proj"] = Conv(in_channels, project, 1)
        self.branch_pool = nn.Sequential(branch_pool)
        self.out_channels = one + out3 + out_double + (project or in_channels)

    def forward(self, x: Tensor) -> Tensor:
        branches = [self.branch3(x), self.branch3x3(x), self.branch_pool(x)]
        if self.branch1 is not None:
            branches.insert(0, self.branch1(x))
        return torch.cat(branches, dim=1)  # (N, out_channels, H / stride, W / stride)


# Fig. 5: 1x1, (reduce, 3x3), (reduce, double 3x3), pooling.
MODULES = {
    "inception3a": (64, (64, 64), (64, 96), ("avg", 32)),
    "inception3b": (64, (64, 96), (64, 96), ("avg", 64)),
    "inception3c": (0, (128, 160), (64, 96), ("max", 0)),
    "inception4a": (224, (64, 96), (96, 128), ("avg", 128)),
    "inception4b": (192, (96, 128), (96, 128), ("avg", 128)),
    "inception4c": (160, (128, 160), (128, 160), ("avg", 96)),
    "inception4d": (96, (128, 192), (160, 192), ("avg", 96)),
    "inception4e": (0, (128, 192), (192, 256), ("max", 0)),
    "inception5a": (352, (192, 320), (160, 224), ("avg", 128)),
    "inception5b": (352, (192, 320), (192, 224), ("max", 128)),
}


def full_stem() -> tuple[nn.Sequential, int]:
    """Fig. 5 up to the first module, and the channels it gives."""
    parts = OrderedDict(
        conv1=Conv(3, 64, 7, stride=2),
        pool1=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        reduce2=Conv(64, 64, 1),
        conv2=Conv(64, 192, 3),
        pool2=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )
    return nn.Sequential(parts), 192


def short_stem() -> tuple[nn.Sequential, int]:
    """For 64x64: one convolution and a pooling; and its channels."""
    parts = OrderedDict(
        conv1=Conv(3, 64, 3, stride=2),
        pool2=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )
    return nn.Sequential(parts), 64


class InceptionBNNet(nn.Module):
    """Fig. 5. Input (N, 3, H, W), 224x224 in the paper; returns logits (N, num_classes).

    ``stem`` is the paper's or, for 64x64, :func:`short_stem`.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        modules: dict[str, tuple] = MODULES,
        stem: Callable[[], tuple[nn.Sequential, int]] = full_stem,
    ) -> None:
        super().__init__()
        self.stem, channels = stem()
        built = OrderedDict()
        for name, numbers in modules.items():
            built[name] = InceptionBN(channels, *numbers)
            channels = built[name].out_channels
        self.inception = nn.Sequential(built)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes)
        he_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # (N, 192, 28, 28)
        x = self.inception(x)  # (N, 1024, 7, 7)
        return self.fc(self.flatten(self.pool(x)))  # (N, num_classes)


def inception_bn(num_classes: int = 1000) -> InceptionBNNet:
    return InceptionBNNet(num_classes)


def small_inception_bn(num_classes: int = 40) -> InceptionBNNet:
    """BN-Inception for 64x64: a 3x3/2 stem, six of ten modules, two fifths of their channels."""

    def fewer(value):
        if isinstance(value, tuple):
            return tuple(fewer(part) for part in value)
        return 2 * value // 5 if isinstance(value, int) else value

    names = (
        "inception3a", "inception3b", "inception3c", "inception4a", "inception4e", "inception5b",
    )  # fmt: skip
    modules = {name: fewer(MODULES[name]) for name in names}
    return InceptionBNNet(num_classes, modules=modules, stem=short_stem)
