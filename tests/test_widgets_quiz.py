import pytest

from cnnlib.widgets.quiz import Quiz, choice, number, prediction, shape, sketch


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


@pytest.mark.parametrize("answer", [-1, 2])
def test_an_answer_outside_the_options_is_refused(answer):
    with pytest.raises(ValueError, match=f"answer={answer}"):
        choice("?", ["a", "b"], answer=answer, why="")


def test_an_empty_quiz_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        Quiz([])
