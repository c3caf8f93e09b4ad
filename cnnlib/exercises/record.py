"""What is public of an exercise: its cases with what is expected, what to say, never a solution.

``cnnlib/exercises/records/CHAPTER.json`` holds a chapter's records. ``python -m cnnlib.exercises``
writes them from the exercises' source; the page's editor and :func:`cnnlib.exercises.check` read
them.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, Self

RECORDS = files("cnnlib.exercises") / "records"


class Known(NamedTuple):
    """What a known wrong program gives in a case, and which sentence is said of it."""

    value: Any
    sentence: int


class Case(NamedTuple):
    """``call``: an expression in Python. ``expected`` and ``known``: plain values."""

    call: str
    expected: Any
    known: tuple[Known, ...] = ()


class Record(NamedTuple):
    """An exercise as everyone may see it. ``key`` is "chapter.name", ``name`` the function's.

    Values are plain: True, False, numbers, texts, None, lists, dictionaries with texts as keys. A
    value that came agrees with the expected one within ``tolerance`` times the larger of 1 and the
    expected one. ``seconds`` is how long a run may compute, ``page`` whether it needs no more
    than plain Python and so runs on the page, too.
    """

    key: str
    name: str
    points: int
    starter: str
    setup: str
    tolerance: float
    seconds: float
    page: bool
    hints: tuple[str, ...]
    mistakes: tuple[str, ...]
    cases: tuple[Case, ...]

    def as_json(self) -> dict[str, Any]:
        cases = [
            {"call": call, "expected": expected, "mistakes": [list(one) for one in known]}
            for call, expected, known in self.cases
        ]
        lists = {"hints": list(self.hints), "mistakes": list(self.mistakes), "cases": cases}
        return self._asdict() | lists

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        cases = tuple(
            Case(case["call"], case["expected"], tuple(Known(*one) for one in case["mistakes"]))
            for case in values["cases"]
        )
        lists = {"hints": tuple(values["hints"]), "mistakes": tuple(values["mistakes"])}
        return cls(**values | lists | {"cases": cases})


def in_points(count: int) -> str:
    """ "1 point", "2 points"."""
    return f"{count} point{'' if count == 1 else 's'}"


def write_records(records: list[Record]) -> str:
    """A chapter's records as the text of their file: one case a line, so that changes are read."""
    texts = []
    for record in records:
        values = record.as_json()
        cases = ",\n".join(f"   {_json(case)}" for case in values.pop("cases"))
        head = ",\n".join(f"  {json.dumps(name)}: {_json(value)}" for name, value in values.items())
        texts.append(f' {{\n{head},\n  "cases": [\n{cases}\n  ]\n }}')
    return "[\n" + ",\n".join(texts) + "\n]\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


@cache
def records_of(chapter: str) -> tuple[Record, ...]:
    """The records of a chapter, by its file's name; none where it has no exercises with cases."""
    path = RECORDS / f"{chapter}.json"
    if not path.is_file():
        return ()
    return tuple(Record.from_json(values) for values in json.loads(path.read_text("utf-8")))


def chapters() -> list[str]:
    """The chapters that have records."""
    return sorted(path.name.removesuffix(".json") for path in RECORDS.iterdir())


def record_of(key: str) -> Record:
    """The record of "chapter.name".

    Raises:
        ValueError: if there is none; it names those that there are.
    """
    if not isinstance(key, str):
        raise TypeError(f"key={key!r}: expected a text such as 'arithmetic.output_size'")
    chapter = key.partition(".")[0]
    for record in records_of(chapter):
        if record.key == key:
            return record
    there = [record.key for record in records_of(chapter)] or [f"{one}.…" for one in chapters()]
    raise ValueError(f"key={key!r}: there is no such exercise; expected one of {', '.join(there)}")
