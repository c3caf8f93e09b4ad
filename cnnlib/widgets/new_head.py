"""A new head on a reader's own pictures: features of SqueezeNet, a linear layer, few pictures."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from cnnlib.widgets import svg
from cnnlib.widgets.live_widget import LiveWidget
from cnnlib.widgets.new_head_sums import FEWEST, fit, held_out, softmax, weights_of
from cnnlib.widgets.pictures import pack, photo_address, unpack
from cnnlib.widgets.settling import Settled, Settling, is_whole
from cnnlib.widgets.widget import Choice
from cnnlib.widgets.words import fixed_point

NETWORK = "squeezenet1_1"
LAYER, SHAPE = "features", (512, 14, 14)  # what conv10, the old head, reads
MOST = 60  # pictures
PENALTIES = (-4, 0)  # powers of ten
LONGEST = 24  # letters of a class's name
THUMBNAIL = 96  # pixels
OWN = re.compile(r"own-[1-9][0-9]?")

ANIMALS = ("panda", "koala", "polar_bear", "bison", "hens", "sheep", "goldfish")
BUILDINGS = ("pagoda", "castle", "aqueduct", "taj_mahal", "stupa", "brandenburg_gate")
BUILDINGS += ("abandoned_house",)
#: Example -> a group of photographs for each class. "mixed" has the photographs of the first in
#: turns, so its two classes mean nothing; three "dogs" are close-ups out of the two others.
EXAMPLES: dict[str, tuple[tuple[str, ...], ...]] = {
    "animals": (ANIMALS, BUILDINGS),
    "dogs": (
        ("german_shepherd", "spaniels", "shepherd_face", "spaniel_above", "spaniel_below"),
        ("chelsea", "koala", "bison", "sheep", "raccoon"),
    ),
    "three": (ANIMALS[:5], BUILDINGS[:5], ("mountains", "brook", "sunset", "canyon")),
    "mixed": (ANIMALS[::2] + BUILDINGS[1::2], ANIMALS[1::2] + BUILDINGS[::2]),
    "empty": ((), ()),
}
#: Names that the words' table has: "animals" is shown in the page's language.
CLASSES = {
    "animals": ("animals", "buildings"),
    "dogs": ("dogs", "others"),
    "three": ("animals", "buildings", "landscapes"),
    "mixed": ("heads", "tails"),
    "empty": ("mine", "others"),
}
TO_TEST = ("jaguars", "lemurs", "duck", "espresso", "boats", "rocket")


class Pictured(NamedTuple):
    """A photograph of the page: what it shows, whose it is, its thumbnail, its features (512,)."""

    key: str
    title: str
    alt: str
    credit: str
    address: str
    features: np.ndarray


class NewHead(LiveWidget, stem="new_head"):
    """Pictures in two or three classes; a linear layer on SqueezeNet's features learns them.

    What it teaches: with frozen features a head is trained in a moment on a dozen pictures. That it
    has these right says little, for with 512 numbers a picture it can learn any labels. What it
    says of a picture that it has not seen counts, and few pictures measure that badly.

    ``names``: two or three names of classes, those of :data:`CLASSES` or others. ``pictures``:
    (key, class) pairs, keys of :func:`photographs`; "own-1" to "own-99" stand for a reader's own,
    which only the page has. ``tested``: the picture that the head is asked about. ``penalty``: the
    power of ten that multiplies half of the squared weights. All can be set and observed; what does
    not exist raises ``ChoiceError``.
    """

    networks = (NETWORK,)

    names = Choice()
    pictures = Choice()
    tested = Choice()
    penalty = Choice()

    def __init__(self, *, language: str = "en", hidden: Sequence[str] = (), **chosen: Any) -> None:
        given = photographs()
        features = np.stack([one.features for one in given]).astype("<f4")
        fixed = {
            "photographs": [
                {"key": one.key, "title": one.title, "alt": one.alt, "credit": one.credit}
                | {"address": one.address}
                for one in given
            ],
            "features": pack(features.view(np.uint8)),
            "examples": [
                {"name": name, "pictures": _pairs(groups), "classes": CLASSES[name]}
                for name, groups in EXAMPLES.items()
            ],
            "known": list(dict.fromkeys([*sum(CLASSES.values(), ()), "third"])),
            "network": NETWORK,
            "layer": LAYER,
            "shape": SHAPE,
            "kilobytes": kilobytes(),
            "most": MOST,
            "penalties": PENALTIES,
        }
        first = {
            "names": list(CLASSES["animals"]),
            "pictures": _pairs(EXAMPLES["animals"]),
            "tested": "jaguars",
            "penalty": -2,
        }
        super().__init__(fixed, first, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(
        changes: Mapping[str, Any], present: Mapping[str, Any], fixed: Mapping[str, Any]
    ) -> Settled:
        s = Settling(changes, present)
        names = s.wanted("names")
        if isinstance(names, list) and len(names) in (2, 3) and all(map(_is_name, names)):
            s.take("names", names)
        else:
            s.refuse("names", "names.expected")
        classes = len(s.state["names"])
        known = {one["key"] for one in fixed["photographs"]}
        wanted = s.wanted("pictures")
        if _are_pictures(wanted, known, classes, fixed["most"]):
            s.take("pictures", wanted)
        else:
            s.refuse("pictures", "pictures.expected", most=fixed["most"])
            s.take("pictures", [pair for pair in s.state["pictures"] if pair[1] < classes])
        if _is_picture(s.wanted("tested"), known):
            s.take("tested", s.wanted("tested"))
        else:
            s.refuse("tested", "tested.expected")
        s.whole("penalty", *fixed["penalties"])
        return s.done()

    def features(self) -> tuple[np.ndarray, np.ndarray]:
        """What the head learns from: features (N, 512), classes (N,). A reader's own are not in."""
        rows = self._rows()
        pairs = [(key, kind) for key, kind in self.pictures if key in rows]
        found = [rows[key] for key, _ in pairs]
        return np.array(found).reshape(-1, SHAPE[0]), np.array([k for _, k in pairs], dtype=int)

    def record(self) -> dict[str, Any] | None:
        """The head of this state; None where a class has no picture.

        ``weight`` (K, 512), ``bias`` (K,), ``losses``, ``right`` of the pictures that it learned
        from, ``held`` (N,), the class that each gets from a head without it, or None where a class
        has one picture only; ``shares`` (K,) of the tested picture, or None.
        """
        features, labels = self.features()
        counts = np.bincount(labels, minlength=len(self.names))
        if counts.min() == 0:
            return None
        gram, penalty = features @ features.T, 10.0**self.penalty
        found = fit(gram, labels, len(self.names), penalty)
        weight, bias = weights_of(features, found)
        rows = self._rows()
        return {
            "weight": weight,
            "bias": bias,
            "losses": found.losses,
            "right": int(((features @ weight.T + bias).argmax(axis=1) == labels).sum()),
            "held": held_out(gram, labels, len(self.names), penalty)
            if counts.min() >= FEWEST
            else None,
            "shares": softmax(rows[self.tested] @ weight.T + bias) if self.tested in rows else None,
        }

    def shown_names(self) -> list[str]:
        """The classes' names as a reader sees them."""
        known = self.fixed["known"]
        return [self.words(f"class.{n}") if n in known else n for n in self.names]

    def _rows(self) -> dict[str, np.ndarray]:
        features = np.frombuffer(unpack(self.fixed["features"]).tobytes(), "<f4").astype(float)
        keys = [one["key"] for one in self.fixed["photographs"]]
        return dict(zip(keys, features.reshape(len(keys), -1), strict=True))

    def text_alternative(self) -> str:
        _, labels = self.features()
        record, count = self.record(), len(labels)
        if record is None:
            return self.words("alt.empty")
        parts = [self.words("trained", right=record["right"], count=count)]
        if record["held"] is None:
            parts.append(self.words("held.few"))
        else:
            right = int((record["held"] == labels).sum())
            parts.append(self.words("held", right=right, count=count))
        if record["shares"] is not None:
            best = int(record["shares"].argmax())
            title = next(p["title"] for p in self.fixed["photographs"] if p["key"] == self.tested)
            share = fixed_point(100 * record["shares"][best], 0)
            parts.append(
                self.words("verdict", title=title, name=self.shown_names()[best], share=share)
            )
        return " ".join(parts)

    def still_picture(self) -> str:
        """The classes as rows of pictures; what is read wrongly when it is left out has a cross."""
        side, gap, parts, y = 56, 4, [], 0
        given = {one["key"]: one for one in self.fixed["photographs"]}
        record = self.record()
        held = None if record is None else record["held"]
        pairs = [pair for pair in self.pictures if pair[0] in given]
        for kind, name in enumerate(self.shown_names()):
            parts.append(_text(name, 0, y + 14))
            inside = [number for number, pair in enumerate(pairs) if pair[1] == kind]
            for place, number in enumerate(inside):
                x, top = (side + gap) * (place % 12), y + 20 + (side + gap) * (place // 12)
                parts.append(svg.image(given[pairs[number][0]]["address"], x, top, side, side))
                if held is not None and held[number] != kind:
                    back = {"x": x + side - 18, "y": top, "width": 18, "height": 18}
                    parts.append(svg.element("rect", **back, fill="#ffffff"))
                    parts.append(_text("✗", x + side - 15, top + 15, size=16, fill="#a4161a"))
            y += 24 + (side + gap) * max(1, -(-len(inside) // 12))
        return svg.drawing(12 * (side + gap), y + 4, *parts) + svg.paragraph(
            self.text_alternative()
        )


def kilobytes() -> int:
    """How many kilobytes a page loads for pictures of the reader's own."""
    from cnnlib.live.site import shipped_entry

    return round(shipped_entry(NETWORK)["bytes"] / 1000)


def features_of(images: Sequence[np.ndarray]) -> np.ndarray:
    """SqueezeNet's last maps, a mean of each: (N, 512). ``images``: uint8 (H, W, 3)."""
    import torch

    from cnnlib.weights import load_weights, preprocess

    network = load_weights(NETWORK)
    with torch.no_grad():
        return np.stack(
            [network.features(preprocess(NETWORK, [i]))[0].mean(dim=(1, 2)).numpy() for i in images]
        )


@cache
def photographs() -> tuple[Pictured, ...]:
    """The photographs of the examples, and some to ask the head about."""
    from cnnlib.data import load_gallery

    wanted = [key for groups in EXAMPLES.values() for group in groups for key in group]
    known = {p.name: p for album in ("gallery", "faces") for p in load_gallery(album)}
    chosen = [known[key] for key in dict.fromkeys([*wanted, *TO_TEST])]
    rows = features_of([photograph.image for photograph in chosen])
    return tuple(
        Pictured(
            p.name, p.title, p.alt, f"{p.title}: {p.author}, {p.licence}", _small(p.image), row
        )
        for p, row in zip(chosen, rows, strict=True)
    )


def _small(image: np.ndarray) -> str:
    """The middle square, as a thumbnail's address."""
    from PIL import Image

    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = Image.fromarray(image[top : top + side, left : left + side])
    small = square.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return photo_address(np.array(small), 70)


def _pairs(groups: Sequence[Sequence[str]]) -> list[list]:
    return [[key, kind] for kind, group in enumerate(groups) for key in group]


def _is_name(value: Any) -> bool:
    if not isinstance(value, str) or not value.replace(" ", ""):
        return False
    return len(value.encode("utf-16-le", "surrogatepass")) // 2 <= LONGEST  # as JavaScript counts


def _is_picture(key: Any, known: set[str]) -> bool:
    return isinstance(key, str) and (key in known or OWN.fullmatch(key) is not None)


def _are_pictures(value: Any, known: set[str], classes: int, most: int) -> bool:
    if not isinstance(value, list) or len(value) > most:
        return False
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2 or not _is_picture(pair[0], known):
            return False
        if not is_whole(pair[1]) or not 0 <= pair[1] < classes:
            return False
    return len({key for key, _ in value}) == len(value)


def _text(text: str, x: float, y: float, size: int = 13, fill: str = "currentColor") -> svg.Markup:
    return svg.element("text", text, x=x, y=y, font_size=size, font_weight=700, fill=fill)
