"""The widgets in a real JupyterLab with a live kernel: page and Python agree, both ways."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.binder import chapters_in, memory, opened
from tests.browser.lab import MINUTES, Lab, Notebook, environment_in, serving_lab
from tests.browser.test_feature_maps import over, pixels
from tests.browser.test_feature_maps import words as sentences
from tests.browser.test_occlusion import bars, words
from tests.browser.test_switches import numbers
from tests.conftest import ROOT

FRONT_MATTER = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
"""


def notebook(*cells: str) -> str:
    """A MyST Markdown notebook of these code cells, as the chapters are written."""
    return FRONT_MATTER + "".join(f"\n```{{code-cell}} python\n{cell}\n```\n" for cell in cells)


NOTEBOOKS = {
    "whole.md": notebook("kept = bytearray(b'x') * 300_000_000\ndel kept", "1 + 1"),
    "failing.md": notebook("1 / 0", "1 + 1"),
    "convolution.md": notebook(
        "from cnnlib.widgets.convolution_explorer import ConvolutionExplorer\n"
        "widget = ConvolutionExplorer(stride=1)\nwidget",
        "print('stride', widget.stride)",
        "widget.stride = 1",
    ),
    "receptive.md": notebook(
        "from cnnlib.models import MODELS\nfrom cnnlib.trace import trace\n"
        "from cnnlib.widgets.receptive_field_explorer import ReceptiveFieldExplorer\n"
        "rows = trace(MODELS['lenet_modern'](), (1, 1, 32, 32))\n"
        "widget = ReceptiveFieldExplorer(rows, layer=0)\nwidget",
        "print('layer', widget.layer)",
        "widget.layer = 0",
    ),
    "maps.md": notebook(
        "import numpy as np\nfrom cnnlib.models import MODELS\nfrom cnnlib.trace import trace\n"
        "from cnnlib.widgets.feature_maps import FeatureMaps\n"
        "rows = trace(MODELS['lenet_modern'](), (1, 1, 32, 32))\n"
        "maps = {0: np.random.default_rng(0).random((2, *rows[0].out_shape[1:]))}\n"
        "images = np.arange(2 * 32 * 32, dtype=np.uint8).reshape(2, 32, 32)\n"
        "widget = FeatureMaps(rows, maps, images, ['the first', 'the second'])\nwidget",
        "print('image', widget.image)",
        "widget.image = 0",
    ),
    "switches.md": notebook(
        "from cnnlib.widgets.switches import Switches\n"
        "widget = Switches(kernel='spot', unit=[0, 0])\nwidget",
        "print(widget.picture[0][:3], widget.kernel, widget.method, widget.unit, widget.step)",
        "import json\n"
        "maps = [*widget.maps()['values'], *widget.signals()]\n"
        "print(json.dumps([values.tolist() for values in maps]))",
        "widget.second = 'none'\nwidget.unit = [2, 1]",
    ),
    "occlusion.md": notebook(
        "import torch\nfrom torch import nn\nfrom cnnlib.inside import occlusion_map\n"
        "from cnnlib.widgets.occlusion import OccludedPhotograph, Occlusion, Scan\n"
        "_ = torch.manual_seed(0)\n"
        "net = nn.Sequential(nn.Conv2d(3, 4, 5, stride=2), nn.ReLU(), nn.Flatten(),\n"
        "                    nn.Linear(640, 4)).requires_grad_(False)\n"
        "net[3].weight *= 15\n"
        "images = torch.rand(2, 3, 24, 36)\n"
        "def respond(number, size, top, left):\n"
        "    if trouble:\n"
        "        raise RuntimeError(trouble)\n"
        "    rows, columns = slice(top, top + size[0]), slice(left, left + size[1])\n"
        "    covered = images[[number]].clone()\n"
        "    covered[..., rows, columns] = 0\n"
        "    return net(covered).softmax(1)[0]",
        "trouble = ''\n"
        "photographs = []\n"
        "for number, title in enumerate(['the first', 'the second']):\n"
        "    scans = [Scan.of(occlusion_map(net, images[[number]], number, size=size, stride=6,\n"
        "                                   progress=False)) for size in (8, 12)]\n"
        "    pixels = (images[number].permute(1, 2, 0) * 255).byte().numpy()\n"
        "    photographs.append(OccludedPhotograph(title, pixels, number, scans))\n"
        "names = ['ant', 'bee', 'cow', 'dog']\n"
        "widget = Occlusion(photographs, names, respond=respond)\nwidget",
        "print(widget.photograph, widget.occluder, widget.shown, widget.place)",
        "import json\n"
        "side, (top, left) = (8, 12)[widget.occluder], widget.place\n"
        "seen = torch.ones(24, 36)\n"
        "seen[top : top + side, left : left + side] = 0\n"
        "shares = net(images[[widget.photograph]] * seen).softmax(1)[0].tolist()\n"
        "print(json.dumps(dict(zip(names, shares))))",
        "widget.photograph = 0\nwidget.occluder = 0\nwidget.place = [18, 20]",
        "trouble = 'the network is away'",
        "trouble = ''",
    ),
    "trained.md": notebook(
        "import torch\nfrom torch import nn\n"
        "from cnnlib.inside import top_patches\nfrom cnnlib.trace import trace\n"
        "from cnnlib.widgets.trained_units import TrainedUnits, UnitLayer\n"
        "_ = torch.manual_seed(0)\n"
        "net = nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.MaxPool2d(2),\n"
        "                    nn.Conv2d(4, 6, 3)).requires_grad_(False)\n"
        "photographs = torch.randint(256, (3, 20, 24, 3), dtype=torch.uint8).numpy()\n"
        "prepare = lambda pixels: torch.tensor(pixels / 255).float().permute(2, 0, 1)[None]\n"
        "x = torch.cat([prepare(pixels) for pixels in photographs])\n"
        "maps = {1: net[:2](x).numpy(), 3: net(x).numpy()}",
        "shown = [UnitLayer(row, maps[row], top_patches(net, photographs, str(row), channels,\n"
        "                   prepare=prepare, progress=False), name)\n"
        "         for row, channels, name in [(1, [0, 2], 'relu1'), (3, [1, 5], 'conv2')]]\n"
        "widget = TrainedUnits('A net', trace(net, (1, 3, 20, 24)), photographs,\n"
        "                      ['one', 'two', 'three'], shown, searched='3 pictures')\nwidget",
        "print(widget.photograph, widget.layer, widget.channel, widget.unit)",
        "import json\n"
        "own, (row, column) = maps[widget.layer][:, widget.channel], widget.unit\n"
        "step = float(abs(own).max()) / 127\n"
        "print(json.dumps([float(own[widget.photograph, row, column]), step]))",
        "widget.layer = 1\nwidget.photograph = 2\nwidget.channel = 2\nwidget.unit = [3, 4]",
    ),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Lab]:
    """A JupyterLab that serves notebooks and chapters.

    Set up as .binder/postBuild sets up Binder's, in folders of its own.
    """
    home = tmp_path_factory.mktemp("lab")
    files = home / "files"
    shutil.copytree(ROOT / "book", files / "book", ignore=shutil.ignore_patterns("_*"))
    for name, text in NOTEBOOKS.items():
        (files / name).write_text(text)
    environment = environment_in(home)
    viewer = (ROOT / ".binder" / "postBuild").read_text().splitlines()[-1]
    python, *arguments = shlex.split(viewer)
    assert python == "python"
    subprocess.run([sys.executable, *arguments], env=environment, check=True)
    with serving_lab([sys.executable], files, home, environment) as server:
        yield server


