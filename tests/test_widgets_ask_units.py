"""The widget that points at a network's units: its states, its windows, its still picture."""

import numpy as np
import pytest
import torch

from cnnlib.live.site import shipped_plan
from cnnlib.trace import seen_by
from cnnlib.widgets.ask_units import NETWORKS, AskUnits, rows_of
from cnnlib.widgets.photo_networks import TITLES, classes_of, input_of, network_of
from tests.test_widgets_ask_imagenet import network_input, photographs, scores

# Another size and other colours; parts beside each other, shuffled channels.
SAMPLE = ("squeezenet1_1", "imagenette_zfnet", "small_shufflenet_v1")


def make() -> AskUnits:
    return AskUnits(photographs()[:2], SAMPLE, layer=32, channel=5, position=[6, 7])


@pytest.mark.parametrize("key", TITLES)
def test_every_layer_that_can_be_chosen_is_known_to_the_page_with_the_same_shape(key):
    widget = AskUnits(photographs()[:1], (key,))
    known = {layer["name"]: layer["shape"] for layer in shipped_plan(key)["layers"]}
    (facts,) = widget.fixed["networks"]
    rows = rows_of(key)
    for row in rows[: facts["layers"]]:
        assert known[row.name] == list(row.out_shape)
    assert rows[facts["layers"] - 1].map_shape != (1, 1)
    assert all(row.map_shape == (1, 1) for row in rows[facts["layers"] :])


@pytest.mark.parametrize("key", SAMPLE)
def test_the_window_is_where_the_value_depends_on_the_picture(key):
    widget = make()
    net, rows = network_of(key), rows_of(key)
    names = dict(net.named_modules())
    layer = 12
    kept = []
    hook = names[rows[layer].name].register_forward_hook(lambda m, a, out: kept.append(out))
    picture = torch.rand(rows[0].in_shape, requires_grad=True)
    net(picture)
    hook.remove()
    kept[0][0, :, 3, 4].sum().backward()
    touched = picture.grad[0].abs().sum(0).nonzero()
    window = seen_by(rows, layer, (3, 4))[-1]
    for axis, places in enumerate(window):
        assert touched[:, axis].min() >= places.start and touched[:, axis].max() < places.stop
    widget.choose(network=key, layer=layer, position=[3, 4])
    text = widget.text_alternative()
    assert f"rows {window[0].start} to {window[0].stop - 1}" in text
    assert text.split("“")[1].split("”")[0] == photographs()[0].title


@pytest.mark.parametrize("key", NETWORKS)
def test_the_still_picture_names_the_answer_of_the_network_that_is_chosen(key):
    widget = AskUnits(photographs()[:2], network=key, photograph=1)
    with torch.no_grad():
        found = network_of(key)(input_of(key, photographs()[1].pixels))[0]
    said = f"{TITLES[key]}’s first answer: {classes_of(key)[int(found.argmax())]}."
    assert said in widget.text_alternative()


def test_squeezenet_gets_the_square_as_it_is():
    pixels = photographs()[0].pixels
    found = input_of("squeezenet1_1", pixels)
    np.testing.assert_allclose(found.numpy(), network_input(pixels).numpy(), atol=1e-4)
    assert int(scores(pixels).argmax()) == int(network_of("squeezenet1_1")(found)[0].argmax())


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


def test_a_unit_stays_on_a_map_of_another_network_and_a_class_only_among_its_own():
    widget = make()
    widget.choose(layer=60, channel=500, position=[13, 13], target=107)
    widget.network = "imagenette_zfnet"
    assert widget.layer == widget.fixed["networks"][1]["layers"] - 1
    shape = rows_of("imagenette_zfnet")[widget.layer].out_shape
    assert widget.channel == shape[1] - 1
    assert widget.position == [min(13, side - 1) for side in shape[2:]]
    assert widget.target == -1
    widget.target = 3
    with pytest.raises(ValueError, match="target=10: expected a whole number from −1 to 9"):
        widget.target = 10
    widget.network = "small_shufflenet_v1"  # it has classes of its own
    assert widget.target == -1
    with pytest.raises(ValueError, match="network='vgg16': expected one of squeezenet1_1"):
        widget.network = "vgg16"


@pytest.mark.parametrize("wrong", [(), ("vgg16",), ("small_lenet", "small_lenet")])
def test_networks_that_are_not_there_are_refused(wrong):
    with pytest.raises(ValueError, match="expected one or more, no two alike, of squeezenet1_1"):
        AskUnits(photographs(), wrong)
