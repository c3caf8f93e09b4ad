import json
import math
import re

import numpy as np
import pytest

from cnnlib.widgets.quiz import Quiz, choice, number, prediction, shape, sketch
from tests.browser.contract.registry import sample


def quiz() -> Quiz:
    return Quiz(
        [
            choice("Is `1 < 2`?", ["no", "yes"], answer=1, why="Because <b>one</b> is smaller."),
            number("Half of 5?", answer=5 / 2, why="5 / 2", tolerance=0.1),
        ]
    )


def every_kind() -> Quiz:
    """A question of every kind; the sample for the contract."""
    return Quiz(
        [
            choice(
                "Is `1 < 2`?",
                ["no", "yes", "perhaps"],
                answer=1,
                why="1 is smaller.",
                why_not={0: "Count again."},
            ),
            choice(
                "Which are even?",
                ["`1`", "`2`", "`3`", "`4`"],
                answer={1, 3},
                why="2 and 4 are twice a whole number.",
                why_not={0: "1 is odd."},
            ),
            number(
                "How many weights has AlexNet?",
                answer=61_100_840,
                why="All layers together.",
                relative=0.01,
                unit="parameters",
                mistakes=[(58_631_144, "You left the convolutions out.")],
            ),
            shape(
                "What comes out?",
                answer=(64, 27, 13),
                why="64 maps.",
                mistakes=[((3, 27, 13), "Those are the input's channels.")],
            ),
            prediction(
                "How often is the net right?",
                least=0,
                most=100,
                step=1,
                answer=63,
                why="It was tried.",
                tolerance=5,
                unit="%",
            ),
            sketch(
                "How does the loss go down?",
                x=[1, 10, 100, 1000, 10000],
                least=0,
                most=2.5,
                answer=[2.3, 1.6, 0.9, 0.5, 0.4],
                why="It falls fast, then slowly.",
                across="step",
                up="loss",
            ),
        ]
    )


def test_answers_are_judged_within_the_tolerance():
    asked = quiz()
    assert asked.right == [False, False]
    asked.answers = [1, 2.59]
    assert asked.right == [True, True]
    asked.answers = [0, 2.61]
    assert asked.right == [False, False]


@pytest.mark.parametrize(
    "answers",
    [[2, None], [-1, None], [0.5, None], ["1", None], [True, None], [None, "2.5"], [None, True]]
    + [[None, float("nan")], [None, float("inf")], [None, 10**400], [1], [1, 2, 3], 1, {}],
)
def test_answers_that_their_questions_cannot_have_are_refused(answers):
    asked = quiz()
    asked.answers = [0, 3]
    with pytest.raises(ValueError, match="answers=.*expected 2 answers, one a question"):
        asked.answers = answers
    assert asked.answers == [0, 3]


def test_the_page_gives_the_answers_that_fit():
    asked = quiz()
    asked.set_state({"answers": [9, 2.5]})
    assert (asked.answers, asked.right) == ([None, 2.5], [False, True])


def test_markup_in_a_question_is_shown_not_run():
    form = quiz().page_form()
    assert "<b>" not in form and "\\u003cb>" in form


def test_an_empty_quiz_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        Quiz([])


# --- Kinds ----------------------------------------------------------------------------------------

RIGHT = [1, [1, 3], 61_100_840, [64, 27, 13], 63, [2.3, 1.6, 0.9, 0.5, 0.4]]

# Place of the question, an answer, whether it is right.
JUDGED = [
    *((0, 1, True), (0, 0, False), (0, 2, False)),
    *((1, [1, 3], True), (1, [1], False), (1, [0, 1, 3], False), (1, [3], False)),
    *((2, 61_000_000, True), (2, 61_710_840, True), (2, 61_710_841, False), (2, -61e6, False)),
    *((2, 61, False), (2, 60_490_840, True), (2, 60_490_839, False)),
    *((3, [64, 27, 13], True), (3, [64, 13, 27], False), (3, [64, 27], False)),
    *((4, 58, True), (4, 68, True), (4, 57, False), (4, 69, False), (4, 0, False)),
    *((5, [2.3, 1.6, 0.9, 0.5, 0.4], True), (5, [2.0, 1.6, 0.9, 0.5, 0.7], True)),
    *((5, [2.3, 1.6, 0.9, 0.5, 0.8], False), (5, [1.9, 1.6, 0.9, 0.5, 0.4], False)),
]


