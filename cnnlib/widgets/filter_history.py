"""A first layer's filters through its training: scrub the epochs, watch one of them come about."""

from collections.abc import Mapping, Sequence

import numpy as np

from cnnlib.widgets import svg
from cnnlib.widgets.pictures import png_address
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import fixed_point

GREY = 128  # a weight of 0
COLUMNS = 8  # filters side by side
NEAR = 0.9  # from this likeness on a filter counts as near to its final form


class FilterHistory(TeachingWidget, stem="filter_history"):
    """Choose an epoch and a filter: all filters then, the one at all epochs, and its likeness.

    What it teaches: a filter does not appear at once, and not all appear together; when the layer
    has settled can be read from a curve.

    ``network``: its name. ``filters`` maps an epoch to the first layer's weights after it, numbers
    of shape (N, 3, H, W), two epochs at least; the last one is the end. ``correct``, if given, maps
    epochs to the share of test images that the network named right, from 0 to 1.

    A filter's *likeness* to its final form is the cosine of the angle between the two as vectors:
    1 where they point the same way, 0 where they have nothing in common.

    Weights are stored as bytes: 0 is grey, and the largest magnitude of a filter at that epoch is
    black or white. With ``common`` the scale is the filter's largest magnitude at any epoch, so
    that weak is dim. The reader's choices: ``step`` (which of the epochs, from 0), ``filter`` and
    ``common``.

    Raises ``ValueError`` for arrays that do not fit together or hold what is no finite number.
    """

    step = Choice()
    filter = Choice()
    common = Choice()

    def __init__(
        self,
        network: str,
        filters: Mapping[int, np.ndarray],
        *,
        correct: Mapping[int, float] | None = None,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: int | bool,
    ) -> None:
        epochs = sorted(filters)
        if len(epochs) < 2:
            raise ValueError(f"filters: epochs {epochs}, expected two or more")
        weights = np.stack([_checked(filters, epoch, epochs[0]) for epoch in epochs])
        missing = [epoch for epoch in correct or () if epoch not in filters]
        if missing:
            raise ValueError(f"correct: epochs {missing} have no filters")
        limits = np.abs(weights).max(axis=(2, 3, 4))  # (epochs, N)
        flat = weights.reshape(*weights.shape[:2], -1)
        lengths = np.linalg.norm(flat, axis=2)
        with np.errstate(invalid="ignore"):
            likeness = (flat * flat[-1]).sum(axis=2) / (lengths * lengths[-1])
        super().__init__(
            {
                "network": network,
                "epochs": epochs,
                "count": weights.shape[1],
                "size": list(weights.shape[3:]),
                "columns": min(COLUMNS, weights.shape[1]),
                "near": NEAR,
                "sheet": png_address(_sheet(weights, limits)),
                "limits": _short(limits),
                "lengths": _short(lengths),
                "likeness": np.nan_to_num(likeness).round(3).tolist(),
                "correct": [correct.get(epoch) for epoch in epochs] if correct else None,
            },
            {"step": len(epochs) - 1, "filter": 0, "common": False},
            chosen,
            language=language,
            hidden=hidden,
        )
        self._weights, self._limits = weights, limits

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        s.whole("step", 0, len(fixed["epochs"]) - 1)
        s.whole("filter", 0, fixed["count"] - 1)
        s.flag("common")
        return s.done()

    def text_alternative(self) -> str:
        fixed, say = self.fixed, self.words
        likeness = fixed["likeness"][self.step]
        return " ".join(
            [
                say(
                    "alt",
                    network=fixed["network"],
                    count=fixed["count"],
                    size=" × ".join(map(str, fixed["size"])),
                    epoch=fixed["epochs"][self.step],
                    last=fixed["epochs"][-1],
                ),
                say(
                    "layer",
                    near=sum(one >= NEAR for one in likeness),
                    count=fixed["count"],
                    least=fixed_point(NEAR, 1),
                ),
                say(
                    "filter.figures",
                    number=self.filter,
                    length=fixed_point(fixed["lengths"][self.step][self.filter], 3),
                    end=fixed_point(fixed["lengths"][-1][self.filter], 3),
                    likeness=fixed_point(likeness[self.filter], 2),
                ),
            ]
        )

    def still_picture(self) -> str:
        count, columns = self.fixed["count"], self.fixed["columns"]
        height, width = self.fixed["size"]
        across = min(70.0, 560 / columns)
        scale = 0.88 * across / width
        down = 1.12 * height * scale
        limits = self._limits.max(axis=0) if self.common else self._limits[self.step]
        pictures, places = [], []
        for number in range(count):
            row, column = divmod(number, columns)
            places.append((2 + column * across, 2 + row * down))
            levels = _levels(self._weights[self.step, number], limits[number])
            pictures.append(svg.pixels(levels, *places[-1], width * scale, height * scale))
        mark = svg.outline(*places[self.filter], width * scale, height * scale)
        rows = -(-count // columns)
        drawing = svg.drawing(4 + columns * across, 4 + rows * down, *pictures, mark)
        return drawing + svg.paragraph(self.text_alternative())


def _checked(filters: Mapping[int, np.ndarray], epoch: int, first: int) -> np.ndarray:
    """An epoch's weights, (N, 3, H, W); as many as the first epoch's."""
    if type(epoch) is not int or epoch < 0:
        raise ValueError(f"filters: epoch {epoch!r}, expected a whole number from 0 up")
    weights = np.asarray(filters[epoch], np.float64)
    if weights.ndim != 4 or weights.shape[1] != 3 or not weights.size:
        raise ValueError(f"filters[{epoch}] of shape {weights.shape}: expected (N, 3, H, W)")
    if weights.shape != np.shape(filters[first]):
        raise ValueError(
            f"filters[{epoch}] of shape {weights.shape}: expected {np.shape(filters[first])}, "
            f"as at epoch {first}"
        )
    if not np.isfinite(weights).all():
        raise ValueError(f"filters[{epoch}] holds values that are not finite numbers")
    return weights


def _levels(weights: np.ndarray, limit: float) -> np.ndarray:
    """A filter (3, H, W) as colours, uint8 (H, W, 3)."""
    scaled = weights / limit if limit else weights
    return np.rint(GREY + 127 * scaled).astype(np.uint8).transpose(1, 2, 0)


def _sheet(weights: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """All epochs below each other, an epoch's filters side by side: (epochs × H, N × W, 3)."""
    return np.concatenate(
        [
            np.concatenate([_levels(*pair) for pair in zip(*epoch, strict=True)], axis=1)
            for epoch in zip(weights, limits, strict=True)
        ]
    )


def _short(values: np.ndarray) -> list:
    """Four digits are enough for the page."""
    return [[float(f"{value:.4g}") for value in line] for line in values]
