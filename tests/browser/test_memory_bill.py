"""The page's bill is Python's, over random settings, and stands in its table."""

import random

from playwright.sync_api import expect

from cnnlib.widgets.memory_bill import write_bytes
from cnnlib.widgets.memory_bill_sums import COPIES, bill
from tests.browser.conftest import write_page_of
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_memory_bill import PUBLISHED, make, published


def test_bills_and_their_words_are_pythons_over_random_settings(new_page, serve, tmp_path):
    write_page_of(tmp_path / "site")
    page = new_page()
    page.goto(f"{serve(tmp_path / 'site')}/")
    dice = random.Random(9)
    networks = {key: list(published(key)) for key in PUBLISHED}
    cases = [
        [
            dice.choice(list(networks)),
            {
                "batch": dice.choice([1, 512, dice.randint(1, 512)]),
                "bits": dice.choice([32, 16]),
                "use": dice.choice(list(COPIES)),
                "card": dice.randint(1, 90),
            },
        ]
        for _ in range(600)
    ]
    say = make().words
    numbers = [dice.randrange(10 ** dice.randint(1, 12)) for _ in range(2000)]
    theirs, written = page.evaluate(
        """async ([networks, cases, table, numbers]) => {
          const { bill, writeBytes } = await import("./widgets/memory_bill_sums.js");
          const { makeWords } = await import("./widgets/kit/words.js");
          const say = makeWords(table);
          return [cases.map(([key, state]) => bill(networks[key], state)),
            numbers.map((bytes) => writeBytes(say, bytes))];
        }""",
        [networks, cases, say.table, numbers],
    )
    for (key, state), answer in zip(cases, theirs, strict=True):
        assert answer == bill(networks[key], **state), (key, state)
    assert written == [write_bytes(say, number) for number in numbers]


def cells(page, column: int) -> list[str]:
    settle(page)
    return page.locator(f".mb-table tbody tr > :nth-child({column})").all_text_contents()


def shares(page) -> list[list[float]]:
    """The pixels of each line's two bars."""
    settle(page)
    return page.evaluate(
        """() => [...document.querySelectorAll(".mb-bars")].map((line) =>
          [...line.children].map((bar) => bar.getBoundingClientRect().width))"""
    )


def test_the_table_has_a_line_for_every_layer_with_its_bytes_and_bars(show):
    widget = make(batch=4)
    page = show(widget)
    found = widget.bill()["lines"]
    names = [line["name"] or "image" for line in widget.fixed["networks"][0]["lines"]]
    assert cells(page, 1) == names
    assert cells(page, 2) == [write_bytes(widget.words, sum(parts)) for parts in found]
    longest = max(map(sum, found))
    room = max(map(sum, shares(page)))
    for drawn, parts in zip(shares(page), found, strict=True):
        for pixels, part in zip(drawn, parts, strict=True):
            assert abs(pixels - room * part / longest) < 0.5


def test_the_bars_show_parameters_and_multiply_adds(show):
    widget = make()
    page = show(widget)
    lines = widget.fixed["networks"][0]["lines"]
    for bars in ("parameters", "macs"):
        choose(page, bars=bars)
        values = [line[bars] for line in lines]
        drawn = [first for first, _ in shares(page)]
        assert [pixels > 0 for pixels in drawn] == [value > 0 for value in values]
        assert drawn.index(max(drawn)) == values.index(max(values))
    assert page.locator(".mb-legend").is_hidden()


def test_the_lectures_column_stands_only_beside_the_network_that_it_is_about(show):
    page = show(make())
    assert page.locator("th.mb-printed").is_visible()
    assert cells(page, 5)[:3] == ["1.7K", "4.5K", "–"]
    values = 3 * 20 * 28 + 8 * 20 * 28 + 5
    told = page.locator(".mb-lecture").inner_text()
    assert told.startswith("The lecture’s last line: 9K * 4 bytes.") and f"{values:,}" in told
    choose(page, network="ResNet")
    settle(page)
    assert page.locator("th.mb-printed").is_hidden() and page.locator(".mb-lecture").is_hidden()
    assert page.locator(".mb-table thead th:visible").count() == 6
    assert page.locator(".mb-table tbody tr").first.locator("th, td").count() == 6


def test_the_button_takes_the_largest_batch_that_fits(show):
    widget = make()
    page = show(widget)
    largest = widget.bill()["largest"]
    assert largest > 512
    button = page.get_by_role("button", name="Largest batch that fits")
    button.click()
    assert chosen(page, "batch") == {"batch": 512}
    expect(page.locator(".mb-verdict")).to_contain_text(f"holds {largest} images at most")


def test_in_use_there_are_no_gradients_and_16_bits_halve_everything(show):
    widget = make(use="inference")
    page = show(widget)
    shown = page.locator(".cnn-bars li:visible span:first-child").all_text_contents()
    assert shown == ["Parameters", "Maps"]
    page.get_by_role("radio", name="16 bits").check(force=True)
    halves = make(use="inference", bits=16).bill()
    assert 2 * halves["total"] == widget.bill()["total"]
    settle(page)
    assert cells(page, 2) == [write_bytes(widget.words, sum(p)) for p in halves["lines"]]


def test_what_is_said_aloud_is_the_sum(show):
    page = show(make())
    page.get_by_role("slider", name="Images in a batch").press("ArrowRight")
    expect(page.locator("div.cnn-spoken")).to_have_text(page.locator(".mb-verdict").inner_text())
