"""Ranks and their correlation, by hand and by counting."""

import pytest
import torch
from torch import Tensor

from cnnlib.ranks import rank_correlation, rank_values


def test_equal_values_share_their_ranks():
    values = torch.tensor([[3.0, 1.0, 3.0, 0.0], [0.0, 0.0, 5.0, 1.0]])
    assert rank_values(values).tolist() == [[3.5, 2, 3.5, 1], [1.5, 1.5, 4, 3]]


def test_rank_correlation_by_hand():
    one = torch.tensor([[1.0, 2, 3, 4], [4, 3, 2, 1], [1, 1, 2, 3], [5, 5, 5, 5]])
    other = torch.tensor([[10.0, 20, 30, 99], [1, 2, 3, 4], [1, 2, 3, 3], [1, 2, 3, 4]])
    found = rank_correlation(one.view(4, 1, 2, 2), other.view(4, 1, 2, 2))
    # Ranks less their mean: -1 -1 .5 1.5 and -1.5 -.5 1 1, so 4 / 4.5.
    assert found[:3].tolist() == pytest.approx([1, -1, 4 / 4.5]) and found[3].isnan()


def test_rank_correlation_is_pearsons_of_counted_ranks():
    torch.manual_seed(0)
    one, other = torch.randint(0, 6, (3, 40)).float(), torch.randn(3, 40)

    def ranks(values: Tensor) -> Tensor:
        below = (values[None] < values[:, None]).sum(1)
        return below + ((values[None] == values[:, None]).sum(1) + 1) / 2

    expected = [
        torch.corrcoef(torch.stack([ranks(a), ranks(b)]))[0, 1].item()
        for a, b in zip(one, other, strict=True)
    ]
    assert rank_correlation(one, other).tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("one, other", [((1, 4), (1, 5)), ((4,), (4,))])
def test_maps_that_do_not_fit_are_named(one, other):
    with pytest.raises(ValueError, match="expected two maps of one shape"):
        rank_correlation(torch.rand(one), torch.rand(other))
