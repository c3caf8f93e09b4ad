"""The drawings, asked through their artists: what stands where, and that all words can be read."""

import itertools
import re
from collections import OrderedDict

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from torch import nn

from cnnlib.diagrams import (
    describe_confusion,
    describe_kernels,
    describe_learning_curves,
    describe_network,
    describe_receptive_fields,
    describe_table,
    draw_confusion,
    draw_kernels,
    draw_learning_curves,
    draw_network,
    draw_receptive_fields,
    draw_stacks,
    draw_table,
)
from cnnlib.models import MODELS
from cnnlib.models.lenet import C3_TABLE, LeNet5, ModernLeNet
from cnnlib.trace import seen_by, summarise, trace

matplotlib.use("agg")


def conv(*settings, **options) -> list[nn.Module]:
    return [nn.Conv2d(*settings, **options), nn.ReLU()]


def alexnet() -> nn.Module:
    return nn.Sequential(
        nn.Sequential(
            *conv(3, 96, 11, stride=4), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2),
            *conv(96, 256, 5, padding=2, groups=2), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2),
            *conv(256, 384, 3, padding=1), *conv(384, 384, 3, padding=1, groups=2),
            *conv(384, 256, 3, padding=1, groups=2), nn.MaxPool2d(3, 2),
        ),
        nn.Flatten(),
        nn.Sequential(
            nn.Linear(9216, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(),
            nn.Dropout(), nn.Linear(4096, 1000),
        ),
    )  # fmt: skip


def vgg19() -> nn.Module:
    layers, width = [], 3
    for channels, count in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        for _ in range(count):
            layers += conv(width, channels, 3, padding=1)
            width = channels
        layers.append(nn.MaxPool2d(2))
    head = [nn.Flatten(), nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Linear(4096, 1000)]
    return nn.Sequential(OrderedDict(features=nn.Sequential(*layers), head=nn.Sequential(*head)))


def odd() -> nn.Module:
    """Not square, reflected, dilated, transposed, resampled, with long names; shrinks and grows."""
    return nn.Sequential(
        OrderedDict(
            a_first_convolution_with_a_long_name=nn.Conv2d(
                2, 8, (5, 3), (2, 1), (2, 1), padding_mode="reflect"
            ),
            norm=nn.BatchNorm2d(8),
            wide=nn.Conv2d(8, 5, 3, dilation=(1, 4), padding=(0, 2)),
            pool=nn.MaxPool2d(3, 2, ceil_mode=True),
            up=nn.ConvTranspose2d(5, 3, (4, 3), 2, 1, output_padding=1),
            resampled=nn.Upsample(scale_factor=(2, 3)),
            last=nn.Conv2d(3, 1, 1),
        )
    )


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return x + self.conv(x)


def residual() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2), Residual(8), nn.MaxPool2d(2), Residual(8))


TRACED = {
    "lenet5": (LeNet5, (1, 1, 32, 32)),
    "lenet_modern": (ModernLeNet, (1, 1, 32, 32)),
    "alexnet": (alexnet, (1, 3, 227, 227)),
    "vgg19": (vgg19, (1, 3, 224, 224)),
    "odd": (odd, (1, 2, 41, 26)),
    "vectors": (lambda: nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 2)), (4, 7)),
    "perceptron": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(60, 9)), (1, 1, 10, 6)),
}


def rows_of(key: str) -> list:
    build, shape = TRACED[key]
    with torch.device("meta"):
        return trace(build(), shape)


@pytest.fixture(autouse=True)
def closed_figures():
    settings = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == settings, "a drawing changed matplotlib's settings"


def texts(ax) -> list:
    """Everything written in the figure, tick labels and a colour bar's too."""
    ax.figure.canvas.draw()
    found = [text for text in ax.figure.findobj(matplotlib.text.Text) if text.get_text().strip()]
    return [text for text in found if text.get_visible()]


