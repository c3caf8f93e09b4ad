"""The rotation experiment: how a picture is turned, what its arms are, and what its logs hold."""

import pytest
import torch

from cnnlib.experiments import EXPERIMENTS, load_experiment
from cnnlib.experiments.rotation import ANGLES, SIDE, turn


@pytest.mark.parametrize("quarter", [0, 1, 2, 3, -1])
def test_quarter_turns_are_rot90_anticlockwise(quarter):
    images = torch.rand(2, 1, 9, 9, generator=torch.Generator().manual_seed(1))
    expected = torch.rot90(images, quarter, dims=(2, 3))
    assert torch.allclose(turn(images, 90 * quarter), expected, atol=1e-5)


def test_nothing_of_a_piece_is_cut_off_at_any_angle():
    images = torch.zeros(1, 1, SIDE, SIDE)
    images[..., 6:34, 6:34] = 1  # 28x28 full of ink
    for angle in ANGLES:
        assert turn(images, angle).sum().item() == pytest.approx(28 * 28, rel=0.01)
    small = torch.zeros(1, 1, 28, 28) + 1
    assert turn(small, 45).sum().item() < 0.9 * 28 * 28  # without a margin it would be


def test_one_mean_a_map_forgets_places_and_four_do_not():
    torch.manual_seed(2)
    arms = EXPERIMENTS["rotation"].arms
    image = torch.zeros(1, 1, SIDE, SIDE)
    image[..., 8:14, 8:14] = torch.rand(6, 6)
    moved = image.roll((12, 12), dims=(2, 3))  # a multiple of the stride of 4, off the border
    for arm, forgets in (("convolutions_one_mean", True), ("convolutions", False)):
        network = arms[arm].build(10).eval()
        with torch.no_grad():
            assert torch.allclose(network(image), network(moved), atol=1e-5) == forgets, arm


def test_logs_hold_every_angle_of_every_run():
    logs = load_experiment("rotation")
    assert len(logs) == 3 * len(EXPERIMENTS["rotation"].arms)
    for log in logs:
        shares = log.measured["turned"]
        assert list(shares) == [str(angle) for angle in ANGLES]
        assert shares["0"] == pytest.approx(log.accuracy, abs=0.002)
