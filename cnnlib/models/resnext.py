"""ResNeXt: Xie, Girshick, Dollár, Tu & He 2017, "Aggregated residual transformations for deep
neural networks".

The one new idea: a third size beside depth and width. A block adds up many narrow paths of the same
shape; their number, the "cardinality", buys more accuracy than the same work spent on depth or
width.

The block has three equivalent forms (Fig. 3), all buildable with ``form``:

- ``"a"``: every path is 1x1 down, 3x3, 1x1 up, and the paths' outputs are summed;
- ``"b"``: the paths' 3x3 outputs are laid side by side, and one 1x1 goes up;
- ``"c"``: one wide 1x1, one grouped 3x3, one 1x1. The default, and what everyone runs.

Normalisation behind the last 1x1 stands after the sum in form "a", as the paper says (section 4.4),
or the forms would not be equal. :func:`copy_form` carries weights from form "c" to the others.

The stride lies in the 3x3, as the paper has it (section 4.3). Initialisation as in our ResNet.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from cnnlib.layers import Stem, halving_stem, he_normal_, large_stem
from cnnlib.models.resnet import make_shortcut


class GroupedBlock(nn.Module):
    """Form (c): a bottleneck whose 3x3 is a grouped convolution."""

    def __init__(
        self, in_channels: int, width: int, out_channels: int, stride: int, cardinality: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(
            width, width, kernel_size=3, stride=stride, padding=1, groups=cardinality, bias=False
        )
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(width, out_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.shortcut = make_shortcut("B", in_channels, out_channels, stride)
        self.relu3 = nn.ReLU()

    def branch(self, x: Tensor) -> Tensor:
        """What is added to the shortcut."""
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.relu2(self.bn2(self.conv2(out)))
        return self.bn3(self.conv3(out))  # (N, out_channels, H / stride, W / stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu3(self.branch(x) + self.shortcut(x))


class Path(nn.Sequential):
    """One narrow path of forms (a) and (b), up to its 3x3."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__(
            OrderedDict(
                conv1=nn.Conv2d(in_channels, width, kernel_size=1, bias=False),
                bn1=nn.BatchNorm2d(width),
                relu1=nn.ReLU(),
                conv2=nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, bias=False),
                bn2=nn.BatchNorm2d(width),
                relu2=nn.ReLU(),
            )
        )


class SummedBlock(nn.Module):
    """Form (a): the paths are summed."""

    def __init__(
        self, in_channels: int, width: int, out_channels: int, stride: int, cardinality: int
    ) -> None:
        super().__init__()
        narrow = width // cardinality
        self.paths = nn.ModuleList(Path(in_channels, narrow, stride) for _ in range(cardinality))
        self.up = nn.ModuleList(
            nn.Conv2d(narrow, out_channels, kernel_size=1, bias=False) for _ in range(cardinality)
        )
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.shortcut = make_shortcut("B", in_channels, out_channels, stride)
        self.relu3 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out = sum(up(path(x)) for up, path in zip(self.up, self.paths, strict=True))
        return self.relu3(self.bn3(out) + self.shortcut(x))


