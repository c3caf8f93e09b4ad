"""Imagenette: ten of ImageNet's classes that are easily told apart, at a size one can look into.

Jeremy Howard's set (fast.ai) has 9,469 training and 3,925 validation photographs,
``train/WNID/*.JPEG`` and ``val/WNID/*.JPEG``. Its public archive keeps their shapes, the shorter
side at 160 pixels; here every photograph is squashed to a square.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from cnnlib.data.archive import Archive, mix_evenly, open_archive
from cnnlib.data.cache import find_data_folder, keep_array
from cnnlib.data.download import download_file
from cnnlib.data.image_set import ImageSet
from cnnlib.geometry import whole_number

SIDE = 144

# The classes in the order of their labels, which is that of their WordNet identifiers.
CLASSES = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}
MARKER = f"train/{next(iter(CLASSES))}/"  # Tiny ImageNet has no tench
ARCHIVE = "imagenette2-160.tgz"  # 99,003,388 bytes
SHA256 = "64d0c4859f35a461889e0147755a999a48b49bf38a7e0f9bd27003f10db02fe5"
URLS = (f"https://s3.amazonaws.com/fast-ai-imageclas/{ARCHIVE}",)
SMALL_ARCHIVE = "imagenette-144.zip"
CREDIT = "Imagenette (Jeremy Howard, fast.ai), from ImageNet (Russakovsky et al. 2015)"


def load_imagenette(split: str, path: str | Path | None = None, side: int = SIDE) -> ImageSet:
    """Imagenette from its public archive, or from any archive or folder in that layout.

    ``split`` is ``"train"`` or ``"test"``; the test images are the official validation images. The
    images are (N, side, side, 3), red, green, blue; the grey ones among them have three equal
    channels. A larger photograph is squashed to the square: each new pixel is the mean of the area
    that it covers. In both splits the classes are evenly mixed.

    ``path`` is a zip archive, a tar archive (``.tgz``) or a folder; a folder around it all may have
    any name. Without ``path``, ``imagenette2-160.tgz`` and then ``imagenette-144.zip`` are looked
    for in the folder that the environment variable ``CNNLIB_DATA`` names, else in
    ``~/.cache/cnnlib``. The decoded images are kept there too, 62 kB each at 144x144, until the
    archive changes.

    Raises ``FileNotFoundError`` if there is no archive, ``ValueError`` for another split, for a
    ``side`` below 1 or above what a photograph has, and for a damaged or incomplete archive; the
    message names the file inside.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split={split!r}: expected 'train' or 'test'")
    try:
        wanted = whole_number(side, "side", 1)
    except ValueError:
        raise ValueError(f"side={side!r}: expected a whole number of pixels, 1 or more") from None
    path = _find_archive() if path is None else Path(path)
    with open_archive(path, MARKER) as archive:
        files = []
        for wnid in CLASSES:
            folder = f"{'train' if split == 'train' else 'val'}/{wnid}"
            files.append(archive.images(folder))
            if not files[-1]:
                raise ValueError(f"{path}: {folder}: no JPEG image of class {wnid}")
        names, labels = mix_evenly(files)
        images = keep_array(
            f"imagenette-{wanted}-{split}-{archive.fingerprint(names)[:16]}",
            lambda: _decode(archive, names, wanted, f"decoding {path.name}, {split}"),
        )
    return ImageSet(images, labels, tuple(CLASSES.values()), CREDIT)


def download_imagenette(folder: str | Path | None = None) -> Path:
    """Download Imagenette's public archive, 99 MB, unless it is there already; give its path.

    ``folder`` is where :func:`load_imagenette` looks, unless you name another. There is a progress
    bar; a transfer that breaks goes on where it stopped, in a later call too. Raises
    ``ConnectionError`` if nothing arrives, ``ValueError`` if what arrives is something else.

    fast.ai publishes no hash. This one, with the length of 99,003,388 bytes, is TensorFlow
    Datasets'; others give the same of their copies.
    """
    path = (find_data_folder() if folder is None else Path(folder)) / ARCHIVE
    download_file(URLS, path, SHA256)
    return path


def _find_archive() -> Path:
    folder = find_data_folder()
    for name in (ARCHIVE, SMALL_ARCHIVE):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"{folder / ARCHIVE}: missing; `python -m cnnlib.data imagenette` fetches it (99 MB). "
        f"A copy of yours can be named instead, as an archive or a folder."
    )


def _decode(archive: Archive, names: Sequence[str], side: int, what: str) -> np.ndarray:
    """The images, uint8, (N, side, side, 3)."""
    images = np.empty((len(names), side, side, 3), dtype=np.uint8)
    for i, pixels in archive.pixels(names, what):
        height, width = pixels.shape[:2]
        if min(height, width) < side:
            raise ValueError(
                f"{archive.path}: {names[i]}: expected at least {side}x{side} pixels, "
                f"found {height}x{width}"
            )
        images[i] = squash(pixels, side)
    return images


def squash(pixels: np.ndarray, side: int) -> np.ndarray:
    """An image, uint8, (H, W, C), as (side, side, C): each pixel the mean of what it covers."""
    height, width, channels = pixels.shape
    if (height, width) == (side, side):
        return pixels
    rows = _shares(height, side) @ pixels.reshape(height, -1).astype(np.float32)
    columns = _shares(width, side) @ rows.reshape(side, width, channels)  # (side, side, C)
    return np.rint(columns).astype(np.uint8)


@cache
def _shares(length: int, pieces: int) -> np.ndarray:
    """How much each of ``length`` old pixels counts in each of the new: (pieces, length).

    A row sums to 1. A new pixel is ``length / pieces`` old ones long.
    """
    step = length / pieces
    start = step * np.arange(pieces)[:, None]
    old = np.arange(length)
    covered = np.minimum(start + step, old + 1) - np.maximum(start, old)
    return (np.maximum(covered, 0) / step).astype(np.float32)
