"""The memory bill against torch: what autograd puts aside, gradients, states, live outputs."""

import random
import weakref
from collections import Counter
from dataclasses import asdict
from functools import cache

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from cnnlib.models import MODELS
from cnnlib.models.alexnet import small_alexnet
from cnnlib.models.googlenet import small_googlenet
from cnnlib.models.resnet import resnet_cifar
from cnnlib.models.vgg import VGG
from cnnlib.trace import trace
from cnnlib.widgets.memory_bill import BARS, MemoryBill, Network, write_bytes
from cnnlib.widgets.memory_bill_sums import COPIES, GB, bill, lines_of
from cnnlib.widgets.widget import ChoiceError

SMALL = "8 M 16 16 M"


def small_vgg(**options) -> VGG:
    return VGG(SMALL, 5, **{"hidden": 24, "grid": 3, **options})


def small_resnet(shortcut: str = "B") -> nn.Module:
    return resnet_cifar(8, shortcut=shortcut)


def make(**options) -> MemoryBill:
    """A small VGG beside figures of a lecture, and a small residual net without any."""
    vgg = trace(small_vgg(), (1, 3, 20, 28))
    printed = {"": "1.7K", "features.conv1_1": "4.5K", "fc8": "5"}
    networks = [
        Network("VGG", vgg, printed, "9K * 4 bytes"),
        Network("ResNet", trace(small_resnet(), (1, 3, 16, 16))),
    ]
    return MemoryBill(networks, **{"cards": (1, 12), **options})


# --- Training: what torch puts aside --------------------------------------------------------------


def put_aside(net: nn.Module, images: torch.Tensor) -> Counter[torch.dtype]:
    """Bytes that autograd keeps in a forward pass, by type, each storage once.

    Parameters and buffers are there anyway. Dropout is that of a GPU, which keeps a byte a value.
    """
    own = [*net.parameters(), *net.buffers()]
    seen = {tensor.untyped_storage()._cdata for tensor in own}
    kept: list[torch.Tensor] = []  # keeps each alive, so that no address is used twice
    found: Counter[torch.dtype] = Counter()

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in seen:
            seen.add(storage._cdata)
            kept.append(tensor)
            found[tensor.dtype] += storage.nbytes()
        return tensor

    def dropout(x, p=0.5, training=True, inplace=False):
        return torch.native_dropout(x, p, training)[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "dropout", dropout)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            net.train()(images)
    return found


NETS = {
    "vgg": (small_vgg, (20, 28)),
    "vgg with batch norm": (lambda: small_vgg(batch_norm=True), (20, 28)),
    "vgg with response norm": (lambda: VGG("8 L M 16 M", 5, hidden=24, grid=2), (20, 28)),
    "alexnet": (lambda: small_alexnet(5, normalise=True), (64, 64)),
    "googlenet": (lambda: small_googlenet(5, share=0.125), (64, 64)),
    "googlenet with batch norm": (
        lambda: small_googlenet(5, share=0.125, batch_norm=True),
        (64, 64),
    ),
    "resnet": (small_resnet, (16, 20)),
    "resnet with projections": (lambda: small_resnet(shortcut="C"), (16, 20)),
}


def lines_as_dicts(net: nn.Module, size: tuple[int, int]) -> list[dict]:
    return [asdict(line) for line in lines_of(trace(net, (1, 3, *size)))]


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", NETS)
def test_in_training_the_maps_are_what_torch_puts_aside(name, batch):
    constructor, size = NETS[name]
    net = constructor()
    found = put_aside(net, torch.randn(batch, 3, *size))
    ours = bill(lines_as_dicts(net, size), batch, 32, "adam", 12)
    assert ours["maps"] == found[torch.float32]
    assert ours["marks"] == found[torch.int64] + found[torch.bool]
    assert (ours["marks"] == 0) == name.startswith("resnet")  # neither pooling nor dropout
    assert set(found) <= {torch.float32, torch.int64, torch.bool}


PUBLISHED = {"vgg11": 224, "vgg16": 224, "vgg19": 224, "alexnet": 227, "googlenet": 224,
             "resnet50": 224}  # fmt: skip


@cache
def published(key: str) -> tuple[dict, ...]:
    with torch.device("meta"):
        net = MODELS[key]()
    return tuple(lines_as_dicts(net, (PUBLISHED[key],) * 2))


@pytest.mark.parametrize(("bits", "dtype"), [(32, torch.float32), (16, torch.bfloat16)])
@pytest.mark.parametrize("key", PUBLISHED)
def test_the_published_networks_keep_what_torch_puts_aside(key, bits, dtype):
    """Shapes are enough. A batch's means and deviations stay in 32 bits."""
    with torch.device("meta"):
        net = MODELS[key]().to(dtype)
        images = torch.empty(2, 3, PUBLISHED[key], PUBLISHED[key], dtype=dtype)
    found = put_aside(net, images)
    ours = bill(published(key), 2, bits, "momentum", 12)
    assert ours["maps"] == sum(found[kind] for kind in {dtype, torch.float32})
    assert ours["marks"] == found[torch.int64] + found[torch.bool]


