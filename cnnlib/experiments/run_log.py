"""The logs that the experiments wrote."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnnlib.experiments.arms import EXPERIMENTS
from cnnlib.experiments.packing import unpack_bits

LOGS = Path(__file__).with_name("logs")


@dataclass(frozen=True)
class RunLog:
    """What came of one training run.

    ``accuracy`` and ``top5`` are shares, 0 to 1, of the ``tested_on`` test images; ``log`` has one
    entry an epoch (loss, train_accuracy, seconds; where it was looked at test_accuracy, test_top5);
    ``measured`` holds what the experiment looked at besides; ``seconds`` is the time of all epochs.
    ``right`` and ``right5`` say which test images were right, first or among five, as
    :func:`cnnlib.experiments.packing.pack_bits` packs it; ``cost`` is what
    :func:`cnnlib.experiments.costs.cost_of` counts. Older logs have none of the three.
    """

    experiment: str
    arm: str
    seed: int
    accuracy: float
    top5: float | None
    tested_on: int
    parameters: int
    seconds: float
    recipe: dict
    made_with: dict
    measured: dict
    log: tuple[dict, ...]
    right: str | None = None
    right5: str | None = None
    cost: dict | None = None

    def right_images(self) -> np.ndarray | None:
        """Which test images were right, bool (N,), or None where the log does not hold it."""
        return None if self.right is None else unpack_bits(self.right, self.tested_on)


def read_log(path: str | Path) -> RunLog:
    """The log in a JSON file. Raises ``ValueError`` if it is none."""
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8"))
        return RunLog(**entries | {"log": tuple(entries["log"])})
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: no log of an experiment: {error!r}") from error


def load_experiment(name: str, folder: str | Path | None = None) -> list[RunLog]:
    """All runs of an experiment, arm by arm in the order of ``EXPERIMENTS``, by seed.

    They are read from the logs that ship, or from ``folder``. Raises ``ValueError`` for an unknown
    name, ``FileNotFoundError`` if nothing was run.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"unknown experiment {name!r}; known: {', '.join(EXPERIMENTS)}")
    place = Path(folder or LOGS) / name
    experiment = EXPERIMENTS[name]
    paths = [
        place / log_name(arm, seed)
        for arm in experiment.arms
        for seed in range(1, experiment.seeds + 1)
    ]
    logs = [read_log(path) for path in paths if path.is_file()]
    if not logs:
        raise FileNotFoundError(f"{place}: no logs; python -m cnnlib.experiments run {name}")
    return logs


def results_table(
    logs: Sequence[RunLog],
    names: Mapping[str, str] | None = None,
    columns: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    """The runs as a Markdown table, a line an arm: what came of each seed after the last epoch.

    ``names`` calls the arms otherwise than by their keys, and leaves out those it does not name;
    ``columns`` adds what the logs do not hold: heading -> arm -> text. The errors on training
    images are means over an epoch, on distorted images, while the network still learned. Raises
    ``ValueError`` if no run is left, or a column lacks an arm.
    """
    called = names or {log.arm: log.arm for log in logs}
    columns = columns or {}
    lines = [
        ("network", "parameters", *columns, "training error", "test error"),
        ("---", *["---:"] * (3 + len(columns))),
    ]
    for arm, name in called.items():
        runs = [log for log in logs if log.arm == arm]
        if runs:
            train = [f"{1 - run.log[-1]['train_accuracy']:.1%}" if run.log else "–" for run in runs]
            test = [
                f"diverged in epoch {run.measured['diverged_in_epoch']}"
                if "diverged_in_epoch" in run.measured
                else f"{1 - run.accuracy:.1%}"
                for run in runs
            ]
            for heading, texts in columns.items():
                if arm not in texts:
                    raise ValueError(f"column {heading!r} lacks the arm {arm!r}")
            more = [texts[arm] for texts in columns.values()]
            lines.append(
                (name, f"{runs[0].parameters:,}", *more, ", ".join(train), ", ".join(test))
            )
    if len(lines) == 2:
        raise ValueError(f"names={list(called)}: expected arms among these runs")
    return "\n".join("| " + " | ".join(line).replace("%", " %") + " |" for line in lines)


def conditions(logs: Sequence[RunLog]) -> str:
    """In a sentence, what all runs of an experiment share: images, classes, epochs, machine.

    Raises ``ValueError`` if they do not share it, or there are none.
    """
    shared = {
        (
            log.recipe["dataset"],
            log.tested_on,
            log.recipe["epochs"],
            log.recipe["batch_size"],
            log.recipe["limit"],
        )
        for log in logs
    }
    if len(shared) != 1:
        raise ValueError(f"{len(shared)} kinds of runs: expected one")
    dataset, tested_on, epochs, batch_size, _ = shared.pop()
    classes = dataset.rpartition("-")[2]
    devices = sorted({log.made_with["device"] for log in logs})
    seeds = sorted({log.seed for log in logs})
    return (
        f"{classes} classes of Tiny ImageNet at 64×64, {epochs} epochs in batches of {batch_size}, "
        f"{tested_on:,} test images, {len(seeds)} seed{'s' * (len(seeds) > 1)}, trained on "
        f"{' and '.join(devices)}."
    )


def log_name(arm: str, seed: int) -> str:
    """What the log of one run is called."""
    return f"{arm}-seed{seed}.json"
