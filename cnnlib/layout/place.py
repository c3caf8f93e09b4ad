"""Where each card, frame and line of a drawn network stands: its boxes in columns on a sheet.

One arrangement serves matplotlib's drawing and the page's.
"""

from collections.abc import Mapping, Sequence

from cnnlib.layout.boxes import connect, connect_columns, measure_height
from cnnlib.layout.cards import BoxMaker, shorten_names
from cnnlib.layout.closing import close_blocks
from cnnlib.layout.plan import GAP_X, GAP_Y, Arrangement
from cnnlib.layout.structure import find_structure
from cnnlib.layout.words import WORDS
from cnnlib.rows import Row

PAGE = 518  # the width of a page's text column
TALL = 620  # a drawing higher than this goes on in a next column
EDGE = 4  # around the drawing


def arrange(
    rows: Sequence[Row], closed: bool = False, words: Mapping[str, str] = WORDS
) -> Arrangement:
    """Place a traced network's layers from top to bottom, branches side by side.

    ``rows`` are those of :func:`cnnlib.trace.trace`, or of ``summarise``. What stands several times
    over is drawn once, in a dashed frame that says how often; its fields and growing channels go
    from the first time's to the last's. Blocks (modules with several layers of their own) are
    framed; with ``closed`` each is one card. A drawing that gets too high for a page goes on in
    further columns. ``words`` stand on the cards beside names and numbers.

    Raises ``ValueError`` for no rows.
    """
    structure = find_structure(rows)
    parts = close_blocks(structure.root.parts) if closed else structure.root.parts
    boxes = BoxMaker(structure, shorten_names(rows), words).make_all(parts, parts, "")
    columns = _split_in_columns(boxes)
    sheet = Arrangement(0, 0)
    left, before = float(EDGE), None
    tallest = max(map(measure_height, columns))
    for column in columns:
        axis, top = left + max(box.left for box in column), float(EDGE)
        for box in column:
            box.draw(sheet, axis, top)
            entries = box.entries(axis, top)
            if before is not None and box is column[0]:
                connect_columns(sheet, before, entries, left - GAP_X, tallest)
            elif before is not None:
                connect(sheet, before, entries)
            before = box.exits(axis, top)
            top += box.height + GAP_Y
        left = axis + max(box.right for box in column) + 3 * GAP_X
    sheet.width = left - 3 * GAP_X + EDGE
    sheet.height = tallest + 2 * EDGE + (GAP_Y if len(columns) > 1 else 0)
    return sheet


def _split_in_columns(boxes: list) -> list[list]:
    """One column, or as many as the page has room for where one would be too high."""
    best = [boxes]
    if measure_height(boxes) <= TALL:
        return best
    for number in range(2, len(boxes) + 1):
        columns = _split(boxes, number)
        width = sum(max(b.left for b in c) + max(b.right for b in c) for c in columns)
        if width + 3 * GAP_X * (number - 1) + 2 * EDGE > PAGE:
            break
        best = columns
        if max(map(measure_height, columns)) <= TALL:
            break
    return best


def _split(boxes: list, number: int) -> list[list]:
    """``boxes`` in ``number`` columns, in order, the highest as low as can be."""

    def fill(limit: float) -> list[list]:
        columns: list[list] = [[]]
        for box in boxes:
            if columns[-1] and measure_height([*columns[-1], box]) > limit:
                columns.append([])
            columns[-1].append(box)
        return columns

    low, high = max(box.height for box in boxes), measure_height(boxes)
    while high - low > 1:
        middle = (low + high) / 2
        if len(fill(middle)) <= number:
            high = middle
        else:
            low = middle
    return fill(high)
