"""A whole cycle of a course: made, released, handed in, marked, fed back, whatever comes in."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from cnnlib.classroom.assignments import assignment, write_course
from cnnlib.classroom.chapters import chapters_in, title_of
from cnnlib.classroom.course import open_course, release
from cnnlib.classroom.grading import definitions, read_records, sandbox
from cnnlib.classroom.marking import alone_in, mark_all, tell, warnings, write_marks
from cnnlib.classroom.roles import plain_roles
from tests.test_exercises_source import EXPERIMENT, WHOLE

pytestmark = pytest.mark.filterwarnings("ignore")  # nbgrader's own

CHAPTER = """# A chapter

<!-- exercise: sizes -->
<!-- end of exercise -->

<!-- exercise: twice -->
<!-- end of exercise -->
"""
RIGHT = "def twice(x):\n    return x + x"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A course of one assignment, released."""
    book = tmp_path_factory.mktemp("book")
    (book / "chapter.md").write_text(CHAPTER)
    (book / "chapter.exercises.md").write_text(
        WHOLE.replace("page: yes", "seconds: 2") + EXPERIMENT
    )
    course = tmp_path_factory.mktemp("course")
    write_course(list(chapters_in(book)), course)
    release(course)
    return course


@pytest.fixture
def course(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "course"))


def hand_in(course: Path, student: str, answer: str | None = None, change=None) -> None:
    """The released notebook with an answer in its cell, and ``change(notebook)`` done to it."""
    notebook = nbformat.read(course / "release" / "chapter" / "chapter.ipynb", as_version=4)
    if answer is not None:
        cell_of(notebook, "twice-answer").source = answer
    if change:
        change(notebook)
    folder = course / "submitted" / student / "chapter"
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / "chapter.ipynb")


def cell_of(notebook, name):
    [cell] = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == name]
    return cell


def without(name):
    def change(notebook):
        notebook.cells.remove(cell_of(notebook, name))

    return change


def with_first(source):
    return lambda notebook: notebook.cells.insert(0, nbformat.v4.new_code_cell(source))


# --- What is made ---------------------------------------------------------------------------------


def test_a_released_notebook_holds_prompt_starter_and_check_and_no_answer(made):
    text = (made / "release" / "chapter" / "chapter.ipynb").read_text()
    notebook = nbformat.reads(text, as_version=4)
    assert "Write `twice`." in cell_of(notebook, "twice-prompt").source
    assert "Add it to itself." in cell_of(notebook, "twice-prompt").source
    assert cell_of(notebook, "twice-answer").source == "def twice(x):\n    ..."
    assert cell_of(notebook, "twice").source.endswith('check("chapter.twice", twice)')
    assert "the reason" in cell_of(notebook, "sizes-prompt").source
    for secret in ("2 * x", "__mul__", "x * x", "twice(7)", "It was seven"):
        assert secret not in text
    order = [c.metadata.get("nbgrader", {}).get("grade_id") for c in notebook.cells]
    assert order.index("sizes") < order.index("twice")  # as the chapter has them


def test_points_add_up_to_those_of_the_sources(made):
    with open_course(made).gradebook as book:
        assert book.find_assignment("chapter").max_score == 3 + 4


def test_the_same_source_gives_the_same_files(made, tmp_path):
    book = tmp_path / "book"
    book.mkdir()
    (book / "chapter.md").write_text(CHAPTER)
    (book / "chapter.exercises.md").write_text(WHOLE + EXPERIMENT)
    [chapter] = chapters_in(book)
    assert nbformat.writes(assignment(chapter)) == nbformat.writes(assignment(chapter))


def test_the_graders_records_hold_the_hidden_cases(made):
    graded = read_records(made / "records" / "chapter.json")["twice"]
    assert graded.public == 2
    assert [case.call for case in graded.record.cases] == ["twice(one)", "twice(2)", "twice(7)"]


def test_roles_of_the_book_become_words():
    text = (
        "A {term}`stride <stride · 步长>`, a {term}`kernel`, formula {eq}`size`, {ref}`here <x>`."
    )
    words = plain_roles(text, lambda label, said: None)
    assert words == "A stride, a kernel, formula (size), here."


def test_chapters_come_in_the_order_of_the_contents(tmp_path):
    book = tmp_path / "book"
    book.mkdir()
    for name in ("apple", "chapter", "zebra"):
        (book / f"{name}.md").write_text(CHAPTER)
        (book / f"{name}.exercises.md").write_text(WHOLE + EXPERIMENT)
    assert [chapter.name for chapter in chapters_in(book)] == ["apple", "chapter", "zebra"]
    (tmp_path / "_toc.yml").write_text("chapters:\n  - file: book/zebra\n  - file: book/apple\n")
    assert [chapter.name for chapter in chapters_in(book)] == ["zebra", "apple", "chapter"]


