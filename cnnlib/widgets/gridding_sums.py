"""How many paths lead from each input to one unit above a stack of dilated convolutions.

All layers have stride 1, so a unit's field looks the same everywhere. Input ``i`` of the field's
axis is reached by a path for each way to write ``i`` as a sum of ``tap · dilation``, one tap of
every layer. ``gridding_sums.js`` is the twin.
"""

from collections.abc import Sequence
from itertools import islice, product

import numpy as np

KERNEL_SIZES = (2, 5)
LAYERS = (1, 5)
DILATIONS = (1, 8)


def paths(kernel_size: int, dilations: Sequence[int]) -> np.ndarray:
    """The number of paths from each input of the field's axis, (size,)."""
    counts = np.ones(1, int)
    for dilation in dilations:
        reach = dilation * (kernel_size - 1)
        wider = np.zeros(len(counts) + reach, int)
        for tap in range(kernel_size):
            wider[tap * dilation : tap * dilation + len(counts)] += counts
        counts = wider
    return counts


def field_size(kernel_size: int, dilations: Sequence[int]) -> int:
    """Inputs along an axis from the first that is reached to the last."""
    return 1 + (kernel_size - 1) * sum(dilations)


def ways(kernel_size: int, dilations: Sequence[int], place: int, most: int = 3) -> list[list[int]]:
    """The taps, first layer first, of the paths from ``place``, ``most`` of them at most."""
    found = (
        list(taps)
        for taps in product(range(kernel_size), repeat=len(dilations))
        if sum(t * d for t, d in zip(taps, dilations, strict=True)) == place
    )
    return list(islice(found, most))


def first_gap(kernel_size: int, dilations: Sequence[int]) -> list[int] | None:
    """The smallest dilation that is too large for those below it, and how large it may be.

    In ascending order, a dilation may be 1 more than the reach of the smaller ones together, which
    is their sum times ``kernel_size - 1``. Where none is larger, every input of the field has a
    path, and the answer is None.
    """
    reach = 0
    for dilation in sorted(dilations):
        if dilation > reach + 1:
            return [dilation, reach + 1]
        reach += (kernel_size - 1) * dilation
    return None
