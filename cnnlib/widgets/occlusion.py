"""Drag a cover over a photograph and read what a network says of the rest."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from traitlets import Dict

from cnnlib.widgets import svg
from cnnlib.widgets.occlusion_scans import (
    BEST,
    SHARES,
    OccludedPhotograph,
    Scan,
    checked_photograph,
    checked_shares,
)
from cnnlib.widgets.pictures import unpack
from cnnlib.widgets.pixels import PALETTES, Scale, palette, rgb
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.widget import Choice, TeachingWidget

__all__ = ["MAPS", "OccludedPhotograph", "Occlusion", "Scan"]

MAPS = ("probability", "activity", "labels")

# The label map's colours: the true class, the others by how many places they have, and grey for the
# rest. Letters say the same.
LABELS = ("#f2d16b", "#7fb2e5", "#f0955a", "#7cc796", "#dba0d3", "#a6e3e9", "#c9a68a", "#a9aef0")
OTHERS = "#c8ccd1"
NAMED = 6  # winners that are named in words


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
    kernel it goes to any pixel that the grid reaches: ``respond(photograph, size, top, left)`` gets
    the photograph's number, the occluder's (height, width) and its corner, and gives the
    probability of each of the categories there. If it raises, the page says so and shows the
    nearest place of the grid.

    What the reader chooses can be set and observed: ``photograph`` and ``occluder`` (numbers),
    ``shown`` (one of ``MAPS``) and ``place`` ([top, left], in pixels of the network's input). Where
    another photograph or occluder is chosen alone, the cover's middle stays where it is, as nearly
    as the grid allows.

    Raises ``ValueError`` where arrays and records do not fit together.
    """

    answer = Dict().tag(sync=True)  # what respond gave, and for which place

    photograph = Choice()
    occluder = Choice()
    shown = Choice()
    place = Choice()

    def __init__(
        self,
        photographs: Sequence[OccludedPhotograph],
        categories: Sequence[str],
        *,
        layer: str = "",
        respond: Callable[[int, tuple[int, int], int, int], Any] | None = None,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: Any,
    ) -> None:
        if not photographs:
            raise ValueError("photographs: expected at least one, found none")
        self._categories = [str(name) for name in categories]
        entries = [
            checked_photograph(given, self._categories, f"photographs[{number}]")
            for number, given in enumerate(photographs)
        ]
        fixed = {
            "photographs": entries,
            "layer": str(layer),
            "palettes": PALETTES,
            "labels": [*LABELS, OTHERS],
            "live": respond is not None,
        }
        scan = entries[0]["scans"][0]
        middle = [places[len(places) // 2] for places in (scan["tops"], scan["lefts"])]
        first = {"photograph": 0, "occluder": 0, "shown": MAPS[0], "place": middle}
        super().__init__(fixed, first, chosen, language=language, hidden=hidden)
        if respond is not None:
            self._targets = [int(given.target) for given in photographs]
            self._respond = respond
            self.observe(lambda change: self._ask(), ["photograph", "occluder", "place"])
            self._ask()

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        photographs = fixed["photographs"]
        photograph = photographs[s.whole("photograph", 0, len(photographs) - 1)]
        scan = photograph["scans"][s.whole("occluder", 0, len(photograph["scans"]) - 1)]
        s.one_of("shown", [name for name in MAPS if scan[name] is not None])
        wanted = s.wanted("place")
        corner = s.place("place", photograph["size"])
        moved = any(s.state[name] != present[name] for name in ("photograph", "occluder"))
        moved = moved and not s.asks("place")
        if moved:
            corner = _carried(present["place"], *_view(present, fixed), photograph, scan)
        free = fixed["live"] and not moved
        place = _inside(corner, photograph, scan) if free else _nearest(corner, scan)
        s.take("place", place)
        if place != wanted:
            s.refuse("place", "place.expected", top=place[0], left=place[1])
        return s.done()

    def _ask(self) -> None:
        """Have ``respond`` say what the network says with the cover at this very place."""
        where = {name: getattr(self, name) for name in ("photograph", "occluder", "place")}
        if where.items() <= self.answer.items():
            return
        try:
            _, scan = self._view()
            given = self._respond(self.photograph, tuple(scan["size"]), *self.place)
            shares = checked_shares(given, (len(self._categories),), "respond(...)")
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
        place = _nearest(self.place, self._view()[1])
        return {**super().page_state(), "fixed": {**self.fixed, "live": False}, "place": place}

    def map_in_words(self) -> str:
        """What the shown map shows, for those who do not see it."""
        photograph, scan = self._view()
        found, starts = scan[self.shown], (scan["tops"], scan["lefts"])
        cover = {"size": _times(*scan["size"]), "grid": _times(*map(len, starts))}
        if self.shown == "labels":
            counts = zip(scan["names"], scan["counts"], strict=True)
            winners = [self.words("winner", name=name, count=n) for name, n in counts if n]
            more, places = len(winners) - NAMED, sum(scan["counts"])
            key, named = "alt.labels.more" if more > 0 else "alt.labels", ", ".join(winners[:NAMED])
            return self.words(key, winners=named, more=more, places=places, **cover)
        values, ends = _values(found), {"clean": self._written(found["clean"])}
        for end, find in (("least", np.argmin), ("most", np.argmax)):
            place = np.unravel_index(find(values), values.shape)
            ends[end] = self._written(values[place])
            corner = [own[i] for own, i in zip(starts, place, strict=True)]
            ends[f"{end}_rows"], ends[f"{end}_columns"] = self._covered(corner)
        return self.words(f"alt.{self.shown}", target=photograph["target"], **ends, **cover)

    def text_alternative(self) -> str:
        photograph, _ = self._view()
        return self.words(
            "alt",
            title=photograph["title"],
            target=photograph["target"],
            map=self.map_in_words(),
            here=self._here(),
        )

    def still_picture(self) -> str:
        photograph, scan = self._view()
        height, width = photograph["size"]
        scale = 310 / max(height, width)
        top, left = _nearest(self.place, scan)
        cover = svg.element(
            "rect",
            x=2 + scale * left,
            y=2 + scale * top,
            width=scale * min(scan["size"][1], width - left),
            height=scale * min(scan["size"][0], height - top),
            fill=f"rgb({','.join(map(str, scan['fill']))})",
            stroke="#000",
            stroke_width=2,
        )
        size = {"width": scale * width, "height": scale * height}
        low, high, _ = scan[self.shown].get("scale", SHARES._asdict()).values()
        words = self.words(
            f"still.{self.shown}",
            map=self.map_in_words(),
            here=self._here(),
            low=self._written(low),
            high=self._written(high),
        )
        return svg.drawing(
            640,
            round(scale * height + 4),
            svg.image(photograph["address"], x=2, y=2, **size),
            cover,
            svg.pixels(self._painted(), x=328, y=2, **size),
        ) + svg.paragraph(words)

    def _view(self) -> tuple[dict, dict]:
        """The chosen photograph and the chosen scan of it."""
        return _view(self.chosen(), self.fixed)

    def _here(self) -> str:
        """What the map says at the cover's place."""
        photograph, scan = self._view()
        corner = _nearest(self.place, scan)
        i, j = scan["tops"].index(corner[0]), scan["lefts"].index(corner[1])
        rows, columns = self._covered(corner)
        return self.words(
            "alt.here",
            rows=rows,
            columns=columns,
            said=scan["names"][unpack(scan["labels"])[i, j]],
            target=photograph["target"],
            share=per_cent(self.words, _values(scan["probability"])[i, j]),
        )

    def _covered(self, corner: Sequence[int]) -> list[str]:
        """The rows and the columns under the cover, in words."""
        photograph, scan = self._view()
        return [
            self.words("range", first=start, last=min(start + length, whole) - 1)
            for start, length, whole in zip(corner, scan["size"], photograph["size"], strict=True)
        ]

    def _written(self, value: float) -> str:
        """A value of the shown map."""
        if self.shown != "activity":
            return per_cent(self.words, value)
        return Scale(**self._view()[1]["activity"]["scale"]).write(value)

    def _painted(self) -> np.ndarray:
        """The shown map, uint8 (height, width, 3) of the network's input; white where no place."""
        photograph, scan = self._view()
        if self.shown == "labels":
            colours = [rgb(colour) for colour in LABELS] + [rgb(OTHERS)]
            cells = np.array(colours)[unpack(scan["labels"]).clip(max=len(LABELS))]
        else:
            cells = palette(False)[unpack(scan[self.shown]["levels"])]
        painted = np.full((*photograph["size"], 3), 255, np.uint8)
        rows, columns = (np.rint(scan[key]).astype(int) for key in ("row_edges", "column_edges"))
        spread = cells.repeat(np.diff(rows), axis=0).repeat(np.diff(columns), axis=1)
        painted[rows[0] : rows[-1], columns[0] : columns[-1]] = spread
        return painted


def _times(one: int, other: int) -> str:
    return f"{one} × {other}"


def per_cent(say: Callable[..., str], share: float) -> str:
    """Whole per cents; a byte cannot tell 0 and 100 from what is near them."""
    if share < 0.005:
        return say("share.under")
    if share >= 0.995:
        return say("share.over")
    return say("share", percent=math.floor(100 * share + 0.5))


def _values(map_: dict) -> np.ndarray:
    """What the bytes of a map stand for."""
    return Scale(**map_["scale"]).values(unpack(map_["levels"]))


# ---- Places; occlusion_sums.js has the twins.


def _view(state: Mapping[str, Any], fixed: Mapping[str, Any]) -> tuple[dict, dict]:
    photograph = fixed["photographs"][state["photograph"]]
    return photograph, photograph["scans"][state["occluder"]]


def _carried(
    corner: Sequence[int], photograph: dict, scan: dict, to_photograph: dict, to_scan: dict
) -> list[int]:
    """The corner of another cover with its middle at the same part of another photograph."""
    return [
        math.floor((start + length / 2) / whole * to_whole - to_length / 2 + 0.5)
        for start, length, whole, to_length, to_whole in zip(
            corner,
            scan["size"],
            photograph["size"],
            to_scan["size"],
            to_photograph["size"],
            strict=True,
        )
    ]


def _nearest(corner: Sequence[int], scan: dict) -> list[int]:
    """The place of the grid that is nearest to a corner."""
    return [
        min(scan[key], key=lambda start, at=at: abs(start - at))
        for key, at in zip(("tops", "lefts"), corner, strict=True)
    ]


def _inside(corner: Sequence[int], photograph: dict, scan: dict) -> list[int]:
    """The nearest corner that the grid reaches, or that leaves the cover inside the picture."""
    return [
        min(start, max(scan[key][-1], whole - length))
        for key, start, length, whole in zip(
            ("tops", "lefts"), corner, scan["size"], photograph["size"], strict=True
        )
    ]
