"""GoogLeNet: Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke & Rabinovich 2015,
"Going deeper with convolutions" (Inception v1).

The one new idea: the Inception module. Look at the map through kernels of several sizes at once and
lay the answers side by side; 1x1 convolutions in front of the dear ones keep the work in bounds.

Where the paper leaves a choice, or common implementations differ:

- The large branch has true 5x5 kernels. torchvision's has 3x3 kernels there, a bug that its
  published weights have made permanent: ``large_kernel=3``.
- ``batch_norm`` puts batch normalisation behind each convolution, and takes the response
  normalisation away. The paper is older than it.
- The two together are torchvision's whole network. It has two pools of its own, and so has that
  form here: the pooling before inception5a is 2x2 (Table 1 has 3x3), and the auxiliary heads pool
  to 4x4 whatever the size (section 5 has 5x5 with stride 3: the same 4x4 from 14x14).
- Local response normalisation stands where Fig. 3 has it, with the numbers of the Caffe release.
  Pools round up, as 112, 56, 28, 14, 7 need.
- ``aux=True`` adds the two auxiliary classifiers (section 5, Fig. 3) on inception4a and
  inception4d. In training the network then returns :class:`Outputs`; the paper adds their losses
  with weight 0.3. At test they do not run.
- ``reduce=False`` builds naive modules (Fig. 2a), without 1x1 reductions, to compare.
- Weights start from He et al. 2015; the paper does not say.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Outputs(NamedTuple):
    """What a training pass returns with ``aux=True``: logits of the three classifiers."""

    logits: Tensor
    aux1: Tensor
    aux2: Tensor


def conv(
    in_channels: int, out_channels: int, kernel_size: int, *, batch_norm: bool, **options: int
) -> nn.Sequential:
    """A convolution and its ReLU, with normalisation between where it is wanted."""
    parts = OrderedDict(
        conv=nn.Conv2d(in_channels, out_channels, kernel_size, bias=not batch_norm, **options)
    )
    if batch_norm:
        parts["bn"] = nn.BatchNorm2d(out_channels, eps=1e-3)
    parts["relu"] = nn.ReLU()
    return nn.Sequential(parts)


class Inception(nn.Module):
    """Four branches side by side (Fig. 2b).

    The numbers are Table 1's columns: channels of the 1x1 branch, of the reduction before and the
    kernels of the 3x3 and of the 5x5 branch, and of the 1x1 behind the pooling. With
    ``reduce=False`` the large kernels read the input itself and the pooling has no 1x1 (Fig. 2a).
    """

    def __init__(
        self,
        in_channels: int,
        one: int,
        reduce3: int,
        three: int,
        reduce5: int,
        five: int,
        pool: int,
        *,
        batch_norm: bool = False,
        large_kernel: int = 5,
        reduce: bool = True,
    ) -> None:
        super().__init__()
        norm = {"batch_norm": batch_norm}
        large = {"padding": large_kernel // 2, **norm}
        self.branch1 = conv(in_channels, one, 1, **norm)
        branch2, branch3, branch4 = OrderedDict(), OrderedDict(), OrderedDict()
        if reduce:
            branch2["reduce"] = conv(in_channels, reduce3, 1, **norm)
            branch3["reduce"] = conv(in_channels, reduce5, 1, **norm)
        read3, read5 = (reduce3, reduce5) if reduce else (in_channels, in_channels)
        branch2["conv"] = conv(read3, three, 3, padding=1, **norm)
        branch3["conv"] = conv(read5, five, large_kernel, **large)
        branch4["pool"] = nn.MaxPool2d(kernel_size=3, stride=1, padding=1)
        if reduce:
            branch4["proj"] = conv(in_channels, pool, 1, **norm)
        self.branch2 = nn.Sequential(branch2)
        self.branch3 = nn.Sequential(branch3)
        self.branch4 = nn.Sequential(branch4)
        self.out_channels = one + three + five + (pool if reduce else in_channels)

    def forward(self, x: Tensor) -> Tensor:
        branches = [self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)]
        return torch.cat(branches, dim=1)  # (N, out_channels, H, W)


class AuxiliaryHead(nn.Sequential):
    """A classifier in the middle: a pooling to 4x4, a 1x1, two linear layers (section 5)."""

    def __init__(
        self, in_channels: int, num_classes: int, pool: nn.Module, *, batch_norm: bool, hidden: int
    ) -> None:
        super().__init__(
            OrderedDict(
                pool=pool,
                conv=conv(in_channels, 128, 1, batch_norm=batch_norm),
                flatten=nn.Flatten(),
                fc1=nn.Linear(128 * 4 * 4, hidden),
                relu=nn.ReLU(),
                drop=nn.Dropout(0.7),
                fc2=nn.Linear(hidden, num_classes),
            )
        )


# Table 1: the nine modules.
MODULES = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}


def full_stem(*, batch_norm: bool) -> tuple[nn.Sequential, int]:
    """Table 1 up to the first module, and the channels it gives."""

    def response_norm() -> nn.Module:
        return nn.Identity() if batch_norm else nn.LocalResponseNorm(size=5, alpha=1e-4, beta=0.75)

    parts = OrderedDict(
        conv1=conv(3, 64, 7, stride=2, padding=3, batch_norm=batch_norm),
        pool1=nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
        norm1=response_norm(),
        reduce2=conv(64, 64, 1, batch_norm=batch_norm),
        conv2=conv(64, 192, 3, padding=1, batch_norm=batch_norm),
        norm2=response_norm(),
        pool2=nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
    )
    return nn.Sequential(parts), 192


def short_stem(*, batch_norm: bool, stride: int = 2) -> tuple[nn.Sequential, int]:
    """For 64x64: one convolution and a pooling, no response normalisation; and its channels."""
    parts = OrderedDict(
        conv1=conv(3, 64, 3, stride=stride, padding=1, batch_norm=batch_norm),
        pool2=nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
    )
    return nn.Sequential(parts), 64


def pool_by_5x5() -> nn.Module:
    """The paper's pooling in front of a head: 4x4 from a map of 14x14."""
    return nn.AvgPool2d(5, stride=3)


