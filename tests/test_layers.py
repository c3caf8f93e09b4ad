"""The layers against torch, and against loops that follow the paper's words."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.layers import (
    BatchNorm2d,
    ChannelShuffle,
    EuclideanRBF,
    InvertedDropout,
    LocalResponseNorm,
    ScaledTanh,
    SqueezeExcite,
    StochasticDepth,
    Subsampling,
    TableConv2d,
    halving_stem,
    large_stem,
    small_stem,
    uniform_by_fan_in_,
)
from cnnlib.models.densenet import DenseNet
from cnnlib.models.resnet import BasicBlock, ResNet
from cnnlib.models.resnet_v2 import PreActBasicBlock, PreActResNet
from cnnlib.models.resnext import ResNeXt
from cnnlib.trace import trace

# Three input maps, four output maps: not square, and no two columns alike.
TABLE = [
    [1, 0, 1, 1],
    [0, 1, 1, 1],
    [0, 0, 0, 1],
]


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


# --- ScaledTanh ---------------------------------------------------------------------------------


def test_scaled_tanh_is_the_papers_formula():
    x = random(2, 3, 4, 5)
    expected = [1.7159 * math.tanh(2 * value / 3) for value in x.flatten().tolist()]
    torch.testing.assert_close(ScaledTanh()(x).flatten().tolist(), expected)


def test_scaled_tanh_keeps_plus_and_minus_one_where_it_bends_most():
    squash = ScaledTanh()
    ends = squash(torch.tensor([-1.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(ends, torch.tensor([-1.0, 1.0]).double(), atol=1e-4, rtol=0)
    x = torch.linspace(0, 4, 4001, dtype=torch.float64)
    bend = squash(x).diff(n=2).abs()
    assert abs(x[bend.argmax() + 1].item() - 1) < 0.02


# --- Subsampling --------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel_size", [1, 2, 3])
def test_subsampling_is_a_weighted_window_sum(kernel_size):
    layer = Subsampling(3, kernel_size).double()
    x = random(2, 3, 7, 10)
    y = layer(x)
    height, width = 7 // kernel_size, 10 // kernel_size
    assert y.shape == (2, 3, height, width)
    for n in range(2):
        for c in range(3):
            for row in range(height):
                for column in range(width):
                    total = 0.0
                    for dy in range(kernel_size):
                        for dx in range(kernel_size):
                            total += x[n, c, row * kernel_size + dy, column * kernel_size + dx]
                    expected = layer.coefficient[c] * total + layer.bias[c]
                    torch.testing.assert_close(y[n, c, row, column], expected)


def test_subsampling_with_a_quarter_is_mean_pooling():
    layer = Subsampling(3).double()
    nn.init.constant_(layer.coefficient, 0.25)
    nn.init.zeros_(layer.bias)
    x = random(2, 3, 6, 8)
    torch.testing.assert_close(layer(x), F.avg_pool2d(x, 2))


def test_subsampling_gradients_equal_finite_differences():
    layer = Subsampling(3).double()
    x = random(2, 3, 4, 6).requires_grad_()
    names, values = zip(*layer.named_parameters(), strict=True)

    def run(x, *values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, (x, *values))


def test_subsampling_has_two_parameters_a_channel():
    shapes = {name: tuple(p.shape) for name, p in Subsampling(5).named_parameters()}
    assert shapes == {"coefficient": (5,), "bias": (5,)}


@pytest.mark.parametrize("channels, kernel_size", [(0, 2), (3, 0), (3, -1)])
def test_subsampling_refuses_sizes_below_one(channels, kernel_size):
    with pytest.raises(ValueError, match=f"num_channels={channels}, kernel_size={kernel_size}"):
        Subsampling(channels, kernel_size)


# --- TableConv2d --------------------------------------------------------------------------------


def test_table_convolution_sums_over_the_marked_maps_only():
    layer = TableConv2d(TABLE, kernel_size=2).double()
    kernels = {pair: layer.weight[i] for i, pair in enumerate(layer.pairs)}
    x = random(2, 3, 4, 6)
    y = layer(x)
    assert y.shape == (2, 4, 3, 5)
    for n in range(2):
        for o in range(4):
            for row in range(3):
                for column in range(5):
                    total = layer.bias[o].clone()
                    for i in range(3):
                        if TABLE[i][o]:
                            patch = x[n, i, row : row + 2, column : column + 2]
                            total += (kernels[o, i] * patch).sum()
                    torch.testing.assert_close(y[n, o, row, column], total)


def test_table_convolution_stores_its_kernels_column_after_column():
    layer = TableConv2d(TABLE, kernel_size=3)
    assert layer.pairs == [(0, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)]
    assert tuple(layer.weight.shape) == (7, 3, 3)
    assert tuple(layer.bias.shape) == (4,)
    assert sum(p.numel() for p in layer.parameters()) == 7 * 9 + 4


def test_table_convolution_has_the_gradients_of_a_masked_convolution():
    layer = TableConv2d(TABLE, kernel_size=2).double()
    full = nn.Conv2d(3, 4, 2, dtype=torch.float64)
    with torch.no_grad():
        full.weight.copy_(layer.dense_weight())
        full.bias.copy_(layer.bias)
    x = random(2, 3, 5, 7)
    x_full = x.clone().requires_grad_()
    x.requires_grad_()
    layer(x).square().sum().backward()
    full(x_full).square().sum().backward()
    torch.testing.assert_close(x.grad, x_full.grad)
    torch.testing.assert_close(layer.bias.grad, full.bias.grad)
    for k, (output, input) in enumerate(layer.pairs):
        torch.testing.assert_close(layer.weight.grad[k], full.weight.grad[output, input])


def test_table_convolution_with_a_full_table_is_a_convolution():
    layer = TableConv2d([[1] * 4] * 3, kernel_size=2).double()
    x = random(2, 3, 5, 7)
    expected = F.conv2d(x, layer.weight.view(4, 3, 2, 2), layer.bias)
    torch.testing.assert_close(layer(x), expected)


def test_table_convolution_does_not_feel_an_unmarked_map():
    layer = TableConv2d(TABLE, kernel_size=2).double()
    x = random(1, 3, 4, 6)
    changed = x.clone()
    changed[:, 2] += 1
    same = (layer(x) == layer(changed)).flatten(2).all(dim=2)[0].tolist()
    assert same == [True, True, True, False]


@pytest.mark.parametrize(
    "table, message",
    [
        ([[1, 0], [1]], r"lengths \[1, 2\]"),
        ([], r"lengths \[\]"),
        ([[], []], r"lengths \[0\]"),
        ([[1, 0], [1, 0]], r"output maps \[1\] read no input map"),
    ],
)
def test_table_convolution_refuses_an_impossible_table(table, message):
    with pytest.raises(ValueError, match=message):
        TableConv2d(table, kernel_size=3)


def test_table_convolution_refuses_a_kernel_below_one():
    with pytest.raises(ValueError, match="kernel_size=0"):
        TableConv2d(TABLE, kernel_size=0)


# --- EuclideanRBF -------------------------------------------------------------------------------


def test_rbf_is_the_squared_distance_to_each_code():
    codes, x = random(4, 7), random(3, 7) + 1
    torch.testing.assert_close(EuclideanRBF(codes)(x), torch.cdist(x, codes).square())


def test_rbf_measures_at_every_position():
    codes, x = random(4, 7), random(2, 7, 3, 5) + 1
    y = EuclideanRBF(codes)(x)
    assert y.shape == (2, 4, 3, 5)
    for row in range(3):
        for column in range(5):
            at = x[:, :, row, column]
            torch.testing.assert_close(y[:, :, row, column], torch.cdist(at, codes).square())


def test_rbf_is_zero_only_at_the_code_itself():
    codes = random(4, 7)
    distances = EuclideanRBF(codes)(codes)
    assert (distances == 0).tolist() == torch.eye(4, dtype=torch.bool).tolist()


def test_rbf_codes_are_saved_but_not_trained():
    layer = EuclideanRBF(random(4, 7))
    assert list(layer.parameters()) == []
    assert list(layer.state_dict()) == ["codes"]


def test_rbf_keeps_its_own_copy_of_the_codes():
    codes = random(4, 7)
    layer = EuclideanRBF(codes)
    codes.zero_()
    assert layer.codes.abs().min() > 0


def test_rbf_refuses_codes_that_are_no_matrix():
    with pytest.raises(ValueError, match=r"\(K, C\), found \(4, 7, 1\)"):
        EuclideanRBF(random(4, 7, 1))


# --- Counting and starting ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "layer, in_shape, expected",
    [
        (Subsampling(3), (2, 3, 6, 10), 2 * 3 * 3 * 5),
        (TableConv2d(TABLE, 3), (2, 3, 6, 10), 2 * 7 * 9 * 4 * 8),
        (TableConv2d([[1] * 4] * 3, 3), (1, 3, 6, 10), 3 * 4 * 9 * 4 * 8),
        (EuclideanRBF(torch.zeros(4, 7)), (2, 7), 2 * 4 * 7),
        (EuclideanRBF(torch.zeros(4, 7)), (2, 7, 3, 5), 2 * 4 * 7 * 3 * 5),
    ],
)
def test_multiply_adds_counted_by_hand(layer, in_shape, expected):
    assert layer.multiply_adds(layer(torch.zeros(in_shape)).shape) == expected


def test_uniform_by_fan_in_fills_the_papers_range():
    weight = uniform_by_fan_in_(torch.empty(10000), fan_in=8)
    assert weight.abs().max() <= 0.3
    assert weight.min() < -0.299 and weight.max() > 0.299


def test_uniform_by_fan_in_refuses_no_inputs():
    with pytest.raises(ValueError, match="fan_in=0"):
        uniform_by_fan_in_(torch.empty(3), fan_in=0)


def test_subsampling_starts_by_its_windows_size():
    layer = Subsampling(2000, kernel_size=3)
    for parameter in (layer.coefficient, layer.bias):
        assert 0.98 * 2.4 / 9 < parameter.abs().max() <= 2.4 / 9


def test_table_convolution_starts_map_by_map():
    torch.manual_seed(1)
    layer = TableConv2d(TABLE, kernel_size=20)
    for output, maps in enumerate([1, 1, 2, 3]):
        bound = 2.4 / (maps * 400)
        kernels = [layer.weight[k] for k, (reader, _) in enumerate(layer.pairs) if reader == output]
        assert len(kernels) == maps
        for kernel in kernels:
            assert 0.98 * bound < kernel.abs().max() <= bound
        assert 0 < layer.bias[output].abs() <= bound


# --- Local response normalisation ---------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
def test_local_response_norm_equals_torchs(size):
    x = 3 * random(2, 6, 3, 4)
    arguments = dict(size=size, alpha=0.3, beta=0.6, k=1.5)
    torch.testing.assert_close(
        LocalResponseNorm(**arguments)(x), nn.LocalResponseNorm(**arguments)(x)
    )


def test_local_response_norm_is_the_papers_formula():
    """Section 3.3 with n = 5, by loops; the paper's alpha is torch's divided by n."""
    x = random(1, 7, 2, 3)
    found = LocalResponseNorm(5, alpha=5 * 1e-2, beta=0.75, k=2)(x)
    for channel in range(7):
        near = range(max(0, channel - 2), min(6, channel + 2) + 1)
        sums = sum(x[0, i] ** 2 for i in near)
        torch.testing.assert_close(found[0, channel], x[0, channel] / (2 + 1e-2 * sums) ** 0.75)


# --- Dropout ------------------------------------------------------------------------------------


def test_inverted_dropout_keeps_or_drops_each_value():
    torch.manual_seed(0)
    x = random(50, 4, 10, 11)
    out = InvertedDropout(0.3)(x)
    dropped = out == 0
    torch.testing.assert_close(out[~dropped], x[~dropped] / 0.7)
    # 22,000 lots: the share's standard deviation is 0.003.
    assert abs(dropped.double().mean().item() - 0.3) < 0.015


def test_inverted_dropout_has_torchs_ends_and_rests_at_test():
    x = random(3, 4)
    for p in (0.0, 1.0):
        torch.testing.assert_close(InvertedDropout(p)(x), nn.Dropout(p)(x))
    assert InvertedDropout(0.5).eval()(x) is x


# --- Batch normalisation ------------------------------------------------------------------------


def test_batch_norm_equals_torchs_through_training_and_test():
    ours, torchs = BatchNorm2d(3).double(), nn.BatchNorm2d(3).double()
    with torch.no_grad():
        torchs.weight.copy_(torch.tensor([0.5, 2.0, -1.0]))
        torchs.bias.copy_(torch.tensor([1.0, 0.0, 3.0]))
    ours.load_state_dict(torchs.state_dict())
    for step in range(4):
        x = (step + 1) * random(2, 3, 4, 5) + step
        mine, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
        torch.testing.assert_close(ours(mine), torchs(theirs))
        pull = random(2, 3, 4, 5).flip(0)
        ours(mine).backward(pull), torchs(theirs).backward(pull)
        torch.testing.assert_close(mine.grad, theirs.grad)
    for name, value in torchs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)
    x = random(1, 3, 1, 1)
    torch.testing.assert_close(ours.eval()(x), torchs.eval()(x))


def test_batch_norm_corrects_the_variance_it_keeps_by_m_over_m_minus_1():
    layer = BatchNorm2d(1, momentum=1.0).double()
    layer(torch.tensor([1.0, 3.0]).double().reshape(2, 1, 1, 1))  # variance 1 about the mean 2
    assert layer.running_var.item() == 2.0  # 1 * 2 / (2 - 1)


def test_batch_norm_refuses_a_single_value_a_channel():
    with pytest.raises(ValueError, match=r"\(1, 3, 1, 1\): expected 2 values a channel"):
        BatchNorm2d(3)(torch.zeros(1, 3, 1, 1))


# --- Layers that networks of later papers share -------------------------------------------------


def test_squeeze_excite_is_the_papers_formula():
    layer = SqueezeExcite(6, reduction=2).double()
    x = random(2, 6, 3, 4)
    squeezed = x.mean(dim=(2, 3))
    hidden = F.relu(squeezed @ layer.fc1.weight[:, :, 0, 0].T + layer.fc1.bias)
    gates = torch.sigmoid(hidden @ layer.fc2.weight[:, :, 0, 0].T + layer.fc2.bias)
    torch.testing.assert_close(layer(x), x * gates[:, :, None, None])


def test_channel_shuffle_equals_torchs():
    x = random(2, 12, 3, 4)
    for groups in (1, 2, 3, 4, 6, 12):
        expected = nn.ChannelShuffle(groups)(x)
        torch.testing.assert_close(ChannelShuffle(groups)(x), expected)


def test_stochastic_depth_keeps_the_expected_share():
    branch = random(2, 3)
    layer = StochasticDepth(0.8)
    assert layer(branch) is branch
    torch.testing.assert_close(layer.eval()(branch), 0.8 * branch)
    assert not any(layer.dropped() for _ in range(50))
    torch.manual_seed(0)
    layer.train()
    share = sum(layer.dropped() for _ in range(5000)) / 5000
    assert abs(share - 0.2) < 0.03  # five standard deviations


@pytest.mark.parametrize(
    "layer",
    [LocalResponseNorm(3), InvertedDropout(0.5), BatchNorm2d(4)],
    ids=lambda x: x._get_name(),
)
def test_shape_keeping_layers_are_one_row_that_sees_its_own_place(layer):
    rows = trace(nn.Sequential(nn.Conv2d(2, 4, 3), layer), (1, 2, 7, 9))
    assert [row.kind for row in rows] == ["Conv2d", type(layer).__name__]
    assert rows[1].field == rows[0].field and rows[1].macs == 0


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: LocalResponseNorm(0), "size=0"),
        (lambda: InvertedDropout(1.5), "p=1.5"),
        (lambda: BatchNorm2d(0), "channels=0"),
        (lambda: StochasticDepth(0), "survival=0"),
        (lambda: SqueezeExcite(8, reduction=9), "reduction=9"),
    ],
)
def test_layers_refuse_impossible_settings(make, message):
    with pytest.raises(ValueError, match=f"^{message}: expected"):
        make()


# --- stems --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stem", "shape"), [(large_stem, (56, 16)), (small_stem, (224, 64)), (halving_stem, (112, 32))]
)
def test_a_stem_gives_its_channels_at_its_size(stem, shape):
    conv, pool = stem(5)
    out = conv(torch.zeros(2, 3, 224, 64))
    assert conv.bias is None  # normalisation subtracts it
    assert (out if pool is None else pool(out)).shape == (2, 5, *shape)


@pytest.mark.parametrize(
    "build",
    [
        lambda stem: ResNet(BasicBlock, (1, 1), (4, 6), 3, stem=stem),
        lambda stem: PreActResNet(PreActBasicBlock, (1, 1), (4, 6), 3, stem=stem),
        lambda stem: ResNeXt((1, 1), 2, 3, 3, out_channels=16, stem=stem),
        lambda stem: DenseNet((2, 2), 2, 3, stem=stem),
    ],
)
def test_a_network_begins_with_the_stem_that_it_is_given(build):
    x = torch.zeros(1, 3, 64, 96)
    grids = []
    for stem in (small_stem, halving_stem, large_stem):
        network = build(stem)
        last = [row for row in trace(network, x.shape) if row.grid != (1, 1)][-1]
        grids.append(last.grid)
        first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
        assert (first.kernel_size, first.stride) == (stem(2).conv.kernel_size, stem(2).conv.stride)
    assert grids == [(32, 48), (16, 24), (8, 12)]
