"""Assembles ``kernel.wat`` into ``kernel.js``: WebAssembly as text, so a page needs no request.

    python -m cnnlib.live.kernel          # write kernel.js anew; a test holds it to kernel.wat

Where the browser knows ``relaxed_madd``, ``arena.js`` makes a product and its sum that one
instruction, rounded once or twice as the machine likes.
"""

import base64
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "widgets" / "live" / "kernel.wat"
SCRIPT = SOURCE.with_suffix(".js")


def kernel_script() -> str:
    """The text of ``kernel.js``. Needs the package wasmtime."""
    from wasmtime import wat2wasm

    code = base64.b64encode(wat2wasm(SOURCE.read_text(encoding="utf-8"))).decode("ascii")
    return (
        "// kernel.wat, assembled by `python -m cnnlib.live.kernel`.\n\n"
        f'export const KERNEL = "{code}";\n'
    )


if __name__ == "__main__":
    SCRIPT.write_text(kernel_script(), encoding="utf-8")
    print(f"{SCRIPT}: {SCRIPT.stat().st_size} bytes")
