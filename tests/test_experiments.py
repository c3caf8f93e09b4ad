"""The papers' experiments: what is compared is comparable, and a run leaves a log behind."""

import json
import math
from dataclasses import asdict, replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from cnnlib.data import DATASETS, ImageSet, load_fashion
from cnnlib.experiments import (
    EXPERIMENTS,
    LOGS,
    Arm,
    RunLog,
    compare_every_pair,
    compare_right,
    compare_shares,
    compare_values,
    conditions,
    differences,
    find_best_rates,
    find_best_steps,
    find_bracket,
    find_plateau,
    find_single_runs,
    find_unresolved_pairs,
    load_experiment,
    make_sample,
    pool_spread,
    read_log,
    results_table,
    run_arm,
    steps_table,
)
from cnnlib.experiments.costs import count_cost_of_build
from cnnlib.experiments.experiment import RateSearch
from cnnlib.experiments.measures import (
    leave_out,
    measure_power_above,
    measure_silent_classes,
)
from cnnlib.experiments.packing import pack, pack_bits, unpack, unpack_bits
from cnnlib.experiments.tables import describe_images
from cnnlib.experiments.yardstick import student_quantile
from cnnlib.layers import StochasticDepth, halving_stem
from cnnlib.models.resnet import BasicBlock, resnet_cifar
from cnnlib.models.xception import SeparableConv2d
from cnnlib.trace import LayerTrace, trace
from cnnlib.train import run as training_run
from cnnlib.train.recipes import TINY_IMAGES

SMALL_ONES = [name for name in EXPERIMENTS if name != "leaderboard"]
NEW_ONES = [
    "relu_tanh",
    "overlap_lrn",
    "last_relu",
    "nin_heads",
    "nin_heads_longer",
    "first_layer_sizes",
    "removed_layers",
    "kernel_stacks",
    "heads_by_start",
    "equal_kernels",
    "plain_residual",
    "group_shuffle",
    "transitions",
    "separable_order",
    "rows_and_columns",
]
SIZES_OF_POOLS = ("side_by_side", "overlapping")
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


def input_shape(name: str, arm: str) -> tuple[int, int, int]:
    shape = EXPERIMENTS[name].recipe_of(arm, 1).preprocessing
    return shape.channels, shape.height, shape.width


def classes_of(dataset: str) -> int:
    if dataset == "imagenette":
        return 1000  # SqueezeNet's: the ten are told among them
    return int(dataset.rpartition("-")[2]) if dataset.startswith("tiny-imagenet-") else 10


@cache
def rows(name: str, arm: str) -> list[LayerTrace]:
    with torch.device("meta"):
        network = EXPERIMENTS[name].arms[arm].build(40)
    return trace(network, (1, *input_shape(name, arm)))


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
        assert network(torch.zeros(2, *input_shape(name, arm))).shape == (2, 7)


@pytest.mark.parametrize("name", SMALL_ONES)
def test_no_two_arms_are_the_same(name):
    def told(arm: Arm) -> tuple[str, str, str, float]:
        torch.manual_seed(1)
        network = arm.build(40)
        start = sum(float(weights.detach().abs().sum()) for weights in network.parameters())
        return str(network), str(arm.changes), str(arm.run), start

    arms = EXPERIMENTS[name].arms.values()
    assert len({told(arm) for arm in arms}) == len(arms)


@pytest.mark.parametrize("name", SMALL_ONES)
def test_arms_of_an_experiment_have_one_recipe_but_for_the_named_change(name):
    experiment = EXPERIMENTS[name]
    for arm in experiment.arms:
        changes = experiment.arms[arm].changes | {"seed": 2}
        assert experiment.recipe_of(arm, 2) == replace(experiment.recipe, **changes)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("kernel_stacks", "one_7x7", "three_3x3_as_many_weights"),
        ("separable", "separable", "dense_as_much_work"),
    ],
)
def test_equal_weights_are_equal_within_a_fifteenth(name, one, other):
    assert parameters(name, one) == pytest.approx(parameters(name, other), rel=1 / 15)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("separable", "separable", "dense_as_much_work"),
        ("rows_and_columns", "square", "large_grid"),
        ("rows_and_columns", "square", "grid_of_14"),
        ("rows_and_columns", "large_grid_cheap", "grid_of_14_cheap"),
    ],
)
def test_equal_work_is_equal_within_a_hundredth(name, one, other):
    assert work(name, one) == pytest.approx(work(name, other), rel=0.01)


