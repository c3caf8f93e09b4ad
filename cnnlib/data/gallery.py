"""Photographs to show to networks that were trained on ImageNet."""

import io
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from cnnlib.data.checksum import read_checked

GALLERY_FOLDER = Path(__file__).with_name("gallery")
GALLERY_SHA256 = "e9adf1bd820607f2002049143cc2d2c092bf7648bd542c7bf230395226a6bf70"


@dataclass(frozen=True, eq=False)
class Photograph:
    """One photograph with what its page has to say of it.

    ``image`` is uint8, (H, W, 3), red, green, blue, and cannot be written to; black and white
    photographs have three channels too. ``licence`` is a name, with a link where there is one;
    ``source`` is where the original is and the package that it came with; ``alt`` says what is to
    be seen, for those who do not see it.
    """

    name: str
    image: np.ndarray
    title: str
    author: str
    licence: str
    source: str
    alt: str


@cache
def load_gallery() -> tuple[Photograph, ...]:
    """The photographs that ship: animals, things, buildings and landscapes, 240 to 288 pixels high
    or wide on the shorter side.

    Many show one of ImageNet's classes, and some show none. All may be passed on under their
    licences; ``README.md`` beside this file has the list. To put them into a network, pass
    ``[photograph.image for ...]`` to :func:`cnnlib.weights.preprocess`.

    Raises ``ValueError`` naming a file that was changed, ``FileNotFoundError`` one that is missing.
    """
    entries = json.loads(read_checked(GALLERY_FOLDER / "gallery.json", GALLERY_SHA256))
    photographs = []
    for entry in entries:
        content = read_checked(GALLERY_FOLDER / entry["file"], entry["sha256"])
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as picture:
            image = np.array(picture.convert("RGB"))
        image.flags.writeable = False  # the photographs are kept for the next call
        words = {name: entry[name] for name in ("title", "author", "licence", "source", "alt")}
        photographs.append(Photograph(name=entry["name"], image=image, **words))
    return tuple(photographs)
