"""Drawings of networks, from their traces: matplotlib axes in, matplotlib axes out.

Every function takes an optional ``ax``, draws on it or on axes of its own, and returns it. Nothing
is shown and no global setting is touched. Backgrounds are transparent, inks are dark and colours
of middle lightness, so that a page's dark theme can turn the picture over (``invert`` and
``hue-rotate`` by 180 degrees) and keep it legible. Text is 8 or 9 points at the figure's own size.

Each drawing has its words: ``describe_network`` for ``draw_network``, and so on, for a figure's
text alternative.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes

from cnnlib.diagrams.charts import (
    describe_confusion,
    describe_kernels,
    describe_learning_curves,
    describe_table,
    draw_confusion,
    draw_kernels,
    draw_learning_curves,
    draw_table,
)
from cnnlib.diagrams.graphs import describe_graph, draw_graph
from cnnlib.diagrams.receptive_fields import describe_receptive_fields, draw_receptive_fields
from cnnlib.diagrams.stacks import describe_stacks, draw_stacks
from cnnlib.rows import Row

__all__ = [
    "describe_confusion",
    "describe_graph",
    "describe_kernels",
    "describe_learning_curves",
    "describe_network",
    "describe_receptive_fields",
    "describe_stacks",
    "describe_table",
    "draw_confusion",
    "draw_graph",
    "draw_kernels",
    "draw_learning_curves",
    "draw_network",
    "draw_receptive_fields",
    "draw_stacks",
    "draw_table",
]


def draw_network(rows: Sequence[Row], ax: Axes | None = None) -> Axes:
    """A network as its shape asks: a chain as stacks of maps, a branched one as a graph of cards.

    ``rows`` are those of :func:`cnnlib.trace.trace`, or of ``summarise``. A chain is drawn by
    ``draw_stacks``, all else by ``draw_graph``, where their docstrings say how; either can be
    called for itself. Repeats are drawn once and counted.

    Raises ``ValueError`` for no rows, and where axes are given that are too small.
    """
    return (draw_stacks if _is_chain(rows) else draw_graph)(rows, ax)


def describe_network(rows: Sequence[Row]) -> str:
    """What ``draw_network`` draws, in words."""
    return (describe_stacks if _is_chain(rows) else describe_graph)(rows)


def _is_chain(rows: Sequence[Row]) -> bool:
    return all(row.inputs == (number - 1,) for number, row in enumerate(rows))
