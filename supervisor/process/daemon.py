"""Starts a keeper in the background or in our place, and tells whether one holds a directory.

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
from typing import NoReturn

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


WATCHED = "LONGWATCH_WATCHED"
"""In the environment of a keeper that stays in the foreground, and so of its engines: whoever
started it starts it again. Two that do would meet, and the service would find its place taken."""


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
    try:
        with os.fdopen(_open_log(state_dir), "ab") as file:
            process = subprocess.Popen(
                _keeper_argv(state_dir, engine_argv, python),
                cwd=project_dir,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
    except OSError as error:
        raise _not_started(error, state_dir, python) from error
    pid = process.pid
    # It is to outlive us: subprocess must neither wait for it nor warn about it.
    process.returncode = 0
    return pid


def replace_keeper(state_dir: Path, project_dir: Path, engine_argv: Sequence[str]) -> None:
    """For an engine whose keeper died: start the next one, unless somebody watches over it."""
    if WATCHED in os.environ:
        sys.stderr.write("longwatch engine: who started the keeper has to start it again\n")
        return
    start_keeper(state_dir, project_dir, engine_argv)


def become_keeper(
    state_dir: Path, project_dir: Path, engine_argv: Sequence[str], python: str = sys.executable
) -> NoReturn:
    """Go on as the keeper, in this very process: what a service manager watches is the keeper.

    What it says goes to keeper.log as ever. Raises EnvironmentFaultError when that cannot be.
    """
    try:
        log = _open_log(state_dir)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        os.chdir(project_dir)
        for descriptor, number in ((null, 0), (log, 1), (log, 2)):
            os.dup2(descriptor, number)
        argv = _keeper_argv(state_dir, engine_argv, python)
        os.execve(python, argv, {**_environment(), WATCHED: "1"})  # noqa: S606 - our own program, no shell
    except OSError as error:
        raise _not_started(error, state_dir, python) from error


def _keeper_argv(state_dir: Path, engine_argv: Sequence[str], python: str) -> list[str]:
    return [python, "-I", "-S", "-E", str(KEEPER_DIR), str(state_dir), *engine_argv]


def _environment() -> dict[str, str]:
    left = ATTEMPT_VARIABLES | {WATCHED}
    return {name: value for name, value in os.environ.items() if name not in left}


def _open_log(state_dir: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(state_dir / "keeper.log", flags, 0o600)


def _not_started(error: OSError, state_dir: Path, python: str) -> EnvironmentFaultError:
    return EnvironmentFaultError(
        f"the keeper could not be started: {error}",
        fix=f"Check the permissions of {state_dir} and the Python at {python}.",
    )


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
