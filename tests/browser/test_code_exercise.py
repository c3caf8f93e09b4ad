"""A student's program on the page: run, judged, kept; and what it cannot do."""

import json
import re
import shutil
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from cnnlib.widgets.code_exercise import CodeExercise
from tests.browser.conftest import let_pass, wait_for_widgets, write_page_of
from tests.browser.contract.checks import READER
from tests.browser.contract.test_notebooks import MODEL
from tests.browser.model import chosen, settle
from tests.conftest import ROOT, book_part
from tests.test_widgets_code_exercise import OUTPUT_SIZE, OUTPUT_SIZE_RIGHT, RECORDS, RIGHT, make

# A function of one number, for programs that do strange things.
ANY = {
    "key": "any.f",
    "name": "f",
    "points": 1,
    "starter": "def f(x):\n    ...\n",
    "mistakes": ["That is one too many."],
    "cases": [
        {"call": "f(1)", "expected": 2, "mistakes": [[3, 0]]},
        {"call": "f(2)", "expected": 3, "mistakes": [[4, 0]]},
    ],
}
PLUS_ONE = "def f(x):\n    return x + 1\n"


def any_exercise(**changes) -> CodeExercise:
    return CodeExercise(ANY | changes)


class Told:
    """What the page tells of a run."""

    def __init__(self, page: Page) -> None:
        self.verdict = page.locator(".ce-verdict").inner_text()
        self.kind = page.locator(".ce-verdict").get_attribute("data-kind")
        rows = page.locator(".ce-cases tbody tr").all()
        self.rows = [row.get_attribute("data-state") for row in rows]
        self.got = [row.locator("td:last-child code").inner_text() for row in rows]
        fault, printed = page.locator(".ce-fault pre"), page.locator(".ce-printed pre")
        self.fault = fault.inner_text() if fault.count() and fault.is_visible() else ""
        self.printed = printed.inner_text() if printed.count() and printed.is_visible() else ""
        self.more = "which is not shown" in page.locator(".ce-printed").inner_text()
        self.marked = page.locator(".ce-numbers .ce-marked").all_inner_texts()


def run(page: Page, program: str) -> Told:
    """Put a program into the editor, run it, and wait for its verdict."""
    page.get_by_role("textbox", name="Your program").fill(program)
    page.get_by_role("button", name="Run").click()
    return told(page)


def told(page: Page) -> Told:
    """What is told once nothing runs any more."""
    settle(page)
    page.locator(".ce-result:not([aria-busy])").wait_for()
    settle(page)
    return Told(page)


def editor(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Your program")


# --- Verdicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "program"), [*zip(RECORDS, RIGHT, strict=True)], ids=lambda v: ""
)
def test_a_right_program_is_right_and_earns_its_points(show, record, program):
    page = show(CodeExercise(record))
    count, points = len(record["cases"]), record["points"]
    expect(page.locator(".ce-points")).to_contain_text(f"{points} point")
    expect(page.locator(".ce-points")).to_contain_text("to earn")
    found = run(page, program)
    assert found.kind == "right"
    assert found.verdict.startswith(f"✓ Right. {count} cases agree. You earn {points} point")
    assert found.rows == ["right"] * count
    expect(page.locator(".ce-points")).to_contain_text("✓ Solved")


def test_each_kind_of_verdict(show):
    page = show(any_exercise())
    found = run(page, "def f(x):\n    ...\n")
    assert (found.kind, found.got) == ("not_started", ["None", "None"])
    assert found.verdict == "✗ Your function returns nothing yet: f(1) gave None."
    found = run(page, "def g(x):\n    return 2\n")
    assert found.kind == "missing" and "no function f yet" in found.verdict
    assert found.rows == ["open", "open"]
    assert run(page, "f = 3\n").kind == "missing"
    found = run(page, "def f(x):\n    return x * 2\n")
    assert found.kind == "differs" and found.rows == ["right", "wrong"]
    assert found.verdict == "✗ f(2) gave 4, expected 3. 1 case before it agrees."
    found = run(page, "def f(x):\n    return x + 2\n")
    assert found.kind == "mistake" and found.got == ["3", "4"]
    assert found.verdict == "✗ f(1) gave 3, expected 2. That is one too many."
    found = run(page, "def f(x):\n    if x == 1:\n        return 2\n")
    assert found.verdict == "✗ f(2) gave None, expected 3. 1 case before it agrees."
    assert run(page, PLUS_ONE).verdict == "✓ Right. 2 cases agree. You earn 1 point."


