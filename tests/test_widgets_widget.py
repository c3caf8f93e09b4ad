"""The widgets' base: a choice is set whole or not at all, and what a page gets is safe."""

import json
import re

import pytest
import traitlets

from cnnlib.widgets.settling import Settled, Settling
from cnnlib.widgets.widget import Choice, ChoiceError, TeachingWidget


class Axis(TeachingWidget):
    """A size and a place that lies in it."""

    stem = "switches"  # whose words are there
    tables = styles = ("switches",)
    size = Choice()
    place = Choice()

    def __init__(self, most: float = 9.0, **options) -> None:
        fixed = {"most": most, "pair": (1, 2.0)}
        chosen = {name: options.pop(name) for name in ("size", "place") if name in options}
        super().__init__(fixed, {"size": 5, "place": 0}, chosen, **options)

    @staticmethod
    def settled(changes, present, fixed) -> Settled:
        s = Settling(changes, present)
        s.whole("size", 1, fixed["most"])
        s.whole("place", 0, s.state["size"] - 1)
        return s.done()

    def still_picture(self) -> str:
        return "<svg></svg>"

    def text_alternative(self) -> str:
        return '"<size>"'


@pytest.fixture
def axis():
    return Axis(size=5, place=4)


class Wire:
    """In the place of the line to a front end: keeps what is sent."""

    comm_id, kernel = "wire", True

    def __init__(self) -> None:
        self.sent: list[dict] = []

    def on_msg(self, callback) -> None:
        pass

    def send(self, data=None, buffers=None) -> None:
        self.sent.append(data["state"])


def messages(widget, action) -> list[dict]:
    """What the widget sends to its front end while something is done."""
    widget.comm = wire = Wire()
    action()
    widget.comm = None
    return wire.sent


def test_several_values_are_chosen_together_and_told_once(axis):
    seen = []
    axis.observe(lambda change: seen.append((axis.size, axis.place)), ["size", "place"])
    sent = messages(axis, lambda: axis.choose(place=8, size=9))
    assert axis.chosen() == {"size": 9, "place": 8}
    assert set(seen) == {(9, 8)}
    assert sent == [{"size": 9, "place": 8}]


@pytest.mark.parametrize("sent_by_the_page", [False, True])
def test_what_an_observer_chooses_is_settled_too(axis, sent_by_the_page):
    axis.observe(lambda change: axis.choose(place=0), "size")
    for size in (7, 9):
        if sent_by_the_page:
            axis.set_state({"size": size, "place": 6})
        else:
            axis.choose(size=size, place=6)
        assert axis.chosen() == {"size": size, "place": 0}
    axis.observe(lambda change: setattr(axis, "size", 99), "place")
    with pytest.raises(ChoiceError, match="size=99"):
        axis.place = 3
    assert axis.chosen() == {"size": 9, "place": 3}


def test_another_value_follows_in_silence(axis):
    axis.size = 3
    assert axis.chosen() == {"size": 3, "place": 2}


def test_what_is_refused_changes_nothing_and_is_named(axis):
    for error in (ChoiceError, ValueError, traitlets.TraitError):
        with pytest.raises(error, match="place=7: expected a whole number from 0 to 6"):
            axis.choose(size=7, place=7)
    with pytest.raises(ChoiceError, match=r"size=\[0, 1, .*\.\.\.: expected a whole number"):
        axis.size = list(range(100))
    with pytest.raises(ChoiceError, match="plaice=1: there is no such choice; .* place, size"):
        axis.choose(plaice=1)
    assert axis.chosen() == {"size": 5, "place": 4}


def test_a_first_choice_is_checked_like_any_other():
    assert Axis(size=7, place=6).chosen() == {"size": 7, "place": 6}
    with pytest.raises(ChoiceError, match="place=6: expected a whole number from 0 to 4"):
        Axis(place=6)


def test_equal_values_send_nothing(axis):
    def same_again() -> None:
        axis.size = 5.0
        axis.choose(size=5, place=4)

    assert messages(axis, same_again) == []


def test_what_the_page_sends_is_settled_and_what_is_refused_goes_back(axis):
    sent = messages(axis, lambda: axis.set_state({"size": 3, "place": 99}))
    assert axis.chosen() == {"size": 3, "place": 2}
    assert sent[-1] == {"place": 2}
    assert messages(axis, lambda: axis.set_state({"size": 9, "place": 8}))[1:] == []
    assert axis.chosen() == {"size": 9, "place": 8}


def test_the_page_hears_what_followed_from_its_choice(axis):
    sent = messages(axis, lambda: axis.set_state({"size": 2}))
    assert {"place": 1} in [{k: v for k, v in m.items() if k == "place"} for m in sent]


def test_data_reaches_both_languages_as_javascript_has_it(axis):
    assert axis.fixed == {"most": 9, "pair": [1, 2]}
    assert type(axis.fixed["most"]) is int and type(axis.fixed["pair"]) is list


def test_hidden_controls_and_the_language_are_checked():
    assert Axis(hidden=["size"]).page_state()["hidden"] == ["size"]
    with pytest.raises(ChoiceError, match=r"hidden=\['colour'\]: expected names among size, place"):
        Axis(hidden=["colour"])
    with pytest.raises(ValueError, match="language='tlh': expected one of"):
        Axis(language="tlh")


def test_the_page_form_holds_the_state_and_lets_no_text_out(monkeypatch):
    monkeypatch.setattr(Axis, "text_alternative", lambda self: '"</div><script>')
    form = Axis(place=1, most=9).page_form()
    state = re.search(r'<script type="application/json">(.*?)</script>', form)[1]
    assert json.loads(state).items() >= {"size": 5, "place": 1, "hidden": []}.items()
    assert form.count("<script") == 1
    assert 'aria-label="&quot;&lt;/div&gt;&lt;script&gt;"' in form
    widget = Axis(size=9)
    widget.fixed = {"most": 9, "text": "</script><b>"}
    assert "</script><b>" not in widget.page_form()


def test_a_notebook_shows_the_page_form_where_nothing_else_can_be_shown(axis):
    data, _ = axis._repr_mimebundle_()
    assert data["text/html"] == axis.page_form()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert repr(axis) == '<Axis: "<size>">'
