"""The engine's end of the control socket: accepts clients, runs calls, broadcasts notices.

Owns the listening socket and the set of clients. What a method means is registered by the engine.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path

from supervisor.control.connection import HALF_LINE_S, Connection, Handler
from supervisor.control.listening import listen
from supervisor.errors import LongwatchError

MAX_CLIENTS = 256
"""Clients at a time: a terminal each for a large team, and far below any descriptor limit."""

OnFailure = Callable[[str, Exception], None]
"""Called with the method when a handler raised what is no error of ours: a bug to be logged."""


class Server:
    """Listens from ``start`` to ``close``."""

    def __init__(
        self,
        path: Path,
        *,
        on_failure: OnFailure | None = None,
        max_clients: int = MAX_CLIENTS,
        half_line_s: float = HALF_LINE_S,
    ) -> None:
        self.handlers: dict[str, Handler] = {}
        self.connections: set[Connection] = set()
        self.subscribers: set[Connection] = set()
        self.uid = os.getuid()
        """Only clients of this uid are served."""
        self.max_clients = max_clients
        self.half_line_s = half_line_s
        self._path = path
        self._on_failure = on_failure
        self._calls: set[asyncio.Task[None]] = set()
        """Calls in work; they outlive their client, not the server."""
        self._listener: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._inode = 0

    def register(self, method: str, handler: Handler) -> None:
        """Serve ``method`` by ``async handler(connection, params) -> result``."""
        assert method not in self.handlers, f"{method} is registered twice"
        self.handlers[method] = handler

    async def start(self) -> None:
        """Bind and serve; raises what ``listening.listen`` raises. The engine's lock is held."""
        self._listener = listen(self._path)
        self._inode = self._path.lstat().st_ino
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            lambda: Connection(self), sock=self._listener, backlog=128
        )

    def broadcast(self, line: bytes) -> None:
        """Send a notice, encoded once (``messages.notice_line``), to every subscriber, in order."""
        for connection in tuple(self.subscribers):
            connection.notify(line)

    def handler_failed(self, method: str, error: Exception) -> None:
        """A handler raised ``error``; a refusal is an answer, anything else is reported."""
        if self._on_failure is not None and not isinstance(error, LongwatchError):
            self._on_failure(method, error)

    def own(self, call: asyncio.Task[None]) -> None:
        """Keep a call in work until it ends."""
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def close(self, grace_s: float = 1.0) -> None:
        """Stop listening, let calls in work reply, close every client, remove the socket.

        Calls that take longer than ``grace_s`` seconds are cancelled. May be called twice; not
        from within a handler.
        """
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        if self._calls:
            _done, late = await asyncio.wait(self._calls, timeout=grace_s)
            for call in late:
                call.cancel()
        for connection in tuple(self.connections):
            connection.close()
        try:
            if self._path.lstat().st_ino == self._inode:  # Never the socket of a successor.
                self._path.unlink()
        except FileNotFoundError:
            pass
