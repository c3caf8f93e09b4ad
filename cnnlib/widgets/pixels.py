"""Values as bytes, and the colours that show them: the twin of ``kit/pixels.js``."""

import math
from typing import NamedTuple

import numpy as np

from cnnlib.widgets.words import fixed_point

#: The colour scales, as anchors from the lowest level to 255. Nothing is dark in both, so that a
#: map's strong places shine; the sign is the hue, blue below zero and orange above.
PALETTES = {
    "positive": ["#14161a", "#5a300c", "#a5590f", "#ee9a3f", "#fff1d6"],
    "signed": ["#d6ecff", "#4fa3ee", "#1f5c99", "#14161a", "#9a520e", "#ee9a3f", "#fff1d6"],
}


class Scale(NamedTuple):
    """What a byte stands for: 0 for ``low`` and 255 for ``high``.

    On a ``signed`` scale, of which ``low`` is ``-high``, 1 stands for ``low``: so 128 is zero. The
    page has a scale as ``_asdict()`` gives it.
    """

    low: float
    high: float
    signed: bool = False

    def levels(self, values: np.ndarray) -> np.ndarray:
        """Values from ``low`` to ``high`` as uint8, of the same shape."""
        values = np.asarray(values, dtype=np.float64)
        if self.signed:
            return (np.rint(values / (self.high or 1.0) * 127) + 128).astype(np.uint8)
        return np.rint((values - self.low) / (self._reach() or 1.0) * 255).astype(np.uint8)

    def values(self, levels: np.ndarray | int) -> np.ndarray | float:
        """What bytes stand for: :meth:`levels` backwards, within half a step."""
        if self.signed:
            return (np.asarray(levels, dtype=np.float64) - 128) / 127 * self.high
        return self.low + np.asarray(levels, dtype=np.float64) / 255 * self._reach()

    def write(self, value: float) -> str:
        """A value's text, with as many decimals as one step of the scale is worth."""
        step = self._reach() / (254 if self.signed else 255)
        if step == 0:
            return "0"
        if step < 1e-6 or max(abs(self.low), abs(self.high)) >= 1e6:
            mantissa, exponent = f"{value:.1e}".split("e")
            return f"{mantissa}e{int(exponent):+d}".replace("-", "−")
        return fixed_point(value, max(0, math.ceil(-math.log10(step))))

    def _reach(self) -> float:
        return self.high - self.low


def palette(signed: bool) -> np.ndarray:
    """The 256 colours of ``PALETTES``, (256, 3) uint8; a signed scale begins at level 1."""
    anchors = PALETTES["signed" if signed else "positive"]
    at = np.linspace(int(signed), 255, len(anchors))
    channels = np.array([rgb(anchor) for anchor in anchors]).T
    return np.rint([np.interp(np.arange(256), at, own) for own in channels]).T.astype(np.uint8)


def rgb(colour: str) -> list[int]:
    """``"#ee9a3f"`` as red, green and blue from 0 to 255."""
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
