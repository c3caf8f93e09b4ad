"""A class of the book's own assignments: marked, killed half-way, taken up again.

Two chapters here; more by hand, which takes about a second a submission (a class of hundreds in one
chapter: tests/bench_classroom.py):

    CNN_CYCLE="pooling lenet5 vgg" .venv/bin/python -m pytest tests/test_classroom_cycle.py
    CNN_CYCLE=all ...
"""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from cnnlib.classroom.assignments import write_course
from cnnlib.classroom.chapters import Chapter, chapters_in
from cnnlib.classroom.course import release
from cnnlib.exercises.source import Source
from tests.conftest import ROOT

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # nbgrader's own
    pytest.mark.timeout(3600 if "CNN_CYCLE" in os.environ else 300),
]
CHAPTERS = os.environ.get("CNN_CYCLE", "pooling resnet")
LOOP = "while True: pass"

# student: what stands in the cell of an exercise, and whether it should get its points
STUDENTS: dict[str, Callable[[Source, int], tuple[str, bool]]] = {
    "right": lambda source, place: (source.solution, True),
    "unusual": lambda source, place: (source.another[0], True),
    "empty": lambda source, place: (source.starter, False),
    "wrong": lambda source, place: (source.wrong[-1].program, False),
    "crashing": lambda source, place: (source.solution + "\nraise ValueError('no')", False),
    "unreadable": lambda source, place: (source.solution + "\nif", False),
    "leaving": lambda source, place: ("import os\nos._exit(0)\n" + source.solution, False),
    "looping": lambda source, place: (source.solution, True) if place else (LOOP, False),
    "loud": lambda source, place: (source.solution + "\nprint('x' * 10**6)", True),
    "missing": lambda source, place: ("", False),
    "eating": lambda source, place: ("kept = 'a' * (1 << 33)\n" + source.solution, False),
    "elsewhere": lambda source, place: ("", True),  # and in cells of the student's own
}


@pytest.fixture(scope="module")
def chapters() -> list[Chapter]:
    wanted = CHAPTERS.split()
    found = [one for one in chapters_in(ROOT / "book") if {one.name, "all"} & set(wanted)]
    assert "all" in wanted or len(found) == len(wanted)
    return found


@pytest.fixture(scope="module")
def course(chapters, tmp_path_factory) -> Path:
    """Handed in: an assignment of each chapter by each student; one file is no notebook."""
    course = tmp_path_factory.mktemp("course")
    write_course(chapters, course)
    release(course)
    for chapter in chapters:
        for student, answer in STUDENTS.items():
            hand_in(course, chapter, student, answer, elsewhere=student == "elsewhere")
    broken = course / "submitted" / "broken" / chapters[0].name
    broken.mkdir(parents=True)
    (broken / f"{chapters[0].name}.ipynb").write_text("{")
    return course


def hand_in(
    course: Path, chapter: Chapter, student: str, answer, *, elsewhere: bool = False
) -> None:
    """``elsewhere``: the solutions stand in cells of the student's own."""
    notebook = nbformat.read(course / "release" / chapter.name / f"{chapter.name}.ipynb", 4)
    cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in notebook.cells}
    for place, source in enumerate(judged(chapter)):
        cells[f"{source.name}-answer"].source = answer(source, place)[0]
        if elsewhere:
            notebook.cells.append(nbformat.v4.new_code_cell(source.solution))
    folder = course / "submitted" / student / chapter.name
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{chapter.name}.ipynb")


def judged(chapter: Chapter) -> list[Source]:
    return [one for one in chapter.exercises if isinstance(one, Source)]


def test_a_class_gets_its_marks_though_the_run_is_killed_half_way(course, chapters):
    command = [sys.executable, "-m", "cnnlib.classroom", "mark", str(course)]
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    autograded = course / "autograded"
    half = (len(STUDENTS) * len(chapters) + 1) // 2
    deadline = time.monotonic() + 10 * half + 120
    while len(list(autograded.glob("*/*/*.ipynb"))) < half:
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert not (course / "marks.csv").exists()
    again = ["another run"]
    while "another run" in again[-1]:  # its copies are about to end
        said = subprocess.run(command, capture_output=True, text=True)
        again += [said.stderr]
        assert time.monotonic() < deadline
    print(said.stdout)
    count = int(re.search(r"(\d+) submissions marked", said.stdout)[1])
    assert 0 < count <= len(STUDENTS) * len(chapters) + 1 - half + 4  # the last: begun and killed
    assert said.returncode == 1 and "not marked: broken" in said.stdout
    rows = list(csv.DictReader((course / "marks.csv").open()))
    scores = {(row["student"], row["assignment"]): float(row["score"]) for row in rows}
    expected = {
        (student, chapter.name): sum(
            source.points
            for place, source in enumerate(judged(chapter))
            if answer(source, place)[1]
        )
        for chapter in chapters
        for student, answer in STUDENTS.items()
    }
    assert scores == expected | {("broken", chapters[0].name): 0}
