"""The page's verdicts and Python's are the same, on the library's own exercises."""

import itertools
import json
import random
import re
from typing import Any

import pytest

from cnnlib.exercises.agreement import Raised, Result, Run, judge
from cnnlib.exercises.record import Case, Record, chapters, records_of
from tests.browser.conftest import write_page_of


def test_what_is_said_of_a_wrong_program_is_said_in_both_languages(new_page, serve, tmp_path):
    """The library's records, with what made-up programs give: a known mistake's values in all or
    some of the cases, the right ones or others in the rest, and now and then none that is plain."""
    dice = random.Random(5)
    asked = []
    for record in itertools.chain.from_iterable(map(records_of, chapters())):
        asked.append((record, [case.expected for case in record.cases]))
        for _ in range(6):
            which = dice.randrange(len(record.mistakes))
            values = []
            for case in record.cases:
                known = [one.value for one in case.known if one.sentence == which]
                others = [case.expected, None, 0, *(one.value for one in case.known)]
                as_known = known[0] if known else case.expected
                values.append(as_known if dice.random() < 0.9 else dice.choice(others))
            asked.append((record, values))
            asked.append((record, [case.expected for case in record.cases[:2]] + values[2:]))
    runs = [(record, [given(value, dice) for value in values]) for record, values in asked]
    runs += [(WORDS, [{"value": value}]) for value in TEXTS]
    verdicts = [judge(record, Run(tuple(map(as_result, results)))) for record, results in runs]
    assert {"mistake", "differs", "right", "raised"} <= {verdict.kind for verdict in verdicts}
    write_page_of(tmp_path / "site")
    page = new_page()
    page.goto(f"{serve(tmp_path / 'site')}/")
    found = page.evaluate(
        """async (text) => {
            const { judge } = await import("./widgets/agreement.js");
            return JSON.parse(text).map(([record, results]) => {
                const found = judge(record, { results, printed: "", ended: "" });
                return [found.kind, found.case, found.say, found.expected, found.got];
            });
        }""",
        json.dumps([(record.as_json(), results) for record, results in runs]),
    )
    values = ("differs", "mistake")  # else there is nothing to show
    assert [one[:4] for one in found] == [
        [one.kind, one.case, one.sentence, one.expected] for one in verdicts
    ]
    theirs = [one[4] for one in found if one[0] in values]
    ours = [one.got for one in verdicts if one.kind in values]
    assert [NUMBER.split(text) for text in theirs] == [NUMBER.split(text) for text in ours]
    for their, our in zip(map(NUMBER.findall, theirs), map(NUMBER.findall, ours), strict=True):
        # a tie: 17.40625 is 17.4063 there and 17.4062 here
        assert [float(one) for one in their] == pytest.approx([float(one) for one in our], rel=6e-6)


NUMBER = re.compile(r"-?\d+\.\d+(?:e[+-]\d+)?")
TEXTS = [
    0, "", 'a"b', "a'b", "a\\'\"b\n", [{"é": "x"}], "\0\x1b\x7f\xa0\u202e\ud800\U000e0041",
    "'" * 300, "\t" * 199, "😀 a b",
]  # fmt: skip
WORDS = Record(
    "made.f", "f", 1, "", "", 0.0, 5.0, True, (), (), (Case("f()", ["it's", {"a": 1234567.5}]),)
)


def given(value: Any, dice: random.Random) -> dict[str, Any]:
    """What one call gave, as the page's runner tells it."""
    chance = dice.random()
    if chance < 0.02:
        return {"raised": {"type": "ValueError", "message": "no", "lines": []}}
    return {"shown": "nan"} if chance < 0.04 else {"value": value}


def as_result(told: dict[str, Any]) -> Result:
    raised = told.get("raised")
    return Result(told.get("value"), told.get("shown"), raised and Raised("ValueError", "no"))
