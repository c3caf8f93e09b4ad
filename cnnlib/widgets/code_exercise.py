"""Write a small function on the page, and run it against the cases of its exercise."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from traitlets import Dict

from cnnlib.widgets import svg
from cnnlib.widgets.settling import Settled, Settling, State, plain
from cnnlib.widgets.widget import Choice, TeachingWidget

LONGEST = 20_000  # UTF-16 units of a program

# What no program has: control characters but for the tab and the line's end, and halves of letters.
UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class CodeExercise(TeachingWidget, stem="code_exercise"):
    """An editor with an exercise's starter, its cases, and a verdict on each run.

    ``record`` is the public record of an exercise: a dict with ``key`` ("chapter.name"), ``name``
    (of the function that is to be written), ``points``, ``starter``, ``setup``, ``tolerance``,
    ``page`` (whether it needs no more than plain Python), ``hints``, ``mistakes`` and ``cases``,
    each with ``call``, ``expected`` and ``mistakes``; perhaps ``seconds``, the longest that a run
    may take (2 where it is not there). It holds no solution.

    On the book's page the program runs in MicroPython, in the reader's own browser. With a kernel
    ``respond(program)`` gives the verdict as a dict: ``kind`` ("right", "not_started", "missing",
    "syntax", "raised", "differs", "mistake", "time", "memory" or "died"), ``case``, ``call``,
    ``got``, ``expected``, ``say``, ``raised`` ({type, message, lines}) and ``printed``, as far as
    there is something to say. If it raises, the page says so.

    What the reader chooses can be set and observed: ``code``, the program, and ``hints``, how many
    are shown. ``answer`` is the last verdict of ``respond``.

    Raises ``ValueError`` for a record that is none.
    """

    request = Dict().tag(sync=True)  # {number, code}: the page asks for a run
    answer = Dict().tag(sync=True)  # {number, ...}: the verdict

    code = Choice()
    hints = Choice()

    def __init__(
        self,
        record: Mapping[str, Any],
        *,
        respond: Callable[[str], Mapping[str, Any]] | None = None,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: Any,
    ) -> None:
        checked = checked_record(record)
        super().__init__(
            {"record": checked, "live": respond is not None},
            {"code": checked["starter"], "hints": 0},
            chosen,
            language=language,
            hidden=hidden,
        )
        if respond is not None:
            self._respond = respond
            self.observe(lambda change: self._answer(change.new), "request")

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        wanted = s.wanted("code")
        if is_program(wanted):
            s.take("code", wanted)
        else:
            s.refuse("code", "code.expected", most=LONGEST)
        s.whole("hints", 0, len(fixed["record"]["hints"]))
        return s.done()

    def questions(self) -> list[str]:
        return [self.fixed["record"]["key"]]

    def _answer(self, request: Mapping[str, Any]) -> None:
        """Have ``respond`` judge the program that the page sends."""
        number, code = request.get("number"), request.get("code")
        if not is_program(code):
            return  # no page of ours asks so
        try:
            self.answer = {"number": number, **plain(dict(self._respond(code)))}
        except Exception as error:  # a reader on the page sees no traceback
            self.answer = {"number": number, "error": f"{type(error).__name__}: {error}"}
            raise

    def page_state(self) -> dict:
        """As always, but a page has no kernel that could respond."""
        return {**super().page_state(), "fixed": {**self.fixed, "live": False}}

    # --- On paper ---------------------------------------------------------------------------------

    def text_alternative(self) -> str:
        record = self.fixed["record"]
        return self.words("alt", name=record["name"], count=len(record["cases"]))

    def still_picture(self) -> str:
        """The program as it stands, and what each case is to give."""
        cells = [
            [case["call"], written(case["expected"])] for case in self.fixed["record"]["cases"]
        ]
        head = [self.words("call"), self.words("expected")]
        code = svg.element("code", self.code)
        return svg.join(
            [
                svg.paragraph(self.text_alternative()),
                svg.element("pre", code, translate="no"),
                svg.element(
                    "table",
                    svg.element("tr", *(svg.element("th", text) for text in head)),
                    *(
                        svg.element("tr", *(svg.element("td", svg.element("code", c)) for c in row))
                        for row in cells
                    ),
                    class_="ce-still",
                ),
            ]
        )


def is_program(code: Any) -> bool:
    """Whether a value can be a program: a text, not too long, that an editor can show."""
    if not isinstance(code, str) or UNFIT.search(code):
        return False
    return len(code.encode("utf-16-le")) // 2 <= LONGEST


def written(value: Any, most: int = 200) -> str:
    """A plain value as a student would type it, shortened; agreement.js has the twin."""
    text = _written(value)
    return text if len(text) <= most else text[: most - 2] + " …"


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_written(key)}: {_written(one)}' for key, one in value.items())}}}"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


# --- The record -----------------------------------------------------------------------------------


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.isidentifier()


# Entry -> (whether a value fits, what is expected). Those with a preset value may be left out.
ENTRIES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "key": (lambda v: _is_text(v) and bool(re.fullmatch(r"[\w-]+\.\w+", v)), "'chapter.name'"),
    "name": (_is_name, "the name of a function"),
    "points": (lambda v: isinstance(v, int) and not isinstance(v, bool) and v > 0, "1 or more"),
    "starter": (lambda v: is_program(v), f"a program of at most {LONGEST} characters"),
    "setup": (_is_text, "a text"),
    "tolerance": (lambda v: _is_number(v) and v >= 0, "0 or more"),
    "seconds": (lambda v: _is_number(v) and 0 < v <= 60, "a number up to 60"),
    "page": (lambda v: isinstance(v, bool), "True or False"),
    "hints": (lambda v: _is_texts(v) and len(v) <= 3, "a list of up to three texts"),
    "mistakes": (_is_texts, "a list of texts"),
    "cases": (lambda v: isinstance(v, list) and len(v) > 0, "a list of at least one case"),
}
PRESET = {"setup": "", "tolerance": 1e-6, "seconds": 2, "page": True, "hints": [], "mistakes": []}


def checked_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with all its entries, as JSON has them.

    Raises ``ValueError`` that names the entry, its value and what was expected.
    """
    if not isinstance(record, Mapping):
        raise ValueError(f"record={record!r}: expected a dict, the record of an exercise")
    given = PRESET | plain(dict(record))
    for name in given:
        if name not in ENTRIES:
            raise ValueError(f"record[{name!r}]: expected entries among {', '.join(ENTRIES)}")
    for name, (fits, expected) in ENTRIES.items():
        if name not in given:
            raise ValueError(f"record has no {name!r}: expected {expected}")
        if not fits(given[name]):
            raise ValueError(f"record[{name!r}]={given[name]!r}: expected {expected}")
    cases = [
        _checked_case(case, f"record['cases'][{place}]", len(given["mistakes"]))
        for place, case in enumerate(given["cases"])
    ]
    return {**{name: given[name] for name in ENTRIES}, "cases": cases}


