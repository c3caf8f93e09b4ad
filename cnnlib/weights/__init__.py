"""Trained weights that ship, each with what it takes to use it and to trust it.

``WEIGHTS`` maps a key of ``NETWORKS`` to its :class:`WeightFile`. All that a record says lies in
``KEY.json`` beside ``KEY.safetensors``; ``python -m cnnlib.train KEY`` writes the pair, and
``python -m cnnlib.weights verify`` measures the accuracy anew.
"""

from cnnlib.weights.measuring import measure, measure_accuracy
from cnnlib.weights.preprocessing import Preprocessing
from cnnlib.weights.records import WEIGHTS, WeightFile, load_weights, preprocess
from cnnlib.weights.snapshots import load_snapshots
from cnnlib.weights.torchvision import from_torchvision, load_torchvision

__all__ = [
    "WEIGHTS",
    "Preprocessing",
    "WeightFile",
    "from_torchvision",
    "load_snapshots",
    "load_torchvision",
    "load_weights",
    "measure",
    "measure_accuracy",
    "preprocess",
]
