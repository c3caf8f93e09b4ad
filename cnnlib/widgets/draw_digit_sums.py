"""Drawings of 28×28 pixels: how they are written down, drawn with a brush, and changed.

``draw_digit_sums.js`` is the twin. A drawing is uint8, (28, 28): 0 for paper, 255 for full ink.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

SIDE = 28
CENTRE = 14  # where MNIST's digits have their centre of mass, in rows and in columns from 0
SHIFTS = (-10, 10)  # least and most, in pixels
ANGLES = [*range(-180, 181, 5)]
THICKEN = (0, 3)
NOISE = (0, 100)  # standard deviation, in percent of full ink
RADIUS = 1.1  # of the brush, in pixels
NOISE_STEPS = 32  # bytes for one standard deviation; 128 is none

_WRITTEN = re.compile(r"(?:[A-Z]|[0-9a-f]{2})*")
_PIECE = re.compile(r"[A-Z]|[0-9a-f]{2}")


def write(pixels: np.ndarray) -> str:
    """A drawing as letters, row by row: two hexadecimal digits a pixel, and A to Z for 1 to 26
    pixels of paper. Raises ``ValueError`` for another shape or type."""
    pixels = np.asarray(pixels)
    if pixels.shape != (SIDE, SIDE) or pixels.dtype != np.uint8:
        raise ValueError(
            f"pixels: {pixels.dtype} of shape {pixels.shape}: expected uint8, ({SIDE}, {SIDE})"
        )
    pieces, blank = [], 0
    for ink in [*pixels.ravel().tolist(), None]:
        if ink == 0:
            blank += 1
            continue
        while blank:
            pieces.append(chr(64 + min(blank, 26)))
            blank -= min(blank, 26)
        if ink is not None:
            pieces.append(f"{ink:02x}")
    return "".join(pieces)


def read(text: Any) -> np.ndarray | None:
    """The drawing that :func:`write` wrote, uint8 (28, 28); None for anything else."""
    if not isinstance(text, str) or not _WRITTEN.fullmatch(text):
        return None
    pixels: list[int] = []
    for piece in _PIECE.findall(text):
        pixels += [0] * (ord(piece) - 64) if len(piece) == 1 else [int(piece, 16)]
    if len(pixels) != SIDE * SIDE:
        return None
    return np.array(pixels, dtype=np.uint8).reshape(SIDE, SIDE)


def draw_line(
    pixels: np.ndarray, start: tuple[float, float], end: tuple[float, float], *, erase: bool = False
) -> np.ndarray:
    """The drawing with a stroke from one point (row, column) to another.

    A point lies at (row + 0.5, column + 0.5) in the middle of a pixel. A pixel takes as much ink as
    the brush covers of it, or keeps what it has where that is more; ``erase`` takes ink away.
    """
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    down, right = end[0] - start[0], end[1] - start[1]
    length = down * down + right * right
    along = (rows - start[0]) * down + (columns - start[1]) * right
    share = np.clip(along / length, 0, 1) if length else np.zeros_like(along)
    away = np.sqrt(
        (rows - start[0] - share * down) ** 2 + (columns - start[1] - share * right) ** 2
    )
    ink = np.floor(255 * np.clip(RADIUS + 0.5 - away, 0, 1) + 0.5)
    found = np.minimum(pixels, 255 - ink) if erase else np.maximum(pixels, ink)
    return found.astype(np.uint8)


def draw_lines(points: Iterable[tuple[float, float]]) -> np.ndarray:
    """A drawing of one stroke through these points."""
    points = list(points)
    pixels = np.zeros((SIDE, SIDE), dtype=np.uint8)
    for start, end in zip(points, points[1:], strict=False):
        pixels = draw_line(pixels, start, end)
    return pixels


def changed(drawing: np.ndarray, state: Mapping[str, Any], noise: np.ndarray) -> np.ndarray:
    """What the networks get of a drawing: centred, turned, thickened, shifted, with noise.

    ``state`` has ``centre``, ``angle``, ``thicken``, ``down``, ``right`` and ``noise``; the array
    ``noise``, uint8 (28, 28), is the pattern that is added.
    """
    pixels = centred(drawing) if state["centre"] else np.asarray(drawing)
    if state["angle"]:
        pixels = turned(pixels, state["angle"])
    for _ in range(state["thicken"]):
        pixels = thickened(pixels)
    pixels = shifted(pixels, state["down"], state["right"])
    if state["noise"]:
        pattern = (noise.astype(np.float64) - 128) / NOISE_STEPS
        grey = np.floor(pixels + 2.55 * state["noise"] * pattern + 0.5)
        pixels = np.clip(grey, 0, 255).astype(np.uint8)
    return pixels


def centred(pixels: np.ndarray) -> np.ndarray:
    """The drawing moved by whole pixels, its centre of mass as near to (14, 14) as they allow."""
    weights = pixels.astype(np.int64)
    mass = int(weights.sum())
    if not mass:
        return pixels
    places = np.arange(SIDE)
    moments = (int(weights.sum(axis=axis) @ places) for axis in (1, 0))
    return shifted(pixels, *(int(np.floor(CENTRE - moment / mass + 0.5)) for moment in moments))


def shifted(pixels: np.ndarray, down: int, right: int) -> np.ndarray:
    """Moved by whole pixels; what leaves the sheet is lost, and paper comes in."""
    out = np.zeros_like(pixels)
    (to_row, row), (to_column, column) = (
        (slice(max(by, 0), SIDE + min(by, 0)), slice(max(-by, 0), SIDE + min(-by, 0)))
        for by in (max(-SIDE, min(SIDE, down)), max(-SIDE, min(SIDE, right)))
    )
    out[to_row, to_column] = pixels[row, column]
    return out


def turned(pixels: np.ndarray, angle: int) -> np.ndarray:
    """Turned anticlockwise by ``angle`` degrees around the middle, bilinear, paper outside."""
    cos, sin = np.cos(angle * np.pi / 180), np.sin(angle * np.pi / 180)
    middle = (SIDE - 1) / 2
    down, right = np.mgrid[:SIDE, :SIDE] - middle
    rows, columns = right * sin + down * cos + middle, right * cos - down * sin + middle
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    below, beside = rows - top, columns - left
    around = np.pad(pixels.astype(np.float64), SIDE)
    out = np.zeros((SIDE, SIDE))
    for row, high in ((0, 1 - below), (1, below)):
        for column, wide in ((0, 1 - beside), (1, beside)):
            out += high * wide * around[top + row + SIDE, left + column + SIDE]
    return np.floor(out + 0.5).astype(np.uint8)


def thickened(pixels: np.ndarray) -> np.ndarray:
    """Each pixel takes the most ink of itself and its four neighbours."""
    around = np.pad(pixels, 1)
    neighbours = [around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]]
    return np.maximum.reduce([pixels, *neighbours])


def noise_pattern() -> np.ndarray:
    """The noise that is added, the same each time: uint8 (28, 28), 32 for a standard deviation."""
    found = np.random.default_rng(1998).standard_normal((SIDE, SIDE))
    return np.clip(np.rint(NOISE_STEPS * found) + 128, 0, 255).astype(np.uint8)
