"""The weights that ship: what the records say, and what happens to a damaged file."""

import hashlib
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from cnnlib.data import ImageSet, load_digits
from cnnlib.models import MODELS
from cnnlib.train import RECIPES
from cnnlib.weights import (
    WEIGHTS,
    Preprocessing,
    load_weights,
    measure_accuracy,
    preprocess,
    read_record,
)
from cnnlib.weights.__main__ import main

every_weight = pytest.mark.parametrize("key", WEIGHTS)

# The share of the 2,000 held-out digits that each shipped network gets right.
ACCURACY = {"lenet5": 0.985, "lenet_modern": 0.99}


# --- What ships ---------------------------------------------------------------------------------


def test_every_recipe_has_its_weights():
    assert list(WEIGHTS) == list(RECIPES) == list(ACCURACY)


@every_weight
def test_shipped_weights_load_ready_to_use(key):
    model = load_weights(key)
    assert isinstance(model, MODELS[key])
    assert not any(module.training for module in model.modules())
    assert all(p.isfinite().all() for p in model.parameters())


@every_weight
def test_the_recorded_accuracy_is_the_measured_one(key):
    record = WEIGHTS[key]
    measured = measure_accuracy(load_weights(key), key, load_digits("test"))
    assert measured == pytest.approx(record.accuracy, abs=0.001)
    assert measured == pytest.approx(ACCURACY[key], abs=0.001)
    assert measured >= 0.985 - 0.001  # a digit on the brink may fall on the other side elsewhere


@every_weight
def test_the_record_is_the_recipe_of_today(key):
    """Train again with the recipe in the code and you train what ships."""
    record, recipe = WEIGHTS[key], RECIPES[key]
    assert record.key == key
    assert record.dataset == recipe.dataset
    assert record.preprocessing == recipe.preprocessing
    expected = asdict(recipe)
    del expected["preprocessing"]
    assert record.recipe == expected
    assert [entry["epoch"] for entry in record.log] == list(range(1, recipe.epochs + 1))
    assert record.log[-1]["test_accuracy"] == record.accuracy
    assert record.categories == tuple("0123456789")


@every_weight
def test_shipped_weights_are_small(key):
    assert WEIGHTS[key].file.stat().st_size < 300_000


# --- Files that are not as recorded -------------------------------------------------------------


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A copy of LeNet-5's shipped weights that a test may spoil."""
    record = WEIGHTS["lenet5"]
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(record.file.read_bytes())
    monkeypatch.setitem(WEIGHTS, "lenet5", replace(record, file=copy))
    return copy


def test_a_changed_file_is_an_error_that_names_it_and_both_hashes(file):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError) as error:
        load_weights("lenet5")
    assert str(file) in str(error.value)
    assert WEIGHTS["lenet5"].sha256 in str(error.value)
    assert hashlib.sha256(content).hexdigest() in str(error.value)


@pytest.mark.parametrize("kept", [0, 7, 1000, -1])
def test_a_cut_file_is_an_error_that_says_its_length(file, kept):
    content = file.read_bytes()[:kept]
    file.write_bytes(content)
    with pytest.raises(ValueError, match=rf"copy.safetensors: cut or changed \({len(content)} "):
        load_weights("lenet5")


def test_a_missing_file_is_an_error_that_names_it_and_its_hash(file):
    file.unlink()
    with pytest.raises(FileNotFoundError, match="copy.safetensors") as error:
        load_weights("lenet5")
    assert WEIGHTS["lenet5"].sha256 in str(error.value)


@pytest.mark.parametrize("key", ["lenet6", "", "LeNet5"])
def test_an_unknown_key_names_the_known_ones(key, tmp_path):
    for folder in (None, tmp_path):
        with pytest.raises(ValueError, match=f"key '{key}'; known: lenet5, lenet_modern"):
            load_weights(key, folder)


def test_a_folder_without_the_weights_is_an_error_that_names_the_record(tmp_path):
    with pytest.raises(FileNotFoundError, match="lenet5.json"):
        load_weights("lenet5", tmp_path)


def spoil(entries: dict, **changes) -> str:
    return json.dumps({name: v for name, v in (entries | changes).items() if v is not None})


def test_a_record_that_is_none_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "lenet5.json"
    entries = json.loads(WEIGHTS["lenet5"].file.with_suffix(".json").read_text())
    for text in (
        "",
        "[1, 2]",
        json.dumps(entries)[:-30],
        spoil(entries, sha256=None),
        spoil(entries, preprocessing={"height": 32}),
        spoil(entries, preprocessing=entries["preprocessing"] | {"mean": 3}),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match="lenet5.json: no record of a weight file"):
            read_record(path)


# --- Preprocessing ------------------------------------------------------------------------------


def test_the_digits_become_the_papers_input():
    """Paper -0.1, ink 1.175, in the middle of 32x32 (LeCun et al. 1998, section II.B)."""
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 0, 0], image[0, 27, 26], image[0, 5, 9] = 255, 255, 51
    x = preprocess("lenet5", image)
    assert x.shape == (1, 1, 32, 32) and x.dtype == torch.float32
    assert x[0, 0, 2, 2].item() == pytest.approx(1.175)
    assert x[0, 0, 29, 28].item() == pytest.approx(1.175)
    assert x[0, 0, 7, 11].item() == pytest.approx(-0.1 + 1.275 / 5)
    assert (x == -0.1).sum() == 32 * 32 - 3


