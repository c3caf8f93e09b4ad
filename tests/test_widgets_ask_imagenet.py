"""The widget that asks SqueezeNet in the page: its records, its states, its still picture."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from cnnlib.data import load_gallery
from cnnlib.weights import WEIGHTS, load_weights
from cnnlib.widgets.ask import NETWORK, SIDE, AskedPhotograph
from cnnlib.widgets.ask_imagenet import AskImagenet

NAMES = ("clownfish", "koala", "espresso")


@cache
def network() -> torch.nn.Module:
    return load_weights(NETWORK).eval()


def network_input(pixels: np.ndarray) -> torch.Tensor:
    """(1, 3, 227, 227) of pixels as the network sees them, (227, 227, 3) RGB."""
    mean = torch.tensor(WEIGHTS[NETWORK].preprocessing.mean).view(3, 1, 1)
    planes = torch.from_numpy(np.array(pixels)).movedim(2, 0).flip(0).float()
    return (planes - mean)[None]


@torch.no_grad()
def scores(pixels: np.ndarray) -> torch.Tensor:
    return network()(network_input(pixels))[0]


@cache
def photographs() -> tuple[AskedPhotograph, ...]:
    seen = replace(
        WEIGHTS[NETWORK].preprocessing, channel_order="RGB", mean=(0, 0, 0), std=(1, 1, 1)
    )
    gallery = {photograph.name: photograph for photograph in load_gallery()}
    found = []
    for name in NAMES:
        pixels = seen.apply([gallery[name].image])[0].round().byte().movedim(0, 2).numpy()
        alt = gallery[name].alt
        found.append(AskedPhotograph(gallery[name].title, pixels, scores(pixels).numpy(), alt))
    return tuple(found)


def make(**chosen) -> AskImagenet:
    return AskImagenet(photographs()[:2], stride=64, **chosen)  # a map of 16 places


def test_the_stored_answers_are_those_of_the_network_on_the_pixels_of_the_page():
    widget = make()
    record = WEIGHTS[NETWORK]
    for photograph, entry in zip(photographs(), widget.fixed["photographs"], strict=False):
        shares = scores(photograph.pixels).softmax(0)
        best = shares.topk(5)
        assert [number for number, _ in entry["best"]] == best.indices.tolist()
        np.testing.assert_allclose([s for _, s in entry["best"]], best.values, atol=1e-5)
    assert widget.fixed["categories"] == list(record.categories)
    assert widget.fixed["categories"][widget.fixed["photographs"][1]["best"][0][0]] == "koala"


def test_a_rounded_picture_is_the_networks_own_but_for_half_a_grey():
    image = next(p for p in load_gallery() if p.name == "koala").image
    own = WEIGHTS[NETWORK].preprocessing.apply([image])
    assert (network_input(photographs()[1].pixels) - own).abs().max() <= 0.5


def test_the_page_says_what_it_will_load_and_holds_none_of_it():
    widget = make()
    size = WEIGHTS[NETWORK].file.stat().st_size / 1000
    assert size < widget.fixed["kilobytes"] < size + 100
    assert len(str(widget.page_state())) < 400_000


def test_the_cover_stays_inside_when_it_grows():
    widget = make()
    widget.choose(covered=True, size=56, place=[171, 171])
    widget.size = 100
    assert widget.place == [SIDE - 100] * 2
    with pytest.raises(ValueError, match="place=.*128 × 128"):
        widget.place = [128, 0]
    with pytest.raises(ValueError, match="fill='red': expected one of grey, black, mean, blur"):
        widget.fill = "red"
    with pytest.raises(ValueError, match="target=1000: expected a whole number from −1 to 999"):
        widget.target = 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixels": np.zeros((10, 10, 3), np.uint8)}, r"shape \(10, 10, 3\): expected uint8"),
        ({"pixels": np.zeros((SIDE, SIDE, 3))}, "pixels are float64"),
        ({"scores": np.zeros(10)}, r"scores of shape \(10,\): expected 1000 finite"),
        ({"scores": np.full(1000, np.nan)}, "expected 1000 finite numbers"),
    ],
)
def test_records_that_do_not_fit_are_named(change, message):
    with pytest.raises(ValueError, match=rf"photographs\[1\].*{message}"):
        AskImagenet([photographs()[0], replace(photographs()[1], **change)])
    with pytest.raises(ValueError, match="expected at least one"):
        AskImagenet([])


def test_the_still_picture_shows_the_answers_of_the_network():
    widget = AskImagenet(photographs(), photograph=1)
    picture = widget.still_picture()
    share = scores(photographs()[1].pixels).softmax(0).max().item()
    assert f"koala · {100 * share:.0f} %" in picture
    assert widget.fixed["photographs"][1]["address"] in picture
    assert "koala" in widget.text_alternative() and photographs()[1].alt in picture
