"""Moved pictures and how far features move: by slices, by hand, and against torch."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.inside.invariance import BATCH, measure_distances, transform_image
from cnnlib.models import build_network

IMAGE = torch.rand(2, 3, 10, 13, generator=torch.Generator().manual_seed(1))


def network() -> nn.Sequential:
    torch.manual_seed(2)
    layers = nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(4, 6, 2)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5))


# --- the picture --------------------------------------------------------------------------------


@pytest.mark.parametrize("down, right", [(0, 0), (3, 0), (-2, 0), (1, -4), (12, 0)])
def test_translation_by_whole_pixels_is_a_slice_with_fill(down, right):
    expected = torch.full_like(IMAGE, 0.5)
    for row in range(10):
        for column in range(13):
            if 0 <= row - down < 10 and 0 <= column - right < 13:
                expected[:, :, row, column] = IMAGE[:, :, row - down, column - right]
    assert torch.equal(transform_image(IMAGE, "translation", (down, right), fill=0.5), expected)
    if right == 0:
        assert torch.equal(transform_image(IMAGE, "translation", down, fill=0.5), expected)


@pytest.mark.parametrize("size", [(4, 7), (5, 6), (5, 7)])
def test_a_picture_larger_than_the_crop_moves_without_border(size):
    top, left = (10 - size[0]) // 2, (13 - size[1]) // 2
    for down, right in [(0, 0), (2, -3), (-2, 1)]:
        found = transform_image(IMAGE, "translation", (down, right), size=size, fill=9.0)
        expected = IMAGE[:, :, top - down :, left - right :][:, :, : size[0], : size[1]]
        assert torch.equal(found, expected)


def test_half_a_pixel_is_the_mean_of_two():
    found = transform_image(IMAGE, "translation", 0.5, fill=[1.0, 2.0, 3.0])
    assert torch.allclose(found[:, :, 1:], (IMAGE[:, :, 1:] + IMAGE[:, :, :-1]) / 2)
    fill = torch.tensor([1.0, 2.0, 3.0]).view(3, 1)
    assert torch.allclose(found[:, :, 0], (IMAGE[:, :, 0] + fill) / 2)


@pytest.mark.parametrize("turns", [1, 2, 3, 4, -1])
def test_rotation_by_right_angles_is_rot90(turns):
    square = IMAGE[..., :10]
    found = transform_image(square, "rotation", 90 * turns)
    assert torch.allclose(found, torch.rot90(square, turns, (2, 3)), atol=1e-6)


def test_rotation_turns_a_linear_picture_by_its_angle():
    # The picture's value is its height above the middle; turned by 30 degrees, what was up
    # points up and left.
    rows, columns = torch.meshgrid(torch.arange(9.0) - 4, torch.arange(9.0) - 4, indexing="ij")
    found = transform_image(-rows[None, None], "rotation", 30, size=5)[0, 0]
    up, left = 3**0.5 / 2, 0.5
    expected = -up * rows - left * columns
    assert torch.allclose(found, expected[2:7, 2:7], atol=1e-6)


def test_scale_is_torchs_interpolation_about_the_middle():
    for factor in (2, 3):
        large = F.interpolate(IMAGE, scale_factor=factor, mode="bilinear", align_corners=False)
        top, left = (large.shape[2] - 4) // 2, (large.shape[3] - 7) // 2
        found = transform_image(IMAGE, "scale", factor, size=(4, 7))
        if (large.shape[2] - 4) % 2 == (large.shape[3] - 7) % 2 == 0:
            assert torch.allclose(found, large[:, :, top : top + 4, left : left + 7], atol=1e-6)
    small = transform_image(IMAGE, "scale", 0.5, fill=7.0)
    assert (small[:, :, 0] == 7).all() and (small[:, :, :, :3] == 7).all()


# --- the features -------------------------------------------------------------------------------


def test_distances_are_those_of_the_layers_run_by_hand():
    net, amounts = network(), (0, 1.5, -3)
    found = measure_distances(net, IMAGE, ["0", "3", ""], "translation", amounts, fill=0.2)
    assert found.distances.shape == (3, 2, 3) and found.amounts == amounts
    for i, upto in enumerate((1, 4, 7)):
        for k, amount in enumerate(amounts):
            moved = transform_image(IMAGE, "translation", amount, fill=0.2)
            with torch.no_grad():
                # Layer 0's map before the ReLU behind it writes into it.
                step = net[:upto](moved) - net[:upto](IMAGE)
            expected = step.flatten(1).square().sum(1).sqrt()
            assert torch.allclose(found.distances[i, :, k], expected, atol=1e-6)
            if i == 2:
                with torch.no_grad():
                    chance = net(moved).softmax(1)
                assert torch.allclose(found.probabilities[:, k], chance, atol=1e-6)
    assert torch.allclose(found.clean_probabilities, found.probabilities[:, 0], atol=1e-6)
    assert (found.distances[:, :, 0] == 0).all() and (found.distances[:, :, 1:] > 0).all()


def test_between_is_the_root_mean_square_over_all_pairs_in_every_batch():
    count = BATCH + 3
    images = torch.rand(count, 3, 10, 13, generator=torch.Generator().manual_seed(3))
    net = network()
    found = measure_distances(net, images, ["3"], "scale", [1.1])
    with torch.no_grad():
        features = net[:4](images).flatten(1).double()
        moved = net[:4](transform_image(images, "scale", 1.1)).flatten(1)
    expected = torch.pdist(features).square().mean().sqrt()
    assert found.between[0].item() == pytest.approx(expected.item(), rel=1e-5)
    steps = (moved - features).norm(dim=1)
    assert torch.allclose(found.distances[0, :, 0].double(), steps, atol=1e-5)
    assert torch.allclose(found.relative[0, :, 0].double(), steps / expected, atol=1e-5)
    one = measure_distances(net, images[:1], ["3"], "scale", [1.1])
    with pytest.raises(ValueError, match="relative: expected two"):
        _ = one.relative


def test_moving_a_wave_by_its_period_moves_nothing():
    wave = torch.arange(24.0).view(1, 1, 24, 1).expand(1, 1, 24, 20).remainder(4)
    layer, amounts = nn.Conv2d(1, 2, 3), range(-6, 7)
    found = measure_distances(layer, wave, [""], "translation", amounts, size=12)
    still = [a for a, d in zip(amounts, found.distances[0, 0], strict=True) if d < 1e-6]
    assert (found.inside == 1).all() and still == [-4, 0, 4]


def test_a_layer_that_runs_twice_is_taken_as_it_runs_first():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 3, 3)

        def forward(self, x):
            return self.layer(self.layer(x))

    torch.manual_seed(5)
    net = Twice()
    found = measure_distances(net, IMAGE, ["layer"], "translation", [2])
    alone = measure_distances(net.layer, IMAGE, [""], "translation", [2])
    assert torch.equal(found.distances, alone.distances)


def test_inside_counts_the_pixels_that_come_from_the_picture():
    found = measure_distances(network(), IMAGE, ["0"], "translation", [0, 1, (0, 13), 10])
    assert found.inside.tolist() == pytest.approx([1, 0.9, 0, 0])
    found = measure_distances(network(), IMAGE, ["0"], "translation", [0, 1, -3], size=6)
    assert found.inside.tolist() == pytest.approx([1, 1, 5 / 6])


def test_the_module_is_left_as_it_was():
    net = network().train()
    measure_distances(net, IMAGE, ["1"], "rotation", [10])
    assert net.training and not any(m._forward_hooks for m in net.modules())


def test_maps_without_classes_have_no_probabilities():
    found = measure_distances(nn.Conv2d(3, 2, 3), IMAGE, [""], "rotation", [5])
    assert found.probabilities is None and found.clean_probabilities is None


@pytest.mark.parametrize("key", ["small_squeezenet", "small_resnet18", "small_vgg11"])
def test_whole_networks_answer(key):
    net = build_network(key, 7)
    images = torch.rand(2, 3, 70, 66, generator=torch.Generator().manual_seed(4))
    layer = next(name for name, m in net.named_modules() if isinstance(m, nn.Conv2d))
    found = measure_distances(net, images, [layer, ""], "rotation", [0, 20], size=64)
    assert (found.distances[:, :, 0] == 0).all() and (found.distances[:, :, 1] > 0).all()
    assert found.probabilities.shape == (2, 2, 7)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"image": IMAGE[0]}, r"image=\(3, 10, 13\)"),
        ({"image": (255 * IMAGE).byte()}, "torch.uint8"),
        ({"image": [1]}, "image=list"),
        ({"layers": []}, r"layers=\(\)"),
        ({"layers": ["x"]}, "layer='x'"),
        ({"amounts": []}, r"amounts=\(\)"),
        ({"transform": "shear"}, "transform='shear'"),
        ({"transform": "scale", "amounts": [1, 0]}, "amount=0: expected a factor above 0"),
        ({"transform": "rotation", "amounts": [(1, 2)]}, r"amount=\(1, 2\)"),
        ({"amounts": ["far"]}, "amount='far'"),
        ({"amounts": [float("nan")]}, "amount=nan"),
        ({"amounts": [(1, 2, 3)]}, r"amount=\(1, 2, 3\)"),
        ({"size": 11}, "size=11"),
        ({"size": (4, 5, 6)}, r"size=\(4, 5, 6\)"),
        ({"size": 2.5}, "size=2.5"),
        ({"size": True}, "size=True"),
        ({"fill": [1.0, 2.0]}, r"fill=\[1.0, 2.0\]"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    given = {"image": IMAGE, "layers": ["0"], "transform": "translation", "amounts": [1]} | change
    with pytest.raises(ValueError, match=message):
        measure_distances(network(), **given)


def test_a_layer_that_does_not_run_or_gives_no_features_is_named():
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused, self.pair = (
                nn.Conv2d(3, 2, 1),
                nn.ReLU(),
                nn.MaxPool2d(2, return_indices=True),
            )

        def forward(self, x):
            return self.pair(self.used(x))

    for layer, message in (("unused", "does not run it"), ("pair", "gives a tensor")):
        with pytest.raises(ValueError, match=f"layer='{layer}'.*{message}"):
            measure_distances(Odd(), IMAGE, [layer], "rotation", [1])
    found = measure_distances(Odd(), IMAGE, ["used"], "rotation", [1])
    assert found.probabilities is None
