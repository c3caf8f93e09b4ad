"""torchvision's checkpoints in our networks. Nothing here needs torchvision.

The literals were measured on torchvision 0.28.0: what its models' state dicts list, and what its
models answer to a given input with given weights.
"""

import hashlib
import io
import math
import re
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cnnlib.models import MODELS
from cnnlib.weights import torchvision
from cnnlib.weights.torchvision import (
    CHECKPOINTS,
    NETWORKS,
    build,
    find_torchvision_name,
    from_torchvision,
    load_torchvision,
)
from tests.archives import Server, serving

# (key, batch norm, auxiliary heads): SHA-256 of torchvision's listing, see ``listing``.
LISTINGS = {
    (
        "alexnet_one_column",
        False,
        False,
    ): "9c198ebdae1863e4ec78a1c045e362fca5950285bfb6ae81c4f5627e216cbcbb",
    ("vgg11", False, False): "cb3dc23f2a13e18244ef17cbfe99866ac20a6c8937fd40a3601dd59ae7a8a062",
    ("vgg13", False, False): "67c1dc8b57fde74bb2e368ccd3d138d2e514c31ad1985ea251ab52e3880b8c16",
    ("vgg16", False, False): "35c4623e0cd4a39d764245620458692bdde46e98a422e65f0794d679138ab391",
    ("vgg19", False, False): "4723255af8f6c4855caebd035af2665077a589f585cfff03b8389cd9e8d6381d",
    ("googlenet", False, False): "f66489fa14bd9d5add6d0eb8302a4271c0ecefb479c020dbecc105f5194fa5fc",
    (
        "inception_v3",
        False,
        False,
    ): "f3a329f258a780ee046d15be9ad7adac539783c27df436585fa25d9c6a854e9c",
    ("resnet18", False, False): "84fb10d9c6905a1cbb020b284537dc97c4f4ec55fb2a780a41152a23a2dd0e9d",
    ("resnet34", False, False): "28f9096d5130749948981c6900083e57b19456b8b835829b8bdfe415bddc3f32",
    ("resnet50", False, False): "d7e4f8bb0a5363446a59c81c3887ccf66900a11651a0ae2dec96d1bb1eb6ea81",
    ("resnet101", False, False): "02c0f34f4842751f30e27e18a544ca36a8b33358f344c3c3165fd269ce97cd94",
    ("resnet152", False, False): "685c66205bc823aa68246b01dc5273074689b1c11ed0503f961f21c380191d3b",
    (
        "squeezenet1_0",
        False,
        False,
    ): "4654d26ad581241fc6fb83a35d1b24dd83ce0fdab371a134a9b74518854a9fb3",
    (
        "squeezenet1_1",
        False,
        False,
    ): "1d365589393f9c1eb493726a656a532b77b8924ea62f8e29b6621ca62ded2385",
    (
        "densenet121",
        False,
        False,
    ): "aa0fd9923b0003b813430af55d9350bcf2555273dedae08042b92025727ccac8",
    (
        "densenet169",
        False,
        False,
    ): "e2d0f02d9c0ce650d84c9133534205af8eb2a087753b55f791533e72fa5b4f92",
    (
        "densenet201",
        False,
        False,
    ): "0d234ad7e9a31b957bbeb9dd839891322165cff56d2424f3a25983fc4b0d2127",
    (
        "densenet161",
        False,
        False,
    ): "82d337d48f910d3a9181ff990cb606f96463691a9242db74d665bc39bb13c315",
    (
        "resnext50_32x4d",
        False,
        False,
    ): "e3bad165c034e60f32252299590de03a18c741ca96e086f8a6b03dc5b9aaf666",
    (
        "resnext101_32x8d",
        False,
        False,
    ): "da7dd7525807e2ee11ad40c8f689982b463d5ec4315d20a0164264c8c81e89e8",
    (
        "resnext101_64x4d",
        False,
        False,
    ): "90caac80ae24c51d5b7ce47baec9b93f577f2278f1ed4027ccbbc438bc471c86",
    (
        "mobilenet_v2",
        False,
        False,
    ): "37bbbce8932fd0c49fe8e941719a7aa7b25b60c17b428749b72562f754135844",
    (
        "shufflenet_v2",
        False,
        False,
    ): "81b349bc1cbbbc7ac1b56da87a959c22b4e0d94b4d4cd1b58c271072e20de73a",
    (
        "shufflenet_v2_x0_5",
        False,
        False,
    ): "f0a5936e646f1bd45274fdc00f70491e810d4f5cc7dd390dca58c97c021fa733",
    (
        "shufflenet_v2_x1_5",
        False,
        False,
    ): "506b4de341bf52b3db43639e839ad923d4aec12841696518748c1c9958498733",
    (
        "shufflenet_v2_x2_0",
        False,
        False,
    ): "0c033bd0cd72af374c121b89a3f9be43e3ea0c912c02377e770385655309b0a4",
    ("vgg11", True, False): "8b6717e727c0ecf99bdc89d1a1d45e7bce7bd02440836869a4ef8b7c9897db70",
    ("vgg13", True, False): "f6b0597d18a7e4d28ad04804224196e7c56b4927042eab13bfc73f0c8dbf31d4",
    ("vgg16", True, False): "347371586a8ea365f60486dc7572a8600dedd099dda98501d6fe20654e8f6bb2",
    ("vgg19", True, False): "fc3ff6fab2b5cc094a9aae9d96106501b6c05ca298e52c42d73cf8b27b8d8d73",
    ("googlenet", False, True): "7f541ca29410efb168d6f2c426ba24e23aa4c831a671bece9c1e946b488add3d",
    (
        "inception_v3",
        False,
        True,
    ): "aab0ac2cbaf84aa2d66bbae231566898ad033818eb8fb11554c11d5a7c9e5c82",
}

