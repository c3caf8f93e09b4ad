"""Convolution explorer: which numbers meet in a convolution, one step at a time."""

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlib.geometry import output_size
from cnnlib.widgets import svg
from cnnlib.widgets.convolution_explorer_sums import (
    LARGEST,
    LIMITS,
    PATTERNS,
    PRESETS,
    SETTINGS,
    VALUES,
    WIDEST,
    approached,
    axes_of,
    convolved,
    default_values,
    fault,
    is_scatter,
    meetings,
    preset_of,
    resized,
    steps,
    window_of,
)
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import fixed_point

FIXED = {
    "limits": {name: list(limits) for name, limits in LIMITS.items()},
    "widest": {str(dimensions): cells for dimensions, cells in WIDEST.items()},
    "largest": LARGEST,
    "presets": PRESETS,
    "patterns": PATTERNS,
}

FIRST = {
    "dimensions": 2,
    "mode": "forward",
    "input_size": 5,
    "kernel_size": 3,
    "stride": 1,
    "padding": 0,
    "dilation": 1,
    "output_padding": 0,
    "view": "scatter",
    "step": 0,
    "preset": "",
    "hide_ahead": False,
    "input_values": default_values("input_values", "forward", 2, 5),
    "kernel_values": default_values("kernel_values", "forward", 2, 3),
}

CELL, GAP, HEAD = 34, 44, 26  # of the still picture


