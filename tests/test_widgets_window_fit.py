"""Windows along an axis: three ways of counting against torch and against the axis itself."""

import random

import pytest
import torch
from torch.nn import functional as F

from cnnlib.widgets.widget import ChoiceError
from cnnlib.widgets.window_fit import LEAST, MOST, PRESETS, WindowFit, fits


def make(**chosen) -> WindowFit:
    return WindowFit(**chosen)


def settings(count: int, seed: int = 5) -> list[dict]:
    """Random settings, small ones and ends of the sliders among them."""
    dice = random.Random(seed)
    found = []
    for _ in range(count):
        small = dice.random() < 0.6
        found.append(
            {
                name: dice.choice([LEAST[name], most])
                if dice.random() < 0.1
                else dice.randint(LEAST[name], min(most, 12) if small else most)
                for name, most in MOST.items()
            }
        )
    return found


def by_hand(size, kernel_size, stride, padding, way):
    """Windows laid on the axis one by one, until there is no place for the next."""
    starts, start = [], -padding
    while True:
        whole = start + kernel_size <= size + padding
        if way == "floor":
            fits_here = whole
        else:  # the one before has not covered the padded input yet
            fits_here = not starts or starts[-1] + kernel_size < size + padding
        if way == "ceil" and start >= size:
            fits_here = False
        if not fits_here:
            return starts
        starts.append(start)
        start += stride


def test_floor_and_ceil_are_what_torch_does_or_refuses():
    refused = 0
    for case in settings(3000):
        size, kernel, stride, padding = map(case.get, MOST)
        image = torch.zeros(1, 1, size)
        ours = {fit.way: fit for fit in fits(**case)}
        try:
            floor = F.conv1d(image, torch.zeros(1, 1, kernel), None, stride, padding).shape[2]
        except RuntimeError:
            floor = 0
        try:
            ceil = F.max_pool1d(image, kernel, stride, padding, ceil_mode=True).shape[2]
        except (RuntimeError, ValueError):
            ceil = 0
        assert (ours["floor"].count, ours["ceil"].count) == (floor, ceil), case
        assert all((fit.count == 0) == bool(fit.why) for fit in ours.values())
        refused += (floor == 0) + (ceil == 0)
    assert refused > 300


def test_the_counts_are_those_of_windows_laid_down_one_by_one():
    for case in settings(3000, seed=6):
        size, kernel, stride, padding = map(case.get, MOST)
        for fit in fits(**case):
            if fit.why:
                continue
            starts = by_hand(**case, way=fit.way)
            assert fit.count == len(starts), (case, fit.way)
            end = starts[-1] + kernel
            last = range(starts[-1], end)
            assert fit.over == sum(place >= size + padding for place in last)
            read = {place for start in starts for place in range(start, start + kernel)}
            runs = [place for a, b in fit.unread for place in range(a, b + 1)]
            assert runs == [place for place in range(size) if place not in read]
            more = by_hand(**case, way="authors")
            assert fit.dropped == (fit.way == "ceil" and len(more) > len(starts))


def test_the_authors_way_refuses_only_a_kernel_that_is_larger_than_the_padded_axis():
    for case in settings(2000, seed=7):
        authors, *_ = fits(**case)
        assert (authors.why == "kernel") == (
            case["kernel_size"] > case["size"] + 2 * case["padding"]
        )


def test_alexnets_first_layer_in_three_ways():
    """The 55 places of the paper's Fig. 2 and the overhang of three columns."""
    expected = {
        (224, 11, 4, 0): [(55, 3), (54, 0), (55, 3)],
        (227, 11, 4, 0): [(55, 0), (55, 0), (55, 0)],
        (224, 11, 4, 2): [(56, 3), (55, 0), (56, 3)],
        (55, 3, 2, 0): [(27, 0), (27, 0), (27, 0)],
        (110, 3, 2, 0): [(55, 1), (54, 0), (55, 1)],
    }
    assert tuple(expected) == PRESETS
    for preset, found in expected.items():
        assert [(fit.count, fit.over) for fit in fits(*preset)] == found
    assert [fit.unread for fit in fits(224, 11, 4, 0)] == [[], [[223, 223]], []]


def test_what_is_said_of_the_first_setting_and_of_what_is_undefined():
    authors, floor, _ = map(make().tell, make().fits())
    assert authors == (
        "55 windows. The last covers columns 216 to 226. It hangs over the edge by 3 columns, "
        "which count as zeros. Every pixel is read."
    )
    assert floor == ("54 windows. The last covers columns 212 to 222. No window reads pixel 223.")
    small = make(size=1, kernel_size=16, stride=1)
    none = (
        "No window: the kernel of 16 is larger than the axis, which has 1 column with its padding."
    )
    assert [small.tell(fit) for fit in small.fits()] == [none] * 3
    padded = make(kernel_size=3, padding=2)
    assert padded.tell(padded.fits()[2]) == (
        "No window: torch’s pools take a padding of half the kernel at most, here 1."
    )


def test_torch_drops_a_window_behind_the_input_and_the_authors_keep_it():
    widget = make(size=2, kernel_size=1, stride=3, padding=0)
    authors, floor, ceil = widget.fits()
    assert (authors.count, floor.count, ceil.count) == (2, 1, 1)
    assert "reads nothing of the picture" in widget.tell(authors)
    assert "torch drops it" in widget.tell(ceil)


def test_with_ceil_mode_a_pool_may_be_larger_than_its_input():
    authors, floor, ceil = fits(2, 3, 2, 0)
    assert (authors.why, floor.why, ceil.count, ceil.over) == ("kernel", "kernel", 1, 1)
    assert F.max_pool2d(torch.zeros(1, 1, 2, 2), 3, 2, ceil_mode=True).shape == (1, 1, 1, 1)


def test_the_still_picture_has_a_mark_for_every_window():
    picture = make().still_picture()
    strips = picture.split("<svg")[1:]
    assert [strip.count('fill="#ffe3c7"') for strip in strips] == [55, 54, 55]
    assert [strip.count('stroke="#a4161a"') for strip in strips] == [1, 0, 1]
    assert "script" not in picture


@pytest.mark.parametrize(
    ("name", "value"), [("size", 0), ("size", 257), ("stride", 0), ("padding", -1), ("padding", 9)]
)
def test_a_setting_outside_is_refused_by_name(name, value):
    with pytest.raises(ChoiceError, match=f"{name}={value}: expected a whole number from"):
        make(**{name: value})
    with pytest.raises(ValueError, match=f"presets: {name}={value}: expected a whole number from"):
        WindowFit([[{**dict(zip(MOST, PRESETS[0], strict=True)), name: value}[n] for n in MOST]])


def test_there_is_a_preset():
    with pytest.raises(ValueError, match="expected at least one"):
        WindowFit([])
