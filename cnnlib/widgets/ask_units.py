"""Point at a unit of a network that runs in the page: its window, its value, its way back."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from cnnlib.rows import LayerTrace, seen_by
from cnnlib.widgets import svg
from cnnlib.widgets.ask import NETWORK, AskedPhotograph, categories, checked_photographs
from cnnlib.widgets.live_widget import LiveWidget
from cnnlib.widgets.photo_networks import (
    SIDE,
    TITLES,
    classes_of,
    network_facts,
    network_of,
    shares_of_pixels,
)
from cnnlib.widgets.pixels import PALETTES
from cnnlib.widgets.settling import Settled, Settling
from cnnlib.widgets.widget import Choice
from cnnlib.widgets.words import span

RULES = ("deconvnet", "guided", "gradient")

# Where a page names no others: ImageNet's, two with large first filters, and three kinds of parts.
NETWORKS = (
    NETWORK,
    "imagenette_zfnet",
    "imagenette_alexnet",
    "small_vgg11",
    "small_googlenet",
    "small_resnet18",
)


class AskUnits(LiveWidget, stem="ask_units", shared=("ask",)):
    """All maps of a layer of a network, and one unit in them, on the reader's own machine.

    What it teaches: a unit sees a window of the picture; what in it made the unit's value is asked
    by sending a signal back. The same signal from a class's score gives saliency, and with another
    rule guided backpropagation; stopped at a layer it gives Grad-CAM.

    ``photographs``: :class:`cnnlib.widgets.ask.AskedPhotograph` records. ``networks``: keys of
    ``TITLES`` in :mod:`cnnlib.widgets.photo_networks`; their layers with maps can be chosen.

    What can be set and observed: ``network`` (a key), ``photograph`` (a number), ``layer`` (the
    number of a row of the network's :func:`cnnlib.trace.trace`), ``channel`` and ``position``
    ([row, column]) of the unit, ``rule`` ("deconvnet", "guided", "gradient") of its way back, and
    ``target``, the number of the class whose maps are shown, -1 for the first answer. With a
    network of other classes the target is its first answer again.

    Raises ``ValueError`` for photographs that do not fit and networks that are not there.
    """

    networks = NETWORKS

    network = Choice()
    photograph = Choice()
    layer = Choice()
    channel = Choice()
    position = Choice()
    rule = Choice()
    target = Choice()

    def __init__(
        self,
        photographs: Sequence[AskedPhotograph],
        networks: Sequence[str] = NETWORKS,
        *,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: Any,
    ) -> None:
        unknown = [key for key in networks if key not in TITLES]
        if unknown or not networks or len(set(networks)) < len(networks):
            raise ValueError(
                f"networks={list(networks)}: expected one or more, no two alike, "
                f"of {', '.join(TITLES)}"
            )
        facts = [_facts(key) for key in networks]
        fixed = {
            "networks": facts,
            "lists": {one["dataset"]: list(classes_of(one["key"])) for one in facts},
            "photographs": checked_photographs(photographs, len(categories())),
            "palettes": PALETTES,
        }
        self._pixels = [one.pixels for one in photographs]
        self._answers: dict[tuple[str, int], str] = {}  # of a network to a photograph
        first = {
            "network": networks[0],
            "photograph": 0,
            "layer": min(9, facts[0]["layers"] - 1),
            "channel": 0,
            "position": [0, 0],
            "rule": "deconvnet",
            "target": -1,
        }
        super().__init__(fixed, first, chosen, language=language, hidden=hidden)
        self.networks = tuple(networks)

    @staticmethod
    def settled(
        changes: Mapping[str, Any], present: Mapping[str, Any], fixed: Mapping[str, Any]
    ) -> Settled:
        s = Settling(changes, present)
        networks = {one["key"]: one for one in fixed["networks"]}
        network = networks[s.one_of("network", list(networks))]
        s.whole("photograph", 0, len(fixed["photographs"]) - 1)
        row = network["rows"][s.whole("layer", 0, network["layers"] - 1)]
        s.whole("channel", 0, row["out_shape"][1] - 1)
        s.place("position", row["out_shape"][2:])
        s.one_of("rule", RULES)
        before = networks[present["network"]]["dataset"]
        if network["dataset"] != before and not s.asks("target"):
            s.take("target", -1)  # a number is another class there
        else:
            s.whole("target", -1, len(fixed["lists"][network["dataset"]]) - 1)
        return s.done()

    def _window(self) -> tuple[range, ...]:
        return seen_by(rows_of(self.network), self.layer, tuple(self.position))[-1]

    def _answer(self) -> str:
        """The network's first answer for the photograph, by torch."""
        key = (self.network, self.photograph)
        if key not in self._answers:
            shares = shares_of_pixels(self.network, self._pixels[self.photograph])
            self._answers[key] = classes_of(self.network)[int(shares.argmax())]
        return self._answers[key]

    def text_alternative(self) -> str:
        photograph = self.fixed["photographs"][self.photograph]
        rows, columns = self._window()
        return self.words(
            "alt",
            title=photograph["title"],
            alt=photograph["alt"],
            network=TITLES[self.network],
            layer=rows_of(self.network)[self.layer].name,
            channel=self.channel,
            row=self.position[0],
            column=self.position[1],
            rows=span(self.words, "row", rows),
            columns=span(self.words, "column", columns),
            answer=self._answer(),
        )

    def still_picture(self) -> str:
        """The photograph with the unit's window on it."""
        rows, columns = self._window()
        picture = svg.image(self.fixed["photographs"][self.photograph]["address"], 2, 2, SIDE, SIDE)
        scale = SIDE / rows_of(self.network)[0].in_shape[-1]
        left, top, wide, high = (
            scale * n for n in (columns.start, rows.start, len(columns), len(rows))
        )
        window = svg.outline(2 + left, 2 + top, wide, high)
        drawing = svg.drawing(SIDE + 4, SIDE + 4, picture, window)
        return drawing + svg.paragraph(self.text_alternative())


@cache
def rows_of(key: str) -> tuple[LayerTrace, ...]:
    """What :func:`cnnlib.trace.trace` finds in a network that ships, on its own input's size."""
    from cnnlib.trace import trace

    how = network_facts(key)["how"]
    return tuple(trace(network_of(key), (1, 3, how["height"], how["width"])))


def _facts(key: str) -> dict[str, Any]:
    """What the page knows of a network before it has it; ``layers``, how many of its rows may be
    chosen: up to the last with a map."""
    known, rows = network_facts(key), rows_of(key)
    return {
        **{name: known[name] for name in ("key", "title", "dataset", "how", "bytes")},
        "rows": [row.to_json() for row in rows],
        "layers": 1 + max(i for i, row in enumerate(rows) if row.map_shape != (1, 1)),
    }
