"""What becomes of a signal and of a gradient in a deep net, layer by layer.

``signal_gradient_sums.js`` is the twin, name by name; a browser test holds both equal. The weights
are the same to the last bit: they are sums of throws that both languages hold exactly.
"""

import math
from typing import NamedTuple

import numpy as np

from cnnlib.widgets.words import fixed_point

ACTIVATIONS = ("sigmoid", "tanh", "relu", "linear")
STARTS = ("fan_in", "fixed")  # weights of N(0, variance / fan_in), or of N(0, FIXED²)
FIXED = 0.01  # AlexNet's
VARIANCES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.5, 3,
             4, 6, 9, 16)  # fmt: skip
MARKS = {"lecun": 1, "he": 2}  # with equal widths Glorot's start is LeCun's
NORMALISATIONS = ("none", "batch")
SKIPS = {"none": 0, "identity": 1, "scaled": 0.1}  # what the branch is multiplied by
WIDTHS = (16, 32, 64)
DEPTHS = (2, 40)
SEEDS = (1, 9)
BATCH = 32  # inputs
EPSILON = 1e-5  # of batch normalisation, as in torch

NOUGHT = 1e-9  # a smaller share of what comes out is not told from rounding
FLAT = 0.1  # a slope below this share of the steepest
SOME, ENOUGH = 10, 100  # what is divided by these shrinks or vanishes; it grows or bursts


# ---- Chance.


def throws(seed: int, first: int, count: int) -> np.ndarray:
    """Numbers from 0 to 1, (count,), from the ``first`` on: gradient_descent_sums' Mulberry32.

    Its state only counts, so that any throw can be had without those before it.
    """
    at = np.arange(first + 1, first + count + 1, dtype=np.uint64) * 0x6D2B79F5 + seed
    state = (at & 0xFFFFFFFF).astype(np.uint32)
    mixed = (state ^ (state >> 15)) * (state | 1)
    mixed ^= mixed + (mixed ^ (mixed >> 7)) * (mixed | 61)
    return (mixed ^ (mixed >> 14)) / 2**32


def nearly_normal(seed: int, block: int, shape: tuple[int, int]) -> np.ndarray:
    """Sums of twelve throws less 6: mean 0, variance 1. A block has 64 by 64 of them."""
    rows, columns = shape
    first = 12 * block * WIDTHS[-1] ** 2
    return throws(seed, first, 12 * rows * columns).reshape(rows, columns, 12).sum(2) - 6


# ---- The net.


class Layers(NamedTuple):
    """Sizes at the input, which is layer 0, and behind each layer; shares of each layer.

    ``sizes``: standard deviation of the activations over all units and inputs. ``between``: over
    the inputs, unit by unit, then the root of the mean square; None where it is less than
    :data:`NOUGHT` of the activations. ``gradients``: standard deviation of the loss's slopes along
    the activations, over all units and inputs. ``flat``: the share of answers at which the slope of
    the activation is below :data:`FLAT` of its steepest; ``dead``: of units that are flat for every
    input.
    """

    sizes: list[float]
    between: list[float | None]
    gradients: list[float]
    flat: list[float]
    dead: list[float]


def spread(state: dict) -> float:
    """The standard deviation of each weight."""
    if state["start"] == "fixed":
        return FIXED
    return math.sqrt(state["variance"] / state["width"])


def run(state: dict) -> Layers:
    """Forwards and back through the net of a state.

    A layer takes h (units, inputs) to ``share * h + scale * f(norm(W h))``: without a skip the
    first is 0 and the second 1. The loss is the sum of ``h * c`` over the last layer, with a fixed
    random ``c``: so its gradient there has the size 1.
    """
    width, depth, seed = state["width"], state["depth"], state["seed"]
    scale = SKIPS[state["skip"]] or 1
    kept = 0 if state["skip"] == "none" else 1
    std = spread(state)
    h = nearly_normal(seed, 0, (width, BATCH))
    sizes, between, flat, dead = [_deviation(h)], [_between(h)], [], []
    layers = []
    for layer in range(1, depth + 1):
        weights = std * nearly_normal(seed, 1 + layer, (width, width))
        z = weights @ h
        root = None
        if state["normalisation"] == "batch":
            z = z - z.mean(1, keepdims=True)
            root = np.sqrt((z * z).mean(1, keepdims=True) + EPSILON)
            z = z / root
        answer, slope, steepest = activate(state["activation"], z)
        h = kept * h + scale * answer
        level = slope < FLAT * steepest
        flat.append(float(level.mean()))
        dead.append(float(level.all(1).mean()))
        sizes.append(_deviation(h))
        between.append(_between(h))
        layers.append((weights, z, root, slope))
    gradient = nearly_normal(seed, 1, (width, BATCH))
    gradients = [_deviation(gradient)]
    for weights, z, root, slope in reversed(layers):
        back = scale * gradient * slope
        if root is not None:
            back = back - back.mean(1, keepdims=True) - z * (back * z).mean(1, keepdims=True)
            back = back / root
        gradient = kept * gradient + weights.T @ back
        gradients.append(_deviation(gradient))
    return Layers(sizes, between, gradients[::-1], flat, dead)


