"""A leaderboard: a table that sorts and a scatter plot, linked, for any figures of any networks."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from cnnlib.widgets import svg
from cnnlib.widgets.plots import INKS, draw_plot, label_points, scale_axes
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import signed

# Each family has a marker and a colour, so that neither is the only cue. A marker is matplotlib's,
# with the page's path for it.
MARKERS = {
    "o": "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0z",
    "s": "M-4.5,-4.5h9v9h-9z",
    "^": "M0,-6L5.6,4.4H-5.6z",
    "D": "M0,-6.4L6.4,0L0,6.4L-6.4,0z",
    "P": "M-1.8,-5.6h3.6v3.8h3.8v3.6h-3.8v3.8h-3.6v-3.8h-3.8v-3.6h3.8z",
    "v": "M0,6L5.6,-4.4H-5.6z",
}
COLOURS = ("input", "kernel", "output", "focus", "muted", "warn")


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

    What the reader chooses can be set and observed: ``x`` and ``y`` (column keys of the plot; where
    both would be the same, the axis that was not asked for takes the other's old column), the
    table's order ``sort`` ("name", "family" or a column key) and ``descending`` (where it is not
    asked for, a new order has the best first), whether the ``front`` is drawn, and which
    ``network`` stays lit (an entry's number, -1 for none). At first ``y`` and ``sort`` are the
    first column of which more is better, and ``x`` is the first other one.

    Raises ``ValueError`` for entries and columns that do not fit together or repeat a name, for a
    figure that is no finite number, for one that is not above 0 in a column with ``log``, and for a
    choice that does not exist.
    """

    x = Choice()
    y = Choice()
    sort = Choice()
    descending = Choice()
    front = Choice()
    network = Choice()

    def __init__(
        self,
        entries: Sequence[Entry],
        columns: Sequence[Column],
        *,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: Any,
    ) -> None:
        entries, columns = list(entries), list(columns)
        _check(entries, columns)
        families = list(dict.fromkeys(entry.family for entry in entries))
        fixed = {
            "columns": [
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
            "entries": [
                {
                    "name": entry.name,
                    "family": families.index(entry.family),
                    "cells": [_cell(entry, column) for column in columns],
                }
                for entry in entries
            ],
            "families": [_family(name, number) for number, name in enumerate(families)],
        }
        good = next((column.key for column in columns if column.higher_is_better), columns[0].key)
        first = {
            "x": next(column.key for column in columns if column.key != good),
            "y": good,
            "sort": good,
            "descending": _best_first(fixed, good),
            "front": True,
            "network": -1,
        }
        super().__init__(fixed, first, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        keys = [column["key"] for column in fixed["columns"]]
        x, y = s.one_of("x", keys), s.one_of("y", keys)
        if x == y:
            keeps, moves = ("x", "y") if s.asks("x") and not s.asks("y") else ("y", "x")
            s.refuse(moves, "axes.alike")
            s.take(moves, present[keeps] if present[keeps] != x else present[moves])
        sort = s.one_of("sort", ["name", "family", *keys])
        if sort != present["sort"] and not s.asks("descending"):
            s.take("descending", _best_first(fixed, sort))
        s.flag("descending")
        s.flag("front")
        s.whole("network", -1, len(fixed["entries"]) - 1)
        return s.done()

    def text_alternative(self) -> str:
        columns, entries, say = self.fixed["columns"], self.fixed["entries"], self.words
        known = {column["key"]: number for number, column in enumerate(columns)}
        rows, column = [entries[number] for number in self._order()], ""
        key, told = f"alt.{self.sort}", [row["name"] for row in rows]
        if self.sort in known:
            number = known[self.sort]
            key, column = (
                "alt.largest" if self.descending else "alt.smallest",
                _title(columns[number]),
            )
            told = [f"{row['name']} {row['cells'][number]['text']}" for row in rows]
        words = say(key, count=len(rows), column=column, networks=", ".join(told))
        (across, up), front = self._axes(), self._front()
        if front is None:
            return words
        names = ", ".join(entries[number]["name"] for number in front) or say("alt.nobody")
        return f"{words} {say('alt.front', up=up['label'], across=across['label'], names=names)}"

    def still_picture(self) -> str:
        if any(self._points()):
            plot = draw_plot(self.draw, 640, 400)
        else:
            plot = svg.paragraph(self.words("still.no_plot"))
        return svg.join([plot, self._legend(), self._table()])

    def draw(self, ax: Axes) -> Axes:
        """The scatter plot on ``ax``: a marker and a label a network, its runs, and the front."""
        points, entries, families = self._points(), self.fixed["entries"], self.fixed["families"]
        drawn = [number for number, point in enumerate(points) if point]
        middles = {n: [cell["value"] for cell in points[n]] for n in drawn}
        runs = [[cell["values"] for cell in points[n]] for n in drawn]
        (across, up), front = self._axes(), self._front() or []
        scale_axes(
            ax,
            [sum(values, []) for values in zip(*runs, strict=True)],
            titles=[_title(across), _title(up)],
            log=[across["log"], up["log"]],
            grouped=[across["grouped"], up["grouped"]],
        )
        thin = {"color": INKS["ink"], "linewidth": 1.2}
        for n, (xs, ys) in zip(drawn, runs, strict=True):
            x, y = middles[n]
            if len(xs) > 1:
                ax.hlines(y, min(xs), max(xs), **thin)
            if len(ys) > 1:
                ax.vlines(x, min(ys), max(ys), **thin)
        ax.plot([middles[n][0] for n in front], [middles[n][1] for n in front], "--", **thin)
        for n in drawn:
            family = families[entries[n]["family"]]
            ax.plot(
                *middles[n],
                marker=family["marker"],
                markersize=9,
                color=INKS[family["colour"]],
                markeredgecolor=INKS["paper"],
            )
        names = [entries[n]["name"] for n in drawn]
        first = [k for k, n in enumerate(drawn) if n in front]
        label_points(ax, list(middles.values()), names, first)
        return ax

    def _axes(self) -> tuple[dict, dict]:
        """The columns of x and y."""
        by_key = {column["key"]: column for column in self.fixed["columns"]}
        return by_key[self.x], by_key[self.y]

    def _points(self) -> list[tuple[dict, dict] | None]:
        """Each entry's cells of x and y, or None where one of them is missing."""
        across, up = (self.fixed["columns"].index(axis) for axis in self._axes())
        cells = [(entry["cells"][across], entry["cells"][up]) for entry in self.fixed["entries"]]
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
        entries = self.fixed["entries"]
        if self.sort == "name":
            values = [entry["name"].lower() for entry in entries]
        elif self.sort == "family":
            words = [family["name"].lower() or None for family in self.fixed["families"]]
            values = [words[entry["family"]] for entry in entries]
        else:
            column = [column["key"] for column in self.fixed["columns"]].index(self.sort)
            values = [entry["cells"][column]["value"] for entry in entries]
        return order_of(values, self.descending)

    def _legend(self) -> svg.Markup:
        items = [
            svg.element("span", _icon(family), f" {family['name']} \u2002")
            for family in self.fixed["families"]
            if family["name"]
        ]
        if self._front() is not None:
            items.append(self.words("still.front"))
        return svg.element("p", *items) if items else svg.Markup()

    def _table(self) -> svg.Markup:
        say, families = self.words, self.fixed["families"]
        titles = [say("network"), *map(_title, self.fixed["columns"]), say("family")]
        lines = [svg.element("tr", *(svg.element("th", title) for title in titles))]
        for number in self._order():
            entry = self.fixed["entries"][number]
            texts = [
                f"{cell['text']} {say('span', least=cell['ends'][0], most=cell['ends'][1])}"
                if cell["ends"]
                else cell["text"]
                for cell in entry["cells"]
            ]
            texts = [entry["name"], *texts, families[entry["family"]]["name"] or "–"]
            lines.append(svg.element("tr", *(svg.element("td", text) for text in texts)))
        return svg.element("div", svg.element("table", *lines), class_="cnn-scroll")


# From records to what the page holds --------------------------------------------------------------


def _family(name: str, number: int) -> dict:
    marker = list(MARKERS)[number % len(MARKERS)]
    return {
        "name": name,
        "marker": marker,
        "shape": MARKERS[marker],
        "colour": COLOURS[(number + number // len(COLOURS)) % len(COLOURS)],
    }


def _best_first(fixed: Mapping[str, Any], sort: str) -> bool:
    """Whether an order by ``sort`` that begins with the best is descending."""
    return any(column["key"] == sort and column["better"] == 1 for column in fixed["columns"])


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
    """A figure as the page has it: the mean, the runs, and the mean and the ends as text."""
    values = _numbers(entry, column)
    if not values:
        return {"value": None, "values": [], "text": "–", "ends": []}
    mean = math.fsum(values) / len(values)
    ends = (min(values), max(values)) if len(values) > 1 else ()
    return {
        "value": mean,
        "values": values,
        "text": signed(format(mean, column.format)),
        "ends": [signed(format(end, column.format)) for end in ends],
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


# What the page computes for itself; leaderboard_sums.js has the twins under the same names --------


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


# The still picture's pieces -----------------------------------------------------------------------


def _icon(family: dict) -> svg.Markup:
    fill = f"var(--cnn-{family['colour']})"
    path = svg.element("path", d=family["shape"], fill=fill, stroke="var(--cnn-paper)")
    return svg.element("svg", path, width=14, height=14, viewBox="-7 -7 14 14")
