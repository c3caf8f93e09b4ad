"""What is compared with what: the experiments, in the order of their chapters."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import Tensor, nn

from cnnlib.experiments.borrowing import BORROWING_EXPERIMENTS
from cnnlib.experiments.clothes import CLOTHES_EXPERIMENTS
from cnnlib.experiments.compression import COMPRESSION_EXPERIMENTS
from cnnlib.experiments.distorting import DISTORTION_EXPERIMENTS
from cnnlib.experiments.dropping import DROPPING_EXPERIMENTS
from cnnlib.experiments.experiment import Arm, Experiment, RateSearch
from cnnlib.experiments.links import measure_links
from cnnlib.experiments.measures import (
    measure_dropped_blocks,
    measure_first_layer,
    measure_gates,
    measure_gradients,
    measure_shifts,
    measure_silent_classes,
)
from cnnlib.experiments.normalising import NORMALISING_EXPERIMENTS
from cnnlib.experiments.rotation import ROTATION_EXPERIMENTS
from cnnlib.experiments.scales import SCALE_EXPERIMENTS
from cnnlib.experiments.small_nets import four_layers, nin_with_head, three_heads
from cnnlib.experiments.stepping import STEPPING_EXPERIMENTS
from cnnlib.experiments.widths import WIDTH_EXPERIMENTS
from cnnlib.layers import halving_stem
from cnnlib.models import SMALL, build_network
from cnnlib.models.alexnet import AlexNetOneColumn
from cnnlib.models.googlenet import MODULES, GoogLeNet, pool_to_4x4, short_stem, small_googlenet
from cnnlib.models.mobilenet_v1 import small_mobilenet_v1
from cnnlib.models.resnet import resnet_cifar
from cnnlib.models.resnet_v2 import PreActBasicBlock, PreActResNet
from cnnlib.models.shufflenet_v1 import small_shufflenet_v1
from cnnlib.models.stochastic_depth import StochasticDepthResNet
from cnnlib.models.vgg import VGG, small_vgg11
from cnnlib.models.zfnet import ZFNet
from cnnlib.train import RECIPES, Augmentation, Recipe
from cnnlib.train.recipes import DEVIATIONS, SMALL_RECIPE, TINY_IMAGES
from cnnlib.weights import Preprocessing

MEDIUM_RECIPE = replace(SMALL_RECIPE, epochs=6, batch_size=64)
SHORT_RECIPE = replace(MEDIUM_RECIPE, epochs=3)
# Clothes halved to 14x14 inside the network: there the pixels' mean is 73.1, their deviation 84.5.
FASHION_MEAN, FASHION_DEVIATION = 73.1, 84.5


RAW_CLOTHES = Preprocessing("grey", 28, 28, (FASHION_MEAN,), (1.0,))
SCALED_CLOTHES = Preprocessing("grey", 28, 28, (FASHION_MEAN,), (FASHION_DEVIATION,))
# Four empty pixels around, for shifts, and empty paper at 0, as a convolution pads it.
CLOTHES_IN_A_MARGIN = Preprocessing("grey", 36, 36, (0.0,), (90.0,))

FOUR_LAYER_RECIPE = Recipe(SCALED_CLOTHES, "fashion", optimiser="sgd", weight_decay=0.0, limit=4000)
# Ten classes of photographs, small enough that three seeds of every arm are minutes. The
# distortions are He et al.'s for 32x32 (a shift by an eighth, a mirror image); so are the rate and
# the decay.
PHOTOGRAPHS = Recipe(
    replace(TINY_IMAGES, height=32, width=32),
    "imagenette-32",
    epochs=16,
    batch_size=64,
    optimiser="sgd",
    learning_rate=0.1,
    weight_decay=1e-4,
    augmentation=Augmentation(shift=4, mirror=True),
    mixed_precision=True,
)
# For networks that are older than batch normalisation, and would not stand that rate.
PHOTOGRAPHS_ADAMW = replace(
    PHOTOGRAPHS, optimiser="adamw", learning_rate=1e-3, weight_decay=0.05, clip_norm=1.0
)


def _photographs(recipe: Recipe, side: int, **changes) -> Recipe:
    """The recipe on photographs of another size, shifted by an eighth of it."""
    return replace(
        recipe,
        preprocessing=replace(TINY_IMAGES, height=side, width=side),
        dataset=f"imagenette-{side}",
        augmentation=replace(recipe.augmentation, shift=side / 8),
        **changes,
    )


FEW_CLOTHES = Recipe(
    CLOTHES_IN_A_MARGIN,
    "fashion",
    epochs=150,
    batch_size=48,
    limit=300,
)
MEASURES = {"small_se_resnet": measure_gates, "small_densenet": measure_links}


def _leaderboard_arm(key: str) -> Arm:
    options = {"aux": True} if RECIPES[key].auxiliary_weight else {}
    changes = DEVIATIONS[key].changes if key in DEVIATIONS else {}
    return Arm(partial(build_network, key, **options), changes, MEASURES.get(key))


def _network(build: Callable[..., nn.Module], *arguments, **options) -> Callable[[int], nn.Module]:
    """A constructor of ``build``'s network for a number of classes."""
    return lambda num_classes: build(*arguments, num_classes=num_classes, **options)


