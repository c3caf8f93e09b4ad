"""A trace as a tree: sequences, branches side by side, blocks, and what is repeated.

:func:`find_structure` finds the tree. Its leaves are nodes, each a row with those rows folded in
that only work place by place on its numbers (normalisation, activation). An ``Identity`` is no
node.

How are branches found? Take nodes in the order of the run. One that no edge jumps over lies on
every path: it is a station. Between two stations, parts that no edge joins are branches; an edge
from one station straight to the next is a skip. Each branch is taken apart in the same way. What
has neither stations nor branches (layers that read each other crosswise) stays a tangle, in its
order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cnnlib.layout.words import group_names, is_place_by_place, list_windows
from cnnlib.rows import Row

CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")
INPUT = -1  # the node that stands for the network's input


class Owner(NamedTuple):
    """A module around a row: its dotted name and its class."""

    name: str
    kind: str


#: The modules around a row, outermost first, containers left out.
Path = tuple[Owner, ...]


@dataclass(eq=False)
class Node:
    """One step: a row and those folded into it. The network's input has no rows."""

    rows: tuple[int, ...]
    reads: tuple[int, ...] = ()  # node numbers
    name: str = "input"
    path: Path = ()


@dataclass(eq=False)
class Skip:
    """A branch without layers: the identity."""


@dataclass(eq=False)
class Chain:
    """One thing after the other: node numbers, branches, tangles, blocks and repeats."""

    parts: list = field(default_factory=list)


@dataclass(eq=False)
class Branches:
    """Sequences and skips side by side; what follows joins them."""

    ways: list


@dataclass(eq=False)
class Tangle:
    """Nodes that read each other crosswise, in the order of the run."""

    nodes: list[int]


@dataclass(eq=False)
class Block:
    """A module with several steps of its own."""

    name: str
    kind: str
    inside: Chain


@dataclass(eq=False)
class Repeat:
    """``parts`` stand ``times`` over, one after the other; ``last`` are those of the last time."""

    times: int
    parts: list
    last: list


@dataclass(eq=False)
class Structure:
    """The tree, its nodes by number, and the rows that they stand for."""

    rows: Sequence[Row]
    nodes: dict[int, Node]
    root: Chain


def find_structure(rows: Sequence[Row]) -> Structure:
    """The tree of a trace, or of a summary. Raises ``ValueError`` for no rows."""
    if not rows:
        raise ValueError("rows is empty: expected the rows of cnnlib.trace.trace")
    nodes = _find_nodes(rows)
    root = _put_in_blocks(_take_apart(list(nodes), nodes), nodes, depth=0)
    structure = Structure(rows, nodes, root)
    _collapse(root, structure)
    return structure


def list_nodes(part) -> Iterator[int]:
    """The numbers of the nodes in a part of the tree; of a repeat, those of its first."""
    match part:
        case int():
            yield part
        case Tangle():
            yield from part.nodes
        case Branches():
            for way in part.ways:
                yield from list_nodes(way)
        case Block():
            yield from list_nodes(part.inside)
        case Chain() | Repeat():
            for inner in part.parts:
                yield from list_nodes(inner)


# Nodes ------------------------------------------------------------------------------------------


def _find_nodes(rows: Sequence[Row]) -> dict[int, Node]:
    """Node number (that of its first row) to node, in order; the input first."""
    readers: dict[int, int] = {}  # how many read a row, or an identity of it
    origin = {INPUT: INPUT}
    for number, row in enumerate(rows):
        is_identity = row.kind == "Identity"
        origin[number] = origin[row.inputs[0]] if is_identity else number
        for source in () if is_identity else {origin[source] for source in row.inputs}:
            readers[source] = readers.get(source, 0) + 1
    home: dict[int, int] = {INPUT: INPUT}
    nodes = {INPUT: Node(())}
    for number, row in enumerate(rows):
        source = origin[row.inputs[0]]
        path = _find_path(row)
        if row.kind == "Identity":
            home[number] = home[source]
        elif (
            is_place_by_place(row)
            and source != INPUT
            and readers[source] == 1
            and nodes[home[source]].rows[-1] == source
            and nodes[home[source]].path[:1] == path[:1]
        ):
            home[number] = home[source]
            node = nodes[home[number]]
            node.rows += (number,)
            node.path = _find_common(node.path, path)
        else:
            home[number] = number
            reads = tuple(dict.fromkeys(home[source] for source in row.inputs))
            nodes[number] = Node((number,), reads, path=path)
    own = [node for node in nodes.values() if node.rows]
    names = group_names([[rows[number].name for number in node.rows] for node in own])
    for node, name in zip(own, names, strict=True):
        node.name = name
    return nodes


