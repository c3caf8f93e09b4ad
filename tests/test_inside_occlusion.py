"""Occlusion maps: against captum, against brute force, and on networks that are hard to follow."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlib.geometry import Window, output_range, output_size
from cnnlib.inside import incremental, occlusion, occlusion_map, patches
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


@pytest.mark.parametrize("method", ["patches", "full"])
@pytest.mark.parametrize("seed", range(4))
def test_activity_of_a_named_map_falls_as_captum_says(seed, method):
    network = Branched(seed).eval().double()
    image = torch.randn(2, 2, 13, 17, dtype=torch.float64)

    def map_sums(x: Tensor) -> Tensor:
        return network.norm(network.stem(x)).sum((2, 3))

    found = occlusion_map(
        network, image, 0, size=(4, 3), stride=(3, 2), layer="norm", channel=[6, 1], method=method
    )
    assert found.channel.tolist() == [6, 1]
    assert same(found.clean_activity, map_sums(image)[[0, 1], [6, 1]])
    expected = Occlusion(map_sums).attribute(image, (2, 4, 3), (2, 3, 2), target=[6, 1])
    pixels = found.per_pixel(found.activity, found.clean_activity)
    assert same(pixels, expected.double(), 1e-6)


def test_one_map_may_be_named_for_all_images():
    network, image = Branched(1).eval(), torch.randn(3, 2, 13, 17)
    options = {"size": 4, "stride": 3, "layer": "norm", "method": "full"}
    strongest = occlusion_map(network, image, 0, **options)
    again = occlusion_map(network, image, 0, **options, channel=strongest.channel)
    assert torch.equal(again.activity, strongest.activity)
    for one in (5, np.int64(5), torch.tensor(5), (5, 5, 5)):
        found = occlusion_map(network, image, 0, **options, channel=one)
        assert found.channel.tolist() == [5, 5, 5]
        assert torch.equal(found.scores, strongest.scores)


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


class Hidden(nn.Module):
    """Computes past torch's Python functions, where a patch is not seen."""

    def forward(self, x):
        return torch.vmap(lambda picture: 2 * picture)(x).sum((2, 3))


class Writing(nn.Module):
    def forward(self, x):
        x = x * 1
        x[:, :, 0] = 0
        return x.sum((2, 3))


@pytest.mark.parametrize(
    "network, why", [(Hidden(), "past torch's Python functions"), (Writing(), "setitem writes")]
)
def test_what_patches_cannot_follow_runs_on_full_pictures(network, why):
    image = torch.rand(1, 2, 9, 11)
    options = {"size": 2, "stride": 1}
    found = occlusion_map(network, image, 1, **options)
    assert found.method == "full" and why in found.reason and why in repr(found)
    expected = occlusion_map(network, image, 1, method="full", **options)
    assert (expected.method, expected.reason) == ("full", "as asked")
    assert torch.equal(found.scores, expected.scores)
    with pytest.raises(ValueError, match=f"method='patches': .*{why}"):
        occlusion_map(network, image, 1, method="patches", **options)


class Broken(nn.Module):
    """Has an error of its own, which full pictures do not show."""

    def forward(self, x):
        return x.sum((2, 3)) if type(x) is Tensor else x.no_such_thing


def test_an_error_of_the_network_is_no_reason_to_fall_back():
    with pytest.raises(AttributeError, match="no_such_thing"):
        occlusion_map(Broken(), torch.rand(1, 2, 9, 11) + 1, 1, size=2, stride=1)


class Posing(nn.Module):
    """Another network where it meets a patch: all that is computed from patches is wrong."""

    def forward(self, x):
        return x.sum((2, 3)) * (1 if type(x) is Tensor else self.factor)


@pytest.mark.parametrize("factor", [2.0, 1.001])
def test_a_place_of_each_block_is_checked(factor):
    network, image = Posing(), torch.rand(1, 2, 9, 11)
    network.factor = factor
    found = occlusion_map(network, image, 1, size=2, stride=1)
    assert found.method == "full" and "they differ from the full picture" in found.reason
    expected = occlusion_map(network, image, 1, size=2, stride=1, method="full")
    assert torch.equal(found.scores, expected.scores)
    with pytest.raises(
        ValueError, match=r"method='patches': at place \(0, 0\) of image 0 they dif"
    ):
        occlusion_map(network, image, 1, size=2, stride=1, method="patches")