def test_compressed_dense_net_works_less_and_the_wider_one_as_much_as_the_whole():
    whole, half, wider = (work("transitions", arm) for arm in ("all", "half", "half_wider"))
    assert half < 0.85 * whole and wider == pytest.approx(whole, rel=0.05)


def test_every_separable_convolution_is_turned_round_and_started_as_the_others():
    torch.manual_seed(1)
    first, turned = (
        [m for m in EXPERIMENTS["separable_order"].arms[f"{which}_first"].build(10).modules()
         if isinstance(m, SeparableConv2d)]
        for which in ("depthwise", "pointwise")
    )  # fmt: skip
    assert len(first) == len(turned) == 14
    for one, other in zip(first, turned, strict=True):
        assert [name for name, _ in one.named_children()] == ["depthwise", "pointwise"]
        assert [name for name, _ in other.named_children()] == ["pointwise", "depthwise"]
        assert other.depthwise.out_channels == other.pointwise.out_channels
        assert one.pointwise.weight.shape == other.pointwise.weight.shape
    weights = torch.cat([layer.pointwise.weight.flatten() for layer in turned[-2:]])
    assert weights.std().item() == pytest.approx((2 / 128) ** 0.5, rel=0.1)


@pytest.mark.parametrize(
    "name",
    [
        "kernel_stacks",
        "separable",
        "equal_kernels",
        "group_shuffle",
        "transitions",
        "separable_order",
        "rows_and_columns",
    ],
)
def test_arms_see_as_much(name):
    assert len({last_field(name, arm) for arm in EXPERIMENTS[name].arms}) == 1


@pytest.mark.parametrize(
    "name",
    [
        "plain_residual",
        "group_shuffle",
        "overlap_lrn",
        "stochastic_depth",
        "relu_tanh",
    ],
)
def test_what_is_switched_has_no_weights(name):
    counts = [(parameters(name, arm), work(name, arm)) for arm in EXPERIMENTS[name].arms]
    deep, groups = [(0, 2), (1, 3)], [(0, 1), (2, 3)]
    pairs = {
        "plain_residual": deep,
        "group_shuffle": groups,
    }
    for one, other in pairs.get(name, [(0, i) for i in range(len(counts))]):
        assert counts[one] == counts[other]


class Brightness(nn.Module):
    """Scores of four classes: 0, 0 for dark images, 0 for bright ones, and never 0."""

    def forward(self, x):
        light = x.mean(dim=(1, 2, 3))
        return torch.stack([0 * light, light.relu(), (-light).relu(), light.abs() + 1], dim=1)


def test_silent_classes_have_a_score_of_zero_for_every_image():
    images = np.repeat(np.array([0, 255, 255], np.uint8), 48 * 48 * 3).reshape(3, 48, 48, 3)
    run = SimpleNamespace(
        model=Brightness(),
        recipe=EXPERIMENTS["last_relu"].recipe,
        test_set=ImageSet(images, np.zeros(3, dtype=np.int64), tuple("abcd"), "noise"),
        processes=SimpleNamespace(device="cpu"),
    )
    assert measure_silent_classes(run) == {"images": 3, "silent": [True, False, False, False]}
    assert run.model.training


def test_last_relu_is_all_that_the_two_heads_differ_in():
    torch.manual_seed(0)
    relu, linear = (
        EXPERIMENTS["last_relu"].arms[name].build(4).eval() for name in ("relu", "linear")
    )
    linear.load_state_dict(relu.state_dict())
    x = torch.randn(2, 3, 48, 48)
    assert linear(x).min() < 0
    assert torch.equal(linear.features(x).relu(), relu.features(x))


def test_maps_behind_the_second_layer_are_equal_whatever_the_first():
    """What differs is the first layer's work alone."""
    behind = set()
    for arm in EXPERIMENTS["first_layer_sizes"].arms:
        found = rows("first_layer_sizes", arm)
        assert found[0].name == "conv1"
        size = 48 if arm.endswith("stride2") else 24
        assert found[0].out_shape == (1, 32, size, size)
        second = next(number for number, row in enumerate(found) if row.name == "conv2")
        behind.add(tuple((row.name, row.out_shape, row.macs) for row in found[second:]))
    assert len(behind) == 1


def test_removed_layers_are_gone_and_leave_all_maps_their_size():
    sizes, weighted = [], []
    for arm in EXPERIMENTS["removed_layers"].arms:
        sizes.append({row.name: row.out_shape[2:] for row in rows("removed_layers", arm)})
        weighted.append([row.name for row in rows("removed_layers", arm) if row.parameters])
    maps = {name: size for name, size in sizes[0].items() if size}
    assert all(own[name] == size for own in sizes for name, size in maps.items() if name in own)
    convolutions = ["conv1", "conv2", "conv3", "conv4", "conv5"]
    few, connected = ["conv1", "conv2", "conv5"], ["fc6", "fc7", "fc8"]
    assert weighted == [
        convolutions + connected, [*convolutions, "fc8"], few + connected, [*few, "fc8"],
    ]  # fmt: skip


