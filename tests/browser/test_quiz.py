import pytest
from axe_playwright_python.sync_playwright import Axe

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


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(show, theme):
    page = show(quiz(), theme=theme, width=390)
    page.get_by_label("no", exact=True).check()
    page.get_by_role("button", name="Check").first.click()
    assert Axe().run(page, options={"preload": False}).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
