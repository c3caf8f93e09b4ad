"""python -m cnnlib.classroom make|notebooks BOOK FOLDER | mark COURSE [ASSIGNMENT] [--again]

make  from the exercises under BOOK, writes what a teacher needs into FOLDER; `course` in it is a
      course of nbgrader
notebooks  writes the chapters as plain notebooks and no more
mark  marks what students handed in, each answer in a process apart; writes COURSE/marks.csv
"""

import argparse
import sys
import time
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m cnnlib.classroom", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    words = parser.add_subparsers(dest="word", required=True)
    make, notebooks = words.add_parser("make"), words.add_parser("notebooks")
    for word in (make, notebooks):
        word.add_argument("book", type=Path)
        word.add_argument("folder", type=Path)
        word.add_argument(
            "--address",
            help="REPOSITORY@COMMIT that notebooks install cnnlib from; the public one and this "
            "book's commit if not given",
        )
    make.add_argument("--site", type=Path, default=Path("_build/html"), help="the built book")
    mark = words.add_parser("mark")
    mark.add_argument("course", type=Path)
    mark.add_argument("assignment", nargs="?")
    mark.add_argument("--again", action="store_true", help="also what is marked already")
    mark.add_argument(
        "--at-a-time", type=int, default=0, help="submissions; as many as cores if not given"
    )
    asked = parser.parse_args(arguments)
    try:
        return {"make": _make, "notebooks": _notebooks, "mark": _mark}[asked.word](asked)
    except (FileNotFoundError, RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


def _make(asked: argparse.Namespace) -> int:
    import torch  # noqa: F401  once here, not in each process that runs a solution

    from cnnlib.classroom.answers import answer_book, write_pdf
    from cnnlib.classroom.assignments import write_course
    from cnnlib.classroom.chapters import chapters_in
    from cnnlib.classroom.course import release
    from cnnlib.classroom.quizzes import write_quizzes
    from cnnlib.classroom.slides import write_slides

    chapters = list(chapters_in(asked.book))
    write_course(chapters, asked.folder / "course")
    release(asked.folder / "course")
    print(f"{asked.folder}/course: {len(chapters)} assignments of nbgrader")
    _write_notebooks(asked, asked.folder / "notebooks")
    if (asked.site / "index.html").is_file():
        written, left_out = write_quizzes(asked.site, asked.folder / "quizzes")
        print(
            f"{asked.folder}/quizzes: {written} questions for Moodle, {left_out} sketches left out"
        )
        decks = write_slides(asked.site, asked.folder / "slides")
        print(f"{asked.folder}/slides: {len(decks)} decks")
    else:
        print(f"no quizzes and no slides: there is no built book in {asked.site} (`make book`)")
    page, pdf = asked.folder / "answers.html", asked.folder / "answers.pdf"
    page.write_text(answer_book(chapters), "utf-8")
    print(f"{page}: the answer book, not for students")
    print(f"{pdf}: to print" if write_pdf(page, pdf) else "no PDF of it: there is no Chromium here")
    return 0


def _notebooks(asked: argparse.Namespace) -> int:
    _write_notebooks(asked, asked.folder)
    return 0


def _write_notebooks(asked: argparse.Namespace, folder: Path) -> None:
    from cnnlib.classroom.notebooks import address_of, write_notebooks

    address = asked.address or address_of(asked.book)
    written = write_notebooks(asked.book, folder, address)
    print(f"{folder}.zip: {len(written)} plain notebooks, with cnnlib of {address}")


def _mark(asked: argparse.Namespace) -> int:
    from cnnlib.classroom.marking import mark_all, tell, write_marks

    started = time.perf_counter()
    marks = mark_all(asked.course, asked.assignment, again=asked.again, at_a_time=asked.at_a_time)
    write_marks(marks, asked.course / "marks.csv")
    print("\n".join(tell(marks, time.perf_counter() - started)))
    return 1 if any(one.fault for one in marks) else 0


if __name__ == "__main__":
    sys.exit(main())