def test_pools_of_both_kinds_give_the_same_maps():
    maps = {tuple(row.out_shape for row in rows("overlap_lrn", arm)) for arm in SIZES_OF_POOLS}
    assert len(maps) == 1 and maps.pop()[0] == (1, 48, 23, 23)


def test_small_start_is_alexnets_and_the_others_is_hes():
    arms = EXPERIMENTS["heads_by_start"].arms
    for heads in ("with_heads", "without_heads"):
        small, he = (arms[f"{start}_{heads}"].build(10) for start in ("small", "he"))
        for one, other in zip(small.modules(), he.modules(), strict=True):
            if isinstance(one, nn.Conv2d) and one.weight.numel() > 1000:
                assert one.weight.std().item() == pytest.approx(0.01, rel=0.1)
                fan_in = other.weight[0].numel()
                assert other.weight.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.1)


def test_every_differing_experiment_with_new_logs_says_what_else_differs():
    """Arms of unequal cost need a sentence beside the table."""
    for name in NEW_ONES:
        arms = EXPERIMENTS[name].arms
        if len({(parameters(name, arm), work(name, arm)) for arm in arms}) > 1:
            assert EXPERIMENTS[name].differs.endswith("."), name


def test_constant_stochastic_depth_never_drops_and_linear_ends_at_a_half():
    arms = EXPERIMENTS["stochastic_depth"].arms
    survivals = {
        name: [m.survival for m in arms[name].build(40).modules() if isinstance(m, StochasticDepth)]
        for name in arms
    }
    assert survivals["constant"] == 27 * [1.0]
    assert survivals["linear"] == pytest.approx([1 - n / 54 for n in range(1, 28)])


# --- A run --------------------------------------------------------------------------------------


def test_run_writes_a_log_that_is_read_back(noise, tmp_path):
    written = run_arm("group_shuffle", "groups3", 2, tmp_path)
    assert [path.name for path in (tmp_path / "group_shuffle").iterdir()] == ["groups3-seed2.json"]
    assert load_experiment("group_shuffle", tmp_path) == [written]
    assert (written.experiment, written.arm, written.seed) == ("group_shuffle", "groups3", 2)
    assert written.parameters == parameters("group_shuffle", "groups3")
    assert written.tested_on == 80 and [entry["epoch"] for entry in written.log] == [1, 2]
    assert written.accuracy == written.log[-1]["test_accuracy"]
    assert written.recipe["seed"] == 2 and written.measured == {}
    assert written.right_images().mean() == written.accuracy
    assert written.right_images(5).mean() == written.top5 > written.accuracy
    assert not (written.right_images() & ~written.right_images(5)).any()
    assert written.cost["macs"] == work("group_shuffle", "groups3")


def test_test_images_are_looked_at_now_and_then_and_at_the_end(noise, tmp_path, monkeypatch):
    seldom = replace(EXPERIMENTS["plain_residual"], look_every=2)
    monkeypatch.setitem(EXPERIMENTS, "plain_residual", seldom)
    log = run_arm("plain_residual", "residual20_B", 1, tmp_path, epochs=3)
    assert [entry["epoch"] for entry in log.log] == [2, 3]  # the others are not kept
    assert all("test_accuracy" in entry for entry in log.log)


def test_rate_search_counts_steps_and_makes_none_up(tmp_path, monkeypatch):
    experiment = EXPERIMENTS["relu_tanh"]
    rates = (1e-6, 0.05, 2e-6, 1e25)
    search = RateSearch(rates, target=0.5, most=60, give_up=1, look_after=5, images=200)
    arm = replace(experiment.arms["relu_scaled"], search=search)
    monkeypatch.setitem(experiment.arms, "relu_scaled", arm)
    log = run_arm("relu_tanh", "relu_scaled", 1, tmp_path)
    never, steps, slow, wild = log.measured["steps"].values()
    assert never is slow is wild is None and 0 < steps <= 30 and steps % 5 == 0
    assert list(log.measured["ended"].values()) == ["cap", "arrived", "slow", "diverged"]
    with pytest.raises(FileExistsError):
        run_arm("relu_tanh", "relu_scaled", 1, tmp_path)
    other = run_arm("relu_tanh", "relu_scaled", 1, tmp_path / "again")
    assert other.measured == log.measured


