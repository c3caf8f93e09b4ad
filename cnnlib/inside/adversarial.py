"""A picture that a network takes for something else: small steps along a gradient.

    walk = adversarial_walk(network, pixels, prepare, target=9, size=1, budget=4, steps=10)
    walk[-1].pixels, walk[-1].scores.argmax()

Szegedy et al. (2014) found that a change too small to see can give a photograph any answer.
Goodfellow et al. (2015) took one step along the gradient's signs. Many small steps that stay near
the photograph are the basic iterative method of Kurakin et al. (2017).
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cnnlib.geometry import whole_number
from cnnlib.inside.deconvnet import check_way_back, explain_refusals
from cnnlib.inside.layers import make_differentiable

STEP_RULES = ("sign", "plain")


class AdversarialStep(NamedTuple):
    """A picture on the way, uint8 (3, H, W), and the network's scores for it, (classes,)."""

    pixels: Tensor
    scores: Tensor


def adversarial_walk(
    module: nn.Module,
    pixels: Tensor,
    prepare: Callable[[Tensor], Tensor],
    target: int,
    *,
    away: bool = False,
    rule: str = "sign",
    size: float = 1.0,
    budget: float = 4.0,
    steps: int = 10,
) -> list[AdversarialStep]:
    """The pictures from ``pixels`` towards the class ``target``, or ``away`` from it.

    ``pixels``: uint8, (3, H, W). ``prepare`` makes the network's input, (1, C, H, W), of such
    pixels as floating point numbers, (1, 3, H, W), so that a gradient comes back through it. Each
    step climbs the logarithm of the target's probability, or descends it:

    - ``"sign"`` moves every value by ``size`` greys, up or down, as the gradient's sign says;
    - ``"plain"`` moves along the gradient, so far that the root of the mean square of the moves is
      ``size`` greys.

    Behind each step every value is brought back into 0 to 255, and within ``budget`` greys of the
    photograph (the L-infinity norm of the change). The network sees whole greys only: the gradient
    is taken at the rounded picture, the step is added to the one that is not rounded. So each
    picture of the list can be saved and shown to the network again, with the same scores.

    Gives ``steps + 1`` pictures; the first is the photograph. The module runs in evaluation and is
    left as it was. Raises ``ValueError`` for what does not fit.
    """
    if not isinstance(pixels, Tensor) or pixels.dtype != torch.uint8 or pixels.dim() != 3:
        given = f"{pixels.dtype} {tuple(pixels.shape)}" if isinstance(pixels, Tensor) else pixels
        raise ValueError(f"pixels={given!r}: expected a uint8 tensor of shape (3, H, W)")
    if rule not in STEP_RULES:
        raise ValueError(f"rule={rule!r}: expected one of {', '.join(STEP_RULES)}")
    for name, value in (("size", size), ("budget", budget)):
        if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise ValueError(f"{name}={value!r}: expected a finite number, 0 or more")
    target, steps = whole_number(target, "target", 0), whole_number(steps, "steps", 0)
    start = pixels[None].float()
    walk, present = [], start
    with make_differentiable(module, prepare(start), "adversarial_walk") as (network, _):
        for _ in range(steps + 1):
            rounded = (present + 0.5).floor()
            slope, scores = _slope(network, rounded, prepare, target)
            walk.append(AdversarialStep(rounded[0].to(torch.uint8), scores))
            move = size * _direction(-slope if away else slope, rule)
            present = torch.clamp(present + move, start - budget, start + budget).clamp(0, 255)
    return walk


def _slope(network: Any, picture: Tensor, prepare: Any, target: int) -> tuple[Tensor, Tensor]:
    """The slope of the logarithm of the target's probability at the pixels, and the scores."""
    picture = picture.clone().requires_grad_()
    scores = network(prepare(picture))
    check_way_back(scores, "module")
    if target >= scores.shape[1]:
        raise ValueError(f"target={target}: expected a number below {scores.shape[1]}")
    with explain_refusals("module"):
        (slope,) = torch.autograd.grad(scores.log_softmax(dim=1)[0, target], picture)
    return slope, scores.detach()[0]


def _direction(slope: Tensor, rule: str) -> Tensor:
    """The slope's signs, or the slope at a root mean square of 1; a slope of 0 stays."""
    if rule == "sign":
        return slope.sign()
    length = slope.pow(2).mean().sqrt()
    return slope / length if length > 0 else slope
