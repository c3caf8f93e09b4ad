"""The receptive field explorer's Python side; tests/browser drives what the reader sees."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cnnlib.trace import seen_by, summarise, trace
from cnnlib.widgets.receptive_field_explorer import ReceptiveFieldExplorer


class Chain(nn.Sequential):
    """Windows that differ by axis: stride, dilation, a rounding pool; a vector at the end."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(2, 3, (3, 5), stride=(2, 1), padding=(1, 2)),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(3, 4, 3, padding=2, dilation=2),
            nn.Flatten(),
            nn.LazyLinear(5),
        )


class Branches(nn.Module):
    """An Inception block: 1x1, 1x7 then 7x1, two 3x3, a pool; joined, pooled over all places."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 3, 3, stride=2, padding=1)
        self.one = nn.Conv2d(3, 2, 1)
        self.wide = nn.Conv2d(3, 2, (1, 7), padding=(0, 3))
        self.tall = nn.Conv2d(2, 2, (7, 1), padding=(3, 0))
        self.twice = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(2)))
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.head = nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        x = self.stem(x)
        paths = [self.one(x), self.tall(self.wide(x)), self.twice(x), self.pool(x)]
        return self.head(torch.cat(paths, 1)).flatten(1)


class Residual(nn.Module):
    """A strided block with a 1x1 shortcut, which sees every other pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.shortcut = nn.Conv2d(2, 4, 1, stride=2)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.conv2(self.conv1(x)) + self.shortcut(x))


class Misaligned(nn.Module):
    """A padded 3x3 beside a 2x2 of the same stride: their centres are half a pixel apart."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, stride=2, padding=1)
        self.pool = nn.AvgPool2d(2)

    def forward(self, x):
        return torch.cat([self.conv(x), self.pool(x)], 1)


class UNet(nn.Module):
    """Down twice, up twice by transposed windows, with skips."""

    def __init__(self) -> None:
        super().__init__()
        self.down1 = nn.Conv2d(2, 3, 3, padding=1)
        self.down2 = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.down3 = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.up2 = nn.ConvTranspose2d(4, 4, 2, stride=2)
        self.up1 = nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1, output_padding=1)
        self.last = nn.Conv2d(6, 1, 3, padding=1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(a)
        y = torch.cat([b, self.up2(self.down3(b))], 1)
        return self.last(torch.cat([a, self.up1(y)], 1))


class Gate(nn.Module):
    """Squeeze and excitation: one value a channel, spread over all places."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.excite = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Sigmoid())
        self.last = nn.Conv2d(4, 3, 3, stride=2)

    def forward(self, x):
        x = self.conv(x)
        return self.last(x * self.excite(self.squeeze(x))[:, :, None, None])


class Gaps(nn.Sequential):
    """Transposed with a stride beyond its kernel: some units see nothing."""

    def __init__(self) -> None:
        super().__init__(
            nn.ConvTranspose2d(2, 3, 1, stride=3, output_padding=1), nn.Conv2d(3, 3, 2, padding=1)
        )


class Resampled(nn.Sequential):
    """Rows that no single window describes."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(2, 3, 3, stride=2),
            nn.Upsample(size=(7, 11), mode="nearest"),
            nn.ReflectionPad2d((2, 1, 1, 2)),
            nn.Conv2d(3, 3, 3),
        )


class OnlyPadding(nn.Sequential):
    """So much padding that units in the corners see nothing real."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(2, 3, 2, padding=3), nn.Conv2d(3, 3, (1, 3), padding=(0, 2)))


NETWORKS = {
    "chain": (Chain, (11, 9)),
    "branches": (Branches, (13, 18)),
    "residual": (Residual, (9, 14)),
    "misaligned": (Misaligned, (8, 12)),
    "unet": (UNet, (8, 12)),
    "gate": (Gate, (7, 10)),
    "gaps": (Gaps, (4, 6)),
    "resampled": (Resampled, (9, 12)),
    "only padding": (OnlyPadding, (3, 5)),
}


