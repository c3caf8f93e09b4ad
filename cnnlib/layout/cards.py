"""The words on the cards of a drawing, and the box of each part of the tree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cnnlib.layout.boxes import BranchesBox, CardBox, ChainBox, FrameBox, SkipBox, TangleBox
from cnnlib.layout.closing import Closed
from cnnlib.layout.plan import LETTER, PAD
from cnnlib.layout.structure import (
    INPUT,
    Block,
    Branches,
    Chain,
    Repeat,
    Skip,
    Structure,
    Tangle,
)
from cnnlib.layout.words import (
    break_name,
    list_settings,
    write_count,
    write_field,
    write_shape,
)
from cnnlib.rows import Row

JOINS = ("add", "cat", "mul", "sub", "stack")
WIDEST = 18  # letters that a card's line of figures has room for


@dataclass(frozen=True)
class BoxMaker:
    """Makes the box of each part. ``last`` is the part's twin in the last of its repeats."""

    structure: Structure
    names: dict[str, str]  # a block's full name to the one shown
    words: Mapping[str, str]  # as WORDS

    def make(self, part, last, around: str = ""):
        match part:
            case int():
                return self.make_card(part, last, around)
            case Skip():
                return SkipBox()
            case Chain():
                return ChainBox(self.make_all(part.parts, last.parts, around))
            case Branches():
                return BranchesBox(self.make_all(part.ways, last.ways, around))
            case Tangle():
                return self.make_tangle(part, last, around)
            case Block():
                return self.make_block(part, last, around)
            case Closed():
                return self.make_head(part.block, last.block, around)
            case Repeat():
                return self.make_repeat(part, last, around)
        raise TypeError(f"{part!r}: no part of a structure")

    def make_all(self, parts: list, lasts: list, around: str) -> list:
        return [self.make(one, other, around) for one, other in zip(parts, lasts, strict=True)]

    def make_card(self, number: int, last: int, around: str) -> CardBox:
        node, twin = self.structure.nodes[number], self.structure.nodes[last]
        rows = self.structure.rows
        if number == INPUT:
            lines = (self.words["input"], write_shape(rows[0].in_shape[1:]))
            return CardBox(lines, (), (), "input", "input", "input")
        first = rows[node.rows[0]]
        role = "join" if first.kind in JOINS and len(first.inputs) > 1 else "layer"
        name = node.name.removeprefix(f"{around}.")
        name = self.names.get(name, name) if name == node.name else name
        kind = self.words.get(first.kind, first.kind)
        lines = [] if role == "join" or name == kind else break_name(name)
        lines.append(" ".join([kind, *self.list_small_settings(first)]))
        folded = [
            self.words.get(row.kind, row.kind)
            for row in (rows[number] for number in node.rows[1:])
            if len(row.in_shape) == len(row.out_shape)
        ]
        lines += [f"+ {word}" for word in _join_in_pairs(folded)]
        lines += self.write_figures(node.rows, twin.rows)
        return CardBox(tuple(lines), node.rows, twin.rows, role, node.name, first.kind)

    def write_figures(self, numbers: Sequence[int], last: Sequence[int]) -> list[str]:
        """Shape, parameters and field of what ends with the last of these rows."""
        rows = self.structure.rows
        one, other = rows[numbers[-1]], rows[last[-1]]
        shape = write_shape(one.out_shape[1:])
        if one.out_shape != other.out_shape:
            channels = _write_range(one.out_shape[1], other.out_shape[1])
            shape = shape.replace(str(one.out_shape[1]), channels, 1)
        costs = [sum(rows[number].parameters for number in group) for group in (numbers, last)]
        words = [_write_range(*map(write_count, costs))] if any(costs) else []
        if one.field:
            words += _write_fields(self.words["field"], write_field(one), write_field(other))
        return [shape, *_fill_lines(words)]

    def list_small_settings(self, row: Row) -> list[str]:
        """A card has room for the kernel, the stride as ``/2`` and a dilation, not the padding."""
        shown = {"stride ": "/", "dilation ": f"{self.words['dilation']} "}
        words = []
        for word in list_settings(row):
            for name, mark in shown.items():
                word = word.replace(name, mark)
            if not word.startswith("padding "):
                words.append(word)
        return words

    def make_head(
        self, block: Block, last: Block, around: str, times_over: int = 1, room: float = 0
    ) -> CardBox:
        """A block's card: two long lines where there is room, else four short ones."""
        rows = self.find_rows(block)
        last_rows = self.find_rows(last)
        inside = block.name.removeprefix(f"{around}.") if around else block.name
        name = self.names[block.name] if inside == block.name else inside
        if times_over > 1:
            name = f"{name} … {self.names[last.name].split('.')[-1]}"
        kind = block.kind if times_over == 1 else f"{block.kind} ×{times_over}"
        figures = self.write_figures(rows, last_rows)
        long = (f"{name} · {kind}", " · ".join(figures).replace("… ", "…").replace(" · …", "…"))
        fits = LETTER * max(map(len, long)) + 2 * PAD <= room
        lines = long if fits else (*break_name(name), kind, *figures)
        return CardBox(lines, rows, last_rows, "block", block.name, block.kind, times_over)

    def find_rows(self, block: Block) -> tuple[int, ...]:
        """All rows of a block, those of its repeats' later times too."""
        rows, inside = self.structure.rows, f"{block.name}."
        return tuple(number for number, row in enumerate(rows) if row.name.startswith(inside))

    def make_block(self, block: Block, last: Block, around: str, times_over: int = 1) -> FrameBox:
        inside = self.make(block.inside, last.inside, block.name)
        head = self.make_head(block, last, around, times_over, inside.left + inside.right)
        return FrameBox(inside, head, times=times_over)

    def make_repeat(self, part: Repeat, last: Repeat, around: str):
        only, other = part.parts[0], last.last[0]
        if len(part.parts) == 1 and isinstance(only, Block):
            return self.make_block(only, other, around, part.times)
        if len(part.parts) == 1 and isinstance(only, Closed):
            return self.make_head(only.block, other.block, around, part.times)
        inside = ChainBox(self.make_all(part.parts, last.last, around))
        return FrameBox(inside, None, (f"×{part.times}",), part.times)

    def make_tangle(self, part: Tangle, last: Tangle, around: str) -> TangleBox:
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
        return TangleBox(self.make_all(part.nodes, last.nodes, around), part.nodes, reads, ends)


def _join_in_pairs(words: list[str]) -> list[str]:
    return [" + ".join(words[n : n + 2]) for n in range(0, len(words), 2)]


def _write_fields(name: str, one: str, other: str) -> list[str]:
    """``field 3``, or ``field 3…9``, in two words where that is long."""
    if one == other:
        return [f"{name} {one}"]
    long = len(f"{name} {one}{other}") >= WIDEST
    return [f"{name} {one}", f"…{other}"] if long else [f"{name} {one}…{other}"]


def _fill_lines(words: list[str]) -> list[str]:
    """Words in lines, as many to a line as it has room for."""
    lines = words[:1]
    for word in words[1:]:
        if len(lines[-1]) + len(word) + 3 <= WIDEST and not word.startswith("…"):
            lines[-1] += f" · {word}"
        else:
            lines.append(word)
    return lines


def _write_range(one, other) -> str:
    return f"{one}" if one == other else f"{one}…{other}"


def shorten_names(rows: Sequence[Row]) -> dict[str, str]:
    """Each module's dotted name to its shortest end that no other module's name has."""
    modules = dict.fromkeys(
        ".".join(parts[:end])
        for row in rows
        for parts in [row.name.split(".")]
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
