"""Augmentation, the sums: one picture distorted by amounts that are drawn or chosen.

``augmentation_sums.js`` is the twin, name by name; a browser test holds them equal. A picture is
an array of floats, (height, width, 3), 0 to 1. What is done to it, step by step, is what
``cnnlib.train`` does to a batch: ``augment``, ``crop_randomly``, ``warp`` and ``shift_colours``;
tests hold every step equal to those.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

SIDE = 96  # pixels of a photograph, each way
SEEDS = (0, 999)
DEVIATION = 0.1  # of alpha: Krizhevsky, Sutskever & Hinton 2012, section 4.1


class Amount(NamedTuple):
    """What can be chosen, in whole numbers; what changes nothing; how far a draw goes from that."""

    least: int
    most: int
    none: int
    drawn: int
    step: int = 1


#: Percent where it says how large, pixels where it says how far, grey levels for colours and
#: brightness, tenths of a deviation for the three axes.
AMOUNTS: dict[str, Amount] = {
    "crop_size": Amount(48, SIDE, SIDE, 0, 4),
    "top": Amount(0, SIDE - 48, 0, 0),
    "left": Amount(0, SIDE - 48, 0, 0),
    "right": Amount(-24, 24, 0, 10),
    "down": Amount(-24, 24, 0, 10),
    "angle": Amount(-180, 180, 0, 20),
    "shear": Amount(-50, 50, 0, 20),
    "zoom": Amount(50, 200, 100, 20),
    "strength": Amount(0, 400, 0, 0, 10),
    "smoothness": Amount(2, 16, 8, 0),
    "red": Amount(-80, 80, 0, 40),
    "green": Amount(-80, 80, 0, 40),
    "blue": Amount(-80, 80, 0, 40),
    "alpha1": Amount(-100, 100, 0, 10),
    "alpha2": Amount(-100, 100, 0, 10),
    "alpha3": Amount(-100, 100, 0, 10),
    "brightness": Amount(-80, 80, 0, 40),
    "contrast": Amount(0, 200, 100, 40),
    "saturation": Amount(0, 200, 100, 60),
}
#: The parts that are drawn together. ``mirror`` is a flag and stands in "frame".
PARTS: dict[str, tuple[str, ...]] = {
    "frame": ("crop_size", "top", "left"),
    "place": ("right", "down", "angle", "shear", "zoom"),
    "warp": ("strength", "smoothness"),
    "colour": ("red", "green", "blue"),
    "axes": ("alpha1", "alpha2", "alpha3"),
    "light": ("brightness", "contrast", "saturation"),
}
DRAWN_CROP = SIDE * 7 // 8  # as 224 of 256
DRAWN_STRENGTH = 150
FIELD_STREAM = 100  # the warp's own random numbers; a part's are those of its place in PARTS


def random_numbers(seed: int, stream: int, count: int) -> np.ndarray:
    """``count`` numbers from 0 to below 1, the same in every language: mulberry32."""
    mask = np.uint64(0xFFFFFFFF)
    start = np.uint64((seed * 0x9E3779B1 + stream * 0x85EBCA6B) & 0xFFFFFFFF)
    a = (start + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x6D2B79F5)) & mask
    t = ((a ^ (a >> np.uint64(15))) * (a | np.uint64(1))) & mask
    t = ((t + (((t ^ (t >> np.uint64(7))) * (t | np.uint64(61))) & mask)) & mask) ^ t
    return (t ^ (t >> np.uint64(14))).astype(np.float64) / 2**32


def draw_part(part: str, seed: int, present: Mapping[str, int]) -> dict[str, int | bool]:
    """The amounts of one part as chance has them with this seed.

    The frame: a crop of 84 of 96 at any place, mirrored or not. The axes: normal, mean 0, deviation
    ``DEVIATION``. Warping has its chance in the field, so strength and smoothness stay; a strength
    of 0 becomes ``DRAWN_STRENGTH``. All others are drawn evenly, as far either way as ``AMOUNTS``
    says.
    """
    chance = random_numbers(seed, list(PARTS).index(part), 6).tolist()
    if part == "frame":
        room = SIDE - DRAWN_CROP + 1
        places = {name: math.floor(chance[i] * room) for i, name in enumerate(("top", "left"))}
        return {"mirror": chance[2] < 0.5, "crop_size": DRAWN_CROP, **places}
    if part == "warp":
        return {"strength": present["strength"] or DRAWN_STRENGTH}
    drawn = {}
    for index, name in enumerate(PARTS[part]):
        amount = AMOUNTS[name]
        if part == "axes":  # Box & Muller
            length = math.sqrt(-2 * math.log(1 - chance[2 * index]))
            way = length * math.cos(2 * math.pi * chance[2 * index + 1])
        else:
            way = 2 * chance[index] - 1
        value = amount.none + math.floor(amount.drawn * way + 0.5)
        drawn[name] = min(max(value, amount.least), amount.most)
    return drawn


def without(part: str) -> dict[str, int | bool]:
    """The amounts of a part that change nothing."""
    values = {name: AMOUNTS[name].none for name in PARTS[part]}
    return values | ({"mirror": False} if part == "frame" else {})


def changes_something(part: str, state: Mapping[str, int]) -> bool:
    """Whether a part has an amount that changes the picture."""
    if part == "warp":
        return state["strength"] != 0
    return any(state[name] != value for name, value in without(part).items())


# --- The steps ----------------------------------------------------------------------------------


def crop(pixels: np.ndarray, size: int, top: int, left: int) -> np.ndarray:
    """A square piece, copied pixel by pixel."""
    return pixels[top : top + size, left : left + size]


def sample(pixels: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The picture at these places, (H, W) each: linear between pixels, the border repeated."""
    height, width = pixels.shape[:2]
    rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    above, before = np.floor(rows).astype(int), np.floor(columns).astype(int)
    below, behind = np.minimum(above + 1, height - 1), np.minimum(before + 1, width - 1)
    down, across = (rows - above)[:, :, None], (columns - before)[:, :, None]
    upper = pixels[above, before] * (1 - across) + pixels[above, behind] * across
    lower = pixels[below, before] * (1 - across) + pixels[below, behind] * across
    return upper * (1 - down) + lower * down


