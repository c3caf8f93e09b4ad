"""Training one arm of an experiment."""

import json
from dataclasses import asdict, replace
from pathlib import Path

from cnnlib.experiments.arms import EXPERIMENTS
from cnnlib.experiments.run_log import RunLog, log_name, read_log
from cnnlib.train import Run, fit, write_weights
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
    path = Path(output) / name / log_name(arm, seed)
    if path.exists():
        raise FileExistsError(f"{path}: exists")
    path.parent.mkdir(parents=True, exist_ok=True)
    recipe = experiment.recipe_of(arm, seed)
    if epochs is not None:
        recipe = replace(recipe, epochs=epochs)
    checkpoint = path.with_suffix(".checkpoint")
    what = experiment.arms[arm]
    run = Run(f"{name} {arm} {seed}", what.build, recipe, data=data)
    diverged = {}
    try:
        fit(run, checkpoint, resume=True)
    except FloatingPointError:
        if experiment.keep_weights:
            raise
        diverged = {"diverged_in_epoch": len(run.log) + 1}
    last = {"test_accuracy": 0.0, "test_top5": 0.0} if diverged else run.log[-1]
    accuracy, top5 = last["test_accuracy"], last.get("test_top5")
    if experiment.keep_weights:
        folder = path.parent / f"seed{seed}"
        folder.mkdir(exist_ok=True)
        record = write_weights(run, arm, folder)
        accuracy, top5 = record.accuracy, record.top5
    result = RunLog(
        experiment=name,
        arm=arm,
        seed=seed,
        accuracy=accuracy,
        top5=top5,
        tested_on=len(run.test_set),
        parameters=sum(p.numel() for p in run.model.parameters()),
        seconds=round(sum(entry["seconds"] for entry in run.log), 1),
        recipe=asdict(recipe),
        made_with=run.made_with(),
        measured=diverged or (what.measure(run) if what.measure else {}),
        log=tuple(
            {
                key: round(value, 5) if isinstance(value, float) else value
                for key, value in e.items()
            }
            for e in run.log
        ),
    )
    write_whole(path, (json.dumps(asdict(result), indent=1) + "\n").encode())
    checkpoint.unlink(missing_ok=True)
    return read_log(path)
