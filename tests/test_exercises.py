"""A student's code is run apart and judged: right answers of any kind, wrong ones, hostile ones."""

import builtins
import decimal
import fractions
import json
import os
import time

import numpy as np
import pytest
import torch

import cnnlib.exercises as exercises
from cnnlib.exercises import child
from cnnlib.exercises.agreement import agrees, judge, written
from cnnlib.exercises.child import (
    MOST_PRINTED,
    CouldNotRun,
    run_apart,
    run_function,
    run_program,
)
from cnnlib.exercises.plain import NotPlain, plain, shown
from cnnlib.exercises.record import Case, Known, Record, record_of, records_of, write_records


def record(*cases, setup="", tolerance=1e-6, seconds=5.0, mistakes=()) -> Record:
    """An exercise ``f`` whose cases are (call, expected) or (call, expected, [known, ...])."""
    made = tuple(
        Case(call, expected, tuple(Known(*one) for one in known[0]) if known else ())
        for call, expected, *known in cases
    )
    return Record(
        "made.f", "f", 2, "def f(x):\n    ...\n", setup, tolerance, seconds, True, (),
        tuple(mistakes), made,
    )  # fmt: skip


DOUBLE = record(("f(1)", 2), ("f(2.5)", 5.0), ("f(0)", 0))


def verdict_on(program, asked=DOUBLE, *, fresh=False):
    calls = [case.call for case in asked.cases]
    run = run_apart(asked, [program], calls) if fresh else run_program(asked, program, calls)
    return judge(asked, run)


# --- Plain values -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "becomes"),
    [
        (3, 3),
        (True, True),
        (None, None),
        ("a", "a"),
        (0.5, 0.5),
        ((1, (2, 3)), [1, [2, 3]]),
        (1 - (1 << 1024), 1 - (1 << 1024)),
        (range(3), [0, 1, 2]),
        (map(abs, [-1, 2]), [1, 2]),
        ((n for n in (1, 2)), [1, 2]),
        ({"a": (1,)}, {"a": [1]}),
        ({1: 2}.values(), [2]),
        (np.int64(4), 4),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (torch.tensor(2.0, requires_grad=True), 2.0),
        (torch.tensor(7), 7),
        (torch.tensor([[True]]), [[True]]),
        ([torch.tensor(1), np.float64(2.5)], [1, 2.5]),
        (torch.Size([2, 3]), [2, 3]),
        (fractions.Fraction(1, 4), 0.25),
        (decimal.Decimal("0.5"), 0.5),
        (torch.nn.Parameter(torch.ones(1, 2)), [[1.0, 1.0]]),
        (type("Mine", (int,), {})(5), 5),
    ],
)
def test_whatever_is_a_number_or_a_list_of_them_becomes_plain(value, becomes):
    came = plain(value)
    assert came == becomes and type(came) is type(becomes)
    assert json.loads(json.dumps(came)) == becomes


class Loud:
    def __repr__(self):
        raise RuntimeError("no")


endless = iter(int, 1)
around: list = []
around.append(around)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), [1, float("nan")], {1, 2}, b"a", 1j, {1: 2}, object(), Loud(), abs]
    + [endless, around, torch.tensor([float("inf")]), [[0] * 1000] * 1000]
    + [10**400, pytest.param(-(10**5000), id="5000 digits")],
)
def test_what_json_has_not_is_shown_and_not_plain(value):
    with pytest.raises(NotPlain) as error:
        plain(value)
    assert 0 < len(str(error.value)) <= 200


def test_what_is_shown_is_short():
    assert shown("a" * 1000, 10) == "'aaaaaaa …"
    assert shown(Loud()) == "a Loud"


# --- Agreement ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("got", "expected", "tolerance", "agree"),
    [
        (3, 3, 0, True),
        (3.0, 3, 0, True),
        (3.1, 3, 0, False),
        (1, True, 1, False),
        (True, 1, 1, False),
        (True, True, 0, True),
        (0, False, 0, False),
        (None, None, 0, True),
        (0, None, 0, False),
        ("3", 3, 1, False),
        (3, "3", 1, False),
        ("a", "a", 0, True),
        (0.1 + 0.2, 0.3, 1e-6, True),
        (0.3 + 2e-6, 0.3, 1e-6, False),
        (1e6 + 0.9, 1e6, 1e-6, True),
        (1e6 + 1.1, 1e6, 1e-6, False),
        (-5, 5, 0, False),
        ([1, 2], [1, 2], 0, True),
        ([1], [1, 2], 0, False),
        ([1, 2, 3], [1, 2], 0, False),
        (1, [1], 0, False),
        ([1], 1, 0, False),
        ([[1], [2]], [[1], [2]], 0, True),
        ([[1, 2]], [[1], [2]], 0, False),
        ([], [], 0, True),
        ({"a": 1}, {"a": 1.0}, 0, True),
        ({"a": 1}, {"b": 1}, 0, False),
        ([["a", 1]], {"a": 1}, 0, False),
        ({"a": 1}, [["a", 1]], 0, False),
    ],
)
def test_agreement(got, expected, tolerance, agree):
    assert agrees(got, expected, tolerance) is agree


