"""The papers' questions, asked again in small: same images, same recipe, one thing changed.

``EXPERIMENTS`` says what is compared. ``python -m cnnlib.experiments run NAME --data PATH`` trains
its arms anew; what it wrote here, on the machine that each log names, lies in ``logs``, and the
chapters read it from there with :func:`load_experiment`.
"""

from cnnlib.experiments.arms import EXPERIMENTS, Arm, Experiment
from cnnlib.experiments.run_log import (
    LOGS,
    RunLog,
    conditions,
    load_experiment,
    read_log,
    results_table,
)
from cnnlib.experiments.running import run_arm

__all__ = [
    "EXPERIMENTS",
    "LOGS",
    "Arm",
    "Experiment",
    "RunLog",
    "conditions",
    "load_experiment",
    "read_log",
    "results_table",
    "run_arm",
]
