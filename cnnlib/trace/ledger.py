"""What is known of each tensor of a run: what it depends on, and whether it can be followed."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from torch import Tensor, nn

from cnnlib.calls import memory_of, tensors
from cnnlib.trace.call import Refusal, Value
from cnnlib.trace.meta import empty_like
from cnnlib.trace.plain import name_kind

#: What every module holds.
_USUAL = vars(nn.Module()).keys()

MADE_ON_THE_WAY = "is made while the network runs: run it once with a real input, then trace it"


class Ledger:
    """Tensors by their ``id``. It keeps them, so that no id can come back as another tensor's.

    ``values`` has those that depend on the network's input. All others are known by their origins:
    the parameters that they were computed from.
    """

    def __init__(self) -> None:
        self.values: dict[int, Value] = {}
        self._lost: dict[int, str] = {}  # such tensors that can no longer be followed, and why
        self._origins: dict[int, frozenset[int]] = {}  # the parameters behind other tensors
        self._kept: list[Tensor] = []
        self._views: defaultdict[int, list[Tensor]] = defaultdict(list)  # of each memory
        self._state: set[int] = set()  # what the modules held before the run
        self._made: set[int] = set()  # parameters that the run itself has made
        self._sizes: dict[int, int] = {}  # elements of each parameter
        self._counted: set[int] = set()  # parameters that a row has counted

    # The modules' state

    def stand_in(self, modules: Iterable[nn.Module]) -> None:
        """Give the modules a state without content. Whole numbers keep theirs: they may be indices.

        A tensor that several modules hold has one stand-in. What was there is put back by
        :func:`evaluating`.
        """
        made: dict[int, Tensor] = {}  # by the id of the tensor that it stands for
        for module in modules:
            for held in (module._parameters, module._buffers):
                for name, tensor in held.items():
                    if tensor is not None:
                        if id(tensor) not in made:
                            made[id(tensor)] = self._make_stand_in(tensor)
                        held[name] = made[id(tensor)]
            for tensor in tensors([v for name, v in vars(module).items() if name not in _USUAL]):
                self._origins.setdefault(id(tensor), frozenset())
        self._state = set(map(id, made.values()))
        self._kept += made.values()

    def _make_stand_in(self, tensor: Tensor) -> Tensor:
        if isinstance(tensor, nn.Parameter):
            stand_in = nn.Parameter(empty_like(tensor), False)
            self._sizes[id(stand_in)] = tensor.numel()
            self._origins[id(stand_in)] = frozenset([id(stand_in)])
            return stand_in
        content = not tensor.is_floating_point()
        stand_in = tensor.clone() if content else empty_like(tensor)
        self._origins[id(stand_in)] = frozenset()
        return stand_in

    def check_parameters(self, root: nn.Module) -> None:
        """Refuse parameters that were not there before the run: their layer is made by it."""
        for path, module in root.named_modules():
            for name, tensor in module._parameters.items():
                if tensor is not None and id(tensor) not in self._state:
                    where = f"{path or 'the network'} ({name_kind(module)})"
                    raise Refusal(f"{where}: {name} {MADE_ON_THE_WAY}")

    # What a call reads

    def meet(self, given: Iterable[Tensor], reader: str) -> list[Tensor]:
        """The tensors that depend on the network's input, of those that ``reader`` is given.

        Raises ``Refusal`` for one that cannot be followed.
        """
        tracked = []
        for tensor in given:
            key = id(tensor)
            if key in self._lost:
                raise Refusal(f"{reader} reads a tensor that {self._lost[key]}")
            if key in self.values:
                tracked.append(tensor)
            elif tensor.is_meta and key not in self._origins:
                if not isinstance(tensor, nn.Parameter):
                    raise Refusal(f"{reader} reads a tensor made out of trace's sight")
                self._made.add(key)
                self._kept.append(tensor)
                self._origins[key] = frozenset()
        return tracked

    def is_followed(self, tensor: Tensor) -> bool:
        """Whether the tensor depends on the network's input."""
        return id(tensor) in self.values

    def is_known(self, tensor: Tensor) -> bool:
        return id(tensor) in self.values or id(tensor) in self._origins

    def is_made_on_the_way(self, tensor: Tensor) -> bool:
        """Whether it is a parameter that was not there before the run."""
        return id(tensor) in self._made

    def find_origins(self, given: Iterable[Tensor]) -> frozenset[int]:
        """The parameters behind tensors that do not depend on the network's input."""
        return frozenset().union(*(self._origins.get(id(tensor), ()) for tensor in given))

    def find_maker(self, tensor: Tensor) -> int | None:
        """The row that made a tensor; None for one that does not depend on the network's input."""
        value = self.values.get(id(tensor))
        return value.row if value else None

    def count_parameters(self, origins: frozenset[int]) -> int:
        """The elements of those parameters that are not counted yet. They are from now on."""
        fresh = origins - self._counted
        self._counted |= fresh
        return sum(self._sizes[parameter] for parameter in fresh)

    # What a call makes

    def follow(self, tensor: Tensor, value: Value) -> None:
        """A tensor that depends on the network's input."""
        self._kept.append(tensor)
        self._views[memory_of(tensor)].append(tensor)
        self.values[id(tensor)] = value

    def put_aside(self, made: Iterable[Tensor], origins: frozenset[int]) -> None:
        """Tensors that do not depend on it."""
        for tensor in made:
            self._kept.append(tensor)
            self._origins[id(tensor)] = origins

    def lose_views(self, changed: Tensor) -> None:
        """Other views of memory that was written to hold something else now."""
        first, last = _find_ends(changed)
        for tensor in self._views[memory_of(changed)]:
            begin, end = _find_ends(tensor)
            if tensor is not changed and begin <= last and first <= end:
                self.values.pop(id(tensor), None)
                self._lost[id(tensor)] = "was overwritten through another view of its memory"

    @property
    def count(self) -> int:
        """How many tensors it has kept."""
        return len(self._kept)

    def close(self, since: int, row: int, outputs: Iterable[Tensor], why: str) -> None:
        """Rows from ``row`` on have become that one: its outputs stay, what was inside is lost.

        ``since`` is the ``count`` at which the inside began, ``why`` what is said of a lost tensor.
        """
        given = {id(tensor) for tensor in outputs}
        for key in {id(tensor) for tensor in self._kept[since:]}:
            value = self.values.get(key)
            if value and key in given:
                self.values[key] = replace(value, row=row)
            elif value and value.row >= row:
                del self.values[key]
                self._lost[key] = why


def _find_ends(tensor: Tensor) -> tuple[int, int]:
    """The first and the last element of the storage that a view holds."""
    first = tensor.storage_offset()
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    return first, first + sum((size - 1) * step for size, step in steps)
