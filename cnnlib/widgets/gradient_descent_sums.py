"""Gradient descent on a loss of two weights: the surfaces, the steps, and what the path is called.

``gradient_descent_sums.js`` is the twin, name by name; a browser test holds both equal. Only plain
arithmetic and square roots are used, in the same order, so that the twins agree to the last digits.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

OWN = ("bowl", "valley", "ravine", "two_valleys", "saddle")  # by formulas
SURFACES = (*OWN, "net")  # the last is given as heights
EDGE = 2.0  # a surface is drawn from -EDGE to EDGE along both weights
PLACES = 41  # starting places along each weight
STEPS = 80
FAR = 10.0  # a weight larger than this ends the path
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.19, 0.21, 0.3, 0.5, 0.7, 1, 1.5, 1.9,
         2.1, 3)  # fmt: skip
MOMENTA = (0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
NOISES = (0, 0.1, 0.2, 0.5, 1, 2, 5)  # standard deviation of what is added to each slope
SEEDS = (1, 9)
OPTIMISERS = ("descent", "adam")
BETA2, EPSILON = 0.999, 1e-8  # Adam's, as in torch
STARTS = {  # [row, column]: where a surface shows what it is there for
    "bowl": [12, 4],
    "valley": [12, 2],
    "ravine": [4, 5],
    "two_valleys": [10, 39],
    "saddle": [3, 20],
    "net": [20, 10],
}

Heights = Sequence[Sequence[float]] | None


# ---- The surfaces.


def height(surface: str, first: float, second: float, heights: Heights = None) -> float:
    """The loss at two weights; of ``"net"`` between the ``heights`` that are given.

    ``heights[i][j]`` is the loss at the i-th of evenly spaced second weights and the j-th first
    weight, both from -EDGE to EDGE.
    """
    x, y = first, second
    if surface == "bowl":
        return (x * x + y * y) / 2
    if surface == "valley":  # curvature 0.5 along the first weight, 10 along the second
        return (x * x / 2 + 10 * y * y) / 2
    if surface == "ravine":  # Rosenbrock's, less steep: the floor is the parabola y = x² - 1
        bend = y - x * x + 1
        return (1 - x) * (1 - x) / 4 + 2 * bend * bend
    if surface == "two_valleys":  # slopes 0 at -1 (the deeper), 0.2 and 1.2
        along = (((x / 4 - 0.4 / 3) * x - 0.58) * x + 0.24) * x
        return 2 * (along + 0.58 + 0.24 - 0.25 - 0.4 / 3) + y * y / 2
    if surface == "saddle":  # a ridge along y = 0's normal; valleys at x = ±√2
        return y * y / 2 - x * x / 2 + x * x * x * x / 8 + 0.5
    return _between(first, second, heights)[0]


def slopes(surface: str, first: float, second: float, heights: Heights = None) -> list[float]:
    """The gradient: the loss's slope along each weight."""
    x, y = first, second
    if surface == "bowl":
        return [x, y]
    if surface == "valley":
        return [x / 2, 10 * y]
    if surface == "ravine":
        bend = y - x * x + 1
        return [-(1 - x) / 2 - 8 * bend * x, 4 * bend]
    if surface == "two_valleys":
        return [2 * (((x - 0.4) * x - 1.16) * x + 0.24), y]
    if surface == "saddle":
        return [x * x * x / 2 - x, y]
    return _between(first, second, heights)[1:]


def lowest(surface: str, heights: Heights = None) -> float:
    """The least loss of the surface; of ``"net"`` the least that was computed."""
    return min(map(min, heights)) if surface == "net" else 0.0


def _between(first: float, second: float, heights: Heights) -> list[float]:
    """Height and both slopes by Catmull and Rom's cubics through 4x4 heights."""
    last = len(heights) - 1
    scale = last / (2 * EDGE)
    column, u = _cell((first + EDGE) * scale, last)
    row, v = _cell((second + EDGE) * scale, last)
    across, across_slope = _cubic(u)
    up, up_slope = _cubic(v)
    total = [0.0, 0.0, 0.0]
    for i in range(4):
        line = heights[min(max(row + i - 1, 0), last)]
        value = slope = 0.0
        for j in range(4):
            cell = line[min(max(column + j - 1, 0), last)]
            value += across[j] * cell
            slope += across_slope[j] * cell
        total[0] += up[i] * value
        total[1] += up[i] * slope * scale
        total[2] += up_slope[i] * value * scale
    return total


def _cell(at: float, last: int) -> tuple[int, float]:
    whole = min(max(math.floor(at), 0), last - 1)
    return whole, at - whole


def _cubic(u: float) -> tuple[list[float], list[float]]:
    """The weights of four neighbours at ``u`` between the middle two, and their slopes."""
    return (
        [
            ((2 - u) * u - 1) * u / 2,
            ((3 * u - 5) * u * u + 2) / 2,
            ((4 - 3 * u) * u + 1) * u / 2,
            (u - 1) * u * u / 2,
        ],
        [
            ((4 - 3 * u) * u - 1) / 2,
            (9 * u - 10) * u / 2,
            ((8 - 9 * u) * u + 1) / 2,
            (3 * u - 2) * u / 2,
        ],
    )


# ---- Chance.


