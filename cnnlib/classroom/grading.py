"""Marks for what students hand in: each answer is run in a process apart, never in the grader's.

nbgrader runs a submission in one kernel that holds its hidden tests; whatever is in the notebook
can reach them and change what they say. Here its step "execute" is another: an exercise's cells run
in a new Python that knows nothing of what is expected, locked in by bubblewrap where the machine
has it.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader.api import Gradebook
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    ClearOutput,
    ComputeChecksums,
    LimitOutput,
    LockCells,
    NbGraderPreprocessor,
    OverwriteCells,
    OverwriteKernelspec,
    SaveAutoGrades,
    SaveCells,
)
from nbgrader.utils import is_grade, is_solution
from traitlets import Unicode

import cnnlib
from cnnlib.exercises.agreement import Verdict, judge
from cnnlib.exercises.child import run_apart
from cnnlib.exercises.record import Record


class Graded(NamedTuple):
    """A record with its hidden cases; the first ``public`` ones are the students'."""

    record: Record
    public: int


def read_records(path: Path) -> dict[str, Graded]:
    """The grader's records of a chapter, by the name of the exercise."""
    values = json.loads(path.read_text("utf-8"))
    records = [Record.from_json(one) for one in values["records"]]
    return {record.name: Graded(record, values["public"][record.key]) for record in records}


@cache
def sandbox() -> tuple[str, ...]:
    """The beginning of a command that locks in the rest: it sees Python, cnnlib and the system's
    libraries, nothing of the course and no network, and ends with us. Empty where bubblewrap is not
    there or may not do so; the grader then says that only limits hold.
    """
    program = shutil.which("bwrap")
    if program is None:
        return ()
    seen = ["/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives"]
    seen += [sys.prefix, sys.base_prefix, str(Path(cnnlib.__file__).parent)]
    binds = [part for path in seen if os.path.exists(path) for part in ("--ro-bind", path, path)]
    command = (
        program, "--size", str(1 << 26), "--tmpfs", "/tmp", "--dev", "/dev", "--proc", "/proc",
        *binds, "--unshare-all", "--die-with-parent", "--new-session", "--chdir", "/tmp",
    )  # fmt: skip
    trial = subprocess.run([*command, sys.executable, "-c", ""], capture_output=True, check=False)
    return command if trial.returncode == 0 else ()


def mark(graded: Graded, answer: str, others: Sequence[str]) -> Verdict:
    """The verdict on an exercise: by the answer's cell alone, or with the student's other cells
    where it lacks a name that stands in them.

    An endless loop in somebody else's exercise then costs no points here; nor does the long
    training of an experiment, for what other cells only define is tried first.
    """
    alone = _verdict(graded, [answer])
    lacking = _lacking(alone)
    if not lacking or not any(lacking in cell for cell in others):
        return alone
    defined = _verdict(graded, [*map(definitions, others), answer])
    if defined:
        return defined
    whole = _verdict(graded, [*others, answer])
    return defined if whole.kind in ("time", "memory", "died") else whole


def _verdict(graded: Graded, cells: Sequence[str]) -> Verdict:
    """The verdict on cells. What is told in the student's own words comes from a run that knows no
    hidden call: a program can find the calls in its process, and raise them as an error."""
    verdict = _run(graded.record, cells)
    is_hidden = verdict.case is not None and verdict.case >= graded.public
    if is_hidden or verdict.kind not in ("raised", "syntax", "differs"):
        return verdict
    public = graded.record._replace(cases=graded.record.cases[: graded.public])
    told = _run(public, cells)
    return verdict._replace(kind="differs", case=graded.public, raised=None) if told else told


def _run(record: Record, cells: Sequence[str]) -> Verdict:
    calls = [case.call for case in record.cases]
    return judge(record, run_apart(record, cells, calls, sandbox()))


def _lacking(verdict: Verdict) -> str:
    """What there was not: the function, a name, or a module's part that an import elsewhere would
    have loaded; "" if it failed in another way."""
    if verdict.kind == "missing":
        return verdict.record.name
    if verdict.kind != "raised" or verdict.raised.type not in ("NameError", "AttributeError"):
        return ""
    message = verdict.raised.message
    if verdict.raised.type == "AttributeError" and not message.startswith("module "):
        return ""
    return (re.findall(r"'(\w+)'", message) or [""])[-1]


def definitions(cell: str) -> str:
    """A cell's functions, classes, imports and values that are written out; no call is left."""
    try:
        body = ast.parse(cell).body
    except SyntaxError:
        return ""
    return "\n".join(ast.unparse(part) for part in body if _defines(part))


def _defines(part: ast.stmt) -> bool:
    if isinstance(part, ast.Assign | ast.AnnAssign):
        return not any(isinstance(inner, ast.Call) for inner in ast.walk(part))
    return isinstance(part, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom)


