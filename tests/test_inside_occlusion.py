"""Occlusion maps: against captum, against brute force, and on networks that are hard to follow."""

import math
from itertools import product

import pytest
import torch
from captum.attr import Occlusion
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlib.geometry import Window, output_range, output_size
from cnnlib.inside import occlusion_map, patches
from cnnlib.layers.local_response_norm import LocalResponseNorm
from cnnlib.models import NETWORKS


def same(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> bool:
    """Equal to ``tolerance`` times the largest value."""
    scale = max(expected.abs().max().item(), 1e-6)
    return found.shape == expected.shape and (found - expected).abs().max() <= tolerance * scale


class Branched(nn.Module):
    """Branches, joins, groups, shuffles, gates, writes in place: what patches have to follow."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        dice = torch.randint(0, 2, (8,)).tolist()
        self.stem = nn.Conv2d(2, 8, (3, 5), stride=(1, 2), padding=(dice[0], 2))
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        pool = nn.MaxPool2d if dice[1] else nn.AvgPool2d
        options = {} if dice[1] else {"count_include_pad": bool(dice[2])}
        self.pool = pool(3, 2, padding=1, ceil_mode=bool(dice[3]), **options)
        self.left = nn.Conv2d(8, 6, 3, padding="same", dilation=1 + dice[4], groups=2)
        self.right = nn.Conv2d(8, 6, 1)
        self.lrn = LocalResponseNorm(3, alpha=0.5) if dice[5] else nn.LocalResponseNorm(3, 0.5)
        self.shared = nn.Conv2d(
            12, 12, 3, padding=1, padding_mode="reflect" if dice[6] else "zeros"
        )
        self.gated = bool(dice[7])
        self.gate = nn.Linear(12, 12)
        self.classify = nn.Linear(12, 5)
        for name, value in self.norm.named_buffers():
            if name.startswith("running"):
                value.uniform_(0.5, 1.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.norm(self.stem(x))))
        x = self.lrn(torch.cat([self.left(x), self.right(x)], dim=1))
        x = x + F.relu(self.shared(x), inplace=True)
        x += self.shared(x)
        n, c, h, w = x.shape
        x = x.view(n, 3, c // 3, h, w).transpose(1, 2).reshape(n, c, h, w)
        if self.gated:
            x = x * torch.sigmoid(self.gate(x.mean(dim=(2, 3))))[:, :, None, None]
        first, last = x.chunk(2, dim=1)
        x = F.pad(torch.cat([last, first.sub(0.1)], 1), (1, 0, 0, 1))[:, :, ::2, ::2]
        return self.classify(x.mean((2, 3)))


PLACES = [
    ((5, 5), (5, 5)),
    ((4, 7), (3, 2)),
    ((1, 2), (1, 2)),
    ((6, 3), (4, 3)),
    ((13, 17), (1, 1)),
]


@pytest.mark.parametrize("method", ["patches", "full"])
@pytest.mark.parametrize("seed", range(12))
def test_map_equals_captum_on_branched_networks(seed, method):
    network = Branched(seed).eval().double()
    size, stride = PLACES[seed % len(PLACES)]
    image = torch.randn(2, 2, 13, 17, dtype=torch.float64)
    found = occlusion_map(
        network, image, [3, 1], size=size, stride=stride, fill=0.5, method=method, progress=False
    )
    expected = Occlusion(network).attribute(
        image,
        (2, *size),
        (2, *stride),
        baselines=0.5,
        target=[3, 1],
        perturbations_per_eval=16,
    )
    assert same(found.attribution, expected.double(), 1e-6)  # captum's is in single precision


@pytest.mark.parametrize("key", ["small_zfnet", "small_shufflenet_v1"])
def test_scores_equal_brute_force(key):
    torch.manual_seed(0)
    network = NETWORKS[key](num_classes=7).eval()
    image, fill = torch.randn(1, 3, 64, 48), torch.randn(1, 3, 64, 48)
    found = occlusion_map(
        network, image, 2, size=(9, 6), stride=(19, 14), fill=fill, method="patches"
    )
    with torch.no_grad():
        for (i, top), (j, left) in product(enumerate(found.tops), enumerate(found.lefts)):
            covered = image.clone()
            window = (..., slice(top, top + 9), slice(left, left + 6))
            covered[window] = fill[window]
            outputs = network(covered)
            assert math.isclose(found.scores[0, i, j], outputs[0, 2], rel_tol=1e-4, abs_tol=1e-6)
            assert found.labels[0, i, j] == outputs.argmax()
            assert same(found.outputs[0, i, j], outputs[0], 1e-4)
            share = outputs.softmax(1)[0, 2]
            assert math.isclose(found.probability[0, i, j], share, rel_tol=1e-4)


@pytest.mark.parametrize("method", ["patches", "full", "auto"])
def test_activity_is_the_sum_over_the_strongest_map(method):
    network = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(inplace=True))
    network.add_module("head", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    network[0].weight.data = torch.tensor([1.0, -3.0]).view(2, 1, 1, 1)
    image = torch.arange(12.0).view(1, 1, 3, 4)
    found = occlusion_map(
        network, torch.cat([image, -image]), 0, size=2, stride=2, layer="0", method=method
    )
    assert found.channel.tolist() == [0, 1]
    assert found.clean_activity.tolist() == [66, 198]
    # Rows 0-1 and row 2 (cut off), columns 0-1 and 2-3, covered by zeros.
    assert found.activity[0].tolist() == [[66 - 10, 66 - 18], [66 - 17, 66 - 21]]
    assert found.activity[1].tolist() == [[3 * 56, 3 * 48], [3 * 49, 3 * 45]]


def test_fill_may_be_one_number_a_channel():
    network = nn.Sequential(nn.Flatten(), nn.Linear(2 * 3 * 3, 1, bias=False))
    nn.init.ones_(network[1].weight)
    found = occlusion_map(
        network, torch.zeros(1, 2, 3, 3), size=1, stride=2, fill=(1.0, 4.0), method="patches"
    )
    assert found.tops == found.lefts == (0, 2)
    assert found.scores.unique().tolist() == [5.0]
    assert found.probability is None  # with no target
    assert found.attribution[0, 0, 1, 1].isnan()


@torch.jit.script
def doubled(x: Tensor) -> Tensor:
    return x * 2


class Compiled(nn.Module):
    """Computes past torch's functions, where a patch is not seen."""

    def forward(self, x):
        return doubled(x).sum((2, 3))


class Writing(nn.Module):
    def forward(self, x):
        x = x * 1
        x[:, :, 0] = 0
        return x.sum((2, 3))


@pytest.mark.parametrize("network", [Compiled(), Writing()])
def test_what_patches_cannot_follow_runs_on_full_pictures(network):
    image = torch.rand(1, 2, 9, 11)
    options = {"size": 2, "stride": 1}
    found = occlusion_map(network, image, 1, **options)
    expected = occlusion_map(network, image, 1, method="full", **options)
    assert torch.equal(found.scores, expected.scores)
    with pytest.raises(ValueError, match="method='patches'"):
        occlusion_map(network, image, 1, method="patches", **options)


def test_crowded_blocks_are_halved(monkeypatch):
    network, image = Branched(1).eval(), torch.randn(1, 2, 13, 17)
    options = {"size": 4, "stride": 1, "method": "patches"}
    expected = occlusion_map(network, image, 0, **options)
    monkeypatch.setattr(patches, "ROOM", 10_000)
    assert same(occlusion_map(network, image, 0, **options).scores, expected.scores)


def test_module_is_left_as_it_was():
    network = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Dropout(), nn.Flatten(), nn.Linear(9, 2))
    network.train()
    network[1].eval()
    occlusion_map(network, torch.rand(1, 1, 5, 5), 0, size=2, stride=1)
    assert [part.training for part in network] == [True, False, True, True]
    assert all(not part._forward_hooks for part in network.modules())