class PosingAt(nn.Module):
    """Another network where it meets a certain block of patches."""

    def __init__(self, block: int) -> None:
        super().__init__()
        self.block, self.runs = block, 0

    def forward(self, x):
        if type(x) is Tensor:
            return x.sum((2, 3))
        self.runs += 1
        return x.sum((2, 3)) * (2 if self.runs == self.block else 1)


@pytest.mark.parametrize("block", [1, 4])
def test_the_last_block_is_checked_as_the_first(block):
    options = {"size": 2, "stride": 1, "method": "patches"}  # 8 x 10 places: 2 x 2 blocks
    with pytest.raises(ValueError, match="differ from the full picture"):
        occlusion_map(PosingAt(block), torch.rand(1, 2, 9, 11), 1, **options)
    occlusion_map(PosingAt(5), torch.rand(1, 2, 9, 11), 1, **options)


def test_all_parts_of_blocks_have_their_turn_in_checks():
    seen = []

    class Watching(nn.Module):
        def forward(self, x):
            if type(x) is Tensor and len(x) == 1 and (x == 0).any():
                seen.append(tuple(np.argwhere(np.asarray(x)[0, 0] == 0)[0]))
            return x.sum((2, 3))

    image = torch.rand(1, 1, 32, 32) + 1
    occlusion_map(Watching(), image, 0, size=1, stride=1, method="patches")
    assert len(seen) == len(set(seen)) == 16
    assert len({(row % 8, column % 8) for row, column in seen}) == 16


def test_full_pictures_where_they_are_quicker(monkeypatch):
    network, image = Branched(1).eval(), torch.randn(1, 2, 13, 17)
    expected = occlusion_map(network, image, 0, size=4, stride=1, method="full")
    for slow, method, reason in (
        (0.0, "patches", "quicker than full pictures"),
        (9.0, "both", "full pictures were quicker than patches"),
    ):
        monkeypatch.setattr(occlusion.Scan, "_slower", lambda self, costs, slow=slow: slow > 1)
        found = occlusion_map(network, image, 0, size=4, stride=1)
        assert (found.method, found.reason) == (method, reason)
        assert same(found.scores, expected.scores)


def test_one_place_alone_runs_on_the_full_picture():
    network, image = Branched(1).eval(), torch.randn(1, 2, 13, 17)
    found = occlusion_map(network, image, 0, size=(13, 17), stride=9, method="patches")
    assert (found.method, found.reason) == ("full", "there is only one place")
    with torch.no_grad():
        assert same(found.outputs[0, 0], network(torch.zeros_like(image)))


def test_outputs_are_kept_where_they_are_small_or_asked_for(monkeypatch):
    network, image = Branched(1).eval(), torch.randn(1, 2, 13, 17)
    options = {"size": 4, "stride": 3, "method": "full"}
    kept = occlusion_map(network, image, 0, **options)
    assert kept.outputs.shape == (1, 4, 6, 5)  # the last cover sticks out on both axes
    with pytest.raises(ValueError, match=r"outputs: not kept, .*outputs=True"):
        _ = occlusion_map(network, image, 0, **options, outputs=False).outputs
    monkeypatch.setattr(occlusion, "KEPT", kept.outputs.nbytes - 1)
    left_out = occlusion_map(network, image, 0, **options)
    with pytest.raises(ValueError, match="outputs: not kept"):
        _ = left_out.outputs
    assert torch.equal(left_out.scores, kept.scores)
    asked = occlusion_map(network, image, 0, **options, outputs=True)
    assert torch.equal(asked.outputs, kept.outputs)


def test_whole_numbers_may_be_numpys_or_tensors():
    network, image = Branched(1).eval(), torch.randn(2, 2, 13, 17)
    expected = occlusion_map(network, image, [2, 1], size=(4, 3), stride=3, method="full")
    for target in (np.array([2, 1]), torch.tensor([2, 1]), [np.int64(2), torch.tensor(1)]):
        found = occlusion_map(
            network,
            image,
            target,
            size=np.array([4, 3]),
            stride=np.int64(3),
            fill=np.zeros(2),
            method="full",
        )
        assert torch.equal(found.scores, expected.scores)
    for one in (np.int64(2), torch.tensor(2), np.array([2]), np.array(2), (2,)):
        found = occlusion_map(network, image[:1], one, size=4, stride=3, method="full")
        assert torch.equal(found.clean_scores, expected.clean_scores[:1])


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_the_image_follows_the_network_and_is_left_as_it_was(kind):
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(1, 2, 3), nn.Flatten())
    network = nn.Sequential(network, nn.Linear(2 * 7 * 5, 3)).to(kind)
    image = torch.randn(1, 1, 9, 7)
    kept = image.clone()
    for method in ("patches", "full"):
        found = occlusion_map(network, image, 0, size=3, stride=2, method=method)
        assert found.scores.dtype == kind
        assert torch.equal(image, kept)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no second device")
