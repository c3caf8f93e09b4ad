"""Your code runs a network: functions of a student take the place of the library's, one by one.

The trained weights stay as they are. A chain names the parts of what is computed with them. Its
``put`` compares a function with the library's part on small cases. If they agree, the function
takes that place, and the network runs with it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from cnnlib.data import ImageSet, load_gallery
from cnnlib.exercises.agreement import written
from cnnlib.exercises.plain import NotPlain, plain, shown
from cnnlib.weights import WEIGHTS, load_weights, preprocess

SMALL = 1e-4  # how far small cases may be off, of the larger of 1 and what is expected
LARGE = 1e-3  # the same for what the network gives
BATCH = 100  # images at once
NOT_BEGUN = "it returns nothing yet."


class Part(NamedTuple):
    """A place in the chain: the library's function, its shapes in words, and small cases.

    A case is a tuple of arguments, small ones first. ``results``: how many the function gives.
    ``lists``: the chain takes what it gives as it is, not as a tensor.
    """

    theirs: Callable
    gives: str
    cases: Sequence[tuple]
    results: int = 1
    lists: bool = False


class Checkpoint(NamedTuple):
    """What came of a function: whether it took its part's place, and that in words.

    ``begun``: whether there is a function yet, or only its starter.
    """

    passed: bool
    says: str
    begun: bool = True

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return f"{'✓' if self.passed else '✗' if self.begun else '…'} {self.says}"


class Parts:
    """The functions as the chain calls them: ``parts.convolve(x, weight)``.

    They get copies, so that a function which changes its input harms nobody. What they give may be
    tensors, arrays or lists of numbers.
    """

    def __init__(self, parts: dict[str, Part], own: dict[str, Callable]) -> None:
        self._parts = parts
        self._functions = {name: part.theirs for name, part in parts.items()} | own

    def __getattr__(self, name: str) -> Callable:
        part, function = self._parts[name], self._functions[name]

        def call(*given: Any) -> Any:
            found = function(*_copied(given))
            if part.lists:
                return found
            if part.results == 1:
                return _tensor(found)
            return tuple(map(_tensor, _taken_apart(found, part.results)))

        return call


class Reading(NamedTuple):
    """Something that the network does: with these parts, by the library, and in words.

    Both give tensors by name, "scores" for instance. Where the library's are none, nothing is
    compared.
    """

    read: Callable[[Parts], dict[str, Tensor]]
    expected: Callable[[], dict[str, Tensor]]
    says: Callable[[dict[str, Tensor]], str]


class Chain(ABC):
    """A network with its trained weights, and parts that wait for yours.

    ``put(convolve)`` compares a function with the library's part of the same name. If it agrees, it
    takes that place, and the network runs with it. ``run()`` runs all of it, once all parts are
    yours. A notebook shows the chain as a list.
    """

    parts: ClassVar[dict[str, Part]]

    def __init__(self) -> None:
        self.own: dict[str, Callable] = {}

    @abstractmethod
    def sample(self) -> Reading:
        """A short reading, for the checkpoints."""

    @abstractmethod
    def whole(self) -> Reading:
        """The reading of ``run``."""

    def __repr__(self) -> str:
        width = max(map(len, self.parts))
        return "\n".join(
            f"{'✓ yours  ' if name in self.own else '… library'}  {name:<{width}}  {part.gives}"
            for name, part in self.parts.items()
        )

    def put(self, function: Callable, part: str | None = None) -> Checkpoint:
        """Let ``function`` take the place of ``part``, by default the part of its own name.

        Raises:
            ValueError: if there is no such part.
            TypeError: if it is no function.
        """
        part = part or getattr(function, "__name__", "")
        if part not in self.parts:
            raise ValueError(f"part={part!r}: expected one of {', '.join(self.parts)}")
        if not callable(function):
            raise TypeError(f"{part}={function!r}: expected a function")
        if fault := find_fault(self.parts[part], function):
            return Checkpoint(False, f"{part}: {fault}", begun=fault != NOT_BEGUN)
        tried = self._try(self._sample, self.own | {part: function})
        if not tried:
            return Checkpoint(False, f"{part} agrees on small cases. {tried.says}")
        self.own[part] = function
        left = len(self.parts) - len(self.own)
        rest = f"Still the library's: {left} of {len(self.parts)} parts" if left else "All is yours"
        return Checkpoint(True, f"{part}: {tried.says} {rest}.")

    def run(self) -> Checkpoint:
        """Run all of it, with your parts in all places."""
        return self.run_reading(self.whole())

    def run_reading(self, reading: Reading) -> Checkpoint:
        missing = [name for name in self.parts if name not in self.own]
        if missing:
            return Checkpoint(False, f"Still the library's: {', '.join(missing)}.", begun=False)
        return self._try(reading, self.own)

    @cached_property
    def _sample(self) -> Reading:
        reading = self.sample()
        with torch.no_grad():
            expected = reading.expected()
        return reading._replace(expected=lambda: expected)

    def _try(self, reading: Reading, own: dict[str, Callable]) -> Checkpoint:
        try:
            with torch.no_grad():
                found = reading.read(Parts(self.parts, own))
        except BaseException as error:  # the student's code may raise anything, SystemExit too
            return Checkpoint(False, f"In the network it raised {told(error)}.")
        with torch.no_grad():
            expected = reading.expected()
        for name, values in expected.items():
            if fault := _compare(found[name], values, LARGE):
                return Checkpoint(False, f"In the network other {name} come out: {fault}")
        return Checkpoint(True, reading.says(found))


class PhotographChain(Chain):
    """A network of the book's own twenty classes of photographs, at 64x64 pixels.

    ``run()`` reads the photographs that come with the book. ``run(test)`` reads an image set: the
    test images of Tiny ImageNet, which do not come with it.
    """

    key: ClassVar[str]
    network_name: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.network = load_weights(self.key)
        self.record = WEIGHTS[self.key]
        at_64 = replace(self.record.preprocessing, resize=64)
        self._photographs = at_64.apply([photograph.image for photograph in load_gallery()])

    @abstractmethod
    def scores(self, x: Tensor, parts: Parts) -> Tensor:
        """The network's scores (N, 20) for its input (N, 3, 64, 64), computed with ``parts``."""

    def sample(self) -> Reading:
        few = self._photographs[:8]
        return self._scoring(
            few, lambda _: f"{self.network_name} gives {len(few)} photographs their scores."
        )

    def whole(self) -> Reading:
        says = (
            f"All {len(self._photographs)} photographs of the book get the scores that the "
            "library's layers give. How many test images are right, run(test) counts; the record "
            f"of {self.key} says {100 * self.record.accuracy:.1f} %."
        )
        return self._scoring(self._photographs, lambda _: says)

    def run(self, test: ImageSet | None = None) -> Checkpoint:
        """Run the network with your parts in all places, on the photographs or on ``test``.

        Raises:
            ValueError: if the classes of ``test`` are not the network's.
        """
        if test is None:
            return super().run()
        if test.categories != self.record.categories:
            raise ValueError(
                f"test: of the classes {shown(test.categories, 80)}, "
                f"expected {shown(self.record.categories, 80)}"
            )
        return self.run_reading(self._counting(test))

    def _scoring(self, x: Tensor, says: Callable) -> Reading:
        return Reading(
            lambda parts: {"scores": self.scores(x, parts)},
            lambda: {"scores": self.network(x)},
            says,
        )

    def _counting(self, test: ImageSet) -> Reading:
        labels = torch.from_numpy(test.labels)

        def read(parts: Parts) -> dict[str, Tensor]:
            found = []
            for start in tqdm(range(0, len(test), BATCH), "photographs", unit_scale=BATCH):
                x = preprocess(self.key, test.images[start : start + BATCH])
                found.append(self.scores(x, parts).argmax(dim=1))
            return {"answers": torch.cat(found)}

        def says(found: dict[str, Tensor]) -> str:
            right = int((found["answers"] == labels).sum())
            return (
                f"{right:,} of {len(test):,} photographs are right, "
                f"{100 * right / len(test):.1f} %, by your code and the trained weights. The "
                f"record of {self.key} says {100 * self.record.accuracy:.1f} %, of "
                f"{self.record.tested_on:,}."
            )

        return Reading(read, dict, says)


