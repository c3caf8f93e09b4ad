"""ZFNet: Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks".

The one new idea is a way of looking, the deconvnet; the network is what the looking led to.
AlexNet's first layer held filters of very high and very low frequency, few between, and dead ones,
and its stride of 4 left aliasing in the second layer (Fig. 6). So: 7x7 instead of 11x11, stride 2
instead of 4.

Two forms:

- ``zfnet`` is the paper's network (Fig. 3): 384, 384, 256 kernels in conv3 to conv5.
- ``zfnet_wide`` is the single network that did best in Table 2: 512, 1024, 512.

Where the paper leaves a choice:

- Paddings are not printed. Fig. 3's sizes 110, 55, 26, 13, 6 need padding 1 in conv1, none in
  conv2, and pools that round up.
- "Contrast normalised across feature maps" is read as AlexNet's response normalisation.
- Weights start as He et al. 2015 in place of the paper's 0.01 (but for the first layer of
  ``imagenette_zfnet``); the paper renormalises first-layer filters of too large a norm during
  training, and we do not.
"""

from torch import Tensor, nn

from cnnlib.models.alexnet import response_norm


class ZFNet(nn.Module):
    """``widths`` are the kernels of the five convolutions; ``hidden`` those of fc6 and fc7.

    Input (N, 3, H, W), 224x224 in the paper; returns logits (N, num_classes). fc6 reads a
    ``grid`` x ``grid`` map. ``kernel1`` and ``stride1`` set the first layer, so that AlexNet's can
    be put in its place; ``stride2`` is conv2's. Raises ``ValueError`` for other than five widths.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        widths: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256),
        kernel1: int = 7,
        stride1: int = 2,
        stride2: int = 2,
        hidden: int = 4096,
        grid: int = 6,
    ) -> None:
        super().__init__()
        if len(widths) != 5:
            raise ValueError(f"widths={widths}: expected five, one a convolution")
        one, two, three, four, five = widths
        self.conv1 = nn.Conv2d(3, one, kernel_size=kernel1, stride=stride1, padding=1)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.norm1 = response_norm()
        self.conv2 = nn.Conv2d(one, two, kernel_size=5, stride=stride2)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.norm2 = response_norm()
        self.conv3 = nn.Conv2d(two, three, kernel_size=3, padding=1)
        self.relu3 = nn.ReLU()
        self.conv4 = nn.Conv2d(three, four, kernel_size=3, padding=1)
        self.relu4 = nn.ReLU()
        self.conv5 = nn.Conv2d(four, five, kernel_size=3, padding=1)
        self.relu5 = nn.ReLU()
        self.pool5 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.grid = nn.AdaptiveAvgPool2d(grid)
        self.flatten = nn.Flatten()
        self.fc6 = nn.Linear(five * grid * grid, hidden)
        self.relu6 = nn.ReLU()
        self.drop6 = nn.Dropout(0.5)
        self.fc7 = nn.Linear(hidden, hidden)
        self.relu7 = nn.ReLU()
        self.drop7 = nn.Dropout(0.5)
        self.fc8 = nn.Linear(hidden, num_classes)
        for layer in self.children():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(self.pool1(self.relu1(self.conv1(x))))  # (N, 96, 55, 55)
        x = self.norm2(self.pool2(self.relu2(self.conv2(x))))  # (N, 256, 13, 13)
        x = self.relu3(self.conv3(x))  # (N, 384, 13, 13)
        x = self.relu4(self.conv4(x))
        x = self.relu5(self.conv5(x))  # (N, 256, 13, 13)
        x = self.flatten(self.grid(self.pool5(x)))  # (N, 9216)
        x = self.drop6(self.relu6(self.fc6(x)))  # (N, 4096)
        x = self.drop7(self.relu7(self.fc7(x)))
        return self.fc8(x)  # (N, num_classes)


def zfnet(num_classes: int = 1000) -> ZFNet:
    return ZFNet(num_classes)


def zfnet_wide(num_classes: int = 1000) -> ZFNet:
    return ZFNet(num_classes, widths=(96, 256, 512, 1024, 512))


def small_zfnet(num_classes: int = 40) -> ZFNet:
    """ZFNet for 64x64: its first layer unchanged, conv2 without stride, half the kernels."""
    return ZFNet(num_classes, widths=(48, 96, 160, 160, 128), stride2=1, hidden=512, grid=2)


def imagenette_zfnet(num_classes: int = 10) -> ZFNet:
    """ZFNet for 128x128: its layers and strides unchanged, half the kernels, 512 hidden units.

    The first layer's weights start at the paper's N(0, 0.01): so small that what a trained filter
    shows is what it learnt, not where it started.
    """
    network = ZFNet(num_classes, widths=(48, 128, 192, 192, 128), hidden=512, grid=3)
    nn.init.normal_(network.conv1.weight, std=0.01)
    return network
