"""``longwatch dial``: joins standard input and output to the control socket of a directory.

The far end of ``longwatch --host``; ssh starts it. First one line says who is there, or why
nobody is, then the bytes of the socket go through as they are. It must print nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
from pathlib import Path

from supervisor.cli.session import ensure_engine, try_connect
from supervisor.config.paths import Project
from supervisor.control import joining, locate
from supervisor.control.greeting import greeting_line, refusal_line
from supervisor.errors import LongwatchError, NotRunningError, UserError

CONNECT_TIMEOUT_S = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--no-start", action="store_true", help="join what runs; do not start an engine"
    )
    parser.add_argument(
        "--through", metavar="NAME", help="to that machine of the fleet, over its servers"
    )


def run(arguments: argparse.Namespace) -> int:
    """Join until one side ends; what goes wrong before is said in the greeting's place."""
    try:
        project = Project.find(_below_home(arguments.directory))
        if arguments.through:
            return _through(project, arguments.through)
        is_new = _ensure(project, starts=not arguments.no_start)
        connection = locate.connect(locate.find(project), CONNECT_TIMEOUT_S)
    except LongwatchError as error:
        joining.write(refusal_line(error))
        raise
    joining.write(greeting_line(str(project.directory), started=is_new))
    with connection:
        joining.join(connection)
    return 0


def _through(project: Project, name: str) -> int:
    """Standard input, which is a socket of whoever started this, to the engine of ``name``."""
    from supervisor.config.load import load_config
    from supervisor.fleet.settings import nats_settings
    from supervisor.fleet.visit import visit

    table = load_config(project).fleet
    if table is None:
        raise UserError("there is no [fleet] in config.toml", where=str(project.config_file))
    try:
        connection = socket.socket(fileno=os.dup(0))
    except OSError as error:
        raise UserError("--through is for longwatch itself: use --host fleet:NAME") from error
    if table.engine == "temporal":
        from supervisor.fleet.settings import temporal_settings
        from supervisor.fleet.temporal_connection import require_library

        require_library()
        from supervisor.fleet import temporal_visit

        asyncio.run(temporal_visit.visit(temporal_settings(project, table), name, connection))
    else:
        asyncio.run(visit(nats_settings(project, table), name, connection))
    return 0


def _below_home(directory: Path | None) -> Path | None:
    """A path as people write it for another machine: ``~`` is the home here."""
    return None if directory is None else directory.expanduser()


def _ensure(project: Project, *, starts: bool) -> bool:
    """Whether an engine had to be started; NotRunningError when none runs and none may start."""
    if not starts:
        client = try_connect(project)
        if client is None:
            raise NotRunningError(
                f"nothing runs for {project.directory}", fix="Start it: longwatch up, or longwatch"
            )
        client.close()
        return False
    from supervisor.cli.engine_cmd import autostart

    client, is_new = ensure_engine(project)
    with client:
        if is_new:
            autostart(client)
    return is_new
