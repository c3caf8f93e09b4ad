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


# --- Programs that go wrong in other ways ---------------------------------------------------------

HOSTILE = {
    "an endless loop": ("while True: pass", "time"),
    "a long sleep": ("import time; (time.sleep)(100)", "time"),
    "all of memory": ("a = []\nwhile True: a.append([0] * 999)", "memory"),
    "one huge text": ("return 'x' * 10**9", "memory"),
    "deep recursion": ("return f(x + 1)", "raised"),
    "recursion in C": ("import re; return re.match('(a|b)*' * 50, 'ab' * 9999)", "raised"),
    "a nest of lists": ("a = []\nfor i in range(99999): a = [a]\nreturn a", "differs"),
    "an endless generator": ("while True: yield 1", "differs"),
    "the end of Python": ("import sys; sys.exit(3)", "raised"),
    "an interruption": ("raise KeyboardInterrupt", "raised"),
    "an input": ("return int(input('?'))", "raised"),
    "a repr that never ends": (
        "class A:\n    def __repr__(self): return repr(self)\nreturn A()",
        "differs",
    ),
    "a number of a million digits": ("return 7 ** 7 ** 7", "time"),
    "a number beyond all decimals": ("return 10**400", "differs"),
    "a text of megabytes in pieces": ("return ['x' * 300000] * 100", "time"),
    "a print that never ends": ("while True: print('x' * 99)", "time"),
    "what catches everything": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "time",
    ),
    "what is equal to all": (
        "class A(int):\n    def __eq__(self, other): return True\n"
        "    def __sub__(self, other): return 0\nreturn A(9)",
        "differs",
    ),
    "a list that holds itself": ("a = []\na.append(a)\nreturn a", "differs"),
    "an iterator of itself": (
        "class A:\n    def __iter__(self): return self\n    def __next__(self): return self\n"
        "return A()",
        "differs",
    ),
    "a tensor that is none": (
        "class A:\n    def tolist(self): return self\nreturn A()",
        "raised",
    ),
    "a dictionary without end": (
        "class A(dict):\n    def items(self):\n        while True: yield ('a', 1)\nreturn A()",
        "differs",
    ),
    "an error that cannot be told": (
        "class A(Exception):\n    def __str__(self): return 1 // 0\nraise A()",
        "raised",
    ),
    "an error whose words never end": (
        "class A(Exception):\n    def __str__(self):\n        while True: pass\nraise A()",
        "time",
    ),
    "no errors left": (
        "import builtins\nfor name in ('BaseException', 'MemoryError', 'str', 'type', 'len'):\n"
        "    setattr(builtins, name, None)\nreturn 1 // 0",
        "raised",
    ),
    "the end of all names": ("globals().clear()\nreturn x + 1", "raised"),
    "memory that is not its own": (
        "import builtins\ndel builtins.__import__\nimport uctypes\n"
        "for i in range(0, 9**7, 4096):\n    b = uctypes.bytearray_at(i, 4096)\n"
        "    for j in range(4096): b[j] = 7",
        "died",
    ),
}


def in_a_function(lines: str) -> str:
    return "def f(x):\n" + "".join(f"    {line}\n" for line in lines.splitlines())


@pytest.mark.parametrize(("lines", "kind"), HOSTILE.values(), ids=HOSTILE)
def test_it_is_told_and_the_next_run_is_as_ever(show, lines, kind):
    page = show(any_exercise())
    found = run(page, in_a_function(lines))
    assert found.kind == kind and found.verdict
    assert run(page, PLUS_ONE).kind == "right"


def test_megabytes_of_print_are_cut_off(show):
    found = run(show(any_exercise()), "def f(x):\n    print('ab' * 10**6)\n    return x + 1\n")
    assert found.kind == "right" and found.more and len(found.printed) == 10_000
    assert found.printed.startswith("abab")
    found = run(show(any_exercise()), "while True:\n    print('ab', end='')\n")
    assert found.kind == "time" and found.more and len(found.printed) == 10_000


def test_the_end_of_python_before_any_call(show):
    found = run(show(any_exercise()), "import sys\nsys.exit(3)\n")
    assert found.verdict == "✗ The program raised an error."
    assert found.fault == "line 2: sys.exit(3)\nSystemExit: 3"


def test_an_endless_loop_shows_what_it_printed(show):
    found = run(show(any_exercise()), "print('begun')\nwhile True:\n    pass\n")
    assert (found.kind, found.printed) == ("time", "begun\n")
    assert found.verdict.startswith("✗ The program took longer than 2 s.")


def test_what_a_program_has_written_is_text_and_stays_in_its_line(show):
    page = show(any_exercise())
    found = run(page, "print('<img src=x>')\ndef f(x):\n    return '<b>\\u202e'\n")
    assert found.verdict == "✗ f(1) gave '<b>\\u202e', expected 2."
    assert found.printed == "<img src=x>\n"
    assert page.locator(".ce-result").locator("img, b").count() == 0


