"""The student's side of a run: evaluates the calls and writes what they give, a line of JSON each.

:func:`main` is a fresh process's: it takes the task from standard input and writes its answers to
the pipe whose number is its argument.
"""

import builtins
import json
import linecache
import os
import signal
import sys
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cnnlib.exercises.plain import NotPlain, plain

PROGRAM = "<your program"
IMPORTING = [{"importing": True}, {"importing": False}]  # said before an import and behind it
HERE = Path(__file__).parent


def run_calls(
    task: dict[str, Any],
    say: Callable[[str], Any],
    function: Callable[..., Any] | None = None,
) -> None:
    """Run ``task["setup"]``, then the student's cells, then evaluate each of the task's calls.

    Without a ``function`` the cells define it. As in a notebook, a cell that fails does not keep
    the next from running; it counts where the function is missing at the end.

    Each answer is said as {"value": plain} or {"shown": text} or {"raised": {type, message,
    lines}}. First comes {"started": true}, at the end {"ended": why}, "" where all calls have an
    answer. Around a first import, which may be slow, stand {"importing": true} and false.
    """
    if task["memory"]:  # else this is no process of our own
        _limit(task["memory"], task.get("processes", 0))
        _one_thread()
    space: dict[str, Any] = {"__name__": "exercise"}
    answer, flush, dumps = _answer, _flush, json.dumps  # the program may change our module
    failed = None
    try:
        exec(task["setup"], space)
        if task["seconds"]:
            _limit_computing(task["seconds"], lambda said: say(dumps(said)))
        say(dumps({"started": True}))
        if function is not None:
            space[task["name"]] = function
        for place, cell in enumerate(task.get("cells", ())):
            failed = _run_cell(cell, f"<your program {place + 1}>", space) or failed
    except BaseException as error:  # of the setup
        failed = {"ended": _kind(error), "raised": _raised(error)}
    alone = len(task.get("cells", ())) == 1  # then it is a program: what fails it has failed
    if failed and (alone or failed["ended"] == "memory" or task["name"] not in space):
        say(dumps(failed))
        return
    if not callable(space.get(task["name"])):
        say(dumps({"ended": "missing"}))
        return
    for call in task["calls"]:
        said = answer(call, space)
        flush()
        say(dumps(said))
        if said.get("ended"):
            return
    say(dumps({"ended": ""}))


def _run_cell(cell: str, name: str, space: dict[str, Any]) -> dict[str, Any] | None:
    """Why a cell failed, or None."""
    linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
    try:
        exec(compile(cell, name, "exec"), space)
    except SyntaxError as error:
        said = _raised(error)
        if error.filename != name:
            return {"ended": "raised", "raised": said}
        said["lines"] = [[error.lineno or 0, (error.text or "").strip()]]
        return {"ended": "syntax", "raised": said}
    except BaseException as error:  # whatever a program may raise, SystemExit too
        return {"ended": _kind(error), "raised": _raised(error)}
    return None


def _answer(call: str, space: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"value": plain(eval(call, dict(space)))}
    except NotPlain as error:
        return {"shown": str(error)}
    except BaseException as error:
        if _kind(error) == "memory":
            return {"ended": "memory"}
        return {"raised": _raised(error)}


def _flush() -> None:
    """Show what the program has printed, which may be ended any moment."""
    try:
        sys.stdout.flush()
    except BaseException:
        pass  # it has put something of its own in the place of stdout


def _kind(error: BaseException) -> str:
    out_of_memory = isinstance(error, MemoryError) or "can't allocate memory" in str(error)
    return "memory" if out_of_memory else "raised"


def _raised(error: BaseException) -> dict[str, Any]:
    """An exception as the student should see it: the lines of the own program, none of ours."""
    try:
        message = str(error)
    except BaseException:
        message = ""
    lines = [
        [frame.lineno, (frame.line or "").strip()]
        for frame in traceback.extract_tb(error.__traceback__)
        if _is_students(frame.filename)
    ]
    return {"type": type(error).__name__, "message": message[:500], "lines": lines[-5:]}


def _is_students(filename: str) -> bool:
    if filename.startswith("<"):
        return filename.startswith((PROGRAM, "<ipython-input"))
    ours = [str(HERE), *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))]
    return not any(filename.startswith(folder) for folder in ours)


def _limit(room: int, processes: int) -> None:
    """At most ``room`` bytes more than now in memory, and in a file, where there are limits; and
    at most so many processes, if not 0."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * os.sysconf("SC_PAGE_SIZE") + room
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if processes:
            resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    except (ImportError, OSError, ValueError):
        pass  # no such limit here: the limit on time still holds


def _limit_computing(seconds: float, say: Callable[[dict[str, Any]], Any]) -> None:
    """Say so and end after so many seconds of this process on a core, from now on.

    What it imports for the first time is not counted: torch alone may take longer than an answer
    has. The clock on the wall is the parent's: it ends what waits, or does not heed the signal.
    """
    real, within = builtins.__import__, False
    setitimer, clock = signal.setitimer, signal.ITIMER_PROF

    def end(*_) -> None:
        _flush()
        say({"ended": "time"})
        os._exit(0)

    def unhurried(name, globals=None, locals=None, fromlist=(), level=0):
        nonlocal within
        if within or level or name in sys.modules:
            return real(name, globals, locals, fromlist, level)
        within, (left, _) = True, setitimer(clock, 0)
        say(IMPORTING[0])
        try:
            return real(name, globals, locals, fromlist, level)
        finally:
            say(IMPORTING[1])
            within = False
            setitimer(clock, max(left, 0.001))

    signal.signal(signal.SIGPROF, end)
    setitimer(clock, seconds)
    builtins.__import__ = unhurried


def _one_thread() -> None:
    """A copied process has lost the threads of torch's pool, and would wait for them."""
    os.environ["OMP_NUM_THREADS"] = "1"  # where torch comes later
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def main() -> None:
    pipe, task = int(sys.argv[1]), json.loads(sys.stdin.buffer.read())
    run_calls(task, lambda line: os.write(pipe, line.encode() + b"\n"))
    _flush()
    os._exit(0)  # whatever the program has left running
