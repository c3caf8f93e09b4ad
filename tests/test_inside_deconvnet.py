"""The projection to pixels: by hand, against autograd and against captum."""

import numpy as np
import pytest
import torch
from captum.attr import (
    Deconvolution,
    GuidedBackprop,
    NeuronDeconvolution,
    NeuronGuidedBackprop,
)
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlib.inside.deconvnet import RELU_RULES, deconvnet
from cnnlib.layers.local_response_norm import LocalResponseNorm
from cnnlib.models import NETWORKS
from cnnlib.weights import load_weights


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, -1)


def kernel(*values: float) -> nn.Conv2d:
    layer = nn.Conv2d(1, 1, (1, len(values)))
    layer.weight.data, layer.bias.data = row(*values), torch.zeros(1)
    return layer


@pytest.mark.parametrize(
    "rule, expected",
    [
        ("deconvnet", [0, 0, 0, 5, 10]),
        ("guided", [0, 0, 0, 1, 2]),
        ("gradient", [-1, -2, 0, 1, 2]),
    ],
)
def test_a_net_by_hand(rule, expected):
    # 1 3 -2 4 4 -> 7 -1 6 12 -> ReLU -> the pool's windows overlap: 7 (place 0), 12 (place 3) -> 5
    network = nn.Sequential(kernel(1, 2), nn.ReLU(), nn.MaxPool2d((1, 3), 1), kernel(-1, 1))
    found = deconvnet(network, row(1, 3, -2, 4, 4), "3", channel=0, position=(0, 0), rule=rule)
    assert found.flatten().tolist() == expected


@pytest.mark.parametrize(
    "rule, expected",
    [("deconvnet", [10, 0]), ("guided", [0, 0]), ("gradient", [0, -2])],
)
def test_the_rules_differ_where_signal_and_input_disagree(rule, expected):
    # x = (-3, 1): closed with a rising signal, open with a falling one.
    network = nn.Sequential(nn.ReLU(), kernel(1, -2))
    network[1].bias.data.fill_(12)
    found = deconvnet(network, row(-3, 1), "1", rule=rule)  # 12 - 2 = 10
    assert found.flatten().tolist() == expected


@pytest.mark.parametrize(
    "options, position, expected",
    [
        ({"stride": 2, "ceil_mode": True}, 0, [2, 0, 0, 0, 0]),  # a tie: the first wins
        ({"stride": 2, "ceil_mode": True}, 2, [0, 0, 0, 0, 3]),  # the window that sticks out
        ({"stride": 1}, 3, [0, 0, 0, 3, 0]),
        ({"stride": 2, "padding": (0, 1)}, 2, [0, 0, 0, 3, 0]),  # windows: _2, 21, 33
    ],
)
def test_the_switch_sends_the_signal_back(options, position, expected):
    network = nn.Sequential(nn.MaxPool2d((1, 2), **options))
    found = deconvnet(network, row(2, 2, 1, 3, 3), "0", position=(0, position))
    assert found.flatten().tolist() == expected


def test_a_place_that_wins_two_windows_gets_both_signals():
    network = nn.Sequential(nn.MaxPool2d((1, 3), stride=1), kernel(1, 1))
    # 1 5 2 3 -> 5 5 -> 10, from place 1 alone
    assert deconvnet(network, row(1, 5, 2, 3), "1").flatten().tolist() == [0, 20, 0, 0]


def test_strongest_activation_is_chosen_in_each_image():
    network = nn.Sequential(nn.ReLU())
    image = torch.tensor(
        [[[[1.0, 2], [4, 3]], [[0, 0], [3, 1]]], [[[1, 0], [0, 0]], [[0, 5], [2, 0]]]]
    )
    found = deconvnet(network, image, "0")
    assert found.nonzero().tolist() == [[0, 0, 1, 0], [1, 1, 0, 1]] and found.sum() == 9
    found = deconvnet(network, image, "0", channel=1)
    assert found.nonzero().tolist() == [[0, 1, 1, 0], [1, 1, 0, 1]]


