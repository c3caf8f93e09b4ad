"""The kinds of question of a quiz, as data: what is asked, what is right, what is known as wrong.

Each function gives one question for :class:`cnnlib.widgets.quiz.Quiz`. Text between backticks is
set as code. ``why`` is shown with the answer. Pass the value that a cell computed as ``answer``,
not a literal, so that the question cannot be wrong.

A question's ``id`` follows from what is asked. A reader's answer is kept under it, so it stays with
its question when others come or go, and is not taken for the answer to another one.
"""

import hashlib
import json
import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, SupportsIndex

from cnnlib.widgets.settling import is_whole, plain

MOST_STEPS = 1000  # of a prediction's slider
MOST_POINTS = 12  # of a sketch
MOST_AXES = 8  # of a shape
TOO_LARGE = 2**53  # from here on JavaScript does not have every whole number


def choice(
    prompt: str,
    options: Sequence[str],
    answer: SupportsIndex | Collection[int],
    why: str,
    *,
    why_not: Mapping[int, str] | None = None,
) -> dict:
    """A question with options to pick from.

    ``answer`` is the index of the one right option, or a collection of indices: then a reader may
    mark several, and is right with exactly these. ``why_not`` maps the index of a wrong option to a
    sentence that says what is wrong with it. Raises ``ValueError`` for an index that no option has.
    """
    options = list(options)
    if len(options) < 2:
        raise ValueError(f"options={options}: expected two or more")
    several = not _is_index(answer)
    right = sorted({operator.index(one) for one in (answer if several else [answer])})
    if not right or not all(0 <= one < len(options) for one in right):
        expected = "indices" if several else "the index of one"
        raise ValueError(f"answer={answer}: expected {expected} of {len(options)} options")
    wrong = {operator.index(one): sentence for one, sentence in (why_not or {}).items()}
    for one in wrong:
        if not 0 <= one < len(options) or one in right:
            raise ValueError(f"why_not has {one}: expected indices of wrong options")
    return _question(
        "several" if several else "choice",
        {"prompt": prompt, "options": options},
        answer=right if several else right[0],
        why=why,
        why_not=[wrong.get(i) for i in range(len(options))],
    )


def number(
    prompt: str,
    answer: float,
    why: str,
    tolerance: float = 0.0,
    *,
    relative: float = 0.0,
    unit: str = "",
    mistakes: Iterable[tuple[float, str]] = (),
) -> dict:
    """A question whose answer is a number, right within ``tolerance`` either way.

    ``tolerance`` is in the answer's own unit; ``relative`` is a share of the answer (0.05: 5 per
    cent), rounded to two digits. The wider of the two counts, and the reader is told it. ``unit``
    stands beside the field; a reader may write it or leave it out. ``mistakes``: (value, sentence),
    where the value is a wrong answer that is known, and the sentence says what went wrong. Raises
    ``ValueError`` for a mistake that counts as right.
    """
    answer = _number("answer", answer)
    tolerance = _at_least_0("tolerance", tolerance)
    relative = _at_least_0("relative", relative)
    question = _question(
        "number",
        {"prompt": prompt, "unit": unit},
        answer=answer,
        tolerance=max(tolerance, float(f"{relative * abs(answer):.2g}")),
        why=why,
        mistakes=[[_number("mistakes", value), sentence] for value, sentence in mistakes],
    )
    return _without_right_mistakes(question)


def shape(
    prompt: str,
    answer: Sequence[int],
    why: str,
    mistakes: Iterable[tuple[Sequence[int], str]] = (),
) -> dict:
    """A question whose answer is a shape, such as ``(64, 27, 27)``: all sizes, in their order.

    ``mistakes``: (shape, sentence), as for :func:`number`.
    """
    question = _question(
        "shape",
        {"prompt": prompt},
        answer=_sizes("answer", answer),
        why=why,
        mistakes=[[_sizes("mistakes", value), sentence] for value, sentence in mistakes],
    )
    return _without_right_mistakes(question)


def prediction(
    prompt: str,
    least: float,
    most: float,
    step: float,
    answer: float,
    why: str,
    tolerance: float = 0.0,
    unit: str = "",
) -> dict:
    """A question that is answered by a slider from ``least`` to ``most``, ``step`` by ``step``.

    When the prediction is checked, the truth is marked beside it. It is right within ``tolerance``,
    or within half a step where that is more.
    """
    least, most, answer = _range(least, most, [answer])
    step = _number("step", step)
    steps = (most - least) / step if step > 0 else 0
    if not 1 <= round(steps) <= MOST_STEPS or abs(steps - round(steps)) > 1e-6:
        raise ValueError(
            f"step={step}: expected a step that leads from {least} to {most} in at most "
            f"{MOST_STEPS} equal steps"
        )
    tolerance = _at_least_0("tolerance", tolerance)
    return _question(
        "prediction",
        {"prompt": prompt, "least": least, "most": most, "step": step, "unit": unit},
        answer=answer[0],
        tolerance=max(tolerance, step / 2),
        why=why,
    )


