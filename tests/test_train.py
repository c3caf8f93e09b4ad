"""The training recipe: its formulas by hand, and runs of a few seconds on a few digits."""

import hashlib
import json
import math
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from cnnlib.data import DATASETS, ImageSet, imagenette, load_digits
from cnnlib.models import INSIDE, NETWORKS, SMALL, build_network
from cnnlib.train import (
    DEVIATIONS,
    RECIPES,
    Augmentation,
    Recipe,
    Run,
    augment,
    compute_loss,
    map_criterion,
    processes,
    schedule_rate,
    train,
)
from cnnlib.train import run as running
from cnnlib.train.__main__ import main
from cnnlib.weights import Preprocessing, load_weights, measure

digit_recipes = pytest.mark.parametrize("key", ["lenet5", "lenet_modern"])
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def few(monkeypatch):
    """An image set of 200 digits to train on and 100 to test on, under the name "few"."""

    def load(split):
        return load_digits(split).first({"train": 200, "test": 100}[split])

    monkeypatch.setitem(DATASETS, "few", load)


def short(key: str, **changes) -> Recipe:
    return replace(RECIPES[key], **{"dataset": "few", "epochs": 2, **changes})


def test_recipes_are_for_networks_in_order_of_history():
    assert list(RECIPES) == [key for key in NETWORKS if key in RECIPES]
    assert {"lenet5", "lenet_modern", *SMALL, *INSIDE} == set(RECIPES)


def test_a_recipe_departs_from_its_set_s_only_where_the_table_says_so():
    for common, keys in (
        ("lenet_modern", ["lenet5"]),
        ("small_lenet", SMALL),
        ("imagenette_zfnet", INSIDE),
    ):
        for key in keys:
            changes = DEVIATIONS[key].changes if key in DEVIATIONS else {}
            assert RECIPES[key] == replace(RECIPES[common], **changes), key
    assert all(len(deviation.reason.split()) > 4 for deviation in DEVIATIONS.values())


def test_networks_to_look_into_learn_from_photographs_larger_than_their_input():
    """Room for moving them; and any photograph is scaled to the size that they learnt from."""
    for key in INSIDE:
        sizes = RECIPES[key].preprocessing
        assert (sizes.height, sizes.width, sizes.resize) == (128, 128, imagenette.SIDE)
        assert RECIPES[key].augmentation.shift and RECIPES[key].augmentation.mirror


# --- The loss of LeNet-5 ------------------------------------------------------------------------


def test_map_criterion_is_equation_9():
    generator = torch.Generator().manual_seed(1)
    penalties = 5 * torch.rand(3, 4, dtype=torch.float64, generator=generator)
    labels, j = [2, 0, 2], 1.5
    total = 0.0
    for row, label in zip(penalties.tolist(), labels, strict=True):
        total += row[label] + math.log(math.exp(-j) + sum(math.exp(-y) for y in row))
    loss = map_criterion(-penalties, torch.tensor(labels), rubbish_penalty=j)
    assert loss.item() == pytest.approx(total / 3)


def test_map_criterion_pulls_the_right_class_and_pushes_the_near_wrong_one():
    penalties = torch.tensor([[3.0, 2.0, 400.0]], requires_grad=True)
    map_criterion(-penalties, torch.tensor([0]), rubbish_penalty=10.0).backward()
    right, near, far = penalties.grad[0].tolist()
    assert right > 0  # a step downhill makes this penalty smaller
    assert near < 0  # and this one larger
    assert far == 0  # nobody pushes what is far beyond j


def test_map_criterion_stops_pushing_beyond_the_rubbish_penalty():
    def push(j):
        penalties = torch.tensor([[0.0, 30.0]], requires_grad=True)
        map_criterion(-penalties, torch.tensor([0]), rubbish_penalty=j).backward()
        return -penalties.grad[0, 1].item()

    assert push(j=1.0) < push(j=100.0)


def test_map_criterion_is_never_negative_and_zero_at_best():
    at_the_code = torch.tensor([[0.0, -500.0]])
    assert map_criterion(at_the_code, torch.tensor([0]), 100.0).item() == pytest.approx(0)
    scores = -50 * torch.rand(200, 4, generator=torch.Generator().manual_seed(1))
    for row in scores:
        assert map_criterion(row[None], torch.tensor([1]), rubbish_penalty=3.0) >= 0


# --- Distortions --------------------------------------------------------------------------------


