"""Checkerboards: how many stamps of a transposed convolution meet at each output."""

from collections.abc import Sequence

import numpy as np

from cnnlib.widgets import svg
from cnnlib.widgets.checkerboard_sums import (
    INPUTS,
    KERNEL_SIZES,
    LAYERS,
    SEEDS,
    STRIDES,
    WAYS,
    WEIGHTS,
    drawn_kernels,
    inside,
    output,
    output_shape,
    reaching,
)
from cnnlib.widgets.count_pictures import count_picture
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.widget import Choice, TeachingWidget

FIRST = {
    "dimensions": 1,
    "kernel_size": 3,
    "stride": 2,
    "layers": 1,
    "weights": "ones",
    "seed": 1,
    "way": "transposed",
    "place": [0, 4],
}


class Checkerboard(TeachingWidget, stem="checkerboard"):
    """A constant input through transposed convolutions, and through resizing and convolving.

    What it teaches: where the kernel is not divisible by the stride, outputs get unequal numbers of
    contributions; where it is, the counts are equal but weights that differ still draw a pattern;
    enlarging the input first and convolving then leaves a constant constant, for more work.
    Odena, Dumoulin & Olah 2016, "Deconvolution and checkerboard artifacts", Distill.

    ``dimensions``: 1 or 2. ``kernel_size``: 1 to 6. ``stride``: 1 to 4, also the factor of the
    enlargement. ``layers``: 1 to 3. ``weights``: "ones", so that sums are counts; "positive" or
    "random" whole numbers, with a ``seed`` from 1 to 8, others in each layer. ``way``:
    "transposed" or "resize", the output that is looked into, at ``place`` (row, column; the only
    row is 0 in one dimension).

    All of these can be set and observed; what does not exist raises ``ChoiceError``.
    """

    dimensions = Choice()
    kernel_size = Choice()
    stride = Choice()
    layers = Choice()
    weights = Choice()
    seed = Choice()
    way = Choice()
    place = Choice()

    def __init__(
        self, *, language: str = "en", hidden: Sequence[str] = (), **chosen: int | str | list
    ) -> None:
        fixed = {"drawn": drawn_kernels(), "inputs": {str(n): c for n, c in INPUTS.items()}}
        super().__init__(fixed, FIRST, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        s.one_of("dimensions", [1, 2])
        s.whole("kernel_size", *KERNEL_SIZES)
        s.whole("stride", *STRIDES)
        s.whole("layers", *LAYERS)
        s.one_of("weights", WEIGHTS)
        s.whole("seed", *SEEDS)
        s.one_of("way", WAYS)
        s.place("place", output_shape(s.state))
        return s.done()

    def output(self) -> np.ndarray:
        """The output of the way that is looked into, (rows, columns), edges included."""
        return output(self.chosen(), self.fixed["drawn"])

    def inside(self) -> np.ndarray:
        """Its values over one period, far from the edges: see ``checkerboard_sums.inside``."""
        return inside(self.chosen(), self.fixed["drawn"])

    def reason(self) -> str:
        """Why the counts of the transposed convolution are even or not."""
        quotient, rest = divmod(self.kernel_size, self.stride)
        numbers = {"kernel": self.kernel_size, "stride": self.stride, "quotient": quotient}
        if rest == 0:
            return self.words("why.even", **numbers)
        if quotient == 0:
            return self.words("why.holes", **numbers, gaps=self.stride - rest)
        return self.words(
            "why.uneven", **numbers, rest=rest, more=quotient + 1, others=self.stride - rest
        )

    def verdict(self, way: str) -> str:
        """What a constant becomes inside of one way's output."""
        state = {**self.chosen(), "way": way}
        values = inside(state, self.fixed["drawn"])
        least, most = int(values.min()), int(values.max())
        if least == most:
            return self.words("verdict.even", value=least)
        told = self.words("verdict.uneven", least=least, most=most, period=values.shape[1])
        if self.weights != "ones" and self.kernel_size % self.stride == 0:
            told = f"{told} {self.words('verdict.weights')}"
        return told

    def looked(self) -> str:
        """What reaches the output that is looked at."""
        _, ways, taps = reaching(self.chosen(), self.fixed["drawn"])
        row, column = self.place
        where = str(column)
        if self.dimensions == 2:
            where = self.words("looked.at", place=self.words("kit.at", row=row, column=column))
        return self.words(
            "looked",
            place=where,
            value=int(self.output()[row, column]),
            inputs=int((ways != 0).sum()),
            ways=int(ways.sum()),
            taps=len(taps),
            all=self.kernel_size**self.dimensions,
        )

    def text_alternative(self) -> str:
        settings = self.words(
            "alt", kernel=self.kernel_size, stride=self.stride, layers=self.layers
        )
        return " ".join([settings, self.reason(), self.verdict("transposed")])

    def still_picture(self) -> str:
        parts = []
        for way in WAYS:
            state = {**self.chosen(), "way": way}
            parts.append(svg.element("p", svg.element("strong", self.words(f"way.{way}"))))
            parts.append(count_picture(output(state, self.fixed["drawn"])))
            parts.append(svg.paragraph(self.verdict(way)))
        return svg.join([svg.paragraph(self.reason()), *parts])
