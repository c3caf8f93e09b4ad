"""Networks that only an experiment needs: small enough that many runs are a matter of minutes."""

from torch import nn

from cnnlib.models.nin import MLPConv


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
