"""The experiments on normalisation: their networks, what is measured, what the logs hold."""

import numpy as np
import pytest
import torch
from torch import nn

from cnnlib.experiments import EXPERIMENTS, find_best_rates, load_experiment
from cnnlib.experiments.normalising import NORMS, RATES, measure_restated, normed_stack
from cnnlib.train import Recipe, Run
from cnnlib.weights import Preprocessing


@pytest.mark.parametrize("norm", NORMS)
def test_stacks_differ_in_their_norms_only(norm):
    torch.manual_seed(0)
    network = normed_stack(10, norm=norm, widths=(8, 8, 16, 16))
    torch.manual_seed(0)
    plain = normed_stack(10, norm="plain", widths=(8, 8, 16, 16))
    weights = [part.weight for part in network if isinstance(part, nn.Conv2d)]
    others = [part.weight for part in plain if isinstance(part, nn.Conv2d)]
    assert [tuple(one.shape[:2]) for one in weights] == [(8, 1), (8, 8), (16, 8), (16, 16)]
    assert all(torch.equal(one, other) for one, other in zip(weights, others, strict=True))
    extra = sum(p.numel() for p in network.parameters()) - sum(
        p.numel() for p in plain.parameters()
    )
    assert extra == (0 if norm == "plain" else 2 * (8 + 8 + 16 + 16))
    assert network(torch.rand(2, 1, 28, 28)).shape == (2, 10)


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="norm='layer': expected one of plain, batch, group"):
        normed_stack(10, norm="layer", widths=(8,))


def test_restated_means_are_those_of_all_training_images():
    recipe = Recipe(Preprocessing("grey", 28, 28, (73.1,), (84.5,)), "fashion", limit=1000)
    run = Run("restated", lambda n: normed_stack(n, norm="batch", widths=(4, 4)), recipe)
    first = next(part for part in run.model.modules() if isinstance(part, nn.BatchNorm2d))
    before = first.running_mean.clone()
    measured = measure_restated(run)
    assert torch.equal(first.running_mean, before)  # the run's own network stays as it is
    pixels = (torch.from_numpy(np.array(run.train_set.images)).float() - 73.1) / 84.5
    with torch.no_grad():
        conv = run.model[1](run.model[0](pixels[:, None]))
        first.running_mean.copy_(conv.mean((0, 2, 3)))
        first.running_var.copy_(conv.view(2, 500, *conv.shape[1:]).var((1, 3, 4)).mean(0))
        second = [part for part in run.model.modules() if isinstance(part, nn.BatchNorm2d)][1]
        maps = []
        for half in pixels[:, None].split(500):
            x = run.model[1](run.model[0](half))
            deviation = (x.var((0, 2, 3), correction=0) + 1e-5).sqrt()
            x = (x - x.mean((0, 2, 3))[:, None, None]) / deviation[:, None, None]
            maps.append(run.model[5](run.model[4](x.relu())))
        second.running_mean.copy_(torch.cat(maps).mean((0, 2, 3)))
        second.running_var.copy_(sum(part.var((0, 2, 3)) for part in maps) / 2)
        test = (torch.from_numpy(np.array(run.test_set.images)).float() - 73.1) / 84.5
        answers = run.model.eval()(test[:, None]).argmax(1).numpy()
    assert (answers == run.test_set.labels).mean() == pytest.approx(measured["restated"], abs=2e-3)
    plain = Run("plain", lambda n: normed_stack(n, norm="group", widths=(4, 4)), recipe)
    assert measure_restated(plain) == {}


def test_logs_of_the_rates_have_three_seeds_of_every_arm():
    logs = load_experiment("rates_by_norm")
    assert len(logs) == 3 * len(EXPERIMENTS["rates_by_norm"].arms) == 3 * 2 * len(RATES)


def test_small_batches_have_their_best_rate_inside_and_three_seeds_that_did_not_choose_it():
    for kind, found in find_best_rates(load_experiment("small_batches")).items():
        assert found.bracket.sound, kind
        assert [run.seed for run in found.runs] == [2, 3, 4], kind
