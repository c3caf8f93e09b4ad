"""Drawings of networks, from their traces: matplotlib axes in, matplotlib axes out.

Every function takes an optional ``ax``, draws on it or on axes of its own, and returns it. Nothing
is shown and no global setting is touched. Backgrounds are transparent, inks are dark and colours
of middle lightness, so that a page's dark theme can turn the picture over (``invert`` and
``hue-rotate`` by 180 degrees) and keep it legible. Text is 9 points at the figure's own size.

Each drawing has its words: ``describe_network`` for ``draw_network``, and so on, for a figure's
text alternative.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

from cnnlib.geometry import Window, input_indices
from cnnlib.trace import LayerTrace, seen_by

INK = "#1f2328"
MUTED = "#57606a"
INPUT = ("#0b62b8", "#d5e7fa")  # edge and face
HIDDEN = ("#57606a", "#e9edf2")
OUTPUT = ("#05695a", "#cdeee6")
KERNEL = "#b85c00"
DIVERGING = LinearSegmentedColormap.from_list("blue-orange", ["#0b62b8", "#f4f4f4", "#b85c00"])

TEXT = 9  # points
LEADING = 11.5  # points from line to line
PAGE = 518  # points: the width of a figure that is to stand in a page's text column


# The network ------------------------------------------------------------------------------------


def draw_network(layers: Sequence[LayerTrace], ax: Axes | None = None) -> Axes:
    """The classic drawing: each tensor a stack of sheets, each kernel's window marked.

    ``layers`` are the records of :func:`cnnlib.trace.trace`, or of ``summarise``, of a network
    whose rows each read the one before. A sheet's height and width follow the map's, a stack's
    depth the number of channels, and a vector is a bar as long as it has entries. Maps' longer
    sides, depths and bars have a scale each: in proportion where the largest is at most 8 times the
    smallest, by square roots up to 64 times, else by logarithms; ``describe_network`` says which.

    On a sheet the window of one unit is marked, as the trace has it, with lines to that unit.
    Rows that only work place by place on the same numbers (activations, dropout, normalisation)
    are folded into the row before and named under it. A network too long for one line goes on in
    the next.

    With ``ax``, the drawing fits its present size. Raises ``ValueError`` where it does not, where
    a row reads another than the one before, and for tensors that are neither (N, C, H, W) nor
    (N, C).
    """
    stages = _stages(layers)
    if ax is None:
        plans = (_fitted(stages, PAGE, math.inf, [side]) for side in (76, 70, 64, 58))
        plan = min(plans, key=lambda plan: (len(plan.lines), plan.levels))
        ax = _own_axes(plan.width, plan.height)
        height = plan.height
    else:
        width, height = _size_in_points(ax)
        plan = _fitted(stages, width, height, [140, 116, 96, 76, 62, 50, 40, 30, 24, 18])
        ax.set_xlim(0, width)
        ax.set_ylim(0, height)
        ax.set_aspect("auto")
        ax.axis("off")
    top = height - (height - plan.height) / 2
    boxes: list[_Box] = []
    for line in plan.lines:
        boxes += _draw_line(ax, line, top, plan)
        top -= line.height + GAP_BETWEEN_LINES
    for number, (source, target) in enumerate(zip(boxes, boxes[1:], strict=False)):
        _draw_window(ax, source, target, low=bool(number % 2), plan=plan)
    return ax


def describe_network(layers: Sequence[LayerTrace]) -> str:
    """What ``draw_network`` draws, in words."""
    stages = _stages(layers)
    words = [f"Input of {_times(stages[0].shape)}"]
    for stage in stages[1:]:
        made = ", ".join([stage.rows[0].kind, *_settings(stage.rows[0])])
        after = f", then {' and '.join(stage.folded)}" if stage.folded else ""
        words.append(f"{stage.name} ({made}{after}) gives {_times(stage.shape)}")
    scales = _Scales(stages, 1)
    return (
        f"The network as a row of tensors, each a stack of its maps. {'; '.join(words)}. "
        f"Sides of maps are drawn {scales.sides.words}, depths {scales.depths.words}, "
        f"vectors {scales.bars.words}."
    )


GAP = 12  # points between neighbours' stacks, and between neighbours' words
MARGIN = 12
GAP_BETWEEN_LINES = 16
BAR = 8  # width of a vector's bar
SLANT = (0.8, 0.45)  # the way that a stack's sheets go back, right and up, per point of depth


@dataclass
class _Stage:
    """A tensor of the drawing: its row and those folded into it. The input has none of its own."""

    rows: list[LayerTrace]
    shape: tuple[int, ...]  # without the batch
    name: str
    is_input: bool = False

    @property
    def channels(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        return self.shape[1:] or (1, 1)

    @property
    def is_vector(self) -> bool:
        return self.size == (1, 1)

    @property
    def folded(self) -> list[str]:
        """The kinds of the rows folded in, those left out that only reshape."""
        inside = self.rows if self.is_input else self.rows[1:]
        return [row.kind for row in inside if len(row.in_shape) == len(row.out_shape)]

    @cached_property
    def above(self) -> list[str]:
        """The words over the stack."""
        return [*_broken(self.name), _times(self.shape)]

    @cached_property
    def below(self) -> list[str]:
        """The words under the stack."""
        made = [] if self.is_input else [self.rows[0].kind, *_settings(self.rows[0])]
        return made + [f"+ {kind}" for kind in self.folded]

    @cached_property
    def widths(self) -> tuple[float, float]:
        """Points that the words above and below take."""
        return _widest(self.above), _widest(self.below)


def _stages(layers: Sequence[LayerTrace]) -> list[_Stage]:
    if not layers:
        raise ValueError("layers is empty: expected the records of cnnlib.trace.trace")
    shape = _drawable("the network's input", layers[0].in_shape)
    stages = [_Stage([], shape, "input", is_input=True)]
    for number, layer in enumerate(layers):
        if layer.inputs != (number - 1,):
            raise ValueError(
                f"row {number} ({layer.name}) reads rows {list(layer.inputs)}, not just row "
                f"{number - 1}: only chains can be drawn. A branched network may be a chain of "
                "blocks: try cnnlib.trace.summarise(layers)"
            )
        if _is_place_by_place(layer):
            stages[-1].rows.append(layer)
        else:
            stages.append(_Stage([layer], _drawable(layer.name, layer.out_shape), layer.name))
    names = _group_names([[row.name for row in stage.rows] for stage in stages[1:]])
    for stage, name in zip(stages[1:], names, strict=True):
        stage.name = name
    return stages


def _drawable(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) not in (2, 4):
        raise ValueError(f"{name} has shape {shape}: expected (N, C, H, W) or (N, C)")
    return shape[1:]


def _is_place_by_place(layer: LayerTrace) -> bool:
    """Whether the row keeps every number's place and multiplies by no weights: it can be folded."""
    return (
        layer.macs == 0
        and bool(layer.windows)
        and math.prod(layer.in_shape) == math.prod(layer.out_shape)
        and all(window in (None, Window(1)) for window in layer.windows)
    )


