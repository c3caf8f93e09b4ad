"""What a reader has answered: the store of it, beside the book's contents, and in a file.

On a small site that is made here: two pages with questions, one without, and contents.
"""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from cnnlib.widgets.quiz import Quiz, choice, number
from tests.browser.axe import axe_finds
from tests.browser.conftest import ROOT, wait_for_widgets
from tests.browser.contract.checks import READER
from tests.browser.contract.language import english_left, made_up_words
from tests.browser.model import settle

STORE = "./_static/widgets/kit/progress.js"
ONE = "book/part/one"
FORMAT = {"format": "cnn-progress", "version": 1}


def build_part(name: str):
    """A part of the book's build."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "book" / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def one() -> Quiz:
    return Quiz([choice("First?", ["a", "b"], 1, "b."), number("Second?", 2, "2.")])


def two() -> Quiz:
    return Quiz([choice("Third?", ["a", "b"], 0, "a.")])


PAGES = {
    "book/index": [],
    ONE: [one],
    "book/two": [two, two],
}


@pytest.fixture
def site(tmp_path) -> Path:
    """A folder that is laid out as the built book."""
    site = tmp_path / "site"
    static = site / "_static"
    static.mkdir(parents=True)
    (static / "widgets").symlink_to(ROOT / "cnnlib" / "widgets")
    for name in ("host.js", "site.css"):
        (static / name).symlink_to(ROOT / "book" / "_static" / name)
    for name, makers in PAGES.items():
        path = site / f"{name}.html"
        up = "../" * name.count("/")
        links = "".join(
            f'<li><a href="{"#" if other == name else f"{up}{other}.html"}">{other}</a></li>'
            for other in PAGES
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            '<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<title>{name}</title><link rel="icon" href="data:,">'
            f'<link rel="stylesheet" href="{up}_static/widgets/kit/kit.css">'
            f'<link rel="stylesheet" href="{up}_static/site.css"></head><body>'
            f'<nav class="bd-links" aria-label="Main"><ul>{links}</ul></nav><main><h1>{name}</h1>'
            f"{''.join(make().page_form() for make in makers)}</main>"
            f'<script defer src="{up}_static/host.js?v=1"></script></body></html>',
            encoding="utf-8",
        )
    build_part("questions").write_questions(site, static)
    build_part("from_disk").write_widgets(static)
    return site


@pytest.fixture
def go(serve, site) -> Callable[..., Page]:
    """go(page, name) -> the page at one of the site's pages, its contents and widgets running."""

    def open_page(page: Page, name: str = ONE, base: str = "") -> Page:
        page.goto(f"{base or serve(site)}/{name}.html")
        return started(page)

    return open_page


def started(page: Page) -> Page:
    page.locator(".cnn-progress").wait_for()
    wait_for_widgets(page)
    settle(page)
    return page


def answer(page: Page, option: str, place: int = 0) -> None:
    """Choose an option of the page's first quiz (or another), and check it."""
    quiz = page.locator(".cnn-quiz").nth(place)
    quiz.get_by_label(option, exact=True).check()
    quiz.get_by_role("button", name="Check").first.click()
    settle(page)


def marks(page: Page) -> dict[str, str]:
    """What the contents say of each page, for the eye; pages of which they say nothing left out."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("nav a")].map((link) =>
            [link.firstChild.data, link.querySelector(".cnn-progress-mark:not([hidden])")
                ?.firstChild.textContent]).filter(([, text]) => text))"""
    )


def store(page: Page, call: str, *values):
    """What a call of the store gives: ``m`` is its module, ``v`` the values."""
    code = f"async (v) => {{ const m = await import(v.shift()); return {call}; }}"
    address = page.evaluate("new URL(document.querySelector('script[src*=host]').src).href")
    module = address.split("host.js")[0] + "widgets/kit/progress.js"
    return page.evaluate(code, [module, *values])


def stored(page: Page) -> dict[str, str]:
    """The entries of the browser's storage."""
    return page.evaluate("({ ...localStorage })")


# --- The store ------------------------------------------------------------------------------------


