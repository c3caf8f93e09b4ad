"""The course of training: what a seed draws, and what is in sight before a reader trains."""

import numpy as np
import pytest
import torch

from cnnlib.data import load_digits
from cnnlib.live.site import digits_content, digits_entry, digits_file, write_site
from cnnlib.models import MODELS
from cnnlib.weights import preprocess
from cnnlib.widgets.train_lenet import PRESETS, TrainLeNet
from cnnlib.widgets.train_lenet_sums import (
    ARMS,
    BATCHES,
    COMPARED,
    COMPARED_SEEN,
    EXAM,
    EXAMINED,
    FALLS,
    KEYS,
    RATES,
    SEEDS,
    SHIFTS,
    course,
    draws,
    order_of,
    parameters,
    read_courses,
    shifts_of,
    start,
)
from cnnlib.widgets.widget import ChoiceError


def make() -> TrainLeNet:
    return TrainLeNet()


def test_draws_are_those_of_mulberry32():
    # Of the published generator, in whole numbers, for seeds 0 and 1.
    assert (draws(0, 2) * 2**32).astype(np.uint64).tolist() == [1144304738, 1416247]
    numbers = draws(3, 100_000)
    assert 0 <= numbers.min() and numbers.max() < 1
    assert np.abs(np.histogram(numbers, 10, (0, 1))[0] - 10_000).max() < 400


def test_an_order_has_every_number_once_and_follows_the_seed():
    one = order_of(1000, 1)
    assert sorted(one) == list(range(1000)) and one == order_of(1000, 1) != order_of(1000, 2)
    assert one != sorted(one)


def test_shifts_reach_as_far_as_they_may_and_cut_nothing_off():
    for most in SHIFTS:
        moves = shifts_of(4000, 1, most)
        counts = [np.bincount(axis + most) for axis in moves.T]
        assert all(len(count) == 2 * most + 1 for count in counts)
        assert all(np.abs(count * len(count) / 4000 - 1).max() < 0.1 for count in counts)
    images = preprocess("lenet_modern", load_digits("train").images[:500])
    border = torch.ones(32, 32, dtype=torch.bool)
    border[max(SHIFTS) : -max(SHIFTS), max(SHIFTS) : -max(SHIFTS)] = False
    assert (images[:, 0, border] == images.min()).all()


@pytest.mark.parametrize("key", KEYS)
def test_the_bounds_are_those_of_the_networks_own_start(key):
    drawn = []
    for seed in range(12):
        torch.manual_seed(seed)
        drawn.append({n: v.detach().numpy().ravel() for n, v in MODELS[key]().named_parameters()})
    listed = parameters(key)
    assert [entry["name"] for entry in listed] == list(drawn[0])
    begun = start(key, 1)
    for entry in listed:
        ends = np.cumsum([count for count, _ in entry["bounds"]])
        assert ends[-1] == np.prod(entry["shape"]) == begun[entry["name"]].size
        parts = np.split(np.stack([one[entry["name"]] for one in drawn]), ends[:-1], axis=1)
        ours = np.split(begun[entry["name"]].ravel(), ends[:-1])
        for (count, bound), part, own in zip(entry["bounds"], parts, ours, strict=True):
            assert 0.6 * bound < np.abs(part).max() <= bound * (1 + 1e-6)
            assert np.abs(own).max() <= bound * (1 + 1e-6)
            if count > 500:
                assert np.abs(part).max() > 0.99 * bound and np.abs(own).max() > 0.99 * bound


def test_the_digits_of_the_page_are_those_that_ship(tmp_path):
    content, train, test = digits_content()
    assert (train, test) == (8000, 2000) and len(content) == 10_000 * 785
    images = np.frombuffer(content, np.uint8, offset=10_000).reshape(-1, 28, 28)
    held = load_digits("test")
    assert (images[train:] == held.images).all()
    assert (np.frombuffer(content, np.uint8, 10_000)[train:] == held.labels).all()
    assert np.bincount(held.labels[:EXAMINED]).tolist() == [100] * 10
    write_site(tmp_path, ())
    assert (tmp_path / "digits.gz").read_bytes() == digits_file()
    assert digits_entry()["bytes"] == len(digits_file()) < 1_700_000


def test_every_batch_size_leads_to_the_exams():
    assert all(EXAM % batch == 0 for batch in BATCHES)
    assert all(count % EXAM == 0 for count in FALLS)
    assert all(preset["rate"] in RATES for preset in PRESETS.values())


def test_the_presets_learn_stay_at_chance_and_learn_by_heart_only_what_is_there():
    ends = {
        name: course("lenet_modern", p["optimiser"], p["rate"], p["batch"],
                     p["labels"] == "shuffled", 1, 4000, p["falls"], p["shift"])
        for name, p in PRESETS.items()
    }  # fmt: skip
    right = {name: end["exams"][-1][1] for name, end in ends.items()}
    assert min(right["steady"], right["falling"]) > 0.8
    assert max(right["fast"], right["shuffled"]) < 0.25
    assert all(np.sum(end["counts"]) == EXAMINED for end in ends.values())
    assert all(end["exams"][-1][1] == np.trace(end["counts"]) / EXAMINED for end in ends.values())


def test_the_compared_courses_are_those_that_the_recipe_gives():
    found = read_courses()
    assert list(found) == list(ARMS)
    rows = [exams for seeds in found.values() for exams in seeds]
    assert len(rows) == len(ARMS) * SEEDS[1]
    assert {len(exams) for exams in rows} == {COMPARED_SEEN // EXAM + 1}
    for seed, (arm, (falls, shift)) in enumerate(ARMS.items(), start=1):
        now = course(**COMPARED, shuffled=False, seed=seed, seen=EXAM, falls=falls, shift=shift)
        right = [share for _, share in now["exams"]]
        kept = found[arm][seed - 1][:2]
        assert right == pytest.approx(kept, abs=0.02)  # machines round otherwise


def test_what_does_not_exist_is_refused():
    widget = TrainLeNet()
    wrong = {"network": "vgg", "rate": 0.003, "batch": 7, "falls": 1, "shift": 3, "guess": 101}
    for name, value in wrong.items():
        with pytest.raises(ChoiceError, match=str(value)):
            setattr(widget, name, value)


def test_the_alternative_says_what_the_run_says():
    widget = TrainLeNet()
    right = f"{100 * widget.run()['exams'][-1][1]:.1f} %"
    assert right in widget.text_alternative() and "4,000" in widget.text_alternative()
    assert right in widget.still_picture()