def _find_path(row: Row) -> Path:
    parts = row.name.split(".")
    return tuple(
        Owner(".".join(parts[: level + 1]), kind)
        for level, kind in enumerate(row.parents)
        if kind not in CONTAINERS
    )


def _find_common(one: Path, other: Path) -> Path:
    shared = []
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        shared.append(a)
    return tuple(shared)


# Branches ---------------------------------------------------------------------------------------


def _take_apart(region: list[int], nodes: dict[int, Node]) -> Chain:
    """A region that begins below one point and ends above one, taken apart at its stations."""
    place = {number: position for position, number in enumerate(region)}
    furthest = [-1] * (len(region) + 1)  # by source's position + 1: the last reader's position
    inner_readers = {number: 0 for number in region}
    for number in region:
        for source in nodes[number].reads:
            start = place.get(source, -1)
            furthest[start + 1] = max(furthest[start + 1], place[number])
            if start >= 0:
                inner_readers[source] += 1
    outside = _find_read_from_outside(region, nodes)
    for number in region:
        if number in outside or not inner_readers[number]:
            furthest[place[number] + 1] = len(region)

    def skipped(above: int | None, below: int | None) -> bool:
        """Whether an edge goes from one point straight to the next; None is the region's end."""
        if below is None:
            return above in outside
        return any(s == above if above is not None else s not in place for s in nodes[below].reads)

    stations, reach = [], furthest[0]
    for position in range(len(region)):
        if reach <= position:
            stations.append(position)
        reach = max(reach, furthest[position + 1])
    parts: list = []
    begin = 0
    for station in [*stations, len(region)]:
        between = region[begin:station]
        above = region[begin - 1] if begin else None
        below = region[station] if station < len(region) else None
        if between:
            parts.append(_part_between(between, skipped(above, below), nodes))
        if below is not None:
            parts.append(below)
        begin = station + 1
    return Chain(parts)


def _find_read_from_outside(region: list[int], nodes: dict[int, Node]) -> set[int]:
    inside = set(region)
    return {
        source
        for number, node in nodes.items()
        if number not in inside
        for source in node.reads
        if source in inside
    }


def _part_between(between: list[int], skip: bool, nodes: dict[int, Node]) -> Branches | Tangle:
    """What lies between two stations."""
    components = _find_components(between, nodes)
    if len(components) == 1 and not skip:
        return Tangle(between)
    ways: list = [_take_apart(component, nodes) for component in components]
    return Branches([*ways, Skip()] if skip else ways)


def _find_components(region: list[int], nodes: dict[int, Node]) -> list[list[int]]:
    """The parts of a region that no edge joins, by their first nodes."""
    leader = {number: number for number in region}

    def find(number: int) -> int:
        while leader[number] != number:
            number = leader[number]
        return number

    for number in region:
        for source in nodes[number].reads:
            if source in leader:
                one, other = find(number), find(source)
                leader[max(one, other)] = min(one, other)
    found: dict[int, list[int]] = {}
    for number in region:
        found.setdefault(find(number), []).append(number)
    return list(found.values())


# Blocks -----------------------------------------------------------------------------------------


def _put_in_blocks(sequence: Chain, nodes: dict[int, Node], depth: int) -> Chain:
    """The same with runs of parts that belong to one module put into a block, at every depth."""
    groups: list[tuple[Owner | None, list]] = []
    last = None
    for part in sequence.parts:
        owner = _find_owner(part, nodes, depth)
        if owner is None or owner != last:
            groups.append((owner, members := []))
        members.append(part)
        last = owner
    parts: list = []
    for owner, members in groups:
        steps = [number for part in members for number in list_nodes(part)]
        if owner is None or len(steps) == 1:
            for part in members:
                if isinstance(part, Branches):
                    part.ways = [
                        way if isinstance(way, Skip) else _put_in_blocks(way, nodes, depth)
                        for way in part.ways
                    ]
                parts.append(part)
        else:
            inside = _put_in_blocks(Chain(members), nodes, depth + 1)
            parts.append(Block(*owner, inside))
    return Chain(parts)


