"""ResNet's shortcut without parameters."""

from torch import Tensor, nn
from torch.nn import functional as F


class PadShortcut(nn.Module):
    """Every ``stride``-th place of the input, and ``more`` channels of zeros behind its own.

    Option A of He et al. 2015, section 3.3: the shape changes and nothing is learned.
    (N, C, H, W) in, (N, C + more, ceil(H / stride), ceil(W / stride)) out.
    Raises ``ValueError`` for fewer channels or a stride below 1.
    """

    def __init__(self, more: int, stride: int) -> None:
        super().__init__()
        if more < 0:
            raise ValueError(f"more={more}: zeros can add channels, not remove them")
        if stride < 1:
            raise ValueError(f"stride={stride}: expected 1 or more")
        self.more, self.stride = more, stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.more))
