"""The checks of pages find the faults that they are for: each is planted here."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.axe import axe_finds
from tests.browser.conftest import watched_page
from tests.browser.contract import checks
from tests.browser.contract.language import english_left, texts_in_markup

# Grey on white: #767676 has a contrast of 4.54, #777777 of 4.48, and 4.5 is enough.
GREYS = [*["#767676"] * 40, "#777777", *["#767676"] * 40]


@pytest.fixture
def page_of(serve, tmp_path, new_page):
    """page_of(html of the body) -> a page of it."""

    def open_page(body: str, page: Page | None = None) -> Page:
        (tmp_path / "index.html").write_text(
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Planted</title>'
            f'<link rel="icon" href="data:,"></head><body><main><h1>It</h1>{body}</main></body>'
        )
        page = page or new_page()
        page.goto(f"{serve(tmp_path)}/")
        return page

    return open_page


FAINT = {
    "by its colour": "".join(f'<p style="color: {grey}">Words of one kind.</p>' for grey in GREYS),
    "by its ground": "".join(
        f'<div style="background: {ground}"><p><span style="color: #767676">Words</span></p></div>'
        for ground in [*["#fff"] * 20, "#ddd", *["#fff"] * 20]
    ),
    "by an opacity further out": "".join(
        f'<div style="opacity: {opacity}"><p><b style="color: #666">Words</b></p></div>'
        for opacity in [*[1] * 20, 0.6, *[1] * 20]
    ),
    "by its size": "".join(
        f'<p style="color: #888; font: {size} serif">Words of one kind.</p>'
        for size in [*["24px"] * 20, "18px", *["24px"] * 20]
    ),
    "by its weight": "".join(
        f'<p style="color: #888; font: {weight} 19px serif">Words of one kind.</p>'
        for weight in [*[700] * 20, 400, *[700] * 20]
    ),
    "beside disabled ones": "".join(
        f'<button style="color: #999; background: #fff" {able}>Words</button>'
        for able in [*["disabled"] * 20, "", *["disabled"] * 20]
    ),
    "beside hidden ones": "".join(
        f'<p style="color: #999; {hidden}">Words of one kind.</p>'
        for hidden in [*["display: none"] * 20, "", *["visibility: hidden"] * 20]
    ),
    "beside single signs": "".join(
        f'<p style="color: #999">{text}</p>' for text in [*"abcdefgh", "Words.", *"abcdefgh"]
    ),
}


@pytest.mark.parametrize("body", FAINT.values(), ids=FAINT)
def test_axe_finds_the_one_text_that_is_too_faint(page_of, body):
    (found,) = axe_finds(page_of(body))
    assert found.startswith("color-contrast: ")
    assert "insufficient color contrast" in found
    assert axe_finds(page_of(body), "main", contrast_only=True) == [found]
    assert axe_finds(page_of(body), "h1") == []


def test_axe_measures_a_kind_of_text_twice_and_no_more(page_of):
    page = page_of("".join('<p style="color: #999">Words of one kind.</p>' for _ in range(50)))
    assert len(axe_finds(page)) == 2
    assert page.locator("[data-kind-of-text]").count() == 0


def test_axe_measures_the_kinds_again_that_are_new_or_look_otherwise(page_of):
    page = page_of('<p style="color: #666">Words.</p><p style="color: #777">Others.</p>')
    measured = set()
    (fault,) = axe_finds(page, measured=measured)
    assert "Others." in fault
    assert axe_finds(page, measured=measured) == []
    page.locator("p").first.evaluate("(node) => (node.style.color = '#999')")
    (fault,) = axe_finds(page, measured=measured, contrast_only=True)
    assert "Words." in fault
    page.locator("main").evaluate("(node) => (node.style.background = '#bbb')")
    assert len(axe_finds(page, measured=measured, contrast_only=True)) == 2


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ('<img src="data:,">', "image-alt"),
        ("<button></button>", "button-name"),
        ('<input type="range">', "label"),
        ('<p role="radiogroup">-</p><i role="radio">-</i>', "aria-required-attr"),
        ('<ul><p id="x">-</p></ul>', "list"),
    ],
)
def test_axe_finds_other_faults_in_whatever_element_has_them(page_of, body, rule):
    sound = "<p>Words</p><button>Go</button><label>How much <input type=range></label>"
    found = axe_finds(page_of(sound * 5 + body + sound * 5), "main")
    assert rule in {one.split(":")[0] for one in found}
    assert axe_finds(page_of(sound * 10), "main") == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<img alt="" src="https://example.org/x.png">', "to another host: https://example.org"),
        ('<img alt="" src="http://192.0.2.1/x.png">', "to another host: http://192.0.2.1/"),
        ('<script>fetch("http://localhost:1/").catch(() => 0)</script>', "another host: http://lo"),
        ('<iframe title="x" src="http://example.org"></iframe>', "another host: http://example"),
        ('<script src="missing.js"></script>', "404 http://127.0.0.1"),
        ('<script type="module">import "./missing.js"</script>', "404 http://127.0.0.1"),
        ('<script>throw new Error("oh")</script>', "uncaught: oh"),
        ('<script>Promise.reject(new Error("oh"))</script>', "uncaught: oh"),
        ("<script>console.warn('oh')</script>", "oh"),
        ("<script>console.error('oh')</script>", "oh"),
    ],
)
def test_a_fault_of_a_page_is_kept(browser, page_of, body, fault):
    page = watched_page(browser)
    page_of(body, page)
    page.wait_for_load_state("networkidle")
    assert any(fault in one for one in page.faults), page.faults
    page.context.close()


def test_no_host_but_this_machine_is_found(browser, page_of):
    page = page_of("", watched_page(browser))
    failed = "(url) => fetch(url, { mode: 'no-cors' }).then(() => false, () => true)"
    for host in ("example.org", "pypi.org", "localhost"):
        assert page.evaluate(failed, f"http://{host}/")
    assert any("ERR_NAME_NOT_RESOLVED" in fault for fault in page.faults)
    page.context.close()


# --- The contract of the widgets ------------------------------------------------------------------

SOUND = """
<style>
  .cnn-still { display: none } button { min-width: 30px; min-height: 30px } svg { color: #333 }
  html[data-theme=dark] svg { color: #ccc }
  @media print { .cnn-still { display: block } .cnn-widget { display: none } }
</style>
<p style="height: 2000px"></p>
<div class="cnn-place" data-cnn-widget="planted"><div class="cnn-still">-</div>
<div class="cnn-widget">
  <button id="more">+</button>
  <button id="less">-</button>
  <div role="application" tabindex="0" aria-label="3" style="width: 90px; height: 40px">
    <svg width="40" height="20"><text y="9" fill="currentColor">4</text></svg><b>0</b></div>
  <p class="cnn-spoken"></p>
  <div class="cnn-tools"><button>0</button><button>1</button></div>
</div></div>
<p style="height: 2000px"></p>
<script>
  const widget = document.querySelector(".cnn-widget");
  const map = document.querySelector("[role=application]");
  const find = (selector) => widget.querySelector(selector);
  const [state, past] = [{ n: 0 }, []];
  let [frame, timer] = [0, 0];
  const draw = () => { frame = 0; find("b").textContent = state.n; };
  const say = () => { find(".cnn-spoken").textContent = state.n; };
  function set(name, value) {
    if (state[name] === value) return;
    state[name] = value;
    frame = frame || requestAnimationFrame(draw);
    clearTimeout(timer);
    timer = setTimeout(say, 250);
  }
  function choose(n) { past.push(state.n); set("n", n); }
  const undo = () => { if (past.length) set("n", past.pop()); };
  find("#more").onclick = () => choose(state.n + 1);
  find("#less").onclick = () => choose(state.n - 1);
  find(".cnn-tools button").onclick = undo;
  find(".cnn-tools button:last-child").onclick = () => { past.push(state.n); set("n", 0); };
  map.onclick = (event) => choose(Math.round(event.offsetX));
  widget.onkeydown = (event) => {
    const steps = { ArrowUp: 1, ArrowDown: -1, ArrowLeft: -1, ArrowRight: 1 };
    if (event.key === "z" && event.ctrlKey) undo();
    if (event.target !== map || !steps[event.key]) return;
    event.preventDefault();
    choose(state.n + steps[event.key]);
  };
  widget.cnnNames = ["n"];
  widget.parentNode.cnnModel = { state, get: (name) => state[name], set };
  widget.parentNode.dataset.cnnReady = "true";
</script>
"""

STATES = [{"n": 5}, {"n": 7}, {"n": 9}]
CHECKS = {
    "sideways": lambda page, widget: checks.sideways(page, 400),
    "targets": lambda page, widget: checks.small_targets(widget),
    "theme": checks.deaf_drawings,
    "print": lambda page, widget: checks.printed_wrong(page),
    "tab": checks.tab_faults,
    "arrows": checks.arrow_faults,
    "focus": lambda page, widget: checks.move_everything(page, widget).lost_focus,
    "undo": lambda page, widget: checks.move_everything(page, widget).not_undone,
    "english": lambda page, widget: english_left(checks.move_everything(page, widget).texts),
    "reset": lambda page, widget: checks.reset_faults(widget, {"n": 0}, STATES),
    "touch": checks.touch_faults,
    "still": checks.plays_by_itself,
    "drawing": lambda page, widget: checks.drawing_faults(widget, STATES),
    "aloud": lambda page, widget: checks.announcements(page, widget, STATES)[1:],
}

PLANTED = [  # the check, what is sound, what is not, a word of the fault
    ("sideways", 'id="more"', 'id="more" style="width: 500px"', "BUTTON"),
    (
        "targets",
        "min-height: 30px",
        "min-height: 9px; height: 9px; padding: 0; font-size: 6px",
        "9.0",
    ),
    ("theme", 'fill="currentColor"', 'fill="red" style="color: red"', "<svg"),
    ("print", "{ display: block }", "{ display: none }", "no picture"),
    ("print", ".cnn-widget { display: none }", "", "a widget"),
    ("tab", 'id="less"', 'id="less" onfocus="map.focus()"', "Tab reaches"),
    ("tab", "{ min-width", "{ outline: none; min-width", "no visible focus"),
    (
        "tab",
        "event.target !== map",
        "event.key === 'Tab' ? event.preventDefault() : 1",
        "not leave",
    ),
    ("arrows", "!steps[event.key]", "1", "arrow keys do nothing in application"),
    ("arrows", "event.preventDefault();", "", "ArrowDown in application “3” scrolls"),
    (
        "arrows",
        "frame = 0;",
        "frame = 0; map.replaceWith(map.cloneNode(true));",
        "takes the focus",
    ),
    ("focus", "frame = 0;", "frame = 0; document.activeElement.blur();", "+"),
    ("undo", "past.pop()", "past.pop() + 1", "“+”: by the button"),
    ("undo", "event.ctrlKey", "event.shiftKey", "“-”: by the keys"),
    (
        "english",
        "textContent = state.n; };\n  const say",
        "title = 'More'; };\n  const say",
        "More",
    ),
    ("english", '(".cnn-spoken").textContent = state.n', "(\"p\").textContent = 'Now'", "Now"),
    ("reset", 'set("n", 0)', 'set("n", 1)', "leads to {'n': 1}"),
    (
        "touch",
        "map.onclick = (event) =>",
        "map.onpointerdown = (event) => event.pointerType !== 'touch' &&",
        "a click gives",
    ),
    ("still", "choose(state.n - 1);", "setInterval(() => choose(state.n - 1), 900);", "a movement"),
    ("still", "choose(state.n - 1);", "map.animate([], 9000);", "an animation"),
    ("drawing", "frame = frame || requestAnimationFrame(draw)", "draw()", "drawn in frames"),
    ("drawing", "if (state[name] === value) return;", "", "again"),
    ("aloud", "clearTimeout(timer);", "", "9"),
]


@pytest.fixture
def planted(page_of, new_page):
    """planted(html) -> the page of it, its clock the test's, and its widget."""

    def open_page(body: str):
        page = new_page(viewport={"width": 400, "height": 600}, has_touch=True)
        page.clock.install()
        page_of(body, page)
        page.evaluate(checks.READER)
        return page, page.locator(".cnn-widget")

    return open_page


@pytest.mark.parametrize("check", CHECKS)
def test_the_contract_finds_nothing_against_what_is_sound(planted, check):
    assert CHECKS[check](*planted(SOUND)) == []


@pytest.mark.parametrize(("check", "sound", "fault", "word"), PLANTED)
def test_the_contract_finds_what_is_planted(planted, check, sound, fault, word):
    assert sound in SOUND
    found = CHECKS[check](*planted(SOUND.replace(sound, fault)))
    assert word in str(found)


@pytest.mark.parametrize(
    "markup",
    [
        "<p>Left</p>",
        '<i aria-label="Left"></i>',
        '<img alt="Left">',
        "<svg><title>Left</title></svg>",
    ],
)
def test_english_is_found_wherever_a_still_picture_may_have_it(markup):
    assert english_left(texts_in_markup(f"<div><p>12 × é</p>{markup}</div>")) == ["Left"]
    assert english_left(texts_in_markup(markup), ["What is left, Left or right"]) == []


def test_no_test_of_the_browser_waits_for_a_fixed_time():
    """They wait for what is to come, or move the page's clock."""
    sleeps = re.compile(r"wait_for_timeout\(|time\.sleep\(|\bsleep\(")
    for path in Path(__file__).parent.rglob("*.py"):
        assert path.name == "test_checks.py" or not sleeps.search(path.read_text()), path
