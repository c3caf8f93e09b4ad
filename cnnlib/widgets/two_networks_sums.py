"""What follows from the first answers of two networks to the same photographs.

``two_networks_sums.js`` is the twin.
"""

from collections.abc import Mapping, Sequence
from math import comb
from typing import Any, NamedTuple

from cnnlib.widgets.settling import Settled, Settling

GUESSES = ("none", "first", "second")


def settled(
    changes: Mapping[str, Any], present: Mapping[str, Any], fixed: Mapping[str, Any]
) -> Settled:
    """Two networks that are not the same. A guess ends with the question that it answers."""
    s = Settling(changes, present)
    keys = [network["key"] for network in fixed["networks"]]
    first = s.one_of("first", keys)
    if first == present["second"] and not s.asks("second"):
        s.take("second", present["first"])  # they change places
    else:
        s.one_of("second", [key for key in keys if key != first])
    s.whole("photograph", 0, len(fixed["photographs"]) - 1)
    asked = {"faster": ("first", "second"), "surer": ("first", "second", "photograph")}
    for guess, names in asked.items():
        if any(s.state[name] != present[name] for name in names) and not s.asks(guess):
            s.take(guess, "none")
        else:
            s.one_of(guess, GUESSES)
    return s.done()


class Side(NamedTuple):
    """One network: the names of its ``classes``; its first answer to each photograph: name, share.

    A share is the softmax's, 0 to 1.
    """

    classes: Sequence[str]
    answers: Sequence[tuple[str, float]]


def tally(sides: Sequence[Side], labels: Sequence[str | None]) -> dict[str, Any]:
    """Two networks' answers against the ``labels``: the class that a photograph shows, or None.

    ``same``: how often both give the same name, over all photographs. The rest is about the
    ``labelled`` ones: on ``both``, only ``one`` [first, second] or ``neither`` the first answer is
    right; where only one is right, the right one is the ``surer`` so often. ``fair``: "one" again,
    where both networks have the class, and ``fair_labelled``, how many photographs that is. For
    each of ``sides``: ``right``; ``known``, photographs whose class it has; and its mean share
    ``when_right``, ``when_wrong`` though it has the class, and ``when_foreign``: without the class.
    A mean of nothing is None.
    """
    found = {
        "photographs": len(labels),
        "same": sum(a[0] == b[0] for a, b in zip(*(side.answers for side in sides), strict=True)),
        "labelled": 0,
        "both": 0,
        "one": [0, 0],
        "neither": 0,
        "surer": 0,
        "fair": [0, 0],
        "fair_labelled": 0,
        "sides": [_of_side(side, labels) for side in sides],
    }
    for number, label in enumerate(labels):
        if label is None:
            continue
        answers = [side.answers[number] for side in sides]
        right = [name == label for name, _ in answers]
        fair = all(label in side.classes for side in sides)
        found["labelled"] += 1
        found["fair_labelled"] += fair
        if all(right):
            found["both"] += 1
        elif not any(right):
            found["neither"] += 1
        else:
            winner = right.index(True)
            found["one"][winner] += 1
            found["fair"][winner] += fair
            found["surer"] += answers[winner][1] > answers[1 - winner][1]
    return found


def _of_side(side: Side, labels: Sequence[str | None]) -> dict[str, Any]:
    shares: dict[str, list[float]] = {"when_right": [], "when_wrong": [], "when_foreign": []}
    for (name, share), label in zip(side.answers, labels, strict=True):
        if label is None:
            continue
        if label not in side.classes:
            shares["when_foreign"].append(share)
        else:
            shares["when_right" if name == label else "when_wrong"].append(share)
    means = {kind: sum(all_) / len(all_) if all_ else None for kind, all_ in shares.items()}
    counts = {kind: len(all_) for kind, all_ in shares.items()}
    return {
        "right": counts["when_right"],
        "known": counts["when_right"] + counts["when_wrong"],
        **means,
    }


def sign_test(one: int, other: int) -> float:
    """How often a fair coin parts ``one + other`` throws so unevenly, or more: from 0 to 1.

    The exact test of paired answers: only the photographs count on which one network alone is
    right. Raises ``ValueError`` for counts below 0.
    """
    if min(one, other) < 0:
        raise ValueError(f"one={one}, other={other}: expected counts from 0")
    throws = one + other
    tail = sum(comb(throws, heads) for heads in range(min(one, other) + 1))
    return min(1.0, 2 * tail / 2**throws)
