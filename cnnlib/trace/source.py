"""Where a network's modules are written down: file, lines and text of their classes."""

import inspect
from dataclasses import dataclass
from pathlib import Path

from torch import nn


@dataclass(frozen=True)
class Source:
    """What a module is and where it is written.

    ``made`` is how the module prints itself, in one line; ``file``, from the folder of its package
    on, ``first``, ``last`` and ``text`` are the lines of the class that holds it: the module's own
    class, or for torch's layers that of the module around.
    """

    made: str
    file: str
    first: int
    last: int
    text: str


def source_lines(module: nn.Module) -> dict[str, Source]:
    """The source of every module of a network, by its dotted name; ``""`` is the network itself.

    Modules whose source cannot be had (typed at a prompt, say), with none around them that can, are
    left out.
    """
    found: dict[str, Source] = {}
    for name, inner in module.named_modules(remove_duplicate=False):
        around = found.get(name.rpartition(".")[0]) if name else None
        lines = _class_lines(type(inner)) or (
            (around.file, around.first, around.last, around.text) if around else None
        )
        if lines:
            made = repr(inner) if not list(inner.children()) else type(inner).__name__
            found[name] = Source(made, *lines)
    return found


def _class_lines(kind: type) -> tuple[str, int, int, str] | None:
    """File, first line, last line and text of a class, unless it is torch's own."""
    package = kind.__module__.partition(".")[0]
    if package == "torch":
        return None
    try:
        path = Path(inspect.getsourcefile(kind) or "")
        lines, first = inspect.getsourcelines(kind)
    except (OSError, TypeError):
        return None
    parts = path.parts
    inside = (
        parts[len(parts) - 1 - parts[::-1].index(package) :] if package in parts else parts[-1:]
    )
    return "/".join(inside), first, first + len(lines) - 1, "".join(lines).rstrip()
