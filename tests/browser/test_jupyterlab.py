"""The widgets in a real JupyterLab with a live kernel: page and Python agree, both ways."""

import json
import os
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.conftest import ROOT

MINUTES = 60_000  # in Playwright's milliseconds
FRONT_MATTER = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
"""


def notebook(*cells: str) -> str:
    """A MyST Markdown notebook of these code cells, as the chapters are written."""
    return FRONT_MATTER + "".join(f"\n```{{code-cell}} python\n{cell}\n```\n" for cell in cells)


NOTEBOOKS = {
    "convolution.md": notebook(
        "from cnnlib.widgets.convolution_explorer import ConvolutionExplorer\n"
        "widget = ConvolutionExplorer(stride=1)\nwidget",
        "print('stride', widget.stride)",
        "widget.stride = 1",
    ),
    "receptive.md": notebook(
        "from cnnlib.models import MODELS\nfrom cnnlib.trace import trace\n"
        "from cnnlib.widgets.receptive_field_explorer import ReceptiveFieldExplorer\n"
        "layers = trace(MODELS['lenet_modern'](), (1, 1, 32, 32))\n"
        "widget = ReceptiveFieldExplorer(layers, layer=0)\nwidget",
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
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Callable[[str], str]]:
    """lab(path) -> the address that opens it, in a JupyterLab that serves notebooks and chapters.

    It opens with no other tab. Set up as .binder/postBuild sets up Binder's, in folders of its own.
    """
    home = tmp_path_factory.mktemp("lab")
    files = home / "files"
    shutil.copytree(ROOT / "book", files / "book", ignore=shutil.ignore_patterns("_*"))
    for name, text in NOTEBOOKS.items():
        (files / name).write_text(text)
    own = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "IPYTHONDIR": home / "ipython",
    }
    environment = {**os.environ, **{name: str(folder) for name, folder in own.items()}}
    viewer = (ROOT / ".binder" / "postBuild").read_text().splitlines()[-1]
    python, *arguments = shlex.split(viewer)
    assert python == "python"
    subprocess.run([sys.executable, *arguments], env=environment, check=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    settings = home / "config" / "labconfig" / "default_setting_overrides.json"
    overrides = json.loads(settings.read_text())
    overrides["@jupyterlab/apputils-extension:notification"] = quiet
    settings.write_text(json.dumps(overrides))

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.allow_root": True,
        "ServerApp.root_dir": files,
        "IdentityProvider.token": token,
        "LabApp.open_browser": False,
        "LabApp.expose_app_in_browser": True,
        "LabApp.extension_manager": "readonly",
    }
    log = home / "log"
    with open(log, "w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *(f"--{k}={v}" for k, v in options.items())],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while not answers(f"{address}/api/status?token={token}"):
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.3)

        def address_of(path: str) -> str:
            shutil.rmtree(home / "config" / "lab" / "workspaces", ignore_errors=True)
            return f"{address}/lab/tree/{path}?token={token}"

        yield address_of
    finally:
        server.terminate()
        server.wait(30)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False


class Notebook:
    """A notebook open in JupyterLab, in the browser."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        page.goto(address, timeout=2 * MINUTES)
        page.locator(".jp-Notebook").wait_for(timeout=2 * MINUTES)
        page.wait_for_function(
            "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
            "?.status === 'idle'",
            timeout=2 * MINUTES,
        )

    def run(self, cell: int) -> None:
        """Run one cell and wait until the kernel has done it."""
        self.page.evaluate(
            """async (index) => {
                const { content } = jupyterapp.shell.currentWidget;
                content.activeCellIndex = index;
                await jupyterapp.commands.execute("notebook:run-cell");
            }""",
            cell,
        )

    def run_all(self) -> None:
        self.page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")

    def printed(self, cell: int) -> str:
        return self.page.evaluate(
            """(index) => {
                const cell = jupyterapp.shell.currentWidget.content.widgets[index];
                return cell.model.outputs.toJSON().map((output) => output.text ?? "").join("");
            }""",
            cell,
        )

    def errors(self) -> list[str]:
        return self.page.evaluate(
            """() => jupyterapp.shell.currentWidget.content.widgets
                .filter((cell) => cell.model.type === "code")
                .flatMap((cell) => cell.model.outputs.toJSON())
                .filter((output) => output.output_type === "error")
                .map((output) => `${output.ename}: ${output.evalue}`)"""
        )


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


def expect_printed(book: Notebook, cell: int, words: str) -> None:
    """Run a cell until it prints these words: the page's change is on its way to the kernel."""
    deadline = time.monotonic() + 20
    while True:
        book.run(cell)
        said = book.printed(cell).strip()
        if said == words:
            return
        assert time.monotonic() < deadline, f"expected {words!r}, it printed {said!r}"
        time.sleep(0.2)


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
