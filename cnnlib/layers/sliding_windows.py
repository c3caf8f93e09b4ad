"""What the arguments of a convolution or a pooling mean: two windows, one an axis."""

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from cnnlib.geometry import Window, output_size, whole_number

Pair = int | tuple[int, int]


class Windows(NamedTuple):
    """A window that slides down the rows and one that slides along the columns."""

    rows: Window
    columns: Window

    def out_size(self, in_size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of what comes out; ``ValueError`` where a window does not fit."""
        height, width = in_size
        return output_size(height, self.rows), output_size(width, self.columns)

    def pad(self, x: Tensor, value: float = 0.0) -> Tensor:
        """``x`` with the padding around it: (N, C, H + 2 padding, W + 2 padding)."""
        down, right = self.rows.before, self.columns.before
        return F.pad(x, (right, right, down, down), value=value)

    def seen_by(self, dy: int, dx: int, out_size: tuple[int, int]) -> tuple[slice, slice]:
        """The places of the padded input that tap (dy, dx) reads, one for each output.

        ``padded[..., rows, columns]`` is then a picture of the output's size.
        """
        return tuple(
            slice(
                tap * window.dilation,
                tap * window.dilation + (count - 1) * window.stride + 1,
                window.stride,
            )
            for window, tap, count in zip(self, (dy, dx), out_size, strict=True)
        )


def pair(value: Pair, name: str) -> tuple[int, int]:
    """One number for both axes, or (for the rows, for the columns), as torch has it."""
    if not isinstance(value, tuple | list):
        return value, value
    if len(value) != 2:
        raise ValueError(f"{name}={value!r}: expected one number or a pair (rows, columns)")
    return tuple(value)


def windows(kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Windows:
    """The two windows of torch's arguments. ``ValueError`` for what no window can have."""
    kernel, stride = pair(kernel_size, "kernel_size"), pair(stride, "stride")
    padding, dilation = pair(padding, "padding"), pair(dilation, "dilation")
    return Windows(*(map(Window, kernel, stride, padding, dilation)))


def check_maps(x: Tensor, name: str = "x") -> None:
    """``ValueError`` unless ``x`` is a batch of maps, (N, C, H, W)."""
    if x.ndim != 4:
        raise ValueError(f"{name} of shape {tuple(x.shape)}: expected (N, C, H, W)")


def check_convolution(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> None:
    """``ValueError`` unless the kernels fit the maps: (C_out, C_in / groups, kh, kw)."""
    check_maps(x)
    if weight.ndim != 4:
        raise ValueError(
            f"weight of shape {tuple(weight.shape)}: expected (C_out, C_in / groups, kh, kw)"
        )
    check_groups(groups, {"input": x.shape[1], "output": weight.shape[0]})
    if weight.shape[1] * groups != x.shape[1]:
        raise ValueError(
            f"weight of shape {tuple(weight.shape)} reads {weight.shape[1]} channels in each of "
            f"groups={groups}: expected {x.shape[1] // groups}, for x has {x.shape[1]}"
        )
    check_bias(bias, weight.shape[0])


def check_groups(groups: int, channels: dict[str, int]) -> None:
    """``ValueError`` unless ``groups`` divides the channels, which are given by name."""
    whole_number(groups, "groups", 1)
    for name, count in channels.items():
        if count % groups:
            raise ValueError(f"groups={groups} does not divide {count} {name} channels")


def check_bias(bias: Tensor | None, out_channels: int) -> None:
    """``ValueError`` unless there is one bias an output channel, or none at all."""
    if bias is not None and tuple(bias.shape) != (out_channels,):
        raise ValueError(f"bias of shape {tuple(bias.shape)}: expected ({out_channels},)")
