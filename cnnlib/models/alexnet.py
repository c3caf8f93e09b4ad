"""AlexNet: Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional
neural networks".

The one new idea: scale. LeNet's plan, a thousand times larger, made trainable by ReLU, dropout,
augmentation and two graphics cards.

Two forms are buildable:

- ``AlexNet`` is the published network (section 3.5, Fig. 2). The two cards' halves are
  ``groups=2`` in conv2, conv4 and conv5; conv3 and the fully connected layers read both halves.
  Local response normalisation stands behind the ReLUs of conv1 and conv2, and pooling overlaps.
- ``AlexNetOneColumn`` is Krizhevsky 2014, "One weird trick for parallelizing convolutional neural
  networks": one column, with the 64, 192, 384, 256, 256 kernels of the code that he released beside
  it. Without that code's normalisation, as here, it is what torchvision calls AlexNet.

Where we differ from the paper, and why:

- The input is 227x227. The paper's 224x224 gives the 55 places of Fig. 2 as its authors' code
  counts them, 1 + ceil((2p + n - k) / s): the last window hangs over by three pixels. torch counts
  whole windows only, 54 of them (see the chapter). The one-column form takes 224x224 with padding
  2, as torchvision does; the configuration of 2014 has padding 0 and the overhang.
- Dropout is inverted (scaled up at training) where the paper halves outputs at test (section 4.2).
- Biases of conv2, conv4, conv5 and the hidden fully connected layers start at 1 and weights at
  N(0, 0.01), as section 5 says. The other forms use He initialisation (2015),
  with biases of 0; the first layer of ``imagenette_alexnet`` keeps N(0, 0.01).
"""

from torch import Tensor, nn


