"""Find a network's layers, and have it rest while it is looked at."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


def named_layer(module: nn.Module, name: str) -> nn.Module:
    """The module of that dotted name; ``""`` is the network itself.

    Raises ``ValueError`` for a name that is not there.
    """
    modules = dict(module.named_modules(remove_duplicate=False))
    if name not in modules:
        known = [key for key in modules if key]
        raise ValueError(f"layer={name!r}: expected the name of a module, as {known[:3]}")
    return modules[name]


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
