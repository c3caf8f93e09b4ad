"""The signal and gradient widget: its net against autograd, and what it says against the sizes."""

import json
import math
import random
import re

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cnnlib.widgets import signal_gradient_sums as sums
from cnnlib.widgets.gradient_descent_sums import dice
from cnnlib.widgets.signal_gradient import SignalGradient
from cnnlib.widgets.widget import ChoiceError


def make(**chosen) -> SignalGradient:
    return SignalGradient(**{"activation": "relu", "depth": 7, "width": 16, **chosen})


def some_states(count: int, seed: int = 5) -> list[dict]:
    pick = random.Random(seed)
    states = []
    for _ in range(count):
        depth = pick.randint(*sums.DEPTHS)
        states.append(
            {
                "activation": pick.choice(sums.ACTIVATIONS),
                "start": pick.choice((*sums.STARTS, "fan_in")),
                "variance": pick.choice(sums.VARIANCES),
                "normalisation": pick.choice(sums.NORMALISATIONS),
                "skip": pick.choice(list(sums.SKIPS)),
                "width": pick.choice(sums.WIDTHS),
                "depth": depth,
                "seed": pick.randint(*sums.SEEDS),
                "layer": pick.randint(0, depth),
            }
        )
    return states


FUNCTIONS = {
    "sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu, "linear": lambda z: z
}  # fmt: skip


def by_torch(state: dict) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """(activations, what goes into the activation function) of the same net, autograd at work.

    Here inputs are rows, (32, units), as torch has them.
    """
    width, seed = state["width"], state["seed"]
    normal = lambda block, columns: torch.from_numpy(  # noqa: E731
        sums.nearly_normal(seed, block, (width, columns))
    )
    h = normal(0, 32).T.clone().requires_grad_()
    activations, entering = [h], []
    for layer in range(1, state["depth"] + 1):
        if state["start"] == "fixed":
            weights = normal(1 + layer, width) / 100
        else:
            weights = normal(1 + layer, width) * (state["variance"] / width) ** 0.5
        z = F.linear(activations[-1], weights)
        if state["normalisation"] == "batch":
            z = F.batch_norm(z, None, None, training=True)
        answer = FUNCTIONS[state["activation"]](z)
        before = activations[-1]
        h = {"none": answer, "identity": before + answer, "scaled": before + answer / 10}[
            state["skip"]
        ]
        h.retain_grad()
        entering.append(z)
        activations.append(h)
    (activations[-1] * normal(1, 32).T).sum().backward()
    return activations, entering


def test_sizes_and_gradients_are_those_of_autograd():
    for state in some_states(80):
        layers = sums.run(state)
        activations, _ = by_torch(state)
        assert len(layers.sizes) == len(layers.gradients) == state["depth"] + 1
        for name, values in (("sizes", activations), ("gradients", [h.grad for h in activations])):
            theirs = [value.std(correction=0).item() for value in values]
            np.testing.assert_allclose(getattr(layers, name), theirs, rtol=1e-6, err_msg=str(state))
        for told, h in zip(layers.between, activations, strict=True):
            theirs = h.var(dim=0, correction=0).mean().sqrt().item()
            if told is None:
                assert theirs < 2e-9 * h.square().mean().sqrt().item()
            else:
                assert told == pytest.approx(theirs, rel=1e-6, abs=0)


def test_flat_units_are_those_where_autograd_finds_a_small_slope():
    for state in some_states(40, seed=6):
        layers = sums.run(state)
        function = FUNCTIONS[state["activation"]]
        middle = torch.tensor(1e-9, dtype=torch.float64, requires_grad=True)
        (steepest,) = torch.autograd.grad(function(middle), middle)
        for z, flat, dead in zip(by_torch(state)[1], layers.flat, layers.dead, strict=True):
            z = z.detach().requires_grad_()
            (slope,) = torch.autograd.grad(function(z).sum(), z)
            level = slope < 0.1 * steepest
            assert flat == pytest.approx(level.double().mean().item(), abs=1e-12)
            assert dead == pytest.approx(level.all(0).double().mean().item(), abs=1e-12)


def test_throws_are_those_of_the_other_widget_and_may_be_had_from_the_middle():
    for seed in (1, 4, 9):
        throws = dice(seed)
        first = [next(throws) for _ in range(200)]
        assert sums.throws(seed, 0, 200).tolist() == first
        assert sums.throws(seed, 130, 70).tolist() == first[130:]
    found = sums.nearly_normal(3, 7, (64, 64))
    assert abs(found.mean()) < 0.05 and found.std() == pytest.approx(1, abs=0.03)
    assert (sums.nearly_normal(3, 7, (16, 64)) == found[:16]).all()
    assert not (sums.nearly_normal(3, 8, (64, 64)) == found).any()


