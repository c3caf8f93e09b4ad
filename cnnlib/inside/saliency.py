"""Which pixels count for an output: gradient methods and Grad-CAM, with one signature.

    attribute(network, images, 207, method="grad_cam", layer="features.12")

All are captum's, so that what the book shows is what readers get from the usual tool. How the
gradient methods hang together is in :mod:`cnnlib.inside.deconvnet`.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from captum.attr import (
    Deconvolution,
    GuidedBackprop,
    GuidedGradCam,
    InputXGradient,
    IntegratedGradients,
    LayerAttribution,
    LayerGradCam,
    Saliency,
)
from torch import Tensor, nn

from cnnlib.inside.images import check_image
from cnnlib.inside.layers import named_layer, resting


def _grad_cam(module: nn.Module, layer: nn.Module, image: Tensor, target: Any) -> Tensor:
    """On the layer's grid, negative parts left out, then resampled to the image's size."""
    found = LayerGradCam(module, layer).attribute(image, target=target, relu_attributions=True)
    found = LayerAttribution.interpolate(found, tuple(image.shape[2:]), "bilinear")
    return found.expand(image.shape).clone()


def _guided_grad_cam(module: nn.Module, layer: nn.Module, image: Tensor, target: Any) -> Tensor:
    return GuidedGradCam(module, layer).attribute(image, target=target, interpolate_mode="bilinear")


#: Methods that look at the whole network: name -> captum's class and options.
METHODS: dict[str, tuple[type, dict[str, Any]]] = {
    "saliency": (Saliency, {}),
    "deconvolution": (Deconvolution, {}),
    "guided_backprop": (GuidedBackprop, {}),
    "input_x_gradient": (InputXGradient, {}),
    "integrated_gradients": (IntegratedGradients, {"n_steps": 50, "internal_batch_size": 8}),
}

#: Methods that look at a layer with maps.
LAYER_METHODS: dict[str, Callable[[nn.Module, nn.Module, Tensor, Any], Tensor]] = {
    "grad_cam": _grad_cam,
    "guided_grad_cam": _guided_grad_cam,
}


def attribute(
    module: nn.Module,
    image: Tensor,
    target: int | Sequence[int] | Tensor,
    method: str = "saliency",
    layer: str | None = None,
) -> Tensor:
    """How much each pixel of ``image`` counts for the output ``target``. (N, C, H, W) in and out.

    ``target`` is an output's number, one for all images or one each. ``method``:

    - "saliency": the gradient's size (Simonyan et al. 2014).
    - "deconvolution", "guided_backprop": the gradient with another ReLU rule (Zeiler & Fergus 2014;
      Springenberg et al. 2015). Only ReLUs that are modules are seen.
    - "input_x_gradient": the gradient times the pixel.
    - "integrated_gradients": the mean gradient on the way from black (zeros), times the pixel
      (Sundararajan et al. 2017), in 50 steps. Its sum is the output's change along the way.
    - "grad_cam": the maps of ``layer``, weighted by their mean gradients (Selvaraju et al. 2017),
      in the image's size and the same in all channels. "guided_grad_cam": times guided
      backpropagation.

    The module runs in eval mode and is left as it was. Raises ``ValueError`` for an image, target,
    method or layer that does not fit, and for a layer where none is used or none where one is.
    """
    check_image(image)
    if method not in METHODS and method not in LAYER_METHODS:
        raise ValueError(f"method={method!r}: expected one of {[*METHODS, *LAYER_METHODS]}")
    if (layer is not None) != (method in LAYER_METHODS):
        wanted = "a layer's name" if method in LAYER_METHODS else "None"
        raise ValueError(f"layer={layer!r}: method {method!r} expects {wanted}")
    inner = None if layer is None else named_layer(module, layer)
    with resting(module), torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum says that it sets hooks, and takes them away
        numbers = target_numbers(module, image, target)
        pixels = image.detach().clone().requires_grad_()
        if method in LAYER_METHODS:
            found = LAYER_METHODS[method](module, inner, pixels, numbers)
        else:
            kind, options = METHODS[method]
            found = kind(module).attribute(pixels, target=numbers, **options)
    return found.detach()


def target_numbers(module: nn.Module, image: Tensor, target: Any) -> Tensor:
    """One output number for each image."""
    with torch.no_grad():
        outputs = module(image[:1])
    if not isinstance(outputs, Tensor) or outputs.dim() != 2:
        raise ValueError("module: expected a network that gives a tensor (N, outputs)")
    given = target.tolist() if isinstance(target, Tensor) else target
    given = [given] * len(image) if isinstance(given, int) else given
    if (
        not isinstance(given, Sequence)
        or len(given) != len(image)
        or not all(type(n) is int and 0 <= n < outputs.shape[1] for n in given)
    ):
        raise ValueError(
            f"target={target!r}: expected a number below {outputs.shape[1]}, or one for each of "
            f"{len(image)} images"
        )
    return torch.tensor(list(given), device=image.device)
