"""A leaderboard: a table that sorts and a scatter plot, linked, for any figures of any networks."""

import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real

import numpy as np
from traitlets import Bool, Int, List, TraitError, Unicode, validate

from cnnlib.widgets.base import TeachingWidget

# Each family has a marker and a colour, so that neither is the only cue.
SHAPES = (
    "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0z",  # circle
    "M-4.5,-4.5h9v9h-9z",  # square
    "M0,-6L5.6,4.4H-5.6z",  # triangle
    "M0,-6.4L6.4,0L0,6.4L-6.4,0z",  # diamond
    "M-1.8,-5.6h3.6v3.8h3.8v3.6h-3.8v3.8h-3.6v-3.8h-3.8v-3.6h3.8z",  # plus
    "M0,6L5.6,-4.4H-5.6z",  # triangle, tip down
)
COLOURS = ("input", "kernel", "output", "focus", "muted", "warn")

# The plot's measures in pixels; leaderboard.js has them too.
LETTER, LINE = 6.4, 13  # a label's width for each letter, and its height
REACH = 7  # from a marker's middle: what no label may cover
# Where a label may stand: how far from its point, in which direction.
SIDES = ((0.6, 0), (-0.6, 0), (0, -1), (0, 1), (0.6, -0.8), (-0.6, -0.8), (0.6, 0.8), (-0.6, 0.8))
SPOTS = [(far, dx, dy) for far in (14, 22, 30, 40) for dx, dy in SIDES]


@dataclass(frozen=True)
class Column:
    """A figure that networks have: one column of the table, and an axis that can be chosen.

    ``key`` is its name in an entry's ``figures``. ``format`` is Python's for a float: ``".1f"``, or
    ``",.0f"`` for 1,234,567. ``log``: drawn on a logarithmic axis, so every figure is above 0.
    ``higher_is_better`` is None where neither end is better: such a column gives no front.

    Raises ``ValueError`` for an empty key or label, or another format.
    """

    key: str
    label: str
    unit: str = ""
    format: str = ",.0f"
    log: bool = False
    higher_is_better: bool | None = None

    def __post_init__(self) -> None:
        if not self.key or not self.label:
            raise ValueError(f"{self}: expected a key and a label that are not empty")
        if not re.fullmatch(r",?\.\d+f", self.format):
            raise ValueError(f"format={self.format!r}: expected one such as '.1f' or ',.0f'")


@dataclass(frozen=True)
class Entry:
    """One network. ``figures``: column key -> a number, or the numbers of several runs.

    Of several runs the mean is shown, with each run and the span from least to most. What is
    missing (no such key, None, NaN, an empty sequence) is shown as a dash and sorts last.
    """

    name: str
    figures: Mapping[str, float | Sequence[float] | None] = field(default_factory=dict)
    family: str = ""


