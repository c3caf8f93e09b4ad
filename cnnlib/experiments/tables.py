"""What a chapter shows of the logs: a table with its yardstick, and the conditions in words."""

import re
from collections.abc import Mapping, Sequence

from cnnlib.experiments.run_log import RunLog
from cnnlib.experiments.yardstick import (
    Interval,
    compare_steps,
    differences,
    find_best_steps,
    group_runs,
    has_diverged,
    make_sample,
)

SINGLE = "†"


def results_table(
    logs: Sequence[RunLog],
    names: Mapping[str, str] | None = None,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    *,
    base: str | None = None,
) -> str:
    """The runs as a Markdown table, a line an arm, with the yardstick beside every difference.

    ``names`` calls the arms otherwise than by their keys, sets their order, and leaves out those it
    does not name; ``columns`` adds what the logs do not hold: heading -> arm -> text. Multiply-adds
    stand in the table where the logs hold them, the maps' sizes where the arms differ in them.

    An error is the mean over seeds after the last epoch, with each seed's in brackets. Beside the
    test error stands the difference to the arm ``base`` (without it the first) in points of test
    error, below 0 where the arm is better, with its 95 % interval, from
    :func:`cnnlib.experiments.yardstick.differences`; the same again for top-5 where all runs have
    it. Errors on training images are means over an epoch, on distorted images, while the network
    still learned. A sentence below says what the intervals hold, and marks single runs.

    Raises ``ValueError`` if no run is left, a column lacks an arm, or ``base`` has no runs.
    """
    called = names or {log.arm: log.arm for log in logs}
    columns = columns or {}
    every = group_runs(logs)
    arms = {arm: every[arm] for arm in called if arm in every}
    if not arms:
        raise ValueError(f"names={list(called)}: expected arms among these runs")
    for heading, texts in columns.items():
        for arm in arms:
            if arm not in texts:
                raise ValueError(f"column {heading!r} lacks the arm {arm!r}")
    base = next(iter(arms)) if base is None else base
    shown = [run for runs in arms.values() for run in runs]
    tops = [1, 5] if all(run.top5 is not None or has_diverged([run]) for run in shown) else [1]
    # Under names or not, the base is looked for among all runs that were given.
    kept = shown if base in arms else [*shown, *every.get(base, [])]
    against = {top: differences(kept, base, top) for top in tops}

    costs = _cost_columns(arms, columns)
    heads = ["network"]  # what is compared comes first: a page shows some five columns
    for top in tops:
        heads += ["test error" if top == 1 else "top-5 error"]
        heads += [f"against {called.get(base, base)}"] if len(arms) > 1 else []
    heads += ["training error", *columns, "parameters", *costs]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for arm, runs in arms.items():
        line = [called[arm]]
        for top in tops:
            line.append(_test_errors(runs, top))
            if len(arms) > 1:
                line.append(_points(against[top][arm]))
        trained = [1 - run.log[-1]["train_accuracy"] for run in runs if run.log]
        line.append(_errors(trained) if trained else "–")
        line += [texts[arm] for texts in columns.values()]
        line += [f"{runs[0].parameters:,}", *(texts[arm] for texts in costs.values())]
        lines.append(line)
    table = "\n".join("| " + " | ".join(line).replace("%", " %") + " |" for line in lines)
    return f"{table}\n\n{_what_intervals_hold(arms, against)}"


def _cost_columns(
    arms: Mapping[str, Sequence[RunLog]], given: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """Multiply-adds, and maps and widths where arms differ in them, as the logs have them."""
    if any(runs[0].cost is None for runs in arms.values()):
        return {}
    costs = {arm: runs[0].cost for arm, runs in arms.items()}
    found = {"multiply-adds": {arm: _millions(cost["macs"]) for arm, cost in costs.items()}}
    if len({tuple(cost["maps"]) for cost in costs.values()}) > 1:
        found["maps"] = {arm: ", ".join(map(str, cost["maps"])) for arm, cost in costs.items()}
    if len({cost["widest"] for cost in costs.values()}) > 1:
        found["widest"] = {arm: str(cost["widest"]) for arm, cost in costs.items()}
    return {heading: texts for heading, texts in found.items() if heading not in given}


def _millions(count: int) -> str:
    """In millions; whole below a tenth of one, where "0.0 M" would say nothing."""
    return f"{count / 1e6:,.1f} M" if count >= 100_000 else f"{count:,}"


def _errors(errors: Sequence[float]) -> str:
    """The mean error, and each seed's in brackets where there are several."""
    if len(errors) == 1:
        return f"{errors[0]:.1%}"
    each = ", ".join(f"{100 * error:.1f}" for error in errors)
    return f"{make_sample(errors).mean:.1%} ({each})"


def _test_errors(runs: Sequence[RunLog], top: int) -> str:
    if has_diverged(runs):
        return ", ".join(
            f"diverged in epoch {run.measured['diverged_in_epoch']}"
            if has_diverged([run])
            else f"{1 - (run.accuracy if top == 1 else run.top5):.1%}"
            for run in runs
        )
    text = _errors([1 - (run.accuracy if top == 1 else run.top5) for run in runs])
    return f"{text} {SINGLE}" if len(runs) == 1 else text


def _points(interval: Interval | None) -> str:
    """A difference of right shares as one of errors, in points: "−1.3 [−3.9, +1.3]"."""
    if interval is None:
        return "–"
    numbers = (-interval.difference, -interval.high, -interval.low)
    middle, low, high = (signed(100 * number) for number in numbers)
    return f"{middle} [{low}, {high}]"


def signed(number: float, digits: int = 1) -> str:
    """A number with its sign, a true minus, and no sign before what rounds to 0."""
    text = f"{number:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def _what_intervals_hold(
    arms: Mapping[str, Sequence[RunLog]], against: Mapping[int, Mapping[str, Interval | None]]
) -> str:
    """The sentence below the table: what chance is in the intervals, and what is not."""
    found = [interval for interval in against[1].values() if interval is not None]
    single = [runs for runs in arms.values() if len(runs) == 1]
    texts = []
    if found:
        images = next(iter(arms.values()))[0].tested_on
        ways = sorted({interval.images for interval in found})
        pairing = {
            ("paired",): "compared image by image",
            ("unpaired",): "each network's own, for these logs do not hold which images were right",
        }.get(tuple(ways), "compared image by image where the logs allow it")
        seeds = any(interval.seeds == "own" for interval in found)
        chance = "the spread over seeds and the draw" if seeds else "the draw"
        texts.append(
            f"Differences of errors are in points, below 0 where the network is better, with 95 % "
            f"intervals for {chance} of the {images:,} test images ({pairing})."
        )
    if single:
        texts.append(
            f"{SINGLE} One seed: what another one would give is not known, and in no interval."
        )
    return " ".join(texts)


