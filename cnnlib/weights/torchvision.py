"""Checkpoints of torchvision's networks, put into ours.

The two libraries name layers differently and compute the same. Each family has a few rules that
turn our name of a parameter into torchvision's; that is all there is to it. The book needs none of
these files: they are for who wants a full-size network that was trained on ImageNet.
"""

import pickle
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cnnlib.data.checksum import check_sha256
from cnnlib.data.download import download_file
from cnnlib.models.alexnet import alexnet_one_column
from cnnlib.models.densenet import densenet121, densenet161, densenet169, densenet201
from cnnlib.models.googlenet import googlenet
from cnnlib.models.inception_v3 import inception_v3
from cnnlib.models.mobilenet_v2 import mobilenet_v2
from cnnlib.models.resnet import resnet18, resnet34, resnet50, resnet101, resnet152
from cnnlib.models.resnext import ResNeXt, resnext50_32x4d
from cnnlib.models.shufflenet_v2 import shufflenet_v2
from cnnlib.models.squeezenet import squeezenet1_0, squeezenet1_1
from cnnlib.models.vgg import vgg11, vgg13, vgg16, vgg19

__all__ = ["CHECKPOINTS", "from_torchvision", "load_torchvision"]

# A rule is a pattern in our name and what torchvision has in its place.
Rules = tuple[tuple[str, str | Callable[[re.Match], str]], ...]

