"""The training loop of the book's chapters, written to be read line by line.

:class:`cnnlib.train.Run` does the same for the weights that ship, and adds what long runs need:
checkpoints, distorted images, several processes.
"""

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR


def draw_batches(
    images: Tensor, labels: Tensor, batch_size: int, epochs: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """``epochs`` passes over all ``images``, each in a new random order, cut into batches.

    images (N, ...), labels (N,); a batch is (batch_size, ...) and (batch_size,), the last of a pass
    may be smaller.
    """
    for _ in range(epochs):
        for chosen in torch.randperm(len(labels)).split(batch_size):
            yield images[chosen], labels[chosen]


def descend(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimiser: torch.optim.Optimizer,
    schedule: LRScheduler | None = None,
) -> list[float]:
    """A step of ``optimiser`` for every batch: the cross-entropy of each batch before its step.

    ``network`` is in training mode meanwhile, and in evaluation mode at the end.
    """
    losses = []
    network.train()
    for images, labels in batches:
        loss = F.cross_entropy(network(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if schedule is not None:
            schedule.step()
        losses.append(loss.item())
    network.eval()
    return losses


def fit_network(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float = 0.01,
    seed: int | None = None,
) -> list[float]:
    """:func:`descend` by AdamW, its rate on one cycle: the loss of every step.

    images (N, ...), labels (N,) with class numbers. ``learning_rate`` is the highest of the cycle.
    ``seed`` seeds torch, and with it the order of the images and what the network draws; ``None``
    goes on with torch's present state. The weights' start is the caller's.

    Raises ``ValueError`` where images and labels differ in number, and for epochs, a batch size or
    a rate that is not positive. Sources: Loshchilov & Hutter 2019 (AdamW), Smith 2018 (one cycle).
    """
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images and {len(labels)} labels: expected as many")
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"{name}={value}: expected 1 or more")
    if not learning_rate > 0:
        raise ValueError(f"learning_rate={learning_rate}: expected more than 0")
    if seed is not None:
        torch.manual_seed(seed)
    steps = epochs * math.ceil(len(images) / batch_size)
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay)
    schedule = OneCycleLR(optimiser, learning_rate, total_steps=steps)
    return descend(network, draw_batches(images, labels, batch_size, epochs), optimiser, schedule)
