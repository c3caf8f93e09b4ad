"""The leaderboard widget: what Python hands to the page, and what it refuses."""

import json
import math
import random
import re

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnlib.widgets.leaderboard import Column, Entry, Leaderboard, front_of, order_of
from cnnlib.widgets.widget import ChoiceError

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


def test_several_runs_are_shown_by_their_mean_and_their_span():
    ant, bee, _, dog, _ = make().fixed["entries"]
    assert ant["cells"][0] == {
        "value": 12.0,
        "values": [10.0, 12.0, 14.0],
        "text": "12.0",
        "ends": ["10.0", "14.0"],
    }
    assert bee["cells"][0]["ends"] == []
    assert bee["cells"][1]["value"] == 4.0
    assert dog["cells"][0] == {"value": None, "values": [], "text": "–", "ends": []}
    assert dog["cells"][2]["text"] == "–"


def test_figures_are_formatted_as_their_column_says():
    texts = [[cell["text"] for cell in entry["cells"]] for entry in make().fixed["entries"]]
    assert texts[2] == ["20.0", "1,234.50", "2014"]
    minus = make([Entry("a", {"score": -1.25, "born": np.float32(3)}), *ENTRIES]).fixed["entries"][
        0
    ]
    assert [cell["text"] for cell in minus["cells"]] == ["−1.2", "–", "3"]


@pytest.mark.parametrize("missing", [None, math.nan, np.nan, [], np.array([])])
def test_every_kind_of_missing_figure_is_a_dash(missing):
    widget = make([Entry("Fox", {"score": missing}), *ENTRIES])
    assert [cell["text"] for cell in widget.fixed["entries"][0]["cells"]] == ["–"] * 3


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
    looks = [(f["shape"], f["colour"]) for f in make(many).fixed["families"]]
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


def drawn(widget: Leaderboard) -> Axes:
    return widget.draw(Figure((8, 5), dpi=72).subplots())


def test_the_still_picture_has_a_label_and_a_row_for_each_and_needs_no_script_or_network():
    picture = make().still_picture()
    plot, rest = picture.split("</svg>", 1)
    for name in ("Ant", "bee", "Cow", "Elk"):
        assert plot.count(f">{name}</text>") == 1
    assert "Dog" not in plot
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
    assert not re.search(r"https?://(?!www\.w3\.org/)", picture)


def test_the_still_plot_puts_markers_where_the_figures_say():
    ax = drawn(make())
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("weight (kg)", "score (%)")
    front, *markers = ax.lines
    assert list(zip(*front.get_data(), strict=True)) == [(0.5, 12.0), (4.0, 30.0)]
    places = [tuple(float(n) for n in np.ravel(marker.get_data())) for marker in markers]
    assert places == [(0.5, 12.0), (4.0, 30.0), (1234.5, 20.0), (300.0, 30.0)]
    assert [label.xy for label in ax.texts] == places
    assert [label.get_text() for label in ax.texts] == ["Ant", "bee", "Cow", "Elk"]
    looks = [(marker.get_marker(), marker.get_color()) for marker in markers]
    assert looks[0] == looks[1] != looks[2] == looks[3]


def test_the_still_plot_draws_runs_from_the_least_to_the_most_and_a_front_only_if_asked():
    ax = drawn(make(front=False))
    spans = [line.get_segments()[0].tolist() for line in ax.collections]
    assert spans == [[[0.5, 10.0], [0.5, 14.0]], [[2.0, 30.0], [6.0, 30.0]]]
    assert not ax.lines[0].get_xdata().size


def test_a_still_of_thirty_networks_is_small():
    many = [
        Entry(f"Network v{n}", {"score": [n, n + 1], "weight": 2.0**n}, f"family {n % 4}")
        for n in range(30)
    ]
    assert len(make(many).still_picture()) < 60_000


def test_where_no_network_has_both_figures_the_still_picture_says_so():
    widget = make([Entry("a", {"score": 1.0}), Entry("b", {"weight": 1.0})])
    assert "No network has both figures." in widget.still_picture()


@pytest.mark.parametrize("value", [5.0, 0.0, -2.0])
def test_one_network_alone_can_be_drawn(value):
    widget = make([Entry("a", {"score": value, "weight": 3.0})])
    assert [label.get_text() for label in drawn(widget).texts] == ["a"]
    assert widget.text_alternative().startswith("Leaderboard of 1 network by score")


def test_the_page_form_is_json_and_names_with_markup_stay_text():
    form = make(network=2).page_form()
    state = json.loads(re.search(r'<script type="application/json">(.*?)</script>', form)[1])
    assert (state["network"], state["x"], state["y"]) == (2, "weight", "score")
    assert state["fixed"]["entries"][3]["name"] == "Dog & <cat>"
    assert "<cat>" not in form


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "size"),
        ("y", "name"),
        ("sort", "size"),
        ("network", 5),
        ("network", -2),
        ("front", 1),
        ("descending", "no"),
    ],
)
def test_a_choice_that_does_not_exist_is_refused(name, value):
    widget = make()
    before = getattr(widget, name)
    with pytest.raises(ChoiceError, match=f"{name}={value!r}"):
        setattr(widget, name, value)
    assert getattr(widget, name) == before
    with pytest.raises(ChoiceError, match=f"{name}={value!r}"):
        make(**{name: value})


def test_an_axis_that_takes_the_others_column_gives_it_its_own():
    widget = make()
    widget.x = "score"
    assert (widget.x, widget.y) == ("score", "weight")
    widget.y = "score"
    assert (widget.x, widget.y) == ("weight", "score")
    with pytest.raises(ChoiceError, match="x='born': the other axis shows this column"):
        widget.choose(x="born", y="born")
    assert (widget.x, widget.y) == ("weight", "score")


def test_a_new_order_has_the_best_first_unless_it_is_asked_for():
    widget = make()
    for sort, descending in (("weight", False), ("score", True), ("name", False)):
        widget.sort = sort
        assert widget.descending is descending
    widget.descending = True
    widget.sort = "name"
    assert widget.descending is True
    widget.choose(sort="weight", descending=True)
    assert widget.descending is True


def test_a_network_is_lit_and_none_again():
    widget = make()
    widget.network = 4
    widget.network = -1
    assert widget.network == -1


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
