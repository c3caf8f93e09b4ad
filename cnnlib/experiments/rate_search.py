"""How many steps until so many training images are right, at each of several rates."""

import math
from dataclasses import replace

import torch

from cnnlib.experiments.experiment import RateSearch
from cnnlib.train import Run, make_optimiser


def search_rates(make_run, search: RateSearch) -> dict:
    """The steps that each rate takes: ``steps`` maps the rate, as text, to a number or None.

    ``make_run`` gives a fresh :class:`Run`, the same one each time. The rate is constant. None
    stands for a run that was censored; ``ended`` says for each rate how it ended: "arrived", "cap"
    (not there after ``search.most`` steps), "slow" (given up for a quicker rate) or "diverged" (a
    loss that is no number).
    """
    steps: dict[str, int | None] = {}
    ended: dict[str, str] = {}
    for rate in search.rates:
        quickest = min((taken for taken in steps.values() if taken), default=search.most)
        most = min(search.most, search.give_up * quickest)
        found, why = count_steps(make_run(), rate, replace(search, most=most))
        why = "slow" if why == "cap" and most < search.most else why
        steps[str(rate)], ended[str(rate)] = found, why
    return {
        "steps": steps,
        "ended": ended,
        "target": search.target,
        "most": search.most,
        "give_up": search.give_up,
        "look_after": search.look_after,
        "images": search.images,
    }


def count_steps(run: Run, rate: float, search: RateSearch) -> tuple[int | None, str]:
    """Train at one rate: the steps until the target, or None, and how it ended."""
    generator = torch.Generator().manual_seed(1000 * run.recipe.seed + 1)
    torch.manual_seed(1000 * run.recipe.seed + 1)  # dropout
    run.optimiser = make_optimiser(run.model, run.recipe)
    looked_at = torch.arange(min(search.images, len(run.labels)))
    inputs, labels = run.inputs(looked_at, None)
    run.model.train()
    for step in range(1, search.most + 1):
        batch = torch.randint(len(run.labels), (run.recipe.batch_size,), generator=generator)
        loss, _ = run.step(*run.inputs(batch, generator), rate, len(batch))
        if step % search.look_after:
            continue
        if not math.isfinite(loss.item()):
            return None, "diverged"
        run.model.eval()
        with torch.no_grad():
            wrong = (run.model(inputs).argmax(dim=1) != labels).float().mean().item()
        run.model.train()
        if wrong <= search.target:
            return step, "arrived"
    return None, "cap"
