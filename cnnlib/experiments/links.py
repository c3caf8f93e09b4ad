"""DenseNet: what is lost when one layer may no longer read another's maps."""

import torch
from torch import Tensor, nn

from cnnlib.experiments.measures import IMAGES, inputs_of
from cnnlib.models.densenet import DenseLayer
from cnnlib.train import Run


def measure_links(run: Run) -> dict:
    """:func:`cut_links` of a trained DenseNet on the first 1,000 test images."""
    network, was_training = run.model, run.model.training
    network.eval()
    try:
        return cut_links(network, *inputs_of(run, run.test_set, IMAGES))
    finally:
        network.train(was_training)


@torch.no_grad()
def cut_links(network: nn.Module, inputs: Tensor, labels: Tensor) -> dict:
    """How many images are right when one link of a dense block is cut, link by link.

    A link leads from a source (the block's input, or one of its layers) to the 1x1 layer of a later
    layer of the same block. Cut means: for each map of that source the 1x1 layer gets the map's
    mean over all images and places, so that it keeps the level and loses what varies.

    ``inputs`` is (N, C, H, W), ``labels`` (N,); the network is in evaluation. Returns ``images``,
    ``right`` (how many of them, uncut), and ``blocks``: for each block its links, each with
    ``source`` (0 is the block's input, 1 its first layer), ``reader`` (1 is the first layer),
    ``maps`` (how many the source made), ``right`` and ``changed``: on how many images being right
    changed, one way or the other, which is what chance can act on.
    """

    def right() -> Tensor:
        parts = [network(part).argmax(dim=1) for part in inputs.split(100)]
        return torch.cat(parts) == labels

    means: dict[nn.Module, Tensor] = {}
    readers = {
        name: [layer for layer in block.children() if isinstance(layer, DenseLayer)]
        for name, block in network.features.named_children()
        if any(isinstance(layer, DenseLayer) for layer in block.children())
    }
    everyone = [layer.conv1 for layers in readers.values() for layer in layers]
    seen = dict.fromkeys(everyone, 0)

    def add_mean(module: nn.Module, args: tuple[Tensor]) -> None:
        total = args[0].double().sum(dim=(0, 2, 3)) / args[0][0, 0].numel()
        means[module] = means.get(module, 0) + total
        seen[module] += len(args[0])

    hooks = [conv.register_forward_pre_hook(add_mean) for conv in everyone]
    try:
        uncut = right()
    finally:
        for hook in hooks:
            hook.remove()
    blocks = {}
    for name, layers in readers.items():
        handed = layers[0].conv1.in_channels
        blocks[name] = []
        for number, layer in enumerate(layers, start=1):
            edges = [0, handed]
            for made in layers[: number - 1]:
                edges.append(edges[-1] + made.conv2.out_channels)
            for source, (first, end) in enumerate(zip(edges, edges[1:], strict=False)):
                mean = (means[layer.conv1] / seen[layer.conv1]).float()[first:end, None, None]

                def cut(module: nn.Module, args: tuple[Tensor], a=first, b=end, m=mean) -> tuple:
                    x = args[0].clone()
                    x[:, a:b] = m
                    return (x,)

                hook = layer.conv1.register_forward_pre_hook(cut)
                try:
                    now = right()
                finally:
                    hook.remove()
                blocks[name].append(
                    {
                        "source": source,
                        "reader": number,
                        "maps": end - first,
                        "right": int(now.sum()),
                        "changed": int((now != uncut).sum()),
                    }
                )
    return {"images": len(labels), "right": int(uncut.sum()), "blocks": blocks}
