"""What each torch function does to a patch: one rule for those that leave most of a map alone.

A rule takes a call, of whose tensors one or more are a :class:`~cnnlib.inside.patches.Patch`, and
gives a patch; or NotImplemented, and the call runs on full maps. All other arguments that matter to
a rule are the same for every place.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnlib.calls import Call, Rules, convolution_windows, each, pool_windows
from cnnlib.geometry import Window
from cnnlib.inside.patches import Occluded, Patch, assemble, cut_region, find_reached, make_patch

#: A patch that is nearly its whole map is made the whole map: less to put together.
NEARLY_WHOLE = 0.9

RULES = Rules()


def _only_first(call: Call, maps: bool = True) -> Patch | None:
    """The first argument, if it is a patch and all else the same for every place.

    With ``maps`` it has to be (N, C, H, W).
    """
    first = call.first
    if not isinstance(first, Patch):
        return None
    if any(isinstance(t, Occluded) and t is not first for t in call.tensors):
        return None
    plain = first.axis == 2 and first.dim() == 4
    return first if plain or not maps else None


def _on_crops(call: Call, patch: Patch) -> Any:
    """The call on the crop as it is on the map. Views may come of it."""
    base = patch.record.unoccluded(call.swapped({id(patch): patch.base}))
    crop = call.swapped({id(patch): patch.crop}).run()
    if isinstance(crop, Tensor):
        return make_patch(patch.record, base, crop, patch)
    return type(crop)(
        make_patch(patch.record, b, c, patch) for b, c in zip(base, crop, strict=True)
    )


@RULES.rule("batch_norm")
def _batch_norm(call: Call) -> Any:
    patch = _only_first(call)
    if patch is None or call.get("training", False):
        return NotImplemented
    return _on_crops(call, patch)


@RULES.rule("local_response_norm prelu")
def _place_by_place(call: Call) -> Any:
    patch = _only_first(call)
    return NotImplemented if patch is None else _on_crops(call, patch)


@RULES.rule("dropout dropout1d dropout2d dropout3d feature_dropout alpha_dropout")
def _dropout(call: Call) -> Any:
    patch = _only_first(call)
    if patch is None or call.get("training", True):
        return NotImplemented
    return _on_crops(call, patch)


@RULES.rule(
    "relu relu6 leaky_relu elu selu celu gelu silu mish hardtanh hardswish hardsigmoid sigmoid "
    "logsigmoid tanh softplus softsign threshold abs neg exp log sqrt rsqrt square reciprocal "
    "clamp clamp_min clamp_max clone contiguous detach add sub rsub mul div pow maximum minimum"
)
def _pointwise(call: Call) -> Any:
    """One number of each operand makes one number of the output."""
    operands = [t for t in call.tensors if isinstance(t, Patch)]
    patches = list({id(patch): patch for patch in operands}.values())
    first = patches[0]
    if any(patch.shape != first.shape or patch.axis != first.axis for patch in patches):
        return NotImplemented
    for other in call.tensors:
        if not isinstance(other, Patch) and not _same_everywhere(other, first):
            return NotImplemented
    if len(patches) == 1:
        return _on_crops(call, first)
    if first.dim() != 4 or first.axis != 2:
        return NotImplemented
    return _joined(call, patches)


def _same_everywhere(other: Tensor, patch: Patch) -> bool:
    """Whether a tensor holds the same for every place and position."""
    if isinstance(other, Occluded) or other.dim() > patch.dim():
        return False
    shape = (1,) * (patch.dim() - other.dim()) + tuple(other.shape)
    return all(shape[i] == 1 for i in (0, patch.axis, patch.axis + 1))


@RULES.rule("cat")
def _cat(call: Call) -> Any:
    parts = call.get("tensors")
    flat = [part for part in parts if isinstance(part, Patch) and part.dim() == 4]
    if len(flat) < len(parts) or call.get("dim", 0) not in (1, -3):
        return NotImplemented
    if any(part.axis != 2 for part in flat):
        return NotImplemented
    return _joined(call, list({id(part): part for part in flat}.values()))


def _joined(call: Call, patches: list[Patch]) -> Patch:
    """Branches that meet: each brings the hull of all that has changed."""
    first = patches[0]
    size = first.base.shape[-2:]
    starts, shape = zip(
        _hull([p.tops for p in patches], [p.crop.shape[-2] for p in patches], size[0]),
        _hull([p.lefts for p in patches], [p.crop.shape[-1] for p in patches], size[1]),
        strict=True,
    )
    base = first.record.unoccluded(call.swapped({id(patch): patch.base for patch in patches}))
    if _nearly_whole(shape, size):
        starts = tuple((0,) * len(s) for s in starts)
        crops = {id(patch): assemble(patch) for patch in patches}
    else:
        crops = {id(patch): cut_region(patch, *starts, shape, 0.0) for patch in patches}
    crop = call.swapped(crops).run()
    return make_patch(first.record, base, crop, tuple(map(tuple, starts)))


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
    call: Call,
    windows: Sequence[Window],
    on_region: Callable[[Tensor, tuple], Tensor],
    value: float = 0.0,
) -> Patch:
    """A window over rows and columns. ``on_region`` gets the positions that its units read.

    It is told which units they are, too: (tops, lefts, shape).
    """
    patch = call.first
    base = patch.record.unoccluded(call.swapped({id(patch): patch.base}))
    starts, shape = zip(
        *(
            find_reached(window, size, places, length)
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
        crop = call.swapped({id(patch): assemble(patch)}).run()
        return make_patch(patch.record, base, crop, tuple((0,) * len(s) for s in starts))
    firsts = [
        [s * window.stride - window.before for s in places]
        for window, places in zip(windows, starts, strict=True)
    ]
    extent = tuple((n - 1) * w.stride + w.span for w, n in zip(windows, shape, strict=True))
    crop = on_region(cut_region(patch, *firsts, extent, value), (*starts, shape))
    return make_patch(patch.record, base, crop, tuple(map(tuple, starts)))


@RULES.rule("conv2d")
def _conv2d(call: Call) -> Any:
    if _only_first(call) is None:
        return NotImplemented
    weight, bias, groups = call.get("weight"), call.get("bias"), call.get("groups", 1)
    windows = convolution_windows(call)
    stride, dilation = [w.stride for w in windows], [w.dilation for w in windows]

    def on_region(x: Tensor, units: tuple) -> Tensor:
        return F.conv2d(x, weight, bias, stride, 0, dilation, groups)

    return _slide(call, windows, on_region)


@RULES.rule("max_pool2d")
def _max_pool2d(call: Call) -> Any:
    indices = "indices" in call.func.__name__ or call.get("return_indices", False)
    if _only_first(call) is None or indices:
        return NotImplemented
    windows = pool_windows(call)
    kernel, stride = [w.kernel_size for w in windows], [w.stride for w in windows]
    dilation = [w.dilation for w in windows]

    def on_region(x: Tensor, units: tuple) -> Tensor:
        return F.max_pool2d(x, kernel, stride, 0, dilation)

    return _slide(call, windows, on_region, -math.inf)


@RULES.rule("avg_pool2d")
def _avg_pool2d(call: Call) -> Any:
    """Sums of windows, divided as torch divides them: at the border it may count fewer."""
    patch = _only_first(call)
    if patch is None:
        return NotImplemented
    windows = pool_windows(call)
    kernel, stride = [w.kernel_size for w in windows], [w.stride for w in windows]
    padding, ceil_mode = [w.before for w in windows], windows[0].ceil_mode

    def on_region(x: Tensor, units: tuple) -> Tensor:
        sums = F.avg_pool2d(x, kernel, stride, divisor_override=1)
        ones = torch.ones_like(patch.base[:, :1])
        shares = call.swapped({id(patch): ones}).run()
        counts = F.avg_pool2d(ones, kernel, stride, padding, ceil_mode, divisor_override=1)
        tops, lefts, shape = units
        share = (shares / counts)[0, 0].unfold(0, shape[0], 1).unfold(1, shape[1], 1)
        device = sums.device
        rows = torch.tensor(tops, device=device).repeat_interleave(len(lefts))
        columns = torch.tensor(lefts, device=device).repeat(len(tops))
        return sums * share[rows, columns].unsqueeze(1)

    return _slide(call, windows, on_region)


@RULES.rule("pad")
def _pad(call: Call) -> Any:
    patch = _only_first(call)
    if patch is None:
        return NotImplemented
    amounts = each(call.get("pad"))
    if not any(amounts[:4]):
        return _on_crops(call, patch) if len(amounts) <= 6 else NotImplemented
    constant = call.get("mode", "constant") == "constant"
    if not constant or min(amounts) < 0 or any(amounts[4:]):
        return NotImplemented
    left, right, up, down = (*amounts, 0, 0)[:4]
    windows = [Window(1, padding=(up, down)), Window(1, padding=(left, right))]
    value = call.get("value") or 0.0
    return _slide(call, windows, lambda x, units: x, value)


@RULES.rule("getitem")
def _getitem(call: Call) -> Any:
    """Channels by a slice, and every so manieth row and column from the first on."""
    patch = _only_first(call)
    index = call.args[1] if isinstance(call.args[1], tuple) else (call.args[1],)
    if patch is None or len(index) > 4 or not all(isinstance(i, slice) for i in index):
        return NotImplemented
    batch, channels, *spatial = (*index, *[slice(None)] * (4 - len(index)))
    if batch != slice(None) or any(s.start or s.stop is not None for s in spatial):
        return NotImplemented
    steps = [s.step or 1 for s in spatial]
    if steps == [1, 1]:
        return _on_crops(call, patch)
    windows = [Window(1, stride=step) for step in steps]
    rows, columns = steps
    return _slide(call, windows, lambda x, units: x[:, channels, ::rows, ::columns])


@RULES.rule("chunk split")
def _parts(call: Call) -> Any:
    patch = _only_first(call)
    if patch is None or call.get("dim", 0) not in (1, -3):
        return NotImplemented
    return _on_crops(call, patch)


@RULES.rule("unfold")
def _unfold(call: Call) -> Any:
    patch = _only_first(call)
    if patch is None or call.func is not Tensor.unfold or call.get("dimension") != 1:
        return NotImplemented
    return _on_crops(call, patch)


@RULES.rule("sum mean")
def _sum(call: Call) -> Any:
    """Over dimensions that are no positions; those in front of the rows have to stay."""
    patch = _only_first(call, maps=False)
    dims = call.get("dim")
    if patch is None or dims is None:
        return NotImplemented
    dims = [dim % patch.dim() for dim in each(dims)]
    keep = call.get("keepdim", False)
    if not dims or any(d in (0, patch.axis, patch.axis + 1) for d in dims):
        return NotImplemented
    if not keep and min(dims) < patch.axis:
        return NotImplemented
    return _on_crops(call, patch)


@RULES.rule("view reshape flatten unflatten")
def _reshape(call: Call) -> Any:
    """Channels in groups and back. Batch, rows and columns have to stay what they are."""
    patch = _only_first(call, maps=False)
    if patch is None or patch.axis != patch.dim() - 2:
        return NotImplemented
    meta = torch.empty(patch.shape, dtype=patch.dtype, device="meta")
    out = call.swapped({id(patch): meta}).run()
    if out.dtype != patch.dtype or out.dim() < 4:
        return NotImplemented
    if (out.shape[0], *out.shape[-2:]) != (len(patch), *patch.shape[-2:]):
        return NotImplemented
    batch, *middle = out.shape[:-2]
    base = patch.base.reshape(1, *middle, *patch.base.shape[-2:])
    base = patch.record.unoccluded(Call(Tensor.reshape, (base, base.shape), {}))
    crop = patch.crop.reshape(batch, *middle, *patch.crop.shape[-2:])
    where = (patch.tops, patch.lefts)
    return make_patch(patch.record, base, crop, where, out.dim() - 2)


@RULES.rule("transpose")
def _transpose(call: Call) -> Any:
    patch = _only_first(call, maps=False)
    if patch is None:
        return NotImplemented
    dims = (call.get("dim0"), call.get("dim1"))
    if any(d % patch.dim() in (0, patch.axis, patch.axis + 1) for d in dims):
        return NotImplemented
    return _on_crops(call, patch)
