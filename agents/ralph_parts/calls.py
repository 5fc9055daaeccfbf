"""Runs one command to its end, its output in files, under a time limit and a size limit.

The command never outlives the loop (``leash``), never sees the run directory of the loop, and
is never given a pipe that somebody would have to drain.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LEASH = Path(__file__).with_name("leash.py")
LOG_LIMIT_BYTES = 64 * 1024 * 1024
"""A call that writes more has lost its way; it is ended before the disk is full."""
LOOK_S = 0.25
ALIVE_S = 1.0
GRACE_S = 5.0
PRIVATE = ("RUN_DIR", "RESUME_FROM", "TASK_FILE", "ATTEMPT", "DEADLINE", "PROTOCOL")
"""Variables of this run that a program inside it must not take for its own. The run's id and
epoch stay: by them the keeper finds everything that belongs to the attempt."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    """Exit status; 128 plus the number for a signal, 127 for a command that is not there."""
    elapsed_s: float
    cut: str | None
    """Why it was ended from here; None when it ended by itself."""


@dataclass(frozen=True, slots=True)
class Call:
    """A command and where its streams go."""

    argv: list[str]
    directory: Path
    out: Path
    err: Path
    stdin: Path | None = None
    limit_s: float | None = None
    """None is no limit."""


def run(call: Call, on_alive: Callable[[], None] = lambda: None) -> Ended:
    """Run ``call`` to its end. ``on_alive`` is called about once a second meanwhile."""
    started = time.monotonic()
    theirs, ours = os.pipe()
    try:
        process = _start(call, theirs)
    finally:
        os.close(theirs)
    cut = None
    try:
        cut = _wait(process, call, started, on_alive)
    finally:
        os.close(ours)  # the leash ends what still lives of the command
        _end(process)
    code = process.returncode
    return Ended(code if code >= 0 else 128 - code, round(time.monotonic() - started, 3), cut)


def _start(call: Call, leash_end: int) -> subprocess.Popen[bytes]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {f"LONGWATCH_{suffix}" for suffix in PRIVATE}
    }
    fds = [3] if _is_open(3) and "LONGWATCH_RUN_DIR" in os.environ else []
    stdin = call.stdin or Path(os.devnull)
    with call.out.open("ab") as out, call.err.open("ab") as err, stdin.open("rb") as source:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(LEASH), str(leash_end), *call.argv],
            cwd=call.directory,
            env=environment,
            stdin=source,
            stdout=out,
            stderr=err,
            pass_fds=[leash_end, *fds],
        )


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _wait(
    process: subprocess.Popen[bytes], call: Call, started: float, on_alive: Callable[[], None]
) -> str | None:
    said_at = started
    # The end is an event where the system has one, so that hours of waiting cost nothing.
    pidfd = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else None
    try:
        while True:
            now = time.monotonic()
            left_s = LOOK_S if call.limit_s is None else started + call.limit_s - now
            if _has_ended(process, pidfd, max(0.0, min(LOOK_S, left_s))):
                return None
            why = _why_to_end(call, time.monotonic() - started)
            if why is not None:
                return why
            if now - said_at >= ALIVE_S:
                said_at = now
                on_alive()
    finally:
        if pidfd is not None:
            os.close(pidfd)


def _has_ended(process: subprocess.Popen[bytes], pidfd: int | None, within_s: float) -> bool:
    if pidfd is not None:
        return bool(select.select([pidfd], [], [], within_s)[0])
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _why_to_end(call: Call, elapsed_s: float) -> str | None:
    if call.limit_s is not None and elapsed_s >= call.limit_s:
        return f"ended after its limit of {call.limit_s:g} s"
    if max(size_of(call.out), size_of(call.err)) > LOG_LIMIT_BYTES:
        return f"ended: it wrote more than {LOG_LIMIT_BYTES // 1024 // 1024} MiB"
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def size_of(path: Path) -> int:
    """Bytes in ``path``; 0 when it is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
