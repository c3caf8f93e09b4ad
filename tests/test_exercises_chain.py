"""A student's functions run the book's networks; whatever looks right and is not is told."""

import itertools
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from cnnlib.data import ImageSet
from cnnlib.exercises.chain import Part, PhotographChain, find_fault
from cnnlib.exercises.deconvnet_chain import DeconvnetChain
from cnnlib.exercises.googlenet_chain import GoogLeNetChain
from cnnlib.exercises.lenet_chain import LeNetChain
from cnnlib.exercises.occlusion_chain import OcclusionChain
from cnnlib.exercises.resnet_chain import ResNetChain
from cnnlib.exercises.source import read_chain
from cnnlib.models.lenet import C3_TABLE
from cnnlib.weights import WEIGHTS

BOOK = Path(__file__).parents[1] / "book"
CHAINS = {
    "architectures/lenet5": LeNetChain,
    "architectures/resnet": ResNetChain,
    "architectures/googlenet": GoogLeNetChain,
    "inside/deconvnet": DeconvnetChain,
    "inside/occlusion": OcclusionChain,
}
PROGRAMS = {name: read_chain(BOOK / f"{name}.exercises.md") for name in CHAINS}
BLOCKS, PROJECTIONS, MODULES = 8, 3, 6  # of ResNet-18, of these on a shortcut, of small GoogLeNet
# How often the whole run asks for each part, where no function of the student asks for another.
ASKED = {
    "architectures/lenet5": {  # for each of 20 batches
        name: 20 * count
        for name, count in {
            "convolve": 1 + 16 + 2, "squash": 6, "subsample": 2, "maps_read": 1, "distances": 1,
            "answer": 1, "loss": 1,
        }.items()
    },
    "architectures/resnet": {
        "convolve": 1 + 2 * BLOCKS, "normalise": 1 + 2 * BLOCKS, "rectify": 1 + BLOCKS,
        "shortcut": BLOCKS, "block": BLOCKS, "scores": 1,
    },
    "architectures/googlenet": {
        **{f"branch{n}": MODULES for n in (1, 2, 3, 4)}, "concatenate": MODULES,
    },
    "inside/deconvnet": {  # from relu1 to relu5
        "max_pool": 1 + 2 + 2 + 2, "unpool": 1 + 2 + 2 + 2, "rectify": 15, "stamp": 15,
    },
    "inside/occlusion": {"corners": 2, "slide": 1, "spread": 1},
}  # fmt: skip
DONE = {
    "architectures/lenet5": "1,970 of 2,000 digits are right, 98.5 %",
    "architectures/resnet": "the record of small_resnet18 says 65.4 %",
    "architectures/googlenet": "the record of small_googlenet says 62.1 %",
    "inside/deconvnet": "All 15 projections",
    "inside/occlusion": "6×6 places",
}


def functions_of(program: str) -> dict:
    found: dict = {}
    exec(program, found)
    return found


RIGHT = {name: SimpleNamespace(**functions_of(programs[0])) for name, programs in PROGRAMS.items()}
every_chain = pytest.mark.parametrize("name", CHAINS)


@pytest.mark.parametrize(
    ("name", "number"),
    [(name, number) for name, programs in PROGRAMS.items() for number in range(len(programs))],
)
def test_right_programs_of_each_kind_run_the_network(name, number):
    """And they alone: the chain asks each of them as often as the network needs it."""
    program = PROGRAMS[name][number]
    functions, asked = functions_of(program), Counter()

    def counted(part):
        def call(*given):
            asked[part] += 1
            return functions[part](*given)

        return call

    chain = CHAINS[name]()
    assert "Still the library's: " in repr(chain.run()) and not chain.run()
    for count, part in enumerate(chain.parts, start=1):
        said = chain.put(counted(part), part)
        assert said, said
        assert ("All is yours" in repr(said)) == (count == len(chain.parts))
    assert repr(chain).count("✓ yours") == len(chain.parts)
    if isinstance(chain, LeNetChain) and number > 0:
        return  # 2,000 digits are read once
    asked.clear()
    done = chain.run()
    assert done and DONE[name] in repr(done)
    assert asked == ASKED[name]


