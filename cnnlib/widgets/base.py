"""One widget, three homes: a live notebook, the published page, and paper.

A widget is a Python class with bounded traits and, beside it, one plain ES module and one style
sheet of the same stem. :class:`TeachingWidget` joins them:

- **Live** (JupyterLab, VS Code, Colab, Binder) it is an ordinary ipywidget. A live front end takes
  the module as one text, so each ``import ... from "./name.js"`` is replaced by a data URL.
- **On the published page** there is no kernel. The widget's ``text/html`` form carries its traits as
  JSON; the page's host script imports the module from the site and calls its ``render``.
- **On paper, or with scripts off,** the same form holds a still picture with a text alternative.
"""

import base64
import html
import json
import re
from dataclasses import asdict
from pathlib import Path

import anywidget

HERE = Path(__file__).parent
IMPORT = re.compile(r"""from\s+["']\./([\w-]+\.js)["']""")


class TeachingWidget(anywidget.AnyWidget):
    """Base of the book's widgets. A subclass names its files: ``class X(TeachingWidget, stem="x")``.

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
        return (
            f'<div class="cnn-place" data-cnn-widget="{self.stem}">'
            f'<script type="application/json">{state.replace("<", chr(92) + "u003c")}</script>'
            f'<div class="cnn-still" role="img" aria-label="{html.escape(self.text_alternative())}">'
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


def rows_of(layers) -> list[dict]:
    """Records of :func:`cnnlib.trace.trace` as JSON values, for ``seenBy`` in geometry.js.

    A vector counts as one place: ``size`` ``[1, 1]``.
    """
    input_shape = next(layer.in_shape for layer in layers if layer.inputs[0] == -1)
    shapes = {-1: input_shape, **{row: layer.out_shape for row, layer in enumerate(layers)}}
    return [
        {
            "name": layer.name,
            "kind": layer.kind,
            "inputs": list(layer.inputs),
            "windows": [None if w is None else _window(w) for w in layer.windows],
            "in_sizes": [_size(shapes[below]) for below in layer.inputs],
            "size": _size(layer.out_shape),
            "shape": list(layer.out_shape),
            "field": [{"size": f.size, "stride": f.stride, "start": f.start} for f in layer.field],
            "parameters": layer.parameters,
            "macs": layer.macs,
            "aligned": layer.aligned,
        }
        for layer in layers
    ]


def _window(window) -> dict:
    return {**asdict(window), "padding": [window.before, window.after]}


def _size(shape: tuple[int, ...]) -> list[int]:
    return list(shape[2:]) or [1, 1]


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _module_text(name: str) -> str:
    """The ES module ``name`` with its relative imports turned into data URLs, at every depth."""

    def inline(match: re.Match) -> str:
        source = _module_text(match.group(1)).encode("utf-8")
        return f'from "data:text/javascript;base64,{base64.b64encode(source).decode("ascii")}"'

    return IMPORT.sub(inline, _read(name))
