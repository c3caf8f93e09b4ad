"""A network in evaluation for a while, and afterwards as it was.

Parameters are not copied: what ``forward`` writes into their own memory meanwhile stays.
"""

import operator
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from types import CellType, FunctionType, MethodType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy


@contextmanager
def evaluating(module: nn.Module) -> Iterator[nn.Module]:
    """Run ``module`` in evaluation within a ``with``; afterwards it is as it was.

    All modules inside have ``training`` False meanwhile, and what is compiled runs as plain Python.
    The modules' own ``train()`` and ``eval()`` are not called, for they may change more than flags.

    What is put back: flags, submodules, parameters and buffers (the same objects with the same
    memory, ``requires_grad`` and ``grad``), the values of buffers and of other tensors that are
    attributes, every other attribute, and what lists, dictionaries, sets and objects of the
    network's own classes hold, at any depth. That goes for what its hooks write to as well. Only
    values that ``forward`` writes into a parameter's own memory stay: parameters are not copied.
    """
    parts = list(module.modules())
    kept = _Kept(parts)
    try:
        for part in parts:
            vars(part)["training"] = False
            if vars(part).get("_compiled_call_impl") is not None:  # module.compile()
                vars(part)["_compiled_call_impl"] = None
        with _uncompiled():
            yield module
    finally:
        kept.put_back()


def _uncompiled() -> Any:
    """No compiled function compiles or runs its compiled form; nothing is loaded for that."""
    loaded = "torch._dynamo" in sys.modules
    return torch.compiler.set_stance("force_eager") if loaded else nullcontext()


class _Kept:
    """What a network's modules hold, and how to put it back."""

    def __init__(self, parts: list[nn.Module]) -> None:
        self.containers: dict[int, tuple[Any, Any]] = {}  # by id: what holds, and what it held
        self.tensors: dict[int, tuple[Tensor, tuple, Tensor | None, tuple | None]] = {}
        kinds = {kind for part_kind in set(map(type, parts)) for kind in _own_classes(part_kind)}
        self.files = {kind.__module__ for kind in kinds}
        waiting: list[Any] = list(parts)  # what is to be looked at
        for kind in kinds:  # lists that stand in a class are shared by its modules
            waiting += filter(_holds, vars(kind).values())
        while waiting:
            thing = waiting.pop()
            if type(thing) not in _PLAIN and id(thing) not in self.containers:
                waiting += self.keep(thing)

    def keep(self, thing: Any) -> Iterable[Any]:
        """Keep what ``thing`` holds; gives what is to be looked at next."""
        if isinstance(thing, Tensor):
            self.keep_tensor(thing)
            return ()
        if isinstance(thing, tuple | frozenset):
            return thing
        if _holds(thing):
            held = thing.copy()
            self.containers[id(thing)] = thing, held
            return held.values() if isinstance(held, dict) else held
        if isinstance(thing, CellType):
            held = _content(thing)
            self.containers[id(thing)] = thing, held
            return held
        if isinstance(thing, MethodType):
            return thing.__self__, thing.__func__
        if isinstance(thing, FunctionType):  # of a hook: its closure, and lists in its file
            named = map(thing.__globals__.get, thing.__code__.co_names)
            self.containers[id(thing)] = thing, None
            return *(thing.__closure__ or ()), *filter(_holds, named)
        if isinstance(thing, nn.Module | SimpleNamespace) or type(thing).__module__ in self.files:
            if isinstance(getattr(thing, "__dict__", None), dict):
                held = dict(vars(thing))
                self.containers[id(thing)] = thing, held
                return held.values()
        return ()

    def keep_tensor(self, tensor: Tensor) -> None:
        plain = not tensor.is_meta and not is_lazy(tensor) and tensor.layout == torch.strided
        if not plain or id(tensor) in self.tensors:
            return
        value = None if isinstance(tensor, nn.Parameter) else tensor.detach().clone()
        gradient = (tensor.requires_grad, tensor.grad) if tensor.is_leaf else None
        self.tensors[id(tensor)] = tensor, _memory(tensor), value, gradient

    def put_back(self) -> None:
        """Leave everything as it was found. What did not change is not touched."""
        for thing, held in self.containers.values():
            if isinstance(thing, list | deque):
                if not _same(thing, held):
                    thing.clear()
                    thing.extend(held)
            elif isinstance(thing, set | dict):
                if not _same(thing, held):
                    thing.clear()
                    thing.update(held)
            elif isinstance(thing, CellType):
                if not _same(_content(thing), held):
                    thing.cell_contents = held[0]
            elif held is not None:
                if not _same(vars(thing), held):
                    vars(thing).clear()
                    vars(thing).update(held)
        for tensor, memory, value, gradient in self.tensors.values():
            if _memory(tensor)[1:] != memory[1:]:  # forward wrote tensor.data = ...
                storage, _, dtype, device, *place = memory
                tensor.data = torch.empty(0, dtype=dtype, device=device).set_(storage, *place)
            if value is not None and not torch.equal(tensor.detach(), value):
                with torch.inference_mode(tensor.is_inference()), torch.no_grad():
                    tensor.detach().copy_(value)
            if gradient and tensor.is_leaf:
                wanted, found = gradient
                if tensor.requires_grad != wanted:
                    tensor.requires_grad_(wanted)
                if tensor.grad is not found:
                    tensor.grad = found


def _memory(tensor: Tensor) -> tuple:
    """Where a tensor's values lie: its storage, kept alive, then what says that it moved."""
    storage = tensor.untyped_storage()
    place = tensor.storage_offset(), tensor.shape, tensor.stride()
    return storage, storage.data_ptr(), tensor.dtype, tensor.device, *place


_PLAIN = (bool, int, float, str, type(None))


def _own_classes(part_kind: type) -> list[type]:
    """A module's class and those that it builds on, but for what torch and Python bring."""
    brought = {"torch", "builtins", *sys.stdlib_module_names} - {"__main__"}
    return [k for k in part_kind.__mro__ if k.__module__.partition(".")[0] not in brought]


def _holds(thing: Any) -> bool:
    return isinstance(thing, list | dict | set | deque)


def _content(cell: CellType) -> tuple:
    """What a variable of a closure holds, in a tuple; () before it holds anything."""
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def _same(now: Any, before: Any) -> bool:
    """Whether two containers hold the same objects in the same order."""
    if len(now) != len(before):
        return False
    if isinstance(now, set):
        return now == before
    if isinstance(now, dict):
        now, before = (*now.keys(), *now.values()), (*before.keys(), *before.values())
    return all(map(operator.is_, now, before))