@pytest.fixture(scope="module")
def lab(server) -> Callable[[str], str]:
    """lab(path) -> the address that opens it."""
    return server.address_of


@pytest.fixture
def open_notebook(browser, lab) -> Iterator[Callable[[str], Notebook]]:
    context = browser.new_context(viewport={"width": 1280, "height": 1400})

    def only_the_server(route) -> None:
        ours = route.request.url.startswith(("http://127.0.0.1:", "data:", "blob:"))
        route.continue_() if ours else route.abort()

    context.route("**/*", only_the_server)
    page = context.new_page()
    yield lambda path: Notebook(page, lab(path))
    context.close()


def stride(widget: Locator) -> Locator:
    return widget.get_by_label("Stride", exact=True)


def layer(widget: Locator) -> Locator:
    return widget.get_by_label("Layer", exact=True)


@pytest.mark.parametrize(
    "path, slider, said_before, said_after",
    [
        ("convolution.md", stride, "stride 1", "stride 2"),
        ("receptive.md", layer, "layer 0", "layer 1"),
    ],
)
def test_slider_and_python_agree(open_notebook, path, slider, said_before, said_after):
    book = open_notebook(path)
    book.run(0)
    control = slider(book.page.locator(".jp-OutputArea .cnn-widget").first)
    control.wait_for(timeout=MINUTES)
    shown = control.input_value()
    book.run(1)
    assert book.printed(1).strip() == said_before

    control.press("ArrowRight")
    assert control.input_value() != shown
    expect_printed(book, 1, said_after)

    book.run(2)
    expect(control).to_have_value(shown)
    assert book.errors() == []


