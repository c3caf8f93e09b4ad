"""Patches against one picture at a time: gates, writes through views, hooks, trained networks."""

from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import module as every_module

from cnnlib.inside import OcclusionMap, occlusion_map
from cnnlib.inside.incremental import Record
from cnnlib.inside.patch_rules import RULES
from cnnlib.inside.patches import make_plain
from cnnlib.models import SMALL
from cnnlib.weights import load_weights

METHODS = ("patches", "auto", "full")


class Alone:
    """The network's outputs with an occluder, each picture by itself: the oracle."""

    def __init__(self, network: nn.Module, image: Tensor) -> None:
        self.network, self.image = network, image
        self.known: dict[tuple, Tensor] = {}

    def outputs(self, *window: int) -> Tensor:
        top, left, height, width = window
        if window not in self.known:
            covered = self.image.clone()
            covered[..., top : top + height, left : left + width] = 0
            with torch.no_grad():
                self.known[window] = self.network(covered)[0]
        return self.known[window]

    def error(self, found: OcclusionMap, places: list | None = None) -> float:
        """The largest difference, as a share of the largest output."""
        grid = places or [*product(range(len(found.tops)), range(len(found.lefts)))]
        right = [self.outputs(found.tops[i], found.lefts[j], *found.size) for i, j in grid]
        ours = torch.stack([found.outputs[0, i, j] for i, j in grid])
        right = torch.stack(right)
        return ((ours - right).abs().max() / right.abs().max()).item()


