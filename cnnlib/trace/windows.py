"""Rules for what slides over an axis: convolutions, pools, padding, resampling."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnlib.geometry import Window, output_size
from cnnlib.trace.call import Call, Dim, Effect, axes_of, each, free, rule, size_of
from cnnlib.trace.reading import IDENTITY, Positions, Reading, around, window_reads


def slide(call: Call, readings: Sequence[Reading], mixes: bool = False) -> Effect:
    """Readings of the last dimensions. ``mixes``: the one in front of them (channels) is summed."""
    dims, found = list(call.dims), {}
    if call.name != "pad" and call.axes < len(readings) == len(dims) - 1:
        raise call.refusal("it reads its input as one example without a batch dimension")
    shape = call.out_shape
    present = {axis for dim in dims for axis in axes_of(dim)}
    for back, reading in enumerate(reversed(readings), start=1):
        axis, dim = call.axes - back, dims[-back]
        if len(readings) == call.axes and axis not in present and not axes_of(dim):
            # The axis is gone, so this is a vector that was made into a map again.
            dims[-back] = ((axis, shape[-back]),)
            if size_of(dim) == 1:
                found[axis] = reading
        else:
            effect = call.along(len(dims) - back, reading, shape[-back])
            dims[-back] = effect.dims[-back]
            found |= effect.readings
    if mixes:
        channels = -len(readings) - 1
        found |= dict.fromkeys(axes_of(dims[channels]))
        dims[channels] = free(shape[channels])
    return Effect(dims, found)


@rule("conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d")
def _convolution(call: Call) -> Effect:
    count = int(call.name[-2])
    transposed = "transpose" in call.name
    weight = call.get(1, "weight")
    if call.value(weight) or call.value(call.get(2, "bias")):
        raise call.refusal("its weights depend on the network's input")
    kernel = weight.shape[2:]
    stride = each(call.get(3, "stride", 1), count)
    dilation = each(call.get(7 if transposed else 5, "dilation", 1), count)
    extra = each(call.get(5, "output_padding", 0) if transposed else 0, count)
    padding = call.get(4, "padding", 0)
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        padding = [around(total // 2, total - total // 2) for total in totals]
    else:
        padding = each(0 if padding == "valid" else padding, count)
    windows = [
        Window(*settings, transposed=transposed)
        for settings in zip(kernel, stride, padding, dilation, extra, strict=True)
    ]
    # Forward: that many weights go into each output. Transposed: into as many goes each input.
    macs = (call.x if transposed else call.out).numel() * weight[0].numel()
    return replace(slide(call, windows, mixes=True), macs=macs)


@rule("max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d")
def _pool(call: Call) -> Effect:
    most = call.name.startswith("max")
    count = int(call.name[-2])
    dilation = each(call.get(4, "dilation", 1) if most else 1, count)
    ceil_mode = bool(call.get(5 if most else 4, "ceil_mode", False))
    settings = zip(*_kernel(call, 1), each(call.get(3, "padding", 0), count), dilation, strict=True)
    return slide(call, [Window(*setting, ceil_mode=ceil_mode) for setting in settings])


@rule("lp_pool1d lp_pool2d lp_pool3d")
def _lp_pool(call: Call) -> Effect:
    ceil_mode = bool(call.get(4, "ceil_mode", False))
    settings = zip(*_kernel(call, 2), strict=True)
    return slide(call, [Window(*setting, ceil_mode=ceil_mode) for setting in settings])


@rule("max_unpool1d max_unpool2d max_unpool3d")
def _unpool(call: Call) -> Effect:
    """A place may hold the value of any pool that covered it: the pool's window, transposed."""
    count = int(call.name[-2])
    padding = each(call.get(4, "padding", 0), count)
    sizes = zip(call.x.shape[-count:], call.out_shape[-count:], strict=True)
    windows = []
    for (size, units), k, s, p in zip(sizes, *_kernel(call, 2), padding, strict=True):
        extra = units - ((size - 1) * s - 2 * p + k)  # torch lets output_size differ both ways
        crop = around(p, p - min(extra, 0))
        windows.append(Window(k, s, crop, output_padding=max(extra, 0), transposed=True))
    return slide(call, windows)


