"""MicroPython for the page: vendored as it says, and made one script by the build."""

import base64
import gzip
import hashlib
import json
import re

import pytest

from tests.conftest import ROOT, book_part

VENDORED = ROOT / "book" / "_static" / "micropython"
SUMS = {
    "micropython.mjs": "c2be87e7ba24e3b47d133022b009a66bff07f4720aa23d816d216ef8cc47014c",
    "micropython.wasm": "06338c955b03c5700aa0069015d3e392d76836ef8e2ce25bedbe59b88ccd373c",
}


@pytest.fixture
def page_python():
    return book_part("page_python")


def contents(script: str) -> dict[str, str]:
    found = re.fullmatch(r"globalThis\.cnnPython = (\{.*\});\n", script)
    return json.loads(found[1])


@pytest.mark.parametrize(("name", "sum"), SUMS.items())
def test_what_is_vendored_is_unchanged_and_its_sum_is_written_down(name, sum):
    assert hashlib.sha256((VENDORED / name).read_bytes()).hexdigest() == sum
    assert f"{sum}  {name}\n" in (VENDORED / "ORIGIN.txt").read_text()


def test_its_version_and_its_licence_are_with_it():
    assert b"1.27.0" in (VENDORED / "micropython.wasm").read_bytes()
    assert "1.27.0" in (VENDORED / "ORIGIN.txt").read_text()
    licence = (VENDORED / "LICENSE").read_text()
    assert "Copyright (c) 2013-2025 Damien P. George" in licence
    assert "Permission is hereby granted, free of charge" in licence
    assert "MicroPython 1.27.0" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_script_holds_all_three_and_is_the_same_every_time(page_python):
    script = page_python.python_script()
    files = contents(script)
    wasm = gzip.decompress(base64.b64decode(files["wasm"]))
    assert wasm == (VENDORED / "micropython.wasm").read_bytes()
    assert files["plain"] == (ROOT / "cnnlib/exercises/plain.py").read_text(encoding="utf-8")
    engine = gzip.decompress(base64.b64decode(files["engine"])).decode()
    assert "async function loadMicroPython(" in engine
    assert "import.meta" not in engine and not re.search(r"\bexport (default|async)", engine)
    page_python.python_script.cache_clear()
    assert page_python.python_script() == script
    assert len(script) < 320_000  # the widget's words say 0.3 MB


def test_another_micropython_is_refused_by_what_it_lacks(page_python, monkeypatch, tmp_path):
    (tmp_path / "micropython.mjs").write_text("export default 3;")
    monkeypatch.setattr(page_python, "VENDORED", tmp_path)
    page_python.python_script.cache_clear()
    with pytest.raises(ValueError, match="micropython.mjs has no 'export default _create"):
        page_python.python_script()


def test_the_book_writes_it(page_python, tmp_path):
    page_python.write_python(tmp_path)
    assert (tmp_path / "micropython" / "python.js").read_text() == page_python.python_script()
    assert "page_python" in book_part("cnnbook").PARTS
