"""One small convolution as products: which numbers meet, and where each stands in every picture.

A layer is nine whole numbers, :data:`SETTINGS`. Everything is counted from 0. The pictures are
tables, and a place in one is [row, column]:

========== ============================= ==========================================
input      channel                       cell of the channel, row by row
kernel     kernel                        weight of its own channels, flat
output     channel                       cell of the channel, row by row
toeplitz   cell of the output, flat      cell of the input, flat
rows       kernel                        weight of all input channels, flat
columns    weight of all input channels  window, row by row
========== ============================= ==========================================

``toeplitz`` times the flat input is the flat output; ``rows`` times ``columns`` is ``output``.
The twin of ``matrix_view_sums.js``.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from cnnlib.geometry import Window, output_size

Layer = Mapping[str, int]

LIMITS = {
    "in_channels": (1, 4),
    "height": (1, 6),
    "width": (1, 6),
    "out_channels": (1, 4),
    "kernel_size": (1, 3),
    "stride": (1, 3),
    "padding": (0, 2),
    "dilation": (1, 3),
    "groups": (1, 4),
}
SETTINGS = tuple(LIMITS)
SHAPES = SETTINGS[:-1]
MOST = 36  # cells of the input, of the output, and weights over all input channels: what is legible

PRESETS = {
    name: dict(zip(SETTINGS, numbers, strict=True))
    for name, numbers in {
        "worked": (3, 3, 3, 2, 2, 1, 0, 1, 1),
        "plain": (1, 4, 4, 1, 3, 1, 0, 1, 1),
        "stride": (1, 5, 5, 1, 3, 2, 0, 1, 1),
        "padding": (1, 4, 4, 1, 3, 1, 1, 1, 1),
        "dilation": (1, 5, 5, 1, 2, 1, 0, 2, 1),
        "groups": (4, 3, 3, 4, 2, 1, 0, 1, 2),
        "depthwise": (3, 3, 3, 3, 2, 1, 0, 1, 3),
        "pointwise": (3, 2, 3, 2, 1, 1, 0, 1, 1),
        "connected": (1, 3, 3, 4, 3, 1, 0, 1, 1),
    }.items()
}

PICTURES = ("input", "kernel", "output", "toeplitz", "rows", "columns")
FORMS = ("toeplitz", "im2col")
HOMES = {"toeplitz": "toeplitz", "rows": "im2col", "columns": "im2col"}  # the others: both


class Product(NamedTuple):
    """One weight times one number under it. ``row`` and ``column`` may lie in the padding."""

    kernel: int
    channel: int  # of the input
    tap_row: int
    tap_column: int
    window: int
    row: int
    column: int


def out_size(s: Layer) -> tuple[int, int]:
    """Rows and columns of the output. Raises ``ValueError`` where the kernel does not fit."""
    window = Window(s["kernel_size"], s["stride"], s["padding"], s["dilation"])
    return output_size(s["height"], window), output_size(s["width"], window)


def is_legible(s: Layer) -> bool:
    """Whether the kernel fits and no side of a matrix has more than ``MOST`` cells."""
    try:
        rows, columns = out_size(s)
    except ValueError:
        return False
    return (
        s["in_channels"] * s["height"] * s["width"] <= MOST
        and s["out_channels"] * rows * columns <= MOST
        and s["in_channels"] * s["kernel_size"] ** 2 <= MOST
    )


def preset_of(s: Layer) -> str:
    """The name of the preset that has these settings, or an empty text."""
    return next((n for n, p in PRESETS.items() if all(s[k] == p[k] for k in SETTINGS)), "")


def products(s: Layer) -> list[Product]:
    """All products of the layer, output by output, those with the padding's zeros included."""
    rows, columns = out_size(s)
    each_in, each_out = s["in_channels"] // s["groups"], s["out_channels"] // s["groups"]
    return [
        Product(
            kernel,
            kernel // each_out * each_in + channel,
            tap_row,
            tap_column,
            y * columns + x,
            y * s["stride"] - s["padding"] + tap_row * s["dilation"],
            x * s["stride"] - s["padding"] + tap_column * s["dilation"],
        )
        for kernel in range(s["out_channels"])
        for y in range(rows)
        for x in range(columns)
        for channel in range(each_in)
        for tap_row in range(s["kernel_size"])
        for tap_column in range(s["kernel_size"])
    ]


def is_real(s: Layer, p: Product) -> bool:
    """Whether the number under the weight is the input's, not the padding's."""
    return 0 <= p.row < s["height"] and 0 <= p.column < s["width"]


