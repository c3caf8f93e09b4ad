"""How a call of torch becomes a step: a rule for each, by its name in torch.export's graph."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import fx


class Refused(ValueError):
    """A call that the engine cannot make; says why."""


class Step(NamedTuple):
    """The operation, the nodes that it reads, and its settings."""

    op: str
    inputs: list[fx.Node]
    settings: dict[str, Any]


Rule = Callable[[Any, fx.Node], Step]
STEPS: dict[str, Rule] = {}

# Calls that give back their first argument as it is, in evaluation.
_SAME = set(
    "dropout.default feature_dropout.default alpha_dropout.default contiguous.default "
    "clone.default alias.default lift_fresh_copy.default to.dtype "
    "to.dtype_layout _to_copy.default _assert_tensor_metadata.default".split()
)


# Calls that give several parts of their first argument.
PARTS = {"chunk.default", "split.Tensor", "split_with_sizes.default"}


def _is_float(node: fx.Node) -> bool:
    value = node.meta.get("val")
    return value is None or value.dtype.is_floating_point  # None: an assertion


def same_value(node: Any) -> fx.Node | None:
    """The node whose values this one repeats, or None."""
    if not isinstance(node, fx.Node) or node.op != "call_function":
        return None
    name = str(node.target).removeprefix("aten.")
    if name in _SAME:
        return node.args[0] if _is_float(node) or not _is_float(node.args[0]) else None
    # Batch normalisation gives three tensors, a pool with places two: the first is taken out.
    if name == "<built-in function getitem>" and node.args[1] == 0:
        first = str(node.args[0].target).removeprefix("aten.")
        if first not in PARTS:
            return node.args[0]
    return None


def _rule(names: str) -> Callable[[Rule], Rule]:
    def add(rule: Rule) -> Rule:
        STEPS.update(dict.fromkeys(names.split(), rule))
        return rule

    return add


class _Arguments:
    """A call's arguments by the names of torch's schema, with their defaults."""

    def __init__(self, node: fx.Node) -> None:
        schema = node.target._schema.arguments
        self.all = {argument.name: argument.default_value for argument in schema}
        self.all |= dict(zip([a.name for a in schema], node.args, strict=False))
        self.all |= node.kwargs

    def __getitem__(self, name: str) -> Any:
        return self.all[name]

    def get(self, name: str, default: Any = None) -> Any:
        found = self.all.get(name)
        return default if found is None or found == [] else found


def _pair(value: Any) -> list[int]:
    values = list(value) if isinstance(value, Sequence) else [value]
    return values * 2 if len(values) == 1 else values


def _rank(node: fx.Node) -> int:
    return node.meta["val"].dim()


def _dim(dim: int, node: fx.Node) -> int:
    return dim % max(_rank(node), 1)


def _expect_maps(node: fx.Node) -> None:
    if _rank(node) != 4:
        raise Refused(f"expected a tensor of 4 axes, found {_rank(node)}")
    expect_one(node)


def expect_one(node: fx.Node) -> None:
    """Refuses a batch: a network may make one of a picture's channels or parts."""
    if (count := node.meta["val"].shape[0]) != 1:
        raise Refused(f"expected one picture at a time, found a first axis of {count}")


# ---- Layers with weights.


