"""Every exercise holds: its right programs pass, its wrong ones fail, and no answer gets out."""

import html
import itertools
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cnnlib.exercises import __main__ as command
from cnnlib.exercises.chapter import with_exercises
from cnnlib.exercises.record import chapters, records_of, write_records
from cnnlib.exercises.source import (
    SUFFIX,
    Experiment,
    Share,
    Source,
    SourceError,
    Wrong,
    faults_of,
    read_chain,
    read_sources,
    record_from,
)

BOOK = Path(__file__).parents[1] / "book"
PATHS = sorted(BOOK.rglob(f"*{SUFFIX}"))
ALL = list(itertools.chain.from_iterable(map(read_sources, PATHS)))
SOURCES = [source for source in ALL if isinstance(source, Source)]
every_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.key)
every_file = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)


@every_source
def test_right_programs_pass_and_wrong_ones_fail_with_what_they_should_be_told(source):
    assert faults_of(source) == []


@every_file
def test_records_and_chapters_are_written_from_their_sources(path):
    sources = read_sources(path)
    chapter = path.with_name(path.name.replace(SUFFIX, ".md"))
    text = chapter.read_text("utf-8")
    again = "python -m cnnlib.exercises write book"
    assert with_exercises(text, sources) == text, again
    records = [record_from(source) for source in sources if isinstance(source, Source)]
    written = [record.as_json() for record in records_of(chapter.stem)]
    assert alike(written, [record.as_json() for record in records]), again


def alike(one: Any, other: Any) -> bool:
    """Whether they are the same but for a number's last digits, which hang on the processor."""
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, rel=1e-4, abs=1e-6, nan_ok=True)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return type(one) is type(other) and one == other


def test_what_is_alike():
    assert alike({"a": [1, 29.823585, "x"]}, {"a": [1, 29.823588, "x"]})
    for other in ({"a": [1, 29.85, "x"]}, {"a": [1.0, 29.823585, "x"]}, {"a": [1, 29.823585]}, {}):
        assert not alike({"a": [1, 29.823585, "x"]}, other)


def test_every_record_has_its_source():
    assert chapters() == sorted(path.name.removesuffix(SUFFIX) for path in PATHS)


def telling(program: str) -> list[str]:
    """Lines of a program that would give it away: not a def, not a plain word, long enough."""
    lines = (re.sub(r"\s+", " ", line).strip() for line in program.splitlines())
    return [
        line
        for line in lines
        if len(line) > 16 and not re.match(r"(def|import|from|class|#|for|while|if|else)\b", line)
    ]


def secrets(source: Source | Experiment) -> list[str]:
    """What may stand in no public place: telling lines, hidden calls, sentences of an answer."""
    if isinstance(source, Experiment):
        return [line for line in source.answer.splitlines() if len(line) > 30]
    programs = itertools.chain.from_iterable(map(telling, [source.solution, *source.another]))
    return [*programs, *(call for call in source.hidden if call not in source.cases)]


@pytest.mark.parametrize("source", ALL, ids=lambda source: source.key)
def test_no_answer_stands_where_a_student_or_a_reader_of_the_page_looks(source):
    """Not in the library (its records), and not in the chapters."""
    public = [*BOOK.rglob("*.md"), *(BOOK.parent / "cnnlib").rglob("*.json")]
    texts = [
        re.sub(r"\s+", " ", path.read_text("utf-8"))
        for path in public
        if not path.name.endswith(SUFFIX) and "logs" not in path.parts
    ]
    assert [line for line in secrets(source) if any(line in text for text in texts)] == []


# --- How a source is read -----------------------------------------------------------------------

WHOLE = """# Exercises of a chapter

## `twice`
points: 3
page: yes

Write `twice`.

```python
twice(2)  # is part of the prompt
```

```python starter
def twice(x):
    ...
```

```python setup
one = 1
```

```python cases
twice(one)

twice(2)
```

```python hidden
twice(7)
```

```python solution
def twice(x):
    return 2 * x
```

```python another
twice = (2).__mul__
```

```python wrong
# You square it:
# 1 and 2 are no good cases.
def twice(x):
    # and this comment is the program's
    return x * x
```

```python wrong
def twice(x): return x
```

```text hint
Add it to itself.
```
"""


EXPERIMENT = """
## experiment: sizes

*Predict* it. *Run* it.

```python starter
sizes = 3
```

```markdown handin
Your guess and the number.
```

```markdown rubric
- 1: a guess before the run
- 3: the reason
```

```markdown answer
It was seven, for the reason that we know.
```
"""


CHAIN = """
## chain: a network

```python solution
def squash(x): return x
```

```python another
squash = abs
```
"""


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / f"chapter{SUFFIX}"
        path.write_text(text)
        return path

    return write


