"""Inside a trained network, the widget: what Python hands to the page, and what it refuses."""

import base64
import io
import json
import re
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from traitlets import TraitError

from cnnlib.trace import seen_by, trace
from cnnlib.widgets.trained_units import TrainedUnits, UnitLayer

SHAPE = (3, 3, 22, 28)  # three photographs, wider than high
SHOWN = {1: [4, 0, 2], 2: [3], 4: [5, 1], 6: [6, 0]}  # row -> channels
SIDE = 24


@dataclass(frozen=True, eq=False)
class Top:
    """What ``cnnlib.inside.top_patches`` gives, as far as the widget looks at it."""

    channel: int
    name: str
    activation: float
    patch: np.ndarray
    projection: np.ndarray


def network() -> nn.Sequential:
    """Signed maps, then maps from 0 up, then a vector; padding, stride, and a gap in the kernel."""
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 5, (3, 5), padding=(1, 0)),
        nn.Tanh(),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(5, 6, 2, dilation=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(6, 7, 1),
    )


def photographs() -> np.ndarray:
    pixels = np.random.default_rng(5).integers(0, 256, (3, 22, 28, 3), dtype=np.uint8)
    pixels[2] = 0
    return pixels


@cache
def outputs() -> dict[int, np.ndarray]:
    """What every row of ``network`` puts out; a channel of row 4 is nothing but zeros."""
    x = torch.tensor(photographs() / 255).float().permute(0, 3, 1, 2)
    found = {}
    with torch.no_grad():
        for row, layer in enumerate(network()):
            x = layer(x)
            found[row] = x.numpy().copy()
    found[4][:, 1] = 0
    return found


@cache
def traced() -> list:
    return trace(network(), (1, *SHAPE[1:]))


def tops(channel: int, count: int, size: tuple[int, int] = (7, 7)) -> list[Top]:
    """Patches of one colour each, the first the reddest; projections with one bright place."""
    found = []
    for number in range(count):
        patch = np.zeros((*size, 3), np.uint8)
        patch[:, :, 0], patch[:, :, 2] = 250 - 25 * number, 20 * channel
        projection = np.zeros((*size, 3), np.float32)
        projection[2:5, 2:5] = (3.0, -3.0, 0.0)
        name = f"picture {number // 2}"
        found.append(Top(channel, name, 9.87654 - number, patch, projection))
    return found


def make(**options) -> TrainedUnits:
    every = outputs()
    shown = [
        UnitLayer(row, every[row], {channel: tops(channel, 9) for channel in channels}, f"row{row}")
        for row, channels in SHOWN.items()
    ]
    given = {
        "network": "Net",
        "rows": traced(),
        "photographs": photographs(),
        "titles": ["one", "two", "black"],
        "shown": shown,
        "searched": "18 pictures",
        "side": SIDE,
        **options,
    }
    return TrainedUnits(**given)


def layers(**options) -> list[dict]:
    """What the page gets of each layer."""
    return make(**options).fixed["layers"]


def limits_of(entry: dict) -> np.ndarray:
    """The largest magnitude that each channel's scale has, (K, 1, 1)."""
    return np.array([scale["high"] for scale in entry["scales"]])[:, None, None]


def pixels_of(address: str) -> np.ndarray:
    head, data = address.split(",")
    assert re.fullmatch(r"data:image/(png|webp);base64", head)
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))))


def decoded(entry: dict, photograph: int) -> np.ndarray:
    """The values that a sheet of maps stands for, (K, H, W)."""
    levels = pixels_of(entry["sheets"][photograph]).astype(float).reshape(entry["shape"])
    limits = limits_of(entry)
    return (levels - 128) / 127 * limits if entry["signed"] else levels / 255 * limits


def test_a_byte_is_within_half_a_step_of_the_value_it_stands_for():
    every = outputs()
    for entry in layers():
        values = every[entry["row"]][:, entry["channels"]]
        assert limits_of(entry)[:, 0, 0] == pytest.approx(np.abs(values).max(axis=(0, 2, 3)))
        step = limits_of(entry) / (127 if entry["signed"] else 255)
        for photograph in range(3):
            error = np.abs(decoded(entry, photograph) - values[photograph])
            assert (error <= 0.5 * step + 1e-12).all()


