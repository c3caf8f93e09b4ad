"""Photographs to show to networks that were trained on ImageNet."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image

from cnnlib.data.checksum import read_checked

GALLERY_FOLDER = Path(__file__).with_name("gallery")
#: Album -> its list in the folder, and the list's SHA-256.
ALBUMS = {
    "gallery": (
        "gallery.json",
        "e9adf1bd820607f2002049143cc2d2c092bf7648bd542c7bf230395226a6bf70",
    ),
    "faces": (
        "faces.json",
        "c53c59eaa765399e914cf0d207dcf8f1c573edc024a6994da2ce9c4af64e38c3",
    ),
    "classes": (
        "classes.json",
        "8d6651274fa8782c357df44532e7ae654c0b17a993ab19588955c519c5257598",
    ),
}


@dataclass(frozen=True, eq=False)
class Photograph:
    """One photograph with what its page has to say of it.

    ``image`` is uint8, (H, W, 3), red, green, blue, and cannot be written to; black and white
    photographs have three channels too. ``licence`` is a name, with a link where there is one;
    ``source`` is where the original is and the package that it came with; ``alt`` says what is to
    be seen, for those who do not see it.

    ``label``, in the album "classes", is the class of Imagenette that it shows. ``parts``, in the
    album "faces", says where the middle of ``"left eye"``, ``"right eye"`` and ``"nose"`` is:
    (row, column), in pixels of ``image``. Left and right are those of the picture. Both are None in
    the other albums.
    """

    name: str
    image: np.ndarray
    title: str
    author: str
    licence: str
    source: str
    alt: str
    label: str | None = None
    parts: Mapping[str, tuple[int, int]] | None = None


@cache
def load_gallery(album: str = "gallery") -> tuple[Photograph, ...]:
    """The photographs that ship, one album of them; the shorter side has 212 to 288 pixels.

    - "gallery": 42 of animals, things, buildings and landscapes. Many show one of ImageNet's
      classes, and some show none.
    - "faces": 11 heads of animals that look at us, square, with ``parts``.
    - "classes": 3 that show a class of Imagenette, with ``label``. All three are churches.

    All may be passed on under their licences; ``README.md`` beside this file has the list. To put
    them into a network, pass ``[photograph.image for ...]`` to :func:`cnnlib.weights.preprocess`.

    Raises ``ValueError`` for an album that is not there and naming a file that was changed,
    ``FileNotFoundError`` one that is missing.
    """
    if album not in ALBUMS:
        raise ValueError(f"album={album!r}: expected one of {list(ALBUMS)}")
    name, sha256 = ALBUMS[album]
    entries = json.loads(read_checked(GALLERY_FOLDER / name, sha256))
    photographs = []
    for entry in entries:
        content = read_checked(GALLERY_FOLDER / entry["file"], entry["sha256"])
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as picture:
            image = np.array(picture.convert("RGB"))
        image.flags.writeable = False  # the photographs are kept for the next call
        words = {name: entry[name] for name in ("title", "author", "licence", "source", "alt")}
        parts = entry.get("parts")
        if parts is not None:
            parts = MappingProxyType({part: tuple(place) for part, place in parts.items()})
        words |= {"label": entry.get("label"), "parts": parts}
        photographs.append(Photograph(name=entry["name"], image=image, **words))
    return tuple(photographs)