def pool_to_4x4() -> nn.Module:
    """The same from a map of any size."""
    return nn.AdaptiveAvgPool2d(4)


class GoogLeNet(nn.Module):
    """Table 1. Input (N, 3, H, W), 224x224 in the paper; returns logits (N, num_classes), or, while
    training with ``aux``, :class:`Outputs`.

    ``modules`` are rows like Table 1's: the figures after "inception" tell the stages apart, and a
    pooling stands between stages. ``stem`` is the paper's or, for 64x64, :func:`short_stem`.
    ``head_pool`` builds the heads' pooling, to 4x4; ``aux_hidden`` is the width of their fc1.

    Raises ``ValueError`` for a ``large_kernel`` other than 5 and 3, or for ``aux`` without the
    modules that the heads read.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        aux: bool = False,
        batch_norm: bool = False,
        large_kernel: int = 5,
        reduce: bool = True,
        modules: dict[str, tuple[int, ...]] = MODULES,
        stem: Callable[..., tuple[nn.Sequential, int]] = full_stem,
        head_pool: Callable[[], nn.Module] = pool_by_5x5,
        aux_hidden: int = 1024,
    ) -> None:
        super().__init__()
        if large_kernel not in (3, 5):
            raise ValueError(f"large_kernel={large_kernel}: expected 5, or torchvision's 3")
        if aux and not {"inception4a", "inception4d"} <= set(modules):
            raise ValueError(
                f"aux=True: expected inception4a and inception4d among {', '.join(modules)}"
            )
        norm = {"batch_norm": batch_norm}
        as_torchvision = batch_norm and large_kernel == 3

        self.stem, channels = stem(batch_norm=batch_norm)
        self.order = []
        stage = None
        for name, numbers in modules.items():
            if stage is not None and name[-2] != stage:
                kernel_size = 2 if as_torchvision and stage == "4" else 3
                pool = nn.MaxPool2d(kernel_size, stride=2, ceil_mode=True)
                self.order.append(f"pool{stage}")
                self.add_module(f"pool{stage}", pool)
            stage = name[-2]
            module = Inception(channels, *numbers, reduce=reduce, large_kernel=large_kernel, **norm)
            channels = module.out_channels
            self.order.append(name)
            self.add_module(name, module)
        self.aux1 = self.aux2 = None
        if aux:
            self.aux1, self.aux2 = (
                AuxiliaryHead(
                    self.get_submodule(name).out_channels,
                    num_classes,
                    pool_to_4x4() if as_torchvision else head_pool(),
                    hidden=aux_hidden,
                    **norm,
                )
                for name in ("inception4a", "inception4d")
            )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.drop = nn.Dropout(0.4)
        self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor | Outputs:
        x = self.stem(x)  # (N, 192, 28, 28)
        extra = []
        for name in self.order:
            x = getattr(self, name)(x)
            head = {"inception4a": self.aux1, "inception4d": self.aux2}.get(name)
            if head is not None and self.training:
                extra.append(head(x))
        x = self.flatten(self.pool(x))  # (N, 1024)
        logits = self.fc(self.drop(x))  # (N, num_classes)
        return Outputs(logits, *extra) if extra else logits


def googlenet(num_classes: int = 1000, **options) -> GoogLeNet:
    return GoogLeNet(num_classes, **options)


def small_googlenet(num_classes: int = 40, *, share: float = 0.5, **options) -> GoogLeNet:
    """GoogLeNet for 64x64: a 3x3/2 stem, and six of the nine modules at half their channels.

    Its auxiliary heads pool to 4x4 whatever the grid, and have 256 hidden units. ``share`` is what
    is left of Table 1's channels.
    """
    names = (
        "inception3a", "inception3b", "inception4a", "inception4d", "inception4e", "inception5b",
    )  # fmt: skip
    modules = {name: tuple(int(number * share) for number in MODULES[name]) for name in names}
    return GoogLeNet(
        num_classes,
        modules=modules,
        stem=short_stem,
        head_pool=pool_to_4x4,
        aux_hidden=256,
        **options,
    )
