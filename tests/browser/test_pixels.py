"""kit/pixels.js is held to pixels.py, and paints what it is given."""

import numpy as np
import pytest

from cnnlib.widgets.pixels import PALETTES, palette
from tests.test_widgets_pixels import SCALES


def run(page, body: str, argument=None):
    """``body`` in the page, with the module as ``kit``."""
    return page.evaluate(
        f"""async (given) => {{ const kit = await import("./widgets/kit/pixels.js"); {body} }}""",
        argument,
    )


def test_a_byte_stands_for_the_same_value_and_the_value_has_the_same_text(show):
    scales = [scale._asdict() for scale in SCALES] + [{"low": 0, "high": 2e6, "signed": False}]
    found = run(
        show(),
        """return given.map((scale) => Array.from({ length: 256 }, (_, level) => {
            const value = kit.valueOf(scale, level);
            return [value, kit.writeValue(scale, value)];
        }));""",
        scales,
    )
    for scale, pairs in zip(SCALES, found, strict=False):
        values, texts = zip(*pairs, strict=True)
        assert np.allclose(values, scale.values(np.arange(256)), rtol=1e-12)
        assert list(texts) == [scale.write(value) for value in values]


def test_the_palettes_are_pythons(show):
    found = run(
        show(),
        """const found = kit.unpackPalettes(given);
        const bytes = (colours) => [...new Uint8Array(colours.buffer)];
        return { positive: bytes(found.positive), signed: bytes(found.signed) };""",
        PALETTES,
    )
    for name, signed in (("positive", False), ("signed", True)):
        colours = np.array(found[name]).reshape(256, 4)
        assert (colours[:, 3] == 255).all()
        assert (colours[:, :3] == palette(signed)).all()


@pytest.mark.parametrize("depth", [1, 3])
def test_a_picture_is_painted_pixel_by_pixel(show, depth):
    pictures = np.arange(2 * 2 * 3 * depth, dtype=np.uint8).reshape(2, 2, 3, depth) * 7
    shape = [2, 2, 3] if depth == 1 else [2, 2, 3, 3]
    found = run(
        show(),
        """const canvas = document.createElement("canvas");
        kit.paintPicture(canvas, { shape: given.shape, bytes: Uint8Array.from(given.bytes) }, 1);
        const { width, height } = canvas;
        return [height, width, [...canvas.getContext("2d").getImageData(0, 0, width, height).data]];
        """,
        {"shape": shape, "bytes": pictures.ravel().tolist()},
    )
    height, width, pixels = found
    pixels = np.array(pixels).reshape(height, width, 4)
    assert (pixels[..., :3] == np.broadcast_to(pictures[1], (2, 3, 3))).all()


def test_the_bar_sets_its_tips_at_values_of_the_scale(show):
    found = run(
        show(),
        """const palettes = kit.unpackPalettes(given);
        const bar = kit.scaleBar({ low: -2, high: 6, signed: false }, palettes, ["a", "b"]);
        bar.point(0);
        const tips = [...bar.node.querySelectorAll(".cnn-tip")];
        return [tips.map((tip) => [tip.hidden, tip.style.left]), bar.node.textContent];""",
        PALETTES,
    )
    assert found == [[[False, "25%"], [True, ""]], "ab"]
