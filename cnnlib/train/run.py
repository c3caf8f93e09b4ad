"""A training run: epoch after epoch, kept after each, to be stopped and taken up at any time."""

import json
import math
import time
from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from tqdm.auto import tqdm

from cnnlib.data import load_dataset
from cnnlib.train.augmentation import augment
from cnnlib.train.fast_layers import use_fast_layers
from cnnlib.train.losses import compute_loss
from cnnlib.train.processes import Processes, can_mix_precision, join_processes, keep_freed_memory
from cnnlib.train.recipes import Recipe
from cnnlib.weights import measure
from cnnlib.weights.records import write_whole

LOOK_AFTER = 20  # steps between two looks at the loss; a look makes a GPU wait


def schedule_rate(recipe: Recipe, step: int, steps: int) -> float:
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
    return torch.optim.SGD(
        model.parameters(), momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
    )


class Run:
    """One training run: the network, its optimiser, and how far they have come.

    ``build`` makes the network for a number of classes. ``name`` is what the run is called, in its
    checkpoint and on its progress bar. ``data`` is where the image set lies if it does not ship.
    The test images are looked at after every ``look_every``-th epoch, and after the last.
    """

    def __init__(
        self,
        name: str,
        build: Callable[[int], nn.Module],
        recipe: Recipe,
        *,
        data: str | Path | None = None,
        processes: Processes | None = None,
        look_every: int = 1,
    ) -> None:
        self.name, self.recipe, self.look_every = name, recipe, look_every
        self.processes = processes or join_processes()
        device = self.processes.device
        self.train_set = load_dataset(recipe.dataset, "train", data)
        if recipe.limit is not None:
            self.train_set = self.train_set.first(recipe.limit)
        self.test_set = load_dataset(recipe.dataset, "test", data)
        pixels = np.array(self.train_set.images)
        pixels = pixels.reshape(*pixels.shape[:3], -1)  # grey images get a channel axis
        self.pixels = torch.from_numpy(pixels).to(device)
        self.labels = torch.from_numpy(self.train_set.labels).to(device)
        self.whole = recipe.preprocessing.uncropped(*self.pixels.shape[1:3])
        self.crop = recipe.preprocessing.height, recipe.preprocessing.width  # where augmented
        self.steps_an_epoch = len(self._batches(torch.arange(len(self.labels))))
        self.mixed = recipe.mixed_precision and can_mix_precision(device)
        torch.manual_seed(1000 * recipe.seed)
        layout = torch.channels_last if recipe.mixed_precision else torch.contiguous_format
        self.model = build(len(self.train_set.categories)).to(device, memory_format=layout)
        if device.type == "cpu":
            use_fast_layers(self.model)
        self.trained = self.processes.wrap(self.model)
        self.optimiser = make_optimiser(self.model, recipe)
        self.log: list[dict] = []

    @property
    def steps(self) -> int:
        """How many steps the whole run takes."""
        return self.recipe.epochs * self.steps_an_epoch

    def _batches(self, order: Tensor) -> list[Tensor]:
        """The order cut into batches. A last one too small for every process is left out."""
        batches = list(order.split(self.recipe.batch_size))
        least = 2 * self.processes.count
        if len(batches[0]) < least and self.processes.count > 1:
            raise ValueError(
                f"{len(batches[0])} images in a batch: expected {least} or more "
                f"for {self.processes.count} processes"
            )
        return batches[:-1] if len(batches) > 1 and len(batches[-1]) < least else batches

    def epoch(self, bar: tqdm) -> None:
        """Train on every image once, measure, and add an entry to the log."""
        recipe, epoch, processes = self.recipe, len(self.log), self.processes
        begun = time.perf_counter()
        seed = 1000 * recipe.seed + epoch + 1
        generator = torch.Generator().manual_seed(seed)  # the order and the distortions
        torch.manual_seed(seed + 10**6 * processes.rank)  # dropout, each process its own
        self.trained.train()
        loss_sum = torch.zeros((), dtype=torch.float64, device=processes.device)
        correct = torch.zeros((), dtype=torch.int64, device=processes.device)
        seen = 0
        batches = self._batches(torch.randperm(len(self.labels), generator=generator))
        for index, batch in enumerate(batches):
            inputs, labels = self.inputs(batch, generator)
            rate = schedule_rate(recipe, epoch * self.steps_an_epoch + index, self.steps)
            loss, scores = self.step(inputs, labels, rate, len(batch))
            loss_sum += loss * len(labels)
            correct += (scores.argmax(dim=1) == labels).sum()
            seen += len(labels)
            bar.update()
            if (index + 1) % LOOK_AFTER == 0 or index + 1 == len(batches):
                mean = loss_sum.item() / seen
                if not math.isfinite(mean):
                    raise FloatingPointError(f"the loss became {mean} in epoch {epoch + 1}")
                bar.set_postfix(loss=f"{mean:.4f}", refresh=False)
        loss, right, count = processes.total([loss_sum.item(), correct.item(), seen])
        entry = {"epoch": epoch + 1, "loss": loss / count, "train_accuracy": right / count}
        look = (epoch + 1) % self.look_every == 0 or epoch + 1 == recipe.epochs
        entry |= self._measure() if processes.leads and look else {}
        self.log.append(entry | {"seconds": round(time.perf_counter() - begun, 2)})

    def inputs(self, batch: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """This process's share of a batch of numbers: what the network gets, and the labels.

        All processes draw the same distortions for the whole batch, and each keeps its own.
        """
        recipe, device = self.recipe, self.processes.device
        if recipe.augmentation is None:
            batch = self.processes.share(batch)
        rows = batch.to(device)
        pixels = self.pixels[rows].movedim(3, 1)
        if recipe.augmentation is None:
            inputs = recipe.preprocessing.apply_tensor(pixels)
        else:  # distorted before it is cropped, so that what comes in is picture, not border
            whole = self.whole.apply_tensor(pixels)
            inputs = augment(whole, recipe.augmentation, generator, self.crop)
            inputs, rows = self.processes.share(inputs), self.processes.share(rows)
        if recipe.mixed_precision:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return inputs, self.labels[rows]

    def step(
        self, inputs: Tensor, labels: Tensor, rate: float, batch_size: int
    ) -> tuple[Tensor, Tensor]:
        """One step of the optimiser: the loss and the scores before it."""
        mixed = torch.autocast(inputs.device.type, torch.bfloat16) if self.mixed else nullcontext()
        with mixed:
            loss, scores = self.answer(inputs, labels)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad()
        # The processes' gradients are averaged: shares of unequal size must weigh unequally.
        (loss * (len(labels) * self.processes.count / batch_size)).backward()
        self.edit_gradients()
        if self.recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.optimiser.step()
        return loss.detach(), scores.detach()

    def answer(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of a batch, and its scores."""
        outputs = self.trained(inputs)
        scores = outputs if isinstance(outputs, Tensor) else outputs[0]
        return compute_loss(outputs, labels, self.recipe), scores

    def edit_gradients(self) -> None:
        """What a kind of training does to the gradients before a step; here nothing."""

    def _measure(self) -> dict[str, float]:
        """The share of test images that are right, and with many classes right among five."""
        names = {1: "test_accuracy"}
        if len(self.test_set.categories) > 10:
            names[5] = "test_top5"
        shares = measure(self.model, self.recipe.preprocessing, self.test_set, k=tuple(names))
        return {names[k]: share for k, share in shares.items()}

    def made_with(self) -> dict:
        """What the same result takes: versions, the machine's kind, precision, processes."""
        device = self.processes.device
        gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
        return {
            "torch": torch.__version__,
            "device": gpu or "cpu",
            "precision": "bfloat16" if self.mixed else "float32",
            "processes": self.processes.count,
            "threads": torch.get_num_threads(),
        }

    def save(self, path: Path) -> None:
        """Write all that is needed to go on after the last epoch, without pickles."""
        tensors = {f"model.{name}": t for name, t in self.model.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": t for name, t in state.items()}
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        about = {"name": self.name, "recipe": asdict(self.recipe), "log": self.log}
        write_whole(path, safetensors.torch.save(tensors, {"run": json.dumps(about)}))

    def save_snapshot(self, folder: Path) -> None:
        """Write the weights as they are now into ``folder``, float16."""
        tensors = {n: t.half().contiguous() for n, t in self.model.state_dict().items()}
        name = f"{self.name}-epoch-{len(self.log):03}.safetensors"
        write_whole(folder / name, safetensors.torch.save(tensors))

    def restore(self, path: Path) -> None:
        """Go back to where :meth:`save` wrote ``path``.

        Raises ``ValueError`` for another file, and for a run of another name or recipe.
        """
        try:
            with safe_open(path, "pt") as file:
                about = json.loads(file.metadata()["run"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: no checkpoint of a training run: {error!r}") from error
        wanted = json.loads(json.dumps({"name": self.name, "recipe": asdict(self.recipe)}))
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


def fit(
    run: Run, checkpoint: Path, *, resume: bool = False, snapshots: Collection[int] = ()
) -> None:
    """Bring a run to its end, showing progress, with a checkpoint after every epoch.

    ``resume`` goes on from ``checkpoint`` if it is there. It stays behind: delete it when what
    came out is safe. After each epoch in ``snapshots`` (0 is the start) the weights of that moment
    are kept beside the checkpoint, float16, as ``NAME-epoch-003.safetensors``.
    """
    keep_freed_memory()
    if resume and checkpoint.exists():
        run.restore(checkpoint)
    leads = run.processes.leads
    with tqdm(
        total=run.steps,
        initial=len(run.log) * run.steps_an_epoch,
        desc=run.name,
        unit="step",
        disable=None if leads else True,
    ) as bar:
        while len(run.log) < run.recipe.epochs:
            if leads and not run.log and 0 in snapshots:
                run.save_snapshot(checkpoint.parent)
            run.epoch(bar)
            if leads and len(run.log) in snapshots:
                run.save_snapshot(checkpoint.parent)
            if leads:
                run.save(checkpoint)
                tqdm.write(describe(run))


def describe(run: Run) -> str:
    """The last epoch in one line."""
    entry, epochs = run.log[-1], run.recipe.epochs
    left = entry["seconds"] * (epochs - entry["epoch"])
    test = f"test {entry['test_accuracy']:.2%}  " if "test_accuracy" in entry else ""
    return (
        f"epoch {entry['epoch']:>3}/{epochs}  loss {entry['loss']:.4f}  "
        f"train {entry['train_accuracy']:.2%}  {test}"
        f"{len(run.train_set) / max(entry['seconds'], 0.01):.0f} images/s, about {left:.0f} s left"
    )
