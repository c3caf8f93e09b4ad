"""`evaluating`: whatever a network does meanwhile, it is afterwards as it was.

Each network here changes itself in another way while it runs. The oracle is a picture of all that
it holds, taken before and after: every list, and the identity and the values of every tensor.
"""

import types
from collections import deque

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.trace import evaluating, trace


class Store:
    """An object of a network's own file."""

    def __init__(self):
        self.maps, self.runs = [], 0


class Changes(nn.Module):
    """A convolution and what ``work(self, x, y)`` does besides."""

    shared = []

    def __init__(self, work):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("count", torch.zeros(1))
        self.plain = torch.zeros(2)
        self.maps, self.bag, self.queue = [], {1}, deque([1], maxlen=2)
        self.nested = {"first": [1], "pair": (1, [2])}
        self.space, self.store = types.SimpleNamespace(n=0), Store()
        self.last, self.work = None, work

    def forward(self, x):
        y = self.norm(self.conv(x))
        self.work(self, x, y)
        return y


def lists(net, x, y):
    net.maps.append(y)
    net.shared.append(y)
    net.queue.append(y)
    net.bag.add(2)


def nested(net, x, y):
    net.nested["first"].append(y)
    net.nested["pair"][1].clear()
    net.nested["new"] = y


def objects(net, x, y):
    net.store.maps.append(y)
    net.store.runs += 1
    net.space.n = y


def attributes(net, x, y):
    net.last, net.new = y, y
    net.maps = [y]
    del net.bag


def buffers(net, x, y):
    net.count += 1
    net.plain.add_(1)
    net.norm.running_mean.data.fill_(7)
    net.register_buffer("late", torch.ones(1))
    net.norm.running_var = torch.ones(4)


def layers(net, x, y):
    net.late = nn.ReLU()
    net.norm.inner = nn.Identity()
    del net.norm


def memory(net, x, y):
    net.conv.weight.data = net.conv.weight.data * 2
    net.norm.running_var.data = torch.ones(4)


def parameters(net, x, y):
    net.conv.bias = None
    net.conv.weight = nn.Parameter(torch.zeros(4, 3, 3, 3))


def flags(net, x, y):
    net.train()
    net.conv.weight.requires_grad_(False)
    net.conv.bias.grad = torch.ones(4)


CHANGES = [lists, nested, objects, attributes, buffers, layers, memory, parameters, flags]


def picture(thing):
    """Everything that a network holds, as plain values that can be compared."""
    if isinstance(thing, torch.Tensor):
        gradient = (thing.requires_grad, id(thing.grad)) if thing.is_leaf else None
        return id(thing), thing.data_ptr(), thing.detach().clone().tolist(), gradient
    if isinstance(thing, nn.Module | Store | types.SimpleNamespace):
        return id(thing), picture(vars(thing))
    if isinstance(thing, dict):
        return id(thing), [(key, picture(value)) for key, value in thing.items()]
    if isinstance(thing, list | tuple | deque | set):
        return id(thing), [picture(value) for value in thing]
    return thing


@pytest.mark.parametrize("work", CHANGES)
class TestWhatForwardChanges:
    def test_is_undone_after_a_run(self, work):
        net = nn.Sequential(Changes(work), nn.ReLU())
        before = picture(net), picture(Changes.shared)
        with evaluating(net):
            net(torch.rand(2, 3, 8, 8))
            assert (picture(net), picture(Changes.shared)) != before
        assert (picture(net), picture(Changes.shared)) == before

    def test_is_undone_after_a_trace(self, work):
        net = nn.Sequential(Changes(work), nn.ReLU())
        before = picture(net), picture(Changes.shared)
        if work is parameters:  # it makes a new one, which trace refuses
            with pytest.raises(ValueError, match=r"0\.conv \(Conv2d\): weight is made"):
                trace(net, (2, 3, 8, 8))
        else:
            assert [row.name for row in trace(net, (2, 3, 8, 8))][:2] == ["0.conv", "0.norm"]
        assert (picture(net), picture(Changes.shared)) == before

    def test_is_undone_when_it_fails(self, work):
        def broken(*given):
            work(*given)
            raise KeyError("late")

        net = Changes(broken)
        before = picture(net)
        with pytest.raises(KeyError, match="late"), evaluating(net):
            net(torch.rand(2, 3, 8, 8))
        assert picture(net) == before


