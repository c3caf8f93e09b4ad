"""Tiny ImageNet, on made-up archives in its layout: two splits, three classes, five images each.

Every image is its class's colour above and black below, so its pixels tell whose it is and how it
lies. They are 40 wide and 48 high, so swapped axes show.
"""

import os
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cnnlib.data import (
    DATASETS,
    load_book_classes,
    load_dataset,
    load_digits,
    load_tiny_imagenet,
    tiny_imagenet,
)
from tests.archives import WRITERS, changed, forms, jpeg, without, write_zip

HEIGHT, WIDTH = SHAPE = 48, 40
COLOURS = {"n03": (220, 40, 30), "n01": (30, 200, 60), "n02": (40, 60, 210)}  # as in wnids.txt
WORDS = {"n03": "fire truck, fire engine", "n01": "frog", "n02": "sea, ocean"}
GREY = "train/n01/images/n01_2.JPEG"
TRAIN_IMAGES, TEST_IMAGES = 5, 2  # of each class


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch) -> Path:
    """Where decoded images are kept, a folder of each test's own; it is not there yet."""
    monkeypatch.setenv("CNNLIB_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "decoded"


def make_files() -> dict[str, bytes]:
    """Name inside: content, of a whole archive."""
    files = {
        "wnids.txt": "".join(f"{wnid}\n" for wnid in COLOURS).encode(),
        "words.txt": "".join(
            f"{wnid}\t{words}\n" for wnid, words in sorted({**WORDS, "n99": "frog"}.items())
        ).encode(),
        "test/images/test_0.JPEG": b"not looked at",
    }
    for wnid, colour in COLOURS.items():
        files[f"train/{wnid}/{wnid}_boxes.txt"] = b"not looked at"
        for i in range(TRAIN_IMAGES):
            files[f"train/{wnid}/images/{wnid}_{i}.JPEG"] = jpeg(colour, SHAPE)
    files[GREY] = jpeg(200, SHAPE)
    lines = []
    for i in range(TEST_IMAGES * len(COLOURS)):
        wnid = list(COLOURS)[-1 - i % len(COLOURS)]
        files[f"val/images/val_{i}.JPEG"] = jpeg(COLOURS[wnid], SHAPE)
        lines.append(f"val_{i}.JPEG\t{wnid}\t0\t0\t{WIDTH - 1}\t{HEIGHT - 1}\n")
    files["val/val_annotations.txt"] = "".join(lines).encode()
    return files


@pytest.fixture
def archive(tmp_path) -> Path:
    return write_zip(tmp_path / "tiny", make_files())


def no_decoding(monkeypatch) -> None:
    def decode(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(tiny_imagenet, "_decode", decode)


# --- What it gives ------------------------------------------------------------------------------


@pytest.mark.parametrize("split, each", [("train", TRAIN_IMAGES), ("test", TEST_IMAGES)])
def test_images_labels_and_categories_fit_together(archive, split, each):
    tiny = load_tiny_imagenet(split, archive)
    assert tiny.images.shape == (3 * each, HEIGHT, WIDTH, 3)
    assert tiny.labels.tolist() == [0, 1, 2] * each
    assert tiny.categories == ("fire truck", "frog", "sea")
    assert "Tiny ImageNet" in tiny.credit
    colours = list(COLOURS.values())
    for i, (image, label) in enumerate(zip(tiny.images.astype(int), tiny.labels, strict=True)):
        grey = split == "train" and i == 7  # frog 2, in the third round
        expected = (200, 200, 200) if grey else colours[label]
        assert abs(image[4:20, 4:36] - expected).max() <= 6
        assert image[28:].max() <= 6


def test_a_grey_image_has_three_equal_channels(archive):
    image = load_tiny_imagenet("train", archive).images[7]
    assert (image[..., 0] == image[..., 1]).all() and (image[..., 0] == image[..., 2]).all()


@forms
@pytest.mark.parametrize("top", ["", "tiny-imagenet-200/", "my images/"])
def test_every_form_of_the_archive_gives_the_same(archive, tmp_path, write, top):
    other = write(tmp_path / "other", make_files(), top)
    for split in ("train", "test"):
        expected, found = load_tiny_imagenet(split, archive), load_tiny_imagenet(split, str(other))
        assert np.array_equal(found.images, expected.images)
        assert np.array_equal(found.labels, expected.labels)
        assert found.categories == expected.categories


def test_what_other_programs_leave_in_an_archive_is_passed_over(archive, tmp_path):
    files = make_files()
    for name in (
        "train/n01/images/._n01_0.JPEG",
        "val/images/._val_0.JPEG",
        "val/images/Thumbs.db",
    ):
        files[name] = b"rubbish"
    expected = load_tiny_imagenet("train", archive)
    for write in WRITERS.values():
        other = write(tmp_path / write.__name__, files)
        assert np.array_equal(load_tiny_imagenet("train", other).images, expected.images)
        assert len(load_tiny_imagenet("test", other)) == 3 * TEST_IMAGES
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("a/copy/of/wnids.txt", "n77\n")
    assert load_tiny_imagenet("train", archive).categories == expected.categories


def test_uneven_classes_are_mixed_evenly(tmp_path):
    files = make_files()
    for i in range(1, TRAIN_IMAGES):
        del files[f"train/n03/images/n03_{i}.JPEG"]
    for i in range(3, TRAIN_IMAGES):
        del files[f"train/n02/images/n02_{i}.JPEG"]
    tiny = load_tiny_imagenet("train", write_zip(tmp_path / "uneven", files))
    # Where one, five and three images lie on a line from 0 to 1.
    assert tiny.labels.tolist() == [1, 2, 1, 0, 1, 2, 1, 2, 1]


@pytest.mark.parametrize(
    "words, expected",
    [
        (["crane, bird", "crane, hoist"], ["crane, bird", "crane, hoist"]),
        (["maillot", "maillot, tank suit"], ["maillot", "maillot, tank suit"]),
        (["a, b, c", "a, b, d", "a, e"], ["a, b, c", "a, b, d", "a, e"]),
        (["a, b", "c, b", "a, d"], ["a, b", "c", "a, d"]),
        (["crane", "crane", "b"], ["crane (n03)", "crane (n01)", "b"]),
    ],
)
def test_categories_take_as_many_words_as_tell_them_apart(tmp_path, words, expected):
    lines = [f"{wnid}\t{text}\n" for wnid, text in zip(COLOURS, words, strict=False)]
    files = {**make_files(), "words.txt": "".join(lines).encode()}
    archive = write_zip(tmp_path / "tiny", files)
    assert load_tiny_imagenet("test", archive, len(words)).categories == tuple(expected)


def test_classes_takes_the_first_lines(archive):
    whole, two = (
        load_tiny_imagenet("train", archive),
        load_tiny_imagenet("train", archive, np.int64(2)),
    )
    assert two.categories == ("fire truck", "frog")
    assert two.labels.tolist() == [0, 1] * TRAIN_IMAGES
    assert np.array_equal(two.images, whole.images[whole.labels < 2])
    assert load_tiny_imagenet("test", archive, 1).labels.tolist() == [0] * TEST_IMAGES


@pytest.mark.parametrize("classes", [0, 4, -1, 1.5, "2", True])
def test_classes_that_are_not_there_are_refused(archive, classes):
    with pytest.raises(ValueError, match=f"classes={classes!r}: expected 1 to 3, .*tiny.zip"):
        load_tiny_imagenet("train", archive, classes)


@pytest.mark.parametrize("split", ["val", "Train", "", None])
def test_another_split_is_refused(archive, split):
    with pytest.raises(ValueError, match=f"split={split!r}: expected 'train' or 'test'"):
        load_tiny_imagenet(split, archive)


# --- Decoded once -------------------------------------------------------------------------------


@forms
def test_the_second_time_nothing_is_decoded(tmp_path, monkeypatch, kept, write):
    source = write(tmp_path / "tiny", make_files())
    first = {split: load_tiny_imagenet(split, source) for split in ("train", "test")}
    assert len(list(kept.iterdir())) == 2
    no_decoding(monkeypatch)
    for split, expected in first.items():
        again = load_tiny_imagenet(split, source)
        assert np.array_equal(again.images, expected.images)
        assert np.array_equal(again.labels, expected.labels)
        for images in (again.images, expected.images):
            assert not images.flags.writeable and type(images) is np.ndarray


def test_only_what_is_asked_for_is_decoded(tmp_path, kept):
    files = {name: b"broken" if "train/" in name else c for name, c in make_files().items()}
    assert len(load_tiny_imagenet("test", write_zip(tmp_path / "a", files))) == 6
    assert sum(file.stat().st_size for file in kept.iterdir()) < 7 * HEIGHT * WIDTH * 3
    files = make_files() | {"train/n02/images/n02_0.JPEG": b"broken"}
    assert len(load_tiny_imagenet("train", write_zip(tmp_path / "b", files), 2)) == 10


@forms
def test_a_changed_source_is_decoded_anew(tmp_path, write):
    files = make_files()
    before = load_tiny_imagenet("train", write(tmp_path / "tiny", files))
    files["train/n03/images/n03_0.JPEG"] = jpeg((250, 250, 0), SHAPE)
    after = load_tiny_imagenet("train", write(tmp_path / "tiny", files))
    assert before.images[0, 10, 10, 1] < 50 and after.images[0, 10, 10, 1] > 240
    assert np.array_equal(after.images[1:], before.images[1:])


def test_damage_in_place_is_seen_though_the_image_is_kept(archive):
    load_tiny_imagenet("train", archive)
    content = bytearray(archive.read_bytes())
    content[content.index(make_files()["train/n02/images/n02_4.JPEG"]) + 300] ^= 1
    archive.write_bytes(content)
    os.utime(archive, (1, 1))
    with pytest.raises(ValueError, match="tiny.zip: train/n02/images/n02_0.JPEG: damaged: .*CRC"):
        load_tiny_imagenet("train", archive)


DAMAGES = {
    "cut": lambda content: content[:-1],
    "cut in the header": lambda content: content[:40],
    "empty": lambda content: b"",
    "one byte": lambda content: b"\0",
    "lengthened": lambda content: content + b"\0",
    "one bit": lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
    "zeros": lambda content: bytes(len(content)),
    "something else": lambda content: b"PK\3\4" + content[4:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_of_decoded_images_is_made_anew(archive, kept, monkeypatch, damage):
    expected = load_tiny_imagenet("train", archive).images.copy()
    (file,) = kept.iterdir()
    whole = file.read_bytes()
    file.unlink()  # the mapped images must not change under our hands
    file.write_bytes(damage(whole))
    assert np.array_equal(load_tiny_imagenet("train", archive).images, expected)
    assert file.read_bytes() == whole and list(kept.iterdir()) == [file]
    no_decoding(monkeypatch)
    assert np.array_equal(load_tiny_imagenet("train", archive).images, expected)


def test_a_broken_archive_leaves_nothing_behind(tmp_path, kept):
    files = make_files() | {"train/n02/images/n02_4.JPEG": b"broken"}
    with pytest.raises(ValueError):
        load_tiny_imagenet("train", write_zip(tmp_path / "tiny", files))
    assert not kept.exists()


def test_without_a_place_to_keep_them_images_are_decoded_with_a_warning(
    archive, tmp_path, monkeypatch
):
    expected = load_tiny_imagenet("train", archive)
    (tmp_path / "file").touch()
    monkeypatch.setenv("CNNLIB_DATA", str(tmp_path / "file"))
    for _ in range(2):
        with pytest.warns(UserWarning, match="not kept, so .* CNNLIB_DATA"):
            found = load_tiny_imagenet("train", archive)
        assert np.array_equal(found.images, expected.images)
        assert not found.images.flags.writeable


def test_a_full_disk_is_a_warning_and_leaves_no_draft(archive, kept, monkeypatch):
    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cnnlib.data.cache.os.replace", no_space)
    with pytest.warns(UserWarning, match="No space left"):
        assert len(load_tiny_imagenet("train", archive)) == 15
    assert list(kept.iterdir()) == []


def test_processes_that_decode_at_the_same_time_do_not_meet(archive, kept, monkeypatch):
    """A second one starts, finds nothing and finishes while the first has its draft in hand."""
    replace, second = os.replace, []

    def replace_later(draft, path):
        monkeypatch.setattr("cnnlib.data.cache.os.replace", replace)
        assert not path.exists()
        second.append(load_tiny_imagenet("train", archive))
        replace(draft, path)

    monkeypatch.setattr("cnnlib.data.cache.os.replace", replace_later)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = load_tiny_imagenet("train", archive)
    assert np.array_equal(first.images, second[0].images)
    assert len(list(kept.iterdir())) == 1


def test_decoding_shows_its_progress(archive, capsys):
    load_tiny_imagenet("train", archive)
    shown = capsys.readouterr().err
    assert "decoding tiny.zip, train" in shown and "15/15" in shown
    load_tiny_imagenet("train", archive)
    assert capsys.readouterr().err == ""


# --- Where it is --------------------------------------------------------------------------------


def test_without_a_path_the_archive_is_looked_for_where_cnnlib_data_says(tmp_path):
    write_zip(tmp_path / "data" / "tiny-imagenet-200", make_files())
    assert len(load_tiny_imagenet("train")) == 15


def test_without_cnnlib_data_it_is_looked_for_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("CNNLIB_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    cache = tmp_path / ".cache" / "cnnlib"
    write_zip(cache / "tiny-imagenet-200", make_files())
    assert len(load_tiny_imagenet("test")) == 6
    assert len(list((cache / "decoded").iterdir())) == 1


def test_a_missing_archive_says_how_to_get_it(tmp_path):
    message = "data.tiny-imagenet-200.zip: missing; `python -m cnnlib.data tiny-imagenet` fetches"
    with pytest.raises(FileNotFoundError, match=message):
        load_tiny_imagenet("train")
    with pytest.raises(FileNotFoundError, match="no-such.zip"):
        load_tiny_imagenet("train", tmp_path / "no-such.zip")


# --- What can be wrong with it ------------------------------------------------------------------


def annotated(line: str) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    """One line more in val_annotations.txt, the seventh."""
    name = "val/val_annotations.txt"
    return lambda files: files | {name: files[name] + line.encode()}


MISTAKES = {
    "no wnids": ("train", without("wnids.txt"), "tiny.*: holds no wnids.txt"),
    "empty wnids": ("train", changed("wnids.txt", b"\n"), "tiny.*: wnids.txt: lists no class"),
    "wnid twice": ("train", changed("wnids.txt", b"n01\nn01\n"), "wnids.txt: lists n01 2 times"),
    "wnids no text": ("train", changed("wnids.txt", b"\xff"), "wnids.txt: no UTF-8 text"),
    "no words": ("train", without("words.txt"), "words.txt: missing"),
    "no word": ("train", changed("words.txt", b"n03\tx\nn01\t\n"), "words.txt: no words for .*n01"),
    "another size": (
        "train",
        changed("train/n01/images/n01_3.JPEG", jpeg((1, 2, 3), (WIDTH, HEIGHT))),
        "train/n01/images/n01_3.JPEG: expected 48x40 pixels like the others, found 40x48",
    ),
    "bad test image": (
        "test",
        changed("val/images/val_4.JPEG", b"hello"),
        "tiny.*: val/images/val_4.JPEG: no image: ",
    ),
    "no annotations": ("test", without("val/val_ann"), "val/val_annotations.txt: missing"),
    "unknown image": (
        "test",
        annotated("val_9.JPEG\tn01\t0\t0\t1\t1\n"),
        "tiny.*: val/val_annotations.txt, line 7: 'val_9.JPEG' is no JPEG image in val/images",
    ),
    "missing image": ("test", without("val/images/val_1.JPEG"), "line 2: 'val_1.JPEG' is no JPEG"),
    "unknown class": (
        "test",
        annotated("val_0.JPEG\tn77\t0\t0\t1\t1\n"),
        "line 7: class 'n77' is not in wnids.txt",
    ),
    "no class": ("test", annotated("val_0.JPEG\n"), "line 7: class '' is not in wnids.txt"),
    "two classes": (
        "test",
        annotated("val_0.JPEG\tn03\t0\t0\t1\t1\n"),
        "line 7: 'val_0.JPEG' has a class already, n02",
    ),
    "image without a class": (
        "test",
        changed("val/images/val_9.JPEG", jpeg(9, SHAPE)),
        "tiny.*: val/images/val_9.JPEG: not in val/val_annotations.txt",
    ),
    "empty test class": (
        "test",
        changed("wnids.txt", b"n03\nn01\nn02\nn99\n"),
        "tiny.*: val/val_annotations.txt: no JPEG image of class n99",
    ),
}


@forms
@pytest.mark.parametrize("split, change, message", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_archive_is_an_error_that_names_the_file(
    tmp_path, write, split, change, message
):
    source = write(tmp_path / "tiny", change(make_files()))
    with pytest.raises(ValueError, match=message):
        load_tiny_imagenet(split, source)


# --- By name ------------------------------------------------------------------------------------


def test_load_dataset_knows_the_sets_that_ship():
    assert set(DATASETS) == {"digits", "fashion"}
    for name, load in DATASETS.items():
        assert np.array_equal(load_dataset(name, "test").images, load("test").images)
    with pytest.raises(ValueError, match="mine.zip: 'digits' ships with the book"):
        load_dataset("digits", "test", "mine.zip")


def test_load_dataset_takes_what_a_test_adds_to_datasets(monkeypatch):
    monkeypatch.setitem(DATASETS, "few", lambda split: load_digits(split).first(5))
    assert len(load_dataset("few", "train")) == 5


@pytest.mark.parametrize("name, classes", [("tiny-imagenet", 3), ("tiny-imagenet-2", 2)])
def test_load_dataset_knows_tiny_imagenet_and_its_parts(archive, name, classes):
    found = load_dataset(name, "train", archive)
    expected = load_tiny_imagenet("train", archive, classes)
    assert np.array_equal(found.images, expected.images)
    assert found.categories == expected.categories


def test_load_dataset_refuses_more_classes_than_there_are(archive):
    with pytest.raises(ValueError, match="classes=40: expected 1 to 3, .*tiny.zip"):
        load_dataset("tiny-imagenet-40", "train", archive)


@pytest.mark.parametrize(
    "name", ["", "Digits", "tiny-imagenet-", "tiny-imagenet-0", "tiny-imagenet-2x", "imagenet"]
)
def test_load_dataset_refuses_an_unknown_name(archive, name):
    with pytest.raises(ValueError, match=f"unknown image set {name!r}; known: digits, fashion, "):
        load_dataset(name, "train", archive)


def test_load_dataset_finds_a_part_by_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="tiny-imagenet-200.zip"):
        load_dataset("tiny-imagenet-3", "test")
    write_zip(tmp_path / "data" / "tiny-imagenet-3", make_files())
    assert load_dataset("tiny-imagenet-3", "test").categories[0] == "fire truck"
    with pytest.raises(FileNotFoundError, match="tiny-imagenet-200.zip"):
        load_dataset("tiny-imagenet-2", "test")


def set_of_many(path: Path, wnids: list[str]) -> Path:
    """An archive with one training image of each class, each of another grey."""
    files = {"wnids.txt": "\n".join(wnids), "words.txt": "\n".join(f"{w}\tword {w}" for w in wnids)}
    images = {
        f"train/{w}/images/{w}_0.JPEG": jpeg(5 * i, SHAPE) for i, w in enumerate(sorted(wnids))
    }
    return write_zip(path, {name: text.encode() for name, text in files.items()} | images)


def test_the_books_classes_are_the_same_in_a_part_and_in_the_full_set(tmp_path):
    book = list(tiny_imagenet.BOOK_CLASSES)
    assert len(set(book)) == 40
    part = set_of_many(tmp_path / "part", book)
    full = set_of_many(tmp_path / "full", ["n09999999", *sorted(book), "n00000001"])
    for name in ("tiny-imagenet-40", "tiny-imagenet-20"):
        found, expected = (load_dataset(name, "train", path) for path in (full, part))
        assert found.categories == expected.categories
        assert found.categories[:2] == ("word n01443537", "word n01629819")
        assert found.labels.tolist() == expected.labels.tolist()
    every = load_book_classes("train", 42, full)
    assert every.categories[40:] == ("word n09999999", "word n00000001")
    assert load_tiny_imagenet("train", full, 2).categories == ("word n09999999", "word n01443537")


def test_an_archive_without_all_of_the_books_classes_keeps_its_own_order(tmp_path):
    wnids = sorted(tiny_imagenet.BOOK_CLASSES[1:], reverse=True)
    part = set_of_many(tmp_path / "part", wnids)
    assert load_dataset("tiny-imagenet-2", "train", part).categories == (
        f"word {wnids[0]}",
        f"word {wnids[1]}",
    )


def test_the_real_archive_is_pinned_by_its_published_hash():
    assert tiny_imagenet.SHA256 == (
        "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821"
    )
    assert all(
        url.endswith("cs231n.stanford.edu/tiny-imagenet-200.zip") for url in tiny_imagenet.URLS
    )
