"""Which pixels count for an output: gradient methods and Grad-CAM, with one signature.

    attribute(network, images, 207, method="grad_cam", layer="features.12")

Saliency, input times gradient and integrated gradients are captum's. The two methods with a rule of
their own for ReLUs are this book's (:mod:`cnnlib.inside.deconvnet`): captum's see no ReLU that is a
function, and no ReLU6. Where a network's ReLUs are all ``nn.ReLU``, the maps are the same, and so
are those of Grad-CAM.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from captum.attr import InputXGradient, IntegratedGradients, Saliency
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlib.geometry import whole_number
from cnnlib.inside.deconvnet import check_way_back, explain_refusals, send_back
from cnnlib.inside.images import check_image, is_sequence
from cnnlib.inside.layers import find_layer, make_differentiable

#: Integrated gradients take so many steps if not told otherwise.
STEPS = 50


def _saliency(network: nn.Module, pixels: Tensor, target: Tensor) -> Tensor:
    return Saliency(_forward(network)).attribute(pixels, target=target)


def _input_x_gradient(network: nn.Module, pixels: Tensor, target: Tensor) -> Tensor:
    return InputXGradient(_forward(network)).attribute(pixels, target=target)


def _integrated_gradients(
    network: nn.Module, pixels: Tensor, target: Tensor, baseline: Tensor, steps: int
) -> Tensor:
    return IntegratedGradients(_forward(network)).attribute(
        pixels, baseline, target=target, n_steps=steps, internal_batch_size=max(8, len(pixels))
    )


def _by_rule(method: str, rule: str) -> Callable[[nn.Module, Tensor, Tensor], Tensor]:
    def found(network: nn.Module, pixels: Tensor, target: Tensor) -> Tensor:
        def start(outputs: Tensor) -> Tensor:
            return F.one_hot(target, outputs.shape[1]).to(outputs.dtype)

        what = f"method={method!r}"
        return send_back(network, pixels, "", rule, start, what=what, strict=True)

    return found


def _forward(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """The network's outputs; without a way back they are refused."""

    def outputs(pixels: Tensor) -> Tensor:
        found = network(pixels.clone())  # a first layer may write into its input
        check_way_back(found, "module")
        return found

    return outputs


def _grad_cam(network: nn.Module, layer: nn.Module, pixels: Tensor, target: Tensor) -> Tensor:
    """On the layer's grid, negative parts left out, then resampled to the image's size."""
    maps: list[Tensor] = []

    def keep(part: nn.Module, args: tuple, out: Any) -> Any:
        if maps:  # it runs again: the first run counts
            return out
        if not isinstance(out, Tensor) or out.dim() != 4 or len(out) != len(pixels):
            raise ValueError("layer: Grad-CAM expects one that gives maps, (N, C, H, W)")
        maps.append(out)
        return out.clone()  # a layer behind may write into it

    hook = layer.register_forward_hook(keep)
    try:
        outputs = _forward(network)(pixels)
    finally:
        hook.remove()
    if not maps or not maps[0].requires_grad:
        raise ValueError("layer: Grad-CAM expects one through which the picture's signal runs")
    score = outputs.gather(1, target[:, None]).sum()
    (slopes,) = torch.autograd.grad(score, maps[0], allow_unused=True)
    if slopes is None:
        raise ValueError("layer: Grad-CAM expects one on which the outputs depend")
    found = (slopes.mean((2, 3), keepdim=True) * maps[0].detach()).sum(1, keepdim=True).relu()
    found = F.interpolate(found, pixels.shape[2:], mode="bilinear", align_corners=False)
    return found.expand(pixels.shape).clone()


def _guided_grad_cam(
    network: nn.Module, layer: nn.Module, pixels: Tensor, target: Tensor
) -> Tensor:
    guided = _by_rule("guided_grad_cam", "guided")(network, pixels, target)
    return _grad_cam(network, layer, pixels, target) * guided


#: Methods that look at the whole network.
METHODS: dict[str, Callable[..., Tensor]] = {
    "saliency": _saliency,
    "deconvolution": _by_rule("deconvolution", "deconvnet"),
    "guided_backprop": _by_rule("guided_backprop", "guided"),
    "input_x_gradient": _input_x_gradient,
    "integrated_gradients": _integrated_gradients,
}

#: Methods that look at a layer with maps.
LAYER_METHODS: dict[str, Callable[[nn.Module, nn.Module, Tensor, Tensor], Tensor]] = {
    "grad_cam": _grad_cam,
    "guided_grad_cam": _guided_grad_cam,
}