def sketch(
    prompt: str,
    x: Sequence[str | float],
    least: float,
    most: float,
    answer: Sequence[float],
    why: str,
    tolerance: float | None = None,
    *,
    across: str = "",
    up: str = "",
) -> dict:
    """A question that is answered by drawing a curve: one value from ``least`` to ``most`` for each
    place of ``x``.

    When the curve is checked, the truth is drawn over it. It is right where no point is further off
    than ``tolerance``, an eighth of the range if none is given. ``across`` and ``up`` are the
    axes' titles.
    """
    labels = [str(plain(label)) for label in x]
    if not 2 <= len(labels) <= MOST_POINTS:
        raise ValueError(f"x={labels}: expected 2 to {MOST_POINTS} places")
    least, most, answer = _range(least, most, answer)
    if len(answer) != len(labels):
        raise ValueError(f"answer={answer}: expected {len(labels)} values, one for each place of x")
    width = (most - least) / 8 if tolerance is None else _at_least_0("tolerance", tolerance)
    return _question(
        "sketch",
        {"prompt": prompt, "x": labels, "least": least, "most": most, "across": across, "up": up},
        answer=answer,
        tolerance=width,
        why=why,
    )


# --- What an answer can be, and whether it is right (twins: quiz_sums.js) -------------------------


def fits(question: Mapping[str, Any], given: Any) -> bool:
    """Whether a question can have this answer; None stands for none yet."""
    kind = question["kind"]
    if given is None:
        return True
    if kind == "choice":
        return is_whole(given) and 0 <= given < len(question["options"])
    if kind == "number":
        return _is_number(given)
    if kind == "prediction":
        return _is_number(given) and question["least"] <= given <= question["most"]
    if not isinstance(given, list):
        return False
    if kind == "several":
        inside = all(is_whole(one) and 0 <= one < len(question["options"]) for one in given)
        return inside and len(given) > 0 and given == sorted(set(given))
    if kind == "shape":
        sized = all(is_whole(one) and 0 < one < TOO_LARGE for one in given)
        return sized and 0 < len(given) <= MOST_AXES
    return len(given) == len(question["x"]) and all(
        _is_number(one) and question["least"] <= one <= question["most"] for one in given
    )


def is_right(question: Mapping[str, Any], given: Any) -> bool:
    """Whether an answer that fits answers the question."""
    return given is not None and _agrees(question, question["answer"], given)


def _agrees(question: Mapping[str, Any], value: Any, given: Any) -> bool:
    if question["kind"] in ("choice", "several", "shape"):
        return given == value
    if question["kind"] == "sketch":
        pairs = zip(value, given, strict=True)
        return all(_is_near(one, other, question["tolerance"]) for one, other in pairs)
    return _is_near(value, given, question["tolerance"])


def _is_near(value: float, given: float, tolerance: float) -> bool:
    """Within the tolerance; a little more, because 0.4 is not quite 0.3 + 0.1 in binary."""
    return abs(given - value) <= tolerance * (1 + 1e-9) + 1e-12 * abs(value)


# --- Checks ---------------------------------------------------------------------------------------


def _question(kind: str, asked: dict[str, Any], **rest: Any) -> dict:
    text = json.dumps([kind, plain(asked)], ensure_ascii=False)
    name = hashlib.sha256(text.encode()).hexdigest()[:10]
    return plain({"kind": kind, "id": name, **asked, **rest})


def _without_right_mistakes(question: dict) -> dict:
    for value, _ in question["mistakes"]:
        if is_right(question, value):
            raise ValueError(f"mistakes has {value}, which counts as the answer")
    return question


def _is_index(value: Any) -> bool:
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < TOO_LARGE


def _number(name: str, value: Any) -> float:
    value = float(value)
    if not abs(value) < TOO_LARGE:
        raise ValueError(f"{name}={value}: expected a number below 2**53, about 9e15")
    return value


def _at_least_0(name: str, value: Any) -> float:
    value = _number(name, value)
    if value < 0:
        raise ValueError(f"{name}={value}: expected 0 or more")
    return value


def _sizes(name: str, value: Iterable[Any]) -> list[int]:
    sizes = [operator.index(size) for size in value]
    if not 0 < len(sizes) <= MOST_AXES or not all(0 < size < TOO_LARGE for size in sizes):
        raise ValueError(f"{name}={sizes}: expected 1 to {MOST_AXES} sizes above 0")
    return sizes


def _range(least: Any, most: Any, answer: Iterable[Any]) -> tuple[float, float, list[float]]:
    least, most = _number("least", least), _number("most", most)
    if least >= most:
        raise ValueError(f"least={least}, most={most}: expected the least below the most")
    values = [_number("answer", value) for value in answer]
    for value in values:
        if not least <= value <= most:
            raise ValueError(f"answer={value}: expected a value from {least} to {most}")
    return least, most, values