def test_an_error_is_shown_with_the_lines_of_the_own_program_alone(show):
    page = show(any_exercise())
    found = run(page, "def g(x):\n    return x // 0\n\ndef f(x):\n    return g(x)\n")
    assert found.kind == "raised" and found.verdict == "✗ f(1) raised an error."
    assert found.fault == (
        "line 5: return g(x)\nline 2: return x // 0\nZeroDivisionError: divide by zero"
    )
    assert found.marked == ["2"] and found.rows == ["raised", "raised"]
    found = run(page, "x = 1\ny = z\n")
    assert found.verdict == "✗ The program raised an error."
    assert found.fault == "line 2: y = z\nNameError: name 'z' isn't defined"
    assert found.marked == ["2"]
    editor(page).press_sequentially(" ")
    settle(page)
    assert Told(page).marked == []  # of a program that has changed since


def test_what_is_no_python_is_marked_where_python_stopped(show):
    page = show(any_exercise())
    found = run(page, "def f(x):\n    return x +\n")
    assert found.kind == "syntax" and found.marked == ["2"]
    assert "Look at line 2" in found.verdict
    assert found.fault == "line 2: return x +\nSyntaxError: invalid syntax"
    found = run(page, 'def f(x):\n    return eval("(")\n')
    assert found.kind == "raised" and found.fault.startswith('line 2: return eval("(")')


def test_whatever_gives_values_in_an_order_is_a_list(show):
    values = [0, 1, 2]
    cases = [{"call": f"f({i})", "expected": values} for i in range(7)]
    page = show(any_exercise(cases=cases, mistakes=[]))
    program = """def numbers():
    yield from range(3)

def f(i):
    d = {0: 'a', 1: 'b', 2: 'c'}
    return [range(3), (0, 1, 2), map(int, '012'), numbers(), reversed([2, 1, 0]), d.keys(),
            [0.0, 1.0, 2.0]][i]
"""
    assert run(page, program).rows == ["right"] * 7


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("{1}", r"\{1\}"),
        ("float('nan')", "nan"),
        ("[1, float('inf')]", r"\[1, inf\]"),
        ("object()", "<object.*"),
        ("b'2'", "b'2'"),
        ("{1: 2}", r"\{1: 2\}"),
        ("f", "<function f.*"),
    ],
)
def test_what_is_not_plain_differs_and_is_shown(show, value, shown):
    found = run(show(any_exercise()), f"def f(x):\n    return {value}\n")
    assert found.kind == "differs" and re.fullmatch(shown, found.got[0])


def test_the_setup_is_there_for_the_program_and_for_the_cases(show):
    """As in a notebook (child_side.py), it runs first."""
    setup = "one = 1\ndef twice(x):\n    return 2 * f(x)\n"
    cases = [{"call": "twice(one)", "expected": 4}]
    page = show(any_exercise(setup=setup, cases=cases, mistakes=[]))
    assert run(page, "y = one\ndef f(x):\n    return x + y\n").kind == "right"
    found = run(show(any_exercise(setup="1 / 0")), PLUS_ONE)
    assert found.kind == "raised" and found.fault == "ZeroDivisionError: divide by zero"


def test_what_is_printed_is_shown_in_a_box_of_its_own(show):
    page = show(any_exercise())
    found = run(
        page, "print('at first', 'ü')\ndef f(x):\n    print(x, end=' ')\n    return x + 1\n"
    )
    assert found.kind == "right" and found.printed == "at first ü\n1 2 " and not found.more
    assert run(page, PLUS_ONE).printed == ""


# --- MicroPython is loaded ------------------------------------------------------------------------


