"""Arrays in a log: many numbers in little space."""

import base64

import numpy as np


def pack(array: np.ndarray) -> dict:
    """An array of any shape as JSON can hold it: whole numbers of 16 bits times ``scale``.

    No value moves by more than 1/65,534 of the largest magnitude. Raises ``ValueError`` for values
    that are not finite.
    """
    array = np.asarray(array, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError("array: expected finite numbers")
    scale = float(np.abs(array).max(initial=0.0)) / 32767
    whole = np.round(array / (scale or 1.0)).astype("<i2")
    content = base64.b64encode(whole.tobytes()).decode("ascii")
    return {"shape": list(array.shape), "scale": scale, "int16": content}


def unpack(packed: dict) -> np.ndarray:
    """The float64 array that :func:`pack` packed. Raises ``ValueError`` for anything else."""
    try:
        whole = np.frombuffer(base64.b64decode(packed["int16"], validate=True), dtype="<i2")
        return whole.reshape(packed["shape"]) * float(packed["scale"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no packed array: {error!r}") from error


def pack_bits(flags: np.ndarray) -> str:
    """Yes or no for each of many images, (N,), as text: eight of them a byte, then base64."""
    flags = np.asarray(flags)
    if flags.dtype != bool or flags.ndim != 1:
        raise ValueError(f"flags: expected bool (N,), found {flags.dtype} {flags.shape}")
    return base64.b64encode(np.packbits(flags).tobytes()).decode("ascii")


def unpack_bits(text: str, count: int) -> np.ndarray:
    """The ``count`` flags that :func:`pack_bits` packed. Raises ``ValueError`` for other text."""
    try:
        packed = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    except (TypeError, ValueError) as error:
        raise ValueError(f"no packed flags: {error!r}") from error
    if len(packed) != -(-count // 8):
        raise ValueError(f"{len(packed)} bytes of flags: expected {-(-count // 8)} for {count}")
    return np.unpackbits(packed, count=count).astype(bool)
