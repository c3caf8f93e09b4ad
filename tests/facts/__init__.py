"""What the papers print about each network, as literals: one file a family, one table for all."""

import importlib
import pkgutil
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Facts:
    """Expected numbers of one network at its paper's input, and where they come from.

    A receptive field for which ``source`` names nobody is a second sum, made by hand.
    """

    input_shape: tuple[int, ...]
    parameters: int
    macs: int
    source: str
    stages: dict[str, tuple[int, ...]] = field(default_factory=dict)
    receptive_field: int | None = None
    field_at: str | None = None


FACTS: dict[str, Facts] = {}
for _file in pkgutil.iter_modules(__path__):
    FACTS.update(importlib.import_module(f"{__name__}.{_file.name}").FACTS)
