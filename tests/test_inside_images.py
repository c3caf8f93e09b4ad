"""What looks inside a network takes the same images, and refuses the others in the same words."""

import pytest
import torch
from torch import nn

from cnnlib.inside import (
    attribute,
    blurred,
    deconvnet,
    deletion_curve,
    feature_distances,
    insertion_curve,
    occlusion_map,
    randomised_from_top,
    transformed,
)

NETWORK = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
MAP = torch.ones(1, 2, 6, 5)

LOOKS = {
    "attribute": lambda image: attribute(NETWORK, image, 0),
    "blurred": lambda image: blurred(image, 1.0),
    "deconvnet": lambda image: deconvnet(NETWORK, image, "1"),
    "deletion_curve": lambda image: deletion_curve(NETWORK, image, 0, MAP),
    "feature_distances": lambda image: feature_distances(NETWORK, image, ["0"], "scale", [1.1]),
    "insertion_curve": lambda image: insertion_curve(NETWORK, image, 0, MAP),
    "occlusion_map": lambda image: occlusion_map(NETWORK, image, 0, size=2, stride=2),
    "randomised_from_top": lambda image: list(randomised_from_top(NETWORK, image)),
    "transformed": lambda image: transformed(image, "scale", 1.1),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_what_is_no_batch_of_images_is_refused(look):
    look(torch.rand(1, 2, 6, 5))
    for image, given in (
        ([[0.5]], "list"),
        (torch.rand(2, 6, 5), r"\(2, 6, 5\)"),
        (torch.rand(0, 2, 6, 5), r"\(0, 2, 6, 5\)"),
    ):
        with pytest.raises(ValueError, match=rf"image={given}: expected .*\(N, C, H, W\)"):
            look(image)
    with pytest.raises(ValueError, match="image of torch.uint8: expected floating point"):
        look(torch.ones(1, 2, 6, 5, dtype=torch.uint8))