@pytest.mark.parametrize("key", [*SMALL, "squeezenet1_1"])
def test_trained_networks_on_a_grid_that_does_not_divide(key):
    torch.manual_seed(0)
    network = load_weights(key)
    side, size, stride = (64, (11, 13), (15, 12)) if key in SMALL else (227, (40, 31), (53, 45))
    image = torch.randn(1, 3, side, side)
    found = occlusion_map(network, image, 1, size=size, stride=stride, method="patches")
    assert found.method == "patches"
    rows, columns = len(found.tops) - 1, len(found.lefts) - 1
    assert found.tops[-1] + size[0] > side  # the last covers stick out
    places = [(0, 0), (1, columns), (rows // 2, columns // 2), (rows, 1), (rows, columns)]
    assert Alone(network, image).error(found, places) < 1e-6


class Toy(nn.Module):
    """A convolution, something in the middle, and the rest."""

    def __init__(self, middle: Callable) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.classify, self.scale = nn.Linear(8, 3), nn.Parameter(torch.randn(1, 8, 1, 1))
        self.middle = middle
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = x if (y := self.middle(self, x)) is None else y
        return self.classify(F.relu(self.second(x)).mean((2, 3)))


def gate(x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True)


GATES = {
    "a gate beside a number": lambda net, x: x * gate(x) + x * 0.2,
    "a gate beside weights": lambda net, x: x * gate(x) + x * net.scale + net.scale,
    "a gate through a layer": lambda net, x: x * net.second(x).amax((2, 3), keepdim=True),
    "scale and shift from the picture": lambda net, x: x * (1 + gate(x)) + gate(x.abs()),
    "one number a picture": lambda net, x: x * x.mean((1, 2, 3)).view(-1, 1, 1, 1) * net.scale,
    "a map that gates all channels": lambda net, x: x * x.mean(1, keepdim=True).sigmoid(),
    "a ceiling from the picture": lambda net, x: torch.minimum(x, gate(x)) * net.scale,
    "static weights, spread": lambda net, x: x * net.scale.expand_as(x),
    "a static tensor of one picture": lambda net, x: x + torch.linspace(0, 1, x.shape[3]),
    "normalised over the picture": lambda net, x: F.instance_norm(x) * net.scale,
    "each picture's own weights": lambda net, x: torch.stack(
        [F.conv2d(y, net.second.weight * y.mean(), padding=1) for y in x]
    ),
}

#: Grids whose blocks are of 5, 6, 20 and 2 places, by size, stride.
GRIDS = [((8, 8), (8, 8)), ((5, 9), (6, 17)), ((3, 3), (11, 9)), ((20, 20), (30, 15))]


@pytest.mark.parametrize("size, stride", GRIDS)
@pytest.mark.parametrize("name", GATES)
def test_gates(name, size, stride):
    network, image = Toy(GATES[name]), torch.randn(1, 3, 40, 42)
    alone = Alone(network, image)
    for method in METHODS:
        found = occlusion_map(network, image, 0, size=size, stride=stride, method=method)
        assert alone.error(found) < 1e-6, method
        assert method != "patches" or found.method == "patches"


def index_fill(x: Tensor) -> None:
    x.index_fill_(1, torch.tensor([1, 4]), 0.5)


def set_channel(x: Tensor) -> None:
    x[:, 0] = 0


def set_by_mask(x: Tensor) -> None:
    x[x > 0.3] = 0.3


def out(x: Tensor) -> None:
    torch.clamp(x, max=0.2, out=x)


def out_channel(x: Tensor) -> None:
    torch.mul(x[:, 0], 2, out=x[:, 1])


def write_data(x: Tensor) -> None:
    x.data = x.data * 2


def write_numpy(x: Tensor) -> None:
    x.detach().numpy()[:, 0] = 0


def swallowed(x: Tensor) -> None:
    try:
        x[:, 0] = 0
    except Exception:
        pass


def write_later(x: Tensor) -> None:
    view = x.flatten(2)
    x.mul_(2)
    view[:, 3] = 0


def in_inference_mode(x: Tensor) -> None:
    with torch.inference_mode():
        x[:, 0].zero_()


#: What changes a tensor that somebody else reads, in the ways that there are.
WRITES = {
    "a channel through select": lambda x: x[:, 1].zero_(),
    "channels through a slice": lambda x: x[:, :3].mul_(2),
    "channels through narrow": lambda x: x.narrow(1, 0, 2).fill_(1),
    "places through a slice": lambda x: x[:, :, 3:9].zero_(),
    "everything through another shape": lambda x: x.flatten(2).relu_(),
    "everything through the same shape": lambda x: x.view(x.shape).mul_(2),
    "everything through a transpose": lambda x: x.mT.add_(2),
    "a channel through a permutation": lambda x: x.permute(0, 2, 3, 1)[..., 0].zero_(),
    "half of the channels through chunk": lambda x: x.chunk(2, 1)[0].mul_(3),
    "a channel through unbind": lambda x: x.unbind(1)[2].zero_(),
    "one channel from another": lambda x: x[:, 0].copy_(x[:, 1]),
    "a channel by number": set_channel,
    "by a mask": set_by_mask,
    "index_fill_": index_fill,
    "masked_fill_": lambda x: x.masked_fill_(x < 0.1, 0.0),
    "out=": out,
    "out= of a channel": out_channel,
    "through data": lambda x: x.data[:, 0].zero_(),
    "to data": write_data,
    "through detach": lambda x: x.detach().mul_(2),
    "through numpy": write_numpy,
    "caught when refused": swallowed,
    "before and after a view was taken": write_later,
    "a list of tensors": lambda x: torch._foreach_mul_([x], 2.0),
    "in inference mode": in_inference_mode,
    "everything in place": lambda x: x.mul_(2),
    "everything in place by an operator": lambda x: torch.ops.aten.relu_.default(x),
    "a channel by an operator": lambda x: torch.ops.aten.zero_(torch.ops.aten.select(x, 1, 1)),
}


#: What the check of a block says: it is there for what nobody has thought of.
CHECK = "differ from the full picture"


def expect_right_or_refused(network: nn.Module, image: Tensor) -> None:
    """Patches may refuse; what is given is right, and the other methods give something."""
    alone, kept = Alone(network, image), image.clone()
    for method in METHODS:
        try:
            found = occlusion_map(network, image, 0, size=(9, 7), stride=(8, 6), method=method)
        except ValueError as refusal:
            assert method == "patches" and "method='patches'" in str(refusal)
            assert CHECK not in str(refusal)
        else:
            assert CHECK not in found.reason
            assert alone.error(found) < 1e-6, method
        assert torch.equal(image, kept)


@pytest.mark.parametrize("name", WRITES)
def test_writes_in_forward(name):
    def middle(net, x):
        WRITES[name](x)

    expect_right_or_refused(Toy(middle), torch.randn(1, 3, 26, 22))


@pytest.mark.parametrize("name", WRITES)
def test_writes_in_a_hook_after_a_layer(name):
    def hook(module, args, output):
        WRITES[name](output)

    network = Toy(lambda net, x: None)
    network.first.register_forward_hook(hook)
    expect_right_or_refused(network, torch.randn(1, 3, 26, 22))


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("layer", ["first", "second"])
def test_writes_in_a_hook_before_a_layer(name, layer):
    network = Toy(lambda net, x: x.relu())
    network.lift = nn.Conv2d(3, 8, 1).eval()  # so that the first layer, too, has eight channels
    network.first = nn.Conv2d(8, 8, 3, padding=1)
    network.register_forward_pre_hook(lambda module, args: network.lift(args[0]))
    network.get_submodule(layer).register_forward_pre_hook(
        lambda module, args: (WRITES[name](args[0]), None)[1]
    )
    expect_right_or_refused(network, torch.randn(1, 3, 26, 22))


@pytest.mark.parametrize(
    "name",
    ["a channel through select", "a channel by number", "everything in place by an operator"],
)
def test_writes_into_the_picture(name):
    network = Toy(lambda net, x: x.relu())
    network.register_forward_pre_hook(lambda module, args: (WRITES[name](args[0]), None)[1])
    expect_right_or_refused(network, torch.randn(1, 3, 26, 22))


HOOKS = {
    "a new tensor": lambda module, args, output: output * 0.5,
    "a copy, changed": lambda module, args, output: output.clone().index_fill_(
        1, torch.tensor([0]), 0.0
    ),
    "a copy, changed through a view": lambda module, args, output: (
        (copy := output.clone()),
        copy[:, 1].zero_(),
    )[0],
    "its input": lambda module, args, output: args[0][:, :1].expand_as(output) + output,
    "its input, written to": lambda module, args, output: (args[0][:, 0].zero_(), None)[1],
}


@pytest.mark.parametrize("name", HOOKS)
@pytest.mark.parametrize("layer", ["first", "second"])
def test_hooks_that_give_something_else(name, layer):
    network = Toy(lambda net, x: x.relu())
    network.get_submodule(layer).register_forward_hook(HOOKS[name])
    expect_right_or_refused(network, torch.randn(1, 3, 26, 22))


def test_hooks_of_every_module():
    image = torch.randn(1, 3, 26, 22)
    hooks = [
        every_module.register_module_forward_hook(
            lambda module, args, output: (
                (output[:, 1].zero_(), None)[1] if isinstance(module, nn.Conv2d) else None
            )
        ),
        every_module.register_module_forward_pre_hook(
            lambda module, args: (
                (args[0][:, 0].mul_(2), None)[1] if isinstance(module, nn.Conv2d) else None
            )
        ),
    ]
    try:
        expect_right_or_refused(Toy(lambda net, x: x.relu()), image)
    finally:
        for hook in hooks:
            hook.remove()


def test_writes_into_what_does_not_depend_on_the_occluder():
    def into_zeros(net, x):
        buffer = torch.zeros(x.shape)
        buffer[:, :4] = x[:, :4]
        return buffer

    def into_a_buffer(net, x):
        net.seen.add_(x.mean())
        return x * net.seen

    expect_right_or_refused(Toy(into_zeros), torch.randn(1, 3, 26, 22))
    network = Toy(into_a_buffer)
    network.register_buffer("seen", torch.zeros(()))
    with pytest.raises(ValueError, match="another answer the second time"):
        occlusion_map(network, torch.randn(1, 3, 26, 22), 0, size=9, stride=8)
    assert network.seen == 0


@pytest.mark.parametrize("name", GATES)
def test_one_place_is_not_taken_for_the_unoccluded_picture(name):
    network, image = Toy(GATES[name]), torch.randn(1, 3, 40, 42)
    covered = image.clone()
    covered[..., 30:38, 5:14] = 0
    with torch.no_grad():
        record = Record(image, RULES)
        for corner in ((0, 0), (30, 5)):
            top, left = corner
            crop = covered[..., top : top + 8, left : left + 9]
            found = make_plain(record.run(network, crop, [top], [left]))
        assert torch.allclose(found, network(covered), rtol=1e-5, atol=1e-6)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        x[:, 1].zero_()
        return x


def read_after_a_write(x: Tensor) -> Tensor:
    view = x.flatten(2)
    x.mul_(2)
    return view.view(x.shape)


OTHER_WAYS = {
    "a view that a later write reaches": lambda net, x: read_after_a_write(x),
    "the first channel decides": lambda net, x: torch.where(x[:, :1] > 0, x, 0.1 * x),
    "sorted channels": lambda net, x: x.sort(1)[0],
    "another number type": lambda net, x: x.bfloat16().float(),
    "other bits": lambda net, x: (x.view(torch.int32) & -4096).view(torch.float32),
    "attention": lambda net, x: F.scaled_dot_product_attention(x, x, x),
    "spectra": lambda net, x: torch.fft.irfft2(torch.fft.rfft2(x)[..., :6], s=x.shape[2:]),
    "turned round": lambda net, x: x.flip(2).roll(3, 3),
    "a function with its own way back": lambda net, x: Doubled.apply(x * 1),
    "checkpointed": lambda net, x: torch.utils.checkpoint.checkpoint(
        net.second, x, use_reentrant=True
    ),
    "past torch's functions": lambda net, x: x * torch.vmap(lambda y: y > 0.1)(x),
    "each picture by itself": lambda net, x: torch.stack(
        [y * (2 if y.mean() > 0 else 1) for y in x]
    ),
    "into numpy and back": lambda net, x: torch.from_numpy(x.numpy() * 2),
    "a copy of all": lambda net, x: __import__("copy").deepcopy(x.sort(1)[0]),
}


@pytest.mark.parametrize("name", OTHER_WAYS)
def test_what_has_no_rule(name):
    expect_right_or_refused(Toy(OTHER_WAYS[name]), torch.randn(1, 3, 26, 22))
