"""The groups widget's sums: which channels each layer reads, what reaches an output, what it costs.

``groups_sums.js`` is the twin, name by name. All layers have stride 1 and as much padding as keeps
the map's size, and no biases.
"""

from collections.abc import Mapping, Sequence
from math import gcd
from typing import Any, NamedTuple

KINDS = ["dense", "grouped", "depthwise", "pointwise", "separable", "twice", "shuffled"]
GROUPED = ["grouped", "twice", "shuffled"]  # the kinds that the number of groups belongs to
SIZES = [1, 3, 5, 7, 9, 11]  # of kernels: odd, so that the map keeps its size
CHANNELS = (1, 512)
MAPS = (1, 256)  # height and width of the map
DOTS = 64  # the most that a column is drawn with


class Step(NamedTuple):
    """A layer: a convolution, or (``kernel_size`` 0) a shuffle, which has no weights."""

    in_channels: int
    out_channels: int
    groups: int
    kernel_size: int


def divisors(in_channels: int, out_channels: int) -> list[int]:
    """The numbers of groups that both numbers of channels can be cut into."""
    most = gcd(in_channels, out_channels)
    return [groups for groups in range(1, most + 1) if most % groups == 0]


def steps(state: Mapping[str, Any]) -> list[Step]:
    """The layers of a state, from input to output."""
    ins, outs, groups = state["in_channels"], state["out_channels"], state["groups"]
    size = state["kernel_size"]
    first, second = Step(ins, outs, groups, size), Step(outs, outs, groups, size)
    return {
        "dense": [Step(ins, outs, 1, size)],
        "grouped": [first],
        "depthwise": [Step(ins, ins, ins, size)],
        "pointwise": [Step(ins, outs, 1, 1)],
        "separable": [Step(ins, ins, ins, size), Step(ins, outs, 1, 1)],
        "twice": [first, second],
        "shuffled": [first, Step(outs, outs, groups, 0), second],
    }[state["kind"]]


def rivals(state: Mapping[str, Any]) -> list[Step]:
    """The dense layers that a state is compared with: as many, of the full kernel."""
    ins, outs, size = state["in_channels"], state["out_channels"], state["kernel_size"]
    if state["kind"] == "depthwise":
        return [Step(ins, ins, 1, size)]
    dense = [Step(ins, outs, 1, size), Step(outs, outs, 1, size)]
    return dense if state["kind"] in ("twice", "shuffled") else dense[:1]


def weights(step: Step) -> int:
    """How many weights a layer holds."""
    return step.out_channels * (step.in_channels // step.groups) * step.kernel_size**2


def reads(step: Step, channel: int) -> tuple[int, int]:
    """The first and the last channel that an output channel of a layer reads; it reads all between.

    Behind a shuffle, the channels stand as :class:`cnnlib.layers.ChannelShuffle` deals them out.
    """
    if step.kernel_size == 0:
        row, column = channel % step.groups, channel // step.groups
        source = row * (step.in_channels // step.groups) + column
        return source, source
    each = step.in_channels // step.groups
    group = channel // (step.out_channels // step.groups)
    return group * each, (group + 1) * each - 1


def reached(layers: Sequence[Step], output: int) -> list[list[int]]:
    """The channels that an output depends on: a list for each column, the input's first."""
    columns = [[output]]
    for step in reversed(layers):
        ranges = {reads(step, channel) for channel in columns[0]}
        columns.insert(
            0, [channel for first, last in sorted(ranges) for channel in range(first, last + 1)]
        )
        columns[0].sort()
    return columns


def column_groups(layers: Sequence[Step]) -> list[int]:
    """Into how many groups each column of channels is drawn: those of the layer that has more."""
    counts = [step.groups for step in layers]
    return [max(pair) for pair in zip([1, *counts], [*counts, 1], strict=True)]


def bundles(channels: int, groups: int) -> list[tuple[int, int]]:
    """The dots of a column, each for the channels from first to last: at most 64.

    No dot stands for a part of one group and a part of another.
    """
    size = channels // groups
    if groups > DOTS:  # whole groups in a dot
        step = size * -(-groups // DOTS)
        return [(a, min(a + step, channels) - 1) for a in range(0, channels, step)]
    step = -(-size // (DOTS // groups))
    return [
        (a, min(a + step, start + size) - 1)
        for start in range(0, channels, size)
        for a in range(start, start + size, step)
    ]


def threads(
    step: Step,
    left: Sequence[tuple[int, int]],
    right: Sequence[tuple[int, int]],
    lit: Sequence[int] | None = None,
) -> list[tuple[int, int]]:
    """Pairs of dots, one from each side, with a channel of the right that reads one of the left.

    With ``lit`` only these channels of the right count.
    """
    counted = None if lit is None else set(lit)
    pairs = []
    for j, (first, last) in enumerate(right):
        channels = [c for c in range(first, last + 1) if counted is None or c in counted]
        ranges = {reads(step, channel) for channel in channels}
        pairs += [
            (i, j)
            for i, (low, high) in enumerate(left)
            if any(a <= high and low <= b for a, b in ranges)
        ]
    return pairs


def runs(channels: Sequence[int]) -> list[list[int]]:
    """Ascending channels as runs, [first, last]."""
    found: list[list[int]] = []
    for channel in channels:
        if found and found[-1][1] == channel - 1:
            found[-1][1] = channel
        else:
            found.append([channel, channel])
    return found
