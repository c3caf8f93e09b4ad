"""Run a network on many images that differ from one image in a patch each, and only there.

An occluder changes a patch of the picture. A layer with windows carries the change on to those of
its units that look at the patch, the projective field, and all other units stay as they were. So
the network runs once on the image as it is, every layer's output is kept, and for each place of the
occluder only the changed patch of each map is computed anew, from the kept maps around it
(Nakandala, Kumar & Papakonstantinou 2019, "Incremental and approximate inference for faster
occlusion-based deep CNN explanations", SIGMOD; their system is called Krypton). Nothing here is
approximate.

The network's own ``forward`` runs on :mod:`cnnlib.inside.patches`. Each torch function that meets a
patch has a rule in :mod:`cnnlib.inside.patch_rules`, or none: then the full maps are put together,
and from there on the network computes as always.

A write is followed where it stays inside one tensor. :class:`CannotFollowError` comes of a write
that would reach a patch through another tensor's memory, of a write of what depends on the occluder
into what does not, and of code that takes numbers out of a tensor or reads it past torch's Python
functions.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnlib.calls import NUMBERS, Call, Rules, memory_of, own_name, tensors
from cnnlib.inside.patches import (
    CannotFollowError,
    CrowdedError,
    Occluded,
    Patch,
    Whole,
    assemble,
    make_patch,
)

#: Bytes that the full maps of one batch may take.
ROOM = 256 * 2**20

Result = TypeVar("Result")


class Record:
    """What each call of the network gives for ``image``, (1, C, H, W), kept for all places.

    ``rules`` say what a call does to patches. Runs over the network are alike: the same calls in
    the same order.
    """

    def __init__(self, image: Tensor, rules: Rules) -> None:
        self.image = image
        self.rules = rules
        self.kept: list[tuple[str, Any]] = []
        self.padded: dict[tuple, Tensor] = {}
        self.count = 0
        #: Copies of patches that views have been given out of, by their memory, and their versions.
        self.lent: dict[int, tuple[Tensor, int]] = {}
        self.refusal: CannotFollowError | CrowdedError | None = None

    def run(
        self,
        network: Callable[[Tensor], Result],
        crops: Tensor,
        tops: Sequence[int],
        lefts: Sequence[int],
    ) -> Result:
        """``network`` on the image with ``crops`` (places, C, h, w) at (tops, lefts).

        Raises :class:`CannotFollowError` and :class:`CrowdedError`, also where the network catches
        them or makes another exception of them.
        """
        self.count, self.lent, self.refusal = 0, {}, None
        try:
            out = network(make_patch(self, self.image, crops, (tuple(tops), tuple(lefts))))
            for copy, version in self.lent.values():
                if copy._version != version:
                    raise self.refuse("something writes into a view")
        finally:
            if self.refusal is not None:
                raise self.refusal
        return out

    def refuse(self, why: str) -> CannotFollowError:
        """The exception to raise where patches cannot be followed."""
        self.refusal = CannotFollowError(why)
        return self.refusal

    def unoccluded(self, call: Call) -> Any:
        """What a call gives for the image as it is."""
        name = call.func.__name__
        if self.count == len(self.kept):
            if call.writes:  # others may still read what is written over
                call = call.swapped({id(call.first): call.first.clone()})
            self.kept.append((name, call.run()))
        before, out = self.kept[self.count]
        if before != name:
            raise self.refuse(f"{name} in place of {before}: another way than before")
        self.count += 1
        return out

    def with_border(self, base: Tensor, border: tuple[int, ...], value: float) -> Tensor:
        if not any(border):
            return base
        key = (id(base), border, value)
        if key not in self.padded:
            self.padded[key] = F.pad(base, border, value=value)
        return self.padded[key]

    def check_room(self, places: int, base: Tensor, shape: Sequence[int]) -> None:
        area = math.prod(shape) * base.numel() // math.prod(base.shape[-2:])
        if places > 1 and places * area * base.element_size() > ROOM:
            self.refusal = CrowdedError()
            raise self.refusal

    def meet(self, call: Call) -> Any:
        """What a call gives that has something occluded among its tensors."""
        mine = {id(t): t for t in call.tensors if isinstance(t, Occluded)}
        patches = [tensor for tensor in mine.values() if isinstance(tensor, Patch)]
        name, first, writes = call.name, call.first, call.writes
        self._check(call)
        rule = self.rules.get(name) if patches else None
        if rule is None or (writes and isinstance(first, Whole)):
            out = NotImplemented
        else:
            out = rule(call)
        if out is NotImplemented:
            if writes and isinstance(first, Patch):
                raise self.refuse(f"{name} writes full maps into a patch")
            return self._in_full(call, mine)
        if writes:
            first.__dict__.update(out.__dict__)
            return first
        _mark_views(name, out, patches)
        return out

    def _check(self, call: Call) -> None:
        """Refuse what cannot be followed, whatever else the call does."""
        name, first = call.name, call.first
        if torch.is_inference_mode_enabled():
            raise self.refuse("the network computes in inference mode, where writes leave no trace")
        if own_name(call.func) in NUMBERS:
            raise self.refuse(f"{name} takes numbers out of a tensor")
        if own_name(call.func) in _MEMORY or call.kwargs.get("out") is not None:
            raise self.refuse(f"{name} writes into a tensor's memory")
        if call.writes and not isinstance(first, Occluded):
            raise self.refuse(f"{name} writes what depends on the occluder into what does not")
        if call.writes and isinstance(first, Patch) and first.viewed:
            raise self.refuse(f"{name} writes into a tensor that has other views")

    def _in_full(self, call: Call, mine: Mapping[int, Occluded]) -> Any:
        """The call on full maps. What it writes and what it gives a view of is looked at."""
        full = {key: assemble(tensor) for key, tensor in mine.items()}
        call = call.swapped(full)
        given = [(tensor, _version(tensor)) for tensor in call.tensors]
        out = call.run()
        for tensor, version in given:
            read_by_others = not isinstance(tensor, Whole) or memory_of(tensor) in self.lent
            if _version(tensor) != version and read_by_others:
                raise self.refuse(f"{call.name} writes into a tensor that others read")
        copies = {memory_of(full[k]): t for k, t in mine.items() if isinstance(t, Patch)}
        others = {memory_of(t) for t, _ in given} - {memory_of(t) for t in full.values()}
        for tensor in tensors(out):
            patch = copies.get(memory_of(tensor))
            if patch is not None and not patch.is_whole:
                copy = full[id(patch)]
                self.lent[memory_of(copy)] = copy, copy._version
                patch.viewed = True
        return _marked(out, self, others)


def _marked(tree: Any, record: Record, others: set[int]) -> Any:
    """Nested results; what depends on the occluder is known by it. Views of ``others`` do not."""
    if isinstance(tree, Tensor):
        if isinstance(tree, Occluded) or memory_of(tree) in others:
            return tree
        whole = tree.as_subclass(Whole)
        whole.record = record
        return whole
    if isinstance(tree, list | tuple) and any(True for _ in tensors(tree)):
        return type(tree)(_marked(branch, record, others) for branch in tree)
    return tree


def _mark_views(name: str, out: Any, patches: Sequence[Patch]) -> None:
    """Mark patches that may share memory, so that nothing is written into them."""
    found = [tensor for tensor in tensors(out) if isinstance(tensor, Patch)]
    shared = {memory_of(patch.crop) for patch in patches} & {
        memory_of(patch.crop) for patch in found
    }
    for patch in (*patches, *found):
        if name in _MAY_BE_VIEWS or memory_of(patch.crop) in shared:
            patch.viewed = True


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


#: Functions that give their argument itself or a copy, as its memory is laid out.
_MAY_BE_VIEWS = {"contiguous", "reshape", "flatten", "view", "unflatten", "detach"}

#: They take hold of a tensor's memory, or give it another.
_MEMORY = {"data_ptr", "storage", "untyped_storage", "_typed_storage", "__set__", "set_", "map_"}
_MEMORY |= {"apply_", "map2_", "resize_", "resize_as_", "share_memory_"}
