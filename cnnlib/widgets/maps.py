"""What the widgets of feature maps share: levels, colours, checks, parts of still pictures."""

import base64
from collections.abc import Sequence

import numpy as np

from cnnlib.widgets.base import pack, png_address

# The two colour scales, as anchors from level 0 to level 255. Nothing is dark in both, so that a
# map's strong places shine; the sign is the hue, blue below zero and orange above.
POSITIVE = ("#14161a", "#5a300c", "#a5590f", "#ee9a3f", "#fff1d6")
SIGNED = ("#d6ecff", "#4fa3ee", "#1f5c99", "#14161a", "#9a520e", "#ee9a3f", "#fff1d6")

FOLLOWED = ("inputs", "windows", "in_sizes", "grid")  # what `seenBy` needs of a row


def checked_images(images, rows: list[dict]) -> np.ndarray:
    """uint8 (n, H, W) or (n, H, W, 3), of the size that the rows were traced with."""
    images = np.ascontiguousarray(images)
    size = rows[0]["in_sizes"][0]
    if images.dtype != np.uint8:
        raise ValueError(f"images of {images.dtype}: expected uint8, as the network saw them")
    if images.ndim not in (3, 4) or images.shape[3:] not in ((), (3,)) or not len(images):
        raise ValueError(f"images of shape {images.shape}: expected (n, H, W) or (n, H, W, 3)")
    if list(images.shape[1:3]) != size:
        raise ValueError(f"images of size {images.shape[1:3]}: the layers were traced on {size}")
    return images


def checked_maps(values, row: int, rows: list[dict], count: int) -> np.ndarray:
    """A row's output for ``count`` images as (images, C, H, W); a vector has one place."""
    if not 0 <= row < len(rows):
        raise ValueError(f"maps: row {row}, expected a row number from 0 to {len(rows) - 1}")
    if rows[row]["size"] != rows[row]["grid"]:
        raise ValueError(
            f"maps: row {row} ({rows[row]['name']}) is a flattened map; show the row it flattens"
        )
    values = np.asarray(values)
    expected = (count, *rows[row]["shape"][1:])
    if values.shape != expected:
        raise ValueError(f"maps[{row}] has shape {values.shape}: expected {expected}")
    if not np.isfinite(values).all():
        raise ValueError(f"maps[{row}] holds values that are not finite numbers")
    return values.reshape(*values.shape[:2], *rows[row]["size"])


def quantised(values: np.ndarray, limit: np.ndarray | float, signed: bool) -> np.ndarray:
    """Values as bytes: ``level / 255 * limit``, or signed ``(level - 128) / 127 * limit``."""
    part = values.astype(np.float64) / np.where(np.equal(limit, 0), 1.0, limit)
    levels = np.rint(part * 127) + 128 if signed else np.rint(part * 255)
    return levels.astype(np.uint8)


def value_of(level: int, limit: float, signed: bool) -> float:
    """What a byte stands for: :func:`quantised`, backwards."""
    return (level - 128) / 127 * limit if signed else level / 255 * limit


def palette(signed: bool) -> np.ndarray:
    """256 colours, (256, 3) uint8; a signed scale begins at level 1."""
    anchors, first = (SIGNED, 1) if signed else (POSITIVE, 0)
    colours = np.array([[int(anchor[i : i + 2], 16) for i in (1, 3, 5)] for anchor in anchors])
    at = np.linspace(first, 255, len(anchors))
    channels = [np.interp(np.arange(256), at, colours[:, i]) for i in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def palettes() -> dict[str, dict]:
    """Both colour scales, for the front end."""
    return {"positive": pack(palette(False)), "signed": pack(palette(True))}


def unpacked(packed: dict) -> np.ndarray:
    """The array that :func:`cnnlib.widgets.base.pack` packed."""
    levels = np.frombuffer(base64.b64decode(packed["base64"]), dtype=np.uint8)
    return levels.reshape(packed["shape"])


def span_in_words(positions: range | Sequence[int], name: str) -> str:
    """``row 3``, ``rows 3 to 7``, ``no rows``."""
    if len(positions) < 2:
        return f"{name} {positions[0]}" if positions else f"no {name}s"
    return f"{name}s {positions[0]} to {positions[-1]}"


def picture(pixels: np.ndarray, x: float, y: float, width: float, height: float) -> str:
    """Pixels, uint8 (H, W) or (H, W, 3), as the ``<image>`` of a still picture."""
    return (
        f'<image x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'preserveAspectRatio="none" style="image-rendering:pixelated" '
        f'href="{png_address(pixels)}"/>'
    )


def outline(x: float, y: float, width: float, height: float) -> str:
    """A frame that shows on dark and on light: orange on a black edge."""
    return "".join(
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="none" '
        f'stroke="{colour}" stroke-width="{thickness}"/>'
        for colour, thickness in (("#000000", 4), ("#ffb067", 2))
    )
