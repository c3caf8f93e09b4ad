"""One call of a torch function, and the rules that say what each function does to the axes.

The rules are in `windows` (what slides), `shapes` (what moves) and `sums` (what mixes). Each is
registered here by the function's plain name, takes a :class:`Call` and returns its :class:`Effect`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from cnnlib.trace.reading import IDENTITY, Reading

#: One dimension of a tensor, as the factors it is made of, outermost first: (axis, size), where
#: axis numbers a spatial axis of the network's input and None is anything else. A map flattened
#: into a vector is ((None, C), (0, H), (1, W)).
Dim = tuple[tuple[int | None, int], ...]


def free(size: int) -> Dim:
    """A dimension that is no spatial axis."""
    return ((None, size),)


def axes_of(dim: Dim) -> list[int]:
    return [axis for axis, _ in dim if axis is not None]


def size_of(dim: Dim) -> int:
    return math.prod(size for _, size in dim)


@dataclass(frozen=True)
class Value:
    """A tensor that depends on the network's input: the row that made it, and its dimensions."""

    row: int
    dims: tuple[Dim, ...]


@dataclass(frozen=True)
class Effect:
    """What a call does: its output's dimensions, how it reads each axis, its multiply-adds.

    Axes without a reading are read place by place.
    """

    dims: Sequence[Dim]
    readings: dict[int, Reading] = field(default_factory=dict)
    macs: int = 0


@dataclass(frozen=True)
class Call:
    """A torch function that was called with the network's data; ``out`` is what it gave."""

    where: str
    name: str
    args: tuple
    kwargs: dict[str, Any]
    out: Any
    values: dict[int, Value]
    axes: int

    def get(self, position: int, name: str, default: Any = None) -> Any:
        """An argument, given by position or by name."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)

    def value(self, tensor: Any) -> Value | None:
        """What is known of an argument; None if it does not depend on the network's input."""
        return self.values.get(id(tensor))

    @property
    def x(self) -> Tensor:
        return self.get(0, "input")

    @property
    def dims(self) -> tuple[Dim, ...]:
        """The dimensions of the first argument."""
        value = self.value(self.x)
        if value is None:
            raise self.refusal("only another argument depends on the network's input")
        return value.dims

    @property
    def out_shape(self) -> tuple[int, ...]:
        return tuple(next(tensors(self.out)).shape)

    def place(self, dim: int) -> int:
        """A dimension's number, counted from the front."""
        return dim % len(self.dims)

    def refusal(self, why: str) -> "Refusal":
        return Refusal(f"{self.where}: {self.name}: {why}, which trace cannot follow")

    def along(self, place: int, reading: Reading, units: int) -> Effect:
        """A reading of one dimension; it counts if the dimension is an axis."""
        dims, dim = list(self.dims), self.dims[place]
        if not axes_of(dim):
            dims[place] = free(units)
            return Effect(dims)
        if reading == IDENTITY:
            return Effect(dims)
        if len(dim) > 1:
            raise self.refusal("it takes a flattened map apart")
        [axis] = axes_of(dim)
        dims[place] = ((axis, units),)
        return Effect(dims, {axis: reading})


class Refusal(ValueError):
    """What trace itself refuses, with all that there is to say of it."""


RULES: dict[str, Callable[[Call], Effect | list[Effect]]] = {}


def rule(names: str) -> Callable:
    """Register a rule for these functions. A list of effects is one for each output tensor."""

    def register(function: Callable) -> Callable:
        RULES.update(dict.fromkeys(names.split(), function))
        return function

    return register


def plain_name(func: Callable) -> str:
    """A torch function's plain name: the same for ``torch.add``, ``x + y`` and ``x += y``."""
    name = func.__name__
    if name in ("__get__", "__set__"):  # an attribute, such as x.T
        name = func.__self__.__name__ + " = ..." * (name == "__set__")
    if isinstance(func, torch._ops.OpOverload):  # of an exported program
        name = name.partition(".")[0]
    name = name.strip("_").removesuffix("_with_indices")
    return _OTHER_NAMES.get(name, name)


_OTHER_NAMES = {
    **{
        prefix + name: name
        for name in ("add", "sub", "mul", "div", "pow", "matmul", "and", "or", "xor")
        for prefix in ("r", "i")
    },
    **dict.fromkeys(("true_divide", "divide", "truediv", "rtruediv", "itruediv"), "div"),
    **dict.fromkeys(("concat", "concatenate"), "cat"),
    **dict.fromkeys(("swapaxes", "swapdims"), "transpose"),
    **dict.fromkeys(("mm", "bmm"), "matmul"),
    "multiply": "mul",
    "subtract": "sub",
    "negative": "neg",
    "clip": "clamp",
    "moveaxis": "movedim",
    "upsample": "interpolate",
}

#: Copies of their first argument. They make no row.
COPIES = {"alias", "bfloat16", "clone", "contiguous", "cpu", "cuda", "data", "detach", "double"}
COPIES |= {"float", "half", "requires_grad", "to", "type", "type_as"}

#: They read the shape of their first argument and nothing else.
SHAPE_ONLY = {f"new_{what}" for what in ("empty", "full", "ones", "tensor", "zeros")}
SHAPE_ONLY |= {f"{what}_like" for what in ("empty", "full", "ones", "rand", "randint", "randn")}
SHAPE_ONLY |= {"zeros_like"}


def tensors(tree: Any) -> Iterable[Tensor]:
    """The tensors in nested lists, tuples and dicts."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, list | tuple | dict):
        for branch in tree.values() if isinstance(tree, dict) else tree:
            yield from tensors(branch)


def each(value: Any, count: int = 1) -> tuple[int, ...]:
    """One whole number for each of ``count`` dimensions, as torch reads its arguments."""
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    return tuple(int(v) for v in (values * count if len(values) == 1 else values))
