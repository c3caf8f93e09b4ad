"""The plan of a drawing: the tree that a trace is, and where everything stands."""

from functools import cache

import pytest
import torch
from torch import nn

from cnnlib.layout import WORDS, Arrangement, arrange, find_structure
from cnnlib.layout.structure import Block, Branches, Chain, Repeat, Skip, Tangle
from cnnlib.layout.words import write_count
from cnnlib.models import MODELS
from cnnlib.trace import summarise, trace

SIDES = {"lenet5": (1, 32), "lenet_modern": (1, 32), "nin_cifar": (3, 32),
         "stochastic_depth110": (3, 32), "alexnet": (3, 227), "nin": (3, 227)}  # fmt: skip


@cache
def traced(key: str) -> tuple:
    wide = key.startswith(("inception_v", "inception_r")) or key == "xception"
    channels, side = SIDES.get(key, (3, 299 if wide else 224))
    return tuple(trace(MODELS[key](), (1, channels, side, side)))


def told(part, structure):
    """A part of a tree as nested tuples and names, for comparing."""
    match part:
        case int():
            return structure.nodes[part].name
        case Skip():
            return "skip"
        case Chain():
            return [told(inner, structure) for inner in part.parts]
        case Branches():
            return ("branches", *(told(way, structure) for way in part.ways))
        case Tangle():
            return ("tangle", *(told(node, structure) for node in part.nodes))
        case Block():
            return (part.kind, *told(part.inside, structure))
        case Repeat():
            return (f"x{part.times}", *(told(inner, structure) for inner in part.parts))


def tree(module: nn.Module, shape=(1, 4, 12, 10)) -> list:
    structure = find_structure(trace(module, shape))
    return told(structure.root, structure)


class Calls(nn.Module):
    """Layers a, b, c, d (3x3) and a function that says how they are called."""

    def __init__(self, call, width: int = 4) -> None:
        super().__init__()
        self.call = call
        for name in "abcd":
            self.add_module(name, nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x):
        return self.call(self, x)


# --- The tree -----------------------------------------------------------------------------------


def test_a_chain_is_a_chain_with_place_by_place_layers_folded_in():
    net = nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2))
    assert tree(net) == ["input", "0", "3"]


def test_a_residual_branch_has_a_skip_beside_it():
    assert tree(Calls(lambda m, x: x + m.b(m.a(x)))) == [
        "input", ("branches", ["a", "b"], "skip"), "add"
    ]  # fmt: skip


def test_an_identity_module_is_a_skip_too():
    class Shortcut(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.shortcut = nn.Conv2d(4, 4, 1), nn.Identity()

        def forward(self, x):
            return self.a(x) + self.shortcut(x)

    assert tree(Shortcut()) == ["input", ("branches", ["a"], "skip"), "add"]


def test_branches_within_branches_share_the_outer_join():
    def call(m, x):
        fork = m.b(x)
        return torch.cat([m.a(x), m.c(fork), m.d(fork)], 1)

    assert tree(Calls(call)) == [
        "input", ("branches", ["b", ("branches", ["c"], ["d"])], ["a"]), "cat"
    ]  # fmt: skip


def test_a_branchs_own_start_can_be_read_by_the_outer_join_too():
    def call(m, x):
        fork = m.b(x)
        return torch.cat([m.a(x), fork, m.c(fork)], 1)

    assert tree(Calls(call)) == [
        "input", ("branches", ["b", ("branches", ["c"], "skip")], ["a"]), "cat"
    ]  # fmt: skip


def test_skips_over_skips_nest_as_in_a_u_net():
    def call(m, x):
        high = m.a(x)
        return high + m.c(m.b(high)) + m.d(x)

    inner = ["a", ("branches", ["b", "c"], "skip"), "add"]
    assert tree(Calls(call)) == ["input", ("branches", inner, ["d"]), "add#2"]


def test_layers_that_read_each_other_crosswise_are_a_tangle():
    def call(m, x):
        a = m.a(x)
        b = m.b(x + a)
        return x + a + b

    assert tree(Calls(call)) == ["input", ("tangle", "a", "add", "b", "add#2"), "add#3"]


def test_two_outputs_end_side_by_side():
    assert tree(Calls(lambda m, x: (m.a(x), m.b(x)))) == ["input", ("branches", ["a"], ["b"])]


def test_blocks_are_modules_with_several_layers_and_equal_ones_are_counted():
    block = lambda: Calls(lambda m, x: x + m.b(m.a(x)))  # noqa: E731
    net = nn.Sequential(nn.Conv2d(4, 4, 1), block(), block(), block(), nn.AvgPool2d(2))
    inside = ("branches", ["1.a", "1.b"], "skip"), "1.add"
    assert tree(net) == ["input", "0", ("x3", ("Calls", *inside)), "4"]


def test_blocks_that_grow_by_one_step_are_counted_from_three_on():
    class Grow(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.a = nn.Conv2d(width, 2, 3, padding=1)

        def forward(self, x):
            return torch.cat([x, self.a(x)], 1)

    assert "x3" in str(tree(nn.Sequential(nn.Conv2d(4, 4, 1), *map(Grow, (4, 6, 8)))))
    assert "x" not in str(tree(nn.Sequential(nn.Conv2d(4, 4, 1), *map(Grow, (4, 6))))).replace(
        "branches", ""
    )


def test_groups_of_layers_that_alternate_are_counted_as_groups():
    pairs = [
        layer for _ in range(3) for layer in (nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1))
    ]
    assert tree(nn.Sequential(*pairs)) == ["input", ("x3", "0", "1")]


@pytest.mark.parametrize(
    "key, times",
    [("resnet50", [2, 3, 5, 2]), ("resnet101", [2, 3, 22, 2]), ("resnet152", [2, 7, 35, 2]),
     ("inception_v4", [4, 7, 3]), ("xception", [8]), ("densenet121", [6, 12, 24, 16])],
)  # fmt: skip
def test_the_papers_repeats_are_found(key, times):
    cards = arrange(traced(key), closed=True).cards
    assert [card.times for card in cards if card.times > 1] == times


@pytest.mark.parametrize("key", MODELS)
def test_every_layer_is_in_the_tree_as_often_as_the_network_has_it(key):
    rows = traced(key)
    structure = find_structure(rows)

    def count_rows(part) -> int:
        match part:
            case int():
                return len(structure.nodes[part].rows)
            case Skip():
                return 0
            case Repeat():
                return part.times * sum(map(count_rows, part.parts))
            case Tangle():
                return sum(map(count_rows, part.nodes))
            case Branches():
                return sum(map(count_rows, part.ways))
            case Block():
                return count_rows(part.inside)
            case Chain():
                return sum(map(count_rows, part.parts))

    assert count_rows(structure.root) == sum(row.kind != "Identity" for row in rows)


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="rows is empty"):
        arrange([])


