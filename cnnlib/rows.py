"""The rows of a trace, without torch: what each says, what its units read, and its JSON.

:func:`cnnlib.trace.trace` makes the rows. This module says what can be read off them: who sees what
(:func:`seen_by`, :func:`reaches`), the rows of a module put together (:func:`summarise`), a table.
The page reads the same rows from their JSON, :meth:`LayerTrace.to_json`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from fractions import Fraction

from cnnlib.geometry import Field, Window, output_indices, read_by, whole_number

# What the units of a row read, one axis at a time ------------------------------------------------


@dataclass(frozen=True)
class Positions:
    """What each unit reads, where no single :class:`Window` says it.

    ``reads[unit]`` are the input positions, ascending. ``chain`` holds windows that, one after the
    other, say the same away from the borders (reflected padding, say, and the convolution over it);
    it is empty where none do (resampling by 1.5).
    """

    reads: tuple[tuple[int, ...], ...]
    chain: tuple[Window, ...] = ()


@dataclass(frozen=True)
class AllPositions:
    """Every unit reads every position of the axis."""


#: How the units of a row read an axis of the row below.
Reading = Window | Positions | AllPositions

#: Unit i reads position i.
IDENTITY = Window(1)

#: Every unit reads every position.
ALL_POSITIONS = AllPositions()


def reads(reading: Reading, size: int, units: int, unit: int, clip: bool = True) -> Iterable[int]:
    """The positions, of ``size``, that one of ``units`` units reads.

    One position under more units is read by all of them. Without ``clip``, windows go on beyond the
    borders, and ``unit`` may lie there too.
    """
    if isinstance(reading, AllPositions):
        return range(size)
    if size == 1 < units and reading == IDENTITY:
        return range(1)
    if isinstance(reading, Window):
        found = read_by(reading, unit)
        return [i for i in found if 0 <= i < size] if clip else found
    if clip or not reading.chain:
        return reading.reads[unit] if 0 <= unit < units else ()
    places = {unit}
    for window in reversed(reading.chain):
        places = {i for place in places for i in read_by(window, place)}
    return places


def feeds(reading: Reading, size: int, units: int, places: frozenset[int]) -> frozenset[int]:
    """The units that read any of ``places``."""
    if isinstance(reading, Window) and (size > 1 or units == 1):
        return frozenset(o for place in places for o in output_indices(reading, size, place))
    return frozenset(
        unit for unit in range(units) if not places.isdisjoint(reads(reading, size, units, unit))
    )


# The rows ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a row of a trace and a row of a summary both say.

    What is given axis by axis is in the input's order: (height, width). ``in_shape`` is the shape
    of the first input; ``inputs`` are the numbers of the rows that are read, -1 standing for the
    network's input.

    ``grid`` counts the units along each axis: 1 where the axis is gone, and still height and width
    where a vector is a flattened map. ``parents`` are the classes of the modules around, outermost
    first. ``macs`` are multiply-adds, ``activations`` bytes. :mod:`cnnlib.trace` has the rules.
    """

    name: str
    kind: str
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    parameters: int
    macs: int
    activations: int
    field: tuple[Field, ...]
    inputs: tuple[int, ...]
    aligned: bool
    grid: tuple[int, ...]
    parents: tuple[str, ...]

    @property
    def map_shape(self) -> tuple[int, ...]:
        """The size along each axis of the map that comes out, (1, 1) for a vector."""
        return self.out_shape[2:] or (1,) * len(self.grid)


@dataclass(frozen=True, kw_only=True)
class Summary(Row):
    """Several rows of a trace put together.

    Parameters, multiply-adds and activations are sums; shape, field and grid are the last row's.
    How its units read the rows below takes the rows themselves: a summary has no ``windows``.
    """


@dataclass(frozen=True, kw_only=True)
class LayerTrace(Row):
    """One row of a trace. ``windows`` say how its units read the ``inputs``, one an axis.

    An input of one unit is read by all of the row's units.
    """

    windows: tuple[Reading, ...]

    def to_json(self) -> dict:
        """The row as JSON values. Back: :meth:`from_json`, on the page ``readRows`` of geometry.js.

        What is usual is left out: ``aligned`` where it is true, ``parents`` where there are none,
        ``grid`` where it is the size of the map, a window's settings where they are the defaults.
        What is the same on every axis stands once. A number that is not whole is a string, "3/2".
        """
        row = {
            "name": self.name,
            "kind": self.kind,
            "in_shape": list(self.in_shape),
            "out_shape": list(self.out_shape),
            "parameters": self.parameters,
            "macs": self.macs,
            "activations": self.activations,
            "field": _once([_field_to_json(field) for field in self.field]),
            "inputs": list(self.inputs),
            "windows": _once([_reading_to_json(reading) for reading in self.windows]),
        }
        if not self.aligned:
            row["aligned"] = False
        if self.grid != self.out_shape[2:]:
            row["grid"] = list(self.grid)
        if self.parents:
            row["parents"] = list(self.parents)
        return row

    @classmethod
    def from_json(cls, row: dict) -> "LayerTrace":
        """The row that :meth:`to_json` wrote. Raises ``ValueError`` that names what is missing."""
        try:
            out_shape = tuple(row["out_shape"])
            grid = tuple(row.get("grid", out_shape[2:]))
            return cls(
                name=row["name"],
                kind=row["kind"],
                in_shape=tuple(row["in_shape"]),
                out_shape=out_shape,
                parameters=row["parameters"],
                macs=row["macs"],
                activations=row["activations"],
                field=tuple(map(_field_from_json, _each(row["field"], len(grid)))),
                inputs=tuple(row["inputs"]),
                windows=tuple(map(_reading_from_json, _each(row["windows"], len(grid)))),
                aligned=row.get("aligned", True),
                grid=grid,
                parents=tuple(row.get("parents", ())),
            )
        except KeyError as error:
            raise ValueError(f"{error} is missing: expected what to_json() writes") from error


