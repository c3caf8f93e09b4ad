"""What an experiment is made of."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch import nn

from cnnlib.train import Recipe, Run


@dataclass(frozen=True)
class RateSearch:
    """Train at each of these rates until a share of training images is right, and count the steps.

    A run has arrived when at most ``target`` of ``images`` training images are wrong, looked at
    every ``look_after`` steps with nothing dropped. One that has not after ``most`` steps, or after
    ``give_up`` times as many as the quickest rate before it, is censored: it has no number of
    steps, and none is made up for it.
    """

    rates: tuple[float, ...]
    target: float = 0.25
    most: int = 1500
    give_up: int = 5
    look_after: int = 10
    images: int = 1000


@dataclass(frozen=True)
class Arm:
    """One of the things compared: a network, for a number of classes, and changes to the recipe.

    ``measure`` looks at the trained run and returns figures to keep beside the accuracy. An arm
    with a ``search`` is not trained for the recipe's epochs but as :class:`RateSearch` says.
    ``run`` makes the run: a kind of run that trains towards something else than its labels, or by
    other steps.
    """

    build: Callable[[int], nn.Module]
    changes: dict = field(default_factory=dict)
    measure: Callable[[Run], dict] | None = None
    search: RateSearch | None = None
    run: Callable[..., Run] = Run


@dataclass(frozen=True)
class Experiment:
    """A question, where it comes from, and the arms whose comparison answers it.

    Each arm is trained once for every seed from 1 to ``seeds``. ``differs`` says what differs
    between arms beside the one thing that is asked about. The test images are looked at after
    every ``look_every``-th epoch, and after the last. With ``keep_weights`` the arms are keys of
    ``NETWORKS``, and their weight files are written beside the logs.
    """

    question: str
    source: str
    arms: dict[str, Arm]
    recipe: Recipe
    seeds: int = 1
    keep_weights: bool = False
    differs: str = ""
    look_every: int = 1

    def recipe_of(self, arm: str, seed: int) -> Recipe:
        """How this arm is trained."""
        return replace(self.recipe, **self.arms[arm].changes, seed=seed)
