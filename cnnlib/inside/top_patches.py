"""Where in a set of pictures is a unit excited most, and by what? (Zeiler & Fergus 2014, Fig. 2.)

    found = top_patches(network, load_gallery(), "relu5", 12, prepare=record.preprocessing)
    for top in found[12]:  # the nine strongest, from nine pictures
        top.activation, top.name, top.patch, top.projection

The layers up to the asked one run over whole pictures, at one or several scales, and each place of
a map is a unit that sees its receptive field. The pictures are streamed: one is held at a time, and
of it only what the strongest places of each channel see.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn
from tqdm import tqdm

from cnnlib.geometry import Window, whole_number
from cnnlib.inside.deconvnet import deconvnet
from cnnlib.inside.images import is_sequence, move_beside
from cnnlib.inside.layers import find_layer, run_to
from cnnlib.trace import evaluating, plain_module, seen_by, trace

if TYPE_CHECKING:  # it is only asked for its numbers
    from cnnlib.weights import Preprocessing

#: The grey that a patch shows where the receptive field sticks out over the picture.
OUTSIDE = 128

#: Files with these endings are the pictures of a folder.
ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, eq=False)
class TopPatch:
    """One strong place of a channel, what the unit there sees, and its way back to the pixels.

    - ``image``, ``name``: the picture's number, from 0, and name; ``image_size`` its height and
      width. ``scale`` is the factor that was asked for, ``scaled_size`` what became of it.
    - ``position``: (row, column) on the layer's map; ``activation``: the value there.
    - ``rows``, ``columns``: the receptive field in pixels of the scaled picture. It may stick out.
    - ``patch``: uint8, (h, w, 3) or (h, w), what lies there; ``OUTSIDE`` where it sticks out.
    - ``projection``: float32, (h, w, C), by :func:`deconvnet`, 0 where it sticks out; None if it
      was not asked for, and 0 everywhere if the activation is below 0. Colours are in the
      picture's order, also where the network reads BGR.
    """

    channel: int
    image: int
    name: str
    image_size: tuple[int, int]
    scale: float
    scaled_size: tuple[int, int]
    position: tuple[int, int]
    activation: float
    rows: range
    columns: range
    patch: np.ndarray
    projection: np.ndarray | None = None

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(top, left, bottom, right) of the field on the scaled picture, cut off at its border."""
        height, width = self.scaled_size
        return (
            max(self.rows.start, 0),
            max(self.columns.start, 0),
            min(self.rows.stop, height),
            min(self.columns.stop, width),
        )

    @property
    def box_in_image(self) -> tuple[float, float, float, float]:
        """``box`` in pixels of the picture as it was given."""
        down, across = (n / m for n, m in zip(self.image_size, self.scaled_size, strict=True))
        top, left, bottom, right = self.box
        return top * down, left * across, bottom * down, right * across


def top_patches(
    module: nn.Module,
    images: str | Path | Iterable,
    layer: str,
    channels: int | Sequence[int] | None = None,
    *,
    prepare: "Preprocessing | Callable[[np.ndarray], Tensor]",
    k: int = 9,
    scales: Sequence[float] = (1.0,),
    sides: Sequence[int] | None = None,
    per_image: int | None = 1,
    projections: bool = True,
    progress: bool = True,
) -> dict[int, list[TopPatch]]:
    """The ``k`` places where a channel of ``layer`` is strongest: {channel: strongest first}.

    ``images`` is a folder, with all below it, or anything that yields pictures, each once: uint8
    arrays, (H, W, 3) red, green, blue or (H, W) grey; records with ``image`` and ``name``, as
    :func:`cnnlib.data.load_gallery` gives; paths of files. ``channels`` is one, several, or None
    for all.

    A picture is scaled by each factor of ``scales``, or to each number of pixels on its shorter
    side in ``sides``, and becomes the network's input by ``prepare``: a weight record's
    ``preprocessing``, of which only the values are used and not the size or the crop; or a function
    of one uint8 picture that gives (1, C, H, W) of the same height and width.

    As in the paper, the places come from ``k`` different pictures: one picture gives a channel at
    most ``per_image`` places, over all its scales (None: any number). If there are fewer, there are
    fewer than ``k``. Of equal activations the first is taken: first the earlier picture, then the
    earlier scale, then reading order. A channel that is 0 everywhere has the activation 0 there.

    The module runs where its weights are, in evaluation, and is left as it was. Memory holds one
    picture and the patches of the answer. Without ``projections`` it is quicker.

    Raises ``ValueError`` for a layer without maps, wrong numbers, no pictures, a picture that
    cannot be read or is too small for the layer, and as :func:`deconvnet` does;
    ``FileNotFoundError`` for a folder or file that is not there.
    """
    k = whole_number(k, "k", least=1)
    if per_image is not None:
        per_image = whole_number(per_image, "per_image", least=1)
    module = plain_module(module, "top_patches")
    find_layer(module, layer)
    sizes = _Sizes.of(scales, sides)
    source = _folder_files(images) if isinstance(images, str | Path) else images
    search = _Search(module, layer, channels, prepare, k, per_image or k, projections)
    total = len(source) if isinstance(source, Sized) else None
    number = -1
    with evaluating(module):
        for number, given in enumerate(
            tqdm(source, "searching", total, leave=False, delay=2, unit="img", disable=not progress)
        ):
            search.look_at(number, *_read(number, given, search.mode, images), sizes)
        if number < 0:
            raise ValueError("images: expected at least one picture, found none")
        return search.finished(progress)


