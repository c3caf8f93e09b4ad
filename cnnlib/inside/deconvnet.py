"""Project one activation back to the pixels (Zeiler & Fergus 2014, section 2.1).

    pixels = deconvnet(network, image, "relu5")                  # the strongest activation of all
    pixels = deconvnet(network, image, "relu5", channel=12)      # the strongest of a channel

The paper runs the layers in reverse: *unpool*, each value back to the place that won its window
(the switch); *rectify*; *filter* with the transposed kernels. The first and the last are just what
backpropagation does to a max pool and to a convolution. Only the ReLU differs (Simonyan, Vedaldi &
Zisserman 2014, section 4). So this is a backward pass with the ReLU's rule replaced, and works on
any network that torch can differentiate, branches and joins included. ``RELU_RULES`` is the one
table in which these ways of looking differ: r is the signal from above, x what the ReLU saw.

    gradient     r where x > 0
    deconvnet    r where r > 0
    guided       r where both are

The other layers, on the way back:

- Overlapping pools: a place that won several windows gets the sum of what they send. Of equal
  values the first wins, in reading order, as in torch. (``switches=False`` leaves the switches
  out, to show what they are for.)
- Sums give the signal to every branch, ``cat`` gives each branch its channels. Linear layers are
  transposed. Means spread it evenly.
- Batch normalisation, at test, is a scale a channel, and stays one. Biases play no part.
- Local response normalisation is passed over by ``deconvnet``, as the paper's reversal has no layer
  for it. ``gradient`` and ``guided`` differentiate it.
- Other activations that only bend (sigmoid, tanh, SiLU, GELU, ELU) pass their gradient. One with a
  kink that is no rectifier (leaky ReLU, hard-swish, absolute value) has no rule here and is refused
  where its input lies on both sides of the kink.

What is a ReLU? What computes max(x, 0), or min(max(x, 0), c) as ReLU6 does, however it is written:
:mod:`cnnlib.inside.rectifiers` finds them. Code that it cannot see into is refused.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import _engine_run_backward
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from cnnlib.calls import Call, pool_windows
from cnnlib.geometry import whole_number
from cnnlib.inside.images import check_image, is_sequence
from cnnlib.inside.layers import make_differentiable, run_to
from cnnlib.inside.rectifiers import RectifierWatch, mark_unchanged, walk_back

#: What a ReLU sends back: of the signal from above, and where its own input was let through.
RELU_RULES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "gradient": lambda signal, is_open: signal * is_open,
    "deconvnet": lambda signal, is_open: signal.clamp(min=0),
    "guided": lambda signal, is_open: signal.clamp(min=0) * is_open,
}


def deconvnet(
    module: nn.Module,
    image: Tensor,
    layer: str,
    channel: int | None = None,
    position: tuple[int, int] | None = None,
    *,
    rule: str = "deconvnet",
    switches: bool = True,
) -> Tensor:
    """What in ``image``, (N, C, H, W), made one activation of ``layer``. Returns (N, C, H, W).

    All other activations of the layer are set to 0. ``channel`` None takes the channel with the
    largest activation, ``position`` None the place (row, column) of the channel's largest, in each
    image on its own. A layer that gives (N, K) has channels and no positions; ``layer=""`` is the
    network's output. A layer that runs several times is taken as it runs first. Numbers count from
    0; negative ones are refused.

    ``rule``: with "deconvnet" the signal starts as the activation itself, as in the paper, and an
    activation below 0 as 0, so that its map is empty. With "gradient" and "guided" it starts as 1,
    so that the first is the derivative. ``switches=False``: max pools forget who won, and send a
    signal in equal parts to all places of the window that lie on the map. (What the network itself
    does with the places that a pool gives it stays.)

    The image goes to the module's device and number type, and the map comes in these. The module
    runs in evaluation; it and the image are left as they were.

    Raises ``ValueError`` for an image, layer, channel, position or rule that does not fit, and for
    a layer from which no signal can be sent back. With the rules "deconvnet" and "guided" also,
    with the name of the module, where something else than a rectifier has a kink; where scripted
    code, a ``torch.autograd.Function`` or a choice by the picture's values cannot be followed; and
    where no rectifier lies on the way back although another activation does. Without switches for
    a max pool with dilation, and for a maximum other than ``max_pool2d``, adaptive or not.
    """
    check_image(image)
    if rule not in RELU_RULES:
        raise ValueError(f"rule={rule!r}: expected one of {list(RELU_RULES)}")

    def start(activations: Tensor) -> Tensor:
        if activations.dim() not in (2, 4) or len(activations) != len(image):
            raise _no_maps(layer)
        chosen = _choose(activations, channel, position)
        found = torch.zeros_like(activations)
        found[chosen] = activations[chosen].clamp(min=0) if rule == "deconvnet" else 1.0
        return found

    with make_differentiable(module, image, "deconvnet") as (network, pixels):
        what = f"rule={rule!r}"
        return send_back(network, pixels, layer, rule, start, what=what, switches=switches)


def send_back(
    network: nn.Module,
    pixels: Tensor,
    layer: str,
    rule: str,
    start: Callable[[Tensor], Tensor],
    *,
    what: str,
    switches: bool = True,
    strict: bool = False,
) -> Tensor:
    """The signal on the pixels, a leaf, that begins at ``layer`` as ``start(its activations)``.

    ``strict``: no rectifier on the way is an error also where there is no other activation.
    ``what`` was asked for, in the words of an error.
    """
    with ExitStack() as modes:
        watch = None
        if rule != "gradient":
            watch = modes.enter_context(RectifierWatch(network, RELU_RULES[rule]))
        modes.enter_context(_Replacing(_replacements(rule, switches)))
        with _response_norms_passed_over(network, rule), watch.names() if watch else ExitStack():
            out = run_to(network, layer, pixels.clone())  # a first layer may write into its input
        if not isinstance(out, Tensor) or not out.is_floating_point():
            raise _no_maps(layer)
        check_way_back(out, f"layer={layer!r}")
        if watch:
            watch.check(out, what, strict)
        signal = start(out.detach())
        with explain_refusals(f"layer={layer!r}"):
            return _gradient(out, pixels, signal)


@contextmanager
def explain_refusals(what: str) -> Iterator[None]:
    """Within it, a ``RuntimeError`` of torch is a ``ValueError`` that says for what."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise ValueError(f"{what}: torch cannot go back to the picture: {error}") from error


