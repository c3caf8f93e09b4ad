"""Arrays as a page can take them: bytes in JSON, and pictures in addresses."""

import base64
import io

import numpy as np
from PIL import Image


def pack(array: np.ndarray) -> dict:
    """A numpy array of unsigned bytes as a JSON value: ``{"shape": [...], "base64": "..."}``.

    Raises ``ValueError`` for any other element type: what a widget shows as brightness is
    quantised where its meaning is known, not here.
    """
    if str(array.dtype) != "uint8":
        raise ValueError(f"array of {array.dtype}: expected uint8")
    return {
        "shape": list(array.shape),
        "base64": base64.b64encode(array.tobytes()).decode("ascii"),
    }


def unpack(packed: dict) -> np.ndarray:
    """The array that :func:`pack` packed."""
    levels = np.frombuffer(base64.b64decode(packed["base64"]), dtype=np.uint8)
    return levels.reshape(packed["shape"])


def png_address(pixels: np.ndarray) -> str:
    """A drawing, digit or map as a PNG in a ``data:`` address: every value is kept.

    ``pixels``: uint8, (H, W) for grey or (H, W, 3) for colour. Raises ``ValueError`` for others.
    """
    return _address(pixels, "png", optimize=True)


def photo_address(pixels: np.ndarray, quality: int = 80) -> str:
    """A photograph as a WebP in a ``data:`` address: a tenth of the PNG, and nearly the same.

    ``pixels`` as for :func:`png_address`; ``quality`` is WebP's, 0 to 100. The book's build moves
    the large ones among a widget's traits into files, so a front end only sets them as ``src``.
    """
    if not 0 <= quality <= 100:
        raise ValueError(f"quality={quality}: expected 0 to 100")
    return _address(pixels, "webp", quality=quality, method=6)


def _address(pixels: np.ndarray, kind: str, **options) -> str:
    if (
        str(pixels.dtype) != "uint8"
        or pixels.ndim not in (2, 3)
        or pixels.shape[2:] not in ((), (3,))
    ):
        raise ValueError(
            f"pixels: {pixels.dtype} of shape {pixels.shape}: expected uint8, (H, W) or (H, W, 3)"
        )
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