def test_the_image_follows_the_network_to_its_device():
    network, image = Branched(1).eval(), torch.randn(1, 2, 13, 17)
    expected = occlusion_map(network, image, 0, size=4, stride=3)
    for method in ("patches", "full", "auto"):
        found = occlusion_map(network.cuda(), image, 0, size=4, stride=3, method=method)
        assert found.scores.device.type == "cuda"
        assert same(found.scores.cpu(), expected.scores, 5e-3)


def test_wrapped_networks_are_unwrapped_and_inference_mode_is_no_hindrance():
    network, image = Branched(1).eval(), torch.randn(1, 2, 13, 17)
    expected = occlusion_map(network, image, 0, size=4, stride=3, layer="norm")
    with torch.inference_mode():
        found = occlusion_map(
            nn.DataParallel(network), image.clone(), 0, size=4, stride=3, layer="norm"
        )
    assert same(found.scores, expected.scores)
    assert same(found.activity, expected.activity)


def test_crowded_blocks_are_halved(monkeypatch):
    network, image = Branched(1).eval(), torch.randn(1, 2, 13, 17)
    options = {"size": 4, "stride": 1, "method": "patches"}
    expected = occlusion_map(network, image, 0, **options)
    for room in (10_000, 30):  # for a few places, and for less than two
        monkeypatch.setattr(incremental, "ROOM", room)
        found = occlusion_map(network, image, 0, **options)
        assert same(found.scores, expected.scores)
        assert found.method == ("patches" if room > 30 else "both")


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
            found, count = patches.find_reached(window, size, starts, length)
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
        ({"target": -1}, "target=-1: expected 0 or more"),
        ({"target": True}, "target=True"),
        ({"target": 1.0}, "target=1.0"),
        ({"target": (1, 0)}, r"target=\(1, 0\)"),
        ({"size": np.array([2, 2, 2])}, "size=array"),
        ({"stride": 2.0}, "stride=2.0"),
        ({"target": None}, "target=None"),
        ({"target": [1, 2, 3]}, r"target=\[1, 2, 3\]"),
        ({"target": "cat"}, "target='cat'"),
        ({"layer": "conv9"}, "layer='conv9'"),
        ({"channel": 1}, "channel=1: expected layer="),
        ({"layer": "0", "channel": 4}, "channel=4: .*the layer's 4, a number from 0 to 3"),
        ({"layer": "0", "channel": -1}, "channel=-1: expected 0 or more"),
        ({"layer": "0", "channel": [1, 2]}, r"channel=\[1, 2\]: .*one an image"),
        ({"layer": "0", "channel": [(1, 2)]}, r"channel=\[\(1, 2\)\]: expected one number"),
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


class Pair(nn.Module):
    def forward(self, first, second):
        return (first - second).sum((2, 3))


class Keyword(nn.Module):
    def forward(self, *, image):
        return image.sum((2, 3))


class Two(nn.Module):
    def forward(self, x):
        return x.sum((2, 3)), x.mean((2, 3))


@pytest.mark.parametrize(
    "network, message",
    [
        (Pair(), r"occlusion_map: Pair.forward takes \(first, second\)"),
        (Keyword(), r"occlusion_map: Keyword.forward takes \(\*, image\)"),
        (Two(), "the network gives no tensor"),
        (torch.jit.script(nn.ReLU()), "occlusion_map: .* scripted"),
        (nn.Conv2d, "occlusion_map: Conv2d is a class"),
    ],
)
def test_networks_that_do_not_fit_are_refused(network, message):
    with pytest.raises(ValueError, match=message):
        occlusion_map(network, torch.rand(1, 3, 8, 8), 0, size=2, stride=2)
