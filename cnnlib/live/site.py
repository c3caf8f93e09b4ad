"""The files with which a page runs networks: one file a network, and a list of them.

A network's file is its weights as they ship, safetensors, with the plan in its heading.
"""

import hashlib
import json
import struct
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from safetensors import safe_open

from cnnlib.live.plan import plan
from cnnlib.weights import WEIGHTS, load_weights

FOLDER = Path(__file__).parent
LIST = "networks.json"


def describe(key: str) -> dict[str, Any]:
    """The plan of a network that ships, with its ``preprocessing`` and ``categories``."""
    record = WEIGHTS[key]
    how = record.preprocessing
    found = plan(load_weights(key), (1, how.channels, how.height, how.width))
    names = ("channel_order", "height", "width", "mean", "std", "fit", "resize")
    found["preprocessing"] = {name: getattr(how, name) for name in names}
    found["categories"] = list(record.categories)
    return found


def with_plan(weights: bytes, plan: dict[str, Any]) -> bytes:
    """A safetensors file's bytes with the plan in its heading; the tensors stay as they are."""
    length = int.from_bytes(weights[:8], "little")
    heading = json.loads(weights[8 : 8 + length])
    heading["__metadata__"] = {
        **heading.get("__metadata__", {}),
        "plan": json.dumps(plan, separators=(",", ":")),
    }
    text = json.dumps(heading, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + weights[8 + length :]


@cache
def network_file(key: str) -> bytes:
    """The file of a network that ships."""
    return with_plan(WEIGHTS[key].file.read_bytes(), describe(key))


def write_networks(folder: Path, keys: Iterable[str] = tuple(WEIGHTS)) -> None:
    """Write ``KEY.safetensors`` and ``networks.json``: key -> address, bytes, sha256, inputShape."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = {key: write_network(folder, key, network_file(key)) for key in keys}
    (folder / LIST).write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


def write_network(folder: Path, key: str, content: bytes) -> dict[str, Any]:
    """Write a network's file; returns its entry for ``networks.json``."""
    path = folder / f"{key}.safetensors"
    path.write_bytes(content)
    with safe_open(path, "numpy") as file:
        shape = json.loads(file.metadata()["plan"])["input"]
    return {
        "address": path.name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "inputShape": shape[1:],
    }