def attribute(
    module: nn.Module,
    image: Tensor,
    target: int | Sequence[int] | Tensor,
    method: str = "saliency",
    layer: str | None = None,
    *,
    baseline: float | Sequence[float] | Tensor | None = None,
    steps: int | None = None,
) -> Tensor:
    """How much each pixel of ``image`` counts for the output ``target``. (N, C, H, W) in and out.

    ``target`` is an output's number, from 0, one for all images or one each. ``method``:

    - "saliency": the gradient's size (Simonyan et al. 2014).
    - "deconvolution", "guided_backprop": the gradient with another ReLU rule (Zeiler & Fergus 2014;
      Springenberg et al. 2015). The signal starts as 1. What counts as a ReLU, and what is refused,
      is said in :func:`cnnlib.inside.deconvnet`. A network without any is refused too.
    - "input_x_gradient": the gradient times the pixel.
    - "integrated_gradients": the mean gradient on the way from ``baseline`` to the image, times
      their difference (Sundararajan et al. 2017), in so many ``steps`` (None: 50) by captum's
      default, Gauss-Legendre. ``baseline`` is a number, one for each channel, or an image or one
      each; None is zeros, which is the mean colour where the network expects that taken off. The
      map adds up to the output's change along the way, but for :func:`measure_completeness_gap`.
    - "grad_cam": the maps of ``layer``, weighted by their mean gradients (Selvaraju et al. 2017),
      in the image's size and the same in all channels. "guided_grad_cam": times guided
      backpropagation. A layer that runs several times is taken as it runs first.

    The image goes to the module's device and number type, and the map comes in these. The module
    runs in evaluation; it and the image are left as they were. Raises ``ValueError`` for an image,
    target, method, layer, baseline or number of steps that does not fit, for a layer, baseline or
    steps where none are used, and for a layer where one is missing.
    """
    check_image(image)
    if method not in METHODS and method not in LAYER_METHODS:
        raise ValueError(f"method={method!r}: expected one of {[*METHODS, *LAYER_METHODS]}")
    if (layer is not None) != (method in LAYER_METHODS):
        wanted = "a layer's name" if method in LAYER_METHODS else "None"
        raise ValueError(f"layer={layer!r}: method {method!r} expects {wanted}")
    integrates = method == "integrated_gradients"
    for name, given in (("baseline", baseline), ("steps", steps)):
        if given is not None and not integrates:
            raise ValueError(
                f"{name}={given!r}: only 'integrated_gradients' has it, not {method!r}"
            )
    number = STEPS if steps is None else whole_number(steps, "steps", least=1)
    with make_differentiable(module, image, "attribute") as (network, pixels):
        numbers = number_targets(network, pixels, target)
        begin = _baseline(pixels, baseline)
        with explain_refusals(f"method={method!r}"):
            if integrates:
                found = _integrated_gradients(network, pixels, numbers, begin, number)
            elif method in METHODS:
                found = METHODS[method](network, pixels, numbers)
            else:
                part = find_layer(network, layer)
                found = LAYER_METHODS[method](network, part, pixels, numbers)
    return found.detach()


def measure_completeness_gap(
    module: nn.Module,
    image: Tensor,
    target: int | Sequence[int] | Tensor,
    attribution: Tensor,
    *,
    baseline: float | Sequence[float] | Tensor | None = None,
) -> Tensor:
    """(N,): each map's sum less the change of its output from ``baseline`` to ``image``.

    Integrated gradients would have 0 if they took infinitely many steps. ``attribution`` is what
    :func:`attribute` gave for the same arguments, (N, C, H, W).

    Raises ``ValueError`` for an image, target or baseline that does not fit, and for an attribution
    of another shape than the image.
    """
    check_image(image)
    if attribution.shape != image.shape:
        raise ValueError(
            f"attribution={tuple(attribution.shape)}: expected the image's {tuple(image.shape)}"
        )
    with (
        make_differentiable(module, image, "measure_completeness_gap") as (network, pixels),
        torch.no_grad(),
    ):
        numbers = number_targets(network, pixels, target)[:, None]
        begin = _baseline(pixels, baseline)
        scores = [network(x.clone()).gather(1, numbers)[:, 0] for x in (pixels, begin)]
        return attribution.to(pixels).sum((1, 2, 3)) - (scores[0] - scores[1])


def _baseline(pixels: Tensor, given: Any) -> Tensor:
    """Where the way to each picture begins, (N, C, H, W)."""
    if given is None:
        return torch.zeros_like(pixels)
    try:
        found = torch.as_tensor(given).detach().to(pixels.device, pixels.dtype)
        if found.dim() == 1:
            if len(found) != pixels.shape[1]:
                raise ValueError
            found = found.view(-1, 1, 1)
        if found.dim() not in (0, 3, 4) or not found.isfinite().all():
            raise ValueError
        return found.expand(pixels.shape).clone()
    except (TypeError, ValueError, RuntimeError):
        shown = tuple(given.shape) if isinstance(given, Tensor) and given.dim() else repr(given)
        raise ValueError(
            f"baseline={shown}: expected a finite number, one for each of {pixels.shape[1]} "
            f"channels, or pixels that fit {tuple(pixels.shape)}"
        ) from None


def number_targets(module: nn.Module, image: Tensor, target: Any) -> Tensor:
    """One output number for each image."""
    with torch.no_grad():
        outputs = module(image[:1].clone())
    if not isinstance(outputs, Tensor) or outputs.dim() != 2:
        raise ValueError("module: expected a network that gives a tensor (N, outputs)")
    count = outputs.shape[1]
    given = list(target) if is_sequence(target) else [target] * len(image)
    try:
        numbers = [whole_number(number, "target") for number in given]
    except ValueError:
        numbers = []
    if len(numbers) != len(image) or not all(0 <= number < count for number in numbers):
        raise ValueError(
            f"target={target!r}: expected a number from 0 to {count - 1}, or one for each of "
            f"{len(image)} images"
        )
    return torch.tensor(numbers, device=image.device)
