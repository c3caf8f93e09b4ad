"""Layers that a shallow VGG lends to a deep one: which they are, and what a run looks at."""

import pytest
import torch
from torch import nn

from cnnlib.experiments import EXPERIMENTS, load_experiment
from cnnlib.experiments.borrowing import BLACK, LENT, NarrowVGG, lend_layers
from cnnlib.models.vgg import VGG


def layers_of(network: nn.Module) -> dict[str, nn.Module]:
    return {
        name.split(".")[-1]: layer
        for name, layer in network.named_modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear))
    }


@pytest.mark.parametrize(("letter", "layers"), [("A", 11), ("D", 16)])
def test_a_narrow_net_has_an_eighth_of_the_channels(letter, layers):
    narrow = layers_of(NarrowVGG(letter, "he", 10))
    with torch.device("meta"):
        whole = layers_of(VGG(letter))
    assert len(narrow) == len(whole) == layers
    for name, layer in narrow.items():
        if isinstance(layer, nn.Conv2d):
            assert 8 * layer.out_channels == whole[name].out_channels, name


def test_it_sees_a_grey_image_in_a_black_frame_three_times():
    torch.manual_seed(0)
    net = NarrowVGG("A", "he", 10).eval()
    image = torch.randn(2, 1, 28, 28)
    framed = torch.full((2, 3, 32, 32), BLACK)
    framed[:, :, 2:-2, 2:-2] = image
    assert torch.equal(net(image), VGG.forward(net, framed))
    assert BLACK == pytest.approx(-73.1 / 84.5)


def test_seven_layers_are_lent_and_the_others_stay():
    shallow, deep = NarrowVGG("A", "glorot", 10), NarrowVGG("D", "glorot", 10)
    before = {name: tensor.clone() for name, tensor in deep.state_dict().items()}
    with torch.no_grad():
        for parameter in shallow.parameters():
            parameter.add_(1)
    names = lend_layers(shallow, deep)
    assert len(names) == 14 and {name.split(".")[-2] for name in names} == set(LENT)
    for name, tensor in deep.state_dict().items():
        lent = name in names
        assert torch.equal(tensor, shallow.state_dict()[name] if lent else before[name]), name


def test_the_spread_of_the_scores_is_taken_before_the_first_step():
    experiment = EXPERIMENTS["borrowing"]
    arm = experiment.arms["d_he"]
    run = arm.run("trial", arm.build, experiment.recipe_of("d_he", 2), look_every=8)
    scores = run.model(run.inputs(torch.arange(32), None)[0])
    assert run.begun["scores"] == pytest.approx(scores.std().item(), rel=1e-4)
    [first] = load_experiment_of("d_he", seed=2)
    assert first.measured["scores"] == pytest.approx(run.begun["scores"], rel=1e-3)


def load_experiment_of(arm: str, seed: int) -> list:
    return [run for run in load_experiment("borrowing") if (run.arm, run.seed) == (arm, seed)]
