"""Agreement in Python, by the cases that JavaScript's twin is held to as well."""

import json
from typing import Any

import pytest

from cnnlib.exercises.agreement import agrees
from tests.conftest import ROOT

CASES = json.loads((ROOT / "tests" / "exercise_agreement.json").read_text(encoding="utf-8"))
NUMBERS = {
    "nan": float("nan"), "inf": float("inf"), "-inf": float("-inf"), "1e400": 10**400
}  # fmt: skip


def with_numbers(value: Any) -> Any:
    """A value with the numbers that JSON has not, where it says {"number": name}."""
    if isinstance(value, list):
        return [with_numbers(one) for one in value]
    if isinstance(value, dict):
        if value.keys() == {"number"}:
            return NUMBERS[value["number"]]
        return {key: with_numbers(one) for key, one in value.items()}
    return value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_values_agree_or_not(case):
    got = with_numbers(case["got"])
    assert agrees(got, case["expected"], case["tolerance"]) is case["agrees"]


def test_there_are_many_cases_of_both_kinds_and_each_says_what_it_is():
    assert len(CASES) >= 100
    assert sum(case["agrees"] for case in CASES) >= 30 <= sum(not case["agrees"] for case in CASES)
    assert len({case["why"] for case in CASES}) == len(CASES)
