"""LeNet-5: LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document
recognition", Proceedings of the IEEE 86(11), section II.B.

The idea, theirs since 1989: learn the features too. Convolutions with shared weights and
subsampling between them turn pixels into a code, and one gradient trains everything from the pixels
to the answer.

Where we differ from the paper, and why:

- ``forward`` returns scores, minus the paper's distances, so that the largest wins here as in every
  other network. The ``output`` layer returns the distances themselves.
- The layer F6 is written as a 1x1 convolution. On the paper's 32x32 input it is the full connection
  that the paper has; on a larger input it slides with C5, as section VII replicates the network.
- The 7x12 drawings behind the output codes are ours. Known from the paper (section II.B, Fig. 3):
  their size, their two values, and that they are stylised characters drawn by hand, so that
  characters which look alike have codes that are alike. Its pixels are not given as numbers.
  ``DIGITS`` keeps the style: strokes two pixels wide, as wide as the box, and two empty rows at
  the foot, which other characters need for their tails.

``ModernLeNet`` is no paper's network: the same plan with what later became usual.
"""

import torch
from torch import Tensor, nn

from cnnlib.layers import EuclideanRBF, ScaledTanh, Subsampling, TableConv2d, uniform_by_fan_in_

# Table I of the paper. A row is a map of S2, a column a map of C3; an X joins them.
# Read it by columns: six runs of three neighbours, six runs of four, three split fours, all six.
C3_TABLE = (
    "X...XXX..XXXX.XX",
    "XX...XXX..XXXX.X",
    "XXX...XXX..X.XXX",
    ".XXX..XXXX..X.XX",
    "..XXX..XXXX.XX.X",
    "...XXX..XXXX.XXX",
)

# The ten target codes, 7 wide and 12 high; # is +1 (ink), . is -1 (paper).
DIGITS = """
..###.. ...##.. .#####. .#####. ....##. ####### ..####. ####### .#####. .#####.
.##.##. ..###.. ##...## ##...## ...###. ##..... .##.... .....## ##...## ##...##
##...## .####.. .....## .....## ..####. ##..... ##..... .....## ##...## ##...##
##...## ...##.. .....## .....## .##.##. ##..... ##..... ....##. ##...## ##...##
##...## ...##.. ....##. ..####. ##..##. ######. ######. ....##. .#####. .######
##...## ...##.. ...##.. .....## ##..##. .....## ##...## ...##.. ##...## .....##
##...## ...##.. ..##... .....## ####### .....## ##...## ...##.. ##...## .....##
##...## ...##.. .##.... .....## ....##. .....## ##...## ..##... ##...## .....##
.##.##. ...##.. ##..... ##...## ....##. ##...## ##...## ..##... ##...## ....##.
..###.. .###### ####### .#####. ....##. .#####. .#####. ..##... .#####. .####..
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
"""


def digit_codes() -> Tensor:
    """The target codes of the digits 0 to 9: (10, 84), +1 for ink and -1 for paper.

    A code is its drawing read row by row: ``digit_codes().view(10, 12, 7)`` shows the pictures.
    """
    rows = [line.split() for line in DIGITS.split("\n") if line]  # 12 rows of 10 pieces
    drawings = ["".join(pieces) for pieces in zip(*rows, strict=True)]
    return torch.tensor([[1.0 if mark == "#" else -1.0 for mark in code] for code in drawings])


class LeNet5(nn.Module):
    """The network of Fig. 2: 60,000 trained parameters, 340,908 connections.

    Input (N, 1, 32, 32), scaled as the paper has it: paper -0.1, ink 1.175
    (:func:`cnnlib.weights.preprocess` does so). Returns scores (N, 10): minus the squared distance
    from F6's 84 values to each class's code. The largest score is the answer; a perfect match
    scores 0.

    On a larger input the network slides. Four pixels more in height or width give one more row or
    column of answers, and the scores have shape (N, 10, rows, columns).
    """

    def __init__(self) -> None:
        super().__init__()
        table = [[mark == "X" for mark in row] for row in C3_TABLE]
        self.c1 = nn.Sequential(nn.Conv2d(1, 6, kernel_size=5), ScaledTanh())
        self.s2 = nn.Sequential(Subsampling(6), ScaledTanh())
        self.c3 = nn.Sequential(TableConv2d(table, kernel_size=5), ScaledTanh())
        self.s4 = nn.Sequential(Subsampling(16), ScaledTanh())
        self.c5 = nn.Sequential(nn.Conv2d(16, 120, kernel_size=5), ScaledTanh())
        self.f6 = nn.Sequential(nn.Conv2d(120, 84, kernel_size=1), ScaledTanh())
        self.output = EuclideanRBF(digit_codes())
        for stage in (self.c1, self.c5, self.f6):
            conv = stage[0]
            fan_in = conv.weight[0].numel()
            uniform_by_fan_in_(conv.weight, fan_in)
            uniform_by_fan_in_(conv.bias, fan_in)

    def forward(self, x: Tensor) -> Tensor:
        x = self.c1(x)  # (N, 6, 28, 28)
        x = self.s2(x)  # (N, 6, 14, 14)
        x = self.c3(x)  # (N, 16, 10, 10)
        x = self.s4(x)  # (N, 16, 5, 5)
        x = self.c5(x)  # (N, 120, 1, 1)
        x = self.f6(x)  # (N, 84, 1, 1)
        scores = -self.output(x)  # (N, 10, 1, 1)
        return scores.flatten(1) if scores.shape[2:] == (1, 1) else scores


class ModernLeNet(nn.Module):
    """LeNet-5's plan with today's parts: ReLU, max pooling, every map read, a linear output.

    Input (N, 1, 32, 32), scaled as LeNet-5's. Returns logits (N, num_classes). With ten classes
    it has 61,706 parameters: C3 reads all maps (900 kernel weights more), the pools have none, and
    the output is trained. Other inputs, (N, in_channels, size, size), give fc3 another grid to
    read.
    """

    def __init__(self, num_classes: int = 10, *, in_channels: int = 1, size: int = 32) -> None:
        super().__init__()
        grid = ((size - 4) // 2 - 4) // 2
        self.conv1 = nn.Conv2d(in_channels, 6, kernel_size=5)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.fc3 = nn.Linear(16 * grid * grid, 120)
        self.relu3 = nn.ReLU()
        self.fc4 = nn.Linear(120, 84)
        self.relu4 = nn.ReLU()
        self.fc5 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.relu1(self.conv1(x)))  # (N, 6, 14, 14)
        x = self.pool2(self.relu2(self.conv2(x)))  # (N, 16, 5, 5)
        x = self.relu3(self.fc3(self.flatten(x)))  # (N, 120)
        x = self.relu4(self.fc4(x))  # (N, 84)
        return self.fc5(x)  # (N, num_classes)


def small_lenet(num_classes: int = 40) -> ModernLeNet:
    """The modern LeNet for 64x64 colour images: the same maps and units, fc3 reads a 13x13 grid."""
    return ModernLeNet(num_classes, in_channels=3, size=64)
