"""The kernel that ships is the one that kernel.wat says."""

import base64
import gzip
import re
import struct

import pytest
import wasmtime

from cnnlib.live.kernel import SCRIPT, SOURCE, kernel_script
from cnnlib.live.site import WIDGETS, engine_modules, packed


def test_the_binary_is_that_of_the_source():
    assert SCRIPT.read_text(encoding="utf-8") == kernel_script()


def binaries() -> dict[str, bytes]:
    """The kernel as it ships, and as ``arena.js`` makes it, by that file's own expression."""
    code = re.search(r'const KERNEL = "(.*)";', SCRIPT.read_text(encoding="utf-8"))[1]
    plain = base64.b64decode(code)
    arena = (WIDGETS / "live" / "arena.js").read_text(encoding="utf-8")
    old, new = re.search(r'plain\.replace\(/(.*)/gs, "\$1(.*)"\)', arena).groups()
    tail = bytes(int(byte, 16) for byte in new.split(r"\x")[1:])
    return {"plain": plain, "fused": re.sub(old.encode(), rb"\1" + tail, plain, flags=re.DOTALL)}


def test_the_kernel_is_small():
    found = binaries()
    assert found["plain"].startswith(b"\0asm")
    assert len(found["plain"]) == len(found["fused"]) < 2048


def test_the_engine_with_its_kernel_is_at_most_25_kilobytes():
    sizes = {
        name: len(gzip.compress(packed((WIDGETS / "live" / name).read_text("utf-8")).encode()))
        for name in engine_modules()
    }
    assert sum(sizes.values()) <= 25_000, sizes


def test_fusing_changes_sums_of_products_and_nothing_else():
    """Every product of the source, and wasmtime reads them back as it should."""
    source, found = SOURCE.read_text(encoding="utf-8"), binaries()
    multiply, madd = b"\xfd\xe6\x01", b"\xfd\x85\x02"
    products = len(re.findall(r"f32x4\.mul", source))
    assert products == found["plain"].count(multiply) == found["fused"].count(madd) == 10
    assert multiply not in found["fused"] and madd not in found["plain"]
    differing = sum(a != b for a, b in zip(found["plain"], found["fused"], strict=True))
    assert differing <= 8 * products
    wasmtime.Module.validate(wasmtime.Store().engine, found["fused"])


@pytest.mark.parametrize("path", sorted((WIDGETS / "live").glob("*.js")), ids=lambda p: p.stem)
def test_what_a_page_loads_of_a_module_is_the_module(path):
    """Without comments and blanks both are the same, and no text in it has changed."""
    source = path.read_text(encoding="utf-8")
    sent = packed(source)
    bare = re.sub(r"^[ \t]*//.*\n|\s// .*", "", source, flags=re.MULTILINE)
    assert re.sub(r"\s", "", bare) == re.sub(r"\s", "", sent)
    texts = r'"(?:[^"\\\n]|\\.)*"|`[^`]*`'
    assert re.findall(texts, bare) == re.findall(texts, sent)
    assert sent.count("\n") == bare.count("\n") and " // " not in sent and "\n " not in sent


@pytest.mark.parametrize("name", ["plain", "fused"])
def test_a_product_of_matrices(name):
    """Four rows by eight columns, in WebAssembly outside of a browser."""
    store = wasmtime.Store()
    memory = wasmtime.Memory(store, wasmtime.MemoryType(wasmtime.Limits(1, None)))
    module = wasmtime.Module(store.engine, binaries()[name])
    exports = wasmtime.Instance(store, module, [memory]).exports(store)
    k = 3
    a = [[1, 2, 3], [0, -1, 4], [2, 2, 2], [0.5, 0, -3]]
    b = [[column + 10 * row for column in range(8)] for row in range(k)]
    bias = [0, 1, -2, 100]

    def put(numbers: list[float], at: int) -> int:
        memory.write(store, struct.pack(f"<{len(numbers)}f", *numbers), at)
        return at

    panels = put([a[row][i] for i in range(k) for row in range(4)], 64)
    columns = put([value for row in b for value in row], 1024)
    exports["multiply"](store, panels, columns, k, 1, 4096, 32, put(bias, 2048))
    found = memory.read(store, 4096, 4096 + 128)
    expected = [
        sum(a[row][i] * b[i][column] for i in range(k)) + bias[row]
        for row in range(4)
        for column in range(8)
    ]

    assert list(struct.unpack("<32f", found)) == expected
