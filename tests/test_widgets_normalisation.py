"""The normalisation widget: its numbers against torch in training and at test, and its words."""

import json
import math
import random
import re

import numpy as np
import pytest
import torch
from torch import nn
from traitlets import TraitError

from cnnlib.widgets.normalisation import Normalisation
from cnnlib.widgets.normalisation_sums import (
    BATCHES,
    BETAS,
    CHANNELS,
    EPSILON,
    GAMMAS,
    GROUP,
    MODES,
    MOMENTA,
    NORMS,
    TRUE_DEVIATIONS,
    TRUE_MEANS,
    batch_at,
    board,
    drawn_batches,
    kept,
    output,
    set_of,
    side,
)

DRAWN = drawn_batches()


def make() -> Normalisation:
    return Normalisation(norm="group", batch_size=3, gamma=1.5, seen=2, place=[2, 1, 3])


def settings(count: int, seed: int = 5) -> list[dict]:
    """Random states."""
    dice = random.Random(seed)
    found = []
    for _ in range(count):
        images, positions = dice.randint(1, 6), dice.choice([1, 4])
        found.append(
            {
                "norm": dice.choice(NORMS),
                "mode": dice.choice(MODES),
                "batch_size": images,
                "positions": positions,
                "seen": dice.randint(0, BATCHES),
                "momentum": dice.choice(MOMENTA),
                "gamma": dice.choice(GAMMAS),
                "beta": dice.choice(BETAS),
                "undo": dice.random() < 0.3,
                "place": [
                    dice.randrange(images),
                    dice.randrange(CHANNELS),
                    dice.randrange(positions),
                ],
            }
        )
    return found


def as_maps(state: dict, number: int) -> torch.Tensor:
    """One of the batches as torch takes it: (N, C, H, W)."""
    batch = torch.tensor(batch_at(state, DRAWN, number), dtype=torch.float64)
    return batch.unflatten(-1, (side(state), side(state)))