# --- Small cases ----------------------------------------------------------------------------------


class Dice:
    """Numbers for small cases, the same each time."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def numbers(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self._generator)

    def labels(self, count: int, classes: int = 10) -> Tensor:
        return torch.randint(0, classes, (count,), generator=self._generator)


def find_fault(part: Part, function: Callable) -> str | None:
    """What is wrong with a function in its part's small cases, in words; None if nothing is."""
    for place, case in enumerate(part.cases, start=1):
        with torch.no_grad():
            expected = part.theirs(*_copied(case))
        given = _copied(case)
        try:
            with torch.no_grad():
                got = function(*given)
                found = None if got is None else plain(got)
        except NotPlain:
            return f"case {place} gives {' '.join(shown(got).split())}, expected numbers."
        except BaseException as error:  # the student's code may raise anything, SystemExit too
            return f"case {place} raised {told(error)}. It gets {_shapes(case)}."
        if found is None:
            return NOT_BEGUN
        if not _same(given, case):
            return "it changes its input. Others still need it: compute a new tensor."
        if fault := _fault(found, expected, part.results):
            return f"case {place}, which gets {_shapes(case)}: {fault}"
    return None


def _fault(found: Any, expected: Any, results: int) -> str | None:
    if results == 1:
        return _compare(found, plain(expected), SMALL)
    if not isinstance(found, list) or len(found) != results:
        return f"it gives {written(found)}, expected {results} results."
    for number, pair in enumerate(zip(found, expected, strict=True), start=1):
        if fault := _compare(pair[0], plain(pair[1]), SMALL):
            return f"in result {number} of {results}, {fault}"
    return None


