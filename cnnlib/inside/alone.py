"""Is a picture's answer its own? Only then can many pictures run at a time.

A network at test may still look across the batch (it normalises by the batch's own minimum, or
branches on its mean), or throw dice (dropout that stays active). Then no answer belongs to one
picture, and a map made of such answers would show the company that each picture had.
"""

import inspect
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cnnlib.calls import NUMBERS, own_name

#: How far an answer may be from the same picture's answer alone, as a share of the largest number
#: in it. Other batch sizes round differently, the more so in short numbers.
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}

#: The same for single precision where the device may shorten the factors (TF32).
TOLERANCE_SHORTENED = 5e-3

#: What a network raises that cannot take two pictures where it can take one.
_DOES_NOT_FIT = (RuntimeError, ValueError, IndexError, AssertionError, TypeError)

#: What the network says of a batch: tensors of one row a picture.
Ask = Callable[[Tensor], Sequence[Tensor]]


class Alone(NamedTuple):
    """A picture's answers when it runs alone, and the seconds a picture takes among two.

    ``takes_numbers``: the network takes numbers out of tensors. It may branch on them, and whether
    it does so for each picture by itself is not known for sure.
    """

    answers: Sequence[Tensor]
    seconds: float
    takes_numbers: bool


def check_takes_one_image(module: nn.Module, what: str) -> None:
    """Raise ``ValueError`` where ``module(image)`` does not fit its ``forward``."""
    try:
        signature = inspect.signature(module.forward)
    except (TypeError, ValueError):  # it has none that can be read
        return
    try:
        signature.bind(None)
    except TypeError:
        raise ValueError(
            f"{what}: {type(module).__name__}.forward takes {signature}: expected a network of one "
            "image, forward(image)"
        ) from None


def check_alone(ask: Ask, image: Tensor, fill: Tensor | None = None) -> Alone:
    """Ask about ``image``, (1, C, H, W), alone and in company, and compare.

    The company is one even picture: as bright as ``image`` and ``fill`` ever are, as dark as they
    ever are, or as bright as ``image`` is on average. Beside the first two the image is shown with
    half its contrast, so that the company changes all that a network can take from a whole batch:
    its largest and smallest value, its mean, its spread, its size. No value is outside the range.

    Raises ``ValueError`` where the answers differ: the network looks across the batch, or gives a
    picture another answer each time. Also where it takes one picture and no two.
    """
    watch = _NumbersWatch()
    alone, drew = _watch_dice(ask, image, watch)
    if drew and _watch_dice(ask, image, watch).drew:  # a layer made in the first run draws once
        raise ValueError(
            "the network draws random numbers (dropout or noise that stays active): expected one "
            "whose answer does not depend on chance"
        )
    values = image if fill is None else torch.cat([image.flatten(), fill.flatten()])
    bright, dark = values.max(), values.min()
    pale = (image + (bright + dark) / 2) / 2
    pale_alone = ask(pale.clone())
    grey = image.mean()
    seconds = []
    for picture, right, company, place in (
        (pale, pale_alone, bright, 1),
        (pale, pale_alone, dark, 0),
        (image, alone, grey, 1),
    ):
        beside = torch.full_like(image, company.item())
        start = time.perf_counter()
        found = _in_company(ask, torch.cat([beside, picture] if place else [picture, beside]))
        off = measure_gap([answer[place : place + 1] for answer in found], right)
        seconds.append((time.perf_counter() - start) / 2)
        if off > 1:
            if measure_gap(ask(picture.clone()), right) > 1:
                raise ValueError(
                    "the network gives the same picture another answer the second time: expected "
                    "the same one, whatever ran before"
                )
            raise dependent()
    return Alone(alone, min(seconds), watch.taken)


def _in_company(ask: Ask, batch: Tensor) -> Sequence[Tensor]:
    try:
        return ask(batch)
    except torch.OutOfMemoryError:
        raise
    except _DOES_NOT_FIT as error:
        raise ValueError(
            f"the network takes one picture, and with two it raises {type(error).__name__}: "
            f"{error}. Expected a network of any number of pictures"
        ) from error


def dependent() -> ValueError:
    """What is raised where a picture's answer depends on its company."""
    return ValueError(
        "the network answers for a picture by what else is in the batch (a statistic over the "
        "batch, or a branch on one): expected a network that takes each picture by itself"
    )


def measure_gap(
    found: Sequence[Tensor], right: Sequence[Tensor], more: Sequence[Tensor] | None = None
) -> float:
    """The largest difference of two answers, as a multiple of what rounding may do.

    ``more``: other answers, which help to say how large the network's numbers are. Infinities and
    NaN are equal to themselves.
    """
    worst = 0.0
    for one, other, others in zip(found, right, more or right, strict=True):
        if one.shape != other.shape:
            return float("inf")
        tolerance = _tolerance(other)
        one, other = one.double(), other.double()
        same = (one == other) | (one.isnan() & other.isnan())
        off = (one - other).abs().masked_fill(same, 0).nan_to_num(nan=torch.inf, posinf=torch.inf)
        sizes = torch.cat([other.flatten(), others.double().flatten()]).abs()
        size = sizes.masked_fill(~sizes.isfinite(), 0).max().item() if len(sizes) else 0.0
        if off.numel() and off.max() > 0:
            worst = max(worst, off.max().item() / max(tolerance * size, 1e-300))
    return worst


def _tolerance(answer: Tensor) -> float:
    if answer.dtype == torch.float32 and answer.device.type != "cpu":
        return TOLERANCE_SHORTENED
    return TOLERANCE.get(answer.dtype, TOLERANCE[torch.float32])


class _NumbersWatch(TorchFunctionMode):
    """Sees whether numbers are taken out of tensors."""

    taken = False

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.taken = self.taken or own_name(func) in NUMBERS
        return func(*args, **(kwargs or {}))


class _Watched(NamedTuple):
    """Answers, and whether random numbers were drawn for them."""

    answers: Sequence[Tensor]
    drew: bool


def _watch_dice(ask: Ask, image: Tensor, watch: TorchFunctionMode) -> _Watched:
    before = _dice()
    with watch:
        answers = ask(image.clone())
    return _Watched(answers, not _same(before, _dice()))


def _dice() -> list[Any]:
    """Where the generators of random numbers stand."""
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return [random.getstate(), np.random.get_state()[1:3], torch.get_rng_state(), *devices]


def _same(before: list[Any], after: list[Any]) -> bool:
    (python, (keys, place), *tensors), (python_now, (keys_now, place_now), *now) = before, after
    return (
        python == python_now
        and place == place_now
        and np.array_equal(keys, keys_now)
        and all(torch.equal(a, b) for a, b in zip(tensors, now, strict=True))
    )
