"""One picture and what augmentation makes of it: every distortion with its amounts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnlib.widgets import svg
from cnnlib.widgets.augmentation_sums import (
    AMOUNTS,
    PARTS,
    SEEDS,
    SIDE,
    Distorted,
    changes_something,
    distort,
    draw_part,
    with_grid,
    without,
)
from cnnlib.widgets.pictures import pack, unpack
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import fixed_point

SHOWN, GAP = 192, 20  # of the still picture


class AugmentationExplorer(TeachingWidget, stem="augmentation"):
    """A picture beside its distorted copy; each amount is chosen, or drawn as in a training.

    What it teaches: what each distortion does and how far; that a draw is a handful of numbers;
    which copies still show what the label says.

    ``pictures``: a name and an array of colours, uint8 (96, 96, 3), for each. ``axes``: the
    variances (3,) and directions (3, 3), a column each, of the colours of a training set whose
    values go from 0 to 1: :func:`cnnlib.train.find_colour_axes` finds them.

    ``part``, of ``PARTS``, is which sliders are shown; ``mirror`` is a flag, the other amounts are
    the whole numbers of ``AMOUNTS``; ``seed``, 0 to 999, is that of the last draw and of the
    warp's field; ``grid`` draws lines on the picture, so that they are distorted with it.

    All of these can be set and observed; what does not exist raises ``ChoiceError``. Raises
    ``ValueError`` for no pictures, and for pictures or axes of another shape or type.
    """

    picture = Choice()
    part = Choice()
    seed = Choice()
    grid = Choice()
    mirror = Choice()
    crop_size = Choice()
    top = Choice()
    left = Choice()
    right = Choice()
    down = Choice()
    angle = Choice()
    shear = Choice()
    zoom = Choice()
    strength = Choice()
    smoothness = Choice()
    red = Choice()
    green = Choice()
    blue = Choice()
    alpha1 = Choice()
    alpha2 = Choice()
    alpha3 = Choice()
    brightness = Choice()
    contrast = Choice()
    saturation = Choice()

    def __init__(
        self,
        pictures: Mapping[str, np.ndarray],
        axes: tuple[Sequence[float], Sequence[Sequence[float]]],
        *,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: Any,
    ) -> None:
        if not pictures:
            raise ValueError("pictures={}: expected at least one")
        for name, pixels in pictures.items():
            if np.shape(pixels) != (SIDE, SIDE, 3) or np.asarray(pixels).dtype != np.uint8:
                raise ValueError(
                    f"pictures[{name!r}]: {np.asarray(pixels).dtype} of shape {np.shape(pixels)}: "
                    f"expected uint8, ({SIDE}, {SIDE}, 3)"
                )
        variances, directions = (np.asarray(part, dtype=float) for part in axes)
        if variances.shape != (3,) or directions.shape != (3, 3) or (variances < 0).any():
            raise ValueError(
                f"axes of shapes {variances.shape} and {directions.shape}: expected 3 variances "
                "of 0 or more, and 3 directions in the columns of (3, 3)"
            )
        # A direction and its opposite are one axis: take the one whose largest part is above 0.
        largest = directions[np.abs(directions).argmax(axis=0), range(3)]
        directions = directions * np.where(largest < 0, -1, 1)
        entries = [{"name": str(n), **pack(np.asarray(p))} for n, p in pictures.items()]
        fixed = {
            "pictures": entries,
            "parts": list(PARTS),
            "axes": {"variances": variances.tolist(), "directions": directions.tolist()},
        }
        first = {"picture": entries[0]["name"], "part": "frame", "seed": 0, "grid": False}
        first |= {name: value for part in PARTS for name, value in without(part).items()}
        super().__init__(fixed, first, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        s.one_of("picture", [entry["name"] for entry in fixed["pictures"]])
        s.one_of("part", fixed["parts"])
        s.whole("seed", *SEEDS)
        s.flag("mirror")
        s.flag("grid")
        for name, amount in AMOUNTS.items():
            if name in ("top", "left"):
                s.whole(name, amount.least, SIDE - s.state["crop_size"])
            elif amount.step == 1:
                s.whole(name, amount.least, amount.most)
            else:
                s.one_of(name, list(range(amount.least, amount.most + 1, amount.step)))
        return s.done()

    def draw_another(self, *parts: str) -> None:
        """The next seed, and the amounts of these parts (all without any) as it has them."""
        seed = (self.seed + 1) % (SEEDS[1] + 1)
        changes: dict[str, Any] = {"seed": seed}
        for part in parts or PARTS:
            changes |= draw_part(part, seed, self.chosen())
        self.choose(**changes)

    def distorted(self) -> Distorted:
        """The copy: see :func:`cnnlib.widgets.augmentation_sums.distort`."""
        return distort(self._source(), self.chosen(), self.fixed["axes"])

    def _source(self) -> np.ndarray:
        entries = {entry["name"]: entry for entry in self.fixed["pictures"]}
        pixels = unpack(entries[self.picture])
        return with_grid(pixels) if self.grid else pixels

    def what_is_done(self, told: Distorted) -> str:
        """The distortions in force, in words."""
        state, say = self.chosen(), self.words
        found = [say("done.mirror")] if state["mirror"] else []
        if state["crop_size"] < SIDE:
            found.append(say("done.crop", size=state["crop_size"], top=state["top"],
                             left=state["left"]))  # fmt: skip
        for name in ("right", "down", "angle", "shear", "zoom"):
            if state[name] != AMOUNTS[name].none:
                found.append(say(f"done.{name}", value=state[name]))
        if state["strength"]:
            found.append(say("done.warp", moved=fixed_point(told.moved, 1)))
        for name in ("red", "green", "blue", "brightness", "contrast", "saturation"):
            if state[name] != AMOUNTS[name].none:
                found.append(say(f"done.{name}", value=state[name]))
        if changes_something("axes", state):
            red, green, blue = (fixed_point(value, 1) for value in told.added)
            found.append(say("done.axes", red=red, green=green, blue=blue))
        if not found:
            return say("done.nothing")
        text = say("done", what="; ".join(found))
        if told.clipped:
            text += " " + say("clipped", share=fixed_point(100 * told.clipped, 1))
        return text

    def text_alternative(self) -> str:
        return self.words("alt", name=self.picture, done=self.what_is_done(self.distorted()))

    def still_picture(self) -> str:
        told = self.distorted()
        parts = []
        for number, (key, pixels) in enumerate(
            (("original", self._source()), ("result", told.pixels))
        ):
            x = number * (SHOWN + GAP)
            parts.append(svg.element("text", self.words(key), x=x, y=13, font_size=13))
            parts.append(svg.pixels(pixels, x, 20, SHOWN, SHOWN))
        drawing = svg.drawing(2 * SHOWN + GAP, SHOWN + 22, *parts)
        return drawing + svg.paragraph(self.what_is_done(told))