def dice(seed: int) -> Iterator[float]:
    """Numbers from 0 to 1, the same for the same seed on every machine: Mulberry32."""
    mask, state = 0xFFFFFFFF, seed
    while True:
        state = (state + 0x6D2B79F5) & mask
        mixed = ((state ^ (state >> 15)) * (state | 1)) & mask
        mixed ^= (mixed + (((mixed ^ (mixed >> 7)) * (mixed | 61)) & mask)) & mask
        yield (mixed ^ (mixed >> 14)) / 2**32


def nearly_normal(throws: Iterator[float]) -> float:
    """The sum of twelve throws less 6: mean 0, variance 1, and the same in every language."""
    total = 0.0
    for _ in range(12):
        total += next(throws)
    return total - 6


# ---- The path.


class Path(NamedTuple):
    """``points``: the weights at the start and after each step. ``losses``: at each of them.

    ``end`` is "burst" where a weight became larger than :data:`FAR`, "left" where it left the
    heights that are known (the last point has no loss then), or "".
    """

    points: list[list[float]]
    losses: list[float]
    end: str


def place_weights(place: Sequence[int]) -> list[float]:
    """The weights of a starting place [row, column]; row 0 has the largest second weight."""
    row, column = place
    half = (PLACES - 1) // 2
    return [(column - half) * EDGE / half, (half - row) * EDGE / half]


def follow(state: dict, heights: Heights = None) -> Path:
    """The path of :data:`STEPS` steps from the state's start.

    ``state``: ``surface``, ``start``, ``rate``, ``momentum``, ``noise``, ``seed``, ``optimiser``.
    The steps are those of ``torch.optim.SGD(momentum=...)`` and of ``torch.optim.Adam`` with
    betas (momentum, 0.999). Noise, ``noise`` times :func:`nearly_normal`, is added to each slope
    before the optimiser has it.
    """
    surface, rate, momentum = state["surface"], state["rate"], state["momentum"]
    throws = dice(state["seed"])
    at = place_weights(state["start"])
    points, losses = [list(at)], [height(surface, *at, heights)]
    kept, squares = [0.0, 0.0], [0.0, 0.0]
    powers = [1.0, 1.0]
    for _ in range(STEPS):
        slope = slopes(surface, *at, heights)
        powers = [powers[0] * momentum, powers[1] * BETA2]
        for k in range(2):
            g = slope[k]
            if state["noise"]:
                g += state["noise"] * nearly_normal(throws)
            if state["optimiser"] == "adam":
                kept[k] = kept[k] + (1 - momentum) * (g - kept[k])
                squares[k] = BETA2 * squares[k] + (1 - BETA2) * g * g
                usual = math.sqrt(squares[k]) / math.sqrt(1 - powers[1]) + EPSILON
                at[k] -= rate / (1 - powers[0]) * kept[k] / usual
            else:
                kept[k] = momentum * kept[k] + g
                at[k] -= rate * kept[k]
        points.append(list(at))
        most = max(abs(at[0]), abs(at[1]))
        if surface == "net" and most > EDGE:
            return Path(points, losses, "left")
        losses.append(height(surface, *at, heights))
        if most > FAR:
            return Path(points, losses, "burst")
    return Path(points, losses, "")


# ---- What it is called.

NEAR = 0.01  # arrived: this share of the starting loss is left, or less
STILL = 0.02  # at rest: the gradient is shorter than this
LATE = 20  # steps that tell whether it creeps
LITTLE = 0.05  # it creeps where they take away less than this share
ZIGZAGS = 4  # turns, at least


class Report(NamedTuple):
    """``kind``: burst, left, arrived, rest, creep, wander or underway. ``arrived``: its step.

    ``left``: the share of the starting loss, above the lowest, that is there at the end.
    ``turns`` of ``bends`` moves go back by more than a right angle; ``zigzag``: more than half do.
    """

    kind: str
    arrived: int
    left: float
    turns: int
    bends: int
    zigzag: bool


def report(path: Path, state: dict, heights: Heights = None) -> Report:
    """What a whole path is called: see the constants above, and the widget's words."""
    low = lowest(state["surface"], heights)
    over = [loss - low for loss in path.losses]
    first = over[0] if over[0] > 1e-12 else 1e-12
    arrived = len(over)
    while arrived and over[arrived - 1] <= NEAR * first:
        arrived -= 1
    slope = slopes(state["surface"], *path.points[-1], heights) if not path.end else [1.0, 1.0]
    late = over[-LATE - 1 :]
    gain = late[0] - late[-1]
    falls = all(b <= a for a, b in zip(late, late[1:], strict=False))
    if path.end:
        kind = path.end
    elif arrived < len(over):
        kind = "arrived"
    elif not state["noise"] and math.sqrt(slope[0] * slope[0] + slope[1] * slope[1]) < STILL:
        kind = "rest"
    elif gain < LITTLE * first and state["noise"]:
        kind = "wander"
    elif gain < LITTLE * first and falls:
        kind = "creep"
    else:
        kind = "underway"
    turns = bends = 0
    until = arrived + 1 if kind == "arrived" else len(path.points)
    for a, b, c in zip(path.points, path.points[1:until], path.points[2:until], strict=False):
        dot = (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1])
        turns, bends = turns + (dot < 0), bends + 1
    zigzag = turns >= ZIGZAGS and 2 * turns > bends
    return Report(kind, arrived, over[-1] / first, turns, bends, zigzag)
