import copy
import json
import random

import pytest
from playwright.sync_api import Locator, Page, expect

from cnnlib.widgets.quiz import Quiz, choice
from cnnlib.widgets.quiz_questions import fits, is_right
from cnnlib.widgets.settling import plain
from tests.browser.axe import axe_finds
from tests.browser.conftest import let_pass, wait_for_widgets, write_page_of
from tests.browser.contract.checks import READER, cut_off, small_targets
from tests.browser.contract.choices import ODD
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_quiz import RIGHT, every_kind, quiz


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


# --- Kinds ----------------------------------------------------------------------------------------

KINDS = ["choice", "several", "number", "shape", "prediction", "sketch"]


def form(page: Page, kind: str) -> Locator:
    return page.locator(".cnn-quiz-question").nth(KINDS.index(kind))


def checked(page: Page, kind: str) -> str:
    """What the question's verdict says when its answer is checked."""
    form(page, kind).get_by_role("button", name="Check").click()
    settle(page)
    return form(page, kind).locator(".cnn-quiz-verdict").inner_text()


def answer_of(page: Page, kind: str):
    return chosen(page, "answers")["answers"][KINDS.index(kind)]


def test_a_wrong_option_says_what_is_wrong_with_it_where_that_is_known(show):
    page = show(every_kind())
    options = form(page, "choice")
    options.get_by_label("no").check()
    assert checked(page, "choice") == "✗ Not so. Count again.\nWhy"
    options.get_by_label("perhaps").check()
    assert checked(page, "choice") == "✗ Not so. Try again, or open the reason.\nWhy"


def test_several_options_are_right_only_together(show):
    page = show(every_kind())
    options = form(page, "several")
    assert checked(page, "several") == "Mark one or more answers first."
    options.get_by_label("2").check()
    assert "What you marked is right. Something is missing." in checked(page, "several")
    options.get_by_label("1").check()
    options.get_by_label("4").check()
    assert checked(page, "several").startswith("✗ Not so. 1 is odd.")
    options.get_by_text("Why").click()
    expect(options).to_contain_text("The answers are “2”, “4”. 2 and 4 are")
    options.get_by_label("1").uncheck()
    assert checked(page, "several").startswith("✓ Right.")
    assert answer_of(page, "several") == [1, 3]


def test_a_number_has_a_unit_a_tolerance_and_known_mistakes(show):
    page = show(every_kind())
    question = form(page, "number")
    expect(question).to_contain_text("An answer within 610000 parameters counts.")
    field = question.get_by_label("Your number")
    field.fill("58,631,144")
    assert checked(page, "number").startswith("✗ Not so. You left the convolutions out.")
    field.fill("61 M")
    assert checked(page, "number") == "✓ Right. All layers together."
    assert field.input_value() == "61 M"  # as it was typed
    assert answer_of(page, "number") == 61_000_000
    field.fill("61,100")
    assert checked(page, "number") == "This can be read in two ways. Write 61100 or 61.100."
    expect(page.locator(".cnn-spoken")).to_have_text(
        "This can be read in two ways. Write 61100 or 61.100."
    )
    assert answer_of(page, "number") == 61_000_000


def test_a_shape_says_whether_axes_order_or_a_known_mistake_is_wrong(show):
    page = show(every_kind())
    field = form(page, "shape").get_by_label("Your shape")
    for text, says in {
        "": "Enter a shape first.",
        "64 by 27": "“64 by 27” cannot be read as a shape. Write whole numbers above 0, as in",
        "64 x 27": "✗ Not so. Your shape has 2 axes. The question asks for 3.",
        "27×13×64": "✗ Not so. The sizes are right. Their order is not.",
        "(3, 27, 13)": "✗ Not so. Those are the input's channels.",
        "64 27 14": "✗ Not so. Try again, or open the reason.",
        "64 x 27 x 13": "✓ Right. 64 maps.",
    }.items():
        field.fill(text)
        assert checked(page, "shape").startswith(says), text


def test_a_prediction_is_shown_beside_the_truth_and_hides_it_when_it_moves(show):
    page = show(every_kind())
    question = form(page, "prediction")
    slider, axis = question.get_by_role("slider"), question.locator(".cnn-quiz-axis")
    expect(axis).to_be_hidden()
    slider.fill("40")
    assert checked(page, "prediction") == "✗ You predicted 40 %. It is 63 %. It was tried."
    expect(axis).to_be_visible()
    assert "yours: 40 %" in axis.text_content() and "truth: 63 %" in axis.text_content()
    own, line, truth = (
        axis.locator(name).first.bounding_box()
        for name in (".cnn-quiz-own", ".cnn-quiz-line", ".cnn-quiz-truth")
    )
    for mark, value in ((own, 40), (truth, 63)):
        middle = mark["x"] + mark["width"] / 2
        assert abs(middle - (line["x"] + value / 100 * line["width"])) < 1.5
    slider.press("ArrowRight")
    expect(axis).to_be_hidden()
    assert question.locator(".cnn-quiz-verdict").inner_text() == ""
    slider.fill("60")
    assert checked(page, "prediction").startswith("✓ Right. You predicted 60 %; it is 63 %.")


