"""What distorted copies of few training images buy, and which copies cost.

500 digits, or 500 clothes, 28x28. One small network throughout; the test images are as they are.
"""

import torch

from cnnlib.experiments.experiment import Arm, Experiment
from cnnlib.experiments.measures import prepare_inputs
from cnnlib.experiments.rotation import convolutions
from cnnlib.train import Augmentation, Recipe, Run
from cnnlib.weights import Preprocessing

WAYS: dict[str, Augmentation | None] = {
    "as_they_are": None,
    "shifted": Augmentation(shift=2),
    "mirrored": Augmentation(mirror=True),
    "turned_10": Augmentation(degrees=10),
    "turned_180": Augmentation(degrees=180),
}
# Pixels' mean and deviation: of the digits that ship, and of the clothes.
FEW_DIGITS = Recipe(
    Preprocessing("grey", 28, 28, (33.3,), (78.6,)),
    "digits",
    epochs=80,
    batch_size=50,
    learning_rate=5e-3,
    limit=500,
)
FEW_PIECES = Recipe(
    Preprocessing("grey", 28, 28, (73.0,), (90.2,)),
    "fashion",
    epochs=80,
    batch_size=50,
    learning_rate=5e-3,
    limit=500,
)


@torch.no_grad()
def measure_seen(run: Run) -> dict:
    """``seen``: the share of training images, not distorted, that are right after training."""
    network = run.model.eval()
    inputs, labels = prepare_inputs(run, run.train_set, len(run.train_set))
    return {"seen": round((network(inputs).argmax(dim=1) == labels).float().mean().item(), 4)}


def _few(pieces: str, recipe: Recipe) -> Experiment:
    return Experiment(
        f"500 {pieces} and distorted copies of them: which copies lower the test error?",
        "A check of what is said of augmentation: Krizhevsky, Sutskever & Hinton 2012, section "
        "4.1; Simard, Steinkraus & Platt 2003, section 2.",
        {
            way: Arm(convolutions, {"augmentation": by} if by else {}, measure_seen)
            for way, by in WAYS.items()
        },
        recipe,
        seeds=3,
        differs="Nothing: every arm has the same network, rate and number of steps.",
        look_every=20,
    )


DISTORTION_EXPERIMENTS: dict[str, Experiment] = {
    "distorted_digits": _few("digits", FEW_DIGITS),
    "distorted_clothes": _few("clothes", FEW_PIECES),
}
