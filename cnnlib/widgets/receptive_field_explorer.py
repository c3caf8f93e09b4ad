"""Pick a unit in any layer of a network and see what it sees, layer by layer, down to the image."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from cnnlib.rows import LayerTrace, check_rows, seen_by
from cnnlib.widgets import svg
from cnnlib.widgets.pictures import png_address
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.widget import Choice, TeachingWidget

ADDRESS = re.compile(r"data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/=\s]+")
MANY = 20  # rows: in a longer list those are left out that do not change the window


class ReceptiveFieldExplorer(TeachingWidget, stem="receptive_field_explorer"):
    """A network's layers as a list, one unit's window in each of them, and the image under it.

    What it teaches: a unit sees a window of the input, its receptive field. The deeper the layer,
    the larger the window and the farther apart the windows of neighbours. Near the border part of
    the window lies in the padding. Where branches join, each brings a window of its own.

    ``rows``: those of :func:`cnnlib.trace.trace`, of any network that takes an image.
    ``image``: what lies under the window, a numpy array of uint8 of the network's input size,
    (H, W) or (H, W, 3), or a PNG, JPEG or WebP as a ``data:`` address (for a photograph the smaller
    way); without one a numbered grid. ``image_alt``: the image in a few words. ``predict``: hide
    the window until the reader has made a guess and asks for it.

    These can be set and observed. ``layer``: the number of a row, -1 for the input; at first the
    deepest map that has more than one place. ``unit``: [row, column] in that layer, at first its
    middle; a vector's units have no place, there it is [0, 0]. Where another layer is smaller, the
    unit moves to the nearest one that it has. ``leave_out``: whether the list is without the layers
    that change no window, as a ReLU's; at first where there are more than 20. ``shown``: whether
    the window is to be seen.

    Raises ``ValueError`` for rows whose input is no image, and for a layer, a unit or an image
    that does not fit them.
    """

    layer = Choice()
    unit = Choice()
    leave_out = Choice()
    shown = Choice()

    def __init__(
        self,
        rows: Sequence[LayerTrace],
        image: np.ndarray | str | None = None,
        *,
        image_alt: str = "",
        predict: bool = False,
        unit: Sequence[int] | None = None,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: int | bool,
    ) -> None:
        check_rows(rows)
        if len(rows[0].in_shape) != 4:
            raise ValueError(
                f"the network's input is {rows[0].in_shape}: expected an image, (N, C, H, W)"
            )
        self._rows = tuple(rows)
        maps = [number for number, row in enumerate(rows) if row.map_shape != (1, 1)]
        fixed = {
            "rows": [row.to_json() for row in rows],
            "image": _checked_image(image, rows[0].in_shape[2:]),
            "image_alt": image_alt,
            "predict": predict,
        }
        first = {
            "layer": max(maps, default=len(rows) - 1),
            "unit": [0, 0],
            "leave_out": len(rows) > MANY,
            "shown": not predict,
        }
        if unit is not None:
            chosen["unit"] = unit
        super().__init__(fixed, first, chosen, language=language, hidden=hidden)
        if unit is None:
            self.unit = [count // 2 for count in _grid(fixed["rows"], self.layer)]

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        layer = s.whole("layer", -1, len(fixed["rows"]) - 1)
        s.place("unit", _grid(fixed["rows"], layer))
        s.flag("leave_out")
        s.flag("shown")
        return s.done()

    def text_alternative(self) -> str:
        count, image = len(self._rows), self.fixed["image_alt"]
        sees = self._sentence()
        if not image:
            return self.words("alt", count=count, sees=sees)
        return self.words("alt.image", count=count, image=image, sees=sees)

    def still_picture(self) -> str:
        size, grid = (_grid(self.fixed["rows"], layer) for layer in (-1, self.layer))
        below, above = 300 / max(size), 200 / max(grid)
        everything = _box(1, below, [range(count) for count in size])
        units = _box(400, above, [range(count) for count in grid])
        unit = _box(400, above, [range(index, index + 1) for index in self.unit])
        heights = everything["height"] + 24, units["height"] + 24
        name = self._rows[self.layer].name if self.layer >= 0 else ""
        parts = [
            svg.element("rect", **everything, fill="var(--cnn-input-soft)"),
            svg.element("rect", **everything, fill="none", stroke="var(--cnn-input)",
                        stroke_width=2),
            svg.element("rect", **_box(1, below, self._seen()), fill="none",
                        stroke="var(--cnn-kernel)", stroke_width=3),
            svg.element("rect", **units, fill="var(--cnn-raised)", stroke="var(--cnn-line)"),
            svg.element("rect", **unit, fill="var(--cnn-output)"),
            _caption(self.words("still.input"), everything, heights[0]),
            _caption(self.words("still.unit", name=name) if name
                     else self.words("still.pixel"), units, heights[1]),
        ]  # fmt: skip
        if self.fixed["image"]:
            image = {"preserveAspectRatio": "none", "href": self.fixed["image"]}
            parts.insert(1, svg.element("image", **everything, **image))
        return svg.drawing(640, max(heights) + 8, *parts) + svg.paragraph(self._sentence())

    def _seen(self) -> list[range]:
        """The input's rows and columns that the unit sees."""
        if self.layer < 0:
            return [range(index, index + 1) for index in self.unit]
        return list(seen_by(self._rows, self.layer, self.unit)[-1])

    def _sentence(self) -> str:
        """The same sentence that the page shows."""
        say, (y, x) = self.words, self.unit
        if self.layer < 0:
            return say("sees.itself", who=say("subject.pixel", row=y, column=x))
        row, (rows, columns) = self._rows[self.layer], self._seen()
        alone = row.grid == (1, 1)
        subject = "vector" if alone and len(row.out_shape) == 2 else "unit"
        who = say(f"subject.{subject}", row=y, column=x, name=row.name)
        if not rows:
            return say("sees.nothing", who=who)
        steps = [field.stride for field in row.field]
        key = "alone" if alone else "step" if any(steps) else "alike"
        down, across = (f"{float(step):.3f}".rstrip("0").removesuffix(".") for step in steps)
        return say(
            f"sees.{key}",
            who=who,
            ranges=say(
                "ranges", rows=self._span("row", rows), columns=self._span("column", columns)
            ),
            size=f"{len(rows)}×{len(columns)}",
            pixels=len(rows) * len(columns),
            step=down if down == across else say("by_axis", down=down, across=across),
        )

    def _span(self, axis: str, positions: range) -> str:
        first, last = positions[0], positions[-1]
        if first == last:
            return self.words(f"kit.{axis}", **{axis: first})
        return self.words(f"{axis}s", first=first, last=last)


