"""What the engine does where something is missing, damaged, too late or not wanted any more."""

import hashlib
import json

import pytest
import torch

from cnnlib.live.site import network_file, shipped_entry
from tests.browser.conftest import let_pass
from tests.browser.live import apart, ask, text_of, write_live
from tests.browser.test_live_engine import example

OPEN = """async ([address, image, wanted]) => {
    const engine = await import(new URL("live/engine.js", document.baseURI));
    const numbers = (text) =>
        new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
    const told = (error) => ({ code: error.code, message: error.message });
    const stop = new AbortController();
    const progress = [];
    const onProgress = ({ loaded, total }) => {
        progress.push([loaded, total]);
        if (wanted === "abort on the way") stop.abort();
    };
    if (wanted === "abort at once") stop.abort();
    if (wanted === "no SIMD") WebAssembly.validate = () => false;
    try {
        const network = await engine.openNetwork(address, { onProgress, signal: stop.signal });
        const picture = numbers(image);
        const runs = [];
        if (wanted === "newer") {
            const asked = [1, 2, 3].map(() => network.run(picture).then(() => "done", told));
            runs.push(...await Promise.all(asked));
        }
        if (wanted === "close") {
            const asked = network.run(picture).then(() => "done", told);
            network.close();
            runs.push(await asked, await network.run(picture).then(() => "done", told));
        }
        network.close();
        return { progress, runs, layers: network.layers.length, key: network.key };
    } catch (error) {
        return { ...told(error), progress };
    }
}"""
KEY = "squeezenet1_1"


@pytest.fixture
def site(tmp_path):
    write_live(tmp_path, (KEY,))
    return tmp_path


@pytest.fixture
def opened(new_page, serve, site):
    """opened(wanted, faults) -> what openNetwork gives; `faults` are parts of what is expected."""

    def run(wanted: str = "", faults: tuple[str, ...] = (), route=None) -> dict:
        page = new_page()
        if route:
            page.route(f"**/{KEY}.safetensors", route)
        page.goto(f"{serve(site)}/index.html")
        address = f"live/{KEY}.safetensors"
        answer = page.evaluate(OPEN, [address, text_of(example(KEY)), wanted])
        if faults:
            let_pass(page, 300)  # the browser tells of a blocked file when it likes
        page.faults[:] = [f for f in page.faults if not any(part in f for part in faults)]
        return answer

    return run


def test_progress_is_told_in_bytes(opened):
    answer = opened()
    loaded = [loaded for loaded, _ in answer["progress"]]
    total = shipped_entry(KEY)["bytes"]
    assert loaded == sorted(loaded) and loaded[-1] == total
    assert {of for _, of in answer["progress"]} == {total}
    assert answer["key"] == KEY


def test_a_file_that_is_not_there(opened, site):
    (site / "live" / f"{KEY}.safetensors").unlink()
    answer = opened(faults=("404",))
    assert answer["code"] == "network" and "status 404" in answer["message"]


def test_a_network_that_is_blocked(opened):
    answer = opened(faults=("ERR_FAILED", "failed:"), route=lambda route: route.abort())
    assert answer["code"] == "network" and "could not be loaded" in answer["message"]


def test_a_list_that_is_not_there(opened, site):
    (site / "live" / "networks.json").unlink()
    answer = opened(faults=("404",))
    assert answer["code"] == "network" and "networks.json" in answer["message"]


def test_a_network_that_is_not_listed(opened, site):
    (site / "live" / "networks.json").write_text("{}")
    assert opened()["code"] == "network"


@pytest.mark.parametrize("cut", [0, 5, 1000, 2_000_000, -1])
def test_a_file_that_is_cut(opened, site, cut):
    (site / "live" / f"{KEY}.safetensors").write_bytes(network_file(KEY)[:cut])
    answer = opened()
    assert answer["code"] == "damaged" and "bytes, expected" in answer["message"]


def test_a_file_with_another_byte(opened, site):
    content = bytearray(network_file(KEY))
    content[-5] ^= 1
    (site / "live" / f"{KEY}.safetensors").write_bytes(content)
    answer = opened()
    assert answer["code"] == "damaged" and "SHA-256" in answer["message"]


def test_a_damaged_file_is_loaded_anew_once(opened):
    damaged = bytearray(network_file(KEY))
    damaged[-5] ^= 1
    asked = []

    def answer(route):
        asked.append(route.request.url)
        if len(asked) == 1:
            route.fulfill(body=bytes(damaged))
        else:
            route.continue_()

    assert opened(route=answer)["key"] == KEY
    assert len(asked) == 2


@pytest.mark.parametrize("content", [b"", b"{}", b"<html>not found</html>", b"\xff" * 400])
def test_a_file_of_another_kind(opened, site, content):

    path = site / "live" / "networks.json"
    entries = json.loads(path.read_text())
    entries[KEY] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    path.write_text(json.dumps(entries))
    (site / "live" / f"{KEY}.safetensors").write_bytes(content)
    answer = opened()
    assert answer["code"] == "damaged" and "damaged" in answer["message"]


def test_a_plan_with_a_step_of_tomorrow(opened, site):

    content = network_file(KEY).replace(b'\\"op\\":\\"cat\\"', b'\\"op\\":\\"kat\\"')
    path = site / "live" / "networks.json"
    entries = json.loads(path.read_text())
    entries[KEY]["sha256"] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(entries))
    (site / "live" / f"{KEY}.safetensors").write_bytes(content)
    answer = opened()
    assert answer["code"] == "plan" and "kat" in answer["message"]


def test_a_browser_without_simd(opened):
    answer = opened("no SIMD")
    assert answer["code"] == "simd" and "SIMD" in answer["message"] and answer["progress"] == []


@pytest.mark.parametrize("wanted", ["abort at once", "abort on the way"])
def test_opening_can_be_given_up(opened, wanted):
    answer = opened(wanted, faults=("ERR_ABORTED",))
    assert answer["code"] == "aborted"


def test_a_newer_request_ends_an_older_one(opened):
    first, second, third = opened("newer")["runs"]
    assert first["code"] == second["code"] == "aborted"
    assert third == "done"


def test_a_closed_network_answers_nothing_more(opened):
    during, after = opened("close")["runs"]
    assert during["code"] == after["code"] == "aborted"


def test_the_binary_without_fused_sums_gives_the_same(new_page, serve, tmp_path):
    from cnnlib.weights import load_weights

    code = "import('./live/arena.js').then(({ kernelCode }) => Array.from(kernelCode()))"
    pages = []
    # A site each: a file that changes within a second has the same date, and the browser keeps it.
    for name, unknown in (("fused", False), ("plain", True)):
        site = tmp_path / name
        site.mkdir()
        write_live(site, (KEY,))
        script = site / "live" / "arena.js"
        text = script.read_text()
        assert r"\xfd\x85\x02" in text
        if unknown:
            script.write_text(text.replace(r"\xfd\x85\x02", r"\xfd\xff\xff"))  # no instruction
        page = new_page()
        page.goto(f"{serve(site)}/index.html")
        pages.append(page)
    fused, plain = pages
    assert bytes(fused.evaluate(code)).count(b"\xfd\x85\x02") == 10  # Chromium knows relaxed_madd
    assert bytes(plain.evaluate(code)).count(b"\xfd\xe6\x01") == 10
    image = example(KEY)
    (found,) = ask(plain, KEY, image, ("run", {}))
    with torch.no_grad():
        assert apart(found["scores"], load_weights(KEY)(image)) < 1e-5
