"""Backward: the cases to start from, and the gradients. The twin of backward_sums.js."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnlib.widgets.settling import Settling, is_whole, same

#: What the gradient is of; the last two are the input's gradient of a pool.
MODES = ["weight", "input", "bias", "max", "mean"]
POOLS = ("max", "mean")
CONVOLUTION = ["weight", "input", "bias"]

#: The least and the most of each size. A pool's window has 2 at least and no padding.
LIMITS = {"rows": [3, 6], "columns": [3, 6], "size": [1, 3], "stride": [1, 3], "padding": [0, 2]}
LARGEST = 9  # of a number in a cell, and its negative

SIZES = ("rows", "columns", "size", "stride", "padding")
MAPS = ("input", "kernel", "delta")

#: Numbers for cells that a larger size brings in, repeated.
PATTERNS = {
    "input": [[1, 0, 3, 2, 1, 0], [2, 4, 1, 0, 3, 1], [0, 1, 2, 5, 1, 2]]
    + [[3, 0, 1, 1, 0, 4], [1, 2, 0, 3, 2, 1], [0, 1, 4, 1, 0, 2]],
    "kernel": [[1, 2, 0], [3, 1, -1], [0, 2, 1]],
    "delta": [[2, 1, -1, 3], [0, -2, 1, 1], [1, 3, 0, -1]],
}


def _case(modes, size, stride, padding, input, kernel, delta) -> dict[str, Any]:
    return {
        "modes": modes,
        "rows": len(input),
        "columns": len(input[0]),
        "size": size,
        "stride": stride,
        "padding": padding,
        "input": input,
        "kernel": kernel,
        "delta": delta,
    }


#: Cases to start from: the sizes, the numbers, and the modes that they are for.
PRESETS = {
    "small": _case(
        CONVOLUTION, 2, 1, 0, [[1, 0, 2], [3, 1, 0], [2, 4, 1]], [[1, 2], [3, 4]], [[1, -2], [0, 3]]
    ),
    "stride": _case(
        CONVOLUTION,
        3,
        2,
        0,
        [[1, 0, 3, 2, 1], [2, 4, 1, 0, 3], [0, 1, 2, 5, 1], [3, 0, 1, 1, 0], [1, 2, 0, 3, 2]],
        [[1, 2, 0], [3, 1, -1], [0, 2, 1]],
        [[2, 8], [4, 6]],
    ),
    "padding": _case(
        CONVOLUTION,
        3,
        1,
        1,
        [[1, 0, 3, 2], [2, 4, 1, 0], [0, 1, 2, 5], [3, 0, 1, 1]],
        [[1, 2, 0], [3, 1, -1], [0, 2, 1]],
        [[2, 1, -1, 3], [0, -2, 1, 1], [1, 3, 0, -1], [2, 0, 1, 1]],
    ),
    "left_over": _case(
        CONVOLUTION,
        2,
        2,
        0,
        [[1, 0, 3, 2, 1], [2, 4, 1, 0, 3], [0, 1, 2, 5, 1]],
        [[1, 2], [3, -1]],
        [[3, -2]],
    ),
    "notes": _case(
        [*POOLS],
        2,
        2,
        0,
        [[7, 1, 2, 0], [3, 4, 1, 5], [2, 9, 3, 1], [0, 4, 6, 2]],
        [[1, 2], [3, 4]],
        [[2, 8], [4, 6]],
    ),
    "overlap": _case(
        [*POOLS],
        3,
        2,
        0,
        [[1, 0, 3, 2, 1], [2, 4, 1, 5, 3], [0, 9, 2, 0, 1], [3, 0, 1, 1, 0], [1, 2, 0, 3, 7]],
        [[1, 2, 0], [3, 1, -1], [0, 2, 1]],
        [[2, 8], [4, 6]],
    ),
    "ties": _case(
        [*POOLS],
        2,
        2,
        0,
        [[0, 0, 2, 3], [0, 0, 3, 3], [1, 0, 0, 4], [1, 1, 4, 0]],
        [[1, 2], [3, 4]],
        [[2, 8], [4, 6]],
    ),
}


def outputs_of(state: Mapping[str, Any]) -> list[int]:
    """Rows and columns of the output, and so of delta."""
    padding, size, stride = state["padding"], state["size"], state["stride"]
    return [(state[n] + 2 * padding - size) // stride + 1 for n in ("rows", "columns")]


def step_grid(state: Mapping[str, Any]) -> list[int]:
    """Rows and columns that the steps go through: the gradient's own, or delta's."""
    if state["mode"] == "weight":
        return [state["size"], state["size"]]
    if state["mode"] == "input":
        return [state["rows"], state["columns"]]
    return outputs_of(state)


def gradient(state: Mapping[str, Any]) -> np.ndarray:
    """The whole gradient: (size, size) of the weight, (1, 1) of the bias, else of the input."""
    size, stride, padding, mode = (state[n] for n in ("size", "stride", "padding", "mode"))
    delta = np.array(state["delta"], dtype=float)
    if mode == "bias":
        return delta.sum(keepdims=True)
    x = np.pad(np.array(state["input"], dtype=float), padding)
    found = np.zeros((size, size) if mode == "weight" else x.shape)
    for (row, column), error in np.ndenumerate(delta):
        window = np.s_[row * stride : row * stride + size, column * stride : column * stride + size]
        if mode == "weight":
            found += error * x[window]
        elif mode == "input":
            found[window] += error * np.array(state["kernel"])
        elif mode == "mean":
            found[window] += error  # divided at the end
        else:
            winner = np.unravel_index(x[window].argmax(), (size, size))  # the first, as in torch
            found[window][winner] += error
    if mode == "mean":
        found /= size**2
    rows, columns = found.shape
    if mode == "input":
        return found[padding : rows - padding, padding : columns - padding]
    return found


def is_map(value: Any) -> bool:
    """Whether a value is rows of equal length of whole numbers that fit a cell."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, list) and row for row in value)
        and len({len(row) for row in value}) == 1
        and all(is_whole(n) and abs(n) <= LARGEST for row in value for n in row)
    )