def assert_legible(ax) -> None:
    """All words are inside the figure, at least 9 points high, and none covers another."""
    renderer = ax.figure.canvas.get_renderer()
    words = texts(ax)
    boxes = [text.get_window_extent(renderer) for text in words]
    frame = ax.figure.bbox.padded(0.5)
    for text, box in zip(words, boxes, strict=True):
        assert text.get_fontsize() >= 9, text
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1, (text, box, frame)
        assert frame.y0 <= box.y0 and box.y1 <= frame.y1, (text, box, frame)
    pairs = itertools.combinations(zip(words, boxes, strict=True), 2)
    for (one, box), (other, other_box) in pairs:
        overlap = matplotlib.transforms.Bbox.intersection(box, other_box)
        assert overlap is None or overlap.width < 0.5 or overlap.height < 0.5, (one, other)


def marked(ax, label: str) -> dict:
    """The rectangles with a label that begins so, by what they belong to, in drawing order."""
    found = {}
    for patch in ax.patches:
        if patch.get_label().startswith(f"_{label} of "):
            found.setdefault(patch.get_label().split(" of ")[1], []).append(patch)
    return found


def fronts(ax) -> dict:
    """The front sheet of every stage: the one drawn over the others."""
    return {
        name: max(sheets, key=lambda sheet: sheet.get_zorder())
        for name, sheets in marked(ax, "sheet").items()
    }


def in_cells(part, sheet, size) -> tuple[list[float], list[float]]:
    """[first, behind the last] of a rectangle on a sheet, in map rows and map columns."""
    height, width = (
        sheet.get_height() / size[0],
        sheet.get_width() / size[1],
    )
    top = sheet.get_y() + sheet.get_height()
    rows = [(top - part.get_y() - part.get_height()) / height, (top - part.get_y()) / height]
    left = part.get_x() - sheet.get_x()
    return rows, [left / width, (left + part.get_width()) / width]


# The network ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", TRACED)
def test_every_word_of_a_network_can_be_read(key):
    assert_legible(draw_network(rows_of(key)))


@pytest.mark.parametrize("key", TRACED)
def test_a_network_fits_the_text_column(key):
    width, _ = draw_network(rows_of(key)).figure.get_size_inches()
    assert width <= 7.2


def test_lenet_stands_in_one_line():
    ax = draw_network(rows_of("lenet5"))
    places = [sheet.get_x() for sheet in fronts(ax).values()]
    assert len(places) == 8
    assert places == sorted(places)


def test_the_stages_of_lenet_are_named_with_kind_window_and_shape():
    words = [text.get_text() for text in texts(draw_network(rows_of("lenet5")))]
    for name in ("input", "c1", "s2", "c3", "s4", "c5", "f6", "output"):
        assert words.count(name) == 1
    for shape in ("1 × 32 × 32", "6 × 28 × 28", "6 × 14 × 14", "16 × 10 × 10", "16 × 5 × 5"):
        assert words.count(shape) == 1
    assert {"120", "84", "10"} <= set(words)
    assert words.count("5×5") == 3 and words.count("2×2") == words.count("stride 2") == 2
    assert words.count("+ ScaledTanh") == 6
    assert {"Conv2d", "Subsampling", "TableConv2d", "EuclideanRBF"} <= set(words)


def test_rows_of_activation_norm_dropout_and_reshaping_are_folded_into_the_row_before():
    ax = draw_network(rows_of("alexnet"))
    assert len(fronts(ax)) == 1 + 5 + 3 + 3  # the input, convolutions, pools, linear layers
    words = [text.get_text() for text in texts(ax)]
    assert words.count("+ LocalResponseNorm") == 2
    assert words.count("+ Dropout") == 2
    assert not any("latten" in text for text in words)


def test_sides_of_maps_are_in_proportion_where_the_range_is_small():
    sheets = fronts(draw_network(rows_of("lenet5")))
    sides = {"input": 32, "c1": 28, "s2": 14, "c3": 10, "s4": 5}
    unit = sheets["input"].get_height() / 32
    for name, side in sides.items():
        assert sheets[name].get_height() == pytest.approx(side * unit)
        assert sheets[name].get_width() == pytest.approx(side * unit)


def test_sides_of_maps_follow_square_roots_where_the_range_is_wide():
    sheets = fronts(draw_network(rows_of("alexnet")))
    heights = [sheets[name].get_height() for name in ("input", "0.0", "0.3", "0.7")]
    expected = np.sqrt([227, 55, 27, 13])
    assert np.array(heights) / heights[0] == pytest.approx(expected / expected[0])


