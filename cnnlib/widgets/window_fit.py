"""Every window along one axis, counted in three ways: AlexNet's, torch's, and with ceil_mode."""

from collections.abc import Sequence
from typing import NamedTuple

from cnnlib.geometry import Window, covering_size, output_size, unread_inputs
from cnnlib.widgets import svg
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import span

MOST = {"size": 256, "kernel_size": 16, "stride": 16, "padding": 8}
LEAST = {"size": 1, "kernel_size": 1, "stride": 1, "padding": 0}

# (size, kernel_size, stride, padding): AlexNet's first layer in three ways, and its pooling.
PRESETS = ((224, 11, 4, 0), (227, 11, 4, 0), (224, 11, 4, 2), (55, 3, 2, 0), (110, 3, 2, 0))

WIDTH, TALL = 640, 48  # the still picture: an axis' width, and the height of its windows


class Fit(NamedTuple):
    """How many windows one way of counting finds, and what they leave.

    ``count`` is 0 where the way has no answer; ``why`` is then what is too large, "kernel" or
    "padding". ``over`` columns of the last window lie behind the padded input. ``dropped`` windows
    would cover the input's end but start behind its last pixel. ``unread`` are runs of pixels,
    [first, last], that no window reads.
    """

    way: str
    count: int = 0
    why: str = ""
    over: int = 0
    dropped: int = 0
    unread: list[list[int]] = []


def fits(size: int, kernel_size: int, stride: int, padding: int) -> list[Fit]:
    """The three ways: ``authors`` (:func:`covering_size`), ``floor`` and ``ceil``, torch's two.

    torch rounds up for pools only, and a pool takes padding up to half of its kernel: with more,
    ``ceil`` has no answer.
    """
    window = Window(kernel_size, stride, padding)
    ways = {
        "authors": (covering_size, window),
        "floor": (output_size, window),
        "ceil": (output_size, Window(kernel_size, stride, padding, ceil_mode=True)),
    }
    found = []
    for way, (count_windows, used) in ways.items():
        if way == "ceil" and padding > kernel_size // 2:
            found.append(Fit(way, why="padding"))
            continue
        try:
            count = count_windows(size, used)
        except ValueError:
            found.append(Fit(way, why="kernel"))
            continue
        end = (count - 1) * stride + kernel_size
        found.append(
            Fit(
                way,
                count,
                over=min(kernel_size, max(0, end - size - 2 * padding)),
                dropped=int(way == "ceil" and end < size + 2 * padding),
                unread=_runs(unread_inputs(size, window, count)),
            )
        )
    return found


def _runs(places: Sequence[int]) -> list[list[int]]:
    """Ascending places as runs, [first, last]."""
    runs: list[list[int]] = []
    for place in places:
        if runs and runs[-1][1] == place - 1:
            runs[-1][1] = place
        else:
            runs.append([place, place])
    return runs


class WindowFit(TeachingWidget, stem="window_fit"):
    """All windows along an axis of ``size`` pixels, a row for each of three ways of counting.

    ``presets`` are (size, kernel_size, stride, padding), a button each; the first is shown first.

    What the reader chooses can be set and observed: ``size``, ``kernel_size``, ``stride`` and
    ``padding`` (on both ends), whole numbers within :data:`LEAST` and :data:`MOST`.

    Raises ``ValueError`` for a setting outside, or where there are no presets.
    """

    size = Choice()
    kernel_size = Choice()
    stride = Choice()
    padding = Choice()

    def __init__(
        self,
        presets: Sequence[Sequence[int]] = PRESETS,
        *,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: int,
    ) -> None:
        if not presets:
            raise ValueError("presets=(): expected at least one")
        settings = [dict(zip(MOST, preset, strict=True)) for preset in presets]
        for preset in settings:
            for name, value in preset.items():
                if type(value) is not int or not LEAST[name] <= value <= MOST[name]:
                    raise ValueError(
                        f"presets: {name}={value!r}: expected a whole number from {LEAST[name]} "
                        f"to {MOST[name]}"
                    )
        fixed = {"presets": settings, "least": LEAST, "most": MOST}
        super().__init__(fixed, settings[0], chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        for name, most in fixed["most"].items():
            s.whole(name, fixed["least"][name], most)
        return s.done()

    def fits(self) -> list[Fit]:
        """The present setting's :class:`Fit` for each way of counting."""
        return fits(**self.chosen())

    def tell(self, fit: Fit) -> str:
        """One way's answer in sentences."""
        say, size, kernel, padding = self.words, self.size, self.kernel_size, self.padding
        if fit.why == "kernel":
            return say("none.kernel", kernel=kernel, padded=size + 2 * padding)
        if fit.why == "padding":
            return say("none.padding", most=kernel // 2)
        start = (fit.count - 1) * self.stride - padding
        columns = span(say, "column", range(start, start + kernel))
        told = [say("windows", count=fit.count, columns=columns)]
        if fit.over:
            told.append(say("over.ceil" if fit.way == "ceil" else "over.authors", over=fit.over))
        if start >= size:
            told.append(say("behind"))
        if fit.dropped:
            told.append(say("dropped"))
        return " ".join([*told, self._unread(fit.unread)])

    def _unread(self, runs: Sequence[Sequence[int]]) -> str:
        say = self.words
        if not runs:
            return say("unread.none")
        if len(runs) > 1:
            return say("unread.many", count=sum(last - first + 1 for first, last in runs))
        [[first, last]] = runs
        return say("unread.one" if first == last else "unread.run", first=first, last=last)

    def text_alternative(self) -> str:
        told = [f"{self.words(fit.way)}: {self.tell(fit)}" for fit in self.fits()]
        return " ".join([self.words("alt", **self.chosen()), *told])

    def still_picture(self) -> str:
        parts = [svg.paragraph(self.words("alt", **self.chosen()))]
        for fit in self.fits():
            parts.append(svg.element("p", svg.element("strong", self.words(fit.way))))
            parts.append(self._strip(fit))
            parts.append(svg.paragraph(self.tell(fit)))
        return svg.join(parts)

    def _strip(self, fit: Fit) -> svg.Markup:
        """The axis with one way's windows over it; all ways have the same axis."""
        size, kernel, stride, padding = self.size, self.kernel_size, self.stride, self.padding
        ends = [(f.count - 1) * stride + kernel - padding for f in self.fits() if f.count]
        low, high = -padding, max([size + padding, *ends])
        at = (WIDTH - 2) / (high - low)

        def box(first: int, stop: int, y: float, height: float, **more: str) -> svg.Markup:
            x, width = 1 + (first - low) * at, (stop - first) * at
            return svg.element("rect", x=x, y=y, width=max(width, 1), height=height, **more)

        lanes = -(-kernel // stride)
        pitch = TALL / lanes
        marks = [
            box(-padding, size + padding, TALL + 2, 12, fill="#eceef1", stroke="#8c959f"),
            box(0, size, TALL + 2, 12, fill="#d5e7fa", stroke="#0b62b8"),
            *(box(a, b + 1, TALL + 2, 12, fill="#a4161a") for a, b in fit.unread),
        ]
        for number in range(fit.count):
            start, hangs = number * stride - padding, fit.over and number == fit.count - 1
            colours = {"fill": "#ffe3c7", "stroke": "#a4161a" if hangs else "#9a4a00"}
            y = (number % lanes) * pitch
            marks.append(box(start, start + kernel, y, max(pitch - 1, 2), **colours))
        return svg.drawing(WIDTH, TALL + 16, *marks)
