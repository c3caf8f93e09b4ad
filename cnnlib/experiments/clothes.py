"""Experiments on pieces of clothing: networks so small that a run takes a minute or two.

They ask what a change of wiring does, several seeds each, on images that ship with the book, most
of them halved to 14x14.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from cnnlib.experiments.experiment import Arm, Experiment
from cnnlib.experiments.small_nets import two_grids
from cnnlib.layers import he_normal_, small_stem
from cnnlib.models.densenet import DenseLayer, DenseNet, Transition
from cnnlib.models.resnext import ResNeXt
from cnnlib.models.senet import SEResNet
from cnnlib.models.xception import Block, SeparableConv2d, Xception
from cnnlib.train import Recipe
from cnnlib.weights import Preprocessing

# Halved inside the network; there the pixels' mean is 73.1 and their deviation 84.5.
CLOTHES = Recipe(
    Preprocessing("grey", 28, 28, (73.1,), (84.5,)),
    "fashion",
    epochs=8,
    batch_size=50,
    learning_rate=0.01,
)
# The same, in bfloat16 where the machine is made for it; and as large as they are.
MIXED_CLOTHES = replace(CLOTHES, mixed_precision=True)
WHOLE_CLOTHES = replace(
    MIXED_CLOTHES, preprocessing=Preprocessing("grey", 28, 28, (72.9,), (90.0,))
)


class HalfSize(nn.Module):
    """Grey 28x28 images as (N, 3, 14, 14): means of 2x2, three equal channels."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(x, 2).expand(-1, 3, -1, -1)


def _small(build: Callable[..., nn.Module], *arguments, **options) -> Arm:
    """An arm: the network that ``build`` makes, behind :class:`HalfSize`."""

    def make(num_classes: int) -> nn.Module:
        return nn.Sequential(HalfSize(), build(*arguments, num_classes=num_classes, **options))

    return Arm(make)


# --- Xception: a ReLU between, shortcuts ---------------------------------------------------------