@pytest.mark.parametrize(("activation", "half"), [("relu", 0.5), ("linear", 1)])
@pytest.mark.parametrize("variance", [0.5, 1, 2, 4])
def test_hes_formula_is_met_by_wide_nets_within_chance(activation, half, variance):
    state = {**make(activation=activation).chosen(), "variance": variance, "width": 64, "depth": 20}
    factors = []
    for seed in range(1, 10):
        layers = sums.run({**state, "seed": seed})
        factors.append((layers.gradients[0] / layers.gradients[-1]) ** (1 / 20))
    told = sums.predicted(state)
    assert told == pytest.approx(math.sqrt(variance * half))
    assert np.mean(factors) == pytest.approx(told, rel=0.05)


@pytest.mark.parametrize(
    "other",
    [{"normalisation": "batch"}, {"skip": "identity"}, {"skip": "scaled"}, {"activation": "tanh"},
     {"activation": "sigmoid"}],
)  # fmt: skip
def test_hes_formula_is_not_told_of_other_nets(other):
    assert make().report().predicted is not None
    assert make(**other).report().predicted is None
    assert "formula" not in " ".join(make(**other).sentences())


def test_weights_of_a_hundredth_do_not_ask_for_the_width():
    for width in sums.WIDTHS:
        told = make(start="fixed", width=width).report().predicted
        assert told == pytest.approx(0.01 * math.sqrt(width / 2))
        assert make(start="fixed", width=width, variance=9).report().predicted == told


@pytest.mark.parametrize(
    ("chosen", "signal", "gradient"),
    [
        ({"activation": "sigmoid", "variance": 1, "depth": 20, "width": 32}, "lost", "vanishes"),
        ({"variance": 2, "depth": 20, "width": 64}, "stays", "stays"),
        ({"variance": 6, "depth": 20, "width": 64}, "bursts", "bursts"),
        ({"variance": 0.5, "depth": 20, "width": 64}, "vanishes", "vanishes"),
        ({"activation": "tanh", "variance": 16, "depth": 40, "width": 64}, "stays", "bursts"),
    ],
)
def test_what_happens_is_called_by_its_definition(chosen, signal, gradient):
    widget = make(**chosen)
    layers = widget.layers()
    arrives = layers.gradients[0] / layers.gradients[-1]
    assert {"vanishes": arrives < 0.01, "stays": 0.1 <= arrives <= 10, "bursts": arrives > 100}[
        gradient
    ]
    first, second = widget.sentences()[:2]
    assert second.startswith(f"The gradient {gradient}")
    assert first.startswith("The signal vanishes" if signal == "lost" else f"The signal {signal}")
    assert ("thousand-millionth" in first) == (signal == "lost") == (layers.between[-1] is None)


@pytest.mark.parametrize(
    ("share", "name"),
    [(0.0099, "vanishes"), (0.0101, "shrinks"), (0.0999, "shrinks"), (0.1001, "stays")]
    + [(1, "stays"), (9.99, "stays"), (10.01, "grows"), (99.9, "grows"), (100.1, "bursts")],
)
def test_what_happened_is_called_by_tens_and_hundreds(share, name):
    assert sums.kind(share) == name


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "1.0"), (0.707, "0.71"), (0.0123, "0.012"), (0.00123, "0.0012"), (12.6, "13"),
     (1234.4, "1234"), (1e-4, "1.0 · 10⁻⁴"), (9.96e-9, "1.0 · 10⁻⁸"), (4.14e12, "4.1 · 10¹²"),
     (2e-120, "2.0 · 10⁻¹²⁰")],
)  # fmt: skip
def test_numbers_of_any_size_are_short(value, text):
    assert sums.written(value) == text


@pytest.mark.parametrize(
    ("name", "value"),
    [("activation", "gelu"), ("start", "he"), ("variance", 5), ("variance", "1"), ("skip", True)]
    + [("normalisation", None), ("width", 48), ("depth", 1), ("depth", 41), ("seed", 0)]
    + [("layer", 8), ("layer", -1), ("layer", 0.5)],
)
def test_what_does_not_exist_is_refused_by_name_and_nothing_changes(name, value):
    widget = make()
    before = widget.page_state()
    with pytest.raises(ChoiceError, match=f"{name}={re.escape(repr(value))}: expected"):
        setattr(widget, name, value)
    assert widget.page_state() == before


def test_a_shallower_net_keeps_the_layer_inside():
    widget = make(depth=30, layer=25)
    widget.depth = 12
    assert widget.layer == 12


def test_the_still_picture_holds_every_layer_and_its_words():
    widget = make(depth=9)
    picture = widget.still_picture()
    assert "<svg" in picture and "A net of 9 layers of 16 units" in picture
    assert all(sentence in picture for sentence in widget.sentences())
    state = json.loads(
        re.search(r'<script type="application/json">(.*?)</script>', widget.page_form())[1]
    )
    assert (state["depth"], state["activation"]) == (9, "relu")
