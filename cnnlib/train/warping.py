"""Local warping: every pixel moves a little, neighbours together."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def warp(
    images: Tensor,
    strength: float = 34.0,
    smoothness: float = 4.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Each image drawn on rubber that is pulled at random: an elastic distortion.

    Place (row, column) shows what stood at (row + down, column + right), with ``right`` and
    ``down`` from :func:`draw_displacements`, a field of its own for each image. Between pixels the
    value is interpolated linearly, and what comes from outside repeats the border. The defaults are
    the paper's for digits of 29x29 pixels (Simard, Steinkraus & Platt 2003, "Best practices for
    convolutional neural networks applied to visual document analysis", section 2).

    (N, C, H, W) in and out, all channels moved alike. ``generator`` is a CPU generator.
    """
    if images.ndim != 4:
        raise ValueError(f"images of shape {tuple(images.shape)}: expected (N, C, H, W)")
    count, _, height, width = images.shape
    right, down = draw_displacements(count, (height, width), strength, smoothness, generator)
    columns, rows = torch.arange(width) + right, torch.arange(height)[:, None] + down
    # grid_sample counts from -1 to 1 along each axis, from the first pixel's edge to the last's.
    places = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=3)
    return F.grid_sample(images, places.to(images), padding_mode="border", align_corners=False)


def draw_displacements(
    count: int,
    size: tuple[int, int],
    strength: float = 34.0,
    smoothness: float = 4.0,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """How far each place looks to the right and down, in pixels: (count, H, W) each.

    Numbers are drawn evenly between -1 and 1, a place for itself, smoothed by a Gaussian of
    standard deviation ``smoothness`` pixels, and multiplied by ``strength``. A small smoothness
    scatters pixels, a large one moves the whole image. The typical displacement, its standard
    deviation, is near strength / (smoothness * sqrt(12 pi)): 1.4 pixels with the defaults.

    Raises ``ValueError`` for a smoothness that is not above 0, or a negative strength.
    """
    if not 0 < smoothness < math.inf:
        raise ValueError(f"smoothness={smoothness}: expected a number of pixels above 0")
    if not 0 <= strength < math.inf:
        raise ValueError(f"strength={strength}: expected 0 or more")
    height, width = size
    reach = math.ceil(3 * smoothness)
    bell = torch.exp(-((torch.arange(-reach, reach + 1) / smoothness) ** 2) / 2)
    bell = bell / bell.sum()
    # A margin of random numbers all around, so that the border moves as much as the middle.
    noise = 2 * torch.rand(2 * count, 1, height + 2 * reach, width + 2 * reach, generator=generator)
    smooth = F.conv2d(F.conv2d(noise - 1, bell.view(1, 1, -1, 1)), bell.view(1, 1, 1, -1))
    return tuple(strength * smooth.view(2, count, height, width))
