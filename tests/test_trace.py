"""`cnnlib.trace` against torch: what units see against gradients, counts against torch's counter.

In a network whose weights and inputs are all positive nothing cancels: a unit's gradient differs
from 0 at exactly the positions that it sees. So every row of a trace is held to gradients, in the
input and in every layer on the way, on maps that are not square.
"""

import copy
import itertools
import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from cnnlib.geometry import Field, Window, input_range, output_size, receptive_field
from cnnlib.models import MODELS, LeNet5
from cnnlib.trace import (
    ALL_POSITIONS,
    LayerTrace,
    Positions,
    Summary,
    as_table,
    reaches,
    seen_by,
    source_lines,
    summarise,
    trace,
)
from tests.conftest import ROOT


class Does(nn.Module):
    """A network whose forward is the given function of itself and its input."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.work = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.work(self, x)


def resampled(x):
    """Positions that no window says, one and a half times as many."""
    return F.interpolate(x, scale_factor=1.5)


def named(rows, name) -> LayerTrace:
    [row] = [row for row in rows if row.name == name]
    return row


def field_of(layer) -> Field:
    """The field of a row whose axes have the same."""
    [field] = set(layer.field)
    return field


def parameters(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


# The oracle -------------------------------------------------------------------------------------


def positive(module, seed=0):
    """A copy in float64 whose weights are positive, and whose maxima let every gradient through."""
    module = copy.deepcopy(module).double().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight.uniform_(0.5, 1, generator=generator)
            weight /= max(1, weight[0].numel())
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.MaxPool2d):
                settings = (child.kernel_size, child.stride, child.padding, child.ceil_mode)
                setattr(parent, name, nn.AvgPool2d(*settings))
    return module


def hulls(mask):
    """First to last true value along each axis of a mask."""
    ranges = []
    for axis in range(mask.dim()):
        others = [other for other in range(mask.dim()) if other != axis]
        found = (mask.any(dim=others) if others else mask).nonzero().flatten().tolist()
        ranges.append(range(found[0], found[-1] + 1) if found else range(0))
    return tuple(ranges)


def on_grid(tensor, layer_grid):
    """(N, channels, *grid): also of a flattened map, or of a vector, whose grid is 1 by 1."""
    return tensor.reshape(tensor.shape[0], -1, *layer_grid)


def watch(net):
    """A dict that the next run fills with the outputs of all modules without children."""
    outputs = {}

    def keep(name):
        def hook(part, args, out):
            outputs.setdefault(name, out)

        return hook

    for name, part in net.named_modules():
        if name and not list(part.children()):
            part.register_forward_hook(keep(name))
    return outputs


def check_seen_by(module, shape, units=5, seed=0):
    """`seen_by` of some units of every module's row, against gradients, in every row below."""
    rows = trace(module, shape)
    rng = random.Random(seed)
    net = positive(module)
    outputs = watch(net)
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(units, *shape[1:], generator=generator, dtype=torch.float64) + 0.5
    x.requires_grad_()
    final = net(x)
    tensors = {
        number: outputs[row.name]
        for number, row in enumerate(rows)
        if row.name in outputs and row.out_shape[2:] in ((), row.grid)
    }
    tensors[len(rows) - 1] = final
    below = {-1: x}
    for number, output in tensors.items():
        row = rows[number]
        assert tuple(output.shape[1:]) == row.out_shape[1:]
        chosen = [tuple(rng.randrange(size) for size in row.grid) for _ in range(units)]
        grid = on_grid(output, row.grid)
        weights = torch.linspace(1, 2, grid.shape[1], dtype=grid.dtype)  # a softmax's sum is flat
        total = sum(weights @ grid[(k, slice(None), *unit)] for k, unit in enumerate(chosen))
        gradients = torch.autograd.grad(
            total, list(below.values()), retain_graph=True, allow_unused=True
        )
        for k, unit in enumerate(chosen):
            seen = seen_by(rows, number, unit)
            assert set(seen) == set(range(-1, number))
            for source, gradient in zip(below, gradients, strict=True):
                sizes = rows[source].grid if source >= 0 else shape[2:]
                expected = (range(0),) * len(sizes)
                if gradient is not None:
                    expected = hulls((on_grid(gradient, sizes)[k] != 0).any(dim=0))
                where = source if source < 0 else rows[source].name
                assert seen[source] == expected, (row.name, unit, where)
        below[number] = output
    assert len(below) > 1
    return rows


# Networks ---------------------------------------------------------------------------------------


def conv(in_channels, out_channels, kernel_size, **settings):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, bias=False, **settings),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class Inception(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.branch1 = conv(channels, 2, 1)
        self.branch3 = nn.Sequential(conv(channels, 2, 1), conv(2, 3, 3, padding=1))
        self.branch5 = nn.Sequential(conv(channels, 1, 1), conv(1, 2, 5, padding=2))
        self.pool = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(channels, 1, 1))

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch3(x), self.branch5(x), self.pool(x)], 1)


class Factorised(nn.Module):
    """Inception v3's unit of asymmetric kernels, with branches within branches."""

    def __init__(self, channels):
        super().__init__()
        self.down = conv(channels, 2, (1, 5), padding=(0, 2))
        self.wide = conv(2, 2, (1, 3), padding=(0, 1))
        self.high = conv(2, 3, (7, 1), padding=(3, 0))

    def forward(self, x):
        x = self.down(x)
        return torch.cat([self.wide(x), self.high(x)], dim=1)


class Residual(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1, option="B"):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.extra = out_channels - in_channels
        self.shortcut = nn.Sequential()
        if option == "B" and (stride > 1 or self.extra):
            self.shortcut = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride))
        elif option == "A" and (stride > 1 or self.extra):
            self.shortcut = Does(
                lambda m, x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, out_channels - in_channels))
            )

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + self.shortcut(x))


class Dense(nn.Module):
    def __init__(self, channels, growth, count):
        super().__init__()
        self.layers = nn.ModuleList(
            conv(channels + i * growth, growth, 3, padding=1) for i in range(count)
        )

    def forward(self, x):
        features = [x]
        for layer in self.layers:
            features.append(layer(torch.cat(features, dim=1)))
        return torch.cat(features, dim=1)


class SqueezeExcite(nn.Module):
    def __init__(self, channels, style):
        super().__init__()
        self.style = style
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Linear(channels, 2) if style == "linear" else nn.Conv2d(channels, 2, 1)
        self.fc2 = nn.Linear(2, channels) if style == "linear" else nn.Conv2d(2, channels, 1)

    def forward(self, x):
        if self.style == "linear":
            gate = self.pool(x).view(x.size(0), -1)
            gate = torch.sigmoid(self.fc2(F.relu(self.fc1(gate))))
            return x * gate.view(x.size(0), x.size(1), 1, 1)
        gate = x.mean((2, 3), keepdim=True)
        return torch.sigmoid(self.fc2(F.relu(self.fc1(gate)))) * x


class Shuffle(nn.Module):
    """ShuffleNet: v1's grouped unit, or v2's split of the channels in two."""

    def __init__(self, channels, version):
        super().__init__()
        self.version = version
        half = channels // version
        self.reduce = nn.Conv2d(half, half, 1, groups=3 - version)
        self.depthwise = nn.Conv2d(half, half, 3, padding=1, groups=half)

    def shuffle(self, x, groups):
        n, c, h, w = x.size()
        x = x.view(n, groups, c // groups, h, w)
        return torch.transpose(x, 1, 2).contiguous().view(n, -1, h, w)

    def forward(self, x):
        if self.version == 1:
            return F.relu(x + self.depthwise(self.shuffle(self.reduce(x), 2)))
        kept, changed = x.chunk(2, dim=1)
        return self.shuffle(torch.cat((kept, self.depthwise(self.reduce(changed))), dim=1), 2)


class AtrousPyramid(nn.Module):
    """DeepLab's: dilated branches beside the pooled image, spread over the map again."""

    def __init__(self, channels, align_corners):
        super().__init__()
        self.align_corners = align_corners
        self.branches = nn.ModuleList(
            nn.Conv2d(channels, 2, 3, padding=d, dilation=d) for d in (1, 2, 3)
        )
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, 1, 1))
        self.project = nn.Conv2d(7, 2, 1)

    def forward(self, x):
        found = [branch(x) for branch in self.branches]
        image = F.interpolate(
            self.pool(x), size=x.shape[-2:], mode="bilinear", align_corners=self.align_corners
        )
        return self.project(torch.cat([*found, image], dim=1))


class UNet(nn.Module):
    def __init__(self, up, padding=1):
        super().__init__()
        self.down1 = conv(1, 2, 3, padding=padding)
        self.down2 = conv(2, 4, 3, padding=padding)
        self.pool = nn.MaxPool2d(2)
        self.bottom = conv(4, 4, 3, padding=padding)
        self.up2 = up(4)
        self.merge2 = conv(8, 2, 3, padding=padding)
        self.up1 = up(2)
        self.merge1 = conv(4, 2, 3, padding=padding)

    def join(self, skip, x):
        high = (skip.shape[2] - x.shape[2]) // 2
        wide = (skip.shape[3] - x.shape[3]) // 2
        skip = skip[:, :, high : high + x.shape[2], wide : wide + x.shape[3]]
        return torch.cat([skip, x], dim=1)

    def forward(self, x):
        first = self.down1(x)
        second = self.down2(self.pool(first))
        x = self.join(second, self.up2(self.bottom(self.pool(second))))
        return self.merge1(self.join(first, self.up1(self.merge2(x))))


def deconvolved(channels):
    return nn.ConvTranspose2d(channels, channels, 2, stride=2)


def blended(channels):
    return nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1)


def upsampled(mode, align_corners=None):
    return lambda channels: nn.Upsample(scale_factor=2, mode=mode, align_corners=align_corners)


class FCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            conv(1, 2, 3, padding=4), nn.MaxPool2d(2), conv(2, 3, 3, padding=1), nn.MaxPool2d(2)
        )
        self.score = nn.Conv2d(3, 2, 1)
        self.up = nn.ConvTranspose2d(2, 2, 8, stride=4, bias=False)

    def forward(self, x):
        y = self.up(self.score(self.features(x)))
        return y[:, :, 2 : 2 + x.size(2), 2 : 2 + x.size(3)].contiguous()


class CoordinateGates(nn.Module):
    """A gate along each axis alone."""

    def __init__(self, channels):
        super().__init__()
        self.row = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0))
        self.column = nn.Conv2d(channels, channels, (1, 3), padding=(0, 1))

    def forward(self, x):
        rows = torch.sigmoid(self.row(x.mean(3, keepdim=True)))
        columns = torch.sigmoid(self.column(x.mean(2, keepdim=True)))
        return x * rows * columns


def shared_tower():
    tower = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.ReLU())
    return Does(lambda m, x: m.pool(m.tower(m.tower(x)) + x), tower=tower, pool=nn.AvgPool2d(2))


def convnext():
    def forward(m, x):
        y = m.depthwise(x).permute(0, 2, 3, 1)
        return x + m.gamma * m.back(F.gelu(m.out(y))).permute(0, 3, 1, 2)

    return Does(
        forward,
        depthwise=nn.Conv2d(2, 2, 7, padding=3, groups=2),
        out=nn.Linear(2, 8),
        back=nn.Linear(8, 2),
        gamma=nn.Parameter(torch.ones(2, 1, 1)),
    )


NETWORKS = {
    "plain": lambda: nn.Sequential(
        nn.Conv2d(2, 3, (5, 3), stride=(2, 1), padding=(2, 0)), nn.ReLU(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True), nn.LocalResponseNorm(2),
        nn.Conv2d(3, 4, 3, padding=1, dilation=1), nn.Dropout(), nn.AvgPool2d((1, 2)),
    ),
    "classifier": lambda: nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(9, 5), nn.ReLU(),
        nn.Linear(5, 3), nn.Softmax(dim=1),
    ),
    "inception": lambda: nn.Sequential(conv(2, 2, 3, stride=2), Inception(2), Inception(8)),
    "factorised": lambda: nn.Sequential(Factorised(2), Factorised(5)),
    "residual": lambda: nn.Sequential(Residual(2, 2), Residual(2, 4, 2), Residual(4, 4)),
    "residual with zeros": lambda: nn.Sequential(Residual(2, 4, 2, "A"), Residual(4, 4)),
    "dense": lambda: nn.Sequential(Dense(2, 1, 3), nn.AvgPool2d(2), Dense(5, 1, 2)),
    "squeeze-excite": lambda: nn.Sequential(
        nn.Conv2d(2, 3, 3), SqueezeExcite(3, "conv"), nn.Conv2d(3, 2, 3, padding=1)
    ),
    "squeeze-excite, linear": lambda: nn.Sequential(nn.Conv2d(2, 3, 3), SqueezeExcite(3, "linear")),
    "shuffle v1": lambda: nn.Sequential(Shuffle(2, 1), Shuffle(2, 1)),
    "shuffle v2": lambda: nn.Sequential(conv(2, 4, 1), Shuffle(4, 2), Shuffle(4, 2)),
    "atrous pyramid": lambda: AtrousPyramid(2, False),
    "atrous pyramid, corners": lambda: AtrousPyramid(2, True),
    "coordinate gates": lambda: nn.Sequential(nn.Conv2d(2, 2, 3), CoordinateGates(2)),
    "shared tower": shared_tower,
    "convnext": convnext,
    "depthwise separable": lambda: nn.Sequential(
        nn.Conv2d(2, 4, 3, 2, 1, groups=2), nn.Conv2d(4, 3, 1), nn.ReLU6(),
        nn.Conv2d(3, 3, 5, padding=2, groups=3), nn.Conv2d(3, 2, 1),
    ),
    "same and valid": lambda: nn.Sequential(
        nn.Conv2d(2, 3, (4, 3), padding="same", dilation=(1, 2)),
        nn.Conv2d(3, 2, 3, padding="valid"),
    ),
    "reflected": lambda: nn.Sequential(
        nn.Conv2d(2, 3, 5, padding=2, padding_mode="reflect"), nn.ReflectionPad2d((3, 0, 1, 2)),
        nn.Conv2d(3, 2, 3), nn.Conv2d(2, 2, 3, 2, 1, padding_mode="replicate"),
    ),
    "wrapped": lambda: nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), nn.CircularPad2d(1),
        nn.Conv2d(3, 2, 2),
    ),
    "padded and cropped": lambda: nn.Sequential(
        nn.ZeroPad2d((2, 0, 1, 3)), nn.Conv2d(2, 2, 3), nn.ZeroPad2d((-1, 2, -2, 0)),
        nn.Conv2d(2, 2, 3, stride=2), nn.ConstantPad2d(-1, 0.0),
    ),
    "pixel shuffle": lambda: nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(1, 2, 3), nn.PixelUnshuffle(2)
    ),
    "adaptive": lambda: nn.Sequential(nn.Conv2d(2, 2, 3), nn.AdaptiveAvgPool2d((4, 3)),
                                      nn.Conv2d(2, 2, 2)),
    "pools of p": lambda: nn.Sequential(nn.LPPool2d(2, (2, 3), stride=2), nn.Conv2d(2, 1, 2)),
    "fcn": FCN,
}  # fmt: skip

SHAPES = {
    "plain": (1, 2, 23, 12),
    "classifier": (1, 2, 8, 14),
    "fcn": (1, 1, 13, 10),
}


class TestSeenBy:
    @pytest.mark.parametrize("key", NETWORKS)
    def test_equals_gradients_in_every_row_below(self, key):
        check_seen_by(NETWORKS[key](), SHAPES.get(key, (1, 2, 11, 9)))

    @pytest.mark.parametrize(
        "up",
        [
            deconvolved, blended, upsampled("nearest"), upsampled("bilinear", False),
            upsampled("bilinear", True), upsampled("bicubic", False),
        ],
    )  # fmt: skip
    def test_equals_gradients_through_u_nets(self, up):
        check_seen_by(UNet(up), (1, 1, 12, 16))

    def test_equals_gradients_through_flattened_maps_side_by_side(self):
        """Two vectors joined into one: a unit of it stands for all places of both maps."""
        net = Does(
            lambda m, x: torch.cat([m.one(x).flatten(1), m.other(x).flatten(1)], 1),
            one=nn.Conv2d(2, 3, 3),
            other=nn.Conv2d(2, 1, 2, stride=2),
        )
        rows = check_seen_by(net, (1, 2, 9, 7))
        assert rows[-1].windows == (ALL_POSITIONS, ALL_POSITIONS) and rows[-1].grid == (1, 1)

    def test_equals_gradients_through_a_u_net_that_crops(self):
        rows = check_seen_by(UNet(deconvolved, padding=0), (1, 1, 38, 46))
        assert rows[-1].out_shape == (1, 2, 18, 26)

    @pytest.mark.parametrize(
        ("settings", "size"),
        [
            ({"kernel_size": 1, "stride": 2}, (4, 5)),
            ({"kernel_size": 2, "stride": 3, "output_padding": 2}, (4, 3)),
            ({"kernel_size": (3, 4), "stride": (2, 1), "padding": (1, 2)}, (4, 6)),
            ({"kernel_size": 3, "stride": 2, "dilation": 2, "padding": 2}, (5, 3)),
            ({"kernel_size": (2, 3), "stride": (3, 2), "dilation": (2, 3)}, (3, 4)),
        ],
    )
    def test_equals_gradients_through_transposed_convolutions(self, settings, size):
        """Holes too: units of a transposed convolution that read nothing."""
        up = nn.ConvTranspose2d(2, 2, **settings)
        check_seen_by(nn.Sequential(up, nn.Conv2d(2, 1, (2, 3))), (1, 2, *size), units=12)

    @pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "area"])
    @pytest.mark.parametrize("size", [(3, 5), (12, 7), (16, 24), (4, 3), (9, 9)])
    def test_equals_gradients_through_resampling(self, mode, size):
        net = nn.Sequential(nn.Conv2d(1, 1, 2), nn.Upsample(size, mode=mode), nn.Conv2d(1, 1, 2))
        check_seen_by(net, (1, 1, 9, 7), units=10)

    @pytest.mark.parametrize("scale", [0.5, 1.5, (2.0, 0.7), 3.0])
    def test_equals_gradients_through_scaling(self, scale):
        for mode in ("nearest", "bilinear"):
            net = nn.Sequential(nn.Upsample(scale_factor=scale, mode=mode), nn.Conv2d(1, 1, 2))
            check_seen_by(net, (1, 1, 8, 6), units=10)

    def test_equals_gradients_in_one_and_three_dimensions(self):
        one = nn.Sequential(nn.Conv1d(2, 3, 3, 2), nn.AvgPool1d(2), nn.ConvTranspose1d(3, 1, 3, 2))
        check_seen_by(one, (1, 2, 19))
        three = nn.Sequential(
            nn.Conv3d(1, 2, (3, 2, 1), (1, 2, 1), (1, 0, 0)), nn.AvgPool3d((1, 2, 2))
        )
        check_seen_by(three, (1, 1, 4, 9, 6))

    def test_branches_that_differ_touch_a_union_not_the_box_around_it(self):
        """A 1x5 beside a 5x1 over columns of which every second one holds nothing."""
        net = Does(
            lambda m, x: torch.cat([m.wide(x), m.high(x)], 1),
            wide=nn.Conv2d(1, 1, (1, 5), padding=(0, 2)),
            high=nn.Conv2d(1, 1, (5, 1), padding=(2, 0)),
        )
        holes = nn.Sequential(nn.ConvTranspose2d(1, 1, 1, stride=(1, 2)), net)
        check_seen_by(holes, (1, 1, 7, 6), units=20)

    def test_without_clip_windows_go_on_beyond_the_border(self):
        rows = trace(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 3, 2, 1)),
                       (1, 1, 6, 8))  # fmt: skip
        assert seen_by(rows, 1, (0, 3), clip=False) == {
            -1: (range(-2, 3), range(4, 9)),
            0: (range(-1, 2), range(5, 8)),
        }
        assert seen_by(rows, 1, (0, 3)) == {-1: (range(0, 3), range(4, 8)),
                                              0: (range(0, 2), range(5, 8))}  # fmt: skip

    def test_rows_off_the_path_are_not_seen(self):
        net = Does(
            lambda m, x: (m.side(x), m.main(x))[1],
            side=nn.Conv2d(1, 1, 3),
            main=nn.Conv2d(1, 1, 1),
        )
        rows = trace(net, (1, 1, 5, 6))
        assert [row.name for row in rows] == ["side", "main"]
        assert seen_by(rows, 1, (2, 3)) == {-1: (range(2, 3), range(3, 4)), 0: (range(0),) * 2}

    @pytest.mark.parametrize(
        ("row", "unit", "named"),
        [
            (1, (0, 0), "row=1"), (-1, (0, 0), "row=-1"), (True, (0, 0), "row=True"),
            (0, (4, 0), r"unit=\(4, 0\)"), (0, (0, -1), r"unit=\(0, -1\)"),
            (0, (0,), r"unit=\(0,\)"), (0, (0, 1.0), r"unit=\(0, 1.0\)"),
        ],
    )  # fmt: skip
    def test_what_is_not_there_is_named(self, row, unit, named):
        rows = trace(nn.Conv2d(1, 1, 3), (1, 1, 6, 8))
        with pytest.raises(ValueError, match=named):
            seen_by(rows, row, unit)

    def test_summaries_are_refused(self):
        rows = summarise(trace(nn.Sequential(conv(1, 1, 3), conv(1, 1, 3)), (1, 1, 6, 8)))
        for call in (lambda: seen_by(rows, 0, (0, 0)), lambda: reaches(rows, (range(1),) * 2)):
            with pytest.raises(
                ValueError, match=r"rows\[0\] is a Summary of several rows, 0: expected"
            ):
                call()
        with pytest.raises(ValueError, match="empty"):
            seen_by([], 0, (0, 0))


