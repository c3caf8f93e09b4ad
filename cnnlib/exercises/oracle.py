"""The older way: a function against an oracle that stands in the chapter, case by case."""

from collections.abc import Callable, Iterable
from typing import Any


def check_against(student: Callable, *, oracle: Callable, cases: Iterable[tuple]) -> bool:
    """Call both functions with each case and print how far they agree; True if on every case.

    ``cases`` are tuples of arguments. Results may be numbers, tuples or tensors; tensors agree
    within 1e-5. Printed is the first case that fails, with its arguments, what came and what was
    expected, or how many cases passed. A function that still returns ``None`` is called not
    started, and no answer is given away.
    """
    name = getattr(student, "__name__", "your function")
    passed = 0
    for case in cases:
        call = f"{name}({', '.join(_short(value) for value in case)})"
        try:
            got = student(*case)
        except Exception as error:  # the student's code may fail in any way; say how
            print(f"✗ {call} raised {type(error).__name__}: {error}")
            return False
        if got is None:
            print(f"… {name} returns nothing yet. Write it, then run this cell again.")
            return False
        expected = oracle(*case)
        if not _agree(got, expected):
            print(f"✗ {call} gave {_short(got)}, expected {_short(expected)}.")
            return False
        passed += 1
    if not passed:
        raise ValueError("cases: expected at least one")
    print(f"✓ {name}: all {passed} cases agree.")
    return True


def _agree(got: Any, expected: Any) -> bool:
    import torch

    if isinstance(expected, torch.Tensor):
        return (
            isinstance(got, torch.Tensor)
            and got.shape == expected.shape
            and torch.allclose(got.double(), expected.double(), rtol=1e-5, atol=1e-5)
        )
    if isinstance(expected, tuple | list):
        return (
            isinstance(got, tuple | list)
            and len(got) == len(expected)
            and all(_agree(*pair) for pair in zip(got, expected, strict=True))
        )
    if isinstance(got, torch.Tensor) and got.numel() != 1:
        return False
    return bool(abs(got - expected) <= 1e-5 * max(1.0, abs(expected)))


def _short(value: Any) -> str:
    import torch

    if isinstance(value, torch.Tensor) and value.numel() > 9:
        return f"a tensor of shape {tuple(value.shape)}"
    return str(value).replace("\n", "")
