"""What a student's program returns, made plain: what JSON can hold, and nothing else.

MicroPython runs this file on the page as Python runs it here, so it imports nothing.
"""

MOST = 100_000  # values in one answer
DEEPEST = 12  # lists in lists
LARGEST = 1 << 1024  # beyond all decimals; JavaScript has no larger number


class NotPlain(Exception):
    """The value cannot be made plain. ``str(error)`` shows it, shortened."""


def plain(value):
    """``value`` as True, False, None, whole numbers, decimals, texts, lists and dictionaries.

    Lists stand for whatever gives its values in an order: tuples, ranges, arrays, tensors, maps,
    generators. Numbers are whatever is one real number, such as a tensor without axes.

    Raises:
        NotPlain: for nan and infinity, which JSON has not, for whole numbers of more than 308
            digits, and for all that is none of these.
    """
    room = [MOST]
    try:
        return _plain(value, DEEPEST, room)
    except NotPlain:
        raise NotPlain(shown(value)) from None


def shown(value, most=200):
    """``value`` as text of at most ``most`` characters, whatever its ``repr`` does."""
    try:
        text = repr(value)
    except Exception:  # the student's own __repr__ may fail in any way
        text = "a " + type(value).__name__
    return text if len(text) <= most else text[: most - 2] + " …"


def _plain(value, depth, room):
    room[0] -= 1
    if depth == 0 or room[0] < 0:
        raise NotPlain
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        if not -LARGEST < int(value) < LARGEST:
            raise NotPlain
        return int(value)
    if isinstance(value, float):
        return _finite(float(value))
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise NotPlain
        return {str(key): _plain(one, depth - 1, room) for key, one in value.items()}
    if isinstance(value, (bytes, bytearray, complex, set, frozenset)):
        raise NotPlain
    if hasattr(value, "detach"):  # a tensor, with its gradient
        value = value.detach()
    if hasattr(value, "tolist"):  # a tensor, an array, or one number of it
        return _plain(value.tolist(), depth, room)
    if hasattr(value, "__float__"):  # a fraction, a decimal
        return _finite(float(value))
    try:
        values = iter(value)  # MicroPython's range has no __iter__ to be asked for
    except TypeError:
        raise NotPlain from None
    return [_plain(one, depth - 1, room) for one in values]


def _finite(number):
    if number != number or number in (float("inf"), float("-inf")):
        raise NotPlain
    return number
