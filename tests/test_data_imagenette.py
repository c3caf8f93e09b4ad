"""Imagenette, on made-up archives in its layout: two splits, ten classes, a few images each.

Every image is its class's grey above and black below; the training images are higher than wide,
the test images wider than high, so swapped axes show.
"""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from cnnlib.data import imagenette, load_dataset, load_imagenette
from cnnlib.data.imagenette import CLASSES, squash
from tests.archives import changed, forms, jpeg, without, write_tgz, write_zip

IMAGES = {"train": 3, "val": 2}  # of each class
SHAPES = {"train": (44, 40), "val": (36, 48)}  # height, width
SIDE = 32


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch) -> Path:
    """Where decoded images are kept, a folder of each test's own; it is not there yet."""
    monkeypatch.setenv("CNNLIB_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "decoded"


def grey_of(label: int) -> int:
    return 40 + 20 * label


def make_files() -> dict[str, bytes]:
    """Name inside: content, of a whole archive, in no special order."""
    files = {"noisy_imagenette.csv": b"path,noisy_labels_0\n", "words.txt": b"not looked at"}
    for i in range(max(IMAGES.values())):
        for folder, count in IMAGES.items():
            for label, wnid in reversed(list(enumerate(CLASSES))):
                if i < count:
                    name = f"{folder}/{wnid}/{wnid}_{i}.JPEG"
                    files[name] = jpeg((grey_of(label),) * 3, SHAPES[folder])
    files["train/n01440764/noisy.csv"] = files["train/n01440764/.hidden.JPEG"] = b"not looked at"
    return files


@pytest.fixture
def archive(tmp_path) -> Path:
    return write_zip(tmp_path / "tiny", make_files())


# --- What comes out -----------------------------------------------------------------------------


@forms
@pytest.mark.parametrize("top", ["", "mine/"])
@pytest.mark.parametrize("split, folder", [("train", "train"), ("test", "val")])
def test_every_form_of_the_archive_gives_the_same_images(tmp_path, write, top, split, folder):
    found = load_imagenette(split, write(tmp_path / "tiny", make_files(), top), SIDE)
    count = IMAGES[folder]
    assert found.images.shape == (10 * count, SIDE, SIDE, 3)
    assert found.categories == tuple(CLASSES.values())
    assert np.bincount(found.labels).tolist() == [count] * 10
    greys = np.array([grey_of(label) for label in found.labels])
    assert np.abs(found.images[:, : SIDE // 2 - 2].mean(axis=(1, 2, 3)) - greys).max() < 3
    assert found.images[:, SIDE // 2 + 2 :].mean() < 2


def test_the_classes_are_those_of_the_public_archive_in_the_order_of_their_names():
    assert list(CLASSES) == sorted(CLASSES) and len(CLASSES) == 10
    assert CLASSES["n02102040"] == "English springer" and CLASSES["n03445777"] == "golf ball"


def test_classes_take_turns(archive):
    labels = load_imagenette("train", archive, SIDE).labels.reshape(3, 10)
    assert (np.sort(labels, axis=1) == np.arange(10)).all()


@pytest.mark.parametrize("shape", [(96, 64), (64, 160), (33, 47), (160, 213), (32, 32)])
def test_a_new_pixel_is_the_mean_of_the_area_that_it_covers(shape):
    """The oracle repeats every row and column 32 times, so that whole ones fall into each new."""
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    rows = np.repeat(pixels.astype(np.float64), 32, axis=0).reshape(32, shape[0], *pixels.shape[1:])
    rows = rows.mean(axis=1)  # (32, W, 3)
    expected = np.repeat(rows, 32, axis=1).reshape(32, 32, shape[1], 3).mean(axis=2)
    assert np.abs(squash(pixels, 32) - expected).max() <= 0.5 + 1e-3


def test_where_whole_pixels_fall_together_squashing_is_torch_s_average_pooling():
    pixels = np.random.default_rng(2).integers(0, 256, (144, 96, 3), dtype=np.uint8)
    blocks = torch.from_numpy(pixels).movedim(2, 0)[None].double()
    expected = F.adaptive_avg_pool2d(blocks, 48)[0].movedim(0, 2).numpy()
    assert np.abs(squash(pixels, 48) - expected).max() <= 0.5 + 1e-3


def test_an_image_of_the_wanted_size_is_left_as_it_is(tmp_path):
    files = {name: jpeg((90, 90, 90), (32, 32)) for name in make_files() if name.endswith("0.JPEG")}
    found = load_imagenette("train", write_zip(tmp_path / "tiny", files), 32)
    with Image.open(io.BytesIO(jpeg((90, 90, 90), (32, 32)))) as image:
        assert (found.images == np.asarray(image)).all()


# --- What is kept -------------------------------------------------------------------------------


@forms
def test_images_are_decoded_once_for_each_size_and_again_when_the_archive_changes(
    tmp_path, write, kept, monkeypatch
):
    source = write(tmp_path / "tiny", make_files())
    first = load_imagenette("train", source, SIDE)
    load_imagenette("train", source, 16)
    assert len(list(kept.iterdir())) == 2
    with monkeypatch.context() as patch:
        patch.setattr("cnnlib.data.imagenette.squash", lambda *_: 1 / 0)
        assert np.array_equal(load_imagenette("train", source, SIDE).images, first.images)
    changed = make_files()
    changed["train/n01440764/n01440764_0.JPEG"] = jpeg(255, (50, 50))
    found = load_imagenette("train", write(tmp_path / "tiny", changed), SIDE)
    assert not np.array_equal(found.images, first.images)


def test_without_a_path_the_public_archive_comes_first_then_the_small_one(tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match="imagenette2-160.tgz: missing; `python -m cnnlib"):
        load_imagenette("test", side=SIDE)
    write_zip(tmp_path / "data" / "imagenette-144", make_files())
    assert len(load_imagenette("test", side=SIDE)) == 20
    fewer = {name: c for name, c in make_files().items() if not name.endswith("_1.JPEG")}
    write_tgz(tmp_path / "data" / "imagenette2-160", fewer)
    assert len(load_imagenette("test", side=SIDE)) == 10


# --- What can be wrong with it ------------------------------------------------------------------


@pytest.mark.parametrize("side", [0, -1, 1.5, "32", None, True])
def test_an_impossible_side_is_an_error_that_names_it(archive, side):
    with pytest.raises(ValueError, match=f"side={side!r}: expected a whole number of pixels"):
        load_imagenette("train", archive, side)


def test_an_unknown_split_is_an_error_that_names_it(archive):
    with pytest.raises(ValueError, match="split='val': expected 'train' or 'test'"):
        load_imagenette("val", archive, SIDE)


def test_a_side_beyond_the_photographs_names_the_first(archive):
    with pytest.raises(ValueError, match=r"JPEG: expected at least 41x41 pixels, found 44x40"):
        load_imagenette("train", archive, 41)


IMAGE = "train/n03028079/n03028079_1.JPEG"
MISTAKES = {
    "no train": (without("train/"), "tiny.*: holds no train/n01440764/"),
    "too small": (
        changed(IMAGE, jpeg((9, 9, 9), (50, 31))),
        f"{IMAGE}: expected at least 32x32 .* 50x31",
    ),
}


@forms
@pytest.mark.parametrize("change, message", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_archive_is_an_error_that_names_the_file(
    tmp_path, kept, write, change, message
):
    source = write(tmp_path / "tiny", change(make_files()))
    with pytest.raises(ValueError, match=message):
        load_imagenette("train", source, SIDE)
    assert not kept.exists()


def test_an_archive_without_the_test_images_is_an_error(tmp_path):
    source = write_tgz(tmp_path / "tiny", without("val/")(make_files()))
    assert len(load_imagenette("train", source, SIDE)) == 30
    with pytest.raises(ValueError, match="tiny.tgz: val/n01440764: no JPEG image of class"):
        load_imagenette("test", source, SIDE)


# --- By name ------------------------------------------------------------------------------------


def test_load_dataset_knows_it_at_every_size(tmp_path):
    files = {
        name: jpeg((90, 90, 90), (150, 145)) for name in make_files() if name.endswith("0.JPEG")
    }
    source = write_zip(tmp_path / "tiny", files)
    for name, side in (("imagenette", 144), ("imagenette-128", 128), ("imagenette-1", 1)):
        assert load_dataset(name, "test", source).images.shape == (10, side, side, 3)


@pytest.mark.parametrize("name", ["imagenette-", "imagenette-0", "imagenette-2x", "Imagenette"])
def test_load_dataset_refuses_an_unknown_name(archive, name):
    with pytest.raises(ValueError, match=f"unknown image set {name!r}; known: .*, imagenette-N"):
        load_dataset(name, "train", archive)


def test_the_public_archive_is_pinned_by_its_published_hash():
    assert imagenette.SHA256 == "64d0c4859f35a461889e0147755a999a48b49bf38a7e0f9bd27003f10db02fe5"
    assert imagenette.URLS == ("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz",)
