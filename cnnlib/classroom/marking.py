"""Marks a whole class in one run that can be broken off and taken up again.

Submissions are marked several at a time, in copies of this process: nbgrader's own work on one
takes half a second, and an answer a second process.
"""

import csv
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from nbgrader.api import MissingEntry
from nbgrader.apps import NbGraderAPI
from tqdm.auto import tqdm

from cnnlib.classroom.course import open_course, reason_of
from cnnlib.classroom.grading import sandbox


class Marked(NamedTuple):
    """``score`` of ``most`` points; ``seconds`` for this submission, 0 if it was marked before;
    ``fault``: why it has none."""

    student: str
    assignment: str
    score: float
    most: float
    seconds: float
    fault: str = ""


def mark_all(
    course: Path, assignment: str | None = None, *, again: bool = False, at_a_time: int = 0
) -> list[Marked]:
    """Mark what has been handed in and is not marked yet; with ``again`` all of it.

    ``at_a_time``: how many submissions; 0 for as many as there are cores that this process may use.
    A submission that was being marked when the run was ended (killed, even) is marked anew. One
    that cannot be marked, such as a file that is no notebook, is named with the reason, and the
    others go on.

    Raises:
        FileNotFoundError: if the folder is no course.
        RuntimeError: if another run marks this course.
    """
    if at_a_time < 0:
        raise ValueError(f"at_a_time={at_a_time}: expected a whole number from 0")
    api = open_course(course)
    for warning in warnings():
        print(warning)
    waiting = [
        (name, student)
        for name in ([assignment] if assignment else sorted(api.get_source_assignments()))
        for student in sorted(api.get_submitted_students(name))
    ]
    with alone_in(course):
        with api.gradebook as book:  # here, so that no two copies make the same student
            for student in sorted({student for _, student in waiting}):
                book.update_or_create_student(student)
        mark = partial(_mark, course, again)
        if sys.platform != "linux":  # to copy a process is no safe thing elsewhere
            return [mark(one) for one in tqdm(waiting)]
        cores = len(os.sched_getaffinity(0))
        workers = min(at_a_time or cores, max(1, len(waiting)))
        with ProcessPoolExecutor(workers, get_context("fork"), _end_with, (os.getpid(),)) as pool:
            return list(tqdm(pool.map(mark, waiting), total=len(waiting)))


def warnings() -> Iterator[str]:
    """What is not held here of an answer that means harm."""
    if not sandbox():
        yield (
            "No bubblewrap here, or it may not be used: answers run with limits on time and "
            "memory, but they can read files and the network. See the guide."
        )
    elif hasattr(os, "getuid") and os.getuid() == 0:
        yield (
            "You are root, and no limit on the number of processes holds for root's: a program "
            "that starts them without end can stop this machine. See the guide."
        )


@contextmanager
def alone_in(course: Path) -> Iterator[None]:
    """Keep other runs out of a course as long as this one or a copy of it lives.

    Raises:
        RuntimeError: if there is another.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with (course / ".marking").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(f"{course}: another run marks this course") from None
        yield


def _end_with(parent: int) -> None:
    """In a copy: be killed when the process that copied itself ends, however it does."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


def _mark(course: Path, again: bool, waiting: tuple[str, str]) -> Marked:
    assignment, student = waiting
    api = open_course(course)
    begun = course / "autograded" / f".{student}.{assignment}.begun"
    done = course / "autograded" / student / assignment
    fault, seconds = "", 0.0
    if again or begun.exists() or not done.exists():
        started = time.perf_counter()
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


def tell(marks: list[Marked], took: float) -> Iterator[str]:
    """How long it took, ``took`` seconds in all, and what could not be marked."""
    if new := [one.seconds for one in marks if one.seconds]:
        yield (
            f"{len(new)} submissions marked in {took:.0f} s, one in {took / len(new):.1f} s; "
            f"the slowest took {max(new):.1f} s"
        )
    yield from (
        f"not marked: {one.student}, {one.assignment}: {one.fault}" for one in marks if one.fault
    )