def answered(place: int, answer) -> list:
    return [answer if i == place else None for i in range(len(RIGHT))]


@pytest.mark.parametrize(("place", "answer", "right"), JUDGED)
def test_an_answer_of_every_kind_is_judged(place, answer, right):
    asked = every_kind()
    asked.answers = answered(place, answer)
    assert asked.right == [right and i == place for i in range(len(RIGHT))]


def test_all_right_answers_are_right():
    asked = every_kind()
    asked.answers = RIGHT
    assert asked.right == [True] * 6


@pytest.mark.parametrize(
    ("place", "answer"),
    [(0, [1]), (0, 3), (1, 1), (1, []), (1, [3, 1]), (1, [1, 1]), (1, [4]), (1, [-1]), (1, [True])]
    + [(1, ["1"]), (2, [61]), (2, "61"), (2, 2**53), (2, math.nan), (3, 64), (3, []), (3, [0, 1])]
    + [(3, [1.5]), (3, [True]), (3, [1] * 9), (3, [2**53]), (3, "64 x 27"), (4, -1), (4, 101)]
    + [(4, [50]), (4, "50"), (5, 1), (5, [1] * 4), (5, [1] * 6), (5, [1, 1, 1, 1, 2.6])]
    + [(5, [1, 1, 1, 1, -0.1]), (5, [1, 1, 1, 1, None]), (5, [1, 1, 1, 1, True])],
)
def test_an_answer_that_a_kind_cannot_have_is_refused(place, answer):
    asked = every_kind()
    asked.answers = RIGHT
    with pytest.raises(ValueError, match="expected 6 answers"):
        asked.answers = [answer if i == place else kept for i, kept in enumerate(RIGHT)]
    assert asked.answers == RIGHT


def test_a_tolerance_is_not_missed_by_a_rounding_of_binary_numbers():
    asked = Quiz([number("?", 0.3, "", tolerance=0.1), number("?", 0.1 + 0.2, "")])
    asked.answers = [0.4, 0.3]
    assert asked.right == [True, True]
    asked.answers = [0.4001, 0.30001]
    assert asked.right == [False, False]


def test_values_of_arrays_are_taken():
    cell = np.array([2.5, 0.5])
    asked = Quiz(
        [
            choice("?", ["a", "b"], np.int64(1), ""),
            choice("?", ["a", "b"], np.array([0, 1]), ""),
            number("?", cell[0], ""),
            shape("?", cell.shape, ""),
            sketch("?", np.arange(2), 0, 3, cell, ""),
        ]
    )
    asked.answers = [1, [0, 1], 2.5, [2], [2.5, 0.5]]
    assert asked.right == [True] * 5
    assert [question["kind"] for question in asked.fixed["questions"]][:2] == ["choice", "several"]
    json.dumps(asked.page_state(), allow_nan=False)


# --- Questions that cannot be asked ---------------------------------------------------------------


