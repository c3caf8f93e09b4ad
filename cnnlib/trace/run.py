"""The run: a module's forward pass on the meta device, watched call by call."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import type_before_parametrizations
from torch.overrides import TorchFunctionMode

from cnnlib.geometry import Window, output_size, whole_number
from cnnlib.trace import shapes, sums, windows  # noqa: F401 (they register their rules)
from cnnlib.trace.call import (
    COPIES,
    RULES,
    SHAPE_ONLY,
    Call,
    Effect,
    Refusal,
    Value,
    free,
    plain_name,
    size_of,
    tensors,
)
from cnnlib.trace.evaluation import evaluating
from cnnlib.trace.inputs import bound, checked_shape
from cnnlib.trace.meta import empty_like, shape_only
from cnnlib.trace.plain import ScriptedCall, plain_module, without_scripts
from cnnlib.trace.reading import IDENTITY, Positions, Reading, around, reads
from cnnlib.trace.rows import LayerTrace, marked
from cnnlib.trace.sight import Sight, everywhere, joined, own, through

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
    shape = checked_shape(input_shape)
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(tensor):
            raise ValueError(f"{name} has no shape yet: run the lazy module once, then trace it")
    try:
        return _rows(module, shape)
    except ValueError as error:
        batch = (1, *shape)
        if _runs(module, batch):
            offer = f"is the batch dimension missing? It runs with input_shape={batch}"
            raise ValueError(f"{error}; {offer}") from error
        raise


def _rows(module: nn.Module, shape: tuple[int, ...]) -> list[LayerTrace]:
    with evaluating(module), without_scripts():
        run = _Run(module, shape)
        for part in run.paths:
            part.register_forward_pre_hook(run.enter)
            part.register_forward_hook(run.leave, with_kwargs=True)
        args, kwargs = bound(module, run.input)
        try:
            with torch.no_grad(), run:
                module(*args, **kwargs)
        except Refusal:
            raise
        except Exception as error:
            raise run.explained(error) from error
    if not run.rows:
        raise ValueError(f"{_kind(module)} does nothing to its input that trace could see")
    return run.rows


def _runs(module: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether a network can be traced with an input of this shape, one to three axes in it."""
    try:
        return len(shape) in (3, 4, 5) and bool(_rows(module, shape))
    except ValueError:
        return False


