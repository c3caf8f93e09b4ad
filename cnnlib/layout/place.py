"""Where each card, frame and line of a drawn network stands, in points, y downwards.

One arrangement serves matplotlib's drawing and the page's. Nothing is measured with a font: a
letter is taken to be as wide as a wide sans-serif's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cnnlib.layout.structure import (
    INPUT,
    Block,
    Branches,
    Chain,
    Repeat,
    Skip,
    Structure,
    Tangle,
    structure_of,
)
from cnnlib.layout.words import broken, count, field_words, settings, short, times

if TYPE_CHECKING:
    from cnnlib.trace import LayerTrace

TEXT = 8  # points
LEADING = 10  # points from line to line
LETTER = 0.57 * TEXT  # a letter's width, in the mean
BOLD = 1.14  # times as wide is a bold one
PAD = 5  # between a card's text and its edge
GAP_X, GAP_Y = 9, 16  # between neighbours
LANE = 7  # between lines that run side by side
PAGE = 518  # the width of a page's text column
TALL = 620  # a drawing higher than this goes on in a next column
JOINS = ("add", "cat", "mul", "sub", "stack")


@dataclass(frozen=True)
class Card:
    """A box with words. ``lines`` are its text, the first one its name.

    ``rows`` are the rows of the trace that it stands for; where it is in repeats, those of the
    first, and ``last_rows`` those of the last. ``role`` is ``"input"``, ``"layer"``, ``"join"`` or
    ``"block"``; a block's card is drawn as the head of its frame where it is open.
    """

    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]
    rows: tuple[int, ...]
    last_rows: tuple[int, ...]
    role: str
    name: str
    kind: str
    times: int = 1


@dataclass(frozen=True)
class Frame:
    """What surrounds a block or a repeat; it has ``lines`` of its own if it has no head."""

    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...] = ()
    times: int = 1


@dataclass(frozen=True)
class Line:
    """A connection, corner by corner; an arrow's head at its end if it ends at a card."""

    points: tuple[tuple[float, float], ...]
    arrow: bool


@dataclass
class Arrangement:
    """A drawn network, on a sheet of ``width`` by ``height`` points."""

    width: float
    height: float
    cards: list[Card] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


def arrange(layers: Sequence["LayerTrace"], closed: bool = False) -> Arrangement:
    """Place a traced network's layers from top to bottom, branches side by side.

    ``layers`` are the records of :func:`cnnlib.trace.trace`, or of ``summarise``. What stands
    several times over is drawn once, in a dashed frame that says how often; its fields and growing
    channels go from the first time's to the last's. Blocks (modules with several layers of their
    own) are framed; with ``closed`` each is one card. A drawing that gets too high for a page goes
    on in further columns.

    Raises ``ValueError`` for no rows.
    """
    structure = structure_of(layers)
    parts = _closed(structure.root.parts) if closed else structure.root.parts
    maker = _Maker(structure, _shown_names(layers))
    boxes = maker.boxes(parts, parts, "")
    columns = _columns(boxes)
    sheet = Arrangement(0, 0)
    left, before = 4.0, None
    tallest = max(_height(column) for column in columns)
    for column in columns:
        axis = left + max(box.left for box in column)
        top = 4.0
        for box in column:
            box.draw(sheet, axis, top)
            entries, exits = box.entries(axis, top), box.exits(axis, top)
            if before is not None:
                if box is column[0]:
                    _around(sheet, before, entries, left - GAP_X, tallest)
                else:
                    _connect(sheet, before, entries)
            before = exits
            top += box.height + GAP_Y
        left = axis + max(box.right for box in column) + 3 * GAP_X
    sheet.width, sheet.height = (
        left - 3 * GAP_X + 4,
        tallest + 8 + (GAP_Y if len(columns) > 1 else 0),
    )
    return sheet


def _height(column: Sequence) -> float:
    return sum(box.height for box in column) + GAP_Y * (len(column) - 1)


