"""Rectifiers are found however they are written, and what is none is refused by name."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from cnnlib.inside import attribute, deconvnet
from cnnlib.inside.pointwise import LADDER, find_cap, find_kinks, is_linear, run_on_ladder
from cnnlib.models import SMALL
from cnnlib.weights import WEIGHTS, load_weights

torch.manual_seed(0)
IMAGE = 15 * torch.randn(1, 3, 12, 14)
ONE, TWO = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 5, 3)
nn.init.normal_(TWO.weight, std=0.1)


class ByHand(torch.autograd.Function):
    """The table of rules, written again: what a rectifier capped at ``cap`` sends back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rule: str, cap: float) -> Tensor:
        ctx.rule = rule
        ctx.save_for_backward((x > 0) & (x < cap))
        return x.clamp(0, cap)

    @staticmethod
    def backward(ctx: Any, signal: Tensor) -> tuple[Tensor, None, None]:
        (is_open,) = ctx.saved_tensors
        if ctx.rule == "gradient":
            return torch.where(is_open, signal, 0.0), None, None
        rising = torch.where(signal > 0, signal, 0.0)
        found = torch.where(is_open, rising, 0.0) if ctx.rule == "guided" else rising
        return found, None, None


class Act(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def network(function: Callable[[Tensor], Tensor]) -> nn.Sequential:
    return nn.Sequential(ONE, Act(function), TWO, Act(function))


def maps_by_hand(pixels: Tensor, rule: str, cap: float) -> Tensor:
    """Channel 2 of the second rectifier."""
    return ByHand.apply(TWO(ByHand.apply(ONE(pixels), rule, cap)), rule, cap)[0, 2]


with torch.no_grad():  # a place that is open, with a cap of 6 and without
    OPEN = [maps_by_hand(IMAGE, "guided", cap) for cap in (6.0, torch.inf)]
    PLACE = tuple(((OPEN[0] > 0.5) & (OPEN[0] < 5.5) & (OPEN[1] > 0.5)).nonzero()[0].tolist())


def by_hand(rule: str, cap: float) -> Tensor:
    """The projection of one place of channel 2."""
    pixels = IMAGE.clone().requires_grad_()
    value = maps_by_hand(pixels, rule, cap)[PLACE]
    found = torch.autograd.grad(value, pixels, value.detach() if rule == "deconvnet" else None)
    return found[0]


def statement(function: Callable[[Tensor], Any]) -> Callable[[Tensor], Tensor]:
    """A function that works in place and whose answer is thrown away."""

    def call(x: Tensor) -> Tensor:
        function(x)
        return x

    return call


def negatives_to_zero(x: Tensor) -> Tensor:
    x[x < 0] = 0
    return x


def copy_with_negatives_to_zero(x: Tensor) -> Tensor:
    y = x.clone()
    y[y <= 0] = 0.0
    return y


def half_by_half(x: Tensor) -> Tensor:
    x[:, :2].relu_()
    x[:, 2:].clamp_(min=0)
    return x


def times_mask_in_place(x: Tensor) -> Tensor:
    x *= x > 0
    return x


NOTHING = torch.zeros(())
RECTIFIERS = {
    "nn.ReLU": nn.ReLU(),
    "nn.ReLU, in place": nn.ReLU(inplace=True),
    "F.relu": F.relu,
    "torch.relu": torch.relu,
    "x.relu_()": statement(torch.relu_),
    "the operator": torch.ops.aten.relu.default,
    "the operator, in place": statement(torch.ops.aten.relu_.default),
    "arguments by name": lambda x: torch.clamp(input=x, min=0),
    "clamp(min=0)": lambda x: x.clamp(min=0),
    "clamp(0)": lambda x: torch.clamp(x, 0),
    "clamp(min=tensor)": lambda x: x.clamp(min=NOTHING),
    "clamp_(min=0)": statement(lambda x: x.clamp_(min=0)),
    "clamp_min": lambda x: x.clamp_min(0),
    "clip": lambda x: torch.clip(x, min=0.0),
    "maximum": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "maximum, other order": lambda x: torch.maximum(NOTHING, x),
    "fmax": lambda x: torch.fmax(x, x.new_zeros(1)),
    "max of two": lambda x: torch.max(x, torch.zeros_like(x)),
    "minus the minimum": lambda x: -torch.minimum(-x, NOTHING),
    "where >": lambda x: torch.where(x > 0, x, torch.zeros_like(x)),
    "where >=": lambda x: torch.where(x >= 0, x, 0.0),
    "where <=": lambda x: torch.where(x <= 0, 0.0, x),
    "where, negated": lambda x: torch.where(~(x > 0), NOTHING, x),
    "x.where": lambda x: x.where(x > 0, NOTHING),
    "times mask": lambda x: x * (x > 0),
    "mask times": lambda x: (x > 0).float() * x,
    "times mask of detached": lambda x: x * (x.detach() > 0).to(x.dtype),
    "times mask, in place": times_mask_in_place,
    "times heaviside": lambda x: x * torch.heaviside(x.detach(), NOTHING),
    "nn.Threshold": nn.Threshold(0, 0),
    "F.threshold_": statement(lambda x: F.threshold_(x, 0, 0)),
    "mean with size": lambda x: (x + x.abs()) / 2,
    "halves": lambda x: 0.5 * torch.abs(x) + 0.5 * x,
    "size where open": lambda x: x.abs() * (x > 0),
    "rounded gate": lambda x: x * x.sigmoid().round(),
    "root of square": lambda x: (x + (x**2).sqrt()) / 2,
    "less its negative part": lambda x: x - x.clamp(max=0),
    "masked_fill": lambda x: x.masked_fill(x < 0, 0),
    "masked_fill_": statement(lambda x: x.masked_fill_(~(x > 0), 0.0)),
    "x[x < 0] = 0": negatives_to_zero,
    "y[y <= 0] = 0": copy_with_negatives_to_zero,
    "two views in place": half_by_half,
    "a view in place": lambda x: x.view(-1).relu_().view_as(x),
    "written back": statement(lambda x: x.copy_(x.clamp(min=0))),
    "leaky with slope 0": nn.LeakyReLU(0.0),
    "PReLU with weights 0": lambda x: F.prelu(x, torch.zeros(x.shape[1])),
    "checkpointed": lambda x: checkpoint(F.relu, x, use_reentrant=False),
}
CAPPED = {
    "nn.ReLU6": nn.ReLU6(),
    "nn.ReLU6, in place": nn.ReLU6(inplace=True),
    "F.relu6": F.relu6,
    "nn.Hardtanh": nn.Hardtanh(0, 6),
    "F.hardtanh": lambda x: F.hardtanh(x, 0.0, 6.0),
    "clamp(0, 6)": lambda x: x.clamp(0, 6),
    "ReLU, then clamp": lambda x: F.relu(x).clamp(max=6),
    "clamp, then ReLU": lambda x: F.relu(x.clamp(max=6)),
    "minimum of maximum": lambda x: torch.minimum(torch.maximum(x, NOTHING), torch.tensor(6.0)),
    "difference of two": lambda x: F.relu(x) - F.relu(x - 6),
    "in place twice": lambda x: x.relu_().clamp_(max=6),
}


@pytest.mark.parametrize("rule", ["deconvnet", "guided"])
@pytest.mark.parametrize(
    "function, cap",
    [(function, torch.inf) for function in RECTIFIERS.values()]
    + [(function, 6.0) for function in CAPPED.values()],
    ids=[*RECTIFIERS, *CAPPED],
)
def test_whatever_computes_a_rectifier_has_its_rule(function, cap, rule):
    expected = by_hand(rule, cap)
    assert (expected - by_hand("gradient", cap)).abs().max() > 0.1 * expected.abs().max()
    found = deconvnet(network(function), IMAGE, "3", 2, PLACE, rule=rule)
    assert torch.allclose(found, expected, atol=1e-5 * expected.abs().max())


def test_the_cap_counts():
    capped, free = by_hand("guided", 6.0), by_hand("guided", torch.inf)
    assert (capped - free).abs().max() > 0.1 * free.abs().max()


def test_at_its_cap_a_rectifier_is_closed_as_in_torch():
    image = torch.tensor([5.0, 6.0, 0.0, -1.0]).view(1, 4, 1, 1)
    for rectify in (nn.ReLU6(), lambda x: F.relu(x).clamp(max=6)):
        summed = nn.Sequential(Act(rectify), nn.Conv2d(4, 1, 1, bias=False))
        nn.init.ones_(summed[1].weight)
        assert deconvnet(summed, image, "", rule="guided").flatten().tolist() == [1, 0, 0, 0]


def leaky_in_place(x: Tensor) -> Tensor:
    y = x.clone()
    y[y < 0] = y[y < 0] * 0.1
    return y


class OwnBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, signal: Tensor) -> Tensor:
        return signal * (ctx.saved_tensors[0] > 0)


