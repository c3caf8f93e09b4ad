"""What the drawings share: inks, sizes in points, axes of their own, and the width of words."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

INK = "#1f2328"
MUTED = "#57606a"


class Inks(NamedTuple):
    """The colours of a shape."""

    edge: str
    face: str


INPUT = Inks("#0b62b8", "#d5e7fa")
HIDDEN = Inks("#57606a", "#e9edf2")
OUTPUT = Inks("#05695a", "#cdeee6")
KERNEL = "#b85c00"
DIVERGING = LinearSegmentedColormap.from_list("blue-orange", ["#0b62b8", "#f4f4f4", "#b85c00"])

TEXT = 9  # points
LEADING = 11.5  # points from line to line
PAGE = 518  # points: the width of a figure that is to stand in a page's text column


def make_axes(width: float, height: float, edges: Sequence[float] = (0, 0, 0, 0)) -> Axes:
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


def measure_axes(ax: Axes) -> tuple[float, float]:
    """Width and height in points."""
    box = ax.get_window_extent()
    dpi = ax.get_figure(root=True).dpi
    return box.width / dpi * 72, box.height / dpi * 72


def label_axes(ax: Axes, x: str, y: str) -> None:
    ax.set_xlabel(x, fontsize=TEXT, color=INK)
    ax.set_ylabel(y, fontsize=TEXT, color=INK)
    ax.tick_params(labelsize=TEXT, colors=INK)


def number_ticks(places: Sequence[float]) -> tuple[list[float], list[str]]:
    """Numbered ticks at the places, or at every second, fifth or tenth where they are many."""
    step = next(step for step in (1, 2, 5, 10, 100, 1000) if len(places) <= 24 * step)
    numbers = range(0, len(places), step)
    return [places[number] for number in numbers], [str(number) for number in numbers]


def measure_widest(lines: Sequence[str]) -> float:
    """Points that the longest of the lines takes."""
    return max((measure_text(line) for line in lines), default=0)


def measure_text(text: str) -> float:
    """Points that the text takes in the drawing's bolder face."""
    face = FontProperties(size=TEXT, weight="bold")
    width, _, _ = text_to_path.get_text_width_height_descent(text, face, ismath=False)
    return width