def test_a_map_that_is_higher_than_wide_is_drawn_so_on_every_scale():
    rows = trace(nn.Sequential(nn.MaxPool2d(9), nn.MaxPool2d((2, 3))), (1, 1, 180, 81))
    for ax in (draw_network(rows_of("odd")), draw_network(rows)):
        ratios = [sheet.get_height() / sheet.get_width() for sheet in fronts(ax).values()]
        traced = rows_of("odd") if len(ratios) > 3 else rows
        shapes = [traced[0].in_shape, *(traced[row].out_shape for row in kept_rows(traced))]
        assert ratios == pytest.approx([height / width for _, _, height, width in shapes])


def depth(sheets) -> float:
    return max(sheet.get_x() for sheet in sheets) - min(sheet.get_x() for sheet in sheets)


@pytest.mark.parametrize("key", ["lenet5", "alexnet", "vgg19", "odd"])
def test_a_stack_is_deeper_the_more_channels_it_has(key):
    rows = rows_of(key)
    ax = draw_network(rows)
    channels = {"input": rows[0].in_shape[1]}
    names = dict(zip(list(fronts(ax))[1:], kept_rows(rows), strict=True))
    channels |= {name: rows[row].out_shape[1] for name, row in names.items()}
    maps = {n: s for n, s in marked(ax, "sheet").items() if is_map(rows, names.get(n))}
    for one, other in itertools.combinations(maps, 2):
        difference = channels[one] - channels[other]
        assert np.sign(round(depth(maps[one]) - depth(maps[other]), 6)) == np.sign(difference)
    for name, sheets in maps.items():
        assert len(sheets) == 1 if channels[name] == 1 else 2 <= len(sheets) <= channels[name]


def kept_rows(rows) -> list[int]:
    """The rows that a drawing shows: those with weights of their own, or that move places.

    Of neighbours that are alike only the first.
    """
    kinds = ("Conv", "Pool", "Linear", "Subsampling", "RBF", "Upsample")
    kept = [n for n, row in enumerate(rows) if any(k in row.kind for k in kinds)]
    alike = [
        (row.kind, row.windows, row.in_shape, row.parameters) for row in map(rows.__getitem__, kept)
    ]
    return [row for n, row in enumerate(kept) if not n or alike[n] != alike[n - 1]]


def is_map(rows, number: int | None) -> bool:
    shape = rows[0].in_shape if number is None else rows[number].out_shape
    return len(shape) == 4 and shape[2:] != (1, 1)


@pytest.mark.parametrize("key", ["lenet5", "lenet_modern", "alexnet", "vgg19", "odd"])
def test_a_marked_window_is_exactly_what_the_marked_unit_reads(key):
    rows = rows_of(key)
    ax = draw_network(rows)
    sheets, windows, units = fronts(ax), marked(ax, "window"), marked(ax, "unit")
    names = list(sheets)
    numbers = [-1, *kept_rows(rows)]
    checked = 0
    for below, above in itertools.pairwise(range(len(names))):
        if names[above] not in units:
            continue
        row, source = numbers[above], numbers[below]
        size = rows[row].out_shape[2:]
        middle = [
            sum(span) / 2 for span in in_cells(units[names[above]][0], sheets[names[above]], size)
        ]
        unit = [int(place) for place in middle]
        assert middle == pytest.approx([place + 0.5 for place in unit])
        size = rows[source].out_shape[2:] if source >= 0 else rows[0].in_shape[2:]
        read = rows[row].inputs[0]  # the last of those that stand for ``source``
        drawn = in_cells(windows[names[above]][0], sheets[names[below]], size)
        for span, (first, behind) in zip(seen_by(rows, row, unit)[read], drawn, strict=True):
            assert (first, behind) == pytest.approx((span.start, span.stop))
        checked += 1
    assert checked == sum(is_map(rows, row) for row in numbers[1:])