# key: size of the picture, and the answer of torchvision's model of three classes.
ANSWERS = {
    "alexnet_one_column": ((79, 95), [6.26052, 0.208507, 4.27428]),
    "googlenet": ((65, 81), [-0.262338, 17.6994, -12.353]),
    "inception_v3": ((79, 91), [-0.401163, -1.10971, -2.13723]),
    "resnet18": ((49, 65), [-16.3689, 49.1581, -56.858]),
    "resnet50": ((49, 65), [6531.59, 1005.07, -3189.32]),
    "resnext50_32x4d": ((49, 65), [3875.21, -1708.98, -3650.22]),
    "squeezenet1_0": ((49, 65), [0.119219, 0.0, 1.1145]),
    "squeezenet1_1": ((49, 65), [0.202154, 0.0, 0.747229]),
    "densenet121": ((49, 65), [1.80292, 0.695779, -2.87884]),
    "mobilenet_v2": ((49, 65), [-7.24739, 1.2304, 1.20042]),
    "shufflenet_v2": ((49, 65), [281.565, 167.459, -26.4644]),
}


def listing(entries: Mapping[str, Tensor]) -> str:
    """SHA-256 of the names and shapes, one a line, in the order of the state dict."""
    lines = [f"{name} {tuple(value.shape)}" for name, value in entries.items()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def given(name: str, shape: torch.Size) -> Tensor:
    """A value for the entry ``name``: noise by formula, the same on every machine and version."""
    steps = torch.arange(99_991, dtype=torch.float64)
    phase = zlib.crc32(name.encode()) / 2**32
    noise = 2 * (torch.sin(steps + 6 * phase) * 43758.5453).frac().abs().float() - 1
    size = math.prod(shape)
    noise = noise.repeat(size // len(noise) + 1)[:size].reshape(shape)
    if name.endswith("num_batches_tracked"):
        return torch.tensor(7)
    if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
        return 1 + 0.5 * noise
    if len(shape) == 1:
        return 0.2 * noise
    return noise * math.sqrt(6 / math.prod(shape[1:]))


def picture(height: int, width: int) -> Tensor:
    return given("picture", torch.Size((1, 3, height, width))) * math.sqrt(height * width)


def torchvisions(key: str, model: nn.Module) -> dict[str, Tensor]:
    """Our state dict under torchvision's names."""
    return {find_torchvision_name(key, model, name): v for name, v in model.state_dict().items()}


def asked_for(key: str, batch_norm: bool, aux: bool, num_classes: int) -> nn.Module:
    """The network that a state dict of this form asks for, on the meta device."""
    last = NETWORKS[key].last
    names = {f"{last}.weight": torch.empty(num_classes, 1, device="meta")}
    if batch_norm:
        names["features.1.weight"] = torch.empty(0)
    if aux:
        names["AuxLogits.fc.weight"] = torch.empty(0)
    return build(key, names, key)


@pytest.mark.parametrize(("key", "batch_norm", "aux"), LISTINGS)
def test_names_shapes_and_order_are_torchvisions(key, batch_norm, aux):
    entries = torchvisions(key, asked_for(key, batch_norm, aux, 1000))
    assert listing(entries) == LISTINGS[key, batch_norm, aux]


def test_every_network_has_its_listing():
    assert {key for key, _, _ in LISTINGS} == set(NETWORKS)


@pytest.mark.parametrize("key", ANSWERS)
def test_answers_are_torchvisions(key):
    (height, width), answer = ANSWERS[key]
    theirs = torchvisions(key, asked_for(key, False, key in ("googlenet", "inception_v3"), 3))
    model = from_torchvision(key, {name: given(name, v.shape) for name, v in theirs.items()})
    assert not model.training
    with torch.no_grad():
        found = model(picture(height, width))
    expected = torch.tensor([answer])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def small_checkpoint(key: str = "squeezenet1_1", classes: int = 5) -> dict[str, Tensor]:
    theirs = torchvisions(key, asked_for(key, False, False, classes))
    return {name: given(name, value.shape) for name, value in theirs.items()}


def test_number_of_classes_is_read_off():
    model = from_torchvision("squeezenet1_1", small_checkpoint(classes=7))
    assert model(torch.zeros(2, 3, 65, 47)).shape == (2, 7)


def test_auxiliary_heads_are_read_off():
    for key, heads in (("googlenet", ("aux1", "aux2")), ("inception_v3", ("aux",))):
        for aux in (True, False):
            model = asked_for(key, False, aux, 3)
            assert all((getattr(model, head) is not None) == aux for head in heads)


def test_weights_are_copies_and_can_be_trained():
    checkpoint = small_checkpoint()
    model = from_torchvision("squeezenet1_1", checkpoint)
    before = checkpoint["classifier.1.bias"].clone()
    model.conv10.bias.data.add_(1)
    assert torch.equal(checkpoint["classifier.1.bias"], before)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_half_precision_loads_as_single():
    half = {name: value.half() for name, value in small_checkpoint().items()}
    model = from_torchvision("squeezenet1_1", half)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_old_densenet_names_load():
    new = small_checkpoint("densenet121", classes=3)
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name): value
        for name, value in new.items()
        if not name.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    image = picture(33, 47)
    with torch.no_grad():
        answers = [from_torchvision("densenet121", entries)(image) for entries in (new, old)]
    assert torch.equal(*answers)


def test_unknown_key_names_the_known():
    with pytest.raises(ValueError, match=r"'alexnet'; known: alexnet_one_column, vgg11, .*"):
        from_torchvision("alexnet", {})


def test_missing_entry_is_named():
    checkpoint = small_checkpoint()
    del checkpoint["features.4.expand3x3.bias"]
    with pytest.raises(ValueError, match=r"missing .*: features\.4\.expand3x3\.bias$"):
        from_torchvision("squeezenet1_1", checkpoint)


def test_missing_last_layer_is_named():
    with pytest.raises(ValueError, match=r"missing .*: classifier\.1\.weight$"):
        from_torchvision("squeezenet1_1", {})


def test_unexpected_entry_is_named():
    checkpoint = {**small_checkpoint(), "features.99.weight": torch.zeros(3)}
    with pytest.raises(ValueError, match=r"unexpected .*: features\.99\.weight$"):
        from_torchvision("squeezenet1_1", checkpoint)


def test_wrongly_shaped_entry_is_named():
    checkpoint = {**small_checkpoint(), "features.0.weight": torch.zeros(64, 3, 5, 3)}
    message = r"features\.0\.weight: expected shape \(64, 3, 3, 3\), found \(64, 3, 5, 3\)"
    with pytest.raises(ValueError, match=message):
        from_torchvision("squeezenet1_1", checkpoint)


def test_entry_that_is_no_tensor_is_named():
    with pytest.raises(ValueError, match=r"no tensor .*: epoch$"):
        from_torchvision("squeezenet1_1", {**small_checkpoint(), "epoch": 3})


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda entries: {"state_dict": entries, "epoch": 3},
        lambda entries: {"model": entries, "model_ema": {}, "optimizer": {}},
        lambda entries: {"model_state_dict": entries},
        lambda entries: {f"module.{name}": value for name, value in entries.items()},
        lambda entries: {f"_orig_mod.module.{name}": value for name, value in entries.items()},
        lambda entries: {"state_dict": {f"module.{n}": value for n, value in entries.items()}},
        lambda entries: OrderedDict(entries),
        lambda entries: Like(entries),
        lambda entries: nn.DataParallel(Like(entries)),
        lambda entries: {"model": Like(entries), "epoch": 3},
    ],
)
def test_what_is_around_a_state_dict_is_taken_off(wrapped):
    entries = small_checkpoint()
    expected = from_torchvision("squeezenet1_1", entries).state_dict()
    found = from_torchvision("squeezenet1_1", wrapped(entries)).state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


