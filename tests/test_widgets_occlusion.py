"""The occlusion widget: what Python hands to the page, and what it refuses."""

import base64
import io
import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cnnlib.inside import occlusion_map
from cnnlib.widgets.occlusion import (
    LABELS,
    OTHERS,
    OccludedPhotograph,
    Occlusion,
    Scan,
    per_cent,
)
from cnnlib.widgets.pictures import unpack
from cnnlib.widgets.pixels import Scale, rgb
from cnnlib.widgets.widget import ChoiceError

IMAGE = (24, 36)  # rows and columns of the network's input; pixels are twice as fine
CATEGORIES = [f"class {k}" for k in range(9)]
TARGETS = (4, 0)
GRIDS = {(8, 6): (range(0, 17, 4), range(0, 31, 5)), (12, 12): (range(0, 24, 6), range(0, 36, 9))}


def scan(size: tuple[int, int], target: int, seed: int = 0, **options) -> Scan:
    """Random shares of every class, and the maps that follow from them."""
    rng = np.random.default_rng(seed)
    tops, lefts = GRIDS[size]
    shares = rng.dirichlet(np.full(len(CATEGORIES), 0.4), (len(tops), len(lefts)))
    clean = rng.dirichlet(np.full(len(CATEGORIES), 0.4))
    given = {
        "probability": shares[..., target],
        "clean_probability": clean[target],
        "labels": shares.argmax(-1),
        "clean_label": int(clean.argmax()),
        "activity": rng.normal(300, 200, shares.shape[:2]),
        "clean_activity": 280.5,
        "probabilities": shares,
        "clean_probabilities": clean,
        **options,
    }
    return Scan(size=size, tops=tops, lefts=lefts, **given)


def photographs() -> list[OccludedPhotograph]:
    rng = np.random.default_rng(7)
    pixels = rng.integers(0, 256, (2, 2 * IMAGE[0], 2 * IMAGE[1], 3), dtype=np.uint8)
    plain = {"activity": None, "clean_activity": None}
    bare = {"probabilities": None, "clean_probabilities": None}
    return [
        OccludedPhotograph(
            "Dots",
            pixels[0],
            4,
            [scan((8, 6), 4), scan((12, 12), 4, 1)],
            IMAGE,
            "Many dots",
            "N. N.",
        ),
        OccludedPhotograph("Spots", pixels[1], 0, [scan((12, 12), 0, 2, **plain, **bare)], IMAGE),
    ]


def make(**options) -> Occlusion:
    return Occlusion(photographs(), CATEGORIES, **{"layer": "conv3", **options})


def entries(widget: Occlusion) -> list[dict]:
    return widget.fixed["photographs"]


def read_back(map_: dict) -> np.ndarray:
    return Scale(**map_["scale"]).values(unpack(map_["levels"]))


def pairs() -> list[tuple[dict, Scan, OccludedPhotograph]]:
    """What the page holds of each scan, beside the scan itself."""
    given = photographs()
    return [
        (entry, own, photograph)
        for shown, photograph in zip(entries(make()), given, strict=True)
        for entry, own in zip(shown["scans"], photograph.scans, strict=True)
    ]


def test_a_map_that_is_read_back_is_within_half_a_step():
    for entry, own, _ in pairs():
        assert entry["probability"]["scale"] == {"low": 0, "high": 1, "signed": False}
        assert np.abs(read_back(entry["probability"]) - own.probability).max() <= 1 / 510 + 1e-12
        if own.activity is not None:
            low, high, _ = entry["activity"]["scale"].values()
            assert low == min(0, own.activity.min()) and high == max(280.5, own.activity.max())
            error = np.abs(read_back(entry["activity"]) - own.activity).max()
            assert 0 < error <= (high - low) / 510 + 1e-9


def test_labels_and_best_classes_are_read_back_by_name():
    names = np.array(CATEGORIES)
    for entry, own, photograph in pairs():
        kept = np.array(entry["names"])
        assert kept[0] == CATEGORIES[photograph.target]
        assert (kept[unpack(entry["labels"])] == names[own.labels]).all()
        assert entry["names"][entry["clean_label"]] == CATEGORIES[own.clean_label]
        if own.probabilities is None:
            assert entry["best"] is None
            continue
        order = np.argsort(-own.probabilities, axis=-1)[..., :4]
        assert (kept[unpack(entry["best"]["classes"])] == names[order]).all()
        shares = unpack(entry["best"]["levels"]) / 255
        expected = np.take_along_axis(own.probabilities, order, axis=-1)
        assert np.abs(shares - expected).max() <= 1 / 510 + 1e-12
        best = np.argsort(-own.clean_probabilities)[:4]
        assert [entry["names"][k] for k, _ in entry["clean_best"]] == names[best].tolist()
        assert [share for _, share in entry["clean_best"]] == own.clean_probabilities[best].tolist()


