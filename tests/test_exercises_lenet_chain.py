"""Seven functions of a student run LeNet-5; whatever looks right and is not is told."""

import json
from collections import Counter

import numpy as np
import pytest
import torch

from cnnlib.exercises.lenet_chain import PARTS, LeNetChain, _Parts, find_fault, forward
from cnnlib.models.lenet import C3_TABLE
from cnnlib.weights import load_weights, preprocess
from cnnlib.weights.records import find_record

# --- A student's seven functions: by hand, with no layer of torch --------------------------------


def convolve(x, weight, bias):
    rows, columns = (a - b + 1 for a, b in zip(x.shape[2:], weight.shape[2:], strict=True))
    total = bias[:, None, None]
    for i in range(weight.shape[2]):
        for j in range(weight.shape[3]):
            seen = x[:, :, i : i + rows, j : j + columns]
            total = total + torch.einsum("nchw,kc->nkhw", seen, weight[:, :, i, j])
    return total


def squash(x):
    e = np.exp(-4 / 3 * x.numpy())
    return 1.7159 * (1 - e) / (1 + e)


def subsample(x, coefficient, bias):
    h, w = x.shape[2] // 2, x.shape[3] // 2
    sums = x[:, :, : 2 * h, : 2 * w].reshape(*x.shape[:2], h, 2, w, 2).sum(dim=(3, 5))
    return [
        [(channel * c + b).tolist() for channel, c, b in zip(image, coefficient, bias, strict=True)]
        for image in sums
    ]


def maps_read(table):
    return tuple(
        tuple(i for i in range(len(table)) if table[i][o] == "X") for o in range(len(table[0]))
    )


def distances(x, codes):
    return (x**2).sum(1, keepdim=True) - 2 * x @ codes.T + (codes**2).sum(1)


def answer(distances):
    return np.array([min(range(len(row)), key=lambda k: row[k]) for row in distances.tolist()])


def loss(distances, labels, penalty):
    right = distances[torch.arange(len(labels)), labels]
    rest = torch.exp(-distances).sum(1) + np.exp(-penalty)
    return float((right + torch.log(rest)).mean())


STUDENTS = [convolve, squash, subsample, maps_read, distances, answer, loss]


@pytest.fixture(scope="module")
def library() -> LeNetChain:
    return LeNetChain()


def test_all_parts_by_hand_reach_the_printed_accuracy():
    asked: Counter[str] = Counter()

    def counted(function):
        def call(*given):
            asked[function.__name__] += 1
            return function(*given)

        return call

    chain = LeNetChain()
    assert "Still the library's: convolve" in repr(chain.run()) and not chain.run()
    for count, function in enumerate(STUDENTS, start=1):
        said = chain.put(counted(function), function.__name__)
        assert said, said
        assert ("All is yours" in repr(said)) == (count == len(PARTS))
    assert repr(chain).count("yours") == len(PARTS)
    asked.clear()
    done = chain.run()
    batches = 20  # of 100 digits
    once = {"maps_read": 1, "distances": 1, "answer": 1, "loss": 1, "subsample": 2}
    times = {"convolve": 1 + 16 + 2, "squash": 6} | once
    assert asked == {name: batches * count for name, count in times.items()}
    record = find_record("lenet5")
    assert done and f"{100 * record.accuracy:.1f} %" in repr(done)
    assert f"{round(record.accuracy * record.tested_on):,} of {record.tested_on:,}" in repr(done)


def test_the_librarys_parts_are_the_network_itself(library):
    network = load_weights("lenet5")
    images = preprocess("lenet5", library._images[:20])
    with torch.no_grad():
        torch.testing.assert_close(forward(network, images, _Parts(PARTS)), -network(images))