def spot(height: int, width: int, right: float, down: float) -> torch.Tensor:
    """An image with one soft spot, so far right of and below its centre; (1, 1, H, W)."""
    y = torch.arange(height, dtype=torch.float32)[:, None] - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float32)[None] - (width - 1) / 2
    return torch.exp(-((x - right) ** 2 + (y - down) ** 2) / 8)[None, None]


def where(image: torch.Tensor) -> tuple[float, float]:
    """The centre of mass, as far right of and below the image's centre."""
    height, width = image.shape[-2:]
    weight = image[0, 0] / image.sum()
    y = torch.arange(height, dtype=torch.float32) - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float32) - (width - 1) / 2
    return (weight.sum(dim=0) @ x).item(), (weight.sum(dim=1) @ y).item()


@pytest.mark.parametrize(
    "by, expected",
    [
        (Augmentation(), (8, 4)),
        (Augmentation(degrees=90), (-4, 8)),
        (Augmentation(scale=0.5), (12, 6)),
        (Augmentation(squeeze=0.25), (10, 3)),
        (Augmentation(shear=0.5), (6, 4)),
        (Augmentation(squeeze=0.25, shear=0.5), (7.5, 3)),
        (Augmentation(degrees=90, squeeze=0.25), (-5, 6)),
        (Augmentation(degrees=90, shear=0.5), (-8, 8)),
        (Augmentation(shift=3), (11, 7)),
    ],
)
def test_each_distortion_moves_a_spot_as_geometry_says(monkeypatch, by, expected):
    """With every random number at its largest. The image is wider than high."""
    monkeypatch.setattr(torch, "rand", lambda *size, generator: torch.ones(*size))
    moved = augment(spot(45, 61, right=8, down=4), by)
    assert moved.shape == (1, 1, 45, 61)
    assert where(moved) == pytest.approx(expected, abs=0.1)


def test_no_distortion_changes_nothing():
    images = torch.rand(3, 2, 7, 9, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(augment(images, Augmentation()), images)


def test_a_whole_pixel_shift_moves_pixels(monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda *size, generator: torch.ones(*size))
    image = torch.arange(5 * 7, dtype=torch.float32).view(1, 1, 5, 7)
    shifted = augment(image, Augmentation(shift=2))
    torch.testing.assert_close(shifted[..., 2:, 2:], image[..., :-2, :-2])
    torch.testing.assert_close(shifted[..., 0, 2:], image[..., 0, :-2])  # the border is repeated


def test_what_comes_out_in_a_smaller_shape_is_the_middle_of_the_distorted_image():
    images = torch.rand(3, 2, 15, 21, generator=torch.Generator().manual_seed(1))
    by = Augmentation(degrees=30, scale=0.3, squeeze=0.2, shear=0.2, shift=4, mirror=True)
    whole, middle = (
        augment(images, by, torch.Generator().manual_seed(2), shape) for shape in (None, (9, 13))
    )
    assert middle.shape == (3, 2, 9, 13)
    torch.testing.assert_close(middle, whole[:, :, 3:12, 4:17])


def test_each_image_is_distorted_by_amounts_of_its_own():
    torch.manual_seed(1)
    by = Augmentation(degrees=10, scale=0.1, squeeze=0.1, shear=0.2, shift=2)
    images = spot(21, 31, right=4, down=2).repeat(40, 1, 1, 1)
    places = [where(image[None]) for image in augment(images, by)]
    assert len(set(places)) == 40
    right, down = np.transpose(places)
    assert right.min() < 4 < right.max() and down.min() < 2 < down.max()


def test_mirroring_turns_about_half_of_the_images_and_nothing_else():
    images = spot(21, 31, right=6, down=2).repeat(200, 1, 1, 1)
    turned = augment(images, Augmentation(mirror=True), torch.Generator().manual_seed(1))
    back = torch.stack([image.flip(2) if where(image[None])[0] < 0 else image for image in turned])
    torch.testing.assert_close(back, images)
    assert 70 < sum(where(image[None])[0] < 0 for image in turned) < 130


def test_a_mirrored_image_is_turned_and_shifted_as_geometry_says(monkeypatch):
    """With every random number at its smallest: moved left and up by 3, then turned."""
    monkeypatch.setattr(torch, "rand", lambda *size, generator: torch.zeros(*size))
    moved = augment(spot(45, 61, right=8, down=4), Augmentation(mirror=True, shift=3))
    assert where(moved) == pytest.approx((-5, 1), abs=0.1)


def test_colours_change_as_the_docstring_says(monkeypatch):
    images = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(torch, "rand", lambda *size, generator: torch.ones(*size))
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    grey = images.mean(dim=1, keepdim=True)
    for by, expected in (
        (Augmentation(brightness=0.3), images + 0.3),
        (Augmentation(contrast=0.2), mean + 1.2 * (images - mean)),
        (Augmentation(saturation=0.4), grey + 1.4 * (images - grey)),
    ):
        torch.testing.assert_close(augment(images, by), expected)


def test_the_same_generator_gives_the_same_distortions():
    by, images = RECIPES["small_zfnet"].augmentation, torch.rand(4, 3, 8, 10)
    first, again = (augment(images, by, torch.Generator().manual_seed(3)) for _ in range(2))
    torch.testing.assert_close(first, again)
    assert not torch.equal(augment(images, by, torch.Generator().manual_seed(4)), first)


# --- The loss of a network with auxiliary heads -------------------------------------------------


def test_the_heads_losses_count_as_much_as_the_recipe_says():
    scores = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(1))  # three classifiers
    labels = torch.tensor([0, 4, 2, 2])
    recipe = replace(RECIPES["lenet_modern"], auxiliary_weight=0.3)
    main_, first, second = (nn.functional.cross_entropy(each, labels) for each in scores)
    assert compute_loss(tuple(scores), labels, recipe) == pytest.approx(
        main_ + 0.3 * (first + second)
    )
    assert compute_loss(scores[0], labels, recipe) == pytest.approx(main_)


