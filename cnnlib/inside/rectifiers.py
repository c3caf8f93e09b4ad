"""Find the rectifiers of a network by what they compute, and give them another way back.

A rectifier is what computes max(x, 0), or min(max(x, 0), c), place by place. It may be a module, a
function or several (``nn.ReLU6()``, ``x.clamp(min=0)``, ``(x + x.abs()) / 2``, ``x[x < 0] = 0``):
each call of torch that works place by place is run on :data:`cnnlib.inside.pointwise.LADDER` too,
so that it is known what a tensor is as a function of each tensor before it.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction
from torch.nn.modules._functions import BackwardHookFunction
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from cnnlib.calls import COPIES, SHAPE_ONLY, Call, memory_of, tensors
from cnnlib.inside.pointwise import LADDER, find_cap, find_kinks, is_linear, run_on_ladder

Rule = Callable[[Tensor, Tensor], Tensor]


#: Calls that are no activations: movements, linear layers, pools, normalisations, products.
_NO_ACTIVATIONS = (
    SHAPE_ONLY
    | COPIES
    | set(
        """
    linear bilinear matmul mul div add sub neg addmm addcmul baddbmm einsum tensordot mv dot
    conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
    max_pool1d max_pool2d max_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d
    fractional_max_pool2d max_unpool2d avg_pool1d avg_pool2d avg_pool3d lp_pool2d
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d mean sum cumsum
    batch_norm layer_norm group_norm instance_norm rms_norm local_response_norm normalize
    interpolate grid_sample affine_grid pad pixel_shuffle pixel_unshuffle channel_shuffle
    fold unfold cat stack split chunk tensor_split unbind narrow select getitem setitem
    index_select gather scatter take roll flip rot90 repeat repeat_interleave tile expand expand_as
    view view_as reshape reshape_as flatten unflatten squeeze unsqueeze permute transpose movedim
    T mT t copy fill dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout
    identity diagonal tril triu
    """.split()
    )
)
_MAXIMA = {"amax", "max", "topk", "sort", "maximum", "fmax", "max_pool1d", "max_pool3d"}

#: Nodes of the way back that torch makes anew when a view is used again.
_VIEWS = set(
    """
    Alias AsStrided Clone CopySlices Expand Permute Select Slice Split SplitWithSizes Squeeze T
    Transpose Unbind Unsqueeze UnsafeView View ReshapeAlias Diagonal Unfold
    """.split()
)

#: Nodes of activations with a kink.
_HIDDEN = ("Relu", "Hardtanh", "Threshold", "LeakyRelu", "Prelu", "Hardswish", "Hardsigmoid")


@dataclass(eq=False)
class _Base:
    """A tensor of which later ones may be functions, place by place."""

    tensor: Tensor  # as it was then: a copy, once something is written over it
    range: tuple[float, float] | None = None

    def holds_both_sides(self, places: list[tuple[float, float]]) -> bool:
        """Whether it has values below and above one of these places."""
        if self.range is None:
            values = self.tensor.detach()
            self.range = values.min().item(), values.max().item()
        low, high = self.range
        return any(low < last and high > first for first, last in places)


@dataclass
class _Step:
    """A call of torch, or code that was not seen, that the way back leads through."""

    where: str
    name: str
    trouble: str | None = None  # why it cannot be followed
    plain: bool = False  # no activation: a linear layer, a pool, a normalisation, a product


@dataclass(frozen=True)
class _Function:
    """What a tensor is as a function of another one.

    Two lists of values where it also reads numbers that differ from place to place: with the
    smallest and with the largest of them.
    """

    values: tuple[Tensor, ...] = (LADDER,)
    rectified: bool = False  # a rectifier lies between
    kinked: tuple[_Step, ...] = ()  # steps with kinks that lie between


@dataclass
class _Known:
    """What is known of a tensor that depends on the picture."""

    functions: dict[_Base, _Function] = field(default_factory=dict)  # the farthest base first
    shape: torch.Size | None = None  # for which they hold
    own: _Base | None = None
    node: Any = None  # of the way back, at which this holds
    beside_constant: bool = False  # it was stacked with numbers that do not depend on the picture


class RectifierWatch(TorchFunctionMode):
    """While it is on, every rectifier goes back by ``rule(signal, is_open)``.

    ``is_open`` is where the rectifier lets its input through: above 0 and below the cap. Use::

        watch = RectifierWatch(module, rule)
        with watch:
            with watch.names():
                out = module(pixels)
            watch.check(out, "the network")
            torch.autograd.grad(out, pixels, start)  # checkpointed parts run again here
    """

    def __init__(self, module: nn.Module, rule: Rule) -> None:
        super().__init__()
        self.rule = rule
        self.module = module
        self.frames: list[str] = []
        self.known: Any = WeakTensorKeyDictionary()
        self.steps: dict[Any, _Step] = {}  # of each node of the way back

    # Modules

    @contextmanager
    def names(self) -> Iterator[None]:
        """Note which module runs, for messages."""
        hooks = []
        for path, part in self.module.named_modules():
            label = f"{path or 'the network'} ({type(part).__name__})"
            enter = lambda part, args, label=label: self.frames.append(label)  # noqa: E731
            hooks.append(part.register_forward_pre_hook(enter))
            hooks.append(part.register_forward_hook(self._leave))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
            self.frames.clear()

    def _leave(self, part: nn.Module, args: Any, out: Any) -> None:
        self._claim(tensors(out), self._unseen())
        self.frames.pop()

    @property
    def where(self) -> str:
        return self.frames[-1] if self.frames else "the network"

    def _unseen(self) -> _Step:
        return _Step(self.where, "")

    # Calls

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        call = Call(func, args, kwargs or {})
        given = list({id(t): t for t in call.tensors}.values())
        for tensor in given:
            if tensor.requires_grad:
                known = self.known.get(tensor)
                if known is None or known.node is not tensor.grad_fn:
                    self.known[tensor] = _Known(node=tensor.grad_fn)
        tracked = [tensor for tensor in given if tensor in self.known]
        name = call.name
        if not tracked or name in SHAPE_ONLY:
            return call.run()
        self._claim(tracked, self._unseen())
        target = None
        if call.writes:
            target = call.first
            self._before_writing(target)
        known = self._functions(call, tracked, target)
        copies = name in COPIES or not torch.is_grad_enabled()
        rectifier = None if copies else self._rectifier(known)
        read = [t for t in given if t is not target and not t.is_inference()]
        versions = [tensor._version for tensor in read]
        with torch.set_grad_enabled(torch.is_grad_enabled() and rectifier is None):
            out = call.run()
        if versions != [tensor._version for tensor in read]:
            raise ValueError(f"{self.where}: {name} writes into its input and does not say so")
        if rectifier and target is not None:
            target.copy_(self._rectified(rectifier, target.detach().clone()))
        elif rectifier:
            out = self._rectified(rectifier, out)
        if target is not None:
            self._after_writing(target)
            made = [target]
        else:
            made = [tensor for tensor in tensors(out) if tensor not in self.known]
        if len(made) == 1 and known.functions and made[0].shape == known.shape:
            self._note(name, known, made[0], rectified=rectifier is not None)
        else:
            self._opaque(name, tracked, given, made)
        return out

    def _rectifier(self, known: _Known) -> tuple[_Base, float] | None:
        """The farthest tensor before of which it is the rectifier, and the cap."""
        for base, function in known.functions.items():
            caps = {find_cap(values) for values in function.values}
            if None not in caps and base.tensor.requires_grad:
                return base, caps.pop() if len(caps) == 1 else torch.inf
        return None

    def _rectified(self, found: tuple[_Base, float], values: Tensor) -> Tensor:
        base, cap = found
        return _Rectify.apply(base.tensor, [values], cap, self.rule)

    def _note(self, name: str, known: _Known, made: Tensor, rectified: bool) -> None:
        """Keep what is known of the tensor that a call made, place by place."""
        self.known[made] = known
        known.node = made.grad_fn
        step = _Step(self.where, name)
        if rectified:
            for base, function in known.functions.items():
                known.functions[base] = _Function(function.values, rectified=True)
        elif made.requires_grad:
            base, function = list(known.functions.items())[-1]  # the nearest
            step.plain = all(map(is_linear, function.values))
            bent = [] if function.rectified else [k for v in function.values for k in find_kinks(v)]
            if bent and base.holds_both_sides(bent):
                step.trouble = "has a kink and is no max(x, 0): no rule says how to go back"
                for base, function in known.functions.items():
                    kinked = (*function.kinked, step)
                    known.functions[base] = _Function(function.values, function.rectified, kinked)
            else:
                for inner in function.kinked:  # what had a kink has none any more
                    inner.trouble = None
        self._claim([made], step)

    def _functions(self, call: Call, tracked: list[Tensor], target: Tensor | None) -> _Known:
        """What a call will make as a function of the tensors before it, if it goes by places."""
        arguments = (*call.args, *call.kwargs.values())
        direct = {id(a): a for a in arguments if isinstance(a, Tensor)}
        if not all(id(tensor) in direct for tensor in tracked):
            return _Known()  # inside a list
        shapes = [tensor.shape for tensor in direct.values()]
        try:
            shape = torch.broadcast_shapes(*shapes)
        except RuntimeError:  # such as PReLU's weights, one a channel
            shape = shapes[0]
        if target is not None:
            shape = target.shape
        found: dict[_Base, _Function] = {}
        views = [self._views(tensor) for tensor in tracked]
        for base in views[0]:
            if base.tensor.shape != shape or not all(base in view for view in views):
                continue
            parts = {id(t): view[base] for t, view in zip(tracked, views, strict=True)}
            values = self._values(call, parts)
            if values:
                steps = {id(step): step for f in parts.values() for step in f.kinked}
                rectified = any(f.rectified for f in parts.values())
                found[base] = _Function(values, rectified, tuple(steps.values()))
        return _Known(found, shape)

    def _views(self, tensor: Tensor) -> dict[_Base, _Function]:
        """A tensor as a function of those before it and, last, of itself."""
        known = self.known[tensor]
        views = dict(known.functions)
        if tensor.is_floating_point():
            if known.own is None:
                known.own = _Base(tensor)
            views[known.own] = _Function()
        return views

    def _values(self, call: Call, known: dict[int, _Function]) -> tuple[Tensor, ...]:
        """The call on the ladder; () if it does not work place by place."""
        if call.name in COPIES:
            return tuple(v.double() for v in known[id(call.first)].values)
        constants: dict[int, tuple[Tensor, Tensor]] = {}
        for tensor in call.tensors:
            if id(tensor) not in known:
                if not tensor.numel() or tensor.is_complex():
                    return ()
                low, high = (t.detach().cpu() for t in tensor.detach().aminmax())
                if tensor.is_floating_point():
                    low, high = low.double(), high.double()
                shape = [1] * min(tensor.dim(), 1)
                constants[id(tensor)] = low.view(shape), high.view(shape)
        order = list(known)
        several = any(len(f.values) > 1 for f in known.values())
        several |= any(low.item() != high.item() for low, high in constants.values())
        found = []
        for which in range(2 if several else 1):

            def on_values(*values: Tensor, which: int = which) -> Tensor:
                others = dict(zip(order, values, strict=True))
                others |= {key: pair[which].clone() for key, pair in constants.items()}
                swapped = call.swapped(others)
                out = swapped.run()
                return swapped.first if call.writes else out

            values = run_on_ladder(
                on_values, *(known[key].values[which % len(known[key].values)] for key in order)
            )
            if values is None:
                return ()
            found.append(values)
        return tuple(found)

    def _opaque(
        self, name: str, tracked: list[Tensor], given: list[Tensor], made: list[Tensor]
    ) -> None:
        """A call that is no function of one number."""
        step = _Step(self.where, name, plain=name in _NO_ACTIVATIONS)
        masks = [t for t in tracked if not t.requires_grad and _chooses(t, name)]
        beside = any(self.known[t].beside_constant for t in tracked)
        if masks and any(t.requires_grad for t in made):
            step.trouble = "chooses places by the picture's values in a way that is not followed"
        elif beside and name in _MAXIMA:
            step.trouble = "takes a maximum with numbers that stand beside the tensor"
        for tensor in made:
            constant = name in ("stack", "cat") and len(tracked) < len(given)
            self.known[tensor] = _Known(node=tensor.grad_fn, beside_constant=constant)
        for node in self._claim(made, step):
            if node.name().startswith(_HIDDEN):
                step.trouble = f"holds an activation inside, {_plain(node)}"

    # Writing in place

    def _before_writing(self, target: Tensor) -> None:
        """What later tensors may be functions of is kept, as it is now."""
        if target in self.known:
            self._views(target)
        memory = memory_of(target)
        for known in list(self.known.values()):
            if known.own is not None and memory_of(known.own.tensor) == memory:
                known.own.tensor = known.own.tensor.clone()

    def _after_writing(self, target: Tensor) -> None:
        """Other views of the same memory hold something else now."""
        memory = memory_of(target)
        for tensor in list(self.known):
            if tensor is not target and memory_of(tensor) == memory:
                self.known[tensor] = _Known()

    # The way back

    def _claim(self, found: Iterable[Tensor], step: _Step) -> list[Any]:
        """Note that what leads to these tensors, and has no step yet, belongs to this one."""
        claimed, waiting = [], [tensor.grad_fn for tensor in found]
        while waiting:
            node = waiting.pop()
            if node is not None and node not in self.steps:
                self.steps[node] = step
                claimed.append(node)
                waiting += [before for before, _ in node.next_functions]
        return claimed

    def check(self, out: Tensor, what: str, strict: bool = False) -> None:
        """Raise ``ValueError`` if the way back from ``out`` leads through what is not followed.

        Or if no rectifier lies on it. That is allowed, if not ``strict``, where there is no other
        activation either: then there is nothing to rectify.
        """
        rectifiers, others = 0, {}
        for node in walk_back(out):
            step = self.steps.get(node) or _Step("the network", "")
            where = f"{what}: {step.where}"
            if isinstance(node, BackwardCFunction):
                if type(node) is _Rectify._backward_cls:
                    rectifiers += 1
                elif type(node) not in _HARMLESS:
                    raise ValueError(
                        f"{where}: no rectifier can be found inside {_plain(node)}, a "
                        "torch.autograd.Function: write it with torch's own functions"
                    )
            elif not step.name and _plain(node) not in _VIEWS:
                raise ValueError(
                    f"{where}: {_plain(node)} runs in code that cannot be seen, scripted or "
                    "compiled: give the plain function"
                )
            if step.trouble:
                raise ValueError(f"{where}: {step.name} {step.trouble}")
            if step.name and not step.plain:
                others[step.name] = None
        if not rectifiers and (others or strict):
            found = f", only {', '.join(others)}" if others else ""
            raise ValueError(
                f"{what}: no rectifier, max(x, 0), lies on the way back to the picture{found}"
            )


class _Rectify(torch.autograd.Function):
    """Values that a rectifier gave forwards; backwards what the rule says."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, out: list[Tensor], cap: float, rule: Rule) -> Tensor:
        ctx.rule = rule
        room = 4 * torch.finfo(x.dtype).eps * x.abs()
        ctx.save_for_backward((x > 0) & (x < cap) & ((out[0] - x).abs() <= room))
        return out[0]

    @staticmethod
    def backward(ctx: Any, signal: Tensor) -> tuple[Tensor, None, None, None]:
        (is_open,) = ctx.saved_tensors
        return ctx.rule(signal, is_open), None, None, None


#: Functions with a backward of their own that leave the values and the signal as they are.
_HARMLESS = {BackwardHookFunction._backward_cls}


def mark_unchanged(kind: type[torch.autograd.Function]) -> type[torch.autograd.Function]:
    """Mark a function, whose own way back is meant as it stands, as no place for rectifiers."""
    _HARMLESS.add(kind._backward_cls)
    return kind


def walk_back(out: Tensor) -> Iterator[Any]:
    """All nodes that a signal from ``out`` passes."""
    seen, waiting = set(), [out.grad_fn]
    while waiting:
        node = waiting.pop()
        if (
            node is not None
            and node not in seen
            and _plain(node) != "torch::autograd::AccumulateGrad"
        ):
            seen.add(node)
            yield node
            waiting += [before for before, _ in node.next_functions]


def _plain(node: Any) -> str:
    """A node's name without what torch appends."""
    return node.name().rstrip("0123456789").removesuffix("Backward")


def _chooses(tensor: Tensor, name: str) -> bool:
    """Whether it can switch places on and off in that call."""
    adds = name in ("add", "sub", "cat", "stack", "copy")
    return tensor.dtype is torch.bool or (tensor.is_floating_point() and not adds)
