"""A picture made for an output: climb its score, from a grey picture (Simonyan et al. 2014).

    start = torch.zeros(1, 3, 128, 128)              # the mean colour, where that is taken off
    found = class_picture(network, [1, 9], start, rate=2.0, l2=1e-5)

What raises a score need not look like what the output stands for. That is for the reader to judge,
and for another network.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from cnnlib.geometry import whole_number
from cnnlib.inside.deconvnet import check_way_back, explain_refusals
from cnnlib.inside.images import check_image
from cnnlib.inside.layers import make_differentiable
from cnnlib.inside.removal import blur_image
from cnnlib.inside.saliency import number_targets


def class_picture(
    module: nn.Module,
    target: int | Sequence[int] | Tensor,
    start: Tensor,
    *,
    steps: int = 60,
    rate: float = 2.0,
    l2: float = 0.0,
    jitter: int = 0,
    blur: float = 0.0,
    seed: int = 0,
    progress: bool = True,
) -> Tensor:
    """Pictures for which the outputs ``target`` are high, (N, C, H, W), one for each target.

    Begins at ``start``, (1, C, H, W) for all or (N, C, H, W), and climbs S(x) - l2 * |x|^2, the sum
    of squares over a picture's values (Simonyan et al. 2014, section 2), in so many ``steps``. The
    paper does not say how long a step is. Here each is as long: the root of the mean square of its
    values is ``rate``, in the units of the input. Two helps are not in that paper:

    - ``jitter``: before each step the picture is shifted by up to so many pixels either way along
      both axes, round the border, and shifted back behind it (Mordvintsev et al. 2015).
    - ``blur``: behind each step but the last the picture is blurred, with a standard deviation of
      so many pixels (Yosinski et al. 2015).

    A picture that gets no gradient, as where all ReLUs are closed, takes no step. The same ``seed``
    gives the same pictures; it draws the shifts, and torch's own random numbers are not used up.
    ``start`` goes to the module's device and number type, and the pictures come in these. The
    module runs in evaluation; it and ``start`` are left as they were.

    Raises ``ValueError`` for a start, target or option that does not fit, and for a network that
    cuts the way back to the picture.
    """
    check_image(start)
    steps, seed = whole_number(steps, "steps", least=1), whole_number(seed, "seed")
    jitter = whole_number(jitter, "jitter", least=0)
    for name, value in (("rate", rate), ("l2", l2), ("blur", blur)):
        if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise ValueError(f"{name}={value!r}: expected a finite number, 0 or more")
    lots = torch.Generator().manual_seed(seed)
    with make_differentiable(module, start, "class_picture") as (network, pixels):
        picture = _one_for_each(pixels.detach(), target)
        numbers = number_targets(network, picture, target)[:, None]
        for step in tqdm(range(steps), "climbing", leave=False, delay=2, disable=not progress):
            shift = torch.randint(-jitter, jitter + 1, (2,), generator=lots).tolist()
            moved = picture.roll(shift, (2, 3)).requires_grad_()
            outputs = network(moved.clone())  # a first layer may write into its input
            check_way_back(outputs, "module")
            climbed = outputs.gather(1, numbers).sum() - l2 * moved.pow(2).sum()
            with explain_refusals("module"):
                (slope,) = torch.autograd.grad(climbed, moved)
            size = slope.pow(2).mean((1, 2, 3), keepdim=True).sqrt()
            size = torch.where(size > 0, size, torch.ones_like(size))
            picture = (moved.detach() + rate * slope / size).roll([-s for s in shift], (2, 3))
            if blur and step < steps - 1:
                picture = blur_image(picture, blur)
    return picture


def _one_for_each(start: Tensor, target: Any) -> Tensor:
    """``start`` as often as there are targets, if it is one picture."""
    several = isinstance(target, Sequence) or (isinstance(target, Tensor) and target.dim() == 1)
    return start.expand(len(target), -1, -1, -1) if several and len(start) == 1 else start
