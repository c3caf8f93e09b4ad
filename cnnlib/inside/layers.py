"""Find a network's layers, run up to one, and make a network ready to send a signal back."""

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from cnnlib.inside.images import move_beside
from cnnlib.trace import evaluating, plain_module


def find_layer(module: nn.Module, name: str) -> nn.Module:
    """The module of that dotted name; ``""`` is the network itself.

    Raises ``ValueError`` for a name that is not there.
    """
    modules = dict(module.named_modules(remove_duplicate=False))
    if name not in modules:
        known = [key for key in modules if key]
        raise ValueError(f"layer={name!r}: expected the name of a module, as {known[:3]}")
    return modules[name]


def run_to(module: nn.Module, layer: str, x: Tensor) -> Any:
    """What ``layer`` gives for the network's input ``x``, as it runs first; no more is run.

    Raises ``ValueError`` for a layer that is not there and one that the network does not run.
    """

    def catch(part: nn.Module, args: tuple, out: Any) -> None:
        raise _Reached(out)

    hook = find_layer(module, layer).register_forward_hook(catch)
    try:
        module(x)
    except _Reached as reached:
        return reached.out
    finally:
        hook.remove()
    raise ValueError(f"layer={layer!r}: the network does not run it")


def keep_features(
    module: nn.Module, inner: dict[str, nn.Module], image: Tensor
) -> tuple[dict[str, Tensor], Any]:
    """What the layers ``inner``, by name, give for ``image``, and what the network gives.

    Each layer's features are (N, values), as it runs first. Raises ``ValueError`` for a layer that
    gives no tensor (N, ...) and one that the network does not run.
    """
    kept: dict[str, Tensor] = {}
    with ExitStack() as hooks:
        for name, layer in inner.items():

            def keep(part: nn.Module, args: tuple, out: Any, name: str = name) -> None:
                if name in kept:
                    return
                if not isinstance(out, Tensor) or out.dim() < 2 or len(out) != len(image):
                    raise ValueError(f"layer={name!r}: expected one that gives a tensor (N, ...)")
                kept[name] = out.flatten(1).clone()  # a layer behind may write into it

            hooks.callback(layer.register_forward_hook(keep).remove)
        outputs = module(image)
    for name in inner:
        if name not in kept:
            raise ValueError(f"layer={name!r}: the network does not run it")
    return kept, outputs


class _Reached(Exception):
    """The layer that was waited for has run."""

    def __init__(self, out: Any) -> None:
        super().__init__()
        self.out = out


@contextmanager
def make_differentiable(
    module: nn.Module, image: Tensor, what: str
) -> Iterator[tuple[nn.Module, Tensor]]:
    """A network and pixels, a leaf, from which a signal can be sent back to the pixels.

    ``module`` comes out of its wrappers and is in evaluation. Only the pixels ask for gradients.
    They are a copy of ``image``, on the network's device and in its number type. Where the caller
    has switched gradients off, or made tensors in inference mode, it works all the same.

    Raises ``ValueError`` as :func:`cnnlib.trace.plain_module` does; ``what`` is who asks.
    """
    network = plain_module(module, what)
    with torch.inference_mode(False), torch.enable_grad():
        if any(t.is_inference() for t in chain(network.parameters(), network.buffers())):
            network = copy.deepcopy(network)  # such tensors are kept out of the way back
        with evaluating(network):  # which puts back who asks for gradients, too
            for weight in network.parameters():
                weight.requires_grad_(False)
            yield network, move_beside(network, image.detach()).clone().requires_grad_()
