import pytest

from cnnlib.widgets.quiz import Quiz, choice, number


def quiz() -> Quiz:
    return Quiz(
        [
            choice("Is `1 < 2`?", ["no", "yes"], answer=1, why="Because <b>one</b> is smaller."),
            number("Half of 5?", answer=5 / 2, why="5 / 2", tolerance=0.1),
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


@pytest.mark.parametrize("answer", [-1, 2])
def test_an_answer_outside_the_options_is_refused(answer):
    with pytest.raises(ValueError, match=f"answer={answer}"):
        choice("?", ["a", "b"], answer=answer, why="")


def test_an_empty_quiz_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        Quiz([])
