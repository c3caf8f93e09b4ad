"""A network's plan: its steps, its layers by trace's names, what is refused, and by which name."""

import base64
import json
import struct

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.live import describe, plan
from cnnlib.live.site import (
    network_file,
    shipped_entry,
    shipped_plan,
    with_plan,
    worker_script,
    write_site,
)
from cnnlib.models import MODELS
from cnnlib.trace import trace
from cnnlib.weights import WEIGHTS, load_weights


@pytest.mark.parametrize("key", WEIGHTS)
def test_the_plan_that_ships_is_the_networks(key):
    assert describe(key) == shipped_plan(key)


@pytest.mark.parametrize("key", WEIGHTS)
def test_every_row_of_trace_is_a_layer(key):
    found = shipped_plan(key)
    layers = {layer["name"]: tuple(layer["shape"]) for layer in found["layers"]}
    assert len(layers) == len(found["layers"])  # no name twice
    for row in trace(load_weights(key), tuple(found["input"])):
        assert layers[row.name] == row.out_shape, row.name


@pytest.mark.parametrize(
    "key", ["alexnet", "vgg11", "nin_cifar", "resnet34", "xception", "shufflenet_v2"]
)
def test_full_size_networks_have_plans(key):
    size = {"alexnet": 227, "nin_cifar": 32}.get(key, 224)
    module = MODELS[key]()
    found = plan(module, (1, 3, size, size))
    layers = {layer["name"]: tuple(layer["shape"]) for layer in found["layers"]}
    for row in trace(module, (1, 3, size, size)):
        assert layers[row.name] == row.out_shape, row.name
    assert json.loads(json.dumps(found)) == found


def test_steps_read_what_stands_before_them():
    for key in WEIGHTS:
        found = shipped_plan(key)
        for number, step in enumerate(found["steps"], start=1):
            assert step["output"] == number
            assert all(0 <= value < number for value in step["inputs"])


def test_the_module_is_left_as_it_was():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Dropout(), nn.ReLU(inplace=True)).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    plan(module, (1, 1, 5, 5))
    assert module.training and all(part.training for part in module)
    assert all(value.equal(before[name]) for name, value in module.state_dict().items())


def test_dropout_and_identity_are_no_steps_but_layers():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Dropout(), nn.Identity(), nn.Tanh())
    found = plan(module, (1, 1, 5, 5))
    assert [step["op"] for step in found["steps"]] == ["conv2d", "bend"]
    assert [layer["name"] for layer in found["layers"]] == ["0", "1", "2", "3"]
    assert [layer["value"] for layer in found["layers"]] == [1, 1, 1, 2]


class Folded(nn.Module):
    """What does not hang on the input is worked out once."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([1.0, -2.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale.exp().view(1, 2, 1, 1)


def test_what_does_not_hang_on_the_input_is_a_constant():
    module = Folded()
    found = plan(module, (1, 2, 3, 3))
    (step,) = found["steps"]
    constant = found["constants"][step["second"]["tensor"]]
    numbers = np.frombuffer(base64.b64decode(constant["data"]), "<f4")
    assert constant["shape"] == [1, 2, 1, 1]
    assert numbers.tolist() == pytest.approx(module.scale.exp().tolist())


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (nn.Conv3d(1, 1, 1), "conv3d"),
        (nn.PixelShuffle(2), "pixel_shuffle"),
        (nn.ReflectionPad2d(1), "mode='constant', found 'reflect'"),
        (nn.InstanceNorm2d(4), "instance_norm"),
        (nn.Sequential(nn.Conv2d(4, 4, 1), nn.Softplus()), "softplus"),
    ],
)
def test_a_call_that_the_engine_cannot_make_is_named(module, name):
    if name == "conv3d":

        class Volume(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.part = module

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.part(x[:, None, :1])

        module = Volume()
    with pytest.raises(ValueError, match=name):
        plan(module, (1, 4, 6, 6))


class Chooses(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.sum() > 0 else x


class Weighs(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, x[:, :, :1, :1])


class Twins(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x + 1, x + 2


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (Chooses(), "torch.export cannot follow"),
        (Weighs(), "conv2d.*hang on the input"),
        (Twins(), "gives one tensor"),
    ],
)
def test_a_network_without_a_plan_is_refused(module, text):
    with pytest.raises(ValueError, match=text):
        plan(module, (1, 2, 4, 4))


class Calls(nn.Module):
    """What a function makes of its input."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.conv2d(x.transpose(0, 1), torch.ones(2, 1, 3, 3)),
        lambda x: F.conv_transpose2d(x.view(2, 2, 6, 7), torch.ones(2, 1, 3, 3)),
        lambda x: F.max_pool2d(x.transpose(0, 1), 2),
        lambda x: F.avg_pool2d(x.view(2, 2, 6, 7), 2),
        lambda x: F.adaptive_avg_pool2d(x.view(2, 2, 6, 7), 2),
        lambda x: F.batch_norm(x.view(2, 2, 6, 7), torch.zeros(2), torch.ones(2)),
        lambda x: F.local_response_norm(x.view(2, 2, 6, 7), 2),
        lambda x: F.interpolate(x.view(2, 2, 6, 7), scale_factor=2),
    ],
)
def test_a_batch_made_on_the_way_is_refused(function):
    with pytest.raises(ValueError, match="expected one picture at a time, found a first axis of"):
        plan(Calls(function), (1, 4, 6, 7))


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: (x * 3).to(torch.long).to(torch.float32), "_to_copy"),  # it would not be cut
        (lambda x: x.detach() * x, "detach"),  # its gradient would be another
        (lambda x: x + torch.randn(1, 2, 4, 4), "randn.default: it draws at random"),
        (lambda x: F.pad(x, (1, 1), value=-torch.inf), "value=-inf: expected a finite number"),
        (lambda x: x / 0, "times=inf: expected a finite number"),
        (lambda x: {"scores": x * 2}, "gives one tensor"),
        (lambda x: [x * 2], "gives one tensor"),
    ],
)
def test_what_a_page_would_compute_otherwise_is_refused(function, text):
    with pytest.raises(ValueError, match=text):
        plan(Calls(function), (1, 2, 4, 4))


