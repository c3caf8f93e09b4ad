"""The checks of pages find the faults that they are for: each is planted here."""

import pytest
from playwright.sync_api import Page

from tests.browser.axe import axe_finds
from tests.browser.conftest import watched_page

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
