"""``longwatch dial``: joins standard input and output to the control socket of a directory.

The far end of ``longwatch --host``; ssh starts it. First one line says who is there, or why
nobody is, then the bytes of the socket go through as they are. It must print nothing else.
"""

from __future__ import annotations

import argparse
import os
import socket
import threading
import time
from pathlib import Path

from supervisor.cli.session import ensure_engine, try_connect
from supervisor.config.paths import Project
from supervisor.control import locate
from supervisor.control.greeting import greeting_line, refusal_line
from supervisor.errors import LongwatchError, NotRunningError

CHUNK = 65_536
STDIN, STDOUT = 0, 1
CONNECT_TIMEOUT_S = 5.0
LAST_REPLY_S = 2.0
"""After the client is gone: how long a reply may still be under way before we leave."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--no-start", action="store_true", help="join what runs; do not start an engine"
    )


def run(arguments: argparse.Namespace) -> int:
    """Join until one side ends; what goes wrong before is said in the greeting's place."""
    try:
        project = Project.find(_below_home(arguments.directory))
        is_new = _ensure(project, starts=not arguments.no_start)
        connection = locate.connect(locate.find(project), CONNECT_TIMEOUT_S)
    except LongwatchError as error:
        _write(refusal_line(error))
        raise
    _write(greeting_line(str(project.directory), started=is_new))
    connection.settimeout(None)
    with connection:
        threading.Thread(target=_send, args=(connection,), daemon=True).start()
        _receive(connection)
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


def _send(connection: socket.socket) -> None:
    """Standard input to the socket; at its end the engine hears that nothing more comes."""
    try:
        while data := os.read(STDIN, CHUNK):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        # A subscription alone would keep the connection, and us, for ever.
        time.sleep(LAST_REPLY_S)
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # The engine is gone: the other direction ends us.


def _receive(connection: socket.socket) -> None:
    """The socket to standard output, until either ends."""
    try:
        while data := connection.recv(CHUNK):
            _write(data)
    except OSError:
        pass  # The client is gone, or the engine: there is nothing more to carry.


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(STDOUT, view) :]
