"""A client of the control socket for programs with an event loop: the TUI, ``run``, ``dial``.

Owns one connection. It never reconnects by itself: the caller knows what it has seen (``since``).
Notices wait here in order; when nobody takes them, reading stops and the engine closes us.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple, cast

from supervisor.control import locate
from supervisor.control.frames import ENGINE_LIMIT, FrameError, FrameReader, decode
from supervisor.control.messages import ConnectionLostError, call_line, error_from

CONNECT_TIMEOUT_S = 5.0
CALL_TIMEOUT_S = 30.0
"""Default wait for a reply."""
HELD_NOTICES = 10_000
"""Notices that may wait to be taken before we stop reading."""


class Notice(NamedTuple):
    """Something the engine says by itself."""

    method: str
    params: dict[str, Any]


class Client:
    """A connection from ``connect`` to ``close``."""

    def __init__(self, link: _Link) -> None:
        self._link = link

    @classmethod
    async def connect(cls, path: Path, timeout_s: float = CONNECT_TIMEOUT_S) -> Client:
        """Connect to the engine at ``path``; NotRunningError when nobody listens there."""
        return await cls.over(await asyncio.to_thread(locate.connect, path, timeout_s))

    @classmethod
    async def over(cls, connection: socket.socket) -> Client:
        """Speak over a connected stream socket, which is ours from now on.

        For a remote engine: one end of a ``socketpair`` whose other end is the standard input and
        output of ``ssh … longwatch dial``.
        """
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        _transport, link = await loop.create_unix_connection(_Link, sock=connection)
        return cls(link)

    @property
    def is_connected(self) -> bool:
        """Whether the other end was there when we last looked."""
        return self._link.lost is None

    async def call(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Any:
        """The result of ``method``.

        CallRefusedError when the engine says no (its ``code`` says why), ConnectionLostError when
        it is gone, TimeoutError after ``timeout_s`` seconds: the call may still take effect.
        """
        return await self._link.call(method, params or {}, timeout_s)

    async def notices(self) -> AsyncIterator[Notice]:
        """Notices in the order sent, until the connection ends: then ConnectionLostError.

        Ends without an error after ``close``. One reader at a time.
        """
        while True:
            notice = await self._link.next_notice()
            if notice is None:
                return
            yield notice

    async def close(self) -> None:
        """Close the connection; calls that wait get ConnectionLostError. May be called twice."""
        self._link.shut()
        await asyncio.sleep(0)

    async def __aenter__(self) -> Client:
        """Itself; closed at the end."""
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Close."""
        await self.close()


class _Link(asyncio.Protocol):
    """Bytes in, replies and notices out."""

    def __init__(self) -> None:
        self.lost: ConnectionLostError | None = None
        self._transport: asyncio.Transport | None = None
        self._frames = FrameReader(ENGINE_LIMIT)
        self._next_id = 0
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._notices: deque[Notice] = deque()
        self._arrived: asyncio.Future[None] | None = None
        self._is_shut = False
        self._is_paused = False

    async def call(self, method: str, params: dict[str, Any], timeout_s: float) -> Any:
        if self.lost is not None or self._transport is None:
            raise ConnectionLostError("the connection to the engine is closed") from self.lost
        self._next_id += 1
        call_id = self._next_id
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls[call_id] = done
        self._transport.write(call_line(call_id, method, params))
        try:
            async with asyncio.timeout(timeout_s):
                return await done
        finally:
            del self._calls[call_id]

    async def next_notice(self) -> Notice | None:
        while not self._notices:
            if self._is_shut:
                return None
            if self.lost is not None:
                raise self.lost
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        if self._is_paused and len(self._notices) < HELD_NOTICES // 2 and self._transport:
            self._is_paused = False
            self._transport.resume_reading()
        return self._notices.popleft()

    def shut(self) -> None:
        self._is_shut = True
        if self._transport is not None:
            self._transport.close()
        self._end(ConnectionLostError("the connection was closed"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            for line in self._frames.feed(data):
                self._take(decode(line))
        except FrameError as error:
            self._end(ConnectionLostError(f"the engine sent what is no message: {error}"))
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        why = str(exc) if exc else "it stopped, or we read too slowly"
        self._end(ConnectionLostError("the engine closed the connection", why=why))

    def _take(self, message: dict[str, Any]) -> None:
        if "method" in message:
            params = message.get("params")
            notice = Notice(str(message["method"]), params if isinstance(params, dict) else {})
            self._notices.append(notice)
            self._wake()
            if len(self._notices) >= HELD_NOTICES and self._transport and not self._is_paused:
                self._is_paused = True
                self._transport.pause_reading()
            return
        done = self._calls.get(message.get("id", -1))
        if done is None:
            if message.get("id") is None and "error" in message:  # We are being closed, and why.
                refusal = error_from(message["error"])
                self._end(ConnectionLostError(refusal.what, why=refusal.why, fix=refusal.fix))
            return
        if done.done():
            return
        if "error" in message:
            done.set_exception(error_from(message["error"]))
        else:
            done.set_result(message.get("result"))

    def _end(self, lost: ConnectionLostError) -> None:
        """The first reason stands."""
        if self.lost is None:
            self.lost = lost
        for done in self._calls.values():
            if not done.done():
                done.set_exception(self.lost)
        self._wake()

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)
