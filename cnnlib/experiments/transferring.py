"""How much of a trained network to train again, by how many images a class there are.

A small network learns five kinds of clothes; then it has to tell the other five apart. Clothes of
28x28 are halved to 14x14. ``python -m cnnlib.experiments.transferring OUTPUT.json`` measures; the
log that ships lies in ``logs/transferring.json``, and :func:`load_transferring` reads it.

Every way takes some 300 steps of AdamW on one cycle. Its rate is chosen on draw 0, on 1,000 images
that no way learns from, out of a grid that grows until the best lies inside. Draws 1 to 3 are
reported: each has its own images to learn from and its own network that was trained before.
"""

import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cnnlib.data import load_clothes
from cnnlib.experiments.packing import pack_bits, unpack_bits
from cnnlib.experiments.run_log import LOGS
from cnnlib.train import fit_network
from cnnlib.weights.records import write_whole

OLD, NEW = range(5), range(5, 10)  # T-shirt to coat; sandal, shirt, sneaker, bag, ankle boot
COUNTS = (1, 5, 20, 100, 500)  # images a class to learn from
DRAWS = (1, 2, 3)
POOL = 600  # images a class to draw from; the 200 behind them choose the rate
STEPS, BATCH = 300, 32
FIRST_RATES = (0.001, 0.003, 0.01)
LEAST_RATE, MOST_RATE = 1e-5, 100.0


@dataclass(frozen=True)
class Way:
    """What starts from where, and what learns.

    ``trained`` says whether the network was trained before, ``frozen`` how many of its three blocks
    stay as they are. ``longer`` is how many times as many steps it takes, and ``rates_of`` the way
    whose rates it takes over without a choice of its own.
    """

    trained: bool
    frozen: int
    longer: int = 1
    rates_of: str = ""
    counts: tuple[int, ...] = COUNTS


WAYS: dict[str, Way] = {
    "head": Way(True, 3),
    "head_on_noise": Way(False, 3),
    "from_scratch": Way(False, 0),
    "from_scratch_longer": Way(False, 0, 4, "from_scratch", (500,)),
    "everything": Way(True, 0),
    "everything_longer": Way(True, 0, 4, "everything", (500,)),
    "head_and_block3": Way(True, 2),
}


def three_blocks(num_classes: int) -> nn.Sequential:
    """Three blocks of a convolution and a ReLU, and a linear head, for (N, 1, 14, 14)."""
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),  # (N, 8, 7, 7)
        nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),  # (N, 16, 3, 3)
        nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten()),  # (N, 288)
        nn.Linear(288, num_classes),
    )


