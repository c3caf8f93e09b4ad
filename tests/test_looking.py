"""The ZFNet paper's figures as counts: each measure on a case where the answer is known."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from cnnlib.data import ImageSet
from cnnlib.experiments import evidence, load_experiment
from cnnlib.experiments import evidence_tables as tables
from cnnlib.experiments.__main__ import main
from cnnlib.experiments.evidence import (
    HEADS,
    LAYERS,
    PARTS,
    Evidence,
    Sources,
    collect_features,
    draw_images,
    gather_evidence,
    load_evidence,
)
from cnnlib.experiments.linear_heads import classify, fit_head, fit_path, turn_features
from cnnlib.experiments.looking import (
    collect_peaks,
    find_largest_class,
    find_settled,
    measure_classes,
    measure_filters,
    measure_folded,
    measure_nearness,
    resample_difference,
    resample_mean,
)
from cnnlib.experiments.packing import pack_bits, unpack, unpack_bits
from cnnlib.models import build_network
from cnnlib.train.recipes import PHOTOGRAPHS, TINY_IMAGES
from cnnlib.weights import WEIGHTS, WeightFile

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = replace(PHOTOGRAPHS, height=80, width=80, resize=84)


def some_images(count: int, side: int = 44, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def wave(frequency: float, size: int, quarter: float = 0.0) -> torch.Tensor:
    """Stripes down the columns, (size, size)."""
    place = torch.arange(size, dtype=torch.float32)
    return torch.cos(2 * math.pi * frequency * place + quarter).expand(size, size)


# --- What a channel does ------------------------------------------------------------------------


def test_peaks_are_the_largest_value_of_each_map():
    torch.manual_seed(1)
    network = build_network("imagenette_zfnet", 10).eval()
    images = some_images(7, 84)
    heard = []
    found = collect_peaks(network, SMALL, images, ["relu1", "relu3"], heard.append)
    x = SMALL.apply(images)
    with torch.no_grad():
        first = network.relu1(network.conv1(x))
        third = network.norm2(
            network.pool2(network.relu2(network.conv2(network.norm1(network.pool1(first)))))
        )
        third = network.relu3(network.conv3(third))
    assert torch.allclose(found["relu1"], first.amax(dim=(2, 3)), rtol=1e-4, atol=1e-5)
    assert torch.allclose(found["relu3"], third.amax(dim=(2, 3)), rtol=1e-3, atol=1e-4)
    assert sum(heard) == 7


def test_largest_class_is_counted_among_the_nine_strongest():
    labels = torch.arange(30) % 3
    peaks = torch.rand(30, 4)
    peaks[:, 0] += 2.0 * (labels == 1)  # all nine of one class
    peaks[:, 1] = 0
    peaks[:8, 1] = 1.0  # too few answers
    order = torch.arange(30.0)
    peaks[:, 2] = 100 - order  # 0, 1, 2, ... : three of each class
    peaks[:, 3] = (labels == 2) * (9 - order / 10).clamp(min=0) + (order == 0) * 50.0
    classes, counts = find_largest_class(peaks, labels)
    assert counts.tolist() == [9, 0, 3, 8]
    assert classes[[0, 2, 3]].tolist() == [1, 0, 2]


def test_dealt_classes_are_as_even_as_luck():
    torch.manual_seed(1)
    labels = torch.arange(1000) % 10
    peaks = torch.rand(1000, 50) + 5.0 * (labels[:, None] == torch.arange(50) % 10)
    found = measure_classes(peaks, labels, shuffles=10)
    assert found["category"] == [channel % 10 for channel in range(50)]
    assert found["largest"] == 50 * [9] and found["answers"] == 50 * [1000]
    assert sum(found["shuffled"]) == 500 and sum(found["shuffled"][5:]) < 20
    generator = np.random.default_rng(1)
    lots = [np.bincount(generator.integers(0, 10, 9)).max() for _ in range(4000)]
    mean = sum(n * times for n, times in enumerate(found["shuffled"])) / 500
    assert mean == pytest.approx(np.mean(lots), abs=0.1)


# --- How near the end ---------------------------------------------------------------------------


def test_nearness_of_the_end_to_itself_is_complete():
    torch.manual_seed(1)
    final, weights = torch.rand(60, 8), torch.randn(8, 3, 5, 5)
    same = measure_nearness(final, final, weights, weights)
    assert same == {
        "ranks": [1, 1, 1], "flat": 0, "first": 1, "nine": 1, "weights": [1, 1, 1],
    }  # fmt: skip
    other = final.clone()
    other[:, 0] = 0  # says nothing
    other[:, 1] = 1 - final[:, 1]  # the opposite
    far = measure_nearness(other, final, torch.randn(8, 3, 5, 5), weights)
    assert far["flat"] == 1 and far["first"] == 0.75 and 0.75 <= far["nine"] < 0.85
    assert abs(far["weights"][1]) < 0.2


def test_settled_is_from_where_it_stays():
    assert find_settled([0, 1, 2, 5], [0.1, 0.95, 0.8, 0.9]) == 5
    assert find_settled([0, 1, 2, 5], [0.1, 0.95, 0.9, 0.9]) == 1
    assert find_settled([0, 1], [0.95, 0.1]) is None


# --- Filters ------------------------------------------------------------------------------------


def test_filters_are_told_by_band_and_death():
    torch.manual_seed(1)
    conv, start = (nn.Conv2d(1, 5, 16, stride=4) for _ in range(2))
    with torch.no_grad():
        for number, frequency in enumerate((1 / 16, 3 / 16, 6 / 16)):
            conv.weight[number, 0] = wave(frequency, 16)
        conv.weight[3] *= 0.1
        conv.weight[4] *= 20
        start.weight[4] = 3 * conv.weight[4]
    peaks = torch.ones(20, 5)
    peaks[:, 1] = 0
    peaks[:5, 2] = -1
    found = measure_filters(conv, start, peaks)
    shares = np.array([found[name] for name in ("low", "middle", "high")])
    assert shares.sum(axis=0) == pytest.approx(1, abs=1e-3)
    assert (
        shares[:, :3].argmax(axis=0).tolist() == [0, 1, 2] and shares[:, :3].max(axis=0).min() > 0.8
    )
    assert found["dead"] == [False, True, False, True, False]
    assert found["answers"] == [1, 0, 0.75, 1, 1]
    assert found["aliased"][0] < 0.2 and min(found["aliased"][1:3]) > 0.8  # above 1/8
    assert found["kept"][4] == 1 and abs(found["kept"][0]) < 0.5
    assert found["norm"][0] == pytest.approx(conv.weight[0].norm().item(), rel=1e-3)


def test_folded_is_what_a_stride_cannot_carry():
    conv = nn.Conv2d(1, 2, 1, stride=4)
    with torch.no_grad():
        conv.weight[:] = torch.tensor([1.0, -3.0]).view(2, 1, 1, 1)
    for frequency, expected in ((1 / 16, 0), (3 / 16, 1)):
        pictures = torch.stack([wave(frequency, 64, q) for q in (0, 1)])[:, None]
        assert measure_folded(conv, pictures) == pytest.approx([expected, expected], abs=0.01)
    both = (wave(1 / 16, 64) + wave(3 / 16, 64).T)[None, None]
    assert measure_folded(conv, both) == pytest.approx([0.5, 0.5], abs=0.01)
    odd = (wave(1 / 15, 63) + wave(3 / 15, 63).T)[None, None]
    assert measure_folded(conv, odd) == pytest.approx([0.5, 0.5], abs=0.01)


def test_resampled_intervals_are_those_of_means_and_differences():
    generator = np.random.default_rng(2)
    one, other = generator.normal(3.0, 2.0, 400), generator.normal(1.0, 1.0, 100)
    mean = resample_mean(one)
    assert mean.difference == pytest.approx(one.mean())
    assert (mean.high - mean.low) / 2 == pytest.approx(1.96 * one.std() / 20, rel=0.15)
    assert resample_mean(one) == mean
    both = resample_difference(one, other)
    assert both.difference == pytest.approx(one.mean() - other.mean()) and both.resolved
    length = 1.96 * (one.var() / 400 + other.var() / 100) ** 0.5
    assert (both.high - both.low) / 2 == pytest.approx(length, rel=0.15)
    for few in ([[1.0]], [[1.0, 2.0], [1.0]]):
        with pytest.raises(ValueError, match="expected two or more, found 1"):
            (resample_mean if len(few) == 1 else resample_difference)(*few)


# --- Linear heads -------------------------------------------------------------------------------


def test_turned_features_keep_all_products_with_those_to_learn_from():
    torch.manual_seed(1)
    features = torch.randn(30, 200) * 5 + 3
    turned = turn_features(features, 20)
    assert turned.shape == (30, 20)
    x = features - features[:20].mean(dim=0)
    x /= x[:20].square().sum(dim=1).mean().sqrt()
    assert torch.allclose(turned @ turned[:20].T, x @ x[:20].T, atol=1e-4)
    few = turn_features(features[:, :7], 20)
    assert few.shape == (30, 7) and few[:20].mean(dim=0).abs().max() < 1e-5


def test_head_is_where_the_gradient_is_0_and_the_same_in_either_form():
    torch.manual_seed(1)
    labels = torch.arange(40) % 3
    features = torch.randn(40, 60) + 2 * nn.functional.one_hot(labels, 60)
    x = features - features.mean(dim=0)
    x = x / x.square().sum(dim=1).mean().sqrt()
    (weights,) = fit_path(x, labels, [0.1])
    weights.requires_grad_()
    loss = nn.functional.cross_entropy(x @ weights[:-1] + weights[-1], labels)
    loss = loss + 0.1 / 80 * weights[:-1].square().sum()
    (gradient,) = torch.autograd.grad(loss, weights)
    assert gradient.abs().max() < 1e-3
    turned = turn_features(features, 40)
    (other,) = fit_path(turned, labels, [0.1])
    scores = [(z @ w[:-1] + w[-1]).detach() for z, w in ((x, weights), (turned, other))]
    assert torch.allclose(*(s - s.mean(dim=1, keepdim=True) for s in scores), atol=0.05)


def test_head_learns_what_is_there_and_nothing_from_noise():
    torch.manual_seed(1)
    labels = torch.arange(300) % 4
    noise = torch.randn(300, 500)
    told = noise + 4 * nn.functional.one_hot(labels, 500)
    head = fit_head(told, labels, 200)
    assert head.right.shape == (100,) and head.right.double().mean() > 0.9
    assert head.penalty in head.held_out and max(head.held_out.values()) > 0.9
    assert fit_head(noise, labels, 200).right.double().mean() < 0.45
    x = turn_features(told, 200)
    assert (classify(x[:200], fit_path(x[:200], labels[:200], [0.001])[0]) == labels[:200]).all()


def test_features_are_the_layers_own_averaged_to_the_grid():
    torch.manual_seed(1)
    network = build_network("imagenette_zfnet", 10).eval()
    x = torch.randn(3, 3, 128, 128)
    found = collect_features(network, x, HEADS)
    with torch.no_grad():
        pooled = network.pool1(network.relu1(network.conv1(x)))
    expected = nn.functional.adaptive_avg_pool2d(pooled, 7).flatten(1)
    assert torch.allclose(found["pool1"], expected, atol=1e-4)
    assert {name: f.shape[1] for name, f in found.items()} == {
        "pool1": 48 * 49, "pool2": 128 * 49, "relu3": 192 * 49, "relu4": 192 * 49,
        "pool5": 128 * 9, "relu6": 512, "relu7": 512,
    }  # fmt: skip


def test_drawn_images_are_as_many_of_each_class_and_mixed():
    labels = np.arange(400) % 4
    drawn = draw_images(labels, 10, 1)
    assert (
        np.bincount(labels[drawn]).tolist() == [10, 10, 10, 10] and len(set(drawn.tolist())) == 40
    )
    assert drawn.equal(draw_images(labels, 10, 1)) and not drawn.equal(draw_images(labels, 10, 2))
    assert len(set(labels[drawn][:20])) == 4


# --- The program --------------------------------------------------------------------------------


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """Photographs of noise, weights without training, and snapshots of them: ``Sources``."""
    monkeypatch.setenv("CNNLIB_DATA", str(tmp_path / "kept"))

    def load(name, split, path=None):
        return ImageSet(some_images(30), np.arange(30) % 10, tuple("abcdefghij"), "made up")

    def load_tiny(split, count, path=None):
        many = {"train": 260, "test": 40}[split]
        return ImageSet(some_images(many, 64), np.arange(many) % 20, tuple(map(str, range(20))), "")

    monkeypatch.setattr(evidence, "load_dataset", load)
    monkeypatch.setattr(evidence, "load_book_classes", load_tiny)
    monkeypatch.setattr(evidence, "IMAGES_A_CLASS", 10)
    torch.manual_seed(4)
    tensors = {n: t.half() for n, t in build_network(evidence.VGG, 20).state_dict().items()}
    WeightFile.save(
        tmp_path, evidence.VGG, tensors, preprocessing=TINY_IMAGES,
        categories=tuple(map(str, range(20))), dataset="made up", recipe={"seed": 1},
    )  # fmt: skip
    for key in (evidence.ZFNET, evidence.ALEXNET):
        torch.manual_seed(5)
        tensors = {n: t.half() for n, t in build_network(key, 10).state_dict().items()}
        WeightFile.save(
            tmp_path, key, tensors, preprocessing=PHOTOGRAPHS, categories=tuple("abcdefghij"),
            dataset="made up", recipe={"seed": 1},
        )  # fmt: skip
        for epoch in (0, 3):
            file = tmp_path / f"{key}-epoch-{epoch:03}.safetensors"
            safetensors.torch.save_file(tensors, file)
    return Sources(snapshots=tmp_path, weights=tmp_path)


def test_parts_are_measured_and_read_back(made_up, tmp_path):
    channels = gather_evidence("channels", made_up, tmp_path / "out")
    assert (
        set(channels.found) == {"trained", "start1", "start2", "start3"} and channels.images == 30
    )
    assert [len(channels.found["trained"][layer]["largest"]) for layer in LAYERS] == [
        48, 128, 192, 192, 128,
    ]  # fmt: skip
    assert channels.found["trained"] != channels.found["start1"]

    settling = gather_evidence("settling", made_up, tmp_path / "out").found
    assert list(settling["epochs"]) == ["0", "3"]  # the same weights as at the end
    assert all(
        e[layer]["ranks"] == [1, 1, 1] for e in settling["epochs"].values() for layer in LAYERS
    )
    assert all(settling["unrelated"][layer][1] < 0.9 for layer in LAYERS)

    filters = gather_evidence("filters", made_up, tmp_path / "out")
    assert set(filters.weights) == {evidence.ALEXNET, evidence.ZFNET}
    assert filters.found[evidence.ZFNET]["conv1"]["stride"] == 2
    assert len(filters.found[evidence.ALEXNET]["conv1"]["folded"]) == 48
    assert load_evidence("filters", tmp_path / "out") == filters


@pytest.mark.parametrize(
    ("part", "heads", "layer", "tested"),
    [("transfer", "HEADS", "relu7", 40), ("vgg_transfer", "VGG_HEADS", "features.pool5", 30)],
)
def test_transfer_has_every_layer_and_draw(
    part, heads, layer, tested, made_up, tmp_path, monkeypatch
):
    monkeypatch.setattr(evidence, heads, (layer,))
    evidence_of_part = gather_evidence(part, made_up, tmp_path / "out")
    found = evidence_of_part.found
    assert evidence_of_part.images == tested
    assert {name: list(layers) for name, layers in found.items()} == {
        "pixels": ["input"], "start": [layer], "trained": [layer],
    }  # fmt: skip
    for layers in found.values():
        for draws in layers.values():
            assert len(draws) == 3
            for draw in draws:
                assert unpack_bits(draw["right"], tested).mean() == pytest.approx(draw["share"])


def test_command_measures_and_says_what_is_missing(made_up, tmp_path, capsys):
    asked = ["evidence", "settling", "--weights", str(tmp_path), "--output", str(tmp_path / "out")]
    assert main([*asked, "--snapshots", str(tmp_path)]) == 0
    assert "settling: measured on 30 photographs" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*asked, "--snapshots", str(tmp_path / "nowhere")])
    assert "no imagenette_zfnet-epoch-NNN.safetensors" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["evidence", "colours"])
    assert "unknown part 'colours'; known: channels, settling" in capsys.readouterr().err


def test_other_files_and_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match="unknown part 'colours'"):
        load_evidence("colours")
    with pytest.raises(FileNotFoundError, match="experiments evidence channels"):
        load_evidence("channels", tmp_path)
    (tmp_path / "channels.json").write_text("[]")
    with pytest.raises(ValueError, match="no log of a measurement"):
        load_evidence("channels", tmp_path)
    entries = {"part": "filters", "weights": {}, "images": 1, "made_with": {}, "found": {}}
    (tmp_path / "channels.json").write_text(json.dumps(entries))
    with pytest.raises(ValueError, match="expected part 'channels', found 'filters'"):
        load_evidence("channels", tmp_path)


@pytest.mark.parametrize("part", PARTS)
def test_what_ships_was_measured_on_the_weights_that_ship(part):
    log = load_evidence(part)
    assert log.weights and log.images == (1000 if part == "transfer" else 3925)
    for key, sha256 in log.weights.items():
        assert sha256 == WEIGHTS[key].sha256, f"{key} is another; measure {part} again"


def test_penalties_that_ship_lie_inside_their_grid_but_for_the_one_that_the_chapter_names():
    found = load_evidence("transfer").found
    outside = [
        (name, layer)
        for name, layers in found.items()
        for layer, draws in layers.items()
        for draw in draws
        if not draw["bracketed"]
    ]
    assert outside == [("trained", "relu7")]


# --- Tables -------------------------------------------------------------------------------------


def test_classes_table_counts_keepers_and_leaves_silent_channels_out_of_means():
    def layers(largest):
        dealt = [10, 0, 6, 4, 0, 0, 0, 0, 0, 0]
        figures = {"largest": largest, "answers": [1, 5, 9, 30], "shuffled": dealt}
        return {layer: figures for layer in LAYERS}

    found = {"trained": layers([0, 9, 8, 4]), "start1": layers([3, 3, 3, 3])}
    log = Evidence("channels", {}, 40, {}, found)
    first = tables.classes_table(log).splitlines()[2]
    assert first == "| relu1 | 50 % | 0 % | 0 % | 7.0 | 3.0 | 2.4 | 7 |"


def test_settling_table_says_when_and_when_not():
    def epoch(ranks, weights, first):
        figures = {"ranks": [0, ranks, 1], "weights": [0, weights, 1], "first": first}
        return {layer: figures for layer in LAYERS}

    epochs = {"0": epoch(0.1, 0.95, 0), "10": epoch(0.92, 0.8, 0.25), "38": epoch(0.95, 0.85, 1)}
    found = {"epochs": epochs, "unrelated": {layer: [0, 0.05, 0.1] for layer in LAYERS}}
    log = Evidence("settling", {}, 40, {}, found)
    last = tables.settling_table(log, 10, 38).splitlines()[-1]
    assert last == "| relu5 | 10 | later than 38 | 25 % | 100 % | 0.05 |"
    assert tables.list_epochs(log) == [0, 10, 38]
    assert tables.list_medians(log, "relu2", "weights") == [0.95, 0.8, 0.85]


def test_filters_table_has_each_network_and_the_difference():
    def layer(low, dead):
        shares = {name: [low, low] for name in ("low", "middle", "high", "aliased", "folded")}
        return shares | {f"start_{n}": [0.5, 0.5] for n in shares} | {"dead": dead}

    found = {
        "a": {"conv1": layer(0.4, [False, False]), "conv2": {"dead": [True, False, True]}},
        "b": {"conv1": layer(0.1, [True, False]), "conv2": {"dead": [False]}},
    }
    lines = tables.filters_table(
        Evidence("filters", {}, 1, {}, found), {"a": "A", "b": "B"}
    ).splitlines()
    assert lines[2].startswith("| A | 40 [40, 40] |") and lines[2].endswith("| 0 of 2 | 2 of 3 |")
    assert lines[5].startswith("| B, at the start | 50 [50, 50] |") and lines[5].endswith("|  |  |")
    assert lines[6].startswith("| B less A, in points | −30 [−30, −30] |")


def test_what_was_learned_is_what_the_start_leaves():
    run = load_experiment("first_layer_sizes")[0]
    learned, started = tables.find_learned(run)
    assert (learned + started) == pytest.approx(unpack(run.measured["weights"]))
    assert started.shape == (32, 3, 11, 11) and started.std() == pytest.approx(0.01, rel=0.05)


def test_transfer_table_pairs_the_images():
    generator = np.random.default_rng(1)

    def draws(share):
        flags = [generator.random(200) < share for _ in range(3)]
        return [{"right": pack_bits(f), "share": f.mean()} for f in flags]

    found = {
        "pixels": {"input": draws(0.1)},
        "start": {layer: draws(0.3) for layer in HEADS},
        "trained": {layer: draws(0.5) for layer in HEADS},
    }
    log = Evidence("transfer", {}, 200, {}, found)
    right = tables.read_heads(log, "trained", "relu3")
    assert right.shape == (3, 200)
    gain = tables.compare_heads(log, "relu3")
    assert gain.images == "paired" and gain.resolved and 0.1 < gain.difference < 0.3
    lines = tables.transfer_table(log).splitlines()
    assert len(lines) == 3 + len(HEADS) and lines[2].startswith("| the pixels |  | ")
    assert f"{right.mean():.1%}".replace("%", " %") in lines[5]