class Nothing(nn.Module):
    """A shortcut that is not there."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros((), device=x.device)


def small_xception(
    num_classes: int,
    *,
    relu_between: bool = False,
    shortcuts: bool = True,
    depthwise_first: bool = True,
) -> Xception:
    """Five blocks; a ReLU between depthwise and pointwise layer or none; shortcuts or none; in all
    fourteen separable convolutions the depthwise layer first, or the pointwise."""
    network = Xception(
        num_classes,
        entry=(16, 24, 32, 48),
        middle=2,
        exit_channels=(64, 96, 128),
        first_stride=1,
    )
    if not depthwise_first:
        put_pointwise_first(network)
    for module in network.modules():
        if relu_between and isinstance(module, SeparableConv2d):
            module.depthwise = nn.Sequential(module.depthwise, nn.ReLU())
        if not shortcuts and isinstance(module, Block):
            module.shortcut = Nothing()
    return network


def put_pointwise_first(network: nn.Module) -> None:
    """Turn every separable convolution of ``network`` around, in place, with fresh weights."""
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, SeparableConv2d):
                channels = layer.pointwise.in_channels, layer.pointwise.out_channels
                turned = SeparableConv2d(*channels, depthwise_first=False)
                he_normal_(turned)
                setattr(parent, name, turned)


# --- DenseNet: a sum in place of the concatenation -----------------------------------------------


class SumLayer(DenseLayer):
    """A dense layer that adds what it makes to what it got, so that no channel is new."""

    def __init__(self, channels: int, growth_rate: int) -> None:
        super().__init__(channels, growth_rate)
        self.conv2 = nn.Conv2d(4 * growth_rate, channels, kernel_size=3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        new = self.conv1(self.relu1(self.norm1(x)))
        return x + self.conv2(self.relu2(self.norm2(new)))


def small_dense_net(num_classes: int = 10) -> DenseNet:
    """Blocks of one and of eight layers, growth rate 8."""
    return DenseNet((1, 8), growth_rate=8, num_classes=num_classes, stem=small_stem)


def small_sum_net(num_classes: int = 10, channels: int = 32, growth_rate: int = 3) -> nn.Module:
    """The same plan with sums: ``channels`` all the way, bottlenecks of 4 ``growth_rate``."""

    def block(depth: int) -> nn.Sequential:
        return nn.Sequential(*(SumLayer(channels, growth_rate) for _ in range(depth)))

    features = nn.Sequential(
        OrderedDict(
            conv0=nn.Conv2d(3, channels, kernel_size=3, padding=1, bias=False),
            block1=block(1),
            transition1=Transition(channels, channels),
            block2=block(8),
            norm5=nn.BatchNorm2d(channels),
            relu5=nn.ReLU(),
        )
    )
    return nn.Sequential(
        OrderedDict(
            features=features,
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            classifier=nn.Linear(channels, num_classes),
        )
    )


def three_dense_blocks(num_classes: int, *, growth_rate: int, compression: float) -> DenseNet:
    """Blocks of three, six and three layers on maps of 14, 7 and 3."""
    return DenseNet(
        (3, 6, 3), growth_rate, num_classes, compression=compression, stem=small_stem
    )  # fmt: skip


# --- SENet: where the gate stands ----------------------------------------------------------------


def small_se_resnet(num_classes: int = 10, *, gate: str, depth: int = 16) -> SEResNet:
    """``depth`` bottleneck blocks of one stage, so that nothing else lies on the shortcut.

    ``gate`` is "branch", "trunk", or "opened": on the trunk, with the last bias at 4, so that the
    gates start near 1. Raises ``ValueError`` for another.
    """
    if gate not in ("branch", "trunk", "opened"):
        raise ValueError(f"gate={gate!r}: expected 'branch', 'trunk' or 'opened'")
    network = SEResNet(
        depths=(depth,), widths=(4,), num_classes=num_classes, stem=small_stem,
        gate_on_trunk=gate != "branch",
    )  # fmt: skip
    if gate == "opened":
        for block in network.conv2_x:
            nn.init.constant_(block.se.fc2.bias, 4.0)
    return network


CLOTHES_EXPERIMENTS: dict[str, Experiment] = {
    "relu_between": Experiment(
        "Does a ReLU inside a separable convolution hurt, and do the shortcuts help?",
        "Chollet 2017, sections 4.6 and 4.7.",
        {
            "as_published": _small(small_xception, relu_between=False),
            "relu_between": _small(small_xception, relu_between=True),
            "no_shortcuts": _small(small_xception, relu_between=False, shortcuts=False),
        },
        CLOTHES,
        seeds=3,
        differs="Without shortcuts the 1x1 layers and norms on some of them are gone as well.",
    ),
    "cardinality": Experiment(
        "Four narrow paths, or one wide one of as many weights?",
        "Xie, Girshick, Dollar, Tu & He 2017, section 5.1.",
        {
            f"paths{cardinality}": _small(
                ResNeXt, (1, 1), cardinality, width, out_channels=64, stem=small_stem
            )
            for cardinality, width in ((1, 16), (4, 6))
        },
        CLOTHES,
        seeds=3,
        differs="The 3x3 layers' width, 16 against 24 channels in the first stage.",
    ),
    "concatenation": Experiment(
        "Does a stream of fixed width, to which layers add, cost accuracy against concatenation?",
        "Huang, Liu, van der Maaten & Weinberger 2017, section 3.",
        {"concatenation": _small(small_dense_net), "sum": _small(small_sum_net)},
        CLOTHES,
        seeds=3,
        differs="Bottlenecks of 32 against 12 channels, which hold the parameters about equal.",
    ),
    "gate_place": Experiment(
        "Can sixteen blocks be trained whose gates stand on the trunk, behind the addition?",
        "Hu, Shen & Sun 2018, section 6.5 (SE-POST).",
        {gate: _small(small_se_resnet, gate=gate) for gate in ("branch", "trunk", "opened")},
        replace(CLOTHES, epochs=15, limit=2000, learning_rate=3e-3),
        seeds=3,
        differs="The gates' first values: near a half, or near 1 where opened.",
    ),
    "transitions": Experiment(
        "Does it cost accuracy that a transition keeps half of the channels, and if the saving is "
        "spent on a larger growth rate?",
        "Huang, Liu, van der Maaten & Weinberger 2017, section 3.",
        {
            "all": _small(three_dense_blocks, growth_rate=8, compression=1.0),
            "half": _small(three_dense_blocks, growth_rate=8, compression=0.5),
            "half_wider": _small(three_dense_blocks, growth_rate=9, compression=0.5),
        },
        MIXED_CLOTHES,
        seeds=3,
        differs="With half of the channels the later layers read less, so they work less; "
        "a growth rate of 9 brings the work back.",
    ),
    "separable_order": Experiment(
        "In a stack, does it matter whether the depthwise or the pointwise layer is first?",
        "Chollet 2017, section 1.2.",
        {
            "depthwise_first": _small(small_xception),
            "pointwise_first": _small(small_xception, depthwise_first=False),
        },
        MIXED_CLOTHES,
        seeds=3,
        differs="Where a layer makes more channels than it reads, a depthwise layer behind the "
        "pointwise one has more kernels.",
    ),
    "rows_and_columns": Experiment(
        "Are 1x7 and 7x1 as good as 7x7 on a large grid, and on one of 14?",
        "Szegedy, Vanhoucke, Ioffe, Shlens & Wojna 2016, section 3.2.",
        {
            "square": Arm(partial(two_grids, None, None)),
            "large_grid": Arm(partial(two_grids, 28, None)),
            "grid_of_14": Arm(partial(two_grids, None, 56)),
            "large_grid_cheap": Arm(partial(two_grids, 8, None)),
            "grid_of_14_cheap": Arm(partial(two_grids, None, 16)),
        },
        WHOLE_CLOTHES,
        seeds=3,
        differs="A pair of layers has two normalisations and two ReLUs where one has one.",
    ),
}
