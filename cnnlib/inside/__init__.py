"""Look inside a network: what its units answer to, and what its answers rest on."""

from cnnlib.inside.deconvnet import RELU_RULES, deconvnet
from cnnlib.inside.invariance import FeatureDistances, feature_distances, transformed
from cnnlib.inside.occlusion import OcclusionMap, occlusion_map
from cnnlib.inside.removal import RemovalCurve, blurred, deletion_curve, insertion_curve
from cnnlib.inside.saliency import LAYER_METHODS, METHODS, attribute, completeness_gap
from cnnlib.inside.sanity import (
    FillComparison,
    occlusion_under_fills,
    randomised_from_top,
    rank_correlation,
)
from cnnlib.inside.top_patches import TopPatch, top_patches

__all__ = [
    "LAYER_METHODS",
    "METHODS",
    "RELU_RULES",
    "FeatureDistances",
    "FillComparison",
    "OcclusionMap",
    "RemovalCurve",
    "TopPatch",
    "attribute",
    "blurred",
    "completeness_gap",
    "deconvnet",
    "deletion_curve",
    "feature_distances",
    "insertion_curve",
    "occlusion_map",
    "occlusion_under_fills",
    "randomised_from_top",
    "rank_correlation",
    "top_patches",
    "transformed",
]
