"""The papers' experiments: what is compared is comparable, and a run leaves a log behind."""

import json
import math
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from cnnlib.data import DATASETS, ImageSet
from cnnlib.experiments import (
    EXPERIMENTS,
    LOGS,
    RunLog,
    conditions,
    load_experiment,
    read_log,
    results_table,
    run_arm,
)
from cnnlib.experiments.measures import leave_out, power_above
from cnnlib.experiments.packing import pack, unpack
from cnnlib.layers import StochasticDepth
from cnnlib.models.resnet import BasicBlock, resnet_cifar
from cnnlib.trace import LayerTrace, trace
from cnnlib.train import run as training_run

SMALL_ONES = [name for name in EXPERIMENTS if name != "leaderboard"]
ARMS = [(name, arm) for name in SMALL_ONES for arm in EXPERIMENTS[name].arms]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def noise(monkeypatch):
    """Every experiment on 64 made-up images of 64x64, for two epochs."""

    def load(split):
        count = {"train": 64, "test": 80}[split]
        generator = np.random.default_rng(count)
        images = generator.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
        return ImageSet(images, np.arange(count) % 40, tuple(map(str, range(40))), "made up")

    monkeypatch.setitem(DATASETS, "noise", load)
    for name, experiment in EXPERIMENTS.items():
        recipe = replace(experiment.recipe, dataset="noise", batch_size=32, epochs=2)
        monkeypatch.setitem(EXPERIMENTS, name, replace(experiment, recipe=recipe))


@cache
def rows(name: str, arm: str) -> list[LayerTrace]:
    return trace(EXPERIMENTS[name].arms[arm].build(40), (1, 3, 64, 64))


def parameters(name: str, arm: str) -> int:
    return sum(row.parameters for row in rows(name, arm))


def work(name: str, arm: str) -> int:
    return sum(row.macs for row in rows(name, arm))


def last_field(name: str, arm: str) -> int:
    return [row for row in rows(name, arm) if row.grid and row.grid[-1] > 1][-1].field[0].size


# --- What is compared ---------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "arm"), ARMS)
def test_arm_gives_scores_for_any_number_of_classes(name, arm):
    with torch.device("meta"):
        network = EXPERIMENTS[name].arms[arm].build(7).eval()
        assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


@pytest.mark.parametrize("name", SMALL_ONES)
def test_no_two_arms_are_the_same(name):
    arms = EXPERIMENTS[name].arms.values()
    assert len({(str(arm.build(40)), str(arm.changes)) for arm in arms}) == len(arms)


@pytest.mark.parametrize("name", SMALL_ONES)
def test_arms_of_an_experiment_have_one_recipe_but_for_the_named_change(name):
    experiment = EXPERIMENTS[name]
    for arm in experiment.arms:
        changes = experiment.arms[arm].changes | {"seed": 2}
        assert experiment.recipe_of(arm, 2) == replace(experiment.recipe, **changes)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("small_kernels", "one_7x7", "three_3x3_as_many_weights"),
        ("separable", "separable", "dense_as_much_work"),
    ],
)
def test_equal_weights_are_equal_within_a_fifteenth(name, one, other):
    assert parameters(name, one) == pytest.approx(parameters(name, other), rel=1 / 15)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("inception_reduction", "reduced", "naive_as_much_work"),
        ("separable", "separable", "dense_as_much_work"),
    ],
)
def test_equal_work_is_equal_within_a_hundredth(name, one, other):
    assert work(name, one) == pytest.approx(work(name, other), rel=0.01)


@pytest.mark.parametrize("name", ["small_kernels", "separable", "inception_reduction", "shuffle"])
def test_arms_see_as_much(name):
    assert len({last_field(name, arm) for arm in EXPERIMENTS[name].arms}) == 1


@pytest.mark.parametrize("name", ["degradation", "shuffle", "pooling_and_lrn", "stochastic_depth"])
def test_what_is_switched_has_no_weights(name):
    counts = [(parameters(name, arm), work(name, arm)) for arm in EXPERIMENTS[name].arms]
    pairs = {"degradation": [(0, 2), (1, 3)], "shuffle": [(0, 1), (2, 3)]}
    for one, other in pairs.get(name, [(0, i) for i in range(len(counts))]):
        assert counts[one] == counts[other]


