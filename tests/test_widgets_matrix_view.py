"""The matrix view: its matrices against torch, what meets where, what it refuses, what is drawn."""

import json
import re
from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from traitlets import TraitError

from cnnlib.layers.convolution import toeplitz_matrix
from cnnlib.widgets.matrix_view import MatrixView
from cnnlib.widgets.matrix_view_sums import (
    LIMITS,
    MOST,
    PICTURES,
    PRESETS,
    SETTINGS,
    counts,
    is_legible,
    is_real,
    lights,
    meetings,
    out_size,
    preset_of,
    products,
    sizes,
    values,
)


def make() -> MatrixView:
    """Small, and every setting of it can be moved."""
    return MatrixView(in_channels=2, out_channels=2, kernel_size=2)


def some_layers(count: int, seed: int = 5) -> list[dict[str, int]]:
    dice = np.random.default_rng(seed)
    found = []
    while len(found) < count:
        layer = {name: int(dice.integers(low, high + 1)) for name, (low, high) in LIMITS.items()}
        whole = layer["in_channels"] % layer["groups"] == layer["out_channels"] % layer["groups"]
        if whole and layer["in_channels"] % layer["groups"] == 0 and is_legible(layer):
            found.append(layer)
    return found


LAYERS = [*PRESETS.values(), *some_layers(100)]


def tensors(layer: dict[str, int]):
    """The layer's input (1, C, H, W), its weight, and the arguments of torch's convolution."""
    tables = values(layer)
    size = layer["kernel_size"]
    x = torch.tensor(tables["input"], dtype=torch.float64)
    x = x.view(1, layer["in_channels"], layer["height"], layer["width"])
    weight = torch.tensor(tables["kernel"], dtype=torch.float64)
    weight = weight.view(layer["out_channels"], -1, size, size)
    return x, weight, {n: layer[n] for n in ("stride", "padding", "dilation", "groups")}


def whole(table: list[list]) -> torch.Tensor:
    """The numbers, 0 where none is stored."""
    return torch.tensor([[n or 0 for n in line] for line in table], dtype=torch.float64)


def test_some_layers_have_every_setting_that_there_is():
    for name, (low, high) in LIMITS.items():
        assert {layer[name] for layer in LAYERS} == set(range(low, high + 1)), name


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_both_products_are_torchs_convolution(layer):
    x, weight, how = tensors(layer)
    tables = {name: whole(table) for name, table in values(layer).items()}
    expected = F.conv2d(x, weight, **how)[0]
    assert tuple(expected.shape[1:]) == out_size(layer)
    assert torch.equal(tables["output"], expected.flatten(1))
    assert torch.equal(tables["toeplitz"] @ x.flatten(), expected.flatten())
    assert torch.equal(tables["rows"] @ tables["columns"], expected.flatten(1))


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_the_matrices_are_the_jacobian_and_the_unfolded_input(layer):
    x, weight, how = tensors(layer)
    tables = values(layer)
    jacobian = torch.autograd.functional.jacobian(lambda t: F.conv2d(t, weight, **how), x)
    jacobian = jacobian.reshape(len(tables["toeplitz"]), -1)
    assert torch.equal(whole(tables["toeplitz"]), jacobian)
    size = (layer["height"], layer["width"])
    assert torch.equal(jacobian, toeplitz_matrix(weight, size, **how))
    how.pop("groups")
    assert torch.equal(whole(tables["columns"]), F.unfold(x, layer["kernel_size"], **how)[0])
    stored = [[n is not None for n in line] for line in tables["toeplitz"]]
    assert torch.equal(torch.tensor(stored), jacobian != 0)  # no weight is 0


@pytest.mark.parametrize("layer", LAYERS[:40], ids=str)
def test_what_lights_up_is_what_gradients_reach(layer):
    """An input and an output belong together where the one's gradient in the other is not zero."""
    x, weight, how = tensors(layer)
    jacobian = torch.autograd.functional.jacobian(lambda t: F.conv2d(t, weight, **how), x)[0]
    jacobian = jacobian.flatten(1, 2).squeeze(2).flatten(3)  # (C', L, C, H W)
    by_weight = torch.autograd.functional.jacobian(lambda w: F.conv2d(x + 1, w, **how), weight)[0]
    by_weight = by_weight.flatten(1, 2).flatten(3)  # (C', L, C', weights of a kernel)
    for kernel in range(layer["out_channels"]):
        for window in range(sizes(layer)["output"][1]):
            lit = lights(layer, "output", [kernel, window])
            assert sorted(lit["input"]) == jacobian[kernel, window].nonzero().tolist()
            met = meetings(layer, "output", [kernel, window])
            pairs = zip(lit["kernel"], met, strict=True)
            reads = [place for place, one in pairs if is_real(layer, one)]
            assert sorted(reads) == by_weight[kernel, window].nonzero().tolist()
            for channel, cell in lit["input"]:
                assert [kernel, window] in lights(layer, "input", [channel, cell])["output"]


@pytest.mark.parametrize("layer", LAYERS[:25], ids=str)
def test_every_link_leads_back(layer):
    """What an entry lights up lights it up; and what is alone is stored nowhere, or never read."""
    tables, lit = values(layer), {}
    for picture, (tall, wide) in sizes(layer).items():
        assert (tall, wide) == (len(tables[picture]), len(tables[picture][0]))
        for entry in product(range(tall), range(wide)):
            lit[picture, entry] = lights(layer, picture, list(entry))
    for (picture, entry), found in lit.items():
        assert list(entry) in found[picture]
        if not meetings(layer, picture, list(entry)):
            empty = tables[picture][entry[0]][entry[1]] is None
            assert empty or picture == "input"
            assert empty == (picture in ("toeplitz", "rows"))
            continue
        for other, place in ((name, place) for name in PICTURES for place in found[name]):
            assert list(entry) in lit[other, tuple(place)][picture], (picture, entry, other)


