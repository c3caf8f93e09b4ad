"""Change a photograph a little, until a network takes it for something else."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from cnnlib.widgets import svg
from cnnlib.widgets.live_widget import LiveWidget
from cnnlib.widgets.pictures import png_address
from cnnlib.widgets.settling import Settled, Settling
from cnnlib.widgets.widget import Choice
from cnnlib.widgets.words import fixed_point

NETWORK = "squeezenet1_1"
SIDE = 227  # pixels of the network's input
BEST = 3
PHOTOGRAPHS = ("panda", "koala", "macaw", "espresso", "castle", "chelsea")  # of the gallery
WAYS = ("towards", "away")
RULES = ("sign", "plain")
HELPS = ("penalty", "soft")
SIZES, BUDGETS, FACTORS = (1, 8), (1, 32), (1, 64)
STEPS, CLIMB = 20, 48
OSTRICH = 9  # the class to which Szegedy et al. (2014) drove their photographs

FIRST = {
    "photograph": 0,
    "way": "towards",
    "target": OSTRICH,
    "rule": "sign",
    "size": 1,
    "budget": 2,
    "steps": 3,
    "factor": 32,
    "helps": "soft",
    "climb": 0,
}
SHOWN = ("photograph", "way", "target", "rule", "size", "budget", "steps")  # make the picture


class FoolIt(LiveWidget, stem="fool_it"):
    """A photograph, a class, and steps along a gradient, on the reader's own machine.

    What it teaches: a change of a grey or two a pixel, too small to see, can give a photograph any
    answer; and a picture made for a class, from noise, need not look like the class either.

    What can be set and observed: ``photograph`` (a number of ``PHOTOGRAPHS``); ``way``, "towards"
    the class ``target`` or "away" from the class that the network names first; ``rule``, "sign" or
    "plain", ``size`` (1 to 8 greys), ``budget`` (1 to 32 greys) and ``steps`` (0 to 20), as
    :func:`cnnlib.inside.adversarial_walk` has them; ``factor``, 1 to 64, by which the difference is
    magnified for the eye; ``climb`` (0 to 48), steps towards a picture of the class from noise, and
    ``helps``: "penalty" as Simonyan et al. (2014), "soft" with jitter and blur.

    A page shows the state that it was made with, computed by torch; the network goes to the page
    when the reader asks. A reader's own picture is no part of the state.
    """

    networks = (NETWORK,)

    photograph = Choice()
    way = Choice()
    target = Choice()
    rule = Choice()
    size = Choice()
    budget = Choice()
    steps = Choice()
    factor = Choice()
    helps = Choice()
    climb = Choice()

    def __init__(self, *, language: str = "en", hidden: Sequence[str] = (), **chosen: Any) -> None:
        from cnnlib.live.site import shipped_entry, shipped_plan

        plan = shipped_plan(NETWORK)
        fixed = {
            "network": NETWORK,
            "kilobytes": round(shipped_entry(NETWORK)["bytes"] / 1000),
            "photographs": photographs(),
            "categories": plan["categories"],
            "ways": WAYS,
            "rules": RULES,
            "helps": HELPS,
        }
        state = self.settled(chosen, FIRST, fixed).state
        fixed["worked"] = {"state": state, **worked(*(state[name] for name in SHOWN))}
        super().__init__(fixed, FIRST, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(
        changes: Mapping[str, Any], present: Mapping[str, Any], fixed: Mapping[str, Any]
    ) -> Settled:
        s = Settling(changes, present)
        s.whole("photograph", 0, len(fixed["photographs"]) - 1)
        s.one_of("way", fixed["ways"])
        s.whole("target", 0, len(fixed["categories"]) - 1)
        s.one_of("rule", fixed["rules"])
        s.whole("size", *SIZES)
        s.whole("budget", *BUDGETS)
        s.whole("steps", 0, STEPS)
        s.whole("factor", *FACTORS)
        s.one_of("helps", fixed["helps"])
        s.whole("climb", 0, CLIMB)
        return s.done()

    def changed(self) -> np.ndarray:
        """The changed photograph, by torch: uint8, (227, 227, 3), red, green, blue."""
        return walk(*(getattr(self, name) for name in SHOWN))[0]

    def record(self) -> dict[str, Any]:
        """What the network says before and after, and the changed picture: see :func:`worked`."""
        return worked(*(getattr(self, name) for name in SHOWN))

    def _answer(self, best: Sequence) -> tuple[str, str]:
        number, share = best[0]
        return self.fixed["categories"][number], fixed_point(100 * share, 1)

    def text_alternative(self) -> str:
        record, photograph = self.record(), self.fixed["photographs"][self.photograph]
        before, share_before = self._answer(record["before"])
        after, share_after = self._answer(record["after"])
        return self.words(
            "alt",
            title=photograph["title"],
            steps=self.steps,
            most=record["most"],
            before=before,
            share_before=share_before,
            after=after,
            share_after=share_after,
        )

    def still_picture(self) -> str:
        """The photograph, the changed one and the difference, with what the network says."""
        record, side = self.record(), 200
        original = self.fixed["photographs"][self.photograph]["address"]
        difference = magnified(pixels_of(self.photograph), self.changed(), self.factor)
        titles = (
            self.words("original"),
            self.words("changed", steps=self.steps),
            self.words("difference", factor=self.factor),
        )
        pictures = (original, record["address"], png_address(difference))
        parts = []
        for place, (title, address) in enumerate(zip(titles, pictures, strict=True)):
            x = place * (side + 16)
            parts.append(_text(title, x, 12))
            parts.append(svg.image(address, x, 20, side, side))
        for place, best in enumerate((record["before"], record["after"])):
            for row, (number, share) in enumerate(best):
                name = self.fixed["categories"][number]
                words = self.words("answer", name=name, share=fixed_point(100 * share, 1))
                parts.append(_text(words, place * (side + 16), side + 40 + 16 * row))
        drawing = svg.drawing(3 * side + 32, side + 78, *parts)
        return drawing + svg.paragraph(self.text_alternative())


def _text(words: str, x: float, y: float) -> str:
    return svg.element("text", words, x=x, y=y, font_size=12, fill="currentColor")


def magnified(before: np.ndarray, after: np.ndarray, factor: int) -> np.ndarray:
    """The difference about a middle grey, ``factor`` times as large, cut at 0 and 255."""
    apart = after.astype(int) - before
    return np.clip(128 + factor * apart, 0, 255).astype(np.uint8)


def _prepare(pixels: Any) -> Any:
    """The network's input for pixels of its size, (N, 3, 227, 227), from 0 to 255."""
    from cnnlib.weights import WEIGHTS

    return replace(WEIGHTS[NETWORK].preprocessing, resize=None).apply_tensor(pixels)