def test_a_canvas_need_not_be_square():
    canvas = Preprocessing(channels=1, height=6, width=9, low=0.0, high=255.0)
    images = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    x = preprocess(canvas, images)
    assert x.shape == (2, 1, 6, 9)
    assert x[:, 0, 1:4, 2:6].tolist() == images.tolist()
    assert x.sum() == images.sum()


def test_colour_keeps_its_channels():
    canvas = Preprocessing(channels=3, height=3, width=4, low=0.0, high=255.0)
    images = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    x = preprocess(canvas, images)
    assert x.shape == (2, 3, 3, 4)
    for n in range(2):
        for c in range(3):
            assert x[n, c].tolist() == images[n, :, :, c].tolist()


def test_key_record_and_preprocessing_say_the_same():
    images = load_digits("test").images[:3]
    by_key = preprocess("lenet5", images)
    record = WEIGHTS["lenet5"]
    assert torch.equal(by_key, preprocess(record, images))
    assert torch.equal(by_key, preprocess(record.preprocessing, images))


def test_flipped_and_read_only_images_are_fine():
    images = load_digits("test").images[:3]
    images.flags.writeable = False
    flipped = preprocess("lenet5", images[:, :, ::-1])
    assert torch.equal(flipped, preprocess("lenet5", images).flip(3))


@pytest.mark.parametrize(
    "images, message",
    [
        (np.zeros((2, 28, 28)), "expected uint8 .*found float64"),
        (np.zeros((28, 28), np.uint8), r"\(N, H, W\).*found uint8 of shape \(28, 28\)"),
        (np.zeros((2, 33, 28), np.uint8), "at most 32x32 pixels, found 1 channels and 33x28"),
        (np.zeros((2, 28, 33), np.uint8), "found 1 channels and 28x33"),
        (np.zeros((2, 28, 28, 3), np.uint8), "expected 1 channels .*found 3 channels"),
    ],
)
def test_images_that_do_not_fit_are_errors_that_say_why(images, message):
    with pytest.raises(ValueError, match=message):
        preprocess("lenet5", images)


def test_preprocess_with_an_unknown_key_names_the_known_ones():
    with pytest.raises(ValueError, match="key 'vgg'; known: lenet5"):
        preprocess("vgg", np.zeros((1, 28, 28), np.uint8))


# --- Measuring ----------------------------------------------------------------------------------


class FirstPixel(torch.nn.Module):
    """Answers with the value of the first pixel."""

    def forward(self, x):
        return torch.nn.functional.one_hot(x[:, 0, 0, 0].long(), 4).float()


def test_accuracy_is_the_share_that_is_right():
    pixels = np.arange(1003) % 4
    labels = pixels.copy()
    labels[::10] = (labels[::10] + 1) % 4  # 101 wrong answers
    images = np.broadcast_to(pixels.astype(np.uint8)[:, None, None], (1003, 2, 3))
    image_set = ImageSet(images, labels, tuple("abcd"), "us")
    as_they_are = Preprocessing(channels=1, height=2, width=3, low=0.0, high=255.0)
    model = FirstPixel().train()
    assert measure_accuracy(model, as_they_are, image_set) == 902 / 1003
    assert model.training


# --- The command --------------------------------------------------------------------------------


def test_verify_measures_every_network(capsys):
    assert main(["verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == list(WEIGHTS)
    for line, record in zip(lines, WEIGHTS.values(), strict=True):
        assert f"of 2000 test images right, recorded {record.accuracy:.2%}: ok" in line


def test_verify_notices_a_record_that_is_too_good(monkeypatch, capsys):
    monkeypatch.setitem(WEIGHTS, "lenet5", replace(WEIGHTS["lenet5"], accuracy=0.999))
    assert main(["verify", "lenet5"]) == 1
    assert "recorded 99.90%: DIFFERS" in capsys.readouterr().out


def test_verify_names_a_spoilt_file_and_goes_on_with_the_next(file, capsys):
    file.write_bytes(b"spoilt")
    assert main(["verify"]) == 2
    shown = capsys.readouterr()
    assert "copy.safetensors: cut or changed (6 bytes)" in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out.startswith("lenet_modern: ")


def test_verify_looks_in_a_folder(tmp_path, capsys):
    for suffix in (".json", ".safetensors"):
        shipped = WEIGHTS["lenet5"].file.with_suffix(suffix)
        (tmp_path / shipped.name).write_bytes(shipped.read_bytes())
    assert main(["verify", "lenet5", "--folder", str(tmp_path)]) == 0
    (tmp_path / "lenet5.safetensors").write_bytes(b"spoilt")
    assert main(["verify", "lenet5", "--folder", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["verify", "lenet6"], "no weights for key 'lenet6'; known: lenet5, lenet_modern"),
        (["verify", "lenet5", "--folder", "/nowhere"], "/nowhere/lenet5.json"),
    ],
)
def test_a_bad_key_or_folder_is_one_line_and_status_2(capsys, arguments, message):
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == "" and shown.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [[], ["measure"], ["verify", "--colour"], ["verify", "--folder", "/nowhere"]]
)
def test_a_bad_command_is_one_line_and_status_2(capsys, arguments):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1
