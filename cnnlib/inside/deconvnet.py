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
- Other activations (sigmoid, tanh) pass their gradient.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from cnnlib.inside.images import check_image
from cnnlib.inside.layers import resting, run_to
from cnnlib.inside.patches import in_place
from cnnlib.trace.call import plain_name

#: What a ReLU sends back: of the signal from above, and where its own input was let through.
RELU_RULES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "gradient": lambda signal, is_open: signal * is_open,
    "deconvnet": lambda signal, is_open: signal.clamp(min=0),
    "guided": lambda signal, is_open: signal.clamp(min=0) * is_open,
}

_RECTIFIERS = {"relu": F.relu, "relu6": F.relu6}


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
    network's output. A layer that runs several times is taken as it runs first.

    ``rule``: with "deconvnet" the signal starts as the activation itself, as in the paper; with
    "gradient" and "guided" as 1, so that the first is the derivative. ``switches=False``: max pools
    forget who won, and send a signal in equal parts to all places of the window that lie on the
    map. The module runs in eval mode and is left as it was.

    Raises ``ValueError`` for an image, layer, channel, position or rule that does not fit, and
    without switches for a max pool with dilation.
    """
    check_image(image)
    if rule not in RELU_RULES:
        raise ValueError(f"rule={rule!r}: expected one of {list(RELU_RULES)}")
    pixels = image.detach().clone().requires_grad_()
    with resting(module), torch.enable_grad():
        activations = _run_to(module, layer, pixels, _Reversed(rule, switches))
        chosen = _choose(activations.detach(), channel, position)
        start = torch.zeros_like(activations)
        start[chosen] = activations.detach()[chosen] if rule == "deconvnet" else 1.0
        (found,) = torch.autograd.grad(activations, pixels, start)
    return found


def _run_to(module: nn.Module, layer: str, pixels: Tensor, way_back: "_Reversed") -> Tensor:
    """The layer's output, ready for the way back."""
    hooks = []
    if way_back.rule == "deconvnet":
        for part in module.modules():
            if type(part).__name__ == "LocalResponseNorm":
                hooks.append(part.register_forward_hook(_pass_over, prepend=True))
    try:
        with way_back:
            out = run_to(module, layer, pixels)
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(out, Tensor) or out.dim() not in (2, 4) or len(out) != len(pixels):
        raise ValueError(f"layer={layer!r}: expected one that gives (N, C, H, W) or (N, K)")
    return out


def _choose(activations: Tensor, channel: Any, position: Any) -> tuple[Tensor, ...]:
    """The index of one activation an image."""
    number, channels, *grid = activations.shape
    images = torch.arange(number, device=activations.device)
    if channel is None:
        channel = activations.flatten(2).amax(2).argmax(1) if grid else activations.argmax(1)
    elif type(channel) is not int or not 0 <= channel < channels:
        raise ValueError(f"channel={channel!r}: expected a number from 0 to {channels - 1}")
    else:
        channel = torch.full_like(images, channel)
    if not grid:
        if position is not None:
            raise ValueError(f"position={position}: the layer's units have no positions")
        return images, channel
    if position is None:
        place = activations[images, channel].flatten(1).argmax(1)
        return images, channel, place // grid[1], place % grid[1]
    if len(position) != 2 or not all(
        type(p) is int and 0 <= p < n for p, n in zip(position, grid, strict=False)
    ):
        raise ValueError(f"position={position}: expected (row, column) in {grid[0]}x{grid[1]}")
    return images, channel, *(torch.full_like(images, p) for p in position)


class _Reversed(TorchFunctionMode):
    """Gives every ReLU of the network, module or function, the backward rule of this name.

    And every max pool that of an average pool, if there are to be no switches.
    """

    def __init__(self, rule: str, switches: bool) -> None:
        super().__init__()
        self.rule, self.switches = rule, switches

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = plain_name(func)
        if name == "local_response_norm" and self.rule == "deconvnet":
            return _pass_over(None, args, func(*args, **kwargs))
        if name == "max_pool2d" and not self.switches:
            return _Instead.apply(func(*args, **kwargs), _mean_of_windows(*args, **kwargs))
        if name not in _RECTIFIERS:
            return func(*args, **kwargs)
        x = args[0] if args else kwargs["input"]
        if in_place(func, args, kwargs):
            return x.copy_(_Rectify.apply(x.clone(), name, self.rule))
        return _Rectify.apply(x, name, self.rule)


class _Rectify(torch.autograd.Function):
    """A ReLU forwards; backwards what the rule says."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, name: str, rule: str) -> Tensor:
        ctx.rule = rule
        out = _RECTIFIERS[name](x)
        ctx.save_for_backward((x > 0) & (out == x))
        return out

    @staticmethod
    def backward(ctx: Any, signal: Tensor) -> tuple[Tensor, None, None]:
        (is_open,) = ctx.saved_tensors
        return RELU_RULES[ctx.rule](signal, is_open), None, None


def _pass_over(part: Any, args: tuple, out: Tensor) -> Tensor:
    """The layer's values forwards; backwards, nothing happens."""
    return args[0] + (out - args[0]).detach()


class _Instead(torch.autograd.Function):
    """Forwards the first; backwards the signal goes to the second."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, way_back: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(ctx: Any, signal: Tensor) -> tuple[None, Tensor]:
        return None, signal


def _mean_of_windows(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """An average pool with a max pool's arguments. The border's padding does not count."""
    if dilation not in (1, (1, 1), [1, 1]):
        raise ValueError(f"switches=False: a max pool has dilation={dilation}, expected 1")
    return F.avg_pool2d(input, kernel_size, stride, padding, ceil_mode, count_include_pad=False)
