"""The aliasing widget's sums: stripes, the filters that match them, and a strided layer's answers.

``aliasing_sums.js`` is the twin, name by name. Stripes vary along one axis only, so a row of pixels
and a filter of one row tell all that a layer makes of them. Pixel 0 lies under the middle of the
first window, whatever the kernel's size; the windows' middles lie on 0, stride, 2·stride, …

A period is a whole number of half pixels. Where that makes a sum exact, it is done in halves.
"""

import math

import numpy as np

PERIODS = [halves / 2 if halves % 2 else halves // 2 for halves in range(4, 49)]  # pixels
SIZES = [3, 5, 7, 9, 11, 13, 15]  # pixels: odd, so that every window has a middle
STRIDES = (1, 8)
PHASES = 24  # steps in which the stripes move through one period
STAGES = ["signed", "relu", "pool"]
SPAN = 72  # pixels from the first shown window's middle to where the last one's may lie


def stripes(pixels: np.ndarray, period: float, phase: int | np.ndarray) -> np.ndarray:
    """Light (1) and dark (-1) at some pixels, moved right by ``phase`` 24ths of a period."""
    return np.cos(2 * math.pi * (pixels / period - phase % PHASES / PHASES))


def matched_filter(period: float, size: int, twin: bool = False) -> np.ndarray | None:
    """The stripes under a soft window, without mean and of length 1: shape (size,).

    The twin is a quarter of a period further on, a sine in place of the cosine. At a period of 2
    pixels it would be 0 at every pixel: None.
    """
    if twin and period == 2:
        return None
    place = np.arange(size) - size // 2
    window = np.exp(-(place**2) / (2 * (size / 4) ** 2))
    weights = window * (np.sin if twin else np.cos)(2 * math.pi * place / period)
    weights -= window * (weights.sum() / window.sum())
    return weights / np.sqrt((weights**2).sum())


def answers(
    weights: np.ndarray, pixels: np.ndarray, period: float, phase: int | np.ndarray
) -> np.ndarray:
    """A filter's signed answer with its middle on each of some pixels."""
    half = len(weights) // 2
    return sum(
        weight * stripes(pixels + place - half, period, phase)
        for place, weight in enumerate(weights)
    )


def strongest(weights: np.ndarray, period: float) -> float:
    """The largest answer that a filter gives to these stripes, wherever they stand."""
    turn = 2 * math.pi * (np.arange(len(weights)) - len(weights) // 2) / period
    return float(np.hypot((weights * np.cos(turn)).sum(), (weights * np.sin(turn)).sum()))


def pooled(values: np.ndarray) -> np.ndarray:
    """Max pooling along the last axis, three places with a stride of 2, whole windows only."""
    last = 2 * ((values.shape[-1] - 3) // 2) + 1
    return np.max([values[..., start : start + last : 2] for start in range(3)], axis=0)


def phases_met(period: float, stride: int) -> int:
    """How many different phases of the stripes the windows' middles lie on."""
    halves = round(2 * period)
    return halves // math.gcd(halves, 2 * stride)


def ghost(period: float, stride: int) -> float:
    """The slowest frequency, in periods a pixel, that fits the answers; below 0: it runs backwards.

    f - round(f · stride) / stride with f = 1 / period, a half rounded down.
    """
    halves = round(2 * period)
    turns = -((halves - 4 * stride) // (2 * halves))
    return (2 * stride - turns * halves) / (halves * stride)


def kind_of(period: float, stride: int) -> str:
    """What the answers make of the stripes: "honest", at the "limit", a "ghost", all the "same"."""
    if period > 2 * stride:
        return "honest"
    if period == 2 * stride:
        return "limit"
    return "ghost" if ghost(period, stride) else "same"


def distance(pixel: int, period: float, phase: int) -> float:
    """How many pixels a pixel lies past the middle of a light stripe, from 0 to the period."""
    halves = round(2 * period)
    return (2 * PHASES * pixel - halves * phase) % (PHASES * halves) / (2 * PHASES)


def mean_answers(weights: np.ndarray, period: float, stride: int) -> np.ndarray:
    """The mean of an endless row's answers after ReLU and pooling, at each phase: shape (25,)."""
    pixels = stride * np.arange(2 * phases_met(period, stride) + 1)  # then they come round
    phases = np.arange(PHASES + 1)[:, None]
    return pooled(np.maximum(answers(weights, pixels, period, phases), 0)).mean(axis=-1)


def report(period: float, kernel_size: int, stride: int) -> dict:
    """Every figure that the widget tells: of the cosine filter, and of it with its twin (or None).

    ``kept``: the weakest of the mean answers over all phases, as a share of the strongest. Of a
    pair, the stronger filter's mean answer counts at each phase.
    """
    filters = [matched_filter(period, kernel_size, twin) for twin in (False, True)]
    means = [None if w is None else mean_answers(w, period, stride) for w in filters]
    pair = None if means[1] is None else np.maximum(*means)
    return {
        "kind": kind_of(period, stride),
        "ghost": ghost(period, stride),
        "phases": phases_met(period, stride),
        "filters": filters,
        "strongest": [None if w is None else strongest(w, period) for w in filters],
        "means": means,
        "kept": [None if m is None else float(m.min() / m.max()) for m in (means[0], pair)],
    }