RESNET: Rules = (
    (
        r"^conv(\d)_x\.conv\d_(\d+)\.",
        lambda found: f"layer{int(found[1]) - 1}.{int(found[2]) - 1}.",
    ),
    (r"\.shortcut\.", ".downsample."),
)
DENSENET: Rules = ((r"\.block(\d+)\.layer(\d+)\.", r".denseblock\1.denselayer\2."),)
GOOGLENET: Rules = (
    (r"^stem\.conv2\.", "conv3."),
    (r"^stem\.reduce2\.", "conv2."),
    (r"^stem\.conv1\.", "conv1."),
    (r"\.branch([23])\.reduce\.", r".branch\1.0."),
    (r"\.branch([23])\.conv\.", r".branch\1.1."),
    (r"\.branch4\.proj\.", ".branch4.1."),
)
CLASSIFIER_OF_ALEXNET: Rules = (
    (r"^fc6\.", "classifier.1."),
    (r"^fc7\.", "classifier.4."),
    (r"^fc8\.", "classifier.6."),
)
CLASSIFIER_OF_VGG: Rules = (
    (r"^fc6\.", "classifier.0."),
    (r"^fc7\.", "classifier.3."),
    (r"^fc8\.", "classifier.6."),
)
ALEXNET: Rules = (
    *(
        (rf"^conv{number}\.", f"features.{place}.")
        for number, place in enumerate((0, 3, 6, 8, 10), 1)
    ),
    *CLASSIFIER_OF_ALEXNET,
)
SQUEEZENET: Rules = ((r"^conv10\.", "classifier.1."),)
MOBILENET_V2: Rules = (
    (r"^conv1\.", "features.0.0."),
    (r"^bn1\.", "features.0.1."),
    (r"^conv2\.", "features.18.0."),
    (r"^bn2\.", "features.18.1."),
    (r"^fc\.", "classifier.1."),
    (r"^(blocks\.bottleneck1_1\.branch)\.depthwise\.", r"\1.0.0."),
    (r"^(blocks\.bottleneck1_1\.branch)\.bn2\.", r"\1.0.1."),
    (r"^(blocks\.bottleneck1_1\.branch)\.project\.", r"\1.1."),
    (r"^(blocks\.bottleneck1_1\.branch)\.bn3\.", r"\1.2."),
    (r"\.branch\.expand\.", ".branch.0.0."),
    (r"\.branch\.bn1\.", ".branch.0.1."),
    (r"\.branch\.depthwise\.", ".branch.1.0."),
    (r"\.branch\.bn2\.", ".branch.1.1."),
    (r"\.branch\.project\.", ".branch.2."),
    (r"\.branch\.bn3\.", ".branch.3."),
    (r"\.branch\.", ".conv."),
)
SHUFFLENET_V2: Rules = (
    (r"^conv([15])\.", r"conv\1.0."),
    (r"^bn([15])\.", r"conv\1.1."),
    (
        r"^stages\.stage(\d)\.unit\d_(\d+)\.",
        lambda found: f"stage{found[1]}.{int(found[2]) - 1}.",
    ),
    *(
        (rf"\.shortcut\.{name}\.", f".branch1.{place}.")
        for place, name in enumerate(("depthwise", "bn1", "conv2", "bn2"))
    ),
    *(
        (rf"\.branch\.{name}\.", f".branch2.{place}.")
        for name, place in (
            ("conv1", 0), ("bn1", 1), ("depthwise", 3), ("bn2", 4), ("conv3", 5), ("bn3", 6),
        )
    ),
)  # fmt: skip
INCEPTION_V3: Rules = (
    *(
        (rf"^stem\.conv{number}\.", f"Conv2d_{name}.")
        for number, name in enumerate(("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3"), 1)
    ),
    (r"^aux\.conv([12])\.", lambda found: f"AuxLogits.conv{int(found[1]) - 1}."),
    (r"^aux\.fc\.", "AuxLogits.fc."),
    (r"\.branch_pool\.proj\.", ".branch_pool."),
    # The modules for 35x35.
    (r"^inception(5.)\.branch1\.", r"Mixed_\1.branch1x1."),
    (r"^inception(5.)\.branch5\.reduce\.", r"Mixed_\1.branch5x5_1."),
    (r"^inception(5.)\.branch5\.conv\.", r"Mixed_\1.branch5x5_2."),
    (r"^inception(5.)\.branch3\.reduce\.", r"Mixed_\1.branch3x3dbl_1."),
    (r"^inception(5.)\.branch3\.conv1\.", r"Mixed_\1.branch3x3dbl_2."),
    (r"^inception(5.)\.branch3\.conv2\.", r"Mixed_\1.branch3x3dbl_3."),
    # From 35x35 to 17x17.
    (r"^inception6a\.branch3\.", "Mixed_6a.branch3x3."),
    (r"^inception6a\.branch3x3\.reduce\.", "Mixed_6a.branch3x3dbl_1."),
    (r"^inception6a\.branch3x3\.conv1\.", "Mixed_6a.branch3x3dbl_2."),
    (r"^inception6a\.branch3x3\.conv2\.", "Mixed_6a.branch3x3dbl_3."),
    # The modules for 17x17.
    (r"^inception(6.)\.branch1\.", r"Mixed_\1.branch1x1."),
    (r"^inception(6.)\.branch7\.reduce\.", r"Mixed_\1.branch7x7_1."),
    (r"^inception(6.)\.branch7x7\.reduce\.", r"Mixed_\1.branch7x7dbl_1."),
    (
        r"^inception(6.)\.branch7\.conv(\d)\.",
        lambda found: f"Mixed_{found[1]}.branch7x7_{int(found[2]) + 1}.",
    ),
    (
        r"^inception(6.)\.branch7x7\.conv(\d)\.",
        lambda found: f"Mixed_{found[1]}.branch7x7dbl_{int(found[2]) + 1}.",
    ),
    # From 17x17 to 8x8.
    (r"^inception7a\.branch3\.reduce\.", "Mixed_7a.branch3x3_1."),
    (r"^inception7a\.branch3\.conv\.", "Mixed_7a.branch3x3_2."),
    (r"^inception7a\.branch7x7x3\.reduce\.", "Mixed_7a.branch7x7x3_1."),
    (
        r"^inception7a\.branch7x7x3\.conv(\d)\.",
        lambda found: f"Mixed_7a.branch7x7x3_{int(found[1]) + 1}.",
    ),
    # The modules for 8x8.
    (r"^inception(7.)\.branch1\.", r"Mixed_\1.branch1x1."),
    (r"^inception(7.)\.branch3\.reduce\.", r"Mixed_\1.branch3x3_1."),
    (r"^inception(7.)\.branch3\.fork\.row\.", r"Mixed_\1.branch3x3_2a."),
    (r"^inception(7.)\.branch3\.fork\.column\.", r"Mixed_\1.branch3x3_2b."),
    (r"^inception(7.)\.branch3x3\.reduce\.", r"Mixed_\1.branch3x3dbl_1."),
    (r"^inception(7.)\.branch3x3\.conv\.", r"Mixed_\1.branch3x3dbl_2."),
    (r"^inception(7.)\.branch3x3\.fork\.row\.", r"Mixed_\1.branch3x3dbl_3a."),
    (r"^inception(7.)\.branch3x3\.fork\.column\.", r"Mixed_\1.branch3x3dbl_3b."),
    (r"^inception(\d.)\.", r"Mixed_\1."),
)