def choose_kinds(images: Tensor, labels: Tensor, kinds: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The images of ``kinds``, with labels from 0 in their order."""
    place = torch.full((10,), -1)
    place[list(kinds)] = torch.arange(len(kinds))
    chosen = place[labels] >= 0
    return images[chosen], place[labels[chosen]]


def load_old(split: str) -> tuple[Tensor, Tensor]:
    """Images (N, 1, 14, 14) and labels of the old kinds: 4,000 to learn from, 1,000 to test."""
    return choose_kinds(*load_clothes(split, halved=True), OLD)


def start_network(trained: bool, draw: int, epochs: int = 12) -> nn.Sequential:
    """The network of a draw: as it was trained on the old kinds, or as it begins."""
    torch.manual_seed(1000 + draw)
    network = three_blocks(len(OLD))
    if trained:
        fit_network(network, *load_old("train"), epochs=epochs, batch_size=50, learning_rate=0.005,
                    seed=draw)  # fmt: skip
    return network


def draw_each(labels: Tensor, count: int, draw: int) -> Tensor:
    """The numbers of ``count`` images of each kind, out of the first ``POOL`` of each.

    A larger count holds the images of a smaller one.
    """
    generator = torch.Generator().manual_seed(draw)
    own = [(labels == kind).nonzero()[:POOL, 0] for kind in labels.unique()]
    return torch.cat([n[torch.randperm(len(n), generator=generator)[:count]] for n in own])


@torch.no_grad()
def find_right(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Which images get the largest score for their own kind: bool (N,)."""
    return network.eval()(images).argmax(dim=1) == labels


def train_tail(
    before: nn.Sequential, frozen: int, images: Tensor, labels: Tensor, *,
    rate: float, draw: int, steps: int = STEPS,
) -> nn.Sequential:  # fmt: skip
    """A copy of ``before`` with a new head, trained behind its first ``frozen`` blocks.

    What the frozen blocks give is computed once.
    """
    torch.manual_seed(2000 + draw)
    network = three_blocks(len(NEW))
    network[:3].load_state_dict(before[:3].state_dict())
    with torch.no_grad():
        features = network[:frozen](images)
    epochs = max(1, round(steps / math.ceil(len(labels) / BATCH)))
    fit_network(network[frozen:], features, labels, epochs=epochs, batch_size=BATCH,
                learning_rate=rate, seed=draw)  # fmt: skip
    return network.eval()


def search_rate(measure: Callable[[float], float]) -> tuple[float, dict[float, float]]:
    """The rate with the largest share, and what was tried. At an end of the grid it goes on."""
    tried = {rate: measure(rate) for rate in FIRST_RATES}
    while True:
        rates = sorted(tried)
        best = max(rates, key=lambda rate: tried[rate])
        following = None
        if best == rates[0]:
            following = _neighbour(best, -1)
        elif best == rates[-1]:
            following = _neighbour(best, +1)
        if following is None or not LEAST_RATE <= following <= MOST_RATE:
            return best, {rate: tried[rate] for rate in rates}
        tried[following] = measure(following)


def _neighbour(rate: float, step: int) -> float:
    """The next of 0.001, 0.003, 0.01, 0.03 and so on, up or down."""
    power, odd = divmod(round(2 * math.log10(rate)) + step, 2)
    return float(f"{3 if odd else 1}e{power}")


@dataclass(frozen=True)
class Transferring:
    """What was found. ``found[way][count]`` has the ``rate``, the shares ``tried`` by rate, and one
    entry a draw: ``right`` (the packed test images), ``seen`` (the share of the images learnt from
    that are right), and ``kept``, the share of the old kinds' test images that the trained blocks
    still get right with the old head. ``before`` is that share before, a draw each.
    """

    made_with: dict
    images: int
    before: list[float]
    found: dict[str, dict[str, dict]]

    def right(self, way: str, count: int) -> np.ndarray:
        """Which test images were right: bool (draws, images)."""
        runs = self.found[way][str(count)]["runs"]
        return np.stack([unpack_bits(run["right"], self.images) for run in runs])


def load_transferring(path: str | Path | None = None) -> Transferring:
    """The log that ships, or that at ``path``. Raises ``ValueError`` for a file that is none."""
    path = Path(path or LOGS / "transferring.json")
    try:
        return Transferring(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: no log of this measurement: {error!r}") from error


def measure_transferring(
    names: Sequence[str] = tuple(WAYS), tell: Callable[[str], object] = lambda line: None
) -> Transferring:
    """These of ``WAYS``, each by every number of images; all take some five minutes of one core."""
    images, labels = choose_kinds(*load_clothes("train", halved=True), NEW)
    test = choose_kinds(*load_clothes("test", halved=True), NEW)
    behind = torch.cat([(labels == kind).nonzero()[POOL:, 0] for kind in labels.unique()])
    choosing = images[behind], labels[behind]
    old = load_old("test")
    befores = {
        (trained, draw): start_network(trained, draw)
        for trained in sorted({WAYS[name].trained for name in names})
        for draw in (0, *DRAWS)
    }
    found: dict[str, dict[str, dict]] = {name: {} for name in names}
    for name, count in [(way, count) for way in names for count in WAYS[way].counts]:
        way = WAYS[name]

        def run(rate: float, draw: int, way: Way = way, count: int = count) -> nn.Sequential:
            chosen, before = draw_each(labels, count, draw), befores[way.trained, draw]
            return train_tail(before, way.frozen, images[chosen], labels[chosen], rate=rate,
                              draw=draw, steps=way.longer * STEPS)  # fmt: skip

        if way.rates_of:
            rate, tried = found[way.rates_of][str(count)]["rate"], {}
        else:
            rate, tried = search_rate(lambda rate, run=run: share_right(run(rate, 0), *choosing))
        runs = []
        for draw in DRAWS:
            network, chosen = run(rate, draw), draw_each(labels, count, draw)
            entry = {
                "right": pack_bits(find_right(network, *test).numpy()),
                "seen": share_right(network, images[chosen], labels[chosen]),
            }
            if way.trained:
                with_old_head = nn.Sequential(*network[:3], befores[way.trained, draw][3])
                entry["kept"] = share_right(with_old_head, *old)
            runs.append(entry)
        kept = {str(rate): share for rate, share in tried.items()}
        found[name][str(count)] = {"rate": rate, "tried": kept, "runs": runs}
        tell(f"{name}, {count} a kind: rate {rate}, tried {kept}")
    before = [share_right(befores[True, draw], *old) for draw in DRAWS if (True, draw) in befores]
    made_with = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    return Transferring(made_with, len(test[1]), before, found)


def share_right(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of the images that get the largest score for their own kind, to 4 places."""
    return round(find_right(network, images, labels).float().mean().item(), 4)


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m cnnlib.experiments.transferring OUTPUT.json``"""
    (output,) = sys.argv[1:] if arguments is None else arguments
    torch.set_num_threads(1)
    result = measure_transferring(tell=lambda line: print(line, flush=True))
    write_whole(Path(output), (json.dumps(asdict(result), indent=1) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
