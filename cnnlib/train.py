"""The recipe behind every weight file: ``python -m cnnlib.train KEY``.

Trains the network KEY on the images that ship and writes ``KEY.safetensors`` with ``KEY.json``:
the recipe, the SHA-256, one log entry an epoch, and the accuracy on the held-out images. Nothing
is chosen by looking at those: the recipe is fixed, and the last epoch is the one that is kept.

The same seed gives the same weights, bit for bit, on the same machine with the same number of
threads. Every epoch starts from a seed of its own, so a run that was stopped and resumed gives the
same weights as one that was not.
"""

import ctypes
import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from cnnlib.data import DATASETS
from cnnlib.models import MODELS
from cnnlib.weights import Preprocessing, WeightFile, measure_accuracy, preprocess, read_record
from cnnlib.weights.command_line import OneLineParser


@dataclass(frozen=True)
class Augmentation:
    """Each image is distorted by random amounts up to these, in both directions.

    ``scale`` 0.1 is a size from 90 % to 110 %; ``squeeze`` 0.1 makes it that much wider while it
    gets that much lower, or the reverse; ``shear`` 0.1 moves a row sideways by a tenth of its
    height above the middle; ``shift`` is in pixels. These are the distortions of LeCun et al. 1998,
    section III.C; turning by ``degrees`` is not among them.
    """

    degrees: float = 0.0
    scale: float = 0.0
    squeeze: float = 0.0
    shear: float = 0.0
    shift: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """All that decides how a network is trained.

    The learning rate rises in a straight line to ``learning_rate`` over the first ``warm_up`` of
    all steps and falls along half a cosine to 0 (one cycle). ``optimiser`` is ``"adamw"`` or
    ``"sgd"`` (with Nesterov momentum 0.9). ``rubbish_penalty`` is the constant of
    :func:`map_criterion`; ``None`` means plain cross-entropy. ``limit`` trains on the first images
    only.
    """

    preprocessing: Preprocessing
    dataset: str = "digits"
    epochs: int = 60
    batch_size: int = 64
    optimiser: str = "adamw"
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    warm_up: float = 0.2
    rubbish_penalty: float | None = None
    augmentation: Augmentation | None = None
    seed: int = 1
    limit: int | None = None


# LeNet-5's input (section II.B): 28x28 digits in the middle of 32x32, paper -0.1, ink 1.175.
PAPER_DIGITS = Preprocessing(channels=1, height=32, width=32, low=-0.1, high=1.175)
DISTORTED_DIGITS = Augmentation(degrees=10, scale=0.1, squeeze=0.1, shear=0.2, shift=2)

RECIPES = {
    # Saturating units and a criterion that goes on pushing classes apart: still learning after 60.
    "lenet5": Recipe(PAPER_DIGITS, epochs=150, rubbish_penalty=20.0, augmentation=DISTORTED_DIGITS),
    "lenet_modern": Recipe(PAPER_DIGITS, augmentation=DISTORTED_DIGITS),
}


def map_criterion(scores: Tensor, labels: Tensor, rubbish_penalty: float) -> Tensor:
    """The loss of LeNet-5: LeCun et al. 1998, equation 9, averaged over the batch.

    With the penalties ``y = -scores`` and the right class ``D`` an image costs
    ``y_D + log(exp(-j) + sum_i exp(-y_i))``, where ``j`` is ``rubbish_penalty``. That is
    cross-entropy over one class more, "rubbish", whose score is always ``-j``. The first term
    pulls the right penalty down, the second pushes all others up; ``j`` is where pushing ends,
    for a class that is much farther away than ``j`` hardly counts in the sum.

    ``scores`` is (N, K), ``labels`` (N,). Never negative.
    """
    rubbish = scores.new_full((len(scores), 1), -rubbish_penalty)
    return F.cross_entropy(torch.cat([scores, rubbish], dim=1), labels)


def augment(images: Tensor, by: Augmentation) -> Tensor:
    """Distort each image about its centre by random amounts of its own.

    (N, C, H, W) in and out, any sizes. What comes in from outside repeats the border.
    """
    count, _, height, width = images.shape

    def random(most: float) -> Tensor:
        return (2 * torch.rand(count) - 1) * most

    angle, zoom, squeeze = (
        random(math.radians(by.degrees)),
        1 + random(by.scale),
        random(by.squeeze),
    )
    shear, right, down = random(by.shear), random(by.shift), random(by.shift)
    cos, sin = torch.cos(angle), torch.sin(angle)
    # Which input place does an output place (x, y) show? Stretch, then shear, then turn.
    x_by_x = cos / (zoom * (1 + squeeze))
    x_by_y = (cos * shear + sin) / (zoom * (1 - squeeze))
    y_by_x = -sin / (zoom * (1 + squeeze))
    y_by_y = (cos - sin * shear) / (zoom * (1 - squeeze))
    # affine_grid counts from -1 to 1 along each axis, whatever its length in pixels.
    x_row = torch.stack([x_by_x, x_by_y * height / width, -2 * right / width], dim=1)
    y_row = torch.stack([y_by_x * width / height, y_by_y, -2 * down / height], dim=1)
    matrices = torch.stack([x_row, y_row], dim=1)  # (N, 2, 3)
    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)  # (N, H, W, 2)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """The rate of step ``step`` (from 0) of ``steps``: up in a line, down along a cosine."""
    progress = (step + 1) / steps
    if progress <= recipe.warm_up:
        return recipe.learning_rate * progress / recipe.warm_up
    fall = (progress - recipe.warm_up) / (1 - recipe.warm_up)
    return recipe.learning_rate * (1 + math.cos(math.pi * fall)) / 2


