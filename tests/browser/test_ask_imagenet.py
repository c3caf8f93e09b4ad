"""SqueezeNet asked in the page: its answers are torch's, and what goes wrong is said."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page, expect

from cnnlib.inside import occlusion_map
from cnnlib.weights import WEIGHTS
from cnnlib.widgets.ask import SIDE
from cnnlib.widgets.ask_imagenet import AskImagenet
from tests.bench_live import MOVES
from tests.browser.homes import page_from_disk, page_in_notebook
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_ask_imagenet import (
    make,
    network,
    network_input,
    photographs,
    scores,
)

STAGE = ".ask-left .ask-stage"


def load_network(page: Page) -> None:
    page.get_by_role("button", name="Load the network").click()
    expect(page.get_by_role("button", name="Unload the network")).to_be_visible(timeout=60_000)
    at_rest(page)


def at_rest(page: Page) -> None:
    settle(page)
    page.wait_for_function(
        "!document.querySelector('.cnn-widget').hasAttribute('aria-busy')", timeout=120_000
    )
    settle(page)


def shown_pixels(page: Page) -> np.ndarray:
    """What the stage shows, (227, 227, 3)."""
    data = page.evaluate(
        """(stage) => [...document.querySelector(`${stage} canvas`).getContext("2d")
            .getImageData(0, 0, 227, 227).data]""",
        STAGE,
    )
    return np.array(data, dtype=np.uint8).reshape(SIDE, SIDE, 4)[..., :3]


def expected_bars(pixels: np.ndarray) -> list[tuple[str, str]]:
    best = scores(pixels).softmax(0).topk(5)
    names = make().fixed["categories"]
    found = []
    for share, number in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        text = f"{int(100 * share + 0.5)} %"
        text = "under 1 %" if share < 0.005 else "over 99 %" if share >= 0.995 else text
        found.append((names[number], text))
    return found


def bars_of(page: Page, title: str) -> list[tuple[str, str]]:
    lines = page.get_by_role("list", name=title, exact=True).locator("li")
    return [
        (line.locator("span").nth(0).inner_text(), line.locator("span").nth(1).inner_text())
        for line in lines.all()
    ]


def test_nothing_is_fetched_until_the_reader_asks_and_then_the_answers_are_torchs(show):
    page = show(make())
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator(STAGE).focus()
    page.keyboard.press("ArrowDown")
    settle(page)
    assert not asked
    expect(page.locator(".ask-words")).to_contain_text("What does the network say now?")
    load_network(page)
    assert any("squeezenet1_1.safetensors" in url for url in asked)
    for state in ({"covered": False}, {"covered": True, "place": [90, 30], "fill": "black"}):
        choose(page, **state)
        at_rest(page)
        title = "Covered" if state["covered"] else "Uncovered"
        assert bars_of(page, title) == expected_bars(shown_pixels(page))


def test_the_cover_holds_what_it_says(show):
    page = show(make())
    clean = photographs()[0].pixels
    np.testing.assert_array_equal(shown_pixels(page), clean)
    hidden = (slice(20, 60), slice(30, 70))
    for fill, colour in {
        "grey": (123, 117, 104),
        "black": (0, 0, 0),
        "mean": np.rint(clean.reshape(-1, 3).mean(0)),
    }.items():
        choose(page, fill=fill, covered=True, size=40, place=[20, 30])
        settle(page)
        seen = shown_pixels(page)
        assert (seen[hidden] == colour).all(), fill
        seen[hidden] = clean[hidden]
        np.testing.assert_array_equal(seen, clean)
    choose(page, fill="blur")
    settle(page)
    expected = gaussian(clean, 8)[hidden]
    assert np.abs(shown_pixels(page)[hidden].astype(int) - expected).max() <= 1


def gaussian(pixels: np.ndarray, deviation: float) -> np.ndarray:
    """With the edge's pixels going on, as numpy has it."""
    reach = int(np.ceil(3 * deviation))
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * deviation**2))
    kernel /= kernel.sum()
    found = pixels.astype(float)
    for axis in (0, 1):
        ends = [(reach, reach) if a == axis else (0, 0) for a in range(3)]
        padded = np.pad(found, ends, mode="edge")
        found = np.apply_along_axis(np.convolve, axis, padded, kernel, mode="valid")
    return np.rint(found)


