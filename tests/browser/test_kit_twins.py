"""kit/settling.js and kit/words.js are held to Python over thousands of random cases."""

import json
import random

import pytest

from cnnlib.widgets.settling import Settling
from cnnlib.widgets.words import Words, fixed_point, listed, span
from tests.browser.conftest import write_page_of
from tests.browser.contract.choices import ODD, STRANGE_NAMES, Chooser


@pytest.fixture
def page(new_page, serve, tmp_path):
    write_page_of(tmp_path / "site")
    page = new_page()
    page.goto(f"{serve(tmp_path / 'site')}/")
    return page


# --- Settling -------------------------------------------------------------------------------------

OPTIONS = [["a", "b"], [1, 2, None], [[1, 2], [3]], [True, 0.5], ["", "constructor"], [0]]
STEPS = """async (text) => {
  const { Settling } = await import("./widgets/kit/settling.js");
  const methods = { one_of: "oneOf" };
  return JSON.stringify(JSON.parse(text).map(([changes, present, steps]) => {
    const s = new Settling(changes, present);
    const seen = steps.map(([method, name, ...more]) => [
      s[methods[method] ?? method](name, ...more) ?? null, s.asks(name), s.wanted(name)]);
    return [s.done(), seen];
  }));
}"""


def settling_cases(count: int) -> list[tuple]:
    """(changes, present, steps): what is asked for, a state, and how it is settled."""
    dice = random.Random(11)
    present = {"n": 3, "on": True, "way": "a", "at": [2, 1], "free": {"x": [1, None]}}
    near = Chooser(None, present, {"most": 9, "words": ["a", "b", "constructor"]}, seed=12)
    cases = []
    for _ in range(count):
        names = dice.sample(list(present), dice.randint(0, 4))
        changes = {name: near.value(name, present) for name in names}
        if dice.random() < 0.2:
            changes[dice.choice(STRANGE_NAMES)] = dice.choice(ODD)
        steps = [
            ["whole", "n", dice.randint(-2, 4), dice.randint(4, 12)],
            ["flag", "on"],
            ["one_of", "way", dice.choice(OPTIONS)],
            ["place", "at", [dice.randint(1, 5) for _ in range(dice.randint(1, 3))]],
            ["take", "free", dice.choice([{"x": [1, None]}, [], 0])],
            ["refuse", dice.choice(list(present)), "kit.flag"],
        ]
        cases.append((changes, present, dice.sample(steps, dice.randint(1, len(steps)))))
    return cases


def pythons_answer(changes, present, steps) -> list:
    s = Settling(changes, present)
    seen = [
        [getattr(s, method)(name, *more), s.asks(name), s.wanted(name)]
        for method, name, *more in steps
    ]
    state, said = s.done()
    return [{"state": state, "said": {n: [key, v] for n, (key, v) in said.items()}}, seen]


def test_settling_is_one_in_both_languages(page):
    cases = settling_cases(4000)
    theirs = json.loads(page.evaluate(STEPS, json.dumps(cases)))
    ours = [pythons_answer(*case) for case in cases]
    reasons = {why[0] for (answer, _) in ours for why in answer["said"].values()}
    assert {"kit.unknown", "kit.whole", "kit.one_of", "kit.place", "kit.gives_way"} <= reasons
    for case, one, other in zip(cases, ours, theirs, strict=True):
        assert json.loads(json.dumps(one)) == other, case


# --- Words ----------------------------------------------------------------------------------------

SPEAK = """async ([table, asked]) => {
  const { makeWords } = await import("./widgets/kit/words.js");
  const say = makeWords(table);
  return asked.map(([key, values]) => { try { return say(key, values); } catch { return null; } });
}"""
PIECES = [
    "{n}",
    "{x}",
    "{n|one|more}",
    "{x|a {b|}",
    "{}",
    "{n|}",
    "{ n }",
    "{n|a|b|c}",
    "$&",
    "\\1",
]
PIECES += ["{m|− |}", "text", " ", "{", "}", "|", "é", "{n", "n}", "{__proto__}", "{constructor}"]
VALUES = [0, 1, -1, 1234567, "x", "", "{n}", "-5", 0.5, None, True, [1], "$1"]


def test_a_table_is_spoken_alike(page):
    dice = random.Random(13)
    table = {str(i): "".join(dice.choices(PIECES, k=dice.randint(1, 5))) for i in range(400)}
    asked = []
    for key in [*table, "none", "constructor", "__proto__"] * 4:
        names = dice.sample(["n", "x", "m"], dice.choice([3, 3, 3, 2]))
        asked.append([key, {name: dice.choice(VALUES) for name in names}])
    say = Words(table)

    def ours(key: str, values: dict) -> str | None:
        try:
            return say(key, **values)
        except (KeyError, TypeError):
            return None

    expected = [ours(key, values) for key, values in asked]
    assert sum(text is None for text in expected) > 100 < sum(text is not None for text in expected)
    for case, one, other in zip(asked, expected, page.evaluate(SPEAK, [table, asked]), strict=True):
        assert one == other, (table.get(case[0]), case)


def test_numbers_and_lists_are_written_alike(page):
    dice = random.Random(17)
    table = {"kit.and": "{first} and {last}"}
    for axis in ("row", "column"):
        table |= {f"kit.{axis}": f"{axis} {{{axis}}}", f"kit.no_{axis}s": f"no {axis}s"}
        table[f"kit.{axis}s"] = f"{axis}s {{first}} to {{last}}"
    say = Words(table)
    lists = [[f"w{i}" for i in range(count)] for count in range(6)]
    spans = [(axis, range(a, b)) for axis in ("row", "column") for a in (0, 3) for b in (0, 4, 9)]
    numbers = [dice.choice([1, 10, 1000]) * dice.uniform(-1, 1) for _ in range(500)]
    numbers += [0, -0.0, 0.5, 1.5, -2.5, 0.125, 2.0**-40, -(2.0**-40), 99.995, 1e5]
    theirs = page.evaluate(
        """async ([table, lists, spans, numbers]) => {
          const { listed, makeWords, signed, span } = await import("./widgets/kit/words.js");
          const say = makeWords(table);
          return [
            lists.map((words) => listed(say, words)),
            spans.map(([axis, range]) => span(say, axis, range)),
            numbers.flatMap((x) => [0, 1, 2].map((decimals) => {
              const text = signed(x.toFixed(decimals));
              return Number(x.toFixed(decimals)) === 0 ? text.replace("−", "") : text;
            })),
          ];
        }""",
        [table, lists, [[a, [r[0], r[-1]] if r else None] for a, r in spans], numbers],
    )
    assert theirs[0] == [listed(say, words) for words in lists]
    assert theirs[1] == [span(say, axis, places) for axis, places in spans]
    assert theirs[2] == [fixed_point(x, decimals) for x in numbers for decimals in (0, 1, 2)]
