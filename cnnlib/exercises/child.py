"""Runs a student's code in a process of its own, with limits on time, memory and printing.

The process is a copy of this one, where the function of a notebook's kernel lives, or a fresh one,
for a grader. Either way plain values come back, and they are judged here.
"""

import faulthandler
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from cnnlib.exercises.agreement import Raised, Result, Run
from cnnlib.exercises.child_side import IMPORTING, run_calls
from cnnlib.exercises.record import Record

MEMORY = 1 << 30  # bytes that a run may take beside what was in use when it began
MOST_PRINTED = 10_000  # characters that are kept
MOST_ANSWERED = 1 << 26  # bytes
STARTING = 60.0  # seconds that Python and torch may take to start, on the slowest machine
PATIENCE = 4  # for an answer that waits or is kept waiting: times its seconds of computing
BEFORE, BEHIND = (json.dumps(said).encode() for said in IMPORTING)
PROCESSES = 64  # that an answer that is locked in may have at a time, threads among them


class CouldNotRun(RuntimeError):
    """The process that should have run an answer did not begin to; no answer is to blame."""


def run_function(record: Record, function: Callable[..., Any], calls: Sequence[str]) -> Run:
    """Evaluate ``calls`` with ``function`` under the exercise's name, in a copy of this process.

    Where a process cannot be copied (Windows), it runs in this one, without limits.
    """
    return _run_copied(_task(record, calls), function)


def run_program(record: Record, program: str, calls: Sequence[str]) -> Run:
    """Run a program, then evaluate ``calls`` in it, in a copy of this process."""
    return _run_copied(_task(record, calls) | {"cells": [program]})


def run_apart(
    record: Record, cells: Sequence[str], calls: Sequence[str], within: Sequence[str] = ()
) -> Run:
    """Run a notebook's cells, then evaluate ``calls``, in a new Python: a grader's way.

    It holds nothing of this process's memory or environment, and so not what is expected.
    ``within`` is the beginning of a command that locks in the command behind it, as bubblewrap
    does; then it may have few processes (Linux counts them apart in there, but none of root's).

    Raises:
        CouldNotRun: if the new Python did not start, or the exercise's own setup failed.
    """
    task = _task(record, calls) | {"cells": list(cells)}
    return _run_fresh(task | {"processes": PROCESSES if within else 0}, within)


def _task(record: Record, calls: Sequence[str]) -> dict[str, Any]:
    return {
        "setup": record.setup, "name": record.name, "calls": list(calls),
        "seconds": record.seconds, "memory": MEMORY,
    }  # fmt: skip


def _run_copied(task: dict[str, Any], function: Callable[..., Any] | None = None) -> Run:
    if not hasattr(os, "fork"):
        lines: list[str] = []
        run_calls(task | {"memory": 0, "seconds": 0}, lines.append, function)
        return _collect(lines, "", "")
    answers, tell = os.pipe()
    printed, show = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            _keep_only(tell, show)
            sys.stdout = open(1, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
            sys.stderr = sys.stdout
            run_calls(task, lambda line: os.write(tell, line.encode() + b"\n"), function)
        finally:
            os._exit(0)
    os.close(tell)
    os.close(show)
    return _follow(child, answers, printed, PATIENCE * task["seconds"])


def _keep_only(tell: int, show: int) -> None:
    """In a copy: no input, all output to ``show``, and none of the files and sockets of before."""
    faulthandler.disable()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(show, 1)
    os.dup2(show, 2)
    os.closerange(3, tell)
    os.closerange(tell + 1, os.sysconf("SC_OPEN_MAX"))


def _run_fresh(task: dict[str, Any], within: Sequence[str]) -> Run:
    answers, tell = os.pipe()
    start = "from cnnlib.exercises.child_side import main; main()"
    child = subprocess.Popen(
        [*within, sys.executable, "-s", "-B", "-c", start, str(tell)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[tell],
        start_new_session=True,
        env={"PATH": os.defpath, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    os.close(tell)
    try:
        child.stdin.write(json.dumps(task).encode())
        child.stdin.close()
    except BrokenPipeError:
        pass  # it ended before it read: what came says so
    printed = os.dup(child.stdout.fileno())
    child.stdout.close()
    run = _follow(child.pid, answers, printed, PATIENCE * task["seconds"])
    child.returncode = 0  # _follow has waited for it
    return run


def _follow(child: int, answers: int, printed: int, seconds: float) -> Run:
    """Read what a child says until it ends, or end it: with all that it has started.

    It may take ``seconds`` on the wall, and STARTING more for all that it imports.
    """
    texts = {answers: bytearray(), printed: bytearray()}
    deadline = time.monotonic() + STARTING
    room, left, since = STARTING, 0.0, None  # since when it imports, and what is left behind that
    started = False
    ended = ""
    with selectors.DefaultSelector() as selector:
        for source in texts:
            selector.register(source, selectors.EVENT_READ)
        while answers in selector.get_map():  # until the child has said all
            for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
                piece = os.read(key.fd, 1 << 16)
                if not piece:
                    selector.unregister(key.fd)
                elif key.fd == answers or len(texts[printed]) < 4 * MOST_PRINTED:
                    texts[key.fd] += piece
            now = time.monotonic()
            if texts[answers] and not started:
                started, deadline = True, now + seconds
            newest = texts[answers][-(1 << 17) :]
            before, behind = newest.rfind(BEFORE), newest.rfind(BEHIND)
            if since is None and before > behind:
                since, left, deadline = now, deadline - now, now + room
            elif since is not None and behind > before:
                since, room, deadline = None, room - (now - since), now + left
            if len(texts[answers]) > MOST_ANSWERED:
                ended = "memory"
                break
            if b'\n{"ended"' in texts[answers][-1000:]:
                break  # what the program has left running may hold the pipe open
            if now >= deadline and answers in selector.get_map():
                ended = "time"
                break
    _end(child)
    os.set_blocking(printed, False)
    try:
        while len(texts[printed]) < 4 * MOST_PRINTED and (piece := os.read(printed, 1 << 16)):
            texts[printed] += piece
    except BlockingIOError:
        pass  # somebody else holds the pipe, and it is empty
    for source in texts:
        os.close(source)
    lines = texts[answers].decode(errors="replace").splitlines()
    return _collect(lines, texts[printed].decode(errors="replace"), ended)


def _end(child: int) -> None:
    try:
        os.killpg(child, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # it has ended, with all its own
    os.waitpid(child, 0)


def _collect(lines: Sequence[str], printed: str, ended: str) -> Run:
    results, raised = [], None
    whole = False
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            break  # cut off while it was written
        if "started" in said or "importing" in said:
            continue
        if "ended" in said:
            whole, ended = True, said["ended"]
            raised = _raised(said.get("raised"))
        else:
            results.append(
                Result(said.get("value"), said.get("shown"), _raised(said.get("raised")))
            )
    if not any('"started"' in line for line in lines[:1]):
        raise CouldNotRun(
            f"{ended or 'died'} before the answer ran: {raised or ''}\n{printed[-2000:]}"
        )
    if len(printed) > MOST_PRINTED:
        printed = printed[:MOST_PRINTED] + "\n… and more"
    return Run(tuple(results), printed, ended if whole or ended else "died", raised)


def _raised(said: dict[str, Any] | None) -> Raised | None:
    if said is None:
        return None
    return Raised(said["type"], said["message"], tuple((n, text) for n, text in said["lines"]))