def cosine(degrees: float) -> float:
    """The cosine of an angle in degrees, exact for quarter turns."""
    if degrees % 90 == 0:
        return (1, 0, -1, 0)[int(degrees // 90) % 4]
    return math.cos(math.pi * degrees / 180)


def origins(size: int, move: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Which place, (size, size) rows and columns, each place of the result shows.

    ``move`` has ``mirror``, ``angle`` in degrees, ``shear`` and ``zoom`` as shares, ``right`` and
    ``down`` in pixels: the amounts of :func:`cnnlib.train.augment`.
    """
    middle = (size - 1) / 2
    y, x = np.mgrid[:size, :size] - middle
    cos, sin = cosine(move["angle"]), cosine(move["angle"] - 90)
    side = -1 if move["mirror"] else 1
    zoom, shear = move["zoom"], move["shear"]
    columns = (side * (cos * x + (cos * shear + sin) * y)) / zoom - move["right"] + middle
    rows = (-sin * x + (cos - sin * shear) * y) / zoom - move["down"] + middle
    return rows, columns


def smooth(noise: np.ndarray, smoothness: float) -> np.ndarray:
    """A bell over rows and columns; the result lacks a margin of ceil(3 ``smoothness``)."""
    reach = math.ceil(3 * smoothness)
    bell = np.exp(-((np.arange(-reach, reach + 1) / smoothness) ** 2) / 2)
    bell = bell / bell.sum()
    size = noise.shape[0] - 2 * reach
    rows = sum(weight * noise[i : i + size] for i, weight in enumerate(bell))
    return sum(weight * rows[:, i : i + size] for i, weight in enumerate(bell))


def displacements(
    size: int, strength: float, smoothness: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """How far each place looks to the right and down, in pixels (Simard et al. 2003, section 2)."""
    side = size + 2 * math.ceil(3 * smoothness)
    noise = 2 * random_numbers(seed, FIELD_STREAM, 2 * side * side).reshape(2, side, side) - 1
    right, down = (strength * smooth(part, smoothness) for part in noise)
    return right, down


def relight(
    pixels: np.ndarray, brightness: float, contrast: float, saturation: float
) -> np.ndarray:
    """Channels away from their mean by ``saturation``, all values from theirs by ``contrast``."""
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + saturation * (pixels - grey)
    mean = pixels.mean()
    return contrast * (pixels - mean) + mean + brightness


def colour_shift(
    alphas: Sequence[float], variances: Sequence[float], directions: Sequence[Sequence[float]]
) -> list[float]:
    """The colour that is added: the sum of direction * alpha * variance; a direction is a column.

    (Krizhevsky, Sutskever & Hinton 2012, section 4.1.)
    """
    return [
        sum(row[i] * alphas[i] * variances[i] for i in range(len(variances))) for row in directions
    ]


# --- All of them --------------------------------------------------------------------------------


class Distorted(NamedTuple):
    """What becomes of a picture.

    ``pixels``: uint8, (size, size, 3). ``clipped``: the share of its numbers that lay outside 0 to
    255 and were cut off. ``added``: the colour of the axes' shift, in grey levels.
    ``moved``: the field's standard deviation, in pixels.
    """

    pixels: np.ndarray
    clipped: float
    added: list[float]
    moved: float


def distort(picture: np.ndarray, state: Mapping[str, int], axes: Mapping[str, list]) -> Distorted:
    """A picture, uint8 (96, 96, 3), with the amounts of ``state``: cut, moved, warped, coloured."""
    pixels = picture.astype(np.float64) / 255
    size = state["crop_size"]
    pixels = crop(pixels, size, state["top"], state["left"])
    if state["mirror"] or changes_something("place", state):
        move = {name: state[name] for name in ("mirror", "angle", "right", "down")}
        move |= {name: state[name] / 100 for name in ("shear", "zoom")}
        pixels = sample(pixels, *origins(size, move))
    moved = 0.0
    if state["strength"]:
        right, down = displacements(size, state["strength"], state["smoothness"], state["seed"])
        moved = math.sqrt((np.mean(right**2) + np.mean(down**2)) / 2)
        rows, columns = np.mgrid[:size, :size]
        pixels = sample(pixels, rows + down, columns + right)
    if changes_something("light", state):
        light = (state["brightness"] / 255, state["contrast"] / 100, state["saturation"] / 100)
        pixels = relight(pixels, *light)
    alphas = [state[f"alpha{i}"] * DEVIATION / 10 for i in (1, 2, 3)]
    added = colour_shift(alphas, axes["variances"], axes["directions"])
    colour = [state[name] / 255 for name in ("red", "green", "blue")]
    pixels = (pixels + np.add(colour, added)) * 255
    outside = (pixels < -0.5) | (pixels >= 255.5)
    levels = np.clip(np.floor(pixels + 0.5), 0, 255).astype(np.uint8)
    return Distorted(levels, float(outside.mean()), [255 * value for value in added], moved)


def with_grid(picture: np.ndarray) -> np.ndarray:
    """The picture with a line on every twelfth row and column: yellow, as hardly a picture is."""
    picture = picture.copy()
    picture[6::12] = picture[:, 6::12] = (255, 220, 0)
    return picture
