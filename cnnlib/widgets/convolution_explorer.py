"""Convolution explorer: which numbers meet in a convolution, one step at a time."""

import html
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite

from traitlets import Bool, Dict, Enum, Int, List, TraitError, observe, validate

from cnnlib.geometry import Window, input_indices, output_size
from cnnlib.widgets.base import TeachingWidget

LIMITS = {
    "input_size": (1, 24),
    "kernel_size": (1, 11),
    "stride": (1, 6),
    "padding": (0, 10),
    "dilation": (1, 6),
    "output_padding": (0, 5),
}
SETTINGS = ("dimensions", "mode", *LIMITS)
VALUES = {"input_values": "input_size", "kernel_values": "kernel_size"}
NAMES = (*SETTINGS, "view", "step", "preset", "hide_ahead", *VALUES)
WIDEST = {1: 32, 2: 16}  # cells a side that still fit a phone with some scrolling
LARGEST = 9999  # the number that still fits a cell


def _preset(title, figure, question, input_size, kernel_size, mode="forward", **others) -> dict:
    settings = {"stride": 1, "padding": 0, "dilation": 1, "output_padding": 0, **others}
    settings |= {"mode": mode, "input_size": input_size, "kernel_size": kernel_size}
    return {"title": title, "figure": figure, "question": question, "settings": settings}


# The figures of Dumoulin & Visin 2016 (arXiv 1603.07285), under the names of its animations.
PRESETS = {
    "no_padding_no_strides": _preset(
        "No padding, no strides", "2.1", "In how many places can the kernel stand?", 4, 3
    ),
    "arbitrary_padding_no_strides": _preset(
        "Arbitrary padding, no strides",
        "2.2",
        "Can the output be larger than the input?",
        *(5, 4),
        padding=2,
    ),
    "same_padding_no_strides": _preset(
        "Half (same) padding, no strides",
        "2.3",
        "How much padding keeps the output as large as the input?",
        *(5, 3),
        padding=1,
    ),
    "full_padding_no_strides": _preset(
        "Full padding, no strides",
        "2.4",
        "What if the kernel may stand wherever it touches one input cell?",
        *(5, 3),
        padding=2,
    ),
    "no_padding_strides": _preset(
        "No padding, strides",
        "2.5",
        "What is left when the kernel moves two cells at a time?",
        *(5, 3),
        stride=2,
    ),
    "padding_strides": _preset(
        "Padding, strides",
        "2.6",
        "With padding and stride 2, does the size halve?",
        *(5, 3),
        stride=2,
        padding=1,
    ),
    "padding_strides_odd": _preset(
        "Padding, strides, odd",
        "2.7",
        "The input grew from 5 to 6. Why did the output not grow?",
        *(6, 3),
        stride=2,
        padding=1,
    ),
    "dilation": _preset("Dilation", "5.1", "How far can a kernel of 3 reach?", 7, 3, dilation=2),
    "no_padding_no_strides_transposed": _preset(
        "Transposed: no padding, no strides",
        "4.1",
        "A convolution took 4 to 2. What leads from 2 back to 4?",
        *(2, 3, "transposed"),
    ),
    "arbitrary_padding_no_strides_transposed": _preset(
        "Transposed: arbitrary padding, no strides",
        "4.2",
        "Padding made the output larger. How does the way back make it smaller?",
        *(6, 4, "transposed"),
        padding=2,
    ),
    "same_padding_no_strides_transposed": _preset(
        "Transposed: half (same) padding, no strides",
        "4.3",
        "What is the way back when the size did not change?",
        *(5, 3, "transposed"),
        padding=1,
    ),
    "full_padding_no_strides_transposed": _preset(
        "Transposed: full padding, no strides",
        "4.4",
        "Can a transposed convolution shrink its input?",
        *(7, 3, "transposed"),
        padding=2,
    ),
    "no_padding_strides_transposed": _preset(
        "Transposed: no padding, strides",
        "4.5",
        "How can 2 become 5?",
        *(2, 3, "transposed"),
        stride=2,
    ),
    "padding_strides_transposed": _preset(
        "Transposed: padding, strides",
        "4.6",
        "What does padding do to a transposed convolution?",
        *(3, 3, "transposed"),
        stride=2,
        padding=1,
    ),
    "padding_strides_odd_transposed": _preset(
        "Transposed: padding, strides, odd",
        "4.7",
        "Stride 2 takes both 5 and 6 to 3. How does the way back know which?",
        *(3, 3, "transposed"),
        stride=2,
        padding=1,
        output_padding=1,
    ),
}

