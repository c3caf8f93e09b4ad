"""How the weights of a layer start."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def uniform_by_fan_in_(weight: Tensor, fan_in: int) -> Tensor:
    """Fill ``weight`` in place, uniformly between -2.4 / fan_in and 2.4 / fan_in.

    ``fan_in`` is the number of inputs that one unit reads. The more inputs are summed, the smaller
    each weight has to be for the sum to stay where the tanh is still steep (LeCun et al. 1998,
    appendix A). Returns ``weight``. Raises ``ValueError`` if ``fan_in`` is below 1.
    """
    if fan_in < 1:
        raise ValueError(f"fan_in={fan_in}: expected 1 or more inputs")
    return weight.uniform_(-2.4 / fan_in, 2.4 / fan_in)


def he_normal_(network: nn.Module) -> None:
    """Fill every convolution of ``network`` in place, from N(0, 2 / fan_out).

    ``fan_out`` is the number of outputs that one input feeds, without strides: kernel height times
    width times output channels. Behind a ReLU this keeps the size of the gradient from layer to
    layer (He et al. 2015, "Delving deep into rectifiers", section 2.2). Biases and other layers
    stay as they are.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
