"""What a network said with a cover at each place of a photograph: records, checked for a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnlib.widgets.pictures import pack, photo_address
from cnnlib.widgets.pixels import Scale

BEST = 4  # classes that are kept of each place
SHARES = Scale(0, 1)


@dataclass(frozen=True, eq=False)
class Scan:
    """What a network said with one occluder at each place of a grid over one photograph.

    The arrays, their names and their meaning are those of :class:`cnnlib.inside.OcclusionMap` for
    one image; :meth:`of` takes them from there. Place (i, j) has its upper left corner at row
    ``tops[i]`` and column ``lefts[j]`` of the network's input, and covers less where it sticks out.

    - ``size``: the occluder's (height, width), or one number for both, in pixels.
    - ``probability`` (rows, columns), from 0 to 1, and ``labels`` (rows, columns), whole numbers:
      the true class's share and the winner's number. ``clean_...``: the same with nothing covered.
    - ``activity`` (rows, columns): the sum over a layer's strongest map. None: there is none.
    - ``probabilities`` (rows, columns, classes), from 0 to 1: every class's share, of which the
      widget keeps the largest few. None: only the true class has a bar.
    - ``fill``: the occluder's colour as the page draws it: red, green, blue from 0 to 255.
    """

    size: int | tuple[int, int]
    tops: Sequence[int]
    lefts: Sequence[int]
    probability: np.ndarray
    clean_probability: float
    labels: np.ndarray
    clean_label: int
    activity: np.ndarray | None = None
    clean_activity: float | None = None
    probabilities: np.ndarray | None = None
    clean_probabilities: np.ndarray | None = None
    fill: Sequence[float] = (128, 128, 128)

    @classmethod
    def of(cls, found: Any, number: int = 0, **more: Any) -> "Scan":
        """One image's maps of what ``cnnlib.inside.occlusion_map`` gives; ``more``: other fields.

        Raises ``ValueError`` where the map is of no class, or there is no image of that number.
        """
        if found.probability is None:
            raise ValueError("found.probability is None: expected a map of a network with classes")
        if not 0 <= number < len(found.probability):
            raise ValueError(f"number={number}: expected 0 to {len(found.probability) - 1}")
        has_activity = found.activity is not None
        given = {
            "probabilities": np.asarray(found.outputs[number].softmax(-1)),
            "clean_probabilities": np.asarray(found.clean_outputs[number].softmax(-1)),
        }
        return cls(
            size=found.size,
            tops=found.tops,
            lefts=found.lefts,
            probability=np.asarray(found.probability[number]),
            clean_probability=float(found.clean_probability[number]),
            labels=np.asarray(found.labels[number]),
            clean_label=int(found.clean_labels[number]),
            activity=np.asarray(found.activity[number]) if has_activity else None,
            clean_activity=float(found.clean_activity[number]) if has_activity else None,
            **given | more,
        )


@dataclass(frozen=True, eq=False)
class OccludedPhotograph:
    """A photograph, its true class, and the scans of it, one for each occluder.

    ``pixels``: uint8, (H, W, 3) or (H, W), the part that the network saw, at any resolution.
    ``image_size``: (height, width) of the network's input, the pixels that the scans count in; None
    where it is the photograph's own. ``target``: the true class's number. ``alt`` says what is to
    be seen, ``credit`` whose it is.
    """

    title: str
    pixels: np.ndarray
    target: int
    scans: Sequence[Scan]
    image_size: tuple[int, int] | None = None
    alt: str = ""
    credit: str = ""


# ---- From records to what the page holds.


def checked_photograph(given: OccludedPhotograph, categories: list[str], where: str) -> dict:
    """The photograph with its scans as a page holds them. ``ValueError`` says what does not fit."""
    pixels = np.asarray(given.pixels)
    target = given.target
    if isinstance(target, bool) or not isinstance(target, int | np.integer):
        raise ValueError(f"{where}: target={target!r}: expected a whole number")
    if not 0 <= target < len(categories):
        raise ValueError(f"{where}: target={target}: expected 0 to {len(categories) - 1}")
    try:
        address = photo_address(pixels)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    size = given.image_size
    size = pixels.shape[:2] if size is None else _pair(size, f"{where}: image_size")
    if not given.scans:
        raise ValueError(f"{where}: scans: expected at least one, found none")
    return {
        "title": str(given.title),
        "alt": str(given.alt or given.title),
        "credit": str(given.credit),
        "address": address,
        "size": list(size),
        "target": categories[target],
        "scans": [
            _checked_scan(scan, size, int(target), categories, f"{where}.scans[{number}]")
            for number, scan in enumerate(given.scans)
        ],
    }


def _checked_scan(
    scan: Scan, image: Sequence[int], target: int, categories: list[str], where: str
) -> dict:
    size = _pair(scan.size, f"{where}: size")
    starts = [
        _checked_places(places, whole, f"{where}: {name}")
        for name, places, whole in zip(
            ("tops", "lefts"), (scan.tops, scan.lefts), image, strict=True
        )
    ]
    grid = tuple(map(len, starts))
    probability = checked_shares(scan.probability, grid, f"{where}: probability")
    clean = checked_shares(scan.clean_probability, (), f"{where}: clean_probability")
    labels = _checked_labels(scan.labels, grid, len(categories), f"{where}: labels")
    clean_label = _checked_labels(scan.clean_label, (), len(categories), f"{where}: clean_label")
    every, clean_every = _checked_every(scan, grid, target, len(categories), where)
    fill = np.asarray(scan.fill, dtype=float)
    if fill.shape != (3,) or not ((fill >= 0) & (fill <= 255)).all():
        raise ValueError(f"{where}: fill={scan.fill!r}: expected three numbers from 0 to 255")

    best = clean_best = None
    used = {int(k) for k in labels.flat} | {int(clean_label)}
    if every is not None:
        best = np.argsort(-every, axis=-1, kind="stable")[..., :BEST]
        clean_best = np.argsort(-clean_every, kind="stable")[:BEST]
        used |= {int(k) for k in best.flat} | {int(k) for k in clean_best}
    counts = np.bincount(labels.ravel(), minlength=len(categories))
    order = [target, *sorted(used - {target}, key=lambda k: (-counts[k], k))]
    if len(order) > 256:
        raise ValueError(f"{where}: {len(order)} classes win or come close: expected at most 256")
    index = np.zeros(len(categories), np.uint8)
    index[order] = np.arange(len(order))
    entry = {
        "size": list(size),
        "tops": starts[0],
        "lefts": starts[1],
        "row_edges": _edges(starts[0], size[0], image[0]),
        "column_edges": _edges(starts[1], size[1], image[1]),
        "fill": [round(value) for value in fill.tolist()],
        "names": [categories[k] for k in order],
        "counts": [int(counts[k]) for k in order],
        "probability": _quantised(probability, float(clean), SHARES),
        "labels": pack(index[labels]),
        "clean_label": int(index[clean_label]),
        "activity": _checked_activity(scan, grid, where),
        "best": None,
        "clean_best": None,
    }
    if best is not None:
        shares = np.take_along_axis(every, best, axis=-1)
        entry["best"] = {"classes": pack(index[best]), "levels": pack(SHARES.levels(shares))}
        entry["clean_best"] = [[int(index[k]), float(clean_every[k])] for k in clean_best]
    return entry


def _checked_places(places: Sequence[int], whole: int, where: str) -> list[int]:
    places = [int(place) for place in places]
    rising = all(a < b for a, b in zip(places, places[1:], strict=False))
    if not places or not rising or places[0] < 0 or places[-1] >= whole:
        raise ValueError(f"{where}={places}: expected rising numbers from 0 to {whole - 1}")
    return places


def _checked_numbers(values: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.shape != shape:
        raise ValueError(f"{where} has shape {values.shape}: expected {shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{where} holds values that are not finite numbers")
    return values


def checked_shares(values: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
    """Shares from 0 to 1, of this shape."""
    values = _checked_numbers(values, shape, where)
    if values.size and (values.min() < -1e-6 or values.max() > 1 + 1e-6):
        raise ValueError(
            f"{where} goes from {values.min():.4g} to {values.max():.4g}: expected 0 to 1"
        )
    return values.clip(0, 1)


def _checked_labels(values: Any, shape: tuple[int, ...], classes: int, where: str) -> np.ndarray:
    values = np.asarray(values)
    if values.shape != shape:
        raise ValueError(f"{where} has shape {values.shape}: expected {shape}")
    if values.dtype.kind not in "iu":
        raise ValueError(f"{where} of {values.dtype}: expected whole numbers")
    if values.min() < 0 or values.max() >= classes:
        raise ValueError(
            f"{where} goes from {values.min()} to {values.max()}: expected 0 to {classes - 1}"
        )
    return values.astype(np.int64)


def _checked_every(
    scan: Scan, grid: tuple[int, ...], target: int, classes: int, where: str
) -> tuple[np.ndarray | None, np.ndarray | None]:
    if (scan.probabilities is None) != (scan.clean_probabilities is None):
        raise ValueError(f"{where}: probabilities, clean_probabilities: expected both or neither")
    if scan.probabilities is None:
        return None, None
    every = checked_shares(scan.probabilities, (*grid, classes), f"{where}: probabilities")
    clean = checked_shares(scan.clean_probabilities, (classes,), f"{where}: clean_probabilities")
    for shares, known, name in (
        (every, scan.probability, "probabilities"),
        (clean, scan.clean_probability, "clean_probabilities"),
    ):
        if np.abs(shares[..., target] - np.asarray(known)).max() > 1e-3:
            raise ValueError(f"{where}: {name} of class {target} are not those of its own map")
    return every, clean


def _checked_activity(scan: Scan, grid: tuple[int, ...], where: str) -> dict | None:
    if (scan.activity is None) != (scan.clean_activity is None):
        raise ValueError(f"{where}: activity, clean_activity: expected both or neither")
    if scan.activity is None:
        return None
    values = _checked_numbers(scan.activity, grid, f"{where}: activity")
    clean = float(_checked_numbers(scan.clean_activity, (), f"{where}: clean_activity"))
    scale = Scale(min(0.0, clean, float(values.min())), max(0.0, clean, float(values.max())))
    return _quantised(values, clean, scale)


def _quantised(values: np.ndarray, clean: float, scale: Scale) -> dict:
    return {"levels": pack(scale.levels(values)), "scale": scale._asdict(), "clean": clean}


def _edges(starts: list[int], length: int, whole: int) -> list[float]:
    """Where each place's cell begins, and where the last ends: halfway between the covers' middles.

    A cover that sticks out has its middle where the middle of its part inside is.
    """
    middles = [(start + min(start + length, whole)) / 2 for start in starts]
    if len(middles) == 1:
        return [0.0, float(whole)]
    between = [(a + b) / 2 for a, b in zip(middles, middles[1:], strict=False)]
    first, last = 2 * middles[0] - between[0], 2 * middles[-1] - between[-1]
    return [max(0.0, first), *between, min(float(whole), last)]


def _pair(value: Any, where: str) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int | np.integer) else value
    if not isinstance(pair, Sequence) or len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"{where}={value!r}: expected a number above 0, or (height, width)")
    return int(pair[0]), int(pair[1])
