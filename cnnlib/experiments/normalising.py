"""With and without normalisation: which rates train, and what small batches do to it.

Clothes of 28x28, halved to 14x14 inside the networks.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from cnnlib.experiments.experiment import Arm, Experiment
from cnnlib.experiments.measures import prepare_inputs
from cnnlib.layers import he_normal_
from cnnlib.train import Recipe, Run
from cnnlib.weights import Preprocessing

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "plain": lambda channels: nn.Identity(),
    "batch": nn.BatchNorm2d,
    "group": partial(nn.GroupNorm, 4),
}
RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
# Fewer images in a batch, noisier steps: the grid moves down.
SMALL_BATCHES: dict[int, tuple[float, ...]] = {
    2: (0.001, 0.003, 0.01, 0.03, 0.1),
    4: (0.003, 0.01, 0.03, 0.1, 0.3),
    16: (0.01, 0.03, 0.1, 0.3, 1.0),
    64: (0.03, 0.1, 0.3, 1.0, 3.0),
}
# After halving the pixels' mean is 73.1 and their deviation 84.5.
HALVED_CLOTHES = Recipe(
    Preprocessing("grey", 28, 28, (73.1,), (84.5,)),
    "fashion",
    epochs=6,
    batch_size=50,
    optimiser="sgd",
    weight_decay=0.0,
    limit=1000,
)


def normed_stack(num_classes: int, *, norm: str, widths: tuple[int, ...]) -> nn.Sequential:
    """3x3 convolutions of ``widths`` channels, each with a norm of ``NORMS`` and a ReLU behind it.

    Grey images (N, 1, 28, 28) are halved first; behind the first half of the layers the maps are
    halved again, to 7x7. A mean of each map and one linear layer end it. Weights start by He's rule
    (He et al. 2015), biases at 0. Raises ``ValueError`` for another norm.
    """
    if norm not in NORMS:
        raise ValueError(f"norm={norm!r}: expected one of {', '.join(NORMS)}")
    layers: list[nn.Module] = [nn.AvgPool2d(2)]
    channels = 1
    for index, width in enumerate(widths):
        if index == len(widths) // 2:
            layers.append(nn.MaxPool2d(2))
        layers += [nn.Conv2d(channels, width, 3, padding=1), NORMS[norm](width), nn.ReLU()]
        channels = width
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)]
    network = nn.Sequential(*layers, *head)
    he_normal_(network)
    return network


@torch.no_grad()
def measure_restated(run: Run) -> dict:
    """Where there is batch normalisation: the share of right test images when the stored means and
    variances are those of all training images, in batches of 500, in place of moving averages."""
    norms = [part for part in run.model.modules() if isinstance(part, nn.BatchNorm2d)]
    if not norms:
        return {}
    network = deepcopy(run.model).train()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.reset_running_stats()
            part.momentum = None  # every batch counts the same
    inputs, _ = prepare_inputs(run, run.train_set, len(run.train_set))
    for batch in inputs.split(500):
        network(batch)
    inputs, labels = prepare_inputs(run, run.test_set, len(run.test_set))
    right = (network.eval()(inputs).argmax(dim=1) == labels).float().mean().item()
    return {"restated": round(right, 4)}


def _stack(norm: str, widths: tuple[int, ...], measure=None, **changes) -> Arm:
    return Arm(partial(normed_stack, norm=norm, widths=widths), changes, measure)


NORMALISING_EXPERIMENTS: dict[str, Experiment] = {
    "rates_by_norm": Experiment(
        "At which rates does a stack of six convolutions learn, with and without normalisation?",
        "Ioffe & Szegedy 2015, section 4.2; here with gradient descent on clothes.",
        {
            f"{norm}_rate{rate}": _stack(norm, (8,) * 6, learning_rate=rate)
            for norm in ("plain", "batch")
            for rate in RATES
        },
        HALVED_CLOTHES,
        seeds=3,
        differs="The norms' own weights, two a channel.",
        look_every=6,
    ),
    "small_batches": Experiment(
        "What do small batches do to batch normalisation, and to a norm that knows no batch?",
        "Wu & He 2018, section 4.1 and Fig. 1.",
        {
            f"{norm}_{size}_rate{rate}": _stack(
                norm, (8, 8, 16, 16), measure_restated, batch_size=size, learning_rate=rate
            )
            for norm in ("batch", "group")
            for size, rates in SMALL_BATCHES.items()
            for rate in rates
        },
        replace(HALVED_CLOTHES, epochs=4),
        seeds=4,  # the first chooses a rate, with worse ones on both sides; the others report
        differs="Smaller batches make more steps in the same four epochs. At one size the two "
        "norms have the same steps, and as many weights.",
        look_every=4,
    ),
}
