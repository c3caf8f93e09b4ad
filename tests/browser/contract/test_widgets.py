"""What every widget owes its reader, over the registry: a new widget is tested before anyone
remembers to. What a widget owes for itself stands in its own test files.

A widget is shown once on a wide screen, in a made-up language, and once on a phone, in English; the
tests are independent of the state in which they find it.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

import cnnlib.widgets.widget
from cnnlib.widgets.widget import TeachingWidget
from tests.browser.axe import axe_finds
from tests.browser.conftest import watched_page, write_page_of
from tests.browser.contract import checks, links
from tests.browser.contract.conftest import Views, widget_on
from tests.browser.contract.language import (
    accented,
    english_left,
    made_up_words,
    strings_in,
    texts_in_markup,
)
from tests.browser.contract.registry import every_widget
from tests.sample_widgets import DATA, SAMPLES


def test_every_widget_has_a_sample():
    assert TeachingWidget.registry.keys() == SAMPLES.keys()


# --- Where it stands ------------------------------------------------------------------------------


@every_widget
def test_it_can_be_read_by_everyone_in_both_themes_and_fits(wide):
    assert_read_and_fits(wide, 1280)


@every_widget
def test_it_can_be_read_by_everyone_in_both_themes_and_fits_a_phone(phone):
    assert_read_and_fits(phone, 390)
    assert checks.small_targets(widget_on(phone)) == []
    assert checks.cut_off(widget_on(phone)) == []


def assert_read_and_fits(page: Page, width: int) -> None:
    measured = set()
    links.link_of(widget_on(page))  # opens the panel that gives it
    assert checks.sideways(page, width) == []
    assert axe_finds(page, measured=measured) == []
    checks.turn_theme(page)
    assert checks.sideways(page, width) == []
    assert axe_finds(page, contrast_only=True, measured=measured) == []
    checks.turn_theme(page)


@every_widget
def test_a_turn_of_the_theme_leaves_it_as_if_it_had_been_opened_so(phone, views):
    widget = widget_on(phone)
    checks.put(widget, views.widget.chosen())
    assert checks.deaf_drawings(phone, widget) == []
    checks.turn_theme(phone)
    turned = checks.picture_of(phone, widget)
    checks.turn_theme(checks.anew(phone))
    assert checks.differing(checks.picture_of(phone, widget), turned) == 0


@every_widget
def test_the_still_picture_is_printed_and_not_the_widget(wide):
    assert checks.printed_wrong(wide) == []


# --- Keys, pointer, finger ------------------------------------------------------------------------


@every_widget
def test_tab_reaches_every_control_shows_where_it_is_and_leaves(wide):
    assert checks.tab_faults(wide, widget_on(wide)) == []


@every_widget
def test_arrow_keys_move_in_what_takes_them(wide):
    assert checks.arrow_faults(wide, widget_on(wide)) == []


@every_widget
def test_keys_and_clicks_in_a_hurry_lead_where_slow_ones_lead(wide):
    assert checks.hurry_faults(wide, widget_on(wide)) == []


@every_widget
def test_a_tap_does_what_a_click_does(phone):
    assert checks.touch_faults(phone, widget_on(phone)) == []


# --- One choice: taken back, said once, drawn once ------------------------------------------------


def moved(views: Views, wide: Page) -> checks.Moved:
    if views.moved is None:
        checks.anew(wide)  # a link that another test has opened may have left a notice
        checks.put(widget_on(wide), views.widget.chosen())
        views.moved = checks.move_everything(wide, widget_on(wide))
    return views.moved


@every_widget
def test_every_move_is_undone_by_button_and_keys(wide, views):
    assert moved(views, wide).not_undone == []


@every_widget
def test_every_choice_that_has_a_control_is_changed_by_one(wide, views):
    checks.put(widget_on(wide), views.widget.chosen())
    named = wide.locator("[data-cnn-choice]").evaluate_all(
        "(nodes) => nodes.filter(reader.isShown).map((node) => node.dataset.cnnChoice)"
    )
    assert set(named) <= moved(views, wide).changed


@every_widget
def test_the_focus_stays_when_the_widget_is_drawn(wide, views):
    assert moved(views, wide).lost_focus == []


@every_widget
def test_reset_leads_to_the_first_state_and_can_be_undone(wide, views):
    first = views.widget.chosen()
    assert checks.reset_faults(widget_on(wide), first, views.states[:5]) == []


@every_widget
def test_many_choices_of_one_frame_are_drawn_once(wide, views):
    checks.anew(wide)  # what runs beside the page, such as a network, answers in later frames
    assert checks.drawing_faults(widget_on(wide), views.states) == []


@every_widget
def test_a_burst_of_choices_is_announced_once(wide, views):
    said = checks.announcements(wide, widget_on(wide), views.states[:12])
    assert len(said) <= 1
    assert all(said)


@every_widget
def test_nothing_plays_where_less_movement_is_asked_for(wide):
    assert checks.plays_by_itself(wide, widget_on(wide)) == []


# --- Links ----------------------------------------------------------------------------------------


@every_widget
def test_a_link_brings_back_its_state(wide, views):
    widget = widget_on(wide)
    name, first = links.name_of(widget), views.widget.chosen()
    for state in views.states[:8]:
        checks.put(widget, state)
        link = links.link_of(widget)
        assert links.open_link(widget, f"#cnn=1&widget={name}") == {"state": first, "notice": ""}
        assert links.open_link(widget, link) == {"state": state, "notice": ""}, link


@every_widget
def test_a_copied_link_opens_a_fresh_page_at_its_widget(wide, views, stem):
    widget, state = widget_on(wide), views.states[-1]
    checks.put(widget, state)
    links.link_of(widget)
    widget.locator(".cnn-share-panel button").click()
    wide.wait_for_function("document.querySelector('.cnn-told').textContent !== ''")
    panel = widget.locator(".cnn-tools").evaluate("(root) => reader.texts(root)")
    assert len(panel) > 5 and english_left(panel, data_of(stem, views.foreign)) == []
    address = wide.evaluate("navigator.clipboard.readText()")
    assert address == wide.url == widget.locator(".cnn-link").input_value()
    wide.goto("about:blank")
    wide.goto(address)
    checks.ready(wide)
    assert checks.state_of(widget) == state
    top = widget.evaluate("(root) => root.getBoundingClientRect().top")
    assert -2 <= top < 100


@every_widget
def test_a_hostile_link_gives_a_legal_state_and_a_notice(wide, views):
    widget, first = widget_on(wide), views.widget.chosen()
    known = [*strings_in(views.widget.fixed), *first, "hide unknown nothing"]
    for link in links.hostile_links(links.name_of(widget), first):
        opened = links.open_link(widget, link)
        state = opened["state"]
        assert views.widget.settled({}, state, views.widget.fixed) == (state, {}), link
        assert opened["notice"], f"{link[:200]} is opened without a word"
        assert len(opened["notice"]) < 3000
        if len(link) > 20_000:
            assert opened == {"state": first, "notice": views.foreign.words("kit.share.too_long")}
        told = opened["notice"].replace("x" * 40, "")
        assert english_left([told], [*known, link]) == []


@every_widget
def test_a_link_hides_controls_and_the_next_one_shows_them_again(wide):
    widget = widget_on(wide)
    start = f"#cnn=1&widget={links.name_of(widget)}"
    shown = """(root) => [...root.querySelectorAll("[data-cnn-choice]")].filter(reader.isShown)
        .map((node) => node.dataset.cnnChoice)"""
    links.open_link(widget, start)
    named = widget.evaluate(shown)
    for name in sorted(set(named)):
        assert links.open_link(widget, f"{start}&hide={name}")["notice"] == ""
        left = widget.evaluate(shown)
        assert name not in left
        assert f"hide={name}" in links.link_of(widget)
    links.open_link(widget, start)
    assert widget.evaluate(shown) == named


# --- Words ----------------------------------------------------------------------------------------


def test_a_widget_that_cannot_start_says_so_in_its_language(browser, serve, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cnnlib.widgets.widget, "read_words", made_up_words)
        form = SAMPLES["quiz"]().page_form()

    class Broken:
        stem = "quiz"

        def page_form(self) -> str:
            return form.replace('data-cnn-widget="quiz"', 'data-cnn-widget="nowhere"')

    write_page_of(tmp_path / "site", Broken())
    page = watched_page(browser)
    page.goto(f"{serve(tmp_path / 'site')}/")
    said = page.locator(".cnn-failed").inner_text()
    start, _, end = accented("This widget could not start ({why}). The picture").partition("{why}")
    assert said.startswith(start) and end in said and "nowhere.js" in said
    assert page.locator(".cnn-still").is_visible()
    page.context.close()


@every_widget
def test_no_english_is_left_in_a_made_up_language(wide, views, stem):
    data = list(data_of(stem, views.foreign))
    assert english_left(moved(views, wide).texts, data) == []
    assert english_left([views.foreign.text_alternative()], data) == []
    assert english_left(texts_in_markup(views.foreign.still_picture()), data) == []


def data_of(stem: str, widget: TeachingWidget) -> Iterator[str]:
    """The widget's texts that are the same in all languages."""
    for name in DATA.get(stem, ()):
        for text in strings_in(widget.fixed[name], keys=False):
            if not text.startswith("data:"):
                yield text
