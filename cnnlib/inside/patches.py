"""Tensors that differ from one tensor in a patch each, one tensor for every place of an occluder.

What depends on the occluder is an :class:`Occluded` tensor, and nothing else is: a :class:`Patch`,
known by what has changed, or a :class:`Whole`, with its maps in full. Both stand for the whole
batch, one image a place. A patch may be larger than what has changed, never smaller. So all places
can have patches of one shape, and run as one batch: a place near the border has its patch moved
inwards.

What a torch function makes of them is the business of :mod:`cnnlib.inside.incremental`.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cnnlib.calls import DESCRIPTIONS, Call, tensors
from cnnlib.geometry import Window, output_size

if TYPE_CHECKING:
    from cnnlib.inside.incremental import Record


class CannotFollowError(Exception):
    """The network does what patches cannot follow: it has to run on full images."""


class CrowdedError(Exception):
    """Full maps for this many places take too much memory."""


class Occluded(Tensor):
    """A batch of tensors, one for each place, that depend on the occluder's place."""

    record: "Record"

    @classmethod
    def __torch_function__(
        cls, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        call = Call(func, args, kwargs or {})
        if func is Tensor.__deepcopy__:
            call = Call(Tensor.clone, args[:1], {})
        with torch._C.DisableTorchFunctionSubclass():
            if call.name in DESCRIPTIONS:
                return call.run()
            for tensor in call.tensors:
                if isinstance(tensor, Occluded):
                    return tensor.record.meet(call)
        raise CannotFollowError(
            f"{call.name} has a tensor among its arguments that cannot be found"
        )


class Whole(Occluded):
    """With their maps in full: an ordinary tensor that is known to depend on the place."""


class Patch(Occluded):
    """Equal to ``base`` but for one patch each.

    Place (i, j) is number ``i * len(lefts) + j`` of the batch; its patch, ``crop`` of that number,
    begins at row ``tops[i]`` and column ``lefts[j]``. Rows are dimension ``axis`` of the tensor,
    columns the next one. As a tensor it has the shape of the batch and no memory of its own, so
    that nothing can be computed from it unnoticed. ``viewed``: another tensor may share its memory.
    """

    base: Tensor
    crop: Tensor
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    axis: int
    viewed: bool

    @classmethod
    def __torch_dispatch__(
        cls, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        for tensor in tensors([list(args), kwargs or {}]):
            if isinstance(tensor, Patch):
                raise tensor.record.refuse(f"{func} reads a tensor past torch's Python functions")
        raise CannotFollowError(f"{func} reads a tensor past torch's Python functions")

    @property
    def is_whole(self) -> bool:
        """Whether the patch is all of the map."""
        return self.crop.shape[1:] == self.base.shape[1:]


def make_patch(
    record: "Record",
    base: Tensor,
    crop: Tensor,
    where: Patch | tuple[tuple[int, ...], tuple[int, ...]],
    axis: int = 2,
) -> Patch:
    """A patch of a tensor, as the network sees it."""
    if isinstance(where, Patch):
        tops, lefts, axis = where.tops, where.lefts, where.axis
    else:
        tops, lefts = where
    shape = (len(tops) * len(lefts), *base.shape[1:])
    patch = Tensor._make_wrapper_subclass(Patch, shape, dtype=base.dtype, device=base.device)
    patch.__dict__.update(
        record=record, base=base, crop=crop, tops=tops, lefts=lefts, axis=axis, viewed=False
    )
    return patch


def assemble(tensor: Any) -> Any:
    """The batch that a patch stands for, its maps in full. All else is given back as it is."""
    if not isinstance(tensor, Patch):
        return tensor
    crop, base = tensor.crop, tensor.base
    if tensor.is_whole:
        return crop
    tensor.record.check_room(len(crop), base, base.shape[-2:])
    full = base.expand(len(crop), *base.shape[1:]).clone()
    ends = (tensor.axis, tensor.axis + 1)
    _paste(full.movedim(ends, (-2, -1)), crop.movedim(ends, (-2, -1)), tensor.tops, tensor.lefts)
    return full


def make_plain(tensor: Any) -> Any:
    """An ordinary tensor of the same numbers. All else is given back as it is."""
    if not isinstance(tensor, Occluded):
        return tensor
    with torch._C.DisableTorchFunctionSubclass():
        return assemble(tensor).as_subclass(Tensor)


def find_reached(
    window: Window, size: int, starts: Sequence[int], length: int
) -> tuple[list[int], int]:
    """Where the units begin that ``length`` positions from each of ``starts`` reach, and how many.

    The number is one for all, the most that any start reaches; a place with fewer gets others
    beside them, and one that reaches none gets some.
    """
    units = output_size(size, window)
    first = [-(-(s + window.before - window.span + 1) // window.stride) for s in starts]
    last = [(s + length - 1 + window.before) // window.stride for s in starts]
    first = [min(max(f, 0), units - 1) for f in first]
    last = [min(max(e, 0), units - 1) for e in last]
    count = max(1, *(e - f + 1 for f, e in zip(first, last, strict=True)))
    return [min(f, units - count) for f in first], count


def cut_region(
    patch: Patch, tops: Sequence[int], lefts: Sequence[int], shape: tuple[int, int], value: float
) -> Tensor:
    """``shape`` positions of each place's map from (tops, lefts) on, which may lie in the border.

    Returns (places, C, *shape); the border holds ``value``.
    """
    patch.record.check_room(len(tops) * len(lefts), patch.base, shape)
    height, width = patch.base.shape[-2:]
    up, left = max(0, -min(tops)), max(0, -min(lefts))
    down = max(0, max(tops) + shape[0] - height)
    right = max(0, max(lefts) + shape[1] - width)
    base = patch.record.with_border(patch.base, (left, right, up, down), value)
    windows = base[0].unfold(1, shape[0], 1).unfold(2, shape[1], 1).movedim(0, 2)
    device = base.device
    rows = torch.tensor([t + up for t in tops], device=device).repeat_interleave(len(lefts))
    columns = torch.tensor([s + left for s in lefts], device=device).repeat(len(tops))
    found = windows[rows, columns].contiguous()
    _paste(
        found,
        patch.crop,
        [a - b for a, b in zip(patch.tops, tops, strict=True)],
        [a - b for a, b in zip(patch.lefts, lefts, strict=True)],
    )
    return found


def _paste(full: Tensor, crop: Tensor, tops: Sequence[int], lefts: Sequence[int]) -> None:
    """Write each place's crop into its map at (tops, lefts); what lies outside is left out."""
    grid = (len(tops), len(lefts))
    full, crop = full.unflatten(0, grid), crop.unflatten(0, grid)
    for top, rows in _runs(tops):
        to_y, from_y = _overlap(top, crop.shape[-2], full.shape[-2])
        for left, columns in _runs(lefts):
            to_x, from_x = _overlap(left, crop.shape[-1], full.shape[-1])
            full[rows, columns][..., to_y, to_x] = crop[rows, columns][..., from_y, from_x]


def _runs(values: Sequence[int]) -> Iterator[tuple[int, slice]]:
    """Equal neighbours, as slices."""
    start = 0
    for value, group in groupby(values):
        stop = start + len(list(group))
        yield value, slice(start, stop)
        start = stop


def _overlap(start: int, length: int, size: int) -> tuple[slice, slice]:
    """The part of ``length`` positions from ``start`` on that lies in ``size``; and its source."""
    first, stop = max(start, 0), max(min(start + length, size), 0)
    return slice(first, max(stop, first)), slice(first - start, max(stop, first) - start)
