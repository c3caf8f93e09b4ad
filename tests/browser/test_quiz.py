import pytest

from cnnlib.widgets.quiz import Quiz, choice
from tests.browser.axe import axe_finds
from tests.test_widgets_quiz import quiz


def test_a_right_and_a_wrong_answer_by_pointer(show):
    page = show(quiz())
    page.get_by_label("yes").check()
    page.get_by_role("button", name="Check").first.click()
    assert page.locator(".cnn-quiz-verdict").first.inner_text().startswith("✓ Right")
    page.get_by_label("Your number").fill("7")
    page.get_by_role("button", name="Check").last.click()
    assert page.locator(".cnn-quiz-verdict").last.inner_text().startswith("✗")
    assert page.locator(".cnn-quiz-tally").inner_text() == "1 of 2 right."


def test_the_quiz_by_keyboard_alone(show):
    page = show(quiz())
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")  # from the first option to "yes"
    page.keyboard.press("Enter")
    page.wait_for_function("document.body.innerText.includes('1 of 2 right')")
    page.get_by_label("Your number").focus()
    page.keyboard.type("2,5")
    page.keyboard.press("Enter")
    assert page.locator(".cnn-quiz-tally").inner_text() == "2 of 2 right."


def test_an_empty_answer_is_asked_for(show):
    page = show(quiz())
    page.get_by_role("button", name="Check").last.click()
    assert page.locator(".cnn-quiz-verdict").last.inner_text() == "Enter a number first."
    assert (
        page.evaluate("document.querySelector('.cnn-place').cnnModel.get('answers')") == [None] * 2
    )


def test_a_verdict_goes_when_another_answer_is_entered_and_comes_with_each_check(show):
    page = show(quiz())
    field, check = page.get_by_label("Your number"), page.get_by_role("button", name="Check").last
    verdict = page.locator(".cnn-quiz-verdict").last
    field.fill("7")
    check.click()
    assert verdict.inner_text().startswith("✗ Not so.")
    verdict.get_by_text("Why").click()
    assert verdict.inner_text().endswith("The answer is 2.5. 5 / 2")
    field.fill("")
    assert verdict.inner_text() == ""
    check.click()
    assert verdict.inner_text() == "Enter a number first."
    field.fill("7")
    check.click()
    assert verdict.inner_text().startswith("✗ Not so.")


def test_an_option_stands_beside_its_button_however_long(show):
    long = "In as many places as there are `pairs_of_neighbouring_cells_in_the_whole_input()`, " * 3
    page = show(Quiz([choice("Where?", [long, "here"], answer=1, why="")]), width=390)
    for option in page.locator(".cnn-quiz-option").all():
        radio = option.locator("input").bounding_box()
        text = option.locator("span").bounding_box()
        assert text["x"] >= radio["x"] + radio["width"]
        assert text["y"] <= radio["y"] + radio["height"] / 2 <= text["y"] + 30
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(show, theme):
    page = show(quiz(), theme=theme, width=390)
    page.get_by_label("no", exact=True).check()
    page.get_by_role("button", name="Check").first.click()
    assert axe_finds(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
