"""Your code makes an occlusion map: where covers begin, the loop, the fall at each pixel."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import torch
from torch import Tensor, nn

from cnnlib.data import load_gallery
from cnnlib.exercises.chain import Chain, Dice, Part, Parts, Reading
from cnnlib.inside import OcclusionMap, occlusion_map
from cnnlib.weights import WEIGHTS, load_weights

KEY = "squeezenet1_1"
SIDE, COVER = 160, 60  # pixels, as in the chapter
FEW, MANY = 50, 20  # strides: of the checkpoints, of the run


class _Asked(nn.Module):
    """A question to one picture, as a network with one output."""

    def __init__(self, ask: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.ask = ask

    def forward(self, pictures: Tensor) -> Tensor:
        return torch.stack([self.ask(picture[None]) for picture in pictures])[:, None]


# --- The library's parts: what its occlusion_map gives --------------------------------------------


def _corners(whole: int, size: int, stride: int) -> list[int]:
    found = occlusion_map(
        _Asked(torch.sum),
        torch.zeros(1, 1, whole, 1),
        size=(size, 1),
        stride=stride,
        progress=False,
    )
    return list(found.tops)


def _slid(
    ask: Callable,
    image: Tensor,
    tops: Sequence[int],
    lefts: Sequence[int],
    size: tuple[int, int],
    fill: Sequence[float],
) -> Tensor:
    stride = [corners[1] - corners[0] for corners in (tops, lefts)]
    found = occlusion_map(
        _Asked(ask), image, size=size, stride=stride, fill=fill, method="full", progress=False
    )
    return found.scores[0]


def _spread(
    scores: Tensor,
    clean: Tensor,
    tops: Sequence[int],
    lefts: Sequence[int],
    size: tuple[int, int],
    height: int,
    width: int,
) -> Tensor:
    grid = SimpleNamespace(tops=tops, lefts=lefts, size=size, image_shape=(1, 1, height, width))
    return OcclusionMap.per_pixel(grid, scores[None], clean[None])[0, 0]


_dice = Dice(14)
_numbers = _dice.numbers
_ground = torch.arange(1.0, 13.0).view(1, 1, 3, 4)


def _weighted(picture: Tensor) -> Tensor:
    """One number for a picture. Each pixel counts otherwise."""
    return (picture * torch.arange(1.0, picture.numel() + 1).view_as(picture)).mean()


PARTS = {
    "corners": Part(
        _corners,
        "pixels of an axis, size, stride -> where covers begin, from 0",
        [
            (10, 4, 3),
            (160, 60, 10),
            (227, 32, 32),
            (10, 3, 4),
            (10, 3, 7),
            (5, 5, 3),
            (9, 2, 8),
            (9, 4, 10),
            (8, 2, 4),  # a third one would begin outside
        ],
        lists=True,
    ),
    "slide": Part(
        _slid,
        "ask, image (1, C, H, W), tops, lefts, size, fill -> (tops, lefts): a number each",
        [
            (torch.sum, _ground, [0, 1], [0, 1, 2], (2, 2), [0.0]),
            (_weighted, _ground, [0, 1], [0, 2], (2, 2), [1.0]),
            (_weighted, _numbers(1, 2, 5, 7), [0, 2], [0, 2, 4], (3, 3), [0.5, -1.0]),
            (_weighted, _numbers(1, 2, 7, 5), [0, 4], [0, 2, 4], (4, 2), [0.5, -1.0]),
        ],
    ),
    "spread": Part(
        _spread,
        "scores (tops, lefts), clean, tops, lefts, size, height, width -> (height, width)",
        [
            (torch.tensor([[1.0, 3.0]]), torch.tensor(4.0), [0], [0, 1], (1, 2), 1, 3),
            (_numbers(2, 3), _numbers(), [0, 2], [0, 2, 4], (3, 3), 5, 7),
            (_numbers(3, 2), _numbers(), [0, 2, 4], [0, 3], (3, 4), 6, 7),  # the last sticks out
        ],
    ),
}


class OcclusionChain(Chain):
    """SqueezeNet looks at the clownfish, and the parts of an occlusion map wait for yours.

    ``slide`` gets the network as ``ask``: the probability of its class, one number for a picture.
    """

    parts: ClassVar = PARTS

    def __init__(self) -> None:
        super().__init__()
        self.network = load_weights(KEY)
        smaller = replace(WEIGHTS[KEY].preprocessing, height=SIDE, width=SIDE, resize=SIDE * 9 // 8)
        [photograph] = [one for one in load_gallery() if one.name == "clownfish"]
        self.image = smaller.apply([photograph.image])
        with torch.no_grad():
            self.target = self.network(self.image).argmax().item()

    def sample(self) -> Reading:
        return self._map(FEW, "the map comes out as before,")

    def whole(self) -> Reading:
        return self._map(MANY, "Your code makes the map that occlusion_map gives,")

    def _map(self, stride: int, says: str) -> Reading:
        def expected() -> dict[str, Tensor]:
            found = occlusion_map(
                self.network, self.image, self.target, size=COVER, stride=stride, progress=False
            )
            fall = found.per_pixel(found.probability, found.clean_probability)
            return {"probabilities": found.probability[0], "falls": fall[0, 0]}

        def told(found: dict[str, Tensor]) -> str:
            rows, columns = found["probabilities"].shape
            return (
                f"{says} {rows}×{columns} places. The probability is "
                f"{100 * found['probabilities'].min():.1f} % at its lowest, and a pixel's mean "
                f"fall is {100 * found['falls'].max():.1f} points at most."
            )

        return Reading(lambda parts: self.read(stride, parts), expected, told)

    def read(self, stride: int, parts: Parts) -> dict[str, Tensor]:
        """The probability of the class at each place, and the mean fall at each pixel."""

        def ask(picture: Tensor) -> Tensor:
            return self.network(picture).softmax(dim=1)[0, self.target]

        tops, lefts = (list(map(int, parts.corners(SIDE, COVER, stride))) for _ in range(2))
        size, fill = (COVER, COVER), [0.0, 0.0, 0.0]
        found = parts.slide(ask, self.image, tops, lefts, size, fill)
        fall = parts.spread(found, ask(self.image), tops, lefts, size, SIDE, SIDE)
        return {"probabilities": found, "falls": fall}