def test_nothing_of_python_is_loaded_before_the_first_run_and_once_then(show, serve, tmp_path):
    page = show(any_exercise(), make())
    asked = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.reload()
    wait_for_widgets(page)
    first, second = page.locator(".cnn-widget").all()
    first.get_by_role("textbox", name="Your program").fill(PLUS_ONE)
    settle(page)
    assert asked and not any("micropython" in url for url in asked)
    asked.clear()
    for widget in (first, second, first):
        widget.get_by_role("button", name="Run").click()
        settle(page)
        widget.locator(".ce-result:not([aria-busy])").wait_for()
        expect(widget.locator(".ce-verdict")).not_to_be_empty()
    loaded = [url for url in asked if not url.startswith("blob:")]
    assert loaded == [f"{serve(tmp_path / 'site')}/micropython/python.js"]


def test_where_python_cannot_be_loaded_that_is_told_and_the_next_run_tries_again(show, tmp_path):
    page = show(any_exercise())
    there = tmp_path / "site" / "micropython"
    shutil.move(there, tmp_path / "away")
    found = run(page, PLUS_ONE)
    assert found.kind == "unable"
    assert "micropython/python.js could not be loaded" in found.verdict
    page.faults.clear()
    shutil.move(tmp_path / "away", there)
    page.get_by_role("button", name="Run").click()
    assert told(page).kind == "right"


def test_from_disk(new_page, tmp_path):
    site = tmp_path / "site"
    write_page_of(site, any_exercise())
    book_part("from_disk").write_widgets(site)
    page = new_page()
    page.goto((site / "index.html").as_uri())
    wait_for_widgets(page)
    assert page.evaluate("typeof cnnPython") == "undefined"
    assert run(page, PLUS_ONE).kind == "right"
    assert run(page, "def f(x):\n    return 1 // 0\n").marked == ["2"]
    assert run(page, "while True:\n    pass\n").kind == "time"
    page.reload()
    wait_for_widgets(page)
    assert editor(page).input_value() == "while True:\n    pass\n"


# --- Run, stop, run again -------------------------------------------------------------------------


def test_a_run_can_be_stopped(show):
    page = show(any_exercise(seconds=60))
    stop = page.get_by_role("button", name="Stop")
    expect(stop).to_have_attribute("aria-disabled", "true")
    editor(page).fill("while True:\n    pass\n")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".ce-status")).to_have_text(re.compile("Running|Loading"))
    stop.click()
    expect(page.locator(".ce-status")).to_have_text("Stopped.")
    expect(page.locator(".cnn-spoken")).to_have_text("Stopped.")
    found = told(page)
    assert found.kind == "" and found.rows == ["open", "open"]
    expect(stop).to_be_focused()
    assert run(page, PLUS_ONE).kind == "right"


def test_a_newer_run_ends_an_older_one(show):
    page = show(any_exercise(seconds=60))
    workers = []
    page.on("worker", lambda worker: workers.append(worker))
    editor(page).fill("while True:\n    pass\n")
    page.get_by_role("button", name="Run").click()
    page.wait_for_function("document.querySelector('.ce-status').textContent.startsWith('Running')")
    assert run(page, PLUS_ONE).kind == "right"
    assert len(workers) == 2
    for _ in range(100):  # a browser may take seconds to end one that is busy
        if not page.workers:
            break
        let_pass(page, 100)
    assert page.workers == []


def test_ctrl_and_enter_run_the_program_and_the_verdict_is_said_once(show):
    page = show(any_exercise())
    page.evaluate(READER)
    page.locator(".cnn-widget").evaluate("(root) => reader.listen(root)")
    editor(page).fill(PLUS_ONE)
    editor(page).press("Control+Enter")
    assert told(page).kind == "right"
    assert editor(page).input_value() == PLUS_ONE
    expect(page.locator(".cnn-spoken")).to_have_text("✓ Right. 2 cases agree. You earn 1 point.")
    let_pass(page, 600)
    said = page.locator(".cnn-widget").evaluate("(root) => root.said")
    assert said.count("✓ Right. 2 cases agree. You earn 1 point.") == 1


# --- The editor -----------------------------------------------------------------------------------


def type_into(page: Page, *keys: str) -> str:
    for key in keys:
        page.keyboard.press(key) if len(key) > 1 and key[0].isupper() else page.keyboard.type(key)
    return editor(page).input_value()