# Closed blocks ----------------------------------------------------------------------------------

FEWEST = 4  # cards: a drawing of fewer has its blocks opened once


@dataclass(eq=False)
class _Closed:
    """A block that is drawn as one card."""

    block: Block


def _closed(parts: list) -> list:
    while len(parts) <= FEWEST and any(isinstance(part, Block) for part in parts):
        parts = [
            inner
            for part in parts
            for inner in (part.inside.parts if isinstance(part, Block) else [part])
        ]
    return [_close(part) for part in parts]


def _close(part):
    match part:
        case Block():
            return _Closed(part)
        case Repeat():
            return Repeat(part.times, [*map(_close, part.parts)], [*map(_close, part.last)])
        case Branches():
            return Branches(
                [way if isinstance(way, Skip) else Chain([*map(_close, way.parts)])
                 for way in part.ways]
            )  # fmt: skip
        case _:
            return part


# Boxes ------------------------------------------------------------------------------------------
#
# A box knows how far it reaches to the left and right of its axis, the line on which the network
# runs through it, and how high it is. draw() puts it on a sheet; entries() and exits() are the
# points at which lines come in and go out.


@dataclass(eq=False)
class _CardBox:
    lines: tuple[str, ...]
    rows: tuple[int, ...]
    last_rows: tuple[int, ...]
    role: str
    name: str
    kind: str
    times: int = 1

    def __post_init__(self) -> None:
        bold, *others = [LETTER * len(line) for line in self.lines]
        self.width = max(BOLD * bold + 2 * PAD, max(others, default=0) + 2 * PAD)
        self.left = self.right = self.width / 2
        self.height = LEADING * len(self.lines) + 2 * PAD - 1

    def draw(self, sheet: Arrangement, axis: float, top: float) -> None:
        place = (axis - self.left, top, self.width, self.height)
        sheet.cards.append(
            Card(*place, self.lines, self.rows, self.last_rows, self.role, self.name, self.kind,
                 self.times)
        )  # fmt: skip

    def entries(self, axis: float, top: float) -> list:
        return [(axis, top, True)]

    def exits(self, axis: float, top: float) -> list:
        return [(axis, top + self.height)]


@dataclass(eq=False)
class _SkipBox:
    left: float = 3
    right: float = 3
    height: float = 0

    def draw(self, sheet: Arrangement, axis: float, top: float) -> None:
        pass

    def entries(self, axis: float, top: float) -> list:
        return [(axis, top, False)]

    def exits(self, axis: float, top: float) -> list:
        return [(axis, top)]


@dataclass(eq=False)
class _ChainBox:
    boxes: list

    def __post_init__(self) -> None:
        self.left = max(box.left for box in self.boxes)
        self.right = max(box.right for box in self.boxes)
        self.height = _height(self.boxes)

    def _tops(self, top: float) -> list[float]:
        tops = []
        for box in self.boxes:
            tops.append(top)
            top += box.height + GAP_Y
        return tops

    def draw(self, sheet: Arrangement, axis: float, top: float) -> None:
        before = None
        for box, here in zip(self.boxes, self._tops(top), strict=True):
            box.draw(sheet, axis, here)
            if before is not None:
                _connect(sheet, before, box.entries(axis, here))
            before = box.exits(axis, here)

    def entries(self, axis: float, top: float) -> list:
        return self.boxes[0].entries(axis, top)

    def exits(self, axis: float, top: float) -> list:
        return self.boxes[-1].exits(axis, self._tops(top)[-1])


