"""The engine against torch: every layer of every network that ships, three rules backwards."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.data.gallery import load_gallery
from cnnlib.inside import deconvnet
from cnnlib.models import SMALL
from cnnlib.weights import WEIGHTS, load_weights, preprocess
from tests.browser.live import add_network, apart, ask, numbers_of, outputs_of, write_live

TOLERANCE = 1e-3  # of the range


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    write_live(folder, tuple(WEIGHTS))
    return folder


@pytest.fixture
def page(new_page, serve, site):
    page = new_page()
    page.goto(f"{serve(site)}/index.html")
    return page


def example(key: str) -> torch.Tensor:
    """An input as the network knows them: a photograph, or a drawn ring."""
    how = WEIGHTS[key].preprocessing
    if how.channels == 1:
        places = torch.arange(28) - 13.5
        ring = (places[:, None] ** 2 + places**2).sqrt()
        return preprocess(key, (255 * torch.exp(-((ring - 8) ** 2) / 4)).byte().numpy()[None])
    photograph = load_gallery()[0].image
    if how.resize is None:
        step = photograph.shape[0] // how.height
        photograph = photograph[::step, ::step][: how.height, : how.width]
        return how.apply([np.ascontiguousarray(photograph)])
    return how.apply([photograph])


@pytest.mark.parametrize("key", WEIGHTS)
def test_scores_and_every_map_are_torchs(page, key):
    network, image = load_weights(key), example(key)
    expected = outputs_of(network, image)
    scores = expected.pop("")
    (found,) = ask(page, key, image, ("run", {"layers": list(expected)}))
    assert apart(found["scores"], scores) < TOLERANCE
    assert found["maps"].keys() == expected.keys()
    for name, numbers in expected.items():
        assert apart(found["maps"][name], numbers) < TOLERANCE, name


@pytest.mark.parametrize("key", WEIGHTS)
def test_signals_backwards_are_the_librarys(page, key):
    network, image = load_weights(key), example(key)
    maps = [name for name, numbers in outputs_of(network, image).items() if numbers.dim() == 4]
    units = [(maps[len(maps) // 2], 2, None), (maps[-1], 1, (0, 0))]
    requests = [
        {"layer": layer, "channel": channel, "rule": rule}
        | ({"position": list(position)} if position else {})
        for layer, channel, position in units
        for rule in ("gradient", "deconvnet", "guided")
    ]
    answers = ask(page, key, image, *(("gradient", request) for request in requests))
    compared = 0
    for request, answer in zip(requests, answers, strict=True):
        position = request.get("position")
        try:
            expected = deconvnet(
                network, image, request["layer"], request["channel"],
                tuple(position) if position else None, rule=request["rule"],
            )  # fmt: skip
        except ValueError:
            assert answer["code"] == "input", request  # LeNet-5 has no rectifier
            continue
        compared += 1
        assert apart(answer["image"], expected) < TOLERANCE, request
    assert compared == (2 if key == "lenet5" else 6)


def test_a_targets_gradient_and_its_maps(page):
    network, image = load_weights("squeezenet1_1"), example("squeezenet1_1")
    kept, layer = {}, "features.fire9"
    part = network.get_submodule(layer)
    hook = part.register_forward_hook(lambda part, args, out: kept.update(out=out))
    pixels = image.clone().requires_grad_()
    scores = network(pixels)
    hook.remove()
    target = int(scores.argmax())
    back, at_layer = torch.autograd.grad(scores[0, target], [pixels, kept["out"]])
    request = {"target": target, "layers": [layer]}
    (found,) = ask(page, "squeezenet1_1", image, ("gradient", request))
    assert apart(found["image"], back) < TOLERANCE
    (numbers,) = found["maps"].values()
    assert apart(numbers, at_layer) < TOLERANCE
    assert found["value"] == pytest.approx(float(scores[0, target]), rel=1e-4)


# ---- Networks that nobody here has made: one layer of each kind, and nets of random layers.


class Calls(nn.Module):
    """What a function makes of its input."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