def resnext101(base_width: int, cardinality: int, num_classes: int) -> ResNeXt:
    """The sizes of 101 layers for which torchvision has weights and we have no key."""
    return ResNeXt((3, 4, 23, 3), cardinality, base_width, num_classes)


class Counterpart(NamedTuple):
    """A network of ours that torchvision has too; ``last`` is its name for the last layer."""

    build: Callable[..., nn.Module]
    rules: Rules
    last: str


NETWORKS = {
    "alexnet_one_column": Counterpart(alexnet_one_column, ALEXNET, "classifier.6"),
    "vgg11": Counterpart(vgg11, CLASSIFIER_OF_VGG, "classifier.6"),
    "vgg13": Counterpart(vgg13, CLASSIFIER_OF_VGG, "classifier.6"),
    "vgg16": Counterpart(vgg16, CLASSIFIER_OF_VGG, "classifier.6"),
    "vgg19": Counterpart(vgg19, CLASSIFIER_OF_VGG, "classifier.6"),
    "googlenet": Counterpart(partial(googlenet, batch_norm=True, large_kernel=3), GOOGLENET, "fc"),
    "inception_v3": Counterpart(inception_v3, INCEPTION_V3, "fc"),
    "resnet18": Counterpart(resnet18, RESNET, "fc"),
    "resnet34": Counterpart(resnet34, RESNET, "fc"),
    "resnet50": Counterpart(partial(resnet50, stride_in="3x3"), RESNET, "fc"),
    "resnet101": Counterpart(partial(resnet101, stride_in="3x3"), RESNET, "fc"),
    "resnet152": Counterpart(partial(resnet152, stride_in="3x3"), RESNET, "fc"),
    "squeezenet1_0": Counterpart(squeezenet1_0, SQUEEZENET, "classifier.1"),
    "squeezenet1_1": Counterpart(squeezenet1_1, SQUEEZENET, "classifier.1"),
    "densenet121": Counterpart(densenet121, DENSENET, "classifier"),
    "densenet169": Counterpart(densenet169, DENSENET, "classifier"),
    "densenet201": Counterpart(densenet201, DENSENET, "classifier"),
    "densenet161": Counterpart(densenet161, DENSENET, "classifier"),
    "resnext50_32x4d": Counterpart(resnext50_32x4d, RESNET, "fc"),
    "resnext101_32x8d": Counterpart(partial(resnext101, 8, 32), RESNET, "fc"),
    "resnext101_64x4d": Counterpart(partial(resnext101, 4, 64), RESNET, "fc"),
    "mobilenet_v2": Counterpart(mobilenet_v2, MOBILENET_V2, "classifier.1"),
    "shufflenet_v2": Counterpart(shufflenet_v2, SHUFFLENET_V2, "fc"),
    "shufflenet_v2_x0_5": Counterpart(partial(shufflenet_v2, scale=0.5), SHUFFLENET_V2, "fc"),
    "shufflenet_v2_x1_5": Counterpart(partial(shufflenet_v2, scale=1.5), SHUFFLENET_V2, "fc"),
    "shufflenet_v2_x2_0": Counterpart(partial(shufflenet_v2, scale=2.0), SHUFFLENET_V2, "fc"),
}


