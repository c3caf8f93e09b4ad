"""The widget in which a student writes a function: its record, its program, a kernel's verdict."""

import pytest

from cnnlib.exercises import exercise
from cnnlib.exercises.record import chapters, records_of
from cnnlib.widgets.code_exercise import LONGEST, CodeExercise, checked_record, is_program, written

OUTPUT_SIZE = {
    "key": "arithmetic.output_size",
    "name": "output_size",
    "points": 2,
    "starter": "def output_size(size, kernel_size, stride=1, padding=0):\n    ...\n",
    "setup": "",
    "tolerance": 1e-6,
    "page": True,
    "hints": [
        "How many places can the window's first cell have?",
        "With a stride only every `stride`-th of these places is left: use `//`.",
    ],
    "mistakes": ["You forgot the stride.", "You forgot that padding is on both sides."],
    "cases": [
        {"call": "output_size(5, 3)", "expected": 3, "mistakes": [[None, 1]]},
        {"call": "output_size(7, 3, stride=2)", "expected": 3, "mistakes": [[5, 0]]},
        {"call": "output_size(7, 3, padding=1)", "expected": 7, "mistakes": [[6, 1]]},
    ],
}
OUTPUT_SIZE_RIGHT = """def output_size(size, kernel_size, stride=1, padding=0):
    return (size + 2 * padding - kernel_size) // stride + 1
"""
SOFTMAX = {
    "key": "training.softmax",
    "name": "softmax",
    "points": 1,
    "starter": "import math\n\ndef softmax(scores):\n    ...\n",
    "setup": "def rounded(values):\n    return [round(value, 4) for value in values]\n",
    "hints": ["Take away the largest score first."],
    "mistakes": ["The shares do not add up to 1: divide by their sum."],
    "cases": [
        {"call": "softmax([0, 0])", "expected": [0.5, 0.5], "mistakes": [[[1, 1], 0]]},
        {"call": "rounded(softmax([1.0, 2.0, 3.0]))", "expected": [0.09, 0.2447, 0.6652]},
        {"call": "softmax([1000.0, 1000.0])", "expected": [0.5, 0.5]},
    ],
}
SOFTMAX_RIGHT = """import math

def softmax(scores):
    most = max(scores)
    powers = [math.exp(score - most) for score in scores]
    return (power / sum(powers) for power in powers)
"""
MAX_POOL = {
    "key": "pooling.max_pool",
    "name": "max_pool",
    "points": 3,
    "starter": "def max_pool(row, size):\n    # the values and their places\n    ...\n",
    "cases": [
        {"call": "max_pool([1, 5, 2, 2], 2)", "expected": {"values": [5, 2], "switches": [1, 2]}},
        {"call": "max_pool([-1.5, -2], 2)", "expected": {"values": [-1.5], "switches": [0]}},
        {"call": "max_pool([], 2)", "expected": {"values": [], "switches": []}},
    ],
}
MAX_POOL_RIGHT = """def max_pool(row, size):
    values, switches = [], []
    for start in range(0, len(row), size):
        window = row[start:start + size]
        values.append(max(window))
        switches.append(start + window.index(max(window)))
    return {"values": values, "switches": switches}
"""
RECORDS = [OUTPUT_SIZE, SOFTMAX, MAX_POOL]
RIGHT = [OUTPUT_SIZE_RIGHT, SOFTMAX_RIGHT, MAX_POOL_RIGHT]


def make(**options) -> CodeExercise:
    return CodeExercise(OUTPUT_SIZE, **options)


# --- The record -----------------------------------------------------------------------------------


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["name"])
def test_a_record_gets_all_its_entries_and_the_editor_its_starter(record):
    widget = CodeExercise(record)
    assert widget.code == record["starter"] and widget.hints == 0
    assert (
        widget.fixed["record"] == checked_record(record) == checked_record(checked_record(record))
    )
    assert widget.fixed["record"].items() >= {"seconds": 2, "page": True, "tolerance": 1e-6}.items()
    assert widget.questions() == [record["key"]]


def test_every_record_of_the_library_is_one():
    records = [record for chapter in chapters() for record in records_of(chapter)]
    assert records
    for record in records:
        assert CodeExercise(record.as_json()).fixed["record"]["key"] == record.key


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("key", "output_size", r"record\['key'\]='output_size': expected 'chapter.name'"),
        ("name", "output size", r"record\['name'\]='output size': expected the name of a function"),
        ("points", 0, r"record\['points'\]=0: expected 1 or more"),
        ("points", True, r"record\['points'\]=True"),
        ("starter", "x" * (LONGEST + 1), r"record\['starter'\]=.*at most 20000"),
        ("starter", 3, r"record\['starter'\]=3"),
        ("tolerance", -1, r"record\['tolerance'\]=-1: expected 0 or more"),
        ("tolerance", float("nan"), r"record\['tolerance'\]=nan"),
        ("seconds", 0, r"record\['seconds'\]=0"),
        ("page", 1, r"record\['page'\]=1: expected True or False"),
        ("hints", ["a", "b", "c", "d"], r"record\['hints'\]=.*up to three"),
        ("hints", "a", r"record\['hints'\]='a'"),
        ("mistakes", [3], r"record\['mistakes'\]=\[3\]"),
        ("cases", [], r"record\['cases'\]=\[\]: expected a list of at least one case"),
        ("cases", [{"call": "f()"}], r"record\['cases'\]\[0\]=.*expected a dict with call"),
        ("cases", [{"call": " ", "expected": 1}], r"record\['cases'\]\[0\]\['call'\]=' '"),
        (
            "cases",
            [{"call": "f()", "expected": float("inf")}],
            r"\['expected'\]=inf: .*plain value",
        ),
        (
            "cases",
            [{"call": "f()", "expected": 1, "mistakes": [[2, 2]]}],
            r"\['mistakes'\] has \[2, 2\]: expected .* one of 2 sentences",
        ),
        ("cases", [{"call": "f()", "expected": 1, "solution": 2}], r"\['cases'\]\[0\] has "),
        ("solution", "def f(): ...", r"record\['solution'\]: expected entries among key, name"),
    ],
)
def test_a_record_that_is_none_is_refused_by_its_entry(name, value, said):
    with pytest.raises(ValueError, match=said):
        CodeExercise(OUTPUT_SIZE | {name: value})


