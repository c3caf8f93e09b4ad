"""What this book adds to Jupyter Book: a cache that notices cnnlib, widgets on the page, a report.

- Chapters run two at a time, before Sphinx reads the pages one by one and finds them in the cache.
- The execution cache's folder carries a hash of everything a chapter runs on (cnnlib, the pinned
  versions, Python), because jupyter-cache itself compares only the chapter's cells.
- A build that was broken off or had warnings leaves a mark, so that the next one reads every page
  again and warns again, where Sphinx would call the pages up to date.
- Kernels run with an IPython folder of the book's own: nobody's start-up files change a chapter.
- The front-end modules and styles of ``cnnlib.widgets`` are copied to ``_static/widgets``, where
  ``host.js`` finds them. A page loads only what it uses: the host where it has widgets, KaTeX where
  it has formulas. Large pictures of widgets become files of their own. The state that ipywidgets
  stores for its own CDN loader is left out.
- Small typography: a number and its per cent sign stay on one line.
- After the build: where the book is, how long each chapter took (one that is slow says why in its
  front matter, ``slow: why``) and how long all took, and the traceback of a failed cell; times and
  peak memory also as ``_build/chapters.json``.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
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
FRONT_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><link rel="icon" href="data:,">
<meta http-equiv="refresh" content="0; url={address}"></head>
<body><p><a href="{address}">{title}</a></p></body></html>
"""


# --- Before the build ---------------------------------------------------------------------------


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


def forget_an_unfinished_build(app: Sphinx, config: Config) -> None:
    """Let Sphinx read every page again if the last build did not end without a warning."""
    mark = _unfinished(app)
    if mark.exists():
        (Path(app.doctreedir) / "environment.pickle").unlink(missing_ok=True)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


def give_kernels_their_own_settings(app: Sphinx, config: Config) -> None:
    """Start kernels with an IPython folder that holds one setting: no warning of plain sockets."""
    folder = _build_folder(app) / ".ipython"
    profile = folder / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text('c.IPKernelApp.log_level = "ERROR"\n')
    os.environ["IPYTHONDIR"] = str(folder)


def _build_folder(app: Sphinx) -> Path:
    return Path(app.outdir).parent


def _unfinished(app: Sphinx) -> Path:
    return Path(app.doctreedir) / "unfinished"


# --- Running the chapters -----------------------------------------------------------------------

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


# --- Each page ----------------------------------------------------------------------------------


def drop_widget_state(app: Sphinx, doctree: nodes.document) -> None:
    """Leave out the kernel's widget state, which only a CDN's html-manager could read.

    MyST-NB keeps it among the page's scripts, and it holds every trait a second time.
    """
    scripts = app.env.nb_metadata.get(app.env.docname, {}).get("js_files", {})
    scripts.pop("ipywidgets_state", None)


def keep_numbers_with_their_signs(app: Sphinx, doctree: nodes.document) -> None:
    """Put a no-break space between a number and its per cent sign, in prose only."""
    for text in list(doctree.findall(nodes.Text)):
        joined = re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text.astext())
        if joined != text.astext() and not isinstance(text.parent, nodes.literal_block):
            text.parent.replace(text, nodes.Text(joined))


