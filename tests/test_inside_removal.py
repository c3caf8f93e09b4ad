"""Insertion and deletion: a net whose curve can be written out."""

import math
from queue import SimpleQueue

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlib.inside.removal import ORDERS, blur_image, deletion_curve, insertion_curve


def network() -> nn.Sequential:
    """Logits: the first channel's sum, and 0. So the probability is sigmoid(sum)."""
    net = nn.Sequential(nn.Conv2d(2, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net[0].weight.data = torch.tensor([[4.0, 0.0], [0.0, 0.0]]).view(2, 2, 1, 1)
    return net


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


IMAGE = torch.tensor([[[[1.0, 2.0], [-3.0, 4.0]], [[9.0, 9.0], [9.0, 9.0]]]])  # means of 4 pixels
MAP = torch.tensor([[[[1.0, 2.0], [-3.0, 4.0]]]])


@pytest.mark.parametrize(
    "curve, order, sums",
    [
        (deletion_curve, "map", [4, 0, -2, -3, 0]),
        (deletion_curve, "reverse", [4, 7, 6, 4, 0]),
        (insertion_curve, "map", [0, 4, 6, 7, 4]),
        (insertion_curve, "reverse", [0, -3, -2, 0, 4]),
    ],
)
def test_a_net_by_hand(curve, order, sums):
    found = curve(network(), IMAGE, 0, MAP, order=order)
    expected = [sigmoid(total) for total in sums]
    assert found.probability[0].tolist() == pytest.approx(expected)
    assert found.shares[0].tolist() == [0, 0.25, 0.5, 0.75, 1]
    area = sum((a + b) / 8 for a, b in zip(expected, expected[1:], strict=False))
    assert found.area.tolist() == pytest.approx([area])
    other = curve(network(), IMAGE, 1, MAP, order=order)
    assert torch.allclose(other.probability, 1 - found.probability, atol=1e-6)


def test_the_channels_of_a_map_are_added():
    two = torch.cat([-MAP, 2 * MAP], dim=1)
    expected = deletion_curve(network(), IMAGE, 0, MAP)
    assert torch.equal(deletion_curve(network(), IMAGE, 0, two).probability, expected.probability)


def test_fill_as_number_per_channel_and_as_a_picture():
    # Each exchanged pixel brings the fill's first channel.
    for fill, brings in ((1.0, [1] * 4), ((2.0, 5.0), [2] * 4), (IMAGE.flip(3), [2, 1, 4, -3])):
        found = deletion_curve(network(), IMAGE, 0, MAP, fill=fill)
        total, sums = 4, [4]
        for place in (3, 1, 0, 2):  # 4, 2, 1, -3
            total += brings[place] - MAP.flatten()[place].item()
            sums.append(total)
        assert found.probability[0].tolist() == pytest.approx([sigmoid(s) for s in sums], abs=1e-6)


class Seen(nn.Module):
    """Two outputs, and a memory of what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: SimpleQueue = SimpleQueue()  # lists of a network are put back afterwards

    def forward(self, x: Tensor) -> Tensor:
        self.queue.put(x.clone())
        return x.mean((2, 3))[:, :2]

    def batches(self, least: int) -> list[Tensor]:
        """Those of so many pictures at least; a few are shown alone or in twos, to be checked."""
        shown = [self.queue.get() for _ in range(self.queue.qsize())]
        return [batch for batch in shown if len(batch) >= least]


def test_blocks_that_do_not_divide_go_by_their_mean_and_count_their_pixels():
    # Blocks of 2 on 3 x 5: means, rows by columns: 1 5 9 / 4 8 2; the last ones are smaller.
    image = torch.ones(1, 2, 3, 5)
    values = torch.tensor([[1.0, 1, 5, 5, 9], [1, 1, 5, 5, 9], [4, 4, 8, 8, 2]]).view(1, 1, 3, 5)
    net = Seen()
    found = deletion_curve(net, image, 1, values, size=2, batch_size=6)
    sizes = [2, 2, 4, 2, 1, 4]  # 9 8 5 4 2 1
    gone = torch.tensor([0, *sizes]).cumsum(0) / 15
    assert torch.allclose(found.shares[0], gone)
    whole, last = net.batches(1)[-3::2]  # between them one picture alone
    shown = torch.cat([whole, last])
    assert torch.allclose(shown[:, 0].mean((1, 2)), 1 - gone)
    assert (len(whole), len(last)) == (6, 1)
    assert shown[1, 0].tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    assert shown[2, 0, 2].tolist() == [1, 1, 0, 0, 1]


def test_few_steps_pass_over_the_rest():
    values = torch.arange(60.0).view(1, 1, 6, 10)
    every = deletion_curve(Seen(), values.expand(1, 2, 6, 10), 0, values, steps=60)
    some = deletion_curve(Seen(), values.expand(1, 2, 6, 10), 0, values, steps=4)
    assert some.shares[0].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert torch.allclose(some.probability, every.probability[:, ::15])


def test_each_image_has_its_own_curve():
    torch.manual_seed(0)
    images, maps = torch.randn(3, 2, 5, 4), torch.randn(3, 2, 5, 4)
    together = insertion_curve(network(), images, [0, 1, 0], maps, steps=7, fill=images.flip(0))
    for number, target in enumerate([0, 1, 0]):
        one = slice(number, number + 1)
        alone = insertion_curve(
            network(), images[one], target, maps[one], steps=7, fill=images.flip(0)[one]
        )
        assert torch.allclose(alone.probability[0], together.probability[number], atol=1e-6)
    assert together.area.shape == (3,)


def test_random_order_and_ties_are_drawn_by_lot():
    image = torch.arange(64.0).view(1, 1, 8, 8).expand(1, 2, 8, 8)

    def order_of(values: Tensor, order: str, seed: int) -> list[int]:
        net = Seen()
        deletion_curve(net, image + 1, 0, values, steps=64, order=order, seed=seed, batch_size=99)
        shown = net.batches(65)[-1][:, 0].flatten(1)
        return [(a != b).nonzero().item() for a, b in zip(shown, shown[1:], strict=False)]

    falling = -torch.arange(64.0).view(1, 1, 8, 8)
    assert order_of(falling, "map", 0) == order_of(falling, "map", 1) == list(range(64))
    assert order_of(falling, "reverse", 0) == list(range(64))[::-1]
    lots = [order_of(falling, "random", seed) for seed in (0, 0, 1)]
    assert lots[0] == lots[1] != lots[2] and sorted(lots[0]) == list(range(64)) != lots[0]
    ties = order_of(torch.zeros(1, 1, 8, 8), "map", 0)
    assert sorted(ties) == list(range(64)) != ties
    halves = torch.zeros(1, 1, 8, 8)
    halves[..., 4:, :] = 1.0
    assert set(order_of(halves, "map", 0)[:32]) == set(range(32, 64))


def test_the_module_is_left_as_it_was():
    net = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Dropout(0.9), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    first = deletion_curve(net, IMAGE, 0, MAP)
    assert net.training and not first.probability.requires_grad
    assert torch.equal(deletion_curve(net, IMAGE, 0, MAP).probability, first.probability)


def test_blurred():
    point = torch.zeros(1, 1, 21, 25)
    point[..., 10, 12] = 1.0
    found = blur_image(point, 1.5)
    assert found.sum().item() == pytest.approx(1, abs=1e-5)
    assert (found[..., 10, 13] / found[..., 10, 12]).item() == pytest.approx(
        math.exp(-1 / (2 * 1.5**2))
    )
    assert torch.allclose(found[0, 0, 10, 8:17], found[0, 0, 6:15, 12])  # round
    even = torch.tensor([2.0, -1.0]).view(1, 2, 1, 1).expand(1, 2, 5, 4)
    assert torch.allclose(blur_image(even, 3.0), even, atol=1e-6)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"image": IMAGE[0]}, r"image=\(2, 2, 2\)"),
        ({"target": 2}, "target=2"),
        ({"target": -1}, "target=-1"),
        ({"attribution": torch.rand(1, 1, 3, 2)}, r"attribution=\(1, 1, 3, 2\)"),
        ({"attribution": MAP * math.nan}, "attribution: expected finite"),
        ({"size": 0}, "size=0"),
        ({"steps": 1.5}, "steps=1.5"),
        ({"batch_size": -1}, "batch_size=-1"),
        ({"order": "magic"}, "order='magic'"),
        ({"fill": (1.0, 2.0, 3.0)}, r"fill=\(1.0, 2.0, 3.0\)"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    for curve in (deletion_curve, insertion_curve):
        with pytest.raises(ValueError, match=message):
            curve(network(), **({"image": IMAGE, "target": 0, "attribution": MAP} | change))
    assert "random" in ORDERS


@pytest.mark.parametrize("image, sigma", [(IMAGE[0], 1.0), (IMAGE, 0.0), (IMAGE, -1)])
def test_wrong_blur_is_named(image, sigma):
    with pytest.raises(ValueError, match="sigma=|image="):
        blur_image(image, sigma)


class Pair(nn.Module):
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return (first - second).mean((2, 3))


class CompanyMatters(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) / x.max()


class ManyMatter(nn.Module):
    """Sees that more than two pictures came."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) * (1 if len(x) < 3 else 2)


class Chance(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.5, training=True).mean((2, 3))


@pytest.mark.parametrize(
    "net, message",
    [
        (Pair(), r"curve: Pair.forward takes \(first"),
        (CompanyMatters(), "what else is in the batch"),
        (ManyMatter(), "what else is in the batch"),
        (Chance(), "random numbers"),
        (torch.jit.trace(network(), IMAGE), "traced"),
    ],
)
def test_networks_that_cannot_be_asked_are_refused(net, message):
    for curve in (deletion_curve, insertion_curve):
        with pytest.raises(ValueError, match=message):
            curve(net, IMAGE, 0, MAP)


def test_whole_numbers_may_be_numpys_and_the_image_follows_the_network():
    two = np.int64(2)
    found = deletion_curve(
        network().double(), IMAGE, np.int64(1), MAP, size=two, steps=two, batch_size=two
    )
    assert found.probability.dtype == torch.float64
    expected = deletion_curve(network(), IMAGE, 1, MAP, size=2, steps=2, batch_size=2)
    assert torch.allclose(found.probability.float(), expected.probability)


def test_a_network_that_writes_into_its_input_leaves_the_image():
    net, image = nn.Sequential(nn.ReLU(inplace=True), network()), IMAGE.clone()
    found = deletion_curve(net, image, 0, MAP)
    assert torch.equal(image, IMAGE)
    assert found.probability[0, 0].item() == pytest.approx(sigmoid(7))  # 1 + 2 + 4
