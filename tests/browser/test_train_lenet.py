"""A LeNet trained in the page, as a reader meets it: every number held to torch."""

import struct

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from safetensors.numpy import load_file, save_file

from cnnlib.widgets.train_lenet import TrainLeNet
from cnnlib.widgets.train_lenet_sums import KEYS, OPTIMISERS, course, order_of, start
from tests.browser.conftest import let_pass
from tests.browser.homes import page_from_disk, page_in_notebook
from tests.browser.model import choose, settle

PAGE = "document.querySelector('[data-cnn-widget]').cnnModel"


def load(page: Page) -> Page:
    page.get_by_role("button", name="Load digits and networks").click()
    expect(page.get_by_role("button", name="Unload")).to_be_visible(timeout=60_000)
    expect(page.locator(".tl-note")).to_contain_text("Digits seen: none", timeout=60_000)
    return page


COURSE = """async ([key, how, seed, batch, steps]) => {
  const { openerOf, dataOf } = await import("./widgets/live/home.js");
  const { orderOf } = await import("./widgets/live/course.js");
  const { networks, digits, examined } = MODEL.get("fixed");
  const home = { site: MODEL.site };
  const network = await openerOf(home)(key, {});
  await network.course.take(await dataOf(home)("digits", {}), digits);
  const { parameters, rubbish } = networks.find((one) => one.key === key);
  const full = { ...how, seed, shuffled: false, ...(rubbish ? { rubbish } : {}) };
  const { first: begun } = await network.course.begin({ parameters, how: full });
  const { told, seen, first } = await network.course.teach(
    { batch, steps, until: 2000, time: 1e9, how });
  const { counts } = await network.course.examine({ count: examined });
  network.close();
  return { losses: told.map(({ loss }) => loss), seen, counts,
    begun: Array.from(begun), first: Array.from(first), order: orderOf(8000, 1001).slice(0, 50) };
}""".replace("MODEL", PAGE)


@pytest.mark.parametrize("key", KEYS)
def test_a_seeds_course_is_the_one_that_torch_takes(show, key):
    page = show(TrainLeNet())
    small = key == "lenet5"  # its loss is a distance
    rates = {"adamw": 0.002, "momentum": 0.0002 if small else 0.01, "sgd": 0.001 if small else 0.1}
    for optimiser in OPTIMISERS:
        how = {"optimiser": "adamw" if optimiser == "adamw" else "sgd", "lr": rates[optimiser]}
        how |= {"momentum": 0.9 if optimiser == "momentum" else 0}
        how |= {"weight_decay": 0.01 if optimiser == "adamw" else 0}
        found = page.evaluate(COURSE, [key, how, 1, 20, 10])
        ours = course(key, optimiser, rates[optimiser], 20, False, 1, 200)
        assert found["seen"] == 200 and found["order"] == order_of(8000, 1001)[:50]
        first = next(iter(start(key, 1).values())).ravel()
        assert found["begun"] == [float(value) for value in first]  # to the bit
        losses = [loss for _, loss in ours["told"]]
        np.testing.assert_allclose(found["losses"], losses, rtol=2e-4)
        np.testing.assert_allclose(found["first"], ours["first"], atol=1e-4)
        assert np.sum(found["counts"]) == 1000


GATHER = """async (chunks) => {
  const { gathered } = await import("./widgets/train_lenet_school.js");
  let [points, seen] = [[], 0];
  for (const chunk of chunks) {
    points = gathered([...points, ...chunk.map((loss) => [seen += 20, loss, 1])]);
  }
  return points;
}"""