PARTS = {
    "same padding, dilated": nn.Conv2d(4, 6, 3, padding="same", dilation=2),
    "even kernel, same padding": nn.Conv2d(4, 5, (4, 2), padding="same"),
    "groups": nn.Conv2d(4, 8, (3, 1), groups=2, stride=(1, 2), padding=(2, 0), bias=False),
    "depthwise": nn.Conv2d(4, 8, 3, groups=4, padding=1),
    "transposed": nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
    "max pool, ceiling": nn.MaxPool2d(3, 2, ceil_mode=True),
    "max pool, padded and dilated": nn.MaxPool2d((3, 2), (1, 2), padding=(1, 0), dilation=(2, 1)),
    "mean, ceiling": nn.AvgPool2d(3, 2, padding=1, ceil_mode=True),
    "mean without the padding": nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
    "adaptive mean": nn.AdaptiveAvgPool2d((3, 4)),
    "adaptive maximum": nn.AdaptiveMaxPool2d((2, 5)),
    "batch norm": nn.BatchNorm2d(4),
    "lrn": nn.LocalResponseNorm(3, alpha=0.5),
    "lrn, even": nn.LocalResponseNorm(4, alpha=0.1, beta=0.5, k=2),
    "relu6": nn.ReLU6(),
    "leaky": nn.LeakyReLU(0.2),
    "elu": nn.ELU(),
    "gelu": nn.GELU(),
    "gelu tanh": nn.GELU(approximate="tanh"),
    "silu": nn.SiLU(),
    "hardswish": nn.Hardswish(),
    "hardsigmoid": nn.Hardsigmoid(),
    "softmax of channels": nn.Softmax(dim=1),
    "upsampled": nn.Upsample(scale_factor=2),
    "padded": nn.ConstantPad2d((1, 2, 0, 3), 0.5),
    "linear over the last axis": nn.Linear(8, 3),
    "functional lrn": Calls(lambda x: F.local_response_norm(x, 3, 0.2)),
    "log softmax": Calls(lambda x: F.log_softmax(x.mean((2, 3)), dim=1)),
    "gate": Calls(lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True))),
    "largest": Calls(lambda x: x.amax((2, 3))),
    "slices": Calls(lambda x: torch.cat([x[:, ::2, 1:-1], -x[:, 1::2, :-2] / 3], dim=1)),
    "selected": Calls(lambda x: x[:, 1] - x[:, -1]),
    "permuted": Calls(lambda x: x.permute(0, 2, 3, 1).flatten(1, 2)),
    "shuffled": Calls(lambda x: x.view(1, 2, 2, 7, 8).transpose(1, 2).reshape(1, 4, 7, 8)),
    "of two": Calls(lambda x: torch.maximum(x, x.flip(0) * 0.5) / (1 + x * x)),
    "powers": Calls(lambda x: (x.abs() + 1) ** 1.5 - torch.sqrt(x * x + 1)),
    "rest of a number": Calls(lambda x: 2 - x),
}
PARTS["of two"] = Calls(lambda x: torch.maximum(x, x * x * 0.5) / (1 + x * x))


def check(page, site, key, module, shape):
    torch.manual_seed(len(key))
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    module.eval()
    add_network(site, key, module, shape)
    image = torch.randn(shape)
    pixels = image.clone().requires_grad_()
    out = module(pixels)
    target = out.numel() // 2
    (back,) = torch.autograd.grad(out.flatten()[target], pixels)
    found, gradient = ask(page, key, image, ("run", {}), ("gradient", {"target": target}))
    assert apart(found["scores"], out) < 1e-5
    assert apart(gradient["image"], back) < 1e-4


@pytest.mark.parametrize("name", PARTS)
def test_a_layer_of_every_kind(page, site, name):
    torch.manual_seed(1)
    check(page, site, "part", PARTS[name], (1, 4, 7, 8))


@pytest.mark.parametrize("seed", range(8))
def test_nets_of_random_layers(page, site, seed):
    generator = np.random.default_rng(seed)
    torch.manual_seed(seed)
    channels, parts = 3, []
    for _ in range(int(generator.integers(2, 6))):
        groups = int(generator.choice([1, 1, channels]))
        out = groups * int(generator.integers(1, 5))
        kernel = (int(generator.integers(1, 4)), int(generator.integers(1, 4)))
        stride = int(generator.integers(1, 3))
        parts += [
            nn.Conv2d(channels, out, kernel, stride, padding=1, groups=groups),
            generator.choice([nn.ReLU(), nn.Tanh(), nn.BatchNorm2d(out), nn.MaxPool2d(2, 1)]),
        ]
        channels = out
    parts += [nn.Flatten(), nn.LazyLinear(5)]
    module = nn.Sequential(*parts)
    shape = (1, 3, int(generator.integers(17, 40)), int(generator.integers(17, 40)))
    module(torch.zeros(shape))
    check(page, site, f"random{seed}", module, shape)


def test_a_network_that_was_never_trained(page, site):
    torch.manual_seed(0)
    check(page, site, "fresh", SMALL["small_densenet"](7), (1, 3, 64, 64))


