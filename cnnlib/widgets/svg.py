"""Still pictures: SVG and HTML, built so that every text in them is escaped once."""

import html
from collections.abc import Iterable

import numpy as np

from cnnlib.widgets.pictures import png_address


class Markup(str):
    """A text that is markup already. All others are escaped where they are put in."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """``element("rect", x=1, class_="a")``: numbers with two decimals at most, None left out.

    A trailing underscore of an attribute's name is dropped, the others become hyphens.
    """
    written = "".join(
        f' {key.removesuffix("_").replace("_", "-")}="{html.escape(_written(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(
        f"<{name}{written}>{join(children)}</{name}>" if children else f"<{name}{written}/>"
    )


def join(children: Iterable[str]) -> Markup:
    """The children, one after the other."""
    return Markup("".join(c if isinstance(c, Markup) else html.escape(c) for c in children))


def drawing(width: float, height: float, *children: str, **attributes) -> Markup:
    """An ``<svg>`` of so many units, no wider than its place."""
    return element(
        "svg",
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_written(width)} {_written(height)}",
        width=width,
        **attributes,
    )


def paragraph(text: str) -> Markup:
    """A line of text under a drawing."""
    return element("p", text)


def pixels(levels: np.ndarray, x: float, y: float, width: float, height: float) -> Markup:
    """Pixels, uint8 (H, W) or (H, W, 3), as an ``<image>`` whose pixels stay squares."""
    address = png_address(levels)
    return image(address, x, y, width, height, style="image-rendering:pixelated")


def image(
    address: str, x: float, y: float, width: float, height: float, **attributes: str | None
) -> Markup:
    """The picture at an address, as large as it is told to be."""
    return element(
        "image",
        x=x,
        y=y,
        width=width,
        height=height,
        preserveAspectRatio="none",
        href=address,
        **attributes,
    )


def outline(x: float, y: float, width: float, height: float) -> Markup:
    """A frame that shows on dark and on light: orange on a black edge."""
    return join(
        element("rect", x=x, y=y, width=width, height=height, fill="none", stroke=colour,
                stroke_width=thickness)
        for colour, thickness in (("#000000", 4), ("#ffb067", 2))
    )  # fmt: skip


def _written(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