def test_smoothed_labels_give_each_wrong_class_its_share():
    scores, labels = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([1])
    logs = scores.log_softmax(dim=1)[0]
    expected = -(0.7 * logs[1] + 0.1 * logs.sum())
    recipe = replace(RECIPES["lenet_modern"], label_smoothing=0.3)
    assert compute_loss(scores, labels, recipe) == pytest.approx(expected.item())


# --- Learning rate ----------------------------------------------------------------


def test_learning_rate_rises_in_a_line_and_falls_along_a_cosine():
    recipe = replace(RECIPES["lenet_modern"], learning_rate=0.8, warm_up=0.25)
    rates = [schedule_rate(recipe, step, 16) for step in range(16)]
    assert rates[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert rates[9] == pytest.approx(0.4)
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert rates[15] == pytest.approx(0)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"optimiser": "lbfgs"}, "optimiser='lbfgs': expected 'adamw' or 'sgd'"),
        ({"epochs": 0}, "epochs=0: expected 1 or more"),
        ({"batch_size": -1}, "batch_size=-1: expected 1 or more"),
        ({"seed": -2}, "seed=-2: expected 0 or more"),
    ],
)
def test_an_impossible_recipe_is_an_error_that_names_the_value(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(RECIPES["lenet5"], **changes)


# --- Runs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key, epochs, optimiser, rate",
    [
        ("lenet5", 9, "adamw", 4e-3),
        ("lenet_modern", 6, "adamw", 4e-3),
        ("lenet_modern", 6, "sgd", 5e-2),
    ],
)
def test_a_short_training_beats_guessing_by_far(few, tmp_path, key, epochs, optimiser, rate):
    recipe = short(key, epochs=epochs, optimiser=optimiser, learning_rate=rate)
    record = train(key, replace(recipe, batch_size=10, augmentation=None), tmp_path)
    assert record.log[-1]["loss"] < 0.7 * record.log[0]["loss"]
    assert record.accuracy > 0.5


@digit_recipes
def test_the_same_seed_gives_the_same_weights(few, tmp_path, key):
    hashes = [
        train(key, short(key, seed=seed), tmp_path / name).sha256
        for name, seed in (("first", 4), ("again", 4), ("other", 5))
    ]
    assert hashes[0] == hashes[1] != hashes[2]


class Stop(Exception):
    pass