class Like(nn.Module):
    """A model that gives these entries as its state dict."""

    def __init__(self, entries):
        super().__init__()
        for name, value in entries.items():
            part = self
            *path, last = name.split(".")
            for step in path:
                if not hasattr(part, step):
                    part.add_module(step, nn.Module())
                part = getattr(part, step)
            part.register_buffer(last, value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("resnet18.pth", r"a path, 'resnet18\.pth': give torch\.load"),
        (Path("resnet18.pth"), r"a path, 'resnet18\.pth'"),
        (None, "expected a state dict, found a NoneType"),
        ([torch.zeros(1)], "found a list"),
        (torch.zeros(1), "found a Tensor"),
        ({0: torch.zeros(1)}, "found a dict"),
        ({"state_dict": {}, "epoch": 3}, "entry 'state_dict': missing .*: fc.weight"),
        ({"epoch": 3, "weights": {}}, "no tensor in the state dict: epoch, weights"),
        ({"fc.weight": np.zeros((3, 512))}, "no tensor in the state dict: fc.weight"),
        ({"fc.weight": torch.zeros(3)}, r"fc\.weight: expected one row a class.*\(3,\)"),
        ({"fc.weight": torch.zeros((3, 512), device="meta")}, "without values .*: fc.weight"),
    ],
)
def test_what_is_no_state_dict_is_said(given, words):
    with pytest.raises(ValueError, match=f"^resnet18.*{words}"):
        from_torchvision("resnet18", given)


