"""What dropout buys a small network on few images, beside masks averaged and nets bagged.

500 pieces of clothing, halved to 14x14 inside the network. Rates are searched for every strength:
seed 1 ran at each of them, the other seeds at its best (:func:`find_best_rates`).
"""

from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlib.experiments.experiment import Arm, Experiment
from cnnlib.experiments.measures import prepare_inputs
from cnnlib.experiments.packing import pack_bits
from cnnlib.train import Recipe, Run
from cnnlib.weights import Preprocessing

STRENGTHS = (0.0, 0.1, 0.25, 0.5, 0.75)  # the share of the units that is dropped
RATES = (0.001, 0.003, 0.01, 0.03)
MASKS = (1, 2, 5, 20, 100)
MEMBERS = 5
FEW_CLOTHES = Recipe(
    Preprocessing("grey", 28, 28, (73.1,), (84.5,)),
    "fashion",
    epochs=60,
    batch_size=50,
    learning_rate=0.003,
    limit=500,
)


def dropped_net(num_classes: int, dropped: float = 0.0) -> nn.Sequential:
    """Two convolutions, then two linear layers with dropout before each; grey 28x28 images.

    Krizhevsky et al. 2012 (section 4.2) drop in their first two fully connected layers; here it
    stands before each of the two, so that ``body`` throws no dice and ``head`` does.
    """
    body = nn.Sequential(
        nn.AvgPool2d(2),  # (N, 1, 14, 14)
        nn.Conv2d(1, 8, kernel_size=3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, kernel_size=3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),  # (N, 256)
    )
    head = nn.Sequential(
        nn.Dropout(dropped),
        nn.Linear(256, 128),
        nn.ReLU(),
        nn.Dropout(dropped),
        nn.Linear(128, num_classes),
    )
    return nn.Sequential(OrderedDict(body=body, head=head))


class Bag(nn.Module):
    """Several networks of one build; scores are the logarithm of their mean probabilities."""

    def __init__(self, num_classes: int, members: int = MEMBERS) -> None:
        super().__init__()
        self.members = nn.ModuleList(dropped_net(num_classes) for _ in range(members))

    def forward(self, x: Tensor) -> Tensor:
        return mean_probabilities([member(x) for member in self.members]).log()


def mean_probabilities(scores: list[Tensor]) -> Tensor:
    """The mean of several networks' probabilities, (N, K), from the scores of each."""
    return torch.stack(scores).softmax(dim=2).mean(dim=0).clamp_min(1e-12)


class BaggedRun(Run):
    """Each member on a set of its own, drawn with replacement, as large as the whole.

    An image that a member's draw holds twice counts twice in that member's loss, one that it lacks
    not at all (Breiman 1996). The loss is the sum over the members, so that none feels another.
    """

    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        generator = torch.Generator().manual_seed(self.recipe.seed)
        count = len(self.labels)
        self.times = torch.stack(  # (members, images)
            [
                torch.randint(count, (count,), generator=generator).bincount(minlength=count)
                for _ in self.model.members
            ]
        ).to(self.labels.device)

    def inputs(self, batch: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        self.batch = batch.to(self.labels.device)
        return super().inputs(batch, generator)

    def answer(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        scores = [member(inputs) for member in self.model.members]
        prices = torch.stack([F.cross_entropy(s, labels, reduction="none") for s in scores])
        loss = (prices * self.times[:, self.batch]).mean(dim=1).sum()
        return loss, mean_probabilities(scores).log()


def judge(probabilities: Tensor, labels: Tensor) -> dict[str, float]:
    """The share that is right, and the cross-entropy."""
    right = (probabilities.argmax(dim=1) == labels).float().mean().item()
    loss = F.nll_loss(probabilities.clamp_min(1e-12).log(), labels).item()
    return {"right": round(right, 4), "loss": round(loss, 4)}


@torch.no_grad()
def measure_masks(run: Run) -> dict:
    """``seen`` and ``new``: share right and cross-entropy on training and test images, nothing
    dropped and the weights scaled.

    Where the network drops units, ``masks`` maps each number of :data:`MASKS` to the same of the
    mean of so many passes with masks, on the test images; ``geometric`` is that of the geometric
    mean of the most; ``right`` says which images the arithmetic mean of the most has right;
    ``disagree`` is the share of images that two single passes answer differently.
    """
    network = run.model.eval()
    found = {}
    for name, image_set in (("seen", run.train_set), ("new", run.test_set)):
        inputs, labels = prepare_inputs(run, image_set, len(image_set))
        found[name] = judge(network(inputs).softmax(dim=1), labels)
    if network.head[0].p == 0:
        return found
    features = network.body(inputs)
    torch.manual_seed(run.recipe.seed)
    network.head.train()
    total, logs, single, masks = 0, 0, [], {}
    for count in range(1, max(MASKS) + 1):
        shares = network.head(features).log_softmax(dim=1)
        total, logs = total + shares.exp(), logs + shares
        if count <= 2:
            single.append(shares.argmax(dim=1))
        if count in MASKS:
            masks[str(count)] = judge(total / count, labels)
    network.eval()
    return found | {
        "masks": masks,
        "geometric": judge((logs / count).softmax(dim=1), labels),
        "right": pack_bits((total.argmax(dim=1) == labels).numpy()),
        "disagree": round((single[0] != single[1]).float().mean().item(), 4),
    }


@torch.no_grad()
def measure_bag(run: Run) -> dict:
    """``members`` maps 1, 2 and all to share right and cross-entropy of the mean of so many.

    ``each`` is the share right of every member, ``disagree`` the share of images that the first two
    answer differently, all on the test images; ``seen`` is the whole bag on the training images.
    """
    bag = run.model.eval()
    seen, seen_labels = prepare_inputs(run, run.train_set, len(run.train_set))
    inputs, labels = prepare_inputs(run, run.test_set, len(run.test_set))
    scores = [member(inputs) for member in bag.members]
    counts = (1, 2, len(scores))
    answers = torch.stack(scores).argmax(dim=2)
    return {
        "seen": judge(bag(seen).exp(), seen_labels),
        "members": {str(n): judge(mean_probabilities(scores[:n]), labels) for n in counts},
        "each": [round(share, 4) for share in (answers == labels).float().mean(dim=1).tolist()],
        "disagree": round((answers[0] != answers[1]).float().mean().item(), 4),
    }


DROPPING_EXPERIMENTS: dict[str, Experiment] = {
    "dropping": Experiment(
        "Does dropout lower the error on new images where training images are few, and at which "
        "strength? Is it a bag of networks?",
        "Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014, sections 7.3 to 7.5.",
        {
            f"dropped{strength}_rate{rate}": Arm(
                partial(dropped_net, dropped=strength), {"learning_rate": rate}, measure_masks
            )
            for strength in STRENGTHS
            for rate in RATES
        },
        FEW_CLOTHES,
        seeds=4,
        differs="The rate, which is each strength's own best; steps and weights are the same.",
        look_every=20,
    ),
    "bagging": Experiment(
        "Five networks, each trained on a draw of the images: what does their mean gain?",
        "Breiman 1996; beside the experiment on dropout.",
        {"bag": Arm(Bag, {"learning_rate": 0.01}, measure_bag, run=BaggedRun)},
        FEW_CLOTHES,
        seeds=3,
        differs="A bag has five times the weights and the work; its rate is the single network's.",
        look_every=20,
    ),
}
