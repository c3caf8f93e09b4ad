"""The rows of a trace, and what can be read off them: summaries, a table, who sees what."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cnnlib.geometry import Field, whole_number
from cnnlib.trace.reading import Reading, feeds, reads


@dataclass(frozen=True)
class LayerTrace:
    """One row of a trace. What is given axis by axis is in the input's order: (height, width).

    ``in_shape`` is the shape of the first input; ``inputs`` are the rows that are read, -1 standing
    for the network's input. ``windows`` say how, one an axis: a :class:`Window`, :class:`Positions`
    or None for every position. An input of one unit is read by all of the row's units.

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
    windows: tuple[Reading, ...]
    aligned: bool
    grid: tuple[int, ...] = ()
    parents: tuple[str, ...] = ()


def marked(uses: Counter[str], name: str) -> str:
    """The name, marked from its second use on."""
    uses[name] += 1
    return name if uses[name] == 1 else f"{name}#{uses[name]}"


def summarise(layers: Sequence[LayerTrace], depth: int = 1) -> list[LayerTrace]:
    """The rows of each child module at ``depth`` put together: one row each time that it runs.

    Parameters, multiply-adds and activations are sums; shape, field and grid are the last row's;
    ``inputs`` number the summary's rows. ``windows`` is () where a row stands for several.

    Raises ``ValueError`` for a depth below 1.
    """
    depth = whole_number(depth, "depth", 1)
    groups: dict[int, list[int]] = {}
    home, stem = {-1: -1}, None
    for number, layer in enumerate(layers):
        if layer.name.split(".")[:depth] != stem:
            stem = layer.name.split(".")[:depth]
            groups[len(groups)] = []
        home[number] = len(groups) - 1
        groups[home[number]].append(number)
    uses: Counter[str] = Counter()
    summary = []
    for place, group in groups.items():
        rows = [layers[number] for number in group]
        first, last = rows[0], rows[-1]
        parts = first.name.split(".")
        sources = dict.fromkeys(home[source] for row in rows for source in row.inputs)
        summary.append(
            replace(
                last,
                name=marked(uses, ".".join(parts[:depth])),
                kind=first.parents[depth - 1] if len(parts) > depth else first.kind,
                in_shape=first.in_shape,
                parameters=sum(row.parameters for row in rows),
                macs=sum(row.macs for row in rows),
                activations=sum(row.activations for row in rows),
                inputs=tuple(source for source in sources if source != place),
                windows=first.windows if len(rows) == 1 else (),
                aligned=all(row.aligned for row in rows),
                parents=first.parents[: depth - 1],
            )
        )
    return summary


def as_table(layers: Sequence[LayerTrace]) -> str:
    """The rows as a Markdown table with totals. Shapes are without the batch.

    Where all units see the same, the stride is a dash.
    """

    def times(sizes: Iterable[object]) -> str:
        return "×".join(map(str, sizes))

    heads = ("layer", "kind", "output", "parameters", "multiply-adds", "bytes", "field", "stride")
    lines = [
        (
            layer.name,
            layer.kind,
            times(layer.out_shape[1:]),
            f"{layer.parameters:,}",
            f"{layer.macs:,}",
            f"{layer.activations:,}",
            times(field.size for field in layer.field),
            times(strides) if any(strides) else "–",
        )
        for layer in layers
        for strides in [[field.stride for field in layer.field]]
    ]
    totals = [sum(getattr(x, key) for x in layers) for key in ("parameters", "macs", "activations")]
    lines.append(("**total**", "", "", *(f"{total:,}" for total in totals), "", ""))
    rule = ("---", "---", "---:", "---:", "---:", "---:", "---:", "---:")
    return "\n".join("| " + " | ".join(line) + " |" for line in [heads, rule, *lines])


def seen_by(
    layers: Sequence[LayerTrace], row: int, unit: Sequence[int], clip: bool = True
) -> dict[int, tuple[range, ...]]:
    """What unit ``unit`` of row ``row`` sees in every row below and in the input (key -1).

    One range an axis, from the first position to the last; empty where nothing is seen. Exact for
    every unit: sets of positions are followed down the graph. Without ``clip`` windows go on beyond
    the borders, so ranges may begin below 0.

    Raises ``ValueError`` for a row or a unit that is not there, or where ``layers`` is a summary.
    """
    _check_rows(layers)
    row = whole_number(row, "row", 0)
    if row >= len(layers):
        raise ValueError(f"row={row}: expected a whole number from 0 to {len(layers) - 1}")
    grid, given = layers[row].grid, tuple(unit)
    try:
        unit = tuple(whole_number(place, "unit", 0) for place in given)
        inside = all(place < size for place, size in zip(unit, grid, strict=True))
    except ValueError:
        inside = False
    if not inside:
        raise ValueError(f"unit={given}: row {row} ({layers[row].name}) has a grid of {grid}")
    boxes: dict[int, list[_Box]] = {number: [] for number in range(-1, row)}
    boxes[row] = [tuple(frozenset([place]) for place in unit)]
    for number in range(row, -1, -1):
        for source in layers[number].inputs if boxes[number] else ():
            axes = _axes(layers, number, source)
            for box in boxes[number]:
                read = [
                    frozenset(i for place in places for i in reads(*axis, place, clip))
                    for places, axis in zip(box, axes, strict=True)
                ]
                _include(boxes[source], tuple(read))
    return {number: _hull(boxes[number], len(grid)) for number in range(-1, row)}


def reaches(layers: Sequence[LayerTrace], region: Sequence[range]) -> dict[int, tuple[range, ...]]:
    """The projective field: which units of each row a box of the input can change.

    ``region`` is one range of input positions an axis. The answer has, for every row, one range of
    units an axis, from the first to the last; empty where nothing changes. Key -1 is the region.

    Raises ``ValueError`` for a region outside the input, or where ``layers`` is a summary.
    """
    _check_rows(layers)
    grid, region = _grid(layers, -1), tuple(region)
    if len(region) != len(grid) or not all(
        isinstance(places, range) and all(0 <= place < size for place in places)
        for places, size in zip(region, grid, strict=True)
    ):
        raise ValueError(f"region={region}: expected ranges within the input's grid of {grid}")
    boxes: dict[int, list[_Box]] = {number: [] for number in range(-1, len(layers))}
    _include(boxes[-1], tuple(map(frozenset, region)))
    for number, layer in enumerate(layers):
        for source in layer.inputs:
            axes = _axes(layers, number, source)
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


def _axes(layers: Sequence[LayerTrace], row: int, source: int) -> list[tuple[Reading, int, int]]:
    """How a row reads one of its inputs, axis by axis: reading, positions, units."""
    layer = layers[row]
    return list(zip(layer.windows, _grid(layers, source), layer.grid, strict=True))


def _grid(layers: Sequence[LayerTrace], row: int) -> tuple[int, ...]:
    return layers[row].grid if row >= 0 else layers[0].in_shape[2:]


def _check_rows(layers: Sequence[LayerTrace]) -> None:
    if not layers:
        raise ValueError("layers is empty: expected the rows of trace()")
    for layer in layers:
        if len(layer.windows) != len(layer.field):
            raise ValueError(f"{layer.name} stands for several rows: expected the rows of trace()")
