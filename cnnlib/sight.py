"""What the units along one axis see of the network's input, carried from layer to layer."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from cnnlib.geometry import Field, Window, input_indices, output_size, read_by
from cnnlib.rows import IDENTITY, Positions


@dataclass(frozen=True)
class Sight:
    """What each unit of an axis sees.

    ``spans`` hold one period: unit ``i + len(spans)`` sees what unit ``i`` sees, ``step`` inputs
    further on, and so on without end. Where the units follow no such rule ``step`` is None, and
    ``spans`` has every unit that there is.

    ``pitch`` is the mean distance between neighbours' centres, ``origin`` the centre of unit 0: how
    the grid of units lies on the input. A gate changes what units see, not where they lie.
    """

    units: int
    spans: tuple[range, ...]
    step: int | None
    pitch: Fraction
    origin: Fraction

    def span(self, unit: int) -> range:
        """What a unit sees, whether it exists or would stand in the padding."""
        if self.step is None:
            return self.spans[unit] if 0 <= unit < len(self.spans) else range(0)
        turns, phase = divmod(unit, len(self.spans))
        shift = turns * self.step
        return range(self.spans[phase].start + shift, self.spans[phase].stop + shift)

    def field(self) -> Field:
        """The units' field, or where they differ, the largest size over the mean places."""
        if self.step is not None and len(self.spans) == 1:
            return Field(len(self.spans[0]), self.step, self.spans[0].start)
        size = max(map(len, self.spans))
        return Field(size, _simplify(self.pitch), _simplify(self.origin - Fraction(size - 1, 2)))


def see_itself(size: int) -> Sight:
    """The input's own axis: every position sees itself."""
    return Sight(size, (range(1),), 1, Fraction(1), Fraction(0))


def see_through(sight: Sight, reading: Window | Positions, units: int) -> Sight:
    """What ``units`` units see that read an axis of which ``sight`` is known."""
    if reading == IDENTITY:
        return sight
    if isinstance(reading, Window):
        return _see_through_window(sight, reading, units)
    if reading.chain:
        for window in reading.chain:
            sight = _see_through_window(sight, window, output_size(sight.units, window))
        return sight
    rate = Fraction(sight.units, units)
    spans = [_hull(map(sight.span, positions)) for positions in reading.reads]
    return _settle(units, spans, None, *_move_grid(sight, enumerate(reading.reads), rate))


def _see_through_window(sight: Sight, window: Window, units: int) -> Sight:
    period, step = window.period
    grid = _move_grid(
        sight, ((o, read_by(window, o)) for o in range(period)), Fraction(step, period)
    )
    if sight.step is None:
        read = [input_indices(window, sight.units, o) for o in range(units)]
        return _settle(units, [_hull(map(sight.span, r)) for r in read], None, *grid)
    # The window's period, as often as it takes to come to the end of one of the sight's.
    turns = len(sight.spans) // math.gcd(len(sight.spans), step)
    spans = [_hull(map(sight.span, read_by(window, o))) for o in range(turns * period)]
    return _settle(units, spans, sight.step * turns * step // len(sight.spans), *grid)


def see_all(sight: Sight, units: int) -> Sight:
    """All of an axis, seen by each of ``units`` units that lie evenly over it."""
    whole = _hull(map(sight.span, range(sight.units)))
    pitch = sight.pitch * sight.units / units
    middle = sight.origin + sight.pitch * Fraction(sight.units - 1, 2)
    return Sight(units, (whole,), 0, pitch, middle - pitch * Fraction(units - 1, 2))


def join(sights: Sequence[Sight], units: int) -> tuple[Sight, bool]:
    """The hull of what several inputs' units see, and whether their grids lie on each other.

    An input of one unit, where there are more, is seen by all of them and has no grid.
    """
    grids = [sight for sight in sights if sight.units == units]
    aligned = units == 1 or len({(sight.pitch, sight.origin) for sight in grids}) == 1
    if len(sights) == 1:
        return sights[0], aligned
    sights = [s if s.units == units else replace(s, spans=(s.span(0),), step=0) for s in sights]
    rates = {s.step if s.step is None else Fraction(s.step, len(s.spans)) for s in sights}
    period, step = units, None
    if len(rates) == 1 and None not in rates:
        period = math.lcm(*(len(s.spans) for s in sights))
        step = int(rates.pop() * period)
    spans = [_hull(s.span(o) for s in sights) for o in range(period)]
    return _settle(units, spans, step, grids[0].pitch, grids[0].origin), aligned


def _move_grid(
    sight: Sight, read: Iterable[tuple[int, Sequence[int]]], rate: Fraction
) -> tuple[Fraction, Fraction]:
    """Pitch and origin of a grid whose units lie in the middle of what they read, on average."""
    offsets = [Fraction(min(r) + max(r), 2) - unit * rate for unit, r in read if r]
    offset = sum(offsets, Fraction(0)) / max(len(offsets), 1)
    return sight.pitch * rate, sight.origin + sight.pitch * offset


def _settle(
    units: int, spans: Sequence[range], step: int | None, pitch: Fraction, origin: Fraction
) -> Sight:
    """A sight in its shortest form: one span, if the others follow from it."""
    sight = Sight(units, tuple(spans), step, pitch, origin)
    each = 0 if step is None else Fraction(step, len(spans))
    if each != int(each):
        return sight
    short = replace(sight, spans=sight.spans[:1], step=int(each))
    return short if all(short.span(o) == seen for o, seen in enumerate(spans)) else sight


def _hull(ranges: Iterable[range]) -> range:
    ranges = [found for found in ranges if found]
    if not ranges:
        return range(0)
    return range(min(found.start for found in ranges), max(found.stop for found in ranges))


def _simplify(number: Fraction) -> int | Fraction:
    return int(number) if number.denominator == 1 else number
