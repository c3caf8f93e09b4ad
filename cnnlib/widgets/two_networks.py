"""Two networks that run in the page are asked about the same picture: what each says, at what cost.

The pictures are the gallery's. What a network gets is the same square of a picture, in the
network's own size and colours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from cnnlib.widgets import svg, two_networks_sums
from cnnlib.widgets.live_widget import LiveWidget
from cnnlib.widgets.photo_networks import (
    TITLES,
    classes_of,
    network_facts,
    shares_of_pixels,
)
from cnnlib.widgets.pictures import photo_address
from cnnlib.widgets.settling import Settled
from cnnlib.widgets.widget import Choice
from cnnlib.widgets.words import fixed_point

BEST = 5

# Of the gallery's photographs, those whose title or description names one of ImageNet's classes,
# with the class. It was written before any network was asked. The others show no class, or more
# than one, or one that may be disputed.
SHOWN = {
    "chelsea": "tabby",
    "panda": "giant panda",
    "koala": "koala",
    "polar_bear": "ice bear",
    "bison": "bison",
    "jaguars": "jaguar",
    "lemurs": "Madagascar cat",  # the ring-tailed lemur, Lemur catta
    "macaw": "macaw",
    "komodo_dragon": "Komodo dragon",
    "hens": "hen",
    "german_shepherd": "German shepherd",
    "goldfish": "goldfish",
    "clownfish": "anemone fish",
    "espresso": "espresso",
    "fig": "fig",
    "baseball": "baseball",
    "bucket": "bucket",
    "paintbrushes": "paintbrush",
    "clock": "wall clock",
    "castle": "castle",
    "stupa": "stupa",
}

FIRST = {
    "first": "squeezenet1_1",
    "second": "small_resnet18",
    "photograph": 0,
    "faster": "none",
    "surer": "none",
}


class TwoNetworks(LiveWidget, stem="two_networks", shared=("live",)):
    """One picture, two networks on the reader's own machine: answers, sureness, time, cost.

    What it teaches: a larger or a surer network need not be the right one; a network can give no
    name that it has not learned, and is sure all the same; a time belongs to a machine.

    ``networks``: keys of ``TITLES``, two or more; all of them without it. What can be set and
    observed: ``first`` and ``second``, two of these that differ; ``photograph``, a number of the
    gallery; the reader's guesses ``faster`` and ``surer``: "none", "first" or "second". A guess
    ends with the question that it answers. A reader's own picture is no part of the state.

    The page holds no answer; it loads networks and asks them when the reader wants it. The still
    picture has the answers of torch. Raises ``ValueError`` for networks that are not there.
    """

    networks = tuple(TITLES)

    first = Choice()
    second = Choice()
    photograph = Choice()
    faster = Choice()
    surer = Choice()

    def __init__(
        self,
        networks: Sequence[str] = tuple(TITLES),
        *,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: Any,
    ) -> None:
        unknown = [key for key in networks if key not in TITLES]
        if unknown or len(set(networks)) < max(2, len(networks)):
            raise ValueError(
                f"networks={list(networks)}: expected two or more, no two alike, "
                f"of {', '.join(TITLES)}"
            )
        facts = [network_facts(key) for key in networks]
        fixed = {
            "networks": facts,
            "lists": {one["dataset"]: list(classes_of(one["key"])) for one in facts},
            "photographs": photographs(),
        }
        known = {"first": networks[0], "second": networks[1]}
        if {FIRST["first"], FIRST["second"]} <= set(networks):
            known = {}
        super().__init__(fixed, FIRST | known, chosen, language=language, hidden=hidden)
        self.networks = tuple(networks)

    @staticmethod
    def settled(
        changes: Mapping[str, Any], present: Mapping[str, Any], fixed: Mapping[str, Any]
    ) -> Settled:
        return two_networks_sums.settled(changes, present, fixed)

    def _said(self, key: str) -> tuple[str, str]:
        name, share = first_answer(key, self.photograph)
        return name, fixed_point(100 * share, 1)

    def text_alternative(self) -> str:
        photograph = self.fixed["photographs"][self.photograph]
        (name, share), (other, other_share) = self._said(self.first), self._said(self.second)
        return self.words(
            "alt",
            title=photograph["title"],
            alt=photograph["alt"],
            first=TITLES[self.first],
            name=name,
            share=share,
            second=TITLES[self.second],
            other=other,
            other_share=other_share,
        )

    def still_picture(self) -> str:
        """The photograph, and beside it the five best answers of each network as bars."""
        side, wide = 230, 200
        address = self.fixed["photographs"][self.photograph]["address"]
        parts = [svg.image(address, 2, 2, side, side)]
        for column, key in enumerate((self.first, self.second)):
            x = side + 20 + column * (wide + 30)
            parts.append(_text(TITLES[key], x, 18, font_weight=600))
            found = shares_of(key, self.photograph)
            for row, number in enumerate(np.argsort(-found, kind="stable")[:BEST]):
                y, share = 42 + 38 * row, float(found[number])
                words = f"{classes_of(key)[number]} · {fixed_point(100 * share, 1)} %"
                parts.append(_text(words, x, y))
                bar = {"x": x, "y": y + 6, "width": max(1.0, wide * share), "height": 8}
                parts.append(svg.element("rect", fill="#2f81d6", **bar))
        drawing = svg.drawing(side + 2 * wide + 54, side + 4, *parts)
        return drawing + svg.paragraph(self.text_alternative())


def _text(words: str, x: float, y: float, **options: Any) -> str:
    return svg.element("text", words, x=x, y=y, font_size=13, fill="currentColor", **options)


@cache
def photographs() -> list[dict[str, Any]]:
    """The gallery as a page holds it; ``label`` is the class that a photograph shows, or None."""
    from cnnlib.data import load_gallery

    return [
        {
            "title": one.title,
            "alt": one.alt,
            "credit": f"{one.author}, {one.licence.split(',')[0]}",
            "address": photo_address(_square(one.image), quality=90),
            "label": SHOWN.get(one.name),
            "best": None,  # the page holds no answer
        }
        for one in load_gallery()
    ]


def _square(image: np.ndarray) -> np.ndarray:
    """The middle of a photograph: uint8, (227, 227, 3), as an ImageNet network cuts it."""
    from cnnlib.weights import WEIGHTS

    how = replace(
        WEIGHTS["squeezenet1_1"].preprocessing, channel_order="RGB", mean=(0, 0, 0), std=(1, 1, 1)
    )
    pixels = how.apply([image])[0].round().clamp(0, 255).byte()
    return np.ascontiguousarray(pixels.movedim(0, -1).numpy())


@cache
def pixels_of(photograph: int) -> np.ndarray:
    """The square as the page shows it: uint8, (227, 227, 3), red, green, blue."""
    import base64
    import io

    from PIL import Image

    address = photographs()[photograph]["address"]
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as picture:
        return np.array(picture.convert("RGB"))


@cache
def shares_of(key: str, photograph: int) -> np.ndarray:
    """What a network says of a photograph of the page, by torch: shares of 1, (classes,)."""
    return shares_of_pixels(key, pixels_of(photograph))


def first_answer(key: str, photograph: int) -> tuple[str, float]:
    """The name that a network gives first, and its share."""
    found = shares_of(key, photograph)
    return classes_of(key)[int(found.argmax())], float(found.max())
