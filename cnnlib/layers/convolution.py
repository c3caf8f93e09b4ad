"""One convolution, four ways: loops, one large matrix, one matrix product, Fourier transform.

All four compute what ``torch.nn.functional.conv2d`` computes, with its arguments. The output o of
image n at (row, column) is

    bias[o] + sum over c, dy, dx of weight[o, c, dy, dx] * x[n, c, i, j]

    with  i = row * stride + dy * dilation  and  j = column * stride + dx * dilation

where ``x`` has its padding around it and c runs over the input channels of o's group (Dumoulin &
Visin 2016, "A guide to convolution arithmetic for deep learning"). Mathematics calls this a
cross-correlation: the kernel is not flipped.

``stride``, ``padding`` and ``dilation`` are a number or a pair (rows, columns). Shapes: ``x``
(N, C_in, H, W), ``weight`` (C_out, C_in / groups, kh, kw), ``bias`` (C_out,), output
(N, C_out, H', W'). Gradients flow through all four. ``ValueError`` for shapes that do not fit each
other, for groups that do not divide the channels, and for a kernel larger than the padded input.
"""

import torch
from torch import Tensor

from cnnlib.geometry import Window, read_by
from cnnlib.layers.sliding_windows import (
    Pair,
    Windows,
    check_convolution,
    check_maps,
    pair,
    windows,
)


