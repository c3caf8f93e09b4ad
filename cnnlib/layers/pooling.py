"""Pooling and its way back: the strongest of a window, the mean of a window, the mean of a map.

``kernel_size``, ``stride`` and ``padding`` are a number or a pair (rows, columns). Without a stride
it is the kernel's size, so that windows tile the map; with a smaller one they overlap (Krizhevsky,
Sutskever & Hinton 2012, section 3.4: 3x3 with stride 2). Shapes: (N, C, H, W) in, (N, C, H', W')
out, each channel for itself. Nothing is learned.

The ``_backward`` functions carry ``grad_output``, the gradient of the loss with respect to the
output, back to the input: no autograd. All equal torch's. ``ValueError`` for a window larger than
the padded input, a padding of more than half a window, and gradients of another shape.
"""

import torch
from torch import Tensor

from cnnlib.layers.sliding_windows import Pair, Windows, check_maps, windows


def max_pool2d(
    x: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0
) -> tuple[Tensor, Tensor]:
    """The strongest value of each window, and the switches: where it stood.

    A switch is row * W + column of the input map, its padding not counted, as torch's
    ``return_indices`` has it. Of equal values the first in reading order wins. What lies outside
    the map wins nowhere, whatever the values inside.
    """
    window = _windows(x, kernel_size, stride, padding)
    height, width = x.shape[2:]
    out_size = window.out_size((height, width))
    values = window.pad(x, -torch.inf)
    places = torch.arange(height * width, device=x.device).view(1, 1, height, width)
    places = window.pad(places, -1)  # -1: outside
    output = x.new_full((*x.shape[:2], *out_size), -torch.inf)
    switches = torch.full_like(output, -1, dtype=torch.long)
    for dy in range(window.rows.kernel_size):
        for dx in range(window.columns.kernel_size):
            rows, columns = window.seen_by(dy, dx, out_size)
            value, place = values[:, :, rows, columns], places[:, :, rows, columns]
            # An equal value that comes later does not win; a NaN does, as in torch.
            wins = (place >= 0) & ((value > output) | (switches < 0) | value.isnan())
            output, switches = torch.where(wins, value, output), torch.where(wins, place, switches)
    return output, switches


def max_pool2d_backward(
    grad_output: Tensor, switches: Tensor, in_shape: tuple[int, int, int, int]
) -> Tensor:
    """Each error goes to the place that won; where windows overlap, errors add up.

    Every other place gets zero: a change too small to make it win changes nothing. (N, C, H, W),
    which is ``in_shape``, out.
    """
    count, channels, height, width = in_shape
    _check_gradient(grad_output, tuple(switches.shape))
    if tuple(switches.shape[:2]) != (count, channels):
        raise ValueError(f"switches of shape {tuple(switches.shape)} for an input of {in_shape}")
    if switches.numel() and not 0 <= switches.min() <= switches.max() < height * width:
        raise ValueError(
            f"switches from {switches.min()} to {switches.max()}: expected 0 to "
            f"{height * width - 1} for maps of {height}x{width}"
        )
    grad = grad_output.new_zeros(count, channels, height * width)
    return grad.scatter_add(2, switches.flatten(2), grad_output.flatten(2)).view(in_shape)


def avg_pool2d(
    x: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0
) -> Tensor:
    """The mean of each window. Zeros of the padding count as values, as in torch."""
    window = _windows(x, kernel_size, stride, padding)
    out_size = window.out_size(x.shape[2:])
    padded = window.pad(x)
    total = x.new_zeros(*x.shape[:2], *out_size)
    for dy in range(window.rows.kernel_size):
        for dx in range(window.columns.kernel_size):
            rows, columns = window.seen_by(dy, dx, out_size)
            total = total + padded[:, :, rows, columns]
    return total / (window.rows.kernel_size * window.columns.kernel_size)


def avg_pool2d_backward(
    grad_output: Tensor,
    in_shape: tuple[int, int, int, int],
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
) -> Tensor:
    """Each error is shared out evenly over its window; where windows overlap, shares add up.

    (N, C, H, W), which is ``in_shape``, out. What falls on the padding is lost.
    """
    grad = grad_output.new_zeros(in_shape)
    window = _windows(grad, kernel_size, stride, padding)
    height, width = in_shape[2:]
    out_size = window.out_size((height, width))
    _check_gradient(grad_output, (*in_shape[:2], *out_size))
    share = grad_output / (window.rows.kernel_size * window.columns.kernel_size)
    padded = window.pad(grad)
    for dy in range(window.rows.kernel_size):
        for dx in range(window.columns.kernel_size):
            rows, columns = window.seen_by(dy, dx, out_size)
            padded[:, :, rows, columns] += share
    top, left = window.rows.before, window.columns.before
    return padded[:, :, top : top + height, left : left + width]


def global_avg_pool2d(x: Tensor) -> Tensor:
    """One number a channel, the mean of its map: (N, C, 1, 1) (Lin, Chen & Yan 2014, section 3.2).

    As ``torch.nn.AdaptiveAvgPool2d(1)``.
    """
    check_maps(x)
    return x.mean(dim=(2, 3), keepdim=True)


def global_avg_pool2d_backward(grad_output: Tensor, in_shape: tuple[int, int, int, int]) -> Tensor:
    """Each channel's error is shared out evenly over its whole map: (N, C, H, W)."""
    count, channels, height, width = in_shape
    _check_gradient(grad_output, (count, channels, 1, 1))
    return (grad_output / (height * width)).expand(in_shape)


def _windows(x: Tensor, kernel_size: Pair, stride: Pair | None, padding: Pair) -> Windows:
    check_maps(x)
    window = windows(kernel_size, kernel_size if stride is None else stride, padding)
    for axis in window:
        if 2 * axis.before > axis.kernel_size:
            raise ValueError(
                f"padding={axis.before}: expected at most half of kernel_size={axis.kernel_size}, "
                "or a window would see no value"
            )
    return window


def _check_gradient(grad_output: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(grad_output.shape) != shape:
        raise ValueError(f"grad_output of shape {tuple(grad_output.shape)}: expected {shape}")
