"""Python for the page: MicroPython as one script, loaded when a reader first runs a program.

A page that is opened from disk may load classic scripts and nothing else, and a site's pages
request nothing by hand. So what is vendored in ``book/_static/micropython/`` goes into one such
script, for both alike. It is read by ``cnnlib/widgets/code_runner.js``.
"""

import base64
import gzip
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx

VENDORED = Path(__file__).parents[1] / "_static" / "micropython"
PLAIN = Path(find_spec("cnnlib").origin).parent / "exercises" / "plain.py"
SCRIPT = "micropython/python.js"  # below the site's static files

# What only a module may say -> what a classic script says in its place. (Two are for Node alone.)
CLASSIC = {
    "export default _createMicroPythonModule;export async function": "async function",
    'const path=await import("path"),url=await import("url"),': "const path=null,url=null,",
    "import.meta.url": '"micropython.mjs"',
}


@cache
def python_script() -> str:
    """A classic script that sets ``cnnPython``.

    ``engine`` (JavaScript) and ``wasm`` are MicroPython, gzip in base64; ``plain`` is the Python
    that makes a program's values plain.
    """
    engine = (VENDORED / "micropython.mjs").read_text(encoding="utf-8")
    for ours, theirs in CLASSIC.items():
        if ours not in engine:
            raise ValueError(f"micropython.mjs has no {ours!r}: see book/_ext/page_python.py")
        engine = engine.replace(ours, theirs)
    files = {
        "engine": _packed(engine.encode()),
        "wasm": _packed((VENDORED / "micropython.wasm").read_bytes()),
        "plain": PLAIN.read_text(encoding="utf-8"),
    }
    return f"globalThis.cnnPython = {json.dumps(files)};\n"


def write_python(static: Path) -> None:
    """Write the script below a site's static files."""
    path = static / SCRIPT
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(python_script(), encoding="utf-8")


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")


def write_scripts(app: Sphinx, exception: Exception | None) -> None:
    write_python(Path(app.outdir) / "_static")


def setup(app: Sphinx) -> dict:
    app.connect("build-finished", write_scripts, priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