@dataclass(eq=False)
class _BranchesBox:
    boxes: list

    def __post_init__(self) -> None:
        self.places, reach = [], 0.0
        for box in self.boxes:
            self.places.append(reach + box.left)
            reach += box.left + box.right + GAP_X
        reach -= GAP_X
        layered = [n for n, box in enumerate(self.boxes) if not isinstance(box, _SkipBox)]
        # The network runs on through the only branch with layers, else through the middle.
        axis = self.places[layered[0]] if len(layered) == 1 else reach / 2
        self.places = [place - axis for place in self.places]
        self.left, self.right = axis, reach - axis
        self.height = max(box.height for box in self.boxes)

    def draw(self, sheet: Arrangement, axis: float, top: float) -> None:
        for box, place in zip(self.boxes, self.places, strict=True):
            box.draw(sheet, axis + place, top)

    def entries(self, axis: float, top: float) -> list:
        pairs = zip(self.boxes, self.places, strict=True)
        return [entry for box, place in pairs for entry in box.entries(axis + place, top)]

    def exits(self, axis: float, top: float) -> list:
        pairs = zip(self.boxes, self.places, strict=True)
        return [point for box, place in pairs for point in box.exits(axis + place, top)]


@dataclass(eq=False)
class _TangleBox:
    """Nodes in one column; what reads another than the one before has a lane on the right."""

    boxes: list
    nodes: list[int]
    reads: dict[int, tuple[int, ...]]
    outside: set[int]  # nodes that something below the tangle reads, or nothing

    def __post_init__(self) -> None:
        place = {node: position for position, node in enumerate(self.nodes)}
        end = len(self.nodes)
        jumps = []  # (from, to) as positions; -1 is above the tangle, len(nodes) below it
        for node, position in place.items():
            starts = {place.get(source, -1) for source in self.reads[node]}
            jumps += [(start, position) for start in starts if start != position - 1]
            if node in self.outside and position != end - 1:
                jumps.append((position, end))
        self.lanes: list[list[tuple[int, int]]] = []
        for jump in sorted(jumps, key=lambda jump: jump[1] - jump[0]):
            free = (
                lane for lane in self.lanes if all(b <= jump[0] or jump[1] <= a for a, b in lane)
            )
            lane = next(free, None)
            if lane is None:
                self.lanes.append([jump])
            else:
                lane.append(jump)
        self.direct = [
            position
            for node, position in place.items()
            if position and self.nodes[position - 1] in self.reads[node]
        ]
        self.card_right = max(box.right for box in self.boxes)
        self.left = max(box.left for box in self.boxes)
        self.right = self.card_right + LANE * (len(self.lanes) + 1)
        self.height = _height(self.boxes)

    def _tops(self, top: float) -> list[float]:
        return [
            top + sum(box.height + GAP_Y for box in self.boxes[:n]) for n in range(len(self.boxes))
        ]

    def _lane(self, axis: float, number: int) -> float:
        return axis + self.card_right + LANE * (number + 1)

    def draw(self, sheet: Arrangement, axis: float, top: float) -> None:
        tops = self._tops(top)
        for box, here in zip(self.boxes, tops, strict=True):
            box.draw(sheet, axis, here)
        for position in self.direct:
            _connect(
                sheet,
                self.boxes[position - 1].exits(axis, tops[position - 1]),
                self.boxes[position].entries(axis, tops[position]),
            )
        for number, lane in enumerate(self.lanes):
            x = self._lane(axis, number)
            for start, end in lane:
                points = [(x, top)]
                if start >= 0:
                    box = self.boxes[start]
                    low = tops[start] + 0.75 * box.height
                    points = [(axis + box.right, low), (x, low)]
                if end < len(self.boxes):
                    box = self.boxes[end]
                    high = tops[end] + 0.25 * box.height
                    points += [(x, high), (axis + box.right, high)]
                else:
                    points.append((x, top + self.height))
                sheet.lines.append(Line(tuple(points), end < len(self.boxes)))

    def entries(self, axis: float, top: float) -> list:
        above = any(source not in self.nodes for source in self.reads[self.nodes[0]])
        points = [(axis, top, True)] if above else []
        for number, lane in enumerate(self.lanes):
            points += [(self._lane(axis, number), top, False) for start, _ in lane if start < 0]
        return points

    def exits(self, axis: float, top: float) -> list:
        points = [(axis, top + self.height)]
        for number, lane in enumerate(self.lanes):
            ends = [end for _, end in lane if end == len(self.boxes)]
            points += [(self._lane(axis, number), top + self.height) for _ in ends]
        return points