_DEFAULTS = {field.name: field.default for field in fields(Window) if field.default is not MISSING}


def _once(axes: list) -> list:
    return axes[:1] if all(axis == axes[0] for axis in axes) else axes


def _each(axes: list, count: int) -> list:
    return axes * count if len(axes) == 1 else axes


def _field_to_json(field: Field) -> dict:
    return {
        name: number if isinstance(number, int) else str(number)
        for name, number in asdict(field).items()
    }


def _field_from_json(field: dict) -> Field:
    numbers = {name: Fraction(number) for name, number in field.items()}
    whole = {name: int(n) if n.denominator == 1 else n for name, n in numbers.items()}
    return Field(**whole)


def _reading_to_json(reading: Reading) -> dict | str:
    match reading:
        case AllPositions():
            return "all"
        case Positions(found, chain):
            return {
                "reads": [list(positions) for positions in found],
                "chain": [_reading_to_json(window) for window in chain],
            }
        case Window():
            return {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in asdict(reading).items()
                if value != _DEFAULTS.get(name)
            }


def _reading_from_json(reading: dict | str) -> Reading:
    match reading:
        case "all":
            return ALL_POSITIONS
        case {"reads": found, "chain": chain}:
            return Positions(tuple(map(tuple, found)), tuple(map(_reading_from_json, chain)))
        case dict():
            return Window(**reading)
    raise ValueError(f"{reading!r}: expected a window, positions or 'all'")


def check_rows(rows: Sequence[Row]) -> None:
    """``ValueError`` where ``rows`` are not those of a trace: none at all, or a summary's."""
    if not rows:
        raise ValueError("rows is empty: expected the rows of trace()")
    for number, row in enumerate(rows):
        if not isinstance(row, LayerTrace):
            kind = type(row).__name__
            what = f"{kind} of several rows, {row.name}" if isinstance(row, Summary) else kind
            raise ValueError(f"rows[{number}] is a {what}: expected the rows of trace()")


def mark(uses: Counter[str], name: str) -> str:
    """The name, marked from its second use on: ``relu``, ``relu#2``. Counts it in ``uses``."""
    uses[name] += 1
    return name if uses[name] == 1 else f"{name}#{uses[name]}"


def summarise(rows: Sequence[LayerTrace], depth: int = 1) -> list[Row]:
    """The rows of each child module at ``depth`` put together: one row each time that it runs.

    A :class:`Summary` where they are several; where it is one, the row itself under the module's
    name. ``inputs`` number the rows of the answer.

    Raises ``ValueError`` for a depth below 1.
    """
    depth = whole_number(depth, "depth", 1)
    groups: dict[int, list[int]] = {}
    home, stem = {-1: -1}, None
    for number, row in enumerate(rows):
        if row.name.split(".")[:depth] != stem:
            stem = row.name.split(".")[:depth]
            groups[len(groups)] = []
        home[number] = len(groups) - 1
        groups[home[number]].append(number)
    uses: Counter[str] = Counter()
    summary: list[Row] = []
    for place, group in groups.items():
        inside = [rows[number] for number in group]
        first, last = inside[0], inside[-1]
        parts = first.name.split(".")
        sources = dict.fromkeys(home[source] for row in inside for source in row.inputs)
        own = {
            "name": mark(uses, ".".join(parts[:depth])),
            "kind": first.parents[depth - 1] if len(parts) > depth else first.kind,
            "inputs": tuple(source for source in sources if source != place),
            "parents": first.parents[: depth - 1],
        }
        if len(inside) == 1:
            summary.append(replace(first, **own))
            continue
        summary.append(
            Summary(
                **own,
                in_shape=first.in_shape,
                out_shape=last.out_shape,
                parameters=sum(row.parameters for row in inside),
                macs=sum(row.macs for row in inside),
                activations=sum(row.activations for row in inside),
                field=last.field,
                aligned=all(row.aligned for row in inside),
                grid=last.grid,
            )
        )
    return summary


