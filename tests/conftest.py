"""Fixtures for all tests, and what a worker of pytest-xdist owes the others: one thread."""

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parents[1]
SOURCES = ("book", "cnnlib", "_config.yml", "_toc.yml", "requirements.txt")  # of the built book
MARKED_BY_FIXTURE = {"site": "book", "tiny_book": "book", "browser": "browser"}


def pytest_configure(config) -> None:
    """Keep each worker, and what it starts, to one thread: there are as many workers as cores."""
    if hasattr(config, "workerinput"):
        os.environ["OMP_NUM_THREADS"] = "1"
        torch.set_num_threads(1)


def pytest_collection_modifyitems(items) -> None:
    """Mark the tests that need the built book or a browser: ``make test-fast`` leaves them out."""
    for item in items:
        for fixture, mark in MARKED_BY_FIXTURE.items():
            if fixture in item.fixturenames:
                item.add_marker(mark)
        if "browser" in Path(item.path).parts:  # a busy machine may draw late
            item.add_marker(pytest.mark.flaky(reruns=1))


def book_part(name: str) -> ModuleType:
    """A part of the book's build, ``book/_ext/<name>.py``."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "book" / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def site() -> Path:
    """Folder of the built book: ``_build/html``, or the one that CNN_SITE names.

    No test builds it: ``make test`` does so first, outside any test's time limit. A book under
    CNN_SITE is taken as it is, with the ``chapters.json`` beside it.
    """
    named = os.environ.get("CNN_SITE")
    folder = Path(named).resolve() if named else ROOT / "_build" / "html"
    report = folder.parent / "chapters.json"
    if not (folder / "index.html").exists() or not report.exists():
        pytest.fail(f"no built book in {folder}: run `make book` first", pytrace=False)
    if not named and (changed := changed_since(report.stat().st_mtime)):
        pytest.fail(
            f"{changed} has changed since the book was built: run `make book` first (or set "
            "CNN_SITE=_build/html to test the old one)",
            pytrace=False,
        )
    return folder


def changed_since(built: float) -> Path | None:
    """A source of the book that is newer than this time, or None."""
    for path in (path for name in SOURCES for path in [ROOT / name, *(ROOT / name).rglob("*")]):
        compiled = "__pycache__" in path.parts or ".ipynb_checkpoints" in path.parts
        if path.is_file() and not compiled and path.stat().st_mtime > built:
            return path.relative_to(ROOT)
    return None


@pytest.fixture(scope="module")
def one_thread():
    """Batches of a few small images run faster on one thread than on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
