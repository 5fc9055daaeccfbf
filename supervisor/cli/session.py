"""The way from a command to the engine: find it, start it when wanted, end it when asked."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from supervisor.cli.exit_codes import say
from supervisor.config.defaults import START_TIMEOUT_S
from supervisor.config.paths import Project
from supervisor.control.greeting import difference, hello_params, is_other_protocol
from supervisor.control.host import RemoteHost
from supervisor.control.messages import PROTOCOL, CallRefusedError, ConnectionLostError
from supervisor.control.sync_client import SyncClient
from supervisor.errors import EnvironmentFaultError, NotRunningError

ATTEMPT_EVERY_S = 0.02
LEAVE_TIMEOUT_S = 60.0
"""Longest wait of ``down`` for the keeper to be gone."""
LOG_TAIL_LINES = 12

Place = Project | RemoteHost
"""Where a command acts: a directory here, or one on another machine."""


def connect(place: Place) -> SyncClient:
    """A client of the running engine, greeted; NotRunningError when there is none."""
    if isinstance(place, RemoteHost):
        return _dial(place, starts_engine=False)[0]
    project, client = place, try_connect(place)
    if client is None:
        raise NotRunningError(
            f"nothing runs for {project.directory}",
            fix="Start it in the background: longwatch up",
        )
    return client


def ensure_engine(place: Place) -> tuple[SyncClient, bool]:
    """A client, and whether keeper and engine had to be started for it.

    EnvironmentFaultError with the end of their logs when they do not come up in time.
    """
    if isinstance(place, RemoteHost):
        return _dial(place, starts_engine=True)
    project, client = place, try_connect(place)
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


def program_of(place: Place) -> str:
    """The command that a person types to reach the engine of ``place``."""
    return place.program if isinstance(place, RemoteHost) else "longwatch"


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
        _greet(client)
    except (NotRunningError, ConnectionLostError, TimeoutError):
        return None
    return client


def _dial(host: RemoteHost, *, starts_engine: bool) -> tuple[SyncClient, bool]:
    """A greeted client of the engine there, and whether it had to be started."""
    from supervisor.cli.output import is_dialogue
    from supervisor.control.dialing import dial

    dialled = dial(host, starts_engine=starts_engine, may_ask=is_dialogue())
    client = SyncClient(dialled.connection, dialled.why_ended)
    _greet(client, host.name)
    return client, dialled.greeting.started


def _greet(client: SyncClient, host: str = "") -> None:
    """Say hello; an engine of another version is named, one of another protocol only looked at."""
    try:
        engine = client.call("hello", hello_params("cli"))["engine"]
    except CallRefusedError as error:
        if not is_other_protocol(error):
            raise
        engine = client.call("hello", hello_params("cli", read_only=True))["engine"]
    is_other = engine.get("protocol", PROTOCOL) != PROTOCOL
    if (told := difference(engine, host or "the engine")) and (host or is_other):
        say(f"longwatch: {told}")


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
