"""What all that looks inside a network takes: images, where and as the network computes."""

from collections.abc import Iterable
from itertools import chain
from typing import Any

from torch import Tensor, nn


def check_image(image: Any) -> None:
    """Raise ``ValueError`` for anything but floating point numbers of shape (N, C, H, W)."""
    if not isinstance(image, Tensor) or image.dim() != 4 or not image.numel():
        given = tuple(image.shape) if isinstance(image, Tensor) else type(image).__name__
        raise ValueError(f"image={given}: expected a tensor of shape (N, C, H, W)")
    if not image.is_floating_point():
        raise ValueError(f"image of {image.dtype}: expected floating point numbers")


def move_beside(module: nn.Module, image: Tensor) -> Tensor:
    """``image`` on the device and in the number type of the module's first weights.

    A module that has none takes it as it is.
    """
    for tensor in chain(module.parameters(), module.buffers()):
        if tensor.is_floating_point():
            return image.to(tensor.device, tensor.dtype)
    return image


def is_sequence(value: Any) -> bool:
    """Whether an argument lists values: a sequence, an array or a tensor with a dimension."""
    if hasattr(value, "shape"):
        return len(value.shape) > 0
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | dict)
