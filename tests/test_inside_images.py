"""What looks inside a network takes the same images, and refuses the others in the same words."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from cnnlib.inside import (
    attribute,
    blur_image,
    deconvnet,
    deletion_curve,
    insertion_curve,
    measure_distances,
    occlusion_map,
    randomised_from_top,
    transform_image,
)

NETWORK = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
MAP = torch.ones(1, 2, 6, 5)

LOOKS = {
    "attribute": lambda image: attribute(NETWORK, image, 0),
    "blur_image": lambda image: blur_image(image, 1.0),
    "deconvnet": lambda image: deconvnet(NETWORK, image, "1"),
    "deletion_curve": lambda image: deletion_curve(NETWORK, image, 0, MAP),
    "measure_distances": lambda image: measure_distances(NETWORK, image, ["0"], "scale", [1.1]),
    "insertion_curve": lambda image: insertion_curve(NETWORK, image, 0, MAP),
    "occlusion_map": lambda image: occlusion_map(NETWORK, image, 0, size=2, stride=2),
    "randomised_from_top": lambda image: list(randomised_from_top(NETWORK, image)),
    "transform_image": lambda image: transform_image(image, "scale", 1.1),
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


NUMBERS = {
    "attribute": lambda one: attribute(NETWORK, IMAGE, one),
    "deconvnet": lambda one: deconvnet(NETWORK, IMAGE, "1", one),
    "occlusion_map": lambda one: (
        occlusion_map(NETWORK, IMAGE, one, size=2, stride=2, progress=False).scores
    ),
}
IMAGE = torch.rand(1, 2, 6, 5)


@pytest.mark.parametrize("look", NUMBERS.values(), ids=NUMBERS)
def test_numbers_of_outputs_count_from_0_and_may_come_from_numpy(look):
    expected = look(1)
    for one in (np.int64(1), np.array(1), torch.tensor(1)):
        assert torch.equal(look(one), expected)
    for wrong in (-1, 3, True, 1.0, "1"):
        with pytest.raises(ValueError, match=r"(target|channel)="):
            look(wrong)


SIZED = {
    "attribute": lambda net, image: attribute(net, image, 1),
    "deconvnet": lambda net, image: deconvnet(net, image, "1", 1),
    "measure_distances": lambda net, image: (
        measure_distances(net, image, ["0"], "translation", [1]).distances
    ),
}


@pytest.mark.parametrize("look", SIZED.values(), ids=SIZED)
def test_the_image_goes_to_the_networks_number_type(look):
    expected = look(NETWORK, IMAGE)
    again = [look(NETWORK, IMAGE.double()), look(copy.deepcopy(NETWORK).double(), IMAGE)]
    assert all(torch.allclose(one.float(), expected, atol=1e-5) for one in again)