# --- pictures ---


@dataclass(frozen=True)
class _Sizes:
    """At which sizes each picture is looked at."""

    factors: tuple[float, ...]
    sides: tuple[int, ...] = ()

    @classmethod
    def of(cls, scales: Any, sides: Any) -> "_Sizes":
        if sides is not None:
            if tuple(scales) != (1.0,):
                raise ValueError(f"scales={scales!r}, sides={sides!r}: expected only one of them")
            found = tuple(whole_number(side, "sides", least=1) for side in sides)
            if not found:
                raise ValueError(f"sides={sides!r}: expected at least one")
            return cls((), found)
        found = tuple(scales)
        if not found or not all(
            isinstance(f, int | float) and math.isfinite(f) and f > 0 for f in found
        ):
            raise ValueError(f"scales={scales!r}: expected numbers above 0")
        return cls(tuple(map(float, found)))

    def scaled(self, pixels: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
        """Each factor with the picture at it."""
        height, width = pixels.shape[:2]
        for factor in self.factors or [side / min(height, width) for side in self.sides]:
            size = max(1, round(height * factor)), max(1, round(width * factor))
            if size == (height, width):
                yield factor, pixels
            else:
                scaled = Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR)
                yield factor, np.array(scaled)


def _folder_files(folder: str | Path) -> list[Path]:
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"images={str(folder)!r}: no such folder")
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in ENDINGS and f.is_file())
    if not files:
        raise ValueError(f"images={str(folder)!r}: no pictures in it ({', '.join(ENDINGS)})")
    return files


def _read(number: int, given: Any, mode: str | None, images: Any) -> tuple[str, np.ndarray]:
    """A picture's name and pixels. Files become ``mode``, grey or RGB."""
    if isinstance(given, str | Path):
        path = Path(given)
        below = isinstance(images, str | Path)
        name = str(path.relative_to(images)) if below else str(path)
        try:
            with Image.open(path) as picture:
                return name, np.array(ImageOps.exif_transpose(picture).convert(mode or "RGB"))
        except FileNotFoundError:
            raise
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(f"{path}: no picture that can be read: {error}") from error
    name = getattr(given, "name", f"image {number}")
    pixels = getattr(given, "image", given)
    fits = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.size
    if not fits or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        found = f"{pixels.dtype} of {pixels.shape}" if isinstance(pixels, np.ndarray) else pixels
        raise ValueError(f"{name}: expected uint8 pixels, (H, W) or (H, W, 3), found {found!r}")
    return name, pixels


# --- the search ---


@dataclass(frozen=True, eq=False)
class _Kept:
    """A place among the strongest, with the input from which to project it."""

    top: TopPatch
    crop: Tensor | None  # (C, h, w)
    corner: tuple[int, int]  # the crop's first row and column on the scaled picture
    position: tuple[int, int]  # the unit's, if the crop is all there is


class _Candidate(NamedTuple):
    """A strong place of one channel in the picture that is looked at."""

    value: float
    position: tuple[int, int]
    factor: float
    scaled: np.ndarray
    x: Tensor


