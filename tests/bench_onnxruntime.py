"""SqueezeNet in the page by onnxruntime-web, beside the book's engine, in one run.

Neither npm nor onnx is needed for the book. To measure again, in a folder of your own:

    npm install onnxruntime-web
    pip install onnx
    python -m tests.bench_onnxruntime FOLDER [--keep]
"""

import argparse
import gzip
import json
from pathlib import Path

import torch
from playwright.sync_api import Browser, sync_playwright

from cnnlib.live.site import FIGURES, read_figures
from cnnlib.weights import WEIGHTS, load_weights
from tests.bench_live import MEASURE
from tests.browser.chromium import FLAGS, find_chromium
from tests.browser.conftest import serving
from tests.browser.live import write_live

KEY = "squeezenet1_1"
PACKAGE = "node_modules/onnxruntime-web"
FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")

# As bench_live.MEASURE: ready after the first answer, then runs of two pictures by turns.
OTHERS = """async ([folder, shape, runs]) => {
    const begun = performance.now();
    const ort = await import(new URL(`${folder}ort.wasm.min.mjs`, document.baseURI));
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = new URL(folder, document.baseURI).href;
    const session = await ort.InferenceSession.create("network.onnx",
        { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
    const length = shape.reduce((a, b) => a * b);
    const images = [1, 2].map((n) => new ort.Tensor("float32",
        Float32Array.from({ length }, (_, i) => Math.sin(n * i * i + n)), shape));
    await session.run({ image: images[1] });
    const ready = performance.now() - begun;
    const times = [];
    for (let i = 0; i < runs; i += 1) {
        const start = performance.now();
        await session.run({ image: images[i % 2] });
        times.push(performance.now() - start);
    }
    return { ready, times };
}"""


def bench_onnxruntime(browser: Browser, folder: Path, runs: int = 60) -> dict:
    """Milliseconds of both, and onnxruntime-web's packed bytes; ``folder`` has the npm package."""
    package = folder / PACKAGE
    if not package.is_dir():
        raise SystemExit(f"{package}: there is no such folder; see the head of this file")
    how = WEIGHTS[KEY].preprocessing
    shape = [1, how.channels, how.height, how.width]
    torch.onnx.export(
        load_weights(KEY).eval(),
        (torch.zeros(shape),),
        folder / "network.onnx",
        dynamo=False,
        input_names=["image"],
    )
    write_live(folder, (KEY,))
    with serving() as share:
        page = browser.new_page()
        page.goto(f"{share(folder)}/index.html")
        theirs = page.evaluate(OTHERS, [f"{PACKAGE}/dist/", shape, runs])
        page.reload()
        ours = page.evaluate(MEASURE, [f"live/{KEY}.safetensors", runs])
        page.close()
    found = {
        "version": json.loads((package / "package.json").read_text("utf-8"))["version"],
        "chromium": browser.version,
        "bytes": sum(len(gzip.compress((package / "dist" / f).read_bytes())) for f in FILES),
    }
    for name, row in (("theirs", theirs), ("ours", ours)):
        times = sorted(row["times"])
        row = {"ready": row["ready"], "median": times[runs // 2], "late": times[int(0.95 * runs)]}
        found[name] = {key: round(value, 1) for key, value in row.items()}
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench_onnxruntime", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keep", action="store_true", help="write what the chapter shows")
    asked = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        found = bench_onnxruntime(browser, asked.folder)
        browser.close()
    print(json.dumps(found, indent=1))
    if asked.keep:
        figures = read_figures() | {"onnxruntime": found}
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
