"""One yardstick for every comparison: how far two results could lie apart by chance.

A difference between two networks has two sources of chance. Another *seed* would have given other
starting weights and another order of the images. Other *test images* would have been easier for
one and harder for the other. An interval here holds both, and its docstring says how; more seeds
make the first part smaller, more test images the second, and neither makes up for the other.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from cnnlib.experiments.run_log import RunLog


class Sample(NamedTuple):
    """What several seeds gave: mean, standard deviation (None for a single one), and how many."""

    mean: float
    spread: float | None
    count: int

    @property
    def variance_of_mean(self) -> float:
        """How much the mean varies by chance; 0 where one value says nothing about it."""
        return 0.0 if self.spread is None else self.spread**2 / self.count


@dataclass(frozen=True)
class Interval:
    """A difference and its 95 % interval.

    ``seeds`` is how the spread over seeds came in: "own" (each side's), "common" (one for all, see
    :func:`pool_spread`), or "none" where a side has one seed: then the true interval is wider by
    an unknown amount. ``images`` is how the draw of the test images came in: "paired" (image by
    image), "unpaired" (each side's own draw), or "none" where the values are not counted on images.
    """

    difference: float
    low: float
    high: float
    seeds: str
    images: str

    @property
    def resolved(self) -> bool:
        """Whether 0 lies outside. With one seed that shows nothing about another seed."""
        return self.low > 0 or self.high < 0


def make_sample(values: Sequence[float]) -> Sample:
    """Mean and standard deviation (n - 1 in the denominator). Raises ``ValueError`` for none."""
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise ValueError(f"values={values.tolist()}: expected one or more finite numbers")
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return Sample(float(values.mean()), spread, len(values))


def student_quantile(freedom: float, share: float = 0.95) -> float:
    """The t that encloses ``share`` of Student's distribution between -t and t.

    With t = sqrt(freedom) tan(angle) the density over the angle is cos(angle)^(freedom - 1): it is
    summed up on a fine grid. From 1,000 degrees of freedom on it is the normal distribution's
    quantile within 0.002, and that many are taken.
    """
    freedom = min(max(freedom, 1.0), 1000.0)
    angles = np.linspace(0.0, math.pi / 2, 20_001)
    density = np.cos(angles) ** (freedom - 1)
    total = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return math.sqrt(freedom) * math.tan(np.interp(share, total / total[-1], angles))


def compare_values(one: Sequence[float], other: Sequence[float]) -> Interval:
    """Mean of ``one`` minus mean of ``other``, a value a seed, with Welch's t-interval.

    Each side has its own spread. A side with a single value has none: the interval is then that of
    the other side's spread alone, or empty, and says so (``seeds``).
    """
    return _interval(make_sample(one), make_sample(other), 0.0, "none", None)


def compare_right(one: np.ndarray, other: np.ndarray, common: Sample | None = None) -> Interval:
    """The share that is right, ``one`` minus ``other``: bool (seeds, images), the same images.

    Three variances are added. The first two are each side's spread over seeds, squared and divided
    by its number of seeds. The third is the draw of the images: for every image the difference
    between the two sides' shares of seeds that are right on it, and the variance of these
    differences divided by the number of images. Images that both sides find easy, or hard, cancel
    there: that is what pairing gains. What seed and image do together is counted in both parts, so
    the interval is rather too wide than too narrow. Its length comes from Student's t with
    Satterthwaite's degrees of freedom. ``common`` stands in for both sides' spread.

    Raises ``ValueError`` for other than the same number of images on both sides.
    """
    one, other = (np.atleast_2d(np.asarray(right, dtype=float)) for right in (one, other))
    if one.shape[1] != other.shape[1]:
        raise ValueError(f"{one.shape[1]} and {other.shape[1]} images: expected the same ones")
    of_images = one.mean(axis=0) - other.mean(axis=0)
    draw = float(of_images.var(ddof=1)) / one.shape[1]
    sides = (make_sample(right.mean(axis=1)) for right in (one, other))
    return _interval(*sides, draw, "paired", common)


def compare_shares(
    one: Sequence[float],
    other: Sequence[float],
    images: int,
    other_images: int | None = None,
    common: Sample | None = None,
) -> Interval:
    """As :func:`compare_right`, where only the shares are known, one a seed, and not which images.

    Then each side's draw is that of a coin with its share, p (1 - p) / images, and nothing cancels.
    """
    first, second = make_sample(one), make_sample(other)
    draw = first.mean * (1 - first.mean) / images
    draw += second.mean * (1 - second.mean) / (other_images or images)
    return _interval(first, second, draw, "unpaired", common)


def _interval(
    one: Sample, other: Sample, draw: float, images: str, common: Sample | None
) -> Interval:
    """From the two sides, the variance that the images' draw adds, and perhaps a common spread."""
    difference = one.mean - other.mean
    if common is None:
        parts = [(side.variance_of_mean, side.count - 1) for side in (one, other)]
        seeds = "own" if min(one.count, other.count) > 1 else "none"
    else:
        parts = [(common.spread**2 * (1 / one.count + 1 / other.count), common.count - 1)]
        seeds = "common"
    variance = draw + sum(part for part, _ in parts)
    uncertain = sum(part**2 / freedom for part, freedom in parts if freedom)
    half = student_quantile(variance**2 / uncertain if uncertain else math.inf)
    half *= math.sqrt(variance)
    return Interval(difference, difference - half, difference + half, seeds, images)


# --- Runs ---------------------------------------------------------------------------------------


def group_runs(logs: Sequence[RunLog]) -> dict[str, list[RunLog]]:
    """The runs arm by arm, in the order of the logs."""
    arms: dict[str, list[RunLog]] = {}
    for log in logs:
        arms.setdefault(log.arm, []).append(log)
    return arms


def has_diverged(runs: Sequence[RunLog]) -> bool:
    """Whether one of these runs has no result, since its loss was no number any more."""
    return any("diverged_in_epoch" in run.measured for run in runs)


def compare_runs(
    one: Sequence[RunLog], other: Sequence[RunLog], top: int = 1, common: Sample | None = None
) -> Interval:
    """The difference between two arms' shares of right test images: ``one`` minus ``other``.

    Paired image by image where all logs hold which images were right, and they are of one set
    (:func:`compare_right`); else by the shares alone (:func:`compare_shares`). ``top`` is 1, or 5
    where the runs have it. Raises ``ValueError`` for no runs, diverged ones, and a top-5 that a run
    does not have.
    """
    everything = [*one, *other]
    if not one or not other or has_diverged(everything):
        raise ValueError("runs: expected one or more on each side, none of them diverged")
    if top not in (1, 5) or (top == 5 and any(run.top5 is None for run in everything)):
        raise ValueError(f"top={top}: expected 1, or 5 where every run has it")
    rights = [[run.right_images(top) for run in runs] for runs in (one, other)]
    sets = {(run.recipe["dataset"], run.tested_on) for run in everything}
    if len(sets) == 1 and all(right is not None for side in rights for right in side):
        return compare_right(*map(np.stack, rights), common)
    shares = [[run.accuracy if top == 1 else run.top5 for run in runs] for runs in (one, other)]
    return compare_shares(*shares, one[0].tested_on, other[0].tested_on, common)


def differences(
    logs: Sequence[RunLog], base: str | None = None, top: int = 1
) -> dict[str, Interval | None]:
    """Every arm's share of right test images minus that of the arm ``base``, as an interval.

    ``base`` is the first arm without it; it has no difference to itself, nor has an arm with a
    diverged run: None. Raises ``ValueError`` for a base that has no runs.
    """
    arms = group_runs(logs)
    base = next(iter(arms), None) if base is None else base
    if base not in arms:
        raise ValueError(f"base={base!r}: expected an arm among {', '.join(arms) or 'no runs'}")
    without = [arm for arm, runs in arms.items() if arm == base or has_diverged(runs)]
    if has_diverged(arms[base]):
        without = list(arms)
    return {
        arm: None if arm in without else compare_runs(runs, arms[base], top)
        for arm, runs in arms.items()
    }


class Pair(NamedTuple):
    """Two arms, and the interval of the first minus the second."""

    one: str
    other: str
    interval: Interval


def compare_every_pair(logs: Sequence[RunLog], *, common_spread: bool = False) -> list[Pair]:
    """All pairs of arms, none of them diverged, by :func:`compare_runs`.

    An arm with one seed has no spread, and its intervals hold the draw of the images only. With
    ``common_spread`` all arms get the one of :func:`pool_spread`, single ones too. That is an
    assumption: that the seeds of all these networks scatter alike.
    """
    arms = {arm: runs for arm, runs in group_runs(logs).items() if not has_diverged(runs)}
    common = pool_spread(logs) if common_spread else None
    return [
        Pair(one, other, compare_runs(arms[one], arms[other], common=common))
        for one, other in itertools.combinations(arms, 2)
    ]


def find_unresolved_pairs(logs: Sequence[RunLog], *, common_spread: bool = False) -> list[Pair]:
    """Those of :func:`compare_every_pair` whose interval holds 0: which is ahead is open."""
    pairs = compare_every_pair(logs, common_spread=common_spread)
    return [pair for pair in pairs if not pair.interval.resolved]


def find_single_runs(logs: Sequence[RunLog]) -> list[str]:
    """The arms with one seed: marked as such in a table, and not ranked within the yardstick."""
    return [arm for arm, runs in group_runs(logs).items() if len(runs) == 1]


def pool_spread(logs: Sequence[RunLog]) -> Sample | None:
    """One standard deviation over seeds for all arms that have several; None where none has.

    ``mean`` is their mean accuracy, ``count`` the degrees of freedom plus 1.
    """
    several = [
        make_sample([run.accuracy for run in runs])
        for runs in group_runs(logs).values()
        if len(runs) > 1 and not has_diverged(runs)
    ]
    if not several:
        return None
    freedom = sum(sample.count - 1 for sample in several)
    squares = sum((sample.count - 1) * sample.spread**2 for sample in several)
    mean = sum(sample.mean for sample in several) / len(several)
    return Sample(mean, math.sqrt(squares / freedom), freedom + 1)


# --- The law: brackets and plateaus --------------------------------------------------------------


class Bracket(NamedTuple):
    """The best setting of a search; whether it lies inside the grid; which settings have no value.

    ``inside`` is False where the best is the first or the last of the grid: a better one may lie
    beyond. ``censored`` are the settings where some run had no result (a cap hit, a divergence).
    ``sound`` says that the best lies inside and none of its own runs is censored.
    """

    best: float
    inside: bool
    censored: tuple[float, ...]

    @property
    def sound(self) -> bool:
        return self.inside and self.best not in self.censored


def find_bracket(
    results: Mapping[float, Sequence[float | None]], *, largest: bool = False
) -> Bracket:
    """Which setting is best by its mean over seeds: the smallest value, or the ``largest``.

    ``results`` maps a rate, width or strength to its runs' values; None stands for a run without a
    result. A setting with such a run takes no part in the choice. Raises ``ValueError`` where no
    setting is left.
    """
    censored = tuple(
        setting for setting in sorted(results) if not results[setting] or None in results[setting]
    )
    means = {
        setting: make_sample(values).mean
        for setting, values in results.items()
        if setting not in censored
    }
    if not means:
        raise ValueError(f"results: expected a setting with all its runs, found {dict(results)}")
    best = (max if largest else min)(means, key=means.get)
    inside = min(results) < best < max(results)
    return Bracket(best, inside, censored)


class Plateau(NamedTuple):
    """How much the last third of a training still changed: errors in shares, below 0 for a fall."""

    training: float
    test: float | None
    epochs: int


def find_plateau(log: RunLog) -> Plateau:
    """The change of the errors between two thirds of the epochs and the end.

    A recipe whose rate falls to 0 makes every curve flat at its end. So a small change says that
    this run was over, not that a longer one would end at the same place: only a longer one says
    that. ``test`` is None where the test images were not looked at often enough; ``epochs`` is how
    many lie between. Raises ``ValueError`` for fewer than three epochs.
    """
    if len(log.log) < 3:
        raise ValueError(f"{log.arm}, seed {log.seed}: {len(log.log)} epochs, expected 3 or more")
    start, end = log.log[2 * len(log.log) // 3 - 1], log.log[-1]
    test = None
    if "test_accuracy" in start and "test_accuracy" in end:
        test = start["test_accuracy"] - end["test_accuracy"]
    training = start["train_accuracy"] - end["train_accuracy"]
    return Plateau(training, test, end["epoch"] - start["epoch"])


# --- Rates: chosen by some seeds, told by the others ----------------------------------------------


class BestRate(NamedTuple):
    """An arm's best rate, chosen by seed 1 alone, and the runs of the other seeds at that rate."""

    rate: float
    runs: tuple[RunLog, ...]
    bracket: Bracket


def find_best_rates(logs: Sequence[RunLog]) -> dict[str, BestRate]:
    """For arms named KIND_rateNUMBER: each kind's best rate by accuracy, and its runs there.

    A best of many flatters itself. So seed 1, which ran at every rate, chooses, and the other
    seeds, which had no say in the choice, are what is reported. Their ``arm`` is the kind alone, so
    that :func:`cnnlib.experiments.results_table` takes them. Raises ``ValueError`` for an arm
    without a rate in its name, and a kind whose best rate has no other seeds.
    """
    found: dict[str, dict[float, list[RunLog]]] = {}
    for log in logs:
        kind, mark, rate = log.arm.rpartition("_rate")
        if not mark:
            raise ValueError(f"arm {log.arm!r}: expected a name that ends in _rateNUMBER")
        found.setdefault(kind, {}).setdefault(float(rate), []).append(log)
    best = {}
    for kind, rates in found.items():
        first = {
            rate: [None if has_diverged([run]) else run.accuracy for run in runs if run.seed == 1]
            for rate, runs in rates.items()
        }
        chosen = find_bracket(first, largest=True)
        others = tuple(replace(run, arm=kind) for run in rates[chosen.best] if run.seed != 1)
        if not others:
            raise ValueError(f"{kind}: seed 1 alone ran at its best rate {chosen.best}")
        best[kind] = BestRate(chosen.best, others, chosen)
    return best


# --- Steps until a target ------------------------------------------------------------------------


class Steps(NamedTuple):
    """Steps until the target at one arm's best rate: chosen by some seeds, told by the others."""

    rate: float
    steps: tuple[int, ...]
    bracket: Bracket


def find_best_steps(runs: Sequence[RunLog]) -> Steps:
    """One arm's rate search, read fairly: the rate by the first half of the seeds, the steps by
    the others. A best of many flatters itself; seeds that had no say in the choice do not.

    Raises ``ValueError`` for fewer than two seeds, and if the reporting seeds do not all arrive.
    """
    runs = sorted(runs, key=lambda run: run.seed)
    if len(runs) < 2:
        raise ValueError(f"{len(runs)} seeds: expected two or more, to choose and to report")
    half = len(runs) // 2
    rates = list(runs[0].measured["steps"])
    found = find_bracket(
        {float(rate): [run.measured["steps"][rate] for run in runs[:half]] for rate in rates}
    )
    text = next(rate for rate in rates if float(rate) == found.best)
    steps = tuple(run.measured["steps"][text] for run in runs[half:])
    if None in steps:
        raise ValueError(f"{runs[0].arm} at rate {text}: steps {steps}, one run was censored")
    return Steps(found.best, steps, found)


def compare_steps(one: Sequence[int], other: Sequence[int]) -> Interval:
    """How many times as many steps ``one`` takes: a ratio of geometric means, and its interval.

    :func:`compare_values` of the logarithms, taken back; so ``resolved`` does not apply: look
    whether 1 lies inside.
    """
    logs = compare_values(*(np.log(np.asarray(steps, dtype=float)) for steps in (one, other)))
    return Interval(*np.exp([logs.difference, logs.low, logs.high]).tolist(), logs.seeds, "none")
