"""What orders of values have to do with each other: ranks, and Spearman's correlation of them."""

import torch
from torch import Tensor


def rank_values(values: Tensor) -> Tensor:
    """Each value's rank in its row, from 1 for the smallest; equal ones share the mean of theirs.

    ``values`` is (N, K); so are the ranks, float64.
    """
    rows = values.detach().contiguous()
    ordered = rows.sort(dim=1).values
    below = torch.searchsorted(ordered, rows)
    up_to = torch.searchsorted(ordered, rows, right=True)
    return (below + up_to + 1).double() / 2


def rank_correlation(one: Tensor, other: Tensor) -> Tensor:
    """Spearman's correlation of two maps, (N, ...) each: (N,), from -1 to 1.

    1 where both order the pixels alike, 0 where they have nothing to do with each other. Equal
    values share their ranks' mean. NaN where a map has the same value everywhere: it orders
    nothing. Adebayo et al. 2018 give it for maps as they are and for their absolute values.

    Raises ``ValueError`` for maps of different shapes.
    """
    if one.shape != other.shape or one.dim() < 2:
        raise ValueError(
            f"one={tuple(one.shape)}, other={tuple(other.shape)}: expected two maps of one shape, "
            "(N, ...)"
        )
    first, second = (rank_values(maps.flatten(1)) for maps in (one, other))
    first, second = (ranks - ranks.mean(dim=1, keepdim=True) for ranks in (first, second))
    return (first * second).sum(1) / (first.norm(dim=1) * second.norm(dim=1))
