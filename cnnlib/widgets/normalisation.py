"""Batch, layer, instance and group normalisation: which numbers share a mean, and what is kept."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from cnnlib.widgets import svg
from cnnlib.widgets.normalisation_sums import (
    BATCH_SIZES,
    BATCHES,
    BETAS,
    CHANNELS,
    GAMMAS,
    GROUP,
    MODES,
    MOMENTA,
    NORMS,
    POSITIONS,
    TRUE_DEVIATIONS,
    TRUE_MEANS,
    Batch,
    batch_at,
    drawn_batches,
    kept,
    moments,
    output,
    together,
    used,
)
from cnnlib.widgets.plots import INKS, draw_plot
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import fixed_point

FIRST = {
    "norm": "batch",
    "mode": "training",
    "batch_size": 4,
    "positions": 4,
    "seen": 3,
    "momentum": 0.1,
    "gamma": 1,
    "beta": 0,
    "undo": False,
    "place": [1, 0, 2],
}


class Normalisation(TeachingWidget, stem="normalisation"):
    """A batch of numbers, images × channels × positions, before and after a normalisation.

    What it teaches: the four normalisations are one sum over different sets of numbers; γ and β, a
    pair a channel, can put back what batch normalisation took; its stored mean and variance lag
    behind and are used at test; in small batches its means scatter, and a number alone is lost.
    Ioffe & Szegedy 2015, algorithms 1 and 2; Ba, Kiros & Hinton 2016; Ulyanov, Vedaldi & Lempitsky
    2016; Wu & He 2018.

    ``norm``: "batch", "layer", "instance" or "group" (two channels a group). ``mode``: "training"
    or "test". ``batch_size``: 1 to 6 images of four channels, each with ``positions``: 1 or 4.
    ``seen``: how many batches the stored means have seen, 0 to 12; the next is looked at.
    ``momentum``: 0.01, 0.1, 0.3 or 1. ``gamma`` (0 to 4) and ``beta`` (−4 to 4), halves, hold for
    all channels; with ``undo`` they are each channel's own deviation and mean in this batch.
    ``place``: [image, channel, position] of the number that is looked at.

    All of these can be set and observed; what does not exist raises ``ChoiceError``.
    """

    norm = Choice()
    mode = Choice()
    batch_size = Choice()
    positions = Choice()
    seen = Choice()
    momentum = Choice()
    gamma = Choice()
    beta = Choice()
    undo = Choice()
    place = Choice()

    def __init__(
        self, *, language: str = "en", hidden: Sequence[str] = (), **chosen: float | str | list
    ) -> None:
        fixed = {"drawn": drawn_batches(), "norms": NORMS, "modes": MODES}
        super().__init__(fixed, FIRST, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        s.one_of("norm", fixed["norms"])
        s.one_of("mode", fixed["modes"])
        images = s.whole("batch_size", *BATCH_SIZES)
        positions = s.one_of("positions", POSITIONS)
        s.whole("seen", 0, BATCHES)
        s.one_of("momentum", MOMENTA)
        s.one_of("gamma", GAMMAS)
        s.one_of("beta", BETAS)
        s.flag("undo")
        s.place("place", [images, CHANNELS, positions])
        return s.done()

    def batch(self) -> Batch:
        """The numbers that go in: images × channels × positions."""
        return batch_at(self.chosen(), self.fixed["drawn"], self.seen)

    def output(self) -> Batch:
        """The numbers that come out."""
        return output(self.chosen(), self.fixed["drawn"])

    def looked(self) -> str:
        """What becomes of the number that is looked at, and which others have a part in it."""
        image, channel, position = self.place
        by = used(self.chosen(), self.fixed["drawn"], image, channel)
        first = channel // GROUP * GROUP
        stored = by["count"] == 0
        return self.words(
            "looked.stored" if stored else f"looked.{self.norm}",
            value=fixed_point(self.batch()[image][channel][position], 1),
            image=image,
            channel=channel,
            count=by["count"],
            first=first,
            last=first + GROUP - 1,
            mean=fixed_point(by["mean"], 2),
            variance=fixed_point(by["variance"], 2),
            out=fixed_point(self.output()[image][channel][position], 2),
        )

    def warning(self) -> str:
        """What goes wrong, or what the setting is good for; "" where there is nothing to say."""
        by = used(self.chosen(), self.fixed["drawn"], *self.place[:2])
        if by["count"] == 1:
            return self.words("warn.alone")
        if by["count"] == 2:
            return self.words("warn.two")
        if self.undo:
            before, after = (np.array(batch) for batch in (self.batch(), self.output()))
            back = np.abs(before - after).max() < 1e-6
            return self.words("undo.back" if back else "undo.not")
        if by["count"] == 0:
            return self.words("test.batch")
        return self.words("test.others") if self.mode == "test" else ""

    def stored(self) -> str:
        """What the looked-at channel has stored, what this batch would bring, and its scatter."""
        if self.norm != "batch":
            return self.words("stored.none")
        channel = self.place[1]
        now = kept(self.chosen(), self.fixed["drawn"], channel)[self.seen]
        values = together("batch", self.batch(), 0, channel)
        mean, variance = moments(values)
        m = len(values)
        told = self.words(
            "stored",
            count=self.seen,
            channel=channel,
            mean=fixed_point(now["mean"], 2),
            variance=fixed_point(now["variance"], 2),
            true_mean=fixed_point(TRUE_MEANS[channel], 0),
            true_variance=fixed_point(TRUE_DEVIATIONS[channel] ** 2, 2),
        )
        if m == 1:
            return f"{told} {self.words('stored.alone')}"
        brings = self.words(
            "stored.brings",
            m=m,
            less=m - 1,
            mean=fixed_point(mean, 2),
            variance=fixed_point(variance, 2),
            corrected=fixed_point(variance * (m / (m - 1)), 2),
            scatter=fixed_point(TRUE_DEVIATIONS[channel] / np.sqrt(m), 2),
        )
        return f"{told} {brings}"

    def text_alternative(self) -> str:
        return " ".join(filter(None, [self.looked(), self.warning(), self.stored()]))

    def still_picture(self) -> str:
        """Each channel's numbers on a line, before (above) and after (below)."""

        def draw(axes: Axes) -> None:
            for channel in range(CHANNELS):
                for batch, lift, ink, mark in (
                    (self.batch(), 0.15, "input", "o"),
                    (self.output(), -0.2, "output", "s"),
                ):
                    values = [value for image in batch for value in image[channel]]
                    height = CHANNELS - channel + lift
                    axes.plot(values, [height] * len(values), mark, color=INKS[ink], ms=5)
            names = [self.words("channel", channel=channel) for channel in range(CHANNELS)]
            axes.set_yticks(range(CHANNELS, 0, -1), names)

        picture = draw_plot(draw, 560, 260)
        caption = self.words("still", norm=self.words(f"norm.{self.norm}"))
        return svg.join([picture, svg.paragraph(caption), svg.paragraph(self.text_alternative())])
