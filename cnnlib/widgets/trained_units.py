"""Inside a trained network: what a channel found in a photograph, and what it answers to most."""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from traitlets import Dict, Int, List, TraitError, Unicode, observe, validate

from cnnlib.widgets.base import (
    TeachingWidget,
    photo_address,
    png_address,
    rows_of,
    seen_in_image,
)
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
    value_of,
)

GREY = 128  # between the patches of a sheet, and 0 in a projection


@dataclass(frozen=True, eq=False)
class UnitLayer:
    """What there is to see of one layer.

    ``row``: its number among the records of :func:`cnnlib.trace.trace`. ``maps``: what it put out
    for each photograph, numbers of shape (photographs, C, H, W), or (photographs, C) in a layer
    without places.

    ``found``: the channels to show, and for each its strongest patches, strongest first, as
    ``cnnlib.inside.top_patches`` gives them: records with ``activation``, ``name`` (the picture's),
    ``patch``, uint8 (h, w, 3), and ``projection``, numbers of shape (h, w, 3), 0 where nothing
    matters. ``name``: what to call the layer, else the record's name.
    """

    row: int
    maps: np.ndarray
    found: Mapping[int, Sequence]
    name: str | None = None


class TrainedUnits(TeachingWidget, stem="trained_units"):
    """Choose photograph, layer and channel: the map, what the unit saw, the strongest patches.

    What it teaches: the deeper a channel, the larger and the more particular what it answers to.
    Its map says where it answered, its strongest patches what to, and their projections what in
    the patch it was.

    ``network``: its name. ``layers``: the records of :func:`cnnlib.trace.trace`, all of them, for
    windows are followed through them. ``photographs``: as the network saw them, uint8 of shape
    (photographs, H, W, 3), of the size that ``layers`` was traced with; ``titles``: a few words
    for each. ``shown``: a :class:`UnitLayer` for each layer to choose from. ``searched``: which
    pictures the patches come from, as "42 photographs".

    A channel's values are stored as bytes, on one scale for all photographs: from 0 to its largest
    or, in a layer where some are negative, from minus to plus its largest magnitude. A layer's maps
    for one photograph are one picture, and so are a channel's patches with their projections: the
    book's page loads those that are looked at. ``side``: pixels of a patch in it. In a projection
    grey is 0, and each has a scale of its own.

    What the reader chooses can be set and observed: ``photograph``, ``layer`` (a row number),
    ``channel`` (its number in the layer) and ``unit``: [row, column], or [] for the unit that
    answers most.

    Raises ``ValueError`` where arrays and records do not fit together.
    """

    network = Unicode().tag(sync=True)
    rows = List().tag(sync=True)
    layers = List().tag(sync=True)
    photographs = List(Unicode()).tag(sync=True)
    titles = List(Unicode()).tag(sync=True)
    searched = Unicode().tag(sync=True)
    palettes = Dict().tag(sync=True)

    photograph = Int(0).tag(sync=True)
    layer = Int().tag(sync=True)
    channel = Int().tag(sync=True)
    unit = List(Int(), maxlen=2).tag(sync=True)

    def __init__(
        self,
        network: str,
        layers: Sequence,
        photographs: np.ndarray,
        titles: Sequence[str],
        shown: Sequence[UnitLayer],
        *,
        searched: str,
        side: int = 72,
        **chosen,
    ) -> None:
        rows = rows_of(layers)
        pixels = checked_images(photographs, rows)
        if len(titles) != len(pixels):
            raise ValueError(f"titles: {len(titles)} for {len(pixels)} images, expected one each")
        if not shown:
            raise ValueError("shown: expected one layer or more, found none")
        if type(side) is not int or side < 1:
            raise ValueError(f"side={side!r}: expected a whole number from 1 up")
        numbers = [layer.row for layer in shown]
        if numbers != sorted(set(numbers)):
            raise ValueError(f"shown: rows {numbers}, expected each once, in the network's order")
        self._levels = {}
        entries = []
        for layer in shown:
            levels, entry = _entry(layer, rows, len(pixels), side)
            self._levels[layer.row] = levels
            entries.append(entry)
        start = {"layer": entries[0]["row"], **chosen}
        if "channel" not in start:
            channels = [entry["channels"] for entry in entries if entry["row"] == start["layer"]]
            start["channel"] = channels[0][0] if channels else 0
        super().__init__(
            network=network,
            rows=[{name: row[name] for name in FOLLOWED} for row in rows],
            layers=entries,
            photographs=[photo_address(image) for image in pixels],
            titles=[str(title) for title in titles],
            searched=searched,
            palettes=palettes(),
            **start,
        )

    @validate("photograph", "layer", "channel", "unit")
    def _exists(self, proposal: dict) -> int | list[int]:
        name, value = proposal["trait"].name, proposal["value"]
        rows = [entry["row"] for entry in self.layers]
        layer = value if name == "layer" else self.layer
        if layer not in rows:
            raise TraitError(f"layer={layer}: expected one of the shown rows {rows}")
        entry = self._shown()
        if name == "channel" and value not in entry["channels"]:
            raise TraitError(f"channel={value}: expected one of {entry['channels']}")
        if name == "photograph" and not 0 <= value < len(self.titles):
            raise TraitError(f"photograph={value}: expected 0 to {len(self.titles) - 1}")
        if name == "unit" and value:
            size = entry["shape"][1:]
            if len(value) != 2 or not all(0 <= i < n for i, n in zip(value, size, strict=True)):
                raise TraitError(
                    f"unit={value}: expected [] or [row, column] in {size[0]}x{size[1]}"
                )
        return value

    @observe("layer")
    def _keep_inside(self, change: dict) -> None:
        """In another layer the channel at the same place of its list, and its strongest unit."""
        entry = self._shown()
        if self.channel not in entry["channels"]:
            before = [e["channels"] for e in self.layers if e["row"] == change["old"]]
            place = before[0].index(self.channel) if before and self.channel in before[0] else 0
            self.channel = entry["channels"][min(place, len(entry["channels"]) - 1)]
        size = entry["shape"][1:]
        if self.unit and not all(i < n for i, n in zip(self.unit, size, strict=True)):
            self.unit = []

    def text_alternative(self) -> str:
        entry, place = self._shown(), self._place()
        row, column = self._unit()
        rows, columns = seen_in_image(self.rows, self.layer, (row, column))
        where = f", row {row}, column {column}" if entry["shape"][1:] != [1, 1] else ""
        sources = list(dict.fromkeys(source for _, source in entry["patches"][place]["from"]))
        return (
            f"Inside {self.network}: {entry['name']}, channel {self.channel}{where}, for the "
            f"photograph “{self.titles[self.photograph]}”. The unit has the value "
            f"{self._value():.3g} and saw {span_in_words(rows, 'row')} and "
            f"{span_in_words(columns, 'column')} of the photograph. The channel’s strongest "
            f"patches in {self.searched} come from {_listed(sources)}."
        )

    def still_picture(self) -> str:
        entry, place = self._shown(), self._place()
        rows, columns = seen_in_image(self.rows, self.layer, self._unit())
        levels = self._levels[self.layer][self.photograph]
        count, high, wide = levels.shape
        height, width = self._size()
        scale = 200 / max(height, width)
        drawn = _linked(self.photographs[self.photograph], 2, 2, width * scale, height * scale)
        drawn += outline(
            2 + columns.start * scale,
            2 + rows.start * scale,
            len(columns) * scale,
            len(rows) * scale,
        )
        colours = palette(entry["signed"])
        across = math.ceil(math.sqrt(2 * count))
        step = min(418 / across, 200)
        size = 0.92 * step / max(high, wide)
        for number, level in enumerate(levels):
            x, y = 220 + number % across * step, 2 + number // across * step
            drawn += picture(colours[level], x, y, wide * size, high * size)
            if number == place:
                row, column = self._unit()
                drawn += outline(x + column * size, y + row * size, size, size)
        top = 12 + max(height * scale, math.ceil(count / across) * step)
        drawn += _linked(entry["patches"][place]["sheet"], 2, top, 440, 220)
        caption = (
            f"{self.network}, {entry['name']}. Above: “{self.titles[self.photograph]}” and the "
            f"maps of channels {_listed(map(str, entry['channels']))}. Outlined: a unit of channel "
            f"{self.channel}, and what it saw. Below: the patches of {self.searched} that the "
            "channel answers to most, left, and what of them it answers to, projected to pixels."
        )
        return (
            f'<svg viewBox="0 0 640 {top + 224:.0f}" width="640" '
            f'xmlns="http://www.w3.org/2000/svg">{drawn}</svg><p>{html.escape(caption)}</p>'
        )

    def _shown(self) -> dict:
        """The chosen layer's entry in ``layers``."""
        return next(entry for entry in self.layers if entry["row"] == self.layer)

    def _place(self) -> int:
        """Where the chosen channel stands among the shown ones."""
        return self._shown()["channels"].index(self.channel)

    def _unit(self) -> list[int]:
        """The chosen unit, or the strongest."""
        return self.unit or self._shown()["strongest"][self.photograph][self._place()]

    def _value(self) -> float:
        """The chosen unit's value, as exact as its byte holds it."""
        entry, place = self._shown(), self._place()
        level = int(self._levels[self.layer][self.photograph, place, *self._unit()])
        return value_of(level, entry["limits"][place], entry["signed"])

    def _size(self) -> list[int]:
        return self.rows[0]["in_sizes"][0]


