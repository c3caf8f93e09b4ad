"""Your code runs LeNet-5: seven functions of a student take the place of the library's, one by one.

The network's weights stay as they were trained. All that is computed with them, from the pixels to
the answer and to the loss, is in the end the student's.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm.auto import tqdm

from cnnlib.data import load_digits
from cnnlib.exercises.agreement import written
from cnnlib.exercises.plain import NotPlain, plain, shown
from cnnlib.layers import EuclideanRBF, ScaledTanh, Subsampling, TableConv2d
from cnnlib.models.lenet import C3_TABLE
from cnnlib.train.losses import map_criterion
from cnnlib.weights import load_weights, preprocess

PENALTY = 20.0  # the recipe's j: what the class "rubbish" costs
SAMPLE = 200  # digits that each checkpoint reads
BATCH = 100
TOLERANCE = 1e-4  # of the larger of 1 and what is expected


# --- The library's seven parts, by its own layers -------------------------------------------------


def _subsampled(x: Tensor, coefficient: Tensor, bias: Tensor) -> Tensor:
    layer = Subsampling(len(bias))
    layer.load_state_dict({"coefficient": coefficient, "bias": bias})
    return layer(x)


def _table_read(table: Sequence[str]) -> list[list[int]]:
    layer = TableConv2d([[mark == "X" for mark in row] for row in table], kernel_size=1)
    read: list[list[int]] = [[] for _ in range(layer.out_channels)]
    for output, input_ in layer.pairs:
        read[output].append(input_)
    return read


PARTS: dict[str, Callable] = {
    "convolve": F.conv2d,
    "squash": ScaledTanh(),
    "subsample": _subsampled,
    "maps_read": _table_read,
    "distances": lambda x, codes: EuclideanRBF(codes)(x),
    "answer": lambda distances: (-distances).max(dim=1).indices,
    "loss": lambda distances, labels, penalty: map_criterion(-distances, labels, penalty),
}
GIVES = {
    "convolve": "(N, C, H, W), (K, C, h, w), (K,) -> (N, K, H - h + 1, W - w + 1)",
    "squash": "any shape -> the same: 1.7159 tanh(2/3 x)",
    "subsample": "(N, C, H, W), (C,), (C,) -> (N, C, H // 2, W // 2)",
    "maps_read": "rows of X and . -> for each column the rows that have an X",
    "distances": "(N, D), (K, D) -> (N, K), squared",
    "answer": "(N, K) -> (N,), whole numbers",
    "loss": "(N, K), (N,), a number -> one number, equation 9",
}


# --- Checkpoints ----------------------------------------------------------------------------------


class Checkpoint(NamedTuple):
    """What came of a function: whether it took its part's place, and that in words."""

    passed: bool
    says: str

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return f"{'✓' if self.passed else '✗'} {self.says}"