def activate(activation: str, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """(answers, slopes, the steepest slope that there is)."""
    if activation == "sigmoid":
        answer = 1 / (1 + np.exp(-z))
        return answer, answer * (1 - answer), 0.25
    if activation == "tanh":
        answer = np.tanh(z)
        return answer, 1 - answer * answer, 1
    if activation == "relu":
        return np.maximum(z, 0), (z > 0).astype(float), 1
    return z, np.ones_like(z), 1


def _deviation(values: np.ndarray) -> float:
    return float(np.sqrt(((values - values.mean()) ** 2).mean()))


def _between(values: np.ndarray) -> float | None:
    apart = values - values.mean(1, keepdims=True)
    found, whole = np.sqrt((apart * apart).mean()), np.sqrt((values * values).mean())
    return None if found < NOUGHT * whole else float(found)


# ---- What it is called.


class Report(NamedTuple):
    """``signal`` and ``gradient``: "vanishes", "shrinks", "stays", "grows" or "bursts".

    ``forwards``: what is left between the inputs, as a share of what went in, or None where it
    has gone below :data:`NOUGHT`; ``lost`` is the first layer where it has, or None.
    ``backwards``: what arrives at the input, as a share of the gradient behind the last layer.
    ``predicted``: He's factor a layer, or None where the formula does not speak of such a net.
    ``flat``, ``dead``: means over the layers.
    """

    signal: str
    gradient: str
    forwards: float | None
    backwards: float
    lost: int | None
    predicted: float | None
    flat: float
    dead: float


def predicted(state: dict) -> float | None:
    """The factor a layer, forwards and back, of a wide plain net of ReLUs or without activations.

    He et al. 2015, equations 9 and 14; without a ReLU the half is missing.
    """
    if state["normalisation"] != "none" or state["skip"] != "none":
        return None
    if state["activation"] not in ("relu", "linear"):
        return None
    half = 0.5 if state["activation"] == "relu" else 1
    return spread(state) * math.sqrt(state["width"] * half)


def report(state: dict, layers: Layers) -> Report:
    """What is said of the net of a state."""
    first, last = layers.between[0], layers.between[-1]
    forwards = None if last is None else last / first
    backwards = layers.gradients[0] / layers.gradients[-1]
    lost = layers.between.index(None) if None in layers.between else None
    return Report(
        "vanishes" if forwards is None else kind(forwards),
        kind(backwards),
        forwards,
        backwards,
        lost,
        predicted(state),
        sum(layers.flat) / len(layers.flat),
        sum(layers.dead) / len(layers.dead),
    )


def kind(share: float) -> str:
    """What a share of what was there is called."""
    if share * SOME < 1:
        return "vanishes" if share * ENOUGH < 1 else "shrinks"
    if share > SOME:
        return "bursts" if share > ENOUGH else "grows"
    return "stays"


# ---- Numbers of any size, in short.

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power(exponent: int) -> str:
    """Ten to a whole number: 10⁻⁷."""
    return "10" + str(exponent).translate(RAISED)


def written(value: float) -> str:
    """Two figures: 0.71, 0.0083, 1,200 as 1200, and 4.1 · 10⁻⁹."""
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(value))
    if -4 < exponent < 4:
        return fixed_point(value, max(0, 1 - exponent))
    figures = fixed_point(value / 10.0**exponent, 1)
    if figures == "10.0":
        figures, exponent = "1.0", exponent + 1
    return f"{figures} · {power(exponent)}"
