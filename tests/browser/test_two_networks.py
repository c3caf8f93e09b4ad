"""Two networks asked in the page: their answers are torch's, and what goes wrong is said."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from cnnlib.weights import WEIGHTS
from cnnlib.widgets.photo_networks import (
    SIDE,
    TITLES,
    classes_of,
    network_facts,
    shares_of_pixels,
)
from cnnlib.widgets.two_networks import TwoNetworks, first_answer, photographs, pixels_of
from cnnlib.widgets.two_networks_sums import Side, sign_test, tally
from tests.browser.homes import page_from_disk, page_in_notebook
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_two_networks import make_with_squeezenet

PAIR = ("small_shufflenet_v1", "small_lenet")  # two small ones, of the same classes


# What is asked of the workers: whether each run is a whole one.
LISTEN = """() => {
    window.asked = [];
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (message, ...rest) {
        if (message.kind === "run") asked.push(message.whole);
        return post.call(this, message, ...rest);
    };
}"""


def at_rest(page: Page) -> None:
    settle(page)
    page.wait_for_function("!document.querySelector('[aria-busy=true]')", timeout=120_000)
    settle(page)


def load(page: Page) -> None:
    page.get_by_role("button", name="Load both networks").click()
    expect(page.get_by_role("button", name="Unload both")).to_be_visible(timeout=60_000)
    at_rest(page)


def ask(page: Page) -> None:
    page.get_by_role("button", name="Ask both", exact=True).click()
    expect(page.locator(".tn-words")).to_contain_text(" says ", timeout=60_000)
    at_rest(page)


def shown_pixels(page: Page) -> np.ndarray:
    """The square that both networks get: (227, 227, 3)."""
    data = page.evaluate(
        """() => [...document.querySelector(".tn-picture").getContext("2d")
            .getImageData(0, 0, 227, 227).data]"""
    )
    return np.array(data, dtype=np.uint8).reshape(SIDE, SIDE, 4)[..., :3]


def bars_of(page: Page, column: int) -> list[tuple[str, float]]:
    lines = page.locator(".tn-column").nth(column).locator(".cnn-bars li")
    texts = [line.locator("span").all_inner_texts() for line in lines.all()]
    numbers = {"under 0.1 %": 0.05, "over 99.9 %": 99.97}
    return [(name, numbers.get(text) or float(text.removesuffix(" %"))) for name, text in texts]


def assert_bars_are_torchs(page: Page, *keys: str) -> None:
    pixels = shown_pixels(page)
    for column, key in enumerate(keys):
        shares = shares_of_pixels(key, pixels)
        best = np.argsort(-shares)[:5]
        found = bars_of(page, column)
        assert [name for name, _ in found] == [classes_of(key)[i] for i in best], key
        assert np.abs(np.array([s for _, s in found]) - 100 * shares[best]).max() < 0.11, key


def costs_of(page: Page, row: str) -> list[str]:
    line = page.locator(".tn-table").first.get_by_role("row", name=row)
    return line.locator("td").all_inner_texts()


def table_of(page: Page) -> dict[str, list[str]]:
    rows = page.locator(".tn-table").nth(1).locator("tbody tr")
    return {
        row.locator("th").inner_text(): row.locator("td").all_inner_texts() for row in rows.all()
    }


# --- Answers --------------------------------------------------------------------------------------


def test_nothing_is_fetched_until_the_reader_asks_and_then_each_pair_answers_as_torch(show):
    page = show(make_with_squeezenet())
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    choose(page, photograph=18)
    settle(page)
    assert not asked
    assert page.locator(".tn-column .cnn-bars li:visible").count() == 0
    expect(page.get_by_role("button", name="Ask both", exact=True)).to_be_disabled()
    pairs = [
        ("squeezenet1_1", "small_resnet18"),
        ("small_shufflenet_v1", "imagenette_zfnet"),
        ("imagenette_zfnet", "squeezenet1_1"),
    ]
    for pair in pairs:
        choose(page, first=pair[0], second=pair[1])
        settle(page)
        load(page)
        for photograph in (18, 3):
            choose(page, photograph=photograph)
            settle(page)
            ask(page)
            assert_bars_are_torchs(page, *pair)
    assert sum("squeezenet1_1.safetensors" in url for url in asked) >= 1


def test_the_pages_pixels_are_those_of_python(show):
    page = show(make_with_squeezenet())
    at_rest(page)
    away = np.abs(shown_pixels(page).astype(int) - pixels_of(2))
    assert away.max() <= 3 and away.mean() < 0.1  # a browser unpacks a picture in its own way


def test_the_costs_are_those_of_the_library_and_the_time_is_this_machines(show):
    page = show(make_with_squeezenet())
    facts = [network_facts(key) for key in ("squeezenet1_1", "small_resnet18")]
    assert costs_of(page, "Multiply-adds") == [f"{f['macs'] / 1e6:.1f} million" for f in facts]
    assert costs_of(page, "Parameters") == [f"{f['parameters'] / 1e6:.2f} million" for f in facts]
    assert costs_of(page, "To load") == [f"{round(f['bytes'] / 1000)} kB" for f in facts]
    assert costs_of(page, "Right on") == ["not counted here", "65.4 % of 1000"]
    assert costs_of(page, "One run") == ["not asked yet"] * 2
    kilobytes = sum(round(f["bytes"] / 1000) for f in facts)
    expect(page.get_by_role("button", name=f"Load both networks ({kilobytes} kB)")).to_be_visible()
    load(page)
    page.evaluate(LISTEN)
    ask(page)
    assert page.evaluate("asked") == [True] * 20  # one run that is not counted and nine, each whole
    slow, fast = (float(text.removesuffix(" ms")) for text in costs_of(page, "One run"))
    assert 0.3 < fast < slow < 5000  # SqueezeNet has eleven times the multiply-adds
    expect(page.locator(".tn-words")).to_contain_text("small ResNet-18 is faster.")
    expect(page.get_by_text("The time is the median of 9 runs")).to_be_visible()


def test_a_guess_is_judged_and_ends_with_its_question(show):
    page = show(make_with_squeezenet())
    load(page)
    choose(page, faster="second", surer="second")
    ask(page)
    words = page.locator(".tn-words").inner_text()
    first, second = (share for [(_, share), *_] in (bars_of(page, 0), bars_of(page, 1)))
    assert first > second
    assert words.endswith(
        "SqueezeNet 1.1 is surer. You had said the other. small ResNet-18 is faster. You said so."
    )
    page.get_by_label("Photograph", exact=True).select_option(label="American bison")
    settle(page)
    assert chosen(page, "faster", "surer") == {"faster": "second", "surer": "none"}
    expect(page.locator(".tn-words")).to_contain_text("have not been asked about this picture")


def test_what_a_network_cannot_say_is_said(show):
    page = show(TwoNetworks(("squeezenet1_1", "small_lenet"), photograph=18))
    notes = page.locator(".tn-note")
    expect(notes.nth(0)).to_contain_text("shows “espresso”. This network has that class.")
    expect(notes.nth(1)).to_contain_text(
        "This network has no such class: whatever it says is wrong."
    )
    knows = page.locator(".tn-column .cnn-help")
    expect(knows.nth(0)).to_contain_text("knows 1000 classes, those of ImageNet")
    expect(knows.nth(1)).to_contain_text("knows 20 classes, and can give no other name: goldfish, ")
    choose(page, photograph=8)  # the hedgehog, which ImageNet files with the porcupine
    expect(notes.nth(1)).to_have_text("For this photograph no class is noted as right.")


def test_a_picture_of_ones_own_is_asked_about(show):
    page = show(TwoNetworks(PAIR))
    load(page)
    file = io.BytesIO()
    Image.fromarray(pixels_of(14)).resize((500, 400)).save(file, "png")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="A picture of your own").click()
    given = {"name": "mine.png", "mimeType": "image/png", "buffer": file.getvalue()}
    chooser.value.set_files(given)
    expect(page.locator(".live-note")).to_contain_text("This is mine.png")
    ask(page)
    assert_bars_are_torchs(page, *PAIR)
    assert page.locator(".tn-note").all_inner_texts() == ["", ""]


# --- Over the gallery -----------------------------------------------------------------------------


def test_the_table_over_the_gallery_is_that_of_python(show):
    page = show(TwoNetworks(PAIR))
    load(page)
    page.get_by_role("button", name="Ask both about all 42 photographs").click()
    expect(page.locator(".tn-surveyed")).to_be_visible(timeout=120_000)
    at_rest(page)
    labels = [one["label"] for one in photographs()]
    sides = [Side(classes_of(key), [first_answer(key, i) for i in range(42)]) for key in PAIR]
    found = tally(sides, labels)
    table = table_of(page)
    assert table["Has the class"] == [f"{side['known']} of 21" for side in found["sides"]]
    assert table["First answer right"] == [f"{side['right']} of 21" for side in found["sides"]]
    for start, name in {
        "Mean share": "when_right",
        "… where the network lacks": "when_foreign",
    }.items():
        cells = next(cells for row, cells in table.items() if row.startswith(start))
        for cell, side in zip(cells, found["sides"], strict=True):
            assert float(cell.removesuffix(" %")) == pytest.approx(100 * side[name], abs=1)
    words = page.locator(".tn-surveyed").inner_text()
    assert f"the same first name on {found['same']} of 42" in words
    assert f"both name it on {found['both']}" in words
    assert f"neither on {found['neither']}" in words
    alone = sum(found["fair"])
    if alone:
        p = float(re.search(r"probability (\d\.\d+)", words)[1])
        assert p == pytest.approx(sign_test(*found["fair"]), abs=0.001)


def test_the_sums_are_those_of_python(show, page_of_sums):
    rng = np.random.default_rng(0)
    names = ["a", "b", "c", "d"]
    for _ in range(20):
        labels = [None if n > 3 else names[n] for n in rng.integers(0, 6, 12)]
        sides = [
            Side(
                names[: int(rng.integers(1, 5))],
                [(names[int(rng.integers(0, 4))], float(rng.random())) for _ in labels],
            )
            for _ in range(2)
        ]
        given = [{"classes": s.classes, "answers": s.answers} for s in sides]
        found = page_of_sums("sums.tally(...given)", [given, labels])
        expected = tally(sides, labels)
        means = ("when_right", "when_wrong", "when_foreign")
        for one, other in zip(found.pop("sides"), expected.pop("sides"), strict=True):
            assert {k: one[k] for k in one if k not in means} == {
                k: other[k] for k in other if k not in means
            }
            for name in means:
                assert one[name] == (other[name] and pytest.approx(other[name]))
        assert found == expected
    for one, other in [(0, 0), (0, 6), (3, 1), (12, 30), (2, 2)]:
        assert page_of_sums("sums.signTest(...given)", [one, other]) == pytest.approx(
            sign_test(one, other)
        )
    for values in ([3], [1, 10], [5, 1, 9], [4, 1, 8, 2]):
        assert page_of_sums("sums.median(given)", values) == np.median(values)


@pytest.fixture
def page_of_sums(show):
    page = show(TwoNetworks(PAIR))

    def call(expression: str, given):
        return page.evaluate(
            f"""async (given) => {{
                const address = new URL("widgets/two_networks_sums.js", document.baseURI);
                const sums = await import(address);
                return {expression}; }}""",
            given,
        )

    return call


def test_a_survey_can_be_ended_and_another_pair_ends_it(show):
    page = show(make_with_squeezenet())
    load(page)
    for end in ("button", "pair"):
        page.get_by_role("button", name="Ask both about all 42").click()
        expect(page.locator(".live-status")).to_contain_text("of 42 done")
        if end == "button":
            page.get_by_role("button", name="Cancel").click()
            expect(page.get_by_role("button", name="Unload both")).to_be_visible()
        else:
            choose(page, second="small_shufflenet_v1")
            expect(page.get_by_role("button", name="Load both")).to_be_visible()
        at_rest(page)
        expect(page.locator(".tn-surveyed")).to_be_hidden()
    load(page)
    ask(page)
    assert_bars_are_torchs(page, "squeezenet1_1", "small_shufflenet_v1")


# --- What goes wrong, and other homes -------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [({"abort": True}, "could not be loaded"), ({"body": b"cut"}, "came damaged")],
)
def test_a_blocked_or_cut_file_is_one_sentence_and_the_page_works_on(show, answer, sentence):
    page = show(TwoNetworks(PAIR))
    blocked = f"**/{PAIR[1]}.safetensors"  # the first one has come by then

    def respond(route) -> None:
        route.abort() if "abort" in answer else route.fulfill(status=200, **answer)

    page.context.route(blocked, respond)
    page.get_by_role("button", name="Load both networks").click()
    expect(page.locator(".live-status")).to_contain_text(sentence)
    page.faults.clear()
    page.context.unroute(blocked)
    load(page)
    ask(page)
    assert_bars_are_torchs(page, *PAIR)


def test_it_runs_from_disk(new_page, tmp_path):
    page = page_from_disk(new_page(), tmp_path / "site", TwoNetworks(PAIR))
    load(page)
    ask(page)
    assert_bars_are_torchs(page, *PAIR)


def test_in_a_notebook_python_sends_both_files(new_page, serve, tmp_path):
    page = new_page()
    wanted = page_in_notebook(page, tmp_path / "notebook", serve, TwoNetworks(PAIR))
    load(page)
    ask(page)
    assert_bars_are_torchs(page, *PAIR)
    assert wanted == list(PAIR)


def test_every_network_is_on_the_list(show):
    page = show(TwoNetworks())
    options = page.get_by_label("First network", exact=True).locator("option").all_inner_texts()
    expected = [
        f"{title} · {len(WEIGHTS[key].categories)} classes" for key, title in TITLES.items()
    ]
    assert options == expected
