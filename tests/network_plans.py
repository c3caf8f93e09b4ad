"""Random plans for the network builder's tests: legal ones that work, and any others."""

import random

from cnnlib.widgets.network_builder_plan import KINDS, MOST_DEPTH, nearest_plan
from cnnlib.widgets.network_builder_sums import build

INPUTS = [[1, 28, 28], [3, 32, 20], [4, 9, 13], [2, 1, 5], [6, 1, 1], [3, 40, 7]]
SMALL = {"out_channels": 12, "groups": 4, "out_features": 20, "growth": 5, "layers": 3}


def random_layer(dice: random.Random, depth: int = MOST_DEPTH) -> list:
    """A layer of any kind with settings that are small more often than not."""
    kind = dice.choice([*KINDS, "conv", "conv", "conv", "add", "cat"])
    if kind in ("add", "cat"):
        if depth == 0:
            return random_layer(dice, 0)
        branches = [
            [random_layer(dice, depth - 1) for _ in range(dice.randint(0, 3))]
            for _ in range(dice.randint(2, 4))
        ]
        return [kind, *branches]
    settings = []
    for setting in KINDS[kind][: dice.randint(0, len(KINDS[kind]))]:
        most = min(setting.most, SMALL.get(setting.name, 4 if dice.random() < 0.8 else 11))

        def number(setting=setting, most=most) -> int:
            return dice.randint(setting.least, max(setting.least, most))

        settings.append([number(), number()] if setting.pair and dice.random() < 0.3 else number())
    return [kind, *settings]


def shape_after(plan: list, shape: list[int]) -> list[int]:
    """The shape that comes out of a plan; an empty list where it does not work."""
    entries = build(plan, shape).entries
    last = next(entry for entry in reversed(entries) if len(entry.path) < 2)
    return list(last.shape or ())


def random_block(dice: random.Random, shape: list[int], kind: str, depth: int) -> list:
    """A block whose branches fit each other more often than not, for an input of ``shape``."""
    first = random_plan(dice, shape, dice.randint(1, 3), depth=depth - 1)
    wanted = shape_after(first, shape)
    branches = [first]
    for _ in range(dice.randint(1, 3)):
        for _ in range(40):
            out = wanted[0] if kind == "add" else dice.randint(1, 9)
            conv = ["conv", out, dice.randint(1, 5), dice.randint(1, 3), dice.randint(0, 4)]
            conv += [dice.randint(1, 2)] if dice.random() < 0.3 else []
            branch = dice.choice([[], [conv], [conv, ["relu"]], [["max", 3, 1, 1], conv]])
            found, start = shape_after(branch, shape), 0 if kind == "add" else 1
            if found and found[start:] == wanted[start:]:
                branches.insert(dice.randint(0, len(branches)), branch)
                break
    branches += [[]] if len(branches) < 2 else []
    return [kind, *branches]


def random_plan(
    dice: random.Random,
    shape: list[int],
    layers: int,
    works: bool = True,
    depth: int = MOST_DEPTH,
) -> list:
    """Layers put in one by one, at any place; with ``works`` only those with which all works."""
    plan: list = []
    for _ in range(layers):
        for _ in range(30 if works else 1):
            place = dice.randint(max(0, len(plan) - 3), len(plan))
            given = shape_after(plan[:place], shape)
            if works and depth and len(given) == 3 and dice.random() < 0.25:
                layer = random_block(dice, given, dice.choice(["add", "cat"]), depth)
            else:
                layer = random_layer(dice, depth)
            longer = [*plan[:place], layer, *plan[place:]]
            if not works or build(longer, shape).fault is None:
                plan = longer
                break
    return plan


def random_plans(count: int, seed: int, works: bool = True) -> list[tuple[list[int], list]]:
    """(input, plan) pairs."""
    dice = random.Random(seed)
    found = []
    for _ in range(count):
        shape = dice.choice(INPUTS)
        plan = random_plan(dice, shape, dice.randint(1, 9), works)
        if dice.random() < 0.4:
            plan += [["flatten"], ["linear", dice.randint(1, 20)], *dice.choice([[], [["norm"]]])]
        found.append((shape, nearest_plan(plan)))
    return found
