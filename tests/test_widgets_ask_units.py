"""The widget that points at SqueezeNet's units: its states, its windows, its still picture."""

from functools import cache

import pytest
import torch
from torch import nn

from cnnlib.live.site import shipped_plan
from cnnlib.trace import seen_by, trace
from cnnlib.widgets.ask import NETWORK, SIDE
from cnnlib.widgets.ask_units import AskUnits
from tests.test_widgets_ask_imagenet import network, photographs


@cache
def rows() -> tuple:
    return tuple(trace(network(), (1, 3, SIDE, SIDE)))


def make() -> AskUnits:
    return AskUnits(photographs()[:2], rows(), layer=32, channel=5, position=[6, 7])


def test_every_layer_that_can_be_chosen_is_known_to_the_page_with_the_same_shape():
    widget = make()
    known = {layer["name"]: layer["shape"] for layer in shipped_plan(NETWORK)["layers"]}
    for row in rows()[: widget.fixed["layers"]]:
        assert known[row.name] == list(row.out_shape)
    assert all(row.map_shape == (1, 1) for row in rows()[widget.fixed["layers"] :])


def test_the_window_is_where_the_value_depends_on_the_picture():
    widget = make()
    names = dict(network().named_modules())
    kept = []
    hook = names[rows()[32].name].register_forward_hook(lambda m, a, out: kept.append(out))
    picture = torch.rand(1, 3, SIDE, SIDE, requires_grad=True)
    network()(picture)
    hook.remove()
    kept[0][0, :, 6, 7].sum().backward()
    touched = picture.grad[0].abs().sum(0).nonzero()
    window = seen_by(rows(), 32, (6, 7))[-1]
    for axis, places in enumerate(window):
        assert touched[:, axis].min() >= places.start and touched[:, axis].max() < places.stop
    text = widget.text_alternative()
    assert f"rows {window[0].start} to {window[0].stop - 1}" in text
    assert text.split("“")[1].split("”")[0] == photographs()[0].title


def test_a_unit_stays_on_the_map_of_another_layer():
    widget = make()
    widget.choose(layer=0, channel=63, position=[112, 112])
    widget.layer = 32
    assert (widget.channel, widget.position) == (63, [13, 13])
    widget.layer = 33  # a squeeze: 48 channels
    assert widget.channel == 47
    with pytest.raises(ValueError, match="channel=48: expected a whole number from 0 to 47"):
        widget.channel = 48
    with pytest.raises(ValueError, match="rule='relu': expected one of deconvnet"):
        widget.rule = "relu"


def test_rows_of_another_input_are_refused():
    other = trace(nn.Conv2d(3, 4, 3), (1, 3, 10, 10))
    with pytest.raises(ValueError, match=r"traced on \(1, 3, 10, 10\): expected \(1, 3, 227, 227"):
        AskUnits(photographs(), other)