class TestReaches:
    @pytest.mark.parametrize("key", [key for key in NETWORKS if key != "classifier"])
    def test_equals_what_a_change_changes(self, key):
        """The derivative of every module's output along a change of one box of the input."""
        shape = SHAPES.get(key, (1, 2, 11, 9))
        rows = trace(NETWORKS[key](), shape)
        net = positive(NETWORKS[key]())
        outputs = watch(net)

        def run(x):
            outputs.clear()
            return net(x), dict(outputs)

        rng = random.Random(5)
        x = torch.rand(shape, dtype=torch.float64) + 0.5
        for _ in range(4):
            region = []
            for size in shape[2:]:
                first = rng.randrange(size)
                region.append(range(first, rng.randrange(first, size) + 1))
            change = torch.zeros_like(x)
            change[:, :, region[0].start : region[0].stop, region[1].start : region[1].stop] = 1
            _, (final, changes) = torch.func.jvp(run, (x,), (change,))
            reached = reaches(rows, region)
            assert reached[-1] == tuple(region)
            assert set(reached) == set(range(-1, len(rows)))
            checked = 0
            for number, row in enumerate(rows):
                changed = changes.get(row.name) if row.out_shape[2:] in ((), row.grid) else None
                if number == len(rows) - 1:
                    changed = final
                if changed is not None:
                    expected = hulls((on_grid(changed, row.grid)[0] != 0).any(dim=0))
                    assert reached[number] == expected, (row.name, region)
                    checked += 1
            assert checked

    def test_one_pixel_by_hand(self):
        rows = trace(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.MaxPool2d(2)), (1, 1, 6, 8))
        assert reaches(rows, (range(0, 1), range(4, 5))) == {
            -1: (range(0, 1), range(4, 5)),
            0: (range(0, 2), range(3, 6)),
            1: (range(0, 1), range(1, 3)),
        }

    def test_an_empty_box_reaches_nothing(self):
        rows = trace(nn.Conv2d(1, 1, 3), (1, 1, 6, 8))
        assert reaches(rows, (range(0), range(2)))[0] == (range(0), range(0))

    @pytest.mark.parametrize(
        "region", [(range(0, 7), range(2)), (range(2), range(-1, 2)), (range(2),), (1, 2)]
    )
    def test_regions_outside_the_input_are_named(self, region):
        rows = trace(nn.Conv2d(1, 1, 3), (1, 1, 6, 8))
        with pytest.raises(ValueError, match="region="):
            reaches(rows, region)


# Random networks --------------------------------------------------------------------------------


class Random(nn.Module):
    """A graph of random layers; each reads one or two of the tensors made before."""

    def __init__(self, rng, shape, length):
        super().__init__()
        self.layers = nn.ModuleList()
        self.plan = []
        made = [torch.zeros(shape)]
        while len(self.plan) < length:
            kind = rng.choice(KINDS)
            first, second = len(made) - 1 - int(rng.random() < 0.3) * rng.randrange(len(made)), 0
            second = rng.randrange(len(made))
            layer = self.layer(rng, kind, made[first].shape[1])
            try:
                out = self.step(kind, layer, made[first], made[second])
            except (RuntimeError, ValueError):
                continue  # torch refuses these settings on this shape
            if out is None or max(out.shape[1:]) > 32:
                continue
            self.layers.append(layer)
            self.plan.append((kind, first, second))
            made.append(out)

    @staticmethod
    def layer(rng, kind, channels):
        def pair(low, high):
            return rng.randint(low, high), rng.randint(low, high)

        if kind == "conv":
            settings = pair(1, 4), pair(1, 3), pair(0, 2), pair(1, 2)
            return nn.Conv2d(channels, rng.randint(1, 3), *settings)
        if kind == "grouped":
            return nn.Conv2d(channels, 2 * channels, pair(1, 3), padding="same", groups=channels)
        if kind == "padded":
            mode = rng.choice(["reflect", "replicate", "circular"])
            settings = pair(1, 4), pair(1, 2), pair(0, 2), pair(1, 2)
            return nn.Conv2d(channels, 2, *settings, padding_mode=mode)
        if kind == "up":
            stride, dilation = pair(1, 3), pair(1, 2)
            extra = tuple(rng.randrange(max(*both)) for both in zip(stride, dilation, strict=True))
            settings = {"stride": stride, "dilation": dilation, "output_padding": extra}
            return nn.ConvTranspose2d(channels, 2, pair(1, 4), padding=pair(0, 2), **settings)
        if kind == "pool":
            return nn.AvgPool2d(pair(1, 3), pair(1, 3), ceil_mode=rng.random() < 0.5)
        if kind == "adaptive":
            return nn.AdaptiveAvgPool2d(pair(1, 6))
        if kind == "resample":
            mode = rng.choice(["nearest", "bilinear", "nearest-exact", "bicubic"])
            corners = rng.random() < 0.5 if mode[0] == "b" else None
            return nn.Upsample(pair(1, 16), mode=mode, align_corners=corners)
        if kind == "pad":
            return nn.ZeroPad2d((*pair(-1, 2), *pair(-1, 2)))
        return nn.Identity()

    @staticmethod
    def step(kind, layer, x, y):
        if kind in ("add", "cat") and (x.shape[2:] != y.shape[2:] or x is y):
            return None
        if kind == "add":
            return x + y if x.shape == y.shape else None
        if kind == "cat":
            return torch.cat([x, y], dim=1)
        if kind == "gate":
            return x + torch.sigmoid(F.adaptive_avg_pool2d(x, 1))
        if kind == "crop":
            return x[:, :, 1:-1:2, 1:] if min(x.shape[2:]) > 2 else None
        return layer(x)

    def forward(self, x):
        made = [x]
        for layer, (kind, first, second) in zip(self.layers, self.plan, strict=True):
            made.append(self.step(kind, layer, made[first], made[second]))
        return made[-1]


KINDS = ["conv"] * 4 + ["grouped", "padded", "up", "pool", "adaptive", "resample", "pad"]
KINDS += ["add", "cat"] * 2 + ["gate", "crop"]


@pytest.mark.parametrize("seed", range(40))
def test_random_networks_equal_gradients_and_torchs_count(seed):
    for part in range(4):
        rng = random.Random(1000 * part + seed)
        shape = (1, rng.randint(1, 2), *rng.sample(range(5, 14), 2))
        net = Random(rng, shape, rng.randint(2, 7))
        rows = check_seen_by(net, shape, units=4, seed=seed)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            out = net(torch.zeros(shape))
        assert rows[-1].out_shape == out.shape
        assert 2 * sum(row.macs for row in rows) == counter.get_total_flops()
        wrapped = any(isinstance(window, Positions) and window.chain
                      for row in rows for window in row.windows)  # fmt: skip
        for number, row in enumerate(rows):
            assert row.grid == row.out_shape[2:]
            unit = tuple(rng.randrange(size) for size in row.grid)
            for seen, found in zip(seen_by(rows, number, unit)[-1], row.field, strict=True):
                assert wrapped or len(seen) <= found.size, row.name


# Fields -----------------------------------------------------------------------------------------


