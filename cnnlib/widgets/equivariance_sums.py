"""The equivariance widget's sums: a small stack, a move of the picture, and both orders of the two.

``equivariance_sums.js`` is the twin, name by name. Pixels are whole numbers and the kernels'
weights are whole numbers or sixteenths, so a stack's sums are exact, in whatever order they are
taken: where two maps are called equal to the bit, they are. Only a move that puts pixels between
pixels rounds.

A move acts on a map as it acts on the picture: cell i of a map stands over pixel
start + step · i, and the map is moved over the picture's pixels. A cell that lands between cells is
mixed from its four neighbours. What lies behind an edge is 0; with a circular border the picture
begins anew there.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

SIDE = 36  # pixels: 1, 2, 3, 4, 6 and 9 pixels a cell fit, so that a circular border closes
KERNELS = {
    "edge": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
    "corner": [[-1, -1, -1], [-1, 2, 1], [-1, 1, 1]],
    "spot": [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
    "blur": [[n / 16 for n in row] for row in ((1, 2, 1), (2, 4, 2), (1, 2, 1))],
    "copy": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
}
STRIDES = (1, 3)
BORDERS = ("zero", "none", "circular")
POOLS = ("none", "max", "mean")
POOL_SIZES = (2, 4)
MOVES = ("shift", "turn", "scale")
FARTHEST = SIDE // 2  # pixels
ANGLES = list(range(-180, 181, 15))  # degrees, anticlockwise
PERCENTS = list(range(50, 201, 10))
TINY = 1e-9  # a smaller difference is the rounding of a mixed pixel


class Grid(NamedTuple):
    """Where a map's cells stand along either axis: cell i over pixel ``start + step * i``."""

    start: float
    step: int


PIXELS = Grid(0, 1)


def grid_of(stack: Mapping[str, Any]) -> Grid:
    """The grid of a stack's map."""
    start, step = int(stack["border"] == "none"), stack["stride"]
    if stack["pool"] == "none":
        return Grid(start, step)
    return Grid(start + step * (stack["pool_size"] - 1) / 2, step * stack["pool_stride"])


def _windows(values: np.ndarray, size: int, stride: int, before: int, mode: str) -> np.ndarray:
    """All windows, (rows, columns, size, size), of a map with ``mode`` behind its edges.

    ``mode`` is "none", "zero" (``before`` zeros on each side) or "circular" (a window a cell).
    """
    if mode == "zero":
        values = np.pad(values, before)
    elif mode == "circular":
        values = np.pad(values, (before, size - 1 - before), mode="wrap")
    found = np.lib.stride_tricks.sliding_window_view(values, (size, size))
    return found[::stride, ::stride]


def answer(
    picture: np.ndarray, stack: Mapping[str, Any], weights: Sequence[Sequence[float]] | None = None
) -> np.ndarray:
    """The stack's map of a picture, (H, W) to (rows, columns): convolution, ReLU, pooling.

    ``stack`` has ``kernel, stride, border, relu, pool, pool_size, pool_stride``; ``weights`` take
    the kernel's place.
    """
    weights = np.array(KERNELS[stack["kernel"]] if weights is None else weights, dtype=float)
    windows = _windows(picture, 3, stack["stride"], 1, stack["border"])
    values = (windows * weights).sum(axis=(2, 3))
    if stack["relu"]:
        values = np.maximum(values, 0)
    if stack["pool"] == "none":
        return values
    mode = "circular" if stack["border"] == "circular" else "none"
    windows = _windows(values, stack["pool_size"], stack["pool_stride"], 0, mode)
    if stack["pool"] == "max":
        return windows.max(axis=(2, 3))
    return windows.sum(axis=(2, 3)) / stack["pool_size"] ** 2


