"""Questions leave the built book as Moodle takes them."""

import xml.etree.ElementTree as xml

import pytest

from cnnlib.classroom.quizzes import moodle_xml, questions_on, write_quizzes
from cnnlib.widgets.quiz import Quiz, choice, number, prediction, shape, sketch

ASKED = [
    choice("Is `1 < 2`?", ["`yes` & so", "no"], 0, "It is.", why_not={1: "Count <again>."}),
    choice("Which are even?", ["1", "2", "3", "4", "6"], [1, 3, 4], "Halves."),
    number("How many?", 112, "A sum.", tolerance=0.5, unit="cells", mistakes=[(100, "Less.")]),
    shape("Which shape?", (64, 27, 28), "Sizes.", mistakes=[((27, 28, 64), "Channels first.")]),
    prediction("How far?", 0, 10, 0.5, 7, "So far.", tolerance=1, unit="%"),
    sketch("Draw it.", [1, 2, 3], 0, 10, [1, 4, 9], "Squares."),
]


@pytest.fixture
def page() -> str:
    first, second = Quiz(ASKED[:2]), Quiz(ASKED[2:])
    return f"<p>Before</p>{first.page_form()}<p>between</p>{second.page_form()}"


def test_questions_of_all_quizzes_of_a_page_are_found(page):
    assert [question["id"] for question in questions_on(page)] == [one["id"] for one in ASKED]
    assert questions_on("<p>none</p><script>1</script>") == []


def asked_of(text: str) -> list[xml.Element]:
    return [one for one in xml.fromstring(text) if one.get("type") != "category"]


def test_each_kind_is_written_as_moodles_own():
    kinds = [one.get("type") for one in asked_of(moodle_xml("chapter", ASKED[:5]))]
    assert kinds == ["multichoice", "multichoice", "numerical", "shortanswer", "numerical"]


def test_marks_say_what_is_right():
    one, several, how_many, which, far = asked_of(moodle_xml("chapter", ASKED[:5]))
    assert [a.get("fraction") for a in one.iter("answer")] == ["100", "0"]
    assert one.findtext("single") == "true" and several.findtext("single") == "false"
    marks = [a.get("fraction") for a in several.iter("answer")]
    assert marks == ["-100", "33.33333", "-100", "33.33333", "33.33333"]
    right, wrong = how_many.iter("answer")
    assert (right.findtext("text"), right.findtext("tolerance")) == ("112", "0.5")
    assert wrong.findtext("feedback/text") == "Less." and wrong.findtext("tolerance") == "0"
    assert "(in cells)" in how_many.findtext("questiontext/text")
    shapes = {a.findtext("text"): a.get("fraction") for a in which.iter("answer")}
    assert shapes["64 x 27 x 28"] == shapes["(64, 27, 28)"] == "100"
    assert shapes["27×28×64"] == "0"
    assert far.find("answer").findtext("tolerance") == "1"


def test_text_is_escaped_once_and_code_is_code():
    [one, *_] = asked_of(moodle_xml("chapter", ASKED[:1]))
    assert one.findtext("questiontext/text") == "Is <code>1 &lt; 2</code>?"
    texts = [a.findtext("text") for a in one.iter("answer")]
    assert texts == ["<code>yes</code> &amp; so", "no"]
    assert [a.findtext("feedback/text") for a in one.iter("answer")] == ["", "Count &lt;again&gt;."]


def test_files_are_written_for_pages_that_ask(page, tmp_path):
    site = tmp_path / "site"
    (site / "book" / "part").mkdir(parents=True)
    (site / "index.html").write_text("")
    (site / "book" / "part" / "chapter.html").write_text(page)
    (site / "book" / "quiet.html").write_text("<p>Nothing is asked.</p>")
    assert write_quizzes(site, tmp_path / "out") == (5, 1)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["chapter.xml"]
    with pytest.raises(FileNotFoundError, match="no built book"):
        write_quizzes(tmp_path / "nowhere", tmp_path / "out")


def test_every_question_of_the_book_is_written(site, tmp_path):
    written, left_out = write_quizzes(site, tmp_path)
    asked = [q for page in site.glob("book/**/*.html") for q in questions_on(page.read_text())]
    assert written + left_out == len(asked) > 100
    assert left_out == sum(question["kind"] == "sketch" for question in asked)
    for path in tmp_path.iterdir():
        assert asked_of(path.read_text())