@every_chain
def test_each_chain_has_a_solution_and_two_other_kinds(name):
    assert len(PROGRAMS[name]) >= 3
    assert all(CHAINS[name].parts.keys() <= functions_of(one).keys() for one in PROGRAMS[name])


@every_chain
def test_no_line_of_a_program_stands_where_a_student_looks(name):
    root = BOOK.parent
    public = [*BOOK.rglob("*.md"), *(root / "cnnlib" / "exercises").rglob("*.py")]
    texts = [path.read_text("utf-8") for path in public if ".exercises" not in path.name]
    squeezed = [re.sub(r"\s+", " ", text) for text in texts]
    lines = {
        line
        for program in PROGRAMS[name]
        for line in (re.sub(r"\s+", " ", one).strip() for one in program.splitlines())
        if len(line) > 24 and not re.match(r"(def|import|from|class|for|while|if)\b", line)
    }
    assert len(lines) > 8
    assert [line for line in lines if any(line in text for text in squeezed)] == []


def test_the_record_and_the_printed_number_are_one():
    record = WEIGHTS["lenet5"]
    assert DONE["architectures/lenet5"].startswith(
        f"{round(record.accuracy * record.tested_on):,} of {record.tested_on:,}"
    )
    for name in ("resnet", "googlenet"):
        key = CHAINS[f"architectures/{name}"].key
        assert f"{100 * WEIGHTS[key].accuracy:.1f} %" in DONE[f"architectures/{name}"]


@pytest.mark.parametrize("name", ["architectures/resnet", "architectures/googlenet"])
def test_a_photograph_chain_counts_on_test_images(name):
    chain = CHAINS[name]()
    categories = chain.record.categories
    images = torch.randint(0, 256, (7, 64, 64, 3), generator=torch.Generator().manual_seed(1))
    images = images.to(torch.uint8).numpy()
    for part, function in vars(RIGHT[name]).items():
        if part in chain.parts:
            assert chain.put(function)
    with torch.no_grad():
        answers = chain.network(chain.record.preprocessing.apply(images)).argmax(dim=1)
    labels = answers.clone()
    labels[:2] = (labels[:2] + 1) % len(categories)
    made_up = ImageSet(images, labels.numpy(), categories, "noise")
    assert "5 of 7 photographs are right, 71.4 %" in repr(chain.run(made_up))
    other = ImageSet(images, labels.numpy(), tuple(reversed(categories)), "noise")
    with pytest.raises(ValueError, match=r"test: of the classes .*, expected "):
        chain.run(other)


# --- What looks right -----------------------------------------------------------------------------

lenet, resnet, googlenet, back, cover = RIGHT.values()


def unpool_writing(signal, switches, height, width):
    found = torch.zeros(*signal.shape[:2], height * width)
    return found.scatter(2, switches.flatten(2), signal.flatten(2)).unflatten(2, (height, width))


def slide_without_a_copy(ask, image, tops, lefts, size, fill):
    found = torch.zeros(len(tops), len(lefts))
    for (i, top), (j, left) in itertools.product(enumerate(tops), enumerate(lefts)):
        image[..., top : top + size[0], left : left + size[1]] = torch.tensor(fill).view(-1, 1, 1)
        found[i, j] = ask(image)
    return found


def slide_that_keeps_its_covers(ask, image, *rest):
    return slide_without_a_copy(ask, image.clone(), *rest)


def last_place_wins(x, size, stride):
    values, places = back.max_pool(x.flip(2, 3), size, stride)
    return values.flip(2, 3), (x.shape[2] * x.shape[3] - 1 - places).flip(2, 3)


def place_in_the_window(x, size, stride):
    windows = x.unfold(2, size, stride).unfold(3, size, stride).flatten(4)
    return windows.max(dim=4)


