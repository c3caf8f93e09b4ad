"""Does a map depend on what the network has learnt, and does it depend on more than that?

    for name, network in randomised_from_top(trained, image):  # Adebayo et al. 2018
        now = attribute(network, image, 207)
        print(name, rank_correlation(before, now))

A map that stays as it was while the weights become noise says nothing about the weights.

    fills = {"grey": 0.0, "white": 2.0}
    found = occlusion_under_fills(trained, image, 207, fills, size=16, stride=8)
    print(found.disagreement)

A score that falls under one occluder and not under another says something about the occluder.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from cnnlib.inside.images import check_image
from cnnlib.inside.layers import named_layer, resting
from cnnlib.inside.occlusion import OcclusionMap, occlusion_map


def randomised_from_top(
    module: nn.Module,
    image: Tensor,
    layers: Sequence[str] | None = None,
    *,
    initialise: Callable[[nn.Module], Any] | None = None,
    seed: int = 0,
) -> Iterator[tuple[str, nn.Module]]:
    """Copies of ``module`` with ever more of its weights drawn anew, beginning at the output.

    Yields (name of the layer that was randomised last, network), the first with one layer
    randomised, the last with all: the cascading randomisation of Adebayo et al. 2018. ``module``
    itself is left as it was. ``layers`` are names in the order in which they are to go, blocks
    too, whose layers go together; None takes each layer that has weights, in the reverse of the
    order in which ``image``, (N, C, H, W), runs through them.

    ``initialise`` is called with each layer, without gradients, and draws its weights anew, in
    place. None takes the layer's own ``reset_parameters``, with which torch sets up a new layer;
    batch normalisation forgets its statistics too. A layer that has none gets its weights shuffled.
    The same seed gives the same weights; torch's own random numbers are not used up. Networks are
    in eval mode.

    Raises ``ValueError`` for a layer that is not there or has no weights.
    """
    names = _run_order(module, image)[::-1] if layers is None else list(layers)
    steps = [_with_weights(module, name) for name in names]
    steps = list(zip(names, steps, strict=True))
    return _randomised(module, steps, initialise or _draw_anew, seed)


def _randomised(
    module: nn.Module,
    steps: list[tuple[str, list[str]]],
    initialise: Callable[[nn.Module], Any],
    seed: int,
) -> Iterator[tuple[str, nn.Module]]:
    network = copy.deepcopy(module).eval()
    for number, (name, parts) in enumerate(steps):
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed + number)
            for part in parts:
                initialise(named_layer(network, part))
        yield name, copy.deepcopy(network)


def _own_weights(part: nn.Module) -> list[nn.Parameter]:
    return list(part.parameters(recurse=False))


def _with_weights(module: nn.Module, name: str) -> list[str]:
    """The layers with weights that a layer or block is made of."""
    below = named_layer(module, name).named_modules(prefix=name)
    found = [path for path, part in below if _own_weights(part)]
    if not found:
        raise ValueError(f"layers: {name!r} has no weights, expected layers or blocks that have")
    return found


def _run_order(module: nn.Module, image: Tensor) -> list[str]:
    """The layers with weights as they run; one that runs several times, as it runs last."""
    check_image(image)
    ran: dict[str, None] = {}

    def note(name: str) -> None:
        ran.pop(name, None)
        ran[name] = None

    hooks = [
        part.register_forward_hook(lambda part, args, out, name=name: note(name))
        for name, part in module.named_modules()
        if _own_weights(part)
    ]
    try:
        with resting(module), torch.no_grad():
            module(image[:1])
    finally:
        for hook in hooks:
            hook.remove()
    if not ran:
        raise ValueError("module: expected a network with weights")
    return list(ran)


def _draw_anew(part: nn.Module) -> None:
    if hasattr(part, "reset_parameters"):
        part.reset_parameters()
        return
    for weight in _own_weights(part):
        mixed = weight.flatten()[torch.randperm(weight.numel()).to(weight.device)]
        weight.copy_(mixed.view(weight.shape))


def rank_correlation(one: Tensor, other: Tensor) -> Tensor:
    """Spearman's correlation of two maps, (N, ...) each: (N,), from -1 to 1.

    1 where both order the pixels alike, 0 where they have nothing to do with each other. Equal
    values share their ranks' mean. NaN where a map has the same value everywhere: it orders
    nothing. Adebayo et al. 2018 give it for maps as they are and for their absolute values.

    Raises ``ValueError`` for maps of different shapes.
    """
    if one.shape != other.shape or one.dim() < 2:
        raise ValueError(
            f"one={tuple(one.shape)}, other={tuple(other.shape)}: expected two maps of one shape, "
            "(N, ...)"
        )
    first, second = (torch.stack([_ranks(image) for image in maps]) for maps in (one, other))
    lengths = first.norm(dim=1) * second.norm(dim=1)
    return (first * second).sum(1) / lengths


def _ranks(values: Tensor) -> Tensor:
    """Each value's rank less the mean rank, in double precision."""
    _, which, counts = values.detach().flatten().unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts - 1) / 2)[which] - (len(which) + 1) / 2


@dataclass(frozen=True)
class FillComparison:
    """Occlusion maps that differ only in what the occluder holds: fill's name -> map.

    The maps' numbers are the falls of the score, clean minus occluded, (N, rows, columns).
    """

    maps: Mapping[str, OcclusionMap]

    @property
    def falls(self) -> Tensor:
        """(fills, N, rows, columns)."""
        return torch.stack([m.clean_scores.view(-1, 1, 1) - m.scores for m in self.maps.values()])

    @property
    def correlation(self) -> Tensor:
        """(N, fills, fills): how far each two fills order the places alike, by ranks."""
        falls = self.falls
        rows = [torch.stack([rank_correlation(a, b) for b in falls], dim=1) for a in falls]
        return torch.stack(rows, dim=1)

    @property
    def disagreement(self) -> Tensor:
        """(N,): 1 minus the mean correlation of two different fills.

        0 where all order the places alike, 1 where they have nothing to do with each other.
        """
        correlation = self.correlation
        pairs = list(combinations(range(len(self.maps)), 2))
        return 1 - torch.stack([correlation[:, i, j] for i, j in pairs]).mean(0)

    @property
    def spread(self) -> Tensor:
        """(N, rows, columns): the largest fall of the score among the fills less the smallest."""
        return self.falls.amax(0) - self.falls.amin(0)


def occlusion_under_fills(
    module: nn.Module,
    image: Tensor,
    target: Any,
    fills: Mapping[str, Any],
    *,
    size: int | tuple[int, int],
    stride: int | tuple[int, int],
    progress: bool = True,
) -> FillComparison:
    """The same :func:`occlusion_map` with each of ``fills``, a name and what the occluder holds.

    ``image``, ``target``, ``size``, ``stride`` and each fill are as there.

    Raises ``ValueError`` for fewer than two fills, and as :func:`occlusion_map` does.
    """
    if not isinstance(fills, Mapping) or len(fills) < 2:
        raise ValueError(f"fills={fills!r}: expected two or more, {{name: fill}}")
    return FillComparison(
        {
            name: occlusion_map(
                module, image, target, size=size, stride=stride, fill=fill, progress=progress
            )
            for name, fill in fills.items()
        }
    )
