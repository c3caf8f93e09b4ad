"""Networks that look across the batch or throw dice: found, and refused by every method."""

import random
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlib.inside import OcclusionMap, occlusion_map
from cnnlib.inside.alone import check_alone, check_takes_one_image, measure_gap

torch.manual_seed(1)
IMAGE = torch.randn(1, 3, 20, 16)
IMAGE[..., :10, :] *= 4


class Toy(nn.Module):
    """A network that does something to the picture or to its maps first."""

    def __init__(self, change, where: str = "picture") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.change, self.where = change, where
        self.first, self.classify = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        if self.where == "picture":
            x = self.change(x)
        x = self.first(x)
        if self.where == "maps":
            x = self.change(x)
        x = x.relu().mean((2, 3))
        return self.classify(self.change(x) if self.where == "features" else x)


def dark_and_bright(x: Tensor) -> Tensor:
    return (x - x.min()) / (x.max() - x.min())


#: What no picture can do alone.
ACROSS = {
    "stretched between the batch's extremes": dark_and_bright,
    "by the batch's largest": lambda x: x / x.abs().max(),
    "by the batch's length": lambda x: x / x.norm(),
    "by the batch's spread": lambda x: x / x.std(),
    "from the batch's mean": lambda x: x - x.mean(0, keepdim=True),
    "from the batch's median": lambda x: x - x.median(),
    "cut at the batch's quantile": lambda x: x.clamp(max=x.quantile(0.9).item()),
    "with the batch's own statistics": lambda x: (
        (x - x.mean(0)) / (x.var(0, correction=0) + 1).sqrt()
    ),
    "softmax over the batch": lambda x: x.softmax(0),
    "normalised over the batch": lambda x: F.normalize(x, dim=0),
    "sorted over the batch": lambda x: x.sort(0)[0],
    "sorted downwards": lambda x: x.sort(0, descending=True)[0],
    "summed over the batch": lambda x: x.cumsum(0),
    "turned round": lambda x: x.flip(0),
    "shifted by one": lambda x: x.roll(1, 0),
    "from the first": lambda x: x - 0.5 * x[:1],
    "from the last": lambda x: x - 0.5 * x[-1:],
    "by the number of pictures": lambda x: x / x.shape[0],
    "otherwise with one picture": lambda x: x * (2 if len(x) == 1 else 1),
    "otherwise with an odd number": lambda x: x * (2 if len(x) % 2 else 1),
    "otherwise with many pictures": lambda x: x * (2 if len(x) > 4 else 1),
}

#: The same by a branch: what of the batch is looked at. The limit is what the picture has alone.
LOOKED_AT = {
    "mean": lambda x: x.mean(),
    "spread": lambda x: x.std(),
    "largest": lambda x: x.max(),
    "smallest": lambda x: x.min(),
    "size": lambda x: x.abs().sum(),
    "middle": lambda x: x.median(),
    "first picture's mean": lambda x: x[0].mean(),
    "last picture's mean": lambda x: x[-1].mean(),
}


def refused(network: nn.Module, message: str) -> None:
    for method in ("patches", "auto", "full"):
        with pytest.raises(ValueError, match=message):
            occlusion_map(network, IMAGE, 1, size=5, stride=3, method=method)


@pytest.mark.parametrize("name", ACROSS)
@pytest.mark.parametrize("where", ["picture", "maps", "features"])
def test_what_mixes_pictures_is_refused(name, where):
    refused(Toy(ACROSS[name], where), "what else is in the batch|differ from the full picture")


@pytest.mark.parametrize("name", LOOKED_AT)
@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("nudge", [-1e-3, 0, 1e-3])
def test_branches_on_the_batch_are_refused_or_every_picture_runs_alone(name, direction, nudge):
    look = LOOKED_AT[name]
    limit = look(IMAGE).item() * (1 + nudge)

    def change(x: Tensor) -> Tensor:
        return x * (2 if direction * look(x) > direction * limit else 1)

    right_or_refused(Toy(change))


def test_batch_normalisation_without_stored_statistics_is_refused():
    norm = nn.BatchNorm2d(4, track_running_stats=False)
    refused(Toy(norm, "maps"), "what else is in the batch")


def right_or_refused(network: nn.Module) -> None:
    for method in ("patches", "auto", "full"):
        try:
            found = occlusion_map(network, IMAGE, 1, size=5, stride=3, method=method)
        except ValueError as refusal:
            assert "what else is in the batch" in str(refusal) or method == "patches"
        else:
            assert torch.allclose(found.scores, by_themselves(network, found), rtol=1e-5)


def by_themselves(network: nn.Module, found: OcclusionMap) -> Tensor:
    scores = torch.empty_like(found.scores)
    for (i, top), (j, left) in product(enumerate(found.tops), enumerate(found.lefts)):
        covered = IMAGE.clone()
        covered[..., top : top + 5, left : left + 5] = 0
        with torch.no_grad():
            scores[0, i, j] = network(covered)[0, 1]
    return scores