CHECKPOINT_SERVER = "https://download.pytorch.org/models/"
# Key -> the file of torchvision's weights IMAGENET1K_V1, the oldest it has, as torchvision 0.28
# names it. The digits before ".pth" begin the file's SHA-256. A key ending in "_bn" is the network
# without these letters, with batch normalisation.
CHECKPOINTS: dict[str, str] = {
    "alexnet_one_column": "alexnet-owt-7be5be79.pth",
    "vgg11": "vgg11-8a719046.pth",
    "vgg11_bn": "vgg11_bn-6002323d.pth",
    "vgg13": "vgg13-19584684.pth",
    "vgg13_bn": "vgg13_bn-abd245e5.pth",
    "vgg16": "vgg16-397923af.pth",
    "vgg16_bn": "vgg16_bn-6c64b313.pth",
    "vgg19": "vgg19-dcbb9e9d.pth",
    "vgg19_bn": "vgg19_bn-c79401a0.pth",
    "googlenet": "googlenet-1378be20.pth",
    "inception_v3": "inception_v3_google-0cc3c7bd.pth",
    "resnet18": "resnet18-f37072fd.pth",
    "resnet34": "resnet34-b627a593.pth",
    "resnet50": "resnet50-0676ba61.pth",
    "resnet101": "resnet101-63fe2227.pth",
    "resnet152": "resnet152-394f9c45.pth",
    "squeezenet1_0": "squeezenet1_0-b66bff10.pth",
    "squeezenet1_1": "squeezenet1_1-b8a52dc0.pth",
    "densenet121": "densenet121-a639ec97.pth",
    "densenet169": "densenet169-b2777c0a.pth",
    "densenet201": "densenet201-c1103571.pth",
    "densenet161": "densenet161-8d451a50.pth",
    "resnext50_32x4d": "resnext50_32x4d-7cdf4587.pth",
    "resnext101_32x8d": "resnext101_32x8d-8ba56ff5.pth",
    "resnext101_64x4d": "resnext101_64x4d-173b62eb.pth",
    "mobilenet_v2": "mobilenet_v2-b0353104.pth",
    "shufflenet_v2": "shufflenetv2_x1-5666bf0f80.pth",
    "shufflenet_v2_x0_5": "shufflenetv2_x0.5-f707e7126e.pth",
    "shufflenet_v2_x1_5": "shufflenetv2_x1_5-3c479a10.pth",
    "shufflenet_v2_x2_0": "shufflenetv2_x2_0-8be3c8ee.pth",
}


def load_torchvision(key: str, folder: str | Path, download: bool = False) -> nn.Module:
    """Our network ``key`` with torchvision's public ImageNet weights, in eval mode, on the CPU.

    The file is looked for in ``folder`` under its public name, ``CHECKPOINTS[key]``. With
    ``download=True`` one that is missing or damaged is fetched first (5 to 575 MB), with a progress
    bar; a transfer that breaks goes on where it stopped. A ``.pth`` file is a pickle, which could
    run code: only tensors are read from it. For the inputs see :func:`from_torchvision`.

    Raises ``ValueError`` for a key without such weights and for a file that is not the public one,
    ``FileNotFoundError`` for a missing file, ``ConnectionError`` if a download fails.
    """
    if key not in CHECKPOINTS:
        known = ", ".join(CHECKPOINTS)
        raise ValueError(f"no checkpoint of torchvision's for key {key!r}; known: {known}")
    path = Path(folder) / CHECKPOINTS[key]
    begins = re.search(r"-([0-9a-f]{8,})\.pth$", path.name)[1]
    try:
        check_checkpoint(path, begins)
    except (FileNotFoundError, ValueError):
        if not download:
            raise
        download_file([CHECKPOINT_SERVER + path.name], path, begins)
    try:
        state_dict = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path}: holds more than tensors, not loaded: {error}") from error
    return from_torchvision(key.removesuffix("_bn"), state_dict)