# The numbers to start from. Forward in 2-D they are those of Figure 1.1 of the guide.
KERNEL = {1: [[1, 0.5, -1]], 2: [[0, 1, 2], [2, 2, 0], [0, 1, 2]]}
PATTERNS = {
    "input_values": {
        "forward": {
            1: [[1, 2, 4, 3, 0, 2]],
            2: [
                [3, 3, 2, 1, 0],
                [0, 0, 1, 3, 1],
                [3, 1, 2, 2, 3],
                [2, 0, 0, 2, 2],
                [2, 0, 0, 0, 1],
            ],
        },
        "transposed": {1: [[1, 2, 3]], 2: [[1, 2, 3], [4, 5, 6], [7, 8, 9]]},
    },
    "kernel_values": {"forward": KERNEL, "transposed": KERNEL},
}

# What the front end would otherwise have to repeat.
CONSTANTS = {
    "limits": {name: list(limits) for name, limits in LIMITS.items()},
    "widest": {str(dimensions): cells for dimensions, cells in WIDEST.items()},
    "largest": LARGEST,
    "presets": PRESETS,
    "patterns": {
        name: {
            mode: {str(dimensions): pattern for dimensions, pattern in patterns.items()}
            for mode, patterns in modes.items()
        }
        for name, modes in PATTERNS.items()
    },
}


class SettingError(TraitError, ValueError):
    """A setting that the explorer cannot show; the text names the value and the rule."""


def _bounded(name: str, default: int) -> Int:
    least, most = LIMITS[name]
    return Int(default, min=least, max=most).tag(sync=True)


