"""geometry.js is held to geometry.py over every small case, and to the rows that rows.py writes."""

import itertools
import json
from dataclasses import asdict, replace
from fractions import Fraction

import pytest

from cnnlib.geometry import (
    Field,
    Window,
    covering_size,
    input_indices,
    output_indices,
    output_size,
    unread_inputs,
)
from cnnlib.rows import AllPositions, LayerTrace, Positions, Reading
from tests.browser.conftest import ROOT
from tests.test_widgets_receptive_field_explorer import NETWORKS, traced


def small_cases() -> list[dict]:
    """Every window of kernel <= 3, stride <= 3, padding <= 2, dilation <= 3, legal or not."""
    cases = []
    for kernel, stride, before, after, dilation in itertools.product(
        range(0, 4), range(0, 4), range(-1, 3), range(0, 3), range(0, 4)
    ):
        shape = dict(kernel_size=kernel, stride=stride, padding=(before, after), dilation=dilation)
        cases.append(shape)
        if before == after or before == 2:
            cases.append({**shape, "ceil_mode": True})
            cases += [{**shape, "transposed": True, "output_padding": more} for more in range(3)]
    return cases


def pythons_answer(settings: dict, size: int):
    """[outputs, what each output reads, what each input feeds], or None where it is illegal."""
    try:
        window = Window(**settings)
        outputs = output_size(size, window)
    except ValueError:
        return None
    reads = [list(input_indices(window, size, index)) for index in range(outputs)]
    feeds = [list(output_indices(window, size, index)) for index in range(size)]
    return [outputs, reads, feeds]


SCRIPT = """
async ([cases, sizes]) => {
  const g = await import("./widgets/geometry.js");
  const upTo = (n) => Array.from({ length: n }, (_, i) => i);
  return cases.flatMap((settings) => sizes.map((size) => {
    try {
      const outputs = g.outputSize(size, settings);
      return [outputs, upTo(outputs).map((i) => g.inputIndices(settings, size, i)),
              upTo(size).map((i) => g.outputIndices(settings, size, i))];
    } catch { return null; }
  }));
}
"""


@pytest.fixture
def plain_page(new_page, serve, tmp_path):
    (tmp_path / "index.html").write_text(
        '<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>-</title></html>'
    )
    (tmp_path / "widgets").symlink_to(ROOT / "cnnlib" / "widgets")
    page = new_page()
    page.goto(serve(tmp_path))
    return page


def test_geometry_js_equals_python_on_every_small_case(plain_page):
    cases, sizes = small_cases(), [1, 2, 5]
    theirs = plain_page.evaluate(SCRIPT, [json.loads(json.dumps(cases)), sizes])
    ours = [pythons_answer(settings, size) for settings in cases for size in sizes]
    assert sum(answer is not None for answer in ours) > 1_500
    assert theirs == ours


COVER = """
async ([cases, sizes]) => {
  const g = await import("./widgets/geometry.js");
  return cases.flatMap((settings) => sizes.map((size) => {
    try {
      const count = g.coveringSize(size, settings);
      return [count, g.unreadInputs(size, settings, count)];
    } catch { return null; }
  }));
}
"""


def test_what_covers_an_axis_is_the_same_on_every_small_case(plain_page):
    cases, sizes = small_cases(), [1, 2, 5]

    def pythons(settings: dict, size: int):
        try:
            window = Window(**settings)
            count = covering_size(size, window)
        except ValueError:
            return None
        return [count, unread_inputs(size, window, count)]

    theirs = plain_page.evaluate(COVER, [json.loads(json.dumps(cases)), sizes])
    ours = [pythons(settings, size) for settings in cases for size in sizes]
    assert sum(answer is not None for answer in ours) > 500
    assert theirs == ours


READ_ROWS = """
async (list) => (await import("./widgets/geometry.js")).readRows(list)
"""


def reading_in_full(reading: Reading):
    """A reading with every setting of its windows, and their padding as a pair."""
    match reading:
        case AllPositions():
            return "all"
        case Positions(reads, chain):
            return {"reads": list(map(list, reads)), "chain": list(map(reading_in_full, chain))}
        case Window():
            return {**asdict(reading), "padding": [reading.before, reading.after]}


def row_in_full(row: LayerTrace, rows: list[LayerTrace]) -> dict:
    """Every attribute, each axis for itself, and the grids of what the row reads."""
    grids = [rows[source].grid if source >= 0 else rows[0].in_shape[2:] for source in row.inputs]
    return {
        **asdict(row),
        "field": [
            {name: float(number) for name, number in asdict(field).items()} for field in row.field
        ],
        "windows": list(map(reading_in_full, row.windows)),
        "in_sizes": grids,
    }


def test_geometry_js_reads_the_rows_that_python_writes(plain_page):
    networks = [traced(name) for name in NETWORKS]
    first = networks[0][0]
    thirds = replace(first, field=(Field(3, Fraction(1, 3), Fraction(-2, 3)), first.field[1]))
    networks.append([thirds])
    read = set()
    for rows in networks:
        theirs = plain_page.evaluate(READ_ROWS, [row.to_json() for row in rows])
        ours = [row_in_full(row, rows) for row in rows]
        assert theirs == json.loads(json.dumps(ours))
        read |= {type(reading) for row in rows for reading in row.windows}
    assert read == {Window, Positions, AllPositions}
