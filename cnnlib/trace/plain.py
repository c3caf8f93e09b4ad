"""Which module a network is: out of its wrappers, and refused where its code cannot be seen."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrize import type_before_parametrizations


def plain_module(module: nn.Module, what: str) -> nn.Module:
    """``module`` out of its wrappers: the network whose Python code ``what`` can follow.

    ``DataParallel``, ``DistributedDataParallel`` and ``torch.compile`` wrap a network, and an
    exported program makes one: what they hold is returned. Compiled parts inside are left, for
    :func:`evaluating` runs them uncompiled. ``what`` is the name of the function that asks.

    Raises ``ValueError`` for what is no module, and for a module anywhere inside that is scripted,
    traced by ``torch.jit`` or sharded, or that holds or calls a scripted function. The message says
    where it is, what it is and what to give instead.
    """
    if isinstance(module, type) and issubclass(module, nn.Module):
        raise ValueError(
            f"{what}: {module.__name__} is a class: give a module, {module.__name__}()"
        )
    if type(module).__name__ == "ExportedProgram":
        module = module.module()
    if not isinstance(module, nn.Module):
        raise ValueError(f"{what}: {type(module).__name__} is no torch.nn.Module")
    while True:
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            module = module.module
        elif is_compiled(module):
            module = module._orig_mod
        else:
            break
    for path, part in module.named_modules():
        where = f"{what}: {path or 'the network'} ({type(part).__name__})"
        if isinstance(part, torch.jit.ScriptModule):
            how = "traced by torch.jit" if "Trace" in type(part).__name__ else "scripted"
            raise ValueError(f"{where} is {how}: give the Python module that it was made from")
        if type(part).__name__ == "FullyShardedDataParallel":
            raise ValueError(f"{where} is sharded: give the module that it was made from")
        for name in scripted_functions(part):
            raise ValueError(f"{where} calls {name}, which is scripted: give it the plain function")
    return module


def name_kind(module: nn.Module) -> str:
    """The name of a module's class, as it was before parametrizations changed it."""
    return type_before_parametrizations(module).__name__


class ScriptedCall(ValueError):
    """A scripted function or method was called where none can be followed."""


@contextmanager
def without_scripts() -> Iterator[None]:
    """Refuse every call of a scripted function or method within a ``with``: ``ScriptedCall``.

    Torch does not say that it calls one, and runs what is inside out of Python's sight.
    """

    def refuse(called: Any, *args: Any, **kwargs: Any) -> None:
        name = getattr(called, "name", "") or "a function"
        raise ScriptedCall(f"{name} is scripted: call the plain function that it was made from")

    kinds = (torch.jit.ScriptFunction, torch._C.ScriptMethod)
    calls = [kind.__call__ for kind in kinds]
    try:
        for kind in kinds:
            kind.__call__ = refuse
        yield
    finally:
        for kind, call in zip(kinds, calls, strict=True):
            kind.__call__ = call


def is_compiled(module: nn.Module) -> bool:
    """Whether a module is what ``torch.compile(module)`` gives."""
    return type(module).__name__ == "OptimizedModule" and hasattr(module, "_orig_mod")


def scripted_functions(module: nn.Module) -> Iterator[str]:
    """The names of scripted functions that a module holds, or that its ``forward`` can name."""
    known: dict[str, Any] = {}
    forward = vars(module).get("forward") or getattr(type(module), "forward", None)
    if (getattr(forward, "__module__", None) or "").startswith("torch.nn.modules"):
        forward = None  # torch's own layers call no scripted functions
    forward = getattr(forward, "__func__", forward)
    if isinstance(forward, FunctionType):
        names = forward.__code__.co_names
        known |= {name: forward.__globals__.get(name) for name in names}
        cells = zip(forward.__code__.co_freevars, forward.__closure__ or (), strict=True)
        known |= {name: _content(cell) for name, cell in cells}
    for name, value in [*known.items(), *vars(module).items()]:
        for found in value if isinstance(value, list | tuple) else [value]:
            if isinstance(found, torch.jit.ScriptFunction):
                yield found.name or name


def _content(cell: object) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None
