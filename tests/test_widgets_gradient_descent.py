"""The widget's steps are torch's, its slopes are autograd's, and what it calls a path is so."""

import random

import pytest
import torch

from cnnlib.widgets import gradient_descent_sums as sums
from cnnlib.widgets.gradient_descent import GradientDescent
from cnnlib.widgets.gradient_descent_sums import OWN, STARTS, SURFACES, follow, report
from cnnlib.widgets.widget import ChoiceError


def some_heights(size: int = 9) -> list[list[float]]:
    """A dip on a slope, with a ripple, so that no two places are alike."""
    ends = [4 * i / (size - 1) - 2 for i in range(size)]
    return [[0.3 * x * x + 0.2 * (y - 0.5) ** 2 + 0.1 * x * y + 0.05 * (i * j % 3)
             for j, x in enumerate(ends)] for i, y in enumerate(ends)]  # fmt: skip


def make(**chosen) -> GradientDescent:
    return GradientDescent(some_heights(), title="A made-up net.", **chosen)


def some_states(count: int, seed: int = 4) -> list[dict]:
    throw = random.Random(seed)
    return [
        {
            "surface": throw.choice(SURFACES),
            "start": [throw.randrange(41), throw.randrange(41)],
            "optimiser": throw.choice(sums.OPTIMISERS),
            "rate": throw.choice(sums.RATES),
            "momentum": throw.choice(sums.MOMENTA),
            "noise": throw.choice(sums.NOISES),
            "seed": throw.randint(1, 9),
            "step": throw.randint(0, 80),
        }
        for _ in range(count)
    ]


def loss_of(surface: str, w: torch.Tensor) -> torch.Tensor:
    """The surfaces once more, as formulas that torch can take apart."""
    x, y = w
    return {
        "bowl": lambda: w.square().sum() / 2,
        "valley": lambda: 0.25 * x**2 + 5 * y**2,
        "ravine": lambda: 0.25 * (1 - x) ** 2 + 2 * (y - x**2 + 1) ** 2,
        "two_valleys": lambda: 2 * (x**4 / 4 - 2 * x**3 / 15 - 0.58 * x**2 + 0.24 * x)
        + 2 * (0.58 + 0.24 - 0.25 - 2 / 15) + y**2 / 2,
        "saddle": lambda: 0.5 * y**2 - 0.5 * x**2 + x**4 / 8 + 0.5,
        "net": lambda: cubic(w, some_heights()),
    }[surface]()  # fmt: skip


def cubic(w: torch.Tensor, heights: list[list[float]]) -> torch.Tensor:
    """Catmull and Rom's spline as a matrix, along both axes."""
    table = torch.tensor(heights, dtype=torch.float64)
    matrix = torch.tensor(
        [[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]], dtype=torch.float64
    )
    last = len(heights) - 1
    shares, cells = [], []
    for value in w:
        at = (value + 2) / 4 * last
        cell = min(max(int(at.detach().floor()), 0), last - 1)
        powers = torch.stack([torch.ones_like(at), at - cell, (at - cell) ** 2, (at - cell) ** 3])
        shares.append(powers @ matrix / 2)
        cells.append([min(max(cell + k, 0), last) for k in (-1, 0, 1, 2)])
    return shares[1] @ table[cells[1]][:, cells[0]] @ shares[0]


def torch_steps(state: dict, points: list[list[float]]) -> list[list[float]]:
    """Where torch's optimiser goes from each of the points, one after the other, but the last."""
    w = torch.tensor(points[0], dtype=torch.float64, requires_grad=True)
    if state["optimiser"] == "adam":
        betas = (float(state["momentum"]), 0.999)
        optimiser = torch.optim.Adam([w], lr=state["rate"], betas=betas)
    else:
        optimiser = torch.optim.SGD([w], lr=state["rate"], momentum=state["momentum"])
    throws, found = sums.dice(state["seed"]), []
    for point in points[:-1]:
        w.data = torch.tensor(point, dtype=torch.float64)  # rounding must not add up
        optimiser.zero_grad()
        loss_of(state["surface"], w).backward()
        if state["noise"]:
            noise = [state["noise"] * sums.nearly_normal(throws) for _ in range(2)]
            w.grad += torch.tensor(noise, dtype=torch.float64)
        optimiser.step()
        found.append(w.tolist())
    return found


def test_every_step_is_that_of_torchs_optimisers():
    ends = set()
    for state in some_states(150):
        path = follow(state, some_heights())
        assert path.points[0] == sums.place_weights(state["start"])
        theirs = torch.tensor(torch_steps(state, path.points), dtype=torch.float64)
        ours = torch.tensor(path.points[1:], dtype=torch.float64)
        assert ours.allclose(theirs, rtol=1e-9, atol=1e-9), state
        assert len(ours) == sums.STEPS or path.end
        ends.add((path.end, state["optimiser"]))
    assert len(ends) == 6


@pytest.mark.parametrize(
    ("start", "weights"), [([20, 20], [0, 0]), ([0, 0], [-2, 2]), ([40, 33], [1.3, -2])]
)
def test_rows_count_from_the_largest_second_weight(start, weights):
    assert sums.place_weights(start) == pytest.approx(weights)


@pytest.mark.parametrize("surface", SURFACES)
def test_heights_and_slopes_are_autograds(surface):
    throw = random.Random(2)
    for _ in range(50):
        w = torch.tensor([throw.uniform(-2, 2), throw.uniform(-2, 2)], dtype=torch.float64)
        loss = loss_of(surface, w.requires_grad_())
        (slope,) = torch.autograd.grad(loss, w)
        place = surface, *w.tolist(), some_heights()
        assert sums.height(*place) == pytest.approx(loss.item(), abs=1e-12)
        assert sums.slopes(*place) == pytest.approx(slope.tolist(), abs=1e-12)
        assert sums.height(*place) >= sums.lowest(surface, some_heights()) - 0.02


