"""Augmentation: its sums against cnnlib.train's, what is drawn, what is refused, its words."""

import math
import random
import re

import numpy as np
import pytest
import torch

from cnnlib.train import (
    Augmentation,
    ColourAxes,
    augment,
    crop_randomly,
    draw_displacements,
    find_colour_axes,
    shift_colours,
    warp,
)
from cnnlib.widgets.augmentation import AugmentationExplorer
from cnnlib.widgets.augmentation_sums import (
    AMOUNTS,
    DRAWN_CROP,
    PARTS,
    SIDE,
    changes_something,
    colour_shift,
    crop,
    displacements,
    distort,
    draw_part,
    origins,
    random_numbers,
    relight,
    sample,
    smooth,
    without,
)
from cnnlib.widgets.widget import ChoiceError

VARIANCES = [0.2, 0.02, 0.005]
DIRECTIONS = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0].tolist()
AXES = {"variances": VARIANCES, "directions": DIRECTIONS}


def some_pictures() -> dict[str, np.ndarray]:
    """A patch of colours that change slowly, and noise."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    slow = np.stack([x, y, (x + y) / 2], axis=2)
    noise = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3))
    return {"slow": (255 * slow).astype(np.uint8), "noise": noise.astype(np.uint8)}


def make(**chosen) -> AugmentationExplorer:
    """Where every control of the part that is shown can be moved."""
    chosen = {"crop_size": 84, "top": 3, "left": 5} | chosen
    return AugmentationExplorer(some_pictures(), (VARIANCES, DIRECTIONS), **chosen)


def some_states(count: int, seed: int = 3) -> list[dict]:
    """Random states; each part is left out half of the time."""
    dice = random.Random(seed)
    states = []
    for number in range(count):
        state = {"seed": dice.randint(0, 999), "mirror": dice.random() < 0.5}
        for part, names in PARTS.items():
            left_out = dice.random() < 0.5
            for name in names:
                least, most, none, _, step = AMOUNTS[name]
                state[name] = none if left_out else dice.randrange(least, most + 1, step)
            if part == "frame":
                room = SIDE - state["crop_size"]
                state |= {"top": dice.randint(0, room), "left": dice.randint(0, room)}
        if number % 5 == 0:
            state["angle"] = dice.choice([-180, -90, 90, 180])
        states.append(state)
    return states


def whole(state: dict) -> dict:
    return {name: value for part in PARTS for name, value in without(part).items()} | state


def batch(seed: int, size: int = SIDE, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, channels, size, size, generator=generator)


def as_pixels(images: torch.Tensor) -> np.ndarray:
    return images[0].permute(1, 2, 0).double().numpy()


# --- Each step against the library --------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_moves_and_light_are_those_of_augment(seed):
    by = Augmentation(degrees=180, scale=0.4, shear=0.5, shift=9, mirror=True,
                      brightness=0.3, contrast=0.6, saturation=0.8)  # fmt: skip
    images = batch(seed, size=31)
    expected = as_pixels(augment(images, by, torch.Generator().manual_seed(seed)))
    # In the order in which augment draws.
    chance = torch.Generator().manual_seed(seed)
    drawn = [2 * torch.rand(1, generator=chance).item() - 1 for _ in range(10)]
    angle, zoom, _, shear, right, down, side, saturation, contrast, brightness = drawn
    move = {"angle": 180 * angle, "zoom": 1 + 0.4 * zoom, "shear": 0.5 * shear}
    move |= {"right": 9 * right, "down": 9 * down, "mirror": side < 0}
    moved = sample(as_pixels(images), *origins(31, move))
    found = relight(moved, 0.3 * brightness, 1 + 0.6 * contrast, 1 + 0.8 * saturation)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_crop_is_one_of_those_of_crop_randomly():
    images = batch(1)
    for seed in range(5):
        piece = crop_randomly(images, (84, 84), torch.Generator().manual_seed(seed))
        chance = torch.Generator().manual_seed(seed)
        top, left = (torch.randint(13, (1,), generator=chance).item() for _ in range(2))
        assert (crop(as_pixels(images), 84, top, left) == as_pixels(piece)).all()


@pytest.mark.parametrize(("strength", "smoothness"), [(34.0, 4.0), (150.0, 8.0), (10.0, 2.0)])
def test_the_field_and_the_warp_are_those_of_the_library(strength, smoothness):
    images, size = batch(2), SIDE
    side = size + 2 * math.ceil(3 * smoothness)
    generator = torch.Generator().manual_seed(9)
    noise = (2 * torch.rand(2, 1, side, side, generator=generator) - 1).double().numpy()
    right, down = (strength * smooth(part[0], smoothness) for part in noise)
    theirs = draw_displacements(
        1, (size, size), strength, smoothness, torch.Generator().manual_seed(9)
    )
    np.testing.assert_allclose(right, theirs[0][0], atol=1e-4)
    np.testing.assert_allclose(down, theirs[1][0], atol=1e-4)
    expected = warp(images, strength, smoothness, torch.Generator().manual_seed(9))
    rows, columns = np.mgrid[:size, :size]
    found = sample(as_pixels(images), rows + down, columns + right)
    np.testing.assert_allclose(found, as_pixels(expected), atol=2e-4)


def test_the_widgets_field_scatters_as_the_library_says():
    for seed in range(3):
        right, down = displacements(SIDE, 150, 4, seed)
        typical = 150 / (4 * math.sqrt(12 * math.pi))
        assert np.std([right, down]) == pytest.approx(typical, rel=0.1)
        assert abs(np.corrcoef(right.ravel(), down.ravel())[0, 1]) < 0.3


def test_the_colour_shift_is_that_of_the_library():
    images = batch(3)
    axes = find_colour_axes(images * torch.tensor([1.0, 0.5, 0.2])[:, None, None])
    alphas = 0.1 * torch.randn(1, 3, generator=torch.Generator().manual_seed(4))
    expected = shift_colours(images, axes, 0.1, torch.Generator().manual_seed(4)) - images
    found = colour_shift(alphas[0].tolist(), axes.variances.tolist(), axes.directions.tolist())
    np.testing.assert_allclose(found, expected.mean(dim=(0, 2, 3)), atol=1e-6)


def test_distort_takes_the_steps_one_by_one():
    picture = some_pictures()["noise"]
    state = whole({"seed": 3, "crop_size": 60, "top": 10, "left": 30, "mirror": True, "angle": 90})
    found = distort(picture, state, AXES)
    piece = np.rot90(picture[10:70, 30:90][:, ::-1], -1)  # mirrored, then turned clockwise
    assert (found.pixels == piece).all() and found.clipped == 0 and found.moved == 0
    state = whole({"seed": 3, "red": 40, "alpha1": 20})
    added = [255 * 0.2 * VARIANCES[0] * row[0] for row in DIRECTIONS]
    expected = picture + np.array([40, 0, 0]) + added
    found = distort(picture, state, AXES)
    assert (np.abs(found.pixels - np.clip(expected, 0, 255)) <= 0.51).all()
    assert found.added == pytest.approx(added) and found.clipped > 0.02
    state = whole({"seed": 3, "right": 5, "down": -2})
    found = distort(picture, state, AXES).pixels
    assert (found[:-2, 5:] == picture[2:, :-5]).all()
    assert (found[:-2, :5] == picture[2:, :1]).all()  # the border, repeated


def test_nothing_chosen_changes_nothing():
    for picture in some_pictures().values():
        assert (distort(picture, whole({"seed": 7}), AXES).pixels == picture).all()
        same = distort(picture, whole({"seed": 7, "angle": 180, "mirror": True}), AXES).pixels
        assert (same == picture[::-1]).all()


# --- Draws --------------------------------------------------------------------------------------


def test_random_numbers_are_mulberry32():
    a, expected = (5 * 0x9E3779B1 + 2 * 0x85EBCA6B) % 2**32, []
    for _ in range(4):  # step by step, in whole numbers of any size
        a = (a + 0x6D2B79F5) % 2**32
        t = ((a ^ (a >> 15)) * (a | 1)) % 2**32
        t = ((t + (((t ^ (t >> 7)) * (t | 61)) % 2**32)) % 2**32) ^ t
        expected.append((t ^ (t >> 14)) / 2**32)
    assert random_numbers(5, 2, 4).tolist() == expected
    many = random_numbers(1, 100, 20_000)
    assert 0 <= many.min() and many.max() < 1
    assert many.mean() == pytest.approx(0.5, abs=0.01)
    assert np.abs(np.histogram(many, 10, (0, 1))[0] - 2000).max() < 200


def test_every_part_is_drawn_as_it_says():
    state = whole({})
    draws = {part: [draw_part(part, seed, state) for seed in range(1000)] for part in PARTS}
    frames = draws["frame"]
    assert {frame["crop_size"] for frame in frames} == {DRAWN_CROP} == {84}
    for name in ("top", "left"):
        assert {frame[name] for frame in frames} == set(range(13))
    assert sum(frame["mirror"] for frame in frames) == pytest.approx(500, abs=60)
    for part in ("place", "colour", "light"):
        for name in PARTS[part]:
            values = [draw[name] - AMOUNTS[name].none for draw in draws[part]]
            assert -AMOUNTS[name].drawn <= min(values) < max(values) <= AMOUNTS[name].drawn
            assert abs(np.mean(values)) < 0.1 * AMOUNTS[name].drawn
    for name in PARTS["axes"]:
        alphas = [draw[name] / 100 for draw in draws["axes"]]
        assert abs(np.mean(alphas)) < 0.012 and np.std(alphas) == pytest.approx(0.1, abs=0.01)
    assert draws["warp"][0] == {"strength": 150}
    assert draw_part("warp", 1, {"strength": 40}) == {"strength": 40}


def test_drawing_another_is_a_legal_state_and_a_seed_brings_it_back():
    widget = make()
    widget.draw_another()
    assert widget.seed == 1 and all(changes_something(p, widget.chosen()) for p in PARTS)
    first = widget.chosen()
    widget.choose(seed=0)
    widget.draw_another()
    assert widget.chosen() == first
    widget.draw_another("colour")
    assert {n for n, v in widget.chosen().items() if v != first[n]} <= {"seed", *PARTS["colour"]}
    widget.seed = 999
    widget.draw_another("frame")
    assert widget.seed == 0


# --- What is refused, and said --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [("crop_size", 47), ("crop_size", 50), ("top", 13), ("left", -1), ("angle", 181), ("zoom", 1.5)]
    + [("strength", 155), ("smoothness", 1), ("mirror", 1), ("part", "all"), ("picture", "cat")]
    + [("seed", 1000), ("alpha1", 101), ("grid", "no")],
)
def test_what_does_not_exist_is_refused_by_name_and_nothing_changes(name, value):
    widget = make()
    before = widget.page_state()
    with pytest.raises(ChoiceError, match=f"{name}={re.escape(repr(value))}: expected"):
        setattr(widget, name, value)
    assert widget.page_state() == before


def test_a_larger_crop_takes_its_place_along():
    widget = make(crop_size=48, top=48, left=20)
    widget.crop_size = 92
    assert (widget.top, widget.left) == (4, 4)


def test_a_direction_and_its_opposite_are_one_axis():
    pictures, directions = some_pictures(), np.array(DIRECTIONS)
    one = AugmentationExplorer(pictures, (VARIANCES, directions))
    other = AugmentationExplorer(pictures, (VARIANCES, directions * [-1, 1, -1]))
    assert one.fixed["axes"] == other.fixed["axes"]
    kept = np.array(one.fixed["axes"]["directions"])
    assert (kept[np.abs(kept).argmax(axis=0), range(3)] > 0).all()


@pytest.mark.parametrize(
    ("pictures", "axes", "said"),
    [
        ({}, (VARIANCES, DIRECTIONS), "at least one"),
        ({"a": np.zeros((96, 96), np.uint8)}, (VARIANCES, DIRECTIONS), r"shape \(96, 96\)"),
        ({"a": np.zeros((96, 96, 3))}, (VARIANCES, DIRECTIONS), "float64"),
        (some_pictures(), (VARIANCES[:2], DIRECTIONS), "3 variances"),
        (some_pictures(), ([-1, 1, 1], DIRECTIONS), "3 variances"),
    ],
)
def test_other_pictures_and_axes_are_refused(pictures, axes, said):
    with pytest.raises(ValueError, match=said):
        AugmentationExplorer(pictures, axes)


def test_axes_of_the_library_are_taken_as_they_are():
    axes = find_colour_axes(batch(6))
    assert isinstance(axes, ColourAxes)
    kept = AugmentationExplorer(some_pictures(), axes).fixed["axes"]
    assert kept["variances"] == pytest.approx(axes.variances.tolist())


def test_what_is_done_is_told_and_drawn():
    widget = AugmentationExplorer(some_pictures(), (VARIANCES, DIRECTIONS))
    assert "no amount changes anything" in widget.text_alternative()
    widget = make(mirror=True, angle=-12, strength=100, alpha1=30, red=80)
    told = widget.text_alternative()
    assert "mirrored; cut to 84 × 84 pixels, 3 rows from the top, 5 columns" in told
    assert "turned clockwise by −12°" in told
    moved = np.std(displacements(84, 100, 8, 0))  # their mean is near 0
    assert float(re.search(r"a typical place by (\d\.\d) px", told)[1]) == pytest.approx(
        moved, abs=0.2
    )
    assert "shifted along the colour axes" in told and "were cut off" in told
    assert widget.still_picture().count("<image") == 2
    for name in ("right", "down", "shear", "zoom", "green", "brightness", "contrast", "saturation"):
        value = AMOUNTS[name].none + 7
        assert f" {value} " in make(**{name: value}).text_alternative().replace("°", " ")
