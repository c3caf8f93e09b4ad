"""Compression: its steps on cases done by hand, and SqueezeNet's retraining keeps what it must."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cnnlib.data import DATASETS, ImageSet, load_gallery
from cnnlib.experiments import EXPERIMENTS, compression, run_arm
from cnnlib.experiments.compression import (
    among_thousand,
    codebook,
    entropy_bits,
    kilobytes,
    matrices,
    mean_by_group,
    prune,
    quantise,
    stored_bits,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 5, 3), nn.Conv2d(5, 4, 1))


def test_pruning_keeps_the_largest_of_each_matrix_and_no_bias_goes():
    network = net()
    before = [weight.detach().clone() for weight in matrices(network)]
    bias = network[0].bias.detach().clone()
    masks = prune(network, 0.25)
    assert [int(mask.sum()) for mask in masks] == [23, 5]  # of 90 and of 20
    for weight, old, mask in zip(matrices(network), before, masks, strict=True):
        assert torch.equal(weight, old * mask)
        assert old[mask].abs().min() >= old[~mask].abs().max()
    assert torch.equal(network[0].bias, bias)


def test_codebook_finds_values_that_lie_in_heaps():
    heaps = torch.tensor([-1.0, -0.25, 0.25, 1.0])
    values = (heaps[:, None] + torch.tensor([-0.01, 0.0, 0.01])).flatten()
    centres, codes = codebook(values, 2)
    assert torch.allclose(centres[codes], heaps.repeat_interleave(3))


def test_shared_values_are_few_and_what_is_pruned_stays_nothing():
    network = net()
    masks = prune(network, 0.5)
    codes = quantise(network, 2)
    for weight, mask, code in zip(matrices(network), masks, codes, strict=True):
        assert len(weight[mask].unique()) <= 4 and not weight[~mask].any()
        assert torch.equal(code > 0, mask)


@pytest.mark.parametrize(
    ("row", "bits", "cost"),
    [
        # Gaps 0 and 3. With 1 bit a gap the 3 needs a filler: 3 entries of 1 + 4; else 2 of 2 + 4.
        ([1, 0, 0, 0, 2], 4, 12),
        # Gaps of 0: a bit each is enough.
        ([3, 1, 2], 2, 9),
        # One gap of 9: 3 bits and a filler, or 4 bits and none.
        ([0] * 9 + [1], 6, 10),
    ],
)
def test_a_sparse_row_costs_what_it_costs_by_hand(row, bits, cost):
    assert stored_bits(torch.tensor(row), bits) == cost


def test_entropy_is_that_of_the_shares_and_no_code_by_gaps_is_below():
    assert entropy_bits(torch.tensor([0, 0, 1, 2])) == pytest.approx(4 * 1.5)
    torch.manual_seed(1)
    codes = torch.randint(1, 65, (5000,)) * (torch.rand(5000) < 0.33)
    bound = 5000 * (-0.33 * math.log2(0.33 / 64) - 0.67 * math.log2(0.67))
    assert entropy_bits(codes) == pytest.approx(bound, rel=0.05)
    assert entropy_bits(codes) < stored_bits(codes, 6)


def test_a_files_size_holds_biases_and_codebooks():
    network = net()
    codes = quantise(network, 3)
    size = kilobytes(network, codes, 3, lambda layer: 3 * layer.numel())
    assert size == pytest.approx((4 * (9 + 2 * 8) + 3 * 110 / 8) / 1000)


def test_weights_of_one_value_get_their_mean_and_group_nothing_gets_none():
    values = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    groups = torch.tensor([[0, 1, 2], [1, 2, 0]])
    assert mean_by_group(values, groups).tolist() == [[0, 3, 4], [3, 4, 0]]


def few_photographs(split: str) -> ImageSet:
    generator = np.random.default_rng(len(split))
    images = generator.integers(0, 256, (6, 144, 144, 3), dtype=np.uint8)
    return ImageSet(images, np.arange(6), tuple("abcdefghij"), "made up")


def test_ten_classes_find_their_places_among_a_thousand():
    found = among_thousand(few_photographs("train"))
    assert len(found.categories) == 1000
    names = [found.categories[label] for label in found.labels[:5]]
    assert names == ["tench", "English springer", "cassette player", "chain saw", "church"]


def test_retraining_keeps_what_is_pruned_at_nothing_and_shared_values_shared(tmp_path, monkeypatch):
    monkeypatch.setitem(DATASETS, "noise", few_photographs)
    monkeypatch.setattr(compression, "load_gallery", lambda: load_gallery()[:2])
    experiment = EXPERIMENTS["retraining"]
    recipe = replace(experiment.recipe, dataset="noise", epochs=2, batch_size=3, limit=6)
    monkeypatch.setitem(EXPERIMENTS, "retraining", replace(experiment, recipe=recipe, look_every=2))
    log = run_arm("retraining", "third_6_bits", 1, tmp_path)
    found = log.measured
    assert found["kept"] == pytest.approx(0.33, abs=0.001) and found["values"] <= 64
    assert found["entropy"] < found["stored"] < 520_000
    assert {name: len(said) for name, said in found["gallery"].items()} == {
        "retrained": 2, "shared": 2, "trained_again": 2,
    }  # fmt: skip
    assert 0 <= found["agree"] <= 6 == log.tested_on
    assert log.parameters == 1_235_496 and log.log[-1]["loss"] > 0