def test_names_of_python_may_be_taken(show):
    page = show(any_exercise())
    program = "len = 3\nlist = None\ndef abs(x):\n    return x + 1\ndef f(x):\n    return abs(x)\n"
    assert run(page, program).kind == "right"
    taken = ("len", "isinstance", "iter", "hasattr", "str", "int", "repr", "callable", "type")
    program = "import builtins\n"
    program += "".join(f"builtins.{name} = None\n" for name in taken) + PLUS_ONE
    assert run(page, program).kind == "right"
    assert run(page, "def f(f):\n    return f + 1\n").kind == "right"
    assert run(page, "f = lambda x: x + 1\n").kind == "right"


def test_every_run_begins_anew(show):
    page = show(any_exercise())
    assert run(page, f"a = 1\n{PLUS_ONE}").kind == "right"
    assert "name 'a'" in run(page, f"print(a)\n{PLUS_ONE}").fault
    assert run(page, f"a = 1\n{PLUS_ONE}").kind == "right"
    page.get_by_role("button", name="Run").click()
    assert told(page).kind == "right"


# --- What a program cannot reach -----------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    ["import js", "import jsffi", "from js import document", "import asyncio", "import uctypes"],
)
def test_there_is_no_module_for_the_browser(show, line):
    found = run(show(any_exercise()), f"{line}\n{PLUS_ONE}")
    name = line.split()[1]
    assert found.fault == f"line 1: {line}\nImportError: no module named '{name}'"


# With Python's own import again, which a program can bring back.
AGAIN = "import builtins\ndel builtins.__import__\nimport js, jsffi\n"


@pytest.mark.parametrize(
    "expression",
    [
        *(f"js.{name}" for name in ("fetch", "postMessage", "Object", "eval", "self", "Module")),
        "jsffi.to_js({}).constructor",
        "jsffi.to_js([1]).length",
        "jsffi.to_js({})['constructor']",
        "list(jsffi.to_js([1]))",
        "jsffi.create_proxy(f).toString",
        "jsffi.async_timeout_ms(1)",
    ],
)
def test_nor_a_way_to_javascript_for_one_that_has_found_it(show, expression):
    page = show(any_exercise())
    found = run(page, f"{AGAIN}def f(x):\n    return [{expression}]\n")
    assert found.kind in ("raised", "died"), found.verdict
    if found.kind == "raised":
        assert "AttributeError" in found.fault
    assert run(page, PLUS_ONE).kind == "right"


def test_nothing_that_requests_is_left_in_the_worker(show):
    """(The program cannot reach it anyway; so the worker itself is asked.)"""
    page = show(any_exercise())
    left = page.evaluate(
        """async () => {
            const { workerMain } = await import("./widgets/code_runner_worker.js");
            const names = /REACHING = \\[([^\\]]*)\\]/.exec(String(workerMain))[1].match(/\\w+/g);
            const text = `let python = {globals: {set() {}, get: () => () => "null", delete() {}},
                runPython() {
                    postMessage(${JSON.stringify(names)}.filter((name) => globalThis[name]));
                }};
                (${workerMain})(async () => python);`;
            const worker = new Worker(URL.createObjectURL(new Blob([text])));
            const answer = new Promise((done) => { worker.onmessage = ({ data }) => done(data); });
            worker.postMessage({});
            return [names, await answer];
        }"""
    )
    assert {"fetch", "XMLHttpRequest", "WebSocket", "importScripts", "Worker"} <= set(left[0])
    assert left[1] == []


def test_what_is_expected_is_not_in_the_interpreter(show):
    cases = [{"call": "f(1)", "expected": "a-secret-8461"}]
    page = show(any_exercise(cases=cases, mistakes=[]))
    program = """import sys
def f(x):
    main = __import__('__main__')
    return [sorted(dir(main)), sorted(globals()), '84' + '61' in str(sys.modules)]
"""
    found = run(page, program)
    seen = '[["__class__", "__dict__", "__name__"], ["__name__", "f", "sys"], False]'
    assert (found.kind, found.got) == ("differs", [seen])
    sent = page.evaluate(
        """async () => {
            const sent = [];
            const { postMessage } = Worker.prototype;
            Worker.prototype.postMessage = function (data, ...more) {
                sent.push(JSON.stringify({ ...data, wasm: 0 }));
                postMessage.call(this, data, ...more);
            };
            document.querySelector(".ce-run").click();
            while (!sent.length) await new Promise((done) => setTimeout(done, 10));
            return sent;
        }"""
    )
    assert len(sent) == 1 and "f(1)" in sent[0] and "8461" not in sent[0]


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
