"""Signal and gradient: how large both are, layer by layer, in a deep net at its start."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from cnnlib.widgets import svg
from cnnlib.widgets.plots import INKS, draw_plot
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.signal_gradient_sums import (
    ACTIVATIONS,
    DEPTHS,
    NORMALISATIONS,
    SEEDS,
    SKIPS,
    STARTS,
    VARIANCES,
    WIDTHS,
    Layers,
    Report,
    power,
    report,
    run,
    written,
)
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import fixed_point

OPTIONS = {
    "activation": list(ACTIVATIONS),
    "start": list(STARTS),
    "variance": list(VARIANCES),
    "normalisation": list(NORMALISATIONS),
    "skip": list(SKIPS),
    "width": list(WIDTHS),
}


class SignalGradient(TeachingWidget, stem="signal_gradient"):
    """A fully connected net at its start: 32 random inputs go in, a random gradient goes back.

    What the reader chooses can be set and observed. ``activation``: one of
    :data:`~cnnlib.widgets.signal_gradient_sums.ACTIVATIONS`. ``start``: "fan_in" for weights of
    N(0, ``variance`` / fan_in), ``variance`` one of
    :data:`~cnnlib.widgets.signal_gradient_sums.VARIANCES`, or "fixed" for N(0, 0.01²), whatever the
    width. ``normalisation``: "none" or "batch", before the activation. ``skip``: "none", "identity"
    (h + f(h)) or "scaled" (h + 0.1 f(h)). ``width``: 16, 32 or 64 units a layer. ``depth``: 2 to 40
    layers. ``seed``: 1 to 9. ``layer``: which one is told in numbers, 0 for the input.

    Raises ``ChoiceError`` for a choice that does not exist.
    """

    activation = Choice()
    start = Choice()
    variance = Choice()
    normalisation = Choice()
    skip = Choice()
    width = Choice()
    depth = Choice()
    seed = Choice()
    layer = Choice()

    def __init__(self, *, language: str = "en", hidden: Sequence[str] = (), **chosen: Any) -> None:
        first = {
            "activation": "sigmoid",
            "start": "fan_in",
            "variance": 1,
            "normalisation": "none",
            "skip": "none",
            "width": 32,
            "depth": 20,
            "seed": 1,
            "layer": 1,
        }
        super().__init__({"options": OPTIONS}, first, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        for name, options in fixed["options"].items():
            s.one_of(name, options)
        depth = s.whole("depth", *DEPTHS)
        s.whole("seed", *SEEDS)
        s.whole("layer", 0, depth)
        return s.done()

    def layers(self) -> Layers:
        """The sizes of the present net, layer by layer."""
        return run(self.chosen())

    def report(self) -> Report:
        """What is said of the present net."""
        return report(self.chosen(), self.layers())

    def sentences(self) -> list[str]:
        """What becomes of the signal and of the gradient, in sentences."""
        told = self.report()
        return [self._forwards(told), self._backwards(told), *self._rest(told)]

    def _forwards(self, told: Report) -> str:
        if told.forwards is None:
            return self.words("signal.lost", layer=told.lost)
        factor = told.forwards ** (1 / self.depth)
        return self.words(
            f"signal.{told.signal}", share=written(told.forwards), factor=written(factor)
        )

    def _backwards(self, told: Report) -> str:
        factor = told.backwards ** (1 / self.depth)
        return self.words(
            f"gradient.{told.gradient}", share=written(told.backwards), factor=written(factor)
        )

    def _rest(self, told: Report) -> list[str]:
        words = []
        if told.predicted is not None:
            words.append(self.words("formula", factor=written(told.predicted)))
        if self.activation != "linear":
            words.append(
                self.words(
                    "closed" if self.activation == "relu" else "saturated",
                    flat=fixed_point(100 * told.flat),
                    dead=fixed_point(100 * told.dead),
                )
            )
        return words

    def text_alternative(self) -> str:
        start = "start.alt" if self.start == "fan_in" else "start.fixed"
        net = self.words(
            "alt",
            activation=self.words(f"activation.{self.activation}"),
            start=self.words(start, variance=f"{self.variance:g}"),
            normalisation=self.words(f"normalisation.{self.normalisation}"),
            skip=self.words(f"skip.{self.skip}"),
            width=self.width,
            depth=self.depth,
        )
        return " ".join([net, *self.sentences()])

    def still_picture(self) -> str:
        return draw_plot(self._draw, 560, 330) + svg.paragraph(self.text_alternative())

    def _draw(self, ax: Axes) -> None:
        layers = self.layers()
        places = range(self.depth + 1)
        apart = [(place, size) for place, size in zip(places, layers.between, strict=True) if size]
        ax.set_yscale("log")
        ax.plot(places, layers.sizes, "o-", color=INKS["input"], markersize=5, linewidth=1,
                label=self.words("series.sizes"))  # fmt: skip
        ax.plot(*zip(*apart, strict=True), "o--", color=INKS["input"], markersize=5, linewidth=1,
                markerfacecolor="none", label=self.words("series.between"))  # fmt: skip
        ax.plot(places, layers.gradients, "s-", color=INKS["kernel"], markersize=5, linewidth=1,
                label=self.words("series.gradients"))  # fmt: skip
        low, high = ax.get_ylim()
        ax.set_ylim(min(low, 0.1), max(high, 10))
        ax.yaxis.set_major_locator(LogLocator(numticks=7))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(
            FuncFormatter(lambda value, _: power(round(math.log10(value))))
        )
        ax.set(xlabel=self.words("across"))
        ax.legend(frameon=False, fontsize=10)
