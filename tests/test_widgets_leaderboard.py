"""The leaderboard widget: what Python hands to the page, and what it refuses."""

import json
import math
import random
import re

import numpy as np
import pytest
from traitlets import TraitError

from cnnlib.widgets.leaderboard import (
    LINE,
    REACH,
    Column,
    Entry,
    Leaderboard,
    domain,
    front_of,
    order_of,
    place_labels,
    position,
    tick_text,
    tick_value,
    ticks_of,
)

COLUMNS = [
    Column("score", "score", "%", ".1f", higher_is_better=True),
    Column("weight", "weight", "kg", ",.2f", log=True, higher_is_better=False),
    Column("born", "born", format=".0f"),
]
ENTRIES = [
    Entry("Ant", {"score": [10.0, 12.0, 14.0], "weight": 0.5, "born": 1998}, "small"),
    Entry("bee", {"score": 30.0, "weight": [2.0, 6.0], "born": 2012}, "small"),
    Entry("Cow", {"score": 20.0, "weight": 1_234.5, "born": 2014}, "large"),
    Entry("Dog & <cat>", {"score": None, "weight": 30.0, "born": math.nan}),
    Entry("Elk", {"score": 30.0, "weight": 300.0, "born": 2012}, "large"),
]


def make(entries=ENTRIES, columns=COLUMNS, **options) -> Leaderboard:
    return Leaderboard(entries, columns, **options)


def test_what_is_missing_comes_last_in_both_directions_and_ties_keep_their_order():
    values = [3.0, None, 1.0, 3.0, None, 2.0]
    assert order_of(values) == [2, 5, 0, 3, 1, 4]
    assert order_of(values, descending=True) == [0, 3, 5, 2, 1, 4]
    assert order_of(["b", "a", None, "b"], descending=True) == [0, 3, 1, 2]
    assert order_of([]) == []


def test_the_front_of_a_case_by_hand():
    #         beaten by 1    front   front   beaten by 2   missing  twin of 2
    points = [(2.0, 1.0), (1.0, 1.0), (3.0, 5.0), (4.0, 5.0), None, (3.0, 5.0)]
    assert front_of(points) == [1, 2, 5]
    assert front_of(points, better=(1, 1)) == [3]
    assert front_of(points, better=(-1, -1)) == [1]
    assert front_of([None]) == []


@pytest.mark.parametrize("better", [(-1, 1), (1, 1), (-1, -1), (1, -1)])
def test_the_front_is_what_its_definition_says(better):
    dice = random.Random(3)
    for _ in range(200):
        points = [(dice.randrange(6), dice.randrange(6)) for _ in range(dice.randrange(1, 9))]
        ways = np.array(points) * better
        unbeaten = {
            n
            for n, here in enumerate(ways)
            if not any((there >= here).all() and (there > here).any() for there in ways)
        }
        front = front_of(points, better)
        assert set(front) == unbeaten
        assert [points[n] for n in front] == sorted(points[n] for n in front)


@pytest.mark.parametrize("log", [False, True])
def test_ticks_are_round_few_enough_and_inside(log):
    dice = random.Random(4)
    for _ in range(2_000):
        low = 10 ** dice.uniform(-6, 8) * (1 if log else dice.choice([-1, 1]))
        high = low * 10 ** dice.uniform(0.02, 6) if log else low + 10 ** dice.uniform(-3, 8)
        most = dice.randrange(3, 10)
        ticks = ticks_of(low, high, most, log)
        values = [tick_value(*tick) for tick in ticks]
        assert 1 <= len(ticks) <= most
        assert all(low <= value <= high for value in values)
        assert values == sorted(set(values))
        texts = [tick_text(*tick, grouped=False).replace("−", "-") for tick in ticks]
        assert [float(text) for text in texts] == pytest.approx(values)


def test_ticks_of_axes_by_hand():
    def texts(*axis):
        return [tick_text(*tick) for tick in ticks_of(*axis)]

    assert texts(0.09, 3.2, 8, True) == ["0.1", "0.2", "0.5", "1", "2"]
    assert texts(0.9, 2_100, 8, True) == ["1", "3", "10", "30", "100", "300", "1,000"]
    assert texts(2.1, 2.9, 5, True) == ["2.2", "2.4", "2.6", "2.8"]
    assert texts(1e-3, 1e9, 5, True) == ["0.001", "1", "1,000", "1M", "1G"]
    assert texts(-0.7, 2.3, 7, False) == ["−0.5", "0", "0.5", "1", "1.5", "2"]
    assert texts(900_000, 2_600_000, 4, False) == ["1M", "1.5M", "2M", "2.5M"]
    assert [tick_text(*t, grouped=False) for t in ticks_of(1998, 2018, 5, False)] == [
        "2000",
        "2005",
        "2010",
        "2015",
    ]


