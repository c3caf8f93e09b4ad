"""The ZFNet paper's figures, counted on the two networks to look into (Zeiler & Fergus 2014).

``python -m cnnlib.experiments evidence PART ... --data PATH`` measures and writes one log a part;
those that ship lie in ``logs/evidence``, and :func:`load_evidence` reads them. No picture is kept,
only figures.

- ``channels`` (Fig. 2): what the nine strongest photographs of a channel have in common;
- ``settling`` (Fig. 4): how early in the training a channel answers as it will in the end;
- ``filters`` (Fig. 6): dead filters, bands of frequency and aliasing in the first two layers;
- ``transfer`` (feature analysis): what a linear head reads off each layer, for other classes;
- ``vgg_transfer``: the same on VGG-11, for its paper's fc7.
"""

import copy
import hashlib
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from cnnlib.data import ImageSet, load_dataset
from cnnlib.data.cache import keep_array
from cnnlib.data.tiny_imagenet import load_book_classes
from cnnlib.experiments.linear_heads import fit_head
from cnnlib.experiments.looking import (
    collect_peaks,
    measure_classes,
    measure_filters,
    measure_folded,
    measure_nearness,
    measure_unrelated,
)
from cnnlib.experiments.packing import pack_bits
from cnnlib.experiments.run_log import LOGS
from cnnlib.models import build_network
from cnnlib.train.fast_layers import use_fast_layers
from cnnlib.weights import Preprocessing, WeightFile, load_weights
from cnnlib.weights.records import find_record, write_whole

ZFNET, ALEXNET, VGG = "imagenette_zfnet", "imagenette_alexnet", "small_vgg11"
LAYERS = tuple(f"relu{number}" for number in range(1, 6))
HEADS = ("pool1", "pool2", "relu3", "relu4", "pool5", "relu6", "relu7")
VGG_HEADS = (*(f"features.pool{number}" for number in range(1, 6)), "relu6", "relu7")
STARTS = (1, 2, 3)  # seeds of networks without training; the first is that of the trained one
CLASSES, IMAGES_A_CLASS = 20, 100


@dataclass(frozen=True)
class Evidence:
    """What one part found. ``weights`` maps each network that was looked at to its file's SHA-256,
    ``images`` is how many photographs were looked at, ``made_with`` the versions.
    """

    part: str
    weights: dict[str, str]
    images: int
    made_with: dict
    found: dict


