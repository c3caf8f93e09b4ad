"""How the units of a layer read one axis of the layer below."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cnnlib.geometry import Window, input_indices, output_indices


@dataclass(frozen=True)
class Positions:
    """What each unit reads, where no single :class:`Window` says it.

    ``reads[unit]`` are the input positions, ascending. ``chain`` holds windows that, one after the
    other, say the same away from the borders (reflected padding, say, and the convolution over it);
    it is empty where none do (resampling by 1.5).
    """

    reads: tuple[tuple[int, ...], ...]
    chain: tuple[Window, ...] = ()


#: How an axis is read; None: every unit reads every position.
Reading = Window | Positions | None

#: Unit i reads position i.
IDENTITY = Window(1)


def reads(reading: Reading, size: int, units: int, unit: int, clip: bool = True) -> Iterable[int]:
    """The positions, of ``size``, that one of ``units`` units reads.

    One position under more units is read by all of them. Without ``clip``, windows go on beyond the
    borders, and ``unit`` may lie there too.
    """
    if reading is None:
        return range(size)
    if size == 1 < units and reading == IDENTITY:
        return range(1)
    if isinstance(reading, Window):
        if not clip:
            return endless(reading, unit)
        return (i for i in input_indices(reading, size, unit) if 0 <= i < size)
    if clip or not reading.chain:
        return reading.reads[unit] if 0 <= unit < units else ()
    places = {unit}
    for window in reversed(reading.chain):
        places = {i for place in places for i in endless(window, place)}
    return places


def feeds(reading: Reading, size: int, units: int, places: frozenset[int]) -> frozenset[int]:
    """The units that read any of ``places``."""
    if isinstance(reading, Window) and (size > 1 or units == 1):
        return frozenset(o for place in places for o in output_indices(reading, size, place))
    return frozenset(
        unit for unit in range(units) if not places.isdisjoint(reads(reading, size, units, unit))
    )


def endless(window: Window, unit: int) -> list[int]:
    """What a unit reads where the axis has no ends, so that any whole number is a unit."""
    period, step = window_period(window)
    turns, phase = divmod(unit, period)
    room = window.span + window.before + window.after + 1
    return [i + turns * step for i in input_indices(window, room, phase)]


def window_reads(window: Window, size: int, units: int) -> Iterator[list[int]]:
    """The positions, of ``size``, that each of ``units`` units reads through a window, in order."""
    period, step = window_period(window)
    patterns = [endless(window, phase) for phase in range(period)]
    for unit in range(units):
        turns, phase = divmod(unit, period)
        shift = turns * step
        yield [i + shift for i in patterns[phase] if 0 <= i + shift < size]


def window_period(window: Window) -> tuple[int, int]:
    """After how many units a window repeats itself, and how many inputs further on."""
    return (window.stride, 1) if window.transposed else (1, window.stride)


def around(before: int, after: int) -> int | tuple[int, int]:
    """Padding in its shortest form."""
    return before if before == after else (before, after)
