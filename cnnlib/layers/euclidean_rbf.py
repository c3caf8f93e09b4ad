"""An output layer that measures distances instead of products."""

import torch
from torch import Tensor, nn


class EuclideanRBF(nn.Module):
    """The squared Euclidean distance from the input to each of K fixed codes.

    Output ``k`` is ``sum_j (x_j - codes[k, j])**2``: 0 for a perfect match, and larger the worse
    the input fits. The codes are a buffer: they are saved with the module but not trained (LeCun
    et al. 1998, equation 7).

    ``codes`` has shape (K, C). Shapes: (N, C) or (N, C, H, W) in, (N, K) or (N, K, H, W) out; with
    a height and a width the distance is taken at each position.
    Raises ``ValueError`` if ``codes`` is no matrix.
    """

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        if codes.dim() != 2:
            raise ValueError(f"codes: expected shape (K, C), found {tuple(codes.shape)}")
        self.register_buffer("codes", codes.clone())

    def forward(self, x: Tensor) -> Tensor:
        codes = self.codes.view(*self.codes.shape, *[1] * (x.dim() - 2))  # (K, C, 1, 1)
        return (x.unsqueeze(1) - codes).square().sum(dim=2)  # (N, K, H, W)

    def multiply_adds(self, out_shape: tuple[int, ...]) -> int:
        """One squared difference added for every entry of every code, at every position."""
        return torch.Size(out_shape).numel() * self.codes.shape[1]

    def extra_repr(self) -> str:
        return f"classes={self.codes.shape[0]}, features={self.codes.shape[1]}"
