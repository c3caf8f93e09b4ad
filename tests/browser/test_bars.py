"""kit/bars.js: bars, number lines, and the ticks of axes."""

import random

import pytest


def run(page, body: str, argument=None):
    """``body`` in the page, with the module as ``kit``."""
    return page.evaluate(
        f"""async (given) => {{ const kit = await import("./widgets/kit/bars.js"); {body} }}""",
        argument,
    )


def ticks(page, cases: list) -> list[list[tuple[float, str]]]:
    """For each (low, high, most, log): the ticks' values, and their texts without groups."""
    return run(
        page,
        """return given.map((axis) => kit.ticksOf(...axis).map(([m, e]) =>
            [Number(`${m}e${e}`), kit.tickText(m, e, false)]));""",
        cases,
    )


@pytest.mark.parametrize("log", [False, True])
def test_ticks_are_round_few_enough_and_inside(show, log):
    dice, cases = random.Random(4), []
    for _ in range(2_000):
        low = 10 ** dice.uniform(-6, 8) * (1 if log else dice.choice([-1, 1]))
        high = low * 10 ** dice.uniform(0.02, 6) if log else low + 10 ** dice.uniform(-3, 8)
        cases.append([low, high, dice.randrange(3, 10), log])
    for (low, high, most, _), found in zip(cases, ticks(show(), cases), strict=True):
        values = [value for value, _ in found]
        assert 1 <= len(found) <= most
        assert all(low <= value <= high for value in values)
        assert values == sorted(set(values))
        assert [float(text.replace("−", "-")) for _, text in found] == pytest.approx(values)


def test_ticks_of_axes_by_hand(show):
    page = show()
    cases = {
        (0.09, 3.2, 8, True): ["0.1", "0.2", "0.5", "1", "2"],
        (0.9, 2_100, 8, True): ["1", "3", "10", "30", "100", "300", "1,000"],
        (2.1, 2.9, 5, True): ["2.2", "2.4", "2.6", "2.8"],
        (1e-3, 1e9, 5, True): ["0.001", "1", "1,000", "1M", "1G"],
        (-0.7, 2.3, 7, False): ["−0.5", "0", "0.5", "1", "1.5", "2"],
        (900_000, 2_600_000, 4, False): ["1M", "1.5M", "2M", "2.5M"],
    }
    found = run(
        page,
        "return given.map((axis) => kit.ticksOf(...axis).map(([m, e]) => kit.tickText(m, e)));",
        [list(axis) for axis in cases],
    )
    assert found == list(cases.values())
    years = [text for _, text in ticks(page, [[1998, 2018, 5, False]])[0]]
    assert years == ["2000", "2005", "2010", "2015"]


def test_a_number_line_has_room_and_equal_steps_for_equal_sums_or_factors(show):
    page = show()
    lines = [([3, 90], True), ([-5, 90], False), ([7], True), ([0], False), ([-3], False)]
    for places, found in run(
        page,
        """return given.map(([values, log]) => {
          const line = kit.numberLine(values, [20, 310], { log });
          return [values.map(line.at), line.ticks.map(({ value }) => line.at(value))];
        });""",
        lines,
    ):
        assert all(20 < place < 310 for place in places)
        assert all(20 <= place <= 310 for place in found) and found
    steps = run(
        page,
        """return given.map(([values, log]) => {
          const { at } = kit.numberLine(values, [200, 0], { log });
          return values.slice(1).map((value, i) => at(values[i]) - at(value));
        });""",
        [([1, 10, 100, 1000], True), ([-1, 2, 5, 8], False)],
    )
    for own in steps:
        assert own == pytest.approx([own[0]] * 3) and own[0] > 0


def test_bars_show_their_rows_and_hide_the_rest(show):
    page = show()
    found = run(
        page,
        """const list = kit.bars("Best", 3);
        document.body.append(list.node);
        list.show([{ name: "a", share: 0.4, text: "40 %", strong: true },
          { name: "b", share: 1, text: "all" }]);
        return [list.node.querySelector("ul").getAttribute("aria-labelledby")
            === list.node.querySelector("p").id,
          [...list.node.querySelectorAll("li")].map((li) => [li.textContent, li.className,
            li.style.visibility, li.querySelector(".cnn-bar").style.width])];""",
    )
    assert found == [
        True,
        [
            ["a 40 %", "cnn-bar-strong", "", "40%"],
            ["b all", "", "", "100%"],
            [" ", "", "hidden", "0%"],
        ],
    ]
