"""Stochastic depth: Huang, Sun, Liu, Sedra & Weinberger 2016, "Deep networks with stochastic
depth".

The one new idea: train a short network, use a deep one. At every training step each residual block
is left out with some probability and only its shortcut remains; at test all blocks work.

The chance to survive falls in a line from 1 at the input to ``last_survival`` at the last block
(equation 4; the paper uses 0.5): early blocks make what all later ones need.

The network is ResNet of basic blocks for small images, with shortcut A, as in the paper's
experiments on CIFAR. A dropped block is not computed at all, which is where the training time is
saved.
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from cnnlib.layers import Stem, StochasticDepth, halving_stem, small_stem
from cnnlib.models.resnet import BasicBlock, ResNet


class DroppingBlock(BasicBlock):
    """A basic block that may be left out at training."""

    def __init__(
        self, in_channels: int, width: int, stride: int, shortcut: nn.Module | None, stride_in: str
    ) -> None:
        super().__init__(in_channels, width, stride, shortcut, stride_in)
        self.drop = StochasticDepth(1.0)

    def forward(self, x: Tensor) -> Tensor:
        if self.drop.dropped():
            return self.relu2(self.shortcut(x))
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.drop(self.bn2(self.conv2(out)))
        return self.relu2(out + self.shortcut(x))


class StochasticDepthResNet(ResNet):
    """ResNet whose blocks survive with the linear schedule of equation 4.

    Input (N, 3, H, W), returns logits (N, num_classes). ``shortcut`` and ``stem`` are ResNet's.
    Raises ``ValueError`` for a ``last_survival`` outside (0, 1].
    """

    def __init__(
        self,
        depths: Sequence[int],
        widths: Sequence[int],
        num_classes: int = 10,
        *,
        last_survival: float = 0.5,
        shortcut: str = "A",
        stem: Callable[[int], Stem] = small_stem,
    ) -> None:
        super().__init__(DroppingBlock, depths, widths, num_classes, shortcut=shortcut, stem=stem)
        layers = [module for module in self.modules() if isinstance(module, StochasticDepth)]
        for number, layer in enumerate(layers, start=1):
            survival = 1 - number / len(layers) * (1 - last_survival)
            layer.survival = StochasticDepth(survival).survival  # checked there


def stochastic_depth110(num_classes: int = 10, **options) -> StochasticDepthResNet:
    """The paper's 110 layers for 32x32 images."""
    return StochasticDepthResNet((18, 18, 18), (16, 32, 64), num_classes, **options)


def small_stochastic_depth(num_classes: int = 40) -> StochasticDepthResNet:
    """ResNet-18's stages for 64x64, a quarter as wide, with the paper's schedule."""
    return StochasticDepthResNet((2, 2, 2, 2), (16, 32, 64, 128), num_classes, stem=halving_stem)