def test_a_curve_is_drawn_by_pointer_and_then_the_truth_over_it(show):
    page = show(every_kind())
    question = form(page, "sketch")
    assert checked(page, "sketch") == "Move the points first."
    picture = question.locator("svg")
    box = picture.bounding_box()
    scale = box["width"] / 340
    page.mouse.move(box["x"] + 60 * scale, box["y"] + 10 * scale)  # the first place, at the top
    page.mouse.down()
    page.mouse.move(box["x"] + 316 * scale, box["y"] + 150 * scale, steps=40)
    page.mouse.up()
    assert checked(page, "sketch").startswith("✗ Your curve is furthest off at ")
    drawn = answer_of(page, "sketch")
    assert drawn == sorted(drawn, reverse=True) and len(set(drawn)) == 5
    assert drawn[0] > 2 and drawn[-1] == 0
    truth = picture.locator(".cnn-quiz-truth-line").get_attribute("points").split()
    assert len(truth) == 5
    heights = [float(point.split(",")[1]) for point in truth]
    expected = [150 - 140 * value / 2.5 for value in (2.3, 1.6, 0.9, 0.5, 0.4)]
    assert heights == pytest.approx(expected)
    question.get_by_text("All values").click()
    rows = question.locator("tbody tr").all_inner_texts()
    assert len(rows) == 5 and rows[-1].split() == ["10000", "0", "0.4"]
    page.mouse.click(box["x"] + 60 * scale, box["y"] + 80 * scale)
    assert picture.locator(".cnn-quiz-truth-line").count() == 0


def test_a_curve_is_drawn_by_keys_and_each_point_is_told(show):
    page = show(every_kind())
    question = form(page, "sketch")
    map = question.get_by_role("application")
    map.focus()
    expect(page.locator(".cnn-spoken")).to_have_text("At 1: 1.25.")
    for place, steps in enumerate((21, 7, -7, -15, -17)):  # 1/50 of 2.5 a step
        for _ in range(abs(steps)):
            map.press("ArrowUp" if steps > 0 else "ArrowDown")
        if place < 4:
            map.press("ArrowRight")
    expect(page.locator(".cnn-spoken")).to_have_text("At 10000: 0.4.")
    assert checked(page, "sketch").startswith(
        "✓ Right. No point of your curve is further off than 0."
    )
    assert answer_of(page, "sketch") == pytest.approx([2.3, 1.6, 0.9, 0.5, 0.4])


