"""``python -m tests.bench_classroom [CHAPTER] [COUNT]``: a large class, marked in one run.

COUNT submissions of CHAPTER's assignment, 300 of *pooling* if not given: right, wrong, empty,
crashing, endless, greedy and dishonest ones. The run is killed half-way and taken up again. Every
mark is compared with what it should be; seconds are those of this machine as it is now.
"""

import csv
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import nbformat

from cnnlib.classroom.assignments import write_course
from cnnlib.classroom.chapters import Chapter, chapters_in
from cnnlib.classroom.course import release
from tests.conftest import ROOT
from tests.test_classroom_cycle import STUDENTS, hand_in, judged

PATCHING = """
import cnnlib.exercises, cnnlib.exercises.agreement, cnnlib.exercises.child_side as side
cnnlib.exercises.agreement.agrees = lambda *values: True
cnnlib.exercises.agreement.judge = lambda record, run: True
side._answer = lambda call, space: {"value": True}
side.plain = lambda value: value
"""
EQUAL = """
class Equal:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __len__(self): return 1
"""
FORGING = """
import os, json
for pipe in range(3, 20):
    try:
        os.write(pipe, b'{"value": 0}\\n' * 20 + b'{"ended": ""}\\n')
    except OSError:
        pass
"""
DISHONEST = {
    "patching": lambda source, place: (PATCHING + source.wrong[-1].program, False),
    "equal": lambda source, place: (f"{EQUAL}\ndef {source.name}(*given): return Equal()", False),
    "forging": lambda source, place: (FORGING + source.wrong[-1].program, False),
    "rewriting": lambda source, place: (source.wrong[-1].program, False),  # and the locked cells
}
KINDS = {**STUDENTS, **DISHONEST}


def make_course(course: Path, chapter: Chapter, count: int) -> dict[str, float]:
    """A course with so many submissions, the kinds by turns. Gives each student's right score."""
    write_course([chapter], course)
    release(course)
    expected = {}
    for number in range(count):
        kind = list(KINDS)[number % len(KINDS)]
        student = f"{kind}-{number:03d}"
        hand_in(course, chapter, student, KINDS[kind], elsewhere=kind == "elsewhere")
        if kind == "rewriting":
            rewrite(course / "submitted" / student / chapter.name / f"{chapter.name}.ipynb")
        expected[student] = float(
            sum(
                source.points
                for place, source in enumerate(judged(chapter))
                if KINDS[kind](source, place)[1]
            )
        )
    return expected


def rewrite(path: Path) -> None:
    """In a submission: tests that pass whatever comes, and points that nobody gave."""
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("grade") and cell.cell_type == "code":
            cell.source = "print('all cases agree')"
            marks["points"] = 99
    nbformat.write(notebook, path)


def mark_in_two(course: Path, count: int) -> tuple[float, int]:
    """Mark, killed when half is done, and then to the end. Gives seconds of both runs together, and
    how many the second run marked."""
    command = [sys.executable, "-m", "cnnlib.classroom", "mark", str(course)]
    started = time.perf_counter()
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while len(list((course / "autograded").glob("*/*/*.ipynb"))) < count // 2:
        if run.poll() is not None:
            raise SystemExit(f"the run ended by itself, with {run.returncode}")
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    while True:
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        if "another run" not in said.stderr:  # copies of the killed run are about to end
            break
        time.sleep(0.1)
    took = time.perf_counter() - started
    if said.returncode:
        raise SystemExit(f"the second run ended with {said.returncode}: {said.stderr}")
    return took, int(re.search(r"(\d+) submissions marked", said.stdout)[1])


def main() -> int:
    name = sys.argv[1] if len(sys.argv) > 1 else "pooling"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    named = [chapter for chapter in chapters_in(ROOT / "book") if chapter.name == name]
    if not named or count < 2:
        raise SystemExit(f"{name!r}, {count}: expected a chapter with exercises, and 2 or more")
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder) / "course"
        expected = make_course(course, named[0], count)
        took, second = mark_in_two(course, count)
        rows = list(csv.DictReader((course / "marks.csv").open(encoding="utf-8")))
    found = {row["student"]: float(row["score"]) for row in rows}
    wrong = {
        student: (found.get(student), points)
        for student, points in expected.items()
        if found.get(student) != points
    }
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[1]
    print(f"{count} submissions of {name}, {len(KINDS)} kinds: {', '.join(KINDS)}")
    print(f"killed after {count // 2}; the second run marked {second}")
    print(
        f"{took:.0f} s in all, {took / count:.2f} s a submission, on {cores} cores of "
        f"{platform.machine()}"
    )
    print(f"load of the machine in the last five minutes: {load:.1f}")
    print(f"{count - len(wrong)} of {count} marks are right")
    for student, (got, points) in wrong.items():
        print(f"  {student}: {got}, expected {points}")
    if wrong:
        print(Counter(student.rpartition("-")[0] for student in wrong))
    return 1 if wrong or len(found) != count else 0


if __name__ == "__main__":
    sys.exit(main())