def test_a_value_is_kept_under_the_sites_path_and_forgotten_by_null(new_page, go, serve, site):
    page = go(new_page())
    value = {"a": [1, None, "ü"], "b": {"c": 0.5}}
    assert store(page, "m.placeOf('quiz.0')") == f"{ONE}#quiz.0"
    assert store(page, "m.kept(v[0])", f"{ONE}#quiz.0") is None
    store(page, "m.keep(v[0], v[1], 1)", f"{ONE}#quiz.0", value)
    page.reload()
    assert store(page, "[m.kept(v[0]), m.solved(v[0])]", f"{ONE}#quiz.0") == [value, 1]
    [name] = stored(page)
    assert name == f"cnn-progress:{urlsplit(serve(site)).path}/"
    store(page, "m.keep(v[0], null)", f"{ONE}#quiz.0")
    page.reload()
    assert store(page, "[m.kept(v[0]), m.solved(v[0])]", f"{ONE}#quiz.0") == [None, 0]


def test_two_books_of_one_host_do_not_mix(new_page, go, serve, site):
    page = go(new_page())
    answer(page, "b")
    other = site / "deeper"
    other.mkdir()
    for path in site.iterdir():
        if path != other:
            (other / path.name).symlink_to(path)
    go(page, base=f"{serve(site)}/deeper")
    assert marks(page) == {}
    answer(page, "a")
    assert len(stored(page)) == 2
    go(page)
    assert marks(page) == {ONE: "1/2"}


DAMAGED = [
    *("", "{", "null", "[]", "7", "{}", '{"format":"cnn-progress","version":2,"places":{}}'),
    *(json.dumps(FORMAT), json.dumps(FORMAT | {"places": 3}), json.dumps(FORMAT | {"places": []})),
    "[" * 50_000,
    *(
        json.dumps(FORMAT | {"places": {place: entry}})
        for place, entry in {
            "no place": {"value": 1, "solved": 1, "time": 1},
            "a#1": {"value": 1, "solved": "1", "time": 1},
            "a#2": {"value": 1, "solved": 1, "time": 1e300},
            "a#3": {"solved": 1, "time": 1},
            "a#4": None,
            "a#5": [1],
            "__proto__": {"value": 1},
        }.items()
    ),
]


def test_a_damaged_store_is_put_aside_and_not_destroyed(new_page, go):
    page = go(new_page())
    answer(page, "b")
    [name] = stored(page)
    for damaged in DAMAGED:
        page.evaluate(
            "(pair) => { localStorage.clear(); localStorage.setItem(...pair); }", [name, damaged]
        )
        page.reload()
        assert marks(started(page)) == {}
        assert stored(page) == {name: damaged}  # looking at it changes nothing
        answer(page, "b")
        entries = stored(page)
        assert json.loads(entries.pop(name))["version"] == 1
        assert list(entries.values()) == [damaged], damaged[:100]
        assert marks(page) == {ONE: "1/2"}
        page.reload()
        assert marks(started(page)) == {ONE: "1/2"}


def test_what_can_be_read_of_a_damaged_store_still_holds(new_page, go):
    page = go(new_page())
    answer(page, "b")
    [(name, text)] = stored(page).items()
    data = json.loads(text)
    data["places"]["__proto__#x"] = {"value": 1, "solved": -1, "time": 0}
    page.evaluate("(pair) => localStorage.setItem(...pair)", [name, json.dumps(data)])
    page.reload()
    assert marks(started(page)) == {ONE: "1/2"}


@pytest.mark.parametrize(
    "broken",
    [
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } });",
        "Object.defineProperty(window, 'localStorage', { value: null });",
        "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); };",
    ],
    ids=["forbidden", "absent", "full"],
)
def test_without_room_the_page_works_and_says_that_nothing_lasts(new_page, go, broken):
    page = new_page()
    page.add_init_script(broken)
    go(page)
    answer(page, "b")
    assert marks(page) == {ONE: "1/2"}
    page.get_by_role("button", name="Your progress").click()
    expect(page.get_by_role("dialog")).to_contain_text("This browser does not let the page keep")
    text = json.dumps(
        FORMAT | {"places": {"book/two#quiz.x": {"value": 1, "solved": 1, "time": 5}}}
    )
    assert store(page, "m.imported(v[0])", text) == {"taken": 0, "refused": "room"}
    assert marks(page) == {ONE: "1/2"}


