"""``make bench``: what the library, the chapters, the pages and the widgets cost here."""

import gzip
import json
import os
import tempfile
import time
import timeit
from pathlib import Path

import numpy as np
import torch
from captum.attr import Occlusion
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from cnnlib.data import load_tiny_imagenet
from cnnlib.geometry import Window, input_range, output_size, receptive_field
from cnnlib.inside import occlusion_map
from cnnlib.models import MODELS
from cnnlib.trace import trace
from tests.bench_live import bench_live, bench_widgets
from tests.browser.chromium import FLAGS, find_chromium
from tests.browser.conftest import serving
from tests.conftest import ROOT

SITE = ROOT / "_build" / "html"
COMPRESSED = {".html", ".css", ".js", ".svg", ".json"}  # what GitHub Pages sends gzipped

# Moves every slider of a widget there and back, chooses the options of every list, sets every box
# and radio button, and passes the pointer over its pictures. Takes what the scripts and the layout
# need for each, in the handler and in the next frame.
REDRAW = """async (widget) => {
    const soon = window.requestAnimationFrame.bind(window);
    const times = [];
    let spent = 0;
    const timed = (act) => {
        const start = performance.now();
        act();
        widget.getBoundingClientRect();
        spent += performance.now() - start;
    };
    window.requestAnimationFrame = (draw) => soon((now) => timed(() => draw(now)));
    const step = async (act) => {
        await new Promise(soon);
        spent = 0;
        timed(act);
        await new Promise((done) => soon(() => soon(done)));
        times.push(spent);
    };
    const give = (input, value) => step(() => {
        input.value = value;
        for (const name of ["input", "change"])
            input.dispatchEvent(new Event(name, { bubbles: true }));
    });
    for (const slider of widget.querySelectorAll("input[type=range]:enabled")) {
        const [value, to] = [slider.value, slider.value === slider.max ? slider.min : slider.max];
        for (const next of [to, value]) await give(slider, next);
    }
    for (const list of widget.querySelectorAll("select:enabled")) {
        for (const option of [...list.options].slice(0, 9)) await give(list, option.value);
    }
    const boxes = "input:is([type=radio], [type=checkbox]):enabled";
    for (const box of widget.querySelectorAll(boxes)) await step(() => box.click());
    for (const picture of [...widget.querySelectorAll("canvas, svg")].slice(0, 20)) {
        const { x, y, width, height } = picture.getBoundingClientRect();
        for (const share of [0.2, 0.5, 0.8]) {
            const place = { clientX: x + share * width, clientY: y + share * height };
            const move = new PointerEvent("pointermove", { bubbles: true, ...place });
            await step(() => picture.dispatchEvent(move));
        }
    }
    window.requestAnimationFrame = soon;
    return times;
}"""


def line(what: str, value: str) -> None:
    print(f"  {value:>16}  {what}")


def best_of(call, number: int) -> float:
    """Seconds of one call: the best of five rounds."""
    return min(timeit.repeat(call, number=number, repeat=5)) / number


def bench_library() -> None:
    print("\nLibrary")
    chain = [Window(3, padding=1), Window(2, stride=2)] * 8
    mixed = [*chain, Window(4, stride=2, padding=1, transposed=True)]
    for what, call in {
        "output_size of one window": lambda: output_size(224, chain[0]),
        "receptive_field of 16 windows": lambda: receptive_field(chain),
        "input_range through 17 windows, one transposed": lambda: input_range(mixed, 512, 1),
    }.items():
        line(what, f"{best_of(call, 1000) * 1e6:.1f} µs")
    with torch.device("meta"):
        network = MODELS["vgg19"]()
    seconds = best_of(lambda: trace(network, (1, 3, 224, 224)), 1)
    line("trace of VGG-19 at 224×224", f"{seconds * 1e3:.0f} ms")


def write_tiny_imagenet(top: Path, classes: int, each: int) -> None:
    """Noise in Tiny ImageNet's layout, as large and about as hard to decode as its pictures."""
    rng = np.random.default_rng(1)
    wnids = [f"n{number:08}" for number in range(classes)]
    (top / "wnids.txt").write_text("\n".join(wnids))
    (top / "words.txt").write_text("\n".join(f"{wnid}\t{wnid}" for wnid in wnids))
    for wnid in wnids:
        folder = top / "train" / wnid / "images"
        folder.mkdir(parents=True)
        for i in range(each):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            picture = Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC)
            picture.save(folder / f"{wnid}_{i}.JPEG", quality=75)


