"""The reader's own network: layers put together, with all that follows from them at once."""

from collections.abc import Sequence
from typing import Any

from cnnlib.rows import LayerTrace
from cnnlib.widgets import network_builder_plan, svg
from cnnlib.widgets.network_builder_code import write_code
from cnnlib.widgets.network_builder_plan import BLOCKS, KINDS, layers_of, settings_of
from cnnlib.widgets.network_builder_presets import PRESETS
from cnnlib.widgets.network_builder_sums import Built, Entry, build, kept_bytes, times
from cnnlib.widgets.settling import Settled, State
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import Words, fixed_point


class NetworkBuilder(TeachingWidget, stem="network_builder"):
    """A list of layers and branches to add to, set and order; shapes, costs and fields beside it.

    ``preset`` is a key of :data:`cnnlib.widgets.network_builder_presets.PRESETS`: what is there at
    first. What the reader chooses can be set and observed: ``plan``, the network
    (:mod:`cnnlib.widgets.network_builder_plan` says how it is written); ``input``, an image's
    [channels, height, width]; ``batch``, the images of a batch; and ``selected``, the path of the
    layer whose settings are shown.

    Raises ``ValueError`` for a preset that does not exist, and for a plan that is none. A plan
    whose layers do not fit each other is one: :meth:`built` has the faults.
    """

    plan = Choice()
    input = Choice()
    batch = Choice()
    selected = Choice()

    def __init__(
        self,
        preset: str = "lenet",
        *,
        language: str = "en",
        hidden: Sequence[str] = (),
        **chosen: Any,
    ) -> None:
        if preset not in PRESETS:
            raise ValueError(f"preset={preset!r}: expected one of {', '.join(PRESETS)}")
        fixed = {"presets": {key: one._asdict() for key, one in PRESETS.items()}}
        first = {**PRESETS[preset]._asdict(), "batch": 32, "selected": [0]}
        super().__init__(fixed, first, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        return network_builder_plan.settled(changes, present, fixed)

    def built(self) -> Built:
        """The rows of the present network and an entry for each place, with its fault if any."""
        return build(self.plan, self.input)

    def rows(self) -> list[LayerTrace]:
        """The rows, as :func:`cnnlib.trace.trace` gives them for the module of :meth:`code`."""
        return self.built().rows

    def code(self) -> str:
        """The module's text. Raises ``ValueError`` with the reason where a layer does not fit."""
        for path, why in self.faults().items():
            raise ValueError(f"{self._title(path)} {list(path)}: {why}")
        return write_code(self.plan, self.built())

    def faults(self) -> dict[tuple[int, ...], str]:
        """Why each layer that does not fit cannot do its work, by its path."""
        return {entry.path: self._why(entry) for entry in self.built().entries if entry.fault}

    # Words

    def _why(self, entry: Entry) -> str:
        return self.words(entry.fault.key, **entry.fault.values)

    def _title(self, path: tuple[int, ...]) -> str:
        """A layer and its settings in words: Convolution, 5×5, 6 channels."""
        if len(path) % 2 == 0:
            return (
                self.words("kind.branch", number=path[-1] + 1) if path else self.words("kind.input")
            )
        return describe(self.words, dict(layers_of(self.plan))[path])

    def text_alternative(self) -> str:
        built, say = self.built(), self.words
        told = [say("alt", count=len(list(layers_of(self.plan))), shape=times(self.input))]
        told += [f"{self._title(path)}: {why}" for path, why in self.faults().items()]
        told.append(
            say("spoken.all", parameters=count(built.rows, "parameters"),
                macs=count(built.rows, "macs"))
        )  # fmt: skip
        return " ".join(told)

    # On paper

    def still_picture(self) -> str:
        """The list of layers as a table."""
        built, say = self.built(), self.words
        kept = kept_bytes(built.rows, self.input, self.batch)
        heads = (
            "all.layer",
            "all.shape",
            "fact.parameters",
            "fact.macs",
            "fact.memory",
            "fact.field",
        )
        lines = [_line("th", [say(key) for key in heads])]
        for entry in built.entries:
            margin = "\u2003" * max(0, len(entry.path) - 1)
            lines.append(_line("td", [margin + self._title(entry.path), *self._facts(entry, kept)]))
            if entry.fault:
                cell = svg.element("td", margin + self._why(entry), colspan="6")
                lines.append(svg.element("tr", cell))
        end = [
            count(built.rows, "parameters"),
            count(built.rows, "macs"),
            write_bytes(say, sum(kept)),
        ]
        lines.append(_line("th", [say("all"), "", *end, ""]))
        caption = say("all.memory", count=self.batch)
        return svg.element("table", *lines) + svg.paragraph(f"{caption}. {say('all.counted')}")

    def _facts(self, entry: Entry, kept: Sequence[int]) -> list[str]:
        built = self.built().rows
        if entry.shape is None:
            return ["–"] * 5
        own = built[entry.first : entry.end]
        held = kept[:1] if not entry.path else kept[entry.first + 1 : entry.end + 1]
        field = [one.size for one in built[entry.row].field] if entry.row >= 0 else [1, 1]
        return [
            times(entry.shape),
            count(own, "parameters"),
            count(own, "macs"),
            write_bytes(self.words, sum(held)),
            times(field),
        ]


def _line(tag: str, cells: Sequence[str]) -> str:
    first, *others = cells
    style = "text-align: left; padding: 0 0.6em 0 0"
    beside = f"{style}; white-space: nowrap"
    return svg.element(
        "tr",
        svg.element(tag, first, style=style),
        *(svg.element(tag, cell, style=beside) for cell in others),
    )


def count(rows: Sequence[LayerTrace], name: str) -> str:
    """The sum of what all rows have of something: 1,234."""
    return f"{sum(getattr(row, name) for row in rows):,}"


def describe(say: Words, layer: Sequence) -> str:
    """A layer and its settings in words; those that have their defaults are left out."""
    kind = layer[0]
    if kind in BLOCKS:
        return say(f"kind.{kind}")
    found, told = settings_of(layer), [say(f"kind.{kind}")]
    for setting in KINDS[kind]:
        name, value = setting.name, found[setting.name]
        if name == "bias":
            told += [] if value else [say("say.no_bias")]
        elif name == "ceil_mode":
            told += [say("say.ceil_mode")] if value else []
        elif name == "kernel_size":
            told.append(say("say.kernel_size", size=times(_pair(value))))
        elif name == "padding":
            told += [say("say.padding", size=_once(value))] if any(_pair(value)) else []
        elif name in ("stride", "dilation") and value == 1:
            continue
        elif name != "groups" or value > 1 or kind == "shuffle":
            told.append(say(f"say.{name}", count=value))
    return ", ".join(told)


def _pair(value: int | Sequence[int]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def _once(value: int | Sequence[int]) -> str:
    """A pair of equal numbers as one of them."""
    rows, columns = _pair(value)
    return str(rows) if rows == columns else times([rows, columns])


def write_bytes(say: Words, bytes_: int) -> str:
    """``61.0 MB``, as the page writes it: GB from 10^9 bytes on, MB from 10^5 on, kB below."""
    if bytes_ == 0:
        return "0"
    if bytes_ >= 10**9:
        return say("bytes.gb", number=fixed_point(bytes_ / 10**9, 2))
    if bytes_ >= 10**5:
        return say("bytes.mb", number=fixed_point(bytes_ / 10**6, 1))
    return say("bytes.kb", number=fixed_point(bytes_ / 10**3, 1))
