"""Walks along a gradient: on nets whose gradient is known, and on SqueezeNet."""

import pytest
import torch
from torch import nn

from cnnlib.inside import adversarial_walk

PIXELS = torch.randint(
    0, 256, (3, 5, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
)
WEIGHT = torch.randn(3, 3 * 5 * 7, generator=torch.Generator().manual_seed(2)) / 1000


def linear() -> nn.Module:
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 5 * 7, 3, bias=False))
    net[1].weight.data = WEIGHT.clone()
    return net


def walk(**options):
    return adversarial_walk(linear(), PIXELS, lambda x: x - 100, 1, **options)


def slope_by_hand(pixels: torch.Tensor) -> torch.Tensor:
    """d log p / dx = w_target - sum of p w, for a linear net."""
    shares = (WEIGHT @ (pixels.flatten().float() - 100)).softmax(0)
    return (WEIGHT[1] - shares @ WEIGHT).view(3, 5, 7)


def test_the_first_picture_is_the_photograph_with_its_scores():
    first = walk(steps=2)[0]
    assert (first.pixels == PIXELS).all() and first.pixels.dtype == torch.uint8
    assert torch.allclose(first.scores, WEIGHT @ (PIXELS.flatten().float() - 100), atol=1e-4)


@pytest.mark.parametrize("away", [False, True])
def test_a_sign_step_goes_where_the_slope_says_and_not_beyond_black_and_white(away):
    before, after = walk(steps=1, size=3, budget=10, away=away)
    signs = slope_by_hand(PIXELS).sign() * (-1 if away else 1)
    expected = (PIXELS.float() + 3 * signs).clamp(0, 255)
    assert (after.pixels == expected.byte()).all()
    shares = [step.scores.softmax(0)[1] for step in (before, after)]
    assert shares[1] < shares[0] if away else shares[1] > shares[0]


def test_a_plain_step_has_the_size_asked_for():
    slope = slope_by_hand(PIXELS)
    moved = 4 * slope / slope.pow(2).mean().sqrt()
    expected = (PIXELS.float() + moved + 0.5).floor().clamp(0, 255)
    after = walk(steps=1, rule="plain", size=4, budget=100)[1].pixels.float()
    assert (after - expected).abs().max() <= 1 and (after == expected).float().mean() > 0.95


@pytest.mark.parametrize("rule", ["sign", "plain"])
def test_the_budget_holds_after_many_steps_and_is_used(rule):
    found = walk(steps=12, rule=rule, size=2, budget=5)
    apart = [(step.pixels.int() - PIXELS.int()).abs().max().item() for step in found]
    assert apart[0] == 0 and max(apart) == 5 and len(found) == 13


def test_small_plain_steps_add_up_though_each_is_rounded_away():
    found = walk(steps=40, rule="plain", size=0.1, budget=50)
    assert (found[1].pixels != PIXELS).float().mean() < 0.1
    assert (found[-1].pixels != PIXELS).float().mean() > 0.8


def test_the_scores_are_those_of_the_picture_that_can_be_saved():
    for step in walk(steps=5, rule="plain", size=0.7, budget=9):
        again = WEIGHT @ (step.pixels.flatten().float() - 100)
        assert torch.allclose(step.scores, again, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": "signs"}, "rule='signs': expected one of sign, plain"),
        ({"size": -1}, "size=-1: expected a finite number, 0 or more"),
        ({"budget": float("nan")}, "budget=nan: expected"),
        ({"steps": -1}, "steps=-1"),
        ({"target": 3}, "target=3: expected a number below 3"),
        ({"pixels": PIXELS.float()}, "pixels='torch.float32"),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    given = {"pixels": PIXELS, "target": 1, **changes}
    pixels, target = given.pop("pixels"), given.pop("target")
    with pytest.raises(ValueError, match=message):
        adversarial_walk(linear(), pixels, lambda x: x - 100, target, **given)
