"""Where a unit looks, and which units look at it: exact integers, one axis at a time.

A layer's geometry is a :class:`Window` on each axis. Everything else here follows from one rule.
Tap ``k`` of output ``i`` of a forward window reads the input position

    ``i * stride - before + k * dilation``        (``before``: the padding in front)

and a transposed window has the same rule with input and output changing places (Dumoulin & Visin
2016, "A guide to convolution arithmetic for deep learning", section 4). Positions below 0, or at
``size`` and above, lie in the padding.

Receptive fields follow Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional
neural networks", Distill, equations 1-4.
"""

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import gcd
from typing import NamedTuple


def whole_number(value: object, name: str, least: int | None = None) -> int:
    """``value`` as an ``int``, if it is a whole number: ``int``, numpy's, a tensor of one number.

    True and False are none, nor is 3.0. ``least`` is the smallest number that is allowed. Raises
    ``ValueError`` that names the value, what it was given for (``name``) and what was expected.
    """
    kind = str(getattr(value, "dtype", type(value).__name__)).rpartition(".")[2]
    try:
        if kind.startswith("bool") or tuple(getattr(value, "shape", ())):
            raise TypeError
        number = int(operator.index(value))
    except (TypeError, ValueError, RuntimeError):  # RuntimeError: a tensor without content
        raise ValueError(f"{name}={value!r}: expected a whole number") from None
    if least is not None and number < least:
        raise ValueError(f"{name}={number}: expected {least} or more")
    return number


@dataclass(frozen=True)
class Window:
    """A layer's window along one axis, in torch's words.

    ``padding`` is a number for both ends or a pair ``(before, after)``; an equal pair is stored as
    the number. ``transposed`` makes it the window of a transposed convolution, where ``padding``
    crops the output and ``output_padding`` adds positions at its end. ``ceil_mode`` is torch's
    rounding up for pools.

    Raises ``ValueError`` for every setting that torch's layers refuse.
    """

    kernel_size: int
    stride: int = 1
    padding: int | tuple[int, int] = 0
    dilation: int = 1
    output_padding: int = 0
    transposed: bool = False
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        numbers = {"kernel_size": 1, "stride": 1, "dilation": 1, "output_padding": 0}
        for name, least in numbers.items():
            object.__setattr__(self, name, whole_number(getattr(self, name), name, least))
        padding = self.padding
        if isinstance(padding, tuple | list):
            if len(padding) != 2:
                raise ValueError(f"padding={padding!r}: expected one number or (before, after)")
            before, after = (whole_number(amount, "padding", 0) for amount in padding)
            padding = before if before == after else (before, after)
        else:
            padding = whole_number(padding, "padding", 0)
        object.__setattr__(self, "padding", padding)
        for name in ("transposed", "ceil_mode"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name}={getattr(self, name)!r}: expected True or False")
        if self.output_padding and not self.transposed:
            raise ValueError(
                f"output_padding={self.output_padding}: only a transposed window has output padding"
            )
        if self.output_padding >= max(self.stride, self.dilation):
            raise ValueError(
                f"output_padding={self.output_padding}: must be smaller than stride={self.stride} "
                f"or dilation={self.dilation}"
            )
        if self.ceil_mode and self.transposed:
            raise ValueError("ceil_mode=True: a transposed window has no rounding to do")

    @property
    def before(self) -> int:
        """Padding in front of position 0."""
        return self.padding[0] if isinstance(self.padding, tuple) else self.padding

    @property
    def after(self) -> int:
        """Padding behind the last position."""
        return self.padding[1] if isinstance(self.padding, tuple) else self.padding

    @property
    def span(self) -> int:
        """Positions from the first tap to the last, gaps included: dilation * (kernel - 1) + 1."""
        return self.dilation * (self.kernel_size - 1) + 1

    @property
    def period(self) -> "Period":
        """After how many units what they read repeats itself, and how many inputs further on."""
        return Period(self.stride, 1) if self.transposed else Period(1, self.stride)


class Period(NamedTuple):
    """Unit ``i + units`` reads what unit ``i`` reads, ``step`` input positions further on."""

    units: int
    step: int


@dataclass(frozen=True)
class Field:
    """What a layer's units see: unit ``i`` sees ``[start + i*stride, start + i*stride + size)``.

    ``stride`` is the effective stride and ``-start`` the effective padding of Araujo et al. 2019,
    all in input positions.
    """

    size: int
    stride: int
    start: int


def output_size(size: int, window: Window) -> int:
    """Number of outputs of ``window`` along an axis of ``size`` inputs.

    Forward: ``floor((size + before + after - span) / stride) + 1`` (relationship 6 and, with
    dilation, 15 of Dumoulin & Visin 2016). With ``ceil_mode`` the division rounds up, but a window
    that would start behind the input, in the padding at its end, is dropped, as in torch.
    Transposed: ``(size - 1) * stride - before - after + span + output_padding``.
    """
    size = whole_number(size, "size", 1)
    if window.transposed:
        count = (
            (size - 1) * window.stride
            - (window.before + window.after)
            + window.span
            + window.output_padding
        )
        if count < 1:
            raise ValueError(f"size={size}: nothing is left after {window} crops its padding")
        return count
    free = size + window.before + window.after - window.span
    count = (free + (window.stride - 1 if window.ceil_mode else 0)) // window.stride + 1
    if window.ceil_mode and (count - 1) * window.stride >= size + window.before:
        count -= 1
    if count < 1:
        raise _too_small(size, window)
    return count


