"""From a key to a weight file with its record."""

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cnnlib.models import NETWORKS, build_network
from cnnlib.train.processes import Processes, join_processes
from cnnlib.train.recipes import DEVIATIONS, Recipe
from cnnlib.train.run import Run, fit
from cnnlib.weights import WeightFile, measure


def train(
    key: str,
    recipe: Recipe,
    output: str | Path,
    *,
    data: str | Path | None = None,
    force: bool = False,
    resume: bool = False,
    snapshots: Collection[int] = (),
) -> WeightFile:
    """Train network ``key`` by ``recipe`` and write its weights and record into ``output``.

    ``data`` is the folder or archive of an image set that does not ship. After every epoch a
    checkpoint is written, ``KEY.checkpoint``; ``resume`` goes on from it, or begins where there is
    none yet. Weights or a checkpoint that are there already stay untouched unless ``force`` is
    given, which starts anew. ``snapshots`` are epochs whose weights are kept too, as :func:`fit`
    says. Where ``torchrun`` started several processes, all of them call this.

    Raises ``ValueError`` for an unknown key or an impossible recipe, ``FileExistsError`` for files
    in the way, ``FileNotFoundError`` for images that are not there.
    """
    if key not in NETWORKS:
        raise ValueError(f"unknown key {key!r}; known: {', '.join(NETWORKS)}")
    output = Path(output)
    weights, record = output / f"{key}.safetensors", output / f"{key}.json"
    checkpoint = output / f"{key}.checkpoint"
    if output.exists() and not output.is_dir():
        raise NotADirectoryError(f"{output}: not a folder")
    going_on = resume and checkpoint.exists()
    in_the_way = [path for path in (weights, record) if path.exists()]
    if in_the_way and not (force or going_on):
        raise FileExistsError(f"{in_the_way[0]}: exists; --force trains anew and replaces it")
    if checkpoint.exists() and not (resume or force):
        raise FileExistsError(f"{checkpoint}: a run was stopped; --resume or --force (anew)")
    output.mkdir(parents=True, exist_ok=True)

    options = {"aux": True} if recipe.auxiliary_weight else {}
    processes = join_processes()
    try:
        run = Run(
            key,
            lambda classes: build_network(key, classes, **options),
            recipe,
            data=data,
            processes=processes,
        )
        fit(run, checkpoint, resume=resume, snapshots=snapshots)
        if processes.leads:
            write_weights(run, key, output)
            checkpoint.unlink()
        _wait(processes)
    finally:
        processes.close()
    return WeightFile.read(record)


def _wait(processes: Processes) -> None:
    """Let no process look for the files before they are there."""
    processes.total([0.0])


def write_weights(run: Run, key: str, folder: Path) -> WeightFile:
    """Write ``KEY.safetensors`` and its record, ``KEY.json``."""
    model, tensors = finish_network(run, key)
    return WeightFile.save(folder, key, tensors, **_facts(run, key, model))


def finish_network(run: Run, key: str) -> tuple[nn.Module, dict[str, Tensor]]:
    """The trained network as it is kept: no auxiliary heads, rounded if the recipe says so.

    The network is on the CPU in float32; the tensors are what its file holds.
    """
    model = build_network(key, len(run.train_set.categories))
    trained, tensors = run.model.state_dict(), {}
    for name in model.state_dict():
        tensor = trained[name].cpu().contiguous()
        if run.recipe.half_weights and tensor.is_floating_point():
            tensor = tensor.half()
            if not tensor.isfinite().all():
                raise FloatingPointError(f"{name}: a value is too large for float16")
        tensors[name] = tensor
    model.load_state_dict(tensors)
    return model.eval(), tensors


def _facts(run: Run, key: str, model: nn.Module) -> dict[str, Any]:
    """How the network was made, and how good it is: the fields of its record."""
    recipe = asdict(run.recipe)
    del recipe["preprocessing"]
    many = len(run.test_set.categories) > 10
    shares = measure(model, run.recipe.preprocessing, run.test_set, k=(1, 5) if many else (1,))
    return {
        "accuracy": shares[1],
        "top5": shares.get(5),
        "tested_on": len(run.test_set),
        "dataset": run.recipe.dataset,
        "categories": tuple(run.train_set.categories),
        "preprocessing": run.recipe.preprocessing,
        "recipe": recipe,
        "deviation": DEVIATIONS[key].reason if key in DEVIATIONS else None,
        "made_with": run.made_with(),
        "log": tuple(run.log),
    }
