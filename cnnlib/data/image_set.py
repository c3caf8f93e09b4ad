"""The record that every loader returns."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled images of one size.

    ``images`` is uint8, (N, H, W) for grey or (N, H, W, C) for colour; ``labels`` is int64, (N,),
    each a position in ``categories``; ``credit`` says whose images they are.
    Raises ``ValueError`` where these do not fit together.
    """

    images: np.ndarray
    labels: np.ndarray
    categories: tuple[str, ...]
    credit: str

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim not in (3, 4):
            raise ValueError(
                f"images: expected uint8 of shape (N, H, W) or (N, H, W, C), "
                f"found {self.images.dtype} of shape {self.images.shape}"
            )
        if self.labels.dtype != np.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"labels: expected int64 of shape {self.images.shape[:1]}, "
                f"found {self.labels.dtype} of shape {self.labels.shape}"
            )
        if len(self) and not 0 <= self.labels.min() <= self.labels.max() < len(self.categories):
            raise ValueError(
                f"labels: expected 0 to {len(self.categories) - 1}, "
                f"found {self.labels.min()} to {self.labels.max()}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int) -> "ImageSet":
        """The first ``count`` images (all of them if there are fewer)."""
        return ImageSet(self.images[:count], self.labels[:count], self.categories, self.credit)