@pytest.mark.parametrize("key", TRACED)
def test_lines_run_from_the_window_to_the_unit(key):
    ax = draw_network(rows_of(key))
    windows, units, sheets = marked(ax, "window"), marked(ax, "unit"), fronts(ax)
    ends = {(round(x, 3), round(y, 3)) for line in ax.lines for x, y in line.get_xydata()}
    for name, (window,) in windows.items():
        right = window.get_x() + window.get_width()
        for y in (window.get_y(), window.get_y() + window.get_height()):
            assert (round(right, 3), round(y, 3)) in ends
        if name in units:
            [unit] = units[name]
            middle = unit.get_x() + unit.get_width() / 2, unit.get_y() + unit.get_height() / 2
            assert (round(middle[0], 3), round(middle[1], 3)) in ends
        else:
            bar = sheets[name]
            assert (round(bar.get_x(), 3), round(bar.get_y(), 3)) in ends


def test_longer_vectors_have_longer_bars():
    bars = fronts(draw_network(rows_of("lenet5")))
    heights = [bars[name].get_height() for name in ("c5", "f6", "output")]
    assert np.array(heights) / heights[0] == pytest.approx(np.sqrt([1, 84 / 120, 10 / 120]))


def test_stacks_refuse_a_branch_by_name_and_draw_its_summary():
    rows = trace(residual(), (1, 3, 20, 30))
    with pytest.raises(ValueError, match=r"row 2 \(1\.add\) reads rows \[.*\], not just row 1"):
        draw_stacks(rows)
    ax = draw_network(summarise(rows))
    assert_legible(ax)
    assert list(fronts(ax)) == ["input", "0", "1", "2", "3"]
    assert set(marked(ax, "window")) == {"0", "2"}  # a block has no single window


def test_a_module_called_input_is_not_the_networks_input():
    rows = trace(nn.Sequential(OrderedDict(input=nn.Conv2d(1, 2, 3))), (1, 1, 9, 7))
    words = [text.get_text() for text in texts(draw_network(rows))]
    assert words.count("input") == 2 and "Conv2d" in words and "3×3" in words


def test_neighbours_that_are_alike_are_one_stack_that_is_counted():
    words = [text.get_text() for text in texts(draw_network(rows_of("vgg19")))]
    # In each of the last three stages of four convolutions, those after the first; all four of the
    # last stage, which is as wide as the one before.
    assert words.count("×3") == 2 and words.count("×4") == 1
    assert "(Conv2d, 3×3, padding 1, then ReLU), and 3 more like it" in describe_network(
        rows_of("vgg19")
    )


# --- Branched networks --------------------------------------------------------------------------


def cards(ax) -> dict[str, object]:
    return {
        patch.get_label().removeprefix("_card "): patch
        for patch in ax.patches
        if str(patch.get_label()).startswith("_card ")
    }


def test_a_branched_network_is_drawn_as_cards_with_shape_parameters_and_field():
    ax = draw_network(trace(residual(), (1, 3, 20, 30)))
    words = [text.get_text() for text in texts(ax)]
    assert words.count("input") == 1 and words.count("3 × 20 × 30") == 1
    assert list(cards(ax))[:2] == ["input", "0"]
    assert words.count("add") == 2  # a block that halves its map between the two: no repeat
    assert "8 × 9 × 14" in words and "224 · field 3" in words
    assert describe_network(trace(residual(), (1, 3, 20, 30))).startswith("The network from top")


@pytest.mark.parametrize("key", ["googlenet", "resnet152", "inception_v4", "densenet121"])
def test_every_word_of_a_graph_stands_within_its_card(key):
    side = 299 if key == "inception_v4" else 224
    ax = draw_network(trace(MODELS[key](), (1, 3, side, side)))
    ax.figure.canvas.draw()
    boxes = [patch.get_window_extent().padded(1) for patch in cards(ax).values()]
    for text in texts(ax):
        extent = text.get_window_extent()
        if text.get_text().startswith("×"):
            continue  # a frame's own word
        assert any(
            box.containsx(extent.x0)
            and box.containsx(extent.x1)
            and box.containsy(extent.y0)
            and box.containsy(extent.y1)
            for box in boxes
        ), text.get_text()