def steps_table(logs: Sequence[RunLog], names: Mapping[str, str], base: str) -> str:
    """A rate search as a Markdown table: each arm's best rate, its steps, how many times base's.

    The rate is chosen by the first half of the seeds, the steps are those of the others
    (:func:`cnnlib.experiments.yardstick.find_best_steps`). Raises ``ValueError`` where the best
    rate is not inside the grid, or ``base`` has no runs.
    """
    every = group_runs(logs)
    arms = {arm: find_best_steps(every[arm]) for arm in names if arm in every}
    if base not in arms:
        raise ValueError(f"base={base!r}: expected an arm among {', '.join(arms) or 'no runs'}")
    lines = [
        ("network", "best rate", "steps, each seed", f"times those of {names[base]}"),
        ("---", "---:", "---:", "---:"),
    ]
    for arm, found in arms.items():
        if not found.bracket.sound:
            raise ValueError(f"{arm}: the best rate {found.rate} is not inside its grid")
        times = "1"
        if arm != base:
            ratio = compare_steps(found.steps, arms[base].steps)
            times = f"{ratio.difference:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"
        lines.append((names[arm], f"{found.rate:g}", ", ".join(map(str, found.steps)), times))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def conditions(logs: Sequence[RunLog]) -> str:
    """In a sentence, what all runs of an experiment share: images, classes, epochs, machine.

    Raises ``ValueError`` if they do not share it, or there are none.
    """
    shared = {
        (
            log.recipe["dataset"],
            log.recipe["preprocessing"]["height"],
            log.recipe["preprocessing"]["width"],
            log.tested_on,
            log.recipe["epochs"],
            log.recipe["batch_size"],
            log.recipe["limit"],
        )
        for log in logs
    }
    if len(shared) != 1:
        raise ValueError(f"{len(shared)} kinds of runs: expected one")
    dataset, height, width, tested_on, epochs, batch_size, limit = shared.pop()
    devices = sorted({log.made_with["device"] for log in logs})
    counts = sorted({len(runs) for runs in group_runs(logs).values()})
    seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    images = describe_images(dataset, height, width)
    if limit is not None:
        images = f"the first {limit:,} training images of {images}"
    training = f"{epochs} epochs in batches of {batch_size}"
    if all("steps" in log.measured for log in logs):
        training = f"batches of {batch_size}, at most {logs[0].measured['most']:,} steps"
    else:
        training += f", {tested_on:,} test images"
    return (
        f"{images[0].upper()}{images[1:]}, {training}, {seeds} seed{'s' * (seeds != '1')} a "
        f"network, trained on {' and '.join(devices)}."
    )


def describe_images(dataset: str, height: int, width: int) -> str:
    """An image set as a reader calls it, and the size that the networks get.

    Raises ``ValueError`` for a set that no experiment uses.
    """
    size = f"{height}×{width}"
    if parts := re.fullmatch(r"tiny-imagenet-(\d+)", dataset):
        return f"{parts[1]} classes of Tiny ImageNet at {size}"
    if re.fullmatch(r"imagenette(-\d+)?", dataset):
        return f"the ten classes of Imagenette at {size}"
    if dataset == "fashion":
        return f"ten kinds of clothes (8,000 of Fashion-MNIST) at {size}"
    if dataset == "digits":
        return f"ten digits (8,000 of MNIST) at {size}"
    raise ValueError(f"dataset={dataset!r}: expected Tiny ImageNet, Imagenette, clothes or digits")
