"""Where downloads and decoded images are kept on this machine."""

import io
import os
import uuid
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

CHECKSUM_BYTES = 4


def find_data_folder() -> Path:
    """The folder that the environment variable ``CNNLIB_DATA`` names, else ``~/.cache/cnnlib``."""
    return Path(os.environ.get("CNNLIB_DATA") or "~/.cache/cnnlib").expanduser()


def keep_array(name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """The array that ``make`` gives, made once and kept as a file ``name`` in the data folder.

    The array is read-only and mapped into memory: what is not looked at is not read. A file that is
    missing, cut or changed is made anew. It gets its name only when it is whole, so processes that
    make it at the same time do not meet. Where it cannot be written there is a warning, and the
    array lives in memory.
    """
    path = find_data_folder() / "decoded" / f"{name}.npy"
    kept = _read(path)
    if kept is not None:
        return kept
    array = make()
    try:
        _write(path, array)
    except OSError as error:
        warnings.warn(
            f"{path}: not kept, so the next start decodes it again: {error}. "
            f"CNNLIB_DATA can name a folder that can be written.",
            stacklevel=2,
        )
    else:
        kept = _read(path)
    if kept is not None:
        return kept
    array.flags.writeable = False
    return array


def _write(path: Path, array: np.ndarray) -> None:
    """Write numpy's own format, followed by a CRC-32 of all of it."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    checksum = zlib.crc32(array, zlib.crc32(header.getvalue()))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}.draft")
    try:
        with open(draft, "xb") as file:
            file.write(header.getvalue())
            file.write(array)
            file.write(checksum.to_bytes(CHECKSUM_BYTES, "little"))
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path) -> np.ndarray | None:
    """The array in a file that :func:`_write` wrote, or None if it is not there or not whole."""
    try:
        content = np.memmap(path, dtype=np.uint8, mode="r")
        checksum = int.from_bytes(content[-CHECKSUM_BYTES:].tobytes(), "little")
        if zlib.crc32(content[:-CHECKSUM_BYTES]) != checksum:
            return None
        return np.asarray(np.lib.format.open_memmap(path, mode="r"))
    except (OSError, ValueError):
        return None