def test_a_graph_fits_the_axes_it_is_given_or_says_what_is_enough():
    rows = trace(residual(), (1, 3, 20, 30))
    _, ax = plt.subplots(figsize=(4, 6))
    assert draw_network(rows, ax) is ax
    for patch in cards(ax).values():
        assert ax.get_window_extent().padded(1).contains(*patch.get_window_extent().min)
        assert ax.get_window_extent().padded(1).contains(*patch.get_window_extent().max)
    _, ax = plt.subplots(figsize=(1, 1))
    with pytest.raises(ValueError, match="too small for .* cards") as refusal:
        draw_network(rows, ax)
    width, height = map(float, re.findall(r"([\d.]+) × ([\d.]+) are enough", str(refusal.value))[0])
    draw_network(rows, plt.figure(figsize=(width + 0.1, height + 0.1)).add_axes((0, 0, 1, 1)))


def test_no_rows_and_other_than_maps_and_vectors_are_refused():
    with pytest.raises(ValueError, match="rows is empty"):
        draw_network([])
    with pytest.raises(ValueError, match=r"input has shape \(1, 2, 30\)"):
        draw_network(trace(nn.Sequential(nn.Conv1d(2, 3, 5)), (1, 2, 30)))


@pytest.mark.parametrize("size", [(9, 3.6), (6.4, 4.8), (12, 5), (4, 8)])
def test_a_drawing_fits_the_axes_it_is_given(size):
    figure, ax = plt.subplots(figsize=size)
    assert draw_network(rows_of("lenet5"), ax) is ax
    assert plt.get_fignums() == [figure.number]
    assert_legible(ax)


def test_axes_that_are_too_small_are_refused_with_a_size_that_is_not():
    rows = rows_of("lenet5")
    with pytest.raises(ValueError, match="too small for 8 stages") as refusal:
        draw_network(rows, plt.subplots(figsize=(3, 1))[1])
    width, height = map(float, re.findall(r"([\d.]+) × ([\d.]+) are enough", str(refusal.value))[0])
    figure = plt.figure(figsize=(width + 0.1, height + 0.1))
    assert_legible(draw_network(rows, figure.add_axes((0, 0, 1, 1))))


def test_the_words_of_a_network_name_every_stage():
    words = describe_network(rows_of("lenet5"))
    assert "Input of 1 × 32 × 32" in words
    assert "s2 (Subsampling, 2×2, stride 2, then ScaledTanh) gives 6 × 14 × 14" in words
    assert "f6 (Conv2d, 1×1, then ScaledTanh) gives 84" in words
    assert "Sides of maps are drawn in proportion" in words
    assert "by square roots" in describe_network(rows_of("alexnet"))
    assert "dilation 1×4" in describe_network(rows_of("odd"))


# Receptive fields -------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "last", "unit"), [("lenet5", 7, (0, 4)), ("vgg19", 36, (3, 6))])
def test_windows_on_the_input_are_what_the_units_see_one_within_another(key, last, unit):
    rows = rows_of(key)[: last + 1]
    ax = draw_receptive_fields(rows, unit)
    assert_legible(ax)
    boxes = [patch.get_bbox() for patch in ax.patches if patch.get_label().startswith("_field")]
    down, across = seen_by(rows, last, unit)[-1]
    outer = boxes[0]
    assert (outer.x0, outer.x1) == (across.start, across.stop)
    assert sorted((outer.y0, outer.y1)) == [down.start, down.stop]
    for large, small in itertools.pairwise(boxes):
        assert large.x0 <= small.x0 and small.x1 <= large.x1
        assert min(large.y0, large.y1) <= min(small.y0, small.y1)
        assert max(small.y0, small.y1) <= max(large.y0, large.y1)


def test_fields_of_lenet_have_the_sizes_of_the_paper():
    words = [text.get_text() for text in texts(draw_receptive_fields(rows_of("lenet5"), (0, 0)))]
    assert words == ["c5  32 × 32", "s4  16 × 16", "c3  14 × 14", "s2  6 × 6", "c1  5 × 5"]


def test_the_unit_in_the_middle_of_what_is_read_stands_for_its_row():
    # S4's unit 2 of 0-4; then C3's 5 of 4-5, S2's 7 of 5-9, C1's 15 of 14-15, which sees 15-19.
    words = describe_receptive_fields(rows_of("lenet5"), (0, 0))
    assert "c1 sees 5 × 5, rows 15 to 19, columns 15 to 19;" in words
    assert "c5 sees 32 × 32, rows 0 to 31, columns 0 to 31." in words


