"""From a trace to a drawing's plan: what stands where, with branches, blocks and repeats.

    sheet = arrange(trace(net, (1, 3, 224, 224)))  # cards, frames and lines, in points

:mod:`cnnlib.diagrams` draws the plan with matplotlib, the network diagram widget draws it in the
page. Nothing here needs more than the standard library.
"""

from cnnlib.layout.place import arrange
from cnnlib.layout.plan import Arrangement, Card, Frame, Line, Point
from cnnlib.layout.structure import find_structure
from cnnlib.layout.words import WORDS

__all__ = ["WORDS", "Arrangement", "Card", "Frame", "Line", "Point", "arrange", "find_structure"]
