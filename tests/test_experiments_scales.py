"""Pictures of many sizes: what a square is cut from, and what a tested network is asked."""

import numpy as np
import pytest
import torch
from torch import nn

from cnnlib.experiments import EXPERIMENTS, load_experiment
from cnnlib.experiments.packing import unpack_bits
from cnnlib.experiments.scales import SIZES, SQUARE, measure_sizes, resize, right_at


class Stub:
    """As much of a run as the squares and the measure need: pixels that say where they stand."""

    def __init__(self, arm: str, images: np.ndarray) -> None:
        experiment = EXPERIMENTS["scales"]
        self.kind = experiment.arms[arm].run
        self.recipe = experiment.recipe_of(arm, 1)
        self.pixels = torch.from_numpy(images)
        self.labels = torch.arange(len(images))
        self.processes = type("Processes", (), {"device": torch.device("cpu")})
        self.sides = self.kind.sides

    def squares(self, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return self.kind.inputs(self, torch.arange(len(self.labels)), generator)


def ramp(count: int) -> np.ndarray:
    """Pictures that get brighter from left to right, by 3 a column of 73; red on the left."""
    across = np.broadcast_to(3 * np.arange(73, dtype=np.uint8), (count, 73, 73))
    return np.stack([across] * 3, axis=-1)


@pytest.mark.parametrize(
    ("arm", "sides"), [("small", [37, 37]), ("large", [55, 55]), ("many", [37, 73])]
)
def test_a_square_has_the_slope_of_a_picture_of_a_size_in_range(arm, sides):
    stub = Stub(arm, ramp(16))
    std = stub.recipe.preprocessing.std[0]
    seen = set()
    for seed in range(12):
        squares, labels = stub.squares(seed)
        assert squares.shape == (16, 3, SQUARE, SQUARE) and labels.tolist() == list(range(16))
        steps = squares[:, 0, 16].double().diff(dim=1)[:, 8:-8].mean(dim=1) * std
        assert (steps < 0).any() and (steps > 0).any()  # some are mirrored
        side = (
            (3 * 73 / steps.abs()).mean().item()
        )  # in a smaller picture a column is a longer step
        assert steps.abs().std() < 0.02  # one size a batch
        assert sides[0] - 0.5 < side < sides[1] + 0.5
        seen.add(round(side))
        lefts = {round(value, 2) for value in squares[:, 0, 0].amin(dim=1).tolist()}
        assert len(lefts) > 1  # not all cut from one place
    assert len(seen) == 1 if sides[0] == sides[1] else len(seen) > 6
    again, _ = stub.squares(3)
    assert again.equal(stub.squares(3)[0])


def test_resizing_keeps_an_even_picture_and_its_own_size():
    even = torch.full((2, 3, 73, 73), 0.5)
    assert torch.allclose(resize(even, 37), torch.full((2, 3, 37, 37), 0.5))
    assert resize(even, 73) is even


def test_every_size_is_asked_with_the_whole_picture():
    asked = []

    class Brightness(nn.Module):
        def forward(self, x):
            asked.append(tuple(x.shape[2:]))
            bright = x.mean(dim=(1, 2, 3))
            return torch.stack([-bright, bright], dim=1)

    images = np.stack([np.zeros((73, 73, 3), np.uint8), np.full((73, 73, 3), 255, np.uint8)] * 5)
    labels = np.array([0, 1] * 5)
    labels[0] = 1  # told wrongly
    test = type("Images", (), {"images": images, "labels": labels, "__len__": lambda self: 10})()
    run = Stub("small", images)
    run.model, run.test_set = Brightness(), test
    found = measure_sizes(run)
    assert asked == [(side, side) for side in SIZES] and found["images"] == 10
    assert list(found["right"]) == ["37", "55", "73", "all"]
    for bits in found["right"].values():
        assert unpack_bits(bits, 10).tolist() == [False] + [True] * 9


def test_right_at_counts_as_the_log_does():
    runs = [run for run in load_experiment("scales") if run.arm == "many"]
    right = right_at(runs, SIZES[-1])  # the size at which every run is tested
    assert right.shape == (3, 3925)
    assert right.mean(axis=1).tolist() == pytest.approx([run.accuracy for run in runs])
    assert right_at(runs, "all").mean() > right.mean()


def test_a_size_that_was_not_measured_is_refused():
    with pytest.raises(ValueError, match="side=64: expected one of 37, 55, 73, all"):
        right_at(load_experiment("scales"), 64)
