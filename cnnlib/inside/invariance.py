"""How far a change of the picture moves each layer's features (Zeiler & Fergus 2014, Fig. 5).

    found = measure_distances(network, images, ["conv1", "fc7"], "translation", range(-60, 61, 10))
    found.distances      # (layers, N, amounts): Euclidean, from the features of the unmoved picture
    found.relative       # the same in units of the distance between two different pictures
    found.probabilities  # (N, amounts, K): what the network says meanwhile

A layer's feature vector is all that it gives for one picture, laid out in a row.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from cnnlib.geometry import whole_number
from cnnlib.inside.images import check_image, is_sequence, move_beside
from cnnlib.inside.layers import find_layer, keep_features
from cnnlib.trace import evaluating, plain_module

#: What may be done to a picture -> the amount that does nothing.
TRANSFORMS = {"translation": 0.0, "scale": 1.0, "rotation": 0.0}

#: So many pictures run at once.
BATCH = 8


@dataclass(frozen=True)
class FeatureDistances:
    """How far N pictures' features moved in some layers, for some amounts of one transform.

    - ``distances`` (layers, N, amounts): Euclidean, between the features of the moved and of the
      unmoved picture.
    - ``between`` (layers,): the root mean square of the distance between two different unmoved
      pictures, over all pairs. NaN for a single picture.
    - ``inside`` (amounts,): the share of the network's input that comes from the picture; the rest
      is fill.
    - ``probabilities`` (N, amounts, K) and ``clean_probabilities`` (N, K): the softmax of the
      outputs, of the moved and the unmoved pictures. None where the outputs are not one a class.
    """

    layers: tuple[str, ...]
    transform: str
    amounts: tuple
    distances: Tensor
    between: Tensor
    inside: Tensor
    probabilities: Tensor | None
    clean_probabilities: Tensor | None

    @property
    def relative(self) -> Tensor:
        """``distances`` in units of ``between``, so that layers compare: at 1 a picture is as far
        from itself as from another one. Raises ``ValueError`` where there is only one picture.
        """
        if self.distances.shape[1] < 2:
            raise ValueError("relative: expected two pictures or more, found 1")
        return self.distances / self.between.view(-1, 1, 1)


def transform_image(
    image: Tensor,
    transform: str,
    amount: float | Sequence[float],
    *,
    fill: float | Sequence[float] = 0.0,
    size: int | tuple[int, int] | None = None,
) -> Tensor:
    """``image``, (N, C, H, W), moved, scaled or turned; returns (N, C, *size).

    - "translation" by ``amount`` pixels: downwards, or (down, right).
    - "scale" by a factor, above 1 enlarges, about the middle.
    - "rotation" by degrees, anticlockwise, about the middle.

    Values between pixels are bilinear, without smoothing before a picture shrinks. ``size``,
    (height, width) or one number for both, is what is cut out of the middle afterwards; None keeps
    H x W. With a picture larger than that, small amounts bring no border into view. What lies
    outside the picture is ``fill``, a number or one for each channel. Moves by whole pixels are
    exact.

    Raises ``ValueError`` for an image, transform, amount, fill or size that does not fit.
    """
    check_image(image)
    rows, columns = _sources(image, transform, amount, size)
    height, width = image.shape[2:]
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    grid = grid.expand(len(image), -1, -1, -1).to(image.device)
    paint = _paint(image, fill)
    # In twice as many digits, so that whole pixels come out whole.
    above = image.double() - paint
    found = F.grid_sample(above, grid, padding_mode="zeros", align_corners=False)
    return (found + paint).to(image.dtype)


def measure_distances(
    module: nn.Module,
    image: Tensor,
    layers: Sequence[str],
    transform: str,
    amounts: Sequence[float | Sequence[float]],
    *,
    fill: float | Sequence[float] = 0.0,
    size: int | tuple[int, int] | None = None,
    progress: bool = True,
) -> FeatureDistances:
    """Run ``module`` on ``image``, (N, C, H, W), for each amount; see :class:`FeatureDistances`.

    ``layers`` are names of modules, ``""`` the network itself; a layer that runs several times is
    taken as it runs first. ``transform``, ``amounts``, ``fill`` and ``size`` as in
    :func:`transform_image`: the network sees ``size`` pixels of each picture. The image goes to the
    module's device and number type. The module runs in evaluation, without gradients, and is left
    as it was.

    Raises ``ValueError`` for an image, layer, transform, amount, fill or size that does not fit.
    """
    check_image(image)
    layers, amounts = tuple(layers), tuple(amounts)
    if not layers or not amounts:
        raise ValueError(f"layers={layers}, amounts={amounts}: expected at least one of each")
    module = plain_module(module, "measure_distances")
    image = move_beside(module, image.detach())
    inner = {name: find_layer(module, name) for name in layers}
    inside = [_inside(image, transform, amount, size) for amount in amounts]  # checks them all

    def changed(part: Tensor, amount: Any) -> Tensor:
        return transform_image(part, transform, amount, fill=fill, size=size)

    distances = torch.empty(len(layers), len(image), len(amounts))
    sums, squares = [0.0] * len(layers), [0.0] * len(layers)
    clean, moved = [], []
    steps = len(image) * (len(amounts) + 1)
    with (
        evaluating(module),
        torch.no_grad(),
        tqdm(total=steps, desc=transform, delay=2, leave=False, disable=not progress) as bar,
    ):
        for first in range(0, len(image), BATCH):
            part = image[first : first + BATCH]
            unmoved = changed(part, TRANSFORMS[transform])
            base, outputs = keep_features(module, inner, unmoved)
            clean.append(outputs)
            bar.update(len(part))
            for i, name in enumerate(layers):
                sums[i] = sums[i] + base[name].double().sum(0)
                squares[i] = squares[i] + base[name].double().square().sum().item()
            found = []
            for k, amount in enumerate(amounts):
                features, outputs = keep_features(module, inner, changed(part, amount))
                found.append(outputs)
                for i, name in enumerate(layers):
                    step = (features[name] - base[name]).norm(dim=1)
                    distances[i, first : first + len(part), k] = step.cpu()
                bar.update(len(part))
            moved.append(found)
    count = len(image)
    pairs = [
        2 * (count * square - total.square().sum().item()) / (count * (count - 1))
        if count > 1
        else math.nan
        for total, square in zip(sums, squares, strict=True)
    ]
    classes = all(isinstance(outputs, Tensor) and outputs.dim() == 2 for outputs in clean)
    return FeatureDistances(
        layers=layers,
        transform=transform,
        amounts=amounts,
        distances=distances,
        between=torch.tensor(pairs).clamp(min=0).sqrt(),
        inside=torch.tensor(inside),
        probabilities=_stacked(moved).softmax(dim=-1) if classes else None,
        clean_probabilities=torch.cat(clean).softmax(dim=-1) if classes else None,
    )


def _stacked(moved: list[list[Tensor]]) -> Tensor:
    """Outputs by batch and amount, as one tensor (N, amounts, K)."""
    return torch.cat([torch.stack(found, dim=1) for found in moved])


def _sources(image: Tensor, transform: str, amount: Any, size: Any) -> tuple[Tensor, Tensor]:
    """Where in ``image`` each pixel of the result comes from: rows and columns, (height, width)."""
    if transform not in TRANSFORMS:
        raise ValueError(f"transform={transform!r}: expected one of {list(TRANSFORMS)}")
    height, width = _size(image, size)
    down = torch.arange(height, dtype=torch.double) - (height - 1) / 2
    right = torch.arange(width, dtype=torch.double) - (width - 1) / 2
    rows, columns = torch.meshgrid(down, right, indexing="ij")  # from the middle
    if transform == "translation":
        step = _numbers(transform, amount, most=2)
        rows, columns = rows - step[0], columns - (step[1] if len(step) == 2 else 0.0)
    elif transform == "scale":
        (factor,) = _numbers(transform, amount)
        if factor <= 0:
            raise ValueError(f"amount={amount!r}: expected a factor above 0 for 'scale'")
        rows, columns = rows / factor, columns / factor
    else:
        (degrees,) = _numbers(transform, amount)
        sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        rows, columns = rows * cosine + columns * sine, columns * cosine - rows * sine
    # The middle of the part that is cut out, a whole number of pixels from the border.
    top, left = (image.shape[2] - height) // 2, (image.shape[3] - width) // 2
    return rows + top + (height - 1) / 2, columns + left + (width - 1) / 2


def _inside(image: Tensor, transform: str, amount: Any, size: Any) -> float:
    """The share of the result's pixels that come from within ``image``."""
    rows, columns = _sources(image, transform, amount, size)
    near = 1e-6  # pixels, for rounding
    fits = (rows >= -near) & (rows <= image.shape[2] - 1 + near)
    fits &= (columns >= -near) & (columns <= image.shape[3] - 1 + near)
    return fits.double().mean().item()