def as_table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table with totals. Shapes are without the batch.

    Where all units see the same, the stride is a dash.
    """

    def times(sizes: Iterable[object]) -> str:
        return "×".join(map(str, sizes))

    heads = ("layer", "kind", "output", "parameters", "multiply-adds", "bytes", "field", "stride")
    lines = [
        (
            row.name,
            row.kind,
            times(row.out_shape[1:]),
            f"{row.parameters:,}",
            f"{row.macs:,}",
            f"{row.activations:,}",
            times(field.size for field in row.field),
            times(strides) if any(strides) else "–",
        )
        for row in rows
        for strides in [[field.stride for field in row.field]]
    ]
    totals = [sum(getattr(r, key) for r in rows) for key in ("parameters", "macs", "activations")]
    lines.append(("**total**", "", "", *(f"{total:,}" for total in totals), "", ""))
    rule = ("---", "---", "---:", "---:", "---:", "---:", "---:", "---:")
    return "\n".join("| " + " | ".join(line) + " |" for line in [heads, rule, *lines])


# Who sees what -----------------------------------------------------------------------------------


def seen_by(
    rows: Sequence[LayerTrace], row: int, unit: Sequence[int], clip: bool = True
) -> dict[int, tuple[range, ...]]:
    """What unit ``unit`` of row number ``row`` sees in every row below and in the input (key -1).

    One range an axis, from the first position to the last; empty where nothing is seen. Exact for
    every unit: sets of positions are followed down the graph. Without ``clip`` windows go on beyond
    the borders, so ranges may begin below 0.

    Raises ``ValueError`` for a row or a unit that is not there, or where ``rows`` is a summary.
    """
    check_rows(rows)
    row = whole_number(row, "row", 0)
    if row >= len(rows):
        raise ValueError(f"row={row}: expected a whole number from 0 to {len(rows) - 1}")
    grid, given = rows[row].grid, tuple(unit)
    try:
        unit = tuple(whole_number(place, "unit", 0) for place in given)
        inside = all(place < size for place, size in zip(unit, grid, strict=True))
    except ValueError:
        inside = False
    if not inside:
        raise ValueError(f"unit={given}: row {row} ({rows[row].name}) has a grid of {grid}")
    boxes: dict[int, list[_Box]] = {number: [] for number in range(-1, row)}
    boxes[row] = [tuple(frozenset([place]) for place in unit)]
    for number in range(row, -1, -1):
        for source in rows[number].inputs if boxes[number] else ():
            axes = _axes(rows, number, source)
            for box in boxes[number]:
                read = [
                    frozenset(i for place in places for i in reads(*axis, place, clip))
                    for places, axis in zip(box, axes, strict=True)
                ]
                _include(boxes[source], tuple(read))
    return {number: _hull(boxes[number], len(grid)) for number in range(-1, row)}


def reaches(rows: Sequence[LayerTrace], region: Sequence[range]) -> dict[int, tuple[range, ...]]:
    """The projective field: which units of each row a box of the input can change.

    ``region`` is one range of input positions an axis. The answer has, for every row, one range of
    units an axis, from the first to the last; empty where nothing changes. Key -1 is the region.

    Raises ``ValueError`` for a region outside the input, or where ``rows`` is a summary.
    """
    check_rows(rows)
    grid, region = _grid(rows, -1), tuple(region)
    if len(region) != len(grid) or not all(
        isinstance(places, range) and all(0 <= place < size for place in places)
        for places, size in zip(region, grid, strict=True)
    ):
        raise ValueError(f"region={region}: expected ranges within the input's grid of {grid}")
    boxes: dict[int, list[_Box]] = {number: [] for number in range(-1, len(rows))}
    _include(boxes[-1], tuple(map(frozenset, region)))
    for number, row in enumerate(rows):
        for source in row.inputs:
            axes = _axes(rows, number, source)
            for box in boxes[source]:
                fed = [feeds(*axis, places) for places, axis in zip(box, axes, strict=True)]
                _include(boxes[number], tuple(fed))
    return {number: _hull(found, len(grid)) for number, found in boxes.items()}


#: A set of positions for each axis: what one path through the graph touches. Paths that differ
#: (1x7 beside 7x1) touch a union of boxes, and that is not the box around them.
_Box = tuple[frozenset[int], ...]


def _include(boxes: list[_Box], new: _Box) -> None:
    """Add a box, unless it is empty or lies in another; drop those that lie in it."""

    def inside(small: _Box, large: _Box) -> bool:
        return all(a <= b for a, b in zip(small, large, strict=True))

    if all(new) and not any(inside(new, box) for box in boxes):
        boxes[:] = [box for box in boxes if not inside(box, new)] + [new]


def _hull(boxes: list[_Box], axes: int) -> tuple[range, ...]:
    if not boxes:
        return (range(0),) * axes
    return tuple(
        range(min(map(min, sets)), max(map(max, sets)) + 1) for sets in zip(*boxes, strict=True)
    )


def _axes(rows: Sequence[LayerTrace], number: int, source: int) -> list[tuple[Reading, int, int]]:
    """How a row reads one of its inputs, axis by axis: reading, positions, units."""
    row = rows[number]
    return list(zip(row.windows, _grid(rows, source), row.grid, strict=True))


def _grid(rows: Sequence[LayerTrace], number: int) -> tuple[int, ...]:
    return rows[number].grid if number >= 0 else rows[0].in_shape[2:]
