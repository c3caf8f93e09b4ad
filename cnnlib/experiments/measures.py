"""What the experiments look at besides accuracy: each takes a trained run, gives JSON-able figures.

All work on the device that the run is on, in seconds, and leave the network as it was.
"""

import copy
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from cnnlib.data import ImageSet
from cnnlib.experiments.packing import pack
from cnnlib.layers import SqueezeExcite
from cnnlib.models.resnet import BasicBlock
from cnnlib.train import Run, compute_loss
from cnnlib.weights import measure_accuracy

# Enough images for a figure of a per cent, few enough for seconds.
IMAGES = 1000


def prepare_inputs(run: Run, image_set: ImageSet, count: int) -> tuple[Tensor, Tensor]:
    """The first images as the network gets them, not distorted, (N, C, H, W); and labels (N,)."""
    few = image_set.first(count)
    inputs = run.recipe.preprocessing.apply(few.images)
    device = run.processes.device
    return inputs.to(device), torch.from_numpy(few.labels).to(device)


# --- NiN: classes that nothing speaks for --------------------------------------------------------


@torch.no_grad()
def measure_silent_classes(run: Run) -> dict:
    """``silent``, a list of bool: which classes' scores are 0 for each of the first 1,000 test
    images (``images``). Behind a ReLU such a class gets no gradient from them.
    """
    inputs, _ = prepare_inputs(run, run.test_set, IMAGES)
    was_training = run.model.training
    run.model.eval()
    try:
        scores = torch.cat([run.model(part) for part in inputs.split(100)])
    finally:
        run.model.train(was_training)
    return {"images": len(inputs), "silent": (scores == 0).all(dim=0).tolist()}


# --- Stochastic depth: blocks left out ----------------------------------------------------------


def measure_dropped_blocks(run: Run) -> dict:
    """Accuracy when trained residual blocks are left out at test: only their shortcut remains.

    ``whole`` is the accuracy of all blocks on the first 1,000 test images, ``one`` the list of
    accuracies with each single block left out, in order, and ``several`` says for a number of
    blocks the mean over five random choices. (After Veit, Wilber & Belongie 2016.) ``step`` is the
    time of a training step: :func:`time_steps`.
    """
    network = run.model
    blocks = [module for module in network.modules() if isinstance(module, BasicBlock)]
    few = run.test_set.first(IMAGES)

    def accuracy(dropped: list[int]) -> float:
        hooks = [leave_out(blocks[number]) for number in dropped]
        try:
            return round(measure_accuracy(network, run.recipe.preprocessing, few), 4)
        finally:
            for hook in hooks:
                hook.remove()

    generator = torch.Generator().manual_seed(1)
    several = {}
    for count in (2, 4, 8, 12, 16, 20):
        if count < len(blocks):
            choices = [
                torch.randperm(len(blocks), generator=generator)[:count].tolist() for _ in range(5)
            ]
            several[str(count)] = round(statistics.mean(map(accuracy, choices)), 4)
    return {
        "images": len(few),
        "whole": accuracy([]),
        "one": [accuracy([number]) for number in range(len(blocks))],
        "several": several,
        "step": time_steps(run),
    }


def leave_out(block: BasicBlock) -> torch.utils.hooks.RemovableHandle:
    """Reduce a block to its shortcut until the hook is removed."""
    return block.bn2.register_forward_hook(lambda module, args, output: torch.zeros_like(output))


