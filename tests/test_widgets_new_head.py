"""The new head: its features, its training and its leaving-out, against torch; its choices."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cnnlib.data import load_gallery
from cnnlib.live.site import network_file
from cnnlib.weights import load_weights, preprocess
from cnnlib.widgets.new_head import EXAMPLES, LAYER, MOST, NETWORK, SHAPE, NewHead, photographs
from cnnlib.widgets.new_head_sums import fit, held_out, scaled, weights_of
from cnnlib.widgets.widget import ChoiceError


def make() -> NewHead:
    return NewHead()


def some(seed: int, count: int, classes: int, wide: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Features and classes, each of which is there; the classes differ somewhat."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    return rng.normal(size=(count, wide)) + rng.normal(size=(classes, wide))[labels], labels


def torch_loss(features: np.ndarray, labels: np.ndarray, weight, bias, penalty: float):
    """The loss of a head on scaled features: cross-entropy and the penalty. float64 tensors."""
    centred = torch.tensor(features - features.mean(axis=0))
    x = centred / centred.square().sum(dim=1).mean().sqrt()
    scores = x @ weight.T + bias
    return F.cross_entropy(scores, torch.tensor(labels)) + penalty / 2 * weight.square().sum()


def torch_optimum(features: np.ndarray, labels: np.ndarray, classes: int, penalty: float) -> float:
    weight = torch.zeros(classes, features.shape[1], dtype=torch.double, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.double, requires_grad=True)
    options = {"max_iter": 3000, "tolerance_grad": 1e-10, "tolerance_change": 1e-15}
    found = torch.optim.LBFGS([weight, bias], line_search_fn="strong_wolfe", **options)

    def closure():
        found.zero_grad()
        loss = torch_loss(features, labels, weight, bias, penalty)
        loss.backward()
        return loss

    found.step(closure)
    return closure().item()


CASES = [(name, power) for name in ("animals", "dogs", "three", "mixed") for power in range(-4, 1)]


def example(name: str, penalty: int = -2) -> NewHead:
    groups = EXAMPLES[name]
    pairs = [[key, kind] for kind, group in enumerate(groups) for key in group]
    return NewHead(names=list("abc"[: len(groups)]), pictures=pairs, penalty=penalty)


# --- Features -------------------------------------------------------------------------------------


def test_features_are_the_mean_of_the_maps_that_the_old_head_reads():
    network = load_weights(NETWORK)
    kept = {}
    network.get_submodule("conv10").register_forward_pre_hook(
        lambda part, args: kept.update(maps=args[0])
    )
    given = {p.name: p for album in ("gallery", "faces") for p in load_gallery(album)}
    for one in photographs()[::7]:
        with torch.no_grad():
            network(preprocess(NETWORK, [given[one.key].image]))
        assert kept["maps"].shape == (1, *SHAPE)
        np.testing.assert_allclose(one.features, kept["maps"].mean(dim=(2, 3))[0], atol=1e-5)
    assert {"features": SHAPE}[LAYER] == SHAPE


# --- Training -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "power"), CASES)
def test_a_trained_head_has_the_loss_of_torchs_optimum(name, power):
    widget = example(name, power)
    features, labels = widget.features()
    classes = len(widget.names)
    best = torch_optimum(features, labels, classes, 10.0**power)
    record = widget.record()
    assert record["losses"][0] == pytest.approx(np.log(classes))
    assert best * (1 - 1e-9) <= record["losses"][-1] <= best * 1.001
    # The plain head has this loss on the features as they come, seen through the same scaling.
    _, length = scaled(features @ features.T)
    weight = torch.tensor(record["weight"] * length**0.5)
    bias = torch.tensor(record["bias"] + record["weight"] @ features.mean(axis=0))
    again = torch_loss(features, labels, weight, bias, 10.0**power).item()
    assert again == pytest.approx(record["losses"][-1], rel=1e-9)


def test_the_first_steps_are_those_of_torchs_sgd_with_nesterovs_momentum():
    features, labels = some(3, 12, 3)
    penalty = 0.01
    weight = torch.zeros(3, 20, dtype=torch.double)
    bias = torch.zeros(3, dtype=torch.double)
    ahead, steps, losses = (weight, bias), 0, []
    for _ in range(6):
        losses.append(torch_loss(features, labels, weight, bias, penalty).item())
        leaves = [part.clone().requires_grad_() for part in ahead]
        slopes = torch.autograd.grad(torch_loss(features, labels, *leaves, penalty), leaves)
        new = [p.detach() - s / (0.5 + penalty) for p, s in zip(leaves, slopes, strict=True)]
        steps += 1
        push = steps / (steps + 3)
        ahead = [n + push * (n - o) for n, o in zip(new, (weight, bias), strict=True)]
        weight, bias = new
    found = fit(features @ features.T, labels, 3, penalty)
    np.testing.assert_allclose(found.losses[:6], losses, rtol=1e-9)


@pytest.mark.parametrize("classes", [2, 3])
def test_who_is_left_out_is_read_by_a_head_that_has_not_learned_from_it(classes):
    features, labels = some(classes, 9, classes)
    answers = held_out(features @ features.T, labels, classes, 0.01)
    for out in range(9):
        rest = np.arange(9) != out
        found = fit(features[rest] @ features[rest].T, labels[rest], classes, 0.01)
        weight, bias = weights_of(features[rest], found)
        assert answers[out] == (weight @ features[out] + bias).argmax()


def test_a_head_on_one_picture_given_twice_does_not_break():
    features = np.ones((4, 5))
    found = fit(features @ features.T, np.array([0, 0, 1, 1]), 2, 0.01)
    assert found.losses[-1] == pytest.approx(np.log(2))


def test_words_and_still_picture_say_what_the_head_says():
    widget = make()
    _, labels = widget.features()
    record = widget.record()
    right = int((record["held"] == labels).sum())
    said = widget.text_alternative()
    assert f"Of the {len(labels)} pictures that it learned from, it has {record['right']}" in said
    assert f"{right} of {len(labels)} right" in said and "Two jaguar sisters" in said
    assert widget.still_picture().count("✗") == len(labels) - right
    assert said in widget.still_picture()


def test_without_a_picture_of_each_class_there_is_no_head():
    widget = NewHead(pictures=[["panda", 0], ["own-3", 1]])
    assert widget.record() is None and "no head" in widget.text_alternative()
    alone = NewHead(pictures=[["panda", 0], ["koala", 0], ["castle", 1]])
    assert alone.record()["held"] is None and "one picture only" in alone.text_alternative()


# --- Choosing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("names", ["one"]),
        ("names", ["a", "b", "c", "d"]),
        ("names", ["a", "  "]),
        ("names", ["a", "b" * 25]),
        ("pictures", [["panda", 0], ["panda", 1]]),
        ("pictures", [["panda", 2]]),
        ("pictures", [["own-100", 0]]),
        ("pictures", [["nobody", 0]]),
        ("pictures", [[f"own-{n}", 0] for n in range(1, MOST + 2)]),
        ("tested", "own-0"),
        ("tested", "nobody"),
        ("penalty", 1),
        ("penalty", -5),
    ],
)
def test_what_does_not_exist_is_refused_by_name(name, value):
    widget = make()
    with pytest.raises(ChoiceError, match=f"{name}=.*: expected"):
        setattr(widget, name, value)
    assert widget.chosen() == make().chosen()


def test_a_third_class_that_goes_takes_its_pictures_along():
    widget = example("three")
    widget.names = widget.names[:2]
    assert {kind for _, kind in widget.pictures} == {0, 1} and len(widget.pictures) == 10


def test_the_file_is_as_large_as_is_said():
    assert make().fixed["kilobytes"] == round(len(network_file(NETWORK)) / 1000)