# --- Verdicts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program",
    [
        "def f(x): return 2 * x",
        "f = lambda x: x + x",
        "import torch\nf = lambda x: torch.tensor(x) * 2",
        "class Twice:\n    def __call__(self, x): return 2 * x\nf = Twice()",
        "from functools import partial\nfrom operator import mul\nf = partial(mul, 2)",
        "def f(x, *rest, **more):\n    print('working on', x)\n    return x / 0.5",
        "def f(x):\n    global len\n    len = None\n    return 2 * x",
        "sum = 3\ndef f(x): return 2 * x",
    ],
)
@pytest.mark.parametrize("fresh", [False, True])
def test_right_answers_of_any_kind_pass(program, fresh):
    assert verdict_on(program, fresh=fresh).kind == "right"


@pytest.mark.parametrize(
    ("program", "kind", "case", "says"),
    [
        ("def f(x): ...", "not_started", 0, "returns nothing yet"),
        ("def g(x): return 2 * x", "missing", None, "no function f yet"),
        ("f = 3", "missing", None, "no function f yet"),
        ("", "missing", None, "no function f yet"),
        ("def f(x) return 2", "syntax", None, "line 1: def f(x) return 2"),
        ("def f(x):\n  return 2 * x\n y", "syntax", None, "cannot be read as Python"),
        ("def f(x):\n    return 3 * x", "differs", 0, "f(1) gave 3, expected 2"),
        ("def f(x):\n    return int(2 * x) if x else 1", "differs", 2, "2 of 3 cases passed"),
        ("def f(x):\n    return str(2 * x)", "differs", 0, "gave '2', expected 2"),
        ("def f(x):\n    return {2 * x}", "differs", 0, "gave {2}, expected 2"),
        ("def f(x):\n    return x / 0", "raised", 0, "ZeroDivisionError: division by zero"),
        ("def f(x):\n    y = 1\n    return [][x]", "raised", 0, "line 3: return [][x]"),
        ("def f(): return 2", "raised", 0, "TypeError"),
        ("a = 1\nraise ValueError('mine')", "raised", None, "line 2: raise ValueError('mine')"),
        ("def f(x): return f(x)", "raised", 0, "RecursionError"),
        ("def f(x): raise SystemExit(3)", "raised", 0, "SystemExit: 3"),
        ("def f(x): raise KeyboardInterrupt", "raised", 0, "KeyboardInterrupt"),
        ("import sys\nsys.exit()", "raised", None, "SystemExit"),
        ("import os\ndef f(x): os._exit(0)", "died", 0, "ended Python itself"),
        ("import os\ndef f(x): os.kill(os.getpid(), 9)", "died", 0, "ended Python itself"),
        ("import os\nos.abort()", "died", 0, "ended Python itself"),
    ],
)
def test_wrong_ones_are_told_what_and_where(program, kind, case, says):
    for fresh in (False, True):
        verdict = verdict_on(program, fresh=fresh)
        assert (verdict.kind, verdict.case) == (kind, case)
        assert says in repr(verdict) and not verdict
        assert "child_side" not in repr(verdict) and "cnnlib" not in repr(verdict)


def test_a_known_mistake_is_told_by_all_that_the_program_gives():
    asked = record(
        ("f(2)", 4, [(2, 0), (2, 1)]), ("f(3)", 9, [(6, 0), (3, 1)]), mistakes=("twice", "same")
    )
    assert verdict_on("def f(x): return x", asked).sentence == "same"
    assert verdict_on("def f(x): return 2 * (x - (x == 2))", asked).sentence == "twice"
    other = verdict_on("def f(x): return 2 + 40 * (x > 2)", asked)
    assert (other.kind, other.sentence) == ("differs", None)  # either, and so neither
    alone = record(("f(2)", 4, [(5, 0)]), ("f(3)", 9), mistakes=("one too many",))
    assert "one too many" in repr(verdict_on("def f(x): return 5 if x == 2 else 9", alone))
    assert verdict_on("def f(x): return 5 if x == 2 else 0", alone).sentence is None


