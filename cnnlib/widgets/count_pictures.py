"""Counts or sums as a still picture: one row as bars, several rows as shades."""

import numpy as np

from cnnlib.widgets import svg
from cnnlib.widgets.plots import INKS

PLUS, MINUS = (24, 150, 122), (214, 96, 24)  # as in kit/counts.js
WIDTH, TALL, CELL = 640, 90, 22  # in the drawing's units


def count_picture(values: np.ndarray, root: bool = False) -> svg.Markup:
    """``values`` (rows, columns): bars where there is one row, else a shade a value.

    With ``root`` heights and shades follow the square root. Numbers stand where they have room.
    """
    values = np.asarray(values)
    share = np.abs(values) / (np.abs(values).max() or 1)
    share = np.sqrt(share) if root else share
    return _bars(values[0], share[0]) if len(values) == 1 else _shades(values, share)


def _bars(values: np.ndarray, share: np.ndarray) -> svg.Markup:
    pitch = min(44.0, WIDTH / len(values))
    below = bool((values < 0).any())
    zero = 16 + (TALL / 2 if below else TALL)
    reach = TALL / 2 if below else TALL
    marks = []
    for i, (value, part) in enumerate(zip(values.tolist(), share.tolist(), strict=True)):
        x, long = i * pitch, reach * part
        y = zero if value < 0 else zero - long
        colour = INKS["kernel" if value < 0 else "output"]
        width = pitch - (1.5 if pitch > 6 else 0)
        marks.append(svg.element("rect", x=x, y=y, width=width, height=long, fill=colour))
        if pitch >= 7.5 * len(str(value)) + 2:
            up = zero + long + 13 if value < 0 else y - 4
            marks.append(_number(value, x + pitch / 2, up))
    line = svg.element("line", x1=0, x2=pitch * len(values), y1=zero, y2=zero, stroke=INKS["line"])
    return svg.drawing(pitch * len(values), 16 + TALL + (16 if below else 2), *marks, line)


def _shades(values: np.ndarray, share: np.ndarray) -> svg.Markup:
    rows, columns = values.shape
    colour = np.where(values[..., None] < 0, MINUS, PLUS)
    alpha = np.where(values == 0, 0, (30 + 160 * share) / 255)[..., None]
    levels = np.rint(255 + alpha * (colour - 255)).astype(np.uint8)
    cell = min(float(CELL), 0.6 * WIDTH / columns)
    marks = [svg.pixels(levels, 0, 0, cell * columns, cell * rows)]
    if cell >= 7.5 * max(len(str(value)) for value in values.flat):
        marks += [
            _number(value, (column + 0.5) * cell, (row + 0.5) * cell + 4)
            for (row, column), value in np.ndenumerate(values)
        ]
    frame = svg.element("rect", x=0, y=0, width=cell * columns, height=cell * rows, fill="none",
                        stroke=INKS["line"])  # fmt: skip
    return svg.drawing(cell * columns, cell * rows, *marks, frame)


def _number(value: int, x: float, y: float) -> svg.Markup:
    return svg.element("text", str(value), x=x, y=y, font_size=11, text_anchor="middle",
                       fill=INKS["ink"])  # fmt: skip