class _Search:
    """The strongest places so far."""

    def __init__(
        self,
        module: nn.Module,
        layer: str,
        channels: Any,
        prepare: Any,
        k: int,
        per_image: int,
        projections: bool,
    ) -> None:
        self.module, self.layer, self.channels = module, layer, channels
        self.k, self.per_image, self.projections = k, per_image, projections
        self.view = _View(module, layer)
        self.best: dict[int, list[_Kept]] = {}
        order = getattr(prepare, "channel_order", None)
        self.mode = "L" if order == "grey" else None
        self.mirrored = order == "BGR"
        if order is None and not callable(prepare):
            raise ValueError(f"prepare={prepare!r}: expected a Preprocessing or a function")
        self.prepare = prepare if order is None else _Values(prepare)

    def look_at(self, number: int, name: str, pixels: np.ndarray, sizes: _Sizes) -> None:
        """Run the network over one picture at every size and keep what is strong enough."""
        candidates: dict[int, list[_Candidate]] = {}
        for factor, scaled in sizes.scaled(pixels):
            x = self._input(name, scaled)
            maps = self._maps(name, scaled, x)
            for value, flat in _strongest(maps, self.per_image):
                for channel, v, place in zip(self.best, value, flat, strict=True):
                    if v > -math.inf:
                        found = _Candidate(v, divmod(place, maps.shape[2]), factor, scaled, x)
                        candidates.setdefault(channel, []).append(found)
        for channel, found in candidates.items():
            found.sort(key=lambda candidate: -candidate.value)  # stable: the earlier in front
            for value, position, factor, scaled, x in found[: self.per_image]:
                best = self.best[channel]
                if len(best) == self.k and value <= best[-1].top.activation:
                    break
                rows, columns = self.view.field(x.shape, position)
                top = TopPatch(
                    channel=channel,
                    image=number,
                    name=name,
                    image_size=pixels.shape[:2],
                    scale=factor,
                    scaled_size=scaled.shape[:2],
                    position=position,
                    activation=value,
                    rows=rows,
                    columns=columns,
                    patch=_cut(scaled, (0, 0), rows, columns, OUTSIDE),
                )
                best.append(self._kept(top, x))
                best.sort(key=lambda kept: -kept.top.activation)
                del best[self.k :]

    def _input(self, name: str, scaled: np.ndarray) -> Tensor:
        try:
            x = self.prepare(scaled)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        if not isinstance(x, Tensor) or x.dim() != 4 or x.shape[2:] != scaled.shape[:2]:
            found = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            height, width = scaled.shape[:2]
            raise ValueError(f"prepare: {name}: expected (1, C, {height}, {width}), found {found}")
        return x

    @torch.no_grad()
    def _maps(self, name: str, scaled: np.ndarray, x: Tensor) -> Tensor:
        """The asked channels' maps, (channels, H, W)."""
        try:
            maps = run_to(self.module, self.layer, move_beside(self.module, x))
        except RuntimeError as error:
            height, width = scaled.shape[:2]
            raise ValueError(
                f"{name} at {height}x{width}: layer {self.layer!r} cannot be reached: {error}"
            ) from error
        if not isinstance(maps, Tensor) or maps.dim() != 4:
            given = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
            raise ValueError(f"layer={self.layer!r}: gives {given}, expected maps, (N, C, H, W)")
        if not self.best:
            self.best = {c: [] for c in _channels(self.channels, maps.shape[1])}
        if not maps.isfinite().all():
            raise ValueError(f"{name}: layer {self.layer!r} gives values that are not finite")
        return maps[0, list(self.best)].cpu()

    def _kept(self, top: TopPatch, x: Tensor) -> _Kept:
        if not self.projections:
            return _Kept(top, None, (0, 0), top.position)
        (rows, columns), position = self.view.crop(x.shape, top.position)
        whole = (len(rows), len(columns)) == x.shape[2:]
        crop = x[0, :, rows.start : rows.stop, columns.start : columns.stop]
        return _Kept(top, crop if whole else crop.clone(), (rows.start, columns.start), position)

    def finished(self, progress: bool) -> dict[int, list[TopPatch]]:
        """The strongest places with their projections."""
        if not self.projections:
            return {channel: [kept.top for kept in best] for channel, best in self.best.items()}
        total, found = sum(map(len, self.best.values())), {}
        with tqdm(
            total=total, desc="projecting", leave=False, delay=2, disable=not progress
        ) as bar:
            for channel, best in self.best.items():
                found[channel] = [self._projected(kept) for kept in best]
                self.best[channel] = []  # the crops may go
                bar.update(len(found[channel]))
        return found

    def _projected(self, kept: _Kept) -> TopPatch:
        signal = deconvnet(
            self.module,
            kept.crop[None],
            self.layer,
            kept.top.channel,
            kept.position,
        )[0]
        if self.mirrored:
            signal = signal.flip(0)
        pixels = signal.movedim(0, -1).cpu().numpy()  # (h, w, C)
        return replace(
            kept.top, projection=_cut(pixels, kept.corner, kept.top.rows, kept.top.columns, 0)
        )


