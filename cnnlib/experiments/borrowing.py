"""VGG's way to start a deep net (Simonyan & Zisserman 2015, section 3.1), in small.

Nets A and D with an eighth of the channels learn 2,000 pieces of clothing by plain gradient descent
with momentum, at one rate. D starts from Glorot's draw, from He's, or from Glorot's with the first
four convolutions and the three linear layers of a net A that has learned.
"""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD

from cnnlib.experiments.experiment import Arm, Experiment
from cnnlib.experiments.stepping import SteppingRun, constant
from cnnlib.models.vgg import CONFIGURATIONS, VGG
from cnnlib.train import Recipe, Run, fit
from cnnlib.weights import Preprocessing

SHARE = 8  # of the paper's channels a net has one in so many
GREY = Preprocessing("grey", 28, 28, (73.1,), (84.5,))
BLACK = -GREY.mean[0] / GREY.std[0]
LENT = ("conv1_1", "conv2_1", "conv3_1", "conv3_2", "fc6", "fc7", "fc8")
RECIPE = Recipe(
    GREY,
    "fashion",
    epochs=8,
    batch_size=32,
    optimiser="sgd",
    learning_rate=0.003,
    weight_decay=0.0,
    limit=2000,
)
START: dict = {"glorot": nn.init.xavier_normal_, "he": nn.init.kaiming_normal_}


class NarrowVGG(VGG):
    """A net of Table 1 with an eighth of the channels and no dropout, for grey 28x28 images."""

    def __init__(self, letter: str, start: str, num_classes: int) -> None:
        words = CONFIGURATIONS[letter].split()
        line = " ".join(str(int(word) // SHARE) if word.isdigit() else word for word in words)
        super().__init__(line, num_classes, hidden=128, grid=1)
        self.drop6.p = self.drop7.p = 0.0
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                START[start](layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 28, 28), black around it, three times as the three colours: (N, num_classes)."""
        return super().forward(F.pad(x, (2, 2, 2, 2), value=BLACK).expand(-1, 3, -1, -1))


def lend_layers(shallow: nn.Module, deep: nn.Module) -> list[str]:
    """Give ``deep`` the weights of the layers ``LENT``; the names of the tensors."""
    taken = {
        name: tensor for name, tensor in shallow.state_dict().items() if name.split(".")[-2] in LENT
    }
    deep.load_state_dict(taken, strict=False)
    return list(taken)


class StartingRun(SteppingRun):
    """A run at one rate that looks at the network before the first step.

    ``begun`` holds the standard deviations of the scores for 32 images, and of the gradient at the
    first layer's weights.
    """

    def __init__(self, *arguments, **options) -> None:
        options |= {"make": partial(SGD, momentum=0.9), "schedule": constant}
        super().__init__(*arguments, **options)
        self.prepare()
        inputs, labels = self.inputs(torch.arange(32), None)
        scores = self.model(inputs)
        first = next(self.model.parameters())
        (gradient,) = torch.autograd.grad(F.cross_entropy(scores, labels), first)
        self.begun = {"scores": scores.std().item(), "gradient": gradient.std().item()}

    def prepare(self) -> None:
        """What happens to the weights before the first step; here nothing."""


class BorrowingRun(StartingRun):
    """A run that first trains a net A, from Glorot's start, as the others are trained."""

    def prepare(self) -> None:
        shallow = StartingRun(
            f"net A for {self.name}",
            partial(NarrowVGG, "A", "glorot"),
            self.recipe,
            look_every=self.recipe.epochs,
        )
        with TemporaryDirectory() as folder:
            fit(shallow, Path(folder) / "checkpoint")
        lend_layers(shallow.model, self.model)


def measure_start(run: Run) -> dict:
    """``scores`` and ``gradient`` before the first step; ``losses``, the mean of every epoch."""
    return run.begun | {"losses": [entry["loss"] for entry in run.log]}


def _arm(letter: str, start: str, run: type[StartingRun] = StartingRun) -> Arm:
    return Arm(partial(NarrowVGG, letter, start), measure=measure_start, run=run)


BORROWING_EXPERIMENTS: dict[str, Experiment] = {
    "borrowing": Experiment(
        "Does a deep net learn if some of its layers come from a shallow one that has learned?",
        "Simonyan & Zisserman 2015, section 3.1.",
        {
            "a_glorot": _arm("A", "glorot"),
            "d_glorot": _arm("D", "glorot"),
            "d_he": _arm("D", "he"),
            "d_borrowed": _arm("D", "glorot", BorrowingRun),
        },
        RECIPE,
        seeds=6,
        differs="The borrowed layers have seen the images before, in net A's 8 epochs.",
        look_every=8,
    ),
}
