"""MobileNet v1: Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto & Adam 2017, "MobileNets:
efficient convolutional neural networks for mobile vision applications".

The one new idea: build a whole network of depthwise separable convolutions, one kernel a channel
and then a 1x1 that mixes the channels, and give it two knobs: a width multiplier that thins every
layer and a resolution multiplier that shrinks the input.

Where the paper leaves a choice, or is wrong:

- Table 1 prints stride 2 for the last depthwise layer; its sizes (7x7 in, 7x7 out) need stride 1,
  and so have the authors' release and we.
- Maps are padded by one on each side. The release pads as TensorFlow does ("SAME"), which shifts
  the grid by a pixel where the stride is 2; sizes and counts are equal.
- The resolution multiplier is no part of the network: feed 192, 160 or 128 pixels in place of 224.
"""

from collections import OrderedDict

from torch import Tensor, nn

from cnnlib.layers import he_normal_

# Table 1: (output channels, stride) of the thirteen separable layers.
LAYERS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


class SeparableConv(nn.Sequential):
    """A depthwise 3x3 and a pointwise 1x1, each with normalisation and ReLU (Fig. 3)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__(
            OrderedDict(
                depthwise=nn.Conv2d(
                    in_channels, in_channels, kernel_size=3, stride=stride, padding=1,
                    groups=in_channels, bias=False,
                ),
                bn1=nn.BatchNorm2d(in_channels),
                relu1=nn.ReLU(),
                pointwise=nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False),
                bn2=nn.BatchNorm2d(out_channels),
                relu2=nn.ReLU(),
            )
        )  # fmt: skip


class DenseConv(nn.Sequential):
    """What it replaces: a 3x3 over all channels at once (Fig. 2a), with normalisation and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__(
            OrderedDict(
                conv=nn.Conv2d(
                    in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False
                ),
                bn=nn.BatchNorm2d(out_channels),
                relu=nn.ReLU(),
            )
        )


class MobileNetV1(nn.Module):
    """``width`` is the paper's alpha: 1, 0.75, 0.5 or 0.25 of the channels everywhere.

    Input (N, 3, H, W), 224x224 in the paper; returns logits (N, num_classes). ``first`` and
    ``layers`` are (channels, stride) of the first layer and of the separable ones;
    ``separable=False`` makes these full convolutions, for the comparison of Table 4. Raises
    ``ValueError`` for a width that leaves the first layer no channel.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        width: float = 1.0,
        first: tuple[int, int] = (32, 2),
        layers: tuple[tuple[int, int], ...] = LAYERS,
        separable: bool = True,
    ) -> None:
        super().__init__()
        full, stride = first
        channels = int(full * width)
        if channels < 1:
            raise ValueError(f"width={width}: expected at least 1/{full}, or no channel is left")
        self.conv1 = nn.Conv2d(3, channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        convolution = SeparableConv if separable else DenseConv
        blocks = OrderedDict()
        for number, (out_channels, stride) in enumerate(layers, start=2):
            blocks[f"conv{number}"] = convolution(channels, int(out_channels * width), stride)
            channels = int(out_channels * width)
        self.separable = nn.Sequential(blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes)
        he_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.bn1(self.conv1(x)))  # (N, 32, 112, 112)
        x = self.separable(x)  # (N, 1024, 7, 7)
        return self.fc(self.flatten(self.pool(x)))  # (N, num_classes)


def mobilenet_v1(num_classes: int = 1000, **options) -> MobileNetV1:
    return MobileNetV1(num_classes, **options)


def small_mobilenet_v1(num_classes: int = 40, **options) -> MobileNetV1:
    """MobileNet v1 for 64x64: half the width behind 32 channels, nine layers."""
    layers = LAYERS[:8] + LAYERS[12:]
    options = {"width": 0.5, "first": (64, 2), **options}
    return MobileNetV1(num_classes, layers=layers, **options)
