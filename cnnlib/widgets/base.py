"""One widget, three homes: a live notebook, the published page, and paper.

A widget is a Python class with bounded traits and, beside it, one plain ES module and one style
sheet of the same stem. :class:`TeachingWidget` joins them:

- **Live** (JupyterLab, VS Code, Colab, Binder) it is an ordinary ipywidget. A live front end takes
  the module as one text, so each ``import ... from "./name.js"`` is replaced by a data URL.
- **On the published page** there is no kernel. The widget's ``text/html`` form carries its traits
  as JSON; the page's host script imports the module from the site and calls its ``render``.
- **On paper, or with scripts off,** the same form holds a still picture with a text alternative.
"""

import base64
import html
import io
import json
import re
from dataclasses import asdict
from pathlib import Path

import anywidget
import numpy as np
from PIL import Image

from cnnlib.geometry import Window, input_indices

HERE = Path(__file__).parent
IMPORT = re.compile(r"""from\s+["']\./([\w-]+\.js)["']""")


class TeachingWidget(anywidget.AnyWidget):
    """Base of the widgets. A subclass names its files: ``class X(TeachingWidget, stem="x")``

    A subclass defines :meth:`still_picture` and :meth:`text_alternative`. Traits tagged
    ``sync=True`` travel to the page as JSON, so they hold only what JSON can hold; arrays go as
    :func:`pack` makes them.
    """

    stem: str

    def __init_subclass__(cls, stem: str | None = None, **kwargs) -> None:
        if stem is not None:
            cls.stem = stem
            cls._esm = _module_text(f"{stem}.js")
            cls._css = _read("page.css") + _read(f"{stem}.css")
        super().__init_subclass__(**kwargs)

    def still_picture(self) -> str:
        """The widget's present state as SVG or HTML that needs no script and no network."""
        raise NotImplementedError(f"{type(self).__name__} draws no still picture")

    def text_alternative(self) -> str:
        """One or two sentences that say what the still picture shows."""
        raise NotImplementedError(f"{type(self).__name__} has no text alternative")

    def page_state(self) -> dict:
        """The traits that the page's front end starts from, ready for JSON."""
        own = {name for name in self.traits(sync=True) if not name.startswith("_")}
        return self.get_state(own - {"layout", "tabbable", "tooltip"})

    def page_form(self) -> str:
        """The widget as HTML for a page without a kernel."""
        state = json.dumps(self.page_state(), separators=(",", ":"), allow_nan=False)
        words = html.escape(self.text_alternative())
        return (
            f'<div class="cnn-place" data-cnn-widget="{self.stem}">'
            f'<script type="application/json">{state.replace("<", chr(92) + "u003c")}</script>'
            f'<div class="cnn-still" role="img" aria-label="{words}">'
            f"{self.still_picture()}</div></div>"
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.text_alternative()}>"

    def _repr_mimebundle_(self, **kwargs) -> tuple[dict, dict] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        return {**data, "text/html": self.page_form()}, metadata


def pack(array) -> dict:
    """A numpy array of unsigned bytes as a JSON value: ``{"shape": [...], "base64": "..."}``.

    Raises ``ValueError`` for any other element type: what a widget shows as brightness is
    quantised where its meaning is known, not here.
    """
    if str(array.dtype) != "uint8":
        raise ValueError(f"array of {array.dtype}: expected uint8")
    return {
        "shape": list(array.shape),
        "base64": base64.b64encode(array.tobytes()).decode("ascii"),
    }


def png_address(pixels) -> str:
    """A drawing, digit or map as a PNG in a ``data:`` address: every value is kept.

    ``pixels``: numpy array of uint8, (H, W) for grey or (H, W, 3) for colour. Raises ``ValueError``
    for others.
    """
    return _address(pixels, "png", optimize=True)


def photo_address(pixels, quality: int = 80) -> str:
    """A photograph as a WebP in a ``data:`` address: a tenth of the PNG, and nearly the same.

    ``pixels`` as for :func:`png_address`; ``quality`` is WebP's, 0 to 100. The book's build moves
    the large ones among a widget's traits into files, so a front end only sets them as ``src``.
    """
    if not 0 <= quality <= 100:
        raise ValueError(f"quality={quality}: expected 0 to 100")
    return _address(pixels, "webp", quality=quality, method=6)


