"""A client of the control socket for commands that ask once and end.

Blocking, one call at a time, no asyncio: ``longwatch status`` has a quarter of a second.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from supervisor.control import locate
from supervisor.control.frames import CHUNK, ENGINE_LIMIT, FrameError, FrameReader, decode
from supervisor.control.messages import (
    CallTimeoutError,
    ConnectionLostError,
    call_line,
    error_from,
)

CONNECT_TIMEOUT_S = 5.0
CALL_TIMEOUT_S = 30.0
"""Default wait for a reply."""


class SyncClient:
    """A connection from ``connect`` to ``close``; not for use by two threads."""

    def __init__(
        self, connection: socket.socket, why_ended: Callable[[], str] = lambda: ""
    ) -> None:
        """Speak over a connected stream socket, which is ours from now on.

        ``why_ended`` tells in a line why the other end is gone, where something knows.
        """
        self._socket = connection
        self._why_ended = why_ended
        self._frames = FrameReader(ENGINE_LIMIT)
        self._next_id = 0
        self._arrived: deque[dict[str, Any]] = deque()
        self._notices: deque[tuple[str, dict[str, Any]]] = deque()

    @classmethod
    def connect(cls, path: Path, timeout_s: float = CONNECT_TIMEOUT_S) -> SyncClient:
        """Connect to the engine at ``path``; NotRunningError when nobody listens there."""
        return cls(locate.connect(path, timeout_s))

    def call(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Any:
        """The result of ``method``; notices that come meanwhile wait for ``notices``.

        CallRefusedError when the engine says no, ConnectionLostError when it is gone,
        CallTimeoutError after ``timeout_s`` seconds: the call may still take effect.
        """
        self._next_id += 1
        ends_at = time.monotonic() + timeout_s
        try:
            self._socket.settimeout(timeout_s)
            self._socket.sendall(call_line(self._next_id, method, params or {}))
        except (BrokenPipeError, ConnectionError):
            pass  # It may have said why before it closed: that is read next.
        while True:
            try:
                message = self._next_message(ends_at)
            except TimeoutError as late:
                raise CallTimeoutError(
                    f"the engine did not answer within {timeout_s:.0f} s",
                    why=f"what was asked of it ({method}) may still happen",
                    fix="Look with: longwatch status",
                ) from late
            if message.get("id") == self._next_id:
                if "error" in message:
                    raise error_from(message["error"])
                return message.get("result")
            self._set_aside(message)

    def notices(self, timeout_s: float | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Method and parameters of each notice, in order, until ConnectionLostError.

        TimeoutError when none came for ``timeout_s`` seconds; None waits for ever.
        """
        while True:
            while self._notices:
                yield self._notices.popleft()
            ends_at = None if timeout_s is None else time.monotonic() + timeout_s
            self._set_aside(self._next_message(ends_at))

    def fileno(self) -> int:
        """The descriptor of the socket, for ``select``."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self._socket.close()

    def __enter__(self) -> SyncClient:
        """Itself; closed at the end."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close."""
        self.close()

    def _set_aside(self, message: dict[str, Any]) -> None:
        if "method" in message:
            params = message.get("params")
            self._notices.append(
                (str(message["method"]), params if isinstance(params, dict) else {})
            )
        elif message.get("id") is None and "error" in message:
            refusal = error_from(message["error"])
            raise ConnectionLostError(refusal.what, why=refusal.why, fix=refusal.fix)

    def _next_message(self, ends_at: float | None) -> dict[str, Any]:
        while not self._arrived:
            self._receive(ends_at)
        return self._arrived.popleft()

    def _receive(self, ends_at: float | None) -> None:
        left = None if ends_at is None else ends_at - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError("the engine did not answer in time")
        self._socket.settimeout(left)
        try:
            chunk = self._socket.recv(CHUNK)
            if not chunk:
                raise ConnectionLostError(self._why_ended() or "the engine closed the connection")
            self._arrived.extend(decode(line) for line in self._frames.feed(chunk))
        except TimeoutError:
            raise TimeoutError("the engine did not answer in time") from None
        except FrameError as error:
            raise ConnectionLostError(f"the engine sent what is no message: {error}") from error
        except OSError as error:
            raise ConnectionLostError(f"the connection to the engine broke: {error}") from error