def test_shift_blur_and_noise_are_what_they_say(show):
    page = show(make())
    clean = photographs()[0].pixels.astype(int)
    choose(page, down=10, right=-20)
    settle(page)
    seen = shown_pixels(page)
    np.testing.assert_array_equal(seen[10:, :-20], clean[:-10, 20:])
    assert (seen[:10] == (123, 117, 104)).all() and (seen[:, -20:] == (123, 117, 104)).all()
    choose(page, down=0, right=0, blur=5)
    settle(page)
    assert np.abs(shown_pixels(page).astype(int) - gaussian(clean, 2.5)).max() <= 1
    choose(page, blur=0, noise=10)
    settle(page)
    away = shown_pixels(page).astype(int) - clean
    middle = away[(clean > 60) & (clean < 195)]
    assert abs(middle.mean()) < 0.3 and 9.5 < middle.std() < 10.5


@pytest.mark.parametrize("fill", ["grey", "blur"])
def test_the_map_is_that_of_occlusion_map(show, fill):
    page = show(AskImagenet(photographs()[:1], size=80, stride=49, fill=fill))
    load_network(page)
    page.get_by_role("button", name="Map it: 16 covers").click()
    expect(page.locator(".ask-map-words")).to_contain_text("16 covers", timeout=60_000)
    image = network_input(photographs()[0].pixels)
    target = int(scores(photographs()[0].pixels).argmax())
    paint = 0.0 if fill == "grey" else network_input(gaussian(photographs()[0].pixels, 8))
    found = occlusion_map(
        network(), image, target, size=80, stride=49, fill=paint, progress=False
    ).probability[0]
    levels = page.evaluate(
        """() => { const c = document.querySelector(".ask-map canvas:not(.ask-below)");
            return [c.height, c.width, [...c.getContext("2d")
                .getImageData(0, 0, c.width, c.height).data]]; }"""
    )
    assert levels[:2] == list(found.shape) == [4, 4]
    palette = page.evaluate(
        """async (anchors) => { const { unpackPalettes } = await import("./widgets/kit/pixels.js");
            return [...new Uint8Array(unpackPalettes(anchors).positive.buffer)]; }""",
        make().fixed["palettes"],
    )
    palette = np.array(palette).reshape(256, 4)[:, :3]
    colours = np.array(levels[2]).reshape(16, 4)[:, :3]
    drawn = [int(np.abs(palette - colour).sum(1).argmin()) for colour in colours]
    assert np.abs(np.array(drawn) / 255 - found.flatten().numpy()).max() < 0.006
    words = page.locator(".ask-map-words").inner_text()
    least = int(found.argmin())
    assert f"row {49 * (least // 4)}, column {49 * (least % 4)};" in words


def test_a_map_can_be_stopped_and_a_changed_cover_ends_it(show):
    page = show(AskImagenet(photographs()[:1], size=40, stride=4))
    load_network(page)
    for end in ("button", "size"):
        page.get_by_role("button", name="Map it").click()
        expect(page.locator(".ask-map-words")).to_contain_text("places asked", timeout=30_000)
        if end == "button":
            page.get_by_role("button", name="Stop", exact=True).click()
        else:
            choose(page, size=44)
        expect(page.locator(".ask-map")).to_be_hidden()
        at_rest(page)


def test_keys_move_the_cover_and_the_answer_is_spoken(show):
    page = show(make())
    load_network(page)
    page.locator(STAGE).focus()
    for key in ("ArrowLeft", "ArrowLeft", "Shift+ArrowUp", "Home"):
        page.keyboard.press(key)
    assert chosen(page, "covered", "place") == {"covered": True, "place": [85, 0]}
    at_rest(page)
    said = page.locator(".cnn-spoken[role=status]")
    expect(said).to_contain_text("row 85, column 0: the network says")
    name, _ = expected_bars(shown_pixels(page))[0]
    expect(said).to_contain_text(f"the network says {name}.")


def on_stage(page: Page, row: float, column: float) -> tuple[float, float]:
    """Where a pixel of the picture is on the page."""
    box = page.locator(STAGE).bounding_box()
    return box["x"] + box["width"] * column / SIDE, box["y"] + box["height"] * row / SIDE


def small_cover(**more) -> AskImagenet:
    return AskImagenet(photographs()[:1], covered=True, size=40, **more)


