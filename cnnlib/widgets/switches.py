"""A small net run forwards and back: pooling switches, and the ReLU's three ways to look back."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnlib.widgets import svg
from cnnlib.widgets.settling import Settled, Settling, State, is_whole
from cnnlib.widgets.widget import Choice, ChoiceError, TeachingWidget

#: Pictures to start from, a digit a pixel.
PICTURES = {
    "a ring": "00000000 00344500 03000060 04000060 05000050 06000040 00345400 00000000",
    "two strokes": "000000000 030000070 030000070 030000070 030000070 030000000 000000000"
    " 003355500 000000000",
    "a step": "111115555 111115555 111115555 111115555 111115555 111115555 111115555"
    " 111115555 111115555",
    "a corner": "000000000 000000000 006666660 006666660 006600000 006600000 006600000"
    " 006600000 000000000",
    "scattered": "302050104 060103070 100420003 051000260 003071000 200405031 070010500"
    " 014300206 300060142",
}

#: The first convolution's kernels, 3×3. No biases: they play no part on the way back.
KERNELS = {
    "upright edge": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
    "level edge": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
    "falling line": [[1, -1, -1], [-1, 1, -1], [-1, -1, 1]],
    "spot": [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
}

#: The second convolution's, 2×2, or none.
SECONDS = {
    "left, not right": [[1, -1], [1, -1]],
    "one diagonal, not the other": [[1, -1], [-1, 1]],
    "all four": [[1, 1], [1, 1]],
    "none": [],
}

#: Pools: the size of the window and its stride.
POOLS = {"2×2, stride 2": [2, 2], "3×3, stride 2": [3, 2]}

#: What a pool does with a signal on the way back.
UNPOOLS = {
    "switches": "to the place that won the window",
    "corner": "to the window's top left place, whoever won",
    "spread": "in equal parts to all places of the window",
}

#: What a ReLU sends back. r: the signal from above; x: what the ReLU saw.
METHODS = {
    "gradient": "r where x > 0",
    "deconvnet": "r where r > 0",
    "guided": "r where both",
}

SIDES = (7, 9)  # pixels: every kernel and pool fits, and a page shows every number
BRIGHTEST = 9
CELL = 20  # of the still picture


class Switches(TeachingWidget, stem="switches"):
    """A picture, a convolution, a ReLU, a max pool, and if wanted once more; then all of it back.

    What it teaches: a max pool forgets where its winner stood, and the switch remembers it. The
    gradient, the deconvnet and guided backpropagation run the same layers back and differ in one
    thing, what the ReLU lets through (``METHODS``).

    ``picture``: a name of ``PICTURES``, or rows of whole numbers from 0 to 9, 7 to 9 of each.
    ``kernel``, ``second``, ``pool``: names of ``KERNELS``, ``SECONDS`` and ``POOLS``; the net has
    no padding and no biases. Of equal values in a window the first wins, in reading order, as in
    torch. ``unit``: [row, column] in the top map, the one whose signal is sent back (the strongest
    if none is given); ``method`` of ``METHODS`` and ``unpool`` of ``UNPOOLS`` say how. ``step``:
    how many layers back the signal has come, None for all. The deconvnet starts with the unit's
    activation, the other two with 1, as :func:`cnnlib.inside.deconvnet` does.

    All of these can be set and observed; what does not exist raises ``ChoiceError``.
    """

    picture = Choice()
    kernel = Choice()
    second = Choice()
    pool = Choice()
    unpool = Choice()
    method = Choice()
    unit = Choice()
    step = Choice()

    def __init__(
        self,
        picture: str | Sequence[Sequence[int]] = "a ring",
        *,
        unit: Sequence[int] | None = None,
        step: int | None = None,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: str,
    ) -> None:
        if isinstance(picture, str) and picture not in PICTURES:
            raise ChoiceError(f"picture={picture!r}: expected rows, or one of {list(PICTURES)}")
        rows = FIXED["pictures"][picture] if isinstance(picture, str) else picture
        asked = {"unit": unit, "step": step}
        chosen |= {name: value for name, value in asked.items() if value is not None}
        super().__init__(
            FIXED, FIRST, {"picture": rows, **chosen}, language=language, hidden=hidden
        )
        if unit is None:
            top = self.maps()["values"][-1]
            self.unit = np.unravel_index(top.argmax(), top.shape)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        _settle_picture(s, fixed)
        for name, table in TABLES.items():
            s.one_of(name, list(fixed[table]))
        size, stride = fixed["pools"][s.state["pool"]]
        again = len(fixed["seconds"][s.state["second"]])
        sides = len(s.state["picture"]), len(s.state["picture"][0])
        s.place("unit", [(n - 2 - size) // stride + 1 - max(0, again - 1) for n in sides])
        last, before = (
            5 if second else 3 for second in (again, fixed["seconds"][present["second"]])
        )
        if not s.asks("step") and present["step"] == before:
            s.take("step", last)
        s.whole("step", 0, last)
        return s.done()

    def _last(self) -> int:
        return 3 if self.second == "none" else 5

    def maps(self) -> dict:
        """The net run forwards: ``values``, a map a stage, and ``winners`` (rows, columns, 2)."""
        return run_forward(
            np.array(self.picture), KERNELS[self.kernel], POOLS[self.pool], SECONDS[self.second]
        )

    def signals(self, method: str | None = None) -> list[np.ndarray]:
        """The signal on each stage's map, on the way back from the unit; the last is the start."""
        return run_back(self.maps(), self.unit, method or self.method, self.unpool)

    def text_alternative(self) -> str:
        net, say = self.maps(), self.words
        rows, columns = net["values"][0].shape
        pixels = self.signals()[0]
        method = say(f"method.{self.method}")
        names = {name: say(f"name.{getattr(self, name)}") for name in ("kernel", "pool", "second")}
        words = [
            say(
                "alt.two" if self.second != "none" else "alt.one",
                rows=rows,
                columns=columns,
                **names,
            ),
            say(
                "alt.unit",
                place=self._place(self.unit),
                value=_short(net["values"][-1][tuple(self.unit)]),
                way=say(f"still.unpool.{self.unpool}"),
            ),
        ]
        if not pixels.any():
            return " ".join([*words, say("alt.none", method=method)])
        found = np.unravel_index(np.abs(pixels).argmax(), pixels.shape)
        reached = say(
            "alt.reached",
            method=method,
            count=int(np.count_nonzero(pixels)),
            place=self._place(found),
            value=_short(pixels[found]),
        )
        return " ".join([*words, reached])

    def still_picture(self) -> str:
        net, say = self.maps(), self.words
        winners = net["winners"].reshape(-1, 2)
        parts, x, high = [], 0, len(net["values"][0]) * CELL
        for number, values in enumerate(net["values"]):
            marks = winners if number == 2 else [self.unit] if number == self._last() else []
            parts.append(_grid(values, x, 18, say(f"still.stage.{number}"), marks))
            x += values.shape[1] * CELL + 14
        width, low = x, high + 44
        for number, method in enumerate(METHODS):
            name = say("still.back", method=say(f"method.{method}"))
            parts.append(_grid(self.signals(method)[0], number * (9 * CELL + 14), low, name, []))
        way = say(f"still.unpool.{self.unpool}")
        return svg.drawing(width, low + high + 4, *parts) + svg.paragraph(
            say("still.words", way=way)
        )

    def _place(self, place) -> str:
        row, column = map(int, place)
        return self.words("kit.at", row=row, column=column)


