"""Who has a lock file open: named to the operator, never signalled from here."""

from __future__ import annotations

import os
from pathlib import Path

from supervisor.core.text import safe_text

PROC = Path("/proc")


def lock_holders(path: str) -> list[tuple[int, str]]:
    """(pid, name) of our processes with ``path`` open, ourselves left out; empty without /proc.

    Blocks: some microseconds for each open file of our user.
    """
    try:
        wanted = Path(path).stat()
        pids = sorted(int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    except OSError:
        return []
    own = os.getpid()
    return [
        (pid, _name(pid))
        for pid in pids
        if pid != own and _has_open(pid, (wanted.st_dev, wanted.st_ino))
    ]


def _has_open(pid: int, wanted: tuple[int, int]) -> bool:
    try:
        for descriptor in (PROC / str(pid) / "fd").iterdir():
            found = descriptor.stat()
            if (found.st_dev, found.st_ino) == wanted:
                return True
    except OSError:
        pass  # Gone meanwhile, or another user's.
    return False


def _name(pid: int) -> str:
    try:
        text = (PROC / str(pid) / "comm").read_text(errors="replace")
    except OSError:
        return "gone"
    return safe_text(text.strip(), limit=40)
