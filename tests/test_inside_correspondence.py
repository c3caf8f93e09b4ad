"""Whether a covered part changes different pictures alike: by hand, and layer by layer."""

from itertools import combinations

import pytest
import torch
from torch import nn

from cnnlib.inside import measure_correspondence
from cnnlib.models import build_network

IMAGE = torch.rand(3, 2, 7, 9, generator=torch.Generator().manual_seed(1))
PLACES = torch.tensor([[[1, 1], [3, 4], [5, 7]], [[2, 2], [2, 2], [2, 2]]])  # two covers of each


class HalfSums(nn.Module):
    """Four numbers: the sum of the left half, of the right, of all, and minus the left."""

    def forward(self, x):
        left, right = x[..., :4].sum(dim=(1, 2, 3)), x[..., 4:].sum(dim=(1, 2, 3))
        return torch.stack([left, right, left + right, -left], dim=1)


def test_a_case_by_hand():
    # Two pictures of ones. Covered by 0 on the left half, the features change by + 0 + -; on the
    # right half by 0 + + 0. So the first cover, on the left in both, changes both alike. The second
    # is on the left in one and on the right in the other: three of four signs differ.
    image = torch.ones(2, 1, 4, 8)
    places = torch.tensor([[[1, 1], [2, 2]], [[1, 1], [1, 6]]])
    found = measure_correspondence(HalfSums(), image, [""], places, size=2)
    assert found.pairs == ((0, 1),) and found.layers == ("",)
    assert found.distances.tolist() == [[[0.0], [0.75]]]
    assert found.changed.tolist() == [[[0.75, 0.75], [0.75, 0.5]]]
    # Dealt by lot: the left cover's signs are half +, a quarter 0, a quarter -; the right one's
    # half + and half 0. They agree with chance 1/4 + 1/16 + 1/16, and 1/4 + 1/8.
    assert found.expected.tolist() == [[[0.625], [0.625]]]


def test_a_cover_that_adds_changes_the_sign_and_two_that_differ_in_all_have_distance_1():
    image = torch.stack([torch.ones(1, 4, 8), -torch.ones(1, 4, 8)])
    found = measure_correspondence(HalfSums(), image, [""], [[[1, 4], [1, 4]]], size=2)
    assert found.distances.tolist() == [[[1.0]]] and found.changed.tolist() == [[[1.0, 1.0]]]


def test_the_cover_lies_around_its_middle_and_holds_the_fill():
    pictures = []

    class Keep(nn.Module):
        def forward(self, x):
            pictures.append(x.clone())
            return x

    fill = (0.5, -2.0)
    measure_correspondence(Keep(), IMAGE, [""], PLACES[:1], size=3, fill=fill)
    expected = IMAGE.clone()
    for k, (row, column) in enumerate(PLACES[0].tolist()):
        for channel, value in enumerate(fill):
            expected[k, channel, row - 1 : row + 2, column - 1 : column + 2] = value
    assert torch.equal(pictures[0], IMAGE) and torch.equal(pictures[1], expected)
    pictures.clear()
    measure_correspondence(Keep(), IMAGE, [""], [[[2, 2], [2, 5], [6, 8]]], size=2)
    assert (pictures[1][2, :, 5:7, 7:9] == 0).all() and (
        pictures[1][2, :, 4] == IMAGE[2, :, 4]
    ).all()


def test_distances_are_those_of_the_layers_run_by_hand():
    torch.manual_seed(2)
    net = nn.Sequential(nn.Conv2d(2, 5, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(175, 6))
    found = measure_correspondence(net, IMAGE, ["0", "1", ""], PLACES, size=2)
    assert found.distances.shape == found.expected.shape == (3, 2, 3)
    for i, upto in enumerate((1, 2, 4)):
        for d in range(2):
            covered = IMAGE.clone()
            for k, (row, column) in enumerate(PLACES[d].tolist()):
                covered[k, :, row - 1 : row + 1, column - 1 : column + 1] = 0
            with torch.no_grad():
                change = (net[:upto](IMAGE) - net[:upto](covered)).flatten(1).sign().tolist()
            for p, (a, b) in enumerate(combinations(range(3), 2)):
                unlike = sum(s != t for s, t in zip(change[a], change[b], strict=True))
                assert found.distances[i, d, p].item() == pytest.approx(unlike / len(change[a]))
                # by lot: every sign of one meets every sign of the other equally often
                meet = sum(s != t for s in change[a] for t in change[b]) / len(change[a]) ** 2
                assert found.expected[i, d, p].item() == pytest.approx(meet, abs=1e-6)


def test_the_network_is_left_as_it_was_and_runs_in_evaluation():
    net = build_network("imagenette_zfnet", 10).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(4))
    places = [[[40, 50], [60, 70]]]
    found = [
        measure_correspondence(net, images, ["relu5", "relu7"], places, size=24) for _ in range(2)
    ]
    assert torch.equal(found[0].distances, found[1].distances)  # no dropout
    assert net.training and all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert 0 < found[0].distances.min() and found[0].distances.max() < 1


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"image": IMAGE[:1]}, "1 pictures, .*expected two or more"),
        ({"image": IMAGE[0]}, r"image=\(2, 7, 9\): expected a tensor of shape"),
        ({"layers": []}, r"layers=\(\): expected two or more, and one"),
        ({"layers": ["conv9"]}, "layer='conv9': expected the name of a module"),
        ({"size": 0}, "size=0: expected"),
        ({"places": PLACES.float()}, r"places=\(2, 3, 2\) of torch.float32: expected whole"),
        ({"places": PLACES[:, :2]}, r"places=\(2, 2, 2\).*in the shape \(D, 3, 2\)"),
        ({"places": PLACES[:0]}, r"places=\(0, 3, 2\)"),
        ({"places": "nose"}, r"places=\(0,\)"),
        ({"places": PLACES, "size": 4}, "row 1 with size=4 .*expected rows from 2 to 5"),
        ({"places": PLACES + torch.tensor([1, 1])}, "row 6 with .*expected rows from 1 to 5"),
        ({"places": [[[3, 8], [3, 3], [3, 3]]]}, "column 8 with .*expected columns from 1 to 7"),
        ({"fill": (1.0, 2.0, 3.0)}, "fill=.*: expected a number, one for each of 2 channels"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU())
    given = {"image": IMAGE, "layers": ["0"], "places": PLACES, "size": 3, "fill": 0.0} | changes
    first = [given.pop(name) for name in ("image", "layers", "places")]
    with pytest.raises(ValueError, match=message):
        measure_correspondence(net, *first, **given)