WRONG = {
    "architectures/lenet5": {
        "convolve": [
            (lambda x, weight, bias: lenet.convolve(x, weight.flip(2, 3), bias), "values differ"),
            (lambda x, weight, bias: lenet.convolve(x, weight, 0 * bias), "values differ"),
            (lambda x, weight, bias: lenet.convolve(x, weight, bias)[:, :1], "(2, 1, 2, 3)"),
            (lambda x, weight, bias: F.conv2d(x, weight, bias).mT, "expected (1, 1, 1, 2)"),
            (lambda x, weight: x, "TypeError"),
        ],
        "squash": [
            (lambda x: torch.tanh(x), "values differ. The first, at [0], is -0.761594, expected"),
            (lambda x: 1.7159 * torch.tanh(1.5 * x), "values differ"),
            (lambda x: x.mul_(2 / 3).tanh_() * 1.7159, "it changes its input"),
        ],
        "subsample": [
            (lambda x, c, b: lenet.subsample(x, c / 4, b), "values differ"),
            (lambda x, c, b: lenet.subsample(x, c, 0 * b), "values differ"),
            (lambda x, c, b: lenet.subsample(x, c, b) + x[:, :, ::2, ::2] * 0.1, "differ"),
        ],
        "maps_read": [
            (lambda table: [[i for i, m in enumerate(row) if m == "X"] for row in table], "shape"),
            (lambda table: [[i + 1 for i in rows] for rows in lenet.maps_read(table)], "at [0, 0]"),
            (lambda table: [[0, 1, 2]] * len(table[0]), "shape"),
            (lambda table: [list(range(len(table)))] * len(table[0]), "shape"),
        ],
        "distances": [
            (lambda x, codes: lenet.distances(x, codes).sqrt(), "values differ"),
            (lambda x, codes: -lenet.distances(x, codes), "values differ"),
            (lambda x, codes: lenet.distances(x, codes).T, "shape (3, 1), expected (1, 3)"),
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
            (lambda d, labels, j: len(d) * lenet.loss(d, labels, j), "values differ"),
            (lambda d, labels, j: lenet.loss(d, labels, 1e9), "differ"),
            (lambda d, labels, j: -lenet.loss(d, labels, j), "values differ. The first is "),
        ],
    },
    "architectures/resnet": {
        "convolve": [
            (lambda x, k, stride, padding: F.conv2d(x, k, padding=padding), "(2, 4, 6, 8)"),
            (lambda x, k, stride, padding: F.conv2d(x, k, stride=stride), "RuntimeError"),
            (lambda x, k, s, p: F.conv2d(x, k.flip(2, 3), stride=s, padding=p), "values differ"),
            (lambda x, k, s, p: F.conv2d(x, k, stride=s, padding=p).sum(1, True), "shape"),
        ],
        "normalise": [
            (lambda x, *norm: F.batch_norm(x, None, None, *norm[2:4], training=True), "differ"),
            (lambda x, m, v, g, b, eps: resnet.normalise(x, m, v, b, g, eps), "differ"),
            (lambda x, m, v, g, b, eps: resnet.normalise(x, m, v, g, b, 0), "differ"),
            (lambda x, m, v, g, b, eps: resnet.normalise(x, m, v, g, b, 1e-5), "case 3"),
            (lambda x, m, v, g, b, eps: resnet.normalise(x, m, v**2, g, b, eps), "differ"),
            (lambda x, m, v, g, b, eps: (x - m) / (v + eps).sqrt() * g + b, "case 2"),
            (lambda x, *norm: resnet.normalise(x.sub_(0.5).add_(0.5), *norm).add(0), "changes"),
        ],
        "rectify": [
            (lambda x: x.relu_(), "changes its input"),
            (lambda x: x.abs(), "values differ"),
            (lambda x: x[x > 0], "shape (1,), expected (3,)"),
        ],
        "shortcut": [
            (lambda x, kernels, norm, stride: x, "shape (2, 3, 4, 6), expected (2, 5, 2, 3)"),
            (lambda x, k, norm, s: x if k is None else F.conv2d(x, k, stride=s), "differ"),
            (lambda x, k, norm, s: resnet.shortcut(x, k, norm, 1), "shape"),
            (lambda x, k, norm, s: resnet.rectify(resnet.shortcut(x, k, norm, s)), "differ"),
            (lambda x, k, norm, s: F.conv2d(x, k, stride=s), "raised TypeError"),
        ],
        "block": [
            (lambda x, branch, beside: branch(x).relu() + beside(x), "values differ"),
            (lambda x, branch, beside: branch(x) + beside(x), "values differ"),
            (lambda x, branch, beside: (branch(x) + x).relu(), "differ"),
            (lambda x, branch, beside: branch(x).relu(), "values differ"),
            (lambda x, branch, beside: branch(beside(x)).relu(), "differ"),
            (lambda x, branch, beside: x.add_(branch(x)).relu(), "changes its input"),
            (lambda x, branch, beside: branch(x).relu() + beside(x).relu(), "values differ"),
        ],
        "scores": [
            (lambda x, weight, bias: x.sum((2, 3)) @ weight.T + bias, "differ"),
            (lambda x, weight, bias: x.amax((2, 3)) @ weight.T + bias, "differ"),
            (lambda x, weight, bias: (x.mean((2, 3)) @ weight.T + bias).softmax(1), "differ"),
            (lambda x, weight, bias: x.mean((2, 3)) @ weight.T, "differ"),
            (lambda x, weight, bias: x.mean((2, 3)) @ weight, "RuntimeError"),
        ],
    },
    "architectures/googlenet": {
        "branch1": [
            (lambda x, one: F.conv2d(x, *one), "values differ"),
            (lambda x, one: F.conv2d(x, one[0]).relu(), "values differ"),
            (lambda x, one: F.conv2d(x, *one, padding=1).relu(), "shape"),
        ],
        "branch2": [
            (lambda x, r, three: F.conv2d(F.conv2d(x, *r), *three, padding=1).relu(), "differ"),
            (lambda x, r, three: F.conv2d(F.conv2d(x, *r).relu(), *three, padding=1), "differ"),
            (lambda x, r, three: F.conv2d(F.conv2d(x, *r).relu(), *three).relu(), "RuntimeError"),
            (lambda x, r, three: F.conv2d(x, *three, padding=1).relu(), "differ"),
        ],
        "branch3": [
            (
                lambda x, r, five: F.conv2d(googlenet.branch1(x, r), *five, padding=1).relu(),
                "RuntimeError",
            ),
            (lambda x, r, five: F.conv2d(x, *r).relu(), "values differ"),
        ],
        "branch4": [
            (lambda x, behind: F.conv2d(F.max_pool2d(x, 3, 3), *behind).relu(), "RuntimeError"),
            (
                lambda x, behind: googlenet.branch1(F.avg_pool2d(x, 3, 1, 1), behind),
                "values differ",
            ),
            (
                lambda x, behind: googlenet.branch1(
                    F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 3, stride=1), behind
                ),
                "case 2",  # the border's zeros win
            ),
            (lambda x, behind: F.max_pool2d(googlenet.branch1(x, behind), 3, 1, 1), "differ"),
        ],
        "concatenate": [
            (lambda branches: torch.cat(branches), "shape (4, 1, 1, 2), expected (1, 4, 1, 2)"),
            (lambda branches: torch.cat(branches[::-1], dim=1), "at [0, 0, 0, 0], is 2"),
            (lambda branches: sum(branches), "which gets [[(1, 1, 1, 2), (1, 1, 1, 2), "),
            (lambda branches: torch.stack(branches, dim=1), "shape"),
            (lambda branches: torch.cat([branches.pop(0), *branches], dim=1), "changes its input"),
        ],
    },
    "inside/deconvnet": {
        "max_pool": [
            (lambda x, size, stride: F.max_pool2d(x, size, stride), "it gives"),
            (lambda x, size, stride: back.max_pool(x, size, size), "shape"),
            (place_in_the_window, "in result 2 of 2, "),
            (
                lambda x, size, s: F.max_pool2d(x, size, s, ceil_mode=True, return_indices=True),
                "case 5",  # windows hang over the border
            ),
            (last_place_wins, "in result 2 of 2, "),
            (lambda x, size, stride: back.max_pool(x, size, stride)[::-1], "in result 1 of 2, "),
            (lambda x, size, stride: back.max_pool(x.abs(), size, stride), "in result 1 of 2, "),
        ],
        "unpool": [
            (unpool_writing, "case 2"),
            (lambda signal, s, h, w: back.unpool(signal, s, w, h), "shape"),
            (lambda signal, s, h, w: back.unpool(signal, s, h, w).relu(), "values differ"),
            (lambda signal, s, h, w: back.unpool(signal, s, h, w).flatten(2), "shape"),
            (lambda signal, s, h, w: F.interpolate(signal, (h, w)), "values differ"),
        ],
        "rectify": [
            (lambda signal: signal, "values differ"),
            (lambda signal: signal.abs(), "values differ"),
            (lambda signal: signal.relu_(), "changes its input"),
        ],
        "stamp": [
            (lambda s, k, stride, p, h, w: F.conv_transpose2d(s, k, None, stride, p), "shape"),
            (lambda s, k, *rest: back.stamp(s, k.flip(2, 3), *rest), "values differ"),
            (lambda s, k, stride, p, h, w: F.conv2d(s, k.transpose(0, 1)), "RuntimeError"),
            (lambda s, k, *rest: back.stamp(s, k.transpose(0, 1), *rest), "case 2 raised"),
            (lambda s, k, stride, p, h, w: back.stamp(s, k, 1, p, h, w), "case 3 raised"),
        ],
    },
    "inside/occlusion": {
        "corners": [
            (lambda whole, size, stride: range(0, whole - size + 1, stride), "case 3"),
            (lambda whole, size, stride: range(0, whole, stride), "shape"),
            (
                lambda whole, size, stride: range(0, whole - size + stride, stride),
                "which gets (9, 4, 10): the result has the shape (2,)",  # it begins outside
            ),
            (lambda whole, size, stride: len(cover.corners(whole, size, stride)), "shape"),
            (
                lambda whole, size, stride: [1 + c for c in cover.corners(whole, size, stride)],
                "[0]",
            ),
        ],
        "slide": [
            (slide_without_a_copy, "changes its input"),
            (slide_that_keeps_its_covers, "values differ"),
            (lambda *given: cover.slide(*given).T, "shape (3, 2), expected (2, 3)"),
            (lambda ask, image, *rest: ask(image) - cover.slide(ask, image, *rest), "differ"),
            (lambda ask, image, t, ls, s, f: cover.slide(ask, image, ls, t, s, f), "shape"),
            (lambda ask, i, t, ls, size, f: cover.slide(ask, i, t, ls, size, [0.0]), "case 2"),
            (lambda ask, i, t, ls, size, f: cover.slide(ask, i, t, ls, size[::-1], f), "case 4"),
            (lambda ask, image, *rest: cover.slide(ask, image, *rest).flatten(), "shape"),
        ],
        "spread": [
            (lambda scores, clean, *rest: cover.spread(-scores, -clean, *rest), "differ"),
            (lambda scores, clean, *rest: cover.spread(scores, 0 * clean, *rest), "differ"),
            (lambda s, c, t, ls, size, h, w: cover.spread(s, c, t, ls, size, w, h), "nan"),
            (
                lambda s, c, t, ls, size, h, w: F.interpolate((c - s)[None, None], (h, w))[0, 0],
                "dif",
            ),
        ],
    },
}