@pytest.mark.parametrize(
    ("surface", "bottom"),
    [("bowl", (0, 0)), ("valley", (0, 0)), ("ravine", (1, 0)), ("two_valleys", (-1, 0)),
     ("saddle", (2**0.5, 0)), ("saddle", (-(2**0.5), 0))],
)  # fmt: skip
def test_the_lowest_place_is_where_it_is_said_to_be(surface, bottom):
    assert sums.height(surface, *bottom) == pytest.approx(sums.lowest(surface), abs=1e-12)
    assert sums.slopes(surface, *bottom) == pytest.approx([0, 0], abs=1e-12)


def test_the_interpolated_surface_goes_through_its_heights():
    heights = some_heights(5)
    for i in range(5):
        for j in range(5):
            assert sums.height("net", j - 2.0, i - 2.0, heights) == pytest.approx(heights[i][j])


def test_the_noise_is_nearly_normal_and_the_same_for_the_same_seed():
    throws = sums.dice(3)
    drawn = torch.tensor([sums.nearly_normal(throws) for _ in range(20_000)])
    assert abs(drawn.mean()) < 0.03 and abs(drawn.std() - 1) < 0.03
    assert abs((drawn.abs() < 1).float().mean() - 0.683) < 0.015
    again = sums.dice(3)
    assert [sums.nearly_normal(again) for _ in range(5)] == pytest.approx(drawn[:5].tolist())
    other = sums.dice(4)
    assert sums.nearly_normal(other) != pytest.approx(drawn[0].item())
    # What Mulberry32 is known to give from state 0.
    first = sums.dice(0)
    known = [0.26642920868471265, 0.0003297457005828619, 0.2232720274478197]
    assert [next(first) for _ in range(3)] == known


def told(surface: str, rate: float, start=None, **more):
    state = {"surface": surface, "start": start or STARTS[surface], "rate": rate, "momentum": 0,
             "noise": 0, "seed": 1, "optimiser": "descent", **more}  # fmt: skip
    return report(follow(state, some_heights()), state, some_heights())


def test_a_rate_above_two_over_the_curvature_bursts_and_one_below_arrives():
    for surface, curvature in (("bowl", 1), ("valley", 10)):
        for rate in sums.RATES:
            if rate * curvature > 2:
                assert told(surface, rate).kind == "burst"
            elif rate * curvature > 0.5:
                assert told(surface, rate).kind == "arrived"


@pytest.mark.parametrize(
    ("kind", "zigzag", "setting"),
    [
        ("creep", False, ("bowl", 0.001)),
        ("arrived", True, ("valley", 0.19)),
        ("arrived", False, ("valley", 0.1)),
        ("burst", True, ("valley", 0.21)),
        ("rest", False, ("two_valleys", 0.1)),
        ("rest", False, ("saddle", 0.1)),
        ("underway", True, ("two_valleys", 0.5)),
    ],
)
def test_each_kind_of_path_is_called_what_it_is(kind, zigzag, setting):
    found = told(*setting)
    assert (found.kind, found.zigzag) == (kind, zigzag)


def test_noise_frees_the_path_from_the_ridge_and_keeps_it_from_resting():
    free = [told("saddle", 0.1, noise=0.2, seed=seed) for seed in range(1, 10)]
    assert all(one.left < 0.2 for one in free) and told("saddle", 0.1).left > 0.25
    assert told("bowl", 0.1, noise=5).kind == "wander"


def test_a_path_that_leaves_the_heights_ends_there_and_has_no_loss():
    state = {"surface": "net", "start": [0, 0], "rate": 3, "momentum": 0.9, "noise": 0, "seed": 1,
             "optimiser": "descent"}  # fmt: skip
    path = follow(state, some_heights())
    assert path.end == "left" and len(path.points) == len(path.losses) + 1
    assert max(map(abs, path.points[-1])) > 2 >= max(map(abs, path.points[-2]))


def test_a_path_that_starts_at_the_lowest_place_has_arrived():
    found = told("bowl", 0.1, start=[20, 20])
    assert (found.kind, found.arrived, found.turns) == ("arrived", 0, 0)


def test_without_heights_there_is_no_slice_and_bad_heights_are_named():
    with pytest.raises(ChoiceError, match="surface='net': expected one of bowl"):
        GradientDescent(surface="net")
    with pytest.raises(ValueError, match=r"heights: 5 lines of \[4\]"):
        GradientDescent([[0.0] * 4] * 5)
    with pytest.raises(ValueError, match="heights: nan"):
        GradientDescent([[0.0] * 3 + [float("nan")]] * 4)
    with pytest.raises(ChoiceError, match=r"rate=0\.3\d: expected one of 0\.001"):
        make(rate=0.33)
    with pytest.raises(ChoiceError, match="start"):
        make(start=[0, 41])


@pytest.mark.parametrize("surface", SURFACES)
def test_the_still_picture_says_what_the_path_is_called(surface):
    widget = make(surface=surface, rate=0.19)
    assert widget.start == STARTS[surface]
    picture = widget.still_picture()
    assert widget.verdict() in picture and picture.count("<svg") == 1
    assert "rate 0.19" in picture


def test_the_slope_at_the_last_point_shown_is_the_surfaces():
    widget = make(surface="valley", start=[10, 30], step=0)
    assert widget.slope() == pytest.approx([0.5, 10.0])


def test_every_surface_of_its_own_has_words():
    for surface in SURFACES:
        assert make().words(f"surface.{surface}")
    assert OWN == SURFACES[:-1]