@cache
def pixels_of(photograph: int) -> np.ndarray:
    """The middle of a photograph as the network sees it, in whole greys: uint8, (227, 227, 3)."""
    from cnnlib.data import load_gallery
    from cnnlib.weights import WEIGHTS

    how = replace(
        WEIGHTS[NETWORK].preprocessing, channel_order="RGB", mean=(0, 0, 0), std=(1, 1, 1)
    )
    image = {one.name: one.image for one in load_gallery()}[PHOTOGRAPHS[photograph]]
    pixels = how.apply([image])[0].round().clamp(0, 255).byte()
    return np.ascontiguousarray(pixels.movedim(0, -1).numpy())


@cache
def photographs() -> list[dict[str, Any]]:
    """The photographs as a page holds them; ``best`` is what the network says, number and share."""
    from cnnlib.data import load_gallery

    gallery = {one.name: one for one in load_gallery()}
    listed = []
    for number, name in enumerate(PHOTOGRAPHS):
        one = gallery[name]
        listed.append(
            {
                "title": one.title,
                "alt": one.alt,
                "credit": f"{one.author}, {one.licence.split(',')[0]}",
                "address": png_address(pixels_of(number)),
                "best": _best(_scores(pixels_of(number))),
            }
        )
    return listed


def _scores(pixels: np.ndarray) -> np.ndarray:
    """The network's scores for a picture, (1000,)."""
    import torch

    from cnnlib.weights import load_weights

    with torch.no_grad():
        planes = torch.from_numpy(pixels).movedim(-1, 0)[None]
        return load_weights(NETWORK)(_prepare(planes))[0].numpy()


def _shares(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores.astype(np.float64) - scores.max())
    return powers / powers.sum()


def _best(scores: np.ndarray) -> list[list]:
    shares = _shares(scores)
    order = np.argsort(-shares, kind="stable")[:BEST]
    return [[int(number), round(float(shares[number]), 6)] for number in order]


@cache
def walk(
    photograph: int, way: str, target: int, rule: str, size: int, budget: int, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """The changed photograph, uint8 (227, 227, 3), and the network's scores for it, (1000,)."""
    import torch

    from cnnlib.inside import adversarial_walk
    from cnnlib.weights import load_weights

    away = way == "away"
    if away:
        target = photographs()[photograph]["best"][0][0]
    last = adversarial_walk(
        load_weights(NETWORK),
        torch.from_numpy(pixels_of(photograph)).movedim(-1, 0),
        _prepare,
        target,
        away=away,
        rule=rule,
        size=size,
        budget=budget,
        steps=steps,
    )[-1]
    return np.ascontiguousarray(last.pixels.movedim(0, -1).numpy()), last.scores.numpy()


def worked(photograph: int, *how: Any) -> dict[str, Any]:
    """A state's record: the changed picture, the best answers before and after, ``most``.

    ``most``: the largest change of a value, in greys; ``aim``: the shares of the class that is
    aimed at or left, before and after.
    """
    pixels, scores = walk(photograph, *how)
    before = pixels_of(photograph)
    best = photographs()[photograph]["best"]
    aim = how[1] if how[0] == "towards" else best[0][0]
    return {
        "address": png_address(pixels),
        "before": best,
        "after": _best(scores),
        "aim": [round(float(_shares(s)[aim]), 6) for s in (_scores(before), scores)],
        "most": int(np.abs(pixels.astype(int) - before).max()),
    }