def test_logs_that_ship_are_of_the_arms_as_they_stand():
    names = {path.name for path in LOGS.iterdir()}
    assert names - {"evidence", "transferring.json"} <= set(EXPERIMENTS)  # those have own tests
    found = [path for name in EXPERIMENTS for path in sorted((LOGS / name).glob("*.json"))]
    assert found
    for path in found:
        log = read_log(path)
        experiment = EXPERIMENTS[log.experiment]
        recipe = experiment.recipe_of(log.arm, log.seed)
        assert log.recipe == json.loads(json.dumps(asdict(recipe))), path
        build, classes = experiment.arms[log.arm].build, classes_of(recipe.dataset)
        with torch.device("meta"):
            network = build(classes)
        assert log.parameters == sum(weights.numel() for weights in network.parameters()), path
        if log.cost is not None:
            assert log.cost == count_cost_of_build(
                build, classes, input_shape(log.experiment, log.arm)
            )
        for share, top in ((log.accuracy, 1), (log.top5, 5)):
            right = log.right_images(top)
            assert right is None or right.mean() == pytest.approx(share), path


def test_stopped_run_goes_on_to_the_same_log(noise, tmp_path, monkeypatch):
    whole = run_arm("plain_residual", "residual20_B", 1, tmp_path / "whole")
    save = training_run.Run.save

    def save_and_stop(self, path):
        save(self, path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training_run.Run, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            run_arm("plain_residual", "residual20_B", 1, tmp_path / "cut")
    resumed = run_arm("plain_residual", "residual20_B", 1, tmp_path / "cut")

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
        (("plain_residual", "D", 1), "plain_residual has no arm 'D'; it has: plain20, plain56"),
        (("plain_residual", "plain20", 4), "seed=4: expected 1 to 3"),
    ):
        with pytest.raises(ValueError, match=message):
            run_arm(*arguments, tmp_path)
    assert not list(tmp_path.iterdir())
    taken = tmp_path / "plain_residual" / "residual20_B-seed1.json"
    taken.parent.mkdir()
    taken.write_text("{}")
    with pytest.raises(FileExistsError, match="residual20_B-seed1.json"):
        run_arm("plain_residual", "residual20_B", 1, tmp_path)
    with pytest.raises(ValueError, match="no log of an experiment"):
        read_log(taken)
    with pytest.raises(FileNotFoundError, match="no logs"):
        load_experiment("group_shuffle", tmp_path)


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


def test_shifted_clothes_lose_nothing_but_their_place(tmp_path):
    log = run_arm("nin_heads", "means_rate0.01", 1, tmp_path, epochs=2)
    shifts = log.measured["shifts"]
    assert list(shifts) == ["0", "1", "2", "3", "4"]
    assert shifts["0"] == round(log.accuracy, 4)
    shape = EXPERIMENTS["nin_heads"].recipe.preprocessing
    inputs = shape.apply(load_fashion("test").images)
    assert inputs[..., :4].abs().max() == inputs[..., -4:].abs().max() == 0  # nothing is cut off


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
    slow, fast, flat = measure_power_above(planes[:, None], 0.25)
    assert slow < 0.1 and fast > 0.9 and flat == 0


def test_first_layer_finds_a_dead_filter_and_its_waves(noise, tmp_path, monkeypatch):
    experiment = EXPERIMENTS["first_layer_sizes"]
    recipe = replace(experiment.recipe, preprocessing=TINY_IMAGES)
    monkeypatch.setitem(EXPERIMENTS, "first_layer_sizes", replace(experiment, recipe=recipe))
    arm = experiment.arms["kernel7_stride2"]

    def build(num_classes):
        network = arm.build(num_classes)
        with torch.no_grad():
            network.conv1.weight[5] = 0
            network.conv1.bias[5] = -100
            network.conv1.weight[6] *= 10
        return network

    changed = replace(arm, build=build, changes={"learning_rate": 1e-9})
    monkeypatch.setitem(EXPERIMENTS["first_layer_sizes"].arms, "kernel7_stride2", changed)
    measured = run_arm("first_layer_sizes", "kernel7_stride2", 1, tmp_path, epochs=1).measured
    assert [number for number, dead in enumerate(measured["dead"]) if dead] == [5]
    assert measured["active"][5] == 0 and measured["high"][5] == 0
    weights = unpack(measured["weights"])
    assert weights.shape == (32, 3, 7, 7)
    assert np.sqrt((weights**2).sum(axis=(1, 2, 3))) == pytest.approx(measured["norm"], abs=1e-3)
    assert np.argmax(measured["norm"]) == 6
    assert measured["stride"] == 2 and measured["high"] == measured["aliased"]