TABLES = {
    "kernel": "kernels",
    "second": "seconds",
    "pool": "pools",
    "unpool": "unpools",
    "method": "methods",
}

FIXED = {
    "pictures": {
        name: [[int(digit) for digit in row] for row in rows.split()]
        for name, rows in PICTURES.items()
    },
    "kernels": KERNELS,
    "seconds": SECONDS,
    "pools": POOLS,
    "unpools": UNPOOLS,
    "methods": METHODS,
    "sides": list(SIDES),
    "brightest": BRIGHTEST,
}

FIRST = {
    "picture": FIXED["pictures"]["a ring"],
    "kernel": "level edge",
    "second": "left, not right",
    "pool": "2×2, stride 2",
    "unpool": "switches",
    "method": "deconvnet",
    "unit": [0, 0],
    "step": 5,
}


def _settle_picture(s: Settling, fixed: Mapping[str, Any]) -> None:
    (least, most), brightest = fixed["sides"], fixed["brightest"]
    rows = s.wanted("picture")
    fits = (
        isinstance(rows, list)
        and least <= len(rows) <= most
        and all(isinstance(row, list) and least <= len(row) <= most for row in rows)
        and len({len(row) for row in rows}) == 1
        and all(is_whole(value) and 0 <= value <= brightest for row in rows for value in row)
    )
    if fits:
        s.take("picture", rows)
    else:
        s.refuse("picture", "picture.expected", least=least, most=most, brightest=brightest)


