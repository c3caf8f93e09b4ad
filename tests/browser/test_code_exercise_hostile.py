"""Hostile programs on the page: what they do is told, and the next run is as ever."""

import pytest

from tests.browser.test_code_exercise import PLUS_ONE, any_exercise, run, told

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
    seen = "[['__class__', '__dict__', '__name__'], ['__name__', 'f', 'sys'], False]"
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
