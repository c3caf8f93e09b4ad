"""Slide an occluder over a picture and watch what the network says (Zeiler & Fergus 2014, 4.2).

    found = occlusion_map(network, images, target=207, size=16, stride=8)
    found.scores        # (N, rows, columns): the target's score at each place of the occluder
    found.probability   # the same through the softmax, the paper's Fig. 7d
    found.labels        # the class with the highest score, Fig. 7e
    found.attribution   # (N, C, H, W): how much each pixel's cover costs, as captum's Occlusion

With ``layer`` it also has ``activity``, the sum over that layer's strongest map, Fig. 7b, or over
the map of a ``channel`` that you name.

Only what an occluder can change is computed anew; :mod:`cnnlib.inside.incremental` says how.
Networks for which that is no gain, or that cannot be followed so, run on full pictures, many at a
time. ``found.method`` and ``found.reason`` say which it was and why.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from cnnlib.geometry import whole_number
from cnnlib.inside.alone import check_takes_one_image
from cnnlib.inside.images import check_image, move_beside
from cnnlib.inside.layers import find_layer
from cnnlib.inside.scan import Answers, Scan
from cnnlib.trace import evaluating, plain_module

#: Bytes up to which all outputs at all places are kept without being asked for.
KEPT = 64 * 2**20


@dataclass(frozen=True, repr=False, eq=False)
class OcclusionMap:
    """What the network says with the occluder at each place; place (i, j) is (tops[i], lefts[j]).

    The last place of an axis may stick out over the border, and covers less then.

    - ``scores`` (N, rows, columns): the network's output for the target. ``clean_scores`` (N,):
      the same without occluder.
    - ``probability``, ``labels``: the target's share of the softmax, and the number of the highest
      output. None where the outputs are not one a class.
    - ``outputs`` (N, rows, columns, K): all outputs, and ``clean_outputs`` (N, K). None as above.
      Reading ``outputs`` raises ``ValueError`` where they were not kept.
    - ``activity``: the sum over one map of the asked layer, ``channel`` (N,): the one asked for,
      or the one whose sum is the largest without occluder. None if no layer was asked for.
    - ``method``: what ran, "patches" or "full", or "both", patches first. ``reason``: why.
    """

    scores: Tensor
    clean_scores: Tensor
    probability: Tensor | None
    clean_probability: Tensor | None
    labels: Tensor | None
    clean_labels: Tensor | None
    clean_outputs: Tensor | None
    activity: Tensor | None
    clean_activity: Tensor | None
    channel: Tensor | None
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    size: tuple[int, int]
    image_shape: tuple[int, ...]
    method: str
    reason: str
    _outputs: Tensor | None

    @property
    def outputs(self) -> Tensor | None:
        """(N, rows, columns, K): all outputs; None where they are not one a class."""
        if self._outputs is None and self.clean_outputs is not None:
            size = self.scores[0].numel() * self.clean_outputs.nbytes / 2**20
            raise ValueError(
                f"outputs: not kept, {size:.0f} MiB; expected occlusion_map(..., outputs=True)"
            )
        return self._outputs

    def __repr__(self) -> str:
        number, rows, columns = self.scores.shape
        return (
            f"OcclusionMap({number} of {rows}x{columns} places, size={self.size}, "
            f"method={self.method!r}, reason={self.reason!r})"
        )

    @property
    def attribution(self) -> Tensor:
        """(N, C, H, W): the mean fall of the score over all places that cover a pixel.

        The same in all channels, and NaN where no place covers the pixel (a stride above the size).
        """
        return self.per_pixel(self.scores, self.clean_scores)

    def per_pixel(self, values: Tensor, clean: Tensor) -> Tensor:
        """As ``attribution``, for another of the maps: (N, rows, columns) and (N,)."""
        number, _, height, width = self.image_shape
        total = values.new_zeros(number, height, width)
        times = values.new_zeros(height, width)
        falls = clean.view(-1, 1, 1) - values
        down, across = self.size
        for (i, top), (j, left) in product(enumerate(self.tops), enumerate(self.lefts)):
            covered = (..., slice(top, top + down), slice(left, left + across))
            total[covered] += falls[:, i, j].view(-1, 1, 1)
            times[covered] += 1
        return (total / times).unsqueeze(1).expand(self.image_shape).clone()


def occlusion_map(
    module: nn.Module,
    image: Tensor,
    target: int | tuple[int, ...] | Sequence | Tensor | None = None,
    *,
    size: int | tuple[int, int],
    stride: int | tuple[int, int],
    fill: float | Sequence[float] | Tensor = 0.0,
    layer: str | None = None,
    channel: int | Sequence[int] | Tensor | None = None,
    method: str = "auto",
    outputs: bool | None = None,
    progress: bool = True,
) -> OcclusionMap:
    """Run ``module`` with an occluder at each place of a grid over ``image``, (N, C, H, W).

    ``size`` and ``stride`` are the occluder's and the grid's, (height, width) or one number for
    both. ``target`` is an output's number, from 0, one for all images or a sequence of one each; a
    tuple where an image has outputs in several dimensions; None where it has only one. ``fill`` is
    what the occluder holds: a number, one for each channel, or a tensor that broadcasts to
    ``image``. ``layer`` is a module's dotted name, and ``channel`` the number of its map to follow,
    from 0, one for all images or one each; None takes each image's strongest. Places, edges and
    ``attribution`` are those of captum's ``Occlusion`` with these arguments as
    ``sliding_window_shapes=(C, *size)``, ``strides=(C, *stride)``, ``baselines=fill``.

    ``method``:

    - "full" runs on full pictures, many at a time.
    - "patches" computes only what can change. Each block of at most 64 places is checked: one place
      of it also runs alone, on the full picture, and all outputs have to be the same to rounding.
    - "auto" begins with patches. It goes over to full pictures where these are quicker, where the
      network does what patches cannot follow, and where a check fails; then all is run again.

    Whatever the method, the first image runs alone and beside other pictures first, and places out
    of batches are run alone. A network whose answer for a picture depends on the others in the
    batch, or on chance, is refused. One that takes numbers out of tensors, to branch on them
    perhaps, has every picture run alone.

    ``outputs``: whether to keep all outputs at all places. None keeps them up to 64 MiB.

    ``image`` goes to the module's device and number type. The module runs in evaluation mode,
    without gradients, and it and ``image`` are left as they were.

    Raises ``ValueError`` for a module, shape, size, stride, fill, target, layer, channel or method
    that does not fit; for a network as above; and with "patches", where patches cannot be followed
    or a check fails.
    """
    network = plain_module(module, "occlusion_map")
    check_takes_one_image(network, "occlusion_map")
    check_image(image)
    size, stride = _pair("size", size), _pair("stride", stride)
    for what, length, whole in zip(("height", "width"), size, image.shape[2:], strict=True):
        if length > whole:
            raise ValueError(f"size={size}: its {what} is above the image's, {whole}")
    if method not in ("auto", "patches", "full"):
        raise ValueError(f"method={method!r}: expected 'auto', 'patches' or 'full'")
    tops, lefts = (
        tuple(range(0, min(whole - length + step, whole), step))
        for whole, length, step in zip(image.shape[2:], size, stride, strict=True)
    )
    inner = None if layer is None else find_layer(network, layer)
    if inner is None and channel is not None:
        raise ValueError(f"channel={channel!r}: expected layer=... beside it, whose map it is")
    channels = None if channel is None else _channels(channel, len(image))
    targets = None if target is None else _one_each("target", target, len(image))
    with torch.inference_mode(False), torch.no_grad(), evaluating(network):
        image = move_beside(network, image.detach())
        scan = Scan(
            network, image, expand_fill(fill, image), size, tops, lefts, targets, inner, method
        )
        if channels is not None:
            scan.channel = torch.tensor(channels, device=image.device)
        clean = scan.look_clean()
        shape = (len(image), len(tops), len(lefts))
        classes = clean.probability is not None
        if outputs is None:
            outputs = len(tops) * len(lefts) * clean.outputs.nbytes <= KEPT
        wanted = clean if classes and outputs else clean._replace(outputs=None)
        maps = Answers(*(None if c is None else c.new_empty(shape + c.shape[1:]) for c in wanted))
        places = len(image) * len(tops) * len(lefts)
        with tqdm(
            total=places, desc="occluding", delay=2, leave=False, disable=not progress
        ) as bar:
            for seen in scan.look(bar):
                for whole, part in zip(maps, seen.answers, strict=True):
                    if whole is not None:
                        whole[seen.where] = part.view(whole[seen.where].shape)
    return OcclusionMap(
        scores=maps.scores,
        clean_scores=clean.scores,
        probability=maps.probability,
        clean_probability=clean.probability,
        labels=maps.labels,
        clean_labels=clean.labels,
        clean_outputs=clean.outputs if classes else None,
        activity=maps.activity,
        clean_activity=clean.activity,
        channel=scan.channel,
        tops=tops,
        lefts=lefts,
        size=size,
        image_shape=tuple(image.shape),
        method=scan.ran,
        reason=scan.reason,
        _outputs=maps.outputs,
    )


def _pair(name: str, value: Any) -> tuple[int, int]:
    """Height and width, given as one number or two."""
    listed = isinstance(value, Sequence | np.ndarray | Tensor) and np.ndim(value) == 1
    pair = tuple(value) if listed else (value, value)
    if len(pair) != 2:
        raise ValueError(f"{name}={value!r}: expected a whole number from 1 up, or two")
    return tuple(whole_number(number, name, 1) for number in pair)


def _one_each(name: str, given: Any, images: int) -> list[tuple[int, ...]]:
    """One number for all images or one each, as a tuple of indices an image."""
    listed = given.tolist() if isinstance(given, np.ndarray | Tensor) else given
    if isinstance(listed, str) or not isinstance(listed, Sequence):
        listed = (listed,)
    if isinstance(listed, tuple):
        listed = [listed] * images
    if len(listed) == 1:
        listed = list(listed) * images
    if len(listed) != images:
        raise ValueError(f"{name}={given!r}: expected a whole number, or {images}, one an image")
    one_each = [t if isinstance(t, tuple) else (t,) for t in listed]
    return [tuple(whole_number(number, name, 0) for number in each) for each in one_each]


def _channels(channel: Any, images: int) -> list[int]:
    """The number of each image's map."""
    listed = list(channel) if isinstance(channel, tuple) else channel
    numbers = _one_each("channel", listed, images)
    if any(len(each) != 1 for each in numbers):
        raise ValueError(f"channel={channel!r}: expected one number an image")
    return [number for (number,) in numbers]


def expand_fill(fill: Any, image: Tensor) -> Tensor:
    """What the occluder holds, as a tensor of the image's shape."""
    try:
        filled = torch.as_tensor(fill, dtype=image.dtype, device=image.device)
        if not isinstance(fill, Tensor) and filled.dim() == 1:  # one number a channel
            filled = filled.view(-1, 1, 1)
        return filled.expand(image.shape)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(
            f"fill={fill!r}: expected a number, one for each of {image.shape[1]} channels, or a "
            f"tensor that broadcasts to {tuple(image.shape)}"
        ) from None
