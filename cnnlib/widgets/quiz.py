"""Questions that answer back, on the page and in a notebook alike."""

import html
from collections.abc import Sequence

import traitlets

from cnnlib.widgets.base import TeachingWidget


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
    code. ``answers`` holds what the reader entered, one item a question, ``None`` where nothing
    has been; with a kernel Python can read it.
    """

    questions = traitlets.List(traitlets.Dict()).tag(sync=True)
    answers = traitlets.List(traitlets.Any(allow_none=True)).tag(sync=True)

    def __init__(self, questions: Sequence[dict]) -> None:
        if not questions:
            raise ValueError("questions=[]: expected at least one question")
        super().__init__(questions=list(questions), answers=[None] * len(questions))

    @property
    def right(self) -> list[bool]:
        """For each question, whether it has been answered rightly."""
        return [
            given is not None and abs(given - asked["answer"]) <= asked.get("tolerance", 0)
            for asked, given in zip(self.questions, self.answers, strict=True)
        ]

    def still_picture(self) -> str:
        items = []
        for question in self.questions:
            options = "".join(f"<li>{html.escape(o)}</li>" for o in question.get("options", []))
            items.append(f"<li>{html.escape(question['prompt'])}<ul>{options}</ul></li>")
        return f"<ol>{''.join(items)}</ol>"

    def text_alternative(self) -> str:
        prompts = " ".join(f"{n}. {q['prompt']}" for n, q in enumerate(self.questions, start=1))
        return f"A quiz of {len(self.questions)} questions. {prompts}"
