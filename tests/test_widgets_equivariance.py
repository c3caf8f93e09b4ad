"""Equivariance: its sums against torch in float64, its borders against other borders, its words."""

import random
from collections import Counter

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cnnlib.widgets.equivariance import Equivariance, draw_pictures
from cnnlib.widgets.equivariance_sums import (
    ANGLES,
    BORDERS,
    KERNELS,
    MOVES,
    PERCENTS,
    PIXELS,
    POOLS,
    SIDE,
    answer,
    grid_of,
    moved,
    reads_inside,
    report,
    turned_kernel,
)
from cnnlib.widgets.widget import ChoiceError

WHOLE = np.ones((SIDE, SIDE), dtype=bool)


def make() -> Equivariance:
    """Where every control can be moved: a pool, and a shift."""
    return Equivariance(picture="blocks", pool="max", right=3, down=-2)


def some_states(count: int, seed: int = 3) -> list[dict]:
    """Random states, whole cells and quarter turns often among them."""
    dice = random.Random(seed)
    states = []
    for _ in range(count):
        few = dice.random() < 0.5
        states.append(
            {
                "kernel": dice.choice(list(KERNELS)),
                "stride": dice.randint(1, 3),
                "border": dice.choice(BORDERS),
                "relu": dice.random() < 0.5,
                "pool": dice.choice(POOLS),
                "pool_size": dice.randint(2, 4),
                "pool_stride": dice.randint(1, 3),
                "move": dice.choice(MOVES),
                "down": 6 * dice.randint(-3, 3) if few else dice.randint(-18, 18),
                "right": 6 * dice.randint(-3, 3) if few else dice.randint(-18, 18),
                "angle": dice.choice([-90, 90, 180]) if few else dice.choice(ANGLES),
                "percent": dice.choice(PERCENTS),
            }
        )
    return states


def some_picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE)).astype(np.uint8)


def by_torch(picture: np.ndarray, stack: dict, behind: float = 0) -> np.ndarray:
    """The stack by torch's layers, with ``behind`` outside of the picture."""
    x = torch.tensor(picture, dtype=torch.float64)[None, None]
    circular = stack["border"] == "circular"
    if circular:
        x = F.pad(x, (1, 1, 1, 1), mode="circular")
    elif stack["border"] == "zero":
        x = F.pad(x, (1, 1, 1, 1), value=behind)
    weight = torch.tensor(KERNELS[stack["kernel"]], dtype=torch.float64)[None, None]
    x = F.conv2d(x, weight, stride=stack["stride"])
    x = x.relu() if stack["relu"] else x
    if stack["pool"] != "none":
        size = stack["pool_size"]
        if circular:
            x = F.pad(x, (0, size - 1, 0, size - 1), mode="circular")
        pool = {"max": F.max_pool2d, "mean": F.avg_pool2d}[stack["pool"]]
        x = pool(x, size, stack["pool_stride"])
    return x[0, 0].numpy()


def test_the_stack_is_torchs():
    for number, state in enumerate(some_states(150)):
        picture = some_picture(number)
        ours, theirs = answer(picture, state), by_torch(picture, state)
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=1e-10)