def test_fields_are_drawn_through_branches_and_clipped_at_the_border():
    rows = trace(residual(), (1, 3, 20, 30))
    ax = draw_receptive_fields(rows, (0, 6))
    down, across = seen_by(rows, len(rows) - 1, (0, 6))[-1]
    assert down.start == 0
    [outer] = [p for p in ax.patches if p.get_label().startswith("_field")][:1]
    assert (outer.get_y(), outer.get_height()) == (0, len(down))
    assert (outer.get_x(), outer.get_width()) == (across.start, len(across))
    assert f"rows 0 to {down.stop - 1}" in describe_receptive_fields(rows, (0, 6))


class Projected(nn.Module):
    """A branch of two convolutions, then one of a single point: its window comes late but small."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
        self.shortcut = nn.Conv2d(2, 2, 1)

    def forward(self, x):
        return self.conv2(self.conv1(x)) + self.shortcut(x)


def test_a_window_that_several_branches_share_is_drawn_once_and_in_order_of_size():
    rows = trace(nn.Sequential(nn.Conv2d(3, 2, 5), Projected()), (1, 3, 40, 50))
    words = [text.get_text() for text in texts(draw_receptive_fields(rows, (9, 9)))]
    assert words == ["1.conv2  9 × 9", "1.conv1  7 × 7", "0  5 × 5"]


def test_the_fields_fit_small_axes_by_leaving_some_out():
    rows = rows_of("vgg19")[:37]
    ax = draw_receptive_fields(rows, (3, 3), plt.subplots(figsize=(6, 2))[1])
    assert_legible(ax)
    shown = sum(patch.get_label().startswith("_field") for patch in ax.patches)
    assert 5 < shown < 20


def test_a_unit_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"unit=\(5, 0\)"):
        draw_receptive_fields(rows_of("lenet5")[:8], (5, 0))


# Tables, counts and weights ---------------------------------------------------------------------


def test_the_table_of_c3_is_drawn_dot_for_dot():
    ax = draw_table(C3_TABLE)
    assert_legible(ax)
    dots = {(int(x), int(y)) for x, y in ax.collections[-1].get_offsets()}
    assert dots == {
        (o, i) for i, row in enumerate(C3_TABLE) for o, mark in enumerate(row) if mark == "X"
    }
    assert len(dots) == 60
    counts = [int(text.get_text()) for text in ax.texts]
    assert counts == [3] * 6 + [4] * 9 + [6]


def test_a_table_of_truth_values_is_drawn_like_one_of_letters():
    marks = [[True, False, True], [False, False, True]]
    dots = draw_table(marks).collections[-1].get_offsets().tolist()
    assert sorted(dots) == [[0, 0], [2, 0], [2, 1]]
    assert describe_table(marks) == describe_table(("X.X", "..X"))
    assert "0 reads 0; 1 reads none; 2 reads 0, 1" in describe_table(marks)
    with pytest.raises(ValueError, match=r"lengths \[1, 2\]"):
        draw_table([[1], [1, 0]])


COUNTS = np.array([[50, 0, 7], [1, 60, 0], [0, 12, 40]])


def test_counts_stand_at_true_class_and_answer():
    ax = draw_confusion(COUNTS, ["cat", "dog", "owl"])
    assert_legible(ax)
    written = {text.get_position(): int(text.get_text()) for text in ax.texts}
    assert written == {
        (0.5, 0.5): 50, (2.5, 0.5): 7, (0.5, 1.5): 1, (1.5, 1.5): 60, (1.5, 2.5): 12, (2.5, 2.5): 40
    }  # fmt: skip
    assert ax.get_ylim() == (3, 0)  # the first class on top
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cat", "dog", "owl"]


def test_only_mistakes_are_coloured():
    mesh = draw_confusion(COUNTS, list("abc")).collections[0]
    expected = np.ma.masked_equal([[0, 0, 7], [1, 0, 0], [0, 12, 0]], 0)
    assert (np.ma.getmaskarray(mesh.get_array()).reshape(3, 3) == expected.mask).all()
    assert mesh.get_array().compressed().tolist() == [7, 1, 12]


def contrast(one, other) -> float:
    """WCAG 2's contrast of two colours."""

    def luminance(colour) -> float:
        channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return float(np.dot(channels, (0.2126, 0.7152, 0.0722)))

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_counts_can_be_read_on_every_shade():
    counts = np.diag([9] * 12)
    counts[0, 1:] = range(1, 12)
    ax = draw_confusion(counts, [str(i) for i in range(12)])
    ax.figure.canvas.draw()
    mesh = ax.collections[0]
    for text in ax.texts:
        column, row = (int(place) for place in text.get_position())
        count = counts[row, column]
        shade = (1, 1, 1) if row == column else mesh.cmap(mesh.norm(count))[:3]
        assert contrast(to_rgb(text.get_color()), shade) >= 4.5, count


