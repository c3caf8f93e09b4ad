"""Snapshots of a training: what ships is the training's own, and a damaged file is refused."""

import json
import shutil

import pytest
import safetensors.torch
import torch

from cnnlib.models import build_network
from cnnlib.weights import WEIGHTS, load_snapshots, load_weights
from cnnlib.weights.__main__ import main
from cnnlib.weights.snapshots import KEPT, STACK_AT, SnapshotFile, write_snapshots

KEY = "imagenette_zfnet"
FILE = WEIGHTS.folder / f"{KEY}-training.safetensors"


# --- What ships -----------------------------------------------------------------------------------


def test_shipped_snapshots_have_the_first_layer_of_all_and_the_stack_of_some():
    found = load_snapshots(KEY)
    epochs = (0, 1, 2, 3, 5, 7, 10, 14, 20, 28, 38, 50)
    assert tuple(found) == epochs and set(STACK_AT) < set(epochs)
    shapes = {n: t.shape for n, t in build_network(KEY, 10).state_dict().items()}
    for epoch, tensors in found.items():
        layers = range(1, 6) if epoch in STACK_AT else [1]
        names = {f"conv{n}.{part}" for n in layers for part in ("weight", "bias")}
        assert set(tensors) == names
        assert all(t.shape == shapes[n] and t.dtype == torch.float32 for n, t in tensors.items())


def test_shipped_snapshots_begin_at_the_seeds_start_and_end_at_the_weights():
    found, last = load_snapshots(KEY), load_weights(KEY).state_dict()
    torch.manual_seed(1000 * WEIGHTS[KEY].recipe["seed"])
    start = build_network(KEY, 10).state_dict()
    epochs = WEIGHTS[KEY].recipe["epochs"]
    for name in ("conv1.weight", "conv1.bias"):
        assert found[0][name].equal(start[name].half().float())
        assert found[epochs][name].equal(last[name])
    assert SnapshotFile.read(FILE.with_suffix(".json")).weights == WEIGHTS[KEY].sha256
    network = load_weights(KEY)
    network.load_state_dict(found[5], strict=False)
    assert network.conv3.weight.equal(found[5]["conv3.weight"])


def test_shipped_snapshots_are_at_most_ten_megabytes():
    assert FILE.stat().st_size < 10_000_000


# --- Written, read, damaged -----------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """The shipped record of the weights, snapshots of three epochs, and what is kept of them."""
    shutil.copy(WEIGHTS.path(KEY), tmp_path)
    for epoch in (0, 1, 2):
        torch.manual_seed(epoch)
        tensors = {n: t.half() for n, t in build_network(KEY, 10).state_dict().items()}
        safetensors.torch.save_file(tensors, tmp_path / f"{KEY}-epoch-{epoch:03}.safetensors")
    write_snapshots(KEY, tmp_path, tmp_path, {"conv1": None, "conv2": (1,)})
    return tmp_path


def test_written_snapshots_are_read_back(folder):
    found = load_snapshots(KEY, folder)
    assert {epoch: len(tensors) for epoch, tensors in found.items()} == {0: 2, 1: 4, 2: 2}
    torch.manual_seed(1)
    network = build_network(KEY, 10)
    assert found[1]["conv2.weight"].equal(network.conv2.weight.detach().half().float())


def test_command_says_which_epochs_are_missing(folder, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["snapshots", KEY, str(folder), "--output", str(folder)])
    assert f"{folder}: epoch 5 of conv2: missing" in capsys.readouterr().err
    for epoch in STACK_AT:
        first = folder / f"{KEY}-epoch-000.safetensors"
        shutil.copy(first, folder / f"{KEY}-epoch-{epoch:03}.safetensors")
    assert main(["snapshots", KEY, str(folder), "--output", str(folder)]) == 0
    assert set(load_snapshots(KEY, folder)) == {0, *STACK_AT}
    assert KEPT["conv1"] is None and KEPT["conv5"] == STACK_AT


@pytest.mark.parametrize("layers", [{"conv9": None}, {"relu1": (1,)}])
def test_layer_without_weights_is_refused(folder, layers):
    with pytest.raises(ValueError, match="expected a layer with weights"):
        write_snapshots(KEY, folder, folder, layers)


def test_folder_without_snapshots_and_unknown_keys_are_refused(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no small_zfnet-epoch-NNN.safetensors"):
        write_snapshots("small_zfnet", folder, folder)
    with pytest.raises(ValueError, match="no snapshots for key 'lenet5'"):
        load_snapshots("lenet5")


def test_cut_file_is_refused(folder):
    file = folder / FILE.name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"training.safetensors: cut or changed"):
        load_snapshots(KEY, folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "imagenette_alexnet"}, "found 'imagenette_alexnet'"),
        (
            {"epochs": {"0": ["conv1"], "1": ["conv1"], "2": ["conv1"]}},
            "'1.conv2.bias' is too much",
        ),
        ({"epochs": {"7": ["conv1"]}}, r"epoch 7, 'conv1.weight': .*found none"),
        ({"epochs": None}, "no record of snapshots"),
        ({"file": "../away.safetensors"}, "expected a name beside this file"),
    ],
)
def test_record_that_says_something_else_is_refused(folder, changes, message):
    path = folder / f"{KEY}-training.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match=message):
        load_snapshots(KEY, folder)


def test_other_shapes_are_refused(folder):
    path = folder / f"{KEY}-training.json"
    wrong = {0: {"conv1.weight": torch.zeros(48, 3, 5, 5), "conv1.bias": torch.zeros(48)}}
    SnapshotFile.save(folder, KEY, json.loads(path.read_text())["weights"], wrong)
    with pytest.raises(ValueError, match=r"expected shape \(48, 3, 7, 7\), found \(48, 3, 5, 5\)"):
        load_snapshots(KEY, folder)
