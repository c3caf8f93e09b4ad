"""Layers written to be read: each does what its paper says, and a test holds it to that."""

from cnnlib.layers.batch_norm import BatchNorm2d
from cnnlib.layers.channel_shuffle import ChannelShuffle
from cnnlib.layers.convolution import (
    conv2d_fft,
    conv2d_im2col,
    conv2d_loops,
    conv2d_toeplitz,
    im2col,
    toeplitz_matrix,
)
from cnnlib.layers.convolution_backward import conv2d_backward
from cnnlib.layers.euclidean_rbf import EuclideanRBF
from cnnlib.layers.factorisation import Factors, factorise, factorised_layers, rank_one
from cnnlib.layers.gated_convolution import GatedConv2d
from cnnlib.layers.initialisation import he_normal_, uniform_by_fan_in_
from cnnlib.layers.inverted_dropout import InvertedDropout
from cnnlib.layers.local_response_norm import LocalResponseNorm
from cnnlib.layers.pad_shortcut import PadShortcut
from cnnlib.layers.pooling import (
    avg_pool2d,
    avg_pool2d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)
from cnnlib.layers.scaled_tanh import ScaledTanh
from cnnlib.layers.squeeze_excite import SqueezeExcite
from cnnlib.layers.stem import Stem, halving_stem, large_stem, small_stem
from cnnlib.layers.stochastic_depth import StochasticDepth
from cnnlib.layers.subsampling import Subsampling
from cnnlib.layers.table_conv2d import TableConv2d
from cnnlib.layers.transposed_convolution import (
    conv_transpose2d_matrix,
    conv_transpose2d_stuffed,
)

__all__ = [
    "BatchNorm2d",
    "ChannelShuffle",
    "EuclideanRBF",
    "Factors",
    "GatedConv2d",
    "InvertedDropout",
    "LocalResponseNorm",
    "PadShortcut",
    "ScaledTanh",
    "SqueezeExcite",
    "Stem",
    "StochasticDepth",
    "Subsampling",
    "TableConv2d",
    "avg_pool2d",
    "avg_pool2d_backward",
    "conv2d_backward",
    "conv2d_fft",
    "conv2d_im2col",
    "conv2d_loops",
    "conv2d_toeplitz",
    "conv_transpose2d_matrix",
    "conv_transpose2d_stuffed",
    "factorise",
    "factorised_layers",
    "global_avg_pool2d",
    "global_avg_pool2d_backward",
    "halving_stem",
    "he_normal_",
    "im2col",
    "large_stem",
    "max_pool2d",
    "max_pool2d_backward",
    "rank_one",
    "small_stem",
    "toeplitz_matrix",
    "uniform_by_fan_in_",
]