def test_a_mistake_is_not_told_to_whom_a_case_before_shows_that_it_is_another():
    asked = record(("f(1)", 3, [(1, 0)]), ("f(2)", 5, [(2, 0)]), mistakes=("nothing is added",))
    assert verdict_on("def f(x): return x", asked).sentence == "nothing is added"
    once = verdict_on("def f(x): return 3 if x == 1 else 2", asked)
    assert (once.kind, once.case, once.sentence) == ("differs", 1, None)


def test_a_case_that_raises_later_does_not_speak_against_a_known_mistake():
    asked = record(("f(2)", 4, [(2, 0)]), ("f(0)", 0), mistakes=("it is divided",))
    assert verdict_on("def f(x): return 4 / x", asked).sentence == "it is divided"


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize(
    "program",
    [
        "while True: pass",
        "def f(x):\n    while True: pass",
        "def f(x):\n while 1:\n  try:\n   while 1: pass\n  except BaseException: pass",
        "import time\ndef f(x): time.sleep(100)",
        "import signal\nsignal.signal(signal.SIGPROF, signal.SIG_IGN)\n"
        "def f(x):\n    while True: print('x' * 999)",
        "import itertools\ndef f(x):\n    print('here')\n    return sum(itertools.repeat(1))",
    ],
)
def test_what_never_ends_is_ended(program, fresh):
    verdict = verdict_on(program, DOUBLE._replace(seconds=0.5), fresh=fresh)
    assert verdict.kind == "time" and "0.5 s" in repr(verdict)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux's limits")
@pytest.mark.parametrize("fresh", [False, True])
def test_the_seconds_are_those_in_which_an_answer_computes(fresh):
    asked = DOUBLE._replace(seconds=1.0)
    waits = "import time\ntime.sleep(1.5)\ndef f(x): return 2 * x"
    assert verdict_on(waits, asked, fresh=fresh)
    computes = waits.replace("time.sleep(1.5)", "while time.process_time() < 3: pass")
    assert verdict_on(computes, asked, fresh=fresh).kind == "time"


SLOW = """
import time
begun = time.process_time()
while time.process_time() < begun + 0.5: pass
time.sleep(1.2)
two = 2
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no limits there")
@pytest.mark.parametrize("fresh", [False, True])
def test_a_slow_import_is_no_endless_loop(fresh, monkeypatch, tmp_path):
    """It computes longer than an answer may, and waits longer than one may."""
    (tmp_path / "slow_to_come.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    asked = DOUBLE._replace(seconds=0.25)
    program = "def f(x):\n    from slow_to_come import two\n    return two * x"
    assert verdict_on(program, asked, fresh=fresh)
    top = "import slow_to_come\n"
    assert verdict_on(top + "def f(x): return slow_to_come.two * x", asked, fresh=fresh)
    assert verdict_on(top + "while True: pass", asked, fresh=fresh).kind == "time"
    missing = verdict_on("import not_there\ndef f(x): return 2 * x", asked, fresh=fresh)
    assert missing.raised.type == "ModuleNotFoundError" and missing.raised.lines == (
        (1, "import not_there"),
    )


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux's limits")
@pytest.mark.parametrize(
    "program",
    [
        "def f(x): return 'a' * (4 << 30)",
        "def f(x):\n    kept = []\n    while True: kept.append(bytearray(1 << 24))",
        "import torch\ndef f(x): return torch.ones(1 << 31)",
        "kept = [0] * (1 << 31)\ndef f(x): return 2 * x",
    ],
)
def test_too_much_memory_is_told_and_takes_none_of_ours(program):
    verdict = verdict_on(program, DOUBLE._replace(seconds=60.0))
    assert verdict.kind == "memory"


def test_megabytes_of_printing_are_cut_and_hold_up_nothing():
    verdict = verdict_on("def f(x):\n    print('ä' * 5_000_000)\n    return 3 * x")
    assert verdict.kind == "differs"
    assert verdict.printed.startswith("ää") and len(verdict.printed) < MOST_PRINTED + 20
    loud = "import os\ndef f(x):\n    os.write(1, b'raw ')\n    print('own')\n    return 3 * x"
    assert "raw " in verdict_on(loud).printed and "own" in verdict_on(loud).printed


def test_what_a_program_has_left_running_is_ended():
    program = """
