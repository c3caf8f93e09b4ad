"""What a trained network's channels do, photograph by photograph: counted, not shown.

Every measure takes tensors and gives JSON-able figures. ``peaks`` is always (N, C): the largest
value of each of C channels on each of N photographs.
"""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlib.experiments.measures import measure_power_above
from cnnlib.experiments.yardstick import Interval
from cnnlib.ranks import rank_correlation
from cnnlib.train.fast_layers import use_fast_layers
from cnnlib.weights import Preprocessing

AT_ONCE = 50  # photographs
NINE = 9  # places that Zeiler & Fergus show of a channel
DRAWS = 1000  # of a bootstrap


@torch.no_grad()
def collect_peaks(
    network: nn.Module,
    prepare: Preprocessing,
    images: np.ndarray | list[np.ndarray],
    layers: Sequence[str],
    tick: Callable[[int], object] = lambda count: None,
) -> dict[str, Tensor]:
    """The largest value of each channel on each photograph: {layer: (N, C)}, float32.

    ``images`` is uint8, (N, H, W, 3), or a list of (H, W, 3) of any sizes. ``tick`` hears how many
    photographs are done. A copy of the network runs, in evaluation.
    """
    fast = copy.deepcopy(network).eval().to(memory_format=torch.channels_last)
    use_fast_layers(fast)
    found: dict[str, list[Tensor]] = {layer: [] for layer in layers}

    def keep(layer: str) -> Callable:
        return lambda module, args, maps: found[layer].append(maps.amax(dim=(2, 3)))

    for layer in layers:
        fast.get_submodule(layer).register_forward_hook(keep(layer))
    for start in range(0, len(images), AT_ONCE):
        x = prepare.apply(images[start : start + AT_ONCE])
        fast(x.contiguous(memory_format=torch.channels_last))
        tick(len(x))
    return {layer: torch.cat(parts) for layer, parts in found.items()}


# --- Fig. 2: what the nine strongest photographs of a channel have in common ----------------------


