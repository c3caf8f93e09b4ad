"""What the viewers of feature maps share: checks of arrays, and parts of still pictures."""

import math
from collections.abc import Sequence

import numpy as np

from cnnlib.rows import LayerTrace
from cnnlib.widgets import svg
from cnnlib.widgets.pixels import palette


def checked_images(images, rows: Sequence[LayerTrace]) -> np.ndarray:
    """uint8 (n, H, W) or (n, H, W, 3), of the size that the rows were traced with."""
    images = np.ascontiguousarray(images)
    size = rows[0].in_shape[2:]
    if images.dtype != np.uint8:
        raise ValueError(f"images of {images.dtype}: expected uint8, as the network saw them")
    if images.ndim not in (3, 4) or images.shape[3:] not in ((), (3,)) or not len(images):
        raise ValueError(f"images of shape {images.shape}: expected (n, H, W) or (n, H, W, 3)")
    if images.shape[1:3] != size:
        raise ValueError(f"images of size {images.shape[1:3]}: the rows were traced on {size}")
    return images


def checked_maps(values, row: int, rows: Sequence[LayerTrace], count: int) -> np.ndarray:
    """A row's output for ``count`` images as (images, C, H, W); a vector has one place."""
    if not 0 <= row < len(rows):
        raise ValueError(f"maps: row {row}, expected a row number from 0 to {len(rows) - 1}")
    if rows[row].map_shape != rows[row].grid:
        raise ValueError(
            f"maps: row {row} ({rows[row].name}) is a flattened map; show the row it flattens"
        )
    values = np.asarray(values)
    expected = (count, *rows[row].out_shape[1:])
    if values.shape != expected:
        raise ValueError(f"maps[{row}] has shape {values.shape}: expected {expected}")
    if not np.isfinite(values).all():
        raise ValueError(f"maps[{row}] holds values that are not finite numbers")
    return values.reshape(*values.shape[:2], *rows[row].map_shape)


# --- The left and the right part of a still picture; each with where it ends below ----------------


def draw_window(
    address: str, size: tuple[int, int], seen: tuple[range, range]
) -> tuple[svg.Markup, float]:
    """An image of ``size`` (height, width) pixels; what a unit saw, rows and columns, outlined."""
    height, width = size
    rows, columns = seen
    scale = 200 / max(size)
    image = svg.image(
        address,
        *(2, 2, width * scale, height * scale),
        style="image-rendering:pixelated" if scale > 1 else None,
    )
    window = svg.outline(
        2 + columns.start * scale,
        2 + rows.start * scale,
        len(columns) * scale,
        len(rows) * scale,
    )
    return svg.join([image, window]), 2 + height * scale


def draw_maps(
    levels: np.ndarray,
    signed: bool,
    channel: int,
    unit: Sequence[int],
    columns: int | None = None,
) -> tuple[svg.Markup, float]:
    """Maps, uint8 (K, H, W), so many side by side; a unit of one of them outlined."""
    count, high, wide = levels.shape
    across = columns or math.ceil(math.sqrt(1.6 * count))
    step = min(418 / across, 130)
    size = 0.9 * step / max(high, wide)
    places = [(220 + i % across * step, 2 + i // across * step) for i in range(count)]
    colours = palette(signed)
    maps = [
        svg.pixels(colours[level], *place, wide * size, high * size)
        for level, place in zip(levels, places, strict=True)
    ]
    (left, top), (row, column) = places[channel], unit
    mark = svg.outline(left + column * size, top + row * size, size, size)
    return svg.join([*maps, mark]), 2 + math.ceil(count / across) * step
