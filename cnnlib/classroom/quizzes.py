"""The questions of the built book as Moodle XML, which Moodle imports and other systems convert.

A question of a chapter is asked with values that its cells have computed, so they are read from the
built site and not from the sources. Sketches have no counterpart there and are left out.
"""

import json
import xml.etree.ElementTree as xml
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple


class Exported(NamedTuple):
    """How many questions were written, and how many sketches left out."""

    written: int
    left_out: int


def write_quizzes(site: Path, folder: Path) -> Exported:
    """Write a file ``CHAPTER.xml`` for each page of the site that asks something.

    Raises:
        FileNotFoundError: if ``site`` holds no built book.
    """
    if not (site / "index.html").is_file():
        raise FileNotFoundError(f"{site}: no built book (`make book` makes it)")
    folder.mkdir(parents=True, exist_ok=True)
    written = left_out = 0
    for page in sorted(site.glob("book/**/*.html")):
        questions = questions_on(page.read_text("utf-8"))
        asked = [question for question in questions if question["kind"] in WRITERS]
        left_out += len(questions) - len(asked)
        if asked:
            (folder / f"{page.stem}.xml").write_text(moodle_xml(page.stem, asked), "utf-8")
            written += len(asked)
    return Exported(written, left_out)


def questions_on(text: str) -> list[dict[str, Any]]:
    """The questions of all quizzes of a built page, in their order."""
    reader = _Quizzes()
    reader.feed(text)
    return [question for quiz in reader.found for question in quiz["fixed"]["questions"]]


class _Quizzes(HTMLParser):
    """The states of a page's quizzes: the script in each place of the widget."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []
        self._in_place = self._in_script = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        if "data-cnn-widget" in named:
            self._in_place = named["data-cnn-widget"] == "quiz"
        elif tag == "script":
            self._in_script = self._in_place and named.get("type") == "application/json"

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_place = self._in_place and not self._in_script
            self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.found.append(json.loads(data))


def moodle_xml(chapter: str, questions: Sequence[Mapping[str, Any]]) -> str:
    """Questions in a category of their chapter's name."""
    quiz = xml.Element("quiz")
    category = xml.SubElement(quiz, "question", type="category")
    _text(xml.SubElement(category, "category"), f"$course$/top/{chapter}")
    for place, question in enumerate(questions, start=1):
        kind, write = WRITERS[question["kind"]]
        node = xml.SubElement(quiz, "question", type=kind)
        _text(xml.SubElement(node, "name"), f"{chapter} {place}")
        _html(node, "questiontext", _prompt(question))
        _html(node, "generalfeedback", question["why"])
        write(node, question)
    xml.indent(quiz)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(quiz, encoding="unicode") + "\n"
    )


def _prompt(question: Mapping[str, Any]) -> str:
    unit = question.get("unit")
    return f"{question['prompt']} (in {unit})" if unit else question["prompt"]


def _choice(node: xml.Element, question: Mapping[str, Any]) -> None:
    right = question["answer"]
    several = isinstance(right, list)
    xml.SubElement(node, "single").text = "false" if several else "true"
    xml.SubElement(node, "shuffleanswers").text = "true"
    right = right if several else [right]
    share = f"{100 / len(right):.5f}".rstrip("0").rstrip(".")
    for i, option in enumerate(question["options"]):
        wrong = "-100" if several else "0"
        why_not = question["why_not"][i] or ""
        _answer(node, share if i in right else wrong, _code(option), why_not, html=True)


def _number(node: xml.Element, question: Mapping[str, Any]) -> None:
    for value, fraction, said in _answers(question):
        answer = _answer(node, fraction, f"{value:.12g}", said)
        tolerance = question["tolerance"] if fraction == "100" else 0
        xml.SubElement(answer, "tolerance").text = f"{tolerance:.6g}"


def _shape(node: xml.Element, question: Mapping[str, Any]) -> None:
    xml.SubElement(node, "usecase").text = "0"
    for value, fraction, said in _answers(question):
        sizes = [str(size) for size in value]
        for between in (" x ", "x", " × ", "×", " ", ", ", ","):
            _answer(node, fraction, between.join(sizes), said)
        _answer(node, fraction, f"({', '.join(sizes)})", said)


WRITERS = {
    "choice": ("multichoice", _choice),
    "several": ("multichoice", _choice),
    "number": ("numerical", _number),
    "prediction": ("numerical", _number),
    "shape": ("shortanswer", _shape),
}


def _answers(question: Mapping[str, Any]) -> Iterator[tuple[Any, str, str]]:
    """(value, fraction, what is said) of the right answer and of the known mistakes."""
    yield question["answer"], "100", ""
    for value, sentence in question.get("mistakes", []):
        yield value, "0", sentence


def _answer(
    node: xml.Element, fraction: str, text: str, said: str, *, html: bool = False
) -> xml.Element:
    kind = "html" if html else "moodle_auto_format"
    answer = xml.SubElement(node, "answer", fraction=fraction, format=kind)
    xml.SubElement(answer, "text").text = text
    _html(answer, "feedback", said)
    return answer


def _html(node: xml.Element, name: str, text: str) -> None:
    part = xml.SubElement(node, name, format="html")
    _text(part, _code(text))


def _text(node: xml.Element, text: str) -> None:
    xml.SubElement(node, "text").text = text


def _code(text: str) -> str:
    """Text with `code` between backticks, as HTML."""
    parts = text.split("`")
    return "".join(
        f"<code>{escape(part)}</code>" if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )
