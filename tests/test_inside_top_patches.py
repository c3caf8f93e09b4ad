"""The strongest places of a channel: against brute force over small nets and odd pictures."""

import weakref
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlib.data import load_gallery
from cnnlib.inside.deconvnet import deconvnet
from cnnlib.inside.top_patches import OUTSIDE, top_patches
from cnnlib.models import NETWORKS
from cnnlib.weights import WEIGHTS, Preprocessing, load_weights


def chain() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.Conv2d(5, 4, (3, 5), padding=(0, 2)),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
    )


class Branches(nn.Module):
    """Branches of different reach; the widest runs before the one that is looked at."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.stem = nn.Conv2d(3, 6, 3, stride=2)
        self.wide = nn.Conv2d(6, 4, 7)
        self.narrow = nn.Conv2d(6, 4, 1)
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.join = nn.Conv2d(10, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        wide = self.wide(x)
        x = torch.cat([self.narrow(x), self.pool(x)], dim=1)
        return self.join(F.relu(x)).mean((2, 3)) + wide.mean()


class Gated(nn.Module):
    """A gate sees the whole picture."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.conv, self.gate, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.last(x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True))))


class Enlarging(nn.Module):
    """Up by a transposed convolution: neighbours see differently much."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.down, self.up = nn.Conv2d(3, 4, 3, stride=3), nn.ConvTranspose2d(4, 3, 4, stride=3)
        self.last = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.up(self.down(x)))


CASES = [
    (chain, "0"),
    (chain, "2"),
    (chain, "5"),
    (Branches, "narrow"),
    (Branches, "join"),
    (Gated, "last"),
    (Enlarging, "last"),
]


def pictures(number: int = 7, seed: int = 0) -> list[np.ndarray]:
    """Of odd sizes, each its own."""
    rng = np.random.default_rng(seed)
    return [
        rng.integers(0, 256, (20 + 3 * n, 31 - 2 * n, 3), dtype=np.uint8) for n in range(number)
    ]


def as_input(pixels: np.ndarray) -> Tensor:
    x = torch.from_numpy(pixels)
    return (x.movedim(-1, 0) if x.dim() == 3 else x[None])[None] / 100 - 1


def scaled(pixels: np.ndarray, factor: float) -> np.ndarray:
    height, width = (round(side * factor) for side in pixels.shape[:2])
    image = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    return np.array(image)


class Caught(Exception):
    """The layer has run; what follows may not fit pictures of this size."""


def maps_of(network: nn.Module, layer: str, x: Tensor) -> Tensor:
    def catch(part: nn.Module, args: tuple, out: Tensor) -> None:
        raise Caught(out[0])

    hook = network.get_submodule(layer).register_forward_hook(catch)
    with torch.no_grad(), pytest.raises(Caught) as caught:
        network.eval()(x)
    hook.remove()
    return caught.value.args[0]


def every_place(network: nn.Module, layer: str, images: list, scales: tuple) -> dict[int, list]:
    """{channel: [(activation, image, scale, position), ...]}, in the order of the search."""
    found: dict[int, list] = {}
    for number, pixels in enumerate(images):
        for factor in scales:
            for channel, one in enumerate(
                maps_of(network, layer, as_input(scaled(pixels, factor)))
            ):
                for row, values in enumerate(one.tolist()):
                    for column, value in enumerate(values):
                        place = (value, number, factor, (row, column))
                        found.setdefault(channel, []).append(place)
    return found


@pytest.mark.parametrize("per_image", [1, 2, None])
@pytest.mark.parametrize("build, layer", CASES)
def test_places_equal_those_of_brute_force(build, layer, per_image):
    network, images, scales = build(), pictures(), (1.0, 1.3, 0.8)
    found = top_patches(
        network, images, layer, prepare=as_input, k=4, scales=scales, per_image=per_image
    )
    everything = every_place(network, layer, images, scales)
    assert found.keys() == everything.keys()
    for channel, places in everything.items():
        taken, counts = [], dict.fromkeys(range(len(images)), 0)
        for place in sorted(places, key=lambda place: -place[0]):
            if counts[place[1]] < (per_image or len(places)) and len(taken) < 4:
                taken.append(place)
                counts[place[1]] += 1
        assert [(t.image, t.scale, t.position) for t in found[channel]] == [t[1:] for t in taken]
        assert [t.activation for t in found[channel]] == pytest.approx([t[0] for t in taken])


@pytest.mark.parametrize("build, layer", CASES)
def test_projection_is_the_whole_pictures_and_lies_in_the_patch(build, layer):
    network, images = build(), pictures(2)
    found = top_patches(network, images, layer, prepare=as_input, k=14, per_image=7)
    at_border = 0
    for channel, tops in found.items():
        for top in tops:
            x = as_input(images[top.image])
            whole = deconvnet(network, x, layer, channel, top.position)[0].movedim(0, -1).numpy()
            box = top.box
            lies = whole[box[0] : box[2], box[1] : box[3]]
            first = box[0] - top.rows.start, box[1] - top.columns.start
            inside = (
                slice(first[0], first[0] + lies.shape[0]),
                slice(first[1], first[1] + lies.shape[1]),
            )
            size = max(np.abs(whole).max(), 1e-6)
            assert np.abs(top.projection[inside] - lies).max() <= 1e-5 * size
            # Nothing lies outside the box, neither in the picture nor in the patch.
            assert np.isclose(np.abs(whole).sum(), np.abs(lies).sum(), rtol=1e-4)
            assert np.isclose(np.abs(top.projection).sum(), np.abs(lies).sum(), rtol=1e-4)
            assert np.array_equal(
                top.patch[inside], images[top.image][box[0] : box[2], box[1] : box[3]]
            )
            rest = np.ones(top.patch.shape[:2], bool)
            rest[inside] = False
            assert (top.patch[rest] == OUTSIDE).all()
            at_border += rest.any()
    fields_stick_out = (build, layer) in [(chain, "0"), (chain, "5"), (Branches, "join")]
    assert (at_border > 0) >= fields_stick_out


@pytest.mark.parametrize("build, layer", [(Gated, "last"), (Enlarging, "up"), (Branches, "stem")])
def test_box_is_where_the_derivative_is(build, layer):
    network, images = build(), pictures(1)
    for channel, tops in top_patches(network, images, layer, prepare=as_input, per_image=5).items():
        for top in tops:
            x = as_input(images[0])
            slopes = deconvnet(network, x, layer, channel, top.position, rule="gradient")
            rows, columns = (slopes[0].abs().sum((0, 2 - axis)).nonzero() for axis in (0, 1))
            found = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
            assert top.box == tuple(map(int, found))


def test_fields_by_hand():
    # Windows of 3 with stride 2 and padding 1: unit i sees 2i - 1 ... 2i + 1.
    network = nn.Sequential(nn.Conv2d(3, 1, 3, stride=2, padding=1, bias=False))
    network[0].weight.data.fill_(1.0)
    black, white = np.zeros((7, 10, 3), np.uint8), np.zeros((7, 10, 3), np.uint8)
    white[6, 8] = 255  # seen by the last row's unit 4: columns 7 8 9, rows 5 6 and one outside
    [first, second] = top_patches(
        network, [black, white], "0", 0, prepare=lambda p: as_input(p) + 1
    )[0]
    assert (first.image, first.position, first.rows, first.columns) == (
        1,
        (3, 4),
        range(5, 8),
        range(7, 10),
    )
    assert first.activation == pytest.approx(3 * 2.55) and first.box == (5, 7, 7, 10)
    assert first.patch.tolist() == [[[0] * 3] * 3, [[0] * 3, [255] * 3, [0] * 3], [[128] * 3] * 3]
    assert first.projection[:2] == pytest.approx(3 * 2.55) and (first.projection[2] == 0).all()
    assert (second.image, second.position, second.activation) == (0, (0, 0), 0)  # all are equal
    assert first.name == "image 1" and first.image_size == first.scaled_size == (7, 10)


def test_of_equal_places_the_first_is_taken():
    network = nn.Sequential(nn.Conv2d(3, 2, 1))
    same = np.full((4, 6, 3), 77, np.uint8)
    found = top_patches(network, [same] * 5, "0", prepare=as_input, k=3, scales=(2.0, 1.0))
    for tops in found.values():
        assert [(t.image, t.scale, t.position) for t in tops] == [
            (n, 2.0, (0, 0)) for n in range(3)
        ]
    several = top_patches(network, [same] * 5, "0", 1, prepare=as_input, k=8, per_image=7)[1]
    assert [(t.image, t.position) for t in several] == [
        *((0, (n // 6, n % 6)) for n in range(7)),
        (1, (0, 0)),
    ]


def test_fewer_pictures_and_places_than_asked():
    network = nn.Sequential(nn.Conv2d(3, 2, 4))
    images = [pictures(1)[0][:5, :4], pictures(1)[0][:4, :4]]  # 2 places and 1
    assert len(top_patches(network, images, "0", 1, prepare=as_input)[1]) == 2
    assert len(top_patches(network, images, "0", 1, prepare=as_input, per_image=None)[1]) == 3


@pytest.mark.parametrize("key", [k for k in NETWORKS if k.startswith("small_")] + ["googlenet"])
def test_on_networks_of_every_kind(key):
    torch.manual_seed(0)
    network = NETWORKS[key](num_classes=7)
    layers = [name for name, part in network.named_modules() if isinstance(part, nn.Conv2d)]
    layer, channels = layers[len(layers) // 2], network.get_submodule(layers[0]).in_channels
    shape = (93, 110, 3) if channels == 3 else (93, 110)
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    training = [part.training for part in network.modules()]
    maps = maps_of(network, layer, as_input(image))
    channel = maps.flatten(1).amax(1).argmax().item()  # above 0, so that there is a projection
    network.train()
    [top] = top_patches(network, [image], layer, channel, prepare=as_input)[channel]
    assert [part.training for part in network.modules()] == training
    assert top.activation == pytest.approx(maps[channel].max().item(), rel=1e-4) and maps.max() > 0
    whole = deconvnet(network, as_input(image), layer, channel, top.position)
    whole = whole[0].movedim(0, -1).numpy()
    box = top.box
    inside = top.projection[
        box[0] - top.rows.start : box[2] - top.rows.start,
        box[1] - top.columns.start : box[3] - top.columns.start,
    ]
    lies = whole[box[0] : box[2], box[1] : box[3]]
    assert np.abs(whole).max() > 0
    assert np.abs(inside - lies).max() <= 1e-3 * np.abs(whole).max()
    assert np.isclose(np.abs(whole).sum(), np.abs(lies).sum(), rtol=1e-3)


def test_weights_read_photographs_of_any_size_in_their_own_colours():
    network, preprocessing = load_weights("squeezenet1_1"), WEIGHTS["squeezenet1_1"].preprocessing
    photographs = load_gallery()[:3]
    layer = "features.fire3"
    found = top_patches(network, photographs, layer, [7, 2], prepare=preprocessing, sides=(90, 120))
    assert list(found) == [7, 2]
    for channel, tops in found.items():
        assert sorted(top.name for top in tops) == sorted(p.name for p in photographs)
        for top in tops:
            assert min(top.scaled_size) in (90, 120)
            photograph = photographs[top.image].image
            assert top.image_size == photograph.shape[:2]
            pixels = scaled(photograph, top.scale)
            height, width = top.scaled_size
            assert pixels.shape[:2] == (height, width)
            alone = replace(preprocessing, height=height, width=width, resize=None).apply([pixels])
            assert maps_of(network, layer, alone)[channel].max().item() <= top.activation * 1.0001
            whole = deconvnet(network, alone, layer, channel, top.position)[0]
            whole = whole.flip(0).movedim(0, -1).numpy()  # it reads blue, green, red
            box = top.box
            inside = top.projection[
                box[0] - top.rows.start : box[2] - top.rows.start,
                box[1] - top.columns.start : box[3] - top.columns.start,
            ]
            lies = whole[box[0] : box[2], box[1] : box[3]]
            assert np.abs(inside - lies).max() <= 1e-4 * max(np.abs(whole).max(), 1e-6)
            bottom, right = top.box_in_image[2:]
            assert bottom <= photograph.shape[0] + 0.01 and right <= photograph.shape[1] + 0.01


def test_a_stream_of_pictures_is_not_kept():
    class Counted(np.ndarray):
        """Weak references to it can be taken."""

    alive: dict[str, list[weakref.ref]] = {"picture": [], "input": []}
    most = {"picture": 0, "input": 0}

    def counted(kind: str, pixels: np.ndarray) -> Counted:
        pixels = pixels.view(Counted)
        alive[kind].append(weakref.ref(pixels))
        most[kind] = max(most[kind], sum(r() is not None for r in alive[kind]))
        return pixels

    def stream():
        rng = np.random.default_rng(0)
        for _ in range(30):
            yield counted("picture", rng.integers(0, 256, (40, 50, 3), dtype=np.uint8))

    def prepare(pixels: np.ndarray) -> Tensor:  # the tensor holds on to the array
        values = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], dtype=np.float32)
        return torch.from_numpy(counted("input", values))

    found = top_patches(chain(), stream(), "5", prepare=prepare, scales=(1.0, 0.7), k=9)
    assert all(len(tops) == 9 for tops in found.values())
    # The one that was looked at, and the next; two sizes each.
    assert most["picture"] <= 2 and most["input"] <= 4


def test_a_large_folder_keeps_only_the_best(tmp_path, monkeypatch):
    (tmp_path / "below").mkdir()
    for number, pixels in enumerate(pictures(6)):
        folder = tmp_path / "below" if number % 2 else tmp_path
        Image.fromarray(pixels).save(folder / f"{number}.PNG")
    (tmp_path / "notes.txt").write_text("no picture")
    found = top_patches(chain(), tmp_path, "5", 3, prepare=as_input)[3]
    names = {"0.PNG", "2.PNG", "4.PNG", "below/1.PNG", "below/3.PNG", "below/5.PNG"}
    assert {top.name for top in found} == names
    ordered = sorted(names)
    assert all(ordered[top.image] == top.name for top in found)
    paths = [tmp_path / "0.PNG", str(tmp_path / "below/1.PNG")]
    again = top_patches(chain(), paths, "5", 3, prepare=as_input)[3]
    assert {top.name for top in again} == {str(path) for path in paths}
    assert {t.activation for t in again} <= {t.activation for t in found}


def test_a_file_is_turned_as_it_says(tmp_path):
    upright = pictures(1)[0]
    turned = Image.fromarray(np.rot90(upright).copy())
    turned.getexif()[0x0112] = 6  # to be shown a quarter turn clockwise
    turned.save(tmp_path / "turned.png", exif=turned.getexif())
    [top] = top_patches(chain(), tmp_path, "0", 1, prepare=as_input)[1]
    [expected] = top_patches(chain(), [upright], "0", 1, prepare=as_input)[1]
    assert top.image_size == upright.shape[:2] and np.array_equal(top.patch, expected.patch)


def test_grey_files_and_pictures():
    network = nn.Sequential(nn.Conv2d(1, 2, 3))
    grey = Preprocessing("grey", 28, 28, (30.0,), (80.0,))
    image = np.random.default_rng(0).integers(0, 256, (33, 41), dtype=np.uint8)
    [top] = top_patches(network, [image], "0", 1, prepare=grey)[1]
    assert top.patch.shape == (3, 3) and top.projection.shape == (3, 3, 1)
    with torch.no_grad():
        x = (torch.from_numpy(image.astype(np.float32))[None, None] - 30) / 80
        assert top.activation == pytest.approx(network(x)[0, 1].max().item(), rel=1e-5)


def test_without_projections_nothing_else_changes():
    with_them, without = (
        top_patches(chain(), pictures(), "5", 1, prepare=as_input, projections=asked)[1]
        for asked in (True, False)
    )
    for one, other in zip(with_them, without, strict=True):
        assert (one.image, one.position) == (other.image, other.position)
        assert np.array_equal(one.patch, other.patch)
        assert other.projection is None and one.projection.shape == one.patch.shape


@dataclass
class Named:
    name: str
    image: np.ndarray


@pytest.mark.parametrize(
    "change, message",
    [
        ({"layer": "relu9"}, "layer='relu9'"),
        ({"layer": "6"}, r"layer='6': gives \(1, \d+\), expected maps"),
        ({"channels": 4}, "channels=4"),
        ({"channels": []}, r"channels=\[\]"),
        ({"channels": -1}, "channels=-1"),
        ({"channels": True}, "channels=True"),
        ({"k": 0}, "k=0"),
        ({"per_image": 1.5}, "per_image=1.5"),
        ({"scales": ()}, r"scales=\(\)"),
        ({"scales": (1.0, -2)}, r"scales=\(1.0, -2\)"),
        ({"sides": (0,)}, "sides=0"),
        ({"sides": (20,), "scales": (2.0,)}, "expected only one"),
        ({"images": []}, "images: expected at least one picture"),
        ({"images": [np.zeros((9, 9, 3))]}, "image 0: expected uint8 pixels"),
        ({"images": [Named("owl", np.zeros((9, 9, 2), np.uint8))]}, "owl: expected uint8"),
        ({"images": [Named("owl", np.zeros((2, 2, 3), np.uint8))]}, "owl at 2x2: layer '5' cannot"),
        ({"prepare": "squeezenet1_1"}, "prepare='squeezenet1_1'"),
        ({"prepare": lambda pixels: as_input(pixels)[0]}, r"prepare: image 0: expected \(1, C"),
        ({"prepare": lambda pixels: as_input(pixels) * np.nan}, "image 0: .* not finite"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    given = {"images": pictures(2), "layer": "5", "prepare": as_input} | change
    with pytest.raises(ValueError, match=message):
        top_patches(chain(), given.pop("images"), given.pop("layer"), **given)


def test_unreadable_and_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        top_patches(chain(), tmp_path / "nowhere", "5", prepare=as_input)
    with pytest.raises(ValueError, match="no pictures"):
        top_patches(chain(), tmp_path, "5", prepare=as_input)
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        top_patches(chain(), [tmp_path / "gone.png"], "5", prepare=as_input)
    Image.fromarray(pictures(1)[0]).save(tmp_path / "whole.png")
    content = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"cut\.png: no picture"):
        top_patches(chain(), tmp_path, "5", prepare=as_input)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu():
    expected = top_patches(chain(), pictures(), "5", prepare=as_input)
    found = top_patches(chain().cuda(), pictures(), "5", prepare=as_input)
    for channel, tops in found.items():
        for one, other in zip(tops, expected[channel], strict=True):
            assert (one.image, one.position) == (other.image, other.position)
            assert np.allclose(one.projection, other.projection, atol=1e-4)