# --- Two tabs -------------------------------------------------------------------------------------


def test_two_tabs_lose_no_answer_of_each_other(new_page, go):
    first = go(new_page())
    second = go(first.context.new_page())
    answer(first, "b")
    field = second.get_by_label("Your number")
    field.fill("2")
    second.get_by_role("button", name="Check").last.click()
    for page in (first, second):
        page.get_by_text("2 of 2 right.").wait_for()
        expect(page.locator(".cnn-progress-mark:not([hidden])")).to_contain_text("✓ 2/2")
    first.reload()
    started(first)
    assert marks(first) == {ONE: "✓ 2/2"}


def test_what_another_tab_overwrote_is_written_again(new_page, go):
    """As if the other had read before this one wrote, and written after it."""
    page = go(new_page())
    other = page.context.new_page()
    go(other, "book/two")
    answer(page, "b")
    [(name, _)] = stored(page).items()
    late = FORMAT | {"places": {"book/two#quiz.x": {"value": 1, "solved": 1, "time": 5}}}
    other.evaluate("(pair) => localStorage.setItem(...pair)", [name, json.dumps(late)])
    page.wait_for_function(
        "(name) => Object.keys(JSON.parse(localStorage[name]).places).length === 2", arg=name
    )


def test_forgetting_in_one_tab_forgets_in_the_other(new_page, go):
    first = go(new_page())
    second = go(first.context.new_page())
    answer(first, "b")
    second.get_by_text("1 of 2 right.").wait_for()
    second.get_by_role("button", name="Reset").click()
    expect(first.locator(".cnn-quiz-tally")).to_have_text("")
    answer(first, "b")
    second.get_by_text("1 of 2 right.").wait_for()
    second.evaluate("localStorage.clear()")  # as a browser clears a site's data
    expect(first.locator(".cnn-quiz-tally")).to_have_text("")
    assert stored(first) == {}


# --- Beside the contents --------------------------------------------------------------------------


def test_the_build_counts_the_questions_of_each_page(site):
    text = (site / "_static" / "questions.js").read_text(encoding="utf-8")
    start, data = text.split(" = ", 1)
    assert start == "globalThis.cnnContents"
    pages = json.loads(data.rstrip(";\n"))["pages"]
    assert pages == {
        ONE: [f"quiz.{name}" for name in one().questions()],
        "book/two": [f"quiz.{name}" for name in two().questions()],
    }


def test_only_a_place_of_a_widget_counts():
    on = build_part("questions").questions_on
    form = one().page_form()
    names = [f"quiz.{name}" for name in one().questions()]
    assert on(form) == on(form + form) == names
    assert on("<p>data-cnn-questions=&quot;a&quot;</p>") == on("") == []
    assert on(two().page_form() + form)[1:] == names


def test_the_contents_count_what_is_right_and_say_nothing_without_an_answer(new_page, go):
    page = go(new_page())
    assert marks(page) == {}
    assert page.locator(".cnn-progress-mark:visible").count() == 0
    answer(page, "a")
    assert marks(page) == {ONE: "0/2"}
    answer(page, "b")
    assert marks(page) == {ONE: "1/2"}
    expect(page.get_by_role("link", name=f"{ONE} (1 of 2 questions right)")).to_be_visible()
    page.get_by_label("Your number").fill("2")
    page.get_by_role("button", name="Check").last.click()
    settle(page)
    assert marks(page) == {ONE: "✓ 2/2"}
    go(page, "book/two")
    assert marks(page) == {ONE: "✓ 2/2"}
    answer(page, "a", place=1)
    assert (
        page.locator(".cnn-quiz-tally").all_inner_texts() == ["1 of 1 right."] * 2
    )  # one question
    go(page, "book/index")  # a page without a widget
    assert marks(page) == {ONE: "✓ 2/2", "book/two": "✓ 1/1"}
    go(page)
    page.get_by_role("button", name="Reset").click()
    settle(page)
    assert marks(page) == {"book/two": "✓ 1/1"}


