"""The network diagram in Chromium: by pointer and by keyboard, light and dark, wide and narrow."""

import pytest
from playwright.sync_api import expect

from cnnlib.models import MODELS
from cnnlib.trace import source_lines, trace
from cnnlib.widgets.network_diagram import NetworkDiagram
from tests.browser.model import choose, chosen, settle


def diagram(key: str = "resnet50") -> NetworkDiagram:
    net = MODELS[key]()
    return NetworkDiagram(trace(net, (1, 3, 224, 224)), source_lines(net))


def details(page) -> str:
    settle(page)
    return page.locator(".cnn-network-details").inner_text()


def cards(page):
    return page.locator(".cnn-widget .cnn-network-card")


def test_a_click_on_a_block_opens_its_figures_and_its_code(show):
    page = show(diagram())
    cards(page).filter(has_text="Bottleneck ×3").click()
    assert "conv3_x.conv3_2" in details(page)
    assert "280,064" in details(page) and "Stands 3 times over" in details(page)
    assert "67 × 67 … 99 × 99" in details(page)
    page.locator(".cnn-network-source summary").click()
    assert "class Bottleneck(nn.Module):" in details(page)
    chosen = page.locator(".cnn-network-card[aria-pressed=true]")
    assert chosen.count() == 1 and "conv3_2" in chosen.get_attribute("aria-label")


def test_a_block_leads_to_its_layers(show):
    page = show(diagram())
    before = cards(page).count()
    cards(page).filter(has_text="Bottleneck ×3").click()
    page.get_by_role("button", name="Show its layers").click()
    settle(page)
    assert cards(page).count() > 2 * before
    expect(page.get_by_role("radio", name="Every layer")).to_be_checked()
    assert "conv3_x.conv3_2" in details(page)
    page.keyboard.press("ArrowDown")
    assert "Conv2d(512, 128, kernel_size=(1, 1)" in details(page)


def test_the_diagram_by_keyboard_alone(show):
    page = show(diagram())
    for _ in range(6):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('cnn-network-card')"):
            break
    page.keyboard.press("ArrowDown")
    assert "Conv2d(3, 64, kernel_size=(7, 7)" in details(page)
    page.keyboard.press("End")
    assert details(page).startswith("fc")
    page.keyboard.press("Home")
    assert "The network's input: 3 × 224 × 224" in details(page)
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused) == "input, 3 × 224 × 224"


def test_arrows_to_the_side_go_from_branch_to_branch(show):
    page = show(diagram("googlenet"))
    page.get_by_role("radio", name="Every layer").check()
    settle(page)
    page.locator(".cnn-network-card[aria-label^='branch1,']").first.click()
    page.keyboard.press("ArrowRight")
    assert details(page).startswith("inception3a.branch2.reduce")


def test_python_and_page_agree_on_what_is_chosen(show):
    page = show(diagram())
    cards(page).nth(3).click()
    assert chosen(page, "level", "card") == {"level": "blocks", "card": 3}
    choose(page, card=1)
    assert "Conv2d(3, 64" in details(page)


def test_a_card_that_something_else_has_chosen_is_brought_into_sight(show):
    page = show(diagram(), width=390)
    choose(page, level="layers", card=48)
    assert details(page).startswith("fc")
    hidden = page.evaluate(
        """(() => {
          const [box, card] = [".cnn-network-scroll", ".cnn-network-card[aria-pressed=true]"]
            .map((name) => document.querySelector(name).getBoundingClientRect());
          return Math.max(box.left - card.left, card.right - box.right,
                          box.top - card.top, card.bottom - box.bottom);
        })()"""
    )
    assert hidden <= 0


@pytest.mark.parametrize("key, width", [("resnet50", 720), ("googlenet", 720), ("googlenet", 1280)])
def test_a_drawing_that_fits_the_widget_is_not_cut(show, key, width):
    page = show(diagram(key), width=width)
    cut = page.evaluate(
        "(() => { const box = document.querySelector('.cnn-network-scroll');"
        " return box.scrollWidth - box.clientWidth; })()"
    )
    assert cut <= 0
