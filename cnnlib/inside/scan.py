"""A scan of an occluder over pictures: which places run together, how, and what is checked."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm

from cnnlib.inside.alone import check_alone, dependent, measure_gap
from cnnlib.inside.incremental import Record
from cnnlib.inside.patch_rules import RULES
from cnnlib.inside.patches import CannotFollowError, CrowdedError, make_plain

#: Each axis' places are cut into bands of at most this many neighbours. All places of two bands
#: have patches of one shape, and run as one batch.
LONGEST = 8

#: Bytes that the largest map of a batch of full pictures may take.
BATCH = {"cpu": 32 * 2**20}
BATCH_ELSEWHERE = 512 * 2**20

#: Of so many places in batches of full pictures one also runs alone.
EVERY = 20

#: Each block's check takes the place at this share of it, and the next this much further on, so
#: that all parts of blocks have their turn (the golden section never repeats itself).
STEP = (5**0.5 - 1) / 2


class Answers(NamedTuple):
    """What the network says of a batch, (B, ...) each. ``outputs``: all of it, of any shape."""

    scores: Tensor
    probability: Tensor | None
    labels: Tensor | None
    outputs: Tensor
    activity: Tensor | None

    def compared(self, numbers: slice = slice(None)) -> list[Tensor]:
        """What is the same for a picture however it is run."""
        return [t[numbers] for t in (self.outputs, self.activity) if t is not None]


class Place(NamedTuple):
    """One place of the occluder: the image's number, and the place's row and column in the grid."""

    image: int
    row: int
    column: int


class Seen(NamedTuple):
    """The answers at some places of an image, or of several where all three are lists."""

    image: int | list[int]
    rows: slice | list[int]
    columns: slice | list[int]
    answers: Answers

    @property
    def where(self) -> tuple[Any, Any, Any]:
        """The places, as an index into (images, rows, columns)."""
        return self.image, self.rows, self.columns


class Block(NamedTuple):
    """Places that run together: those of two bands in an image."""

    image: int
    rows: slice
    columns: slice

    @property
    def places(self) -> list[Place]:
        """One by one."""
        rows, columns = (range(s.start, s.stop) for s in (self.rows, self.columns))
        return [Place(self.image, row, column) for row, column in product(rows, columns)]

    @property
    def halves(self) -> list["Block"]:
        rows, columns = self.rows, self.columns
        if rows.stop - rows.start > 1:
            return [self._replace(rows=part) for part in _bands(rows.start, rows.stop, 2)]
        return [self._replace(columns=part) for part in _bands(columns.start, columns.stop, 2)]


@dataclass
class Scan:
    """One scan: what is occluded where, and how the network's answers are read."""

    network: nn.Module
    image: Tensor
    fill: Tensor
    size: tuple[int, int]
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    targets: list[tuple[int, ...]] | None
    layer: nn.Module | None
    method: str
    channel: Tensor | None = None
    batch: int = 1
    caught: list[Tensor] = field(default_factory=list)
    clean: Answers | None = None
    seconds: float = 0.0  # that a full picture takes
    checks: int = 0
    ran: str = "full"
    reason: str = ""

    # --- reading the network's answers ---

    def answers(self, images: Tensor, numbers: Sequence[int]) -> Answers:
        """What the network says of ``images``, which are those of ``numbers`` with an occluder."""
        return self._read(*self._run(images), numbers)

    def _run(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """The network's outputs, and the sums of the layer's maps.

        A layer that runs several times is taken as it runs last.
        """
        self.caught.clear()
        handle = self.layer and self.layer.register_forward_hook(
            lambda module, args, out: self.caught.append(_map_sums(out))
        )
        try:
            outputs = make_plain(self.network(images))
        finally:
            if handle:
                handle.remove()
        if not isinstance(outputs, Tensor) or not outputs.dim() or len(outputs) != len(images):
            raise ValueError("the network gives no tensor with one row an image")
        if self.layer is not None and not self.caught:
            raise ValueError("layer: the network does not run it")
        return outputs, self.caught[-1] if self.caught else None

    def _read(self, outputs: Tensor, sums: Tensor | None, numbers: Sequence[int]) -> Answers:
        """Of each picture the score, the probability and so on."""
        activity = self._activity(sums, numbers)
        if self.targets is None:
            if outputs[0].numel() != 1:
                raise ValueError(
                    f"target=None: the network has {tuple(outputs.shape[1:])} outputs an image, "
                    "expected the number of one"
                )
            return Answers(outputs.reshape(-1), None, None, outputs, activity)
        targets = [self.targets[number] for number in numbers]
        for target in targets:
            shape = outputs.shape[1:]
            if len(target) != len(shape) or any(t >= n for t, n in zip(target, shape, strict=True)):
                raise ValueError(
                    f"target={target if len(target) > 1 else target[0]}: expected an output of the "
                    f"network's {tuple(shape)}"
                )
        index = torch.tensor(targets, device=outputs.device).reshape(len(targets), -1)
        index = (torch.arange(len(outputs), device=outputs.device), *index.unbind(1))
        if outputs.dim() != 2:
            return Answers(outputs[index], None, None, outputs, activity)
        share = outputs.softmax(1)[index]
        return Answers(outputs[index], share, outputs.argmax(1), outputs, activity)

    def _activity(self, sums: Tensor | None, numbers: Sequence[int]) -> Tensor | None:
        if sums is None:
            return None
        if self.channel is not None and self.channel.max() >= sums.shape[1]:
            raise ValueError(
                f"channel={self.channel.max()}: expected a map of the layer's {sums.shape[1]}, "
                f"a number from 0 to {sums.shape[1] - 1}"
            )
        if self.channel is None or len(self.channel) <= max(numbers):
            found = sums.argmax(1)
            self.channel = found if self.channel is None else torch.cat([self.channel, found])
        return sums[torch.arange(len(sums), device=sums.device), self.channel[list(numbers)]]

    def look_clean(self) -> Answers:
        """The answers without occluder. Also finds how many full pictures make a batch.

        Raises ``ValueError`` where an answer depends on other pictures or on chance.
        """
        largest = self.image[0].numel()

        def note(module: nn.Module, args: Any, out: Any) -> None:
            nonlocal largest
            if isinstance(out, Tensor) and out.dim() and len(out):
                largest = max(largest, out.numel() // len(out))

        def ask(images: Tensor) -> list[Tensor]:
            return [answer for answer in self._run(images) if answer is not None]

        hooks = [part.register_forward_hook(note) for part in self.network.modules()]
        try:
            first = check_alone(ask, self.image[:1], self.fill)
        finally:
            for hook in hooks:
                hook.remove()
        self.seconds = first.seconds
        outputs, *sums = first.answers
        parts = [self._read(outputs, sums[0] if sums else None, [0])]
        room = BATCH.get(self.image.device.type, BATCH_ELSEWHERE)
        self.batch = max(1, room // (largest * self.image.element_size()))
        if first.takes_numbers:  # to go by them, perhaps
            self.batch = 1
        for start in range(1, len(self.image), self.batch):
            numbers = range(start, min(start + self.batch, len(self.image)))
            parts.append(self.answers(self.image[start : numbers.stop].clone(), numbers))
        self.clean = Answers(
            *(None if a[0] is None else torch.cat(a) for a in zip(*parts, strict=True))
        )
        return self.clean

    # --- running the places ---

    def look(self, bar: tqdm) -> Iterator[Seen]:
        """Until every place of every image has been seen.

        A place that comes twice counts as it comes last.
        """
        row_bands = _bands(0, len(self.tops), 2 if len(self.tops) > 3 else 1)
        column_bands = _bands(0, len(self.lefts))
        blocks = [
            Block(i, rows, columns)
            for i in range(len(self.image))
            for rows in row_bands
            for columns in column_bands
        ]
        left = blocks
        if self.method == "full":
            self.reason = "as asked"
        elif len(blocks[0].places) == 1:
            self.reason = "there is only one place"
        else:
            try:
                left = yield from self._look_patches(blocks, bar)
            except CannotFollowError as error:
                if self.method == "patches":
                    raise ValueError(f"method='patches': {error}") from error
                self.ran, self.reason = "full", f"patches cannot be followed: {error}"
                bar.reset()
        yield from self._look_full([place for block in left for place in block.places], bar)

    def _look_patches(self, blocks: list[Block], bar: tqdm) -> Iterator:
        """As far as patches are quicker. Returns what is left to do."""
        record, current, costs = None, None, []
        self.ran = "patches"
        self.reason = "as asked" if self.method == "patches" else "quicker than full pictures"
        while blocks:
            block, places = blocks[0], blocks[0].places
            if len(places) == 1:  # after halving: a batch of one is no batch
                self.ran, self.reason = "both", "single places run on full pictures, for memory"
                yield from self._look_full(places, bar)
                blocks = blocks[1:]
                continue
            if fresh := block.image != current:
                current = block.image
                record = Record(self.image[current : current + 1], RULES)
            start = time.perf_counter()
            try:
                found = self._answer_patches(record, block)
                found.scores.sum().item()  # waits for the device
            except CrowdedError:
                blocks = [
                    part
                    for other in blocks
                    for part in (other.halves if len(other.places) >= len(places) else [other])
                ]
                continue
            # An image's first block also runs the image as it is.
            seconds = time.perf_counter() - start - fresh * self.seconds
            costs.append(seconds / len(places))
            self._check_block(block, found)
            yield Seen(*block, found)
            bar.update(len(places))
            blocks = blocks[1:]
            if self.method == "auto" and blocks and self._slower(costs):
                self.ran, self.reason = "both", "full pictures were quicker than patches"
                return blocks
        return []

    def _slower(self, costs: list[float]) -> bool:
        """Whether patches cost clearly more than full pictures; others may disturb one block."""
        margin = 2 if len(costs) == 1 else 1 / 0.9
        return len(costs) <= 3 and min(costs) > margin * self.seconds

    def _answer_patches(self, record: Record, block: Block) -> Answers:
        base = record.image
        tops, lefts = (
            [min(place, whole - length) for place in places]
            for places, whole, length in zip(
                (self.tops[block.rows], self.lefts[block.columns]),
                base.shape[2:],
                self.size,
                strict=True,
            )
        )
        crops = []
        corners = product(tops, lefts)
        height, width = self.size
        for place, (top, left) in zip(block.places, corners, strict=True):
            crop = base[..., top : top + height, left : left + width].clone()
            covered = self._covered(place)
            at = (slice(s.start - o, s.stop - o) for s, o in zip(covered, (top, left), strict=True))
            crop[(..., *at)] = self.fill[place.image][(..., *covered)]
            crops.append(crop)
        numbers = [block.image] * len(crops)
        return record.run(
            lambda images: self.answers(images, numbers), torch.cat(crops), tops, lefts
        )

    def _check_block(self, block: Block, found: Answers) -> None:
        """One place of it, alone and on the full picture, has to give the same."""
        number = int(len(block.places) * (self.checks * STEP % 1))
        self.checks += 1
        place = block.places[number]
        right = self._answer_full([place]).compared()
        off = measure_gap(found.compared(slice(number, number + 1)), right, self.clean.compared())
        if not off <= 1:
            raise CannotFollowError(
                f"at place ({place.row}, {place.column}) of image {place.image} they differ from "
                f"the full picture by {off:.1g} times what rounding may do"
            )

    def _covered(self, place: Place) -> tuple[slice, slice]:
        """The pixels under an occluder, (rows, columns); at the end of an axis it is cut off."""
        return tuple(
            slice(start, min(start + length, whole))
            for start, length, whole in zip(
                (self.tops[place.row], self.lefts[place.column]),
                self.size,
                self.image.shape[2:],
                strict=True,
            )
        )

    def _look_full(self, places: Sequence[Place], bar: tqdm) -> Iterator[Seen]:
        since = EVERY
        for start in range(0, len(places), self.batch):
            part = places[start : start + self.batch]
            found = self._answer_full(part)
            since += len(part)
            if len(part) > 1 and (since >= EVERY or start + len(part) == len(places)):
                since = 0
                self._check_batch(part, found)
            yield Seen(*map(list, zip(*part, strict=True)), found)
            bar.update(len(part))

    def _check_batch(self, places: Sequence[Place], found: Answers) -> None:
        number = int(len(places) * (self.checks * STEP % 1))
        self.checks += 1
        right = self._answer_full([places[number]]).compared()
        if (
            not measure_gap(found.compared(slice(number, number + 1)), right, self.clean.compared())
            <= 1
        ):
            raise dependent()

    def _answer_full(self, places: Sequence[Place]) -> Answers:
        numbers = [place.image for place in places]
        images = self.image[numbers]
        for number, place in enumerate(places):
            at = (..., *self._covered(place))
            images[number][at] = self.fill[place.image][at]
        return self.answers(images, numbers)


def _map_sums(out: Any) -> Tensor:
    """(N, C): the sum of each map."""
    out = make_plain(out)
    if not isinstance(out, Tensor) or out.dim() < 2:
        raise ValueError("layer: it gives no tensor of maps, (N, C, ...)")
    return out.flatten(2).sum(2) if out.dim() > 2 else out.clone()


def _bands(start: int, stop: int, parts: int = 1) -> list[slice]:
    """The numbers from ``start`` to ``stop`` in bands of neighbours, none above ``LONGEST``.

    There are ``parts`` or more, as equal as can be.
    """
    count = stop - start
    parts = max(parts, -(-count // LONGEST))
    edges = [start + count * i // parts for i in range(parts + 1)]
    return [slice(a, b) for a, b in zip(edges, edges[1:], strict=False)]
