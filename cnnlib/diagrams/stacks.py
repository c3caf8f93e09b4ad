"""A chain of layers as the classic drawing: each tensor a stack of sheets, windows marked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from cnnlib.diagrams.axes import (
    HIDDEN,
    INK,
    INPUT,
    KERNEL,
    LEADING,
    MUTED,
    OUTPUT,
    PAGE,
    TEXT,
    make_axes,
    measure_axes,
    measure_widest,
)
from cnnlib.layout.words import (
    break_name,
    group_names,
    is_place_by_place,
    list_settings,
    list_windows,
    write_shape,
)
from cnnlib.rows import Reading, Row, reads


def draw_stacks(rows: Sequence[Row], ax: Axes | None = None) -> Axes:
    """Each tensor a stack of sheets, each kernel's window marked.

    A sheet's height and width follow the map's, a stack's depth the number of channels, and a
    vector is a bar as long as it has entries. Maps' longer sides, depths and bars have a scale
    each: in proportion where the largest is at most 8 times the smallest, by square roots up to 64
    times, else by logarithms; ``describe_stacks`` says which.

    On a sheet the window of one unit is marked, as the trace has it, with lines to that unit.
    Rows that only work place by place on the same numbers (activations, dropout, normalisation)
    are folded into the row before and named under it. Neighbours that are alike (kind, windows,
    shapes, parameters) are drawn once and counted. A network too long for one line goes on in the
    next.

    With ``ax``, the drawing fits its present size. Raises ``ValueError`` where it does not, where
    a row reads another than the one before, and for tensors that are neither (N, C, H, W) nor
    (N, C).
    """
    stages = _find_stages(rows)
    if ax is None:
        plans = (_fit_plan(stages, PAGE, math.inf, [side]) for side in (76, 70, 64, 58))
        plan = min(plans, key=lambda plan: (len(plan.lines), plan.levels))
        ax = make_axes(plan.width, plan.height)
        height = plan.height
    else:
        width, height = measure_axes(ax)
        plan = _fit_plan(stages, width, height, [140, 116, 96, 76, 62, 50, 40, 30, 24, 18])
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


def describe_stacks(rows: Sequence[Row]) -> str:
    """What ``draw_stacks`` draws, in words."""
    stages = _find_stages(rows)
    words = [f"Input of {write_shape(stages[0].shape)}"]
    for stage in stages[1:]:
        made = ", ".join([stage.rows[0].kind, *list_settings(stage.rows[0])])
        after = f", then {' and '.join(stage.folded)}" if stage.folded else ""
        often = f", and {stage.times - 1} more like it to {stage.last}," if stage.last else ""
        words.append(f"{stage.name} ({made}{after}){often} gives {write_shape(stage.shape)}")
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
SLANT_X, SLANT_Y = 0.8, 0.45  # a stack's sheets go back right and up, points per point of depth


@dataclass
class _Stage:
    """A tensor of the drawing: its row and those folded into it. The input has none of its own."""

    rows: list[Row]
    shape: tuple[int, ...]  # without the batch
    name: str
    is_input: bool = False
    times: int = 1  # how many stages, one after the other, are like this one
    last: str = ""  # the name of the last of them

    def is_like(self, other: "_Stage") -> bool:
        """Whether the other does the same to the same shapes."""
        return bool(self.rows) and [
            (row.kind, list_windows(row), row.in_shape, row.out_shape, row.parameters)
            for row in self.rows
        ] == [
            (row.kind, list_windows(row), row.in_shape, row.out_shape, row.parameters)
            for row in other.rows
        ]

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
        last = [f"… {self.last.rpartition('.')[2]}"] if self.last else []
        return [*break_name(self.name, most=14), *last, write_shape(self.shape)]

    @cached_property
    def below(self) -> list[str]:
        """The words under the stack."""
        made = [] if self.is_input else [self.rows[0].kind, *list_settings(self.rows[0])]
        often = [f"×{self.times}"] if self.times > 1 else []
        return made + [f"+ {kind}" for kind in self.folded] + often

    @cached_property
    def widths(self) -> tuple[float, float]:
        """Points that the words above and below take."""
        return measure_widest(self.above), measure_widest(self.below)


def _find_stages(rows: Sequence[Row]) -> list[_Stage]:
    if not rows:
        raise ValueError("rows is empty: expected the rows of cnnlib.trace.trace")
    shape = _check_shape("the network's input", rows[0].in_shape)
    stages = [_Stage([], shape, "input", is_input=True)]
    for number, row in enumerate(rows):
        if row.inputs != (number - 1,):
            raise ValueError(
                f"row {number} ({row.name}) reads rows {list(row.inputs)}, not just row "
                f"{number - 1}: expected a chain"
            )
        if is_place_by_place(row):
            stages[-1].rows.append(row)
        else:
            stages.append(_Stage([row], _check_shape(row.name, row.out_shape), row.name))
    names = group_names([[row.name for row in stage.rows] for stage in stages[1:]])
    for stage, name in zip(stages[1:], names, strict=True):
        stage.name = name
    alike: list[_Stage] = []
    for stage in stages:
        if alike and alike[-1].is_like(stage):
            alike[-1].times += 1
            alike[-1].last = stage.name
        else:
            alike.append(stage)
    return alike


def _check_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) not in (2, 4):
        raise ValueError(f"{name} has shape {shape}: expected (N, C, H, W) or (N, C)")
    return shape[1:]


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

    def measure(self, stage: _Stage) -> tuple[float, float, float]:
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

    def find_part(self, rows: range, columns: range) -> tuple[float, float, float, float]:
        """x, y, width and height of a window of the map; all of it for a vector."""
        height, width = self.stage.size
        unit_x, unit_y = self.width / width, self.height / height
        return (
            self.x + columns.start * unit_x,
            self.y + self.height - rows.stop * unit_y,
            len(columns) * unit_x,
            len(rows) * unit_y,
        )


def _fit_plan(stages: list[_Stage], width: float, height: float, sides: list[float]) -> _Plan:
    """The plan with the fewest lines, one level of words before two, the largest side that fits."""
    for side in sides:
        scales = _Scales(stages, side)
        plans = [plan for levels in (1, 2) if (plan := _make_plan(stages, scales, width, levels))]
        plans = [plan for plan in plans if plan.height <= height]
        if plans:
            return min(plans, key=lambda plan: (len(plan.lines), plan.levels))
    enough = _fit_plan(stages, max(width, PAGE), math.inf, [30])
    raise ValueError(
        f"axes of {width / 72:.1f} × {height / 72:.1f} inches: too small for {len(stages)} stages "
        f"and their words; {enough.width / 72:.1f} × {enough.height / 72:.1f} are enough"
    )


def _make_plan(stages: list[_Stage], scales: _Scales, width: float, levels: int) -> _Plan | None:
    """Stages set in as few lines as ``width`` allows, of about equal length; None if none fits."""
    fewest = _break_in_lines(stages, scales, width - 2 * MARGIN, levels)
    if fewest is None:
        return None
    narrow = min(line.width for line in fewest)
    best = fewest
    for limit in np.linspace(narrow, width - 2 * MARGIN, 24):
        lines = _break_in_lines(stages, scales, limit, levels)
        if lines is not None and len(lines) == len(fewest):
            best = lines
            break
    widest = max(line.width for line in best) + 2 * MARGIN
    height = sum(line.height for line in best) + GAP_BETWEEN_LINES * (len(best) - 1)
    return _Plan(best, scales, levels, widest, height + 4)


def _break_in_lines(
    stages: list[_Stage], scales: _Scales, width: float, levels: int
) -> list[_Line] | None:
    lines = []
    rest = list(stages)
    while rest:
        count = 1
        line = _set_line(rest[:1], scales, levels)
        if line.width > width:
            return None
        while count < len(rest):
            longer = _set_line(rest[: count + 1], scales, levels)
            if longer.width > width:
                break
            line, count = longer, count + 1
        lines.append(line)
        rest = rest[count:]
    return lines


def _set_line(stages: list[_Stage], scales: _Scales, levels: int) -> _Line:
    """Stages side by side, as close as their stacks and words allow."""
    sizes = [scales.measure(stage) for stage in stages]
    stacks = [width + depth * SLANT_X for _, width, depth in sizes]
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
    stack = max(height + depth * SLANT_Y for height, _, depth in sizes)
    words = max(len(stage.above) for stage in stages)
    words_below = sum(
        max((len(stage.below) for stage in stages[level::levels]), default=0)
        for level in range(levels)
    )
    height = (words + words_below) * LEADING + stack + 4 * (2 + levels)
    return _Line(stages, middles, width, height, stack, words)


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
    height, width, depth = plan.scales.measure(stage)
    inks = INPUT if stage.is_input else HIDDEN
    if stage is plan.lines[-1].stages[-1]:
        inks = OUTPUT
    back_x, back_y = depth * SLANT_X, depth * SLANT_Y
    x, y = x - (width + back_x) / 2, y - (height + back_y) / 2
    count = 1 if depth == 0 else max(2, min(stage.channels, 1 + int(depth / 2.2)))
    for sheet in reversed(range(count)):
        part = sheet / max(1, count - 1)
        ax.add_patch(
            Rectangle(
                (x + part * back_x, y + part * back_y),
                width,
                height,
                facecolor=inks.face,
                edgecolor=inks.edge,
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
    windows = list_windows(target.stage.rows[0])
    if not windows:  # a summary of several rows
        spans = [range(size) for size in source.stage.size]
        unit = [range(size) for size in target.stage.size]
        marked = False
    else:
        place = [int((0.72 if low else 0.22) * size) for size in target.stage.size]
        unit = [range(index, index + 1) for index in place]
        spans = [
            _find_span(reading, size, units, index)
            for reading, size, units, index in zip(
                windows, source.stage.size, target.stage.size, place, strict=True
            )
        ]
        marked = not source.stage.is_vector
    x, y, width, height = source.find_part(*spans)
    unit_x, unit_y, unit_width, unit_height = target.find_part(*unit)
    if marked:
        ax.add_patch(
            Rectangle(
                (x, y),
                width,
                height,
                facecolor=(*to_rgb(KERNEL), 0.25),
                edgecolor=KERNEL,
                linewidth=1.2,
                zorder=4,
                label=f"_window of {target.stage.name}",
            )
        )
    if target.stage.is_vector or not marked:
        ends = [(unit_x, unit_y), (unit_x, unit_y + unit_height)]
    else:
        middle_x, middle_y = unit_x + unit_width / 2, unit_y + unit_height / 2
        ends = [(middle_x, middle_y)] * 2
        size = max(unit_width, unit_height, 2.5)
        ax.add_patch(
            Rectangle(
                (middle_x - size / 2, middle_y - size / 2),
                size,
                size,
                facecolor=KERNEL,
                edgecolor="none",
                zorder=5,
                label=f"_unit of {target.stage.name}",
            )
        )
    starts = [(x + width, y), (x + width, y + height)]
    for (x0, y0), (x1, y1) in zip(starts, ends, strict=True):
        pieces = [((x0, x1), (y0, y1))]
        if source.line is not target.line:  # over the end of the line
            pieces = [((x0, plan.width - 2), (y0, y0)), ((2, x1), (y1, y1))]
        for xs, ys in pieces:
            ax.add_line(Line2D(xs, ys, color=KERNEL, linewidth=0.8, zorder=4.5))


def _find_span(reading: Reading, size: int, units: int, index: int) -> range:
    """From the first to the last of the real positions that unit ``index`` reads."""
    inside = list(reads(reading, size, units, index))
    return range(min(inside), max(inside) + 1) if inside else range(0)
