"""Signed values as pictures, and pictures side by side: arrays for ``ax.imshow``."""

from collections.abc import Sequence

import numpy as np


def paint_signed(values: np.ndarray, strongest: float = 1.0) -> np.ndarray:
    """Values of any sign as brightness from 0 to 1 with 0.5, grey, for 0; the shape stays.

    One scale for all that is given. ``strongest`` is the share of the values that the scale has to
    hold: 1 takes the largest magnitude as the end of it; with 0.995 the outermost two hundredth is
    cut off, so that a few strong values do not leave the rest grey. Raises ``ValueError`` for a
    share that is not above 0 and at most 1.
    """
    if not 0 < strongest <= 1:
        raise ValueError(f"strongest={strongest}: expected above 0, at most 1")
    values = np.asarray(values, dtype=float)
    limit = float(np.quantile(abs(values), strongest)) if values.size else 0.0
    return np.clip(0.5 + values / (2 * (limit or 1.0)), 0.0, 1.0)


def tile_pictures(pictures: Sequence[np.ndarray], columns: int, gap: int = 1) -> np.ndarray:
    """Pictures (h, w, C) of one size in rows of ``columns``, ``gap`` white pixels between them.

    White is 1: values are from 0 to 1. Places of the last row that are left over are white, too.
    Raises ``ValueError`` for no pictures and for pictures of unequal shapes.
    """
    shapes = {np.shape(picture) for picture in pictures}
    if len(shapes) != 1:
        raise ValueError(f"pictures of shapes {sorted(shapes)}: expected one shape")
    height, width, channels = shapes.pop()
    rows = -(-len(pictures) // columns)
    size = rows * (height + gap) - gap, columns * (width + gap) - gap
    sheet = np.ones((*size, channels))
    for number, picture in enumerate(pictures):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    return sheet
