"""A reader's camera, in a browser that has one: allowed, refused, taken away."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from cnnlib.widgets.new_head import NewHead
from tests.browser.chromium import FLAGS, find_chromium
from tests.browser.model import chosen, settle
from tests.browser.test_ask_imagenet import at_rest, bars_of, expected_bars, shown_pixels
from tests.browser.test_ask_imagenet import load_network as load_ask
from tests.browser.test_new_head import load as load_head
from tests.test_widgets_ask_imagenet import make, photographs


@pytest.fixture(scope="module")
def browser(browser) -> Iterator[Browser]:
    """A browser with a camera that shows a moving test picture."""
    flags = [*FLAGS, "--use-fake-device-for-media-stream"]
    seeing = browser.browser_type.launch(executable_path=find_chromium(), args=flags)
    yield seeing
    seeing.close()


def open_camera(page: Page) -> None:
    page.get_by_role("button", name="Use the camera").click()
    page.wait_for_function("document.querySelector('video').readyState >= 2")
    expect(page.get_by_label("What the camera sees")).to_be_visible()
    page.evaluate("globalThis.tracks = document.querySelector('video').srcObject.getTracks()")


def assert_closed(page: Page) -> None:
    expect(page.locator("video")).to_be_hidden()
    assert page.evaluate("tracks.length === 1 && tracks[0].readyState === 'ended'")


def test_the_cameras_picture_is_asked_and_the_camera_goes_off(show):
    page = show(make(covered=False), permissions=["camera"])
    load_ask(page)
    open_camera(page)
    page.get_by_role("button", name="Take this picture").click()
    expect(page.locator(".live-note")).to_contain_text("This is the camera’s picture. It stays")
    at_rest(page)
    assert_closed(page)
    expect(page.get_by_role("button", name="Use the camera")).to_be_focused()
    assert (shown_pixels(page) != photographs()[0].pixels).mean() > 0.5
    assert bars_of(page, "Uncovered") == expected_bars(shown_pixels(page))
    open_camera(page)
    page.get_by_role("button", name="Stop the camera").click()
    assert_closed(page)


def test_the_camera_is_read_live_and_a_frame_is_kept(show):
    page = load_head(show(NewHead(), permissions=["camera"]))
    open_camera(page)
    expect(page.locator(".live-camera .cnn-bar-strong .cnn-bar-text")).to_be_visible()
    page.get_by_role("button", name="Keep as “buildings”").click()
    expect(page.locator(".nh-title")).to_have_text("camera picture")
    assert chosen(page, "pictures")["pictures"][-1] == ["own-1", 1]
    page.get_by_role("button", name="Unload the network").click()  # then nobody reads it
    assert_closed(page)


@pytest.mark.parametrize("widget", ["ask", "head"])
def test_a_camera_that_is_refused_is_one_sentence_and_the_page_works_on(show, widget):
    page = show(make()) if widget == "ask" else load_head(show(NewHead()))
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_text("The camera may not be used")).to_be_visible()
    expect(page.locator("video")).to_be_hidden()
    page.context.grant_permissions(["camera"])
    open_camera(page)
    settle(page)
    expect(page.get_by_text("The camera may not be used")).to_have_count(0)
