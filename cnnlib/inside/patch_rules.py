"""What each torch function does to a patch: one rule for those that leave most of a map alone.

A rule takes the function and its arguments, of which one or more are a
:class:`~cnnlib.inside.patches.Patch`, and gives a patch; or NotImplemented, and the function runs
on full maps. All other arguments that matter to a rule are the same for every place.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnlib.geometry import Window
from cnnlib.inside.patches import (
    NEARLY_WHOLE,
    Occluded,
    Patch,
    Rule,
    argument,
    dense,
    mapped,
    names_of,
    put,
    reached,
    region,
)
from cnnlib.trace.call import each, tensors

RULES: dict[str, Rule] = {}


def _rule(names: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names.split(), function))
        return function

    return register


def _only_first(args: tuple, kwargs: dict, maps: bool = True) -> Patch | None:
    """The first argument, if it is a patch and all else the same for every place.

    With ``maps`` it has to be (N, C, H, W).
    """
    first = argument(args, kwargs, 0, "input")
    others = [t for t in tensors([list(args[1:]), kwargs]) if isinstance(t, Occluded)]
    if not isinstance(first, Patch) or any(other is not first for other in others):
        return None
    plain = first.axis == 2 and first.dim() == 4
    return first if plain or not maps else None


def _on_crops(func: Callable, args: tuple, kwargs: dict, patch: Patch) -> Any:
    """``func`` on the crop as it is on the map. Views may come of it."""
    base = patch.record.unoccluded(
        func, mapped(args, {id(patch): patch.base}), mapped(kwargs, {id(patch): patch.base})
    )
    swapped = {id(patch): patch.crop}
    crop = func(*mapped(args, swapped), **mapped(kwargs, swapped))
    if isinstance(crop, Tensor):
        return put(patch.record, base, crop, patch)
    return type(crop)(put(patch.record, b, c, patch) for b, c in zip(base, crop, strict=True))


@_rule("batch_norm")
def _batch_norm(func: Callable, args: tuple, kwargs: dict) -> Any:
    patch = _only_first(args, kwargs)
    if patch is None or argument(args, kwargs, 5, "training", False):
        return NotImplemented
    return _on_crops(func, args, kwargs, patch)


@_rule("local_response_norm prelu")
def _place_by_place(func: Callable, args: tuple, kwargs: dict) -> Any:
    patch = _only_first(args, kwargs)
    return NotImplemented if patch is None else _on_crops(func, args, kwargs, patch)


@_rule("dropout dropout1d dropout2d dropout3d feature_dropout alpha_dropout")
def _dropout(func: Callable, args: tuple, kwargs: dict) -> Any:
    name = "train" if "input" not in names_of(func) else "training"
    patch = _only_first(args, kwargs)
    if patch is None or argument(args, kwargs, 2, name, True):
        return NotImplemented
    return _on_crops(func, args, kwargs, patch)


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
        return _on_crops(func, args, kwargs, first)
    if first.dim() != 4 or first.axis != 2:
        return NotImplemented
    return _joined(func, args, kwargs, patches)


def _same_everywhere(other: Tensor, patch: Patch) -> bool:
    """Whether a tensor holds the same for every place and position."""
    if isinstance(other, Occluded) or other.dim() > patch.dim():
        return False
    shape = (1,) * (patch.dim() - other.dim()) + tuple(other.shape)
    return all(shape[i] == 1 for i in (0, patch.axis, patch.axis + 1))


@_rule("cat")
def _cat(func: Callable, args: tuple, kwargs: dict) -> Any:
    parts = argument(args, kwargs, 0, "tensors")
    flat = [part for part in parts if isinstance(part, Patch) and part.dim() == 4]
    if len(flat) < len(parts) or argument(args, kwargs, 1, "dim", 0) not in (1, -3):
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
    base = first.record.unoccluded(func, mapped(args, base), mapped(kwargs, base))
    if _nearly_whole(shape, size):
        starts = tuple((0,) * len(s) for s in starts)
        crops = {id(patch): dense(patch) for patch in patches}
    else:
        crops = {id(patch): region(patch, *starts, shape, 0.0) for patch in patches}
    crop = func(*mapped(args, crops), **mapped(kwargs, crops))
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
    patch = argument(args, kwargs, 0, "input")
    swapped = {id(patch): patch.base}
    base = patch.record.unoccluded(func, mapped(args, swapped), mapped(kwargs, swapped))
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
        crop = func(*mapped(args, swapped), **mapped(kwargs, swapped))
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
    weight, bias = argument(args, kwargs, 1, "weight"), argument(args, kwargs, 2, "bias")
    stride = each(argument(args, kwargs, 3, "stride", 1), 2)
    padding = argument(args, kwargs, 4, "padding", 0)
    dilation = each(argument(args, kwargs, 5, "dilation", 1), 2)
    groups = argument(args, kwargs, 6, "groups", 1)
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
    indices = "indices" in func.__name__ or argument(args, kwargs, 6, "return_indices", False)
    if _only_first(args, kwargs) is None or indices:
        return NotImplemented
    dilation = each(argument(args, kwargs, 4, "dilation", 1), 2)
    windows = _pool_windows(args, kwargs, dilation, argument(args, kwargs, 5, "ceil_mode", False))

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
    windows = _pool_windows(args, kwargs, (1, 1), argument(args, kwargs, 4, "ceil_mode", False))
    settings = [argument(args, kwargs, i, name) for i, name in enumerate(_AVG_POOL[:3], start=1)]
    settings = [settings[0], settings[1], 0 if settings[2] is None else settings[2]]

    def on_region(x: Tensor, units: tuple) -> Tensor:
        kernel, stride = [w.kernel_size for w in windows], [w.stride for w in windows]
        sums = F.avg_pool2d(x, kernel, stride, divisor_override=1)
        ones = torch.ones_like(patch.base[:, :1])
        swapped = {id(patch): ones}
        shares = func(*mapped(args, swapped), **mapped(kwargs, swapped))
        ceil_mode = argument(args, kwargs, 4, "ceil_mode", False)
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
    kernel = each(argument(args, kwargs, 1, "kernel_size"), 2)
    stride = argument(args, kwargs, 2, "stride")
    stride = kernel if stride is None or stride == [] else each(stride, 2)
    padding = each(argument(args, kwargs, 3, "padding", 0), 2)
    return [
        Window(*setting, ceil_mode=bool(ceil_mode))
        for setting in zip(kernel, stride, padding, dilation, strict=True)
    ]


@_rule("pad")
def _pad(func: Callable, args: tuple, kwargs: dict) -> Any:
    patch = _only_first(args, kwargs)
    if patch is None:
        return NotImplemented
    amounts = each(argument(args, kwargs, 1, "pad"))
    if not any(amounts[:4]):
        return _on_crops(func, args, kwargs, patch) if len(amounts) <= 6 else NotImplemented
    constant = argument(args, kwargs, 2, "mode", "constant") == "constant"
    if not constant or min(amounts) < 0 or any(amounts[4:]):
        return NotImplemented
    left, right, up, down = (*amounts, 0, 0)[:4]
    windows = [Window(1, padding=(up, down)), Window(1, padding=(left, right))]
    value = argument(args, kwargs, 3, "value") or 0.0
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
        return _on_crops(func, args, kwargs, patch)
    windows = [Window(1, stride=step) for step in steps]
    out = _slide(
        func, args, kwargs, windows, lambda x, units: x[:, channels, :: steps[0], :: steps[1]]
    )
    return out


@_rule("chunk split")
def _parts(func: Callable, args: tuple, kwargs: dict) -> Any:
    patch = _only_first(args, kwargs)
    if patch is None or argument(args, kwargs, 2, "dim", 0) not in (1, -3):
        return NotImplemented
    return _on_crops(func, args, kwargs, patch)


@_rule("unfold")
def _unfold(func: Callable, args: tuple, kwargs: dict) -> Any:
    patch = _only_first(args, kwargs)
    if patch is None or func is not Tensor.unfold or argument(args, kwargs, 1, "dimension") != 1:
        return NotImplemented
    return _on_crops(func, args, kwargs, patch)


@_rule("sum mean")
def _sum(func: Callable, args: tuple, kwargs: dict) -> Any:
    """Over dimensions that are no positions; those in front of the rows have to stay."""
    patch = _only_first(args, kwargs, maps=False)
    dims = argument(args, kwargs, 1, "dim")
    if patch is None or dims is None:
        return NotImplemented
    dims = [dim % patch.dim() for dim in each(dims)]
    keep = argument(args, kwargs, 2, "keepdim", False)
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
    meta = torch.empty(patch.shape, dtype=patch.dtype, device="meta")
    swapped = {id(patch): meta}
    out = func(*mapped(args, swapped), **mapped(kwargs, swapped))
    if out.dtype != patch.dtype or out.dim() < 4:
        return NotImplemented
    if (out.shape[0], *out.shape[-2:]) != (len(patch), *patch.shape[-2:]):
        return NotImplemented
    batch, *middle = out.shape[:-2]
    base = patch.base.reshape(1, *middle, *patch.base.shape[-2:])
    base = patch.record.unoccluded(Tensor.reshape, (base, base.shape), {})
    crop = patch.crop.reshape(batch, *middle, *patch.crop.shape[-2:])
    where = (patch.tops, patch.lefts)
    return put(patch.record, base, crop, where, out.dim() - 2)


@_rule("transpose")
def _transpose(func: Callable, args: tuple, kwargs: dict) -> Any:
    patch = _only_first(args, kwargs, maps=False)
    if patch is None or len(args) < 3:
        return NotImplemented
    if any(d % patch.dim() in (0, patch.axis, patch.axis + 1) for d in args[1:3]):
        return NotImplemented
    return _on_crops(func, args, kwargs, patch)