@pytest.mark.parametrize(
    ("name", "part", "function", "says"),
    [
        pytest.param(name, part, *one, id=f"{name}, {part} {number}")
        for name, parts in WRONG.items()
        for part, wrong in parts.items()
        for number, one in enumerate(wrong)
    ],
)
def test_what_looks_right_is_told(name, part, function, says):
    fault = find_fault(CHAINS[name].parts[part], function)
    assert fault is not None and says in fault, fault
    assert len(fault) < 600


@every_chain
def test_six_wrong_functions_and_each_part_among_them(name):
    assert WRONG[name].keys() == CHAINS[name].parts.keys()
    assert sum(map(len, WRONG[name].values())) >= 6


# --- What is hostile ------------------------------------------------------------------------------


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError


class Shy:
    def __repr__(self):
        raise ValueError


def leaves(*_):
    raise SystemExit(2)


def fails_late(*_):
    yield 1.0
    raise KeyError("late")


def is_unspeakable(*_):
    raise Unspeakable


HOSTILE = [
    (leaves, "raised SystemExit: 2"),
    (is_unspeakable, "raised Unspeakable"),
    (fails_late, "raised KeyError"),
    (lambda *_: (_ for _ in itertools.count()), "expected numbers"),
    (lambda *_: Shy(), "a Shy, expected numbers"),
    (lambda *_: "text", "expected"),
    (lambda *_: {"a": 1}, "expected"),
    (lambda *_: [[1, None], "x"], "expected"),
    (lambda *_: float("nan"), "expected numbers"),
    (lambda *_: 10**400, "expected"),
    (lambda *_: 1j, "expected numbers"),
    (lambda *_: [], "expected"),
    (lambda: 1, "raised TypeError"),
    (lambda *_: None, "returns nothing yet"),
    (lambda *given: [*given][0].clear(), "raised AttributeError"),
    (lambda *_: torch.zeros(0), "expected"),
    (lambda *_: torch.full((2, 3), float("nan")), "expected numbers"),
]


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize(("function", "says"), HOSTILE)
def test_hostile_functions_are_told_and_do_no_harm(name, function, says):
    for part in CHAINS[name].parts.values():
        fault = find_fault(part, function)
        assert fault is not None
        if part.results == 1 and "clear" not in function.__code__.co_names:
            assert says in fault, fault


