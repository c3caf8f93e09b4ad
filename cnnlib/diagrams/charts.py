"""Connection tables, confusion matrices, kernels and learning curves as pictures."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize

from cnnlib.diagrams.axes import (
    DIVERGING,
    INK,
    KERNEL,
    LEADING,
    MUTED,
    PAGE,
    TEXT,
    label_axes,
    make_axes,
    measure_widest,
    number_ticks,
)


def draw_table(table: Sequence[Sequence], ax: Axes | None = None) -> Axes:
    """A connection table as dots: a row for each input map, a column for each output map.

    ``table[i][o]`` is true, or the letter "X", where output map ``o`` reads input map ``i``, as the
    LeNet-5 paper prints it. Under each column stands how many maps it reads. Raises ``ValueError``
    for a table that is ragged or empty.
    """
    marks = _check_table(table)
    inputs, outputs = marks.shape
    if ax is None:
        ax = make_axes(20 * outputs + 64, 20 * (inputs + 1) + 40, (56, 2, 4, 36))
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
    label_axes(ax, "output map", "input map")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax


def describe_table(table: Sequence[Sequence]) -> str:
    """What ``draw_table`` draws, in words."""
    marks = _check_table(table)
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
    counts = _check_counts(matrix, categories)
    number = len(counts)
    names = [str(name) for name in categories]
    longest = measure_widest(names)
    upright = longest > 22
    if ax is None:
        bottom = 26 + (longest if upright else LEADING)
        ax = make_axes(
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
    label_axes(ax, "answer", "true class")
    ax.tick_params(length=0)
    return ax


def describe_confusion(matrix, categories: Sequence[str], most: int = 5) -> str:
    """What ``draw_confusion`` draws, in words: how many are right, and the commonest mistakes."""
    counts = _check_counts(matrix, categories)
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
    kernels = _check_kernels(weights)
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
        ax = make_axes(cell * width + 140, height + bottom + 6, (52, 88, 6, bottom))
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
        ax.set_xticks(*number_ticks([(wide + 1) * i + wide / 2 for i in range(outputs)]))
        ax.set_yticks(*number_ticks([(high + 1) * i + high / 2 for i in range(inputs)]))
        label_axes(ax, "output channel", "input channel")
    else:
        firsts = range(0, outputs, across)
        names = [f"{first}–{min(first + across, outputs) - 1}" for first in firsts]
        ax.set_xticks([])
        ax.set_yticks([(i + 0.5) * block - 1 for i in range(blocks)], names)
        label_axes(ax, "", "output channels")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    place = {"cax": ax.inset_axes((1.03, 0, 0.03, 1))} if own else {"ax": ax, "shrink": 0.8}
    bar = ax.figure.colorbar(mesh, ticks=[-limit, 0, limit], format="%.2g", **place)
    bar.set_label("weight", fontsize=TEXT, color=INK)
    bar.ax.tick_params(labelsize=TEXT, colors=INK)
    return ax


def describe_kernels(weights) -> str:
    """What ``draw_kernels`` draws, in words."""
    kernels = _check_kernels(weights)
    outputs, inputs, high, wide = kernels.shape
    least, most = np.nanmin(kernels), np.nanmax(kernels)
    exist = int((~np.isnan(kernels)).any(axis=(2, 3)).sum())
    return (
        f"{exist} kernels of {high} × {wide}, from {inputs} input to {outputs} output channels, "
        f"as pictures on one scale. The weights go from {least:.2g} to {most:.2g}."
    )


LINES = ("#0b62b8", "#b85c00", "#05695a", "#7a4fb5", "#a3195b", "#57606a", "#6b6a00", "#1f2328")
MARKERS = "os^Dv*XP"


def draw_learning_curves(
    curves: Mapping[str, Sequence[Sequence[Mapping]]], ax: Axes | None = None
) -> Axes:
    """Errors after each epoch: on the test images a line with markers, on the training images a
    thin dashed one, in per cent.

    ``curves`` holds for each name the logs of its runs, seed by seed; a log has for each epoch
    ``train_accuracy`` and ``test_accuracy``, shares from 0 to 1. Runs of one name share a colour
    and a marker. Raises ``ValueError`` for more names than there are markers, or a name without
    epochs.
    """
    if len(curves) > len(LINES):
        raise ValueError(f"{len(curves)} names: expected {len(LINES)} at the most")
    if ax is None:
        ax = make_axes(0.85 * PAGE, 230, (44, 6, 6, 34))
    for (name, logs), colour, marker in zip(curves.items(), LINES, MARKERS, strict=False):
        for number, log in enumerate(_check_epochs(name, logs)):
            epochs = range(1, len(log) + 1)
            errors = {
                key: [100 * (1 - entry[f"{key}_accuracy"]) for entry in log]
                for key in ("train", "test")
            }
            ax.plot(epochs, errors["train"], "--", color=colour, linewidth=0.8, label="_train")
            label = f"_{name}" if number else name
            ax.plot(epochs, errors["test"], color=colour, marker=marker, markersize=4, label=label)
    label_axes(ax, "epoch", "error, % (dashed: training)")
    ax.autoscale()
    last = max(len(log) for logs in curves.values() for log in logs)
    ax.set_xticks(range(1, last + 1, 1 + last // 16))
    bottom, top = ax.get_ylim()
    ax.set_yticks([tick for tick in ax.get_yticks() if bottom <= tick <= top])
    ax.grid(alpha=0.3)
    ax.legend(fontsize=TEXT, labelcolor=INK, framealpha=0.6)
    return ax


def describe_learning_curves(curves: Mapping[str, Sequence[Sequence[Mapping]]]) -> str:
    """What ``draw_learning_curves`` draws, in words: each run's errors after its last epoch."""
    parts = []
    for name, logs in curves.items():
        ends = ", ".join(
            f"{1 - log[-1]['test_accuracy']:.1%} on test and {1 - log[-1]['train_accuracy']:.1%} "
            "on training images"
            for log in _check_epochs(name, logs)
        )
        parts.append(f"{name} ends at an error of {ends}")
    return f"Learning curves: {'; '.join(parts)}."


