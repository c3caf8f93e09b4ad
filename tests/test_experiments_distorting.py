"""The distortion experiments: arms differ by the copies alone, and logs say what was seen."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

from cnnlib.data import load_dataset
from cnnlib.experiments import EXPERIMENTS, load_experiment
from cnnlib.experiments.distorting import WAYS, measure_seen
from cnnlib.train import Run

NAMES = ("distorted_digits", "distorted_clothes")


@pytest.mark.parametrize("name", NAMES)
def test_arms_differ_by_the_copies_alone(name):
    experiment = EXPERIMENTS[name]
    recipes = [asdict(experiment.recipe_of(arm, 1)) for arm in WAYS]
    assert len({str(recipe.pop("augmentation")) for recipe in recipes}) == len(WAYS)
    assert all(recipe == recipes[0] for recipe in recipes)
    assert len({arm.build for arm in experiment.arms.values()}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_centres_the_images_that_ship(name):
    recipe = EXPERIMENTS[name].recipe
    inputs = recipe.preprocessing.apply(load_dataset(recipe.dataset, "train").images)
    assert abs(inputs.mean()) < 0.01 and inputs.std() == pytest.approx(1, abs=0.01)


@pytest.mark.usefixtures("one_thread")
def test_what_is_seen_is_counted_on_undistorted_training_images():
    experiment = EXPERIMENTS["distorted_digits"]
    run = Run("trial", experiment.arms["mirrored"].build, experiment.recipe_of("mirrored", 1))
    images = (torch.tensor(run.train_set.images)[:, None] - 33.3) / 78.6
    with torch.no_grad():
        right = run.model.eval()(images).argmax(dim=1).numpy() == run.train_set.labels
    assert len(right) == 500
    assert measure_seen(run) == {"seen": pytest.approx(np.mean(right), abs=1e-4)}


@pytest.mark.parametrize("name", NAMES)
def test_logs_hold_three_seeds_of_every_arm(name):
    logs = load_experiment(name)
    assert [(log.arm, log.seed) for log in logs] == [
        (arm, seed) for arm in WAYS for seed in (1, 2, 3)
    ]
    for log in logs:
        assert 0 < log.measured["seen"] <= 1 and log.tested_on == 2000
        assert log.recipe["epochs"] == EXPERIMENTS[name].recipe.epochs
        assert log.right_images().mean() == pytest.approx(log.accuracy, abs=1e-4)