@torch.jit.script
def scripted_relu(x: Tensor) -> Tensor:
    return torch.relu(x)


HIDDEN = {"scripted": scripted_relu, "rnn": nn.RNN(10, 10, nonlinearity="relu", batch_first=True)}
KINKED = {
    "leaky_relu": nn.LeakyReLU(),
    "prelu": nn.PReLU(),
    "rrelu": nn.RReLU(),
    "selu": nn.SELU(),
    "hardswish": nn.Hardswish(),
    "hardsigmoid": nn.Hardsigmoid(),
    "hardtanh": nn.Hardtanh(),
    "softshrink": nn.Softshrink(),
    "threshold": nn.Threshold(0.5, 0.0),
    "abs": torch.abs,
    "where": lambda x: torch.where(x > 0, x, 0.1 * x),
    "maximum": lambda x: torch.maximum(x, 0.1 * x),
}
UNSEEN = {
    "OwnBackward, a torch.autograd.Function": OwnBackward.apply,
    "Relu runs in code that cannot be seen": lambda x: HIDDEN["scripted"](x),
    "rnn_relu holds an activation inside": lambda x: HIDDEN["rnn"](x[0, :, :10, :10])[0][None],
    "setitem chooses places by the picture's values": leaky_in_place,
    "where chooses": lambda x: torch.where((x > 0).flatten(1).view_as(x), x, 0.1 * x),
    "amax takes a maximum with numbers": lambda x: torch.stack(
        [x, 0 * NOTHING + x.new_zeros(x.shape)]
    ).amax(0),
    "use_reentrant=True": lambda x: checkpoint(F.relu, x, use_reentrant=True),
}


