"""Small networks to start from, each written as a plan. The key is a word of the words' table."""

from typing import NamedTuple


class Preset(NamedTuple):
    """A network: the shape of its input, (C, H, W), and its plan."""

    input: list[int]
    plan: list


def _conv_norm(out: int, *settings: int, activation: str = "relu") -> list:
    """A convolution without a bias, normalised; then the activation, if there is one."""
    full = [3, 1, 1, 1, 1]
    full[: len(settings)] = settings
    layers = [["conv", out, *full, 0], ["norm"]]
    return [*layers, [activation]] if activation else layers


def _residual(out: int, stride: int = 1) -> list:
    """Two 3x3 convolutions beside the input, or beside its projection where the shape changes."""
    branch = [*_conv_norm(out, 3, stride, 1), *_conv_norm(out, activation="")]
    beside = _conv_norm(out, 1, stride, 0, activation="") if stride > 1 else []
    return [["add", branch, beside], ["relu"]]


def _fire(squeeze: int, expand: int) -> list:
    return [
        ["conv", squeeze, 1],
        ["relu"],
        ["cat", [["conv", expand, 1], ["relu"]], [["conv", expand, 3, 1, 1], ["relu"]]],
    ]


def _separable(channels: int, out: int, stride: int = 1) -> list:
    """A depthwise convolution, then a 1x1 one."""
    return [
        *_conv_norm(channels, 3, stride, 1, 1, channels, activation="relu6"),
        *_conv_norm(out, 1, 1, 0, activation="relu6"),
    ]


def _vgg(*widths: int) -> list:
    """Convolutions of these widths; 0 stands for a pool."""
    found: list = []
    for width in widths:
        found += [["conv", width, 3, 1, 1], ["relu"]] if width else [["max"]]
    return found


PRESETS: dict[str, Preset] = {
    "lenet": Preset(
        [1, 28, 28],
        [
            *[["conv", 6, 5, 1, 2], ["relu"], ["max"], ["conv", 16, 5], ["relu"], ["max"]],
            *[["flatten"], ["linear", 120], ["relu"], ["linear", 84], ["relu"], ["linear", 10]],
        ],
    ),
    "alexnet": Preset(
        [3, 64, 64],
        [
            *[["conv", 32, 11, 4, 5], ["relu"], ["lrn"], ["max", 3, 2]],
            *[["conv", 64, 5, 1, 2], ["relu"], ["lrn"], ["max", 3, 2]],
            *[["conv", 96, 3, 1, 1], ["relu"], ["conv", 96, 3, 1, 1], ["relu"]],
            *[["conv", 64, 3, 1, 1], ["relu"], ["max", 3, 2], ["flatten"]],
            *[["dropout"], ["linear", 256], ["relu"], ["dropout"], ["linear", 256], ["relu"]],
            ["linear", 10],
        ],
    ),
    "vgg": Preset(
        [3, 32, 32],
        [
            *_vgg(16, 0, 32, 0, 64, 64, 0, 128, 128, 0, 128, 128, 0),
            *[["flatten"], ["linear", 128], ["relu"], ["dropout"], ["linear", 10]],
        ],
    ),
    "nin": Preset(
        [3, 32, 32],
        [
            *[["conv", 48, 5, 1, 2], ["relu"], ["conv", 40, 1], ["relu"], ["conv", 24, 1]],
            *[["relu"], ["max", 3, 2, 0, 1], ["dropout"]],
            *[["conv", 48, 5, 1, 2], ["relu"], ["conv", 48, 1], ["relu"], ["conv", 10, 1]],
            *[["relu"], ["global"], ["flatten"]],
        ],
    ),
    "inception": Preset(
        [192, 28, 28],
        [
            [
                "cat",
                [["conv", 64, 1], ["relu"]],
                [["conv", 96, 1], ["relu"], ["conv", 128, 3, 1, 1], ["relu"]],
                [["conv", 16, 1], ["relu"], ["conv", 32, 5, 1, 2], ["relu"]],
                [["max", 3, 1, 1], ["conv", 32, 1], ["relu"]],
            ]
        ],
    ),
    "factorised": Preset(
        [64, 17, 17],
        [
            [
                "cat",
                [["conv", 32, 1], ["relu"]],
                [
                    *[["conv", 16, 1], ["relu"], ["conv", 24, [1, 7], 1, [0, 3]], ["relu"]],
                    *[["conv", 32, [7, 1], 1, [3, 0]], ["relu"]],
                ],
                [["mean", 3, 1, 1], ["conv", 32, 1], ["relu"]],
            ]
        ],
    ),
    "resnet": Preset(
        [3, 32, 32],
        [
            *_conv_norm(16),
            *_residual(16),
            *_residual(32, 2),
            *_residual(64, 2),
            *[["global"], ["flatten"], ["linear", 10]],
        ],
    ),
    "squeezenet": Preset(
        [3, 64, 64],
        [
            *[["conv", 32, 3, 2, 1], ["relu"], ["max", 3, 2, 0, 1]],
            *_fire(8, 32),
            *_fire(8, 32),
            ["max", 3, 2, 0, 1],
            *_fire(16, 64),
            *[["dropout"], ["conv", 10, 1], ["relu"], ["global"], ["flatten"]],
        ],
    ),
    "densenet": Preset(
        [3, 32, 32],
        [
            *[["conv", 16, 3, 1, 1, 1, 1, 0], ["dense", 12, 4], ["norm"], ["relu"]],
            *[["conv", 32, 1, 1, 0, 1, 1, 0], ["mean"], ["dense", 12, 4], ["norm"], ["relu"]],
            *[["conv", 40, 1, 1, 0, 1, 1, 0], ["mean"], ["dense", 12, 4], ["norm"], ["relu"]],
            *[["global"], ["flatten"], ["linear", 10]],
        ],
    ),
    "resnext": Preset(
        [128, 28, 28],
        [
            [
                "add",
                [
                    *_conv_norm(64, 1, 1, 0),
                    *_conv_norm(64, 3, 1, 1, 1, 16),
                    *_conv_norm(128, 1, 1, 0, activation=""),
                ],
                [],
            ],
            ["relu"],
        ],
    ),
    "mobilenet": Preset(
        [3, 64, 64],
        [
            *_conv_norm(16, 3, 2, 1, activation="relu6"),
            *_separable(16, 32),
            *_separable(32, 64, 2),
            *_separable(64, 64),
            *_separable(64, 128, 2),
            *_separable(128, 128),
            *[["global"], ["flatten"], ["linear", 10]],
        ],
    ),
    "shufflenet": Preset(
        [240, 28, 28],
        [
            [
                "add",
                [
                    *[["conv", 60, 1, 1, 0, 1, 3, 0], ["norm"], ["relu"], ["shuffle", 3]],
                    *[["conv", 60, 3, 1, 1, 1, 60, 0], ["norm"]],
                    *[["conv", 240, 1, 1, 0, 1, 3, 0], ["norm"]],
                ],
                [],
            ],
            ["relu"],
        ],
    ),
    "dilated": Preset(
        [8, 64, 64],
        [
            layer
            for dilation in (1, 2, 4, 8)
            for layer in (["conv", 8, 3, 1, dilation, dilation], ["relu"])
        ],
    ),
    "decoder": Preset(
        [3, 32, 32],
        [
            *[["conv", 16, 3, 2, 1], ["relu"], ["conv", 32, 3, 2, 1], ["relu"]],
            *[["transposed", 16, 4, 2, 1], ["relu"], ["transposed", 3, 4, 2, 1], ["sigmoid"]],
        ],
    ),
}
