"""Scales and their colours."""

import numpy as np
import pytest

from cnnlib.widgets.pixels import PALETTES, Scale, palette, rgb
from cnnlib.widgets.words import fixed_point

SCALES = [Scale(0, 3.5), Scale(-2, 7), Scale(-4, 4, signed=True), Scale(0, 0), Scale(0, 0, True)]


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_a_byte_gives_its_value_back_within_half_a_step(scale):
    values = np.linspace(scale.low, scale.high, 999).reshape(27, 37)
    levels = scale.levels(values)
    assert levels.dtype == np.uint8 and levels.shape == values.shape
    step = (scale.high - scale.low) / (254 if scale.signed else 255)
    assert np.abs(scale.values(levels) - values).max() <= step / 2 * (1 + 1e-9)


def test_the_ends_have_the_outermost_levels_and_a_signed_zero_has_the_middle_one():
    assert Scale(-2, 7).levels([-2, 7]).tolist() == [0, 255]
    assert Scale(-4, 4, signed=True).levels([-4, 0, 4]).tolist() == [1, 128, 255]
    assert Scale(0, 0, signed=True).levels([0]).tolist() == [128]
    assert Scale(-4, 4, signed=True).values(128) == 0


@pytest.mark.parametrize(
    ("scale", "value", "text"),
    [
        (Scale(0, 1), 0.25, "0.250"),
        (Scale(0, 255), 2.5, "3"),
        (Scale(-300, 300, True), -12.34, "−12"),
        (Scale(-1, 1, True), -0.0001, "0.000"),
        (Scale(0, 1e-5), 3e-6, "3.0e−6"),
        (Scale(0, 2e6), 1.23e6, "1.2e+6"),
        (Scale(0, 0), 0, "0"),
    ],
)
def test_a_value_has_the_decimals_that_a_step_is_worth(scale, value, text):
    assert scale.write(value) == text


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(0.5, 0, "1"), (2.5, 0, "3"), (-2.5, 0, "−3"), (1.005, 2, "1.00"), (-0.04, 1, "0.0")],
)
def test_ties_go_away_from_zero_as_in_javascript(value, decimals, text):
    assert fixed_point(value, decimals) == text


@pytest.mark.parametrize("signed", [False, True])
def test_a_palette_goes_through_its_anchors(signed):
    colours = palette(signed)
    anchors = PALETTES["signed" if signed else "positive"]
    assert colours.shape == (256, 3) and colours.dtype == np.uint8
    first, middle = (1, 128) if signed else (0, None)
    assert colours[first].tolist() == rgb(anchors[0])
    assert colours[255].tolist() == rgb(anchors[-1])
    if signed:
        assert colours[middle].tolist() == rgb(anchors[3]) == palette(False)[0].tolist()