def test_an_axis_has_room_for_its_values_and_a_log_axis_has_equal_steps_for_equal_factors():
    for values, log in (([3.0, 90.0], True), ([-5.0, 90.0], False), ([7.0], True), ([0.0], False)):
        low, high = domain(values, log)
        assert low < min(values) and max(values) < high
    places = [position(value, (1, 1000), (0, 300), True) for value in (1, 10, 100, 1000)]
    assert places == pytest.approx([0, 100, 200, 300])
    assert position(2.5, (0, 10), (200, 0), False) == pytest.approx(150)


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


def test_several_runs_are_shown_by_their_mean_and_their_span():
    ant, bee, _, dog, _ = make().entries
    assert ant["cells"][0] == {
        "value": 12.0,
        "values": [10.0, 12.0, 14.0],
        "text": "12.0",
        "span": "(10.0 to 14.0)",
    }
    assert bee["cells"][0]["span"] == ""
    assert bee["cells"][1]["value"] == 4.0
    assert dog["cells"][0] == {"value": None, "values": [], "text": "–", "span": ""}
    assert dog["cells"][2]["text"] == "–"


def test_figures_are_formatted_as_their_column_says():
    texts = [[cell["text"] for cell in entry["cells"]] for entry in make().entries]
    assert texts[2] == ["20.0", "1,234.50", "2014"]
    minus = make([Entry("a", {"score": -1.25, "born": np.float32(3)}), *ENTRIES]).entries[0]
    assert [cell["text"] for cell in minus["cells"]] == ["−1.2", "–", "3"]


@pytest.mark.parametrize("missing", [None, math.nan, np.nan, [], np.array([])])
def test_every_kind_of_missing_figure_is_a_dash(missing):
    widget = make([Entry("Fox", {"score": missing}), *ENTRIES])
    assert [cell["text"] for cell in widget.entries[0]["cells"]] == ["–"] * 3


def test_the_first_choice_is_the_best_column_against_the_first_other():
    widget = make()
    assert (widget.x, widget.y, widget.sort, widget.descending) == (
        "weight",
        "score",
        "score",
        True,
    )
    assert make(sort="weight").descending is False
    assert make(y="weight").x == "score"


def test_each_family_differs_in_marker_or_colour_and_neighbours_in_both():
    many = [Entry(f"n{i}", {"score": i}, f"f{i}") for i in range(36)]
    looks = [(f["shape"], f["colour"]) for f in make(many).families]
    assert len(set(looks)) == 36
    assert all(a[0] != b[0] and a[1] != b[1] for a, b in zip(looks, looks[1:], strict=False))


def test_the_words_name_everyone_in_the_tables_order_and_the_front():
    words = make().text_alternative()
    assert words == (
        "Leaderboard of 5 networks by score (%), largest first: bee 30.0, Elk 30.0, Cow 20.0, "
        "Ant 12.0, Dog & <cat> –. On the front of score against weight: Ant, bee."
    )
    assert "front" not in make(x="born").text_alternative()
    assert "front" not in make(front=False).text_alternative()
    by_name = make(sort="name").text_alternative()
    assert "by name: Ant, bee, Cow, Dog & <cat>, Elk." in by_name
    by_family = make(sort="family").text_alternative()
    assert "by family: Cow, Elk, Ant, bee, Dog & <cat>." in by_family


def test_the_still_picture_has_a_marker_and_a_row_for_each_and_needs_no_script_or_network():
    picture = make().still_picture()
    plot, rest = picture.split("</svg>", 1)
    assert plot.count("<path") == 4 == plot.count('text-anchor="start"')
    assert rest.count("<tr>") == 1 + 5
    assert re.findall(r"<tr><td>([^<]*)</td>", rest) == [
        "bee",
        "Elk",
        "Cow",
        "Ant",
        "Dog &amp; &lt;cat&gt;",
    ]
    assert "12.0 (10.0 to 14.0)" in rest
    assert "script" not in picture
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")


