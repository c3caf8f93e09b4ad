"""A call of torch reads the same however it is written; what it writes and slides over is known."""

import inspect

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode, get_testing_overrides

from cnnlib.calls import (
    NUMBERS,
    Call,
    Rules,
    convolution_windows,
    each,
    mapped,
    memory_of,
    place_of,
    plain_name,
    pool_windows,
    tensors,
)
from cnnlib.geometry import Window, output_size
from cnnlib.trace.call import RULES


class Listening(TorchFunctionMode):
    """Keeps the first call of torch."""

    heard: Call | None = None

    def __torch_function__(self, func, types, args=(), kwargs=None):
        call = Call(func, args, kwargs or {})
        self.heard = self.heard or call
        return call.run()


def heard(function, *args, **kwargs) -> Call:
    with Listening() as listening:
        function(*args, **kwargs)
    return listening.heard


X = torch.arange(120.0).reshape(1, 2, 10, 6)
PAIR = torch.ones(1, 2, 10, 6), torch.ones(1, 2, 10, 6)


def increase(x: Tensor) -> None:
    x += 1


# name -> ways to write it
SAME = {
    "add": [lambda: X + 1, lambda: 1 + X, lambda: torch.add(X, 1), lambda: increase(PAIR[0])],
    "sub": [lambda: X - 1, lambda: torch.subtract(X, 1), lambda: X.sub(1)],
    "div": [lambda: X / 2, lambda: torch.true_divide(X, 2), lambda: torch.divide(X, 2)],
    "relu": [lambda: F.relu(X), lambda: X.relu(), lambda: torch.ops.aten.relu.default(X)],
    "cat": [lambda: torch.cat(PAIR), lambda: torch.concat(PAIR), lambda: torch.concatenate(PAIR)],
    "transpose": [lambda: X.transpose(0, 1), lambda: X.swapaxes(0, 1), lambda: X.swapdims(0, 1)],
    "max_pool2d": [lambda: F.max_pool2d(X, 2), lambda: F.max_pool2d(X, 2, return_indices=True)],
    "getitem": [lambda: X[0], lambda: X[..., 1:]],
    "mT": [lambda: X.mT],
    "grad": [lambda: X.grad],
}


@pytest.mark.parametrize(("name", "way"), [(n, w) for n, ways in SAME.items() for w in ways])
def test_one_operation_has_one_name(name, way):
    assert heard(way).name == name


def test_a_product_has_one_name():
    square = X[0, :, :6]
    for way in (torch.matmul, torch.bmm, Tensor.bmm, lambda a, b: a @ b, Tensor.__rmatmul__):
        assert heard(way, square, square).name == "matmul"


