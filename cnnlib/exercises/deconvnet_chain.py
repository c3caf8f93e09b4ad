"""Your code sends an activation back to the pixels: pooling with switches, and three steps back."""

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnlib.data import load_gallery
from cnnlib.exercises.chain import Chain, Dice, Part, Parts, Reading
from cnnlib.inside import RELU_RULES, deconvnet
from cnnlib.weights import load_weights, preprocess

KEY = "imagenette_alexnet"
LAYERS = 5  # convolutions
POOLED = (1, 2)  # those with a pool between them and the next
PHOTOGRAPHS = ("duck", "pagoda", "goldfish")


# --- The library's parts --------------------------------------------------------------------------


def _pooled(x: Tensor, size: int, stride: int) -> tuple[Tensor, Tensor]:
    return F.max_pool2d(x, size, stride, return_indices=True)


def _unpooled(signal: Tensor, switches: Tensor, height: int, width: int) -> Tensor:
    def picked(x: Tensor) -> Tensor:
        """What the switches pick; going back from there is what is asked for."""
        return x.flatten(2).gather(2, switches.flatten(2)).view_as(signal)

    _, back = torch.func.vjp(picked, signal.new_zeros(*signal.shape[:2], height, width))
    return back(signal)[0]


def _stamped(
    signal: Tensor, kernels: Tensor, stride: int, padding: int, height: int, width: int
) -> Tensor:
    shape = (len(signal), kernels.shape[1], height, width)
    return torch.nn.grad.conv2d_input(shape, kernels, signal, stride=stride, padding=padding)


_dice = Dice(14)
_numbers = _dice.numbers


def _whole(*shape: int) -> Tensor:
    """Whole numbers from -2 to 2: many are equal."""
    return _numbers(*shape).round().clamp(-2, 2)


def _went_through(x: Tensor, size: int, stride: int) -> tuple[Tensor, Tensor, int, int]:
    """A signal, the switches of these maps, and their height and width."""
    values, switches = _pooled(x, size, stride)
    return _numbers(*values.shape), switches, *x.shape[2:]


PARTS = {
    "max_pool": Part(
        _pooled,
        "(N, C, H, W), size, stride -> the largest, and its place row * W + column: (N, C, h, w)",
        [
            (torch.tensor([[1.0, 5, 2], [0, 3, 4]]).view(1, 1, 2, 3), 2, 1),
            (torch.tensor([[2.0, 2, 1], [2, 2, 2], [0, 2, 3]]).view(1, 1, 3, 3), 2, 1),
            (-_numbers(1, 2, 4, 6).abs(), 2, 2),
            (_whole(2, 3, 5, 7), 3, 2),
            (_whole(1, 2, 6, 4), 3, 2),  # the last row and column lie in no window
        ],
        results=2,
    ),
    "unpool": Part(
        _unpooled,
        "signal and switches (N, C, h, w), height, width -> (N, C, height, width)",
        [
            (
                torch.tensor([[1.0, -2.0]]).view(1, 1, 1, 2),
                torch.tensor([[1, 5]]).view(1, 1, 1, 2),
                2,
                3,
            ),
            (  # one place won both windows
                torch.tensor([[3.0, 4.0]]).view(1, 1, 1, 2),
                torch.tensor([[1, 1]]).view(1, 1, 1, 2),
                1,
                3,
            ),
            _went_through(_numbers(2, 3, 5, 7), 3, 2),
        ],
    ),
    "rectify": Part(
        lambda signal: RELU_RULES["deconvnet"](signal, torch.ones_like(signal)),
        "the signal, any shape -> the same",
        [(torch.tensor([-1.0, 0.0, 2.0]),), (_numbers(2, 3, 4, 5),)],
    ),
    "stamp": Part(
        _stamped,
        "signal (N, K, h, w), kernels (K, C, a, b), stride, padding, height, width -> "
        "(N, C, height, width)",
        [
            (
                torch.tensor([1.0, 10.0]).view(1, 1, 1, 2),
                torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 1, 2, 2),
                1,
                0,
                2,
                3,
            ),
            (_numbers(2, 3, 4, 5), _numbers(3, 2, 3, 3), 1, 1, 4, 5),
            (_numbers(1, 2, 2, 3), _numbers(2, 3, 5, 5), 3, 1, 8, 9),  # the last row is not read
            (_numbers(2, 1, 3, 2), _numbers(1, 2, 2, 4), 2, 1, 4, 5),  # kernels that are not square
        ],
    ),
}


class DeconvnetChain(Chain):
    """The book's AlexNet with its trained weights: what sends an activation back waits for yours.

    Convolutions, ReLUs and response normalisation on the way forwards stay the library's.
    """

    parts: ClassVar = PARTS

    def __init__(self) -> None:
        super().__init__()
        self.network = load_weights(KEY)
        gallery = {photograph.name: photograph.image for photograph in load_gallery()}
        self.images = preprocess(KEY, [gallery[name] for name in PHOTOGRAPHS])

    def project(self, image: Tensor, layer: int, parts: Parts | None = None) -> Tensor:
        """The strongest activation of relu1 to relu5, on the pixels: (N, 3, 128, 128).

        With the parts that are yours by now, and the library's in other places.
        """
        with torch.no_grad():
            return project(self.network, image, layer, parts or Parts(self.parts, self.own))

    def sample(self) -> Reading:
        return self._projections(
            self.images[:1], [4], lambda _: "the duck's projection comes out as before."
        )

    def whole(self) -> Reading:
        count = len(self.images) * LAYERS
        return self._projections(
            self.images,
            range(1, LAYERS + 1),
            lambda _: (
                f"All {count} projections, from relu1 to relu{LAYERS} of {len(self.images)} "
                "photographs, are those of the library's deconvnet, by your pooling and way back."
            ),
        )

    def _projections(self, images: Tensor, layers: Any, says: Any) -> Reading:
        theirs = {n: deconvnet(self.network, images, f"relu{n}") for n in layers}
        largest = {n: found.abs().amax() for n, found in theirs.items()}

        def name(n: int) -> str:
            return f"values of the projection from relu{n} (its largest is 1)"

        return Reading(
            lambda parts: {name(n): self.project(images, n, parts) / largest[n] for n in layers},
            lambda: {name(n): theirs[n] / largest[n] for n in layers},
            says,
        )


def project(network: Any, x: Tensor, layer: int, parts: Parts) -> Tensor:
    """The strongest activation of relu1 to relu5 of each image, sent back to the pixels."""
    shapes, switches = {}, {}
    for n in range(1, layer + 1):
        shapes[n] = x.shape[2:]
        x = network.get_submodule(f"conv{n}")(x).relu()
        if n < layer and n in POOLED:
            x = network.get_submodule(f"norm{n}")(x)
            sizes, pool = x.shape[2:], network.get_submodule(f"pool{n}")
            x, places = parts.max_pool(x, pool.kernel_size, pool.stride)
            switches[n] = places.long(), *sizes
    strongest = x.flatten(1).argmax(dim=1)
    signal = torch.zeros_like(x).flatten(1)
    signal[torch.arange(len(x)), strongest] = x.flatten(1).amax(dim=1)
    signal = signal.view_as(x)
    for n in range(layer, 0, -1):
        if n in switches:
            signal = parts.unpool(signal, *switches[n])
        conv = network.get_submodule(f"conv{n}")
        signal = parts.rectify(signal)
        signal = parts.stamp(signal, conv.weight, conv.stride[0], conv.padding[0], *shapes[n])
    return signal
