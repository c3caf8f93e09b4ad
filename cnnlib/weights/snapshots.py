"""Weights from the middle of a training, which ship to show how a network came to be what it is.

``KEY-training.safetensors`` holds some layers of network ``KEY`` after some epochs, float16;
``KEY-training.json`` beside it says which, and the file's SHA-256. Its tensors are called
``EPOCH.NAME``, as ``5.conv1.weight``. Epoch 0 is the start. :func:`write_snapshots` makes both from
the files that ``python -m cnnlib.train KEY --snapshots 0,1,2,...`` left.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from cnnlib.data.checksum import hash_file, read_checked
from cnnlib.models import build_network
from cnnlib.weights.records import WEIGHTS, find_record, write_whole

# What ships: the whole stack of convolutions at epochs of the paper's Fig. 4, and the first layer
# at all that were kept.
STACK_AT = (1, 2, 5, 10, 20)
KEPT = {"conv1": None, **{f"conv{number}": STACK_AT for number in range(2, 6)}}


@dataclass(frozen=True)
class SnapshotFile:
    """A file of snapshots: ``epochs`` maps each epoch to the layers that are kept of it, and
    ``weights`` is the SHA-256 of the weight file that the same training ended with.

    :meth:`read` reads the JSON beside the file, :meth:`save` writes both.
    """

    key: str
    file: Path
    sha256: str
    weights: str
    epochs: dict[int, tuple[str, ...]]

    @classmethod
    def save(
        cls,
        folder: Path,
        key: str,
        weights: str,
        snapshots: Mapping[int, Mapping[str, Tensor]],
    ) -> "SnapshotFile":
        """Write both files into ``folder``; ``snapshots`` maps an epoch to its named tensors."""
        content = safetensors.torch.save(
            {
                f"{epoch}.{name}": tensor.contiguous()
                for epoch, tensors in snapshots.items()
                for name, tensor in tensors.items()
            }
        )
        epochs = {
            epoch: tuple(dict.fromkeys(name.rpartition(".")[0] for name in tensors))
            for epoch, tensors in snapshots.items()
        }
        record = cls(
            key, folder / f"{key}-training.safetensors", hash_file(content), weights, epochs
        )
        write_whole(record.file, content)
        entries = {
            "key": key,
            "file": record.file.name,
            "sha256": record.sha256,
            "weights": weights,
            "epochs": {str(epoch): list(layers) for epoch, layers in epochs.items()},
        }
        text = json.dumps(entries, indent=1) + "\n"
        write_whole(record.file.with_suffix(".json"), text.encode())
        return cls.read(record.file.with_suffix(".json"))

    @classmethod
    def read(cls, path: str | Path) -> "SnapshotFile":
        """The record in a JSON file that :meth:`save` wrote.

        Raises ``FileNotFoundError`` if there is none, ``ValueError`` if it is not such a record.
        """
        path = Path(path)
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            epochs = {int(epoch): tuple(layers) for epoch, layers in entries["epochs"].items()}
            if Path(entries["file"]).name != entries["file"]:
                raise ValueError(f"file={entries['file']!r}: expected a name beside this file")
            file = path.parent / entries["file"]
            return cls(entries["key"], file, entries["sha256"], entries["weights"], epochs)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: no record of snapshots: {error!r}") from error


def load_snapshots(key: str, folder: str | Path | None = None) -> dict[int, dict[str, Tensor]]:
    """The snapshots of network ``key``'s training: {epoch: {name: tensor}}, float32.

    The shipped ones, or those in ``folder``. A network as it was after epoch 5, as far as it was
    kept::

        net = load_weights(key)
        net.load_state_dict(load_snapshots(key)[5], strict=False)

    Raises ``ValueError`` for a key without snapshots, for a file that is cut or changed, and for
    one that holds other tensors than its record says; ``FileNotFoundError`` for a missing file.
    """
    path = Path(folder or WEIGHTS.folder) / f"{key}-training.json"
    if not path.is_file():
        raise ValueError(f"{path}: missing; no snapshots for key {key!r}")
    record = SnapshotFile.read(path)
    if record.key != key:
        raise ValueError(f"{path}: expected key {key!r}, found {record.key!r}")
    try:
        tensors = safetensors.torch.load(read_checked(record.file, record.sha256))
    except SafetensorError as error:
        raise ValueError(f"{record.file}: no safetensors file: {error}") from error
    shapes = build_network(key, len(find_record(key, folder).categories)).state_dict()
    found: dict[int, dict[str, Tensor]] = {epoch: {} for epoch in record.epochs}
    for epoch, layers in record.epochs.items():
        for name in (name for name in shapes if name.rpartition(".")[0] in layers):
            tensor = tensors.pop(f"{epoch}.{name}", None)
            if tensor is None or tensor.shape != shapes[name].shape:
                shape = "none" if tensor is None else tuple(tensor.shape)
                raise ValueError(
                    f"{record.file}: epoch {epoch}, {name!r}: "
                    f"expected shape {tuple(shapes[name].shape)}, found {shape}"
                )
            found[epoch][name] = tensor.float()
    if tensors:
        raise ValueError(f"{record.file}: tensor {min(tensors)!r} is too much")
    return found


def write_snapshots(
    key: str,
    source: str | Path,
    output: str | Path,
    layers: Mapping[str, Sequence[int] | None] = KEPT,
) -> SnapshotFile:
    """Keep layers of some epochs of a training, from the ``KEY-epoch-NNN.safetensors`` in
    ``source``; its weight file's record has to lie in ``output``.

    ``layers`` maps a layer's name to the epochs that are kept of it, None to all that there are.
    Raises ``FileNotFoundError`` where files are missing, ``ValueError`` for an unknown layer.
    """
    source, output = Path(source), Path(output)
    files = {
        int(file.stem.rpartition("-")[2]): file
        for file in sorted(source.glob(f"{key}-epoch-*.safetensors"))
    }
    if not files:
        raise FileNotFoundError(f"{source}: no {key}-epoch-NNN.safetensors")
    kept: dict[int, dict[str, Tensor]] = {}
    for epoch, file in files.items():
        wanted = [n for n, epochs in layers.items() if epochs is None or epoch in epochs]
        tensors = safetensors.torch.load_file(file)
        for layer in wanted:
            own = {n: t for n, t in tensors.items() if n.rpartition(".")[0] == layer}
            if not own:
                raise ValueError(f"layers={layer!r}: expected a layer with weights in {file}")
            kept.setdefault(epoch, {}).update(own)
    for layer, epochs in layers.items():
        for epoch in epochs or ():
            if epoch not in files:
                raise FileNotFoundError(f"{source}: epoch {epoch} of {layer}: missing")
    return SnapshotFile.save(output, key, find_record(key, output).sha256, kept)