def traced(name: str) -> list:
    network, size = NETWORKS[name]
    module = network()
    module(torch.zeros(1, 2, *size))  # gives lazy layers their shape
    return trace(module, (1, 2, *size))


def make() -> ReceptiveFieldExplorer:
    """A join out of line, a ReLU to leave out, an image."""
    module = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(), Misaligned())
    pixels = np.arange(16 * 20, dtype=np.uint8).reshape(16, 20)
    return ReceptiveFieldExplorer(trace(module, (1, 2, 16, 20)), pixels, image_alt="a slope")


def words(ranges) -> str:
    """`rows 3–7, columns 4–8 of the input: 5×5 pixels`, written out again here."""
    parts = [
        f"{noun} {r[0]}" if len(r) == 1 else f"{noun}s {r[0]}–{r[-1]}"
        for noun, r in zip(("row", "column"), ranges, strict=True)
    ]
    sizes = [len(r) for r in ranges]
    pixels = "pixel" if sizes == [1, 1] else "pixels"
    return f"sees {', '.join(parts)} of the input: {sizes[0]}×{sizes[1]} {pixels}"


@pytest.mark.parametrize("name", NETWORKS)
def test_text_alternative_says_what_seen_by_says_for_every_unit(name):
    rows = traced(name)
    explorer = ReceptiveFieldExplorer(rows)
    for number, row in enumerate(rows):
        for unit in np.ndindex(row.grid):
            explorer.choose(layer=number, unit=unit)
            ranges = seen_by(rows, number, explorer.unit)[-1]
            expected = words(ranges) if all(ranges) else "sees nothing of the input"
            assert f"of {row.name} {expected}" in explorer.text_alternative()


def test_still_picture_frames_the_window():
    explorer = ReceptiveFieldExplorer(traced("chain"), layer=0, unit=[1, 3])
    # rows 1-3 and columns 1-5 of 11 x 9; the longer side is drawn 300 wide, one pixel from the edge
    scale = 300 / 11
    [frame] = re.findall(r'<rect ([^>]*)stroke="var\(--cnn-kernel\)"', explorer.still_picture())
    found = {name: float(value) for name, value in re.findall(r'(\w+)="([\d.]+)"', frame)}
    expected = {"x": 1 + scale, "y": 1 + scale, "width": 5 * scale, "height": 3 * scale}
    assert found == pytest.approx(expected, abs=0.01)


def test_starts_in_the_middle_of_the_deepest_map():
    rows = traced("branches")
    explorer = ReceptiveFieldExplorer(rows)
    assert rows[explorer.layer].name == "cat"
    assert explorer.unit == [3, 4]


def test_starts_at_the_last_layer_where_no_map_has_two_places():
    network = nn.Sequential(nn.Conv2d(2, 3, (5, 7)), nn.Conv2d(3, 4, 1))
    assert ReceptiveFieldExplorer(trace(network, (1, 2, 5, 7))).layer == 1


def test_another_layer_keeps_the_unit_inside():
    explorer = ReceptiveFieldExplorer(traced("chain"), layer=0, unit=[5, 8])
    explorer.layer = 2
    assert explorer.unit == [2, 4]
    explorer.layer = 5
    assert explorer.unit == [0, 0]
    explorer.layer = -1
    explorer.unit = [10, 8]


def test_a_flattened_map_keeps_its_places():
    rows = traced("chain")
    explorer = ReceptiveFieldExplorer(rows, layer=4, unit=[2, 4])
    assert explorer.text_alternative().count("Unit (2, 4) of 4 sees") == 1
    explorer.layer = 5
    assert "Every unit of 5 sees rows 0–10, columns 0–8" in explorer.text_alternative()


def test_a_link_or_a_notebook_may_choose_layer_and_unit_at_once():
    explorer = ReceptiveFieldExplorer(traced("chain"), layer=2, unit=[2, 4])
    explorer.set_state({"layer": 0, "unit": [5, 8]})
    assert (explorer.layer, explorer.unit) == (0, [5, 8])


