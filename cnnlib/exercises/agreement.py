"""Whether what came is what was expected, and what to say if not. agreement.js is its twin."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from cnnlib.exercises.record import Case, Record, in_points


class Raised(NamedTuple):
    """``lines``: the traceback in the student's own program, (line number, text) each."""

    type: str
    message: str
    lines: tuple[tuple[int, str], ...] = ()


class Result(NamedTuple):
    """What one call gave: a plain value, or one that is not plain (``shown``), or an exception."""

    value: Any = None
    shown: str | None = None
    raised: Raised | None = None


class Run(NamedTuple):
    """A program that was run: ``results`` in the order of the cases, fewer if it was ended early.

    ``ended``: why, "" if it ran to its end; "syntax", "missing", "raised" (with ``raised``) before
    any case, "time", "memory" or "died" after those that have a result.
    """

    results: tuple[Result, ...]
    printed: str = ""
    ended: str = ""
    raised: Raised | None = None


class Verdict(NamedTuple):
    """What to tell the student. ``kind`` is one of

    "right"; "not_started", it gives None in the first case already; "missing", no function
    of that name; "syntax"; "raised"; "differs"; "mistake", it gives what a known wrong program
    gives in every case, and ``sentence`` says what that one got wrong; "time"; "memory"; "died",
    its process ended without a word. ``case`` is the place of the first case that fails, from 0,
    with its ``call``, what it ``got`` (as text) and what was ``expected`` (as text).
    """

    kind: str
    record: Record
    case: int | None = None
    got: str | None = None
    sentence: str | None = None
    raised: Raised | None = None
    printed: str = ""

    def __bool__(self) -> bool:
        return self.kind == "right"

    @property
    def call(self) -> str | None:
        return None if self.case is None else self.record.cases[self.case].call

    @property
    def expected(self) -> str | None:
        return None if self.case is None else written(self.record.cases[self.case].expected)

    def __repr__(self) -> str:
        return tell(self)

    def as_json(self) -> dict[str, Any]:
        """The verdict for a page: plain values, and ``say``, what a known mistake got wrong."""
        raised = self.raised and self.raised._asdict() | {
            "lines": [list(one) for one in self.raised.lines]
        }
        return {
            "kind": self.kind, "case": self.case, "call": self.call, "got": self.got,
            "expected": self.expected, "say": self.sentence, "raised": raised,
            "printed": self.printed,
        }  # fmt: skip


def agrees(got: Any, expected: Any, tolerance: float) -> bool:
    """Whether a plain value agrees with the expected one.

    True and False are no numbers. Numbers agree within ``tolerance`` times the larger of 1 and the
    expected one's size; lists one by one, and so dictionaries of the same keys.
    """
    if isinstance(expected, bool) or expected is None:
        return got is expected
    if isinstance(expected, int | float):
        is_number = isinstance(got, int | float) and not isinstance(got, bool)
        return is_number and _is_near(got, expected, tolerance)
    if isinstance(expected, str):
        return isinstance(got, str) and got == expected
    if isinstance(expected, list):
        if not isinstance(got, list) or len(got) != len(expected):
            return False
        return all(agrees(*pair, tolerance) for pair in zip(got, expected, strict=True))
    if not isinstance(got, dict) or got.keys() != expected.keys():
        return False
    return all(agrees(got[key], value, tolerance) for key, value in expected.items())


def _is_near(got: float, expected: float, tolerance: float) -> bool:
    try:
        return abs(got - expected) <= tolerance * max(1, abs(expected))
    except OverflowError:  # a whole number that is larger than any decimal
        return False


def judge(record: Record, run: Run) -> Verdict:
    """The first case that fails decides; a program that was ended early fails in the next one."""
    for place, (case, result) in enumerate(zip(record.cases, run.results, strict=False)):
        if result.raised:
            return Verdict("raised", record, place, raised=result.raised, printed=run.printed)
        if result.shown is not None:
            return Verdict("differs", record, place, result.shown, printed=run.printed)
        if agrees(result.value, case.expected, record.tolerance):
            continue
        if result.value is None and place == 0:
            return Verdict("not_started", record, place, printed=run.printed)
        sentence = _sentence(record, run.results)
        kind = "mistake" if sentence else "differs"
        return Verdict(kind, record, place, written(result.value), sentence, printed=run.printed)
    done = len(run.results)
    if run.ended in ("syntax", "missing") or (run.ended == "raised" and not done):
        return Verdict(run.ended, record, raised=run.raised, printed=run.printed)
    if run.ended or done < len(record.cases):
        return Verdict(run.ended or "died", record, done, raised=run.raised, printed=run.printed)
    return Verdict("right", record, printed=run.printed)


def _sentence(record: Record, results: Sequence[Result]) -> str | None:
    """What to say: of the wrong program that gives the same in every case, those before the first
    failing one among them. Cases without a plain value do not count: a record does not hold what a
    wrong program raises."""
    plain = [
        (case, result.value)
        for case, result in zip(record.cases, results, strict=False)
        if result.raised is None and result.shown is None
    ]
    for place, sentence in enumerate(record.mistakes):
        if all(agrees(value, _given(case, place), record.tolerance) for case, value in plain):
            return sentence
    return None


def _given(case: Case, sentence: int) -> Any:
    """What the wrong program of this sentence gives in a case."""
    values = (known.value for known in case.known if known.sentence == sentence)
    return next(values, case.expected)


def written(value: Any, most: int = 200) -> str:
    """A plain value as a student would type it, shortened."""
    text = _written(value)
    return text if len(text) <= most else text[: most - 2] + " …"


def _written(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))  # JavaScript cannot tell 2.0 from 2
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e21 else repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_written(one)}' for key, one in value.items())}}}"
    return repr(value)


def tell(verdict: Verdict) -> str:
    """The verdict in words, with the case that failed and the lines of the own program."""
    record, place = verdict.record, verdict.case
    count = len(record.cases)
    passed = f" {place} of {count} cases passed before it." if place else ""
    says = {
        "right": f"✓ {record.name}: all {count} cases agree. {in_points(record.points)}.",
        "not_started": f"… {record.name} returns nothing yet: {verdict.call} gave None.{passed}",
        "missing": f"✗ There is no function {record.name} yet. Define it, then check again.",
        "syntax": "✗ The program cannot be read as Python.",
        "raised": f"✗ {verdict.call or 'The program'} raised an error.{passed}",
        "differs": f"✗ {verdict.call} gave {verdict.got}, expected {verdict.expected}.{passed}",
        "mistake": f"✗ {verdict.call} gave {verdict.got}, expected {verdict.expected}.{passed}",
        "time": f"✗ {_where(verdict)} took longer than {record.seconds:g} s. Is there a loop "
        f"that never ends?{passed}",
        "memory": f"✗ {_where(verdict)} needed too much memory.{passed}",
        "died": f"✗ {_where(verdict)} ended Python itself.{passed}",
    }
    lines = [says[verdict.kind]]
    if verdict.sentence:
        lines.append(verdict.sentence)
    if verdict.raised:
        lines += [f"  line {number}: {text}" for number, text in verdict.raised.lines]
        lines.append(f"  {verdict.raised.type}: {verdict.raised.message}".rstrip(": "))
    if verdict.printed and not verdict:
        lines.append("Your program printed:")
        lines += [f"  | {line}" for line in verdict.printed.splitlines()[:20]]
    return "\n".join(lines)


def _where(verdict: Verdict) -> str:
    return verdict.call or "The program"
