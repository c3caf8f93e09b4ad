"""Blocks drawn as one card each, instead of opened."""

from dataclasses import dataclass

from cnnlib.layout.structure import Block, Branches, Chain, Repeat, Skip

FEWEST = 4  # cards: a drawing of fewer has its blocks opened once


@dataclass(eq=False)
class Closed:
    """A block that is drawn as one card."""

    block: Block


def close_blocks(parts: list) -> list:
    """The parts of a tree with every block closed; where there are few, their insides' blocks."""
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
            return Closed(part)
        case Repeat():
            return Repeat(part.times, [*map(_close, part.parts)], [*map(_close, part.last)])
        case Branches():
            return Branches(
                [way if isinstance(way, Skip) else Chain([*map(_close, way.parts)])
                 for way in part.ways]
            )  # fmt: skip
        case _:
            return part
