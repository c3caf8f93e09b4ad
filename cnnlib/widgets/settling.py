"""What a widget's choice becomes: the nearest legal state, and why a value was not taken.

A widget has one pure function, ``settled(changes, present, fixed) -> Settled``, and its module has
a twin of it. ``present`` is a legal state, ``changes`` are the values that somebody asks for (they
may come from a stranger's link, so they may be anything that JSON can hold) and ``fixed`` is what
nobody chooses. :class:`Settling` takes the values one by one; ``kit/settling.js`` is its twin.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

#: Values by their names: those of the state, those asked for, those that nobody chooses.
State = Mapping[str, Any]


class Said(NamedTuple):
    """A sentence that is not written yet: a key of the words' table and the values to fill in."""

    key: str
    values: dict[str, str | int]


class Settled(NamedTuple):
    """``state``: a value for every name. ``said``: why a value that was asked for was not taken."""

    state: dict[str, Any]
    said: dict[str, Said]


class Settling:
    """Builds a :class:`Settled`. Each method settles one name and returns its value.

    A value that does not fit is replaced by the nearest that does (or the present one, where there
    is no nearest). It is said why, if the value was asked for; what only follows is silent.
    """

    def __init__(self, changes: State, present: State) -> None:
        self.changes = {name: plain(value) for name, value in changes.items()}
        self.state = dict(present)
        self.said: dict[str, Said] = {}
        for name in self.changes:
            if name not in present:
                self.said[name] = Said("kit.unknown", {"names": ", ".join(sorted(present))})

    def asks(self, name: str) -> bool:
        """Whether a value for ``name`` was asked for."""
        return name in self.changes

    def wanted(self, name: str) -> Any:
        """What was asked for, or else what is there."""
        return self.changes.get(name, self.state[name])

    def take(self, name: str, value: Any) -> Any:
        """Settle ``name`` at ``value``: what follows from other values, or has been checked."""
        self.state[name] = value
        return value

    def refuse(self, name: str, key: str, **values: str | int) -> None:
        """Say why what was asked for ``name`` is not taken."""
        if self.asks(name):
            self.said.setdefault(name, Said(key, values))

    def whole(self, name: str, least: int, most: int) -> int:
        """A whole number from ``least`` to ``most``."""
        wanted = self.wanted(name)
        value = wanted if is_whole(wanted) else self.state[name]
        value = min(max(value, least), most)
        if not same(value, wanted):
            self.refuse(name, "kit.whole", least=least, most=most)
        return self.take(name, value)

    def flag(self, name: str) -> bool:
        """True or False."""
        wanted = self.wanted(name)
        if not isinstance(wanted, bool):
            self.refuse(name, "kit.flag")
            return self.state[name]
        return self.take(name, wanted)

    def one_of(self, name: str, options: Sequence) -> Any:
        """One of ``options``."""
        for value in (self.wanted(name), self.state[name]):
            if any(same(value, option) for option in options):
                break
        else:
            value = options[0]
        if not same(value, self.wanted(name)):
            listed = (one if isinstance(one, str) else _written(one) for one in options)
            self.refuse(name, "kit.one_of", options=", ".join(listed))
        return self.take(name, value)

    def preset(self, presets: Mapping[str, Any]) -> Any | None:
        """What the preset that is asked for holds; None without one. The widget takes it over.

        ``preset`` is "" where the state is the reader's own, and may be asked for so.
        """
        if not self.asks("preset"):
            return None
        wanted = self.wanted("preset")
        if isinstance(wanted, str) and wanted in presets:
            return presets[wanted]
        if wanted != "":
            self.refuse("preset", "kit.one_of", options=", ".join(presets))
        return None

    def place(self, name: str, sizes: Sequence[int]) -> list[int]:
        """A place of a grid: one whole number an axis, from 0 to its size less 1."""
        wanted, present = self.wanted(name), self.state[name]
        fits = isinstance(wanted, list) and len(wanted) == len(sizes)
        fits = fits and all(is_whole(index) for index in wanted)
        start = wanted if fits else present
        start = [*start, *([0] * len(sizes))][: len(sizes)]
        value = [min(max(index, 0), size - 1) for index, size in zip(start, sizes, strict=True)]
        if not same(value, wanted):
            self.refuse(name, "kit.place", sizes=" × ".join(str(size) for size in sizes))
        return self.take(name, value)

    def done(self) -> Settled:
        """The state. What was asked for, not taken and not explained gives way to the rest."""
        for name, value in self.changes.items():
            if name in self.state and not same(self.state[name], value):
                self.refuse(name, "kit.gives_way")
        return Settled(self.state, self.said)


def is_whole(value: Any) -> bool:
    """Whether a value that :func:`plain` made is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; true is not 1."""
    return one is other or _written(one) == _written(other)


def _written(value: Any) -> str:
    """As JavaScript writes JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def plain(value: Any) -> Any:
    """A value as JavaScript would have it: lists for tuples and arrays, 3 for 3.0."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