def test_counts_are_those_of_the_label_map():
    for entry, own, _ in pairs():
        counts = dict(zip(entry["names"], entry["counts"], strict=True))
        for label, count in zip(*np.unique(own.labels, return_counts=True), strict=True):
            assert counts[CATEGORIES[label]] == count
        assert sum(counts.values()) == own.labels.size


def test_cells_meet_halfway_between_the_middles_of_the_covers():
    (first, _, _), (second, _, _), _ = pairs()
    assert first["row_edges"] == [2, 6, 10, 14, 18, 22]
    assert first["column_edges"] == [0.5, 5.5, 10.5, 15.5, 20.5, 25.5, 30.5, 35.5]
    # 12 x 12 over 24 rows at 0, 6, 12 and 18: the last covers rows 18 to 23, its middle is 21.
    assert second["row_edges"] == [3, 9, 15, 19.5, 22.5]
    assert second["column_edges"][-1] <= IMAGE[1]


def test_a_scan_of_one_place_is_one_cell():
    own = replace(
        scan((8, 6), 4),
        tops=[5],
        lefts=[7],
        probability=np.array([[0.25]]),
        labels=np.array([[3]]),
        activity=None,
        clean_activity=None,
        probabilities=None,
        clean_probabilities=None,
    )
    entry = entries(Occlusion([replace(photographs()[0], scans=[own])], CATEGORIES))[0]
    assert entry["scans"][0]["row_edges"] == [0, 24]
    assert entry["scans"][0]["column_edges"] == [0, 36]


@pytest.mark.filterwarnings("error")
def test_an_activity_of_nothing_but_zeros_is_read_back_as_zeros():
    own = scan((8, 6), 4, activity=np.zeros((5, 7)), clean_activity=0.0)
    entry = entries(Occlusion([replace(photographs()[0], scans=[own])], CATEGORIES))[0]
    assert not read_back(entry["scans"][0]["activity"]).any()


def test_a_scan_is_taken_from_an_occlusion_map_as_it_is():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 5, stride=3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(9))
    images = torch.rand(2, 3, *IMAGE)
    net(images)
    found = occlusion_map(net, images, [4, 2], size=(8, 6), stride=(4, 5), layer="1")
    own = Scan.of(found, 1)
    assert own.size == (8, 6) and own.tops == found.tops and own.lefts == found.lefts
    assert np.array_equal(own.probability, found.probability[1])
    assert np.array_equal(own.labels, found.labels[1])
    assert np.array_equal(own.activity, found.activity[1])
    assert own.clean_activity == found.clean_activity[1]
    assert own.clean_probability == found.clean_probability[1]
    assert np.allclose(own.probabilities[..., 2], own.probability)
    assert np.allclose(own.clean_probabilities[2], own.clean_probability)
    pixels = np.zeros((*IMAGE, 3), np.uint8)
    entry = entries(Occlusion([OccludedPhotograph("x", pixels, 2, [own])], CATEGORIES))[0]
    assert entry["size"] == list(IMAGE)
    error = read_back(entry["scans"][0]["probability"]) - found.probability[1].numpy()
    assert np.abs(error).max() <= 1 / 510 + 1e-7
    with pytest.raises(ValueError, match="number=2: expected 0 to 1"):
        Scan.of(found, 2)


def test_a_map_of_no_class_is_refused():
    with pytest.raises(ValueError, match="expected a map of a network with classes"):
        Scan.of(SimpleNamespace(probability=None))


def test_the_words_name_the_extremes_of_the_map():
    own = scan((8, 6), 4)
    words = make().map_in_words()
    assert "8 × 6 pixels at 5 × 7 places. Probability of class 4: uncovered" in words
    for name, find in (("least", np.argmin), ("most", np.argmax)):
        levels = np.rint(255 * own.probability)  # of equal ones the first is named
        i, j = np.unravel_index(find(levels), levels.shape)
        where = f"rows {4 * i} to {4 * i + 7} and columns {5 * j} to {5 * j + 5} covered"
        assert f"{name} {said(own.probability[i, j])} with {where}" in words


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0049, "under 1 %"),
        (0.005, "1 %"),
        (0.125, "13 %"),
        (0.9949, "99 %"),
        (0.995, "over 99 %"),
    ],
)
def test_a_share_is_said_in_whole_per_cents_and_never_as_none_or_all(share, text):
    assert per_cent(make().words, share) == text