def test_long_class_names_are_set_upright_and_do_not_overlap():
    names = ["Egyptian cat", "espresso", "tripod", "golf ball", "stupa"]
    assert_legible(draw_confusion(np.eye(5, dtype=int) * 3, names))


def test_the_words_of_the_counts_name_the_commonest_mistakes():
    words = describe_confusion(COUNTS, ["cat", "dog", "owl"])
    assert "150 of 170 are right" in words
    assert "owl taken for dog, 12 times; cat taken for owl, 7 times; dog taken for cat, 1" in words
    assert "no mistakes" in describe_confusion(np.eye(2, dtype=int), "ab")


@pytest.mark.parametrize(
    ("matrix", "categories", "message"),
    [
        (np.ones((2, 3), int), "ab", r"matrix of shape \(2, 3\)"),
        (np.ones((2, 2), int), "abc", "3 categories"),
        (np.ones((2, 2)), "ab", "expected counts"),
        (-np.ones((2, 2), int), "ab", "least -1"),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(matrix, categories, message):
    with pytest.raises(ValueError, match=message):
        draw_confusion(matrix, categories)


def epochs(*accuracies: tuple[float, float]) -> list[dict]:
    return [{"train_accuracy": train, "test_accuracy": test} for train, test in accuracies]


CURVES = {
    "plain": [epochs((0.1, 0.2), (0.3, 0.25), (0.5, 0.45))],
    "residual": [epochs((0.2, 0.3), (0.6, 0.5)), epochs((0.1, 0.3), (0.7, 0.55))],
}


def test_learning_curves_are_errors_after_each_epoch():
    ax = draw_learning_curves(CURVES)
    assert_legible(ax)
    drawn = {line.get_label(): line.get_xydata().tolist() for line in ax.get_lines()}
    expected = [[1, 80], [2, 75], [3, 55]]
    assert np.allclose(drawn["plain"], expected)
    assert np.allclose(drawn["residual"], [[1, 70], [2, 50]])
    assert np.allclose(drawn["_residual"], [[1, 70], [2, 45]])
    first = ax.get_lines()[0]
    assert first.get_linestyle() == "--"
    assert np.allclose(first.get_ydata(), [90, 70, 50])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["plain", "residual"]


def test_a_long_training_has_few_ticks_and_a_short_one_a_tick_an_epoch():
    for epochs, ticks in ((3, [1, 2, 3]), (50, [1, 5, 9, 13, 17, 21, 25, 29, 33, 37, 41, 45, 49])):
        ax = draw_learning_curves({"plain": [CURVES["plain"][0][:1] * epochs]})
        assert ax.get_xticks().tolist() == ticks


def test_runs_of_one_name_look_alike_and_names_differ_by_colour_and_marker():
    lines = [x for x in draw_learning_curves(CURVES).get_lines() if x.get_linestyle() == "-"]
    looks = {(line.get_color(), line.get_marker()) for line in lines}
    assert len(lines) == 3
    assert len(looks) == len({colour for colour, _ in looks}) == len({m for _, m in looks}) == 2
    assert (lines[1].get_color(), lines[1].get_marker()) == (
        lines[2].get_color(),
        lines[2].get_marker(),
    )


def test_the_words_of_learning_curves_are_the_last_errors():
    words = describe_learning_curves(CURVES)
    assert "plain ends at an error of 55.0% on test and 50.0% on training images" in words
    assert "residual ends at an error of 50.0% on test and 40.0% on training images, 45.0%" in words


@pytest.mark.parametrize("logs", [[], [[]]])
def test_a_curve_without_epochs_is_refused(logs):
    for function in (draw_learning_curves, describe_learning_curves):
        with pytest.raises(ValueError, match="'plain' has no epochs"):
            function({"plain": logs})


def test_more_curves_than_can_be_told_apart_are_refused():
    with pytest.raises(ValueError, match="9 names: expected 8"):
        draw_learning_curves({str(n): CURVES["plain"] for n in range(9)})


@pytest.mark.parametrize(
    "shape", [(6, 1, 5, 5), (9, 1, 5, 3), (4, 3, 2, 5), (16, 6, 5, 5), (24, 2, 2, 3), (30, 2, 3, 3)]
)
def test_every_kernel_is_a_picture_with_its_own_weights(shape):
    outputs, inputs, high, wide = shape
    weights = torch.randn(shape, requires_grad=True)
    ax = draw_kernels(weights)
    assert_legible(ax)
    mosaic = ax.collections[0].get_array().filled(np.nan)
    across = (mosaic.shape[1] + 1) // (wide + 1)
    block = inputs * (high + 1) + (inputs > 1)
    found = np.full(shape, np.nan)
    for output, input in np.ndindex(outputs, inputs):
        top = output // across * block + input * (high + 1)
        left = output % across * (wide + 1)
        found[output, input] = mosaic[top : top + high, left : left + wide]
    assert (found == weights.detach().numpy()).all()
    assert np.isfinite(mosaic).sum() == weights.numel()


def test_one_scale_with_zero_in_its_middle_serves_all_kernels():
    mesh = draw_kernels(np.array([[[[0.5, -2.0]]], [[[1.0, 0.0]]]])).collections[0]
    assert (mesh.norm.vmin, mesh.norm.vmax) == (-2, 2)
    low, zero, high = (mesh.cmap(mesh.norm(value))[:3] for value in (-2, 0, 2))
    assert low[2] > low[0] and high[0] > high[2] and np.ptp(zero) < 0.01


def test_kernels_that_do_not_exist_stay_empty():
    weights = np.ones((3, 2, 2, 2))
    weights[1, 0] = np.nan
    ax = draw_kernels(weights)
    assert np.isfinite(ax.collections[0].get_array().filled(np.nan)).sum() == 5 * 4
    assert describe_kernels(weights).startswith("5 kernels of 2 × 2, from 2 input to 3 output")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((3, 5, 5)), r"shape \(3, 5, 5\)"),
        (np.full((1, 1, 2, 2), np.inf), "finite"),
        (np.full((1, 1, 2, 2), np.nan), "finite"),
        (np.ones((100, 100, 1, 1)), "at most 4,096"),
    ],
)
def test_what_is_no_set_of_kernels_is_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        draw_kernels(weights)