class ConvolutionExplorer(TeachingWidget, stem="convolution_explorer"):
    """Teaches which inputs, weights and outputs meet in a convolution or a transposed one.

    ``ConvolutionExplorer(preset="padding_strides_odd")`` shows a case of Dumoulin & Visin 2016
    ("A guide to convolution arithmetic for deep learning"); the keys of ``PRESETS`` name them all.
    ``ConvolutionExplorer(dimensions=1, input_size=7, kernel_size=3, stride=2)`` shows one of your
    own. In 2-D both axes have the same settings. As in torch, a forward convolution does not flip
    the kernel (it is a cross-correlation).

    Settings are traits: ``dimensions`` (1 or 2), ``mode`` ("forward" or "transposed"),
    ``input_size``, ``kernel_size``, ``stride``, ``padding``, ``dilation``, ``output_padding``. So
    are ``input_values`` and ``kernel_values`` (a list in 1-D, a list of rows in 2-D), ``view``
    ("scatter" or "stuffed", the two ways to see a transposed convolution), ``step`` (counted from
    0), ``preset`` (empty when the settings are no preset's) and ``hide_ahead`` (hide the outputs
    after the current step, to predict them). Set several at once with :meth:`configure`.

    An illegal setting raises an error that is both a ``ValueError`` and a ``TraitError`` (a plain
    ``TraitError`` for a value outside a trait's own bounds), and nothing changes.
    """

    dimensions = Int(2, min=1, max=2).tag(sync=True)
    mode = Enum(("forward", "transposed"), "forward").tag(sync=True)
    input_size = _bounded("input_size", 5)
    kernel_size = _bounded("kernel_size", 3)
    stride = _bounded("stride", 1)
    padding = _bounded("padding", 0)
    dilation = _bounded("dilation", 1)
    output_padding = _bounded("output_padding", 0)
    view = Enum(("scatter", "stuffed"), "scatter").tag(sync=True)
    step = Int(0, min=0).tag(sync=True)
    preset = Enum(("", *PRESETS), "").tag(sync=True)
    hide_ahead = Bool(False).tag(sync=True)
    input_values = List().tag(sync=True)
    kernel_values = List().tag(sync=True)
    constants = Dict(CONSTANTS, read_only=True).tag(sync=True)

    def __init__(self, **settings) -> None:
        traits = self.class_traits()
        names = (*SETTINGS, "view", "step", "hide_ahead")
        present = {name: traits[name].default() for name in names}
        own = {name: settings.pop(name) for name in list(settings) if name in NAMES}
        _refuse_unknown(name for name in settings if not self.has_trait(name))
        super().__init__(**settings, **_complete(present, own))

    def configure(self, **settings) -> None:
        """Set several settings together; either all of them hold afterwards or none.

        A size may be left out where the values give it.
        """
        _refuse_unknown(name for name in settings if name not in NAMES)
        complete = _complete({name: getattr(self, name) for name in NAMES}, settings)
        with self.hold_sync(), self.hold_trait_notifications():
            for name, value in complete.items():
                setattr(self, name, value)

    def output_size(self) -> int:
        """Number of outputs along one axis."""
        return output_size(self.input_size, window_of(self._settings()))

    def output(self) -> list:
        """The output's numbers: a list in 1-D, a list of rows in 2-D."""
        along = list(_meetings(self._settings()))
        image = self.input_values if self.dimensions == 2 else [self.input_values]
        kernel = self.kernel_values if self.dimensions == 2 else [self.kernel_values]
        down = along if self.dimensions == 2 else [[(0, 0)]]
        rows = [
            [
                float(sum(image[y][x] * kernel[v][u] for v, y in row for u, x in column))
                for column in along
            ]
            for row in down
        ]
        return rows if self.dimensions == 2 else rows[0]

    def text_alternative(self) -> str:
        def size(n: int) -> str:
            return f"{n}×{n}" if self.dimensions == 2 else str(n)

        kind = "Transposed convolution" if self.mode == "transposed" else "Convolution"
        others = f"stride {self.stride}, padding {self.padding}, dilation {self.dilation}"
        if self.mode == "transposed":
            others += f", output padding {self.output_padding}"
        return (
            f"{kind}: input {size(self.input_size)}, kernel {size(self.kernel_size)}, {others}, "
            f"output {size(self.output_size())}. The numbers of all three stand in grids; "
            "what meets at the current step is outlined."
        )

    def still_picture(self) -> str:
        return _draw(self)

    def _settings(self) -> dict:
        return {name: getattr(self, name) for name in SETTINGS}

    @validate(*SETTINGS)
    def _check_setting(self, proposal):
        _check({**self._settings(), proposal["trait"].name: proposal["value"]})
        return proposal["value"]

    @validate("step")
    def _check_step(self, proposal):
        _check_step(proposal["value"], {**self._settings(), "view": self.view})
        return proposal["value"]

    @validate("input_values", "kernel_values")
    def _check_values(self, proposal):
        name = proposal["trait"].name
        size = getattr(self, VALUES[name])
        return _numbers(name, proposal["value"], self.dimensions, size)

    @observe(*SETTINGS, "view")
    def _settle(self, change) -> None:
        """After a setting changed: let values, step and preset follow."""
        present = {name: getattr(self, name) for name in NAMES}
        with self.hold_sync(), self.hold_trait_notifications():
            for name, value in _settled(present).items():
                setattr(self, name, value)

    @observe("preset")
    def _follow_preset(self, change) -> None:
        if change["new"] and change["new"] != preset_of(self._settings()):
            self.configure(preset=change["new"])