def test_another_networks_state_dict_is_said_with_all_that_is_wrong():
    with pytest.raises(ValueError, match="^resnet18: unexpected in .* and 195 more"):
        from_torchvision("resnet18", small_checkpoint("resnet50"))
    small = small_checkpoint("resnet18")
    renamed = {name.replace("layer4", "layer5"): value for name, value in small.items()}
    with pytest.raises(ValueError, match=r"^resnet18: missing .*layer4.*; unexpected .*layer5"):
        from_torchvision("resnet18", renamed)
    wide = small | {"layer1.0.conv1.weight": torch.zeros(64, 64, 1, 1)}
    with pytest.raises(
        ValueError, match=r"^resnet18, 'module\.' taken off.*layer1\.0.*expected sh"
    ):
        from_torchvision("resnet18", {f"module.{name}": value for name, value in wide.items()})


@pytest.mark.parametrize("wrap", [lambda net: net, nn.DataParallel, lambda net: net.state_dict()])
def test_our_own_names_are_called_so(wrap):
    with pytest.raises(ValueError, match="our own network's, not torchvision's"):
        from_torchvision("resnet18", wrap(MODELS["resnet18"](num_classes=3)))


@pytest.mark.parametrize("key", [None, 18, {"fc.weight": torch.zeros(1)}, ["resnet18"]])
def test_a_key_that_is_no_name_is_refused(key):
    with pytest.raises(ValueError, match="no torchvision weights for key of type .*; known: "):
        from_torchvision(key, small_checkpoint())


# --- The public files, from a server on this machine --------------------------------------------


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    """Holds no file yet; it is where load_torchvision downloads from."""
    with serving() as server:
        monkeypatch.setattr(torchvision, "CHECKPOINT_SERVER", server.url(""))
        monkeypatch.setattr("cnnlib.data.download.time.sleep", lambda seconds: None)
        yield server


def publish(server: Server, monkeypatch, content: object, key: str = "squeezenet1_1") -> str:
    """Put a checkpoint on the server as the one of ``key`` -> its file name."""
    file = io.BytesIO()
    torch.save(content, file)
    name = f"made-up-{hashlib.sha256(file.getvalue()).hexdigest()[:8]}.pth"
    server.files[name] = file.getvalue()
    monkeypatch.setitem(CHECKPOINTS, key, name)
    return name


