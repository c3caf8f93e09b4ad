"""Links of a dense block that are cut: a case whose answer is known by how its weights are set."""

import pytest
import torch

from cnnlib.experiments.clothes import HalfSize, small_se_resnet
from cnnlib.experiments.links import cut_each_link, cut_links, move_scores
from cnnlib.layers import small_stem
from cnnlib.models.densenet import DenseNet


@pytest.fixture
def network():
    """One block of three layers; the third reads the block's input alone."""
    torch.manual_seed(0)
    network = DenseNet((3,), growth_rate=4, num_classes=3, stem=small_stem).eval()
    network.features.block1.layer3.conv1.weight.data[:, 8:] = 0
    return network


def test_a_link_that_nobody_reads_changes_nothing_when_cut(network):
    inputs = torch.randn(60, 3, 9, 7) + 3 * torch.randn(60, 3, 1, 1)
    with torch.no_grad():
        labels = network(inputs).argmax(dim=1)
    found = cut_links(network, inputs, labels)
    assert (found["images"], found["right"]) == (60, 60) and list(found["blocks"]) == ["block1"]
    links = {(link["source"], link["reader"]): link for link in found["blocks"]["block1"]}
    assert list(links) == [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    assert [link["maps"] for link in links.values()] == [8, 8, 4, 8, 4, 4]
    assert all(links[source, 3]["changed"] == 0 for source in (1, 2))
    assert links[0, 1]["changed"] > 0 and links[0, 3]["changed"] > 0
    assert all(60 - link["right"] == link["changed"] for link in links.values())


def test_a_cut_keeps_the_mean_so_pictures_that_are_all_alike_lose_nothing(network):
    inputs = torch.ones(4, 3, 9, 7) * torch.tensor([1.0, -1.0, 0.5])[:, None, None]
    network.features.conv0 = torch.nn.Conv2d(3, 8, kernel_size=1, bias=False)  # no border
    for layer in network.features.block1:
        layer.conv2 = torch.nn.Conv2d(16, 4, kernel_size=1, bias=False)
    before = network(inputs)
    found = cut_links(network, inputs, before.argmax(dim=1))
    assert all(link["changed"] == 0 for link in found["blocks"]["block1"])
    assert torch.equal(network(inputs), before), "the hooks are gone"


def test_scores_move_by_what_a_cut_changes_of_what_tells_images_apart(network):
    inputs = torch.randn(6, 3, 9, 7)
    table = move_scores(network, inputs)["block1"]
    assert table.shape == (3, 3) and table.isnan().nonzero().tolist() == [[1, 0], [2, 0], [2, 1]]
    assert table[0, 0] > 0 and table[1:, 2].tolist() == [0, 0]
    with torch.no_grad():
        network.classifier.weight *= 7
        assert torch.allclose(table, move_scores(network, inputs)["block1"], equal_nan=True)
        network.classifier.weight.zero_()
    with pytest.raises(ValueError, match="inputs: expected images that the network tells apart"):
        move_scores(network, inputs)


def test_of_a_source_only_the_first_maps_are_cut(network):
    layer = network.features.block1.layer2
    with torch.no_grad():
        layer.conv1.weight[:, 2:8] = 0
    inputs = torch.randn(6, 3, 9, 7)
    whole, part = (move_scores(network, inputs, most=most)["block1"] for most in (None, 2))
    assert whole[0, 1] == part[0, 1] > 0 and whole[0, 2] > part[0, 2] > 0
    maps = [link.maps for link, _ in cut_each_link(network, inputs, most=5)]
    assert maps == [5, 5, 4, 5, 4, 4]
    with pytest.raises(ValueError, match="most=0: expected 1 or more maps"):
        move_scores(network, inputs, most=0)


def test_half_size_is_means_of_two_by_two_in_three_equal_channels():
    x = torch.randn(2, 1, 28, 28)
    halved = HalfSize()(x)
    assert halved.shape == (2, 3, 14, 14) and torch.equal(halved[:, 0], halved[:, 2])
    torch.testing.assert_close(halved[1, 0, 3, 5], x[1, 0, 6:8, 10:12].mean())


def test_unknown_place_of_a_gate_is_refused():
    with pytest.raises(ValueError, match="gate='twig': expected 'branch', 'trunk' or 'opened'"):
        small_se_resnet(gate="twig")
