"""Trained weights that ship, each with what it takes to use it and to trust it.

``WEIGHTS`` maps a key of ``MODELS`` to its :class:`WeightFile`. All that a record says lies in
``KEY.json`` beside ``KEY.safetensors``; ``python -m cnnlib.train KEY`` writes the pair, and
``python -m cnnlib.weights verify`` measures the accuracy anew.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from cnnlib.data import ImageSet
from cnnlib.models import MODELS
from cnnlib.weights.torchvision import from_torchvision, load_torchvision

FOLDER = Path(__file__).parent

__all__ = [
    "WEIGHTS",
    "Preprocessing",
    "WeightFile",
    "from_torchvision",
    "load_torchvision",
    "load_weights",
    "measure_accuracy",
    "preprocess",
    "read_record",
]


@dataclass(frozen=True)
class Preprocessing:
    """How uint8 images become a network's input.

    An image smaller than ``height`` x ``width`` is set in the middle of a canvas of that size,
    filled with 0. Then 0 becomes ``low`` and 255 becomes ``high``, in a straight line.
    """

    channels: int
    height: int
    width: int
    low: float
    high: float


@dataclass(frozen=True)
class WeightFile:
    """One trained network: its file, and how it was made and measured.

    ``accuracy`` is the share of ``dataset``'s test split that it gets right; ``recipe`` is what it
    was trained with; ``log`` has one entry an epoch.
    """

    key: str
    file: Path
    sha256: str
    preprocessing: Preprocessing
    categories: tuple[str, ...]
    dataset: str
    accuracy: float
    recipe: dict
    log: tuple[dict, ...]


def read_record(path: str | Path) -> WeightFile:
    """The record in a JSON file that ``cnnlib.train`` wrote.

    Raises ``FileNotFoundError`` if there is none, ``ValueError`` if it is not such a record.
    """
    path = Path(path)
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return WeightFile(
            key=entries["key"],
            file=path.parent / entries["file"],
            sha256=entries["sha256"],
            preprocessing=Preprocessing(**entries["preprocessing"]),
            categories=tuple(entries["categories"]),
            dataset=entries["dataset"],
            accuracy=entries["accuracy"],
            recipe=entries["recipe"],
            log=tuple(entries["log"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: no record of a weight file: {error!r}") from error


WEIGHTS: dict[str, WeightFile] = {
    key: read_record(FOLDER / f"{key}.json") for key in MODELS if (FOLDER / f"{key}.json").exists()
}


def load_weights(key: str, folder: str | Path | None = None) -> nn.Module:
    """The trained network ``key``, ready to use: in eval mode, on the CPU.

    The shipped weights, or with ``folder`` those that you trained into it. Put
    :func:`preprocess` before it: a network is only as good as its input is right.

    Raises ``ValueError`` for an unknown key and for a file that is cut or changed (its SHA-256 is
    not the recorded one), ``FileNotFoundError`` for a file that is missing.
    """
    record = find_record(key, folder)
    if not record.file.is_file():
        raise FileNotFoundError(
            f"{record.file}: missing; expected the weights of {key!r} with SHA-256 {record.sha256}"
        )
    content = record.file.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != record.sha256:
        raise ValueError(
            f"{record.file}: cut or changed ({len(content)} bytes): "
            f"expected SHA-256 {record.sha256}, found {found}"
        )
    model = MODELS[key]()
    model.load_state_dict(safetensors.torch.load(content))
    return model.eval()


def find_record(key: str, folder: str | Path | None = None) -> WeightFile:
    """The record of ``key``: the shipped one, or the one in ``folder``."""
    if folder is not None and key in MODELS:
        return read_record(Path(folder) / f"{key}.json")
    if key not in WEIGHTS:
        raise ValueError(f"no weights for key {key!r}; known: {', '.join(WEIGHTS) or 'none'}")
    return WEIGHTS[key]


def preprocess(which: "str | WeightFile | Preprocessing", images: np.ndarray) -> Tensor:
    """Turn images into the input of a network: float32, (N, C, height, width).

    ``which`` is a key of ``WEIGHTS``, a record, or a :class:`Preprocessing`. ``images`` is uint8,
    (N, H, W) for grey or (N, H, W, C) for colour. For a single image pass ``image[None]``.

    Raises ``ValueError`` for an unknown key, another type or number of axes, the wrong number of
    channels, or images larger than the network's canvas.
    """
    if isinstance(which, str):
        which = find_record(which)
    if isinstance(which, WeightFile):
        which = which.preprocessing
    pixels = np.array(images)
    if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4):
        raise ValueError(
            f"images: expected uint8 of shape (N, H, W) or (N, H, W, C), "
            f"found {pixels.dtype} of shape {pixels.shape}"
        )
    if pixels.ndim == 3:
        pixels = pixels[..., None]  # (N, H, W, 1)
    count, height, width, channels = pixels.shape
    if channels != which.channels or height > which.height or width > which.width:
        raise ValueError(
            f"images: expected {which.channels} channels and at most {which.height}x{which.width} "
            f"pixels, found {channels} channels and {height}x{width}"
        )
    canvas = torch.zeros(count, channels, which.height, which.width)
    top, left = (which.height - height) // 2, (which.width - width) // 2
    canvas[:, :, top : top + height, left : left + width] = torch.from_numpy(pixels).movedim(3, 1)
    return which.low + (which.high - which.low) / 255 * canvas


@torch.no_grad()
def measure_accuracy(
    model: nn.Module, which: "str | WeightFile | Preprocessing", image_set: ImageSet
) -> float:
    """The share of ``image_set`` for which the largest score is the right one's, from 0 to 1."""
    was_training = model.training
    model.eval()
    correct = 0
    for start in range(0, len(image_set), 500):
        stop = start + 500
        scores = model(preprocess(which, image_set.images[start:stop]))
        correct += int((scores.argmax(dim=1).numpy() == image_set.labels[start:stop]).sum())
    model.train(was_training)
    return correct / len(image_set)
