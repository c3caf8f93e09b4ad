"""Assembles ``kernel.wat`` into ``kernel.js``: WebAssembly as text, so a page needs no request.

    python -m cnnlib.live.kernel          # write kernel.js anew; a test holds it to kernel.wat

There are two binaries of one source. In the second a product and its sum are one instruction
(``relaxed_madd``), rounded once or twice as the machine likes; the engine takes it where the
browser knows it.
"""

import base64
import re
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "widgets" / "live" / "kernel.wat"
SCRIPT = SOURCE.with_suffix(".js")
_MULTIPLY_ADD = re.compile(r"\(f32x4\.add (\(local\.get \$\w+\)) \(f32x4\.mul ")


def fused(source: str) -> str:
    """The source with each product that is added to a sum as one instruction."""
    pieces, at = [], 0
    for found in _MULTIPLY_ADD.finditer(source):
        end = _closing(source, found.end())  # of the product
        pieces += [source[at : found.start()], "(f32x4.relaxed_madd "]
        pieces += [source[found.end() : end], " ", found[1]]
        at = end + 1
    return "".join(pieces) + source[at:]


def _closing(text: str, start: int) -> int:
    """Where the parenthesis closes within which ``start`` lies."""
    depth = 1
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return at
    raise ValueError("kernel.wat: a parenthesis is not closed")


def kernel_script() -> str:
    """The text of ``kernel.js``. Needs the package wasmtime."""
    from wasmtime import wat2wasm

    source = SOURCE.read_text(encoding="utf-8")
    plain, relaxed = (
        base64.b64encode(wat2wasm(text)).decode("ascii") for text in (source, fused(source))
    )
    return (
        "// kernel.wat, assembled by `python -m cnnlib.live.kernel`. FUSED is for browsers that"
        " know\n// relaxed_madd.\n\n"
        f'export const PLAIN = "{plain}";\nexport const FUSED = "{relaxed}";\n'
    )


if __name__ == "__main__":
    SCRIPT.write_text(kernel_script(), encoding="utf-8")
    print(f"{SCRIPT}: {SCRIPT.stat().st_size} bytes")