def make_optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimiser that the recipe names; its learning rate is set at every step."""
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(model.parameters(), weight_decay=recipe.weight_decay)
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(
            model.parameters(), momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
        )
    raise ValueError(f"optimiser={recipe.optimiser!r}: expected 'adamw' or 'sgd'")


class Run:
    """One training run: the network, its optimiser, and how far they have come."""

    def __init__(self, key: str, recipe: Recipe) -> None:
        check(recipe)
        self.key, self.recipe = key, recipe
        self.train_set = DATASETS[recipe.dataset]("train")
        if recipe.limit is not None:
            self.train_set = self.train_set.first(recipe.limit)
        self.test_set = DATASETS[recipe.dataset]("test")
        self.inputs = preprocess(recipe.preprocessing, self.train_set.images)
        self.labels = torch.from_numpy(self.train_set.labels)
        self.steps_an_epoch = math.ceil(len(self.labels) / recipe.batch_size)
        torch.manual_seed(1000 * recipe.seed)
        self.model = MODELS[key]()
        self.optimiser = make_optimiser(self.model, recipe)
        self.log: list[dict] = []

    def epoch(self, bar: tqdm) -> None:
        """Train on every image once, measure, and add an entry to the log."""
        recipe, epoch = self.recipe, len(self.log)
        begun = time.perf_counter()
        torch.manual_seed(1000 * recipe.seed + epoch + 1)
        self.model.train()
        total_loss = correct = seen = 0
        order = torch.randperm(len(self.labels)).split(recipe.batch_size)
        for step, batch in enumerate(order, start=epoch * self.steps_an_epoch):
            inputs, labels = self.inputs[batch], self.labels[batch]
            if recipe.augmentation:
                inputs = augment(inputs, recipe.augmentation)
            scores = self.model(inputs)
            if recipe.rubbish_penalty is None:
                loss = F.cross_entropy(scores, labels)
            else:
                loss = map_criterion(scores, labels, recipe.rubbish_penalty)
            if not loss.isfinite():
                raise FloatingPointError(f"the loss became {loss.item()} in epoch {epoch + 1}")
            for group in self.optimiser.param_groups:
                group["lr"] = learning_rate(recipe, step, recipe.epochs * self.steps_an_epoch)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            total_loss += loss.item() * len(batch)
            correct += int((scores.argmax(dim=1) == labels).sum())
            seen += len(batch)
            bar.set_postfix(loss=f"{total_loss / seen:.4f}", refresh=False)
            bar.update()
        self.log.append(
            {
                "epoch": epoch + 1,
                "loss": total_loss / seen,
                "train_accuracy": correct / seen,
                "test_accuracy": measure_accuracy(self.model, recipe.preprocessing, self.test_set),
                "seconds": round(time.perf_counter() - begun, 2),
            }
        )

    def save(self, path: Path) -> None:
        """Write all that is needed to go on after the last epoch, without pickles."""
        tensors = {f"model.{name}": t for name, t in self.model.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": t for name, t in state.items()}
        about = {"key": self.key, "recipe": asdict(self.recipe), "log": self.log}
        write_whole(path, safetensors.torch.save(tensors, {"run": json.dumps(about)}))

    def restore(self, path: Path) -> None:
        """Go back to where :meth:`save` wrote ``path``."""
        try:
            with safe_open(path, "pt") as file:
                about = json.loads(file.metadata()["run"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: no checkpoint of a training run: {error!r}") from error
        wanted = {"key": self.key, "recipe": asdict(self.recipe)}
        for name, value in wanted.items():
            if about[name] != value:
                raise ValueError(f"{path}: made with {name} {about[name]}, not with {value}")
        states: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, index, part = name.split(".")
                states.setdefault(int(index), {})[part] = tensor
        self.model.load_state_dict(
            {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
        )
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": states, "param_groups": groups})
        self.log = about["log"]


def check(recipe: Recipe) -> None:
    """Raise ``ValueError`` for a recipe that cannot be followed."""
    for name in ("epochs", "batch_size", "limit"):
        value = getattr(recipe, name)
        if value is not None and value < 1:
            raise ValueError(f"{name}={value}: expected 1 or more")
    if recipe.seed < 0:
        raise ValueError(f"seed={recipe.seed}: expected 0 or more")


def train(
    key: str, recipe: Recipe, output: str | Path, *, force: bool = False, resume: bool = False
) -> WeightFile:
    """Train network ``key`` by ``recipe`` and write its weights and record into ``output``.

    After every epoch a checkpoint is written, ``KEY.checkpoint``; ``resume`` goes on from it.
    Weights or a checkpoint that are there already stay untouched unless ``force`` is given.

    Raises ``ValueError`` for an unknown key or an impossible recipe, ``FileExistsError`` for files
    in the way, ``FileNotFoundError`` if there is nothing to resume.
    """
    if key not in MODELS:
        raise ValueError(f"unknown key {key!r}; known: {', '.join(MODELS)}")
    output = Path(output)
    weights, record = output / f"{key}.safetensors", output / f"{key}.json"
    checkpoint = output / f"{key}.checkpoint"
    if output.exists() and not output.is_dir():
        raise NotADirectoryError(f"{output}: not a folder")
    in_the_way = [path for path in (weights, record) if path.exists()]
    if in_the_way and not force:
        raise FileExistsError(f"{in_the_way[0]}: exists; --force trains anew and replaces it")
    if resume and not checkpoint.exists():
        raise FileNotFoundError(f"{checkpoint}: no checkpoint to resume from")
    if checkpoint.exists() and not (resume or force):
        raise FileExistsError(f"{checkpoint}: a run was stopped; --resume or --force (anew)")
    output.mkdir(parents=True, exist_ok=True)

    keep_freed_memory()
    run = Run(key, recipe)
    if resume:
        run.restore(checkpoint)
    steps = recipe.epochs * run.steps_an_epoch
    done = len(run.log) * run.steps_an_epoch
    with tqdm(total=steps, initial=done, desc=key, unit="step", disable=None) as bar:
        while len(run.log) < recipe.epochs:
            run.epoch(bar)
            run.save(checkpoint)
            tqdm.write(describe(run.log[-1], recipe.epochs))
    write_whole(weights, safetensors.torch.save(run.model.state_dict()))
    write_whole(record, record_of(run, weights).encode())
    checkpoint.unlink()
    return read_record(record)


def describe(entry: dict, epochs: int) -> str:
    """One epoch in one line."""
    left = entry["seconds"] * (epochs - entry["epoch"])
    return (
        f"epoch {entry['epoch']:>3}/{epochs}  loss {entry['loss']:.4f}  "
        f"train {entry['train_accuracy']:.2%}  test {entry['test_accuracy']:.2%}  "
        f"{entry['seconds']:.1f} s, about {left:.0f} s left"
    )


def record_of(run: Run, weights: Path) -> str:
    """The JSON text that goes beside the weights (see ``cnnlib.weights.read_record``)."""
    recipe = asdict(run.recipe)
    preprocessing = recipe.pop("preprocessing")
    entries = {
        "key": run.key,
        "file": weights.name,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "accuracy": run.log[-1]["test_accuracy"],
        "dataset": run.recipe.dataset,
        "categories": run.train_set.categories,
        "preprocessing": preprocessing,
        "recipe": recipe,
        "made_with": {"torch": torch.__version__, "threads": torch.get_num_threads()},
        "log": run.log,
    }
    return json.dumps(entries, indent=1) + "\n"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name first, so that it is never there in part."""
    draft = path.with_name(path.name + ".draft")
    draft.write_bytes(content)
    os.replace(draft, path)