@pytest.mark.parametrize(("stride", "size"), [(4, 16), (2, 31)])
def test_the_first_layers_stride_alone_sets_the_sizes(stride, size):
    for kernel_size in (7, 11):
        shape = rows("first_layer", f"kernel{kernel_size}_stride{stride}")[0].out_shape
        assert shape == (1, 48, size, size)


def test_constant_stochastic_depth_never_drops_and_linear_ends_at_a_half():
    arms = EXPERIMENTS["stochastic_depth"].arms
    survivals = {
        name: [m.survival for m in arms[name].build(40).modules() if isinstance(m, StochasticDepth)]
        for name in arms
    }
    assert survivals["constant"] == 27 * [1.0]
    assert survivals["linear"] == pytest.approx([1 - n / 54 for n in range(1, 28)])


# --- A run --------------------------------------------------------------------------------------


def test_run_writes_a_log_that_is_read_back(noise, tmp_path, monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "shuffle", replace(EXPERIMENTS["shuffle"], seeds=2))
    written = run_arm("shuffle", "groups3", 2, tmp_path)
    assert [path.name for path in (tmp_path / "shuffle").iterdir()] == ["groups3-seed2.json"]
    assert load_experiment("shuffle", tmp_path) == [written]
    assert (written.experiment, written.arm, written.seed) == ("shuffle", "groups3", 2)
    assert written.parameters == parameters("shuffle", "groups3")
    assert written.tested_on == 80 and [entry["epoch"] for entry in written.log] == [1, 2]
    assert written.accuracy == written.log[-1]["test_accuracy"]
    assert written.recipe["seed"] == 2 and written.measured == {}


def test_logs_that_ship_are_of_the_arms_as_they_stand():
    found = sorted(LOGS.glob("*/*.json"))
    assert found
    for path in found:
        log = read_log(path)
        experiment = EXPERIMENTS[log.experiment]
        recipe = experiment.recipe_of(log.arm, log.seed)
        assert log.recipe == json.loads(json.dumps(asdict(recipe))), path
        network = experiment.arms[log.arm].build(int(recipe.dataset.rpartition("-")[2]))
        assert log.parameters == sum(weights.numel() for weights in network.parameters()), path


