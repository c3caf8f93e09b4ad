"""The digit that is drawn, as a reader meets it: both networks in the page, held to torch."""

import json

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from cnnlib.weights import preprocess
from cnnlib.widgets.draw_digit import DrawDigit, samples
from cnnlib.widgets.draw_digit_sums import changed, draw_line, noise_pattern, read, write
from cnnlib.widgets.pictures import unpack
from cnnlib.widgets.words import fixed_point
from tests.browser.conftest import let_pass
from tests.browser.homes import page_from_disk, page_in_notebook
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_draw_digit import some_drawing

PAGE = "document.querySelector('[data-cnn-widget]').cnnModel"


def load(page: Page) -> Page:
    """Have both networks loaded, and wait for their first answer."""
    page.get_by_role("button", name="Load both networks").click()
    return answered(page)


def answered(page: Page) -> Page:
    expect(page.get_by_role("button", name="Unload both networks")).to_be_visible()
    settle(page)
    page.wait_for_function("!document.querySelector('.dd-answers[aria-busy]')")
    settle(page)
    return page


def verdicts(widget: DrawDigit) -> list[str]:
    """What the page should say of this state, by torch."""
    old, modern = (np.array(record["scores"]) for record in widget.records())
    shares = np.exp(modern - modern.max()) / np.exp(modern - modern.max()).sum()
    best, further = old.argsort()[::-1][:2]
    first, second = shares.argsort()[::-1][:2]
    say, share = widget.words, lambda n: f"{fixed_point(100 * shares[n], 1)} %"
    return [
        say(
            "verdict.codes",
            digit=int(best),
            distance=fixed_point(-old[best], 1),
            next=int(further),
            further=fixed_point(-old[further], 1),
        ),
        say(
            "verdict.shares",
            digit=int(first),
            share=share(first),
            next=int(second),
            rest=share(second),
        ),
    ]


# --- The sums -------------------------------------------------------------------------------------

TWINS = """async ([drawings, states, pattern, lines]) => {
  const { changed, drawLine, read, write } = await import("./widgets/draw_digit_sums.js");
  const noise = Uint8Array.from(pattern);
  return JSON.stringify({
    again: drawings.map((text) => write(read(text))),
    changed: states.map((state, i) => Array.from(changed(read(drawings[i]), state, noise))),
    drawn: lines.map((line, i) => Array.from(drawLine(read(drawings[i]), ...line))),
  });
}"""


def test_both_languages_write_draw_and_change_alike(show):
    page = show(DrawDigit())
    rng = np.random.default_rng(5)
    drawings = [some_drawing(seed, share=0.1 + seed / 40) for seed in range(24)]
    drawings += [sample.pixels for sample in samples()]
    states = [
        {"centre": bool(rng.random() < 0.5), "angle": int(rng.integers(-36, 37)) * 5}
        | {"thicken": int(rng.integers(4)), "noise": int(rng.integers(2) * rng.integers(101))}
        | {"down": int(rng.integers(-10, 11)), "right": int(rng.integers(-10, 11))}
        for _ in drawings
    ]
    lines = [
        [*(rng.integers(-8, 120, (2, 2)) / 4).tolist(), i % 3 == 0] for i, _ in enumerate(drawings)
    ]
    given = [[write(d) for d in drawings], states, noise_pattern().ravel().tolist(), lines]
    theirs = json.loads(page.evaluate(TWINS, given))
    assert theirs["again"] == given[0]
    for i, drawing in enumerate(drawings):
        ours = changed(drawing, states[i], noise_pattern()).astype(int).ravel()
        assert np.abs(ours - theirs["changed"][i]).max() <= 1, states[i]
        assert (ours != theirs["changed"][i]).mean() < 0.01, states[i]
        start, end, erase = lines[i]
        ours = draw_line(drawing, start, end, erase=erase).astype(int).ravel()
        assert np.abs(ours - theirs["drawn"][i]).max() <= 1


ASK = """async (cases) => {
  const { inputOf, livePair } = await import("./widgets/draw_digit_networks.js");
  const { openerOf } = await import("./widgets/live/home.js");
  const { read } = await import("./widgets/draw_digit_sums.js");
  const { networks } = MODEL.get("fixed");
  let tell;
  const pair = livePair({
    open: openerOf({ site: MODEL.site }), networks, changed: () => tell?.(),
  });
  const until = (ready) => new Promise((done) => {
    tell = () => { if (ready(pair.status())) done(pair.status()); };
    tell();
  });
  await pair.load();
  const found = [];
  for (const [drawing, look] of cases) {
    pair.ask({ pixels: read(drawing), look });
    const { answer } = await until(({ pending }) => !pending);
    found.push(answer.records.map((record) => ({ ...record,
      stages: record.stages.map(({ bytes, ...stage }) => ({ ...stage, bytes: Array.from(bytes) })),
      look: record.look && { ...record.look, bytes: Array.from(record.look.bytes) } })));
  }
  pair.stop();
  const how = { channel_order: "grey", height: 32, width: 32, mean: [20], std: [200], fit: "pad" };
  return { found, inputs: cases.map(([drawing]) => Array.from(inputOf(read(drawing), how))) };
}""".replace("MODEL", PAGE)


