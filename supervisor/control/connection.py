"""One client of the server: its frames, its calls in order, and what it has not read yet.

Everything a client can make us hold is bounded: one line, a few waiting calls, 4 MiB of unsent
notices and one reply. A client over a bound is told why and closed; the others notice nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from supervisor.control.frames import CLIENT_LIMIT, FrameError, FrameReader, decode
from supervisor.control.greeting import READING, read_only_refusal
from supervisor.control.locate import peer_uid
from supervisor.control.messages import (
    INVALID_REQUEST,
    REFUSED,
    UNKNOWN_METHOD,
    Call,
    CallRefusedError,
    InvalidCallError,
    error_line,
    failure_line,
    parse_call,
    reply_line,
)

if TYPE_CHECKING:
    from supervisor.control.server import Server

UNSENT_LIMIT = 4 * 2**20
"""Bytes a client may leave unread before the next write closes it (architecture.md)."""
MAX_WAITING_CALLS = 32
"""Calls of one client that wait for their turn; beyond, we stop reading from it."""
HALF_LINE_S = 30.0
"""Longest silence in the middle of a line: what is held of it is given back."""
CALL_TIMEOUT_S = 60.0
"""Longest a handler may take; the call may still take effect afterwards."""

Handler = Callable[["Connection", dict[str, Any]], Awaitable[Any]]
"""``async handler(connection, params) -> result``; raises RefusedError subclasses to say no."""


class Connection(asyncio.Protocol):
    """A connected client, as handlers see it."""

    def __init__(self, server: Server) -> None:
        self.name = ""
        """What the client calls itself; a handler of ``hello`` sets it. For people."""
        self.is_subscribed = False
        self.reads_only = False
        """It speaks another protocol: ``hello`` let it in to look, and no more."""
        self._server = server
        self._frames = FrameReader(CLIENT_LIMIT)
        self._transport: asyncio.Transport | None = None
        self._calls: deque[Call] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._held: list[bytes] | None = None
        """Broadcasts that wait for the reply to the call that subscribed."""
        self._reply_bytes = 0
        """Size of the newest reply, as long as it may still be unsent."""
        self._half_line: asyncio.TimerHandle | None = None
        self._is_closing = False
        self._has_ended = False
        """The client sends nothing more, but may wait for a reply."""

    def subscribe(self) -> None:
        """Send this client every broadcast from now on.

        Within a handler the broadcasts wait for its reply. So a handler that subscribes and then
        takes its snapshot, without awaiting in between, gives both without a gap or a repetition.
        """
        self.is_subscribed = True
        self._server.subscribers.add(self)
        if self._held is None and asyncio.current_task() is self._worker:
            self._held = []

    def notify(self, line: bytes) -> None:
        """Send one notice line; a client that does not keep up is closed."""
        if self._held is None:
            self._write(line)
        else:
            self._held.append(line)
            if sum(map(len, self._held)) > UNSENT_LIMIT:
                self._abort()

    def close(self, last_words: bytes = b"") -> None:
        """Send ``last_words`` if they go out at once, then close; may be called twice."""
        transport = self._transport
        if transport is None or self._is_closing:
            return
        self._is_closing = True
        transport.write(last_words)
        transport.close()
        # A client that never reads would keep a closing transport open for ever.
        asyncio.get_running_loop().call_later(1.0, transport.abort)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected: who is it, and is there room?"""
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)
        uid = peer_uid(cast("socket.socket", transport.get_extra_info("socket")))
        if uid != self._server.uid:
            self._refuse("refused", f"uid {uid} may not use this socket")
        elif len(self._server.connections) > self._server.max_clients:
            self._refuse("busy", f"there are {self._server.max_clients} clients already")

    def data_received(self, data: bytes) -> None:
        """Bytes of a client: whole lines become calls, the first bad one ends the connection."""
        if self._is_closing:
            return
        try:
            for line in self._frames.feed(data):
                self._accept(decode(line))
        except FrameError as error:
            self.close(error_line(None, error.code, str(error)))
            return
        self._watch_half_line()

    def eof_received(self) -> bool:
        """The client sends nothing more; stay open while it may wait for something."""
        self._has_ended = True
        return self._worker is not None or self.is_subscribed

    def connection_lost(self, _exc: Exception | None) -> None:
        """The client is gone: the call in work goes on, those that wait for it do not begin."""
        self._is_closing = True
        self._server.connections.discard(self)
        self._server.subscribers.discard(self)
        self._calls.clear()
        if self._half_line is not None:
            self._half_line.cancel()

    def _refuse(self, code: str, why: str) -> None:
        data = {"code": code, "why": why, "fix": ""}
        self.close(error_line(None, REFUSED, why, data))

    def _accept(self, message: dict[str, Any]) -> None:
        try:
            call = parse_call(message)
        except InvalidCallError as error:
            self._write(error_line(error.id, INVALID_REQUEST, str(error)))
            return
        self._calls.append(call)
        if len(self._calls) >= MAX_WAITING_CALLS and self._transport is not None:
            self._transport.pause_reading()
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())
            self._server.own(self._worker)

    async def _work(self) -> None:
        """Run the waiting calls one after the other; ends when there is none."""
        try:
            while self._calls and not self._is_closing:
                call = self._calls.popleft()
                line = await self._run(call)
                if call.wants_reply:
                    self._write(line, is_reply=True)
                self._release_held()
                if len(self._calls) < MAX_WAITING_CALLS and self._transport is not None:
                    self._transport.resume_reading()
        finally:
            self._worker = None
        if self._has_ended and not self.is_subscribed:
            self.close()

    async def _run(self, call: Call) -> bytes:
        handler = self._server.handlers.get(call.method)
        if handler is None:
            return error_line(call.id, UNKNOWN_METHOD, f"there is no method {call.method[:100]!r}")
        try:
            if self.reads_only and call.method not in READING:
                raise read_only_refusal(call.method)
            async with asyncio.timeout(CALL_TIMEOUT_S):
                return reply_line(call.id, await handler(self, call.params))
        except TimeoutError:
            slow = f"{call.method} took longer than {CALL_TIMEOUT_S:.0f} s; it may still happen"
            return failure_line(call.id, CallRefusedError(slow, code="busy"))
        except Exception as error:  # noqa: BLE001 - the boundary of a call: it gets an error reply
            self._server.handler_failed(call.method, error)
            return failure_line(call.id, error)

    def _release_held(self) -> None:
        held, self._held = self._held, None
        for line in held or ():
            self._write(line)

    def _write(self, line: bytes, *, is_reply: bool = False) -> None:
        """A reply may exceed the limit, and does not count against the notices behind it."""
        transport = self._transport
        if transport is None or self._is_closing:
            return
        unsent = transport.get_write_buffer_size()
        self._reply_bytes = min(self._reply_bytes, unsent)
        if unsent > UNSENT_LIMIT + (0 if is_reply else self._reply_bytes):
            self._abort()
            return
        transport.write(line)
        if is_reply:
            self._reply_bytes = len(line)

    def _abort(self) -> None:
        self._is_closing = True
        if self._transport is not None:
            self._transport.abort()

    def _watch_half_line(self) -> None:
        if self._half_line is not None:
            self._half_line.cancel()
            self._half_line = None
        if self._frames.held_bytes:
            loop = asyncio.get_running_loop()
            limit_s = self._server.half_line_s
            words = error_line(None, INVALID_REQUEST, f"half a line, then {limit_s:g} s of silence")
            self._half_line = loop.call_later(limit_s, self.close, words)
