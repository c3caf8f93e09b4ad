"""Marks a whole class in one run that can be broken off and taken up again."""

import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nbgrader.api import MissingEntry
from nbgrader.apps import NbGraderAPI
from tqdm.auto import tqdm

from cnnlib.classroom.course import open_course, reason_of
from cnnlib.classroom.grading import sandbox


class Marked(NamedTuple):
    """``score`` of ``most`` points; ``seconds`` for this submission; ``fault``: why it has none."""

    student: str
    assignment: str
    score: float
    most: float
    seconds: float
    fault: str = ""


def mark_all(course: Path, assignment: str | None = None, *, again: bool = False) -> list[Marked]:
    """Mark what has been handed in and is not marked yet; with ``again`` all of it.

    A submission that was being marked when the run was ended (killed, even) is marked anew. One
    that cannot be marked, such as a file that is no notebook, is named with the reason, and the
    others go on.

    Raises:
        FileNotFoundError: if the folder is no course.
    """
    api = open_course(course)
    if not sandbox():
        print(
            "No bubblewrap here, or it may not be used: answers run with limits on time and "
            "memory, but they can read files and the network. See the guide."
        )
    waiting = [
        (name, student)
        for name in ([assignment] if assignment else sorted(api.get_source_assignments()))
        for student in sorted(api.get_submitted_students(name))
    ]
    return [_mark(api, course, name, student, again) for name, student in tqdm(waiting)]


def _mark(api: NbGraderAPI, course: Path, assignment: str, student: str, again: bool) -> Marked:
    begun = course / "autograded" / f".{student}.{assignment}.begun"
    done = course / "autograded" / student / assignment
    fault, started = "", time.perf_counter()
    if again or begun.exists() or not done.exists():
        begun.parent.mkdir(exist_ok=True)
        begun.touch()
        said = api.autograde(assignment, student, force=True, create=True)
        fault = "" if said["success"] else reason_of(said)
        begun.unlink()
    seconds = time.perf_counter() - started
    score, most = _score(api, assignment, student)
    return Marked(student, assignment, score, most, seconds, fault)


def _score(api: NbGraderAPI, assignment: str, student: str) -> tuple[float, float]:
    with api.gradebook as book:
        most = book.find_assignment(assignment).max_score
        try:
            return book.find_submission(assignment, student).score, most
        except MissingEntry:
            return 0.0, most


def write_marks(marks: list[Marked], path: Path) -> None:
    """Marks as CSV, a line a student and assignment, as Moodle and Canvas import them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["student", "assignment", "score", "max score", "note"])
        for one in marks:
            writer.writerow([one.student, one.assignment, one.score, one.most, one.fault])


def tell(marks: list[Marked]) -> Iterator[str]:
    """How long it took, and what could not be marked."""
    new = [one for one in marks if one.seconds > 0.01]
    if new:
        seconds = sum(one.seconds for one in new)
        yield f"{len(new)} submissions marked, {seconds / len(new):.1f} s each"
    yield from (
        f"not marked: {one.student}, {one.assignment}: {one.fault}" for one in marks if one.fault
    )
