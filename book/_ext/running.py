"""Run the chapters: several at a time, and only those whose results are not kept.

- Chapters run before Sphinx reads the pages one by one and finds them in the execution cache.
- The cache's folder carries a hash of everything a chapter runs on (cnnlib, the pinned versions,
  Python), because jupyter-cache itself compares only the chapter's cells.
- Kernels run with an IPython folder of the book's own: nobody's start-up files change a chapter.
"""

import hashlib
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.util import find_spec
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from myst_nb.core.read import create_nb_reader
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment

LIBRARY = Path(find_spec("cnnlib").origin).parent


# --- What runs, and where its results are kept --------------------------------------------------


def name_the_cache(app: Sphinx, config: Config) -> None:
    """Point the execution cache at a folder named by a hash, and drop the folders of other hashes.

    The book's own extension and templates change no result of a chapter, but how it is shown: they
    make Sphinx read the pages again.
    """
    root = Path(app.srcdir)
    caches = _build_folder(app) / ".execution_cache"
    library = [path for path in LIBRARY.rglob("*") if "__pycache__" not in path.parts]
    pins = (root / "requirements.txt").read_text()
    current = caches / _hash_of(LIBRARY, library, salt=pins + sys.version)
    for other in caches.glob("*"):
        if other != current:
            shutil.rmtree(other)
    config.nb_execution_cache_path = str(current)
    own = [*root.glob("book/_ext/*"), *root.glob("book/_templates/*")]
    config.cnnbook_sources = _hash_of(root, own)


def _hash_of(base: Path, paths: list[Path], salt: str = "") -> str:
    digest = hashlib.sha256(salt.encode())
    for path in sorted(path for path in paths if path.is_file()):
        digest.update(path.relative_to(base).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def give_kernels_their_own_settings(app: Sphinx, config: Config) -> None:
    """Start kernels with an IPython folder that holds one setting: no warning of plain sockets."""
    folder = _build_folder(app) / ".ipython"
    profile = folder / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text('c.IPKernelApp.log_level = "ERROR"\n')
    os.environ["IPYTHONDIR"] = str(folder)


def _build_folder(app: Sphinx) -> Path:
    return Path(app.outdir).parent


# --- Running ------------------------------------------------------------------------------------

AT_ONCE = 2  # chapters; most of them train small networks on one core

# Linux's getrusage would count the process that started the kernel, too.
PEAK_MEMORY = """
import pathlib, re, resource, sys

status = pathlib.Path("/proc/self/status")
if status.exists():
    peak = 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1])
else:
    unit = 1 if sys.platform == "darwin" else 1024
    peak = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(round(peak / 1e6))
"""


def run_chapters(app: Sphinx, env: BuildEnvironment, documents: list[str]) -> None:
    """Run the chapters that are not in the cache, several at a time, and put them there.

    One that fails is left to MyST-NB, which runs it again when its turn comes and reports it.
    """
    cache = get_cache(app.config.nb_execution_cache_path)
    waiting = [
        (Path(env.doc2path(document)), notebook)
        for document in documents
        if (notebook := _notebook(env, document)) and not _is_cached(cache, notebook)
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = {pool.submit(_run, app, *chapter): chapter[0] for chapter in waiting}
        for number, run in enumerate(as_completed(runs), start=1):
            path, (result, peak_mb) = runs[run], run.result()
            outcome = "failed" if result.err else "ran"
            print(f"{path.stem} {outcome} in {result.time:.1f} s ({number} of {len(runs)})")
            if result.err is None:
                app.peak_memory[env.path2doc(str(path))] = peak_mb
                bundle = CacheBundleIn(
                    result.nb, str(path), data={"execution_seconds": result.time}
                )
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def _notebook(env: BuildEnvironment, document: str) -> NotebookNode | None:
    """A page as MyST-NB reads it, or None where it has no cells to run."""
    path = env.doc2path(document)
    text = Path(path).read_text(encoding="utf-8")
    reader = create_nb_reader(path, env.myst_config, env.mystnb_config, text)
    return reader.read(text) if reader else None


def _is_cached(cache: JupyterCacheAbstract, notebook: NotebookNode) -> bool:
    try:
        cache.match_cache_notebook(notebook)
    except KeyError:
        return False
    return True


def _run(app: Sphinx, path: Path, notebook: NotebookNode) -> tuple[ExecutionResult, int | None]:
    """Run a chapter, and one cell more that reads the most memory its kernel used, in MB."""
    notebook.cells.append(new_code_cell(PEAK_MEMORY))
    result = single_nb_execution(
        notebook,
        cwd=str(path.parent),
        timeout=app.config.nb_execution_timeout,
        allow_errors=False,
    )
    outputs = result.nb.cells.pop().outputs
    return result, int(outputs[0]["text"]) if outputs and not result.err else None


def setup(app: Sphinx) -> dict:
    app.peak_memory = {}
    app.add_config_value("cnnbook_sources", "", "env", str)
    app.connect("config-inited", name_the_cache, priority=100)
    app.connect("config-inited", give_kernels_their_own_settings)
    app.connect("env-before-read-docs", run_chapters)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
