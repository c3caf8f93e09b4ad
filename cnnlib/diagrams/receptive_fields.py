"""The windows that one unit has in every layer below, one around the other."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from cnnlib.diagrams.axes import (
    INK,
    INPUT,
    KERNEL,
    LEADING,
    PAGE,
    TEXT,
    make_axes,
    measure_axes,
    measure_text,
)
from cnnlib.layout.words import group_names
from cnnlib.rows import LayerTrace, check_rows, seen_by


def draw_receptive_fields(
    rows: Sequence[LayerTrace], unit: Sequence[int], ax: Axes | None = None
) -> Axes:
    """What a unit of the last row, and units on its way, see of the input: nested windows.

    ``unit`` is (row, column) of the last of the ``rows``. In each row below, the unit in the
    middle of what is read there stands for the row; its window on the input is drawn to scale,
    clipped at the border. Rows with the same window share one; where there are more windows than
    words find room, some in between are left out, evenly.

    Raises ``ValueError`` for an input that is no picture, and as :func:`cnnlib.rows.seen_by` does.
    """
    height, width = _find_input_size(rows)
    windows = _find_nested(rows, unit)
    step = 1.2 * LEADING
    column = 30 + max(measure_text(str(window)) for window in windows)
    if ax is None:
        high = min(500, max(240, step * len(windows) + 8))
        scale = min((high - 8) / height, (PAGE - column - 8) / width)
        ax = make_axes(scale * width + column + 8, high)
    wide, high = measure_axes(ax)
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
        Rectangle((0, 0), width, height, facecolor=INPUT.face, edgecolor=INPUT.edge, label="_input")
    )
    first = height / 2 - step / scale * (len(windows) - 1) / 2
    for i, window in enumerate(reversed(windows)):
        part = i / max(1, len(windows) - 1)  # from the deepest row to the first
        colour = tuple(
            (1 - part) * a + part * b for a, b in zip(to_rgb(KERNEL), to_rgb(INK), strict=True)
        )
        ax.add_patch(
            Rectangle(
                (window.across.start, window.down.start),
                len(window.across),
                len(window.down),
                facecolor="none",
                edgecolor=colour,
                linewidth=1.3,
                label=f"_field of {window.name}",
            )
        )
        y, x = first + i * step / scale, width + 24 / scale
        ax.add_line(
            Line2D(
                [window.across.stop, x - 3 / scale],
                [window.down.start, y],
                color=colour,
                linewidth=0.6,
            )
        )
        ax.text(x, y, str(window), fontsize=TEXT, color=INK, ha="left", va="center")
    return ax


def describe_receptive_fields(rows: Sequence[LayerTrace], unit: Sequence[int]) -> str:
    """What ``draw_receptive_fields`` draws, in words."""
    windows = _find_nested(rows, unit)
    seen = "; ".join(
        f"{name} sees {len(down)} × {len(across)}, rows {down[0]} to {down[-1]}, "
        f"columns {across[0]} to {across[-1]}"
        for name, down, across in windows
    )
    height, width = _find_input_size(rows)
    return f"Nested windows on the input of {height} × {width}, each of one unit: {seen}."


def _find_input_size(rows: Sequence[LayerTrace]) -> tuple[int, int]:
    check_rows(rows)
    shape = rows[0].in_shape
    if len(shape) != 4:
        raise ValueError(f"the network's input has shape {shape}: expected (N, C, H, W)")
    return shape[2:]


class _Nested(NamedTuple):
    """A unit's window on the input, and the rows that stand for it."""

    name: str
    down: range
    across: range

    def __str__(self) -> str:
        return f"{self.name}  {len(self.down)} × {len(self.across)}"


def _find_nested(rows: Sequence[LayerTrace], unit: Sequence[int]) -> list[_Nested]:
    """The windows of the units on the way down, each once, the smallest first."""
    last = len(rows) - 1
    places = {last: tuple(unit)}
    seen = {}
    for number in range(last, -1, -1):
        if number not in places:
            continue
        below = seen_by(rows, number, places[number])
        seen[number] = below[-1]
        for source in rows[number].inputs:
            if source not in places and all(below[source]):
                places[source] = tuple(span[len(span) // 2] for span in below[source])
    groups: dict[tuple[range, range], list[int]] = {}
    for number in sorted(seen):
        if all(seen[number]):
            groups.setdefault(seen[number], []).append(number)
    if not groups:
        raise ValueError(f"unit={tuple(unit)} of {rows[last].name} sees nothing of the input")
    names = group_names([[rows[number].name for number in group] for group in groups.values()])
    found = [_Nested(name, *spans) for name, spans in zip(names, groups, strict=True)]
    return sorted(found, key=lambda window: len(window.down) * len(window.across))
