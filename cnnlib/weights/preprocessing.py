"""How images become a network's input: said in numbers, and done."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from cnnlib.geometry import whole_number

# Channel order: how many channels that is.
CHANNEL_ORDERS = {"grey": 1, "RGB": 3, "BGR": 3}
FITS = ("pad", "crop")


@dataclass(frozen=True)
class Preprocessing:
    """How uint8 images, grey or RGB, become the input of a network that wants height x width.

    First the size. ``fit="pad"`` sets an image of at most that size in the middle of a canvas of
    zeros. ``fit="crop"`` is for photographs: it scales the shorter side to ``resize`` pixels (with
    antialiasing; not at all if ``resize`` is ``None``) and cuts out the middle.

    Then the values. The network's channels are ``"grey"``, ``"RGB"`` or ``"BGR"``, as
    ``channel_order`` says. In that order each has its ``mean`` and ``std``, in pixel units from 0
    to 255: a pixel becomes (pixel - mean) / std. The padding is a pixel 0 before this step.

    Raises ``ValueError`` where these do not fit together.
    """

    channel_order: str
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fit: str = "pad"
    resize: int | None = None

    def __post_init__(self) -> None:
        if self.channel_order not in CHANNEL_ORDERS:
            raise ValueError(
                f"channel_order={self.channel_order!r}: expected one of {', '.join(CHANNEL_ORDERS)}"
            )
        if self.fit not in FITS:
            raise ValueError(f"fit={self.fit!r}: expected one of {', '.join(FITS)}")
        for name in ("height", "width"):
            object.__setattr__(self, name, whole_number(getattr(self, name), name, 1))
        for name in ("mean", "std"):
            values = tuple(getattr(self, name))
            if len(values) != self.channels or not all(map(math.isfinite, values)):
                raise ValueError(
                    f"{name}={values}: expected {self.channels} finite numbers, "
                    f"one a channel of {self.channel_order}"
                )
            object.__setattr__(self, name, values)
        if min(self.std) <= 0:
            raise ValueError(f"std={self.std}: expected numbers above 0")
        if self.resize is not None:
            if self.fit != "crop":
                raise ValueError(f"resize={self.resize}: expected None with fit={self.fit!r}")
            object.__setattr__(self, "resize", whole_number(self.resize, "resize"))
            if self.resize < min(self.height, self.width):
                raise ValueError(
                    f"resize={self.resize}: expected at least the shorter side of "
                    f"{self.height}x{self.width}"
                )

    @property
    def channels(self) -> int:
        """How many channels the network has at its input."""
        return CHANNEL_ORDERS[self.channel_order]

    def apply(self, images: np.ndarray | Sequence[np.ndarray]) -> Tensor:
        """The network's input, float32, (N, C, height, width). See :func:`preprocess`."""
        if not isinstance(images, list | tuple):
            return self._apply_stack(np.asarray(images), "images")
        if not images:
            raise ValueError("images: expected at least one, found an empty list")
        return torch.cat(
            [
                self._apply_stack(np.asarray(image)[None], f"images[{index}]")
                for index, image in enumerate(images)
            ]
        )

    def _apply_stack(self, pixels: np.ndarray, name: str) -> Tensor:
        """The input for images of one size; ``name`` is what an error calls them."""
        if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4):
            raise ValueError(
                f"{name}: expected uint8 of shape (N, H, W) or (N, H, W, C), "
                f"found {pixels.dtype} of shape {pixels.shape}"
            )
        if pixels.ndim == 3:
            pixels = pixels[..., None]  # (N, H, W, 1)
        if pixels.shape[3] != self.channels:
            raise ValueError(
                f"{name}: expected {self.channels} channels ({self.channel_order}), "
                f"found {pixels.shape[3]} channels in images of {pixels.shape[1]}x{pixels.shape[2]}"
            )
        # A copy, for torch does not want read-only memory.
        return self.apply_tensor(torch.from_numpy(np.array(pixels)).movedim(3, 1), name)

    def apply_tensor(self, pixels: Tensor, name: str = "images") -> Tensor:
        """The network's input for pixels from 0 to 255, (N, C, H, W) grey or RGB, where they lie.

        ``name`` is what an error calls them.
        """
        x = pixels.float()
        if self.channel_order == "BGR":
            x = x.flip(1)
        x = self._pad(x, name) if self.fit == "pad" else self._crop(x, name)
        mean, std = (x.new_tensor(values).view(-1, 1, 1) for values in (self.mean, self.std))
        return ((x - mean) / std).contiguous()

    def uncropped(self, height: int, width: int) -> "Preprocessing":
        """The same for images of that size, but without cutting out the middle."""
        if self.fit != "crop":
            return self
        if self.resize is not None:
            height, width = self._resized(height, width)
        return replace(self, height=height, width=width)

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        """The size of an image of that size after scaling its shorter side to ``resize``."""
        shorter = min(height, width)
        return height * self.resize // shorter, width * self.resize // shorter

    def _pad(self, x: Tensor, name: str) -> Tensor:
        """In the middle of a canvas of zeros: (N, C, H, W) to (N, C, height, width)."""
        height, width = x.shape[2:]
        if height > self.height or width > self.width:
            raise ValueError(
                f"{name}: expected at most {self.height}x{self.width} pixels, "
                f"found {height}x{width}"
            )
        canvas = x.new_zeros(*x.shape[:2], self.height, self.width)
        top, left = (self.height - height) // 2, (self.width - width) // 2
        canvas[:, :, top : top + height, left : left + width] = x
        return canvas

    def _crop(self, x: Tensor, name: str) -> Tensor:
        """The middle of the scaled image: (N, C, H, W) to (N, C, height, width)."""
        height, width = x.shape[2:]
        if min(height, width) < 1:
            raise ValueError(f"{name}: expected at least 1x1 pixels, found {height}x{width}")
        if self.resize is not None:
            height, width = self._resized(height, width)
            if (height, width) != tuple(x.shape[2:]):
                x = F.interpolate(x, size=(height, width), mode="bilinear", antialias=True)
        if height < self.height or width < self.width:
            scaled = "" if self.resize is None else f" with the shorter side at {self.resize}"
            raise ValueError(
                f"{name}: expected at least {self.height}x{self.width} pixels{scaled}, "
                f"found {height}x{width}"
            )
        top, left = (height - self.height) // 2, (width - self.width) // 2
        return x[:, :, top : top + self.height, left : left + self.width]
