"""Who recognises turned clothes: with convolutions and without, shown upright or turned.

Clothes of 28x28 in the middle of 40x40 empty pixels, so that none is cut off at any angle.
"""

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlib.experiments.experiment import Arm, Experiment
from cnnlib.experiments.measures import prepare_inputs
from cnnlib.train import Augmentation, Recipe, Run
from cnnlib.weights import Preprocessing

SIDE = 40  # 28 times the square root of 2 is 39.6
ANGLES = (0, 10, 20, 30, 45, 60, 90, 135, 180)
UPRIGHT = Recipe(
    Preprocessing("grey", SIDE, SIDE, (0.0,), (90.0,)),
    "fashion",
    epochs=12,
    batch_size=64,
    learning_rate=5e-3,
    limit=3000,
)


def linear(num_classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, num_classes))


def hidden_layer(num_classes: int, hidden: int = 128) -> nn.Module:
    head = nn.Linear(hidden, num_classes)
    return nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, hidden), nn.ReLU(), head)


def convolutions(num_classes: int, *, keep_places: bool = True) -> nn.Module:
    """Three convolutions, then 2x2 means of their maps; without ``keep_places`` one mean a map."""
    grid = 2 if keep_places else 1
    return nn.Sequential(
        nn.Conv2d(1, 8, kernel_size=5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(8, 16, kernel_size=3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(grid),
        nn.Flatten(),
        nn.Linear(32 * grid * grid, num_classes),
    )


def turn(images: Tensor, degrees: float) -> Tensor:
    """Images, (N, C, H, W), turned anticlockwise about their middle; 0 comes in from outside."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rows = torch.tensor([[[cos, -sin, 0.0], [sin, cos, 0.0]]], device=images.device)
    grid = F.affine_grid(rows.expand(len(images), -1, -1), images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


@torch.no_grad()
def measure_turned(run: Run) -> dict:
    """``turned`` maps each of ``ANGLES``, as text, to the share of test images that are right."""
    network = run.model.eval()
    inputs, labels = prepare_inputs(run, run.test_set, len(run.test_set))
    shares = {}
    for angle in ANGLES:
        right = sum(
            (network(turn(part, angle)).argmax(dim=1) == own).sum().item()
            for part, own in zip(inputs.split(500), labels.split(500), strict=True)
        )
        shares[str(angle)] = round(right / len(labels), 4)
    return {"turned": shares}


def _shown(most: float, **options) -> Arm:
    """The network with convolutions, each picture turned at random by up to ``most`` degrees."""
    changes = {"augmentation": Augmentation(degrees=most)} if most else {}
    return Arm(partial(convolutions, **options), changes, measure_turned)


ROTATION_EXPERIMENTS: dict[str, Experiment] = {
    "rotation": Experiment(
        "Who recognises a turned picture: by its architecture, and by what it was shown?",
        "A check of what is said of equivariance and rotation; Zeiler & Fergus 2014, Fig. 5.",
        {
            "linear": Arm(linear, measure=measure_turned),
            "hidden_layer": Arm(hidden_layer, measure=measure_turned),
            "convolutions": _shown(0),
            "convolutions_one_mean": _shown(0, keep_places=False),
            "convolutions_turned_45": _shown(45),
            "convolutions_turned_180": _shown(180),
        },
        UPRIGHT,
        seeds=3,
        differs="The networks' parameters, and what one mean a map leaves of the head's weights.",
        look_every=2,
    ),
}
