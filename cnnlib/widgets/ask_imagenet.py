"""Cover, blur and shift a picture, and ask a network that runs in the page what it sees now."""

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlib.widgets import svg
from cnnlib.widgets.ask import (
    NETWORK,
    SIDE,
    AskedPhotograph,
    categories,
    checked_photographs,
    network_facts,
)
from cnnlib.widgets.live_widget import LiveWidget
from cnnlib.widgets.pixels import PALETTES
from cnnlib.widgets.settling import Settled, Settling
from cnnlib.widgets.widget import Choice
from cnnlib.widgets.words import fixed_point

FILLS = ("grey", "black", "mean", "blur")
SIZES = (8, 128)
STRIDES = (4, 64)
NOISE, BLUR, SHIFT = 80, 12, 64


class AskImagenet(LiveWidget, stem="ask_imagenet", shared=("ask",)):
    """A picture, a cover on it, and SqueezeNet 1.1 on the reader's own machine.

    What it teaches: what an answer rests on is found by experiment: cover, blur, shift, and ask
    again. The map of all covers is the experiment done at every place; a map belongs to its cover.

    ``photographs``: :class:`cnnlib.widgets.ask.AskedPhotograph` records. Readers can add a picture
    of their own, which is no part of the state.

    What can be set and observed: ``photograph`` (a number); ``noise`` (its standard deviation, 0 to
    80 greys), ``blur`` (a Gaussian's, 0 to 12 half pixels), ``down`` and ``right`` (-64 to 64
    pixels); ``covered``, and the cover's ``size`` (8 to 128 pixels), ``place`` ([top, left], inside
    the picture) and ``fill`` ("grey", the colour that becomes 0 at the network's input, "black",
    "mean", the picture's own, or "blur"); ``target``, the number of the class that is watched, -1
    for the one that wins uncovered; ``stride``, the map's step, 4 to 64 pixels.

    The page loads nothing before the reader asks for the network. Raises ``ValueError`` for
    photographs that do not fit.
    """

    networks = (NETWORK,)

    photograph = Choice()
    noise = Choice()
    blur = Choice()
    down = Choice()
    right = Choice()
    covered = Choice()
    size = Choice()
    place = Choice()
    fill = Choice()
    target = Choice()
    stride = Choice()

    def __init__(
        self,
        photographs: Sequence[AskedPhotograph],
        *,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: Any,
    ) -> None:
        names = categories()
        fixed = {
            **network_facts(),
            "photographs": checked_photographs(photographs, len(names)),
            "categories": names,
            "palettes": PALETTES,
        }
        super().__init__(fixed, FIRST, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(
        changes: Mapping[str, Any], present: Mapping[str, Any], fixed: Mapping[str, Any]
    ) -> Settled:
        s = Settling(changes, present)
        s.whole("photograph", 0, len(fixed["photographs"]) - 1)
        s.whole("noise", 0, NOISE)
        s.whole("blur", 0, BLUR)
        s.whole("down", -SHIFT, SHIFT)
        s.whole("right", -SHIFT, SHIFT)
        s.flag("covered")
        size = s.whole("size", *SIZES)
        s.place("place", [SIDE - size + 1] * 2)
        s.one_of("fill", FILLS)
        s.whole("target", -1, len(fixed["categories"]) - 1)
        s.whole("stride", *STRIDES)
        return s.done()

    def _answers(self) -> list[tuple[str, float]]:
        best = self.fixed["photographs"][self.photograph]["best"]
        return [(self.fixed["categories"][number], share) for number, share in best]

    def text_alternative(self) -> str:
        photograph = self.fixed["photographs"][self.photograph]
        listed = ", ".join(
            self.words("alt.answer", name=name, share=fixed_point(100 * share, 0))
            for name, share in self._answers()
        )
        return self.words("alt", title=photograph["title"], alt=photograph["alt"], answers=listed)

    def still_picture(self) -> str:
        """The photograph, uncovered, and the network's first five answers as bars."""
        side, wide = 230, 260
        parts = [svg.image(self.fixed["photographs"][self.photograph]["address"], 2, 2, side, side)]
        for row, (name, share) in enumerate(self._answers()):
            y, text = 20 + 44 * row, f"{name} · {fixed_point(100 * share, 0)} %"
            parts.append(
                svg.element("text", text, x=side + 20, y=y, font_size=13, fill="currentColor")
            )
            parts.append(
                svg.element(
                    "rect",
                    x=side + 20,
                    y=y + 6,
                    width=max(1.0, wide * share),
                    height=8,
                    fill="#2f81d6",
                )
            )
        drawing = svg.drawing(side + wide + 24, side + 4, *parts)
        return drawing + svg.paragraph(self.text_alternative())


FIRST = {
    "photograph": 0,
    "noise": 0,
    "blur": 0,
    "down": 0,
    "right": 0,
    "covered": False,
    "size": 56,
    "place": [86, 86],
    "fill": "grey",
    "target": -1,
    "stride": 19,
}
