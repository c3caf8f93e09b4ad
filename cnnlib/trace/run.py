"""The run: a module's forward pass on the meta device, watched call by call."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from cnnlib.calls import COPIES, SHAPE_ONLY, mapped, plain_name, tensors
from cnnlib.geometry import Window, output_size, whole_number
from cnnlib.rows import ALL_POSITIONS, IDENTITY, LayerTrace, Reading, mark
from cnnlib.sight import Sight, join, see_all, see_itself, see_through
from cnnlib.trace import shapes, sums, windows  # noqa: F401 (they register their rules)
from cnnlib.trace.call import RULES, Effect, Refusal, TracedCall, Value, make_dim, measure_dim
from cnnlib.trace.evaluation import evaluating
from cnnlib.trace.inputs import bind_input, check_shape
from cnnlib.trace.ledger import MADE_ON_THE_WAY, Ledger
from cnnlib.trace.merging import find_whole, merge
from cnnlib.trace.meta import find_shape
from cnnlib.trace.plain import ScriptedCall, name_kind, plain_module, without_scripts

# Torch loads its shape functions when the meta device is first asked, which takes a second or two.
# So it is done with the other imports: then the first trace is as quick as the next.
torch.empty(1, device="meta") + 1


def trace(module: nn.Module, input_shape: Sequence[int]) -> list[LayerTrace]:
    """What each layer of ``module`` does to an input of ``input_shape``, (N, C, H, W).

    Any network of usual layers, with branches and joins, and one input; the input may also have
    one, three or no spatial axes. Wrappers are taken off (:func:`plain_module`), and ``module`` is
    left as it was (:func:`evaluating`).

    Raises ``ValueError`` that names the module and the operation, where an operation is not known,
    torch refuses it or ``forward`` raises. Where only the batch dimension is missing, it says so.
    """
    module = plain_module(module, "trace")
    shape = check_shape(input_shape)
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(tensor):
            raise ValueError(f"{name} has no shape yet: run the lazy module once, then trace it")
    try:
        return _trace_rows(module, shape)
    except ValueError as error:
        batch = (1, *shape)
        if _runs(module, batch):
            offer = f"is the batch dimension missing? It runs with input_shape={batch}"
            raise ValueError(f"{error}; {offer}") from error
        raise


def _trace_rows(module: nn.Module, shape: tuple[int, ...]) -> list[LayerTrace]:
    with evaluating(module), without_scripts():
        run = _Run(module, shape)
        for part in run.paths:
            part.register_forward_pre_hook(run.enter)
            part.register_forward_hook(run.leave, with_kwargs=True)
        args, kwargs = bind_input(module, run.input)
        try:
            with torch.no_grad(), run:
                module(*args, **kwargs)
        except Refusal:
            raise
        except Exception as error:
            raise run.explain(error) from error
    if not run.rows:
        raise ValueError(f"{name_kind(module)} does nothing to its input that trace could see")
    return run.rows


def _runs(module: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether a network can be traced with an input of this shape, one to three axes in it."""
    try:
        return len(shape) in (3, 4, 5) and bool(_trace_rows(module, shape))
    except ValueError:
        return False


@dataclass(frozen=True)
class _Frame:
    """A module while it runs: its path in the network, its name in the trace, where it began."""

    module: nn.Module
    path: str
    name: str
    start: int  # its first row
    since: int  # its first tensor

    def __str__(self) -> str:
        return f"{self.name or 'the network'} ({name_kind(self.module)})"


