"""Convolution over some of the input maps: a table says which."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlib.layers.initialisation import uniform_by_fan_in_


class TableConv2d(nn.Module):
    """A convolution whose output maps each read only the input maps that a table marks.

    ``table`` has a row for each input map and a column for each output map, as the paper prints
    it: ``table[i][o]`` is true where output map ``o`` reads input map ``i``. A full table makes
    an ordinary convolution.

    Only the kernels that the table marks exist. ``weight`` holds them packed, (kernels, k, k), in
    the order of ``pairs``: column after column, within a column from the first row down. There is
    one bias an output map. An image slides under the kernels with stride 1 and no padding (LeCun
    et al. 1998, section II.B, layer C3 and Table I).

    Shapes: (N, C_in, H, W) in, (N, C_out, H - k + 1, W - k + 1) out.
    Raises ``ValueError`` for a ragged or empty table, or one with an output map that reads nothing.
    """

    stride = 1
    padding = 0
    dilation = 1

    def __init__(self, table: Sequence[Sequence[bool]], kernel_size: int) -> None:
        super().__init__()
        widths = {len(row) for row in table}
        if len(widths) != 1 or widths == {0}:
            raise ValueError(f"table: expected rows of one length, found lengths {sorted(widths)}")
        if kernel_size < 1:
            raise ValueError(f"kernel_size={kernel_size}: expected 1 or more")
        self.in_channels = len(table)
        self.out_channels = widths.pop()
        self.kernel_size = kernel_size
        self.pairs = [
            (output, input)
            for output in range(self.out_channels)
            for input in range(self.in_channels)
            if table[input][output]
        ]
        unread = set(range(self.out_channels)) - {output for output, _ in self.pairs}
        if unread:
            raise ValueError(f"table: output maps {sorted(unread)} read no input map")
        self.weight = nn.Parameter(torch.empty(len(self.pairs), kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.empty(self.out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The paper's start: a map that reads more inputs starts with smaller weights."""
        for output in range(self.out_channels):
            kernels = [k for k, (reader, _) in enumerate(self.pairs) if reader == output]
            fan_in = len(kernels) * self.kernel_size**2
            # A map's kernels lie side by side in `weight`: a slice is a view of them.
            uniform_by_fan_in_(self.weight[kernels[0] : kernels[-1] + 1], fan_in)
            uniform_by_fan_in_(self.bias[output], fan_in)

    def dense_weight(self) -> Tensor:
        """The same kernels as an ordinary convolution holds them, with zeros where none exists.

        Shape (C_out, C_in, k, k). Gradients flow back to ``weight``.
        """
        outputs, inputs = zip(*self.pairs, strict=True)
        dense = self.weight.new_zeros(
            self.out_channels, self.in_channels, self.kernel_size, self.kernel_size
        )
        return dense.index_put((torch.tensor(outputs), torch.tensor(inputs)), self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.dense_weight(), self.bias)

    def multiply_adds(self, out_shape: tuple[int, ...]) -> int:
        """Multiply-adds for an output of shape (N, C_out, H, W), kernels that exist only."""
        images, _, height, width = out_shape
        return images * height * width * self.weight.numel()

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"kernels={len(self.pairs)}"
        )