@pytest.mark.parametrize("rule", ["deconvnet", "guided"])
@pytest.mark.parametrize("name", KINKED)
def test_another_function_with_a_kink_is_refused_by_name(name, rule):
    mixed = nn.Sequential(ONE, nn.ReLU(), TWO, Act(KINKED[name]))
    with pytest.raises(ValueError, match=rf"rule='{rule}': 3.*: {name} has a kink"):
        deconvnet(mixed, IMAGE, "3", rule=rule)
    deconvnet(mixed, IMAGE, "3", rule="gradient")


@pytest.mark.parametrize("words", UNSEEN)
def test_what_cannot_be_followed_is_refused_by_name(words):
    mixed = nn.Sequential(ONE, nn.ReLU(), TWO, Act(UNSEEN[words]))
    with pytest.raises(ValueError, match=words):
        deconvnet(mixed, IMAGE, "3", rule="guided")
    with pytest.raises(ValueError, match=words):
        attribute(mixed.append(Pooled()), IMAGE, 2, "guided_backprop")


class Pooled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


@pytest.mark.parametrize(
    "function", [torch.tanh, nn.GELU(), nn.SiLU(), nn.ELU(), lambda x: x / (1 + x.abs())]
)
def test_activations_that_only_bend_pass_their_gradient_but_are_no_rectifiers(function):
    mixed = nn.Sequential(ONE, nn.ReLU(), TWO, Act(function))
    pixels = IMAGE.clone().requires_grad_()
    maps = function(TWO(ByHand.apply(ONE(pixels), "guided", torch.inf)))
    (expected,) = torch.autograd.grad(maps[0, 2].max(), pixels)
    found = deconvnet(mixed, IMAGE, "3", channel=2, rule="guided")
    assert torch.allclose(found, expected, atol=1e-5 * expected.abs().max())
    with pytest.raises(ValueError, match="no rectifier, max.x, 0., lies on the way back"):
        deconvnet(network(function), IMAGE, "3", rule="guided")
    with pytest.raises(ValueError, match="no rectifier"):
        attribute(network(function).append(Pooled()), IMAGE, 2, "deconvolution")


