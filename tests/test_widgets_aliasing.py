"""The aliasing widget: its sums against torch and Fourier, what it refuses, what the page gets."""

import json
import math
import re
from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from traitlets import TraitError

from cnnlib.widgets.aliasing import Aliasing
from cnnlib.widgets.aliasing_sums import (
    PERIODS,
    PHASES,
    SIZES,
    STRIDES,
    answers,
    distance,
    ghost,
    kind_of,
    matched_filter,
    mean_answers,
    phases_met,
    pooled,
    report,
    stripes,
    strongest,
)

ALL_STRIDES = range(STRIDES[0], STRIDES[1] + 1)


def layer_answers(period: float, size: int, stride: int, phase: float, count: int, quarters: int):
    """torch's own layer on a picture as high as wide: (answers along a row, its filter)."""
    half = size // 2
    place = torch.arange(size, dtype=torch.float64) - half
    window = torch.exp(-(place[:, None] ** 2 + place**2) / (2 * (size / 4) ** 2))
    kernel = window * torch.cos(2 * math.pi * place / period - quarters * math.pi / 2)
    kernel -= window * (kernel.sum() / window.sum())
    kernel = (kernel / kernel.norm())[None, None]
    pixels = torch.arange(-half, stride * (count - 1) + half + 1, dtype=torch.float64)
    row = torch.cos(2 * math.pi * (pixels / period - phase / PHASES))
    return F.conv2d(row.expand(1, 1, size + 4 * stride, -1), kernel, stride=stride)


def some_settings(count: int) -> list[tuple]:
    dice = np.random.default_rng(3)
    found = []
    while len(found) < count:
        period, size = PERIODS[dice.integers(len(PERIODS))], SIZES[dice.integers(len(SIZES))]
        found.append((period, size, int(dice.integers(1, 9)), int(dice.integers(0, PHASES + 1))))
    return found


@pytest.mark.parametrize("twin", [False, True])
def test_signed_rectified_and_pooled_answers_are_those_of_a_layer_of_torch(twin):
    for period, size, stride, phase in some_settings(120):
        if twin and period == 2:
            continue
        maps = layer_answers(period, size, stride, phase, 13, int(twin))
        ours = answers(matched_filter(period, size, twin), stride * np.arange(13), period, phase)
        scale = maps[0, 0, 0] @ torch.from_numpy(ours) / (ours @ ours)  # the height of the filter
        for here, there in (
            (ours, maps),
            (np.maximum(ours, 0), F.relu(maps)),
            (pooled(np.maximum(ours, 0)), F.max_pool2d(F.relu(maps), 3, 2)),
        ):
            row = there[0, 0, 0].numpy() if np.abs(ours).max() > 1e-9 else 0 * here
            np.testing.assert_allclose(here * scale.item(), row, atol=1e-9)


def test_a_row_of_torch_answers_as_strongly_as_the_widget_says():
    for period, size, stride, phase in some_settings(60):
        weights = matched_filter(period, size)
        count = 2 * phases_met(period, stride) + 1
        half = size // 2
        pixels = torch.arange(-half, stride * (count - 1) + half + 1, dtype=torch.float64)
        row = torch.cos(2 * math.pi * (pixels / period - phase / PHASES))[None, None]
        found = F.conv1d(row, torch.from_numpy(weights)[None, None], stride=stride)
        mean = F.max_pool1d(F.relu(found), 3, 2).mean().item()
        assert mean_answers(weights, period, stride)[phase] == pytest.approx(mean, abs=1e-12)
        long = layer_answers(period, size, stride, phase, 20 * count, 0)
        long_mean = F.max_pool2d(F.relu(long), 3, 2)[0, 0, 0].mean()
        height = math.sqrt(
            (np.exp(-2 * (np.arange(size) - half) ** 2 / (2 * (size / 4) ** 2))).sum()
        )
        tall = np.exp(-((np.arange(size) - half) ** 2) / (2 * (size / 4) ** 2)).sum() / height
        assert long_mean.item() / tall == pytest.approx(mean, rel=0.05, abs=1e-9)


def test_the_answers_have_the_frequency_that_fourier_finds():
    for period, stride in product(PERIODS, ALL_STRIDES):
        cycle = phases_met(period, stride)
        row = layer_answers(period, 7, stride, 3, 8 * cycle, 0)[0, 0, 0].numpy()
        power = np.abs(np.fft.rfft(row)) ** 2
        told = abs(ghost(period, stride))
        assert power.argmax() / len(row) / stride == pytest.approx(told, abs=1e-9)
        assert power.max() > 0.999 * power.sum()
        assert told <= 1 / (2 * stride) + 1e-12


def test_each_kind_is_what_fourier_and_the_answers_say():
    met = set()
    for period, stride in product(PERIODS, ALL_STRIDES):
        kind, frequency = kind_of(period, stride), abs(ghost(period, stride))
        met.add(kind)
        true = math.isclose(frequency, 1 / period)
        assert true == (kind in ("honest", "limit"))
        assert (frequency == 0) == (kind == "same")
        assert (kind == "limit") == (true and math.isclose(frequency, 1 / (2 * stride)))
    assert met == {"honest", "limit", "ghost", "same"}


