"""Stochastic depth: leave a whole branch out."""

import torch
from torch import Tensor, nn


class StochasticDepth(nn.Module):
    """Keeps a residual branch with probability ``survival``, for the whole batch at once.

    At training the branch is kept as it is, or replaced by zeros. At test it is always kept and
    multiplied by ``survival``, its expected share (Huang, Sun, Liu, Sedra & Weinberger 2016,
    equations 2 and 5). :meth:`dropped` draws the lot beforehand, so that a block can skip the work.

    Raises ``ValueError`` for a probability outside (0, 1].
    """

    def __init__(self, survival: float) -> None:
        super().__init__()
        if not 0 < survival <= 1:
            raise ValueError(f"survival={survival}: expected more than 0 and at most 1")
        self.survival = survival

    def dropped(self) -> bool:
        """Whether this batch goes without the branch. Never at test."""
        return self.training and torch.rand((), device="cpu").item() >= self.survival

    def forward(self, branch: Tensor) -> Tensor:
        return branch if self.training else branch * self.survival

    def extra_repr(self) -> str:
        return f"survival={self.survival:g}"