def test_chosen_image_and_python_agree(open_notebook):
    book = open_notebook("maps.md")
    book.run(0)
    widget = book.page.locator(".jp-OutputArea .cnn-widget").first
    widget.wait_for(timeout=MINUTES)
    second = widget.get_by_role("radio", name="the second")
    expect(second).to_have_attribute("aria-checked", "false")
    widget.get_by_role("radio", name="the first").press("ArrowRight")
    expect(second).to_have_attribute("aria-checked", "true")
    expect_printed(book, 1, "image 1")

    book.run(2)
    expect(second).to_have_attribute("aria-checked", "false")
    assert book.errors() == []


def test_switches_page_and_python_have_the_same_numbers(open_notebook):
    book = open_notebook("switches.md")
    book.run(0)
    widget = book.page.locator(".jp-OutputArea .cnn-switches")
    picture = widget.get_by_role("application", name="Picture, 8 × 8")
    picture.wait_for(timeout=MINUTES)
    for key in ("ArrowRight", "7"):  # JupyterLab's own keys for the next cell and a heading
        picture.press(key)
    widget.get_by_label("Kernel", exact=True).select_option("upright edge")
    widget.get_by_role("radio", name="Guided").check()
    widget.get_by_role("application", name="Top map").press("ArrowRight")
    widget.get_by_label("Layers back", exact=True).press("ArrowLeft")
    expect_printed(book, 1, "[0, 7, 0] upright edge guided [0, 1] 4")
    book.run(2)
    shown, maps = numbers_shown(book.page, 6), json.loads(book.printed(2))
    maps[6] = [[None] * 8] * 8  # step 4 of 5: the signal has not come to the pixels
    assert shown == maps

    book.run(3)
    expect(widget.locator(".sw-stage:visible")).to_have_count(4)
    expect(widget.get_by_role("application", name="Top map")).to_have_accessible_name(
        re.compile("Chosen: row 2, column 1,")
    )
    book.run(2)
    assert numbers_shown(book.page, 4) == json.loads(book.printed(2))
    assert book.errors() == []


def numbers_shown(page: Page, stages: int) -> list[list[list[float]]]:
    """The map of each stage, and then the signal on each."""
    return [numbers(page, stage, back) for back in (False, True) for stage in range(stages)]


