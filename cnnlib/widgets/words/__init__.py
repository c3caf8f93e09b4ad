"""The sentences that a reader sees: one table a language, read by Python and JavaScript alike.

A language is a folder of JSON files beside this one. ``kit.json`` is for all widgets; each widget
has a file of its stem. A file maps keys to texts:

    "unit.at": "Unit {row}, {column} sees {count} {count|pixel|pixels}."

``{name}`` is filled in. ``{name|one|more}`` chooses by the whole number ``name``: the first form
for 1, the second for all others, 0 included; so a language needs to get by with two forms.
``kit/words.js`` is the twin of :class:`Words`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

HERE = Path(__file__).parent
BLANK = re.compile(r"\{(\w+)(?:\|([^{}|]*)\|([^{}|]*))?\}")


class Words:
    """A table of texts that can be spoken: ``words("unit.at", row=0, column=1, count=9)``.

    Values are texts or whole numbers (negative ones get a true minus sign); any other number has to
    be written out by who knows its decimals. Raises ``KeyError`` for a key or a value that is
    missing, ``TypeError`` for a value of another type.
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        self.table = dict(table)

    def __call__(self, key: str, **values: str | int) -> str:
        if key not in self.table:
            raise KeyError(f"no text for {key!r}")

        def fill(blank: re.Match) -> str:
            name, one, more = blank.groups()
            if name not in values:
                raise KeyError(f"{key!r} needs a value for {name!r}")
            value = values[name]
            if isinstance(value, bool) or not isinstance(value, str | int):
                raise TypeError(f"{key!r}: {name}={value!r}: expected a text or a whole number")
            if one is not None:
                return one if value == 1 else more
            return value if isinstance(value, str) else signed(str(value))

        return BLANK.sub(fill, self.table[key])


def signed(text: str) -> str:
    """A number's text with a true minus sign."""
    return text.replace("-", "−")


def fixed_point(value: float, decimals: int = 0) -> str:
    """A number with so many decimals, ties away from 0 as JavaScript has them, and a true minus."""
    text = str(Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP))
    return signed(text) if text.strip("-0.") else text.removeprefix("-")


def listed(say: Words, words: Sequence[str]) -> str:
    """``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return say("kit.and", first=", ".join(words[:-1]), last=words[-1])


def span(say: Words, axis: str, places: range) -> str:
    """Rows (``axis`` "row") or columns, first to last: ``row 3``, ``rows 3 to 7``, ``no rows``."""
    if not places:
        return say(f"kit.no_{axis}s")
    if len(places) == 1:
        return say(f"kit.{axis}", **{axis: places[0]})
    return say(f"kit.{axis}s", first=places[0], last=places[-1])


def languages() -> list[str]:
    """The languages that have a table."""
    return sorted(path.parent.name for path in HERE.glob("*/kit.json"))


def read_words(stems: Sequence[str], language: str = "en") -> Words:
    """The texts of the kit and of these tables. Raises ``ValueError`` for an unknown language."""
    if language not in languages():
        raise ValueError(f"language={language!r}: expected one of {', '.join(languages())}")
    table = {}
    for name in ("kit", *stems):
        path = HERE / language / f"{name}.json"
        if path.exists():
            table |= json.loads(path.read_text(encoding="utf-8"))
    return Words(table)