def _group_names(groups: list[list[str]]) -> list[str]:
    """A name for each group of rows: the shortest part of its first row's that is its alone.

    ``c1`` for ``c1.0`` and ``c1.1``; but ``features.0`` where ``features.3`` is in another group.
    """
    everything = [name for group in groups for name in group]

    def inside(prefix: str, names: list[str]) -> int:
        return sum(name == prefix or name.startswith(f"{prefix}.") for name in names)

    found = []
    for group in groups:
        parts = group[0].split(".")
        prefixes = [".".join(parts[: end + 1]) for end in range(len(parts))]
        own = (p for p in prefixes if inside(p, group) == inside(p, everything))
        found.append(next(own, group[0]))
    return found


def _settings(layer: LayerTrace) -> list[str]:
    """The row's windows in words: kernel, then what is not usual."""
    windows = [
        reading if isinstance(reading, Window) else reading.chain[-1]
        for reading in layer.windows
        if isinstance(reading, Window) or (reading and reading.chain)
    ]
    if len(windows) != 2 or (windows == [Window(1)] * 2 and "Conv" not in layer.kind):
        return []
    words = [_pair([window.kernel_size for window in windows], always=True)]
    for name in ("stride", "dilation"):
        values = [getattr(window, name) for window in windows]
        if values != [1, 1]:
            words.append(f"{name} {_pair(values)}")
    paddings = [
        window.before if window.before == window.after else f"{window.before}+{window.after}"
        for window in windows
    ]
    return words + ([f"padding {_pair(paddings)}"] if paddings != [0, 0] else [])


def _pair(values: Sequence, always: bool = False) -> str:
    return f"{values[0]}" if values[0] == values[1] and not always else f"{values[0]}×{values[1]}"


def _times(sizes: Sequence[int]) -> str:
    """``6 × 28 × 28``; ``84`` for (84,) and for (84, 1, 1)."""
    shown = sizes[:1] if all(size == 1 for size in sizes[1:]) else sizes
    return " × ".join(map(str, shown))


def _broken(name: str, most: int = 14) -> list[str]:
    """A dotted name in lines of about ``most`` letters."""
    lines = [""]
    for part in name.replace(".", ".\n").split("\n"):
        if lines[-1] and len(lines[-1] + part) > most:
            lines.append("")
        lines[-1] += part
    return lines