@pytest.mark.parametrize(("bits", "dtype"), [(32, torch.float32), (16, torch.bfloat16)])
@pytest.mark.parametrize("use", ["momentum", "adam"])
def test_gradients_and_states_are_those_of_an_optimizer_after_a_step(use, bits, dtype):
    """Adam's counters of steps, four bytes a tensor, are left out."""
    net = small_vgg().to(dtype)
    make_optimizer = {
        "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        "adam": torch.optim.Adam,
    }[use]
    optimizer = make_optimizer(net.parameters())
    net(torch.randn(2, 3, 20, 28, dtype=dtype)).sum().backward()
    optimizer.step()
    ours = bill(lines_as_dicts(net.float(), (20, 28)), 2, bits, use, 12)
    size = bits // 8
    assert ours["parameters"] == size * sum(p.numel() for p in net.parameters())
    assert ours["gradients"] == size * sum(p.grad.numel() for p in net.parameters())
    states = [
        value
        for state in optimizer.state.values()
        for name, value in state.items()
        if torch.is_tensor(value) and name != "step"
    ]
    assert ours["state"] == sum(value.numel() * value.element_size() for value in states)
    assert len(states) == (COPIES[use] - 2) * len(list(net.parameters()))


# --- Use: what is alive ---------------------------------------------------------------------------


class Living(TorchDispatchMode):
    """The most numbers that were alive at one time in storages that operations gave."""

    def __init__(self) -> None:
        super().__init__()
        self.names, self.sizes, self.most = Counter(), {}, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if not isinstance(tensor, torch.Tensor) or tensor.dtype != torch.float32:
                continue
            storage = tensor.untyped_storage()
            if storage.nbytes():
                key = storage.data_ptr()
                self.names[key] += 1
                self.sizes[key] = storage.nbytes() // 4
                weakref.finalize(tensor, self.names.subtract, [key])
        alive = sum(self.sizes[key] for key, names in self.names.items() if names > 0)
        self.most = max(self.most, alive)
        return out


@torch.no_grad()
def most_alive(net: nn.Module, images: torch.Tensor) -> int:
    with Living() as living:
        net.eval()(images)
    return living.most


@pytest.mark.parametrize("configuration", ["8 M 16 16 M", "8 8 M 16 16 M", "4 M 32 M", "8 16 8"])
def test_in_use_a_chain_has_what_torch_has_alive_at_its_fullest_moment(configuration):
    net = VGG(configuration, 5, hidden=24, grid=3)
    lines = lines_as_dicts(net, (20, 28))
    ours = bill(lines, 3, 32, "inference", 12)
    images = 3 * 3 * 20 * 28
    assert ours["maps"] // 4 == images + most_alive(net, torch.randn(3, 3, 20, 28))
    assert (ours["gradients"], ours["state"], ours["marks"]) == (0, 0, 0)