def test_from_disk_it_is_the_same(new_page, go, site):
    base = site.as_uri()
    page = go(new_page(), base=base)
    answer(page, "b")
    assert marks(page) == {ONE: "1/2"}
    go(page, "book/index", base=base)
    assert marks(page) == {ONE: "1/2"}
    go(page, base=base)
    assert page.locator(".cnn-quiz-tally").inner_text() == "1 of 2 right."


# --- The dialog -----------------------------------------------------------------------------------


def opened(page: Page):
    page.get_by_role("button", name="Your progress").click()
    return page.get_by_role("dialog")


def exported(page: Page) -> str:
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as a file").click()
    assert download.value.suggested_filename == "progress.json"
    return Path(download.value.path()).read_text(encoding="utf-8")


def take(page: Page, text: str | bytes) -> str:
    """Import a file of this text; what is said of it."""
    told = page.locator(".cnn-progress-told")
    told.evaluate("(node) => { node.textContent = ''; }")
    content = text if isinstance(text, bytes) else text.encode()
    page.locator("input[type=file]").set_input_files(
        {"name": "any.json", "mimeType": "application/json", "buffer": content}
    )
    expect(told).not_to_have_text("")
    settle(page)
    return told.inner_text()


def test_answers_go_to_another_browser_as_a_file(new_page, go):
    page = go(new_page())
    answer(page, "b")
    expect(opened(page)).to_contain_text("1 of the 3 questions of this book is answered rightly.")
    text = exported(page)
    other = go(new_page())  # a context of its own: another reader's browser
    expect(opened(other)).to_contain_text("No question is answered yet. This book asks 3.")
    assert take(other, text) == "1 answer is taken from the file."
    assert marks(other) == {ONE: "1/2"}
    assert other.locator(".cnn-quiz-tally").inner_text() == "1 of 2 right."
    assert take(other, text) == "0 answers are taken from the file."
    other.reload()
    assert marks(started(other)) == {ONE: "1/2"}


@pytest.mark.parametrize(
    ("here", "there", "kept"), [("b", "a", 1), ("a", "b", 1), ("a", None, 0), (None, "a", 0)]
)
def test_an_import_keeps_the_right_answer(new_page, go, here, there, kept):
    pages = [go(new_page()) for _ in range(2)]
    for page, option in zip(pages, (here, there), strict=True):
        if option:
            answer(page, option)
        opened(page)
    take(pages[0], exported(pages[1]))
    [(_, text)] = stored(pages[0]).items()
    [entry] = json.loads(text)["places"].values()
    assert (entry["value"], entry["solved"]) == (kept, kept)


def test_of_two_wrong_answers_an_import_keeps_the_newer(new_page, go):
    page = go(new_page())
    places = {f"{ONE}#quiz.{name}": name for name in one().questions()}
    for place in places:
        store(page, "m.keep(v[0], 5)", place)
    now = page.evaluate("Date.now()")
    times = [now - 10**6, now + 10**6]
    entries = {
        place: {"value": 6, "solved": 0, "time": time}
        for place, time in zip(places, times, strict=True)
    }
    answer = store(page, "m.imported(v[0])", json.dumps(FORMAT | {"places": entries}))
    assert answer == {"taken": 1, "refused": ""}
    assert [store(page, "m.kept(v[0])", place) for place in places] == [5, 6]


ENTRY = {"value": 1, "solved": 1, "time": 5}


REFUSED = {
    "This file is damaged. Nothing has changed.": [
        "",
        '{"format":"cnn-progress","ver',
        "[" * 200_000,
        b"\xff\xfe\x00PNG",
        json.dumps(FORMAT),
        json.dumps(FORMAT | {"places": None}),
        json.dumps(FORMAT | {"places": {"a#quiz.x": ENTRY, "no place": ENTRY}}),
        json.dumps(FORMAT | {"places": {"a#quiz.x": ENTRY | {"solved": 1e9}}}),
        json.dumps(FORMAT | {"places": {"a#" + "x" * 600: ENTRY}}),
    ],
    "This file holds no answers from this book. Nothing has changed.": [
        *("{}", "null", "[1]", '"cnn-progress"', "[" * 200_000 + "]" * 200_000),
        json.dumps({"places": {"a#quiz.x": ENTRY}}),
    ],
    "This file was made by another edition of the book. Nothing has changed.": [
        json.dumps(FORMAT | {"version": 2, "places": {}}),
    ],
    "This file is too long to hold answers from this book. Nothing has changed.": [
        " " * 4_000_001,
        b" " * 16_000_001,  # not even read
    ],
}


