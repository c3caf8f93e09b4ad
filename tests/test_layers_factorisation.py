"""Kernels as columns times rows: exact where they can be, and no better product exists."""

import pytest
import torch
from torch.nn import functional as F

from cnnlib.layers import factorise, factorised_layers, rank_one


def random(*shape, seed=1):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def relative_error(found, wanted):
    """By its definition: root of the sum of squares of what is missing, over that of the whole."""
    return ((found - wanted) ** 2).sum().sqrt() / (wanted**2).sum().sqrt()


def test_a_product_is_found_exactly():
    sobel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]).double()
    column, row, error = rank_one(sobel)
    assert column.shape == (3, 1) and row.shape == (1, 3)
    torch.testing.assert_close(column @ row, sobel)
    assert error < 1e-12


def test_the_error_of_a_known_case():
    """The diagonal 3, 2, 1 keeps its 3: lost are 2 and 1, root of 5 out of root of 14."""
    column, row, error = rank_one(torch.diag(torch.tensor([3.0, 2, 1]).double()))
    torch.testing.assert_close(column @ row, torch.diag(torch.tensor([3.0, 0, 0]).double()))
    assert error.item() == pytest.approx((5 / 14) ** 0.5)
    assert rank_one(torch.eye(4))[2].item() == pytest.approx(3**0.5 / 2)


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (2, 7)])
def test_the_error_is_what_it_says_and_no_other_product_is_nearer(shape):
    for seed in range(20):
        kernel = random(*shape, seed=seed)
        column, row, error = rank_one(kernel)
        torch.testing.assert_close(error, relative_error(column @ row, kernel))
        # Descent from anywhere, each factor in turn the best for the other, ends no lower.
        other = random(1, shape[1], seed=seed + 100)
        for _ in range(50):
            left = kernel @ other.T / (other**2).sum()
            other = left.T @ kernel / (left**2).sum()
            assert relative_error(left @ other, kernel) >= error - 1e-12
        assert column.norm().item() == pytest.approx(row.norm().item())


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_every_kernel_of_a_layer_is_taken_for_itself(rank):
    weight = random(4, 5, 3, 6)
    columns, rows, errors = factorise(weight, rank)
    assert columns.shape == (4, 5, 3, rank) and rows.shape == (4, 5, rank, 6)
    assert errors.shape == (4, 5)
    for o in range(4):
        for c in range(5):
            near = columns[o, c] @ rows[o, c]
            torch.testing.assert_close(errors[o, c], relative_error(near, weight[o, c]))
            assert torch.linalg.matrix_rank(near) == rank
    assert (errors < 1e-12).all() == (rank == 3)


def test_a_kernel_of_zeros_loses_nothing():
    assert factorise(torch.zeros(2, 1, 3, 3)).error.tolist() == [[0], [0]]


@pytest.mark.parametrize("settings", [{}, {"stride": (2, 3), "padding": (1, 0)}])
def test_two_layers_of_full_rank_are_the_convolution(settings):
    weight, bias, x = random(4, 5, 3, 2), random(4), random(2, 5, 9, 10)
    layers, error = factorised_layers(weight, bias, rank=8, **settings)  # 8: 4 x 2, not 5 x 3
    torch.testing.assert_close(layers(x), F.conv2d(x, weight, bias, **settings))
    assert error < 1e-12


def test_two_layers_of_low_rank_lose_what_the_error_says_and_cost_what_they_should():
    weight, x = random(4, 5, 3, 2), random(1, 5, 9, 10)
    errors = []
    for rank in range(1, 9):
        layers, error = factorised_layers(weight, rank=rank)
        vertical, horizontal = layers.vertical.weight[..., 0], layers.horizontal.weight[..., 0, :]
        near = torch.einsum("rcy,orx->ocyx", vertical, horizontal)
        torch.testing.assert_close(error, relative_error(near, weight), check_dtype=False)
        torch.testing.assert_close(layers(x), F.conv2d(x, near))
        assert sum(p.numel() for p in layers.parameters()) == rank * (5 * 3 + 4 * 2)
        errors.append(error.item())
    assert errors == sorted(errors, reverse=True) and errors[0] > 0.5


@pytest.mark.parametrize(
    "words, call",
    [
        (r"kernel of shape \(1, 3, 3\)", lambda: rank_one(torch.zeros(1, 3, 3))),
        (r"weight of shape \(3,\)", lambda: factorise(torch.zeros(3))),
        ("rank=4: expected at most 3", lambda: factorise(torch.zeros(2, 2, 3, 5), 4)),
        ("rank=0: expected 1 or more", lambda: factorise(torch.zeros(2, 2, 3, 5), 0)),
        ("rank=9: expected at most 8", lambda: factorised_layers(torch.zeros(4, 5, 3, 2), rank=9)),
        (r"weight of shape \(3, 3\)", lambda: factorised_layers(torch.zeros(3, 3))),
    ],
)
def test_what_has_no_factors_is_refused_by_name(words, call):
    with pytest.raises(ValueError, match=words):
        call()
