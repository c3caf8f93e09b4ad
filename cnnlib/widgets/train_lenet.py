"""Train LeNet-5 or the modern LeNet on the reader's own machine."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnlib.widgets import svg
from cnnlib.widgets.count_pictures import count_picture
from cnnlib.widgets.live_widget import LiveWidget
from cnnlib.widgets.pixels import PALETTES, Scale, palette
from cnnlib.widgets.plots import INKS, draw_plot
from cnnlib.widgets.settling import Settled, Settling
from cnnlib.widgets.train_lenet_sums import (
    BATCHES,
    DECAY,
    EXAM,
    EXAMINED,
    FALLS,
    KEYS,
    MOMENTUM,
    OPTIMISERS,
    RATES,
    RUBBISH,
    SEEDS,
    SHIFTS,
    course,
    parameters,
)
from cnnlib.widgets.widget import Choice
from cnnlib.widgets.words import fixed_point

WORKED = 4000  # digits that the course in the still picture has seen


def _begin(optimiser: str, rate: float, **others: Any) -> dict[str, Any]:
    plain = {"batch": 20, "labels": "true", "falls": 0, "shift": 0}
    return {"optimiser": optimiser, "rate": rate, **plain, **others}


#: Ways to begin, each a button: what it sets.
PRESETS = {
    "steady": _begin("adamw", 0.002),
    "falling": _begin("adamw", 0.005, falls=40000, shift=1),
    "fast": _begin("sgd", 1),
    "shuffled": _begin("adamw", 0.002, labels="shuffled"),
}
FIRST = {"network": KEYS[0], **PRESETS["steady"], "seed": 1, "guess": 50, "cell": [4, 9]}


class TrainLeNet(LiveWidget, stem="train_lenet"):
    """A LeNet learns 8,000 digits in the page, and is examined on 1,000 that it never learns from.

    What it teaches: what a learning rate, a batch size and an optimiser do, and that learning by
    heart is not learning.

    ``network``, one of ``KEYS``, ``labels``, "true" or "shuffled", and ``seed`` begin a new course;
    ``optimiser``, ``rate``, ``batch``, ``falls`` (in how many digits the rate falls to zero; 0: it
    stays) and ``shift`` (by how many pixels digits are shifted at most) change it on the way.
    The seed fixes the first weights, the order of the digits and their shifts. ``guess`` is the
    reader's prediction, in percent, and ``cell`` a place of the confusion matrix, (label, answer).

    Before the reader trains, the course that Python has run is in sight: see
    :func:`train_lenet_sums.course`. ``ChoiceError`` for what does not exist.
    """

    networks = KEYS

    network = Choice()
    optimiser = Choice()
    rate = Choice()
    batch = Choice()
    falls = Choice()
    shift = Choice()
    labels = Choice()
    seed = Choice()
    guess = Choice()
    cell = Choice()

    def __init__(self, *, language: str = "en", hidden: Sequence[str] = (), **chosen: Any) -> None:
        from cnnlib.live.site import digits_entry, shipped_entry

        digits = digits_entry()
        total = digits["bytes"] + sum(shipped_entry(key)["bytes"] for key in KEYS)
        fixed: dict[str, Any] = {
            "networks": [
                {"key": key, "parameters": parameters(key), "rubbish": RUBBISH.get(key)}
                for key in KEYS
            ],
            "optimisers": OPTIMISERS,
            "rates": RATES,
            "batches": BATCHES,
            "falls": FALLS,
            "shifts": SHIFTS,
            "seeds": SEEDS,
            "momentum": MOMENTUM,
            "decay": DECAY,
            "exam": EXAM,
            "examined": EXAMINED,
            "presets": PRESETS,
            "palettes": PALETTES,
            "digits": digits,
            "kilobytes": round(total / 1000),
        }
        state = self.settled(chosen, FIRST, fixed).state
        fixed["worked"] = {"state": state, "run": _course(state)}
        super().__init__(fixed, FIRST, chosen, language=language, hidden=hidden)

    @staticmethod
    def settled(
        changes: Mapping[str, Any], present: Mapping[str, Any], fixed: Mapping[str, Any]
    ) -> Settled:
        s = Settling(changes, present)
        s.one_of("network", [network["key"] for network in fixed["networks"]])
        s.one_of("optimiser", fixed["optimisers"])
        s.one_of("rate", fixed["rates"])
        s.one_of("batch", fixed["batches"])
        s.one_of("falls", fixed["falls"])
        s.one_of("shift", fixed["shifts"])
        s.one_of("labels", ["true", "shuffled"])
        s.whole("seed", *fixed["seeds"])
        s.whole("guess", 0, 100)
        s.place("cell", [10, 10])
        return s.done()

    def run(self) -> dict[str, Any]:
        """The course that is in sight before the reader trains."""
        return self.fixed["worked"]["run"]

    def text_alternative(self) -> str:
        run, state = self.run(), self.fixed["worked"]["state"]
        return self.words(
            "alt",
            name=self.words(f"network.{state['network']}"),
            seen=f"{run['seen']:,}",
            before=fixed_point(100 * run["exams"][0][1], 1),
            right=fixed_point(100 * run["exams"][-1][1], 1),
        )

    def still_picture(self) -> str:
        run = self.run()

        def draw(ax: Any) -> None:
            seen, losses = zip(*_smooth(run["told"]), strict=True)
            ax.plot(seen, losses, color=INKS["kernel"])
            ax.set(xlabel=self.words("axis.seen"), ylabel=self.words("axis.loss"), ylim=(0, None))

        def draw_exams(ax: Any) -> None:
            seen, right = zip(*run["exams"], strict=True)
            ax.plot(seen, [100 * share for share in right], "o-", color=INKS["output"])
            title = self.words("axis.right")
            ax.set(xlabel=self.words("axis.seen"), ylabel=title, ylim=(0, 100))

        parts = [draw_plot(d, 340, 210) for d in (draw, draw_exams) if run["told"]]
        kernels = _kernels([run["start"], run["first"]])
        counts = np.array(run["counts"])
        return (
            svg.join(parts)
            + svg.paragraph(self.words("first"))
            + svg.drawing(250, 80, *kernels)
            + svg.paragraph(self.words("confusion"))
            + count_picture(counts, root=True)
            + svg.paragraph(self.text_alternative())
        )


def _course(state: Mapping[str, Any]) -> dict[str, Any]:
    found = course(
        state["network"],
        state["optimiser"],
        state["rate"],
        state["batch"],
        state["labels"] == "shuffled",
        state["seed"],
        WORKED,
        state["falls"],
        state["shift"],
    )
    return {**found, "told": _smooth(found["told"])}


def _smooth(told: Sequence[Sequence[float]], points: int = 100) -> list[list[float]]:
    """So many points at most: the mean loss of as many steps each, at the last of them."""
    share = max(1, len(told) // points)
    parts = [told[i : i + share] for i in range(0, len(told) - share + 1, share)]
    return [[part[-1][0], round(sum(loss for _, loss in part) / share, 5)] for part in parts]


def _kernels(rows: Sequence[Sequence[float]]) -> list[str]:
    """Rows of six kernels each, as pictures on one scale."""
    weights = np.reshape(rows, (len(rows), 6, 5, 5))
    most = np.abs(weights).max()
    colours = palette(signed=True)[Scale(-most, most, signed=True).levels(weights)]
    return [
        svg.pixels(kernel, 42 * i, 42 * row, 36, 36)
        for row, kernels in enumerate(colours)
        for i, kernel in enumerate(kernels)
    ]
