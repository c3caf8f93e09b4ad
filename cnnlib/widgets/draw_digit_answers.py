"""What the two LeNets say to a drawing, computed by torch: for the still picture.

The page computes the same with its own engine (``draw_digit_networks.js``).
"""

from typing import Any, NamedTuple

import numpy as np

from cnnlib.widgets.pictures import pack
from cnnlib.widgets.pixels import Scale

AMPLITUDE = 1.7159  # of LeNet-5's scaled tanh: no value of a map goes beyond


class Stage(NamedTuple):
    """One row of maps: its name, the layer that gives it, and (maps, rows, columns)."""

    name: str
    layer: str
    shape: tuple[int, int, int]


class Reader(NamedTuple):
    """A network that reads drawings. ``reach``: the end of its maps' scale, None for their own.

    ``cam``: the layer whose maps Grad-CAM weighs.
    """

    key: str
    stages: tuple[Stage, ...]
    cam: str
    reach: float | None


READERS = (
    Reader(
        "lenet5",
        (
            Stage("C1", "c1", (6, 28, 28)),
            Stage("S2", "s2", (6, 14, 14)),
            Stage("C3", "c3", (16, 10, 10)),
            Stage("S4", "s4", (16, 5, 5)),
        ),
        "c3",
        AMPLITUDE,
    ),
    Reader(
        "lenet_modern",
        (
            Stage("relu1", "relu1", (6, 28, 28)),
            Stage("pool1", "pool1", (6, 14, 14)),
            Stage("relu2", "relu2", (16, 10, 10)),
            Stage("pool2", "pool2", (16, 5, 5)),
        ),
        "relu2",
        None,
    ),
)
LOOKS = ("gradient", "grad_cam", "deconvnet")


def kilobytes() -> int:
    """What the page loads for both networks."""
    from cnnlib.live.site import shipped_entry

    return round(sum(shipped_entry(reader.key)["bytes"] for reader in READERS) / 1000)


def output_codes() -> np.ndarray:
    """LeNet-5's ten codes: (10, 12, 7), 1 for ink."""
    from cnnlib.models.lenet import digit_codes

    return (digit_codes().view(10, 12, 7) > 0).numpy().astype(np.uint8)


def answer(pixels: np.ndarray, look: str) -> list[dict[str, Any]]:
    """Each reader's record for the drawing that it gets, uint8 (28, 28), ready for JSON.

    ``scores`` (10 numbers), ``stages`` (bytes on a scale), ``f6`` (LeNet-5's 84 values, else None)
    and ``look``, the map of the winner: bytes on a scale, or None where the rule has no meaning.
    """
    return [_answer_of(reader, pixels, look) for reader in READERS]


def _answer_of(reader: Reader, pixels: np.ndarray, look: str) -> dict[str, Any]:
    import torch

    from cnnlib.weights import load_weights, preprocess

    network = load_weights(reader.key)
    image = preprocess(reader.key, pixels[None])
    kept = {}
    hooks = [
        network.get_submodule(layer).register_forward_hook(
            lambda part, args, out, layer=layer: kept.update({layer: out[0].numpy()})
        )
        for layer in [*(stage.layer for stage in reader.stages), *_f6(reader)]
    ]
    with torch.no_grad():
        scores = network(image)[0]
    for hook in hooks:
        hook.remove()
    stages = []
    for stage in reader.stages:
        values = kept[stage.layer]
        signed = reader.reach is not None
        stages.append(_packed(values, reader.reach if signed else float(values.max()), signed))
    found = _looked(network, image, int(scores.argmax()), reader, look)
    if found is not None:
        high, signed = float(np.abs(found).max()), look != "grad_cam"
        found = _packed(found, high, signed)
    return {
        "scores": [float(score) for score in scores],
        "stages": stages,
        "f6": [float(value) for layer in _f6(reader) for value in kept[layer].ravel()] or None,
        "look": found,
    }


def _f6(reader: Reader) -> list[str]:
    return ["f6"] if reader.key == "lenet5" else []


def _looked(network: Any, image: Any, target: int, reader: Reader, look: str) -> np.ndarray | None:
    """The map on the network's input, (32, 32)."""
    from cnnlib.inside import attribute, deconvnet

    if look == "gradient":
        found = deconvnet(network, image, "", target, rule="gradient")
    elif look == "grad_cam":
        found = attribute(network, image, target, method="grad_cam", layer=reader.cam)
    else:
        try:
            found = attribute(network, image, target, method="deconvolution")
        except ValueError:  # no rectifier lies on the way
            return None
    return found[0, 0].numpy()


def _packed(values: np.ndarray, high: float, signed: bool) -> dict[str, Any]:
    scale = Scale(-high if signed else 0.0, high, signed)
    return {"high": high, "signed": signed, **pack(scale.levels(values))}