class ConcatenatedBlock(nn.Module):
    """Form (b): the paths are laid side by side before one 1x1."""

    def __init__(
        self, in_channels: int, width: int, out_channels: int, stride: int, cardinality: int
    ) -> None:
        super().__init__()
        self.paths = nn.ModuleList(
            Path(in_channels, width // cardinality, stride) for _ in range(cardinality)
        )
        self.conv3 = nn.Conv2d(width, out_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.shortcut = make_shortcut("B", in_channels, out_channels, stride)
        self.relu3 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out = torch.cat([path(x) for path in self.paths], dim=1)  # (N, width, H', W')
        return self.relu3(self.bn3(self.conv3(out)) + self.shortcut(x))


FORMS = {"a": SummedBlock, "b": ConcatenatedBlock, "c": GroupedBlock}


class ResNeXt(nn.Module):
    """The networks of Table 1: ``cardinality`` paths of ``base_width`` channels in stage conv2.

    Input (N, 3, H, W), returns logits (N, num_classes). Widths double from stage to stage.
    Raises ``ValueError`` for a form other than a, b, c.
    """

    forms = FORMS

    def __init__(
        self,
        depths: Sequence[int],
        cardinality: int,
        base_width: int,
        num_classes: int = 1000,
        *,
        out_channels: int = 256,
        stem: Callable[[int], Stem] = large_stem,
        form: str = "c",
    ) -> None:
        super().__init__()
        if form not in self.forms:
            raise ValueError(f"form={form!r}: expected one of {', '.join(self.forms)}")
        channels = out_channels // 4
        self.conv1, self.pool1 = stem(channels)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.stages = []
        width = cardinality * base_width
        for stage, depth in enumerate(depths, start=2):
            blocks = OrderedDict()
            for number in range(depth):
                stride = 2 if number == 0 and stage > 2 else 1
                blocks[f"conv{stage}_{number + 1}"] = self.forms[form](
                    channels, width, out_channels, stride, cardinality
                )
                channels = out_channels
            self.stages.append(f"conv{stage}_x")
            self.add_module(f"conv{stage}_x", nn.Sequential(blocks))
            width, out_channels = 2 * width, 2 * out_channels
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes)
        he_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.bn1(self.conv1(x)))  # (N, 64, 112, 112)
        if self.pool1 is not None:
            x = self.pool1(x)  # (N, 64, 56, 56)
        for stage in self.stages:
            x = getattr(self, stage)(x)  # the last: (N, 2048, 7, 7)
        return self.fc(self.flatten(self.pool(x)))  # (N, num_classes)


@torch.no_grad()
def copy_form(block: GroupedBlock, form: str) -> SummedBlock | ConcatenatedBlock:
    """A block of form "a" or "b" that computes what ``block``, of form "c", computes.

    Path ``i`` takes the ``i``-th group of channels: of ``conv1`` and the norms the rows, of the
    grouped ``conv2`` the kernels, of ``conv3`` the columns.
    """
    if form not in ("a", "b"):
        raise ValueError(f"form={form!r}: expected 'a' or 'b'")
    conv1, conv2, conv3 = block.conv1, block.conv2, block.conv3
    cardinality = conv2.groups
    copy = FORMS[form](
        conv1.in_channels, conv1.out_channels, conv3.out_channels, conv2.stride[0], cardinality
    ).to(conv1.weight)
    for index, path in enumerate(copy.paths):
        narrow = conv1.out_channels // cardinality
        mine = slice(index * narrow, (index + 1) * narrow)
        path.conv1.weight.copy_(conv1.weight[mine])
        path.conv2.weight.copy_(conv2.weight[mine])
        for ours, theirs in ((path.bn1, block.bn1), (path.bn2, block.bn2)):
            for name in ("weight", "bias", "running_mean", "running_var"):
                getattr(ours, name).copy_(getattr(theirs, name)[mine])
        if form == "a":
            copy.up[index].weight.copy_(conv3.weight[:, mine])
    if form == "b":
        copy.conv3.load_state_dict(conv3.state_dict())
    copy.bn3.load_state_dict(block.bn3.state_dict())
    copy.shortcut.load_state_dict(block.shortcut.state_dict())
    return copy.train(block.training)


def resnext50_32x4d(num_classes: int = 1000, **options) -> ResNeXt:
    return ResNeXt((3, 4, 6, 3), 32, 4, num_classes, **options)


def resnext101_32x4d(num_classes: int = 1000, **options) -> ResNeXt:
    return ResNeXt((3, 4, 23, 3), 32, 4, num_classes, **options)


def small_resnext(num_classes: int = 40) -> ResNeXt:
    """ResNeXt for 64x64: eight paths of four channels, six blocks, a 3x3/2 stem."""
    return ResNeXt((1, 2, 2, 1), 8, 4, num_classes, out_channels=64, stem=halving_stem)