def time_steps(run: Run, steps: int = 20) -> dict:
    """Seconds of a forward and backward pass in training, the median of so many.

    ``as_trained`` is with blocks dropped as the run drops them, ``all_blocks`` with none dropped.
    The two take turns, so that other work on the machine slows both alike; ``share_of_blocks`` is
    what can be expected of the first.
    """
    dropping = copy.deepcopy(run.model).train()
    full = copy.deepcopy(dropping)
    survivals = []
    for block in full.modules():
        if hasattr(block, "survival"):
            survivals.append(block.survival)
            block.survival = 1.0
    inputs, labels = prepare_inputs(run, run.train_set, run.recipe.batch_size)
    seconds: dict[str, list[float]] = {"as_trained": [], "all_blocks": []}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for _ in range(steps):
            for name, network in (("as_trained", dropping), ("all_blocks", full)):
                begun = time.perf_counter()
                mixed = torch.autocast(inputs.device.type, torch.bfloat16)
                with mixed if run.mixed else nullcontext():
                    loss = compute_loss(network(inputs), labels, run.recipe)
                loss.backward()
                loss.item()  # waits for the forward pass
                if inputs.device.type == "cuda":
                    torch.cuda.synchronize(inputs.device)
                seconds[name].append(time.perf_counter() - begun)
    share = statistics.mean(survivals) if survivals else 1.0
    medians = {name: round(statistics.median(times), 5) for name, times in seconds.items()}
    return medians | {"share_of_blocks": round(share, 4)}


# --- GoogLeNet: what reaches the early layers ---------------------------------------------------


