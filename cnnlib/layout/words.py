"""What a drawing says of a row: its name, its windows, its shape and its costs, in few letters."""

import math
from collections.abc import Sequence

from cnnlib.geometry import Window
from cnnlib.rows import ALL_POSITIONS, IDENTITY, LayerTrace, Positions, Reading, Row

#: What stands on a card beside names and numbers: kinds in short, and three words more. Another
#: language passes a table of its own to :func:`cnnlib.layout.arrange`, with the same keys.
WORDS = {
    "input": "input",
    "field": "field",
    "dilation": "dilation",
    "BatchNorm2d": "BN",
    "LocalResponseNorm": "LRN",
    "cat": "concat",
    "mul": "multiply",
    "MaxPool2d": "max pool",
    "AvgPool2d": "mean pool",
    "AdaptiveAvgPool2d": "mean pool",
    "Conv2d": "conv",
    "ConvTranspose2d": "transposed conv",
}


def list_windows(row: Row) -> tuple[Reading, ...]:
    """How the row's units read, one reading an axis; of a summary nothing is known, so ()."""
    return row.windows if isinstance(row, LayerTrace) else ()


def is_place_by_place(row: Row) -> bool:
    """Whether the row keeps every number's place and multiplies by no weights: it can be folded."""
    return (
        row.macs == 0
        and len(row.inputs) == 1
        and isinstance(row, LayerTrace)
        and bool(row.windows)
        and math.prod(row.in_shape) == math.prod(row.out_shape)
        and all(reading in (ALL_POSITIONS, IDENTITY) for reading in row.windows)
    )


def group_names(groups: Sequence[Sequence[str]]) -> list[str]:
    """A name for each group of rows: the shortest part of its first row's that is its alone.

    ``c1`` for ``c1.0`` and ``c1.1``; but ``features.0`` where ``features.3`` is in another group.
    """
    everything: dict[str, int] = {}
    for group in groups:
        for name in group:
            for prefix in _prefixes(name):
                everything[prefix] = everything.get(prefix, 0) + 1
    found = []
    for group in groups:
        inside: dict[str, int] = {}
        for name in group:
            for prefix in _prefixes(name):
                inside[prefix] = inside.get(prefix, 0) + 1
        own = (p for p in _prefixes(group[0]) if inside[p] == everything[p])
        found.append(next(own, group[0]))
    return found


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def list_settings(row: Row) -> list[str]:
    """The row's windows in words: kernel, then what is not usual."""
    windows = []
    for reading in list_windows(row):
        match reading:
            case Window():
                windows.append(reading)
            case Positions(chain=[*_, last]):
                windows.append(last)
    if len(windows) != 2 or (windows == [IDENTITY] * 2 and "Conv" not in row.kind):
        return []
    words = [write_pair([window.kernel_size for window in windows], always=True)]
    for name in ("stride", "dilation"):
        values = [getattr(window, name) for window in windows]
        if values != [1, 1]:
            words.append(f"{name} {write_pair(values)}")
    paddings = [
        window.before if window.before == window.after else f"{window.before}+{window.after}"
        for window in windows
    ]
    return words + ([f"padding {write_pair(paddings)}"] if paddings != [0, 0] else [])


def write_pair(values: Sequence, always: bool = False) -> str:
    return f"{values[0]}" if values[0] == values[1] and not always else f"{values[0]}×{values[1]}"


def write_shape(sizes: Sequence[int]) -> str:
    """``6 × 28 × 28``; ``84`` for (84,) and for (84, 1, 1)."""
    shown = sizes[:1] if all(size == 1 for size in sizes[1:]) else sizes
    return " × ".join(map(str, shown))


def write_count(number: int) -> str:
    """A number in at most four figures: ``864``, ``1.25 K``, ``25.6 M``, ``4.09 G``."""
    for size, letter in ((10**9, " G"), (10**6, " M"), (10**3, " K")):
        if number >= size:
            return (
                f"{number / size:.3g}{letter}"
                if number < 999.5 * size
                else f"{number // size}{letter}"
            )
    return str(number)


def write_field(row: Row) -> str:
    """The receptive field's size, ``31`` or ``7×31``."""
    sizes = [int(field.size) for field in row.field]
    return write_pair(sizes) if len(sizes) == 2 else " × ".join(map(str, sizes))


def break_name(name: str, most: int = 18) -> list[str]:
    """A dotted name in lines of about ``most`` letters."""
    lines = [""]
    for part in name.replace(".", ".\n").split("\n"):
        if lines[-1] and len(lines[-1] + part) > most:
            lines.append("")
        lines[-1] += part
    return lines
