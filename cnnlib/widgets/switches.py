"""A small net run forwards and back: pooling switches, and the ReLU's three ways to look back."""

import html
from collections.abc import Sequence

import numpy as np
from traitlets import Dict, Enum, Int, List, TraitError, observe, validate

from cnnlib.widgets.base import TeachingWidget

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

    All of these can be set and observed; what does not exist raises ``TraitError``.
    """

    picture = List(List(Int())).tag(sync=True)
    kernel = Enum(list(KERNELS), "level edge").tag(sync=True)
    second = Enum(list(SECONDS), "left, not right").tag(sync=True)
    pool = Enum(list(POOLS), "2×2, stride 2").tag(sync=True)
    unpool = Enum(list(UNPOOLS), "switches").tag(sync=True)
    method = Enum(list(METHODS), "deconvnet").tag(sync=True)
    unit = List(Int(), [0, 0], minlen=2, maxlen=2).tag(sync=True)
    step = Int().tag(sync=True)
    constants = Dict(read_only=True).tag(sync=True)

    def __init__(
        self,
        picture: str | Sequence[Sequence[int]] = "a ring",
        *,
        step: int | None = None,
        **chosen,
    ) -> None:
        if isinstance(picture, str) and picture not in PICTURES:
            raise ValueError(f"picture={picture!r}: expected rows, or one of {list(PICTURES)}")
        self.set_trait("constants", CONSTANTS)
        rows = CONSTANTS["pictures"][picture] if isinstance(picture, str) else picture
        unit = chosen.pop("unit", None)
        super().__init__(picture=[list(row) for row in rows], **chosen)
        top = self.maps()["values"][-1]
        self.unit = (
            [int(i) for i in np.unravel_index(top.argmax(), top.shape)] if unit is None else unit
        )
        self.step = self._last() if step is None else step

    @validate("picture")
    def _is_a_picture(self, proposal: dict) -> list[list[int]]:
        rows = proposal["value"]
        least, most = SIDES
        sides = {len(rows), *map(len, rows)}
        if len(set(map(len, rows))) != 1 or min(sides) < least or max(sides) > most:
            raise TraitError(
                f"picture with rows of {[len(row) for row in rows]} pixels: expected {least} to "
                f"{most} rows of {least} to {most}"
            )
        for value in (value for row in rows for value in row):
            if not 0 <= value <= BRIGHTEST:
                raise TraitError(f"picture: {value}, expected whole numbers from 0 to {BRIGHTEST}")
        return rows

    @validate("unit", "step")
    def _exists(self, proposal: dict) -> list[int] | int:
        name, value = proposal["trait"].name, proposal["value"]
        tops = self.maps()["values"][-1].shape if name == "unit" else (self._last() + 1,)
        for number, bound in zip(value if name == "unit" else [value], tops, strict=True):
            if not 0 <= number < bound:
                raise TraitError(f"{name}={value}: expected 0 to {bound - 1}")
        return value

    @observe("picture", "second", "pool")
    def _keep_inside(self, change: dict) -> None:
        """Where the top has become smaller, the nearest unit; a step that exists."""
        if change["old"] is not None and self.picture:
            size = self.maps()["values"][-1].shape
            unit = [min(index, bound - 1) for index, bound in zip(self.unit, size, strict=True)]
            with self.hold_trait_notifications():
                self.unit = unit
                self.step = min(self.step, self._last())

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
        net = self.maps()
        high, wide = net["values"][0].shape
        more = f", a 2×2 convolution ({self.second}) and a ReLU" if self.second != "none" else ""
        row, column = self.unit
        pixels = self.signals()[0]
        words = (
            f"A picture of {high} × {wide} pixels runs through a 3×3 convolution ({self.kernel}), "
            f"a ReLU and a max pool ({self.pool}){more}. The unit at row {row}, column {column} of "
            f"the top map has the value {_short(net['values'][-1][row, column])}. Sent back by "
            f"{self.method}, pools sending it {UNPOOLS[self.unpool]}, its signal"
        )
        if not pixels.any():
            return f"{words} reaches no pixel."
        found = np.unravel_index(np.abs(pixels).argmax(), pixels.shape)
        return (
            f"{words} reaches {np.count_nonzero(pixels)} pixels, most strongly row {found[0]}, "
            f"column {found[1]}, with {_short(pixels[found])}."
        )

    def still_picture(self) -> str:
        net = self.maps()
        names, winners = stage_names(len(net["values"])), net["winners"].reshape(-1, 2)
        parts, x, high = [], 0, len(net["values"][0]) * CELL
        for number, values in enumerate(net["values"]):
            marks = winners if number == 2 else [self.unit] if number == self._last() else []
            parts.append(_grid(values, x, 18, names[number], marks))
            x += values.shape[1] * CELL + 14
        width, low = x, high + 44
        for number, method in enumerate(METHODS):
            parts.append(
                _grid(self.signals(method)[0], number * (9 * CELL + 14), low, f"back: {method}", [])
            )
        words = (
            "Above: forwards; ringed, the winners of the pool's windows and the chosen unit. "
            "Below: the unit's signal, sent back to the pixels by three rules, pools sending it "
            f"{UNPOOLS[self.unpool]}."
        )
        return (
            f'<svg viewBox="-2 0 {width} {low + high + 4}" width="{width}" '
            f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg><p>{html.escape(words)}</p>'
        )


CONSTANTS = {
    "pictures": {
        name: [[int(digit) for digit in row] for row in rows.split()]
        for name, rows in PICTURES.items()
    },
    "kernels": KERNELS,
    "seconds": SECONDS,
    "pools": POOLS,
    "unpools": UNPOOLS,
    "methods": METHODS,
    "brightest": BRIGHTEST,
}


def stage_names(count: int) -> list[str]:
    """What the 4 or 6 maps of the net are called."""
    return ["picture", "convolution", "ReLU", "pool", "convolution 2", "ReLU 2"][:count]


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


def _grid(values: np.ndarray, x: float, y: float, name: str, marks) -> str:
    """A map as numbers on tinted cells: orange above 0, blue below; some places ringed."""
    limit = np.abs(values).max() or 1
    rows, columns = values.shape
    parts = [f'<text x="{x}" y="{y - 5}" font-size="12" fill="currentColor">{name}</text>']
    for (row, column), value in np.ndenumerate(values):
        text = _short(value)
        left, top = x + column * CELL, y + row * CELL
        colour = "#e08a2e" if value > 0 else "#4f94d8"
        parts.append(
            f'<rect x="{left}" y="{top}" width="{CELL}" height="{CELL}" fill="{colour}" '
            f'fill-opacity="{0.65 * abs(value) / limit:.2f}" stroke="#8c959f" '
            f'stroke-width="0.7"/><text x="{left + CELL / 2}" y="{top + 14}" '
            f'font-size="{11 if len(text) < 3 else 8}" text-anchor="middle" '
            f'fill="currentColor">{text}</text>'
        )
    for row, column in marks:
        parts.append(
            f'<circle cx="{x + (column + 0.5) * CELL}" cy="{y + (row + 0.5) * CELL}" '
            f'r="{CELL / 2 - 1}" fill="none" stroke="#05695a" stroke-width="2"/>'
        )
    return "".join(parts)
