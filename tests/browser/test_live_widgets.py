"""What the widgets that run a network share: names for everything, and pictures of one's own."""

import base64
import hashlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from cnnlib.widgets.live_widget import LiveWidget
from cnnlib.widgets.widget import TeachingWidget
from tests.browser.conftest import let_pass, wait_for_widgets, write_page_of
from tests.browser.contract.registry import sample
from tests.browser.model import choose, chosen, settle
from tests.conftest import book_part

LIVE = sorted(s for s, kind in TeachingWidget.registry.items() if issubclass(kind, LiveWidget))
CHOOSERS = ("ask_imagenet", "ask_units", "fool_it", "two_networks")
# What a reader can move or is told of by its name.
NAMED = {
    *("application", "button", "checkbox", "combobox", "img", "link", "progressbar", "radio"),
    *("radiogroup", "slider", "spinbutton", "switch", "tab", "textbox"),
}


def load(page: Page) -> Page:
    button = page.locator(".live-start button")
    button.click()
    expect(button).to_contain_text("Unload", timeout=60_000)
    settle(page)
    return page


def nameless(page: Page) -> list[str]:
    """The lines of the accessibility tree where something has a role and no name."""
    lines = page.locator(".cnn-widget").aria_snapshot().splitlines()
    assert any(line.strip().startswith("- button") for line in lines)
    return [
        line
        for line in lines
        if (role := re.match(r'\s*- (\w+)\b(?! ")', line)) and role[1] in NAMED
    ]


def test_what_has_no_name_is_found(new_page):
    page = new_page()
    text = 'value="&quot;none&quot;"'
    page.set_content(
        '<div class="cnn-widget"><button></button><button>named</button><input type="range">'
        f"<label>named <input {text}></label><input {text}></div>"
    )
    found = [line.split()[1].rstrip(":") for line in nameless(page)]
    assert found == ["button", "slider", "textbox"]


@pytest.mark.parametrize("stem", LIVE)
def test_a_screen_reader_gets_a_name_for_every_control(show, stem):
    page = show(sample(stem))
    settle(page)
    assert nameless(page) == []
    load(page)
    assert nameless(page) == []


# --- Pictures that are dropped --------------------------------------------------------------------

DROP = """(text) => {
  const given = new DataTransfer();
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  given.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
  const options = { bubbles: true, cancelable: true, dataTransfer: given };
  for (const type of ["dragenter", "dragover", "drop"]) {
    document.querySelector(".live-pictures").dispatchEvent(new DragEvent(type, options));
  }
}"""


@pytest.mark.parametrize("stem", CHOOSERS)
def test_a_picture_that_is_dropped_is_taken_and_what_is_none_is_named(show, stem):
    page = show(sample(stem))
    file = io.BytesIO()
    Image.fromarray(np.full((50, 60, 3), 90, np.uint8)).save(file, "png")
    page.evaluate(DROP, base64.b64encode(file.getvalue()).decode("ascii"))
    expect(page.locator(".live-note")).to_contain_text("This is dropped.png")
    page.evaluate(DROP, base64.b64encode(b"no picture").decode("ascii"))
    expect(page.get_by_role("alert").filter(has_text="dropped.png")).to_have_text(
        "dropped.png cannot be read as a picture."
    )
    page.get_by_role("button", name="Back to the photograph").click()
    expect(page.get_by_role("button", name="A picture of your own")).to_be_focused()


@pytest.mark.parametrize("stem", [*CHOOSERS, "new_head"])
def test_where_there_is_no_camera_it_is_said(show, stem):
    page = show(sample(stem))
    if stem == "new_head":
        load(page)
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_text("No camera was found.")).to_be_visible()
    expect(page.locator("video")).to_be_hidden()


