"""ResNet: He, Zhang, Ren & Sun 2015, "Deep residual learning for image recognition".

The one new idea: let layers learn what to add to their input, not what to turn it into. A block
computes ``x + F(x)``; where the best it can do is nothing, its weights need only go to zero.

Where the paper leaves a choice, or common implementations differ from it:

- The first 1x1 of a bottleneck carries the stride when the map shrinks, as in the authors'
  released models. torchvision strides in the 3x3 ("ResNet v1.5"), which costs ResNet-50 about 6 %
  more multiply-adds and gains some accuracy: ``stride_in="3x3"``.
- ``shortcut`` is the paper's option (section 3.3 and 4.1). A: pad with zero channels, nothing to
  learn. B: a projection where the shape changes; the default. C: a projection everywhere.
- Convolutions have no bias, since batch normalisation subtracts it again.
- Initialisation is He et al. 2015's ("Delving deep into rectifiers"), as section 3.4 has it.

``plain=True`` builds the paper's plain nets: the same layers without a shortcut.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from cnnlib.layers import PadShortcut, Stem, halving_stem, he_normal_, large_stem, small_stem


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (Fig. 5, left). ``stride_in`` changes nothing here."""

    expansion = 1

    def __init__(
        self, in_channels: int, width: int, stride: int, shortcut: nn.Module | None, stride_in: str
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, width, kernel_size=3, stride=stride, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = shortcut
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu1(self.bn1(self.conv1(x)))  # (N, W, H / stride, W / stride)
        out = self.bn2(self.conv2(out))
        if self.shortcut is not None:
            out = out + self.shortcut(x)
        return self.relu2(out)


class Bottleneck(nn.Module):
    """1x1 down to ``width`` channels, 3x3 there, 1x1 up to four times as many (Fig. 5, right)."""

    expansion = 4

    def __init__(
        self, in_channels: int, width: int, stride: int, shortcut: nn.Module | None, stride_in: str
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_in == "1x1" else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, stride=first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.shortcut = shortcut
        self.relu3 = nn.ReLU()

    def branch(self, x: Tensor) -> Tensor:
        """What is added to the shortcut."""
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.relu2(self.bn2(self.conv2(out)))
        return self.bn3(self.conv3(out))  # (N, 4 * width, H / stride, W / stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.branch(x)
        if self.shortcut is not None:
            out = out + self.shortcut(x)
        return self.relu3(out)


class ResNet(nn.Module):
    """The networks of Table 1 and, with ``stem=small_stem``, those of section 4.2 for small images.

    ``depths`` says how many blocks each stage has, ``widths`` their inner channels. Input (N, 3,
    H, W); the paper's is 224x224, or 32x32 with the small stem. Returns logits (N, num_classes).

    Raises ``ValueError`` for a shortcut other than A, B, C, a place of the stride that the paper
    does not have, or depths and widths of different lengths.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: Sequence[int],
        widths: Sequence[int] = (64, 128, 256, 512),
        num_classes: int = 1000,
        *,
        shortcut: str = "B",
        stem: Callable[[int], Stem] = large_stem,
        stride_in: str = "1x1",
        plain: bool = False,
    ) -> None:
        super().__init__()
        for name, value, known in (
            ("shortcut", shortcut, ("A", "B", "C")),
            ("stride_in", stride_in, ("1x1", "3x3")),
        ):
            if value not in known:
                raise ValueError(f"{name}={value!r}: expected one of {', '.join(known)}")
        if len(depths) != len(widths):
            raise ValueError(f"depths={tuple(depths)}: expected as many as widths={tuple(widths)}")

        channels = widths[0]
        self.conv1, self.pool1 = stem(channels)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()

        self.stages = []
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True), start=2):
            blocks = OrderedDict()
            for number in range(depth):
                stride = 2 if number == 0 and stage > 2 else 1
                beside = None
                if not plain:
                    beside = make_shortcut(shortcut, channels, block.expansion * width, stride)
                blocks[f"conv{stage}_{number + 1}"] = block(
                    channels, width, stride, beside, stride_in
                )
                channels = block.expansion * width
            self.stages.append(f"conv{stage}_x")
            self.add_module(f"conv{stage}_x", nn.Sequential(blocks))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes)
        he_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.bn1(self.conv1(x)))  # (N, 64, 112, 112)
        if self.pool1 is not None:
            x = self.pool1(x)  # (N, 64, 56, 56)
        for stage in self.stages:
            x = getattr(self, stage)(x)  # the last: (N, C, 7, 7)
        return self.fc(self.flatten(self.pool(x)))  # (N, num_classes)


def make_shortcut(option: str, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """The paper's shortcut ``option`` between these shapes."""
    changes = stride != 1 or in_channels != out_channels
    if option == "C" or (option == "B" and changes):
        return nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )
    return PadShortcut(out_channels - in_channels, stride) if changes else nn.Identity()


def resnet18(num_classes: int = 1000, **options) -> ResNet:
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes=num_classes, **options)


def resnet34(num_classes: int = 1000, **options) -> ResNet:
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes=num_classes, **options)


def resnet50(num_classes: int = 1000, **options) -> ResNet:
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes=num_classes, **options)


def resnet101(num_classes: int = 1000, **options) -> ResNet:
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes=num_classes, **options)


def resnet152(num_classes: int = 1000, **options) -> ResNet:
    return ResNet(Bottleneck, (3, 8, 36, 3), num_classes=num_classes, **options)


def resnet_cifar(depth: int, num_classes: int = 10, **options) -> ResNet:
    """Section 4.2's network for 32x32 images: ``depth`` is 6n + 2, as 20, 32, 44, 56, 110.

    The paper uses shortcut A there, and so does this.
    """
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"depth={depth}: expected 6n + 2, as 20, 32, 44, 56 or 110")
    blocks = 3 * [(depth - 2) // 6]
    options = {"shortcut": "A", "stem": small_stem, **options}
    return ResNet(BasicBlock, blocks, (16, 32, 64), num_classes, **options)


def small_resnet18(num_classes: int = 40) -> ResNet:
    """ResNet-18 for 64x64: a 3x3 stem with stride 2, a quarter as wide; ends on 4x4."""
    return ResNet(BasicBlock, (2, 2, 2, 2), (16, 32, 64, 128), num_classes, stem=halving_stem)