# All of them ------------------------------------------------------------------------------------

DRAWINGS = {
    "network": lambda ax: draw_network(rows_of("lenet5"), ax),
    "fields": lambda ax: draw_receptive_fields(rows_of("lenet5"), (0, 0), ax),
    "table": lambda ax: draw_table(C3_TABLE, ax),
    "counts": lambda ax: draw_confusion(COUNTS, list("abc"), ax),
    "kernels": lambda ax: draw_kernels(np.ones((6, 1, 5, 5)), ax),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_comes_back_on_the_axes_it_was_given_and_shows_nothing(name, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: pytest.fail("it was shown"))
    figure, ax = plt.subplots(figsize=(8, 5))
    assert DRAWINGS[name](ax) is ax
    assert plt.get_fignums() == [figure.number]
    assert_legible(ax)


@pytest.mark.parametrize("name", DRAWINGS)
def test_an_own_figure_is_transparent(name):
    ax = DRAWINGS[name](None)
    assert ax.figure.get_facecolor()[3] == 0
    assert ax.get_facecolor()[3] == 0


@pytest.mark.parametrize("name", DRAWINGS)
def test_words_are_dark_enough_on_white_and_turned_over_on_a_dark_page(name):
    for text in texts(DRAWINGS[name](None)):
        colour = to_rgb(text.get_color())
        assert contrast(colour, (1, 1, 1)) >= 4.5, text
        assert contrast([1 - c for c in colour], to_rgb("#14181e")) >= 4.5, text