@pytest.mark.parametrize(
    "options, position, expected",
    [
        ({"stride": 2, "ceil_mode": True}, 0, [4, 4, 4, 0, 0]),
        ({"stride": 3, "ceil_mode": True}, 1, [0, 0, 0, 4.5, 4.5]),  # one place sticks out
        ({"stride": 1, "padding": (0, 1)}, 0, [3, 3, 0, 0, 0]),
    ],
)
@pytest.mark.parametrize("function", [False, True])
def test_without_switches_a_pool_spreads_evenly_over_its_window(
    function, options, position, expected
):
    class Pool(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.max_pool2d(x, kernel_size=(1, 3), **options)

    network = nn.Sequential(Pool() if function else nn.MaxPool2d((1, 3), **options))
    found = deconvnet(network, row(2, 6, 12, 3, 9), "0", position=(0, position), switches=False)
    assert found.flatten().tolist() == expected


def test_without_switches_the_network_still_runs_forwards_as_it_is():
    network = nn.Sequential(nn.MaxPool2d((1, 2)), kernel(1, -1))
    # 5 1 2 3 -> 5 3 -> 2; back: 2 -2, each over its window
    found = deconvnet(network, row(5, 1, 2, 3), "1", switches=False)
    assert found.flatten().tolist() == [1, 1, -1, -1]


def test_without_switches_a_dilated_pool_is_refused():
    network = nn.Sequential(nn.MaxPool2d(2, dilation=2))
    with pytest.raises(ValueError, match="dilation=2"):
        deconvnet(network, torch.rand(1, 1, 5, 5), "0", switches=False)


IMAGE = torch.randn(2, 2, 7, 8, generator=torch.Generator().manual_seed(6))


class Functional(nn.Module):
    """Two layers, with its ReLUs as functions or modules, in place or not."""

    def __init__(self, how: str) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.how, self.relu = how, nn.ReLU(inplace=how == "module in place")
        self.first, self.second = nn.Conv2d(2, 5, 3), nn.Conv2d(5, 5, 3, padding=1)

    def activate(self, x: Tensor) -> Tensor:
        if self.how == "statement":
            F.relu_(x)
            return x
        return {"function": F.relu, "torch": torch.relu}.get(self.how, self.relu)(x)

    def forward(self, x: Tensor) -> Tensor:
        x = self.activate(self.first(x))
        x = torch.cat([self.activate(self.second(x)), x], dim=1)
        return x.mean((2, 3))


@pytest.mark.parametrize("rule", RELU_RULES)
@pytest.mark.parametrize("how", ["function", "torch", "module in place", "statement"])
def test_every_way_to_write_a_relu_gives_the_same(how, rule):
    image = torch.randn(2, 2, 7, 8)
    expected = deconvnet(Functional("module"), image, "", channel=3, rule=rule)
    assert expected.abs().sum() > 0
    assert torch.equal(deconvnet(Functional(how), image, "", channel=3, rule=rule), expected)


@pytest.mark.parametrize(
    "key", ["small_zfnet", "small_googlenet", "small_densenet", "small_mobilenet_v2"]
)
def test_rule_gradient_is_the_derivative(key):
    torch.manual_seed(0)
    network = NETWORKS[key](num_classes=7).eval()
    image = torch.randn(2, 3, 64, 64, requires_grad=True)
    (expected,) = torch.autograd.grad(network(image)[:, 3].sum(), image)
    found = deconvnet(network, image, "", channel=3, rule="gradient")
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("rule, captum", [("deconvnet", Deconvolution), ("guided", GuidedBackprop)])
def test_projection_equals_captum_on_imagenet_weights(rule, captum):
    network = load_weights("squeezenet1_1").eval()
    torch.manual_seed(0)
    image = torch.randn(1, 3, 96, 112)
    found = deconvnet(network, image, "", channel=207, rule=rule)
    expected = captum(network).attribute(image, target=207)
    if rule == "deconvnet":  # captum starts with 1, the paper with the activation
        expected = expected * network(image)[0, 207].detach()
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize(
    "rule, captum", [("deconvnet", NeuronDeconvolution), ("guided", NeuronGuidedBackprop)]
)
@pytest.mark.parametrize("layer", ["features.fire3", "features.fire7"])
def test_projection_of_an_inner_unit_equals_captums(layer, rule, captum):
    network = load_weights("squeezenet1_1")
    image = torch.randn(1, 3, 80, 64, generator=torch.Generator().manual_seed(2))
    part, seen = network.get_submodule(layer), []
    hook = part.register_forward_hook(lambda part, args, out: seen.append(out[0].detach()))
    network(image)
    hook.remove()
    channel, *position = (n.item() for n in torch.unravel_index(seen[0].argmax(), seen[0].shape))
    expected = captum(network, part).attribute(image, (channel, *position))
    if rule == "deconvnet":
        expected = expected * seen[0].max()
    found = deconvnet(network, image, layer, channel, position, rule=rule)
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max() and seen[0].max() > 0


def test_an_activation_below_zero_sends_nothing():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(6)).eval()
    image = torch.randn(2, 3, 9, 8)
    scores = network(image)
    expected = Deconvolution(network)
    for channel in range(6):
        found = deconvnet(network, image, "", channel)
        maps = expected.attribute(image, target=channel)
        rising = scores[:, channel].detach().clamp(min=0).view(-1, 1, 1, 1)
        assert torch.allclose(found, rising * maps, atol=1e-5)
    assert (scores < 0).any() and (scores > 0).any()


