"""Random choices for a widget, half of them hostile: what a stranger's link may ask for."""

import copy
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from cnnlib.widgets.settling import Settled
from tests.browser.contract.language import strings_in

ODD = [None, True, False, 0, 1, -1, 2, 7, 0.5, -0.25, 1e9, -1e9, 2**53, 1e300, "", "0", "null"]
ODD += ["__proto__", "constructor", "toString", "a" * 300, "<b>", "\u2028", "é\u0301", [], {}]
ODD += [[0], [0, 0], [0, 0, 0], [[0, 0]], [None], [[]], [[[[[]]]]], ["0", 1], [True, 1], [0.5, 1]]
ODD += [[-1, 10**6], [1, 2, "3"], {"length": 2, "0": 1}, {"__proto__": 1}, [{}], [[1], [2, 3]]]
STRANGE_NAMES = ["__proto__", "constructor", "hasOwnProperty", "fixed", "texts", "hidden", ""]


class Case(NamedTuple):
    """A choice, and what Python makes of it."""

    changes: dict[str, Any]
    present: dict[str, Any]
    settled: Settled


class Chooser:
    """Asks for random values of a widget's choices: ``first`` is a legal state for ``fixed``.

    With ``learns``, what a refusal names as possible is asked for later on: among a thousand words
    of a widget's data the few names of its networks are hardly ever hit.
    """

    def __init__(
        self,
        settled: Callable[[Mapping, Mapping, Mapping], Settled],
        first: Mapping[str, Any],
        fixed: Mapping[str, Any],
        seed: int = 0,
        learns: bool = False,
    ) -> None:
        self.settled, self.first, self.fixed = settled, dict(first), fixed
        self.dice = random.Random(seed)
        self.learns = learns
        self.words = sorted({text for text in strings_in(fixed) if len(text) < 100})
        self.numbers = sorted({n for n in _numbers_in(fixed, 3000) if abs(n) < 1e6})
        self.legal = {name: [value] for name, value in self.first.items()}  # met so far
        self.offered: dict[str, list] = {name: [] for name in self.first}  # what refusals name

    def cases(self, count: int) -> Iterator[Case]:
        """Choices one after the other, from the state that came out or from an earlier one."""
        states = [self.first]
        for _ in range(count):
            present = states[-1] if self.dice.random() < 0.7 else self.dice.choice(states)
            changes = self.changes(present)
            case = Case(changes, copy.deepcopy(present), self.settle(changes, present))
            yield case
            if len(states) < 200:
                states.append(case.settled.state)
            else:
                states[self.dice.randrange(200)] = case.settled.state
            for name, (key, values) in case.settled.said.items():
                if self.learns and key == "kit.one_of" and not self.offered[name]:
                    self.offered[name] = values["options"].split(", ")
            for name, value in case.settled.state.items():
                known = self.legal[name]
                if len(known) < 50 and value not in known:
                    known.append(value)

    def states(self, count: int) -> list[dict[str, Any]]:
        """Legal states, no two alike, as far as they are found."""
        found: list[dict] = []
        for case in self.cases(40 * count):
            state = case.settled.state
            if state != self.first and state not in found:
                found.append(state)
        return self.dice.sample(found, min(count, len(found)))

    def settle(self, changes: Mapping, present: Mapping) -> Settled:
        """What the widget makes of it, which must leave alone what it was given."""
        given = copy.deepcopy((changes, present))
        answer = self.settled(changes, present, self.fixed)
        assert (changes, present) == given, f"settled() changed its arguments: {given}"
        return copy.deepcopy(answer)

    def changes(self, present: Mapping[str, Any]) -> dict[str, Any]:
        names = list(self.first)
        count = self.dice.choice([1, 1, 1, 2, 3, len(names)])
        asked = self.dice.sample(names, min(len(names), count))
        changes = {name: self.value(name, present) for name in asked}
        if self.dice.random() < 0.05:
            changes[self.dice.choice(STRANGE_NAMES)] = self.dice.choice(ODD)
        return copy.deepcopy(changes)

    def value(self, name: str, present: Mapping[str, Any]) -> Any:
        """For one choice: legal, nearly legal, out of the widget's data, or anything."""
        now = present[name]
        kind = self.dice.random()
        if kind < 0.35:
            return self.dice.choice(self.legal[name])
        if kind < 0.4 and self.offered[name]:
            return self.dice.choice(self.offered[name])
        if kind < 0.6:
            return self.near(now)
        if kind < 0.7 and self.words:
            return self.dice.choice(self.words)
        if kind < 0.8 and self.numbers:
            return self.dice.choice(self.numbers)
        if kind < 0.85:
            return self.dice.choice(self.legal[self.dice.choice(list(self.first))])
        return self.dice.choice(ODD)

    def near(self, value: Any) -> Any:
        """Something of the same kind, a little other, which may be legal or not."""
        dice = self.dice
        if isinstance(value, bool):
            return not value
        if isinstance(value, int):
            return value + dice.choice([-2, -1, 1, 1, 2, 3, 10, 100])
        if isinstance(value, float):
            return value * dice.choice([0.5, -1, 1.5, 3]) + dice.choice([0, 0, 1])
        if isinstance(value, str):
            return dice.choice([value.upper(), value[:-1], f"{value} ", *self.words[:3]])
        if isinstance(value, list):
            changed = copy.deepcopy(value)
            kind = dice.random()
            if changed and kind < 0.7:
                place = dice.randrange(len(changed))
                changed[place] = self.near(changed[place])
            elif changed and kind < 0.8:
                changed.pop(dice.randrange(len(changed)))
            else:
                changed.insert(dice.randint(0, len(changed)), dice.choice([*changed, *ODD]))
            return changed
        if isinstance(value, dict) and value:
            changed = copy.deepcopy(value)
            name = dice.choice(list(changed))
            changed[name] = self.near(changed[name])
            return changed
        return dice.choice([*self.numbers, *self.words, *ODD])


def _numbers_in(value: Any, most: int) -> list[float]:
    found: list[float] = []
    waiting = [value]
    while waiting and len(found) < most:
        value = waiting.pop()
        if isinstance(value, int | float) and not isinstance(value, bool):
            found.append(value)
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return found
