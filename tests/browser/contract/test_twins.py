"""A widget's two settled functions, in Python and in JavaScript, are one function.

Thousands of random choices of every widget: the state that comes out, and what is said of it, are
equal; what comes out is legal; and what was asked for and not taken is said.
"""

import json
from functools import cache

import pytest

from cnnlib.widgets.settling import plain, same
from tests.browser.conftest import write_page_of
from tests.browser.contract.choices import Case, Chooser
from tests.browser.contract.registry import every_widget, sample

COUNT = 2500


@cache
def cases_of(stem: str) -> list[Case]:
    widget = sample(stem)
    chooser = Chooser(widget.settled, widget.chosen(), widget.fixed, learns=True)
    return list(chooser.cases(COUNT))


@every_widget
def test_what_comes_out_is_legal_and_what_is_not_taken_is_said(stem):
    widget = sample(stem)
    whole = hostile = 0
    for changes, present, (state, said) in cases_of(stem):
        assert state.keys() == present.keys()
        again = widget.settled({}, state, widget.fixed)
        assert again == (state, {}), f"{changes} from {present} is not settled yet"
        asked_whole = widget.settled(state, widget.chosen(), widget.fixed)
        assert asked_whole == (state, {}), f"{state} cannot be chosen whole, by a link"
        taken = {n for n in changes if n in state and same(plain(changes[n]), state[n])}
        assert set(said) == set(changes) - taken, f"{changes} from {present} gives {state}"
        for key, values in said.values():
            assert widget.words(key, **values)
        whole += changes.keys() <= state.keys() and not said and state != present
        hostile += bool(said)
    assert whole > COUNT / 20, "hardly a choice is taken: the cases say little"
    assert hostile > COUNT / 20, "hardly a choice is refused: the cases say little"


SCRIPT = """async ([stem, text]) => {
  const { default: widget } = await import(`./widgets/${stem}.js`);
  const { fixed, cases } = JSON.parse(text);
  return JSON.stringify([widget.names, cases.map(([changes, present]) => {
    const given = JSON.stringify([changes, present]);
    const answer = widget.settled(changes, present, fixed);
    if (JSON.stringify([changes, present]) !== given) throw new Error(`it changed ${given}`);
    return answer;
  })]);
}"""


@pytest.fixture(scope="module")
def modules(serve, browser, tmp_path_factory):
    """A page that can import the widgets' modules."""
    folder = tmp_path_factory.mktemp("modules")
    write_page_of(folder)
    page = browser.new_page()
    page.goto(f"{serve(folder)}/")
    yield page
    page.close()


@every_widget
def test_both_languages_settle_alike(modules, stem):
    widget = sample(stem)
    asked = [[case.changes, case.present] for case in cases_of(stem)]
    text = json.dumps({"fixed": widget.fixed, "cases": asked})
    names, answers = json.loads(modules.evaluate(SCRIPT, [stem, text]))
    assert sorted(names) == sorted(widget.chosen())
    for (changes, present, settled), theirs in zip(cases_of(stem), answers, strict=True):
        said = {name: [key, values] for name, (key, values) in settled.said.items()}
        ours = json.loads(json.dumps({"state": settled.state, "said": said}))
        assert theirs == ours, f"{changes} from {present}"
