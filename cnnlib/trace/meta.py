"""Common calls on the meta device, shape only.

There torch runs some functions part by part, in Python: batch normalisation as ten operations, ReLU
as three. A rule here gives at once what torch gives where the case is plain: an empty tensor of the
same shape, type and layout. Where it is not, a rule gives None, and torch is asked.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def find_shape(func: Callable, args: tuple, kwargs: dict[str, Any]) -> Tensor | None:
    """What a call gives, if it is one of the plain ones; None if torch has to say."""
    known = _RULES.get(func)
    return known(*args, **kwargs) if known else None


def empty_like(tensor: Tensor) -> Tensor:
    """``torch.empty_like`` on the meta device, quick where memory is in the usual order."""
    if tensor.is_contiguous() and type(tensor) in (Tensor, nn.Parameter):
        return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
    return torch.empty_like(tensor, device="meta")


def _are_alike(*tensors: Any) -> bool:
    """Whether these are tensors without content, all of the same floating type."""
    return all(
        isinstance(t, Tensor)
        and t.is_meta
        and t.is_floating_point()
        and t.dtype == tensors[0].dtype
        for t in tensors
    )


# The parameters below have torch's names, for a call may use them. ``more`` is what is not plain.


def _relu(input: Any, inplace: Any = False, **more: Any) -> Tensor | None:
    return empty_like(input) if _are_alike(input) and inplace is False and not more else None


def _batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: Any = False,
    *_: Any,
    **__: Any,
) -> Tensor | None:
    state = [running_mean, running_var, *(t for t in (weight, bias) if t is not None)]
    if training is not False or not _are_alike(input, *state) or input.dim() < 2:
        return None
    return empty_like(input) if all(t.shape == input.shape[1:2] for t in state) else None


def _add(input: Any, other: Any, *more: Any, **named: Any) -> Tensor | None:
    if more or named or not _are_alike(input, other):
        return None
    same = (input.shape, input.stride()) == (other.shape, other.stride())
    return empty_like(input) if same else None


def _linear(input: Any, weight: Any, bias: Any = None) -> Tensor | None:
    if not _are_alike(input, weight, *([] if bias is None else [bias])) or input.dim() < 2:
        return None
    if weight.dim() != 2 or input.shape[-1] != weight.shape[1]:
        return None
    if bias is not None and bias.shape != weight.shape[:1]:
        return None
    return input.new_empty((*input.shape[:-1], len(weight)))


def _cat(tensors: Any, dim: Any = 0, **more: Any) -> Tensor | None:
    if more or not isinstance(tensors, Sequence) or not tensors or type(dim) is not int:
        return None
    if not _are_alike(*tensors) or not all(t.is_contiguous() for t in tensors):
        return None
    first = tensors[0]
    if not -first.dim() <= dim < first.dim():
        return None
    place = dim % first.dim()
    around = [(t.shape[:place], t.shape[place + 1 :]) for t in tensors]
    if any(sizes != around[0] for sizes in around):
        return None
    return first.new_empty((*around[0][0], sum(t.shape[place] for t in tensors), *around[0][1]))


_RULES: dict[Callable, Callable[..., Tensor | None]] = {
    F.batch_norm: _batch_norm,
    F.relu: _relu,
    torch.relu: _relu,
    torch.sigmoid: _relu,
    torch.tanh: _relu,
    Tensor.add: _add,
    torch.add: _add,
    F.linear: _linear,
    torch.cat: _cat,
}
