"""How a call of torch is read: its plain name, its arguments, its windows, whether it writes.

Torch tells of a call by a function, a tuple of arguments and a dictionary of named ones
(``__torch_function__``). One operation has many functions (``torch.add``, ``x + y``, ``x += y``),
and one argument may come by place or by name. A :class:`Call` says the same for all of them.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, Self

import torch
from torch import Tensor

from cnnlib.geometry import Window


@dataclass(frozen=True, eq=False)
class Call:
    """A torch function and what it is called with, as ``__torch_function__`` gets them."""

    func: Callable
    args: tuple
    kwargs: dict[str, Any]

    @cached_property
    def name(self) -> str:
        """The operation's plain name, by :func:`plain_name`."""
        return plain_name(self.func)

    @property
    def first(self) -> Any:
        """The first argument, which most functions call ``input``."""
        return self.args[0] if self.args else self.kwargs.get("input")

    def get(self, name: str, default: Any = None) -> Any:
        """The argument of this name, given by place or by name; ``default`` where it is not."""
        for known in (name, *_OTHER_ARGUMENTS.get(name, ())):
            if known in self.kwargs:
                return self.kwargs[known]
            place = place_of(self.func, known)
            if place is not None and place < len(self.args):
                return self.args[place]
        return default

    @property
    def tensors(self) -> Iterator[Tensor]:
        """Its tensors, those in lists included."""
        return tensors((self.args, self.kwargs))

    @property
    def writes(self) -> bool:
        """Whether it says that it writes into its first argument."""
        name = own_name(self.func)
        if name.startswith("__"):
            return name in _WRITING
        if place_of(self.func, "inplace") is not None:
            return bool(self.get("inplace", False))
        return name.endswith("_")

    def swapped(self, others: Mapping[int, Any]) -> Self:
        """The same call on other tensors in place of those whose ``id`` is a key of ``others``."""

        def other(tensor: Tensor) -> Any:
            return others.get(id(tensor), tensor)

        return replace(self, args=mapped(self.args, other), kwargs=mapped(self.kwargs, other))

    def run(self) -> Any:
        return self.func(*self.args, **self.kwargs)


class Rules(dict[str, Callable]):
    """What is done with a call, by the function's plain name."""

    def rule(self, names: str) -> Callable[[Callable], Callable]:
        """Decorate a function: it is the rule of these names, separated by blanks."""

        def register(function: Callable) -> Callable:
            self.update(dict.fromkeys(names.split(), function))
            return function

        return register


# --- names ---


def own_name(func: Callable) -> str:
    """A function's own name, without the overload that ``torch.ops`` adds behind a dot."""
    return func.__name__.partition(".")[0]


@cache
def plain_name(func: Callable) -> str:
    """A torch function's plain name: the same for ``torch.add``, ``x + y`` and ``x += y``."""
    name = own_name(func)
    if name in ("__get__", "__set__"):  # an attribute, such as x.T
        attribute = getattr(func.__self__, "fget", func.__self__)  # what a property calls
        name = attribute.__name__ + " = ..." * (name == "__set__")
    name = name.strip("_").removesuffix("_with_indices")
    return _OTHER_NAMES.get(name, name)


_OTHER_NAMES = {
    **{
        prefix + name: name
        for name in ("add", "sub", "mul", "div", "pow", "matmul", "and", "or", "xor")
        for prefix in ("r", "i")
    },
    **dict.fromkeys(("true_divide", "divide", "truediv", "rtruediv", "itruediv"), "div"),
    **dict.fromkeys(("concat", "concatenate"), "cat"),
    **dict.fromkeys(("swapaxes", "swapdims"), "transpose"),
    **dict.fromkeys(("mm", "bmm"), "matmul"),
    "multiply": "mul",
    "subtract": "sub",
    "negative": "neg",
    "clip": "clamp",
    "moveaxis": "movedim",
    "upsample": "interpolate",
}

#: Python's operators that write into what stands on their left.
_WRITING = {"__setitem__", *(f"__i{name}__" for name in "add sub mul truediv div floordiv".split())}
_WRITING |= {f"__i{name}__" for name in "mod pow matmul and or xor lshift rshift".split()}

#: Copies of their first argument.
COPIES = {"alias", "bfloat16", "clone", "contiguous", "cpu", "cuda", "data", "detach", "double"}
COPIES |= {"float", "half", "requires_grad", "to", "type", "type_as"}

#: They make tensors by the shape of their first argument, and read nothing else of it.
SHAPE_ONLY = {f"new_{what}" for what in ("empty", "full", "ones", "tensor", "zeros")}
SHAPE_ONLY |= {f"{what}_like" for what in ("empty", "full", "ones", "rand", "randint", "randn")}
SHAPE_ONLY |= {"zeros_like"}

