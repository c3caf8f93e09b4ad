"""From a trace to a drawing's plan: what stands where, with branches, blocks and repeats.

    sheet = arrange(trace(net, (1, 3, 224, 224)))  # cards, frames and lines, in points

:mod:`cnnlib.diagrams` draws the plan with matplotlib, the network diagram widget draws it in the
page. Nothing here needs more than the standard library.
"""

from cnnlib.layout.place import Arrangement, Card, Frame, Line, arrange
from cnnlib.layout.structure import structure_of

__all__ = ["Arrangement", "Card", "Frame", "Line", "arrange", "structure_of"]
