"""What a training step makes small."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnlib.train.recipes import Recipe


def map_criterion(scores: Tensor, labels: Tensor, rubbish_penalty: float) -> Tensor:
    """The loss of LeNet-5: LeCun et al. 1998, equation 9, averaged over the batch.

    With the penalties ``y = -scores`` and the right class ``D`` an image costs
    ``y_D + log(exp(-j) + sum_i exp(-y_i))``, where ``j`` is ``rubbish_penalty``. That is
    cross-entropy over one class more, "rubbish", whose score is always ``-j``. The first term
    pulls the right penalty down, the second pushes all others up; ``j`` is where pushing ends,
    for a class that is much farther away than ``j`` hardly counts in the sum.

    ``scores`` is (N, K), ``labels`` (N,). Never negative.
    """
    rubbish = scores.new_full((len(scores), 1), -rubbish_penalty)
    return F.cross_entropy(torch.cat([scores, rubbish], dim=1), labels)


def compute_loss(outputs: Tensor | tuple[Tensor, ...], labels: Tensor, recipe: Recipe) -> Tensor:
    """The loss of a batch, as the recipe has it.

    ``outputs`` is what the network returned in training: scores (N, K) or, from a network with
    auxiliary heads, a tuple of them, the main classifier's first. A head's loss counts
    ``recipe.auxiliary_weight`` times.
    """
    scores, *extra = (outputs,) if isinstance(outputs, Tensor) else outputs

    def cost(scores: Tensor) -> Tensor:
        if recipe.rubbish_penalty is not None:
            return map_criterion(scores, labels, recipe.rubbish_penalty)
        return F.cross_entropy(scores, labels, label_smoothing=recipe.label_smoothing)

    return cost(scores) + recipe.auxiliary_weight * sum(cost(more) for more in extra)