def window_of(settings: Mapping) -> Window:
    """The geometry of the settings along each axis."""
    names = ("kernel_size", "stride", "padding", "dilation", "output_padding")
    return Window(**{name: settings[name] for name in names}, transposed=_transposed(settings))


def preset_of(settings: Mapping) -> str:
    """Key of the preset that has these settings, or an empty string. ``dimensions`` is free."""
    for key, preset in PRESETS.items():
        if all(settings[name] == value for name, value in preset["settings"].items()):
            return key
    return ""


def default_values(name: str, mode: str, dimensions: int, size: int) -> list:
    """The numbers to start from for ``name`` ("input_values" or "kernel_values").

    The pattern repeats, a kernel's outwards from its middle.
    """
    pattern = PATTERNS[name][mode][dimensions]
    height, width = (size if dimensions == 2 else 1), size
    top, left = _offset(name, height, len(pattern)), _offset(name, width, len(pattern[0]))
    rows = [
        [
            float(pattern[(y - top) % len(pattern)][(x - left) % len(pattern[0])])
            for x in range(width)
        ]
        for y in range(height)
    ]
    return rows if dimensions == 2 else rows[0]


def resized(name: str, values: list, mode: str, dimensions: int, size: int) -> list:
    """``values`` for new settings: numbers that still have a place keep it, others start afresh.

    An input grows and shrinks at its end, a kernel around its middle. Untouched numbers become
    the ones to start from at the new size.
    """
    before = 2 if values and isinstance(values[0], list) else 1
    if (before, len(values)) == (dimensions, size):
        return values
    fresh = default_values(name, mode, dimensions, size)
    if not values or any(
        values == default_values(name, one, before, len(values)) for one in PATTERNS[name]
    ):
        return fresh
    old = values if before == 2 else [values]
    new = fresh if dimensions == 2 else [fresh]
    top, left = _offset(name, len(new), len(old)), _offset(name, len(new[0]), len(old[0]))
    for y, row in enumerate(old):
        for x, value in enumerate(row):
            if 0 <= y + top < len(new) and 0 <= x + left < len(new[0]):
                new[y + top][x + left] = value
    return fresh


def _offset(name: str, new: int, old: int) -> int:
    """How far the old numbers move when ``old`` becomes ``new``: a kernel's middle stays middle."""
    return (new - old) // 2 if name == "kernel_values" else 0


def _complete(present: dict, given: dict) -> dict:
    """All traits after ``given`` is set over ``present``; raises where they cannot all hold."""
    given = {name: _plain(value) for name, value in given.items()}
    base = dict(present)
    if given.get("preset"):
        if given["preset"] not in PRESETS:
            raise SettingError(f"preset={given['preset']!r}: expected one of {', '.join(PRESETS)}")
        base |= PRESETS[given["preset"]]["settings"]
        base["step"] = 0
    for values, size in VALUES.items():
        if values in given:
            if not isinstance(given[values], list) or not given[values]:
                raise SettingError(f"{values}={given[values]!r}: expected a list of numbers")
            base[size] = len(given[values])
            if "dimensions" not in given:
                base["dimensions"] = 2 if isinstance(given[values][0], list) else 1
    base |= given
    if base["view"] not in ("scatter", "stuffed"):
        raise SettingError(f"view={base['view']!r}: expected 'scatter' or 'stuffed'")
    _check(base)
    for values, size in VALUES.items():
        if values in given:
            base[values] = _numbers(values, given[values], base["dimensions"], base[size])
    if "step" in given:
        _check_step(base["step"], base)
    return base | _settled(base)


