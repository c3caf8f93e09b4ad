"""Units of networks in the page: values, ways back and saliency are those of Python."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from cnnlib.inside import attribute, deconvnet
from cnnlib.inside.layers import run_to
from cnnlib.trace import seen_by
from cnnlib.weights import WEIGHTS
from cnnlib.widgets.ask_units import NETWORKS, AskUnits, rows_of
from cnnlib.widgets.photo_networks import SIDE, input_of, network_of
from cnnlib.widgets.pixels import palette
from tests.browser.homes import page_from_disk, page_in_notebook
from tests.browser.model import choose, chosen
from tests.browser.test_ask_imagenet import at_rest, load_network
from tests.test_widgets_ask_imagenet import photographs
from tests.test_widgets_ask_units import make

KEY = "squeezenet1_1"


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


def image(key: str) -> torch.Tensor:
    return input_of(key, photographs()[0].pixels)


def module(key: str, layer: int) -> str:
    """The name of the module that gives a row's maps: a block for its own cat or add."""
    name = rows_of(key)[layer].name
    known = dict(network_of(key).named_modules())
    return name if name in known else name.rpartition(".")[0]


@torch.no_grad()
def maps(key: str, layer: int) -> np.ndarray:
    return run_to(network_of(key), module(key, layer), image(key))[0].numpy()


def value_is_torchs(page: Page, key: str, layer: int, channel: int, at: Sequence[int]) -> None:
    found = maps(key, layer)[(channel, *at)]
    value = f"{float(found):.2f}".rstrip("0").rstrip(".").replace("-", "−")
    value = "0" if value == "−0" else value
    expect(page.locator(".ask-words")).to_contain_text(f"value {value}.")


def units(key: str) -> list[tuple[int, int, list[int], str]]:
    """A unit of an early, a middle and the last layer with maps, each with a rule."""
    rows = rows_of(key)
    last = max(i for i, row in enumerate(rows) if row.map_shape != (1, 1))
    known = dict(network_of(key).named_modules())
    layers = [i for i in range(last + 1) if rows[i].name in known]
    found = []
    for part, rule in ((0, "gradient"), (len(layers) // 2, "deconvnet"), (-1, "guided")):
        layer = layers[part]
        _, channels, height, width = rows[layer].out_shape
        found.append((layer, channels // 3, [height // 2, width // 3], rule))
    return found


@pytest.mark.parametrize("key", NETWORKS)
def test_maps_value_and_way_back_are_those_of_python(show, key):
    page = show(AskUnits(photographs()[:2], network=key))
    expect(page.locator(".ask-words")).to_contain_text("Load the network for its value")
    load_network(page)
    order = WEIGHTS[key].preprocessing.channel_order
    side = image(key).shape[-1]
    for layer, channel, position, rule in units(key):
        choose(page, layer=layer, channel=channel, position=position, rule=rule)
        at_rest(page)
        found = maps(key, layer)
        value_is_torchs(page, key, layer, channel, position)
        own = palette(signed=True)[
            np.rint(127 * found[channel] / np.abs(found).max()).astype(int) + 128
        ]
        assert np.abs(canvas(page, "The chosen map").astype(int) - own).max() <= 12
        name = module(key, layer)
        way = deconvnet(network_of(key), image(key), name, channel, position, rule=rule)[0].numpy()
        way = way[::-1] if order == "BGR" else way
        silent = expect(page.locator(".ask-words"))
        (silent.to_contain_text if not way.any() else silent.not_to_contain_text)("nothing back")
        expected = 128 + 127 * way / (np.abs(way).max() or 1)
        drawn = canvas(page, "way back").transpose(2, 0, 1)
        assert drawn.shape == (3, side, side)
        assert np.abs(drawn - expected).max() <= 1, (name, rule)


@pytest.mark.parametrize(
    ("key", "target"), [(KEY, -1), (KEY, 107), ("imagenette_zfnet", 4), ("small_resnet18", -1)]
)
def test_the_three_maps_of_a_class_are_those_of_attribute(show, key, target):
    page = show(AskUnits(photographs()[:2], network=key))
    load_network(page)
    layer = units(key)[-1][0]
    choose(page, layer=layer, target=target)
    at_rest(page)
    net, given = network_of(key), image(key)
    with torch.no_grad():
        number = int(net(given)[0].argmax()) if target < 0 else target
    first = ", the network’s first answer" if target < 0 else ""
    told = f"Three maps of the class “{WEIGHTS[key].categories[number]}”{first}:"
    expect(page.get_by_text(told, exact=True)).to_be_visible()
    for title, method, where in [
        ("Gradient of the class", "saliency", None),
        ("Guided", "guided_backprop", None),
        ("Grad-CAM", "grad_cam", module(key, layer)),
    ]:
        heat = attribute(net, given, number, method, where)[0].abs().amax(0).numpy()
        colours = palette(signed=False)[np.rint(255 * heat / (heat.max() or 1)).astype(int)]
        away = np.abs(canvas(page, title).astype(int) - colours).max(2)
        assert away.max() <= 12, (title, away.max())  # half of a level may be rounded up or down


def test_another_network_is_another_one_to_load_with_its_own_size_and_classes(show):
    page = show(make())
    load_network(page)
    value_is_torchs(page, KEY, 32, 5, (6, 7))
    page.get_by_label("Network", exact=True).select_option("imagenette_zfnet")
    at_rest(page)
    expect(page.locator(".ask-words")).to_contain_text("Load the network for its value")
    expect(page.locator(".live-start button")).to_contain_text("Load the network (3594 kB)")
    expect(page.get_by_label("Class to watch").locator("option")).to_have_count(11)
    load_network(page)
    layer, channel, position, _ = units("imagenette_zfnet")[1]
    choose(page, layer=layer, channel=channel, position=position)
    at_rest(page)
    value_is_torchs(page, "imagenette_zfnet", layer, channel, position)
    window = page.locator(".cnn-frame-line")
    seen = seen_by(rows_of("imagenette_zfnet"), layer, position)[-1]
    assert float(window.get_attribute("y")) == seen[0].start
    assert float(window.get_attribute("width")) == len(seen[1])
    assert window.locator("..").get_attribute("viewBox") == "0 0 128 128"
    assert canvas(page, "The picture, and").shape == (128, 128, 3)


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
    seen = seen_by(rows_of(KEY), 32, (9, 2))[-1]
    assert float(window.get_attribute("y")) == seen[0].start
    assert float(window.get_attribute("width")) == len(seen[1])
    assert canvas(page, "The picture, and").shape == (SIDE, SIDE, 3)


# --- Its other homes ------------------------------------------------------------------------------


def test_it_runs_from_disk(new_page, tmp_path):
    page = page_from_disk(new_page(), tmp_path / "site", make())
    load_network(page)
    choose(page, layer=32, channel=5, position=[6, 7])
    at_rest(page)
    value_is_torchs(page, KEY, 32, 5, (6, 7))


def test_in_a_notebook_python_sends_the_file(new_page, serve, tmp_path):
    page = new_page()
    widget = make()
    wanted = page_in_notebook(page, tmp_path / "notebook", serve, widget)
    load_network(page)
    value_is_torchs(page, widget.network, widget.layer, widget.channel, widget.position)
    assert wanted == [KEY]