def test_a_kink_that_no_value_crosses_does_not_matter():
    last = Act(lambda x: (F.relu(x) + 1).clamp(max=1000))
    clipped = nn.Sequential(ONE, nn.ReLU(), TWO, last)
    found = deconvnet(clipped, IMAGE, "3", 2, PLACE, rule="guided")
    assert torch.allclose(found, by_hand("guided", torch.inf), atol=1e-5)
    with pytest.raises(ValueError, match="clamp has a kink"):
        deconvnet(network(lambda x: (F.relu(x) + 1).clamp(max=3)), IMAGE, "3", rule="guided")


def test_linear_layers_alone_need_no_rectifier_but_a_method_named_after_it_does():
    linear = nn.Sequential(ONE, nn.MaxPool2d(2), Pooled())
    maps = [deconvnet(linear, IMAGE, "2", channel=2, rule=r) for r in ("gradient", "guided")]
    assert torch.equal(*maps)
    with pytest.raises(ValueError, match="method='guided_backprop': no rectifier"):
        attribute(linear, IMAGE, 2, "guided_backprop")


class Sharing(nn.Module):
    """One ReLU that runs three times, and checkpointed blocks around it."""

    def __init__(self, how: str) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.how, self.relu = how, nn.ReLU(inplace=how == "in place")
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.head = nn.Linear(4, 5)

    def block(self, x: Tensor) -> Tensor:
        return self.relu(self.two(self.relu(self.one(x))))

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "checkpointed":
            x = checkpoint(self.block, x, use_reentrant=False)
        elif self.how == "in sequence":
            parts = [self.one, self.relu, self.two, self.relu]
            x = checkpoint_sequential(parts, 2, x, use_reentrant=False)
        else:
            x = self.block(x)
        return self.head(self.relu(x.mean((2, 3))))


@pytest.mark.parametrize("rule", ["gradient", "deconvnet", "guided"])
@pytest.mark.parametrize("how", ["in place", "checkpointed", "in sequence"])
def test_a_shared_relu_and_checkpointed_blocks_change_nothing(how, rule):
    image, channel = torch.randn(2, 3, 9, 8), 1
    expected = deconvnet(Sharing("plain"), image, "", channel, rule=rule)
    assert torch.allclose(deconvnet(Sharing(how), image, "", channel, rule=rule), expected)


# --- every network with weights ---


class Ruled(nn.Module):
    def __init__(self, rule: str, cap: float) -> None:
        super().__init__()
        self.rule, self.cap = rule, cap

    def forward(self, x: Tensor) -> Tensor:
        return ByHand.apply(x, self.rule, self.cap)


class PassedOver(nn.Module):
    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        return x + (self.norm(x) - x).detach()


