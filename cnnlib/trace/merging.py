"""Rows that are one layer: whether several rows read as one window would, and the row of them."""

from collections.abc import Sequence
from dataclasses import replace

from cnnlib.geometry import Window
from cnnlib.rows import ALL_POSITIONS, IDENTITY, LayerTrace, Positions, Reading, reads


def find_whole(
    rows: Sequence[LayerTrace], start: int, entry: tuple[int, ...]
) -> tuple[Reading, ...] | None:
    """How the rows from ``start`` on read each axis as one layer; None if they are several.

    ``entry`` is the grid of the network's input.
    """
    whole = []
    for axis in range(len(entry)):
        reading = _find_reading(rows, start, entry, axis)
        if reading is None:
            return None
        whole.append(reading)
    return tuple(whole)


def merge(
    rows: Sequence[LayerTrace], start: int, whole: tuple[Reading, ...], **own: object
) -> LayerTrace:
    """The rows from ``start`` on as one that reads as ``whole``, with ``own`` attributes."""
    inside = rows[start:]
    return replace(
        inside[-1],
        in_shape=inside[0].in_shape,
        parameters=sum(row.parameters for row in inside),
        inputs=_find_outside(rows, start),
        windows=whole,
        aligned=all(row.aligned for row in inside),
        **own,
    )


def _find_outside(rows: Sequence[LayerTrace], start: int) -> tuple[int, ...]:
    """What the rows from ``start`` on read of the rows before."""
    read = (source for row in rows[start:] for source in row.inputs)
    return tuple(dict.fromkeys(source for source in read if source < start))


def _find_reading(
    rows: Sequence[LayerTrace], start: int, entry: tuple[int, ...], axis: int
) -> Reading | None:
    inside = rows[start:]
    found = [row.windows[axis] for row in inside if row.windows[axis] != IDENTITY]
    if len(inside) == 1 or set(found) <= {ALL_POSITIONS}:
        return found[0] if found else IDENTITY
    reading = _find_one(found)
    if reading is None:
        return None

    def count(source: int) -> int:
        return rows[source].grid[axis] if source >= 0 else entry[axis]

    # Does it hold? Follow, unit by unit, what is read of each input from outside.
    seen: list[list[set[tuple[int, int]]]] = []
    for row in inside:
        seen.append([set() for _ in range(row.grid[axis])])
        for source in row.inputs:
            for unit, places in enumerate(seen[-1]):
                for i in reads(row.windows[axis], count(source), row.grid[axis], unit):
                    places |= {(source, i)} if source < start else seen[source - start][i]
    outside = _find_outside(rows, start)
    if isinstance(reading, Positions) and len(outside) == 1:
        exact = tuple(tuple(sorted(i for _, i in places)) for places in seen[-1])
        reading = replace(reading, reads=exact)
    for unit, places in enumerate(seen[-1]):
        if places != {
            (source, i)
            for source in outside
            for i in reads(reading, count(source), len(seen[-1]), unit)
        }:
            return None
    return reading


def _find_one(found: list[Reading]) -> Reading | None:
    """The one reading that several may come to: the only one, or padding and a window over it.

    None where there is no such reading.
    """
    if len(set(found)) == 1:
        return found[0]
    match found:
        case [Window() as padding, Window() as window]:
            pad = padding
        case [Positions(chain=(pad,)), Window() as window]:
            pass
        case _:
            return None
    if replace(pad, padding=0) != IDENTITY or window.transposed:
        return None
    whole = replace(window, padding=(pad.before + window.before, pad.after + window.after))
    return whole if found[0] is pad else Positions((), (whole,))
