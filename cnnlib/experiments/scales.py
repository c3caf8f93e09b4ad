"""VGG's pictures of many sizes (Simonyan & Zisserman 2015, sections 3.1 and 4.2), in small.

A network of 3x3 convolutions that ends in a mean of its maps takes pictures of any size. It learns
from squares of 32x32, cut from pictures that were first brought to a side of S pixels: one S for
all, or another one for every batch. It is tested on whole pictures of several sizes Q. All sides
are a seventh of the paper's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlib.experiments.experiment import Arm, Experiment
from cnnlib.experiments.packing import pack_bits, unpack_bits
from cnnlib.models.vgg import VGG
from cnnlib.train import Recipe, Run
from cnnlib.train.recipes import TINY_IMAGES
from cnnlib.weights.measuring import rank_labels

if TYPE_CHECKING:  # the logs' module needs the experiments
    from cnnlib.experiments.run_log import RunLog

SQUARE = 32
SIZES = SMALL, LARGE, LARGEST = 37, 55, 73  # 256, 384 and 512 for squares of 224
RECIPE = Recipe(
    replace(TINY_IMAGES, height=LARGEST, width=LARGEST),
    f"imagenette-{LARGEST}",
    epochs=16,
    batch_size=64,
    learning_rate=1e-3,
    weight_decay=0.05,
    clip_norm=1.0,
    mixed_precision=True,
)


def resize(images: Tensor, side: int) -> Tensor:
    """Square images, (N, C, H, H), at ``side`` x ``side``, smoothed where they get smaller."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, (side, side), mode="bilinear", antialias=True)


class ScaleRun(Run):
    """Every batch at a size of its own from ``sides``, each image a random square of it, mirrored
    or not. The paper draws a size for each image."""

    sides = (SMALL, SMALL)

    def inputs(self, batch: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """The squares, (N, 3, 32, 32), and the labels of a batch of numbers."""
        rows = batch.to(self.processes.device)
        images = self.recipe.preprocessing.apply_tensor(self.pixels[rows].movedim(3, 1))
        low, high = self.sides
        side = int(torch.randint(low, high + 1, (), generator=generator))
        images = resize(images, side)
        corners = torch.randint(0, side - SQUARE + 1, (len(images), 2), generator=generator)
        squares = torch.stack(
            [
                image[:, y : y + SQUARE, x : x + SQUARE]
                for image, (y, x) in zip(images, corners.tolist(), strict=True)
            ]
        )
        mirrored = torch.rand(len(images), generator=generator) < 0.5
        squares[mirrored] = squares[mirrored].flip(-1)
        return squares.contiguous(memory_format=torch.channels_last), self.labels[rows]


class SmallRun(ScaleRun):
    """S is 37."""


class LargeRun(ScaleRun):
    """S is 55."""

    sides = (LARGE, LARGE)


class ManyRun(ScaleRun):
    """S is any whole number from 37 to 73."""

    sides = (SMALL, LARGEST)


def build_network(num_classes: int) -> nn.Module:
    """Six 3x3 convolutions in four blocks, a mean of each map, one linear layer: any size."""
    features = VGG("24 M 48 M 64 64 M 96 96 M", hidden=1, grid=1).features
    return nn.Sequential(
        features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, num_classes)
    )


@torch.no_grad()
def measure_sizes(run: Run) -> dict:
    """``right`` maps each Q of ``SIZES``, as text, to which test images are right there, as
    :func:`~cnnlib.experiments.packing.pack_bits` has them; ``"all"`` is for the mean of the softmax
    over the three, as in section 4.2. ``images`` is how many there are."""
    network = run.model.eval()
    test = run.test_set
    labels = torch.from_numpy(test.labels)
    shares: dict[int, list[Tensor]] = {side: [] for side in SIZES}
    for start in range(0, len(test), 100):
        part = range(start, min(start + 100, len(test)))
        images = run.recipe.preprocessing.apply([test.images[i] for i in part])
        for side in SIZES:
            scores = network(resize(images.to(run.processes.device), side))
            shares[side].append(scores.float().softmax(dim=1).cpu())
    every = {str(side): torch.cat(parts) for side, parts in shares.items()}
    every["all"] = torch.stack(list(every.values())).mean(dim=0)
    right = {name: pack_bits((rank_labels(s, labels) == 0).numpy()) for name, s in every.items()}
    return {"images": len(test), "right": right}


def right_at(runs: Sequence[RunLog], side: int | str) -> np.ndarray:
    """Which test images are right at that size, bool (seeds, images); ``"all"``: of all sizes.

    Raises ``ValueError`` for a size that was not measured.
    """
    known = [str(size) for size in SIZES] + ["all"]
    if str(side) not in known:
        raise ValueError(f"side={side!r}: expected one of {', '.join(known)}")
    return np.stack(
        [unpack_bits(run.measured["right"][str(side)], run.measured["images"]) for run in runs]
    )


SCALE_EXPERIMENTS: dict[str, Experiment] = {
    "scales": Experiment(
        "Does training on pictures of many sizes help, and where?",
        "Simonyan & Zisserman 2015, Table 3: net D errs on 27.0 and 26.8 %, with many sizes 25.6.",
        {
            name: Arm(build_network, measure=measure_sizes, run=run)
            for name, run in (("small", SmallRun), ("large", LargeRun), ("many", ManyRun))
        },
        RECIPE,
        seeds=3,
        differs="What part of a picture a square shows: at S = 37 three quarters, at 73 a fifth.",
        look_every=4,
    ),
}