def _checked_case(case: Any, name: str, sentences: int) -> dict[str, Any]:
    expected = "expected a dict with call, expected and mistakes"
    if not isinstance(case, dict) or not {"call", "expected"} <= case.keys():
        raise ValueError(f"{name}={case!r}: {expected}")
    if not case.keys() <= {"call", "expected", "mistakes"}:
        raise ValueError(f"{name} has {sorted(case)}: {expected}")
    if not _is_text(case["call"]) or not case["call"].strip():
        raise ValueError(f"{name}['call']={case['call']!r}: expected an expression")
    if not _is_plain(case["expected"]):
        raise ValueError(f"{name}['expected']={case['expected']!r}: expected a plain value")
    mistakes = case.get("mistakes", [])
    for mistake in mistakes if isinstance(mistakes, list) else [mistakes]:
        pair = isinstance(mistake, list) and len(mistake) == 2 and _is_plain(mistake[0])
        if not pair or isinstance(mistake[1], bool) or mistake[1] not in range(sentences):
            raise ValueError(
                f"{name}['mistakes'] has {mistake!r}: expected [value, index of one of "
                f"{sentences} sentences]"
            )
    return {"call": case["call"], "expected": case["expected"], "mistakes": list(mistakes)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return value is None or isinstance(value, bool | str) or _is_number(value)
