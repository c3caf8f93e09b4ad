"""Attribution behind one signature: by hand, and against the method's own promises."""

import numpy as np
import pytest
import torch
from captum.attr import (
    Deconvolution,
    GuidedBackprop,
    GuidedGradCam,
    IntegratedGradients,
    LayerAttribution,
    LayerGradCam,
)
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlib.inside.deconvnet import deconvnet
from cnnlib.inside.saliency import LAYER_METHODS, METHODS, attribute, measure_completeness_gap
from cnnlib.weights import load_weights


def network() -> nn.Sequential:
    torch.manual_seed(2)
    layers = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 2), nn.ReLU()
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5))


IMAGE = torch.rand(2, 3, 9, 12, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("method", [*METHODS, *LAYER_METHODS])
def test_every_method_answers_for_each_image_on_its_own(method):
    layer = "4" if method in LAYER_METHODS else None
    both = attribute(network(), IMAGE, [1, 3], method, layer)
    assert both.shape == IMAGE.shape and not both.requires_grad and both.abs().sum() > 0
    for number, target in enumerate([1, 3]):
        alone = attribute(network(), IMAGE[number : number + 1], target, method, layer)
        assert torch.allclose(both[number], alone[0], atol=1e-7)


def test_a_linear_network_by_hand():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    linear[1].weight.data = torch.tensor([[1.0, -2, 3, 0], [0, 0, 0, 5]])
    image = torch.tensor([2.0, 3, -1, 4]).view(1, 1, 2, 2)
    by_hand = {
        "saliency": [1, 2, 3, 0],
        "input_x_gradient": [2, -6, -3, 0],
        "integrated_gradients": [2, -6, -3, 0],
    }
    for method, expected in by_hand.items():
        assert torch.allclose(
            attribute(linear, image, 0, method).flatten(), torch.tensor(expected).float()
        )


def test_integrated_gradients_add_up_to_the_change_of_the_output():
    net = network()
    found = attribute(net, IMAGE, 2, "integrated_gradients")
    change = (net(IMAGE) - net(torch.zeros_like(IMAGE)))[:, 2]
    assert torch.allclose(found.sum((1, 2, 3)), change, atol=2e-2 * change.abs().max().item())


def test_integrated_gradients_of_a_bend_by_hand():
    # min(x, 1) of a sum: on the way from b to 4, the part below 1 counts.
    class Bend(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sum((1, 2, 3))[:, None].clamp(max=1)

    image = torch.tensor([[[[3.0, 1.0]]]])  # sum 4: the first quarter of the way has slope 1
    found = attribute(Bend(), image, 0, "integrated_gradients", steps=400)
    assert torch.allclose(found.flatten(), torch.tensor([0.75, 0.25]), atol=2e-2)
    found = attribute(Bend(), image, 0, "integrated_gradients", steps=400, baseline=-2.0)
    # from sum -4 to 4: slope 1 for 5/8 of the way, and differences of 5 and 3
    assert torch.allclose(found.flatten(), torch.tensor([25 / 8, 15 / 8]), atol=2e-2)


@pytest.mark.parametrize(
    "baseline",
    [0.3, np.float32(0.3), [0.1, 0.2, 0.3], IMAGE[:1] / 2, IMAGE[0] / 2, IMAGE.flip(0)],
    ids=["number", "numpy's", "channels", "one image", "without N", "one each"],
)
def test_integrated_gradients_begin_at_the_baseline_and_add_up_but_for_the_gap(baseline):
    net, start = network(), torch.as_tensor(baseline)
    start = (start.view(-1, 1, 1) if start.dim() == 1 else start).expand(IMAGE.shape).clone()
    with torch.no_grad():
        change = (net(IMAGE) - net(start))[[0, 1], [2, 1]]
    arguments = net, IMAGE, [2, 1]
    found = attribute(*arguments, "integrated_gradients", baseline=baseline, steps=40)
    gap = measure_completeness_gap(*arguments, found, baseline=baseline)
    assert torch.allclose(gap, found.sum((1, 2, 3)) - change, atol=1e-6)
    assert gap.abs().max() < 0.02 * found.abs().sum((1, 2, 3)).max()
    rough = attribute(*arguments, "integrated_gradients", baseline=baseline, steps=1)
    assert (
        measure_completeness_gap(*arguments, rough, baseline=baseline).abs().max() > gap.abs().max()
    )


def test_integrated_gradients_are_captums():
    net = network()
    expected = IntegratedGradients(net).attribute(IMAGE, 0 * IMAGE, target=2, n_steps=50)
    assert torch.allclose(attribute(net, IMAGE, 2, "integrated_gradients"), expected, atol=1e-6)
    expected = IntegratedGradients(net).attribute(IMAGE, 0 * IMAGE + 0.2, target=2, n_steps=7)
    found = attribute(net, IMAGE, 2, "integrated_gradients", baseline=0.2, steps=np.int64(7))
    assert torch.allclose(found, expected, atol=1e-6)


def test_guided_backprop_is_the_guided_rule_of_the_one_table():
    expected = deconvnet(network(), IMAGE, "7", channel=2, rule="guided")
    assert torch.allclose(attribute(network(), IMAGE, 2, "guided_backprop"), expected, atol=1e-7)


@pytest.mark.parametrize(
    "method, captum", [("deconvolution", Deconvolution), ("guided_backprop", GuidedBackprop)]
)
def test_the_relu_rules_are_captums_where_captum_sees_every_relu(method, captum):
    net = load_weights("squeezenet1_1")
    image = torch.randn(2, 3, 96, 80, generator=torch.Generator().manual_seed(3))
    expected = captum(net).attribute(image, target=[3, 207])
    found = attribute(net, image, [3, 207], method)
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()


class Written(nn.Module):
    """The same network, with its rectifiers written in one way."""

    def __init__(self, rectify) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.one, self.two, self.last = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3), nn.Linear(6, 4)
        self.rectify = rectify

    def forward(self, x: Tensor) -> Tensor:
        x = self.rectify(self.two(self.rectify(self.one(x))))
        return self.last(x.mean((2, 3)))


@pytest.mark.parametrize("method", ["deconvolution", "guided_backprop", "guided_grad_cam"])
def test_relus_that_captum_does_not_see_have_the_rule_too(method):
    layer = "two" if method in LAYER_METHODS else None
    expected = attribute(Written(nn.ReLU()), IMAGE, 1, method, layer)
    assert expected.abs().max() > 0
    for rectify in (F.relu, nn.ReLU6(), nn.ReLU(inplace=True), lambda x: x * (x > 0)):
        found = attribute(Written(rectify), IMAGE, 1, method, layer)
        assert torch.allclose(found, expected, atol=1e-6 * expected.abs().max())


@pytest.mark.parametrize("inplace", [False, True])
def test_grad_cam_and_its_guided_form_are_captums(inplace):
    net, image = network(), IMAGE - 0.5
    expected = LayerGradCam(net, net[0]).attribute(image, target=3, relu_attributions=True)
    expected = LayerAttribution.interpolate(expected, (9, 12), "bilinear").expand(image.shape)
    guided = GuidedGradCam(net, net[0]).attribute(image, 3, interpolate_mode="bilinear")
    for part in (net[1], net[4]):
        part.inplace = inplace
    assert expected.abs().max() > 0
    assert torch.allclose(attribute(net, image, 3, "grad_cam", "0"), expected, atol=1e-7)
    assert torch.allclose(attribute(net, image, 3, "guided_grad_cam", "0"), guided, atol=1e-7)


def test_grad_cam_takes_a_layer_as_it_runs_first():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU()
            self.first = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(self.conv(x))
            return self.relu(self.conv(self.relu(x))).mean((2, 3))

    torch.manual_seed(0)
    net = Twice()
    expected = attribute(net, IMAGE, 1, "grad_cam", "first")
    assert torch.allclose(attribute(net, IMAGE, 1, "grad_cam", "conv"), expected, atol=1e-8)


@pytest.mark.parametrize("method", [*METHODS, *LAYER_METHODS])
def test_the_picture_may_be_written_over_and_gradients_switched_off(method):
    class Writes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network()

        def forward(self, x: Tensor) -> Tensor:
            x.mul_(2).div_(2)
            return self.inner(x)

    layer = {"grad_cam": "4", "guided_grad_cam": "4"}.get(method)
    expected = attribute(network(), IMAGE, 1, method, layer)
    net, image = Writes(), IMAGE.clone()
    with torch.inference_mode():
        made_there = IMAGE.clone()
        found = attribute(net, made_there, 1, method, layer and f"inner.{layer}")
    assert torch.allclose(found, expected, atol=1e-6)
    for weight in net.parameters():
        weight.requires_grad_(False)
    assert torch.allclose(attribute(net, image, 1, method, layer and f"inner.{layer}"), expected)
    assert torch.equal(image, IMAGE) and all(part.training for part in net.modules())
    assert not any(weight.requires_grad for weight in net.parameters())


@pytest.mark.parametrize(
    "target", [np.int64(2), torch.tensor(2), np.array([2, 2]), [2, np.int8(2)]]
)
def test_targets_are_whole_numbers_from_anywhere(target):
    assert torch.equal(attribute(network(), IMAGE, target), attribute(network(), IMAGE, 2))


def test_grad_cam_by_hand():
    # Two maps, 2 x 2; the output is 3 mean(first) - mean(second): weights 3/4 and -1/4.
    net = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net.append(nn.Linear(2, 1, bias=False))
    net[0].weight.data = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
    net[3].weight.data = torch.tensor([[3.0, -1.0]])
    image = torch.tensor([[[[1.0, 2.0], [-3.0, 4.0]]]])
    found = attribute(net, image, 0, "grad_cam", "0")
    assert torch.allclose(found, torch.tensor([[[[1.0, 2.0], [0.0, 4.0]]]]))  # 3/4 x + 1/4 x


@pytest.mark.parametrize(
    "change, message",
    [
        ({"method": "magic"}, "method='magic'"),
        ({"method": "grad_cam"}, "layer=None"),
        ({"layer": "1"}, "layer='1'"),
        ({"method": "grad_cam", "layer": "99"}, "layer='99'"),
        ({"target": 5}, "target=5"),
        ({"target": [1, 2, 3]}, r"target=\[1, 2, 3\]"),
        ({"target": -1}, "target=-1: expected a number from 0 to 4"),
        ({"target": True}, "target=True"),
        ({"target": "2"}, "target='2'"),
        ({"steps": 5}, "steps=5: only 'integrated_gradients'"),
        ({"baseline": 0.0}, "baseline=0.0: only 'integrated_gradients'"),
        ({"method": "integrated_gradients", "steps": 0}, "steps=0"),
        ({"method": "integrated_gradients", "steps": 2.5}, "steps=2.5"),
        ({"method": "integrated_gradients", "baseline": [1.0, 2.0]}, r"baseline=\[1.0, 2.0\]"),
        ({"method": "integrated_gradients", "baseline": "black"}, "baseline='black'"),
        ({"method": "integrated_gradients", "baseline": float("nan")}, "baseline=nan"),
        ({"method": "integrated_gradients", "baseline": IMAGE[:, :, 1:]}, r"\(2, 3, 8, 12\)"),
        ({"method": "grad_cam", "layer": "6"}, "expects one that gives maps"),
        ({"image": IMAGE[0]}, r"image=\(3, 9, 12\)"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        attribute(network(), **({"image": IMAGE, "target": 0} | change))