import os, subprocess, threading
def f(x):
    threading.Thread(target=lambda: subprocess.run(["sleep", "60"])).start()
    if os.fork() == 0:
        import time
        time.sleep(60)
    return 2 * x
"""
    begun = time.monotonic()
    assert verdict_on(program, DOUBLE._replace(seconds=30.0))
    assert time.monotonic() - begun < 25


TAMPERING = [
    "import json\njson.dumps = lambda *a: '{\"value\": 2}'\ndef f(x): return 3 * x",
    "import builtins\nbuiltins.abs = lambda x: 0\ndef f(x): return 3 * x",
    "import cnnlib.exercises.agreement as a\na.agrees = lambda *x: True\ndef f(x): return 3 * x",
    "import cnnlib.exercises.child_side as c\nc.plain = lambda x: 2\ndef f(x): return 3 * x",
    "class Equal(int):\n    __eq__ = lambda s, o: True\n    __sub__ = lambda s, o: 0\n"
    "def f(x): return Equal(3 * x + 1)",
    "import sys\nsys.modules['torch'] = None\ndef f(x): return 3 * x",
    "import os\nfor n in range(3, 64):\n    try: os.close(n)\n    except OSError: pass\n"
    "def f(x): return 3 * x",
    "import os\nfor n in range(3, 64):\n    try: os.write(n, b'{\"ended\": \"\"}\\n')\n"
    "    except OSError: pass\ndef f(x): return 3 * x",
]  # fmt: skip


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("program", TAMPERING)
def test_tampering_makes_nothing_right_and_harms_nothing_here(program, fresh):
    assert not verdict_on(program, fresh=fresh)
    assert verdict_on("def f(x): return 2 * x", fresh=fresh)  # and the next one is judged as ever
    assert builtins.abs(-1) == 1 and json.dumps(1) == "1"


def test_a_fresh_process_knows_nothing_of_ours(monkeypatch):
    monkeypatch.setenv("SECRET", "a key")
    program = """
import gc, os
def f(x):
    kept = [o for o in gc.get_objects() if isinstance(o, dict) and "a thing only we know" in o]
    return "SECRET" in os.environ or bool(kept)