def test_a_clamp_without_a_bound():
    found = plan(Calls(lambda x: x.clamp(-torch.inf, 1).clamp(0, torch.inf)), (1, 2, 4, 4))
    assert [(step["min"], step["max"]) for step in found["steps"]] == [(None, 1), (0, None)]


class Counts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("runs", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.runs += 1
        return x * 2


def test_a_network_that_changes_itself_is_refused():
    with pytest.raises(ValueError, match="changes its buffer 'runs'"):
        plan(Counts(), (1, 2, 4, 4))


def test_a_rectifier_that_writes_into_the_picture():
    found = plan(nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(2, 3, 1)), (1, 2, 4, 4))
    assert [step["op"] for step in found["steps"]] == ["clamp", "conv2d"]
    assert found["output"] == 2


def test_a_shared_weight_has_the_name_under_which_it_is_trained():
    module = nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU(), nn.Conv2d(2, 2, 1))
    module[2].weight = module[0].weight
    found = plan(module, (1, 2, 4, 4))
    names = [step["weight"]["tensor"] for step in found["steps"] if step["op"] == "conv2d"]
    assert names == ["0.weight", "0.weight"]
    assert found["parameters"] == [name for name, _ in module.named_parameters()]


@pytest.mark.parametrize("kind", [nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout])
def test_every_dropout_is_a_layer(kind):
    found = plan(nn.Sequential(kind(), nn.Conv2d(2, 3, 1), kind()), (1, 2, 4, 4))
    assert [(layer["name"], layer["value"]) for layer in found["layers"]] == [
        ("0", 0), ("1", 1), ("2", 1)
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (3, 8, 8), (1, 3, 0, 8), "abcd", (1, 3, 8.5, 8)])
def test_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(1, C, H, W\)"):
        plan(nn.Conv2d(3, 1, 1), shape)


def test_a_networks_file_keeps_its_tensors():
    from safetensors.torch import load, load_file

    key = "lenet5"
    content = network_file(key)
    found, expected = load(content), load_file(WEIGHTS[key].file)
    assert found.keys() == expected.keys()
    assert all(found[name].equal(expected[name]) for name in found)
    length = struct.unpack("<Q", content[:8])[0]
    heading = json.loads(content[8 : 8 + length])
    assert json.loads(heading["__metadata__"]["plan"]) == shipped_plan(key)
    assert with_plan(content, shipped_plan(key)) == content


def test_the_site_lists_every_network(tmp_path):
    write_site(tmp_path, ["lenet5", "small_nin"])
    entries = json.loads((tmp_path / "networks.json").read_text())
    assert list(entries) == ["lenet5", "small_nin"]
    for key, entry in entries.items():
        assert entry == shipped_entry(key)
        assert (tmp_path / entry["address"]).stat().st_size == entry["bytes"]
        script = (tmp_path / f"{entry['address']}.js").read_text()
        assert script.startswith("(globalThis.cnnNetworks ??= {})") and entry["sha256"] in script
    assert (tmp_path / "engine.js").is_file() and (tmp_path / "worker.js").is_file()
    assert "globalThis.cnnWorker" in (tmp_path / "from_disk.js").read_text()


def test_the_workers_script_imports_nothing():
    text = worker_script()
    assert "import " not in text and "multiply" in text


@pytest.mark.parametrize("key", ["lenet6", "", "../lenet5"])
def test_another_key_is_refused(key):
    with pytest.raises(ValueError, match="expected one of lenet5"):
        shipped_plan(key)
