"""Your code runs LeNet-5: from the pixels to the answer and to the loss, seven functions."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm.auto import tqdm

from cnnlib.data import load_digits
from cnnlib.exercises.chain import BATCH, Chain, Dice, Part, Parts, Reading
from cnnlib.layers import EuclideanRBF, ScaledTanh, Subsampling, TableConv2d
from cnnlib.models.lenet import C3_TABLE
from cnnlib.train.losses import map_criterion
from cnnlib.weights import load_weights, preprocess

PENALTY = 20.0  # the recipe's j: what the class "rubbish" costs
SAMPLE = 200  # digits that each checkpoint reads


# --- The library's seven parts, by its own layers -------------------------------------------------


def _subsampled(x: Tensor, coefficient: Tensor, bias: Tensor) -> Tensor:
    layer = Subsampling(len(bias))
    layer.load_state_dict({"coefficient": coefficient, "bias": bias})
    return layer(x)


def _table_read(table: Sequence[str]) -> list[list[int]]:
    layer = TableConv2d([[mark == "X" for mark in row] for row in table], kernel_size=1)
    read: list[list[int]] = [[] for _ in range(layer.out_channels)]
    for output, input_ in layer.pairs:
        read[output].append(input_)
    return read


_dice = Dice(5)
_numbers = _dice.numbers

PARTS = {
    "convolve": Part(
        F.conv2d,
        "(N, C, H, W), (K, C, h, w), (K,) -> (N, K, H - h + 1, W - w + 1)",
        [
            (torch.arange(6.0).view(1, 1, 2, 3), torch.ones(1, 1, 2, 2), torch.zeros(1)),
            (_numbers(2, 3, 6, 7), _numbers(4, 3, 5, 5), _numbers(4)),
            (_numbers(3, 5, 1, 1), _numbers(2, 5, 1, 1), _numbers(2)),
        ],
    ),
    "squash": Part(
        ScaledTanh(),
        "any shape -> the same: 1.7159 tanh(2/3 x)",
        [(torch.tensor([-1.0, 0.0, 1.0]),), (_numbers(2, 3, 4, 5),)],
    ),
    "subsample": Part(
        _subsampled,
        "(N, C, H, W), (C,), (C,) -> (N, C, H // 2, W // 2)",
        [
            (torch.arange(8.0).view(1, 1, 2, 4), torch.tensor([0.25]), torch.zeros(1)),
            (_numbers(2, 3, 4, 6), _numbers(3), _numbers(3)),
        ],
    ),
    "maps_read": Part(
        _table_read,
        "rows of X and . -> for each column the rows that have an X",
        [(("X.", "XX"),), (("X.X", ".XX", "X.."),), (C3_TABLE,)],
        lists=True,
    ),
    "distances": Part(
        lambda x, codes: EuclideanRBF(codes)(x),
        "(N, D), (K, D) -> (N, K), squared",
        [
            (torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 2.0], [-1.0, 2.0], [0.0, 0.0]])),
            (_numbers(5, 7), _numbers(3, 7)),
        ],
    ),
    "answer": Part(
        lambda distances: (-distances).max(dim=1).indices,
        "(N, K) -> (N,), whole numbers",
        [(torch.tensor([[3.0, 1.0, 2.0]]),), (_numbers(6, 10).abs(),)],
    ),
    "loss": Part(
        lambda distances, labels, penalty: map_criterion(-distances, labels, penalty),
        "(N, K), (N,), a number -> one number, the MAP criterion",
        [
            (torch.tensor([[0.0, 8.0]]), torch.tensor([0]), 2.0),
            (torch.tensor([[0.0, 8.0]]), torch.tensor([1]), 2.0),
            (3 * _numbers(4, 10).abs(), _dice.labels(4), 20.0),
        ],
    ),
}


class LeNetChain(Chain):
    """LeNet-5 with its trained weights, and seven parts that wait for yours."""

    parts: ClassVar = PARTS

    def __init__(self) -> None:
        super().__init__()
        self.network = load_weights("lenet5")
        digits = load_digits("test")
        self.images, self.labels = digits.images, torch.from_numpy(digits.labels).long()

    def sample(self) -> Reading:
        def expected() -> dict[str, Tensor]:
            scores = self.network(preprocess("lenet5", self.images[:SAMPLE]))
            return {
                "distances": -scores,
                "answers": scores.argmax(dim=1),
                "losses": map_criterion(scores, self.labels[:SAMPLE], PENALTY),
            }

        return Reading(
            lambda parts: self._read(SAMPLE, parts),
            expected,
            lambda found: f"LeNet-5 reads {self._right(found)} of {SAMPLE} digits.",
        )

    def whole(self) -> Reading:
        count = len(self.labels)

        def says(found: dict[str, Tensor]) -> str:
            right = self._right(found)
            return (
                f"{right:,} of {count:,} digits are right, {100 * right / count:.1f} %, by your "
                f"code and the trained weights alone. The mean loss is {found['losses']:.2f}."
            )

        return Reading(lambda parts: self._read(count, parts), dict, says)

    def _right(self, found: dict[str, Tensor]) -> int:
        answers = found["answers"]
        return int((answers == self.labels[: len(answers)]).sum())

    def _read(self, count: int, parts: Parts) -> dict[str, Tensor]:
        distances, answers, losses = [], [], []
        starts = range(0, count, BATCH)
        for start in tqdm(starts, "digits", unit_scale=BATCH, delay=2, leave=False):
            rows = slice(start, min(start + BATCH, count))
            far = forward(self.network, preprocess("lenet5", self.images[rows]), parts)
            distances.append(far)
            answers.append(parts.answer(far).long().flatten())
            losses.append(parts.loss(far, self.labels[rows], PENALTY) * len(far))
        return {
            "distances": torch.cat(distances),
            "answers": torch.cat(answers),
            "losses": sum(losses) / count,
        }


def forward(network: Any, x: Tensor, parts: Parts) -> Tensor:
    """LeNet-5's distances (N, 10) from its own weights, computed by ``parts`` alone."""
    squash, c3 = parts.squash, network.c3[0]
    x = squash(parts.convolve(x, network.c1[0].weight, network.c1[0].bias))
    x = squash(parts.subsample(x, network.s2[0].coefficient, network.s2[0].bias))
    maps, first = [], 0
    for column, rows in enumerate(parts.maps_read(C3_TABLE)):
        rows = [int(row) for row in rows]
        kernels = c3.weight[first : first + len(rows)][None]  # those of this map, (1, C, 5, 5)
        first += len(rows)
        maps.append(parts.convolve(x[:, rows], kernels, c3.bias[column : column + 1]))
    x = squash(torch.cat(maps, dim=1))
    x = squash(parts.subsample(x, network.s4[0].coefficient, network.s4[0].bias))
    x = squash(parts.convolve(x, network.c5[0].weight, network.c5[0].bias))
    x = squash(parts.convolve(x, network.f6[0].weight, network.f6[0].bias))
    return parts.distances(x.flatten(1), network.output.codes)
