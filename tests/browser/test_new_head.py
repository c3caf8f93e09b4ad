"""The new head as a reader meets it: features and heads in the page, held to torch; its faults."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from cnnlib.data import load_gallery
from cnnlib.widgets.new_head import NewHead, features_of
from cnnlib.widgets.new_head_sums import fit, held_out, softmax, weights_of
from cnnlib.widgets.words import fixed_point
from tests.browser.conftest import let_pass
from tests.browser.homes import page_from_disk, page_in_notebook
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_new_head import CASES, example, torch_optimum

PAGE = "document.querySelector('[data-cnn-widget]').cnnModel"
GALLERY = {p.name: p.image for album in ("gallery", "faces") for p in load_gallery(album)}


def png(name: str) -> dict:
    """A photograph as a file that a reader chooses: every pixel is kept."""
    file = io.BytesIO()
    Image.fromarray(GALLERY[name]).save(file, "png")
    return {"name": f"{name}.png", "mimeType": "image/png", "buffer": file.getvalue()}


def quiet(page: Page) -> Page:
    """Wait until what was asked for has been trained and drawn."""
    settle(page)
    page.wait_for_function("!document.querySelector('.cnn-new-head[aria-busy]')")
    settle(page)
    return page


def load(page: Page) -> Page:
    page.get_by_role("button", name="Load the network").click()
    expect(page.get_by_role("button", name="Unload the network")).to_be_visible()
    return quiet(page)


def add(page: Page, row: int, *files: dict) -> Page:
    """Give files to a class, by its number."""
    page.locator(".nh-class input[type=file]").nth(row).set_input_files(list(files))
    return page


def notice(page: Page) -> Locator:
    return page.locator(".nh-body > .live-trouble")


def says(page: Page) -> str:
    return page.locator(".nh-result").inner_text()


def promised(features: np.ndarray, labels: np.ndarray, classes: int, power: int = -2) -> str:
    """What the page should say of a head on these, counted in Python."""
    gram, penalty = features @ features.T, 10.0**power
    found = fit(gram, labels, classes, penalty)
    weight, bias = weights_of(features, found)
    right = int(((features @ weight.T + bias).argmax(1) == labels).sum())
    held = int((held_out(gram, labels, classes, penalty) == labels).sum())
    say, count = NewHead.words_in("en"), len(labels)
    return say("trained", right=right, count=count), say("held", right=held, count=count)


# --- The sums -------------------------------------------------------------------------------------

LEARN = """async (cases) => {
  const { learn } = await import("./widgets/new_head_sums.js");
  const numbers = (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Float64Array(bytes.buffer);
  };
  return cases.map(([text, wide, labels, classes, penalty]) => {
    const all = numbers(text);
    const rows = labels.map((_, i) => all.subarray(i * wide, (i + 1) * wide));
    const work = learn(rows, labels, classes, penalty);
    let step = work.next();
    while (!step.done) step = work.next();
    const { head, losses, held, shares } = step.value;
    const [weight, given] = [head.weight, shares].map((rows) => rows.map((row) => Array.from(row)));
    return { losses, held, bias: Array.from(head.bias), weight, shares: given };
  });
}"""


def test_the_page_trains_as_python_does_and_as_torchs_optimum_is(show):
    page = show(NewHead())
    widgets = [example(name, power) for name, power in CASES]
    given = []
    for widget in widgets:
        features, labels = widget.features()
        text = base64.b64encode(features.astype("<f8").tobytes()).decode("ascii")
        given.append([text, 512, labels.tolist(), len(widget.names), 10.0**widget.penalty])
    for widget, theirs in zip(widgets, page.evaluate(LEARN, given), strict=True):
        features, labels = widget.features()
        record = widget.record()
        best = torch_optimum(features, labels, len(widget.names), 10.0**widget.penalty)
        assert best * (1 - 1e-9) <= theirs["losses"][-1] <= best * 1.001
        np.testing.assert_allclose(theirs["losses"], record["losses"], rtol=1e-6)
        np.testing.assert_allclose(theirs["bias"], record["bias"], atol=1e-6)
        np.testing.assert_allclose(theirs["weight"], record["weight"], atol=1e-6)
        assert theirs["held"] == record["held"].tolist()
        shares = softmax(features @ record["weight"].T + record["bias"])
        np.testing.assert_allclose(theirs["shares"], shares, atol=1e-6)


FEATURES = """async (files) => {
  const { ownPictures } = await import("./widgets/new_head_network.js");
  const { openerOf } = await import("./widgets/live/home.js");
  const found = [];
  const fixed = MODEL.get("fixed");
  await new Promise((done) => {
    const own = ownPictures({
      open: openerOf({ site: MODEL.site }), fixed, refused: done,
      changed() {},
      arrived(key) {
        found.push(Array.from(own.get(key).features));
        if (found.length === files.length) { own.stop(); done(); }
      },
    });
    own.load().then(() => own.add(files.map((text, i) => ({
      title: String(i), blob: new Blob([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))]),
    })), 0));
  });
  return found;
}""".replace("MODEL", PAGE)


def test_features_in_the_page_are_torchs(show):
    names = ("jaguars", "espresso", "chelsea", "shepherd_face")
    page = show(NewHead())
    files = [base64.b64encode(png(name)["buffer"]).decode("ascii") for name in names]
    for name, theirs in zip(names, page.evaluate(FEATURES, files), strict=True):
        (ours,) = features_of([GALLERY[name]])
        assert np.abs(ours - theirs).max() < 1e-3 * np.ptp(ours), name


# --- Pictures of the page -------------------------------------------------------------------------


def test_the_pages_pictures_are_learned_and_asked_about_without_the_network(show):
    page = show(NewHead())
    wanted = []
    page.on("request", lambda request: wanted.append(request.url))
    quiet(page)
    for name in ("dogs", "three", "mixed"):
        words = {"dogs": "dogs, others", "three": "three classes", "mixed": "mixed up"}
        page.get_by_role("button", name=words[name]).click()
        quiet(page)
        widget = example(name)
        for sentence in promised(*widget.features(), len(widget.names)):
            assert sentence in says(page)
        record = widget.record()
        wrong = int((record["held"] != widget.features()[1]).sum())
        assert page.locator(".nh-wrong").count() == wrong > 0
        best = int(record["shares"].argmax())
        share = f"{fixed_point(100 * record['shares'][best], 0)} %"
        expect(page.locator(".nh-verdict .cnn-bar-strong .cnn-bar-text")).to_have_text(share)
    assert not [url for url in wanted if "/live/" in url]


def test_keys_alone_ask_about_a_picture_put_it_in_and_take_it_out(show):
    page = show(NewHead())
    page.get_by_role("radio", name="Two jaguar sisters").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Ring-tailed lemurs", exact=True)).to_be_focused()
    settle(page)
    assert chosen(page, "tested")["tested"] == "lemurs"
    expect(page.locator(".cnn-spoken").last).to_contain_text("Ring-tailed lemurs")
    into = page.get_by_role("button", name="Put it in “buildings”")
    into.focus()
    page.keyboard.press("Enter")
    quiet(page)
    expect(into).to_be_focused()
    assert chosen(page, "pictures")["pictures"][-1] == ["lemurs", 1]
    for sentence in promised(*NewHead(**chosen(page, "pictures")).features(), 2):
        assert sentence in says(page)
    page.get_by_role("button", name="Put it in “animals”").click()
    quiet(page)
    assert chosen(page, "pictures")["pictures"][-1] == ["lemurs", 0]
    page.get_by_role("button", name="Take it out").click()
    quiet(page)
    assert chosen(page, "pictures") == {"pictures": NewHead().pictures}


def test_without_pictures_there_is_no_head_and_the_page_says_so(show):
    page = show(NewHead())
    page.get_by_role("button", name="no pictures").click()
    quiet(page)
    expect(page.locator(".nh-result")).to_contain_text("No head yet")
    expect(page.get_by_role("button", name="Download the head")).to_be_disabled()
    choose(page, pictures=[["panda", 0], ["koala", 0], ["castle", 1]])
    quiet(page)
    assert "Leaving one out is not measured" in says(page)


# --- Pictures of the reader's own -----------------------------------------------------------------


def own_features(*names: str) -> np.ndarray:
    return features_of([GALLERY[name] for name in names]).astype(float)


def test_files_are_learned_from_as_torch_would(show):
    page = load(show(NewHead()))
    page.get_by_role("button", name="no pictures").click()
    add(page, 0, png("chelsea"), png("kitten"))
    expect(page.locator(".nh-class").nth(0).get_by_role("radio")).to_have_count(2)
    add(page, 1, png("canyon"), png("boats"), png("sunset"))
    expect(page.locator(".nh-class").nth(1).get_by_role("radio")).to_have_count(3)
    quiet(page)
    pairs = [["own-1", 0], ["own-2", 0], ["own-3", 1], ["own-4", 1], ["own-5", 1]]
    assert chosen(page, "pictures", "tested") == {"pictures": pairs, "tested": "own-5"}
    features = own_features("chelsea", "kitten", "canyon", "boats", "sunset")
    labels = np.array([kind for _, kind in pairs])
    for sentence in promised(features, labels, 2):
        assert sentence in says(page)
    found = fit(features @ features.T, labels, 2, 0.01)
    weight, bias = weights_of(features, found)
    share = softmax(features[4] @ weight.T + bias)[1]
    bar = page.locator(".nh-verdict .cnn-bar-strong .cnn-bar-text")
    expect(bar).to_have_text(f"{fixed_point(100 * share, 0)} %")
    # To ask about one more does not teach it.
    page.locator(".nh-body > input[type=file]").first.set_input_files([png("raccoon_face")])
    expect(page.locator(".nh-title")).to_have_text("raccoon_face.png")
    assert chosen(page, "pictures") == {"pictures": pairs}
    page.get_by_role("button", name="Forget it").click()
    expect(page.locator(".nh-title")).to_have_text("This picture is not here.")
    for _ in range(2):
        page.get_by_role("button", name="Undo").click()
    quiet(page)
    assert len(chosen(page, "pictures")["pictures"]) < 5


DROP = """async ([row, name, text]) => {
  const given = new DataTransfer();
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  given.items.add(new File([bytes], name, { type: "image/png" }));
  const tray = document.querySelectorAll(".nh-tray")[row];
  const options = { bubbles: true, cancelable: true, dataTransfer: given };
  for (const type of ["dragenter", "dragover", "drop"]) {
    tray.dispatchEvent(new DragEvent(type, options));
  }
}"""


def drop(page: Page, row: int, name: str, content: bytes) -> None:
    page.evaluate(DROP, [row, name, base64.b64encode(content).decode("ascii")])


def test_a_file_is_dropped_on_a_class_and_what_is_no_picture_is_named(show):
    page = show(NewHead())
    drop(page, 1, "early.png", png("boats")["buffer"])
    expect(notice(page)).to_have_text(
        "Load the network first: it makes the features of your pictures."
    )
    load(page)
    drop(page, 1, "boats.png", png("boats")["buffer"])
    expect(page.locator(".nh-title")).to_have_text("boats.png")
    assert chosen(page, "pictures")["pictures"][-1] == ["own-1", 1]
    drop(page, 0, "notes.png", b"no picture")
    expect(notice(page)).to_have_text("notes.png could not be read as a picture.")
    quiet(page)
    assert len(chosen(page, "pictures")["pictures"]) == 15


def test_no_more_than_sixty_pictures_are_taken(show):
    page = load(show(NewHead()))
    choose(page, pictures=[["panda", 0], *([f"own-{n}", 1] for n in range(40, 99))])
    settle(page)
    add(page, 0, png("boats"))
    expect(notice(page)).to_contain_text("takes at most 60 pictures")
    assert len(chosen(page, "pictures")["pictures"]) == 60
    expect(page.locator(".nh-result")).to_contain_text("59 pictures of this state are not here")


# --- A head as a file -----------------------------------------------------------------------------


def test_a_head_is_downloaded_as_a_plain_linear_layer_and_asked_again(show, tmp_path):
    page = quiet(show(NewHead()))
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the head").click()
    path = tmp_path / "head.json"
    download.value.save_as(path)
    content = json.loads(path.read_text())
    widget = NewHead()
    np.testing.assert_allclose(content["weight"], widget.record()["weight"], atol=1e-6)
    np.testing.assert_allclose(content["bias"], widget.record()["bias"], atol=1e-6)
    assert content["names"] == ["animals", "buildings"] and content["pictures"] == 14
    before = page.locator(".nh-verdict .cnn-bar-strong .cnn-bar-text").inner_text()
    page.get_by_role("button", name="mixed up").click()
    quiet(page)
    bring = page.locator("input[type=file][accept*=json]")
    bring.set_input_files(str(path))
    expect(
        page.get_by_text("Asked now: a head from a file, for animals, buildings")
    ).to_be_visible()
    expect(page.locator(".nh-verdict .cnn-bar-strong .cnn-bar-text")).to_have_text(before)
    page.get_by_role("button", name="Back to the head trained here").click()
    expect(page.locator(".nh-verdict")).to_contain_text(re.compile("It says “(heads|tails)”"))
    wrong = [content | {"layer": "conv1"}, content | {"bias": [0]}, content | {"names": ["a"]}]
    wrong += [content | {"weight": [[0] * 511] * 2}, [], "x"]
    for number, bad in enumerate(wrong):
        file = tmp_path / f"bad{number}.json"
        file.write_text(json.dumps(bad))
        bring.set_input_files(str(file))
        expect(page.get_by_text(f"bad{number}.json is no head for these features.")).to_be_visible()


# --- When it fails --------------------------------------------------------------------------------


def test_a_blocked_network_is_one_sentence_and_the_pages_pictures_still_work(show):
    page = show(NewHead())
    page.route("**/live/squeezenet1_1.safetensors", lambda route: route.abort())
    page.get_by_role("button", name="Load the network").click()
    expect(page.locator(".live-status")).to_contain_text("could not be loaded")
    page.get_by_role("button", name="mixed up").click()
    quiet(page)
    assert promised(*example("mixed").features(), 2)[1] in says(page)
    page.unroute("**/live/squeezenet1_1.safetensors")
    load(page)
    page.faults.clear()


def test_a_cut_file_is_not_used(show, tmp_path):
    page = show(NewHead())
    file = tmp_path / "site" / "live" / "squeezenet1_1.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    page.get_by_role("button", name="Load the network").click()
    expect(page.locator(".live-status")).to_contain_text("came damaged")
    expect(page.get_by_role("button", name="Ask about a file")).to_be_disabled()


def test_loading_and_features_are_cancelled_half_way(show):
    page = show(NewHead())
    held = []
    page.route("**/live/squeezenet1_1.safetensors", lambda route: held.append(route))
    page.get_by_role("button", name="Load the network").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Load the network")).to_be_focused()
    for route in held:
        route.abort()
    page.unroute("**/live/squeezenet1_1.safetensors")
    load(page)
    add(page, 0, *[png("boats")] * 30)
    expect(page.locator(".live-status")).to_contain_text("of 30")
    page.get_by_role("button", name="Cancel").click()
    quiet(page)
    count = len(chosen(page, "pictures")["pictures"])
    assert count < 14 + 30
    let_pass(page, 300)
    assert len(chosen(page, "pictures")["pictures"]) == count
    page.faults[:] = [fault for fault in page.faults if "squeezenet1_1" not in fault]


# --- Its other homes ------------------------------------------------------------------------------


@pytest.fixture
def disk_page(new_page, tmp_path) -> Page:
    return page_from_disk(new_page(), tmp_path / "site", NewHead())


def test_it_runs_from_disk(disk_page):
    page = load(disk_page)
    add(page, 1, png("boats"))
    expect(page.locator(".nh-title")).to_have_text("boats.png")
    quiet(page)
    features, labels = NewHead().features()
    features = np.vstack([features, own_features("boats")])
    for sentence in promised(features, np.append(labels, 1), 2):
        assert sentence in says(page)


def test_in_a_notebook_python_sends_the_file(new_page, serve, tmp_path):
    widget = NewHead()
    page = new_page()
    page_in_notebook(page, tmp_path / "notebook", serve, widget)
    load(page)
    add(page, 1, png("boats"))
    expect(page.locator(".nh-title")).to_have_text("boats.png")
