"""Look inside a network: what its units answer to, and what its answers rest on."""

from cnnlib.inside.deconvnet import RELU_RULES, deconvnet
from cnnlib.inside.occlusion import OcclusionMap, occlusion_map
from cnnlib.inside.saliency import LAYER_METHODS, METHODS, attribute

__all__ = [
    "LAYER_METHODS",
    "METHODS",
    "RELU_RULES",
    "OcclusionMap",
    "attribute",
    "deconvnet",
    "occlusion_map",
]