def test_maps_keep_the_channels_that_were_asked_for_in_their_order():
    assert {entry["row"]: entry["channels"] for entry in layers()} == SHOWN
    assert [entry["of"] for entry in layers()] == [5, 5, 6, 7]
    assert [entry["signed"] for entry in layers()] == [True, True, False, True]


def test_the_strongest_unit_is_where_the_value_is_largest():
    every = outputs()
    for entry in layers():
        for photograph, units in enumerate(entry["strongest"]):
            for channel, unit in zip(entry["channels"], units, strict=True):
                own = every[entry["row"]][photograph, channel]
                assert own[tuple(unit)] == own.max()


@pytest.mark.filterwarnings("error")
def test_a_channel_of_nothing_but_zeros_is_shown_as_zeros():
    entry = layers()[2]
    first, zeros = limits_of(entry).flat
    assert zeros == 0 < first
    assert not decoded(entry, 0)[1].any()


def test_the_words_name_the_unit_its_value_and_the_window_that_seen_by_finds():
    widget = make(layer=4, channel=5, photograph=1)
    every = outputs()[4][1, 5]
    unit = np.unravel_index(every.argmax(), every.shape)
    rows, columns = seen_by(traced(), 4, tuple(map(int, unit)))[-1]
    words = widget.text_alternative()
    assert f"row4, channel 5, row {unit[0]}, column {unit[1]}" in words
    assert f"rows {rows[0]} to {rows[-1]} and columns {columns[0]} to {columns[-1]}" in words
    said = float(re.search(r"value (-?[\d.]+) ", words)[1])
    assert said == pytest.approx(every.max(), abs=2e-3)
    assert "picture 0, picture 1, picture 2, picture 3 and picture 4" in words


def test_a_chosen_unit_takes_the_place_of_the_strongest():
    widget = make(layer=4, channel=5, unit=[1, 2])
    assert "row 1, column 2" in widget.text_alternative()
    widget.unit = []
    assert "row 1, column 2" not in widget.text_alternative()


