from playwright.sync_api import Page, expect

from cnnlib.widgets.quiz import Quiz, choice
from tests.browser.model import chosen, settle
from tests.test_widgets_quiz import quiz


def verdicts(page: Page) -> list[str]:
    """What the verdicts say, and last the tally, once what was asked for has been drawn."""
    settle(page)
    return page.locator(".cnn-quiz-verdict, .cnn-quiz-tally").all_inner_texts()


def test_a_right_and_a_wrong_answer_by_pointer(show):
    page = show(quiz())
    page.get_by_label("yes").check()
    page.get_by_role("button", name="Check").first.click()
    assert verdicts(page) == ["✓ Right. Because <b>one</b> is smaller.", "", "1 of 2 right."]
    page.get_by_label("Your number").fill("7")
    page.get_by_role("button", name="Check").last.click()
    assert verdicts(page)[1].startswith("✗ Not so.")
    assert verdicts(page)[2] == "1 of 2 right."


def test_the_quiz_by_keyboard_alone(show):
    page = show(quiz())
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")  # from the first option to "yes"
    page.keyboard.press("Enter")
    assert verdicts(page)[2] == "1 of 2 right."
    page.get_by_label("Your number").focus()
    page.keyboard.type("2,5")
    page.keyboard.press("Enter")
    assert verdicts(page)[2] == "2 of 2 right."


def test_an_empty_answer_is_asked_for(show):
    page = show(quiz())
    page.get_by_role("button", name="Check").last.click()
    assert verdicts(page) == ["", "Enter a number first.", ""]
    expect(page.locator(".cnn-spoken")).to_have_text("Enter a number first.")
    page.get_by_role("button", name="Check").first.click()
    assert verdicts(page)[0] == "Choose an answer first."
    assert chosen(page, "answers") == {"answers": [None, None]}


def test_a_verdict_goes_when_another_answer_is_entered_and_comes_with_each_check(show):
    page = show(quiz())
    field, check = page.get_by_label("Your number"), page.get_by_role("button", name="Check").last
    field.fill("7")
    check.click()
    assert verdicts(page)[1].startswith("✗ Not so.")
    page.get_by_text("Why").click()
    assert verdicts(page)[1].endswith("The answer is 2.5. 5 / 2")
    field.fill("")
    assert verdicts(page)[1] == ""
    check.click()
    assert verdicts(page)[1] == "Enter a number first."
    field.fill("7")
    check.click()
    assert verdicts(page)[1].startswith("✗ Not so.")


def test_a_verdict_is_spoken_also_when_it_is_the_same_again(show):
    page = show(quiz())
    spoken = page.locator(".cnn-spoken")
    page.get_by_label("Your number").fill("−7")
    for _ in range(2):
        page.get_by_role("button", name="Check").last.click()
        expect(spoken).to_have_text("✗ Not so. Try again, or open the reason. 0 of 2 right.")
        page.evaluate("document.querySelector('.cnn-spoken').textContent = ''")
    assert chosen(page, "answers") == {"answers": [None, -7]}


def test_undo_takes_an_answer_back_and_reset_empties_them_all(show):
    page = show(quiz())
    field = page.get_by_label("Your number")
    check = page.get_by_role("button", name="Check").last
    field.fill("7")
    check.click()
    assert verdicts(page)[1].startswith("✗")
    page.get_by_role("button", name="Undo").click()
    assert verdicts(page) == ["", "", ""] and field.input_value() == ""
    field.fill("2.5")
    check.click()
    assert verdicts(page)[1:] == ["✓ Right. 5 / 2", "1 of 2 right."]
    page.get_by_label("yes").check()  # chosen, not checked
    page.get_by_role("button", name="Reset").click()
    assert verdicts(page) == ["", "", ""]
    assert field.input_value() == "" and page.get_by_role("radio", checked=True).count() == 0
    expect(page.locator(".cnn-spoken")).to_have_text("No question is answered.")


def test_a_link_carries_the_answers_and_one_that_does_not_fit_is_named(show):
    page = show(quiz())
    page.evaluate("location.hash = '#cnn=1&widget=quiz.0&answers=[1,7]'")
    page.get_by_text("1 of 2 right.").wait_for()
    assert page.get_by_label("yes").is_checked()
    assert page.get_by_label("Your number").input_value() == "7"
    page.evaluate("""location.hash = '#cnn=1&widget=quiz.0&answers=[5,"2.5",3]'""")
    expect(page.locator(".cnn-notice")).to_contain_text("expected 2 answers, one a question")
    assert verdicts(page) == ["", "", ""]


def test_an_option_stands_beside_its_button_however_long(show):
    long = "In as many places as there are `pairs_of_neighbouring_cells_in_the_whole_input()`, " * 3
    page = show(Quiz([choice("Where?", [long, "here"], answer=1, why="")]), width=390)
    for option in page.locator(".cnn-quiz-option").all():
        radio = option.locator("input").bounding_box()
        text = option.locator("span").bounding_box()
        assert text["x"] >= radio["x"] + radio["width"]
        assert text["y"] <= radio["y"] + radio["height"] / 2 <= text["y"] + 30
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