def test_tab_walks_through_until_something_is_done_and_after_escape(show):
    page = show(any_exercise())
    editor(page).focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Run")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(editor(page)).to_be_focused()
    assert type_into(page, "Control+Home", "Tab") == f"    {ANY['starter']}"
    expect(editor(page)).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Run")).to_be_focused()
    editor(page).click()
    page.keyboard.press("Tab")
    expect(editor(page)).to_be_focused()


def test_tab_indents_and_shift_tab_takes_it_back(show):
    page = show(any_exercise())
    editor(page).fill("a\n\nb\nc")
    editor(page).click()
    page.keyboard.press("Control+a")
    assert type_into(page, "Tab") == "    a\n\n    b\n    c"
    assert type_into(page, "Tab") == "        a\n\n        b\n        c"
    assert type_into(page, "Shift+Tab", "Shift+Tab", "Shift+Tab") == "a\n\nb\nc"
    assert type_into(page, "Control+End", "Tab") == "a\n\nb\nc   "  # to the next multiple of four
    assert type_into(page, "Home", "Tab", "Backspace") == "a\n\nb\nc   "
    assert type_into(page, "Tab", "Shift+Tab") == "a\n\nb\nc   "


def test_enter_keeps_the_indentation_and_indents_behind_a_colon(show):
    page = show(any_exercise())
    editor(page).fill("")
    editor(page).click()
    text = type_into(page, "def f(x):", "Enter", "if x:  # so", "Enter", "y", "Enter", "z")
    assert text == "def f(x):\n    if x:  # so\n        y\n        z"
    assert type_into(page, "Enter", "Backspace", "w") == f"{text}\n    w"


def test_the_browsers_undo_takes_back_what_the_keys_did(show):
    page = show(any_exercise())
    editor(page).click()
    page.keyboard.press("Control+End")
    before = editor(page).input_value()
    type_into(page, "if x:", "Enter", "Tab")
    for _ in range(20):
        if editor(page).input_value() == before:
            break
        page.keyboard.press("Control+z")
    assert editor(page).input_value() == before
    page.keyboard.press("Control+Shift+z")
    assert editor(page).input_value() != before
    settle(page)
    assert chosen(page, "code") == {"code": editor(page).input_value()}


def test_start_again_brings_the_starter_and_undo_brings_the_program_back(show):
    page = show(any_exercise())
    again = page.get_by_role("button", name="Start again")
    expect(again).to_have_attribute("aria-disabled", "true")
    editor(page).fill(PLUS_ONE)
    again.click()
    expect(editor(page)).to_have_value(ANY["starter"])
    expect(editor(page)).to_be_focused()
    page.keyboard.press("Control+z")
    expect(editor(page)).to_have_value(PLUS_ONE)
    again.click()
    page.get_by_role("button", name="Undo").click()
    expect(editor(page)).to_have_value(PLUS_ONE)


def test_what_is_typed_in_one_go_is_undone_in_one_step(show):
    page = show(any_exercise())
    editor(page).click()
    page.keyboard.type("abc def")
    page.get_by_role("button", name="Undo").click()
    expect(editor(page)).to_have_value(ANY["starter"])
    expect(page.get_by_role("button", name="Undo")).to_have_attribute("aria-disabled", "true")


def test_a_program_has_a_longest_and_no_letters_that_cannot_be_seen(show):
    page = show(any_exercise())
    editor(page).fill("a\x00b\x0cc")
    settle(page)
    assert chosen(page, "code") == {"code": "abc"} and editor(page).input_value() == "abc"
    editor(page).fill("x" * 20_000)
    expect(page.locator(".ce-note")).to_have_text("The program is as long as it can be.")
    assert chosen(page, "code") == {"code": "x" * 20_000}
    page.locator(".cnn-share summary").click()
    expect(page.locator(".cnn-told")).to_have_text("This state is too long for a link.")
    editor(page).fill("short")
    expect(page.locator(".cnn-told")).to_have_text("")
    expect(page.locator(".cnn-link")).to_have_value(re.compile("code=short"))


