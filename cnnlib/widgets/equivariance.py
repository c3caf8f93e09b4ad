"""Move a picture under a layer: is the moved picture's map the moved map?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnlib.widgets import svg
from cnnlib.widgets.equivariance_sums import (
    ANGLES,
    BORDERS,
    FARTHEST,
    KERNELS,
    MOVES,
    PERCENTS,
    POOL_SIZES,
    POOLS,
    SIDE,
    STRIDES,
    report,
)
from cnnlib.widgets.pictures import pack, unpack
from cnnlib.widgets.pixels import PALETTES, Scale, palette
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import fixed_point

CELL, GAP = 4, 16  # of the still picture: a pixel, and between two maps


class Equivariance(TeachingWidget, stem="equivariance"):
    """A picture x, a move g and a small stack f: f(g(x)), g(f(x)), and their difference.

    What it teaches: a convolution is equivariant to shifts, to the bit, but for what comes in over
    the border; with a stride only to shifts by whole cells. Turning and scaling are another matter.

    ``pictures``: a name and an array of greys, uint8 (36, 36), for each; two drawings if none are
    given. The stack is one 3×3 convolution (``kernel``, of ``KERNELS``; ``stride``, 1 to 3;
    ``border``, "zero", "none" or "circular"), a ReLU if ``relu``, and a pool ("none", "max" or
    "mean", ``pool_size`` 2 to 4, ``pool_stride`` 1 to 3). The move is a "shift" (``down`` and
    ``right``, -18 to 18 pixels), a "turn" (``angle``, anticlockwise in steps of 15 degrees) or a
    "scale" (``percent``, 50 to 200 in tens): ``move`` says which.

    All of these can be set and observed; what does not exist raises ``ChoiceError``. Raises
    ``ValueError`` for no pictures, and for one of another shape or type.
    """

    picture = Choice()
    kernel = Choice()
    stride = Choice()
    border = Choice()
    relu = Choice()
    pool = Choice()
    pool_size = Choice()
    pool_stride = Choice()
    move = Choice()
    down = Choice()
    right = Choice()
    angle = Choice()
    percent = Choice()

    def __init__(
        self,
        pictures: Mapping[str, np.ndarray] | None = None,
        *,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: Any,
    ) -> None:
        pictures = draw_pictures() if pictures is None else pictures
        if not pictures:
            raise ValueError("pictures={}: expected at least one")
        for name, pixels in pictures.items():
            if np.shape(pixels) != (SIDE, SIDE) or np.asarray(pixels).dtype != np.uint8:
                raise ValueError(
                    f"pictures[{name!r}]: {np.asarray(pixels).dtype} of shape {np.shape(pixels)}: "
                    f"expected uint8, ({SIDE}, {SIDE})"
                )
        entries = [{"name": str(n), **pack(np.asarray(p))} for n, p in pictures.items()]
        first = {"picture": entries[0]["name"], **FIRST}
        names = {"kernel": [*KERNELS], "border": [*BORDERS], "pool": [*POOLS], "move": [*MOVES]}
        fixed = {"pictures": entries, "palettes": PALETTES, "names": names}
        super().__init__(fixed, first, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        s.one_of("picture", [entry["name"] for entry in fixed["pictures"]])
        s.one_of("kernel", fixed["names"]["kernel"])
        s.whole("stride", *STRIDES)
        s.one_of("border", fixed["names"]["border"])
        s.flag("relu")
        s.one_of("pool", fixed["names"]["pool"])
        s.whole("pool_size", *POOL_SIZES)
        s.whole("pool_stride", *STRIDES)
        s.one_of("move", fixed["names"]["move"])
        s.whole("down", -FARTHEST, FARTHEST)
        s.whole("right", -FARTHEST, FARTHEST)
        s.one_of("angle", ANGLES)
        s.one_of("percent", PERCENTS)
        return s.done()

    def report(self) -> dict:
        """Both orders: see :func:`cnnlib.widgets.equivariance_sums.report`."""
        entries = {entry["name"]: entry for entry in self.fixed["pictures"]}
        return report(unpack(entries[self.picture]), self.chosen())

    def verdict(self, told: dict) -> str:
        """What a report says of this state, in a sentence or two."""
        return self.words(
            f"verdict.{told['kind']}",
            step=told["step"],
            angle=self.angle,
            percent=self.percent,
            inside=int(told["inside"].sum()),
            differing=told["differing"],
            largest=_number(told["largest"]),
            control=_number(told["control"] or 0),
            share=_share(told["largest_inside"] or 0, told["reach"]),
        )

    def text_alternative(self) -> str:
        told, say = self.report(), self.words
        names = {name: say(f"{name}.{getattr(self, name)}") for name in ("kernel", "border")}
        words = [say("alt.stack", stride=self.stride, **names)]
        if self.relu:
            words.append(say("alt.relu"))
        if self.pool != "none":
            sizes = {"size": self.pool_size, "stride": self.pool_stride}
            words.append(say(f"alt.pool.{self.pool}", **sizes))
        move = {name: getattr(self, name) for name in ("down", "right", "angle", "percent")}
        words += [say(f"alt.{self.move}", **move), self.verdict(told)]
        return " ".join([*words, say("alt.largest", largest=_number(told["largest"]))])

    def still_picture(self) -> str:
        """The moved picture, both orders, and their difference on the same scale."""
        told = self.report()
        maps, side = told["maps"], CELL * SIDE
        scale = Scale(-told["reach"], told["reach"], signed=True)
        parts = []
        for number, name in enumerate(("moved", "moved_first", "moved_last", "difference")):
            values, x = maps[name], number * (side + GAP)
            pixels = (
                np.rint(values).astype(np.uint8)
                if name == "moved"
                else palette(signed=True)[scale.levels(values)]
            )
            parts.append(svg.element("text", self.words(f"still.{name}"), x=x, y=12, font_size=12))
            parts.append(svg.pixels(pixels, x, 18, side, side))
        drawing = svg.drawing(4 * side + 3 * GAP, side + 20, *parts)
        largest = self.words("alt.largest", largest=_number(told["largest"]))
        return drawing + svg.paragraph(f"{self.verdict(told)} {largest}")


FIRST = {
    "kernel": "edge",
    "stride": 1,
    "border": "zero",
    "relu": False,
    "pool": "none",
    "pool_size": 2,
    "pool_stride": 2,
    "move": "shift",
    "down": 0,
    "right": 0,
    "angle": 0,
    "percent": 100,
}


def draw_pictures() -> dict[str, np.ndarray]:
    """Two drawings: one with empty edges, and one that goes on behind them."""
    letter = np.zeros((SIDE, SIDE), dtype=np.uint8)
    for rows, columns in (((7, 29), (11, 15)), ((7, 11), (11, 26)), ((16, 20), (11, 22))):
        letter[slice(*rows), slice(*columns)] = 255
    blocks = np.full((SIDE, SIDE), 60, dtype=np.uint8)
    for rows, columns, grey in (
        ((0, 13), (0, 9), 200),
        ((5, 17), (15, 28), 140),
        ((22, 36), (5, 14), 255),
        ((26, 31), (19, 36), 0),
    ):
        blocks[slice(*rows), slice(*columns)] = grey
    return {"F": letter, "blocks": blocks}


def _number(value: float) -> str:
    """In two decimals at most."""
    text = fixed_point(value, 2)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _share(value: float, reach: float) -> str:
    return fixed_point(100 * value / reach) if reach else "0"