class _Values:
    """Of a Preprocessing only what it does to the values, for a picture of any size."""

    def __init__(self, preprocessing: "Preprocessing") -> None:
        self.preprocessing = preprocessing

    def __call__(self, pixels: np.ndarray) -> Tensor:
        height, width = pixels.shape[:2]
        sized = replace(self.preprocessing, height=height, width=width, resize=None)
        return sized.apply([pixels])


class _View:
    """What the units of a layer see, in pictures of any size."""

    def __init__(self, module: nn.Module, layer: str) -> None:
        part = _UpTo(module, layer)
        self._trace = lru_cache(maxsize=16)(lambda shape: trace(part, shape))
        self._rows: list | None = None  # if they hold for pictures of every size

    def _rows_for(self, shape: Sequence[int]) -> list:
        if self._rows is None:
            rows = self._trace(tuple(shape))
            windows = [window for row in rows for window in row.windows]
            if not all(isinstance(window, Window) and not window.transposed for window in windows):
                return rows
            self._rows = rows
        return self._rows

    def field(self, shape: Sequence[int], position: tuple[int, int]) -> tuple[range, range]:
        """The rows and columns that a unit sees.

        With windows that only slide all units of a layer see equally much, and the field goes on
        beyond the border. Otherwise (a mean over the map, resampling) it is cut off there.
        """
        rows = self._rows_for(shape)
        if self._rows is None:
            return seen_by(rows, len(rows) - 1, position)[-1]
        return tuple(
            range(
                field.start + place * field.stride, field.start + place * field.stride + field.size
            )
            for field, place in zip(rows[-1].field, position, strict=True)
        )

    def crop(
        self, shape: Sequence[int], position: tuple[int, int]
    ) -> tuple[tuple[range, range], tuple[int, int]]:
        """A part of the picture from which the unit comes out the same, and its position there.

        The part holds the unit's field, so that no layer's padding is seen that is not seen in the
        whole picture. It begins at a multiple of all strides, so that every layer's units lie as
        they lay. And it is large enough for every layer that runs before. Where windows do not
        just slide it is the whole picture.
        """
        rows = self._rows_for(shape)
        if self._rows is None:
            return (range(shape[2]), range(shape[3])), position
        parts, places = [], []
        for axis, seen in enumerate(self.field(shape, position)):
            size, fields = shape[2 + axis], [row.field[axis] for row in rows]
            step, reach = math.lcm(*(f.stride for f in fields)), max(f.size for f in fields)
            start = max(0, min(seen.start, size - reach)) // step * step
            parts.append(range(start, min(max(seen.stop, start + reach), size)))
            places.append(position[axis] - start // fields[-1].stride)
        return tuple(parts), tuple(places)


class _UpTo(nn.Module):
    """A network that ends with one of its layers."""

    def __init__(self, module: nn.Module, layer: str) -> None:
        super().__init__()
        self.module, self.layer = module, layer

    def forward(self, x: Tensor) -> Tensor:
        # The sum makes the layer's output the last row of a trace, also if nothing was done to it.
        return run_to(self.module, self.layer, x) + 0


def _strongest(maps: Tensor, number: int) -> Iterator[tuple[list[float], list[int]]]:
    """The largest value of each map and its place in reading order; then the next, and so on.

    Where a map has fewer places, minus infinity.
    """
    flat = maps.flatten(1).clone()
    for _ in range(min(number, flat.shape[1])):
        place = flat.argmax(1, keepdim=True)  # of equal ones the first
        yield flat.gather(1, place)[:, 0].tolist(), place[:, 0].tolist()
        flat.scatter_(1, place, -math.inf)


def _cut(
    pixels: np.ndarray, corner: tuple[int, int], rows: range, columns: range, outside: int
) -> np.ndarray:
    """A window of a picture whose first pixel is at ``corner``."""
    window = np.full((len(rows), len(columns), *pixels.shape[2:]), outside, pixels.dtype)
    into, out_of = [], []
    for places, first, size in zip((rows, columns), corner, pixels.shape, strict=False):
        start, stop = max(places.start, first), min(places.stop, first + size)
        into.append(slice(start - places.start, stop - places.start))
        out_of.append(slice(start - first, stop - first))
    window[tuple(into)] = pixels[tuple(out_of)]
    return window


def _channels(channels: Any, number: int) -> list[int]:
    if channels is None:
        return list(range(number))
    given = channels if is_sequence(channels) else [channels]
    asked = [whole_number(channel, "channels") for channel in given]
    if not asked or not all(0 <= c < number for c in asked):
        raise ValueError(f"channels={channels!r}: expected numbers from 0 to {number - 1}")
    return asked
