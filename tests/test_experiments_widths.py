"""The grid of widths and depths: what its networks are, and that the logs are the whole grid."""

import pytest
import torch
from torch import nn

from cnnlib.experiments import EXPERIMENTS, load_experiment
from cnnlib.experiments.widths import DEPTHS, WIDTHS, name_arm, plain_network


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_network_has_its_depth_and_its_widths_on_both_sizes_of_map(width, depth):
    network = plain_network(width, depth, 10).eval()
    shapes = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda m, args, out: shapes.append(tuple(out.shape[1:])))
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    half = depth // 2
    assert shapes == [(width, 14, 14)] * half + [(2 * width, 7, 7)] * half


@pytest.mark.parametrize("depth", [0, 1, 3, -2])
def test_an_odd_depth_is_refused(depth):
    with pytest.raises(ValueError, match=f"depth={depth}: expected an even number"):
        plain_network(4, depth, 10)


def test_logs_are_the_whole_grid_with_three_seeds():
    logs = load_experiment("widths")
    grid = {name_arm(width, depth) for width in WIDTHS for depth in DEPTHS}
    assert {log.arm for log in logs} == grid == set(EXPERIMENTS["widths"].arms)
    assert len(logs) == 3 * len(grid)
    costs = {log.arm: (log.parameters, log.cost["macs"]) for log in logs}
    for depth in DEPTHS:  # wider costs more, and deeper does
        of_depth = [costs[name_arm(width, depth)] for width in WIDTHS]
        assert of_depth == sorted(of_depth)
    for width in WIDTHS:
        of_width = [costs[name_arm(width, depth)] for depth in DEPTHS]
        assert of_width == sorted(of_width)
