"""The networks, one paper to a file, in order of history.

``MODELS`` maps a key to the constructor that builds the network with fresh weights, at its paper's
size. ``SMALL`` has the small form of every family, for 64x64 colour images: the same parts with
other numbers, 0.1 to 3 million parameters. Each is called by its constructor's name, such as
``small_vgg11``, and takes ``num_classes``. ``NETWORKS`` is both together.

The order is that of the first preprint or, where there was none before it, of the paper. A later
variant stands beside the network it varies.
"""

from collections.abc import Callable
from inspect import signature

from torch import nn

from cnnlib.models.alexnet import alexnet, alexnet_one_column, imagenette_alexnet, small_alexnet
from cnnlib.models.densenet import (
    densenet121,
    densenet161,
    densenet169,
    densenet201,
    small_densenet,
)
from cnnlib.models.googlenet import googlenet, small_googlenet
from cnnlib.models.inception_bn import inception_bn, small_inception_bn
from cnnlib.models.inception_v3 import inception_v3, small_inception_v3
from cnnlib.models.inception_v4 import inception_resnet_v2, inception_v4, small_inception_resnet
from cnnlib.models.lenet import LeNet5, ModernLeNet, small_lenet
from cnnlib.models.mobilenet_v1 import mobilenet_v1, small_mobilenet_v1
from cnnlib.models.mobilenet_v2 import mobilenet_v2, small_mobilenet_v2
from cnnlib.models.nin import nin, nin_cifar, small_nin
from cnnlib.models.resnet import (
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    small_resnet18,
)
from cnnlib.models.resnet_v2 import (
    preact_resnet18,
    preact_resnet50,
    preact_resnet101,
    preact_resnet152,
    small_preact_resnet18,
)
from cnnlib.models.resnext import resnext50_32x4d, resnext101_32x4d, small_resnext
from cnnlib.models.senet import se_resnet50, se_resnext50_32x4d, small_se_resnet
from cnnlib.models.shufflenet_v1 import shufflenet_v1, small_shufflenet_v1
from cnnlib.models.shufflenet_v2 import shufflenet_v2, small_shufflenet_v2
from cnnlib.models.squeezenet import small_squeezenet, squeezenet1_0, squeezenet1_1
from cnnlib.models.stochastic_depth import small_stochastic_depth, stochastic_depth110
from cnnlib.models.vgg import small_vgg11, vgg11, vgg13, vgg16, vgg16_c, vgg19
from cnnlib.models.xception import small_xception, xception
from cnnlib.models.zfnet import imagenette_zfnet, small_zfnet, zfnet, zfnet_wide

MODELS: dict[str, Callable[..., nn.Module]] = {
    "lenet5": LeNet5,  # 1998
    "lenet_modern": ModernLeNet,
    "alexnet": alexnet,  # 2012
    "alexnet_one_column": alexnet_one_column,
    "zfnet": zfnet,  # November 2013
    "zfnet_wide": zfnet_wide,
    "nin": nin,  # December 2013
    "nin_cifar": nin_cifar,
    "vgg11": vgg11,  # 4 September 2014
    "vgg13": vgg13,
    "vgg16": vgg16,
    "vgg16_c": vgg16_c,
    "vgg19": vgg19,
    "googlenet": googlenet,  # 17 September 2014
    "inception_bn": inception_bn,  # February 2015
    "inception_v3": inception_v3,  # 2 December 2015
    "resnet18": resnet18,  # 10 December 2015
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "resnet152": resnet152,
    "inception_v4": inception_v4,  # 23 February 2016
    "inception_resnet_v2": inception_resnet_v2,
    "squeezenet1_0": squeezenet1_0,  # 24 February 2016
    "squeezenet1_1": squeezenet1_1,
    "preact_resnet18": preact_resnet18,  # 16 March 2016
    "preact_resnet50": preact_resnet50,
    "preact_resnet101": preact_resnet101,
    "preact_resnet152": preact_resnet152,
    "stochastic_depth110": stochastic_depth110,  # 30 March 2016
    "densenet121": densenet121,  # August 2016
    "densenet169": densenet169,
    "densenet201": densenet201,
    "densenet161": densenet161,
    "xception": xception,  # October 2016
    "resnext50_32x4d": resnext50_32x4d,  # November 2016
    "resnext101_32x4d": resnext101_32x4d,
    "mobilenet_v1": mobilenet_v1,  # April 2017
    "shufflenet_v1": shufflenet_v1,  # July 2017
    "se_resnet50": se_resnet50,  # September 2017
    "se_resnext50_32x4d": se_resnext50_32x4d,
    "mobilenet_v2": mobilenet_v2,  # January 2018
    "shufflenet_v2": shufflenet_v2,  # July 2018
}

SMALL: dict[str, Callable[..., nn.Module]] = {
    network.__name__: network
    for network in (
        small_lenet,  # 1998
        small_alexnet,  # 2012
        small_zfnet,  # 2013
        small_nin,
        small_vgg11,  # 2014
        small_googlenet,
        small_inception_bn,  # 2015
        small_inception_v3,
        small_resnet18,
        small_inception_resnet,  # 2016
        small_squeezenet,
        small_preact_resnet18,
        small_stochastic_depth,
        small_densenet,
        small_xception,
        small_resnext,
        small_mobilenet_v1,  # 2017
        small_shufflenet_v1,
        small_se_resnet,
        small_mobilenet_v2,  # 2018
        small_shufflenet_v2,
    )
}

# For looking into: trained on photographs of 128x128, with the paper's first layer and strides.
INSIDE: dict[str, Callable[..., nn.Module]] = {
    "imagenette_alexnet": imagenette_alexnet,
    "imagenette_zfnet": imagenette_zfnet,
}

NETWORKS: dict[str, Callable[..., nn.Module]] = MODELS | SMALL | INSIDE


def build_network(key: str, num_classes: int, **options) -> nn.Module:
    """Network ``key`` with fresh weights and so many outputs.

    LeNet-5 has the ten that its targets are drawn for, whatever ``num_classes`` says.
    Raises ``ValueError`` for an unknown key.
    """
    if key not in NETWORKS:
        raise ValueError(f"unknown key {key!r}; known: {', '.join(NETWORKS)}")
    network = NETWORKS[key]
    if "num_classes" in signature(network).parameters:
        options["num_classes"] = num_classes
    return network(**options)


__all__ = ["INSIDE", "MODELS", "NETWORKS", "SMALL", "LeNet5", "ModernLeNet", "build_network"]
