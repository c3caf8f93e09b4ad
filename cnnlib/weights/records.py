"""What is known of each weight file, and how to get the network out of it."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from cnnlib.data.checksum import hash_file, read_checked
from cnnlib.models import NETWORKS, build_network
from cnnlib.weights.preprocessing import Preprocessing


@dataclass(frozen=True)
class WeightFile:
    """One trained network: its file, and how it was made and measured.

    ``accuracy`` and ``top5`` are the shares, 0 to 1, of the ``tested_on`` test images of
    ``dataset`` whose right category got the highest score or one of the five highest. They are
    ``None`` where nobody measured. ``recipe`` is what the network was trained with, ``deviation``
    why that is not everyone's, ``made_with`` the versions; ``log`` has one entry an epoch.
    ``source`` and ``licence`` say where weights come from that are not ours; ``note`` says what
    else one should know.

    All of it lies as JSON beside the weights; :meth:`save` writes both files, :meth:`read` reads
    the JSON.

    Raises ``ValueError`` for a share outside 0 to 1 and for a share of no stated number of images.
    """

    key: str
    file: Path
    sha256: str
    preprocessing: Preprocessing
    categories: tuple[str, ...]
    dataset: str
    accuracy: float | None = None
    recipe: dict = field(default_factory=dict)
    log: tuple[dict, ...] = ()
    top5: float | None = None
    tested_on: int | None = None
    made_with: dict | None = None
    deviation: str | None = None
    source: str | None = None
    licence: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        for name in ("accuracy", "top5"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise ValueError(f"{name}={share}: expected a share from 0 to 1")
            if share is not None and not self.tested_on:
                raise ValueError(
                    f"tested_on={self.tested_on}: expected what {name} was measured on"
                )

    @property
    def path(self) -> Path:
        """Where the JSON lies: beside the weights."""
        return self.file.with_suffix(".json")

    @classmethod
    def save(
        cls, folder: str | Path, key: str, tensors: Mapping[str, Tensor], **facts: Any
    ) -> "WeightFile":
        """Write ``KEY.safetensors``, then ``KEY.json``: a record names weights that are there.

        ``facts`` are the other fields of the record. Each file is whole or not there.
        """
        content = safetensors.torch.save(dict(tensors))
        file = Path(folder) / f"{key}.safetensors"
        record = cls(key=key, file=file, sha256=hash_file(content), **facts)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, content)
        write_whole(record.path, record.to_json().encode())
        return cls.read(record.path)

    @classmethod
    def read(cls, path: str | Path) -> "WeightFile":
        """The record in a JSON file that :meth:`save` wrote.

        Raises ``FileNotFoundError`` if there is none, ``ValueError`` if it is not such a record.
        """
        path = Path(path)
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            if Path(entries["file"]).name != entries["file"]:
                raise ValueError(f"file={entries['file']!r}: expected a name beside this file")
            found = {name: entries[name] for name in _ALWAYS}
            found |= {name: entries.get(name) for name in _SOMETIMES}
            found["file"] = path.parent / entries["file"]
            found["preprocessing"] = Preprocessing(**entries["preprocessing"])
            found["categories"] = tuple(entries["categories"])
            found["log"] = tuple(entries["log"])
            return cls(**found)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: no record of a weight file: {error!r}") from error

    def to_json(self) -> str:
        """The text of the JSON file; of the facts that few files have, those that there are."""
        entries = {name: getattr(self, name) for name in (*_ALWAYS, *_SOMETIMES)}
        entries |= {"file": self.file.name, "preprocessing": asdict(self.preprocessing)}
        kept = {n: e for n, e in entries.items() if n in _ALWAYS or e is not None}
        return json.dumps(kept, indent=1) + "\n"


# The entries of the JSON, in their order: those that every record has, and the others.
_ALWAYS = (
    "key", "file", "sha256", "accuracy", "dataset", "categories", "preprocessing", "recipe", "log",
)  # fmt: skip
_SOMETIMES = ("top5", "tested_on", "made_with", "deviation", "source", "licence", "note")


class Records(Mapping[str, WeightFile]):
    """The records in a folder, ``KEY.json`` each, by key in the order of ``NETWORKS``.

    A record is read when it is asked for, and then kept. So one that is damaged spoils no other.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._read: dict[str, WeightFile] = {}

    def path(self, key: str) -> Path:
        """Where the record of ``key`` is or would be."""
        return self.folder / f"{key}.json"

    def __iter__(self) -> Iterator[str]:
        return (key for key in NETWORKS if self.path(key).is_file())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, key: str) -> WeightFile:
        if key not in NETWORKS or not self.path(key).is_file():
            raise KeyError(key)
        if key not in self._read:
            record = WeightFile.read(self.path(key))
            if record.key != key:
                raise ValueError(
                    f"{self.path(key)}: the record of another network: "
                    f"expected key {key!r}, found {record.key!r}"
                )
            self._read[key] = record
        return self._read[key]

    def __contains__(self, key: object) -> bool:
        return key in NETWORKS and self.path(key).is_file()


