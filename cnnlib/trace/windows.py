"""Rules for what slides over an axis: convolutions, pools, padding, resampling."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnlib.calls import convolution_windows, each, pool_windows
from cnnlib.geometry import Window, output_size
from cnnlib.rows import ALL_POSITIONS, IDENTITY, Positions, Reading, reads
from cnnlib.trace.call import Dim, Effect, TracedCall, list_axes, make_dim, measure_dim, rule


def slide(call: TracedCall, readings: Sequence[Reading], mixes: bool = False) -> Effect:
    """Readings of the last dimensions. ``mixes``: the one in front of them (channels) is summed."""
    dims, found = list(call.dims), {}
    if call.name != "pad" and call.axes < len(readings) == len(dims) - 1:
        raise call.refusal("it reads its input as one example without a batch dimension")
    shape = call.out_shape
    present = {axis for dim in dims for axis in list_axes(dim)}
    for back, reading in enumerate(reversed(readings), start=1):
        axis, dim = call.axes - back, dims[-back]
        if len(readings) == call.axes and axis not in present and not list_axes(dim):
            # The axis is gone, so this is a vector that was made into a map again.
            dims[-back] = make_dim(shape[-back], axis)
            if measure_dim(dim) == 1:
                found[axis] = reading
        else:
            effect = call.along(len(dims) - back, reading, shape[-back])
            dims[-back] = effect.dims[-back]
            found |= effect.readings
    if mixes:
        channels = -len(readings) - 1
        found |= dict.fromkeys(list_axes(dims[channels]), ALL_POSITIONS)
        dims[channels] = make_dim(shape[channels])
    return Effect(dims, found)


@rule("conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d")
def _convolution(call: TracedCall) -> Effect:
    weight = call.get("weight")
    if call.value(weight) or call.value(call.get("bias")):
        raise call.refusal("its weights depend on the network's input")
    # Forward: that many weights go into each output. Transposed: into as many goes each input.
    macs = (call.x if "transpose" in call.name else call.out).numel() * weight[0].numel()
    return replace(slide(call, convolution_windows(call), mixes=True), macs=macs)


@rule(
    "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d "
    "lp_pool1d lp_pool2d lp_pool3d"
)
def _pool(call: TracedCall) -> Effect:
    return slide(call, pool_windows(call))


@rule("max_unpool1d max_unpool2d max_unpool3d")
def _unpool(call: TracedCall) -> Effect:
    """A place may hold the value of any pool that covered it: the pool's window, transposed."""
    pools = pool_windows(call)
    shapes = call.x.shape[-len(pools) :], call.out_shape[-len(pools) :]
    windows = []
    for size, units, pool in zip(*shapes, pools, strict=True):
        k, s, p = pool.kernel_size, pool.stride, pool.before
        extra = units - ((size - 1) * s - 2 * p + k)  # torch lets output_size differ both ways
        crop = p, p - min(extra, 0)
        windows.append(Window(k, s, crop, output_padding=max(extra, 0), transposed=True))
    return slide(call, windows)