def _residual(depth: int, **options) -> Arm:
    return Arm(_network(resnet_cifar, depth, stem=halving_stem, **options))


def _stochastic(last_survival: float) -> Arm:
    """56 layers as in ``resnet_cifar``; with a survival of 1 no block is ever dropped."""
    build = _network(
        StochasticDepthResNet,
        (9, 9, 9),
        (16, 32, 64),
        last_survival=last_survival,
        stem=halving_stem,
    )
    return Arm(build, measure=measure_dropped_blocks)


def _descent(rate: float) -> dict:
    """Plain gradient descent with momentum, nothing cut short."""
    return {"optimiser": "sgd", "learning_rate": rate, "weight_decay": 5e-4, "clip_norm": None}


def _rate(factor: float, *, batch_norm: bool) -> Arm:
    """The small VGG-11 at ``factor`` times the recipe's learning rate."""
    build = _network(small_vgg11, batch_norm=batch_norm)
    return Arm(build, {"learning_rate": factor * SHORT_RECIPE.learning_rate})


def _four_layers(activation: type[nn.Module], *, raw: bool) -> Arm:
    """Rates in steps of about 3. With raw pixels a ReLU stands only much smaller ones."""
    changes = {"preprocessing": RAW_CLOTHES} if raw else {}
    rates = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    if raw and activation is nn.ReLU:
        rates = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03)
    return Arm(_network(four_layers, activation), changes, search=RateSearch(rates))


def _head(kind: str, rate: float) -> Arm:
    build = _network(three_heads, kind.removesuffix("_dropout"), dropout=kind.endswith("_dropout"))
    return Arm(build, {"learning_rate": rate}, measure_shifts)


class Times(nn.Module):
    """Every number times one and the same factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def _overlap(*, overlap: bool, normalise: bool, factor: float | None = None) -> Arm:
    """48x48 photographs: the maps are 23, 11, 5, 2 wide, whether pools are 3x3 or 2x2.

    Where there is a ``factor``, it multiplies what the first two ReLUs give.
    """

    def build(num_classes: int) -> nn.Module:
        network = AlexNetOneColumn(
            num_classes,
            widths=(48, 96, 128, 128, 96),
            kernel1=5,
            stride1=2,
            padding1=1,
            hidden=256,
            grid=2,
            overlap=overlap,
            normalise=normalise,
        )
        if factor is not None:
            network.norm1, network.norm2 = Times(factor), Times(factor)
        return network

    return Arm(build)


def _first_layer_of_zfnet(kernel_size: int, stride: int) -> Arm:
    """ZFNet at half a width for 96x96 photographs, behind another first layer.

    Where the first layer has stride 4 the second has 1, and where it has 2 the second has 2, as in
    the paper: so that all maps behind the second layer are 12 wide. The paddings keep sizes whole.
    All filters of the first layer start from N(0, 0.01), as AlexNet's did.
    """

    def build(num_classes: int) -> nn.Module:
        network = ZFNet(num_classes, widths=(32, 64, 96, 96, 64), hidden=256, grid=2)
        network.conv1 = nn.Conv2d(3, 32, kernel_size, stride, padding=kernel_size // 2)
        network.conv2 = nn.Conv2d(32, 64, kernel_size=5, stride=4 // stride, padding=2)
        nn.init.normal_(network.conv1.weight, std=0.01)
        nn.init.kaiming_normal_(network.conv2.weight, nonlinearity="relu")
        for layer in (network.conv1, network.conv2):
            nn.init.zeros_(layer.bias)
        return network

    return Arm(build, measure=measure_first_layer)


def _removed_layers(*, convolutions: bool, connected: bool) -> Arm:
    """ZFNet at a third of the width for 64x64 photographs, whole or without layers.

    Without ``convolutions`` conv3 and conv4 are left out, and conv5 reads what conv2 gives; without
    ``connected`` fc6 and fc7 are, with their dropout, and fc8 reads the last pool. All maps keep
    their sizes.
    """

    def build(num_classes: int) -> nn.Module:
        widths = (32, 64, 96, 96, 64)
        network = ZFNet(num_classes, widths=widths, stride2=1, hidden=256, grid=2)
        if not convolutions:
            network.conv3 = network.relu3 = network.conv4 = network.relu4 = nn.Identity()
            network.conv5 = nn.Conv2d(widths[1], widths[4], kernel_size=3, padding=1)
            _start_as_he(network.conv5)
        if not connected:
            for name in ("fc6", "relu6", "drop6", "fc7", "relu7", "drop7"):
                setattr(network, name, nn.Identity())
            network.fc8 = nn.Linear(widths[4] * 2 * 2, num_classes)
            _start_as_he(network.fc8)
        return network

    return Arm(build)


def _start_as_he(layer: nn.Conv2d | nn.Linear) -> None:
    """He et al. 2015: as ZFNet's other layers start."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)


