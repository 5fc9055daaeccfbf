"""``longwatch up --foreground``: this process becomes the keeper, for a service manager to watch.

A small child starts what has autostart once the engine answers, and leaves. It goes by the pid of
the keeper, which is ours: an engine of another keeper is none of its business.
"""

from __future__ import annotations

import os
import time

from supervisor.cli import output
from supervisor.cli.exit_codes import describe, say
from supervisor.cli.session import ATTEMPT_EVERY_S, engine_argv, try_connect
from supervisor.config.paths import Project
from supervisor.control.greeting import hello_params
from supervisor.control.messages import ConnectionLostError
from supervisor.control.sync_client import SyncClient
from supervisor.errors import HeldElsewhereError, LongwatchError

AUTOSTART_TIMEOUT_S = 60.0
"""Longer than a person would wait: at boot everything starts at once."""


def keep_here(project: Project, *, has_autostart: bool, as_json: bool) -> int:
    """Become the keeper; returns only by an error. HeldElsewhereError when there is one."""
    from supervisor.process.daemon import become_keeper, is_held, living_holder

    if is_held(project.keeper_lock):
        holder = living_holder(project.keeper_lock)
        pid = f" (pid {holder.pid})" if holder else ""
        raise HeldElsewhereError(
            f"a keeper{pid} runs for {project.directory} already",
            why="it was started in the background, or by another service",
            fix="End it first, its agents go on: longwatch down",
        )
    project.ensure()
    if as_json:
        output.json_line({"keeper_pid": os.getpid(), "directory": str(project.directory)})
    else:
        output.line(
            f"keeper, pid {os.getpid()}; Ctrl-C or SIGTERM ends it and the agents go on. "
            f"What it says: {project.keeper_log}"
        )
    if has_autostart:
        _start_later(project)
    become_keeper(project.state_dir, project.directory, engine_argv(project))


def _start_later(project: Project) -> None:
    """Fork off what starts the agents; it inherits nothing but standard output and error."""
    keeper_pid = os.getpid()
    if os.fork() != 0:
        return
    status = 1
    try:
        os.setsid()
        status = _start_agents(project, keeper_pid)
    except LongwatchError as error:
        say(describe(error))
    finally:
        # Not sys.exit: this is a copy of a process that goes on as something else.
        os._exit(status)


def _start_agents(project: Project, keeper_pid: int) -> int:
    from supervisor.cli.engine_cmd import autostart

    end = time.monotonic() + AUTOSTART_TIMEOUT_S
    while time.monotonic() < end:
        client = try_connect(project)
        if client is not None:
            try:
                if _keeper_of(client) == keeper_pid:
                    for entry in autostart(client):
                        output.line(f"{entry['agent']}: {entry['action']}")
                    return 0
            except (ConnectionLostError, TimeoutError):
                pass  # The engine of before left in this moment.
            finally:
                client.close()
        time.sleep(ATTEMPT_EVERY_S)
    say(
        f"longwatch: no engine answered within {AUTOSTART_TIMEOUT_S:g} s, so nothing was started\n"
        f"  See {project.engine_log} and {project.keeper_log}"
    )
    return 1


def _keeper_of(client: SyncClient) -> int:
    return int(client.call("hello", hello_params("cli"))["engine"]["keeper_pid"])