def test_the_slow_wave_runs_through_every_answer_of_both_filters():
    for period, size, stride, phase in some_settings(200):
        places = stride * np.arange(20)
        turn = 2 * math.pi * (places * ghost(period, stride) - phase / PHASES)
        for twin, wave in ((False, np.cos(turn)), (True, -np.sin(turn))):
            weights = matched_filter(period, size, twin)
            if weights is not None:
                wave = strongest(weights, period) * wave
                np.testing.assert_allclose(answers(weights, places, period, phase), wave, atol=1e-9)


def test_the_phases_that_the_windows_meet_are_counted_and_their_distances_are_exact():
    for period, stride in product(PERIODS, ALL_STRIDES):
        told = [distance(stride * i, period, 0) for i in range(100)]
        assert len(set(told)) == phases_met(period, stride)
        light = stripes(np.array([0.0]), period, 0)[0]
        assert all(0 <= d < period for d in told) and light == 1
    assert [distance(4 * i, 5, 0) for i in range(6)] == [0, 4, 3, 2, 1, 0]
    assert distance(0, 8, 6) == 6 and distance(0, 8, PHASES) == 0  # 2 pixels before one


def test_a_whole_period_of_phase_is_none():
    for period, size, stride, _ in some_settings(40):
        means = mean_answers(matched_filter(period, size), period, stride)
        assert len(means) == PHASES + 1 and means[0] == means[-1]
        pixels = np.arange(30)
        assert (stripes(pixels, period, 0) == stripes(pixels, period, PHASES)).all()


def test_one_filter_keeps_what_the_count_of_phases_lets_it_keep():
    """None of it with one phase or two, half with three or four, four fifths and more with five."""
    for period, size, stride in product(PERIODS, SIZES[::3], ALL_STRIDES):
        told = report(period, size, stride)
        low, high = {1: (0, 1e-9), 2: (0, 1e-9), 3: (0.5, 0.5), 4: (0.5, 0.5)}.get(
            told["phases"], (0.82, 1)
        )
        assert low - 1e-9 <= told["kept"][0] <= high + 1e-9, (period, size, stride)
        assert (told["kept"][1] is None) == (period == 2)
        if told["kept"][1] is not None:
            assert told["kept"][1] >= told["kept"][0] - 0.02  # the twin may be the stronger one


@pytest.mark.parametrize("size", SIZES)
def test_at_two_pixels_there_is_no_twin_and_elsewhere_both_filters_are_whole(size):
    place = torch.arange(size) - size // 2
    assert torch.sin(math.pi * place.double()).abs().max() < 1e-12
    for period in PERIODS:
        for twin in (False, True):
            weights = matched_filter(period, size, twin)
            assert (weights is None) == (twin and period == 2)
            if weights is not None:
                assert abs(weights.sum()) < 1e-9 and (weights**2).sum() == pytest.approx(1)
                assert strongest(weights, period) > 0.01


@pytest.mark.parametrize(
    ("name", "value"),
    [("period", 1.5), ("period", 24.5), ("period", 5.25), ("period", "5"), ("phase", 25)]
    + [("phase", -1), ("phase", 0.5), ("kernel_size", 4), ("kernel_size", 17), ("kernel_size", 1)]
    + [("stride", 0), ("stride", 9), ("twin", 1), ("stage", "max"), ("place", 19), ("place", -1)],
)
def test_what_does_not_exist_is_refused_by_name_and_nothing_changes(name, value):
    widget = Aliasing()
    before = widget.page_state()
    with pytest.raises(TraitError, match=f"{name}={re.escape(repr(value))}: expected"):
        setattr(widget, name, value)
    assert widget.page_state() == before


def test_another_stride_looks_at_the_window_over_the_same_pixel():
    widget = Aliasing(stride=4, place=9)
    widget.stride = 2
    assert widget.place == 18
    widget.stride = 8
    assert widget.place == 4
    widget.choose(stride=1, place=72)
    widget.stride = 8
    assert widget.place == 9
    widget.stride = 7
    assert widget.place == 10


@pytest.mark.parametrize("period", [2, 2.5, 4, 5, 8, 24])
@pytest.mark.parametrize("twin", [False, True])
def test_every_kind_of_answer_can_be_told_and_drawn(period, twin):
    widget = Aliasing(period=period, twin=twin)
    told = widget.text_alternative()
    assert f"Stripes of {period} pixels" in told
    says = {2: "no stripes at all", 2.5: "stripes of 10 pixels", 4: "no stripes at all"}
    says |= {5: "stripes of 20 pixels", 8: "At the limit", 24: "stripes of 24 pixels"}
    assert says[period] in told
    assert ("undefined" in told) == (twin and period == 2)
    picture = widget.still_picture()
    assert picture.count("<circle") == 19 and picture.count("<polyline") == 2


def test_the_page_form_is_json_and_holds_the_choice():
    form = Aliasing(period=4.5, stage="pool").page_form()
    state = json.loads(re.search(r'<script type="application/json">(.*?)</script>', form)[1])
    assert (state["period"], state["stage"], state["stride"]) == (4.5, "pool", 4)
    assert len(form) < 40_000
