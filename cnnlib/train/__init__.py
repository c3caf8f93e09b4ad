"""The recipe behind every weight file: ``python -m cnnlib.train KEY``.

Trains the network KEY and writes ``KEY.safetensors`` with ``KEY.json``: the recipe, the SHA-256,
one log entry an epoch, and the accuracy on the held-out images. Nothing is chosen by looking at
those: the recipe is fixed, and the last epoch is the one that is kept.

The same seed gives the same weights, bit for bit, on the same machine with the same number of
threads and processes. Every epoch starts from a seed of its own, so a run that was stopped and
resumed gives the same weights as one that was not. Several processes share each batch:
``torchrun --nproc-per-node=2 -m cnnlib.train KEY``.
"""

from cnnlib.train.augmentation import Augmentation, augment
from cnnlib.train.losses import loss_of, map_criterion
from cnnlib.train.recipes import DEVIATIONS, RECIPES, Deviation, Recipe
from cnnlib.train.run import Run, fit, learning_rate, make_optimiser
from cnnlib.train.weight_files import train, write_weights

__all__ = [
    "DEVIATIONS",
    "RECIPES",
    "Augmentation",
    "Deviation",
    "Recipe",
    "Run",
    "augment",
    "fit",
    "learning_rate",
    "loss_of",
    "make_optimiser",
    "map_criterion",
    "train",
    "write_weights",
]