def test_the_worked_case_by_hand():
    layer = PRESETS["worked"]
    assert sizes(layer) == {
        "input": [3, 9], "kernel": [2, 12], "output": [2, 4], "toeplitz": [8, 27],
        "rows": [2, 12], "columns": [12, 4],
    }  # fmt: skip
    tables = values(layer)
    assert [line[0] for line in tables["columns"]] == [0, 1, 3, 4, 9, 10, 12, 13, 18, 19, 21, 22]
    assert tables["columns"][3] == [4, 5, 7, 8]
    assert lights(layer, "input", [0, 4])["columns"] == [[3, 0], [2, 1], [1, 2], [0, 3]]
    # Row 3 is kernel 0 at (1, 1): weights 1 2 3 4 over 4 5 7 8 of the first channel.
    assert {c: w for c, w in enumerate(tables["toeplitz"][3][:9]) if w} == {4: 1, 5: 2, 7: 3, 8: 4}
    assert lights(layer, "toeplitz", [3, 5]) == {
        "input": [[0, 5]], "kernel": [[0, 1]], "output": [[0, 3]], "toeplitz": [[3, 5]],
        "rows": [[0, 1]], "columns": [[1, 3]], "padding": [],
    }  # fmt: skip
    told = counts(layer)
    assert told["toeplitz"] == {
        "rows": 8, "columns": 27, "entries": 216, "filled": 96, "stored": 24, "products": 216,
    }  # fmt: skip
    assert told["im2col"] == {
        "rows": 12, "columns": 4, "entries": 48, "filled": 48, "stored": 27, "products": 96,
    }  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_the_bills_are_counts_of_torchs_matrices(layer):
    x, weight, how = tensors(layer)
    jacobian = toeplitz_matrix(weight, (layer["height"], layer["width"]), **how)
    how.pop("groups")
    columns = F.unfold(x + 1, layer["kernel_size"], **how)[0]
    told = counts(layer)
    assert told["toeplitz"]["entries"] == told["toeplitz"]["products"] == jacobian.numel()
    assert told["toeplitz"]["filled"] == int((jacobian != 0).sum()) <= told["im2col"]["products"]
    assert (told["im2col"]["rows"], told["im2col"]["columns"]) == tuple(columns.shape)
    assert told["im2col"]["filled"] == int((columns != 0).sum())
    assert told["im2col"]["stored"] == len(columns.unique()) - int((columns == 0).any())
    dense = layer["out_channels"] * columns.numel() // layer["groups"]
    assert told["im2col"]["products"] == dense == len(products(layer))


def test_presets_are_legible_and_no_two_are_one():
    assert len({tuple(p.values()) for p in PRESETS.values()}) == len(PRESETS)
    for name, preset in PRESETS.items():
        assert is_legible(preset) and preset_of(preset) == name
        widget = MatrixView(preset=name)
        assert {n: getattr(widget, n) for n in SETTINGS} == preset


@pytest.mark.parametrize(
    ("name", "value"),
    [("kernel_size", 4), ("kernel_size", 0), ("stride", 1.5), ("padding", -1), ("dilation", 3)]
    + [("height", 1), ("width", 7), ("in_channels", 5), ("groups", 2), ("groups", "1")]
    + [("preset", "none"), ("form", "fft"), ("picture", "row"), ("entry", [0, 4]), ("entry", [0])],
)
def test_what_cannot_be_shown_is_refused_by_name_and_nothing_changes(name, value):
    widget = MatrixView()
    before = widget.page_state()
    with pytest.raises(TraitError, match=f"{name}={re.escape(repr(value))}: expected|{name}=.*the"):
        setattr(widget, name, value)
    assert widget.page_state() == before


def test_more_cells_than_are_legible_are_refused():
    widget = MatrixView(preset="padding")
    with pytest.raises(TraitError, match=f"at most {MOST} cells"):
        widget.out_channels = 3
    widget.choose(out_channels=3, padding=0)
    assert widget.preset == ""


def test_groups_give_way_to_the_channels_and_matrices_to_the_form():
    widget = MatrixView(preset="groups", picture="columns", entry=[7, 3])
    assert widget.form == "im2col"
    widget.in_channels = 3
    assert widget.groups == 1
    widget.form = "toeplitz"
    assert (widget.picture, widget.entry) == ("output", [0, 3])
    widget.choose(picture="toeplitz", entry=[5, 2])
    widget.form = "im2col"
    assert (widget.picture, widget.entry) == ("output", [1, 1])


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_told_and_drawn(preset):
    widget = MatrixView(preset=preset)
    told = widget.text_alternative()
    bill = widget.counts()
    assert f"{bill['toeplitz']['filled']} of its {bill['toeplitz']['entries']} entries" in told
    picture = widget.still_picture()
    cells = sum(n * m for n, m in (sizes(widget.chosen())[p] for p in ("toeplitz", "rows")))
    cells += sizes(widget.chosen())["columns"][0] * sizes(widget.chosen())["columns"][1]
    assert picture.count("<rect") == cells + sizes(widget.chosen())["toeplitz"][1]


def test_the_page_form_is_json_and_holds_the_choice():
    form = MatrixView(preset="stride", picture="rows", entry=[0, 2]).page_form()
    state = json.loads(re.search(r'<script type="application/json">(.*?)</script>', form)[1])
    assert (state["preset"], state["form"], state["entry"]) == ("stride", "im2col", [0, 2])
    assert len(form) < 60_000