def places(s: Layer, p: Product) -> dict[str, list[int]]:
    """Where a product's numbers stand; under ``padding`` [channel, row, column] of a zero."""
    rows, columns = out_size(s)
    taps, cells = s["kernel_size"] ** 2, s["height"] * s["width"]
    tap = p.tap_row * s["kernel_size"] + p.tap_column
    flat, own = p.channel * taps + tap, p.channel % (s["in_channels"] // s["groups"]) * taps + tap
    found = {
        "kernel": [p.kernel, own],
        "output": [p.kernel, p.window],
        "rows": [p.kernel, flat],
        "columns": [flat, p.window],
    }
    if not is_real(s, p):
        return {**found, "padding": [p.channel, p.row, p.column]}
    cell = p.row * s["width"] + p.column
    return {
        **found,
        "input": [p.channel, cell],
        "toeplitz": [p.kernel * rows * columns + p.window, p.channel * cells + cell],
    }


def sizes(s: Layer) -> dict[str, list[int]]:
    """Rows and columns of every picture."""
    rows, columns = out_size(s)
    cells, windows, taps = s["height"] * s["width"], rows * columns, s["kernel_size"] ** 2
    return {
        "input": [s["in_channels"], cells],
        "kernel": [s["out_channels"], s["in_channels"] // s["groups"] * taps],
        "output": [s["out_channels"], windows],
        "toeplitz": [s["out_channels"] * windows, s["in_channels"] * cells],
        "rows": [s["out_channels"], s["in_channels"] * taps],
        "columns": [s["in_channels"] * taps, windows],
    }


def values(s: Layer) -> dict[str, list[list]]:
    """The numbers in every picture; None where a matrix stores none.

    The input counts its own cells. The weights run from 1 to 9 and change their sign from channel
    to channel, so none is 0, and a 0 in ``columns`` that is no input is the padding's.
    """
    shape = sizes(s)
    tables = {name: [[None] * wide for _ in range(tall)] for name, (tall, wide) in shape.items()}
    channels, cells = shape["input"]
    tables["input"] = [[c * cells + i for i in range(cells)] for c in range(channels)]
    tables["output"] = [[0] * shape["output"][1] for _ in range(shape["output"][0])]
    for p, at in placed(s):
        flat = at["columns"][0]
        weight = ((flat + 5 * p.kernel) % 9 + 1) * (-1 if p.channel % 2 else 1)
        number = tables["input"][at["input"][0]][at["input"][1]] if "input" in at else 0
        for name in ("kernel", "rows", "toeplitz"):
            if name in at:
                row, column = at[name]
                tables[name][row][column] = weight
        tables["columns"][flat][p.window] = number
        tables["output"][p.kernel][p.window] += weight * number
    return tables


def placed(s: Layer) -> list[tuple[Product, dict[str, list[int]]]]:
    """Every product with its :func:`places`."""
    return _placed(tuple(s[name] for name in SETTINGS))


@lru_cache(maxsize=4)
def _placed(numbers: tuple[int, ...]) -> list[tuple[Product, dict[str, list[int]]]]:
    s = dict(zip(SETTINGS, numbers, strict=True))
    return [(p, places(s, p)) for p in products(s)]


def meetings(s: Layer, picture: str, entry: list[int]) -> list[Product]:
    """The products that an entry takes part in; none for an entry that stores no number."""
    return [p for p, at in placed(s) if at.get(picture) == entry]


def lights(s: Layer, picture: str, entry: list[int]) -> dict[str, list[list[int]]]:
    """For every picture, and the ``padding``, the entries that ``entry`` comes from or goes to.

    An empty entry of the Toeplitz matrix still has its input and its output, which do not meet.
    """
    met = [at for _, at in placed(s) if at.get(picture) == entry]
    if not met:
        met = [{picture: entry}]
        if picture == "toeplitz":
            shape = sizes(s)
            met[0]["output"] = list(divmod(entry[0], shape["output"][1]))
            met[0]["input"] = list(divmod(entry[1], shape["input"][1]))
    found = {name: [] for name in (*PICTURES, "padding")}
    for at in met:
        for name, place in at.items():
            if place not in found[name]:
                found[name].append([*place])
    return found


def counts(s: Layer) -> dict[str, dict[str, int]]:
    """The two forms' bills.

    ``entries`` of the Toeplitz matrix, or of im2col's columns; ``filled`` of them hold a weight, or
    a number of the input; ``stored`` different numbers make them; ``products`` of the whole matrix
    product (im2col: one product a group).
    """
    shape, at = sizes(s), [place for _, place in placed(s)]
    tall, wide = shape["toeplitz"]
    high, windows = shape["columns"]
    copied = {tuple(place["columns"]) for place in at if "input" in place}
    return {
        "toeplitz": {
            "rows": tall,
            "columns": wide,
            "entries": tall * wide,
            "filled": sum("toeplitz" in place for place in at),
            "stored": len({tuple(place["kernel"]) for place in at if "toeplitz" in place}),
            "products": tall * wide,
        },
        "im2col": {
            "rows": high,
            "columns": windows,
            "entries": high * windows,
            "filled": len(copied),
            "stored": len({tuple(place["input"]) for place in at if "input" in place}),
            "products": len(at),
        },
    }
