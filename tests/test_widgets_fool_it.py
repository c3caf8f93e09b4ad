"""The photograph that is changed: what Python says of it, against torch."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from cnnlib.weights import WEIGHTS, load_weights
from cnnlib.widgets.fool_it import FIRST, NETWORK, PHOTOGRAPHS, FoolIt, magnified, pixels_of
from cnnlib.widgets.widget import ChoiceError


def make() -> FoolIt:
    return FoolIt()


def picture_in(address: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))))


def shares_of(pixels: np.ndarray) -> torch.Tensor:
    """What torch says of a picture, put in by hand: blue first, the mean taken off."""
    planes = torch.from_numpy(pixels[..., ::-1].copy()).movedim(-1, 0).float()
    mean = torch.tensor(WEIGHTS[NETWORK].preprocessing.mean).view(3, 1, 1)
    with torch.no_grad():
        return load_weights(NETWORK)((planes - mean)[None])[0].softmax(0)


@pytest.mark.parametrize("number", range(len(PHOTOGRAPHS)))
def test_a_photograph_is_what_the_network_sees_to_the_grey(number):
    entry = FoolIt().fixed["photographs"][number]
    pixels = picture_in(entry["address"])
    assert (pixels == pixels_of(number)).all() and pixels.shape == (227, 227, 3)
    shares = shares_of(pixels)
    for number, share in entry["best"]:
        assert share == pytest.approx(shares[number].item(), abs=1e-4)
    assert shares.argmax() == entry["best"][0][0]


STATES = [
    {},
    {"photograph": 3, "way": "away", "steps": 1},
    {"photograph": 2, "rule": "plain", "size": 2, "budget": 4, "steps": 6, "target": 954},
    {"photograph": 1, "steps": 0},
]


@pytest.mark.parametrize("state", STATES)
def test_the_picture_that_is_shown_has_the_answers_that_are_said(state):
    widget = FoolIt(**state)
    record = widget.fixed["worked"]
    pixels = picture_in(record["address"])
    assert (pixels == widget.changed()).all()
    shares = shares_of(pixels)
    assert shares.argmax() == record["after"][0][0]
    for number, share in record["after"]:
        assert share == pytest.approx(shares[number].item(), abs=1e-3)
    own = record["before"][0][0]
    aim = own if widget.way == "away" else widget.target
    assert record["aim"][1] == pytest.approx(shares[aim].item(), abs=1e-3)
    apart = np.abs(pixels.astype(int) - pixels_of(widget.photograph)).max()
    assert apart == record["most"] <= widget.budget
    assert (apart == 0) == (widget.steps == 0)


def test_the_first_state_is_fooled_and_the_still_picture_says_it():
    widget = FoolIt()
    names = [widget.fixed["categories"][best[0][0]] for best in
             (widget.record()["before"], widget.record()["after"])]  # fmt: skip
    assert names == ["giant panda", "ostrich"]
    words = widget.text_alternative()
    assert "by more than 2 greys" in words and words in widget.still_picture()


def test_the_difference_is_magnified_about_a_middle_grey_and_cut():
    before = np.array([[[10, 10, 10]]], np.uint8)
    after = np.array([[[10, 12, 4]]], np.uint8)
    assert magnified(before, after, 10).tolist() == [[[128, 148, 68]]]
    assert magnified(before, after, 64).tolist() == [[[128, 255, 0]]]


@pytest.mark.parametrize(
    ("name", "value"),
    [("photograph", 6), ("way", "up"), ("target", 1000), ("rule", "signs"), ("size", 0)]
    + [("budget", 33), ("steps", 21), ("factor", 0), ("helps", "none"), ("climb", 49)],
)
def test_what_does_not_exist_is_refused_by_name(name, value):
    widget = make()
    with pytest.raises(ChoiceError, match=f"{name}={value!r}: expected"):
        setattr(widget, name, value)
    assert widget.chosen() == FIRST
