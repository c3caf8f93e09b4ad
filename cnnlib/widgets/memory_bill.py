"""What a network costs in memory, layer by layer, for a batch, a precision and a use."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from cnnlib.rows import LayerTrace
from cnnlib.widgets import svg
from cnnlib.widgets.memory_bill_sums import COPIES, bill, lines_of
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import Words, fixed_point

MOST = 512  # images that can be chosen
CARDS = (3, 6, 12, 24, 80)
BARS = ("memory", "parameters", "macs")
PARTS = ("parameters", "gradients", "state", "maps", "marks")


@dataclass(frozen=True)
class Network:
    """A network on the bill: a name, and the rows of its trace of one image.

    ``printed`` are figures from elsewhere that stand beside a layer's values, by row name ("" for
    the image), and ``claim`` is what their source makes of them all.
    """

    name: str
    rows: Sequence[LayerTrace]
    printed: Mapping[str, str] = field(default_factory=dict)
    claim: str = ""


class MemoryBill(TeachingWidget, stem="memory_bill"):
    """Bars and figures for every layer of a network, the sums, and the largest batch that fits.

    What is counted, and what not, says :mod:`cnnlib.widgets.memory_bill_sums`; in training it is
    byte for byte what torch's autograd puts aside. The first of ``networks`` is shown first.
    ``cards`` are memories in GB (10^9 bytes).

    What the reader chooses can be set and observed: ``network`` (a name), ``use`` ("inference",
    "momentum" for training by SGD with momentum, or "adam"), ``bits`` of a number (32 or 16),
    ``batch`` (1 to 512 images), ``card``, and what the ``bars`` show ("memory", "parameters" or
    "macs").

    Raises ``ValueError`` for no networks or cards, a name twice, and rows that the bill cannot be
    made of.
    """

    network = Choice()
    use = Choice()
    bits = Choice()
    batch = Choice()
    card = Choice()
    bars = Choice()

    def __init__(
        self,
        networks: Sequence[Network],
        *,
        cards: Sequence[int] = CARDS,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: Any,
    ) -> None:
        names = [network.name for network in networks]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"networks: {names}: expected one or more, no name twice")
        if not cards or any(type(card) is not int or card < 1 for card in cards):
            raise ValueError(f"cards={cards!r}: expected whole numbers of GB, one or more")
        fixed = {
            "networks": [
                {
                    "name": network.name,
                    "claim": network.claim,
                    "lines": [asdict(n) for n in lines_of(network.rows, network.printed)],
                }
                for network in networks
            ],
            "uses": list(COPIES),
            "cards": list(cards),
            "bars": list(BARS),
            "most": MOST,
        }
        first = {
            "network": names[0],
            "use": "momentum",
            "bits": 32,
            "batch": 1,
            "card": cards[0],
            "bars": "memory",
        }
        super().__init__(fixed, first, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        s.one_of("network", [network["name"] for network in fixed["networks"]])
        s.one_of("use", fixed["uses"])
        s.one_of("bits", [32, 16])
        s.whole("batch", 1, fixed["most"])
        s.one_of("card", fixed["cards"])
        s.one_of("bars", fixed["bars"])
        return s.done()

    def bill(self) -> dict[str, Any]:
        """The present bill in bytes, as :func:`cnnlib.widgets.memory_bill_sums.bill` has it."""
        return bill(self._lines(), self.batch, self.bits, self.use, self.card)

    def text_alternative(self) -> str:
        found, say = self.bill(), self.words
        parts = [f"{say(part)}: {write_bytes(say, found[part])}" for part in PARTS if found[part]]
        what = say("alt", network=self.network, use=say(f"use.{self.use}"), bits=self.bits,
                   batch=self.batch)  # fmt: skip
        return f"{what} {'; '.join(parts)}. {self._verdict(found)}"

    def _verdict(self, found: Mapping[str, Any]) -> str:
        largest, total = found["largest"], write_bytes(self.words, found["total"])
        key = "fits" if self.batch <= largest else "none" if largest == 0 else "too_large"
        return self.words(f"verdict.{key}", total=total, card=self.card, count=largest)

    def still_picture(self) -> str:
        found, say, lines = self.bill(), self.words, self._lines()
        longest = max(map(sum, found["lines"]))
        marks = []
        for number, (line, (weights, maps)) in enumerate(zip(lines, found["lines"], strict=True)):
            y, left = 15 * number, 190
            name = svg.element("text", line["name"] or say("image"), x=0, y=y + 11, font_size=11,
                               fill="#1f2328")  # fmt: skip
            marks.append(name)
            for amount, colour in ((weights, "#9a4a00"), (maps, "#05695a")):
                width = 360 * amount / longest
                marks.append(
                    svg.element("rect", x=left, y=y + 2, width=width, height=10, fill=colour)
                )
                left += width
            text = write_bytes(say, weights + maps)
            marks.append(
                svg.element("text", text, x=left + 5, y=y + 11, font_size=11, fill="#57606a")
            )
        picture = svg.drawing(640, 15 * len(lines), *marks)
        return svg.join(
            [picture, svg.paragraph(say("still")), svg.paragraph(self.text_alternative())]
        )

    def _lines(self) -> list[dict[str, Any]]:
        networks = {network["name"]: network for network in self.fixed["networks"]}
        return networks[self.network]["lines"]


def write_bytes(say: Words, count: int) -> str:
    """``61.0 MB``: GB from 10^9 bytes on, MB from 10^5 on, kB below, 0 for none."""
    if count == 0:
        return "0"
    if count >= 10**9:
        return say("bytes.gb", number=fixed_point(count / 10**9, 2))
    if count >= 10**5:
        return say("bytes.mb", number=fixed_point(count / 10**6, 1))
    return say("bytes.kb", number=fixed_point(count / 1000, 1))