def test_heads_reach_early_modules_and_none_behind_them(noise, tmp_path):
    measured = run_arm("heads_by_start", "he_with_heads", 1, tmp_path, epochs=1).measured
    for when in ("fresh", "trained"):
        heads, main = measured[when]["heads"], measured[when]["main"]
        assert list(heads) == list(main) and len(main) == 6
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

    short = _network(StochasticDepthResNet, (1, 1, 1), (8, 16, 32), stem=halving_stem)
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
    recipe = {
        "dataset": "tiny-imagenet-20",
        "epochs": 6,
        "batch_size": 64,
        "limit": None,
        "preprocessing": {"height": 64, "width": 64},
    }
    entry = {"epoch": 6, "train_accuracy": 0.625, "test_accuracy": accuracy}
    given = {
        "experiment": "plain_residual",
        "arm": arm,
        "seed": seed,
        "accuracy": accuracy,
        "top5": None,
        "tested_on": 1000,
        "parameters": 1234567,
        "seconds": 60.0,
        "recipe": recipe,
        "made_with": {"device": "cpu"},
        "measured": {},
        "log": (entry,),
    }
    return RunLog(**given | changes)


def logs_of(arm: str, right: np.ndarray, **changes) -> list[RunLog]:
    """A log a row of ``right``, bool (seeds, images)."""
    return [
        a_log(
            arm,
            seed,
            float(flags.mean()),
            tested_on=len(flags),
            right=pack_bits(flags),
            **changes,
        )
        for seed, flags in enumerate(right, start=1)
    ]


def test_table_has_a_line_an_arm_and_a_figure_a_seed():
    diverged = a_log("C", 1, 0.0, measured={"diverged_in_epoch": 2}, log=())
    logs = [a_log("A", 1, 0.5), a_log("A", 2, 0.516), a_log("B", 1, 0.25), diverged]
    *table, empty, below = results_table(logs).splitlines()
    assert table == [
        "| network | test error | against A | training error | parameters |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| A | 49.2 % (50.0, 48.4) | – | 37.5 % (37.5, 37.5) | 1,234,567 |",
        f"| B | 75.0 % † | {by_hand(0.25, 0.508)} | 37.5 % | 1,234,567 |",
        "| C | diverged in epoch 2 | – | – | 1,234,567 |",
    ]
    assert empty == "" and "the draw of the 1,000 test images (each network's own" in below
    assert "seeds and the draw" not in below and "† One seed" in below
    named = results_table(logs, {"B": "projection", "D": "not run"}).splitlines()
    assert len(named) == 5 and named[2] == "| projection | 75.0 % † | 37.5 % | 1,234,567 |"
    with pytest.raises(ValueError, match=r"names=\['D'\]: expected arms"):
        results_table(logs, {"D": "not run"})
    wider = results_table(logs[:3], columns={"field": {"A": "3", "B": "5"}}).splitlines()
    assert wider[0] == "| network | test error | against A | training error | field | parameters |"
    assert wider[1].count("---:") == 5
    assert wider[3].startswith("| B | 75.0 % † | ") and wider[3].endswith(
        " | 37.5 % | 5 | 1,234,567 |"
    )
    with pytest.raises(ValueError, match="column 'field' lacks the arm 'B'"):
        results_table(logs[:3], columns={"field": {"A": "3"}})
    with pytest.raises(ValueError, match="base='E': expected an arm among A, B"):
        results_table(logs[:3], base="E")


def by_hand(share: float, base: float) -> str:
    """Two coins on 1,000 images each, the base with seeds 0.5 and 0.516, in points of error."""
    of_seeds = 2 * 0.008**2 / 2
    draw = share * (1 - share) / 1000 + base * (1 - base) / 1000
    variance = of_seeds + draw
    half = student_quantile(variance**2 / of_seeds**2) * math.sqrt(variance)
    low, high = (base - share - half, base - share + half)
    return f"+{100 * (base - share):.1f} [+{100 * low:.1f}, +{100 * high:.1f}]"


