"""Still pictures: every text is escaped once, every number is short."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from cnnlib.widgets import svg
from cnnlib.widgets.pictures import png_address

NASTY = '</svg><b onclick="x">&amp; "quoted" <'


def parsed(markup: str) -> ElementTree.Element:
    """The one element that the markup is; fails for what is no XML."""
    assert isinstance(markup, svg.Markup)
    return ElementTree.fromstring(markup)


def test_a_text_is_escaped_once_wherever_it_stands():
    inner = svg.element("title", NASTY, id=NASTY)
    node = parsed(svg.element("g", NASTY, inner, svg.join([NASTY, inner]), class_=NASTY))
    assert node.text == NASTY and node.get("class") == NASTY
    titles = node.findall("title")
    assert [title.text for title in titles] == [NASTY, NASTY]
    assert [title.get("id") for title in titles] == [NASTY, NASTY]
    assert titles[0].tail == NASTY
    assert parsed(svg.paragraph(NASTY)).text == NASTY


def test_attributes_are_named_as_in_a_page_and_none_is_left_out():
    made = svg.element("rect", class_="a", stroke_width=2, font_size=None, viewBox="0 0 1 1")
    assert made == '<rect class="a" stroke-width="2" viewBox="0 0 1 1"/>'
    assert svg.element("p", "") == "<p></p>"
    assert svg.element("p") == "<p/>"


@pytest.mark.parametrize(
    ("value", "written"),
    [(1, "1"), (1.0, "1"), (100.0, "100"), (0.125, "0.12"), (2.5, "2.5"), (1e-9, "0")]
    + [(-3.999, "-4"), (1234567.0, "1234567"), (np.float64(0.5), "0.5"), (np.int64(7), "7")]
    + [("10%", "10%")],
)
def test_numbers_have_two_decimals_at_most(value, written):
    assert svg.element("rect", x=value) == f'<rect x="{written}"/>'


def test_a_drawing_has_its_own_units_and_is_as_wide_as_they_say():
    node = parsed(svg.drawing(120.5, 60, svg.element("rect", x=1), class_="a"))
    assert node.tag == "{http://www.w3.org/2000/svg}svg"
    assert node.get("viewBox") == "0 0 120.5 60"
    assert (node.get("width"), node.get("class"), len(node)) == ("120.5", "a", 1)


def test_pixels_stay_squares_and_are_the_very_levels():
    levels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    node = parsed(svg.pixels(levels, 1, 2, 40, 30))
    assert node.get("href") == png_address(levels)
    assert [node.get(name) for name in ("x", "y", "width", "height")] == ["1", "2", "40", "30"]
    assert "pixelated" in node.get("style")
    assert node.get("preserveAspectRatio") == "none"


def test_an_outline_shows_on_dark_and_on_light():
    lines = re.findall(r'stroke="(#\w+)" stroke-width="(\d)"', svg.outline(0, 0, 5, 5))
    assert [colour for colour, _ in lines] == ["#000000", "#ffb067"]
    assert int(lines[0][1]) > int(lines[1][1])
