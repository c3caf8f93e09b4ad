"""Does the network miss the pixels that a map calls important? (Petsiuk, Das & Saenko 2018.)

    found = deletion_curve(network, image, 207, attribution, size=8)
    found.probability  # (N, steps + 1): the class's, while pixels go, the most important first
    found.area         # (N,): low where the map has found what the class rests on

:func:`insertion_curve` begins with nothing and puts the pixels back; there a high area is good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from cnnlib.geometry import whole_number
from cnnlib.inside.alone import check_alone, check_takes_one_image, dependent, measure_gap
from cnnlib.inside.images import check_image, move_beside
from cnnlib.inside.occlusion import expand_fill
from cnnlib.inside.saliency import number_targets
from cnnlib.trace import evaluating, plain_module

#: In which order the pixels go: by the map, against it, or by lot.
ORDERS = ("map", "reverse", "random")


@dataclass(frozen=True)
class RemovalCurve:
    """The class's probability while pixels are taken away or put in.

    ``shares`` (N, steps + 1): the share of the pixels that has been exchanged, from 0 to 1.
    ``probability`` (N, steps + 1): the target's share of the softmax then.
    """

    shares: Tensor
    probability: Tensor

    @property
    def area(self) -> Tensor:
        """(N,): the area under the curve, from 0 to 1, by trapezia."""
        return torch.trapezoid(self.probability, self.shares)


def deletion_curve(
    module: nn.Module,
    image: Tensor,
    target: int | Sequence[int] | Tensor,
    attribution: Tensor,
    *,
    size: int = 1,
    steps: int = 50,
    fill: float | Sequence[float] | Tensor = 0.0,
    order: str = "map",
    seed: int = 0,
    batch_size: int = 16,
    progress: bool = True,
) -> RemovalCurve:
    """Take the pixels of ``image``, (N, C, H, W), away, the most important first.

    ``attribution`` is a map as :func:`attribute` gives it, (N, C, H, W) or (N, 1, H, W); its sum
    over the channels is what counts, the largest first. Pass absolute values where the sign does
    not matter. ``size``: the pixels go in blocks of size x size (smaller at the end of an axis),
    ordered by their mean. ``steps``: in so many equal parts, or block by block where there are
    fewer. ``fill`` is what takes their place, as for :func:`occlusion_map`: a number, one for each
    channel, or a tensor that broadcasts to ``image``, such as :func:`blur_image` gives.

    ``order``: "map", "reverse" for the least important first, "random" for any, as the measure of
    what a map is worth. Of equal blocks a random one goes first. The same seed gives the same
    order. ``image`` goes to the module's device and number type. The module runs in evaluation
    mode, without gradients, and it and ``image`` are left as they were.

    Raises ``ValueError`` for a module, image, target, map or number that does not fit, and for a
    network whose answer for a picture depends on the others in the batch, or on chance.
    """
    settings = (size, steps, fill, order, seed, batch_size, progress)
    return _curve(module, image, target, attribution, False, *settings)


def insertion_curve(
    module: nn.Module,
    image: Tensor,
    target: int | Sequence[int] | Tensor,
    attribution: Tensor,
    *,
    size: int = 1,
    steps: int = 50,
    fill: float | Sequence[float] | Tensor = 0.0,
    order: str = "map",
    seed: int = 0,
    batch_size: int = 16,
    progress: bool = True,
) -> RemovalCurve:
    """Begin with ``fill`` alone and put the pixels in, the most important first.

    All arguments are those of :func:`deletion_curve`. The paper fills with the blurred picture
    here, because pixels on an even ground make edges of their own.
    """
    settings = (size, steps, fill, order, seed, batch_size, progress)
    return _curve(module, image, target, attribution, True, *settings)


def blur_image(image: Tensor, sigma: float) -> Tensor:
    """``image``, (N, C, H, W), through a Gaussian of ``sigma`` pixels; the border goes on outside.

    Raises ``ValueError`` for another shape and a sigma that is not above 0.
    """
    check_image(image)
    if not sigma > 0:
        raise ValueError(f"sigma={sigma!r}: expected a number above 0")
    reach = int(3 * sigma + 0.5)
    places = torch.arange(-reach, reach + 1, dtype=image.dtype, device=image.device)
    weights = torch.exp(-(places**2) / (2 * sigma**2))
    weights = weights / weights.sum()
    rows, columns = weights.view(1, 1, -1, 1), weights.view(1, 1, 1, -1)
    flat = image.flatten(0, 1).unsqueeze(1)  # (N * C, 1, H, W)
    flat = F.pad(flat, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(flat, rows), columns).view(image.shape)


def _curve(
    module: nn.Module,
    image: Tensor,
    target: Any,
    attribution: Tensor,
    into: bool,
    size: int,
    steps: int,
    fill: Any,
    order: str,
    seed: int,
    batch_size: int,
    progress: bool,
) -> RemovalCurve:
    network = plain_module(module, "insertion_curve" if into else "deletion_curve")
    check_takes_one_image(network, "insertion_curve" if into else "deletion_curve")
    check_image(image)
    size, steps, batch_size = (
        whole_number(value, name, 1)
        for name, value in (("size", size), ("steps", steps), ("batch_size", batch_size))
    )
    if order not in ORDERS:
        raise ValueError(f"order={order!r}: expected one of {list(ORDERS)}")
    with torch.inference_mode(False), torch.no_grad(), evaluating(network):
        image = move_beside(network, image.detach())
        ranks = _ranks(_checked(attribution, image).to(image.device), size, order, seed)
        blocks = int(ranks.max()) + 1
        counts = torch.linspace(0, blocks, min(steps, blocks) + 1).round().long()
        fill = expand_fill(fill, image)
        first, second = (fill, image) if into else (image, fill)
        shares, found = [], []
        numbers = number_targets(network, image, target)
        alone = check_alone(lambda images: [network(images)], image[:1], fill[:1])
        batch_size = 1 if alone.takes_numbers else batch_size
        todo = [(i, int(count)) for i in range(len(image)) for count in counts]
        for start in tqdm(
            range(0, len(todo), batch_size),
            "exchanging",
            leave=False,
            delay=2,
            disable=not progress,
        ):
            which, count = map(list, zip(*todo[start : start + batch_size], strict=True))
            count = torch.tensor(count, device=image.device).view(-1, 1, 1, 1)
            exchanged = ranks[which].unsqueeze(1) < count  # (B, 1, H, W)
            pictures = torch.where(exchanged, second[which], first[which])
            outputs = network(pictures.clone())
            one = slice(len(which) // 2, len(which) // 2 + 1)
            if not start and measure_gap([outputs[one]], [network(pictures[one])]) > 1:
                raise dependent()
            found.append(outputs.softmax(1).gather(1, numbers[which].unsqueeze(1))[:, 0])
            shares.append(exchanged.float().mean((1, 2, 3)))
    shape = len(image), len(counts)
    return RemovalCurve(torch.cat(shares).view(shape), torch.cat(found).view(shape))


def _checked(attribution: Any, image: Tensor) -> Tensor:
    """The map's sum over the channels, (N, H, W)."""
    number, channels, height, width = image.shape
    if (
        not isinstance(attribution, Tensor)
        or attribution.dim() != 4
        or attribution.shape[1] not in (1, channels)
        or (len(attribution), *attribution.shape[2:]) != (number, height, width)
    ):
        is_tensor = isinstance(attribution, Tensor)
        given = tuple(attribution.shape) if is_tensor else type(attribution).__name__
        raise ValueError(
            f"attribution={given}: expected a map of {tuple(image.shape)}, or of one channel"
        )
    if not attribution.isfinite().all():
        raise ValueError("attribution: expected finite numbers")
    return attribution.detach().sum(1)


def _ranks(maps: Tensor, size: int, order: str, seed: int) -> Tensor:
    """When each pixel's turn is, from 0: (N, H, W), the same in all of a block."""
    number, height, width = maps.shape
    # A window that sticks out is divided by the pixels that it holds.
    means = F.avg_pool2d(maps.unsqueeze(1), size, ceil_mode=True)[:, 0]
    lots = torch.Generator().manual_seed(seed)
    turns = torch.empty(number, means[0].numel(), dtype=torch.long)
    for turn, values in zip(turns, means.flatten(1).cpu(), strict=True):
        shuffled = torch.randperm(len(values), generator=lots)
        if order != "random":
            by_value = values[shuffled].argsort(descending=order == "map", stable=True)
            shuffled = shuffled[by_value]
        turn[shuffled] = torch.arange(len(values))
    turns = turns.view(means.shape).repeat_interleave(size, 1).repeat_interleave(size, 2)
    return turns[:, :height, :width].to(maps.device)