def test_table_has_what_the_arms_cost_and_top5_where_all_have_it():
    cost = {"macs": 25_300_000, "maps": [16, 8], "widest": 64, "convolutions": 19}
    logs = [
        a_log("A", 1, 0.5, top5=0.8, cost=cost),
        a_log("B", 1, 0.5, top5=0.7, cost=cost | {"maps": [16, 16]}),
    ]
    head, _, _, line, *_ = results_table(logs).splitlines()
    assert head == (
        "| network | test error | against A | top-5 error | against A | training error "
        "| parameters | multiply-adds | maps |"
    )
    assert line.startswith("| B | 50.0 % † | 0.0 [−") and " | 30.0 % † | +10.0 [+" in line
    assert line.endswith(" | 37.5 % | 1,234,567 | 25.3 M | 16, 16 |")
    small = [a_log("A", 1, 0.5, cost=cost | {"macs": macs}) for macs in (24_520, 100_000)]
    ends = [results_table([log]).splitlines()[2].split(" | ")[-1] for log in small]
    assert ends == ["24,520 |", "0.1 M |"]  # never "0.0 M"
    own = {"multiply-adds": {"A": "few", "B": "many"}}
    assert results_table(logs, columns=own).splitlines()[0].count("multiply-adds") == 1
    assert "top-5" not in results_table([*logs, a_log("C", 1, 0.5)])


def test_conditions_are_those_of_all_runs():
    logs = [
        a_log("A", 1, 0.5),
        a_log("A", 2, 0.5),
        a_log("B", 2, 0.5, made_with={"device": "a GPU"}),
    ]
    assert conditions(logs) == (
        "20 classes of Tiny ImageNet at 64×64, 6 epochs in batches of 64, 1,000 test images, "
        "1 to 2 seeds a network, trained on a GPU and cpu."
    )
    other = a_log("C", 1, 0.5, recipe=logs[0].recipe | {"epochs": 7})
    with pytest.raises(ValueError, match="2 kinds of runs: expected one"):
        conditions([*logs, other])


def test_every_experiments_images_have_a_name():
    for experiment in EXPERIMENTS.values():
        shape = experiment.recipe.preprocessing
        words = describe_images(experiment.recipe.dataset, shape.height, shape.width)
        assert f"{shape.height}×{shape.width}" in words
    assert describe_images("imagenette-32", 32, 32) == "the ten classes of Imagenette at 32×32"
    with pytest.raises(ValueError, match="dataset='letters'"):
        describe_images("letters", 28, 28)
    few = a_log("A", 1, 0.5)
    few = replace(few, recipe=few.recipe | {"dataset": "fashion", "limit": 300})
    assert conditions([few]).startswith(
        "The first 300 training images of ten kinds of clothes (8,000 of Fashion-MNIST) at 64×64, "
    )


# --- The yardstick -------------------------------------------------------------------------------


def test_flags_come_back_and_other_text_is_refused():
    flags = np.random.default_rng(1).random(1003) < 0.3
    text = pack_bits(flags)
    assert len(text) == 168 and np.array_equal(unpack_bits(text, 1003), flags)
    with pytest.raises(ValueError, match="126 bytes of flags: expected 125 for 1000"):
        unpack_bits(text, 1000)
    with pytest.raises(ValueError, match="no packed flags"):
        unpack_bits("?", 8)
    with pytest.raises(ValueError, match="expected bool"):
        pack_bits(np.ones(8))


def test_mean_and_spread_are_numpys_and_one_value_has_no_spread():
    assert make_sample([0.752, 0.752]) == (0.752, 0.0, 2)
    mean, spread, count = make_sample([1.0, 2.0, 6.0])
    assert (mean, count) == (3.0, 3) and spread == pytest.approx(math.sqrt(7))
    assert make_sample([0.5]) == (0.5, None, 1)
    for values in ([], [1.0, math.nan]):
        with pytest.raises(ValueError, match="one or more finite numbers"):
            make_sample(values)


# Student's t, two-sided 95 %, from the printed tables.
@pytest.mark.parametrize(
    ("freedom", "t"), [(1, 12.706), (2, 4.303), (4, 2.776), (30, 2.042), (math.inf, 1.962)]
)
def test_student_quantile_is_that_of_the_printed_tables(freedom, t):
    assert student_quantile(freedom) == pytest.approx(t, abs=0.002)


def test_welch_interval_is_that_of_a_case_by_hand():
    """Means 5 and 2, variances 4 and 1 of three values each: error sqrt(5/3), freedom 50/17."""
    interval = compare_values([3, 5, 7], [1, 2, 3])
    half = student_quantile(50 / 17) * math.sqrt(5 / 3)
    assert interval.difference == 3
    assert (interval.low, interval.high) == pytest.approx((3 - half, 3 + half))
    assert interval.seeds == "own" and not interval.resolved
    assert compare_values([3.0], [1, 2, 3]).seeds == "none"