def _kernel(call: Call, position: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Kernel sizes and strides of a pool; windows side by side if it has no stride."""
    count = int(call.name[-2])
    kernel = each(call.get(position, "kernel_size"), count)
    stride = call.get(position + 1, "stride")
    return kernel, kernel if stride is None or stride == [] else each(stride, count)


@rule(
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d "
    "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d"
)
def _adaptive_pool(call: Call) -> Effect:
    count = int(call.name[-2])
    readings: list[Reading] = []
    for size, units in zip(call.x.shape[-count:], call.out_shape[-count:], strict=True):
        if units == 1:
            readings.append(None)
        elif size % units == 0:
            readings.append(Window(size // units, stride=size // units))
        else:
            ends = _adaptive_ends(size, units)
            readings.append(Positions(tuple(tuple(range(*pair)) for pair in ends)))
    return slide(call, readings)


@rule("pad")
def _pad(call: Call) -> Effect:
    amounts = each(call.get(1, "pad"))
    mode = call.get(2, "mode", "constant")
    readings: list[Reading] = []
    for before, after, size in zip(
        amounts[::2], amounts[1::2], reversed(call.x.shape), strict=False
    ):
        if (before, after) == (0, 0):
            readings.append(IDENTITY)
        elif mode != "constant":  # ask torch which position stands where
            places = torch.arange(size, dtype=torch.float64, device="cpu").view(1, 1, size)
            found = F.pad(places, (before, after), mode).flatten().tolist()
            window = Window(1, padding=around(before, after))
            readings.append(Positions(tuple((int(i),) for i in found), (window,)))
        elif min(before, after) >= 0:
            readings.append(Window(1, padding=around(before, after)))
        elif max(before, after) <= 0:
            readings.append(picked(size, range(-before, size + after)))
        else:
            kept = range(max(-before, 0), size + min(after, 0))
            new = ((),) * max(before, 0), ((),) * max(after, 0)
            chain = (
                Window(1, padding=around(max(before, 0), max(after, 0))),
                Window(1, padding=around(max(-before, 0), max(-after, 0)), transposed=True),
            )
            readings.append(Positions((*new[0], *((i,) for i in kept), *new[1]), chain))
    return slide(call, readings[::-1])


@rule("interpolate upsample_nearest upsample_bilinear")
def _interpolate(call: Call) -> Effect:
    """Ask torch which positions count, one axis at a time."""
    scale = call.get(2, "scale_factor")
    if call.name == "interpolate":
        mode = call.get(3, "mode", "nearest")
        options = {
            "mode": "bilinear" if mode in ("linear", "trilinear") else mode,
            "align_corners": call.get(4, "align_corners"),
            "recompute_scale_factor": call.get(5, "recompute_scale_factor"),
            "antialias": call.get(6, "antialias", False),
        }
    else:
        mode = call.name.removeprefix("upsample_")
        options = {"mode": mode, "align_corners": True if mode == "bilinear" else None}
    sizes, shape = call.x.shape[2:], call.out_shape[2:]
    scales = tuple(scale) if isinstance(scale, Sequence) else (scale,) * len(sizes)
    readings = []
    for size, units, factor in zip(sizes, shape, scales, strict=True):
        if options["mode"] == "area":
            found = [range(*ends) for ends in _adaptive_ends(size, units)]
        else:
            found = _resampled(size, units, factor, options)
        readings.append(resampling(size, found))
    return slide(call, readings)


#: How far to each side of a unit's centre a kernel reaches, in positions or, with antialias and
#: fewer units than positions, in units.
_REACH = {"nearest": 0, "nearest-exact": 0, "bilinear": 1, "bicubic": 2}

#: Torch resamples a column of width 1 wrongly with antialias (2.13, on a CPU).
_WIDTH = 4

#: So many numbers at once, while torch is asked.
_AT_ONCE = 2_000_000


def _resampled(size: int, units: int, factor: Any, options: dict[str, Any]) -> list[list[int]]:
    """Which positions each unit has a weight for that is not zero, ascending.

    A unit reads a few neighbours. So one column asks for many positions at once, a period apart
    from each other; a column of the positions' own numbers tells roughly where each unit looks, and
    so which of them it found. That costs as much as the axis is long, not its square.
    """
    steps, wanted = [1.0, size / units, (size - 1) / max(units - 1, 1)], {"size": (units, _WIDTH)}
    if factor is not None:
        steps, wanted = [*steps, 1 / float(factor)], {"scale_factor": (float(factor), 1.0)}

    def resample(columns: Tensor) -> Tensor:
        columns = columns.double()[None, :, :, None].expand(-1, -1, -1, _WIDTH).contiguous()
        return F.interpolate(columns, **wanted, **options)[0, :, :, 0]

    reach = math.ceil(_REACH[options["mode"]] * (max(steps) if options.get("antialias") else 1))
    period = min(4 * reach + 7, size)  # more than twice as far as a unit looks
    positions = torch.arange(size, device="cpu")
    centres = resample(positions[None])[0].round().long().tolist()
    found: list[list[int]] = [[] for _ in range(units)]
    rows = max(_AT_ONCE // (_WIDTH * max(size, units)), 1)
    for start in range(0, period, rows):
        phases = torch.arange(start, min(start + rows, period), device="cpu")
        weights = resample(positions % period == phases[:, None])  # (phases, units)
        for row, unit in weights.nonzero().tolist():
            ahead = (start + row - centres[unit]) % period
            place = centres[unit] + ahead - period * (2 * ahead > period)
            found[unit].append(place if period < size else start + row)
    return [sorted(places) for places in found]


def _adaptive_ends(size: int, units: int) -> list[tuple[int, int]]:
    """Torch's windows: from floor(o * size / units) to ceil((o + 1) * size / units)."""
    return [(o * size // units, -(-(o + 1) * size // units)) for o in range(units)]


def resampling(size: int, found: Sequence[Sequence[int]]) -> Reading:
    """What reads these positions: a window, if it is resampling by a whole factor."""
    units = len(found)
    up, down = max(units // size, 1), max(size // units, 1)
    for window in (
        IDENTITY,
        Window(up, stride=up, transposed=True),  # nearest
        Window(2 * up - up % 2, stride=up, padding=up // 2, transposed=True),  # bilinear
        Window(1, stride=down),
        Window(down, stride=down),
    ):
        if output_size(size, window) == units and all(
            read == list(here)
            for read, here in zip(window_reads(window, size, units), found, strict=True)
        ):
            return window
    return Positions(tuple(map(tuple, found)))


def picked(size: int, places: Sequence[int]) -> Reading:
    """What reads these single positions of an axis, in this order."""
    if not places:
        return Positions(())
    places = list(places)
    first, last = places[0], places[-1]
    step = places[1] - first if len(places) > 1 else 1
    if step > 0 and places == list(range(first, last + 1, step)):
        every = Window(1, stride=step)
        # A transposed window's padding crops its output.
        crop = Window(1, padding=around(first, size - 1 - last), transposed=True)
        if first == 0 and output_size(size, every) == len(places):
            return every
        return crop if step == 1 else Positions(tuple((i,) for i in places), (crop, every))
    return resampling(size, [(place,) for place in places])


@rule("pixel_shuffle pixel_unshuffle")
def _pixel_shuffle(call: Call) -> Effect:
    factor = call.get(1, "upscale_factor", call.kwargs.get("downscale_factor"))
    window = Window(factor, stride=factor, transposed=call.name == "pixel_shuffle")
    effect = slide(call, [window, window])
    return replace(effect, dims=[*effect.dims[:-3], free(call.out_shape[-3]), *effect.dims[-2:]])


@rule("unfold")
def _unfold(call: Call) -> Effect:
    """Windows of one dimension (``Tensor.unfold``), or im2col (``torch.nn.functional.unfold``)."""
    if call.out.dim() == call.x.dim() + 1:
        place, size = call.place(call.get(1, "dimension")), call.get(2, "size")
        window = Window(size, stride=call.get(3, "step"))
        effect = call.along(place, window, call.out_shape[place])
        return replace(effect, dims=[*effect.dims, free(size)])
    batch, channels, *map_dims = call.dims
    if any(len(dim) > 1 or not axes_of(dim) for dim in map_dims):
        raise call.refusal("it slides over something else than a map")
    readings = dict.fromkeys(axes_of(channels))
    places: Dim = ()
    for ((axis, size),), window in zip(map_dims, _columns(call, 1), strict=True):
        readings[axis] = window
        places += ((axis, output_size(size, window)),)
    return Effect([batch, free(call.out_shape[1]), places], readings)


@rule("fold")
def _fold(call: Call) -> Effect:
    """The reverse of im2col: every column is added back where it came from."""
    batch, channels, places = call.dims
    if len(places) != 2 or len(axes_of(places)) != 2 or axes_of(channels):
        raise call.refusal("its columns are not the places of a map")
    dims, readings = [batch, free(call.out_shape[1])], {}
    for (axis, size), units, window in zip(
        places, call.out_shape[2:], _columns(call, 2), strict=True
    ):
        window = replace(window, transposed=True)
        readings[axis] = replace(window, output_padding=units - output_size(size, window))
        dims.append(((axis, units),))
    return Effect(dims, readings)


def _columns(call: Call, first: int) -> list[Window]:
    """The windows of im2col and back, whose arguments have another order."""
    names = ("kernel_size", "dilation", "padding", "stride")
    kernel, dilation, padding, stride = (
        each(call.get(first + i, name, int(name != "padding")), 2) for i, name in enumerate(names)
    )
    return [Window(*setting) for setting in zip(kernel, stride, padding, dilation, strict=True)]
