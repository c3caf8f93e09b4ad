"""A constant input through stacks of transposed convolutions, and of resizing and convolving.

Both dimensions go the same way: one axis is a picture of one row, with a kernel of one row and a
stride of 1 down it. ``checkerboard_sums.js`` is the twin.
"""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np

KERNEL_SIZES = (1, 6)
STRIDES = (1, 4)
LAYERS = (1, 3)
SEEDS = (1, 8)
WEIGHTS = ("ones", "positive", "random")
WAYS = ("transposed", "resize")
INPUTS = {1: 5, 2: 4}  # cells of the input along each axis, by the number of dimensions


def drawn_kernels() -> dict[str, list]:
    """For "positive" and "random" weights: by seed and layer, a 6×6 kernel of whole numbers.

    Positive ones are 1 to 5, random ones −4 to 4; a smaller kernel is the top left part.
    """
    tables = {}
    for kind, values in (("positive", range(1, 6)), ("random", range(-4, 5))):
        dice = random.Random(kind)
        side = range(KERNEL_SIZES[1])
        tables[kind] = [
            [[[dice.choice(values) for _ in side] for _ in side] for _ in range(LAYERS[1])]
            for _ in range(SEEDS[1])
        ]
    return tables


def kernels_of(state: Mapping[str, Any], drawn: Mapping[str, list]) -> list[np.ndarray]:
    """The layers' kernels, first layer first, each (k, k), or (1, k) in one dimension."""
    rows, size = kernel_shape(state)
    if state["weights"] == "ones":
        return [np.ones((rows, size), int) for _ in range(state["layers"])]
    table = np.array(drawn[state["weights"]][state["seed"] - 1])
    return [kernel[:rows, :size] for kernel in table[: state["layers"]]]