def test_a_long_line_scrolls_in_the_editor_and_numbers_stay(show):
    page = show(any_exercise(), width=390)
    editor(page).fill("x = 1\n" * 60 + "y" * 300)
    settle(page)
    box = page.locator(".ce-box")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert box.evaluate("(box) => box.scrollWidth > 1000 && box.scrollHeight > box.clientHeight")
    editor(page).press("Control+End")
    page.keyboard.type("z")
    assert box.evaluate("(box) => box.scrollLeft > 100 && box.scrollTop > 100")
    numbers = page.locator(".ce-numbers")
    assert numbers.locator("span").count() == 61
    assert abs(numbers.bounding_box()["x"] - box.bounding_box()["x"]) < 3


# --- Hints, answers that are kept, links ---------------------------------------------------------


def test_hints_come_one_after_the_other_and_it_is_told_how_many_are_left(show):
    page = show(make())
    button = page.locator(".ce-hinting button")
    assert button.inner_text() == "Hint (2 left)" and page.locator(".ce-hints li").count() == 0
    button.click()
    expect(page.locator(".ce-hints li")).to_have_text([f"Hint 1: {OUTPUT_SIZE['hints'][0]}"])
    expect(page.locator(".cnn-spoken")).to_have_text(f"Hint 1: {OUTPUT_SIZE['hints'][0]}")
    expect(button).to_have_text("Hint (1 left)")
    editor(page).fill("x")  # two hints at once are undone at once
    button.click()
    expect(page.locator(".ce-hints li")).to_have_count(2)
    assert page.locator(".ce-hints code").all_inner_texts() == ["stride", "//"]
    expect(button).to_have_text("No more hints")
    button.click(force=True)
    settle(page)
    assert chosen(page, "hints") == {"hints": 2}
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".ce-hints li")).to_have_count(1)


def test_the_program_is_kept_and_so_is_that_it_was_solved(show):
    page = show(make())
    editor(page).fill("def mine():\n    ...\n")
    page.locator(".ce-hinting button").click()
    page.reload()
    wait_for_widgets(page)
    assert editor(page).input_value() == "def mine():\n    ...\n"
    expect(page.locator(".ce-hints li")).to_have_count(1)
    expect(page.locator(".ce-verdict")).to_be_empty()  # it does not run by itself
    assert run(page, OUTPUT_SIZE_RIGHT).kind == "right"
    page.reload()
    wait_for_widgets(page)
    assert editor(page).input_value() == OUTPUT_SIZE_RIGHT
    expect(page.locator(".ce-points")).to_have_text("✓ Solved: 2 points.")
    solved = page.evaluate(
        """async () => (await import("./widgets/kit/progress.js"))
            .solved("index#code_exercise.arithmetic.output_size")"""
    )
    assert solved == 1
    editor(page).fill("x")
    page.reload()
    wait_for_widgets(page)
    assert editor(page).input_value() == "x"
    expect(page.locator(".ce-points")).to_have_text("✓ Solved: 2 points.")


def test_where_the_browser_keeps_nothing_all_else_works(show):
    page = show(make())
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } })"
    )
    page.reload()
    wait_for_widgets(page)
    assert run(page, OUTPUT_SIZE_RIGHT).kind == "right"


def test_a_link_brings_a_program_and_does_not_run_it(show):
    page = show(any_exercise())
    page.evaluate(f"location.hash = '#cnn=1&widget=code_exercise.0&code={quote(PLUS_ONE)}'")
    expect(editor(page)).to_have_value(PLUS_ONE)
    let_pass(page, 300)
    assert page.evaluate("typeof cnnPython") == "undefined"
    expect(page.locator(".ce-verdict")).to_be_empty()
    page.evaluate("location.hash = '#cnn=1&widget=code_exercise.0&code=a%00b'")
    expect(page.locator(".cnn-notice")).to_contain_text("expected a text of at most 20000")
    expect(editor(page)).to_have_value(ANY["starter"])


# --- In a notebook --------------------------------------------------------------------------------


@pytest.fixture
def notebook(new_page, serve, tmp_path):
    """notebook(widget) -> a page where the widget has a kernel, which a test answers for."""

    def open_notebook(widget: CodeExercise) -> Page:
        (tmp_path / "index.html").write_text(
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Notebook</title>'
            '<link rel="icon" href="data:,"></head><body><main></main></body></html>'
        )
        page = new_page()
        page.goto(f"{serve(tmp_path)}/")
        page.evaluate(READER)
        page.add_script_tag(content=MODEL)
        state = widget.page_state() | {"fixed": widget.fixed}
        page.evaluate(
            "(given) => openNotebook(given)",
            [widget._esm, widget._css, list(widget.chosen()), state],
        )
        return page

    return open_notebook


