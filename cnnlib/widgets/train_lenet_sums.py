"""A course of training, drawn from a seed: the twin of ``live/course.js``, with torch's steps."""

import json
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

KEYS = ("lenet_modern", "lenet5")
OPTIMISERS = ("adamw", "momentum", "sgd")
RATES = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
BATCHES = (4, 10, 20, 40, 100, 200)
FALLS = (0, 8000, 16000, 24000, 32000, 40000, 60000)  # digits until the rate is zero; 0: it stays
SHIFTS = (0, 1, 2)  # pixels; a digit has two of paper on each side
SEEDS = (1, 5)
RUBBISH = {"lenet5": 20.0}  # j of LeNet-5's loss, see cnnlib.train.losses
MOMENTUM = 0.9
DECAY = 0.01  # of AdamW
EXAM = 2000  # so many digits seen lie between two exams; every batch size divides it
EXAMINED = 1000  # held-out digits of an exam: a hundred of each
STREAMS = {"labels": 500, "order": 1000, "shifts": 2000}


def draws(seed: int, count: int) -> np.ndarray:
    """``count`` numbers from 0 to below 1, float64, the same as the page's (mulberry32)."""
    u32 = np.uint32
    with np.errstate(over="ignore"):
        state = u32(seed) + u32(0x6D2B79F5) * np.arange(1, count + 1, dtype=np.uint32)
        t = (state ^ (state >> u32(15))) * (state | u32(1))
        t ^= t + (t ^ (t >> u32(7))) * (t | u32(61))
    return (t ^ (t >> u32(14))) / 2.0**32


def order_of(count: int, seed: int) -> list[int]:
    """The numbers from 0 to ``count`` - 1 in an order that the seed draws (Fisher and Yates)."""
    order = list(range(count))
    for i, draw in zip(range(count - 1, 0, -1), draws(seed, count - 1).tolist(), strict=True):
        j = int(draw * (i + 1))
        order[i], order[j] = order[j], order[i]
    return order


def shifts_of(count: int, seed: int, most: int) -> np.ndarray:
    """How far each digit is shifted, (count, 2): rows down, columns to the right, -most to most."""
    return np.floor(draws(seed, 2 * count) * (2 * most + 1)).astype(int).reshape(count, 2) - most


@cache
def parameters(key: str) -> list[dict[str, Any]]:
    """Name, shape and ``bounds`` of every trained tensor, as the page needs them to begin.

    Of ``bounds``, [count, bound], the first ``count`` weights are drawn from -bound to bound, and
    so on. For LeNet-5 a bound is 2.4 / fan-in, as its paper has it; for the modern one
    1 / sqrt(fan-in), torch's rule for convolutions and linear layers.
    """
    from cnnlib.models import MODELS

    found = []
    network = MODELS[key]()
    shapes = {name: tuple(value.shape) for name, value in network.named_parameters()}
    for name, shape in shapes.items():
        part = network.get_submodule(name.rpartition(".")[0])
        count = int(np.prod(shape))
        if key == "lenet_modern":
            weight = shapes[name.rpartition(".")[0] + ".weight"]
            bounds = [[count, float(np.prod(weight[1:])) ** -0.5]]
        elif hasattr(part, "pairs"):  # a map of C3 reads three, four or six maps
            fans = np.bincount([output for output, _ in part.pairs]) * part.kernel_size**2
            each = fans if name.endswith("weight") else np.ones_like(fans)
            bounds = [[int(n), 2.4 / int(fan)] for n, fan in zip(each, fans, strict=True)]
        elif hasattr(part, "coefficient"):
            bounds = [[count, 2.4 / part.kernel_size**2]]
        else:
            bounds = [[count, 2.4 / part.weight[0].numel()]]
        found.append({"name": name, "shape": list(shape), "bounds": bounds})
    return found


def start(key: str, seed: int) -> dict[str, np.ndarray]:
    """The weights with which the page begins: name -> float32."""
    listed = parameters(key)
    runs = [run for entry in listed for run in entry["bounds"]]
    bounds = np.repeat([bound for _, bound in runs], [count for count, _ in runs])
    numbers = ((2 * draws(seed, len(bounds)) - 1) * bounds).astype(np.float32)
    sizes = [int(np.prod(entry["shape"])) for entry in listed]
    parts = np.split(numbers, np.cumsum(sizes)[:-1])
    return {
        entry["name"]: part.reshape(entry["shape"])
        for entry, part in zip(listed, parts, strict=True)
    }


