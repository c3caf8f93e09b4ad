"""A linear layer on features, trained to its optimum; and each picture read by a head without it.

The weights of a head that starts at zero stay sums of the features it learns from. So all that
training needs is the pictures' products with each other, ``gram`` (N, N), however long the features
are. ``new_head_sums.js`` is the twin.
"""

from typing import NamedTuple

import numpy as np

MOST_STEPS = 3000
SMALL = 2e-5  # length of the gradient at which training ends
FEWEST = 2  # pictures of a class, for one of them to be left out


class Fit(NamedTuple):
    """A trained head, by its coefficients.

    ``coefficients`` (N, K): the weights are their sum over the scaled features. ``bias`` (K,).
    ``losses``: before each step and after the last.
    """

    coefficients: np.ndarray
    bias: np.ndarray
    losses: list[float]


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def scaled(gram: np.ndarray) -> tuple[np.ndarray, float]:
    """The products of features less their mean, divided by the mean squared length; that length."""
    mean = gram.mean(axis=0)
    centred = gram - mean - mean[:, None] + gram.mean()
    length = float(np.trace(centred)) / len(gram) or 1.0
    return centred / length, length


def fit(gram: np.ndarray, labels: np.ndarray, classes: int, penalty: float) -> Fit:
    """The least of cross-entropy and ``penalty / 2`` times the squared weights, by descent.

    Since the features' mean squared length is 1, no direction is steeper than 1/2 + penalty. That
    gives the rate. The momentum is Nesterov's; it begins anew where it leads uphill (O'Donoghue and
    Candes, 2015).
    """
    kernel, _ = scaled(gram)
    aims = np.eye(classes)[labels]
    rate = 1 / (0.5 + penalty)
    a, b = np.zeros((len(gram), classes)), np.zeros(classes)
    ahead_a, ahead_b, count, losses = a, b, 0, []
    for _ in range(MOST_STEPS):
        losses.append(loss(kernel, aims, a, b, penalty))
        wrong = (softmax(kernel @ ahead_a + ahead_b) - aims) / len(gram)
        slope_a, slope_b = wrong + penalty * ahead_a, wrong.sum(axis=0)
        new_a, new_b = ahead_a - rate * slope_a, ahead_b - rate * slope_b
        turned = kernel @ slope_a
        uphill = (turned * (new_a - a)).sum() + (slope_b * (new_b - b)).sum() > 0
        count = 0 if uphill else count + 1
        push = count / (count + 3)
        ahead_a, ahead_b = new_a + push * (new_a - a), new_b + push * (new_b - b)
        a, b = new_a, new_b
        if (turned * slope_a).sum() + (slope_b**2).sum() < SMALL**2:
            break
    losses.append(loss(kernel, aims, a, b, penalty))
    return Fit(a, b, losses)


def loss(
    kernel: np.ndarray, aims: np.ndarray, a: np.ndarray, b: np.ndarray, penalty: float
) -> float:
    turned = kernel @ a
    shares = softmax(turned + b)
    return float(-np.log((shares * aims).sum(axis=1)).mean() + penalty / 2 * (turned * a).sum())


def weights_of(features: np.ndarray, found: Fit) -> tuple[np.ndarray, np.ndarray]:
    """The head as a plain linear layer on unscaled features: weight (K, D) and bias (K,)."""
    mean = features.mean(axis=0)
    centred = features - mean
    length = float((centred**2).sum()) / len(features) or 1.0
    weight = found.coefficients.T @ centred / length
    return weight, found.bias - weight @ mean


def held_out(gram: np.ndarray, labels: np.ndarray, classes: int, penalty: float) -> np.ndarray:
    """(N,): the class that a head trained on all others gives each picture."""
    answers = []
    for out in range(len(gram)):
        rest = np.arange(len(gram)) != out
        inner, mean = gram[np.ix_(rest, rest)], gram[rest, out].mean()
        found = fit(inner, labels[rest], classes, penalty)
        products = gram[rest, out] - inner.mean(axis=0) - mean + inner.mean()
        answers.append((products / scaled(inner)[1] @ found.coefficients + found.bias).argmax())
    return np.array(answers)