class ConvolutionExplorer(TeachingWidget, stem="convolution_explorer"):
    """Teaches which inputs, weights and outputs meet in a convolution or a transposed one.

    ``ConvolutionExplorer(preset="padding_strides_odd")`` shows a case of Dumoulin & Visin 2016
    ("A guide to convolution arithmetic for deep learning"); the keys of ``PRESETS`` name them all.
    ``ConvolutionExplorer(dimensions=1, input_size=7, kernel_size=3, stride=2)`` shows one of your
    own. In 2-D both axes have the same settings. As in torch, a forward convolution does not flip
    the kernel (it is a cross-correlation).

    The settings are ``dimensions`` (1 or 2), ``mode`` ("forward" or "transposed"), ``input_size``,
    ``kernel_size``, ``stride``, ``padding``, ``dilation`` and ``output_padding``. Further choices:
    ``input_values`` and ``kernel_values`` (a list in 1-D, a list of rows in 2-D), ``view``
    ("scatter" or "stuffed", the two ways to see a transposed convolution), ``step`` (counted from
    0), ``preset`` (empty when the settings are no preset's) and ``hide_ahead`` (hide the outputs
    after the current step, to predict them).

    All of these can be set, and several at once with :meth:`choose`. A size may be left out where
    the values give it. Values, step and preset follow the settings; a setting changes only when it
    is asked for. What cannot be shown raises ``ChoiceError``, and nothing changes.
    """

    dimensions = Choice()
    mode = Choice()
    input_size = Choice()
    kernel_size = Choice()
    stride = Choice()
    padding = Choice()
    dilation = Choice()
    output_padding = Choice()
    view = Choice()
    step = Choice()
    preset = Choice()
    hide_ahead = Choice()
    input_values = Choice()
    kernel_values = Choice()

    def __init__(self, *, language: str = "en", hidden: Sequence[str] = (), **chosen: Any) -> None:
        super().__init__(FIXED, FIRST, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        if case := s.preset(fixed["presets"]):
            s.state |= case["settings"]
            if changes.keys().isdisjoint((*SETTINGS, "step")):
                s.take("step", 0)
        _settle_settings(s, dict(s.state), fixed)
        s.one_of("view", ["scatter", "stuffed"])
        s.flag("hide_ahead")
        for name, size in VALUES.items():
            _settle_values(s, name, s.state[size], fixed)
        s.whole("step", 0, steps(s.state) - 1)
        s.take("preset", preset_of(s.state))
        return s.done()

    def output_size(self) -> int:
        """Number of outputs along one axis."""
        return output_size(self.input_size, window_of(self.chosen()))

    def output(self) -> list:
        """The output's numbers: a list in 1-D, a list of rows in 2-D."""
        return convolved(self.chosen())

    def text_alternative(self) -> str:
        numbers = {name: getattr(self, name) for name in LIMITS}
        sizes = {
            "input": self._shape(self.input_size),
            "kernel": self._shape(self.kernel_size),
            "output": self._shape(self.output_size()),
        }
        return self.words(f"alt.{self.mode}", **numbers, **sizes)

    def still_picture(self) -> str:
        """The three grids side by side, what meets at the current step outlined."""
        two, say = self.dimensions == 2, self.words
        input_lit, output_lit = self._lit()
        margin = self.padding if self.mode == "forward" else 0
        named = "still.padded" if margin else "still.input"
        kernel = say("still.kernel", size=self._shape(self.kernel_size))
        image = say(named, size=self._shape(self.input_size), padding=margin)
        output = say("still.output", size=self._shape(self.output_size()))
        parts, left, height = [], 1, 0
        for kind, name, values, lit, border in (
            ("kernel", kernel, self.kernel_values, set(), 0),
            ("input", image, self.input_values, input_lit, margin),
            ("output", output, self.output(), output_lit, 0),
        ):
            rows = values if two else [values]
            margins = (border if two else 0, border)
            grid, width, end = _grid(left, name, kind, rows, lit, margins)
            parts.append(grid)
            height = max(height, end)
            left += max(width, 9 * len(name)) + GAP
        return svg.drawing(
            left - GAP + 1, height + 2, *parts, font_family="sans-serif", font_size=14
        )

    def _shape(self, size: int) -> str:
        return f"{size}×{size}" if self.dimensions == 2 else str(size)

    def _lit(self) -> tuple[set, set]:
        """The places of input and output that meet at the current step."""
        reads = [{at for _, at in pairs} for pairs in meetings(self.chosen())]
        scatter, two = is_scatter(self.chosen()), self.dimensions == 2
        y, x = (
            divmod(self.step, self.input_size if scatter else len(reads)) if two else (0, self.step)
        )

        def meet(index: int) -> set[int]:
            if scatter:
                return {output for output, inputs in enumerate(reads) if index in inputs}
            return reads[index]

        met = {(row, column) for row in (meet(y) if two else {0}) for column in meet(x)}
        return ({(y, x)}, met) if scatter else (met, {(y, x)})


def _settle_settings(s: Settling, start: Mapping, fixed: Mapping) -> None:
    given = {name: axes_of(s.wanted(name), fixed["largest"]) for name in VALUES if s.asks(name)}
    for axes in given.values():
        if axes and not s.asks("dimensions"):
            s.take("dimensions", axes)
    s.one_of("dimensions", [1, 2])
    for name, axes in given.items():
        if axes == s.state["dimensions"] and not s.asks(VALUES[name]):
            s.take(VALUES[name], len(s.wanted(name)))
    s.one_of("mode", ["forward", "transposed"])
    for name, (least, most) in fixed["limits"].items():
        s.whole(name, least, most)
    wanted = {name: s.state[name] for name in SETTINGS}
    near = approached(wanted, {name: start[name] for name in SETTINGS}, fixed)
    for name in SETTINGS:
        if near[name] != wanted[name]:
            why = fault({**near, name: wanted[name]}, fixed)
            s.refuse(name, why.key, **why.values)
        s.take(name, near[name])


def _settle_values(s: Settling, name: str, size: int, fixed: Mapping) -> None:
    dimensions, wanted = s.state["dimensions"], s.wanted(name)
    fits = s.asks(name) and axes_of(wanted, fixed["largest"]) == dimensions
    if fits and len(wanted) == size:
        s.take(name, wanted)
        return
    s.refuse(name, f"values.{dimensions}", size=size, largest=fixed["largest"])
    s.take(name, resized(name, s.state[name], s.state["mode"], dimensions, size))


def _grid(
    left: float, name: str, kind: str, rows: list, lit: set, margins: tuple[int, int]
) -> tuple[svg.Markup, float, float]:
    """A named grid in its margins of padding, some cells outlined; its width and where it ends."""
    (down, across), columns = margins, len(rows[0])
    parts = [
        svg.element(
            "text", name, x=left, y=16, style=f"fill:var(--cnn-{kind},#1f2328);font-weight:600"
        )
    ]
    for row in range(-down, len(rows) + down):
        for column in range(-across, columns + across):
            real = 0 <= row < len(rows) and 0 <= column < columns
            x, y = left + (column + across) * CELL, HEAD + (row + down) * CELL
            value = rows[row][column] if real else 0
            parts.append(_cell(x, y, value, kind, real, (row, column) in lit))
    return svg.join(parts), (columns + 2 * across) * CELL, HEAD + (len(rows) + 2 * down) * CELL


def _cell(x: float, y: float, value: float, kind: str, real: bool, lit: bool) -> svg.Markup:
    fill = f"var(--cnn-{kind}-soft,#fff)" if real else "var(--cnn-padding-soft,#eceef1)"
    stroke = f"var(--cnn-{kind},#1f2328)" if lit else "var(--cnn-line,#8c959f)"
    inset, width = (2, 4) if lit else (0.5, 1)
    ground = svg.element(
        "rect",
        x=x + inset,
        y=y + inset,
        width=CELL - 2 * inset,
        height=CELL - 2 * inset,
        style=f"fill:{fill};stroke:{stroke};stroke-width:{width}",
    )
    strike = svg.element(
        "path", d=f"M{x} {y + CELL}L{x + CELL} {y}", style="stroke:var(--cnn-line,#8c959f)"
    )
    number = svg.element(
        "text",
        _short(value),
        x=x + CELL / 2,
        y=y + CELL / 2 + 5,
        text_anchor="middle",
        style="fill:var(--cnn-ink,#1f2328)",
    )
    return svg.join([ground, number] if real else [ground, strike, number])


def _short(value: float) -> str:
    """A number with two decimals at most, as decimal() of kit/words.js writes it."""
    return fixed_point(value, 2).rstrip("0").rstrip(".")
