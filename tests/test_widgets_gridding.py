"""Gridding: counts of paths against gradients, and the rule for holes against counting."""

import random
from itertools import combinations_with_replacement, product

import pytest
import torch
from torch.nn import functional as F

from cnnlib.geometry import Window, receptive_field
from cnnlib.widgets.gridding import PRESETS, Gridding
from cnnlib.widgets.gridding_sums import field_size, first_gap, paths, ways
from cnnlib.widgets.widget import ChoiceError


def make() -> Gridding:
    return Gridding(dilations=[1, 2, 5], place=[0, 7])


def settings(count: int, seed: int = 2) -> list[dict]:
    """Random states."""
    dice = random.Random(seed)
    found = []
    for _ in range(count):
        kernel, dimensions = dice.randint(2, 5), dice.choice([1, 2])
        dilations = [dice.randint(1, 8) for _ in range(dice.randint(1, 5))]
        size = field_size(kernel, dilations)
        place = [dice.randrange(size) if dimensions == 2 else 0, dice.randrange(size)]
        found.append({"kernel_size": kernel, "dilations": dilations, "dimensions": dimensions,
                      "place": place})  # fmt: skip
    return found


def test_counts_are_the_gradient_of_stacks_of_ones():
    for state in settings(120):
        kernel, dilations = state["kernel_size"], state["dilations"]
        size = field_size(kernel, dilations)
        shape = (1, 1, size, size) if state["dimensions"] == 2 else (1, 1, 1, size)
        picture = torch.zeros(shape, dtype=torch.double, requires_grad=True)
        x = picture
        for dilation in dilations:
            taps = (kernel, kernel) if state["dimensions"] == 2 else (1, kernel)
            x = F.conv2d(x, torch.ones(1, 1, *taps, dtype=torch.double), dilation=dilation)
        assert x.numel() == 1
        x.sum().backward()
        ours = Gridding(**state).paths()
        assert ours.tolist() == picture.grad[0, 0].long().tolist(), state


def test_the_field_is_the_geometrys():
    for state in settings(300, seed=3):
        windows = [Window(state["kernel_size"], dilation=d) for d in state["dilations"]]
        assert receptive_field(windows).size == field_size(state["kernel_size"], state["dilations"])


@pytest.mark.parametrize("kernel", [2, 3, 4, 5])
def test_the_rule_for_holes_says_what_counting_says_for_all_stacks_of_up_to_four(kernel):
    full = 0
    for layers in (1, 2, 3, 4):
        for dilations in combinations_with_replacement(range(1, 9), layers):
            counted = bool((paths(kernel, dilations) == 0).any())
            gap = first_gap(kernel, dilations)
            assert (gap is not None) == counted, dilations
            full += not counted
            if gap:  # with that one lowered to what it may be, the smaller ones and it leave none
                lower = [d for d in dilations if d < gap[0]]
                assert (paths(kernel, [*lower, gap[1]]) > 0).all()
                assert (paths(kernel, [*lower, gap[1] + 1]) == 0).any()
    assert full > 30


def test_the_order_of_the_layers_changes_no_count():
    for state in settings(60, seed=4):
        dilations = state["dilations"]
        ours = paths(state["kernel_size"], dilations).tolist()
        assert ours == paths(state["kernel_size"], dilations[::-1]).tolist()


def test_the_ways_of_an_input_are_all_choices_of_taps_that_lead_there():
    for state in settings(60, seed=5):
        kernel, dilations = state["kernel_size"], state["dilations"]
        place = state["place"][1]
        every = [
            list(taps)
            for taps in product(range(kernel), repeat=len(dilations))
            if sum(a * b for a, b in zip(taps, dilations, strict=True)) == place
        ]
        assert ways(kernel, dilations, place, most=10**6) == every
        assert len(every) == paths(kernel, dilations)[place]


def test_the_presets_and_their_holes():
    """Equal dilations, and those with a common factor, leave every second input out."""
    shares = {}
    for dilations in PRESETS:
        counts = Gridding(dilations=dilations, place=[0, 0]).paths()
        shares[tuple(dilations)] = (int((counts > 0).sum()), counts.size)
    assert shares == {(2, 2, 2): (7, 13), (1, 2, 4): (15, 15), (1, 2, 5): (17, 17),
                      (2, 4, 8): (15, 29), (1, 2, 3): (13, 13)}  # fmt: skip


def test_what_is_said():
    widget = Gridding()
    assert widget.verdict() == (
        "6 of the 13 inputs in the field have no path. Dilation 2 is too large: next to the "
        "smaller ones it may be 1 at most."
    )
    assert widget.looked() == "Input 3 does not reach the unit: no choice of taps leads there."
    widget.place = [0, 2]
    assert widget.looked() == (
        "Input 2 reaches the unit in 3 ways. Taps times dilations: 2 = 0·2 + 0·2 + 1·2; "
        "0·2 + 1·2 + 0·2; 1·2 + 0·2 + 0·2."
    )
    widget.choose(dilations=[1, 2, 4], dimensions=2, place=[6, 7])
    assert widget.verdict().startswith("No holes")
    assert (
        widget.looked() == "Input at row 6, column 7 reaches the unit in 3 ways."
    )  # 3 down, 1 across


@pytest.mark.parametrize("state", settings(10, seed=6))
def test_the_still_picture_shows_the_counts(state):
    widget = Gridding(**state)
    picture = widget.still_picture()
    size = widget.paths().shape[1]
    assert picture.count("<rect") == (size if state["dimensions"] == 1 else 1)
    assert widget.verdict().replace("'", "&#x27;") in picture


@pytest.mark.parametrize(
    ("name", "value"),
    [("kernel_size", 1), ("kernel_size", 6), ("dilations", []), ("dilations", [0])]
    + [("dilations", 2), ("dilations", [9]), ("dilations", [1] * 6), ("dilations", [1.5])]
    + [("dilations", [True])]
    + [("dimensions", 0), ("place", [0, 13]), ("place", [1, 0])],
)  # fmt: skip
def test_what_does_not_exist_is_refused_by_name(name, value):
    with pytest.raises(ChoiceError, match=f"{name}="):
        Gridding(**{name: value})
