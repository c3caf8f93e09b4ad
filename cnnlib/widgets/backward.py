"""Backward: the gradient of a small convolution or pooling, one sum at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnlib.widgets import svg
from cnnlib.widgets.backward_sums import (
    LARGEST,
    LIMITS,
    MAPS,
    MODES,
    PATTERNS,
    POOLS,
    PRESETS,
    SIZES,
    gradient,
    outputs_of,
    preset_of,
    settle_map,
    sizes_from_maps,
    step_grid,
)
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import fixed_point

FIXED = {
    "modes": MODES,
    "limits": LIMITS,
    "largest": LARGEST,
    "patterns": PATTERNS,
    "presets": PRESETS,
}

FIRST = {
    "mode": "weight",
    "preset": "small",
    **{name: value for name, value in PRESETS["small"].items() if name != "modes"},
    "step": 0,
}

CELL, GAP, HEAD = 34, 30, 26  # of the still picture

#: The grids of the still picture, before the gradient: what plays a part.
GIVEN = {
    "weight": ["input", "delta"],
    "input": ["kernel", "delta"],
    "bias": ["delta"],
    "max": ["input", "delta"],
    "mean": ["delta"],
}


class Backward(TeachingWidget, stem="backward"):
    """The backward pass of one convolution, or of one pooling, step by step.

    ``delta`` is what arrives from above: by how much the loss grows for each unit that an output
    grows. ``mode`` says what delta is sent back to: ``"weight"``, ``"input"`` or ``"bias"`` of a
    convolution, or the input of a pooling, ``"max"`` or ``"mean"``. Of equal values in a window
    the first in reading order wins, as in torch.

    ``Backward(preset="notes", mode="max")`` shows a case of ``PRESETS``. Of your own:
    ``input`` (rows of whole numbers from −9 to 9, 3 to 6 of each), ``kernel`` (a square of 1 to 3),
    ``delta``, and the sizes ``rows``, ``columns``, ``size`` (of the kernel or the window),
    ``stride`` and ``padding`` (less than the kernel; none in pooling). Sizes may be left out where
    the numbers give them. ``step`` counts from 0: through the gradient's cells, or through delta's
    for the bias and the poolings.

    All of these can be set and observed; what cannot be shown raises ``ChoiceError``.
    """

    mode = Choice()
    preset = Choice()
    rows = Choice()
    columns = Choice()
    size = Choice()
    stride = Choice()
    padding = Choice()
    input = Choice()
    kernel = Choice()
    delta = Choice()
    step = Choice()

    def __init__(self, *, language: str = "en", hidden: Sequence[str] = (), **chosen: Any) -> None:
        super().__init__(FIXED, FIRST, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        presets, limits = fixed["presets"], fixed["limits"]
        s = Settling(changes, present)
        if case := s.preset(presets):
            s.state |= {name: value for name, value in case.items() if name != "modes"}
            if s.state["mode"] not in case["modes"]:
                s.take("mode", case["modes"][0])
            if changes.keys().isdisjoint((*SIZES, *MAPS, "step")):
                s.take("step", 0)
        mode = s.one_of("mode", fixed["modes"])
        if mode != present["mode"] and not s.asks("step"):
            s.take("step", 0)
        sizes_from_maps(s, limits)
        s.whole("rows", *limits["rows"])
        s.whole("columns", *limits["columns"])
        size = s.whole("size", 2 if mode in POOLS else 1, limits["size"][1])
        s.whole("stride", *limits["stride"])
        s.whole("padding", 0, 0 if mode in POOLS else size - 1)
        settle_map(s, "input", [s.state["rows"], s.state["columns"]], fixed)
        settle_map(s, "kernel", [size, size], fixed)
        settle_map(s, "delta", outputs_of(s.state), fixed)
        rows, columns = step_grid(s.state)
        s.whole("step", 0, rows * columns - 1)
        s.take("preset", preset_of(s.state, presets))
        return s.done()

    def gradient(self) -> np.ndarray:
        """The whole gradient: (size, size) of the weight, (1, 1) of the bias, else of the input."""
        return gradient(self.chosen())

    def text_alternative(self) -> str:
        return self.words(
            f"alt.{self.mode}",
            rows=self.rows,
            columns=self.columns,
            size=self.size,
            stride=self.stride,
            padding=self.padding,
            outputs="×".join(map(str, outputs_of(self.chosen()))),
            gradient="; ".join(" ".join(map(_short, row)) for row in self.gradient()),
        )

    def still_picture(self) -> str:
        """The given numbers, and the whole gradient beside them."""
        say, of = self.words, "input" if self.mode in POOLS else self.mode
        grids = [
            (name, say(f"title.{name}", size=_size(getattr(self, name))), getattr(self, name))
            for name in GIVEN[self.mode]
        ]
        whole = self.gradient()
        kind = "input" if of == "input" else "kernel"
        grids.append((kind, say(f"title.gradient.{of}", size=_size(whole)), whole))
        parts, left, height = [], 1, 0
        for kind, title, values in grids:
            parts.append(_grid(left, title, kind, values))
            left += max(len(values[0]) * CELL, 8 * len(title)) + GAP
            height = max(height, HEAD + len(values) * CELL)
        picture = svg.drawing(
            left - GAP + 1, height + 2, *parts, font_family="sans-serif", font_size=14
        )
        return picture + svg.paragraph(say(f"rule.{self.mode}"))


def _size(values: Sequence) -> str:
    return f"{len(values)}×{len(values[0])}"


def _short(value: float) -> str:
    """A number with two decimals at most, as decimal() of kit/words.js writes it."""
    return fixed_point(value, 2).rstrip("0").rstrip(".")


def _grid(left: float, title: str, kind: str, values: Sequence) -> svg.Markup:
    ink = f"fill:var(--cnn-{_colour(kind)},#1f2328);font-weight:600"
    parts = [svg.element("text", title, x=left, y=16, style=ink)]
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            cell = svg.element(
                "rect",
                x=left + x * CELL,
                y=HEAD + y * CELL,
                width=CELL,
                height=CELL,
                style=f"fill:var(--cnn-{_colour(kind)}-soft,#fff);stroke:var(--cnn-line,#8c959f)",
            )
            number = svg.element(
                "text",
                _short(value),
                x=left + (x + 0.5) * CELL,
                y=HEAD + (y + 0.5) * CELL + 5,
                text_anchor="middle",
                style="fill:var(--cnn-ink,#1f2328)",
            )
            parts += [cell, number]
    return svg.join(parts)


def _colour(kind: str) -> str:
    """The colour of a grid: delta has the output's."""
    return "output" if kind == "delta" else kind