class _Scale:
    """Lengths for numbers: in proportion, by square roots or by logarithms, as their range asks."""

    def __init__(self, values: Sequence[int], longest: float) -> None:
        self.longest, self.most = longest, max(values, default=1)
        spread = self.most / min(values, default=1)
        self.curve, self.words = (
            (float, "in proportion")
            if spread <= 8
            else (math.sqrt, "by square roots")
            if spread <= 64
            else (lambda value: math.log2(1 + value), "by logarithms")
        )

    def __call__(self, value: int) -> float:
        return self.longest * self.curve(value) / self.curve(self.most)


class _Scales:
    """The drawing's three scales; ``side`` is the length of the largest map's longer side."""

    def __init__(self, stages: Sequence[_Stage], side: float) -> None:
        maps = [stage for stage in stages if not stage.is_vector]
        self.sides = _Scale([max(stage.size) for stage in maps], side)
        self.depths = _Scale([stage.channels for stage in maps], 0.5 * side)
        self.bars = _Scale([stage.channels for stage in stages if stage.is_vector], side)

    def stack(self, stage: _Stage) -> tuple[float, float, float]:
        """Height, width and depth of a stage's picture; a single map has no depth."""
        if stage.is_vector:
            return self.bars(stage.channels), BAR, 0
        longer = max(stage.size)
        height, width = (self.sides(longer) * length / longer for length in stage.size)
        depth = self.depths(stage.channels) if stage.channels > 1 else 0
        return height, width, depth


@dataclass
class _Line:
    """One line of the drawing: its stages, where their middles stand, and how high it is."""

    stages: list[_Stage]
    middles: list[float]
    width: float
    height: float
    stack: float  # height of the tallest stack
    above: int  # lines of words above


@dataclass
class _Plan:
    lines: list[_Line]
    scales: _Scales
    levels: int
    width: float
    height: float


@dataclass
class _Box:
    """Where a stage's front sheet, or its bar, was drawn."""

    stage: _Stage
    x: float
    y: float
    width: float
    height: float
    line: _Line
    zorder: float

    def part(self, rows: range, columns: range) -> tuple[float, float, float, float]:
        """x, y, width and height of a window of the map; all of it for a vector."""
        height, width = self.stage.size
        unit_x, unit_y = self.width / width, self.height / height
        return (
            self.x + columns.start * unit_x,
            self.y + self.height - rows.stop * unit_y,
            len(columns) * unit_x,
            len(rows) * unit_y,
        )


def _fitted(stages: list[_Stage], width: float, height: float, sides: list[float]) -> _Plan:
    """The plan with the fewest lines, one level of words before two, the largest side that fits."""
    for side in sides:
        scales = _Scales(stages, side)
        plans = [plan for levels in (1, 2) if (plan := _planned(stages, scales, width, levels))]
        plans = [plan for plan in plans if plan.height <= height]
        if plans:
            return min(plans, key=lambda plan: (len(plan.lines), plan.levels))
    enough = _fitted(stages, max(width, PAGE), math.inf, [30])
    raise ValueError(
        f"axes of {width / 72:.1f} × {height / 72:.1f} inches: too small for {len(stages)} stages "
        f"and their words; {enough.width / 72:.1f} × {enough.height / 72:.1f} are enough"
    )


def _planned(stages: list[_Stage], scales: _Scales, width: float, levels: int) -> _Plan | None:
    """Stages set in as few lines as ``width`` allows, of about equal length; None if none fits."""
    fewest = _lines(stages, scales, width - 2 * MARGIN, levels)
    if fewest is None:
        return None
    narrow = min(line.width for line in fewest)
    best = fewest
    for limit in np.linspace(narrow, width - 2 * MARGIN, 24):
        lines = _lines(stages, scales, limit, levels)
        if lines is not None and len(lines) == len(fewest):
            best = lines
            break
    widest = max(line.width for line in best) + 2 * MARGIN
    height = sum(line.height for line in best) + GAP_BETWEEN_LINES * (len(best) - 1)
    return _Plan(best, scales, levels, widest, height + 4)


def _lines(stages: list[_Stage], scales: _Scales, width: float, levels: int) -> list[_Line] | None:
    lines = []
    rest = list(stages)
    while rest:
        count = 1
        line = _line(rest[:1], scales, levels)
        if line.width > width:
            return None
        while count < len(rest):
            longer = _line(rest[: count + 1], scales, levels)
            if longer.width > width:
                break
            line, count = longer, count + 1
        lines.append(line)
        rest = rest[count:]
    return lines