def _compare(got: Any, expected: Any, tolerance: float) -> str | None:
    """The first place where numbers differ, in words; both plain values or tensors."""
    shapes = [_shape(value) for value in (got, expected)]
    if shapes[0] != shapes[1]:
        return f"the result has the shape {shapes[0]}, expected {shapes[1]}."
    (places, found), (_, wanted) = _numbers(got), _numbers(expected)
    if found is None:
        return f"the result is {shown(got)}, expected numbers."
    wrong = ~((found - wanted).abs() <= tolerance * wanted.abs().clamp(min=1))  # nan is wrong
    if not wrong.any():
        return None
    first = int(wrong.nonzero()[0])
    where = f", at {list(places(first))}," if shapes[0] else ""
    return (
        f"{int(wrong.sum())} of {len(wrong)} values differ. The first{where} is "
        f"{written(found[first].item())}, expected {written(wanted[first].item())}."
    )


def _shape(value: Any) -> tuple[int, ...] | str:
    """The shape of a tensor or of nested lists; where lengths differ, that of each, as text."""
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if not isinstance(value, list):
        return ()
    inner = [_shape(one) for one in value]
    if len(set(inner)) > 1 or any(isinstance(shape, str) for shape in inner):
        return f"[{', '.join(map(str, inner))}]"
    return (len(value), *(inner[0] if inner else ()))


def _numbers(value: Any) -> tuple[Callable[[int], Iterable[int]], Tensor | None]:
    """All numbers of a value, (K,), or None if it holds others; and what gives a number's place."""
    if isinstance(value, Tensor):
        return lambda at: map(int, np.unravel_index(at, value.shape)), value.double().flatten()
    leaves = list(_leaves(value))
    try:
        numbers = torch.tensor([leaf for _, leaf in leaves], dtype=torch.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # texts, None, too large a number
        numbers = None
    return lambda at: leaves[at][0], numbers


def _leaves(value: Any, place: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Any]]:
    if not isinstance(value, list):
        yield place, value
        return
    for number, one in enumerate(value):
        yield from _leaves(one, (*place, number))


def _copied(value: Any) -> Any:
    """Arguments with each tensor copied."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, tuple | list):
        return type(value)(map(_copied, value))
    return value


def _same(now: Any, then: Any) -> bool:
    if isinstance(now, tuple | list):
        return len(now) == len(then) and all(map(_same, now, then))
    return not isinstance(now, Tensor) or torch.equal(now, then)


def _tensor(value: Any) -> Tensor:
    try:
        found = torch.as_tensor(value).detach()
    except (TypeError, ValueError, RuntimeError):  # what torch takes for no numbers: a generator
        found = torch.as_tensor(plain(value))
    return found.float() if found.is_floating_point() else found


def _taken_apart(value: Any, count: int) -> list:
    found = list(value)
    if len(found) != count:
        raise ValueError(f"{len(found)} results, expected {count}")
    return found


def _shapes(value: Any) -> str:
    """What a case holds: the shapes of its tensors, its functions, its other values as they are."""
    if isinstance(value, Tensor):
        return str(tuple(value.shape))
    if isinstance(value, tuple | list) and _holds_tensors(value):
        return f"[{', '.join(map(_shapes, value))}]"
    return "a function" if callable(value) else shown(value, 40)


def _holds_tensors(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return any(map(_holds_tensors, value))
    return isinstance(value, Tensor)


def told(error: BaseException) -> str:
    """An exception in words, on one line, whatever its own text does."""
    try:
        text = " ".join(str(error).split())
    except BaseException:  # its __str__ is the student's
        text = ""
    said = f"{type(error).__name__}: {text}".rstrip(": ")
    return said if len(said) <= 300 else said[:298] + " …"
