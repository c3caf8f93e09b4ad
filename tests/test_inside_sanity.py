"""Random weights, ranks and fills: on nets small enough to do by hand."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

from cnnlib.inside.occlusion import occlusion_map
from cnnlib.inside.sanity import occlusion_under_fills, randomised_from_top
from cnnlib.models import NETWORKS

IMAGE = torch.rand(1, 3, 12, 15, generator=torch.Generator().manual_seed(1))


class Crossed(nn.Module):
    """Its layers are made in another order than they run in, one is never run, one runs twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.head = nn.Linear(4, 5)
        self.unused = nn.Linear(4, 5)
        self.twice = nn.Conv2d(4, 4, 3, padding=1)
        self.between = nn.Conv2d(4, 4, 1)
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        x = torch.relu(self.between(torch.relu(self.twice(x))))
        return self.head(torch.relu(self.twice(x)).mean((2, 3)))


def changed(network: nn.Module, other: nn.Module) -> set[str]:
    pairs = zip(network.state_dict().items(), other.state_dict().values(), strict=True)
    return {name.rpartition(".")[0] for (name, one), two in pairs if not torch.equal(one, two)}


def test_layers_are_randomised_from_the_top_down_one_more_at_a_time():
    network = Crossed()
    network.body[1].running_mean.fill_(3.0)
    network.body[1].weight.data.fill_(2.0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    steps = list(randomised_from_top(network, IMAGE))
    names = [name for name, _ in steps]
    assert names == ["head", "twice", "between", "body.1", "body.0"]
    for number, (_, one) in enumerate(steps):
        assert changed(network, one) == set(names[: number + 1])
        assert not one.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    for (_, one), (_, later) in zip(steps, steps[1:], strict=False):
        assert len(changed(one, later)) == 1  # what was drawn once stays


def test_named_blocks_go_together_in_the_order_given():
    network = Crossed()
    network.body[1].running_mean.fill_(3.0)
    steps = list(randomised_from_top(network, IMAGE, ["twice", "body"]))
    assert [name for name, _ in steps] == ["twice", "body"]
    assert changed(network, steps[0][1]) == {"twice"}
    assert changed(network, steps[1][1]) == {"twice", "body.0", "body.1"}


def test_the_seed_decides_and_nothing_else():
    network = Crossed()

    def last(seed: int) -> nn.Module:
        return list(randomised_from_top(network, IMAGE, seed=seed))[-1][1]

    one = last(3)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    again, other = last(3), last(4)
    assert changed(one, again) == set() and {"head", "twice"} <= changed(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_caller_may_draw_the_weights():
    def fill(layer: nn.Module) -> None:
        layer.weight.fill_(7.0)

    [(_, one), _] = randomised_from_top(Crossed(), IMAGE, ["twice", "head"], initialise=fill)
    assert (one.twice.weight == 7).all() and changed(Crossed(), one) == {"twice"}


def test_a_layer_that_cannot_start_anew_is_shuffled():
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.arange(24.0).view(3, 8))

        def forward(self, x: Tensor) -> Tensor:
            return x.mean() * self.scale

    network = Scale()
    [(name, one)] = randomised_from_top(network, IMAGE)
    assert name == "" and not torch.equal(one.scale, network.scale)
    assert sorted(one.scale.flatten().tolist()) == list(range(24)) and one.scale.shape == (3, 8)


class Doubled(nn.Module):
    """A parametrization that cannot be set from outside."""

    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


def parametrized(layer: nn.Module) -> nn.Module:
    parametrize.register_parametrization(layer, "weight", Doubled())
    return layer


COMPUTED = {
    "weight_norm": nn.utils.weight_norm,
    "spectral_norm": nn.utils.spectral_norm,
    "pruned": lambda layer: prune.l1_unstructured(layer, "weight", 0.3),
    "pruned twice": lambda layer: prune.random_unstructured(
        prune.l1_unstructured(layer, "weight", 0.3), "weight", 0.2
    ),
    "parametrizations.weight_norm": parametrizations.weight_norm,
    "parametrizations.spectral_norm": parametrizations.spectral_norm,
    "parametrizations.orthogonal": parametrizations.orthogonal,
    "own parametrization": parametrized,
    "two": lambda layer: parametrizations.spectral_norm(parametrized(layer)),
}


def used_kernel(network: nn.Sequential) -> Tensor:
    """What the first layer really multiplies by: its answers to single pixels."""
    with torch.no_grad():
        basis = torch.eye(27).view(27, 3, 3, 3)
        return (network[0](basis) - network[0](torch.zeros(1, 3, 3, 3)))[:, :, 0, 0]


@pytest.mark.filterwarnings("ignore:`torch.nn.utils")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("how", COMPUTED)
def test_what_is_randomised_is_what_the_next_run_uses(how, bias):
    torch.manual_seed(0)
    first = COMPUTED[how](nn.Conv2d(3, 4, 3, bias=bias))
    network = nn.Sequential(first, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network.append(nn.Linear(4, 2))
    network(IMAGE)  # in training, as it was before it was saved
    network.eval()
    before, state = used_kernel(network), {k: v.clone() for k, v in network.state_dict().items()}
    steps = list(randomised_from_top(network, IMAGE))
    assert [name for name, _ in steps] == ["4", "0"]
    assert torch.allclose(used_kernel(steps[0][1]), before)
    after = used_kernel(steps[1][1])
    assert abs(torch.corrcoef(torch.stack([before.flatten(), after.flatten()]))[0, 1]) < 0.5
    assert 0.2 < after.norm() / before.norm() < 5
    assert torch.allclose(used_kernel(network), before)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


@pytest.mark.filterwarnings("ignore:`torch.nn.utils")
def test_drawing_into_what_is_computed_anew_is_refused_by_name():
    network = nn.Sequential(nn.Flatten(), nn.utils.weight_norm(nn.Linear(3 * 12 * 15, 4)))

    def he(layer: nn.Module) -> None:
        nn.init.kaiming_normal_(layer.weight)

    with pytest.raises(ValueError, match=r"'1' \(Linear\) answers as before: initialise has not"):
        list(randomised_from_top(network, IMAGE, initialise=he))

    def both(layer: nn.Module) -> None:
        nn.init.normal_(layer.weight_v)

    assert len(list(randomised_from_top(network, IMAGE, initialise=both))) == 1


def test_a_copy_that_forward_reads_in_place_of_the_weights_is_refused_by_name():
    class Frozen(nn.Linear):
        def __init__(self) -> None:
            super().__init__(3 * 12 * 15, 4)
            self.used = self.weight.detach().clone()

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.linear(x.flatten(1), self.used, self.bias)

    with pytest.raises(ValueError, match=r"'' \(Frozen\) answers as before: reset_parameters"):
        list(randomised_from_top(Frozen(), IMAGE))


def test_shared_weights_are_drawn_once_and_stay():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.one, self.two = nn.Linear(15, 15), nn.Linear(15, 15, bias=False)
            self.two.weight = self.one.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.two(self.one(x.mean((1, 2))).relu())

    network = Tied()
    (first, one), (second, two) = randomised_from_top(network, IMAGE)
    assert (first, second) == ("two", "one")
    for copy in (one, two):
        assert copy.one.weight is copy.two.weight
        assert not torch.allclose(copy.two.weight, network.two.weight)
    assert torch.equal(one.two.weight, two.two.weight)
    assert not torch.equal(one.one.bias, two.one.bias)


def test_a_layer_that_is_used_without_being_called_has_its_turn():
    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(15, 3, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.attention(x[:, 0], x[:, 0], x[:, 0])[0]

    network = Attends()
    *_, (_, last) = randomised_from_top(network, IMAGE)
    for name, weight in network.named_parameters():
        assert weight.dim() == 1 or not torch.allclose(dict(last.named_parameters())[name], weight)


def test_wrapped_networks_and_images_of_another_type_are_taken_and_scripted_ones_refused():
    names = [name for name, _ in randomised_from_top(Crossed(), IMAGE)]
    for network in (nn.DataParallel(Crossed()), Crossed().double()):
        assert [name for name, _ in randomised_from_top(network, IMAGE)] == names
    with torch.inference_mode():
        assert [name for name, _ in randomised_from_top(Crossed(), IMAGE)] == names
    scripted = nn.Sequential(nn.Conv2d(3, 4, 3), torch.jit.script(nn.PReLU()))
    with pytest.raises(ValueError, match="randomised_from_top: 1 .* is scripted"):
        randomised_from_top(scripted, IMAGE)


@pytest.mark.parametrize("key", ["lenet5", "small_densenet", "small_googlenet"])
def test_every_layer_with_weights_has_its_turn(key):
    torch.manual_seed(0)
    network = NETWORKS[key]().eval()
    channels = next(p for p in network.parameters() if p.dim() == 4).shape[1]
    image = torch.rand(1, channels, 32, 32) if key == "lenet5" else torch.rand(1, channels, 64, 64)
    layers = [name for name, part in network.named_modules() if list(part.parameters(False))]
    steps = [name for name, _ in randomised_from_top(network, image, layers[-2:])]
    assert steps == layers[-2:]
    with torch.no_grad():
        clean = network(image)
        for _, one in randomised_from_top(network, image, layers[:1]):
            assert not torch.allclose(one(image), clean)


def brightness() -> nn.Sequential:
    """Two scores: twice the picture's sum, and nothing."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    network[1].weight.data = torch.tensor([[2.0] * 4, [0.0] * 4])
    return network


def test_fills_by_hand():
    image = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    found = occlusion_under_fills(
        brightness(), image, 0, {"black": 0.0, "three": 3.0, "five": 5.0}, size=1, stride=1
    )
    # Covering a pixel takes 2 (pixel - fill): all fills order the places alike.
    assert found.falls[0].tolist() == [[[0, 2], [4, 6]]]
    assert found.falls[1].tolist() == [[[-6, -4], [-2, 0]]]
    assert torch.allclose(found.correlation, torch.ones(1, 3, 3).double())
    assert found.disagreement.tolist() == pytest.approx([0], abs=1e-9)
    assert found.spread.tolist() == [[[10, 10], [10, 10]]]


def test_a_network_that_looks_for_grey_sees_the_occluder():
    class NearOne(nn.Module):
        """Minus the distance of each pixel from 1."""

        def forward(self, x: Tensor) -> Tensor:
            return -(x - 1).abs().sum((1, 2, 3))[:, None].expand(-1, 2)

    image = torch.tensor([[[[0.0, 1.0, 2.0, 5.0]]]])
    fills = {"zero": 0.0, "one": 1.0}
    found = occlusion_under_fills(NearOne(), image, 1, fills, size=1, stride=1)
    # zero: 0 1 0 -3; one: -1 0 -1 -4. Ranks 2.5 4 2.5 1 both.
    assert found.falls[:, 0, 0].tolist() == [[0, 1, 0, -3], [-1, 0, -1, -4]]
    assert found.disagreement.tolist() == pytest.approx([0], abs=1e-9)
    far = torch.tensor([[[[3.0, 4.0, 5.0, 6.0]]]])  # cover by the picture reversed
    mirrored = {"one": 1.0, "mirror": far.flip(3)}
    found = occlusion_under_fills(NearOne(), far, 1, mirrored, size=1, stride=1)
    assert found.falls[:, 0, 0].tolist() == [[-2, -3, -4, -5], [3, 1, -1, -3]]
    assert found.disagreement.tolist() == pytest.approx([0], abs=1e-9)
    mirrored = {"one": 1.0, "twice": 2 * far}
    found = occlusion_under_fills(NearOne(), far, 1, mirrored, size=1, stride=1)
    assert found.falls[1, 0, 0].tolist() == [3, 4, 5, 6]
    assert found.disagreement.tolist() == pytest.approx([2])  # the other way round


def test_maps_are_those_of_occlusion_map():
    torch.manual_seed(0)
    network, image = Crossed().eval(), torch.rand(2, 3, 12, 15)
    fills = {"one a channel": (0.1, 0.2, 0.3), "bright": 1.0, "dark": -1.0}
    found = occlusion_under_fills(network, image, [1, 3], fills, size=(4, 3), stride=3)
    for name, fill in fills.items():
        expected = occlusion_map(network, image, [1, 3], size=(4, 3), stride=3, fill=fill)
        assert torch.allclose(found.maps[name].scores, expected.scores, atol=1e-6)
    pairs = [found.correlation[:, i, j] for i, j in ((0, 1), (0, 2), (1, 2))]
    assert torch.allclose(found.disagreement, 1 - sum(pairs) / 3)
    assert found.correlation.shape == (2, 3, 3) and found.spread.shape == found.falls.shape[1:]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: randomised_from_top(Crossed(), IMAGE, ["neck"]), "layer='neck'"),
        (lambda: randomised_from_top(Crossed(), IMAGE, ["body.2"]), "'body.2' has no weights"),
        (lambda: randomised_from_top(Crossed(), IMAGE[0]), r"image=\(3, 12, 15\)"),
        (lambda: randomised_from_top(nn.ReLU(), IMAGE), "expected a network with weights"),
        (
            lambda: occlusion_under_fills(Crossed(), IMAGE, 0, {"one": 0.0}, size=2, stride=2),
            "expected two or more",
        ),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
