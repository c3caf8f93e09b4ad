"""What a trace is asked for: the shape of the input, and how ``forward`` takes it."""

import inspect
from collections.abc import Iterable, Mapping, Set
from typing import Any

from torch import Tensor, nn

from cnnlib.geometry import whole_number
from cnnlib.trace.call import Refusal


def check_shape(input_shape: Any) -> tuple[int, ...]:
    """``input_shape`` as whole numbers, two or more; ``Refusal`` says what was expected."""
    given = f"{type(input_shape).__name__} of shape {tuple(getattr(input_shape, 'shape', ()))}"
    if getattr(input_shape, "ndim", 1) != 1:
        raise Refusal(f"input_shape: expected (N, C, H, W), found a {given}: give its shape")
    wrong = f"input_shape={input_shape!r}: expected (N, C, H, W), whole numbers from 1 up"
    if isinstance(input_shape, str | bytes | Mapping | Set) or not isinstance(
        input_shape, Iterable
    ):
        raise Refusal(wrong)
    sizes = tuple(input_shape)
    if any(isinstance(size, list | tuple) for size in sizes):
        raise Refusal(f"{wrong}; trace gives a network one input")
    try:
        shape = tuple(whole_number(size, "size", 1) for size in sizes)
    except ValueError:
        raise Refusal(wrong) from None
    if len(shape) < 2:
        raise Refusal(wrong)
    return shape


def bind_input(module: nn.Module, tensor: Tensor) -> tuple[tuple, dict[str, Any]]:
    """Arguments that give ``tensor`` to ``module`` as its one input, by position or by name.

    Everything else that ``forward`` takes must have a default. Raises ``Refusal`` that names the
    parameters where there is no input, or more than one.
    """
    kind = type(module).__name__
    if type(module).forward is nn.Module.forward and "forward" not in vars(module):
        raise Refusal(f"{kind} has no forward(), so it cannot run; trace a module that has one")
    try:
        signature = inspect.signature(module.forward)
    except (TypeError, ValueError):  # written in C: it can only be tried
        return (tensor,), {}
    parameters = signature.parameters.values()
    needed = [p for p in parameters if p.default is p.empty and p.kind not in _ANY]
    takes = f"{kind}.forward{signature}"
    if len(needed) > 1:
        names = ", ".join(p.name for p in needed)
        raise Refusal(f"{takes} needs {len(needed)} inputs ({names}); trace gives a network one")
    if needed and needed[0].kind is inspect.Parameter.KEYWORD_ONLY:
        return (), {needed[0].name: tensor}
    if any(p.kind in _BY_POSITION for p in parameters):
        return (tensor,), {}
    raise Refusal(f"{takes} takes no input by position; trace gives a network one")


_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_BY_POSITION = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)
