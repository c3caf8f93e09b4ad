"""Stripes under a layer with a stride: what its answers look like, and how weak they can be."""

from collections.abc import Sequence

import numpy as np

from cnnlib.widgets import svg
from cnnlib.widgets.aliasing_sums import (
    PERIODS,
    PHASES,
    SIZES,
    SPAN,
    STAGES,
    STRIDES,
    answers,
    report,
    stripes,
)
from cnnlib.widgets.plots import INKS
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import fixed_point

SCALE = 8  # of the still picture, in units a pixel
MIDDLE, HALF = 130, 70  # of its plot


class Aliasing(TeachingWidget, stem="aliasing"):
    """A row of striped pixels, a filter that matches them, and the windows on which it stands.

    What it teaches: with windows a stride apart, stripes finer than two strides a period come out
    as coarser ones, or as none; the kernel's size has no part in that. And how strongly a single
    filter answers hangs on how many phases of the stripes the windows meet; a twin, a quarter of a
    period further on, answers where it is silent.

    ``period``: of the stripes, half or whole pixels from 2 to 24. ``phase``: how far they are moved
    to the right, in 24ths of a period. ``kernel_size``: odd, 3 to 15. ``stride``: 1 to 8. ``twin``:
    whether the sine filter stands beside the cosine. ``stage``: which answers are drawn, "signed",
    after the "relu", or after the "pool" behind it, 3 places with a stride of 2 as in
    :class:`cnnlib.models.AlexNet`. ``place``: the number of the window that is looked at.

    All of these can be set and observed; what does not exist raises ``ChoiceError``.
    """

    period = Choice()
    phase = Choice()
    kernel_size = Choice()
    stride = Choice()
    twin = Choice()
    stage = Choice()
    place = Choice()

    def __init__(
        self, *, language: str = "en", hidden: Sequence[str] = (), **chosen: float | bool | str
    ) -> None:
        super().__init__({}, FIRST, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        for name, options in (("period", PERIODS), ("kernel_size", SIZES)):
            if s.wanted(name) not in options:
                s.refuse(name, f"{name}.expected", least=options[0], most=options[-1])
            s.one_of(name, options)
        s.whole("phase", 0, PHASES)
        stride = s.whole("stride", *STRIDES)
        if stride != present["stride"] and not s.asks("place"):  # over the same pixel, or nearly
            s.take("place", present["place"] * present["stride"] // stride)
        s.whole("place", 0, SPAN // stride)
        s.flag("twin")
        s.one_of("stage", STAGES)
        return s.done()

    def report(self) -> dict:
        """The figures of the present state: see :func:`cnnlib.widgets.aliasing_sums.report`."""
        return report(self.period, self.kernel_size, self.stride)

    def text_alternative(self) -> str:
        told, say = self.report(), self.words
        words = [
            say(
                "alt.layer", period=_number(self.period), size=self.kernel_size, stride=self.stride
            ),
            say(
                f"verdict.{told['kind']}",
                period=_number(self.period),
                stride=self.stride,
                count=told["phases"],
                seen=_number(1 / abs(told["ghost"])) if told["ghost"] else "",
            ),
            say("alt.one", share=fixed_point(100 * told["kept"][0])),
        ]
        if self.twin:
            pair = told["kept"][1]
            words.append(
                say("undefined") if pair is None else say("alt.pair", share=fixed_point(100 * pair))
            )
        return " ".join(words)

    def still_picture(self) -> str:
        """The stripes, and below them the signed answers: dots on the wave that they lie on."""
        half = SIZES[-1] // 2
        pixels = np.arange(-half, SPAN + half + 1)
        grey = (stripes(pixels, self.period, self.phase) + 1) * 127.5
        picture = svg.pixels(np.round(grey).astype(np.uint8)[None], 0, 0, SCALE * len(pixels), 40)
        told = self.report()
        weights, most = told["filters"][0], told["strongest"][0]

        def points(places: np.ndarray, values: np.ndarray) -> list[tuple[float, float]]:
            across = (np.asarray(places, float) + half + 0.5) * SCALE
            return list(zip(across.tolist(), (MIDDLE - HALF * values / most).tolist(), strict=True))

        fine = np.arange(0, 4 * SPAN + 1) / 4
        places = np.arange(0, SPAN + 1, self.stride)
        met = points(places, answers(weights, places, self.period, self.phase))
        true = points(fine, answers(weights, fine, self.period, self.phase))
        slow = points(fine, most * np.cos(_turns(fine, told["ghost"], self.phase)))
        waves = [
            svg.element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in wave),
                        fill="none", stroke=INKS[ink], stroke_width=width)
            for wave, ink, width in ((true, "line", 1), (slow, "output", 2))
        ]  # fmt: skip
        dots = [svg.element("circle", cx=x, cy=y, r=4, fill=INKS["output"]) for x, y in met]
        drawing = svg.drawing(SCALE * len(pixels), MIDDLE + HALF + 8, picture, *waves, *dots)
        return drawing + svg.paragraph(self.words("still.words", stride=self.stride))


FIRST = {
    "period": 12,
    "phase": 0,
    "kernel_size": 11,
    "stride": 4,
    "twin": False,
    "stage": "signed",
    "place": 0,
}


def _turns(pixels: np.ndarray, frequency: float, phase: int) -> np.ndarray:
    return 2 * np.pi * (pixels * frequency - phase / PHASES)


def _number(value: float, decimals: int = 1) -> str:
    """In so many decimals at most."""
    text = fixed_point(value, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text