def test_a_source_is_read_whole(written):
    assert read_sources(written(WHOLE)) == [
        Source(
            key="chapter.twice",
            settings={"points": 3, "page": True},
            prompt="Write `twice`.\n\n```python\ntwice(2)  # is part of the prompt\n```",
            starter="def twice(x):\n    ...\n",
            setup="one = 1\n",
            cases=("twice(one)", "twice(2)"),
            hidden=("twice(7)",),
            solution="def twice(x):\n    return 2 * x\n",
            another=("twice = (2).__mul__\n",),
            wrong=(
                Wrong(
                    "You square it: 1 and 2 are no good cases.",
                    "def twice(x):\n    # and this comment is the program's\n    return x * x\n",
                ),
                Wrong("", "def twice(x): return x\n"),
            ),
            hints=("Add it to itself.",),
        )
    ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("```python starter", "```python begin", "a part 'begin'; expected one of"),
        ("```python solution\n", "```python setup\n", "'setup' stands there twice"),
        ("points: 3", "points: many", "'points: many'; expected one of points"),
        ("points: 3", "marks: 3", "'marks: 3'; expected one of points"),
        ("Write `twice`.\n\n```python\ntwice(2)  # is part of the prompt\n```", "", "no prompt"),
        ("Add it to itself.\n```", "Add it", "'hint' has no end"),
        ("## `twice`", "# twice", "at least one heading"),
        ("```text hint", "```text hint\n```\n" * 3 + "```text hint", "4 hints; expected three"),
        ("```python cases\ntwice(one)\n\ntwice(2)\n```", "", "no cases"),
        ("Write `twice`.", "Write {eq}`twice`.", "a role or a link into the book"),
        ("Write `twice`.", "See [it](../a.md).", "a role or a link into the book"),
        ("Add it to itself.", "It is {term}`two`.", "expected words"),
        ("Add it to itself.", "It is $2x$.", "'$' in 'It is $2x$.'; a hint or sentence is"),
        ("# You square it", "# You *square* it", "'*square*' in 'You *square* it"),
    ],
)
def test_a_source_that_cannot_be_read_says_where_and_what(written, old, new, says):
    assert old in WHOLE
    with pytest.raises(SourceError, match=re.escape(says)) as error:
        read_sources(written(WHOLE.replace(old, new)))
    assert f"chapter{SUFFIX}" in str(error.value)


def test_an_experiment_is_read_and_written_without_its_answer(written):
    [_, found] = read_sources(written(WHOLE + EXPERIMENT))
    assert found == Experiment(
        key="chapter.sizes",
        prompt="*Predict* it. *Run* it.",
        starter="sizes = 3\n",
        handin="Your guess and the number.",
        rubric=(Share(1, "a guess before the run"), Share(3, "the reason")),
        answer="It was seven, for the reason that we know.",
    )
    place = "<!-- exercise: sizes -->\n<!-- end of exercise -->\n"
    text = with_exercises(place, [found])
    assert "**1.** *An experiment.* *Predict* it. *Run* it. *(4 points)*" in text
    assert "| 3 | the reason |" in text and "sizes = 3" in text and "seven" not in text
    assert with_exercises(text, [found]) == text


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("- 3: the reason", "- three: the reason", "'- three: the reason'; expected '- 2: for"),
        ("```markdown answer", "```markdown solution", "a part 'solution'"),
        ("It was seven, for the reason that we know.\n", "", "there is no answer"),
        ("*Predict*", "points: 3\n\n*Predict*", "its points are its rubric's"),
        ("experiment: sizes", "trial: sizes", "'## trial: sizes'; expected"),
        ("experiment: sizes", "experiment: the sizes", "expected '## name' or"),
        ("*Run* it.", "*Run* {eq}`it`.", "expected words"),
        ("- 3: the reason", "- 3: the {ref}`reason`", "expected words"),
        ("Your guess and", "By [this](#guess), your guess and", "expected words"),
        ("It was seven", "By {cite}`sizes` it was seven", "expected words"),
    ],
)
def test_an_experiment_that_cannot_be_read_says_so(written, old, new, says):
    assert old in EXPERIMENT
    with pytest.raises(SourceError, match=re.escape(says)):
        read_sources(written(EXPERIMENT.replace(old, new)))


def test_a_chain_is_read_and_is_no_exercise(written):
    path = written(WHOLE + CHAIN)
    assert read_chain(path) == ["def squash(x): return x\n", "squash = abs\n"]
    assert read_sources(path) == read_sources(written(WHOLE))
    assert read_chain(path) == []
    with pytest.raises(SourceError, match="chain: a network: there is no solution"):
        read_chain(written(WHOLE + CHAIN.replace("python solution", "python another")))
    with pytest.raises(SourceError, match="a part 'hint'; expected one of"):
        read_chain(written(WHOLE + CHAIN.replace("python another", "text hint")))


def test_the_same_name_twice_is_refused(written):
    with pytest.raises(SourceError, match=r"chapter\.twice stands there twice"):
        read_sources(written(WHOLE + WHOLE))