# --- Loading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stem", LIVE)
def test_loading_is_cancelled_half_way_and_begins_again(show, stem):
    page = show(sample(stem))
    waiting = []
    page.context.route("**/*.safetensors", lambda route: waiting.append(route))
    button = page.locator(".live-start button")
    before = button.inner_text()
    button.click()
    expect(button).to_have_text("Cancel")
    button.click()
    expect(button).to_have_text(before)
    expect(button).to_be_focused()
    let_pass(page, 200)  # nothing comes after all
    expect(page.locator(".live-start progress")).to_be_hidden()
    for route in waiting:
        route.abort()
    page.faults.clear()
    page.context.unroute("**/*.safetensors")
    load(page)


# --- Many on a page, and a page that is left ------------------------------------------------------


def test_ten_widgets_on_one_page_run_their_networks_at_once(show):
    stems = [*LIVE, "ask_imagenet", "draw_digit", "fool_it"]
    page = show(*(sample(stem) for stem in stems))
    starts = page.locator(".live-start button").all()
    assert len(starts) == len(stems) == 10
    for start in starts:
        start.click()
    for start in starts:
        expect(start).to_contain_text("Unload", timeout=120_000)
    page.wait_for_function("!document.querySelector('[aria-busy]')", timeout=120_000)
    expect(page.locator(".live-status.live-trouble")).to_have_count(0)
    for start in starts:
        start.click()
        expect(start).to_contain_text("Load")


@pytest.mark.parametrize("stem", ["ask_imagenet", "train_lenet", "two_networks"])
def test_a_page_that_is_left_while_it_loads_works_when_its_reader_comes_back(show, stem):
    page = show(sample(stem))
    held = []
    page.route("**/live/*.safetensors", lambda route: held.append(route))
    page.locator(".live-start button").click()
    expect(page.locator(".live-start progress")).to_be_visible()
    page.goto("about:blank")
    page.unroute("**/live/*.safetensors")
    page.go_back()
    load(wait_for_widgets(page))
    expect(page.locator(".live-status.live-trouble")).to_have_count(0)


# --- Photographs of the page ----------------------------------------------------------------------

LARGE_PICTURE = book_part("pages").LARGE_PICTURE


def page_with_files(folder: Path, stem: str) -> None:
    """A widget's page whose large pictures are files, one each, ``photograph-….png``."""
    write_page_of(folder, sample(stem))

    def moved(found: re.Match) -> str:
        picture = base64.b64decode(found[2])
        name = f"photograph-{hashlib.sha256(picture).hexdigest()[:16]}.{found[1]}"
        (folder / name).write_bytes(picture)
        return f'"{name}"'

    file = folder / "index.html"
    file.write_text(re.sub(LARGE_PICTURE, moved, file.read_text("utf-8")), "utf-8")


@pytest.mark.parametrize("stem", CHOOSERS)
def test_a_photograph_comes_when_it_is_wanted_and_a_lost_one_may_be_asked_for_again(
    new_page, serve, tmp_path, stem
):
    page_with_files(tmp_path, stem)
    page, asked, lost = new_page(), [], []

    def answer(route) -> None:
        asked.append(route.request.url.rpartition("/")[2])
        route.abort() if asked[-1] in lost else route.continue_()

    page.route("**/photograph*", answer)
    page.goto(f"{serve(tmp_path)}/index.html")
    wait_for_widgets(page)
    settle(page)
    count = page.locator("[data-cnn-choice=photograph] option").count()
    assert len(set(listing(tmp_path)) - set(asked)) == count - 1  # all but the one that is shown

    other = (chosen(page, "photograph")["photograph"] + 1) % count
    lost[:] = [name for name in listing(tmp_path) if name not in asked]
    choose(page, photograph=other)
    trouble = page.locator(".live-pictures .live-trouble")
    expect(trouble).to_have_text(re.compile("could not be loaded"))
    lost.clear()
    page.get_by_label("Photograph", exact=True).focus()  # a hand at the list: all others
    expect(trouble).to_have_text("")
    page.wait_for_function("!document.querySelector('.live-pictures[aria-busy]')")
    settle(page)
    assert set(asked) == set(listing(tmp_path))
    let_pass(page, 300)  # the browser tells of a lost file when it likes
    page.faults.clear()


def listing(folder: Path) -> list[str]:
    return [file.name for file in folder.glob("photograph*")]