def stop_after(epochs: int, monkeypatch, error: type[BaseException]) -> None:
    """Let a run end with ``error`` when so many epochs are done."""
    epoch = Run.epoch

    def stopping(run, bar):
        if len(run.log) == epochs:
            raise error
        epoch(run, bar)

    monkeypatch.setattr(Run, "epoch", stopping)


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_a_resumed_run_gives_the_weights_of_an_unbroken_one(few, tmp_path, monkeypatch, optimiser):
    recipe = short("lenet5", epochs=3, optimiser=optimiser)
    unbroken = train("lenet5", recipe, tmp_path / "unbroken")
    with monkeypatch.context() as patch:
        stop_after(2, patch, Stop)
        with pytest.raises(Stop):
            train("lenet5", recipe, tmp_path / "broken")
    assert [p.name for p in (tmp_path / "broken").iterdir()] == ["lenet5.checkpoint"]
    resumed = train("lenet5", recipe, tmp_path / "broken", resume=True)
    assert resumed.sha256 == unbroken.sha256
    assert [entry["epoch"] for entry in resumed.log] == [1, 2, 3]


def test_a_run_does_not_resume_with_another_recipe(few, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_after(1, patch, Stop)
        with pytest.raises(Stop):
            train("lenet5", short("lenet5"), tmp_path)
    with pytest.raises(ValueError, match="lenet5.checkpoint: made with recipe"):
        train("lenet5", short("lenet5", seed=9), tmp_path, resume=True)


def test_a_damaged_checkpoint_is_an_error_that_names_it(few, tmp_path):
    (tmp_path / "lenet5.checkpoint").write_bytes(b"no safetensors")
    with pytest.raises(ValueError, match="lenet5.checkpoint: no checkpoint of a training run"):
        train("lenet5", short("lenet5"), tmp_path, resume=True)


@digit_recipes
def test_the_record_says_what_was_done_and_measured(few, tmp_path, key):
    recipe = short(key, seed=7)
    record = train(key, recipe, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{key}.json", f"{key}.safetensors"]
    assert record.file == tmp_path / f"{key}.safetensors"
    assert record.sha256 == hashlib.sha256(record.file.read_bytes()).hexdigest()
    assert record.recipe["seed"] == 7 and record.recipe["epochs"] == 2
    assert record.preprocessing == recipe.preprocessing
    assert record.categories == tuple("0123456789")
    assert [entry["epoch"] for entry in record.log] == [1, 2]
    model = load_weights(key, tmp_path)
    assert {1: record.accuracy} == measure(model, record, DATASETS["few"]("test"), k=(1,))
    assert record.accuracy == record.log[-1]["test_accuracy"]
    assert (record.tested_on, record.top5) == (100, None)
    assert record.made_with["torch"] == torch.__version__


def test_the_last_epoch_is_kept_not_the_best(few, tmp_path, monkeypatch):
    """The accuracy on the test digits is written down, never chosen by."""
    kept, epoch = [], Run.epoch

    def remember(run, bar):
        epoch(run, bar)
        run.log[-1]["test_accuracy"] = [0.9, 0.3][len(run.log) - 1]
        kept.append({name: tensor.clone() for name, tensor in run.model.state_dict().items()})

    monkeypatch.setattr(Run, "epoch", remember)
    record = train("lenet_modern", short("lenet_modern"), tmp_path)
    written = safetensors.torch.load_file(record.file)
    assert all(torch.equal(tensor, kept[1][name]) for name, tensor in written.items())
    assert not all(torch.equal(tensor, kept[0][name]) for name, tensor in written.items())


def test_weights_in_the_way_stay_unless_forced(few, tmp_path):
    first = train("lenet_modern", short("lenet_modern"), tmp_path)
    content = first.file.read_bytes()
    with pytest.raises(FileExistsError, match="lenet_modern.safetensors: exists; --force"):
        train("lenet_modern", short("lenet_modern", seed=8), tmp_path)
    assert first.file.read_bytes() == content
    second = train("lenet_modern", short("lenet_modern", seed=8), tmp_path, force=True)
    assert second.sha256 != first.sha256
    assert load_weights("lenet_modern", tmp_path)


def test_a_write_that_fails_leaves_the_old_weights_whole(few, tmp_path, monkeypatch):
    first = train("lenet_modern", short("lenet_modern"), tmp_path)
    content = first.file.read_bytes()

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space left"):
        train("lenet_modern", short("lenet_modern", seed=8), tmp_path, force=True)
    assert first.file.read_bytes() == content
    assert load_weights("lenet_modern", tmp_path)


def test_a_loss_that_is_no_number_ends_the_run(few, tmp_path):
    recipe = short("lenet_modern", optimiser="sgd", learning_rate=1e12)
    with pytest.raises(FloatingPointError, match="the loss became (nan|inf) in epoch 1"):
        train("lenet_modern", recipe, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_images_of_any_shape_train(tmp_path, monkeypatch):
    """Nothing in the loop knows of squares: 28x28 digits on a wide canvas."""
    monkeypatch.setitem(
        NETWORKS, "wide", lambda: nn.Sequential(nn.Flatten(), nn.Linear(30 * 40, 10))
    )
    monkeypatch.setitem(DATASETS, "few", lambda split: load_digits(split).first(50))
    recipe = Recipe(
        Preprocessing("grey", height=30, width=40, mean=(0.0,), std=(255.0,)),
        dataset="few",
        epochs=1,
        augmentation=Augmentation(degrees=5, shift=1),
    )
    record = train("wide", recipe, tmp_path)
    shapes = {n: tuple(t.shape) for n, t in safetensors.torch.load_file(record.file).items()}
    assert shapes == {"1.weight": (10, 1200), "1.bias": (10,)}


def test_images_are_distorted_before_they_are_cropped(monkeypatch):
    """A photograph that is moved brings in its own pixels, not a repeated border."""
    ramp = (
        np.arange(40, dtype=np.uint8)[None, :, None] + np.arange(30, dtype=np.uint8)[:, None, None]
    )
    ramps = ImageSet(np.repeat(ramp[None], 4, axis=0), np.zeros(4, np.int64), ("ramp",), "made up")
    monkeypatch.setitem(DATASETS, "ramps", lambda split: ramps)
    monkeypatch.setattr(torch, "rand", lambda *size, generator: torch.ones(*size))
    for resize in (None, 30):
        recipe = Recipe(
            Preprocessing("grey", 20, 24, (0.0,), (1.0,), fit="crop", resize=resize),
            dataset="ramps",
            augmentation=Augmentation(shift=5),
        )
        run = Run("ramps", lambda classes: nn.Linear(1, 1), recipe)
        inputs, _ = run.inputs(torch.arange(4), torch.Generator())
        expected = torch.from_numpy(ramp[:20, 3:27, 0]).float()  # the middle begins at (5, 8)
        torch.testing.assert_close(inputs, expected.expand(4, 1, 20, 24))


def test_snapshots_keep_the_weights_of_their_epochs(few, tmp_path, monkeypatch):
    recipe = short("lenet_modern", epochs=3)
    kept, epoch = [], Run.epoch

    def remember(run, bar):
        if not kept:
            kept.append({n: t.half() for n, t in run.model.state_dict().items()})
        epoch(run, bar)
        kept.append({n: t.half() for n, t in run.model.state_dict().items()})

    monkeypatch.setattr(Run, "epoch", remember)
    train("lenet_modern", recipe, tmp_path, snapshots=(0, 2, 3, 9))
    names = [f"lenet_modern-epoch-00{number}.safetensors" for number in (0, 2, 3)]
    assert sorted(p.name for p in tmp_path.glob("*epoch*")) == names
    for name, number in zip(names, (0, 2, 3), strict=True):
        found = safetensors.torch.load_file(tmp_path / name)
        assert found.keys() == kept[number].keys()
        assert all(torch.equal(tensor, kept[number][n]) for n, tensor in found.items())


def test_a_resumed_run_keeps_no_second_start(few, tmp_path, monkeypatch):
    recipe = short("lenet_modern", epochs=2)
    with monkeypatch.context() as patch:
        stop_after(1, patch, Stop)
        with pytest.raises(Stop):
            train("lenet_modern", recipe, tmp_path, snapshots=(0, 1))
    start = tmp_path / "lenet_modern-epoch-000.safetensors"
    before = start.stat().st_mtime_ns
    train("lenet_modern", recipe, tmp_path, resume=True, snapshots=(0, 1))
    assert start.stat().st_mtime_ns == before


def coloured(split: str) -> ImageSet:
    """Forty 64x64 colour images, each one colour with noise; the colour is the class, of twelve."""
    chance = np.random.default_rng({"train": 1, "test": 2}[split])
    labels = np.arange(48) % 12
    colours = np.stack([labels * 20, 240 - labels * 20, labels % 3 * 100], axis=1)
    images = colours[:, None, None] + chance.integers(0, 16, (48, 64, 64, 3))
    names = tuple(f"colour {number}" for number in range(12))
    return ImageSet(images.astype(np.uint8), labels, names, "made up")


@pytest.fixture
def colours(monkeypatch):
    monkeypatch.setitem(DATASETS, "colours", coloured)
    return {"dataset": "colours", "epochs": 1, "batch_size": 16}


def test_weights_are_rounded_to_half_and_measured_so(colours, tmp_path):
    record = train("small_lenet", replace(RECIPES["small_lenet"], **colours), tmp_path)
    tensors = safetensors.torch.load_file(record.file)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    shares = measure(load_weights("small_lenet", tmp_path), record, coloured("test"), k=(1, 5))
    assert (record.accuracy, record.top5) == (shares[1], shares[5])
    assert record.tested_on == 48 and len(record.categories) == 12


def test_auxiliary_heads_are_trained_but_not_kept(colours, tmp_path, monkeypatch):
    built = []

    def remember(key, classes, **options):
        built.append(options)
        return build_network(key, classes, **options)

    monkeypatch.setattr("cnnlib.train.weight_files.build_network", remember)
    record = train("small_googlenet", replace(RECIPES["small_googlenet"], **colours), tmp_path)
    assert built == [{"aux": True}, {}]
    assert not [name for name in safetensors.torch.load_file(record.file) if "aux" in name]


def test_a_run_killed_at_any_moment_resumes_to_the_same_weights(tmp_path):
    """Killed three times, the first before there is a checkpoint."""
    command = [sys.executable, "-m", "cnnlib.train", "lenet_modern", "--limit", "600"]
    command += ["--epochs", "4", "--resume", "--output"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    broken = tmp_path / "broken"
    for epochs_done in (0, 1, 2):
        with subprocess.Popen([*command, str(broken)], stdout=subprocess.PIPE, text=True) as run:
            if epochs_done:
                assert run.stdout.readline().startswith("epoch")
            run.kill()
    subprocess.run([*command, str(broken)], check=True, capture_output=True)
    whole, resumed = (
        json.loads((folder / "lenet_modern.json").read_text())
        for folder in (tmp_path / "whole", broken)
    )
    assert resumed["sha256"] == whole["sha256"]
    assert [entry["epoch"] for entry in resumed["log"]] == [1, 2, 3, 4]


def test_a_run_killed_between_its_two_files_is_finished_by_resuming(few, tmp_path, monkeypatch):
    recipe = short("lenet_modern")
    with monkeypatch.context() as patch:
        patch.setattr("cnnlib.weights.WeightFile.to_json", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train("lenet_modern", recipe, tmp_path)
    assert (tmp_path / "lenet_modern.safetensors").exists()
    record = train("lenet_modern", recipe, tmp_path, resume=True)
    assert [p.suffix for p in sorted(tmp_path.iterdir())] == [".json", ".safetensors"]
    assert load_weights("lenet_modern", tmp_path)
    assert record.sha256 == train("lenet_modern", recipe, tmp_path / "unbroken").sha256


def test_two_processes_train_as_one_does(tmp_path):
    """The same images in the same order: only the order of the sums differs."""
    arguments = ["lenet_modern", "--limit", "640", "--epochs", "2", "--output"]
    alone = [sys.executable, "-m", "cnnlib.train", *arguments, str(tmp_path / "one")]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    together = [*launch, "-m", "cnnlib.train", *arguments, str(tmp_path / "two")]
    for command in (alone, together):
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch ") == 2, "only one process tells"
    one, two = (
        json.loads((tmp_path / name / "lenet_modern.json").read_text()) for name in ("one", "two")
    )
    assert (one["made_with"]["processes"], two["made_with"]["processes"]) == (1, 2)
    for first, second in zip(one["log"], two["log"], strict=True):
        assert second["loss"] == pytest.approx(first["loss"], rel=1e-3)
        assert second["train_accuracy"] == pytest.approx(first["train_accuracy"], abs=0.005)
    assert two["accuracy"] == pytest.approx(one["accuracy"], abs=0.01)


def test_a_batch_is_shared_out_whole():
    images = torch.arange(7)
    shares = [
        processes.Processes(rank, 3, torch.device("cpu")).share(images).tolist()
        for rank in range(3)
    ]
    assert sorted(sum(shares, [])) == list(range(7))
    assert [len(share) for share in shares] == [3, 2, 2]


@pytest.mark.parametrize("images, batches", [(64, [32, 32]), (66, [32, 32, 2]), (65, [32, 32])])
def test_a_last_batch_of_one_image_is_left_out(monkeypatch, images, batches):
    """Batch normalisation has nothing to compare it with."""
    monkeypatch.setitem(DATASETS, "few", lambda split: load_digits(split).first(images))
    sizes, step = [], Run.step

    def note(run, inputs, *rest):
        sizes.append(len(inputs))
        return step(run, inputs, *rest)

    monkeypatch.setattr(Run, "step", note)
    recipe = short("lenet_modern", batch_size=32)
    run = Run("few", lambda classes: build_network("lenet_modern", classes), recipe)
    run.epoch(running.tqdm(disable=True))
    assert sizes == batches


def test_training_works_where_there_is_no_glibc(monkeypatch):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(processes.ctypes, "CDLL", missing)
    processes.keep_freed_memory()


# --- The command --------------------------------------------------------------------------------


@pytest.fixture
def few_by_default(few, monkeypatch):
    for key in ("lenet5", "lenet_modern"):
        monkeypatch.setitem(RECIPES, key, short(key))


def test_the_command_trains_and_tells(few_by_default, tmp_path, capsys):
    folder = tmp_path / "new" / "folder"
    assert main(["lenet_modern", "--epochs", "3", "--limit", "50", "--output", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert not list(folder.glob("*epoch*"))
    assert [line[:11] for line in lines[:3]] == ["epoch   1/3", "epoch   2/3", "epoch   3/3"]
    record = json.loads((folder / "lenet_modern.json").read_text())
    assert record["recipe"]["limit"] == 50
    assert f"loss {record['log'][0]['loss']:.4f}" in lines[0]
    assert f"{record['accuracy']:.2%} of 100 test images right" in lines[3]
    assert record["sha256"] in lines[4]


def test_the_command_keeps_snapshots(few_by_default, tmp_path):
    arguments = ["lenet_modern", "--epochs", "1", "--limit", "50", "--snapshots", "0,1"]
    assert main([*arguments, "--output", str(tmp_path)]) == 0
    assert len(list(tmp_path.glob("lenet_modern-epoch-00?.safetensors"))) == 2


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["lenet6"], "unknown key 'lenet6'; known: " + ", ".join(RECIPES)),
        ([], "required: KEY"),
        (["lenet5", "--epochs", "many"], "--epochs: invalid int value: 'many'"),
        (["lenet5", "--epochs", "0"], "epochs=0: expected 1 or more"),
        (["lenet5", "--limit", "-3"], "limit=-3: expected 1 or more"),
        (["lenet5", "--seed", "-1"], "seed=-1: expected 0 or more"),
        (["lenet5", "--snapshots", "1,x"], "--snapshots: invalid epochs value: '1,x'"),
        (["lenet5", "--colour"], "unrecognized arguments: --colour"),
        (["lenet5", "--output", "FILE"], "FILE: not a folder"),
        (["lenet5", "--output", "FILE/below"], "FILE/below"),
        (["lenet5", "--dataset", "cats"], "unknown image set 'cats'; known: digits"),
        (["small_zfnet", "--data", "NOWHERE"], "NOWHERE"),
        (["lenet5", "--output", "STOPPED"], "lenet5.checkpoint: a run was stopped; --resume or"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    few_by_default, tmp_path, capsys, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    Path("FILE").touch()
    Path("STOPPED").mkdir()
    Path("STOPPED/lenet5.checkpoint").touch()
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("python -m cnnlib.train: ")
    assert message in shown.err
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    "epochs, said", [(0, "nothing to keep"), (1, "--resume goes on after the last epoch")]
)
def test_ctrl_c_ends_with_a_word_and_status_130(
    few_by_default, tmp_path, capsys, monkeypatch, epochs, said
):
    stop_after(epochs, monkeypatch, KeyboardInterrupt)
    assert main(["lenet5", "--output", str(tmp_path)]) == 130
    assert f"stopped: {said}" in capsys.readouterr().out


def test_a_real_ctrl_c_leaves_a_checkpoint_and_no_traceback(tmp_path):
    command = [sys.executable, "-m", "cnnlib.train", "lenet_modern", "--limit", "300"]
    command += ["--output", str(tmp_path), "--epochs"]
    first = subprocess.Popen(
        [*command, "1000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores Ctrl-C, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert first.stdout.readline().startswith("epoch   1/1000")
    first.send_signal(signal.SIGINT)
    out, err = first.communicate(timeout=60)
    assert first.returncode == 130
    assert "stopped: --resume goes on" in out
    assert "Traceback" not in err
    assert [p.name for p in tmp_path.iterdir()] == ["lenet_modern.checkpoint"]
