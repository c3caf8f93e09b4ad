"""What a network costs, counted on its plan: parameters, and multiply-adds for one input."""

from collections.abc import Iterator
from math import prod
from typing import Any


def multiply_adds(plan: dict[str, Any]) -> int:
    """Products that are added up, for one input: those of convolutions and linear layers.

    :func:`cnnlib.trace.trace` counts the same on the network itself, for the networks that ship.
    """
    return sum(
        prod(plan["values"][step["output"]]) * prod(step["weight"]["shape"][1:])
        for step in plan["steps"]
        if step["op"] in ("conv2d", "linear")
    )


def parameters(plan: dict[str, Any]) -> int:
    """How many numbers training sets, each counted once."""
    sizes = {name: prod(shape) for step in plan["steps"] for name, shape in _tensors(step)}
    return sum(sizes[name] for name in plan["parameters"])


def _tensors(setting: Any) -> Iterator[tuple[str, list[int]]]:
    """The names and shapes of the tensors in a step."""
    if isinstance(setting, dict) and "tensor" in setting:
        yield setting["tensor"], setting["shape"]
    elif isinstance(setting, dict):
        for inside in setting.values():
            yield from _tensors(inside)