class _Run(TorchFunctionMode):
    """Sees every torch function that a network calls, and writes a row for each layer."""

    def __init__(self, module: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.root = module
        self.modules = dict(module.named_modules())
        self.paths = {part: path for path, part in self.modules.items()}
        self.classes: dict[str, tuple[str, ...]] = {"": ()}
        self.uses: Counter[str] = Counter()
        self.frames: list[_Frame] = []
        self.rows: list[LayerTrace] = []
        self.sights: list[tuple[Sight, ...]] = []  # of each row, an axis each
        self.entry = tuple(see_itself(size) for size in shape[2:])
        self.ledger = Ledger()
        kinds = [p.dtype for p in module.parameters() if p.is_floating_point()]
        self.ledger.stand_in(self.paths)
        try:
            self.input = torch.empty(shape, device="meta", dtype=kinds[0] if kinds else None)
        except RuntimeError as error:
            raise Refusal(f"input_shape={shape}: {error}") from error
        places = [make_dim(size, axis) for axis, size in enumerate(shape[2:])]
        self.ledger.follow(self.input, Value(-1, (make_dim(shape[0]), make_dim(shape[1]), *places)))

    # Modules

    def enter(self, module: nn.Module, args: Any) -> None:
        """Before a module runs: find its name."""
        path = name = self.paths[module]
        if self.frames and path.startswith(self.frames[-1].path + "."):
            name = self.frames[-1].name + path[len(self.frames[-1].path) :]
        name = path and mark(self.uses, name)
        self.frames.append(_Frame(module, path, name, len(self.rows), self.ledger.count))

    def leave(self, module: nn.Module, args: tuple, kwargs: dict, output: Any) -> Any:
        """After a module has run: make one row of it, if it is one layer."""
        frame = self.frames.pop()
        if not self.frames:
            self.ledger.check_parameters(self.root)
        outputs = list(tensors(output))
        if any(map(self.ledger.is_followed, tensors((args, kwargs)))):
            if not all(map(self.ledger.is_known, outputs)):
                raise Refusal(f"{frame}: trace does not know this layer")
        counts = hasattr(module, "multiply_adds")
        if _list_parts(module) and not counts:
            return output
        makers = set(map(self.ledger.find_maker, outputs))
        if len(self.rows) > frame.start:
            whole = find_whole(self.rows, frame.start, tuple(sight.units for sight in self.entry))
            if whole is not None and makers == {len(self.rows) - 1}:
                self._merge(frame, whole, outputs)
            elif counts:
                raise Refusal(f"{frame} has multiply_adds(), but it is more than one layer")
        elif isinstance(output, Tensor) and makers != {None} and type(module) is not nn.Sequential:
            # It handed its input on. It gets a row, and its output is told from its input.
            output = output.detach()
            effect = Effect(self.ledger.values[id(output)].dims)
            self._write(frame, frame.name, outputs, [output], effect)
        return output

    def explain(self, error: Exception) -> ValueError:
        """What a network's own code raised, with the module that was running."""
        try:
            self.ledger.check_parameters(self.root)
        except Refusal as refusal:
            return refusal
        where = self.frames[-1] if self.frames else "the network"
        if isinstance(error, ScriptedCall):
            return ValueError(f"{where}: {error}")
        own = {nn.Module.train, nn.Module.eval}
        kinds = {type(part) for part in self.paths}
        names = [kind.__name__ for kind in kinds if not {kind.train, kind.eval} <= own]
        hint = f" ({names[0]} has its own train(): call eval() first)" if names else ""
        return ValueError(f"{where}: forward raised {type(error).__name__}: {error}{hint}")

    def _merge(self, frame: _Frame, whole: tuple[Reading, ...], outputs: list[Tensor]) -> None:
        """Put the rows of a frame together into one."""
        inside, start = self.rows[frame.start :], frame.start
        macs = sum(row.macs for row in inside)
        if hasattr(frame.module, "multiply_adds"):
            try:
                macs = whole_number(frame.module.multiply_adds(inside[-1].out_shape), "count", 0)
            except ValueError as error:
                raise Refusal(f"{frame}: multiply_adds() gave no count: {error}") from error
        kind = name_kind(frame.module)
        own = {"name": frame.name or kind, "kind": kind, "macs": macs}
        parents = self._find_classes(frame.path)[:-1]
        self.rows[start:] = [merge(self.rows, start, whole, parents=parents, **own)]
        self.sights[start:] = self.sights[-1:]
        why = f"comes from inside {frame}, which is one row"
        self.ledger.close(frame.since, start, outputs, why)

    def _find_classes(self, path: str) -> tuple[str, ...]:
        """The class of each module on a path, outermost first."""
        if path not in self.classes:
            around = self._find_classes(path.rpartition(".")[0])
            self.classes[path] = (*around, name_kind(self.modules[path]))
        return self.classes[path]

    # Operations

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        name, kwargs = plain_name(func), kwargs or {}
        frame = self.frames[-1] if self.frames else None
        where = str(frame or "the network")
        given = list(tensors((args, kwargs)))
        tracked = self.ledger.meet(given, f"{where}: {name}")
        if tracked and any(map(self.ledger.is_made_on_the_way, given)):
            self.ledger.check_parameters(self.root)
            raise Refusal(f"{where}: {name} reads a parameter that {MADE_ON_THE_WAY}")
        origins = self.ledger.find_origins(given)
        receiver = args[0] if args else None
        if name in _NEW and func is getattr(torch, name) and kwargs.get("device") is None:
            kwargs = kwargs | {"device": "meta"}
        if len({tensor.is_meta for tensor in given}) == 2 and name not in _INDEXING:
            args, kwargs = mapped(args, _to_meta), mapped(kwargs, _to_meta)
        try:
            out = find_shape(func, args, kwargs)
            if out is None:
                out = func(*args, **kwargs)
        except Exception as error:
            raise Refusal(f"{where}: {self._explain_call(name, given, tracked, error)}") from error
        if tracked and func.__name__ == "__set__":
            raise Refusal(f"{where}: {name}: it writes into a tensor, which trace cannot follow")
        result = receiver if name == "setitem" else out
        made = list(tensors(result))
        if name in COPIES and self.ledger.is_followed(receiver):
            for tensor in made:
                self.ledger.follow(tensor, self.ledger.values[id(receiver)])
        elif not tracked or name in SHAPE_ONLY or name in COPIES:
            self.ledger.put_aside(made, origins)
        elif made:
            if name not in RULES:
                raise Refusal(f"{where}: trace does not know the operation {name!r}")
            values, axes = self.ledger.values, len(self.entry)
            call = TracedCall(func, args, kwargs, where, result, values, axes)
            effects = RULES[name](call)
            several = isinstance(effects, list)
            label = f"{frame.name}.{name}" if frame and frame.name else name
            for piece, effect in zip(
                [[tensor] for tensor in made] if several else [made],
                effects if several else [effects],
                strict=True,
            ):
                self._write(frame, mark(self.uses, label), tracked, piece, effect, name, origins)
        return out

    def _explain_call(
        self, name: str, given: list[Tensor], tracked: list[Tensor], error: Exception
    ) -> str:
        """Why torch refuses a call: its own words, or that there is no content to look at."""
        if isinstance(error, NotImplementedError) or any(word in str(error) for word in _NO_VALUES):
            whose = "the picture's values" if tracked else "the values of its weights"
            return (
                f"its path depends on {whose}: {name} asks for them, but trace runs without data "
                "and knows shapes only"
            )
        sizes = ", ".join(str(tuple(tensor.shape)) for tensor in given)
        return f"{name} of shapes {sizes}: {error}"

    def _write(
        self,
        frame: _Frame | None,
        name: str,
        tracked: list[Tensor],
        made: list[Tensor],
        effect: Effect,
        operation: str = "",
        origins: frozenset[int] = frozenset(),
    ) -> None:
        """Append the row that makes ``made`` of ``tracked``: of an operation, or of a module."""
        inputs = tuple(dict.fromkeys(map(self.ledger.find_maker, tracked)))
        dims = tuple(effect.dims)
        if [measure_dim(dim) for dim in dims] != list(made[0].shape) or 0 in made[0].shape:
            raise Refusal(f"{name}: trace cannot follow it to a shape of {tuple(made[0].shape)}")
        sizes = dict(factor for dim in dims for factor in dim)
        readings, sights, aligned = [], [], True
        for axis in range(len(self.entry)):
            units = sizes.get(axis, 1)
            below = [self.sights[row][axis] if row >= 0 else self.entry[axis] for row in inputs]
            reading = effect.readings.get(axis, IDENTITY)
            if reading == IDENTITY and units != max(sight.units for sight in below):
                reading = ALL_POSITIONS  # one unit spread over many, or an axis given up
            if reading == ALL_POSITIONS:
                below = [see_all(sight, units) for sight in below]
            sight, fits = join(below, max(sight.units for sight in below))
            if isinstance(reading, Window) and output_size(sight.units, reading) != units:
                raise Refusal(f"{name}: {reading} of {sight.units} positions is not {units}")
            readings.append(reading)
            sights.append(sight if reading == ALL_POSITIONS else see_through(sight, reading, units))
            aligned &= fits
        classes = self._find_classes(frame.path) if frame else ()
        self.rows.append(
            LayerTrace(
                name=name or name_kind(frame.module),
                kind=operation or name_kind(frame.module),
                in_shape=tuple(tracked[0].shape),
                out_shape=tuple(made[0].shape),
                parameters=self.ledger.count_parameters(origins),
                macs=effect.macs,
                activations=made[0].numel() * made[0].element_size(),
                field=tuple(sight.field() for sight in sights),
                inputs=inputs,
                windows=tuple(readings),
                aligned=aligned,
                grid=tuple(sight.units for sight in sights),
                parents=classes if operation else classes[:-1],
            )
        )
        self.sights.append(tuple(sights))
        if len(inputs) > 1 and any(made[0] is tensor for tensor in tracked):
            self.ledger.lose_views(made[0])
        for tensor in made:
            self.ledger.follow(tensor, Value(len(self.rows) - 1, dims))


#: They make tensors. Those need no content; ``tensor`` and ``arange`` may be making an index.
_NEW = ("empty", "full", "ones", "rand", "randint", "randn", "zeros")

#: Their indices keep their content, and so stay where they are.
_INDEXING = ("getitem", "setitem", "index_select")

#: What torch says where a tensor on the meta device is asked for its content.
_NO_VALUES = ("meta tensor", "meta device", "Meta tensor")


def _list_parts(module: nn.Module) -> list[nn.Module]:
    """The modules that a module is made of. Lists of parameters are none."""
    return [
        child
        for name, child in module.named_children()
        if name != "parametrizations" and not isinstance(child, nn.ParameterList | nn.ParameterDict)
    ]


def _to_meta(tensor: Tensor) -> Tensor:
    return tensor.to("meta")