class LeNetChain:
    """LeNet-5 with its trained weights, and seven parts that wait for yours.

    ``put(convolve)`` compares a function with the library's part of the same name. If it agrees, it
    takes that place, and the network reads digits with it. A notebook shows the chain as a list.
    """

    def __init__(self) -> None:
        self.own: dict[str, Callable] = {}
        self._network = load_weights("lenet5")
        digits = load_digits("test")
        self._images, self._labels = digits.images, torch.from_numpy(digits.labels).long()

    def __repr__(self) -> str:
        lines = [
            f"{'✓ yours  ' if name in self.own else '… library'}  {name:<10} {GIVES[name]}"
            for name in PARTS
        ]
        return "\n".join(lines)

    def put(self, function: Callable, part: str | None = None) -> Checkpoint:
        """Let ``function`` take the place of ``part``, by default the part of its own name.

        Raises:
            ValueError: if there is no such part.
            TypeError: if it is no function.
        """
        part = part or getattr(function, "__name__", "")
        if part not in PARTS:
            raise ValueError(f"part={part!r}: expected one of {', '.join(PARTS)}")
        if not callable(function):
            raise TypeError(f"{part}={function!r}: expected a function")
        fault = find_fault(part, function)
        if fault:
            return Checkpoint(False, f"{part}: {fault}")
        try:
            mine, theirs = self._read(SAMPLE, self.own | {part: function}), self._read(SAMPLE, {})
        except BaseException as error:  # the student's code may raise anything, SystemExit too
            return Checkpoint(False, f"{part}: in the network it raised {_told(error)}")
        if not torch.equal(mine.answers, theirs.answers) or abs(mine.loss - theirs.loss) > 1e-3:
            return Checkpoint(
                False, f"{part} agrees on small cases, but in the network other answers come out."
            )
        self.own[part] = function
        left = len(PARTS) - len(self.own)
        rest = f"{left} of {len(PARTS)} parts are still the library's" if left else "All is yours"
        return Checkpoint(True, f"{part}: LeNet-5 reads {mine.right} of {SAMPLE} digits. {rest}.")

    def run(self) -> Checkpoint:
        """Read all test digits with your seven parts and nothing else but the weights."""
        missing = [name for name in PARTS if name not in self.own]
        if missing:
            return Checkpoint(False, f"Still the library's: {', '.join(missing)}.")
        read = self._read(len(self._labels), self.own, progress=True)
        share = 100 * read.right / len(self._labels)
        return Checkpoint(
            True,
            f"{read.right:,} of {len(self._labels):,} digits are right, {share:.1f} %, "
            f"by your code and the trained weights alone. The mean loss is {read.loss:.2f}.",
        )

    def _read(self, count: int, own: dict[str, Callable], progress: bool = False) -> "_Read":
        parts = _Parts({**PARTS, **own})
        answers, losses = [], []
        starts = range(0, count, BATCH)
        with torch.no_grad():
            for start in tqdm(starts, "digits", unit_scale=BATCH, disable=not progress):
                rows = slice(start, min(start + BATCH, count))
                images = preprocess("lenet5", self._images[rows])
                far = forward(self._network, images, parts)
                answers.append(parts.answer(far).long().flatten())
                losses.append(float(parts.loss(far, self._labels[rows], PENALTY)) * len(far))
        answers = torch.cat(answers)
        right = int((answers == self._labels[:count]).sum())
        return _Read(answers, right, sum(losses) / count)


class _Read(NamedTuple):
    answers: Tensor
    right: int
    loss: float


class _Parts:
    """Seven functions, whose results may be tensors, arrays or lists of numbers."""

    def __init__(self, functions: dict[str, Callable]) -> None:
        self._functions = functions

    def __getattr__(self, name: str) -> Callable:
        function = self._functions[name]
        if name == "maps_read":
            return function
        return lambda *given: torch.as_tensor(function(*given))


def forward(network: Any, x: Tensor, parts: _Parts) -> Tensor:
    """LeNet-5's distances (N, 10) from its own weights, computed by ``parts`` alone."""
    squash, c3 = parts.squash, network.c3[0]
    x = squash(parts.convolve(x, network.c1[0].weight, network.c1[0].bias))
    x = squash(parts.subsample(x, network.s2[0].coefficient, network.s2[0].bias))
    maps, first = [], 0
    for column, rows in enumerate(parts.maps_read(C3_TABLE)):
        rows = [int(row) for row in rows]
        kernels = c3.weight[first : first + len(rows)][None]  # those of this map, (1, C, 5, 5)
        first += len(rows)
        maps.append(parts.convolve(x[:, rows], kernels, c3.bias[column : column + 1]))
    x = squash(torch.cat(maps, dim=1))
    x = squash(parts.subsample(x, network.s4[0].coefficient, network.s4[0].bias))
    x = squash(parts.convolve(x, network.c5[0].weight, network.c5[0].bias))
    x = squash(parts.convolve(x, network.f6[0].weight, network.f6[0].bias))
    return parts.distances(x.flatten(1), network.output.codes)


# --- Small cases ----------------------------------------------------------------------------------


