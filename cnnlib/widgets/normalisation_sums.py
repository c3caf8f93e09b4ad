"""A batch of numbers normalised: which of them share a mean, and what is kept for the test.

A batch is nested lists: images × channels × positions. ``normalisation_sums.js`` is
the twin, name by name.
"""

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

NORMS = ["batch", "layer", "instance", "group"]
MODES = ["training", "test"]
BATCH_SIZES = (1, 6)
POSITIONS = [1, 4]
CHANNELS, GROUP = 4, 2  # channels of an image, and of a group
BATCHES = 12  # that can have been seen; one more is looked at
MOMENTA = [0.01, 0.1, 0.3, 1]
GAMMAS = [half / 2 if half % 2 else half // 2 for half in range(9)]
BETAS = [half / 2 if half % 2 else half // 2 for half in range(-8, 9)]
EPSILON = 1e-5
TRUE_MEANS = [2, -1, 0, 4]  # of the channels that the batches are drawn from
TRUE_DEVIATIONS = [1, 2, 0.5, 1.5]

Batch = Sequence[Sequence[Sequence[float]]]


def drawn_batches() -> list:
    """BATCHES + 1 batches of 6 images, independent normal numbers in tenths: nested lists."""
    dice = random.Random("normalisation")
    return [
        [
            [
                [round(dice.gauss(mean, deviation), 1) for _ in range(POSITIONS[-1])]
                for mean, deviation in zip(TRUE_MEANS, TRUE_DEVIATIONS, strict=True)
            ]
            for _ in range(BATCH_SIZES[1])
        ]
        for _ in range(BATCHES + 1)
    ]


def batch_at(state: Mapping[str, Any], drawn: Sequence[Batch], number: int) -> Batch:
    """One of the batches as it is with the state's batch size and positions."""
    images = drawn[number][: state["batch_size"]]
    return [[channel[: state["positions"]] for channel in image] for image in images]


def set_of(norm: str, image: int, channel: int) -> tuple[int, int]:
    """The set that a number is normalised with: (image, channel or group), −1 for all."""
    return {
        "batch": (-1, channel),
        "layer": (image, -1),
        "instance": (image, channel),
        "group": (image, channel // GROUP),
    }[norm]


def moments(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and the mean square of what is left without it: divided by m, not by m − 1."""
    mean = sum(values) / len(values)
    return mean, sum((value - mean) ** 2 for value in values) / len(values)


def together(norm: str, batch: Batch, image: int, channel: int) -> list[float]:
    """All numbers that are normalised with those of one image's channel."""
    name = set_of(norm, image, channel)
    return [
        value
        for i, channels in enumerate(batch)
        for c, values in enumerate(channels)
        if set_of(norm, i, c) == name
        for value in values
    ]


def kept(state: Mapping[str, Any], drawn: Sequence[Batch], channel: int) -> list[dict[str, float]]:
    """A channel's stored mean and variance, after no batch, after one, …: BATCHES + 1 of them.

    They start at 0 and 1, and each batch moves them by ``momentum`` towards its mean and its
    variance times m / (m − 1), as ``torch.nn.BatchNorm2d`` does. A single number has no variance to
    correct (torch refuses it): then nothing moves. ``mean`` and ``variance`` are the stored ones,
    ``seen_mean`` and ``seen_variance`` what the batch itself brought, corrected.
    """
    found = [{"mean": 0.0, "variance": 1.0, "seen_mean": 0.0, "seen_variance": 1.0}]
    for number in range(BATCHES):
        values = together("batch", batch_at(state, drawn, number), 0, channel)
        if len(values) == 1:
            found.append(found[-1])
            continue
        mean, variance = moments(values)
        variance *= len(values) / (len(values) - 1)
        last, step = found[-1], state["momentum"]
        found.append(
            {
                "mean": (1 - step) * last["mean"] + step * mean,
                "variance": (1 - step) * last["variance"] + step * variance,
                "seen_mean": mean,
                "seen_variance": variance,
            }
        )
    return found


def used(state: Mapping[str, Any], drawn: Sequence[Batch], image: int, channel: int) -> dict:
    """What one image's channel is normalised by: mean, variance, and of how many numbers."""
    if state["norm"] == "batch" and state["mode"] == "test":
        stored = kept(state, drawn, channel)[state["seen"]]
        return {"mean": stored["mean"], "variance": stored["variance"], "count": 0}
    values = together(state["norm"], batch_at(state, drawn, state["seen"]), image, channel)
    mean, variance = moments(values)
    return {"mean": mean, "variance": variance, "count": len(values)}


def affine(state: Mapping[str, Any], drawn: Sequence[Batch], channel: int) -> tuple[float, float]:
    """A channel's γ and β: as chosen, or with ``undo`` its deviation and mean in this batch."""
    if not state["undo"]:
        return state["gamma"], state["beta"]
    batch = batch_at(state, drawn, state["seen"])
    mean, variance = moments(together("batch", batch, 0, channel))
    return math.sqrt(variance + EPSILON), mean


def output(state: Mapping[str, Any], drawn: Sequence[Batch]) -> Batch:
    """The batch that is looked at, normalised, times γ plus β."""
    batch = batch_at(state, drawn, state["seen"])
    scales = [affine(state, drawn, channel) for channel in range(CHANNELS)]

    def normalised(image: int, channel: int, values: Sequence[float]) -> list[float]:
        by, (gamma, beta) = used(state, drawn, image, channel), scales[channel]
        deviation = math.sqrt(by["variance"] + EPSILON)
        return [gamma * (value - by["mean"]) / deviation + beta for value in values]

    return [
        [normalised(i, c, values) for c, values in enumerate(channels)]
        for i, channels in enumerate(batch)
    ]


def side(state: Mapping[str, Any]) -> int:
    """Rows, and columns, of one map."""
    return math.isqrt(state["positions"])


def board(state: Mapping[str, Any], batch: Batch) -> list[list[float]]:
    """A batch as a grid: a row of maps for each image, a column of maps for each channel."""
    wide = side(state)
    return [
        [
            batch[row // wide][column // wide][wide * (row % wide) + column % wide]
            for column in range(wide * CHANNELS)
        ]
        for row in range(wide * state["batch_size"])
    ]