def test_stopped_run_goes_on_to_the_same_log(noise, tmp_path, monkeypatch):
    whole = run_arm("shortcuts", "B", 1, tmp_path / "whole")
    save = training_run.Run.save

    def save_and_stop(self, path):
        save(self, path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training_run.Run, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            run_arm("shortcuts", "B", 1, tmp_path / "cut")
    resumed = run_arm("shortcuts", "B", 1, tmp_path / "cut")

    def without_times(log):
        return [{k: v for k, v in entry.items() if k != "seconds"} for entry in log.log]

    assert without_times(resumed) == without_times(whole)
    assert not list((tmp_path / "cut").rglob("*.checkpoint"))


def test_diverged_run_is_a_result(noise, tmp_path, monkeypatch):
    experiment = EXPERIMENTS["batch_norm"]
    recipe = replace(experiment.recipe, optimiser="sgd", clip_norm=None)
    monkeypatch.setitem(EXPERIMENTS, "batch_norm", replace(experiment, recipe=recipe))
    arm = replace(experiment.arms["plain_rate16"], changes={"learning_rate": 1e30})
    monkeypatch.setitem(experiment.arms, "plain_rate16", arm)
    log = run_arm("batch_norm", "plain_rate16", 1, tmp_path)
    assert log.measured == {"diverged_in_epoch": len(log.log) + 1}
    assert log.accuracy == 0.0 and len(log.log) < 2


def test_existing_log_and_unknown_names_are_refused(noise, tmp_path):
    for arguments, message in (
        (("depth", "A", 1), "unknown experiment 'depth'"),
        (("shortcuts", "D", 1), "shortcuts has no arm 'D'; it has: B, C"),
        (("shortcuts", "B", 2), "seed=2: expected 1 to 1"),
    ):
        with pytest.raises(ValueError, match=message):
            run_arm(*arguments, tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "shortcuts").mkdir()
    (tmp_path / "shortcuts" / "B-seed1.json").write_text("{}")
    with pytest.raises(FileExistsError, match="B-seed1.json"):
        run_arm("shortcuts", "B", 1, tmp_path)
    with pytest.raises(ValueError, match="no log of an experiment"):
        read_log(tmp_path / "shortcuts" / "B-seed1.json")
    with pytest.raises(FileNotFoundError, match="no logs"):
        load_experiment("shuffle", tmp_path)


# --- What is measured ---------------------------------------------------------------------------


def test_packed_array_comes_back_through_json():
    array = np.random.default_rng(1).normal(size=(3, 2, 5))
    packed = json.loads(json.dumps(pack(array)))
    assert np.abs(unpack(packed) - array).max() <= np.abs(array).max() / 65534 * 1.001
    assert unpack(pack(np.zeros((2, 0)))).shape == (2, 0) and not unpack(pack(np.zeros(3))).any()
    with pytest.raises(ValueError, match="finite"):
        pack(np.array([1.0, math.nan]))
    for broken in ({}, packed | {"shape": [31]}, packed | {"int16": "?"}):
        with pytest.raises(ValueError, match="no packed array"):
            unpack(broken)


def test_left_out_block_is_its_shortcut_alone():
    torch.manual_seed(1)
    block = next(m for m in resnet_cifar(20).eval().modules() if isinstance(m, BasicBlock))
    x = torch.randn(2, 16, 5, 7)
    before = block(x)
    hook = leave_out(block)
    assert torch.equal(block(x), nn.functional.relu(x))
    hook.remove()
    assert torch.equal(block(x), before)


def test_power_above_tells_waves_by_their_length():
    along = np.arange(11)
    waves = [np.cos(2 * np.pi * f * along) for f in (0.05, 0.4)]
    planes = np.stack([np.tile(waves[0], (11, 1)), np.tile(waves[1], (11, 1)).T, np.ones((11, 11))])
    slow, fast, flat = power_above(planes[:, None], 0.25)
    assert slow < 0.1 and fast > 0.9 and flat == 0


def test_first_layer_finds_a_dead_filter_and_its_waves(noise, tmp_path, monkeypatch):
    arm = EXPERIMENTS["first_layer"].arms["kernel7_stride2"]

    def build(num_classes):
        network = arm.build(num_classes)
        with torch.no_grad():
            network.conv1.weight[5] = 0
            network.conv1.bias[5] = -100
            network.conv1.weight[6] *= 10
        return network

    changed = replace(arm, build=build, changes={"learning_rate": 1e-9})
    monkeypatch.setitem(EXPERIMENTS["first_layer"].arms, "kernel7_stride2", changed)
    measured = run_arm("first_layer", "kernel7_stride2", 1, tmp_path, epochs=1).measured
    assert [number for number, dead in enumerate(measured["dead"]) if dead] == [5]
    assert measured["active"][5] == 0 and measured["high"][5] == 0
    weights = unpack(measured["weights"])
    assert weights.shape == (48, 3, 7, 7)
    assert np.sqrt((weights**2).sum(axis=(1, 2, 3))) == pytest.approx(measured["norm"], abs=1e-3)
    assert np.argmax(measured["norm"]) == 6
    assert measured["stride"] == 2 and measured["high"] == measured["aliased"]


def test_heads_reach_early_modules_and_none_behind_them(noise, tmp_path):
    measured = run_arm("auxiliary_heads", "with_heads", 1, tmp_path, epochs=1).measured
    for when in ("fresh", "trained"):
        heads, main = measured[when]["heads"], measured[when]["main"]
        assert list(heads) == list(main) and len(main) == 7
        assert all(value > 0 for value in main.values())
        assert [name for name, value in heads.items() if value == 0] == [
            "inception4e",
            "inception5b",
        ]
    assert measured["fresh"] != measured["trained"]


def test_gates_are_told_by_block_and_class(noise, tmp_path, monkeypatch):
    experiment = EXPERIMENTS["leaderboard"]
    monkeypatch.setitem(EXPERIMENTS, "gates", replace(experiment, keep_weights=False))
    measured = run_arm("gates", "small_se_resnet", 1, tmp_path, epochs=1).measured
    assert measured["classes"] == ["0", "10", "20", "30"] and len(measured["blocks"]) == 6
    for block in measured["blocks"].values():
        mean, deviation, classes = (
            unpack(block[which]) for which in ("mean", "deviation", "classes")
        )
        assert mean.shape == deviation.shape == classes.shape[1:]
        assert 0 < mean.min() <= mean.max() < 1 and (deviation >= 0).all()
        assert np.abs(classes - mean).max() <= deviation.max() * math.sqrt(40)


def test_dropped_blocks_are_counted(noise, tmp_path, monkeypatch):
    from cnnlib.experiments.arms import _network
    from cnnlib.models.stochastic_depth import StochasticDepthResNet

    short = _network(StochasticDepthResNet, (1, 1, 1), (8, 16, 32), stem="3x3/2")
    arm = replace(EXPERIMENTS["stochastic_depth"].arms["linear"], build=short)
    monkeypatch.setitem(EXPERIMENTS["stochastic_depth"].arms, "linear", arm)
    log = run_arm("stochastic_depth", "linear", 1, tmp_path, epochs=1)
    measured = log.measured
    assert measured["images"] == 80 and measured["whole"] == round(log.accuracy, 4)
    assert len(measured["one"]) == 3 and list(measured["several"]) == ["2"]
    assert measured["step"]["share_of_blocks"] == pytest.approx(
        (5 / 6 + 4 / 6 + 3 / 6) / 3, abs=1e-4
    )
    assert 0 < measured["step"]["as_trained"] and 0 < measured["step"]["all_blocks"]


# --- What a chapter shows of the logs ------------------------------------------------------------


def a_log(arm: str, seed: int, accuracy: float, **changes) -> RunLog:
    recipe = {"dataset": "tiny-imagenet-20", "epochs": 6, "batch_size": 64, "limit": None}
    entry = {"epoch": 6, "train_accuracy": 0.625, "test_accuracy": accuracy}
    given = {
        "experiment": "shortcuts",
        "arm": arm,
        "seed": seed,
        "accuracy": accuracy,
        "top5": 0.9,
        "tested_on": 1000,
        "parameters": 1234567,
        "seconds": 60.0,
        "recipe": recipe,
        "made_with": {"device": "cpu"},
        "measured": {},
        "log": (entry,),
    }
    return RunLog(**given | changes)


def test_table_has_a_line_an_arm_and_a_figure_a_seed():
    diverged = a_log("C", 1, 0.0, measured={"diverged_in_epoch": 2}, log=())
    logs = [a_log("A", 1, 0.5), a_log("A", 2, 0.515), a_log("B", 1, 0.25), diverged]
    assert results_table(logs).splitlines() == [
        "| network | parameters | training error | test error |",
        "| --- | ---: | ---: | ---: |",
        "| A | 1,234,567 | 37.5 %, 37.5 % | 50.0 %, 48.5 % |",
        "| B | 1,234,567 | 37.5 % | 75.0 % |",
        "| C | 1,234,567 | – | diverged in epoch 2 |",
    ]
    named = results_table(logs, {"B": "projection", "D": "not run"}).splitlines()
    assert len(named) == 3 and named[2].startswith("| projection | ")
    with pytest.raises(ValueError, match=r"names=\['D'\]: expected arms"):
        results_table(logs, {"D": "not run"})
    wider = results_table(logs[:3], columns={"field": {"A": "3", "B": "5"}}).splitlines()
    assert wider[0] == "| network | parameters | field | training error | test error |"
    assert wider[1].count("---:") == 4
    assert wider[3] == "| B | 1,234,567 | 5 | 37.5 % | 75.0 % |"
    with pytest.raises(ValueError, match="column 'field' lacks the arm 'B'"):
        results_table(logs[:3], columns={"field": {"A": "3"}})


def test_conditions_are_those_of_all_runs():
    logs = [a_log("A", 1, 0.5), a_log("B", 2, 0.5, made_with={"device": "a GPU"})]
    assert conditions(logs) == (
        "20 classes of Tiny ImageNet at 64×64, 6 epochs in batches of 64, 1,000 test images, "
        "2 seeds, trained on a GPU and cpu."
    )
    other = a_log("C", 1, 0.5, recipe=logs[0].recipe | {"epochs": 7})
    with pytest.raises(ValueError, match="2 kinds of runs: expected one"):
        conditions([*logs, other])
