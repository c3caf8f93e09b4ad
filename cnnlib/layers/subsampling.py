"""Pooling that learns: the subsampling layers of LeNet-5."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlib.layers.initialisation import uniform_by_fan_in_


class Subsampling(nn.Module):
    """Sum each window of inputs, multiply by a coefficient, add a bias.

    Every channel has one coefficient and one bias of its own, both trained. The windows do not
    overlap: the stride is the kernel size, and a rest at the right and lower border that fills no
    window is left out. With coefficient 1/4, bias 0 and 2x2 windows this is mean pooling. The
    squashing that follows in the paper is a layer of its own here (LeCun et al. 1998, section
    II.B, layers S2 and S4).

    Shapes: (N, C, H, W) in, (N, C, H // kernel_size, W // kernel_size) out.
    """

    padding = 0
    dilation = 1

    def __init__(self, num_channels: int, kernel_size: int = 2) -> None:
        super().__init__()
        if num_channels < 1 or kernel_size < 1:
            raise ValueError(
                f"num_channels={num_channels}, kernel_size={kernel_size}: expected 1 or more"
            )
        self.num_channels = num_channels
        self.kernel_size = self.stride = kernel_size
        self.coefficient = nn.Parameter(torch.empty(num_channels))
        self.bias = nn.Parameter(torch.empty(num_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The paper's start: each unit reads one window, so its fan-in is the window's size."""
        uniform_by_fan_in_(self.coefficient, self.kernel_size**2)
        uniform_by_fan_in_(self.bias, self.kernel_size**2)

    def forward(self, x: Tensor) -> Tensor:
        sums = F.avg_pool2d(x, self.kernel_size, divisor_override=1)  # (N, C, H/k, W/k)
        return self.coefficient.view(-1, 1, 1) * sums + self.bias.view(-1, 1, 1)

    def multiply_adds(self, out_shape: tuple[int, ...]) -> int:
        """One multiplication an output: the sum of the window needs none."""
        return torch.Size(out_shape).numel()

    def extra_repr(self) -> str:
        return f"{self.num_channels}, kernel_size={self.kernel_size}"
