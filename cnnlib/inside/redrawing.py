"""Draw a layer's weights anew: those that its next run uses, also where it computes them.

With weight norm, spectral norm or pruning, old form or parametrization, what a layer calls its
weight is computed anew at each run. Then it is the tensors behind it that have to change.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.overrides import TorchFunctionMode

from cnnlib.calls import mapped, tensors

#: Two answers that correlate more are taken to come from the same weights.
ALIKE = 0.99


def find_weights(module: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Each layer's own weights, by its name. Parametrizations count to the layer they are of."""
    found: dict[str, list[nn.Parameter]] = {}
    for path, part in module.named_modules():
        owner = ("." + path).partition(".parametrizations.")[0][1:]
        own = list(part.parameters(recurse=False))
        if own:
            found.setdefault(owner, []).extend(own)
    return found


def find_run_order(module: nn.Module, image: Tensor) -> tuple[list[str], dict[str, tuple]]:
    """The layers whose weights are used, as they are used last; and what each was called with.

    A layer may be used without being called (the last one of ``nn.MultiheadAttention``).
    """
    uses, calls = _Uses(module), {}

    def note(part: nn.Module, args: tuple, kwargs: dict, path: str) -> None:
        calls.setdefault(path, (args, kwargs))

    hooks = [
        part.register_forward_pre_hook(
            lambda part, args, kwargs, path=path: note(part, args, kwargs, path), with_kwargs=True
        )
        for path, part in module.named_modules()
        if path in uses.layers
    ]
    try:
        with torch.no_grad(), uses:
            module(image)
    finally:
        for hook in hooks:
            hook.remove()
    return list(uses.order), calls


class _Uses(TorchFunctionMode):
    """Notes which layer's weights a call of torch is given."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.layers = find_weights(module)
        self.order: dict[str, None] = {}
        self.owners: dict[int, list[str]] = {}
        for path, weights in self.layers.items():
            for weight in weights:
                self.owners.setdefault(id(weight), []).append(path)

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        out = func(*args, **kwargs or {})
        if next(iter(tensors(out)), None) is not None:  # not only its shape was asked for
            for tensor in tensors((args, kwargs or {})):
                for path in self.owners.get(id(tensor), ()):
                    self.order.pop(path, None)
                    self.order[path] = None
        return out


def redraw(
    layer: nn.Module,
    path: str,
    weights: list[nn.Parameter],
    initialise: Callable[[nn.Module], Any] | None,
    call: tuple | None,
    done: set[int],
) -> None:
    """Draw ``weights``, those of ``layer``, anew; those that are ``done`` already stay.

    ``call``: arguments that the layer runs with, on which its answers before and after are held
    against each other. Raises ``ValueError`` if it answers as before.
    """
    before = {id(weight): weight.clone() for weight in weights}
    new = [weight for weight in weights if id(weight) not in done]
    matrices = [w for w in new if w.dim() > 1 and w.numel() > 8 and w.min() < w.max()]
    answer = _answer(layer, call) if matrices else None
    with parametrize.cached():  # what is computed stays a moment, to be drawn into
        computed = {name: getattr(layer, name) for name in getattr(layer, "parametrizations", ())}
        old = {name: value.clone() for name, value in computed.items()}
        if initialise is not None:
            initialise(layer)
        elif hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    for name, value in computed.items():
        if not torch.equal(value, old[name]):
            _set(layer, name, value.clone())
    for weight in weights:
        if id(weight) in done:
            weight.copy_(before[id(weight)])
        elif initialise is None and torch.equal(weight, before[id(weight)]):
            _shuffle(weight)
    _settle_spectral_norm(layer)
    done |= {id(weight) for weight in weights}
    if answer is not None and _alike(answer, _answer(layer, call)):
        how = "initialise" if initialise is not None else "reset_parameters"
        raise ValueError(
            f"layers: {path!r} ({type(layer).__name__}) answers as before: {how} has not changed "
            "what the layer computes its weights from"
        )


def _set(layer: nn.Module, name: str, value: Tensor) -> None:
    """Give a parametrized weight this value, as far as its parametrizations can be turned round."""
    try:
        setattr(layer, name, value)
    except (NotImplementedError, RuntimeError, ValueError):  # then what is behind it is shuffled
        pass


def _shuffle(weight: Tensor) -> None:
    if weight.min() == weight.max():
        return
    mixed = weight.flatten()[torch.randperm(weight.numel()).to(weight.device)]
    weight.copy_(mixed.view(weight.shape))


def _settle_spectral_norm(layer: nn.Module) -> None:
    """Spectral norm knows the new weights' largest singular value only after some rounds."""
    for hook in layer._forward_pre_hooks.values():
        if isinstance(hook, SpectralNorm):
            for _ in range(30):
                weight = hook.compute_weight(layer, do_power_iteration=True)
            setattr(layer, hook.name, weight)
    for name, chain in getattr(layer, "parametrizations", {}).items():
        for norm in chain:
            if isinstance(norm, _SpectralNorm):
                norm.training = True
                for _ in range(30):
                    getattr(layer, name)
                norm.training = False


def _answer(layer: nn.Module, call: tuple | None) -> Tensor | None:
    """How the layer answers to noise in place of its input, less its answer to nothing."""
    if call is None:
        return None
    dice = torch.Generator().manual_seed(0)

    def noise(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        return torch.randn(tensor.shape, generator=dice).to(tensor)

    def nothing(tensor: Tensor) -> Tensor:
        return torch.zeros_like(tensor) if tensor.is_floating_point() else tensor

    found = []
    for change in (noise, nothing):
        args, kwargs = (mapped(tree, change) for tree in call)
        found.append(next(iter(tensors(layer(*args, **kwargs))), None))
    if found[0] is None or not found[0].is_floating_point():
        return None
    return (found[0] - found[1]).flatten().double()


def _alike(one: Tensor, other: Tensor) -> bool:
    if one.norm() == 0:
        return False
    return (one @ other / (one.norm() * other.norm().clamp(min=1e-300))).item() > ALIKE