def _gradient(out: Tensor, pixels: Tensor, signal: Tensor) -> Tensor:
    """``torch.autograd.grad`` with the modes on, for checkpointed parts run again in it.

    That function itself would step out of them.
    """
    (found,) = _engine_run_backward(
        (out,), (signal,), False, False, (pixels,), False, accumulate_grad=False
    )
    return found


def _no_maps(layer: str) -> ValueError:
    return ValueError(f"layer={layer!r}: expected one that gives (N, C, H, W) or (N, K)")


def check_way_back(out: Tensor, what: str) -> None:
    """Raise ``ValueError`` where torch cannot go back from ``out`` to the picture."""
    if not out.requires_grad:
        raise ValueError(
            f"{what}: no signal can be sent back to the picture: it has no part in this, or the "
            "network cuts the way (no_grad, inference_mode, detach)"
        )
    if any(node.name().startswith("CheckpointFunction") for node in walk_back(out)):
        raise ValueError(
            f"{what}: the network checkpoints with use_reentrant=True, and torch cannot go back to "
            "the picture through that: use_reentrant=False works"
        )


def _choose(activations: Tensor, channel: Any, position: Any) -> tuple[Tensor, ...]:
    """The index of one activation an image."""
    number, channels, *grid = activations.shape
    images = torch.arange(number, device=activations.device)
    if channel is None:
        channel = activations.flatten(2).amax(2).argmax(1) if grid else activations.argmax(1)
    else:
        given = whole_number(channel, "channel")
        if not 0 <= given < channels:
            raise ValueError(f"channel={given}: expected a number from 0 to {channels - 1}")
        channel = torch.full_like(images, given)
    if not grid:
        if position is not None:
            raise ValueError(f"position={position}: the layer's units have no positions")
        return images, channel
    rows, columns = grid
    if position is None:
        place = activations[images, channel].flatten(1).argmax(1)
        return images, channel, place // columns, place % columns
    try:
        places = [whole_number(p, "position") for p in position] if is_sequence(position) else []
    except ValueError:
        places = []
    if len(places) != 2 or not all(0 <= p < n for p, n in zip(places, grid, strict=True)):
        raise ValueError(f"position={position}: expected (row, column) in {rows}x{columns}")
    return images, channel, *(torch.full_like(images, p) for p in places)


