"""Fixtures for all tests."""

import subprocess
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def site(pytestconfig) -> Path:
    """Folder of the built book, made by ``make book``: minutes the first time, seconds after."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n[building the book with `make book`; this can take some minutes]", flush=True)
    command = ["make", "--no-print-directory", "book"]
    made = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if made.returncode != 0:
        pytest.fail(f"`make book` failed:\n{made.stdout[-8000:]}", pytrace=False)
    return ROOT / "_build" / "html"


@pytest.fixture(scope="module")
def one_thread():
    """Batches of a few small images run faster on one thread than on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
