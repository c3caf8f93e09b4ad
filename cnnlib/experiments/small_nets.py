"""Networks that only an experiment needs: small enough that many runs are a matter of minutes."""

from collections import OrderedDict

from torch import nn

from cnnlib.models.nin import MLPConv, NiN, small_nin


def four_layers(activation: type[nn.Module], num_classes: int = 10) -> nn.Sequential:
    """Two convolutions and two linear layers for grey 28x28 images, halved to 14x14 first.

    Krizhevsky et al. 2012 do not print their four-layer network (Fig. 1); this one is small.
    """
    return nn.Sequential(
        nn.AvgPool2d(2),  # (N, 1, 14, 14)
        nn.Conv2d(1, 8, kernel_size=3, padding=1),
        activation(),
        nn.MaxPool2d(2),  # (N, 8, 7, 7)
        nn.Conv2d(8, 16, kernel_size=3, padding=1),
        activation(),
        nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 16, 3, 3)
        nn.Flatten(),
        nn.Linear(16 * 3 * 3, 64),
        activation(),
        nn.Linear(64, num_classes),
    )


def three_heads(head: str, num_classes: int = 10, *, dropout: bool = False) -> nn.Sequential:
    """Two mlpconv blocks for grey 36x36 images, and a head: "means" or "connected".

    "means" is global average pooling over a map a class; "connected" a hidden layer of 128 units
    and a linear one. ``dropout`` of a half stands where the two papers have it: between the blocks
    for means (Lin et al. 2014), before both linear layers for connected (Krizhevsky et al. 2012).
    Raises ``ValueError`` for another head.
    """
    if head not in ("means", "connected"):
        raise ValueError(f"head={head!r}: expected 'means' or 'connected'")
    drop = [nn.Dropout(0.5)] if dropout else []
    body = [
        MLPConv(1, (16, 16, 16), 5, stride=2, padding=2),  # (N, 16, 18, 18)
        nn.MaxPool2d(3, 2, ceil_mode=True),  # (N, 16, 9, 9)
        *(drop if head == "means" else []),
        MLPConv(16, (32, 32, 32), 3, padding=1),  # (N, 32, 9, 9)
    ]
    if head == "means":
        top = [nn.Conv2d(32, num_classes, kernel_size=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    else:
        hidden = [nn.Linear(32 * 9 * 9, 128), nn.ReLU()]
        top = [nn.Flatten(), *drop, *hidden, *drop, nn.Linear(128, num_classes)]
    return nn.Sequential(*body, *top)


def two_grids(early: int | None, late: int | None, num_classes: int = 10) -> nn.Sequential:
    """A 7x7 layer on a grid of 28 and one on a grid of 14, for grey 28x28 images.

    Where ``early`` or ``late`` is a number, a 1x7 and a 7x1 layer stand in the place of the first
    or the second 7x7 layer, with so many channels between them. The 7x7 layers go from 8 channels
    to 8 and from 16 to 16, so 28 and 56 between are as much work, 8 and 16 two sevenths of it.
    """

    def look_around(channels: int, middle: int | None) -> list[nn.Module]:
        if middle is None:
            return _convolve(channels, channels, (7, 7))
        return [*_convolve(channels, middle, (1, 7)), *_convolve(middle, channels, (7, 1))]

    return nn.Sequential(
        OrderedDict(
            first=nn.Sequential(*_convolve(1, 8, (3, 3))),  # (N, 8, 28, 28)
            early=nn.Sequential(*look_around(8, early)),
            pool=nn.MaxPool2d(2),  # (N, 8, 14, 14)
            widen=nn.Sequential(*_convolve(8, 16, (1, 1))),  # (N, 16, 14, 14)
            late=nn.Sequential(*look_around(16, late)),
            mean=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(16, num_classes),
        )
    )


def _convolve(in_channels: int, out_channels: int, kernel_size: tuple[int, int]) -> list[nn.Module]:
    """A convolution that keeps the map's size, normalisation and ReLU."""
    padding = tuple(side // 2 for side in kernel_size)
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding, bias=False)
    return [conv, nn.BatchNorm2d(out_channels), nn.ReLU()]


def nin_with_head(num_classes: int = 10, *, last_relu: bool) -> NiN:
    """The small NiN, with the paper's ReLU behind its class maps or without it."""
    network = small_nin(num_classes)
    if not last_relu:
        network.features.mlpconv4.relu3 = nn.Identity()
    return network