class AlexNet(nn.Module):
    """The published network: input (N, 3, 227, 227), logits (N, num_classes).

    60,965,224 parameters with 1000 classes.
    """

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, kernel_size=11, stride=4)
        self.relu1 = nn.ReLU()
        self.norm1 = response_norm()
        self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.conv2 = nn.Conv2d(96, 256, kernel_size=5, padding=2, groups=2)
        self.relu2 = nn.ReLU()
        self.norm2 = response_norm()
        self.pool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.conv3 = nn.Conv2d(256, 384, kernel_size=3, padding=1)
        self.relu3 = nn.ReLU()
        self.conv4 = nn.Conv2d(384, 384, kernel_size=3, padding=1, groups=2)
        self.relu4 = nn.ReLU()
        self.conv5 = nn.Conv2d(384, 256, kernel_size=3, padding=1, groups=2)
        self.relu5 = nn.ReLU()
        self.pool5 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.flatten = nn.Flatten()
        self.drop6 = nn.Dropout(0.5)
        self.fc6 = nn.Linear(256 * 6 * 6, 4096)
        self.relu6 = nn.ReLU()
        self.drop7 = nn.Dropout(0.5)
        self.fc7 = nn.Linear(4096, 4096)
        self.relu7 = nn.ReLU()
        self.fc8 = nn.Linear(4096, num_classes)
        for name, layer in self.named_children():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)
                starts_at_one = name in ("conv2", "conv4", "conv5", "fc6", "fc7")
                nn.init.constant_(layer.bias, 1.0 if starts_at_one else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(self.relu1(self.conv1(x)))  # (N, 96, 55, 55)
        x = self.pool1(x)  # (N, 96, 27, 27)
        x = self.norm2(self.relu2(self.conv2(x)))  # (N, 256, 27, 27)
        x = self.pool2(x)  # (N, 256, 13, 13)
        x = self.relu3(self.conv3(x))  # (N, 384, 13, 13)
        x = self.relu4(self.conv4(x))
        x = self.relu5(self.conv5(x))  # (N, 256, 13, 13)
        x = self.flatten(self.pool5(x))  # (N, 9216)
        x = self.relu6(self.fc6(self.drop6(x)))  # (N, 4096)
        x = self.relu7(self.fc7(self.drop7(x)))
        return self.fc8(x)  # (N, num_classes)


def response_norm() -> nn.LocalResponseNorm:
    """Section 3.3 with its k = 2, n = 5, alpha = 1e-4, beta = 0.75.

    torch divides alpha by n, the paper does not; hence 5e-4 here.
    """
    return nn.LocalResponseNorm(size=5, alpha=5e-4, beta=0.75, k=2.0)


class AlexNetOneColumn(nn.Module):
    """One column, and any sizes: ``widths`` are the kernels of the five convolutions.

    ``kernel1``, ``stride1`` and ``padding1`` are the first layer's; ``hidden`` the width of fc6 and
    fc7, which read a 6x6 map, or ``grid`` x ``grid``, whatever the input (adaptive pooling). With
    ``normalise`` the response normalisation of the paper stands behind the first two ReLUs; with
    ``overlap=False`` the pools are 2x2 with stride 2.

    Input (N, 3, H, W), 224x224 in its paper; returns logits (N, num_classes). 61,100,840 parameters
    with 1000 classes. Raises ``ValueError`` for other than five widths.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        widths: tuple[int, int, int, int, int] = (64, 192, 384, 256, 256),
        kernel1: int = 11,
        stride1: int = 4,
        padding1: int = 2,
        hidden: int = 4096,
        grid: int = 6,
        normalise: bool = False,
        overlap: bool = True,
    ) -> None:
        super().__init__()
        if len(widths) != 5:
            raise ValueError(f"widths={widths}: expected five, one a convolution")
        one, two, three, four, five = widths
        pool = 3 if overlap else 2
        self.conv1 = nn.Conv2d(3, one, kernel_size=kernel1, stride=stride1, padding=padding1)
        self.relu1 = nn.ReLU()
        self.norm1 = response_norm() if normalise else nn.Identity()
        self.pool1 = nn.MaxPool2d(kernel_size=pool, stride=2)
        self.conv2 = nn.Conv2d(one, two, kernel_size=5, padding=2)
        self.relu2 = nn.ReLU()
        self.norm2 = response_norm() if normalise else nn.Identity()
        self.pool2 = nn.MaxPool2d(kernel_size=pool, stride=2)
        self.conv3 = nn.Conv2d(two, three, kernel_size=3, padding=1)
        self.relu3 = nn.ReLU()
        self.conv4 = nn.Conv2d(three, four, kernel_size=3, padding=1)
        self.relu4 = nn.ReLU()
        self.conv5 = nn.Conv2d(four, five, kernel_size=3, padding=1)
        self.relu5 = nn.ReLU()
        self.pool5 = nn.MaxPool2d(kernel_size=pool, stride=2)
        self.grid = nn.AdaptiveAvgPool2d(grid)
        self.flatten = nn.Flatten()
        self.drop6 = nn.Dropout(0.5)
        self.fc6 = nn.Linear(five * grid * grid, hidden)
        self.relu6 = nn.ReLU()
        self.drop7 = nn.Dropout(0.5)
        self.fc7 = nn.Linear(hidden, hidden)
        self.relu7 = nn.ReLU()
        self.fc8 = nn.Linear(hidden, num_classes)
        for layer in self.children():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.norm1(self.relu1(self.conv1(x))))  # (N, 64, 27, 27)
        x = self.pool2(self.norm2(self.relu2(self.conv2(x))))  # (N, 192, 13, 13)
        x = self.relu3(self.conv3(x))  # (N, 384, 13, 13)
        x = self.relu4(self.conv4(x))
        x = self.relu5(self.conv5(x))  # (N, 256, 13, 13)
        x = self.flatten(self.grid(self.pool5(x)))  # (N, 9216)
        x = self.relu6(self.fc6(self.drop6(x)))  # (N, 4096)
        x = self.relu7(self.fc7(self.drop7(x)))
        return self.fc8(x)  # (N, num_classes)


def alexnet(num_classes: int = 1000) -> AlexNet:
    return AlexNet(num_classes)


def alexnet_one_column(num_classes: int = 1000) -> AlexNetOneColumn:
    return AlexNetOneColumn(num_classes)


def small_alexnet(num_classes: int = 40, **options) -> AlexNetOneColumn:
    """AlexNet for 64x64: a 5x5 first layer with stride 2, half the kernels, 512 hidden units."""
    return AlexNetOneColumn(
        num_classes,
        widths=(48, 96, 160, 128, 128),
        **{"kernel1": 5, "stride1": 2, "padding1": 1, **options},
        hidden=512,
        grid=3,
    )


def imagenette_alexnet(num_classes: int = 10) -> AlexNetOneColumn:
    """AlexNet for 128x128: its layers and strides unchanged, half the kernels, 512 hidden units.

    One column, with the paper's response normalisation. The first layer's weights start at the
    paper's N(0, 0.01): so small that what a trained filter shows is what it learnt, not where it
    started.
    """
    network = AlexNetOneColumn(
        num_classes, widths=(48, 128, 192, 192, 128), hidden=512, grid=3, normalise=True
    )
    nn.init.normal_(network.conv1.weight, std=0.01)
    return network