def keep_freed_memory() -> None:
    """Ask glibc to keep freed memory for the next step rather than hand it back.

    Handing big tensors back and asking for them again costs about half of a small network's
    training time in page faults. Elsewhere than on glibc nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(-4, 0)  # M_MMAP_MAX: no block gets a mapping of its own
    mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: the heap is not cut back
    mallopt(-2, 2**28)  # M_TOP_PAD: it grows in big steps


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 when trained, 2 for a mistake, 130 when stopped with Ctrl-C."""
    parser = OneLineParser(prog="python -m cnnlib.train", description=__doc__.split("\n")[0])
    parser.add_argument("key", metavar="KEY", help=f"the network: {', '.join(RECIPES)}")
    parser.add_argument("--epochs", type=int, help="how many times to see every image")
    parser.add_argument("--seed", type=int, help="another start, another order of the images")
    parser.add_argument("--limit", type=int, help="train on the first LIMIT images only")
    parser.add_argument("--output", type=Path, default=Path("trained"), help="folder to write to")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    parser.add_argument("--force", action="store_true", help="replace weights that are there")
    options = parser.parse_args(arguments)
    if options.key not in RECIPES:
        parser.error(f"unknown key {options.key!r}; known: {', '.join(RECIPES)}")
    changes = {
        name: value
        for name in ("epochs", "seed", "limit")
        if (value := getattr(options, name)) is not None
    }
    try:
        recipe = replace(RECIPES[options.key], **changes)
        record = train(
            options.key, recipe, options.output, force=options.force, resume=options.resume
        )
    except (ValueError, OSError, FloatingPointError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        kept = (options.output / f"{options.key}.checkpoint").exists()
        print("\nstopped:", "--resume goes on after the last epoch" if kept else "nothing to keep")
        return 130
    print(f"{record.file}: {record.accuracy:.2%} of the test images right")
    print(f"SHA-256 {record.sha256}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