def made_up_runs(
    generator, seeds: int, images: int, gain: float, luck: float = 0.05
) -> list[np.ndarray]:
    """Two arms on the same images: an image's ease, a seed's luck, and chance decide.

    The second arm is ahead by ``gain``. Bool, (seeds, images) each.
    """
    ease = generator.normal(size=images)
    return [
        ahead + luck * generator.normal(size=(seeds, 1)) + ease
        > generator.normal(size=(seeds, images))
        for ahead in (0.0, gain)
    ]


@pytest.mark.parametrize("luck", [0.05, 0.3])
def test_intervals_hold_the_true_difference_as_often_as_they_say(luck):
    """True difference: the mean over many other images and seeds. Rather too often than not."""
    generator = np.random.default_rng(1)
    one, other = made_up_runs(generator, 400, 4000, 0.3, luck=0.0)
    truth = other.mean() - one.mean()
    caught = {"paired": 0, "unpaired": 0}
    widths = {"paired": [], "unpaired": []}
    times = 300
    for _ in range(times):
        one, other = made_up_runs(generator, 3, 400, 0.3, luck)
        paired = compare_right(other, one)
        unpaired = compare_shares(other.mean(axis=1), one.mean(axis=1), 400)
        assert paired.difference == pytest.approx(unpaired.difference)
        for interval in (paired, unpaired):
            caught[interval.images] += interval.low <= truth <= interval.high
            widths[interval.images].append(interval.high - interval.low)
    assert 0.93 * times <= caught["paired"] <= times
    assert caught["unpaired"] >= caught["paired"] - 5
    if luck < 0.1:  # else the seeds' part is by far the larger, and not paired
        assert np.median(widths["paired"]) < np.median(widths["unpaired"])


def test_seeds_alone_or_images_alone_would_be_too_sure():
    """What each half of the yardstick lacks: the interval must be wider than either's."""
    generator = np.random.default_rng(2)
    one, other = made_up_runs(generator, 3, 500, 0.0)
    both = compare_right(other, one)
    of_seeds = compare_values(other.mean(axis=1), one.mean(axis=1))
    of_images = compare_right(other[:1], one[:1])
    assert both.seeds == "own" and of_images.seeds == "none" and of_seeds.images == "none"
    error = {
        interval: (interval.high - interval.low) / 2 for interval in (both, of_seeds, of_images)
    }
    assert min(error.values()) > 0
    draw = (other.mean(axis=0) - one.mean(axis=0)).var(ddof=1) / 500
    seeds = sum(side.mean(axis=1).var(ddof=1) / 3 for side in (one, other))
    parts = [side.mean(axis=1).var(ddof=1) / 3 for side in (one, other)]
    freedom = (draw + seeds) ** 2 / sum(part**2 / 2 for part in parts)
    assert error[both] == pytest.approx(student_quantile(freedom) * math.sqrt(draw + seeds))


def test_differences_are_paired_where_all_logs_hold_the_images():
    generator = np.random.default_rng(3)
    one, other = made_up_runs(generator, 3, 400, 0.3)
    logs = [*logs_of("A", one), *logs_of("B", other)]
    found = differences(logs)
    assert found == {"A": None, "B": compare_right(other, one)}
    assert differences(logs, "B")["A"].difference == -found["B"].difference
    without = [replace(logs[0], right=None), *logs[1:]]
    assert differences(without)["B"].images == "unpaired"
    elsewhere = [replace(log, recipe=log.recipe | {"dataset": "imagenette-32"}) for log in logs[3:]]
    assert differences([*logs[:3], *elsewhere])["B"].images == "unpaired"
    with pytest.raises(ValueError, match="top=5: expected 1, or 5"):
        differences(logs, top=5)
    with pytest.raises(ValueError, match="base='C'"):
        differences(logs, "C")


def test_pairs_are_unresolved_within_the_yardstick_and_single_runs_are_named():
    generator = np.random.default_rng(4)
    one, other = made_up_runs(generator, 3, 400, 0.0)
    far = generator.random((1, 400)) < 0.95
    logs = [*logs_of("A", one), *logs_of("B", other), *logs_of("C", far)]
    assert [pair[:2] for pair in compare_every_pair(logs)] == [("A", "B"), ("A", "C"), ("B", "C")]
    assert [pair[:2] for pair in find_unresolved_pairs(logs)] == [("A", "B")]
    assert find_single_runs(logs) == ["C"]
    own, common = (
        compare_every_pair(logs, common_spread=common)[1].interval for common in (False, True)
    )
    assert (own.seeds, common.seeds) == ("none", "common")
    pooled = pool_spread(logs)
    variances = [side.mean(axis=1).var(ddof=1) for side in (one, other)]
    assert pooled.spread == pytest.approx(math.sqrt(sum(variances) / 2)) and pooled.count == 5
    assert pool_spread(logs[-1:]) is None