def alexnet():
    """Krizhevsky's second version, as the table of Araujo et al. 2019 has it (TF-slim)."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4), nn.ReLU(), nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, stride=2),
    )  # fmt: skip


def vgg(blocks):
    layers, channels = [], 3
    for count, width in zip(blocks, (64, 128, 256, 512, 512), strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2))
    head = [nn.Linear(512 * 49, 4096), nn.ReLU(True), nn.Dropout(), nn.Linear(4096, 4096),
            nn.ReLU(True), nn.Dropout(), nn.Linear(4096, 1000)]  # fmt: skip
    return nn.Sequential(nn.Sequential(*layers), nn.Flatten(), nn.Sequential(*head))


class Bottleneck(nn.Module):
    def __init__(self, in_channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 1)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1)
        self.conv3 = nn.Conv2d(width, 4 * width, 1)
        self.shortcut = nn.Identity()
        if stride > 1 or in_channels != 4 * width:
            self.shortcut = nn.Conv2d(in_channels, 4 * width, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.conv3(self.relu(self.conv2(self.relu(self.conv1(x)))))
        return self.relu(out + self.shortcut(x))


def resnet(blocks):
    """As in the table: the last block of a stage strides, and the last stage does not."""
    layers = [nn.Conv2d(3, 64, 7, stride=2, padding=3), nn.ReLU(True)]
    layers += [nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(3, stride=2)]  # TensorFlow's padding
    channels = 64
    for stage, count in enumerate(blocks):
        for block in range(count):
            last = block == count - 1 and stage < 3
            layers.append(Bottleneck(channels, 64 * 2**stage, 2 if last else 1))
            channels = 256 * 2**stage
    return nn.Sequential(*layers)


def mobilenet():
    layers, channels = [nn.Conv2d(3, 32, 3, 2, 1)], 32
    for width, stride in zip(
        (64, 128, 128, 256, 256, *[512] * 6, 1024, 1024),
        (1, 2, 1, 2, 1, 2, *[1] * 5, 2, 1),
        strict=True,
    ):
        layers.append(nn.Conv2d(channels, channels, 3, stride, 1, groups=channels))
        layers.append(nn.Conv2d(channels, width, 1))
        channels = width
    return nn.Sequential(*layers)


class TestFields:
    """Printed numbers: the table of Araujo, Norris & Sim 2019."""

    def test_alexnet(self):
        rows = trace(alexnet(), (1, 3, 224, 224))
        assert rows[-1].kind == "MaxPool2d" and rows[-1].out_shape == (1, 256, 5, 5)
        assert field_of(rows[-1]) == Field(size=195, stride=32, start=-64)

    def test_vgg16(self):
        with torch.device("meta"):
            rows = trace(vgg((2, 2, 3, 3, 3)), (1, 3, 224, 224))
        last_pool = [row for row in rows if row.kind == "MaxPool2d"][-1]
        assert field_of(last_pool) == Field(size=212, stride=32, start=-90)
        linear = [row for row in rows if row.kind == "Linear"][0]
        assert field_of(linear).size == 212 + 6 * 32  # from the first unit's field to the last's
        assert seen_by(rows, len(rows) - 1, (0, 0))[-1] == (range(224), range(224))

    @pytest.mark.parametrize(
        ("blocks", "size", "padding"), [((3, 4, 6, 3), 483, 239), ((3, 4, 23, 3), 1027, 511)]
    )
    def test_resnets_with_all_their_branches(self, blocks, size, padding):
        with torch.device("meta"):
            rows = trace(resnet(blocks), (1, 3, 224, 224))
        assert field_of(rows[-1]) == Field(size=size, stride=32, start=-padding)
        assert all(row.aligned for row in rows)

    def test_mobilenet(self):
        field = field_of(trace(mobilenet(), (1, 3, 224, 224))[-1])
        assert (field.size, field.stride) == (315, 32)

    def test_chains_equal_the_formulas(self):
        rng = random.Random(3)
        for _ in range(60):
            axes = ([], [])
            layers, sizes = [], (40, 33)
            for _ in range(rng.randint(1, 5)):
                pair = [Window(rng.randint(1, 4), rng.randint(1, 3), rng.randint(0, 2),
                               rng.randint(1, 2)) for _ in range(2)]  # fmt: skip
                try:
                    sizes = tuple(output_size(n, w) for n, w in zip(sizes, pair, strict=True))
                except ValueError:
                    continue
                for axis, window in zip(axes, pair, strict=True):
                    axis.append(window)
                names = ("kernel_size", "stride", "padding", "dilation")
                settings = {n: tuple(getattr(w, n) for w in pair) for n in names}
                layers.append(nn.Conv2d(1, 1, **settings))
            if layers:
                last = trace(nn.Sequential(*layers), (1, 1, 40, 33))[-1]
                assert last.field == tuple(map(receptive_field, axes))
                assert last.grid == last.out_shape[2:] == sizes

    def test_every_unit_has_its_field_where_branches_are_aligned(self):
        for key in ("inception", "factorised", "residual", "dense", "shuffle v2", "reflected"):
            rows = trace(NETWORKS[key](), (1, 2, 11, 9))
            for number, row in enumerate(rows):
                assert row.aligned
                for unit in itertools.product(*(range(0, size, 2) for size in row.grid)):
                    assert seen_by(rows, number, unit, clip=False)[-1] == tuple(
                        range(f.start + i * f.stride, f.start + i * f.stride + f.size)
                        for f, i in zip(row.field, unit, strict=True)
                    )

    def test_a_join_is_the_hull_of_its_inputs(self):
        net = Does(
            lambda m, x: torch.cat([m.low(x), m.high(x), x], 1),
            low=nn.Conv2d(1, 1, 5, padding=2),
            high=nn.Sequential(nn.ZeroPad2d((0, 6, 0, 2)), nn.Conv2d(1, 1, (3, 7))),
        )
        layer = named(trace(net, (1, 1, 10, 12)), "cat")
        assert layer.field == (Field(5, 1, -2), Field(9, 1, -2))

    def test_behind_transposed_windows_the_size_is_the_largest_and_the_stride_the_mean(self):
        rng = random.Random(8)
        for _ in range(80):
            windows, layers, size = [], [], 30
            for _ in range(rng.randint(1, 3)):
                stride, transposed = rng.randint(1, 3), rng.random() < 0.6
                window = Window(rng.randint(stride, 4), stride, rng.randint(0, 1),
                                transposed=transposed)  # fmt: skip
                size = output_size(size, window)
                windows.append(window)
                kind = nn.ConvTranspose1d if transposed else nn.Conv1d
                layers.append(kind(1, 1, window.kernel_size, stride, window.padding))
            last = trace(nn.Sequential(*layers), (1, 1, 30))[-1]
            [field] = last.field
            sizes = [len(input_range(windows, 30, unit, clip=False)) for unit in range(size)]
            assert field.size == max(sizes)
            ends = [input_range(windows, 30, unit, clip=False) for unit in range(size)]
            ratio = 1
            for window in windows:
                ratio = ratio / window.stride if window.transposed else ratio * window.stride
            assert float(field.stride) == pytest.approx(ratio)
            middles = [(r.start + r.stop - 1) / 2 - i * ratio for i, r in enumerate(ends)]
            turn = 36  # every period of these strides divides it
            if size >= turn:
                mean = sum(middles[:turn]) / turn
                assert float(field.start) + (field.size - 1) / 2 == pytest.approx(mean)

    @pytest.mark.parametrize("up", [deconvolved, blended, upsampled("bilinear", False)])
    def test_joins_of_units_that_differ_have_the_largest_size(self, up):
        rows = trace(UNet(up), (1, 1, 12, 16))
        assert "cat" in {row.kind for row in rows}
        for number, row in enumerate(rows):
            units = itertools.product(*(range(min(size, 4)) for size in row.grid))  # every phase
            seen = [seen_by(rows, number, unit, clip=False)[-1] for unit in units]
            sizes = tuple(max(len(ranges[axis]) for ranges in seen) for axis in (0, 1))
            assert tuple(field.size for field in row.field) == sizes, row.name

    def test_upsampling_halves_the_stride(self):
        """Nearest: units 2i and 2i+1 see what unit i sees. Its middle is theirs, on average."""
        net = nn.Sequential(nn.Conv2d(1, 1, 3, stride=2, padding=1), nn.Upsample(scale_factor=2))
        rows = trace(net, (1, 1, 8, 12))
        assert rows[0].field == (Field(3, 2, -1),) * 2
        assert [(f.size, f.stride) for f in rows[1].field] == [(3, 1)] * 2
        assert rows[1].windows == (Window(2, stride=2, transposed=True),) * 2
        fraction = trace(nn.Upsample(scale_factor=2), (1, 1, 8, 12))[0].field[0]
        assert str(fraction.stride) == "1/2" and str(fraction.start) == "-1/4"

    def test_gates_see_everything(self):
        rows = trace(NETWORKS["squeeze-excite"](), (1, 2, 11, 9))
        gated, after = named(rows, "1.mul"), named(rows, "2")
        assert gated.field == (Field(11, 0, 0), Field(9, 0, 0))
        assert after.field == (Field(11, 0, 0), Field(9, 0, 0))
        assert gated.aligned and after.aligned

    def test_normalisation_over_positions_sees_the_map_and_over_a_batch_does_not(self):
        shape = (1, 4, 11, 9)
        everything = (Field(11, 0, 0), Field(9, 0, 0))
        own = (Field(3, 1, -1),) * 2
        for norm, expected in (
            (nn.BatchNorm2d(4), own),
            (nn.GroupNorm(2, 4), everything),
            (nn.InstanceNorm2d(4), everything),
            (nn.InstanceNorm2d(4, track_running_stats=True), own),
            (nn.BatchNorm2d(4, track_running_stats=False), everything),
            (nn.LayerNorm([4, 13, 11]), everything),
            (nn.LocalResponseNorm(2), own),
        ):
            net = nn.Sequential(nn.Conv2d(4, 4, 3, padding=2), norm, nn.Conv2d(4, 4, 1))
            last = trace(net, shape)[-1]
            if expected is everything:
                assert [(f.size, f.stride) for f in last.field] == [(15, 0), (13, 0)]
            else:
                assert last.field == (Field(3, 1, -2),) * 2, norm

    def test_group_normalisation_equals_gradients(self):
        net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2)).double().eval()
        rows = trace(net, (1, 1, 7, 8))
        x = torch.rand(1, 1, 7, 8, dtype=torch.float64, requires_grad=True)
        net(x)[0, 0, 1, 2].backward()
        assert seen_by(rows, 1, (1, 2))[-1] == hulls(x.grad[0, 0] != 0) == (range(7), range(8))

    @pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 1)])
    def test_global_pooling_of_small_maps(self, size):
        net = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                            nn.Linear(3, 2))  # fmt: skip
        rows = check_seen_by(net, (1, 2, *size))
        assert rows[-1].out_shape == (1, 2)
        assert tuple(f.size for f in rows[-1].field) == tuple(n + 2 for n in size)

    def test_a_pool_over_all_and_a_global_pool_see_the_same(self):
        body = nn.Conv2d(1, 1, 3, stride=2)
        one = trace(nn.Sequential(body, nn.AvgPool2d((3, 4))), (1, 1, 7, 9))[-1]
        other = trace(nn.Sequential(body, nn.AdaptiveAvgPool2d(1)), (1, 1, 7, 9))[-1]
        assert [f.size for f in one.field] == [f.size for f in other.field] == [7, 9]

    def test_a_vector_made_into_a_map_sees_everything_in_every_place(self):
        net = Does(
            lambda m, x: m.up(m.fc(x.flatten(1)).view(-1, 2, 3, 4)),
            fc=nn.Linear(30, 24), up=nn.ConvTranspose2d(2, 1, 4, 2, 1),
        )  # fmt: skip
        rows = check_seen_by(net, (1, 1, 5, 6))
        assert rows[-1].out_shape == (1, 1, 6, 8)
        assert rows[-1].grid == (6, 8)


class TestAligned:
    @pytest.mark.parametrize(
        "key",
        ["inception", "factorised", "residual", "residual with zeros", "dense", "squeeze-excite",
         "shuffle v1", "shuffle v2", "atrous pyramid", "atrous pyramid, corners", "convnext"],
    )  # fmt: skip
    def test_what_papers_join_lines_up(self, key):
        assert all(row.aligned for row in trace(NETWORKS[key](), (1, 2, 11, 9)))

    @pytest.mark.parametrize(
        "up",
        [deconvolved, blended, upsampled("nearest"), upsampled("bilinear", False),
         upsampled("bilinear", True)],
    )  # fmt: skip
    def test_u_nets_line_up_on_average(self, up):
        assert all(row.aligned for row in trace(UNet(up), (1, 1, 16, 24)))
        assert all(row.aligned for row in trace(UNet(deconvolved, 0), (1, 1, 38, 46)))

    def test_other_strides_and_other_centres_are_flagged(self):
        def join(one, other, shape):
            net = Does(lambda m, x: torch.cat([m.one(x), m.other(x)], 1), one=one, other=other)
            return named(trace(net, shape), "cat").aligned

        same = nn.Conv2d(1, 1, 3, padding=1)
        assert join(same, nn.Conv2d(1, 1, 5, padding=2), (1, 1, 6, 7))
        # The padding all at one end: the same size, other centres. On the second axis only.
        assert not join(same, nn.Sequential(nn.ZeroPad2d((0, 2, 1, 1)), nn.Conv2d(1, 1, 3)),
                        (1, 1, 6, 7))  # fmt: skip
        # Average pooling of 2x2 lies half a pixel from a strided 3x3 (ResNet-D's shortcut).
        assert not join(nn.Conv2d(1, 1, 3, 2, 1), nn.AvgPool2d(2), (1, 1, 6, 8))
        assert join(nn.Conv2d(1, 1, 3, 2, 1), nn.Conv2d(1, 1, 1, 2), (1, 1, 6, 8))
        # Three units of stride 2 beside three of stride 1, from the same corner on.
        assert not join(nn.Conv2d(1, 1, 1, 2), nn.ZeroPad2d((0, -3, 0, -3)), (1, 1, 6, 6))
        # An even kernel with padding="same" leans to one side.
        assert not join(same, nn.Conv2d(1, 1, 4, padding="same"), (1, 1, 6, 7))


# Rows -------------------------------------------------------------------------------------------


class TestRows:
    def test_every_field_of_a_row(self):
        net = nn.Sequential()
        net.add_module("conv1", nn.Conv2d(3, 4, (5, 3), stride=(2, 1), padding=(1, 2)))
        [row] = trace(net, (2, 3, 10, 8))
        assert row == LayerTrace(
            name="conv1",
            kind="Conv2d",
            in_shape=(2, 3, 10, 8),
            out_shape=(2, 4, 4, 10),
            parameters=4 * 3 * 5 * 3 + 4,
            macs=2 * 4 * 4 * 10 * 3 * 5 * 3,
            activations=2 * 4 * 4 * 10 * 4,
            field=(Field(5, 2, -1), Field(3, 1, -2)),
            inputs=(-1,),
            windows=(Window(5, 2, 1), Window(3, 1, 2)),
            aligned=True,
            grid=(4, 10),
            parents=(),
        )

    def test_operations_are_named_after_their_module(self):
        rows = trace(nn.Sequential(Inception(2)), (1, 2, 6, 7))
        join = rows[-1]
        assert (join.name, join.kind, join.parents) == ("0.cat", "cat", ("Inception",))
        assert [rows[i].name for i in join.inputs] == [
            "0.branch1.2", "0.branch3.1.2", "0.branch5.1.2", "0.pool.1.2",
        ]  # fmt: skip
        assert rows[0].name == "0.branch1.0"
        assert rows[0].parents == ("Inception", "Sequential")

    def test_the_graph_of_a_residual_block(self):
        rows = trace(Residual(2, 2), (1, 2, 5, 6))
        assert [(row.name, row.inputs) for row in rows] == [
            ("conv1", (-1,)), ("bn1", (0,)), ("relu", (1,)), ("conv2", (2,)), ("bn2", (3,)),
            ("add", (4, -1)), ("relu#2", (5,)),
        ]  # fmt: skip

    def test_shared_modules_are_rows_each_time_and_parameters_once(self):
        net = shared_tower()
        rows = trace(net, (1, 2, 6, 8))
        assert [row.name for row in rows] == [
            "tower.0", "tower.1", "tower#2.0", "tower#2.1", "add", "pool",
        ]  # fmt: skip
        assert [row.parameters for row in rows] == [38, 0, 0, 0, 0, 0]
        assert rows[0].macs == rows[2].macs > 0
        assert field_of(rows[2]) == Field(5, 1, -2)

    def test_a_module_without_children_is_one_row(self):
        class Subsampling(nn.Module):
            def __init__(self):
                super().__init__()
                self.coefficient = nn.Parameter(torch.ones(3))
                self.bias = nn.Parameter(torch.zeros(3))

            def forward(self, x):
                sums = F.avg_pool2d(x, 2, divisor_override=1)
                return torch.tanh(self.coefficient.view(-1, 1, 1) * sums + self.bias.view(-1, 1, 1))

        class Norm(nn.Module):
            def forward(self, x):
                square = F.pad(x.pow(2).unsqueeze(1), (0, 0, 0, 0, 2, 2))
                return x / (1 + F.avg_pool3d(square, (5, 1, 1), stride=1).squeeze(1)) ** 0.75

        class Same(nn.Conv2d):
            """Padding as TensorFlow has it: more at the end."""

            def forward(self, x):
                return F.conv2d(F.pad(x, (0, 1, 0, 1)), self.weight, self.bias, self.stride)

        class Blur(nn.Module):
            def forward(self, x):
                return x - F.avg_pool2d(x, 3, 1, 1)

        net = nn.Sequential(Subsampling(), Norm(), Same(3, 2, 3, stride=2), Blur())
        rows = trace(net, (1, 3, 12, 16))
        assert [(row.name, row.kind) for row in rows] == [
            ("0", "Subsampling"), ("1", "Norm"), ("2", "Same"), ("3", "Blur"),
        ]  # fmt: skip
        assert [row.parameters for row in rows] == [6, 0, 56, 0]
        assert [row.windows[0] for row in rows] == [
            Window(2, 2), Window(1), Window(3, 2, padding=(0, 1)), Window(3, 1, 1),
        ]  # fmt: skip
        assert [row.inputs for row in rows] == [(-1,), (0,), (1,), (2,)]

    def test_several_layers_in_a_module_without_children_are_several_rows(self):
        class Pair(nn.Module):
            def __init__(self):
                super().__init__()
                self.first = nn.Parameter(torch.ones(2, 1, 3, 3))
                self.second = nn.ParameterList([torch.ones(4, 2, 3, 3)])

            def forward(self, x):
                return F.conv2d(F.relu(F.conv2d(x, self.first)), self.second[0])

        rows = trace(nn.Sequential(Pair()), (1, 1, 8, 9))
        assert [(x.name, x.kind, x.parameters) for x in rows] == [
            ("0.conv2d", "conv2d", 18), ("0.relu", "relu", 0), ("0.conv2d#2", "conv2d", 72),
        ]  # fmt: skip
        assert rows[2].parents == ("Pair",)
        assert field_of(rows[2]) == Field(5, 1, 0)

    def test_a_bypass_around_a_window_is_not_lost_in_one_row(self):
        """What leaves out the middle cannot be called a window with a bypass."""

        class Around(nn.Module):
            def forward(self, x):
                return x + F.conv2d(x, torch.ones(1, 1, 2, 2).to(x), None, 1, 1, 2)

        rows = check_seen_by(nn.Sequential(Around()), (1, 1, 6, 7))
        assert [row.name for row in rows] == ["0.conv2d", "0.add"]

    @pytest.mark.parametrize(
        ("forward", "names"),
        [
            (lambda x: resampled(resampled(x)), ["interpolate", "interpolate#2"]),
            (lambda x: resampled(F.pad(x, (1, 1, 1, 1))), ["pad", "interpolate"]),
            (lambda x: F.pad(resampled(x), (1, 1, 1, 1)), ["interpolate", "pad"]),
            (lambda x: F.adaptive_avg_pool2d(F.pad(x, (1, 0, 0, 1), "reflect"), 4),
             ["pad", "adaptive_avg_pool2d"]),
        ],
    )  # fmt: skip
    def test_readings_that_no_one_window_comes_to_stay_rows(self, forward, names):
        class Leaf(nn.Module):
            def forward(self, x):
                return forward(x)

        rows = check_seen_by(nn.Sequential(Leaf()), (1, 1, 8, 6))
        assert [row.name for row in rows] == [f"0.{name}" for name in names]

    def test_identity_has_a_row_and_an_empty_sequential_none(self):
        rows = trace(nn.Sequential(nn.Identity(), nn.Sequential(), nn.Dropout()), (1, 1, 4, 5))
        assert [(row.name, row.kind) for row in rows] == [
            ("0", "Identity"),
            ("2", "Dropout"),
        ]

    def test_the_network_may_be_a_single_layer(self):
        [row] = trace(nn.Conv2d(1, 2, 3), (1, 1, 4, 5))
        assert (row.name, row.kind) == ("Conv2d", "Conv2d")
        [row] = trace(nn.Identity(), (1, 1, 4, 5))
        assert (row.name, row.out_shape) == ("Identity", (1, 1, 4, 5))
        rows = trace(Does(lambda m, x: torch.relu(x).flatten(1)), (1, 1, 4, 5))
        assert [each.name for each in rows] == ["Does"]

    def test_in_place_layers_trace_as_others_do(self):
        def net(inplace):
            return nn.Sequential(
                nn.Conv2d(1, 2, 3), nn.ReLU(inplace), nn.Dropout(inplace=inplace),
                nn.Hardtanh(inplace=inplace), nn.Conv2d(2, 1, 3), nn.LeakyReLU(inplace=inplace),
            )  # fmt: skip

        assert trace(net(True), (1, 1, 7, 8)) == trace(net(False), (1, 1, 7, 8))

    def test_an_addition_in_place_reads_both(self):
        def forward(m, x):
            y = m.conv(x)
            y += x
            return F.relu(y, inplace=True)

        rows = trace(Does(forward, conv=nn.Conv2d(1, 1, 3, padding=1)), (1, 1, 5, 6))
        assert [(x.name, x.inputs) for x in rows] == [
            ("conv", (-1,)), ("add", (0, -1)), ("relu", (1,)),
        ]  # fmt: skip

    def test_switches_of_a_pool(self):
        def forward(m, x):
            x, switches = m.pool(x)
            return m.unpool(x, switches, output_size=(9, 12))

        net = Does(forward, pool=nn.MaxPool2d(2, return_indices=True), unpool=nn.MaxUnpool2d(2))
        rows = trace(net, (1, 1, 9, 12))
        assert [(x.name, x.out_shape) for x in rows] == [
            ("pool", (1, 1, 4, 6)), ("unpool", (1, 1, 9, 12)),
        ]  # fmt: skip
        assert seen_by(rows, 1, (3, 4))[-1] == (range(2, 4), range(4, 6))
        assert seen_by(rows, 1, (8, 4))[-1] == (range(0), range(0))

    def test_training_heads_do_not_run(self):
        def forward(m, x):
            return (m.conv(x), m.head(x)) if m.training else m.conv(x)

        net = Does(forward, conv=nn.Conv2d(1, 1, 3), head=nn.Conv2d(1, 5, 3))
        assert net.training
        assert [row.name for row in trace(net, (1, 1, 5, 5))] == ["conv"]


class TestSummaryAndTable:
    def test_one_row_a_child(self):
        net = nn.Sequential()
        net.add_module("stem", conv(2, 4, 3, stride=2))
        net.add_module("block", Residual(4, 6, 1))
        net.add_module("pool", nn.AdaptiveAvgPool2d(1))
        rows = trace(net, (2, 2, 12, 9))
        summary = summarise(rows)
        assert [(x.name, x.kind, x.inputs) for x in summary] == [
            ("stem", "Sequential", (-1,)), ("block", "Residual", (0,)),
            ("pool", "AdaptiveAvgPool2d", (1,)),
        ]  # fmt: skip
        for key in ("parameters", "macs", "activations"):
            total = sum(getattr(one, key) for one in rows)
            assert sum(getattr(whole, key) for whole in summary) == total
        block = summary[1]
        assert block.parameters == parameters(net.block)
        assert (block.in_shape, block.out_shape) == ((2, 4, 5, 4), (2, 6, 5, 4))
        assert block.field == [x for x in rows if x.name.startswith("block")][-1].field
        assert type(block) is Summary and not hasattr(block, "windows")
        assert type(summary[2]) is LayerTrace
        assert summary[2].windows == (ALL_POSITIONS, ALL_POSITIONS)

    def test_operations_between_children_stay(self):
        rows = summarise(trace(shared_tower(), (1, 2, 6, 8)))
        assert [(x.name, x.inputs) for x in rows] == [
            ("tower", (-1,)), ("tower#2", (0,)), ("add", (1, -1)), ("pool", (2,)),
        ]  # fmt: skip

    def test_deeper(self):
        rows = trace(nn.Sequential(Inception(2), Inception(8)), (1, 2, 6, 7))
        assert [(x.name, x.kind) for x in summarise(rows, depth=2)][:5] == [
            ("0.branch1", "Sequential"), ("0.branch3", "Sequential"), ("0.branch5", "Sequential"),
            ("0.pool", "Sequential"), ("0.cat", "cat"),
        ]  # fmt: skip
        assert [x.kind for x in summarise(rows)] == ["Inception", "Inception"]
        assert summarise(rows, depth=9) == rows

    @pytest.mark.parametrize("depth", [0, -1, 1.0, True])
    def test_depth_is_checked(self, depth):
        with pytest.raises(ValueError, match=f"depth={depth!r}"):
            summarise([], depth)

    def test_the_table_has_every_row_and_the_totals(self):
        rows = trace(
            nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(160, 10)), (1, 3, 6, 7)
        )
        lines = as_table(rows).splitlines()
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        assert cells[0] == ["layer", "kind", "output", "parameters", "multiply-adds", "bytes",
                            "field", "stride"]  # fmt: skip
        assert cells[2] == ["0", "Conv2d", "8×4×5", "224", "4,320", "640", "3×3", "1×1"]
        assert cells[4] == ["2", "Linear", "10", "1,610", "1,600", "40", "6×7", "–"]
        assert cells[-1] == ["**total**", "", "", "1,834", "5,920", "1,320", "", ""]
        assert len(lines) == 2 + 3 + 1


# Counts -----------------------------------------------------------------------------------------


class TestCounts:
    @pytest.mark.parametrize("key", NETWORKS)
    def test_multiply_adds_and_parameters_equal_torchs(self, key):
        net, shape = NETWORKS[key](), (3, *SHAPES.get(key, (1, 2, 11, 9))[1:])
        rows = trace(net, shape)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            out = net.eval()(torch.zeros(shape))
        assert 2 * sum(row.macs for row in rows) == counter.get_total_flops()
        assert sum(row.parameters for row in rows) == parameters(net)
        assert rows[-1].out_shape == out.shape

    def test_lenet5_as_printed(self):
        """LeCun et al. 1998, section II.B: trainable parameters, layer by layer."""
        rows = summarise(trace(LeNet5(), (1, 1, 32, 32)))
        counts = [row.parameters for row in rows if row.parameters]
        assert counts == [156, 12, 1516, 32, 48120, 10164]
        assert [row.kind for row in trace(LeNet5(), (1, 1, 32, 32))].count("TableConv2d") == 1

    def test_vgg19(self):
        """Simonyan & Zisserman 2015, table 2: 144 million parameters."""
        with torch.device("meta"):
            rows = trace(vgg((2, 2, 4, 4, 4)), (1, 3, 224, 224))
        assert sum(row.parameters for row in rows) == 143_667_240
        assert sum(row.macs for row in rows) == 19_632_062_464

    def test_bytes_follow_the_type(self):
        net = nn.Sequential(nn.Conv2d(1, 2, 3))
        for dtype, size in ((torch.float32, 4), (torch.float64, 8), (torch.bfloat16, 2)):
            [row] = trace(net.to(dtype), (5, 1, 4, 6))
            assert row.activations == 5 * 2 * 2 * 4 * size

    def test_tied_weights_count_once_and_unused_ones_not_at_all(self):
        net = nn.Sequential(nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3))
        net[1].weight = net[0].weight
        net.unused = nn.Parameter(torch.zeros(100))
        net.forward = lambda x: net[1](net[0](x))
        assert [row.parameters for row in trace(net, (1, 2, 9, 9))] == [38, 2]

    def test_derived_weights_count_what_they_come_from(self):
        class Standardised(nn.Conv2d):
            def forward(self, x):
                weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
                return F.conv2d(x, weight, self.bias)

        class Packed(nn.Module):
            """Kernels written into zeros: fewer parameters than weights."""

            def __init__(self):
                super().__init__()
                self.kernels = nn.Parameter(torch.ones(3, 3, 3))

            def forward(self, x):
                weight = torch.zeros(2, 2, 3, 3, device=x.device)
                weight[[0, 0, 1], [0, 1, 1]] = self.kernels
                return F.conv2d(x, weight)

            def multiply_adds(self, out_shape):
                return 3 * 9 * out_shape[2] * out_shape[3]

        normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 2, 3))
        net = nn.Sequential(Standardised(2, 2, 3), Packed(), normed)
        rows = trace(net, (1, 2, 9, 11))
        assert [row.kind for row in rows] == ["Standardised", "Packed", "Conv2d"]
        assert [row.parameters for row in rows] == [38, 27, 36 + 2 + 2]
        assert rows[1].macs == 27 * 5 * 7
        assert sum(row.parameters for row in rows) == parameters(net)

    @pytest.mark.parametrize("answer", [-1, 2.5, None, True])
    def test_a_modules_own_count_must_be_a_count(self, answer):
        net = nn.Sequential(nn.Conv2d(1, 1, 3))
        net[0].multiply_adds = lambda out_shape: answer
        with pytest.raises(ValueError, match=r"0 \(Conv2d\).*multiply_adds"):
            trace(net, (1, 1, 5, 5))

    def test_a_count_of_several_layers_is_refused(self):
        net = nn.Sequential(nn.Sequential(nn.Conv2d(1, 1, 3), nn.MaxPool2d(2)))
        net[0].multiply_adds = lambda out_shape: 1
        with pytest.raises(ValueError, match=r"0 \(Sequential\).*more than one layer"):
            trace(net, (1, 1, 8, 8))


# The run ----------------------------------------------------------------------------------------


class OnlyMeta(TorchDispatchMode):
    """Fails at a real tensor of more than two thousand elements."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor) and not tensor.is_meta:
                assert tensor.numel() <= 2000, func
        return out


