"""Still plots: what is drawn on axes, and the SVG that becomes of it."""

import random
import re

import pytest
from matplotlib.figure import Figure

from cnnlib.widgets.plots import INKS, LINE, REACH, draw_plot, place_labels, scale_axes
from tests.conftest import ROOT


def scaled(values, log=False, grouped=True):
    """The ticks' texts of an axis that holds the values."""
    ax = Figure((8, 5), dpi=72).subplots()
    both = [values, [0, 1]]
    scale_axes(ax, both, titles=["a", "b"], log=[log, False], grouped=[grouped, True])
    low, high = ax.get_xlim()
    assert low < min(values) and max(values) < high
    ticks = ax.xaxis.get_major_formatter()
    return [ticks(tick, 0) for tick in ax.get_xticks() if low <= tick <= high]


def test_ticks_are_round_and_few():
    assert scaled([0.1, 3.0], log=True) == ["0.1", "0.2", "0.5", "1", "2"]
    assert scaled([-0.5, 2.0]) == ["−0.5", "0", "0.5", "1", "1.5", "2"]
    assert scaled([1_000, 3_000]) == ["1,000", "1,500", "2,000", "2,500", "3,000"]
    assert scaled([1998, 2018], grouped=False)[0] == "2000"
    assert 1 <= len(scaled([1e-3, 1e9], log=True)) <= 9


@pytest.mark.parametrize("values", [[7.0], [0.0], [-3.0]])
def test_one_value_alone_has_an_axis(values):
    assert scaled(values)


def test_the_inks_are_the_pages_own_and_every_one_becomes_its_variable():
    style = (ROOT / "cnnlib" / "widgets" / "kit" / "kit.css").read_text(encoding="utf-8")
    light = dict(re.findall(r"--cnn-([a-z]+): (#[0-9a-f]{6});", style.partition("}")[0]))
    assert INKS == {name: light[name] for name in INKS}
    plot = draw_plot(lambda ax: [ax.plot([0, 1], color=ink) for ink in INKS.values()], 300, 200)
    assert not re.search(r"#[0-9a-f]{6}\b(?!-)", re.sub(r'(href="|url\()#[\w-]+', "", plot))
    for name in INKS:
        assert f"stroke: var(--cnn-{name})" in plot


def test_a_plot_is_an_svg_that_leaves_its_page_alone():
    texts = ["3.14159 #1f2328", "C#10 <b>"]

    def draw(ax):
        ax.plot([1, 2], [3, 4], marker="o")
        for text in texts:
            ax.text(1, 3, text)

    one = draw_plot(draw, 300, 200)
    other = draw_plot(lambda ax: draw(ax) or ax.text(2, 4, "more"), 300, 200)
    assert one == draw_plot(draw, 300, 200)
    assert one.startswith('<svg width="300"') and 'viewBox="0 0 300 200"' in one
    for left in ("<style", "<?xml", "<!--", "<metadata", "font-family", "DejaVu"):
        assert left not in one
    assert "3.14159 #1f2328" in one and "C#10 &lt;b&gt;" in one
    names = re.findall(r' id="([^"]*)"', one)
    assert names and len(set(names)) == len(names)
    assert set(re.findall(r'(?:href="|url\()#([\w-]+)', one)) == set(names)
    assert not set(names) & set(re.findall(r' id="([^"]*)"', other))


def test_labels_cover_neither_markers_nor_one_another_and_stay_inside():
    dice, placed = random.Random(5), 0
    frame = (40, 10, 600, 360)
    for _ in range(60):
        count = dice.randrange(1, 31)
        points = [(dice.uniform(50, 590), dice.uniform(20, 350)) for _ in range(count)]
        widths = [dice.uniform(20, 120) for _ in points]
        found = place_labels(points, widths, frame, first=[count - 1])
        boxes = [
            (x, y, x + width, y + LINE)
            for (x, y, *_), width in ((p, w) for p, w in zip(found, widths, strict=True) if p)
        ]
        placed += len(boxes) / count / 60
        markers = [(x - REACH, y - REACH, x + REACH, y + REACH) for x, y in points]
        for n, box in enumerate(boxes):
            assert frame[0] <= box[0] and box[2] <= frame[2]
            assert frame[1] <= box[1] and box[3] <= frame[3]
            for other in [*markers, *boxes[n + 1 :]]:
                apart = box[2] <= other[0] or other[2] <= box[0]
                assert apart or box[3] <= other[1] or other[3] <= box[1]
    assert placed > 0.95


def test_no_label_is_placed_where_there_is_no_room():
    points = [(50.0, 50.0)] * 40
    found = place_labels(points, [60.0] * 40, (0, 0, 100, 100), first=[7])
    assert found[7] is None or found[7][0] >= 0
    assert sum(place is not None for place in found) < 40
    assert place_labels([(50.0, 50.0)], [101.0], (0, 0, 100, 100)) == [None]
