"""Still plots: axes in, SVG in the colours of the page out."""

import hashlib
import io
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from cnnlib.widgets.svg import Markup
from cnnlib.widgets.words import signed

#: The light theme's colours of ``kit/kit.css``, by the names of its variables. A plot that keeps to
#: them turns dark with its page.
INKS = {
    "ink": "#1f2328",
    "muted": "#57606a",
    "paper": "#ffffff",
    "line": "#8c959f",
    "input": "#0b62b8",
    "kernel": "#9a4a00",
    "output": "#05695a",
    "focus": "#7a1fd1",
    "warn": "#a4161a",
}

STYLE = {
    "svg.fonttype": "none",  # text stays text: a third of the size, and the page's own letters
    "svg.hashsalt": "cnnlib",  # the same plot gives the same bytes
    "font.size": 11.5,
    "axes.edgecolor": INKS["line"],
    "axes.labelcolor": INKS["ink"],
    "axes.labelweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": INKS["line"],
    "grid.linewidth": 0.4,
    "text.color": INKS["ink"],
    "xtick.bottom": False,  # the grid's lines mark the places
    "ytick.left": False,
    "xtick.labelcolor": INKS["muted"],
    "ytick.labelcolor": INKS["muted"],
}

# The measures of labels in pixels; leaderboard_sums.js has them too.
LETTER, LINE = 6.4, 13  # a label's width for each letter, and its height
REACH = 7  # from a marker's middle: what no label may cover
# Where a label may stand: how far from its point, in which direction.
SIDES = ((0.6, 0), (-0.6, 0), (0, -1), (0, 1), (0.6, -0.8), (-0.6, -0.8), (0.6, 0.8), (-0.6, 0.8))
SPOTS = [(far, dx, dy) for far in (14, 22, 30, 40) for dx, dy in SIDES]


def draw_plot(draw: Callable[[Axes], object], width: int, height: int) -> Markup:
    """What ``draw`` puts on empty axes, as ``<svg>`` of ``width`` by ``height`` CSS pixels.

    A point of matplotlib is a CSS pixel. Colours of :data:`INKS` become the page's variables.
    """
    file = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure = Figure((width / 72, height / 72), dpi=72, layout="constrained")
        axes = figure.subplots()
        for part in (figure, axes):
            part.patch.set_visible(False)
        draw(axes)
        unsaid = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=unsaid)
    return _shortened(file.getvalue(), width)


# What matplotlib writes and a page does not need; <style> would even hold for all of the page.
NEEDLESS = re.compile(
    r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>|<defs>\s*</defs>"
    r'| (?:height|width)="[^"]*pt"| transform="rotate\(-0 [^"]*"|font-family: [^;"]*; ',
    re.S,
)


def _shortened(text: str, width: int) -> Markup:
    """The ``<svg>`` without what a page does not need, and with names of its own in it."""
    text = NEEDLESS.sub("", text[text.index("<svg") :])
    own = f"cnn-{hashlib.sha1(text.encode()).hexdigest()[:8]}-"
    used = set(re.findall(r"(?:href=\"|url\()#([\w-]+)", text))

    def tag(found: re.Match) -> str:
        """A tag; the texts between the tags stay as they are."""
        tag = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", found[0])
        for name, colour in INKS.items():
            tag = tag.replace(colour, f"var(--cnn-{name})")
        tag = re.sub(
            r' id="([^"]*)"', lambda name: f' id="{own}{name[1]}"' if name[1] in used else "", tag
        )
        return re.sub(r'(href="|url\()#', rf"\1#{own}", tag)

    text = re.sub(r"<[^>]*>", tag, text)
    text = re.sub(r"\s*\n\s*", " ", text).replace("> <", "><").strip()
    return Markup(text.replace("<svg", f'<svg width="{width}"', 1))


# ---- Points with names.