def _line(stages: list[_Stage], scales: _Scales, levels: int) -> _Line:
    """Stages side by side, as close as their stacks and words allow."""
    sizes = [scales.stack(stage) for stage in stages]
    stacks = [width + depth * SLANT[0] for _, width, depth in sizes]
    above, below = zip(*(stage.widths for stage in stages), strict=True)
    halves = [max(trio) / 2 for trio in zip(stacks, above, below, strict=True)]
    middles = [halves[0]]
    for i in range(1, len(stages)):
        apart = [(stacks[i - 1] + stacks[i]) / 2 + GAP, (above[i - 1] + above[i]) / 2 + GAP / 2]
        if levels == 1:
            apart.append((below[i - 1] + below[i]) / 2 + GAP / 2)
        else:  # the upper words of one beside the other's leader
            apart.append(below[i if i % 2 == 0 else i - 1] / 2 + GAP / 2)
        middle = middles[-1] + max(apart)
        if levels == 2 and i > 1:
            middle = max(middle, middles[-2] + (below[i - 2] + below[i]) / 2 + GAP / 2)
        middles.append(max(middle, halves[i]))
    width = max(middle + half for middle, half in zip(middles, halves, strict=True))
    stack = max(height + depth * SLANT[1] for height, _, depth in sizes)
    words = max(len(stage.above) for stage in stages)
    words_below = sum(
        max((len(stage.below) for stage in stages[level::levels]), default=0)
        for level in range(levels)
    )
    height = (words + words_below) * LEADING + stack + 4 * (2 + levels)
    return _Line(stages, middles, width, height, stack, words)


def _widest(lines: Sequence[str]) -> float:
    return max((_text_width(line) for line in lines), default=0)


def _text_width(text: str) -> float:
    """Points that the text takes in the drawing's bolder face."""
    face = FontProperties(size=TEXT, weight="bold")
    return text_to_path.get_text_width_height_descent(text, face, ismath=False)[0]


def _draw_line(ax: Axes, line: _Line, top: float, plan: _Plan) -> list[_Box]:
    """Draw the stages of a line below ``top``."""
    offset = (plan.width - line.width) / 2 if len(plan.lines) == 1 else MARGIN
    middle = top - 4 - line.above * LEADING - line.stack / 2
    floor = middle - line.stack / 2 - 4
    first = max((len(stage.below) for stage in line.stages[0 :: plan.levels]), default=0)
    boxes = []
    for i, (stage, x) in enumerate(zip(line.stages, line.middles, strict=True)):
        x += offset
        boxes.append(_draw_stack(ax, stage, x, middle, line, plan))
        for row, words in enumerate(reversed(stage.above)):
            weight = "normal" if row == 0 else "bold"
            y = top - line.above * LEADING + row * LEADING
            ax.text(x, y, words, fontsize=TEXT, color=INK, ha="center", va="bottom", weight=weight)
        level = i % plan.levels
        start = floor - level * (first * LEADING + 4)
        if level and stage.below:
            ax.add_line(Line2D([x, x], [floor, start], color=MUTED, linewidth=0.6))
        for row, words in enumerate(stage.below):
            y = start - row * LEADING
            ax.text(x, y, words, fontsize=TEXT, color=INK, ha="center", va="top")
    return boxes


def _draw_stack(ax: Axes, stage: _Stage, x: float, y: float, line: _Line, plan: _Plan) -> _Box:
    """Draw a stage's sheets around (x, y), the last of them in front, at the lower left."""
    height, width, depth = plan.scales.stack(stage)
    edge, face = INPUT if stage.is_input else HIDDEN
    if stage is plan.lines[-1].stages[-1]:
        edge, face = OUTPUT
    back = depth * SLANT[0], depth * SLANT[1]
    x, y = x - (width + back[0]) / 2, y - (height + back[1]) / 2
    count = 1 if depth == 0 else max(2, min(stage.channels, 1 + int(depth / 2.2)))
    for sheet in reversed(range(count)):
        part = sheet / max(1, count - 1)
        ax.add_patch(
            Rectangle(
                (x + part * back[0], y + part * back[1]),
                width,
                height,
                facecolor=face,
                edgecolor=edge,
                linewidth=0.7,
                zorder=2 - part,
                label=f"_sheet of {stage.name}",
            )
        )
    return _Box(stage, x, y, width, height, line, 2)


