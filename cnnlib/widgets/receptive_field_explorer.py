"""Pick a unit in any layer of a network and see what it sees, layer by layer, down to the image."""

import html
import re
from collections.abc import Sequence
from dataclasses import MISSING, fields

import numpy as np
from traitlets import Any, Bool, Int, List, Unicode, observe, validate

from cnnlib.geometry import Window
from cnnlib.widgets.base import TeachingWidget, png_address, rows_of, seen_in_image

DEFAULTS = {field.name: field.default for field in fields(Window) if field.default is not MISSING}
ADDRESS = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=\s]+")


class ReceptiveFieldExplorer(TeachingWidget, stem="receptive_field_explorer"):
    """A network's layers as a list, one unit's window in each of them, and the image under it.

    What it teaches: a unit sees a window of the input, its receptive field. The deeper the layer,
    the larger the window and the farther apart the windows of neighbours. Near the border part of
    the window lies in the padding. Where branches join, each brings a window of its own.

    ``layers``: the records of :func:`cnnlib.trace.trace`, of any network that takes an image.
    ``image``: what lies under the window, a numpy array of uint8 of the network's input size,
    (H, W) or (H, W, 3), or a PNG or JPEG as a ``data:`` address (for a photograph the smaller way);
    without one a numbered grid. ``image_alt``: the image in a few words. ``layer``: a row number of
    ``layers``, -1 for the input; at first the deepest map that has more than one place. ``unit``:
    [row, column] in that layer, at first its middle; a vector's units have no place, there it is
    [0, 0]. ``predict``: hide the window until the reader has made a guess and asks for it.

    ``layer``, ``unit``, ``image``, ``image_alt`` and ``predict`` can be set and observed. Where
    another layer is smaller, the unit moves to the nearest one that it has.

    Raises ``ValueError`` for records whose input is no image, and for a layer, a unit or an image
    that does not fit them.
    """

    rows = List().tag(sync=True)
    input_shape = List().tag(sync=True)
    layer = Int().tag(sync=True)
    unit = List().tag(sync=True)
    image = Any(None).tag(sync=True)
    image_alt = Unicode("").tag(sync=True)
    predict = Bool(False).tag(sync=True)

    def __init__(
        self,
        layers: Sequence,
        image: np.ndarray | str | None = None,
        *,
        image_alt: str = "",
        layer: int | None = None,
        unit: Sequence[int] | None = None,
        predict: bool = False,
        **kwargs,
    ) -> None:
        input_shape = _checked_input_shape(layers)
        self._rows = rows_of(layers)
        self._input_size = input_shape[2:]
        if layer is None:
            maps = [number for number, row in enumerate(self._rows) if row["size"] != [1, 1]]
            layer = max(maps, default=len(self._rows) - 1)
        layer = self._checked_layer(int(layer))
        if unit is None:
            unit = [count // 2 for count in self._size(layer)]
        super().__init__(
            rows=[_short(row) for row in self._rows],
            input_shape=list(input_shape[1:]),
            layer=layer,
            unit=self._checked_unit([int(index) for index in unit], layer),
            image=self._checked_image(image),
            image_alt=image_alt,
            predict=predict,
            **kwargs,
        )

    @validate("layer")
    def _validate_layer(self, proposal: dict) -> int:
        return self._checked_layer(proposal["value"])

    @validate("unit")
    def _validate_unit(self, proposal: dict) -> list[int]:
        return self._checked_unit(proposal["value"], self.layer)

    @validate("image")
    def _validate_image(self, proposal: dict) -> str | None:
        return self._checked_image(proposal["value"])

    @observe("layer")
    def _keep_inside(self, change: dict) -> None:
        size = self._size(self.layer)
        self.unit = [min(index, count - 1) for index, count in zip(self.unit, size, strict=True)]

    def text_alternative(self) -> str:
        under = f", on {self.image_alt}" if self.image_alt else ""
        return f"Receptive field explorer, {len(self.rows)} layers{under}. {self._sentence()}"

    def still_picture(self) -> str:
        size = self._size(self.layer)
        name = "the input" if self.layer < 0 else self._rows[self.layer]["name"]
        below, above = 300 / max(self._input_size), 200 / max(size)
        everything = _frame(1, below, *map(range, self._input_size))
        units = _frame(400, above, *map(range, size))
        window = _frame(1, below, *self._seen())
        unit = _frame(400, above, *(range(index, index + 1) for index in self.unit))
        image = f'<image {everything} preserveAspectRatio="none" href="{self.image}"/>'
        caption = 'fill="var(--cnn-ink)" font-size="14" text-anchor="middle"'
        heights = self._input_size[0] * below + 24, size[0] * above + 24
        return (
            f'<svg viewBox="0 0 640 {max(heights) + 8:.0f}" width="640" '
            'xmlns="http://www.w3.org/2000/svg">'
            f'<rect {everything} fill="var(--cnn-input-soft)"/>{image if self.image else ""}'
            f'<rect {everything} fill="none" stroke="var(--cnn-input)" stroke-width="2"/>'
            f'<rect {window} fill="none" stroke="var(--cnn-kernel)" stroke-width="3"/>'
            f'<rect {units} fill="var(--cnn-raised)" stroke="var(--cnn-line)"/>'
            f'<rect {unit} fill="var(--cnn-output)"/>'
            f'<text x="{1 + self._input_size[1] * below / 2:.0f}" y="{heights[0]:.0f}" {caption}>'
            "the input and the window</text>"
            f'<text x="{400 + size[1] * above / 2:.0f}" y="{heights[1]:.0f}" {caption}>'
            f"{html.escape(name)} and the unit</text></svg>"
            f"<p>{html.escape(self._sentence())}</p>"
        )

    def _seen(self) -> list[range]:
        """The input's rows and columns that the unit sees."""
        if self.layer < 0:
            return [range(index, index + 1) for index in self.unit]
        return seen_in_image(self._rows, self.layer, self.unit)

    def _sentence(self) -> str:
        """The same sentence that the page shows."""
        y, x = self.unit
        if self.layer < 0:
            return f"Pixel ({y}, {x}) of the input sees itself: 1×1 pixel."
        row = self._rows[self.layer]
        alone = row["grid"] == [1, 1]
        vector = alone and len(row["shape"]) == 2
        who = f"Every unit of {row['name']}" if vector else f"Unit ({y}, {x}) of {row['name']}"
        rows, columns = self._seen()
        if not rows:
            return f"{who} sees nothing of the input."
        pixels = "pixel" if len(rows) * len(columns) == 1 else "pixels"
        down, across = (round(field["stride"], 3) for field in row["field"])
        if alone:
            step = ""
        elif down == across == 0:
            step = ", as every unit does"
        else:
            step = f"; step {down}" if down == across else f"; step {down} down, {across} across"
        return (
            f"{who} sees {_span('row', rows)}, {_span('column', columns)} of the input: "
            f"{len(rows)}×{len(columns)} {pixels}{step}."
        )

    def _size(self, layer: int) -> list[int]:
        return list(self._input_size) if layer < 0 else self._rows[layer]["grid"]

    def _checked_layer(self, layer: int) -> int:
        if not -1 <= layer < len(self._rows):
            raise ValueError(
                f"layer={layer}: expected a row, 0 to {len(self._rows) - 1}, or -1 for the input"
            )
        return layer

    def _checked_unit(self, unit: list, layer: int) -> list[int]:
        size = self._size(layer)
        fits = len(unit) == 2 and all(
            isinstance(index, int) and 0 <= index < count
            for index, count in zip(unit, size, strict=False)
        )
        if not fits:
            raise ValueError(
                f"unit={unit}: expected [row, column] with row from 0 to {size[0] - 1} and column "
                f"from 0 to {size[1] - 1}, the size of layer {layer}"
            )
        return unit

    def _checked_image(self, image: np.ndarray | str | None) -> str | None:
        if image is None:
            return None
        if isinstance(image, str):
            if not ADDRESS.fullmatch(image):
                raise ValueError(
                    f"image={image[:40]!r}...: expected data:image/png;base64,... or "
                    "data:image/jpeg;base64,..."
                )
            return image
        pixels = np.asarray(image)
        if pixels.shape[:2] != tuple(self._input_size):
            raise ValueError(
                f"image of shape {pixels.shape}: the layers were traced on {self._input_size}"
            )
        return png_address(pixels)


def _frame(x: float, scale: float, rows: range, columns: range) -> str:
    """The place of a rectangle over some rows and columns of a map that is drawn at ``x``."""
    return (
        f'x="{x + columns.start * scale:.1f}" y="{1 + rows.start * scale:.1f}" '
        f'width="{len(columns) * scale:.1f}" height="{len(rows) * scale:.1f}"'
    )


def _checked_input_shape(layers: Sequence) -> tuple[int, ...]:
    """(N, C, H, W) of the network's input."""
    if not layers:
        raise ValueError("layers is empty: expected the records of cnnlib.trace.trace")
    input_shape = next(layer.in_shape for layer in layers if -1 in layer.inputs)
    if len(input_shape) != 4:
        raise ValueError(f"the network's input is {input_shape}: expected an image, (N, C, H, W)")
    for layer in layers:
        if len(layer.windows) != 2:
            raise ValueError(f"{layer.name} has no windows: expected the rows of trace, no summary")
    return tuple(input_shape)


def _short(row: dict) -> dict:
    """A row of ``rows_of`` without what the page can fill in; the module's ``expand`` undoes it."""
    short = {
        "name": row["name"],
        "kind": row["kind"],
        "inputs": row["inputs"],
        "shape": row["shape"][1:],
        "windows": _once([_short_reading(reading) for reading in row["windows"]]),
        "field": _once(row["field"]),
    }
    if row["grid"] != row["shape"][2:]:
        short["grid"] = row["grid"]
    if not row["aligned"]:
        short["aligned"] = False
    return short


def _short_reading(reading: dict | None) -> dict | None:
    return reading and {key: value for key, value in reading.items() if value != _default(key)}


def _default(key: str):
    return [0, 0] if key == "padding" else DEFAULTS.get(key)


def _once(pair: list) -> list:
    return pair[:1] if pair and all(item == pair[0] for item in pair) else pair


def _span(noun: str, positions: range) -> str:
    first, last = positions[0], positions[-1]
    return f"{noun} {first}" if first == last else f"{noun}s {first}–{last}"