def bench_data() -> None:
    print("\nData: images a second, 64×64 in colour")
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder) / "tiny"
        top.mkdir()
        write_tiny_imagenet(top, classes=20, each=100)
        os.environ["CNNLIB_DATA"] = folder
        for what in ("decoded, the first time", "loaded, once decoded"):
            start = time.perf_counter()
            images = load_tiny_imagenet("train", top).images
            line(what, f"{len(images) / (time.perf_counter() - start):,.0f}")

    batches = torch.randperm(len(images)).split(128)

    def assemble() -> None:
        for batch in batches:
            torch.from_numpy(images[batch.numpy()]).movedim(3, 1).float()

    line("assembled in random batches of 128", f"{len(images) / best_of(assemble, 1):,.0f}")


def bench_occlusion() -> None:
    """Captum's time a place does not depend on the occluder: it is taken on a grid of 3x3."""
    print("\nOcclusion maps at 224×224: seconds a place, and captum's at its best as a multiple")
    for key in ("vgg16", "squeezenet1_1", "resnet18"):
        torch.manual_seed(0)
        network, image = MODELS[key]().eval(), torch.randn(1, 3, 224, 224)
        for size, stride in ((16, 8), (32, 16)):
            theirs = []
            for together in (1, 2, 4, 8):
                start = time.perf_counter()
                Occlusion(network).attribute(
                    image, (3, 80, 80), (3, 72, 72), target=1, perturbations_per_eval=together
                )
                theirs.append((time.perf_counter() - start) / 10)  # 9 places, and none
            start = time.perf_counter()
            found = occlusion_map(network, image, 1, size=size, stride=stride, progress=False)
            ours = (time.perf_counter() - start) / found.scores.numel()
            what = f"{key}, occluder {size}×{size}, stride {stride}"
            line(what, f"{ours:.4f} s {min(theirs) / ours:.1f}×")


def bench_chapters() -> None:
    print("\nChapters (peak memory: an upper bound)")
    for page, ran in json.loads((SITE.parent / "chapters.json").read_text()).items():
        line(page, f"{ran['seconds']:.1f} s {ran['peak_mb']} MB")


def bench_pages(browser: Browser, address: str) -> None:
    print("\nPages: loaded in all, as sent by a server that compresses")
    for path in sorted(SITE.rglob("*.html")):
        if "_static" in path.parts or path == SITE / "index.html":
            continue  # no page of the book; leads on to the first page
        loaded = {}
        page = browser.new_page()
        page.on("response", lambda reply, loaded=loaded: loaded.update({reply.url: reply}))
        name = path.relative_to(SITE).as_posix()
        page.goto(f"{address}/{name}", wait_until="networkidle")
        sizes = [
            sizes_of(url, reply.body())
            for url, reply in list(loaded.items())
            if reply.status == 200
        ]
        plain, sent = (sum(column) / 1e3 for column in zip(*sizes, strict=True))
        line(name, f"{plain:.0f} kB {sent:.0f} kB")
        page.close()


def sizes_of(url: str, body: bytes) -> tuple[int, int]:
    compressible = Path(url.partition("?")[0]).suffix in COMPRESSED
    return len(body), len(gzip.compress(body)) if compressible else len(body)


def bench_redraws(browser: Browser, address: str) -> None:
    print("\nWidgets: time to redraw after a choice (median, most; a frame is 16 ms)")
    for path in sorted(SITE.rglob("*.html")):
        if "data-cnn-widget" not in path.read_text(encoding="utf-8"):
            continue
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        name = path.relative_to(SITE).as_posix()
        page.goto(f"{address}/{name}", wait_until="networkidle")
        for place in page.locator("[data-cnn-ready]").all():
            times = sorted(place.locator(":scope > .cnn-widget").evaluate(REDRAW))
            if times:
                stem = place.get_attribute("data-cnn-widget")
                line(f"{stem} in {name}", f"{times[len(times) // 2]:.1f} ms {times[-1]:.1f} ms")
        page.close()


def main() -> None:
    bench_library()
    bench_data()
    bench_occlusion()
    if not (SITE / "index.html").exists():
        print("\nChapters, pages and widgets: first make book.")
        return
    bench_chapters()
    with serving() as share, sync_playwright() as playwright:
        address = share(SITE)
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        bench_pages(browser, address)
        bench_redraws(browser, address)
        bench_live(browser)
        bench_widgets(browser)
        browser.close()


if __name__ == "__main__":
    main()