def find_largest_class(peaks: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Of which class most of a channel's nine strongest photographs are, and how many: (C,) each.

    0 of them for a channel that is above 0 on fewer than nine; of classes with equally many the
    first. ``labels`` is int64, (N,).
    """
    values, numbers = peaks.topk(NINE, dim=0)  # (9, C)
    classes = F.one_hot(labels[numbers], int(labels.max()) + 1).sum(dim=0)  # (C, classes)
    return classes.argmax(dim=1), classes.amax(dim=1) * (values[-1] > 0)


def measure_classes(peaks: Tensor, labels: Tensor, shuffles: int = 20, seed: int = 1) -> dict:
    """The classes of each channel's nine strongest photographs, and what luck would give.

    ``largest`` says for each channel how many of the nine are of one class, and ``category`` of
    which (:func:`find_largest_class`); ``answers`` on how many photographs it is above 0.
    ``shuffled`` is the same count as ``largest``, as a histogram from 0 to 9 over all channels,
    with the classes dealt anew to the photographs, ``shuffles`` times.
    """
    generator = torch.Generator().manual_seed(seed)
    dealt = torch.zeros(NINE + 1, dtype=torch.int64)
    for _ in range(shuffles):
        order = torch.randperm(len(labels), generator=generator)
        dealt += find_largest_class(peaks, labels[order])[1].bincount(minlength=NINE + 1)
    category, largest = find_largest_class(peaks, labels)
    return {
        "largest": largest.tolist(),
        "category": category.tolist(),
        "answers": (peaks > 0).sum(dim=0).tolist(),
        "shuffled": dealt.tolist(),
    }


# --- Fig. 4: how early a channel answers as it will in the end ------------------------------------


def measure_nearness(peaks: Tensor, final: Tensor, weight: Tensor, final_weight: Tensor) -> dict:
    """How near a layer is to what it will be in the end, by four yardsticks.

    ``ranks``: the quartiles over channels of the rank correlation with ``final``, over the
    photographs; ``flat`` is how many channels have none. ``first``: the share of channels whose
    strongest photograph is the final one already; ``nine``: how many of the final nine strongest
    are among the nine, a share.
    ``weights``: the quartiles of the correlation of each filter's weights with its final ones.
    """
    ranks = rank_correlation(peaks.T, final.T)
    known = ranks[~ranks.isnan()]
    nine, last = (p.topk(NINE, dim=0).indices for p in (peaks, final))
    kept = (nine[:, None] == last[None]).any(dim=0).double().mean().item()
    one, other = (
        w.flatten(1) - w.flatten(1).mean(dim=1, keepdim=True) for w in (weight, final_weight)
    )
    alike = F.cosine_similarity(one.double(), other.double())
    return {
        "ranks": _quartiles(known),
        "flat": int(ranks.isnan().sum()),
        "first": round((nine[0] == last[0]).double().mean().item(), 4),
        "nine": round(kept, 4),
        "weights": _quartiles(alike),
    }


def measure_unrelated(final: Tensor) -> list[float]:
    """The quartiles of each channel's rank correlation with its neighbour: what channels of one
    layer have in common without being one."""
    ranks = rank_correlation(final.T, final.roll(1, dims=1).T)
    return _quartiles(ranks[~ranks.isnan()])


def _quartiles(values: Tensor) -> list[float]:
    if not len(values):
        return []
    steps = torch.tensor([0.25, 0.5, 0.75], dtype=values.dtype)
    return [round(value, 4) for value in values.quantile(steps).tolist()]


def find_settled(epochs: Sequence[int], medians: Sequence[float], least: float = 0.9) -> int | None:
    """The first of ``epochs`` from which on every median is at least ``least``; None if none is."""
    settled = None
    for epoch, median in zip(epochs, medians, strict=True):
        if median < least:
            settled = None
        elif settled is None:
            settled = epoch
    return settled


# --- Fig. 6: dead filters, bands of frequency, aliasing -------------------------------------------

LOW, HIGH = 1 / 8, 1 / 4  # periods a place: the limits of a stride of 4 and one of 2


def measure_filters(conv: nn.Conv2d, start: nn.Conv2d, peaks: Tensor) -> dict:
    """What is to be said of each filter of a layer, a list a figure.

    ``norm`` is the length of the weights, ``answers`` the share of photographs where ``peaks``,
    taken behind the ReLU, is above 0. ``dead`` is a filter that answers to none, or whose norm is
    below a tenth of the median. ``low``, ``middle`` and ``high`` are the shares of its power, its
    mean left out, up to 1/8, between, and above 1/4 period a place of the map that it reads, along
    the axis where it is higher; ``aliased`` is the share above 1/(2 stride). ``start`` is the layer
    before training: its ``start_middle`` and so on, and ``kept``, the correlation of the weights
    with those at the start.
    """
    weights, begun = (c.weight.detach().numpy() for c in (conv, start))
    norm = np.sqrt((weights**2).sum(axis=(1, 2, 3)))
    answers = (peaks > 0).double().mean(dim=0).numpy()
    flat = [w.reshape(len(w), -1).astype(float) for w in (weights, begun)]
    centred = [w - w.mean(axis=1, keepdims=True) for w in flat]
    lengths = np.prod([np.linalg.norm(w, axis=1) for w in centred], axis=0)
    kept = (centred[0] * centred[1]).sum(axis=1) / lengths
    bands = _bands(weights, conv.stride[0])
    bands |= {f"start_{name}": values for name, values in _bands(begun, conv.stride[0]).items()}
    found = {"norm": norm, "answers": answers, "kept": kept, **bands}
    rounded = {name: [round(float(v), 4) for v in values] for name, values in found.items()}
    dead = (answers == 0) | (norm < np.median(norm) / 10)
    return rounded | {"dead": [bool(d) for d in dead], "stride": conv.stride[0]}


def _bands(weights: np.ndarray, stride: int) -> dict[str, np.ndarray]:
    above_low, above_high = (measure_power_above(weights, limit) for limit in (LOW, HIGH))
    return {
        "low": 1 - above_low,
        "middle": above_low - above_high,
        "high": above_high,
        "aliased": measure_power_above(weights, 1 / (2 * stride)),
    }


@torch.no_grad()
def measure_folded(conv: nn.Conv2d, inputs: Tensor) -> list[float]:
    """For each filter the share of its answers' power that its stride cannot carry.

    The filter answers at every pixel of ``inputs``, (N, C, H, W), not only at every stride-th. The
    share of the power of these maps above 1/(2 stride) period a pixel along either axis is what the
    stride folds to other frequencies. Maps have their mean left out and fade towards the borders
    (Hann), and nothing is padded.
    """
    above = total = 0
    for part in inputs.split(10):
        maps = F.conv2d(part, conv.weight, conv.bias)
        fade = [torch.hann_window(size, periodic=False) for size in maps.shape[2:]]
        maps = (maps - maps.mean(dim=(2, 3), keepdim=True)) * fade[0][:, None] * fade[1]
        power = torch.fft.rfft2(maps).abs().double().square().sum(dim=0)
        power[..., 1 : (maps.shape[3] + 1) // 2] *= 2  # the other half of a real map's transform
        down, across = (torch.fft.fftfreq(size).abs() for size in maps.shape[2:])
        across = across[: power.shape[2]]
        high = torch.maximum(down[:, None], across) > 1 / (2 * conv.stride[0])
        above = above + power[:, high].sum(dim=1)
        total = total + power.sum(dim=(1, 2))
    return [round(share, 4) for share in (above / total).tolist()]


def resample_mean(values: Sequence[float], seed: int = 1) -> Interval:
    """The mean of values, and the 95 % interval of 1,000 bootstrap draws over them.

    Raises ``ValueError`` for fewer than two values.
    """
    draws = _draw_means(values, np.random.default_rng(seed))
    return _resampled(float(np.mean(values)), draws)


def resample_difference(one: Sequence[float], other: Sequence[float], seed: int = 1) -> Interval:
    """Mean of ``one`` minus mean of ``other``, and its interval, each side drawn for itself."""
    generator = np.random.default_rng(seed)
    draws = _draw_means(one, generator) - _draw_means(other, generator)
    return _resampled(float(np.mean(one) - np.mean(other)), draws)


def _draw_means(values: Sequence[float], generator: np.random.Generator) -> np.ndarray:
    if len(values) < 2:
        raise ValueError(f"values: expected two or more, found {len(values)}")
    known = np.asarray(values, dtype=float)
    return generator.choice(known, (DRAWS, len(known))).mean(axis=1)


def _resampled(middle: float, draws: np.ndarray) -> Interval:
    return Interval(middle, *np.quantile(draws, [0.025, 0.975]).tolist(), "none", "none")