def _settled(state: dict) -> dict:
    """The traits that follow from the settings: values that fit, a step that exists, the preset."""
    values = {
        name: resized(name, state.get(name, []), state["mode"], state["dimensions"], state[size])
        for name, size in VALUES.items()
    }
    return {
        **values,
        "step": min(state["step"], _steps(state) - 1),
        "preset": preset_of(state),
    }


def _refuse_unknown(names: Iterable[str]) -> None:
    for name in names:
        raise SettingError(f"{name}: expected one of {', '.join(NAMES)}")


def _check(settings: Mapping) -> None:
    """Raise :class:`SettingError` unless the settings are legal together and can be drawn."""
    if settings["dimensions"] not in (1, 2):
        raise SettingError(f"dimensions={settings['dimensions']!r}: expected 1 or 2")
    if settings["mode"] not in ("forward", "transposed"):
        raise SettingError(f"mode={settings['mode']!r}: expected 'forward' or 'transposed'")
    for name, (least, most) in LIMITS.items():
        value = settings[name]
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise SettingError(f"{name}={value!r}: expected a whole number from {least} to {most}")
    described = ", ".join(f"{name}={settings[name]}" for name in LIMITS)
    try:
        cells = _widest_grid(settings)
    except ValueError as error:
        raise SettingError(f"{described}: {error}") from None
    most = WIDEST[settings["dimensions"]]
    if cells > most:
        raise SettingError(
            f"{described}: the widest grid would have {cells} cells a side; "
            f"the explorer draws up to {most} in {settings['dimensions']}-D"
        )


def _check_step(step, settings: Mapping) -> None:
    if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step < _steps(settings):
        raise SettingError(
            f"step={step!r}: expected a whole number from 0 to {_steps(settings) - 1}"
        )


def _numbers(name: str, values, dimensions: int, size: int) -> list:
    """``values`` as floats, or :class:`SettingError` where their shape or a number is wrong."""
    rows = values if dimensions == 2 else [values]
    shape = f"{size} rows of {size} numbers (a square)" if dimensions == 2 else f"{size} numbers"
    if (dimensions == 2 and len(values) != size) or any(
        not isinstance(row, list | tuple) or len(row) != size for row in rows
    ):
        raise SettingError(f"{name}={values!r}: expected {shape}")
    for number in (number for row in rows for number in row):
        plain = isinstance(number, int | float) and not isinstance(number, bool)
        if not plain or not isfinite(number) or abs(number) > LARGEST:
            raise SettingError(
                f"{name}: {number!r} stands in it; expected numbers from -{LARGEST} to {LARGEST}"
            )
    floats = [[float(number) for number in row] for row in rows]
    return floats if dimensions == 2 else floats[0]