def _draw_window(ax: Axes, source: _Box, target: _Box, low: bool, plan: _Plan) -> None:
    """Mark what one unit of ``target`` reads of ``source``, with lines from it to the unit.

    Neighbouring windows lie at opposite corners (``low``), so that a sheet's own unit and the
    next layer's window do not cover each other.
    """
    row = target.stage.rows[0]
    if not row.windows:  # a summary's row stands for several windows
        spans = [range(size) for size in source.stage.size]
        unit = [range(size) for size in target.stage.size]
        marked = False
    else:
        place = [int((0.72 if low else 0.22) * size) for size in target.stage.size]
        unit = [range(index, index + 1) for index in place]
        spans = [
            _read(window, size, index)
            for window, size, index in zip(row.windows, source.stage.size, place, strict=True)
        ]
        marked = not source.stage.is_vector
    x, y, width, height = source.part(*spans)
    unit_x, unit_y, unit_width, unit_height = target.part(*unit)
    if marked:
        ax.add_patch(
            Rectangle(
                (x, y),
                width,
                height,
                facecolor=(*_rgb(KERNEL), 0.25),
                edgecolor=KERNEL,
                linewidth=1.2,
                zorder=4,
                label=f"_window of {target.stage.name}",
            )
        )
    if target.stage.is_vector or not marked:
        ends = [(unit_x, unit_y), (unit_x, unit_y + unit_height)]
    else:
        middle = unit_x + unit_width / 2, unit_y + unit_height / 2
        ends = [middle, middle]
        size = max(unit_width, unit_height, 2.5)
        ax.add_patch(
            Rectangle(
                (middle[0] - size / 2, middle[1] - size / 2),
                size,
                size,
                facecolor=KERNEL,
                edgecolor="none",
                zorder=5,
                label=f"_unit of {target.stage.name}",
            )
        )
    starts = [(x + width, y), (x + width, y + height)]
    for start, end in zip(starts, ends, strict=True):
        pieces = [(start, end)]
        if source.line is not target.line:  # over the end of the line
            pieces = [(start, (plan.width - 2, start[1])), ((2, end[1]), end)]
        for (x0, y0), (x1, y1) in pieces:
            ax.add_line(Line2D([x0, x1], [y0, y1], color=KERNEL, linewidth=0.8, zorder=4.5))


def _read(window, size: int, index: int) -> range:
    """From the first to the last of the real positions that unit ``index`` reads."""
    if window is None or (size == 1 and window == Window(1)):
        return range(size)
    reads = (
        input_indices(window, size, index) if isinstance(window, Window) else window.reads[index]
    )
    inside = [position for position in reads if 0 <= position < size]
    return range(min(inside), max(inside) + 1) if inside else range(0)


# Receptive fields -------------------------------------------------------------------------------


def draw_receptive_fields(
    layers: Sequence[LayerTrace], unit: Sequence[int], ax: Axes | None = None
) -> Axes:
    """What a unit of the last row, and units on its way, see of the input: nested windows.

    ``unit`` is (row, column) in the last row of ``layers``. In each row below, the unit in the
    middle of what is read there stands for the row; its window on the input is drawn to scale,
    clipped at the border. Rows with the same window share one; where there are more windows than
    words find room, some in between are left out, evenly.

    Raises ``ValueError`` for an input that is no picture, and as :func:`cnnlib.trace.seen_by` does.
    """
    height, width = _input_size(layers)
    windows = _nested_windows(layers, unit)
    step = 1.2 * LEADING
    column = 30 + max(_text_width(_field_words(*window)) for window in windows)
    if ax is None:
        high = min(500, max(240, step * len(windows) + 8))
        scale = min((high - 8) / height, (PAGE - column - 8) / width)
        ax = _own_axes(scale * width + column + 8, high)
    wide, high = _size_in_points(ax)
    most = max(2, int(high / step))
    if len(windows) > most:
        kept = np.linspace(0, len(windows) - 1, most).round().astype(int)
        windows = [windows[i] for i in kept]
    scale = min((high - 8) / height, (wide - column - 8) / width)
    if scale <= 0:
        raise ValueError(f"axes {wide / 72:.1f} inches wide: no room for the names of the layers")
    ax.set_xlim(-4 / scale, wide / scale - 4 / scale)
    ax.set_ylim(height / 2 + high / scale / 2, height / 2 - high / scale / 2)
    ax.set_aspect("auto")
    ax.axis("off")
    ax.add_patch(
        Rectangle((0, 0), width, height, facecolor=INPUT[1], edgecolor=INPUT[0], label="_input")
    )
    first = height / 2 - step / scale * (len(windows) - 1) / 2
    for i, (name, (rows, columns)) in enumerate(reversed(windows)):
        part = i / max(1, len(windows) - 1)  # from the deepest row to the first
        colour = tuple(
            (1 - part) * a + part * b for a, b in zip(_rgb(KERNEL), _rgb(INK), strict=True)
        )
        ax.add_patch(
            Rectangle(
                (columns.start, rows.start),
                len(columns),
                len(rows),
                facecolor="none",
                edgecolor=colour,
                linewidth=1.3,
                label=f"_field of {name}",
            )
        )
        y, x = first + i * step / scale, width + 24 / scale
        ax.add_line(
            Line2D([columns.stop, x - 3 / scale], [rows.start, y], color=colour, linewidth=0.6)
        )
        words = _field_words(name, (rows, columns))
        ax.text(x, y, words, fontsize=TEXT, color=INK, ha="left", va="center")
    return ax


