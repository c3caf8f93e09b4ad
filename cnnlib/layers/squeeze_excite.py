"""Squeeze and excitation: channels weighted by what the whole map says."""

from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    """One gate a channel, between 0 and 1, computed from every channel's mean.

    Squeeze: the mean of each channel over all positions. Excite: down to ``channels // reduction``
    values, ReLU, up again, sigmoid. Reweight: each channel is multiplied by its gate (Hu, Shen &
    Sun 2018, section 3, equations 2-4; two fully connected layers with biases, written as 1x1
    convolutions on a 1x1 map).

    (N, C, H, W) in and out. Raises ``ValueError`` where no channel would be left to excite from.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        if reduction < 1 or channels // reduction < 1:
            raise ValueError(
                f"reduction={reduction}: expected 1 to {channels}, the number of channels"
            )
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, channels // reduction, kernel_size=1)
        self.relu = nn.ReLU()
        self.fc2 = nn.Conv2d(channels // reduction, channels, kernel_size=1)
        self.sigmoid = nn.Sigmoid()

    def gates(self, x: Tensor) -> Tensor:
        """The gates alone: (N, C, 1, 1), each between 0 and 1."""
        return self.sigmoid(self.fc2(self.relu(self.fc1(self.squeeze(x)))))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gates(x)
