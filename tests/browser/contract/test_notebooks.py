"""Every widget as a live notebook shows it: from one text, with a kernel, until it is closed."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator

from tests.browser.conftest import watched_page
from tests.browser.contract import checks
from tests.browser.contract.choices import Chooser
from tests.browser.contract.registry import every_widget, sample
from tests.sample_widgets import SAMPLES

MODEL = (Path(__file__).parent / "notebook.js").read_text(encoding="utf-8")


class Notebook:
    """A page with one widget in it, and legal states of the widget."""

    def __init__(self, stem: str, page) -> None:
        self.widget = sample(stem)
        self.page = page
        self.answering = False
        chooser = Chooser(self.widget.settled, self.widget.chosen(), self.widget.fixed, seed=7)
        self.states = chooser.states(12)

    def answer_for(self, widget) -> None:
        """The page may have a network sent, as the widget's own Python sends it."""
        if self.answering or not hasattr(widget, "wanted"):
            return
        self.answering = True

        def send(key: str) -> dict:
            sender = SAMPLES[widget.stem]()
            sender.wanted = key
            file = base64.b64encode(sender.sent_file).decode("ascii")
            return {"sent": sender.sent, "file": file}

        self.page.expose_function("kernelSends", send)

    def open(self, state: dict | None = None) -> Locator:
        widget = self.widget
        given = widget.page_state() | (state or {})
        if not self.page.evaluate("'openNotebook' in window"):
            self.answer_for(widget)
            self.page.evaluate(checks.READER)
            self.page.add_script_tag(content=MODEL)
        self.page.evaluate(
            "(given) => openNotebook(given)",
            [widget._esm, widget._css, list(widget.chosen()), given],
        )
        return self.page.locator("main > div")


@pytest.fixture
def notebook(stem, browser, serve, tmp_path) -> Iterator[Notebook]:
    (tmp_path / "index.html").write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Notebook</title>'
        '<link rel="icon" href="data:,"></head><body><main></main></body></html>'
    )
    page = watched_page(browser, viewport={"width": 1000, "height": 900}, reduced_motion="reduce")
    page.clock.install()
    page.goto(f"{serve(tmp_path)}/")
    yield Notebook(stem, page)
    faults = page.faults
    page.context.close()
    assert not faults, faults


WATCH = """(root) => {
    root.drawings = 0;
    root.watch = new MutationObserver(() => { root.drawings += 1; });
    root.watch.observe(root, reader.EVERYTHING);
}"""


@every_widget
def test_a_move_is_sent_whole_and_its_echo_changes_nothing(notebook):
    root, page = notebook.open(), notebook.page
    first, told = checks.state_of(root), 0
    for index in range(60):
        move = root.evaluate("(root, index) => reader.moveOne(root, index)", index)
        if move is None:
            break
        page.clock.run_for(1000)
        page.wait_for_function("!document.querySelector('[aria-busy=true]')")
        page.clock.run_for(1000)
        if not move["changed"]:
            continue
        told += 1
        state = checks.state_of(root)
        sent = root.evaluate("(root) => root.cnnModel.sent.splice(0)")
        assert sent == [{name: state[name] for name in move["changed"]}]
        root.evaluate(WATCH)
        root.evaluate("(root, sent) => root.cnnModel.receive(sent)", sent[0])
        page.clock.run_for(1000)
        assert root.evaluate("(root) => [root.drawings, root.cnnModel.sent.length]") == [0, 0]
        root.evaluate("(root) => root.watch.disconnect()")
        root.evaluate("(root, first) => root.cnnModel.receive(first)", first)
        page.clock.run_for(100)
    assert told > 0


@every_widget
def test_what_the_kernel_sends_in_one_message_is_shown_whole_in_any_order(notebook):
    root, page = notebook.open(), notebook.page
    for state in notebook.states:
        backwards = dict(reversed(state.items()))
        root.evaluate("(root, state) => root.cnnModel.receive(state)", backwards)
        page.clock.run_for(1000)
        assert root.evaluate("(root) => root.cnnModel.sent") == []
    page.wait_for_function("!document.querySelector('[aria-busy=true]')")
    page.clock.run_for(1000)
    assert checks.state_of(root) == notebook.states[-1]
    shown = checks.picture_of(page, root)
    page.reload()
    fresh = checks.picture_of(page, notebook.open(notebook.states[-1]))
    assert checks.differing(fresh, shown) == 0


@every_widget
def test_after_its_end_it_hears_nothing(notebook):
    root, page = notebook.open(), notebook.page
    root.evaluate("(root, state) => root.cnnModel.receive(state)", notebook.states[0])
    page.clock.run_for(100)
    moves = (root.evaluate("(root, i) => reader.moveOne(root, i)", index) for index in range(60))
    assert any(move["changed"] for move in moves)  # there is something to undo
    root.evaluate("(root) => { root.close(); root.cnnModel.sent = []; }")
    root.evaluate(WATCH)
    page.emulate_media(reduced_motion="no-preference", color_scheme="dark")
    page.set_viewport_size({"width": 500, "height": 700})
    root.evaluate(
        """(root, state) => {
            reader.press(root.querySelector("button, input, select"), "z", { ctrlKey: true });
            root.cnnModel.receive(state);
            dispatchEvent(new HashChangeEvent("hashchange"));
            dispatchEvent(new Event("resize"));
        }""",
        notebook.states[1],
    )
    page.clock.run_for(5000)
    assert root.evaluate("(root) => [root.drawings, root.cnnModel.sent.length]") == [0, 0]
    assert root.evaluate("(root) => root.cnnModel.listeners.length") == 0
    assert root.evaluate("(root) => root.listening()") == []
