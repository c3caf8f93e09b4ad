"""The widget that asks two networks: what it says of them, its states, its sums, its pictures."""

from itertools import product

import numpy as np
import pytest
import torch

from cnnlib.data import load_gallery
from cnnlib.live.counts import multiply_adds, parameters
from cnnlib.live.site import shipped_entry, shipped_plan
from cnnlib.trace import trace
from cnnlib.weights import WEIGHTS, load_weights
from cnnlib.widgets.photo_networks import SIDE, TITLES, network_facts
from cnnlib.widgets.two_networks import SHOWN, TwoNetworks, photographs, pixels_of, shares_of
from cnnlib.widgets.two_networks_sums import Side, sign_test, tally

NETWORKS = ("squeezenet1_1", "small_resnet18", "small_shufflenet_v1", "imagenette_zfnet")


def make() -> TwoNetworks:
    """Two small ones, which answer soon."""
    return TwoNetworks(NETWORKS, first="small_shufflenet_v1", second="small_resnet18", photograph=2)


def make_with_squeezenet() -> TwoNetworks:
    return TwoNetworks(NETWORKS, photograph=2)


# --- The networks ---------------------------------------------------------------------------------


def test_every_network_for_photographs_that_ships_is_there():
    assert set(TITLES) == {
        key for key, record in WEIGHTS.items() if record.preprocessing.channels == 3
    }
    assert len(set(TITLES.values())) == len(TITLES)


@pytest.mark.parametrize("key", TITLES)
def test_what_a_network_costs_is_what_the_library_counts(key):
    net, record = load_weights(key).eval(), WEIGHTS[key]
    how = record.preprocessing
    facts = network_facts(key)
    rows = trace(net, (1, 3, how.height, how.width))
    assert facts["macs"] == sum(row.macs for row in rows)
    assert facts["parameters"] == sum(p.numel() for p in net.parameters())
    assert facts["bytes"] == shipped_entry(key)["bytes"]
    if record.accuracy is None:
        assert facts["right"] is facts["tested"] is None
    else:
        assert facts["right"] / facts["tested"] == pytest.approx(record.accuracy, abs=1e-9)


def test_a_plans_counts_take_a_shared_tensor_once_and_constants_not_at_all():
    plan = shipped_plan("lenet_modern")
    net = load_weights("lenet_modern")
    assert parameters(plan) == sum(p.numel() for p in net.parameters())
    twice = plan | {"steps": [*plan["steps"], *plan["steps"]]}
    assert parameters(twice) == parameters(plan)
    assert multiply_adds(twice) == 2 * multiply_adds(plan)


# --- The photographs ------------------------------------------------------------------------------


def test_a_photographs_class_is_one_of_imagenets_and_it_is_said_of_the_photograph():
    gallery = {one.name: one for one in load_gallery()}
    other_names = {
        "ice bear": "polar bear",
        "Madagascar cat": "ring-tailed lemur",
        "anemone fish": "clownfish",
        "bucket": "pail",
    }
    for name, label in SHOWN.items():
        assert label in WEIGHTS["squeezenet1_1"].categories
        words = f"{gallery[name].title} {gallery[name].alt}".lower()
        said = other_names.get(label, label).lower().split()
        assert all(word in words for word in said), (name, label)
    assert [one["label"] for one in photographs()] == [SHOWN.get(name) for name in gallery]


def test_classes_of_one_name_are_one_class():
    """A photograph's label is looked up by its name in every list."""
    lists = {WEIGHTS[key].dataset: WEIGHTS[key].categories for key in TITLES}
    for dataset, names in lists.items():
        assert len(set(names)) == len(names) or dataset == "imagenet"
        assert set(names) <= set(lists["imagenet"])
    doubled = {n for n in lists["imagenet"] if lists["imagenet"].count(n) > 1}
    assert not doubled & set(SHOWN.values())


def test_the_page_shows_the_square_that_an_imagenet_network_cuts():
    image = load_gallery()[2].image
    how = WEIGHTS["squeezenet1_1"].preprocessing
    mean = torch.tensor(how.mean).view(3, 1, 1)
    cut = (how.apply([image])[0] + mean).flip(0).movedim(0, 2).numpy()
    seen = pixels_of(2).astype(float)
    assert seen.shape == (SIDE, SIDE, 3)
    assert np.abs(seen - cut).mean() < 4  # what the packing of the page's picture loses


