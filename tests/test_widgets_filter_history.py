"""Filters through training: what the page gets, and what it is told."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from cnnlib.widgets.filter_history import FilterHistory

EPOCHS = (0, 1, 4, 10)
COUNT, HEIGHT, WIDTH = 11, 4, 6


def filters() -> dict[int, np.ndarray]:
    """From noise to a pattern: not square, and more filters than fit into a row."""
    draw = np.random.default_rng(3)
    start = 0.1 * draw.standard_normal((COUNT, 3, HEIGHT, WIDTH))
    end = draw.standard_normal((COUNT, 3, HEIGHT, WIDTH))
    return {epoch: start + epoch / 10 * (end - start) for epoch in EPOCHS}


def make() -> FilterHistory:
    return FilterHistory(
        "ZFNet", filters(), correct={0: 0.1, 1: 0.3, 10: 0.825}, step=1, filter=9, common=True
    )


def sheet_of(widget: FilterHistory) -> np.ndarray:
    address = widget.fixed["sheet"]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))), int)


def test_the_sheet_holds_every_filter_at_every_epoch_grey_where_a_weight_is_zero():
    given = filters()
    given[4][2, 1, 3, 5] = 0
    given[4][2, :, 0, 0] = np.abs(given[4][2]).max() * np.array([1, -1, 0.5])
    sheet = sheet_of(FilterHistory("net", given))
    assert sheet.shape == (len(EPOCHS) * HEIGHT, COUNT * WIDTH, 3)
    picture = sheet[2 * HEIGHT : 3 * HEIGHT, 2 * WIDTH : 3 * WIDTH]
    assert picture[3, 5, 1] == 128
    assert picture[0, 0].tolist() == [255, 1, 192]
    for place, epoch in enumerate(EPOCHS):
        for number in (0, 7, 10):
            one = sheet[place * HEIGHT :][:HEIGHT, number * WIDTH :][:, :WIDTH] - 128
            weights = given[epoch][number].transpose(1, 2, 0)
            assert np.abs(one / 127 - weights / np.abs(weights).max()).max() < 0.5 / 127 + 1e-9


def test_likeness_is_the_cosine_with_the_last_epoch():
    end = np.zeros((2, 3, 1, 2))
    end[0, 0, 0] = [3, 4]
    end[1, 2, 0] = [1, 0]
    before = np.zeros((2, 3, 1, 2))
    before[0, 0, 0] = [4, 3]  # 24 / 25
    before[1, 2, 0] = [-5, 0]  # the other way round
    widget = FilterHistory("net", {0: before, 7: end})
    assert widget.fixed["likeness"] == [[0.96, -1.0], [1.0, 1.0]]
    assert widget.fixed["lengths"] == [[5.0, 5.0], [5.0, 1.0]]
    assert widget.fixed["limits"] == [[4.0, 5.0], [4.0, 1.0]]


def test_a_filter_of_zeros_is_grey_and_like_nothing():
    end = np.ones((2, 3, 2, 2))
    end[1] = 0
    widget = FilterHistory("net", {0: np.zeros((2, 3, 2, 2)), 3: end})
    assert (sheet_of(widget)[:2] == 128).all()
    assert widget.fixed["likeness"] == [[0.0, 0.0], [1.0, 0.0]]


def test_epochs_are_shown_in_their_order_whatever_order_they_come_in():
    given = dict(reversed(filters().items()))
    assert FilterHistory("net", given).fixed["epochs"] == list(EPOCHS)


def test_text_says_the_epoch_the_layer_and_the_filter():
    widget = make()
    (own,) = [line[9] for line in widget.fixed["likeness"][1:2]]
    near = sum(one >= 0.9 for one in widget.fixed["likeness"][1])
    text = widget.text_alternative()
    assert "The 11 filters of 4 × 6 of the first layer of ZFNet after epoch 1 of 10" in text
    assert f"{near} of 11 filters" in text
    assert f"Filter 9: length {widget.fixed['lengths'][1][9]:.3f}" in text
    assert f"likeness {own:.2f}" in text


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({3: np.ones((2, 3, 2, 2))}, "filters: epochs \\[3\\], expected two or more"),
        ({0: np.ones((2, 3, 2, 2)), 1: np.ones((2, 1, 2, 2))}, "filters\\[1\\] of shape"),
        ({0: np.ones((2, 3, 2, 2)), 1: np.ones((3, 3, 2, 2))}, "expected \\(2, 3, 2, 2\\)"),
        ({0: np.ones((2, 3, 2, 2)), 1: np.full((2, 3, 2, 2), np.nan)}, "filters\\[1\\] holds"),
        ({-1: np.ones((2, 3, 2, 2)), 1: np.ones((2, 3, 2, 2))}, "epoch -1, expected a whole"),
    ],
)
def test_filters_that_do_not_fit_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        FilterHistory("net", wrong)


def test_figures_of_an_epoch_without_filters_are_refused():
    with pytest.raises(ValueError, match="correct: epochs \\[3\\] have no filters"):
        FilterHistory("net", filters(), correct={3: 0.5})


def test_choices_out_of_reach_are_refused():
    widget = make()
    for name, value, says in (("step", 4, "from 0 to 3"), ("filter", 11, "from 0 to 10")):
        with pytest.raises(ValueError, match=says):
            setattr(widget, name, value)
    assert (widget.step, widget.filter) == (1, 9)


def test_the_still_picture_has_every_filter():
    picture = make().still_picture()
    assert picture.count("<image") == COUNT