# Arguments: the call by place and by name, and what is in it.
CALLS = [
    (torch.conv2d, (X, torch.ones(4, 1, 3, 2), None, (2, 1), 1, 1, 2),
     {"bias": None, "stride": (2, 1), "padding": 1, "dilation": 1, "groups": 2}),
    (F.conv_transpose2d, (X, torch.ones(2, 2, 3, 3), None, 2, 1, 1, 1, 3),
     {"stride": 2, "padding": 1, "output_padding": 1, "groups": 1, "dilation": 3}),
    (F.max_pool2d, (X, 3, 2, 1, 2, True),
     {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True}),
    (F.avg_pool2d, (X, 3, 2, 1, True, False),
     {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
    (F.lp_pool2d, (X, 2.0, 3, 2, True), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    (F.unfold, (X, 3, 1, 2, 4), {"kernel_size": 3, "dilation": 1, "padding": 2, "stride": 4}),
    (Tensor.unfold, (X, 2, 3, 4), {"dimension": 2, "size": 3, "step": 4}),
    (torch.sum, (X, 1, True), {"dim": 1, "keepdim": True}),
    (Tensor.mean, (X, (2, 3), True), {"dim": (2, 3), "keepdim": True}),
    (torch.max, (X, 1), {"dim": 1}),
    (torch.norm, (X, 2, 1), {"dim": 1}),
    (torch.repeat_interleave, (X, 2, 1), {"repeats": 2, "dim": 1}),
    (torch.chunk, (X, 2, 1), {"dim": 1}),
    (torch.narrow, (X, 1, 0, 1), {"dim": 1, "start": 0, "length": 1}),
    (torch.batch_norm, (X, None, None, torch.zeros(2), torch.ones(2), True, 0.1, 1e-5, False),
     {"training": True}),
    (F.batch_norm, (X, torch.zeros(2), torch.ones(2), None, None, True), {"training": True}),
    (F.pad, (X, (1, 2), "constant"), {"pad": (1, 2), "mode": "constant"}),
    (torch.cat, (PAIR, 1), {"dim": 1}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "args", "expected"), CALLS, ids=[call[0].__name__ for call in CALLS]
)
def test_an_argument_is_found_by_place_and_by_name(function, args, expected):
    by_place = heard(function, *args)
    assert {name: by_place.get(name) for name in expected} == expected
    assert by_place.get("no such argument", "missing") == "missing"
    if function not in (torch.batch_norm, Tensor.unfold):  # some that C holds want their places
        count = len(args) - len(expected)
        assert count > 0
        by_name = heard(function, *args[:count], **expected)
        assert {name: by_name.get(name) for name in expected} == expected


OTHER_NAMES = [
    ("dim", lambda: torch.sum(X, axis=1)),
    ("dim", lambda: torch.cat(PAIR, axis=1)),
    ("dim0", lambda: torch.swapaxes(X, axis0=1, axis1=2)),
    ("training", lambda: torch.dropout(X, p=0.5, train=True)),
]


@pytest.mark.parametrize(("name", "call"), OTHER_NAMES)
def test_other_names_of_an_argument_are_known(name, call):
    assert heard(call).get(name) == 1


# Torch keeps, for its tests, the arguments of all functions that can be listened to. There it is
# wrong (keyword-only arguments, a dimension too few), or its own function says otherwise.
MISTAKEN = {
    ("aminmax", "dim"),
    ("aminmax", "keepdim"),
    ("instance_norm", "weight"),
    ("instance_norm", "bias"),
    ("permute", "dim"),
    ("repeat_interleave", "dim"),
    *((f"max_pool{count}d", "ceil_mode") for count in (1, 2, 3)),
}
ASKED = """
weight bias stride padding output_padding dilation groups kernel_size ceil_mode dim keepdim training
use_input_stats normalized_shape dim0 dim1 source destination repeats start length dimension step
upscale_factor downscale_factor tensors pad mode scale_factor
""".split()


def test_places_are_those_of_torchs_own_list():
    compared = 0
    for function, dummy in get_testing_overrides().items():
        name = plain_name(function)
        names = list(inspect.signature(dummy).parameters)
        for argument in ASKED:
            if name in RULES and argument in names and (name, argument) not in MISTAKEN:
                compared += 1
                assert place_of(function, argument) == names.index(argument), (name, argument)
    assert compared > 200


WRITING = [
    increase,
    lambda x: x.add_(1),
    lambda x: x.clamp_(0),
    lambda x: x.__ipow__(2),
    lambda x: x.__setitem__(0, 1),
    lambda x: F.relu_(x),
    lambda x: F.relu(x, inplace=True),
    lambda x: F.dropout(x, 0.5, True, True),
    lambda x: torch.ops.aten.relu_.default(x),
]
READING = [
    iter,
    lambda x: x.bool(),
    lambda x: x + 1,
    lambda x: x[0],
    lambda x: x.add(1),
    lambda x: x.shape,
    lambda x: int(x[0, 0]),
    lambda x: F.relu(x),
    lambda x: F.relu(x, inplace=False),
    lambda x: F.dropout(x, 0.5, True),
    lambda x: torch.ops.aten.relu.default(x),
]


@pytest.mark.parametrize("writes", [True, False])
def test_whether_a_call_writes_is_what_torch_did(writes):
    for function in WRITING if writes else READING:
        x = torch.ones(2, 3)
        assert heard(function, x).writes == writes == (x._version > 0)


def test_numbers_are_known_by_the_functions_own_name():
    for function in (Tensor.item, Tensor.tolist, bool, int, float):
        assert heard(function, torch.ones(())).func.__name__ in NUMBERS


LAYERS = [
    (nn.Conv2d(2, 3, (3, 4), (2, 1), (1, 2), (1, 2)), convolution_windows),
    (nn.Conv2d(2, 3, (4, 3), padding="same"), convolution_windows),
    (nn.Conv2d(2, 3, 3, padding="valid"), convolution_windows),
    (nn.ConvTranspose2d(2, 3, 3, (3, 2), 1, output_padding=(2, 1)), convolution_windows),
    (nn.MaxPool2d(3, 2, 1, dilation=2, ceil_mode=True), pool_windows),
    (nn.MaxPool2d((3, 2)), pool_windows),
    (nn.AvgPool2d(3, (3, 2), ceil_mode=True), pool_windows),
    (nn.LPPool2d(2, 3, 2, ceil_mode=True), pool_windows),
]


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(
    ("layer", "read"), LAYERS, ids=lambda given: getattr(given, "__name__", str(given))
)
def test_windows_give_torchs_sizes(layer, read):
    x = torch.ones(1, 2, 13, 17)
    windows = read(heard(layer, x))
    sizes = [output_size(size, window) for size, window in zip((13, 17), windows, strict=True)]
    assert sizes == list(layer(x).shape[2:])


def test_a_pool_without_a_stride_has_its_windows_side_by_side():
    for stride in ((), (None,), ([],)):
        assert pool_windows(heard(F.max_pool2d, X, (3, 2), *stride)) == [Window(3, 3), Window(2, 2)]


def test_padding_that_keeps_the_size_has_its_odd_place_behind():
    call = heard(F.conv2d, X, torch.ones(1, 2, 4, 3), padding="same")
    assert convolution_windows(call) == [Window(4, padding=(1, 2)), Window(3, padding=1)]


def test_tensors_are_found_and_swapped_in_nested_arguments():
    one, other, new = torch.ones(1), torch.ones(2), torch.ones(3)
    tree = ([one, 1], {"a": (other, None)})
    assert [t.numel() for t in tensors(tree)] == [1, 2]
    swapped = mapped(tree, lambda tensor: new if tensor is other else tensor)
    assert swapped[0][0] is one and swapped[1]["a"][0] is new and swapped[1]["a"][1] is None
    call = Call(torch.cat, ([one, other],), {"dim": 0})
    assert call.swapped({id(one): new}).run().shape == (5,)
    assert call.run().shape == (3,)


def test_one_number_stands_for_each_dimension():
    assert each(3, 2) == (3, 3)
    assert each((1, 2), 2) == (1, 2)
    assert each(torch.Size([4]), 3) == (4, 4, 4)


def test_rules_go_by_each_of_their_names():
    rules = Rules()

    @rules.rule("add sub")
    def both(call):
        return call

    assert rules == {"add": both, "sub": both}


def test_views_share_a_memory_and_copies_do_not():
    x = torch.ones(4, 6)
    assert len({memory_of(t) for t in (x, x[1:], x.T, x.detach(), x.view(24))}) == 1
    assert memory_of(x) != memory_of(x.clone())
    sparse = x.to_sparse()
    assert memory_of(sparse) != memory_of(x)