def test_the_cover_goes_to_any_pixel_and_the_kernels_network_answers(open_notebook):
    book = open_notebook("occlusion.md")
    for cell in (0, 1):
        book.run(cell)
    page = book.page
    photograph = page.get_by_role("application", name="with a cover to move")
    photograph.wait_for(timeout=MINUTES)
    expect_live_answer(book, "Cover over rows 12 to 19, columns 18 to 25: ")
    for key in ("Shift+ArrowRight", "Shift+ArrowUp", "Shift+ArrowUp"):
        photograph.press(key)
    expect_printed(book, 2, "0 0 probability [10, 19]")
    expect_live_answer(book, "Cover over rows 10 to 17, columns 19 to 26: ")

    page.get_by_label("Photograph", exact=True).select_option("the second")
    page.get_by_label("Cover", exact=True).select_option("12 × 12 pixels, 17 %")
    page.get_by_role("button", name="Class that wins").click()
    box = photograph.bounding_box()  # of 24 × 36 pixels
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 3)
    expect_printed(book, 2, "1 1 labels [2, 3]")
    expect_live_answer(book, "Cover over rows 2 to 13, columns 3 to 14: ")

    book.run(4)
    expect_live_answer(book, "Cover over rows 18 to 23, columns 20 to 27: ")
    expect(page.get_by_label("Photograph", exact=True)).to_have_value("the first")
    assert book.errors() == []


def expect_live_answer(book: Notebook, place: str) -> None:
    """Words and bars are the softmax of the picture covered there, as cell 3 takes it anew."""
    book.run(3)
    shares = sorted(json.loads(book.printed(3)).items(), key=lambda pair: -pair[1])
    expect(book.page.locator(".oc-words")).to_have_text(
        re.compile(re.escape(f"{place}the network says {shares[0][0]};")), timeout=MINUTES
    )
    shown = bars(book.page, 0)
    assert [name.removesuffix(" (true)") for name, _ in shown] == [name for name, _ in shares]
    for (_, per_cent), (_, share) in zip(shown, shares, strict=True):
        assert int(per_cent.removesuffix(" %")) == pytest.approx(100 * share, abs=0.51)


def test_a_network_that_cannot_answer_says_why_on_the_page(open_notebook):
    book = open_notebook("occlusion.md")
    for cell in (0, 1, 5):
        book.run(cell)
    photograph = book.page.get_by_role("application", name="with a cover to move")
    photograph.wait_for(timeout=MINUTES)
    alert = book.page.locator(".cnn-widget").get_by_role("alert")
    expect(alert).to_have_count(0)  # there, but empty and out of sight
    photograph.press("Shift+ArrowRight")
    expect(alert).to_have_text(
        "No answer from respond for this place. RuntimeError: the network is away",
        timeout=MINUTES,
    )
    assert "columns 19 to 26 (at the nearest place measured): the network" in words(book.page)
    expect_printed(book, 2, "0 0 probability [12, 19]")
    assert book.errors() == []
    book.run(4)
    expect(alert).to_be_visible()
    assert book.errors() == ["RuntimeError: the network is away"]

    book.run(6)
    photograph.press("Shift+ArrowUp")
    expect_printed(book, 2, "0 0 probability [17, 20]")
    expect_live_answer(book, "Cover over rows 17 to 23, columns 20 to 27: ")
    expect(alert).to_have_count(0)


def test_trained_units_are_chosen_on_the_page_and_in_python(open_notebook):
    book = open_notebook("trained.md")
    for cell in (0, 1):
        book.run(cell)
    page = book.page
    widget = page.locator(".jp-OutputArea .cnn-trained-units")
    second = widget.get_by_role("radio", name="two")
    second.wait_for(timeout=MINUTES)
    second.click()
    widget.get_by_role("tab", name="conv2").click()
    widget.locator(".cnn-grid-maps canvas").nth(1).click(position=over(page, 1, (2, 3)))
    widget.get_by_role("application").press("ArrowDown")
    page.mouse.move(2, 2)
    expect_printed(book, 2, "1 3 5 [3, 3]")
    expect_value(book, "conv2, channel 5, row 3, column 3: ")
    for canvas in (".cnn-input canvas", ".cnn-grid-maps canvas"):
        assert pixels(page, canvas, 1).std() > 10
    loaded = "(images) => images.map((i) => i.complete && i.naturalWidth > 0)"
    assert widget.locator(".cnn-half img").evaluate_all(loaded) == [True, True]

    book.run(4)
    expect(widget.get_by_role("radio", name="three")).to_be_checked()
    expect(widget.get_by_role("tab", name="relu1")).to_have_attribute("aria-selected", "true")
    expect_value(book, "relu1, channel 2, row 3, column 4: ")
    assert book.errors() == []


