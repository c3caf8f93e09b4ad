"""DenseNet: what is lost when one layer may no longer read another's maps."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cnnlib.experiments.measures import IMAGES, prepare_inputs
from cnnlib.models.densenet import DenseLayer
from cnnlib.train import Run


class Link(NamedTuple):
    """A link of a dense block, from a source to the 1x1 layer of a later layer.

    ``source`` is 0 for the block's input and else the number of a layer, from 1, as ``reader`` is;
    ``maps`` is how many maps of the source are cut.
    """

    block: str
    source: int
    reader: int
    maps: int


def measure_links(run: Run) -> dict:
    """:func:`cut_links` of a trained DenseNet on the first 1,000 test images."""
    network, was_training = run.model, run.model.training
    network.eval()
    try:
        return cut_links(network, *prepare_inputs(run, run.test_set, IMAGES))
    finally:
        network.train(was_training)


def cut_links(network: nn.Module, inputs: Tensor, labels: Tensor) -> dict:
    """How many images are right when one link of a dense block is cut, link by link.

    ``inputs`` is (N, C, H, W), ``labels`` (N,); the network is in evaluation. Returns ``images``,
    ``right`` (how many of them, uncut), and ``blocks``: for each block its links, each with
    ``source``, ``reader`` and ``maps`` of :class:`Link`, ``right`` and ``changed``: on how many
    images being right changed, one way or the other, which is what chance can act on.
    """
    uncut = score(network, inputs).argmax(dim=1) == labels
    blocks: dict[str, list[dict]] = {}
    for link, scores in cut_each_link(network, inputs):
        now = scores.argmax(dim=1) == labels
        blocks.setdefault(link.block, []).append(
            {
                "source": link.source,
                "reader": link.reader,
                "maps": link.maps,
                "right": int(now.sum()),
                "changed": int((now != uncut).sum()),
            }
        )
    return {"images": len(labels), "right": int(uncut.sum()), "blocks": blocks}


def move_scores(
    network: nn.Module, inputs: Tensor, *, most: int | None = None
) -> dict[str, Tensor]:
    """How far the scores move when a link is cut, for trained networks and others: no labels.

    A table (layers, layers) for each block, row ``source``, column ``reader`` - 1: the length of
    what the cut changes in the scores of all images, over the length of what tells the images
    apart (the scores less their mean over images). NaN where there is no link. ``most`` is that of
    :func:`cut_each_link`. Raises ``ValueError`` for scores that are the same for all images.
    """
    whole = score(network, inputs)
    spread = (whole - whole.mean(dim=0)).norm()
    if not spread > 0:
        raise ValueError("inputs: expected images that the network tells apart")
    tables: dict[str, Tensor] = {}
    for link, scores in cut_each_link(network, inputs, most=most):
        layers = len(find_layers(network.features.get_submodule(link.block)))
        table = tables.setdefault(link.block, torch.full((layers, layers), torch.nan))
        table[link.source, link.reader - 1] = (scores - whole).norm() / spread
    return tables


@torch.no_grad()
def cut_each_link(
    network: nn.Module, inputs: Tensor, *, most: int | None = None
) -> Iterator[tuple[Link, Tensor]]:
    """The scores (N, K) of a DenseNet in evaluation with one link cut, link by link.

    A link leads from a source (the block's input, or one of its layers) to the 1x1 layer of a later
    layer of the same block. Cut means: for each map of that source the 1x1 layer gets the map's
    mean over all images and places, so that it keeps the level and loses what varies. With ``most``
    only so many of a source's maps are cut, its first. Raises ``ValueError`` for ``most`` below 1.
    """
    if most is not None and most < 1:
        raise ValueError(f"most={most}: expected 1 or more maps")
    names, parts = zip(*network.features.named_children(), strict=True)
    reached = inputs.split(100)  # what goes into the part: what stands before it is not run again
    for place, (name, part) in enumerate(zip(names, parts, strict=True)):
        layers = find_layers(part)
        means = mean_inputs(part, layers, reached)
        for number, layer in enumerate(layers, start=1):
            handed = layers[0].conv1.in_channels
            made = [before.conv2.out_channels for before in layers[: number - 1]]
            first = 0
            for source, maps in enumerate([handed, *made]):
                cut = slice(first, first + min(maps, most or maps))
                hook = layer.conv1.register_forward_pre_hook(_level(cut, means[number - 1]))
                try:
                    scores = [_finish(network, parts[place:], x) for x in reached]
                finally:
                    hook.remove()
                yield Link(name, source, number, cut.stop - cut.start), torch.cat(scores)
                first += maps
        reached = [part(x) for x in reached]


def find_layers(part: nn.Module) -> list[DenseLayer]:
    """The layers of a dense block, in order; none for another part of the network."""
    return [layer for layer in part.children() if isinstance(layer, DenseLayer)]


@torch.no_grad()
def score(network: nn.Module, inputs: Tensor) -> Tensor:
    """The scores (N, K) of a DenseNet in evaluation, a hundred images at a time."""
    return torch.cat([network(x) for x in inputs.split(100)])


def mean_inputs(
    block: nn.Module, layers: Sequence[DenseLayer], batches: Sequence[Tensor]
) -> list[Tensor]:
    """The mean of each map that each layer's 1x1 layer reads, over images and places: (C,) each."""
    sums: dict[nn.Module, Tensor] = {}

    def add(module: nn.Module, args: tuple[Tensor]) -> None:
        sums[module] = sums.get(module, 0) + args[0].double().mean(dim=(2, 3)).sum(dim=0)

    hooks = [layer.conv1.register_forward_pre_hook(add) for layer in layers]
    try:
        if layers:
            for x in batches:
                block(x)
    finally:
        for hook in hooks:
            hook.remove()
    images = sum(map(len, batches))
    return [(sums[layer.conv1] / images).float() for layer in layers]


def _level(maps: slice, means: Tensor):
    """A hook that gives a 1x1 layer the means in place of some of its maps."""

    def cut(module: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        x = args[0].clone()
        x[:, maps] = means[maps, None, None]
        return (x,)

    return cut


def _finish(network: nn.Module, parts: Sequence[nn.Module], x: Tensor) -> Tensor:
    """The scores from what goes into the first of the last ``parts``."""
    for part in parts:
        x = part(x)
    return network.classifier(network.flatten(network.pool(x)))