def kernel_shape(state: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and columns of a kernel."""
    return (state["kernel_size"] if state["dimensions"] == 2 else 1, state["kernel_size"])


def strides_of(state: Mapping[str, Any]) -> tuple[int, int]:
    """Down and across."""
    return (state["stride"] if state["dimensions"] == 2 else 1, state["stride"])


def input_shape(state: Mapping[str, Any]) -> tuple[int, int]:
    """The input's rows and columns."""
    cells = INPUTS[state["dimensions"]]
    return (cells if state["dimensions"] == 2 else 1, cells)


def output_shape(state: Mapping[str, Any]) -> list[int]:
    """Rows and columns of the output of the stack in ``state["way"]``."""
    shape = []
    taps = kernel_shape(state)
    for size, stride, count in zip(input_shape(state), strides_of(state), taps, strict=True):
        for _ in range(state["layers"]):
            size = size * stride + count - (stride if state["way"] == "transposed" else 1)
        shape.append(size)
    return shape


def transposed(x: np.ndarray, kernel: np.ndarray, strides: tuple[int, int]) -> np.ndarray:
    """Each input stamps the kernel on the output, ``strides`` apart; stamps add up."""
    (rows, columns), (down, across) = x.shape, strides
    shape = [(n - 1) * s + k for n, s, k in zip(x.shape, strides, kernel.shape, strict=True)]
    y = np.zeros(shape, int)
    for (row, column), weight in np.ndenumerate(kernel):
        y[row : row + (rows - 1) * down + 1 : down,
          column : column + (columns - 1) * across + 1 : across] += weight * x  # fmt: skip
    return y


def resized(x: np.ndarray, kernel: np.ndarray, strides: tuple[int, int]) -> np.ndarray:
    """Each input becomes a block as large as the strides; then a convolution with full padding."""
    large = x.repeat(strides[0], axis=0).repeat(strides[1], axis=1)
    return transposed(large, kernel[::-1, ::-1], (1, 1))


def output(state: Mapping[str, Any], drawn: Mapping[str, list]) -> np.ndarray:
    """What a constant input of ones becomes in ``state["way"]``."""
    layer = transposed if state["way"] == "transposed" else resized
    x = np.ones(input_shape(state), int)
    for kernel in kernels_of(state, drawn):
        x = layer(x, kernel, strides_of(state))
    return x


def inside(state: Mapping[str, Any], drawn: Mapping[str, list]) -> np.ndarray:
    """The values of one period of the output, far from the edges; one value where all are equal.

    A transposed layer with stride s takes an input of period p to an output of period p·s. Resized
    and convolved, a constant stays one.
    """
    x = np.ones((1, 1), int)
    strides = strides_of(state)
    for kernel in kernels_of(state, drawn):
        if state["way"] == "resize":
            x = x * kernel.sum()
            continue
        y = np.zeros([n * s for n, s in zip(x.shape, strides, strict=True)], int)
        for (row, column), weight in np.ndenumerate(kernel):
            stuffed = np.zeros_like(y)
            stuffed[:: strides[0], :: strides[1]] = x
            y += weight * np.roll(stuffed, (row, column), axis=(0, 1))
        x = y
    return x if (x != x.flat[0]).any() else x[:1, :1]


def products(state: Mapping[str, Any]) -> int:
    """Multiplications of a weight with a value that is there, over all layers."""
    total = 0
    for layers in range(state["layers"]):
        sizes = output_shape({**state, "layers": layers})
        taps = state["kernel_size"] ** state["dimensions"]
        spread = state["stride"] ** state["dimensions"] if state["way"] == "resize" else 1
        total += sizes[0] * sizes[1] * spread * taps
    return total


def spread_back(
    signal: np.ndarray, kernel: np.ndarray, strides: tuple[int, int], way: str
) -> np.ndarray:
    """One layer backwards: how much of each of its inputs is in the weighted outputs."""
    rows, columns = signal.shape
    if way == "transposed":
        shape = [(n - k) // s + 1 for n, k, s in zip(signal.shape, kernel.shape, strides,
                                                     strict=True)]  # fmt: skip
        x = np.zeros(shape, int)
        for (row, column), weight in np.ndenumerate(kernel):
            part = signal[row :: strides[0], column :: strides[1]]
            x += weight * part[: shape[0], : shape[1]]
        return x
    tall, wide = kernel.shape
    large = np.zeros((rows - tall + 1, columns - wide + 1), int)
    for (row, column), weight in np.ndenumerate(kernel[::-1, ::-1]):
        large += weight * signal[row : row + large.shape[0], column : column + large.shape[1]]
    blocks = large.reshape(large.shape[0] // strides[0], strides[0], -1, strides[1])
    return blocks.sum(axis=(1, 3))


def reaching(
    state: Mapping[str, Any], drawn: Mapping[str, list]
) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    """What reaches the output at ``state["place"]``.

    The amount that each input gives (rows, columns), the number of ways that it has there, and the
    places of the last layer's kernel that take part, in ascending order.
    """
    kernels = kernels_of(state, drawn)
    one = np.zeros(output_shape(state), int)
    one[tuple(state["place"])] = 1
    amount, ways = one, one
    for kernel in reversed(kernels):
        amount = spread_back(amount, kernel, strides_of(state), state["way"])
        ways = spread_back(ways, np.ones_like(kernel), strides_of(state), state["way"])
    return amount, ways, taps_at(state)


def taps_at(state: Mapping[str, Any]) -> list[list[int]]:
    """The places of the last kernel that have an input under them."""
    below = output_shape({**state, "layers": state["layers"] - 1})
    axes = []
    for axis, stride in enumerate(strides_of(state)):
        place, taps = state["place"][axis], range(kernel_shape(state)[axis])
        if state["way"] == "transposed":
            under = [(place - k, k) for k in taps if (place - k) % stride == 0]
        else:
            under = [(place + k - taps[-1], k) for k in taps]
        axes.append([k for at, k in under if 0 <= at < below[axis] * stride])
    return [[row, column] for row in axes[0] for column in axes[1]]
