"""Signed values as brightness, and pictures side by side."""

import numpy as np
import pytest

from cnnlib.diagrams.pictures import paint_signed, tile_pictures


def test_zero_is_grey_and_the_largest_magnitude_an_end():
    painted = paint_signed(np.array([[-4.0, 0.0], [2.0, 1.0]]))
    assert painted.tolist() == [[0.0, 0.5], [0.75, 0.625]]
    assert paint_signed(np.zeros((2, 3))).tolist() == [[0.5] * 3] * 2


def test_outermost_values_can_be_cut_off():
    values = np.concatenate([np.linspace(-1, 1, 201), [100.0]])
    assert abs(paint_signed(values)[:201] - 0.5).max() < 0.006
    cut = paint_signed(values, 0.99)
    assert cut[-1] == 1 and cut[100] == 0.5 and cut[150] == pytest.approx(0.75, abs=0.01)
    for share in (0, 1.2):
        with pytest.raises(ValueError, match="strongest="):
            paint_signed(values, share)


def test_tiles_stand_in_rows_with_white_between():
    pictures = [np.full((2, 3, 3), number / 10) for number in range(5)]
    sheet = tile_pictures(pictures, 2)
    assert sheet.shape == (8, 7, 3)
    assert (sheet[2] == 1).all() and (sheet[:, 3] == 1).all() and (sheet[6:, 4:] == 1).all()
    found = [sheet[top, left, 0] for top, left in ((0, 0), (0, 4), (3, 0), (3, 4), (6, 0))]
    assert found == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert tile_pictures(pictures[:1], 1, gap=3).shape == (2, 3, 3)
    for wrong in ([], [np.zeros((2, 3, 3)), np.zeros((3, 2, 3))]):
        with pytest.raises(ValueError, match="expected one shape"):
            tile_pictures(wrong, 2)