def test_a_network_gets_the_square_in_its_own_size_and_colours():
    pixels = pixels_of(2)
    for key in NETWORKS:
        how = WEIGHTS[key].preprocessing
        x = torch.from_numpy(pixels).movedim(2, 0)[None].float()
        size = (how.height, how.width)
        x = torch.nn.functional.interpolate(x, size, mode="bilinear", antialias=True)
        x = x.flip(1) if how.channel_order == "BGR" else x
        x = (x - torch.tensor(how.mean).view(3, 1, 1)) / torch.tensor(how.std).view(3, 1, 1)
        with torch.no_grad():
            expected = load_weights(key).eval()(x)[0].softmax(0).numpy()
        np.testing.assert_allclose(shares_of(key, 2), expected, atol=1e-4)


# --- States ---------------------------------------------------------------------------------------


def test_the_two_are_never_the_same_network():
    widget = make_with_squeezenet()
    widget.first = "small_resnet18"  # which is the second: they change places
    assert (widget.first, widget.second) == ("small_resnet18", "squeezenet1_1")
    with pytest.raises(ValueError, match="second='small_resnet18': expected one of squeezenet1_1"):
        widget.second = "small_resnet18"
    with pytest.raises(ValueError, match="first='small_vgg11': expected one of squeezenet1_1"):
        widget.first = "small_vgg11"
    with pytest.raises(ValueError, match="photograph=42: expected a whole number from 0 to 41"):
        widget.photograph = 42


def test_a_guess_ends_with_the_question_that_it_answers():
    widget = make()
    widget.choose(faster="first", surer="second")
    widget.photograph = 5
    assert (widget.faster, widget.surer) == ("first", "none")
    widget.surer = "first"
    widget.second = "imagenette_zfnet"
    assert (widget.faster, widget.surer) == ("none", "none")


@pytest.mark.parametrize(
    "networks", [(), ("small_nin",), ("small_nin", "small_nin"), ("lenet5", "small_nin")]
)
def test_networks_that_make_no_pair_are_named(networks):
    with pytest.raises(ValueError, match=r"networks=\[.*expected two or more, no two alike"):
        TwoNetworks(networks)


def test_the_still_picture_and_its_words_have_the_answers_of_torch():
    widget = make()
    picture, words = widget.still_picture(), widget.text_alternative()
    for key in (widget.first, widget.second):
        share = shares_of(key, 2)
        name = WEIGHTS[key].categories[int(share.argmax())]
        assert f"{name} · {100 * share.max():.1f} %" in picture
        assert f"{TITLES[key]} says {name} ({100 * share.max():.1f} %)" in words


def test_the_page_holds_no_answer_and_no_network():
    state = make().page_state()
    assert all(one["best"] is None for one in state["fixed"]["photographs"])
    assert len(str(state)) < 1_000_000


# --- Sums -----------------------------------------------------------------------------------------


def test_a_tally_counted_by_hand():
    one = Side(
        ["cat", "dog"], [("cat", 0.9), ("dog", 0.6), ("dog", 0.5), ("cat", 0.3), ("cat", 0.7)]
    )
    two = Side(
        ["cat", "pig"], [("cat", 0.4), ("pig", 0.8), ("cat", 0.2), ("pig", 0.9), ("pig", 0.1)]
    )
    found = tally([one, two], ["cat", "dog", "cat", "cow", None])
    assert found == {
        "photographs": 5, "same": 1, "labelled": 4, "both": 1, "one": [1, 1], "neither": 1,
        "surer": 0, "fair": [0, 1], "fair_labelled": 2,
        "sides": [
            {"right": 2, "known": 3, "when_right": 0.75, "when_wrong": 0.5, "when_foreign": 0.3},
            {"right": 2, "known": 2, "when_right": pytest.approx(0.3), "when_wrong": None,
             "when_foreign": pytest.approx(0.85)},
        ],
    }  # fmt: skip


def test_the_sign_test_is_that_of_all_throws_of_a_coin():
    for throws in range(9):
        sides = [sum(coins) for coins in product((0, 1), repeat=throws)]
        for one in range(throws + 1):
            away = abs(2 * one - throws)
            as_far = sum(abs(2 * heads - throws) >= away for heads in sides)
            assert sign_test(one, throws - one) == pytest.approx(as_far / len(sides))
    with pytest.raises(ValueError, match="one=-1, other=2"):
        sign_test(-1, 2)
