"""The photograph that is changed, as a reader meets it: the network in the page, held to torch."""

import base64

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page, expect

from cnnlib.inside import adversarial_walk, blur_image, class_picture
from cnnlib.weights import WEIGHTS, load_weights
from cnnlib.widgets.fool_it import NETWORK, FoolIt, _prepare, pixels_of
from tests.browser.conftest import let_pass
from tests.browser.homes import page_from_disk, page_in_notebook
from tests.browser.live import numbers_of
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_fool_it import shares_of

MODEL = "document.querySelector('[data-cnn-widget]').cnnModel"
PIXELS = """(name) => {
  const canvas = document.querySelector(`canvas.${name}`);
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const pen = copy.getContext("2d", { willReadFrequently: true });
  pen.drawImage(canvas, 0, 0);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  let all = "";
  for (let i = 0; i < data.length; i += 4096) {
    all += String.fromCharCode(...data.subarray(i, i + 4096));
  }
  return btoa(all);
}"""


def canvas(page: Page, name: str) -> np.ndarray:
    data = base64.b64decode(page.evaluate(PIXELS, name))
    return np.frombuffer(data, np.uint8).reshape(227, 227, 4)[..., :3]


def load(page: Page) -> Page:
    page.get_by_role("button", name="Load the network").click()
    expect(page.get_by_role("button", name="Unload the network")).to_be_visible()
    return answered(page)


def answered(page: Page) -> Page:
    settle(page)
    page.wait_for_function("!document.querySelector('.fi-body[aria-busy]')", timeout=60_000)
    settle(page)
    return page


def held_to_torch(page: Page) -> tuple[str, np.ndarray]:
    """The class that the page says; torch says the same of the picture that it shows."""
    pixels = canvas(page, "fi-after")
    shares = shares_of(pixels)
    name = WEIGHTS[NETWORK].categories[int(shares.argmax())]
    told = f"The network says {name}, with {100 * shares.max().item():.1f}"[:-1]
    expect(page.locator(".fi-told")).to_contain_text(told)
    return name, pixels


# --- The sums -------------------------------------------------------------------------------------

ASK = """async ([address, image, order]) => {
  const { openerOf } = await import("./widgets/live/home.js");
  const sums = await import("./widgets/fool_it_sums.js");
  const { inputOf, pictureOf, slopeOf } = await import("./widgets/live/planes.js");
  const text = (numbers) => {
    const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
    let all = "";
    for (let i = 0; i < bytes.length; i += 8192) {
      all += String.fromCharCode(...bytes.subarray(i, i + 8192));
    }
    return btoa(all);
  };
  const network = await openerOf({ site: MODEL.site })(address, {});
  const how = network.preprocessing;
  const planes = Float32Array.from(Uint8Array.from(atob(image), (c) => c.charCodeAt(0)));
  const input = inputOf(planes, how);
  const log = await network.gradient(input, { target: 9, logarithm: true });
  const slope = slopeOf(log.image, how);
  const moved = { rule: "plain", size: 2, budget: 6, away: false };
  const noise = sums.noise();
  const shift = [5, -3];
  const back = await network.gradient(sums.rolled(noise, shift), { target: 9 });
  const plain = await network.gradient(noise, { target: 9 });
  network.close();
  return {
    input: text(input), picture: text(pictureOf(input, how)), slope: text(slope),
    stepped: text(sums.stepped(planes, slope, planes, moved)),
    noise: text(noise), rolled: text(sums.rolled(noise, shift)),
    blurred: text(sums.blurred(noise, 0.6)),
    penalty: text(sums.climbed(noise, plain.image, [0, 0], "penalty", false)),
    soft: text(sums.climbed(noise, back.image, shift, "soft", true)),
  };
}""".replace("MODEL", MODEL)


def close(found: str, expected: torch.Tensor, share: float = 1e-3) -> None:
    expected = expected.detach().numpy().ravel()
    apart = np.abs(numbers_of(found) - expected).max()
    assert apart <= share * np.ptp(expected), apart / np.ptp(expected)


