"""Inside a trained network: what a channel found in a photograph, and what it answers to most."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cnnlib.rows import LayerTrace, check_rows, seen_by
from cnnlib.widgets import svg
from cnnlib.widgets.maps import checked_images, checked_maps, draw_maps, draw_window
from cnnlib.widgets.pictures import photo_address, png_address
from cnnlib.widgets.pixels import PALETTES, Scale
from cnnlib.widgets.settling import Settled, Settling, State, is_whole, same
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import listed, span

GREY = 128  # between the patches of a sheet, and 0 in a projection


@dataclass(frozen=True, eq=False)
class UnitLayer:
    """What there is to see of one layer.

    ``row``: its number among the rows of :func:`cnnlib.trace.trace`. ``maps``: what it put out
    for each photograph, numbers of shape (photographs, C, H, W), or (photographs, C) in a layer
    without places.

    ``found``: the channels to show, and for each its strongest patches, strongest first, as
    ``cnnlib.inside.top_patches`` gives them: records with ``activation``, ``name`` (the picture's),
    ``patch``, uint8 (h, w, 3), and ``projection``, numbers of shape (h, w, 3), 0 where nothing
    matters. ``name``: what to call the layer, else the row's name.
    """

    row: int
    maps: np.ndarray
    found: Mapping[int, Sequence]
    name: str | None = None


class TrainedUnits(TeachingWidget, stem="trained_units", shared=("maps",)):
    """Choose photograph, layer and channel: the map, what the unit saw, the strongest patches.

    What it teaches: the deeper a channel, the larger and the more particular what it answers to.
    Its map says where it answered, its strongest patches what to, and their projections what in
    the patch it was.

    ``network``: its name. ``rows``: those of :func:`cnnlib.trace.trace`, all of them, for windows
    are followed through them. ``photographs``: as the network saw them, uint8 of shape
    (photographs, H, W, 3), of the size that was traced; ``titles``: a few words for each.
    ``shown``: a :class:`UnitLayer` for each layer to choose from. ``searched``: which pictures the
    patches come from, as "42 photographs".

    A channel's values are stored as bytes, on one scale for all photographs: from 0 to its largest
    or, in a layer where some are negative, from minus to plus its largest magnitude. A layer's maps
    for one photograph are one picture, and so are a channel's patches with their projections: the
    book's page loads those that are looked at. ``side``: pixels of a patch in it. In a projection
    grey is 0, and each has a scale of its own.

    What the reader chooses can be set and observed: ``photograph``, ``layer`` (a row number),
    ``channel`` (its number in the layer) and ``unit``: [row, column], or [] for the unit that
    answers most. Another layer begins with the channel at the same place of its list; another layer
    or photograph begins with the unit that answers most.

    Raises ``ValueError`` where arrays and rows do not fit together.
    """

    photograph = Choice()
    layer = Choice()
    channel = Choice()
    unit = Choice()

    def __init__(
        self,
        network: str,
        rows: Sequence[LayerTrace],
        photographs: np.ndarray,
        titles: Sequence[str],
        shown: Sequence[UnitLayer],
        *,
        searched: str,
        side: int = 72,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: int | Sequence[int],
    ) -> None:
        check_rows(rows)
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
        self._rows, self._size, self._levels = tuple(rows), pixels.shape[1:3], {}
        entries = []
        for layer in shown:
            self._levels[layer.row], entry = _entry(layer, rows, len(pixels), side)
            entries.append(entry)
        super().__init__(
            {
                "network": network,
                "rows": [row.to_json() for row in rows],
                "layers": entries,
                "photographs": [photo_address(image) for image in pixels],
                "titles": [str(title) for title in titles],
                "searched": searched,
                "palettes": PALETTES,
            },
            {
                "photograph": 0,
                "layer": entries[0]["row"],
                "channel": entries[0]["channels"][0],
                "unit": [],
            },
            chosen,
            language=language,
            hidden=hidden,
        )

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        entries = {entry["row"]: entry for entry in fixed["layers"]}
        photograph = s.whole("photograph", 0, len(fixed["titles"]) - 1)
        layer = s.one_of("layer", list(entries))
        channels, size = entries[layer]["channels"], entries[layer]["shape"][1:]
        if layer != present["layer"]:
            place = entries[present["layer"]]["channels"].index(present["channel"])
            s.take("channel", channels[min(place, len(channels) - 1)])
        s.one_of("channel", channels)
        another = layer != present["layer"] or photograph != present["photograph"]
        unit = [] if another and not s.asks("unit") else s.wanted("unit")
        if isinstance(unit, list) and len(unit) == 2 and all(is_whole(index) for index in unit):
            s.place("unit", size)
        else:
            s.take("unit", [])
            if not same(unit, []):
                s.refuse("unit", "unit.expected", sizes=" × ".join(map(str, size)))
        return s.done()

    def text_alternative(self) -> str:
        entry, place, say = self._shown(), self._place(), self.words
        row, column = self._unit()
        rows, columns = seen_by(self._rows, self.layer, (row, column))[-1]
        sources = list(dict.fromkeys(source for _, source in entry["patches"][place]["from"]))
        return " ".join(
            [
                say(
                    "alt.vector" if entry["shape"][1:] == [1, 1] else "alt.map",
                    network=self.fixed["network"],
                    name=entry["name"],
                    channel=self.channel,
                    place=say("kit.at", row=row, column=column),
                    title=self.fixed["titles"][self.photograph],
                ),
                say(
                    "alt.unit",
                    value=self._value(),
                    rows=span(say, "row", rows),
                    columns=span(say, "column", columns),
                ),
                say(
                    "alt.patches",
                    searched=self.fixed["searched"],
                    sources=listed(say, sources),
                ),
            ]
        )

    def still_picture(self) -> str:
        entry, place, say = self._shown(), self._place(), self.words
        seen = seen_by(self._rows, self.layer, self._unit())[-1]
        left, low = draw_window(self.fixed["photographs"][self.photograph], self._size, seen)
        levels = self._levels[self.layer][self.photograph]
        right, lower = draw_maps(levels, entry["signed"], place, self._unit())
        top = 10 + max(low, lower)
        sheet = svg.image(entry["patches"][place]["sheet"], 2, top, 440, 220)
        words = say(
            "still",
            network=self.fixed["network"],
            name=entry["name"],
            title=self.fixed["titles"][self.photograph],
            channels=listed(say, list(map(str, entry["channels"]))),
            channel=self.channel,
            searched=self.fixed["searched"],
        )
        return svg.drawing(640, top + 224, left, right, sheet) + svg.paragraph(words)

    def _shown(self) -> dict:
        """The chosen layer's entry among the ``layers`` of ``fixed``."""
        return next(entry for entry in self.fixed["layers"] if entry["row"] == self.layer)

    def _place(self) -> int:
        """Where the chosen channel stands among the shown ones."""
        return self._shown()["channels"].index(self.channel)

    def _unit(self) -> list[int]:
        """The chosen unit, or the strongest."""
        return self.unit or self._shown()["strongest"][self.photograph][self._place()]

    def _value(self) -> str:
        """The chosen unit's value, as exact as its byte holds it."""
        place = self._place()
        scale = Scale(**self._shown()["scales"][place])
        level = self._levels[self.layer][self.photograph, place, *self._unit()]
        return scale.write(float(scale.values(level)))


def _entry(
    layer: UnitLayer, rows: Sequence[LayerTrace], count: int, side: int
) -> tuple[np.ndarray, dict]:
    """A layer's levels, (photographs, K, H, W) uint8, and what the page gets of it."""
    values = checked_maps(layer.maps, layer.row, rows, count)
    name = layer.name or rows[layer.row].name
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
    limits = np.abs(values).max(axis=(0, 2, 3)).astype(np.float64).tolist()
    scales = [Scale(-limit if signed else 0.0, limit, signed) for limit in limits]
    levels = np.stack([s.levels(values[:, i]) for i, s in enumerate(scales)], axis=1)
    flat = values.reshape(*values.shape[:2], -1).argmax(axis=2)
    return levels, {
        "row": layer.row,
        "name": name,
        "channels": channels,
        "of": of,
        "shape": list(values.shape[1:]),
        "signed": signed,
        "scales": [scale._asdict() for scale in scales],
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