def _entry(layer: UnitLayer, rows: list[dict], count: int, side: int) -> tuple[np.ndarray, dict]:
    """A layer's levels, (photographs, K, H, W) uint8, and what the page gets of it."""
    values = checked_maps(layer.maps, layer.row, rows, count)
    name = layer.name or rows[layer.row]["name"]
    channels = list(layer.found)
    if not channels:
        raise ValueError(f"found of {name}: expected one channel or more, found none")
    for channel in channels:
        if channel not in range(values.shape[1]):
            raise ValueError(f"found of {name}: channel {channel}: it has {values.shape[1]}")
        if not layer.found[channel]:
            raise ValueError(f"found of {name}: channel {channel} has no patches")
    across = _across(max(map(len, layer.found.values())))
    of, signed = values.shape[1], bool(values.min() < 0)
    values = values[:, channels]
    limits = np.abs(values).max(axis=(0, 2, 3)).astype(np.float64)
    levels = quantised(values, limits[:, None, None], signed)
    flat = values.reshape(*values.shape[:2], -1).argmax(axis=2)
    return levels, {
        "row": layer.row,
        "name": name,
        "channels": channels,
        "of": of,
        "shape": list(values.shape[1:]),
        "signed": signed,
        "limits": limits.tolist(),
        "sheets": [png_address(level.reshape(-1, level.shape[2])) for level in levels],
        "strongest": np.stack(np.unravel_index(flat, values.shape[2:]), axis=-1).tolist(),
        "across": across,
        "patches": [
            {
                "sheet": photo_address(_sheets(layer.found[channel], across, side)),
                "from": [
                    [float(f"{top.activation:.4g}"), top.name] for top in layer.found[channel]
                ],
            }
            for channel in channels
        ],
    }