class TestRun:
    def net(self):
        return nn.Sequential(
            conv(3, 64, 7, stride=2), nn.MaxPool2d(3, stride=2, ceil_mode=True),
            Residual(64, 80, 2), nn.ReflectionPad2d(1),
            nn.Upsample(scale_factor=2, mode="bilinear"), nn.Flatten(),
            nn.Linear(80 * 32 * 28, 100),
        )  # fmt: skip

    def test_no_memory_is_taken(self):
        net = self.net()
        with OnlyMeta():
            rows = trace(net, (8, 3, 120, 101))
        assert rows[-1].out_shape == (8, 100)
        with pytest.raises(AssertionError), OnlyMeta():
            net[0](torch.empty(1, 3, 32, 32))

    def test_modules_already_on_meta_work(self):
        with torch.device("meta"):
            net = self.net()
        assert trace(net, (1, 3, 120, 101)) == trace(self.net(), (1, 3, 120, 101))

    def test_nothing_in_the_module_is_changed(self):
        class Keeps(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(1, 2, 3)
                self.norm = nn.BatchNorm2d(2)
                self.register_buffer("seen", torch.zeros(1, dtype=torch.long))
                self.last = "nothing"

            def forward(self, x):
                self.seen += 1
                self.last = self.norm(self.conv(x))
                self.new = self.last
                return self.last

        net = nn.Sequential(Keeps(), nn.Dropout())
        net[1].eval()
        before = {key: value.clone() for key, value in net.state_dict().items()}
        addresses = {key: value.data_ptr() for key, value in net.state_dict().items()}
        rows = trace(net, (1, 1, 5, 6))
        after = net.state_dict()
        assert list(after) == list(before)
        for key, value in after.items():
            assert value.data_ptr() == addresses[key] and torch.equal(value, before[key])
        assert [part.training for part in net.modules()] == [True, True, True, True, False]
        assert net[0].last == "nothing" and not hasattr(net[0], "new")
        assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())
        assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in net.parameters())
        assert trace(net, (1, 1, 5, 6)) == rows

    def test_nothing_is_changed_when_it_fails(self):
        net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(5, 2, 3))
        weights = [parameter.data_ptr() for parameter in net.parameters()]
        with pytest.raises(ValueError):
            trace(net, (1, 1, 8, 8))
        assert [parameter.data_ptr() for parameter in net.parameters()] == weights
        assert all(part.training for part in net.modules())
        assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())

    def test_constants_from_anywhere_may_take_part(self):
        class Mixed(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(2, 2, 1)
                self.mean = torch.tensor([0.1, 0.2]).view(1, 2, 1, 1)
                self.register_buffer("order", torch.tensor([1, 0]))

            def forward(self, x):
                x = (x - self.mean)[:, self.order]
                grid = torch.linspace(-1, 1, x.shape[-1]) + torch.zeros(x.shape[-2:])
                return self.conv(x) * torch.ones(1, device=x.device) + grid

        rows = check_seen_by(Mixed(), (1, 2, 5, 6))
        assert rows[-1].out_shape == (1, 2, 5, 6)


IDIOMS = {
    "torch.flatten": lambda m, x: torch.flatten(m.conv(x), 1),
    "flatten, start and end": lambda m, x: m.conv(x).flatten(start_dim=1, end_dim=-1),
    "view": lambda m, x: m.conv(x).view(x.size(0), -1),
    "reshape": lambda m, x: m.conv(x).reshape(x.shape[0], 4, -1),
    "mean of axes": lambda m, x: m.conv(x).mean([2, 3]),
    "mean of axes by name": lambda m, x: torch.mean(m.conv(x), dim=(-2, -1), keepdim=True),
    "mean of a flattened map": lambda m, x: m.conv(x).flatten(2).mean(-1),
    "sum, twice": lambda m, x: m.conv(x).sum(3).sum(2),
    "spread": lambda m, x: m.conv(x).std(dim=(2, 3)),
    "largest channel": lambda m, x: torch.max(m.conv(x), dim=1, keepdim=True)[0],
    "largest of two": lambda m, x: torch.max(*m.conv(x).chunk(2, dim=1)),
    "adaptive": lambda m, x: F.adaptive_avg_pool2d(m.conv(x), (1, 1)),
    "adaptive, one axis": lambda m, x: F.adaptive_avg_pool2d(m.conv(x), (None, 2)),
    "pool of the map's size": lambda m, x: F.avg_pool2d(m.conv(x), x.size()[2:]),
    "functional": lambda m, x: F.avg_pool2d(F.relu(m.conv(x), inplace=True), 2, stride=1),
    "torch.add": lambda m, x: torch.add(m.conv(x), m.conv(x), alpha=2),
    "numbers": lambda m, x: 1 - 2 * m.conv(x) / 3 + (-x[:, :1]) ** 2,
    "chunk": lambda m, x: torch.cat(m.conv(x).chunk(2, dim=1)[::-1], 1),
    "split": lambda m, x: sum(torch.split(m.conv(x), [1, 2, 1], dim=1)[0::2]),
    "unbind": lambda m, x: torch.stack(m.conv(x).unbind(1), dim=1),
    "channels by list": lambda m, x: m.conv(x)[:, [0, 2, 3]],
    "channels by tensor": lambda m, x: m.conv(x)[:, torch.tensor([3, 1])],
    "channels by mask": lambda m, x: m.conv(x)[:, torch.tensor([True, False, True, True])],
    "channels by slice": lambda m, x: m.conv(x)[:, 1::2],
    "one channel": lambda m, x: m.conv(x)[:, -1].unsqueeze(1),
    "new dimensions": lambda m, x: m.conv(x)[:, None, ..., :].squeeze(1),
    "every second place": lambda m, x: m.conv(x)[:, :, ::2, 1::2],
    "crop": lambda m, x: m.conv(x)[..., 1:-1, 2:],
    "space to depth by slices": lambda m, x: torch.cat(
        [m.conv(x)[..., i : i + 4 : 2, j : j + 6 : 2] for i in (0, 1) for j in (0, 1)], 1
    ),
    "places by index": lambda m, x: m.conv(x).index_select(2, torch.tensor([0, 2])),
    "places by list": lambda m, x: m.conv(x)[:, :, :, [4, 0]],
    "narrow": lambda m, x: m.conv(x).narrow(1, 1, 2).narrow(-1, 2, 3),
    "permute": lambda m, x: m.conv(x).permute(0, 2, 3, 1).permute((0, 3, 1, 2)),
    "transpose and swap": lambda m, x: m.conv(x).transpose(1, -1).swapaxes(3, 1),
    "movedim": lambda m, x: m.conv(x).movedim(1, -1).movedim(-1, 1),
    "channel shuffle": lambda m, x: F.channel_shuffle(m.conv(x), 2),
    "einsum": lambda m, x: torch.einsum("nchw,kc->nkhw", m.conv(x), m.mix),
    "einsum over places": lambda m, x: torch.einsum("nchw->nc", m.conv(x)),
    "matmul of channels": lambda m, x: (m.mix @ m.conv(x).flatten(2)).view(x.size(0), 3, 5, 6),
    "gram matrix": lambda m, x: torch.bmm(m.conv(x).flatten(2), m.conv(x).flatten(2).mT),
    "bilinear": lambda m, x: F.interpolate(m.conv(x), scale_factor=2, mode="bilinear"),
    "to the size of the input": lambda m, x: F.interpolate(m.conv(x), x.shape[-2:]),
    "repeat": lambda m, x: m.conv(x).repeat(1, 2, 1, 1),
    "repeat places": lambda m, x: m.conv(x).repeat_interleave(2, dim=3),
    "expand": lambda m, x: F.adaptive_avg_pool2d(m.conv(x), 1).expand(-1, -1, 4, 7),
    "expand_as": lambda m, x: m.conv(x).mean(3, keepdim=True).expand_as(m.conv(x)),
    "im2col": lambda m, x: (m.mix9 @ F.unfold(x, 3, padding=1)).view(x.size(0), 2, 5, 6),
    "im2col and back": lambda m, x: F.fold(
        (m.mix @ F.unfold(x, 2)[:, :4]).repeat(1, 4, 1), (5, 6), (2, 2)
    ),
    "windows": lambda m, x: m.conv(x).unfold(2, 3, 1).unfold(3, 2, 2).sum((-1, -2)),
    "channels written": lambda m, x: m.write(m.conv(x), x),
    "blocks by view": lambda m, x: (
        m.conv(x)[..., :4, :].reshape(x.size(0), 4, 2, 2, 3, 2).mean((3, 5))
    ),
    "pixel shuffle by view": lambda m, x: (
        m.conv(x).view(-1, 1, 2, 2, 5, 6).permute(0, 1, 4, 2, 5, 3).reshape(-1, 1, 10, 12)
    ),
    "attention": lambda m, x: (
        torch.softmax(m.conv(x).flatten(2).mT @ m.conv(x).flatten(2), dim=-1) @ x.flatten(2).mT
    ).mT.reshape(x.size(0), 2, 5, 6),
    "normalise": lambda m, x: F.normalize(m.conv(x), dim=1),
    "softmax of channels": lambda m, x: torch.softmax(m.conv(x), dim=1),
    "softmax of places": lambda m, x: torch.softmax(m.conv(x).flatten(2), -1).view_as(m.conv(x)),
    "glu": lambda m, x: F.glu(m.conv(x), dim=1),
    "gated": lambda m, x: torch.tanh(m.conv(x)) * torch.sigmoid(m.conv(x)),
    "selective kernels": lambda m, x: (
        torch.stack([m.conv(x), m.conv(x)], dim=1)
        * torch.softmax(m.conv(x).mean((2, 3)), dim=1)[:, None, :, None, None]
    ).sum(1),
    "zero channels": lambda m, x: F.pad(m.conv(x), (0, 0, 0, 0, 1, 2)),
    "zeros beside": lambda m, x: torch.cat([m.conv(x), torch.zeros_like(x)], dim=1),
    "copies": lambda m, x: m.conv(x).clone().contiguous().float().double().to(x.dtype).detach(),
    "where": lambda m, x: torch.where(x[:, :1] > 0, m.conv(x), torch.zeros(())),
}  # fmt: skip


class Idiom(nn.Module):
    def __init__(self, work):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, (3, 1), padding=(1, 0))
        self.mix = nn.Parameter(torch.ones(3, 4))
        self.mix9 = nn.Parameter(torch.ones(2, 18))
        self.work = work

    def write(self, y, x):
        out = torch.zeros(y.shape[0], 5, *y.shape[2:], dtype=y.dtype, device=y.device)
        out[:, 1:3] = x
        for channel in (0, 3):
            out[:, channel] = y[:, channel]
        return out

    def forward(self, x):
        return self.work(self, x)


