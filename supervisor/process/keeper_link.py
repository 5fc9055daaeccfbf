"""The engine's connection to the keeper: calls with a timeout, exit notices in order.

The keeper is our parent and small; still nothing it sends can end us: a line that makes no sense
ends the connection, and a lost connection is said once (``on_lost``), because an engine without
its keeper has to leave.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
from collections.abc import Callable
from typing import Any

from supervisor.process.exit_record import ExitNotice, parse_notice
from supervisor.process.keeper_orders import (
    AdoptOrder,
    Hello,
    KeeperError,
    LivingAttempt,
    SpawnOrder,
    parse_attempt,
)

__all__ = [
    "AdoptOrder",
    "ExitNotice",
    "Hello",
    "KeeperError",
    "KeeperLink",
    "LivingAttempt",
    "SpawnOrder",
]

FD_VARIABLE = "LONGWATCH_KEEPER_FD"
CALL_TIMEOUT_S = 10.0
"""The keeper answers within a millisecond; a longer silence means that it is stuck."""
ADOPT_TIMEOUT_S = 60.0
"""The reply to an adoption waits until what a dead attempt left is ended."""
MAX_FRAME_BYTES = 4 * 1024 * 1024
"""Both directions; a longer call is refused here, before it costs anything."""

OnExited = Callable[[ExitNotice], None]
OnLost = Callable[[str], None]


class KeeperLink(asyncio.Protocol):
    """One connection, from ``open`` to ``close``; use it from the loop's thread only."""

    def __init__(self, on_exited: OnExited, on_lost: OnLost, call_timeout_s: float) -> None:
        self._on_exited = on_exited
        self._on_lost = on_lost
        self._call_timeout_s = call_timeout_s
        self._loop = asyncio.get_running_loop()
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._incoming = bytearray()
        self._scanned = 0
        self._transport: asyncio.Transport | None = None
        self._is_closing = False

    @classmethod
    async def open(
        cls,
        *,
        on_exited: OnExited,
        on_lost: OnLost,
        fd: int | None = None,
        call_timeout_s: float = CALL_TIMEOUT_S,
    ) -> KeeperLink:
        """Take over ``fd``, or the descriptor that the environment names.

        ``on_exited`` is called on the loop for each notice, in order, and after the caller of
        whatever was answered before it went on. ``on_lost`` is called once, with why, unless we
        closed. Raises KeeperError (``lost``) when there is no such descriptor.
        """
        try:
            number = int(os.environ[FD_VARIABLE]) if fd is None else fd
            # Not for our own children: the keeper takes an open end for a living engine.
            os.set_inheritable(number, False)
            end = socket.socket(fileno=number)
        except (KeyError, ValueError, OSError) as error:
            raise KeeperError("lost", f"there is no keeper at {FD_VARIABLE}: {error}") from error
        end.setblocking(False)
        link = cls(on_exited, on_lost, call_timeout_s)
        await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=end)
        return link

    def close(self) -> None:
        """End the connection; calls that wait fail with ``lost``. May be called twice."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.close()

    # Calls. Each raises KeeperError.

    async def upgrade(self) -> None:
        """Have the keeper execute itself anew once we have ended; ``bad`` from one too old."""
        await self._call({"call": "upgrade"})

    async def hello(self) -> Hello:
        """Who the keeper is and which attempts live."""
        reply = await self._call({"call": "hello"})
        attempts = tuple(parse_attempt(attempt) for attempt in reply["attempts"])
        return Hello(reply["pid"], reply["version"], reply["boot"], attempts)

    async def spawn(self, order: SpawnOrder) -> LivingAttempt:
        """Start the attempt; one that lives already is returned. ``gone``, ``busy``, ``spawn``."""
        return parse_attempt(await self._call(order.message()))

    async def adopt(self, order: AdoptOrder) -> LivingAttempt:
        """Watch a process of a former keeper. ``gone`` comes when nothing of it lives any more."""
        return parse_attempt(await self._call(order.message(), ADOPT_TIMEOUT_S))

    async def stop(self, run: str, epoch: int, *, signal: int, grace: float, reason: str) -> None:
        """Signal its group, SIGKILL everything of it after ``grace`` seconds; the end is a notice.

        ``gone`` when it does not live.
        """
        call = {"call": "stop", "signal": signal, "grace": grace, "reason": reason}
        await self._call({**call, "run": run, "epoch": epoch})

    async def set_deadline(self, run: str, epoch: int, *, at: float | None, kind: str) -> None:
        """Move the deadline to ``at`` (monotonic seconds, None for none). ``gone``."""
        await self._call({"call": "deadline", "run": run, "epoch": epoch, "at": at, "kind": kind})

    async def signal(self, run: str, epoch: int, number: int) -> None:
        """SIGSTOP or SIGCONT to everything of the attempt. ``gone``."""
        await self._call({"call": "signal", "run": run, "epoch": epoch, "signal": number})

    async def leave(self, *, stop_agents: bool = False) -> None:
        """The keeper ends after us, agents go on; with ``stop_agents`` refused while one lives."""
        await self._call({"call": "leave", "stop_agents": stop_agents})

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        incoming = self._incoming
        incoming += data
        while (end := incoming.find(b"\n", self._scanned)) >= 0:
            line = bytes(incoming[:end])
            del incoming[: end + 1]
            self._scanned = 0
            try:
                self._take(json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                self._give_up(f"the keeper said something that makes no sense: {error}")
                return
        self._scanned = len(incoming)
        if self._scanned > MAX_FRAME_BYTES:
            self._give_up(f"the keeper sent a line of more than {MAX_FRAME_BYTES} bytes")

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        why = str(exc) if exc else "the keeper closed the connection"
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(KeeperError("lost", why))
        if not self._is_closing:
            self._is_closing = True
            self._on_lost(why)

    def _give_up(self, why: str) -> None:
        if self._transport is not None:
            self._transport.abort()
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._on_lost, why)

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("notice") == "exited":
            # Later in this round of the loop, so that who waits for a reply that came before it
            # goes on first.
            self._loop.call_soon(self._on_exited, parse_notice(message))
            return
        future = self._waiting.pop(message["id"], None) if message.get("id") else None
        if future is None or future.done():
            return  # Its caller stopped waiting.
        if message.get("ok") is True:
            future.set_result(message)
            return
        error = message["error"]
        future.set_exception(KeeperError(error["code"], error["message"], error.get("errno")))

    async def _call(self, call: dict[str, Any], timeout_s: float | None = None) -> dict[str, Any]:
        if self._transport is None or self._is_closing:
            raise KeeperError("lost", "there is no connection to the keeper")
        call_id = next(self._ids)
        data = json.dumps({"id": call_id, **call}, separators=(",", ":")).encode() + b"\n"
        if len(data) > MAX_FRAME_BYTES:
            raise KeeperError("bad", f"a call of {len(data)} bytes; {MAX_FRAME_BYTES} at most")
        future = self._waiting[call_id] = self._loop.create_future()
        self._transport.write(data)
        try:
            async with asyncio.timeout(timeout_s or self._call_timeout_s):
                reply: dict[str, Any] = await future
                return reply
        except TimeoutError:
            text = f"no reply to {call['call']} within {timeout_s or self._call_timeout_s:g} s"
            raise KeeperError("timeout", text) from None
        finally:
            self._waiting.pop(call_id, None)
