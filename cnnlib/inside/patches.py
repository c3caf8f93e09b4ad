"""Run a network on many images that differ from one image in a patch each, and only there.

An occluder changes a patch of the picture. A layer with windows carries the change on to those of
its units that look at the patch, the projective field, and all other units stay as they were. So
the network runs once on the image as it is, every layer's output is kept, and for each place of the
occluder only the changed patch of each map is computed anew, from the kept maps around it
(Nakandala, Kumar & Papakonstantinou 2019, "Incremental and approximate inference for faster
occlusion-based deep CNN explanations", SIGMOD; their system is called Krypton). Nothing here is
approximate.

What depends on the occluder is an :class:`Occluded` tensor, and nothing else is: a :class:`Patch`,
known by what has changed, or a :class:`Whole`, with its maps in full. Both stand for the whole
batch, one image a place, and the network's own ``forward`` runs on them. Each torch function that
meets a patch has a rule in :mod:`cnnlib.inside.patch_rules`, or none: then the full maps are put
together, and from there on the network computes as always. A patch may be larger than what has
changed, never smaller. So all places can have patches of one shape, and run as one batch: a place
near the border has its patch moved inwards.

A write is followed where it stays inside one tensor. :class:`CannotFollowError` comes of a write
that would reach a patch through another tensor's memory, of a write of what depends on the occluder
into what does not, and of code that takes numbers out of a tensor or reads it past torch's Python
functions.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnlib.geometry import Window, output_size
from cnnlib.trace.call import plain_name, tensors

#: A patch that is nearly its whole map is made the whole map: less to put together.
NEARLY_WHOLE = 0.9

#: Bytes that the full maps of one batch may take.
ROOM = 256 * 2**20

#: What a function does to patches; NotImplemented where it needs the full maps.
Rule = Callable[[Callable, tuple, dict[str, Any]], Any]

Result = TypeVar("Result")


class CannotFollowError(Exception):
    """The network does what patches cannot follow: it has to run on full images."""


class CrowdedError(Exception):
    """Full maps for this many places take too much memory."""


class Record:
    """What each call of the network gives for ``image``, (1, C, H, W), kept for all places.

    Runs over the network are alike: the same calls in the same order.
    """

    def __init__(self, image: Tensor, rules: Mapping[str, Rule]) -> None:
        self.image = image
        self.rules = rules
        self.kept: list[tuple[str, Any]] = []
        self.padded: dict[tuple, Tensor] = {}
        self.count = 0
        #: Copies of patches that views have been given out of, by their memory, and their versions.
        self.lent: dict[int, tuple[Tensor, int]] = {}
        self.refusal: CannotFollowError | CrowdedError | None = None

    def run(
        self,
        network: Callable[[Tensor], Result],
        crops: Tensor,
        tops: Sequence[int],
        lefts: Sequence[int],
    ) -> Result:
        """``network`` on the image with ``crops`` (places, C, h, w) at (tops, lefts).

        Raises :class:`CannotFollowError` and :class:`CrowdedError`, also where the network catches
        them or makes another exception of them.
        """
        self.count, self.lent, self.refusal = 0, {}, None
        try:
            out = network(put(self, self.image, crops, (tuple(tops), tuple(lefts))))
            for copy, version in self.lent.values():
                if copy._version != version:
                    raise self.refuse("something writes into a view")
        finally:
            if self.refusal is not None:
                raise self.refusal
        return out

    def refuse(self, why: str) -> CannotFollowError:
        """The exception to raise where patches cannot be followed."""
        self.refusal = CannotFollowError(why)
        return self.refusal

    def unoccluded(self, func: Callable, args: Sequence, kwargs: dict) -> Any:
        """What ``func`` gives for the image as it is."""
        if self.count == len(self.kept):
            if in_place(func, args, kwargs):  # others may still read what is written over
                args = (args[0].clone(), *args[1:])
            self.kept.append((func.__name__, func(*args, **kwargs)))
        name, out = self.kept[self.count]
        if name != func.__name__:
            raise self.refuse(f"{func.__name__} in place of {name}: another way than before")
        self.count += 1
        return out

    def with_border(self, base: Tensor, border: tuple[int, ...], value: float) -> Tensor:
        if not any(border):
            return base
        key = (id(base), border, value)
        if key not in self.padded:
            self.padded[key] = F.pad(base, border, value=value)
        return self.padded[key]

    def check_room(self, places: int, base: Tensor, shape: Sequence[int]) -> None:
        area = math.prod(shape) * base.numel() // math.prod(base.shape[-2:])
        if places > 1 and places * area * base.element_size() > ROOM:
            self.refusal = CrowdedError()
            raise self.refusal


class Occluded(Tensor):
    """A batch of tensors, one for each place, that depend on the occluder's place."""

    record: Record

    @classmethod
    def __torch_function__(
        cls, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            return _call(func, args, kwargs)


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


def _call(func: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    """A torch function with something occluded among its arguments."""
    if func is Tensor.__deepcopy__:
        func, args = Tensor.clone, args[:1]
    name = plain_name(func)
    if name in _SHAPE_ONLY:
        return func(*args, **kwargs)
    mine = {id(t): t for t in tensors([list(args), kwargs]) if isinstance(t, Occluded)}
    if not mine:
        raise CannotFollowError(f"{name} has a tensor among its arguments that cannot be found")
    record = next(iter(mine.values())).record
    if torch.is_inference_mode_enabled():
        raise record.refuse("the network computes in inference mode, where writes leave no trace")
    if operation(func) in NUMBERS:
        raise record.refuse(f"{name} takes numbers out of a tensor")
    if operation(func) in _MEMORY or kwargs.get("out") is not None:
        raise record.refuse(f"{name} writes into a tensor's memory")
    writes, first = in_place(func, args, kwargs) or name == "setitem", args[0] if args else None
    if writes and not isinstance(first, Occluded):
        raise record.refuse(f"{name} writes what depends on the occluder into what does not")
    if isinstance(first, Patch) and writes and first.viewed:
        raise record.refuse(f"{name} writes into a tensor that has other views")
    patches = [tensor for tensor in mine.values() if isinstance(tensor, Patch)]
    rule = record.rules.get(name) if patches and not (writes and isinstance(first, Whole)) else None
    out = rule(func, args, kwargs) if rule else NotImplemented
    if out is NotImplemented and writes and isinstance(first, Patch):
        raise record.refuse(f"{name} writes full maps into a patch")
    if out is NotImplemented:
        return _in_full(func, args, kwargs, record, mine)
    if writes:
        first.__dict__.update(out.__dict__)
        return first
    _mark_views(name, out, patches)
    return out


def _in_full(
    func: Callable, args: tuple, kwargs: dict, record: Record, mine: Mapping[int, Occluded]
) -> Any:
    """The call on full maps. What it writes and what it gives a view of is looked at."""
    full = {key: dense(tensor) for key, tensor in mine.items()}
    args, kwargs = mapped(args, full), mapped(kwargs, full)
    given = [(tensor, _version(tensor)) for tensor in tensors([list(args), kwargs])]
    out = func(*args, **kwargs)
    for tensor, version in given:
        read_by_others = not isinstance(tensor, Whole) or _memory(tensor) in record.lent
        if _version(tensor) != version and read_by_others:
            raise record.refuse(f"{plain_name(func)} writes into a tensor that others read")
    copies = {_memory(full[k]): t for k, t in mine.items() if isinstance(t, Patch)}
    others = {_memory(t) for t, _ in given} - {_memory(t) for t in full.values()}
    for tensor in tensors(out):
        patch = copies.get(_memory(tensor))
        if patch is not None and not patch.is_whole:
            copy = full[id(patch)]
            record.lent[_memory(copy)] = copy, copy._version
            patch.viewed = True
    return _marked(out, record, others)


def _marked(tree: Any, record: Record, others: set[int]) -> Any:
    """Nested results; what depends on the occluder is known by it. Views of ``others`` do not."""
    if isinstance(tree, Tensor):
        if isinstance(tree, Occluded) or _memory(tree) in others:
            return tree
        whole = tree.as_subclass(Whole)
        whole.record = record
        return whole
    if isinstance(tree, list | tuple) and any(True for _ in tensors(tree)):
        return type(tree)(_marked(branch, record, others) for branch in tree)
    return tree


def _mark_views(name: str, out: Any, patches: Sequence[Patch]) -> None:
    """Mark patches that may share memory, so that nothing is written into them."""
    found = [tensor for tensor in tensors(out) if isinstance(tensor, Patch)]
    shared = {_memory(patch.crop) for patch in patches} & {_memory(patch.crop) for patch in found}
    for patch in (*patches, *found):
        if name in _MAY_BE_VIEWS or _memory(patch.crop) in shared:
            patch.viewed = True


def _memory(tensor: Tensor) -> int:
    """Where a tensor's numbers are: the same for all views of one memory."""
    return tensor.untyped_storage().data_ptr() if tensor.layout == torch.strided else id(tensor)


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


#: Functions that give their argument itself or a copy, as its memory is laid out.
_MAY_BE_VIEWS = {"contiguous", "reshape", "flatten", "view", "unflatten", "detach"}

#: They read the shape and the kind of a tensor, and nothing else.
_SHAPE_ONLY = {"shape", "size", "dim", "ndim", "ndimension", "numel", "nelement", "device", "dtype"}
_SHAPE_ONLY |= {"layout", "is_cuda", "requires_grad", "is_floating_point", "len", "get_device"}
_SHAPE_ONLY |= {"is_complex", "is_inference", "is_leaf", "grad_fn", "is_nested", "is_sparse"}

#: They take numbers out of a tensor. What is done with them cannot be seen, and a batch of many
#: pictures has no one number to go by.
NUMBERS = {"item", "tolist", "numpy", "equal", "allclose", "is_nonzero", "_local_scalar_dense"}
NUMBERS |= {"__array__", "__dlpack__", "__bool__", "__int__", "__float__", "__complex__"}
NUMBERS |= {"__index__", "__contains__"}

#: They take hold of a tensor's memory, or give it another.
_MEMORY = {"data_ptr", "storage", "untyped_storage", "_typed_storage", "__set__", "set_", "map_"}
_MEMORY |= {"apply_", "map2_", "resize_", "resize_as_", "share_memory_"}


def put(
    record: Record,
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


def dense(tensor: Any) -> Any:
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


def plain(tensor: Any) -> Any:
    """An ordinary tensor of the same numbers. All else is given back as it is."""
    if not isinstance(tensor, Occluded):
        return tensor
    with torch._C.DisableTorchFunctionSubclass():
        return dense(tensor).as_subclass(Tensor)


def reached(window: Window, size: int, starts: Sequence[int], length: int) -> tuple[list[int], int]:
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


def region(
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


# --- reading and changing calls ---


@cache
def names_of(func: Callable) -> tuple[str, ...]:
    """The names of a Python function's arguments; none for torch's own."""
    try:
        return tuple(inspect.signature(func).parameters)
    except (TypeError, ValueError):
        return ()


def argument(args: Sequence, kwargs: dict, place: int, name: str, default: Any = None) -> Any:
    """A call's argument, given by place or by name."""
    return args[place] if len(args) > place else kwargs.get(name, default)


def operation(func: Callable) -> str:
    """A function's own name, without the overload that ``torch.ops`` adds."""
    return func.__name__.partition(".")[0]


def in_place(func: Callable, args: Sequence, kwargs: dict) -> bool:
    """Whether a call writes into its first argument."""
    name = operation(func)
    if name.startswith("__"):
        return name.startswith("__i") and name not in ("__int__", "__index__", "__invert__")
    names = names_of(func)
    if "inplace" in names:
        return bool(argument(args, kwargs, names.index("inplace"), "inplace", False))
    return name.endswith("_")


def mapped(tree: Any, swapped: Mapping[int, Any]) -> Any:
    """Nested arguments with some tensors, known by their ``id``, in place of others."""
    if isinstance(tree, Tensor):
        return swapped.get(id(tree), tree)
    if type(tree) in (list, tuple):
        return type(tree)(mapped(branch, swapped) for branch in tree)
    if isinstance(tree, dict):
        return {key: mapped(branch, swapped) for key, branch in tree.items()}
    return tree