def _kernel_stack(stage: str, channels: int) -> Arm:
    """Two stages of equal layers on 16x16 and 8x8 behind a first layer; then a mean, no fc layers.

    So only the kernels decide.
    """
    configuration = "32 M " + 2 * f"{stage} M ".replace("C", str(channels))

    def build(num_classes: int) -> nn.Module:
        features = VGG(configuration, batch_norm=True, hidden=1, grid=1).features
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)]
        return nn.Sequential(features, *head)

    return Arm(build)


def _googlenet_32(num_classes: int, **options) -> GoogLeNet:
    """Five modules at a quarter of Table 1's channels, for 32x32: maps of 16, 8, 4 and 2."""
    names = ("inception3a", "inception4a", "inception4d", "inception4e", "inception5b")
    modules = {name: tuple(number // 4 for number in MODULES[name]) for name in names}
    return GoogLeNet(
        num_classes,
        modules=modules,
        stem=short_stem,
        head_pool=pool_to_4x4,
        aux_hidden=128,
        **options,
    )


def _started(start: str, *, heads: bool) -> Arm:
    """GoogLeNet with or without its heads, from He's start or from AlexNet's N(0, 0.01)."""

    def build(num_classes: int) -> nn.Module:
        network = _googlenet_32(num_classes, aux=heads)
        if start == "small":
            for module in network.modules():
                if isinstance(module, nn.Conv2d | nn.Linear):
                    nn.init.normal_(module.weight, std=0.01)
        return network

    changes = {"auxiliary_weight": 0.3 if heads else 0.0}
    return Arm(build, changes, partial(measure_gradients, build))


def _separable(**options) -> Arm:
    return Arm(_network(small_mobilenet_v1, **options))


def _shuffle(groups: int, shuffle: bool) -> Arm:
    return Arm(_network(small_shufflenet_v1, groups=groups, shuffle=shuffle))


EXPERIMENTS: dict[str, Experiment] = {
    "leaderboard": Experiment(
        "What remains of history's order when data and recipe are the same?",
        "Every paper of the book.",
        {key: _leaderboard_arm(key) for key in SMALL},
        SMALL_RECIPE,
        seeds=3,
        keep_weights=True,
    ),
    "relu_tanh": Experiment(
        "In how many steps is a four-layer network with ReLU, or with tanh, down to 25 % error?",
        "Krizhevsky, Sutskever & Hinton 2012, section 3.1 and Fig. 1: six times as fast.",
        {
            f"{name}_{'raw' if raw else 'scaled'}": _four_layers(activation, raw=raw)
            for raw in (True, False)
            for name, activation in (("relu", nn.ReLU), ("tanh", nn.Tanh))
        },
        FOUR_LAYER_RECIPE,
        seeds=12,
        differs="Each activation has the best rate of the grid, as in the paper.",
    ),
    "overlap_lrn": Experiment(
        "Do overlapping pools and response normalisation matter?",
        "Krizhevsky, Sutskever & Hinton 2012, sections 3.3 and 3.4: 0.4 and 1.4 points of top-1.",
        {
            "side_by_side": _overlap(overlap=False, normalise=False),
            "overlapping": _overlap(overlap=True, normalise=False),
            "side_by_side_lrn": _overlap(overlap=False, normalise=True),
            "overlapping_lrn": _overlap(overlap=True, normalise=True),
            # What the layer does to answers of a few units and less: 2 to the power of -3/4.
            "side_by_side_scaled": _overlap(overlap=False, normalise=False, factor=2**-0.75),
        },
        _photographs(PHOTOGRAPHS_ADAMW, 48),
        seeds=3,
    ),
    "last_relu": Experiment(
        "Does the ReLU behind its class maps keep NiN from learning?",
        "Lin, Chen & Yan 2014, section 3.2; the released models end in it.",
        {
            name: Arm(_network(nin_with_head, last_relu=name == "relu"), {}, measure_silent_classes)
            for name in ("relu", "linear")
        },
        _photographs(PHOTOGRAPHS_ADAMW, 48, epochs=8, learning_rate=5e-4),
        seeds=3,
    ),
    "nin_heads": Experiment(
        "Does a mean of maps over-fit less than fully connected layers, and is it better?",
        "Lin, Chen & Yan 2014, sections 3.2 and 4.6.",
        {
            f"{kind}_rate{rate}": _head(kind, rate)
            for kind in ("means", "means_dropout", "connected", "connected_dropout")
            for rate in (0.001, 0.003, 0.01, 0.03)
        },
        FEW_CLOTHES,
        seeds=4,  # the first at every rate, to choose it; the others at the best, to report
        differs="The heads' parameters: 330 against 333,194. Each has the best rate of the grid.",
        look_every=50,
    ),
    "nin_heads_longer": Experiment(
        "Do the heads end elsewhere when they are trained for twice as long?",
        "A check of nin_heads, each at the rate that was best there.",
        {
            kind: _head(kind, rate)
            for kind, rate in (
                ("means", 0.01),
                ("means_dropout", 0.01),
                ("connected", 0.003),
                ("connected_dropout", 0.003),
            )
        },
        replace(FEW_CLOTHES, epochs=300),
        seeds=6,
        differs="The heads' parameters: 330 against 333,194.",
        look_every=100,
    ),
    "first_layer_sizes": Experiment(
        "Does a large first kernel with a large stride leave filters dead or aliased?",
        "Zeiler & Fergus 2014, section 4.1 and Fig. 6: 11x11 with stride 4 against 7x7 with 2.",
        {
            f"kernel{kernel}_stride{stride}": _first_layer_of_zfnet(kernel, stride)
            for kernel in (11, 7)
            for stride in (4, 2)
        },
        _photographs(PHOTOGRAPHS_ADAMW, 96, epochs=8),
        seeds=3,
        differs="The first layer's work: four times as many places with stride 2. The second "
        "layer has stride 2 behind a first layer of stride 2, and 1 behind one of 4.",
    ),
    "removed_layers": Experiment(
        "What is lost without the two middle convolutions, without the connected layers, and both?",
        "Zeiler & Fergus 2014, section 5.1 and Table 3.",
        {
            "whole": _removed_layers(convolutions=True, connected=True),
            "without_connected": _removed_layers(convolutions=True, connected=False),
            "without_convolutions": _removed_layers(convolutions=False, connected=True),
            "without_both": _removed_layers(convolutions=False, connected=False),
        },
        _photographs(PHOTOGRAPHS_ADAMW, 64, epochs=16),
        seeds=3,
        differs="Layers go with their weights and their work, and fc6 and fc7 with their dropout.",
    ),
    "kernel_stacks": Experiment(
        "Are three 3x3 layers better than one 7x7 that sees as much?",
        "Simonyan & Zisserman 2015, section 2.3.",
        {
            "one_7x7": _kernel_stack("7x7 C", 32),
            "three_3x3": _kernel_stack("C C C", 32),
            "three_3x3_as_many_weights": _kernel_stack("C C C", 44),
        },
        PHOTOGRAPHS,
        seeds=3,
        differs="Three layers have three ReLUs and three normalisations where one has one.",
    ),
    "heads_by_start": Experiment(
        "Do auxiliary heads help, from a start that is too small and from one that is not?",
        "Szegedy et al. 2015, section 5; the starts: Krizhevsky et al. 2012, He et al. 2015.",
        {
            f"{start}_{'with' if heads else 'without'}_heads": _started(start, heads=heads)
            for start in ("small", "he")
            for heads in (False, True)
        },
        PHOTOGRAPHS_ADAMW,
        seeds=3,
        differs="The heads' own weights, in training only.",
    ),
    "equal_kernels": Experiment(
        "What do the 1x1 reductions of an Inception module save, and what do they cost?",
        "Szegedy et al. 2015, section 4 and Fig. 2.",
        {
            "naive": Arm(_network(_googlenet_32, batch_norm=True, reduce=False)),
            "reduced": Arm(_network(_googlenet_32, batch_norm=True)),
        },
        PHOTOGRAPHS,
        seeds=3,
        differs="Both have as many 1x1, 3x3 and 5x5 kernels. The naive modules' pooling branch "
        "has no 1x1 and hands all its input's channels on, so its maps are wider.",
    ),
    "batch_norm": Experiment(
        "Which learning rates does a network stand with batch normalisation, and without?",
        "Ioffe & Szegedy 2015, section 4.2.",
        {
            f"{name}_rate{label}": _rate(factor, batch_norm=batch_norm)
            for name, batch_norm in (("plain", False), ("normalised", True))
            for label, factor in (("_quarter", 0.25), ("1", 1), ("4", 4), ("16", 16))
        },
        SHORT_RECIPE,
    ),
    "learning_rate": Experiment(
        "The same, as the paper asked: an Inception net, gradient descent, rates 1 : 5 : 30?",
        "Ioffe & Szegedy 2015, section 4.2 and Fig. 2.",
        {
            f"{name}_rate{factor}": Arm(
                _network(small_googlenet, batch_norm=batch_norm), _descent(0.01 * factor)
            )
            for name, batch_norm in (("plain", False), ("normalised", True))
            for factor in (1, 5, 30)
        },
        SHORT_RECIPE,
    ),
    "plain_residual": Experiment(
        "Is a deeper plain network worse, even on its training images, and a residual one better?",
        "He, Zhang, Ren & Sun 2015, sections 4.1 and 4.2, Table 3 and Fig. 6.",
        {
            "plain20": _residual(20, plain=True),
            "plain56": _residual(56, plain=True),
            "residual20": _residual(20),
            "residual56": _residual(56),
            "residual20_B": _residual(20, shortcut="B"),
            "residual20_C": _residual(20, shortcut="C"),
        },
        PHOTOGRAPHS,
        seeds=3,
        differs="Options B and C add the projections' weights and work; A has none.",
    ),
    "preactivation": Experiment(
        "Do 110 layers learn better when nothing stands behind the addition?",
        "He, Zhang, Ren & Sun 2016, section 4.1 and Table 2.",
        {
            "post": _residual(110, shortcut="B"),
            "pre": Arm(
                _network(
                    PreActResNet, PreActBasicBlock, (18, 18, 18), (16, 32, 64), stem=halving_stem
                )
            ),
        },
        SHORT_RECIPE,
    ),
    "stochastic_depth": Experiment(
        "What does dropping blocks in training save, and which blocks can go at test?",
        "Huang, Sun, Liu, Sedra & Weinberger 2016; the test: Veit, Wilber & Belongie 2016.",
        {"constant": _stochastic(1.0), "linear": _stochastic(0.5)},
        MEDIUM_RECIPE,
    ),
    "separable": Experiment(
        "Depthwise separable or full convolutions: at equal width, and at equal work?",
        "Howard et al. 2017, section 4.1 and Table 4.",
        {
            "separable": _separable(),
            "dense": _separable(separable=False),
            "dense_as_much_work": _separable(separable=False, width=0.18),
        },
        MEDIUM_RECIPE,
    ),
    "group_shuffle": Experiment(
        "What does the shuffle between grouped 1x1 layers bring, with few groups and with many?",
        "Zhang, Zhou, Lin & Sun 2018, section 4.1.2 and Table 3.",
        {
            f"groups{groups}{'' if shuffle else '_unshuffled'}": _shuffle(groups, shuffle)
            for groups in (3, 8)
            for shuffle in (False, True)
        },
        PHOTOGRAPHS,
        seeds=3,
        differs="With 8 groups the network is wider, as in the paper's Table 1.",
    ),
}
EXPERIMENTS |= CLOTHES_EXPERIMENTS | COMPRESSION_EXPERIMENTS | NORMALISING_EXPERIMENTS
EXPERIMENTS |= ROTATION_EXPERIMENTS | SCALE_EXPERIMENTS | DISTORTION_EXPERIMENTS
EXPERIMENTS |= BORROWING_EXPERIMENTS
EXPERIMENTS |= DROPPING_EXPERIMENTS | STEPPING_EXPERIMENTS | WIDTH_EXPERIMENTS
