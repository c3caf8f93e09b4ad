"""Transfer by amount of data: what is drawn, what stays as it was, and what the log holds."""

import math

import numpy as np
import pytest
import torch

from cnnlib.experiments.transferring import (
    COUNTS,
    DRAWS,
    NEW,
    POOL,
    WAYS,
    choose_kinds,
    draw_each,
    load_transferring,
    search_rate,
    three_blocks,
    train_tail,
)


def test_kinds_are_chosen_and_numbered_anew():
    images, labels = choose_kinds(torch.arange(20), torch.arange(20) % 10, NEW)
    assert images.tolist() == [5, 6, 7, 8, 9, 15, 16, 17, 18, 19]
    assert labels.tolist() == [0, 1, 2, 3, 4] * 2


def test_draws_are_even_and_a_larger_one_holds_a_smaller():
    labels = torch.arange(4000) % 5
    few, many = draw_each(labels, 5, 1), draw_each(labels, 20, 1)
    assert labels[many].bincount().tolist() == [20] * 5
    assert set(few.tolist()) < set(many.tolist()) and max(many.tolist()) < 5 * POOL
    assert set(few.tolist()) != set(draw_each(labels, 5, 2).tolist())


@pytest.mark.parametrize("frozen", [0, 1, 2, 3])
def test_frozen_blocks_stay_and_the_others_learn(frozen):
    torch.manual_seed(0)
    before = three_blocks(7)
    images, labels = torch.randn(10, 1, 14, 14), torch.arange(10) % 5
    after = train_tail(before, frozen, images, labels, rate=0.01, draw=1, steps=3)
    same = [
        all(torch.equal(a, b) for a, b in zip(x.parameters(), y.parameters(), strict=True))
        for x, y in zip(before[:3], after[:3], strict=True)
    ]
    assert same == [block < frozen for block in range(3)]
    assert after[3].out_features == len(NEW)


@pytest.mark.parametrize("best", [3e-5, 0.001, 0.003, 0.3, 30.0])
def test_a_rate_at_the_end_of_the_grid_is_not_taken_before_its_neighbour_was_tried(best):
    rate, tried = search_rate(lambda rate: -abs(math.log(rate / best)))
    assert rate == best and min(tried) < best < max(tried)


def test_a_search_that_never_turns_ends():
    rate, tried = search_rate(lambda rate: rate)
    assert rate == 100.0 == max(tried)


def test_the_log_holds_every_way_count_and_draw():
    log = load_transferring()
    assert list(log.found) == list(WAYS) and log.images == 1000
    for name, way in WAYS.items():
        assert list(log.found[name]) == [str(count) for count in way.counts]
        for count in way.counts:
            found, right = log.found[name][str(count)], log.right(name, count)
            assert right.shape == (len(DRAWS), 1000) and np.all(right.mean(axis=1) > 0.3)
            tried = {float(rate): share for rate, share in found["tried"].items()}
            if way.rates_of:
                assert not tried and found["rate"] == log.found[way.rates_of][str(count)]["rate"]
            else:
                assert tried[found["rate"]] == max(tried.values())
                assert min(tried) < found["rate"] < max(tried), f"{name}, {count}: at an end"
            if way.frozen == 3 and way.trained:
                assert [run["kept"] for run in found["runs"]] == log.before
    assert set(COUNTS) == {int(count) for count in log.found["head"]}


def test_other_files_are_refused(tmp_path):
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match="no log of this measurement"):
        load_transferring(tmp_path / "other.json")