def told(verdict: Verdict, public: int) -> str:
    """The verdict in words; of a hidden case no more than that it failed, and how.

    What the program printed is left out: it may have printed what hidden cases gave it.
    """
    if verdict.case is None or verdict.case < public:
        return repr(verdict._replace(printed=""))
    sentence = f"\n{verdict.sentence}" if verdict.sentence else ""
    how = {"raised": "raises an error in", "time": "takes too long for"}
    how = how.get(verdict.kind, "gives something else in")
    name = verdict.record.name
    return f"✗ {name} passes the {public} public cases and {how} a hidden one.{sentence}"


ANSWER = "-answer"  # behind an exercise's name: the cell for it
MAGIC = re.compile(r"^\s*[%!].*$", re.MULTILINE)


class JudgeApart(NbGraderPreprocessor):
    """nbgrader's step in which answers are run: it writes the outputs that marks follow from."""

    records = Unicode("records", help="Folder of the grader's records.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        name = resources["nbgrader"]["notebook"]
        graded = read_records(Path(self.records) / f"{name}.json")
        answers, others = _cells_of(nb)
        for cell in nb.cells:
            if not is_grade(cell) or is_solution(cell):
                continue
            exercise = cell.metadata.nbgrader.grade_id
            one = graded[exercise]
            before = [*others, *(text for name, text in answers.items() if name != exercise)]
            verdict = mark(one, answers.get(exercise, ""), before)
            text = told(verdict, one.public)
            self.log.info("%s: %s", exercise, verdict.kind)
            cell.outputs = [
                new_output("stream", name="stdout", text=text)
                if verdict
                else new_output("error", ename=verdict.kind, evalue=text, traceback=[text])
            ]
        return nb, resources


def _cells_of(nb: NotebookNode) -> tuple[dict[str, str], list[str]]:
    """The answers' cells by the name of their exercise, and the student's other cells of code."""
    answers, others = {}, []
    for cell in nb.cells:
        if cell.cell_type != "code" or is_grade(cell):
            continue
        source = MAGIC.sub("", cell.source)
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if is_solution(cell) and name.endswith(ANSWER):
            answers[name.removesuffix(ANSWER)] = source
        else:
            others.append(source)
    return answers, others


class OneOfEach(NbGraderPreprocessor):
    """Gives back a deleted cell that gives marks, and takes the marks from a copy of one."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        seen = set()
        for cell in nb.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name and name in seen:
                del cell.metadata["nbgrader"]
            seen.add(name)
        where = resources["nbgrader"]
        with Gradebook(where["db_url"]) as book:
            cells = book.find_notebook(where["notebook"], where["assignment"]).grade_cells
            lost = [(cell.name, cell.cell_type) for cell in cells if cell.name not in seen]
        for name, kind in lost:
            cell = new_code_cell() if kind == "code" else new_markdown_cell()
            marks = {"grade_id": name, "cell_type": kind, "schema_version": 3}
            cell.metadata["nbgrader"] = marks | dict.fromkeys(("grade", "locked"), True)
            cell.metadata["nbgrader"] |= {"solution": kind != "code", "task": False, "points": 0}
            nb.cells.append(cell)  # nbgrader then writes in what its database has
        return nb, resources


class KeepOutputs(NbGraderPreprocessor):
    """In place of clearing all: a person who marks an experiment sees its numbers and pictures.

    Text and PNG pictures stay, the rest of what a student's file holds does not reach a teacher's
    browser.
    """

    kept = ("text/plain", "image/png")

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int):
        if cell.cell_type == "code":
            outputs = [] if is_grade(cell) else [self._kept(output) for output in cell.outputs]
            cell.outputs = [output for output in outputs if output is not None]
            cell.execution_count = None
        return cell, resources

    def _kept(self, output: NotebookNode) -> NotebookNode | None:
        if output.output_type == "stream":
            return output
        data = {kind: output.get("data", {}).get(kind) for kind in self.kept}
        data = {kind: value for kind, value in data.items() if value}
        return new_output("display_data", data=data) if data else None


def configure(c, course: str | Path, name: str) -> None:
    """nbgrader's settings for the course of this folder (its ``nbgrader_config.py`` calls this).

    There are no solutions to cut out of the notebooks, and marks are given apart.
    """
    c.CourseDirectory.course_id = name
    c.JudgeApart.records = str(Path(course) / "records")
    c.GenerateAssignment.preprocessors = [
        LockCells, ClearOutput, ComputeChecksums, SaveCells, CheckCellMetadata,
    ]  # fmt: skip
    c.Autograde.sanitize_preprocessors = [
        KeepOutputs, OneOfEach, OverwriteKernelspec, OverwriteCells, CheckCellMetadata,
    ]  # fmt: skip
    c.Autograde.autograde_preprocessors = [
        JudgeApart, LimitOutput, SaveAutoGrades, AssignLatePenalties, CheckCellMetadata,
    ]  # fmt: skip