"""
    keep = {"a thing only we know": 1}
    asked = record(("f(1)", False))
    assert verdict_on(program, asked, fresh=True)
    assert not verdict_on(program, asked)  # a copy knows all: the test can fail
    assert keep


def test_what_cannot_be_run_is_no_verdict(monkeypatch):
    def broken(setup):
        return record(("f(1)", 2), setup=setup)

    for setup in ("1 / 0", "import nothing_of_that_name", "f("):
        with pytest.raises(CouldNotRun, match="before the answer ran"):
            verdict_on("def f(x): return 2", broken(setup))
        with pytest.raises(CouldNotRun, match="before the answer ran"):
            verdict_on("def f(x): return 2", broken(setup), fresh=True)
    with pytest.raises(CouldNotRun, match="died before the answer ran"):
        run_apart(DOUBLE, ["def f(x): return 2 * x"], ["f(1)"], within=["false"])
    monkeypatch.setattr(child, "STARTING", 0.1)
    with pytest.raises(CouldNotRun, match="time before the answer ran"):
        verdict_on("", broken("import time\ntime.sleep(20)"), fresh=True)


def test_setup_comes_before_the_program_and_the_calls_use_it():
    asked = record(("f(data)", 6), setup="data = [1, 2, 3]\n")
    assert verdict_on("def f(x): return sum(x) + len(data) - 3", asked)


def test_a_case_cannot_change_the_next_ones_names():
    asked = record(("f(1)", 1), ("f(2)", 2))
    assert verdict_on("n = 0\ndef f(x):\n    global n\n    n += 1\n    return n", asked)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["def f(x): return 2 * x", "1 / 0"], "right"),
        (["1 / 0", "y z", "import sys; sys.exit()", "def f(x): return 2 * x"], "right"),
        (["factor = 2", "def f(x): return factor * x"], "right"),
        (["def f(x): return 3 * x", "def f(x): return 2 * x"], "right"),
        (["def f(x): return 2 * x", "def f(x): return 3 * x"], "differs"),
        (["def f(x): return 2 * x", "f = 3"], "missing"),
        (["1 / 0", ""], "raised"),
        (["def f(x) return 2", ""], "syntax"),
        (["", ""], "missing"),
        ([], "missing"),
    ],
)
def test_cells_run_as_in_a_notebook(cells, kind):
    run = run_apart(DOUBLE, cells, [case.call for case in DOUBLE.cases])
    assert judge(DOUBLE, run).kind == kind


# --- check, as a notebook calls it ---------------------------------------------------------------


@pytest.fixture
def made(monkeypatch):
    def use(asked):
        monkeypatch.setattr(exercises, "record_of", lambda key: asked)

    return use


def test_check_takes_a_function_of_the_notebook_with_all_that_it_uses(made):
    made(DOUBLE)
    factor = 2
    verdict = exercises.check("made.f", lambda x: factor * x)
    assert verdict and repr(verdict) == "✓ f: all 3 cases agree. 2 points."


def test_check_runs_torch_after_this_process_has(made):
    made(record(("f(torch.ones(400, 400))", 160_000.0), setup="import torch\n"))
    torch.set_num_threads(2)
    try:
        w = torch.ones(400, 400, requires_grad=True)
        (w @ w).sum().backward()

        def f(x):
            v = torch.ones(400, requires_grad=True)
            (x @ v).sum().backward()
            return v.grad.sum()

        assert exercises.check("made.f", f)
    finally:
        torch.set_num_threads(1)


def test_what_an_answer_does_to_itself_stays_in_its_copy(made):
    made(DOUBLE)
    calls = []
    assert exercises.check("made.f", lambda x: calls.append(x) or 2 * x)
    assert calls == []


def test_an_editor_gets_the_record_and_verdicts_that_json_holds():
    given = exercises.exercise("arithmetic.outputs")
    assert Record.from_json(given["record"]) == record_of("arithmetic.outputs")
    wrong = given["respond"](
        "def outputs(size, *rest, **more):\n    print(size)\n    return size / 0"
    )
    assert wrong["kind"] == "raised" and wrong["raised"]["type"] == "ZeroDivisionError"
    assert wrong["raised"]["lines"] == [[3, "return size / 0"]] and wrong["printed"].startswith(
        "5\n"
    )
    assert json.loads(json.dumps(wrong)) == wrong
    assert given["respond"]("def outputs(*all, **more): ...")["kind"] == "not_started"


def test_check_says_what_is_wrong_with_the_call():
    with pytest.raises(ValueError, match="'arithmetic.nothing'.*arithmetic.outputs"):
        exercises.check("arithmetic.nothing", abs)
    with pytest.raises(ValueError, match="'nowhere.nothing'.*arithmetic"):
        exercises.check("nowhere.nothing", abs)
    with pytest.raises(TypeError, match="answer=3: expected the function outputs"):
        exercises.check("arithmetic.outputs", 3)
    with pytest.raises(TypeError, match="key=5"):
        exercises.check(5, abs)


def test_where_no_process_can_be_copied_it_runs_here_and_limits_nothing(monkeypatch):
    resource = pytest.importorskip("resource")
    names = (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE)
    before = [resource.getrlimit(name) for name in names], torch.get_num_threads()
    monkeypatch.delattr(os, "fork")
    assert judge(DOUBLE, run_function(DOUBLE, lambda x: 2 * x, ["f(1)", "f(2.5)", "f(0)"]))
    assert ([resource.getrlimit(name) for name in names], torch.get_num_threads()) == before


# --- Records --------------------------------------------------------------------------------------


def test_records_are_read_as_they_were_written():
    asked = record(("f('ä')", [1, {"a": None}], [(2, 0)]), mistakes=("Not “so”.",))
    text = write_records([asked, DOUBLE])
    assert [Record.from_json(one) for one in json.loads(text)] == [asked, DOUBLE]
    assert "ä" in text and max(map(len, text.splitlines())) < 200


def test_a_record_is_found_by_its_key():
    assert record_of("arithmetic.outputs") in records_of("arithmetic")
    assert records_of("nowhere") == ()


def test_long_values_are_written_short():
    assert written([0.1 + 0.2, True, None, {"a": "b"}]) == "[0.3, True, None, {'a': 'b'}]"
    assert written([2.0, -0.0, 1234567.0, 1e21, 1e-5]) == "[2, 0, 1234567, 1e+21, 1e-05]"
    assert len(written(list(range(1000)))) == 200