class _Replacing(TorchFunctionMode):
    """Answers calls of these plain names by other functions, which are given the call."""

    def __init__(self, replacements: dict[str, Callable[[Call], Any]]) -> None:
        super().__init__()
        self.replacements = replacements

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        call = Call(func, args, kwargs or {})
        return self.replacements.get(call.name, Call.run)(call)


def _replacements(rule: str, switches: bool) -> dict[str, Callable[[Call], Any]]:
    found: dict[str, Callable[[Call], Any]] = {}
    if rule == "deconvnet":
        found["local_response_norm"] = lambda call: _Instead.apply(
            [call.run().detach()], call.first
        )
    if not switches:
        found["max_pool2d"] = _spreading(_mean_of_windows)
        found["adaptive_max_pool2d"] = _spreading(_mean_of_parts)
        found |= dict.fromkeys(_OTHER_MAXIMA, _refuse_maximum)
    return found


@contextmanager
def _response_norms_passed_over(network: nn.Module, rule: str) -> Iterator[None]:
    hooks = []
    if rule == "deconvnet":
        for part in network.modules():
            if type(part).__name__ in ("LocalResponseNorm", "CrossMapLRN2d"):
                hooks.append(part.register_forward_hook(_pass_over, prepend=True))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _pass_over(part: nn.Module, args: tuple, out: Tensor) -> Tensor:
    """The layer's values forwards; backwards, nothing happens."""
    return _Instead.apply([out.detach()], args[0])


@mark_unchanged
class _Instead(torch.autograd.Function):
    """Forwards the first; backwards the signal goes to the second."""

    @staticmethod
    def forward(ctx: Any, values: list[Tensor], origin: Tensor) -> Tensor:
        return values[0]

    @staticmethod
    def backward(ctx: Any, signal: Tensor) -> tuple[None, Tensor]:
        return None, signal


def _spreading(mean: Callable[[Call], Tensor]) -> Callable[[Call], Any]:
    """A max pool that goes back as this mean does."""

    def pool(call: Call) -> Any:
        found = call.run()
        values, *places = found if isinstance(found, tuple) else [found]
        values = _Instead.apply([values.detach()], mean(call))
        return (values, *places) if places else values

    return pool


def _mean_of_windows(call: Call) -> Tensor:
    """An average pool with a max pool's arguments. The border's padding does not count."""
    windows = pool_windows(call)
    if any(window.dilation != 1 for window in windows):
        raise ValueError(
            f"switches=False: a max pool has dilation={call.get('dilation')}, expected 1"
        )
    return F.avg_pool2d(
        call.first,
        [window.kernel_size for window in windows],
        [window.stride for window in windows],
        [window.before for window in windows],
        windows[0].ceil_mode,
        count_include_pad=False,
    )


def _mean_of_parts(call: Call) -> Tensor:
    return F.adaptive_avg_pool2d(call.first, call.get("output_size"))


_OTHER_MAXIMA = """
    amax max max_pool1d max_pool3d adaptive_max_pool1d adaptive_max_pool3d fractional_max_pool2d
    fractional_max_pool3d
""".split()


def _refuse_maximum(call: Call) -> Any:
    """No maximum over places but the max pools; that of two tensors has no places."""
    two = any(isinstance(call.get(name), Tensor) for name in ("dim", "other"))
    if not two and call.first.requires_grad:
        raise ValueError(
            f"switches=False: the network takes a maximum with {call.name}, expected "
            "max_pool2d or adaptive_max_pool2d"
        )
    return call.run()