def test_the_gradient_a_step_and_a_climb_are_torchs(show):
    page = show(FoolIt())
    pixels = torch.from_numpy(pixels_of(0)).movedim(-1, 0)
    network = load_weights(NETWORK)
    image = base64.b64encode(pixels.numpy().tobytes()).decode()
    found = page.evaluate(ASK, [NETWORK, image, "BGR"])
    close(found["input"], _prepare(pixels[None]), 1e-6)
    close(found["picture"], pixels.float(), 1e-6)
    start = pixels[None].float().requires_grad_()
    log = network(_prepare(start)).log_softmax(1)[0, 9]
    (slope,) = torch.autograd.grad(log, start)
    close(found["slope"], slope)
    moved = 2 * slope / slope.pow(2).mean().sqrt()
    close(found["stepped"], (start + moved.clamp(-6, 6)).clamp(0, 255))
    noise = torch.from_numpy(numbers_of(found["noise"]).copy()).view(1, 3, 227, 227)
    assert noise.abs().max() == 20 and abs(noise.mean()) < 0.2
    close(found["rolled"], noise.roll((5, -3), (2, 3)), 0)
    close(found["blurred"], blur_image(noise, 0.6), 1e-5)
    climbed = class_picture(network, 9, noise, steps=1, rate=2.0, l2=1e-6, progress=False)
    close(found["penalty"], climbed)
    moved = noise.roll((5, -3), (2, 3)).requires_grad_()
    (slope,) = torch.autograd.grad(network(moved)[0, 9], moved)
    step = 6 * slope / slope.pow(2).mean().sqrt()
    close(found["soft"], (moved.detach() + step).roll((-5, 3), (2, 3)))


# --- The walk -------------------------------------------------------------------------------------


def test_nothing_is_loaded_before_it_is_asked_for_and_the_worked_state_is_in_sight(show):
    page = answered(show(FoolIt()))
    wanted = []
    page.on("request", lambda request: wanted.append(request.url))
    name, pixels = held_to_torch(page)
    assert name == "ostrich" and (pixels == FoolIt().changed()).all()
    choose(page, photograph=1)
    expect(page.locator(".fi-told")).to_contain_text("Load the network")
    let_pass(page, 200)
    assert not [url for url in wanted if "/live/" in url]
    load(page)
    assert held_to_torch(page)[0] != "koala"


@pytest.mark.parametrize(
    "state",
    [
        {"photograph": 4, "steps": 8},
        {"photograph": 2, "way": "away", "size": 2, "budget": 3, "steps": 2},
        {"photograph": 3, "rule": "plain", "target": 954, "steps": 5, "budget": 4},
    ],
)
def test_torch_says_of_the_picture_what_the_page_says(show, state):
    page = load(show(FoolIt(**state)))
    widget = FoolIt(**state)
    name, pixels = held_to_torch(page)
    start = pixels_of(widget.photograph)
    assert (canvas(page, "fi-before") == start).all()
    assert 0 < np.abs(pixels.astype(int) - start).max() <= widget.budget
    walk = adversarial_walk(
        load_weights(NETWORK), torch.from_numpy(start).movedim(-1, 0), _prepare,
        widget.target
        if widget.way == "towards" else widget.record()["before"][0][0],
        away=widget.way == "away", rule=widget.rule, size=widget.size, budget=widget.budget,
        steps=1,
    )  # fmt: skip
    choose(page, steps=1)
    answered(page)
    first = canvas(page, "fi-after")
    ours = walk[1].pixels.movedim(0, -1).numpy()
    assert (first != ours).mean() < 0.01  # a slope near 0 may have either sign
    apart = 128 + chosen(page, "factor")["factor"] * (first.astype(int) - start)
    assert (canvas(page, "fi-apart") == np.clip(apart, 0, 255)).all()
    assert name == WEIGHTS[NETWORK].categories[int(shares_of(pixels).argmax())]


def test_go_takes_step_after_step_stops_and_reset_leads_back(show):
    page = load(show(FoolIt(steps=0)))
    go = page.get_by_role("button", name="Go", exact=True)
    go.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(f"{MODEL}.get('steps') >= 2", timeout=30_000)
    page.get_by_role("button", name="Stop", exact=True).click()
    answered(page)
    steps = chosen(page, "steps")["steps"]
    assert 2 <= steps < 20
    let_pass(page, 300)
    assert chosen(page, "steps")["steps"] == steps
    assert held_to_torch(page)[0] == "ostrich"
    expect(page.locator(".cnn-spoken").last).to_contain_text("The network says ostrich")
    page.get_by_role("button", name="Reset").click()
    answered(page)
    assert chosen(page, "steps")["steps"] == 0
    assert held_to_torch(page)[0] == "giant panda"


