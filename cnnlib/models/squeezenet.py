"""SqueezeNet: Iandola, Han, Moskewicz, Ashraf, Dally & Keutzer 2016, "SqueezeNet: AlexNet-level
accuracy with 50x fewer parameters and <0.5MB model size".

The one new idea: the Fire module. Squeeze to few channels with 1x1 kernels, then expand through
1x1 and 3x3 kernels side by side, so that the dear 3x3 kernels see few inputs.

``squeezenet1_0`` is Table 1 of the paper; ``squeezenet1_1`` is the authors' later release with a
smaller first layer and earlier pooling: 2.4 times less work, and slightly fewer parameters.

Where we differ from the paper: nothing in the layers. Its Table 1 prints an input of 224x224 and
maps of 111, 55, 27 and 13, which need 227x227; from 224x224 they are 109, 54, 27 and 13. Pools
round up (``ceil_mode``), as Caffe does. conv10 starts at N(0, 0.01), the others from He et al.
2015's uniform distribution, as in torchvision.
"""

import torch
from torch import Tensor, nn


class Fire(nn.Module):
    """Squeeze to few channels, then expand through 1x1 and 3x3 branches (Fig. 1)."""

    def __init__(self, in_channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeeze, kernel_size=1)
        self.relu_squeeze = nn.ReLU()
        self.expand1x1 = nn.Conv2d(squeeze, expand, kernel_size=1)
        self.relu1x1 = nn.ReLU()
        self.expand3x3 = nn.Conv2d(squeeze, expand, kernel_size=3, padding=1)
        self.relu3x3 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu_squeeze(self.squeeze(x))  # (N, S, H, W)
        small, large = self.relu1x1(self.expand1x1(x)), self.relu3x3(self.expand3x3(x))
        return torch.cat([small, large], dim=1)  # (N, 2E, H, W)


# (squeeze, expand) of fire2 to fire9, Table 1.
FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


class SqueezeNet(nn.Module):
    """Eight Fire modules between two convolutions, and no fully connected layer.

    Input (N, 3, H, W), 224x224 in the paper; returns logits (N, num_classes). ``pools_after`` names
    the layers (1 for conv1, 2 to 9 for the fires) behind which a 3x3 max pooling with stride 2
    stands. Raises ``ValueError`` for a layer that is not there.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        first: tuple[int, int, int] = (96, 7, 2),
        fires: tuple[tuple[int, int], ...] = FIRES,
        pools_after: tuple[int, ...] = (1, 4, 8),
    ) -> None:
        super().__init__()
        if not set(pools_after) <= set(range(1, len(fires) + 2)):
            raise ValueError(f"pools_after={pools_after}: expected layers 1 to {len(fires) + 1}")
        channels, kernel_size, stride = first
        self.features = nn.Sequential()
        self.features.add_module("conv1", nn.Conv2d(3, channels, kernel_size, stride))
        self.features.add_module("relu1", nn.ReLU())
        for number, (squeeze, expand) in enumerate([(0, 0), *fires], start=1):
            if number > 1:
                self.features.add_module(f"fire{number}", Fire(channels, squeeze, expand))
                channels = 2 * expand
            if number in pools_after:
                pool = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
                self.features.add_module(f"pool{number}", pool)
        self.drop9 = nn.Dropout(0.5)
        self.conv10 = nn.Conv2d(channels, num_classes, kernel_size=1)
        self.relu10 = nn.ReLU()
        self.pool10 = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.conv10.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 512, 13, 13)
        x = self.relu10(self.conv10(self.drop9(x)))  # (N, num_classes, 13, 13)
        return self.flatten(self.pool10(x))  # (N, num_classes)


def squeezenet1_0(num_classes: int = 1000) -> SqueezeNet:
    return SqueezeNet(num_classes)


def squeezenet1_1(num_classes: int = 1000) -> SqueezeNet:
    return SqueezeNet(num_classes, first=(64, 3, 2), pools_after=(1, 3, 5))


def small_squeezenet(num_classes: int = 40) -> SqueezeNet:
    """SqueezeNet 1.1 for 64x64: the first layer has no stride."""
    return SqueezeNet(num_classes, first=(64, 3, 1), pools_after=(1, 3, 5))