class TestIdioms:
    @pytest.mark.parametrize("idiom", IDIOMS)
    def test_shape_and_field_are_right(self, idiom):
        """The last row against a run: its shape, and some units' gradients in the input."""
        net = Idiom(IDIOMS[idiom])
        shape = (1, 2, 5, 6)
        rows = trace(net, shape)
        last = rows[-1]
        net = positive(net)
        generator = torch.Generator().manual_seed(1)
        x = torch.rand(1, *shape[1:], dtype=torch.float64, generator=generator, requires_grad=True)
        with torch.set_grad_enabled(idiom != "copies"):
            out = net(x)
        assert out.shape == last.out_shape
        if idiom == "copies":
            assert [row.name for row in rows] == ["conv"]
            return
        outer = out.reshape(1, -1, *last.grid) if out.dim() < 4 else out
        assert tuple(outer.shape[2:]) == last.grid
        for unit in itertools.product(*(sorted({0, size // 2, size - 1}) for size in last.grid)):
            features = outer[(0, slice(None), *unit)]
            weights = torch.linspace(1, 2, len(features), dtype=features.dtype)
            [gradient] = torch.autograd.grad((weights * features).sum(), x, retain_graph=True)
            found = (gradient[0].abs() > 1e-12).any(dim=0)
            assert seen_by(rows, len(rows) - 1, unit)[-1] == hulls(found), unit


class TestRefusals:
    @pytest.mark.parametrize(
        "shape",
        [(1, 3, 0, 5), (1,), (1, 3, -1, 4), (1, 3, 4.0, 4), (1, 3, True, 4), (), (1, 3, "4", 4)],
    )
    def test_input_shapes_are_checked(self, shape):
        with pytest.raises(ValueError, match="input_shape="):
            trace(nn.Conv2d(3, 1, 1), shape)

    def test_an_operation_that_is_not_known_is_named_with_its_module(self):
        inner = nn.Sequential(nn.Conv2d(1, 1, 3), Does(lambda m, x: torch.cumsum(x, dim=2)))
        net = nn.Sequential()
        net.add_module("stem", nn.ReLU())
        net.add_module("block", inner)
        with pytest.raises(ValueError, match=r"block\.1 \(Does\).*'cumsum'"):
            trace(net, (1, 1, 6, 6))

    def test_a_layer_that_is_not_known_is_named(self):
        net = nn.Sequential(nn.Flatten(2), nn.LSTM(36, 4))
        with pytest.raises(ValueError, match=r"1 \(LSTM\).*'lstm'"):
            trace(net, (1, 2, 6, 6))

    def test_a_layer_that_torch_hides_is_named(self):
        class Hidden(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                with torch._C.DisableTorchFunction():
                    return x * 2

        net = nn.Sequential(nn.ReLU(), Does(lambda m, x: Hidden.apply(x)))
        with pytest.raises(ValueError, match=r"1 \(Does\)"):
            trace(net, (1, 2, 6, 6))

    @pytest.mark.parametrize(
        ("work", "why"),
        [
            (lambda m, x: x if x.sum() > 0 else -x, "bool"),
            (lambda m, x: x * x.max().item(), "item"),
            (lambda m, x: x[x > 0], "getitem"),
            (lambda m, x: torch.cat([x, x], dim=2), "along a spatial axis"),
            (lambda m, x: F.conv2d(x, x), "weights depend"),
            (lambda m, x: x + x.transpose(2, 3), "different axes"),
            (lambda m, x: x.view(-1, 2, 4, 9) + 1, "view"),
            (lambda m, x: F.fractional_max_pool2d(x, 2, 3), "fractional_max_pool2d"),
            (lambda m, x: torch.fft.rfft2(x), "fft"),
            (lambda m, x: x.flatten(2)[:, :, 3:], "flattened"),
        ],
    )
    def test_what_cannot_be_followed_is_refused(self, work, why):
        net = nn.Sequential()
        net.add_module("odd", Does(work))
        with pytest.raises(ValueError, match=rf"odd \(Does\).*{why}"):
            trace(net, (1, 2, 6, 6))

    def test_writing_into_part_of_an_axis_is_refused(self):
        def forward(m, x):
            out = torch.zeros(1, 2, 12, 12)
            out[:, :, ::2, ::2] = x
            return out

        with pytest.raises(ValueError, match="setitem.*part of a spatial axis"):
            trace(Does(forward), (1, 2, 6, 6))

    def test_a_view_that_was_overwritten_is_refused(self):
        def forward(m, x):
            whole = m.conv(x)
            half = whole[:, :1]
            half += x
            return whole

        net = Does(lambda m, x: forward(m, x) * 2, conv=nn.Conv2d(1, 2, 3, padding=1))
        with pytest.raises(ValueError, match="mul reads a tensor that was overwritten"):
            trace(net, (1, 1, 6, 6))

    def test_what_torch_refuses_is_said_with_the_module(self):
        net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.Conv2d(5, 2, 3)))
        with pytest.raises(ValueError, match=r"1\.0 \(Conv2d\): conv2d.*\(1, 2, 6, 6\)"):
            trace(net, (1, 1, 8, 8))
        with pytest.raises(ValueError, match=r"0 \(MaxPool2d\): max_pool2d"):
            trace(nn.Sequential(nn.MaxPool2d(4)), (1, 1, 3, 3))

    def test_lazy_modules_are_refused(self):
        with pytest.raises(ValueError, match=r"0\.weight"):
            trace(nn.Sequential(nn.LazyConv2d(3, 3)), (1, 1, 8, 8))

    def test_a_network_that_does_nothing_is_refused(self):
        with pytest.raises(ValueError, match="Sequential does nothing"):
            trace(nn.Sequential(), (1, 1, 8, 8))


# --- What a trace leaves behind -----------------------------------------------------------------


class Tied(nn.Module):
    """One module in two places, one weight and one buffer in two modules."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(4, 4, 1)
        self.again = self.a
        self.b, self.c = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.c.weight = self.b.weight
        self.d, self.e = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.e.running_mean = self.d.running_mean

    def forward(self, x):
        return self.e(self.d(self.c(self.b(self.again(self.a(x))))))


@pytest.mark.parametrize(
    "make", [Tied, lambda: nn.Sequential(*[nn.Conv2d(4, 4, 1)] * 3), lambda: MODELS["nin_cifar"]()]
)
def test_a_trace_leaves_a_module_as_it_was(make):
    torch.manual_seed(0)
    module = make().eval()
    x = torch.randn(1, 3 if "nin" in str(type(module)).lower() else 4, 32, 32)
    before, state = (
        module(x),
        {name: id(t) for name, t in module.state_dict(keep_vars=True).items()},
    )
    trace(module, tuple(x.shape))
    assert torch.equal(module(x), before)
    assert {name: id(t) for name, t in module.state_dict(keep_vars=True).items()} == state
    assert not any(parameter.is_meta for parameter in module.parameters())


def test_shared_parameters_are_counted_in_their_first_row_only():
    rows = {row.name: row.parameters for row in trace(Tied(), (1, 4, 5, 6))}
    assert rows == {"a": 20, "a#2": 0, "b": 20, "c": 4, "d": 8, "e": 8}


# --- Source lines -------------------------------------------------------------------------------


def test_source_lines_are_those_of_the_class_that_holds_a_module():
    net = MODELS["resnet50"]()
    sources = source_lines(net)
    assert set(sources) == {name for name, _ in net.named_modules()}
    block = sources["conv2_x.conv2_1"]
    assert block.made == "Bottleneck" and block.file == "cnnlib/models/resnet.py"
    text = (ROOT / block.file).read_text(encoding="utf-8").splitlines()
    assert block.text == "\n".join(text[block.first - 1 : block.last])
    assert block.text.startswith("class Bottleneck(nn.Module):")
    layer = sources["conv2_x.conv2_1.conv2"]
    assert layer.made == repr(net.conv2_x.conv2_1.conv2)
    assert (layer.first, layer.text) == (block.first, block.text)
    assert sources[""].text.startswith("class ResNet(nn.Module):")


def test_torchs_own_modules_alone_have_no_source_lines():
    assert source_lines(nn.Sequential(nn.Conv2d(2, 3, 3))) == {}