def expect_value(book: Notebook, unit: str) -> None:
    """The page tells the unit's value as cell 3 takes it from the network, to a byte's step."""
    expect(book.page.locator(".cnn-words span").first).to_have_text(
        re.compile(re.escape(unit) + r"−?\d")
    )
    said = re.match(r"−?[\d.]*\d", sentences(book.page)[0].removeprefix(unit))[0]
    book.run(3)
    value, step = json.loads(book.printed(3))
    assert float(said.replace("−", "-")) == pytest.approx(value, abs=step)


def expect_printed(book: Notebook, cell: int, text: str) -> None:
    """Run a cell until it prints this: the page's change is on its way to the kernel."""
    deadline = time.monotonic() + 20
    while True:
        book.run(cell)
        said = book.printed(cell).strip()
        if said == text:
            return
        assert time.monotonic() < deadline, f"expected {text!r}, it printed {said!r}"


def test_a_chapter_opens_as_a_notebook_by_its_launch_path_and_runs(open_notebook):
    chapter = open_notebook("book/foundations/arithmetic.md")
    assert chapter.page.evaluate("jupyterapp.shell.currentWidget.content.widgets.length") > 3
    chapter.run_all()
    assert chapter.errors() == []
    widgets = chapter.page.locator(".jp-OutputArea .cnn-widget")
    widgets.first.wait_for(state="attached", timeout=MINUTES)
    expect(stride(widgets.first)).to_have_count(1)


# --- Binder's environment -----------------------------------------------------------------------


def test_binder_installs_what_the_library_needs_and_no_tools():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [line.split("#")[0].strip() for line in binder_requirements()]
    names = {line.split("==")[0] for line in lines if line and not line.startswith("-")}
    needed = {dependency.split(">=")[0] for dependency in project["dependencies"]}
    assert names == needed | {"jupytext"}


def test_binder_has_the_tested_torch_without_cuda():
    pinned = (ROOT / "requirements.txt").read_text().split()
    torch = next(line for line in pinned if line.startswith("torch=="))
    assert f"{torch}+cpu" in binder_requirements()


def test_what_binder_runs_weekly_is_what_it_installs_and_every_chapter():
    workflow = (ROOT / ".github" / "workflows" / "binder.yml").read_text()
    version = re.search(r'python-version: "([\d.]+)"', workflow)[1]
    assert f"python-{version}" == (ROOT / ".binder" / "runtime.txt").read_text().strip()
    assert "python -m tests.browser.binder\n" in workflow
    coded = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "book").rglob("*.md")
        if re.search(r"^kernelspec:", path.read_text(), re.MULTILINE)
    }
    chapters = chapters_in(ROOT)
    assert len(chapters) == len(coded) and set(chapters) == coded


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_chapter_is_run_to_its_end_and_its_memory_measured(server, browser):
    whole = opened("whole.md", server, browser)
    assert whole.fault == ""
    assert 340 < whole.kernel < 600 and 40 < whole.server < 400  # 300 MB are gone by then
    failing = opened("failing.md", server, browser)
    assert failing.fault == "ZeroDivisionError: division by zero; 1 cells have not run"
    assert failing.kernel < 200


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_peak_is_no_less_than_what_is_taken_now():
    assert memory(os.getpid(), "VmHWM") >= memory(os.getpid(), "VmRSS") > 5


def binder_requirements() -> list[str]:
    return (ROOT / ".binder" / "requirements.txt").read_text().splitlines()


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_binders_scripts_can_be_run(name):
    assert os.access(ROOT / ".binder" / name, os.X_OK)


def test_launch_paths_are_chapters(site):
    """What a page's launch button asks Binder to open is the page's own source."""
    for page in site.glob("book/**/*.html"):
        source = page.relative_to(site).with_suffix(".md")
        text = page.read_text(encoding="utf-8")
        if "mybinder.org" in text:
            assert f"urlpath=lab/tree/{source.as_posix()}" in text
        else:
            assert "```{code-cell}" not in (ROOT / source).read_text(encoding="utf-8")
        assert Path(ROOT / source).exists()