@every_chain
def test_a_stub_is_not_begun_and_takes_no_place(name):
    chain = CHAINS[name]()
    for part in chain.parts:
        said = chain.put(lambda *_: None, part)
        assert not said and repr(said) == f"… {part}: it returns nothing yet."
        assert repr(chain.put(lambda *_: ..., part)).startswith(f"✗ {part}: case 1 gives Ellipsis")
    assert chain.own == {} and repr(chain.run()).startswith("… Still the library's: ")


def only_small(function, most, other):
    """``function`` on small cases, ``other`` where the first argument has more than ``most``."""

    def call(x, *rest):
        large = torch.is_tensor(x) and x.numel() > most
        return other(x, *rest) if large else function(x, *rest)

    return call


def too_much(*_):
    raise MemoryError("too many")


def in_place_of_all(x, *rest):
    x.fill_(float("nan"))
    for one in rest:
        if torch.is_tensor(one):
            one.zero_()
    return x


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("architectures/lenet5", "convolve"),
        ("architectures/resnet", "convolve"),
        ("architectures/googlenet", "branch2"),
        ("inside/deconvnet", "stamp"),
    ],
)
def test_what_fails_only_in_the_network_is_told_takes_no_place_and_breaks_nothing(name, part):
    chain, right = CHAINS[name](), vars(RIGHT[name])[part]
    raised = chain.put(only_small(right, 1000, too_much), part)
    assert not raised and "In the network it raised MemoryError: too many" in raised.says
    spoilt = chain.put(only_small(right, 1000, in_place_of_all), part)
    assert not spoilt and chain.own == {}
    assert "agrees on small cases. In the network" in spoilt.says
    nothing = chain.put(only_small(right, 1000, lambda *given: 0 * right(*given)), part)
    assert not nothing and "come out: " in nothing.says
    assert chain.put(right, part)  # the weights and the pictures are what they were


