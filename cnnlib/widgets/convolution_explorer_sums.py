"""The convolution explorer's sums: its cases, which settings are legal, and who meets whom.

``convolution_explorer_sums.js`` is the twin, name by name. A *state* holds a value for every
choice of :class:`cnnlib.widgets.convolution_explorer.ConvolutionExplorer`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlib.geometry import Window, input_indices, output_size
from cnnlib.widgets.settling import Said

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
WIDEST = {1: 32, 2: 16}  # cells a side that still fit a phone with some scrolling
LARGEST = 9999  # the number that still fits a cell


def _preset(figure, input_size, kernel_size, mode="forward", **others) -> dict:
    settings = {"stride": 1, "padding": 0, "dilation": 1, "output_padding": 0, **others}
    settings |= {"mode": mode, "input_size": input_size, "kernel_size": kernel_size}
    return {"figure": figure, "settings": settings}


#: The figures of Dumoulin & Visin 2016 (arXiv 1603.07285), under the names of its animations.
PRESETS = {
    "no_padding_no_strides": _preset("2.1", 4, 3),
    "arbitrary_padding_no_strides": _preset("2.2", 5, 4, padding=2),
    "same_padding_no_strides": _preset("2.3", 5, 3, padding=1),
    "full_padding_no_strides": _preset("2.4", 5, 3, padding=2),
    "no_padding_strides": _preset("2.5", 5, 3, stride=2),
    "padding_strides": _preset("2.6", 5, 3, stride=2, padding=1),
    "padding_strides_odd": _preset("2.7", 6, 3, stride=2, padding=1),
    "dilation": _preset("5.1", 7, 3, dilation=2),
    "no_padding_no_strides_transposed": _preset("4.1", 2, 3, "transposed"),
    "arbitrary_padding_no_strides_transposed": _preset("4.2", 6, 4, "transposed", padding=2),
    "same_padding_no_strides_transposed": _preset("4.3", 5, 3, "transposed", padding=1),
    "full_padding_no_strides_transposed": _preset("4.4", 7, 3, "transposed", padding=2),
    "no_padding_strides_transposed": _preset("4.5", 2, 3, "transposed", stride=2),
    "padding_strides_transposed": _preset("4.6", 3, 3, "transposed", stride=2, padding=1),
    "padding_strides_odd_transposed": _preset(
        "4.7", 3, 3, "transposed", stride=2, padding=1, output_padding=1
    ),
}

#: The numbers to start from. Forward in 2-D they are those of Figure 1.1 of the guide.
KERNEL = {"1": [[1, 0.5, -1]], "2": [[0, 1, 2], [2, 2, 0], [0, 1, 2]]}
PATTERNS = {
    "input_values": {
        "forward": {
            "1": [[1, 2, 4, 3, 0, 2]],
            "2": [
                [3, 3, 2, 1, 0],
                [0, 0, 1, 3, 1],
                [3, 1, 2, 2, 3],
                [2, 0, 0, 2, 2],
                [2, 0, 0, 0, 1],
            ],
        },
        "transposed": {"1": [[1, 2, 3]], "2": [[1, 2, 3], [4, 5, 6], [7, 8, 9]]},
    },
    "kernel_values": {"forward": KERNEL, "transposed": KERNEL},
}


def window_of(state: Mapping) -> Window:
    """The geometry of the settings along each axis. Raises ``ValueError`` for illegal ones."""
    names = ("kernel_size", "stride", "padding", "dilation", "output_padding")
    return Window(**{name: state[name] for name in names}, transposed=state["mode"] == "transposed")


def is_scatter(state: Mapping) -> bool:
    """Whether each step stamps one input onto the outputs."""
    return state["mode"] == "transposed" and state["view"] == "scatter"


def steps(state: Mapping) -> int:
    """Steps of the animation: one an output, but one an input where inputs are scattered."""
    size = state["input_size"]
    along = size if is_scatter(state) else output_size(size, window_of(state))
    return along ** state["dimensions"]


def meetings(state: Mapping) -> list[list[tuple[int, int]]]:
    """For each output of one axis: the (kernel tap, real input) pairs whose products it sums."""
    window, size = window_of(state), state["input_size"]
    found = []
    for index in range(output_size(size, window)):
        reads = input_indices(window, size, index)
        if window.transposed:
            pairs = [
                ((index + window.padding - at * window.stride) // window.dilation, at)
                for at in reads
            ]
        else:
            pairs = list(enumerate(reads))
        found.append([(tap, at) for tap, at in pairs if 0 <= at < size])
    return found


def convolved(state: Mapping) -> list:
    """The output's numbers: a list in 1-D, a list of rows in 2-D."""
    along = meetings(state)
    two = state["dimensions"] == 2
    image, kernel = (state[name] if two else [state[name]] for name in VALUES)
    rows = [
        [
            float(sum(image[y][x] * kernel[v][u] for v, y in row for u, x in column))
            for column in along
        ]
        for row in (along if two else [[(0, 0)]])
    ]
    return rows if two else rows[0]


