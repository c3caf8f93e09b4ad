"""The photographs and ImageNet's class names: whole, credited, described."""

import io
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cnnlib.data
from cnnlib.data import gallery, imagenet, load_gallery, load_imagenet_classes

README = (Path(cnnlib.data.__file__).parent / "README.md").read_text(encoding="utf-8")
PHOTOGRAPHS = load_gallery()
FACES, CLASSES = load_gallery("faces"), load_gallery("classes")
EVERY = (*PHOTOGRAPHS, *FACES, *CLASSES)
every_photograph = pytest.mark.parametrize("photograph", EVERY, ids=lambda p: p.name)


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the gallery's files that a test may spoil."""
    for path in gallery.GALLERY_FOLDER.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(gallery, "GALLERY_FOLDER", tmp_path)
    load_gallery.cache_clear()
    yield tmp_path
    load_gallery.cache_clear()


def test_there_are_many_and_no_two_alike():
    assert len(PHOTOGRAPHS) == 42
    for what in ("name", "title", "alt", "source"):
        assert len({getattr(photograph, what) for photograph in PHOTOGRAPHS}) == 42
    small = [
        np.asarray(Image.fromarray(p.image).resize((16, 16)), float).ravel() for p in PHOTOGRAPHS
    ]
    closest = min(np.abs(a - b).mean() for i, a in enumerate(small) for b in small[:i])
    assert closest > 20


@every_photograph
def test_a_photograph_is_large_enough_and_its_file_small(photograph):
    assert photograph.image.dtype == np.uint8 and photograph.image.shape[2] == 3
    least = 240 if photograph in PHOTOGRAPHS else 212
    assert least <= min(photograph.image.shape[:2]) <= 288
    assert max(photograph.image.shape[:2]) <= 1.51 * min(photograph.image.shape[:2])
    content = (gallery.GALLERY_FOLDER / f"{photograph.name}.jpg").read_bytes()
    assert len(content) <= 40_000
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "JPEG" and not picture.getexif()


@every_photograph
def test_a_photograph_is_described_and_credited(photograph):
    assert re.fullmatch(r"[A-Z].{25,130}\.", photograph.alt)
    assert photograph.title and photograph.author and photograph.source
    allowed = r"CC0 1\.0, https://.*|CC BY(-SA)? [234]\.0, https://.*|public domain|no known copy.*"
    assert re.fullmatch(allowed, photograph.licence)
    row = next(line for line in README.splitlines() if line.startswith(f"| `{photograph.name}` |"))
    name, _, link = photograph.licence.partition(", ")
    licence = f"[{name}]({link})" if link else name
    cells = [photograph.title, photograph.author, licence, photograph.source]
    assert row.split(" | ")[1:] == [*cells[:-1], f"{cells[-1]} |"]


def test_the_files_are_those_of_the_list():
    files = {path.name for path in gallery.GALLERY_FOLDER.iterdir()}
    assert files == {f"{p.name}.jpg" for p in EVERY} | {f"{album}.json" for album in gallery.ALBUMS}
    assert len({photograph.name for photograph in EVERY}) == len(EVERY) == 42 + 11 + 3


def test_an_album_that_is_not_there_is_an_error_that_names_those_that_are():
    with pytest.raises(ValueError, match=r"album='face': expected one of \['gallery', 'faces', "):
        load_gallery("face")


def test_faces_have_parts_and_classes_a_label():
    assert {p.label for p in CLASSES} == {"church"} and {p.parts for p in CLASSES} == {None}
    assert {p.label for p in (*PHOTOGRAPHS, *FACES)} == {p.parts for p in PHOTOGRAPHS} == {None}
    for photograph in FACES:
        height, width, _ = photograph.image.shape
        assert height == width
        (a, b), (c, d), (e, f) = (photograph.parts[n] for n in ("left eye", "right eye", "nose"))
        assert width / 6 < b < f < d < width * 5 / 6  # left of the nose, and right of it
        assert max(a, c) < e < height * 5 / 6  # the nose is below both
        assert abs(a - c) < (d - b) / 4  # the head is upright
    with pytest.raises(TypeError):
        FACES[0].parts["nose"] = (0, 0)


def test_eyes_are_darker_than_what_lies_around_them():
    """Of all but the gibbon, whose whole face is dark."""
    for photograph in FACES:
        grey = photograph.image.mean(axis=2)
        for part in ("left eye", "right eye"):
            row, column = photograph.parts[part]
            eye = grey[row - 5 : row + 6, column - 5 : column + 6].min()
            around = grey[row - 40 : row + 41, column - 40 : column + 41].mean()
            assert eye < around - 25 or photograph.name == "gibbon", (photograph.name, part)


def test_black_and_white_photographs_have_three_equal_channels():
    image = {p.name: p.image for p in PHOTOGRAPHS}["cameraman"].astype(int)
    assert np.abs(image - image[..., :1]).max() <= 2


def test_colours_are_red_first():
    """The macaw is red, the sky over the Taj Mahal is not."""
    images = {p.name: p.image for p in PHOTOGRAPHS}
    red, _, blue = images["macaw"][100:200, 200:260].mean(axis=(0, 1))
    assert red > 3 * blue
    red, _, blue = images["taj_mahal"][:30, :100].mean(axis=(0, 1))
    assert blue > red


def test_photographs_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        PHOTOGRAPHS[0].image[0, 0, 0] = 1


def test_the_readmes_recipe_scales_as_the_files_are():
    code = re.search(r"```python\n(import io\n\nfrom PIL.*?)```", README, re.DOTALL)[1]
    space: dict = {}
    exec(code, space)
    file = io.BytesIO()
    Image.fromarray(np.zeros((600, 1000, 3), np.uint8)).save(file, "PNG")
    with Image.open(io.BytesIO(space["make"](file, (50, 0, 950, 600)))) as made:
        assert made.size == (432, 288)


@pytest.mark.parametrize("name", ["panda.jpg", "gallery.json"])
def test_a_changed_or_missing_file_is_an_error_that_names_it(copy, name):
    path = copy / name
    path.write_bytes(path.read_bytes()[:-5] + b"12345")
    with pytest.raises(ValueError, match=rf"{name}: cut or changed .*expected SHA-256 .*found"):
        load_gallery()
    path.unlink()
    with pytest.raises(FileNotFoundError, match=name):
        load_gallery()
    assert len(load_gallery("faces")) == 11  # an album needs its own files alone


# --- Class names ----------------------------------------------------------------------------------


def test_the_classes_are_in_the_order_of_the_labels():
    classes = load_imagenet_classes()
    names = list(classes.values())
    assert len(classes) == 1000 and Counter(names).most_common(1)[0][1] == 1
    known = {0: "tench", 281: "tabby", 285: "Egyptian cat", 574: "golf ball"}
    known |= {832: "stupa", 967: "espresso", 999: "toilet tissue"}
    assert {label: names[label] for label in known} == known
    assert all(re.fullmatch(r"n\d{8}", wnid) for wnid in classes)
    assert list(classes) == sorted(classes)  # the labels count the identifiers in order
    assert classes["n02123045"] == "tabby" and classes["n07920052"] == "espresso"


def test_changed_class_names_are_an_error(tmp_path, monkeypatch):
    path = tmp_path / "imagenet_classes.json"
    path.write_text(json.dumps(load_imagenet_classes()))
    monkeypatch.setattr(imagenet, "CLASSES_FILE", path)
    load_imagenet_classes.cache_clear()
    try:
        with pytest.raises(ValueError, match="imagenet_classes.json: cut or changed"):
            load_imagenet_classes()
    finally:
        load_imagenet_classes.cache_clear()
