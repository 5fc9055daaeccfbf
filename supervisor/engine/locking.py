"""One engine for a directory: a lock held for the life of the process, released by the kernel."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from supervisor import __version__
from supervisor.config.paths import Project
from supervisor.errors import HeldElsewhereError
from supervisor.process.identity import moment_now, own_start_time


@contextmanager
def hold_engine_lock(project: Project) -> Iterator[None]:
    """Hold ``engine.lock`` with who we are in it; HeldElsewhereError when another has it."""
    descriptor = os.open(project.engine_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HeldElsewhereError(
                f"another engine holds {project.directory}",
                fix="Talk to that one: longwatch status",
            ) from None
        content = {
            "pid": os.getpid(),
            "boot": moment_now().boot,
            "started": own_start_time(),
            "version": __version__,
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(content).encode(), 0)
        yield
    finally:
        os.close(descriptor)
