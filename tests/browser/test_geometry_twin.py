"""geometry.js is held to geometry.py over every small case."""

import itertools
import json

import pytest

from cnnlib.geometry import Window, input_indices, output_indices, output_size
from tests.browser.conftest import ROOT


def small_cases() -> list[dict]:
    """Every window of kernel <= 3, stride <= 3, padding <= 2, dilation <= 3, legal or not."""
    cases = []
    for kernel, stride, before, after, dilation in itertools.product(
        range(0, 4), range(0, 4), range(-1, 3), range(0, 3), range(0, 4)
    ):
        shape = dict(kernel_size=kernel, stride=stride, padding=(before, after), dilation=dilation)
        cases.append(shape)
        if before == after or before == 2:
            cases.append({**shape, "ceil_mode": True})
            cases += [{**shape, "transposed": True, "output_padding": more} for more in range(3)]
    return cases


def pythons_answer(settings: dict, size: int):
    """[outputs, what each output reads, what each input feeds], or None where it is illegal."""
    try:
        window = Window(**settings)
        outputs = output_size(size, window)
    except ValueError:
        return None
    reads = [list(input_indices(window, size, index)) for index in range(outputs)]
    feeds = [list(output_indices(window, size, index)) for index in range(size)]
    return [outputs, reads, feeds]


SCRIPT = """
async ([cases, sizes]) => {
  const g = await import("./widgets/geometry.js");
  const upTo = (n) => Array.from({ length: n }, (_, i) => i);
  return cases.flatMap((settings) => sizes.map((size) => {
    try {
      const outputs = g.outputSize(size, settings);
      return [outputs, upTo(outputs).map((i) => g.inputIndices(settings, size, i)),
              upTo(size).map((i) => g.outputIndices(settings, size, i))];
    } catch { return null; }
  }));
}
"""


@pytest.fixture
def plain_page(new_page, serve, tmp_path):
    (tmp_path / "index.html").write_text(
        '<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>-</title></html>'
    )
    (tmp_path / "widgets").symlink_to(ROOT / "cnnlib" / "widgets")
    page = new_page()
    page.goto(serve(tmp_path))
    return page


def test_geometry_js_equals_python_on_every_small_case(plain_page):
    cases, sizes = small_cases(), [1, 2, 5]
    theirs = plain_page.evaluate(SCRIPT, [json.loads(json.dumps(cases)), sizes])
    ours = [pythons_answer(settings, size) for settings in cases for size in sizes]
    assert sum(answer is not None for answer in ours) > 1_500
    assert theirs == ours
