"""Random distortions of a whole batch at once, on the device where the batch lies."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Augmentation:
    """Each image is distorted by random amounts up to these, in both directions.

    ``scale`` 0.1 is a size from 90 % to 110 %; ``squeeze`` 0.1 makes it that much wider while it
    gets that much lower, or the reverse; ``shear`` 0.1 moves a row sideways by a tenth of its
    height above the middle; ``shift`` is in pixels. These are the distortions of LeCun et al. 1998,
    section III.C; turning by ``degrees`` is not among them.

    ``mirror`` turns every second image, at random, left to right. ``contrast`` 0.2 stretches an
    image's values about their mean by a factor from 0.8 to 1.2; ``brightness`` 0.2 adds up to 0.2
    to them, in the network's units; ``saturation`` 0.2 draws the channels 20 % towards their mean,
    or as far away from it.
    """

    degrees: float = 0.0
    scale: float = 0.0
    squeeze: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    mirror: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0


def augment(
    images: Tensor,
    by: Augmentation,
    generator: torch.Generator | None = None,
    shape: tuple[int, int] | None = None,
) -> Tensor:
    """Distort each image about its centre by random amounts of its own.

    (N, C, H, W) in and out, any sizes, on any device. With ``shape``, a height and a width, what
    comes out is the middle (N, C, height, width) of the distorted images. What comes in from
    outside repeats the border. ``generator`` is a CPU generator, so that every device gets the same
    distortions.
    """
    count, channels, height, width = images.shape
    new_height, new_width = shape or (height, width)

    def random(most: float) -> Tensor:
        return (2 * torch.rand(count, generator=generator) - 1) * most

    angle, zoom, squeeze = (
        random(math.radians(by.degrees)),
        1 + random(by.scale),
        random(by.squeeze),
    )
    shear, right, down = random(by.shear), random(by.shift), random(by.shift)
    side = torch.where(random(1.0) < 0, -1.0, 1.0) if by.mirror else 1.0
    cos, sin = torch.cos(angle), torch.sin(angle)
    # Which input place does an output place (x, y) show? Stretch, then shear, then turn, mirror.
    x_by_x = side * cos / (zoom * (1 + squeeze))
    x_by_y = side * (cos * shear + sin) / (zoom * (1 - squeeze))
    y_by_x = -sin / (zoom * (1 + squeeze))
    y_by_y = (cos - sin * shear) / (zoom * (1 - squeeze))
    # affine_grid counts from -1 to 1 along each axis, whatever its length in pixels.
    x_row = [x_by_x * (new_width / width), x_by_y * new_height / width, -2 * right / width]
    y_row = [y_by_x * new_width / height, y_by_y * (new_height / height), -2 * down / height]
    matrices = torch.stack([torch.stack(row, dim=1) for row in (x_row, y_row)], dim=1)  # (N, 2, 3)
    size = [count, channels, new_height, new_width]
    grid = F.affine_grid(matrices.to(images.device), size, align_corners=False)  # (N, H, W, 2)
    images = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    if by.saturation:
        grey = images.mean(dim=1, keepdim=True)
        images = grey + _each(1 + random(by.saturation), images) * (images - grey)
    if by.contrast or by.brightness:
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        stretched = _each(1 + random(by.contrast), images) * (images - mean)
        images = stretched + mean + _each(random(by.brightness), images)
    return images


def crop_randomly(
    images: Tensor, shape: tuple[int, int], generator: torch.Generator | None = None
) -> Tensor:
    """From each image a piece of ``shape`` (height, width), at a place of its own.

    Every place where the piece fits is as likely as any other: (H - height + 1) (W - width + 1) of
    them (Krizhevsky, Sutskever & Hinton 2012, section 4.1, who take 224x224 of 256x256). (N, C, H,
    W) in, (N, C, height, width) out; pixels are copied, not interpolated. ``generator`` is a CPU
    generator. Raises ``ValueError`` for a piece that is larger than the image.
    """
    count, _, height, width = images.shape
    new_height, new_width = shape
    if not (1 <= new_height <= height and 1 <= new_width <= width):
        raise ValueError(f"shape={tuple(shape)}: expected at least 1x1, at most {height}x{width}")
    tops = torch.randint(height - new_height + 1, (count,), generator=generator).tolist()
    lefts = torch.randint(width - new_width + 1, (count,), generator=generator).tolist()
    pieces = [
        image[:, top : top + new_height, left : left + new_width]
        for image, top, left in zip(images, tops, lefts, strict=True)
    ]
    return torch.stack(pieces)


def _each(amounts: Tensor, images: Tensor) -> Tensor:
    """One amount an image, shaped to act on all its values."""
    return amounts.view(-1, 1, 1, 1).to(images.device)
