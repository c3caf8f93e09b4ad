"""How wide, how deep? A grid of small networks on clothes of 14x14, all by one recipe.

Half of the convolutions stand on maps of 14x14, then a pool halves them, and the other half stand
on 7x7 with twice the channels; batch normalisation and ReLU behind each. A mean of each map and one
linear layer end it. So of two networks with the same width the deeper one has the same maps.
"""

from dataclasses import replace

from torch import nn

from cnnlib.experiments.clothes import CLOTHES, HalfSize
from cnnlib.experiments.experiment import Arm, Experiment

WIDTHS = (4, 8, 16)
DEPTHS = (2, 4, 6)


def plain_network(width: int, depth: int, num_classes: int) -> nn.Sequential:
    """``depth`` 3x3 convolutions, an even number: half with ``width`` channels, half with twice.

    Grey images (N, 1, 28, 28) in, halved first; (N, num_classes) out. Raises ``ValueError`` for an
    odd depth, or one below 2.
    """
    if depth < 2 or depth % 2:
        raise ValueError(f"depth={depth}: expected an even number, 2 or more")
    layers: list[nn.Module] = [HalfSize()]  # (N, 3, 14, 14)
    channels = 3
    for number in range(depth):
        if number == depth // 2:
            layers.append(nn.MaxPool2d(2))  # (N, width, 7, 7)
        out_channels = width if number < depth // 2 else 2 * width
        layers += [
            nn.Conv2d(channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        ]
        channels = out_channels
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)
    )


def name_arm(width: int, depth: int) -> str:
    return f"width{width}_depth{depth}"


def _arm(width: int, depth: int) -> Arm:
    return Arm(lambda num_classes: plain_network(width, depth, num_classes))


WIDTH_EXPERIMENTS: dict[str, Experiment] = {
    "widths": Experiment(
        "Where do widths and depths come from: what does either buy, at what cost?",
        "A sweep in small; Zagoruyko & Komodakis 2016 vary both.",
        {name_arm(width, depth): _arm(width, depth) for depth in DEPTHS for width in WIDTHS},
        replace(CLOTHES, limit=4000, epochs=10),
        seeds=3,
        differs="Weights and work grow as the width squared, and about evenly with the depth.",
        look_every=2,
    ),
}
