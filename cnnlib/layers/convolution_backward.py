"""The error carried back through a convolution, by hand: three sums, no autograd.

With delta the gradient of the loss with respect to the output (``grad_output``), the chain rule
gives, along one axis and for one channel,

    y[i] = bias + sum over k of weight[k] * x[i * stride + k * dilation]

    grad_bias      = sum over i of delta[i]
    grad_weight[k] = sum over i of delta[i] * x[i * stride + k * dilation]
    grad_x[j]      = sum over i, k with i * stride + k * dilation = j of delta[i] * weight[k]

The second is a correlation of the input with delta, in which stride and dilation change places. The
third is a full convolution: zeros are stuffed between the deltas, and the flipped kernel slides
over them from its first touch to its last (Dumoulin & Visin 2016, section 4).
"""

import torch
from torch import Tensor

from cnnlib.layers.convolution import conv2d_im2col
from cnnlib.layers.sliding_windows import Pair, check_convolution, pair, windows


def conv2d_backward(
    x: Tensor,
    weight: Tensor,
    grad_output: Tensor,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> tuple[Tensor, Tensor, Tensor]:
    """(grad_x, grad_weight, grad_bias) of ``F.conv2d``, shaped as x, weight and bias are.

    ``grad_output`` has the output's shape, (N, C_out, H', W'). ``ValueError`` for one that has not,
    and for all that the convolution refuses.
    """
    check_convolution(x, weight, None, groups)
    window = windows(weight.shape[2:], stride, padding, dilation)
    expected = (len(x), len(weight), *window.out_size(x.shape[2:]))
    if tuple(grad_output.shape) != expected:
        raise ValueError(f"grad_output of shape {tuple(grad_output.shape)}: expected {expected}")
    grad_bias = grad_output.sum(dim=(0, 2, 3))
    kernel_size = weight.shape[2:]
    grad_weight = weight_gradient(window.pad(x), grad_output, kernel_size, stride, dilation, groups)
    # The last rows and columns may be read by no window: zeros behind the last delta stand for them
    rest = [
        (size + 2 * axis.before - axis.span) % axis.stride
        for axis, size in zip(window, x.shape[2:], strict=True)
    ]
    grad_padded = full_convolution(grad_output, weight, stride, rest, dilation, groups)
    top, left = window.rows.before, window.columns.before
    height, width = x.shape[2:]
    grad_x = grad_padded[:, :, top : top + height, left : left + width]
    return grad_x, grad_weight, grad_bias


def weight_gradient(
    padded: Tensor,
    grad_output: Tensor,
    kernel_size: tuple[int, int],
    stride: Pair = 1,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """The input correlated with delta: (C_out, C_in / groups, kh, kw).

    Delta takes the kernel's place. Its taps lie ``stride`` apart and it moves by ``dilation``: the
    two change places. Images are summed over, as channels are in a convolution, so they take the
    channels' place.
    """
    height, width = kernel_size
    gradients = []
    for image, delta in zip(
        padded.chunk(groups, dim=1), grad_output.chunk(groups, dim=1), strict=True
    ):
        correlation = conv2d_im2col(  # (C_in / groups, C_out / groups, kh or more, kw or more)
            image.transpose(0, 1), delta.transpose(0, 1), stride=dilation, dilation=stride
        )
        gradients.append(correlation[:, :, :height, :width].transpose(0, 1))
    return torch.cat(gradients)


def full_convolution(
    delta: Tensor,
    weight: Tensor,
    stride: Pair = 1,
    rest: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Deltas spread out over what they came from, its padding included: (N, C_in, H + 2p, W + 2p).

    Zeros between the deltas undo the stride, ``rest`` zeros behind the last add what no window
    read, and the flipped kernel slides over all places that it touches, stride 1.
    """
    kernel = flipped_kernel(weight, groups)
    (down, right), (height, width) = pair(dilation, "dilation"), weight.shape[2:]
    touch = (down * (height - 1), right * (width - 1))  # the first place has one tap on the deltas
    stuffed = zero_stuffed(delta, stride, rest)
    return conv2d_im2col(stuffed, kernel, padding=touch, dilation=dilation, groups=groups)


def zero_stuffed(x: Tensor, stride: Pair, rest: Pair = 0) -> Tensor:
    """``stride - 1`` zeros between neighbours, and ``rest`` zeros behind the last."""
    (down, right), (below, behind) = pair(stride, "stride"), pair(rest, "rest")
    height, width = x.shape[2:]
    stuffed = x.new_zeros(
        *x.shape[:2], down * (height - 1) + 1 + below, right * (width - 1) + 1 + behind
    )
    stuffed[:, :, : down * height : down, : right * width : right] = x
    return stuffed


def flipped_kernel(weight: Tensor, groups: int = 1) -> Tensor:
    """Each kernel upside down and left to right, inputs and outputs of each group exchanged.

    (C_out, C_in / groups, kh, kw) in, (C_in, C_out / groups, kh, kw) out.
    """
    exchanged = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    return exchanged.flip(2, 3)