def test_the_still_picture_puts_markers_where_the_figures_say():
    plot = make(front=False).still_picture().split("</svg>", 1)[0]
    places = [
        (float(x), float(y))
        for x, y in re.findall(r"<path[^>]*translate\(([\d.]+) ([\d.]+)\)", plot)
    ]
    (ant_x, ant_y), (bee_x, bee_y), (cow_x, cow_y), (elk_x, elk_y) = places
    assert ant_x < bee_x < elk_x < cow_x  # 0.5, 4, 300, 1234.5 kg
    assert bee_y == elk_y < cow_y < ant_y  # 30, 30, 20, 12 %, upwards
    steps = np.diff([ant_x, bee_x, elk_x, cow_x])
    factors = np.diff(np.log([0.5, 4, 300, 1234.5]))
    assert steps / steps[0] == pytest.approx(factors / factors[0], abs=0.01)


def test_where_no_network_has_both_figures_the_still_picture_says_so():
    widget = make([Entry("a", {"score": 1.0}), Entry("b", {"weight": 1.0})])
    assert "No network has both figures." in widget.still_picture()


@pytest.mark.parametrize("value", [5.0, 0.0, -2.0])
def test_one_network_alone_can_be_drawn(value):
    widget = make([Entry("a", {"score": value, "weight": 3.0})])
    assert widget.still_picture().count('text-anchor="start"') == 1
    assert widget.text_alternative().startswith("Leaderboard of 1 network by score")


def test_the_page_form_is_json_and_names_with_markup_stay_text():
    form = make(chosen=2).page_form()
    state = json.loads(re.search(r'<script type="application/json">(.*?)</script>', form)[1])
    assert (state["chosen"], state["x"], state["y"]) == (2, "weight", "score")
    assert state["entries"][3]["name"] == "Dog & <cat>"
    assert "<cat>" not in form


@pytest.mark.parametrize(
    ("name", "value"),
    [("x", "size"), ("x", "score"), ("y", "name"), ("sort", "size"), ("chosen", 5), ("chosen", -2)],
)
def test_a_choice_that_does_not_exist_is_refused(name, value):
    widget = make()
    before = getattr(widget, name)
    with pytest.raises(TraitError, match=str(value)):
        setattr(widget, name, value)
    assert getattr(widget, name) == before
    with pytest.raises(TraitError, match=str(value)):
        make(**{"y": "score", name: value})


def test_the_page_may_swap_the_axes_in_one_message():
    widget = make()
    widget.set_state({"x": "score", "y": "weight"})
    assert (widget.x, widget.y) == ("score", "weight")


BAD = {
    r"entries=\[\]: expected at least one": lambda: make([]),
    "columns: 1, expected two or more": lambda: make([Entry("a")], COLUMNS[:1]),
    "columns: 'born' stands there twice": lambda: make(columns=[*COLUMNS, COLUMNS[2]]),
    "entries: 'Cow' stands there twice": lambda: make([*ENTRIES, Entry("Cow")]),
    "columns: the key 'name' is the table's own": lambda: make(
        [Entry("a")], [*COLUMNS, Column("name", "n")]
    ),
    "expected a name": lambda: make([Entry(" ")]),
    "Fox: 'wieght' is no column; expected keys among 'score'": lambda: make(
        [Entry("Fox", {"wieght": 1})]
    ),
    "Fox: score='12': expected a number": lambda: make([Entry("Fox", {"score": "12"})]),
    r"Fox: score=\['12'\]: expected a number": lambda: make([Entry("Fox", {"score": ["12"]})]),
    "Fox: score=inf: expected finite": lambda: make([Entry("Fox", {"score": math.inf})]),
    r"Fox: score=\[1.0, nan\]: expected finite": lambda: make(
        [Entry("Fox", {"score": [1.0, math.nan]})]
    ),
    "Fox: weight=0: expected a figure above 0": lambda: make([Entry("Fox", {"weight": 0})]),
    r"Fox: weight=\[1, -2\]: expected a figure above 0": lambda: make(
        [Entry("Fox", {"weight": [1, -2]})]
    ),
    "expected a key and a label": lambda: Column("", "a"),
    "format='%.1f': expected one such as": lambda: Column("a", "a", format="%.1f"),
}


@pytest.mark.parametrize("message", BAD)
def test_entries_and_columns_that_do_not_fit_are_refused_by_name(message):
    with pytest.raises(ValueError, match=message):
        BAD[message]()