def _plain(value):
    """Arrays and tensors as lists, tuples too; anything else as it is."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _transposed(settings: Mapping) -> bool:
    return settings["mode"] == "transposed"


def _steps(settings: Mapping) -> int:
    """Steps of the animation: one an output, but one an input where inputs are scattered."""
    scatter = _transposed(settings) and settings["view"] == "scatter"
    size = settings["input_size"]
    along = size if scatter else output_size(size, window_of(settings))
    return along ** settings["dimensions"]


def _widest_grid(settings: Mapping) -> int:
    """Cells along the widest grid that either view of the settings draws."""
    window, size = window_of(settings), settings["input_size"]
    outputs = output_size(size, window)
    if not window.transposed:
        return max(size + 2 * window.padding, outputs)
    stretched = (size - 1) * window.stride + 1
    border = window.span - 1 - window.padding
    stuffed = stretched + max(0, border) + max(0, border + window.output_padding)
    canvas = max(stretched + window.span - 1, outputs + window.padding)
    return max(stuffed, canvas)


def _meetings(settings: Mapping) -> Iterator[list[tuple[int, int]]]:
    """For each output of one axis: the (kernel tap, real input) pairs whose products it sums."""
    window, size = window_of(settings), settings["input_size"]
    for index in range(output_size(size, window)):
        reads = input_indices(window, size, index)
        if window.transposed:
            pairs = [
                ((index + window.padding - at * window.stride) // window.dilation, at)
                for at in reads
            ]
        else:
            pairs = list(enumerate(reads))
        yield [(tap, at) for tap, at in pairs if 0 <= at < size]


def _draw(explorer: ConvolutionExplorer) -> str:
    """The three grids side by side as SVG, what meets at the current step outlined."""
    cell, gap, head = 34, 44, 26
    two = explorer.dimensions == 2
    along = list(_meetings(explorer._settings()))
    margin = explorer.padding if explorer.mode == "forward" else 0
    scatter = explorer.mode == "transposed" and explorer.view == "scatter"
    size = explorer.input_size if scatter else len(along)
    y, x = divmod(explorer.step, size) if two else (0, explorer.step)

    def reads(index: int) -> set[int]:
        return {at for _, at in along[index]}

    def feeds(index: int) -> set[int]:
        return {output for output, pairs in enumerate(along) if index in {at for _, at in pairs}}

    follow = feeds if scatter else reads
    met = {(row, column) for row in (follow(y) if two else {0}) for column in follow(x)}
    input_lit, output_lit = ({(y, x)}, met) if scatter else (met, {(y, x)})
    grids = [
        ("Kernel", "kernel", explorer.kernel_values, set(), 0),
        ("Input", "input", explorer.input_values, input_lit, margin),
        ("Output", "output", explorer.output(), output_lit, 0),
    ]
    parts, left, height = [], 1, 0
    for label, kind, values, lit, border in grids:
        rows = values if two else [values]
        down = border if two else 0
        name = f"{label} {len(rows)}×{len(rows[0])}" if two else f"{label} {len(rows[0])}"
        if border:
            name += f" + padding {border}"
        parts.append(
            f'<text x="{left}" y="16" style="fill:var(--cnn-{kind},#1f2328);font-weight:600">'
            f"{html.escape(name)}</text>"
        )
        for row in range(-down, len(rows) + down):
            for column in range(-border, len(rows[0]) + border):
                real = 0 <= row < len(rows) and 0 <= column < len(rows[0])
                at = (left + (column + border) * cell, head + (row + down) * cell)
                value = rows[row][column] if real else 0.0
                parts.append(_cell(at, cell, value, kind, real, (row, column) in lit))
        height = max(height, head + (len(rows) + 2 * down) * cell)
        left += max((len(rows[0]) + 2 * border) * cell, 9 * len(name)) + gap
    return (
        f'<svg viewBox="0 0 {left - gap + 1} {height + 2}" width="{left - gap + 1}" '
        f'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="14">'
        f"{''.join(parts)}</svg>"
    )


def _cell(at: tuple[int, int], cell: int, value: float, kind: str, real: bool, lit: bool) -> str:
    x, y = at
    fill = f"var(--cnn-{kind}-soft,#fff)" if real else "var(--cnn-padding-soft,#eceef1)"
    stroke = f"var(--cnn-{kind},#1f2328)" if lit else "var(--cnn-line,#8c959f)"
    inset, width = (2, 4) if lit else (0.5, 1)
    strike = (
        ""
        if real
        else f'<path d="M{x} {y + cell}L{x + cell} {y}" style="stroke:var(--cnn-line,#8c959f)"/>'
    )
    return (
        f'<rect x="{x + inset}" y="{y + inset}" width="{cell - 2 * inset}" '
        f'height="{cell - 2 * inset}" style="fill:{fill};stroke:{stroke};stroke-width:{width}"/>'
        f'{strike}<text x="{x + cell / 2}" y="{y + cell / 2 + 5}" text-anchor="middle" '
        f'style="fill:var(--cnn-ink,#1f2328)">{_short(value)}</text>'
    )


def _short(value: float) -> str:
    """A number with two decimals at most and a true minus sign."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "0") else text.replace("-", "−")