def measure_gradients(build: Callable[[int], nn.Module], run: Run) -> dict:
    """How strong a gradient each module's weights get from the main loss and from the heads'.

    For the network as it was before training (``fresh``, built anew from the seed) and as it is now
    (``trained``): per module the length of the gradient of all its convolution weights, for the
    main classifier's loss alone (``main``) and for the auxiliary losses times their weight
    (``heads``; empty without heads, 0 where they do not reach), on 256 training images.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1000 * run.recipe.seed)
        fresh = build(len(run.train_set.categories)).to(run.processes.device)
    return {
        "fresh": measure_gradient_lengths(run, fresh),
        "trained": measure_gradient_lengths(run, copy.deepcopy(run.model)),
    }


def measure_gradient_lengths(run: Run, network: nn.Module) -> dict[str, dict[str, float]]:
    """``measure_gradients`` for one network, which is put in training mode."""
    inputs, labels = prepare_inputs(run, run.train_set, 256)
    stem = network.stem.conv1
    modules = {"stem": stem} | {n: network.get_submodule(n) for n in network.order if "inc" in n}
    weights = {
        name: [m.weight for m in module.modules() if isinstance(m, nn.Conv2d)]
        for name, module in modules.items()
    }
    with torch.random.fork_rng():
        torch.manual_seed(1)
        outputs = network.train()(inputs)
    outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    main = compute_loss(outputs[0], labels, run.recipe)
    losses = {"main": main}
    if len(outputs) > 1:
        losses["heads"] = compute_loss(outputs, labels, run.recipe) - main
    lengths: dict[str, dict[str, float]] = {"main": {}, "heads": {}}
    for which, loss in losses.items():
        for name, parameters in weights.items():
            gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
            squares = sum(float(g.square().sum()) for g in gradients if g is not None)
            lengths[which][name] = float(f"{squares**0.5:.4g}")
    return lengths


# --- ZFNet: first-layer filters -----------------------------------------------------------------


@torch.no_grad()
def measure_first_layer(run: Run) -> dict:
    """The filters of ``conv1``, and which of them are dead, of high frequency, or aliased.

    One number a filter:

    - ``norm``: the length of its weights;
    - ``active``: the share of places on 500 test images where it is above 0 behind the ReLU. A
      filter that is active nowhere, or whose norm is below a tenth of the median, is ``dead``;
    - ``high``: the share of its power (its Fourier transform squared, the mean left out) at
      frequencies above 1/4 cycle a pixel along either axis, where a wave is under four pixels long;
    - ``aliased``: the share above 1/(2 stride), what a grid of that stride cannot carry.

    ``weights`` is the packed array (out, in, height, width), ``conv1.stride`` beside it.
    """
    conv = run.model.conv1
    weights = conv.weight.detach().float().cpu().numpy()
    inputs, _ = prepare_inputs(run, run.test_set, 500)
    active = torch.stack(
        [(conv(part) > 0).float().mean(dim=(0, 2, 3)) for part in inputs.split(50)]
    )
    norm = np.sqrt((weights**2).sum(axis=(1, 2, 3)))
    share = active.mean(dim=0).cpu().numpy()
    dead = (share == 0) | (norm < np.median(norm) / 10)
    stride = conv.stride[0]
    return {
        "stride": stride,
        "weights": pack(weights),
        "norm": [round(float(value), 4) for value in norm],
        "active": [round(float(value), 4) for value in share],
        "dead": [bool(value) for value in dead],
        "high": [round(float(value), 4) for value in measure_power_above(weights, 1 / 4)],
        "aliased": [
            round(float(value), 4) for value in measure_power_above(weights, 1 / (2 * stride))
        ],
    }


def measure_power_above(weights: np.ndarray, frequency: float, size: int = 64) -> np.ndarray:
    """The share of each filter's power above so many cycles a pixel along either axis, (out,).

    ``weights`` is (out, in, height, width). Each plane's mean is left out, and the transform is
    taken on ``size`` x ``size`` places. A filter without power has the share 0.
    """
    varying = weights - weights.mean(axis=(2, 3), keepdims=True)
    power = (np.abs(np.fft.fft2(varying, s=(size, size))) ** 2).sum(axis=1)  # (out, size, size)
    along = np.abs(np.fft.fftfreq(size))
    above = np.maximum(along[:, None], along[None, :]) > frequency
    total = power.sum(axis=(1, 2))
    return np.divide(power[:, above].sum(axis=1), total, out=np.zeros_like(total), where=total > 0)


# --- SENet: the gates ---------------------------------------------------------------------------


@torch.no_grad()
def measure_gates(run: Run) -> dict:
    """What the gates of each block do, class by class, on all test images.

    Per block: ``mean`` and ``deviation``, packed arrays (C,): each channel's gate averaged over the
    classes, and its standard deviation from class to class; and ``classes``, (4, C): the mean gates
    of four classes. ``classes`` beside the blocks names them.
    """
    network, labels = run.model, torch.from_numpy(run.test_set.labels)
    gates: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Callable:
        return lambda module, args, output: gates.setdefault(name, []).append(
            output.flatten(1).float().cpu()
        )

    hooks = [
        module.sigmoid.register_forward_hook(keep(name.removesuffix(".se")))
        for name, module in network.named_modules()
        if isinstance(module, SqueezeExcite)
    ]
    was_training = network.training
    network.eval()
    try:
        inputs, _ = prepare_inputs(run, run.test_set, len(run.test_set))
        for part in inputs.split(100):
            network(part)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    present = labels.unique()
    chosen = present[:: max(1, len(present) // 4)][:4]
    blocks = {}
    for name, parts in gates.items():
        every = torch.cat(parts)  # (N, C)
        by_class = {int(c): every[labels == c].mean(dim=0) for c in present}
        table = torch.stack(list(by_class.values()))  # (classes, C)
        blocks[name] = {
            "mean": pack(table.mean(dim=0).numpy()),
            "deviation": pack(table.std(dim=0, correction=0).numpy()),
            "classes": pack(torch.stack([by_class[int(c)] for c in chosen]).numpy()),
        }
    return {"classes": [run.test_set.categories[int(c)] for c in chosen], "blocks": blocks}


# --- NiN: clothes moved to the right ------------------------------------------------------------


@torch.no_grad()
def measure_shifts(run: Run, most: int = 4) -> dict:
    """The share of test images that are right when all are moved 0 to ``most`` pixels to the right.

    The preprocessing has to leave a margin of that many empty pixels, so that nothing is cut off.
    ``shifts`` maps the pixels, as text, to the share.
    """
    network = run.model.eval()
    inputs, labels = prepare_inputs(run, run.test_set, len(run.test_set))
    shares = {}
    for shift in range(most + 1):
        moved = inputs.roll(shift, dims=3)
        right = [
            (network(part).argmax(dim=1) == own).float().sum()
            for part, own in zip(moved.split(500), labels.split(500), strict=True)
        ]
        shares[str(shift)] = round(float(sum(right)) / len(labels), 4)
    return {"shifts": shares}