def test_a_sheet_has_the_patches_left_and_their_projections_right_in_reading_order():
    entry = layers()[0]
    assert entry["across"] == 3
    sheet = pixels_of(entry["patches"][1]["sheet"]).astype(int)
    cell = SIDE + 2
    assert sheet.shape == (3 * cell, 6 * cell, 3)
    for number in range(9):
        top, left = number // 3 * cell, number % 3 * cell
        patch = sheet[top + 4 : top + cell - 4, left + 4 : left + cell - 4].mean(axis=(0, 1))
        assert patch == pytest.approx((250 - 25 * number, 0, 0), abs=12)
        projection = sheet[top : top + cell, 3 * cell + left : 4 * cell + left]
        assert projection[cell // 2, cell // 2] == pytest.approx((255, 1, 128), abs=40)
        assert projection[3, 3] == pytest.approx((128, 128, 128), abs=16)


def test_patches_that_are_not_square_or_larger_than_their_place_are_fitted_in():
    found = {0: tops(0, 1, (40, 20)), 3: tops(3, 2, (3, 2))}
    entry = layers(shown=[UnitLayer(0, outputs()[0], found)])[0]
    assert entry["across"] == 2
    sheet = pixels_of(entry["patches"][0]["sheet"]).astype(int)
    red = sheet[1 : 1 + SIDE, 1 : 1 + SIDE]
    assert red[12, 12] == pytest.approx((250, 0, 0), abs=25)
    for y, x in ((12, 2), (12, 21)):  # beside it
        assert red[y, x] == pytest.approx((128, 128, 128), abs=25)
    assert len(entry["patches"][1]["from"]) == 2


def test_strengths_are_told_with_four_digits():
    assert layers()[0]["patches"][0]["from"][:2] == [
        [9.877, "picture 0"],
        [8.877, "picture 0"],
    ]


def test_the_still_picture_needs_no_script_or_network():
    picture = make(layer=1).still_picture()
    assert picture.count("<image") == 1 + 3 + 1  # photograph, maps, sheet
    assert set(re.findall(r'href="data:image/(\w+);', picture)) == {"png", "webp"}
    assert "script" not in picture
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")


def test_the_page_form_is_json_and_holds_the_choice():
    widget = make(photograph=2, layer=4, channel=1, unit=[1, 2], titles=["</script><b>", "b", "c"])
    form = widget.page_form()
    text = re.search(r'<script type="application/json">(.*?)</script>', form)[1]
    state = json.loads(text)
    names = ("photograph", "layer", "channel", "unit")
    assert [state[name] for name in names] == [2, 4, 1, [1, 2]]
    assert "<b>" not in form


@pytest.mark.parametrize(
    ("name", "value"),
    [("photograph", 3), ("photograph", -1), ("layer", 0), ("channel", 3), ("channel", -1)]
    + [("unit", unit) for unit in ([22, 0], [0, 24], [-1, 0], [1], [1, 2, 3])],
)
def test_a_choice_that_does_not_exist_is_refused(name, value):
    widget = make()
    with pytest.raises(TraitError):
        setattr(widget, name, value)
    assert (widget.photograph, widget.layer, widget.channel, widget.unit) == (0, 1, 4, [])


def test_another_layer_takes_the_channel_at_the_same_place_of_its_list():
    widget = make(channel=0, unit=[20, 3])
    widget.layer = 4
    assert (widget.channel, widget.unit) == (1, [])
    widget.layer = 2
    assert widget.channel == 3


def test_the_page_may_set_layer_channel_and_unit_together():
    widget = make()
    widget.set_state({"channel": 1, "unit": [2, 2], "layer": 4})
    assert (widget.layer, widget.channel, widget.unit) == (4, 1, [2, 2])


def shown(row=1, **changes) -> list[UnitLayer]:
    given = {"maps": outputs()[row], "found": {0: tops(0, 9)}, **changes}
    return [UnitLayer(row, **given)]


def spoilt(**changes) -> dict:
    top = tops(0, 1)[0]
    return {0: [Top(**{**vars(top), **changes})]}


BAD = {
    "images of float64: expected uint8": {"photographs": photographs() / 255},
    r"images of size \(28, 22\)": {"photographs": np.zeros((3, 28, 22, 3), np.uint8)},
    "titles: 2 for 3 images": {"titles": ["a", "b"]},
    "shown: expected one layer or more": {"shown": []},
    r"shown: rows \[4, 1\], expected each once": {"shown": shown(4) + shown(1)},
    r"shown: rows \[1, 1\], expected each once": {"shown": shown() + shown()},
    "maps: row 9, expected a row number from 0 to 6": {"shown": [UnitLayer(9, 0, {0: []})]},
    r"maps\[1\] has shape \(3, 4, 22, 24\): expected \(3, 5, 22, 24\)": {
        "shown": shown(maps=outputs()[1][:, :4])
    },
    "found of 1: expected one channel or more": {"shown": shown(found={})},
    "found of named: channel 5: it has 5": {"shown": shown(found={5: tops(5, 9)}, name="named")},
    "found of 1: channel 2 has no patches": {"shown": shown(found={0: tops(0, 2), 2: []})},
    r"patch 0 of channel 0: shape \(7, 7, 3\), projection \(\)": {
        "shown": shown(found=spoilt(projection=None))
    },
    r"patch 0 of channel 0: shape \(7, 7\)": {
        "shown": shown(found=spoilt(patch=np.zeros((7, 7)), projection=np.zeros((7, 7))))
    },
    "patch 0 of channel 0 is float64: expected uint8": {
        "shown": shown(found=spoilt(patch=np.zeros((7, 7, 3))))
    },
    "side=0: expected a whole number from 1 up": {"side": 0},
}


@pytest.mark.parametrize("message", BAD)
def test_arrays_that_do_not_fit_are_refused_by_name(message):
    with pytest.raises(ValueError, match=message):
        make(**BAD[message])
