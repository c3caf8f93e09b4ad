"""The LeNets: what every network must do, and what the paper says of this one."""

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from cnnlib.layers import EuclideanRBF, ScaledTanh, Subsampling, TableConv2d
from cnnlib.models import MODELS, LeNet5, ModernLeNet
from cnnlib.models.lenet import C3_TABLE, digit_codes

# Expected of each network: input shape, classes, trained parameters.
EXPECTED = {
    "lenet5": ((1, 32, 32), 10, 60_000),
    "lenet_modern": ((1, 32, 32), 10, 61_706),
}

every_model = pytest.mark.parametrize("key", EXPECTED)


def batch(key: str, size: int) -> torch.Tensor:
    shape = EXPECTED[key][0]
    return torch.randn(size, *shape, generator=torch.Generator().manual_seed(2))


def build(key: str) -> nn.Module:
    torch.manual_seed(3)
    return MODELS[key]()


def test_the_lenets_come_first_in_history():
    assert list(MODELS)[:2] == list(EXPECTED)


@every_model
def test_parameters_as_expected(key):
    assert sum(p.numel() for p in build(key).parameters()) == EXPECTED[key][2]


@every_model
@pytest.mark.parametrize("size", [1, 3])
def test_forward_gives_one_score_a_class(key, size):
    scores = build(key).eval()(batch(key, size))
    assert scores.shape == (size, EXPECTED[key][1])
    assert scores.isfinite().all()


@every_model
def test_gradients_reach_every_parameter(key):
    model = build(key).train()
    scores = model(batch(key, 3))
    torch.nn.functional.cross_entropy(scores, torch.tensor([0, 4, 9])).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@every_model
def test_eval_is_deterministic_and_blind_to_the_batch(key):
    model = build(key).eval()
    images = batch(key, 3)
    with torch.no_grad():
        together = model(images)
        assert torch.equal(together, model(images))
        alone = torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(alone, together)


@every_model
def test_no_layer_works_in_place(key):
    in_place = [name for name, m in build(key).named_modules() if getattr(m, "inplace", False)]
    assert in_place == []


@every_model
def test_every_relu_is_a_module_used_once(key):
    """A hook sees every ReLU once: none is functional, none is shared."""
    model = build(key).eval()
    calls = []
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda module, *_: calls.append(id(module)))
    scores = model(batch(key, 1))
    assert len(calls) == len(set(calls))
    assert len(calls) == count_relus(scores.grad_fn)


def count_relus(node) -> int:
    """ReLUs in the graph behind an output, however they were called."""
    seen, stack = set(), [node]
    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen.add(node)
            stack += [parent for parent, _ in node.next_functions]
    return sum(type(node).__name__ == "ReluBackward0" for node in seen)


@every_model
def test_weights_survive_a_safetensors_round_trip(key):
    model = build(key).eval()
    torch.manual_seed(4)
    copy = MODELS[key]().eval()
    images = batch(key, 2)
    assert not torch.equal(model(images), copy(images))
    copy.load_state_dict(load(save(model.state_dict())))
    assert torch.equal(model(images), copy(images))


@every_model
def test_model_builds_and_runs_on_the_meta_device(key):
    with torch.device("meta"):
        scores = MODELS[key]()(torch.empty(2, *EXPECTED[key][0]))
    assert scores.shape == (2, EXPECTED[key][1])


# --- LeNet-5, LeCun et al. 1998, section II.B ---------------------------------------------------


def lenet5_shapes(height: int, width: int) -> dict[str, tuple[int, ...]]:
    """Output shape of each of LeNet-5's layers."""
    model, shapes = LeNet5(), {}
    for name, child in model.named_children():
        child.register_forward_hook(
            lambda _, __, out, name=name: shapes.update({name: tuple(out.shape)})
        )
    model(torch.zeros(1, 1, height, width))
    return shapes


def test_lenet5_feature_maps_as_printed():
    assert lenet5_shapes(32, 32) == {
        "c1": (1, 6, 28, 28),
        "s2": (1, 6, 14, 14),
        "c3": (1, 16, 10, 10),
        "s4": (1, 16, 5, 5),
        "c5": (1, 120, 1, 1),
        "f6": (1, 84, 1, 1),
        "output": (1, 10, 1, 1),
    }


def test_lenet5_parameters_as_printed():
    counts = {
        name: sum(p.numel() for p in child.parameters())
        for name, child in LeNet5().named_children()
    }
    assert counts == {
        "c1": 156,
        "s2": 12,
        "c3": 1_516,
        "s4": 32,
        "c5": 48_120,
        "f6": 10_164,
        "output": 0,
    }


def test_lenet5_connections_as_printed():
    """A connection is an input that a unit reads, its bias included, counted at every unit."""
    connections = {}

    def count(layer, _, out, name):
        units = out.numel()
        if isinstance(layer, nn.Conv2d):
            each = layer.weight[0].numel() + 1
            connections[name] = units * each
        elif isinstance(layer, TableConv2d):
            positions = units // layer.out_channels
            connections[name] = positions * (layer.weight.numel() + layer.out_channels)
        elif isinstance(layer, Subsampling):
            connections[name] = units * (layer.kernel_size**2 + 1)
        elif isinstance(layer, EuclideanRBF):
            connections[name] = layer.codes.numel()
        else:
            assert isinstance(layer, ScaledTanh)

    model = LeNet5()
    for name, child in model.named_children():
        for layer in [child] if isinstance(child, EuclideanRBF) else child:
            layer.register_forward_hook(
                lambda layer, args, out, name=name: count(layer, args, out, name)
            )
    model(torch.zeros(1, 1, 32, 32))
    assert connections == {
        "c1": 122_304,
        "s2": 5_880,
        "c3": 151_600,
        "s4": 2_000,
        "c5": 48_120,
        "f6": 10_164,
        "output": 840,
    }
    assert sum(connections.values()) == 340_908