def requests(page: Page) -> list[dict]:
    return page.evaluate(
        """document.querySelector("main > div").cnnModel.sent
            .filter((sent) => "request" in sent).map(({ request }) => request)"""
    )


def answer(page: Page, **verdict) -> None:
    page.evaluate(
        "(answer) => document.querySelector('main > div').cnnModel.receive({ answer })", verdict
    )


def test_in_a_notebook_the_kernel_judges(notebook):
    page = notebook(make(respond=lambda code: {}))
    editor(page).fill("one")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".ce-status")).to_have_text("Running in the notebook’s Python …")
    [request] = requests(page)
    assert request["code"] == "one"
    answer(page, number=request["number"] - 1, kind="right")  # of an older run
    settle(page)
    expect(page.locator(".ce-status")).to_have_text("Running in the notebook’s Python …")
    case = OUTPUT_SIZE["cases"][1]
    answer(
        page, number=request["number"], kind="mistake", case=1, call=case["call"], got="5",
        expected="3", say="You forgot the stride.", printed="hello",
    )  # fmt: skip
    found = told(page)
    assert found.verdict == (
        "✗ output_size(7, 3, stride=2) gave 5, expected 3. You forgot the stride. "
        "1 case before it agrees."
    )
    assert found.rows == ["right", "wrong", "open"] and found.got == ["3", "5", ""]
    assert found.printed == "hello"

    page.get_by_role("button", name="Run").click()
    number = requests(page)[-1]["number"]
    assert number > request["number"]
    raised = {"type": "NameError", "message": "no x", "lines": [[1, "one"]]}
    answer(page, number=number, kind="raised", case=0, call="output_size(5, 3)", raised=raised)
    found = told(page)
    assert found.fault == "line 1: one\nNameError: no x" and found.marked == ["1"]

    page.get_by_role("button", name="Run").click()
    answer(page, number=requests(page)[-1]["number"], kind="right")
    assert told(page).rows == ["right"] * 3

    page.get_by_role("button", name="Run").click()
    answer(page, number=requests(page)[-1]["number"], error="OSError: no room")
    assert "could not judge the program (OSError: no room)" in told(page).verdict


def test_in_a_notebook_stop_ends_the_waiting(notebook):
    page = notebook(make(respond=lambda code: {}))
    page.get_by_role("button", name="Run").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".ce-status")).to_have_text("Stopped.")
    answer(page, number=requests(page)[-1]["number"], kind="right")
    assert told(page).kind == ""


def test_where_nothing_can_run_it_that_is_said(notebook, show):
    page = notebook(make())
    run_button = page.get_by_role("button", name="Run")
    expect(run_button).to_have_attribute("aria-disabled", "true")
    expect(page.locator(".ce-status")).to_contain_text("needs Python with its libraries")
    run_button.click(force=True)
    editor(page).press("Control+Enter")
    assert requests(page) == []
    page = show(any_exercise(page=False))
    expect(page.get_by_role("button", name="Run")).to_have_attribute("aria-disabled", "true")
    editor(page).press("Control+Enter")
    settle(page)
    assert page.evaluate("typeof cnnPython") == "undefined"


# --- Agreement ------------------------------------------------------------------------------------


def test_agreement_is_pythons(show):
    cases = (ROOT / "tests" / "exercise_agreement.json").read_text(encoding="utf-8")
    page = show(make())
    wrong = page.evaluate(
        """async (text) => {
            const { agrees } = await import("./widgets/agreement.js");
            const numbers = { nan: NaN, inf: Infinity, "-inf": -Infinity, "1e400": Infinity };
            const special = (key, value) => (value && typeof value === "object"
                && Object.keys(value).join() === "number" ? numbers[value.number] : value);
            return JSON.parse(text, special)
                .filter(({ got, expected, tolerance, agrees: does }) =>
                    agrees(got, expected, tolerance) !== does)
                .map(({ why }) => why);
        }""",
        cases,
    )
    assert len(json.loads(cases)) > 100 and wrong == []
