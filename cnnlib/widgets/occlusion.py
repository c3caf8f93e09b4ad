"""Drag a cover over a photograph and read what a network says of the rest."""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from traitlets import Bool, Dict, Enum, Int, List, TraitError, Unicode, observe, validate

from cnnlib.widgets.base import TeachingWidget, pack, photo_address, png_address
from cnnlib.widgets.maps import POSITIVE, palette, unpacked

MAPS = ("probability", "activity", "labels")
BEST = 4  # classes that are kept of each place

# The label map's colours: the true class, the others by how many places they have, and grey for the
# rest. Letters say the same.
LABELS = ("#f2d16b", "#7fb2e5", "#f0955a", "#7cc796", "#dba0d3", "#a6e3e9", "#c9a68a", "#a9aef0")
OTHERS = "#c8ccd1"


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


class Occlusion(TeachingWidget, stem="occlusion"):
    """Cover a part of a photograph: what does the network make of the rest?

    What it teaches: the places where the answer falls are those that it rests on. Three maps, as in
    Zeiler & Fergus 2014, Fig. 7: the probability of the true class, the activity of a layer's
    strongest map, and the class that wins.

    ``photographs``: :class:`OccludedPhotograph` records. ``categories``: the classes' names.
    ``layer``: the name of the layer whose activity the scans hold.

    A page holds the maps as bytes: probabilities and the shares of the best classes on a scale from
    0 to 1, a scan's activity from 0 (or its least, if negative) to its most. A number read is
    within half a step, 1/510 of its scale, of the true one: 0.2 points of a probability.

    Without a kernel the cover goes from place to place of the scan's grid. With ``respond`` and a
    kernel it goes to any pixel: ``respond(photograph, size, top, left)`` gets the photograph's
    number, the occluder's (height, width) and its corner, and gives the probability of each of the
    categories there. If it raises, the page says so and shows the nearest place of the grid.

    What the reader chooses can be set and observed: ``photograph`` and ``occluder`` (numbers),
    ``shown`` (one of ``MAPS``) and ``place`` ([top, left], in pixels of the network's input).

    Raises ``ValueError`` where arrays and records do not fit together.
    """

    photographs = List().tag(sync=True)
    layer = Unicode().tag(sync=True)
    colours = Dict().tag(sync=True)
    live = Bool(False).tag(sync=True)
    answer = Dict().tag(sync=True)

    photograph = Int(0).tag(sync=True)
    occluder = Int(0).tag(sync=True)
    shown = Enum(MAPS, "probability").tag(sync=True)
    place = List(Int(), minlen=2, maxlen=2).tag(sync=True)

    def __init__(
        self,
        photographs: Sequence[OccludedPhotograph],
        categories: Sequence[str],
        *,
        layer: str = "",
        respond: Callable[[int, tuple[int, int], int, int], Any] | None = None,
        **chosen,
    ) -> None:
        if not photographs:
            raise ValueError("photographs: expected at least one, found none")
        categories = [str(name) for name in categories]
        entries = [
            _checked_photograph(given, categories, f"photographs[{number}]")
            for number, given in enumerate(photographs)
        ]
        self._categories = categories
        self._targets = [int(given.target) for given in photographs]
        self._respond = respond
        numbers = [chosen.get(name, 0) for name in ("photograph", "occluder")]
        if "place" not in chosen and _has(entries, *numbers):
            scan = entries[numbers[0]]["scans"][numbers[1]]
            chosen["place"] = [places[len(places) // 2] for places in (scan["tops"], scan["lefts"])]
        super().__init__(
            photographs=entries,
            layer=str(layer),
            colours={"heat": list(POSITIVE), "labels": list(LABELS), "others": OTHERS},
            live=respond is not None,
            **chosen,
        )

    @validate("photograph", "occluder", "shown", "place")
    def _exists(self, proposal: dict) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        photograph = value if name == "photograph" else self.photograph
        if not 0 <= photograph < len(self.photographs):
            most = len(self.photographs) - 1
            raise TraitError(f"photograph={photograph}: expected 0 to {most}")
        entry = self.photographs[photograph]
        if name == "occluder" and not 0 <= value < len(entry["scans"]):
            raise TraitError(f"occluder={value}: expected 0 to {len(entry['scans']) - 1}")
        scan = self._scan()
        if name == "shown" and value == "activity" and scan["activity"] is None:
            raise TraitError("shown='activity': this scan has none")
        if name == "place":
            for what, place, key, whole in zip(
                ("top", "left"), value, ("tops", "lefts"), entry["size"], strict=True
            ):
                if self.live and not 0 <= place < whole:
                    raise TraitError(f"place={value}: expected its {what} from 0 to {whole - 1}")
                if not self.live and place not in scan[key]:
                    raise TraitError(f"place={value}: expected its {what} among {scan[key]}")
        return value

    @observe("photograph", "occluder", "place")
    def _follow(self, change: dict) -> None:
        if change["name"] != "place":
            self._keep_inside()
        if self.live:
            self._ask()

    def _keep_inside(self) -> None:
        """Where another scan has fewer occluders, maps or places, the nearest that it has."""
        with self.hold_trait_notifications():
            scans = self.photographs[self.photograph]["scans"]
            self.occluder = min(self.occluder, len(scans) - 1)
            if self.shown == "activity" and self._scan()["activity"] is None:
                self.shown = "probability"
            self.place = self._nearest()

    def _ask(self) -> None:
        """Have ``respond`` say what the network says with the cover at this very place."""
        where = {
            "photograph": self.photograph,
            "occluder": self.occluder,
            "place": list(self.place),
        }
        if where.items() <= self.answer.items():
            return
        try:
            given = self._respond(self.photograph, tuple(self._scan()["size"]), *self.place)
            shares = _checked_shares(given, (len(self._categories),), "respond(...)")
        except Exception as error:  # a reader on the page sees no traceback
            self.answer = {**where, "error": f"{type(error).__name__}: {error}"}
            raise
        best = np.argsort(-shares, kind="stable")[:BEST]
        self.answer = {
            **where,
            "target": float(shares[self._targets[self.photograph]]),
            "best": [[self._categories[k], float(shares[k])] for k in best],
        }

    def page_state(self) -> dict:
        """As always, but a page has no kernel that could respond."""
        return {**super().page_state(), "live": False, "answer": {}, "place": self._nearest()}

    def text_alternative(self) -> str:
        entry, scan = self.photographs[self.photograph], self._scan()
        return (
            f"Occlusion of the photograph “{entry['title']}”, true class {entry['target']}. "
            f"{scan['words'][self.shown]} {self._here()}"
        )

    def still_picture(self) -> str:
        entry, scan = self.photographs[self.photograph], self._scan()
        height, width = entry["size"]
        scale = 310 / max(height, width)
        high, wide = scale * height, scale * width
        (top, left), (cover_high, cover_wide) = self._nearest(), scan["size"]
        cover = (
            f'<rect x="{2 + scale * left:.1f}" y="{2 + scale * top:.1f}" '
            f'width="{scale * min(cover_wide, width - left):.1f}" '
            f'height="{scale * min(cover_high, height - top):.1f}" '
            f'fill="rgb({",".join(map(str, scan["fill"]))})" stroke="#000" stroke-width="2"/>'
        )
        pictures = [
            f'<image x="{x}" y="2" width="{wide:.1f}" height="{high:.1f}" '
            f'preserveAspectRatio="none" href="{address}"/>'
            for x, address in ((2, entry["address"]), (328, png_address(self._painted())))
        ]
        words = f"Left: the photograph with the cover. Right: {self._legend()} {self._here()}"
        return (
            f'<svg viewBox="0 0 640 {high + 4:.0f}" width="640" '
            f'xmlns="http://www.w3.org/2000/svg">{pictures[0]}{cover}{pictures[1]}</svg>'
            f"<p>{html.escape(words)}</p>"
        )

    def _scan(self) -> dict:
        """The chosen scan's entry; its last if the photograph has fewer."""
        scans = self.photographs[self.photograph]["scans"]
        return scans[min(self.occluder, len(scans) - 1)]

    def _nearest(self) -> list[int]:
        """The place of the grid that is nearest to the cover."""
        scan = self._scan()
        return [
            min(scan[key], key=lambda start, at=at: abs(start - at))
            for key, at in zip(("tops", "lefts"), self.place, strict=True)
        ]

    def _here(self) -> str:
        """What the map says at the cover's place."""
        entry, scan = self.photographs[self.photograph], self._scan()
        top, left = self._nearest()
        i, j = scan["tops"].index(top), scan["lefts"].index(left)
        label = scan["names"][unpacked(scan["labels"])[i, j]]
        share = _values(scan["probability"])[i, j]
        rows, columns = (
            f"{start} to {min(start + length, whole) - 1}"
            for start, length, whole in zip((top, left), scan["size"], entry["size"], strict=True)
        )
        return (
            f"With the cover over rows {rows} and columns {columns} the network says "
            f"{label}, and gives {entry['target']} {_per_cent(share)}."
        )

    def _painted(self) -> np.ndarray:
        """The shown map, uint8 (height, width, 3) of the network's input; white where no place."""
        scan = self._scan()
        if self.shown == "labels":
            colours = np.array([_rgb(colour) for colour in self._label_colours()])
            cells = colours[unpacked(scan["labels"])]
        else:
            cells = palette(False)[unpacked(scan[self.shown]["levels"])]
        painted = np.full((*self.photographs[self.photograph]["size"], 3), 255, np.uint8)
        rows, columns = (np.rint(scan[key]).astype(int) for key in ("row_edges", "column_edges"))
        spread = cells.repeat(np.diff(rows), axis=0).repeat(np.diff(columns), axis=1)
        painted[rows[0] : rows[-1], columns[0] : columns[-1]] = spread
        return painted

    def _label_colours(self) -> list[str]:
        names = self._scan()["names"]
        return [LABELS[k] if k < len(LABELS) else OTHERS for k in range(len(names))]

    def _legend(self) -> str:
        scan = self._scan()
        if self.shown == "labels":
            return f"the label map. {scan['words']['labels']}"
        low, high = scan[self.shown]["range"]
        ends = ("0 %", "100 %") if self.shown == "probability" else (f"{low:.3g}", f"{high:.3g}")
        return f"{ends[0]} is dark, {ends[1]} is light. {scan['words'][self.shown]}"


# ---- From records to what the page holds.


def _checked_photograph(given: OccludedPhotograph, categories: list[str], where: str) -> dict:
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
    probability = _checked_shares(scan.probability, grid, f"{where}: probability")
    clean = _checked_shares(scan.clean_probability, (), f"{where}: clean_probability")
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
        "probability": _quantised(probability, float(clean), (0.0, 1.0)),
        "labels": pack(index[labels]),
        "clean_label": int(index[clean_label]),
        "activity": _checked_activity(scan, grid, where),
        "best": None,
        "clean_best": None,
    }
    if best is not None:
        shares = np.take_along_axis(every, best, axis=-1)
        entry["best"] = {"classes": pack(index[best]), "levels": pack(_levels(shares, (0.0, 1.0)))}
        entry["clean_best"] = [[int(index[k]), float(clean_every[k])] for k in clean_best]
    return {**entry, "words": _words(entry, image)}


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


def _checked_shares(values: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
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
    every = _checked_shares(scan.probabilities, (*grid, classes), f"{where}: probabilities")
    clean = _checked_shares(scan.clean_probabilities, (classes,), f"{where}: clean_probabilities")
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
    ends = (min(0.0, clean, float(values.min())), max(0.0, clean, float(values.max())))
    return _quantised(values, clean, ends)


def _quantised(values: np.ndarray, clean: float, ends: tuple[float, float]) -> dict:
    return {"levels": pack(_levels(values, ends)), "range": list(ends), "clean": clean}


def _levels(values: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """Bytes from 0, the lower end, to 255, the upper."""
    low, high = ends
    return np.rint((values - low) / ((high - low) or 1.0) * 255).astype(np.uint8)


def _values(map_: dict) -> np.ndarray:
    """What the bytes stand for."""
    low, high = map_["range"]
    return low + unpacked(map_["levels"]) / 255 * (high - low)


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


def _words(entry: dict, image: Sequence[int]) -> dict[str, str]:
    """What each map shows, for those who do not see it."""
    rows, columns = len(entry["tops"]), len(entry["lefts"])
    cover = (
        f"A cover of {entry['size'][0]} × {entry['size'][1]} pixels at {rows} × {columns} places."
    )

    def extremes(map_: dict, name: Callable[[float], str]) -> str:
        values = _values(map_)
        least, most = (
            np.unravel_index(find(values), values.shape) for find in (np.argmin, np.argmax)
        )
        return (
            f"uncovered {name(map_['clean'])}, least {name(values[least])} "
            f"{where(*least)}, most {name(values[most])} {where(*most)}."
        )

    def where(i: int, j: int) -> str:
        spans = (
            f"{start} to {min(start + length, whole) - 1}"
            for start, length, whole in zip(
                (entry["tops"][i], entry["lefts"][j]), entry["size"], image, strict=True
            )
        )
        return "with rows {} and columns {} covered".format(*spans)

    target = entry["names"][0]
    winners = [
        f"{name} at {count}"
        for name, count in zip(entry["names"], entry["counts"], strict=True)
        if count
    ]
    more = f" and {len(winners) - 6} others" if len(winners) > 6 else ""
    activity = entry["activity"]
    return {
        "probability": f"{cover} Probability of {target}: "
        f"{extremes(entry['probability'], _per_cent)}",
        "activity": activity
        and f"{cover} Activity: {extremes(activity, lambda value: f'{value:.3g}')}",
        "labels": f"{cover} The class that wins: {', '.join(winners[:6])}{more} "
        f"of {rows * columns} places.",
    }


def _has(entries: list[dict], photograph: Any, occluder: Any) -> bool:
    known = type(photograph) is int and 0 <= photograph < len(entries)
    return known and type(occluder) is int and 0 <= occluder < len(entries[photograph]["scans"])


def _pair(value: Any, where: str) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int | np.integer) else value
    if not isinstance(pair, Sequence) or len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"{where}={value!r}: expected a number above 0, or (height, width)")
    return int(pair[0]), int(pair[1])


def _per_cent(share: float) -> str:
    """Whole per cents; a byte cannot tell 0 and 100 from what is near them."""
    if share < 0.005:
        return "under 1 %"
    return "over 99 %" if share >= 0.995 else f"{int(100 * share + 0.5)} %"


def _rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