# --- Where things stand -------------------------------------------------------------------------


def overlap(one, other) -> bool:
    return (
        one.x < other.x + other.width - 0.01
        and other.x < one.x + one.width - 0.01
        and one.y < other.y + other.height - 0.01
        and other.y < one.y + one.height - 0.01
    )


def crossed(line, card) -> bool:
    """Whether a line runs through the inside of a card."""
    left, right = card.x + 0.1, card.x + card.width - 0.1
    top, bottom = card.y + 0.1, card.y + card.height - 0.1
    return any(
        max(min(x0, x1), left) < min(max(x0, x1), right) + (x0 == x1) * 0.01
        and max(min(y0, y1), top) < min(max(y0, y1), bottom) + (y0 == y1) * 0.01
        and min(x0, x1) < right and max(x0, x1) > left
        and min(y0, y1) < bottom and max(y0, y1) > top
        for (x0, y0), (x1, y1) in zip(line.points, line.points[1:], strict=False)
    )  # fmt: skip


def assert_readable(sheet: Arrangement) -> None:
    for number, card in enumerate(sheet.cards):
        assert 0 <= card.x and card.x + card.width <= sheet.width, card.name
        assert 0 <= card.y and card.y + card.height <= sheet.height, card.name
        assert not any(overlap(card, other) for other in sheet.cards[:number]), card.name
    for line in sheet.lines:
        for x, y in line.points:
            assert 0 <= x <= sheet.width and 0 <= y <= sheet.height
        assert not [card.name for card in sheet.cards if crossed(line, card)]
        if line.arrow:
            x, y = line.points[-1]
            assert any(
                card.x - 0.1 <= x <= card.x + card.width + 0.1
                and card.y - 0.1 <= y <= card.y + card.height + 0.1
                for card in [*sheet.cards, *sheet.frames]
            )


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("key", MODELS)
def test_cards_do_not_overlap_and_no_line_runs_through_one(key, closed):
    sheet = arrange(traced(key), closed)
    assert_readable(sheet)
    assert sheet.width <= 640


def test_a_tangle_is_readable_too():
    def call(m, x):
        a = m.a(x)
        b = m.b(torch.cat([x, a], 1)[:, :4])
        c = m.c(torch.cat([x, a, b], 1)[:, :4])
        return m.d(torch.cat([x, a, b, c], 1)[:, :4])

    assert "tangle" in str(tree(Calls(call)))
    assert_readable(arrange(trace(Calls(call), (1, 4, 12, 10))))


def test_each_closed_card_has_its_blocks_sums():
    rows = traced("resnet50")
    cards = {card.name: card for card in arrange(rows, closed=True).cards}
    for row in summarise(rows, depth=2):
        if row.name in cards and cards[row.name].role == "block":
            assert any(write_count(row.parameters) in line for line in cards[row.name].lines)
    assert "256 × 56 × 56" in cards["conv2_x.conv2_1"].lines


def test_counts_are_short():
    assert [write_count(n) for n in (0, 999, 1000, 9408, 25_557_032, 3_857_973_248, 999_999)] == [
        "0", "999", "1 K", "9.41 K", "25.6 M", "3.86 G", "999 K"
    ]  # fmt: skip


def test_cards_speak_another_language():
    ours = {text for text in WORDS.values() if text.islower()}
    theirs = {key: f"<{text.upper()}>" for key, text in WORDS.items()}
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, dilation=2),
        nn.BatchNorm2d(2),
        nn.MaxPool2d(2),
        nn.AvgPool2d(2),
    )
    lines = [
        line
        for card in arrange(trace(net, (1, 1, 40, 50)), words=theirs).cards
        for line in card.lines
    ]
    assert lines[0] == "<INPUT>" and "<CONV> 3×3 /2 <DILATION> 2" in lines and "+ <BN>" in lines
    assert "<MAX POOL> 2×2 /2" in lines and "24 · <FIELD> 5" in lines
    assert not [line for line in lines if any(text in line for text in ours)]
