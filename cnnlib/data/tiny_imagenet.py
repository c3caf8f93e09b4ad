"""Tiny ImageNet: 200 of ImageNet's classes at 64x64 pixels, or a part of it in the same layout.

The official archive, made for Stanford's course CS231n, has 500 training images a class in
``train/WNID/images`` and 50 validation images a class in ``val/images``, whose classes stand in
``val/val_annotations.txt``. ``wnids.txt`` lists the classes by their WordNet identifiers,
``words.txt`` says them in words. The images in ``test`` have no public labels; they are not used.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cnnlib.data.archive import Archive, mix_evenly, open_archive
from cnnlib.data.cache import find_data_folder, keep_array
from cnnlib.data.download import download_file
from cnnlib.data.image_set import ImageSet
from cnnlib.geometry import whole_number

ARCHIVE = "tiny-imagenet-200.zip"  # 248,100,043 bytes
SHA256 = "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821"
URLS = (f"https://cs231n.stanford.edu/{ARCHIVE}", f"http://cs231n.stanford.edu/{ARCHIVE}")

CREDIT = "Tiny ImageNet (Stanford CS231n), from ImageNet (Russakovsky et al. 2015)"
ANNOTATIONS = "val/val_annotations.txt"

# The 40 classes that the book's networks learn, in the order of their labels.
BOOK_CLASSES = tuple(
    """
    n01443537 n01629819 n01774750 n01882714 n01910747 n02056570 n02099601 n02123045 n02165456
    n02504458 n04146614 n04285008 n02917067 n04311004 n04507155 n04398044 n03085013 n07753592
    n07873807 n09256479 n01641577 n01698640 n01742172 n01944390 n02129165 n02132136 n02279972
    n02410509 n02509815 n02481823 n03662601 n03447447 n04486054 n04562935 n03637318 n04179913
    n04540053 n02769748 n07747607 n07920052
    """.split()
)


def load_tiny_imagenet(
    split: str, path: str | Path | None = None, classes: int | None = None
) -> ImageSet:
    """Tiny ImageNet from its official archive, or from any archive or folder in that layout.

    ``split`` is ``"train"`` or ``"test"``; the test images are the official validation images. The
    images are (N, 64, 64, 3), red, green, blue; the grey ones among them have three equal channels.
    Labels count the lines of ``wnids.txt``, and ``classes`` takes the first so many of them. In
    both splits the classes are evenly mixed. A category is the first of the class's words, or as
    many as tell it from the others.

    ``path`` is a zip archive or a folder; a folder around it all may have any name. Without
    ``path``, ``tiny-imagenet-200.zip`` is looked for in the folder that the environment variable
    ``CNNLIB_DATA`` names, else in ``~/.cache/cnnlib``. The decoded images are kept there too, 12 kB
    each, until the archive changes.

    Raises ``FileNotFoundError`` if there is no archive, ``ValueError`` for another split, for
    ``classes`` outside 1 to the number there are, and for a damaged or incomplete archive; the
    message names the file inside. Only what the split and the classes need is looked at.
    """
    return _load(split, path, lambda wnids, source: _first(wnids, classes, source))


def load_book_classes(split: str, count: int, path: str | Path | None = None) -> ImageSet:
    """The first ``count`` classes of Tiny ImageNet as the book counts them.

    Like :func:`load_tiny_imagenet`, but where an archive has all 40 of ``BOOK_CLASSES`` those come
    first, in their order, and then its others: so the same labels mean the same classes in the full
    set and in a part of it. Any other archive keeps the order of its ``wnids.txt``.
    """

    def choose(wnids: list[str], source: Path) -> list[str]:
        if set(BOOK_CLASSES) <= set(wnids):
            wnids = [*BOOK_CLASSES, *(wnid for wnid in wnids if wnid not in BOOK_CLASSES)]
        return _first(wnids, count, source)

    return _load(split, path, choose)


def download_tiny_imagenet(folder: str | Path | None = None) -> Path:
    """Download the full Tiny ImageNet, 248 MB, unless it is there already; give its path.

    ``folder`` is where :func:`load_tiny_imagenet` looks, unless you name another. There is a
    progress bar; a transfer that breaks goes on where it stopped, in a later call too. Raises
    ``ConnectionError`` if nothing arrives, ``ValueError`` if what arrives is something else.

    The hash is that of copies which others have published with its length of 248,100,043 bytes
    (and the MD5 90528d7ca1a48142e341f4ef8d21d0de); Stanford publishes none.
    """
    path = (find_data_folder() if folder is None else Path(folder)) / ARCHIVE
    download_file(URLS, path, SHA256)
    return path


def _load(
    split: str, path: str | Path | None, choose: Callable[[list[str], Path], list[str]]
) -> ImageSet:
    """A split of the classes that ``choose`` picks from those of the archive."""
    if split not in ("train", "test"):
        raise ValueError(f"split={split!r}: expected 'train' or 'test'")
    path = _find_archive() if path is None else Path(path)
    with open_archive(path, "wnids.txt") as archive:
        every_class = _read_classes(archive)
        wnids = choose(every_class, path)
        categories = _name_categories(archive, wnids)
        if split == "train":
            files = {wnid: archive.images(f"train/{wnid}/images") for wnid in wnids}
        else:
            files = _annotated_images(archive, every_class)
        for wnid in wnids:
            if not files[wnid]:
                where = f"train/{wnid}/images" if split == "train" else ANNOTATIONS
                raise ValueError(f"{path}: {where}: no JPEG image of class {wnid}")
        names, labels = mix_evenly([files[wnid] for wnid in wnids])
        images = keep_array(
            f"tiny-imagenet-{len(wnids)}-{split}-{archive.fingerprint(names)[:16]}",
            lambda: _decode(archive, names, f"decoding {path.name}, {split}"),
        )
    return ImageSet(images, labels, categories, CREDIT)


def _find_archive() -> Path:
    folder = find_data_folder()
    if not (folder / ARCHIVE).is_file():
        raise FileNotFoundError(
            f"{folder / ARCHIVE}: missing; `python -m cnnlib.data tiny-imagenet` fetches it "
            f"(248 MB). A copy of yours can be named instead, as an archive or a folder."
        )
    return folder / ARCHIVE


def _first(wnids: list[str], classes: int | None, source: Path) -> list[str]:
    if classes is None:
        return wnids
    try:
        first = whole_number(classes, "classes", 1)
    except ValueError:
        first = 0
    if not 1 <= first <= len(wnids):
        raise ValueError(f"classes={classes!r}: expected 1 to {len(wnids)}, all of {source}")
    return wnids[:first]


def _read_classes(archive: Archive) -> list[str]:
    """The lines of wnids.txt."""
    wnids = [line.strip() for line in archive.read_lines("wnids.txt") if line.strip()]
    if not wnids:
        raise ValueError(f"{archive.path}: wnids.txt: lists no class")
    wnid, count = Counter(wnids).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{archive.path}: wnids.txt: lists {wnid} {count} times")
    return wnids


def _name_categories(archive: Archive, wnids: Sequence[str]) -> tuple[str, ...]:
    """The first word of each class; more of its words where several classes begin alike."""
    wanted = set(wnids)
    words = {}
    for line in archive.read_lines("words.txt"):
        wnid, _, synonyms = line.partition("\t")
        if wnid in wanted and synonyms.strip():
            words[wnid] = [word.strip() for word in synonyms.split(",")]
    for wnid in wnids:
        if wnid not in words:
            raise ValueError(f"{archive.path}: words.txt: no words for class {wnid}")
    categories: dict[str, str] = {}
    for count in range(1, max(len(synonyms) for synonyms in words.values()) + 1):
        names = {wnid: ", ".join(words[wnid][:count]) for wnid in wnids}
        times = Counter(names.values())
        for wnid, name in names.items():
            if times[name] == 1:
                categories.setdefault(wnid, name)
    # Two classes with all words alike: ImageNet has two kinds of crane, the bird and the machine.
    return tuple(categories.get(wnid, f"{', '.join(words[wnid])} ({wnid})") for wnid in wnids)


def _annotated_images(archive: Archive, wnids: Sequence[str]) -> dict[str, list[str]]:
    """The validation images of each class, sorted: what val_annotations.txt says of them."""
    images = archive.images("val/images")
    classes = dict.fromkeys(images, "")
    known = set(wnids)
    for number, line in enumerate(archive.read_lines(ANNOTATIONS), start=1):
        if not line.strip():
            continue
        where = f"{archive.path}: {ANNOTATIONS}, line {number}"
        image, wnid, *_ = [*line.split("\t"), ""]
        name = f"val/images/{image}"
        if name not in classes:
            raise ValueError(f"{where}: {image!r} is no JPEG image in val/images")
        if wnid not in known:
            raise ValueError(f"{where}: class {wnid!r} is not in wnids.txt")
        if classes[name]:
            raise ValueError(f"{where}: {image!r} has a class already, {classes[name]}")
        classes[name] = wnid
    files: dict[str, list[str]] = {wnid: [] for wnid in wnids}
    for name, wnid in classes.items():
        if not wnid:
            raise ValueError(f"{archive.path}: {name}: not in {ANNOTATIONS}")
        files[wnid].append(name)
    return files


def _decode(archive: Archive, names: Sequence[str], what: str) -> np.ndarray:
    """The images, uint8, (N, H, W, 3)."""
    images = None
    for i, pixels in archive.pixels(names, what):
        if images is None:
            images = np.empty((len(names), *pixels.shape), dtype=np.uint8)
        if pixels.shape != images.shape[1:]:
            raise ValueError(
                f"{archive.path}: {names[i]}: expected {images.shape[1]}x{images.shape[2]} pixels "
                f"like the others, found {pixels.shape[0]}x{pixels.shape[1]}"
            )
        images[i] = pixels
    return images