def _grid(rows: Sequence[dict], layer: int) -> list[int]:
    """The units along each axis of a row, or the input's pixels; ``rows`` as ``fixed`` has them."""
    if layer < 0:
        return rows[0]["in_shape"][2:]
    return rows[layer].get("grid", rows[layer]["out_shape"][2:])


def _checked_image(image: np.ndarray | str | None, size: Sequence[int]) -> str | None:
    if image is None:
        return None
    if isinstance(image, str):
        if not ADDRESS.fullmatch(image):
            raise ValueError(
                f"image={image[:40]!r}...: expected data:image/png;base64,... (or jpeg, webp)"
            )
        return image
    pixels = np.asarray(image)
    if pixels.shape[:2] != tuple(size):
        raise ValueError(f"image of shape {pixels.shape}: the rows were traced on {tuple(size)}")
    return png_address(pixels)


def _box(x: float, scale: float, ranges: Sequence[range]) -> dict[str, float]:
    """The place of a rectangle over some rows and columns of a map that is drawn at ``x``."""
    rows, columns = ranges
    return {
        "x": x + columns.start * scale,
        "y": 1 + rows.start * scale,
        "width": len(columns) * scale,
        "height": len(rows) * scale,
    }


def _caption(text: str, box: Mapping[str, float], y: float) -> svg.Markup:
    middle = box["x"] + box["width"] / 2
    return svg.element("text", text, x=middle, y=y, fill="var(--cnn-ink)", font_size=14,
                       text_anchor="middle")  # fmt: skip