@rule(
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d "
    "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d"
)
def _adaptive_pool(call: TracedCall) -> Effect:
    count = int(call.name[-2])
    readings: list[Reading] = []
    for size, units in zip(call.x.shape[-count:], call.out_shape[-count:], strict=True):
        if units == 1:
            readings.append(ALL_POSITIONS)
        elif size % units == 0:
            readings.append(Window(size // units, stride=size // units))
        else:
            ends = _find_adaptive_ends(size, units)
            readings.append(Positions(tuple(tuple(range(*pair)) for pair in ends)))
    return slide(call, readings)


@rule("pad")
def _pad(call: TracedCall) -> Effect:
    amounts = each(call.get("pad"))
    mode = call.get("mode", "constant")
    readings: list[Reading] = []
    for before, after, size in zip(
        amounts[::2], amounts[1::2], reversed(call.x.shape), strict=False
    ):
        if (before, after) == (0, 0):
            readings.append(IDENTITY)
        elif mode != "constant":  # ask torch which position stands where
            places = torch.arange(size, dtype=torch.float64, device="cpu").view(1, 1, size)
            found = F.pad(places, (before, after), mode).flatten().tolist()
            window = Window(1, padding=(before, after))
            readings.append(Positions(tuple((int(i),) for i in found), (window,)))
        elif min(before, after) >= 0:
            readings.append(Window(1, padding=(before, after)))
        elif max(before, after) <= 0:
            readings.append(pick(size, range(-before, size + after)))
        else:
            kept = range(max(-before, 0), size + min(after, 0))
            new = ((),) * max(before, 0), ((),) * max(after, 0)
            chain = (
                Window(1, padding=(max(before, 0), max(after, 0))),
                Window(1, padding=(max(-before, 0), max(-after, 0)), transposed=True),
            )
            readings.append(Positions((*new[0], *((i,) for i in kept), *new[1]), chain))
    return slide(call, readings[::-1])


@rule("interpolate upsample_nearest upsample_bilinear")
def _interpolate(call: TracedCall) -> Effect:
    """Ask torch which positions count, one axis at a time."""
    scale = call.get("scale_factor")
    if call.name == "interpolate":
        mode = call.get("mode", "nearest")
        options = {
            "mode": "bilinear" if mode in ("linear", "trilinear") else mode,
            "align_corners": call.get("align_corners"),
            "recompute_scale_factor": call.get("recompute_scale_factor"),
            "antialias": call.get("antialias", False),
        }
    else:
        mode = call.name.removeprefix("upsample_")
        options = {"mode": mode, "align_corners": True if mode == "bilinear" else None}
    sizes, shape = call.x.shape[2:], call.out_shape[2:]
    scales = tuple(scale) if isinstance(scale, Sequence) else (scale,) * len(sizes)
    readings = []
    for size, units, factor in zip(sizes, shape, scales, strict=True):
        if options["mode"] == "area":
            found = [range(*ends) for ends in _find_adaptive_ends(size, units)]
        else:
            found = _resample(size, units, factor, options)
        readings.append(find_reading(size, found))
    return slide(call, readings)


#: How far to each side of a unit's centre a kernel reaches, in positions or, with antialias and
#: fewer units than positions, in units.
_REACH = {"nearest": 0, "nearest-exact": 0, "bilinear": 1, "bicubic": 2}

#: Torch resamples a column of width 1 wrongly with antialias (2.13, on a CPU).
_WIDTH = 4

#: So many numbers at once, while torch is asked.
_AT_ONCE = 2_000_000


def _resample(size: int, units: int, factor: Any, options: dict[str, Any]) -> list[list[int]]:
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


def _find_adaptive_ends(size: int, units: int) -> list[tuple[int, int]]:
    """Torch's windows: from floor(o * size / units) to ceil((o + 1) * size / units)."""
    return [(o * size // units, -(-(o + 1) * size // units)) for o in range(units)]


def find_reading(size: int, found: Sequence[Sequence[int]]) -> Reading:
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
            list(reads(window, size, units, unit)) == list(here) for unit, here in enumerate(found)
        ):
            return window
    return Positions(tuple(map(tuple, found)))


def pick(size: int, places: Sequence[int]) -> Reading:
    """What reads these single positions of an axis, in this order."""
    if not places:
        return Positions(())
    places = list(places)
    first, last = places[0], places[-1]
    step = places[1] - first if len(places) > 1 else 1
    if step > 0 and places == list(range(first, last + 1, step)):
        every = Window(1, stride=step)
        # A transposed window's padding crops its output.
        crop = Window(1, padding=(first, size - 1 - last), transposed=True)
        if first == 0 and output_size(size, every) == len(places):
            return every
        return crop if step == 1 else Positions(tuple((i,) for i in places), (crop, every))
    return find_reading(size, [(place,) for place in places])


@rule("pixel_shuffle pixel_unshuffle")
def _pixel_shuffle(call: TracedCall) -> Effect:
    factor = call.get("upscale_factor") or call.get("downscale_factor")
    window = Window(factor, stride=factor, transposed=call.name == "pixel_shuffle")
    effect = slide(call, [window, window])
    return replace(
        effect, dims=[*effect.dims[:-3], make_dim(call.out_shape[-3]), *effect.dims[-2:]]
    )


@rule("unfold")
def _unfold(call: TracedCall) -> Effect:
    """Windows of one dimension (``Tensor.unfold``), or im2col (``torch.nn.functional.unfold``)."""
    if call.out.dim() == call.x.dim() + 1:
        place, size = call.place(call.get("dimension")), call.get("size")
        window = Window(size, stride=call.get("step"))
        effect = call.along(place, window, call.out_shape[place])
        return replace(effect, dims=[*effect.dims, make_dim(size)])
    batch, channels, *map_dims = call.dims
    if any(len(dim) > 1 or not list_axes(dim) for dim in map_dims):
        raise call.refusal("it slides over something else than a map")
    readings = dict.fromkeys(list_axes(channels), ALL_POSITIONS)
    places: Dim = ()
    for ((axis, size),), window in zip(map_dims, _columns(call), strict=True):
        readings[axis] = window
        places += make_dim(output_size(size, window), axis)
    return Effect([batch, make_dim(call.out_shape[1]), places], readings)


@rule("fold")
def _fold(call: TracedCall) -> Effect:
    """The reverse of im2col: every column is added back where it came from."""
    batch, channels, places = call.dims
    if len(places) != 2 or len(list_axes(places)) != 2 or list_axes(channels):
        raise call.refusal("its columns are not the places of a map")
    dims, readings = [batch, make_dim(call.out_shape[1])], {}
    for (axis, size), units, window in zip(places, call.out_shape[2:], _columns(call), strict=True):
        window = replace(window, transposed=True)
        readings[axis] = replace(window, output_padding=units - output_size(size, window))
        dims.append(make_dim(units, axis))
    return Effect(dims, readings)


def _columns(call: TracedCall) -> list[Window]:
    """The windows of im2col and back."""
    names = ("kernel_size", "stride", "padding", "dilation")
    settings = (each(call.get(name, int(name != "padding")), 2) for name in names)
    return [Window(*setting) for setting in zip(*settings, strict=True)]
