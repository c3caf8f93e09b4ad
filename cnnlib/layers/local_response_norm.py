"""Local response normalisation: each channel held down by its neighbours."""

from torch import Tensor, nn
from torch.nn import functional as F


class LocalResponseNorm(nn.Module):
    """Divides each activation by a power of the squares around it, across ``size`` channels.

    b[c] = a[c] / (k + alpha / size * sum of a[i]^2)^beta, at each position on its own, where i runs
    over the ``size`` channels around c, as far as they exist (Krizhevsky, Sutskever & Hinton 2012,
    section 3.3). The paper's alpha is not divided by the size: its 1e-4 at size 5 is ``alpha=5e-4``
    here. Equal to ``torch.nn.LocalResponseNorm``; an even size reaches one channel further down.

    (N, C, H, W) in and out. Raises ``ValueError`` for a size below 1.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"size={size}: expected at least 1 channel")
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Tensor) -> Tensor:
        below, above = self.size // 2, (self.size - 1) // 2
        squares = F.pad(x * x, (0, 0, 0, 0, below, above))  # (N, below + C + above, H, W)
        sums = squares.unfold(1, self.size, 1).sum(dim=-1)  # (N, C, H, W)
        return x / (self.k + self.alpha / self.size * sums) ** self.beta

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha:g}, beta={self.beta:g}, k={self.k:g}"