FRAME = 6  # between a frame and what it surrounds


@dataclass(eq=False)
class _FrameBox:
    """A block or a repeat around a chain; ``head`` is its card, or None where it only has words."""

    inside: _ChainBox
    head: _CardBox | None
    lines: tuple[str, ...] = ()
    times: int = 1

    def __post_init__(self) -> None:
        words = LETTER * max(map(len, self.lines), default=0) + 2 * FRAME
        least = max(words, self.head.width if self.head else 0)
        inner = self.inside
        self.left = max(inner.left + FRAME, least / 2)
        self.right = max(inner.right + FRAME, least / 2)
        self.strip = self.head.height if self.head else LEADING * len(self.lines) + FRAME
        self.height = self.strip + GAP_Y + inner.height + FRAME
        if self.head:
            self.head.left, self.head.right = self.left, self.right
            self.head.width = self.left + self.right

    def _inner_top(self, top: float) -> float:
        return top + self.strip + GAP_Y

    def draw(self, sheet: Arrangement, axis: float, top: float) -> None:
        inner, low = self._inner_top(top), top + self.height
        place = (axis - self.left, top, self.left + self.right, self.height)
        sheet.frames.append(Frame(*place, self.lines, self.times))
        if self.head:
            self.head.draw(sheet, axis, top)
        _connect(sheet, [(axis, top + self.strip)], self.inside.entries(axis, inner))
        self.inside.draw(sheet, axis, inner)
        for x, y in self.inside.exits(axis, inner):
            sheet.lines.append(Line(((x, y), (x, low)), arrow=False))

    def entries(self, axis: float, top: float) -> list:
        return [(axis, top, True)]

    def exits(self, axis: float, top: float) -> list:
        inside = self.inside.exits(axis, self._inner_top(top))
        return [(x, top + self.height) for x, _ in inside]