def test_keys_alone_take_steps_and_spend_the_budget(show):
    page = load(show(FoolIt(steps=0)))
    page.get_by_label("Steps", exact=True).focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.get_by_label("Budget").focus()
    page.keyboard.press("ArrowLeft")
    answered(page)
    state = chosen(page, "steps", "budget")
    assert state == {"steps": 4, "budget": 1}
    _, pixels = held_to_torch(page)
    assert np.abs(pixels.astype(int) - pixels_of(0)).max() == 1


def test_a_picture_is_made_for_the_class(show):
    page = load(show(FoolIt(steps=0)))
    choose(page, climb=16)
    answered(page)
    share = shares_of(canvas(page, "fi-made"))[9].item()
    told = page.locator("p.fi-note", has_text="After 16 steps: ostrich").inner_text()
    said = float(told.removeprefix("After 16 steps: ostrich ").removesuffix(" %."))
    assert said == pytest.approx(100 * share, abs=0.1)
    assert share > 10 * shares_of(pixels_of(0))[9].item()


def test_a_picture_of_the_readers_own_is_fooled_too(show, tmp_path):
    path = tmp_path / "mine.png"
    Image.fromarray(pixels_of(4)[:200, 10:220]).save(path)
    page = load(show(FoolIt(steps=4)))
    page.locator("input[type=file]").set_input_files(str(path))
    expect(page.get_by_text("This is mine.png")).to_be_visible()
    page.wait_for_function("document.querySelector('.fi-before').ariaLabel === 'Your own picture'")
    answered(page)
    assert held_to_torch(page)[0] == "ostrich"
    page.get_by_role("button", name="Back to the photograph").click()
    answered(page)
    assert (canvas(page, "fi-before") == pixels_of(0)).all()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    page.locator("input[type=file]").set_input_files(str(broken))
    expect(page.get_by_text("broken.png cannot be read")).to_be_visible()


# --- When it fails --------------------------------------------------------------------------------


def test_a_blocked_network_is_one_sentence_and_can_be_tried_again(show):
    page = answered(show(FoolIt()))
    page.route(f"**/live/{NETWORK}.safetensors", lambda route: route.abort())
    page.get_by_role("button", name="Load the network").click()
    expect(page.locator(".live-status")).to_contain_text("could not be loaded")
    assert held_to_torch(answered(page))[0] == "ostrich"
    page.unroute(f"**/live/{NETWORK}.safetensors")
    load(page)
    assert page.faults and all(NETWORK in f or "ERR_FAILED" in f for f in page.faults)
    page.faults.clear()


def test_a_cut_file_is_not_used(show, tmp_path):
    page = show(FoolIt())
    file = tmp_path / "site" / "live" / f"{NETWORK}.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    page.get_by_role("button", name="Load the network").click()
    expect(page.locator(".live-status")).to_contain_text("came damaged")


def test_loading_is_cancelled_half_way_and_a_walk_is_left_half_way(show):
    page = answered(show(FoolIt(steps=20)))
    held = []
    page.route(f"**/live/{NETWORK}.safetensors", lambda route: held.append(route))
    page.get_by_role("button", name="Load the network").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Load the network")).to_be_focused()
    for route in held:
        route.abort()
    page.unroute(f"**/live/{NETWORK}.safetensors")
    page.get_by_role("button", name="Load the network").click()
    page.get_by_role("button", name="Unload the network").click()
    answered(page)
    expect(page.locator(".live-status")).to_contain_text("Once loaded, it runs here")
    let_pass(page, 300)
    assert (canvas(page, "fi-after") == FoolIt(steps=20).changed()).all()
    page.faults[:] = [fault for fault in page.faults if NETWORK not in fault]


# --- Its other homes ------------------------------------------------------------------------------


def test_it_runs_from_disk(new_page, tmp_path):
    page = load(page_from_disk(new_page(), tmp_path / "site", FoolIt()))
    choose(page, photograph=5)
    answered(page)
    assert held_to_torch(page)[0] == "ostrich"


def test_in_a_notebook_python_sends_the_file(new_page, serve, tmp_path):
    page = new_page()
    wanted = page_in_notebook(page, tmp_path / "notebook", serve, FoolIt(photograph=5))
    load(page)
    assert held_to_torch(page)[0] == "ostrich"
    assert wanted == [NETWORK]
