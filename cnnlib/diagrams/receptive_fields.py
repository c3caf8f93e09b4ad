"""The windows that one unit has in every layer below, one around the other."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from cnnlib.diagrams.axes import (
    INK,
    INPUT,
    KERNEL,
    LEADING,
    PAGE,
    TEXT,
    own_axes,
    rgb,
    size_in_points,
    text_width,
)
from cnnlib.layout.words import group_names
from cnnlib.trace import LayerTrace, seen_by


def draw_receptive_fields(
    layers: Sequence[LayerTrace], unit: Sequence[int], ax: Axes | None = None
) -> Axes:
    """What a unit of the last row, and units on its way, see of the input: nested windows.

    ``unit`` is (row, column) in the last row of ``layers``. In each row below, the unit in the
    middle of what is read there stands for the row; its window on the input is drawn to scale,
    clipped at the border. Rows with the same window share one; where there are more windows than
    words find room, some in between are left out, evenly.

    Raises ``ValueError`` for an input that is no picture, and as :func:`cnnlib.trace.seen_by` does.
    """
    height, width = _input_size(layers)
    windows = _nested_windows(layers, unit)
    step = 1.2 * LEADING
    column = 30 + max(text_width(_field_words(*window)) for window in windows)
    if ax is None:
        high = min(500, max(240, step * len(windows) + 8))
        scale = min((high - 8) / height, (PAGE - column - 8) / width)
        ax = own_axes(scale * width + column + 8, high)
    wide, high = size_in_points(ax)
    most = max(2, int(high / step))
    if len(windows) > most:
        kept = np.linspace(0, len(windows) - 1, most).round().astype(int)
        windows = [windows[i] for i in kept]
    scale = min((high - 8) / height, (wide - column - 8) / width)
    if scale <= 0:
        raise ValueError(f"axes {wide / 72:.1f} inches wide: no room for the names of the layers")
    ax.set_xlim(-4 / scale, wide / scale - 4 / scale)
    ax.set_ylim(height / 2 + high / scale / 2, height / 2 - high / scale / 2)
    ax.set_aspect("auto")
    ax.axis("off")
    ax.add_patch(
        Rectangle((0, 0), width, height, facecolor=INPUT[1], edgecolor=INPUT[0], label="_input")
    )
    first = height / 2 - step / scale * (len(windows) - 1) / 2
    for i, (name, (rows, columns)) in enumerate(reversed(windows)):
        part = i / max(1, len(windows) - 1)  # from the deepest row to the first
        colour = tuple(
            (1 - part) * a + part * b for a, b in zip(rgb(KERNEL), rgb(INK), strict=True)
        )
        ax.add_patch(
            Rectangle(
                (columns.start, rows.start),
                len(columns),
                len(rows),
                facecolor="none",
                edgecolor=colour,
                linewidth=1.3,
                label=f"_field of {name}",
            )
        )
        y, x = first + i * step / scale, width + 24 / scale
        ax.add_line(
            Line2D([columns.stop, x - 3 / scale], [rows.start, y], color=colour, linewidth=0.6)
        )
        words = _field_words(name, (rows, columns))
        ax.text(x, y, words, fontsize=TEXT, color=INK, ha="left", va="center")
    return ax


def describe_receptive_fields(layers: Sequence[LayerTrace], unit: Sequence[int]) -> str:
    """What ``draw_receptive_fields`` draws, in words."""
    windows = _nested_windows(layers, unit)
    seen = "; ".join(
        f"{name} sees {_extent(spans)}, rows {spans[0].start} to {spans[0].stop - 1}, columns "
        f"{spans[1].start} to {spans[1].stop - 1}"
        for name, spans in windows
    )
    height, width = _input_size(layers)
    return f"Nested windows on the input of {height} × {width}, each of one unit: {seen}."


def _input_size(layers: Sequence[LayerTrace]) -> tuple[int, int]:
    if not layers:
        raise ValueError("layers is empty: expected the records of cnnlib.trace.trace")
    shape = layers[0].in_shape
    if len(shape) != 4:
        raise ValueError(f"the network's input has shape {shape}: expected (N, C, H, W)")
    return shape[2:]


def _nested_windows(
    layers: Sequence[LayerTrace], unit: Sequence[int]
) -> list[tuple[str, tuple[range, range]]]:
    """Name and window on the input for each row below the unit, the smallest window first."""
    last = len(layers) - 1
    places = {last: tuple(unit)}
    seen = {}
    for number in range(last, -1, -1):
        if number not in places:
            continue
        below = seen_by(layers, number, places[number])
        seen[number] = below[-1]
        for source in layers[number].inputs:
            if source not in places and all(below[source]):
                places[source] = tuple(span[len(span) // 2] for span in below[source])
    groups: dict[tuple[range, range], list[int]] = {}
    for number in sorted(seen):
        if all(seen[number]):
            groups.setdefault(seen[number], []).append(number)
    if not groups:
        raise ValueError(f"unit={tuple(unit)} of {layers[last].name} sees nothing of the input")
    names = group_names([[layers[number].name for number in rows] for rows in groups.values()])
    found = zip(names, groups, strict=True)
    return sorted(found, key=lambda window: len(window[1][0]) * len(window[1][1]))


def _field_words(name: str, spans: tuple[range, range]) -> str:
    return f"{name}  {_extent(spans)}"


def _extent(spans: tuple[range, range]) -> str:
    return f"{len(spans[0])} × {len(spans[1])}"