def test_everything_runs_in_evaluation_and_gets_its_own_flag_back():
    net = nn.Sequential(nn.Dropout(), nn.Sequential(nn.BatchNorm2d(3), nn.Dropout())).train()
    net[1][0].eval()
    with evaluating(net) as same:
        assert same is net and not any(part.training for part in net.modules())
        x = torch.rand(2, 3, 4, 4)
        assert torch.equal(net(x), net[1][0](x))
    assert [part.training for part in net.modules()] == [True, True, True, False, True]


class LowRank(nn.Module):
    """Puts its second part into its weight in train(False), and takes it out in train(True)."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.part = nn.Parameter(torch.full((4, 3, 3, 3), 0.1))
        self.merged = False

    def train(self, mode=True):
        super().train(mode)
        if mode == self.merged:
            self.conv.weight.data += self.part.data * (-1 if mode else 1)
            self.merged = not mode
        return self

    def forward(self, x):
        weight = self.conv.weight if self.merged else self.conv.weight + self.part
        return F.conv2d(x, weight, self.conv.bias)


@pytest.mark.parametrize("merged", [False, True])
def test_a_modules_own_train_is_not_called(merged):
    net = nn.Sequential(LowRank(), nn.ReLU()).train(not merged)
    x, before = torch.rand(1, 3, 8, 8), picture(net)
    out = net(x)
    with evaluating(net):
        assert torch.equal(net(x), out)
    rows = trace(net, x.shape)
    assert picture(net) == before
    assert sum(row.parameters for row in rows) == 4 * 27 * (2 - merged) + 4


def test_lists_that_hooks_write_to_are_left():
    net, kept, seen = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), [], 0

    def keep(module, args, output):
        nonlocal seen
        kept.append(output)
        seen += 1

    net[0].register_forward_hook(keep)
    net[1].register_forward_hook(lambda module, args, output: OUTPUTS.append(output))
    trace(net, (1, 1, 5, 6))
    assert kept == [] and seen == 0 and OUTPUTS == []
    net(torch.rand(1, 1, 5, 6))
    assert len(kept) == 1 and seen == 1 and len(OUTPUTS) == 1
    OUTPUTS.clear()


OUTPUTS = []


def test_compiled_parts_run_as_they_are_written():
    def never(*args):
        raise AssertionError("compiled")

    double = torch.compile(lambda x: x * 2, backend=never)
    net = nn.Sequential(torch.compile(nn.Conv2d(1, 2, 3), backend=never), nn.ReLU())
    net.compile(backend=never)
    x = torch.rand(1, 1, 5, 6)
    with evaluating(net):
        assert torch.equal(net(x), net[1](net[0]._orig_mod(x)))
        assert torch.equal(double(x), x * 2)
    assert net._compiled_call_impl is not None


def test_it_works_in_inference_mode():
    with torch.inference_mode():
        net = Changes(buffers)
        before = picture(net)
        with evaluating(net):
            net(torch.rand(2, 3, 8, 8))
        assert picture(net) == before
    with evaluating(net), torch.inference_mode():
        net(torch.rand(2, 3, 8, 8))
    assert picture(net) == before


def test_numbers_written_into_a_parameter_stay_and_those_in_a_buffer_do_not():
    norm = nn.BatchNorm2d(2)
    with evaluating(norm), torch.no_grad():
        norm.weight.fill_(7.0)
        norm.running_mean.fill_(7.0)
    assert norm.weight.tolist() == [7.0, 7.0]
    assert norm.running_mean.tolist() == [0.0, 0.0]