#: They say of which shape and kind a tensor is, and read none of its numbers.
DESCRIPTIONS = {"shape", "size", "dim", "ndim", "ndimension", "numel", "nelement", "device"}
DESCRIPTIONS |= {"dtype", "layout", "is_cuda", "requires_grad", "is_floating_point", "len"}
DESCRIPTIONS |= {"get_device", "is_complex", "is_inference", "is_leaf", "grad_fn", "is_nested"}
DESCRIPTIONS |= {"is_sparse"}

#: They take numbers out of a tensor, by their own names. What is done with them cannot be seen.
NUMBERS = {"item", "tolist", "numpy", "equal", "allclose", "is_nonzero", "_local_scalar_dense"}
NUMBERS |= {"__array__", "__dlpack__", "__bool__", "__int__", "__float__", "__complex__"}
NUMBERS |= {"__index__", "__contains__"}


# --- arguments ---


@cache
def place_of(func: Callable, name: str) -> int | None:
    """The place at which a torch function takes the argument of this name; None if at none."""
    return next((names.index(name) for names in _signatures(func) if name in names), None)


@cache
def _signatures(func: Callable) -> tuple[tuple[str, ...], ...]:
    """The names of the arguments, in order, of each form of a torch function, longest first.

    Python knows those of its own functions, torch those of its operators.
    """
    if isinstance(func, torch._ops.OpOverload):
        return (_schema_names(func),)
    try:
        parameters = inspect.signature(func).parameters.values()
    except (TypeError, ValueError):  # written in C
        parameters = ()
    if parameters and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return (tuple(p.name for p in parameters),)
    operator = getattr(torch.ops.aten, plain_name(func), None)
    forms = operator.overloads() if operator else ()
    found = (_schema_names(getattr(operator, form)) for form in forms)
    return tuple(sorted(found, key=len, reverse=True))


def _schema_names(form: torch._ops.OpOverload) -> tuple[str, ...]:
    return tuple(a.name for a in form._schema.arguments)


#: Arguments that torch also takes under another name.
_OTHER_ARGUMENTS = {
    "dim": ("axis",),
    "dim0": ("axis0",),
    "dim1": ("axis1",),
    "other": ("mat2",),
    "training": ("train",),
}


def each(value: Any, count: int = 1) -> tuple[int, ...]:
    """One whole number for each of ``count`` dimensions, as torch reads its arguments."""
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    return tuple(int(v) for v in (values * count if len(values) == 1 else values))


def tensors(tree: Any) -> Iterator[Tensor]:
    """The tensors in nested lists, tuples and dicts."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, list | tuple | dict):
        for branch in tree.values() if isinstance(tree, dict) else tree:
            yield from tensors(branch)


def mapped(tree: Any, change: Callable[[Tensor], Any]) -> Any:
    """Nested arguments with ``change`` of each tensor in its place."""
    if isinstance(tree, Tensor):
        return change(tree)
    if type(tree) in (list, tuple):
        return type(tree)(mapped(branch, change) for branch in tree)
    if isinstance(tree, dict):
        return {key: mapped(branch, change) for key, branch in tree.items()}
    return tree


def memory_of(tensor: Tensor) -> int:
    """The same number for all tensors that are views of one memory."""
    return tensor.untyped_storage()._cdata if tensor.layout == torch.strided else id(tensor)


# --- windows ---


def convolution_windows(call: Call) -> list[Window]:
    """The window of a convolution over each of its axes, plain or transposed."""
    count, transposed = int(call.name[-2]), "transpose" in call.name
    kernel = call.get("weight").shape[2:]
    stride, dilation = each(call.get("stride", 1), count), each(call.get("dilation", 1), count)
    extra = each(call.get("output_padding", 0) if transposed else 0, count)
    padding = call.get("padding", 0)
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        padding = [(t // 2, t - t // 2) if t % 2 else t // 2 for t in totals]
    else:
        padding = each(0 if padding == "valid" else padding, count)
    return [
        Window(*settings, transposed=transposed)
        for settings in zip(kernel, stride, padding, dilation, extra, strict=True)
    ]


def pool_windows(call: Call) -> list[Window]:
    """The window of a pool over each of its axes; windows side by side where no stride is given."""
    count = int(call.name[-2])
    kernel, stride = each(call.get("kernel_size"), count), call.get("stride")
    stride = kernel if stride in (None, (), []) else each(stride, count)
    padding = each(call.get("padding", 0), count)
    dilation = each(call.get("dilation", 1), count)
    ceil_mode = bool(call.get("ceil_mode", False))
    return [
        Window(*settings, ceil_mode=ceil_mode)
        for settings in zip(kernel, stride, padding, dilation, strict=True)
    ]
