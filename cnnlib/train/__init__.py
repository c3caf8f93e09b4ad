"""The recipe behind every weight file: ``python -m cnnlib.train KEY``.

Trains the network KEY and writes ``KEY.safetensors`` with ``KEY.json``: the recipe, the SHA-256,
one log entry an epoch, and the accuracy on the held-out images. Nothing is chosen by looking at
those: the recipe is fixed, and the last epoch is the one that is kept.

The same seed gives the same weights, bit for bit, on the same machine with the same number of
threads and processes. Every epoch starts from a seed of its own, so a run that was stopped and
resumed gives the same weights as one that was not. Several processes share each batch:
``torchrun --nproc-per-node=2 -m cnnlib.train KEY``.
"""

from cnnlib.train.augmentation import Augmentation, augment, crop_randomly
from cnnlib.train.colour import ColourAxes, find_colour_axes, shift_colours
from cnnlib.train.loop import descend, draw_batches, fit_network
from cnnlib.train.losses import compute_loss, map_criterion
from cnnlib.train.recipes import DEVIATIONS, RECIPES, Deviation, Recipe
from cnnlib.train.run import Run, fit, make_optimiser, schedule_rate
from cnnlib.train.warping import draw_displacements, warp
from cnnlib.train.weight_files import train, write_weights

__all__ = [
    "DEVIATIONS",
    "RECIPES",
    "Augmentation",
    "ColourAxes",
    "Deviation",
    "Recipe",
    "Run",
    "augment",
    "compute_loss",
    "crop_randomly",
    "descend",
    "draw_batches",
    "draw_displacements",
    "find_colour_axes",
    "fit",
    "fit_network",
    "make_optimiser",
    "map_criterion",
    "schedule_rate",
    "shift_colours",
    "train",
    "warp",
    "write_weights",
]