def _sheets(tops: Sequence, across: int, side: int) -> np.ndarray:
    """The patches, and beside them their projections, in rows of ``across``, a grey edge around."""
    cell = side + 2
    sheets = np.full((2, across, cell, across, cell, 3), GREY, np.uint8)
    for number, top in enumerate(tops):
        if np.shape(top.patch) != np.shape(top.projection) or np.shape(top.patch)[2:] != (3,):
            raise ValueError(
                f"patch {number} of channel {top.channel}: shape {np.shape(top.patch)}, projection "
                f"{np.shape(top.projection)}: expected both, (h, w, 3)"
            )
        if np.asarray(top.patch).dtype != np.uint8:
            raise ValueError(
                f"patch {number} of channel {top.channel} is {np.asarray(top.patch).dtype}: "
                "expected uint8"
            )
        row, column = divmod(number, across)
        projection = _in_colour(_fitted(np.asarray(top.projection, np.float32), side, 0))
        for half, pixels in enumerate((_fitted(np.asarray(top.patch), side, GREY), projection)):
            sheets[half, row, 1:-1, column, 1:-1] = pixels
    patches, projections = sheets.reshape(2, across * cell, across * cell, 3)
    return np.concatenate([patches, projections], axis=1)


def _in_colour(values: np.ndarray) -> np.ndarray:
    """Signed values as uint8: 0 is grey. Of what is not 0, the largest hundredth is cut off."""
    magnitudes = np.abs(values[values != 0])
    limit = np.quantile(magnitudes, 0.99) if len(magnitudes) else 1.0
    return np.rint(GREY + 127 * np.clip(values / limit, -1, 1)).astype(np.uint8)


def _fitted(pixels: np.ndarray, side: int, around: float) -> np.ndarray:
    """As large as fits into a square, in its middle; small ones show their pixels."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
    square = np.full((side, side, 3), around, pixels.dtype)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    for colour in range(3):
        plane = np.ascontiguousarray(pixels[:, :, colour])
        small = np.asarray(Image.fromarray(plane).resize(size, how))
        square[top : top + size[1], left : left + size[0], colour] = small
    return square


def _across(count: int) -> int:
    """Patches in a row of a sheet."""
    return math.ceil(math.sqrt(count))


def _linked(address: str, x: float, y: float, width: float, height: float) -> str:
    return (
        f'<image x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'preserveAspectRatio="none" href="{address}"/>'
    )


def _listed(words) -> str:
    words = list(words)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
