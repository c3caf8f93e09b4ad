"""Boxes: what a drawing is put together from, before anything has a place.

A box knows how far it reaches to the left and right of its axis, the line on which the network runs
through it, and how high it is. ``draw`` puts it on a sheet; ``entries`` and ``exits`` are where
lines come in and go out.
"""

from dataclasses import dataclass
from typing import NamedTuple

from cnnlib.layout.plan import (
    BOLD,
    GAP_X,
    GAP_Y,
    LEADING,
    LETTER,
    PAD,
    Arrangement,
    Card,
    Frame,
    Line,
    Point,
)

LANE = 7  # between lines that run side by side
FRAME = 6  # between a frame and what it surrounds


class Entry(NamedTuple):
    """Where a line comes in, and whether it ends there: then it has an arrow's head."""

    x: float
    y: float
    arrow: bool


@dataclass(eq=False)
class CardBox:
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

    def entries(self, axis: float, top: float) -> list[Entry]:
        return [Entry(axis, top, True)]

    def exits(self, axis: float, top: float) -> list[Point]:
        return [Point(axis, top + self.height)]


@dataclass(eq=False)
class SkipBox:
    left: float = 3
    right: float = 3
    height: float = 0

    def draw(self, sheet: Arrangement, axis: float, top: float) -> None:
        pass

    def entries(self, axis: float, top: float) -> list[Entry]:
        return [Entry(axis, top, False)]

    def exits(self, axis: float, top: float) -> list[Point]:
        return [Point(axis, top)]


@dataclass(eq=False)
class ChainBox:
    boxes: list

    def __post_init__(self) -> None:
        self.left = max(box.left for box in self.boxes)
        self.right = max(box.right for box in self.boxes)
        self.height = measure_height(self.boxes)

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
                connect(sheet, before, box.entries(axis, here))
            before = box.exits(axis, here)

    def entries(self, axis: float, top: float) -> list[Entry]:
        return self.boxes[0].entries(axis, top)

    def exits(self, axis: float, top: float) -> list[Point]:
        return self.boxes[-1].exits(axis, self._tops(top)[-1])


@dataclass(eq=False)
class BranchesBox:
    boxes: list

    def __post_init__(self) -> None:
        self.places, reach = [], 0.0
        for box in self.boxes:
            self.places.append(reach + box.left)
            reach += box.left + box.right + GAP_X
        reach -= GAP_X
        layered = [n for n, box in enumerate(self.boxes) if not isinstance(box, SkipBox)]
        # The network runs on through the only branch with layers, else through the middle.
        axis = self.places[layered[0]] if len(layered) == 1 else reach / 2
        self.places = [place - axis for place in self.places]
        self.left, self.right = axis, reach - axis
        self.height = max(box.height for box in self.boxes)

    def draw(self, sheet: Arrangement, axis: float, top: float) -> None:
        for box, place in zip(self.boxes, self.places, strict=True):
            box.draw(sheet, axis + place, top)

    def entries(self, axis: float, top: float) -> list[Entry]:
        pairs = zip(self.boxes, self.places, strict=True)
        return [entry for box, place in pairs for entry in box.entries(axis + place, top)]

    def exits(self, axis: float, top: float) -> list[Point]:
        pairs = zip(self.boxes, self.places, strict=True)
        return [point for box, place in pairs for point in box.exits(axis + place, top)]


class Jump(NamedTuple):
    """A line past neighbours, by positions in a tangle: -1 is above it, its length below it."""

    start: int
    end: int


