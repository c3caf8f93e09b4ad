"""A network's feature maps on chosen images, with what the unit under the pointer saw."""

from collections.abc import Mapping, Sequence

import numpy as np

from cnnlib.rows import LayerTrace, check_rows, seen_by
from cnnlib.widgets import svg
from cnnlib.widgets.maps import checked_images, checked_maps, draw_maps, draw_window
from cnnlib.widgets.pictures import pack, png_address
from cnnlib.widgets.pixels import PALETTES, Scale
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import span

MOST_IN_PICTURE = 128  # channels; the still picture says so where a layer has more


class FeatureMaps(TeachingWidget, stem="feature_maps", shared=("maps",)):
    """Every layer's maps on a chosen image; pick a unit and see the window that it saw.

    What it teaches: a feature map is a picture of *where* a channel found what it looks for. The
    deeper the layer, the fewer the places, and the more of the image each of them has seen.

    ``rows``: those of :func:`cnnlib.trace.trace`, all of them, for windows are followed through
    them. ``maps``: row number -> what that row put out, numbers of shape (images, C, H, W) or
    (images, C). ``images``: what the network saw, uint8 of shape (images, H, W) or
    (images, H, W, 3), of the size that was traced. ``titles``: a few words for each image.

    ``names``: row number -> what to call it (else the row's name). ``scores``: numbers
    (images, classes), the largest wins, with ``categories`` naming the classes. ``reads``: row
    number -> which channels of the shown row below each channel reads: a list of lists, or "all"
    (as a full convolution does), or "own" (channel k reads channel k, as a pooling does). Rows
    without it show nothing of the row below, for the trace does not know. ``columns``: row
    number -> how many channels to set side by side.

    A layer's values are stored as bytes, on one scale for all its channels and images: from 0 to
    its largest value or, where some are negative, from minus to plus its largest magnitude. A value
    shown is thus within 1/510 or 1/254 of that limit of the true one.

    What the reader chooses can be set and observed: ``image``, ``layer`` (a row number),
    ``channel`` and ``unit`` ([row, column]; [0, 0] in a vector). Another layer keeps the channel's
    number, where it has it, and the unit's place over the image.

    Raises ``ValueError`` where arrays and rows do not fit together.
    """

    image = Choice()
    layer = Choice()
    channel = Choice()
    unit = Choice()

    def __init__(
        self,
        rows: Sequence[LayerTrace],
        maps: Mapping[int, np.ndarray],
        images: np.ndarray,
        titles: Sequence[str],
        *,
        names: Mapping[int, str] | None = None,
        scores: np.ndarray | None = None,
        categories: Sequence[str] | None = None,
        reads: Mapping[int, str | Sequence[Sequence[int]]] | None = None,
        columns: Mapping[int, int] | None = None,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: int | Sequence[int],
    ) -> None:
        check_rows(rows)
        pixels = checked_images(images, rows)
        if len(titles) != len(pixels):
            raise ValueError(f"titles: {len(titles)} for {len(pixels)} images, expected one each")
        if not maps:
            raise ValueError("maps: expected the output of one row or more, found none")
        for option, given in (("names", names), ("reads", reads), ("columns", columns)):
            for row in set(given or {}) - set(maps):
                raise ValueError(f"{option}: row {row} is not among the rows of maps")
        self._rows, self._images, self._levels = tuple(rows), pixels, {}
        shown: list[dict] = []
        for row in sorted(maps):
            values = checked_maps(maps[row], row, rows, len(pixels))
            scale = _scale(values)
            self._levels[row] = scale.levels(values)
            below = _shown_below(rows, row, shown)
            read = (reads or {}).get(row)
            shown.append(
                {
                    "row": row,
                    "name": (names or {}).get(row, rows[row].name),
                    "columns": (columns or {}).get(row),
                    "below": None if below is None else below["row"],
                    "reads": None if read is None else _checked_reads(read, row, values, below),
                    "scale": scale._asdict(),
                    "levels": pack(self._levels[row]),
                }
            )
        scores, categories = _checked_scores(scores, categories, len(pixels))
        layer = next((row for row in self._levels if row == chosen.get("layer")), shown[0]["row"])
        super().__init__(
            {
                "rows": [row.to_json() for row in rows],
                "maps": shown,
                "images": pack(pixels),
                "titles": [str(title) for title in titles],
                "scores": scores,
                "categories": categories,
                "palettes": PALETTES,
            },
            {
                "image": 0,
                "layer": layer,
                "channel": 0,
                "unit": [size // 2 for size in rows[layer].map_shape],
            },
            chosen,
            language=language,
            hidden=hidden,
        )

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        sizes = {shown["row"]: shown["levels"]["shape"][1:] for shown in fixed["maps"]}
        s.whole("image", 0, len(fixed["titles"]) - 1)
        layer = s.one_of("layer", list(sizes))
        channels, *size = sizes[layer]
        if layer != present["layer"]:  # over the same place of the image
            places = zip(present["unit"], size, sizes[present["layer"]][1:], strict=True)
            s.take("unit", [(2 * index + 1) * now // (2 * before) for index, now, before in places])
        s.whole("channel", 0, channels - 1)
        s.place("unit", size)
        return s.done()

    def text_alternative(self) -> str:
        shown, say = self._shown(), self.words
        _, channels, height, width = shown["levels"]["shape"]
        rows, columns = seen_by(self._rows, self.layer, self.unit)[-1]
        row, column = self.unit
        words = [
            say(
                "alt.vector" if (height, width) == (1, 1) else "alt.maps",
                name=shown["name"],
                count=channels,
                height=height,
                width=width,
                title=self.fixed["titles"][self.image],
            ),
            say(
                "alt.unit",
                place=say("kit.at", row=row, column=column),
                channel=self.channel,
                value=self._value(),
                rows=span(say, "row", rows),
                columns=span(say, "column", columns),
            ),
        ]
        if self.fixed["scores"]:
            scores = self.fixed["scores"][self.image]
            winner = self.fixed["categories"][scores.index(max(scores))]
            words.append(say("alt.answer", name=winner))
        return " ".join(words)

    def still_picture(self) -> str:
        shown, say = self._shown(), self.words
        pixels, scale = self._images[self.image], Scale(**shown["scale"])
        seen = seen_by(self._rows, self.layer, self.unit)[-1]
        left, low = draw_window(png_address(pixels), pixels.shape[:2], seen)
        first = self.channel // MOST_IN_PICTURE * MOST_IN_PICTURE
        every = self._levels[self.layer][self.image]
        some = every[first : first + MOST_IN_PICTURE]
        right, lower = draw_maps(
            some, scale.signed, self.channel - first, self.unit, shown["columns"]
        )
        words = [
            say(
                "still.some" if len(some) < len(every) else "still.maps",
                title=self.fixed["titles"][self.image],
                name=shown["name"],
                first=first,
                last=first + len(some) - 1,
                count=len(every),
            ),
            say(
                "still.signed" if scale.signed else "still.positive", limit=scale.write(scale.high)
            ),
            say("still.outlined", channel=self.channel),
        ]
        return svg.drawing(640, max(low, lower) + 2, left, right) + svg.paragraph(" ".join(words))

    def _shown(self) -> dict:
        """The chosen layer's entry among the ``maps`` of ``fixed``."""
        return next(shown for shown in self.fixed["maps"] if shown["row"] == self.layer)

    def _value(self) -> str:
        """The chosen unit's value, as exact as its byte holds it."""
        scale = Scale(**self._shown()["scale"])
        level = self._levels[self.layer][self.image, self.channel, *self.unit]
        return scale.write(float(scale.values(level)))


def _scale(values: np.ndarray) -> Scale:
    """One scale for all channels and images."""
    limit, signed = float(np.abs(values).max()), bool(values.min() < 0)
    return Scale(-limit if signed else 0.0, limit, signed)


def _shown_below(rows: Sequence[LayerTrace], row: int, shown: list[dict]) -> dict | None:
    """The nearest shown layer that ``row`` reads, through rows that are not shown; else None."""
    entries = {entry["row"]: entry for entry in shown}
    reached = set(rows[row].inputs)
    while reached and max(reached) >= 0:
        nearest = max(reached)
        if nearest in entries:
            return entries[nearest]
        reached = reached - {nearest} | set(rows[nearest].inputs)
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
