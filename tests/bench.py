"""``make bench``: how fast the library, the chapters and the pages are on this machine.

Prints figures and judges none: speed belongs here, not in a test that fails on a busy machine.
"""

import functools
import http.server
import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch

from cnnlib.geometry import Window, input_range, receptive_field
from cnnlib.models import MODELS
from cnnlib.trace import seen_by, trace
from cnnlib.weights import WEIGHTS, load_weights
from tests.facts import FACTS

SITE = Path(__file__).parents[1] / "_build" / "html"
PAGES = [
    "book/index.html",
    "book/foundations/arithmetic.html",
    "book/foundations/receptive-fields.html",
    "book/architectures/lenet5.html",
]


def seconds(work: Callable[[], object], runs: int = 5) -> float:
    """Median time of ``work`` over some runs, after one that does not count."""
    work()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def library() -> None:
    print("geometry and trace (median of 5)")
    chain = [Window(3, padding=1), Window(2, stride=2)] * 6
    print(f"  {1e6 * seconds(lambda: receptive_field(chain)):8.0f} µs  field of 12 layers")
    print(
        f"  {1e3 * seconds(lambda: input_range(chain, 512, 4)):8.2f} ms  one unit through 12 layers"
    )
    for key in ("vgg19", "resnet152", "inception_resnet_v2"):
        with torch.device("meta"):
            network = MODELS[key]()
        shape = FACTS[key].input_shape
        rows = trace(network, shape)
        print(f"  {seconds(lambda n=network, s=shape: trace(n, s)):8.2f} s   trace of {key}")
        last = max(i for i, row in enumerate(rows) if min(row.grid) > 1)
        unit = tuple(size // 2 for size in rows[last].grid)
        took = seconds(lambda r=rows, i=last, u=unit: seen_by(r, i, u))
        print(f"  {1e3 * took:8.1f} ms  what one unit of it sees")


def weights() -> None:
    print("weights: load, and a batch of 100 digits")
    for key in WEIGHTS:
        network = load_weights(key)
        batch = torch.zeros(100, 1, 32, 32)
        with torch.no_grad():
            forward = seconds(lambda n=network, b=batch: n(b))
        loading = seconds(lambda k=key: load_weights(k))
        print(f"  {1e3 * loading:8.1f} ms  {1e3 * forward:8.1f} ms  {key}")


def pages() -> None:
    if not (SITE / "index.html").is_file():
        print("pages: there is no built book; run make book first")
        return
    from playwright.sync_api import sync_playwright

    from tests.browser.chromium import FLAGS

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(SITE))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("pages: bytes loaded (not compressed), time to the last widget")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=FLAGS)
        for name in PAGES:
            page = browser.new_page()
            begun = time.perf_counter()
            page.goto(f"http://127.0.0.1:{server.server_port}/{name}")
            page.wait_for_function(
                "[...document.querySelectorAll('[data-cnn-widget]')]"
                ".every(place => place.dataset.cnnReady)"
            )
            took = time.perf_counter() - begun
            size = page.evaluate(
                "[...performance.getEntriesByType('navigation'),"
                " ...performance.getEntriesByType('resource')]"
                ".reduce((sum, entry) => sum + entry.decodedBodySize, 0)"
            )
            print(f"  {size / 1000:8.0f} kB  {took:6.2f} s  {name}")
            page.close()
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    library()
    weights()
    pages()
