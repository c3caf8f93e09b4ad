"""What a drawn network is: cards, frames and lines on a sheet, in points, y downwards.

Nothing is measured with a font: a letter is taken to be as wide as a wide sans-serif's.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

TEXT = 8  # points
LEADING = 10  # points from line to line
LETTER = 0.57 * TEXT  # a letter's width, in the mean
BOLD = 1.14  # times as wide is a bold one
PAD = 5  # between a card's text and its edge
GAP_X, GAP_Y = 9, 16  # between neighbours


class Point(NamedTuple):
    """A place on the sheet."""

    x: float
    y: float


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

    points: tuple[Point, ...]
    arrow: bool


@dataclass
class Arrangement:
    """A drawn network, on a sheet of ``width`` by ``height`` points."""

    width: float
    height: float
    cards: list[Card] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
