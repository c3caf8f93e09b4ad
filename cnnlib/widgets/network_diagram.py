"""A network's plan in the page: every block and layer opens what it is made of."""

from collections.abc import Mapping, Sequence

from cnnlib.layout import WORDS, Arrangement, Card, arrange
from cnnlib.rows import Row
from cnnlib.widgets import svg
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.widget import Choice, TeachingWidget


class NetworkDiagram(TeachingWidget, stem="network_diagram"):
    """A network from input to output, as cards and lines; each card opens its details.

    What it teaches: how a deep network is a few kinds of blocks, repeated. The level ``"blocks"``
    shows one card a block, ``"layers"`` opens every block; what stands several times over is drawn
    once and counted. A chosen card tells its shape, parameters, multiply-adds and receptive field,
    and shows the lines of code that it was made from.

    ``rows``: those of :func:`cnnlib.trace.trace`. ``sources``: what
    :func:`cnnlib.trace.source_lines` gives for the same network; without it no code is shown.
    ``level`` (at first the blocks, where there are any) and ``card`` (a card's number in its
    level, -1 for none) can be set and observed; another level begins with no card chosen.

    Raises ``ValueError`` for no rows, and where a level or a card is not there.
    """

    level = Choice()
    card = Choice()

    def __init__(
        self,
        rows: Sequence[Row],
        sources: Mapping | None = None,
        *,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: str | int,
    ) -> None:
        say = self.words_in(language)
        words = {key: say(f"card.{key}") for key in WORDS}
        plans = {
            "blocks": arrange(rows, closed=True, words=words),
            "layers": arrange(rows, words=words),
        }
        if not any(card.role == "block" for card in plans["blocks"].cards):
            del plans["blocks"]  # a network without blocks has one level
        self._plans = plans
        texts = _Texts(sources or {})
        sheets = {name: _sheet(plan, rows, texts) for name, plan in plans.items()}
        super().__init__(
            {"sheets": sheets, "sources": texts.found},
            {"level": next(iter(sheets)), "card": -1},
            chosen,
            language=language,
            hidden=hidden,
        )

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        level = s.one_of("level", list(fixed["sheets"]))
        if level != present["level"] and not s.asks("card"):
            s.take("card", -1)
        s.whole("card", -1, len(fixed["sheets"][level]["cards"]) - 1)
        return s.done()

    def still_picture(self) -> str:
        return _drawing(self._plans[self.level])

    def text_alternative(self) -> str:
        cards = next(iter(self._plans.values())).cards
        return self.words("alt", cards="; ".join(", ".join(card.lines) for card in cards))


class _Texts:
    """The sources in use, each class once: ``found`` is what travels to the page."""

    def __init__(self, sources: Mapping) -> None:
        self.sources = sources
        self.found: list[dict] = []
        self.numbers: dict[tuple, int] = {}

    def of(self, name: str) -> tuple[str, int | None]:
        """How a module prints itself and the number of its source, or ("", None)."""
        while name not in self.sources:
            if not name:
                return "", None
            name = name.rpartition(".")[0]
        source = self.sources[name]
        key = (source.file, source.first)
        if key not in self.numbers:
            self.numbers[key] = len(self.found)
            self.found.append(
                {"file": source.file, "first": source.first, "last": source.last,
                 "text": source.text}
            )  # fmt: skip
        return source.made, self.numbers[key]


def _sheet(plan: Arrangement, rows: Sequence[Row], texts: _Texts) -> dict:
    """A plan, ready for JSON."""
    return {
        "width": plan.width,
        "height": plan.height,
        "cards": [_card(card, rows, texts) for card in plan.cards],
        "frames": [
            [frame.x, frame.y, frame.width, frame.height, list(frame.lines), frame.times]
            for frame in plan.frames
        ],
        "lines": [[_flat(line.points), line.arrow] for line in plan.lines],
    }


def _card(card: Card, rows: Sequence[Row], texts: _Texts) -> dict:
    """A card and its details, ready for JSON."""
    own = [rows[number] for number in card.rows]
    found = {
        "box": [card.x, card.y, card.width, card.height],
        "role": card.role,
        "lines": list(card.lines),
        "name": card.name,
        "kind": card.kind,
        "times": card.times,
    }
    if not own:
        return {**found, "out": list(rows[0].in_shape[1:])}
    last = own[-1]
    name = card.name.partition("#")[0]
    made, source = texts.of(name if card.role == "block" else own[0].name.partition("#")[0])
    return {
        **found,
        "in": list(own[0].in_shape[1:]),
        "out": list(last.out_shape[1:]),
        "parameters": sum(row.parameters for row in own),
        "macs": sum(row.macs for row in own),
        "bytes": sum(row.activations for row in own),
        "field": [int(field.size) for field in last.field],
        "stride": [float(field.stride) for field in last.field],
        "start": [float(field.start) for field in last.field],
        "aligned": all(row.aligned for row in own),
        "steps": len(own),
        "folded": [row.kind for row in own[1:]] if card.role != "block" else [],
        "made": made if card.role == "layer" else "",
        "source": source,
        "last_out": list(rows[card.last_rows[-1]].out_shape[1:]),
        "last_field": [int(field.size) for field in rows[card.last_rows[-1]].field],
    }


def _flat(points) -> list[float]:
    return [round(number, 1) for point in points for number in point]


# The still picture --------------------------------------------------------------------------------

FILLS = {"input": "input-soft", "layer": "paper", "join": "output-soft", "block": "raised"}


def _drawing(plan: Arrangement) -> svg.Markup:
    """The plan as SVG, in the colours of the page."""
    parts = []
    for frame in plan.frames:
        dash = "4 3" if frame.times > 1 else None
        parts.append(_box(frame, fill="none", stroke_dasharray=dash))
        parts += _text(frame.lines, frame.x + 5, frame.y + 5, "start")
    for line in plan.lines:
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in line.points)
        parts.append(svg.element("polyline", points=points, fill="none", stroke="var(--cnn-muted)"))
    for card in plan.cards:
        parts.append(_box(card, fill=f"var(--cnn-{FILLS[card.role]})"))
        parts += _text(card.lines, card.x + card.width / 2, card.y + 5, "middle")
    return svg.element(
        "svg",
        *parts,
        viewBox=f"0 0 {plan.width:.0f} {plan.height:.0f}",
        width=round(plan.width * 4 / 3),
        font_size=8,
        fill="var(--cnn-ink)",
    )


def _box(box, **attributes: str | None) -> svg.Markup:
    place = {name: getattr(box, name) for name in ("x", "y", "width", "height")}
    return svg.element("rect", **place, stroke="var(--cnn-line)", **attributes)


def _text(lines: Sequence[str], x: float, top: float, anchor: str) -> list[svg.Markup]:
    return [
        svg.element(
            "text",
            line,
            x=x,
            y=top + 10 * (number + 0.75),
            text_anchor=anchor,
            font_weight="bold" if number == 0 else None,
        )
        for number, line in enumerate(lines)
    ]