def run_forward(picture, kernel, pool, second) -> dict:
    """``values``: a map a stage; ``winners``, (rows, columns, 2): who won the pool's windows."""
    picture, kernel, second = (np.array(given, dtype=float) for given in (picture, kernel, second))
    values = [picture, _correlated(picture, kernel)]
    values.append(np.maximum(values[-1], 0))
    size, stride = pool
    windows = np.lib.stride_tricks.sliding_window_view(values[-1], (size, size))[::stride, ::stride]
    first = windows.reshape(*windows.shape[:2], -1).argmax(2)
    tops, lefts = np.indices(first.shape) * stride
    winners = np.stack([tops + first // size, lefts + first % size], axis=-1)
    values.append(windows.max(axis=(2, 3)))
    if second.size:
        values.append(_correlated(values[-1], second))
        values.append(np.maximum(values[-1], 0))
    return {"values": values, "winners": winners, "kernels": [kernel, second], "pool": pool}


def run_back(net: dict, unit, method: str, unpool: str) -> list[np.ndarray]:
    """The signal on every map of ``net``, from the picture up to the start at ``unit``."""
    values = net["values"]
    start = np.zeros_like(values[-1])
    start[tuple(unit)] = values[-1][tuple(unit)] if method == "deconvnet" else 1
    signals = [start]
    for number in range(len(values) - 1, 0, -1):
        signal, below = signals[0], values[number - 1]
        if number in (1, 4):
            found = _transposed(signal, net["kernels"][number // 4])
        elif number == 3:
            found = _unpooled(signal, below.shape, net["pool"], net["winners"], unpool)
        else:
            passes = np.ones_like(signal)
            if method != "deconvnet":
                passes *= below > 0
            if method != "gradient":
                passes *= signal > 0
            found = signal * passes
        signals.insert(0, found)
    return signals


def _correlated(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape)
    return (windows * kernel).sum(axis=(2, 3))


def _transposed(signal: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    (rows, columns), size = signal.shape, len(kernel)
    found = np.zeros((rows + size - 1, columns + size - 1))
    for (row, column), value in np.ndenumerate(signal):
        found[row : row + size, column : column + size] += value * kernel
    return found


def _unpooled(signal, shape, pool, winners, unpool: str) -> np.ndarray:
    size, stride = pool
    found = np.zeros(shape)
    for (row, column), value in np.ndenumerate(signal):
        top, left = row * stride, column * stride
        if unpool == "spread":
            found[top : top + size, left : left + size] += value / size**2
        else:
            found[tuple(winners[row, column]) if unpool == "switches" else (top, left)] += value
    return found


def _short(value: float) -> str:
    """As switches.js writes a number: one decimal, none from 10 on, a true minus sign."""
    text = f"{value:.0f}" if abs(value) >= 9.95 else f"{value:.1f}".removesuffix(".0")
    return text.removeprefix("-") if text == "-0" else text.replace("-", "−")


def _grid(values: np.ndarray, x: float, y: float, name: str, marks) -> svg.Markup:
    """A map as numbers on tinted cells: orange above 0, blue below; some places ringed."""
    limit = np.abs(values).max() or 1
    parts = [svg.element("text", name, x=x, y=y - 5, font_size=12, fill="currentColor")]
    for (row, column), value in np.ndenumerate(values):
        text = _short(value)
        left, top = x + column * CELL, y + row * CELL
        tint = svg.element(
            "rect",
            x=left,
            y=top,
            width=CELL,
            height=CELL,
            fill="#e08a2e" if value > 0 else "#4f94d8",
            fill_opacity=0.65 * abs(value) / limit,
            stroke="#8c959f",
            stroke_width=0.7,
        )
        number = svg.element(
            "text",
            text,
            x=left + CELL / 2,
            y=top + 14,
            font_size=11 if len(text) < 3 else 8,
            text_anchor="middle",
            fill="currentColor",
        )
        parts += [tint, number]
    for row, column in marks:
        parts.append(
            svg.element(
                "circle",
                cx=x + (column + 0.5) * CELL,
                cy=y + (row + 0.5) * CELL,
                r=CELL / 2 - 1,
                fill="none",
                stroke="#05695a",
                stroke_width=2,
            )
        )
    return svg.join(parts)
