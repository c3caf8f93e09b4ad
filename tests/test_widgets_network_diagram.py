"""The network diagram's Python side: what travels to the page, and what is refused."""

import json

import pytest
from torch import nn
from traitlets import TraitError

from cnnlib.layout import WORDS
from cnnlib.models import MODELS
from cnnlib.models.resnet import Bottleneck
from cnnlib.trace import source_lines, trace
from cnnlib.widgets.network_diagram import NetworkDiagram
from cnnlib.widgets.words import Words


def resnet() -> NetworkDiagram:
    net = MODELS["resnet50"]()
    return NetworkDiagram(trace(net, (1, 3, 224, 224)), source_lines(net))


def make() -> NetworkDiagram:
    """Blocks, repeats, a card with its code open."""
    net = MODELS["resnet18"]()
    return NetworkDiagram(trace(net, (1, 3, 64, 64)), source_lines(net), card=3)


def card(widget: NetworkDiagram, name: str, level: str = "blocks") -> dict:
    [found] = [card for card in widget.fixed["sheets"][level]["cards"] if card["name"] == name]
    return found


def test_a_blocks_card_has_the_sums_of_its_layers_and_the_code_of_its_class():
    widget = resnet()
    block = card(widget, "conv3_x.conv3_2")
    assert block["kind"] == "Bottleneck" and block["times"] == 3
    assert block["in"] == [512, 28, 28] and block["out"] == [512, 28, 28]
    # 1x1 512->128, 3x3 128->128, 1x1 128->512, each with a batch norm of two numbers a channel.
    weights = 512 * 128 + 9 * 128 * 128 + 128 * 512
    assert block["parameters"] == weights + 2 * (128 + 128 + 512)
    assert block["macs"] == weights * 28 * 28
    source = widget.fixed["sources"][block["source"]]
    assert source["file"] == "cnnlib/models/resnet.py"
    assert source["text"].startswith("class Bottleneck(nn.Module):")
    assert source["last"] - source["first"] == source["text"].count("\n")
    assert Bottleneck.__name__ == block["kind"]


def test_a_layers_card_says_how_it_was_made():
    layer = card(resnet(), "conv2_x.conv2_1.conv2", "layers")
    assert layer["made"].startswith("Conv2d(64, 64, kernel_size=(3, 3)")
    assert layer["folded"] == ["BatchNorm2d", "ReLU"]


def test_a_network_without_blocks_has_one_level():
    widget = NetworkDiagram(trace(nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU()), (1, 2, 9, 7)))
    assert list(widget.fixed["sheets"]) == ["layers"] and widget.level == "layers"
    assert widget.fixed["sources"] == []


@pytest.mark.parametrize("key", ["resnet152", "inception_v4", "googlenet"])
def test_what_travels_to_the_page_is_json_and_light(key):
    net = MODELS[key]()
    side = 299 if key == "inception_v4" else 224
    widget = NetworkDiagram(trace(net, (1, 3, side, side)), source_lines(net))
    assert len(json.dumps(widget.page_state(), allow_nan=False)) < 150_000
    assert "<svg" in widget.still_picture() and "Diagram of a network" in widget.text_alternative()


def test_another_level_begins_with_no_card_chosen():
    widget = resnet()
    widget.card = 5
    widget.level = "layers"
    assert widget.card == -1
    widget.choose(level="blocks", card=3)
    assert (widget.level, widget.card) == ("blocks", 3)
    widget.card = 4
    assert widget.level == "blocks"


def test_the_still_picture_shows_the_level_that_is_chosen():
    widget = resnet()
    for level in ("blocks", "layers"):
        widget.level = level
        cards = widget.fixed["sheets"][level]["cards"]
        assert widget.still_picture().count("<rect") >= len(cards)
        for line in cards[-1]["lines"]:
            assert f">{line}<" in widget.still_picture()


def test_the_cards_words_stand_in_the_table(monkeypatch):
    english = NetworkDiagram.words_in("en")
    for key, text in WORDS.items():
        assert english(f"card.{key}") == text  # as matplotlib draws them
    theirs = Words({key: text.upper() for key, text in english.table.items()})
    monkeypatch.setattr(NetworkDiagram, "words_in", lambda self, language: theirs)
    rows = trace(nn.Sequential(nn.Conv2d(2, 3, 3), nn.MaxPool2d(2)), (1, 2, 9, 7))
    cards = [card["lines"] for card in NetworkDiagram(rows).fixed["sheets"]["layers"]["cards"]]
    assert cards[0][0] == "INPUT" and cards[1][1] == "CONV 3×3"
    assert cards[2][1] == "MAX POOL 2×2 /2" and cards[2][-1] == "FIELD 4"


def test_what_is_not_there_is_refused():
    rows = trace(nn.Sequential(nn.Conv2d(2, 3, 3)), (1, 2, 9, 7))
    with pytest.raises(ValueError, match="rows is empty"):
        NetworkDiagram([])
    with pytest.raises(ValueError, match="level='blocks': expected one of layers"):
        NetworkDiagram(rows, level="blocks")
    with pytest.raises(ValueError, match="card=2: expected a whole number from −1 to 1"):
        NetworkDiagram(rows, card=2)
    widget = NetworkDiagram(rows)
    with pytest.raises(TraitError, match="level='blocks'"):
        widget.level = "blocks"
    with pytest.raises(ValueError, match="card=9"):
        widget.card = 9
    assert widget.level == "layers" and widget.card == -1