def covering_size(size: int, window: Window) -> int:
    """Number of windows that cover an axis of ``size`` inputs; the last may hang over its end.

    ``1 + ceil((size + before + after - span) / stride)``: so the code that AlexNet's authors
    released counts (cuda-convnet, with Krizhevsky, Sutskever & Hinton 2012), and what hangs over
    counts as zeros there. It refuses a window that is larger than the padded input, and drops none,
    not even one that starts behind the input: ``ceil_mode`` of :func:`output_size` differs in both.

    Raises ``ValueError`` for a window that is larger than the padded input, or a transposed one.
    """
    size = whole_number(size, "size", 1)
    if window.transposed:
        raise ValueError(f"{window}: expected a forward window, for it is to cover its input")
    free = size + window.before + window.after - window.span
    if free < 0:
        raise _too_small(size, window)
    return 1 - (-free // window.stride)


def unread_inputs(size: int, window: Window, count: int) -> list[int]:
    """The positions of an axis of ``size`` that none of ``count`` windows reads, ascending."""
    read = {place for unit in range(count) for place in read_by(window, unit)}
    return [place for place in range(whole_number(size, "size", 1)) if place not in read]


def input_indices(window: Window, size: int, index: int) -> range:
    """Input positions that output ``index`` reads, ascending, those in the padding included.

    Positions below 0 or at ``size`` and above are padding. A transposed window reads the positions
    whose kernel copy covers ``index``; for it, too, positions outside the input hold nothing.
    """
    return read_by(window, _index(index, output_size(size, window)))


def read_by(window: Window, unit: int) -> range:
    """What a unit reads where the axis has no ends, so that any whole number is a unit."""
    return _sources(window, unit) if window.transposed else _targets(window, unit)


def output_indices(window: Window, size: int, index: int) -> range:
    """Outputs that input ``index`` feeds, ascending; only outputs that exist."""
    count = output_size(size, window)
    index = _index(index, whole_number(size, "size", 1))
    reached = _targets(window, index) if window.transposed else _sources(window, index)
    return _clip(reached, count)


def receptive_field(windows: Iterable[Window]) -> Field:
    """Receptive field of a unit at the end of a chain of forward (also dilated) windows.

    ``size`` is the field as if there were no border; ``start`` is where unit 0's field begins and
    is negative where padding is seen (Araujo et al. 2019, equations 1-4).
    """
    size, stride, start = 1, 1, 0
    for window in windows:
        if window.transposed:
            raise ValueError(
                f"{window}: the field of a transposed window differs from unit to unit; "
                "use input_range"
            )
        start -= window.before * stride
        size += (window.span - 1) * stride
        stride *= window.stride
    return Field(size, stride, start)


def input_range(windows: Sequence[Window], size: int, index: int, clip: bool = True) -> range:
    """First to last input that unit ``index`` at the end of the chain reads, as a range.

    Any chain, transposed windows included. With ``clip`` only real inputs count: what a layer's
    padding holds is nobody's output and is not followed further down. Without it, every layer goes
    on beyond its border, and the answer may begin below 0 or end behind ``size``. Empty where the
    unit reads nothing (a transposed window with gaps).
    """
    sizes = _sizes(windows, size)
    reached = {_index(index, sizes[-1])}
    for window, below in zip(reversed(windows), reversed(sizes[:-1]), strict=True):
        reached = {i for unit in reached for i in read_by(window, unit)}
        if clip:
            reached = {i for i in reached if 0 <= i < below}
    return _hull(reached)


def output_range(windows: Sequence[Window], size: int, indices: Iterable[int]) -> range:
    """Projective field: first to last unit at the end of the chain that ``indices`` can reach."""
    sizes = _sizes(windows, size)
    reached = {_index(index, sizes[0]) for index in indices}
    for window, below in zip(windows, sizes[:-1], strict=True):
        reached = {i for unit in reached for i in output_indices(window, below, unit)}
    return _hull(reached)


def _targets(window: Window, index: int) -> range:
    """The positions under a kernel whose own place is ``index``: the rule of this module."""
    first = index * window.stride - window.before
    return range(first, first + window.span, window.dilation)


def _sources(window: Window, position: int) -> range:
    """The kernel places ``i`` with ``position`` among their targets: the rule, solved for ``i``.

    ``i * stride = position + before - k * dilation`` for some tap ``k``. Two taps that both divide
    are ``stride / gcd`` apart, so the places form a range of step ``dilation / gcd``.
    """
    places = [
        (position + window.before - tap * window.dilation) // window.stride
        for tap in reversed(range(window.kernel_size))
        if (position + window.before - tap * window.dilation) % window.stride == 0
    ]
    if not places:
        return range(0)
    step = window.dilation // gcd(window.dilation, window.stride)
    return range(places[0], places[-1] + 1, step)


def _too_small(size: int, window: Window) -> ValueError:
    return ValueError(
        f"size={size}: with padding {window.before}+{window.after} it is smaller than the "
        f"window's span of {window.span}"
    )


def _sizes(windows: Sequence[Window], size: int) -> list[int]:
    """Sizes along the chain, the input first."""
    sizes = [whole_number(size, "size", 1)]
    for window in windows:
        sizes.append(output_size(sizes[-1], window))
    return sizes


def _clip(indices: range, size: int) -> range:
    """The part of ``indices`` inside ``[0, size)``."""
    inside = [i for i in indices if 0 <= i < size]
    return range(inside[0], inside[-1] + 1, indices.step) if inside else range(0)


def _hull(indices: set[int]) -> range:
    return range(min(indices), max(indices) + 1) if indices else range(0)


def _index(index: int, size: int) -> int:
    try:
        number = whole_number(index, "index")
    except ValueError:
        number = -1
    if not 0 <= number < size:
        raise ValueError(f"index={index!r}: expected a whole number from 0 to {size - 1}")
    return number
