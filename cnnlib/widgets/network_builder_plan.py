"""The plan of a network that a reader builds: a list of layers, as JSON can hold it.

    [["conv", 6, 5], ["relu"], ["max"], ["add", [["conv", 6, 3, 1, 1]], []], ["flatten"]]

A layer is its kind and its settings, in the order of :data:`KINDS`; those at the end that have
their defaults can be left out. ``add`` and ``cat`` are blocks: what follows are their branches,
each a list of layers of its own, and an empty branch hands its input on. A path leads to a place of
a plan: ``[3]`` is its fourth layer, ``[3, 1]`` that block's second branch, ``[3, 1, 0]`` the
branch's first layer, ``[]`` the input.

``network_builder_plan.js`` is the twin.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cnnlib.widgets.settling import Settled, Settling, State, is_whole, same

MOST_LAYERS = 40  # those in branches counted in
MOST_DEPTH = 2  # blocks within blocks
BRANCHES = (2, 4)
MOST_INPUT = (1024, 512, 512)  # channels, height, width
MOST_BATCH = 512


class Setting(NamedTuple):
    """A whole number of a layer; ``pair``: also one for the height and one for the width.

    A ``default`` of None is the kernel's size.
    """

    name: str
    least: int
    most: int
    default: int | None
    pair: bool = False


_OUT = Setting("out_channels", 1, 1024, 16)
_BIAS = Setting("bias", 0, 1, 1)
_POOL = (
    Setting("kernel_size", 1, 11, 2),
    Setting("stride", 1, 8, None),
    Setting("padding", 0, 10, 0),
    Setting("ceil_mode", 0, 1, 0),
)

#: The kinds of layers, and what is set in each. Names are torch's.
KINDS: dict[str, tuple[Setting, ...]] = {
    "conv": (
        _OUT,
        Setting("kernel_size", 1, 11, 3, pair=True),
        Setting("stride", 1, 8, 1),
        Setting("padding", 0, 20, 0, pair=True),
        Setting("dilation", 1, 8, 1),
        Setting("groups", 1, 1024, 1),
        _BIAS,
    ),
    "transposed": (
        _OUT,
        Setting("kernel_size", 1, 11, 2),
        Setting("stride", 1, 8, 2),
        Setting("padding", 0, 10, 0),
    ),
    "max": _POOL,
    "mean": _POOL,
    "global": (),
    "norm": (),
    "lrn": (),
    "relu": (),
    "relu6": (),
    "sigmoid": (),
    "tanh": (),
    "dropout": (Setting("percent", 1, 95, 50),),
    "shuffle": (Setting("groups", 1, 64, 2),),
    "dense": (Setting("growth", 1, 128, 12), Setting("layers", 1, 12, 4)),
    "flatten": (),
    "linear": (Setting("out_features", 1, 4096, 10), _BIAS),
}
BLOCKS = ("add", "cat")


def settings_of(layer: Sequence) -> dict[str, Any]:
    """A legal layer's settings by their names, all there; those of a pair as [height, width]."""
    found: dict[str, Any] = {}
    for place, setting in enumerate(KINDS[layer[0]], start=1):
        value = layer[place] if place < len(layer) else setting.default
        if value is None:
            value = found["kernel_size"]
        if setting.pair and not isinstance(value, list):
            value = [value, value]
        found[setting.name] = value
    return found


def layers_of(plan: Sequence, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], list]]:
    """Every layer of a plan with its path, a block before what its branches hold."""
    for place, layer in enumerate(plan):
        yield (*path, place), layer
        if layer[0] in BLOCKS:
            for number, branch in enumerate(layer[1:]):
                yield from layers_of(branch, (*path, place, number))


# The nearest legal plan --------------------------------------------------------------------------


def nearest_plan(wanted: Sequence) -> list:
    """A list as a legal plan: what is no layer is left out, numbers go to their nearest."""
    return _nearest_layers(wanted, MOST_DEPTH, [MOST_LAYERS])


def _nearest_layers(wanted: Sequence, depth: int, left: list[int]) -> list:
    found = []
    for item in wanted:
        kind = item[0] if isinstance(item, list) and item else None
        if left[0] == 0 or not isinstance(kind, str):
            continue
        if kind in BLOCKS and depth > 0:
            left[0] -= 1
            branches = [part for part in item[1:] if isinstance(part, list)][: BRANCHES[1]]
            branches += [[] for _ in range(BRANCHES[0] - len(branches))]
            found.append([kind, *(_nearest_layers(part, depth - 1, left) for part in branches)])
        elif kind in KINDS:
            left[0] -= 1
            found.append([kind, *_nearest_settings(KINDS[kind], item[1:])])
    return found


def _nearest_settings(settings: Sequence[Setting], wanted: Sequence) -> list:
    found: list = []
    for setting, value in zip(settings, wanted, strict=False):
        default = found[0] if setting.default is None else setting.default
        if setting.pair and isinstance(value, list) and len(value) == 2:
            found.append([_nearest(setting, one, default) for one in value])
        else:
            found.append(_nearest(setting, value, default))
    return found


def _nearest(setting: Setting, value: Any, default: int) -> int:
    return min(max(value if is_whole(value) else default, setting.least), setting.most)


def nearest_path(plan: Sequence, wanted: Any) -> list[int]:
    """The nearest place of a plan: as far as it leads, a list's last layer where it leads on."""
    path: list[int] = []
    here: Sequence = plan
    for index in wanted if isinstance(wanted, list) else []:
        if not is_whole(index):
            break
        if len(path) % 2 == 0:  # a layer of a list
            if not here:
                break
            path.append(min(max(index, 0), len(here) - 1))
            here = here[path[-1]]
        else:  # a branch of a block
            if here[0] not in BLOCKS:
                break
            path.append(min(max(index, 0), len(here) - 2))
            here = here[path[-1] + 1]
    return path


def settled(changes: State, present: State, fixed: State) -> Settled:
    """The builder's ``settled``."""
    s = Settling(changes, present)
    plan = s.wanted("plan")
    if not isinstance(plan, list):
        s.refuse("plan", "expected.plan")
        plan = s.state["plan"]
    nearest = nearest_plan(plan)
    if not same(nearest, plan):
        s.refuse("plan", "expected.layers")
    s.take("plan", nearest)
    wanted = s.wanted("input")
    sizes = wanted if isinstance(wanted, list) and len(wanted) == 3 else [None] * 3
    shape = [
        min(max(size if is_whole(size) else now, 1), most)
        for size, now, most in zip(sizes, s.state["input"], MOST_INPUT, strict=True)
    ]
    if not same(shape, wanted):
        s.refuse("input", "expected.input", channels=MOST_INPUT[0], size=MOST_INPUT[1])
    s.take("input", shape)
    s.whole("batch", 1, MOST_BATCH)
    place = nearest_path(nearest, s.wanted("selected"))
    if not same(place, s.wanted("selected")):
        s.refuse("selected", "expected.selected")
    s.take("selected", place)
    return s.done()
