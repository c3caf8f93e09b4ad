"""A widget's state in the page's address: it comes back, and no link does harm."""

import json
import random
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Locator

from tests.browser.contract.choices import ODD

GO = """async (root, hash) => {
    if (location.hash !== hash) {
        const come = new Promise((done) => addEventListener("hashchange", done, { once: true }));
        location.hash = hash;
        await come;
    }
    await reader.frames();
    return { state: reader.state(root), notice: root.querySelector(".cnn-notice").textContent };
}"""


def name_of(widget: Locator) -> str:
    """The widget's name in links: its stem, and which of that stem on its page it is."""
    return widget.evaluate(
        """(root) => { const place = root.closest("[data-cnn-widget]");
            const stem = place.dataset.cnnWidget;
            const all = [...document.querySelectorAll(`[data-cnn-widget="${stem}"]`)];
            return `${stem}.${all.indexOf(place)}`; }"""
    )


def open_link(widget: Locator, hash: str) -> dict[str, Any]:
    """Open a link on the page as it stands: ``state`` and ``notice``."""
    return widget.evaluate(GO, hash)


def link_of(widget: Locator) -> str:
    """The link to the present state, from the share panel."""
    return widget.evaluate(
        """async (root) => {
            root.querySelector(".cnn-share").open = true;
            await new Promise((done) => setTimeout(done, 0)); // a details element tells it later
            await reader.frames();
            return new URL(root.querySelector(".cnn-link").value).hash;
        }"""
    )


def hostile_links(name: str, first: dict[str, Any], count: int = 12, seed: int = 1) -> list[str]:
    """Links that a stranger may have written, each with something that cannot be had."""
    dice = random.Random(seed)
    start = f"#cnn=1&widget={name}"
    # A choice that can be any text at all refuses hardly a link.
    any_choice = min(first, key=lambda choice: isinstance(first[choice], str))
    links = [
        f"#cnn=2&widget={name}",
        f"#cnn=&widget={name}&{any_choice}=",
        f"#cnn=1&widget={name[:-1]}99",
        "#cnn=1&widget=__proto__.0&constructor=1",
        "#cnn=1",
        f"{start}&hide=nonsense,__proto__,constructor",
        f"{start}&__proto__=1&constructor=2&toString=3&hasOwnProperty=4",
        f"{start}&{any_choice}=%zz%E0%A4%A&%=%&=1&&a",
        f"{start}&{'x' * 5000}={'y' * 5000}",
        f"{start}&{any_choice}={'[' * 9000}{']' * 9000}",
        f"{start}&{any_choice}={'9' * 30000}",
        start + "".join(f"&unknown{number}=1" for number in range(500)),
        f"{start}&<b>=<img%20src=x%20onerror=alert(1)>",
    ]
    for _ in range(count):
        values = {choice: dice.choice([*ODD, 10**400, "%", "1e999", "null"]) for choice in first}
        parts = (f"&{choice}={quote(json.dumps(value))}" for choice, value in values.items())
        links.append(start + "".join(parts) + "&nothing=1")
    return links