def _find_owner(part, nodes: dict[int, Node], depth: int) -> Owner | None:
    """The module at ``depth`` that all of a part belongs to, if there is one."""
    paths = [nodes[number].path for number in list_nodes(part)]
    shared = paths[0]
    for path in paths[1:]:
        shared = _find_common(shared, path)
    return shared[depth] if len(shared) > depth else None


# Repeats ----------------------------------------------------------------------------------------


class Sign(NamedTuple):
    """What a part is, names left out, and its numbers: channels and parameters."""

    what: tuple
    numbers: tuple[int, ...]


def _collapse(part, structure: Structure) -> None:
    """Put parts that stand several times over, one after the other, into repeats. In place."""
    match part:
        case Branches():
            for way in part.ways:
                _collapse(way, structure)
        case Block():
            _collapse(part.inside, structure)
        case Chain():
            for inner in part.parts:
                _collapse(inner, structure)
            part.parts = _collapse_repeats(part.parts, structure)


LONGEST_PERIOD = 8  # parts that a repeated group may have


def _collapse_repeats(parts: list, structure: Structure) -> list:
    signs = [_sign(part, structure) for part in parts]
    found: list = []
    start = 0
    while start < len(parts):
        best = (0, 1, 1)  # parts covered, period, times
        for period in range(1, min(LONGEST_PERIOD, (len(parts) - start) // 2) + 1):
            times = _count_times(signs[start:], period)
            enough = times >= 2 and not any(part == INPUT for part in parts[start : start + period])
            if enough and times * period > best[0]:
                best = (times * period, period, times)
        covered, period, times = best
        if covered:
            last = parts[start + covered - period : start + covered]
            found.append(Repeat(times, parts[start : start + period], last))
            start += covered
        else:
            found.append(parts[start])
            start += 1
    return found


def _count_times(signs: list[Sign], period: int) -> int:
    """How often the first ``period`` parts stand there, one after the other.

    Equal parts; a single plain layer and blocks whose numbers grow by one and the same step only
    from three times on.
    """
    times, step = 1, None
    while (times + 1) * period <= len(signs):
        before = signs[(times - 1) * period : times * period]
        after = signs[times * period : (times + 1) * period]
        if [sign.what for sign in before] != [sign.what for sign in after]:
            break
        grown = [
            b - a
            for one, other in zip(before, after, strict=True)
            for a, b in zip(one.numbers, other.numbers, strict=True)
        ]
        if step is None:
            step = grown
        if grown != step:
            break
        times += 1
    if step is not None and any(step) and (period > 1 or signs[0].what[0] != "block"):
        return 1
    plain = period == 1 and signs[0].what[0] != "block"
    fewest = 3 if plain or any(step or ()) else 2
    return times if times >= fewest else 1


def _sign(part, structure: Structure) -> Sign:
    match part:
        case int():
            rows = [structure.rows[number] for number in structure.nodes[part].rows]
            kinds = tuple(
                (
                    row.kind,
                    list_windows(row),
                    row.in_shape[2:],
                    row.out_shape[2:],
                    len(row.out_shape),
                )
                for row in rows
            )
            numbers = tuple(
                number
                for row in rows
                for number in (row.in_shape[1], row.out_shape[1], row.parameters)
            )
            return Sign(("node", kinds), numbers)
        case Skip():
            return Sign(("skip",), ())
        case Tangle():
            place = {number: str(position) for position, number in enumerate(part.nodes)}
            reads = [place.get(n, "-") for node in part.nodes for n in structure.nodes[node].reads]
            return _sign_all("tangle", [*reads, *part.nodes], structure)
        case Branches():
            return _sign_all("branches", part.ways, structure)
        case Block():
            return _sign_all("block", [part.kind, *part.inside.parts], structure)
        case Repeat():
            return _sign_all("repeat", [f"{part.times}", *part.parts], structure)
        case Chain():
            return _sign_all("sequence", part.parts, structure)


def _sign_all(word: str, parts: list, structure: Structure) -> Sign:
    signs = [
        Sign((part,), ()) if isinstance(part, str) else _sign(part, structure) for part in parts
    ]
    numbers = tuple(number for sign in signs for number in sign.numbers)
    return Sign((word, *(sign.what for sign in signs)), numbers)
