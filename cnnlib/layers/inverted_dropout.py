"""Dropout: train with a random part of the units switched off."""

import torch
from torch import Tensor, nn


class InvertedDropout(nn.Module):
    """At training each value is 0 with probability ``p``, else 1 / (1 - p) times itself.

    So the expected value is the same with and without dropout, and nothing is left to do at test.
    The paper does it the other way round: values as they are at training, weights times 1 - p at
    test (Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014, section 4; the inverted
    form in section 10). Equal to ``torch.nn.Dropout`` but for the lots drawn.

    Any shape, in and out. Raises ``ValueError`` for a probability outside [0, 1].
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p={p}: expected a probability from 0 to 1")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return x * 0
        kept = torch.rand_like(x) >= self.p
        return x * kept / (1 - self.p)

    def extra_repr(self) -> str:
        return f"p={self.p:g}"
