"""Find a network's layers, run up to one, and have the network rest while it is looked at."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


def named_layer(module: nn.Module, name: str) -> nn.Module:
    """The module of that dotted name; ``""`` is the network itself.

    Raises ``ValueError`` for a name that is not there.
    """
    modules = dict(module.named_modules(remove_duplicate=False))
    if name not in modules:
        known = [key for key in modules if key]
        raise ValueError(f"layer={name!r}: expected the name of a module, as {known[:3]}")
    return modules[name]


def run_to(module: nn.Module, layer: str, x: Tensor) -> Any:
    """What ``layer`` gives for the network's input ``x``, as it runs first; no more is run.

    Raises ``ValueError`` for a layer that is not there and one that the network does not run.
    """

    def catch(part: nn.Module, args: tuple, out: Any) -> None:
        raise _Reached(out)

    hook = named_layer(module, layer).register_forward_hook(catch)
    try:
        module(x)
    except _Reached as reached:
        return reached.out
    finally:
        hook.remove()
    raise ValueError(f"layer={layer!r}: the network does not run it")


class _Reached(Exception):
    """The layer that was waited for has run."""

    def __init__(self, out: Any) -> None:
        super().__init__()
        self.out = out


@contextmanager
def resting(module: nn.Module) -> Iterator[None]:
    """In eval mode, and back as it was."""
    training = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, flag in training.items():
            part.training = flag