def test_a_network_that_answers_otherwise_is_told():
    chain = LeNetChain()

    def guess(distances):
        return distances.argmin(dim=1) if len(distances) < 50 else torch.zeros(len(distances))

    assert "other answers come out: " in repr(chain.put(guess, "answer"))
    assert chain.own == {}


def test_bad_calls_are_named():
    chain = LeNetChain()
    with pytest.raises(ValueError, match="part='pool': expected one of convolve"):
        chain.put(lenet.squash, "pool")
    with pytest.raises(ValueError, match="part='<lambda>'"):
        chain.put(lambda x: x)
    with pytest.raises(TypeError, match="squash=3: expected a function"):
        chain.put(3, "squash")


def test_the_first_place_that_differs_is_named_in_ragged_lists_as_well():
    part = Part(lambda: [[0.0, 1.0], [5.0]], "ragged", [()], lists=True)
    assert "The first, at [1, 0], is 4, expected 5." in find_fault(part, lambda: [[0, 1], [4]])
    assert "shape [(1,), (2,)], expected [(2,), (1,)]" in find_fault(part, lambda: [[0], [1, 5]])


def test_lenets_table_is_the_papers():
    read = lenet.maps_read(C3_TABLE)
    assert [len(rows) for rows in read] == [3] * 6 + [4] * 9 + [6]
    assert read[:2] == [[0, 1, 2], [1, 2, 3]]


@pytest.mark.parametrize("name", [n for n, c in CHAINS.items() if issubclass(c, PhotographChain)])
def test_photographs_are_read_by_the_networks_own_weights(name):
    chain = CHAINS[name]()
    assert chain.record.accuracy > 0.6 and len(chain.whole().expected()["scores"]) > 30