# From the tree to boxes ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Maker:
    """Makes the box of each part. ``last`` is the part's twin in the last of its repeats."""

    structure: Structure
    names: dict[str, str]  # a block's full name to the one shown

    def box(self, part, last, around: str = ""):
        match part:
            case int():
                return self.node(part, last, around)
            case Skip():
                return _SkipBox()
            case Chain():
                return _ChainBox(self.boxes(part.parts, last.parts, around))
            case Branches():
                return _BranchesBox(self.boxes(part.ways, last.ways, around))
            case Tangle():
                return self.tangle(part, last, around)
            case Block():
                return self.block(part, last, around)
            case _Closed():
                return self.head(part.block, last.block, around)
            case Repeat():
                return self.repeat(part, last, around)
        raise TypeError(f"{part!r}: no part of a structure")

    def boxes(self, parts: list, lasts: list, around: str) -> list:
        return [self.box(one, other, around) for one, other in zip(parts, lasts, strict=True)]

    def node(self, number: int, last: int, around: str) -> _CardBox:
        node, twin = self.structure.nodes[number], self.structure.nodes[last]
        layers = self.structure.layers
        if number == INPUT:
            lines = ("input", times(layers[0].in_shape[1:]))
            return _CardBox(lines, (), (), "input", "input", "input")
        first = layers[node.rows[0]]
        role = "join" if first.kind in JOINS and len(first.inputs) > 1 else "layer"
        name = node.name.removeprefix(f"{around}.")
        name = self.names.get(name, name) if name == node.name else name
        kind = " ".join([short(first.kind), *_small_settings(first)])
        lines = [] if role == "join" or name == short(first.kind) else broken(name)
        lines.append(kind)
        folded = [short(layers[row].kind) for row in node.rows[1:]
                  if len(layers[row].in_shape) == len(layers[row].out_shape)]  # fmt: skip
        lines += [f"+ {word}" for word in _joined_in_pairs(folded)]
        lines += self.figures(node.rows, twin.rows)
        return _CardBox(tuple(lines), node.rows, twin.rows, role, node.name, first.kind)

    def figures(self, rows: Sequence[int], last_rows: Sequence[int]) -> list[str]:
        """Shape, parameters and field of what ends with the last of these rows."""
        layers = self.structure.layers
        one, other = layers[rows[-1]], layers[last_rows[-1]]
        shape = times(one.out_shape[1:])
        if one.out_shape != other.out_shape:
            shape = shape.replace(
                str(one.out_shape[1]), _range(one.out_shape[1], other.out_shape[1]), 1
            )
        costs = [sum(layers[row].parameters for row in group) for group in (rows, last_rows)]
        costs = [_range(*map(count, costs))] if any(costs) else []
        fields = [f"field {field_words(layer)}" for layer in (one, other) if layer.field]
        words = [*costs, *fields[:1]] if fields[:1] == fields[1:] else [*costs, *_ranged(fields)]
        return [shape, *_filled(words)]

    def head(
        self, block: Block, last: Block, around: str, times_over: int = 1, room: float = 0
    ) -> _CardBox:
        """A block's card: two long lines where there is room, else four short ones."""
        rows = self.rows(block)
        last_rows = self.rows(last)
        inside = block.name.removeprefix(f"{around}.") if around else block.name
        name = self.names[block.name] if inside == block.name else inside
        if times_over > 1:
            name = f"{name} … {self.names[last.name].split('.')[-1]}"
        kind = block.kind if times_over == 1 else f"{block.kind} ×{times_over}"
        figures = self.figures(rows, last_rows)
        long = (f"{name} · {kind}", " · ".join(figures).replace("… ", "…").replace(" · …", "…"))
        fits = LETTER * max(map(len, long)) + 2 * PAD <= room
        lines = long if fits else (*broken(name), kind, *figures)
        return _CardBox(lines, rows, last_rows, "block", block.name, block.kind, times_over)

    def rows(self, block: Block) -> tuple[int, ...]:
        """All rows of a block, those of its repeats' later times too."""
        layers, inside = self.structure.layers, f"{block.name}."
        return tuple(n for n, layer in enumerate(layers) if layer.name.startswith(inside))

    def block(self, block: Block, last: Block, around: str, times_over: int = 1) -> _FrameBox:
        inside = self.box(block.inside, last.inside, block.name)
        head = self.head(block, last, around, times_over, inside.left + inside.right)
        return _FrameBox(inside, head, times=times_over)

    def repeat(self, part: Repeat, last: Repeat, around: str):
        only, other = part.parts[0], last.last[0]
        if len(part.parts) == 1 and isinstance(only, Block):
            return self.block(only, other, around, part.times)
        if len(part.parts) == 1 and isinstance(only, _Closed):
            return self.head(only.block, other.block, around, part.times)
        inside = _ChainBox(self.boxes(part.parts, last.last, around))
        return _FrameBox(inside, None, (f"×{part.times}",), part.times)

    def tangle(self, part: Tangle, last: Tangle, around: str) -> _TangleBox:
        nodes = self.structure.nodes
        inside = set(part.nodes)
        read = {source for node in part.nodes for source in nodes[node].reads}
        outside = {
            source
            for number, node in nodes.items()
            if number not in inside
            for source in node.reads
        }
        ends = {node for node in part.nodes if node in outside or node not in read}
        reads = {node: nodes[node].reads for node in part.nodes}
        return _TangleBox(self.boxes(part.nodes, last.nodes, around), part.nodes, reads, ends)


def _small_settings(layer: "LayerTrace") -> list[str]:
    """A card has room for the kernel, the stride as ``/2`` and a dilation, not for the padding."""
    words = []
    for word in settings(layer):
        if word.startswith("stride "):
            words.append(word.replace("stride ", "/"))
        elif not word.startswith("padding "):
            words.append(word)
    return words


