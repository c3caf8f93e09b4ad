"""Batch normalisation: each channel shifted and scaled by what the batch looks like."""

import torch
from torch import Tensor, nn


class BatchNorm2d(nn.Module):
    """Each channel to mean 0 and variance 1, then times ``weight`` plus ``bias``, both learned.

    At training the mean and variance are the batch's, over all its images and positions: m values
    a channel. Moving averages of them are kept, each step moving by ``momentum`` towards the new
    value, and stand in for them at test. The variance that is kept is multiplied by m / (m - 1), as
    the batch's own is too small by that factor on average; the one divided by is not (Ioffe &
    Szegedy 2015, algorithms 1 and 2). Equal to ``torch.nn.BatchNorm2d``, and loads its state.

    (N, C, H, W) in and out. Raises ``ValueError`` for no channels, and at training for a batch with
    a single value a channel, which has no variance.
    """

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"channels={channels}: expected at least 1")
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(channels))  # the paper's gamma
        self.bias = nn.Parameter(torch.zeros(channels))  # the paper's beta
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            mean, variance = self.batch_statistics(x)
        else:
            mean, variance = self.running_mean, self.running_var
        scale = self.weight / torch.sqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return x * scale[:, None, None] + shift[:, None, None]

    def batch_statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The batch's mean and variance, (C,) each, and the moving averages moved towards them."""
        m = x.numel() // x.shape[1]
        if m < 2:
            raise ValueError(f"a batch of shape {tuple(x.shape)}: expected 2 values a channel")
        mean = x.mean(dim=(0, 2, 3))
        variance = ((x - mean[:, None, None]) ** 2).mean(dim=(0, 2, 3))
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * m / (m - 1), self.momentum)
            self.num_batches_tracked += 1
        return mean, variance

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, eps={self.eps:g}, momentum={self.momentum:g}"
