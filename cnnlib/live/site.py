"""The files with which a page runs networks: one file a network, a list of them, the engine, and
the digits to train on.

A network's file is its weights as they ship, safetensors, with the plan in its heading. The plans
of the networks that ship lie in ``plans/``, so that a page's build need not export them.
"""

import base64
import gzip
import hashlib
import json
import re
import struct
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from cnnlib.weights import WEIGHTS
from cnnlib.widgets.bundle import bundle_script, reached_from

PLANS = Path(__file__).with_name("plans")
WIDGETS = Path(__file__).parents[1] / "widgets"
FIGURES = Path(__file__).with_name("figures.json")
LIST = "networks.json"
# What a page need not load: comments, how far lines are moved in, and blanks beside signs, the
# second group. Texts between quotes, the first group, stay as they are.
_SPARE = re.compile(
    r'("(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)'
    r"|^[ \t]*//.*\n|^[ \t]+|[ \t]*// .*|[ \t]*([=,{}();?:*&|<>]+)[ \t]*",
    re.MULTILINE,
)
WORKER = "cnnEngine"  # the global that the worker's script sets; nobody reads it


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


def shipped_plan(key: str) -> dict[str, Any]:
    """The plan of a network that ships. Raises ``ValueError`` for another key."""
    if key not in WEIGHTS:
        raise ValueError(f"key={key!r}: expected one of {', '.join(WEIGHTS)}")
    return json.loads((PLANS / f"{key}.json").read_text(encoding="utf-8"))


@cache
def network_file(key: str) -> bytes:
    """The file of a network that ships. Raises ``ValueError`` for another key."""
    return with_plan(WEIGHTS[key].file.read_bytes(), shipped_plan(key))


def entry_of(key: str, content: bytes, plan: dict[str, Any]) -> dict[str, Any]:
    """A network's entry in ``networks.json``; ``inputShape`` is (C, H, W)."""
    return {
        "address": f"{key}.safetensors",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "inputShape": plan["input"][1:],
    }


def shipped_entry(key: str) -> dict[str, Any]:
    return entry_of(key, network_file(key), shipped_plan(key))


def digits_content() -> tuple[bytes, int, int]:
    """The digits that ship, to train on in a page: a label a byte, then 28x28 bytes an image.

    The training digits come first; the two numbers say how many there are, and how many held out.
    """
    from cnnlib.data import load_digits

    parts = [load_digits(split) for split in ("train", "test")]
    labels = b"".join(part.labels.astype("u1").tobytes() for part in parts)
    images = b"".join(part.images.tobytes() for part in parts)
    return labels + images, len(parts[0]), len(parts[1])


@cache
def digits_file() -> bytes:
    """``digits.gz``: :func:`digits_content`, packed."""
    return gzip.compress(digits_content()[0], mtime=0)


@cache
def digits_entry() -> dict[str, Any]:
    """What a page knows of ``digits.gz``; the hash is that of the content, unpacked."""
    content, train, test = digits_content()
    found = {"bytes": len(digits_file()), "sha256": hashlib.sha256(content).hexdigest()}
    return found | {"train": train, "test": test}


def engine_modules() -> list[str]:
    """The names of the engine's own files in ``widgets/live``: not those that widgets use it by."""
    names = reached_from(WIDGETS, ["live/engine", "live/worker"])
    return sorted(name.removeprefix("live/") for name in names)


def worker_script() -> str:
    """The engine's worker as one classic script, for where modules cannot be loaded."""
    return bundle_script(WIDGETS, ["live/worker"], WORKER)


def packed(module: str) -> str:
    """A module of the engine without what a page need not load: comments and most blanks."""
    return _SPARE.sub(lambda found: found[1] or found[2] or "", module)


def write_site(folder: Path, keys: Iterable[str] = tuple(WEIGHTS)) -> None:
    """Write all that pages need into ``folder``: the engine, the networks, and their list.

    Beside each network, and for the engine, there is a script for a page that is opened from disk,
    which may load nothing else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in engine_modules():
        text = packed((WIDGETS / "live" / name).read_text(encoding="utf-8"))
        (folder / name).write_text(text, encoding="utf-8")
    entries = {key: shipped_entry(key) for key in keys}
    for key, entry in entries.items():
        path = folder / entry["address"]
        path.write_bytes(network_file(key))
        content = {"entry": entry, "file": base64.b64encode(network_file(key)).decode("ascii")}
        script = f"(globalThis.cnnNetworks ??= {{}})[{json.dumps(key)}] = {json.dumps(content)};\n"
        path.with_name(f"{path.name}.js").write_text(script, encoding="utf-8")
    (folder / "digits.gz").write_bytes(digits_file())
    digits = json.dumps(base64.b64encode(digits_file()).decode("ascii"))
    script = f"(globalThis.cnnData ??= {{}}).digits = {digits};\n"
    (folder / "digits.gz.js").write_text(script, encoding="utf-8")
    (folder / LIST).write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    script = f"globalThis.cnnWorker = {json.dumps(worker_script())};\n"
    (folder / "from_disk.js").write_text(script, encoding="utf-8")


def read_figures() -> dict[str, Any]:
    """What ``python -m tests.bench_live --keep`` measured last, on the machine that it names.

    ``networks``: key -> ``ready``, ``median`` and ``late`` (19 of 20 runs take no longer),
    ``torch`` and ``back`` in milliseconds, ``kilobytes``. ``engine``: bytes, packed.

    ``onnxruntime``: SqueezeNet by onnxruntime-web, ``theirs``, and by the engine, ``ours``, in one
    run of ``python -m tests.bench_onnxruntime --keep``; its ``version`` and packed ``bytes``.
    """
    return json.loads(FIGURES.read_text(encoding="utf-8"))
