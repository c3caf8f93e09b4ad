"""Training one arm of an experiment."""

import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch

from cnnlib.experiments.arms import EXPERIMENTS
from cnnlib.experiments.costs import count_cost_of_build
from cnnlib.experiments.experiment import Experiment
from cnnlib.experiments.packing import pack_bits
from cnnlib.experiments.rate_search import search_rates
from cnnlib.experiments.run_log import RunLog, name_log, read_log
from cnnlib.train import Run, fit, write_weights
from cnnlib.train.weight_files import finish_network
from cnnlib.weights.measuring import rank_labels, score_images
from cnnlib.weights.records import write_whole


def run_arm(
    name: str,
    arm: str,
    seed: int,
    output: str | Path,
    *,
    data: str | Path | None = None,
    epochs: int | None = None,
) -> RunLog:
    """Train one arm with one seed and write ``output/name/arm-seedN.json``.

    A run that was stopped goes on from its checkpoint. ``epochs`` is for a trial; the experiment's
    own number is used without it. One process only.

    A run whose loss becomes infinite is a result too: its log has the epochs before that, accuracy
    0 (a network whose scores are not numbers names no class), and ``measured`` says
    ``diverged_in_epoch``. Only where weights are to be kept it is an error.

    Raises ``ValueError`` for a name, arm or seed that the experiment does not have,
    ``FileExistsError`` if the log is there already, and ``FloatingPointError`` as said.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"unknown experiment {name!r}; known: {', '.join(EXPERIMENTS)}")
    experiment = EXPERIMENTS[name]
    if arm not in experiment.arms:
        raise ValueError(f"{name} has no arm {arm!r}; it has: {', '.join(experiment.arms)}")
    if not 1 <= seed <= experiment.seeds:
        raise ValueError(f"seed={seed}: expected 1 to {experiment.seeds}")
    path = Path(output) / name / name_log(arm, seed)
    if path.exists():
        raise FileExistsError(f"{path}: exists")
    path.parent.mkdir(parents=True, exist_ok=True)
    recipe = experiment.recipe_of(arm, seed)
    if epochs is not None:
        recipe = replace(recipe, epochs=epochs)
    what = experiment.arms[arm]

    def make_run() -> Run:
        title = f"{name} {arm} {seed}"
        return what.run(title, what.build, recipe, data=data, look_every=experiment.look_every)

    checkpoint = path.with_suffix(".checkpoint")
    begun = time.perf_counter()
    run = make_run()
    if what.search is not None:
        outcome = {
            "accuracy": 0.0,
            "top5": None,
            "measured": search_rates(make_run, what.search),
            "seconds": round(time.perf_counter() - begun, 1),
        }
    else:
        outcome = _train(run, arm, experiment, checkpoint, path.parent / f"seed{seed}")
    shape = recipe.preprocessing
    result = RunLog(
        experiment=name,
        arm=arm,
        seed=seed,
        tested_on=len(run.test_set),
        parameters=sum(p.numel() for p in run.model.parameters()),
        recipe=asdict(recipe),
        made_with=run.made_with(),
        log=tuple(
            {
                key: round(value, 5) if isinstance(value, float) else value
                for key, value in e.items()
            }
            for e in run.log
            if "test_accuracy" in e  # with a hundred short epochs the others tell little
        ),
        cost=count_cost_of_build(
            what.build,
            len(run.train_set.categories),
            (shape.channels, shape.height, shape.width),
        ),
        **outcome,
    )
    write_whole(path, (json.dumps(asdict(result), indent=1) + "\n").encode())
    checkpoint.unlink(missing_ok=True)
    return read_log(path)


def _train(run: Run, arm: str, experiment: Experiment, checkpoint: Path, weights: Path) -> dict:
    """Train to the end and look: what a log says of it. ``weights`` is where they are kept."""
    diverged = {}
    try:
        fit(run, checkpoint, resume=True)
    except FloatingPointError:
        if experiment.keep_weights:
            raise
        diverged = {"diverged_in_epoch": len(run.log) + 1}
    seconds = round(sum(entry["seconds"] for entry in run.log), 1)
    if diverged:
        return {"accuracy": 0.0, "top5": None, "measured": diverged, "seconds": seconds}
    network = run.model
    if experiment.keep_weights:
        weights.mkdir(exist_ok=True)
        write_weights(run, arm, weights)
        network, _ = finish_network(run, arm)
    scores = score_images(network, run.recipe.preprocessing, run.test_set)
    place = rank_labels(scores, torch.from_numpy(run.test_set.labels)).numpy()
    many = len(run.test_set.categories) > 10
    measure = experiment.arms[arm].measure
    return {
        "accuracy": float((place < 1).mean()),
        "top5": float((place < 5).mean()) if many else None,
        "right": pack_bits(place < 1),
        "right5": pack_bits(place < 5) if many else None,
        "measured": measure(run) if measure else {},
        "seconds": seconds,
    }