class Unpooling(nn.Module):
    """A pool that hands its switches to an unpooling."""

    def __init__(self) -> None:
        super().__init__()
        self.pool, self.unpool = nn.MaxPool2d((1, 2), return_indices=True), nn.MaxUnpool2d((1, 2))
        self.out = kernel(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.unpool(*self.pool(x)))


@pytest.mark.parametrize("switches, expected", [(True, [0, 5, 0, 0]), (False, [2.5, 2.5, 0, 0])])
def test_a_pool_that_gives_its_switches_away(switches, expected):
    # 1 5 3 2 -> 5 3 -> 0 5 3 0 -> 5 8 3; the first is 5
    found = deconvnet(Unpooling(), row(1, 5, 3, 2), "out", position=(0, 0), switches=switches)
    assert found.flatten().tolist() == expected


def test_without_switches_an_adaptive_pool_spreads_over_its_parts():
    network = nn.Sequential(nn.AdaptiveMaxPool2d((1, 2)))
    found = deconvnet(network, row(6, 0, 2, 4), "0", position=(0, 0), switches=False)
    assert found.flatten().tolist() == [3, 3, 0, 0]


@pytest.mark.parametrize(
    "name, maximum", [("amax", lambda x: x.amax((2, 3))), ("max", lambda x: x.max(3)[0])]
)
def test_without_switches_a_maximum_that_is_no_pool_is_refused(name, maximum):
    class Maximum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return maximum(x)

    with pytest.raises(ValueError, match=f"takes a maximum with {name}"):
        deconvnet(Maximum(), row(1, 2), "", rule="gradient", switches=False)


@pytest.mark.parametrize("rule", RELU_RULES)
def test_a_first_layer_in_place_leaves_the_image(rule):
    network = nn.Sequential(nn.ReLU(inplace=True), kernel(1, 2))
    image = row(-1, 3)
    deconvnet(network, image, "1", rule=rule)
    assert image.flatten().tolist() == [-1, 3]


@pytest.mark.parametrize("rule", RELU_RULES)
def test_switched_off_gradients_and_tensors_made_in_inference_do_not_matter(rule):
    expected = deconvnet(Functional("module"), IMAGE, "", 3, rule=rule)
    with torch.inference_mode():
        made_there = IMAGE.clone()
        network = Functional("module")
        found = [deconvnet(network, made_there, "", 3, rule=rule)]
    with torch.no_grad():
        found.append(deconvnet(Functional("module"), made_there, "", 3, rule=rule))
    found.append(deconvnet(network, IMAGE, "", 3, rule=rule))
    assert all(torch.equal(one, expected) and not one.is_inference() for one in found)