def test_a_moved_picture_is_numpys_for_whole_pixels_and_torchs_for_others():
    for number, state in enumerate(some_states(120)):
        picture = some_picture(number).astype(float)
        around, _ = moved(picture, WHOLE, PIXELS, state, wraps=True)
        zeros, clean = moved(picture, WHOLE, PIXELS, state, wraps=False)
        if state["move"] == "shift":
            shift = state["down"], state["right"]
            assert (around == np.roll(picture, shift, (0, 1))).all()
        elif state["move"] == "turn" and state["angle"] % 90 == 0:
            assert (around == np.rot90(picture, state["angle"] // 90)).all()
            assert (zeros == around).all() and clean.all()
        np.testing.assert_allclose(zeros, sampled(picture, state), atol=1e-8)


def sampled(picture: np.ndarray, move: dict) -> np.ndarray:
    """The moved picture by torch's sampling along a grid, zeros outside."""
    angle, zoom = 0.0, 1.0
    if move["move"] == "turn":
        angle = np.deg2rad(move["angle"])
    elif move["move"] == "scale":
        zoom = 100 / move["percent"]
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    across, up = (0, 0)
    if move["move"] == "shift":  # half of the picture is 1
        across, up = -2 * move["right"] / SIDE, -2 * move["down"] / SIDE
    rows = torch.tensor([[[cos, -sin, across], [sin, cos, up]]], dtype=torch.float64)
    x = torch.tensor(picture)[None, None]
    grid = F.affine_grid(rows, x.shape, align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)[0, 0].numpy()


def test_a_map_moves_over_the_pixels_of_its_picture():
    """A ramp of pixel numbers stays one: each cell of the moved map reads its own origin."""
    for state in some_states(60):
        grid = grid_of(state)
        size = answer(some_picture(0), state).shape[0]
        places = grid.start + grid.step * np.arange(size)
        ramp = np.broadcast_to(places[:, None], (size, size))
        out, clean = moved(ramp, np.ones_like(ramp, bool), grid, state, wraps=False)
        middle = (SIDE - 1) / 2
        y, x = places[:, None] - middle, places[None] - middle
        turn = np.deg2rad(state["angle"])
        origin = {
            "shift": y - state["down"] + 0 * x,
            "scale": y * 100 / state["percent"] + 0 * x,
            "turn": y * np.cos(turn) + x * np.sin(turn),
        }[state["move"]]
        np.testing.assert_allclose(out[clean], (origin + middle)[clean], atol=1e-6)


def test_the_cells_called_inside_are_those_that_no_border_can_change():
    for number, state in enumerate(some_states(80)):
        if state["border"] == "circular":
            continue
        picture = some_picture(number)
        inside = reads_inside(WHOLE, state, closes=False)
        one, other = (by_torch(picture, {**state, "kernel": "blur"}, v) for v in (-9e4, 9e4))
        assert (inside == (one == other)).all(), state
        _, clean = moved(picture, WHOLE, PIXELS, state, wraps=False)
        bright = moved(picture + 1.0, WHOLE, PIXELS, state, wraps=False)[0]
        risen = bright - moved(picture.astype(float), WHOLE, PIXELS, state, wraps=False)[0]
        assert (clean == (np.abs(risen - 1) < 1e-9)).all()


def test_shifts_by_whole_cells_are_equal_to_the_bit_where_no_border_is_read():
    kinds = Counter()
    for number, state in enumerate(some_states(200, seed=8)):
        step = grid_of(state).step
        state |= {"move": "shift", "down": state["down"] // step * step}
        state["right"] = state["right"] // step * step
        told = report(some_picture(number), state)
        maps = told["maps"]
        equal = maps["moved_first"] == maps["moved_last"]  # without any tolerance
        assert equal[told["inside"]].all()
        if state["border"] == "circular":
            assert equal.all() and told["inside"].all()
            assert told["kind"] in ("equal.shift", "still")
        kinds[told["kind"]] += 1
    assert set(kinds) <= {"equal.shift", "still", "border", "unclear"}
    assert kinds["equal.shift"] > 20 and kinds["border"] > 20


def test_what_is_called_the_cause_is_the_cause():
    kinds = Counter()
    for number, state in enumerate(some_states(300, seed=5)):
        told = report(some_picture(number), state)
        kind, grid = told["kind"], grid_of(state)
        kinds[kind] += 1
        itself = (
            KERNELS[state["kernel"]]
            == np.rot90(KERNELS[state["kernel"]], state["angle"] // 90).tolist()
        )
        lands = (SIDE - 1 - 2 * grid.start) % grid.step == 0
        whole = state["down"] % grid.step == state["right"] % grid.step == 0
        if kind == "stride":
            assert not whole and told["control"] == 0
        elif kind in ("kernel", "both", "grid"):
            assert state["angle"] % 90 == 0 and told["largest_inside"] > 0
            assert itself == (kind == "grid") and lands == (kind == "kernel")
            assert (told["control"] == 0) == (kind == "kernel")
        elif kind in ("equal.shift", "equal.turn", "border"):
            maps = told["maps"]
            assert (maps["moved_first"] == maps["moved_last"])[told["inside"]].all()
            assert kind != "equal.turn" or itself
        elif kind in ("turn", "scale"):
            assert told["largest_inside"] > 0 and state["move"] == kind
    assert {
        "still",
        "equal.shift",
        "equal.turn",
        "border",
        "stride",
        "kernel",
        "grid",
        "both",
    } <= set(kinds)
    assert {"turn", "scale"} <= set(kinds)


def test_a_turned_kernel_is_the_picture_of_it_turned():
    for kernel, weights in KERNELS.items():
        for angle in (-90, 0, 90, 180, 270):
            assert turned_kernel(kernel, angle) == np.rot90(weights, angle // 90).tolist()
    same = {k for k in KERNELS if turned_kernel(k, 90) == KERNELS[k]}
    assert same == {"spot", "blur", "copy"}


def test_a_digit_that_reaches_no_border_is_equal_with_zeros_and_blocks_are_not():
    letter = Equivariance(picture="F", down=3, right=-4)
    assert letter.report()["kind"] == "equal.shift"
    blocks = Equivariance(picture="blocks", down=3, right=-4)
    told = blocks.report()
    assert told["kind"] == "border" and told["largest_inside"] == 0 < told["largest"]
    assert int(told["inside"].sum()) == (SIDE - 2 - 3) * (SIDE - 2 - 4)


def test_how_far_the_map_is_from_the_map_that_was_not_moved():
    widget = Equivariance(picture="blocks", border="circular", kernel="copy", right=1)
    picture = draw_pictures()["blocks"].astype(float)
    change = np.abs(np.roll(picture, 1, 1) - picture).sum() / picture.sum()
    assert widget.report()["unmoved"] == pytest.approx(change)
    flat = Equivariance({"flat": np.zeros((SIDE, SIDE), np.uint8)}, right=1)
    assert flat.report()["unmoved"] is None and flat.report()["reach"] == 0
    assert flat.text_alternative() and flat.still_picture()


@pytest.mark.parametrize(
    ("name", "value"),
    [("picture", "G"), ("kernel", "edges"), ("stride", 0), ("stride", 4), ("border", "same")]
    + [("pool", "avg"), ("pool_size", 1), ("pool_stride", 1.5), ("move", "flip"), ("down", 19)]
    + [("right", -19), ("angle", 10), ("percent", 55), ("relu", 1)],
)
def test_what_does_not_exist_is_refused_by_name(name, value):
    widget = make()
    with pytest.raises(ChoiceError, match=f"{name}={value!r}: expected"):
        setattr(widget, name, value)
    assert widget.chosen() == make().chosen()


@pytest.mark.parametrize(
    "pictures",
    [{}, {"a": np.zeros((28, 28), np.uint8)}, {"a": np.zeros((SIDE, SIDE))}],
)
def test_pictures_of_another_kind_are_refused(pictures):
    with pytest.raises(ValueError, match=r"pictures.*expected"):
        Equivariance(pictures)


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({}, "Nothing has moved yet"),
        ({"right": 2, "border": "circular"}, "Equal to the bit. The picture moves"),
        ({"right": 1, "stride": 2, "border": "circular"}, "one cell every 2 pixels"),
        ({"move": "turn", "angle": 90, "kernel": "spot"}, "Equal to the bit. The kernel turned by"),
        ({"move": "turn", "angle": 90}, "The kernel breaks it: turned by 90°"),
        ({"move": "turn", "angle": 90, "stride": 2}, "Two things break it"),
        ({"move": "turn", "angle": 90, "stride": 2, "kernel": "spot"}, "land between cells"),
        ({"move": "turn", "angle": 30}, "The picture turns by 30°"),
        ({"move": "scale", "percent": 150, "pool": "mean"}, "The picture is scaled to 150 %"),
        ({"move": "scale", "percent": 150, "kernel": "copy"}, "Equal in every cell"),
        (
            {"move": "scale", "percent": 50, "stride": 3, "border": "zero"}
            | {"pool": "mean", "pool_size": 4, "pool_stride": 3},
            "every cell of them has to do with the border",
        ),
    ],
)  # fmt: skip
def test_every_kind_is_told_and_drawn(chosen, says):
    widget = Equivariance(picture="blocks", **chosen)
    assert says in widget.text_alternative()
    picture = widget.still_picture()
    assert says in picture and picture.count("<image") == 4