@dataclass(frozen=True)
class _Frame:
    """A module while it runs: its path in the network, its name in the trace, where it began."""

    module: nn.Module
    path: str
    name: str
    start: int  # its first row
    kept: int  # its first tensor

    def __str__(self) -> str:
        return f"{self.name or 'the network'} ({_kind(self.module)})"


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
        self.entry = tuple(own(size) for size in shape[2:])
        # By id(). The tensors are kept, so that no id can come back as another tensor's.
        self.kept: list[Tensor] = []
        self.views: defaultdict[int, list[Tensor]] = defaultdict(list)  # of each storage
        self.values: dict[int, Value] = {}  # tensors that depend on the network's input
        self.lost: dict[int, str] = {}  # such tensors that can no longer be followed, and why
        self.origins: dict[int, frozenset[int]] = {}  # other tensors: the parameters behind them
        self.made: set[int] = set()  # parameters that the run itself has made
        self.sizes: dict[int, int] = {}  # elements of each parameter
        self.counted: set[int] = set()  # parameters that a row has counted
        kinds = [p.dtype for p in module.parameters() if p.is_floating_point()]
        self._stand_in()
        try:
            self.input = torch.empty(shape, device="meta", dtype=kinds[0] if kinds else None)
        except RuntimeError as error:
            raise Refusal(f"input_shape={shape}: {error}") from error
        places = [((axis, size),) for axis, size in enumerate(shape[2:])]
        self._keep(self.input, Value(-1, (free(shape[0]), free(shape[1]), *places)))

    def _stand_in(self) -> None:
        """Give the modules a state without content. Whole numbers keep theirs: they may be indices.

        A tensor that several modules hold has one stand-in. What was there is put back by
        :func:`evaluating`.
        """
        made: dict[int, Tensor] = {}  # by the id of the tensor that it stands for
        for part in self.paths:
            for held in (part._parameters, part._buffers):
                for name, tensor in held.items():
                    if tensor is not None:
                        if id(tensor) not in made:
                            made[id(tensor)] = self._without_content(tensor)
                        held[name] = made[id(tensor)]
            for tensor in tensors([v for name, v in vars(part).items() if name not in _USUAL]):
                self.origins.setdefault(id(tensor), frozenset())
        self.state = set(map(id, made.values()))
        self.kept += made.values()

    def _without_content(self, tensor: Tensor) -> Tensor:
        if isinstance(tensor, nn.Parameter):
            stand_in = nn.Parameter(empty_like(tensor), False)
            self.sizes[id(stand_in)] = tensor.numel()
            self.origins[id(stand_in)] = frozenset([id(stand_in)])
            return stand_in
        content = not tensor.is_floating_point()
        stand_in = tensor.clone() if content else empty_like(tensor)
        self.origins[id(stand_in)] = frozenset()
        return stand_in

    def _keep(self, tensor: Tensor, value: Value) -> None:
        self.kept.append(tensor)
        self.views[_storage(tensor)].append(tensor)
        self.values[id(tensor)] = value

    # Modules

    def enter(self, module: nn.Module, args: Any) -> None:
        """Before a module runs: find its name."""
        path = name = self.paths[module]
        if self.frames and path.startswith(self.frames[-1].path + "."):
            name = self.frames[-1].name + path[len(self.frames[-1].path) :]
        name = path and marked(self.uses, name)
        self.frames.append(_Frame(module, path, name, len(self.rows), len(self.kept)))

    def leave(self, module: nn.Module, args: tuple, kwargs: dict, output: Any) -> Any:
        """After a module has run: make one row of it, if it is one layer."""
        frame = self.frames.pop()
        if not self.frames:
            self._check_parameters()
        outputs = list(tensors(output))
        if any(id(tensor) in self.values for tensor in tensors((args, kwargs))):
            for tensor in outputs:
                if id(tensor) not in self.values and id(tensor) not in self.origins:
                    raise Refusal(f"{frame}: trace does not know this layer")
        counts = hasattr(module, "multiply_adds")
        if _parts(module) and not counts:
            return output
        makers = {self.values[id(t)].row if id(t) in self.values else None for t in outputs}
        if len(self.rows) > frame.start:
            found = self._as_one(frame.start)
            if found is not None and makers == {len(self.rows) - 1}:
                self._merge(frame, found, outputs)
            elif counts:
                raise Refusal(f"{frame} has multiply_adds(), but it is more than one layer")
        elif isinstance(output, Tensor) and makers != {None} and type(module) is not nn.Sequential:
            # It handed its input on. It gets a row, and its output is told from its input.
            output = output.detach()
            effect = Effect(self.values[id(output)].dims)
            self._write(frame, frame.name, outputs, [output], effect)
        return output

    def _check_parameters(self) -> None:
        """Refuse parameters that were not there before the run: their layer is made by it."""
        for path, part in self.root.named_modules():
            for name, tensor in part._parameters.items():
                if tensor is not None and id(tensor) not in self.state:
                    where = f"{path or 'the network'} ({_kind(part)})"
                    raise Refusal(f"{where}: {name} {_MADE}")

    def explained(self, error: Exception) -> ValueError:
        """What a network's own code raised, with the module that was running."""
        try:
            self._check_parameters()
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

    def _as_one(self, start: int) -> tuple[Reading, ...] | None:
        """How the rows from ``start`` on read each axis as one layer; None if they are several."""
        rows = self.rows[start:]
        outside = dict.fromkeys(source for row in rows for source in row.inputs if source < start)
        whole: list[Reading] = []
        for axis in range(len(self.entry)):
            found = [row.windows[axis] for row in rows if row.windows[axis] != IDENTITY]
            if len(rows) == 1 or not any(found):
                whole.append(found[0] if found else IDENTITY)
                continue
            reading = _in_a_row(found)
            if reading is None:
                return None
            # Does it hold? Follow, unit by unit, what is read of each input from outside.
            seen: list[list[set[tuple[int, int]]]] = []
            for row in rows:
                seen.append([set() for _ in range(row.grid[axis])])
                for source in row.inputs:
                    size = self._units(source, axis)
                    for unit, places in enumerate(seen[-1]):
                        for i in reads(row.windows[axis], size, row.grid[axis], unit):
                            places |= {(source, i)} if source < start else seen[source - start][i]
            if isinstance(reading, Positions) and len(outside) == 1:
                exact = tuple(tuple(sorted(i for _, i in places)) for places in seen[-1])
                reading = replace(reading, reads=exact)
            for unit, places in enumerate(seen[-1]):
                if places != {
                    (source, i)
                    for source in outside
                    for i in reads(reading, self._units(source, axis), len(seen[-1]), unit)
                }:
                    return None
            whole.append(reading)
        return tuple(whole)

    def _merge(self, frame: _Frame, whole: tuple[Reading, ...], outputs: list[Tensor]) -> None:
        """Put the rows of a frame together into one."""
        rows, start = self.rows[frame.start :], frame.start
        macs = sum(row.macs for row in rows)
        if hasattr(frame.module, "multiply_adds"):
            try:
                macs = whole_number(frame.module.multiply_adds(rows[-1].out_shape), "count", 0)
            except ValueError as error:
                raise Refusal(f"{frame}: multiply_adds() gave no count: {error}") from error
        self.rows[start:] = [
            replace(
                rows[-1],
                name=frame.name or _kind(frame.module),
                kind=_kind(frame.module),
                in_shape=rows[0].in_shape,
                parameters=sum(row.parameters for row in rows),
                macs=macs,
                inputs=tuple(dict.fromkeys(i for row in rows for i in row.inputs if i < start)),
                windows=whole,
                aligned=all(row.aligned for row in rows),
                parents=self._classes(frame.path)[:-1],
            )
        ]
        self.sights[start:] = self.sights[-1:]
        given = {id(tensor) for tensor in outputs}
        for key in {id(tensor) for tensor in self.kept[frame.kept :]}:
            value = self.values.get(key)
            if value and key in given:
                self.values[key] = replace(value, row=start)
            elif value and value.row >= start:
                del self.values[key]
                self.lost[key] = f"comes from inside {frame}, which is one row"

    def _units(self, row: int, axis: int) -> int:
        return self.rows[row].grid[axis] if row >= 0 else self.entry[axis].units

    def _classes(self, path: str) -> tuple[str, ...]:
        """The class of each module on a path, outermost first."""
        if path not in self.classes:
            around = self._classes(path.rpartition(".")[0])
            self.classes[path] = (*around, _kind(self.modules[path]))
        return self.classes[path]

    # Operations

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        name, kwargs = plain_name(func), kwargs or {}
        frame = self.frames[-1] if self.frames else None
        where = str(frame or "the network")
        given = list(tensors((args, kwargs)))
        for tensor in given:
            if id(tensor) in self.lost:
                raise Refusal(f"{where}: {name} reads a tensor that {self.lost[id(tensor)]}")
            if tensor.is_meta and id(tensor) not in self.values and id(tensor) not in self.origins:
                if not isinstance(tensor, nn.Parameter):
                    raise Refusal(f"{where}: {name} reads a tensor made out of trace's sight")
                self.made.add(id(tensor))
                self.kept.append(tensor)
                self.origins[id(tensor)] = frozenset()
        tracked = [tensor for tensor in given if id(tensor) in self.values]
        if tracked and any(id(tensor) in self.made for tensor in given):
            self._check_parameters()
            raise Refusal(f"{where}: {name} reads a parameter that {_MADE}")
        origins = frozenset().union(*(self.origins.get(id(tensor), ()) for tensor in given))
        receiver = args[0] if args else None
        if name in _NEW and func is getattr(torch, name) and kwargs.get("device") is None:
            kwargs = kwargs | {"device": "meta"}
        if len({tensor.is_meta for tensor in given}) == 2 and name not in _INDEXING:
            args, kwargs = _to_meta(args), _to_meta(kwargs)
        try:
            out = shape_only(func, args, kwargs)
            if out is None:
                out = func(*args, **kwargs)
        except Exception as error:
            raise Refusal(f"{where}: {self._trouble(name, given, tracked, error)}") from error
        if tracked and func.__name__ == "__set__":
            raise Refusal(f"{where}: {name}: it writes into a tensor, which trace cannot follow")
        result = receiver if name == "setitem" else out
        made = list(tensors(result))
        copied = name in COPIES and id(receiver) in self.values
        if copied:
            for tensor in made:
                self._keep(tensor, self.values[id(receiver)])
        elif not tracked or name in SHAPE_ONLY or name in COPIES:
            self.kept.extend(made)
            self.origins.update((id(tensor), origins) for tensor in made)
        elif made:
            if name not in RULES:
                raise Refusal(f"{where}: trace does not know the operation {name!r}")
            call = Call(where, name, args, kwargs, result, self.values, len(self.entry))
            effects = RULES[name](call)
            several = isinstance(effects, list)
            label = f"{frame.name}.{name}" if frame and frame.name else name
            for piece, effect in zip(
                [[tensor] for tensor in made] if several else [made],
                effects if several else [effects],
                strict=True,
            ):
                self._write(frame, marked(self.uses, label), tracked, piece, effect, name, origins)
        return out

    def _trouble(
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
        inputs = tuple(dict.fromkeys(self.values[id(tensor)].row for tensor in tracked))
        dims = tuple(effect.dims)
        if [size_of(dim) for dim in dims] != list(made[0].shape) or 0 in made[0].shape:
            raise Refusal(f"{name}: trace cannot follow it to a shape of {tuple(made[0].shape)}")
        sizes = dict(factor for dim in dims for factor in dim)
        readings, sights, aligned = [], [], True
        for axis in range(len(self.entry)):
            units = sizes.get(axis, 1)
            below = [self.sights[row][axis] if row >= 0 else self.entry[axis] for row in inputs]
            reading = effect.readings.get(axis, IDENTITY)
            if reading == IDENTITY and units != max(sight.units for sight in below):
                reading = None  # one unit spread over many, or an axis given up
            if reading is None:
                below = [everywhere(sight, units) for sight in below]
            sight, fits = joined(below, max(sight.units for sight in below))
            if isinstance(reading, Window) and output_size(sight.units, reading) != units:
                raise Refusal(f"{name}: {reading} of {sight.units} positions is not {units}")
            readings.append(reading)
            sights.append(sight if reading is None else through(sight, reading, units))
            aligned &= fits
        fresh = origins - self.counted
        self.counted |= fresh
        classes = self._classes(frame.path) if frame else ()
        self.rows.append(
            LayerTrace(
                name=name or _kind(frame.module),
                kind=operation or _kind(frame.module),
                in_shape=tuple(tracked[0].shape),
                out_shape=tuple(made[0].shape),
                parameters=sum(self.sizes[parameter] for parameter in fresh),
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
            self._lose_views(made[0])
        for tensor in made:
            self._keep(tensor, Value(len(self.rows) - 1, dims))

    def _lose_views(self, changed: Tensor) -> None:
        """Other views of memory that was written to hold something else now."""
        first, last = _memory(changed)
        for tensor in self.views[_storage(changed)]:
            begin, end = _memory(tensor)
            if tensor is not changed and begin <= last and first <= end:
                self.values.pop(id(tensor), None)
                self.lost[id(tensor)] = "was overwritten through another view of its memory"


#: What every module holds.
_USUAL = vars(nn.Module()).keys()

#: They make tensors. Those need no content; ``tensor`` and ``arange`` may be making an index.
_NEW = ("empty", "full", "ones", "rand", "randint", "randn", "zeros")

#: Their indices keep their content, and so stay where they are.
_INDEXING = ("getitem", "setitem", "index_select")


_MADE = "is made while the network runs: run it once with a real input, then trace it"

#: What torch says where a tensor on the meta device is asked for its content.
_NO_VALUES = ("meta tensor", "meta device", "Meta tensor")


def _parts(module: nn.Module) -> list[nn.Module]:
    """The modules that a module is made of. Lists of parameters are none."""
    return [
        child
        for name, child in module.named_children()
        if name != "parametrizations" and not isinstance(child, nn.ParameterList | nn.ParameterDict)
    ]


def _kind(module: nn.Module) -> str:
    return type_before_parametrizations(module).__name__


def _in_a_row(found: list[Reading]) -> Reading:
    """The one reading that several may come to: the only one, or padding and a window over it."""
    if len(set(found)) == 1:
        return found[0]
    if len(found) > 2 or not all(found):
        return None
    padding, window = found
    [first, *rest] = padding.chain if isinstance(padding, Positions) else (padding,)
    if rest or replace(first, padding=0) != IDENTITY or window.transposed:
        return None
    amounts = around(first.before + window.before, first.after + window.after)
    whole = replace(window, padding=amounts)
    return Positions((), (whole,)) if isinstance(padding, Positions) else whole


def _memory(tensor: Tensor) -> tuple[int, int]:
    """The first and the last element of the storage that a view holds."""
    first = tensor.storage_offset()
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    return first, first + sum((size - 1) * step for size, step in steps)


def _storage(tensor: Tensor) -> int:
    """The same number for all views of the same memory."""
    return tensor.untyped_storage()._cdata


def _to_meta(tree: Any) -> Any:
    if isinstance(tree, Tensor):
        return tree.to("meta")
    if type(tree) in (list, tuple):
        return type(tree)(map(_to_meta, tree))
    if isinstance(tree, dict):
        return {key: _to_meta(branch) for key, branch in tree.items()}
    return tree