def test_a_checkpoint_is_downloaded_once_with_progress(server, monkeypatch, tmp_path, capsys):
    checkpoint = small_checkpoint()
    name = publish(server, monkeypatch, checkpoint)
    model = load_torchvision("squeezenet1_1", tmp_path / "new", download=True)
    assert not model.training
    assert torch.equal(model.conv10.bias, checkpoint["classifier.1.bias"])
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]
    shown = capsys.readouterr().err
    assert name in shown and "100%" in shown
    for download in (True, False):
        again = load_torchvision("squeezenet1_1", str(tmp_path / "new"), download)
        assert torch.equal(again.conv10.weight, model.conv10.weight)
    assert server.log == [(f"/{name}", None)]


def test_a_broken_download_goes_on_where_it_stopped(server, monkeypatch, tmp_path):
    name = publish(server, monkeypatch, small_checkpoint())
    server.script = ["cut"]
    load_torchvision("squeezenet1_1", tmp_path, download=True)
    half = len(server.files[name]) // 2
    assert server.log == [(f"/{name}", None), (f"/{name}", f"bytes={half}-")]


def test_batch_normalisation_has_a_key_of_its_own(server, monkeypatch, tmp_path):
    publish(server, monkeypatch, {"features.1.weight": torch.ones(64)}, "vgg11_bn")
    asked = []
    monkeypatch.setattr(torchvision, "from_torchvision", lambda *given: asked.append(given))
    load_torchvision("vgg11_bn", tmp_path, download=True)
    [(key, entries)] = asked
    assert key == "vgg11" and list(entries) == ["features.1.weight"]


def test_a_missing_checkpoint_is_an_error_that_says_how_to_get_it(server, monkeypatch, tmp_path):
    name = publish(server, monkeypatch, small_checkpoint())
    with pytest.raises(FileNotFoundError, match=f"{name}: missing; .*download=True.*{name}"):
        load_torchvision("squeezenet1_1", tmp_path)
    assert server.log == []


def test_a_changed_checkpoint_is_refused_and_fetched_anew(server, monkeypatch, tmp_path):
    name = publish(server, monkeypatch, small_checkpoint())
    content = bytearray(server.files[name])
    content[1000] ^= 1
    (tmp_path / name).write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    begins = name.removesuffix(".pth")[-8:]
    with pytest.raises(
        ValueError, match=f"{name}: cut or changed .*{begins}\\.\\.\\., found {found}"
    ):
        load_torchvision("squeezenet1_1", tmp_path)
    load_torchvision("squeezenet1_1", tmp_path, download=True)
    assert (tmp_path / name).read_bytes() == server.files[name]


def test_a_server_with_another_file_is_refused(server, monkeypatch, tmp_path):
    publish(server, monkeypatch, small_checkpoint())
    server.script = ["wrong"] * 3
    with pytest.raises(
        ValueError, match="expected SHA-256 [0-9a-f]{8}\\.\\.\\., found [0-9a-f]{64}"
    ):
        load_torchvision("squeezenet1_1", tmp_path, download=True)
    assert list(tmp_path.iterdir()) == []


class Trap:
    """Unpickling one writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_checkpoint_runs_no_code(server, monkeypatch, tmp_path):
    name = publish(server, monkeypatch, {**small_checkpoint(), "trap": Trap(tmp_path / "caught")})
    with pytest.raises(ValueError, match=f"{name}: holds more than tensors"):
        load_torchvision("squeezenet1_1", tmp_path, download=True)
    assert not (tmp_path / "caught").exists()


def test_a_network_without_a_checkpoint_is_refused_and_those_with_one_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"'lenet5'; known: alexnet_one_column, vgg11, .*resnet50"):
        load_torchvision("lenet5", tmp_path, download=True)


def test_every_network_that_torchvision_has_weights_of_has_its_file():
    assert CHECKPOINTS.keys() == {*NETWORKS, "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"}
    hashes = {re.search(r"-([0-9a-f]{8,64})\.pth$", name)[1] for name in CHECKPOINTS.values()}
    assert len(hashes) == len(CHECKPOINTS)


def test_shared_networks_have_keys_of_ours():
    """Beside our keys there are only the sizes of ours that torchvision has and MODELS has not."""
    assert {key for key in NETWORKS if key not in MODELS} == {
        "resnext101_32x8d",
        "resnext101_64x4d",
        "shufflenet_v2_x0_5",
        "shufflenet_v2_x1_5",
        "shufflenet_v2_x2_0",
    }
