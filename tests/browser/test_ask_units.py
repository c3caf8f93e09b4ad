"""Units of SqueezeNet in the page: values, ways back and saliency are those of Python."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from cnnlib.inside import attribute, deconvnet
from cnnlib.inside.layers import run_to
from cnnlib.trace import seen_by
from cnnlib.widgets.ask import SIDE
from cnnlib.widgets.pixels import palette
from tests.browser.homes import page_from_disk, page_in_notebook
from tests.browser.model import choose, chosen
from tests.browser.test_ask_imagenet import at_rest, load_network
from tests.test_widgets_ask_imagenet import network, network_input, photographs, scores
from tests.test_widgets_ask_units import make, rows


def canvas(page: Page, title: str) -> np.ndarray:
    """The colours of a panel's canvas, (H, W, 3)."""
    data, height, width = (
        page.locator("figure")
        .filter(has_text=title)
        .locator("canvas")
        .evaluate(
            """(c) => { const copy = document.createElement("canvas");
        [copy.width, copy.height] = [c.width, c.height];
        const pen = copy.getContext("2d", { willReadFrequently: true });
        pen.drawImage(c, 0, 0);
        return [[...pen.getImageData(0, 0, c.width, c.height).data], c.height, c.width]; }"""
        )
    )
    return np.array(data).reshape(height, width, 4)[..., :3]


def image() -> torch.Tensor:
    return network_input(photographs()[0].pixels)


def module(layer: int) -> str:
    """The name of the module that gives a row's maps: a Fire module for its own cat."""
    return rows()[layer].name.removesuffix(".cat")


@torch.no_grad()
def maps(layer: int) -> np.ndarray:
    return run_to(network(), module(layer), image())[0].numpy()


def value_is_torchs(page: Page, layer: int, channel: int, position: Sequence[int]) -> None:
    found = maps(layer)[(channel, *position)]
    value = f"{float(found):.2f}".rstrip("0").rstrip(".").replace("-", "−")
    expect(page.locator(".ask-words")).to_contain_text(f"value {value}.")


def test_maps_value_and_way_back_are_those_of_python(show):
    page = show(make())
    expect(page.locator(".ask-words")).to_contain_text("Load the network for its value")
    load_network(page)
    for layer, channel, position, rule in [
        (32, 5, (6, 7), "deconvnet"),
        (0, 11, (50, 60), "gradient"),
        (60, 300, (3, 4), "guided"),
    ]:
        choose(page, layer=layer, channel=channel, position=list(position), rule=rule)
        at_rest(page)
        found = maps(layer)
        value_is_torchs(page, layer, channel, position)
        own = palette(signed=True)[
            np.rint(127 * found[channel] / np.abs(found).max()).astype(int) + 128
        ]
        assert np.abs(canvas(page, "The chosen map").astype(int) - own).max() <= 12
        name = module(layer)
        way = deconvnet(network(), image(), name, channel, position, rule=rule)[0].flip(0).numpy()
        expected = 128 + 127 * way / (np.abs(way).max() or 1)
        drawn = canvas(page, "way back").transpose(2, 0, 1)
        assert np.abs(drawn - expected).max() <= 1, (name, rule)


@pytest.mark.parametrize("target", [-1, 107])
def test_the_three_maps_of_a_class_are_those_of_attribute(show, target):
    page = show(make())
    load_network(page)
    choose(page, layer=60, target=target)
    at_rest(page)
    number = int(scores(photographs()[0].pixels).argmax()) if target < 0 else target
    for title, method, layer in [
        ("Gradient of the class", "saliency", None),
        ("Guided", "guided_backprop", None),
        ("Grad-CAM", "grad_cam", module(60)),
    ]:
        heat = attribute(network(), image(), number, method, layer)[0].abs().amax(0).numpy()
        colours = palette(signed=False)[np.rint(255 * heat / (heat.max() or 1)).astype(int)]
        away = np.abs(canvas(page, title).astype(int) - colours).max(2)
        assert away.max() <= 12, (title, away.max())  # half of a level may be rounded up or down


def test_units_are_reached_by_keys_and_by_pointing(show):
    page = show(make())
    one = page.get_by_role("application", name="The chosen map")
    one.focus()
    for key in ("ArrowDown", "ArrowRight", "Home"):
        page.keyboard.press(key)
    assert chosen(page, "position") == {"position": [7, 0]}
    page.get_by_role("application", name="All maps").focus()
    page.keyboard.press("ArrowDown")
    assert chosen(page, "channel") == {"channel": 5 + 16}
    box = one.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 2.5 / 14, box["y"] + box["height"] * 9.5 / 14)
    assert chosen(page, "position") == {"position": [9, 2]}
    window = page.locator(".cnn-frame-line")
    seen = seen_by(rows(), 32, (9, 2))[-1]
    assert float(window.get_attribute("y")) == seen[0].start
    assert float(window.get_attribute("width")) == len(seen[1])
    assert canvas(page, "The picture, and").shape == (SIDE, SIDE, 3)


# --- Its other homes ------------------------------------------------------------------------------


def test_it_runs_from_disk(new_page, tmp_path):
    page = page_from_disk(new_page(), tmp_path / "site", make())
    load_network(page)
    choose(page, layer=32, channel=5, position=[6, 7])
    at_rest(page)
    value_is_torchs(page, 32, 5, (6, 7))


def test_in_a_notebook_python_sends_the_file(new_page, serve, tmp_path):
    page = new_page()
    widget = make()
    wanted = page_in_notebook(page, tmp_path / "notebook", serve, widget)
    load_network(page)
    value_is_torchs(page, widget.layer, widget.channel, widget.position)
    assert wanted == ["squeezenet1_1"]