@dataclass(eq=False)
class TangleBox:
    """Nodes in one column; what reads another than the one before has a lane on the right."""

    boxes: list
    nodes: list[int]
    reads: dict[int, tuple[int, ...]]
    outside: set[int]  # nodes that something below the tangle reads, or nothing

    def __post_init__(self) -> None:
        place = {node: position for position, node in enumerate(self.nodes)}
        end = len(self.nodes)
        jumps = []
        for node, position in place.items():
            starts = {place.get(source, -1) for source in self.reads[node]}
            jumps += [Jump(start, position) for start in starts if start != position - 1]
            if node in self.outside and position != end - 1:
                jumps.append(Jump(position, end))
        self.lanes: list[list[Jump]] = []
        for jump in sorted(jumps, key=lambda jump: jump.end - jump.start):
            free = (
                lane
                for lane in self.lanes
                if all(other.end <= jump.start or jump.end <= other.start for other in lane)
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
        self.height = measure_height(self.boxes)

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
            connect(
                sheet,
                self.boxes[position - 1].exits(axis, tops[position - 1]),
                self.boxes[position].entries(axis, tops[position]),
            )
        for number, lane in enumerate(self.lanes):
            x = self._lane(axis, number)
            for start, end in lane:
                points = [Point(x, top)]
                if start >= 0:
                    box = self.boxes[start]
                    low = tops[start] + 0.75 * box.height
                    points = [Point(axis + box.right, low), Point(x, low)]
                if end < len(self.boxes):
                    box = self.boxes[end]
                    high = tops[end] + 0.25 * box.height
                    points += [Point(x, high), Point(axis + box.right, high)]
                else:
                    points.append(Point(x, top + self.height))
                sheet.lines.append(Line(tuple(points), end < len(self.boxes)))

    def entries(self, axis: float, top: float) -> list[Entry]:
        above = any(source not in self.nodes for source in self.reads[self.nodes[0]])
        entries = [Entry(axis, top, True)] if above else []
        for number, lane in enumerate(self.lanes):
            x = self._lane(axis, number)
            entries += [Entry(x, top, False) for jump in lane if jump.start < 0]
        return entries

    def exits(self, axis: float, top: float) -> list[Point]:
        points = [Point(axis, top + self.height)]
        for number, lane in enumerate(self.lanes):
            x, low = self._lane(axis, number), top + self.height
            points += [Point(x, low) for jump in lane if jump.end == len(self.boxes)]
        return points


@dataclass(eq=False)
class FrameBox:
    """A block or a repeat around a chain; ``head`` is its card, or None where it only has words."""

    inside: ChainBox
    head: CardBox | None
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
        connect(sheet, [Point(axis, top + self.strip)], self.inside.entries(axis, inner))
        self.inside.draw(sheet, axis, inner)
        for point in self.inside.exits(axis, inner):
            sheet.lines.append(Line((point, Point(point.x, low)), arrow=False))

    def entries(self, axis: float, top: float) -> list[Entry]:
        return [Entry(axis, top, True)]

    def exits(self, axis: float, top: float) -> list[Point]:
        inside = self.inside.exits(axis, self._inner_top(top))
        return [Point(point.x, top + self.height) for point in inside]


def measure_height(boxes: list) -> float:
    """Of boxes one below the other."""
    return sum(box.height for box in boxes) + GAP_Y * (len(boxes) - 1)


def connect(sheet: Arrangement, exits: list[Point], entries: list[Entry]) -> None:
    """Lines from each exit to each entry: down, across where lines part or meet, down."""
    for start in exits:
        for end in entries:
            bend = start.y + GAP_Y / 2 if len(entries) > 1 else end.y - GAP_Y / 2
            points = [start, Point(start.x, bend), Point(end.x, bend), Point(end.x, end.y)]
            if abs(start.x - end.x) < 0.01:
                points = [points[0], points[-1]]
            if points[0] != points[-1]:
                sheet.lines.append(Line(tuple(points), end.arrow))


def connect_columns(
    sheet: Arrangement, exits: list[Point], entries: list[Entry], gutter: float, low: float
) -> None:
    """From the foot of one column to the head of the next, by the gutter between them."""
    bottom = low + GAP_Y / 2 + 4
    for start in exits:
        for end in entries:
            top = end.y - 4
            points = (
                start,
                Point(start.x, bottom),
                Point(gutter, bottom),
                Point(gutter, top),
                Point(end.x, top),
                Point(end.x, end.y),
            )
            sheet.lines.append(Line(points, end.arrow))
