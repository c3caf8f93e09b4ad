"""After the build: what it took, what failed, where the book is; and a mark where it is unfinished.

How long each chapter took (one that is slow says why in its front matter, ``slow: why``) and how
long all took, and the traceback of a failed cell; times and peak memory also as
``_build/chapters.json``. A build that was broken off or had warnings leaves a mark, so that the
next one reads every page again and warns again, where Sphinx would call the pages up to date.
"""

import json
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config


def forget_an_unfinished_build(app: Sphinx, config: Config) -> None:
    """Let Sphinx read every page again if the last build did not end without a warning."""
    mark = _unfinished(app)
    if mark.exists():
        (Path(app.doctreedir) / "environment.pickle").unlink(missing_ok=True)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


def _unfinished(app: Sphinx) -> Path:
    return Path(app.doctreedir) / "unfinished"


# Seconds on two quiet cores. A busy machine needs more, so nothing fails by them: they are read.
ENOUGH_FOR_A_CHAPTER = 30
ENOUGH_FOR_ALL = 640


def list_times(seconds: dict[str, float], reasons: dict[str, str | None]) -> list[str]:
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
    path = Path(app.outdir).parent / "chapters.json"
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
        print("\n".join(list_times(seconds, reasons)))
    for document, traceback in tracebacks.items():
        print(f"\n{document} FAILED:\n{traceback}")
    if exception is None and not app._warncount:
        _unfinished(app).unlink()
        print(f"\nThe book: {Path(app.outdir) / 'index.html'}\n")


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", forget_an_unfinished_build)
    app.connect("build-finished", report, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
