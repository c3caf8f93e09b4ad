"""ResNet v2: He, Zhang, Ren & Sun 2016, "Identity mappings in deep residual networks".

The one new idea: keep the shortcut clean. Normalisation and ReLU move in front of the
convolutions ("pre-activation", Fig. 4e), nothing stands behind the addition any more, and a signal
can go from any block to any other unchanged, forward as well as backward (equations 4 and 5).

Where the paper leaves a choice:

- Where the shape changes, the projection reads the pre-activated input, as in the authors'
  released code; elsewhere the shortcut is the identity.
- The paper's first block shares one activation, behind ``conv1``, between branch and shortcut
  (appendix). Here each block has its own and the stem has none. With a projection in the first
  block, as every bottleneck network has, that is the same. In the nets of basic blocks the first
  shortcut carries the map as it is. Behind the 7x7 stem the pooling comes before the activation.
- The stride lies in the first 1x1 of a bottleneck, as in our ResNet; ``stride_in="3x3"`` moves it.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from cnnlib.layers import Stem, halving_stem, he_normal_, large_stem, small_stem


class PreActBasicBlock(nn.Module):
    """BN, ReLU, 3x3; BN, ReLU, 3x3; and an addition behind which nothing stands."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int, stride_in: str) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(
            in_channels, width, kernel_size=3, stride=stride, padding=1, bias=False
        )
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.projection = project(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        active = self.relu1(self.bn1(x))
        shortcut = x if self.projection is None else self.projection(active)
        out = self.conv1(active)  # (N, W, H / stride, W / stride)
        out = self.conv2(self.relu2(self.bn2(out)))
        return out + shortcut


class PreActBottleneck(nn.Module):
    """The bottleneck in pre-activation order."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int, stride_in: str) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_in == "1x1" else (1, stride)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, stride=first, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=second, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.relu3 = nn.ReLU()
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.projection = project(in_channels, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        active = self.relu1(self.bn1(x))
        shortcut = x if self.projection is None else self.projection(active)
        out = self.conv1(active)
        out = self.conv2(self.relu2(self.bn2(out)))
        out = self.conv3(self.relu3(self.bn3(out)))  # (N, 4 * width, H / stride, W / stride)
        return out + shortcut


def project(in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
    """A 1x1 convolution where the shape changes; elsewhere nothing, the shortcut is x itself."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)


class PreActResNet(nn.Module):
    """ResNet with pre-activation blocks.

    Input (N, 3, H, W), returns logits (N, num_classes). ``stem`` is for 224x224, or for smaller
    images :func:`small_stem` or :func:`halving_stem`. Raises ``ValueError`` for another place of
    the stride, or for depths and widths of different lengths.
    """

    def __init__(
        self,
        block: type[PreActBasicBlock] | type[PreActBottleneck],
        depths: Sequence[int],
        widths: Sequence[int] = (64, 128, 256, 512),
        num_classes: int = 1000,
        *,
        stem: Callable[[int], Stem] = large_stem,
        stride_in: str = "1x1",
    ) -> None:
        super().__init__()
        if stride_in not in ("1x1", "3x3"):
            raise ValueError(f"stride_in={stride_in!r}: expected '1x1' or '3x3'")
        if len(depths) != len(widths):
            raise ValueError(f"depths={tuple(depths)}: expected as many as widths={tuple(widths)}")
        channels = widths[0]
        self.conv1, self.pool1 = stem(channels)
        self.stages = []
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True), start=2):
            blocks = OrderedDict()
            for number in range(depth):
                stride = 2 if number == 0 and stage > 2 else 1
                blocks[f"conv{stage}_{number + 1}"] = block(channels, width, stride, stride_in)
                channels = block.expansion * width
            self.stages.append(f"conv{stage}_x")
            self.add_module(f"conv{stage}_x", nn.Sequential(blocks))
        self.bn = nn.BatchNorm2d(channels)  # the last block's sum has not been activated yet
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes)
        he_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # (N, 64, 112, 112)
        if self.pool1 is not None:
            x = self.pool1(x)  # (N, 64, 56, 56)
        for stage in self.stages:
            x = getattr(self, stage)(x)  # the last: (N, C, 7, 7)
        x = self.pool(self.relu(self.bn(x)))
        return self.fc(self.flatten(x))  # (N, num_classes)


def preact_resnet18(num_classes: int = 1000, **options) -> PreActResNet:
    return PreActResNet(PreActBasicBlock, (2, 2, 2, 2), num_classes=num_classes, **options)


def preact_resnet50(num_classes: int = 1000, **options) -> PreActResNet:
    return PreActResNet(PreActBottleneck, (3, 4, 6, 3), num_classes=num_classes, **options)


def preact_resnet101(num_classes: int = 1000, **options) -> PreActResNet:
    return PreActResNet(PreActBottleneck, (3, 4, 23, 3), num_classes=num_classes, **options)


def preact_resnet152(num_classes: int = 1000, **options) -> PreActResNet:
    return PreActResNet(PreActBottleneck, (3, 8, 36, 3), num_classes=num_classes, **options)


def preact_resnet_cifar(depth: int, num_classes: int = 10, **options) -> PreActResNet:
    """The paper's networks for 32x32 images: ``depth`` is 9n + 2 with bottlenecks (164, 1001)."""
    if depth < 11 or (depth - 2) % 9:
        raise ValueError(f"depth={depth}: expected 9n + 2, as 164 or 1001")
    blocks = 3 * [(depth - 2) // 9]
    return PreActResNet(
        PreActBottleneck, blocks, (16, 32, 64), num_classes, stem=small_stem, **options
    )


def small_preact_resnet18(num_classes: int = 40) -> PreActResNet:
    """Pre-activation ResNet-18 for 64x64: a 3x3 stem with stride 2, a quarter as wide."""
    return PreActResNet(
        PreActBasicBlock, (2, 2, 2, 2), (16, 32, 64, 128), num_classes, stem=halving_stem
    )
