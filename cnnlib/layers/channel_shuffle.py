"""Channel shuffle: so that groups learn from each other."""

from torch import Tensor, nn


class ChannelShuffle(nn.Module):
    """Deal the channels out like cards: the first of each group, then the second of each, …

    Behind it, each group of the next grouped convolution holds channels from every group of the one
    before (Zhang, Zhou, Lin & Sun 2018, Fig. 1c): view the channels as a table of ``groups`` rows,
    transpose, flatten. (N, C, H, W) in and out.

    Raises ``ValueError`` where the groups do not divide the channels.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        if groups < 1:
            raise ValueError(f"groups={groups}: expected 1 or more")
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        count, channels, height, width = x.shape
        if channels % self.groups:
            raise ValueError(f"groups={self.groups} does not divide {channels} channels")
        table = x.view(count, self.groups, channels // self.groups, height, width)
        return table.transpose(1, 2).reshape(count, channels, height, width)