@pytest.mark.parametrize("size", range(1, 13))
def test_reached_is_the_projective_field(size):
    for kernel, stride, padding, dilation in product(range(1, 5), (1, 2, 3), (0, 1), (1, 2)):
        window = Window(kernel, stride, min(padding, kernel // 2), dilation)
        if size + 2 * window.before < window.span:
            continue
        units = output_size(size, window)
        for length in range(1, size + 1):
            starts = range(size - length + 1)
            found, count = patches.reached(window, size, starts, length)
            assert min(found) >= 0 and max(found) + count <= units
            for start, first in zip(starts, found, strict=True):
                exact = output_range([window], size, range(start, start + length))
                assert not exact or first <= exact.start and exact.stop <= first + count


@pytest.mark.parametrize(
    "change, message",
    [
        ({"size": 0}, "size=0"),
        ({"size": (4, 99)}, "width"),
        ({"stride": (1, 2, 3)}, r"stride=\(1, 2, 3\)"),
        ({"fill": (1.0, 2.0)}, r"fill=\(1.0, 2.0\)"),
        ({"target": 9}, "target=9"),
        ({"target": None}, "target=None"),
        ({"target": [1, 2, 3]}, r"target=\[1, 2, 3\]"),
        ({"target": "cat"}, "target='cat'"),
        ({"layer": "conv9"}, "layer='conv9'"),
        ({"method": "fast"}, "method='fast'"),
        ({"image": torch.rand(3, 8, 8)}, r"image=\(3, 8, 8\)"),
        ({"image": torch.ones(1, 3, 8, 8, dtype=torch.uint8)}, "uint8"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    arguments = {"image": torch.rand(1, 3, 8, 8), "target": 0, "size": 2, "stride": 2}
    with pytest.raises(ValueError, match=message):
        occlusion_map(network, **(arguments | change))