WEIGHTS = Records(Path(__file__).parent)


def find_record(key: str, folder: str | Path | None = None) -> WeightFile:
    """The record of ``key``: the shipped one, or the one in ``folder``.

    Raises ``ValueError`` for a key without weights and for a damaged record, and
    ``FileNotFoundError`` for a network that has no record in ``folder``.
    """
    records = WEIGHTS if folder is None else Records(folder)
    if key not in records:
        if folder is not None and key in NETWORKS:
            raise FileNotFoundError(f"{records.path(key)}: missing; expected the record of {key!r}")
        raise ValueError(f"no weights for key {key!r}; known: {', '.join(records) or 'none'}")
    return records[key]


def load_weights(key: str, folder: str | Path | None = None) -> nn.Module:
    """The trained network ``key``, ready to use: float32, in eval mode, on the CPU.

    The shipped weights, or with ``folder`` those that you trained into it. Put
    :func:`preprocess` before it: a network is only as good as its input is right.

    Raises ``ValueError`` for an unknown key, for a file that is cut or changed (its SHA-256 is
    not the recorded one), and for one that holds another network's weights;
    ``FileNotFoundError`` for a file that is missing.
    """
    record = find_record(key, folder)
    if not record.file.is_file():
        raise FileNotFoundError(
            f"{record.file}: missing; expected the weights of {key!r} with SHA-256 {record.sha256}"
        )
    content = read_checked(record.file, record.sha256)
    try:
        tensors = safetensors.torch.load(content)
    except SafetensorError as error:
        raise ValueError(f"{record.file}: no safetensors file: {error}") from error
    model = build_network(record.key, len(record.categories))
    check_tensors(record.file, key, model.state_dict(), tensors)
    model.load_state_dict(tensors)  # float16 becomes the network's float32
    return model.eval()


def check_tensors(
    source: object, key: str, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> None:
    """Raise ``ValueError`` at the first tensor that is missing, too much or of another shape."""
    whose = f"{source}: not the weights of {key!r}"
    for name, tensor in expected.items():
        if name not in found:
            raise ValueError(f"{whose}: tensor {name!r} is missing")
        if found[name].shape != tensor.shape:
            raise ValueError(
                f"{whose}: tensor {name!r}: expected shape {tuple(tensor.shape)}, "
                f"found {tuple(found[name].shape)}"
            )
    for name in found:
        if name not in expected:
            raise ValueError(f"{whose}: tensor {name!r} is too much")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name first, so that it is never there in part."""
    draft = path.with_name(path.name + ".draft")
    draft.write_bytes(content)
    os.replace(draft, path)


def preprocess(
    which: str | WeightFile | Preprocessing, images: np.ndarray | list[np.ndarray]
) -> Tensor:
    """Turn images into the input of a network: float32, (N, C, height, width).

    ``which`` is a key of ``WEIGHTS``, a record, or a :class:`Preprocessing`. ``images`` is uint8,
    (N, H, W) for grey or (N, H, W, 3) for RGB, or a list of images of any sizes, (H, W) or
    (H, W, 3) each. For a single image pass ``[image]``.

    Raises ``ValueError`` for an unknown key, another type or number of axes, the wrong number of
    channels, and images too large for the network's canvas or too small for its crop.
    """
    if isinstance(which, str):
        which = find_record(which)
    if isinstance(which, WeightFile):
        which = which.preprocessing
    return which.apply(images)