def fault(state: Mapping, fixed: Mapping) -> Said | None:
    """Why the settings cannot be shown together, or None."""
    for name, (least, most) in fixed["limits"].items():
        if not least <= state[name] <= most:
            return Said("kit.whole", {"least": least, "most": most})
    stride, dilation, padding = (state[name] for name in ("stride", "dilation", "padding"))
    transposed, more = state["mode"] == "transposed", state["output_padding"]
    if more and not transposed:
        return Said("fault.forward", {})
    if more and more >= max(stride, dilation):
        return Said("fault.output_padding", {"stride": stride, "dilation": dilation})
    span = window_of(state).span
    padded = state["input_size"] + 2 * padding
    if not transposed and span > padded:
        return Said("fault.span", {"span": span, "padded": padded})
    if transposed and (state["input_size"] - 1) * stride + span + more <= 2 * padding:
        return Said("fault.crop", {"padding": padding})
    cells, most = _widest_grid(state), fixed["widest"][str(state["dimensions"])]
    return Said("fault.wide", {"cells": cells, "most": most}) if cells > most else None


def _widest_grid(state: Mapping) -> int:
    """Cells along the widest grid that either view of the settings draws."""
    window, size = window_of(state), state["input_size"]
    outputs = output_size(size, window)
    if not window.transposed:
        return max(size + 2 * window.padding, outputs)
    stretched = (size - 1) * window.stride + 1
    border = window.span - 1 - window.padding
    stuffed = stretched + max(0, border) + max(0, border + window.output_padding)
    canvas = max(stretched + window.span - 1, outputs + window.padding)
    return max(stuffed, canvas)


def approached(wanted: dict, present: dict, fixed: Mapping) -> dict:
    """Legal settings as near to ``wanted`` as they come from ``present``, which are legal.

    One setting after the other goes as far as the rest lets it.
    """
    if fault(wanted, fixed) is None:
        return wanted
    near, before = present, None
    while near != before:
        before = near
        for name in SETTINGS:
            near = {**near, name: _nearest(near, name, wanted[name], fixed)}
    return near


def _nearest(state: dict, name: str, wanted: Any, fixed: Mapping) -> Any:
    """The legal value of a setting that is nearest to ``wanted``, on the way from the present."""
    here = state[name]
    way = [wanted] if name == "mode" else range(wanted, here, -1 if wanted > here else 1)
    for value in way:
        if fault({**state, name: value}, fixed) is None:
            return value
    return here


def preset_of(state: Mapping) -> str:
    """Key of the preset that has these settings, or an empty string. ``dimensions`` is free."""
    for key, preset in PRESETS.items():
        if all(state[name] == value for name, value in preset["settings"].items()):
            return key
    return ""


def default_values(name: str, mode: str, dimensions: int, size: int) -> list:
    """The numbers to start from for ``name`` ("input_values" or "kernel_values").

    The pattern repeats, a kernel's outwards from its middle.
    """
    pattern = PATTERNS[name][mode][str(dimensions)]
    height, width = (size if dimensions == 2 else 1), size
    top, left = _offset(name, height, len(pattern)), _offset(name, width, len(pattern[0]))
    rows = [
        [pattern[(y - top) % len(pattern)][(x - left) % len(pattern[0])] for x in range(width)]
        for y in range(height)
    ]
    return rows if dimensions == 2 else rows[0]


def resized(name: str, values: list, mode: str, dimensions: int, size: int) -> list:
    """``values`` for new settings: numbers that still have a place keep it, others start afresh.

    An input grows and shrinks at its end, a kernel around its middle. Untouched numbers become
    the ones to start from at the new size.
    """
    before = 2 if isinstance(values[0], list) else 1
    if (before, len(values)) == (dimensions, size):
        return values
    fresh = default_values(name, mode, dimensions, size)
    if any(values == default_values(name, one, before, len(values)) for one in PATTERNS[name]):
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


def axes_of(values: Any, largest: int) -> int:
    """Along how many axes numbers lie: 1 for a list, 2 for a square of rows, 0 for all else."""
    if _is_row(values, largest):
        return 1
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        return 0
    square = all(_is_row(row, largest) and len(row) == len(values) for row in values)
    return 2 if square else 0


def _is_row(row: Any, largest: int) -> bool:
    return (
        isinstance(row, list)
        and bool(row)
        and all(
            isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= largest
            for value in row
        )
    )
