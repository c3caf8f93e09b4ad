"""The engine in a browser, asked from Python: numbers go in and come out as base64."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from playwright.sync_api import Page
from safetensors.torch import save
from torch import Tensor, nn

from cnnlib.live import plan
from cnnlib.live.site import LIST, entry_of, with_plan, write_site

ASK = """async ([address, image, requests]) => {
    const engine = await import(new URL("live/engine.js", document.baseURI));
    const numbers = (text) =>
        new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
    const text = (numbers) => {
        const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
        let all = "";
        for (let i = 0; i < bytes.length; i += 8192) {
            all += String.fromCharCode(...bytes.subarray(i, i + 8192));
        }
        return btoa(all);
    };
    const packed = (answer) => Object.fromEntries(Object.entries(answer).map(([name, value]) => [
        name,
        value instanceof Float32Array ? text(value)
            : value && typeof value === "object" ? packed(value) : value,
    ]));
    const network = await engine.openNetwork(address);
    const answers = [];
    for (const [method, options] of requests) {
        try {
            answers.push(packed(await network[method](numbers(image), options)));
        } catch (error) {
            answers.push({ code: error.code, message: error.message });
        }
    }
    network.close();
    return answers;
}"""


def text_of(numbers: Tensor) -> str:
    return base64.b64encode(numbers.numpy().astype("<f4").tobytes()).decode("ascii")


def numbers_of(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


def write_live(folder: Path, keys: tuple[str, ...] = ()) -> None:
    """A site's ``live`` folder with these networks, and a page."""
    write_site(folder / "live", keys)
    (folder / "index.html").write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">'
        "<title>Live</title></head><body></body></html>",
        encoding="utf-8",
    )


def add_network(folder: Path, key: str, module: nn.Module, shape: tuple[int, ...]) -> None:
    """Write any network beside those that are there, and list it."""
    found = plan(module, shape)
    tensors = {name: value.float().contiguous() for name, value in module.state_dict().items()}
    content = with_plan(save(tensors), found)
    (folder / "live" / f"{key}.safetensors").write_bytes(content)
    path = folder / "live" / LIST
    entries = json.loads(path.read_text()) | {key: entry_of(key, content, found)}
    path.write_text(json.dumps(entries))


def ask(page: Page, key: str, image: Tensor, *requests: tuple[str, dict[str, Any]]) -> list[dict]:
    """What the engine answers; Float32Arrays stay text, see :func:`numbers_of`."""
    return page.evaluate(ASK, [f"live/{key}.safetensors", text_of(image), [*requests]])


def apart(found: str, expected: Tensor) -> float:
    """The largest difference, in shares of the expected numbers' range."""
    expected = expected.detach().numpy().ravel()
    numbers = numbers_of(found)
    assert numbers.shape == expected.shape
    return float(np.abs(numbers - expected).max() / max(np.ptp(expected), 1e-12))


def outputs_of(module: nn.Module, image: Tensor) -> dict[str, Tensor]:
    """What every module gives when it runs first, by name; "" is the network."""
    kept: dict[str, Tensor] = {}

    def keep(name: str) -> Callable:
        def hook(
            part: nn.Module, args: tuple, out: Tensor
        ) -> None:  # what it gave would be passed on
            kept.setdefault(name, out.detach().clone())

        return hook

    hooks = [part.register_forward_hook(keep(name)) for name, part in module.named_modules()]
    with torch.no_grad():
        module(image)
    for hook in hooks:
        hook.remove()
    return kept