class Growing(nn.Module):
    """Counts how often it ran."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        return x.mean((2, 3)) * self.runs


#: What chance has a part in.
CHANCE = {
    "active dropout": lambda x: F.dropout(x, 0.1, training=True),
    "noise": lambda x: x + 0.01 * torch.randn_like(x),
    "a rare coin": lambda x: x * (2 if torch.rand(()) < 0.02 else 1),
    "a coin of Python's": lambda x: x * (2 if random.random() < 0.02 else 1),
    "a coin of numpy's": lambda x: x * (2 if np.random.rand() < 0.02 else 1),
}


@pytest.mark.parametrize("name", CHANCE)
def test_chance_is_refused(name):
    refused(Toy(CHANCE[name], "maps"), "draws random numbers")


def test_a_state_that_grows_is_refused():
    network = Growing()
    refused(network, "another answer the second time")
    assert network.runs == 0


class OneOnly(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.view(1, -1)[:, :3]


class Asserting(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[0] == 1, "one picture, please"
        return x.mean((2, 3))


def test_networks_of_one_picture_are_refused():
    refused(OneOnly(), "no tensor with one row an image")
    refused(Asserting(), "takes one picture, .* AssertionError: one picture, please")


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x - x.mean((1, 2, 3), keepdim=True),
        lambda x: dark_and_bright(x[0])[None] if len(x) == 1 else torch.stack([*map(by_self, x)]),
        lambda x: torch.stack([2 * y if y.mean() > IMAGE.mean() else y for y in x]),
        lambda x: F.dropout(x, 0.0, training=True),
        lambda x: x.expand(len(x), *x.shape[1:]).flip(3),
    ],
)
def test_what_each_picture_does_by_itself_is_not_refused(change):
    for method in ("auto", "full"):
        found = occlusion_map(Toy(change), IMAGE, 1, size=5, stride=3, method=method)
        assert torch.allclose(found.scores, by_themselves(Toy(change), found), rtol=1e-5)


def by_self(picture: Tensor) -> Tensor:
    return dark_and_bright(picture)


def test_layers_that_are_made_in_the_first_run_are_no_chance():
    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = None

        def forward(self, x: Tensor) -> Tensor:
            if self.layer is None:
                self.layer = nn.Linear(x.shape[3], 2)
            return self.layer(x).mean((1, 2))

    network = Late()
    occlusion_map(network, IMAGE, 1, size=5, stride=3)
    assert network.layer is None


def test_company_stays_in_the_pictures_range():
    shown = []

    def ask(images: Tensor) -> list[Tensor]:
        shown.append(images.clone())
        return [images.mean((1, 2, 3))]

    fill = torch.full_like(IMAGE, 20.0)
    found = check_alone(ask, IMAGE, fill)
    assert torch.equal(found.answers[0], IMAGE.mean((1, 2, 3))) and found.seconds > 0
    values = torch.cat([batch.flatten() for batch in shown])
    assert values.min() == IMAGE.min() and values.max() == 20
    assert sorted(len(batch) for batch in shown) == [1, 1, 2, 2, 2]


def test_how_far_two_answers_are_apart():
    numbers = torch.tensor([[1.0, -100.0, 0.0]])
    assert measure_gap([numbers], [numbers]) == 0
    assert measure_gap([numbers + 0.02], [numbers]) == pytest.approx(2, rel=1e-3)  # 1e-4 of 100
    assert measure_gap([numbers + 0.02], [numbers], [10 * numbers]) == pytest.approx(0.2, rel=1e-3)
    double = numbers.double()
    assert measure_gap([double + 2e-7], [double]) == pytest.approx(2, rel=1e-3)
    strange = torch.tensor([[torch.inf, -torch.inf, torch.nan, 1.0]])
    assert measure_gap([strange], [strange]) == 0
    for changed in ([torch.inf] * 4, [torch.inf, -torch.inf, 1.0, 1.0], [torch.nan] * 4):
        assert measure_gap([torch.tensor([changed])], [strange]) == torch.inf
    assert measure_gap([numbers], [numbers[:, :2]]) == torch.inf
    assert measure_gap([torch.zeros(2)], [torch.zeros(2)]) == 0
    assert measure_gap([torch.full((2,), 1e-9)], [torch.zeros(2)]) > 1
    assert measure_gap([torch.tensor([3])], [torch.tensor([4])]) > 1
    assert measure_gap([torch.zeros(0)], [torch.zeros(0)]) == 0


def test_networks_of_more_than_one_input_are_named():
    class Mask(nn.Module):
        def forward(self, x, mask=None):
            return x

    check_takes_one_image(Mask(), "somebody")
    with pytest.raises(ValueError, match=r"somebody: Bilinear.forward takes \(input1"):
        check_takes_one_image(nn.Bilinear(2, 2, 2), "somebody")
