"""The measured figures of :mod:`cnnlib.experiments.evidence` as Markdown tables for a chapter."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from cnnlib.experiments.arms import EXPERIMENTS
from cnnlib.experiments.evidence import LAYERS, Evidence
from cnnlib.experiments.looking import (
    find_settled,
    resample_difference,
    resample_mean,
)
from cnnlib.experiments.packing import unpack, unpack_bits
from cnnlib.experiments.run_log import RunLog
from cnnlib.experiments.tables import signed
from cnnlib.experiments.yardstick import Interval, compare_right

KEEPS = 8  # of nine of one class: the channel keeps to it
BANDS = {"low": "low", "middle": "middle", "high": "high", "lost": "aliased", "folded": "folded"}


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [heads, ["---", *["---:"] * (len(heads) - 1)], *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows).replace("%", " %")


# --- Fig. 2 ---------------------------------------------------------------------------------------


def find_keepers(found: Mapping, layer: str) -> float:
    """The share of a layer's channels whose nine strongest photographs are of one class but for one
    at most. ``found`` is one network of the part "channels"."""
    largest = found[layer]["largest"]
    return sum(count >= KEEPS for count in largest) / len(largest)


def find_mean_largest(found: Mapping, layer: str) -> float:
    """How many of a channel's nine are of one class, at most: the mean over channels with nine."""
    return _mean_count(np.bincount(found[layer]["largest"]).tolist())


def _mean_count(histogram: Sequence[int]) -> float:
    return sum(n * times for n, times in enumerate(histogram)) / sum(histogram[1:])


def classes_table(channels: Evidence) -> str:
    """A line a layer: who keeps to a class, trained, without training, and by luck."""
    found = channels.found
    starts = [network for name, network in found.items() if name != "trained"]
    lines = []
    for layer in LAYERS:
        own = found["trained"][layer]
        dealt = own["shuffled"]
        lines.append(
            [
                layer,
                f"{find_keepers(found['trained'], layer):.0%}",
                ", ".join(f"{find_keepers(network, layer):.0%}" for network in starts),
                f"{sum(dealt[KEEPS:]) / sum(dealt):.0%}",
                f"{find_mean_largest(found['trained'], layer):.1f}",
                ", ".join(f"{find_mean_largest(network, layer):.1f}" for network in starts),
                f"{_mean_count(dealt):.1f}",
                f"{np.median(own['answers']):,.0f}",
            ]
        )
    heads = ["layer", "keep to a class", "untrained", "at random"]
    heads += ["of nine, of one class", "untrained", "at random", "photographs answered"]
    return _table(heads, lines)


# --- Fig. 4 ---------------------------------------------------------------------------------------


def list_epochs(settling: Evidence) -> list[int]:
    """The moments that were looked at."""
    return [int(epoch) for epoch in settling.found["epochs"]]


def list_medians(settling: Evidence, layer: str, what: str = "ranks") -> list[float]:
    """A layer's median "ranks" or "weights" at each moment."""
    return [epoch[layer][what][1] for epoch in settling.found["epochs"].values()]


def settling_table(settling: Evidence, early: int, late: int) -> str:
    """A line a layer: from when on its median is at 0.9, and how often the strongest photograph is
    the final one, after so many passes."""
    epochs = list_epochs(settling)

    def after(layer: str, what: str) -> str:
        settled = find_settled(epochs, list_medians(settling, layer, what))
        return f"later than {epochs[-1]}" if settled is None else str(settled)

    lines = []
    for layer in LAYERS:
        first = [settling.found["epochs"][str(epoch)][layer]["first"] for epoch in (early, late)]
        lines.append(
            [layer, after(layer, "ranks"), after(layer, "weights"), *(f"{f:.0%}" for f in first)]
            + [f"{settling.found['unrelated'][layer][1]:.2f}"]
        )
    heads = ["layer", "settled after", "its own weights after"]
    heads += [f"strongest photograph is the last one's: after {early}", f"after {late}"]
    return _table([*heads, "two channels of one layer"], lines)


# --- Fig. 6 ---------------------------------------------------------------------------------------


def filters_table(filters: Evidence, names: Mapping[str, str]) -> str:
    """The first layers of two networks, key -> name, trained and at the start, and the second less
    the first; shares in per cent, with intervals over filters."""
    lines, found = [], {key: filters.found[key]["conv1"] for key in names}
    for key, name in names.items():
        deaths = [filters.found[key][layer]["dead"] for layer in ("conv1", "conv2")]
        for called, mark in ((name, ""), (f"{name}, at the start", "start_")):
            cells = [_percents(resample_mean(found[key][mark + s])) for s in BANDS.values()]
            dead = [f"{sum(d)} of {len(d)}" for d in deaths] if not mark else ["", ""]
            lines.append([called, *cells, *dead])
    one, other = names
    cells = [
        _percents(resample_difference(found[other][s], found[one][s]), signs=True)
        for s in BANDS.values()
    ]
    lines.append([f"{names[other]} less {names[one]}, in points", *cells, "", ""])
    return _table(["first layer, in per cent", *BANDS, "dead", "dead in layer 2"], lines)


def _percents(interval: Interval, *, signs: bool = False) -> str:
    numbers = (100 * interval.difference, 100 * interval.low, 100 * interval.high)
    middle, low, high = (signed(n, 0) if signs else f"{n:.0f}" for n in numbers)
    return f"{middle} [{low}, {high}]"


def find_learned(run: RunLog) -> tuple[np.ndarray, np.ndarray]:
    """What a run of ``first_layer_sizes`` changed in its first layer's filters, and how they began:
    (N, 3, k, k) both. The seed gives the beginning again."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1000 * run.seed)
        network = EXPERIMENTS[run.experiment].arms[run.arm].build(10)
    started = network.conv1.weight.detach().numpy()
    return unpack(run.measured["weights"]) - started, started


def read_heads(transfer: Evidence, name: str, layer: str) -> np.ndarray:
    """Which test images the heads on a layer had right: bool (draws, images). ``name`` is
    "trained", "start" or "pixels"."""
    draws = transfer.found[name][layer]
    return np.stack([unpack_bits(draw["right"], transfer.images) for draw in draws])


def compare_heads(transfer: Evidence, layer: str) -> Interval:
    """The share that is right on the trained network's layer less that on untrained ones'."""
    return compare_right(*(read_heads(transfer, name, layer) for name in ("trained", "start")))


# --- Feature analysis -----------------------------------------------------------------------------


def transfer_table(transfer: Evidence) -> str:
    """A line a layer: test images right with a linear head on it, each draw's and the mean."""

    def shares(name: str, layer: str) -> str:
        right = read_heads(transfer, name, layer).mean(axis=1)
        return f"{right.mean():.1%} ({', '.join(f'{100 * share:.1f}' for share in right)})"

    lines = [["the pixels", "", shares("pixels", "input"), ""]]
    for layer in transfer.found["trained"]:
        gain = compare_heads(transfer, layer)
        numbers = (signed(100 * n) for n in (gain.difference, gain.low, gain.high))
        text = "{} [{}, {}]".format(*numbers)
        name = layer.removeprefix("features.")
        lines.append([name, shares("trained", layer), shares("start", layer), text])
    return _table(["features of", "trained", "untrained", "gain in points"], lines)
