"""Gradient descent walked on a map: a loss of two weights, its contours, and the path down."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from cnnlib.widgets import svg
from cnnlib.widgets.gradient_descent_sums import (
    EDGE,
    MOMENTA,
    NOISES,
    OPTIMISERS,
    OWN,
    PLACES,
    RATES,
    SEEDS,
    STARTS,
    STEPS,
    SURFACES,
    Path,
    Report,
    follow,
    height,
    lowest,
    report,
    slopes,
)
from cnnlib.widgets.plots import INKS, draw_plot
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import fixed_point

FINE = 61  # heights along each weight, of the still picture
LEVELS = 12  # contours


class GradientDescent(TeachingWidget, stem="gradient_descent"):
    """The loss as a map over two weights, the path of gradient descent on it, and the loss curve.

    ``heights``: the losses of a real network along two directions of its weights, at least 4 by 4
    of them, evenly spaced: ``heights[i][j]`` for the i-th second and the j-th first coordinate,
    both from -2 to 2. With them there is the surface ``"net"``, named ``title``.

    What the reader chooses can be set and observed. ``surface``: one of
    :data:`~cnnlib.widgets.gradient_descent_sums.SURFACES`. ``start``: [row, column] of a grid of 41
    by 41 places from -2 to 2, row 0 on top. ``optimiser``: "descent" or "adam". ``rate``,
    ``momentum`` (with Adam its first beta), ``noise``: values of :data:`RATES`, :data:`MOMENTA`,
    :data:`NOISES`. ``seed``: of the noise, 1 to 9. ``step``: how far the path is shown, 0 to 80.

    Raises ``ValueError`` for heights that are no such grid of finite numbers, and ``ChoiceError``
    for a choice that does not exist.
    """

    surface = Choice()
    start = Choice()
    optimiser = Choice()
    rate = Choice()
    momentum = Choice()
    noise = Choice()
    seed = Choice()
    step = Choice()

    def __init__(
        self,
        heights: Sequence[Sequence[float]] | None = None,
        *,
        title: str = "",
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: Any,
    ) -> None:
        fixed = {
            "surfaces": list(OWN if heights is None else SURFACES),
            "heights": None if heights is None else _checked(heights),
            "title": title,
        }
        surface = chosen.get("surface", "bowl")
        first = {
            "surface": "bowl",
            "start": STARTS.get(surface if isinstance(surface, str) else "", STARTS["bowl"]),
            "optimiser": "descent",
            "rate": 0.1,
            "momentum": 0,
            "noise": 0,
            "seed": 1,
            "step": STEPS,
        }
        super().__init__(fixed, first, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        s.one_of("surface", fixed["surfaces"])
        s.place("start", [PLACES, PLACES])
        s.one_of("optimiser", OPTIMISERS)
        s.one_of("rate", RATES)
        s.one_of("momentum", MOMENTA)
        s.one_of("noise", NOISES)
        s.whole("seed", *SEEDS)
        s.whole("step", 0, STEPS)
        return s.done()

    def path(self) -> Path:
        """The whole path of the present settings."""
        return follow(self.chosen(), self.fixed["heights"])

    def report(self) -> Report:
        """What the whole path is called."""
        return report(self.path(), self.chosen(), self.fixed["heights"])

    def verdict(self) -> str:
        """What the whole path is called, in sentences."""
        told, last = self.report(), len(self.path().points) - 1
        share = fixed_point(100 * told.left, 1 if told.left < 0.1 else 0)
        words = [self.words(f"verdict.{told.kind}", step=last, arrived=told.arrived, share=share)]
        if told.zigzag:
            words.append(self.words("verdict.zigzag", turns=told.turns, bends=told.bends))
        return " ".join(words)

    def text_alternative(self) -> str:
        surface = self.words(f"surface.{self.surface}")
        told = self.words(
            f"alt.{self.optimiser}",
            surface=surface,
            rate=_number(self.rate),
            momentum=_number(self.momentum),
            noise=_number(self.noise),
        )
        return f"{told} {self.verdict()}"

    def still_picture(self) -> str:
        picture = draw_plot(self._draw, 460, 430)
        return picture + svg.paragraph(self.text_alternative())

    def _draw(self, ax: Axes) -> None:
        ends = [EDGE * (2 * i / (FINE - 1) - 1) for i in range(FINE)]
        heights = self.fixed["heights"]
        map_ = [[height(self.surface, x, y, heights) for x in ends] for y in ends]
        low, high = lowest(self.surface, heights), max(map(max, map_))
        levels = [low + (high - low) * ((k + 1) / LEVELS) ** 3 for k in range(LEVELS - 1)]
        ax.grid(visible=False)
        ax.contour(ends, ends, map_, levels, colors=INKS["line"], linewidths=0.8)
        points = self.path().points[: self.step + 1]
        points = [[min(max(value, -5.0), 5.0) for value in point] for point in points]
        ax.plot(*zip(*points, strict=True), "o-", color=INKS["kernel"], markersize=3, linewidth=1.2)
        ax.plot(*points[0], "o", markersize=9, markerfacecolor="none", color=INKS["kernel"])
        ax.plot(*points[-1], "s", markersize=7, color=INKS["output"])
        ax.set(xlim=(-EDGE, EDGE), ylim=(-EDGE, EDGE), aspect="equal")
        ax.set(xlabel=self.words("first"), ylabel=self.words("second"))

    def slope(self) -> list[float]:
        """The gradient at the last point that is shown."""
        point = self.path().points[: self.step + 1][-1]
        return slopes(self.surface, *point, self.fixed["heights"])


def _checked(heights: Sequence[Sequence[float]]) -> list[list[float]]:
    """The heights as lists, each to five decimals."""
    lines = [[round(float(value), 5) for value in line] for line in heights]
    if len(lines) < 4 or any(len(line) != len(lines) for line in lines):
        sizes = sorted({len(line) for line in lines})
        raise ValueError(
            f"heights: {len(lines)} lines of {sizes}: expected as many as a line has, 4 or more"
        )
    for line in lines:
        for value in line:
            if not math.isfinite(value):
                raise ValueError(f"heights: {value}: expected finite numbers")
    return lines


def _number(value: float) -> str:
    return f"{value:g}"