def test_in_use_a_chain_has_its_two_largest_neighbours_and_the_image():
    rows = trace(small_vgg(), (1, 3, 20, 28))
    values = [row.activations // 4 for row in rows if row.kind not in ("Flatten", "Dropout")]
    neighbours = max(a + b for a, b in zip(values, values[1:], strict=False))
    live = sum(line.live for line in lines_of(rows))
    assert live == 3 * 20 * 28 + neighbours


def test_where_a_branch_waits_its_output_stays():
    """By hand: beside a block's input stand the branch's output and what the shortcut gives."""
    rows = trace(small_resnet(), (1, 3, 16, 16))
    live = {line.name: line.live for line in lines_of(rows) if line.live}
    assert sum(live.values()) == 3 * 16**2 + 3 * 16 * 16**2
    assert most_alive(small_resnet(), torch.randn(1, 3, 16, 16)) >= sum(live.values()) - 3 * 16**2


# --- The lines ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", PUBLISHED)
def test_the_lines_hold_every_parameter_and_multiply_add(key):
    with torch.device("meta"):
        net = MODELS[key]()
    rows = trace(net, (1, 3, PUBLISHED[key], PUBLISHED[key]))
    lines = published(key)
    assert sum(line["parameters"] for line in lines) == sum(p.numel() for p in net.parameters())
    assert sum(line["macs"] for line in lines) == sum(row.macs for row in rows)
    layers = Counter(row.kind for row in rows)
    count = sum(layers[k] for k in ("Conv2d", "Linear", "MaxPool2d", "add", "cat"))
    count += layers["AdaptiveAvgPool2d"] + layers["LocalResponseNorm"]
    assert len(lines) == 1 + count


def test_a_line_has_its_layers_name_as_far_as_it_takes_to_tell_it_apart():
    names = {key: [line["name"] for line in published(key)] for key in PUBLISHED}
    assert names["vgg16"][:4] == ["", "conv1_1", "conv1_2", "pool1"]
    assert names["resnet50"][3:5] == ["conv2_1.conv1", "conv2_1.conv2"]
    assert "inception3a.branch1.conv" in names["googlenet"]
    assert all(len(set(own)) == len(own) for own in names.values())


def test_vgg16_costs_what_its_chapter_says():
    lines = published("vgg16")
    lecture = [line for line in lines if line["name"] != "grid"]
    assert sum(line["values"] for line in lecture) == 15_237_608  # the lecture's column, added up
    one, two = (bill(lines, batch, 32, "momentum", 24) for batch in (1, 2))
    assert round((two["total"] - one["total"]) / 1e6, 1) == 73.3
    assert round((one["parameters"] + one["gradients"] + one["state"]) / 1e9, 2) == 1.66
    assert bill(lines, 1, 32, "inference", 24)["maps"] == 4 * (2 * 64 + 3) * 224**2


def test_the_largest_batch_fits_and_one_more_does_not():
    dice = random.Random(4)
    tried = 0
    for _ in range(300):
        lines = published(dice.choice(list(PUBLISHED)))
        bits, use, card = dice.choice([16, 32]), dice.choice(list(COPIES)), dice.randint(1, 90)
        largest = bill(lines, 1, bits, use, card)["largest"]
        assert bill(lines, largest + 1, bits, use, card)["total"] > card * GB
        if largest:
            assert bill(lines, largest, bits, use, card)["total"] <= card * GB
            tried += 1
    assert tried > 200


def test_the_lines_of_a_bill_add_up_to_it():
    for use in COPIES:
        found = bill(published("resnet50"), 7, 16, use, 12)
        parts = ("parameters", "gradients", "state", "maps", "marks")
        assert sum(found[part] for part in parts) == found["total"] == sum(map(sum, found["lines"]))


# --- The widget -----------------------------------------------------------------------------------


def test_the_words_say_the_parts_the_sum_and_what_fits():
    widget = make(batch=3, card=12)
    words, found, say = widget.text_alternative(), widget.bill(), widget.words
    what = "Memory of VGG, training, SGD with momentum, 32 bits a number, 3 images."
    assert words.startswith(what)
    assert f"Maps: {write_bytes(say, found['maps'])}" in words
    assert f"In all {write_bytes(say, found['total'])}." in words
    assert f"it holds {found['largest']} images at most" in words
    assert "Gradients" not in make(use="inference").text_alternative()


def test_a_card_that_is_too_small_is_said():
    rows = trace(nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU()), (1, 3, 4000, 4000))
    widget = MemoryBill([Network("wide", rows)], cards=(3, 24))
    assert "A card of 3 GB does not hold a single image." in widget.text_alternative()
    widget.choose(card=24, batch=9)
    assert "too much for a card of 24 GB, which holds 5 images at most" in widget.text_alternative()


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (40, "0.0 kB"), (99_949, "99.9 kB"), (100_000, "0.1 MB"), (61_042_432, "61.0 MB"),
     (999_999_999, "1000.0 MB"), (1_660_290_528, "1.66 GB")],
)  # fmt: skip
def test_bytes_are_written_in_units_of_ten(count, text):
    assert write_bytes(make().words, count) == text


def test_the_still_picture_has_a_bar_and_a_name_for_every_line():
    widget = make()
    picture = widget.still_picture()
    assert picture.count("<rect") == 2 * len(widget.bill()["lines"])
    for name in ("image", "conv2_2", "fc8"):
        assert f">{name}</text>" in picture
    assert "script" not in picture


@pytest.mark.parametrize(
    ("name", "value"),
    [("network", "vgg"), ("use", "sgd"), ("bits", 8), ("batch", 0), ("batch", 513), ("card", 2)]
    + [("bars", "time")],
)
def test_a_choice_that_does_not_exist_is_refused(name, value):
    with pytest.raises(ChoiceError, match=f"{name}={value!r}"):
        make(**{name: value})


BAD = {
    "in_shape=(2, 3, 8, 8): expected the trace of one image": lambda: lines_of(
        trace(nn.Conv2d(3, 4, 3), (2, 3, 8, 8))
    ),
    "1 is a Softplus: expected one of": lambda: lines_of(
        trace(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus()), (1, 3, 8, 8))
    ),
    "rows is empty": lambda: lines_of([]),
    "printed: 'conv9': expected the name of a layer": lambda: lines_of(
        trace(nn.Conv2d(3, 4, 3), (1, 3, 8, 8)), {"conv9": "1K"}
    ),
    "networks: []: expected one or more": lambda: MemoryBill([]),
    "networks: ['a', 'a']: expected one or more, no name twice": lambda: MemoryBill(
        [Network("a", trace(nn.Conv2d(3, 4, 3), (1, 3, 8, 8)))] * 2
    ),
    "cards=(0,): expected whole numbers of GB": lambda: make(cards=(0,)),
}


@pytest.mark.parametrize("message", BAD)
def test_what_no_bill_can_be_made_of_is_refused_by_name(message):
    with pytest.raises(ValueError) as error:
        BAD[message]()
    assert message in str(error.value)


def test_bars_are_fields_of_a_line_or_the_bill():
    assert BARS[0] == "memory" and set(BARS[1:]) <= set(published("vgg11")[0])
