"""Colours shifted along the directions in which a training set's colours vary."""

from typing import NamedTuple

import torch
from torch import Tensor


class ColourAxes(NamedTuple):
    """``variances`` (C,), the largest first, each with its direction, a column of ``directions``.

    The directions, (C, C), have length 1 and stand at right angles to each other.
    """

    variances: Tensor
    directions: Tensor


def find_colour_axes(images: Tensor) -> ColourAxes:
    """The principal components of all pixels' colours, from the covariance of the C channels.

    (N, C, H, W) in: a training set, or enough of it. Raises ``ValueError`` for fewer than 2 pixels.
    """
    _check_images(images)
    pixels = images.transpose(0, 1).flatten(1)  # (C, N H W)
    if pixels.shape[1] < 2:
        raise ValueError(f"images of shape {tuple(images.shape)}: expected 2 pixels or more")
    values, vectors = torch.linalg.eigh(torch.cov(pixels).view(len(pixels), len(pixels)))
    return ColourAxes(values.flip(0).clamp_min(0), vectors.flip(1))


def shift_colours(
    images: Tensor,
    axes: ColourAxes,
    deviation: float = 0.1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """To every pixel of an image the same colour is added, another for each image.

    It is the sum over the axes of direction * alpha * variance. Each alpha is drawn once an image,
    from a normal distribution of mean 0 and standard deviation ``deviation``, 0.1 in the paper
    (Krizhevsky, Sutskever & Hinton 2012, section 4.1). So directions in which the training set
    varies much are shifted along much: with photographs mostly from dark to light.

    The formula multiplies by a variance, not by its root, and so depends on the images' units: with
    values from 0 to 1 the shift is a small part of that range. (N, C, H, W) in and out; nothing is
    clipped. ``generator`` is a CPU generator. Raises ``ValueError`` for other channels than the
    axes have, and for a negative deviation.
    """
    _check_images(images)
    if images.shape[1] != len(axes.variances):
        raise ValueError(
            f"images of shape {tuple(images.shape)}: expected {len(axes.variances)} channels"
        )
    if not deviation >= 0:
        raise ValueError(f"deviation={deviation}: expected 0 or more")
    alpha = deviation * torch.randn(len(images), len(axes.variances), generator=generator)
    shift = (alpha.to(images) * axes.variances.to(images)) @ axes.directions.to(images).T
    return images + shift[:, :, None, None]


def _check_images(images: Tensor) -> None:
    if images.ndim != 4:
        raise ValueError(f"images of shape {tuple(images.shape)}: expected (N, C, H, W)")