def reads_inside(inside: np.ndarray, stack: Mapping[str, Any], closes: bool) -> np.ndarray:
    """Which cells of the map read pixels of ``inside`` alone; ``closes``: behind an edge too."""
    mode = stack["border"]
    if mode == "circular" and not closes:
        inside = np.pad(inside, 1)
        mode = "none"
    found = _windows(inside, 3, stack["stride"], 1, mode).all(axis=(2, 3))
    if stack["pool"] == "none":
        return found
    size, mode = stack["pool_size"], "none"
    if stack["border"] == "circular" and closes:
        mode = "circular"
    elif stack["border"] == "circular":
        found = np.pad(found, (0, size - 1))
    return _windows(found, size, stack["pool_stride"], 0, mode).all(axis=(2, 3))


def origin(move: Mapping[str, Any], row: float, column: float) -> tuple[float, float]:
    """Where the pixel comes from that a move puts at a place: its row and its column."""
    if move["move"] == "shift":
        return row - move["down"], column - move["right"]
    middle = (SIDE - 1) / 2
    y, x = row - middle, column - middle
    if move["move"] == "scale":
        return y * 100 / move["percent"] + middle, x * 100 / move["percent"] + middle
    cos, sin = _cos(move["angle"]), _cos(move["angle"] - 90)
    return y * cos + x * sin + middle, x * cos - y * sin + middle


