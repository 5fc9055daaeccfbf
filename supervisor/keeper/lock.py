"""One keeper for a directory: a lock held for the life of the process, released by the kernel."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time

from supervisor import __version__
from supervisor.keeper.system import start_time

LOCK_TRIES = 10
LOCK_PAUSE_S = 0.02
"""Who only asks whether the lock is held has it for an instant."""


def take_lock(path: str) -> int | None:
    """The descriptor that holds the directory; None, said on standard error, when it is held."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    lock = os.open(path, flags, 0o600)
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            time.sleep(LOCK_PAUSE_S)
    holder = os.read(lock, 1024).decode(errors="replace").strip()
    sys.stderr.write(f"{path} is held by another keeper: {holder}\n")
    os.close(lock)
    return None


def is_lock_free(path: str) -> bool:
    """Whether a lock file is there and nobody holds it. Never blocks."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        os.close(lock)


def write_lock(lock: int, boot: str) -> None:
    """Say in the lock file who holds it."""
    content = {
        "pid": os.getpid(),
        "boot": boot,
        "started": start_time(os.getpid()),
        "version": __version__,
    }
    os.ftruncate(lock, 0)
    os.pwrite(lock, json.dumps(content).encode() + b"\n", 0)
