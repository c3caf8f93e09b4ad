"""The one source of an exercise: a Markdown file beside its chapter, for teachers and tests.

``book/foundations/arithmetic.exercises.md`` holds the exercises of *arithmetic*. Each begins with a
heading that is its function's name and may go on with settings, "points: 2". Then comes the prompt
in Markdown. Fenced blocks with a second word are the parts:

    ```python starter      what the student begins with
    ```python setup        run before the cases; public
    ```python cases        one call a line; public
    ```python hidden       one call a line; for the grader alone
    ```python solution     a right program
    ```python another      another right program, of an unusual kind; as often as wanted
    ```python wrong        a wrong program that looks right; its first comment is said to a student
                           whose answer is the same as this program's
    ```text hint           shown when asked for, one after the other; three at most

A heading "## experiment: name" begins an exercise that a person judges: change, predict, run,
judge. Its parts beside the prompt:

    ```python starter      the cell to change, if there is one
    ```markdown handin     what to hand in
    ```markdown rubric     "- 2: for what", a line for each thing that gets points
    ```markdown answer     what came out for us, and why; for teachers

A heading "## chain: name" begins the answers to a chain, whose functions run a network
(:mod:`cnnlib.exercises.chain`). Its parts are programs with all of the chain's functions:

    ```python solution     the plain way
    ```python another      another right way, of an unusual kind; as often as wanted

A prompt is also read outside of the book, in nbgrader, so it holds no roles of MyST and no links
into the book. Hints and sentences are shown as they stand, but for `code`: no formulas, no
emphasis.

Nothing of solutions, hidden cases, other programs and answers may reach a student.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cnnlib.exercises.agreement import Run, judge
from cnnlib.exercises.child import run_program
from cnnlib.exercises.record import Case, Known, Record

SUFFIX = ".exercises.md"
ROLE = re.compile(r"\{[\w:]+\}`")
BOOK_LINK = re.compile(r"\]\((?!https?://)")
MARKED_UP = re.compile(
    r"\$|(?<![\w*])\*\w[^*]*\*(?!\*)"
)  # shown as it stands where only `code` is known
FENCE = re.compile(r"(`{3,})(\w+) (\w+)\s*$")
PARTS = ("starter", "setup", "cases", "hidden", "solution", "another", "wrong", "hint")
OF_AN_EXPERIMENT = ("starter", "handin", "rubric", "answer")
OF_A_CHAIN = ("solution", "another")
MANY = ("another", "wrong", "hint")
SETTINGS: dict[str, Callable[[str], Any]] = {
    "points": int,
    "seconds": float,
    "tolerance": float,
    "page": {"yes": True, "no": False}.__getitem__,
}


class SourceError(ValueError):
    """A source that cannot be read, or does not hold; says the file, the exercise and what."""


class Wrong(NamedTuple):
    """A wrong program; ``sentence``: what to say to a student who answers as it does, or ""."""

    sentence: str
    program: str


class Source(NamedTuple):
    """An exercise with all its parts. ``settings`` are those that its source gives."""

    key: str
    settings: dict[str, Any]
    prompt: str
    starter: str
    setup: str
    cases: tuple[str, ...]
    hidden: tuple[str, ...]
    solution: str
    another: tuple[str, ...]
    wrong: tuple[Wrong, ...]
    hints: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.key.partition(".")[2]

    @property
    def points(self) -> int:
        return self.settings.get("points", 1)

    @property
    def page(self) -> bool:
        """Whether it needs plain Python only, and so runs on the page."""
        return self.settings.get("page", False)


class Share(NamedTuple):
    """A line of a rubric: so many points, for what."""

    points: int
    what: str


class Experiment(NamedTuple):
    """An exercise that a person judges by its rubric. ``answer`` is for teachers."""

    key: str
    prompt: str
    starter: str
    handin: str
    rubric: tuple[Share, ...]
    answer: str

    @property
    def name(self) -> str:
        return self.key.partition(".")[2]

    @property
    def points(self) -> int:
        return sum(share.points for share in self.rubric)


def read_sources(path: Path) -> list[Source | Experiment]:
    """The exercises of one file, in their order, without its chain.

    Raises:
        SourceError: naming the file and the exercise, if a part is missing, double or unknown.
    """
    chapter = path.name.removesuffix(SUFFIX)
    text = path.read_text("utf-8")
    sections = list(_sections(text.splitlines()))
    found = [
        _read(chapter, heading, lines, path)
        for heading, lines in sections
        if not heading.startswith("chain:")
    ]
    keys = [source.key for source in found]
    for key in keys:
        if keys.count(key) > 1:
            raise SourceError(f"{path}: {key} stands there twice")
    if not sections:
        raise SourceError(f"{path}: expected at least one heading, '## name'")
    return found


def read_chain(path: Path) -> list[str]:
    """The programs that run the chain of a chapter, the solution first; none if it has no chain.

    Raises:
        SourceError: naming the file, if a part is missing, double or unknown.
    """
    for heading, lines in _sections(path.read_text("utf-8").splitlines()):
        if heading.startswith("chain:"):
            where = f"{path}: {heading}"
            _, _, parts = _parts(lines, OF_A_CHAIN, where)
            if not parts["solution"]:
                raise SourceError(f"{where}: there is no solution")
            return [*parts["solution"], *parts["another"]]
    return []


def _sections(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    name, own, fence = None, [], None
    for line in lines:
        if fence is None and line.startswith("## "):
            if name:
                yield name, own
            name, own = line[3:], []
            continue
        if mark := re.match(r"`{3,}", line):
            fence = mark[0] if fence is None else None if line.startswith(fence) else fence
        own.append(line)
    if name:
        yield name, own


def _read(chapter: str, heading: str, lines: list[str], path: Path) -> Source | Experiment:
    kind, _, name = heading.rpartition(":")
    key = f"{chapter}.{name.strip('` ')}"
    if kind not in ("", "experiment") or not key.partition(".")[2].isidentifier():
        raise SourceError(f"{path}: '## {heading}'; expected '## name' or '## experiment: name'")
    names = OF_AN_EXPERIMENT if kind else PARTS
    settings, prompt, parts = _parts(lines, names, f"{path}: {key}")
    needed = names[1:] if kind else ("starter", "cases", "solution")
    missing = [name for name in needed if not "".join(parts[name]).strip()]
    missing += [] if prompt else ["prompt"]
    if missing:
        raise SourceError(f"{path}: {key}: there is no {', '.join(missing)}")
    if kind:
        if settings:
            raise SourceError(f"{path}: {key}: settings {settings}; its points are its rubric's")
        one = {name: "".join(parts[name]).strip() for name in ("handin", "answer")}
        starter, rubric = "".join(parts["starter"]), _rubric(parts["rubric"][0], f"{path}: {key}")
        _refuse_book_only(f"{path}: {key}", [prompt, *one.values(), *(what for _, what in rubric)])
        return Experiment(key=key, prompt=prompt, starter=starter, rubric=rubric, **one)
    if len(parts["hint"]) > 3:
        raise SourceError(f"{path}: {key}: {len(parts['hint'])} hints; expected three at most")
    one = {name: "".join(parts[name]) for name in ("starter", "setup", "solution")}
    calls = {
        name: tuple(line for line in "".join(parts[name]).splitlines() if line.strip())
        for name in ("cases", "hidden")
    }
    hints = tuple(hint.strip() for hint in parts["hint"])
    wrong = tuple(map(_wrong, parts["wrong"]))
    plain = [*hints, *(one.sentence for one in wrong)]
    _refuse_book_only(f"{path}: {key}", [prompt, *plain])
    for text in plain:
        if found := MARKED_UP.search("".join(text.split("`")[::2])):
            raise SourceError(
                f"{path}: {key}: {found[0]!r} in {text!r}; a hint or sentence is shown as it stands"
            )
    return Source(
        key=key, settings=settings, prompt=prompt, **one, **calls,
        another=tuple(parts["another"]), wrong=wrong, hints=hints,
    )  # fmt: skip


def _refuse_book_only(where: str, texts: Sequence[str]) -> None:
    for text in texts:
        if found := ROLE.search(text) or BOOK_LINK.search(text):
            around = text[max(0, found.start() - 20) : found.end() + 20]
            raise SourceError(
                f"{where}: {around!r}; a role or a link into the book is nothing outside of it: "
                "expected words"
            )


def _parts(
    lines: Sequence[str], names: Sequence[str], where: str
) -> tuple[dict[str, Any], str, dict[str, list[str]]]:
    """The settings, the prompt and the fenced parts by name."""
    parts: dict[str, list[str]] = {name: [] for name in names}
    settings, prompt = {}, []
    rest = iter(lines)
    for line in rest:
        if opening := FENCE.match(line):
            mark, _, name = opening.groups()
            if name not in names:
                raise SourceError(f"{where}: a part {name!r}; expected one of {names}")
            body = []
            for inner in rest:
                if inner.rstrip() == mark:
                    break
                body.append(inner)
            else:
                raise SourceError(f"{where}: the part {name!r} has no end")
            if parts[name] and name not in MANY:
                raise SourceError(f"{where}: the part {name!r} stands there twice")
            parts[name].append("\n".join(body) + "\n")
        elif not prompt and not line.strip():
            continue
        elif not prompt and (setting := re.match(r"(\w+): (\S+)\s*$", line)):
            name, value = setting.groups()
            try:
                settings[name] = SETTINGS[name](value)
            except (KeyError, ValueError):
                raise SourceError(
                    f"{where}: the setting {line!r}; expected one of {', '.join(SETTINGS)}"
                ) from None
        else:
            prompt.append(line)
    return settings, "\n".join(prompt).strip(), parts


def _rubric(text: str, where: str) -> tuple[Share, ...]:
    shares = []
    for line in text.splitlines():
        share = re.match(r"- (\d+): (\S.*)$", line)
        if not share:
            raise SourceError(f"{where}: the rubric's {line!r}; expected '- 2: for what'")
        shares.append(Share(int(share[1]), share[2]))
    return tuple(shares)


def _wrong(program: str) -> Wrong:
    lines = program.splitlines(keepends=True)
    said = []
    while lines and lines[0].startswith("#"):
        said.append(lines.pop(0).lstrip("# ").strip())
    return Wrong(" ".join(said), "".join(lines))


def record_from(source: Source, *, hidden: bool = False) -> Record:
    """The record of an exercise: its programs are run, and what they give is written down.

    With ``hidden`` it holds the hidden cases after the public ones: the grader's record.

    Raises:
        SourceError: if the solution does not give a plain value in every case.
    """
    calls = source.cases + (source.hidden if hidden else ())
    bare = _bare(source)
    expected = _values(source, run_program(bare, source.solution, calls), calls)
    sentences = [wrong.sentence for wrong in source.wrong if wrong.sentence]
    known: list[list[Known]] = [[] for _ in calls]
    for wrong in source.wrong:
        if not wrong.sentence:
            continue
        run = run_program(bare, wrong.program, calls)
        for place, result in enumerate(run.results):
            differs = result.value is not None and result.value != expected[place]
            if differs and result.raised is None:
                known[place].append(Known(result.value, sentences.index(wrong.sentence)))
    exact = not any(_has_floats(value) for value in expected)
    cases = zip(calls, expected, known, strict=True)
    return bare._replace(
        tolerance=source.settings.get("tolerance", 0.0 if exact else 1e-5),
        mistakes=tuple(sentences),
        cases=tuple(Case(call, value, tuple(list_)) for call, value, list_ in cases),
    )


def _bare(source: Source) -> Record:
    return Record(
        key=source.key, name=source.name, points=source.points, starter=source.starter,
        setup=source.setup, tolerance=0.0, seconds=source.settings.get("seconds", 5.0),
        page=source.page, hints=source.hints, mistakes=(), cases=(),
    )  # fmt: skip


def _values(source: Source, run: Run, calls: Sequence[str]) -> list[Any]:
    for call, result in zip(calls, run.results, strict=False):
        if result.raised or result.shown is not None:
            came = result.raised or result.shown
            raise SourceError(f"{source.key}: the solution gives {came} for {call}")
        if result.value is None:
            raise SourceError(
                f"{source.key}: the solution gives None for {call}; expected a value, for None is "
                "what a function gives that is not begun"
            )
    if run.ended or len(run.results) < len(calls):
        why = f"{run.ended} {run.raised or ''}".strip()
        raise SourceError(f"{source.key}: the solution did not answer all calls: {why}")
    return [result.value for result in run.results]


def _has_floats(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_floats, value))
    if isinstance(value, dict):
        return any(map(_has_floats, value.values()))
    return isinstance(value, float)


def faults_of(source: Source) -> list[str]:
    """What does not hold of an exercise, a sentence each: its programs are run and judged.

    Right programs must pass every case, wrong ones must fail a public one, a wrong one that has a
    sentence must be told it, and the starter must count as not begun.
    """
    whole, public = record_from(source, hidden=True), record_from(source)
    calls = [case.call for case in whole.cases]
    faults = []
    if len(source.another) < 1 or len(source.wrong) < 6:
        faults.append(
            f"{len(source.another)} other right and {len(source.wrong)} wrong programs; "
            "expected 1 and 6 or more"
        )
    for program in (source.solution, *source.another):
        if not (verdict := judge(whole, run_program(whole, program, calls))):
            faults.append(f"a right program fails:\n{program}{verdict}")
    for sentence, program in source.wrong:
        verdict = judge(public, run_program(public, program, calls[: len(public.cases)]))
        if verdict:
            faults.append(f"a wrong program passes the public cases:\n{program}")
        elif sentence and verdict.sentence != sentence and verdict.kind != "raised":
            faults.append(f"{sentence!r} is not what is said of:\n{program}{verdict}")
    begun = judge(public, run_program(public, source.starter, calls[: len(public.cases)]))
    if begun.kind != "not_started":
        faults.append(f"the starter is {begun.kind}, expected not_started")
    return [f"{source.key}: {fault}" for fault in faults]
