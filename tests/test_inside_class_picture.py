"""Pictures climbed for an output: on nets whose best picture is known."""

import pytest
import torch
from torch import Tensor, nn

from cnnlib.inside.class_picture import class_picture
from cnnlib.inside.removal import blur_image

START = torch.zeros(1, 3, 6, 8)
WEIGHT = torch.randn(2, 3 * 6 * 8, generator=torch.Generator().manual_seed(3))


def linear() -> nn.Sequential:
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 6 * 8, 2))
    net[1].weight.data = WEIGHT.clone()
    return net


def network() -> nn.Sequential:
    torch.manual_seed(2)
    layers = nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


def climb(net: nn.Module, target=1, start: Tensor = START, **options) -> Tensor:
    return class_picture(net, target, start, progress=False, **options)


def test_a_linear_output_is_climbed_along_its_weights():
    found = climb(linear(), [0, 1], steps=5, rate=0.5)
    size = WEIGHT.pow(2).mean(1, keepdim=True).sqrt()
    assert torch.allclose(found.flatten(1), 5 * 0.5 * WEIGHT / size, atol=1e-5)


def test_the_penalty_stops_the_climb_at_the_best_picture():
    # w x - l2 |x|^2 is highest at w / (2 l2), and a step is no longer than the rate
    found = climb(linear(), 0, steps=300, rate=0.01, l2=0.7)
    off = found.flatten() - WEIGHT[0] / 1.4
    assert off.pow(2).mean().sqrt() <= 0.01
    assert (WEIGHT[0] / 1.4).pow(2).mean().sqrt() > 0.5


def test_the_score_rises_and_a_penalty_keeps_the_picture_shorter():
    net, start = network(), torch.zeros(1, 3, 12, 15)
    plain = climb(net, 2, start, steps=20, rate=0.1)
    short = climb(net, 2, start, steps=20, rate=0.1, l2=0.05)
    with torch.no_grad():
        grey, high = net(start)[0, 2], net(plain)[0, 2]
    assert high > grey + 0.1 and short.norm() < 0.8 * plain.norm()


def test_each_target_has_its_picture_as_it_has_alone():
    net, start = network(), torch.rand(1, 3, 12, 15, generator=torch.Generator().manual_seed(1))
    both = climb(net, [0, 3], start, steps=4, jitter=2, blur=0.5)
    for number, target in enumerate([0, 3]):
        alone = climb(net, target, start, steps=4, jitter=2, blur=0.5)
        assert torch.allclose(both[number], alone[0], atol=1e-5)
    own = climb(net, 0, torch.cat([start, 0 * start]), steps=4)
    assert own.shape == (2, *start.shape[1:]) and not torch.allclose(own[0], own[1])


def test_jitter_is_drawn_by_the_seed_and_shifted_back():
    # An output that weighs one pixel: under jitter the climb still raises pixels near that one.
    class Pixel(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :1, 3, 4]

    start = torch.zeros(1, 1, 7, 9)
    state = torch.random.get_rng_state()
    one, again, other = (
        climb(Pixel(), 0, start, steps=6, rate=1.0, jitter=1, seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), state)
    around = torch.zeros_like(start, dtype=torch.bool)
    around[..., 2:5, 3:6] = True
    assert not one[~around].any() and (one > 0).sum() > 1
    still = climb(Pixel(), 0, start, steps=6, rate=1.0)
    assert (still > 0).sum() == 1 and still[0, 0, 3, 4] > 0


def test_blur_is_taken_behind_every_step_but_the_last():
    step = climb(linear(), 0, steps=1, rate=1.0)
    expected = blur_image(step, 0.8) + step
    assert torch.allclose(climb(linear(), 0, steps=2, rate=1.0, blur=0.8), expected, atol=1e-5)
    assert torch.equal(climb(linear(), 0, steps=1, rate=1.0, blur=0.8), step)


def test_a_picture_without_a_gradient_stays():
    class Closed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x.mean((2, 3)) - 1).relu()

    assert torch.equal(climb(Closed(), 0, steps=3), START)


def test_nothing_that_was_given_is_changed():
    net, start = network().train(), torch.zeros(1, 3, 12, 15)
    found = climb(net, 0, start, steps=2)
    assert net.training and not start.any() and not found.requires_grad
    assert all(weight.grad is None and weight.requires_grad for weight in net.parameters())


@pytest.mark.parametrize(
    "given, said",
    [
        ({"steps": 0}, "steps=0: expected 1 or more"),
        ({"jitter": -1}, "jitter=-1: expected 0 or more"),
        ({"rate": float("inf")}, "rate=inf: expected a finite number, 0 or more"),
        ({"l2": -1.0}, "l2=-1.0"),
        ({"blur": "soft"}, "blur='soft'"),
        ({"target": 2}, "target=2: expected a number from 0 to 1"),
        ({"target": [0, 1, 0], "start": START.expand(2, -1, -1, -1)}, "one for each of 2 images"),
        ({"start": START[0]}, "expected a tensor of shape"),
    ],
)
def test_bad_input_is_named(given, said):
    with pytest.raises(ValueError, match=said):
        climb(linear(), **given)


def test_a_network_that_cuts_the_way_back_is_refused():
    class Cut(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.detach().mean((2, 3))

    with pytest.raises(ValueError, match="no signal can be sent back"):
        climb(Cut())
