"""Draw a digit, and watch LeNet-5 and a modern LeNet read it."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from cnnlib.widgets import svg
from cnnlib.widgets.draw_digit_answers import (
    AMPLITUDE,
    LOOKS,
    READERS,
    answer,
    kilobytes,
    output_codes,
)
from cnnlib.widgets.draw_digit_sums import (
    ANGLES,
    NOISE,
    SHIFTS,
    THICKEN,
    changed,
    draw_lines,
    noise_pattern,
    read,
    shifted,
    write,
)
from cnnlib.widgets.live_widget import LiveWidget
from cnnlib.widgets.pictures import pack, unpack
from cnnlib.widgets.pixels import PALETTES, Scale, palette
from cnnlib.widgets.settling import Settled, Settling
from cnnlib.widgets.widget import Choice
from cnnlib.widgets.words import fixed_point

TOOLS = ("pen", "eraser")
FIRST = {
    "centre": True,
    "angle": 0,
    "thicken": 0,
    "down": 0,
    "right": 0,
    "noise": 0,
    "look": "gradient",
    "tool": "pen",
}


class Sample(NamedTuple):
    """A drawing to start from.

    ``kind``: "test" and "missed" are digits of the test set, "missed" those that one of the
    networks reads wrongly; the others are made by hand. ``centre``: whether the box is ticked.
    """

    name: str
    kind: str
    label: int
    pixels: np.ndarray
    centre: bool = True


class DrawDigit(LiveWidget, stem="draw_digit"):
    """A sheet of 28×28 pixels to draw on; two networks read it on the reader's own machine.

    What it teaches: a network answers to its input as it gets it. Where the digit stands, how it is
    turned, how thick its strokes are, all count; and LeNet-5's output compares with ten drawings,
    while the modern output has no drawing to compare with.

    ``drawing`` is the name of a sample or a drawing as :func:`draw_digit_sums.write` writes it;
    :meth:`drawn` and :meth:`given` have the pixels, as they are drawn and as the networks get them.
    ``centre`` moves the centre of mass to (14, 14), as MNIST's digits have it. Then the drawing is
    turned by ``angle``, thickened ``thicken`` times, shifted ``down`` and ``right``, and ``noise``
    is added (standard deviation in percent of full ink). ``look``, one of ``LOOKS``, says how the
    winner is traced back to the pixels. ``tool``: "pen" or "eraser".

    All of these can be set and observed; what does not exist raises ``ChoiceError``.
    """

    networks = tuple(reader.key for reader in READERS)

    drawing = Choice()
    centre = Choice()
    angle = Choice()
    thicken = Choice()
    down = Choice()
    right = Choice()
    noise = Choice()
    look = Choice()
    tool = Choice()

    def __init__(self, *, language: str = "en", hidden: Sequence[str] = (), **chosen: Any) -> None:
        given = samples()
        fixed = {
            "samples": [
                {"name": s.name, "kind": s.kind, "label": s.label, "centre": s.centre}
                | {"pixels": write(s.pixels)}
                for s in given
            ],
            "networks": [
                {"key": reader.key, "cam": reader.cam, "reach": reader.reach}
                | {"stages": [stage._asdict() for stage in reader.stages]}
                for reader in READERS
            ],
            "noise": pack(noise_pattern()),
            "codes": pack(output_codes()),
            "looks": LOOKS,
            "tools": TOOLS,
            "amplitude": AMPLITUDE,
            "palettes": PALETTES,
            "kilobytes": kilobytes(),
        }
        first = {"drawing": given[FIRST_SAMPLE].name, **FIRST}
        # What is in sight before the networks are loaded: their answers to this state.
        state = self.settled(chosen, first, fixed).state
        fixed["worked"] = {"state": state, "records": _records(state, fixed)}
        super().__init__(fixed, first, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(
        changes: Mapping[str, Any], present: Mapping[str, Any], fixed: Mapping[str, Any]
    ) -> Settled:
        s = Settling(changes, present)
        wanted = s.wanted("drawing")
        names = [sample["name"] for sample in fixed["samples"]]
        if wanted in names or read(wanted) is not None:
            s.take("drawing", wanted)
        else:
            s.refuse("drawing", "drawing.expected")
        s.flag("centre")
        s.one_of("angle", ANGLES)
        s.whole("thicken", *THICKEN)
        s.whole("down", *SHIFTS)
        s.whole("right", *SHIFTS)
        s.whole("noise", *NOISE)
        s.one_of("look", fixed["looks"])
        s.one_of("tool", fixed["tools"])
        return s.done()

    def drawn(self) -> np.ndarray:
        """The drawing as it stands on the sheet: uint8 (28, 28), 255 for full ink."""
        return _drawn(self.chosen(), self.fixed)

    def given(self) -> np.ndarray:
        """What the networks get of it, before it is padded to 32×32: uint8 (28, 28)."""
        return _given(self.chosen(), self.fixed)

    def records(self) -> list[dict[str, Any]]:
        """Each network's answer to this state: see :func:`draw_digit_answers.answer`."""
        worked, state = self.fixed["worked"], self.chosen()
        if _same_but_tool(worked["state"], state):
            return worked["records"]
        return _records(state, self.fixed)

    def name_of_drawing(self) -> str:
        """Which drawing it is, in words."""
        for sample in self.fixed["samples"]:
            if sample["name"] == self.drawing:
                return self.words(f"sample.{sample['kind']}", digit=sample["label"])
        return self.words("sample.own")

    def text_alternative(self) -> str:
        lenet5, modern = (np.array(record["scores"]) for record in self.records())
        return self.words(
            "alt",
            name=self.name_of_drawing(),
            old=int(lenet5.argmax()),
            distance=fixed_point(-lenet5.max(), 1),
            new=int(modern.argmax()),
            share=fixed_point(100 * _shares(modern).max(), 1),
        )

    def still_picture(self) -> str:
        """The drawing, F6 among the ten codes, the modern network's shares, and both maps."""
        lenet5, modern = self.records()
        words, say = _Texts(), self.words
        words.write(say("sheet"), 0, 12)
        parts = [svg.pixels(255 - self.given(), 0, 18, 140, 140)]
        words.write(say("network.lenet5"), 160, 12)
        scores = np.array(lenet5["scores"])
        parts.append(_f6_picture(lenet5["f6"], 160, 40, 6))
        words.write("F6", 160, 34)
        for digit, code in enumerate(unpack(self.fixed["codes"])):
            x, y = 218 + 46 * (digit % 5), 24 + 74 * (digit // 5)
            parts.append(svg.pixels(255 * (1 - code), x, y, 28, 48))
            words.write(fixed_point(-scores[digit], 0), x, y + 60, bold=digit == scores.argmax())
        words.write(say("network.lenet_modern"), 470, 12)
        shares = _shares(np.array(modern["scores"]))
        for digit, share in enumerate(shares):
            y = 32 + 14 * digit
            words.write(str(digit), 470, y, bold=digit == shares.argmax())
            bar = {"x": 484, "y": y - 9, "width": 1 + 90 * share, "height": 9}
            parts.append(svg.element("rect", **bar, fill="currentColor", opacity=0.6))
            words.write(say("percent", value=fixed_point(100 * share, 1)), 580, y)
        words.write(say(f"look.{self.look}"), 640, 12)
        for place, record in enumerate((lenet5, modern)):
            if record["look"]:
                parts.append(_map_picture(record["look"], 640, 18 + 78 * place, 72))
            else:
                words.write(say("still.refused"), 640, 60)
        drawing = svg.drawing(760, 180, *parts, *words.parts)
        return drawing + svg.paragraph(self.text_alternative())


FIRST_SAMPLE = 7  # the ten digits come first, in order

# Numbers of the test set's images that are read wrongly: by both networks, by LeNet-5 alone, by
# the modern one alone. The tests measure it.
MISSED = {"both": (256, 1347), "lenet5": (174, 711, 868), "lenet_modern": (533, 629)}


@cache
def samples() -> tuple[Sample, ...]:
    """Ten test digits, one of each; seven that are read wrongly; three made by hand."""
    from cnnlib.data import load_digits

    test = load_digits("test")
    digits = [Sample(f"digit-{n}", "test", n, test.images[n]) for n in range(10)]
    missed = [
        Sample(f"test-{n}", "missed", int(test.labels[n]), test.images[n])
        for numbers in MISSED.values()
        for n in numbers
    ]
    seven = draw_lines([(6.5, 8.5), (6.5, 19.5), (22, 12)])
    bar = np.maximum(seven, draw_lines([(14, 10.5), (14, 20)]))
    one = shifted(draw_lines([(5.5, 14), (22.5, 14)]), 0, -8)
    return (
        *digits,
        *missed,
        Sample("bar", "bar", 7, bar),
        Sample("shifted", "shifted", 1, one, centre=False),
        Sample("inverted", "inverted", 4, 255 - test.images[4], centre=False),
    )


def _drawn(state: Mapping[str, Any], fixed: Mapping[str, Any]) -> np.ndarray:
    by_name = {sample["name"]: sample["pixels"] for sample in fixed["samples"]}
    return read(by_name.get(state["drawing"], state["drawing"]))


def _given(state: Mapping[str, Any], fixed: Mapping[str, Any]) -> np.ndarray:
    return changed(_drawn(state, fixed), state, unpack(fixed["noise"]))


def _records(state: Mapping[str, Any], fixed: Mapping[str, Any]) -> list[dict[str, Any]]:
    return answer(_given(state, fixed), state["look"])


def _same_but_tool(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[name] == other[name] for name in one if name != "tool")


def _shares(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


# ---- Pieces of the still picture.


class _Texts:
    def __init__(self) -> None:
        self.parts: list[str] = []

    def write(self, text: str, x: float, y: float, *, bold: bool = False) -> None:
        look = {"font_size": 12, "font_weight": 700 if bold else None, "fill": "currentColor"}
        self.parts.append(svg.element("text", text, x=x, y=y, **look))


def _coloured(levels: np.ndarray, signed: bool) -> np.ndarray:
    return palette(signed=signed)[levels]


def _f6_picture(values: Sequence[float], x: float, y: float, cell: float) -> str:
    levels = Scale(-AMPLITUDE, AMPLITUDE, signed=True).levels(np.reshape(values, (12, 7)))
    return svg.pixels(_coloured(levels, True), x, y, 7 * cell, 12 * cell)


def _map_picture(packed: Mapping[str, Any], x: float, y: float, side: float) -> str:
    return svg.pixels(_coloured(unpack(packed), packed["signed"]), x, y, side, side)