@pytest.mark.parametrize("count", [1, 399, 2000, 5003])
def test_every_point_of_a_long_curve_is_the_mean_of_as_many_steps(show, count):
    """Else a course would look noisier at one end than at the other."""
    rng = np.random.default_rng(count)
    losses = rng.random(count)
    chunks = np.split(losses, np.sort(rng.integers(0, count, size=count // 30)))
    points = show(TrainLeNet()).evaluate(GATHER, [chunk.tolist() for chunk in chunks])
    seen, means, steps = map(list, zip(*points, strict=True))
    assert len(points) <= 400 and len(set(steps[:-1])) <= 1 and steps[-1] <= steps[0]
    ends = np.cumsum(steps)
    assert ends[-1] == count and (20 * ends == seen).all()
    expected = [losses[end - size : end].mean() for end, size in zip(ends, steps, strict=True)]
    np.testing.assert_allclose(means, expected)


def test_a_falling_rate_and_shifted_digits_are_torchs(show):
    page = show(TrainLeNet())
    how = {"optimiser": "adamw", "lr": 0.005, "momentum": 0, "weight_decay": 0.01}
    found = page.evaluate(COURSE, ["lenet_modern", how | {"falls": 220, "shift": 2}, 3, 20, 10])
    ours = course("lenet_modern", "adamw", 0.005, 20, False, 3, 200, 220, 2)
    np.testing.assert_allclose(found["losses"], [loss for _, loss in ours["told"]], rtol=2e-4)
    np.testing.assert_allclose(found["first"], ours["first"], atol=1e-4)
    still = course("lenet_modern", "adamw", 0.005, 20, False, 3, 200)
    assert np.abs(np.subtract(still["first"], ours["first"])).max() > 0.01


def test_the_course_is_over_when_its_rate_has_fallen_to_zero(show):
    page = load(show(TrainLeNet()))
    choose(page, falls=8000, batch=200)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator(".tl-note")).to_contain_text("the course is over", timeout=60_000)
    expect(page.locator(".tl-note")).to_contain_text("Digits seen: 8,000.")
    page.get_by_role("button", name="One step").click()
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_visible()
    expect(page.locator(".tl-note")).to_contain_text("Digits seen: 8,000.")
    choose(page, falls=0)
    page.get_by_role("button", name="One step").click()
    expect(page.locator(".tl-note")).to_contain_text("Digits seen: 8,200.")


def test_a_reader_trains_pauses_steps_and_begins_anew(show):
    page = show(TrainLeNet())
    wanted = []
    page.on("request", lambda request: wanted.append(request.url))
    choose(page, seed=2)
    let_pass(page, 200)
    expect(page.locator(".tl-note")).to_contain_text("other settings than yours")
    assert wanted == []
    load(page)
    assert len([url for url in wanted if "digits.gz" in url]) == 1
    begun = course("lenet_modern", "adamw", 0.002, 20, False, 2, 0)["exams"][0][1]
    expect(page.locator(".tl-note")).to_contain_text(f"digits: {100 * begun:.1f} %")
    page.get_by_role("button", name="One step").click()
    expect(page.locator(".tl-note")).to_contain_text("Digits seen: 20.")
    page.get_by_role("button", name="One step").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".tl-note")).to_contain_text("Digits seen: 40.")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator(".tl-dot")).to_have_count(2, timeout=60_000)
    page.get_by_role("button", name="Pause").click()
    note = page.locator(".tl-note")
    right = float(note.inner_text().split("digits: ")[1].split(" %")[0])
    ours = course("lenet_modern", "adamw", 0.002, 20, False, 2, 2000)["exams"][1][1]
    assert right == pytest.approx(100 * ours, abs=2.0)
    page.get_by_role("button", name="Begin anew").click()
    expect(note).to_contain_text("Digits seen: none", timeout=30_000)


def test_the_weights_go_into_a_file_and_come_back(show, tmp_path):
    page = load(show(TrainLeNet()))
    page.get_by_role("button", name="One step").click()
    expect(page.locator(".tl-note")).to_contain_text("Digits seen: 20.")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the weights").click()
    path = tmp_path / "kept.safetensors"
    download.value.save_as(path)
    assert download.value.suggested_filename == "lenet_modern.safetensors"
    kept = load_file(path)
    begun = start("lenet_modern", 1)
    assert {n: v.shape for n, v in kept.items()} == {n: v.shape for n, v in begun.items()}
    first = np.reshape(
        course("lenet_modern", "adamw", 0.002, 20, False, 1, 20)["first"], (6, 1, 5, 5)
    )
    np.testing.assert_allclose(kept["conv1.weight"], first, atol=1e-4)

    told, field = page.locator(".tl-file"), page.locator("input[type=file]")
    content = path.read_bytes()
    bad = {"cut": content[:-4], "short": b"abc", "text": b"\x10" + b"\0" * 7 + b"no heading here!"}
    heading = b'{"x":{"dtype":"F32","shape":[1],"data_offsets":null}}'
    bad["odd"] = struct.pack("<Q", len(heading)) + heading
    for name, text in bad.items():
        field.set_input_files({"name": f"{name}.safetensors", "mimeType": "", "buffer": text})
        expect(told).to_contain_text("no weights that can be read")
        field.evaluate("node => node.dispatchEvent(new Event('focus'))")
    save_file({"conv1.weight": np.zeros((6, 1, 5, 5), np.float32)}, tmp_path / "other.safetensors")
    field.set_input_files(tmp_path / "other.safetensors")
    expect(told).to_contain_text("not the weights of this network")
    expect(page.locator(".tl-note")).to_contain_text("Digits seen: 20.")
    field.set_input_files(path)
    expect(told).to_contain_text("A new course begins with them")
    expect(page.locator(".tl-note")).to_contain_text("Digits seen: none", timeout=30_000)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the weights").click()
    download.value.save_as(tmp_path / "again.safetensors")
    again = load_file(tmp_path / "again.safetensors")
    assert all((again[name] == kept[name]).all() for name in kept)