def _cos(degrees: int) -> float:
    """The cosine, exact at quarter turns."""
    if degrees % 90 == 0:
        return (1.0, 0.0, -1.0, 0.0)[degrees // 90 % 4]
    return math.cos(math.pi * degrees / 180)


def moved(
    values: np.ndarray, inside: np.ndarray, grid: Grid, move: Mapping[str, Any], wraps: bool
) -> tuple[np.ndarray, np.ndarray]:
    """A map on its grid, moved; and which of its cells come from cells ``inside`` alone.

    ``wraps``: behind an edge the map begins anew; else 0 lies there, which is never inside.
    """
    rows, columns = values.shape
    out, clean = np.zeros((rows, columns)), np.ones((rows, columns), dtype=bool)
    for row in range(rows):
        for column in range(columns):
            place = (grid.start + grid.step * i for i in (row, column))
            y, x = (_snapped((p - grid.start) / grid.step) for p in origin(move, *place))
            for near_y, share_y in _neighbours(y):
                for near_x, share_x in _neighbours(x):
                    if wraps:
                        near_y, near_x = near_y % rows, near_x % columns
                    if not (0 <= near_y < rows and 0 <= near_x < columns):
                        clean[row, column] = False
                        continue
                    out[row, column] += share_y * share_x * values[near_y, near_x]
                    clean[row, column] &= inside[near_y, near_x]
    return out, clean


def _snapped(index: float) -> float:
    near = math.floor(index + 0.5)
    return near if abs(index - near) < TINY else index


def _neighbours(index: float) -> list[tuple[int, float]]:
    """The whole indices beside an index, each with its share."""
    low = math.floor(index)
    share = index - low
    return [(low, 1.0)] if share == 0 else [(low, 1 - share), (low + 1, share)]


def is_still(move: Mapping[str, Any]) -> bool:
    """Whether a move leaves every pixel where it is."""
    if move["move"] == "shift":
        return move["down"] == move["right"] == 0
    return move["percent"] == 100 if move["move"] == "scale" else move["angle"] % 360 == 0


def turned_kernel(kernel: str, angle: int) -> list[list[float]]:
    """A kernel's weights turned by quarters, anticlockwise, as a picture would be."""
    return np.rot90(KERNELS[kernel], angle // 90 % 4).tolist()


def report(picture: np.ndarray, state: Mapping[str, Any]) -> dict:
    """Both orders and their difference: every figure that the widget tells.

    ``maps``: "moved" g(x), "answer" f(x), "moved_first" f(g(x)), "moved_last" g(f(x)) and
    "difference", with what is below :data:`TINY` set to 0. ``inside``: cells of the map that take
    no part of what lies behind an edge, in neither order. ``largest``, ``largest_inside``: the
    largest difference of all cells, and of those inside (None: there are none). ``control``: the
    same inside with the one thing changed that may be its cause: for shifts, all strides 1; for
    quarter turns, the kernel turned along (None where it is not asked for). ``unmoved``: how far
    f(g(x)) is from f(x), summed over the cells, as a share of f(x)'s own sum (None: f(x) is 0
    everywhere).
    """
    grid, wraps = grid_of(state), state["border"] == "circular"
    quarter = state["move"] == "turn" and state["angle"] % 90 == 0
    closes = wraps and (state["move"] == "shift" or quarter)
    whole = np.ones((SIDE, SIDE), dtype=bool)
    picture = np.asarray(picture, dtype=float)

    def orders(stack: Mapping[str, Any], grid: Grid, weights=None) -> dict:
        shifted, clean = moved(picture, whole, PIXELS, state, wraps)
        first, first_inside = answer(shifted, stack, weights), reads_inside(clean, stack, closes)
        plain, plain_inside = answer(picture, stack), reads_inside(whole, stack, closes)
        last, last_inside = moved(plain, plain_inside, grid, state, wraps)
        if wraps and not closes:
            last_inside &= moved(plain, plain_inside, grid, state, False)[1]
            first_inside = reads_inside(
                moved(picture, whole, PIXELS, state, False)[1], stack, False
            )
        difference = first - last
        difference[np.abs(difference) <= TINY] = 0
        inside = first_inside & last_inside
        return {
            "maps": {
                "moved": shifted,
                "answer": plain,
                "moved_first": first,
                "moved_last": last,
                "difference": difference,
            },
            "inside": inside,
            "largest": float(np.abs(difference).max()),
            "largest_inside": float(np.abs(difference[inside]).max()) if inside.any() else None,
        }

    told = orders(state, grid)
    control = None
    if state["move"] == "shift" and told["largest_inside"]:
        dense = {**state, "stride": 1, "pool_stride": 1}
        control = orders(dense, grid_of(dense))["largest_inside"]
    elif quarter and told["largest_inside"]:
        weights = turned_kernel(state["kernel"], state["angle"])
        control = orders(state, grid, weights)["largest_inside"]
    maps = told["maps"]
    size = float(np.abs(maps["answer"]).sum())
    change = float(np.abs(maps["moved_first"] - maps["answer"]).sum())
    return {
        **told,
        "control": control,
        "kind": _kind(state, told, control, grid),
        "step": grid.step,
        "reach": max(float(np.abs(maps[n]).max()) for n in RESULTS),
        "differing": int(np.count_nonzero(maps["difference"])),
        "unmoved": change / size if size else None,
    }


RESULTS = ("answer", "moved_first", "moved_last", "difference")


def _kind(state: Mapping[str, Any], told: dict, control: float | None, grid: Grid) -> str:
    """Which sentence is true: a key of the words' table.

    "still", "equal.shift", "equal.turn" and "equal"; "border", equal inside alone; "unclear", no
    cell is inside; and else the cause: "stride", "kernel", "grid", "both", "turn", "scale".
    """
    move = state["move"]
    quarter = move == "turn" and state["angle"] % 90 == 0
    if is_still(state):
        return "still"
    if told["largest"] == 0:
        if move == "shift" and state["down"] % grid.step == state["right"] % grid.step == 0:
            return "equal.shift"
        same = quarter and KERNELS[state["kernel"]] == turned_kernel(
            state["kernel"], state["angle"]
        )
        return "equal.turn" if same else "equal"
    if told["largest_inside"] is None:
        return "unclear"
    if told["largest_inside"] == 0:
        return "border"
    if move == "shift":
        return "stride"
    if not quarter:
        return move
    if control == 0:
        return "kernel"
    if KERNELS[state["kernel"]] == turned_kernel(state["kernel"], state["angle"]):
        return "grid"
    return "both"