def _address(pixels, kind: str, **options) -> str:
    if (
        str(pixels.dtype) != "uint8"
        or pixels.ndim not in (2, 3)
        or pixels.shape[2:] not in ((), (3,))
    ):
        raise ValueError(
            f"pixels: {pixels.dtype} of shape {pixels.shape}: expected uint8, (H, W) or (H, W, 3)"
        )
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def rows_of(layers) -> list[dict]:
    """Records of :func:`cnnlib.trace.trace` as JSON values, for ``seenBy`` in geometry.js.

    ``size`` is what a map shows, a vector counts as one place: ``[1, 1]``. ``grid`` is what
    windows are followed through: a flattened map still has its places.
    """
    input_shape = next(layer.in_shape for layer in layers if layer.inputs[0] == -1)
    grids = {-1: list(input_shape[2:]), **{row: _grid(layer) for row, layer in enumerate(layers)}}
    return [
        {
            "name": layer.name,
            "kind": layer.kind,
            "inputs": list(layer.inputs),
            "windows": [_reading(reading) for reading in layer.windows],
            "in_sizes": [grids[below] for below in layer.inputs],
            "grid": _grid(layer),
            "size": _size(layer.out_shape),
            "shape": list(layer.out_shape),
            "field": [
                {key: _number(value) for key, value in asdict(field).items()}
                for field in layer.field
            ],
            "parameters": layer.parameters,
            "macs": layer.macs,
            "aligned": layer.aligned,
        }
        for layer in layers
    ]


def _reading(reading) -> dict | None:
    """How a row reads an axis: a window, the positions of each unit, or None for all of them."""
    if reading is None:
        return None
    if isinstance(reading, Window):
        return {**asdict(reading), "padding": [reading.before, reading.after]}
    return {
        "reads": [list(positions) for positions in reading.reads],
        "chain": [_reading(window) for window in reading.chain],
    }


def _number(value) -> int | float:
    """A Fraction as JSON has it; behind a resampling a stride can be one."""
    return int(value) if value == int(value) else float(value)


def _grid(layer) -> list[int]:
    return list(getattr(layer, "grid", ())) or _size(layer.out_shape)


def _size(shape: tuple[int, ...]) -> list[int]:
    return list(shape[2:]) or [1, 1]


def seen_in_image(rows: list[dict], row: int, unit) -> list[range]:
    """The image's rows and columns, first to last, that a unit reads: ``seenBy``'s answer for -1.

    ``rows`` as :func:`rows_of` makes them; ``unit`` one position an axis.
    """
    reached = {row: [[{index} for index in unit]]}
    for number in range(row, -1, -1):
        here = rows[number]
        for below, sizes in zip(here["inputs"], here["in_sizes"], strict=True):
            known = reached.setdefault(below, [])
            for box in reached.get(number, []):
                axes = zip(box, here["windows"], sizes, here["grid"], strict=True)
                read = [_read_by(*axis) for axis in axes]
                if all(read) and not any(_inside(read, other) for other in known):
                    known[:] = [box for box in known if not _inside(box, read)] + [read]
    return [
        range(min(map(min, sets)), max(map(max, sets)) + 1) if sets else range(0)
        for sets in (zip(*reached[-1], strict=True) if reached[-1] else [()] * len(unit))
    ]


def _inside(small: list[set[int]], large: list[set[int]]) -> bool:
    return all(a <= b for a, b in zip(small, large, strict=True))


def _read_by(units: set[int], reading: dict | None, size: int, count: int) -> set[int]:
    """The positions, of ``size``, that ``units`` of an axis of ``count`` read."""
    if reading is None:
        return set(range(size))
    if "reads" in reading:
        return {position for unit in units for position in reading["reads"][unit]}
    window = Window(**reading)
    if size == 1 < count and window.span == 1:  # one value, shared by all places
        return {0}
    read = {position for unit in units for position in input_indices(window, size, unit)}
    return {position for position in read if 0 <= position < size}


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _module_text(name: str) -> str:
    """The ES module ``name`` with its relative imports turned into data URLs, at every depth."""

    def inline(match: re.Match) -> str:
        source = _module_text(match.group(1)).encode("utf-8")
        return f'from "data:text/javascript;base64,{base64.b64encode(source).decode("ascii")}"'

    return IMPORT.sub(inline, _read(name))
