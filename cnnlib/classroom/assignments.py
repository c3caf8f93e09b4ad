"""Assignments for nbgrader: a notebook a chapter, its hidden cases apart.

A course is a folder as nbgrader expects it, with ``source/CHAPTER/CHAPTER.ipynb``. The notebooks
hold prompts, starters and the public check, no solution and no hidden case: those stand in
``records/CHAPTER.json``, which only the grader reads (:mod:`cnnlib.classroom.grading`).
"""

import json
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cnnlib.classroom.chapters import KERNEL, Chapter
from cnnlib.exercises.record import in_points, write_records
from cnnlib.exercises.source import Experiment, Source, record_from

CONFIG = '''"""A course of nbgrader, with marks by cnnlib: each answer is run in a process apart."""

from pathlib import Path

from cnnlib.classroom.grading import configure

configure(get_config(), Path(__file__).parent, {name!r})  # noqa: F821  nbgrader gives get_config
'''


def write_course(chapters: list[Chapter], course: Path, name: str = "cnn") -> None:
    """Write the folder of a course: configuration, source notebooks, the grader's records.

    What students handed in and what was marked stays as it is.
    """
    course.mkdir(parents=True, exist_ok=True)
    (course / "nbgrader_config.py").write_text(CONFIG.format(name=name), "utf-8")
    (course / "records").mkdir(exist_ok=True)
    for chapter in chapters:
        folder = course / "source" / chapter.name
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(assignment(chapter), folder / f"{chapter.name}.ipynb")
        (course / "records" / f"{chapter.name}.json").write_text(records_text(chapter), "utf-8")


def records_text(chapter: Chapter) -> str:
    """The grader's records of a chapter: the public cases and behind them the hidden ones."""
    sources = [one for one in chapter.exercises if isinstance(one, Source)]
    return json.dumps(
        {
            "public": {source.key: len(source.cases) for source in sources},
            "records": json.loads(
                write_records([record_from(source, hidden=True) for source in sources])
            ),
        },
        ensure_ascii=False,
    )


def assignment(chapter: Chapter) -> NotebookNode:
    """A chapter's exercises as a notebook with nbgrader's marks on its cells."""
    cells = [_locked(_introduction(chapter), "introduction")]
    for number, exercise in enumerate(chapter.exercises, start=1):
        make = _experiment_cells if isinstance(exercise, Experiment) else _exercise_cells
        cells += make(exercise, number)
    for place, cell in enumerate(cells):
        cell.id = f"cell-{place:02d}"  # not a drawn one: the same source gives the same file
    return new_notebook(cells=cells, metadata={"kernelspec": KERNEL})


def _introduction(chapter: Chapter) -> str:
    total = sum(one.points for one in chapter.exercises)
    return (
        f"# {chapter.title}: exercises\n\n{total} points. Write each function in its cell and run "
        "the cell below it: it tells you the first case that fails. When your work is marked, "
        "there are more cases. Each function is run on its own, with your other cells before it."
    )


def _exercise_cells(source: Source, number: int) -> list[NotebookNode]:
    hints = "".join(
        f"\n\n<details><summary>Hint {place}</summary>\n\n{hint}\n\n</details>"
        for place, hint in enumerate(source.hints, start=1)
    )
    head = f"## {number}. `{source.name}` ({in_points(source.points)})\n\n{source.prompt}"
    test = f'from cnnlib.exercises import check\n\ncheck("{source.key}", {source.name})'
    return [
        _locked(head + hints, f"{source.name}-prompt"),
        _marked(new_code_cell(source.starter.rstrip()), f"{source.name}-answer", solution=True),
        _marked(new_code_cell(test), source.name, grade=True, locked=True, points=source.points),
    ]


def _experiment_cells(experiment: Experiment, number: int) -> list[NotebookNode]:
    rubric = "\n".join(f"| {share.points} | {share.what} |" for share in experiment.rubric)
    head = (
        f"## {number}. An experiment ({in_points(experiment.points)})\n\n"
        f"{experiment.prompt}\n\n*Hand in*: {experiment.handin}\n\n"
        f"| points | for |\n|--:|---|\n{rubric}"
    )
    starter = [new_code_cell(experiment.starter.rstrip())] if experiment.starter else []
    return [
        _locked(head, f"{experiment.name}-prompt"),
        *starter,
        _marked(
            new_markdown_cell("*What you hand in stands here.*"), experiment.name,
            grade=True, solution=True, points=experiment.points,
        ),
    ]  # fmt: skip


def _locked(text: str, name: str) -> NotebookNode:
    return _marked(new_markdown_cell(text), name, locked=True)


def _marked(
    cell: NotebookNode, name: str, *, grade=False, solution=False, locked=False, points=None
) -> NotebookNode:
    marks = {
        "schema_version": 3, "grade_id": name, "grade": grade,
        "solution": solution, "locked": locked, "task": False, "cell_type": cell.cell_type,
    }  # fmt: skip
    cell.metadata["nbgrader"] = marks | ({"points": points} if grade else {})
    return cell