def test_the_text_alternative_says_what_is_at_the_place():
    own = scan((8, 6), 4)
    for i, j in np.ndindex(5, 7):
        widget = make(place=[4 * i, 5 * j])
        assert widget.text_alternative().endswith(
            f"With the cover over rows {4 * i} to {4 * i + 7} and columns {5 * j} to {5 * j + 5} "
            f"the network says {CATEGORIES[own.labels[i, j]]}, and gives class 4 "
            f"{said(own.probability[i, j])}."
        )


def said(share: float) -> str:
    """As the widget says it, of the nearest byte."""
    share = round(share * 255) / 255
    if share < 0.005:
        return "under 1 %"
    return "over 99 %" if share >= 0.995 else f"{int(100 * share + 0.5)} %"


def test_the_words_of_the_label_map_count_the_winners():
    own = scan((8, 6), 4)
    words = make(shown="labels").text_alternative()
    labels, counts = np.unique(own.labels, return_counts=True)
    others = [count for label, count in zip(labels, counts, strict=True) if label != 4]
    top = CATEGORIES[[label for label in labels if label != 4][int(np.argmax(others))]]
    assert f"{top} at {max(others)}" in words and "of 35 places" in words


def test_of_many_winners_six_are_named():
    labels = np.arange(35).reshape(5, 7) % 9
    bare = {"probabilities": None, "clean_probabilities": None}
    own = [scan((8, 6), 4, labels=labels, **bare)]
    widget = Occlusion([replace(photographs()[0], scans=own)], CATEGORIES, shown="labels")
    assert widget.map_in_words().endswith(
        "The class that wins: class 4 at 4, class 0 at 4, class 1 at 4, class 2 at 4, "
        "class 3 at 4, class 5 at 4 and 3 others of 35 places."
    )


@pytest.mark.parametrize("shown", ["probability", "activity", "labels"])
def test_the_still_picture_needs_no_script_and_no_network(shown):
    picture = make(shown=shown).still_picture()
    addresses = re.findall(r'href="([^,]*),', picture)
    assert addresses == ["data:image/webp;base64", "data:image/png;base64"]
    assert "script" not in picture
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")


def test_the_still_picture_paints_the_map():
    own = scan((8, 6), 4)
    picture = make().still_picture()
    data = base64.b64decode(re.search(r'image/png;base64,([^"]*)"', picture)[1])
    painted = np.asarray(Image.open(io.BytesIO(data))).astype(int)
    assert painted.shape == (*IMAGE, 3)
    assert (painted[0] == 255).all()  # no cover has its middle there
    middles = painted[4:23:4, 3:35:5].sum(axis=-1)
    assert middles.shape == own.probability.shape
    order = np.argsort(own.probability, axis=None)
    assert (np.diff(middles.ravel()[order]) >= 0).all()  # the likelier, the lighter


def test_the_still_picture_paints_each_class_in_its_colour_and_the_rest_grey():
    labels = np.arange(35).reshape(5, 7) % 9
    bare = {"probabilities": None, "clean_probabilities": None}
    own = [scan((8, 6), 4, labels=labels, **bare)]
    widget = Occlusion([replace(photographs()[0], scans=own)], CATEGORIES, shown="labels")
    data = re.search(r'image/png;base64,([^"]*)"', widget.still_picture())[1]
    painted = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    names = entries(widget)[0]["scans"][0]["names"]
    for label, colour in zip(labels.ravel(), painted[4:23:4, 3:35:5].reshape(-1, 3), strict=True):
        rank = names.index(CATEGORIES[label])
        assert colour.tolist() == rgb(LABELS[rank] if rank < len(LABELS) else OTHERS)


def test_the_page_form_is_json_and_holds_the_choice():
    widget = make(photograph=0, occluder=1, shown="labels", place=[6, 27])
    text = re.search(r'<script type="application/json">(.*?)</script>', widget.page_form())[1]
    state = json.loads(text)
    chosen = [state[name] for name in ("photograph", "occluder", "shown", "place")]
    assert chosen == [0, 1, "labels", [6, 27]]