@dataclass(frozen=True)
class Sources:
    """Where a measurement's inputs lie: ``data`` and ``tiny`` are the archives, ``snapshots`` the
    folder of a training's snapshots, ``weights`` that of the weights (None: those that ship)."""

    data: Path | None = None
    tiny: Path | None = None
    snapshots: Path | None = None
    weights: Path | None = None

    def photographs(self) -> ImageSet:
        return load_dataset("imagenette", "test", self.data)

    def record(self, key: str) -> WeightFile:
        return find_record(key, self.weights)

    def trained(self, key: str) -> nn.Module:
        return load_weights(key, self.weights)

    def started(self, key: str, seed: int) -> nn.Module:
        """The network as a training with that seed begins."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1000 * seed)
            return build_network(key, len(self.record(key).categories)).eval()

    def snapshot_files(self, key: str) -> dict[int, Path]:
        """The snapshots by epoch. Raises ``FileNotFoundError`` where there is none."""
        folder = self.snapshots or Path(".")
        files = sorted(folder.glob(f"{key}-epoch-*.safetensors"))
        if not files:
            raise FileNotFoundError(f"{folder}: no {key}-epoch-NNN.safetensors; name --snapshots")
        return {int(file.stem.rpartition("-")[2]): file for file in files}


def load_evidence(part: str, folder: str | Path | None = None) -> Evidence:
    """What ``part`` found: from the logs that ship, or from ``folder``.

    Raises ``ValueError`` for an unknown part and for a file that is no such log,
    ``FileNotFoundError`` where nothing was measured.
    """
    if part not in PARTS:
        raise ValueError(f"unknown part {part!r}; known: {', '.join(PARTS)}")
    path = Path(folder or LOGS / "evidence") / f"{part}.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: missing; python -m cnnlib.experiments evidence {part}")
    try:
        found = Evidence(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: no log of a measurement: {error!r}") from error
    if found.part != part:
        raise ValueError(f"{path}: expected part {part!r}, found {found.part!r}")
    return found


def gather_evidence(part: str, sources: Sources, output: str | Path) -> Evidence:
    """Measure one part, show progress, and write ``output/PART.json``.

    Raises ``ValueError`` for an unknown part, and as the inputs' loaders do.
    """
    if part not in PARTS:
        raise ValueError(f"unknown part {part!r}; known: {', '.join(PARTS)}")
    keys, measure = PARTS[part]
    with tqdm(desc=part, unit="photograph", disable=None) as bar:
        images, found = measure(sources, bar)
    result = Evidence(
        part,
        {key: sources.record(key).sha256 for key in keys},
        images,
        {"torch": torch.__version__, "threads": torch.get_num_threads()},
        found,
    )
    path = Path(output) / f"{part}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (json.dumps(asdict(result), indent=1) + "\n").encode())
    return load_evidence(part, path.parent)


def keep_peaks(
    network: nn.Module,
    prepare: Preprocessing,
    images: np.ndarray,
    tick: Callable[[int], object] = lambda count: None,
) -> dict[str, Tensor]:
    """:func:`collect_peaks` of all ``LAYERS``, made once and kept with the decoded images."""
    mark = hashlib.sha256(f"{type(network).__name__} {prepare}".encode())
    mark.update(zlib.crc32(images).to_bytes(4, "little"))
    for name, tensor in network.state_dict().items():
        if name.startswith("conv"):
            mark.update(tensor.numpy().tobytes())
    sizes = [network.get_submodule(n.replace("relu", "conv")).out_channels for n in LAYERS]
    done = 0

    def make() -> np.ndarray:
        def hear(count: int) -> None:
            nonlocal done
            done += count
            tick(count)

        found = collect_peaks(network, prepare, images, LAYERS, hear)
        return torch.cat([found[layer] for layer in LAYERS], dim=1).numpy()

    kept = torch.from_numpy(np.array(keep_array(f"peaks-{mark.hexdigest()[:24]}", make)))
    tick(len(images) - done)
    return dict(zip(LAYERS, kept.split(sizes, dim=1), strict=True))


# --- The parts ------------------------------------------------------------------------------------


def _channels(sources: Sources, bar: tqdm) -> tuple[int, dict]:
    """Fig. 2, for the trained network and for three that are as a training begins."""
    photographs, prepare = sources.photographs(), sources.record(ZFNET).preprocessing
    labels = torch.from_numpy(photographs.labels)
    networks = {"trained": sources.trained(ZFNET)}
    networks |= {f"start{seed}": sources.started(ZFNET, seed) for seed in STARTS}
    bar.reset(total=len(networks) * len(photographs))
    found = {}
    for name, network in networks.items():
        peaks = keep_peaks(network, prepare, photographs.images, bar.update)
        found[name] = {layer: measure_classes(peaks[layer], labels) for layer in LAYERS}
    return len(photographs), found


def _settling(sources: Sources, bar: tqdm) -> tuple[int, dict]:
    """Fig. 4: each snapshot of the training against its end."""
    photographs, prepare = sources.photographs(), sources.record(ZFNET).preprocessing
    final, files = sources.trained(ZFNET), sources.snapshot_files(ZFNET)
    files.pop(sources.record(ZFNET).recipe.get("epochs"), None)  # the end itself
    bar.reset(total=(len(files) + 1) * len(photographs))
    last = keep_peaks(final, prepare, photographs.images, bar.update)
    network = build_network(ZFNET, len(photographs.categories)).eval()
    epochs: dict[str, dict] = {}
    for epoch, file in sorted(files.items()):
        network.load_state_dict(safetensors.torch.load_file(file))
        peaks = keep_peaks(network, prepare, photographs.images, bar.update)
        epochs[str(epoch)] = {
            layer: measure_nearness(peaks[layer], last[layer], *_weights(layer, network, final))
            for layer in LAYERS
        }
    unrelated = {layer: measure_unrelated(last[layer]) for layer in LAYERS}
    return len(photographs), {"epochs": epochs, "unrelated": unrelated}


def _weights(layer: str, *networks: nn.Module) -> list[Tensor]:
    """The weights of the convolution before a ReLU, of each network."""
    name = layer.replace("relu", "conv")
    return [network.get_submodule(name).weight.detach() for network in networks]


def _filters(sources: Sources, bar: tqdm, folded_on: int = 400) -> tuple[int, dict]:
    """Fig. 6, for the first two layers of both networks."""
    photographs = sources.photographs()
    bar.reset(total=2 * len(photographs))
    found: dict[str, dict] = {"folded_on": folded_on}
    for key in (ALEXNET, ZFNET):
        prepare, network = sources.record(key).preprocessing, sources.trained(key)
        start = sources.started(key, sources.record(key).recipe["seed"])
        peaks = keep_peaks(network, prepare, photographs.images, bar.update)
        found[key] = {
            name: measure_filters(
                network.get_submodule(name), start.get_submodule(name), peaks[layer]
            )
            for name, layer in (("conv1", "relu1"), ("conv2", "relu2"))
        }
        few = prepare.apply(photographs.images[:folded_on])
        found[key]["conv1"]["folded"] = measure_folded(network.conv1, few)
        found[key]["conv1"]["start_folded"] = measure_folded(start.conv1, few)
    return len(photographs), found


def _transfer(sources: Sources, bar: tqdm) -> tuple[int, dict]:
    """Feature analysis in small: ZFNet's layers for 20 classes of Tiny ImageNet."""
    sets = (load_book_classes(split, CLASSES, sources.tiny) for split in ("train", "test"))
    return _fit_heads(sources, bar, ZFNET, HEADS, *sets)


