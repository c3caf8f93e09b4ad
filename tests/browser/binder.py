"""Opens chapters as Binder does, in an environment as Binder makes it, and runs them to the end.

    python -m tests.browser.binder                                # all chapters, a new environment
    python -m tests.browser.binder book/foundations/pooling.md    # some of them
    python -m tests.browser.binder --python OTHER/bin/python ...  # an environment that is there

It does what ``.binder`` says: a new Python with its requirements and JupyterLab, the files of this
commit, ``postBuild``, and ``start`` before the server. Each chapter is opened in a browser and all
its cells are run. What is printed is the peak of its kernel's memory, and what the server took
beside it; both together may be 1 GB, of which Binder promises as much.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, sync_playwright

from tests.browser.chromium import FLAGS, find_chromium
from tests.browser.lab import MINUTES, Lab, Notebook, environment_in, serving_lab
from tests.conftest import ROOT

MOST = 1000  # MB


class Opened(NamedTuple):
    """What came of a chapter; memory in MB. ``fault``: what went wrong, or ""."""

    chapter: str
    seconds: float
    kernel: float
    server: float
    fault: str


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.binder", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("chapter", nargs="*", help="all that have code, if none is given")
    parser.add_argument("--python", type=Path, help="of an environment made before")
    asked = parser.parse_args(arguments)
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve()
        files = checkout(home / "files")
        python = asked.python or new_python(home, files)
        environment = environment_in(home)
        environment["PATH"] = os.pathsep.join([str(python.parent), environment["PATH"]])
        environment.pop("PYTHONPATH", None)
        subprocess.run(["bash", ".binder/postBuild"], cwd=files, env=environment, check=True)
        chapters = asked.chapter or chapters_in(files)
        start = ["bash", str(files / ".binder" / "start"), str(python)]
        with serving_lab(start, files, home, environment) as lab, sync_playwright() as browsers:
            browser = browsers.chromium.launch(executable_path=find_chromium(), args=FLAGS)
            for chapter in chapters:
                one = opened(chapter, lab, browser)
                faults += bool(one.fault)
                print(
                    f"{one.seconds:6.1f} s  kernel {one.kernel:4.0f} MB, server {one.server:3.0f} "
                    f"MB  {one.chapter}  {one.fault}".rstrip(),
                    flush=True,
                )
            browser.close()
    print(f"{len(chapters)} chapters opened, {faults} with a fault")
    return 1 if faults else 0


def checkout(folder: Path) -> Path:
    """The files of this commit, without what is not kept and without what has changed since."""
    folder.mkdir()
    archive = subprocess.run(
        ["git", "archive", "HEAD"], cwd=ROOT, check=True, stdout=subprocess.PIPE
    )
    subprocess.run(["tar", "-x"], cwd=folder, input=archive.stdout, check=True)
    return folder


def new_python(home: Path, files: Path) -> Path:
    """A new environment with what Binder installs, by the Python that runs this."""
    wanted = (files / ".binder" / "runtime.txt").read_text().strip().removeprefix("python-")
    if wanted != f"{sys.version_info.major}.{sys.version_info.minor}":
        print(f"This is Python {sys.version.split()[0]}; Binder's will be {wanted}.")
    subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True)
    python = home / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    requirements = [".binder/requirements.txt", "jupyterlab"]
    subprocess.run([*install, "--requirement", *requirements], cwd=files, check=True)
    return python


def chapters_in(files: Path) -> list[str]:
    """The pages of the contents that have code, as paths in the repository."""
    pages = re.findall(r"(?:file|root): (\S+)", (files / "_toc.yml").read_text())
    paths = [files / f"{page}.md" for page in pages]
    coded = [path for path in paths if "```{code-cell}" in path.read_text("utf-8")]
    return [path.relative_to(files).as_posix() for path in coded]


def opened(chapter: str, lab: Lab, browser: Browser) -> Opened:
    """Open a chapter, run all its cells, and shut its kernel down."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(2 * MINUTES)
    started = time.perf_counter()
    book = Notebook(context.new_page(), lab.address_of(chapter))
    book.run_all()
    seconds = time.perf_counter() - started
    kernel = process_of(book.kernel())
    peak, server = memory(kernel, "VmHWM"), memory(lab.pid, "VmRSS")
    faults = book.errors()
    if missed := book.not_run():
        faults.append(f"{missed} cells have not run")
    if peak + server > MOST:
        faults.append(f"more than {MOST} MB")
    book.end()
    context.close()
    return Opened(chapter, seconds, peak, server, "; ".join(faults))


def process_of(kernel: str) -> int:
    """The number of a kernel's process (on Linux). Its command names the kernel's own file."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"kernel-{kernel}.json" in (folder / "cmdline").read_text():
                return int(folder.name)
        except FileNotFoundError:
            pass  # it has ended
    raise LookupError(f"no process runs the kernel {kernel}")


def memory(process: int, kind: str) -> float:
    """ "VmHWM", the peak, or "VmRSS", what it takes now, of a process, in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    return 1024 * int(re.search(rf"{kind}:\s*(\d+)", status)[1]) / 1e6


if __name__ == "__main__":
    sys.exit(main())
