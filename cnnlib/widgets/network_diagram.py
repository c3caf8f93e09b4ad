"""A network's plan in the page: every block and layer opens what it is made of."""

import html
from collections.abc import Mapping, Sequence

from traitlets import Dict, Enum, Int, List, TraitError, validate

from cnnlib.layout import Arrangement, Card, arrange
from cnnlib.widgets.base import TeachingWidget

LEVELS = ("blocks", "layers")


class NetworkDiagram(TeachingWidget, stem="network_diagram"):
    """A network from input to output, as cards and lines; each card opens its details.

    What it teaches: how a deep network is a few kinds of blocks, repeated. The level ``"blocks"``
    shows one card a block, ``"layers"`` opens every block; what stands several times over is drawn
    once and counted. A chosen card tells its shape, parameters, multiply-adds and receptive field,
    and shows the lines of code that it was made from.

    ``layers``: the records of :func:`cnnlib.trace.trace`. ``sources``: what
    :func:`cnnlib.trace.source_lines` gives for the same network; without it no code is shown.
    ``level`` and ``chosen`` (a card's number in its level, -1 for none) can be set and observed.

    Raises ``ValueError`` for no records, and where a level or a card is not there.
    """

    sheets = Dict().tag(sync=True)
    sources = List().tag(sync=True)
    level = Enum(LEVELS, "blocks").tag(sync=True)
    chosen = Int(-1).tag(sync=True)

    def __init__(
        self,
        layers: Sequence,
        sources: Mapping | None = None,
        *,
        level: str | None = None,
        chosen: int = -1,
    ) -> None:
        plans = {"blocks": arrange(layers, closed=True), "layers": arrange(layers)}
        if not any(card.role == "block" for card in plans["blocks"].cards):
            del plans["blocks"]  # a network without blocks has one level
        level = next(iter(plans)) if level is None else level
        if level not in plans:
            raise ValueError(f"level={level!r}: expected one of {', '.join(map(repr, plans))}")
        texts = _Texts(sources or {})
        sheets = {
            name: {
                "width": plan.width,
                "height": plan.height,
                "cards": [_card(card, layers, texts) for card in plan.cards],
                "frames": [
                    [frame.x, frame.y, frame.width, frame.height, list(frame.lines), frame.times]
                    for frame in plan.frames
                ],
                "lines": [[_flat(line.points), line.arrow] for line in plan.lines],
            }
            for name, plan in plans.items()
        }
        self._plans = plans
        _check_chosen(chosen, len(plans[level].cards))
        super().__init__(sheets=sheets, sources=texts.found, level=level, chosen=chosen)

    @validate("level")
    def _validate_level(self, proposal: dict) -> str:
        if proposal["value"] not in self.sheets:
            known = ", ".join(map(repr, self.sheets))
            raise TraitError(f"level={proposal['value']!r}: expected one of {known}")
        return proposal["value"]

    @validate("chosen")
    def _validate_chosen(self, proposal: dict) -> int:
        _check_chosen(proposal["value"], max(len(plan.cards) for plan in self._plans.values()))
        return proposal["value"]

    def still_picture(self) -> str:
        return _svg(self._plans[self.level])

    def text_alternative(self) -> str:
        cards = self._plans[next(iter(self._plans))].cards
        words = "; ".join(", ".join(card.lines) for card in cards)
        return f"Diagram of a network, from its input to its output: {words}."


def _check_chosen(chosen: int, count: int) -> None:
    if not -1 <= chosen < count:
        raise ValueError(f"chosen={chosen}: expected -1 for none, or a card's number below {count}")


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


def _card(card: Card, layers: Sequence, texts: _Texts) -> dict:
    """A card and its details, ready for JSON."""
    rows = [layers[row] for row in card.rows]
    found = {
        "box": [card.x, card.y, card.width, card.height],
        "role": card.role,
        "lines": list(card.lines),
        "name": card.name,
        "kind": card.kind,
        "times": card.times,
    }
    if not rows:
        return {**found, "out": list(layers[0].in_shape[1:])}
    last = rows[-1]
    name = card.name.partition("#")[0]
    made, source = texts.of(name if card.role == "block" else rows[0].name.partition("#")[0])
    return {
        **found,
        "in": list(rows[0].in_shape[1:]),
        "out": list(last.out_shape[1:]),
        "parameters": sum(row.parameters for row in rows),
        "macs": sum(row.macs for row in rows),
        "bytes": sum(row.activations for row in rows),
        "field": [int(field.size) for field in last.field],
        "stride": [float(field.stride) for field in last.field],
        "start": [float(field.start) for field in last.field],
        "aligned": all(row.aligned for row in rows),
        "steps": len(rows),
        "folded": [row.kind for row in rows[1:]] if card.role != "block" else [],
        "made": made if card.role == "layer" else "",
        "source": source,
        "last_out": list(layers[card.last_rows[-1]].out_shape[1:]),
        "last_field": [int(field.size) for field in layers[card.last_rows[-1]].field],
    }


def _flat(points) -> list[float]:
    return [round(number, 1) for point in points for number in point]


# The still picture --------------------------------------------------------------------------------

FILLS = {"input": "input-soft", "layer": "paper", "join": "output-soft", "block": "raised"}


def _svg(plan: Arrangement) -> str:
    """The plan as SVG, in the colours of the page."""
    parts = []
    for frame in plan.frames:
        dash = ' stroke-dasharray="4 3"' if frame.times > 1 else ""
        parts.append(
            f'<rect x="{frame.x:.1f}" y="{frame.y:.1f}" width="{frame.width:.1f}" '
            f'height="{frame.height:.1f}" fill="none" stroke="var(--cnn-line)"{dash}/>'
        )
        parts += _text(frame.lines, frame.x + 5, frame.y + 5, "start")
    for line in plan.lines:
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in line.points)
        parts.append(f'<polyline points="{points}" fill="none" stroke="var(--cnn-muted)"/>')
    for card in plan.cards:
        parts.append(
            f'<rect x="{card.x:.1f}" y="{card.y:.1f}" width="{card.width:.1f}" '
            f'height="{card.height:.1f}" fill="var(--cnn-{FILLS[card.role]})" '
            f'stroke="var(--cnn-line)"/>'
        )
        parts += _text(card.lines, card.x + card.width / 2, card.y + 5, "middle")
    return (
        f'<svg viewBox="0 0 {plan.width:.0f} {plan.height:.0f}" width="{plan.width * 4 / 3:.0f}" '
        f'font-size="8" fill="var(--cnn-ink)">{"".join(parts)}</svg>'
    )


def _text(lines: Sequence[str], x: float, top: float, anchor: str) -> list[str]:
    found = []
    for number, line in enumerate(lines):
        bold = ' font-weight="bold"' if number == 0 else ""
        y = top + 10 * (number + 0.75)
        found.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{bold}>{html.escape(line)}</text>'
        )
    return found