def check_checkpoint(path: Path, begins: str) -> None:
    """Raise unless the file is there and its SHA-256 begins with these digits."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: missing; load_torchvision(..., download=True) fetches it from "
            f"{CHECKPOINT_SERVER}{path.name}"
        )
    check_sha256(path, begins)


def from_torchvision(key: str, state_dict: Mapping[str, Tensor] | nn.Module) -> nn.Module:
    """Our network ``key`` with the weights of torchvision's, in eval mode and on the CPU.

    ``state_dict`` is what torchvision's model of that name gives or one of its weight files holds,
    or the model itself. A training's checkpoint may be around it (its entry ``state_dict``,
    ``model_state_dict`` or ``model``), and all names may begin with ``module.`` or ``_orig_mod.``,
    as ``DataParallel`` and ``torch.compile`` have them. A path is refused: what to read a file with
    is yours to say.

    The number of classes, VGG's batch normalisation, and the auxiliary heads of GoogLeNet and
    Inception v3 are read off it. The networks are built as torchvision has them: ResNet's
    bottlenecks stride in the 3x3, GoogLeNet has its 3x3 kernels, normalisation and pools.
    ``"shufflenet_v2"`` is its x1_0, ``"alexnet_one_column"`` its alexnet.

    Older files load too: DenseNet's with ``norm.1`` for ``norm1``, and those without
    ``num_batches_tracked``.

    Inputs are as torchvision's: (N, 3, H, W), scaled to [0, 1], less the mean (0.485, 0.456,
    0.406), divided by (0.229, 0.224, 0.225). But the published GoogLeNet and Inception v3 expect
    values from -1 to 1, mean and divisor 0.5, which torchvision's ``transform_input`` makes of the
    others within the model. Ours has no such step: give them mean and divisor 0.5.

    Raises ``ValueError`` that says what was given where it is something else, and for an unknown
    key; for an entry that is missing, unexpected, no tensor, without values or of the wrong shape
    the message names it.
    """
    if not isinstance(key, str) or key not in NETWORKS:
        named = repr(key) if isinstance(key, str) else f"of type {type(key).__name__}"
        raise ValueError(f"no torchvision weights for key {named}; known: {', '.join(NETWORKS)}")
    entries, of = find_entries(key, state_dict)
    state_dict = {rename_old_entry(name): value for name, value in entries.items()}
    no_tensors = [name for name, value in state_dict.items() if not torch.is_tensor(value)]
    complain(of, {"no tensor": no_tensors})
    complain(of, {"without values": [n for n, value in state_dict.items() if value.is_meta]})
    model = build(key, state_dict, of)
    expected = model.state_dict()
    ours = {find_torchvision_name(key, model, name): name for name in expected}
    if set(expected) <= set(state_dict) and set(expected) != set(ours):
        raise ValueError(
            f"{of}: the names are our own network's, not torchvision's: "
            "its load_state_dict() takes them"
        )
    counters = {name for name in ours if name.endswith(".num_batches_tracked")}
    missing = [name for name in ours if name not in {*state_dict, *counters}]
    complain(of, {"missing": missing, "unexpected": [n for n in state_dict if n not in ours]})
    weights = {}
    for theirs, name in ours.items():
        wanted = expected[name]
        found = state_dict.get(theirs, torch.tensor(0))
        if found.shape != wanted.shape:
            raise ValueError(
                f"{of}: {theirs}: expected shape {tuple(wanted.shape)}, found {tuple(found.shape)}"
            )
        weights[name] = found.detach().to("cpu", wanted.dtype, copy=True)
    model.load_state_dict(weights, assign=True)
    return model.eval()


#: Where a checkpoint of a training keeps the state dict, and what wrappers put before its names.
AROUND = ("state_dict", "model_state_dict", "model")
WRAPPERS = ("module.", "_orig_mod.")


def find_entries(key: str, given: object) -> tuple[dict[str, object], str]:
    """The state dict in what was given, its names without wrappers, and words for where it was.

    Raises ``ValueError`` that says what was given, where there is none in it.
    """
    if isinstance(given, Mapping):
        around = [name for name in AROUND if isinstance(given.get(name), Mapping | nn.Module)]
        if around:
            key, given = f"{key}, entry {around[0]!r}", given[around[0]]
    if isinstance(given, nn.Module):
        given = given.state_dict()
    if isinstance(given, str | Path):
        raise ValueError(
            f"{key}: expected a state dict, found a path, {str(given)!r}: give "
            'torch.load(path, map_location="cpu", weights_only=True), or load_torchvision() the '
            "public file"
        )
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ValueError(f"{key}: expected a state dict, found a {type(given).__name__}")
    entries = dict(given)
    while entries and (prefix := next((w for w in WRAPPERS if all_begin(entries, w)), None)):
        key += f", {prefix!r} taken off all names"
        entries = {name.removeprefix(prefix): value for name, value in entries.items()}
    return entries, key


def all_begin(names: Iterable[str], prefix: str) -> bool:
    return all(name.startswith(prefix) for name in names)


def rename_old_entry(name: str) -> str:
    """torchvision's present name for an entry of an old file: norm.1 became norm1."""
    return re.sub(r"(\.denselayer\d+\.(?:norm|relu|conv))\.(\d)\.", r"\1\2.", name)