def with_rules(part: nn.Module, rule: str) -> None:
    """Put rectifiers with the rule in place of the rectifier modules below."""
    for name, child in part.named_children():
        if isinstance(child, nn.ReLU | nn.ReLU6):
            cap = 6.0 if isinstance(child, nn.ReLU6) else torch.inf
            setattr(part, name, Ruled(rule, cap))
        elif type(child).__name__ == "LocalResponseNorm" and rule == "deconvnet":
            setattr(part, name, PassedOver(child))
        else:
            with_rules(child, rule)


@pytest.mark.parametrize("key", [key for key in WEIGHTS if key in SMALL or key == "squeezenet1_1"])
def test_three_rules_on_every_shipped_network(key):
    torch.manual_seed(1)
    channels = 3 if WEIGHTS[key].preprocessing.mean is not None else 1
    image = torch.randn(1, channels, 64, 64)
    shipped = load_weights(key)
    target = shipped(image)[0].argmax().item()
    found = {}
    for rule in ("gradient", "deconvnet", "guided"):
        found[rule] = deconvnet(shipped, image, "", channel=target, rule=rule)
        other = load_weights(key)
        with_rules(other, rule)
        pixels = image.clone().requires_grad_()
        score = other(pixels)[0, target]
        start = score.detach().clamp(min=0) if rule == "deconvnet" else None
        (expected,) = torch.autograd.grad(score, pixels, start)
        assert expected.abs().max() > 0
        assert (found[rule] - expected).abs().max() <= 1e-4 * expected.abs().max()
    for one, two in (("gradient", "guided"), ("gradient", "deconvnet"), ("guided", "deconvnet")):
        alike = torch.corrcoef(torch.stack([found[one].flatten(), found[two].flatten()]))[0, 1]
        assert alike < 0.99


# --- functions of one number ---


@pytest.mark.parametrize(
    "function, cap",
    [
        (F.relu, torch.inf),
        (F.relu6, 6.0),
        (lambda x: x.clamp(0, 0.1), 0.1),
        (lambda x: x.clamp(0, 255), 255.0),
        (lambda x: x.clamp(min=1e-7), torch.inf),
        (lambda x: x.clamp(min=0.01), None),
        (lambda x: 2 * F.relu(x), None),
        (F.softplus, None),
        (torch.abs, None),
        (lambda x: x, None),
        (lambda x: x > 0, None),
    ],
)
def test_a_rectifier_is_known_by_its_values(function, cap):
    assert find_cap(run_on_ladder(function, LADDER)) == cap


@pytest.mark.parametrize(
    "function, places",
    [
        (F.leaky_relu, {0.0}),
        (F.hardswish, {-3.0, 3.0}),
        (lambda x: x.clamp(-50, 50), {-50.0, 50.0}),
        (lambda x: F.relu(x - 0.25), {0.25}),
        (torch.sigmoid, set()),
        (F.gelu, set()),
        (F.elu, set()),
        (torch.exp, set()),
        (lambda x: x**3 - x, set()),
        (lambda x: (x + 1e-5).sqrt(), set()),
        (lambda x: 1 / x, set()),
    ],
)
def test_kinks_are_where_the_slope_jumps(function, places):
    found = find_kinks(run_on_ladder(function, LADDER))
    near = {place for place in places for first, last in found if first <= place <= last}
    assert near == places and bool(found) == bool(places)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x - x.mean(),
        lambda x: x.softmax(-1),
        lambda x: x.cumsum(0),
        lambda x: x.flip(0),
        lambda x: x.sort().values,
        lambda x: x.roll(1),
        lambda x: x[1:],
        lambda x: F.conv2d(x, x),
    ],
)
def test_what_mixes_places_is_no_function_of_one_number(function):
    assert run_on_ladder(function, LADDER) is None


def test_a_line_is_linear_and_nothing_else():
    assert is_linear(run_on_ladder(lambda x: 3 * x - 2, LADDER))
    assert not is_linear(run_on_ladder(lambda x: F.leaky_relu(x, 0.99), LADDER))
