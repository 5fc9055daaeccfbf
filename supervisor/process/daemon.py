"""Starts a keeper in the background, and tells whether one (or an engine) holds a directory.

The lock decides, never the pid in the file: a pid can be somebody else's by now.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from supervisor.errors import EnvironmentFaultError

KEEPER_DIR = Path(__file__).resolve().parent.parent / "keeper"
MAX_LOCK_BYTES = 4096
ATTEMPT_VARIABLES = frozenset(
    f"LONGWATCH_{name}"
    for name in (
        "RUN_DIR", "RUN_ID", "AGENT", "EPOCH", "ATTEMPT", "DEADLINE", "TASK_FILE",
        "RESUME_FROM", "PROTOCOL", "KEEPER_FD",
    )
)  # fmt: skip
"""Started from within an agent, a new keeper is no part of that agent's attempt."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who wrote a lock file. Only meaningful while the lock is held."""

    pid: int
    boot: str
    started: int
    version: str


def start_keeper(
    state_dir: Path, project_dir: Path, engine_argv: Sequence[str], python: str = sys.executable
) -> int:
    """Start a keeper detached from us and our terminal; its pid. Does not wait until it is up.

    When another one holds the directory, the new one says so in keeper.log and ends with 3.
    Raises EnvironmentFaultError when it cannot be started.
    """
    log = state_dir / "keeper.log"
    argv = [python, "-I", "-S", "-E", str(KEEPER_DIR), str(state_dir), *engine_argv]
    env = {name: value for name, value in os.environ.items() if name not in ATTEMPT_VARIABLES}
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(log, flags, 0o600), "ab") as file:
            process = subprocess.Popen(
                argv,
                cwd=project_dir,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
    except OSError as error:
        raise EnvironmentFaultError(
            f"the keeper could not be started: {error}",
            fix=f"Check the permissions of {state_dir} and the Python at {python}.",
        ) from error
    pid = process.pid
    # It is to outlive us: subprocess must neither wait for it nor warn about it.
    process.returncode = 0
    return pid


def is_held(lock: Path) -> bool:
    """Whether somebody holds ``lock``. Never blocks; takes it for no longer than the question."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # A shared lock: two who ask at the same time do not see each other.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def read_holder(lock: Path) -> Holder | None:
    """Who wrote ``lock`` last; None when the file is missing or makes no sense (yet)."""
    try:
        with lock.open("rb") as file:
            content = json.loads(file.read(MAX_LOCK_BYTES))
        return Holder(
            int(content["pid"]),
            str(content["boot"]),
            int(content["started"]),
            str(content["version"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def living_holder(lock: Path) -> Holder | None:
    """Who holds ``lock`` now; None when nobody does, or who does has not written it yet."""
    return read_holder(lock) if is_held(lock) else None