def test_a_record_without_what_it_must_have_is_refused():
    for name in ("key", "name", "points", "starter", "cases"):
        with pytest.raises(ValueError, match=f"record has no '{name}': expected "):
            CodeExercise({key: value for key, value in OUTPUT_SIZE.items() if key != name})
    with pytest.raises(ValueError, match="record=3: expected a dict"):
        CodeExercise(3)


# --- The program ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "fits"),
    [
        ("", True),
        ("a\tb\n", True),
        ("x" * LONGEST, True),
        ("x" * (LONGEST + 1), False),
        ("😀" * (LONGEST // 2), True),  # two units each, as JavaScript counts
        ("😀" * (LONGEST // 2) + "x", False),
        ("a\rb", False),
        ("\x00", False),
        ("\ud800", False),
        (3, False),
        (None, False),
        (["a"], False),
    ],
)
def test_a_program_is_a_text_that_an_editor_can_show(code, fits):
    assert is_program(code) == fits
    widget = make()
    if fits:
        widget.code = code
        assert widget.code == code
    else:
        with pytest.raises(ValueError, match="code=.*expected a text of at most 20000 characters"):
            widget.code = code
        assert widget.code == OUTPUT_SIZE["starter"]


def test_there_are_as_many_hints_as_the_record_has():
    widget = make(hints=2)
    with pytest.raises(ValueError, match="hints=3: expected a whole number from 0 to 2"):
        widget.hints = 3


# --- A kernel's verdict ---------------------------------------------------------------------------


def test_the_page_asks_and_the_kernel_answers():
    asked = []

    def respond(code: str) -> dict:
        asked.append(code)
        return {"kind": "right"}

    widget = make(respond=respond)
    assert widget.fixed["live"] and not widget.page_state()["fixed"]["live"]
    widget.set_state({"request": {"number": 7, "code": "def f(): ..."}})
    assert asked == ["def f(): ..."]
    assert widget.answer == {"number": 7, "kind": "right"}
    widget.set_state({"request": {"number": 8, "code": 3}})
    assert asked == ["def f(): ..."] and widget.answer["number"] == 7


def test_the_library_answers_for_its_exercises():
    widget = CodeExercise(**exercise("arithmetic.outputs"))
    answers = []
    for number, code in enumerate(["def outputs(", widget.code, "raise ValueError('no')"]):
        widget.set_state({"request": {"number": number, "code": code}})
        answers.append(widget.answer)
    assert [answer["number"] for answer in answers] == [0, 1, 2]
    assert [answer["kind"] for answer in answers] == ["syntax", "not_started", "raised"]
    assert answers[2]["raised"]["lines"] == [[1, "raise ValueError('no')"]]


def test_where_the_kernel_fails_the_page_hears_why():
    def respond(code: str) -> dict:
        raise OSError("no room")

    widget = make(respond=respond)
    with pytest.raises(OSError, match="no room"):
        widget.set_state({"request": {"number": 1, "code": ""}})
    assert widget.answer == {"number": 1, "error": "OSError: no room"}


def test_without_respond_nothing_is_asked():
    widget = make()
    widget.set_state({"request": {"number": 1, "code": ""}})
    assert widget.answer == {} and not widget.fixed["live"]


# --- On paper -------------------------------------------------------------------------------------


def test_on_paper_stand_the_program_and_what_each_case_gives():
    picture = make(code="a < b\n").still_picture()
    assert "a &lt; b" in picture
    for case in OUTPUT_SIZE["cases"]:
        assert case["call"] in picture
    assert "You forgot" not in picture and "How many places" not in picture
    assert "output_size" in make().text_alternative()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (3, "3"),
        (1 / 3, "0.333333"),
        (1e-7, "1e-07"),
        ([1, [2.5]], "[1, [2.5]]"),
        ({"a": None}, '{"a": None}'),
        ('a"\n', '"a\\"\\n"'),
        (list(range(100)), "[" + ", ".join(map(str, range(100)))[:197] + " …"),
    ],
)
def test_a_value_is_written_as_a_student_would_type_it(value, text):
    assert written(value) == text