def by_torch(state: dict) -> torch.Tensor | None:
    """What torch's own layer makes of the batch, after ``seen`` others; None where it refuses."""
    x = as_maps(state, state["seen"])
    shape = x.shape[1:]
    layer = {
        "batch": lambda: nn.BatchNorm2d(CHANNELS, momentum=state["momentum"]),
        "layer": lambda: nn.LayerNorm(shape),
        "instance": lambda: nn.InstanceNorm2d(CHANNELS, affine=True),
        "group": lambda: nn.GroupNorm(CHANNELS // GROUP, CHANNELS),
    }[state["norm"]]().double()
    if state["undo"]:
        gamma = (x.var((0, 2, 3), correction=0) + EPSILON).sqrt()
        beta = x.mean((0, 2, 3))
    else:
        gamma = torch.full((CHANNELS,), float(state["gamma"]), dtype=torch.float64)
        beta = torch.full((CHANNELS,), float(state["beta"]), dtype=torch.float64)
    if state["norm"] == "layer":
        gamma, beta = (one[:, None, None].expand(shape) for one in (gamma, beta))
    with torch.no_grad():
        layer.weight.copy_(gamma)
        layer.bias.copy_(beta)
        try:
            for number in range(state["seen"]):
                layer(as_maps(state, number))
            layer.train(state["mode"] == "training")
            return layer(x)
        except ValueError as error:
            assert "Expected more than 1" in str(error)
            return None


def test_every_output_is_torchs_in_training_and_at_test_after_any_number_of_batches():
    met, refused = set(), 0
    for state in settings(600):
        expected = by_torch(state)
        ours = np.array(output(state, DRAWN))
        if expected is None:  # a number alone: nothing is left of it
            refused += 1
            assert state["norm"] in ("batch", "instance") and state["positions"] == 1
            continue
        met.add((state["norm"], state["mode"], state["undo"]))
        np.testing.assert_allclose(ours, expected.flatten(2).numpy(), atol=1e-9, err_msg=str(state))
    assert len(met) == 16 and refused > 10


@pytest.mark.parametrize("momentum", MOMENTA)
@pytest.mark.parametrize(("images", "positions"), [(1, 4), (2, 1), (3, 4), (6, 4)])
def test_what_is_kept_after_each_batch_is_what_torch_keeps(momentum, images, positions):
    state = {"batch_size": images, "positions": positions, "momentum": momentum}
    layer = nn.BatchNorm2d(CHANNELS, momentum=momentum).double()
    for number in range(BATCHES + 1):
        for channel in range(CHANNELS):
            ours = kept(state, DRAWN, channel)[number]
            assert ours["mean"] == pytest.approx(layer.running_mean[channel].item(), abs=1e-12)
            assert ours["variance"] == pytest.approx(layer.running_var[channel].item(), abs=1e-12)
        layer(as_maps(state, number))


def test_one_number_a_channel_moves_nothing_and_comes_out_as_beta():
    state = {**settings(1)[0], "norm": "batch", "mode": "training", "batch_size": 1}
    state |= {"positions": 1, "undo": False, "beta": 1.5, "gamma": 3}
    assert all(one == {"mean": 0, "variance": 1, "seen_mean": 0, "seen_variance": 1}
               for one in kept(state, DRAWN, 2))  # fmt: skip
    assert output(state, DRAWN) == [[[1.5]] * CHANNELS]
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        nn.BatchNorm2d(CHANNELS)(as_maps(state, 0).float())


def test_two_numbers_come_out_as_plus_and_minus_one():
    state = {**settings(1)[0], "norm": "batch", "mode": "training", "batch_size": 2}
    state |= {"positions": 1, "undo": False, "beta": 0, "gamma": 1}
    for seen in range(BATCHES + 1):
        one, other = np.array(output({**state, "seen": seen}, DRAWN))
        before = np.array(batch_at(state, DRAWN, seen))
        apart = np.abs(before[0] - before[1]) > 0.15
        np.testing.assert_allclose(np.abs(one[apart]), 1, atol=2e-3)
        np.testing.assert_allclose(one, -other, atol=1e-12)


def test_sets_are_those_of_the_definitions():
    assert set_of("batch", 3, 1) == set_of("batch", 0, 1) != set_of("batch", 3, 2)
    assert set_of("layer", 3, 1) == set_of("layer", 3, 0) != set_of("layer", 2, 1)
    assert len({set_of("instance", i, c) for i in range(3) for c in range(4)}) == 12
    assert [set_of("group", 2, c)[1] for c in range(4)] == [0, 0, 1, 1]


def test_numbers_are_drawn_as_is_said():
    numbers = np.array(DRAWN)
    assert numbers.shape == (BATCHES + 1, 6, CHANNELS, 4)
    drawn = numbers.transpose(2, 0, 1, 3).reshape(CHANNELS, -1)
    error = np.array(TRUE_DEVIATIONS) / math.sqrt(drawn.shape[1])
    assert (np.abs(drawn.mean(1) - TRUE_MEANS) < 3 * error).all()
    np.testing.assert_allclose(drawn.std(1), TRUE_DEVIATIONS, rtol=0.12)


def test_means_of_small_batches_scatter_as_is_said():
    """Over images, channel by channel: a mean of m numbers has a deviation of σ / √m."""
    many = np.random.default_rng(0).normal(2, 1.5, (20_000, 8))
    for count in (1, 2, 4, 8):
        found = many[:, :count].mean(1).std()
        assert found == pytest.approx(1.5 / math.sqrt(count), rel=0.03)


def test_board_keeps_every_number_in_its_map():
    state = {"batch_size": 2, "positions": 4}
    batch = np.arange(2 * CHANNELS * 4).reshape(2, CHANNELS, 4)
    grid = np.array(board(state, batch.tolist()))
    assert grid.shape == (4, 8)
    for image in range(2):
        for channel in range(CHANNELS):
            rows, columns = slice(2 * image, 2 * image + 2), slice(2 * channel, 2 * channel + 2)
            assert grid[rows, columns].flatten().tolist() == batch[image, channel].tolist()


def test_words_say_what_goes_wrong_and_what_comes_back():
    widget = Normalisation(undo=True)
    assert "come back as they were" in widget.text_alternative()
    for norm in NORMS[1:]:
        widget.norm = norm
        assert "do not come back" in widget.text_alternative()
    widget.choose(norm="batch", mode="test")
    assert "do not come back" in widget.text_alternative()
    widget.choose(undo=False, mode="training", batch_size=2, positions=1)
    assert "One becomes −1 and the other +1" in widget.text_alternative()
    widget.batch_size = 1
    assert "torch refuses" in widget.text_alternative()
    assert "no variance to store" in widget.text_alternative()
    widget.norm = "layer"
    assert "Nothing is stored" in widget.text_alternative()


def test_correction_is_told_with_its_numbers():
    widget = Normalisation(batch_size=2, positions=1, place=[0, 3, 0], seen=0)
    one, other = (image[3][0] for image in widget.batch())
    told = widget.stored()
    plain = ((one - other) / 2) ** 2
    assert f"variance {plain:.2f} · 2/1 = {2 * plain:.2f}" in told
    assert "scatters about the true one by 1.06" in told  # 1.5 / √2


@pytest.mark.parametrize(
    ("name", "value"),
    [("norm", "none"), ("mode", "eval"), ("batch_size", 0), ("batch_size", 7), ("positions", 2)]
    + [("seen", 13), ("momentum", 0.2), ("gamma", -1), ("gamma", 0.25), ("beta", 5), ("undo", 1)]
    + [("place", [4, 0, 0]), ("place", [0, 4, 0]), ("place", [0, 0])],
)
def test_what_does_not_exist_is_refused_by_name_and_nothing_changes(name, value):
    widget = Normalisation()
    before = widget.page_state()
    with pytest.raises(TraitError, match=f"{name}={re.escape(repr(value))}: expected"):
        setattr(widget, name, value)
    assert widget.page_state() == before


def test_fewer_images_or_positions_look_at_a_number_that_is_there():
    widget = Normalisation(batch_size=6, place=[5, 2, 3])
    widget.batch_size = 2
    assert widget.place == [1, 2, 3]
    widget.positions = 1
    assert widget.place == [1, 2, 0]


def test_the_page_form_is_json_and_paper_has_a_mark_for_every_number():
    widget = make()
    form = widget.page_form()
    state = json.loads(re.search(r'<script type="application/json">(.*?)</script>', form)[1])
    assert (state["norm"], state["gamma"]) == ("group", 1.5)
    assert len(form) < 60_000
    assert widget.still_picture().count("<use") >= 2 * 3 * 4 * CHANNELS