def conv2d_loops(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """The formula itself: four loops over the outputs, three over what an output reads."""
    check_convolution(x, weight, bias, groups)
    out_channels, in_channels, kernel_height, kernel_width = weight.shape
    window = windows(weight.shape[2:], stride, padding, dilation)
    (down, right), (step_y, step_x) = pair(stride, "stride"), pair(dilation, "dilation")
    height, width = window.out_size(x.shape[2:])
    padded = window.pad(x)
    y = x.new_zeros(len(x), out_channels, height, width)
    for n in range(len(x)):
        for o in range(out_channels):
            first = o // (out_channels // groups) * in_channels  # first channel of o's group
            for row in range(height):
                for column in range(width):
                    total = 0 if bias is None else bias[o]
                    for c in range(in_channels):
                        for dy in range(kernel_height):
                            for dx in range(kernel_width):
                                i, j = row * down + dy * step_y, column * right + dx * step_x
                                total = total + weight[o, c, dy, dx] * padded[n, first + c, i, j]
                    y[n, o, row, column] = total
    return y


def conv2d_toeplitz(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """One large matrix times the image, laid out as one long vector."""
    check_convolution(x, weight, bias, groups)
    height, width = windows(weight.shape[2:], stride, padding, dilation).out_size(x.shape[2:])
    matrix = toeplitz_matrix(weight, x.shape[2:], stride, padding, dilation, groups)
    y = x.flatten(1) @ matrix.T  # (N, C_out H' W')
    return add_bias(y.view(len(x), len(weight), height, width), bias)


def conv2d_im2col(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """The kernels as rows times the patches as columns: the way of most libraries on a CPU."""
    check_convolution(x, weight, bias, groups)
    height, width = windows(weight.shape[2:], stride, padding, dilation).out_size(x.shape[2:])
    patches = im2col(x, weight.shape[2:], stride, padding, dilation)  # (N, C_in kh kw, H' W')
    patches = patches.unflatten(1, (groups, -1))  # (N, groups, C_in / groups kh kw, H' W')
    kernels = weight.flatten(1).unflatten(0, (groups, -1))  # (groups, C_out / groups, …)
    y = kernels @ patches  # (N, groups, C_out / groups, H' W')
    return add_bias(y.reshape(len(x), len(weight), height, width), bias)


def conv2d_fft(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """A product of frequencies: the convolution theorem (Mathieu, Henaff & LeCun 2014).

    The transform of a correlation is the image's transform times the conjugate of the kernel's.
    Every place of stride 1 is computed; a stride keeps some of them. Padded rows and columns give
    the last window room, so that no window wraps round to the other side.
    """
    check_convolution(x, weight, bias, groups)
    window = windows(weight.shape[2:], stride, padding, dilation)
    height, width = window.out_size(x.shape[2:])
    padded = window.pad(x)
    size = padded.shape[2:]
    image = torch.fft.rfft2(padded).unflatten(1, (groups, -1))  # (N, groups, C_in / groups, …)
    kernels = torch.fft.rfft2(dilate(weight, dilation), s=size).unflatten(0, (groups, -1))
    product = torch.einsum("ngcyx,gocyx->ngoyx", image, kernels.conj())
    everywhere = torch.fft.irfft2(product.flatten(1, 2), s=size)
    rows, columns = window.seen_by(0, 0, (height, width))
    return add_bias(everywhere[:, :, rows, columns], bias)


def toeplitz_matrix(
    weight: Tensor,
    in_size: tuple[int, int],
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """The matrix that a convolution is, for images of ``in_size`` (height, width).

    A row for each output, a column for each input value, both in reading order: channel after
    channel, within a channel row after row. (C_out H' W', C_in H W). It is doubly blocked: a block
    for each pair of channels, in it a block for each pair of rows, and in that the kernel's row,
    shifted by ``stride`` from line to line. The padding has no columns: zeros add nothing.
    """
    channels = weight.new_empty(1, weight.shape[1] * groups, *in_size)
    check_convolution(channels, weight, None, groups)
    window = windows(weight.shape[2:], stride, padding, dilation)
    return blocked_matrix(weight, window, in_size, window.out_size(in_size), groups)


def blocked_matrix(
    weight: Tensor,
    window: Windows,
    in_size: tuple[int, int],
    out_size: tuple[int, int],
    groups: int,
) -> Tensor:
    """The same, for as many outputs as ``out_size`` says, even if more or fewer would fit.

    Entry (o, row, column; c, i, j) is the weight of the tap (dy, dx) that leads from (i, j) to
    (row, column): the sum over all taps of weight * leads down the rows * leads along the columns.
    """
    down = reads(window.rows, in_size[0], out_size[0]).to(weight)  # (kh, H', H)
    along = reads(window.columns, in_size[1], out_size[1]).to(weight)  # (kw, W', W)
    matrix = torch.einsum("ocyx,yri,xsj->orscij", dense_weight(weight, groups), down, along)
    return matrix.flatten(3).flatten(0, 2)


def reads(window: Window, size: int, count: int) -> Tensor:
    """1 where tap k of output i reads input j, along one axis: (kernel_size, count, size)."""
    table = torch.zeros(window.kernel_size, count, size)
    for i in range(count):
        for k, j in enumerate(read_by(window, i)):
            if 0 <= j < size:  # what lies outside is padding
                table[k, i, j] = 1
    return table


def dense_weight(weight: Tensor, groups: int) -> Tensor:
    """A grouped convolution's kernels as an ungrouped one holds them: zeros between the groups."""
    out_channels, in_channels, height, width = weight.shape
    dense = weight.new_zeros(out_channels, groups * in_channels, height, width)
    outputs = out_channels // groups
    for g in range(groups):
        o, c = g * outputs, g * in_channels
        dense[o : o + outputs, c : c + in_channels] = weight[o : o + outputs]
    return dense


def im2col(
    x: Tensor, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1
) -> Tensor:
    """Every patch that a kernel sees, as a column: (N, C kh kw, H' W'), as ``F.unfold`` has it.

    Within a column the values stand channel after channel, row after row; the columns stand in
    reading order of the outputs. One tap of the kernel fills one row of the result.
    """
    check_maps(x)
    window = windows(kernel_size, stride, padding, dilation)
    out_size = window.out_size(x.shape[2:])
    padded = window.pad(x)
    taps = []
    for dy in range(window.rows.kernel_size):
        for dx in range(window.columns.kernel_size):
            rows, columns = window.seen_by(dy, dx, out_size)
            taps.append(padded[:, :, rows, columns])  # (N, C, H', W')
    return torch.stack(taps, dim=2).flatten(3).flatten(1, 2)


def dilate(weight: Tensor, dilation: Pair) -> Tensor:
    """The kernel with ``dilation - 1`` zeros between its taps."""
    down, right = pair(dilation, "dilation")
    height, width = weight.shape[2:]
    spread = weight.new_zeros(*weight.shape[:2], down * (height - 1) + 1, right * (width - 1) + 1)
    spread[:, :, ::down, ::right] = weight
    return spread


def add_bias(y: Tensor, bias: Tensor | None) -> Tensor:
    """One number an output channel, added at all its places."""
    return y if bias is None else y + bias[:, None, None]
