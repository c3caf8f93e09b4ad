"""Questions that answer back, on the page and in a notebook alike."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cnnlib.widgets import svg
from cnnlib.widgets.quiz_questions import (
    choice,
    fits,
    is_right,
    number,
    prediction,
    shape,
    sketch,
)
from cnnlib.widgets.settling import Settled, Settling, State, same
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import signed

__all__ = ["Quiz", "choice", "number", "prediction", "shape", "sketch"]


class Quiz(TeachingWidget, stem="quiz"):
    """A short quiz: predict, answer, read why.

    ``questions`` come from :func:`choice`, :func:`number`, :func:`shape`, :func:`prediction` and
    :func:`sketch`. ``answers`` holds what the reader entered and had checked, one item a question:
    None where there is none yet, else the index of an option, a list of such indices, a number, a
    shape as a list, or a list of numbers. With a kernel Python can read it. On a page the reader's
    browser keeps it.
    """

    answers = Choice()

    def __init__(
        self, questions: Sequence[dict], *, language: str = "en", hidden: Sequence[str] = ()
    ) -> None:
        if not questions:
            raise ValueError("questions=[]: expected at least one question")
        super().__init__(
            {"questions": _told_apart(questions)},
            {"answers": [None] * len(questions)},
            {},
            language=language,
            hidden=hidden,
        )

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        """An answer that its question cannot have stays what it was."""
        s = Settling(changes, present)
        questions, wanted = fixed["questions"], s.wanted("answers")
        given = wanted if isinstance(wanted, list) else []
        answers = [
            given[i] if i < len(given) and fits(question, given[i]) else present["answers"][i]
            for i, question in enumerate(questions)
        ]
        if not same(answers, given):
            s.refuse("answers", "answers.expected", count=len(questions))
        s.take("answers", answers)
        return s.done()

    @property
    def right(self) -> list[bool]:
        """For each question, whether it has been answered rightly."""
        asked = zip(self.fixed["questions"], self.answers, strict=True)
        return [is_right(question, given) for question, given in asked]

    def questions(self) -> list[str]:
        return [question["id"] for question in self.fixed["questions"]]

    # --- On paper ---------------------------------------------------------------------------------

    def still_picture(self) -> str:
        return svg.element("ol", *(self._on_paper(q) for q in self.fixed["questions"]))

    def _on_paper(self, question: Mapping[str, Any]) -> svg.Markup:
        """A question with room for its answer, and not with the answer."""
        kind, say = question["kind"], self.words
        if kind in ("choice", "several"):
            room = svg.element("ul", *(svg.element("li", *_prose(o)) for o in question["options"]))
        elif kind in ("number", "shape"):
            unit = question.get("unit", "")
            room = svg.paragraph(f"{say(f'field.{kind}')} {8 * '_'} {unit}".strip())
        else:
            least, most = (signed(str(question[name])) for name in ("least", "most"))
            more = {"unit": question["unit"]} if kind == "prediction" else {}
            room = svg.paragraph(say(f"paper.{kind}", least=least, most=most, **more))
            if kind == "sketch":
                room = svg.join([_empty_axes(question), room])
        return svg.element("li", *_prose(question["prompt"]), room)

    def text_alternative(self) -> str:
        questions, say = self.fixed["questions"], self.words
        prompts = " ".join(
            say("alt.prompt", place=place, prompt=question["prompt"])
            for place, question in enumerate(questions, start=1)
        )
        return say("alt", count=len(questions), prompts=prompts)


def _told_apart(questions: Sequence[dict]) -> list[dict]:
    """The questions; one that is asked a second time has an id of its own."""
    seen: Counter[str] = Counter()
    told = []
    for question in questions:
        name = question["id"]
        seen[name] += 1
        told.append(question if seen[name] == 1 else {**question, "id": f"{name}.{seen[name]}"})
    return told


def _prose(text: str) -> list[str]:
    """Text with `code` between backticks, as the contents of an element."""
    parts = enumerate(text.split("`"))
    return [svg.element("code", part) if place % 2 else part for place, part in parts]


def _empty_axes(question: Mapping[str, Any]) -> svg.Markup:
    labels = question["x"]
    place = [40 + 260 * i / (len(labels) - 1) for i in range(len(labels))]
    ink = {"stroke": "currentColor", "fill": "none"}
    return svg.drawing(
        330,
        170,
        svg.element("path", d="M30 10V140H310", **ink),
        *(svg.element("path", d=f"M{x:.1f} 140v5", **ink) for x in place),
        *(
            svg.element(
                "text", text, x=x, y=160, text_anchor="middle", font_size=11, fill="currentColor"
            )
            for x, text in zip(place, labels, strict=True)
        ),
    )
