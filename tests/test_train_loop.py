"""The chapters' training loop against gradients by hand, and the clothes that it is fed."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from cnnlib.data import load_clothes, load_fashion
from cnnlib.train import descend, draw_batches, fit_network


def some_points(count=30, features=4, classes=3):
    torch.manual_seed(3)
    return torch.randn(count, features), torch.randint(classes, (count,))


def test_descend_is_softmax_and_a_step_down_the_slope_by_hand():
    points, labels = some_points()
    network = nn.Linear(4, 3)
    weight, bias = (p.detach().double().numpy().copy() for p in network.parameters())
    x, y = points.double().numpy(), labels.numpy()
    expected = []
    for _ in range(5):
        scores = np.exp(x @ weight.T + bias)
        p = scores / scores.sum(axis=1, keepdims=True)
        expected.append(-np.log(p[np.arange(30), y]).mean())
        error = (p - np.eye(3)[y]) / 30
        weight, bias = weight - 0.5 * error.T @ x, bias - 0.5 * error.sum(axis=0)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.5)
    losses = descend(network, [(points, labels)] * 5, optimiser)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_allclose(network.weight.detach(), weight, atol=1e-5)


def test_every_pass_shows_every_image_once_in_another_order():
    points, labels = torch.arange(11.0), torch.arange(11)
    torch.manual_seed(0)
    batches = list(draw_batches(points, labels, batch_size=4, epochs=3))
    assert [len(y) for _, y in batches] == [4, 4, 3] * 3
    assert all(torch.equal(x, y.float()) for x, y in batches)
    passes = [torch.cat([y for _, y in batches[k : k + 3]]).tolist() for k in (0, 3, 6)]
    assert all(sorted(one) == list(range(11)) for one in passes)
    assert passes[0] != passes[1] != passes[2]


def test_the_rate_rises_to_its_highest_and_falls_to_nearly_nothing(monkeypatch):
    points, labels = some_points()
    rates = []
    step = torch.optim.AdamW.step

    def watched(self, *arguments, **options):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    losses = fit_network(
        nn.Linear(4, 3), points, labels, epochs=10, batch_size=4, learning_rate=0.1, seed=0
    )
    assert len(losses) == len(rates) == 10 * math.ceil(30 / 4)
    assert rates[0] < max(rates) / 10 and rates[-1] < max(rates) / 1000
    assert max(rates) == pytest.approx(0.1, rel=1e-2)
    assert losses[-1] < losses[0]


def test_the_same_seed_gives_the_same_losses_and_another_seed_others():
    points, labels = some_points()

    def losses(seed):
        torch.manual_seed(1)
        network = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3))
        return fit_network(
            network, points, labels, epochs=2, batch_size=7, learning_rate=0.01, seed=seed
        )

    assert losses(5) == losses(5) != losses(6)


def test_a_network_trains_in_training_mode_and_comes_back_in_evaluation_mode():
    modes = []

    class Watching(nn.Linear):
        def forward(self, x):
            modes.append(self.training)
            return super().forward(x)

    points, labels = some_points()
    network = Watching(4, 3).eval()
    fit_network(network, points, labels, epochs=1, batch_size=30, learning_rate=0.1)
    assert modes == [True] and not network.training


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"labels": torch.zeros(29, dtype=torch.int64)}, "30 images and 29 labels"),
    ],
)
def test_what_cannot_be_trained_is_an_error_that_names_it(changes, message):
    points, labels = some_points()
    asked = {"labels": labels, "epochs": 1, "batch_size": 4, "learning_rate": 0.1} | changes
    with pytest.raises(ValueError, match=message):
        fit_network(nn.Linear(4, 3), points, **asked)


def test_clothes_have_mean_0_and_deviation_1_and_are_the_shipped_ones():
    images, labels = load_clothes("train")
    halved, same = load_clothes("train", halved=True, channels=3)
    assert images.shape == (8000, 1, 28, 28) and halved.shape == (8000, 3, 14, 14)
    assert torch.equal(labels, same) and labels.tolist() == load_fashion("train").labels.tolist()
    for pixels in (images, halved):
        assert abs(pixels.mean()) < 0.02 and abs(pixels.std() - 1) < 0.02
    whole = torch.from_numpy(load_fashion("train").images[7]) / 255
    assert torch.allclose(images[7, 0] * 0.353 + 0.286, whole, atol=1e-6)
    corner = halved[7, 2, 3, 4] * 0.33 + 0.29
    assert corner.item() == pytest.approx(whole[6:8, 8:10].mean().item(), abs=1e-6)
    assert torch.equal(load_clothes("test", 7)[1], load_clothes("test")[1][:7])
    with pytest.raises(ValueError, match="count=0"):
        load_clothes("test", 0)