@cache
def course(
    key: str,
    optimiser: str,
    rate: float,
    batch: int,
    shuffled: bool,
    seed: int,
    seen: int,
    falls: int = 0,
    shift: int = 0,
) -> dict[str, Any]:
    """What the page's course does until it has seen so many digits, by torch.

    The rate falls evenly, and is zero when ``falls`` digits are seen; it stays where ``falls`` is
    0. Each digit is shifted by up to ``shift`` pixels, each time by others.

    ``told``: of each step [digits seen, loss]. ``exams``: [digits seen, share right of the held-out
    digits]. ``counts``: of the last exam, labels down and answers across. ``start`` and
    ``first``: the first layer's kernels at the beginning and now, as lists. ``broken``: whether the
    loss has become no number, with which it ends.
    """
    import torch
    from torch.nn import functional as F

    from cnnlib.data import load_digits
    from cnnlib.models import MODELS
    from cnnlib.train.losses import map_criterion
    from cnnlib.weights import preprocess

    train, test = load_digits("train"), load_digits("test")
    labels = np.array(train.labels)
    if shuffled:
        labels = labels[order_of(len(train), seed + STREAMS["labels"])]
    network = MODELS[key]()
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.copy_(torch.from_numpy(start(key, seed)[name]))
    makers = {
        "adamw": lambda w: torch.optim.AdamW(w, rate, weight_decay=DECAY),
        "momentum": lambda w: torch.optim.SGD(w, rate, momentum=MOMENTUM),
        "sgd": lambda w: torch.optim.SGD(w, rate),
    }
    steps = makers[optimiser](network.parameters())

    rubbish = RUBBISH.get(key)
    cost = partial(map_criterion, rubbish_penalty=rubbish) if rubbish else F.cross_entropy

    def exam() -> np.ndarray:
        with torch.no_grad():
            scores = network(preprocess(key, test.images[:EXAMINED])).numpy()
        counts = np.zeros((10, 10), int)
        fair = np.isfinite(scores.max(axis=1))
        pairs = (test.labels[:EXAMINED][fair], scores[fair].argmax(axis=1))
        np.add.at(counts, pairs, 1)
        return counts

    def first() -> list[float]:
        weight = next(network.parameters()).detach().numpy()
        return [float(f"{value:.6g}") for value in weight.ravel().tolist()]

    counts, begun = exam(), first()
    told, exams, done, broken = [], [[0, float(np.trace(counts)) / EXAMINED]], 0, False
    drawn: dict[int, tuple[list[int], np.ndarray]] = {}
    while done < seen and not broken:
        turn, place = divmod(done, len(train))
        if turn not in drawn:
            order = order_of(len(train), seed + STREAMS["order"] + turn)
            drawn = {turn: (order, shifts_of(len(train), seed + STREAMS["shifts"] + turn, shift))}
        numbers, moves = (part[place : place + batch] for part in drawn[turn])
        images = preprocess(key, train.images[numbers])
        if shift:
            pairs = zip(images, moves.tolist(), strict=True)
            images = torch.stack([image.roll(move, (1, 2)) for image, move in pairs])
        if falls:
            steps.param_groups[0]["lr"] = rate * max(0.0, 1 - done / falls)
        scores = network(images)
        wanted = torch.as_tensor(labels[numbers]).long()
        loss = cost(scores, wanted)
        steps.zero_grad()
        loss.backward()
        steps.step()
        done += len(numbers)
        broken = not np.isfinite(loss.item())
        if not broken:
            told.append([done, round(loss.item(), 5)])
        if done % EXAM == 0 and not broken:
            counts = exam()
            exams.append([done, float(np.trace(counts)) / EXAMINED])
    return {
        "told": told,
        "exams": exams,
        "counts": counts.tolist(),
        "start": begun,
        "first": begun if broken else first(),
        "seen": done,
        "broken": broken,
    }


# --- Courses to compare ---------------------------------------------------------------------------

COURSES = Path(__file__).with_name("train_lenet_courses.json")
ARMS = {  # name -> (falls, shift)
    "as it is": (0, 0),
    "shifted": (0, 1),
    "falling": (40_000, 0),
    "falling, shifted": (40_000, 1),
}
COMPARED = {"key": "lenet_modern", "optimiser": "adamw", "rate": 0.005, "batch": 20}
COMPARED_SEEN = 40_000


def read_courses() -> dict[str, list[list[float]]]:
    """Of each arm, and of each seed, the share right at each exam: every ``EXAM`` digits, from 0.

    ``python -m cnnlib.widgets.train_lenet_sums`` computes them anew, some minutes long.
    """
    return json.loads(COURSES.read_text(encoding="utf-8"))


def _write_courses() -> None:
    found: dict[str, list[list[float]]] = {}
    for arm, (falls, shift) in ARMS.items():
        for seed in range(SEEDS[0], SEEDS[1] + 1):
            run = course(
                **COMPARED, shuffled=False, seed=seed, seen=COMPARED_SEEN, falls=falls, shift=shift
            )
            found.setdefault(arm, []).append([right for _, right in run["exams"]])
            print(arm, seed, found[arm][-1][-1], flush=True)
    lines = (f" {json.dumps(arm)}: {json.dumps(rows)}" for arm, rows in found.items())
    COURSES.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    _write_courses()
