"""Layers written to be read: each does what its paper says, and a test holds it to that."""

from cnnlib.layers.batch_norm import BatchNorm2d
from cnnlib.layers.channel_shuffle import ChannelShuffle
from cnnlib.layers.euclidean_rbf import EuclideanRBF
from cnnlib.layers.initialisation import he_normal_, uniform_by_fan_in_
from cnnlib.layers.inverted_dropout import InvertedDropout
from cnnlib.layers.local_response_norm import LocalResponseNorm
from cnnlib.layers.pad_shortcut import PadShortcut
from cnnlib.layers.scaled_tanh import ScaledTanh
from cnnlib.layers.squeeze_excite import SqueezeExcite
from cnnlib.layers.stochastic_depth import StochasticDepth
from cnnlib.layers.subsampling import Subsampling
from cnnlib.layers.table_conv2d import TableConv2d

__all__ = [
    "BatchNorm2d",
    "ChannelShuffle",
    "EuclideanRBF",
    "InvertedDropout",
    "LocalResponseNorm",
    "PadShortcut",
    "ScaledTanh",
    "SqueezeExcite",
    "StochasticDepth",
    "Subsampling",
    "TableConv2d",
    "he_normal_",
    "uniform_by_fan_in_",
]
