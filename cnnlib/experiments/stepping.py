"""How the rate moves in a training, and which optimiser takes the steps.

A small network on 2,000 pieces of clothing, halved to 14x14 inside the network. Every arm takes as
many steps. Rates are searched: seed 1 ran at each of them, the other seeds at its best
(:func:`find_best_rates`). Nothing decays the weights, for its strength would be a second search.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer
from tqdm.auto import tqdm

from cnnlib.experiments.dropping import judge
from cnnlib.experiments.experiment import Arm, Experiment
from cnnlib.experiments.measures import prepare_inputs
from cnnlib.train import Recipe, Run
from cnnlib.weights import Preprocessing

CLOTHES_FOR_STEPS = Recipe(
    Preprocessing("grey", 28, 28, (73.1,), (84.5,)),
    "fashion",
    epochs=10,
    batch_size=50,
    learning_rate=0.03,
    weight_decay=0.0,
    limit=2000,
)


def small_net(num_classes: int) -> nn.Sequential:
    """Two convolutions of stride 2 and a linear layer, for grey 28x28 images."""
    return nn.Sequential(
        nn.AvgPool2d(2),  # (N, 1, 14, 14)
        nn.Conv2d(1, 8, kernel_size=3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, kernel_size=3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),  # (N, 256)
        nn.Linear(256, num_classes),
    )


# --- Schedules: the share of the highest rate, by the share of the steps --------------------------


def constant(progress: float) -> float:
    return 1.0


def stepped(progress: float) -> float:
    """A tenth behind half of the steps, a hundredth behind three quarters of them."""
    return 1.0 if progress <= 0.5 else 0.1 if progress <= 0.75 else 0.01


def cosine(progress: float) -> float:
    """Half a cosine, from 1 to 0 (Loshchilov & Hutter 2017, without restarts)."""
    return (1 + math.cos(math.pi * progress)) / 2


def one_cycle(progress: float, warm_up: float = 0.2) -> float:
    """Up in a line over the first ``warm_up`` of the steps, then down along half a cosine."""
    if progress <= warm_up:
        return progress / warm_up
    return cosine((progress - warm_up) / (1 - warm_up))


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "stepped": stepped,
    "cosine": cosine,
    "one_cycle": one_cycle,
}

# --- Optimisers -----------------------------------------------------------------------------------

OPTIMISERS: dict[str, Callable[..., Optimizer]] = {
    "plain": SGD,
    "momentum": partial(SGD, momentum=0.9),
    "nesterov": partial(SGD, momentum=0.9, nesterov=True),
    "adam": Adam,
}


class SteppingRun(Run):
    """A run with an optimiser and a schedule of its own, both given as functions."""

    def __init__(
        self,
        *arguments,
        make: Callable[..., Optimizer],
        schedule: Callable[[float], float],
        **options,
    ) -> None:
        super().__init__(*arguments, **options)
        self.optimiser = make(self.model.parameters(), lr=self.recipe.learning_rate)
        self.schedule = schedule
        self.taken = 0

    def epoch(self, bar: tqdm) -> None:
        self.taken = len(self.log) * self.steps_an_epoch
        super().epoch(bar)

    def step(
        self, inputs: Tensor, labels: Tensor, rate: float, batch_size: int
    ) -> tuple[Tensor, Tensor]:
        self.taken += 1
        own = self.recipe.learning_rate * self.schedule(self.taken / self.steps)
        return super().step(inputs, labels, own, batch_size)


@torch.no_grad()
def measure_ends(run: Run) -> dict:
    """``seen`` and ``new``: share right and cross-entropy on training and on test images."""
    network = run.model.eval()
    found = {}
    for name, image_set in (("seen", run.train_set), ("new", run.test_set)):
        inputs, labels = prepare_inputs(run, image_set, len(image_set))
        found[name] = judge(network(inputs).softmax(dim=1), labels)
    return found


RATES = {  # plain steps are about a tenth as long as those with momentum at the same rate
    "plain": (0.03, 0.1, 0.3, 1.0, 3.0),
    "momentum": (0.003, 0.01, 0.03, 0.1, 0.3),
    "nesterov": (0.003, 0.01, 0.03, 0.1, 0.3),
    "adam": (0.001, 0.003, 0.01, 0.03, 0.1),
}


def _arms(optimiser: str, schedule: str) -> dict[str, Arm]:
    kind = partial(SteppingRun, make=OPTIMISERS[optimiser], schedule=SCHEDULES[schedule])
    return {
        f"{optimiser}_{schedule}_rate{rate}": Arm(
            small_net, {"learning_rate": rate}, measure_ends, run=kind
        )
        for rate in RATES[optimiser]
    }


STEPPING_EXPERIMENTS: dict[str, Experiment] = {
    "stepping": Experiment(
        "Does it help to lower the rate towards the end, and to raise it at the start? Which "
        "optimiser is ahead after as many steps, each at its best rate?",
        "Smith 2018; Loshchilov & Hutter 2017; Kingma & Ba 2015.",
        {
            name: arm
            for optimiser, schedule in (
                *(("momentum", schedule) for schedule in SCHEDULES),
                *((optimiser, "one_cycle") for optimiser in OPTIMISERS if optimiser != "momentum"),
            )
            for name, arm in _arms(optimiser, schedule).items()
        },
        CLOTHES_FOR_STEPS,
        seeds=4,
        differs="The highest rate, which is each one's own best; steps and weights are equal.",
        look_every=5,
    ),
}