def test_both_networks_say_what_torch_says_to_the_last_map(show):
    names = ("digit-7", "test-256", "shifted", "inverted", "bar", "digit-0")
    looks = ("gradient", "grad_cam", "deconvnet")
    cases = [(name, look) for name in names for look in looks]
    page = show(DrawDigit())
    pixels = {sample.name: sample.pixels for sample in samples()}
    found = page.evaluate(ASK, [[write(pixels[name]), look] for name, look in cases])
    for (name, look), theirs, image in zip(cases, found["found"], found["inputs"], strict=True):
        widget = DrawDigit(drawing=name, centre=False, look=look)
        ours_image = preprocess("lenet5", pixels[name][None])[0, 0].numpy().ravel()
        np.testing.assert_allclose(image, ours_image, atol=1e-6)
        for one, other in zip(widget.records(), theirs, strict=True):
            np.testing.assert_allclose(other["scores"], one["scores"], atol=2e-4, rtol=1e-5)
            assert (one["f6"] is None) == (other["f6"] is None)
            if one["f6"]:
                np.testing.assert_allclose(other["f6"], one["f6"], atol=1e-4)
            assert (one["look"] is None) == (other["look"] is None)
            pairs = [*zip(one["stages"], other["stages"], strict=True)]
            pairs += [(one["look"], other["look"])] if one["look"] else []
            for our, their in pairs:
                assert their["high"] == pytest.approx(our["high"], rel=1e-4, abs=1e-5)
                assert their["signed"] == our["signed"]
                levels = unpack(our).ravel().astype(int)
                assert np.abs(levels - their["bytes"]).max() <= 1, (name, look)


# --- Drawing --------------------------------------------------------------------------------------


def at(page: Page, row: float, column: float) -> tuple[float, float]:
    box = page.locator(".dd-drawing").bounding_box()
    return box["x"] + column * box["width"] / 28, box["y"] + row * box["height"] / 28


def test_nothing_is_loaded_before_it_is_asked_for_and_the_worked_answers_are_in_sight(show):
    page = show(DrawDigit())
    wanted = []
    page.on("request", lambda request: wanted.append(request.url))
    expect(page.locator(".dd-note")).to_contain_text("came with the page")
    assert page.locator(".dd-verdict").all_inner_texts() == verdicts(DrawDigit())
    page.get_by_role("radio", name="test digit 3", exact=True).click()
    expect(page.locator(".dd-note")).to_contain_text("not to what is on the sheet")
    assert page.locator(".dd-verdict").all_inner_texts() == verdicts(DrawDigit())
    let_pass(page, 200)
    assert wanted == []
    load(page)
    assert len([url for url in wanted if url.endswith(".safetensors")]) == 2
    assert page.locator(".dd-verdict").all_inner_texts() == verdicts(DrawDigit(drawing="digit-3"))


def test_what_is_drawn_by_hand_is_read_as_torch_reads_it(show):
    page = load(show(DrawDigit()))
    page.get_by_role("button", name="Clear").click()
    for points in ([(7, 8), (7, 20), (22, 13)], [(14, 10), (14, 20)]):
        page.mouse.move(*at(page, *points[0]))
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*at(page, *point), steps=12)
        page.mouse.up()
    answered(page)
    drawing = chosen(page, "drawing")["drawing"]
    pixels = read(drawing)
    assert pixels[7, 12] == pixels[14, 15] == 255 and pixels[25].sum() == 0
    widget = DrawDigit(drawing=drawing)
    expect(page.locator(".dd-verdict").nth(0)).to_have_text(verdicts(widget)[0])
    expect(page.locator(".dd-verdict").nth(1)).to_have_text(verdicts(widget)[1])
    expect(page.locator(".dd-note")).to_contain_text("On the sheet: your drawing")
    old, modern = (int(np.argmax(record["scores"])) for record in widget.records())
    expect(page.locator(".dd-short")).to_have_text(f"LeNet-5: {old}. The modern LeNet: {modern}.")
    expect(page.locator(".cnn-spoken").last).to_contain_text("Of your drawing, LeNet-5 makes a")
    for name, value in {"right": -6, "angle": 35, "noise": 40, "look": "deconvnet"}.items():
        choose(page, **{name: value})
    answered(page)
    moved = DrawDigit(drawing=drawing, right=-6, angle=35, noise=40, look="deconvnet")
    assert page.locator(".dd-verdict").all_inner_texts() == verdicts(moved)
    expect(page.locator(".dd-refusal").nth(0)).to_contain_text("no rectifier lies on the way")
    expect(page.locator(".dd-look").nth(0)).to_be_hidden()
    expect(page.locator(".dd-look").nth(1)).to_be_visible()


