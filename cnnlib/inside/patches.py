"""Run a network on many images that differ from one image in a patch each, and only there.

An occluder changes a patch of the picture. A layer with windows carries the change on to those of
its units that look at the patch, the projective field, and all other units stay as they were. So
the network runs once on the image as it is, every layer's output is kept, and for each place of the
occluder only the changed patch of each map is computed anew, from the kept maps around it
(Nakandala, Kumar & Papakonstantinou 2019, "Incremental and approximate inference for faster
occlusion-based deep CNN explanations", SIGMOD; their system is called Krypton). Nothing here is
approximate.

A :class:`Patch` stands for the whole batch, one image a place, and the network's own ``forward``
runs on it. Each torch function that it meets has a rule in ``RULES``, or none: then the full maps
are put together, and from there on the network computes as always. A patch may be larger than what
has changed, never smaller. So all places can have patches of one shape, and run as one batch: a
place near the border has its patch moved inwards.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnlib.geometry import Window, output_size
from cnnlib.trace.call import each, plain_name, tensors

#: A patch that is nearly its whole map is made the whole map: less to put together.
NEARLY_WHOLE = 0.9

#: Bytes that the full maps of one batch may take.
ROOM = 256 * 2**20


class CannotFollowError(Exception):
    """The network does what patches cannot follow: it has to run on full images."""


class CrowdedError(Exception):
    """Full maps for this many places take too much memory."""


class Record:
    """What each call of the network gives for the image as it is, kept for all places.

    ``places`` runs over the network are alike: the same calls in the same order.
    """

    def __init__(self) -> None:
        self.kept: list[tuple[str, Any]] = []
        self.padded: dict[tuple, Tensor] = {}
        self.count = 0

    def restart(self) -> None:
        self.count = 0

    def unoccluded(self, func: Callable, args: Sequence, kwargs: dict) -> Any:
        """What ``func`` gives for the image as it is."""
        if self.count == len(self.kept):
            if in_place(func, args, kwargs):  # others may still read what is written over
                args = (args[0].clone(), *args[1:])
            self.kept.append((func.__name__, func(*args, **kwargs)))
        name, out = self.kept[self.count]
        if name != func.__name__:
            raise CannotFollowError(f"{func.__name__} in place of {name}")
        self.count += 1
        return out

    def with_border(self, base: Tensor, border: tuple[int, ...], value: float) -> Tensor:
        if not any(border):
            return base
        key = (id(base), border, value)
        if key not in self.padded:
            self.padded[key] = F.pad(base, border, value=value)
        return self.padded[key]


class Patch(Tensor):
    """A batch of tensors that equal ``base`` but for one patch each.

    Place (i, j) is number ``i * len(lefts) + j`` of the batch; its patch, ``crop`` of that number,
    begins at row ``tops[i]`` and column ``lefts[j]``. Rows are dimension ``axis`` of the tensor,
    columns the next one. As a tensor it has the shape of the batch and holds NaN, so that nothing
    can be computed from it unnoticed.
    """

    record: Record
    base: Tensor
    crop: Tensor
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    axis: int
    viewed: bool

    @classmethod
    def __torch_function__(
        cls, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = plain_name(func)
        if name in _SHAPE_ONLY:
            return super().__torch_function__(func, types, args, kwargs)
        if isinstance(kwargs.get("out"), Tensor) or name == "setitem":
            raise CannotFollowError(f"{name} writes into a tensor")
        writes = in_place(func, args, kwargs)
        if writes:
            first = args[0] if args else None
            if not isinstance(first, Patch) or first.viewed:
                raise CannotFollowError(f"{name} writes into a tensor that has other views")
        rule = RULES.get(name)
        out = rule(func, args, kwargs) if rule else NotImplemented
        if out is NotImplemented:
            out = func(*_dense(args), **_dense(kwargs))
        if writes:
            if not isinstance(out, Patch):
                raise CannotFollowError(f"{name} writes full maps into a patch")
            first.__dict__.update(out.__dict__)
            return first
        return out


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
    stand_in = torch.full((), math.nan, dtype=base.dtype, device=base.device).expand(shape)
    patch = Tensor._make_subclass(Patch, stand_in)
    patch.__dict__.update(
        record=record, base=base, crop=crop, tops=tops, lefts=lefts, axis=axis, viewed=False
    )
    return patch


def dense(patch: Tensor) -> Tensor:
    """The batch that a patch stands for, its maps in full."""
    if not isinstance(patch, Patch):
        return patch
    crop, base = patch.crop, patch.base
    if crop.shape[1:] == base.shape[1:]:
        return crop
    _check_room(len(crop), base, base.shape[-2:])
    full = base.expand(len(crop), *base.shape[1:]).clone()
    ends = (patch.axis, patch.axis + 1)
    _paste(full.movedim(ends, (-2, -1)), crop.movedim(ends, (-2, -1)), patch.tops, patch.lefts)
    return full


def _check_room(places: int, base: Tensor, shape: Sequence[int]) -> None:
    area = math.prod(shape) * base.numel() // math.prod(base.shape[-2:])
    if places > 1 and places * area * base.element_size() > ROOM:
        raise CrowdedError


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
    _check_room(len(tops) * len(lefts), patch.base, shape)
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


# --- rules: what each function does to a patch ---

Rule = Callable[[Callable, tuple, dict[str, Any]], Any]
RULES: dict[str, Rule] = {}

_SHAPE_ONLY = {"shape", "size", "dim", "ndim", "ndimension", "numel", "nelement", "device", "dtype"}
_SHAPE_ONLY |= {"layout", "is_cuda", "requires_grad", "is_floating_point", "len", "get_device"}


def _rule(names: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names.split(), function))
        return function

    return register


def _get(args: tuple, kwargs: dict, place: int, name: str, default: Any = None) -> Any:
    return args[place] if len(args) > place else kwargs.get(name, default)


def _only_first(args: tuple, kwargs: dict, maps: bool = True) -> Patch | None:
    """The first argument, if it is the only patch, and with ``maps``, if it is (N, C, H, W)."""
    first = _get(args, kwargs, 0, "input")
    others = [t for t in tensors([list(args[1:]), kwargs]) if isinstance(t, Patch)]
    if not isinstance(first, Patch) or any(other is not first for other in others):
        return None
    plain = first.axis == 2 and first.dim() == 4
    return first if plain or not maps else None


def _on_crops(func: Callable, args: tuple, kwargs: dict, patch: Patch) -> Any:
    """``func`` on the crop as it is on the map. Views may come of it."""
    base = patch.record.unoccluded(
        func, _mapped(args, {id(patch): patch.base}), _mapped(kwargs, {id(patch): patch.base})
    )
    swapped = {id(patch): patch.crop}
    crop = func(*_mapped(args, swapped), **_mapped(kwargs, swapped))
    if isinstance(crop, Tensor):
        return put(patch.record, base, crop, patch)
    return type(crop)(put(patch.record, b, c, patch) for b, c in zip(base, crop, strict=True))


def _seen(out: Any, patch: Patch) -> Any:
    """Mark patches that may share memory, so that nothing is written into them."""
    for each_patch in (patch, *tensors(out)):
        if isinstance(each_patch, Patch):
            each_patch.__dict__["viewed"] = True
    return out


@_rule("batch_norm")
def _batch_norm(func: Callable, args: tuple, kwargs: dict) -> Any:
    patch = _only_first(args, kwargs)
    if patch is None or _get(args, kwargs, 5, "training", False):
        return NotImplemented
    return _on_crops(func, args, kwargs, patch)


@_rule("local_response_norm prelu")
def _place_by_place(func: Callable, args: tuple, kwargs: dict) -> Any:
    patch = _only_first(args, kwargs)
    return NotImplemented if patch is None else _on_crops(func, args, kwargs, patch)


@_rule("dropout dropout1d dropout2d dropout3d feature_dropout alpha_dropout")
def _dropout(func: Callable, args: tuple, kwargs: dict) -> Any:
    name = "train" if "input" not in _names(func) else "training"
    patch = _only_first(args, kwargs)
    if patch is None or _get(args, kwargs, 2, name, True):
        return NotImplemented
    return _seen(_on_crops(func, args, kwargs, patch), patch)


@_rule(
    "relu relu6 leaky_relu elu selu celu gelu silu mish hardtanh hardswish hardsigmoid sigmoid "
    "logsigmoid tanh softplus softsign threshold abs neg exp log sqrt rsqrt square reciprocal "
    "clamp clamp_min clamp_max clone contiguous detach add sub rsub mul div pow maximum minimum"
)
def _pointwise(func: Callable, args: tuple, kwargs: dict) -> Any:
    """One number of each operand makes one number of the output."""
    operands = [t for t in tensors([list(args), kwargs]) if isinstance(t, Patch)]
    patches = list({id(patch): patch for patch in operands}.values())
    first = patches[0]
    if any(patch.shape != first.shape or patch.axis != first.axis for patch in patches):
        return NotImplemented
    for other in tensors([list(args), kwargs]):
        if not isinstance(other, Patch) and not _same_everywhere(other, first):
            return NotImplemented
    if len(patches) == 1:
        out = _on_crops(func, args, kwargs, first)
        return _seen(out, first) if plain_name(func) in ("contiguous", "detach") else out
    if first.dim() != 4 or first.axis != 2:
        return NotImplemented
    return _joined(func, args, kwargs, patches)


def _same_everywhere(other: Tensor, patch: Patch) -> bool:
    """Whether a plain tensor holds the same for every place and position."""
    if other.dim() > patch.dim():
        return False
    shape = (1,) * (patch.dim() - other.dim()) + tuple(other.shape)
    return all(shape[i] == 1 for i in (0, patch.axis, patch.axis + 1))


@_rule("cat")
def _cat(func: Callable, args: tuple, kwargs: dict) -> Any:
    parts = _get(args, kwargs, 0, "tensors")
    flat = [part for part in parts if isinstance(part, Patch) and part.dim() == 4]
    if len(flat) < len(parts) or _get(args, kwargs, 1, "dim", 0) not in (1, -3):
        return NotImplemented
    if any(part.axis != 2 for part in flat):
        return NotImplemented
    return _joined(func, args, kwargs, list({id(part): part for part in flat}.values()))


def _joined(func: Callable, args: tuple, kwargs: dict, patches: list[Patch]) -> Patch:
    """Branches that meet: each brings the hull of all that has changed."""
    first = patches[0]
    size = first.base.shape[-2:]
    starts, shape = zip(
        _hull([p.tops for p in patches], [p.crop.shape[-2] for p in patches], size[0]),
        _hull([p.lefts for p in patches], [p.crop.shape[-1] for p in patches], size[1]),
        strict=True,
    )
    base = {id(patch): patch.base for patch in patches}
    base = first.record.unoccluded(func, _mapped(args, base), _mapped(kwargs, base))
    if _nearly_whole(shape, size):
        starts = tuple((0,) * len(s) for s in starts)
        crops = {id(patch): dense(patch) for patch in patches}
    else:
        crops = {id(patch): region(patch, *starts, shape, 0.0) for patch in patches}
    crop = func(*_mapped(args, crops), **_mapped(kwargs, crops))
    return put(first.record, base, crop, tuple(map(tuple, starts)))


def _hull(
    starts: Sequence[Sequence[int]], lengths: Sequence[int], size: int
) -> tuple[list[int], int]:
    first = [min(place) for place in zip(*starts, strict=True)]
    ends = [[s + length for s in line] for line, length in zip(starts, lengths, strict=True)]
    last = [max(place) for place in zip(*ends, strict=True)]
    count = max(e - f for f, e in zip(first, last, strict=True))
    return [min(f, size - count) for f in first], count


def _nearly_whole(shape: Sequence[int], size: Sequence[int]) -> bool:
    return math.prod(shape) >= NEARLY_WHOLE * math.prod(size)


def _slide(
    func: Callable,
    args: tuple,
    kwargs: dict,
    windows: Sequence[Window],
    on_region: Callable[[Tensor, tuple], Tensor],
    value: float = 0.0,
) -> Patch:
    """A window over rows and columns. ``on_region`` gets the positions that its units read.

    It is told which units they are, too: (tops, lefts, shape).
    """
    patch = _get(args, kwargs, 0, "input")
    swapped = {id(patch): patch.base}
    base = patch.record.unoccluded(func, _mapped(args, swapped), _mapped(kwargs, swapped))
    starts, shape = zip(
        *(
            reached(window, size, places, length)
            for window, size, places, length in zip(
                windows,
                patch.base.shape[-2:],
                (patch.tops, patch.lefts),
                patch.crop.shape[-2:],
                strict=True,
            )
        ),
        strict=True,
    )
    if _nearly_whole(shape, base.shape[-2:]):
        swapped = {id(patch): dense(patch)}
        crop = func(*_mapped(args, swapped), **_mapped(kwargs, swapped))
        return put(patch.record, base, crop, tuple((0,) * len(s) for s in starts))
    firsts = [
        [s * window.stride - window.before for s in places]
        for window, places in zip(windows, starts, strict=True)
    ]
    extent = tuple((n - 1) * w.stride + w.span for w, n in zip(windows, shape, strict=True))
    crop = on_region(region(patch, *firsts, extent, value), (*starts, shape))
    return put(patch.record, base, crop, tuple(map(tuple, starts)))


@_rule("conv2d")
def _conv2d(func: Callable, args: tuple, kwargs: dict) -> Any:
    if _only_first(args, kwargs) is None:
        return NotImplemented
    weight, bias = _get(args, kwargs, 1, "weight"), _get(args, kwargs, 2, "bias")
    stride = each(_get(args, kwargs, 3, "stride", 1), 2)
    padding = _get(args, kwargs, 4, "padding", 0)
    dilation = each(_get(args, kwargs, 5, "dilation", 1), 2)
    groups = _get(args, kwargs, 6, "groups", 1)
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(weight.shape[2:], dilation, strict=True)]
        padding = [(total // 2, total - total // 2) for total in totals]
    else:
        padding = each(0 if padding == "valid" else padding, 2)
    windows = [
        Window(*setting)
        for setting in zip(weight.shape[2:], stride, padding, dilation, strict=True)
    ]

    def on_region(x: Tensor, units: tuple) -> Tensor:
        return F.conv2d(x, weight, bias, stride, 0, dilation, groups)

    return _slide(func, args, kwargs, windows, on_region)


@_rule("max_pool2d")
def _max_pool2d(func: Callable, args: tuple, kwargs: dict) -> Any:
    indices = "indices" in func.__name__ or _get(args, kwargs, 6, "return_indices", False)
    if _only_first(args, kwargs) is None or indices:
        return NotImplemented
    dilation = each(_get(args, kwargs, 4, "dilation", 1), 2)
    windows = _pool_windows(args, kwargs, dilation, _get(args, kwargs, 5, "ceil_mode", False))

    def on_region(x: Tensor, units: tuple) -> Tensor:
        kernel, stride = [w.kernel_size for w in windows], [w.stride for w in windows]
        return F.max_pool2d(x, kernel, stride, 0, dilation)

    return _slide(func, args, kwargs, windows, on_region, -math.inf)


@_rule("avg_pool2d")
def _avg_pool2d(func: Callable, args: tuple, kwargs: dict) -> Any:
    """Sums of windows, divided as torch divides them: at the border it may count fewer."""
    patch = _only_first(args, kwargs)
    if patch is None:
        return NotImplemented
    windows = _pool_windows(args, kwargs, (1, 1), _get(args, kwargs, 4, "ceil_mode", False))
    settings = [_get(args, kwargs, i, name) for i, name in enumerate(_AVG_POOL[:3], start=1)]
    settings = [settings[0], settings[1], 0 if settings[2] is None else settings[2]]

    def on_region(x: Tensor, units: tuple) -> Tensor:
        kernel, stride = [w.kernel_size for w in windows], [w.stride for w in windows]
        sums = F.avg_pool2d(x, kernel, stride, divisor_override=1)
        ones = torch.ones_like(patch.base[:, :1])
        swapped = {id(patch): ones}
        shares = func(*_mapped(args, swapped), **_mapped(kwargs, swapped))
        ceil_mode = _get(args, kwargs, 4, "ceil_mode", False)
        counts = F.avg_pool2d(ones, *settings, ceil_mode=ceil_mode, divisor_override=1)
        tops, lefts, shape = units
        share = (shares / counts)[0, 0].unfold(0, shape[0], 1).unfold(1, shape[1], 1)
        device = sums.device
        rows = torch.tensor(tops, device=device).repeat_interleave(len(lefts))
        columns = torch.tensor(lefts, device=device).repeat(len(tops))
        return sums * share[rows, columns].unsqueeze(1)

    return _slide(func, args, kwargs, windows, on_region)


_AVG_POOL = ("kernel_size", "stride", "padding")


def _pool_windows(args: tuple, kwargs: dict, dilation: Sequence[int], ceil_mode: Any) -> list:
    kernel = each(_get(args, kwargs, 1, "kernel_size"), 2)
    stride = _get(args, kwargs, 2, "stride")
    stride = kernel if stride is None or stride == [] else each(stride, 2)
    padding = each(_get(args, kwargs, 3, "padding", 0), 2)
    return [
        Window(*setting, ceil_mode=bool(ceil_mode))
        for setting in zip(kernel, stride, padding, dilation, strict=True)
    ]


@_rule("pad")
def _pad(func: Callable, args: tuple, kwargs: dict) -> Any:
    patch = _only_first(args, kwargs)
    if patch is None:
        return NotImplemented
    amounts = each(_get(args, kwargs, 1, "pad"))
    if not any(amounts[:4]):
        return _on_crops(func, args, kwargs, patch) if len(amounts) <= 6 else NotImplemented
    constant = _get(args, kwargs, 2, "mode", "constant") == "constant"
    if not constant or min(amounts) < 0 or any(amounts[4:]):
        return NotImplemented
    left, right, up, down = (*amounts, 0, 0)[:4]
    windows = [Window(1, padding=(up, down)), Window(1, padding=(left, right))]
    value = _get(args, kwargs, 3, "value") or 0.0
    return _slide(func, args, kwargs, windows, lambda x, units: x, value)


@_rule("getitem")
def _getitem(func: Callable, args: tuple, kwargs: dict) -> Any:
    """Channels by a slice, and every so manieth row and column from the first on."""
    patch = _only_first(args, kwargs)
    index = args[1] if isinstance(args[1], tuple) else (args[1],)
    if patch is None or len(index) > 4 or not all(isinstance(i, slice) for i in index):
        return NotImplemented
    batch, channels, *spatial = (*index, *[slice(None)] * (4 - len(index)))
    if batch != slice(None) or any(s.start or s.stop is not None for s in spatial):
        return NotImplemented
    steps = [s.step or 1 for s in spatial]
    if steps == [1, 1]:
        return _seen(_on_crops(func, args, kwargs, patch), patch)
    windows = [Window(1, stride=step) for step in steps]
    out = _slide(
        func, args, kwargs, windows, lambda x, units: x[:, channels, :: steps[0], :: steps[1]]
    )
    return _seen(out, patch)


@_rule("chunk split")
def _parts(func: Callable, args: tuple, kwargs: dict) -> Any:
    patch = _only_first(args, kwargs)
    if patch is None or _get(args, kwargs, 2, "dim", 0) not in (1, -3):
        return NotImplemented
    return _seen(_on_crops(func, args, kwargs, patch), patch)


@_rule("unfold")
def _unfold(func: Callable, args: tuple, kwargs: dict) -> Any:
    patch = _only_first(args, kwargs)
    if patch is None or func is not Tensor.unfold or _get(args, kwargs, 1, "dimension") != 1:
        return NotImplemented
    return _seen(_on_crops(func, args, kwargs, patch), patch)


@_rule("sum mean")
def _sum(func: Callable, args: tuple, kwargs: dict) -> Any:
    """Over dimensions that are no positions; those in front of the rows have to stay."""
    patch = _only_first(args, kwargs, maps=False)
    dims = _get(args, kwargs, 1, "dim")
    if patch is None or dims is None:
        return NotImplemented
    dims = [dim % patch.dim() for dim in each(dims)]
    keep = _get(args, kwargs, 2, "keepdim", False)
    if not dims or any(d in (0, patch.axis, patch.axis + 1) for d in dims):
        return NotImplemented
    if not keep and min(dims) < patch.axis:
        return NotImplemented
    return _on_crops(func, args, kwargs, patch)


@_rule("view reshape flatten unflatten")
def _reshape(func: Callable, args: tuple, kwargs: dict) -> Any:
    """Channels in groups and back. Batch, rows and columns have to stay what they are."""
    patch = _only_first(args, kwargs, maps=False)
    if patch is None or patch.axis != patch.dim() - 2:
        return NotImplemented
    meta = torch.empty(patch.shape, device="meta")
    swapped = {id(patch): meta}
    out = func(*_mapped(args, swapped), **_mapped(kwargs, swapped))
    if out.dim() < 4 or (out.shape[0], *out.shape[-2:]) != (len(patch), *patch.shape[-2:]):
        return NotImplemented
    batch, *middle = out.shape[:-2]
    base = patch.base.reshape(1, *middle, *patch.base.shape[-2:])
    base = patch.record.unoccluded(Tensor.reshape, (base, base.shape), {})
    crop = patch.crop.reshape(batch, *middle, *patch.crop.shape[-2:])
    where = (patch.tops, patch.lefts)
    return _seen(put(patch.record, base, crop, where, out.dim() - 2), patch)


@_rule("transpose")
def _transpose(func: Callable, args: tuple, kwargs: dict) -> Any:
    patch = _only_first(args, kwargs, maps=False)
    if patch is None or len(args) < 3:
        return NotImplemented
    if any(d % patch.dim() in (0, patch.axis, patch.axis + 1) for d in args[1:3]):
        return NotImplemented
    return _seen(_on_crops(func, args, kwargs, patch), patch)


# --- reading and changing calls ---


@cache
def _names(func: Callable) -> tuple[str, ...]:
    """The names of a Python function's arguments; none for torch's own."""
    try:
        return tuple(inspect.signature(func).parameters)
    except (TypeError, ValueError):
        return ()


def in_place(func: Callable, args: tuple, kwargs: dict) -> bool:
    """Whether a call writes into its first argument."""
    name = func.__name__
    if name.startswith("__"):
        return name.startswith("__i") and name not in ("__int__", "__index__", "__invert__")
    if "inplace" in _names(func):
        return bool(_get(args, kwargs, _names(func).index("inplace"), "inplace", False))
    return name.endswith("_")


def _mapped(tree: Any, swapped: dict[int, Tensor]) -> Any:
    """Nested arguments with some tensors in place of others."""
    if isinstance(tree, Tensor):
        return swapped.get(id(tree), tree)
    if type(tree) in (list, tuple):
        return type(tree)(_mapped(branch, swapped) for branch in tree)
    if isinstance(tree, dict):
        return {key: _mapped(branch, swapped) for key, branch in tree.items()}
    return tree


def _dense(tree: Any) -> Any:
    """Nested arguments with full maps in place of patches."""
    found = {id(t): dense(t) for t in tensors(tree) if isinstance(t, Patch)}
    return _mapped(tree, found)