def test_a_title_with_markup_stays_text():
    given = [replace(photograph, title="</script><b>") for photograph in photographs()]
    assert "<b>" not in Occlusion(given, CATEGORIES).page_form()


@pytest.mark.parametrize(
    ("name", "value"),
    [("photograph", 2), ("photograph", -1), ("occluder", 2), ("occluder", -1), ("shown", "other")]
    + [("place", place) for place in ([3, 0], [0, 4], [20, 0], [-4, 0], [4], [0, 5, 10])],
)
def test_a_choice_that_does_not_exist_is_refused(name, value):
    widget = make()
    before = (widget.photograph, widget.occluder, widget.shown, widget.place)
    with pytest.raises(ChoiceError, match=f"{name}="):
        setattr(widget, name, value)
    assert (widget.photograph, widget.occluder, widget.shown, widget.place) == before


def test_activity_cannot_be_shown_where_there_is_none():
    with pytest.raises(ChoiceError, match="shown='activity': expected one of probability, labels"):
        make(photograph=1, shown="activity")


def test_another_photograph_takes_the_nearest_occluder_map_and_place():
    widget = make(occluder=1, shown="activity", place=[18, 27])
    widget.photograph = 1
    assert (widget.occluder, widget.shown, widget.place) == (0, "probability", [18, 27])
    widget.photograph = 0
    widget.place = [16, 25]  # its middle is (20, 28)
    widget.occluder = 1
    assert widget.place == [12, 18]  # with its middle at (18, 24); the next are (24, 33)


def test_the_page_may_set_photograph_occluder_and_place_together():
    widget = make(occluder=1)
    widget.set_state({"place": [12, 18], "photograph": 1, "occluder": 0})
    assert (widget.photograph, widget.occluder, widget.place) == (1, 0, [12, 18])


# ---- With a kernel.


def respond(photograph: int, size: tuple[int, int], top: int, left: int) -> np.ndarray:
    """Shares that tell what was asked."""
    shares = np.zeros(9)
    shares[:5] = photograph / 10, size[0] / 100, size[1] / 100, top / 100, left / 100
    return shares


def test_with_a_kernel_the_cover_goes_to_any_pixel_and_the_answer_follows():
    widget = make(respond=respond)
    assert widget.fixed["live"]
    widget.place = [13, 29]
    assert widget.answer["place"] == [13, 29]
    assert widget.answer["target"] == pytest.approx(0.29)
    assert [name for name, _ in widget.answer["best"]] == [f"class {k}" for k in (4, 3, 1, 2)]
    assert [share for _, share in widget.answer["best"]] == pytest.approx([0.29, 0.13, 0.08, 0.06])


def test_with_a_kernel_another_cover_begins_on_the_grid():
    widget = make(respond=respond, place=[13, 29])
    widget.occluder = 1  # its middle stays at (17, 32): the corner would be (11, 26)
    assert widget.place == [12, 27]


def test_each_choice_is_asked_for_once():
    asked = []

    def listen(*where) -> np.ndarray:
        asked.append(where)
        return respond(*where)

    widget = make(respond=listen)
    assert asked == [(0, (8, 6), 8, 15)]
    widget.place = [1, 2]
    assert asked[1:] == [(0, (8, 6), 1, 2)]
    widget.shown = "labels"
    assert len(asked) == 2
    widget.photograph = 1
    assert asked[2:] == [(1, (12, 12), 0, 0)]
    assert (widget.answer["photograph"], widget.answer["place"]) == (1, [0, 0])


def test_a_place_outside_the_picture_is_refused_with_a_kernel_too():
    widget = make(respond=respond)
    for place, nearest in (([17, 0], "16, 0"), ([0, 31], "0, 30")):
        with pytest.raises(ChoiceError, match=rf"the nearest is \[{nearest}\]"):
            widget.place = place
    with pytest.raises(ChoiceError, match="expected a place in a grid of 24 × 36"):
        widget.place = [-1, 0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros(8), r"respond\(...\) has shape \(8,\): expected \(9,\)"),
        (np.full(9, 2.0), "0 to 1"),
    ],
)
def test_a_wrong_answer_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        make(respond=lambda *where: given)