@pytest.mark.parametrize("answer", [-1, 2, [0, 2], [], {-1}])
def test_an_answer_outside_the_options_is_refused(answer):
    with pytest.raises(ValueError, match=re.escape(f"answer={answer}: expected")):
        choice("?", ["a", "b"], answer=answer, why="")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: choice("?", ["a"], 0, ""), "options=.*expected two or more"),
        (lambda: choice("?", ["a", "b"], 0, "", why_not={0: "x"}), "why_not has 0"),
        (lambda: choice("?", ["a", "b"], [0], "", why_not={2: "x"}), "why_not has 2"),
        (lambda: number("?", 1, "", tolerance=-1), "tolerance=-1.0: expected 0 or more"),
        (lambda: number("?", 1, "", relative=-0.1), "relative=-0.1: expected 0 or more"),
        (lambda: number("?", math.inf, ""), "answer=inf: expected a number below 2"),
        (lambda: number("?", math.nan, ""), "answer=nan"),
        (lambda: number("?", 10, "", 1, mistakes=[(11, "x")]), "mistakes has 11, which counts"),
        (lambda: shape("?", (), ""), "expected 1 to 8 sizes above 0"),
        (lambda: shape("?", (3, 0), ""), r"answer=\[3, 0\]"),
        (lambda: shape("?", (3, 4), "", [((3, 4), "x")]), "which counts as the answer"),
        (lambda: prediction("?", 0, 10, 3, 5, ""), "step=3.0: expected a step"),
        (lambda: prediction("?", 0, 10, 0, 5, ""), "step=0.0: expected a step"),
        (lambda: prediction("?", 0, 10, -1, 5, ""), "step=-1.0: expected a step"),
        (lambda: prediction("?", 0, 1, 1e-6, 0.5, ""), "in at most 1000 equal steps"),
        (lambda: prediction("?", 0, 10, 1, 11, ""), "answer=11.0: expected a value from 0.0 to 10"),
        (lambda: prediction("?", 5, 5, 1, 5, ""), "expected the least below the most"),
        (lambda: sketch("?", [1], 0, 1, [1], ""), "x=.*expected 2 to 12 places"),
        (lambda: sketch("?", [1, 2, 3], 0, 1, [1, 0], ""), "expected 3 values"),
        (lambda: sketch("?", [1, 2], 0, 1, [1, 2], ""), "answer=2.0: expected a value from 0.0"),
        (lambda: sketch("?", [1, 2], 0, 1, [1, 0], "", -1), "tolerance=-1.0"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_with_a_reason(make, says):
    with pytest.raises(ValueError, match=says):
        make()


# --- Names, paper, words --------------------------------------------------------------------------


def test_a_question_is_known_by_what_it_asks_and_not_by_its_answer():
    one, other = number("How many?", 1, "a"), number("How many?", 2, "b", tolerance=1)
    assert one["id"] == other["id"]
    others = [number("How much?", 1, "a"), number("How many?", 1, "a", unit="m")]
    others += [shape("How many?", (1,), "a"), choice("How many?", ["1", "2"], 0, "a")]
    others += [choice("How many?", ["1", "3"], 0, "a"), choice("How many?", ["1", "2"], {0}, "a")]
    names = [question["id"] for question in (one, *others)]
    assert len(set(names)) == len(names)


def test_a_question_that_is_asked_twice_has_two_names():
    asked = Quiz([number("?", 1, ""), number("?", 1, ""), number("!", 1, ""), number("?", 2, "")])
    assert len(set(asked.questions())) == 4
    assert f'data-cnn-questions="{" ".join(f"quiz.{n}" for n in asked.questions())}"' in (
        asked.page_form()
    )


def test_a_widget_without_questions_names_none():
    assert "data-cnn-questions" not in sample("switches").page_form()


def test_paper_shows_the_questions_with_room_for_answers_and_no_answer():
    asked = every_kind()
    asked.answers = RIGHT
    paper = asked.still_picture()
    for question in asked.fixed["questions"]:
        assert question["prompt"].replace("`1 < 2`", "<code>1 &lt; 2</code>") in paper
        assert question["why"] not in paper
    for shown in ("<li>perhaps</li>", "<code>4</code>", "________ parameters", "Your shape: ___"):
        assert shown in paper
    assert "From 0 to 100 %: ___" in paper and ">10000</text>" in paper and "0 and 2.5" in paper
    for hidden in ("61100840", "64", "63", "1.6", "You left", "Count again"):
        assert hidden not in paper
    assert asked.text_alternative().startswith("A quiz of 6 questions. 1. Is `1 < 2`? 2. Which")