def _vgg_transfer(sources: Sources, bar: tqdm) -> tuple[int, dict]:
    """The other way round: the layers of VGG-11, which learnt those 20 classes, for Imagenette's
    ten (Simonyan & Zisserman 2015, appendix B)."""
    sets = (load_dataset("imagenette", split, sources.data) for split in ("train", "test"))
    return _fit_heads(sources, bar, VGG, VGG_HEADS, *sets)


def _fit_heads(
    sources: Sources, bar: tqdm, key: str, layers: Sequence[str], learn: ImageSet, test: ImageSet
) -> tuple[int, dict]:
    """A linear head on each layer, from three draws of images to learn from.

    Each draw has its own network without training beside the trained one, and the pixels alone,
    averaged to 32x32. Maps are averaged to at most 7x7 places.
    """
    prepare = sources.record(key).preprocessing
    heads = {"pixels": [""], "start": layers, "trained": layers}
    bar.reset(total=len(STARTS) * sum(map(len, heads.values())))
    bar.unit = "head"
    found: dict[str, dict] = {
        name: {layer or "input": [] for layer in heads[name]} for name in heads
    }
    for draw in STARTS:
        chosen = draw_images(learn.labels, IMAGES_A_CLASS, draw)
        labels = torch.cat([torch.from_numpy(learn.labels)[chosen], torch.from_numpy(test.labels)])
        pixels = torch.cat(
            [_whole(learn.images[chosen.numpy()], prepare), _whole(test.images, prepare)]
        )
        networks = {"start": sources.started(key, draw), "trained": sources.trained(key)}
        for name, layers in heads.items():
            features = (
                {"": F.adaptive_avg_pool2d(pixels, 32).flatten(1)}
                if name == "pixels"
                else collect_features(networks[name], pixels, layers)
            )
            for layer in layers:
                head = fit_head(features.pop(layer), labels, len(chosen))
                found[name][layer or "input"].append(
                    {
                        "right": pack_bits(head.right.numpy()),
                        "share": round(head.right.double().mean().item(), 4),
                        "penalty": head.penalty,
                        "bracketed": head.bracketed,
                    }
                )
                bar.update()
    return len(test), found


def draw_images(labels, each: int, seed: int) -> Tensor:
    """The numbers of so many images of every class, drawn and mixed by a seed: int64, (classes x
    each,). ``labels`` is an int64 array, (N,)."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    known = torch.from_numpy(labels)[order]
    chosen = [order[known == label][:each] for label in known.unique()]
    together = torch.cat(chosen)
    return together[torch.randperm(len(together), generator=generator)]


def _whole(images: np.ndarray, prepare: Preprocessing) -> Tensor:
    """Photographs of another size as the network gets them: the whole of each scaled to it."""
    return replace(prepare, fit="crop", resize=prepare.height).apply(images)


@torch.no_grad()
def collect_features(
    network: nn.Module, inputs: Tensor, layers: Sequence[str], grid: int = 7
) -> dict[str, Tensor]:
    """What layers give for (N, C, H, W) inputs, each image's numbers in a row: {layer: (N, D)}.

    Maps larger than ``grid`` x ``grid`` are averaged to that. A copy of the network runs.
    """
    fast = copy.deepcopy(network).eval().to(memory_format=torch.channels_last)
    use_fast_layers(fast)
    found: dict[str, list[Tensor]] = {layer: [] for layer in layers}

    def keep(layer: str) -> Callable:
        def hook(module: nn.Module, args: tuple, out: Tensor) -> None:
            if out.dim() == 4 and out.shape[2] > grid:
                out = F.adaptive_avg_pool2d(out, grid)
            found[layer].append(out.flatten(1).clone())

        return hook

    for layer in layers:
        fast.get_submodule(layer).register_forward_hook(keep(layer))
    for part in inputs.split(50):
        fast(part.contiguous(memory_format=torch.channels_last))
    return {layer: torch.cat(found.pop(layer)) for layer in layers}


PARTS: dict[str, tuple[tuple[str, ...], Callable[[Sources, tqdm], tuple[int, dict]]]] = {
    "channels": ((ZFNET,), _channels),
    "settling": ((ZFNET,), _settling),
    "filters": ((ALEXNET, ZFNET), _filters),
    "transfer": ((ZFNET,), _transfer),
    "vgg_transfer": ((VGG,), _vgg_transfer),
}
