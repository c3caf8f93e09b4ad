"""Attribution behind one signature: by hand, and against the method's own promises."""

import pytest
import torch
from torch import nn

from cnnlib.inside.deconvnet import deconvnet
from cnnlib.inside.saliency import LAYER_METHODS, METHODS, attribute


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


def test_guided_backprop_is_the_guided_rule_of_the_one_table():
    expected = deconvnet(network(), IMAGE, "7", channel=2, rule="guided")
    assert torch.allclose(attribute(network(), IMAGE, 2, "guided_backprop"), expected, atol=1e-7)


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
        ({"image": IMAGE[0]}, r"image=\(3, 9, 12\)"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        attribute(network(), **({"image": IMAGE, "target": 0} | change))
