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

from cnnlib.inside.images import check_image, move_beside
from cnnlib.inside.layers import find_layer
from cnnlib.inside.occlusion import OcclusionMap, occlusion_map
from cnnlib.inside.redrawing import find_run_order, find_weights, redraw
from cnnlib.ranks import rank_correlation
from cnnlib.trace import evaluating, plain_module


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
    too, whose layers go together; None takes each layer whose weights are used when ``image``,
    (N, C, H, W), runs through, the one that is used last first.

    ``initialise`` is called with each layer, without gradients, and draws its weights anew, in
    place. None takes the layer's own ``reset_parameters``, with which torch sets up a new layer;
    batch normalisation forgets its statistics too. Weights that this leaves as they were are
    shuffled: those of a layer without it, and those from which weight norm, spectral norm or
    pruning compute what is used. Weights that several layers share are drawn with the first.
    The same seed gives the same weights; torch's own random numbers are not used up. Networks are
    in evaluation, and out of their wrappers (``DataParallel``, compiled).

    Raises ``ValueError`` for a layer that is not there or has no weights, for one that
    ``initialise`` leaves answering as before, and for scripted modules, by name.
    """
    check_image(image)
    network = plain_module(module, "randomised_from_top")
    with evaluating(network):
        order, calls = find_run_order(network, move_beside(network, image[:1].detach()))
    if not order:
        raise ValueError("module: expected a network with weights")
    names = order[::-1] if layers is None else list(layers)
    steps = [(name, _with_weights(network, name)) for name in names]
    return _randomised(network, steps, calls, initialise, seed)


def _randomised(
    module: nn.Module,
    steps: list[tuple[str, list[str]]],
    calls: dict[str, tuple],
    initialise: Callable[[nn.Module], Any] | None,
    seed: int,
) -> Iterator[tuple[str, nn.Module]]:
    network = _copy(module)
    weights, done = find_weights(network), set()
    for number, (name, parts) in enumerate(steps):
        with torch.random.fork_rng(), torch.inference_mode(False), torch.no_grad():
            torch.manual_seed(seed + number)
            for part in parts:
                layer = find_layer(network, part)
                redraw(layer, part, weights[part], initialise, calls.get(part), done)
        yield name, _copy(network)


def _copy(module: nn.Module) -> nn.Module:
    """A copy in evaluation."""
    with evaluating(module), torch.inference_mode(False):
        for part in module.modules():
            for name, value in list(vars(part).items()):
                if isinstance(value, Tensor) and not value.is_leaf:  # a weight of the last run
                    vars(part)[name] = value.detach()
        return copy.deepcopy(module)


def _with_weights(module: nn.Module, name: str) -> list[str]:
    """The layers with weights that a layer or block is made of."""
    find_layer(module, name)
    below = f"{name}." if name else ""
    found = [path for path in find_weights(module) if path == name or path.startswith(below)]
    if not found:
        raise ValueError(f"layers: {name!r} has no weights, expected layers or blocks that have")
    return found


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
