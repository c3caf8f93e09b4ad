"""The experiments on dropout, bags, schedules and optimisers: what their arms do."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.experiments import EXPERIMENTS, find_best_rates, load_experiment
from cnnlib.experiments.dropping import MASKS, MEMBERS, dropped_net, judge, mean_probabilities
from cnnlib.experiments.packing import unpack_bits
from cnnlib.experiments.stepping import SCHEDULES
from cnnlib.train import schedule_rate

pytestmark = pytest.mark.usefixtures("one_thread")


def make_run(name, arm, seed=1):
    what = EXPERIMENTS[name].arms[arm]
    return what.run(arm, what.build, EXPERIMENTS[name].recipe_of(arm, seed))


def test_member_of_a_bag_learns_from_its_draw_as_if_it_held_the_copies():
    run = make_run("bagging", "bag")
    assert run.times.shape == (MEMBERS, 500) and (run.times.sum(dim=1) == 500).all()
    assert 0.33 < (run.times == 0).float().mean() < 0.41  # 1 / e are missing
    loss, scores = run.answer(*run.inputs(torch.arange(500), None))
    inputs, labels = run.inputs(torch.arange(500), None)
    expected = 0
    for member, times in zip(run.model.members, run.times, strict=True):
        drawn = torch.arange(500).repeat_interleave(times)
        expected += F.cross_entropy(member(inputs[drawn]), labels[drawn])
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert torch.allclose(scores.exp().sum(dim=1), torch.ones(500), atol=1e-5)
    assert len({tuple(times.tolist()) for times in run.times}) == MEMBERS


def test_mean_of_probabilities_is_that_of_shares_and_not_of_scores():
    one, other = torch.tensor([[0.0, 0.0]]), torch.tensor([[torch.log(torch.tensor(3.0)), 0.0]])
    assert mean_probabilities([one, other])[0].tolist() == pytest.approx([0.625, 0.375])
    judged = judge(torch.tensor([[0.25, 0.75], [0.5, 0.5]]), torch.tensor([1, 1]))
    assert judged == {"right": 0.5, "loss": pytest.approx(0.4904, abs=1e-4)}


def test_body_throws_no_dice_and_head_does():
    network = dropped_net(10, 0.5).train()
    x = torch.rand(4, 1, 28, 28)
    assert torch.equal(network.body(x), network.body(x))
    assert not torch.equal(network(x), network(x))
    assert sum(isinstance(layer, nn.Dropout) for layer in network.head) == 2


def test_one_cycle_is_the_books_recipe_and_all_schedules_end_as_told():
    recipe = EXPERIMENTS["stepping"].recipe
    for step in range(50):
        own = recipe.learning_rate * SCHEDULES["one_cycle"]((step + 1) / 50)
        assert own == pytest.approx(schedule_rate(recipe, step, 50))
    ends = {name: schedule(1.0) for name, schedule in SCHEDULES.items()}
    assert ends == pytest.approx({"constant": 1, "stepped": 0.01, "cosine": 0, "one_cycle": 0})


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_step_has_the_rate_of_its_schedule(schedule):
    run = make_run("stepping", f"momentum_{schedule}_rate0.1")
    run.taken = 100  # of 400
    inputs, labels = run.inputs(torch.arange(50), None)
    for _ in range(2):
        run.step(inputs, labels, 123.0, 50)
    assert run.optimiser.param_groups[0]["lr"] == pytest.approx(
        0.1 * SCHEDULES[schedule](102 / run.steps)
    )


def test_logs_hold_what_the_chapters_tell():
    for name, seen in (("dropping", 5), ("stepping", 7)):
        best = find_best_rates(load_experiment(name))
        assert len(best) == seen
        assert all(found.bracket.sound and len(found.runs) == 3 for found in best.values())
    for log in load_experiment("dropping"):
        assert log.measured["new"]["right"] == pytest.approx(log.accuracy, abs=1e-4)
        if "masks" in log.measured:
            assert list(log.measured["masks"]) == [str(count) for count in MASKS]
            right = unpack_bits(log.measured["right"], log.tested_on)
            assert right.mean() == pytest.approx(log.measured["masks"]["100"]["right"], abs=1e-4)
    for log in load_experiment("bagging"):
        assert log.measured["members"]["5"]["right"] == pytest.approx(log.accuracy, abs=1e-4)
        assert np.mean(log.measured["each"]) < log.accuracy