def test_a_foreign_or_damaged_file_is_refused_and_changes_nothing(new_page, go):
    page = go(new_page())
    answer(page, "b")
    before = stored(page)
    opened(page)
    for says, texts in REFUSED.items():
        for text in texts:
            assert take(page, text) == says, text[:100]
            assert stored(page) == before and marks(page) == {ONE: "1/2"}


def test_a_hostile_file_gives_names_and_values_and_nothing_runs(new_page, go):
    page = go(new_page())
    ids = [f"{ONE}#quiz.{name}" for name in one().questions()]
    places = {
        ids[0]: ENTRY | {"value": {"__proto__": 1, "length": 2}},
        ids[1]: ENTRY | {"value": "<img src=x onerror=alert(1)>", "solved": 1000},
        "__proto__#quiz.x": ENTRY,
        "constructor#toString": ENTRY,
    }
    opened(page)
    text = json.dumps(FORMAT | {"places": places})
    text = text.replace('"constructor#toString"', '"__proto__#__proto__"')
    assert take(page, text) == "4 answers are taken from the file."
    assert page.locator(".cnn-quiz-tally").inner_text() == ""  # no question can have these
    assert marks(page) == {ONE: "✓ 2/2"}  # a reader who cheats has only oneself to cheat
    page.reload()
    started(page)
    assert page.locator(".cnn-quiz-tally").inner_text() == ""


def test_everything_is_forgotten_only_after_a_second_press(new_page, go):
    page = go(new_page())
    answer(page, "b")
    dialog = opened(page)
    dialog.get_by_role("button", name="Forget everything").click()
    expect(dialog).to_contain_text("All your answers in this book will be lost.")
    dialog.get_by_role("button", name="Keep them").click()
    expect(dialog.get_by_role("button", name="Forget everything")).to_be_focused()
    assert marks(page) == {ONE: "1/2"}
    dialog.get_by_role("button", name="Forget everything").click()
    expect(dialog.get_by_role("button", name="Forget all my answers")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".cnn-progress-told")).to_have_text("All your answers are forgotten.")
    assert marks(page) == {} and page.locator(".cnn-quiz-tally").inner_text() == ""
    page.reload()
    assert marks(started(page)) == {}
    answer(page, "b")  # the store goes on working
    assert marks(page) == {ONE: "1/2"}


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_the_dialog_can_be_read_and_left_by_everyone(new_page, go, theme, width):
    page = go(new_page(viewport={"width": width, "height": 800}))
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
    answer(page, "b")
    opener = page.get_by_role("button", name="Your progress")
    opener.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Your progress")
    dialog.get_by_role("button", name="Forget everything").click()
    assert axe_finds(page, ".cnn-progress-dialog") == axe_finds(page, "nav") == []
    for button in dialog.get_by_role("button").all():
        box = button.bounding_box()
        assert box["height"] >= 24 and box["x"] >= 0 and box["x"] + box["width"] <= width
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Close").click()
    expect(opener).to_be_focused()


def test_the_contents_speak_the_books_language(new_page, go, site, monkeypatch):
    questions = build_part("questions")
    monkeypatch.setattr(questions, "read_words", made_up_words)
    questions.write_questions(site, site / "_static")
    page = go(new_page())
    answer(page, "b")
    page.locator(".cnn-progress button").click()
    page.locator(".cnn-progress-dialog button").nth(2).click()
    take(page, "{}")
    page.evaluate(READER)
    texts = page.evaluate(
        """() => ["nav", ".cnn-progress", ".cnn-progress-dialog"]
            .flatMap((name) => reader.texts(document.querySelector(name)))"""
    )
    assert len(texts) > 15 and english_left(texts, ["Main", *PAGES]) == []
