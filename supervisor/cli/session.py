"""The way from a command to the engine: find it, start it when wanted, end it when asked."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from supervisor import __version__
from supervisor.config.defaults import START_TIMEOUT_S
from supervisor.config.paths import Project
from supervisor.control.messages import ConnectionLostError
from supervisor.control.sync_client import SyncClient
from supervisor.errors import EnvironmentFaultError, NotRunningError

ATTEMPT_EVERY_S = 0.02
LEAVE_TIMEOUT_S = 60.0
"""Longest wait of ``down`` for the keeper to be gone."""
LOG_TAIL_LINES = 12


def connect(project: Project) -> SyncClient:
    """A client of the running engine, greeted; NotRunningError when there is none."""
    client = try_connect(project)
    if client is None:
        raise NotRunningError(
            f"nothing runs for {project.directory}",
            fix="Start it in the background: longwatch up",
        )
    return client


def ensure_engine(project: Project) -> tuple[SyncClient, bool]:
    """A client, and whether keeper and engine had to be started for it.

    EnvironmentFaultError with the end of their logs when they do not come up in time.
    """
    client = try_connect(project)
    if client is not None:
        return client, False
    from supervisor.process.daemon import start_keeper

    project.ensure()
    engine = engine_argv(project)
    start_keeper(project.state_dir, project.directory, engine, sys.executable)
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end:
        client = try_connect(project)
        if client is not None:
            return client, True
        time.sleep(ATTEMPT_EVERY_S)
    raise EnvironmentFaultError(
        f"the engine did not answer within {START_TIMEOUT_S:g} s",
        why=log_tail(project),
        fix=f"See {project.engine_log} and {project.keeper_log}, or run: longwatch doctor",
    )


def engine_argv(project: Project) -> list[str]:
    """How an engine of this directory is started.

    ``-P``: the project directory is the working directory and agents write there; a
    ``signal.py`` in it must not shadow the standard library.
    """
    return [sys.executable, "-P", "-m", "supervisor.engine", str(project.directory)]


def wait_until_gone(project: Project) -> None:
    """Return when no keeper holds the directory; EnvironmentFaultError after a minute."""
    from supervisor.process.daemon import is_held

    end = time.monotonic() + LEAVE_TIMEOUT_S
    while is_held(project.keeper_lock):
        if time.monotonic() > end:
            raise EnvironmentFaultError(
                f"the keeper did not leave within {LEAVE_TIMEOUT_S:g} s",
                fix=f"See {project.keeper_log}",
            )
        time.sleep(ATTEMPT_EVERY_S)


def own_name() -> str:
    """Who answers and stops, in the log: the user and the command line."""
    import getpass

    try:
        return f"{getpass.getuser()} (cli)"
    except (OSError, KeyError):
        return "cli"


def try_connect(project: Project) -> SyncClient | None:
    """A greeted client, or None when no engine answers now."""
    path = project.read_socket_path()
    if path is None:
        return None
    try:
        client = SyncClient.connect(path)
        client.call("hello", {"client": "cli", "version": __version__, "protocol": 1})
    except (NotRunningError, ConnectionLostError, TimeoutError):
        return None
    return client


def log_tail(project: Project) -> str:
    """The last lines of what keeper and engine said, for an error."""
    lines: list[str] = []
    for log in (project.keeper_log, project.engine_log):
        lines += [f"{log.name}: {line}" for line in _last_lines(log)]
    return "\n".join(lines) or "Their logs are empty"


def _last_lines(log: Path) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    except OSError:
        return []


def snapshot(client: SyncClient) -> dict[str, Any]:
    """The engine's snapshot."""
    result: dict[str, Any] = client.call("snapshot", {})
    return result
