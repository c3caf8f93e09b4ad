"""What `trace` is asked: which module, which shape, and what a forward may do that has no rows."""

import functools
import resource
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from cnnlib.geometry import Field, whole_number
from cnnlib.trace import plain_module, seen_by, summarise, trace
from cnnlib.trace.meta import find_shape

SHAPE = (1, 3, 8, 8)


def block():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))


def net_of(forward, **parts):
    """A module whose ``forward`` is the given function."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            for name, part in parts.items():
                setattr(self, name, part)

    Net.forward = forward
    return Net()


class TestWrappers:
    def test_are_taken_off(self):
        net = block()
        rows = trace(net, SHAPE)
        compiled = block()
        compiled.compile()
        for wrapped in (
            nn.DataParallel(net),
            nn.DataParallel(nn.DataParallel(net)),
            torch.compile(net),
            torch.compile(nn.DataParallel(net)),
        ):
            assert plain_module(wrapped, "this") is net and trace(wrapped, SHAPE) == rows
        assert trace(compiled, SHAPE) == rows

    def test_inside_a_network_they_are_part_of_the_name(self):
        inside = nn.Sequential(nn.DataParallel(nn.Conv2d(3, 4, 3)), torch.compile(nn.ReLU()))
        assert [row.name for row in trace(inside, SHAPE)] == ["0.module", "1._orig_mod"]

    def test_graphs_of_fx_and_of_export_are_traced(self):
        net = block().eval()
        rows = trace(net, SHAPE)
        assert trace(torch.fx.symbolic_trace(net), SHAPE) == rows
        program = torch.export.export(net, (torch.rand(SHAPE),))
        for exported in (program, program.module()):
            found = trace(exported, SHAPE)
            for key in ("out_shape", "parameters", "macs", "field"):
                assert [getattr(r, key) for r in found] == [getattr(r, key) for r in rows]


@torch.jit.script
def swish(x):
    return x * torch.sigmoid(x)


def calls_swish(x):
    return swish(x)


class Swish(nn.Module):
    def forward(self, x):
        return swish(x)


# What is scripted holds no list: torch knows its builtins by id(), and now and then takes a list,
# such as a convolution's paddings, for one that has gone ("builtin cannot be used as a value").
SCRIPTED = {
    "the network": (
        lambda: torch.jit.script(nn.Sequential(nn.ReLU())),
        r"the network \(Recursive.*scripted.*give",
    ),
    "inside": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), torch.jit.script(nn.ReLU())),
        r"1 \(RecursiveScriptModule\).*scripted.*give the Python module",
    ),
    "traced": (
        lambda: nn.Sequential(torch.jit.trace(block().eval(), torch.rand(SHAPE))),
        r"0 \(TopLevelTracedModule\).*traced by torch\.jit",
    ),
    "a function": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), Swish()), r"1 \(Swish\).*swish"),
    "an attribute": (lambda: net_of(lambda m, x: m.act(x), act=swish), r"network \(Net\).*swish"),
}


@pytest.mark.parametrize("where", SCRIPTED)
def test_scripted_code_is_refused_by_name(where):
    make, words = SCRIPTED[where]
    with pytest.raises(ValueError, match=words):
        plain_module(make(), "this")
    with pytest.raises(ValueError, match=words):
        trace(make(), SHAPE)


@pytest.mark.parametrize(
    "forward",
    [
        lambda m, x: calls_swish(m.conv(x)),
        lambda m, x: x + calls_swish(x),  # beside a path that can be followed
        lambda m, x: x + m.held[0](x),
    ],
)
def test_scripted_code_that_is_met_on_the_way_is_refused(forward):
    net = net_of(forward, held=[torch.jit.script(nn.ReLU())])
    with pytest.raises(ValueError, match=r"the network \(Net\): \w+ is scripted: call the plain"):
        trace(net, SHAPE)
    assert swish(torch.zeros(1)) == 0  # outside of a trace it can be called


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (nn.ReLU, r"ReLU is a class: give a module, ReLU\(\)"),
        (F.relu, "function is no torch.nn.Module"),
        ("resnet18", "str is no torch.nn.Module"),
        (None, "NoneType is no"),
        (nn.ModuleList([nn.ReLU()]), r"ModuleList has no forward\(\)"),
    ],
)
def test_what_is_no_network_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        trace(given, SHAPE)


class TestSignatures:
    @pytest.mark.parametrize(
        "forward",
        [
            lambda m, x: m.conv(x),
            lambda m, x, scale=1.0, mask=None: m.conv(x) * scale,
            lambda m, x=None: m.conv(x),
            lambda m, *, image: m.conv(image),
            lambda m, *, image, scale=2: m.conv(image) * scale,
            lambda m, *args: m.conv(args[0]),
            lambda m, *args, **kwargs: m.conv(*args, **kwargs),
            lambda m, x, /, *, flag=False: m.conv(input=x),
            torch.no_grad()(lambda m, x: m.conv(x)),
        ],
    )
    def test_one_input_is_given(self, forward):
        assert trace(net_of(forward), SHAPE)[0].name == "conv"

    @pytest.mark.parametrize(
        ("forward", "words"),
        [
            (lambda m, one, other: m.conv(one), r"Net\.forward.*2 inputs \(one, other\)"),
            (lambda m, *, one, other: m.conv(one), r"2 inputs \(one, other\)"),
            (lambda m, x, *, flag: m.conv(x), r"2 inputs \(x, flag\)"),
            (lambda m: m.conv(torch.rand(1)), r"Net\.forward\(\) takes no input"),
            (lambda m, **kwargs: m.conv(kwargs["x"]), "takes no input by position"),
            (lambda m, *args: m.conv(args[0]) + m.conv(args[1]), r"\(Net\).*IndexError"),
        ],
    )
    def test_anything_else_is_refused_with_its_parameters(self, forward, words):
        with pytest.raises(ValueError, match=words):
            trace(net_of(forward), SHAPE)

    @pytest.mark.parametrize(
        ("forward", "words"),
        [
            (lambda m, x: m.nothing(x), "AttributeError: .*nothing"),
            (lambda m, x: {}["x"], "KeyError"),
            (lambda m, x: m.conv(x, x), "TypeError"),
        ],
    )
    def test_what_forward_raises_is_said_with_the_module(self, forward, words):
        net = nn.Sequential(nn.ReLU(), net_of(forward))
        with pytest.raises(ValueError, match=rf"1(\.conv)? \((Net|Conv2d)\): forward.*{words}"):
            trace(net, SHAPE)

    def test_a_network_that_its_own_train_prepares_is_told_to_be_in_evaluation(self):
        class Folded(nn.Conv2d):
            def train(self, mode=True):
                super().train(mode)
                self.folded = None if mode else self.weight * 2
                return self

            def forward(self, x):
                return F.conv2d(x, self.weight if self.training else self.folded * 1, self.bias)

        net = nn.Sequential(Folded(3, 4, 3)).train()
        with pytest.raises(ValueError, match=r"Folded has its own train\(\): call eval\(\) first"):
            trace(net, SHAPE)
        assert trace(net.eval(), SHAPE)[0].out_shape == (1, 4, 6, 6)


class TestShapes:
    @pytest.mark.parametrize(
        "shape",
        [
            [1, 3, 8, 8], torch.Size([1, 3, 8, 8]), np.array([1, 3, 8, 8]),
            torch.tensor([1, 3, 8, 8]), (np.int64(1), np.uint8(3), torch.tensor(8), 8),
        ],
    )  # fmt: skip
    def test_whole_numbers_may_come_from_anywhere(self, shape):
        rows = trace(block(), shape)
        assert rows == trace(block(), SHAPE)
        assert all(type(size) is int for row in rows for size in (*row.in_shape, *row.out_shape))

    @pytest.mark.parametrize(
        "shape",
        [
            8, None, "1,3,8,8", b"1388", (1.0, 3, 8, 8), (1, 3, -8, 8), (1, 3, 8, "8"),
            (None, 3, 8, 8), {1, 3, 8}, {"shape": (1, 3, 8, 8)}, (8,), (), (True, 3, 8, 8),
            np.array([1.0, 3, 8, 8]), (1, 3, 10**10, 10**10), (np.True_, 3, 8, 8),
        ],
    )  # fmt: skip
    def test_other_shapes_are_refused(self, shape):
        with pytest.raises(ValueError, match="input_shape="):
            trace(block(), shape)

    def test_two_shapes_are_two_inputs(self):
        with pytest.raises(ValueError, match="one input"):
            trace(block(), [SHAPE, SHAPE])

    @pytest.mark.parametrize("picture", [torch.rand(SHAPE), np.zeros(SHAPE), torch.tensor(8)])
    def test_a_picture_is_no_shape(self, picture):
        with pytest.raises(ValueError, match=r"input_shape: .*of shape \(.*give its shape"):
            trace(block(), picture)

    @pytest.mark.parametrize(
        ("net", "shape"),
        [
            (nn.Conv1d(2, 4, 3), (2, 64)),
            (nn.Conv2d(3, 4, 3), (3, 32, 32)),
            (nn.Conv3d(1, 4, 3), (1, 8, 8, 8)),
            (nn.ConvTranspose2d(3, 4, 3), (3, 8, 8)),
            (nn.Sequential(nn.ReLU(), nn.ReflectionPad2d(1), nn.Conv2d(3, 4, 3)), (3, 8, 8)),
            (nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)), (3, 8, 8)),
            (nn.MaxPool2d(2), (3, 8, 8)),
            (nn.AdaptiveAvgPool3d(1), (3, 8, 8, 8)),
            (nn.PixelShuffle(2), (4, 8, 8)),
            (nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), (3, 8, 8)),
        ],
    )
    def test_a_forgotten_batch_dimension_is_offered(self, net, shape):
        whole = str((1, *shape)).replace("(", r"\(").replace(")", r"\)")
        with pytest.raises(ValueError, match=f"batch dimension missing.*input_shape={whole}"):
            trace(net, shape)
        assert trace(net, (1, *shape))

    def test_where_a_batch_dimension_does_not_help_none_is_offered(self):
        for net, shape in ((nn.Linear(8, 4), (3, 9)), (nn.Conv2d(5, 4, 3), (3, 8, 8))):
            with pytest.raises(ValueError) as refused:
                trace(net, shape)
            assert "missing" not in str(refused.value)

    def test_maps_within_a_network_may_lose_their_batch_dimension(self):
        rows = trace(net_of(lambda m, x: m.conv(x[0])), SHAPE)
        assert rows[-1].out_shape == (4, 6, 6) and rows[-1].field == (Field(3, 1, 0),) * 2

    def test_rows_and_units_may_be_numpys_and_tensors(self):
        rows = trace(nn.Conv2d(3, 4, 3), SHAPE)
        seen = seen_by(rows, np.int64(0), (np.int8(1), torch.tensor(2)))
        assert seen == seen_by(rows, 0, (1, 2))
        assert summarise(rows, np.int64(1)) == summarise(rows, 1)
        for row, unit in ((np.True_, (1, 2)), (0, (torch.tensor(True), 2))):
            with pytest.raises(ValueError, match="row=|unit="):
                seen_by(rows, row, unit)


class TestWhatForwardMayDo:
    @pytest.mark.parametrize(
        "forward",
        [
            lambda m, x: m.conv(x) if x.mean() > 0 else x,
            lambda m, x: m.conv(x) * x.max().item(),
            lambda m, x: m.conv(x)[: int(x.sum())],
            lambda m, x: m.conv(x) * float(x.std()),
            lambda m, x: x[x > 0].sum(),
            lambda m, x: torch.nonzero(m.conv(x)),
            lambda m, x: torch.from_numpy(np.tanh(x.numpy())),
            lambda m, x: np.asarray(x),
            lambda m, x: torch.tensor(x.tolist()),
            lambda m, x: x if torch.equal(x, m.conv(x)) else -x,
            lambda m, x: x if torch.allclose(x, x) else -x,
            lambda m, x: x if not torch.isnan(x).any() else -x,
            lambda m, x: x if 0 in x else -x,
            lambda m, x: torch.unique(x),
            lambda m, x: torch.masked_select(x, x > 0),
            lambda m, x: (torch._assert(x.min() >= 0, "negative"), m.conv(x))[1],
            lambda m, x: max(m.conv(x).sum(), x.sum()),
        ],
    )
    def test_a_path_that_depends_on_the_picture_is_called_so(self, forward):
        with pytest.raises(
            ValueError, match=r"1 \(Net\): its path depends on the picture's values: \w+ asks"
        ):
            trace(nn.Sequential(nn.Identity(), net_of(forward)), SHAPE)

    def test_a_path_that_depends_on_weights_is_called_so(self):
        with pytest.raises(ValueError, match="depends on the values of its weights: bool"):
            trace(net_of(lambda m, x: m.conv(x) if m.conv.weight.sum() > 0 else x), SHAPE)

    @pytest.mark.parametrize(
        "forward",
        [
            lambda m, x: checkpoint(m.conv, x, use_reentrant=False),
            lambda m, x: checkpoint(m.conv, x, use_reentrant=True),
            lambda m, x: checkpoint_sequential(nn.Sequential(m.conv), 1, x, use_reentrant=False),
            torch.inference_mode()(lambda m, x: m.conv(x)),
            torch.compile(lambda m, x: m.conv(x), backend="eager"),
            lambda m, x: functools.partial(m.conv)(x),
        ],
    )
    def test_blocks_run_another_way_trace_as_they_are(self, forward):
        assert trace(net_of(forward), SHAPE) == trace(net_of(lambda m, x: m.conv(x)), SHAPE)

    def test_a_trace_in_inference_mode_is_the_same(self):
        with torch.inference_mode():
            rows = trace(block(), SHAPE)
        assert rows == trace(block(), SHAPE)

    def test_weights_that_forward_computes_count_what_they_come_from(self):
        def standardised(m, x):
            weight = m.conv.weight
            weight = (weight - weight.mean((1, 2, 3), True)) / weight.std((1, 2, 3), keepdim=True)
            return F.conv2d(x, weight, m.conv.bias)

        def renormed(m, x):
            m.conv.weight.data = torch.renorm(m.conv.weight.data, 2, 0, 1.0)
            return m.conv(x)

        for forward in (standardised, renormed):
            [row] = trace(net_of(forward), SHAPE)
            assert row.parameters == 112 and row.macs == 27 * 4 * 36

    def test_hooks_that_change_what_passes_have_rows(self):
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        net[0].register_forward_hook(lambda module, args, output: output * 2)
        net[1].register_forward_pre_hook(lambda module, args: (F.max_pool2d(args[0], 2),))
        kinds = [row.kind for row in trace(net, SHAPE)]
        assert kinds == ["Conv2d", "max_pool2d", "ReLU"]  # place by place, the first is one layer

    @pytest.mark.parametrize(
        ("forward", "layer"),
        [
            (lambda m, x: late(m, "fc")(m.conv(x).flatten(1)), r"fc \(Linear\)"),
            (lambda m, x: late(m.conv, "fc")(m.conv(x).flatten(1)), r"conv\.fc \(Linear\)"),
            (lambda m, x: late_in(m.several)(m.conv(x).flatten(1)), r"several\.0 \(Linear\)"),
            (lambda m, x: late_in(m.hidden)(m.conv(x).flatten(1)), "linear reads a parameter"),
            (lambda m, x: nn.Linear(8, 4)(x), "linear reads a parameter"),
        ],
    )
    def test_a_layer_that_is_made_on_the_way_is_named(self, forward, layer):
        net = net_of(forward, several=nn.ModuleList(), hidden=[])
        names = list(net.state_dict())
        with pytest.raises(ValueError, match=f"{layer}.*made while the network runs: run it once"):
            trace(net, SHAPE)
        assert list(net.state_dict()) == names and net.hidden == []
        net(torch.rand(SHAPE))  # it still makes its layer; then there is one to count
        if len(net.state_dict()) > len(names):
            assert sum(row.parameters for row in trace(net, SHAPE)) == 112 + 144 * 10 + 10

    def test_a_buffer_that_is_made_on_the_way_may_take_part(self):
        def forward(m, x):
            if not hasattr(m, "mask"):
                m.register_buffer("mask", torch.ones(x.shape[-2:]))
            return m.conv(x * m.mask)

        net = net_of(forward)
        assert trace(net, SHAPE)[-1].out_shape == (1, 4, 6, 6) and "mask" not in net.state_dict()

    @pytest.mark.parametrize("lazy", [nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.LazyLinear(4)])
    def test_lazy_layers_are_counted_once_they_know_their_shape(self, lazy):
        net = nn.Sequential(lazy)
        with pytest.raises(ValueError, match=r"0\.\w+ has no shape yet: run the lazy module once"):
            trace(net, SHAPE)
        net(torch.rand(SHAPE))
        [row] = trace(net, SHAPE)
        assert row.parameters == sum(p.numel() for p in net.parameters())

    def test_a_tensor_from_out_of_sight_is_refused_beside_one_in_sight(self):
        with pytest.raises(ValueError, match=r"\(Net\): relu reads a tensor made out of"):
            trace(net_of(lambda m, x: x + torch.vmap(F.relu)(x)), SHAPE)

    def test_writing_through_data_is_refused(self):
        def forward(m, x):
            y = m.conv(x)
            y.data = F.relu(y)
            return y

        with pytest.raises(ValueError, match=r"data = \.\.\..*cannot follow"):
            trace(net_of(forward), SHAPE)


def late(module, name):
    if not hasattr(module, name):
        setattr(module, name, nn.Linear(144, 10))
    return getattr(module, name)


def late_in(layers):
    if not len(layers):
        layers.append(nn.Linear(144, 10))
    return layers[0]


class Resample(nn.Module):
    def __init__(self, **how):
        super().__init__()
        self.how = how

    def forward(self, x):
        return F.interpolate(x, **self.how)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize(
    "how",
    [
        {"size": (8, 8)}, {"size": (3, 24)}, {"size": (1, 2)}, {"size": (37, 5)},
        {"scale_factor": 0.5}, {"scale_factor": (0.3, 1.7)}, {"scale_factor": 0.13},
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(16, 16), (37, 8)])
def test_antialiased_resampling_equals_gradients(mode, corners, how, shape):
    net = Resample(**how, mode=mode, align_corners=corners, antialias=True)
    rows = trace(net, (1, 1, *shape))
    height, width = rows[-1].out_shape[2:]
    for unit in {(0, 0), (height // 2, width // 2), (height - 1, width - 1), (0, width - 1)}:
        x = torch.rand(1, 1, *shape, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(net(x)[(0, 0, *unit)], x)
        seen = gradient[0, 0].nonzero().T
        expected = tuple(range(int(axis.min()), int(axis.max()) + 1) for axis in seen)
        assert seen_by(rows, 0, unit)[-1] == expected, unit


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear", "area"])
@pytest.mark.parametrize(("size", "units"), [(100, 33), (33, 100), (40, 80), (50, 1), (1, 7)])
def test_signals_are_resampled_as_gradients_say(mode, size, units):
    net = Resample(size=units, mode=mode)
    rows = trace(net, (1, 1, size))
    for unit in {0, units // 3, units - 1}:
        x = torch.rand(1, 1, size, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(net(x)[0, 0, unit], x)
        seen = gradient[0, 0].nonzero().flatten().tolist()
        assert seen_by(rows, 0, (unit,))[-1] == (range(seen[0], seen[-1] + 1),)


@pytest.mark.parametrize(
    ("samples", "how"),
    [(160_000, {"scale_factor": 2}), (40_000, {"size": 30_001, "mode": "linear"})],
)
def test_ten_seconds_of_sound_cost_no_more_than_they_are_long(samples, how):
    net = nn.Sequential(nn.Conv1d(1, 4, 4, stride=2, padding=1), Resample(**how), nn.ReLU())
    trace(net, (1, 1, 64))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    assert trace(net, (1, 1, samples))[-1].out_shape[-1] == how.get("size", samples)
    assert time.process_time() - start < 30  # seconds: 1 to 2 on a quiet machine
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (after - before) / 1024 < 400  # megabytes; with squares it would be 3,000 and 50,000


X = torch.empty(2, 3, 4, 5, device="meta")
FOUR = torch.empty(2, 4, 4, 5, device="meta")
STATE = [torch.empty(3, device="meta") for _ in range(4)]
LAST = X.to(memory_format=torch.channels_last)
PLAIN = [
    (F.relu, (X,), {"inplace": False}),
    (F.relu, (LAST,), {}),
    (torch.tanh, (X[:, :, ::2],), {}),
    (F.batch_norm, (X, *STATE), {}),
    (F.batch_norm, (LAST, *STATE[:2]), {"training": False, "momentum": 0.1, "eps": 1e-5}),
    (torch.add, (X, X), {}),
    (torch.Tensor.add, (X, X), {}),
    (torch.cat, ([X, FOUR],), {"dim": 1}),
    (torch.cat, ((X, X), -1), {}),
    (F.linear, (X, torch.empty(7, 5, device="meta")), {}),
    (F.linear, (X,), {"weight": torch.empty(7, 5, device="meta"), "bias": FOUR[0, 0, 0, :1]}),
]


@pytest.mark.parametrize(("func", "args", "named"), PLAIN[:-1])
def test_shape_only_rules_give_what_torch_gives(func, args, named):
    found, expected = find_shape(func, args, named), func(*args, **named)
    assert found.is_meta and found.dtype == expected.dtype
    assert found.shape == expected.shape and found.stride() == expected.stride()


ODD = [
    PLAIN[-1],
    (F.relu, (X,), {"inplace": True}),
    (F.relu, (X.long(),), {}),
    (F.batch_norm, (FOUR, *STATE), {}),
    (F.batch_norm, (X, None, None), {"training": True}),
    (F.batch_norm, (X.half(), *STATE), {}),
    (torch.add, (X, FOUR), {}),
    (torch.add, (X, 1), {}),
    (torch.add, (X, X), {"alpha": 2}),
    (torch.add, (X, LAST), {}),
    (torch.add, (X, X.double()), {}),
    (torch.cat, ([X, FOUR],), {"dim": 2}),
    (torch.cat, ([X, X], 4), {}),
    (torch.cat, ([X, X], "N"), {}),
    (torch.cat, ([],), {}),
    (torch.cat, ([X, LAST],), {}),
    (torch.sigmoid, (torch.zeros(2),), {}),
    (F.linear, (FOUR, torch.empty(7, 4, device="meta")), {}),
    (torch.mul, (X, X), {}),
]


@pytest.mark.parametrize(("func", "args", "named"), ODD)
def test_what_is_not_plain_is_left_to_torch(func, args, named):
    assert find_shape(func, args, named) is None


def test_a_whole_number_keeps_its_value_from_every_source():
    for value in (3, np.int8(3), np.uint64(3), np.array(3), torch.tensor(3)):
        assert whole_number(value, "n") == 3 and type(whole_number(value, "n")) is int