def describe_receptive_fields(layers: Sequence[LayerTrace], unit: Sequence[int]) -> str:
    """What ``draw_receptive_fields`` draws, in words."""
    windows = _nested_windows(layers, unit)
    seen = "; ".join(
        f"{name} sees {_extent(spans)}, rows {spans[0].start} to {spans[0].stop - 1}, columns "
        f"{spans[1].start} to {spans[1].stop - 1}"
        for name, spans in windows
    )
    height, width = _input_size(layers)
    return f"Nested windows on the input of {height} × {width}, each of one unit: {seen}."


def _input_size(layers: Sequence[LayerTrace]) -> tuple[int, int]:
    if not layers:
        raise ValueError("layers is empty: expected the records of cnnlib.trace.trace")
    shape = layers[0].in_shape
    if len(shape) != 4:
        raise ValueError(f"the network's input has shape {shape}: expected (N, C, H, W)")
    return shape[2:]


def _nested_windows(
    layers: Sequence[LayerTrace], unit: Sequence[int]
) -> list[tuple[str, tuple[range, range]]]:
    """Name and window on the input for each row below the unit, the smallest window first."""
    last = len(layers) - 1
    places = {last: tuple(unit)}
    seen = {}
    for number in range(last, -1, -1):
        if number not in places:
            continue
        below = seen_by(layers, number, places[number])
        seen[number] = below[-1]
        for source in layers[number].inputs:
            if source not in places and all(below[source]):
                places[source] = tuple(span[len(span) // 2] for span in below[source])
    groups: dict[tuple[range, range], list[int]] = {}
    for number in sorted(seen):
        if all(seen[number]):
            groups.setdefault(seen[number], []).append(number)
    if not groups:
        raise ValueError(f"unit={tuple(unit)} of {layers[last].name} sees nothing of the input")
    names = _group_names([[layers[number].name for number in rows] for rows in groups.values()])
    found = zip(names, groups, strict=True)
    return sorted(found, key=lambda window: len(window[1][0]) * len(window[1][1]))


def _field_words(name: str, spans: tuple[range, range]) -> str:
    return f"{name}  {_extent(spans)}"


def _extent(spans: tuple[range, range]) -> str:
    return f"{len(spans[0])} × {len(spans[1])}"


# Tables and weights -----------------------------------------------------------------------------


def draw_table(table: Sequence[Sequence], ax: Axes | None = None) -> Axes:
    """A connection table as dots: a row for each input map, a column for each output map.

    ``table[i][o]`` is true, or the letter "X", where output map ``o`` reads input map ``i``, as the
    LeNet-5 paper prints it. Under each column stands how many maps it reads. Raises ``ValueError``
    for a table that is ragged or empty.
    """
    marks = _marks(table)
    inputs, outputs = marks.shape
    if ax is None:
        ax = _own_axes(20 * outputs + 64, 20 * (inputs + 1) + 40, (56, 2, 4, 36))
    rows, columns = np.nonzero(marks)
    ax.set_xlim(-0.5, outputs - 0.5)
    ax.set_ylim(inputs + 0.5, -0.5)
    ax.vlines(range(outputs), -0.5, inputs - 0.5, color=MUTED, linewidth=0.4)
    ax.hlines(range(inputs), -0.5, outputs - 0.5, color=MUTED, linewidth=0.4)
    ax.scatter(columns, rows, s=70, color=KERNEL, zorder=3, label="_connections")
    for column, count in enumerate(marks.sum(axis=0)):
        ax.text(column, inputs, count, fontsize=TEXT, color=INK, ha="center", va="center")
    ax.set_xticks(range(outputs))
    ax.set_yticks(range(inputs + 1), [*map(str, range(inputs)), "reads"])
    _label_axes(ax, "output map", "input map")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax


def describe_table(table: Sequence[Sequence]) -> str:
    """What ``draw_table`` draws, in words."""
    marks = _marks(table)
    columns = "; ".join(
        f"{column} reads {', '.join(map(str, np.nonzero(reads)[0])) or 'none'}"
        for column, reads in enumerate(marks.T)
    )
    return (
        f"Connection table of {marks.shape[0]} input maps and {marks.shape[1]} output maps with "
        f"{marks.sum()} connections. By output map: {columns}."
    )


def draw_confusion(matrix, categories: Sequence[str], ax: Axes | None = None) -> Axes:
    """A confusion matrix: a row for each true class, a column for each answer, counts in the cells.

    Only the mistakes are coloured, on a scale of their own: beside the right answers on the
    diagonal they would not be seen. ``matrix`` is (K, K), whole numbers from 0. Raises
    ``ValueError`` for another shape, or where ``categories`` does not name K classes.
    """
    counts = _counts(matrix, categories)
    number = len(counts)
    names = [str(name) for name in categories]
    longest = _widest(names)
    upright = longest > 22
    if ax is None:
        bottom = 26 + (longest if upright else LEADING)
        ax = _own_axes(
            27 * number + longest + 38, 24 * number + bottom + 6, (longest + 32, 6, 6, bottom)
        )
    mistakes = np.where(np.eye(number, dtype=bool), 0, counts)
    shades = LinearSegmentedColormap.from_list("mistakes", ["#fff4ea", "#e39a4f"])
    scale = Normalize(0, max(1, mistakes.max()))
    ax.pcolormesh(np.ma.masked_equal(mistakes, 0), cmap=shades, norm=scale, label="_mistakes")
    for row, column in zip(*np.nonzero(counts), strict=True):
        ax.text(
            column + 0.5,
            row + 0.5,
            counts[row, column],
            fontsize=TEXT,
            color=INK,
            weight="bold" if row == column else "normal",
            ha="center",
            va="center",
        )
    for line in range(number + 1):
        ax.axhline(line, color=MUTED, linewidth=0.3)
        ax.axvline(line, color=MUTED, linewidth=0.3)
    ax.set_xlim(0, number)
    ax.set_ylim(number, 0)
    ax.set_xticks(np.arange(number) + 0.5, names, rotation=90 if upright else 0)
    ax.set_yticks(np.arange(number) + 0.5, names)
    _label_axes(ax, "answer", "true class")
    ax.tick_params(length=0)
    return ax


def describe_confusion(matrix, categories: Sequence[str], most: int = 5) -> str:
    """What ``draw_confusion`` draws, in words: how many are right, and the commonest mistakes."""
    counts = _counts(matrix, categories)
    mistakes = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:most]
    named = [divmod(int(place), len(counts)) for place in order if mistakes.flat[place]]
    common = "; ".join(
        f"{categories[true]} taken for {categories[answer]}, {counts[true, answer]} times"
        for true, answer in named
    )
    words = f"Confusion matrix: {np.trace(counts)} of {counts.sum()} are right."
    return words + (f" The commonest mistakes: {common}." if named else " There are no mistakes.")


def draw_kernels(weights, ax: Axes | None = None) -> Axes:
    """A layer's kernels as pictures, all on one scale, blue below zero and orange above.

    ``weights`` is (C_out, C_in, kernel height, kernel width), a tensor or an array. An output
    channel is a column of C_in kernels; where they are too many for one block, the next channels
    stand in the block below. A kernel of NaN does not exist and stays empty. Raises ``ValueError``
    for another shape, and for more than 4,096 kernels: give a part of them.
    """
    kernels = _kernels(weights)
    outputs, inputs, high, wide = kernels.shape
    across = (
        min(outputs, 24)
        if inputs > 1
        else max(min(outputs, 8), math.ceil(math.sqrt(1.6 * outputs)))
    )
    blocks = math.ceil(outputs / across)
    block = inputs * (high + 1) + (inputs > 1)  # cells from block to block
    mosaic = np.full((blocks * block - 1, across * (wide + 1) - 1), np.nan)
    for output, channel in enumerate(kernels):
        down, along = divmod(output, across)
        for input, kernel in enumerate(channel):
            top, left = down * block + input * (high + 1), along * (wide + 1)
            mosaic[top : top + high, left : left + wide] = kernel
    own = ax is None
    if own:
        cell = max(14, min(52, 0.75 * PAGE / across)) / (wide + 1)
        height, width = mosaic.shape
        bottom = 38 if blocks == 1 else 6
        height = max(66, cell * height)  # room for the words at the sides
        ax = _own_axes(cell * width + 140, height + bottom + 6, (52, 88, 6, bottom))
    limit = np.nanmax(np.abs(mosaic)) or 1
    mesh = ax.pcolormesh(
        np.ma.masked_invalid(mosaic),
        cmap=DIVERGING,
        norm=Normalize(-limit, limit),
        rasterized=mosaic.size > 20_000,
        label="_kernels",
    )
    ax.set_xlim(0, mosaic.shape[1])
    ax.set_ylim(mosaic.shape[0], 0)
    ax.set_aspect("equal")
    if blocks == 1:
        ax.set_xticks(*_every([(wide + 1) * i + wide / 2 for i in range(outputs)]))
        ax.set_yticks(*_every([(high + 1) * i + high / 2 for i in range(inputs)]))
        _label_axes(ax, "output channel", "input channel")
    else:
        firsts = range(0, outputs, across)
        names = [f"{first}–{min(first + across, outputs) - 1}" for first in firsts]
        ax.set_xticks([])
        ax.set_yticks([(i + 0.5) * block - 1 for i in range(blocks)], names)
        _label_axes(ax, "", "output channels")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    place = {"cax": ax.inset_axes((1.03, 0, 0.03, 1))} if own else {"ax": ax, "shrink": 0.8}
    bar = ax.figure.colorbar(mesh, ticks=[-limit, 0, limit], format="%.2g", **place)
    bar.set_label("weight", fontsize=TEXT, color=INK)
    bar.ax.tick_params(labelsize=TEXT, colors=INK)
    return ax


def describe_kernels(weights) -> str:
    """What ``draw_kernels`` draws, in words."""
    kernels = _kernels(weights)
    outputs, inputs, high, wide = kernels.shape
    least, most = np.nanmin(kernels), np.nanmax(kernels)
    exist = int((~np.isnan(kernels)).any(axis=(2, 3)).sum())
    return (
        f"{exist} kernels of {high} × {wide}, from {inputs} input to {outputs} output channels, "
        f"as pictures on one scale. The weights go from {least:.2g} to {most:.2g}."
    )


def _marks(table: Sequence[Sequence]) -> np.ndarray:
    widths = {len(row) for row in table}
    if len(widths) != 1 or widths == {0}:
        raise ValueError(f"table: expected rows of one length, found lengths {sorted(widths)}")
    return np.array([[mark == "X" if isinstance(mark, str) else bool(mark) for mark in row]
                     for row in table])  # fmt: skip


def _counts(matrix, categories: Sequence[str]) -> np.ndarray:
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not len(counts):
        raise ValueError(f"matrix of shape {counts.shape}: expected (K, K)")
    if len(categories) != len(counts):
        raise ValueError(f"{len(categories)} categories for a matrix of shape {counts.shape}")
    if not np.issubdtype(counts.dtype, np.integer) or counts.min() < 0:
        raise ValueError(f"matrix of {counts.dtype}, least {counts.min()}: expected counts from 0")
    return counts


def _kernels(weights) -> np.ndarray:
    kernels = np.asarray(weights.detach().cpu() if hasattr(weights, "detach") else weights)
    if kernels.ndim != 4 or not kernels.size:
        raise ValueError(f"weights of shape {kernels.shape}: expected (C_out, C_in, height, width)")
    if kernels.shape[0] * kernels.shape[1] > 4096:
        raise ValueError(f"weights of shape {kernels.shape}: expected at most 4,096 kernels")
    if not np.isfinite(kernels).any() or np.isinf(kernels).any():
        raise ValueError("weights: expected finite numbers, or NaN where there is no kernel")
    return kernels.astype(float)


# Axes -------------------------------------------------------------------------------------------


def _own_axes(width: float, height: float, edges: Sequence[float] = (0, 0, 0, 0)) -> Axes:
    """New axes on a transparent figure of so many points, one unit a point.

    ``edges`` are the points left free on the left, right, top and bottom.
    """
    left, right, top, bottom = edges
    figure = plt.figure(figsize=(width / 72, height / 72), facecolor="none")
    ax = figure.add_axes(
        (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height),
        facecolor="none",
    )
    ax.set_xlim(0, width)
    ax.set_ylim(0, height)
    if not any(edges):
        ax.axis("off")
    return ax


def _size_in_points(ax: Axes) -> tuple[float, float]:
    box = ax.get_window_extent()
    dpi = ax.get_figure(root=True).dpi
    return box.width / dpi * 72, box.height / dpi * 72


def _label_axes(ax: Axes, x: str, y: str) -> None:
    ax.set_xlabel(x, fontsize=TEXT, color=INK)
    ax.set_ylabel(y, fontsize=TEXT, color=INK)
    ax.tick_params(labelsize=TEXT, colors=INK)


def _every(places: Sequence[float]) -> tuple[list[float], list[str]]:
    """Numbered ticks at the places, or at every second, fifth or tenth where they are many."""
    step = next(step for step in (1, 2, 5, 10, 100, 1000) if len(places) <= 24 * step)
    numbers = range(0, len(places), step)
    return [places[number] for number in numbers], [str(number) for number in numbers]


def _rgb(colour: str) -> tuple[float, float, float]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
