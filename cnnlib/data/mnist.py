"""The full MNIST: 60,000 training and 10,000 test digits, in the IDX files it came in."""

import gzip
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from cnnlib.data.checksum import check_sha256
from cnnlib.data.download import download_file
from cnnlib.data.image_set import ImageSet

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


@dataclass(frozen=True)
class MnistFile:
    """One of the four files: its name, and the SHA-256 of its bytes packed and unpacked."""

    name: str
    gz_sha256: str
    sha256: str


# Split: images, labels.
FILES = {
    "train": (
        MnistFile(
            "train-images-idx3-ubyte",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        MnistFile(
            "train-labels-idx1-ubyte",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
    ),
    "test": (
        MnistFile(
            "t10k-images-idx3-ubyte",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        MnistFile(
            "t10k-labels-idx1-ubyte",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
}


def load_mnist(folder: str | Path, split: str, download: bool = False) -> ImageSet:
    """The full MNIST from the IDX files in ``folder``, gzipped or not.

    ``split`` is ``"train"`` (60,000 images) or ``"test"`` (10,000), each (N, 28, 28). With
    ``download=True`` a file that is missing or damaged is fetched first, with a progress bar; a
    transfer that breaks goes on where it stopped.

    Raises ``FileNotFoundError`` if a file is missing, ``ValueError`` if it is damaged or not
    MNIST's, ``ConnectionError`` if a download fails.
    """
    if split not in FILES:
        raise ValueError(f"split={split!r}: expected 'train' or 'test'")
    images, labels = (_load(Path(folder), file, download) for file in FILES[split])
    return ImageSet(
        images=images,
        labels=labels.astype(np.int64),
        categories=tuple("0123456789"),
        credit="MNIST (LeCun, Cortes & Burges)",
    )


def _load(folder: Path, file: MnistFile, download: bool) -> np.ndarray:
    """The array in one file, fetched first if that is wanted and needed."""
    try:
        return _read_checked(folder, file)
    except (FileNotFoundError, ValueError):
        if not download:
            raise
    packed = folder / f"{file.name}.gz"
    download_file([mirror + packed.name for mirror in MIRRORS], packed, file.gz_sha256)
    (folder / file.name).unlink(missing_ok=True)  # a damaged unpacked copy would come first
    return _read_checked(folder, file)


def _read_checked(folder: Path, file: MnistFile) -> np.ndarray:
    """The array in ``file``, unpacked or packed, whichever lies in the folder."""
    candidates = [folder / file.name, folder / f"{file.name}.gz"]
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        raise FileNotFoundError(
            f"{folder}: holds neither {file.name} nor {file.name}.gz; "
            f"load_mnist(..., download=True) fetches it"
        )
    content = _unpacked(path)
    array = _parse_idx(content, path)
    check_sha256(content, file.sha256, f"{path} (unpacked)")
    return array


def read_idx(path: str | Path) -> np.ndarray:
    """The uint8 array in an IDX file, gzipped or not.

    IDX is MNIST's own format: two zero bytes, a byte for the type (8: unsigned bytes), a byte for
    the number of axes, the sizes as big-endian 32-bit integers, then the values.
    Raises ``ValueError`` naming the file where a file says something else or is cut short.
    """
    return _parse_idx(_unpacked(Path(path)), Path(path))


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if content[:2] != b"\x1f\x8b":  # gzip's first two bytes
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path}: damaged or cut gzip file: {error}") from error


def _parse_idx(content: bytes, path: Path) -> np.ndarray:
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise ValueError(
            f"{path}: no IDX file of bytes: expected the magic number 00 00 08 and the number of "
            f"axes, found {content[:4].hex(' ') or 'nothing'}"
        )
    axes = content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise ValueError(f"{path}: cut short in the sizes of its {axes} axes")
    shape = tuple(np.frombuffer(content[4:start], dtype=">u4").tolist())
    if len(content) - start != prod(shape):
        raise ValueError(
            f"{path}: expected {prod(shape)} bytes for sizes {shape}, found {len(content) - start}"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape).copy()
