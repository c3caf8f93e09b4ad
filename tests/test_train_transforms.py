"""Random crops, colour shifts and warps do what their papers say, image by image."""

import math

import numpy as np
import pytest
import torch

from cnnlib.train import (
    ColourAxes,
    crop_randomly,
    draw_displacements,
    find_colour_axes,
    shift_colours,
    warp,
)


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- Crops --------------------------------------------------------------------------------------


def test_every_place_of_a_crop_is_taken_about_equally_often():
    places = torch.arange(4 * 6).view(1, 1, 4, 6).repeat(3000, 2, 1, 1)
    pieces = crop_randomly(places, (3, 4), seeded())
    assert pieces.shape == (3000, 2, 3, 4)
    corners, counts = pieces[:, 0, 0, 0].unique(return_counts=True)
    assert corners.tolist() == [0, 1, 2, 6, 7, 8]  # 2 rows of 3 places
    assert counts.min() > 400 and counts.max() < 600
    window = torch.tensor([[0, 1, 2, 3], [6, 7, 8, 9], [12, 13, 14, 15]])
    assert torch.equal(pieces, (window + pieces[:, :, :1, :1]))


def test_a_crop_of_the_whole_is_the_whole():
    images = torch.rand(2, 3, 4, 5, generator=seeded())
    assert torch.equal(crop_randomly(images, (4, 5)), images)


@pytest.mark.parametrize("shape", [(5, 5), (4, 6), (0, 3)])
def test_a_crop_that_does_not_fit_is_refused(shape):
    with pytest.raises(ValueError, match=r"shape=\(\d, \d\): expected at least 1x1, at most 4x5"):
        crop_randomly(torch.zeros(2, 3, 4, 5), shape)


# --- Colours ------------------------------------------------------------------------------------


def coloured(count: int = 20) -> torch.Tensor:
    """Images whose three channels go together, more or less."""
    grey = torch.randn(count, 1, 6, 7, generator=seeded(1))
    own = torch.randn(count, 3, 6, 7, generator=seeded(2))
    return 0.5 + 0.2 * grey + torch.tensor([0.02, 0.05, 0.1])[:, None, None] * own


def test_the_axes_are_numpys_principal_components():
    images = coloured()
    axes = find_colour_axes(images)
    pixels = images.permute(0, 2, 3, 1).reshape(-1, 3).double().numpy()
    _, sizes, directions = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)
    variances = torch.tensor(sizes**2 / (len(pixels) - 1))
    torch.testing.assert_close(axes.variances.double(), variances, rtol=1e-3, atol=1e-6)
    agreement = (axes.directions.T.double() * torch.tensor(directions)).sum(dim=1).abs()
    torch.testing.assert_close(agreement, torch.ones(3).double(), rtol=1e-4, atol=1e-4)


def test_a_shift_adds_one_colour_to_all_pixels_of_an_image():
    images = coloured()
    added = shift_colours(images, find_colour_axes(images), 0.5, seeded()) - images
    torch.testing.assert_close(added, added[:, :, :1, :1].expand_as(added), atol=1e-6, rtol=0)
    assert len(added[:, 0, 0, 0].unique()) == len(images)


def test_the_shifts_spread_along_each_axis_as_the_paper_says():
    """Mean 0, and a deviation of 0.1 times the variance, axis for axis, independently."""
    axes = ColourAxes(torch.tensor([4.0, 2.0, 0.5]), find_colour_axes(coloured()).directions)
    added = shift_colours(torch.zeros(20_000, 3, 1, 1), axes, generator=seeded())[:, :, 0, 0]
    along = added @ axes.directions
    torch.testing.assert_close(along.mean(dim=0), torch.zeros(3), atol=0.01, rtol=0)
    expected = torch.diag(torch.tensor([0.4, 0.2, 0.05]) ** 2)
    torch.testing.assert_close(torch.cov(along.T), expected, atol=0.004, rtol=0)


