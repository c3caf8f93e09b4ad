"""What a function of one number computes: max(x, 0), something smooth, or something with kinks.

A function is known by its values on :data:`LADDER`, numbers from far below 0 to far above. So it
does not matter how it is written.
"""

from collections.abc import Callable

import torch
from torch import Tensor

_STEP = 1 / 64  # between the numbers from -8 to 8; powers of two, so that 0 is one of them
_FAR = torch.cat(
    [torch.arange(9.0, 65.0), torch.tensor([100.0, 128, 200, 255, 300, 500, 1e3, 1e4])]
)

#: Numbers at which functions are looked at, in ascending order.
LADDER = torch.cat(
    [-_FAR.flip(0), torch.arange(-8, 8 + _STEP, _STEP), _FAR, torch.tensor([2e4])]
).double()

_MIXED = torch.arange(len(LADDER) - 3, 2, -2)  # every other one, from the end, no extremes


def run_on_ladder(function: Callable[..., Tensor], *values: Tensor) -> Tensor | None:
    """A function's values, of arguments given by theirs; None if it is none place by place.

    What mixes places (a mean, a sort, a shift) gives other values when places are missing and in
    another order. What torch refuses for a row of numbers is no such function either.
    """
    try:
        found = function(*(v.clone() for v in values))
        mixed = function(*(v[_MIXED] for v in values))
    except (RuntimeError, TypeError, ValueError, IndexError):
        return None
    if not isinstance(found, Tensor) or found.shape != LADDER.shape:
        return None
    if mixed.shape != _MIXED.shape or mixed.dtype != found.dtype:
        return None
    found = found.double() if found.is_floating_point() else found
    # Not exactly: torch computes a few numbers and many in ways that round differently.
    near = torch.isclose(found[_MIXED], mixed.to(found.dtype), 1e-9, 1e-12, equal_nan=True)
    return found if near.all() else None


def find_cap(values: Tensor) -> float | None:
    """For max(x, 0) the infinite number, for min(max(x, 0), c) c; None for any other function."""
    if not values.is_floating_point():
        return None
    top = values[-1].item()
    if not top > 1e-3 or not torch.allclose(values, LADDER.clamp(0, top), rtol=1e-5, atol=1e-5):
        return None
    return top if top < LADDER[-1] else torch.inf


def is_linear(values: Tensor) -> bool:
    """Whether it is a number times x plus a number."""
    slopes = _slopes(values)
    return bool((slopes - slopes[0]).abs().max() <= 1e-6 * (1 + slopes[0].abs()))


def find_kinks(values: Tensor) -> list[tuple[float, float]]:
    """Where the slope jumps: pairs of numbers between which the jump lies, equal if it is at one.

    From -8 to 8 a change of slope is a jump if it is much larger than the changes beside it;
    farther out, where the ladder's steps are wide, if the function is straight beside it. A change
    within 1/64 of x counts as a jump. Functions that only bend (sigmoid, GELU, ELU) have none.
    """
    jumps = _slopes(values).diff().abs()  # number i is at LADDER[i + 1]
    size = _slopes(values).abs()
    size = size[size.isfinite()].max().item() if size.isfinite().any() else 0.0
    before, here, there, after = jumps[:-3], jumps[1:-2], jumps[2:-1], jumps[3:]
    near = LADDER[2:-3].abs() <= 8 - 3 * _STEP
    alone = here + there > 4 * (before + after) + 1e-4 * size
    straight = (before + after <= 1e-9 * size) & (here + there > 1e-3 * size)
    known = (before + here + there + after).isfinite()
    found = []
    for i in (torch.where(near, alone, straight) & known).nonzero().flatten().tolist():
        first, second = here[i].item(), there[i].item()
        if first < 1e-3 * second or second < 1e-3 * first:
            place = LADDER[i + 2 if first > second else i + 3].item()
            found.append((place, place))
        else:
            found.append((LADDER[i + 2].item(), LADDER[i + 3].item()))
    return found


def _slopes(values: Tensor) -> Tensor:
    return values.double().diff() / LADDER.diff()
