"""The kernel that ships is the one that kernel.wat says."""

import base64
import re
import struct

import pytest
import wasmtime

from cnnlib.live.kernel import SCRIPT, SOURCE, fused, kernel_script


def test_the_binaries_are_those_of_the_source():
    assert SCRIPT.read_text(encoding="utf-8") == kernel_script()


def binaries() -> dict[str, bytes]:
    text = SCRIPT.read_text(encoding="utf-8")
    return {
        name: base64.b64decode(code) for name, code in re.findall(r'const (\w+) = "(.*)";', text)
    }


def test_there_are_two_and_they_are_small():
    found = binaries()
    assert set(found) == {"PLAIN", "FUSED"}
    assert all(code.startswith(b"\0asm") and len(code) < 2048 for code in found.values())


def test_fusing_changes_sums_of_products_and_nothing_else():
    source = SOURCE.read_text(encoding="utf-8")
    text = fused(source)
    products = len(re.findall(r"f32x4\.mul", source))
    assert products == 10 and "f32x4.mul" not in text
    assert text.count("relaxed_madd") == products
    assert text.count("(") - source.count("(") == -products  # two brackets become one


def test_a_bracket_that_is_not_closed_is_told():
    with pytest.raises(ValueError, match="parenthesis"):
        fused("(f32x4.add (local.get $c) (f32x4.mul (local.get $a)")


@pytest.mark.parametrize("name", ["PLAIN", "FUSED"])
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