def test_answers_come_while_the_cover_moves(show):
    page = show(make())
    load_network(page)
    choose(page, covered=True, place=[90, 30])
    at_rest(page)
    assert page.evaluate(MOVES, 60) > 2  # a second, of some sixty moves
    at_rest(page)
    assert bars_of(page, "Covered") == expected_bars(shown_pixels(page))
    top, left = chosen(page, "place")["place"]
    expect(page.locator(".ask-words")).to_contain_text(f"{top}")
    expect(page.locator(".ask-words")).to_contain_text(f"{left}")


def test_the_cover_is_dragged_by_its_own_point(show):
    page = show(small_cover(place=[20, 30]))
    page.mouse.move(*on_stage(page, 30, 40))
    page.mouse.down()
    page.mouse.move(*on_stage(page, 130, 90), steps=4)
    page.mouse.up()
    assert chosen(page, "place") == {"place": [120, 80]}
    page.mouse.click(*on_stage(page, 226, 226))
    assert chosen(page, "place") == {"place": [SIDE - 40] * 2}


def test_the_cover_is_resized_by_its_corner_and_stays_on_the_picture(show):
    page = show(small_cover(place=[20, 30]))
    page.mouse.move(*on_stage(page, 61, 72))
    page.mouse.down()
    page.mouse.move(*on_stage(page, 81, 132), steps=4)
    state = chosen(page, "size", "place")
    assert state["place"] == [20, 30] and abs(state["size"] - 100) <= 1
    page.mouse.move(*on_stage(page, 226, 226), steps=4)
    page.mouse.up()
    assert chosen(page, "size", "place") == {"size": 128, "place": [20, 30]}
    choose(page, place=[99, 10])
    settle(page)
    grip = page.get_by_role("slider", name="Size of the cover, by its corner")
    grip.focus()
    for key, size in [
        ("ArrowLeft", 120), ("Shift+ArrowUp", 119), ("ArrowDown", 127), ("End", 128), ("Home", 8),
    ]:  # fmt: skip
        page.keyboard.press(key)
        settle(page)
        assert chosen(page, "size", "place") == {"size": size, "place": [99, 10]}, key
        expect(grip).to_have_attribute("aria-valuenow", str(size))
    choose(page, place=[200, 10])
    settle(page)
    expect(grip).to_have_attribute("aria-valuemax", str(SIDE - 200))
    choose(page, covered=False)
    settle(page)
    expect(grip).to_be_hidden()


def finger(page: Page, *points: tuple[float, float]) -> None:
    """A finger goes down, along these places on the page, and up."""
    client = page.context.new_cdp_session(page)
    kinds = ["touchStart", *["touchMove"] * (len(points) - 1)]
    for kind, point in zip(kinds, points, strict=True):
        touches = [dict(zip("xy", point, strict=True))]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_finger_drags_and_resizes_the_cover_and_the_page_stays_where_it_is(show):
    page = show(small_cover(place=[60, 60]), width=390, has_touch=True)
    page.locator(STAGE).scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    finger(page, *(on_stage(page, at, at) for at in (70, 100, 130)))
    settle(page)
    assert chosen(page, "place", "size") == {"place": [120, 120], "size": 40}
    finger(page, *(on_stage(page, at, at) for at in (161, 181, 201)))
    settle(page)
    state = chosen(page, "place", "size")
    assert state["place"] == [120, 120] and abs(state["size"] - 80) <= 1
    assert page.evaluate("scrollY") == before
    page.touchscreen.tap(*on_stage(page, 20, 30))  # a tap brings the cover there
    settle(page)
    assert chosen(page, "place") == {"place": [0, 0]}
    finger(
        page, *(on_stage(page, at, 210) for at in (220, 160, 100))
    )  # beside it, the page scrolls
    page.wait_for_function("(before) => scrollY > before", arg=before)
    assert chosen(page, "place") == {"place": [0, 0]}


# --- Pictures of the reader's own -----------------------------------------------------------------


def jpeg(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "jpeg", **options)
    return file.getvalue()


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue()


def give(page: Page, name: str, content: bytes) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="A picture of your own").click()
    chooser.value.set_files({"name": name, "mimeType": "image/jpeg", "buffer": content})


