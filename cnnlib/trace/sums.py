"""Rules for what works place by place, and for what mixes: sums, statistics, products."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from torch import Tensor

from cnnlib.calls import each, tensors
from cnnlib.rows import ALL_POSITIONS
from cnnlib.trace.call import Dim, Effect, TracedCall, list_axes, make_dim, measure_dim, rule


@rule("""
abs absolute acos acosh add addcdiv addcmul alpha_dropout and asin asinh atan atan2 atanh
bitwise_and bitwise_not bitwise_or bitwise_xor ceil celu channel_shuffle clamp clamp_max clamp_min
copysign cos cosh div dropout dropout1d dropout2d dropout3d elu eq erf erfc erfinv exp exp2 expm1
feature_alpha_dropout feature_dropout float_power floor floor_divide floordiv fmax fmin fmod frac ge
gelu gt hardshrink hardsigmoid hardswish hardtanh heaviside hypot invert isfinite isinf isnan le
leaky_relu lerp local_response_norm log log10 log1p log2 logaddexp logical_and logical_not
logical_or logical_xor logit logsigmoid lt masked_fill maximum minimum mish mod mul nan_to_num
native_channel_shuffle ne neg or positive pow prelu reciprocal relu relu6 remainder round rrelu
rsqrt selu sgn sigmoid sign silu sin sinc sinh softplus softshrink softsign sqrt square sub tan tanh
tanhshrink threshold trunc where xlogy xor
""")
def _pointwise(call: TracedCall) -> Effect:
    """Each output reads its own place (some read other channels there). Inputs are broadcast."""
    dims = [make_dim(size) for size in call.out_shape]
    for tensor in tensors((call.args, call.kwargs)):
        value = call.value(tensor)
        for back, dim in enumerate(reversed(value.dims if value else ()), start=1):
            held = dims[-back]
            if not list_axes(dim) or (list_axes(held) and measure_dim(dim) == 1):
                continue
            if list_axes(held) not in ([], list_axes(dim)) and measure_dim(held) > 1:
                raise call.refusal("it lines up different axes")
            dims[-back] = dim
    # A single place was spread over the output's size; an axis that stands twice was transposed.
    dims = [
        dim if measure_dim(dim) == size else make_dim(size, dim[0].axis)
        for dim, size in zip(dims, call.out_shape, strict=True)
    ]
    axes = [axis for dim in dims for axis in list_axes(dim)]
    if len(axes) > len(set(axes)):
        raise call.refusal("it lines up different axes")
    return Effect(dims)


@rule(
    "mean sum nanmean nansum prod amax amin max min median std var std_mean var_mean logsumexp "
    "norm linalg_norm linalg_vector_norm argmax argmin aminmax all any count_nonzero"
)
def _reduce(call: TracedCall) -> Effect:
    chosen = call.get("dim")
    if any(isinstance(t, Tensor) for t in (chosen, call.get("other"))):  # the larger of two
        return _pointwise(call)
    everything = chosen is None or isinstance(chosen, bool) or chosen in ((), [])
    summed = range(len(call.dims)) if everything else [call.place(dim) for dim in each(chosen)]
    kept = len(call.out_shape) == len(call.dims)
    dims, readings = [], {}
    for place, dim in enumerate(call.dims):
        if place not in summed:
            dims.append(dim)
            continue
        readings |= dict.fromkeys(list_axes(dim), ALL_POSITIONS)
        if kept:
            dims.append(make_dim(1, dim[0].axis if len(dim) == 1 else None))
    return Effect(dims, readings)


def _over(call: TracedCall, places: Iterable[int]) -> Effect:
    """The same shape, but each value depends on all along these dimensions."""
    return Effect(
        call.dims,
        dict.fromkeys(
            (axis for place in places for axis in list_axes(call.dims[place])), ALL_POSITIONS
        ),
    )


@rule("softmax log_softmax softmin")
def _softmax(call: TracedCall) -> Effect:
    dim = call.get("dim")
    if dim is None:  # torch's old rule
        dim = 0 if call.x.dim() in (0, 1, 3) else 1
    return _over(call, [dim])


@rule("normalize")
def _normalize(call: TracedCall) -> Effect:
    return _over(call, each(call.get("dim", 1)))


@rule("batch_norm")
def _batch_norm(call: TracedCall) -> Effect:
    own_statistics = call.get("training", False)
    return _over(call, range(2, call.x.dim()) if own_statistics else ())


@rule("instance_norm")
def _instance_norm(call: TracedCall) -> Effect:
    own_statistics = call.get("use_input_stats", True)
    return _over(call, range(2, call.x.dim()) if own_statistics else ())


@rule("group_norm")
def _group_norm(call: TracedCall) -> Effect:
    return _over(call, range(1, call.x.dim()))


@rule("layer_norm rms_norm")
def _layer_norm(call: TracedCall) -> Effect:
    return _over(call, range(-len(each(call.get("normalized_shape"))), 0))


@rule("glu")
def _glu(call: TracedCall) -> Effect:
    dims, place = list(call.dims), call.place(call.get("dim", -1))
    if list_axes(dims[place]):
        raise call.refusal("it halves a spatial axis")
    dims[place] = make_dim(call.out_shape[place])
    return Effect(dims)


@rule("linear")
def _linear(call: TracedCall) -> Effect:
    batch = [f"batch {i}" for i in range(call.x.dim() - 1)]
    weight = call.get("weight")
    out = ["out"] * (weight.dim() - 1)
    return _product(call, [call.x, weight], [[*batch, "in"], [*out, "in"]], [*batch, *out])


@rule("matmul")
def _matmul(call: TracedCall) -> Effect:
    pair = [call.x, call.get("other")]
    one, other = (tensor.dim() for tensor in pair)
    batch = [f"batch {i}" for i in range(max(one, other) - 2, 0, -1)]
    rows, columns = ["row"] * (one > 1), ["column"] * (other > 1)
    fronts = [batch[len(batch) - max(count - 2, 0) :] for count in (one, other)]
    names = [[*fronts[0], *rows, "in"], [*fronts[1], "in", *columns]]
    return _product(call, pair, names, [*batch, *rows, *columns])


@rule("einsum")
def _einsum(call: TracedCall) -> Effect:
    equation, *factors = call.args
    if len(factors) == 1 and isinstance(factors[0], list | tuple):
        factors = list(factors[0])
    if not isinstance(equation, str) or "..." in equation or len(factors) > 2:
        raise call.refusal("it has more than two tensors, or no letter for each dimension")
    given, arrow, made = equation.replace(" ", "").partition("->")
    if not arrow:
        times = Counter(given.replace(",", ""))
        made = "".join(sorted(letter for letter, count in times.items() if count == 1))
    names = [list(letters) for letters in given.split(",")]
    if any(len(letters) > len(set(letters)) for letters in names):
        raise call.refusal("it takes a diagonal")
    effect = _product(call, factors, names, list(made))
    return effect if len(factors) == 2 else replace(effect, macs=0)


def _product(
    call: TracedCall, factors: list[Tensor], names: list[list[str]], made: list[str]
) -> Effect:
    """A sum of products. Dimensions go by names; over those that are not ``made`` it sums."""
    sizes: dict[str, int] = {}
    found: dict[str, Dim] = {}
    where: dict[int, list[str]] = {}
    tracked = 0
    for factor, labels in zip(factors, names, strict=True):
        value = call.value(factor)
        tracked += value is not None
        for place, (label, size) in enumerate(zip(labels, factor.shape, strict=True)):
            sizes[label] = max(size, sizes.get(label, 1))
            for axis in list_axes(value.dims[place]) if value else ():
                where.setdefault(axis, []).append(label)
                found.setdefault(label, value.dims[place])
    dims, taken = [], set()
    for label in made:
        dim = found.get(label, ())
        if not dim or measure_dim(dim) != sizes[label] or taken & set(list_axes(dim)):
            dim = make_dim(sizes[label])
        taken |= set(list_axes(dim))
        dims.append(dim)
    # Place by place only what all factors have under one name, and keep.
    readings = {
        axis: ALL_POSITIONS
        for axis, labels in where.items()
        if axis not in taken or len(set(labels)) > 1 or len(labels) < tracked
    }
    return Effect(dims, readings, math.prod(sizes.values()))