def _numbers(transform: str, amount: Any, most: int = 1) -> list[float]:
    """An amount as one number, or up to ``most``."""
    try:
        found = [float(amount)]
    except (TypeError, ValueError):
        try:
            found = [float(value) for value in amount] if not isinstance(amount, str) else []
        except (TypeError, ValueError):
            found = []
    if not 1 <= len(found) <= most or not all(map(math.isfinite, found)):
        wanted = "a finite number" + (" or (down, right)" if most == 2 else "")
        raise ValueError(f"amount={amount!r}: expected {wanted} for {transform!r}")
    return found


def _size(image: Tensor, size: Any) -> tuple[int, int]:
    height, width = image.shape[2:]
    if size is None:
        return height, width
    try:
        pair = tuple(whole_number(n, "size") for n in (size if is_sequence(size) else [size] * 2))
    except ValueError:
        pair = ()
    if len(pair) != 2:
        raise ValueError(f"size={size!r}: expected a whole number or (height, width)")
    if not (1 <= pair[0] <= height and 1 <= pair[1] <= width):
        raise ValueError(f"size={size!r}: expected 1x1 to the image's {height}x{width}")
    return pair


def _paint(image: Tensor, fill: Any) -> Tensor:
    """What lies outside the picture, (1 or C, 1, 1)."""
    paint = torch.as_tensor(fill, dtype=torch.double, device=image.device)
    if paint.dim() > 1 or paint.numel() not in (1, image.shape[1]):
        raise ValueError(
            f"fill={fill!r}: expected a number or one for each of {image.shape[1]} channels"
        )
    return paint.view(-1, 1, 1)
