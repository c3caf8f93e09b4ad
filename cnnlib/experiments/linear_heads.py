"""How much of what one asks for can be read off a layer by a straight line: logistic regression.

A layer gives tens of thousands of features for some thousand images. A linear classifier with a
penalty on its weights' length needs only the images' products with one another: so the features
are turned, with nothing lost, into as many numbers an image as there are training images.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

PENALTIES = (10.0, 1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5)  # of the weights' squares, strong to weak


class Heads(NamedTuple):
    """A fitted head's answers, and how its penalty was found.

    ``right`` says which test images were right, bool (M,); ``penalty`` is the one that was taken,
    ``held_out`` maps each that was tried to the share of held-out training images right.
    """

    right: Tensor
    penalty: float
    held_out: dict[float, float]

    @property
    def bracketed(self) -> bool:
        """Whether the penalty lies inside the grid."""
        return min(self.held_out) < self.penalty < max(self.held_out)


def turn_features(features: Tensor, count: int) -> Tensor:
    """The same images with at most ``count`` numbers each: float32, (N, ``count`` or fewer).

    ``features`` is (N, D); the first ``count`` images are those to learn from. They are moved so
    that their mean is 0, and scaled so that their mean square length is 1. Where D is larger than
    ``count``, all products of an image with those to learn from stay what they are.
    """
    x = features - features[:count].mean(dim=0)
    x = x / x[:count].square().sum(dim=1).mean().sqrt().clamp(min=1e-12)
    if x.shape[1] <= count:
        return x
    x = x.double()  # of products in float32 the factors below would not exist
    products = x[:count] @ x[:count].T
    products.diagonal().add_(1e-6 * products.diagonal().mean())  # their sum is 0: one is too much
    lower = torch.linalg.cholesky(products)
    turned = torch.linalg.solve_triangular(lower, x[:count] @ x[count:].T, upper=False)
    return torch.cat([lower, turned.T]).float()


def fit_path(x: Tensor, labels: Tensor, penalties: Sequence[float]) -> list[Tensor]:
    """Logistic regression at each penalty, each begun from the one before: weights (D + 1, K).

    What is made least is the mean cross-entropy plus penalty / 2 times the mean square length of
    the weights, over N; the last row, the bias, costs nothing. ``x`` is (N, D), ``labels`` (N,).
    """
    classes = int(labels.max()) + 1
    inputs = torch.cat([x, x.new_ones(len(x), 1)], dim=1)
    weights = torch.zeros(inputs.shape[1], classes, requires_grad=True)
    found = []
    for penalty in penalties:
        optimiser = torch.optim.LBFGS(
            [weights], max_iter=60, tolerance_grad=1e-5, line_search_fn="strong_wolfe"
        )

        def closure(optimiser=optimiser, penalty=penalty) -> Tensor:
            optimiser.zero_grad()
            loss = F.cross_entropy(inputs @ weights, labels)
            loss = loss + penalty / (2 * len(x)) * weights[:-1].square().sum()
            loss.backward()
            return loss

        optimiser.step(closure)
        found.append(weights.detach().clone())
    return found


def classify(x: Tensor, weights: Tensor) -> Tensor:
    """The class that a head of :func:`fit_path` gives each image: int64, (N,)."""
    return (x @ weights[:-1] + weights[-1]).argmax(dim=1)


def fit_head(
    features: Tensor, labels: Tensor, count: int, penalties: Sequence[float] = PENALTIES
) -> Heads:
    """A linear head learnt on the first ``count`` images and tried on the others.

    The last fifth of the images to learn from is held out to choose the penalty; then all are
    learnt from. ``features`` is (N, D), ``labels`` int64, (N,).
    """
    x = turn_features(features, count)
    part = count - count // 5
    known, held = slice(0, part), slice(part, count)
    shares = {}
    for penalty, weights in zip(
        penalties, fit_path(x[known], labels[known], penalties), strict=True
    ):
        shares[penalty] = (classify(x[held], weights) == labels[held]).double().mean().item()
    best = max(shares, key=shares.get)  # of equal ones the stronger
    way = [penalty for penalty in penalties if penalty >= best]
    weights = fit_path(x[:count], labels[:count], way)[-1]
    return Heads(classify(x[count:], weights) == labels[count:], best, shares)
