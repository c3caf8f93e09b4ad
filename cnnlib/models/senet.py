"""SENet: Hu, Shen & Sun 2018, "Squeeze-and-excitation networks".

The one new idea: let a block look at its whole map once, and turn each of its channels up or down
by what it saw. The gate costs almost no work and fits any network; here it stands in ResNet-50 and
in ResNeXt-50.

The gate stands on the branch, before the addition ("standard SE block", Fig. 3 and section 6.5).
``gate_on_trunk=True`` puts it behind the addition instead, to show why that is a bad idea: then the
shortcut is no longer the identity, and a signal that passes L blocks is multiplied by L gates.

Where we differ from the paper: its ResNeXt variant also changed the stem and some widths for the
challenge entry (SENet-154); ours, as the paper's tables, adds nothing but gates.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from cnnlib.layers import SqueezeExcite, halving_stem
from cnnlib.models.resnet import Bottleneck, ResNet
from cnnlib.models.resnext import GroupedBlock, ResNeXt


class SEBottleneck(Bottleneck):
    """A bottleneck with a gate on its branch, or, to compare, on the trunk."""

    reduction = 16

    def __init__(
        self, in_channels: int, width: int, stride: int, shortcut: nn.Module | None, stride_in: str
    ) -> None:
        super().__init__(in_channels, width, stride, shortcut, stride_in)
        self.se = SqueezeExcite(4 * width, self.reduction)

    def branch(self, x: Tensor) -> Tensor:
        return self.se(super().branch(x))


class TrunkGatedBottleneck(SEBottleneck):
    """The gate behind the addition, or on the branch alone where there is no shortcut."""

    def forward(self, x: Tensor) -> Tensor:
        out = Bottleneck.branch(self, x)
        if self.shortcut is not None:
            out = out + self.shortcut(x)
        return self.relu3(self.se(out))


class SEGroupedBlock(GroupedBlock):
    """ResNeXt's block, form (c), with a gate on its branch."""

    def __init__(
        self, in_channels: int, width: int, out_channels: int, stride: int, cardinality: int
    ) -> None:
        super().__init__(in_channels, width, out_channels, stride, cardinality)
        self.se = SqueezeExcite(out_channels)

    def branch(self, x: Tensor) -> Tensor:
        return self.se(super().branch(x))


class SEResNet(ResNet):
    """ResNet of SE bottlenecks: ResNet's arguments, and where the gate stands."""

    def __init__(
        self, depths: Sequence[int], *args, gate_on_trunk: bool = False, **options
    ) -> None:
        block = TrunkGatedBottleneck if gate_on_trunk else SEBottleneck
        super().__init__(block, depths, *args, **options)


class SEResNeXt(ResNeXt):
    """ResNeXt of SE blocks: ResNeXt's arguments, in form "c" only."""

    forms = {"c": SEGroupedBlock}


def se_resnet50(num_classes: int = 1000, **options) -> SEResNet:
    return SEResNet((3, 4, 6, 3), num_classes=num_classes, **options)


def se_resnext50_32x4d(num_classes: int = 1000) -> SEResNeXt:
    return SEResNeXt((3, 4, 6, 3), 32, 4, num_classes)


def small_se_resnet(num_classes: int = 40) -> SEResNet:
    """SE-ResNet for 64x64: six bottlenecks, a quarter of the width, a 3x3/2 stem."""
    return SEResNet((1, 2, 2, 1), (16, 32, 64, 128), num_classes, stem=halving_stem)
