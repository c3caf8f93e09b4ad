"""A JupyterLab of our own, and a notebook that is open in it in a browser."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page

MINUTES = 60_000  # in Playwright's milliseconds


def environment_in(home: Path) -> dict[str, str]:
    """This process's environment, with Jupyter's and IPython's folders under ``home``."""
    own = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "IPYTHONDIR": home / "ipython",
    }
    return {**os.environ, **{name: str(folder) for name, folder in own.items()}}


class Lab:
    """A JupyterLab that runs; its process has the number ``pid``."""

    def __init__(self, pid: int, address: str, token: str, home: Path) -> None:
        self.pid = pid
        self._address, self._token, self._home = address, token, home

    def address_of(self, path: str) -> str:
        """The address that opens this file, and no other tab."""
        shutil.rmtree(self._home / "config" / "lab" / "workspaces", ignore_errors=True)
        return f"{self._address}/lab/tree/{path}?token={self._token}"


@contextmanager
def serving_lab(
    python: Sequence[str], files: Path, home: Path, environment: dict[str, str]
) -> Iterator[Lab]:
    """JupyterLab over the folder ``files``, by the command ``python``; its folders are those of
    :func:`environment_in`, where jupytext has been set up."""
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
    server = subprocess.Popen(
        [*python, "-m", "jupyterlab", *(f"--{k}={v}" for k, v in options.items())],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = [*iter_until(server.stdout, "is running at")]
        assert server.poll() is None, "".join(said)
        # Nobody reads what else it says, but a full pipe would stop it.
        threading.Thread(target=deque, args=(server.stdout, 0), daemon=True).start()
        yield Lab(server.pid, f"http://127.0.0.1:{port}", token, home)
    finally:
        server.terminate()
        server.wait(30)


def iter_until(lines: Iterable[str], words: str) -> Iterator[str]:
    """The lines up to the one that has these words."""
    for line in lines:
        yield line
        if words in line:
            return


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

    def kernel(self) -> str:
        """Its kernel's name on the server."""
        return self.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.session.kernel.id")

    def not_run(self) -> int:
        """How many cells of code have not been run to their end."""
        return self.page.evaluate(
            """() => jupyterapp.shell.currentWidget.content.widgets
                .filter((cell) => cell.model.type === "code")
                .filter((cell) => cell.model.sharedModel.getSource().trim())
                .filter((cell) => !cell.model.executionCount).length"""
        )

    def end(self) -> None:
        """Shut its kernel down."""
        self.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")

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
