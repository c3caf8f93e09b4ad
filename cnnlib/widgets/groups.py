"""Channels as strands: dense, grouped, depthwise, pointwise, separable, and with a shuffle."""

from collections.abc import Sequence
from typing import Any

from cnnlib.widgets import svg
from cnnlib.widgets.groups_sums import (
    CHANNELS,
    GROUPED,
    KINDS,
    MAPS,
    SIZES,
    bundles,
    column_groups,
    divisors,
    reached,
    rivals,
    runs,
    steps,
    threads,
    weights,
)
from cnnlib.widgets.plots import INKS
from cnnlib.widgets.settling import Settled, Settling, State
from cnnlib.widgets.widget import Choice, TeachingWidget
from cnnlib.widgets.words import fixed_point, listed

WIDTH, HEIGHT, EDGE = 560, 360, 30  # of the still picture
GAP = 0.16  # of a group's height, left free


class Groups(TeachingWidget, stem="groups"):
    """Which channels a layer connects, and what that costs beside a dense layer.

    What it teaches: groups cut a layer into smaller ones side by side; a depthwise layer is the
    limit; a 1×1 layer connects all channels at one place; the two together are cheap; and two
    layers with the same groups never connect them, unless the channels are shuffled in between.

    ``kind``: one of :data:`cnnlib.widgets.groups_sums.KINDS`. "twice" is two grouped layers in a
    row, from ``in_channels`` to ``out_channels`` and on to as many; "shuffled" is the same with a
    shuffle between. ``in_channels``, ``out_channels``: 1 to 512; a depthwise layer has as many
    outputs as inputs, whatever ``out_channels`` is. ``groups``: for the three grouped kinds, and
    there it divides both. ``kernel_size``: odd, 1 to 11; a pointwise layer has 1×1, and is compared
    with a dense layer of this size. ``map_size``: height and width, 1 to 256. ``output``: the
    number of the output channel that is looked at.

    All of these can be set and observed; what does not exist raises ``ChoiceError``.
    """

    kind = Choice()
    in_channels = Choice()
    out_channels = Choice()
    groups = Choice()
    kernel_size = Choice()
    map_size = Choice()
    output = Choice()

    def __init__(
        self, *, language: str = "en", hidden: Sequence[str] = (), **chosen: int | str
    ) -> None:
        super().__init__({"kinds": KINDS}, FIRST, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        s = Settling(changes, present)
        kind = s.one_of("kind", fixed["kinds"])
        ins = s.whole("in_channels", *CHANNELS)
        outs = s.whole("out_channels", *CHANNELS)
        groups = s.whole("groups", *CHANNELS)
        if kind in GROUPED:
            options = divisors(ins, outs)
            near = max(count for count in options if count <= groups)
            if near != s.wanted("groups"):
                listed = ", ".join(map(str, options))
                s.refuse("groups", "groups.expected", ins=ins, outs=outs, options=listed)
            s.take("groups", near)
        s.one_of("kernel_size", SIZES)
        s.whole("map_size", *MAPS)
        s.whole("output", 0, steps(s.state)[-1].out_channels - 1)
        return s.done()

    def report(self) -> dict[str, Any]:
        """The figures of the present state.

        ``weights`` and ``macs`` of all its layers, ``dense_weights`` and ``dense_macs`` of the
        dense ones beside them, and ``reached``: the input channels that the chosen output depends
        on.
        """
        chosen, places = self.chosen(), self.map_size**2
        ours, theirs = sum(map(weights, steps(chosen))), sum(map(weights, rivals(chosen)))
        return {
            "weights": ours,
            "macs": ours * places,
            "dense_weights": theirs,
            "dense_macs": theirs * places,
            "reached": reached(steps(chosen), self.output)[0],
        }

    def text_alternative(self) -> str:
        layers = steps(self.chosen())
        said = [
            self.words(
                "alt",
                ins=self.in_channels,
                outs=layers[-1].out_channels,
                kind=self.words(f"kind.{self.kind}"),
                map=self.map_size,
            ),
            self._told(),
            self._reach(),
            self._cost(),
        ]
        return " ".join(said)

    def _told(self) -> str:
        """What the kind of layer does: the twin is toldInWords."""
        values = {"size": self.kernel_size, "ins": self.in_channels, "groups": self.groups}
        if self.kind == "grouped":
            values["ins_each"] = self.in_channels // self.groups
            values["outs_each"] = self.out_channels // self.groups
        return self.words(f"told.{self.kind}", **values)

    def _reach(self) -> str:
        say, found = self.words, self.report()["reached"]
        values = {"output": self.output, "ins": self.in_channels, "count": len(found)}
        if len(found) == self.in_channels:
            return say("reach.all", **values)
        if len(found) == 1:
            return say("reach.one", channel=found[0], **values)
        spans = [str(a) if a == b else say("reach.span", first=a, last=b) for a, b in runs(found)]
        if len(spans) > 6:
            return say("reach.many", **values)
        return say("reach.some", which=listed(say, spans), **values)

    def _cost(self) -> str:
        told = self.report()
        key = "two" if self.kind in ("twice", "shuffled") else self.kind
        return self.words(
            f"cost.{key}",
            weights=f"{told['weights']:,}",
            macs=f"{told['macs']:,}",
            share=fixed_point(100 * told["weights"] / told["dense_weights"], 1),
            groups=self.groups,
            ins=self.in_channels,
            outs=self.out_channels,
            area=self.kernel_size**2,
        )

    def still_picture(self) -> str:
        """The strands; those that lead to the chosen output are dark."""
        layers = steps(self.chosen())
        channels = [layers[0].in_channels, *(step.out_channels for step in layers)]
        groups = column_groups(layers)
        dots = [bundles(*pair) for pair in zip(channels, groups, strict=True)]
        across = [EDGE + i * (WIDTH - 2 * EDGE) / len(layers) for i in range(len(channels))]
        down = [_heights(len(d), g) for d, g in zip(dots, groups, strict=True)]
        lit = reached(layers, self.output)
        marks = []
        for chosen in (False, True):
            for i, step in enumerate(layers):
                pairs = threads(step, dots[i], dots[i + 1], lit[i + 1] if chosen else None)
                path = "".join(
                    f"M{across[i]:.0f} {down[i][a]:.1f}L{across[i + 1]:.0f} {down[i + 1][b]:.1f}"
                    for a, b in pairs
                )
                marks.append(_strands(path, chosen, len(pairs), moved=step.kernel_size == 0))
        inks = [INKS["input"], *[INKS["ink"]] * (len(layers) - 1), INKS["output"]]
        for x, column, heights, ink, here in zip(across, dots, down, inks, lit, strict=True):
            radius = min(6.0, 0.42 * HEIGHT / len(column))
            for (first, last), y in zip(column, heights, strict=True):
                fill = ink if any(first <= c <= last for c in here) else INKS["paper"]
                marks.append(svg.element("circle", cx=x, cy=y, r=radius, fill=fill, stroke=ink))
        most = max(last - first + 1 for column in dots for first, last in column)
        note = [svg.paragraph(self.words("bundled", most=most))] if most > 1 else []
        picture = svg.drawing(WIDTH, HEIGHT + 16, *marks)
        return svg.join([picture, svg.paragraph(self.text_alternative()), *note])


FIRST = {
    "kind": "grouped",
    "in_channels": 32,
    "out_channels": 48,
    "groups": 2,
    "kernel_size": 3,
    "map_size": 28,
    "output": 0,
}


def _heights(count: int, groups: int) -> list[float]:
    """Where the dots of a column stand: the groups apart, where there are few."""
    parts = groups if groups <= count else count
    each = count // parts
    gap = GAP if 2 <= parts <= 16 else 0.0
    return [
        8 + HEIGHT * (i // each + gap / 2 + (1 - gap) * (i % each + 0.5) / each) / parts
        for i in range(count)
    ]


def _strands(path: str, chosen: bool, count: int, moved: bool) -> svg.Markup:
    """All strands of a layer as one path: pale, or those that are chosen."""
    ink = INKS["muted"] if moved else INKS["kernel"]
    return svg.element(
        "path",
        d=path,
        fill="none",
        stroke=ink,
        stroke_width=1.5 if chosen else 1,
        stroke_opacity=1 if chosen else min(0.6, max(0.08, 40 / max(count, 1))),
        stroke_dasharray="4 3" if moved else None,
    )
