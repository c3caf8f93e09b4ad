"""A network's feature maps on chosen images, with what the unit under the pointer saw."""

import html
import math
from collections.abc import Mapping, Sequence

import numpy as np
from traitlets import Dict, Int, List, TraitError, Unicode, observe, validate

from cnnlib.widgets.base import TeachingWidget, pack, rows_of, seen_in_image
from cnnlib.widgets.maps import (
    FOLLOWED,
    checked_images,
    checked_maps,
    outline,
    palette,
    palettes,
    picture,
    quantised,
    span_in_words,
    unpacked,
    value_of,
)

MOST_IN_PICTURE = 128  # channels; the still picture says so where a layer has more


class FeatureMaps(TeachingWidget, stem="feature_maps"):
    """Every layer's maps on a chosen image; pick a unit and see the window that it saw.

    What it teaches: a feature map is a picture of *where* a channel found what it looks for. The
    deeper the layer, the fewer the places, and the more of the image each of them has seen.

    ``layers``: the records of :func:`cnnlib.trace.trace`, all of them, for windows are followed
    through them. ``maps``: row number of ``layers`` -> what that row put out, numbers of shape
    (images, C, H, W) or (images, C). ``images``: what the network saw, uint8 of shape
    (images, H, W) or (images, H, W, 3), of the size that ``layers`` was traced with. ``titles``: a
    few words for each image.

    ``names``: row number -> what to call it (else the record's name). ``scores``: numbers
    (images, classes), the largest wins, with ``categories`` naming the classes. ``reads``: row
    number -> which channels of the shown row below each channel reads: a list of lists, or "all"
    (as a full convolution does), or "own" (channel k reads channel k, as a pooling does). Rows
    without it show nothing of the row below, for the records do not know. ``columns``: row
    number -> how many channels to set side by side.

    A layer's values are stored as bytes, on one scale for all its channels and images: from 0 to
    its largest value or, where some are negative, from minus to plus its largest magnitude. A value
    shown is thus within 1/510 or 1/254 of that limit of the true one.

    What the reader chooses can be set and observed: ``image``, ``layer`` (a row number),
    ``channel`` and ``unit`` ([row, column]; [0, 0] in a vector).

    Raises ``ValueError`` where arrays and records do not fit together.
    """

    rows = List().tag(sync=True)
    maps = List().tag(sync=True)
    images = Dict().tag(sync=True)
    titles = List(Unicode()).tag(sync=True)
    scores = List().tag(sync=True)
    categories = List(Unicode()).tag(sync=True)
    palettes = Dict().tag(sync=True)

    image = Int(0).tag(sync=True)
    layer = Int().tag(sync=True)
    channel = Int(0).tag(sync=True)
    unit = List(Int(), minlen=2, maxlen=2).tag(sync=True)

    def __init__(
        self,
        layers: Sequence,
        maps: Mapping[int, np.ndarray],
        images: np.ndarray,
        titles: Sequence[str],
        *,
        names: Mapping[int, str] | None = None,
        scores: np.ndarray | None = None,
        categories: Sequence[str] | None = None,
        reads: Mapping[int, str | Sequence[Sequence[int]]] | None = None,
        columns: Mapping[int, int] | None = None,
        **chosen,
    ) -> None:
        rows = rows_of(layers)
        pixels = checked_images(images, rows)
        if len(titles) != len(pixels):
            raise ValueError(f"titles: {len(titles)} for {len(pixels)} images, expected one each")
        if not maps:
            raise ValueError("maps: expected the output of one row or more, found none")
        for option, given in (("names", names), ("reads", reads), ("columns", columns)):
            for row in set(given or {}) - set(maps):
                raise ValueError(f"{option}: row {row} is not among the rows of maps")
        shown = []
        for row in sorted(maps):
            values = checked_maps(maps[row], row, rows, len(pixels))
            below = _shown_below(rows, row, shown)
            read = (reads or {}).get(row)
            shown.append(
                {
                    "row": row,
                    "name": (names or {}).get(row, rows[row]["name"]),
                    "columns": (columns or {}).get(row),
                    "below": None if below is None else below["row"],
                    "reads": None if read is None else _checked_reads(read, row, values, below),
                    **_levels(values),
                }
            )
        scores, categories = _checked_scores(scores, categories, len(pixels))
        start = {"layer": shown[0]["row"], **chosen}
        if start["layer"] in maps and "unit" not in start:
            start["unit"] = [size // 2 for size in rows[start["layer"]]["size"]]
        super().__init__(
            rows=[{name: row[name] for name in FOLLOWED} for row in rows],
            maps=shown,
            images=pack(pixels),
            titles=[str(title) for title in titles],
            scores=scores,
            categories=categories,
            palettes=palettes(),
            **start,
        )

    @validate("image", "layer", "channel", "unit")
    def _exists(self, proposal: dict) -> int | list[int]:
        name, value = proposal["trait"].name, proposal["value"]
        rows = [shown["row"] for shown in self.maps]
        layer = value if name == "layer" else self.layer
        if layer not in rows:
            raise TraitError(f"layer={layer}: expected one of the shown rows {rows}")
        if name == "layer":
            return value
        images, channels, *size = self._shown()["levels"]["shape"]
        bounds = {"image": [images], "channel": [channels], "unit": size}[name]
        for number, bound in zip(value if name == "unit" else [value], bounds, strict=False):
            if not 0 <= number < bound:
                where = "" if name == "image" else f" in layer {self.layer}"
                raise TraitError(f"{name}={value}: expected 0 to {bound - 1}{where}")
        return value

    @observe("layer")
    def _keep_inside(self, change: dict) -> None:
        """Where another layer is smaller, the nearest channel and unit that it has."""
        _, channels, *size = self._shown()["levels"]["shape"]
        channel = min(self.channel, channels - 1)
        unit = [min(i, bound - 1) for i, bound in zip(self.unit, size, strict=False)]
        with self.hold_trait_notifications():
            self.channel = channel
            self.unit = unit

    def text_alternative(self) -> str:
        shown = self._shown()
        _, channels, height, width = shown["levels"]["shape"]
        size = f" of {height} × {width}" if (height, width) != (1, 1) else ""
        rows, columns = seen_in_image(self.rows, self.layer, self.unit)
        words = (
            f"Feature maps of {shown['name']}, {channels} channels{size}, for the image "
            f"“{self.titles[self.image]}”. The unit at row {self.unit[0]}, column {self.unit[1]} "
            f"of channel {self.channel} has the value {self._value():.3g} and saw "
            f"{span_in_words(rows, 'row')} and {span_in_words(columns, 'column')} of the image."
        )
        if self.scores:
            scores = self.scores[self.image]
            words += f" The network says {self.categories[scores.index(max(scores))]}."
        return words

    def still_picture(self) -> str:
        shown = self._shown()
        pixels = unpacked(self.images)[self.image]
        height, width = pixels.shape[:2]
        scale = 200 / max(height, width)
        rows, columns = seen_in_image(self.rows, self.layer, self.unit)
        left = picture(pixels, 2, 2, width * scale, height * scale) + outline(
            2 + columns.start * scale,
            2 + rows.start * scale,
            len(columns) * scale,
            len(rows) * scale,
        )

        first = self.channel // MOST_IN_PICTURE * MOST_IN_PICTURE
        maps = unpacked(shown["levels"])[self.image, first : first + MOST_IN_PICTURE]
        colours = palette(shown["signed"])
        across = shown["columns"] or math.ceil(math.sqrt(1.6 * len(maps)))
        step = min(418 / across, 130)
        _, high, wide = maps.shape
        size = 0.9 * step / max(high, wide)
        right = ""
        for channel, levels in enumerate(maps):
            x, y = 220 + channel % across * step, 2 + channel // across * step
            right += picture(colours[levels], x, y, wide * size, high * size)
            if first + channel == self.channel:
                row, column = self.unit
                right += outline(x + column * size, y + row * size, size, size)
        bottom = 4 + max(height * scale, math.ceil(len(maps) / across) * step)

        channels = shown["levels"]["shape"][1]
        part = (
            f" ({first} to {first + len(maps) - 1} of {channels})" if len(maps) < channels else ""
        )
        limit = f"{shown['limit']:.3g}"
        meaning = (
            f"blue below 0, dark at 0, orange above, up to ±{limit}"
            if shown["signed"]
            else f"from 0, dark, to {limit}, bright"
        )
        caption = (
            f"Left: the image “{self.titles[self.image]}”. Right: the maps of {shown['name']}{part}"
            f", {meaning}. Outlined: a unit of channel {self.channel}, and what it saw."
        )
        return (
            f'<svg viewBox="0 0 640 {bottom:.0f}" width="640" xmlns="http://www.w3.org/2000/svg">'
            f"{left}{right}</svg><p>{html.escape(caption)}</p>"
        )

    def _shown(self) -> dict:
        """The chosen layer's entry in ``maps``."""
        return next(shown for shown in self.maps if shown["row"] == self.layer)

    def _value(self) -> float:
        """The chosen unit's value, as exact as its byte holds it."""
        shown = self._shown()
        level = int(unpacked(shown["levels"])[self.image, self.channel, *self.unit])
        return value_of(level, shown["limit"], shown["signed"])


def _shown_below(rows: list[dict], row: int, shown: list[dict]) -> dict | None:
    """The nearest shown layer that ``row`` reads, through rows that are not shown; else None."""
    entries = {entry["row"]: entry for entry in shown}
    reached = set(rows[row]["inputs"])
    while reached and max(reached) >= 0:
        nearest = max(reached)
        if nearest in entries:
            return entries[nearest]
        reached = reached - {nearest} | set(rows[nearest]["inputs"])
    return None


def _checked_reads(reads, row: int, values: np.ndarray, below: dict | None) -> str | list:
    if below is None:
        raise ValueError(f"reads[{row}]: no shown row lies below row {row}")
    channels, most = values.shape[1], below["levels"]["shape"][1]
    if isinstance(reads, str):
        if reads not in ("all", "own"):
            raise ValueError(f"reads[{row}]={reads!r}: expected lists, 'all' or 'own'")
        if reads == "all":
            return reads
        reads = [[channel] for channel in range(channels)]
    reads = [[int(channel) for channel in read] for read in reads]
    if len(reads) != channels:
        raise ValueError(f"reads[{row}] has {len(reads)} lists: expected {channels}, one a channel")
    for channel in (channel for read in reads for channel in read):
        if not 0 <= channel < most:
            raise ValueError(
                f"reads[{row}] names channel {channel}: row {below['row']} has {most} channels"
            )
    return reads


def _checked_scores(scores, categories, count: int) -> tuple[list[list[float]], list[str]]:
    if scores is None:
        if categories is not None:
            raise ValueError("categories without scores: expected both or neither")
        return [], []
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or len(scores) != count or not scores.shape[1]:
        raise ValueError(f"scores of shape {scores.shape}: expected ({count}, classes)")
    if not np.isfinite(scores).all():
        raise ValueError("scores: some are not finite numbers")
    if categories is None:
        categories = range(scores.shape[1])
    names = [str(name) for name in categories]
    if len(names) != scores.shape[1]:
        raise ValueError(
            f"categories: {len(names)} for {scores.shape[1]} scores, expected one each"
        )
    return scores.tolist(), names


def _levels(values: np.ndarray) -> dict:
    """Values as bytes, on one scale for all channels and images."""
    signed = bool(values.min() < 0)
    limit = float(np.abs(values).max())
    return {"signed": signed, "limit": limit, "levels": pack(quantised(values, limit, signed))}
