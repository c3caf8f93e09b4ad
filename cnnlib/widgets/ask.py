"""What a widget needs that asks an ImageNet network: photographs with its answers, the network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnnlib.widgets.photo_networks import SIDE
from cnnlib.widgets.pictures import png_address

NETWORK = "squeezenet1_1"
BEST = 5


@dataclass(frozen=True, eq=False)
class AskedPhotograph:
    """A photograph as the network sees it, and what the network says of it.

    ``pixels``: uint8 (227, 227, 3), red, green, blue. ``scores`` (1000,): the network's output for
    just these pixels, before the softmax. ``alt`` says what is to be seen, ``credit`` whose it is.
    """

    title: str
    pixels: np.ndarray
    scores: np.ndarray
    alt: str = ""
    credit: str = ""


def checked_photographs(given: Sequence[AskedPhotograph], classes: int) -> list[dict]:
    """The photographs as a page holds them. ``ValueError`` says what does not fit."""
    if not given:
        raise ValueError("photographs: expected at least one, found none")
    return [_checked(one, classes, f"photographs[{number}]") for number, one in enumerate(given)]


def _checked(given: AskedPhotograph, classes: int, where: str) -> dict:
    pixels, scores = np.asarray(given.pixels), np.asarray(given.scores, dtype=np.float64)
    if pixels.dtype != np.uint8 or pixels.shape != (SIDE, SIDE, 3):
        raise ValueError(
            f"{where}: pixels are {pixels.dtype} of shape {pixels.shape}: "
            f"expected uint8, ({SIDE}, {SIDE}, 3)"
        )
    if scores.shape != (classes,) or not np.isfinite(scores).all():
        raise ValueError(
            f"{where}: scores of shape {scores.shape}: expected {classes} finite numbers"
        )
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    best = np.argsort(-shares, kind="stable")[:BEST]
    return {
        "title": str(given.title),
        "alt": str(given.alt),
        "credit": str(given.credit),
        "address": png_address(pixels),
        "best": [[int(number), round(float(shares[number]), 6)] for number in best],
    }


def network_facts() -> dict:
    """What the page needs to know of the network before it has it.

    ``mean``: the colour, red, green, blue, that is taken off the pixels; the network's channels are
    blue, green, red.
    """
    from cnnlib.live.site import shipped_entry, shipped_plan

    preprocessing = shipped_plan(NETWORK)["preprocessing"]
    return {
        "network": NETWORK,
        "kilobytes": round(shipped_entry(NETWORK)["bytes"] / 1000),
        "mean": [round(mean) for mean in reversed(preprocessing["mean"])],
    }


def categories() -> list[str]:
    """The names of the network's classes."""
    from cnnlib.live.site import shipped_plan

    return shipped_plan(NETWORK)["categories"]