def test_what_is_no_book_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file \*\.exercises\.md"):
        list(chapters_in(tmp_path))
    with pytest.raises(ValueError, match="expected a heading"):
        title_of("no heading")
    with pytest.raises(FileNotFoundError, match="no course"):
        mark_all(tmp_path)


# --- What comes in, and its marks -----------------------------------------------------------------

FINDING = """
import sys
def twice(x):
    frame = sys._getframe()
    while frame and "task" not in frame.f_locals:
        frame = frame.f_back
    calls = str(frame.f_locals["task"]["calls"])
    if "7" in calls: raise ValueError(calls)
"""
SUBMISSIONS = {
    # student: (points of 3, what is told, what is handed in)
    "right": (3, "all 3 cases agree", {"answer": RIGHT}),
    "unusual": (3, "all 3 cases agree", {"answer": "twice = (2.0).__mul__"}),
    "empty": (0, "returns nothing yet", {}),
    "wrong": (0, "You square it: 1 and 2 are no", {"answer": "def twice(x): return x * x"}),
    "table": (
        0,
        "passes the 2 public cases and gives something else in a hidden one",
        {"answer": "def twice(x): return {1: 2, 2: 4}.get(x, 0)"},
    ),
    "telling": (
        0,
        "twice(one) gave 3, expected 2",
        {"answer": "def twice(x):\n    print('asked for', x)\n    return 3 * x"},
    ),
    "finding": (0, "returns nothing yet", {"answer": FINDING}),
    "hiding": (0, "gives something else in a hidden one", {"answer": FINDING + "    return 2 * x"}),
    "crashing": (0, "ZeroDivisionError", {"answer": "def twice(x): return x / 0"}),
    "unreadable": (0, "cannot be read as Python", {"answer": "def twice(x) return 2"}),
    "leaving": (0, "ended Python itself", {"answer": "import os\nos._exit(0)"}),
    "looping": (0, "took longer than 2 s", {"answer": "while True: pass"}),
    "eating": (0, "too much memory", {"answer": "def twice(x): return 'a' * (4 << 30)"}),
    "loud": (3, "all 3 cases agree", {"answer": RIGHT + "\nprint('x' * 10**7)"}),
    "magic": (3, "all 3 cases agree", {"answer": "%matplotlib inline\n!ls\n" + RIGHT}),
    "no_check": (3, "all 3 cases agree", {"answer": RIGHT, "change": without("twice")}),
    "no_answer": (0, "no function twice", {"change": without("twice-answer")}),
    "elsewhere": (
        3, "all 3 cases agree", {"answer": "", "change": with_first(RIGHT)}
    ),
    "helped": (
        3,
        "all 3 cases agree",
        {"answer": "def twice(x): return factor * x", "change": with_first("factor = 2\n1 / 0")},
    ),
    "helped_by_a_loop": (
        3,
        "all 3 cases agree",
        {
            "answer": "def twice(x): return factor * x",
            "change": with_first("factor = 2\nwhile 1: pass"),
        },
    ),
    "helped_by_a_call": (
        3,
        "all 3 cases agree",
        {"answer": "def twice(x): return factor * x", "change": with_first("factor = int('2')")},
    ),
    "helped_by_an_import": (
        3,
        "all 3 cases agree",
        {
            "answer": "import email\ndef twice(x): return email.mime.text and 2 * x",
            "change": with_first("import email.mime.text"),
        },
    ),
    "not_helped": (
        0,
        "name 'factor' is not defined",
        {"answer": "def twice(x): return factor * x", "change": with_first("while 1: pass")},
    ),
    "loop_elsewhere": (
        3,
        "all 3 cases agree",
        {"answer": RIGHT, "change": with_first("while 1: pass")},
    ),
    "patching": (
        0,
        "gave 1, expected 2",
        {
            "answer": "import cnnlib.exercises.agreement as a, json\na.agrees = lambda *x: True\n"
            "json.dumps = lambda *x: ''\ndef twice(x): return x"
        },
    ),
    "rewriting": (
        0,
        "gave 1, expected 2",
        {
            "answer": "def twice(x): return x",
            "change": lambda notebook: cell_of(notebook, "twice").update(source="print('fine')"),
        },
    ),
    "richer": (
        3,
        "all 3 cases agree",
        {
            "answer": RIGHT,
            "change": lambda nb: cell_of(nb, "twice").metadata.nbgrader.update(points=99),
        },
    ),
    "doubled": (
        3,
        "all 3 cases agree",
        {
            "answer": RIGHT,
            "change": lambda notebook: notebook.cells.append(cell_of(notebook, "twice").copy()),
        },
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def marked(made, tmp_path_factory):
    """The course with all of these submissions, marked in one run."""
    course = Path(shutil.copytree(made, tmp_path_factory.mktemp("marked") / "course"))
    for student, (_, _, handed) in SUBMISSIONS.items():
        hand_in(course, student, **handed)
    broken = course / "submitted" / "broken" / "chapter"
    broken.mkdir(parents=True)
    (broken / "chapter.ipynb").write_text('{"cells": [')
    (course / "submitted" / "nothing" / "chapter").mkdir(parents=True)
    return course, {one.student: one for one in mark_all(course)}


def outputs_of(text: str) -> list:
    """What stands below the cells that give marks."""
    cells = nbformat.reads(text, as_version=4).cells
    marked = [cell for cell in cells if cell.metadata.get("nbgrader", {}).get("grade")]
    return [output for cell in marked for output in cell.get("outputs", [])]


@pytest.mark.parametrize("student", SUBMISSIONS)
def test_marks_are_right_whatever_comes_in(marked, student):
    course, marks = marked
    points, says, _ = SUBMISSIONS[student]
    one = marks[student]
    assert (one.score, one.most, one.fault) == (points, 7, "")
    path = course / "autograded" / student / "chapter" / "chapter.ipynb"
    outputs = outputs_of(path.read_text())
    assert says in json.dumps(outputs, ensure_ascii=False)


def test_hidden_cases_are_not_told(marked):
    course, _ = marked
    for student in ("table", "telling", "finding", "hiding"):
        text = (course / "autograded" / student / "chapter" / "chapter.ipynb").read_text()
        assert "twice(7)" not in text and "asked for" not in json.dumps(outputs_of(text))


def test_what_cannot_be_marked_is_named_and_the_others_go_on(marked):
    _, marks = marked
    assert marks["broken"].fault and marks["broken"].score == 0
    assert marks["nothing"].score == 0
    said = "\n".join(tell(list(marks.values()), 50.0))
    assert "not marked: broken, chapter:" in said
    assert f"{len(SUBMISSIONS) + 2} submissions marked in 50 s, one in 1." in said


def test_marks_are_written_for_other_systems(marked, tmp_path):
    _, marks = marked
    write_marks(list(marks.values()), tmp_path / "marks.csv")
    rows = list(csv.DictReader((tmp_path / "marks.csv").open()))
    assert {row["student"]: float(row["score"]) for row in rows} == {
        name: one.score for name, one in marks.items()
    }


def test_feedback_is_made_of_what_was_marked(marked):
    course, _ = marked
    said = open_course(course).generate_feedback("chapter", "wrong", force=True)
    assert said["success"], said
    page = (course / "feedback" / "wrong" / "chapter" / "chapter.html").read_text()
    assert "You square it" in page and "0.0 / 7.0" in page.replace("Score: ", "")


def test_a_persons_marks_for_an_experiment_are_added_and_kept(course):
    hand_in(course, "ada", RIGHT)
    mark_all(course)
    with open_course(course).gradebook as book:
        grade = book.find_grade("sizes", "chapter", "chapter", "ada")
        grade.manual_score = 2
        book.db.commit()
    [one] = mark_all(course, again=True)
    assert one.score == 3 + 2


def test_pictures_and_texts_of_an_experiment_reach_the_teacher_and_scripts_do_not(course):
    def show(notebook):
        [cell] = [c for c in notebook.cells if c.source == "sizes = 3"]
        data = {
            "text/plain": "seven",
            "image/png": "aGk=",
            "text/html": "<script>alert(1)</script>",
        }
        cell.outputs = [nbformat.v4.new_output("display_data", data=data)]

    hand_in(course, "ada", change=show)
    mark_all(course)
    text = (course / "autograded" / "ada" / "chapter" / "chapter.ipynb").read_text()
    assert "seven" in text and "aGk=" in text and "alert" not in text


def test_what_is_marked_is_not_marked_again(course):
    hand_in(course, "ada", RIGHT)
    [first] = mark_all(course)
    [again] = mark_all(course)
    assert first.seconds > 0 and again.seconds == 0 and again.score == 3
    assert "marked" not in "\n".join(tell([again], 1.0))


def test_a_run_that_was_killed_is_taken_up_again_and_leaves_nothing_running(course):
    for student in ("ada", "ben", "cem"):
        hand_in(course, student, RIGHT)
    command = [sys.executable, "-m", "cnnlib.classroom", "mark", str(course)]
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    autograded = course / "autograded"
    until(lambda: list(autograded.glob(".*.begun")), "it had not begun")
    os.kill(run.pid, signal.SIGKILL)  # not its copies: they end with it
    run.wait()
    assert list(autograded.glob(".*.begun"))
    until(lambda: is_free(course), "a copy of the run goes on")
    assert {one.student: one.score for one in mark_all(course)} == dict.fromkeys(
        ["ada", "ben", "cem"], 3
    )
    assert not list(autograded.glob(".*.begun"))


def until(holds, otherwise: str) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def is_free(course: Path) -> bool:
    try:
        with alone_in(course):
            return True
    except RuntimeError:
        return False


@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked there")
def test_two_runs_do_not_mark_one_course_at_a_time(course):
    with alone_in(course), pytest.raises(RuntimeError, match="another run marks this course"):
        mark_all(course)


def test_what_makes_no_sense_is_said(course):
    with pytest.raises(ValueError, match="at_a_time=-1: expected a whole number from 0"):
        mark_all(course, at_a_time=-1)


def test_definitions_of_a_cell_make_no_call():
    cell = "import a\nx = 1\ny = f(1)\nz: int = 2\nx += 1\ndef g(): f(3)\nfor i in 1, 2: g()\nf(4)"
    assert definitions(cell).splitlines() == [
        "import a", "x = 1", "z: int = 2", "def g():", "    f(3)"
    ]  # fmt: skip
    assert definitions("def g(:") == ""


# --- Locked in ------------------------------------------------------------------------------------

PRYING = """
import glob, os, socket
def reach():
    found = []
    for path in (COURSE, os.path.dirname(COURSE)):
        if glob.glob(path + "/*"):
            found.append("files")
    try:
        open(COURSE + "/taken", "w")
        found.append("wrote")
    except OSError:
        pass
    for name in ("HOME", "SECRET"):
        if name in os.environ:
            found.append(name)
    with socket.socket() as s:
        try:
            s.connect(("127.0.0.1", PORT))
            found.append("network")
        except OSError:
            pass
    if len([p for p in os.listdir("/proc") if p.isdigit()]) > 10:
        found.append("processes")
    return found
found = reach()
def twice(x):
    return found or 2 * x
"""


BOMB = """
import os
def twice(x):
    global born
    born = 0
    try:
        while born < 500:
            if os.fork() == 0:
                os.read(os.pipe()[0], 1)
            born += 1
    except OSError:
        pass
    return 2 * x if born < 100 else born
"""


@pytest.mark.skipif(not sandbox() or os.getuid() == 0, reason="bubblewrap, and no root")
def test_an_answer_starts_few_processes(course):
    hand_in(course, "many", BOMB)
    [one] = mark_all(course)
    assert one.score == 3


def test_what_is_not_held_is_said(monkeypatch):
    from cnnlib.classroom import marking

    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(marking, "sandbox", lambda: ("bwrap",))
    assert "no limit on the number of processes" in "".join(warnings())
    monkeypatch.setattr(marking, "sandbox", lambda: ())
    assert "they can read files" in "".join(warnings())
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(marking, "sandbox", lambda: ("bwrap",))
    assert not list(warnings())


@pytest.mark.skipif(not sandbox(), reason="no bubblewrap that may be used")
def test_an_answer_sees_nothing_of_the_course_and_reaches_nothing(course, monkeypatch):
    import socket

    monkeypatch.setenv("SECRET", "a key")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        names = f"COURSE, PORT = {str(course.resolve())!r}, {port}\n"
        hand_in(course, "spy", names + PRYING)
        [one] = mark_all(course)
    assert one.score == 3, (course / "autograded/spy/chapter/chapter.ipynb").read_text()
    assert not (course / "taken").exists()


def test_prying_would_be_seen(course, monkeypatch):
    """The test above can fail: outside of the sandbox the same answer reaches something."""
    from cnnlib.classroom import grading

    monkeypatch.setattr(grading, "sandbox", lambda: ())
    hand_in(course, "spy", f"COURSE, PORT = {str(course.resolve())!r}, 1\n" + PRYING)
    [one] = mark_all(course)
    assert one.score == 0 and (course / "taken").exists()