def _joined_in_pairs(words: list[str]) -> list[str]:
    return [" + ".join(words[n : n + 2]) for n in range(0, len(words), 2)]


def _ranged(words: list[str]) -> list[str]:
    """``field 3`` and ``field 9`` as one range, in two words where it is long."""
    one, other = words[0], words[1].removeprefix("field ")
    return [f"{one}…{other}"] if len(one + other) < WIDEST else [one, f"…{other}"]


WIDEST = 18  # letters that a card's line of figures has room for


def _filled(words: list[str]) -> list[str]:
    """Words in lines, as many to a line as it has room for."""
    lines = [words[0]] if words else []
    for word in words[1:]:
        if len(lines[-1]) + len(word) + 3 <= WIDEST and not word.startswith("…"):
            lines[-1] += f" · {word}"
        else:
            lines.append(word)
    return lines


def _range(one, other) -> str:
    return f"{one}" if one == other else f"{one}…{other}"


def _shown_names(layers: Sequence["LayerTrace"]) -> dict[str, str]:
    """Each module's dotted name to its shortest end that no other module's name has."""
    modules = dict.fromkeys(
        ".".join(parts[:end])
        for layer in layers
        for parts in [layer.name.split(".")]
        for end in range(1, len(parts) + 1)
    )
    ends: dict[str, int] = {}
    for name in modules:
        parts = name.split(".")
        for start in range(len(parts)):
            end = ".".join(parts[start:])
            ends[end] = ends.get(end, 0) + 1
    shown = {}
    for name in modules:
        parts = name.split(".")
        candidates = (".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1))
        shown[name] = next((end for end in candidates if ends[end] == 1), name)
    return shown


# Lines ------------------------------------------------------------------------------------------


def _connect(sheet: Arrangement, exits: list, entries: list) -> None:
    """Lines from each exit to each entry: down, across where lines part or meet, down."""
    for x0, y0 in exits:
        for x1, y1, arrow in entries:
            bend = y0 + GAP_Y / 2 if len(entries) > 1 else y1 - GAP_Y / 2
            points = [(x0, y0), (x0, bend), (x1, bend), (x1, y1)]
            if abs(x0 - x1) < 0.01:
                points = [(x0, y0), (x1, y1)]
            if points[0] != points[-1]:
                sheet.lines.append(Line(tuple(points), arrow))


def _around(sheet: Arrangement, exits: list, entries: list, gutter: float, low: float) -> None:
    """From the foot of one column to the head of the next, by the gutter between them."""
    bottom = low + GAP_Y / 2 + 4
    for x0, y0 in exits:
        for x1, y1, arrow in entries:
            top = y1 - 4
            points = [(x0, y0), (x0, bottom), (gutter, bottom), (gutter, top), (x1, top), (x1, y1)]
            sheet.lines.append(Line(tuple(points), arrow))


# Columns ----------------------------------------------------------------------------------------


def _columns(boxes: list) -> list[list]:
    """One column, or as many as the page has room for where one would be too high."""
    best = [boxes]
    if _height(boxes) <= TALL:
        return best
    for number in range(2, len(boxes) + 1):
        columns = _split(boxes, number)
        width = sum(max(b.left for b in c) + max(b.right for b in c) for c in columns)
        if width + 3 * GAP_X * (number - 1) + 8 > PAGE:
            break
        best = columns
        if max(map(_height, columns)) <= TALL:
            break
    return best


def _split(boxes: list, number: int) -> list[list]:
    """``boxes`` in ``number`` columns, in order, the highest as low as can be."""

    def fill(limit: float) -> list[list]:
        columns: list[list] = [[]]
        for box in boxes:
            if columns[-1] and _height([*columns[-1], box]) > limit:
                columns.append([])
            columns[-1].append(box)
        return columns

    low, high = max(box.height for box in boxes), _height(boxes)
    while high - low > 1:
        middle = (low + high) / 2
        if len(fill(middle)) <= number:
            high = middle
        else:
            low = middle
    return fill(high)
