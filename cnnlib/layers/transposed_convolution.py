"""The transposed convolution, two ways: the matrix turned over, and zeros stuffed in.

A convolution from (C_out, H', W') to (C_in, H, W) is a matrix. The transposed convolution goes the
other way, by the transpose of that matrix; it is no inverse. Each input value is multiplied by the
kernel, and the copies are added where they overlap:

    y[n, o, i * stride - padding + dy * dilation, j * stride - padding + dx * dilation]
        += x[n, c, i, j] * weight[c, o, dy, dx]

(Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", section 4). Both
functions equal ``torch.nn.functional.conv_transpose2d`` and take its arguments in its order.
``stride``, ``padding``, ``output_padding`` and ``dilation`` are a number or a pair (rows, columns).
Shapes: ``x`` (N, C_in, H, W), ``weight`` (C_in, C_out / groups, kh, kw), ``bias`` (C_out,), output
(N, C_out, H', W') with H' = (H - 1) stride - 2 padding + dilation (kh - 1) + 1 + output_padding.
Gradients flow through both. ``ValueError`` for what does not fit, and where the padding crops all.
"""

from torch import Tensor

from cnnlib.geometry import Window
from cnnlib.layers.convolution import add_bias, blocked_matrix
from cnnlib.layers.convolution_backward import full_convolution
from cnnlib.layers.sliding_windows import (
    Pair,
    Windows,
    check_bias,
    check_groups,
    check_maps,
    pair,
    windows,
)


def conv_transpose2d_matrix(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Tensor:
    """The transpose of the matrix M of the convolution that goes the other way.

    That convolution multiplies an image, a column, by M; this one multiplies by ``M.T``. Here the
    images of the batch are rows, so ``M.T`` times each of them is ``x @ M``.
    """
    height, width = _out_size(x, weight, bias, stride, padding, output_padding, groups, dilation)
    back = windows(weight.shape[2:], stride, padding, dilation)
    matrix = blocked_matrix(weight, back, (height, width), x.shape[2:], groups)
    y = x.flatten(1) @ matrix  # (N, C_out H' W')
    return add_bias(y.view(len(x), -1, height, width), bias)


def conv_transpose2d_stuffed(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Tensor:
    """``stride - 1`` zeros between the values, then a convolution of stride 1, kernel flipped.

    It is what carries the error back through a convolution. ``padding`` crops the result, and
    ``output_padding`` makes its end longer, before the crop.
    """
    height, width = _out_size(x, weight, bias, stride, padding, output_padding, groups, dilation)
    full = full_convolution(x, weight, stride, output_padding, dilation, groups)
    top, left = pair(padding, "padding")
    return add_bias(full[:, :, top : top + height, left : left + width], bias)


def _out_size(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Pair,
    padding: Pair,
    output_padding: Pair,
    groups: int,
    dilation: Pair,
) -> tuple[int, int]:
    """Height and width of the output; ``ValueError`` unless all fits."""
    check_maps(x)
    if weight.ndim != 4 or weight.shape[0] != x.shape[1]:
        raise ValueError(
            f"weight of shape {tuple(weight.shape)}: expected (C_in, C_out / groups, kh, kw) with "
            f"{x.shape[1]} input channels"
        )
    check_groups(groups, {"input": x.shape[1]})
    check_bias(bias, groups * weight.shape[1])
    arguments = windows(weight.shape[2:], stride, padding, dilation)
    extra = pair(output_padding, "output_padding")
    transposed = (
        Window(w.kernel_size, w.stride, w.padding, w.dilation, more, transposed=True)
        for w, more in zip(arguments, extra, strict=True)
    )
    return Windows(*transposed).out_size(x.shape[2:])