def test_a_finger_draws_sideways_and_a_tap_sets_a_point(show):
    page = show(every_kind(), width=390, has_touch=True)
    picture = form(page, "sketch").locator("svg")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + 20)
    checked(page, "sketch")
    values = answer_of(page, "sketch")
    assert values[2] > 2 and values[0] == values[1] == 1.25
    box = picture.bounding_box()
    touch = page.context.new_cdp_session(page)
    for step in range(21):  # along the lower part, from left to right
        x, y = box["x"] + box["width"] * (0.2 + 0.036 * step), box["y"] + 0.7 * box["height"]
        kind = "touchMove" if step else "touchStart"
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    checked(page, "sketch")
    values = answer_of(page, "sketch")
    assert len(set(values)) == 1 and values[0] < 0.5


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_verdicts_of_every_kind_can_be_read_by_everyone_and_fit(show, theme, width):
    page = show(every_kind(), theme=theme, width=width)
    wrong = [0, [0], 58_631_144, [3, 27, 13], 0, [2.5, 0, 2.5, 0, 2.5]]
    for answers in (wrong, RIGHT):
        choose(page, answers=answers)
        settle(page)
        for details in page.locator(".cnn-quiz-verdict summary").all():
            details.click()
        assert axe_finds(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate(READER)
        widget = page.locator(".cnn-widget")
        assert small_targets(widget) == cut_off(widget) == []
    assert verdicts(page)[-1] == "6 of 6 right."


# --- Both languages judge alike -------------------------------------------------------------------

JUDGE = """async (text) => {
  const { fits, isRight } = await import("./widgets/quiz_sums.js");
  return JSON.stringify(JSON.parse(text).map(([question, given]) => {
    const fit = fits(question, given);
    return [fit, fit && isRight(question, given)];
  }));
}"""


def test_both_languages_judge_alike(show):
    dice = random.Random(1)
    questions = every_kind().fixed["questions"]
    asked = []
    for question, right in zip(questions, RIGHT, strict=True):
        asked += [[question, odd] for odd in ODD] + [[question, right]]
        for _ in range(300):
            given = copy.deepcopy(right)
            if isinstance(given, list):
                for _ in range(dice.randint(1, 2)):
                    place = dice.randrange(len(given))
                    near = dice.choice([0.1, 0.3, -0.3, 0.3125, 1, -1, 3])
                    given[place] = given[place] + near
                if dice.random() < 0.2:
                    given.pop()
            else:
                given += dice.choice([0, 1, -1, 0.5, 5, -5, 5.1, 610000, 610001, 1e15, -1e16])
            asked.append([question, plain(given)])
    ours = [[fits(q, given), fits(q, given) and is_right(q, given)] for q, given in asked]
    theirs = json.loads(show(quiz()).evaluate(JUDGE, json.dumps(asked)))
    for (question, given), our, their in zip(asked, ours, theirs, strict=True):
        assert our == their, f"{question['kind']}: {given}"
    for kind in KINDS:
        found = {tuple(o) for (q, _), o in zip(asked, ours, strict=True) if q["kind"] == kind}
        assert found == {(True, True), (True, False), (False, False)}, kind


# --- What is kept ---------------------------------------------------------------------------------


def answer_two(page: Page) -> None:
    form(page, "choice").get_by_label("yes").check()
    checked(page, "choice")
    form(page, "shape").get_by_label("Your shape").fill("64 27 14")
    checked(page, "shape")


def again(page: Page) -> Page:
    page.reload()
    wait_for_widgets(page)
    settle(page)
    return page


def test_answers_come_back_quietly_on_the_next_visit(show):
    page = show(every_kind())
    answer_two(page)
    told = verdicts(page)
    assert told[-1] == "1 of 6 right."
    again(page)
    assert verdicts(page) == told
    assert form(page, "choice").get_by_label("yes").is_checked()
    assert form(page, "shape").get_by_label("Your shape").input_value() == "64 × 27 × 14"
    let_pass(page, 400)  # longer than it takes to announce something
    assert page.locator(".cnn-spoken").inner_text() == ""
    assert page.get_by_role("button", name="Undo").get_attribute("aria-disabled") == "true"


def test_every_kind_of_answer_comes_back(show):
    page = show(every_kind())
    page.evaluate(
        """async (right) => {
            const { keep, placeOf } = await import("./widgets/kit/progress.js");
            for (const [id, value] of right) keep(placeOf(`quiz.${id}`), value, 1);
        }""",
        list(map(list, zip(every_kind().questions(), RIGHT, strict=True))),
    )
    again(page)
    assert chosen(page, "answers") == {"answers": RIGHT}
    assert verdicts(page)[-1] == "6 of 6 right."


def test_reset_and_undo_forget_what_they_take_back(show):
    page = show(every_kind())
    answer_two(page)
    let_pass(page, 600)  # what comes later than half a second is undone by itself
    form(page, "prediction").get_by_role("slider").fill("40")
    checked(page, "prediction")
    page.get_by_role("button", name="Undo").click()
    settle(page)
    again(page)
    assert chosen(page, "answers") == {"answers": [1, None, None, [64, 27, 14], None, None]}
    page.get_by_role("button", name="Reset").click()
    settle(page)
    again(page)
    assert verdicts(page) == [""] * 7


def test_a_link_shows_its_answers_and_keeps_none_of_them(show):
    page = show(every_kind())
    answer_two(page)
    page.evaluate("location.hash = '#cnn=1&widget=quiz.0&answers=[0,[0],3,null,5,null]'")
    page.get_by_text("0 of 6 right.").wait_for()
    other = page.context.new_page()  # another tab, whose answers are not the link's
    other.goto(page.url.partition("#")[0])
    wait_for_widgets(other)
    form(other, "several").get_by_label("2").check()
    checked(other, "several")
    form(page, "shape").get_by_label("Your shape").fill("64 27 13")
    checked(page, "shape")
    assert chosen(page, "answers") == {"answers": [0, [0], 3, [64, 27, 13], 5, None]}
    page.evaluate("history.replaceState(null, '', location.pathname)")
    again(page)
    assert chosen(page, "answers") == {"answers": [1, [1], None, [64, 27, 13], None, None]}


def test_an_answer_stays_with_its_question_when_others_come_and_go(show, tmp_path):
    page = show(every_kind())
    answer_two(page)
    questions = every_kind().fixed["questions"]
    other = choice("Another?", ["a", "b"], 0, "")
    write_page_of(tmp_path / "site", Quiz([other, questions[3], questions[0]]))
    again(page)
    assert chosen(page, "answers") == {"answers": [None, [64, 27, 14], 1]}


def test_a_kept_answer_that_the_question_cannot_have_is_left_out(show):
    page = show(every_kind())
    page.evaluate(
        """async (ids) => {
            const { keep, placeOf } = await import("./widgets/kit/progress.js");
            const odd = [7, [1, 1], "61", { length: 3 }, 1000, [1, 2, 3, 4, "5"]];
            ids.forEach((id, i) => keep(placeOf(`quiz.${id}`), odd[i], 1));
        }""",
        every_kind().questions(),
    )
    again(page)
    assert verdicts(page) == [""] * 7