@pytest.mark.parametrize("rule", RELU_RULES)
def test_the_image_follows_the_network_and_its_wrappers_come_off(rule):
    expected = deconvnet(Functional("module"), IMAGE, "", 3, rule=rule)
    found = deconvnet(Functional("module").double(), IMAGE, "", 3, rule=rule)
    assert found.dtype is torch.float64 and torch.allclose(found.float(), expected, atol=1e-6)
    found = deconvnet(Functional("module"), IMAGE.double(), "", 3, rule=rule)
    assert found.dtype is torch.float32 and torch.allclose(found, expected, atol=1e-6)
    wrapped = nn.DataParallel(Functional("module"))
    assert torch.equal(deconvnet(wrapped, IMAGE, "", 3, rule=rule), expected)


def test_the_network_is_left_as_it_was():
    network = Functional("module in place")
    network.first.weight.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for rule in RELU_RULES:
        deconvnet(network, IMAGE, "", 3, rule=rule)
        with pytest.raises(ValueError):
            deconvnet(network, IMAGE, "", 99, rule=rule)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    asking = {name for name, weight in network.named_parameters() if weight.requires_grad}
    assert asking == {"first.bias", "second.weight", "second.bias"}
    assert all(weight.grad is None for weight in network.parameters())
    assert all(part.training and not part._forward_hooks for part in network.modules())


def test_a_network_that_cuts_the_way_back_is_refused():
    class Cut(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                return 2 * x

    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.ones_like(x)

    for network in (Cut(), Constant()):
        with pytest.raises(ValueError, match="no signal can be sent back to the picture"):
            deconvnet(network, IMAGE, "")


@pytest.mark.parametrize("one", [np.int64(1), torch.tensor(1), np.array(1)])
def test_numbers_come_from_anywhere(one):
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU())
    expected = deconvnet(network, IMAGE, "0", 1, (1, 1))
    assert torch.equal(deconvnet(network, IMAGE, "0", one, (one, one)), expected)
    assert torch.equal(deconvnet(network, IMAGE, "0", 1, np.array([1, 1])), expected)


@pytest.mark.parametrize("norm", [LocalResponseNorm(3, 2.0), nn.LocalResponseNorm(3, 2.0)])
def test_deconvnet_passes_over_response_normalisation(norm):
    network = nn.Sequential(norm, nn.ReLU())
    image = torch.rand(1, 4, 3, 3) + 0.5
    strongest = network(image).max()
    found = deconvnet(network, image, "1")
    assert (found != 0).sum() == 1 and torch.isclose(found.sum(), strongest)
    assert (deconvnet(network, image, "1", rule="gradient") != 0).sum() > 1


@pytest.mark.parametrize(
    "change, message",
    [
        ({"layer": "relu9"}, "layer='relu9'"),
        ({"layer": "unused"}, "does not run"),
        ({"channel": 4}, "channel=4: expected a number from 0 to 3"),
        ({"channel": -1}, "channel=-1: expected a number from 0 to 3"),
        ({"channel": True}, "channel=True: expected a whole number"),
        ({"channel": 1.0}, "channel=1.0"),
        ({"position": (0, -1)}, r"position=\(0, -1\)"),
        ({"position": 3}, "position=3"),
        ({"position": (0, 9)}, r"position=\(0, 9\)"),
        ({"rule": "magic"}, "rule='magic'"),
        ({"image": torch.rand(3, 8, 8)}, r"image=\(3, 8, 8\)"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    network = nn.Sequential()
    network.conv, network.forward = nn.Conv2d(3, 4, 3), lambda x: network.conv(x)
    network.unused = nn.ReLU()
    with pytest.raises(ValueError, match=message):
        deconvnet(network, **({"image": torch.rand(1, 3, 8, 8), "layer": "conv"} | change))
