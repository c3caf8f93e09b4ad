"""The digit that is drawn: what is done to it, and what both networks say, against torch."""

import re

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cnnlib.data import load_digits
from cnnlib.models.lenet import digit_codes
from cnnlib.weights import load_weights, preprocess
from cnnlib.widgets.draw_digit import MISSED, DrawDigit, samples
from cnnlib.widgets.draw_digit_answers import LOOKS, READERS, kilobytes
from cnnlib.widgets.draw_digit_sums import (
    SIDE,
    centred,
    changed,
    draw_line,
    draw_lines,
    noise_pattern,
    read,
    shifted,
    thickened,
    turned,
    write,
)
from cnnlib.widgets.pictures import unpack
from cnnlib.widgets.pixels import Scale
from cnnlib.widgets.widget import ChoiceError

BLANK = np.zeros((SIDE, SIDE), np.uint8)


def make() -> DrawDigit:
    return DrawDigit()


@pytest.fixture(scope="module")
def test_set():
    return load_digits("test")


def some_drawing(seed: int, share: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    ink = rng.integers(0, 256, (SIDE, SIDE))
    return np.where(rng.random((SIDE, SIDE)) < share, ink, 0).astype(np.uint8)


# --- Written down ---------------------------------------------------------------------------------


def test_a_drawing_is_written_and_read_again_to_the_bit(test_set):
    drawings = [*test_set.images[:200], BLANK, BLANK + 255, *(some_drawing(s) for s in range(20))]
    for drawing in drawings:
        text = write(drawing)
        assert (read(text) == drawing).all()
    assert write(BLANK) == "Z" * 30 + "D"  # 784 = 30 * 26 + 4
    corner = BLANK.copy()
    corner[0, 1], corner[27, 27] = 255, 9
    assert write(corner) == "Aff" + "Z" * 30 + "A" + "09"


@pytest.mark.parametrize(
    "text",
    ["", "Z", "Z" * 31, "Z" * 30 + "E", "Z" * 30 + "C" + "0", "z" * 30 + "D", " " + "Z" * 30 + "D"]
    + ["Z" * 30 + "D\n", "٣٣" * 784, None, 7, ["Z"], {"Z": 1}, True],
)
def test_what_is_no_drawing_is_not_read(text):
    assert read(text) is None


@pytest.mark.parametrize("pixels", [np.zeros((28, 28)), np.zeros((27, 28), np.uint8)])
def test_only_bytes_of_28_by_28_are_written(pixels):
    with pytest.raises(ValueError, match=r"pixels: .*: expected uint8, \(28, 28\)"):
        write(pixels)


# --- What is done to a drawing --------------------------------------------------------------------


def test_a_dot_of_the_brush_covers_what_lies_within_its_radius():
    dot = draw_lines([(14.5, 9.5), (14.5, 9.5)])
    assert dot[14, 9] == 255
    assert dot[14, 8] == dot[13, 9] == dot[15, 9] == dot[14, 10] == 153  # 255 * (1.1 + 0.5 - 1)
    assert dot[13, 8] == round(255 * (1.6 - 2**0.5))
    assert np.count_nonzero(dot) == 9
    assert not draw_line(dot, (14.5, 9.5), (14.5, 9.5), erase=True)[14, 9]
    assert (draw_line(dot, (2, 2), (2, 2)) >= dot).all()


def test_a_stroke_is_as_wide_all_along():
    line = draw_lines([(14.5, 6.5), (14.5, 20.5)])
    assert (line[:, 7:20] == line[:, 7:8]).all()
    assert line[13:16, 10].tolist() == [153, 255, 153]
    assert (draw_lines([(6.5, 14.5), (20.5, 14.5)]) == line.T).all()


def test_the_held_out_digits_have_been_centred_and_stay_where_they_are(test_set):
    for image in test_set.images:
        assert (centred(image) == image).all()


def test_a_digit_that_was_moved_comes_back_and_paper_stays(test_set):
    moves = zip(test_set.images[:60], [-4, 3, 0, 2] * 15, [3, -2, 5] * 20, strict=True)
    for image, down, right in moves:
        moved = shifted(image, down, right)
        if moved.sum() == image.sum():  # nothing has left the sheet
            assert (centred(moved) == image).all()
    assert (centred(BLANK) == BLANK).all()


def test_a_shift_is_a_roll_that_loses_what_leaves():
    drawing = some_drawing(1, share=1)
    for down, right in ((0, 0), (3, -5), (-10, 10), (28, 0), (-40, 2)):
        assert shifted(drawing, down, right).shape == (SIDE, SIDE)
        big = np.zeros((3 * SIDE + 60, 3 * SIDE + 60), np.uint8)
        big[50 + down : 78 + down, 50 + right : 78 + right] = drawing
        assert (shifted(drawing, down, right) == big[50:78, 50:78]).all()


def test_a_turn_is_torchs_and_by_right_angles_numpys():
    for angle in range(-180, 181, 5):
        drawing = some_drawing(angle + 200)
        radians = torch.tensor(angle * np.pi / 180, dtype=torch.float64)
        cos, sin = radians.cos(), radians.sin()
        # affine_grid gives, for each output place (x, y), the place that is read.
        rows = torch.stack([torch.stack([cos, -sin, sin * 0]), torch.stack([sin, cos, sin * 0])])
        x = torch.tensor(drawing.astype(np.float64))[None, None]
        grid = F.affine_grid(rows[None], x.shape, align_corners=False)
        theirs = F.grid_sample(x, grid, align_corners=False)[0, 0].numpy()
        np.testing.assert_allclose(turned(drawing, angle), theirs, atol=0.5 + 1e-6)
        if angle % 90 == 0:
            assert (turned(drawing, angle) == np.rot90(drawing, angle // 90)).all()


def test_to_thicken_is_a_dilation_by_a_plus():
    for seed in range(5):
        drawing = some_drawing(seed)
        x = torch.tensor(drawing.astype(np.float32))[None, None]
        tall, wide = (F.max_pool2d(x, k, 1, p) for k, p in (((3, 1), (1, 0)), ((1, 3), (0, 1))))
        assert (thickened(drawing) == torch.maximum(tall, wide)[0, 0].numpy()).all()


def test_noise_is_the_same_each_time_and_as_strong_as_it_says():
    pattern = noise_pattern()
    assert (pattern == noise_pattern()).all()
    grey = np.full((SIDE, SIDE), 128, np.uint8)
    state = DrawDigit(noise=10, centre=False).chosen()
    added = changed(grey, state, pattern).astype(float) - 128
    assert added.std() == pytest.approx(25.5, rel=0.1) and abs(added.mean()) < 3


def test_changes_come_in_the_order_that_is_stated(test_set):
    drawing = shifted(test_set.images[3], 0, 4)
    state = {**DrawDigit().chosen(), "angle": 30, "thicken": 1, "down": -3, "right": 2, "noise": 20}
    by_hand = shifted(thickened(turned(centred(drawing), 30)), -3, 2)
    noise = (noise_pattern().astype(float) - 128) / 32
    by_hand = np.clip(np.floor(by_hand + 0.2 * 255 * noise + 0.5), 0, 255)
    np.testing.assert_allclose(changed(drawing, state, noise_pattern()), by_hand, atol=1)
    assert (changed(drawing, {**state, "noise": 0, "centre": False}, noise_pattern())
            == shifted(thickened(turned(drawing, 30)), -3, 2)).all()  # fmt: skip


# --- The samples ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answers(test_set) -> dict[str, np.ndarray]:
    with torch.no_grad():
        return {
            key: load_weights(key)(preprocess(key, test_set.images)).argmax(1).numpy()
            for key in DrawDigit.networks
        }


def test_the_first_ten_samples_are_read_rightly_and_the_missed_ones_are_missed_as_listed(
    test_set, answers
):
    assert [int(label) for label in test_set.labels[:10]] == list(range(10))
    for found in answers.values():
        assert (found[:10] == test_set.labels[:10]).all()
    for name, numbers in MISSED.items():
        for number in numbers:
            wrong = {k for k, found in answers.items() if found[number] != test_set.labels[number]}
            assert wrong == (set(answers) if name == "both" else {name}), number


def test_samples_are_named_once_and_hold_what_they_say(test_set):
    given = {sample.name: sample for sample in samples()}
    assert len(given) == len(samples()) == 20
    assert len({(sample.kind, sample.label) for sample in samples()}) == 20  # their names, in words
    for sample in given.values():
        assert sample.pixels.shape == (SIDE, SIDE) and sample.pixels.dtype == np.uint8
        if sample.kind in ("test", "missed"):
            number = int(re.search(r"\d+", sample.name)[0])
            assert (sample.pixels == test_set.images[number]).all()
            assert sample.label == test_set.labels[number]
    assert (given["inverted"].pixels == 255 - test_set.images[4]).all()
    assert given["shifted"].pixels[:, 10:].sum() == 0 < given["shifted"].pixels[:, :10].sum()


# --- What the networks say, against torch ---------------------------------------------------------

STATES = [
    {},
    {"drawing": "test-256", "look": "grad_cam"},
    {"drawing": "inverted", "centre": False, "look": "deconvnet"},
    {"drawing": "bar", "angle": -20, "thicken": 1, "down": 2, "noise": 15, "look": "gradient"},
]


@pytest.mark.parametrize("state", STATES)
def test_records_are_torchs(state):
    widget = DrawDigit(**state)
    for reader, record in zip(READERS, widget.records(), strict=True):
        network = load_weights(reader.key)
        x = preprocess(reader.key, widget.given()[None]).requires_grad_()
        kept = {}
        for stage in reader.stages:
            network.get_submodule(stage.layer).register_forward_hook(
                lambda part, args, out, name=stage.name, kept=kept: kept.update({name: out})
            )
        scores = network(x)[0]
        np.testing.assert_allclose(record["scores"], scores.detach(), atol=1e-5)
        for stage, packed in zip(reader.stages, record["stages"], strict=True):
            values = kept[stage.name][0].detach().numpy()
            assert values.shape == stage.shape
            high = packed["high"]
            scale = Scale(-high if packed["signed"] else 0, high, packed["signed"])
            np.testing.assert_allclose(scale.values(unpack(packed)), values, atol=high / 254 + 1e-6)
        if widget.look == "gradient":
            (slopes,) = torch.autograd.grad(scores.max(), x)
            high = record["look"]["high"]
            found = Scale(-high, high, True).values(unpack(record["look"]))
            np.testing.assert_allclose(found, slopes[0, 0], atol=high / 254 + 1e-6)
        elif widget.look == "grad_cam":
            maps = kept["relu2" if reader.key == "lenet_modern" else "C3"]
            (slopes,) = torch.autograd.grad(scores.max(), maps)
            weighed = (slopes.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True).relu()
            large = F.interpolate(weighed, (32, 32), mode="bilinear")[0, 0].detach()
            high = record["look"]["high"]
            found = Scale(0, high).values(unpack(record["look"]))
            np.testing.assert_allclose(found, large, atol=high / 510 + 1e-6)


def test_the_deconvnet_is_refused_for_the_network_without_rectifiers_only():
    old, modern = DrawDigit(look="deconvnet").records()
    assert old["look"] is None and modern["look"] is not None
    assert "refused" in DrawDigit(look="deconvnet").still_picture()


def test_a_distance_is_that_of_f6_from_a_code():
    old, modern = DrawDigit(drawing="digit-3").records()
    distances = ((torch.tensor(old["f6"]) - digit_codes()) ** 2).sum(1)
    np.testing.assert_allclose(old["scores"], -distances, rtol=1e-4)
    assert modern["f6"] is None
    codes = unpack(DrawDigit().fixed["codes"])
    assert (codes.reshape(10, 84) * 2.0 - 1 == digit_codes().numpy()).all()


def test_a_record_that_came_with_the_page_is_not_computed_twice_and_another_one_is():
    widget = DrawDigit(drawing="digit-2")
    assert widget.records() is widget.fixed["worked"]["records"]
    widget.tool = "eraser"
    assert widget.records() == widget.fixed["worked"]["records"]
    widget.drawing = "digit-5"
    assert int(np.argmax(widget.records()[0]["scores"])) == 5


# --- The widget -----------------------------------------------------------------------------------


def test_both_files_are_as_large_as_is_said():
    from cnnlib.live.site import network_file

    total = sum(len(network_file(reader.key)) for reader in READERS)
    assert DrawDigit().fixed["kilobytes"] == kilobytes() == round(total / 1000)


def test_a_drawing_of_ones_own_can_be_given_and_is_taken_back():
    mine = draw_lines([(6, 14), (22, 14)])
    widget = DrawDigit(drawing=write(mine), centre=False)
    assert (widget.drawn() == mine).all() and (widget.given() == mine).all()
    assert "your drawing" in widget.text_alternative()
    widget.right = -3
    assert (widget.given() == shifted(mine, 0, -3)).all() and (widget.drawn() == mine).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [("drawing", "digit-10"), ("drawing", "Z" * 31), ("drawing", 7), ("centre", 1), ("angle", 7)]
    + [("angle", 185), ("thicken", 4), ("down", -11), ("right", 11), ("noise", 101)]
    + [("look", "guided"), ("tool", "brush")],
)
def test_what_does_not_exist_is_refused_by_name(name, value):
    widget = make()
    with pytest.raises(ChoiceError, match=f"{name}={value!r}: expected"):
        setattr(widget, name, value)
    assert widget.chosen() == make().chosen()


@pytest.mark.parametrize("look", LOOKS)
def test_the_still_picture_says_what_the_networks_say(look):
    widget = DrawDigit(drawing="test-1347", look=look)
    old, modern = (int(np.argmax(record["scores"])) for record in widget.records())
    assert (old, modern) == (4, 4)  # labelled 7
    words = widget.text_alternative()
    assert "hard test digit, labelled 7" in words and words.count(" answers 4, ") == 2
    assert words in widget.still_picture()
