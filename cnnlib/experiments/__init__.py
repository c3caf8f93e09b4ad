"""The papers' questions, asked again in small: same images, same recipe, one thing changed.

``EXPERIMENTS`` says what is compared. ``python -m cnnlib.experiments run NAME --data PATH`` trains
its arms anew; what it wrote here, on the machine that each log names, lies in ``logs``, and the
chapters read it from there with :func:`load_experiment`. :func:`results_table` prints it, and
``yardstick`` says how far two results could lie apart by chance.
"""

from cnnlib.experiments.arms import EXPERIMENTS, Arm, Experiment
from cnnlib.experiments.run_log import LOGS, RunLog, load_experiment, read_log
from cnnlib.experiments.running import run_arm
from cnnlib.experiments.tables import conditions, results_table, steps_table
from cnnlib.experiments.yardstick import (
    Interval,
    Sample,
    compare_every_pair,
    compare_right,
    compare_runs,
    compare_shares,
    compare_values,
    differences,
    find_best_rates,
    find_best_steps,
    find_bracket,
    find_plateau,
    find_single_runs,
    find_unresolved_pairs,
    make_sample,
    pool_spread,
)

__all__ = [
    "EXPERIMENTS",
    "LOGS",
    "Arm",
    "Experiment",
    "Interval",
    "RunLog",
    "Sample",
    "compare_every_pair",
    "compare_right",
    "compare_runs",
    "compare_shares",
    "compare_values",
    "conditions",
    "differences",
    "find_best_rates",
    "find_best_steps",
    "find_bracket",
    "find_plateau",
    "find_single_runs",
    "find_unresolved_pairs",
    "load_experiment",
    "make_sample",
    "pool_spread",
    "read_log",
    "results_table",
    "run_arm",
    "steps_table",
]