def load_what_the_page_uses(
    app: Sphinx, pagename: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Add the host and the styles of the page's widgets; leave KaTeX out without formulas."""
    body = context.get("body", "")
    styles = sorted((LIBRARY / "widgets").glob("*.css"))
    stems = [path.stem for path in styles if f'data-cnn-widget="{path.stem}"' in body]
    if stems:
        for stem in ["page", *stems]:
            app.add_css_file(f"widgets/{stem}.css")
        app.add_js_file("host.js", type="module")
    if doctree is None or not any(doctree.findall(_is_formula)):
        for files in ("script_files", "css_files"):
            context[files][:] = [asset for asset in context[files] if not _is_katex(asset)]


LARGE_PICTURE = re.compile(r'"data:image/(png|webp);base64,([A-Za-z0-9+/=]{4000,})"')


def move_pictures_to_files(
    app: Sphinx, pagename: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Put large pictures among the widgets' traits into files: they load when they are looked at.

    The still pictures stay in the page.
    """
    folder = Path(app.outdir) / "_static" / "pictures"

    def moved(found: re.Match) -> str:
        picture = base64.b64decode(found[2])
        name = f"{hashlib.sha256(picture).hexdigest()[:16]}.{found[1]}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture)
        return json.dumps(context["pathto"](f"_static/pictures/{name}", resource=True))

    if "body" in context:
        context["body"] = re.sub(
            r'(?<=<script type="application/json">).*?(?=</script>)',
            lambda state: LARGE_PICTURE.sub(moved, state[0]),
            context["body"],
            flags=re.DOTALL,
        )


def name_bibliography_entries(
    app: Sphinx, pagename: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Give the entries the role that their list asks for; docutils' own has been withdrawn."""
    if "body" in context:
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def _is_formula(node: nodes.Node) -> bool:
    return isinstance(node, nodes.math | nodes.math_block)


def _is_katex(asset) -> bool:
    name = str(asset.filename)
    return "katex" in name or "auto-render" in name


# --- After the build ----------------------------------------------------------------------------


def copy_widgets(app: Sphinx, exception: Exception | None) -> None:
    """Put the widgets' modules and styles where the host script looks for them."""
    target = Path(app.outdir) / "_static" / "widgets"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in (LIBRARY / "widgets").iterdir():
        if path.suffix in (".js", ".css"):
            shutil.copy(path, target)


def write_front_page(app: Sphinx, exception: Exception | None) -> None:
    """Lead from the site's address to the first chapter."""
    page = FRONT_PAGE.format(title=app.config.html_title, address=f"{app.config.root_doc}.html")
    (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def drop_pages_without_a_source(app: Sphinx, exception: Exception | None) -> None:
    """Remove the pages of chapters that are no more; Sphinx leaves them on the site."""
    kept = {"index", "genindex", "search", *app.env.found_docs}
    for page in Path(app.outdir).rglob("*.html"):
        document = page.relative_to(app.outdir).with_suffix("").as_posix()
        if document not in kept and not document.startswith("_static/"):
            page.unlink()


# Seconds on two quiet cores. A busy machine needs more, so nothing fails by them: they are read.
ENOUGH_FOR_A_CHAPTER = 30
ENOUGH_FOR_ALL = 420


def times_of_chapters(seconds: dict[str, float], reasons: dict[str, str | None]) -> list[str]:
    """Lines: what each chapter took and, where that is long, why; what all took, and the limit."""
    lines = []
    for document, taken in seconds.items():
        line = f"  {taken:6.1f} s  {document}"
        if taken > ENOUGH_FOR_A_CHAPTER:
            missing = f"over {ENOUGH_FOR_A_CHAPTER} s, and no `slow:` in its front matter says why"
            line += f": {reasons[document] or missing}"
        lines.append(line)
    total = sum(seconds.values())
    over = " (TOO LONG, if this machine was quiet)" if total > ENOUGH_FOR_ALL else ""
    return [
        *lines,
        f"  {total:6.1f} s  in all; at most {ENOUGH_FOR_ALL} s on two quiet cores{over}",
    ]


def report(app: Sphinx, exception: Exception | None) -> None:
    """Say how long each chapter took, what failed, and where the book is."""
    path = _build_folder(app) / "chapters.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    chapters, tracebacks = {}, {}
    for document, data in sorted(getattr(app.env, "nb_metadata", {}).items()):
        run = data.get("exec_data")
        if not run:
            continue
        known = {d: chapter["peak_mb"] for d, chapter in before.items()} | app.peak_memory
        chapters[document] = {
            "seconds": run["runtime"],
            "peak_mb": known.get(document),
            "succeeded": run["succeeded"],
        }
        if not run["succeeded"]:
            tracebacks[document] = run["traceback"]
    path.write_text(json.dumps(chapters, indent=1))
    if chapters:
        reasons = {document: app.env.metadata[document].get("slow") for document in chapters}
        seconds = {document: chapter["seconds"] for document, chapter in chapters.items()}
        print("\nChapters (a cached one shows the time of the run it keeps):")
        print("\n".join(times_of_chapters(seconds, reasons)))
    for document, traceback in tracebacks.items():
        print(f"\n{document} FAILED:\n{traceback}")
    if exception is None and not app._warncount:
        _unfinished(app).unlink()
        print(f"\nThe book: {Path(app.outdir) / 'index.html'}\n")


def setup(app: Sphinx) -> dict:
    app.peak_memory = {}
    app.add_config_value("cnnbook_sources", "", "env", str)
    app.connect("config-inited", name_the_cache, priority=100)
    app.connect("config-inited", forget_an_unfinished_build)
    app.connect("config-inited", give_kernels_their_own_settings)
    app.connect("env-before-read-docs", run_chapters)
    app.connect("doctree-read", drop_widget_state)
    app.connect("doctree-read", keep_numbers_with_their_signs)
    app.connect("html-page-context", load_what_the_page_uses)
    app.connect("html-page-context", move_pictures_to_files)
    app.connect("html-page-context", name_bibliography_entries)
    for step in (copy_widgets, write_front_page, drop_pages_without_a_source):
        app.connect("build-finished", step, priority=100)
    app.connect("build-finished", report, priority=900)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
