"""Arrays as a page takes them."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from cnnlib.widgets.pictures import photo_address, png_address


def png(pixels: np.ndarray) -> bytes:
    head, _, text = png_address(pixels).partition(",")
    assert head == "data:image/png;base64"
    return base64.b64decode(text)


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


def test_a_photograph_is_nearly_kept_in_a_fraction_of_the_bytes():
    photograph = hills(120, 90, 3)
    head, _, text = photo_address(photograph).partition(",")
    assert head == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        assert image.mode == "RGB"
        difference = np.asarray(image).astype(int) - photograph
    assert difference.any() and np.abs(difference).mean() < 6
    assert 3 * len(text) < len(png_address(photograph))
    assert len(photo_address(photograph, quality=20)) < len(photo_address(photograph))


@pytest.mark.parametrize("quality", [-1, 101])
def test_a_quality_out_of_range_is_refused(quality):
    with pytest.raises(ValueError, match=f"quality={quality}: expected 0 to 100"):
        photo_address(hills(4, 4, 3), quality)


@pytest.mark.parametrize(
    "pixels", [np.zeros((3, 4)), np.zeros((3, 4, 2), np.uint8), np.zeros(4, np.uint8)]
)
def test_what_is_no_picture_is_refused(pixels):
    for address in (png_address, photo_address):
        with pytest.raises(ValueError, match="pixels: .*expected uint8"):
            address(pixels)