def test_an_answer_that_fails_is_told_to_the_page_and_to_python():
    trouble = []

    def failing(*where) -> np.ndarray:
        if trouble:
            raise RuntimeError(*trouble)
        return respond(*where)

    widget = make(respond=failing)
    trouble.append("the network is away")
    with pytest.raises(RuntimeError, match="the network is away"):
        widget.place = [13, 29]
    assert widget.answer == {
        "photograph": 0,
        "occluder": 0,
        "place": [13, 29],
        "error": "RuntimeError: the network is away",
    }
    trouble.clear()
    widget.place = [13, 28]
    assert "error" not in widget.answer
    assert widget.answer["target"] == pytest.approx(0.28)


def test_the_page_form_of_a_live_widget_stands_on_the_grid_and_waits_for_nobody():
    widget = make(respond=respond)
    widget.place = [13, 29]
    state = widget.page_state()
    assert (state["fixed"]["live"], state["place"]) == (False, [12, 30])
    assert "answer" not in state


# ---- What is refused.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probability": np.zeros((7, 5))}, r"probability has shape \(7, 5\): expected \(5, 7\)"),
        (
            {"probability": np.full((5, 7), 1.2)},
            "probability goes from 1.2 to 1.2: expected 0 to 1",
        ),
        ({"probability": np.full((5, 7), np.nan)}, "probability holds values that are not finite"),
        ({"clean_probability": -0.5}, "clean_probability goes from -0.5"),
        ({"labels": np.zeros((5, 6), int)}, r"labels has shape \(5, 6\): expected \(5, 7\)"),
        ({"labels": np.zeros((5, 7))}, "labels of float64: expected whole numbers"),
        ({"labels": np.full((5, 7), 9)}, "labels goes from 9 to 9: expected 0 to 8"),
        ({"clean_label": 9}, "clean_label goes from 9 to 9"),
        ({"activity": None}, "activity, clean_activity: expected both or neither"),
        ({"activity": np.full((5, 7), np.inf)}, "activity holds values that are not finite"),
        ({"probabilities": None}, "probabilities, clean_probabilities: expected both or neither"),
        ({"probabilities": np.zeros((5, 7, 8))}, r"expected \(5, 7, 9\)"),
        ({"probabilities": np.zeros((5, 7, 9))}, "of class 4 are not those of its own map"),
        ({"fill": (0, 300, 0)}, "fill=.*: expected three numbers from 0 to 255"),
        ({"fill": (0, 3)}, "fill=.*: expected three numbers"),
    ],
)
def test_a_scan_that_does_not_fit_is_refused(options, message):
    own = [scan((8, 6), 4, **options)]
    with pytest.raises(ValueError, match=message):
        Occlusion([replace(photographs()[0], scans=own)], CATEGORIES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tops": [0, 4, 4, 8, 12]}, "tops=.*: expected rising numbers from 0 to 23"),
        ({"lefts": [0, 5, 10, 15, 20, 25, 36]}, "lefts=.*: expected rising numbers from 0 to 35"),
        ({"size": 0}, "size=0: expected a number above 0"),
        ({"size": (3, 4, 5)}, "size=.*: expected a number above 0, or"),
    ],
)
def test_places_that_do_not_fit_are_refused(options, message):
    own = [replace(scan((8, 6), 4), **options)]
    with pytest.raises(ValueError, match=message):
        Occlusion([replace(photographs()[0], scans=own)], CATEGORIES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 9}, "target=9: expected 0 to 8"),
        ({"target": 1.0}, "target=1.0: expected a whole number"),
        ({"pixels": np.zeros((4, 4))}, r"photographs\[0\]: pixels: float64"),
        ({"scans": []}, "scans: expected at least one"),
        ({"image_size": (0, 5)}, "image_size="),
    ],
)
def test_a_photograph_that_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Occlusion([replace(photographs()[0], **options)], CATEGORIES)


def test_no_photographs_are_refused():
    with pytest.raises(ValueError, match="photographs: expected at least one"):
        Occlusion([], CATEGORIES)


def test_more_classes_than_a_byte_can_name_are_refused():
    names = [f"class {k}" for k in range(400)]
    grid = (16, 20)
    own = Scan(
        size=2,
        tops=range(16),
        lefts=range(20),
        probability=np.zeros(grid),
        clean_probability=0.0,
        labels=np.arange(320).reshape(grid),
        clean_label=0,
    )
    with pytest.raises(ValueError, match="320 classes win or come close: expected at most 256"):
        Occlusion([OccludedPhotograph("x", np.zeros((24, 36), np.uint8), 1, [own])], names)
