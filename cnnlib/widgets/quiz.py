"""Questions that answer back, on the page and in a notebook alike."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from cnnlib.widgets import svg
from cnnlib.widgets.settling import Settled, Settling, is_whole, same
from cnnlib.widgets.widget import Choice, TeachingWidget


def choice(prompt: str, options: Sequence[str], answer: int, why: str) -> dict:
    """A question with one right option, ``options[answer]``; ``why`` is shown with the answer."""
    if len(options) < 2:
        raise ValueError(f"options={list(options)}: expected two or more")
    if not 0 <= answer < len(options):
        raise ValueError(f"answer={answer}: expected the index of one of {len(options)} options")
    return {
        "kind": "choice",
        "prompt": prompt,
        "options": list(options),
        "answer": answer,
        "why": why,
    }


def number(prompt: str, answer: float, why: str, tolerance: float = 0.0) -> dict:
    """A question whose answer is a number, right within ``tolerance`` either way.

    Pass the value that a cell computed, not a literal, so that the question cannot be wrong.
    """
    if tolerance < 0:
        raise ValueError(f"tolerance={tolerance}: expected 0 or more")
    return {
        "kind": "number",
        "prompt": prompt,
        "answer": float(answer),
        "tolerance": float(tolerance),
        "why": why,
    }


class Quiz(TeachingWidget, stem="quiz"):
    """A short quiz: predict, answer, read why.

    ``questions`` come from :func:`choice` and :func:`number`; text between backticks is set as
    code. ``answers`` holds what the reader entered and had checked, one item a question: None where
    there is none yet, else the index of an option, or a number. With a kernel Python can read it.
    """

    answers = Choice()

    def __init__(
        self, questions: Sequence[dict], *, language: str = "en", hidden: Sequence[str] = ()
    ) -> None:
        if not questions:
            raise ValueError("questions=[]: expected at least one question")
        super().__init__(
            {"questions": list(questions)},
            {"answers": [None] * len(questions)},
            {},
            language=language,
            hidden=hidden,
        )

    @staticmethod
    def settled(
        changes: Mapping[str, Any], present: Mapping[str, Any], fixed: Mapping[str, Any]
    ) -> Settled:
        """An answer that its question cannot have stays what it was."""
        s = Settling(changes, present)
        questions, wanted = fixed["questions"], s.wanted("answers")
        given = wanted if isinstance(wanted, list) else []
        answers = [
            given[i] if i < len(given) and _fits(question, given[i]) else present["answers"][i]
            for i, question in enumerate(questions)
        ]
        if not same(answers, given):
            s.refuse("answers", "answers.expected", count=len(questions))
        s.take("answers", answers)
        return s.done()

    @property
    def right(self) -> list[bool]:
        """For each question, whether it has been answered rightly."""
        return [
            given is not None and abs(given - asked["answer"]) <= asked.get("tolerance", 0)
            for asked, given in zip(self.fixed["questions"], self.answers, strict=True)
        ]

    def still_picture(self) -> str:
        questions = (
            svg.element(
                "li",
                question["prompt"],
                svg.element("ul", *(svg.element("li", o) for o in question.get("options", []))),
            )
            for question in self.fixed["questions"]
        )
        return svg.element("ol", *questions)

    def text_alternative(self) -> str:
        questions, say = self.fixed["questions"], self.words
        prompts = " ".join(
            say("alt.prompt", place=place, prompt=question["prompt"])
            for place, question in enumerate(questions, start=1)
        )
        return say("alt", count=len(questions), prompts=prompts)


def _fits(question: Mapping[str, Any], given: Any) -> bool:
    """Whether a question can have this answer."""
    if given is None:
        return True
    if question["kind"] == "choice":
        return is_whole(given) and 0 <= given < len(question["options"])
    if isinstance(given, bool) or not isinstance(given, int | float):
        return False
    return abs(given) <= sys.float_info.max  # so it is finite, and JavaScript has it too
