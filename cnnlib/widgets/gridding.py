"""Gridding: which inputs a stack of dilated convolutions reaches, and in how many ways."""

from collections.abc import Sequence

import numpy as np

from cnnlib.widgets import svg
from cnnlib.widgets.count_pictures import count_picture
from cnnlib.widgets.gridding_sums import (
    DILATIONS,
    KERNEL_SIZES,
    LAYERS,
    field_size,
    first_gap,
    paths,
    ways,
)
from cnnlib.widgets.settling import Settled, Settling, State, is_whole
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import fixed_point

#: Dilations of kernels of 3. The third is of Wang et al. 2018, "Understanding convolution for
#: semantic segmentation", section 3.2.
PRESETS = ([2, 2, 2], [1, 2, 4], [1, 2, 5], [2, 4, 8], [1, 2, 3])


class Gridding(TeachingWidget, stem="gridding"):
    """One unit above a stack of dilated convolutions, and the inputs that reach it.

    What it teaches: the field grows with the sum of the dilations and the parameters do not; but a
    dilation that is too large for the smaller ones leaves inputs in the field without any path.

    ``kernel_size``: 2 to 5, of all layers. ``dilations``: a list of 1 to 5 whole numbers from 1 to
    8, the layer above the input first. ``dimensions``: 1 or 2. ``place``: the input that is looked
    at, (row, column) in the field; the only row is 0 in one dimension.

    All of these can be set and observed; what does not exist raises ``ChoiceError``.
    """

    kernel_size = Choice()
    dilations = Choice()
    dimensions = Choice()
    place = Choice()

    def __init__(
        self, *, language: str = "en", hidden: Sequence[str] = (), **chosen: int | Sequence[int]
    ) -> None:
        first = {"kernel_size": 3, "dilations": PRESETS[0], "dimensions": 1, "place": [0, 3]}
        super().__init__({"presets": PRESETS}, first, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        s.whole("kernel_size", *KERNEL_SIZES)
        wanted = s.wanted("dilations")
        fits = isinstance(wanted, list) and LAYERS[0] <= len(wanted) <= LAYERS[1]
        if fits and all(is_whole(d) and DILATIONS[0] <= d <= DILATIONS[1] for d in wanted):
            s.take("dilations", wanted)
        else:
            s.refuse("dilations", "dilations.expected", layers=LAYERS[1], most=DILATIONS[1])
        s.one_of("dimensions", [1, 2])
        size = field_size(s.state["kernel_size"], s.state["dilations"])
        s.place("place", [size if s.state["dimensions"] == 2 else 1, size])
        return s.done()

    def paths(self) -> np.ndarray:
        """The number of paths from each input of the field: (1, size), or (size, size)."""
        counts = paths(self.kernel_size, self.dilations)
        return np.outer(counts, counts) if self.dimensions == 2 else counts[None]

    def verdict(self) -> str:
        """Whether the field has holes, and the rule by which."""
        gap = first_gap(self.kernel_size, self.dilations)
        if gap is None:
            return self.words("verdict.full")
        counts = self.paths()
        return self.words(
            "verdict.holes",
            holes=int((counts == 0).sum()),
            all=counts.size,
            dilation=gap[0],
            most=gap[1],
        )

    def looked(self) -> str:
        """The input that is looked at, and its paths."""
        row, column = self.place
        where = str(column)
        if self.dimensions == 2:
            where = self.words("looked.at", place=self.words("kit.at", row=row, column=column))
        count = int(self.paths()[row, column])
        if count == 0:
            return self.words("looked.hole", place=where)
        told = self.words("looked", place=where, count=count)
        if self.dimensions == 2:
            return told
        sums = [
            " + ".join(f"{t}·{d}" for t, d in zip(taps, self.dilations, strict=True))
            for taps in ways(self.kernel_size, self.dilations, column)
        ]
        more = "; …" if count > len(sums) else ""
        return f"{told} {self.words('looked.sums', place=column, sums='; '.join(sums) + more)}"

    def text_alternative(self) -> str:
        counts = self.paths()
        settings = self.words(
            "alt",
            dilations=", ".join(map(str, self.dilations)),
            kernel=self.kernel_size,
            size=counts.shape[1],
            share=fixed_point(100 * float((counts > 0).mean())),
        )
        return f"{settings} {self.verdict()}"

    def still_picture(self) -> str:
        picture = count_picture(self.paths(), root=self.dimensions == 2)
        return picture + svg.paragraph(self.text_alternative())