def test_keys_alone_draw_and_rub_out(show):
    page = show(DrawDigit())
    page.get_by_role("button", name="Clear").click()
    sheet = page.locator(".dd-sheet")
    # No sample is on the sheet, and still Tab reaches the first of them.
    expect(page.locator(".cnn-picks [tabindex='0']")).to_have_accessible_name("test digit 0")
    sheet.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".cnn-spoken").last).to_have_text("Row 13, column 13, ink 0 %")
    page.keyboard.press("Space")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowDown")
    settle(page)
    by_hand = draw_line(np.zeros((28, 28), np.uint8), (13.5, 13.5), (16.5, 13.5))
    assert (read(chosen(page, "drawing")["drawing"]) == by_hand).all()
    page.get_by_role("radio", name="eraser").check()
    sheet.focus()
    page.keyboard.press("Space")
    settle(page)
    rubbed = draw_line(by_hand, (16.5, 13.5), (16.5, 13.5), erase=True)
    assert (read(chosen(page, "drawing")["drawing"]) == rubbed).all()


def test_a_finger_draws_and_the_page_stays_where_it_is(show):
    page = show(DrawDigit(), width=390, has_touch=True)
    page.get_by_role("button", name="Clear").click()
    page.locator(".dd-sheet").scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    client = page.context.new_cdp_session(page)
    for kind, point in (("Start", (5, 14)), ("Move", (15, 14)), ("Move", (24, 14)), ("End", None)):
        points = [dict(zip("xy", at(page, *point), strict=True))] if point else []
        client.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    settle(page)
    pixels = read(chosen(page, "drawing")["drawing"])
    assert (pixels[6:23, 13:15] > 100).all() and page.evaluate("scrollY") == before


# --- When it fails --------------------------------------------------------------------------------


def test_a_blocked_network_is_one_sentence_and_can_be_tried_again(show):
    page = show(DrawDigit())
    page.route("**/live/lenet_modern.safetensors", lambda route: route.abort())
    page.get_by_role("button", name="Load both networks").click()
    told = page.locator(".live-status")
    expect(told).to_contain_text("could not be loaded")
    expect(page.locator(".dd-note")).to_contain_text("came with the page")
    assert page.locator(".dd-verdict").all_inner_texts() == verdicts(DrawDigit())
    page.unroute("**/live/lenet_modern.safetensors")
    load(page)
    expect(told).to_contain_text("run on your machine")
    assert page.faults and all("lenet_modern" in f or "ERR_FAILED" in f for f in page.faults)
    page.faults.clear()


def test_a_cut_file_is_not_used(show, tmp_path):
    page = show(DrawDigit())
    file = tmp_path / "site" / "live" / "lenet5.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    page.get_by_role("button", name="Load both networks").click()
    expect(page.locator(".live-status")).to_contain_text("came damaged")
    assert page.locator(".dd-verdict").all_inner_texts() == verdicts(DrawDigit())


def test_loading_is_cancelled_half_way_and_nothing_comes_of_it(show):
    page = show(DrawDigit())
    held = []
    page.route("**/live/lenet_modern.safetensors", lambda route: held.append(route))
    page.get_by_role("button", name="Load both networks").click()
    page.wait_for_function("document.querySelector('.live-start progress').value >= 0.5")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Load both networks")).to_be_focused()
    expect(page.locator(".live-status")).to_contain_text("Nothing that you draw leaves it")
    expect(page.locator(".live-start progress")).to_be_hidden()
    for route in held:
        route.abort()
    let_pass(page, 300)
    expect(page.locator(".dd-note")).to_contain_text("came with the page")
    page.unroute("**/live/lenet_modern.safetensors")
    load(page)
    page.get_by_role("button", name="Unload both networks").click()
    expect(page.locator(".dd-note")).to_contain_text("came with the page")
    page.faults[:] = [fault for fault in page.faults if "lenet_modern" not in fault]


# --- Its other homes ------------------------------------------------------------------------------


def test_it_runs_from_disk(new_page, tmp_path):
    page = load(page_from_disk(new_page(), tmp_path / "site", DrawDigit()))
    choose(page, drawing="test-711")
    answered(page)
    assert page.locator(".dd-verdict").all_inner_texts() == verdicts(DrawDigit(drawing="test-711"))


def test_it_runs_from_disk_without_its_files_and_says_so(new_page, tmp_path):
    missing = "live/lenet5.safetensors.js"
    page = page_from_disk(new_page(), tmp_path / "site", DrawDigit(), without=(missing,))
    page.get_by_role("button", name="Load both networks").click()
    expect(page.locator(".live-status")).to_contain_text("could not be loaded")
    page.faults.clear()


def test_in_a_notebook_python_sends_both_files(new_page, serve, tmp_path):
    widget = DrawDigit(drawing="digit-8")
    page = new_page()
    wanted = page_in_notebook(page, tmp_path / "notebook", serve, widget)
    page.get_by_role("button", name="Load both networks").click()
    answered(page)
    assert page.locator(".dd-verdict").all_inner_texts() == verdicts(widget)
    assert wanted == list(DrawDigit.networks)
