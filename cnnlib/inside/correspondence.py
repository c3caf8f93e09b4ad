"""Does covering the same part change the features of different pictures in the same way?

    found = measure_correspondence(network, images, ["relu5", "relu7"], places, size=24)
    found.distances  # (layers, D, pairs): how unlike the changes in two pictures are
    found.changed    # (layers, D, N): the share of the features that a cover changed

After Zeiler & Fergus 2014, section 4.3 and Table 1. A cover changes the feature vector x of picture
i by e_i = x_i - (x_i when covered). Only the direction of each number's change is kept: sign(e_i),
which is -1, 0 or 1. For two pictures, the share of the numbers whose signs differ is their distance
(Hamming's). The paper sums it over all pairs; its table can only hold means, so it is a mean here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn

from cnnlib.geometry import whole_number
from cnnlib.inside.images import check_image, move_beside
from cnnlib.inside.layers import find_layer, keep_features
from cnnlib.inside.occlusion import expand_fill
from cnnlib.trace import evaluating, plain_module

SIGNS = (-1, 0, 1)


@dataclass(frozen=True)
class Correspondence:
    """How alike the features of N pictures change, in some layers, under D covers of each.

    - ``pairs``: (i, j) with i < j, every two of the N pictures.
    - ``distances`` (layers, D, pairs): the share of the features whose change has another sign in i
      than in j. 0: all alike.
    - ``expected`` (layers, D, pairs): the distance to be expected had the signs of one picture been
      dealt to its features by lot. It is small where a cover changes few features, as most signs
      are 0 then.
    - ``changed`` (layers, D, N): the share of the features whose sign is not 0.
    """

    layers: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]
    distances: Tensor
    expected: Tensor
    changed: Tensor


def measure_correspondence(
    module: nn.Module,
    image: Tensor,
    layers: Sequence[str],
    places: Tensor | Sequence,
    *,
    size: int,
    fill: float | Sequence[float] | Tensor = 0.0,
) -> Correspondence:
    """Cover each of the pictures, (N, C, H, W), at D places in turn; see :class:`Correspondence`.

    ``places`` (D, N, 2) are the middles of the covers, (row, column) in pixels of ``image``, each
    picture's own. A cover is a square of ``size`` pixels that holds ``fill``, as in
    :func:`cnnlib.inside.occlusion_map`; with an even ``size`` it begins size / 2 pixels before its
    middle. ``layers`` are names of modules, ``""`` the network itself; a layer that runs several
    times is taken as it runs first. The module runs in evaluation, without gradients, and is left
    as it was.

    Raises ``ValueError`` for fewer than two pictures, for an image, layer, size or fill that does
    not fit, and for a cover that is not wholly in its picture.
    """
    check_image(image)
    layers = tuple(layers)
    if len(image) < 2 or not layers:
        raise ValueError(f"{len(image)} pictures, layers={layers}: expected two or more, and one")
    size = whole_number(size, "size", 1)
    corners = _corners(places, image, size)
    module = plain_module(module, "measure_correspondence")
    image = move_beside(module, image.detach())
    inner = {name: find_layer(module, name) for name in layers}
    paint = expand_fill(fill, image)
    pairs = tuple(combinations(range(len(image)), 2))
    first, second = (list(part) for part in zip(*pairs, strict=True))
    distances = torch.empty(len(layers), len(corners), len(pairs))
    expected = torch.empty_like(distances)
    changed = torch.empty(len(layers), len(corners), len(image))
    with evaluating(module), torch.no_grad():
        whole, _ = keep_features(module, inner, image)
        for d, its_corners in enumerate(corners.tolist()):
            covered = image.clone()
            for k, (top, left) in enumerate(its_corners):
                square = (k, ..., slice(top, top + size), slice(left, left + size))
                covered[square] = paint[square]
            features, _ = keep_features(module, inner, covered)
            for i, name in enumerate(layers):
                signs = (whole[name] - features[name]).sign()
                distances[i, d] = (signs[first] != signs[second]).float().mean(dim=1).cpu()
                shares = torch.stack([(signs == s).double().mean(dim=1) for s in SIGNS])
                alike = (shares[:, first] * shares[:, second]).sum(dim=0)
                expected[i, d] = (1 - alike).cpu()
                changed[i, d] = (1 - shares[SIGNS.index(0)]).cpu()
    return Correspondence(layers, pairs, distances, expected, changed)


def _corners(places: Tensor | Sequence, image: Tensor, size: int) -> Tensor:
    """The upper left pixel of each cover, whole numbers (D, N, 2)."""
    try:
        middles = torch.as_tensor(places)
    except (TypeError, ValueError, RuntimeError):
        middles = torch.empty(0)
    whole = not (middles.is_floating_point() or middles.is_complex())
    if not whole or middles.shape[1:] != (len(image), 2) or not len(middles):
        raise ValueError(
            f"places={tuple(middles.shape)} of {middles.dtype}: expected whole numbers (row, "
            f"column), in the shape (D, {len(image)}, 2)"
        )
    corners = middles - size // 2
    for axis, (what, length) in enumerate(zip(("row", "column"), image.shape[2:], strict=True)):
        ends = corners[..., axis]
        out = (ends < 0) | (ends + size > length)
        if out.any():
            wrong = middles[..., axis][out][0].item()
            raise ValueError(
                f"places: {what} {wrong} with size={size} leaves the picture: expected {what}s "
                f"from {size // 2} to {length - size + size // 2}"
            )
    return corners