def build(key: str, state_dict: Mapping[str, Tensor], of: str) -> nn.Module:
    """The network that the names and the last layer's shape ask for, on the meta device."""
    last = NETWORKS[key].last
    weight = state_dict.get(f"{last}.weight")
    if weight is None:
        complain(of, {"missing": [f"{last}.weight"]})
    if weight.dim() < 2:
        raise ValueError(
            f"{of}: {last}.weight: expected one row a class, found shape {tuple(weight.shape)}"
        )
    options = {}
    if key.startswith("vgg"):
        options["batch_norm"] = "features.1.weight" in state_dict
    if key in ("googlenet", "inception_v3"):
        options["aux"] = any(name.lower().startswith("aux") for name in state_dict)
    with torch.device("meta"):
        return NETWORKS[key].build(num_classes=len(weight), **options)


def find_torchvision_name(key: str, model: nn.Module, name: str) -> str:
    """torchvision's name for our state dict's entry ``name``."""
    for pattern, replacement in NETWORKS[key].rules:
        name = re.sub(pattern, replacement, name)
    if key.startswith(("vgg", "squeezenet")):
        name = number_layer(model, "features", name, first=0)
    if key.startswith("mobilenet"):
        name = number_layer(model, "blocks", name, first=1)
    return name


def number_layer(model: nn.Module, container: str, name: str, first: int) -> str:
    """torchvision numbers in ``features`` what we name in ``container``; the order is the same."""
    if not name.startswith(f"{container}."):
        return name
    _, layer, rest = name.split(".", maxsplit=2)
    layers = [child for child, _ in model.get_submodule(container).named_children()]
    return f"features.{first + layers.index(layer)}.{rest}"


def complain(of: str, wrong: Mapping[str, list[str]]) -> None:
    """Raise ``ValueError`` if there are entries that are wrong, naming the first few of a kind."""
    said = []
    for what, names in wrong.items():
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            said.append(f"{what} in the state dict: {', '.join(names[:3])}{more}")
    if said:
        raise ValueError(f"{of}: {'; '.join(said)}")
