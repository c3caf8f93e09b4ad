"""Point at a unit of a network that runs in the page: its window, its value, its way back."""

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlib.rows import LayerTrace, check_rows, seen_by
from cnnlib.widgets import svg
from cnnlib.widgets.ask import (
    NETWORK,
    SIDE,
    AskedPhotograph,
    categories,
    checked_photographs,
    network_facts,
)
from cnnlib.widgets.live_widget import LiveWidget
from cnnlib.widgets.pixels import PALETTES
from cnnlib.widgets.settling import Settled, Settling
from cnnlib.widgets.widget import Choice
from cnnlib.widgets.words import span

RULES = ("deconvnet", "guided", "gradient")


class AskUnits(LiveWidget, stem="ask_units", shared=("ask",)):
    """All maps of a layer of SqueezeNet 1.1, and one unit in them, on the reader's own machine.

    What it teaches: a unit sees a window of the picture; what in it made the unit's value is asked
    by sending a signal back. The same signal from a class's score gives saliency, and with another
    rule guided backpropagation; stopped at a layer it gives Grad-CAM.

    ``photographs``: :class:`cnnlib.widgets.ask.AskedPhotograph` records. ``rows``: those of
    :func:`cnnlib.trace.trace` of the network; its layers with maps can be chosen.

    What can be set and observed: ``photograph`` (a number), ``layer`` (a row's number), ``channel``
    and ``position`` ([row, column]) of the unit, ``rule`` ("deconvnet", "guided", "gradient") of
    its way back, and ``target``, the number of the class whose maps are shown, -1 for the first.

    Raises ``ValueError`` for photographs and rows that do not fit the network.
    """

    networks = (NETWORK,)

    photograph = Choice()
    layer = Choice()
    channel = Choice()
    position = Choice()
    rule = Choice()
    target = Choice()

    def __init__(
        self,
        photographs: Sequence[AskedPhotograph],
        rows: Sequence[LayerTrace],
        *,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: Any,
    ) -> None:
        check_rows(rows)
        if rows[0].in_shape[1:] != (3, SIDE, SIDE):
            raise ValueError(f"rows: traced on {rows[0].in_shape}: expected (1, 3, {SIDE}, {SIDE})")
        self._rows = tuple(rows)
        names = categories()
        fixed = {
            **network_facts(),
            "photographs": checked_photographs(photographs, len(names)),
            "categories": names,
            "palettes": PALETTES,
            "rows": [row.to_json() for row in rows],
            "layers": sum(row.map_shape != (1, 1) for row in rows),  # those before the first vector
        }
        first = {
            "photograph": 0,
            "layer": min(9, fixed["layers"] - 1),
            "channel": 0,
            "position": [0, 0],
            "rule": "deconvnet",
            "target": -1,
        }
        super().__init__(fixed, first, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(
        changes: Mapping[str, Any], present: Mapping[str, Any], fixed: Mapping[str, Any]
    ) -> Settled:
        s = Settling(changes, present)
        s.whole("photograph", 0, len(fixed["photographs"]) - 1)
        row = fixed["rows"][s.whole("layer", 0, fixed["layers"] - 1)]
        s.whole("channel", 0, row["out_shape"][1] - 1)
        s.place("position", row["out_shape"][2:])
        s.one_of("rule", RULES)
        s.whole("target", -1, len(fixed["categories"]) - 1)
        return s.done()

    def _window(self) -> tuple[range, ...]:
        return seen_by(self._rows, self.layer, tuple(self.position))[-1]

    def text_alternative(self) -> str:
        photograph = self.fixed["photographs"][self.photograph]
        rows, columns = self._window()
        return self.words(
            "alt",
            title=photograph["title"],
            alt=photograph["alt"],
            layer=self._rows[self.layer].name,
            channel=self.channel,
            row=self.position[0],
            column=self.position[1],
            rows=span(self.words, "row", rows),
            columns=span(self.words, "column", columns),
            answer=self.fixed["categories"][photograph["best"][0][0]],
        )

    def still_picture(self) -> str:
        """The photograph with the unit's window on it."""
        rows, columns = self._window()
        picture = svg.image(self.fixed["photographs"][self.photograph]["address"], 2, 2, SIDE, SIDE)
        window = svg.outline(2 + columns.start, 2 + rows.start, len(columns), len(rows))
        drawing = svg.drawing(SIDE + 4, SIDE + 4, picture, window)
        return drawing + svg.paragraph(self.text_alternative())