def test_colours_that_do_not_fit_are_refused():
    axes = find_colour_axes(coloured())
    with pytest.raises(ValueError, match=r"\(2, 1, 4, 5\): expected 3 channels"):
        shift_colours(torch.zeros(2, 1, 4, 5), axes)
    with pytest.raises(ValueError, match="deviation=-0.1: expected 0 or more"):
        shift_colours(torch.zeros(2, 3, 4, 5), axes, -0.1)
    with pytest.raises(ValueError, match=r"\(1, 3, 1, 1\): expected 2 pixels"):
        find_colour_axes(torch.zeros(1, 3, 1, 1))
    with pytest.raises(ValueError, match=r"\(3, 4, 5\): expected \(N, C, H, W\)"):
        find_colour_axes(torch.zeros(3, 4, 5))


# --- Warping ------------------------------------------------------------------------------------


def test_every_place_shows_what_its_displacement_points_at():
    count, height, width = 3, 12, 17
    images = torch.rand(count, 2, height, width, generator=seeded(5))
    warped = warp(images, 20, 2, seeded(3))
    right, down = draw_displacements(count, (height, width), 20, 2, seeded(3))
    for n in range(count):
        for row in range(height):
            for column in range(width):
                y = min(max(row + down[n, row, column].item(), 0), height - 1)
                x = min(max(column + right[n, row, column].item(), 0), width - 1)
                top, left = min(int(y), height - 2), min(int(x), width - 2)
                fall, part = y - top, x - left
                square = images[n, :, top : top + 2, left : left + 2]
                expected = (
                    (1 - fall) * (1 - part) * square[:, 0, 0] + (1 - fall) * part * square[:, 0, 1]
                    + fall * (1 - part) * square[:, 1, 0] + fall * part * square[:, 1, 1]
                )  # fmt: skip
                torch.testing.assert_close(warped[n, :, row, column], expected, atol=1e-4, rtol=0)


def test_no_strength_moves_nothing():
    images = torch.rand(2, 3, 9, 11, generator=seeded())
    torch.testing.assert_close(warp(images, 0), images)


@pytest.mark.parametrize("strength, smoothness", [(34.0, 4.0), (10.0, 2.0)])
def test_displacements_are_as_large_as_the_docstring_says_at_the_border_too(strength, smoothness):
    fields = torch.stack(draw_displacements(600, (29, 31), strength, smoothness, seeded()))
    expected = strength / (smoothness * math.sqrt(12 * math.pi))
    assert fields.std().item() == pytest.approx(expected, rel=0.03)
    assert fields[:, :, 0].std().item() == pytest.approx(expected, rel=0.1)
    assert fields.mean().abs() < 0.1 * expected


def test_neighbours_move_together_the_more_the_smoother():
    def likeness(smoothness, apart):
        right, _ = draw_displacements(300, (20, 20), 1, smoothness, seeded())
        pairs = torch.stack([right[:, :, apart:].flatten(), right[:, :, :-apart].flatten()])
        return torch.corrcoef(pairs)[0, 1].item()

    # Noise smoothed by a Gaussian of deviation s is alike, d apart, to exp(-d² / 4s²).
    for smoothness in (2, 4):
        for apart in (1, 4):
            expected = math.exp(-(apart**2) / (4 * smoothness**2))
            assert likeness(smoothness, apart) == pytest.approx(expected, abs=0.05)


def test_warps_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="smoothness=0: expected a number of pixels above 0"):
        warp(torch.zeros(1, 1, 4, 5), smoothness=0)
    with pytest.raises(ValueError, match="strength=-1: expected 0 or more"):
        warp(torch.zeros(1, 1, 4, 5), strength=-1)
    with pytest.raises(ValueError, match=r"\(4, 5\): expected \(N, C, H, W\)"):
        warp(torch.zeros(4, 5))


@pytest.mark.parametrize(
    "transform",
    [
        lambda images, generator: warp(images, 10, 2, generator),
        lambda images, generator: crop_randomly(images, (4, 3), generator),
        lambda images, generator: shift_colours(
            images, find_colour_axes(images), generator=generator
        ),
    ],
    ids=["warp", "crop", "colour"],
)
def test_the_same_generator_gives_the_same_images_and_each_image_its_own(transform):
    images = torch.rand(1, 3, 9, 8, generator=seeded()).repeat(30, 1, 1, 1)
    first, again = transform(images, seeded(3)), transform(images, seeded(3))
    assert torch.equal(first, again)
    assert not torch.equal(transform(images, seeded(4)), first)
    assert len({tuple(image.flatten().tolist()) for image in first}) > 10
