"""What an arm costs, so that a table can print it beside the result."""

import torch
from torch import nn

from cnnlib.trace import trace


def count_cost(network: nn.Module, input_shape: tuple[int, ...]) -> dict:
    """Work, map sizes and width of a network, counted by ``cnnlib.trace`` for one input.

    ``input_shape`` is (C, H, W). ``macs`` are the multiply-adds for one image; ``maps`` the heights
    of the convolutions' maps, each size once, in the order they appear; ``widest`` the largest
    number of channels that a convolution puts out; ``convolutions`` how many there are.
    """
    rows = trace(network, (1, *input_shape))
    convs = [row for row in rows if row.kind.startswith("Conv") and len(row.out_shape) == 4]
    return {
        "macs": sum(row.macs for row in rows),
        "maps": list(dict.fromkeys(row.out_shape[2] for row in convs)),
        "widest": max((row.out_shape[1] for row in convs), default=0),
        "convolutions": len(convs),
    }


def count_cost_of_build(build, classes: int, input_shape: tuple[int, ...]) -> dict:
    """:func:`count_cost` the network that ``build`` makes, without touching any random state."""
    with torch.device("meta"):
        return count_cost(build(classes), input_shape)
