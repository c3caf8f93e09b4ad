"""The matrix view as a reader meets it: its sums are Python's, and what meets lights up."""

import json

import pytest
from playwright.sync_api import Page, expect

from cnnlib.widgets import matrix_view_sums as sums
from cnnlib.widgets.matrix_view import MatrixView
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_matrix_view import LAYERS, make

TWINS = """async (layers) => {
  const s = await import("./widgets/matrix_view_sums.js");
  const some = (layer) => s.PICTURES.map((picture) => {
    const [rows, columns] = s.sizes(layer)[picture];
    return [[0, 0], [rows - 1, columns - 1], [rows >> 1, columns >> 1]]
      .map((entry) => s.lights(layer, picture, entry));
  });
  return JSON.stringify(layers.map((layer) => [
    s.sizes(layer), s.values(layer), s.counts(layer), s.products(layer).length, some(layer)]));
}"""


def test_both_languages_sum_alike_over_many_layers(show):
    page = show(make())
    theirs = json.loads(page.evaluate(TWINS, LAYERS))
    for layer, told in zip(LAYERS, theirs, strict=True):
        shape = sums.sizes(layer)
        some = []
        for picture in sums.PICTURES:
            rows, columns = shape[picture]
            entries = [[0, 0], [rows - 1, columns - 1], [rows // 2, columns // 2]]
            some.append([sums.lights(layer, picture, entry) for entry in entries])
        ours = [shape, sums.values(layer), sums.counts(layer), len(sums.products(layer)), some]
        assert told == ours, layer


def lit(page: Page, board: str) -> list[str]:
    """The numbers that light up on a board, in order of the drawing."""
    return page.locator(f".mv-{board} :is(.mv-lit, .mv-self)").all_text_contents()


def told(page: Page) -> str:
    return page.locator(".mv-told").inner_text().replace("\u00a0", " ")


def test_the_worked_case_lights_up_from_each_side(show):
    page = show(MatrixView(picture="input", entry=[0, 4]))
    assert lit(page, "input") == ["4"]
    assert lit(page, "output") == page.locator(".mv-output text").all_text_contents()
    assert lit(page, "kernel") == ["1", "2", "3", "4", "6", "7", "8", "9"]
    assert sorted(lit(page, "toeplitz")) == ["1", "2", "3", "4", "6", "7", "8", "9"]
    assert lit(page, "flat-input") == ["4"]
    assert told(page).startswith("Input (0, 1, 1) = 4 stands 4 times in the im2col matrix. Its ")
    page.get_by_role("radio", name="im2col").check()
    settle(page)
    assert lit(page, "columns") == ["4", "4", "4", "4"]
    assert page.locator(".mv-toeplitz").is_hidden()
    choose(page, form="toeplitz", picture="toeplitz", entry=[3, 5])
    settle(page)
    assert told(page) == (
        "Toeplitz matrix, row 3, column 5: weight (0, 0, 1) = 2 of kernel 0. "
        "Output (0, 1, 1) takes it times input (0, 1, 2) = 5."
    )
    assert [lit(page, b) for b in ("input", "kernel", "toeplitz")] == [["5"], ["2"], ["2"]]
    expect(page.locator(".cnn-spoken")).to_contain_text("Toeplitz matrix, row 3, column 5")


@pytest.mark.parametrize(
    ("picture", "entry", "layer", "says"),
    [
        ("toeplitz", [0, 8], {}, "a 0 that is not stored. Output (0, 0, 0) does not read input (0"),
        ("rows", [0, 8], {"preset": "groups"}, "Kernel 0 is of another group than channel 2"),
        ("rows", [1, 5], {}, "weight (1, 0, 1) = −2 of kernel 1. It meets row 5 of the im2col"),
        ("columns", [0, 0], {"preset": "padding"}, "a 0 of the padding. In window 0 it lies under"),
        ("columns", [5, 3], {}, "input (1, 1, 2) = 14. In window 3 it lies under weight (1, 0, 1)"),
        ("columns", [9, 0], {"preset": "groups"}, "lies under weight (0, 0, 1) of 2 kernels."),
        ("input", [0, 8], {"in_channels": 1, "stride": 2}, "is read by no window"),
        ("kernel", [0, 0], {"preset": "padding"}, "The Toeplitz matrix holds it 9 times"),
        ("output", [0, 0], {"preset": "padding"}, "4 products. Or row 0 of the flat kernels times "
         "column 0 of the im2col matrix, where 5 more products are with zeros"),
        ("output", [0, 0], {"preset": "connected"}, "9 products. Or row 0 of the flat kernels"),
    ],
)  # fmt: skip
def test_every_kind_of_entry_is_told(show, picture, entry, layer, says):
    page = show(MatrixView(picture=picture, entry=entry, **layer))
    assert says in told(page)
    assert page.locator(".mv-self").count() >= 1


def test_a_pointer_looks_and_a_press_chooses(show):
    page = show(MatrixView())
    first = told(page)
    cell = page.locator(".mv-toeplitz rect").nth(27 * 5 + 1)  # row 5, column 1
    cell.hover()
    expect(page.locator(".mv-told")).to_contain_text("Toeplitz matrix, row 5, column 1")
    assert chosen(page, "picture", "entry") == {"picture": "output", "entry": [0, 0]}
    page.mouse.move(2, 2)
    expect(page.locator(".mv-told")).to_have_text(first)
    cell.click()
    settle(page)
    assert chosen(page, "picture", "entry") == {"picture": "toeplitz", "entry": [5, 1]}
    page.locator(".mv-flat-output rect").nth(6).click()
    settle(page)
    assert chosen(page, "picture", "entry") == {"picture": "output", "entry": [1, 2]}


@pytest.mark.parametrize(
    ("picture", "entry", "key", "leads"),
    [
        ("input", [0, 2], "ArrowRight", [1, 0]),  # into the next channel
        ("input", [1, 3], "ArrowUp", [1, 0]),
        ("kernel", [0, 2], "ArrowDown", [1, 0]),  # into the next kernel
        ("kernel", [0, 3], "ArrowRight", [0, 6]),
        ("kernel", [1, 4], "End", [1, 9]),
        ("output", [0, 1], "ArrowRight", [1, 0]),
        ("toeplitz", [3, 26], "ArrowDown", [4, 26]),
        ("columns", [3, 0], "ArrowDown", [4, 0]),
        ("rows", [0, 11], "Home", [0, 0]),
    ],
)
def test_arrow_keys_walk_through_a_picture_as_it_is_drawn(show, picture, entry, key, leads):
    page = show(MatrixView(picture=picture, entry=entry))
    page.locator(f".mv-{picture}[role=application]").press(key)
    settle(page)
    assert chosen(page, "picture", "entry") == {"picture": picture, "entry": leads}


def test_keys_on_another_picture_start_where_it_lights_up(show):
    page = show(MatrixView(picture="input", entry=[2, 8]))
    page.locator(".mv-toeplitz").press("ArrowLeft")
    settle(page)
    assert chosen(page, "picture", "entry") == {"picture": "toeplitz", "entry": [3, 25]}


def test_on_a_phone_the_matrix_scrolls_to_the_entry_and_the_page_does_not(show):
    page = show(MatrixView(picture="toeplitz", entry=[0, 0]), width=390)
    box = page.locator(".mv-box").first
    assert box.evaluate("(box) => box.scrollWidth > box.clientWidth && box.scrollLeft === 0")
    page.locator(".mv-toeplitz").press("End")
    settle(page)
    inside = """(box) => { const mark = box.querySelector(".mv-toeplitz .mv-self");
        const [a, b] = [mark, box].map((node) => node.getBoundingClientRect());
        return a.left >= b.left && a.right <= b.right; }"""
    assert box.evaluate("(box) => box.scrollLeft") > 0 and box.evaluate(inside)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page = show(MatrixView(picture="columns", entry=[0, 14], preset="padding"), width=390)
    expect(page.locator(".mv-columns .mv-self")).to_be_in_viewport(ratio=1)


def test_presets_and_bills_follow_and_sliders_stay_within_what_is_legible(show):
    page = show(MatrixView())
    page.get_by_label("Case").select_option("padding")
    settle(page)
    assert chosen(page, "padding", "in_channels") == {"padding": 1, "in_channels": 1}
    rows = page.locator(".mv-bill tbody tr")
    assert rows.nth(1).locator("td").all_text_contents() == ["16×16", "9×16"]
    assert rows.nth(3).locator("td").all_text_contents() == ["100 (39 %)", "100 (69 %)"]
    slider = page.get_by_role("slider", name="Kernels")
    assert slider.get_attribute("max") == "2"
    page.get_by_role("slider", name="Stride").press("ArrowRight")
    settle(page)
    assert page.get_by_label("Case").locator("option:checked").inner_text() == "Your own settings"
    assert chosen(page, "preset", "stride") == {"preset": "", "stride": 2}
