"""SmoothGrad: on nets whose mean gradient is known, and against captum with the same noise."""

import pytest
import torch
from captum.attr import NoiseTunnel, Saliency
from torch import Tensor, nn

from cnnlib.inside.smoothgrad import smoothgrad

IMAGE = torch.rand(2, 3, 9, 12, generator=torch.Generator().manual_seed(1))


def network() -> nn.Sequential:
    torch.manual_seed(2)
    layers = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 2), nn.ReLU()
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5))


def smooth(net: nn.Module, image: Tensor = IMAGE, target=1, **options) -> Tensor:
    return smoothgrad(net, image, target, progress=False, **options)


def test_a_linear_network_has_its_weights_under_any_noise():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    linear[1].weight.data = torch.tensor([[1.0, -2, 3, 0], [0, 0, 0, 5]])
    image = torch.tensor([2.0, 3, -1, 4]).view(1, 1, 2, 2)
    for noise in (0, 0.3, 5.0):
        found = smooth(linear, image, 0, noise=noise, samples=7)
        assert torch.allclose(found.flatten(), torch.tensor([1.0, -2, 3, 0]))


def test_a_kink_gets_the_share_of_noise_that_opens_it():
    # relu(x - y) at 5 - 4 = 1: the range is 1, so the noise of x - y has deviation 0.5 * sqrt(2)
    class Kink(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x[:, :, 0, 0] - x[:, :, 0, 1]).relu()

    image = torch.tensor([[[[5.0, 4.0]]]])
    found = smooth(Kink(), image, 0, noise=0.5, samples=4000).flatten()
    share = torch.distributions.Normal(0.0, 1.0).cdf(torch.tensor(2**0.5)).item()  # 0.921
    assert found[0].item() == pytest.approx(share, abs=0.02) and found[1] == -found[0]


def test_without_noise_it_is_the_gradient():
    net, image = network(), IMAGE.clone().requires_grad_()
    (expected,) = torch.autograd.grad(net(image)[:, 3].sum(), image)
    assert torch.allclose(smooth(net, IMAGE, 3, noise=0, samples=3), expected, atol=1e-7)


def test_with_the_same_noise_it_is_captums(monkeypatch):
    net, image = network(), IMAGE[:1]
    lots = torch.Generator().manual_seed(4)
    spread = 0.2 * (image.max() - image.min()).item()
    draws = torch.stack([torch.randn(image.shape[1:], generator=lots) for _ in range(6)])
    monkeypatch.setattr(torch, "normal", lambda mean, std: std * draws)
    tunnel = NoiseTunnel(Saliency(net))
    expected = tunnel.attribute(
        image, target=1, abs=False, nt_type="smoothgrad", nt_samples=6, stdevs=spread
    )
    found = smooth(net, image, noise=0.2, samples=6, seed=4)
    assert expected.abs().max() > 0 and torch.allclose(found, expected, atol=1e-7)


def test_each_image_is_answered_as_it_is_alone():
    both = smooth(network(), IMAGE, [1, 3], samples=4)
    for number, target in enumerate([1, 3]):
        alone = smooth(network(), IMAGE[number : number + 1], target, samples=4)
        assert torch.allclose(both[number], alone[0], atol=1e-7)


def test_the_seed_draws_the_noise_and_nothing_else_is_touched():
    net, image = network().train(), IMAGE.clone()
    torch.manual_seed(9)
    before = torch.random.get_rng_state()
    one, again, other = (smooth(net, image, samples=2, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.allclose(one, other)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert net.training and torch.equal(image, IMAGE) and not one.requires_grad
    assert all(weight.grad is None and weight.requires_grad for weight in net.parameters())


@pytest.mark.parametrize(
    "given, said",
    [
        ({"noise": -0.1}, "noise=-0.1: expected a finite number, 0 or more"),
        ({"noise": float("nan")}, "noise=nan"),
        ({"noise": "much"}, "noise='much'"),
        ({"samples": 0}, "samples=0: expected 1 or more"),
        ({"seed": 0.5}, "seed=0.5: expected a whole number"),
        ({"target": 5}, "target=5: expected a number from 0 to 4"),
        ({"image": IMAGE[0]}, "expected a tensor of shape"),
    ],
)
def test_bad_input_is_named(given, said):
    with pytest.raises(ValueError, match=said):
        smooth(network(), **given)


def test_a_network_that_cuts_the_way_back_is_refused():
    class Cut(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.detach().mean((2, 3))

    with pytest.raises(ValueError, match="no signal can be sent back"):
        smooth(Cut())
