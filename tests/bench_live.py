"""What networks in the page cost: a part of ``make bench``, or ``python -m tests.bench_live``."""

import argparse
import gzip
import json
import os
import platform
import re
import tempfile
import time
from pathlib import Path

import torch
from playwright.sync_api import Browser, expect, sync_playwright

from cnnlib.live.site import FIGURES, engine_modules, read_figures, shipped_entry
from cnnlib.weights import WEIGHTS, load_weights
from cnnlib.widgets.live_widget import LiveWidget
from cnnlib.widgets.widget import TeachingWidget
from tests.browser.chromium import FLAGS, find_chromium
from tests.browser.conftest import serving, wait_for_widgets, write_page_of
from tests.browser.contract.registry import sample
from tests.browser.live import write_live

# Opens a network, runs it often and goes back once; listens for tasks that hold up the page.
MEASURE = """async ([address, runs]) => {
    const longest = [];
    new PerformanceObserver((list) => longest.push(...list.getEntries().map((e) => e.duration)))
        .observe({ entryTypes: ["longtask"] });
    const begun = performance.now();
    const engine = await import(new URL("live/engine.js", document.baseURI));
    const network = await engine.openNetwork(address);
    const [c, h, w] = network.inputShape;
    const images = [1, 2].map((n) => // by turns: of a picture that stays nothing is computed anew
        Float32Array.from({ length: c * h * w }, (_, i) => Math.sin(n * i * i + n)));
    await network.run(images[1]);
    const ready = performance.now() - begun;
    const times = [];
    for (let i = 0; i < runs; i += 1) {
        const start = performance.now();
        await network.run(images[i % 2]);
        times.push(performance.now() - start);
    }
    const backs = [];
    for (let i = 0; i < 12; i += 1) {
        const start = performance.now();
        await network.gradient(images[i % 2], { target: 0 });
        if (i >= 3) backs.push(performance.now() - start); // the first ones make what they need
    }
    const back = backs.sort((one, other) => one - other)[4];
    network.close();
    await new Promise((done) => setTimeout(done, 100));
    return { ready, times, back, longest: Math.max(0, ...longest) };
}"""


def bench_live(browser: Browser, keys=tuple(WEIGHTS), runs: int = 60) -> dict:
    """Prints the figures, and returns them as :func:`cnnlib.live.site.read_figures` has them."""
    torch.set_num_threads(1)
    print("\nNetworks in the page (ready; a run, median and 95th percentile; torch, one thread;")
    print("gradient; bytes; longest task that holds up the page)")
    found = {"machine": machine(), "chromium": browser.version, "networks": {}}
    with tempfile.TemporaryDirectory() as folder, serving() as share:
        write_live(Path(folder), keys)
        engine = [Path(folder) / "live" / name for name in engine_modules()]
        found["engine"] = sum(len(gzip.compress(path.read_bytes())) for path in engine)
        print(f"  the engine with its kernel: {found['engine'] / 1000:.1f} KB, gzip")
        for key in keys:
            page = browser.new_page()
            page.goto(f"{share(Path(folder))}/index.html")
            row = page.evaluate(MEASURE, [f"live/{key}.safetensors", runs])
            page.close()
            times = sorted(row.pop("times"))
            row |= {"median": times[len(times) // 2], "late": times[int(0.95 * len(times))]}
            row |= {"torch": time_torch(key), "kilobytes": shipped_entry(key)["bytes"] / 1000}
            found["networks"][key] = {name: round(value, 2) for name, value in row.items()}
            print(
                f"  {key:24}{row['ready']:6.0f} ms {row['median']:7.1f} {row['late']:7.1f} ms "
                f"{row['torch']:7.1f} ms {row['back']:7.1f} ms "
                f"{row['kilobytes']:8.0f} KB {row['longest']:5.0f} ms"
            )
    return found


# The longest of the tasks that hold up the page, from the load on.
LISTEN = """window.longest = 0;
new PerformanceObserver((list) => {
    window.longest = Math.max(window.longest, ...list.getEntries().map((e) => e.duration));
}).observe({ entryTypes: ["longtask"] });"""

# Moves a cover by a key in every frame, and counts the frames that bring another answer.
MOVES = """async (frames) => {
    const stage = document.querySelector("[role=application]");
    const bars = document.querySelectorAll(".cnn-bars")[1]; // of the covered picture
    const frame = () => new Promise(requestAnimationFrame);
    let [changed, answers] = [false, 0];
    const watch = new MutationObserver(() => { changed = true; });
    watch.observe(bars, { subtree: true, childList: true, characterData: true, attributes: true });
    const start = performance.now();
    for (let i = 0; i < frames; i += 1) {
        const key = i % 40 < 20 ? "ArrowRight" : "ArrowLeft";
        stage.dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey: true, bubbles: true }));
        await frame();
        answers += Number(changed);
        changed = false;
    }
    return answers / (performance.now() - start) * 1000;
}"""


def bench_widgets(browser: Browser) -> None:
    """Prints what the widgets with a network hold up the page, and how a cover is followed."""
    print("\nWidgets with a network (ready after the button; longest task that holds up the page)")
    stems = sorted(s for s, kind in TeachingWidget.registry.items() if issubclass(kind, LiveWidget))
    for stem in stems:
        with tempfile.TemporaryDirectory() as folder, serving() as share:
            write_page_of(Path(folder), sample(stem))
            page = browser.new_page()
            page.add_init_script(LISTEN)
            page.goto(f"{share(Path(folder))}/index.html")
            wait_for_widgets(page)
            button = page.locator(".live-start button")
            start = time.perf_counter()
            button.click()
            expect(button).to_contain_text("Unload", timeout=60_000)
            ready = 1000 * (time.perf_counter() - start)
            page.wait_for_function("!document.querySelector('[aria-busy]')", timeout=60_000)
            print(f"  {stem:16}{ready:6.0f} ms {page.evaluate('longest'):6.0f} ms")
            if stem == "ask_imagenet":
                page.get_by_label("Cover a part").check()
                print(
                    f"    a cover that is dragged: {page.evaluate(MOVES, 120):.0f} answers a second"
                )
            page.close()


def machine() -> str:
    """The processor's name, as far as it is told, and how many cores there are."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists() and (line := re.search(r"model name\s*: (.*)", info.read_text())):
        name = line[1]
    return f"{name}, {os.cpu_count()} cores"


def time_torch(key: str, runs: int = 15) -> float:
    """Median milliseconds of a run in torch, on one thread."""
    how = WEIGHTS[key].preprocessing
    network = load_weights(key)
    image = torch.randn(1, how.channels, how.height, how.width)
    times = []
    with torch.no_grad():
        for _ in range(runs):
            start = time.perf_counter()
            network(image)
            times.append(1000 * (time.perf_counter() - start))
    return sorted(times)[runs // 2]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench_live", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="write what the chapter shows")
    keep = parser.parse_args().keep
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        figures = bench_live(browser)
        bench_widgets(browser)
        browser.close()
    if keep:
        FIGURES.write_text(json.dumps(read_figures() | figures, indent=1) + "\n", encoding="utf-8")