def test_c3_table_as_the_paper_explains_it():
    """Section II.B in words: runs of three, runs of four, split fours, and all; ten X a row."""
    columns = [{i for i in range(6) if C3_TABLE[i][o] == "X"} for o in range(16)]
    assert columns[:6] == [{o, (o + 1) % 6, (o + 2) % 6} for o in range(6)]
    assert columns[6:12] == [{(o + k) % 6 for k in range(4)} for o in range(6)]
    assert columns[12:15] == [{0, 1, 3, 4}, {1, 2, 4, 5}, {0, 2, 3, 5}]
    assert columns[15] == {0, 1, 2, 3, 4, 5}
    assert [row.count("X") for row in C3_TABLE] == [10] * 6
    assert [len(row) for row in C3_TABLE] == [16] * 6


def test_c3_holds_the_sixty_kernels_of_the_table():
    layer = LeNet5().c3[0]
    assert len(layer.pairs) == 60
    dense = layer.dense_weight().abs().sum(dim=(2, 3)) > 0
    assert [[bool(dense[o, i]) for o in range(16)] for i in range(6)] == [
        [mark == "X" for mark in row] for row in C3_TABLE
    ]


def test_digit_codes_are_ten_different_bitmaps():
    codes = digit_codes()
    assert codes.shape == (10, 84)
    assert set(codes.flatten().tolist()) == {-1.0, 1.0}
    distances = torch.cdist(codes, codes).square().round().int()
    assert (distances + 1000 * torch.eye(10, dtype=torch.int)).min() == 40
    assert (codes > 0).sum(dim=1).tolist() == [38, 27, 30, 32, 34, 34, 37, 25, 43, 35]


def test_digit_codes_read_the_drawings_row_by_row():
    seven = digit_codes()[7].view(12, 7)
    drawing = ["".join("#" if value > 0 else "." for value in row) for row in seven.tolist()]
    assert drawing == [
        "#######",
        ".....##",
        ".....##",
        "....##.",
        "....##.",
        "...##..",
        "...##..",
        "..##...",
        "..##...",
        "..##...",
        ".......",
        ".......",
    ]


def test_lenet5_scores_are_minus_the_papers_distances():
    model = build("lenet5").eval()
    distances = []
    model.output.register_forward_hook(lambda _, __, out: distances.append(out))
    scores = model(batch("lenet5", 3))
    assert (distances[0] >= 0).all()
    assert torch.equal(scores, -distances[0].flatten(1))


def test_lenet5_squashes_after_every_layer_up_to_f6():
    squashed = [
        name
        for name, stage in LeNet5().named_children()
        if isinstance(stage, nn.Sequential) and isinstance(stage[-1], ScaledTanh)
    ]
    assert squashed == ["c1", "s2", "c3", "s4", "c5", "f6"]


def test_lenet5_slides_over_a_larger_image():
    """Each score of a wide image is the score of one 32x32 window, four pixels on."""
    model = build("lenet5").eval()
    image = torch.randn(1, 1, 36, 44, generator=torch.Generator().manual_seed(5))
    scores = model(image)
    assert scores.shape == (1, 10, 2, 4)
    for row in range(2):
        for column in range(4):
            window = image[:, :, 4 * row : 4 * row + 32, 4 * column : 4 * column + 32]
            torch.testing.assert_close(model(window), scores[:, :, row, column])


def test_lenet5_starts_within_the_papers_bounds():
    model = build("lenet5")
    for name, fan_in in {"c1": 25, "s2": 4, "s4": 4, "c5": 400, "f6": 120}.items():
        for parameter in model.get_submodule(name).parameters():
            assert 0 < parameter.abs().max() <= 2.4 / fan_in, name
            assert parameter.abs().max() > 0.5 * 2.4 / fan_in, name
    for output, maps in enumerate([3] * 6 + [4] * 9 + [6]):
        dense = model.c3[0].dense_weight()[output]
        assert 0.9 * 2.4 / (maps * 25) < dense.abs().max() <= 2.4 / (maps * 25)


# --- Modern LeNet -------------------------------------------------------------------------------


def test_modern_lenet_has_the_paper_feature_maps():
    model, shapes = ModernLeNet(), []
    for name in ("conv1", "pool1", "conv2", "pool2", "fc3", "fc4", "fc5"):
        model.get_submodule(name).register_forward_hook(
            lambda _, __, out: shapes.append(tuple(out.shape[1:]))
        )
    model(torch.zeros(1, 1, 32, 32))
    assert shapes == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120,), (84,), (10,)]


def test_modern_lenet_counts_other_classes():
    assert ModernLeNet(num_classes=7)(torch.zeros(2, 1, 32, 32)).shape == (2, 7)
