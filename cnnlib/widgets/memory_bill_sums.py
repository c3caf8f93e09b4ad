"""What a network's maps take in memory, line by line, out of the rows of its trace.

What torch keeps for the way back follows from each row's kind: a convolution keeps what it reads, a
ReLU what it gives. Each piece of memory counts once, however many rows keep it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from cnnlib.rows import LayerTrace, check_rows

KEEPS_INPUT = {"Conv2d", "Linear", "MaxPool2d", "AvgPool2d", "BatchNorm2d", "LocalResponseNorm"}
KEEPS_OUTPUT = {"ReLU", "Sigmoid", "Tanh"}
KEEPS_NOTHING = {"add", "cat", "AdaptiveAvgPool2d", "Dropout", "Flatten", "Identity"}

#: Their output is their input's memory.
VIEWS = {"Flatten", "Identity"}

#: They belong to the line of the layer that they follow.
FOLLOWS = {"ReLU", "Sigmoid", "Tanh", "BatchNorm2d", "Dropout", *VIEWS}

#: Channels that a response normalisation looks over. A row does not say it; all papers have 5.
RESPONSE_SIZE = 5

#: Copies of each parameter: itself; its gradient; the velocity, or Adam's two means.
COPIES = {"inference": 1, "momentum": 3, "adam": 4}

GB = 10**9


@dataclass(frozen=True)
class Line:
    """A layer and what follows it up to the next, for one image; the first line is the image.

    ``name`` is the layer's, without modules around it that nothing tells apart; "" for the image.
    ``shape`` and ``values`` are the layer's own output. The rest is what the whole line has:
    ``kept`` numbers for the way back, ``marks`` in bytes (8 for the place of each maximum of a
    pooling, 1 for each value that dropout may drop), ``fixed`` bytes that no further image adds to
    (a batch's mean and deviation in each channel, always in 32 bits), and ``live`` numbers of its
    outputs at the fullest moment of inference.

    ``printed`` is a figure from elsewhere that stands beside ``values``.
    """

    name: str
    shape: tuple[int, ...]
    values: int
    parameters: int = 0
    macs: int = 0
    kept: int = 0
    marks: int = 0
    fixed: int = 0
    live: int = 0
    printed: str = ""


def lines_of(rows: Sequence[LayerTrace], printed: Mapping[str, str] | None = None) -> list[Line]:
    """The lines of a trace of one image. ``printed``: figures by row name, "" for the image's.

    Raises ``ValueError`` for rows of several images, for a kind of row whose way back is not known
    here, and for a printed figure whose row begins no line.
    """
    check_rows(rows)
    if rows[0].in_shape[0] != 1:
        raise ValueError(f"in_shape={rows[0].in_shape}: expected the trace of one image")
    known = KEEPS_INPUT | KEEPS_OUTPUT | KEEPS_NOTHING
    for row in rows:
        if row.kind not in known:
            raise ValueError(f"{row.name} is a {row.kind}: expected one of {sorted(known)}")
    kept, live = _kept(rows), _live(rows)
    image = rows[0].in_shape[1:]
    lines = [Line("", image, prod(image), kept=prod(image), live=prod(image))]
    home = {-1: 0}
    for number, row in enumerate(rows):
        values = prod(row.out_shape)
        if row.kind in FOLLOWS:
            home[number] = home[row.inputs[0]]
        else:
            home[number] = len(lines)
            lines.append(Line(row.name, row.out_shape[1:], values))
        line = lines[home[number]]
        lines[home[number]] = replace(
            line,
            parameters=line.parameters + row.parameters,
            macs=line.macs + row.macs,
            kept=line.kept + values * (number in kept) + _inside(row),
            marks=line.marks + values * {"MaxPool2d": 8, "Dropout": 1}.get(row.kind, 0),
            fixed=line.fixed + (8 * row.out_shape[1] if row.kind == "BatchNorm2d" else 0),
            live=line.live + values * (number in live),
        )
    for name, figure in (printed or {}).items():
        place = next((n for n, line in enumerate(lines) if line.name == name), None)
        if place is None:
            raise ValueError(f"printed: {name!r}: expected the name of a layer")
        lines[place] = replace(lines[place], printed=figure)
    names = _short([line.name for line in lines])
    return [replace(line, name=name) for line, name in zip(lines, names, strict=True)]


def _short(names: Sequence[str]) -> list[str]:
    """Each name without the modules around that nothing tells apart: conv1_1, conv2_1.conv3."""
    ends = [[name.split(".", n)[-1] for n in range(name.count("."), -1, -1)] for name in names]
    uses = Counter(end for own in ends for end in own)
    return [next((end for end in own if uses[end] == 1), own[-1]) for own in ends]


def _memory(rows: Sequence[LayerTrace], views: set[str]) -> dict[int, int]:
    """For each row, and -1 for the image, the row whose memory its output is."""
    found = {-1: -1}
    for number, row in enumerate(rows):
        found[number] = found[row.inputs[0]] if row.kind in views else number
    return found


def _kept(rows: Sequence[LayerTrace]) -> set[int]:
    """The rows whose outputs are kept for the way back."""
    memory, kept = _memory(rows, VIEWS), set()
    for number, row in enumerate(rows):
        pools = row.kind == "AdaptiveAvgPool2d" and prod(row.out_shape[2:]) > 1  # to 1x1: a mean
        if row.kind in KEEPS_INPUT or pools:
            kept.add(memory[row.inputs[0]])
        elif row.kind in KEEPS_OUTPUT:
            kept.add(memory[number])
    return kept


def _inside(row: LayerTrace) -> int:
    """Numbers that a row keeps of its own arithmetic.

    Response normalisation keeps the squares with channels of zeros around them, the sum's base, and
    the power that it divides by.
    """
    if row.kind != "LocalResponseNorm":
        return 0
    return 3 * prod(row.out_shape) + (RESPONSE_SIZE - 1) * prod(row.out_shape[2:])


def _live(rows: Sequence[LayerTrace]) -> set[int]:
    """The rows whose outputs are in memory at the fullest moment of inference.

    An output goes when its last reader has run. (The image stays: whoever asked has it.)
    """
    memory = _memory(rows, VIEWS | {"Dropout"})
    last = dict.fromkeys(memory.values(), -1)
    for number, row in enumerate(rows):
        for source in row.inputs:
            last[memory[source]] = number
    own = [number for number in range(len(rows)) if memory[number] == number]

    def held(now: int) -> set[int]:
        return {number for number in own if number <= now <= max(last[number], number)}

    return max(map(held, own), key=lambda live: sum(prod(rows[n].out_shape) for n in live))


def bill(
    lines: Sequence[Mapping[str, Any]], batch: int, bits: int, use: str, card: int
) -> dict[str, Any]:
    """The bytes of everything, for ``batch`` images in numbers of ``bits`` bits.

    ``lines`` are those of :func:`lines_of`, as dictionaries; ``use`` is a key of :data:`COPIES`;
    ``card`` is in GB, of 10^9 bytes. ``lines`` of the answer are (weights, maps) a line, and
    ``largest`` is the largest batch that the card holds, 0 where it does not hold one image.
    """
    size, copies, trains = bits // 8, COPIES[use], use != "inference"

    def maps(line: Mapping[str, Any], count: int) -> int:
        if not trains:
            return count * line["live"] * size
        return count * line["kept"] * size + line["fixed"]

    def marks(line: Mapping[str, Any], count: int) -> int:
        return count * line["marks"] if trains else 0

    parameters = sum(line["parameters"] for line in lines) * size
    fixed = copies * parameters + sum(maps(line, 0) for line in lines)
    each = sum(maps(line, 1) - maps(line, 0) + marks(line, 1) for line in lines)
    return {
        "parameters": parameters,
        "gradients": parameters if trains else 0,
        "state": (copies - 2) * parameters if trains else 0,
        "maps": sum(maps(line, batch) for line in lines),
        "marks": sum(marks(line, batch) for line in lines),
        "total": fixed + batch * each,
        "largest": max(0, (card * GB - fixed) // each),
        "lines": [
            [copies * line["parameters"] * size, maps(line, batch) + marks(line, batch)]
            for line in lines
        ],
    }
