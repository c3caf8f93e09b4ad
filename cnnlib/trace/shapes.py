"""Rules for what moves values without mixing them: views, orders, slices, joins."""

from dataclasses import replace
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from cnnlib.calls import each
from cnnlib.geometry import Window
from cnnlib.rows import ALL_POSITIONS, IDENTITY
from cnnlib.trace.call import Effect, Factor, TracedCall, list_axes, make_dim, measure_dim, rule
from cnnlib.trace.windows import pick


@rule("view reshape flatten unflatten view_as reshape_as squeeze unsqueeze ravel")
def _view(call: TracedCall) -> Effect:
    """Fill the new shape with the factors of the old one, in order."""
    factors = [factor for dim in reversed(call.dims) for factor in reversed(dim) if factor.size > 1]
    dims, readings = [], {}
    for size in call.out_shape:
        dim, missing = [], size
        while missing > 1:
            axis, have = factors.pop()
            if have > missing and have % missing == 0:
                # Blocks of neighbours: the axis counts the blocks, and their inside is channels.
                block, have = have // missing, missing
                factors.append(Factor(None, block))
                if axis is not None:
                    readings[axis] = Window(block, stride=block)
            elif missing % have:
                raise call.refusal(f"it takes dimensions of {list(call.x.shape)} apart")
            dim.append(Factor(axis, have))
            missing //= have
        if len(dim) > 1 and [axis for axis, _ in dim[1:]] == [None] * (len(dim) - 1):
            axis, have = dim[0]
            if axis is not None and axis not in readings:
                # Channels between neighbours: a pixel shuffle by hand.
                readings[axis] = Window(size // have, stride=size // have, transposed=True)
                dim = [Factor(axis, size)]
        dims.append(tuple(dim) or make_dim(1))
    return Effect(dims, readings)


@rule("permute transpose movedim t T mT")
def _permute(call: TracedCall) -> Effect:
    order = list(range(len(call.dims)))
    if call.name == "permute":
        dims = call.kwargs.get("dims", call.args[1:])
        order = [call.place(dim) for dim in each(dims[0] if len(dims) == 1 else dims)]
    elif call.name == "transpose":
        one, other = call.place(call.get("dim0")), call.place(call.get("dim1"))
        order[one], order[other] = other, one
    elif call.name == "movedim":
        sources = [call.place(dim) for dim in each(call.get("source"))]
        targets = [call.place(dim) for dim in each(call.get("destination"))]
        order = [dim for dim in order if dim not in sources]
        for target, source in sorted(zip(targets, sources, strict=True)):
            order.insert(target, source)
    elif call.name == "mT":
        order[-2:] = order[:-3:-1]
    else:
        order.reverse()
    return Effect([call.dims[dim] for dim in order])


@rule("expand expand_as broadcast_to")
def _expand(call: TracedCall) -> Effect:
    dims = [make_dim(size) for size in call.out_shape]
    for back, dim in enumerate(reversed(call.dims), start=1):
        dims[-back] = make_dim(dims[-back][0].size, dim[0].axis) if measure_dim(dim) == 1 else dim
    return Effect(dims)


@rule("repeat tile")
def _repeat(call: TracedCall) -> Effect:
    dims, readings = [make_dim(size) for size in call.out_shape], {}
    for back, dim in enumerate(reversed(call.dims), start=1):
        size, units = measure_dim(dim), call.out_shape[-back]
        reading = pick(size, [*range(size)] * (units // size))
        effect = call.along(len(call.dims) - back, reading, units)
        dims[-back] = effect.dims[-back]
        readings |= effect.readings
    return Effect(dims, readings)


@rule("repeat_interleave")
def _repeat_interleave(call: TracedCall) -> Effect:
    times, dim = call.get("repeats"), call.get("dim")
    if dim is None or not isinstance(times, int):
        raise call.refusal("it repeats each position a number of times of its own")
    size = call.x.shape[dim]
    places = [i for i in range(size) for _ in range(times)]
    return call.along(call.place(dim), pick(size, places), len(places))


@rule("chunk split tensor_split split_with_sizes")
def _split(call: TracedCall) -> list[Effect]:
    place = call.place(call.get("dim", 0))
    effects, begin = [], 0
    for piece in call.out:
        places = range(begin, begin + piece.shape[place])
        effects.append(call.along(place, pick(call.x.shape[place], places), len(places)))
        begin = places.stop
    return effects


@rule("unbind")
def _unbind(call: TracedCall) -> list[Effect]:
    place = call.place(call.get("dim", 0))
    return [_dropped(call, place, index) for index in range(call.x.shape[place])]


@rule("select")
def _select(call: TracedCall) -> Effect:
    return _dropped(call, call.place(call.get("dim")), call.get("index"))


def _dropped(call: TracedCall, place: int, index: int) -> Effect:
    """One position of a dimension, which is gone afterwards."""
    size = call.x.shape[place]
    effect = call.along(place, pick(size, [index % size]), 1)
    return replace(effect, dims=[dim for i, dim in enumerate(effect.dims) if i != place])


@rule("narrow")
def _narrow(call: TracedCall) -> Effect:
    place = call.place(call.get("dim"))
    size = call.x.shape[place]
    begin = int(call.get("start")) % size
    places = range(begin, begin + call.get("length"))
    return call.along(place, pick(size, places), len(places))


@rule("index_select")
def _index_select(call: TracedCall) -> Effect:
    place = call.place(call.get("dim"))
    return _listed(call, place, call.get("index"), call.out_shape[place])


def _listed(call: TracedCall, place: int, index: Any, units: int) -> Effect:
    """A dimension's positions in the order of a list. Of channels the number is enough."""
    if not list_axes(call.dims[place]):
        return call.along(place, IDENTITY, units)
    if not isinstance(index, Tensor):
        index = torch.tensor(index, device="cpu")
    if index.dim() != 1:
        raise call.refusal("it picks by a tensor that is no list of positions")
    if index.is_meta:
        raise call.refusal("it picks positions by a tensor whose content is not known")
    index = index.nonzero().flatten() if index.dtype == torch.bool else index
    places = [int(i) % call.x.shape[place] for i in index.tolist()]
    return call.along(place, pick(call.x.shape[place], places), len(places))


@rule("getitem")
def _getitem(call: TracedCall) -> Effect:
    dims, readings, place = [], {}, 0
    items = _items(call)
    lists = [item for item in items if not isinstance(item, int | slice | None)]
    if len(lists) > 1 or (lists and any(isinstance(item, int) for item in items)):
        raise call.refusal("it picks from several dimensions at once")
    for item in items:
        if item is None:
            dims.append(make_dim(1))
            continue
        if isinstance(item, int):
            effect = _dropped(call, place, item)
        elif isinstance(item, slice):
            places = range(call.x.shape[place])[item]
            effect = call.along(place, pick(call.x.shape[place], places), len(places))
            dims.append(effect.dims[place])
        elif isinstance(item, Tensor) and item.dim() != 1 and not list_axes(call.dims[place]):
            effect = Effect(())
            dims.extend(map(make_dim, item.shape))
        else:
            effect = _listed(call, place, item, call.out_shape[len(dims)])
            dims.append(effect.dims[place])
        readings |= effect.readings
        place += 1
    return Effect(dims, readings)


def _items(call: TracedCall) -> list[Any]:
    """The index of ``x[...]``: an item for each dimension, and a None for each new one."""
    index = call.args[1]
    items = list(index) if isinstance(index, tuple) else [index]
    items = [int(i) if isinstance(i, Integral) and not isinstance(i, bool) else i for i in items]
    if any(isinstance(item, bool) for item in items):
        raise call.refusal("it is indexed by a truth value")
    held = sum(item is not None and item is not Ellipsis for item in items)
    fill = [slice(None)] * (call.args[0].dim() - held)
    for i, item in enumerate(items):
        if item is Ellipsis:
            return items[:i] + fill + items[i + 1 :]
    return items + fill


@rule("setitem")
def _setitem(call: TracedCall) -> Effect:
    """Channels may be written one by one; a spatial axis only as a whole."""
    target, _, written = call.args
    held, value = call.value(target), call.value(written)
    dims = list(held.dims if held else map(make_dim, target.shape))
    items = [item for item in _items(call) if item is not None]
    whole = [
        isinstance(item, slice) and len(range(size)[item]) == size
        for item, size in zip(items, target.shape, strict=True)
    ]
    kept = [place for place, item in enumerate(items) if not isinstance(item, int)]
    for place, dim in zip(reversed(kept), reversed(value.dims if value else ()), strict=False):
        if list_axes(dim) and measure_dim(dim) > 1:
            if list_axes(dims[place]) not in ([], list_axes(dim)):
                raise call.refusal("it lines up different axes")
            dims[place] = dim
    if any(list_axes(dim) and not every for dim, every in zip(dims, whole, strict=True)):
        raise call.refusal("it writes into a part of a spatial axis")
    return Effect(dims)


@rule("cat")
def _cat(call: TracedCall) -> Effect:
    values = [value for value in map(call.value, call.get("tensors")) if value]
    dims, readings = list(values[0].dims), {}
    joint = call.get("dim", 0) % len(dims)
    for value in values:
        readings |= dict.fromkeys(list_axes(value.dims[joint]), ALL_POSITIONS)
        for place, dim in enumerate(value.dims):
            if list_axes(dim) and place != joint:
                if list_axes(dims[place]) not in ([], list_axes(dim)):
                    raise call.refusal("it lines up different axes")
                dims[place] = dim
    if readings and len(dims) >= 2 + call.axes:
        raise call.refusal("it joins along a spatial axis")
    dims[joint] = make_dim(call.out_shape[joint])  # flattened maps side by side are one vector
    return Effect(dims, readings)


@rule("stack")
def _stack(call: TracedCall) -> Effect:
    tensors = call.get("tensors")
    [first, *_] = [value for value in map(call.value, tensors) if value]
    dims = list(first.dims)
    dims.insert(call.get("dim", 0) % (len(dims) + 1), make_dim(len(tensors)))
    return Effect(dims)
