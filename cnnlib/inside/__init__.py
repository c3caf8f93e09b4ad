"""Look inside a network: what its units answer to, and what its answers rest on."""

from cnnlib.inside.adversarial import AdversarialStep, adversarial_walk
from cnnlib.inside.class_picture import class_picture
from cnnlib.inside.correspondence import Correspondence, measure_correspondence
from cnnlib.inside.deconvnet import RELU_RULES, deconvnet
from cnnlib.inside.invariance import FeatureDistances, measure_distances, transform_image
from cnnlib.inside.occlusion import OcclusionMap, occlusion_map
from cnnlib.inside.removal import RemovalCurve, blur_image, deletion_curve, insertion_curve
from cnnlib.inside.saliency import LAYER_METHODS, METHODS, attribute, measure_completeness_gap
from cnnlib.inside.sanity import (
    FillComparison,
    occlusion_under_fills,
    randomised_from_top,
    rank_correlation,
)
from cnnlib.inside.smoothgrad import smoothgrad
from cnnlib.inside.top_patches import TopPatch, top_patches

__all__ = [
    "LAYER_METHODS",
    "METHODS",
    "RELU_RULES",
    "AdversarialStep",
    "Correspondence",
    "FeatureDistances",
    "FillComparison",
    "OcclusionMap",
    "RemovalCurve",
    "TopPatch",
    "adversarial_walk",
    "attribute",
    "blur_image",
    "class_picture",
    "deconvnet",
    "deletion_curve",
    "insertion_curve",
    "measure_completeness_gap",
    "measure_correspondence",
    "measure_distances",
    "occlusion_map",
    "occlusion_under_fills",
    "randomised_from_top",
    "rank_correlation",
    "smoothgrad",
    "top_patches",
    "transform_image",
]