def small_cases(part: str) -> list[tuple]:
    """Arguments on which a part is compared: small ones first, sizes that are not square."""
    dice = torch.Generator().manual_seed(5)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(shape, generator=dice)

    def labels(count: int) -> Tensor:
        return torch.randint(0, 10, (count,), generator=dice)

    return {
        "convolve": [
            (torch.arange(6.0).view(1, 1, 2, 3), torch.ones(1, 1, 2, 2), torch.zeros(1)),
            (numbers(2, 3, 6, 7), numbers(4, 3, 5, 5), numbers(4)),
            (numbers(3, 5, 1, 1), numbers(2, 5, 1, 1), numbers(2)),
        ],
        "squash": [(torch.tensor([-1.0, 0.0, 1.0]),), (numbers(2, 3, 4, 5),)],
        "subsample": [
            (torch.arange(8.0).view(1, 1, 2, 4), torch.tensor([0.25]), torch.zeros(1)),
            (numbers(2, 3, 4, 6), numbers(3), numbers(3)),
        ],
        "maps_read": [(("X.", "XX"),), (("X.X", ".XX", "X.."),), (C3_TABLE,)],
        "distances": [
            (torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 2.0], [-1.0, 2.0], [0.0, 0.0]])),
            (numbers(5, 7), numbers(3, 7)),
        ],
        "answer": [(torch.tensor([[3.0, 1.0, 2.0]]),), (numbers(6, 10).abs(),)],
        "loss": [
            (torch.tensor([[0.0, 8.0]]), torch.tensor([0]), 2.0),
            (torch.tensor([[0.0, 8.0]]), torch.tensor([1]), 2.0),
            (3 * numbers(4, 10).abs(), labels(4), 20.0),
        ],
    }[part]


def find_fault(part: str, function: Callable) -> str | None:
    """What is wrong with a function in its part's small cases, in words; None if nothing is."""
    for place, case in enumerate(small_cases(part)):
        with torch.no_grad():
            expected = PARTS[part](*case)
        given = [value.clone() if isinstance(value, Tensor) else value for value in case]
        try:
            got = function(*given)
        except BaseException as error:
            return f"case {place + 1} raised {_told(error)}. It gets {_shapes(case)}."
        if got is None:
            return "it returns nothing yet."
        try:
            found = plain(got)
        except NotPlain:
            return f"case {place + 1} gives {shown(got)}, expected numbers."
        changed = [
            i
            for i, (now, then) in enumerate(zip(given, case, strict=True))
            if isinstance(now, Tensor) and not torch.equal(now, then)
        ]
        if changed:
            return "it changes its input. Others still need it: compute a new tensor."
        fault = _compare(found, plain(expected))
        if fault:
            return f"case {place + 1}, which gets {_shapes(case)}: {fault}"
    return None


def _compare(got: Any, expected: Any) -> str | None:
    shapes = [_shape(value) for value in (got, expected)]
    if shapes[0] != shapes[1]:
        return f"its result has the shape {shapes[0]}, expected {shapes[1]}."
    pairs = zip(_flat(got), _flat(expected), strict=True)
    wrong = [(a, b) for a, b in pairs if abs(a - b) > TOLERANCE * max(1.0, abs(b))]
    if wrong:
        a, b = wrong[0]
        count = len(_flat(expected))
        return f"{len(wrong)} of {count} values differ; one is {written(a)}, expected {written(b)}."
    return None


def _shape(value: Any) -> tuple[int, ...] | str:
    """The shape of nested lists; of ragged ones the lengths, as text."""
    if not isinstance(value, list):
        return ()
    inner = {_shape(one) for one in value}
    if len(inner) > 1:
        return f"lists of {', '.join(str(len(one)) for one in value if isinstance(one, list))}"
    return (len(value), *(inner.pop() if inner else ()))


def _flat(value: Any) -> list[float]:
    return (
        [number for one in value for number in _flat(one)] if isinstance(value, list) else [value]
    )


def _shapes(case: tuple) -> str:
    return ", ".join(
        str(tuple(value.shape)) if isinstance(value, Tensor) else shown(value, 40) for value in case
    )


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]
