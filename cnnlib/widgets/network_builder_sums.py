"""What a plan comes to: a row for each of its operations, as a trace has them, and where it fails.

The rows are those that :func:`cnnlib.trace.trace` gives for the module that
:mod:`cnnlib.widgets.network_builder_code` writes, to the last number; here they are counted from
the plan alone, without torch. ``network_builder_sums.js`` is the twin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from cnnlib.geometry import Window, output_size
from cnnlib.rows import ALL_POSITIONS, IDENTITY, LayerTrace, Reading, seen_by
from cnnlib.sight import Sight, join, see_all, see_itself, see_through
from cnnlib.widgets.memory_bill_sums import KEEPS_INPUT, KEEPS_OUTPUT, RESPONSE_SIZE, VIEWS
from cnnlib.widgets.network_builder_plan import BLOCKS, settings_of
from cnnlib.widgets.settling import Said

MOST_CHANNELS = 4096
MOST_SIZE = 512  # of a map, along an axis
MOST_FIELD = 10**6  # pixels that a unit sees, or steps over
MOST_SPANS = 1024  # units that see each another window, behind transposed convolutions

POINTWISE = {
    "lrn": "LocalResponseNorm",
    "relu": "ReLU",
    "relu6": "ReLU6",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "dropout": "Dropout",
}


class Entry(NamedTuple):
    """A place of the plan: the input, a layer or a branch.

    ``shape`` is what comes out, (C, H, W) or (features,), None where that is not known. ``row`` is
    the row that gives it, -1 for the input. Rows ``first`` to ``end`` - 1 are its own, a block's
    with all that its branches do. ``fault`` says why it cannot do its work.
    """

    path: tuple[int, ...]
    shape: tuple[int, ...] | None
    row: int
    first: int
    end: int
    fault: Said | None


class Built(NamedTuple):
    """The rows of a plan, as far as it works, and an entry for each of its places."""

    rows: list[LayerTrace]
    entries: list[Entry]

    @property
    def fault(self) -> Entry | None:
        """The first entry that cannot do its work."""
        return next((entry for entry in self.entries if entry.fault), None)


def build(plan: Sequence, shape: Sequence[int]) -> Built:
    """The rows and entries of a legal plan for one image of ``shape``, (C, H, W)."""
    work = _Work([], [], [])
    start = _Flow(-1, tuple(shape), (see_itself(shape[1]), see_itself(shape[2])))
    work.entries.append(Entry((), start.shape, -1, 0, 0, None))
    work.chain(plan, start, (), "", ())
    return Built(work.rows, work.entries)


class _Fault(Exception):
    def __init__(self, key: str, **values: str | int) -> None:
        self.said = Said(f"fault.{key}", values)


class _Flow(NamedTuple):
    """What comes out of a row: its shape, and what its units see along each axis."""

    row: int
    shape: tuple[int, ...]
    sights: tuple[Sight, Sight]


@dataclass
class _Work:
    rows: list[LayerTrace]
    sights: list[tuple[Sight, Sight]]
    entries: list[Entry]

    def chain(
        self, layers: Sequence, flow: _Flow | None, path: tuple[int, ...], name: str, parents: tuple
    ) -> _Flow | None:
        for place, layer in enumerate(layers):
            own = f"{name}.{place}" if name else str(place)
            flow = self.layer(layer, flow, (*path, place), own, parents)
        return flow

    def layer(
        self, layer: list, flow: _Flow | None, path: tuple[int, ...], name: str, parents: tuple
    ) -> _Flow | None:
        place, first = len(self.entries), len(self.rows)
        self.entries.append(Entry(path, None, -1, first, first, None))
        out, fault = None, None
        try:
            if layer[0] in BLOCKS:
                out = self.block(layer, flow, path, name, parents)
            elif flow is not None:
                out = self.single(layer, flow, len(path) > 1, name, parents)
        except _Fault as found:
            fault = found.said
        shape, row = (out.shape, out.row) if out else (None, -1)
        self.entries[place] = Entry(path, shape, row, first, len(self.rows), fault)
        return out

    def block(
        self, layer: list, flow: _Flow | None, path: tuple[int, ...], name: str, parents: tuple
    ) -> _Flow | None:
        kind = layer[0]
        around = (*parents, kind.capitalize(), "ModuleList", "Sequential")
        ends: list[_Flow | None] = []
        for number, branch in enumerate(layer[1:]):
            place, first = len(self.entries), len(self.rows)
            here = (*path, number)
            self.entries.append(Entry(here, None, -1, first, first, None))
            end = self.chain(branch, flow, here, f"{name}.branches.{number}", around)
            shape, row = (end.shape, end.row) if end else (None, -1)
            self.entries[place] = Entry(here, shape, row, first, len(self.rows), None)
            ends.append(end)
        known = [end for end in ends if end is not None]
        if flow is None or len(known) < len(ends):
            return None
        if len(flow.shape) == 1:
            raise _Fault("maps")
        own = (*parents, kind.capitalize())
        return self.cat(name, known, own) if kind == "cat" else self.add(name, known, own)

    def add(self, name: str, ends: Sequence[_Flow], parents: tuple) -> _Flow:
        for number, end in enumerate(ends[1:], start=2):
            if end.shape != ends[0].shape:
                raise _Fault("add", branch=number, shape=times(end.shape), one=times(ends[0].shape))
        total = ends[0]
        for number, end in enumerate(ends[1:], start=1):
            own = f"{name}.add" + (f"#{number}" if number > 1 else "")
            total = self.write(own, "add", [total, end], total.shape, parents=parents)
        return total

    def cat(self, name: str, ends: Sequence[_Flow], parents: tuple) -> _Flow:
        for number, end in enumerate(ends[1:], start=2):
            if end.shape[1:] != ends[0].shape[1:]:
                shapes = times(end.shape[1:]), times(ends[0].shape[1:])
                raise _Fault("cat", branch=number, shape=shapes[0], one=shapes[1])
        shape = (sum(end.shape[0] for end in ends), *ends[0].shape[1:])
        return self.write(f"{name}.cat", "cat", ends, shape, parents=parents)

    def single(self, layer: list, flow: _Flow, inside: bool, name: str, parents: tuple) -> _Flow:
        """A layer that is no block. ``inside``: it stands in a branch."""
        kind, found = layer[0], settings_of(layer)
        is_map = len(flow.shape) == 3
        if kind in ("flatten", "linear"):
            if inside:
                raise _Fault("branch")
            if kind == "flatten":
                return self.write(name, "Flatten", [flow], (prod(flow.shape),), parents=parents)
            return self.linear(found, flow, name, parents)
        if not is_map and kind not in ("norm", "relu", "relu6", "sigmoid", "tanh", "dropout"):
            raise _Fault("maps")
        if kind == "norm":
            count = 2 * flow.shape[0]
            own = "BatchNorm2d" if is_map else "BatchNorm1d"
            return self.write(name, own, [flow], flow.shape, parameters=count, parents=parents)
        if kind in POINTWISE:
            return self.write(name, POINTWISE[kind], [flow], flow.shape, parents=parents)
        if kind == "shuffle":
            _divides(found["groups"], flow.shape[0], "in")
            return self.write(name, "ChannelShuffle", [flow], flow.shape, parents=parents)
        if kind == "global":
            shape, readings = (flow.shape[0], 1, 1), (ALL_POSITIONS,) * 2
            return self.write(name, "AdaptiveAvgPool2d", [flow], shape, readings, parents=parents)
        if kind == "dense":
            return self.dense(found, flow, name, parents)
        return self.slide(kind, found, flow, name, parents)

    def linear(self, found: dict[str, Any], flow: _Flow, name: str, parents: tuple) -> _Flow:
        if len(flow.shape) == 3:
            raise _Fault("vector", shape=times(flow.shape))
        [given], out = flow.shape, found["out_features"]
        readings = tuple(ALL_POSITIONS if sight.units > 1 else IDENTITY for sight in flow.sights)
        parameters = given * out + out * found["bias"]
        return self.write(
            name, "Linear", [flow], (out,), readings, parameters, given * out, parents=parents
        )

    def slide(
        self, kind: str, found: dict[str, Any], flow: _Flow, name: str, parents: tuple
    ) -> _Flow:
        """A convolution, plain or transposed, or a pool."""
        channels, *sizes = flow.shape
        windows, out = windows_of(kind, found), found.get("out_channels", channels)
        if kind == "conv":
            _divides(found["groups"], channels, "in")
            _divides(found["groups"], out, "out")
        elif kind != "transposed" and 2 * found["padding"] > found["kernel_size"]:
            raise _Fault("pool_padding", most=found["kernel_size"] // 2)
        try:
            places = [output_size(size, w) for size, w in zip(sizes, windows, strict=True)]
        except ValueError:
            if kind == "transposed":
                raise _Fault("cropped") from None
            padded = [size + 2 * w.before for size, w in zip(sizes, windows, strict=True)]
            spans = times([window.span for window in windows])
            raise _Fault("kernel", span=spans, padded=times(padded)) from None
        shape = (out, *places)
        own = {"max": "MaxPool2d", "mean": "AvgPool2d", "conv": "Conv2d"}
        if kind in ("max", "mean"):
            return self.write(name, own[kind], [flow], shape, windows, parents=parents)
        taps = windows[0].kernel_size * windows[1].kernel_size
        if kind == "conv":
            each = taps * (channels // found["groups"])  # weights that go into an output
            parameters, macs = out * (each + found["bias"]), prod(shape) * each
        else:
            parameters, macs = out * (channels * taps + 1), prod(flow.shape) * out * taps
        own_kind = own.get(kind, "ConvTranspose2d")
        return self.write(name, own_kind, [flow], shape, windows, parameters, macs, parents)

    def dense(self, found: dict[str, Any], flow: _Flow, name: str, parents: tuple) -> _Flow:
        """Each layer reads all before it: batch norm, ReLU, a 3x3 convolution, concatenation."""
        around = (*parents, "Dense", "ModuleList", "Sequential")
        growth = found["growth"]
        for number in range(found["layers"]):
            own = f"{name}.layers.{number}"
            channels, *sizes = flow.shape
            new = self.single(["norm"], flow, True, f"{own}.0", around)
            new = self.single(["relu"], new, True, f"{own}.1", around)
            new = self.single(["conv", growth, 3, 1, 1, 1, 1, 0], new, True, f"{own}.2", around)
            mark = f"#{number + 1}" if number else ""
            shape = (channels + growth, *sizes)
            joined = f"{name}.cat{mark}"
            flow = self.write(joined, "cat", [flow, new], shape, parents=(*parents, "Dense"))
        return flow

    def write(
        self,
        name: str,
        kind: str,
        flows: Sequence[_Flow],
        shape: tuple[int, ...],
        readings: Sequence[Reading] = (IDENTITY, IDENTITY),
        parameters: int = 0,
        macs: int = 0,
        parents: tuple[str, ...] = (),
    ) -> _Flow:
        """Append a row. One that no page could count to its end is a fault."""
        if len(shape) == 3 and shape[0] > MOST_CHANNELS:
            raise _Fault("channels", count=shape[0], most=MOST_CHANNELS)
        if len(shape) == 3 and max(shape[1:]) > MOST_SIZE:
            raise _Fault("size", shape=times(shape[1:]), most=MOST_SIZE)
        inputs = list({flow.row: flow for flow in flows}.values())
        sights, aligned = [], True
        for axis, reading in enumerate(readings):
            below = [flow.sights[axis] for flow in inputs]
            spans = prod(len(sight.spans) for sight in below if sight.step is not None)
            if isinstance(reading, Window) and reading.transposed:
                spans *= reading.stride
            if spans > MOST_SPANS:
                raise _Fault("uneven")
            if reading == ALL_POSITIONS:
                below = [see_all(sight, 1) for sight in below]
            sight, fits = join(below, below[0].units)
            if isinstance(reading, Window):
                sight = see_through(sight, reading, output_size(sight.units, reading))
            sights.append(sight)
            aligned &= fits
        field = tuple(sight.field() for sight in sights)
        if any(one.size > MOST_FIELD or one.stride > MOST_FIELD for one in field):
            raise _Fault("field")
        self.rows.append(
            LayerTrace(
                name=name,
                kind=kind,
                in_shape=(1, *flows[0].shape),
                out_shape=(1, *shape),
                parameters=parameters,
                macs=macs,
                activations=4 * prod(shape),
                field=field,
                inputs=tuple(flow.row for flow in inputs),
                windows=tuple(readings),
                aligned=aligned,
                grid=tuple(sight.units for sight in sights),
                parents=parents,
            )
        )
        return _Flow(len(self.rows) - 1, shape, (sights[0], sights[1]))


def windows_of(kind: str, found: dict[str, Any]) -> tuple[Window, Window]:
    """The windows along height and width that a layer's settings say."""
    stride = found["stride"]
    if kind == "conv":
        rows, columns = (
            Window(kernel, stride, padding, found["dilation"])
            for kernel, padding in zip(found["kernel_size"], found["padding"], strict=True)
        )
        return rows, columns
    kernel, padding, ceil_mode = found["kernel_size"], found["padding"], found.get("ceil_mode")
    rounding = {"transposed": kind == "transposed", "ceil_mode": bool(ceil_mode)}
    window = Window(kernel, stride, padding, **rounding)
    return window, window


