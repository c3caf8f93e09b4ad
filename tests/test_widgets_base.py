"""What every widget is made of."""

import base64
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from cnnlib.widgets.base import png_address


def png(pixels: np.ndarray) -> bytes:
    head, _, text = png_address(pixels).partition(",")
    assert head == "data:image/png;base64"
    return base64.b64decode(text)


def image_data(file: bytes) -> bytes:
    """The compressed bytes in the one IDAT chunk."""
    start = file.index(b"IDAT")
    return file[start + 4 : start + 4 + struct.unpack(">I", file[start - 4 : start])[0]]


def filters(pixels: np.ndarray) -> set[int]:
    """The filters that its lines were stored with."""
    height, width, channels = (*pixels.shape, 1)[:3]
    lines = zlib.decompress(image_data(png(pixels)))
    return set(lines[:: 1 + width * channels])


def plain(pixels: np.ndarray) -> int:
    """The compressed size of the lines as they are."""
    return len(zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels), 9))


def hills(*shape: int) -> np.ndarray:
    """A picture that changes smoothly in every way, with a little noise, like a photograph."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    tones = [127 + 80 * np.sin(y / 17 + c) * np.cos(x / 23) + (x * y) % 7 for c in range(3)]
    return np.stack(tones, axis=-1).astype(np.uint8).reshape(*shape[:2], 3)[..., : shape[2]]


RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize(
    "pixels",
    [
        hills(53, 37, 3),
        hills(37, 53, 1)[..., 0],
        RANDOM.integers(0, 256, (9, 14, 3), dtype=np.uint8),
        RANDOM.integers(0, 256, (14, 9), dtype=np.uint8),
        np.zeros((1, 5), np.uint8),
        np.full((5, 1, 3), 255, np.uint8),
        hills(40, 60, 3)[::2, ::-3],
    ],
    ids=["colour", "grey", "noise", "grey noise", "one line", "one column", "a view"],
)
def test_a_png_holds_the_very_pixels(pixels):
    with Image.open(io.BytesIO(png(pixels))) as image:
        assert image.mode == ("L" if pixels.ndim == 2 else "RGB")
        assert np.array_equal(np.asarray(image), pixels)


def test_every_filter_is_undone_rightly():
    """Lines that each suit another filter, so that all five are used and all five are read back."""
    noise = RANDOM.integers(0, 256, (1, 90), dtype=np.uint8)
    ramp = (np.arange(90, dtype=np.uint8) * 2)[None]
    slope = np.add.outer(np.arange(0, 60, 6), np.arange(90)).astype(np.uint8)
    mean = np.zeros((1, 90), np.uint8)
    for x in range(90):
        mean[0, x] = (int(mean[0, x - 1]) * (x > 0) + int(noise[0, x])) // 2
    few = np.tile(np.array([[1, 255, 2]], np.uint8), 30)
    # noise under a ramp, the same noise once more, its running mean, a few small values, a slope
    pixels = np.concatenate([ramp, noise, noise, mean, few, slope])
    pixels = np.concatenate([pixels] * 4)
    assert filters(pixels) == {0, 1, 2, 3, 4}
    with Image.open(io.BytesIO(png(pixels))) as image:
        assert np.array_equal(np.asarray(image), pixels)


def test_filters_make_a_photograph_smaller():
    photograph = hills(120, 90, 3)
    assert len(image_data(png(photograph))) < 0.8 * plain(photograph)


def test_a_png_is_never_larger_than_its_plain_lines():
    digit = np.zeros((28, 28), np.uint8)
    digit[4:24, 12:16] = RANDOM.integers(200, 256, (20, 4))
    for pixels in (digit, hills(60, 50, 3), RANDOM.integers(0, 256, (30, 20), dtype=np.uint8)):
        assert len(image_data(png(pixels))) <= plain(pixels)
    assert filters(digit) == {0}


@pytest.mark.parametrize(
    "pixels", [np.zeros((3, 4)), np.zeros((3, 4, 2), np.uint8), np.zeros(4, np.uint8)]
)
def test_what_is_no_picture_is_refused(pixels):
    with pytest.raises(ValueError, match="pixels: .*expected uint8"):
        png_address(pixels)
