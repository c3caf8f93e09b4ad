"""The gradient of an output, averaged over noisy copies of the picture (Smilkov et al. 2017).

    found = smoothgrad(network, image, 207)          # (N, C, H, W), with signs

A network of ReLUs is made of flat pieces, and its gradient is another on each. The mean over many
pieces around the picture depends less on the one that the picture happens to stand on.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from tqdm import tqdm

from cnnlib.geometry import whole_number
from cnnlib.inside.deconvnet import check_way_back, explain_refusals
from cnnlib.inside.images import check_image
from cnnlib.inside.layers import make_differentiable
from cnnlib.inside.saliency import number_targets


def smoothgrad(
    module: nn.Module,
    image: Tensor,
    target: int | Sequence[int] | Tensor,
    *,
    noise: float = 0.15,
    samples: int = 50,
    seed: int = 0,
    progress: bool = True,
) -> Tensor:
    """The mean gradient of the output ``target`` at noisy copies of ``image``, (N, C, H, W).

    The paper's equation in section 3: the mean of M(x + n) over so many ``samples`` of n, with M
    the gradient and n normal around 0. Gradients keep their signs; a size is the caller's to take,
    of the mean. The standard deviation of n is ``noise`` times the difference of an image's largest
    value and its smallest; the paper recommends 0.1 to 0.2, and finds little change beyond 50
    samples. Without noise this is the gradient.

    All images get the same draws, so that each is answered as it is alone. The same ``seed`` gives
    the same map; torch's own random numbers are not used up. ``target`` is an output's number, from
    0, one for all images or one each. The image goes to the module's device and number type, and
    the map comes in these. The module runs in evaluation; it and the image are left as they were.

    Raises ``ValueError`` for an image, target, noise or number of samples that does not fit, and
    for a network that cuts the way back to the picture.
    """
    check_image(image)
    samples, seed = whole_number(samples, "samples", least=1), whole_number(seed, "seed")
    if not isinstance(noise, int | float) or not math.isfinite(noise) or noise < 0:
        raise ValueError(f"noise={noise!r}: expected a finite number, 0 or more")
    lots = torch.Generator().manual_seed(seed)
    with make_differentiable(module, image, "smoothgrad") as (network, pixels):
        numbers = number_targets(network, pixels, target)[:, None]
        clean = pixels.detach()
        spread = noise * (clean.amax((1, 2, 3), keepdim=True) - clean.amin((1, 2, 3), keepdim=True))
        total = torch.zeros_like(clean)
        for _ in tqdm(range(samples), "smoothing", leave=False, delay=2, disable=not progress):
            draw = torch.randn(clean.shape[1:], generator=lots).to(clean)
            noisy = (clean + spread * draw).requires_grad_()
            outputs = network(noisy.clone())  # a first layer may write into its input
            check_way_back(outputs, "module")
            with explain_refusals("module"):
                total += torch.autograd.grad(outputs.gather(1, numbers).sum(), noisy)[0]
    return total / samples
