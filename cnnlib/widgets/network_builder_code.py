"""A plan as a torch module that can be copied: a text that needs torch and nothing else.

``network_builder_code.js`` is the twin: both write the same text.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlib.widgets.network_builder_plan import BLOCKS, layers_of, settings_of
from cnnlib.widgets.network_builder_sums import Built, times

_ADD = '''
class Add(nn.Module):
    """Branches side by side; what they give is added."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        total, *others = [branch(x) for branch in self.branches]
        for other in others:
            total = total + other
        return total
'''

_CAT = '''
class Cat(nn.Module):
    """Branches side by side; their channels are put one after the other."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], dim=1)
'''

_DENSE = '''
class Dense(nn.Module):
    """Layers of which each reads all that stands before it."""

    def __init__(self, in_channels, growth, layers):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(in_channels + number * growth),
                nn.ReLU(),
                nn.Conv2d(
                    in_channels + number * growth, growth, kernel_size=3, padding=1, bias=False
                ),
            )
            for number in range(layers)
        )

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x
'''

_CLASSES = {"add": _ADD, "cat": _CAT, "dense": _DENSE}
_PLAIN = {
    "global": "AdaptiveAvgPool2d(1)",
    "lrn": "LocalResponseNorm(5)",
    "relu": "ReLU()",
    "relu6": "ReLU6()",
    "sigmoid": "Sigmoid()",
    "tanh": "Tanh()",
    "flatten": "Flatten()",
}


def write_code(plan: Sequence, built: Built) -> str:
    """The text of a plan that has no fault. ``net`` in it is the module."""
    shapes = {entry.path: entry.shape for entry in built.entries}
    kinds = {layer[0] for _, layer in layers_of(plan)}
    imports = "import torch\nfrom torch import nn\n"
    if not kinds & {"cat", "dense"}:
        imports = "from torch import nn\n"
    classes = [f"\n{text}" for kind, text in _CLASSES.items() if kind in kinds]
    space = "\n\n" if classes else "\n"
    lines = _lines(plan, (), 1, shapes[()], shapes)
    body = ["net = nn.Sequential(", *lines, ")"] if lines else ["net = nn.Sequential()"]
    return imports + "".join(classes) + space + "\n".join(body) + "\n"


def _lines(
    layers: Sequence, path: tuple[int, ...], depth: int, given: Sequence[int], shapes: Mapping
) -> list[str]:
    """The lines of the layers of a list; ``given`` is the shape that comes in."""
    margin, lines = "    " * depth, []
    for place, layer in enumerate(layers):
        here = (*path, place)
        out = times(shapes[here])
        if layer[0] in BLOCKS:
            lines.append(f"{margin}{layer[0].capitalize()}(")
            for number, branch in enumerate(layer[1:]):
                inner = _lines(branch, (*here, number), depth + 2, given, shapes)
                if inner:
                    lines += [f"{margin}    nn.Sequential(", *inner, f"{margin}    ),"]
                else:
                    lines.append(f"{margin}    nn.Sequential(),  # hands its input on")
            lines.append(f"{margin}),  # {out}")
        else:
            lines.append(f"{margin}{_call(layer, given)},  # {out}")
        given = shapes[here]
    return lines


def _call(layer: Sequence, given: Sequence[int]) -> str:
    """The call that makes a layer's module."""
    kind, found = layer[0], settings_of(layer)
    if kind in _PLAIN:
        return f"nn.{_PLAIN[kind]}"
    if kind == "norm":
        return f"nn.BatchNorm{2 if len(given) == 3 else 1}d({given[0]})"
    if kind == "dropout":
        return f"nn.Dropout({found['percent'] / 100})"
    if kind == "shuffle":
        return f"nn.ChannelShuffle({found['groups']})"
    if kind == "dense":
        return f"Dense({given[0]}, growth={found['growth']}, layers={found['layers']})"
    if kind == "linear":
        bias = "" if found["bias"] else ", bias=False"
        return f"nn.Linear({given[0]}, {found['out_features']}{bias})"
    if kind == "conv":
        return f"nn.Conv2d({given[0]}, {found['out_channels']}, {_convolution(found)})"
    sizes = f"kernel_size={found['kernel_size']}, stride={found['stride']}"
    if found["padding"]:
        sizes += f", padding={found['padding']}"
    if kind == "transposed":
        return f"nn.ConvTranspose2d({given[0]}, {found['out_channels']}, {sizes})"
    if found["ceil_mode"]:
        sizes += ", ceil_mode=True"
    return f"nn.{'Max' if kind == 'max' else 'Avg'}Pool2d({sizes})"


def _convolution(found: Mapping[str, Any]) -> str:
    """A convolution's settings; those that have torch's defaults are left out."""
    said = [f"kernel_size={_pair(found['kernel_size'])}"]
    if found["stride"] > 1:
        said.append(f"stride={found['stride']}")
    if found["padding"] != [0, 0]:
        said.append(f"padding={_pair(found['padding'])}")
    said += [f"{name}={found[name]}" for name in ("dilation", "groups") if found[name] > 1]
    if not found["bias"]:
        said.append("bias=False")
    return ", ".join(said)


def _pair(sizes: Sequence[int]) -> str:
    rows, columns = sizes
    return str(rows) if rows == columns else f"({rows}, {columns})"