WRONG = {
    "convolve": [
        (lambda x, weight, bias: convolve(x, weight.flip(2, 3), bias), "values differ"),
        (lambda x, weight, bias: convolve(x, weight, 0 * bias), "values differ"),
        (lambda x, weight, bias: convolve(x, weight, bias)[:, :1], "the shape (2, 1, 2, 3)"),
        (
            lambda x, weight, bias: convolve(x, weight, bias).transpose(2, 3),
            "expected (1, 1, 1, 2)",
        ),
        (lambda x, weight, bias: None, "returns nothing yet"),
        (lambda x, weight: x, "TypeError"),
        (lambda x, weight, bias: x / 0 + "a", "raised TypeError"),
    ],
    "squash": [
        (lambda x: torch.tanh(x), "values differ"),
        (lambda x: 1.7159 * torch.tanh(1.5 * x), "values differ"),
        (lambda x: x.mul_(2 / 3).tanh_() * 1.7159, "it changes its input"),
        (lambda x: exec("raise SystemExit(2)"), "SystemExit"),
        (lambda x: x / 0, "expected numbers"),
    ],
    "subsample": [
        (lambda x, c, b: torch.tensor(subsample(x, c / 4, b)), "values differ"),
        (lambda x, c, b: torch.tensor(subsample(x, c, 0 * b)), "values differ"),
        (lambda x, c, b: torch.tensor(subsample(x, c, b)) + x[:, :, ::2, ::2] * 0.1, "differ"),
    ],
    "maps_read": [
        (lambda table: [[i for i, m in enumerate(row) if m == "X"] for row in table], "shape"),
        (lambda table: [[i + 1 for i in rows] for rows in maps_read(table)], "values differ"),
        (lambda table: [[0, 1, 2]] * len(table[0]), "shape"),
        (lambda table: [list(range(len(table)))] * len(table[0]), "shape"),
    ],
    "distances": [
        (lambda x, codes: distances(x, codes).sqrt(), "values differ"),
        (lambda x, codes: -distances(x, codes), "values differ"),
        (lambda x, codes: distances(x, codes).T, "the shape (3, 1), expected (1, 3)"),
        (lambda x, codes: x @ codes.T, "values differ"),
    ],
    "answer": [
        (lambda distances: distances.argmax(dim=1), "values differ"),
        (lambda distances: distances.argmin(dim=0), "shape"),
        (lambda distances: distances.min(dim=1).values, "values differ"),
        (lambda distances: distances.argmin(), "shape"),
    ],
    "loss": [
        (lambda d, labels, j: d[torch.arange(len(d)), labels].mean(), "values differ"),
        (lambda d, labels, j: len(d) * loss(d, labels, j), "values differ"),
        (lambda d, labels, j: loss(d, labels, 1e9), "differ"),
        (lambda d, labels, j: -loss(d, labels, j), "values differ"),
    ],
}


@pytest.mark.parametrize(
    ("part", "function", "says"),
    [(part, *one) for part, wrong in WRONG.items() for one in wrong],
)
def test_what_looks_right_is_told(part, function, says):
    fault = find_fault(part, function)
    assert fault is not None and says in fault
    assert len(fault) < 500


def test_a_wrong_part_takes_no_place(library):
    assert not library.put(lambda x: torch.tanh(x), "squash")
    assert library.own == {}


def test_what_fails_only_in_the_network_is_told_and_takes_no_place(library):
    def convolve_few(x, weight, bias):
        if len(x) > 50:
            raise MemoryError("too many")
        return convolve(x, weight, bias)

    def guess(distances):
        return distances.argmin(dim=1) if len(distances) < 50 else torch.zeros(len(distances))

    assert "in the network it raised MemoryError" in repr(library.put(convolve_few, "convolve"))
    assert "other answers come out" in repr(library.put(guess, "answer"))
    assert library.own == {}


def test_bad_calls_are_named(library):
    with pytest.raises(ValueError, match="part='pool': expected one of convolve"):
        library.put(squash, "pool")
    with pytest.raises(ValueError, match="part='<lambda>'"):
        library.put(lambda x: x)
    with pytest.raises(TypeError, match="squash=3: expected a function"):
        library.put(3, "squash")


def test_the_table_is_the_papers():
    read = maps_read(C3_TABLE)
    assert [len(rows) for rows in read] == [3] * 6 + [4] * 9 + [6]
    assert json.dumps(read[:2]) == "[[0, 1, 2], [1, 2, 3]]"
