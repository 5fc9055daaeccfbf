"""The last lines of a failed attempt's output, for whoever has to decide what to do about it.

Cleaned, bounded, and without secrets: they go into the log, where none may be.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from supervisor.config.paths import Project
from supervisor.core.run import RunState
from supervisor.core.text import safe_text

MAX_LINES = 20
MAX_LINE_CHARACTERS = 240
TAIL_BYTES = 8192
"""Read from the end of a file; 20 lines of an ordinary traceback are 2 kB."""


def last_words(
    project: Project, state: RunState, redacted: Callable[[str], str]
) -> tuple[str, ...]:
    """At most 20 lines: of standard error if this attempt wrote any, else of standard output.

    Empty when there is nothing to read; never raises for what the files are. A few blocking
    reads of 8 kB.
    """
    attempt = state.newest_attempt
    since = attempt.started_at if attempt else 0.0
    for path in (project.err_log(state.id), project.out_log(state.id)):
        text = _tail(path, since)
        if text.strip():
            # As a whole, before it falls into lines and is cut: a key may take several.
            lines = [line.rstrip() for line in redacted(text).splitlines() if line.strip()]
            return tuple(safe_text(line, limit=MAX_LINE_CHARACTERS) for line in lines[-MAX_LINES:])
    return ()


def _tail(path: Path, since: float) -> str:
    """The end of a log that was written to after ``since`` (Unix seconds); else nothing."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        found = os.fstat(fd)
        # A second of tolerance: file systems keep coarser times than the clock gives.
        if found.st_mtime < since - 1.0:
            return ""
        start = max(0, found.st_size - TAIL_BYTES)
        data = os.pread(fd, TAIL_BYTES, start)
    except OSError:
        return ""
    finally:
        os.close(fd)
    if start:
        data = data.partition(b"\n")[2] or data  # The first line is only the end of one.
    return data.decode("utf-8", errors="replace").replace("\0", "")
