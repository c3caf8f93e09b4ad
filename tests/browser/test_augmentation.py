"""The augmentation widget as a reader meets it: its sums, its draws, what is painted and said."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from cnnlib.widgets.augmentation import AugmentationExplorer
from cnnlib.widgets.augmentation_sums import PARTS, displacements, distort, draw_part, with_grid
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_augmentation import AXES, make, some_pictures, some_states, whole

TWINS = """async ([pictures, axes, states]) => {
  const s = await import("./widgets/augmentation_sums.js");
  return JSON.stringify(states.map((state, i) => {
    const { pixels, ...told } = s.distort(pictures[i % 2], state, axes);
    return { ...told, pixels: Array.from(pixels) };
  }));
}"""
DRAWS = """async ([parts, seeds, present]) => {
  const s = await import("./widgets/augmentation_sums.js");
  return JSON.stringify(parts.map((part) => seeds.map((seed) => s.drawPart(part, seed, present))));
}"""


def test_both_languages_distort_alike_over_many_states(show):
    page = show(make())
    pictures, states = list(some_pictures().values()), some_states(60)
    given = [[p.ravel().tolist() for p in pictures], AXES, states]
    for number, theirs in enumerate(json.loads(page.evaluate(TWINS, given))):
        state = states[number]
        ours = distort(pictures[number % 2], state, AXES)
        size = state["crop_size"]
        pixels = np.array(theirs["pixels"]).reshape(size, size, 3)
        apart = np.abs(pixels - ours.pixels.astype(int))
        assert apart.max() <= 1 and (apart > 0).mean() < 0.001, state
        assert theirs["size"] == size and theirs["clipped"] == pytest.approx(ours.clipped, abs=1e-3)
        assert theirs["added"] == pytest.approx(ours.added, abs=1e-9)
        assert theirs["moved"] == pytest.approx(ours.moved, abs=1e-9)
    twin = "async () => { const s = await import('./widgets/augmentation_sums.js');" \
        "return s.displacements(60, 150, 8, 5).map((field) => Array.from(field)); }"  # fmt: skip
    theirs = np.array(page.evaluate(twin)).reshape(2, 60, 60)
    np.testing.assert_allclose(theirs, displacements(60, 150, 8, 5), atol=1e-9)


def test_both_languages_draw_alike(show):
    page = show(make())
    seeds, present = list(range(300)), whole({})
    theirs = json.loads(page.evaluate(DRAWS, [list(PARTS), seeds, present]))
    assert theirs == [[draw_part(part, seed, present) for seed in seeds] for part in PARTS]


def painted(page: Page, number: int) -> np.ndarray:
    """The pixels of the first or second picture, (H, W, 3)."""
    address = page.evaluate(
        "(number) => document.querySelectorAll('.au-stage canvas')[number].toDataURL()", number
    )
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as picture:
        return np.array(picture.convert("RGB"))


def test_the_canvases_hold_the_picture_and_the_copy_that_python_makes(show):
    widget = make(picture="noise", mirror=True, angle=30, red=20, alpha2=-40, grid=True)
    page = show(widget)
    noise = some_pictures()["noise"]
    assert (painted(page, 0) == with_grid(noise)).all()
    apart = np.abs(painted(page, 1) - widget.distorted().pixels.astype(int))
    assert apart.shape == (84, 84, 3) and apart.max() <= 1
    page.get_by_label("Lines, distorted with it").uncheck()
    settle(page)
    assert (painted(page, 0) == noise).all()


def test_a_draw_is_the_next_seed_and_what_python_draws_with_it(show):
    widget = AugmentationExplorer(some_pictures(), (AXES["variances"], AXES["directions"]))
    page = show(widget)
    page.get_by_role("button", name="Draw another of these").click()
    settle(page)
    widget.draw_another("frame")
    assert chosen(page, *widget.chosen()) == widget.chosen()
    page.get_by_role("button", name="Draw all parts").click()
    settle(page)
    widget.draw_another()
    assert chosen(page, *widget.chosen()) == widget.chosen()
    expect(page.locator(".au-done")).to_have_text(widget.what_is_done(widget.distorted()))
    expect(page.locator(".cnn-spoken")).to_have_text(widget.what_is_done(widget.distorted()))
    page.get_by_role("button", name="Leave all out").click()
    settle(page)
    expect(page.locator(".au-done")).to_have_text(
        "The copy is the picture: no amount changes anything."
    )
    assert (painted(page, 0) == painted(page, 1)).all()


def test_the_part_that_is_chosen_shows_its_sliders_and_leaves_out_its_own_amounts(show):
    page = show(make(red=30, mirror=True))
    expect(page.get_by_role("slider", name="Red")).to_be_hidden()
    page.get_by_role("radio", name="colour", exact=True).check(force=True)
    expect(page.get_by_role("slider", name="Red")).to_be_visible()
    expect(page.get_by_role("slider", name="Crop: its side")).to_be_hidden()
    page.get_by_role("button", name="Leave these out").click()
    settle(page)
    assert chosen(page, "red", "mirror") == {"red": 0, "mirror": True}


def test_the_crop_is_framed_and_its_places_are_counted(show):
    page = show(make(crop_size=84, top=3, left=5))
    line = page.locator(".au-stage .cnn-frame-line")
    frame = [line.get_attribute(name) for name in ("x", "y", "width", "height")]
    assert frame == ["5", "3", "84", "84"]
    expect(page.locator(".au-count")).to_contain_text(
        "at 13 × 13 = 169 places; with mirror images, 338 copies"
    )
    slider = page.get_by_role("slider", name="Rows above it")
    slider.focus()
    page.keyboard.press("End")
    settle(page)
    assert chosen(page, "top") == {"top": 12}
    choose(page, crop_size=96, top=0, left=0)
    settle(page)
    expect(line).to_be_hidden()


@pytest.mark.parametrize("width", [1000, 390])
def test_the_ends_of_every_slider_are_drawn_and_stay_inside(show, width):
    page = show(make(), width=width)
    for part in PARTS:
        choose(page, part=part)
        settle(page)
        for slider in page.get_by_role("slider").all():
            if not slider.is_visible() or not slider.is_enabled():
                continue
            for key in ("Home", "End"):
                slider.focus()
                page.keyboard.press(key)
                settle(page)
                assert "NaN" not in page.locator(".au-body").inner_html()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
