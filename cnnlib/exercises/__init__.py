"""Exercises that check themselves.

``check("arithmetic.output_size", output_size)`` runs a student's function on the exercise's cases,
in a process of its own, and tells the first that fails.
"""

from collections.abc import Callable
from typing import Any

from cnnlib.exercises.agreement import Verdict, judge
from cnnlib.exercises.child import run_function, run_program
from cnnlib.exercises.record import record_of

__all__ = ["Verdict", "check", "exercise"]


def check(exercise: str, answer: Callable[..., Any]) -> Verdict:
    """Judge ``answer``, a function, by the public cases of ``exercise``, "chapter.name".

    Returns a :class:`Verdict`, which a notebook shows in words; it is true if all cases agree.
    The function runs in a copy of this process, with 1 GB. It may compute for the exercise's
    seconds; what it imports is not counted. What it breaks, it breaks there. (Windows cannot copy a
    process; there it runs here, unlimited.)

    Raises:
        ValueError: if there is no such exercise.
        TypeError: if ``answer`` is no function.
    """
    record = record_of(exercise)
    if not callable(answer):
        raise TypeError(f"answer={answer!r}: expected the function {record.name}")
    return judge(record, run_function(record, answer, [case.call for case in record.cases]))


def exercise(key: str) -> dict[str, Any]:
    """What the editor of an exercise takes: ``CodeExercise(**exercise("arithmetic.outputs"))``.

    ``record`` is the public record; ``respond(program)`` gives a verdict as a dict, in a notebook,
    where Python runs the program.

    Raises:
        ValueError: if there is no such exercise.
    """
    record = record_of(key)

    def respond(program: str) -> dict[str, Any]:
        return judge(
            record, run_program(record, program, [case.call for case in record.cases])
        ).as_json()

    return {"record": record.as_json(), "respond": respond}