def scale_axes(
    ax: Axes,
    values: Sequence[Sequence[float]],
    *,
    titles: Sequence[str],
    log: Sequence[bool],
    grouped: Sequence[bool],
) -> Axes:
    """Both axes: a title, room for the values, and few round ticks, ``grouped`` as in 1,000."""
    ax.set(xscale="log" if log[0] else "linear", yscale="log" if log[1] else "linear")
    for i, (axis, limit) in enumerate(((ax.xaxis, ax.set_xlim), (ax.yaxis, ax.set_ylim))):
        ends = low, high = _with_room(values[i], log[i])
        limit(low, high)
        rounds = LogLocator(subs=(1, 2, 5))
        enough = log[i] and sum(low <= tick <= high for tick in rounds.tick_values(*ends)) > 2
        axis.set_label_text(titles[i])
        axis.set_major_locator(rounds if enough else MaxNLocator(7, steps=[1, 2, 5, 10]))
        axis.set_minor_locator(NullLocator())
        form = ",.10g" if grouped[i] else ".10g"
        axis.set_major_formatter(lambda tick, _, form=form: signed(format(tick, form)))
    return ax


def _with_room(values: Sequence[float], log: bool) -> tuple[float, float]:
    low, high = min(values), max(values)
    if log:
        room = (high / low) ** 0.07 if high > low else 1.5
        return low / room, high * room
    room = 0.07 * (high - low) if high > low else abs(low) / 10 or 1.0
    return low - room, high + room


def label_points(
    ax: Axes,
    points: Sequence[Sequence[float]],
    names: Sequence[str],
    first: Sequence[int] = (),
) -> Axes:
    """A name beside each point (x, y), where it covers nothing; else there is none.

    Those in ``first`` choose their places first. Limits and scales of ``ax`` are final.
    """
    ax.figure.draw_without_rendering()  # now it is known where the axes stand
    height = ax.figure.bbox.height  # matplotlib counts upwards, place_labels downwards
    places = [(x, height - y) for x, y in ax.transData.transform(points)]
    frame = (ax.bbox.x0, height - ax.bbox.y1, ax.bbox.x1, height - ax.bbox.y0)
    labels = place_labels(places, [LETTER * len(name) for name in names], frame, first)
    line = {"arrowstyle": "-", "color": INKS["muted"], "linewidth": 0.7, "shrinkA": 0}
    for point, (x, y), name, label in zip(points, places, names, labels, strict=True):
        if label:
            ax.annotate(
                name,
                point,
                (label.left - x, y - label.upper - LINE / 2),
                textcoords="offset points",
                verticalalignment="center",
                arrowprops=line if label.far else None,
            )
    return ax


class Label(NamedTuple):
    """Where a label stands, in pixels; ``far``: a line should lead to it."""

    left: float
    upper: float
    far: bool


def place_labels(
    points: Sequence[tuple[float, float]],
    widths: Sequence[float],
    frame: tuple[float, float, float, float],
    first: Sequence[int] = (),
) -> list[Label | None]:
    """Where each point's label covers no marker and no other label, or None.

    ``frame`` is (left, top, right, bottom). Those in ``first`` choose first, then the others in
    their order. Beside the point is best, then above and below, then the corners; then the same
    further out. ``leaderboard_sums.js`` has the twin.
    """
    taken = [(x - REACH, y - REACH, x + REACH, y + REACH) for x, y in points]
    labels: list[Label | None] = [None] * len(points)
    for number in [*first, *(n for n in range(len(points)) if n not in first)]:
        x, y = points[number]
        for far, dx, dy in SPOTS:
            left = x + dx * far - (1 - (dx > 0) + (dx < 0)) / 2 * widths[number]
            upper = y + dy * far - LINE / 2
            box = (left, upper, left + widths[number], upper + LINE)
            if _inside(box, frame) and not any(_meet(box, other) for other in taken):
                taken.append(box)
                labels[number] = Label(left, upper, far > SPOTS[0][0])
                break
    return labels


def _inside(box: tuple[float, ...], frame: tuple[float, ...]) -> bool:
    return frame[0] <= box[0] and frame[1] <= box[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
