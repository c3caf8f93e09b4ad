import pytest
import torch

from cnnlib.exercises.oracle import check_against as check


def test_check_accepts_agreement_and_counts_cases(capsys):
    assert check(lambda a, b: a + b, oracle=lambda a, b: b + a, cases=[(1, 2), (3, 4)])
    assert "all 2 cases" in capsys.readouterr().out


def test_check_names_the_failing_call_what_came_and_what_was_expected(capsys):
    def halve(n):
        return n / 2

    assert not check(halve, oracle=lambda n: n // 2, cases=[(4,), (5,)])
    assert "halve(5) gave 2.5, expected 2" in capsys.readouterr().out


def test_check_reports_an_exception_and_an_unstarted_function(capsys):
    assert not check(lambda n: 1 / n, oracle=lambda n: 0, cases=[(0,)])
    assert "ZeroDivisionError" in capsys.readouterr().out
    assert not check(lambda n: None, oracle=lambda n: 7, cases=[(0,)])
    assert "7" not in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [torch.zeros(2, 3), torch.zeros(3, 2) + 1e-3, 0.0])
def test_check_compares_tensors_by_shape_and_value(wrong):
    oracle = lambda: torch.zeros(3, 2)  # noqa: E731
    assert not check(lambda: wrong, oracle=oracle, cases=[()])
    assert check(lambda: torch.zeros(3, 2) + 1e-7, oracle=oracle, cases=[()])


def test_check_refuses_an_empty_list_of_cases():
    with pytest.raises(ValueError, match="at least one"):
        check(abs, oracle=abs, cases=[])