def _check_epochs(name: str, logs: Sequence[Sequence[Mapping]]) -> Sequence[Sequence[Mapping]]:
    if not logs or not all(logs):
        raise ValueError(f"{name!r} has no epochs: expected one or more in every log")
    return logs


def _check_table(table: Sequence[Sequence]) -> np.ndarray:
    widths = {len(row) for row in table}
    if len(widths) != 1 or widths == {0}:
        raise ValueError(f"table: expected rows of one length, found lengths {sorted(widths)}")
    return np.array([[mark == "X" if isinstance(mark, str) else bool(mark) for mark in row]
                     for row in table])  # fmt: skip


def _check_counts(matrix, categories: Sequence[str]) -> np.ndarray:
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not len(counts):
        raise ValueError(f"matrix of shape {counts.shape}: expected (K, K)")
    if len(categories) != len(counts):
        raise ValueError(f"{len(categories)} categories for a matrix of shape {counts.shape}")
    if not np.issubdtype(counts.dtype, np.integer) or counts.min() < 0:
        raise ValueError(f"matrix of {counts.dtype}, least {counts.min()}: expected counts from 0")
    return counts


def _check_kernels(weights) -> np.ndarray:
    kernels = np.asarray(weights.detach().cpu() if hasattr(weights, "detach") else weights)
    if kernels.ndim != 4 or not kernels.size:
        raise ValueError(f"weights of shape {kernels.shape}: expected (C_out, C_in, height, width)")
    if kernels.shape[0] * kernels.shape[1] > 4096:
        raise ValueError(f"weights of shape {kernels.shape}: expected at most 4,096 kernels")
    if not np.isfinite(kernels).any() or np.isinf(kernels).any():
        raise ValueError("weights: expected finite numbers, or NaN where there is no kernel")
    return kernels.astype(float)