def test_predicting_hides_the_window_until_it_is_asked_for():
    assert ReceptiveFieldExplorer(traced("chain")).shown is True
    explorer = ReceptiveFieldExplorer(traced("chain"), predict=True)
    assert explorer.shown is False
    explorer.layer = 0
    assert explorer.shown is False
    explorer.shown = True
    explorer.layer = 1
    assert explorer.shown is True


def test_a_long_list_leaves_out_what_changes_no_window():
    for count, expected in [(20, False), (21, True)]:
        rows = trace(nn.Sequential(*(nn.ReLU() for _ in range(count))), (1, 1, 3, 4))
        assert ReceptiveFieldExplorer(rows).leave_out is expected
        assert ReceptiveFieldExplorer(rows, leave_out=not expected).leave_out is not expected


def test_an_image_arrives_pixel_by_pixel():
    rng = np.random.default_rng(0)
    for shape in [(11, 9), (11, 9, 3)]:
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        address = ReceptiveFieldExplorer(traced("chain"), pixels).fixed["image"]
        png = base64.b64decode(address.removeprefix("data:image/png;base64,"))
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), pixels)
    for kind in ("jpeg", "webp"):
        explorer = ReceptiveFieldExplorer(traced("chain"), f"data:image/{kind};base64,AAAA")
        assert f'href="data:image/{kind};base64,AAAA"' in explorer.still_picture()
    assert "<image" not in ReceptiveFieldExplorer(traced("chain")).still_picture()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": 6}, "layer=6"),
        ({"layer": -2}, "layer=-2"),
        ({"unit": [6, 0], "layer": 0}, r"unit=\[6, 0\].*grid of 6 × 9"),
        ({"unit": [0], "layer": 0}, r"unit=\[0\]"),
        ({"unit": [0, -1], "layer": 0}, r"unit=\[0, -1\]"),
        ({"image": np.zeros((9, 11), np.uint8)}, r"shape \(9, 11\).*\(11, 9\)"),
        ({"image": np.zeros((11, 9, 4), np.uint8)}, r"\(11, 9, 4\)"),
        ({"image": np.zeros((11, 9))}, "float64"),
        ({"image": "https://example.org/cat.png"}, "https://example.org"),
        ({"image": "data:text/html;base64,AAAA"}, "data:text/html"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        ReceptiveFieldExplorer(traced("chain"), **change)


def test_what_does_not_fit_is_refused_later_too():
    explorer = ReceptiveFieldExplorer(traced("chain"), layer=0)
    for name, value in [("layer", 6), ("unit", [6, 0]), ("leave_out", "no"), ("shown", 1)]:
        before = getattr(explorer, name)
        with pytest.raises(ValueError, match=name):
            setattr(explorer, name, value)
        assert getattr(explorer, name) == before


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Linear(7, 3), (1, 7)),
        (nn.Conv1d(2, 3, 3), (1, 2, 9)),
        (nn.Conv3d(2, 3, 1), (1, 2, 3, 4, 5)),
    ],
)
def test_a_network_without_an_image_is_refused(module, shape):
    with pytest.raises(ValueError, match=r"expected an image, \(N, C, H, W\)"):
        ReceptiveFieldExplorer(trace(module, shape))


def test_a_summary_or_nothing_is_refused():
    with pytest.raises(ValueError, match="Summary of several rows, twice"):
        ReceptiveFieldExplorer(summarise(traced("branches")))
    with pytest.raises(ValueError, match="empty"):
        ReceptiveFieldExplorer([])


def test_the_page_gets_few_bytes_a_layer():
    rows = trace(
        nn.Sequential(*(nn.Conv2d(2, 2, 3, padding=1) for _ in range(300))), (1, 2, 31, 37)
    )
    fixed = ReceptiveFieldExplorer(rows).fixed
    assert len(json.dumps(fixed["rows"])) < 300 * len(rows)


def test_names_from_the_network_are_text_not_markup():
    module = nn.Sequential()
    module.add_module("<b>&", nn.Conv2d(2, 3, 3))
    explorer = ReceptiveFieldExplorer(trace(module, (1, 2, 5, 7)))
    assert "<b>" not in explorer.page_form()
