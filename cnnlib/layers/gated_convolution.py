"""Gated convolution: one convolution proposes, a second one decides how much of it passes."""

from torch import Tensor, nn

from cnnlib.layers.sliding_windows import Pair


class GatedConv2d(nn.Module):
    """``(x * W + b) times sigmoid(x * V + c)``, value by value: the gated linear unit.

    Two convolutions read the same input, each with weights and biases of its own: ``values`` holds
    W and b, ``gate`` V and c. A gate lies between 0, shut, and 1, open. Where it is open the
    gradient passes as through a plain convolution, for nothing squashes the values themselves
    (Dauphin, Fan, Auli & Grangier 2017, "Language modeling with gated convolutional networks",
    equation 1; theirs runs over words, this one over both axes of an image).

    Arguments are those of ``nn.Conv2d``. Shapes: (N, C_in, H, W) in, (N, C_out, H', W') out.
    Raises ``ValueError`` as ``nn.Conv2d`` does.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        settings = dict(stride=stride, padding=padding, dilation=dilation, groups=groups, bias=bias)
        self.values = nn.Conv2d(in_channels, out_channels, kernel_size, **settings)
        self.gate = nn.Conv2d(in_channels, out_channels, kernel_size, **settings)
        self.sigmoid = nn.Sigmoid()

    def gates(self, x: Tensor) -> Tensor:
        """How far each gate is open: (N, C_out, H', W'), between 0 and 1."""
        return self.sigmoid(self.gate(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.values(x) * self.gates(x)
