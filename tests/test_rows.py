"""`cnnlib.rows`: the JSON of a row, summaries, what is refused. Who sees what is in test_trace."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from torch import nn

from cnnlib.geometry import Field, Window
from cnnlib.rows import (
    ALL_POSITIONS,
    IDENTITY,
    LayerTrace,
    Positions,
    Summary,
    check_rows,
    reads,
    seen_by,
    summarise,
)
from cnnlib.trace import trace
from tests.test_layout import traced

ROW = LayerTrace(
    name="block.conv1",
    kind="Conv2d",
    in_shape=(2, 3, 10, 8),
    out_shape=(2, 4, 4, 10),
    parameters=184,
    macs=14_400,
    activations=1_280,
    field=(Field(5, 2, -1), Field(3, 1, -2)),
    inputs=(-1, 2),
    windows=(Window(5, 2, 1), Window(3, 1, (2, 0), dilation=2)),
    aligned=True,
    grid=(4, 10),
    parents=("Block",),
)
FIRST = replace(ROW, inputs=(-1,))
JSON = {
    "name": "block.conv1",
    "kind": "Conv2d",
    "in_shape": [2, 3, 10, 8],
    "out_shape": [2, 4, 4, 10],
    "parameters": 184,
    "macs": 14_400,
    "activations": 1_280,
    "field": [{"size": 5, "stride": 2, "start": -1}, {"size": 3, "stride": 1, "start": -2}],
    "inputs": [-1, 2],
    "windows": [
        {"kernel_size": 5, "stride": 2, "padding": 1},
        {"kernel_size": 3, "padding": [2, 0], "dilation": 2},
    ],
    "parents": ["Block"],
}
OTHERS = {  # what differs from ROW, in the row and in its JSON; None: the key is gone
    "alike on every axis": (
        {"field": (Field(5, 2, -1),) * 2, "windows": (Window(5, 2, 1),) * 2},
        {"field": JSON["field"][:1], "windows": JSON["windows"][:1]},
    ),
    "every position": (
        {"windows": (ALL_POSITIONS, IDENTITY)},
        {"windows": ["all", {"kernel_size": 1}]},
    ),
    "no single window": (
        {"windows": (Positions(((0, 1), (), (3,)), (Window(3),)), Positions(((0,),)))},
        {
            "windows": [
                {"reads": [[0, 1], [], [3]], "chain": [{"kernel_size": 3}]},
                {"reads": [[0]], "chain": []},
            ]
        },
    ),  # fmt: skip
    "transposed": (
        {"windows": (Window(3, 2, output_padding=1, transposed=True), Window(2, ceil_mode=True))},
        {
            "windows": [
                {"kernel_size": 3, "stride": 2, "output_padding": 1, "transposed": True},
                {"kernel_size": 2, "ceil_mode": True},
            ]
        },
    ),  # fmt: skip
    "numbers that are not whole": (
        {"field": (Field(5, Fraction(2, 3), Fraction(-7, 2)), Field(3, 1, -2))},
        {"field": [{"size": 5, "stride": "2/3", "start": "-7/2"}, JSON["field"][1]]},
    ),
    "a flattened map": (
        {"out_shape": (2, 160)},
        {"out_shape": [2, 160], "grid": [4, 10]},
    ),
    "not aligned": ({"aligned": False}, {"aligned": False}),
    "on top": ({"parents": ()}, {"parents": None}),
    "no axes": (
        {"in_shape": (2, 3), "out_shape": (2, 4), "field": (), "windows": (), "grid": ()},
        {"in_shape": [2, 3], "out_shape": [2, 4], "field": [], "windows": []},
    ),
}


def there_and_back(row: LayerTrace) -> LayerTrace:
    return LayerTrace.from_json(json.loads(json.dumps(row.to_json(), allow_nan=False)))


def test_the_json_of_a_row_by_hand():
    assert ROW.to_json() == JSON
    assert there_and_back(ROW) == ROW


@pytest.mark.parametrize("case", OTHERS)
def test_what_the_json_leaves_out_and_writes_in_another_way(case):
    here, there = OTHERS[case]
    row = replace(ROW, **here)
    expected = {key: value for key, value in (JSON | there).items() if value is not None}
    assert row.to_json() == expected
    assert there_and_back(row) == row


@pytest.mark.parametrize("key", ["lenet5", "googlenet", "se_resnet50", "shufflenet_v2"])
def test_every_row_of_a_network_comes_back_from_its_json(key):
    rows = traced(key)
    assert tuple(map(there_and_back, rows)) == rows


def test_rows_without_a_single_window_and_with_fractions_come_back():
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2), nn.Upsample(size=(7, 11)), nn.ReflectionPad2d((2, 1, 1, 2))
    )
    rows = trace(net, (1, 2, 9, 12))
    assert any(isinstance(reading, Positions) for row in rows for reading in row.windows)
    assert any(isinstance(field.start, Fraction) for row in rows for field in row.field)
    assert list(map(there_and_back, rows)) == rows


@pytest.mark.parametrize("key", [key for key in JSON if key != "parents"])
def test_what_is_missing_in_the_json_is_named(key):
    row = {name: value for name, value in JSON.items() if name != key}
    with pytest.raises(ValueError, match=f"'{key}' is missing"):
        LayerTrace.from_json(row)


@pytest.mark.parametrize("reading", ["every", 3, None])
def test_what_is_no_reading_is_refused(reading):
    with pytest.raises(ValueError, match=f"{reading!r}: expected a window, positions or 'all'"):
        LayerTrace.from_json(JSON | {"windows": [reading]})


def test_a_summary_has_the_sums_and_no_windows():
    second = replace(FIRST, name="block.conv2", inputs=(0, -1), aligned=False, macs=1)
    [block] = summarise([FIRST, second])
    assert type(block) is Summary and not hasattr(block, "windows")
    assert (block.name, block.kind, block.parents) == ("block", "Block", ())
    assert (block.macs, block.parameters, block.activations) == (14_401, 368, 2_560)
    assert (block.inputs, block.aligned, block.grid) == ((-1,), False, (4, 10))


def test_a_module_of_one_row_stays_that_row_under_the_modules_name():
    [block] = summarise([FIRST])
    assert block == replace(FIRST, name="block", kind="Block", parents=())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "rows is empty"),
        (summarise([FIRST, FIRST]), r"rows\[0\] is a Summary of several rows, block"),
        ([ROW, {"name": "conv"}], r"rows\[1\] is a dict"),
    ],
)
def test_what_are_no_rows_of_a_trace_is_named(rows, message):
    for refusing in (check_rows, lambda rows: seen_by(rows, 0, (0, 0))):
        with pytest.raises(ValueError, match=f"{message}.*expected the rows of trace"):
            refusing(rows)


def test_a_vector_has_one_place_also_where_it_is_a_flattened_map():
    assert ROW.map_shape == (4, 10)
    assert replace(ROW, out_shape=(2, 160)).map_shape == (1, 1)


def test_every_position_is_read_with_and_without_borders():
    for clip in (True, False):
        assert list(reads(ALL_POSITIONS, 4, 3, 1, clip)) == [0, 1, 2, 3]