def test_bracket_has_its_best_inside_and_counts_no_censored_run():
    steps = {0.01: [300, 310], 0.03: [100, 120], 0.1: [90, None], 0.3: [None, None]}
    assert find_bracket(steps) == (0.03, True, (0.1, 0.3)) and find_bracket(steps).sound
    assert find_bracket({0.1: [3.0], 0.3: [2.0]}) == (0.3, False, ())
    assert not find_bracket({0.1: [3.0], 0.3: [2.0]}).sound
    assert find_bracket({1: [3.0], 2: [4.0], 3: [2.0]}, largest=True) == (2, True, ())
    with pytest.raises(ValueError, match="expected a setting with all its runs"):
        find_bracket({0.1: [None], 0.3: []})


def test_plateau_is_the_change_of_the_last_third():
    accuracies = (0.1, 0.2, 0.3, 0.4, 0.6, 0.65)
    entries = tuple(
        {"epoch": epoch, "train_accuracy": share, "test_accuracy": share / 2}
        for epoch, share in enumerate(accuracies, start=1)
    )
    training, test, epochs = find_plateau(a_log("A", 1, 0.3, log=entries))
    assert (training, test, epochs) == (pytest.approx(-0.25), pytest.approx(-0.125), 2)
    seldom = [{**entry} for entry in entries]
    del seldom[3]["test_accuracy"]
    assert find_plateau(a_log("A", 1, 0.3, log=tuple(seldom))).test is None
    with pytest.raises(ValueError, match="2 epochs, expected 3 or more"):
        find_plateau(a_log("A", 1, 0.3, log=entries[:2]))


def test_rate_is_chosen_by_the_first_seed_and_told_by_the_others():
    logs = [
        a_log("means_rate0.01", 1, 0.7),
        a_log("means_rate0.03", 1, 0.8),
        a_log("means_rate0.1", 1, 0.0, measured={"diverged_in_epoch": 1}),
        a_log("means_rate0.03", 2, 0.75),
        a_log("means_rate0.03", 3, 0.77),
    ]
    found = find_best_rates(logs)["means"]
    assert (found.rate, [run.accuracy for run in found.runs]) == (0.03, [0.75, 0.77])
    assert found.bracket.sound and found.bracket.censored == (0.1,)
    assert "| means | 24.0 % (25.0, 23.0) | 37.5 % (37.5, 37.5) | 1,234,567 |" in results_table(
        found.runs
    )
    with pytest.raises(ValueError, match="seed 1 alone ran at its best rate 0.03"):
        find_best_rates(logs[:3])
    with pytest.raises(ValueError, match="'A': expected a name that ends in _rateNUMBER"):
        find_best_rates([a_log("A", 1, 0.5)])


def a_search(arm: str, seed: int, **steps: int | None) -> RunLog:
    measured = {"steps": {rate.replace("_", "."): n for rate, n in steps.items()}, "most": 500}
    return a_log(arm, seed, 0.0, measured=measured, log=())


def test_steps_are_told_by_seeds_that_did_not_choose_the_rate():
    fast = [a_search("relu", 1, _01=90, _1=50, _5=None), a_search("relu", 2, _01=95, _1=70, _5=60)]
    slow = [a_search("tanh", seed, _01=190, _1=110, _5=None) for seed in (1, 2)]
    found = find_best_steps(fast)
    assert (found.rate, found.steps) == (0.1, (70,)) and found.bracket.censored == (0.5,)
    assert steps_table([*fast, *slow], {"relu": "ReLU", "tanh": "tanh"}, "relu").splitlines() == [
        "| network | best rate | steps, each seed | times those of ReLU |",
        "| --- | ---: | ---: | ---: |",
        "| ReLU | 0.1 | 70 | 1 |",
        "| tanh | 0.1 | 110 | 1.57 [1.57, 1.57] |",
    ]
    edge = [a_search("relu", seed, _01=90, _1=50) for seed in (1, 2)]
    with pytest.raises(ValueError, match="relu: the best rate 0.1 is not inside its grid"):
        steps_table(edge, {"relu": "ReLU"}, "relu")
    with pytest.raises(ValueError, match="one run was censored"):
        find_best_steps([fast[0], a_search("relu", 2, _01=90, _1=None, _5=None)])
    with pytest.raises(ValueError, match="1 seeds: expected two or more"):
        find_best_steps(fast[:1])