def sizes_from_maps(s: Settling, limits: Mapping[str, Sequence[int]]) -> None:
    """Numbers that are asked for bring their sizes with them."""

    def take(name: str, size: int) -> None:
        least, most = limits[name]
        if not s.asks(name) and least <= size <= most:
            s.take(name, size)

    if s.asks("input") and is_map(s.wanted("input")):
        take("rows", len(s.wanted("input")))
        take("columns", len(s.wanted("input")[0]))
    if s.asks("kernel") and is_map(s.wanted("kernel")):
        kernel = s.wanted("kernel")
        if len(kernel) == len(kernel[0]):
            take("size", len(kernel))


def settle_map(s: Settling, name: str, size: Sequence[int], fixed: Mapping[str, Any]) -> None:
    """The numbers asked for, if they fit ``size``; else those that are there, resized."""
    rows, columns = size
    wanted = s.wanted(name)
    if s.asks(name) and is_map(wanted) and [len(wanted), len(wanted[0])] == [rows, columns]:
        s.take(name, wanted)
        return
    s.refuse(name, "map.expected", rows=rows, columns=columns, largest=fixed["largest"])
    s.take(name, resized(s.state[name], size, fixed["patterns"][name]))


def resized(map: list, size: Sequence[int], pattern: list) -> list:
    """A map for a new size: numbers keep their places, new ones come out of the pattern."""
    return [
        [
            map[y][x]
            if y < len(map) and x < len(map[0])
            else pattern[y % len(pattern)][x % len(pattern[0])]
            for x in range(size[1])
        ]
        for y in range(size[0])
    ]


def preset_of(state: Mapping[str, Any], presets: Mapping[str, Any]) -> str:
    """Key of the case that has these sizes and numbers, or an empty string."""
    for key, case in presets.items():
        values = {name: value for name, value in case.items() if name != "modes"}
        if state["mode"] in case["modes"] and all(same(state[n], v) for n, v in values.items()):
            return key
    return ""
