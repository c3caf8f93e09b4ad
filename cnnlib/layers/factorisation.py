"""A kernel of n x n as a column of n times a row of n: what it saves, and what it loses.

By the singular value decomposition a matrix is a sum of columns times rows, each with a singular
value for its size. The first ``rank`` of them are the nearest matrix of that rank, and the singular
values left out say how far away it is (Eckart & Young 1936). The distance here is the root
of the sum of squares (Frobenius norm), divided by that of the kernel: 0 says that nothing is lost,
1 that everything is.
"""

from collections import OrderedDict
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cnnlib.geometry import whole_number
from cnnlib.layers.sliding_windows import Pair, pair


class Factors(NamedTuple):
    """``columns @ rows`` is near the kernel; ``error`` says how near, relative to its size."""

    columns: Tensor
    rows: Tensor
    error: Tensor


def rank_one(kernel: Tensor) -> Factors:
    """The column (kh, 1) and the row (1, kw) whose product is nearest to one kernel, (kh, kw).

    ``error`` is one number. Raises ``ValueError`` for what is no matrix.
    """
    if kernel.ndim != 2:
        raise ValueError(f"kernel of shape {tuple(kernel.shape)}: expected (kh, kw)")
    return factorise(kernel, rank=1)


def factorise(weight: Tensor, rank: int = 1) -> Factors:
    """Every kernel of a convolution for itself, as ``rank`` columns times ``rank`` rows.

    (C_out, C_in, kh, kw) in; columns (C_out, C_in, kh, rank), rows (C_out, C_in, rank, kw) and
    errors (C_out, C_in) out. Both factors get the root of the singular value, so that neither is
    larger than the other. A kernel of zeros has error 0.

    Raises ``ValueError`` for a rank below 1 or above the kernel's smaller side.
    """
    if weight.ndim < 2:
        raise ValueError(f"weight of shape {tuple(weight.shape)}: expected (…, kh, kw)")
    _check_rank(rank, min(weight.shape[-2:]))
    left, sizes, right = torch.linalg.svd(weight, full_matrices=False)
    root = sizes[..., :rank].sqrt()
    columns = left[..., :rank] * root[..., None, :]
    rows = root[..., :, None] * right[..., :rank, :]
    return Factors(columns, rows, _error(sizes, rank))


def factorised_layers(
    weight: Tensor,
    bias: Tensor | None = None,
    rank: int = 1,
    stride: Pair = 1,
    padding: Pair = 0,
) -> tuple[nn.Sequential, Tensor]:
    """A convolution as two, kh x 1 to ``rank`` channels, then 1 x kw to C_out; and the error.

    All kernels share the ``rank`` channels between the two, so this is one decomposition of the
    whole weight tensor, laid out as a matrix of (C_in kh) rows and (C_out kw) columns (Jaderberg,
    Vedaldi & Zisserman 2014, "Speeding up convolutional neural networks with low rank expansions",
    scheme 2).
    The weights fall from C_in C_out kh kw to rank (C_in kh + C_out kw). At the full rank, which is
    the smaller of C_in kh and C_out kw, the two layers are the convolution.

    ``weight`` (C_out, C_in, kh, kw), not grouped. Raises ``ValueError`` for another shape or rank.
    """
    if weight.ndim != 4:
        raise ValueError(f"weight of shape {tuple(weight.shape)}: expected (C_out, C_in, kh, kw)")
    out_channels, in_channels, height, width = weight.shape
    matrix = weight.detach().permute(1, 2, 0, 3).flatten(2).flatten(0, 1)  # (C_in kh, C_out kw)
    _check_rank(rank, min(matrix.shape))
    (columns, rows, error) = factorise(matrix, rank)
    (down, right), (above, before) = pair(stride, "stride"), pair(padding, "padding")
    vertical = nn.Conv2d(
        in_channels, rank, (height, 1), stride=(down, 1), padding=(above, 0), bias=False
    )
    horizontal = nn.Conv2d(
        rank,
        out_channels,
        (1, width),
        stride=(1, right),
        padding=(0, before),
        bias=bias is not None,
    )
    with torch.no_grad():
        vertical.weight = nn.Parameter(columns.T.reshape(rank, in_channels, height, 1))
        horizontal.weight = nn.Parameter(
            rows.view(rank, out_channels, 1, width).transpose(0, 1).contiguous()
        )
        if bias is not None:
            horizontal.bias = nn.Parameter(bias.detach().clone())
    return nn.Sequential(OrderedDict(vertical=vertical, horizontal=horizontal)), error


def _error(sizes: Tensor, rank: int) -> Tensor:
    """What the singular values behind ``rank`` weigh, as a share of all."""
    lost, whole = sizes[..., rank:].norm(dim=-1), sizes.norm(dim=-1)
    return torch.where(whole > 0, lost / whole.clamp_min(torch.finfo(sizes.dtype).tiny), 0.0)


def _check_rank(rank: int, most: int) -> None:
    if whole_number(rank, "rank", 1) > most:
        raise ValueError(f"rank={rank}: expected at most {most}")
