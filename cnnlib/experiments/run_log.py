"""The logs that the experiments wrote."""

import json
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
    entry for each epoch after which the test images were looked at (loss, train_accuracy,
    test_accuracy, test_top5, seconds); ``measured`` holds what the experiment looked at besides;
    ``seconds`` is the time of all epochs.
    ``right`` and ``right5`` say which test images were right, first or among five, as
    :func:`cnnlib.experiments.packing.pack_bits` packs it; ``cost`` is what
    :func:`cnnlib.experiments.costs.count_cost` counts. Older logs have none of the three.
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

    def right_images(self, top: int = 1) -> np.ndarray | None:
        """Which test images were right, first (``top=1``) or among five (5): bool (N,).

        None where the log does not hold it.
        """
        packed = {1: self.right, 5: self.right5}[top]
        return None if packed is None else unpack_bits(packed, self.tested_on)


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
        place / name_log(arm, seed)
        for arm in experiment.arms
        for seed in range(1, experiment.seeds + 1)
    ]
    logs = [read_log(path) for path in paths if path.is_file()]
    if not logs:
        raise FileNotFoundError(f"{place}: no logs; python -m cnnlib.experiments run {name}")
    return logs


def name_log(arm: str, seed: int) -> str:
    """What the log of one run is called."""
    return f"{arm}-seed{seed}.json"