def two_colours(height: int, width: int) -> Image.Image:
    """Red above, blue below."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, :, 0] = pixels[height // 2 :, :, 2] = 255
    return Image.fromarray(pixels)


def test_a_picture_of_ones_own_is_cut_as_the_network_wants_it_and_asked(show):
    page = show(make())
    load_network(page)
    give(page, "mine.png", png(Image.fromarray(photographs()[2].pixels)))
    expect(page.locator(".live-note")).to_contain_text("This is mine.png. It stays on your machine")
    at_rest(page)
    assert bars_of(page, "Uncovered") == expected_bars(shown_pixels(page))
    page.get_by_role("button", name="Back to the photograph").click()
    at_rest(page)
    np.testing.assert_array_equal(shown_pixels(page), photographs()[0].pixels)


@pytest.mark.parametrize("shape", [(300, 400), (700, 511)])
def test_scaling_and_cutting_are_those_of_python(show, shape):
    page = show(make())
    grid = np.indices(shape)
    picture = np.stack([grid[0] % 256, grid[1] % 256, (grid.sum(0) // 2) % 256], 2).astype(np.uint8)
    give(page, "grid.png", png(Image.fromarray(picture)))
    expect(page.locator(".live-note")).to_contain_text("grid.png")
    settle(page)
    mean = torch.tensor(WEIGHTS["squeezenet1_1"].preprocessing.mean).view(3, 1, 1)
    expected = (WEIGHTS["squeezenet1_1"].preprocessing.apply([picture])[0] + mean).flip(0)
    away = np.abs(shown_pixels(page).astype(float) - expected.movedim(0, 2).numpy())
    assert (
        away.max() <= 0.51
    )  # beyond 512 pixels the browser would scale first, by a filter of its own


def test_odd_pictures_are_shown_as_they_are(show):
    page = show(make())
    turned = Image.Exif()
    turned[0x0112] = 3  # lies upside down
    transparent = Image.new("RGBA", (300, 300), (255, 0, 0, 0))
    upright = two_colours(300, 300)
    for name, content, top in [
        ("turned.jpg", jpeg(upright, exif=turned), (0, 0, 255)),
        ("transparent.png", png(transparent), (255, 255, 255)),
        ("dot.png", png(Image.new("RGB", (1, 1), (10, 200, 30))), (10, 200, 30)),
        ("cmyk.jpg", jpeg(Image.new("CMYK", (300, 300), (0, 255, 255, 0))), (255, 0, 0)),
        ("large.jpg", jpeg(two_colours(8000, 5000), quality=50), (255, 0, 0)),
        ("strip.png", png(two_colours(20, 3000)), (255, 0, 0)),
    ]:
        give(page, name, content)
        expect(page.locator(".live-note")).to_contain_text(name, timeout=30_000)
        settle(page)
        assert np.abs(shown_pixels(page)[5, 100].astype(int) - top).max() <= 24, name


def test_what_is_no_picture_is_said_and_the_picture_stays(show):
    page = show(make())
    for name, content in [("words.jpg", b"no picture at all"), ("empty.jpg", b"")]:
        give(page, name, content)
        expect(page.get_by_role("alert").filter(has_text=name)).to_have_text(
            f"{name} cannot be read as a picture."
        )
        np.testing.assert_array_equal(shown_pixels(page), photographs()[0].pixels)


# --- What goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"abort": True}, "could not be loaded"),
        ({"body": b"cut"}, "came damaged"),
    ],
)
def test_a_blocked_or_cut_file_is_one_sentence_and_the_page_works_on(show, answer, sentence):
    page = show(make())

    def respond(route) -> None:
        route.abort() if "abort" in answer else route.fulfill(status=200, **answer)

    page.context.route("**/*.safetensors", respond)
    page.get_by_role("button", name="Load the network").click()
    expect(page.locator(".live-status").filter(has_text=sentence)).to_be_visible()
    page.faults.clear()
    expect(page.get_by_role("button", name="Load the network")).to_be_visible()
    page.context.unroute("**/*.safetensors")
    load_network(page)
    assert bars_of(page, "Uncovered") == expected_bars(photographs()[0].pixels)


# --- Its other homes ------------------------------------------------------------------------------


def test_it_runs_from_disk(new_page, tmp_path):
    page = page_from_disk(new_page(), tmp_path / "site", make())
    load_network(page)
    choose(page, covered=True, place=[90, 30], fill="black")
    at_rest(page)
    assert bars_of(page, "Covered") == expected_bars(shown_pixels(page))


def test_in_a_notebook_python_sends_the_file(new_page, serve, tmp_path):
    page = new_page()
    wanted = page_in_notebook(page, tmp_path / "notebook", serve, make(covered=False))
    load_network(page)
    assert bars_of(page, "Uncovered") == expected_bars(shown_pixels(page))
    assert wanted == ["squeezenet1_1"]
