"""The feature maps widget: what Python hands to the page, and what it refuses."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from traitlets import TraitError

from cnnlib.trace import seen_by, trace
from cnnlib.widgets.feature_maps import FeatureMaps

SHAPE = (3, 1, 11, 14)  # three images, higher than wide nowhere
KEPT = [1, 2, 4, 5]  # the rows of `network` that are shown


def network() -> nn.Sequential:
    """Signed maps, then maps from 0 up, then vectors; padding, stride, and a gap in the kernel."""
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(1, 4, (3, 5), padding=(1, 0)),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 2, dilation=2),
        nn.ReLU(),
        nn.Conv2d(6, 5, (3, 3)),
    )


def outputs(images: np.ndarray) -> dict[int, np.ndarray]:
    """What every row of ``network`` puts out."""
    x = torch.tensor(images / 255).float().unsqueeze(1)
    found = {}
    with torch.no_grad():
        for row, layer in enumerate(network()):
            x = layer(x)
            found[row] = x.numpy()
    return found


def pictures() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, SHAPE[:1] + SHAPE[2:], dtype=np.uint8)


def make(**options) -> FeatureMaps:
    images = pictures()
    every = outputs(images)
    given = {
        "rows": trace(network(), (1, *SHAPE[1:])),
        "maps": {row: every[row] for row in KEPT},
        "images": images,
        "titles": ["one", "two", "three"],
        **options,
    }
    return FeatureMaps(**given)


def shown(**options) -> list[dict]:
    """What the page gets of each layer."""
    return make(**options).fixed["maps"]


def decoded(entry: dict) -> np.ndarray:
    levels = entry["levels"]
    numbers = np.frombuffer(base64.b64decode(levels["base64"]), np.uint8).reshape(levels["shape"])
    scale = entry["scale"]
    if scale["signed"]:
        return (numbers.astype(float) - 128) / 127 * scale["high"]
    return numbers / 255 * scale["high"]


def test_a_byte_is_within_half_a_step_of_the_value_it_stands_for():
    every = outputs(pictures())
    for entry in shown():
        values = every[entry["row"]]
        high = entry["scale"]["high"]
        step = high / (127 if entry["scale"]["signed"] else 255)
        assert high == pytest.approx(np.abs(values).max())
        assert np.abs(decoded(entry) - values).max() <= 0.5 * step + 1e-12


def test_signed_layers_and_layers_from_zero_up_have_different_scales():
    assert [entry["scale"]["signed"] for entry in shown()] == [True, True, False, True]


def test_zero_stays_exactly_zero_on_both_scales():
    for negative in (0.0, -0.3):
        values = np.zeros((3, 4, 11, 10), np.float32)
        values[1, 2, 3, 4] = 0.7
        values[0, 0, 0, 0] = negative
        entry = shown(maps={0: values})[0]
        assert decoded(entry)[2, 3, 10, 9] == 0
        assert (decoded(entry) == 0).sum() == values.size - (1 if negative == 0 else 2)


@pytest.mark.filterwarnings("error")
def test_a_layer_of_nothing_but_zeros_is_shown_as_zeros():
    entry = shown(maps={0: np.zeros((3, 4, 11, 10))})[0]
    assert entry["scale"]["high"] == 0
    assert not decoded(entry).any()


def test_vectors_and_maps_of_one_place_are_packed_alike():
    net = nn.Sequential(nn.Conv2d(1, 7, (11, 14)), nn.Flatten(), nn.Linear(7, 2))
    rows = trace(net, (1, *SHAPE[1:]))
    values = {0: np.ones((3, 7, 1, 1)), 1: np.ones((3, 7)), 2: np.ones((3, 2))}
    shapes = [e["levels"]["shape"] for e in shown(rows=rows, maps=values)]
    assert shapes == [[3, 7, 1, 1], [3, 7, 1, 1], [3, 2, 1, 1]]


def test_the_words_name_the_window_that_seen_by_finds():
    rows = trace(network(), (1, *SHAPE[1:]))
    widget = make(layer=4, channel=5, unit=[2, 1])
    down, across = seen_by(rows, 4, (2, 1))[-1]
    assert f"rows {down[0]} to {down[-1]} and columns {across[0]} to {across[-1]}" in (
        widget.text_alternative()
    )
    value = outputs(pictures())[4][0, 5, 2, 1]
    said = float(re.search(r"value ([\d.]+) ", widget.text_alternative())[1])
    assert said == pytest.approx(value, abs=widget.fixed["maps"][2]["scale"]["high"] / 255)


def test_the_still_picture_holds_every_channel_and_needs_no_script_or_network():
    picture = make(layer=4).still_picture()
    assert picture.count("<image") == 1 + 6
    assert set(re.findall(r'href="([^,]*),', picture)) == {"data:image/png;base64"}
    assert "script" not in picture and "http" not in picture.replace(
        "http://www.w3.org/2000/svg", ""
    )


def test_the_still_picture_paints_the_image_itself():
    widget = make(image=1)
    data = base64.b64decode(re.search(r'base64,([^"]*)"', widget.still_picture())[1])
    assert (np.array(Image.open(io.BytesIO(data))) == pictures()[1]).all()


def test_the_page_form_is_json_and_holds_the_choice():
    widget = make(image=2, layer=4, channel=3, unit=[1, 2])
    text = re.search(r'<script type="application/json">(.*?)</script>', widget.page_form())[1]
    state = json.loads(text)
    assert [state[name] for name in ("image", "layer", "channel", "unit")] == [2, 4, 3, [1, 2]]


def test_titles_with_markup_stay_text_in_the_page_form():
    form = make(titles=["</script><b>", "two", "three"]).page_form()
    assert "<b>" not in form


@pytest.mark.parametrize(
    ("name", "value"),
    [("image", 3), ("image", -1), ("layer", 0), ("channel", 4), ("channel", -1)]
    + [("unit", unit) for unit in ([11, 0], [0, 10], [-1, 0], [1], [1, 2, 3])],
)
def test_a_choice_that_does_not_exist_is_refused(name, value):
    widget = make()
    with pytest.raises(TraitError):
        setattr(widget, name, value)
    assert (widget.image, widget.layer, widget.channel, widget.unit) == (0, 1, 0, [5, 5])


def test_another_layer_has_the_nearest_channel_and_the_unit_over_the_same_place():
    widget = make(layer=4, channel=5, unit=[2, 2])
    widget.layer = 1
    assert (widget.channel, widget.unit) == (4 - 1, [9, 8])  # of 11 x 10 places, before of 3 x 3
    widget.layer = 5
    assert (widget.channel, widget.unit) == (3, [0, 0])
    widget.layer = 1
    assert (widget.channel, widget.unit) == (3, [5, 5])
    widget.choose(layer=2, unit=[0, 4])
    assert (widget.channel, widget.unit) == (3, [0, 4])


def test_the_page_may_set_layer_channel_and_unit_together():
    widget = make()
    widget.set_state({"channel": 5, "unit": [2, 2], "layer": 4})
    assert (widget.layer, widget.channel, widget.unit) == (4, 5, [2, 2])


def test_reads_are_kept_for_the_nearest_shown_row_below():
    lists = [[0, 3], [1], [2], [3], [0, 1, 2, 3], [2]]
    entries = shown(reads={2: "own", 4: lists, 5: "all"})
    assert [entry["below"] for entry in entries] == [None, 1, 2, 4]
    assert [entry["reads"] for entry in entries] == [None, [[0], [1], [2], [3]], lists, "all"]


def test_a_branch_is_followed_to_the_nearest_shown_row():
    class Fork(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(1, 2, 1)

        def forward(self, x):
            return self.left(x) + self.right(x)

    rows = trace(Fork(), (1, *SHAPE[1:]))
    maps = {0: np.ones((3, 2, 11, 14)), 2: np.ones((3, 2, 11, 14))}
    assert shown(rows=rows, maps=maps)[1]["below"] == 0


BAD = {
    "images of float64: expected uint8": {"images": pictures() / 255},
    r"images of shape \(3, 11, 14, 2\)": {"images": np.zeros((3, 11, 14, 2), np.uint8)},
    r"images of size \(14, 11\)": {"images": np.zeros((3, 14, 11), np.uint8)},
    "titles: 2 for 3 images": {"titles": ["a", "b"]},
    "maps: expected the output of one row or more": {"maps": {}},
    "maps: row 6, expected a row number from 0 to 5": {"maps": {6: np.ones((3, 5, 1, 1))}},
    r"maps\[4\] has shape \(3, 3, 6, 3\): expected \(3, 6, 3, 3\)": {
        "maps": {4: np.ones((3, 3, 6, 3))}
    },
    r"maps\[5\] holds values that are not finite": {"maps": {5: np.full((3, 5, 1, 1), np.nan)}},
    "names: row 0 is not among the rows of maps": {"names": {0: "first"}},
    r"reads\[1\]: no shown row lies below row 1": {"reads": {1: "all"}},
    r"reads\[2\] has 3 lists: expected 4": {"reads": {2: [[0], [1], [2]]}},
    r"reads\[2\] names channel 4: row 1 has 4 channels": {"reads": {2: [[4], [1], [2], [3]]}},
    r"reads\[5\]='some': expected lists, 'all' or 'own'": {"reads": {5: "some"}},
    r"scores of shape \(2, 5\): expected \(3, classes\)": {"scores": np.ones((2, 5))},
    "scores: some are not finite": {"scores": np.full((3, 5), np.inf)},
    "categories: 4 for 5 scores": {"scores": np.ones((3, 5)), "categories": list("abcd")},
    "categories without scores": {"categories": list("abcde")},
}


@pytest.mark.parametrize("message", BAD)
def test_arrays_that_do_not_fit_are_refused_by_name(message):
    with pytest.raises(ValueError, match=message):
        make(**BAD[message])


def test_a_flattened_map_is_refused_because_its_units_have_no_channel():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten())
    rows = trace(net, (1, *SHAPE[1:]))
    with pytest.raises(ValueError, match=r"row 1 \(1\) is a flattened map"):
        make(rows=rows, maps={1: np.ones((3, 2 * 9 * 12))})
