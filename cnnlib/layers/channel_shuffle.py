"""Channel shuffle: so that groups learn from each other."""

from torch import Tensor, nn


class ChannelShuffle(nn.Module):
    """Collect the channels like cards: the first of each group, then the second of each, …

    Groups of the next grouped convolution then hold channels from several groups of the one before,
    from all of them where a group has at least ``groups`` channels (Zhang, Zhou, Lin & Sun 2018,
    Fig. 1c): view the channels as a table of ``groups`` rows, transpose, flatten. (N, C, H, W) in
    and out.

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
