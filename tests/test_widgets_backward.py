"""The backward widget: its gradients against autograd, what it refuses, what the page gets."""

import json
import re
from functools import cache

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from traitlets import TraitError

from cnnlib.widgets.backward import FIRST, FIXED, Backward
from cnnlib.widgets.backward_sums import LARGEST, MODES, POOLS, PRESETS, outputs_of


def make() -> Backward:
    # With a padding and a stride, so that all of its controls can be moved.
    return Backward(mode="input", rows=5, columns=4, size=3, stride=2, padding=1, step=5)


def autograd(state: dict) -> np.ndarray:
    """The gradient that torch gives, for the loss whose derivative by the output is delta."""

    def tensor(rows) -> torch.Tensor:
        return torch.tensor(rows, dtype=torch.float64)[None, None].requires_grad_()

    x, weight, bias = tensor(state["input"]), tensor(state["kernel"]), torch.zeros(1).double()
    size, stride = state["size"], state["stride"]
    of = {"weight": weight, "bias": bias.requires_grad_()}.get(state["mode"], x)
    if state["mode"] == "max":
        y = F.max_pool2d(x, size, stride)
    elif state["mode"] == "mean":
        y = F.avg_pool2d(x, size, stride)
    else:
        y = F.conv2d(x, weight, bias, stride, state["padding"])
    y.backward(torch.tensor(state["delta"], dtype=torch.float64)[None, None])
    return of.grad.reshape((1, 1) if state["mode"] == "bias" else of.shape[2:]).numpy()


@cache
def random_states() -> list[dict]:
    """Legal states of every mode, size, stride and padding, with ties and without."""
    dice, states = np.random.default_rng(5), []
    for mode in MODES:
        pool = mode in POOLS
        for size in (2, 3) if pool else (1, 2, 3):
            for stride in (1, 2, 3):
                for padding in range(1 if pool else size):
                    rows, columns = (int(n) for n in dice.integers(3, 7, 2))
                    most = dice.choice([1, LARGEST])  # the fewer values, the more ties

                    def numbers(shape, most=most):
                        return dice.integers(-most, most + 1, shape).tolist()

                    sizes = {"rows": rows, "columns": columns, "size": size}
                    sizes |= {"stride": stride, "padding": padding, "mode": mode}
                    maps = {
                        "input": numbers((rows, columns)),
                        "kernel": numbers((size, size)),
                        "delta": numbers(outputs_of(sizes)),
                    }
                    states.append(FIRST | sizes | maps | {"preset": "", "step": 0})
    return states


def test_the_states_hold_ties_overlaps_gaps_and_inputs_left_over():
    tied = overlapping = gaps = left = 0
    for state in random_states():
        size, stride = state["size"], state["stride"]
        overlapping += size > stride
        gaps += size < stride
        left += (state["rows"] + 2 * state["padding"] - size) % stride > 0
        if state["mode"] == "max":
            windows = F.unfold(
                torch.tensor(state["input"]).double()[None, None], size, 1, 0, stride
            )
            tied += bool(((windows == windows.amax(1)).sum(1) > 1).any())
    assert tied > 2 and min(overlapping, gaps, left) > 8


def test_every_gradient_is_autograds():
    for state in random_states():
        widget = Backward(**state)
        np.testing.assert_allclose(widget.gradient(), autograd(state), atol=1e-12)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_case_can_be_shown_in_its_modes(preset):
    for mode in PRESETS[preset]["modes"]:
        widget = Backward(preset=preset, mode=mode)
        assert (widget.preset, widget.mode) == (preset, mode)
        np.testing.assert_allclose(widget.gradient(), autograd(widget.chosen()), atol=1e-12)
        drawn = re.findall(r"<text[^>]*>([^<]*)</text>", widget.still_picture())
        assert len(drawn) > np.size(widget.gradient())


def test_the_notes_case_is_that_of_the_notes():
    largest = [[2, 0, 0, 0], [0, 0, 0, 8], [0, 4, 0, 0], [0, 0, 6, 0]]
    spread = [[0.5, 0.5, 2, 2], [0.5, 0.5, 2, 2], [1, 1, 1.5, 1.5], [1, 1, 1.5, 1.5]]
    assert Backward(preset="notes", mode="max").gradient().tolist() == largest
    assert Backward(preset="notes", mode="mean").gradient().tolist() == spread


def test_a_case_keeps_the_mode_where_it_can_and_begins_at_the_first_step():
    widget = Backward(mode="input", step=4)
    widget.preset = "padding"
    assert (widget.mode, widget.step) == ("input", 0)
    widget.preset = "overlap"
    assert (widget.mode, widget.size, widget.stride) == ("max", 3, 2)
    widget.mode = "weight"
    assert (widget.preset, widget.padding) == ("", 0)


def test_numbers_bring_their_sizes_and_delta_follows():
    widget = Backward(input=[[1, 2, 3, 4]] * 5, kernel=[[1, 0, 1]] * 3)
    assert (widget.rows, widget.columns, widget.size) == (5, 4, 3)
    assert np.shape(widget.delta) == (3, 2)
    widget.padding = 2
    assert np.shape(widget.delta) == (7, 6)
    widget.mode = "mean"
    assert (widget.padding, np.shape(widget.delta)) == (0, (3, 2))


@pytest.mark.parametrize(
    ("name", "value"),
    [("input", [[1, 2, 3], [1, 2]]), ("input", [[10] * 3] * 3), ("input", [[0.5] * 3] * 3)]
    + [("input", [[1] * 7] * 3), ("kernel", [[1, 2]]), ("kernel", [[1] * 4] * 4), ("kernel", "x")]
    + [("delta", [[1]]), ("mode", "median"), ("padding", 2), ("size", 4), ("stride", 0)]
    + [("rows", 2), ("step", 4), ("preset", "none"), ("preset", None)],
)
def test_what_cannot_be_shown_is_refused_and_nothing_changes(name, value):
    widget = Backward()
    before = widget.page_state()
    with pytest.raises(TraitError, match=name):
        setattr(widget, name, value)
    assert widget.page_state() == before


def test_a_pool_has_no_padding_and_no_window_of_one():
    for change in ({"padding": 1}, {"size": 1}):
        with pytest.raises(TraitError):
            Backward(preset="notes").choose(**change)


def test_the_page_form_is_json_and_the_words_hold_the_gradient():
    widget = Backward(preset="notes", mode="mean")
    text = re.search(r'<script type="application/json">(.*?)</script>', widget.page_form())[1]
    state = json.loads(text)
    assert (state["preset"], state["fixed"]["modes"]) == ("notes", FIXED["modes"])
    assert widget.text_alternative().endswith("0.5 0.5 2 2; 0.5 0.5 2 2; 1 1 1.5 1.5; 1 1 1.5 1.5.")