def test_a_loss_that_is_no_number_ends_the_course_with_a_sentence(show, tmp_path):
    page = load(show(TrainLeNet()))
    huge = {name: np.full_like(value, 3e38) for name, value in start("lenet_modern", 1).items()}
    save_file(huge, tmp_path / "huge.safetensors")
    page.locator("input[type=file]").set_input_files(tmp_path / "huge.safetensors")
    expect(page.locator(".tl-note")).to_contain_text("held-out digits: 0.0 %", timeout=30_000)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator(".tl-note")).to_contain_text("weights have run away", timeout=30_000)
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_visible()
    page.get_by_role("button", name="Begin anew").click()
    expect(page.locator(".tl-note")).to_contain_text("Digits seen: none", timeout=30_000)
    expect(page.locator(".tl-note")).not_to_contain_text("digits: 0.0 %")


# --- When it fails --------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["cut", "changed", "other"])
def test_blocked_or_cut_digits_are_one_sentence_and_can_be_tried_again(show, tmp_path, damage):
    page = show(TrainLeNet())
    page.route("**/live/digits.gz", lambda route: route.abort())
    page.get_by_role("button", name="Load digits and networks").click()
    expect(page.locator(".live-status")).to_contain_text("could not be loaded")
    expect(page.locator(".tl-note")).to_contain_text("came with the page")
    page.unroute("**/live/digits.gz")
    file = tmp_path / "site" / "live" / "digits.gz"
    whole = file.read_bytes()
    changed = whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:]
    damaged = {"cut": whole[:-1000], "changed": changed, "other": b"nothing"}
    file.write_bytes(damaged[damage])
    page.get_by_role("button", name="Load digits and networks").click()
    expect(page.locator(".live-status")).to_contain_text("came damaged", timeout=30_000)
    file.write_bytes(whole)
    load(page)
    let_pass(page, 300)  # the browser tells of a blocked file when it likes
    page.faults[:] = [f for f in page.faults if "digits" not in f and "ERR_FAILED" not in f]


def test_loading_is_cancelled_half_way_and_nothing_comes_of_it(show):
    page = show(TrainLeNet())
    held = []
    page.route("**/live/digits.gz", lambda route: held.append(route))
    page.get_by_role("button", name="Load digits and networks").click()
    page.wait_for_function("document.querySelector('.live-start progress').value > 0.6")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Load digits and networks")).to_be_focused()
    for route in held:
        route.abort()
    let_pass(page, 300)
    expect(page.locator(".tl-note")).to_contain_text("came with the page")
    page.unroute("**/live/digits.gz")
    page.faults[:] = [fault for fault in page.faults if "digits" not in fault]
    load(page)
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_role("button", name="Unload").click()
    expect(page.locator(".tl-note")).to_contain_text("came with the page")


# --- Its other homes ------------------------------------------------------------------------------


def test_it_trains_from_disk(new_page, tmp_path):
    page = load(page_from_disk(new_page(), tmp_path / "site", TrainLeNet()))
    page.get_by_role("button", name="One step").click()
    expect(page.locator(".tl-note")).to_contain_text("Digits seen: 20.")


def test_in_a_notebook_python_sends_the_files(new_page, serve, tmp_path):
    widget = TrainLeNet()
    page = new_page()
    wanted = page_in_notebook(page, tmp_path / "notebook", serve, widget)
    load(page)
    page.get_by_role("button", name="One step").click()
    expect(page.locator(".tl-note")).to_contain_text("Digits seen: 20.")
    assert wanted == [*KEYS, "digits"]
    settle(page)
