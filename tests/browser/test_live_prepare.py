"""A picture becomes a network's input in the page as it does in Python."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from cnnlib.data.gallery import load_gallery
from cnnlib.weights import WEIGHTS, Preprocessing
from tests.browser.live import numbers_of, write_live

PREPARE = """async ([picture, width, height, how, way]) => {
    const { prepare } = await import(new URL("live/engine.js", document.baseURI));
    const bytes = Uint8Array.from(atob(picture), (c) => c.charCodeAt(0));
    const source = way === "data"
        ? new ImageData(new Uint8ClampedArray(bytes.buffer), width, height)
        : await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: "none" });
    try {
        const out = prepare(source, how);
        const all = new Uint8Array(out.buffer);
        let text = "";
        for (let i = 0; i < all.length; i += 8192) {
            text += String.fromCharCode(...all.subarray(i, i + 8192));
        }
        return btoa(text);
    } catch (error) {
        return { code: error.code, message: error.message };
    }
}"""
NAMES = ("channel_order", "height", "width", "mean", "std", "fit", "resize")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    write_live(folder)
    return folder


@pytest.fixture
def prepare(new_page, serve, site):
    """prepare(pixels or PNG, how) -> the numbers, or what was told."""
    page = new_page()
    page.goto(f"{serve(site)}/index.html")

    def run(picture: np.ndarray | bytes, how: Preprocessing):
        settings = {name: getattr(how, name) for name in NAMES}
        if isinstance(picture, bytes):
            text, size, way = base64.b64encode(picture).decode(), (0, 0), "file"
        else:
            height, width = picture.shape[:2]
            if picture.shape[2] == 3:
                full = np.full((height, width, 1), 255, np.uint8)
                picture = np.concatenate([picture, full], axis=2)
            text = base64.b64encode(picture.tobytes()).decode()
            size, way = (width, height), "data"
        found = page.evaluate(PREPARE, [text, *size, settings, way])
        return found if isinstance(found, dict) else numbers_of(found)

    return run


def close(found: np.ndarray, expected, std: float = 1.0) -> bool:
    return np.abs(found - expected.numpy().ravel()).max() < 1e-3 * 255 / std


@pytest.mark.parametrize("size", [(240, 300), (300, 231), (227, 227), (500, 229), (1, 1), (90, 61)])
def test_photographs_of_any_size_for_squeezenet(prepare, size):
    how = WEIGHTS["squeezenet1_1"].preprocessing
    pixels = np.random.default_rng(size[0]).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert close(prepare(pixels, how), how.apply([pixels]))


def test_a_photograph_as_a_file(prepare):
    how = WEIGHTS["squeezenet1_1"].preprocessing
    pixels = np.asarray(load_gallery()[2].image)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    assert close(prepare(file.getvalue(), how), how.apply([pixels]))


def test_only_what_is_kept_of_a_picture_is_worked_out(prepare):
    """At its full length this strip would be 256 x 10 240 000 pixels."""
    how = Preprocessing("RGB", 32, 32, (1, 2, 3), (1, 1, 1), fit="crop", resize=256)
    strip = np.full((1, 40_000, 3), (10, 20, 30), np.uint8)
    found = prepare(strip, how).reshape(3, -1)
    assert np.abs(found - np.array([[9], [18], [27]])).max() < 1e-4


@pytest.mark.parametrize("key", ["small_nin", "imagenette_zfnet"])
def test_other_networks_photographs(prepare, key):
    how = WEIGHTS[key].preprocessing
    pixels = np.random.default_rng(3).integers(0, 256, (how.height, how.width, 3), dtype=np.uint8)
    assert close(prepare(pixels, how), how.apply([pixels]), std=min(how.std))


def test_a_digit_is_set_into_its_frame(prepare):
    how = WEIGHTS["lenet5"].preprocessing
    digit = np.random.default_rng(5).integers(0, 256, (28, 28), dtype=np.uint8)
    found = prepare(np.repeat(digit[..., None], 3, axis=2), how)
    assert close(found, how.apply(digit[None]), std=how.std[0])


def test_what_is_transparent_lies_on_white(prepare):
    how = Preprocessing("RGB", 2, 2, (0, 0, 0), (1, 1, 1), fit="crop")
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0]], [[10, 20, 30, 51]] * 2], np.uint8)
    found = prepare(pixels, how).reshape(3, 4)
    assert found[0].tolist() == [10, 255, 206, 206]


@pytest.mark.parametrize(
    ("size", "how", "text"),
    [
        ((40, 20), Preprocessing("RGB", 32, 32, (0,) * 3, (1,) * 3), "at most 32x32 pixels"),
        ((20, 40), Preprocessing("RGB", 32, 32, (0,) * 3, (1,) * 3, fit="crop"), "at least 32x32"),
    ],
)
def test_a_picture_of_a_wrong_size_is_told(prepare, size, how, text):
    answer = prepare(np.zeros((*size, 3), np.uint8), how)
    assert answer["code"] == "input" and text in answer["message"]
    assert f"found {size[1]}x{size[0]}" in answer["message"]


def test_what_is_no_picture_is_told(new_page, serve, tmp_path):
    write_live(tmp_path, ("lenet_modern",))
    page = new_page()
    page.goto(f"{serve(tmp_path)}/index.html")
    codes = page.evaluate("""async () => {
        const { openNetwork } = await import(new URL("live/engine.js", document.baseURI));
        const network = await openNetwork("live/lenet_modern.safetensors");
        const used = await createImageBitmap(new ImageData(28, 28));
        await network.prepare(used);
        const codes = [];
        for (const picture of [used, new Image(), document.createElement("canvas"), "7"]) {
            await network.prepare(picture).catch((error) => codes.push(error.code));
        }
        network.close();
        return codes;
    }""")
    assert codes == ["input"] * 4