def _divides(groups: int, channels: int, way: str) -> None:
    if channels % groups:
        raise _Fault(f"groups.{way}", groups=groups, channels=channels)


def times(sizes: Sequence[int]) -> str:
    """16×28×28"""
    return "×".join(map(str, sizes))


# For a batch --------------------------------------------------------------------------------------

KEPT_INPUT = KEEPS_INPUT | {"ConvTranspose2d", "BatchNorm1d", "ReLU6"}


def kept_bytes(rows: Sequence[LayerTrace], shape: Sequence[int], batch: int) -> list[int]:
    """Bytes that torch keeps for the way back: of the images, then of each row's output.

    In numbers of 32 bits, each piece of memory once, with the layer that made it; with it what its
    arithmetic keeps: the place of each maximum, dropout's mask, a batch's mean and deviation.
    """
    owner, kept = {-1: -1}, {-1}
    for number, row in enumerate(rows):
        owner[number] = owner[row.inputs[0]] if row.kind in VIEWS else number
        if row.kind in KEPT_INPUT:
            kept.add(owner[row.inputs[0]])
        elif row.kind in KEEPS_OUTPUT:
            kept.add(number)
    found = [4 * batch * prod(shape)]
    for number, row in enumerate(rows):
        values = prod(row.out_shape)
        each = 4 * values * (number in kept)
        each += values * {"MaxPool2d": 8, "Dropout": 1}.get(row.kind, 0)
        if row.kind == "LocalResponseNorm":  # the squares, the sum's base and its power
            each += 4 * (3 * values + (RESPONSE_SIZE - 1) * prod(row.out_shape[2:]))
        fixed = 8 * row.out_shape[1] if row.kind.startswith("BatchNorm") else 0
        found.append(batch * each + fixed)
    return found


# What a unit sees ---------------------------------------------------------------------------------


class Seen(NamedTuple):
    """The middle unit of a map: its place, [first, last] an axis of what it sees, and the share.

    ``whole`` is its field as if the picture had no border, ``seen`` what of it lies in the picture.
    ``share`` is the part of the picture's pixels, in tenths of a per cent, rounded down.
    """

    unit: list[int]
    whole: list[list[int]]
    seen: list[list[int]]
    share: int


def seen_from(rows: Sequence[LayerTrace], row: int, shape: Sequence[int]) -> Seen | None:
    """What the middle unit of a row's map sees; None where it reads nothing of the picture."""
    sizes = list(shape[1:])
    if row < 0:
        unit = [size // 2 for size in sizes]
        here = [[place, place] for place in unit]
        return Seen(unit, here, here, 1000 // prod(sizes))
    unit = [size // 2 for size in rows[row].grid]
    ways = [seen_by(rows, row, unit, clip)[-1] for clip in (False, True)]
    if not all(places for way in ways for places in way):
        return None
    whole, seen = ([[places[0], places[-1]] for places in way] for way in ways)
    inside = prod(last - first + 1 for first, last in seen)
    return Seen(unit, whole, seen, 1000 * inside // prod(sizes))
