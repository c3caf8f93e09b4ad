"""One call of a torch function, and the rules that say what each function does to the axes.

The rules are in `windows` (what slides), `shapes` (what moves) and `sums` (what mixes). Each is
registered here by the function's plain name, takes a :class:`TracedCall` and returns its
:class:`Effect`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from cnnlib.calls import Call, Rules, tensors
from cnnlib.rows import IDENTITY, Reading


class Factor(NamedTuple):
    """A part of a dimension: places along a spatial axis of the network's input.

    ``axis`` is that axis's number, None for what is no spatial axis.
    """

    axis: int | None
    size: int


#: One dimension of a tensor, as the factors it is made of, outermost first. A map flattened into a
#: vector is (Factor(None, C), Factor(0, H), Factor(1, W)).
Dim = tuple[Factor, ...]


def make_dim(size: int, axis: int | None = None) -> Dim:
    """A dimension of one factor; without ``axis`` it is no spatial axis."""
    return (Factor(axis, size),)


def list_axes(dim: Dim) -> list[int]:
    return [factor.axis for factor in dim if factor.axis is not None]


def measure_dim(dim: Dim) -> int:
    """The dimension's size."""
    return math.prod(factor.size for factor in dim)


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


@dataclass(frozen=True, eq=False)
class TracedCall(Call):
    """A torch function that was called with the network's data; ``out`` is what it gave."""

    where: str
    out: Any
    values: dict[int, Value]
    axes: int

    def value(self, tensor: Any) -> Value | None:
        """What is known of an argument; None if it does not depend on the network's input."""
        return self.values.get(id(tensor))

    @property
    def x(self) -> Tensor:
        return self.first

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
        if not list_axes(dim):
            dims[place] = make_dim(units)
            return Effect(dims)
        if reading == IDENTITY:
            return Effect(dims)
        if len(dim) > 1:
            raise self.refusal("it takes a flattened map apart")
        [axis] = list_axes(dim)
        dims[place] = make_dim(units, axis)
        return Effect(dims, {axis: reading})


class Refusal(ValueError):
    """What trace itself refuses, with all that there is to say of it."""


#: An effect of each function, or a list with one for each output tensor.
RULES = Rules()
rule = RULES.rule