@_rule("conv2d.default conv2d.padding convolution.default")
def _conv2d(planner: Any, node: fx.Node) -> Step:
    a = _Arguments(node)
    x = a["input"]
    _expect_maps(x)
    if a.get("transposed", False):
        return _transposed(planner, a, a.get("output_padding", [0, 0]))
    kernel = a["weight"].meta["val"].shape[2:]
    dilation = _pair(a["dilation"])
    padding = a["padding"]
    if padding == "valid":
        padding = [0, 0, 0, 0]
    elif padding == "same":  # what is too much goes to the end
        whole = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        padding = [part for p in whole for part in (p // 2, p - p // 2)]
    else:
        rows, columns = _pair(padding)
        padding = [rows, rows, columns, columns]
    return Step(
        "conv2d",
        [x],
        _weights(planner, a)
        | {
            "stride": _pair(a["stride"]),
            "padding": padding,  # before, after; rows, then columns
            "dilation": dilation,
            "groups": a["groups"],
        },
    )


def _weights(planner: Any, a: _Arguments) -> dict[str, Any]:
    if planner.is_value(a["weight"]) or planner.is_value(a["bias"]):
        raise Refused("its weights hang on the input")
    return {"weight": planner.tensor(a["weight"]), "bias": planner.tensor(a["bias"])}


@_rule("conv_transpose2d.input")
def _conv_transpose2d(planner: Any, node: fx.Node) -> Step:
    a = _Arguments(node)
    _expect_maps(a["input"])
    return _transposed(planner, a, a["output_padding"])


def _transposed(planner: Any, a: _Arguments, output_padding: Any) -> Step:
    return Step(
        "conv_transpose2d",
        [a["input"]],
        _weights(planner, a)
        | {
            "stride": _pair(a["stride"]),
            "padding": _pair(a["padding"]),
            "output_padding": _pair(output_padding),
            "dilation": _pair(a["dilation"]),
            "groups": a["groups"],
        },
    )


@_rule("linear.default")
def _linear(planner: Any, node: fx.Node) -> Step:
    a = _Arguments(node)
    return Step("linear", [a["input"]], _weights(planner, a))


@_rule("batch_norm.default _native_batch_norm_legit_no_training.default")
def _batch_norm(planner: Any, node: fx.Node) -> Step:
    a = _Arguments(node)
    names = ("weight", "bias", "running_mean", "running_var")
    if a.get("training", False) or a["running_mean"] is None:
        raise Refused("it takes its statistics from the batch")
    if any(planner.is_value(a[name]) for name in names):
        raise Refused("its weights hang on the input")
    expect_one(a["input"])
    settings = {name: planner.tensor(a[name]) for name in names}
    return Step("batch_norm", [a["input"]], settings | {"eps": a["eps"]})


# ---- Activations: one number to one number.


@_rule("relu.default")
def _relu(planner: Any, node: fx.Node) -> Step:
    return Step("clamp", [node.args[0]], {"min": 0, "max": None})


@_rule("hardtanh.default clamp.default clamp_min.default clamp_max.default relu6.default")
def _clamp(planner: Any, node: fx.Node) -> Step:
    a = _Arguments(node)
    name = str(node.target)
    if "relu6" in name:
        low, high = 0, 6
    elif "hardtanh" in name:
        low, high = a["min_val"], a["max_val"]
    else:
        low, high = a.all.get("min"), a.all.get("max")
        low, high = None if low == -math.inf else low, None if high == math.inf else high
    first = next(iter(a.all.values()))
    return Step("clamp", [first], {"min": low, "max": high})


@_rule(
    "tanh.default sigmoid.default exp.default log.default sqrt.default abs.default silu.default "
    "hardswish.default hardsigmoid.default square.default reciprocal.default rsqrt.default"
)
def _bend(planner: Any, node: fx.Node) -> Step:
    return Step("bend", [node.args[0]], {"curve": node.target._schema.name.split("::")[1]})


@_rule("gelu.default")
def _gelu(planner: Any, node: fx.Node) -> Step:
    kind = "gelu" if _Arguments(node)["approximate"] == "none" else "gelu_tanh"
    return Step("bend", [node.args[0]], {"curve": kind})


@_rule("leaky_relu.default elu.default")
def _with_slope(planner: Any, node: fx.Node) -> Step:
    a = _Arguments(node)
    curve = node.target._schema.name.split("::")[1]
    if curve == "elu" and (a["scale"] != 1 or a["input_scale"] != 1):
        raise Refused("expected scale=1")
    slope = a["negative_slope"] if curve == "leaky_relu" else a["alpha"]
    return Step("bend", [node.args[0]], {"curve": curve, "slope": slope})


@_rule("pow.Tensor_Scalar")
def _pow(planner: Any, node: fx.Node) -> Step:
    x, exponent = node.args
    if exponent == 2:
        return Step("bend", [x], {"curve": "square"})
    return Step("bend", [x], {"curve": "pow", "slope": exponent})


@_rule("neg.default")
def _neg(planner: Any, node: fx.Node) -> Step:
    return Step("scale", [node.args[0]], {"times": -1, "plus": 0})


# ---- Sums and products of two tensors, or of one and a number.


@_rule("add.Tensor sub.Tensor mul.Tensor div.Tensor maximum.default minimum.default "
       "add.Scalar sub.Scalar mul.Scalar div.Scalar rsub.Scalar")  # fmt: skip
def _two(planner: Any, node: fx.Node) -> Step:
    op = node.target._schema.name.split("::")[1]
    first, second = node.args[:2]
    if node.kwargs.get("alpha", 1) != 1 or len(node.args) > 2:
        raise Refused("expected alpha=1")
    if op == "rsub":
        op, first, second = "sub", second, first
    numbers = [isinstance(thing, int | float) for thing in (first, second)]
    if numbers[1]:
        times, plus = {
            "add": (1, second),
            "sub": (1, -second),
            "mul": (second, 0),
            "div": (1 / second if second else math.inf, 0),
        }[op]
        return Step("scale", [first], {"times": times, "plus": plus})
    if numbers[0]:
        if op != "sub":
            raise Refused("expected a tensor first")
        return Step("scale", [second], {"times": -1, "plus": first})
    values = [thing for thing in (first, second) if planner.is_value(thing)]
    constants = {
        name: planner.tensor(thing)
        for name, thing in (("first", first), ("second", second))
        if not planner.is_value(thing)
    }
    return Step("binary", values, {"function": op} | constants)


# ---- Pools, means and sums.


@_rule("max_pool2d.default max_pool2d_with_indices.default")
def _max_pool2d(planner: Any, node: fx.Node) -> Step:
    a = _Arguments(node)
    return _pool("max_pool2d", a, dilation=_pair(a["dilation"]))


@_rule("avg_pool2d.default")
def _avg_pool2d(planner: Any, node: fx.Node) -> Step:
    a = _Arguments(node)
    return _pool(
        "avg_pool2d",
        a,
        count_include_pad=a["count_include_pad"],
        divisor=a.get("divisor_override"),
    )


def _pool(op: str, a: _Arguments, **more: Any) -> Step:
    """A step that slides a window over maps."""
    x = next(iter(a.all.values()))
    _expect_maps(x)
    kernel = _pair(a["kernel_size"])
    window = {
        "kernel_size": kernel,
        "stride": _pair(a.get("stride", kernel)),
        "padding": _pair(a["padding"]),
    }
    return Step(op, [x], window | more)


@_rule("adaptive_avg_pool2d.default adaptive_max_pool2d.default _adaptive_avg_pool2d.default")
def _adaptive(planner: Any, node: fx.Node) -> Step:
    a = _Arguments(node)
    x = next(iter(a.all.values()))
    _expect_maps(x)
    op = "adaptive_max_pool2d" if "max" in str(node.target) else "adaptive_avg_pool2d"
    return Step(op, [x], {})


@_rule("mean.dim mean.default sum.dim_IntList sum.default amax.default")
def _reduce(planner: Any, node: fx.Node) -> Step:
    a = _Arguments(node)
    x = next(iter(a.all.values()))
    dims = a.get("dim", list(range(_rank(x))))
    dims = [dims] if isinstance(dims, int) else dims
    function = node.target._schema.name.split("::")[1]
    return Step("reduce", [x], {"function": function, "dims": sorted(_dim(d, x) for d in dims)})


@_rule("softmax.int log_softmax.int _softmax.default _log_softmax.default")
def _softmax(planner: Any, node: fx.Node) -> Step:
    x, dim = node.args[:2]
    return Step("softmax", [x], {"dim": _dim(dim, x), "log": "log" in str(node.target)})


# ---- Values that only move.


@_rule("cat.default")
def _cat(planner: Any, node: fx.Node) -> Step:
    parts = list(node.args[0])
    if not all(planner.is_value(part) for part in parts):
        raise Refused("one of its tensors does not hang on the input")
    dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    return Step("cat", parts, {"dim": _dim(dim, parts[0])})


@_rule("view.default reshape.default flatten.using_ints squeeze.default squeeze.dim squeeze.dims "
       "unsqueeze.default _unsafe_view.default unflatten.int")  # fmt: skip
def _reshape(planner: Any, node: fx.Node) -> Step:
    return Step("reshape", [node.args[0]], {})


@_rule("transpose.int permute.default")
def _permute(planner: Any, node: fx.Node) -> Step:
    x = node.args[0]
    order = list(range(_rank(x)))
    if "permute" in str(node.target):
        order = [_dim(d, x) for d in node.args[1]]
    else:
        one, other = (_dim(d, x) for d in node.args[1:3])
        order[one], order[other] = order[other], order[one]
    return Step("permute", [x], {"order": order})


@_rule("slice.Tensor")
def _slice(planner: Any, node: fx.Node) -> Step:
    a = _Arguments(node)
    x = a["self"]
    dim = _dim(a["dim"] or 0, x)
    length = x.meta["val"].shape[dim]
    start, _, step = slice(a.get("start"), a.get("end"), a["step"]).indices(length)
    return Step("slice", [x], {"dim": dim, "start": start, "step": step})


@_rule("select.int")
def _select(planner: Any, node: fx.Node) -> Step:
    x, dim, index = node.args
    dim = _dim(dim, x)
    return Step("slice", [x], {"dim": dim, "start": index % x.meta["val"].shape[dim], "step": 1})


@_rule("getitem")
def _getitem(planner: Any, node: fx.Node) -> Step:
    parts, index = node.args
    if str(parts.target).removeprefix("aten.") not in PARTS:
        raise Refused(f"it takes number {index} of what {parts.target} gives")
    a = _Arguments(parts)
    x = a["self"]
    dim = _dim(a["dim"], x)
    before = sum(part.shape[dim] for part in parts.meta["val"][:index])
    return Step("slice", [x], {"dim": dim, "start": before, "step": 1})


@_rule("pad.default constant_pad_nd.default")
def _pad(planner: Any, node: fx.Node) -> Step:
    a = _Arguments(node)
    if a.get("mode", "constant") != "constant":
        raise Refused(f"expected mode='constant', found {a['mode']!r}")
    x = a["self"]
    rank = _rank(x)
    before = [0] * rank
    amounts = list(a["pad"])
    if min(amounts, default=0) < 0:
        raise Refused(f"expected padding of 0 or more, found {amounts}")
    for place in range(len(amounts) // 2):
        before[rank - 1 - place] = amounts[2 * place]
    return Step("pad", [x], {"before": before, "value": a.get("value", 0) or 0})


@_rule("expand.default")
def _expand(planner: Any, node: fx.Node) -> Step:
    return Step("expand", [node.args[0]], {})


@_rule("upsample_nearest2d.vec upsample_nearest2d.default")
def _upsample(planner: Any, node: fx.Node) -> Step:
    a = _Arguments(node)
    x = next(iter(a.all.values()))
    _expect_maps(x)
    before, after = x.meta["val"].shape, node.meta["val"].shape
    if any(big % small for small, big in zip(before[2:], after[2:], strict=True)):
        raise Refused("expected a whole number of times the size")
    return Step("upsample_nearest2d", [x], {})
