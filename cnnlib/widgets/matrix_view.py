"""A small convolution as a matrix product, in its two forms, with every entry traced."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cnnlib.widgets import svg
from cnnlib.widgets.matrix_view_sums import (
    FORMS,
    HOMES,
    LIMITS,
    MOST,
    PICTURES,
    PRESETS,
    SHAPES,
    counts,
    is_legible,
    lights,
    out_size,
    preset_of,
    sizes,
    values,
)
from cnnlib.widgets.settling import Settled, Settling, State, is_whole
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import fixed_point

FIXED = {
    "limits": {name: list(limits) for name, limits in LIMITS.items()},
    "most": MOST,
    "presets": PRESETS,
}
FIRST = {
    "preset": "worked",
    **PRESETS["worked"],
    "form": "toeplitz",
    "picture": "output",
    "entry": [0, 0],
}
CELL, GAP = 18, 5  # of the still picture


class MatrixView(TeachingWidget, stem="matrix_view"):
    """Teaches how one layer is two different matrix products, entry by entry.

    ``MatrixView(preset="padding")`` shows a case; the keys of ``PRESETS`` name them all. The
    settings are torch's words: ``in_channels``, ``height``, ``width``, ``out_channels``,
    ``kernel_size`` (square), ``stride``, ``padding``, ``dilation`` and ``groups``. Further choices:
    ``form`` ("toeplitz" or "im2col"), ``picture`` (one of ``PICTURES``) and ``entry``, a place
    [row, column] in that picture as :mod:`cnnlib.widgets.matrix_view_sums` counts them.

    All of these can be set and observed. A layer that is not legible (more than ``MOST`` cells of
    the input, of the output or of a window) raises ``ChoiceError``; ``groups`` gives way to the
    channels where it is not asked for.
    """

    preset = Choice()
    in_channels = Choice()
    height = Choice()
    width = Choice()
    out_channels = Choice()
    kernel_size = Choice()
    stride = Choice()
    padding = Choice()
    dilation = Choice()
    groups = Choice()
    form = Choice()
    picture = Choice()
    entry = Choice()

    def __init__(self, *, language: str = "en", hidden: Sequence[str] = (), **chosen: Any) -> None:
        super().__init__(FIXED, FIRST, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        s.state |= s.preset(fixed["presets"]) or {}
        start = dict(s.state)
        for name in SHAPES:
            s.whole(name, *fixed["limits"][name])
        if not is_legible(s.state):
            _approach(s, start)
        _settle_groups(s)
        s.one_of("form", FORMS)
        s.one_of("picture", PICTURES)
        home = HOMES.get(s.state["picture"])
        if home and home != s.state["form"]:
            if s.asks("picture") and not s.asks("form"):
                s.take("form", home)
            else:
                s.refuse("picture", "picture.expected", form=home)
                if not s.asks("entry"):
                    s.take("entry", _output_of(s.state))
                s.take("picture", "output")
        s.place("entry", sizes(s.state)[s.state["picture"]])
        s.take("preset", preset_of(s.state))
        return s.done()

    def values(self) -> dict[str, list[list]]:
        """The numbers in every picture: see :func:`cnnlib.widgets.matrix_view_sums.values`."""
        return values(self.chosen())

    def counts(self) -> dict[str, dict[str, int]]:
        """The two forms' bills: see :func:`cnnlib.widgets.matrix_view_sums.counts`."""
        return counts(self.chosen())

    def lights(self) -> dict[str, list[list[int]]]:
        """What the chosen entry comes from and goes to, in every picture."""
        return lights(self.chosen(), self.picture, self.entry)

    def text_alternative(self) -> str:
        told, (rows, columns) = self.counts(), out_size(self.chosen())
        numbers = {name: getattr(self, name) for name in LIMITS}
        words = [self.words("alt", **numbers, rows=rows, columns=columns)]
        for form in FORMS:
            bill = told[form]
            share = fixed_point(100 * bill["filled"] / bill["entries"])
            words.append(self.words(f"alt.{form}", share=share, **bill))
        return " ".join(words)

    def still_picture(self) -> str:
        """The Toeplitz matrix under the flat input, and the two factors of the other product."""
        tables = self.values()
        flat = [[number for line in tables["input"] for number in line]]
        parts, height = [], 0
        for kind, table in (("input", flat), ("kernel", tables["toeplitz"])):
            parts.append(_table(0, height, table, kind))
            height += CELL * len(table) + GAP
        left = 0
        height += 2 * GAP
        for kind, table in (("kernel", tables["rows"]), ("input", tables["columns"])):
            parts.append(_table(left, height, table, kind))
            left += CELL * len(table[0]) + 3 * GAP
        taller = max(len(tables["rows"]), len(tables["columns"]))
        wide = max(left, CELL * len(flat[0])) + 1
        picture = svg.drawing(
            wide, height + CELL * taller + 1, *parts, font_family="sans-serif", font_size=10
        )
        return picture + svg.paragraph(self.words("still"))


def _settle_groups(s: Settling) -> None:
    """The largest common divisor of the channels that is no more than what was asked for."""
    wanted = s.wanted("groups")
    near = wanted if is_whole(wanted) else s.state["groups"]
    both = math.gcd(s.state["in_channels"], s.state["out_channels"])
    divisors = [n for n in range(1, both + 1) if both % n == 0]
    groups = max([n for n in divisors if n <= near], default=1)
    if groups != wanted or not is_whole(wanted):
        s.refuse("groups", "groups.expected", options=", ".join(map(str, divisors)))
    s.take("groups", groups)


def _output_of(state: Mapping[str, Any]) -> list[int]:
    """An output that an entry of a matrix takes part in, for when the matrix goes out of sight."""
    row, column = state["entry"]
    if state["picture"] == "columns":
        return [0, column]
    if state["picture"] == "rows":
        return [row, 0]
    return list(divmod(row, sizes(state)["output"][1]))


def _approach(s: Settling, start: Mapping[str, Any]) -> None:
    """Take what was asked for one by one, each as far as the layer stays legible."""
    asked = {name: s.state[name] for name in SHAPES}
    for name in SHAPES:
        s.take(name, start[name])
    for name in SHAPES:
        value = asked[name]
        while not is_legible({**s.state, name: value}):
            value += 1 if value < start[name] else -1
        if value != asked[name]:
            s.refuse(name, "setting.expected", most=MOST)
        s.take(name, value)


def _table(left: float, top: float, table: list[list], kind: str) -> svg.Markup:
    """Numbers in cells; those that are not stored stay pale."""
    cells = []
    for row, line in enumerate(table):
        for column, number in enumerate(line):
            x, y = left + column * CELL, top + row * CELL
            fill = "paper,#fff" if number is None else f"{kind}-soft,#fff"
            style = f"fill:var(--cnn-{fill});stroke:var(--cnn-line,#8c959f);stroke-width:0.5"
            cells.append(
                svg.element("rect", x=x + 0.5, y=y + 0.5, width=CELL, height=CELL, style=style)
            )
            if number is not None:
                cells.append(
                    svg.element("text", fixed_point(number), x=x + CELL / 2, y=y + 13,
                                text_anchor="middle", style="fill:var(--cnn-ink,#1f2328)")
                )  # fmt: skip
    return svg.join(cells)