class Twice(nn.Module):
    """Each module is called two times; its ReLU writes into its input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4, affine=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.norm(self.conv(x)))
        return x + self.relu(self.norm(self.conv(x)))


class Fork(nn.Module):
    """Two branches of different widths, joined."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(4, 6, 3)
        self.left = nn.Conv2d(6, 3, 1)
        self.right = nn.Sequential(
            nn.Conv2d(6, 5, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(5, 2, 3, padding=1)
        )
        self.head = nn.Sequential(
            nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 7)
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        return self.head(torch.cat([self.left(x), self.right(x)], dim=1))


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (Twice(), (1, 4, 5, 9)),
        (Fork(), (1, 4, 8, 11)),
        (nn.Sequential(nn.Dropout2d(), nn.Conv2d(3, 5, 1), nn.ReLU(), nn.Flatten()), (1, 3, 1, 1)),
        (nn.Sequential(nn.Conv2d(2, 3, (1, 7), (1, 3)), nn.Softmax(dim=3)), (1, 2, 1, 53)),
        (nn.Sequential(nn.Conv2d(2, 3, (7, 1), (3, 2)), nn.Softmax(dim=2)), (1, 2, 61, 3)),
    ],
    ids=["twice", "fork", "one pixel", "one row", "tall"],
)
def test_every_map_of_a_network(page, site, module, shape):
    check(page, site, "whole", module, shape)
    image = torch.randn(shape)
    expected = outputs_of(module, image)
    expected.pop("")
    (found,) = ask(page, "whole", image, ("run", {"layers": list(expected)}))
    for name, numbers in expected.items():
        assert apart(found["maps"][name], numbers) < 1e-5, name


@pytest.mark.parametrize("rule", ["gradient", "deconvnet", "guided"])
def test_a_unit_in_a_branch_is_traced_back(page, site, rule):
    torch.manual_seed(5)
    module, image = Fork().eval(), torch.randn(1, 4, 8, 11)
    nn.init.constant_(module.head[3].bias, 3)  # of a value below 0 the deconvnet sends back nothing
    add_network(site, "fork", module, image.shape)
    for layer, channel, position in [("right", 1, (2, 3)), ("right.0", 2, None), ("head", 3, None)]:
        expected = deconvnet(module, image, layer, channel, position, rule=rule)
        request = {"layer": layer, "channel": channel, "rule": rule, "layers": ["head.1"]}
        if position:
            request["position"] = list(position)
        (found,) = ask(page, "fork", image, ("gradient", request))
        assert apart(found["image"], expected) < 1e-5, layer
        reached = np.any(numbers_of(found["maps"]["head.1"]) != 0)
        assert reached == (layer == "head")  # nothing behind the unit has a part in it


# ---- What is asked for and does not fit.


def test_a_network_of_one_number_has_no_channels(page, site):
    add_network(site, "sum", Calls(lambda x: (x * x).sum()), (1, 2, 3, 3))
    image = torch.randn(1, 2, 3, 3)
    unit, target = ask(
        page, "sum", image, ("gradient", {"layer": "", "channel": 5}), ("gradient", {"target": 0})
    )
    assert unit["code"] == "input" and "no channels" in unit["message"]
    assert apart(target["image"], 2 * image) < 1e-6


@pytest.mark.parametrize(
    ("method", "options", "text"),
    [
        ("run", {"layers": ["conv9"]}, "layer=conv9"),
        ("gradient", {"target": 10}, "target=10: expected a whole number from 0 to 9"),
        ("gradient", {"target": 1.5}, "target=1.5"),
        ("gradient", {"layer": "conv1", "channel": 6}, "channel=6"),
        ("gradient", {"layer": "conv1", "channel": 0, "position": [28, 0]}, "position=28"),
        ("gradient", {"layer": "fc", "channel": 0, "position": [0, 0]}, ""),
        ("gradient", {"target": 0, "rule": "magic"}, "rule=magic"),
        ("gradient", {"target": 0, "layer": "conv1"}, "found both"),
        ("gradient", {"target": 0, "layers": "conv1"}, "layers=conv1: expected a list of names"),
        ("run", {"layers": "conv1"}, "layers=conv1: expected a list of names"),
    ],
)
def test_a_request_that_does_not_fit_is_told(page, method, options, text):
    names = [name for name, _ in load_weights("lenet_modern").named_modules()]
    if options.get("layer") == "fc":
        options = options | {"layer": names[-1]}
    (answer,) = ask(page, "lenet_modern", example("lenet_modern"), (method, options))
    assert answer["code"] == "input" and text in answer["message"]


def test_an_image_of_another_size_is_told(page):
    (answer,) = ask(page, "lenet_modern", torch.zeros(1, 1, 28, 28), ("run", {}))
    assert answer == {
        "code": "input", "message": "image: expected a Float32Array of 1x32x32, found 784 numbers"
    }  # fmt: skip