class Leaderboard(TeachingWidget, stem="leaderboard"):
    """Networks side by side: sort the table by any column, plot any column against another.

    What it teaches: there is no best network, only a best one for a price. A network is on the
    *front* if no other is at least as good on both axes and better on one.

    ``entries`` are :class:`Entry`, ``columns`` two or more :class:`Column`.

    What the reader chooses can be set and observed: ``x`` and ``y`` (column keys of the plot), the
    table's order ``sort`` ("name", "family" or a column key) and ``descending``, whether the
    ``front`` is drawn, and ``chosen`` (an entry's number, -1 for none). At first ``y`` and ``sort``
    are the first column of which more is better, and ``x`` is the first other one.

    Raises ``ValueError`` for entries and columns that do not fit together or repeat a name, for a
    figure that is no finite number, and for one that is not above 0 in a column with ``log``;
    ``TraitError`` for a choice that does not exist.
    """

    columns = List().tag(sync=True)
    entries = List().tag(sync=True)
    families = List().tag(sync=True)

    x = Unicode().tag(sync=True)
    y = Unicode().tag(sync=True)
    sort = Unicode().tag(sync=True)
    descending = Bool().tag(sync=True)
    front = Bool(True).tag(sync=True)
    chosen = Int(-1).tag(sync=True)

    def __init__(self, entries: Sequence[Entry], columns: Sequence[Column], **chosen) -> None:
        entries, columns = list(entries), list(columns)
        _check(entries, columns)
        good = next((c.key for c in columns if c.higher_is_better), columns[0].key)
        start = {"y": good, "sort": good, **chosen}
        start.setdefault("x", next(c.key for c in columns if c.key != start["y"]))
        best_first = {c.key: c.higher_is_better is True for c in columns}
        start.setdefault("descending", best_first.get(start["sort"], False))
        families = list(dict.fromkeys(entry.family for entry in entries))
        super().__init__(
            columns=[
                {
                    "key": column.key,
                    "label": column.label,
                    "unit": column.unit,
                    "log": column.log,
                    "grouped": column.format.startswith(","),
                    "better": {None: 0, False: -1, True: 1}[column.higher_is_better],
                }
                for column in columns
            ],
            entries=[
                {
                    "name": entry.name,
                    "family": families.index(entry.family),
                    "cells": [_cell(entry, column) for column in columns],
                }
                for entry in entries
            ],
            families=[
                {
                    "name": family,
                    "shape": SHAPES[number % len(SHAPES)],
                    "colour": COLOURS[(number + number // len(COLOURS)) % len(COLOURS)],
                }
                for number, family in enumerate(families)
            ],
            **start,
        )

    @validate("x", "y", "sort")
    def _is_a_column(self, proposal: dict) -> str:
        name, value = proposal["trait"].name, proposal["value"]
        known = [column["key"] for column in self.columns]
        if name == "sort":
            known = ["name", "family", *known]
        if value not in known:
            raise TraitError(f"{name}={value!r}: expected one of {', '.join(map(repr, known))}")
        if name != "sort" and value == (self.y if name == "x" else self.x):
            raise TraitError(f"x and y are both {value!r}: expected two columns")
        return value

    @validate("chosen")
    def _exists(self, proposal: dict) -> int:
        if not -1 <= proposal["value"] < len(self.entries):
            raise TraitError(
                f"chosen={proposal['value']}: expected -1 for none, or an entry's number "
                f"below {len(self.entries)}"
            )
        return proposal["value"]

    def text_alternative(self) -> str:
        how = "largest" if self.descending else "smallest"
        known = {column["key"]: number for number, column in enumerate(self.columns)}
        if self.sort in known:
            number = known[self.sort]
            order = f"by {_title(self.columns[number])}, {how} first"
            rows = [self.entries[row] for row in self._order()]
            told = [f"{row['name']} {row['cells'][number]['text']}" for row in rows]
        else:
            order = f"by {self.sort}"
            told = [self.entries[row]["name"] for row in self._order()]
        count = len(self.entries)
        words = f"Leaderboard of {count} network{'s' * (count != 1)} {order}: {', '.join(told)}."
        (across, up), front = self._axes(), self._front()
        if front is not None:
            names = ", ".join(self.entries[number]["name"] for number in front)
            words += f" On the front of {up['label']} against {across['label']}: {names or 'none'}."
        return words

    def still_picture(self) -> str:
        return f"{self._plot()}{self._legend()}{self._table()}"

    def _axes(self) -> tuple[dict, dict]:
        """The columns of x and y."""
        by_key = {column["key"]: column for column in self.columns}
        return by_key[self.x], by_key[self.y]

    def _points(self) -> list[tuple[dict, dict] | None]:
        """Each entry's cells of x and y, or None where one of them is missing."""
        across, up = (self.columns.index(axis) for axis in self._axes())
        cells = [(entry["cells"][across], entry["cells"][up]) for entry in self.entries]
        return [None if any(c["value"] is None for c in pair) else pair for pair in cells]

    def _front(self) -> list[int] | None:
        """Who is on the front, if it is asked for and both axes have a better end."""
        better = [axis["better"] for axis in self._axes()]
        if not self.front or 0 in better:
            return None
        points = [pair and (pair[0]["value"], pair[1]["value"]) for pair in self._points()]
        return front_of(points, better)

    def _order(self) -> list[int]:
        """The entries' numbers as the table has them."""
        if self.sort == "name":
            values = [entry["name"].lower() for entry in self.entries]
        elif self.sort == "family":
            words = [family["name"].lower() or None for family in self.families]
            values = [words[entry["family"]] for entry in self.entries]
        else:
            column = [column["key"] for column in self.columns].index(self.sort)
            values = [entry["cells"][column]["value"] for entry in self.entries]
        return order_of(values, self.descending)

    def _plot(self) -> str:
        """The scatter plot as SVG, in the colours of the page."""
        width, height, top, right, bottom = 640, 400, 10, 14, 46
        axes, points, front = self._axes(), self._points(), self._front()
        drawn = [number for number, pair in enumerate(points) if pair]
        if not drawn:
            return "<p>No network has both figures.</p>"
        ranges = [
            domain([v for n in drawn for v in points[n][i]["values"]], axis["log"])
            for i, axis in enumerate(axes)
        ]
        ticks = [
            ticks_of(*limits, most, axis["log"])
            for limits, most, axis in zip(ranges, (8, 7), axes, strict=True)
        ]
        texts = [
            [tick_text(*tick, axis["grouped"]) for tick in found]
            for found, axis in zip(ticks, axes, strict=True)
        ]
        left = 34 + LETTER * max(map(len, texts[1]), default=0)
        spans = ((left, width - right), (height - bottom, top))

        def at(i: int, value: float) -> float:
            return position(value, ranges[i], spans[i], axes[i]["log"])

        parts = []
        for tick, text in zip(ticks[0], texts[0], strict=True):
            x = at(0, tick_value(*tick))
            parts.append(_line(x, top, x, height - bottom, "line", 0.4))
            parts.append(_text(text, x, height - bottom + 16))
        for tick, text in zip(ticks[1], texts[1], strict=True):
            y = at(1, tick_value(*tick))
            parts.append(_line(left, y, width - right, y, "line", 0.4))
            parts.append(_text(text, left - 6, y + 4, "end"))
        parts.append(_text(_title(axes[0]), (left + width - right) / 2, height - 8, bold=True))
        turned = f"translate(12 {(height - bottom + top) / 2:.1f}) rotate(-90)"
        parts.append(f'<g transform="{turned}">{_text(_title(axes[1]), 0, 0, bold=True)}</g>')

        places = {n: (at(0, points[n][0]["value"]), at(1, points[n][1]["value"])) for n in drawn}
        if front is not None:
            line = " ".join(f"{places[n][0]:.1f},{places[n][1]:.1f}" for n in front)
            parts.append(
                f'<polyline points="{line}" fill="none" stroke="var(--cnn-ink)" '
                f'stroke-dasharray="5 3"/>'
            )
        for n in drawn:
            x, y = places[n]
            if len(points[n][0]["values"]) > 1:
                ends = [at(0, v) for v in points[n][0]["values"]]
                parts.append(_line(min(ends), y, max(ends), y, "ink", 1.2))
            if len(points[n][1]["values"]) > 1:
                ends = [at(1, v) for v in points[n][1]["values"]]
                parts.append(_line(x, min(ends), x, max(ends), "ink", 1.2))
            parts.append(_marker(self.families[self.entries[n]["family"]], x, y))
        names = [self.entries[n]["name"] for n in drawn]
        boxes = place_labels(
            [places[n] for n in drawn],
            [LETTER * len(name) for name in names],
            (left, top, width - right, height - bottom),
            [k for k, n in enumerate(drawn) if n in (front or [])],
        )
        for n, name, box in zip(drawn, names, boxes, strict=True):
            if box:
                if box[2]:
                    parts.append(_line(*places[n], *box[3], "muted", 0.7))
                parts.append(_text(name, box[0], box[1] + 10, "start"))
        return (
            f'<svg viewBox="0 0 {width} {height}" width="{width}" font-size="11.5" '
            f'fill="var(--cnn-ink)" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
        )

    def _legend(self) -> str:
        items = [
            f'<svg width="14" height="14" viewBox="-7 -7 14 14">{_marker(family, 0, 0)}</svg> '
            f"{html.escape(family['name'])}"
            for family in self.families
            if family["name"]
        ]
        if self._front() is not None:
            items.append("dashed: the front, beaten by none on both axes")
        return f"<p>{' &nbsp; '.join(items)}</p>" if items else ""

    def _table(self) -> str:
        heads = ["network", *map(_title, self.columns), "family"]
        rows = []
        for number in self._order():
            entry = self.entries[number]
            cells = [f"{cell['text']} {cell['span']}".strip() for cell in entry["cells"]]
            cells = [entry["name"], *cells, self.families[entry["family"]]["name"] or "–"]
            rows.append("".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
        head = "".join(f"<th>{html.escape(text)}</th>" for text in heads)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f'<div class="cnn-scroll"><table><tr>{head}</tr>{body}</table></div>'


def _check(entries: list[Entry], columns: list[Column]) -> None:
    if not entries:
        raise ValueError("entries=[]: expected at least one network")
    if len(columns) < 2:
        raise ValueError(f"columns: {len(columns)}, expected two or more, for a plot has two axes")
    for what, names in (
        ("columns", [column.key for column in columns]),
        ("entries", [entry.name for entry in entries]),
    ):
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"{what}: {sorted(twice)[0]!r} stands there twice")
    taken = {"name", "family"} & {column.key for column in columns}
    if taken:
        raise ValueError(f"columns: the key {taken.pop()!r} is the table's own")
    keys = [column.key for column in columns]
    for entry in entries:
        if not entry.name.strip():
            raise ValueError(f"{entry}: expected a name")
        unknown = set(entry.figures) - set(keys)
        if unknown:
            raise ValueError(
                f"{entry.name}: {sorted(unknown)[0]!r} is no column; "
                f"expected keys among {', '.join(map(repr, keys))}"
            )


def _cell(entry: Entry, column: Column) -> dict:
    """A figure as the page has it: the mean, the runs, and both as text."""
    values = _numbers(entry, column)
    if not values:
        return {"value": None, "values": [], "text": "–", "span": ""}
    mean = math.fsum(values) / len(values)
    ends = [_minus(format(end, column.format)) for end in (min(values), max(values))]
    return {
        "value": mean,
        "values": values,
        "text": _minus(format(mean, column.format)),
        "span": f"({ends[0]} to {ends[1]})" if len(values) > 1 else "",
    }


def _numbers(entry: Entry, column: Column) -> list[float]:
    given = entry.figures.get(column.key)
    where = f"{entry.name}: {column.key}={given!r}"
    several = np.ndim(given) > 0
    values = list(given) if several else [given]
    if not several and (given is None or given != given):  # NaN differs from itself
        return []
    if not all(isinstance(value, Real) for value in values):
        raise ValueError(f"{where}: expected a number, several, or None")
    values = [float(value) for value in values]
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{where}: expected finite numbers")
    if column.log and min(values, default=1) <= 0:
        raise ValueError(f"{where}: expected a figure above 0, for the axis is logarithmic")
    return values


def _title(column: dict) -> str:
    return f"{column['label']} ({column['unit']})" if column["unit"] else column["label"]


def _minus(text: str) -> str:
    return text.replace("-", "−")


# What the page computes for itself; leaderboard.js has the twins under the same names -------------


def order_of(values: Sequence[float | str | None], descending: bool = False) -> list[int]:
    """The numbers of ``values`` in order. Equal ones keep theirs, None comes last either way."""
    known = [number for number, value in enumerate(values) if value is not None]
    missing = [number for number, value in enumerate(values) if value is None]
    return sorted(known, key=lambda number: values[number], reverse=descending) + missing


def front_of(
    points: Sequence[tuple[float, float] | None], better: Sequence[int] = (-1, 1)
) -> list[int]:
    """The numbers of the points that none beats, from left to right.

    One beats another if it is at least as good on both axes and better on one. ``better`` says for
    each axis which way is better: 1 more, -1 less. None is a missing point.
    """
    known = [(number, point) for number, point in enumerate(points) if point is not None]

    def beats(a: tuple[float, float], b: tuple[float, float]) -> bool:
        gains = [way * (one - other) for way, one, other in zip(better, a, b, strict=True)]
        return min(gains) >= 0 and max(gains) > 0

    front = [(number, p) for number, p in known if not any(beats(q, p) for _, q in known)]
    return [number for number, _ in sorted(front, key=lambda pair: pair[1])]


def domain(values: Sequence[float], log: bool) -> tuple[float, float]:
    """The ends of an axis that holds the values, with some room at both."""
    low, high = min(values), max(values)
    if log:
        room = (high / low) ** 0.07 if high > low else 1.5
        return low / room, high * room
    room = 0.07 * (high - low) if high > low else abs(low) / 10 or 1.0
    return low - room, high + room


def position(
    value: float, limits: tuple[float, float], span: tuple[float, float], log: bool
) -> float:
    """Where a value stands between the ends of ``span``, in pixels."""
    low, high, here = (math.log(v) if log else v for v in (*limits, value))
    return span[0] + (here - low) / (high - low) * (span[1] - span[0])


def ticks_of(low: float, high: float, most: int, log: bool) -> list[tuple[int, int]]:
    """Round values from ``low`` to ``high``, as (m, e) for ``m * 10**e``, and not above ``most``.

    A logarithmic axis has 1, 2, 5, or 1, 3, or 1 of every decade, whichever first are few enough
    and still three; where that fails it is so short that evenly spaced values do.
    """
    if log:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for firsts in ((1, 2, 5), (1, 3), (1,)):
            found = [(m, e) for e in decades for m in firsts if low <= tick_value(m, e) <= high]
            if 3 <= len(found) <= most:
                return found
        if len(found) > most:
            return found[:: math.ceil(len(found) / most)]
    exponent = math.floor(math.log10((high - low) / most))
    while True:
        for m in (1, 2, 5):
            step = tick_value(m, exponent)
            first, last = math.ceil(low / step), math.floor(high / step)
            if last - first + 1 <= most:
                return [(k * m, exponent) for k in range(first, last + 1)]
        exponent += 1


def tick_value(m: int, e: int) -> float:
    return m * 10**e if e >= 0 else m / 10**-e


def tick_text(m: int, e: int, grouped: bool = True) -> str:
    """``m * 10**e`` in few letters: 0.5, 2,000, 12M (million), 3G (thousand million)."""
    unit = ""
    for letter, power in (("G", 9), ("M", 6)):
        if grouped and abs(tick_value(m, e)) >= 10**power:
            unit, e = letter, e - power
            break
    while e < 0 and m % 10 == 0:
        m, e = m // 10, e + 1
    text = f"{tick_value(m, e):,.{max(0, -e)}f}{unit}"
    return _minus(text if grouped else text.replace(",", ""))


def place_labels(
    points: Sequence[tuple[float, float]],
    widths: Sequence[float],
    frame: tuple[float, float, float, float],
    first: Sequence[int] = (),
) -> list[tuple[float, float, bool, tuple[float, float]] | None]:
    """Where each point's label goes without covering a marker or another label, or None.

    ``frame`` is (left, top, right, bottom). A label is placed as (x, y, far, end): its left and
    upper edge, whether it needs a line from its point, and where that line ends. Those in ``first``
    choose first, then the others in their order. Beside the point is best, then above and below,
    then the corners; then the same further out.
    """
    markers = [(x - REACH, y - REACH, x + REACH, y + REACH) for x, y in points]
    taken: list[tuple[float, float, float, float]] = []
    places: list = [None] * len(points)
    for number in [*first, *(n for n in range(len(points)) if n not in first)]:
        x, y = points[number]
        for far, dx, dy in SPOTS:
            middle_x, middle_y = x + dx * far, y + dy * far
            left = middle_x - (1 - (dx > 0) + (dx < 0)) / 2 * widths[number]
            upper = middle_y - LINE / 2
            box = (left, upper, left + widths[number], upper + LINE)
            inside = (
                frame[0] <= box[0]
                and frame[1] <= box[1]
                and box[2] <= frame[2]
                and box[3] <= frame[3]
            )
            if inside and not any(_meet(box, other) for other in (*markers, *taken)):
                taken.append(box)
                end = (middle_x, middle_y if dx else middle_y - dy * LINE / 2)
                places[number] = (left, upper, far > SPOTS[0][0], end)
                break
    return places


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


# The still picture's pieces -----------------------------------------------------------------------


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="var(--cnn-{colour})" stroke-width="{width}"/>'
    )


def _text(text: str, x: float, y: float, anchor: str = "middle", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>{html.escape(text)}</text>'
    )


def _marker(family: dict, x: float, y: float) -> str:
    return (
        f'<path d="{family["shape"]}" transform="translate({x:.1f} {y:.1f})" '
        f'fill="var(--cnn-{family["colour"]})" stroke="var(--cnn-paper)"/>'
    )