def test_faults_of_an_exercise_are_found(written):
    [source] = read_sources(written(WHOLE))
    found = "\n".join(faults_of(source))
    assert "1 other right and 2 wrong programs; expected 1 and 6" in found
    assert "passes" not in found
    squares = source._replace(cases=("twice(2)",))
    assert "a wrong program passes the public cases" in "\n".join(faults_of(squares))
    other = source._replace(another=("def twice(x): return 2 * min(x, 3)\n",))
    assert "a right program fails" in "\n".join(faults_of(other))  # in a hidden case
    begun = source._replace(starter="def twice(x): return 0\n")
    assert "the starter is differs" in "\n".join(faults_of(begun))


def test_a_solution_that_does_not_answer_is_no_record(written):
    [source] = read_sources(written(WHOLE))
    for program in ("def twice(x): ...", "def twice(x): return {x}", "twice = 2", "1 / 0"):
        with pytest.raises(SourceError, match=r"chapter\.twice: the solution"):
            record_from(source._replace(solution=program))


@pytest.mark.parametrize("case", [1, 2, 7])  # the last is a hidden one
def test_a_case_whose_value_is_none_is_not_written(written, monkeypatch, tmp_path, capsys, case):
    path = written(WHOLE.replace("return 2 * x", f"return None if x == {case} else 2 * x"))
    chapter = path.with_name("chapter.md")
    chapter.write_text("<!-- exercise: twice -->\n<!-- end of exercise -->\n")
    before = chapter.read_text()
    monkeypatch.setattr(command, "RECORDS", tmp_path)
    assert command.main(["write", str(tmp_path)]) == 1
    call = "twice(one)" if case == 1 else f"twice({case})"
    assert f"chapter.twice: the solution gives None for {call}; expected" in capsys.readouterr().err
    assert chapter.read_text() == before and not list(tmp_path.glob("*.json"))


def test_a_record_holds_what_is_public_and_no_more(written):
    [source] = read_sources(written(WHOLE))
    record = record_from(source)
    assert [case.call for case in record.cases] == list(source.cases)
    assert record.tolerance == 0 and record.points == 3 and record.page
    assert record.cases[0].known == ((1, 0),) and record.cases[1].known == ()
    text = write_records([record])
    assert "2 * x" not in text and "__mul__" not in text and "twice(7)" not in text
    assert [case.call for case in record_from(source, hidden=True).cases][-1] == "twice(7)"
    decimal = source._replace(solution="def twice(x): return 2.0 * x")
    assert record_from(decimal).tolerance == 1e-5


def test_a_chapter_takes_each_exercise_into_its_place(written):
    [source] = read_sources(written(WHOLE))
    place = "# A chapter\n\n<!-- exercise: twice -->\nold\n<!-- end of exercise -->\n\nAnd on.\n"
    text = with_exercises(place, [source])
    assert "old" not in text and text.endswith("And on.\n") and text.count("**1.** Write") == 1
    assert text.index("CodeExercise(**exercise(") < text.index('check("chapter.twice", twice)')
    assert with_exercises(text, [source]) == text
    plain = with_exercises(place, [source._replace(settings={})])
    assert "CodeExercise" not in plain and "remove-cell" not in plain and "(1 point)" in plain
    for wrong in ("# A chapter\n", place.replace("twice", "thrice"), place + place):
        with pytest.raises(SourceError, match="expected one place each"):
            with_exercises(wrong, [source])


@pytest.fixture(scope="session")
def published(site) -> list[str]:
    """The texts of all that is on the site: pages, sources, scripts, the search's index."""
    kinds = {".html", ".md", ".js", ".json", ".ipynb", ".txt", ".css", ".svg"}
    files = [path for path in site.rglob("*") if path.suffix in kinds]
    return [re.sub(r"\s+", " ", html.unescape(path.read_text("utf-8"))) for path in files]


@pytest.mark.parametrize("source", ALL, ids=lambda source: source.key)
def test_no_answer_is_on_the_site(source, published):
    assert [line for line in secrets(source) if any(line in text for text in published)] == []
    assert any(source.name in text for text in published)  # where we look, it would be found


def test_no_source_is_on_the_site(site):
    assert [path for path in site.rglob("*") if "exercises.md" in path.name] == []


def test_binder_holds_no_source_and_no_history_of_one(tmp_path):
    gone = ["book/part/chapter.exercises.md", ".git/HEAD", "tests/test_it.py"]
    for path in ("book/part/chapter.md", "bin/python", *gone):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "python").chmod(0o755)
    script = BOOK.parent / ".binder" / "postBuild"
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    subprocess.run(["bash", script], cwd=tmp_path, env={"PATH": path}, check=True)
    assert (tmp_path / "book/part/chapter.md").exists()
    assert not any((tmp_path / path).exists() for path in gone)
