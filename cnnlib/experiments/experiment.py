"""What an experiment is made of."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch import nn

from cnnlib.train import Recipe, Run


@dataclass(frozen=True)
class Arm:
    """One of the things compared: a network, for a number of classes, and changes to the recipe.

    ``measure`` looks at the trained run and returns figures to keep beside the accuracy.
    """

    build: Callable[[int], nn.Module]
    changes: dict = field(default_factory=dict)
    measure: Callable[[Run], dict] | None = None


@dataclass(frozen=True)
class Experiment:
    """A question, where it comes from, and the arms whose comparison answers it.

    Each arm is trained once for every seed from 1 to ``seeds``. With ``keep_weights`` the arms are
    keys of ``NETWORKS``, and their weight files are written beside the logs.
    """

    question: str
    source: str
    arms: dict[str, Arm]
    recipe: Recipe
    seeds: int = 1
    keep_weights: bool = False

    def recipe_of(self, arm: str, seed: int) -> Recipe:
        """How this arm is trained."""
        return replace(self.recipe, **self.arms[arm].changes, seed=seed)
