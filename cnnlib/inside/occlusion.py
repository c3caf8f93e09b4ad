"""Slide an occluder over a picture and watch what the network says (Zeiler & Fergus 2014, 4.2).

    found = occlusion_map(network, images, target=207, size=16, stride=8)
    found.scores        # (N, rows, columns): the target's score at each place of the occluder
    found.probability   # the same through the softmax, the paper's Fig. 7d
    found.labels        # the class with the highest score, Fig. 7e
    found.attribution   # (N, C, H, W): how much each pixel's cover costs, as captum's Occlusion

With ``layer`` it also has ``activity``, the sum over that layer's strongest map, Fig. 7b.

Only what an occluder can change is computed anew; :mod:`cnnlib.inside.patches` says how. Networks
for which that is no gain run on full pictures, many at a time.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from cnnlib.inside.images import check_image
from cnnlib.inside.layers import named_layer, resting
from cnnlib.inside.patches import CannotFollowError, CrowdedError, Record, dense, put

#: Each axis' places are cut into this many bands of neighbours, of so many places at least and at
#: most. All places of two bands have patches of one shape, and run as one batch.
BANDS, SHORTEST, LONGEST = 5, 4, 8

#: Bytes that the largest map of a batch of full pictures may take.
BATCH = {"cpu": 32 * 2**20}
BATCH_ELSEWHERE = 512 * 2**20


@dataclass(frozen=True)
class OcclusionMap:
    """What the network says with the occluder at each place; place (i, j) is (tops[i], lefts[j]).

    The last place of an axis may stick out over the border, and covers less then.

    - ``scores`` (N, rows, columns): the network's output for the target. ``clean_scores`` (N,):
      the same without occluder.
    - ``probability``, ``labels``: the target's share of the softmax, and the number of the highest
      output. None where the outputs are not one a class.
    - ``outputs`` (N, rows, columns, K): all outputs, and ``clean_outputs`` (N, K). None as above.
    - ``activity``: the sum over one map of the asked layer, the map whose sum is the largest
      without occluder, ``channel`` (N,). None if no layer was asked for.
    """

    scores: Tensor
    clean_scores: Tensor
    probability: Tensor | None
    clean_probability: Tensor | None
    labels: Tensor | None
    clean_labels: Tensor | None
    outputs: Tensor | None
    clean_outputs: Tensor | None
    activity: Tensor | None
    clean_activity: Tensor | None
    channel: Tensor | None
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    size: tuple[int, int]
    image_shape: tuple[int, ...]

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
        for (i, top), (j, left) in product(enumerate(self.tops), enumerate(self.lefts)):
            covered = (
                ...,
                slice(top, top + self.size[0]),
                slice(left, left + self.size[1]),
            )
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
    method: str = "auto",
    progress: bool = True,
) -> OcclusionMap:
    """Run ``module`` with an occluder at each place of a grid over ``image``, (N, C, H, W).

    ``size`` and ``stride`` are the occluder's and the grid's, (height, width) or one number for
    both. ``target`` is an output's number, one for all images or a sequence of one each; a tuple
    where an image has outputs in several dimensions; None where it has only one. ``fill`` is what
    the occluder holds: a number, one for each channel, or a tensor that broadcasts to ``image``.
    Places, edges and ``attribution`` are those of captum's ``Occlusion`` with these arguments as
    ``sliding_window_shapes=(C, *size)``, ``strides=(C, *stride)``, ``baselines=fill``.

    ``method``: "patches" computes only what can change, "full" runs on full pictures, "auto" takes
    what is quicker. All give the same to rounding. The module runs in eval mode, without gradients,
    and is left as it was.

    Raises ``ValueError`` for a shape, size, stride, fill, target, layer or method that does not
    fit.
    """
    scan = _Scan.of(module, image, target, size, stride, fill, layer, method)
    places = len(image) * len(scan.tops) * len(scan.lefts)
    with (
        resting(module),
        torch.no_grad(),
        tqdm(total=places, desc="occluding", delay=2, leave=False, disable=not progress) as bar,
    ):
        clean = scan.look_clean()
        shape = (len(image), len(scan.tops), len(scan.lefts))
        maps = [None if c is None else c.new_empty(shape + c.shape[1:]) for c in clean]
        for i, rows, columns, found in scan.look(bar):
            for whole, part in zip(maps, found, strict=True):
                if whole is not None:
                    whole[i, rows, columns] = part.view(whole[i, rows, columns].shape)
    return OcclusionMap(
        scores=maps[0],
        clean_scores=clean[0],
        probability=maps[1],
        clean_probability=clean[1],
        labels=maps[2],
        clean_labels=clean[2],
        outputs=maps[3],
        clean_outputs=clean[3],
        activity=maps[4],
        clean_activity=clean[4],
        channel=scan.channel,
        tops=scan.tops,
        lefts=scan.lefts,
        size=scan.size,
        image_shape=tuple(image.shape),
    )


@dataclass
class _Scan:
    """One scan: what is occluded where, and how the network's answers are read."""

    module: nn.Module
    image: Tensor
    targets: list | None
    size: tuple[int, int]
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    fill: Tensor
    layer: nn.Module | None
    method: str
    channel: Tensor | None = None
    batch: int = 1
    caught: list[Tensor] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        module: nn.Module,
        image: Tensor,
        target: Any,
        size: Any,
        stride: Any,
        fill: Any,
        layer: str | None,
        method: str,
    ) -> "_Scan":
        check_image(image)
        size, stride = _pair("size", size), _pair("stride", stride)
        for what, length, whole in zip(("height", "width"), size, image.shape[2:], strict=True):
            if length > whole:
                raise ValueError(f"size={size}: its {what} is above the image's, {whole}")
        if method not in ("auto", "patches", "full"):
            raise ValueError(f"method={method!r}: expected 'auto', 'patches' or 'full'")
        inner = None if layer is None else named_layer(module, layer)
        tops, lefts = (
            tuple(range(0, min(whole - length + step, whole), step))
            for whole, length, step in zip(image.shape[2:], size, stride, strict=True)
        )
        return cls(
            module,
            image,
            _targets(target, len(image)),
            size,
            tops,
            lefts,
            filling(fill, image),
            inner,
            method,
        )

    # --- reading the network's answers ---

    def answers(self, images: Tensor, numbers: Sequence[int]) -> tuple[Tensor | None, ...]:
        """Score, probability, label, outputs and activity of a batch; ``numbers`` are whose images.

        A layer that runs several times is taken as it runs last.
        """
        self.caught.clear()
        handle = self.layer and self.layer.register_forward_hook(
            lambda module, args, out: self.caught.append(_map_sums(out))
        )
        try:
            outputs = dense(self.module(images))
        finally:
            if handle:
                handle.remove()
        if not isinstance(outputs, Tensor) or len(outputs) != len(images):
            raise ValueError("the network gives no tensor with one row an image")
        return (*self._scores(outputs, numbers), self._activity(numbers))

    def _scores(self, outputs: Tensor, numbers: Sequence[int]) -> tuple[Tensor | None, ...]:
        if self.targets is None:
            if outputs[0].numel() != 1:
                raise ValueError(
                    f"target=None: the network has {tuple(outputs.shape[1:])} outputs an image, "
                    "expected the number of one"
                )
            return outputs.reshape(-1), None, None, None
        targets = [self.targets[number] for number in numbers]
        for target in targets:
            shape = outputs.shape[1:]
            if len(target) != len(shape) or any(
                not -n <= t < n for t, n in zip(target, shape, strict=True)
            ):
                raise ValueError(
                    f"target={target if len(target) > 1 else target[0]}: expected an output of the "
                    f"network's {tuple(shape)}"
                )
        index = torch.tensor(targets, device=outputs.device)
        index = (torch.arange(len(outputs), device=outputs.device), *index.unbind(1))
        if outputs.dim() != 2:
            return outputs[index], None, None, None
        return outputs[index], outputs.softmax(1)[index], outputs.argmax(1), outputs

    def _activity(self, numbers: Sequence[int]) -> Tensor | None:
        if self.layer is None:
            return None
        if not self.caught:
            raise ValueError("layer: the network does not run it")
        sums = self.caught[-1]
        if self.channel is None or len(self.channel) <= max(numbers):
            found = sums.argmax(1)
            self.channel = found if self.channel is None else torch.cat([self.channel, found])
        return sums[torch.arange(len(sums), device=sums.device), self.channel[list(numbers)]]

    def look_clean(self) -> list[Tensor | None]:
        """The answers without occluder; also sets how many full pictures make a batch."""
        largest = [self.image[0].numel()]
        hooks = [
            part.register_forward_hook(
                lambda module, args, out: largest.append(
                    out.numel() if isinstance(out, Tensor) else 0
                )
            )
            for part in self.module.modules()
            if not isinstance(part, torch.jit.ScriptModule)  # they take no hooks
        ]
        try:
            parts = [self.answers(self.image[:1], [0])]
        finally:
            for hook in hooks:
                hook.remove()
        room = BATCH.get(self.image.device.type, BATCH_ELSEWHERE)
        self.batch = max(1, room // (max(largest) * self.image.element_size()))
        for start in range(1, len(self.image), self.batch):
            numbers = range(start, min(start + self.batch, len(self.image)))
            parts.append(self.answers(self.image[numbers.start : numbers.stop], numbers))
        return [None if a[0] is None else torch.cat(a) for a in zip(*parts, strict=True)]

    # --- running the places ---

    def look(self, bar: tqdm) -> Iterator[tuple[Any, slice, slice, tuple]]:
        """(image, rows, columns, answers) until every place of every image has been seen."""
        todo = [
            (i, rows, columns)
            for i in range(len(self.image))
            for rows in _bands(len(self.tops))
            for columns in _bands(len(self.lefts))
        ]
        if self.method != "full":
            todo = yield from self._look_patches(todo, bar)
        yield from self._look_full(todo, bar)

    def _look_patches(self, todo: list, bar: tqdm) -> Iterator:
        """As far as patches can be followed and are quicker. Returns what is left to do."""
        record, current, seconds = Record(), None, []
        while todo:
            i, rows, columns = todo[0]
            if i != current:
                record, current = Record(), i
            start = time.perf_counter()
            try:
                found = self._answer_patches(record, i, rows, columns)
            except CrowdedError:
                todo = [*_halves(todo[0]), *todo[1:]]
                continue
            except Exception as error:  # whatever it is: full pictures will show if it is real
                if self.method == "patches":
                    raise ValueError(f"method='patches': {error}") from error
                return todo
            seconds.append((time.perf_counter() - start) / len(found[0]))
            yield i, rows, columns, found
            bar.update(len(found[0]))
            todo = todo[1:]
            if self.method == "auto" and len(seconds) == 3 and todo:
                # The first block filled the record. Of two runs the better: others disturb.
                full = min(self._seconds_full(i, rows, columns) for _ in range(2))
                if full < 0.9 * min(seconds[1:]):
                    return todo
        return todo

    def _answer_patches(self, record: Record, i: int, rows: slice, columns: slice) -> tuple:
        base = self.image[i : i + 1]
        record.restart()
        starts = [
            tuple(min(place, whole - length) for place in places)
            for places, whole, length in zip(
                (self.tops[rows], self.lefts[columns]), base.shape[2:], self.size, strict=True
            )
        ]
        crops = []
        for number, (top, left) in enumerate(product(*starts)):
            row, column = divmod(number, len(starts[1]))
            place = self._place(self.tops[rows][row], self.lefts[columns][column])
            window = (..., slice(top, top + self.size[0]), slice(left, left + self.size[1]))
            crop = base[window].clone()
            at = (
                ...,
                *(slice(s.start - o, s.stop - o) for s, o in zip(place, (top, left), strict=True)),
            )
            crop[at] = self.fill[i][(..., *place)]
            crops.append(crop)
        found = self.answers(put(record, base, torch.cat(crops), tuple(starts)), [i] * len(crops))
        if any(part is not None and part.isnan().any() for part in found):
            raise CannotFollowError("something reads a tensor past torch's functions")
        return found

    def _place(self, top: int, left: int) -> tuple[slice, slice]:
        """What an occluder covers; at the end of an axis it is cut off."""
        return tuple(
            slice(start, min(start + length, whole))
            for start, length, whole in zip(
                (top, left), self.size, self.image.shape[2:], strict=True
            )
        )

    def _look_full(self, todo: list, bar: tqdm) -> Iterator:
        places = [place for block in todo for place in _places(*block)]
        for start in range(0, len(places), self.batch):
            part = places[start : start + self.batch]
            i, rows, columns = map(list, zip(*part, strict=True))
            yield i, rows, columns, self._answer_full(part)
            bar.update(len(part))

    def _answer_full(self, places: Sequence[tuple[int, int, int]]) -> tuple:
        numbers = [i for i, _, _ in places]
        images = self.image[numbers]
        for number, (i, row, column) in enumerate(places):
            at = (..., *self._place(self.tops[row], self.lefts[column]))
            images[number][at] = self.fill[i][at]
        return self.answers(images, numbers)

    def _seconds_full(self, i: int, rows: slice, columns: slice) -> float:
        """What a place costs on full pictures, from as few as will tell."""
        share = len(self.image) * len(self.tops) * len(self.lefts) // 100
        places = _places(i, rows, columns)[: max(1, min(self.batch, share))]
        start = time.perf_counter()
        self._answer_full(places)[0].sum().item()  # waits for the device
        return (time.perf_counter() - start) / len(places)


def _map_sums(out: Any) -> Tensor:
    """(N, C): the sum of each map."""
    out = dense(out)
    if not isinstance(out, Tensor) or out.dim() < 2:
        raise ValueError("layer: it gives no tensor of maps, (N, C, ...)")
    return out.flatten(2).sum(2) if out.dim() > 2 else out


def _places(i: int, rows: slice, columns: slice) -> list[tuple[int, int, int]]:
    """A block's places one by one: (image, row, column)."""
    return [
        (i, row, column)
        for row in range(rows.start, rows.stop)
        for column in range(columns.start, columns.stop)
    ]


def _bands(count: int) -> list[slice]:
    """The numbers below ``count`` in bands of neighbours."""
    length = min(max(-(-count // BANDS), SHORTEST), LONGEST)
    return [slice(start, min(start + length, count)) for start in range(0, count, length)]


def _halves(block: tuple[int, slice, slice]) -> list[tuple[int, slice, slice]]:
    i, rows, columns = block
    if rows.stop - rows.start > 1:
        middle = (rows.start + rows.stop) // 2
        return [(i, slice(rows.start, middle), columns), (i, slice(middle, rows.stop), columns)]
    middle = (columns.start + columns.stop) // 2
    return [(i, rows, slice(columns.start, middle)), (i, rows, slice(middle, columns.stop))]


def _pair(name: str, value: Any) -> tuple[int, int]:
    """Height and width, given as one number or two."""
    pair = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(pair) != 2 or not all(type(n) is int and n > 0 for n in pair):
        raise ValueError(f"{name}={value!r}: expected a whole number from 1 up, or two")
    return pair


def _targets(target: Any, images: int) -> list[tuple[int, ...]] | None:
    """The number of each image's output, as a tuple of indices."""
    if target is None:
        return None
    given = target
    if isinstance(target, Tensor):
        target = target.tolist()
    if isinstance(target, int | tuple):
        target = [target] * images
    if isinstance(target, list) and len(target) == 1:
        target = target * images
    one_each = isinstance(target, Sequence) and len(target) == images
    found = [t if isinstance(t, tuple) else (t,) for t in target] if one_each else [("",)]
    if not all(type(number) is int for each_target in found for number in each_target):
        raise ValueError(f"target={given!r}: expected a whole number, or {images}, one an image")
    return found


def filling(fill: Any, image: Tensor) -> Tensor:
    """What the occluder holds, as a tensor of the image's shape."""
    try:
        filling = torch.as_tensor(fill, dtype=image.dtype, device=image.device)
        if not isinstance(fill, Tensor) and filling.dim() == 1:  # one number a channel
            filling = filling.view(-1, 1, 1)
        return filling.expand(image.shape)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(
            f"fill={fill!r}: expected a number, one for each of {image.shape[1]} channels, or a "
            f"tensor that broadcasts to {tuple(image.shape)}"
        ) from None
