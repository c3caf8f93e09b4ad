"""A deck of slides in a browser: keys turn it, and it prints one slide a page."""

import re

import pytest

from cnnlib.classroom.slides import Slide, deck
from tests.conftest import ROOT

SLIDES = [
    Slide("title", "One", "<p>Why?</p>"),
    Slide("predict", "Two", "<p>How?</p><details><summary>Answer</summary><p>So.</p></details>"),
    Slide(
        "figure",
        "Three",
        '<svg viewBox="0 0 100 300" width="100"><rect width="9" height="9"/></svg>',
    ),
    Slide("part", "Four", ""),
]


@pytest.fixture
def shown(browser, tmp_path):
    path = tmp_path / "deck.html"
    path.write_text(deck(SLIDES, ROOT))
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(path.as_uri())
    yield page
    assert not faults
    context.close()


def at(page) -> str:
    """The heading of the slide that fills the window."""
    return page.evaluate(
        """() => [...document.querySelectorAll("section")]
            .find((one) => Math.abs(one.getBoundingClientRect().top) < 2)?.firstChild.textContent"""
    )


def test_keys_turn_the_slides(shown):
    assert at(shown) == "One"
    for key, heading in [
        ("ArrowRight", "Two"),
        (" ", "Three"),
        ("PageDown", "Four"),
        ("ArrowRight", "Four"),
        ("ArrowLeft", "Three"),
        ("Home", "One"),
        ("End", "Four"),
        ("Shift+ ", "Three"),
    ]:
        shown.keyboard.press(key)
        assert at(shown) == heading, key


def test_space_opens_an_answer(shown):
    shown.keyboard.press("ArrowRight")
    shown.get_by_text("Answer").focus()
    shown.keyboard.press(" ")
    assert shown.get_by_text("So.").is_visible() and at(shown) == "Two"


def test_a_slide_is_a_page_on_paper(shown):
    pages = re.findall(rb"/Type\s*/Page\b", shown.pdf(prefer_css_page_size=True))
    assert len(pages) == len(SLIDES)
