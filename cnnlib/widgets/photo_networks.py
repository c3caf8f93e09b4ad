"""The trained networks for photographs that run in a page, and what they say of a square of one.

Every network gets the same square of a picture, in its own size and colours.
"""

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

SIDE = 227  # pixels of the square that every network gets

# Of the networks that ship, those for photographs.
TITLES = {
    "squeezenet1_1": "SqueezeNet 1.1",
    "small_lenet": "small LeNet",
    "small_alexnet": "small AlexNet",
    "small_zfnet": "small ZFNet",
    "small_nin": "small NiN",
    "small_vgg11": "small VGG-11",
    "small_googlenet": "small GoogLeNet",
    "small_inception_bn": "small Inception BN",
    "small_inception_v3": "small Inception v3",
    "small_resnet18": "small ResNet-18",
    "small_inception_resnet": "small Inception-ResNet",
    "small_squeezenet": "small SqueezeNet",
    "small_preact_resnet18": "small ResNet-18 v2",
    "small_stochastic_depth": "small Stochastic depth",
    "small_densenet": "small DenseNet",
    "small_xception": "small Xception",
    "small_resnext": "small ResNeXt",
    "small_mobilenet_v1": "small MobileNet v1",
    "small_shufflenet_v1": "small ShuffleNet v1",
    "small_se_resnet": "small SE-ResNet",
    "small_mobilenet_v2": "small MobileNet v2",
    "small_shufflenet_v2": "small ShuffleNet v2",
    "imagenette_alexnet": "Imagenette AlexNet",
    "imagenette_zfnet": "Imagenette ZFNet",
}


@cache
def network_facts(key: str) -> dict[str, Any]:
    """What the page knows of a network before it has it.

    ``how``: its preprocessing, for the square; ``macs``: multiply-adds for one picture; ``right``
    of ``tested`` photographs that were held out from its training, None where nobody counted.
    """
    from cnnlib.live.counts import multiply_adds, parameters
    from cnnlib.live.site import shipped_entry, shipped_plan
    from cnnlib.weights import WEIGHTS

    plan, record = shipped_plan(key), WEIGHTS[key]
    counted = record.accuracy is not None
    return {
        "key": key,
        "title": TITLES[key],
        "dataset": record.dataset,
        "how": plan["preprocessing"] | {"resize": plan["preprocessing"]["height"]},
        "parameters": parameters(plan),
        "macs": multiply_adds(plan),
        "bytes": shipped_entry(key)["bytes"],
        "right": round(record.accuracy * record.tested_on) if counted else None,
        "tested": record.tested_on if counted else None,
    }


def classes_of(key: str) -> tuple[str, ...]:
    """The names that a network can give."""
    from cnnlib.weights import WEIGHTS

    return WEIGHTS[key].categories


def input_of(key: str, pixels: np.ndarray) -> "torch.Tensor":
    """A square, uint8 (H, H, 3), red, green, blue, as a network gets it: (1, 3, h, w)."""
    from cnnlib.weights import WEIGHTS

    how = WEIGHTS[key].preprocessing
    return replace(how, resize=how.height).apply([pixels])


def shares_of_pixels(key: str, pixels: np.ndarray) -> np.ndarray:
    """What a network says of a square, uint8 (H, H, 3): the softmax of its scores, (classes,)."""
    import torch

    with torch.no_grad():
        return network_of(key)(input_of(key, pixels))[0].softmax(0).numpy()


@cache
def network_of(key: str) -> Any:
    """A network with its trained weights, in evaluation; loaded once."""
    from cnnlib.weights import load_weights

    return load_weights(key).eval()
