"""A network with branches as cards and lines, from the plan that cnnlib.layout makes."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle

from cnnlib.diagrams.axes import (
    HIDDEN,
    INK,
    INPUT,
    MUTED,
    OUTPUT,
    Inks,
    make_axes,
    measure_axes,
)
from cnnlib.layout import Arrangement, Card, arrange
from cnnlib.layout.plan import LEADING, PAD, TEXT, Point
from cnnlib.rows import Row

INKS = {"input": INPUT, "layer": Inks(MUTED, "none"), "join": OUTPUT, "block": HIDDEN}
SMALLEST = 4  # points: smaller text is refused


def draw_graph(rows: Sequence[Row], ax: Axes | None = None) -> Axes:
    """Cards from top to bottom, branches side by side, skips as bare lines.

    Each card has the layer's name, kind, kernel and stride (``/2``), what is folded in, the
    output's shape, the parameters and the receptive field.
    :func:`cnnlib.layout.arrange` has the rules.

    With ``ax``, the drawing is scaled to its present size. Raises ``ValueError`` where its text
    would be below 4 points.
    """
    sheet = arrange(rows)
    if ax is None:
        ax = make_axes(sheet.width, sheet.height)
        scale = 1.0
    else:
        width, height = measure_axes(ax)
        scale = min(width / sheet.width, height / sheet.height)
        if scale * TEXT < SMALLEST:
            raise ValueError(
                f"axes of {width / 72:.1f} × {height / 72:.1f} inches: too small for "
                f"{len(sheet.cards)} cards; {sheet.width * SMALLEST / TEXT / 72:.1f} × "
                f"{sheet.height * SMALLEST / TEXT / 72:.1f} are enough"
            )
        _centre(ax, sheet, width / scale, height / scale)
    ax.set_ylim(*reversed(ax.get_ylim()))  # the plan's y goes down
    _draw(ax, sheet, scale)
    return ax


def describe_graph(rows: Sequence[Row]) -> str:
    """What ``draw_graph`` draws, in words: its cards in order, those inside blocks left out."""
    words = [", ".join(card.lines) for card in arrange(rows, closed=True).cards]
    return (
        f"The network from top to bottom, card by card: {'; '.join(words)}. "
        f"Each block is drawn with the layers and branches inside it."
    )


def _centre(ax: Axes, sheet: Arrangement, width: float, height: float) -> None:
    beside, over = (width - sheet.width) / 2, (height - sheet.height) / 2
    ax.set_xlim(-beside, sheet.width + beside)
    ax.set_ylim(-over, sheet.height + over)
    ax.set_aspect("auto")
    ax.axis("off")


def _draw(ax: Axes, sheet: Arrangement, scale: float) -> None:
    for frame in sheet.frames:
        dashes = (0, (4, 3)) if frame.times > 1 else "-"
        ax.add_patch(
            Rectangle(
                (frame.x, frame.y),
                frame.width,
                frame.height,
                fill=False,
                edgecolor=MUTED,
                linewidth=0.7 * scale,
                linestyle=dashes,
                label="_frame",
            )
        )
        _write(ax, frame.lines, frame.x + PAD, frame.y + PAD, scale, "left")
    for line in sheet.lines:
        ax.plot(*zip(*line.points, strict=True), color=INK, linewidth=0.7 * scale, label="_line")
        if line.arrow:
            before, end = line.points[-2:]
            ax.add_patch(_head(before, end, scale))
    for card in sheet.cards:
        _draw_card(ax, card, scale)


def _head(before: Point, end: Point, scale: float) -> FancyArrowPatch:
    far = math.dist(before, end)
    start = tuple(e + (b - e) * min(1, 5 / far) for b, e in zip(before, end, strict=True))
    return FancyArrowPatch(
        start,
        end,
        arrowstyle="-|>",
        mutation_scale=5 * scale,
        shrinkA=0,
        shrinkB=0,
        linewidth=0.7 * scale,
        color=INK,
    )


def _draw_card(ax: Axes, card: Card, scale: float) -> None:
    inks = INKS[card.role]
    ax.add_patch(
        Rectangle(
            (card.x, card.y),
            card.width,
            card.height,
            facecolor=inks.face,
            edgecolor=inks.edge,
            linewidth=0.8 * scale,
            label=f"_card {card.name}",
        )
    )
    _write(ax, card.lines, card.x + card.width / 2, card.y + PAD, scale, "center", bold=True)


def _write(
    ax: Axes, lines: Sequence[str], x: float, top: float, scale: float, where: str, bold=False
) -> None:
    for number, line in enumerate(lines):
        ax.text(
            x,
            top + LEADING * (number + 0.75),
            line,
            fontsize=TEXT * scale,
            color=INK,
            ha=where,
            va="baseline",
            weight="bold" if bold and number == 0 else "normal",
        )
